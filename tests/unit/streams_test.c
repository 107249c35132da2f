/* Many conversations in one handle: each has the numbers it would have alone, and none is lost uncounted. */
#include "test.h"

#include "child.h"

#include "base/file.h"
#include "collect/collector.h"
#include "collect/report.h"
#include "record/codec.h"
#include "record/lineage.h"

#include <malloc.h>
#include <math.h>
#include <rwkvmon.h>
#include <unistd.h>

enum { VOCAB = 64, STATE = 96, CHATS = 8, CALLS = 130 };

static char dir[] = "/tmp/rwkvmon-streams-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* --- a log, by session ------------------------------------------------------------------------------ */

enum { SESSIONS = 1200 };

struct told {
	char id[40], request[40], stream_of[40], model[40];
	size_t by_event[EVENT_TYPE_COUNT], alarms[ALARM_TYPE_COUNT];
	uint64_t records, dropped; /* totals */
	uint64_t latest, missing;  /* lines' numbers: of the last line, from 1; that no line has */
	struct record *step;       /* (n_steps): metrics and counts; pointers are stale */
	size_t n_steps, sampled;   /* steps; that say how often they are looked at */
	bool has_vocab;
	double candidates; /* -1: it is sure whose conversation it is */
};

struct log_told {
	struct told of[SESSIONS];
	size_t n;
};

static struct told *told_of(struct log_told *l, struct slice id)
{
	for (size_t i = l->n; i-- > 0;)
		if (slice_is(id, l->of[i].id))
			return &l->of[i];
	assert_true(l->n < SESSIONS && id.n < sizeof l->of[0].id);
	memcpy(l->of[l->n].id, id.p, id.n);
	return &l->of[l->n++];
}

static void copy(char to[40], struct slice text)
{
	snprintf(to, 40, "%.*s", SLICE_ARG(text));
}

static void take_line(struct log_told *l, const struct record *r, bool sampled)
{
	struct told *t = told_of(l, fields_text(r->session, F_SESSION_ID));

	t->by_event[r->event]++;
	assert_true(r->ordinal > t->latest);
	t->missing += r->ordinal - t->latest - 1;
	t->latest = r->ordinal;
	if (r->event == EVENT_SESSION_START) {
		copy(t->request, fields_text(r->session, F_REQUEST_ID));
		copy(t->stream_of, fields_text(r->session, F_STREAM_OF));
		copy(t->model, fields_text(r->session, F_MODEL_NAME));
		t->has_vocab = fields_have(r->session, F_VOCAB_SIZE);
		t->candidates = fields_number(r->session, F_BRANCH_CANDIDATES, -1);
	}
	if (r->event == EVENT_SESSION_END) {
		t->records = (uint64_t)fields_number(r->extra, F_TOTAL_RECORDS, -1);
		t->dropped = (uint64_t)fields_number(r->extra, F_TOTAL_DROPPED, -1);
	}
	if (r->event == EVENT_ALARM)
		t->alarms[alarm_by_id(fields_text(r->extra, F_ALARM_TYPE))]++;
	if (r->event != EVENT_INFERENCE_STEP)
		return;
	assert_int_equal(t->by_event[EVENT_SESSION_START], 1);
	t->sampled += sampled;
	t->step = realloc(t->step, (t->n_steps + 1) * sizeof *t->step);
	assert_non_null(t->step);
	t->step[t->n_steps++] = *r;
}

static struct log_told *read_log(const char *path)
{
	struct log_told *l = calloc(1, sizeof *l);
	struct record_decoder d = { 0 };
	struct buf text = { 0 };
	char *end;

	assert_int_equal(file_read(&text, path, 1 << 28, NULL), 0);
	for (char *p = text.p; (end = strchr(p, '\n')); p = end + 1) {
		struct record r;

		assert_int_equal(record_decode(&d, (struct slice){ p, (size_t)(end - p) }, &r), DECODE_OK);
		take_line(l, &r, memmem(p, (size_t)(end - p), "\"sampled_every\":", 16));
	}
	record_decoder_free(&d);
	buf_free(&text);
	return l;
}

