/* board.c - findings into rows, cells and lists. */
#include "tui/board.h"

#include "base/json.h"
#include "report/verdict_text.h"

#include <math.h>
#include <stdlib.h>

static const int64_t STILL_FIRING_US = 10000000;

/* In the order in which they are shown. */
static const enum metric_id shown[BOARD_METRICS] = {
	M_TOKEN_LATENCY_MS,    M_THROUGHPUT_TPS,       M_TIME_TO_FIRST_TOKEN_MS, M_CHUNK_PROCESS_TIME_MS,
	M_LOGITS_ENTROPY,      M_TOKEN_REPETITION_PCT, M_STATE_SIMILARITY,       M_SURPRISAL_NATS,
	M_GPU_UTILIZATION_PCT, M_CPU_UTILIZATION_PCT,  M_PROCESS_MEMORY_MB,      M_QUANT_KL_NATS,
};

static void copy(char *out, size_t n, const char *text)
{
	snprintf(out, n, "%s", text ? text : "");
}

/* The last BOARD_POINTS buckets; NAN where nothing was. */
static void fill_points(const struct series *s, const struct bucket *row, double out[BOARD_POINTS])
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
static void fill_limit(const struct findings *f, struct board_metric *m)
{
	m->limit = (double)NAN;
	for (size_t i = 0; i < f->n_limits; i++) {
		const struct limit_in_force *l = &f->limit[i];

		if (l->metric != m->metric)
			continue;
		m->bad |= l->above ? m->now > l->value : m->now < l->value;
		if (isnan(m->limit) || fabs(l->value - m->p50.value) < fabs(m->limit - m->p50.value))
			m->limit = l->value;
	}
}

static const struct bucket *row_of(const struct series *s, enum metric_id m)
{
	return s->apart[m] ? s->apart[m] : s->metric[m];
}

static void fill_metric(struct board *b, const struct findings *f, enum metric_id m)
{
	/* Now, median and p95 are of the same calls. */
	const struct summary *apart = f->phase[m == M_CHUNK_PROCESS_TIME_MS ? PHASE_PREFILL : PHASE_DECODE];
	const struct summary *s = f->series.apart[m] && apart[m].count ? &apart[m] : &f->metric[m];
	struct board_metric *out = &b->metric[b->n_metrics];

	if (!f->metric[m].count)
		return;
	*out = (struct board_metric){ .metric = m, .p50.value = s->p50, .p95.value = s->p95 };
	fill_points(&f->series, row_of(&f->series, m), out->point);
	out->now = latest(out->point);
	if (isnan(out->now))
		out->now = s->p50;
	fill_limit(f, out);
	b->n_metrics++;
}

static void fill_vram(struct board *b, const struct findings *f)
{
	double point[BOARD_POINTS];

	b->vram_used = b->vram_limit = (double)NAN;
	if (!f->metric[M_VRAM_USED_MB].count)
		return;
	fill_points(&f->series, f->series.metric[M_VRAM_USED_MB], point);
	b->vram_used = latest(point);
	for (size_t i = 0; i < f->n_limits; i++)
		if (f->limit[i].metric == M_VRAM_USED_MB && f->limit[i].above)
			b->vram_limit = f->limit[i].value;
}

/* --- rows ------------------------------------------------------------------------------- */

static uint64_t events_of(const struct findings *f, const struct session_findings *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->n_events; i++)
		n += !strcmp(f->event[i].session_id, s->session_id) && !strcmp(f->event[i].instance, s->instance);
	return n;
}

static void fill_numbers(struct board_row *out, const struct summary metric[METRIC_COUNT])
{
	out->throughput = metric[M_THROUGHPUT_TPS].p50;
	out->latency_p50.value = metric[M_TOKEN_LATENCY_MS].p50;
	out->latency_p95.value = metric[M_TOKEN_LATENCY_MS].p95;
	out->vram = metric[M_VRAM_USED_MB].p50;
}

static void fill_session(struct board_row *out, const struct findings *f, const struct session_findings *s)
{
	struct summary metric[METRIC_COUNT];

	*out = (struct board_row){
		.records = s->records, .tokens = s->tokens, .events = events_of(f, s), .bad = s->state.first_bad.known
	};
	copy(out->name, sizeof out->name, s->session_id);
	session_metrics(s, metric);
	fill_numbers(out, metric);
	fill_points(s->series ? s->series : &f->series, s->series ? row_of(s->series, M_TOKEN_LATENCY_MS) : NULL,
		    out->point);
}

