/* Records in, findings out: numbers, sessions, anomalies, and the same when the work is split. */
#include "push.h"
#include "test.h"

#include "analyze/analysis.h"
#include "analyze/analyze.h"
#include "analyze/judgement.h"
#include "analyze/metric_stats.h"
#include "report/report.h"
#include "stats/range.h"

#include <math.h>

static struct ruleset *baseline;

static int open_rules(void **state)
{
	(void)state;
	return ruleset_open(&baseline, "tests/rules/single.yaml", NULL);
}

static int close_rules(void **state)
{
	(void)state;
	ruleset_close(baseline);
	return 0;
}

static struct analysis *begin(const struct analyze_options *opts)
{
	struct analyze_options with_rules = opts ? *opts : (struct analyze_options){ 0 };
	struct analysis *a;

	with_rules.rules = baseline;
	with_rules.diagnose.rules_are_own = true;
	assert_int_equal(analyze_open(&a, &with_rules, NULL), 0);
	return a;
}

static struct findings finish(struct analysis *a)
{
	struct findings f;

	assert_int_equal(analyze_finish(a, NULL, &f, NULL), 0);
	analyze_close(a);
	return f;
}

/* A record with what it points to. */
struct made {
	struct record rec;
	struct field_values session, extra;
	char id[40];
};

static void make(struct made *m, enum event_type event, unsigned session, int64_t time_us)
{
	memset(m, 0, sizeof *m);
	snprintf(m->id, sizeof m->id, "rwkv-sess-%06x", session);
	fields_set_text(&m->session, F_SESSION_ID, slice_of(m->id));
	fields_set_text(&m->session, F_MODEL_NAME, slice_of("RWKV-x070"));
	m->rec = (struct record){
		.time_us = time_us, .event = event, .token_count = 1, .session = &m->session, .extra = &m->extra
	};
}

static void push_latency(struct analysis *a, unsigned session, int64_t time_us, double latency)
{
	struct made m;

	make(&m, EVENT_INFERENCE_STEP, session, time_us);
	record_set(&m.rec, M_TOKEN_LATENCY_MS, latency);
	push_record(a, &m.rec);
}

static void numbers_are_those_of_the_records(void **state)
{
	struct analysis *a = begin(NULL);
	struct findings f;
	struct made m;

	(void)state;
	for (int i = 0; i < 10; i++) {
		make(&m, EVENT_INFERENCE_STEP, (unsigned)i % 2, 1000000 * (100 - i));
		m.rec.phase = i < 3 ? PHASE_PREFILL : PHASE_DECODE;
		m.rec.token_count = i < 3 ? 16 : 1;
		m.rec.sequence = 4 + (uint32_t)i / 5;
		record_set(&m.rec, M_TOKEN_LATENCY_MS, 10 + i);
		if (i == 7)
			m.rec.nonfinite = metric_bit(M_LOGITS_ENTROPY);
		else if (i)
			record_set(&m.rec, M_LOGITS_ENTROPY, 4);
		push_record(a, &m.rec);
	}
	f = finish(a);
	assert_int_equal(f.records, 10);
	assert_int_equal(f.tokens, 55);
	assert_true(f.from_us == 91000000 && f.to_us == 100000000);
	assert_int_equal(f.metric[M_TOKEN_LATENCY_MS].count, 10);
	assert_true(f.metric[M_TOKEN_LATENCY_MS].mean == 14.5 && f.metric[M_TOKEN_LATENCY_MS].p50 == 14.5);
	assert_true(fabs(f.metric[M_TOKEN_LATENCY_MS].p90 - 18.1) < 1e-12);
	assert_true(fabs(f.metric[M_TOKEN_LATENCY_MS].stddev - 3.0276503540974917) < 1e-14);
	assert_int_equal(f.metric[M_LOGITS_ENTROPY].count, 8);
	assert_int_equal(f.metric[M_LOGITS_ENTROPY].missing, 1);
	assert_int_equal(f.metric[M_LOGITS_ENTROPY].nonfinite, 1);
	assert_int_equal(f.metric[M_VRAM_USED_MB].count, 0);
	assert_int_equal(f.metric[M_VRAM_USED_MB].missing, 10);
	assert_int_equal(f.phase[PHASE_PREFILL][M_TOKEN_LATENCY_MS].count, 3);
	assert_true(f.phase[PHASE_DECODE][M_TOKEN_LATENCY_MS].min == 13);
	assert_int_equal(f.latency[PHASE_DECODE].n, FINDINGS_HISTOGRAM_BINS);
	assert_int_equal(f.sessions_total, 2);
	assert_string_equal(f.session[0].session_id, "rwkv-sess-000000");
	assert_string_equal(f.session[1].model_name, "RWKV-x070");
	assert_int_equal(f.session[0].sequences, 2);
	assert_int_equal(f.session[0].records, 5);
	assert_non_null(f.session[1].series);
	assert_int_equal(f.judgement->verdict, VERDICT_CRITICAL); /* NaN */
	findings_free(&f);
}

