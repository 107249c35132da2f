/* alarm_eval.c - how good are the alarms? Precision and recall per type, on the built-in model.
 *
 * Every trial is a real run through rwkvmon.h with the shipped rules and a log, from which the alarms are read back.
 * Faults are put in where they would come from: tokens that go in circles, a temperature near 0, NaN in the state, a
 * state that another conversation left, calls that take long. How long a call takes is drawn, not measured, so that an
 * alarm of speed without a reason is a false one, however busy the machine is. Whether a text went in circles by itself
 * is decided by a search of its own over all periods, not by what the detector uses.
 *
 *     alarm_eval [--quick]     a Markdown table; status 1 when a promise is broken; --quick is shorter, and
 *                              leaves out what races the writer thread */
#include "random.h"

#include "base/buf.h"
#include "collect/collector.h"
#include "read/read.h"
#include "runtime/run.h"
#include "runtime/sampler.h"

#include <math.h>
#include <rwkvmon.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VOCAB = 256, TEXT_MAX = 4096, ROWS_MAX = 64, PERIOD_MAX = 512, LOOP_TOKENS = 160 };

/* --- one run under monitoring --------------------------------------------------------------------- */

struct trial {
	struct run *run;
	struct sampler *sampler;
	rwkvmon *mon;
	struct tap tap;
	char log[64];
	uint32_t text[TEXT_MAX]; /* all tokens of the last sequence */
	size_t n, prompt_n;

	/* Time passes by what is drawn for each call. */
	struct clock clock;
	atomic_uint_fast64_t now_ns;
	double slow; /* a slow swing of the speed, as a logarithm */

	/* What goes wrong with the calls to come. */
	double late_ms;
	const float *logits;    /* shown instead of the real ones */
	const float *reference; /* full precision's logits of the same call, for quant_kl_nats; NULL: none */
	float coarse;           /* logits are worth multiples of this; 0: as they are */
	bool by_tensors;        /* the state is compared by the monitor, not summed by the runtime */

	/* What came of it. */
	uint64_t fired[ALARM_TYPE_COUNT];
	uint64_t critical;
	double first_bad_token, wasted;
};

static void die(const char *what)
{
	fprintf(stderr, "alarm_eval: %s\n", what);
	exit(2);
}

static double kl(const float *p_logits, const float *q_logits)
{
	double p_max = -INFINITY, q_max = -INFINITY, p_sum = 0, q_sum = 0, sum = 0;

	for (int i = 0; i < VOCAB; i++) {
		p_max = fmax(p_max, (double)p_logits[i]);
		q_max = fmax(q_max, (double)q_logits[i]);
	}
	for (int i = 0; i < VOCAB; i++) {
		p_sum += exp((double)p_logits[i] - p_max);
		q_sum += exp((double)q_logits[i] - q_max);
	}
	for (int i = 0; i < VOCAB; i++) {
		double lp = (double)p_logits[i] - p_max - log(p_sum), lq = (double)q_logits[i] - q_max - log(q_sum);

		sum += exp(lp) * (lp - lq);
	}
	return sum;
}

static uint64_t drawn_ns(void *ctx)
{
	struct trial *t = ctx;

	return atomic_load(&t->now_ns);
}

static int64_t drawn_us(void *ctx)
{
	return INT64_C(1700000000000000) + (int64_t)(drawn_ns(ctx) / 1000);
}

static void pass_ms(struct trial *t, double ms)
{
	atomic_fetch_add(&t->now_ns, (uint64_t)(ms * 1e6));
}

/* 8 ms: noise, a slow swing of a few percent, and now and then a call that takes three times as long. */
static void pass_call(struct trial *t)
{
	t->slow = 0.99 * t->slow + 0.004 * normal();
	pass_ms(t, 8 * exp(t->slow + 0.03 * normal()) * (unit() < 0.003 ? 3 : 1) + t->late_ms);
}

static void on_begin(void *ctx)
{
	struct trial *t = ctx;

	rwkvmon_begin(t->mon);
	pass_call(t);
}

