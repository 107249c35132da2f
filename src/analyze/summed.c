/* summed.c - sums take the way that steps go: session, numbers, times. */
#include "analyze/summed.h"

#include "analyze/analysis.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

static const struct slice unnamed = { "", 0 }; /* an instance's name is the id here */

static bool is_known(const char *known, struct slice said)
{
	return !known || slice_is(session_cut(said), known);
}

/* The instance's first model has its name; any other one a longer name. */
static struct session *session_of(struct analysis *a, const struct summed_owner *of)
{
	struct session *s = sessions_find(&a->sessions, of->instance, unnamed);
	struct buf id = { 0 };

	if (!s || (is_known(s->model_name, of->model_name) && is_known(s->strategy, of->strategy)))
		return s;
	buf_printf(&id, "%.*s, %.*s, %.*s", SLICE_ARG(of->instance), SLICE_ARG(of->model_name),
		   SLICE_ARG(of->strategy));
	s = id.failed ? NULL : sessions_find(&a->sessions, buf_slice(&id), unnamed);
	buf_free(&id);
	return s;
}

static void learn(struct analysis *a, char **known, struct slice said)
{
	if (*known)
		return;
	*known = session_text(said.p ? said : slice_of(""));
	a->failed |= !*known;
}

static void span(struct analysis *a, struct session *s, int64_t from_us, int64_t to_us)
{
	widen_span(&a->from_us, &a->to_us, !a->records, from_us, to_us);
	widen_span(&s->from_us, &s->to_us, !s->records, from_us, to_us);
}

static void count(struct analysis *a, struct session *s, uint64_t records, uint64_t tokens, uint64_t dropped)
{
	a->records += records;
	s->records += records;
	a->tokens += tokens;
	s->tokens += tokens;
	a->all.dropped += dropped;
	s->tally.dropped += dropped;
}

static const struct summed_metric *find(const struct summed_metric *metric, size_t n, enum metric_id id)
{
	for (size_t i = 0; i < n; i++)
		if (metric[i].id == id)
			return &metric[i];
	return NULL;
}

/* Steps of which there are metrics: of the metric that most of them have. */
static uint64_t calls_of(const struct summed_metric *metric, size_t n)
{
	uint64_t most = 0;

	for (size_t i = 0; i < n; i++)
		most = metric[i].part.count > most ? metric[i].part.count : most;
	return most;
}

static void add_phase(struct accumulators *n, enum phase phase, const struct summed_metric *metric, size_t n_metrics)
{
	struct metric_stats *t = n->phase[phase];

	if (!n_metrics)
		return;
	if (!t)
		t = n->phase[phase] = calloc(1, sizeof *t);
	n->failed |= !t;
	if (!t)
		return;
	t->records += calls_of(metric, n_metrics);
	for (size_t i = 0; i < n_metrics; i++)
		metric_stats_take(t, metric[i].id, &metric[i].part, metric[i].run, metric[i].n);
}

/* The time of the calls: that of the call where it was measured, else that of its tokens. */
static double call_ms(const struct summed_metric *metric, size_t n)
{
	const struct summed_metric *chunk = find(metric, n, M_CHUNK_PROCESS_TIME_MS),
				   *token = find(metric, n, M_TOKEN_LATENCY_MS);

	return chunk ? chunk->part.sum : token ? token->part.sum : 0;
}

/* Where tokens are counted of all calls together, a decode call has one, or as many as its time is longer than a
 * token's. */
static uint64_t decode_tokens(const struct summed *sums, uint64_t decode_calls, uint64_t prefill_calls)
{
	const struct summed_metric *chunk = find(sums->decode, sums->n_decode, M_CHUNK_PROCESS_TIME_MS),
				   *token = find(sums->decode, sums->n_decode, M_TOKEN_LATENCY_MS);
	const bool known = prefill_calls && sums->prefill_tokens <= sums->tokens;
	const bool both = chunk && token && chunk->part.count == token->part.count;
	const double each = both ? chunk->part.sum / token->part.sum : 1,
		     tokens = (double)decode_calls * (each > 1 ? each : 1);

	if (known)
		return sums->tokens - sums->prefill_tokens;
	return prefill_calls && tokens < (double)sums->tokens ? (uint64_t)llround(tokens) : sums->tokens;
}

static void add_times(struct analysis *a, struct session *s, const struct summed *sums, struct time_summed *out)
{
	const struct summed_metric *latency = find(sums->decode, sums->n_decode, M_TOKEN_LATENCY_MS);
	const struct time_owner who = session_owner(s);
	const uint64_t decode_calls = calls_of(sums->decode, sums->n_decode),
		       prefill_calls = calls_of(sums->prefill, sums->n_prefill),
		       tokens = decode_tokens(sums, decode_calls, prefill_calls);

	*out = (struct time_summed){
		.from_us = sums->from_us,
		.to_us = sums->to_us,
		.decode_calls = decode_calls,
		.prefill_calls = prefill_calls,
		.decode_tokens = tokens,
		.prefill_tokens = sums->tokens - tokens,
		.decode_ms = call_ms(sums->decode, sums->n_decode),
		.prefill_ms = call_ms(sums->prefill, sums->n_prefill),
	};
	for (int l = 0; l < LEVEL_COUNT; l++) {
		const struct summed_metric *of = find(sums->decode, sums->n_decode, level_metrics[l]);

		out->level[l] = of ? of->part.sum : 0;
		out->seen[l] = of ? of->part.count : 0;
	}
	time_breakdown_enter(a->times, &s->times, &who, sums->from_us);
	if (latency)
		a->failed |= !time_summed_pour(out, latency->run, latency->n);
}

