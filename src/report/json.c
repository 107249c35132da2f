/* json.c - findings as one JSON object: published keys first, in their published order, extras behind them. */
#include "report/actions.h"
#include "report/fleet.h"
#include "report/gpus.h"
#include "report/report.h"
#include "report/unjudged.h"
#include "report/unusual_words.h"

#include "analyze/requests.h"
#include "base/json.h"

#include <math.h>

static void put_summary(struct json *out, const struct summary *s, const char *unit)
{
	jw_object(out);
	jw_put_text(out, "unit", unit);
	jw_put_u64(out, "count", s->count);
	jw_put_u64(out, "missing", s->missing);
	jw_put_u64(out, "nonfinite", s->nonfinite);
	jw_put_double(out, "min", s->count ? s->min : (double)NAN);
	jw_put_double(out, "max", s->count ? s->max : (double)NAN);
	jw_put_double(out, "mean", s->count ? s->mean : (double)NAN);
	jw_put_double(out, "stddev", s->count > 1 ? s->stddev : (double)NAN);
	jw_put_double(out, "p50", s->count ? s->p50 : (double)NAN);
	jw_put_double(out, "p90", s->count ? s->p90 : (double)NAN);
	jw_put_double(out, "p95", s->count ? s->p95 : (double)NAN);
	jw_put_double(out, "p99", s->count ? s->p99 : (double)NAN);
	jw_end(out);
}

static void put_metrics(struct json *out, const struct summary metric[METRIC_COUNT])
{
	jw_object(out);
	for (int m = 0; m < METRIC_COUNT; m++) {
		jw_key(out, metric_specs[m].id);
		if (metric[m].count || metric[m].nonfinite)
			put_summary(out, &metric[m], metric_specs[m].unit);
		else
			jw_null(out);
	}
	jw_end(out);
}

static void put_read(struct json *out, const char *key, const struct findings *f, uint64_t n)
{
	if (f->has_input)
		jw_put_u64(out, key, n);
	else
		jw_put_null(out, key);
}

void report_json_skipped(struct json *out, const struct findings *f)
{
	put_read(out, "skipped_lines", f, f->skipped_lines);
	jw_put_array(out, "skipped");
	for (size_t i = 0; i < f->n_skipped; i++) {
		jw_object(out);
		jw_put_text(out, "file", f->skipped[i].file);
		jw_put_u64(out, "line", f->skipped[i].line);
		jw_put_text(out, "reason", f->skipped[i].reason);
		jw_end(out);
	}
	jw_end(out);
}

static void put_input(struct json *out, const struct findings *f)
{
	jw_object(out);
	if (f->n_files) {
		jw_put_array(out, "files");
		for (size_t i = 0; i < f->n_files; i++)
			jw_text(out, f->files[i]);
		jw_end(out);
	} else {
		jw_put_null(out, "files");
	}
	put_read(out, "bytes", f, f->bytes);
	put_read(out, "lines", f, f->lines);
	jw_put_u64(out, "records", f->records);
	report_json_skipped(out, f);
	jw_put_u64(out, "missing_records", f->missing_records);
	jw_put_u64(out, "doubled_records", f->doubled_records);
	jw_put_u64(out, "untimed_lines", f->untimed_lines);
	jw_end(out);
}

static void put_span(struct json *out, const struct findings *f)
{
	jw_object(out);
	jw_put_time(out, "from", f->from_us, f->records);
	jw_put_time(out, "to", f->to_us, f->records);
	jw_put_double(out, "seconds", f->records ? (double)(f->to_us - f->from_us) / 1e6 : (double)NAN);
	jw_end(out);
}

static void put_first_bad(struct json *out, const struct first_bad *b)
{
	if (!b->known) {
		jw_null(out);
		return;
	}
	jw_object(out);
	jw_put_text(out, "alarm_type", alarm_specs[b->type].id);
	jw_put_time(out, "at", b->time_us, true);
	if (b->sequence_length) {
		jw_put_u64(out, "sequence", b->sequence);
		jw_put_u64(out, "sequence_length", b->sequence_length);
	}
	if (isfinite(b->layer))
		jw_put_double(out, "layer", b->layer);
	jw_end(out);
}