static void similarity_against_entropy_warns_of_collapse(void **state)
{
	struct analysis *a = begin(NULL);
	struct findings f;
	struct made m;

	(void)state;
	for (int i = 0; i < 100; i++)
		for (unsigned session = 0; session < 2; session++) {
			make(&m, EVENT_INFERENCE_STEP, session, i * 1000);
			record_set(&m.rec, M_STATE_SIMILARITY, 0.9 + 0.0005 * i);
			record_set(&m.rec, M_LOGITS_ENTROPY, session ? 5 - 0.01 * i : 4 + 0.01 * i);
			push_record(a, &m.rec);
		}
	f = finish(a);
	assert_true(fabs(f.session[0].similarity_entropy_pearson - 1) < 1e-12 && !f.session[0].collapse_warning);
	assert_true(fabs(f.session[1].similarity_entropy_pearson + 1) < 1e-12 && f.session[1].collapse_warning);
	assert_int_equal(f.judgement->verdict, VERDICT_ATTENTION);
	findings_free(&f);
}

/* baseline: latency above 75 ms; the cooldown is 60 s. */
static void violations_gather_into_events(void **state)
{
	static const struct {
		int seconds;
		unsigned session;
		double latency;
	} steps[] = {
		{ 0, 1, 80 },    { 1, 1, 20 }, { 30, 1, 200 }, { 90, 1, 90 }, /* one event: at most 60 s apart */
		{ 151, 1, 100 },                                              /* 61 s later: another */
		{ 152, 2, 76 },                                               /* another session: another */
		{ 153, 2, 75 },                                               /* at the limit is not beyond it */
	};
	struct analysis *a = begin(NULL);
	struct findings f;

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		push_latency(a, steps[i].session, steps[i].seconds * 1000000, steps[i].latency);
	f = finish(a);
	assert_int_equal(f.anomaly_records, 5);
	assert_int_equal(f.anomaly_by_type[ALARM_HIGH_LATENCY], 5);
	assert_int_equal(f.n_events, 3);
	assert_int_equal(f.events_total, 3);
	assert_true(f.event[0].from_us == 0 && f.event[0].to_us == 90000000);
	assert_int_equal(f.event[0].records, 3);
	assert_true(f.event[0].worst == 200 && f.event[0].limit == 75);
	assert_int_equal(f.event[1].records, 1);
	assert_string_equal(f.event[2].session_id, "rwkv-sess-000002");
	assert_int_equal(f.event[2].metric, M_TOKEN_LATENCY_MS);
	assert_int_equal(f.judgement->verdict, VERDICT_ATTENTION);
	findings_free(&f);
}

static void one_record_may_break_several_limits(void **state)
{
	struct analysis *a = begin(NULL);
	struct findings f;
	struct made m;

	(void)state;
	make(&m, EVENT_INFERENCE_STEP, 1, 0);
	record_set(&m.rec, M_TOKEN_LATENCY_MS, 1000);
	record_set(&m.rec, M_THROUGHPUT_TPS, 1);
	record_set(&m.rec, M_LOGITS_ENTROPY, 0.2);
	push_record(a, &m.rec);
	f = finish(a);
	assert_int_equal(f.anomaly_records, 1);
	assert_int_equal(f.n_events, 3);
	assert_int_equal(f.anomaly_by_type[ALARM_ABNORMAL_ENTROPY], 1);
	assert_int_equal(f.judgement->verdict, VERDICT_CRITICAL);
	findings_free(&f);
}

