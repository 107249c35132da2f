/* The verdict after a call: each sign at the token where its limit is reached and not before, the first bad token, what
 * is advised, and that going back takes it away. */
#include "test.h"

#include "base/file.h"
#include "observe/verdict.h"

#include <math.h>
#include <rwkvmon.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 65536, BYTES = 256, LOGITS = 512 };

static uint32_t draw(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

static rwkvmon *open_of(uint32_t vocab)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .vocab_size = vocab,
				      .has_sampler = 1,
				      .temperature = 0.5,
				      .top_p = 0.3,
				      .alpha_frequency = 0.3,
				      .overhead_budget_pct = -1 };
	rwkvmon *mon;

	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	return mon;
}

static struct rwkvmon_step step_of(const uint32_t *token)
{
	return (struct rwkvmon_step){
		.struct_size = sizeof(struct rwkvmon_step), .tokens = token, .n_tokens = 1, .phase = RWKVMON_DECODE
	};
}

static struct rwkvmon_verdict end(rwkvmon *mon, const struct rwkvmon_step *step)
{
	struct rwkvmon_verdict v = { .struct_size = sizeof v };

	rwkvmon_end(mon, step);
	rwkvmon_verdict(mon, &v);
	return v;
}

static struct rwkvmon_verdict say(rwkvmon *mon, uint32_t token)
{
	struct rwkvmon_step s = step_of(&token);

	return end(mon, &s);
}

/* 300 tokens of no order, then a period again and again: when does it fire? */
static void a_loop_of(uint32_t vocab, uint32_t period, uint32_t repeats_for)
{
	rwkvmon *mon = open_of(vocab);
	struct rwkvmon_verdict v;
	uint64_t seed = period;

	for (int i = 0; i < 300; i++)
		assert_int_equal(say(mon, draw(&seed) % 100).fires, 0);
	for (uint32_t i = 0; i < period + repeats_for; i++) {
		bool nearly = vocab == BYTES && i + 1 >= period + 86; /* of 100 tokens, which bytes do nowhere else */

		v = say(mon, 100 + i % period);
		assert_int_equal(v.fires, i + 1 == period + repeats_for ? RWKVMON_LOOP
					  : nearly                      ? RWKVMON_NEAR_LOOP
									: 0);
		if (v.fires)
			assert_int_equal(v.first_bad_token, 300 + period + 1);
		for (int sign = 0; sign < 8; sign++)
			assert_true((v.first_bad[sign] > 0) == (v.fires >> sign & 1) &&
				    (!v.first_bad[sign] || v.first_bad[sign] >= v.first_bad_token));
	}
	assert_int_equal(v.critical, RWKVMON_LOOP);
	assert_int_equal(v.go_back_tokens, repeats_for);
	assert_true(v.advice & RWKVMON_ADVISE_GO_BACK && v.advice & RWKVMON_ADVISE_SAMPLING);
	assert_true(v.temperature >= 1 && v.top_p > 0.8);
	assert_true(vocab == BYTES ? isnan(v.alpha_frequency) : v.alpha_frequency > 0.3);
	assert_float_equal(v.sure, 0.5, 1e-9);
	assert_true(say(mon, 100 + (period + repeats_for) % period).sure > 0.5);
	rwkvmon_went_back(mon, v.go_back_tokens + 1);
	for (int i = 0; i < 300; i++)
		assert_int_equal(say(mon, draw(&seed) % 100).fires, 0);
	rwkvmon_close(mon, NULL);
}

static void loops_are_told_when_they_are_certain(void **state)
{
	(void)state;
	a_loop_of(WORDS, 9, 80);
	a_loop_of(WORDS, 90, 94);
	a_loop_of(WORDS, 100, 97);
	a_loop_of(WORDS, 200, 216);
	a_loop_of(BYTES, 20, 160);
	a_loop_of(BYTES, 140, 188);
}

static struct rwkvmon_verdict say_of(rwkvmon *mon, uint32_t token, double entropy, double surprisal)
{
	const struct rwkvmon_number numbers[] = { { rwkvmon_metric("logits_entropy"), entropy },
						  { rwkvmon_metric("surprisal_nats"), surprisal } };
	struct rwkvmon_step s = step_of(&token);

	s.numbers = numbers;
	s.n_numbers = 2;
	return end(mon, &s);
}

