#include "tui/board.h"

#include "report/members.h"
#include "report/verdict_text.h"

#include <math.h>
#include <stdlib.h>

static const int64_t STILL_FIRING_US = 10000000;

/* In the order in which they are shown. */
static const enum metric_id shown[BOARD_METRICS] = {
	M_TOKEN_LATENCY_MS, M_THROUGHPUT_TPS, M_TIME_TO_FIRST_TOKEN_MS, M_CHUNK_PROCESS_TIME_MS, M_LOGITS_ENTROPY,
	M_TOKEN_REPETITION_PCT, M_STATE_SIMILARITY, M_SURPRISAL_NATS, M_GPU_UTILIZATION_PCT, M_CPU_UTILIZATION_PCT,
	M_PROCESS_MEMORY_MB, M_QUANT_KL_NATS,
};

static void copy(char *out, size_t n, const char *text)
{
	snprintf(out, n, "%s", text ? text : "");
}

/* The last BOARD_POINTS buckets; NAN where nothing was. */
static void take_points(const struct series *s, const struct bucket *row, double out[BOARD_POINTS])
{
	for (size_t i = 0; i < BOARD_POINTS; i++) {
		size_t back = BOARD_POINTS - 1 - i;
		const struct bucket *b = row && back < s->n ? &row[s->n - 1 - back] : NULL;

		out[i] = b && b->count ? b->mean : (double)NAN;
	}
}

static double latest(const double point[BOARD_POINTS])
{
	for (size_t i = BOARD_POINTS; i-- > 0;)
		if (isfinite(point[i]))
			return point[i];
	return (double)NAN;
}

/* The limit that lies nearest to the metric's median. */
static void take_limit(const struct findings *f, struct board_metric *m)
{
	m->limit = (double)NAN;
	for (size_t i = 0; i < f->n_limits; i++) {
		const struct limit_in_force *l = &f->limit[i];

		if (l->metric != m->metric)
			continue;
		m->bad |= l->above ? m->now > l->value : m->now < l->value;
		if (isnan(m->limit) || fabs(l->value - m->p50) < fabs(m->limit - m->p50))
			m->limit = l->value;
	}
}

static const struct bucket *row_of(const struct series *s, enum metric_id m)
{
	return s->apart[m] ? s->apart[m] : s->metric[m];
}

static void take_metric(struct board *b, const struct findings *f, enum metric_id m)
{
	bool decode = f->series.apart[m] && m != M_CHUNK_PROCESS_TIME_MS;
	const struct summary *s = decode && f->phase[PHASE_DECODE][m].count ? &f->phase[PHASE_DECODE][m] : &f->metric[m];
	struct board_metric *out = &b->metric[b->n_metrics];

	if (!f->metric[m].count)
		return;
	*out = (struct board_metric){ .metric = m, .p50 = s->p50, .p95 = s->p95 };
	take_points(&f->series, row_of(&f->series, m), out->point);
	out->now = latest(out->point);
	if (isnan(out->now))
		out->now = s->p50;
	take_limit(f, out);
	b->n_metrics++;
}

static void take_vram(struct board *b, const struct findings *f)
{
	double point[BOARD_POINTS];

	b->vram_used = b->vram_limit = (double)NAN;
	if (!f->metric[M_VRAM_USED_MB].count)
		return;
	take_points(&f->series, f->series.metric[M_VRAM_USED_MB], point);
	b->vram_used = latest(point);
	for (size_t i = 0; i < f->n_limits; i++)
		if (f->limit[i].metric == M_VRAM_USED_MB && f->limit[i].above)
			b->vram_limit = f->limit[i].value;
}

/* --- rows ------------------------------------------------------------------------------- */

static uint64_t events_of(const struct findings *f, const char *session)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->n_events; i++)
		n += !strcmp(f->event[i].session_id, session);
	return n;
}

static void take_numbers(struct board_row *out, const struct summary metric[METRIC_COUNT])
{
	out->throughput = metric[M_THROUGHPUT_TPS].p50;
	out->latency_p50 = metric[M_TOKEN_LATENCY_MS].p50;
	out->latency_p95 = metric[M_TOKEN_LATENCY_MS].p95;
	out->vram = metric[M_VRAM_USED_MB].p50;
}