/* An instance's trend is that of its largest session with a series. */
static void fill_instance(struct board_row *out, const struct findings *f, const struct instance_findings *in)
{
	const struct session_findings *largest = NULL;

	*out = (struct board_row){ .records = in->records,
				   .tokens = in->tokens,
				   .bad = in->verdict >= VERDICT_ATTENTION };
	copy(out->name, sizeof out->name, in->instance);
	fill_numbers(out, in->metric);
	for (size_t i = 0; i < f->n_sessions; i++) {
		const struct session_findings *s = &f->session[i];

		if (strcmp(s->instance, in->instance))
			continue;
		out->events += events_of(f, s);
		out->bad |= s->state.first_bad.known;
		if (s->series && (!largest || s->records > largest->records))
			largest = s;
	}
	fill_points(largest ? largest->series : &f->series,
		    largest ? row_of(largest->series, M_TOKEN_LATENCY_MS) : NULL, out->point);
}

static int busiest(const void *a, const void *b)
{
	const struct session_findings *x = *(const struct session_findings *const *)a;
	const struct session_findings *y = *(const struct session_findings *const *)b;

	if (x->to_us / STILL_FIRING_US != y->to_us / STILL_FIRING_US)
		return x->to_us > y->to_us ? -1 : 1;
	if (x->records != y->records)
		return x->records > y->records ? -1 : 1;
	return strcmp(x->session_id, y->session_id) ? strcmp(x->session_id, y->session_id)
						    : strcmp(x->instance, y->instance);
}

static void fill_sessions(struct board *b, const struct findings *f)
{
	const struct session_findings **order = malloc((f->n_sessions + 1) * sizeof(const struct session_findings *));

	for (size_t i = 0; order && i < f->n_sessions; i++)
		order[i] = &f->session[i];
	if (order && f->n_sessions)
		qsort(order, f->n_sessions, sizeof *order, busiest);
	for (size_t i = 0; order && i < f->n_sessions && b->n_rows < BOARD_ROWS; i++)
		fill_session(&b->row[b->n_rows++], f, order[i]);
	b->rows_total = f->sessions_total;
	free(order);
}

static void fill_rows(struct board *b, const struct findings *f)
{
	const struct instance_findings **order;

	b->by_instance = f->n_instances > 1;
	if (!b->by_instance) {
		fill_sessions(b, f);
		return;
	}
	order = malloc((f->n_instances + 1) * sizeof(const struct instance_findings *));
	if (order)
		instances_by_trouble(f, order);
	for (size_t i = 0; order && i < f->n_instances && b->n_rows < BOARD_ROWS; i++)
		fill_instance(&b->row[b->n_rows++], f, order[i]);
	free(order);
	b->rows_total = f->instances_total;
}

static void fill_alarms(struct board *b, const struct findings *f)
{
	for (size_t i = f->n_events; i-- > 0 && b->n_alarms < BOARD_ALARMS;) {
		const struct anomaly_event *e = &f->event[i];
		struct board_alarm *out = &b->alarm[b->n_alarms++];

		*out = (struct board_alarm){ .type = e->type,
					     .severity = e->severity,
					     .metric = e->metric,
					     .from_us = e->from_us,
					     .to_us = e->to_us,
					     .records = e->records,
					     .worst = e->worst,
					     .limit = e->limit,
					     .firing = f->to_us - e->to_us < STILL_FIRING_US };
		copy(out->session, sizeof out->session, e->session_id);
	}
	b->alarms_total = f->events_total;
}

static void fill_sentence(struct board *b, const struct findings *f, enum lang lang)
{
	struct buf sentence = { 0 };

	verdict_sentence(&sentence, f, lang);
	copy(b->sentence, sizeof b->sentence, buf_text(&sentence));
	buf_free(&sentence);
}

void board_from_findings(struct board *out, const struct findings *f, const char *source, enum lang lang)
{
	*out = (struct board){ .verdict = f->judgement->verdict,
			       .diagnosed = true,
			       .cause = f->judgement->diagnosis.cause,
			       .violating = f->anomaly_records,
			       .records = f->records,
			       .tokens = f->tokens,
			       .sessions = f->sessions_total,
			       .dropped = f->dropped,
			       .skipped = f->skipped_lines,
			       .from_us = f->from_us,
			       .to_us = f->to_us,
			       .point_seconds = (double)f->series.width_us / 1e6 };
	copy(out->source, sizeof out->source, source);
	fill_sentence(out, f, lang);
	for (size_t i = 0; i < BOARD_METRICS; i++)
		fill_metric(out, f, shown[i]);
	fill_vram(out, f);
	fill_rows(out, f);
	fill_alarms(out, f);
}

