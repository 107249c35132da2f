/* Sampling: what may be drawn, how often, and again with the same seed. */
#include "golden.h"

#include "runtime/sampler.c" /* the probabilities that it draws from */

static struct sampler *open_sampler(size_t vocab, struct sampler_config cfg)
{
	struct sampler *s;
	struct err err;

	if (sampler_open(&s, vocab, &cfg, &err))
		fail_msg("%s", err.text);
	return s;
}

static struct sampler_config plain(double temperature, double top_p, size_t top_k)
{
	return (struct sampler_config){
		.temperature = temperature, .top_p = top_p, .top_k = top_k, .penalty_decay = 1
	};
}

/* "rand-v6 long_final_logits" is a file of the goldens, "ties" an array beside the cases. */
static float *case_logits(const json_t *all, const char *name, size_t *n)
{
	const json_t *ties = strcmp(name, "ties") ? NULL : json_object_get(all, "tie_logits");
	char path[600], model[64], file[64];
	float *x;

	if (ties) {
		*n = json_array_size(ties);
		x = calloc(*n, sizeof *x);
		for (size_t i = 0; i < *n; i++)
			x[i] = (float)json_number_value(json_array_get(ties, i));
		return x;
	}
	assert_int_equal(sscanf(name, "%63s %63s", model, file), 2);
	snprintf(path, sizeof path, "%s/goldens/golden/%s/%s.f32", shared_dir(), model, file);
	*n = strncmp(name, "tiny", 4) ? 272 : 256;
	return golden_floats(path, *n);
}

static void check_case(const json_t *all, const json_t *c)
{
	const json_t *kept = json_object_get(c, "kept"), *probs = json_object_get(c, "probs");
	double top_p = json_number_value(json_object_get(c, "top_p"));
	const char *name = json_string_value(json_object_get(c, "logits"));
	size_t n, at = 0;
	float *logits = case_logits(all, name, &n);
	struct sampler *s = open_sampler(n, plain(json_number_value(json_object_get(c, "temperature")), top_p,
						  (size_t)json_integer_value(json_object_get(c, "top_k"))));
	const float *p = s->p;
	uint32_t token;

	assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
	assert_true(p[token] > 0);
	for (size_t i = 0; i < n && top_p < 1; i++) {
		bool expected = at < json_array_size(kept) && (size_t)json_integer_value(json_array_get(kept, at)) == i;

		if (expected != (p[i] > 0))
			fail_msg("%s, top_p %g: token %zu was %s", name, top_p, i, expected ? "dropped" : "kept");
		if (!expected)
			continue;
		assert_true(fabs((double)p[i] - json_number_value(json_array_get(probs, at))) < 2e-6);
		at++;
	}
	sampler_close(s);
	free(logits);
}

static void truncation_is_the_official_one(void **state)
{
	char path[600];
	json_t *all, *c;
	size_t i, ties = 0;

	(void)state;
	snprintf(path, sizeof path, "%s/goldens/sampling/sample_logits.json", shared_dir());
	all = json_load_file(path, 0, NULL);
	if (!all)
		SKIP_LOUDLY("no goldens at %s", path);
	json_array_foreach(json_object_get(all, "cases"), i, c)
	{
		check_case(all, c);
		ties += !strcmp(json_string_value(json_object_get(c, "logits")), "ties");
	}
	assert_true(i >= 30 && ties > 0);
	json_decref(all);
}

static void top_p_one_drops_nothing(void **state)
{
	enum { N = 5000 };
	static float logits[N];
	struct sampler *s = open_sampler(N, plain(1, 1, 0));
	uint32_t token;
	double sum = 0;

	(void)state;
	for (int i = 0; i < N; i++)
		logits[i] = (float)i / N;
	assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
	for (int i = 0; i < N; i++) {
		assert_true(s->p[i] > 0);
		sum += (double)s->p[i];
	}
	assert_true(fabs(sum - 1) < 1e-5);
	sampler_close(s);
}