static void take_session(struct board_row *out, const struct findings *f, const struct session_findings *s)
{
	*out = (struct board_row){ .records = s->records, .tokens = s->tokens, .events = events_of(f, s->session_id),
				   .bad = s->state.first_bad.known };
	copy(out->name, sizeof out->name, *s->session_id ? s->session_id : "-");
	take_numbers(out, s->metric);
	take_points(s->series ? s->series : &f->series, s->series ? row_of(s->series, M_TOKEN_LATENCY_MS) : NULL, out->point);
}

/* The largest session that has a series stands for its instance's course. */
static void take_instance(struct board_row *out, const struct findings *f, const struct instance_findings *in)
{
	const struct session_findings *largest = NULL;

	*out = (struct board_row){ .records = in->records, .tokens = in->tokens };
	copy(out->name, sizeof out->name, *in->instance ? in->instance : "-");
	take_numbers(out, in->metric);
	for (size_t i = 0; i < f->n_sessions; i++) {
		const struct session_findings *s = &f->session[i];

		if (strcmp(s->instance, in->instance))
			continue;
		out->events += events_of(f, s->session_id);
		out->bad |= s->state.first_bad.known;
		if (s->series && (!largest || s->records > largest->records))
			largest = s;
	}
	take_points(largest ? largest->series : &f->series, largest ? row_of(largest->series, M_TOKEN_LATENCY_MS) : NULL,
		    out->point);
}

static int busiest(const void *a, const void *b)
{
	const struct session_findings *x = *(const struct session_findings *const *)a;
	const struct session_findings *y = *(const struct session_findings *const *)b;

	if (x->to_us / STILL_FIRING_US != y->to_us / STILL_FIRING_US)
		return x->to_us > y->to_us ? -1 : 1;
	if (x->records != y->records)
		return x->records > y->records ? -1 : 1;
	return strcmp(x->session_id, y->session_id);
}

static void take_sessions(struct board *b, const struct findings *f)
{
	const struct session_findings **order = malloc((f->n_sessions + 1) * sizeof(const struct session_findings *));

	for (size_t i = 0; order && i < f->n_sessions; i++)
		order[i] = &f->session[i];
	if (order && f->n_sessions)
		qsort(order, f->n_sessions, sizeof *order, busiest);
	for (size_t i = 0; order && i < f->n_sessions && b->n_rows < BOARD_ROWS; i++)
		take_session(&b->row[b->n_rows++], f, order[i]);
	b->rows_total = f->sessions_total;
	free(order);
}

static void take_rows(struct board *b, const struct findings *f)
{
	b->by_instance = f->n_instances > 1;
	if (!b->by_instance) {
		take_sessions(b, f);
		return;
	}
	for (size_t i = 0; i < f->n_instances && b->n_rows < BOARD_ROWS; i++)
		take_instance(&b->row[b->n_rows++], f, &f->instance[i]);
	b->rows_total = f->instances_total;
}

static void take_alarms(struct board *b, const struct findings *f)
{
	for (size_t i = f->n_events; i-- > 0 && b->n_alarms < BOARD_ALARMS;) {
		const struct anomaly_event *e = &f->event[i];
		struct board_alarm *out = &b->alarm[b->n_alarms++];

		*out = (struct board_alarm){ .type = e->type, .severity = e->severity, .metric = e->metric, .from_us = e->from_us,
					     .to_us = e->to_us, .records = e->records, .worst = e->worst, .limit = e->limit,
					     .firing = f->to_us - e->to_us < STILL_FIRING_US };
		copy(out->session, sizeof out->session, e->session_id);
	}
	b->alarms_total = f->events_total;
}

