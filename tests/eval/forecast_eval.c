/* forecast_eval.c - for `make eval-forecast`: what forecasts and the rules `forecast` and `unusual` are worth on series
 * and token streams whose truth is known. Everything is drawn from a seed.
 *
 * Four tables: forecasts of kinds of series, against what came after them; faults put into streams of tokens: how many
 * are found by the rule that looks at what is ill, after how many tokens, or how long before a limit is reached; what
 * is raised in clean streams; and an LSTM beside the other methods.
 *
 *     forecast_eval            the tables; status 1 when a promise is broken
 *     forecast_eval forecasts  the first of them alone
 *     forecast_eval faults N   the faults and the clean streams alone, drawn from seed N
 *     forecast_eval series N   N series of each kind with their forecasts, for forecast_peers.py */
#include "random.h"

#include "base/clock.h"
#include "forecast/forecast.h"
#include "learn/train.h"
#include "rules/rules.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- forecasts of series ----------------------------------------------------------------- */

enum kind { LEVEL, RAMP, RAMP_RELATED, STAIRS, FASTER, WAVE, WALK, SWING, JUMP, KINDS };
enum { N = 120, ROUNDS = 400 };

static const char *const kind_names[KINDS] = {
	"level and noise",   "ramp",        "ramp, related noise", "ramp in stairs", "ramp that grows",
	"wave of 20 points", "random walk", "slow swing",          "one jump"
};

static double point(enum kind kind, int i, double slope, double noise, double *walk, double *swing)
{
	*walk += noise;
	*swing = 0.8 * *swing + 0.6 * noise;
	switch (kind) {
	case RAMP:
		return slope * i + noise;
	case RAMP_RELATED:
		return slope * i + *swing;
	case STAIRS:
		return slope * (i - i % 5) + 0.2 * noise;
	case FASTER:
		return slope * i * i / 100 + noise;
	case WAVE:
		return 2 * sin(6.283185307179586 * i / 20) + noise;
	case WALK:
		return *walk;
	case SWING:
		return *swing;
	case JUMP:
		return (i > N / 2 ? 5 : 0) + noise;
	default:
		return noise;
	}
}

struct outcome {
	double skilled, inside, points, error, error_last, by[FORECAST_MODEL_COUNT];
};

/* N points, and those that come next. */
static void draw_series(enum kind kind, double y[N + FORECAST_STEPS_MAX])
{
	double walk = 0, swing = 0, slope = 0.05 + 0.2 * unit();

	for (int i = 0; i < N + FORECAST_STEPS_MAX; i++)
		y[i] = point(kind, i, slope, normal(), &walk, &swing);
}

static void judge_series(enum kind kind, struct outcome *o)
{
	double y[N + FORECAST_STEPS_MAX];
	struct forecast f;

	draw_series(kind, y);
	forecast_series(y, N, forecast_ends(y, N), NULL, &f);
	if (f.state != FORECAST_SKILLED)
		return;
	o->skilled++;
	o->by[f.model]++;
	for (size_t k = 0; k < f.steps; k++) {
		o->inside += y[N + k] >= f.step[k].low && y[N + k] <= f.step[k].high;
		o->error += fabs(y[N + k] - f.step[k].value);
		o->error_last += fabs(y[N + k] - y[N - 1]);
		o->points++;
	}
}

static void tell_series(void)
{
	printf("Forecasts of %d series of %d points each, against what came next\n", ROUNDS, N);
	printf("%-20s %9s %7s %9s   %s\n", "series", "foreseen", "skill", "coverage", "by");
	for (int kind = 0; kind < KINDS; kind++) {
		struct outcome o = { 0 };

		for (int round = 0; round < ROUNDS; round++)
			judge_series((enum kind)kind, &o);
		printf("%-20s %7.1f %%", kind_names[kind], 100 * o.skilled / ROUNDS);
		if (o.points > 0)
			printf(" %7.2f %7.1f %%  ", 1 - o.error / o.error_last, 100 * o.inside / o.points);
		for (int m = 0; m < FORECAST_MODEL_COUNT; m++)
			if (o.by[m] > 0)
				printf(" %s %.0f", forecast_model_ids[m], o.by[m]);
		printf("\n");
	}
}

