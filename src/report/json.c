/* json.c - findings as one JSON object: published keys first, in their published order, extras behind them. */
#include "report/report.h"

#include "report/members.h"
#include "report/verdict_text.h"

#include <math.h>

static void put_summary(struct buf *out, const struct summary *s, const char *unit)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "unit", unit);
	member_u64(out, &first, "count", s->count);
	member_u64(out, &first, "missing", s->missing);
	member_u64(out, &first, "nonfinite", s->nonfinite);
	member_double(out, &first, "min", s->count ? s->min : (double)NAN);
	member_double(out, &first, "max", s->count ? s->max : (double)NAN);
	member_double(out, &first, "mean", s->count ? s->mean : (double)NAN);
	member_double(out, &first, "stddev", s->count > 1 ? s->stddev : (double)NAN);
	member_double(out, &first, "p50", s->count ? s->p50 : (double)NAN);
	member_double(out, &first, "p90", s->count ? s->p90 : (double)NAN);
	member_double(out, &first, "p95", s->count ? s->p95 : (double)NAN);
	member_double(out, &first, "p99", s->count ? s->p99 : (double)NAN);
	buf_char(out, '}');
}

static void put_metrics(struct buf *out, const struct summary metric[METRIC_COUNT])
{
	bool first = true;

	buf_char(out, '{');
	for (int m = 0; m < METRIC_COUNT; m++) {
		key(out, &first, metric_specs[m].id);
		if (metric[m].count || metric[m].nonfinite)
			put_summary(out, &metric[m], metric_specs[m].unit);
		else
			buf_str(out, "null");
	}
	buf_char(out, '}');
}

static void put_input(struct buf *out, const struct findings *f)
{
	bool first = true, none = true;

	buf_char(out, '{');
	key(out, &first, "files");
	buf_char(out, '[');
	for (size_t i = 0; i < f->n_files; i++) {
		comma(out, &none);
		buf_json_string(out, slice_of(f->files[i]));
	}
	buf_char(out, ']');
	member_u64(out, &first, "bytes", f->bytes);
	member_u64(out, &first, "lines", f->lines);
	member_u64(out, &first, "records", f->records);
	member_u64(out, &first, "skipped_lines", f->skipped_lines);
	key(out, &first, "skipped");
	buf_char(out, '[');
	none = true;
	for (size_t i = 0; i < f->n_skipped; i++) {
		bool in = true;

		comma(out, &none);
		buf_char(out, '{');
		member_text(out, &in, "file", f->skipped[i].file);
		member_u64(out, &in, "line", f->skipped[i].line);
		member_text(out, &in, "reason", f->skipped[i].reason);
		buf_char(out, '}');
	}
	buf_str(out, "]}");
}

static void put_span(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	member_time(out, &first, "from", f->from_us, f->records);
	member_time(out, &first, "to", f->to_us, f->records);
	member_double(out, &first, "seconds", f->records ? (double)(f->to_us - f->from_us) / 1e6 : (double)NAN);
	buf_char(out, '}');
}

static void put_first_bad(struct buf *out, const struct first_bad *b)
{
	bool first = true;

	if (!b->known) {
		buf_str(out, "null");
		return;
	}
	buf_char(out, '{');
	member_text(out, &first, "alarm_type", alarm_specs[b->type].id);
	member_time(out, &first, "at", b->time_us, true);
	if (b->sequence_length) {
		member_u64(out, &first, "sequence", b->sequence);
		member_u64(out, &first, "sequence_length", b->sequence_length);
	}
	if (isfinite(b->layer))
		member_double(out, &first, "layer", b->layer);
	buf_char(out, '}');
}

