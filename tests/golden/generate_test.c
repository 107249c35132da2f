/* Whole generations, token for token, against the official PIPELINE.generate and ChatRWKV's demo loop. */
#include "golden.h"

#include "runtime/run.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"

static double number(const json_t *args, const char *key)
{
	return json_number_value(json_object_get(args, key));
}

/* The demo bans end of text and counts every token; generate() has its own bans and spares digits. */
static struct sampler_config config_of(const json_t *args, uint32_t *banned)
{
	const json_t *ban = json_object_get(args, "token_ban");
	bool demo = json_object_get(args, "penalty_decay");
	struct sampler_config cfg = { .temperature = number(args, "temperature"),
				      .top_p = number(args, "top_p"),
				      .presence = number(args, "alpha_presence"),
				      .frequency = number(args, "alpha_frequency"),
				      .penalty_decay = number(args, demo ? "penalty_decay" : "alpha_decay"),
				      .spare_digits = !demo,
				      .banned = banned };

	for (size_t i = 0; i < json_array_size(ban); i++)
		banned[cfg.n_banned++] = (uint32_t)json_integer_value(json_array_get(ban, i));
	if (demo)
		banned[cfg.n_banned++] = 0;
	return cfg;
}

static void check_trace(const json_t *trace, const struct model *m, const struct tokenizer *t)
{
	const json_t *want = json_object_get(trace, "tokens");
	uint32_t banned[8], token;
	struct sampler_config cfg = config_of(json_object_get(trace, "args"), banned);
	struct token_list prompt = { 0 };
	struct sampler *s;
	struct run *run;
	struct err err;

	assert_int_equal(
		tokenizer_encode(t, slice_of(json_string_value(json_object_get(trace, "prompt"))), &prompt, &err), 0);
	assert_int_equal(sampler_open(&s, model_info(m)->n_vocab, &cfg, &err), 0);
	assert_int_equal(run_open(&run, m, &(struct run_config){ .chunk_len = 16 }, &err), 0);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = prompt.ids, .n = prompt.n }, &err), 0);
	for (size_t i = 0; i < json_array_size(want); i++) {
		assert_int_equal(sampler_draw(s, run_logits(run), &token, &err), 0);
		if (token != (uint32_t)json_integer_value(json_array_get(want, i)))
			fail_msg("%s: token %zu is %u, expected %lld",
				 json_string_value(json_object_get(trace, "name")), i, token,
				 (long long)json_integer_value(json_array_get(want, i)));
		sampler_seen(s, token, tokenizer_bytes(t, token));
		assert_int_equal(run_forward(run, &(struct run_call){ .tokens = &token, .n = 1 }, &err), 0);
	}
	token_list_free(&prompt);
	sampler_close(s);
	run_close(run);
}

static void generations_are_the_official_ones(void **state)
{
	char path[600];
	struct tokenizer *t;
	json_t *all, *trace;
	size_t i;

	(void)state;
	snprintf(path, sizeof path, "%s/goldens/sampling/generate.json", shared_dir());
	all = json_load_file(path, 0, NULL);
	if (!all)
		SKIP_LOUDLY("no goldens at %s", path);
	assert_int_equal(tokenizer_open_bytes(&t, NULL), 0);
	json_array_foreach(all, i, trace)
	{
		struct model *m;

		snprintf(path, sizeof path, "%s/goldens/models/%s", shared_dir(),
			 json_string_value(json_object_get(trace, "model")));
		assert_int_equal(model_open(&m, path, NULL, NULL), 0);
		check_trace(trace, m, t);
		model_close(m);
	}
	assert_int_equal(i, 5);
	tokenizer_close(t);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generations_are_the_official_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