/* A line of JSON for each series: its kind, its points, those that came next, and the forecast, empty where there is
 * none. */
static void print_series(int rounds)
{
	for (int kind = 0; kind < KINDS; kind++) {
		for (int round = 0; round < rounds; round++) {
			double y[N + FORECAST_STEPS_MAX];
			struct forecast f;

			draw_series((enum kind)kind, y);
			forecast_series(y, N, forecast_ends(y, N), NULL, &f);
			printf("{\"kind\":\"%s\",\"y\":[", kind_names[kind]);
			for (int i = 0; i < N + FORECAST_STEPS_MAX; i++)
				printf("%s%.9g", !i ? "" : i == N ? "],\"next\":[" : ",", y[i]);
			printf("],\"forecast\":[");
			for (size_t k = 0; f.state == FORECAST_SKILLED && k < f.steps; k++)
				printf("%s[%.9g,%.9g,%.9g]", k ? "," : "", f.step[k].value, f.step[k].low,
				       f.step[k].high);
			printf("]}\n");
		}
	}
}

/* --- faults in streams of tokens ---------------------------------------------------------- */

enum fault { CLEAN, MEMORY, STATE, CREEP, SHIFT, STUCK, PAUSES, LOST_PERIOD, FAULTS };
enum { BEFORE = 6000, DURING = 2000, TRIALS = 30, CLEAN_TOKENS = 1000000, CLEAN_STREAMS = 25 };

/* Which rule looks at what is ill: another alarm is none of it. */
enum watcher { BY_MEMORY, BY_STATE, BY_LATENCY, BY_ENTROPY, WATCHERS };

static const char *const watcher_names[WATCHERS] = { "memory", "state", "latency", "entropy" };

static const struct {
	const char *name;
	enum watcher watcher;
	bool foreseen; /* a limit is reached at its end: what counts is the time before that */
} faults[FAULTS] = {
	[CLEAN] = { .name = "clean" },
	[MEMORY] = { "memory ramp", BY_MEMORY, true },
	[STATE] = { "state grows to 65,504", BY_STATE, true },
	[CREEP] = { "latency creeps up 50 %", BY_LATENCY, false },
	[SHIFT] = { "latency up 30 %", BY_LATENCY, false },
	[STUCK] = { "entropy stuck", BY_ENTROPY, false },
	[PAUSES] = { "a pause every 100", BY_LATENCY, false },
	[LOST_PERIOD] = { "period is lost", BY_LATENCY, false },
};

/* Memory is full at 8,000 MiB, a state is infinite beyond 65,504; that many tokens after the growth began. */
enum { FULL_MB = 8000, USED_MB = 3000, FULL_AFTER = 4500 };
static const double STATE_USUAL = 2000, STATE_MOST = 65504;

struct stream {
	double time_s, slow, unsure, restless, memory_mb, sampled_mb, sampled_s;
	bool waves;
};

/* The largest absolute value of a state: with slow swings, and when it is ill, as many times larger with each token. */
static double draw_state(struct stream *s, bool ill, int since)
{
	s->restless = 0.98 * s->restless + 0.06 * normal();
	return fmin(STATE_USUAL * exp(s->restless + 0.1 * normal()) *
			    pow(STATE_MOST / STATE_USUAL, ill && since > 0 ? (double)since / FULL_AFTER : 0),
		    STATE_MOST);
}

/* A token of a stream at 40 ms: latency with slow swings, spikes and a wave; a skewed entropy with memory; resident
 * memory every 5 s; the state's largest value. */