/* How many tokens of a loop of 70 repeat before it fires. */
static uint64_t repeats_until_told(uint32_t vocab, double entropy, double surprisal)
{
	rwkvmon *mon = open_of(vocab);
	struct rwkvmon_verdict v = { 0 };
	uint64_t seed = 3;

	for (int i = 0; i < 300; i++)
		assert_int_equal(say_of(mon, draw(&seed) % 100, entropy, surprisal).fires, 0);
	for (uint32_t i = 0; !v.fires; i++)
		v = say_of(mon, 100 + i % 70, entropy, surprisal);
	assert_int_equal(v.first_bad_token, 300 + 70 + 1);
	rwkvmon_close(mon, NULL);
	return v.go_back_tokens;
}

static void bytes_that_are_the_likeliest_repeat_for_less_long(void **state)
{
	(void)state;
	assert_int_equal(repeats_until_told(BYTES, 1, 0.55), 60);
	assert_int_equal(repeats_until_told(BYTES, 1, 0.65), 86);
	assert_int_equal(repeats_until_told(BYTES, 1, NAN), 86);
	assert_int_equal(repeats_until_told(0, 1, 0.55), 86); /* who knows whether these are bytes */
	assert_int_equal(repeats_until_told(WORDS, 2, 1.1), 80);
}

/* Rows of 40 tokens of which one is another each time; surprisal of the others and of that. */
static uint32_t fires_in_rows(double text, double differs)
{
	rwkvmon *mon = open_of(WORDS);
	uint32_t fired = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		bool field = i % 40 == 20;

		fired |= say_of(mon, field ? 1000 + i : i % 40, 0.01, field ? differs : text).fires;
	}
	rwkvmon_close(mon, NULL);
	return fired;
}

static void rows_are_a_loop_if_their_fields_are_expected(void **state)
{
	(void)state;
	assert_int_equal(fires_in_rows(0.001, 0.1), RWKVMON_NEAR_LOOP); /* a counter */
	assert_int_equal(fires_in_rows(0.001, 4), 0);                   /* names */
	assert_int_equal(fires_in_rows(NAN, NAN), 0);                   /* nobody knows */
}

static void a_rewound_loop_that_comes_again_is_told_again(void **state)
{
	rwkvmon *mon = open_of(WORDS);
	struct rwkvmon_verdict v = { 0 };

	(void)state;
	for (int round = 0; round < 50; round++) {
		uint32_t n = 0;

		do
			v = say(mon, 1000 + n++ % 13);
		while (!v.fires);
		assert_int_equal(v.go_back_tokens, 80);
		assert_int_equal(v.first_bad_token, 14);
		rwkvmon_went_back(mon, v.first_bad_token + v.go_back_tokens - 1); /* to the very beginning */
	}
	rwkvmon_close(mon, NULL);
}

/* Logits of which one stands out by so much: from certain to a guess. */
static uint32_t after_logits(rwkvmon *mon, int n, float stands_out)
{
	float logits[LOGITS] = { stands_out };
	struct rwkvmon_verdict v = { 0 };
	uint64_t seed = 5;

	for (int i = 0; i < n; i++) {
		uint32_t token = draw(&seed) % LOGITS;
		struct rwkvmon_step s = step_of(&token);

		s.logits = logits;
		s.n_logits = LOGITS;
		v = end(mon, &s);
	}
	return v.fires;
}

static void entropy_is_judged_by_its_window(void **state)
{
	rwkvmon *mon;

	(void)state;
	mon = open_of(LOGITS); /* always a little open: entropy 0.1 nats, 1.6 % of the vocabulary's */
	assert_int_equal(after_logits(mon, VERDICT_SURE_TOKENS - 1, 10.8F), 0);
	assert_int_equal(after_logits(mon, 1, 10.8F), RWKVMON_LOW_ENTROPY);
	assert_int_equal(after_logits(mon, VERDICT_SURE_TOKENS / 10 + 1, 6), 0);
	rwkvmon_close(mon, NULL);
	mon = open_of(LOGITS); /* certain, as of a copy */
	assert_int_equal(after_logits(mon, 2 * VERDICT_SURE_TOKENS, 30), 0);
	rwkvmon_close(mon, NULL);
	mon = open_of(LOGITS);
	assert_int_equal(after_logits(mon, VERDICT_GUESS_TOKENS - 1, 1), 0);
	assert_int_equal(after_logits(mon, 1, 1), RWKVMON_HIGH_ENTROPY);
	rwkvmon_close(mon, NULL);
}

static void note_surprisal(struct verdict_state *s, double nats)
{
	struct record r = { .phase = PHASE_DECODE, .token_count = 1 };

	record_set(&r, M_SURPRISAL_NATS, nats);
	verdict_note(s, &r);
}