static void log_free(struct log_told *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->of[i].step);
	free(l);
}

/* --- conversations ---------------------------------------------------------------------------------- */

struct chat {
	uint64_t seed;
	uint32_t token;
	float logits[VOCAB], state[STATE];
	unsigned calls;
	bool loops;
};

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/* What the model would do: deterministic, and different in each chat. */
static void think(struct chat *c)
{
	for (int i = 0; i < VOCAB; i++)
		c->logits[i] = (float)(draw(&c->seed) % 1000) / 100;
	for (int i = 0; i < STATE; i++)
		c->state[i] = 0.9f * c->state[i] + (float)(draw(&c->seed) % 1000) / 1000;
	c->token = c->loops ? c->calls % 4 : (uint32_t)(draw(&c->seed) % VOCAB);
	c->calls++;
}

struct fed {
	struct rwkvmon_tensor tensor[2];
	uint32_t tokens[5];
	struct rwkvmon_step step;
};

static void feed(struct fed *f, struct chat *c, rwkvmon_stream *stream)
{
	size_t n = c->calls % 40 ? 1 : 5; /* now and then a prompt */

	for (size_t i = 0; i < n; i++)
		f->tokens[i] = c->token;
	think(c);
	f->tensor[0] = (struct rwkvmon_tensor){ c->state, STATE / 3, RWKVMON_F32, RWKVMON_SHIFT };
	f->tensor[1] = (struct rwkvmon_tensor){ c->state + STATE / 3, STATE - STATE / 3, RWKVMON_F32, RWKVMON_WKV };
	f->step = (struct rwkvmon_step){ .struct_size = sizeof f->step,
					 .tokens = f->tokens,
					 .n_tokens = n,
					 .phase = n > 1 ? RWKVMON_PREFILL : RWKVMON_DECODE,
					 .ends_prefill = n > 1,
					 .logits = c->logits,
					 .n_logits = VOCAB,
					 .state = f->tensor,
					 .n_state = 2,
					 .stream = stream };
}

static void call(rwkvmon *mon, struct chat *c, rwkvmon_stream *stream)
{
	struct fed f;

	rwkvmon_begin(mon);
	feed(&f, c, stream);
	rwkvmon_end(mon, &f.step);
}

static rwkvmon *open_with(struct rwkvmon_config cfg, const char *path)
{
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	cfg.struct_size = sizeof cfg;
	cfg.log_path = path;
	cfg.model_name = "m";
	cfg.vocab_size = cfg.vocab_size ? cfg.vocab_size : VOCAB;
	cfg.overhead_budget_pct = -1;
	if (rwkvmon_open(&mon, &cfg, why))
		fail_msg("%s", why);
	return mon;
}

static rwkvmon_stream *stream_of(rwkvmon *mon, const char *request)
{
	struct rwkvmon_stream_config cfg = { .struct_size = sizeof cfg, .request_id = request };
	rwkvmon_stream *stream;
	char why[RWKVMON_ERROR_BYTES];

	if (rwkvmon_stream_open(&stream, mon, &cfg, why))
		fail_msg("%s", why);
	assert_non_null(stream);
	return stream;
}

static struct chat chat_of(unsigned i)
{
	return (struct chat){ .seed = 1000 + i };
}

/* --- equal to being alone --------------------------------------------------------------------------- */

/* Whatever does not hang on the clock. */
static uint64_t timeless(void)
{
	uint64_t m = 0;

	for (int i = 0; i < METRIC_COUNT; i++)
		if (metric_specs[i].group == METRIC_ACCURACY)
			m |= metric_bit((enum metric_id)i);
	return m | metric_bit(M_STATE_SIZE_BYTES);
}

static void assert_same_step(const struct record *x, const struct record *y)
{
	assert_int_equal(x->have & timeless(), y->have & timeless());
	for (uint64_t left = x->have & timeless(); left; left &= left - 1)
		assert_true(x->metric[__builtin_ctzll(left)] == y->metric[__builtin_ctzll(left)]);
	assert_int_equal(x->sequence_length, y->sequence_length);
	assert_int_equal(x->sequence, y->sequence);
	assert_int_equal(x->phase, y->phase);
}

