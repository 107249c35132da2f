/* markdown_report.c - findings to paste into an issue, a wiki or a chat: verdict, numbers, anomalies with their advice.
 */
#include "report/actions.h"
#include "report/drifted.h"
#include "report/markdown.h"
#include "report/report.h"
#include "report/session_texts.h"
#include "report/terminal.h"
#include "report/unjudged.h"
#include "report/unusual_words.h"
#include "report/verdict_text.h"

#include "analyze/requests.h"
#include "base/clock.h"

enum { FILES_SHOWN = 20, SESSIONS_SHOWN = 20, EVENTS_SHOWN = 20 };

struct md {
	struct buf *out;
	enum lang lang;
};

static void cell(struct md *md, const char *text)
{
	buf_str(md->out, " ");
	md_text(md->out, text);
	buf_str(md->out, " |");
}

static void cell_value(struct md *md, enum metric_id m, double value)
{
	char shown[TERM_TEXT];

	cell(md, term_value(shown, m, value));
}

static void cell_count(struct md *md, uint64_t n)
{
	char shown[TERM_TEXT];

	cell(md, term_count(shown, n));
}

static void cell_time(struct md *md, int64_t us)
{
	char iso[TIME_TEXT_BYTES];

	time_format(iso, us);
	cell(md, iso);
}

/* A heading row: the first column is of words, the others of numbers. */
static void heads(struct md *md, const enum text_id *ids, size_t n)
{
	buf_str(md->out, "|");
	for (size_t i = 0; i < n; i++)
		cell(md, text(ids[i], md->lang));
	buf_str(md->out, "\n|---|");
	for (size_t i = 1; i < n; i++)
		buf_str(md->out, "---:|");
	buf_char(md->out, '\n');
}

#define HEADS(md, ...)                                                                                                 \
	heads(md, (const enum text_id[]){ __VA_ARGS__ },                                                               \
	      sizeof((const enum text_id[]){ __VA_ARGS__ }) / sizeof(enum text_id))

static void verdict(struct md *md, const struct findings *f)
{
	static const enum text_id names[VERDICT_COUNT] = { TEXT_PAGE_HEALTHY, TEXT_PAGE_UNDECIDED, TEXT_PAGE_ATTENTION,
							   TEXT_PAGE_CRITICAL };
	struct buf sentence = { 0 };

	verdict_sentence(&sentence, f, md->lang);
	md_heading(md->out, 1, text(TEXT_PAGE_TITLE, md->lang));
	buf_str(md->out, "**");
	md_text(md->out, text(f->records ? names[f->judgement->verdict] : TEXT_PAGE_EMPTY, md->lang));
	buf_str(md->out, "** ");
	md_text(md->out, buf_text(&sentence));
	buf_char(md->out, '\n');
	buf_free_into(&sentence, md->out);
}

static void cell_files(struct md *md, const struct findings *f)
{
	struct buf names = { 0 };
	char more[TERM_TEXT];

	for (size_t i = 0; i < f->n_files && i < FILES_SHOWN; i++)
		buf_printf(&names, "%s%s", i ? text(TEXT_LIST_COMMA, md->lang) : "", f->files[i]);
	if (f->n_files > FILES_SHOWN) {
		buf_str(&names, text(TEXT_LIST_COMMA, md->lang));
		text_fill(&names, md->lang, TEXT_PAGE_MORE, term_count(more, f->n_files - FILES_SHOWN));
	}
	cell(md, buf_text(&names));
	buf_free_into(&names, md->out);
}

/* A line of its own, when it is known. */
static void said_of_sessions(struct md *md, const struct findings *f, enum text_id name, session_text *of)
{
	struct buf texts = { 0 };

	session_texts(&texts, f, of, md->lang);
	if (texts.used) {
		buf_char(md->out, '\n');
		md_text(md->out, text(name, md->lang));
		buf_str(md->out, text(TEXT_COLON, md->lang));
		md_text(md->out, texts.p);
		buf_char(md->out, '\n');
	}
	buf_free_into(&texts, md->out);
}

/* A paragraph of a text with one count. */
static void count_line(struct md *md, enum text_id id, uint64_t n)
{
	char count[TERM_TEXT];

	buf_char(md->out, '\n');
	text_fill(md->out, md->lang, id, term_count(count, n));
	buf_char(md->out, '\n');
}

