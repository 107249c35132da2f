/* tune.c - races ways to run a model on this machine, and writes down the best within the limits. */
#include "analyze/tuning.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/model.h"
#include "cli/progress.h"
#include "cli/tell.h"
#include "cli/tune_bench.h"
#include "cli/tune_quality.h"
#include "collect/limits.h"
#include "report/tuning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 64, THREAD_STEPS = 5, BENCHES = 2 * BENCH_STRATEGIES, CALIBRATION_CALLS = 5, CALLS_LEAST = 3 };

static const double SECONDS_DEFAULT = 30, KL_DEFAULT = 0.1, BURST_NS = 20e6;
static const double SECONDS_PYTHON = 300; /* it takes seconds to start */

static const size_t chunk_lens[] = { 16, RUN_CHUNK_DEFAULT, 256 };

enum { CHUNK_LENS = sizeof chunk_lens / sizeof *chunk_lens };

/* Decoding: with and without skip-zeros. A prompt: each length of chunks. */
_Static_assert(BENCH_STRATEGIES *THREAD_STEPS * 2 <= RACE_MAX &&
		       BENCH_STRATEGIES * THREAD_STEPS * CHUNK_LENS <= RACE_MAX,
	       "every candidate has a place in the race");

/* Of the seconds: for the text and the comparison of predictions; until the first heat has to be over. */
static const double TEXT_SHARE = 0.1, FIRST_HEAT_SHARE = 0.8;

static const char *const strategies_default[] = { "cpu fp32", "cpu bf16", "cpu fp16", "cpu fp32i8", NULL };

struct tune {
	const struct options *opts;
	struct tuning out;
	struct bench_text text;
	struct buf listed; /* strategies that the package rwkv was asked for */
	const char *strategy[BENCH_STRATEGIES];
	size_t n_strategies;
	int threads[THREAD_STEPS];
	size_t n_threads;
	struct bench seen[BENCHES]; /* of strategy i: 2 i, and 2 i + 1 with skip-zeros: what its first process needed */
	uint64_t start_ns;
	double seconds_max;
	struct progress progress;
	char model[128];
};

static double seconds_of(const struct tune *t)
{
	return (double)(clock_mono_ns(&clock_system) - t->start_ns) / 1e9;
}

/* --- what is asked for ------------------------------------------------------------------- */

static int read_objective(struct tune *t, struct err *err)
{
	static const char *const names[TUNE_OBJECTIVES] = { "decode", "prefill", "memory" };
	const char *name = t->opts->objective ? t->opts->objective : names[TUNE_DECODE];

	for (int i = 0; i < TUNE_OBJECTIVES; i++)
		if (!strcmp(names[i], name)) {
			t->out.objective = (enum tuning_objective)i;
			return 0;
		}
	return err_set(err, ERR_USAGE, "--objective: found \"%s\", expected decode, prefill or memory", name);
}

/* 1, and powers of 2 up to the most, which is tried too. */
static void list_threads(struct tune *t, int most)
{
	int from = 2;

	t->threads[t->n_threads++] = 1;
	while (from * 8 < most)
		from *= 2;
	for (int n = from; n < most && t->n_threads < THREAD_STEPS - 1; n *= 2)
		t->threads[t->n_threads++] = n;
	if (most > 1)
		t->threads[t->n_threads++] = most;
}