static void assert_same_steps(const struct told *a, const struct told *b)
{
	assert_int_equal(a->n_steps, CALLS);
	assert_int_equal(b->n_steps, CALLS);
	assert_int_equal(a->sampled + b->sampled, 0);
	for (size_t i = 0; i < a->n_steps; i++)
		assert_same_step(&a->step[i], &b->step[i]);
}

static struct log_told *alone(unsigned i)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .block_when_full = 1 }, in_dir("alone.log"));
	struct chat c = chat_of(i);
	struct log_told *l;

	for (int k = 0; k < CALLS; k++)
		call(mon, &c, NULL);
	rwkvmon_close(mon, NULL);
	l = read_log(in_dir("alone.log"));
	unlink(in_dir("alone.log"));
	return l;
}

/* Round by round, at random, all in one call: `how` says which. */
enum how { ROUNDS, RANDOM, BATCHES, HOWS };

static void talk(rwkvmon *mon, enum how how, struct chat chat[CHATS], rwkvmon_stream *stream[CHATS])
{
	uint64_t seed = 7;
	struct fed f[CHATS];
	struct rwkvmon_step steps[CHATS];

	for (unsigned left = CHATS * CALLS; left && how != BATCHES;) {
		unsigned i = how == RANDOM ? (unsigned)(draw(&seed) % CHATS) : left % CHATS;

		if (chat[i].calls == CALLS)
			continue;
		call(mon, &chat[i], stream[i]);
		left--;
	}
	for (int k = 0; k < CALLS && how == BATCHES; k++) {
		rwkvmon_begin(mon);
		for (unsigned i = 0; i < CHATS; i++) {
			feed(&f[i], &chat[i], stream[i]);
			steps[i] = f[i].step;
		}
		rwkvmon_end_batch(mon, steps, CHATS);
	}
}

static void interleaved_each_is_as_it_is_alone(void **state)
{
	struct log_told *by_itself[CHATS];

	(void)state;
	for (unsigned i = 0; i < CHATS; i++)
		by_itself[i] = alone(i);
	for (int how = 0; how < HOWS; how++) {
		rwkvmon *mon = open_with((struct rwkvmon_config){ .block_when_full = 1 }, in_dir("together.log"));
		rwkvmon_stream *stream[CHATS] = { NULL }; /* the first is the handle's own */
		struct rwkvmon_totals totals = { .struct_size = sizeof totals };
		struct chat chat[CHATS];
		struct log_told *l;

		for (unsigned i = 0; i < CHATS; i++) {
			chat[i] = chat_of(i);
			if (i)
				stream[i] = stream_of(mon, "");
		}
		talk(mon, (enum how)how, chat, stream);
		rwkvmon_close(mon, &totals);
		assert_int_equal(totals.records, CHATS * CALLS);
		assert_int_equal(totals.streams, CHATS - 1);
		l = read_log(in_dir("together.log"));
		assert_int_equal(l->n, CHATS);
		for (size_t i = 0; i < CHATS; i++) {
			const struct told *t = &l->of[i];
			size_t same = 0;

			while (same < CHATS && t->step[0].metric[M_LOGITS_ENTROPY] !=
						       by_itself[same]->of[0].step[0].metric[M_LOGITS_ENTROPY])
				same++;
			assert_true(same < CHATS);
			assert_same_steps(t, &by_itself[same]->of[0]);
			assert_int_equal(t->step[3].batch_size, how == BATCHES ? CHATS : 0);
			assert_int_equal(t->by_event[EVENT_SESSION_END], 1);
			assert_int_equal(t->records, CALLS);
			for (size_t k = 0; k < CALLS && how == BATCHES; k++) { /* the call's times are those of each */
				assert_int_equal(t->step[k].time_us, l->of[0].step[k].time_us);
				assert_true(t->step[k].metric[M_CHUNK_PROCESS_TIME_MS] ==
					    l->of[0].step[k].metric[M_CHUNK_PROCESS_TIME_MS]);
			}
		}
		log_free(l);
		unlink(in_dir("together.log"));
	}
	for (unsigned i = 0; i < CHATS; i++)
		log_free(by_itself[i]);
}

