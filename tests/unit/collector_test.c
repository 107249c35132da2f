/* The C API end to end: what is fed in comes out of the log, whatever happens to the disk. */
#include "test.h"

#include "base/clock.h"
#include "base/file.h"
#include "collect/budget.h"
#include "record/codec.h"

#include <math.h>
#include <pthread.h>
#include <rwkvmon.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/rwkvmon-collector-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* Reads a log whole; every line must be ours. */
struct lines {
	struct buf text;
	size_t n, by_event[EVENT_TYPE_COUNT];
	struct record step[4096]; /* metrics and counts; pointers are stale */
	size_t n_steps;
	uint64_t latest, missing; /* lines' numbers: of the last line, from 1; that no line has */
	char session_id[64];
};

static struct lines *read_log(const char *path)
{
	struct lines *l = calloc(1, sizeof *l);
	struct record_decoder d = { 0 };
	char *p, *end;

	assert_int_equal(file_read(&l->text, path, 1 << 28, NULL), 0);
	for (p = l->text.p; (end = strchr(p, '\n')); p = end + 1) {
		struct record r;

		assert_int_equal(record_decode(&d, (struct slice){ p, (size_t)(end - p) }, &r), DECODE_OK);
		l->n++;
		l->by_event[r.event]++;
		assert_true(r.ordinal > l->latest);
		l->missing += r.ordinal - l->latest - 1;
		l->latest = r.ordinal;
		assert_true(fields_have(r.session, F_INSTANCE));
		snprintf(l->session_id, sizeof l->session_id, "%.*s", SLICE_ARG(fields_text(r.session, F_SESSION_ID)));
		if (r.event == EVENT_INFERENCE_STEP && l->n_steps < 4096)
			l->step[l->n_steps++] = r;
	}
	assert_true(!*p); /* the last line is whole */
	record_decoder_free(&d);
	return l;
}

static void lines_free(struct lines *l)
{
	buf_free(&l->text);
	free(l);
}

static rwkvmon *open_log(const char *path, int block)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = path,
				      .model_name = "m",
				      .strategy = "cpu fp32",
				      .vocab_size = 256,
				      .block_when_full = block,
				      .ring_bytes = 1 << 16 };
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why))
		fail_msg("%s", why);
	return mon;
}

static void step(rwkvmon *mon, const uint32_t *tokens, size_t n, const float *logits, const float *state)
{
	struct rwkvmon_tensor tensors[] = { { state, 64, RWKVMON_F32, RWKVMON_SHIFT },
					    { state + 64, 192, RWKVMON_F32, RWKVMON_WKV } };
	struct rwkvmon_step s = { .struct_size = sizeof s,
				  .tokens = tokens,
				  .n_tokens = n,
				  .logits = logits,
				  .n_logits = 256,
				  .state = tensors,
				  .n_state = 2,
				  .phase = n > 1 ? RWKVMON_PREFILL : RWKVMON_DECODE,
				  .ends_prefill = n > 1 };

	rwkvmon_begin(mon);
	rwkvmon_end(mon, &s);
}

/* A conversation has many turns, and each its prompt: in one call, in chunks of which the last is named, and in chunks
 * of which none is. */
static void each_turn_has_its_time_to_first_token(void **state)
{
	static const struct {
		int tokens, ends, told;
	} calls[] = { { 5, 1, 1 }, { 1, 0, 0 }, { 1, 0, 0 }, { 5, 0, 0 }, { 3, 1, 1 }, { 1, 0, 0 },
		      { 4, 0, 0 }, { 4, 0, 0 }, { 1, 0, 1 }, { 1, 0, 0 }, { 2, 1, 1 } };
	enum { CALLS = sizeof calls / sizeof *calls };
	const char *path = in_dir("turns.log");
	rwkvmon *mon = open_log(path, 1);
	const uint32_t tokens[5] = { 1, 2, 3, 4, 5 };
	struct lines *l;

	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		struct rwkvmon_step s = { .struct_size = sizeof s,
					  .tokens = tokens,
					  .n_tokens = (size_t)calls[i].tokens,
					  .phase = calls[i].tokens > 1 ? RWKVMON_PREFILL : RWKVMON_DECODE,
					  .ends_prefill = calls[i].ends };

		rwkvmon_begin(mon);
		rwkvmon_end(mon, &s);
	}
	rwkvmon_close(mon, NULL);
	l = read_log(path);
	assert_int_equal(l->n_steps, CALLS);
	for (size_t i = 0; i < CALLS; i++)
		assert_int_equal(record_has(&l->step[i], M_TIME_TO_FIRST_TOKEN_MS), calls[i].told);
	/* Of both chunks, and not of all that went before. */
	assert_true(l->step[4].metric[M_TIME_TO_FIRST_TOKEN_MS] >= l->step[4].metric[M_CHUNK_PROCESS_TIME_MS]);
	lines_free(l);
}