static void alarms_and_gaps_of_the_log_are_counted(void **state)
{
	struct analysis *a = begin(NULL);
	struct findings f;
	struct made m;

	(void)state;
	push_latency(a, 1, 0, 20);
	make(&m, EVENT_ALARM, 1, 0);
	fields_set_text(&m.extra, F_ALARM_TYPE, slice_of("high_repetition"));
	push_record(a, &m.rec);
	m.rec.event = EVENT_ALARM_RESOLVED;
	push_record(a, &m.rec);
	make(&m, EVENT_GAP, 1, 0);
	fields_set_number(&m.extra, F_DROPPED, 17);
	push_record(a, &m.rec);
	fields_set_number(&m.extra, F_DROPPED, -1e300);
	push_record(a, &m.rec);
	f = finish(a);
	assert_int_equal(f.records, 1);
	assert_int_equal(f.live_alarms[ALARM_HIGH_REPETITION], 1);
	assert_int_equal(f.dropped, 17);
	assert_int_equal(f.judgement->verdict, VERDICT_ATTENTION);
	findings_free(&f);
}

/* Of several sessions the one whose alarm came first is named, and when. */
static void the_first_alarm_has_its_place(void **state)
{
	struct analysis *a = begin(NULL);
	const struct diagnosis *d;
	struct findings f;
	struct made m;

	(void)state;
	for (unsigned session = 0; session < 3; session++)
		push_latency(a, session, 1000000, 20);
	for (unsigned session = 1; session < 3; session++) {
		make(&m, EVENT_ALARM, session, (4 - (int)session) * 1000000);
		fields_set_text(&m.extra, F_ALARM_TYPE, slice_of("high_latency"));
		push_record(a, &m.rec);
	}
	f = finish(a);
	d = &f.judgement->diagnosis;
	assert_int_equal(d->cause, CAUSE_ALARM);
	assert_string_equal(d->session_id, "rwkv-sess-000002");
	assert_true(d->since_us == f.first_alarm[ALARM_HIGH_LATENCY].at.time_us && d->since_us > 0);
	assert_true(d->since_us == m.rec.time_us);
	findings_free(&f);
}

static void only_what_was_asked_for_counts(void **state)
{
	struct analyze_options opts = { .session = "rwkv-sess-000001", .since_us = 5000000, .until_us = 8000000 };
	struct analysis *a = begin(&opts);
	struct findings f;

	(void)state;
	for (int i = 0; i < 20; i++)
		push_latency(a, (unsigned)i % 2, i * 1000000, i);
	f = finish(a);
	assert_int_equal(f.records, 2);
	assert_true(f.metric[M_TOKEN_LATENCY_MS].min == 5 && f.metric[M_TOKEN_LATENCY_MS].max == 7);
	assert_int_equal(f.sessions_total, 1);
	findings_free(&f);
}

static void nothing_makes_empty_findings(void **state)
{
	struct findings f = finish(begin(NULL));

	(void)state;
	assert_int_equal(f.records + f.n_sessions + f.n_events, 0);
	assert_true(isnan(f.metric[M_LOGITS_ENTROPY].mean));
	assert_int_equal(f.judgement->verdict, VERDICT_UNDECIDED);
	findings_free(&f);
}