/* Left for another conversation and come back to, and continued in two ways. */
static void a_branch_goes_on_where_its_parent_is(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .block_when_full = 1 }, in_dir("branch.log"));
	struct chat a = chat_of(3), b = chat_of(4), again;
	struct log_told *l, *whole = alone(3);
	rwkvmon_stream *back, *twice;
	const struct rwkvmon_stream_config unsure = { .struct_size = sizeof unsure, .candidates = 2 };
	const struct told *t;

	(void)state;
	for (int k = 0; k < CALLS / 2; k++)
		call(mon, &a, NULL);
	again = a;
	assert_int_equal(rwkvmon_stream_branch(&back, mon, NULL, NULL, NULL), 0);
	assert_int_equal(rwkvmon_stream_branch(&twice, mon, back, &unsure, NULL), 0);
	rwkvmon_new_sequence(mon);
	for (int k = 0; k < CALLS / 2; k++) {
		call(mon, &b, NULL);
		call(mon, &a, back);
		call(mon, &again, twice);
	}
	rwkvmon_close(mon, NULL);
	l = read_log(in_dir("branch.log"));
	assert_int_equal(l->n, 3);
	t = &whole->of[0];
	for (size_t i = 1; i < 3; i++) {
		assert_int_equal(l->of[i].n_steps, CALLS / 2);
		for (size_t k = 0; k < CALLS / 2; k++)
			assert_same_step(&l->of[i].step[k], &t->step[CALLS / 2 + k]);
	}
	assert_int_equal(l->of[0].step[CALLS / 2].sequence_length, 5);
	for (size_t i = 0; i < 3; i++) /* `twice` is the last to speak */
		assert_float_equal(l->of[i].candidates, i == 2 ? 2 : -1, 0);
	log_free(l);
	log_free(whole);
}

static void a_loop_is_the_alarm_of_its_own_chat(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .block_when_full = 1 }, in_dir("loop.log"));
	struct chat chat[3] = { chat_of(0), chat_of(1), chat_of(2) };
	rwkvmon_stream *stream[3];
	struct log_told *l;

	(void)state;
	chat[1].loops = true;
	for (int i = 0; i < 3; i++)
		stream[i] = stream_of(mon, i == 1 ? "it loops" : NULL);
	for (int k = 0; k < 300; k++)
		for (int i = 0; i < 3; i++) {
			chat[i].calls += chat[i].calls % 40 == 0; /* no prompts in between */
			call(mon, &chat[i], stream[i]);
		}
	rwkvmon_close(mon, NULL);
	l = read_log(in_dir("loop.log"));
	assert_int_equal(l->n, 4);
	for (size_t i = 0; i < l->n; i++) {
		bool loops = !strcmp(l->of[i].request, "it loops");

		assert_int_equal(l->of[i].alarms[ALARM_MODE_COLLAPSE] > 0, loops);
		assert_string_equal(l->of[i].model, "m");
		assert_int_equal(l->of[i].has_vocab, i == 0); /* a stream says only what differs */
		assert_string_equal(l->of[i].stream_of, i ? l->of[0].id : "");
	}
	log_free(l);
}

