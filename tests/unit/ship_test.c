/* Roll-ups, their sketches as texts, and the folder in which they wait. The way to an engine and back is tested in
 * integration/shipping_test.sh. */
#include "test.h"

#include "analyze/analysis.h"
#include "analyze/departures.h"
#include "analyze/time_breakdown.h"
#include "base/clock.h"
#include "base/json_read.h"
#include "random.h"
#include "record/columns.h"
#include "scratch.h"
#include "ship/backlog.h"
#include "ship/engine.h"
#include "ship/rollup.h"
#include "ship/shipper.h"
#include "sketch_back.h"
#include "stats/sketch_kernels.h"

#include <inttypes.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- sketches as texts ------------------------------------------------------------------ */

static struct sketch sketch_of(const double *v, size_t n)
{
	struct sketch s = { .count = 0 };

	sketch_add_all(&s, v, n);
	return s;
}

static struct sketch again(const struct sketch *s, size_t most, size_t *bytes)
{
	struct sketch back = { .count = 0 };
	struct buf text = { 0 };

	assert_true(sketch_write(&text, s, most));
	assert_true(sketch_read(&back, buf_slice(&text)));
	*bytes = text.used;
	buf_free(&text);
	return back;
}

static void quantiles_are_near(const struct sketch *a, const struct sketch *b, double min, double max, double relative)
{
	static const double q[] = { 0.01, 0.25, 0.5, 0.9, 0.99 };
	double x[5], y[5];

	assert_int_equal(a->count, b->count);
	sketch_quantiles(a, min, max, q, x, 5);
	sketch_quantiles(b, min, max, q, y, 5);
	for (int i = 0; i < 5; i++)
		assert_true(fabs(x[i] - y[i]) <= relative * fabs(x[i]) + 1e-12);
}

struct bins {
	uint64_t n[SKETCH_PAGE_BINS];
};

static void count_bin(void *ctx, double low, double high, uint64_t count)
{
	const uint32_t page = SKETCH_PAGE_BINS - 1;
	uint64_t bits;

	(void)high;
	memcpy(&bits, &low, sizeof bits);
	((struct bins *)ctx)->n[bits >> SKETCH_BIN_SHIFT & page] += count;
}

/* Whatever its width and count, and through carries at 2^16: bin i of 2^shift has the values from n * i >> shift on. */
static void runs_are_spread(void **state)
{
	const double first = 2; /* of a page */
	uint64_t bits;

	(void)state;
	memcpy(&bits, &first, sizeof bits);
	for (unsigned shift = 1; shift <= SKETCH_SHIFT_MOST; shift++) {
		struct sketch s = { .count = 0 };
		struct bins want = { { 0 } }, is = { { 0 } };

		for (int i = 0; i < 400; i++) {
			const uint32_t of = (uint32_t)((1 - unit()) * (double)(SKETCH_PAGE_BINS >> shift)) << shift;
			const uint64_t n = i % 8 ? (uint64_t)(unit() * 5000) + 1 : (uint64_t)(unit() * 4e6) + 1;
			const struct sketch_run run = { first, n, (uint32_t)(bits >> SKETCH_BIN_SHIFT) + of,
							(uint8_t)shift };

			sketch_add_run(&s, &run);
			for (uint32_t k = 0; k < 1u << shift; k++)
				want.n[of + k] += (n * (k + 1) >> shift) - (n * k >> shift);
		}
		sketch_walk(&s, count_bin, &is);
		assert_memory_equal(&is, &want, sizeof want);
		sketch_free(&s);
	}
}

static void texts_hold_sketches(void **state)
{
	static const size_t counts[] = { 1, 2, 63, 64, 65, 3000 };
	double v[3000];

	(void)state;
	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		struct sketch s, back;
		size_t bytes;

		for (size_t i = 0; i < counts[k]; i++)
			v[i] = i % 97 == 3 ? 0 : (i % 7 == 5 ? -1 : 1) * exp(3 + 0.3 * normal());
		s = sketch_of(v, counts[k]);
		back = again(&s, SIZE_MAX, &bytes);
		quantiles_are_near(&s, &back, -1e9, 1e9, counts[k] > SKETCH_FEW ? 0 : 0.004);
		sketch_free(&back);
		back = again(&s, 256, &bytes);
		assert_true(bytes <= 256 || counts[k] > 64);
		quantiles_are_near(&s, &back, -1e9, 1e9, 0.07);
		sketch_free(&back);
		sketch_free(&s);
	}
}

static void parts_are_the_whole(void **state)
{
	struct sketch whole = { .count = 0 }, parts = { .count = 0 };
	struct buf a = { 0 }, b = { 0 };

	(void)state;
	for (int part = 0; part < 20; part++) {
		struct sketch s = { .count = 0 };
		struct buf text = { 0 };

		for (int i = 0; i < 200; i++) {
			const double v = exp(3 + 0.2 * normal());

			sketch_add(&s, v);
			sketch_add(&whole, v);
		}
		assert_true(sketch_write(&text, &s, SIZE_MAX));
		assert_true(sketch_read(&parts, buf_slice(&text)));
		sketch_free(&s);
		buf_free(&text);
	}
	assert_true(sketch_write(&a, &whole, SIZE_MAX) && sketch_write(&b, &parts, SIZE_MAX));
	assert_string_equal(a.p, b.p);
	buf_free(&a);
	buf_free(&b);
	sketch_free(&whole);
	sketch_free(&parts);
}