static void every_number_of_a_session_is_right(void **state)
{
	const char *path = in_dir("numbers.log");
	rwkvmon *mon = open_log(path, 1);
	float logits[256] = { 0 }, st[256];
	uint32_t tokens[100], next = 7;
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct lines *l;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		tokens[i] = i % 60;
	for (int i = 0; i < 256; i++)
		st[i] = 1;
	step(mon, tokens, 100, logits, st);
	for (int i = 0; i < 64; i++)
		st[i] = -1; /* the shift part turns round */
	logits[7] = 20;
	step(mon, &next, 1, logits, st);
	step(mon, &next, 1, logits, st);
	rwkvmon_new_sequence(mon);
	step(mon, &next, 1, logits, st);
	rwkvmon_so_far(mon, &totals);
	assert_int_equal(totals.records, 4);
	assert_int_equal(totals.tokens, 103);
	assert_string_equal(totals.trouble, "");
	assert_true(totals.overhead_seconds > 0);
	rwkvmon_so_far(mon, NULL);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.records, 4);
	assert_int_equal(totals.tokens, 103);
	assert_int_equal(totals.dropped, 0);
	assert_string_equal(totals.log_path, path);

	l = read_log(path);
	assert_int_equal(l->by_event[EVENT_SESSION_START], 1);
	assert_int_equal(l->by_event[EVENT_SESSION_END], 1);
	assert_int_equal(l->n_steps, 4);
	assert_float_equal(l->step[0].metric[M_LOGITS_ENTROPY], log(256), 1e-4);
	assert_float_equal(l->step[0].metric[M_TOKEN_REPETITION_PCT], 40, 0);
	assert_false(record_has(&l->step[0], M_STATE_SIMILARITY));
	assert_false(record_has(&l->step[0], M_THROUGHPUT_TPS));
	assert_true(record_has(&l->step[0], M_TIME_TO_FIRST_TOKEN_MS));
	assert_int_equal(l->step[0].metric[M_STATE_SIZE_BYTES], 1024);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY], 0.5, 1e-6);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY_SHIFT], -1, 1e-6);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY_WKV], 1, 1e-6);
	assert_float_equal(l->step[1].metric[M_STATE_CHANGE], 1, 1e-6); /* 64 values by 2: sqrt(256) / sqrt(256) */
	assert_float_equal(l->step[1].metric[M_SURPRISAL_NATS], log(256), 1e-4);
	assert_true(record_has(&l->step[1], M_THROUGHPUT_TPS));
	assert_false(record_has(&l->step[1], M_TIME_TO_FIRST_TOKEN_MS));
	assert_float_equal(l->step[2].metric[M_STATE_SIMILARITY], 1, 1e-6);
	assert_true(l->step[2].metric[M_SURPRISAL_NATS] < 1e-4);
	assert_int_equal(l->step[2].sequence_length, 102);
	assert_int_equal(l->step[3].sequence, 1);
	assert_int_equal(l->step[3].sequence_length, 1);
	assert_false(record_has(&l->step[3], M_STATE_SIMILARITY));
	assert_false(record_has(&l->step[3], M_SURPRISAL_NATS));
	assert_false(record_has(&l->step[3], M_TOKEN_REPETITION_PCT));
	lines_free(l);
}

static void nonfinite_numbers_alarm_and_are_counted(void **state)
{
	const char *path = in_dir("nan.log");
	rwkvmon *mon = open_log(path, 1);
	float logits[256] = { 0 }, st[256] = { 1 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	uint32_t token = 1;
	struct lines *l;

	(void)state;
	step(mon, &token, 1, logits, st);
	logits[3] = NAN;
	logits[4] = INFINITY;
	st[9] = NAN;
	step(mon, &token, 1, logits, st);
	logits[3] = logits[4] = st[9] = 0;
	step(mon, &token, 1, logits, st);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.alarms, 3); /* NaN and infinity in the logits, NaN in the state */
	l = read_log(path);
	assert_int_equal(l->step[1].metric[M_NONFINITE_LOGITS], 2);
	assert_int_equal(l->step[1].metric[M_NONFINITE_STATE], 1);
	assert_false(record_has(&l->step[1], M_LOGITS_ENTROPY));
	assert_int_equal(l->by_event[EVENT_ALARM], 3);
	assert_int_equal(l->by_event[EVENT_ALARM_RESOLVED], 3);
	assert_non_null(strstr(l->text.p,
			       "\"alarm_type\":\"non_finite\",\"severity\":\"critical\",\"details\":{\"timestamp\""));
	lines_free(l);
}