static void on_end(void *ctx, const struct tap_step *step)
{
	struct trial *t = ctx;
	struct rwkvmon_state_sums sums[64];
	struct rwkvmon_tensor state[64];
	struct rwkvmon_number error = { rwkvmon_metric("quant_kl_nats"), 0 };
	float q[VOCAB];
	struct rwkvmon_step out = { .struct_size = sizeof out,
				    .tokens = step->tokens,
				    .n_tokens = step->n_tokens,
				    .phase = step->prefill ? RWKVMON_PREFILL : RWKVMON_DECODE,
				    .logits = t->logits ? t->logits : step->logits,
				    .n_logits = step->vocab,
				    .state = state,
				    .sums = sums,
				    .numbers = &error,
				    .n_numbers = t->reference != NULL };

	for (size_t i = 0; i < step->n_state && i < 64; i++)
		state[out.n_state++] =
			(struct rwkvmon_tensor){ step->state[i].p, step->state[i].n, RWKVMON_F32,
						 step->state[i].part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT };
	for (size_t i = 0; i < step->n_stats && i < 64 && !t->by_tensors; i++) {
		const struct state_sums *s = &step->stats[i].sums;

		sums[out.n_sums++] =
			(struct rwkvmon_state_sums){ step->stats[i].part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT,
						     s->dot,
						     s->old_norm2,
						     s->new_norm2,
						     s->change_norm2,
						     s->nonfinite };
	}
	for (int i = 0; i < VOCAB && t->reference; i++)
		q[i] = t->coarse > 0 ? t->coarse * rintf(step->logits[i] / t->coarse) : step->logits[i];
	if (t->reference)
		error.value = kl(t->reference, q);
	rwkvmon_end(t->mon, &out);
	pass_ms(t, 0.2);
}

/* Prompts are fed token by token: then the runtime sums the state's change in every call. */
static void feed(struct trial *t, uint32_t token, bool prefill)
{
	struct run_call call = { .tokens = &token, .n = 1, .prefill = prefill, .tap = &t->tap };

	if (run_forward(t->run, &call, NULL))
		die("the model refuses a token");
	if (t->n < TEXT_MAX)
		t->text[t->n++] = token;
	if (prefill)
		t->prompt_n = t->n;
}

static void prompt(struct trial *t, const char *text)
{
	for (; *text; text++)
		feed(t, (unsigned char)*text, true);
}

/* Where the logits are no numbers any more, 'x' goes on. */
static void speak(struct trial *t, int n)
{
	for (int i = 0; i < n; i++) {
		uint32_t token = 'x';

		sampler_draw(t->sampler, run_logits(t->run), &token, NULL);
		feed(t, token, false);
	}
}

static void begin(struct trial *t, const struct model *m, uint64_t drawn_from, double temperature, size_t ring_bytes)
{
	struct sampler_config how = sampler_defaults();
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .model_name = "tiny-rwkv7",
				      .vocab_size = VOCAB,
				      .block_when_full = !ring_bytes,
				      .ring_bytes = ring_bytes,
				      .overhead_budget_pct = -1 };
	char why[RWKVMON_ERROR_BYTES];
	int fd;

	*t = (struct trial){ .log = "/tmp/alarm_eval-XXXXXX", .first_bad_token = NAN };
	t->tap = (struct tap){ .ctx = t, .begin = on_begin, .end = on_end, .wants_state_stats = true };
	how.temperature = temperature;
	how.presence = how.frequency = 0; /* every byte of a text repeats */
	how.seed = drawn_from;
	fd = mkstemp(t->log);
	close(fd);
	cfg.log_path = t->log;
	if (fd < 0 || run_open(&t->run, m, NULL, NULL) || sampler_open(&t->sampler, VOCAB, &how, NULL) ||
	    rwkvmon_open(&t->mon, &cfg, why))
		die("a run cannot be opened");
	t->now_ns = clock_mono_ns(&clock_system);
	t->clock = (struct clock){ drawn_ns, drawn_us, t };
	t->mon->clock = &t->clock;
}