/* What rules and diagnosis need of a stream's start is found, wherever it was said. */
static void what_a_stream_leaves_out_is_found(void **state)
{
	struct field_values handle = { 0 }, stream = { 0 }, room;
	struct record start = { .event = EVENT_SESSION_START, .session = &handle };
	struct lineage *l = lineage_open();
	char id[16] = "handle", name[] = "a model";

	(void)state;
	for (int i = 0; i < 3 * LINEAGE_MAX; i++) { /* the oldest give way */
		snprintf(id, sizeof id, "handle %d", i);
		fields_set_text(&handle, F_SESSION_ID, slice_of(id));
		fields_set_text(&handle, F_MODEL_NAME, slice_of(name));
		fields_set_number(&handle, F_VOCAB_SIZE, i);
		assert_ptr_equal(lineage_of(l, &start, &room), &handle);
	}
	memset(name, 'x', sizeof name - 1); /* copies were made */
	start.session = &stream;
	fields_set_text(&stream, F_SESSION_ID, slice_of("stream"));
	fields_set_text(&stream, F_STREAM_OF, slice_of("handle 190"));
	fields_set_number(&stream, F_MODEL_BYTES, 7);
	assert_ptr_equal(lineage_of(l, &start, &room), &room);
	assert_true(slice_is(fields_text(&room, F_SESSION_ID), "stream"));
	assert_true(slice_is(fields_text(&room, F_MODEL_NAME), "a model"));
	assert_int_equal(fields_number(&room, F_VOCAB_SIZE, 0), 190);
	assert_int_equal(fields_number(&room, F_MODEL_BYTES, 0), 7);
	fields_set_text(&stream, F_STREAM_OF, slice_of("handle 3"));
	assert_ptr_equal(lineage_of(l, &start, &room), &stream);
	lineage_close(l);
}

/* --- nothing is lost uncounted ---------------------------------------------------------------------- */

enum { LIVES = 1000, AT_ONCE = 24 };

static void streams_that_come_and_go_at_random(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .ring_bytes = 1 << 15 }, in_dir("random.log"));
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	rwkvmon_stream *stream[AT_ONCE] = { NULL };
	struct chat chat[AT_ONCE];
	uint64_t seed = 3, written = 0, dropped = 0;
	unsigned opened = 0, calls = 0, silent = 0;
	struct log_told *l;

	(void)state;
	while (opened < LIVES) {
		size_t i = draw(&seed) % AT_ONCE;

		if (!stream[i]) {
			stream[i] = stream_of(mon, NULL);
			chat[i] = chat_of(opened++);
		} else if (draw(&seed) % 12 == 0) {
			silent += !chat[i].calls; /* leaves nothing in the log */
			rwkvmon_stream_close(mon, stream[i]);
			stream[i] = NULL;
		} else {
			call(mon, &chat[i], stream[i]);
			calls++;
		}
	}
	for (int i = 0; i < AT_ONCE; i++)
		silent += stream[i] && !chat[i].calls;
	rwkvmon_close(mon, &totals); /* with streams that are open */
	assert_int_equal(totals.records, calls);
	assert_int_equal(totals.streams, LIVES);
	l = read_log(in_dir("random.log"));
	assert_int_equal(l->n, LIVES + 1 - silent);
	for (size_t i = 0; i < l->n; i++) {
		const struct told *t = &l->of[i];

		assert_int_equal(t->by_event[EVENT_SESSION_START], 1);
		assert_int_equal(t->by_event[EVENT_SESSION_END], 1);
		assert_int_equal(t->n_steps + t->dropped, t->records);
		assert_int_equal(t->missing, t->dropped);
		written += t->n_steps;
		dropped += t->dropped;
	}
	assert_int_equal(written + dropped, calls);
	assert_int_equal(dropped, totals.dropped);
	assert_int_equal(*stream_copies(), 0);
	log_free(l);
}

static void beyond_the_most_they_are_counted(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .max_streams = 2, .block_when_full = 1 }, in_dir("most.log"));
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct chat c = chat_of(0), d = c;
	rwkvmon_stream *one = stream_of(mon, NULL), *two = stream_of(mon, NULL), *three;
	char why[RWKVMON_ERROR_BYTES];
	struct log_told *l;

	(void)state;
	assert_true(rwkvmon_stream_open(&three, mon, NULL, why) < 0);
	assert_non_null(strstr(why, "max-streams"));
	assert_non_null(three);
	call(mon, &c, three); /* none of these touches the handle's own conversation */
	call(mon, &c, three);
	rwkvmon_stream_close(mon, three);
	rwkvmon_stream_close(mon, one);
	call(mon, &d, one);
	assert_int_equal(rwkvmon_stream_open(&three, mon, NULL, NULL), 0);
	call(mon, &c, three);
	(void)two;
	rwkvmon_close(mon, &totals);
	assert_int_equal(totals.records, 4);
	assert_int_equal(totals.dropped, 3);
	assert_int_equal(totals.streams, 3);
	assert_int_equal(totals.streams_refused, 1);
	l = read_log(in_dir("most.log"));
	assert_int_equal(l->of[0].n_steps, 0);
	assert_int_equal(l->of[0].by_event[EVENT_GAP] > 0, 1);
	log_free(l);
}