static void draw_token(struct stream *s, enum fault fault, int since, struct record *rec)
{
	double part = since > 0 ? (double)since / DURING : 0, wave = 0, latency, entropy;

	s->slow = 0.98 * s->slow + 0.01 * normal();
	s->unsure = 0.7 * s->unsure + 0.7 * normal();
	if (s->waves && !(fault == LOST_PERIOD && since > 0))
		wave = 6 * sin(6.283185307179586 * s->time_s / 2);
	latency = 40 * exp(s->slow + 0.02 * normal()) + wave + (unit() < 0.005 ? 60 * unit() : 0);
	entropy = fmax(0, 2 + 0.8 * s->unsure + (unit() < 0.3 ? -1.5 : 0));
	latency *= 1 + (fault == CREEP ? 0.5 * fmin(part, 1) : fault == SHIFT && since > 0 ? 0.3 : 0);
	latency += fault == PAUSES && since > 0 && since % 100 == 0 ? 200 : 0;
	entropy = fault == STUCK && since > 0 ? 1.25 : entropy;
	s->memory_mb = USED_MB + (fault == MEMORY && since > 0 ? (FULL_MB - USED_MB) * (double)since / FULL_AFTER : 0);
	if (s->time_s - s->sampled_s >= 5) {
		s->sampled_mb = s->memory_mb + 3 * normal();
		s->sampled_s = s->time_s;
	}
	s->time_s += latency / 1000;
	record_set(rec, M_TOKEN_LATENCY_MS, metric_as_logged(M_TOKEN_LATENCY_MS, latency));
	record_set(rec, M_LOGITS_ENTROPY, metric_as_logged(M_LOGITS_ENTROPY, entropy));
	record_set(rec, M_PROCESS_MEMORY_MB, metric_as_logged(M_PROCESS_MEMORY_MB, s->sampled_mb));
	record_set(rec, M_FP16_LARGEST, metric_as_logged(M_FP16_LARGEST, draw_state(s, fault == STATE, since)));
	rec->time_us = (int64_t)(s->time_s * 1e6);
}

/* What `unusual` is judged by: alone, beside the forecasts of memory and of the state. */
static const char *const ways[] = { "once_in: 30000", "beyond: 0.4" };

static struct ruleset *rules_by(const char *way)
{
	char text[800];
	int n = snprintf(text, sizeof text,
			 "rules:\n"
			 "  - {alarm: forecast, name: memory, metric: process_memory_mb, above: 7200, forecast: "
			 "{within: 120s, over: 30s}, for: 2s}\n"
			 "  - {alarm: forecast, name: state, metric: fp16_largest, above: 65504, forecast: "
			 "{within: 120s, over: 30s}, for: 2s}\n"
			 "  - {alarm: unusual, name: latency, metric: token_latency_ms, unusual: {%s}, for: 400ms, "
			 "warmup: 2000}\n"
			 "  - {alarm: unusual, name: entropy, metric: logits_entropy, unusual: {%s}, for: 400ms, "
			 "warmup: 2000}\n",
			 way, way);
	struct ruleset *set = NULL;

	if (ruleset_check_text(&set, (struct slice){ text, (size_t)n }, "rules", NULL, NULL, NULL))
		exit(1);
	return set;
}

struct raised {
	int first; /* token since the fault at which the rule that looks at it raised its alarm; -1: never */
	double first_s, end_s; /* when; when the stream ended */
	int before;            /* alarms before the fault */
	int others;            /* since then, of rules that look at something else */
};

static void note_alarm(struct raised *out, enum fault fault, const char *rule, int since, double time_s)
{
	if (since < 0) {
		out->before++;
	} else if (strcmp(rule, watcher_names[faults[fault].watcher]) != 0) {
		out->others++;
	} else if (out->first < 0) {
		out->first = since;
		out->first_s = time_s;
	}
}

static struct raised watch(const struct ruleset *set, enum fault fault, bool waves, int before, int during)
{
	struct stream s = { .sampled_mb = USED_MB, .waves = waves };
	static const struct field_values nothing;
	struct raised out = { .first = -1 };
	struct rules *rules = NULL;

