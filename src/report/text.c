/* text.c - findings for a terminal: the verdict first, then the evidence, then what to do next. */
#include "report/actions.h"
#include "report/report.h"

#include "analyze/requests.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "report/gpus.h"
#include "report/session_texts.h"
#include "report/terminal.h"
#include "report/text_trends.h"
#include "report/unjudged.h"
#include "report/unusual_words.h"
#include "report/verdict_text.h"
#include "spec/skipped.h"

#include <math.h>
#include <stddef.h>

enum { INDENT = 2, NUMBER = 10, SESSIONS_SHOWN = 5, EVENTS_SHOWN = 8, SKIPPED_SHOWN = 5 };

/* --- what was read ----------------------------------------------------------------- */

static void say(struct buf *line, const struct term *t, uint64_t n, enum text_id noun)
{
	char count[TERM_TEXT];

	if (line->used)
		buf_str(line, t->ascii ? ", " : " \xc2\xb7 ");
	text_fill(line, t->lang, noun, term_count(count, n));
}

static void say_requests(struct buf *line, const struct term *t, const struct findings *f)
{
	const struct request_counts n = requests_of(f);
	char failed[TERM_TEXT], ended[TERM_TEXT];

	if (!n.ended)
		return;
	buf_str(line, t->ascii ? ", " : " \xc2\xb7 ");
	text_fill(line, t->lang, TEXT_TERM_REQUESTS_FAILED, term_count(failed, n.failed), term_count(ended, n.ended));
}

static void put_amounts(struct term *t, const struct findings *f)
{
	struct buf line = { 0 };

	if (f->n_files > 1)
		say(&line, t, f->n_files, TEXT_TERM_FILES);
	say(&line, t, f->lines, TEXT_TERM_LINES);
	if (f->skipped_lines)
		say(&line, t, f->skipped_lines, TEXT_TERM_SKIPPED_COUNT);
	if (f->missing_records)
		say(&line, t, f->missing_records, TEXT_TERM_MISSING_COUNT);
	if (f->doubled_records)
		say(&line, t, f->doubled_records, TEXT_TERM_DOUBLED_COUNT);
	if (f->untimed_lines)
		say(&line, t, f->untimed_lines, TEXT_TERM_UNTIMED_COUNT);
	if (f->undelivered.alarms)
		say(&line, t, f->undelivered.alarms, TEXT_TERM_UNDELIVERED_COUNT);
	say(&line, t, f->records, TEXT_TERM_RECORDS);
	say(&line, t, f->tokens, TEXT_TERM_TOKENS);
	say(&line, t, f->sessions_total, TEXT_TERM_SESSION_COUNT);
	say_requests(&line, t, f);
	if (line.p)
		term_wrap(t, TINT_PLAIN, line.p, INDENT);
	buf_free_into(&line, t->out);
	term_newline(t);
}

static void put_span(struct term *t, const struct findings *f)
{
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES], lasted[TERM_TEXT];
	struct buf line = { 0 };

	time_format(from, f->from_us);
	time_format(to, f->to_us);
	from[19] = to[19] = 0; /* seconds are enough here */
	from[10] = to[10] = ' ';
	buf_printf(&line, "%s %s %s UTC", from, term_word(t, TEXT_TERM_TO), strncmp(from, to, 10) ? to : to + 11);
	text_fill(&line, t->lang, TEXT_IN_BRACKETS, term_lasted(lasted, f->to_us - f->from_us));
	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, buf_text(&line), t->columns - INDENT);
	term_newline(t);
	buf_free_into(&line, t->out);
}

static void put_model(struct term *t, const struct findings *f)
{
	struct buf model = { 0 }, strategy = { 0 };
	char line[3 * TERM_TEXT];

	session_texts(&model, f, session_model, t->lang);
	session_texts(&strategy, f, session_strategy, t->lang);
	if (model.used || strategy.used) {
		snprintf(line, sizeof line, "%s %.250s%s%.250s", term_word(t, TEXT_TERM_MODEL), buf_text(&model),
			 strategy.used ? term_word(t, TEXT_COMMA) : "", buf_text(&strategy));
		term_indent(t, INDENT);
		term_left(t, TINT_PLAIN, line, t->columns - INDENT);
		term_newline(t);
	}
	buf_free_into(&model, t->out);
	buf_free_into(&strategy, t->out);
}