static void fields_of_the_caller_stand_at_the_end_of_their_group(void **state)
{
	static const struct {
		const char *path, *says;
	} bad[] = {
		{ "performance.token_latency_ms", "has a field of this name" },
		{ "metadata.host", "has a field of this name" },
		{ "accuracy.decay_half_life_tokens", "has a field of this name" },
		{ "timestamp", "has a field of this name" },
		{ "other.x", "expected name" },
		{ "a.b.c", "expected name" },
		{ "9x", "expected name" },
		{ "", "expected name" },
		{ "metadata.", "expected name" },
		{ "x\"y", "expected name" },
	};
	const char *path = in_dir("own.log");
	rwkvmon *mon = open_log(path, 1);
	float logits[256] = { 0 }, st[256] = { 1 };
	char why[RWKVMON_ERROR_BYTES], name[32], value[400];
	uint32_t token = 1;
	struct lines *l;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(rwkvmon_set_number(mon, bad[i].path, 1, why) < 0);
		if (!strstr(why, bad[i].says))
			fail_msg("%s: %s", bad[i].path, why);
	}
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = 0;
	assert_true(rwkvmon_set_text(mon, "long", value, NULL) < 0);
	assert_int_equal(rwkvmon_set_text(mon, "request", "a \"b\"", why), 0);
	assert_int_equal(rwkvmon_set_number(mon, "performance.batch_size", 4, why), 0);
	assert_int_equal(rwkvmon_set_number(mon, "accuracy.my_score", 0.5, why), 0);
	assert_int_equal(rwkvmon_set_number(mon, "accuracy.gone", 1, why), 0);
	assert_int_equal(rwkvmon_set_number(mon, "accuracy.gone", NAN, why), 0);
	assert_int_equal(rwkvmon_set_text(mon, "metadata.user_group", "blue", why), 0);
	step(mon, &token, 1, logits, st);
	assert_int_equal(rwkvmon_set_text(mon, "request", NULL, why), 0);
	for (int i = 0; i < 13; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(rwkvmon_set_number(mon, name, i, why), 0);
	}
	assert_true(rwkvmon_set_number(mon, "one_too_many", 1, why) < 0);
	step(mon, &token, 1, logits, st);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	l = read_log(path);
	assert_int_equal(l->n_steps, 2);
	assert_non_null(strstr(l->text.p, ",\"batch_size\":4},\"resources\""));
	assert_non_null(strstr(l->text.p, ",\"my_score\":0.5},\"metadata\""));
	assert_non_null(strstr(l->text.p, ",\"user_group\":\"blue\"},\"sequence\""));
	assert_non_null(strstr(l->text.p, ",\"request\":\"a \\\"b\\\"\"}\n"));
	assert_non_null(strstr(l->text.p, "\"n11\":11,\"n12\":12}\n"));
	assert_null(strstr(l->text.p, "gone"));
	lines_free(l);
}

static void a_leaked_state_is_seen_and_alarmed(void **state)
{
	const char *path = in_dir("leak.log");
	rwkvmon *mon = open_log(path, 1);
	float logits[256] = { 0 }, st[256] = { 1 }, start[4] = { 0 }, declared[4] = { 3, 0, 4, 0 };
	struct rwkvmon_tensor is = { start, 4, RWKVMON_F32, RWKVMON_WKV },
			      ought = { declared, 4, RWKVMON_F32, RWKVMON_WKV };
	struct rwkvmon_start how = { .struct_size = sizeof how, .state = &is, .n_state = 1 };
	static const double leak[] = { 0, 1, 0, 0.2, 1 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	uint32_t token = 1;
	struct lines *l;

	(void)state;
	for (int i = 0; i < 5; i++) {
		start[0] = i == 1 ? 9 : i >= 2 ? 3 : 0;
		start[2] = i == 2 ? 4 : i == 3 ? 3 : 0;
		how.declared = i >= 2 ? &ought : NULL;
		how.n_declared = i == 4 ? 2 : i >= 2;
		rwkvmon_new_sequence_from(mon, &how);
		step(mon, &token, 1, logits, st);
		step(mon, &token, 1, logits, st);
	}
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.alarms, 1); /* those that follow fall into its cooldown */
	l = read_log(path);
	for (int i = 0; i < 5; i++) {
		assert_true(record_has(&l->step[2 * i], M_STATE_LEAK));
		assert_float_equal(l->step[2 * i].metric[M_STATE_LEAK], leak[i], 1e-6);
		assert_false(record_has(&l->step[2 * i + 1], M_STATE_LEAK));
	}
	assert_non_null(strstr(l->text.p, "\"alarm_type\":\"state_leak\""));
	lines_free(l);
}