static void count_alarm(struct trial *t, const struct record *rec)
{
	enum alarm_type type = alarm_by_id(fields_text(rec->extra, F_ALARM_TYPE));

	if (type == ALARM_TYPE_COUNT)
		return;
	if (slice_is(fields_text(rec->extra, F_KIND), "loop")) {
		if (rec->event == EVENT_ALARM && isnan(t->first_bad_token))
			t->first_bad_token = fields_number(rec->extra, F_FIRST_BAD_TOKEN, NAN);
		t->wasted = fields_number(rec->extra, F_TOKENS_WASTED, 0);
	}
	if (rec->event != EVENT_ALARM)
		return;
	t->fired[type]++;
	t->critical += slice_is(fields_text(rec->extra, F_SEVERITY), "critical");
}

static void end(struct trial *t)
{
	const char *log = t->log;
	struct reader *r = NULL;
	struct record rec;

	if (rwkvmon_close(t->mon, NULL) || read_open(&r, &log, 1, NULL, NULL))
		die("a log cannot be written or read");
	while (read_next(r, &rec, NULL) > 0)
		if (rec.event == EVENT_ALARM || rec.event == EVENT_ALARM_RESOLVED)
			count_alarm(t, &rec);
	read_close(r);
	run_close(t->run);
	sampler_close(t->sampler);
	unlink(t->log);
}

/* --- the truth about a text ------------------------------------------------------------------------ */

/* Has it, after its prompt, repeated itself exactly for LOOP_TOKENS and at least two periods? All periods are tried. */
static bool went_in_circles(const uint32_t *text, size_t from, size_t n)
{
	for (size_t period = 1; period <= PERIOD_MAX; period++) {
		size_t run = 0;

		for (size_t i = from > period ? from : period; i < n; i++) {
			run = text[i] == text[i - period] ? run + 1 : 0;
			if (run > LOOP_TOKENS && run >= 2 * period)
				return true;
		}
	}
	return false;
}

/* Nearly: 86 of 100 tokens in a row equal those one period before. */
static bool went_nearly_in_circles(const uint32_t *text, size_t from, size_t n)
{
	for (size_t period = 1; period <= PERIOD_MAX; period++) {
		int equal = 0;

		for (size_t i = from > period ? from : period, first = i; i < n; i++) {
			equal += text[i] == text[i - period];
			if (i >= first + 100)
				equal -= text[i - 100] == text[i - 100 - period];
			if (i + 1 >= first + 100 && equal > 85)
				return true;
		}
	}
	return false;
}

/* --- results ------------------------------------------------------------------------------------------- */

struct row {
	const char *what;
	enum alarm_type type; /* ALARM_TYPE_COUNT: nothing may fire */
	int runs, hits, misses;
	int others;    /* alarms of types that have no reason here */
	int criticals; /* those among them that are critical */
};

static struct row rows[ROWS_MAX];
static size_t n_rows;
static int false_alarms[ALARM_TYPE_COUNT]; /* runs in which a type fired that has no reason to */
static double place_error, place_n;        /* of first_bad_token, in tokens */

static struct row *row_of(const char *what, enum alarm_type type)
{
	for (size_t i = 0; i < n_rows; i++)
		if (!strcmp(rows[i].what, what))
			return &rows[i];
	rows[n_rows] = (struct row){ .what = what, .type = type };
	return &rows[n_rows++];
}

#define MAY(type) (UINT64_C(1) << (type))

/* Types that follow from the fault itself are `may`. */
static void note(const char *what, enum alarm_type type, const struct trial *t, uint64_t may)
{
	struct row *row = row_of(what, type);

	row->runs++;
	if (type != ALARM_TYPE_COUNT) {
		row->hits += t->fired[type] > 0;
		row->misses += !t->fired[type];
		may |= MAY(type);
	}
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		if (t->fired[i] && !(may >> i & 1)) {
			row->others++;
			false_alarms[i]++;
			row->criticals += alarm_specs[i].severity == SEVERITY_CRITICAL;
			fprintf(stderr, "alarm_eval: %s: %s without reason\n", what, alarm_specs[i].id);
		}
}