/* --- memory ----------------------------------------------------------------------------------------- */

static void copies_stay_within_their_memory(void **state)
{
	enum { STREAMS = 12, ROUNDS_OF_IT = 120, BOTH = 2 * STATE * 4 + VOCAB * 4 };
	struct rwkvmon_config cfg = { .block_when_full = 1, .state_memory_bytes = 4 * BOTH };
	rwkvmon *mon = open_with(cfg, in_dir("scarce.log"));
	rwkvmon_stream *stream[STREAMS];
	struct chat chat[STREAMS];
	struct log_told *l;

	(void)state;
	for (unsigned i = 0; i < STREAMS; i++) {
		stream[i] = stream_of(mon, NULL);
		chat[i] = chat_of(i);
	}
	for (int k = 0; k < ROUNDS_OF_IT; k++)
		for (unsigned i = 0; i < STREAMS; i++) {
			call(mon, &chat[i], stream[i]);
			assert_true(*stream_copies() <= cfg.state_memory_bytes);
		}
	rwkvmon_close(mon, NULL);
	assert_int_equal(*stream_copies(), 0);
	l = read_log(in_dir("scarce.log"));
	for (size_t i = 1; i < l->n; i++) { /* each has its turn, says how often, and what is cheap is there always */
		size_t similar = 0;

		for (size_t k = 0; k < l->of[i].n_steps; k++) {
			const struct record *r = &l->of[i].step[k];

			similar += record_has(r, M_STATE_SIMILARITY);
			assert_true(record_has(r, M_LOGITS_ENTROPY));
		}
		assert_true(similar >= ROUNDS_OF_IT / STREAMS);
		assert_true(l->of[i].sampled > ROUNDS_OF_IT / 2);
	}
	log_free(l);
}

enum { MANY = 10000, SOME = 16 };

/* What a stream on a GPU says of a token, in decode, after a millisecond: every metric that the default rules keep
 * values of. */
static void feed_one(rwkvmon *mon, rwkvmon_stream *stream, uint32_t token)
{
	const double part = token % 977 / 977.0;
	const struct rwkvmon_number numbers[] = {
		{ M_LOGITS_ENTROPY, 11 * part },
		{ M_SURPRISAL_NATS, 12 * part },
		{ M_STATE_SIMILARITY, part },
		{ M_STATE_SIMILARITY_SHIFT, part },
		{ M_VRAM_USED_MB, 4000 + 9 * part },
		{ M_VRAM_FULLEST_PCT, 40 + 9 * part },
		{ M_PROCESS_VRAM_MB, 3000 + 9 * part },
		{ M_PROCESS_MEMORY_MB, 3000 + 9 * part },
		{ M_LOG_DISK_FREE_MB, 90000 + 99 * part },
		{ M_QUANT_KL_NATS, part / 20 },
		{ M_REPEAT_SHARE_PCT, 60 + 9 * part },
	};

	rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
						 .tokens = &token,
						 .n_tokens = 1,
						 .phase = token < 40 ? RWKVMON_PREFILL : RWKVMON_DECODE,
						 .began_ns = clock_mono_ns(&clock_system) - 1000000,
						 .numbers = numbers,
						 .n_numbers = sizeof numbers / sizeof *numbers,
						 .stream = stream });
}

/* Tokens that never repeat, to the first n streams; returns when the writer has judged them. */
static void feed_all(rwkvmon *mon, rwkvmon_stream *const *stream, int n, uint32_t from, uint32_t to)
{
	for (int i = 0; i < n; i++)
		for (uint32_t token = from; token < to; token++)
			feed_one(mon, stream[i], token);
	for (int i = 0; i < n; i++)
		while (atomic_load(&stream[i]->judged) < to)
			usleep(1000);
}