static void norms_of_the_layers_come_on_request(void **state)
{
	const char *path = in_dir("norms.log");
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = path,
				      .n_layer = 2,
				      .log_state_norms = 1,
				      .log_tokens = 1,
				      .block_when_full = 1 };
	float st[256];
	struct rwkvmon_tensor tensors[] = { { st, 64, RWKVMON_F32, RWKVMON_SHIFT },
					    { st, 36, RWKVMON_F32, RWKVMON_WKV },
					    { st, 36, RWKVMON_F32, RWKVMON_SHIFT },
					    { st, 0, RWKVMON_F32, RWKVMON_WKV } };
	struct rwkvmon_state_sums sums[] = { { RWKVMON_SHIFT, 1, 1, 9, 0, 0 },
					     { RWKVMON_WKV, 1, 1, 16, 0, 0 },
					     { RWKVMON_SHIFT, 1, 1, 4, 0, 0 },
					     { RWKVMON_WKV, 1, 1, 0, 0, 0 } };
	uint32_t tokens[] = { 5, 6, 7 };
	struct rwkvmon_step s = {
		.struct_size = sizeof s, .tokens = tokens, .n_tokens = 3, .state = tensors, .n_state = 4
	};
	rwkvmon *mon;
	struct lines *l;

	(void)state;
	for (int i = 0; i < 256; i++)
		st[i] = 1;
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	rwkvmon_end(mon, &s);
	s.n_state = 0;
	s.sums = sums;
	s.n_sums = 4;
	rwkvmon_end(mon, &s);
	s.n_sums = 0;
	rwkvmon_end(mon, &s);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	l = read_log(path);
	assert_non_null(strstr(l->text.p, "\"state_norms\":[10,6]}"));
	assert_non_null(strstr(l->text.p, "\"state_norms\":[5,2]}"));
	assert_int_equal(l->n_steps, 3);
	assert_non_null(strstr(l->text.p, "\"tokens\":[5,6,7]"));
	lines_free(l);
}

/* One stream's call. */
static void spend(struct budget *b, unsigned *turn, uint64_t own_ns, uint64_t forward_ns)
{
	budget_spent(b, 1, budget_takes_all(b, *turn), own_ns, 0, forward_ns);
	*turn = budget_next(b, *turn);
}

static void the_budget_samples_less_often_and_recovers(void **state)
{
	struct budget b = budget_of(0), none = budget_of(-1);
	unsigned looked = 0, turn = 0, never = 0;

	(void)state;
	for (int i = 0; i < 64 * 8; i++) {
		spend(&b, &turn, 1000000, 10000000); /* 10 % */
		spend(&none, &never, 1000000, 10000000);
	}
	assert_int_equal(b.stride, 64);
	assert_int_equal(none.stride, 1);
	for (int i = 0; i < 64 * 4; i++) {
		looked += budget_takes_all(&b, turn);
		spend(&b, &turn, 300000, 100000000); /* within, but not far within */
	}
	assert_int_equal(looked, 8); /* two neighbours of each 64 */
	for (int i = 0; i < 64 * 8; i++)
		spend(&b, &turn, 1000, 100000000);
	assert_int_equal(b.stride, 1);
	for (int i = 0; i < 64 * 8; i++)
		spend(&b, &turn, 15000, 20000); /* a tiny model: nobody notices 15 µs */
	assert_int_equal(b.stride, 1);
	for (int i = 0; i < 64 * 8; i++)
		spend(&b, &turn, i % 16 ? 50000 : 20000000, 20000000); /* preempted now and then: not our doing */
	assert_int_equal(b.stride, 1);
	for (int i = 0; i < 64 * 8; i++)
		spend(&b, &turn, 500000, 20000000); /* the looks themselves have grown */
	assert_true(b.stride > 1);
}

static unsigned stride_beside(uint64_t own_ns, uint64_t caller_ns, uint64_t forward_ns)
{
	struct budget b = budget_of(0);

	for (unsigned i = 0, turn = 0; i < 64 * 8; i++, turn = budget_next(&b, turn))
		budget_spent(&b, 1, budget_takes_all(&b, turn), budget_takes_all(&b, turn) ? own_ns : 10000, caller_ns,
			     forward_ns);
	return b.stride;
}

static void what_the_caller_spends_leaves_the_rest_of_the_budget(void **state)
{
	(void)state;
	assert_int_equal(stride_beside(460000, 0, 76000000), 1);
	assert_int_equal(stride_beside(460000, 290000, 76000000), 1);
	assert_int_equal(stride_beside(460000, 400000, 76000000), 4);
	assert_int_equal(stride_beside(460000, 550000, 76000000), 8);
	assert_int_equal(stride_beside(180000, 40000000, 76000000), 1); /* measuring less would save none of that */
	assert_int_equal(stride_beside(15000, 300000, 3000000), 1);
}