/* --- the trials ------------------------------------------------------------------------------------------ */

static const char *const prompts[] = {
	"It was a dark and stormy night, and",
	"Call me Ishmael.",
	"\"My dear Mr. Bennet,\" said his lady",
	"CHAPTER I.\n\n",
	"The Project ",
	"In the beginning",
	"He looked at her and said: ",
	"London, 1859. ",
};
enum { PROMPTS = sizeof prompts / sizeof *prompts };

/* Collapses on their own make entropy and repetition alarms true. */
static const uint64_t loop_may = MAY(ALARM_MODE_COLLAPSE) | MAY(ALARM_ABNORMAL_ENTROPY) | MAY(ALARM_HIGH_REPETITION);

static uint64_t clean(const struct model *m, int runs, int tokens)
{
	static const double temperatures[] = { 0.8, 1.0, 1.1 };
	uint64_t fed = 0;

	for (int i = 0; i < runs; i++) {
		struct trial t;
		bool circles;

		begin(&t, m, 1000 + (uint64_t)i, temperatures[i % 3], 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, tokens);
		end(&t);
		fed += (uint64_t)tokens;
		circles = went_in_circles(t.text, t.prompt_n, t.n) || went_nearly_in_circles(t.text, t.prompt_n, t.n);
		if (circles)
			note("went in circles by itself, usual temperature", ALARM_MODE_COLLAPSE, &t, loop_may);
		else
			note("clean text, temperature 0.8 to 1.1", ALARM_TYPE_COUNT, &t, 0);
	}
	return fed;
}

static void cold(const struct model *m, int runs)
{
	static const double temperatures[] = { 0, 0.1, 0.2, 0.3 };

	for (int i = 0; i < runs; i++) {
		struct trial t;

		begin(&t, m, 2000 + (uint64_t)i, temperatures[i % 4], 0);
		prompt(&t, prompts[(i / 4) % PROMPTS]);
		speak(&t, 1200);
		end(&t);
		if (went_in_circles(t.text, t.prompt_n, t.n))
			note("temperature 0 to 0.3, went in circles", ALARM_MODE_COLLAPSE, &t, loop_may);
		else if (went_nearly_in_circles(t.text, t.prompt_n, t.n))
			note("temperature 0 to 0.3, nearly went in circles", ALARM_MODE_COLLAPSE, &t, loop_may);
		else /* dull is not broken, but the entropy is low */
			note("temperature 0 to 0.3, did not", ALARM_TYPE_COUNT, &t,
			     MAY(ALARM_ABNORMAL_ENTROPY) | MAY(ALARM_HIGH_REPETITION));
	}
}

static void forced_loops(const struct model *m, int runs)
{
	static const size_t periods[] = { 1, 2, 3, 5, 8, 13, 40, 100, 300 };

	for (int i = 0; i < runs; i++) {
		size_t period = periods[i % 9], from;
		struct trial t;

		begin(&t, m, 3000 + (uint64_t)i, 1, 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 320);
		from = t.n - period; /* the last tokens come again and again */
		for (size_t k = 0; k < 2 * period + 300; k++)
			feed(&t, t.text[from + k % period], false);
		end(&t);
		note("tokens forced into a cycle of 1 to 300", ALARM_MODE_COLLAPSE, &t,
		     loop_may | MAY(ALARM_STATE_DIVERGENCE)); /* the seam may be a jump */
		if (!isnan(t.first_bad_token)) {              /* chance may begin it before the force does */
			place_error += fabs(t.first_bad_token - (double)(from + period + 1));
			place_n++;
		}
	}
}