static void put_input(struct term *t, const struct findings *f)
{
	char size[TERM_TEXT], name[TERM_TEXT];

	term_heading(t, TEXT_TERM_INPUT, term_bytes(size, (double)f->bytes));
	if (f->n_files == 1) {
		term_indent(t, INDENT);
		term_put(t, TINT_PLAIN, term_clean(name, t, f->files[0], t->columns - INDENT, true));
		term_newline(t);
	}
	put_amounts(t, f);
	if (f->records)
		put_span(t, f);
	put_model(t, f);
}

/* --- metrics ----------------------------------------------------------------------- */

static void number(struct term *t, enum metric_id m, double value, size_t columns)
{
	char v[TERM_TEXT];

	term_right(t, TINT_PLAIN, strcmp(metric_specs[m].unit, "bytes") ? term_number(v, value) : term_bytes(v, value),
		   columns);
}

static void put_label(struct term *t, enum metric_id m, size_t columns)
{
	const struct metric_spec *spec = &metric_specs[m];
	bool has_unit = *spec->unit && strcmp(spec->unit, "bytes") && strcmp(spec->unit, "count");
	size_t unit = has_unit ? utf8_columns(spec->unit) + 1 : 0, label = utf8_columns(spec->label[t->lang]);
	char shown[TERM_TEXT];

	label = label + unit < columns ? label : columns - unit - 1;
	term_put(t, TINT_PLAIN, term_clean(shown, t, spec->label[t->lang], label, false));
	if (has_unit) {
		term_put(t, TINT_PLAIN, " ");
		term_put(t, TINT_DIM, spec->unit);
	}
	term_left(t, TINT_PLAIN, "", columns + INDENT - t->at);
}

/* What a metric's row says, from left to right; some only where the line is that wide. */
static const struct statistic {
	enum text_id name;
	size_t offset, from_columns;
} statistics[] = {
	{ TEXT_TERM_MIN, offsetof(struct summary, min), 0 },
	{ TEXT_TERM_MEDIAN, offsetof(struct summary, p50), 0 },
	{ TEXT_TERM_P90, offsetof(struct summary, p90), 110 },
	{ TEXT_TERM_P95, offsetof(struct summary, p95), 0 },
	{ TEXT_TERM_P99, offsetof(struct summary, p99), 90 },
	{ TEXT_TERM_MAX, offsetof(struct summary, max), 0 },
	{ TEXT_TERM_MEAN, offsetof(struct summary, mean), 0 },
	{ TEXT_PAGE_STDDEV, offsetof(struct summary, stddev), 100 },
};

enum { STATISTICS = sizeof statistics / sizeof *statistics, METRIC_LABEL = REPORT_COLUMNS - INDENT - 5 * NUMBER };

static void put_metric(struct term *t, enum metric_id m, const struct summary *s)
{
	term_indent(t, INDENT);
	put_label(t, m, METRIC_LABEL);
	for (size_t i = 0; i < STATISTICS; i++) {
		double value;

		memcpy(&value, (const char *)s + statistics[i].offset, sizeof value);
		if (t->columns >= statistics[i].from_columns)
			number(t, m, s->count ? value : (double)NAN, NUMBER);
	}
	term_newline(t);
}

/* Values that are in no figure above. */
static void put_nonfinite(struct term *t, const struct findings *f)
{
	struct buf list = { 0 }, line = { 0 };
	char count[TERM_TEXT];

	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->metric[m].nonfinite) {
			buf_printf(&list, "%s%s", list.used ? term_word(t, TEXT_LIST_COMMA) : "", metric_specs[m].id);
			text_fill(&list, t->lang, TEXT_IN_BRACKETS, term_count(count, f->metric[m].nonfinite));
		}
	if (list.used) {
		text_fill(&line, t->lang, TEXT_TERM_NONFINITE, buf_text(&list));
		term_wrap(t, TINT_DIM, buf_text(&line), INDENT);
		term_newline(t);
	}
	buf_free_into(&list, t->out);
	buf_free_into(&line, t->out);
}

static void put_metrics(struct term *t, const struct findings *f)
{
	term_heading(t, TEXT_TERM_METRICS, NULL);
	term_left(t, TINT_PLAIN, "", INDENT + METRIC_LABEL);
	for (size_t i = 0; i < STATISTICS; i++)
		if (t->columns >= statistics[i].from_columns)
			term_head(t, statistics[i].name, NUMBER);
	term_newline(t);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->metric[m].count || f->metric[m].nonfinite)
			put_metric(t, (enum metric_id)m, &f->metric[m]);
	put_nonfinite(t, f);
}