	if (rules_open(&rules, set, RULES_LIVE, NULL, NULL))
		exit(1);
	for (int i = 0; i < before + during; i++) {
		struct record rec = { .event = EVENT_INFERENCE_STEP,
				      .session = &nothing,
				      .sequence_length = (uint64_t)i + 1,
				      .token_count = 1,
				      .phase = PHASE_DECODE };
		struct rule_finding f[RULES_MAX];
		size_t n;

		draw_token(&s, fault, i - before + 1, &rec);
		n = rules_eval(rules, &rec, f);
		for (size_t k = 0; k < n; k++)
			if (f[k].changed && f[k].firing)
				note_alarm(&out, fault, f[k].rule, i - before, s.time_s);
	}
	out.end_s = s.time_s;
	rules_close(rules);
	return out;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median, and the worst: of a delay the longest, of a lead the shortest. */
static void tell_found(enum fault fault, double *delay, int found)
{
	qsort(delay, (size_t)found, sizeof *delay, by_size);
	printf("%-24s %3d of %d", faults[fault].name, found, TRIALS);
	if (found && faults[fault].foreseen)
		printf("   %6.0f s before the limit is reached (least %.0f s)", delay[found / 2], delay[0]);
	else if (found)
		printf("   after %5.0f tokens (most %.0f)", delay[found / 2], delay[found - 1]);
}

/* How many were found; alarms before the faults are added to `false_alarms`. */
static int tell_fault(const struct ruleset *set, enum fault fault, int *false_alarms)
{
	int found = 0, others = 0, during = faults[fault].foreseen ? FULL_AFTER : DURING;
	double delay[TRIALS];

	for (int trial = 0; trial < TRIALS; trial++) {
		struct raised r = watch(set, fault, fault == LOST_PERIOD, BEFORE, during);

		if (r.first >= 0)
			delay[found++] = faults[fault].foreseen ? r.end_s - r.first_s : r.first;
		others += r.others;
		*false_alarms += r.before;
	}
	tell_found(fault, delay, found);
	printf("%s\n", others ? "" : "   no other alarm");
	if (others)
		printf("%-24s %3d alarms of rules that look at something else\n", "", others);
	return found;
}

static void tell_false(const char *where, int raised, int tokens)
{
	printf("%s: %d alarms in %d tokens: %.2f in 100,000\n", where, raised, tokens, raised * 1e5 / tokens);
}

/* All growth towards a limit is foreseen, and clean streams raise at most one alarm in 100,000 tokens. */
static bool tell_faults(const char *way)
{
	struct ruleset *set = rules_by(way);
	int raised = 0, before = 0;
	bool kept = true;

	printf("\nFaults after %d clean tokens at 40 ms, %d trials each, by `unusual: {%s}`\n", BEFORE, TRIALS, way);
	for (int fault = CLEAN + 1; fault < FAULTS; fault++) {
		int found = tell_fault(set, (enum fault)fault, &before);

		kept &= !faults[fault].foreseen || found == TRIALS;
	}
	for (int i = 0; i < CLEAN_STREAMS; i++)
		raised += watch(set, CLEAN, i % 2, CLEAN_TOKENS / CLEAN_STREAMS, 0).before;
	tell_false("before the faults", before, BEFORE * TRIALS * (FAULTS - 1));
	tell_false("clean streams", raised, CLEAN_TOKENS);
	ruleset_close(set);
	return kept && (before + raised) * 1e5 <= CLEAN_TOKENS + BEFORE * TRIALS * (FAULTS - 1.0);
}

/* --- the LSTM ------------------------------------------------------------------------------ */

enum { SWEPT = KINDS, TRAINED_KINDS, SESSIONS = 100, JUDGED = 100, LSTM_POINTS = 2000 };

/* Memory that fills at a rate of its own until it is swept: no line, and no period. */
static void fill_swept(double *y, size_t n)
{
	double level = 200 * unit(), rate = 5 + 10 * unit();

	for (size_t i = 0; i < n; i++) {
		level += rate * (0.8 + 0.4 * unit());
		if (level > 200) {
			level = 20 * unit();
			rate = 5 + 10 * unit();
		}
		y[i] = level;
	}
}

static void fill(int kind, double *y, size_t n)
{
	double walk = 0, swing = 0, slope = 0.05 + 0.2 * unit();

	if (kind == SWEPT)
		fill_swept(y, n);
	for (size_t i = 0; kind != SWEPT && i < n; i++)
		y[i] = point((enum kind)kind, (int)i, slope, normal(), &walk, &swing);
}

static struct trained *train(int kind)
{
	const struct learn_options how = { .units = 32, .layers = 1, .rounds = 100, .patience = 15, .seed = 1 };
	struct learn_set set = { .n_metrics = 1, .metric = { "value" } };
	struct learn_progress end;
	struct trained *l = NULL;