static void put_norms(struct buf *out, const struct state_evolution *s)
{
	enum { DECIMALS = 4 };
	bool none = true;

	if (!s->n_layers) {
		buf_str(out, "null");
		return;
	}
	buf_char(out, '[');
	for (size_t i = 0; i < s->n_layers; i++) {
		const double v[] = { s->layer[i].first, s->layer[i].last, s->layer[i].min, s->layer[i].max };
		static const char *const names[] = { "first", "last", "min", "max" };
		bool first = true;

		comma(out, &none);
		buf_char(out, '{');
		for (size_t k = 0; k < 4; k++) {
			key(out, &first, names[k]);
			buf_json_decimal(out, v[k], DECIMALS);
		}
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_drift_at(struct buf *out, bool *first, const char *name, const struct drift_at *d)
{
	bool in = true;

	key(out, first, name);
	buf_char(out, '{');
	member_double(out, &in, "value", d->value);
	member_time(out, &in, "at", d->time_us, true);
	member_u64(out, &in, "sequence", d->sequence);
	member_u64(out, &in, "sequence_length", d->sequence_length);
	buf_char(out, '}');
}

static void put_drift(struct buf *out, const struct drift *d)
{
	bool first = true;

	if (!d->samples) {
		buf_str(out, "null");
		return;
	}
	buf_char(out, '{');
	member_u64(out, &first, "samples", d->samples);
	put_drift_at(out, &first, "first", &d->first);
	put_drift_at(out, &first, "last", &d->last);
	put_drift_at(out, &first, "max", &d->most);
	buf_char(out, '}');
}

static void put_state(struct buf *out, const struct session_findings *s)
{
	bool first = true;

	buf_char(out, '{');
	member_double(out, &first, "similarity_entropy_pearson", s->similarity_entropy_pearson);
	member_bool(out, &first, "collapse_warning", s->collapse_warning);
	member_u64(out, &first, "pairs", s->state.pairs);
	key(out, &first, "path");
	buf_json_decimal(out, s->state.path, metric_specs[M_STATE_CHANGE].decimals);
	key(out, &first, "first_nonfinite");
	put_first_bad(out, &s->state.first_nonfinite);
	key(out, &first, "first_bad");
	put_first_bad(out, &s->state.first_bad);
	key(out, &first, "norms");
	put_norms(out, &s->state);
	key(out, &first, "drift");
	put_drift(out, &s->state.drift);
	buf_char(out, '}');
}

static void put_jitter(struct buf *out, const struct jitter jitter[PHASE_COUNT])
{
	bool first = true;

	buf_char(out, '{');
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		bool in = true;

		if (!jitter[phase].pairs)
			continue;
		key(out, &first, phase == PHASE_UNKNOWN ? "unknown" : phase_ids[phase]);
		buf_char(out, '{');
		member_u64(out, &in, "pairs", jitter[phase].pairs);
		member_double(out, &in, "mean_ms", jitter[phase].mean_ms);
		buf_char(out, '}');
	}
	buf_char(out, '}');
}

static void put_distribution(struct buf *out, const struct histogram of[PHASE_COUNT])
{
	bool first = true;

	buf_char(out, '{');
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		const struct histogram *h = &of[phase];
		bool in = true;

		if (!h->n)
			continue;
		key(out, &first, phase == PHASE_UNKNOWN ? "unknown" : phase_ids[phase]);
		buf_char(out, '{');
		member_double(out, &in, "low", h->low);
		member_double(out, &in, "high", h->high);
		key(out, &in, "steps");
		for (size_t i = 0; i < h->n; i++) {
			buf_char(out, i ? ',' : '[');
			buf_u64(out, h->bin[i]);
		}
		buf_str(out, "]}");
	}
	buf_char(out, '}');
}

static void put_session(struct buf *out, const struct session_findings *s)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "session_id", s->session_id);
	member_known_text(out, &first, "model_name", s->model_name);
	member_known_text(out, &first, "strategy", s->strategy);
	member_u64(out, &first, "records", s->records);
	member_u64(out, &first, "tokens", s->tokens);
	member_time(out, &first, "from", s->from_us, s->records);
	member_time(out, &first, "to", s->to_us, s->records);
	key(out, &first, "metrics");
	put_metrics(out, s->metric);
	key(out, &first, "state");
	put_state(out, s);
	member_u64(out, &first, "sequences", s->sequences);
	member_known_text(out, &first, "instance", s->instance);
	key(out, &first, "jitter");
	put_jitter(out, s->jitter);
	buf_char(out, '}');
}

static void put_counts(struct buf *out, const uint64_t by_type[ALARM_TYPE_COUNT])
{
	bool first = true;

	buf_char(out, '{');
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (by_type[type])
			member_u64(out, &first, alarm_specs[type].id, by_type[type]);
	buf_char(out, '}');
}

static void put_event(struct buf *out, const struct anomaly_event *e)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "alarm_type", alarm_specs[e->type].id);
	member_text(out, &first, "session_id", e->session_id);
	member_time(out, &first, "from", e->from_us, true);
	member_time(out, &first, "to", e->to_us, true);
	member_u64(out, &first, "records", e->records);
	member_double(out, &first, "worst", e->worst);
	member_text(out, &first, "severity", severity_ids[e->severity]);
	member_text(out, &first, "metric", metric_specs[e->metric].id);
	member_double(out, &first, "limit", e->limit);
	buf_char(out, '}');
}