/* --- over time --------------------------------------------------------------------- */

enum { SPARK_MAX = 200 };

/* Means of the series stretched or gathered to n columns; NAN where nothing was. */
static void resample(const struct series *s, enum metric_id m, double *out, size_t n)
{
	for (size_t c = 0; c < n; c++) {
		size_t from = c * s->n / n, to = (c + 1) * s->n / n;
		double sum = 0, count = 0;

		for (size_t i = from; i < to || i == from; i++) {
			sum += s->metric[m][i].mean * (double)s->metric[m][i].count;
			count += (double)s->metric[m][i].count;
		}
		out[c] = count > 0 ? sum / count : (double)NAN;
	}
}

static const char *spark(const struct term *t, double share)
{
	static const char *const unicode[] = { "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
					       "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	static const char *const ascii[] = { "_", ".", "-", "~", "=", "+", "*", "#" };
	size_t level = share < 1 ? (size_t)(share * 8) : 7;

	return isnan(share) ? " " : (t->ascii ? ascii : unicode)[level];
}

enum { SPARK_LABEL = 20, SPARK_RANGE = 18 };

/* A label, a chart already drawn in `line`, and the range it spans. */
static void put_chart(struct term *t, const char *label, const struct buf *line, double low, double high)
{
	char a[TERM_TEXT], b[TERM_TEXT], range[2 * TERM_TEXT + 8];

	snprintf(range, sizeof range, "%s%s%s", term_number(a, low), t->ascii ? ".." : "\xe2\x80\xa6",
		 term_number(b, high));
	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, label, SPARK_LABEL);
	term_put(t, TINT_PLAIN, buf_text(line));
	term_right(t, TINT_DIM, high > low ? range : a, SPARK_RANGE);
	term_newline(t);
}

static void put_spark(struct term *t, const struct findings *f, enum metric_id m)
{
	size_t n = t->columns - INDENT - SPARK_LABEL - SPARK_RANGE;
	double v[SPARK_MAX], low = INFINITY, high = -INFINITY;
	struct buf line = { 0 };

	n = n < SPARK_MAX ? n : SPARK_MAX;
	resample(&f->series, m, v, n);
	for (size_t c = 0; c < n; c++) {
		low = fmin(low, v[c]);
		high = fmax(high, v[c]);
	}
	for (size_t c = 0; c < n; c++)
		buf_str(&line, spark(t, high > low ? (v[c] - low) / (high - low) : v[c] * 0 + 0.4));
	put_chart(t, metric_specs[m].label[t->lang], &line, low, high);
	buf_free_into(&line, t->out);
}

static void put_trends(struct term *t, const struct findings *f)
{
	static const enum metric_id shown[] = { M_TOKEN_LATENCY_MS, M_THROUGHPUT_TPS,       M_VRAM_USED_MB,
						M_LOGITS_ENTROPY,   M_TOKEN_REPETITION_PCT, M_STATE_SIMILARITY };
	bool any = false;

	for (size_t i = 0; f->series.n > 1 && i < sizeof shown / sizeof *shown; i++) {
		if (!f->series.metric[shown[i]])
			continue;
		if (!any)
			term_heading(t, TEXT_TERM_TRENDS, NULL);
		any = true;
		put_spark(t, f, shown[i]);
	}
}

/* --- prefill and decode ------------------------------------------------------------- */

static void put_phase(struct term *t, const struct findings *f, enum phase phase, enum text_id label)
{
	const struct summary *s = f->phase[phase];
	uint64_t calls = s[M_TOKEN_LATENCY_MS].count + s[M_TOKEN_LATENCY_MS].missing + s[M_TOKEN_LATENCY_MS].nonfinite;
	char v[TERM_TEXT];

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, term_word(t, label), REPORT_COLUMNS - INDENT - 7 * NUMBER);
	term_right(t, TINT_PLAIN, term_count(v, calls), NUMBER);
	number(t, M_TOKEN_LATENCY_MS, s[M_TOKEN_LATENCY_MS].p50, NUMBER);
	number(t, M_TOKEN_LATENCY_MS, s[M_TOKEN_LATENCY_MS].p95, NUMBER);
	number(t, M_CHUNK_PROCESS_TIME_MS, s[M_CHUNK_PROCESS_TIME_MS].p50, NUMBER);
	number(t, M_CHUNK_PROCESS_TIME_MS, f->jitter[phase].mean_ms, NUMBER);
	number(t, M_LOGITS_ENTROPY, s[M_LOGITS_ENTROPY].mean, NUMBER);
	number(t, M_STATE_SIMILARITY, s[M_STATE_SIMILARITY].mean, NUMBER);
	term_newline(t);
}