static void what_the_caller_spends_is_overhead_too(void **state)
{
	rwkvmon *mon = open_log(in_dir("spent.log"), 1);
	struct rwkvmon_step s = { .struct_size = sizeof s, .tokens = (uint32_t[]){ 1 }, .n_tokens = 1 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };

	(void)state;
	s.began_ns = clock_mono_ns(&clock_system) - 10000000000U;
	s.spent_ns = 1000000000;
	rwkvmon_end(mon, &s);
	s.spent_ns = UINT64_MAX; /* no more than the call */
	rwkvmon_end(mon, &s);
	rwkvmon_close(mon, &totals);
	assert_true(totals.overhead_seconds > 11 && totals.overhead_seconds < 100);
}

enum { BURST = 20000 };

static void what_is_produced_is_written_or_counted(int block)
{
	const char *path = in_dir(block ? "block.log" : "drop.log");
	rwkvmon *mon = open_log(path, block);
	float logits[256] = { 0 }, st[256] = { 1 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	uint32_t token = 1;
	struct lines *l;

	for (int i = 0; i < BURST; i++)
		step(mon, &token, 1, logits, st);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	l = read_log(path);
	assert_int_equal(totals.records, BURST);
	assert_int_equal(l->by_event[EVENT_INFERENCE_STEP] + totals.dropped, BURST);
	if (block)
		assert_int_equal(totals.dropped, 0);
	assert_int_equal(l->by_event[EVENT_GAP] > 0, totals.dropped > 0);
	assert_int_equal(l->missing, totals.dropped);
	lines_free(l);
}

static void session_ids_have_48_random_bits_each(void **state)
{
	char first[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const char *path = in_dir(i ? "id1.log" : "id0.log");
		struct lines *l;

		rwkvmon_close(open_log(path, 1), NULL);
		l = read_log(path);
		assert_int_equal(strlen(l->session_id), 22);
		assert_int_equal(strspn(l->session_id + 10, "0123456789abcdef"), 12);
		if (i)
			assert_string_not_equal(first, l->session_id);
		snprintf(first, sizeof first, "%s", l->session_id);
		lines_free(l);
	}
}

static void the_batch_size_is_logged_when_it_is_more_than_one(void **state)
{
	const char *path = in_dir("batch.log");
	rwkvmon *mon = open_log(path, 1);
	const uint32_t token = 1;
	struct rwkvmon_step s = { .struct_size = sizeof s, .tokens = &token, .n_tokens = 1 };
	struct lines *l;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		s.batch_size = i;
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &s);
	}
	rwkvmon_close(mon, NULL);
	l = read_log(path);
	assert_int_equal(l->n_steps, 3);
	assert_true(!l->step[0].batch_size && !l->step[1].batch_size && l->step[2].batch_size == 2);
	assert_true(l->step[0].ordinal == 2 && l->step[2].ordinal == 4 && l->latest == 5);
	lines_free(l);
}

static void a_full_ring_drops_and_counts(void **state)
{
	(void)state;
	what_is_produced_is_written_or_counted(0);
}

static void a_full_ring_can_block_instead(void **state)
{
	(void)state;
	what_is_produced_is_written_or_counted(1);
}