/* What is no text of a sketch is refused, and nothing is read beyond its end. */
static void foreign_texts_are_refused(void **state)
{
	static const char *const texts[] = { "",           "8",    "8A",    "3AA",        "9AA",
					     "8AB",        "8ABB", "8AB!B", "8ABBA",      "8A_____________",
					     "8ABggggggB", "8AAB", "8AABA", "4AB_____AB", "8A-" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct sketch s = { .count = 0 };
		const size_t n = strlen(texts[i]);
		char *exact = malloc(n ? n : 1);

		memcpy(exact, texts[i], n);
		if (sketch_read(&s, (struct slice){ exact, n }))
			fail_msg("%s is taken for a sketch", texts[i]);
		free(exact);
		sketch_free(&s);
	}
	for (int round = 0; round < 2000; round++) {
		struct sketch s = { .count = 0 };
		char text[40];
		const size_t n = (size_t)(unit() * 39);

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(32 + unit() * 94);
		text[0] = '8';
		sketch_read(&s, (struct slice){ text, n });
		sketch_free(&s);
	}
}

/* --- roll-ups ----------------------------------------------------------------------------- */

static const int64_t BEGIN_US = INT64_C(1760000000000000); /* 20 s into a minute */

struct sums {
	uint64_t lines, records, tokens, prefill_tokens, own, streams, count, bytes, most_bytes;
	double total;
	int64_t minute;
};

static bool add_line(void *ctx, const struct rollup *r, size_t sketch_bytes)
{
	struct sums *s = ctx;
	struct buf line = { 0 };
	struct slice metric;
	int64_t count, tokens;
	double sum;

	assert_true(rollup_write(&line, r, "id-1", sketch_bytes));
	metric = json_read_member(json_read_member(json_read_member(buf_slice(&line), "rollup"), "metrics"),
				  "token_latency_ms");
	assert_true(json_read_whole(json_read_member(metric, "count"), &count));
	assert_true(json_read_number(json_read_member(metric, "sum"), &sum));
	if (json_read_whole(json_read_member(json_read_member(json_read_member(buf_slice(&line), "rollup"), "prefill"),
					     "tokens"),
			    &tokens))
		s->prefill_tokens += (uint64_t)tokens;
	s->bytes = r->from_us / ROLLUP_US == s->minute ? s->bytes + line.used : line.used;
	s->most_bytes = s->bytes > s->most_bytes ? s->bytes : s->most_bytes;
	s->minute = r->from_us / ROLLUP_US;
	s->lines++;
	s->own += r->session_id != NULL;
	s->records += r->records;
	s->tokens += r->tokens;
	s->streams += r->streams;
	s->count += (uint64_t)count;
	s->total += sum;
	buf_free(&line);
	return true;
}

static struct columns *columns_new(void)
{
	struct columns *c = aligned_alloc(64, sizeof *c);

	c->n = c->n_whole = 0;
	return c;
}

/* One step of stream `who`. */
static void add_step(struct columns *c, const struct field_values *session, const char *id, uint16_t who,
		     int64_t time_us, double ms)
{
	struct decoded d = { .rec = { .time_us = time_us,
				      .event = EVENT_INFERENCE_STEP,
				      .phase = PHASE_DECODE,
				      .token_count = 1,
				      .session = session },
			     .session_id = slice_of(id),
			     .who = who };

	record_set(&d.rec, M_TOKEN_LATENCY_MS, ms);
	columns_add(c, &d);
}

static struct field_values *session_of(struct field_values *v, const char *instance)
{
	*v = (struct field_values){ .have = { 0 } };
	fields_set_text(v, F_INSTANCE, slice_of(instance));
	fields_set_text(v, F_MODEL_NAME, slice_of("m"));
	fields_set_text(v, F_STRATEGY, slice_of("cpu fp32"));
	return v;
}

static void steps_are_in_one_rollup(void **state)
{
	struct rollups *t = rollups_open();
	struct columns *c = columns_new();
	struct field_values v;
	struct sums s = { 0 };
	char short_id[40][16]; /* the columns point to them */
	double total = 0;

	(void)state;
	session_of(&v, "host:1");
	for (int i = 0; i < 4000; i++) { /* 200 s of a long stream, and 40 that last 5 s */
		const double ms = round(1000 * (40 + 10 * unit())) / 1000;

		add_step(c, &v, "long", 0, BEGIN_US + i * 50000, ms);
		total += ms;
		if (i % 100 == 0) {
			char *id = short_id[i / 100];

			snprintf(id, sizeof short_id[0], "short-%d", i);
			add_step(c, &v, id, (uint16_t)(1 + i), BEGIN_US + i * 50000, 7);
			total += 7;
		}
		if (i % 1000 == 999) {
			rollups_take(t, c, "a.log");
			c->n = 0;
		}
	}
	rollups_flush(t, add_line, &s);
	assert_int_equal(rollups_lost(t).rollups, 0);
	assert_int_equal(s.records, 4040);
	assert_int_equal(s.tokens, 4040);
	assert_int_equal(s.count, 4040);
	assert_true(fabs(s.total - total) < 1e-6);
	assert_int_equal(s.own, 4);        /* the long one's minutes */
	assert_true(s.lines - s.own <= 4); /* those of the instance */
	assert_int_equal(rollups_open_count(t), 0);
	rollups_close(t);
	free(c);
}

/* Many long streams: the largest have their own, all others share, and nothing is lost. */
static void a_minute_has_a_bound(void **state)
{
	enum { STREAMS = 600 };
	struct rollups *t = rollups_open();
	struct columns *c = columns_new();
	struct field_values v;
	struct sums s = { 0 };
	uint64_t n = 0;

	(void)state;
	session_of(&v, "host:1");
	for (int second = 0; second < 130; second += 5) {
		for (int i = 0; i < STREAMS; i++) {
			char id[24];

			snprintf(id, sizeof id, "stream-%d", i);
			add_step(c, &v, strdup(id), (uint16_t)i, BEGIN_US + second * INT64_C(1000000),
				 30 + 20 * unit());
			n++;
		}
		rollups_take(t, c, "a.log");
		for (size_t row = 0; row < c->n; row++)
			free((char *)(uintptr_t)c->session_id[row].p);
		c->n = 0;
	}
	rollups_flush(t, add_line, &s);
	assert_int_equal(s.records, n);
	assert_int_equal(s.count, n);
	assert_true(s.own > 10 && s.own < 3 * STREAMS);
	assert_true(s.most_bytes <= ROLLUP_MOST_BYTES);
	rollups_close(t);
	free(c);
}