static void lists_are_capped_and_totals_are_not(void **state)
{
	enum { SESSIONS = FINDINGS_SESSIONS_MAX + 700 };
	struct analysis *a = begin(NULL);
	struct findings f;
	uint64_t listed = 0;

	(void)state;
	for (int round = 0; round < 2; round++)
		for (unsigned s = 0; s < SESSIONS; s++)
			push_latency(a, s, (int64_t)round * 200000000 + s, s % 4 ? 20 : 100 + s);
	f = finish(a);
	assert_int_equal(f.records, 2 * SESSIONS);
	assert_int_equal(f.metric[M_TOKEN_LATENCY_MS].count, 2 * SESSIONS);
	assert_int_equal(f.n_sessions, FINDINGS_SESSIONS_MAX);
	assert_int_equal(f.sessions_total, SESSIONS);
	for (size_t i = 0; i < f.n_sessions; i++)
		listed += f.session[i].records;
	assert_int_equal(listed, 2 * FINDINGS_SESSIONS_MAX);
	assert_int_equal(f.n_events, FINDINGS_EVENTS_MAX);
	assert_int_equal(f.events_total, 2 * (SESSIONS / 4));
	for (size_t i = 1; i < f.n_events; i++)
		assert_true(f.event[i - 1].from_us <= f.event[i].from_us);
	findings_free(&f);
}

static void only_whole_series_of_large_sessions_are_kept(void **state)
{
	struct analysis *a = begin(NULL);
	struct findings f;
	size_t charted = 0;
	uint64_t counted = 0;

	(void)state;
	for (unsigned s = 0; s < 100; s++)
		for (unsigned i = 0; i < 10 + (s == 3 || s == 77 ? 500 : 0); i++)
			push_latency(a, s, s * 1000000 + i * 1000, 20);
	f = finish(a);
	for (size_t s = 0; s < f.n_sessions; s++)
		if (f.session[s].series) {
			const struct series *series = f.session[s].series;
			uint64_t n = 0;

			charted++;
			for (size_t i = 0; i < series->n; i++)
				n += series->metric[M_TOKEN_LATENCY_MS][i].count;
			assert_int_equal(n, f.session[s].records);
		}
	assert_int_equal(charted, FINDINGS_CHARTED_SESSIONS);
	assert_non_null(f.session[3].series);
	assert_non_null(f.session[77].series);
	for (size_t i = 0; i < f.series.n; i++)
		counted += f.series.metric[M_TOKEN_LATENCY_MS][i].count;
	assert_int_equal(counted, f.records);
	findings_free(&f);
}

/* A record with everything, some values with more digits than the log has. */
static void make_rich(struct made *m, unsigned i)
{
	unsigned session = i * 7 % 13;
	double noise = (double)((i * 2654435761u) >> 8 & 0xffff) / 65536;

	make(m, EVENT_INFERENCE_STEP, session, 1757594096000000 + (int64_t)i * 35123);
	m->rec.phase = i % 10 ? PHASE_DECODE : PHASE_PREFILL;
	m->rec.sequence = i / 1000;
	m->rec.sequence_length = 1 + i % 1000;
	fields_set_text(&m->session, F_INSTANCE, slice_of(session % 3 ? "left:1" : "right:2"));
	for (int k = 0; k < METRIC_COUNT; k++) {
		const struct metric_spec *spec = &metric_specs[k];
		double value = (10 + 90 * noise) * (k + 1);

		if (k == M_STATE_SIMILARITY || k == M_STATE_SIMILARITY_SHIFT)
			value = 1 - noise / 5;
		if (i % 3)
			value = rint(value * spec->scale) / spec->scale;
		if ((i + (unsigned)k) % 17)
			record_set(&m->rec, (enum metric_id)k, value);
		else if (i % 50 == 0)
			m->rec.nonfinite |= metric_bit((enum metric_id)k);
	}
}