static void put_norms(struct json *out, const struct state_evolution *s)
{
	enum { DECIMALS = 4 };

	if (!s->n_layers) {
		jw_null(out);
		return;
	}
	jw_array(out);
	for (size_t i = 0; i < s->n_layers; i++) {
		const double v[] = { s->layer[i].first, s->layer[i].last, s->layer[i].min, s->layer[i].max };
		static const char *const names[] = { "first", "last", "min", "max" };

		jw_object(out);
		for (size_t k = 0; k < 4; k++) {
			jw_put_decimal(out, names[k], v[k], DECIMALS);
		}
		jw_end(out);
	}
	jw_end(out);
}

static void put_drift_at(struct json *out, const char *name, const struct drift_at *d)
{
	jw_put_object(out, name);
	jw_put_double(out, "value", d->value);
	jw_put_time(out, "at", d->time_us, true);
	jw_put_u64(out, "sequence", d->sequence);
	jw_put_u64(out, "sequence_length", d->sequence_length);
	jw_end(out);
}

static void put_drift(struct json *out, const struct drift *d)
{
	if (!d->samples) {
		jw_null(out);
		return;
	}
	jw_object(out);
	jw_put_u64(out, "samples", d->samples);
	put_drift_at(out, "first", &d->first);
	put_drift_at(out, "last", &d->last);
	put_drift_at(out, "max", &d->most);
	jw_end(out);
}

static void put_state(struct json *out, const struct session_findings *s)
{
	jw_object(out);
	jw_put_double(out, "similarity_entropy_pearson", s->similarity_entropy_pearson);
	jw_put_bool(out, "collapse_warning", s->collapse_warning);
	jw_put_u64(out, "pairs", s->state.pairs);
	jw_put_decimal(out, "path", s->state.path, metric_specs[M_STATE_CHANGE].decimals);
	jw_key(out, "first_nonfinite");
	put_first_bad(out, &s->state.first_nonfinite);
	jw_key(out, "first_bad");
	put_first_bad(out, &s->state.first_bad);
	jw_key(out, "norms");
	put_norms(out, &s->state);
	jw_key(out, "drift");
	put_drift(out, &s->state.drift);
	jw_end(out);
}

static void put_jitter(struct json *out, const struct jitter jitter[PHASE_COUNT])
{
	jw_object(out);
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		if (!jitter[phase].pairs)
			continue;
		jw_put_object(out, phase == PHASE_UNKNOWN ? "unknown" : phase_ids[phase]);
		jw_put_u64(out, "pairs", jitter[phase].pairs);
		jw_put_double(out, "mean_ms", jitter[phase].mean_ms);
		jw_end(out);
	}
	jw_end(out);
}

static void put_distribution(struct json *out, const struct histogram of[PHASE_COUNT])
{
	jw_object(out);
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		const struct histogram *h = &of[phase];

		if (!h->n)
			continue;
		jw_put_object(out, phase == PHASE_UNKNOWN ? "unknown" : phase_ids[phase]);
		jw_put_double(out, "low", h->low);
		jw_put_double(out, "high", h->high);
		jw_put_array(out, "steps");
		for (size_t i = 0; i < h->n; i++)
			jw_u64(out, h->bin[i]);
		jw_end(out);
		jw_end(out);
	}
	jw_end(out);
}

static void put_session(struct json *out, const struct session_findings *s)
{
	struct summary metric[METRIC_COUNT];

	jw_object(out);
	jw_put_text(out, "session_id", s->session_id);
	jw_put_known_text(out, "model_name", s->model_name);
	jw_put_known_text(out, "strategy", s->strategy);
	jw_put_u64(out, "records", s->records);
	jw_put_u64(out, "tokens", s->tokens);
	jw_put_time(out, "from", s->from_us, s->records);
	jw_put_time(out, "to", s->to_us, s->records);
	jw_key(out, "metrics");
	session_metrics(s, metric);
	put_metrics(out, metric);
	jw_key(out, "state");
	put_state(out, s);
	jw_put_u64(out, "sequences", s->sequences);
	jw_put_known_text(out, "instance", s->instance);
	jw_key(out, "jitter");
	put_jitter(out, s->jitter);
	jw_end(out);
}