/* A step with every metric, of values with many digits. */
static void add_full_step(struct columns *c, const struct field_values *session, const char *id, uint16_t who,
			  int64_t time_us, enum phase phase)
{
	struct decoded d = { .rec = { .time_us = time_us,
				      .event = EVENT_INFERENCE_STEP,
				      .phase = phase,
				      .token_count = phase == PHASE_PREFILL ? 7 : 1,
				      .session = session },
			     .session_id = slice_of(id),
			     .who = who };

	for (int m = 0; m < METRIC_COUNT; m++)
		record_set(&d.rec, (enum metric_id)m, 123456 * (1 + unit()));
	columns_add(c, &d);
}

/* Many models with names that grow when they are written, every metric, prefill too: there is no room even without
 * sketches, and models share lines. */
static void a_minute_of_many_models_has_a_bound(void **state)
{
	enum { MODELS = 20, STEPS = 12 };
	struct rollups *t = rollups_open();
	struct columns *c = columns_new();
	struct field_values v[MODELS];
	char id[MODELS][16], model[MODELS][120];
	struct sums s = { 0 };

	(void)state;
	for (int i = 0; i < MODELS; i++) {
		memset(model[i], '\1', sizeof model[i]);
		snprintf(model[i] + 100, 20, "%d", i);
		snprintf(id[i], sizeof id[i], "short-%d", i);
		session_of(&v[i], "host:1");
		fields_set_text(&v[i], F_MODEL_NAME, slice_of(model[i]));
		for (int k = 0; k < STEPS; k++)
			add_full_step(c, &v[i], id[i], (uint16_t)i, BEGIN_US + k * INT64_C(1000000),
				      k % 2 ? PHASE_PREFILL : PHASE_DECODE);
	}
	rollups_take(t, c, "a.log");
	rollups_flush(t, add_line, &s);
	assert_int_equal(s.records, MODELS * STEPS);
	assert_int_equal(s.prefill_tokens, 7 * MODELS * STEPS / 2);
	assert_int_equal(s.tokens, (7 + 1) * MODELS * STEPS / 2);
	assert_int_equal(s.own, 0);
	assert_true(s.lines > 1);
	assert_true(s.most_bytes <= ROLLUP_MOST_BYTES);
	rollups_close(t);
	free(c);
}

/* --- answers of an engine ------------------------------------------------------------------------ */

/* A minute of 100 steps of about ms each, of the instance h:who; `extremes`: they are said. */
static void add_answer_of(struct buf *out, int who, int minute, double ms, bool extremes)
{
	struct sketch s = { .count = 0 };
	struct buf text = { 0 };

	for (int i = 0; i < 100; i++)
		sketch_add(&s, ms * exp(0.02 * normal()));
	assert_true(sketch_write(&text, &s, 256));
	buf_printf(
		out,
		"{\"_time\":\"2025-10-09T09:%02d:00Z\",\"instance\":\"h:%d\",\"metadata.model_name\":\"m\","
		"\"rollup.id\":\"x-%d-%d\",\"rollup.seconds\":\"59\",\"rollup.records\":\"100\",\"rollup.tokens\":"
		"\"110\","
		"\"rollup.metrics.token_latency_ms.count\":\"100\",\"rollup.metrics.token_latency_ms.sum\":\"%.3f\",",
		minute, who, who, minute, 100 * ms);
	if (extremes)
		buf_printf(out,
			   "\"rollup.metrics.token_latency_ms.min\":\"%.3f\","
			   "\"rollup.metrics.token_latency_ms.max\":\"%.3f\",",
			   ms / 1.2, ms * 1.2);
	buf_printf(out, "\"rollup.metrics.token_latency_ms.sketch\":\"%s\"}\n", text.p);
	sketch_free(&s);
	buf_free(&text);
}

static void add_answer(struct buf *out, int minute, double ms, bool extremes)
{
	add_answer_of(out, 1, minute, ms, extremes);
}

/* In any order, twice, with and without extremes: each roll-up counts once, and the minutes follow each other. */
static void answers_are_put_together(void **state)
{
	static const char counts[] =
		"{\"instance\":\"h:1\",\"metadata.model_name\":\"m\",\"first\":\"2025-10-09T09:00:00Z\","
		"\"records\":\"1000\",\"tokens\":\"1100\",\"dropped\":\"7\"}\n";
	const struct analyze_options how = { .no_session_series = true };
	struct engine_answer answer = { .rows = 0 };
	struct findings f;
	struct analysis *a;
	struct buf text = { 0 };
	struct err err;
	const double *course;

	(void)state;
	assert_int_equal(analyze_open(&a, &how, &err), 0);
	for (int minute = 9; minute >= 0; minute--)
		add_answer(&text, minute, minute < 5 ? 20 : 40, minute % 2);
	add_answer(&text, 3, 20, true); /* once more */
	buf_str(&text,
		"{\"_time\":\"2025-10-09T09:20:00Z\",\"instance\":\"h:1\",\"rollup.id\":\"y\",\"rollup.records\":\"0\","
		"\"rollup.metrics.token_latency_ms.count\":\"5\"}\nno answer\n");
	assert_true(engine_take(a, LOGSQL_SKETCHES, buf_slice(&text), &answer));
	assert_int_equal(answer.rows, 13);
	assert_int_equal(answer.twice, 1);
	assert_int_equal(answer.bad, 2);
	assert_true(engine_take(a, LOGSQL_COUNTS, slice_of(counts), &answer)); /* of others: they add up */
	assert_int_equal(analyze_finish(a, NULL, &f, &err), 0);
	assert_int_equal(f.n_instances, 1);
	assert_int_equal(f.records, 2000);
	assert_int_equal(f.tokens, 2200);
	assert_int_equal(f.dropped, 7);
	assert_int_equal(f.instance[0].decode_latency.count, 1000);
	assert_true(fabs(f.instance[0].decode_latency.mean - 30) < 1e-9);
	assert_true(f.instance[0].decode_latency.min > 15 && f.instance[0].decode_latency.min <= 20);
	assert_true(f.instance[0].decode_latency.max >= 40 && f.instance[0].decode_latency.max < 50);
	course = f.instance[0].course;
	assert_true(fabs(course[2] - 20) < 1 && fabs(course[INSTANCE_SLICES - 2] - 40) < 2);
	findings_free(&f);
	analyze_close(a);
	buf_free(&text);
}