static void streams_are_light(void **state)
{
	rwkvmon *mon = open_with(
		(struct rwkvmon_config){
			.block_when_full = 1, .model_bytes = 1 << 30, .vocab_size = 65536, .goal = "20tps" },
		NULL);
	rwkvmon_stream **stream = calloc(MANY, sizeof *stream);
	struct chat c = chat_of(0);
	size_t before, idle, busy;

	(void)state;
	before = mallinfo2().uordblks;
	for (int i = 0; i < MANY; i++)
		stream[i] = stream_of(mon, NULL);
	idle = mallinfo2().uordblks - before;
	if (idle) /* a sanitizer's allocator tells nothing */
		assert_true(idle / MANY <= 2048);
	assert_true(sizeof(struct rwkvmon_stream) <= 1024);
	feed_all(mon, stream + SOME, SOME, 0, CYCLE_RING + 1); /* so that the handle has what it keeps for all */
	before = mallinfo2().uordblks;
	feed_all(mon, stream, SOME, 0, CYCLE_RING + 1);
	busy = mallinfo2().uordblks - before; /* its history, and the state of the default rules */
	if (busy)
		assert_true(busy / SOME + idle / MANY <= 24 << 10);
	call(mon, &c, stream[0]);
	rwkvmon_close(mon, NULL);
	free(stream);
}

static void handles_share_a_shipped_set_of_rules(void **state)
{
	static const char text[] = "name: default\n"
				   "rules:\n"
				   "  - { alarm: high_latency, metric: token_latency_ms, above: 5 }\n";
	char own[300];
	rwkvmon *a = open_with((struct rwkvmon_config){ 0 }, NULL), *b = open_with((struct rwkvmon_config){ 0 }, NULL);
	rwkvmon *c = open_with((struct rwkvmon_config){ .rules = "thresholds" }, NULL), *d;

	(void)state;
	snprintf(own, sizeof own, "%s", in_dir("own.yaml"));
	assert_int_equal(file_write(own, slice_of(text), NULL), 0);
	d = open_with((struct rwkvmon_config){ .rules = own }, NULL);
	assert_ptr_equal(a->program->set, b->program->set);
	assert_ptr_not_equal(a->program->set, c->program->set);
	assert_ptr_not_equal(a->program->set, d->program->set); /* whatever it calls itself */
	rwkvmon_close(a, NULL);
	assert_string_equal(ruleset_name(b->program->set), RULES_DEFAULT);
	assert_int_equal(rwkvmon_reload_rules(b, NULL), 0);
	for (rwkvmon *last = b; last; last = last == b ? c : last == c ? d : NULL)
		rwkvmon_close(last, NULL);
}

struct inherited {
	rwkvmon *mon;
	rwkvmon_stream *stream;
	struct chat *c;
};

static void use_inherited(void *ctx)
{
	struct inherited *i = ctx;
	rwkvmon_stream *none;

	call(i->mon, i->c, i->stream);
	rwkvmon_stream_close(i->mon, i->stream);
	rwkvmon_stream_open(&none, i->mon, NULL, NULL);
	_exit(none != NULL);
}

static void a_child_of_fork_has_none(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .block_when_full = 1 }, in_dir("fork.log"));
	rwkvmon_stream *stream = stream_of(mon, NULL);
	struct chat c = chat_of(0);
	struct inherited inherited = { mon, stream, &c };
	struct log_told *l;

	(void)state;
	call(mon, &c, stream);
	assert_int_equal(status_of_child(use_inherited, &inherited), 0);
	call(mon, &c, stream);
	rwkvmon_close(mon, NULL);
	l = read_log(in_dir("fork.log"));
	assert_int_equal(l->of[1].n_steps, 2);
	log_free(l);
}

static int begin(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof command, "rm -r %s", dir);
	return system(command);
}

/* --- what is counted ------------------------------------------------------------------------------------ */