static void put_counts(struct json *out, const uint64_t by_type[ALARM_TYPE_COUNT])
{
	jw_object(out);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (by_type[type])
			jw_put_u64(out, alarm_specs[type].id, by_type[type]);
	jw_end(out);
}

static void put_event(struct json *out, const struct anomaly_event *e)
{
	jw_object(out);
	jw_put_text(out, "alarm_type", alarm_specs[e->type].id);
	jw_put_text(out, "session_id", e->session_id);
	jw_put_time(out, "from", e->from_us, true);
	jw_put_time(out, "to", e->to_us, true);
	jw_put_u64(out, "records", e->records);
	jw_put_double(out, "worst", e->worst);
	jw_put_text(out, "severity", severity_ids[e->severity]);
	jw_put_text(out, "metric", metric_specs[e->metric].id);
	jw_put_double(out, "limit", e->limit);
	jw_end(out);
}

/* What to do about each type that occurs. */
static void put_advice(struct json *out, const struct findings *f, enum lang lang)
{
	jw_object(out);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (f->anomaly_advice[type][lang])
			jw_put_text(out, alarm_specs[type].id, f->anomaly_advice[type][lang]);
	jw_end(out);
}

static void put_limits(struct json *out, const struct findings *f)
{
	jw_array(out);
	for (size_t i = 0; i < f->n_limits; i++) {
		const struct limit_in_force *l = &f->limit[i];

		jw_object(out);
		jw_put_text(out, "metric", metric_specs[l->metric].id);
		jw_put_text(out, "alarm_type", alarm_specs[l->type].id);
		jw_put_text(out, "severity", severity_ids[l->severity]);
		jw_put_text(out, "side", l->above ? "above" : "below");
		jw_put_double(out, "value", l->value);
		jw_end(out);
	}
	jw_end(out);
}

static void put_anomalies(struct json *out, const struct findings *f, enum lang lang)
{
	jw_object(out);
	jw_put_u64(out, "records", f->anomaly_records);
	jw_key(out, "by_type");
	put_counts(out, f->anomaly_by_type);
	jw_put_array(out, "events");
	for (size_t i = 0; i < f->n_events; i++) {
		put_event(out, &f->event[i]);
	}
	jw_end(out);
	jw_put_u64(out, "events_total", f->events_total);
	jw_put_known_text(out, "rule_set", f->rule_set);
	unjudged_json(out, f->unjudged, f->n_unjudged);
	jw_key(out, "advice");
	put_advice(out, f, lang);
	jw_key(out, "limits");
	put_limits(out, f);
	jw_end(out);
}

static void put_phases(struct json *out, const struct findings *f)
{
	jw_object(out);
	for (int phase = PHASE_PREFILL; phase < PHASE_COUNT; phase++) {
		jw_key(out, phase_ids[phase]);
		put_metrics(out, f->phase[phase]);
	}
	jw_end(out);
}

static void put_trend(struct json *out, const struct trend *t)
{
	jw_object(out);
	jw_put_double(out, "slope_per_hour", t->slope_per_hour);
	jw_put_double(out, "low", t->low);
	jw_put_double(out, "high", t->high);
	jw_put_bool(out, "significant", t->significant);
	jw_put_double(out, "start", t->start);
	jw_put_double(out, "change", t->change);
	jw_put_u64(out, "points", t->points);
	jw_put_double(out, "independent", t->independent);
	jw_put_double(out, "memory_s", t->memory_us / 1e6);
	jw_end(out);
}

static void put_trends(struct json *out, const struct trend *of)
{
	jw_object(out);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (isfinite(of[m].slope_per_hour)) {
			jw_key(out, metric_specs[m].id);
			put_trend(out, &of[m]);
		}
	jw_end(out);
}