/* Processes of one model side by side on one host: each has its own calls' number and sizes. */
static void processes_of_a_host_stay_apart(void **state)
{
	enum { PROCESSES = 3 };
	const struct analyze_options how = { .no_session_series = true };
	struct engine_answer answer = { .rows = 0 };
	struct buf text = { 0 };
	struct findings f;
	struct analysis *a;
	struct err err;

	(void)state;
	assert_int_equal(analyze_open(&a, &how, &err), 0);
	for (int minute = 0; minute < 10; minute++)
		for (int who = 1; who <= PROCESSES; who++)
			add_answer_of(&text, who, minute, 20 * who, true);
	assert_true(engine_take(a, LOGSQL_SKETCHES, buf_slice(&text), &answer));
	assert_int_equal(answer.bad, 0);
	assert_int_equal(analyze_finish(a, NULL, &f, &err), 0);
	assert_int_equal(f.time_breakdown->n_parts, PROCESSES);
	for (size_t i = 0; i < PROCESSES; i++) {
		const struct time_part *p = f.time_breakdown->part[i];
		const double ms = p->decode_ms / (double)p->decode_calls;

		assert_int_equal(p->decode.n, p->decode_calls);
		assert_true(fabs(sizes_quantile(&p->decode, 0.5) - ms) < 0.1 * ms);
	}
	findings_free(&f);
	analyze_close(a);
	buf_free(&text);
}

/* Two processes of a host, each with two models that the other has, too. */
static void processes_know_their_starts_and_what_they_left(void **state)
{
	static const char *const models[2] = { "m", "n" }, *const instances[2] = { "h:1", "h:2" };
	struct time_progress t[2][2] = { { { .part = 0 } } }, silent[2] = { { .part = 0 } };
	struct time_book b;

	(void)state;
	time_breakdown_open(&b);
	for (int i = 0; i < 2; i++) {
		struct field_values said = { 0 };
		const struct record rec = { .session = &said };
		const struct time_owner who = { "s", models[0], "cpu", instances[i] };

		fields_set_number(&said, F_VRAM_TOTAL_MB, 1000 * (i + 1));
		time_breakdown_start(&b, &t[i][0], &who, &rec);
		time_breakdown_start(&b, &silent[0], &who, &rec); /* in the end the second one's, which has no calls */
	}
	for (int minute = 1; minute <= 5; minute++)
		for (int i = 0; i < 2; i++)
			for (int m = 0; m < 2; m++) {
				const struct time_owner who = { "s", models[m], "cpu", instances[i] };
				const struct time_summed sums = { .from_us = minute * INT64_C(60000000),
								  .to_us = minute * INT64_C(60000000) + 59000000,
								  .decode_calls = 10,
								  .decode_tokens = 10 };

				if (i == 1)
					time_breakdown_enter(&b, &silent[m], &who, sums.from_us);
				time_breakdown_take(&b, &t[i][m], &who, &sums);
			}
	for (int m = 0; m < 2; m++) {
		assert_int_not_equal(t[0][m].part, t[1][m].part);
		assert_int_equal(silent[m].part, t[1][m].part);
	}
	for (int i = 0; i < 2; i++)
		assert_true(fields_number(&b.place[t[i][0].part - 1].part->about, F_VRAM_TOTAL_MB, 0) ==
			    1000 * (i + 1));
	time_breakdown_close(&b);
}

static void take_minute(struct time_book *b, struct time_progress *t, const struct time_owner *who, int minute)
{
	const struct time_summed sums = { .from_us = minute * INT64_C(60000000),
					  .to_us = minute * INT64_C(60000000) + 59000000,
					  .decode_calls = 10,
					  .decode_tokens = 10 + (uint64_t)minute,
					  .decode_ms = 0.1 * minute,
					  .latency_ln = -0.3 * minute,
					  .level = { [L_CPU] = minute },
					  .seen = { [L_CPU] = 1 } };

	time_breakdown_take(b, t, who, &sums);
}

/* One process begins, `others` come in the middle of it, and it goes on; all others are on other hosts. The part may
 * borrow from the book. */
static struct time_part *first_of(struct time_book *b, int others, struct arena *arena, size_t *n_open)
{
	const struct time_owner who = { "s", "m", "cpu", "h:1" };
	struct field_values said = { 0 };
	const struct record rec = { .session = &said };
	struct time_progress t = { .part = 0 };
	struct time_breakdown *times;

	time_breakdown_open(b);
	fields_set_number(&said, F_VRAM_TOTAL_MB, 1000);
	time_breakdown_start(b, &t, &who, &rec);
	for (int minute = 1; minute <= 20; minute++)
		take_minute(b, &t, &who, minute);
	for (int i = 0; i < others; i++) {
		char name[32];
		struct time_progress its = { .part = 0 };

		snprintf(name, sizeof name, "other%d:1", i);
		take_minute(b, &its, &(struct time_owner){ "s", "m", "cpu", name }, 21);
	}
	*n_open = 0;
	for (size_t i = 0; i < b->n_parts; i++)
		*n_open += b->place[i].part != NULL;
	for (int minute = 22; minute <= 30; minute++)
		take_minute(b, &t, &who, minute);
	times = time_breakdown_finish(b, &(struct time_session){ &t, "s" }, 1, arena);
	assert_non_null(times);
	assert_int_equal(times->n_own, others + 1);
	assert_int_equal(times->n_parts, others + 1);
	assert_int_equal(times->part[0]->steps, time_own_part(&times->own[0], arena)->steps);
	return time_own_part(&times->own[0], arena);
}