void board_from_findings(struct board *out, const struct findings *f, const char *source)
{
	*out = (struct board){ .verdict = f->verdict, .records = f->records, .tokens = f->tokens,
			       .sessions = f->sessions_total, .dropped = f->dropped, .skipped = f->skipped_lines,
			       .from_us = f->from_us, .to_us = f->to_us, .point_seconds = (double)f->series.width_us / 1e6 };
	copy(out->source, sizeof out->source, source);
	for (size_t i = 0; i < BOARD_METRICS; i++)
		take_metric(out, f, shown[i]);
	take_vram(out, f);
	take_rows(out, f);
	take_alarms(out, f);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void put_metric(struct buf *out, const struct board_metric *m)
{
	bool first = true, none = true;

	buf_char(out, '{');
	member_double(out, &first, "now", m->now);
	member_double(out, &first, "p50", m->p50);
	member_double(out, &first, "p95", m->p95);
	member_double(out, &first, "limit", m->limit);
	member_bool(out, &first, "bad", m->bad);
	key(out, &first, "points");
	buf_char(out, '[');
	for (size_t i = 0; i < BOARD_POINTS; i++) {
		comma(out, &none);
		buf_json_double(out, m->point[i]);
	}
	buf_str(out, "]}");
}

static void put_row(struct buf *out, const struct board_row *r)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "name", r->name);
	member_u64(out, &first, "records", r->records);
	member_u64(out, &first, "tokens", r->tokens);
	member_double(out, &first, "throughput_tps", r->throughput);
	member_double(out, &first, "latency_p50_ms", r->latency_p50);
	member_double(out, &first, "latency_p95_ms", r->latency_p95);
	member_double(out, &first, "vram_used_mb", r->vram);
	member_u64(out, &first, "events", r->events);
	member_bool(out, &first, "went_wrong", r->bad);
	buf_char(out, '}');
}

static void put_alarm(struct buf *out, const struct board_alarm *a)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "alarm_type", alarm_specs[a->type].id);
	member_text(out, &first, "severity", severity_ids[a->severity]);
	member_text(out, &first, "session_id", a->session);
	member_time(out, &first, "from", a->from_us, true);
	member_time(out, &first, "to", a->to_us, true);
	member_bool(out, &first, "firing", a->firing);
	member_u64(out, &first, "records", a->records);
	member_text(out, &first, "metric", metric_specs[a->metric].id);
	member_double(out, &first, "worst", a->worst);
	member_double(out, &first, "limit", a->limit);
	buf_char(out, '}');
}

static void put_lists(struct buf *out, bool *first, const struct board *b)
{
	bool none = true;

	key(out, first, b->by_instance ? "instances" : "sessions");
	buf_char(out, '[');
	for (size_t i = 0; i < b->n_rows; i++) {
		comma(out, &none);
		put_row(out, &b->row[i]);
	}
	none = true;
	buf_str(out, "],\"alarms\":[");
	for (size_t i = 0; i < b->n_alarms; i++) {
		comma(out, &none);
		put_alarm(out, &b->alarm[i]);
	}
	buf_char(out, ']');
}

void board_json(struct buf *out, const struct board *b)
{
	bool first = true, none = true;

	buf_char(out, '{');
	member_text(out, &first, "source", b->source);
	member_text(out, &first, "verdict", verdict_ids[b->verdict]);
	member_time(out, &first, "from", b->from_us, b->records);
	member_time(out, &first, "to", b->to_us, b->records);
	member_u64(out, &first, "records", b->records);
	member_u64(out, &first, "tokens", b->tokens);
	member_u64(out, &first, "sessions_total", b->sessions);
	member_u64(out, &first, "dropped", b->dropped);
	member_u64(out, &first, "skipped_lines", b->skipped);
	member_double(out, &first, "point_seconds", b->point_seconds);
	key(out, &first, "metrics");
	buf_char(out, '{');
	for (size_t i = 0; i < b->n_metrics; i++) {
		key(out, &none, metric_specs[b->metric[i].metric].id);
		put_metric(out, &b->metric[i]);
	}
	buf_char(out, '}');
	member_double(out, &first, "vram_used_mb", b->vram_used);
	member_double(out, &first, "vram_limit_mb", b->vram_limit);
	put_lists(out, &first, b);
	member_u64(out, &first, "alarms_total", b->alarms_total);
	buf_str(out, "}\n");
}