	for (uint64_t i = 0; i < SESSIONS; i++) {
		struct learn_series *s = learn_set_add(&set);
		double *y = arena_alloc(&set.arena, N, sizeof *y);

		if (!s || !y)
			exit(1);
		fill(kind, y, N);
		*s = (struct learn_series){ .n = N, .y = { y }, .foretold = { true }, .group = i };
	}
	if (learn_deal(&set, 1, NULL) || learn_train(&l, &set, &how, &end, NULL))
		exit(1);
	learn_set_free(&set);
	return l;
}

static void tell_trained(int kind)
{
	double y[N + FORECAST_STEPS_MAX], said[N + 1][FORECAST_STEPS_MAX];
	const double *const points[TRAINED_METRICS_MAX] = { y };
	struct trained *l = train(kind);
	double won = 0, others = 0, own = 0, last = 0;

	for (int i = 0; i < JUDGED; i++) {
		struct forecast f;

		fill(kind, y, N + FORECAST_STEPS_MAX);
		if (!trained_say(l, points, N, 0, said))
			exit(1);
		forecast_series(y, N, forecast_ends(y, N), said, &f);
		won += f.state == FORECAST_SKILLED && f.model == FORECAST_LSTM;
		others += f.state == FORECAST_SKILLED && f.model != FORECAST_LSTM;
		for (size_t k = 0; k < FORECAST_STEPS_MAX; k++) {
			own += fabs(y[N + k] - said[N][k]);
			last += fabs(y[N + k] - y[N - 1]);
		}
	}
	printf("%-20s %5.0f %7.0f %16.0f %11.2f\n", kind == SWEPT ? "filled and swept" : kind_names[kind], won, others,
	       JUDGED - won - others, 1 - own / last);
	trained_close(l);
}

/* The largest network there can be, one point after the other. */
static void tell_cost(void)
{
	const struct lstm_shape shape = { .inputs = LSTM_INPUTS_MAX,
					  .units = LSTM_UNITS_MAX,
					  .layers = LSTM_LAYERS_MAX,
					  .outputs = LSTM_OUTPUTS_MAX };
	struct lstm *net = lstm_open(shape);
	struct lstm_tape *tape = lstm_tape_open(&shape, 1);
	struct lstm_state state = { 0 };
	float x[LSTM_INPUTS_MAX] = { 1 };
	uint64_t from;

	if (!net || !tape)
		exit(1);
	lstm_seed(net, 1);
	from = clock_mono_ns(&clock_system);
	for (int i = 0; i < LSTM_POINTS; i++)
		lstm_forward(net, tape, &state, x, 1);
	printf("%d inputs, %d layers of %d units, %d outputs: %.1f us a point\n", LSTM_INPUTS_MAX, LSTM_LAYERS_MAX,
	       LSTM_UNITS_MAX, LSTM_OUTPUTS_MAX, (double)(clock_mono_ns(&clock_system) - from) / 1e3 / LSTM_POINTS);
	lstm_tape_close(tape);
	lstm_close(net);
}

static void tell_lstm(void)
{
	printf("\nLSTM trained on %d series of a kind: best in how many of %d others, beside the other methods\n",
	       SESSIONS, JUDGED);
	printf("%-20s %5s %7s %16s %11s\n", "series", "LSTM", "others", "not predictable", "alone");
	for (int kind = 0; kind < TRAINED_KINDS; kind++)
		tell_trained(kind);
	tell_cost();
}

int main(int argc, char **argv)
{
	bool all = argc == 1, kept = true;

	if (argc == 3 && !strcmp(argv[1], "series")) {
		print_series((int)strtol(argv[2], NULL, 10));
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "forecasts")) {
		tell_series();
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "faults"))
		seed ^= strtoull(argv[2], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15);
	else if (!all)
		return 2;
	if (all)
		tell_series();
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		kept &= tell_faults(ways[i]);
	if (all)
		tell_lstm();
	if (!kept)
		printf("MISSED: growth that was not foreseen each time, or more than one false alarm in 100,000 clean "
		       "tokens\n");
	return kept ? 0 : 1;
}