/* A thousand processes begin after it, and take little room once they say no more; what it says then counts as ever. */
static void a_process_is_the_same_after_others_began(void **state)
{
	struct arena arena = { 0 };
	size_t n_open;
	struct time_book one, many;
	const struct time_part *alone = first_of(&one, 0, &arena, &n_open), *p;

	(void)state;
	assert_int_equal(n_open, 1);
	p = first_of(&many, 1000, &arena, &n_open);
	assert_in_range(n_open, 1, 200);
	assert_int_equal(alone->steps, 290);
	assert_int_equal(p->steps, alone->steps);
	assert_int_equal(p->starts, 1);
	assert_true(p->from_us == alone->from_us && p->to_us == alone->to_us);
	assert_int_equal(p->decode_tokens, alone->decode_tokens);
	assert_true(p->decode_ms == alone->decode_ms);
	assert_true(fields_number(&p->about, F_VRAM_TOTAL_MB, 0) == 1000);
	assert_string_equal(p->instance, "h:1");
	assert_int_equal(p->n_stretches, alone->n_stretches);
	assert_memory_equal(p->stretch, alone->stretch, p->n_stretches * sizeof *p->stretch);
	time_breakdown_close(&one);
	time_breakdown_close(&many);
	arena_free(&arena);
}

/* The engine may know of an instance what it has no roll-up of: the answer is whole, in whatever order they began. */
static void counts_without_a_rollup_are_counts(void **state)
{
	static const char *const of_nothing[] = { "08", "10" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct analyze_options how = { .no_session_series = true };
		struct engine_answer answer = { .rows = 0 };
		struct buf text = { 0 }, rollup = { 0 };
		struct findings f;
		struct analysis *a;
		struct err err;

		buf_printf(&text,
			   "{\"instance\":\"h:1\",\"metadata.model_name\":\"m\",\"first\":\"2025-10-09T09:00:00Z\","
			   "\"records\":\"100\",\"tokens\":\"110\"}\n"
			   "{\"instance\":\"h:2\",\"metadata.model_name\":\"m\",\"first\":\"2025-10-09T%s:00:00Z\","
			   "\"records\":\"5\",\"tokens\":\"6\",\"dropped\":\"2\"}\n",
			   of_nothing[i]);
		add_answer(&rollup, 1, 20, true);
		assert_int_equal(analyze_open(&a, &how, &err), 0);
		assert_true(engine_take(a, LOGSQL_COUNTS, buf_slice(&text), &answer));
		assert_true(engine_take(a, LOGSQL_SKETCHES, buf_slice(&rollup), &answer));
		assert_int_equal(answer.bad, 0);
		assert_int_equal(analyze_finish(a, NULL, &f, &err), 0);
		assert_int_equal(f.n_instances, 2);
		assert_string_equal(f.instance[i].instance, "h:2");
		assert_int_equal(f.instance[i].records, 5);
		assert_int_equal(f.instance[i].tokens, 6);
		assert_int_equal(f.instance[i].metric[M_TOKEN_LATENCY_MS].count, 0);
		assert_int_equal(f.instance[1 - i].decode_latency.count, 100);
		assert_int_equal(f.dropped, 2);
		findings_free(&f);
		analyze_close(a);
		buf_free(&text);
		buf_free(&rollup);
	}
}

static void add_sums(struct buf *out, const char *metric, uint64_t calls, double each)
{
	if (calls)
		buf_printf(out, ",\"rollup.%s.count\":\"%" PRIu64 "\",\"rollup.%s.sum\":\"%.0f\"", metric, calls,
			   metric, (double)calls * each);
}

/* Roll-ups of a prompt and its answer, of calls of several tokens, of one call: tokens and times of each phase. */
static void phases_of_rollups_stay_apart(void **state)
{
	static const struct {
		uint64_t tokens, decode, timed, prefill, decode_tokens, prefill_tokens; /* timed: whole calls */
		const char *said; /* of the prefill's tokens; NULL: an older version wrote it */
	} cases[] = {
		{ 1124, 100, 0, 2, 100, 1024, NULL },   { 1124, 100, 100, 2, 300, 824, NULL },
		{ 250, 100, 0, 0, 250, 0, NULL },       { 90, 100, 0, 1, 90, 0, NULL },
		{ 512, 0, 0, 2, 0, 512, NULL },         { 1, 1, 0, 0, 1, 0, NULL },
		{ 1124, 100, 100, 2, 324, 800, "800" }, { 1124, 100, 0, 2, 1124, 0, "0" },
		{ 1124, 100, 0, 2, 100, 1024, "1125" }, /* more than all: it cannot be */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct analyze_options how = { .no_session_series = true };
		struct engine_answer answer = { .rows = 0 };
		struct buf text = { 0 };
		const struct time_part *p;
		struct arena arena = { 0 };
		struct findings f;
		struct analysis *a;
		struct err err;

		buf_printf(&text,
			   "{\"_time\":\"2025-10-09T09:01:00Z\",\"instance\":\"h:1\",\"rollup.id\":\"x\","
			   "\"rollup.records\":\"%" PRIu64 "\",\"rollup.tokens\":\"%" PRIu64 "\"",
			   cases[i].decode + cases[i].prefill, cases[i].tokens);
		add_sums(&text, "metrics.token_latency_ms", cases[i].decode, 20);
		add_sums(&text, "metrics.chunk_process_time_ms", cases[i].timed, 60);
		add_sums(&text, "prefill.chunk_process_time_ms", cases[i].prefill, 256);
		if (cases[i].said)
			buf_printf(&text, ",\"rollup.prefill.tokens\":\"%s\"", cases[i].said);
		buf_str(&text, "}\n");
		assert_int_equal(analyze_open(&a, &how, &err), 0);
		assert_true(engine_take(a, LOGSQL_SKETCHES, buf_slice(&text), &answer));
		assert_int_equal(time_breakdown_finish(a->times, NULL, 0, &arena)->part[0]->stretch[0].calls,
				 cases[i].decode + cases[i].prefill);
		assert_int_equal(analyze_finish(a, NULL, &f, &err), 0);
		assert_int_equal(f.time_breakdown->n_parts, 1);
		p = f.time_breakdown->part[0];
		assert_int_equal(p->decode_calls, cases[i].decode);
		assert_int_equal(p->decode_tokens, cases[i].decode_tokens);
		assert_int_equal(p->prefill_calls, cases[i].prefill);
		assert_int_equal(p->prefill_tokens, cases[i].prefill_tokens);
		assert_int_equal(p->steps, cases[i].decode + cases[i].prefill);
		findings_free(&f);
		arena_free(&arena);
		analyze_close(a);
		buf_free(&text);
	}
}