static bool phase_known(const struct findings *f, enum phase phase)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->phase[phase][m].count)
			return true;
	return false;
}

static void put_phases(struct term *t, const struct findings *f)
{
	if (!phase_known(f, PHASE_PREFILL) && !phase_known(f, PHASE_DECODE))
		return;
	term_heading(t, TEXT_TERM_PHASES, NULL);
	term_left(t, TINT_PLAIN, "", REPORT_COLUMNS - 7 * NUMBER);
	term_head(t, TEXT_TERM_CALLS, NUMBER);
	term_head(t, TEXT_TERM_LATENCY_P50, NUMBER);
	term_head(t, TEXT_TERM_LATENCY_P95, NUMBER);
	term_head(t, TEXT_TERM_CHUNK_P50, NUMBER);
	term_head(t, TEXT_TERM_JITTER, NUMBER);
	term_head(t, TEXT_TERM_ENTROPY, NUMBER);
	term_head(t, TEXT_TERM_SIMILARITY, NUMBER);
	term_newline(t);
	if (phase_known(f, PHASE_PREFILL))
		put_phase(t, f, PHASE_PREFILL, TEXT_TERM_PREFILL);
	if (phase_known(f, PHASE_DECODE))
		put_phase(t, f, PHASE_DECODE, TEXT_TERM_DECODE);
}

/* Bars of a histogram, its bins spread over or gathered into the columns there are. */
static void put_bars(struct term *t, const struct histogram *h, enum text_id label)
{
	size_t n = t->columns - INDENT - SPARK_LABEL - SPARK_RANGE;
	double v[SPARK_MAX] = { 0 }, most = 0;
	struct buf line = { 0 };

	n = n < SPARK_MAX ? n : SPARK_MAX;
	for (size_t c = 0; c < n; c++) {
		double from = (double)(c * h->n) / (double)n, to = (double)((c + 1) * h->n) / (double)n;

		for (size_t i = (size_t)from; i < h->n && (double)i < to; i++)
			v[c] += (double)h->bin[i] * (fmin(to, (double)i + 1) - fmax(from, (double)i));
		most = fmax(most, v[c]);
	}
	for (size_t c = 0; c < n; c++)
		buf_str(&line, spark(t, v[c] > 0 ? v[c] / most : (double)NAN));
	put_chart(t, term_word(t, label), &line, h->low, h->high);
	buf_free_into(&line, t->out);
}

static void put_distribution(struct term *t, const struct findings *f)
{
	bool apart = f->latency[PHASE_PREFILL].n || f->latency[PHASE_DECODE].n;
	const enum text_id labels[PHASE_COUNT] = { apart ? TEXT_TERM_OTHER_CALLS : TEXT_TERM_ALL_CALLS,
						   TEXT_TERM_PREFILL, TEXT_TERM_DECODE };
	bool any = false;

	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		if (f->latency[phase].n < 2)
			continue;
		if (!any)
			term_heading(t, TEXT_TERM_DISTRIBUTION, term_word(t, TEXT_TERM_LOG_SCALE));
		any = true;
		put_bars(t, &f->latency[phase], labels[phase]);
	}
}

/* --- sessions ---------------------------------------------------------------------- */

enum { COLUMN = 9, CORRELATION = 6, SESSION_NUMBERS = 6 * COLUMN + CORRELATION + 1 };