/* Almost a cycle: one token in twenty is another each time, so that nothing repeats exactly for long. */
static void near_loops(const struct model *m, int runs)
{
	for (int i = 0; i < runs; i++) {
		struct trial t;
		size_t from;

		begin(&t, m, 3500 + (uint64_t)i, 1, 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 320);
		from = t.n - 20;
		for (size_t k = 0; k < 1000; k++)
			feed(&t, k % 20 == 7 ? 'a' + (uint32_t)((k / 20 * 7 + (size_t)i) % 26) : t.text[from + k % 20],
			     false);
		end(&t);
		note("cycles of 20 in which one token always differs", ALARM_MODE_COLLAPSE, &t,
		     loop_may | MAY(ALARM_STATE_DIVERGENCE));
	}
}

static void bad_numbers(const struct model *m, int runs)
{
	size_t floats = model_info(m)->state_floats;
	float *state = malloc(floats * sizeof *state), logits[VOCAB] = { 0 };
	uint64_t after = loop_may; /* what goes on with NaN is no text */

	for (int i = 0; i < runs; i++) {
		struct trial t;

		begin(&t, m, 4000 + (uint64_t)i, 1, 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 30 + i);
		memcpy(state, run_state_flat(t.run), floats * sizeof *state);
		state[(size_t)(i * 7919) % floats] = i % 2 ? NAN : INFINITY;
		run_state_set(t.run, state);
		speak(&t, 20);
		end(&t);
		note(i % 2 ? "NaN in the state" : "infinity in the state", ALARM_NON_FINITE, &t,
		     after | MAY(ALARM_STATE_DIVERGENCE));

		begin(&t, m, 4500 + (uint64_t)i, 1, 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 30 + i);
		logits[i] = i % 2 ? NAN : INFINITY;
		t.logits = logits;
		speak(&t, 1);
		t.logits = NULL;
		logits[i] = 0;
		speak(&t, 40);
		end(&t);
		note(i % 2 ? "one NaN among the logits" : "one infinity among the logits", ALARM_NON_FINITE, &t, 0);
	}
	free(state);
}

/* The next sequence is given what the last one left; and, as it should be, nothing. */
static void leaks(const struct model *m, int runs)
{
	for (int i = 0; i < 2 * runs; i++) {
		struct rwkvmon_tensor given[64];
		struct rwkvmon_start start = { .struct_size = sizeof start, .state = given };
		const struct tap_state *state;
		struct trial t;
		size_t n;

		begin(&t, m, 5000 + (uint64_t)i, 1, 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 60);
		if (i % 2)
			run_reset(t.run);
		state = run_state(t.run, &n);
		for (size_t k = 0; k < n && k < 64; k++)
			given[start.n_state++] =
				(struct rwkvmon_tensor){ state[k].p, state[k].n, RWKVMON_F32, RWKVMON_WKV };
		rwkvmon_new_sequence_from(t.mon, &start);
		prompt(&t, prompts[(i + 3) % PROMPTS]);
		speak(&t, 60);
		end(&t);
		if (i % 2)
			note("a new sequence from a fresh state", ALARM_TYPE_COUNT, &t, 0);
		else
			note("a new sequence from the old state", ALARM_STATE_LEAK, &t, 0);
	}
}

/* In the middle of a text, the state of another conversation. */
static void exchanged_states(const struct model *m, int runs)
{
	size_t floats = model_info(m)->state_floats;
	float *other = malloc(floats * sizeof *other);

	for (int i = 0; i < 2 * runs; i++) {
		struct trial t;

		begin(&t, m, 6000 + (uint64_t)i, 1, 0);
		t.by_tensors = i % 2;
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 100 + i);
		memcpy(other, run_state_flat(t.run), floats * sizeof *other);
		end(&t);

		begin(&t, m, 6500 + (uint64_t)i, 1, 0);
		t.by_tensors = i % 2;
		prompt(&t, prompts[(i + 5) % PROMPTS]);
		speak(&t, 200 + i);
		run_state_set(t.run, other);
		speak(&t, 100);
		end(&t);
		note(i % 2 ? "state exchanged, states compared" : "state exchanged, changes summed",
		     ALARM_STATE_DIVERGENCE, &t, 0);
	}
	free(other);
}