static void surprisal_is_the_mean_of_its_window(void **state)
{
	struct verdict_state s;
	struct observed_verdict v;
	struct cycle none = { 0 };

	(void)state;
	verdict_reset(&s, WORDS);
	for (int i = 1; i <= 3 * VERDICT_NEAR_TOKENS; i++) {
		note_surprisal(&s, i > VERDICT_NEAR_TOKENS ? 2 : 1);
		verdict_of(&s, &none, &v);
		assert_int_equal(isnan(v.mean_surprisal), i < VERDICT_NEAR_TOKENS);
		if (i == VERDICT_NEAR_TOKENS || i == 3 * VERDICT_NEAR_TOKENS / 2)
			assert_float_equal(v.mean_surprisal, i == VERDICT_NEAR_TOKENS ? 1 : 1.5, 1e-9);
	}
	assert_float_equal(v.mean_surprisal, 2, 1e-9);
	verdict_reset(&s, WORDS);
	verdict_of(&s, &none, &v);
	assert_true(isnan(v.mean_surprisal));
}

static void what_is_wrong_with_the_state_is_told_at_the_call(void **state)
{
	rwkvmon *mon = open_of(WORDS);
	struct rwkvmon_state_sums sums = { RWKVMON_SHIFT, 1, 1, 1, 0, 0 };
	uint32_t token = 7;
	struct rwkvmon_step s = step_of(&token);
	struct rwkvmon_verdict v = { 0 };

	(void)state;
	s.sums = &sums;
	s.n_sums = 1;
	for (uint32_t i = 0; i <= VERDICT_FREEZE_TOKENS; i++) {
		token = i * i % 251;
		assert_int_equal(v.fires, 0);
		v = end(mon, &s);
	}
	assert_int_equal(v.fires, RWKVMON_FREEZE); /* the first call of a sequence compares nothing */
	assert_int_equal(v.first_bad_token, 2);
	sums = (struct rwkvmon_state_sums){ RWKVMON_SHIFT, 4, 9, 16, 1, 0 };
	v = end(mon, &s);
	assert_int_equal(v.fires, RWKVMON_STATE_JUMP);
	assert_int_equal(v.advice, RWKVMON_ADVISE_RESET);
	sums.old_norm2 = 16;
	sums.nonfinite = 1;
	v = end(mon, &s);
	assert_int_equal(v.fires, RWKVMON_NON_FINITE);
	assert_int_equal(v.go_back_tokens, 1);
	assert_true(v.advice & RWKVMON_ADVISE_PRECISION && v.sure == 1);
	sums.nonfinite = 0;
	rwkvmon_went_back(mon, 1); /* to a state that the monitor did not keep: no jump */
	assert_int_equal(end(mon, &s).fires, 0);
	rwkvmon_close(mon, NULL);
}

static void a_leak_is_told_at_the_first_call(void **state)
{
	rwkvmon *mon = open_of(WORDS);
	float left[4] = { 0, 0.5F, 0, 0 };
	struct rwkvmon_tensor tensor = { left, 4, RWKVMON_F32, RWKVMON_WKV };
	struct rwkvmon_start start = { .struct_size = sizeof start, .state = &tensor, .n_state = 1 };
	struct rwkvmon_verdict v;

	(void)state;
	rwkvmon_new_sequence_from(mon, &start);
	v = say(mon, 1);
	assert_int_equal(v.fires, RWKVMON_STATE_LEAK);
	assert_int_equal(v.first_bad_token, 1);
	assert_int_equal(say(mon, 2).fires, 0);
	rwkvmon_close(mon, NULL);
}

/* Rules judge on the writer's thread: their word comes later, with its age. */
static void alarms_of_rules_come_with_their_age(void **state)
{
	rwkvmon *mon = open_of(WORDS);
	struct rwkvmon_number nan = { .metric = rwkvmon_metric("nan_state"), .value = 1 };
	const struct timespec moment = { .tv_nsec = 10000000 };
	uint32_t token = 3;
	struct rwkvmon_step s = step_of(&token);
	struct rwkvmon_verdict v = { .struct_size = sizeof v };

	(void)state;
	s.numbers = &nan;
	s.n_numbers = 1;
	assert_true(rwkvmon_alarm("non_finite") >= 0);
	assert_int_equal(rwkvmon_alarm("no_such_alarm"), -1);
	assert_int_equal(rwkvmon_alarm(NULL), -1);
	assert_string_equal(rwkvmon_alarm_type(rwkvmon_alarm("non_finite")), "non_finite");
	assert_null(rwkvmon_alarm_type(-1));
	assert_null(rwkvmon_alarm_type(10000));
	rwkvmon_end(mon, &s);
	for (int i = 0; i < 12000; i++) { /* a deadline for broken runs, never a measure */
		rwkvmon_verdict(mon, &v);
		if (!v.alarms_age)
			break;
		assert_int_equal(v.alarms_age, 1);
		nanosleep(&moment, NULL);
	}
	assert_int_equal(v.alarms_age, 0);
	assert_int_equal(v.alarms, UINT64_C(1) << rwkvmon_alarm("non_finite"));
	rwkvmon_close(mon, NULL);
}