static void a_full_disk_is_told_at_the_end_and_stops_nothing(void **state)
{
	rwkvmon *mon = open_log("/dev/full", 0);
	float logits[256] = { 0 }, st[256] = { 1 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	uint32_t token = 1;

	(void)state;
	for (int i = 0; i < 100; i++)
		step(mon, &token, 1, logits, st);
	do { /* it is told as soon as the writer has tried */
		rwkvmon_so_far(mon, &totals);
		usleep(1000);
	} while (!*totals.trouble);
	assert_non_null(strstr(totals.trouble, "No space left on device"));
	assert_int_equal(totals.records, 100);
	assert_string_equal(totals.log_path, "/dev/full");
	assert_true(rwkvmon_close(mon, &totals) < 0);
	assert_int_equal(totals.records, 100);
	assert_true(totals.dropped >= 100);
	assert_non_null(strstr(totals.trouble, "No space left on device"));
	assert_non_null(strstr(totals.trouble, "free some space"));
}

static void bad_configurations_are_refused_with_advice(void **state)
{
	static const struct {
		const char *log, *rules, *says;
	} cases[] = {
		{ "/nonexistent/dir/x.log", NULL, "/nonexistent/dir/x.log: the log cannot be opened" },
		{ "/", NULL, "Is a directory" },
		{ NULL, "no-such-rules", "name a shipped set" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
					      .log_path = cases[i].log,
					      .rules = cases[i].rules };
		char why[RWKVMON_ERROR_BYTES];
		rwkvmon *mon;

		assert_true(rwkvmon_open(&mon, &cfg, why) < 0);
		assert_null(mon);
		if (!strstr(why, cases[i].says))
			fail_msg("refused with: %s", why);
	}
}

static void a_torn_log_is_repaired_and_goes_on(void **state)
{
	const char *path = in_dir("torn.log"), torn[] = "{\"timestamp\":\"2025-09-11T12:3";
	float logits[256] = { 0 }, st[256] = { 1 };
	struct buf text = { 0 };
	uint32_t token = 1;
	rwkvmon *mon;

	(void)state;
	assert_int_equal(file_write(path, slice_of(torn), NULL), 0);
	mon = open_log(path, 1);
	step(mon, &token, 1, logits, st);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	assert_int_equal(file_read(&text, path, 1 << 20, NULL), 0);
	assert_memory_equal(text.p, torn, sizeof torn - 1); /* what was written stays */
	assert_memory_equal(text.p + sizeof torn - 1, "\n{\"timestamp\"", 13);
	buf_free(&text);
}

static void a_file_per_session_or_process(void **state)
{
	float logits[256] = { 0 }, st[256] = { 1 };
	struct rwkvmon_totals totals[3] = { { .struct_size = sizeof totals[0] },
					    { .struct_size = sizeof totals[0] },
					    { .struct_size = sizeof totals[0] } };
	uint32_t token = 1;
	struct lines *l;

	(void)state;
	for (int i = 0; i < 3; i++) {
		rwkvmon *mon = open_log(in_dir(i < 2 ? "own-{session}.log" : "own-{pid}.log"), 1);

		step(mon, &token, 1, logits, st);
		assert_int_equal(rwkvmon_close(mon, &totals[i]), 0);
		l = read_log(totals[i].log_path);
		assert_int_equal(l->n_steps, 1);
		lines_free(l);
	}
	assert_string_not_equal(totals[0].log_path, totals[1].log_path);
	assert_non_null(strstr(totals[0].log_path, "own-rwkv-sess-"));
	assert_int_equal(strtol(strstr(totals[2].log_path, "own-") + 4, NULL, 10), getpid());
}

static void a_null_handle_is_fine(void **state)
{
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };

	(void)state;
	rwkvmon_begin(NULL);
	rwkvmon_end(NULL, NULL);
	rwkvmon_new_sequence(NULL);
	rwkvmon_so_far(NULL, &totals);
	assert_int_equal(totals.records, 0);
	assert_int_equal(rwkvmon_close(NULL, &totals), 0);
}

static void careless_callers_are_told_or_forgiven(void **state)
{
	const char *path = in_dir("careless.log");
	struct rwkvmon_config forgotten = { .log_path = path };
	struct rwkvmon_state_sums sums = { .part = (enum rwkvmon_part)7, .old_norm2 = 1, .new_norm2 = 1, .dot = 1 };
	uint32_t token = 1;
	struct rwkvmon_step s = {
		.tokens = &token, .n_tokens = 1, .sums = &sums, .n_sums = 1
	}; /* struct_size forgotten */
	float values[64] = { 1 };
	struct rwkvmon_tensor odd = { values, 16, (enum rwkvmon_dtype)9, (enum rwkvmon_part)9 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	(void)state;
	assert_true(rwkvmon_open(&mon, NULL, why) < 0);
	assert_non_null(strstr(why, "no configuration"));
	assert_true(rwkvmon_open(&mon, &forgotten, why) < 0);
	assert_non_null(strstr(why, ".struct_size = sizeof cfg"));
	assert_null(mon);
	mon = open_log(path, 1);
	rwkvmon_end(mon, &s); /* without begin, with a part that there is not */
	rwkvmon_begin(mon);
	rwkvmon_begin(mon);
	s.n_sums = 0;
	s.state = &odd;
	s.n_state = 1;
	s.logits = values;
	s.n_logits = 64;
	s.logits_dtype = (enum rwkvmon_dtype)77;
	rwkvmon_end(mon, &s);
	s.n_tokens = 0; /* not a forward call */
	rwkvmon_end(mon, &s);
	rwkvmon_end(mon, NULL);
	rwkvmon_new_sequence_from(mon, NULL);
	assert_true(rwkvmon_set_number(mon, NULL, 1, why) < 0);
	assert_int_equal(rwkvmon_metric(NULL), -1);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.records, 2);
}