/* Six hours of an instance, of which the last half hour is slower; asked for when the unusual is looked for. */
static void unusual_minutes_are_found(void **state)
{
	struct buf text = { 0 };

	(void)state;
	for (int minute = 0; minute < 360; minute++) {
		char at[TIME_TEXT_BYTES];

		time_format(at, INT64_C(1760000400000000) + minute * INT64_C(60000000));
		buf_printf(&text,
			   "{\"_time\":\"%s\",\"instance\":\"h:1\",\"rollup.id\":\"%d\",\"rollup.records\":\"60\","
			   "\"rollup.tokens\":\"60\",\"rollup.metrics.token_latency_ms.count\":\"60\","
			   "\"rollup.metrics.token_latency_ms.sum\":\"%.3f\"}\n",
			   at, minute, 60 * (20 + 0.5 * normal()) * (minute < 330 ? 1 : 2));
	}
	for (int looks = 0; looks < 2; looks++) {
		const struct analyze_options how = { .no_session_series = true, .look_for_unusual = looks };
		struct engine_answer answer = { .rows = 0 };
		struct findings f;
		struct analysis *a;
		struct err err;

		assert_int_equal(analyze_open(&a, &how, &err), 0);
		assert_true(engine_take(a, LOGSQL_SKETCHES, buf_slice(&text), &answer));
		assert_int_equal(answer.bad, 0);
		assert_int_equal(analyze_finish(a, NULL, &f, &err), 0);
		assert_true(looks ? f.n_departures > 0 : !f.n_departures);
		for (size_t i = 0; i < f.n_departures; i++) {
			assert_string_equal(f.departure[i].instance, "h:1");
			assert_true(f.departure[i].from_us >= INT64_C(1760000400000000) + 330 * INT64_C(60000000));
		}
		findings_free(&f);
		analyze_close(a);
	}
	buf_free(&text);
}

/* --- the backlog ------------------------------------------------------------------------------ */

static char dir[64];

static void put_lines(struct backlog *b, int from, int n, const char *instance, size_t bytes)
{
	char line[2048];

	for (int i = from; i < from + n; i++) {
		int used = snprintf(line, sizeof line,
				    "{\"instance\":\"%s\",\"rollup\":{\"id\":\"%d\",\"records\":10},\"x\":\"", instance,
				    i);

		memset(line + used, 'x', bytes);
		memcpy(line + used + bytes, "\"}\n", 4);
		backlog_put(b, BACKLOG_ROLLUPS, slice_of(line), 10);
	}
}

static struct backlog *open_backlog(uint64_t most, struct buf *places)
{
	struct backlog *b;
	struct err err;

	if (backlog_open(&b, dir, most, places, &err))
		fail_msg("%s", err.text);
	return b;
}

static void commit(struct backlog *b, const char *places)
{
	const struct slice text = slice_of(places ? places : "");
	struct err err;

	if (backlog_commit(b, places ? &text : NULL, &err))
		fail_msg("%s", err.text);
}

/* All that waits, oldest first, taken out. */
static uint64_t drain(struct backlog *b, struct buf *out)
{
	struct backlog_batch batch;
	uint64_t lines = 0;

	while (backlog_next(b, &batch)) {
		assert_true(backlog_read(b, &batch, out));
		lines += batch.lines;
		backlog_done(b, &batch);
	}
	return lines;
}

static int make_dir(void **state)
{
	(void)state;
	return scratch_make(dir, sizeof dir, "backlog");
}

static int remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

static void what_was_committed_waits(void **state)
{
	struct buf places = { 0 }, text = { 0 };
	struct backlog *b = open_backlog(1 << 20, &places), *second;
	char id[BACKLOG_ID_BYTES], other[BACKLOG_ID_BYTES];
	struct err err;

	(void)state;
	assert_int_equal(places.used, 0);
	backlog_id(b, id);
	put_lines(b, 0, 3, "h:1", 10);
	commit(b, "abc 1\n");
	put_lines(b, 3, 2, "h:1", 10);                                 /* and then the process is gone */
	assert_true(backlog_open(&second, dir, 1 << 20, &text, &err)); /* a second one is refused */
	backlog_close(b);
	b = open_backlog(1 << 20, &places);
	assert_string_equal(places.p, "abc 1\n");
	backlog_id(b, other);
	assert_string_not_equal(id, other);
	assert_int_equal(drain(b, &text), 3);
	assert_int_equal(drain(b, &text), 0);
	backlog_close(b);
	b = open_backlog(1 << 20, &places);
	assert_int_equal(drain(b, &text), 0);
	backlog_close(b);
	buf_free(&places);
	buf_free(&text);
}