static void requests(struct md *md, const struct findings *f)
{
	const struct request_counts n = requests_of(f);
	char failed[TERM_TEXT], ended[TERM_TEXT];

	if (!n.ended)
		return;
	buf_char(md->out, '\n');
	text_fill(md->out, md->lang, TEXT_TERM_REQUESTS_FAILED, term_count(failed, n.failed),
		  term_count(ended, n.ended));
	buf_char(md->out, '\n');
}

static void input(struct md *md, const struct findings *f)
{
	md_heading(md->out, 2, text(TEXT_TERM_INPUT, md->lang));
	HEADS(md, TEXT_PAGE_FILES, TEXT_PAGE_RECORDS, TEXT_PAGE_TOKENS, TEXT_PAGE_SESSIONS, TEXT_PAGE_SKIPPED);
	buf_str(md->out, "|");
	cell_files(md, f);
	cell_count(md, f->records);
	cell_count(md, f->tokens);
	cell_count(md, f->sessions_total);
	cell_count(md, f->skipped_lines);
	buf_char(md->out, '\n');
	said_of_sessions(md, f, TEXT_PAGE_MODEL, session_model);
	said_of_sessions(md, f, TEXT_PAGE_STRATEGY, session_strategy);
	if (f->missing_records)
		count_line(md, TEXT_TERM_MISSING_COUNT, f->missing_records);
	if (f->doubled_records)
		count_line(md, TEXT_PAGE_DOUBLED_WHY, f->doubled_records);
	if (f->untimed_lines)
		count_line(md, TEXT_TERM_UNTIMED_COUNT, f->untimed_lines);
	if (f->undelivered.alarms)
		count_line(md, TEXT_TERM_UNDELIVERED_COUNT, f->undelivered.alarms);
	requests(md, f);
}

static void metrics(struct md *md, const char *title, const struct summary s[METRIC_COUNT])
{
	bool any = false;

	for (int m = 0; m < METRIC_COUNT; m++) {
		if (!s[m].count)
			continue;
		if (!any) {
			md_heading(md->out, 2, title);
			HEADS(md, TEXT_PAGE_METRIC, TEXT_PAGE_MIN, TEXT_PAGE_MEDIAN, TEXT_TERM_P95, TEXT_PAGE_MAX,
			      TEXT_PAGE_MEAN);
		}
		any = true;
		buf_str(md->out, "|");
		cell(md, metric_specs[m].label[md->lang]);
		cell_value(md, (enum metric_id)m, s[m].min);
		cell_value(md, (enum metric_id)m, s[m].p50);
		cell_value(md, (enum metric_id)m, s[m].p95);
		cell_value(md, (enum metric_id)m, s[m].max);
		cell_value(md, (enum metric_id)m, s[m].mean);
		buf_char(md->out, '\n');
	}
}

static void anomaly_types(struct md *md, const struct findings *f)
{
	char share[TERM_TEXT];

	HEADS(md, TEXT_PAGE_TYPE, TEXT_PAGE_RECORDS, TEXT_PAGE_OF_RECORDS, TEXT_PAGE_LIVE, TEXT_PAGE_ADVICE);
	for (int t = 0; t < ALARM_TYPE_COUNT; t++) {
		const char *advice = f->anomaly_advice[t][md->lang];

		if (!f->anomaly_by_type[t] && !f->live_alarms[t])
			continue;
		buf_str(md->out, "|");
		cell(md, alarm_specs[t].label[md->lang]);
		cell_count(md, f->anomaly_by_type[t]);
		cell(md, term_share(share, f->anomaly_by_type[t], f->records));
		cell_count(md, f->live_alarms[t]);
		cell(md, advice ? advice : "");
		buf_char(md->out, '\n');
	}
}

static void events(struct md *md, const struct findings *f)
{
	md_heading(md->out, 3, text(TEXT_PAGE_EVENTS, md->lang));
	HEADS(md, TEXT_PAGE_FROM, TEXT_PAGE_TYPE, TEXT_PAGE_WORST, TEXT_PAGE_LIMIT_HEAD, TEXT_PAGE_RECORDS,
	      TEXT_PAGE_SESSION);
	for (size_t i = 0; i < f->n_events && i < EVENTS_SHOWN; i++) {
		const struct anomaly_event *e = &f->event[i];

		buf_str(md->out, "|");
		cell_time(md, e->from_us);
		cell(md, alarm_specs[e->type].label[md->lang]);
		cell_value(md, e->metric, e->worst);
		cell_value(md, e->metric, e->limit);
		cell_count(md, e->records);
		cell(md, e->session_id);
		buf_char(md->out, '\n');
	}
	if (f->events_total > EVENTS_SHOWN)
		count_line(md, TEXT_TERM_MORE_EVENTS, f->events_total - EVENTS_SHOWN);
}