/* Frequencies of many draws against the probabilities: chi-square with 7 degrees of freedom. */
static void draws_follow_the_probabilities(void **state)
{
	static const float logits[8] = { 0, 1, 2, -1, 0.5F, 3, 1.5F, -2 };
	enum { DRAWS = 200000 };
	struct sampler *s = open_sampler(8, plain(1, 1, 0));
	size_t counts[8] = { 0 };
	double chi2 = 0;

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		uint32_t token;

		assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
		counts[token]++;
	}
	for (int i = 0; i < 8; i++) {
		double expected = DRAWS * (double)s->p[i], d = (double)counts[i] - expected;

		chi2 += d * d / expected;
	}
	assert_true(chi2 < 24.3); /* exceeded once in a thousand; the seed is fixed */
	sampler_close(s);
}

static void a_seed_gives_the_same_tokens(void **state)
{
	/* The first outputs of xoshiro256++ after splitmix64(0) decide these; they never change. */
	static const float flat[16] = { 0 };
	uint32_t first[32], token;

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct sampler_config cfg = plain(1, 1, 0);
		struct sampler *s;
		int same = 0;

		cfg.seed = round == 2;
		s = open_sampler(16, cfg);
		for (int i = 0; i < 32; i++) {
			assert_int_equal(sampler_draw(s, flat, &token, NULL), 0);
			first[i] = round ? first[i] : token;
			same += first[i] == token;
		}
		assert_int_equal(same == 32, round < 2);
		sampler_close(s);
	}
	assert_int_equal(first[0], 5);
}

static void temperature_zero_is_greedy(void **state)
{
	static const float logits[4] = { 1, 3, 3, 2 };
	struct sampler *s = open_sampler(4, plain(0, 0.9, 0));
	int drawn[4] = { 0 };
	uint32_t token;

	(void)state;
	for (int i = 0; i < 200; i++) {
		sampler_draw(s, logits, &token, NULL);
		drawn[token]++;
	}
	assert_true(!drawn[0] && !drawn[3] && drawn[1] > 50 && drawn[2] > 50); /* equals stay */
	sampler_close(s);
}

static void penalties_act_on_a_copy(void **state)
{
	static const float logits[3] = { 2, 1.9F, 0 };
	static const uint32_t banned[] = { 2 };
	struct sampler_config cfg = { .temperature = 0,
				      .presence = 0.25,
				      .frequency = 0.5,
				      .penalty_decay = 0.5,
				      .spare_digits = true,
				      .banned = banned,
				      .n_banned = 1 };
	struct sampler *s = open_sampler(3, cfg);
	uint32_t token;

	(void)state;
	sampler_draw(s, logits, &token, NULL);
	assert_int_equal(token, 0);
	sampler_seen(s, 0, slice_of("a")); /* now 2 - 0.25 - 0.5 */
	sampler_draw(s, logits, &token, NULL);
	assert_int_equal(token, 1);
	sampler_seen(s, 1, slice_of("7")); /* a digit: 1.9 - 0.25; the first one decayed: 2 - 0.25 - 0.25 */
	sampler_draw(s, logits, &token, NULL);
	assert_int_equal(token, 1);
	assert_true(logits[0] == 2 && s->p[2] == 0);
	sampler_reset(s);
	sampler_draw(s, logits, &token, NULL);
	assert_int_equal(token, 0);
	sampler_close(s);
}

static void nonfinite_logits_are_never_drawn(void **state)
{
	const float some[4] = { NAN, 1, INFINITY, -INFINITY }, none[4] = { NAN, NAN, INFINITY, -INFINITY };
	struct sampler *s = open_sampler(4, plain(1, 1, 0));
	uint32_t token = 9;
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sampler_draw(s, some, &token, NULL), 0);
		assert_int_equal(token, 1);
	}
	assert_int_equal(sampler_draw(s, none, &token, &err), -ERR_UNSUPPORTED);
	assert_true(*err.hint);
	sampler_close(s);
}