static void numbers_of_the_caller_win(void **state)
{
	const char *path = in_dir("numbers-given.log");
	struct rwkvmon_number number = { .metric = rwkvmon_metric("vram_used_mb"), .value = 1234.5 };
	struct rwkvmon_state_sums sums[] = { { RWKVMON_SHIFT, 3, 4, 4, 2, 0 }, { RWKVMON_WKV, 5, 5, 5, 0, 0 } };
	uint32_t token = 1;
	struct rwkvmon_step s = { .struct_size = sizeof s,
				  .tokens = &token,
				  .n_tokens = 1,
				  .numbers = &number,
				  .n_numbers = 1,
				  .sums = sums,
				  .n_sums = 2,
				  .state_bytes = 77 };
	rwkvmon *mon = open_log(path, 1);
	struct lines *l;

	(void)state;
	assert_int_equal(rwkvmon_metric("no_such_metric"), -1);
	for (int i = 0; i < 2; i++) {
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &s);
	}
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	l = read_log(path);
	assert_float_equal(l->step[1].metric[M_VRAM_USED_MB], 1234.5, 0);
	assert_int_equal(l->step[1].metric[M_STATE_SIZE_BYTES], 77);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY], 8.0 / 9, 1e-6);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY_SHIFT], 0.75, 1e-6);
	lines_free(l);
}

/* The state that a call is given is that of the call before; of which sums may not be known. */
static void sums_of_calls_apart_are_no_exchanged_state(void **state)
{
	const char *path = in_dir("apart.log");
	static const double norm2[][2] = {
		{ 1, 4 }, { 4, 9 }, { 0, 0 }, { 25, 36 }, { 100, 81 }
	}; /* given, left; 0: not summed */
	struct rwkvmon_state_sums sums = { .part = RWKVMON_WKV };
	uint32_t token = 1;
	struct rwkvmon_step s = { .struct_size = sizeof s, .tokens = &token, .n_tokens = 1, .sums = &sums };
	rwkvmon *mon = open_log(path, 1);
	struct lines *l;

	(void)state;
	for (int i = 0; i < 5; i++) {
		sums.old_norm2 = norm2[i][0];
		sums.new_norm2 = norm2[i][1];
		s.n_sums = norm2[i][0] > 0;
		rwkvmon_end(mon, &s);
	}
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	l = read_log(path);
	for (int i = 0; i < 5; i++)
		assert_int_equal(record_has(&l->step[i], M_STATE_JUMP), i == 4);
	assert_float_equal(l->step[4].metric[M_STATE_JUMP], 0.4, 1e-6); /* 6 was left, 10 is given */
	lines_free(l);
}

/* A state that is shown now and then is not compared over the calls in between. */
static void states_of_calls_apart_are_not_compared(void **state)
{
	const char *path = in_dir("states-apart.log");
	float values[4] = { 1, 2, 3, 4 };
	struct rwkvmon_tensor tensor = { values, 4, RWKVMON_F32, RWKVMON_WKV };
	uint32_t token = 1;
	struct rwkvmon_step s = { .struct_size = sizeof s, .tokens = &token, .n_tokens = 1, .state = &tensor };
	rwkvmon *mon = open_log(path, 1);
	struct lines *l;

	(void)state;
	for (int i = 0; i < 5; i++) {
		s.n_state = i != 2;
		rwkvmon_end(mon, &s);
	}
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	l = read_log(path);
	for (int i = 0; i < 5; i++)
		assert_int_equal(record_has(&l->step[i], M_STATE_SIMILARITY), i == 1 || i == 4);
	lines_free(l);
}

/* What users write stays out of the log unless the program that serves them says otherwise. */
static void texts_and_tokens_are_logged_only_when_asked(void **state)
{
	static const char secret[] = "my \"secret\"\n";
	uint32_t tokens[] = { 4711, 12 };
	struct rwkvmon_step s = { .struct_size = sizeof s,
				  .tokens = tokens,
				  .n_tokens = 2,
				  .text = secret,
				  .text_bytes = sizeof secret - 1 };

	(void)state;
	for (int asked = 0; asked < 4; asked++) {
		const char *path = in_dir("private.log");
		struct rwkvmon_config cfg = {
			.struct_size = sizeof cfg, .log_path = path, .log_tokens = asked & 1, .log_text = asked & 2
		};
		rwkvmon *mon;
		struct lines *l;

		unlink(path);
		assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
		rwkvmon_end(mon, &s);
		s.text = NULL; /* a call without text */
		rwkvmon_end(mon, &s);
		s.text = secret;
		assert_int_equal(rwkvmon_close(mon, NULL), 0);
		l = read_log(path);
		assert_int_equal(l->n_steps, 2);
		assert_int_equal(strstr(l->text.p, "secret") != NULL, (asked & 2) != 0);
		assert_int_equal(strstr(l->text.p, "4711") != NULL, asked & 1);
		if (asked & 2)
			assert_non_null(strstr(l->text.p, "\"text\":\"my \\\"secret\\\"\\n\""));
		if (asked & 1)
			assert_non_null(strstr(l->text.p, "\"tokens\":[4711,12]"));
		lines_free(l);
	}
}