static void put_changes(struct json *out, const struct findings *f)
{
	jw_array(out);
	for (size_t i = 0; i < f->n_changes; i++) {
		const struct change_point *c = &f->change[i];

		jw_object(out);
		jw_put_text(out, "metric", metric_specs[c->metric].id);
		jw_put_time(out, "at", c->time_us, true);
		jw_put_double(out, "before", c->before);
		jw_put_double(out, "after", c->after);
		jw_put_decimal(out, "score", c->score, 1);
		if (c->instance)
			jw_put_known_text(out, "instance", c->instance);
		jw_end(out);
	}
	jw_end(out);
}

static void put_moment(struct json *out, const struct moment *m)
{
	jw_object(out);
	jw_put_double(out, "value", m->value);
	jw_put_time(out, "at", m->time_us, true);
	jw_put_known_text(out, "session_id", m->session_id);
	if (m->phase != PHASE_UNKNOWN)
		jw_put_text(out, "phase", phase_ids[m->phase]);
	jw_put_u64(out, "sequence", m->sequence);
	jw_put_u64(out, "sequence_length", m->sequence_length);
	jw_put_u64(out, "token_count", m->token_count);
	jw_put_object(out, "record");
	for (int i = 0; i < METRIC_COUNT; i++)
		if (m->have >> i & 1)
			jw_put_double(out, metric_specs[i].id, m->of[i]);
	jw_end(out);
	jw_end(out);
}

static void put_worst(struct json *out, const struct findings *f)
{
	jw_object(out);
	for (size_t i = 0; i < f->n_worst; i++) {
		bool opens = !i || f->worst[i].metric != f->worst[i - 1].metric;

		if (opens)
			jw_put_array(out, metric_specs[f->worst[i].metric].id);
		put_moment(out, &f->worst[i]);
		if (i + 1 == f->n_worst || f->worst[i + 1].metric != f->worst[i].metric)
			jw_end(out);
	}
	jw_end(out);
}

static void put_correlations(struct json *out, const struct findings *f)
{
	jw_array(out);
	for (size_t i = 0; i < f->n_correlations; i++) {
		const struct correlation *c = &f->correlation[i];

		jw_object(out);
		jw_put_text(out, "a", pair_column_id(pair_specs[c->pair].a));
		jw_put_text(out, "b", pair_column_id(pair_specs[c->pair].b));
		jw_put_decimal(out, "r", c->r, 6);
		jw_put_decimal(out, "low", c->low, 4);
		jw_put_decimal(out, "high", c->high, 4);
		jw_put_u64(out, "steps", c->steps);
		jw_put_decimal(out, "independent", c->independent, 1);
		jw_end(out);
	}
	jw_end(out);
}

static void put_octaves(struct json *out, const struct by_position *p)
{
	jw_array(out);
	for (int i = 0; i < FINDINGS_OCTAVES; i++) {
		if (!p->count[i])
			continue;
		jw_object(out);
		jw_put_u64(out, "from", UINT64_C(1) << i);
		jw_put_u64(out, "count", p->count[i]);
		jw_put_double(out, "mean", p->mean[i]);
		jw_end(out);
	}
	jw_end(out);
}

static void put_positions(struct json *out, const struct findings *f)
{
	jw_object(out);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->position[m]) {
			jw_key(out, metric_specs[m].id);
			put_octaves(out, f->position[m]);
		}
	jw_end(out);
}

static void put_instances(struct json *out, const struct findings *f)
{
	jw_array(out);
	for (size_t i = 0; i < f->n_instances; i++) {
		const struct instance_findings *in = &f->instance[i];

		jw_object(out);
		jw_put_known_text(out, "instance", in->instance);
		jw_put_u64(out, "sessions", in->sessions);
		jw_put_u64(out, "records", in->records);
		jw_put_u64(out, "tokens", in->tokens);
		jw_put_u64(out, "violating_records", in->violating);
		jw_put_time(out, "from", in->from_us, in->records);
		jw_put_time(out, "to", in->to_us, in->records);
		jw_key(out, "metrics");
		put_metrics(out, in->metric);
		if (in->trend) {
			jw_key(out, "trends");
			put_trends(out, in->trend);
		}
		jw_end(out);
	}
	jw_end(out);
}