static void put_session(struct term *t, const struct session_findings *s)
{
	char v[TERM_TEXT];

	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, *s->session_id ? s->session_id : "-",
		  term_name_columns(t, REPORT_COLUMNS - INDENT - SESSION_NUMBERS));
	term_right(t, TINT_PLAIN, term_count(v, s->records), COLUMN);
	term_right(t, TINT_PLAIN, term_count(v, s->tokens), COLUMN);
	number(t, M_TOKEN_LATENCY_MS, session_metric(s, M_TOKEN_LATENCY_MS).p95, COLUMN);
	number(t, M_THROUGHPUT_TPS, session_metric(s, M_THROUGHPUT_TPS).p50, COLUMN);
	number(t, M_LOGITS_ENTROPY, session_metric(s, M_LOGITS_ENTROPY).mean, COLUMN);
	number(t, M_STATE_SIMILARITY, session_metric(s, M_STATE_SIMILARITY).mean, COLUMN);
	term_right(t, s->collapse_warning ? TINT_WARN : TINT_PLAIN,
		   isnan(s->similarity_entropy_pearson)
			   ? "-"
			   : (snprintf(v, sizeof v, "%.2f", s->similarity_entropy_pearson), v),
		   CORRELATION);
	term_put(t, TINT_WARN, s->collapse_warning ? "!" : "");
	term_newline(t);
}

/* The next session to show: most records first, then the earlier in the log. */
static size_t next_largest(const struct findings *f, size_t after, size_t shown)
{
	size_t best = f->n_sessions;

	for (size_t i = 0; i < f->n_sessions; i++) {
		bool later = !shown || f->session[i].records < f->session[after].records ||
			     (f->session[i].records == f->session[after].records && i > after);

		if (later && (best == f->n_sessions || f->session[i].records > f->session[best].records))
			best = i;
	}
	return best;
}

/* For want of room; what is said must not look like all. */
static void put_left_out(struct term *t, enum text_id words, uint64_t n)
{
	char count[TERM_TEXT];
	struct buf line = { 0 };

	if (!n)
		return;
	text_fill(&line, t->lang, words, term_count(count, n));
	term_wrap(t, TINT_WARN, line.p ? line.p : "", INDENT);
	term_newline(t);
	t->out->failed |= line.failed;
	buf_free(&line);
}

static void put_sessions(struct term *t, const struct findings *f)
{
	size_t at = 0, n = f->n_sessions < SESSIONS_SHOWN ? f->n_sessions : SESSIONS_SHOWN;
	bool warned = false;

	if (!f->n_sessions)
		return;
	term_heading(t, TEXT_TERM_SESSIONS, NULL);
	term_indent(t, INDENT);
	term_left(t, TINT_DIM, term_word(t, TEXT_TERM_SESSION),
		  term_name_columns(t, REPORT_COLUMNS - INDENT - SESSION_NUMBERS));
	term_head(t, TEXT_TERM_RECORDS_HEAD, COLUMN);
	term_head(t, TEXT_TERM_TOKENS_HEAD, COLUMN);
	term_head(t, TEXT_TERM_P95_MS, COLUMN);
	term_head(t, TEXT_TERM_SPEED, COLUMN);
	term_head(t, TEXT_TERM_ENTROPY, COLUMN);
	term_head(t, TEXT_TERM_SIMILARITY, COLUMN);
	term_head(t, TEXT_TERM_CORRELATION, CORRELATION);
	term_newline(t);
	for (size_t i = 0; i < n; i++) {
		at = next_largest(f, at, i);
		put_session(t, &f->session[at]);
		warned |= f->session[at].collapse_warning;
	}
	term_more(t, INDENT, TEXT_TERM_MORE_SESSIONS, f->sessions_total - n);
	put_left_out(t, TEXT_FLEET_UNLISTED, f->sessions_unlisted);
	put_left_out(t, TEXT_FLEET_UNTIMED, f->instances_untimed);
	if (warned) {
		term_wrap(t, TINT_WARN, term_word(t, TEXT_TERM_COLLAPSE_NOTE), INDENT);
		term_newline(t);
	}
}

/* --- anomalies --------------------------------------------------------------------- */

static enum tint severity_tint(enum severity s)
{
	static const enum tint tints[SEVERITY_COUNT] = { TINT_DIM, TINT_WARN, TINT_BAD };

	return tints[s];
}

static const char *severity_word(const struct term *t, enum severity s)
{
	static const enum text_id names[SEVERITY_COUNT] = { TEXT_TERM_NOTICE, TEXT_TERM_WARNING, TEXT_TERM_SEVERE };

	return term_word(t, names[s]);
}