/* The same numbers, however wide they are handed over, tensor by tensor. */
static void tensors_of_one_state_may_have_any_types(void **state)
{
	static const uint16_t half[2][2] = { { 0x3c00, 0xc000 }, { 0x3c00, 0x4000 } };  /* 1, -2; then 1, 2 in fp16 */
	static const uint16_t brain[2][2] = { { 0x3f80, 0x4040 }, { 0xbf80, 0x4040 } }; /* 1, 3; then -1, 3 in bf16 */
	static const float whole[2][1] = { { 2 }, { 2 } };
	static const float logits[2] = { 0, 0 };
	static const uint16_t half_logits[2] = { 0, 0 };
	const char *path = in_dir("mixed.log");
	rwkvmon *mon = open_log(path, 1);
	uint32_t token = 1;
	struct lines *l;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rwkvmon_tensor tensors[] = { { half[i], 2, RWKVMON_F16, RWKVMON_SHIFT },
						    { brain[i], 2, RWKVMON_BF16, RWKVMON_WKV },
						    { whole[i], 1, RWKVMON_F32, RWKVMON_WKV } };
		struct rwkvmon_step s = { .struct_size = sizeof s,
					  .tokens = &token,
					  .n_tokens = 1,
					  .state = tensors,
					  .n_state = 3,
					  .logits = i ? (const void *)half_logits : logits,
					  .n_logits = 2,
					  .logits_dtype = i ? RWKVMON_BF16 : RWKVMON_F32 };

		rwkvmon_begin(mon);
		rwkvmon_end(mon, &s);
	}
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	l = read_log(path);
	assert_int_equal(l->step[1].metric[M_STATE_SIZE_BYTES], 2 * 2 + 2 * 2 + 4);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY_SHIFT], -3.0 / 5, 1e-6);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY_WKV], 12.0F / 14, 1e-6);
	assert_float_equal(l->step[1].metric[M_STATE_SIMILARITY], 9.0F / 19, 1e-6);
	for (int i = 0; i < 2; i++)
		assert_float_equal(l->step[i].metric[M_LOGITS_ENTROPY], logf(2), 1e-4);
	assert_float_equal(l->step[1].metric[M_SURPRISAL_NATS], logf(2), 1e-4);
	lines_free(l);
}

static void *one_handle(void *ctx)
{
	rwkvmon *mon = open_log(ctx, 1);
	float logits[256] = { 0 }, st[256] = { 1 };
	uint32_t token = 1;

	for (int i = 0; i < 2000; i++)
		step(mon, &token, 1, logits, st);
	rwkvmon_close(mon, NULL);
	return NULL;
}

static void handles_of_several_threads_do_not_meet(void **state)
{
	pthread_t thread[4];
	char path[4][256];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(path[i], sizeof path[i], "%s/thread-%d.log", dir, i);
		assert_int_equal(pthread_create(&thread[i], NULL, one_handle, path[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		struct lines *l;

		pthread_join(thread[i], NULL);
		l = read_log(path[i]);
		assert_int_equal(l->by_event[EVENT_INFERENCE_STEP], 2000);
		lines_free(l);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_turn_has_its_time_to_first_token),
		cmocka_unit_test(every_number_of_a_session_is_right),
		cmocka_unit_test(nonfinite_numbers_alarm_and_are_counted),
		cmocka_unit_test(fields_of_the_caller_stand_at_the_end_of_their_group),
		cmocka_unit_test(a_leaked_state_is_seen_and_alarmed),
		cmocka_unit_test(norms_of_the_layers_come_on_request),
		cmocka_unit_test(the_budget_samples_less_often_and_recovers),
		cmocka_unit_test(what_the_caller_spends_leaves_the_rest_of_the_budget),
		cmocka_unit_test(what_the_caller_spends_is_overhead_too),
		cmocka_unit_test(session_ids_have_48_random_bits_each),
		cmocka_unit_test(the_batch_size_is_logged_when_it_is_more_than_one),
		cmocka_unit_test(a_full_ring_drops_and_counts),
		cmocka_unit_test(a_full_ring_can_block_instead),
		cmocka_unit_test(a_full_disk_is_told_at_the_end_and_stops_nothing),
		cmocka_unit_test(bad_configurations_are_refused_with_advice),
		cmocka_unit_test(a_torn_log_is_repaired_and_goes_on),
		cmocka_unit_test(a_file_per_session_or_process),
		cmocka_unit_test(a_null_handle_is_fine),
		cmocka_unit_test(careless_callers_are_told_or_forgiven),
		cmocka_unit_test(numbers_of_the_caller_win),
		cmocka_unit_test(sums_of_calls_apart_are_no_exchanged_state),
		cmocka_unit_test(states_of_calls_apart_are_not_compared),
		cmocka_unit_test(texts_and_tokens_are_logged_only_when_asked),
		cmocka_unit_test(tensors_of_one_state_may_have_any_types),
		cmocka_unit_test(handles_of_several_threads_do_not_meet),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