/* The lines of the answer become texts of their own. */
static int ask_python(struct tune *t, struct err *err)
{
	const struct options *o = t->opts;
	int rc = o->model ? tune_python_strategies(&t->listed, o->tuned_python, o->model, err)
			  : err_set(err, ERR_USAGE,
				    "tune --python needs --model: the package rwkv has no model of its own");
	char *at = t->listed.p, *end;

	for (; !rc && at && t->n_strategies < BENCH_STRATEGIES && (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		t->strategy[t->n_strategies++] = at;
	}
	return rc;
}

static int list_strategies(struct tune *t, struct err *err)
{
	const struct options *o = t->opts;
	const char *const *strategy = o->strategies[0] ? o->strategies : strategies_default;

	if (o->tuned_python && !o->strategies[0])
		return ask_python(t, err);
	while (strategy[t->n_strategies]) {
		t->strategy[t->n_strategies] = strategy[t->n_strategies];
		t->n_strategies++;
	}
	return 0;
}

static int read_options(struct tune *t, struct err *err)
{
	const struct options *o = t->opts;
	uint64_t most = o->max_threads == UINT64_MAX ? (uint64_t)limits_threads("") : o->max_threads;

	if (!most || (most > THREADS_MAX && o->max_threads != UINT64_MAX))
		return err_set(err, ERR_USAGE, "--max-threads: expected 1 to %d", THREADS_MAX);
	list_threads(t, most > THREADS_MAX ? THREADS_MAX : (int)most);
	if (o->seconds == 0)
		return err_set(err, ERR_USAGE, "--seconds: found 0, expected a number above 0");
	t->seconds_max = !isnan(o->seconds) ? o->seconds : o->tuned_python ? SECONDS_PYTHON : SECONDS_DEFAULT;
	t->out.limits.memory_mb = o->max_memory;
	t->out.limits.kl = isnan(o->max_kl) ? KL_DEFAULT : o->max_kl;
	t->out.limits.tps = o->min_tps;
	t->out.cores = limits_threads("");
	cli_model_name(t->model, sizeof t->model, o->model);
	t->out.model = t->model;
	t->out.python = o->tuned_python != NULL;
	return read_objective(t, err);
}

/* --- models in processes ----------------------------------------------------------------- */

/* Strategies that were not asked for one by one are left out when their weights are those of one before. */
static bool is_twin(const struct tune *t, size_t strategy)
{
	for (size_t i = 0; i < strategy && !t->opts->strategies[0] && !t->out.python; i++)
		if (t->text.of[strategy].dtype[0] && !strcmp(t->text.of[i].dtype, t->text.of[strategy].dtype))
			return true;
	return false;
}

static struct bench_model model_of(const struct tune *t, size_t bench)
{
	return (struct bench_model){ .path = t->opts->model,
				     .python = t->opts->tuned_python,
				     .strategy = t->strategy[bench / 2],
				     .skip_zeros = bench % 2,
				     .token = t->text.token,
				     .n = t->text.n };
}

/* One after the other: what memory each takes, and which cannot be opened. */
static int look_at_benches(struct tune *t, struct err *err)
{
	bool skips = t->out.objective != TUNE_PREFILL && !t->out.python;
	int rc = 0;

	for (size_t i = 0; i < 2 * t->n_strategies && !rc && !generation_interrupted(); i++) {
		struct bench_model m = model_of(t, i);

		if (progress_due(&t->progress))
			progress_draw(&t->progress, text(TEXT_TUNE_OPENING, args_lang(t->opts->lang)),
				      (double)i / (double)(2 * t->n_strategies), m.strategy);
		if (!t->text.of[i / 2].dtype[0] || is_twin(t, i / 2) || (!skips && i % 2))
			continue;
		rc = bench_start(&t->seen[i], &m, err);
		if (!rc)
			bench_stop(&t->seen[i]);
	}
	return rc;
}

static size_t bench_of(const struct tuning_candidate *c)
{
	return 2 * c->strategy_number + c->skip_zeros;
}

/* --- heats ----------------------------------------------------------------------------------- */

static void add_candidate(struct tune *t, struct tuning_heat *h, struct tuning_candidate c)
{
	const struct bench_quality *q = &t->text.of[c.strategy_number];
	const struct bench *b = &t->seen[bench_of(&c)];

	c.strategy = t->strategy[c.strategy_number];
	c.memory_mb = b->memory_mb > 0 ? b->memory_mb : NAN;
	c.kl = q->kl;
	c.kl_high = q->kl_high;
	c.top1 = q->top1;
	c.why = q->why[0] ? q->why : b->why[0] ? b->why : NULL;
	c.fate = c.why ? FATE_FAILED : FATE_UNMEASURED;
	h->of[h->race.n++] = c;
}

/* Of the package rwkv, a strategy of devices alone: threads have no part in it. */
static bool is_on_device(const struct tune *t, size_t strategy)
{
	return t->out.python && !strstr(t->strategy[strategy], "cpu");
}

/* A candidate that failed or is a duplicate is listed once. */
static void add_strategy(struct tune *t, struct tuning_heat *h, size_t strategy)
{
	bool chunks = t->out.objective == TUNE_PREFILL;
	bool alone = is_twin(t, strategy) || !t->text.of[strategy].dtype[0];
	size_t n_skips = alone || chunks || t->out.python ? 1 : 2,
	       n_threads = alone || is_on_device(t, strategy) ? 1 : t->n_threads,
	       n_chunks = alone || !chunks ? 1 : CHUNK_LENS;

	for (size_t s = 0; s < n_skips; s++)
		for (size_t n = 0; n < n_threads; n++)
			for (size_t k = 0; k < n_chunks; k++)
				add_candidate(t, h,
					      (struct tuning_candidate){
						      .strategy_number = strategy,
						      .skip_zeros = s,
						      .threads = t->threads[n],
						      .chunk_len = chunks ? chunk_lens[k] : chunk_lens[0],
					      });
	if (is_twin(t, strategy))
		h->of[h->race.n - 1].fate = FATE_TWIN;
}

/* The first burst is not counted: it warms up, and says how many calls fill a burst. */
static double measure(struct bench *b, const struct tuning_candidate *c, bool prefill)
{
	struct bench_burst burst = { .threads = c->threads, .chunk_len = c->chunk_len, .prefill = prefill };
	double least = prefill ? 1 : CALLS_LEAST; /* one call of a prompt is many tokens */
	double tokens = prefill ? (double)c->chunk_len : 1, fit;

	burst.calls = prefill ? 1 : CALIBRATION_CALLS;
	fit = BURST_NS / (bench_run(b, &burst) * tokens);
	burst.calls = (uint32_t)(fit > least ? fmin(fit, 4096) : least);
	return bench_run(b, &burst);
}

/* 0..n-1 in random order: no candidate has a fixed place in a round. */
static void shuffle(size_t *order, size_t n, uint64_t *seed)
{
	for (size_t i = 0; i < n; i++) {
		size_t at;

		*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		at = (size_t)((*seed >> 33) % (i + 1));
		order[i] = order[at];
		order[at] = i;
	}
}

static bool is_over(const struct tune *t, double until)
{
	return generation_interrupted() || (!t->opts->exhaustive && seconds_of(t) > until);
}

static void show_race(struct tune *t, const struct tuning_heat *h, size_t round)
{
	enum lang lang = args_lang(t->opts->lang);
	char left[24], number[24];
	struct buf words = { 0 };

	if (!progress_due(&t->progress))
		return;
	snprintf(left, sizeof left, "%zu", race_left(&h->race));
	snprintf(number, sizeof number, "%zu", round + 1);
	text_fill(&words, lang, TEXT_TUNE_STILL, left, number);
	progress_draw(&t->progress, text(TEXT_TUNE_RACING, lang),
		      (double)round / (t->opts->exhaustive ? RACE_ROUNDS : RACE_LAST), words.p ? words.p : "");
	buf_free(&words);
}

static bool is_used(const struct tuning_heat *h, size_t bench)
{
	for (size_t i = 0; i < h->race.n; i++)
		if (!h->race.out[i] && bench_of(&h->of[i]) == bench)
			return true;
	return false;
}

/* A new process for the candidates that share this model: ns[] of each. */
static int visit(struct tune *t, struct tuning_heat *h, size_t bench, double ns[RACE_MAX], uint64_t *seed,
		 struct err *err)
{
	struct bench_model m = model_of(t, bench);
	size_t order[RACE_MAX];
	struct bench b;
	int rc = bench_start(&b, &m, err);

	if (rc)
		return rc;
	shuffle(order, h->race.n, seed);
	for (size_t k = 0; k < h->race.n; k++) {
		size_t i = order[k];

		if (h->race.out[i] || bench_of(&h->of[i]) != bench)
			continue;
		ns[i] = measure(&b, &h->of[i], h->phase == PHASE_PREFILL);
		if (!(ns[i] > 0)) {
			h->race.out[i] = true;
			h->of[i].fate = FATE_FAILED;
		}
	}
	bench_stop(&b);
	return 0;
}

/* *whole: false when it was broken off; then it does not count for those it had reached: rounds pair all that race. */
static int race_round(struct tune *t, struct tuning_heat *h, double until, uint64_t *seed, bool *whole, struct err *err)
{
	double ns[RACE_MAX];
	size_t order[BENCHES];

	*whole = false;
	shuffle(order, BENCHES, seed);
	for (size_t k = 0; k < BENCHES; k++) {
		int rc;

		if (!is_used(h, order[k]))
			continue;
		if (is_over(t, until))
			return 0;
		rc = visit(t, h, order[k], ns, seed, err);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < h->race.n; i++)
		if (!h->race.out[i])
			race_add(&h->race, i, log(ns[i]));
	*whole = true;
	return 0;
}

/* A winner without competitors gets an interval, too. */
static bool is_decided(const struct tune *t, const struct tuning_heat *h, size_t round)
{
	if (h == &t->out.heat[1])
		return round >= RACE_FIRST;
	if (t->opts->exhaustive)
		return race_left(&h->race) < 2 && round >= RACE_FIRST;
	return round >= RACE_LAST || (race_left(&h->race) < 2 ? round >= RACE_FIRST : race_decided(&h->race));
}

static int run_heat(struct tune *t, struct tuning_heat *h, double until, struct err *err)
{
	uint64_t seed = 1;
	double start = seconds_of(t);
	bool whole = true;
	int rc = 0;

	tuning_limit(h, &t->out.limits);
	for (size_t round = 0; round < RACE_ROUNDS && whole && !is_decided(t, h, round); round++) {
		show_race(t, h, round);
		rc = race_round(t, h, round ? until : INFINITY, &seed, &whole, err); /* one round there must be */
		if (rc)
			return rc;
		if (!t->opts->exhaustive && whole)
			race_eliminate(&h->race);
	}
	t->out.out_of_time |= !whole && !generation_interrupted();
	h->seconds = seconds_of(t) - start;
	tuning_choose(h, &t->out.limits, t->out.objective);
	return 0;
}

/* A heat in decoding does not decide the length of a prompt's chunks. If memory is the criterion, the shortest
 * stays. */
static int run_second_heat(struct tune *t, struct err *err)
{
	const struct tuning_heat *first = &t->out.heat[0];
	struct tuning_heat *h = &t->out.heat[1];
	struct tuning_candidate c;

	if (first->chosen == first->race.n || t->out.objective != TUNE_DECODE || generation_interrupted())
		return 0;
	c = first->of[first->chosen];
	h->phase = PHASE_PREFILL;
	for (size_t i = 0; i < CHUNK_LENS; i++) {
		c.chunk_len = chunk_lens[i];
		add_candidate(t, h, c);
	}
	return run_heat(t, h, t->seconds_max, err);
}

/* --- the command ------------------------------------------------------------------------------ */

static int measure_all(struct tune *t, struct err *err)
{
	const struct options *o = t->opts;
	struct tuning_heat *first = &t->out.heat[0];
	int rc;

	if (t->progress.enabled)
		progress_draw(&t->progress, text(TEXT_TUNE_PREPARING, args_lang(o->lang)), 0, "");
	rc = bench_text_make(&t->text, &(struct bench_model){ .path = o->model, .python = o->tuned_python },
			     t->strategy, t->n_strategies, TEXT_SHARE * t->seconds_max, err);
	if (rc)
		return rc;
	t->out.dtype = t->text.dtype;
	t->out.quality_tokens = t->text.n;
	rc = look_at_benches(t, err);
	if (rc)
		return rc;
	first->phase = t->out.objective == TUNE_PREFILL ? PHASE_PREFILL : PHASE_DECODE;
	for (size_t i = 0; i < t->n_strategies; i++)
		add_strategy(t, first, i);
	rc = run_heat(t, first, FIRST_HEAT_SHARE * t->seconds_max, err);
	if (!rc)
		rc = run_second_heat(t, err);
	if (rc)
		return rc;
	t->out.interrupted = generation_interrupted();
	t->out.seconds = seconds_of(t);
	return 0;
}

static void say_saved(const struct options *opts)
{
	struct buf word = { 0 };

	buf_shell_word(&word, opts->tuned);
	args_say(args_lang(opts->lang), opts->tuned_python ? TEXT_TUNE_SAVED_PYTHON : TEXT_TUNE_SAVED, opts->tuned,
		 word.p ? word.p : "FILE");
	buf_free(&word);
}

static int save(const struct tune *t, struct err *err)
{
	struct buf out = { 0 };
	int rc;

	report_tuning_settings(&out, &t->out);
	rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the settings")
			: file_write(t->opts->tuned, buf_slice(&out), err);
	buf_free(&out);
	if (!rc && !t->opts->quiet)
		say_saved(t->opts);
	return rc;
}

static int save_page(const struct tune *t, const struct report_options *how, struct err *err)
{
	const char *path = t->opts->tuning_page;
	struct buf out = { 0 };
	int rc;

	report_tuning_html(&out, &t->out, how);
	rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the page") : file_write(path, buf_slice(&out), err);
	buf_free(&out);
	if (!rc && !t->opts->quiet)
		args_say(how->lang, TEXT_TUNE_PAGE_SAVED, path);
	return rc;
}

static int say(const struct tune *t, struct err *err)
{
	struct report_options how = args_report(t->opts, NULL);
	struct buf out = { 0 };
	int rc;

	if (t->opts->json)
		report_tuning_json(&out, &t->out);
	else
		report_tuning_text(&out, &t->out, &how);
	rc = answer(&out, !t->opts->json, err);
	if (!rc && t->opts->tuning_page)
		rc = save_page(t, &how, err);
	if (rc)
		return rc;
	if (!tuning_chosen(&t->out)) {
		err_set(err, ERR_VERDICT, "tune: no setting was chosen");
		return err_hint(err, "allow more by --max-memory, --max-kl, --min-tps or --seconds");
	}
	return t->opts->tuned ? save(t, err) : 0;
}

/* From logs alone. */
static int read_logs(const struct options *opts, struct err *err)
{
	static const struct format text = { "text", report_tuning_log_text }, json = { "json", report_tuning_log_json };
	const struct analyze_options how = { .no_session_series = true };
	struct log_set logs = { .path = opts->from };
	struct findings findings = { 0 };
	struct analysis *a = NULL;
	int rc = analyze_open(&a, &how, err);

	while (logs.path[logs.n])
		logs.n++;
	if (!rc)
		rc = analysis_read_logs(a, &logs, opts, &findings, err);
	if (!rc)
		analysis_tell_skipped(opts, findings.skipped_lines, findings.skipped);
	if (!rc)
		rc = analysis_write(opts->json ? &json : &text, opts, &findings, err);
	analyze_close(a);
	findings_free(&findings);
	return rc;
}

int command_tune(const struct options *opts, struct err *err)
{
	struct tune *t = opts->from[0] ? NULL : calloc(1, sizeof *t);
	int rc;

	if (opts->from[0])
		return read_logs(opts, err);

	if (!t)
		return err_set(err, ERR_NOMEM, "no memory to tune");
	t->opts = opts;
	t->start_ns = clock_mono_ns(&clock_system);
	t->progress = progress_start(!opts->quiet);
	rc = read_options(t, err);
	if (!rc)
		rc = list_strategies(t, err);
	if (!rc) {
		cli_model_tell_damaged(opts, MODEL_CHECK_BYTES);
		generation_catch_signals();
		rc = measure_all(t, err);
	}
	progress_clear(&t->progress);
	if (!rc)
		rc = say(t, err);
	buf_free(&t->listed);
	free(t);
	return rc;
}