static void assert_same_findings(const struct findings *a, const struct findings *b)
{
	assert_memory_equal(a->metric, b->metric, sizeof a->metric);
	assert_memory_equal(a->phase, b->phase, sizeof a->phase);
	assert_memory_equal(a->latency, b->latency, sizeof a->latency);
	assert_memory_equal(a->anomaly_by_type, b->anomaly_by_type, sizeof a->anomaly_by_type);
	assert_int_equal(a->anomaly_records, b->anomaly_records);
	assert_int_equal(a->records, b->records);
	assert_true(a->from_us == b->from_us && a->to_us == b->to_us && a->tokens == b->tokens);
	assert_int_equal(a->n_sessions, b->n_sessions);
	for (size_t i = 0; i < a->n_sessions; i++) {
		const struct session_findings *x = &a->session[i], *y = &b->session[i];

		assert_string_equal(x->session_id, y->session_id);
		assert_true(x->metrics == y->metrics);
		assert_memory_equal(x->summary, y->summary,
				    (size_t)__builtin_popcountll(x->metrics) * sizeof *x->summary);
		assert_memory_equal(&x->similarity_entropy_pearson, &y->similarity_entropy_pearson, sizeof(double));
	}
	assert_true(a->series.from_us == b->series.from_us && a->series.width_us == b->series.width_us);
	assert_int_equal(a->series.n, b->series.n);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (a->series.metric[m])
			assert_memory_equal(a->series.metric[m], b->series.metric[m],
					    a->series.n * sizeof *a->series.metric[m]);
	assert_int_equal(a->n_events, b->n_events);
	assert_int_equal(a->events_total, b->events_total);
	for (size_t i = 0; i < a->n_events; i++) {
		const struct anomaly_event *x = &a->event[i], *y = &b->event[i];

		assert_string_equal(x->session_id, y->session_id);
		assert_true(x->type == y->type && x->from_us == y->from_us && x->to_us == y->to_us &&
			    x->records == y->records && x->worst == y->worst);
	}
}

/* Everything that is told, worst moments, correlations and all. */
static void assert_same_json(const struct findings *a, const struct findings *b)
{
	struct report_options opts = { 0 };
	struct buf x = { 0 }, y = { 0 };

	report_json(&x, a, &opts);
	report_json(&y, b, &opts);
	assert_false(x.failed || y.failed);
	assert_string_equal(x.p, y.p);
	buf_free(&x);
	buf_free(&y);
}

/* As another thread does it that has a helper; the helper's numbers come into the analysis when it is taken. */
static void push_by(struct analysis *a, struct gathering *helper, const struct record *rec)
{
	struct columns *c = aligned_alloc(64, sizeof *c);
	struct decoded one = { .rec = *rec, .session_id = fields_text(rec->session, F_SESSION_ID) };

	assert_non_null(c);
	c->n = c->n_whole = 0;
	columns_add(c, &one);
	gathering_sort(helper, c);
	analyze_in_order(a, helper);
	gathering_add(helper);
	free(c);
}

/* A step with the norms of two layers. */
static void push_norms(struct analysis *a, struct gathering *helper, int64_t time_us, float first, float second)
{
	struct made m;
	float norm[2] = { first, second };

	make(&m, EVENT_INFERENCE_STEP, 1, time_us);
	m.rec.layer_norm = norm;
	m.rec.n_layer_norm = 2;
	push_by(a, helper, &m.rec);
}

/* The state of its rules is large; if the session goes on, they begin anew. */
static void rules_of_a_session_that_ended_are_given_up(void **state)
{
	struct analysis *a = begin(NULL);
	struct findings f;
	struct made m;

	(void)state;
	a->opts.rules = baseline;
	for (int i = 0; i < 4; i++) {
		push_latency(a, 1, 1000000 * (i + 1), 1000);
		push_latency(a, 2, 1000000 * (i + 1), 1);
	}
	make(&m, EVENT_SESSION_END, 1, 5000000);
	push_record(a, &m.rec);
	assert_null(a->sessions.listed[0]->rules);
	assert_non_null(a->sessions.listed[1]->rules);
	push_latency(a, 1, 6000000, 1000);
	f = finish(a);
	assert_int_equal(f.anomaly_records, 5);
	findings_free(&f);
}

static void norms_of_layers_are_followed(void **state)
{
	struct analysis *a = begin(NULL);
	struct gathering *one = analyze_helper(a, NULL), *other = analyze_helper(a, NULL);
	struct findings f;
	const struct layer_norm *layer;

	(void)state;
	push_norms(a, one, 4000000, 8, NAN); /* the end of the log comes first */
	push_norms(a, one, 3000000, 9, NAN);
	push_norms(a, other, 1000000, 2, NAN);
	push_norms(a, other, 2000000, 1, NAN);
	push_latency(a, 1, 2500000, 5);
	analyze_take(a, one);
	analyze_take(a, other);
	f = finish(a);
	assert_int_equal(f.session[0].state.n_layers, 2);
	layer = f.session[0].state.layer;
	assert_true(layer[0].first == 2 && layer[0].last == 8 && layer[0].min == 1 && layer[0].max == 9);
	assert_true(isnan(layer[1].first) && isnan(layer[1].max));
	findings_free(&f);
}