static void slow_calls(const struct model *m, int runs)
{
	for (int i = 0; i < runs; i++) {
		struct trial t;

		begin(&t, m, 7000 + (uint64_t)i, 1, 0);
		prompt(&t, prompts[i % PROMPTS]);
		speak(&t, 200); /* what is normal */
		t.late_ms = 52;
		speak(&t, 40);
		t.late_ms = 0;
		speak(&t, 60);
		end(&t);
		note("40 calls that take 60 ms", ALARM_HIGH_LATENCY, &t, MAY(ALARM_LOW_THROUGHPUT));
	}
}

enum { STREAMS = 64, BATCHES = 60 };

/* Calls of many streams at once: their records come faster than the writer thread wakes up. */
static void crowd(struct trial *t)
{
	rwkvmon_stream *stream[STREAMS];
	struct rwkvmon_step step[STREAMS];
	uint32_t token[STREAMS];

	for (uint32_t s = 0; s < STREAMS; s++)
		if (rwkvmon_stream_open(&stream[s], t->mon, NULL, NULL))
			die("a stream cannot be opened");
	for (uint32_t i = 0; i < BATCHES; i++) {
		for (uint32_t s = 0; s < STREAMS; s++) {
			token[s] = (i * 89 + s * 57) % VOCAB;
			step[s] = (struct rwkvmon_step){ .struct_size = sizeof step[s],
							 .tokens = &token[s],
							 .n_tokens = 1,
							 .phase = RWKVMON_DECODE,
							 .stream = stream[s] };
		}
		rwkvmon_begin(t->mon);
		pass_call(t);
		rwkvmon_end_batch(t->mon, step, STREAMS);
		speak(t, 10);
	}
}

/* A ring with room for some twenty records, and nobody waits. */
static void full_rings(const struct model *m, int runs)
{
	for (int i = 0; i < runs; i++) {
		struct trial t;

		begin(&t, m, 8000 + (uint64_t)i, 1, 16384);
		prompt(&t, prompts[i % PROMPTS]);
		crowd(&t);
		end(&t);
		note("a ring that is too small", ALARM_RECORDS_DROPPED, &t, loop_may | MAY(ALARM_STATE_DIVERGENCE));
	}
}

/* Real int8, which is good enough, and int8 whose logits are rounded to multiples of 6 besides. */
static void quantised(const struct model *m, int runs)
{
	const struct model_options how = { .strategy = "cpu fp32i8" };
	struct model *int8;
	struct run *shadow;

	if (model_open_embedded(&int8, &how, NULL) || run_open(&shadow, m, NULL, NULL))
		die("int8 or its shadow cannot be opened");
	for (int i = 0; i < 2 * runs; i++) {
		struct trial t;

		begin(&t, int8, 9000 + (uint64_t)i, 1, 0);
		t.coarse = i % 2 ? 6 : 0;
		prompt(&t, prompts[i % PROMPTS]);
		for (int k = 0; k < 300; k++) { /* every second token goes through full precision from the same state */
			uint32_t token = 'x';

			sampler_draw(t.sampler, run_logits(t.run), &token, NULL);
			run_state_set(shadow, run_state_flat(t.run));
			if (k % 2 && run_forward(shadow, &(struct run_call){ .tokens = &token, .n = 1 }, NULL))
				die("the shadow refuses a token");
			t.reference = k % 2 ? run_logits(shadow) : NULL;
			feed(&t, token, false);
		}
		end(&t);
		if (i % 2)
			note("int8, logits rounded to multiples of 6", ALARM_QUANTIZATION_ERROR, &t, 0);
		else
			note("int8 as it is", ALARM_TYPE_COUNT, &t, 0);
	}
	run_close(shadow);
	model_close(int8);
}

/* --- what came out ------------------------------------------------------------------------------------- */

