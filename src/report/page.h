/* page.h - the parts that html.c puts together, and how they write markup.
 *
 * Ownership  all append to *out and keep nothing.
 * Safety     put_text, put_log_text and put_filled escape; everything a log supplied goes
 *            through put_log_text (or buf_json_string inside the model).
 */
#ifndef RWKVMON_REPORT_PAGE_H
#define RWKVMON_REPORT_PAGE_H

#include "analyze/judgement.h"
#include "base/json.h"
#include "spec/charts.h"
#include "spec/text.h"

struct page {
	const struct findings *f;
	enum lang lang;
	const struct diagnosis *diagnosis; /* NULL: none was made */
	bool diagnosis_page;               /* the page is about it: its tree is open */
};

enum {
	PAGE_BYTES_MAX = 2 * 1000 * 1000,
	PAGE_LOG_TEXT_MAX = 120,        /* bytes shown of a text that a log supplied */
	PAGE_EVENTS_MAX = 200,          /* anomaly events listed and drawn */
	PAGE_SESSIONS_MAX = 100,        /* sessions listed */
	PAGE_SERIES_BYTES = 700 * 1024, /* of the model: sessions' own series stop here */
};

/* Parts, in the order of the page. */
void page_facts(struct buf *out, const struct page *p);
void page_verdict(struct buf *out, const struct page *p);
void page_diagnosis(struct buf *out, const struct page *p); /* nothing without one */
void page_tiles(struct buf *out, const struct page *p);
void page_charts(struct buf *out, const struct page *p);
void page_unjudged(struct buf *out, const struct page *p); /* which rules judged nothing: a sentence, or nothing */
void page_anomalies(struct buf *out, const struct page *p);
void page_statistics(struct buf *out, const struct page *p);
void page_sessions(struct buf *out, const struct page *p);
void page_insights(struct buf *out, const struct page *p);
void page_forecast(struct buf *out, const struct page *p); /* nothing if there is no result */
void page_diagrams(struct buf *out, const struct page *p);
void page_skipped(struct buf *out, const struct page *p);
void page_model(struct json *out, const struct page *p);                         /* JSON: what report.js draws */
void page_series(struct json *out, const struct series *s, const char *session); /* one of the model's */

/* True when the panel has something to draw. */
bool page_panel_occurs(const struct findings *f, enum panel_id panel);

/* Has the panel more than a single dot to show? */
bool page_panel_drawn(const struct findings *f, enum panel_id panel);

/* Escaped for element content and quoted attributes; bytes that are not UTF-8 and control
 * characters become U+FFFD. */
void put_text(struct buf *out, struct slice text);
void put_str(struct buf *out, const char *text);
/* The same, line breaks kept. */
void put_lines_of(struct buf *out, struct slice text);
/* Shortened to PAGE_LOG_TEXT_MAX, without control characters: what of it may be shown. */
struct slice shown_part(const char *text);
/* The same as markup: escaped, direction-isolated; a dash when empty. */
void put_log_text(struct buf *out, const char *text);
/* The words of `id`, escaped; each %s takes the next of the NULL-terminated markup texts. */
void put_filled(struct buf *out, const struct page *p, enum text_id id, const char *const *markup);

/* For people: 12,345 · 156.2 · 32.50 · 0.9321; an en dash when not finite. */
void put_number(struct buf *out, double value);
void put_count(struct buf *out, uint64_t value);
void put_percent(struct buf *out, double part, double whole);
/* In the metric's unit; bytes are scaled and carry KiB, MiB, GiB. */
void put_value(struct buf *out, enum metric_id m, double value);
/* " ms" in a quiet voice; nothing for pure numbers and bytes. */
void put_unit(struct buf *out, enum metric_id m);
void put_duration(struct buf *out, int64_t us);
/* <time>, UTC; the script turns it into local time. */
void put_time(struct buf *out, int64_t us);

enum tone { TONE_NONE, TONE_GOOD, TONE_WARN, TONE_BAD };
extern const char *const tone_classes[]; /* "tone-good", … */
void put_icon(struct buf *out, enum tone tone);
enum tone severity_tone(enum severity s);

static inline const char *words(const struct page *p, enum text_id id)
{
	return text(id, p->lang);
}

#endif