static void put_type(struct term *t, const struct findings *f, enum alarm_type type)
{
	char v[TERM_TEXT];

	term_indent(t, INDENT);
	term_left(t, severity_tint(alarm_specs[type].severity), alarm_specs[type].label[t->lang],
		  REPORT_COLUMNS - INDENT - 3 * NUMBER);
	term_right(t, TINT_PLAIN, term_count(v, f->anomaly_by_type[type]), NUMBER);
	term_right(t, TINT_PLAIN, term_share(v, f->anomaly_by_type[type], f->records), NUMBER);
	term_right(t, TINT_PLAIN, severity_word(t, alarm_specs[type].severity), NUMBER);
	term_newline(t);
}

/* What to do about it, under the row it belongs to. */
static void put_advice(struct term *t, const struct findings *f, enum alarm_type type)
{
	const char *advice = f->anomaly_advice[type][t->lang];
	struct buf line = { 0 };

	if (!advice || !*advice)
		return;
	term_clean_all(&line, t, advice);
	term_indent(t, INDENT);
	term_indent(t, INDENT);
	term_put(t, TINT_DIM, t->ascii ? "> " : "\xe2\x86\x92 ");
	if (line.p)
		term_wrap(t, TINT_DIM, line.p, t->at);
	buf_free_into(&line, t->out);
	term_newline(t);
}

static void put_types(struct term *t, const struct findings *f)
{
	term_indent(t, INDENT);
	term_left(t, TINT_DIM, term_word(t, TEXT_TERM_TYPE_HEAD), REPORT_COLUMNS - INDENT - 3 * NUMBER);
	term_head(t, TEXT_TERM_RECORDS_HEAD, NUMBER);
	term_head(t, TEXT_TERM_SHARE_HEAD, NUMBER);
	term_head(t, TEXT_TERM_SEVERITY_HEAD, NUMBER);
	term_newline(t);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (f->anomaly_by_type[type]) {
			put_type(t, f, (enum alarm_type)type);
			put_advice(t, f, (enum alarm_type)type);
		}
}

enum { SESSION = 17, LASTED = 11, RECORDS = 8, WORST = 9, LIMIT = 7 };

/* Days are shown when the log has more than one. */
static size_t when_columns(const struct findings *f)
{
	return f->from_us / 86400000000 == f->to_us / 86400000000 ? 9 : 15;
}

static size_t type_columns(size_t when_columns)
{
	return REPORT_COLUMNS - INDENT - when_columns - SESSION - LASTED - RECORDS - WORST - LIMIT;
}

static void put_event(struct term *t, const struct anomaly_event *e, size_t when_columns)
{
	char when[TIME_TEXT_BYTES], v[TERM_TEXT];
	const size_t type = type_columns(when_columns), session = term_name_columns(t, SESSION);

	time_format(when, e->from_us);
	when[10] = ' ';
	when[19] = 0;
	term_indent(t, INDENT);
	term_left(t, TINT_PLAIN, when + 20 - when_columns, when_columns);
	term_left(t, severity_tint(e->severity), alarm_specs[e->type].label[t->lang], type - 1);
	term_left(t, TINT_PLAIN, "", 1);
	term_left(t, TINT_PLAIN, *e->session_id ? e->session_id : "-", session - 1);
	term_right(t, TINT_PLAIN, term_lasted(v, e->to_us - e->from_us), LASTED + 1);
	term_right(t, TINT_PLAIN, term_count(v, e->records), RECORDS);
	number(t, e->metric, e->worst, WORST);
	number(t, e->metric, e->limit, LIMIT);
	term_newline(t);
}

/* The gravest events, shown in order of time. */
static size_t choose_events(const struct findings *f, const struct anomaly_event *out[EVENTS_SHOWN])
{
	size_t n = 0;
	bool taken[FINDINGS_EVENTS_MAX] = { false };

	while (n < EVENTS_SHOWN && n < f->n_events) {
		size_t best = f->n_events;

		for (size_t i = 0; i < f->n_events; i++)
			if (!taken[i] && (best == f->n_events || f->event[i].severity > f->event[best].severity ||
					  (f->event[i].severity == f->event[best].severity &&
					   f->event[i].records > f->event[best].records)))
				best = i;
		taken[best] = true;
		n++;
	}
	n = 0;
	for (size_t i = 0; i < f->n_events; i++)
		if (taken[i])
			out[n++] = &f->event[i];
	return n;
}