static void print_trials(void)
{
	printf("| what was run | runs | must fire | did | other alarms | of these critical "
	       "|\n|---|--:|---|--:|--:|--:|\n");
	for (size_t i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		printf("| %s | %d | ", r->what, r->runs);
		if (r->type == ALARM_TYPE_COUNT)
			printf("nothing | | ");
		else
			printf("`%s` | %d | ", alarm_specs[r->type].id, r->hits);
		printf("%d | %d |\n", r->others, r->criticals);
	}
}

static void print_types(void)
{
	printf("\n| alarm | faults | found | fired without reason | precision | recall |\n|---|--:|--:|--:|--:|--:|\n");
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		int runs = 0, hits = 0;

		for (size_t i = 0; i < n_rows; i++) {
			runs += (int)rows[i].type == type ? rows[i].runs : 0;
			hits += (int)rows[i].type == type ? rows[i].hits : 0;
		}
		if (runs)
			printf("| `%s` | %d | %d | %d | %.3f | %.3f |\n", alarm_specs[type].id, runs, hits,
			       false_alarms[type], hits ? hits / (double)(hits + false_alarms[type]) : 0,
			       hits / (double)runs);
		else if (false_alarms[type])
			printf("| `%s` | | | %d | | |\n", alarm_specs[type].id, false_alarms[type]);
	}
}

/* A slowdown has to be told from noise that lasts; everything else that is put in is exact. */
static int misses_allowed(const struct row *r)
{
	return r->type == ALARM_HIGH_LATENCY ? r->runs / 10 : 0;
}

enum { CLEAN_TOKENS_LEAST = 20000 };

/* Zero criticals without reason; what is exact misses nothing; other alarms without reason in one run of fifty at most.
 */
static int promises_kept(uint64_t clean_tokens)
{
	int kept = 1, criticals = 0, others = 0, runs = 0;

	for (size_t i = 0; i < n_rows; i++) {
		criticals += rows[i].criticals;
		others += rows[i].others;
		runs += rows[i].runs;
		if (rows[i].misses > misses_allowed(&rows[i])) {
			fprintf(stderr, "alarm_eval: %s: %d of %d missed\n", rows[i].what, rows[i].misses,
				rows[i].runs);
			kept = 0;
		}
	}
	printf("\n%llu clean tokens; criticals without reason: %d; first bad token off by %.2f tokens on average (%.0f "
	       "forced cycles)\n",
	       (unsigned long long)clean_tokens, criticals, place_error / place_n, place_n);
	if (criticals)
		fprintf(stderr, "alarm_eval: %d critical alarms without reason, none is allowed\n", criticals);
	if (others * 50 > runs)
		fprintf(stderr, "alarm_eval: %d other alarms without reason in %d runs, %d are allowed\n", others, runs,
			runs / 50);
	if (clean_tokens < CLEAN_TOKENS_LEAST)
		fprintf(stderr, "alarm_eval: %llu clean tokens are too few to judge by, %d are needed\n",
			(unsigned long long)clean_tokens, CLEAN_TOKENS_LEAST);
	return kept && !criticals && others * 50 <= runs && clean_tokens >= CLEAN_TOKENS_LEAST;
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && !strcmp(argv[1], "--quick");
	int runs = quick ? 4 : 20;
	uint64_t clean_tokens;
	struct model *m;

	if (model_open_embedded(&m, NULL, NULL))
		die("the built-in model cannot be opened");
	clean_tokens = clean(m, quick ? 24 : 60, 1000);
	cold(m, quick ? 8 : 32);
	forced_loops(m, quick ? 9 : 36);
	near_loops(m, runs);
	bad_numbers(m, runs);
	leaks(m, runs);
	exchanged_states(m, runs);
	slow_calls(m, runs);
	if (!quick) /* these race the writer thread */
		full_rings(m, runs);
	quantised(m, runs);
	model_close(m);
	print_trials();
	print_types();
	return promises_kept(clean_tokens) ? 0 : 1;
}