static bool any_alarm(const struct findings *f)
{
	uint64_t any = 0;

	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		any |= f->live_alarms[type];
	return any;
}

static void anomalies(struct md *md, const struct findings *f)
{
	struct buf done = { 0 };

	md_heading(md->out, 2, text(TEXT_PAGE_ANOMALIES, md->lang));
	if (f->n_unjudged) {
		unjudged_text(&done, f->unjudged, f->n_unjudged, md->lang);
		md_text(md->out, buf_text(&done));
		buf_str(md->out, "\n\n");
		buf_rewind(&done);
	}
	actions_text(&done, &f->actions, md->lang);
	if (done.used) {
		md_text(md->out, done.p);
		buf_str(md->out, "\n\n");
	}
	buf_free_into(&done, md->out);
	if (!f->anomaly_records && !f->n_events && !any_alarm(f)) {
		md_text(md->out, text(TEXT_PAGE_NO_ANOMALIES, md->lang));
		buf_char(md->out, '\n');
		return;
	}
	anomaly_types(md, f);
	if (f->n_events)
		events(md, f);
}

static void sessions(struct md *md, const struct findings *f)
{
	if (f->n_sessions < 2)
		return;
	md_heading(md->out, 2, text(TEXT_PAGE_SESSIONS, md->lang));
	HEADS(md, TEXT_PAGE_SESSION, TEXT_PAGE_MODEL, TEXT_PAGE_RECORDS, TEXT_PAGE_TOKENS, TEXT_TERM_LATENCY_P50,
	      TEXT_TERM_CORRELATION);
	for (size_t i = 0; i < f->n_sessions && i < SESSIONS_SHOWN; i++) {
		const struct session_findings *s = &f->session[i];
		char r[TERM_TEXT];

		buf_str(md->out, "|");
		cell(md, s->session_id);
		cell(md, s->model_name);
		cell_count(md, s->records);
		cell_count(md, s->tokens);
		cell_value(md, M_TOKEN_LATENCY_MS, session_metric(s, M_TOKEN_LATENCY_MS).p50);
		cell(md, term_number(r, s->similarity_entropy_pearson));
		buf_char(md->out, '\n');
	}
	if (f->sessions_total > SESSIONS_SHOWN)
		count_line(md, TEXT_TERM_MORE_SESSIONS, f->sessions_total - SESSIONS_SHOWN);
}

static void drift(struct md *md, const struct findings *f)
{
	const struct session_findings *shown[SESSIONS_SHOWN];
	size_t all, n = drifted_sessions(f, shown, SESSIONS_SHOWN, &all);

	if (!n)
		return;
	md_heading(md->out, 2, text(TEXT_PAGE_DRIFT, md->lang));
	md_text(md->out, text(TEXT_PAGE_DRIFT_HELP, md->lang));
	buf_str(md->out, "\n\n");
	HEADS(md, TEXT_PAGE_SESSION, TEXT_PAGE_SAMPLES, TEXT_PAGE_FIRST, TEXT_PAGE_LAST, TEXT_PAGE_GREATEST,
	      TEXT_PAGE_POSITION);
	for (size_t i = 0; i < n; i++) {
		const struct drift *d = &shown[i]->state.drift;

		buf_str(md->out, "|");
		cell(md, shown[i]->session_id);
		cell_count(md, d->samples);
		cell_value(md, M_STATE_DRIFT, d->first.value);
		cell_value(md, M_STATE_DRIFT, d->last.value);
		cell_value(md, M_STATE_DRIFT, d->most.value);
		cell_count(md, d->most.sequence_length);
		buf_char(md->out, '\n');
	}
	if (all > n)
		count_line(md, TEXT_TERM_MORE_SESSIONS, all - n);
}

void report_markdown(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	struct md md = { out, opts->lang };

	verdict(&md, f);
	input(&md, f);
	if (!f->records)
		return;
	anomalies(&md, f);
	metrics(&md, text(TEXT_PAGE_STATISTICS, opts->lang), f->metric);
	metrics(&md, text(TEXT_PAGE_PREFILL, opts->lang), f->phase[PHASE_PREFILL]);
	metrics(&md, text(TEXT_PAGE_DECODE, opts->lang), f->phase[PHASE_DECODE]);
	unusual_markdown(out, f, opts->lang);
	sessions(&md, f);
	drift(&md, f);
}