/* What was done stands in the log, where it was done. */
static void acts_are_logged_in_their_place(void **state)
{
	char path[] = "/tmp/rwkvmon-acted-XXXXXX", why[RWKVMON_ERROR_BYTES], long_text[1000];
	struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg, .log_path = path, .instance = "h:1", .session_id = "s"
	};
	struct rwkvmon_change changes[] = { { "sequence_length", 3, 1 },
					    { "temperature", 0.5, 1 },
					    { "top_p", NAN, NAN } };
	struct rwkvmon_action a = { .struct_size = sizeof a,
				    .action = "rewind",
				    .alarm_type = "mode_collapse",
				    .reason = long_text,
				    .first_bad_token = 2,
				    .attempt = 1,
				    .tokens_saved = 7,
				    .changes = changes,
				    .n_changes = 3 };
	struct buf log = { 0 };
	rwkvmon *mon;
	char *line;

	(void)state;
	assert_int_equal(close(mkstemp(path)), 0);
	if (rwkvmon_open(&mon, &cfg, why))
		fail_msg("%s", why);
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = 0;
	for (uint32_t i = 0; i < 3; i++)
		say(mon, i);
	rwkvmon_went_back(mon, 2);
	assert_int_equal(rwkvmon_acted(mon, &a), 0);
	changes[1].key = "no_such_thing";
	assert_true(rwkvmon_acted(mon, &a) < 0);
	a.action = NULL;
	assert_true(rwkvmon_acted(mon, &a) < 0);
	assert_true(rwkvmon_acted(mon, NULL) < 0);
	say(mon, 9);
	rwkvmon_close(mon, NULL);
	assert_int_equal(file_read(&log, path, 1 << 20, NULL), 0);
	line = strstr(log.p, "\"action\",\"sequence_length\":1,\"alarm_type\":\"mode_collapse\"");
	assert_non_null(line);
	assert_null(strstr(line + 1, "\"event_type\":\"action\""));
	assert_non_null(strstr(line, "\"record\":4,\"action\":\"rewind\",\"first_bad_token\":2,\"reason\":\"xxx"));
	assert_non_null(
		strstr(line, "\"before\":{\"sequence_length\":3,\"temperature\":0.5},"
			     "\"after\":{\"sequence_length\":1,\"temperature\":1},\"tokens_saved\":7,\"attempt\":1}"));
	assert_non_null(strstr(line, "\"inference_step\",\"sequence_length\":2,"));
	buf_free(&log);
	unlink(path);
}

static void callers_of_other_versions_and_none_are_fine(void **state)
{
	rwkvmon *mon = open_of(WORDS);
	struct rwkvmon_verdict v = { .struct_size = offsetof(struct rwkvmon_verdict, advice), .alarms_age = 77 };

	(void)state;
	rwkvmon_verdict(mon, NULL);
	rwkvmon_verdict(mon, &v);
	assert_int_equal(v.alarms_age, 77); /* beyond what the caller said it has */
	v = (struct rwkvmon_verdict){ .struct_size = sizeof v, .fires = 9 };
	rwkvmon_verdict(NULL, &v);
	assert_int_equal(v.fires, 0);
	rwkvmon_went_back(NULL, 3);
	rwkvmon_went_back(mon, SIZE_MAX);
	assert_int_equal(say(mon, 1).fires, 0);
	rwkvmon_close(mon, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loops_are_told_when_they_are_certain),
		cmocka_unit_test(bytes_that_are_the_likeliest_repeat_for_less_long),
		cmocka_unit_test(rows_are_a_loop_if_their_fields_are_expected),
		cmocka_unit_test(a_rewound_loop_that_comes_again_is_told_again),
		cmocka_unit_test(entropy_is_judged_by_its_window),
		cmocka_unit_test(surprisal_is_the_mean_of_its_window),
		cmocka_unit_test(what_is_wrong_with_the_state_is_told_at_the_call),
		cmocka_unit_test(a_leak_is_told_at_the_first_call),
		cmocka_unit_test(alarms_of_rules_come_with_their_age),
		cmocka_unit_test(acts_are_logged_in_their_place),
		cmocka_unit_test(callers_of_other_versions_and_none_are_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