static void events_do_not_move_places(void **state)
{
	struct buf places = { 0 }, text = { 0 };
	struct backlog *b = open_backlog(1 << 20, &places);

	(void)state;
	commit(b, "abc 1\n");
	put_lines(b, 0, 1, "h:1", 10);
	backlog_put(b, BACKLOG_EVENTS, slice_of("{\"event_type\":\"alarm\"}\n"), 0);
	commit(b, NULL);
	assert_int_equal(drain(b, &text), 1); /* the event alone */
	backlog_close(b);
	buf_clear(&places);
	b = open_backlog(1 << 20, &places);
	assert_string_equal(places.p, "abc 1\n");
	assert_int_equal(drain(b, &text), 0); /* the roll-up will be made again */
	backlog_close(b);
	buf_free(&places);
	buf_free(&text);
}

/* The oldest roll-ups go first, and what they stood for is told; events stay. */
static void a_full_folder_drops_rollups_first(void **state)
{
	struct buf places = { 0 }, text = { 0 };
	struct backlog *b = open_backlog(20000, &places);
	struct backlog_counts n;
	uint64_t told = 0;

	(void)state;
	for (int i = 0; i < 30; i++) {
		put_lines(b, i, 1, i % 2 ? "h:1" : "h:2", 1500);
		backlog_put(b, BACKLOG_EVENTS, slice_of("{\"event_type\":\"alarm\"}\n"), 0);
		commit(b, "p\n");
	}
	backlog_count(b, &n);
	assert_true(n.bytes <= 20000 + 2000);
	assert_true(n.lost[BACKLOG_ROLLUPS] > 10 && n.lost[BACKLOG_ROLLUPS] < 25);
	assert_int_equal(n.lost[BACKLOG_EVENTS], 0);
	assert_int_equal(n.lost_steps, 10 * n.lost[BACKLOG_ROLLUPS]);
	assert_int_equal(n.lines[BACKLOG_ROLLUPS], 30 - n.lost[BACKLOG_ROLLUPS]);
	drain(b, &text);
	for (const char *p = text.p; (p = strstr(p, "\"dropped\":")); p += 10)
		told += strtoull(p + 10, NULL, 10);
	assert_int_equal(told, n.lost_steps);
	assert_null(strstr(text.p, "\"id\":\"0\"")); /* the oldest is gone */
	assert_non_null(strstr(text.p, "\"id\":\"29\""));
	backlog_close(b);
	buf_free(&places);
	buf_free(&text);
}

/* A fleet's worth of gaps at once goes in batches that an engine takes. */
static void gaps_go_in_batches_like_all_lines(void **state)
{
	enum { INSTANCES = 9000 };
	struct buf places = { 0 }, text = { 0 };
	struct backlog *b = open_backlog(2 << 20, &places);
	struct backlog_batch batch;
	uint64_t lines = 0;
	char name[32];

	(void)state;
	for (int i = 0; i < INSTANCES; i++) {
		snprintf(name, sizeof name, "h:%d", i);
		put_lines(b, i, 1, name, 20);
	}
	commit(b, "p\n");
	assert_true(backlog_next(b, &batch));
	backlog_lose(b, &batch, "the engine refused them");
	commit(b, NULL);
	while (backlog_next(b, &batch)) {
		assert_in_range(batch.bytes, 1, BACKLOG_BATCH_BYTES);
		assert_true(backlog_read(b, &batch, &text));
		lines += batch.lines;
		backlog_done(b, &batch);
	}
	assert_int_equal(lines, INSTANCES);
	backlog_close(b);
	buf_free(&places);
	buf_free(&text);
}

/* What could not be made is counted and told like what was lost later. */
static void what_memory_had_no_room_for_is_told(void **state)
{
	struct buf places = { 0 }, text = { 0 };
	struct backlog *b = open_backlog(1 << 20, &places);
	struct backlog_counts n;

	(void)state;
	backlog_missed(b, BACKLOG_ROLLUPS, 2, 70);
	backlog_missed(b, BACKLOG_EVENTS, 1, 0);
	commit(b, "p\n");
	backlog_count(b, &n);
	assert_true(n.lost[BACKLOG_ROLLUPS] == 2 && n.lost[BACKLOG_EVENTS] == 1 && n.lost_steps == 70);
	assert_int_equal(drain(b, &text), 1);
	assert_non_null(strstr(text.p, "\"dropped\":70"));
	assert_non_null(strstr(text.p, "no memory"));
	backlog_close(b);
	buf_free(&places);
	buf_free(&text);
}