/* What to do about each type that occurs. */
static void put_advice(struct buf *out, const struct findings *f, enum lang lang)
{
	bool first = true;

	buf_char(out, '{');
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (f->anomaly_advice[type][lang])
			member_text(out, &first, alarm_specs[type].id, f->anomaly_advice[type][lang]);
	buf_char(out, '}');
}

static void put_limits(struct buf *out, const struct findings *f)
{
	bool none = true;

	buf_char(out, '[');
	for (size_t i = 0; i < f->n_limits; i++) {
		const struct limit_in_force *l = &f->limit[i];
		bool first = true;

		comma(out, &none);
		buf_char(out, '{');
		member_text(out, &first, "metric", metric_specs[l->metric].id);
		member_text(out, &first, "alarm_type", alarm_specs[l->type].id);
		member_text(out, &first, "severity", severity_ids[l->severity]);
		member_text(out, &first, "side", l->above ? "above" : "below");
		member_double(out, &first, "value", l->value);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_anomalies(struct buf *out, const struct findings *f, enum lang lang)
{
	bool first = true, none = true;

	buf_char(out, '{');
	member_u64(out, &first, "records", f->anomaly_records);
	key(out, &first, "by_type");
	put_counts(out, f->anomaly_by_type);
	key(out, &first, "events");
	buf_char(out, '[');
	for (size_t i = 0; i < f->n_events; i++) {
		comma(out, &none);
		put_event(out, &f->event[i]);
	}
	buf_char(out, ']');
	member_u64(out, &first, "events_total", f->events_total);
	member_known_text(out, &first, "rule_set", f->rule_set);
	key(out, &first, "advice");
	put_advice(out, f, lang);
	key(out, &first, "limits");
	put_limits(out, f);
	buf_char(out, '}');
}

static void put_phases(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	for (int phase = PHASE_PREFILL; phase < PHASE_COUNT; phase++) {
		key(out, &first, phase_ids[phase]);
		put_metrics(out, f->phase[phase]);
	}
	buf_char(out, '}');
}

static void put_trend(struct buf *out, const struct trend *t)
{
	bool first = true;

	buf_char(out, '{');
	member_double(out, &first, "slope_per_hour", t->slope_per_hour);
	member_double(out, &first, "low", t->low);
	member_double(out, &first, "high", t->high);
	member_bool(out, &first, "significant", t->significant);
	member_double(out, &first, "start", t->start);
	member_double(out, &first, "change", t->change);
	member_u64(out, &first, "points", t->points);
	buf_char(out, '}');
}

static void put_trends(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	for (int m = 0; m < METRIC_COUNT; m++)
		if (isfinite(f->trend[m].slope_per_hour)) {
			key(out, &first, metric_specs[m].id);
			put_trend(out, &f->trend[m]);
		}
	buf_char(out, '}');
}

static void put_changes(struct buf *out, const struct findings *f)
{
	bool none = true;

	buf_char(out, '[');
	for (size_t i = 0; i < f->n_changes; i++) {
		const struct change_point *c = &f->change[i];
		bool first = true;

		comma(out, &none);
		buf_char(out, '{');
		member_text(out, &first, "metric", metric_specs[c->metric].id);
		member_time(out, &first, "at", c->time_us, true);
		member_double(out, &first, "before", c->before);
		member_double(out, &first, "after", c->after);
		key(out, &first, "score");
		buf_json_decimal(out, c->score, 1);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_moment(struct buf *out, const struct moment *m)
{
	bool first = true, none = true;

	buf_char(out, '{');
	member_double(out, &first, "value", m->value);
	member_time(out, &first, "at", m->time_us, true);
	member_known_text(out, &first, "session_id", m->session_id);
	if (m->phase != PHASE_UNKNOWN)
		member_text(out, &first, "phase", phase_ids[m->phase]);
	member_u64(out, &first, "sequence", m->sequence);
	member_u64(out, &first, "sequence_length", m->sequence_length);
	member_u64(out, &first, "token_count", m->token_count);
	key(out, &first, "record");
	buf_char(out, '{');
	for (int i = 0; i < METRIC_COUNT; i++)
		if (m->have >> i & 1)
			member_double(out, &none, metric_specs[i].id, m->of[i]);
	buf_str(out, "}}");
}

static void put_worst(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	for (size_t i = 0; i < f->n_worst; i++) {
		bool opens = !i || f->worst[i].metric != f->worst[i - 1].metric;

		if (opens) {
			key(out, &first, metric_specs[f->worst[i].metric].id);
			buf_char(out, '[');
		} else {
			buf_char(out, ',');
		}
		put_moment(out, &f->worst[i]);
		if (i + 1 == f->n_worst || f->worst[i + 1].metric != f->worst[i].metric)
			buf_char(out, ']');
	}
	buf_char(out, '}');
}

static void put_correlations(struct buf *out, const struct findings *f)
{
	bool none = true;

	buf_char(out, '[');
	for (size_t i = 0; i < f->n_correlations; i++) {
		const struct correlation *c = &f->correlation[i];
		bool first = true;

		comma(out, &none);
		buf_char(out, '{');
		member_text(out, &first, "a", pair_column_id(pair_specs[c->pair].a));
		member_text(out, &first, "b", pair_column_id(pair_specs[c->pair].b));
		key(out, &first, "r");
		buf_json_decimal(out, c->r, 6);
		key(out, &first, "low");
		buf_json_decimal(out, c->low, 4);
		key(out, &first, "high");
		buf_json_decimal(out, c->high, 4);
		member_u64(out, &first, "steps", c->steps);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_octaves(struct buf *out, const struct by_position *p)
{
	bool none = true;

	buf_char(out, '[');
	for (int i = 0; i < FINDINGS_OCTAVES; i++) {
		bool first = true;

		if (!p->count[i])
			continue;
		comma(out, &none);
		buf_char(out, '{');
		member_u64(out, &first, "from", UINT64_C(1) << i);
		member_u64(out, &first, "count", p->count[i]);
		member_double(out, &first, "mean", p->mean[i]);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_positions(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->position[m]) {
			key(out, &first, metric_specs[m].id);
			put_octaves(out, f->position[m]);
		}
	buf_char(out, '}');
}

static void put_instances(struct buf *out, const struct findings *f)
{
	bool none = true;

	buf_char(out, '[');
	for (size_t i = 0; i < f->n_instances; i++) {
		const struct instance_findings *in = &f->instance[i];
		bool first = true;

		comma(out, &none);
		buf_char(out, '{');
		member_known_text(out, &first, "instance", in->instance);
		member_u64(out, &first, "sessions", in->sessions);
		member_u64(out, &first, "records", in->records);
		member_u64(out, &first, "tokens", in->tokens);
		member_time(out, &first, "from", in->from_us, in->records);
		member_time(out, &first, "to", in->to_us, in->records);
		key(out, &first, "metrics");
		put_metrics(out, in->metric);
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static void put_live(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	key(out, &first, "alarms");
	put_counts(out, f->live_alarms);
	member_u64(out, &first, "dropped", f->dropped);
	buf_char(out, '}');
}

static void put_verdict_text(struct buf *out, const struct findings *f, enum lang lang)
{
	struct buf text = { 0 };

	verdict_sentence(&text, f, lang);
	buf_json_string(out, buf_slice(&text));
	out->failed |= text.failed;
	buf_free(&text);
}

void report_json(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	bool first = true, none = true;

	buf_char(out, '{');
	key(out, &first, "input");
	put_input(out, f);
	key(out, &first, "span");
	put_span(out, f);
	key(out, &first, "metrics");
	put_metrics(out, f->metric);
	key(out, &first, "sessions");
	buf_char(out, '[');
	for (size_t i = 0; i < f->n_sessions; i++) {
		comma(out, &none);
		put_session(out, &f->session[i]);
	}
	buf_char(out, ']');
	member_u64(out, &first, "sessions_total", f->sessions_total);
	key(out, &first, "anomalies");
	put_anomalies(out, f, opts->lang);
	member_text(out, &first, "verdict", verdict_ids[f->verdict]);
	key(out, &first, "verdict_text");
	put_verdict_text(out, f, opts->lang);
	member_u64(out, &first, "tokens", f->tokens);
	key(out, &first, "phases");
	put_phases(out, f);
	key(out, &first, "live");
	put_live(out, f);
	key(out, &first, "trends");
	put_trends(out, f);
	key(out, &first, "changes");
	put_changes(out, f);
	key(out, &first, "worst");
	put_worst(out, f);
	key(out, &first, "correlations");
	put_correlations(out, f);
	key(out, &first, "jitter");
	put_jitter(out, f->jitter);
	key(out, &first, "by_position");
	put_positions(out, f);
	key(out, &first, "instances");
	put_instances(out, f);
	member_u64(out, &first, "instances_total", f->instances_total);
	key(out, &first, "distribution");
	put_distribution(out, f->latency);
	buf_str(out, "}\n");
}