static void put_peers(struct json *out, const struct peer_findings *p)
{
	jw_object(out);
	jw_put_u64(out, "groups", p->groups);
	jw_put_u64(out, "compared", p->compared);
	jw_put_u64(out, "alone", p->alone);
	jw_put_u64(out, "mixed", p->mixed);
	jw_put_array(out, "outliers");
	for (size_t i = 0; i < p->n_outliers; i++) {
		const struct peer_outlier *o = &p->outlier[i];

		jw_object(out);
		jw_put_known_text(out, "instance", o->instance);
		jw_put_known_text(out, "model_name", o->model_name);
		jw_put_known_text(out, "strategy", o->strategy);
		peer_json(out, o);
		jw_end(out);
	}
	jw_end(out);
	jw_end(out);
}

/* null: nobody says how requests ended. */
static void put_requests(struct json *out, const struct findings *f)
{
	const struct request_counts n = requests_of(f);

	if (!n.ended) {
		jw_put_null(out, "requests");
		return;
	}
	jw_put_object(out, "requests");
	jw_put_u64(out, "ended", n.ended);
	jw_put_u64(out, "failed", n.failed);
	jw_put_u64(out, "refused", n.refused);
	jw_put_double(out, "lowest_status", n.lowest);
	jw_put_double(out, "highest_status", n.highest);
	jw_end(out);
}

static void put_live(struct json *out, const struct findings *f)
{
	jw_object(out);
	jw_key(out, "alarms");
	put_counts(out, f->live_alarms);
	jw_put_u64(out, "dropped", f->dropped);
	jw_put_u64(out, "undelivered", f->undelivered.alarms);
	jw_put_u64(out, "undelivered_critical", f->undelivered.critical);
	if (f->undelivered.alarms)
		jw_put_text(out, "undelivered_why", f->undelivered.why);
	jw_key(out, "actions");
	actions_json(out, &f->actions);
	jw_end(out);
}

void report_json(struct buf *to, const struct findings *f, const struct report_options *opts)
{
	struct json json = { .out = to }, *out = &json;

	jw_object(out);
	jw_key(out, "input");
	put_input(out, f);
	jw_key(out, "span");
	put_span(out, f);
	jw_key(out, "metrics");
	put_metrics(out, f->metric);
	jw_put_array(out, "sessions");
	for (size_t i = 0; i < f->n_sessions; i++) {
		put_session(out, &f->session[i]);
	}
	jw_end(out);
	jw_put_u64(out, "sessions_total", f->sessions_total);
	if (f->sessions_from)
		jw_put_u64(out, "sessions_from", f->sessions_from);
	jw_key(out, "anomalies");
	put_anomalies(out, f, opts->lang);
	judgement_json(out, f, opts->lang);
	jw_put_u64(out, "tokens", f->tokens);
	jw_key(out, "phases");
	put_phases(out, f);
	put_requests(out, f);
	jw_key(out, "live");
	put_live(out, f);
	if (gpus_known(f)) {
		jw_key(out, "gpus");
		gpus_json(out, f);
	}
	jw_key(out, "trends");
	put_trends(out, f->trend);
	jw_key(out, "changes");
	put_changes(out, f);
	unusual_json(out, f);
	jw_key(out, "worst");
	put_worst(out, f);
	jw_key(out, "correlations");
	put_correlations(out, f);
	jw_key(out, "jitter");
	put_jitter(out, f->jitter);
	jw_key(out, "by_position");
	put_positions(out, f);
	jw_key(out, "instances");
	put_instances(out, f);
	jw_put_u64(out, "instances_total", f->instances_total);
	if (f->peers.groups) {
		jw_key(out, "peers");
		put_peers(out, &f->peers);
	}
	jw_key(out, "distribution");
	put_distribution(out, f->latency);
	jw_end(out);
	buf_char(to, '\n');
}