static void push_drift(struct analysis *a, struct gathering *helper, unsigned session, int64_t time_us, uint64_t at,
		       double drift)
{
	struct made m;

	make(&m, EVENT_INFERENCE_STEP, session, time_us);
	m.rec.sequence_length = at;
	record_set(&m.rec, M_STATE_DRIFT, drift);
	push_by(a, helper, &m.rec);
}

static void drift_is_told_per_session(void **state)
{
	struct analysis *a = begin(NULL);
	struct gathering *one = analyze_helper(a, NULL), *other = analyze_helper(a, NULL);
	struct findings f;
	const struct drift *d;

	(void)state;
	push_drift(a, one, 1, 4000000, 400, 0.5); /* the end of the log comes first */
	push_drift(a, one, 1, 3000000, 300, 0.75);
	push_drift(a, other, 1, 1000000, 100, 0.25);
	push_drift(a, other, 1, 2000000, 200, 0.75); /* as far as the next one, and before it */
	push_latency(a, 1, 5000000, 5);
	push_latency(a, 2, 5000000, 5);
	analyze_take(a, one);
	analyze_take(a, other);
	f = finish(a);
	d = &f.session[0].state.drift;
	assert_int_equal(d->samples, 4);
	assert_true(d->first.value == 0.25 && d->first.sequence_length == 100 && d->first.time_us == 1000000);
	assert_true(d->last.value == 0.5 && d->last.sequence_length == 400);
	assert_true(d->most.value == 0.75 && d->most.sequence_length == 200);
	assert_int_equal(f.session[1].state.drift.samples, 0);
	assert_int_equal(f.position[M_STATE_DRIFT]->count[8], 2); /* tokens 256 to 511 */
	assert_true(f.position[M_STATE_DRIFT]->mean[8] == 0.625);
	findings_free(&f);
}

/* One process at 20 ms and then one at 40 ms, which takes 60 ms for its second half. */
static struct findings two_processes(bool named)
{
	struct analysis *a = begin(NULL);
	uint64_t rng = 1;

	for (int i = 0; i < 4000; i++) {
		double level = i < 2000 ? 20 : i < 3000 ? 40 : 60;
		struct made m;

		rng = rng * 6364136223846793005u + 1442695040888963407u;
		make(&m, EVENT_INFERENCE_STEP, i >= 2000, i * INT64_C(1000000));
		if (named)
			fields_set_text(&m.session, F_INSTANCE, slice_of(i < 2000 ? "host:1" : "host:2"));
		record_set(&m.rec, M_TOKEN_LATENCY_MS, level + (double)(rng >> 40) / (1 << 24));
		push_record(a, &m.rec);
	}
	return finish(a);
}

static void levels_of_two_processes_are_no_change(void **state)
{
	struct findings f = two_processes(true);

	(void)state;
	assert_int_equal(f.n_instances, 2);
	assert_int_equal(f.n_changes, 1);
	assert_string_equal(f.change[0].instance, "host:2");
	assert_true(fabs((double)f.change[0].time_us - 3e9) < 4e7);
	assert_true(isnan(f.trend[M_TOKEN_LATENCY_MS].slope_per_hour));
	assert_false(f.instance[0].trend[M_TOKEN_LATENCY_MS].significant);
	assert_true(f.instance[1].trend[M_TOKEN_LATENCY_MS].significant);
	findings_free(&f);
	f = two_processes(false);
	assert_int_equal(f.n_changes, 2);
	assert_null(f.change[0].instance);
	findings_free(&f);
}