static void sum_minute(const struct summed *sums, struct minute_sums *out)
{
	for (int i = 0; i < MINUTE_METRICS; i++) {
		const struct summed_metric *of = find(sums->decode, sums->n_decode, minute_metrics[i]);

		out->sum[i] = of ? of->part.sum : 0;
		out->count[i] = of ? of->part.count : 0;
	}
}

/* Whoever is listed has accumulators, also if all that comes of it is counts. */
static struct session *enter(struct analysis *a, const struct summed_owner *of)
{
	struct session *s = session_of(a, of);

	a->failed |= !s;
	if (!s)
		return NULL;
	learn(a, &s->instance, of->instance);
	learn(a, &s->model_name, of->model_name);
	learn(a, &s->strategy, of->strategy);
	sessions_list(&a->sessions, s);
	a->failed |= session_home(s) && !gathering_session(&a->gather, session_home(s)->index);
	return s;
}

static void take_times(struct analysis *a, const struct summed_times *times)
{
	struct time_owner who;

	if (!times->of || !(times->sums.decode_calls + times->sums.prefill_calls))
		return;
	who = session_owner(times->of);
	time_breakdown_take(a->times, &times->of->times, &who, &times->sums);
	if (a->opts.look_for_unusual && times->of->listed)
		a->failed |= !unusual_minutes_add(&a->minutes, &times->of->minutes, times->of->instance,
						  times->sums.to_us, &times->minute);
}

void analyze_take_times(struct analysis *a, struct summed_times *times)
{
	take_times(a, times);
	summed_times_free(times);
}

void summed_times_free(struct summed_times *times)
{
	time_summed_free(&times->sums);
	times->of = NULL;
}

void analyze_take_summed(struct analysis *a, const struct summed *sums, struct summed_times *times)
{
	struct session *s = enter(a, &sums->of);
	struct accumulators *n;

	*times = (struct summed_times){ .of = NULL };
	if (!s)
		return;
	span(a, s, sums->from_us, sums->to_us);
	if (!sums->counted)
		count(a, s, sums->records, sums->tokens, 0);
	n = session_home(s) ? gathering_session(&a->gather, session_home(s)->index) : &a->gather.others;
	a->failed |= !n;
	if (!n)
		return;
	add_phase(n, PHASE_DECODE, sums->decode, sums->n_decode);
	add_phase(n, PHASE_PREFILL, sums->prefill, sums->n_prefill);
	times->of = s;
	add_times(a, s, sums, &times->sums);
	if (a->opts.look_for_unusual)
		sum_minute(sums, &times->minute);
	if (s->listed)
		return;
	analyze_take_times(a, times); /* whoever is not listed may be forgotten by then */
}

void analyze_take_counts(struct analysis *a, const struct summed_owner *of, const struct summed_counts *n,
			 int64_t first_us)
{
	struct session *s = n->records ? enter(a, of) : NULL;
	struct time_owner who;

	if (!s) {
		a->all.dropped += n->dropped; /* there are no steps of it */
		return;
	}
	span(a, s, first_us, first_us);
	count(a, s, n->records, n->tokens, n->dropped);
	if (!s->listed)
		return;
	who = session_owner(s);
	time_breakdown_enter(a->times, &s->times, &who, first_us);
}

/* --- of an instance --------------------------------------------------------------------------- */

static struct session *listed(struct analysis *a, struct slice instance)
{
	struct session *s = sessions_find(&a->sessions, instance, unnamed);

	return s && s->listed ? s : NULL;
}

void analyze_take_alarms(struct analysis *a, struct slice instance, enum alarm_type type, uint64_t n)
{
	struct session *s = listed(a, instance);
	const uint64_t critical = alarm_specs[type].severity == SEVERITY_CRITICAL ? n : 0;
	const unsigned gravest = n ? 1U + alarm_specs[type].severity : 0;

	a->all.alarmed[type] += n;
	a->all.live_critical += critical;
	session_alarmed(&a->all, type, gravest);
	if (s) {
		s->tally.alarmed[type] += n;
		s->tally.live_critical += critical;
		session_alarmed(&s->tally, type, gravest);
	}
}

void analyze_take_device(struct analysis *a, struct slice instance, struct slice gpu, struct slice cpu)
{
	struct session *s = listed(a, instance);
	const bool on_cpu = !gpu.n || (s && s->strategy && !strncmp(s->strategy, "cpu", 3));

	if (s && (on_cpu ? cpu.n : gpu.n))
		learn(a, &s->device, on_cpu ? cpu : gpu);
}

void analyze_take_lost(struct analysis *a, struct slice instance, uint64_t records)
{
	struct session *s = listed(a, instance);

	a->all.dropped += records;
	if (s)
		s->tally.dropped += records;
}

void analyze_take_end(struct analysis *a, struct slice instance, int64_t time_us)
{
	for (size_t i = 0; i < a->sessions.n_listed; i++) {
		struct session *s = a->sessions.listed[i];

		if (slice_is(session_cut(instance), s->instance))
			s->ended = time_us / 1000 >= s->to_us / 1000;
	}
}