static bool file_says(const char *path, const char *text)
{
	struct buf all = { 0 };
	bool says;

	assert_int_equal(file_read(&all, path, 1 << 28, NULL), 0);
	says = memmem(all.p, all.used, text, strlen(text));
	buf_free(&all);
	return says;
}

/* One is inside already: from a signal handler, or another thread. */
static void who_is_turned_away_is_told_and_counted(void **state)
{
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	rwkvmon *mon = open_with((struct rwkvmon_config){ 0 }, in_dir("away.log"));
	struct chat chat = chat_of(0);
	struct log_told *l;

	(void)state;
	call(mon, &chat, NULL);
	assert_true(collector_enter(mon));
	call(mon, &chat, NULL);
	collector_report(mon, &(struct collector_report){ .token_count = 1 });
	collector_leave(mon);
	call(mon, &chat, NULL);
	rwkvmon_close(mon, &totals);
	assert_int_equal(totals.dropped, 2);
	assert_true(file_says(in_dir("away.log"), "another thread's call was inside"));
	assert_false(file_says(in_dir("away.log"), "ring full"));
	l = read_log(in_dir("away.log"));
	assert_int_equal(l->of[0].n_steps, 2);
	assert_int_equal(l->of[0].dropped, 2);
	log_free(l);
	unlink(in_dir("away.log"));
}

static void looking_at_a_given_state_is_the_streams_cost(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ 0 }, NULL);
	rwkvmon_stream *stream = stream_of(mon, "");
	struct rwkvmon_start start = { .struct_size = sizeof start };
	struct chat chat = chat_of(0);
	struct fed f;
	uint64_t before;

	(void)state;
	call(mon, &chat, stream);
	feed(&f, &chat, stream);
	before = stream->overhead_ns;
	rwkvmon_begin_from(mon, stream, f.tensor, 2);
	assert_true(stream->overhead_ns > before);
	start.state = f.tensor;
	start.n_state = 2;
	before = stream->overhead_ns;
	rwkvmon_stream_new_sequence(mon, stream, &start);
	assert_true(stream->overhead_ns > before);
	rwkvmon_close(mon, NULL);
}

/* Ids beyond 65,535 are kept as fingerprints further back than the window of repetition. */
static void a_way_back_leaves_the_repetition_of_a_large_vocabulary(void **state)
{
	rwkvmon *mon = open_with((struct rwkvmon_config){ .block_when_full = 1 }, in_dir("large.log"));
	struct log_told *l;

	(void)state;
	for (uint32_t i = 0; i < 210; i++) {
		uint32_t token = 70000 + (i < 150 ? i : i - 10) % 50;
		struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };

		if (i == 150)
			rwkvmon_went_back(mon, 10);
		rwkvmon_end(mon, &step);
	}
	rwkvmon_close(mon, NULL);
	l = read_log(in_dir("large.log"));
	assert_int_equal(l->of[0].step[209].sequence_length, 200);
	assert_true(l->of[0].step[99].metric[M_TOKEN_REPETITION_PCT] == 50);
	assert_true(l->of[0].step[209].metric[M_TOKEN_REPETITION_PCT] == 50);
	log_free(l);
	unlink(in_dir("large.log"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interleaved_each_is_as_it_is_alone),
		cmocka_unit_test(a_branch_goes_on_where_its_parent_is),
		cmocka_unit_test(a_loop_is_the_alarm_of_its_own_chat),
		cmocka_unit_test(what_a_stream_leaves_out_is_found),
		cmocka_unit_test(streams_that_come_and_go_at_random),
		cmocka_unit_test(beyond_the_most_they_are_counted),
		cmocka_unit_test(copies_stay_within_their_memory),
		cmocka_unit_test(who_is_turned_away_is_told_and_counted),
		cmocka_unit_test(looking_at_a_given_state_is_the_streams_cost),
		cmocka_unit_test(a_way_back_leaves_the_repetition_of_a_large_vocabulary),
		cmocka_unit_test(streams_are_light),
		cmocka_unit_test(handles_share_a_shipped_set_of_rules),
		cmocka_unit_test(a_child_of_fork_has_none),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