/* --- JSON ----------------------------------------------------------------------------------- */

/* The bounds follow a quantile of a histogram; null where there is none. */
static void put_quantile(struct json *out, const char *key, const char *key_between, const struct board_quantile *q)
{
	jw_put_double(out, key, q->value);
	if (!q->between)
		return;
	jw_put_array(out, key_between);
	jw_double(out, q->low);
	jw_double(out, q->high);
	jw_end(out);
}

static void put_metric(struct json *out, const struct board_metric *m)
{
	jw_object(out);
	jw_put_double(out, "now", m->now);
	put_quantile(out, "p50", "p50_between", &m->p50);
	put_quantile(out, "p95", "p95_between", &m->p95);
	jw_put_double(out, "limit", m->limit);
	jw_put_bool(out, "bad", m->bad);
	jw_put_array(out, "points");
	for (size_t i = 0; i < BOARD_POINTS; i++) {
		jw_double(out, m->point[i]);
	}
	jw_end(out);
	jw_end(out);
}

static void put_row(struct json *out, const struct board_row *r)
{
	jw_object(out);
	jw_put_known_text(out, "name", r->name);
	jw_put_u64(out, "records", r->records);
	jw_put_u64(out, "tokens", r->tokens);
	jw_put_double(out, "throughput_tps", r->throughput);
	put_quantile(out, "latency_p50_ms", "latency_p50_ms_between", &r->latency_p50);
	put_quantile(out, "latency_p95_ms", "latency_p95_ms_between", &r->latency_p95);
	jw_put_double(out, "vram_used_mb", r->vram);
	jw_put_u64(out, "events", r->events);
	jw_put_bool(out, "went_wrong", r->bad);
	jw_end(out);
}

static void put_alarm(struct json *out, const struct board_alarm *a)
{
	jw_object(out);
	jw_put_text(out, "alarm_type", alarm_specs[a->type].id);
	jw_put_text(out, "severity", severity_ids[a->severity]);
	jw_put_text(out, "session_id", a->session);
	jw_put_time(out, "from", a->from_us, true);
	jw_put_time(out, "to", a->to_us, true);
	jw_put_bool(out, "firing", a->firing);
	jw_put_u64(out, "records", a->records);
	jw_put_text(out, "metric", metric_specs[a->metric].id);
	jw_put_double(out, "worst", a->worst);
	jw_put_double(out, "limit", a->limit);
	jw_end(out);
}

static void put_lists(struct json *out, const struct board *b)
{
	jw_put_array(out, b->by_instance ? "instances" : "sessions");
	for (size_t i = 0; i < b->n_rows; i++) {
		put_row(out, &b->row[i]);
	}
	jw_end(out);
	jw_put_array(out, "alarms");
	for (size_t i = 0; i < b->n_alarms; i++) {
		put_alarm(out, &b->alarm[i]);
	}
	jw_end(out);
}

void board_json(struct buf *to, const struct board *b)
{
	struct json json = { .out = to }, *out = &json;

	jw_object(out);
	jw_put_text(out, "source", b->source);
	jw_put_text(out, "verdict", verdict_ids[b->verdict]);
	jw_put_text(out, "verdict_text", *b->sentence ? b->sentence : NULL);
	jw_put_text(out, "cause", b->diagnosed ? cause_specs[b->cause].id : NULL);
	if (b->diagnosed)
		jw_put_u64(out, "violating_records", b->violating);
	jw_put_time(out, "from", b->from_us, b->records);
	jw_put_time(out, "to", b->to_us, b->records);
	jw_put_u64(out, "records", b->records);
	jw_put_u64(out, "tokens", b->tokens);
	if (b->by_instance)
		jw_put_u64(out, "instances_total", b->rows_total);
	jw_put_u64(out, "sessions_total", b->sessions);
	jw_put_u64(out, "dropped", b->dropped);
	jw_put_u64(out, "skipped_lines", b->skipped);
	jw_put_double(out, "point_seconds", b->point_seconds);
	jw_put_object(out, "metrics");
	for (size_t i = 0; i < b->n_metrics; i++) {
		jw_key(out, metric_specs[b->metric[i].metric].id);
		put_metric(out, &b->metric[i]);
	}
	jw_end(out);
	jw_put_double(out, "vram_used_mb", b->vram_used);
	jw_put_double(out, "vram_limit_mb", b->vram_limit);
	put_lists(out, b);
	jw_put_u64(out, "alarms_total", b->alarms_total);
	jw_end(out);
	buf_char(to, '\n');
}