static void extreme_settings_still_draw(void **state)
{
	static const double temperatures[] = { 0, 1e-300, 1e-3, 0.01, 1, 1e300 };
	float logits[300];

	(void)state;
	for (int i = 0; i < 300; i++)
		logits[i] = (float)(i % 7) * 30;
	for (size_t t = 0; t < sizeof temperatures / sizeof *temperatures; t++)
		for (size_t k = 0; k < 310; k += 31) {
			struct sampler *s = open_sampler(300, plain(temperatures[t], 0.5, k));
			uint32_t token = 999;

			assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
			assert_true(token < 300 && token % 7 == 6);
			sampler_close(s);
		}
}

static void senseless_settings_are_refused(void **state)
{
	static const uint32_t far[] = { 4 };
	struct sampler_config bad[] = { plain(-1, 1, 0),  plain(NAN, 1, 0), plain(INFINITY, 1, 0), plain(1, 1.5, 0),
					plain(1, NAN, 0), plain(1, 1, 0),   plain(1, 1, 0),        plain(1, 1, 0) };
	struct sampler *s;

	(void)state;
	bad[5].penalty_decay = 2;
	bad[6].presence = NAN;
	bad[7].banned = far;
	bad[7].n_banned = 1;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err;

		assert_int_equal(sampler_open(&s, 4, &bad[i], &err), -ERR_USAGE);
		assert_null(s);
	}
}

static void a_token_is_avoided_once(void **state)
{
	const float logits[3] = { 9, 1, 0 }, one[1] = { 1 };
	struct sampler *s = open_sampler(3, plain(0, 1, 0)), *single = open_sampler(1, plain(0, 1, 0));
	uint32_t token;

	(void)state;
	sampler_avoid(s, 0);
	assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
	assert_int_equal(token, 1);
	assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
	assert_int_equal(token, 0);
	sampler_avoid(single, 0); /* nothing else is left */
	assert_int_equal(sampler_draw(single, one, &token, NULL), 0);
	assert_int_equal(token, 0);
	sampler_close(single);
	sampler_close(s);
}

static void adjusting_keeps_what_was_seen(void **state)
{
	const float logits[3] = { 2, 1, 0 };
	struct sampler_config cfg = plain(0, 1, 0), penal = cfg;
	struct sampler *s = open_sampler(3, cfg);
	uint32_t token;

	(void)state;
	sampler_seen(s, 0, slice_of("a"));
	penal.presence = 5;
	assert_int_equal(sampler_adjust(s, &penal, NULL), 0);
	assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
	assert_int_equal(token, 1);
	penal.temperature = -1;
	assert_true(sampler_adjust(s, &penal, NULL) < 0);
	assert_int_equal(sampler_adjust(s, &cfg, NULL), 0);
	assert_int_equal(sampler_draw(s, logits, &token, NULL), 0);
	assert_int_equal(token, 0);
	sampler_close(s);
}

static void the_likeliest_is_a_number(void **state)
{
	static const float logits[] = { NAN, -3, 5, NAN, 4 }, none[] = { NAN, NAN };

	(void)state;
	assert_int_equal(logits_likeliest(logits, 5), 2);
	assert_true(logits_likeliest(none, 2) < 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_avoided_once),          cmocka_unit_test(adjusting_keeps_what_was_seen),
		cmocka_unit_test(truncation_is_the_official_one),   cmocka_unit_test(top_p_one_drops_nothing),
		cmocka_unit_test(draws_follow_the_probabilities),   cmocka_unit_test(a_seed_gives_the_same_tokens),
		cmocka_unit_test(temperature_zero_is_greedy),       cmocka_unit_test(penalties_act_on_a_copy),
		cmocka_unit_test(nonfinite_logits_are_never_drawn), cmocka_unit_test(extreme_settings_still_draw),
		cmocka_unit_test(the_likeliest_is_a_number),        cmocka_unit_test(senseless_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