/* A folder that holds what nobody wrote so: no crash, and a clear error where it is not ours. */
static void foreign_folders_are_refused(void **state)
{
	struct buf places = { 0 };
	struct backlog *b;
	struct err err = { 0 };
	char path[160];
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/0000000000000001-rollups-1-x", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	b = open_backlog(1 << 20, &places);
	assert_int_equal(drain(b, &places), 0);
	backlog_close(b);
	snprintf(path, sizeof path, "%s/state", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("something else\n", f);
	fclose(f);
	assert_true(backlog_open(&b, dir, 1 << 20, &places, &err));
	assert_non_null(strstr(err.text, "state"));
	buf_free(&places);
}

/* --- an hour without an engine, in no time ------------------------------------------------------ */

static int64_t wall_us;

static int64_t hour_wall(void *ctx)
{
	(void)ctx;
	return wall_us;
}

static uint64_t hour_mono(void *ctx)
{
	return (uint64_t)hour_wall(ctx) * 1000;
}

static const struct clock hour = { hour_mono, hour_wall, NULL };

/* A minute of three instances, of which two streams each go on. Steps. */
static uint64_t one_minute(struct shipper *s, int minute)
{
	static const char *const instance[] = { "h:1", "h:2", "h:3" };
	static const char *const id[] = { "a", "b", "c", "d", "e", "f" };
	struct columns *c = columns_new();
	struct field_values v[3];
	struct err err;
	char places[24];
	uint64_t n = 0;

	for (int second = 0; second < 60; second += 4)
		for (uint16_t k = 0; k < 6; k++, n++)
			add_step(c, session_of(&v[k / 2], instance[k / 2]), id[k], k,
				 BEGIN_US + (minute * 60 + second) * INT64_C(1000000), 30 + 20 * unit());
	shipper_take(s, c, slice_of(""), "a.log");
	wall_us += INT64_C(60000000);
	snprintf(places, sizeof places, "a.log %d\n", minute);
	assert_true(shipper_turn(s, slice_of(places), false, &err) >= 0);
	free(c);
	return n;
}

static struct shipper *open_shipper(struct backlog *b)
{
	struct shipper *s;
	struct err err;

	assert_int_equal(shipper_open(&s, &(struct shipper_config){ .spool = b, .clock = &hour }, &err), 0);
	return s;
}

/* Of all lines, a kind's. */
static uint64_t sum_of(const struct buf *lines, const char *key)
{
	uint64_t sum = 0;

	for (const char *p = lines->p; p && (p = strstr(p, key)); p += strlen(key))
		sum += strtoull(p + strlen(key), NULL, 10);
	return sum;
}

/* Nobody takes a batch for sixty minutes; in the middle the process ends, and another one goes on. */
static uint64_t an_hour(uint64_t most_bytes, struct buf *arrived)
{
	struct buf places = { 0 };
	struct backlog *b = open_backlog(most_bytes, &places);
	struct shipper *s = open_shipper(b);
	struct err err;
	uint64_t n = 0;

	wall_us = BEGIN_US;
	for (int minute = 0; minute < 60; minute++) {
		n += one_minute(s, minute);
		if (minute != 29)
			continue;
		assert_true(shipper_turn(s, slice_of("a.log 29\n"), true, &err) >= 0);
		shipper_close(s);
		backlog_close(b);
		b = open_backlog(most_bytes, &places);
		s = open_shipper(b);
	}
	assert_true(shipper_turn(s, slice_of("a.log 59\n"), true, &err) >= 0);
	drain(b, arrived);
	shipper_close(s);
	backlog_close(b);
	buf_free(&places);
	return n;
}

static void an_hour_without_an_engine_loses_nothing(void **state)
{
	struct buf arrived = { 0 };
	const uint64_t n = an_hour(64 << 20, &arrived);

	(void)state;
	assert_int_equal(n, 60 * 15 * 6);
	assert_int_equal(sum_of(&arrived, "\"records\":"), n);
	assert_int_equal(sum_of(&arrived, "\"dropped\":"), 0);
	buf_free(&arrived);
}

/* And what it has no room for is told, step by step. */
static void an_hour_in_a_small_folder_is_told(void **state)
{
	struct buf arrived = { 0 };
	const uint64_t n = an_hour(40000, &arrived);
	const uint64_t came = sum_of(&arrived, "\"records\":"), told = sum_of(&arrived, "\"dropped\":");

	(void)state;
	assert_true(came > 0 && told > 0);
	assert_int_equal(came + told, n);
	buf_free(&arrived);
}

/* A folder that cannot be written: what was put stays in memory, in batches, and the first commit that works names it
 * with the places that it reaches to, even if it is one of events. */
static void a_folder_that_cannot_be_written_is_waited_for(void **state)
{
	struct buf places = { 0 }, text = { 0 };
	struct backlog *b = open_backlog(64 << 20, &places);
	const struct slice reached = slice_of("abc 2\n");
	char aside[80];
	struct err err;

	(void)state;
	commit(b, "abc 1\n");
	snprintf(aside, sizeof aside, "%s/state.new", dir);
	assert_int_equal(mkdir(aside, 0700), 0); /* in the way of the state */
	put_lines(b, 0, 1500, "h:1", 1900);
	assert_true(backlog_commit(b, &reached, &err));
	assert_int_equal(drain(b, &text), 0); /* nothing counts yet */
	assert_int_equal(rmdir(aside), 0);
	backlog_put(b, BACKLOG_EVENTS, slice_of("{\"event_type\":\"alarm\"}\n"), 0);
	commit(b, NULL);
	assert_int_equal(drain(b, &text), 1501);
	backlog_close(b);
	buf_clear(&places);
	b = open_backlog(64 << 20, &places);
	assert_string_equal(places.p, "abc 2\n");
	backlog_close(b);
	buf_free(&places);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_spread),
		cmocka_unit_test(texts_hold_sketches),
		cmocka_unit_test(parts_are_the_whole),
		cmocka_unit_test(foreign_texts_are_refused),
		cmocka_unit_test(steps_are_in_one_rollup),
		cmocka_unit_test(a_minute_has_a_bound),
		cmocka_unit_test(a_minute_of_many_models_has_a_bound),
		cmocka_unit_test(answers_are_put_together),
		cmocka_unit_test(counts_without_a_rollup_are_counts),
		cmocka_unit_test(processes_of_a_host_stay_apart),
		cmocka_unit_test(processes_know_their_starts_and_what_they_left),
		cmocka_unit_test(a_process_is_the_same_after_others_began),
		cmocka_unit_test(phases_of_rollups_stay_apart),
		cmocka_unit_test(unusual_minutes_are_found),
		cmocka_unit_test_setup_teardown(what_was_committed_waits, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(events_do_not_move_places, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_full_folder_drops_rollups_first, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(gaps_go_in_batches_like_all_lines, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(what_memory_had_no_room_for_is_told, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(foreign_folders_are_refused, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(an_hour_without_an_engine_loses_nothing, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(an_hour_in_a_small_folder_is_told, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_written_is_waited_for, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