static double rank_of(int64_t *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;

	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k && v[k - 1] > v[k]; k--) {
			int64_t value = v[k];

			v[k] = v[k - 1];
			v[k - 1] = value;
		}
	return ((double)v[below] + (at - (double)below) * (double)(v[above] - v[below])) /
	       metric_specs[M_TOKEN_LATENCY_MS].scale;
}

static void add_range(struct metric_stats *to, const int64_t *v, size_t n)
{
	struct range r = range_of(v, n);

	metric_stats_add_decimals(to, M_TOKEN_LATENCY_MS, v, n, &r);
}

/* A few values are only kept until there are more of them: no number shows it, and no order of adding and merging. */
static void few_values_are_counted_like_many(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 2 * METRIC_FEW + 6; n++)
		for (size_t cut = 0; cut <= n; cut += 1 + n / 7) {
			struct metric_stats whole = { .records = n }, one = { .records = cut },
					    other = { .records = n - cut };
			struct summary sums[2];
			struct histogram bins[2];
			int64_t v[2 * METRIC_FEW + 6];

			for (size_t i = 0; i < n; i++)
				v[i] = (int64_t)(i * 7919 % 97 + 5) * (n % 3 ? 100 : 1);
			add_range(&whole, v, n);
			for (size_t i = 0; i < cut; i++)
				add_range(&one, v + i, 1);
			if (cut < n)
				add_range(&other, v + cut, n - cut);
			metric_stats_merge(&one, &other);
			metric_stats_summary(&whole, M_TOKEN_LATENCY_MS, &sums[0]);
			metric_stats_summary(&one, M_TOKEN_LATENCY_MS, &sums[1]);
			assert_memory_equal(&sums[0], &sums[1], sizeof *sums);
			assert_true(fabs(sums[0].p90 - rank_of(v, n, 0.9)) < 1e-9 && sums[0].count == n);
			metric_stats_histogram(&whole, M_TOKEN_LATENCY_MS, &bins[0]);
			metric_stats_histogram(&one, M_TOKEN_LATENCY_MS, &bins[1]);
			assert_memory_equal(&bins[0], &bins[1], sizeof *bins);
			metric_stats_free(&whole);
			metric_stats_free(&one);
			metric_stats_free(&other);
		}
}

static void helpers_merge_into_the_whole(void **state)
{
	enum { N = 4000, HELPERS = 3 };
	struct analysis *alone = begin(NULL), *together = begin(NULL);
	struct gathering *helper[HELPERS];
	struct findings one, other;
	struct made m;

	(void)state;
	for (int i = 0; i < HELPERS; i++)
		helper[i] = analyze_helper(together, NULL);
	for (unsigned i = 0; i < N; i++) {
		make_rich(&m, i);
		push_record(alone, &m.rec);
		push_by(together, helper[i / 7 % HELPERS], &m.rec);
	}
	for (int i = HELPERS - 1; i >= 0; i--)
		analyze_take(together, helper[i]);
	one = finish(alone);
	other = finish(together);
	assert_same_findings(&one, &other);
	assert_same_json(&one, &other);
	findings_free(&one);
	findings_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_those_of_the_records),
		cmocka_unit_test(similarity_against_entropy_warns_of_collapse),
		cmocka_unit_test(violations_gather_into_events),
		cmocka_unit_test(one_record_may_break_several_limits),
		cmocka_unit_test(alarms_and_gaps_of_the_log_are_counted),
		cmocka_unit_test(the_first_alarm_has_its_place),
		cmocka_unit_test(only_what_was_asked_for_counts),
		cmocka_unit_test(nothing_makes_empty_findings),
		cmocka_unit_test(lists_are_capped_and_totals_are_not),
		cmocka_unit_test(only_whole_series_of_large_sessions_are_kept),
		cmocka_unit_test(rules_of_a_session_that_ended_are_given_up),
		cmocka_unit_test(norms_of_layers_are_followed),
		cmocka_unit_test(drift_is_told_per_session),
		cmocka_unit_test(levels_of_two_processes_are_no_change),
		cmocka_unit_test(few_values_are_counted_like_many),
		cmocka_unit_test(helpers_merge_into_the_whole),
	};

	return cmocka_run_group_tests(tests, open_rules, close_rules);
}