static void put_events(struct term *t, const struct findings *f)
{
	const struct anomaly_event *shown[EVENTS_SHOWN];
	size_t n = choose_events(f, shown), when = when_columns(f);

	if (!n)
		return;
	term_newline(t);
	term_indent(t, INDENT);
	term_left(t, TINT_DIM, term_word(t, TEXT_TERM_START_HEAD), when);
	term_left(t, TINT_DIM, term_word(t, TEXT_TERM_TYPE_HEAD), type_columns(when));
	term_left(t, TINT_DIM, term_word(t, TEXT_TERM_SESSION), term_name_columns(t, SESSION) - 1);
	term_head(t, TEXT_TERM_LASTED_HEAD, LASTED + 1);
	term_head(t, TEXT_TERM_RECORDS_HEAD, RECORDS);
	term_head(t, TEXT_TERM_WORST_HEAD, WORST);
	term_head(t, TEXT_TERM_LIMIT_HEAD, LIMIT);
	term_newline(t);
	for (size_t i = 0; i < n; i++)
		put_event(t, shown[i], when);
	term_more(t, INDENT, TEXT_TERM_MORE_EVENTS, f->events_total - n);
}

static void put_done(struct term *t, const struct findings *f)
{
	struct buf done = { 0 };

	actions_text(&done, &f->actions, t->lang);
	if (done.used) {
		term_indent(t, INDENT);
		term_wrap(t, TINT_PLAIN, done.p, INDENT);
		term_newline(t);
	}
	buf_free_into(&done, t->out);
}

/* What the program itself said while it ran; false: nothing. */
static bool put_live_alarms(struct term *t, const struct findings *f)
{
	struct buf types = { 0 }, line = { 0 };
	bool any;

	alarms_each(&types, f->live_alarms, t->lang);
	any = types.used;
	if (any) {
		text_fill(&line, t->lang, TEXT_TERM_LIVE_ALARMS, buf_text(&types));
		term_indent(t, INDENT);
		term_wrap(t, TINT_PLAIN, buf_text(&line), INDENT);
		term_newline(t);
	}
	buf_free_into(&types, t->out);
	buf_free_into(&line, t->out);
	return any;
}

static void put_anomalies(struct term *t, const struct findings *f)
{
	char name[TERM_TEXT];
	struct buf remark = { 0 }, clean = { 0 };
	bool raised;

	text_fill(&remark, t->lang, TEXT_TERM_JUDGED_BY,
		  term_clean(name, t, f->rule_set ? f->rule_set : "-", 24, true));
	term_heading(t, TEXT_TERM_ANOMALIES, buf_text(&remark));
	buf_free_into(&remark, t->out);
	term_indent(t, INDENT);
	term_wrap(t, TINT_DIM, term_word(t, rule_set_why(f)), INDENT);
	term_newline(t);
	if (f->n_unjudged) {
		unjudged_text(&remark, f->unjudged, f->n_unjudged, t->lang);
		term_clean_all(&clean, t, buf_text(&remark)); /* names out of the user's rules */
		term_indent(t, INDENT);
		term_wrap(t, TINT_DIM, buf_text(&clean), INDENT);
		term_newline(t);
		buf_free_into(&remark, t->out);
		buf_free_into(&clean, t->out);
	}
	raised = put_live_alarms(t, f);
	put_done(t, f);
	if (!f->anomaly_records && raised)
		return;
	if (!f->anomaly_records) {
		term_wrap(t, TINT_GOOD, term_word(t, TEXT_TERM_NO_ANOMALY), INDENT);
		term_newline(t);
		return;
	}
	put_types(t, f);
	put_events(t, f);
}

static void put_gpu(void *ctx, const char *line)
{
	struct term *t = ctx;
	struct buf clean = { 0 };

	term_clean_all(&clean, t, line);
	term_indent(t, INDENT);
	term_wrap(t, TINT_PLAIN, buf_text(&clean), INDENT);
	term_newline(t);
	buf_free_into(&clean, t->out);
}

/* Only where the log tells several apart. */
static void put_gpus(struct term *t, const struct findings *f)
{
	if (!gpus_known(f))
		return;
	term_heading(t, TEXT_TERM_GPUS, NULL);
	t->out->failed |= !gpus_each(f, t->lang, put_gpu, t);
}

/* --- skipped lines, next steps ------------------------------------------------------ */

static void put_skipped(struct term *t, const struct findings *f)
{
	size_t n = f->n_skipped < SKIPPED_SHOWN ? f->n_skipped : SKIPPED_SHOWN;
	char name[TERM_TEXT], line[24], place[2 * TERM_TEXT];

	if (!f->skipped_lines)
		return;
	term_heading(t, TEXT_TERM_SKIPPED, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct skipped_line *s = &f->skipped[i];

		snprintf(line, sizeof line, ":%llu", (unsigned long long)s->line);
		snprintf(place, sizeof place, "%s%s", term_clean(name, t, s->file, 24, true), s->line ? line : "");
		term_indent(t, INDENT);
		term_left(t, TINT_PLAIN, place, 36);
		term_put(t, TINT_PLAIN, " ");
		term_left(t, TINT_DIM, skipped_reason(s->reason, t->lang), t->columns - t->at);
		term_newline(t);
	}
	term_more(t, INDENT, TEXT_TERM_MORE_LINES, f->skipped_lines - n);
}

/* As a shell takes them; of many files there is no short command. */
static void add_input(struct buf *out, const struct report_options *opts)
{
	enum { NAMED = 3 };

	if (opts->hint_map) {
		buf_str(out, "--map ");
		buf_shell_word(out, opts->hint_map);
		buf_char(out, ' ');
	}
	buf_str(out, opts->hint_merge ? "--merge" : "");
	if (!opts->n_hint_input || opts->n_hint_input > NAMED) {
		buf_str(out, opts->hint_merge ? " PART..." : opts->n_hint_input ? "LOG..." : "LOG");
		return;
	}
	for (size_t i = 0; i < opts->n_hint_input; i++) {
		buf_str(out, i || opts->hint_merge ? " " : "");
		buf_shell_word(out, opts->hint_input[i]);
	}
}

/* Whole, so that it can be copied: on two lines when it is long. */
static void put_command(struct term *t, const char *options, const struct report_options *opts, enum text_id why)
{
	enum { WHY_AT = 58, COMMAND = 16 /* columns of "rwkvmon analyze " */ };
	struct buf input = { 0 }, shown = { 0 };
	bool split;

	add_input(&input, opts);
	term_clean_all(&shown, t, buf_text(&input));
	term_indent(t, INDENT);
	term_put(t, TINT_BOLD, "rwkvmon analyze ");
	term_put(t, TINT_BOLD, options);
	split = shown.p && INDENT + COMMAND + strlen(options) + 1 + utf8_columns(shown.p) > t->columns;
	term_put(t, TINT_BOLD, split ? " \\" : " ");
	if (split) {
		term_newline(t);
		term_left(t, TINT_PLAIN, "", (size_t)2 * INDENT);
	}
	term_put(t, TINT_BOLD, buf_text(&shown));
	if (t->at + 2 <= WHY_AT) {
		term_left(t, TINT_PLAIN, "", WHY_AT - t->at);
		term_left(t, TINT_DIM, term_word(t, why), t->columns - t->at);
	}
	buf_free_into(&input, t->out);
	buf_free_into(&shown, t->out);
	term_newline(t);
}

static void put_next(struct term *t, const struct findings *f, const struct report_options *opts)
{
	term_heading(t, TEXT_TERM_NEXT, NULL);
	put_command(t, "--format html -o report.html", opts, TEXT_TERM_NEXT_HTML);
	put_command(t, "--format json", opts, TEXT_TERM_NEXT_JSON);
	if (f->rule_set && strcmp(f->rule_set, "thresholds"))
		put_command(t, "--rules thresholds", opts, TEXT_TERM_NEXT_RULES);
}

void report_text(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	struct term t = term_begin(out, opts);

	verdict_line(&t, f);
	put_input(&t, f);
	if (f->records) {
		put_metrics(&t, f);
		put_gpus(&t, f);
		put_trends(&t, f);
		text_changes(&t, f);
		put_distribution(&t, f);
		put_phases(&t, f);
		text_unusual(&t, f, 0);
		text_worst(&t, f);
		text_together(&t, f);
		text_peers(&t, f);
		text_instances(&t, f);
		put_sessions(&t, f);
		text_first_bad(&t, f);
		text_drift(&t, f);
		put_anomalies(&t, f);
	}
	put_skipped(&t, f);
	put_next(&t, f, opts);
}
