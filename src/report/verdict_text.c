#include "report/verdict_text.h"

#include "report/terminal.h"

#include <math.h>

const char *const verdict_ids[VERDICT_COUNT] = { "healthy", "attention", "critical" };

static bool has_nonfinite(const struct findings *f)
{
	for (int m = 0; m < METRIC_COUNT; m++)
		if (f->metric[m].nonfinite)
			return true;
	return f->metric[M_NONFINITE_LOGITS].max > 0 || f->metric[M_NONFINITE_STATE].max > 0;
}

static uint64_t live_alarms(const struct findings *f)
{
	uint64_t n = 0;

	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		n += f->live_alarms[type];
	return n;
}

static uint64_t collapse_warnings(const struct findings *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->n_sessions; i++)
		n += f->session[i].collapse_warning;
	return n;
}

static int commonest(const struct findings *f)
{
	int most = 0;

	for (int type = 1; type < ALARM_TYPE_COUNT; type++)
		if (f->anomaly_by_type[type] > f->anomaly_by_type[most])
			most = type;
	return most;
}

/* The event to name: severe first, then the one with most records. */
/* How far beyond its limit, as a share of the limit. */
static double excess(const struct anomaly_event *e)
{
	return fabs(e->worst - e->limit) / fmax(fabs(e->limit), 1e-9);
}

static const struct anomaly_event *gravest(const struct findings *f)
{
	const struct anomaly_event *best = NULL;

	for (size_t i = 0; i < f->n_events; i++) {
		const struct anomaly_event *e = &f->event[i];

		if (!best || e->severity > best->severity ||
		    (e->severity == best->severity && excess(e) > excess(best)))
			best = e;
	}
	return best;
}

static void say_count(struct buf *out, enum lang lang, enum text_id id, uint64_t n)
{
	char count[TERM_TEXT];

	if (n)
		term_fill(out, lang, id, (const char *const[]){ term_count(count, n) });
}

static void say_broken(struct buf *out, const struct findings *f, enum lang lang)
{
	char some[TERM_TEXT], all[TERM_TEXT], share[TERM_TEXT], worst[TERM_TEXT], limit[TERM_TEXT];
	const struct anomaly_event *e = gravest(f);

	term_fill(out, lang, TEXT_VERDICT_BROKEN,
		  (const char *const[]){ term_count(some, f->anomaly_records), term_count(all, f->records),
					 term_share(share, f->anomaly_records, f->records),
					 alarm_specs[commonest(f)].label[lang] });
	if (e)
		term_fill(out, lang, TEXT_VERDICT_WORST,
			  (const char *const[]){ alarm_specs[e->type].label[lang],
						 term_value(worst, e->metric, e->worst),
						 term_value(limit, e->metric, e->limit) });
}

void verdict_sentence(struct buf *out, const struct findings *f, enum lang lang)
{
	char all[TERM_TEXT];

	if (!f->records)
		buf_str(out, text(f->filtered ? TEXT_VERDICT_FILTERED : TEXT_VERDICT_EMPTY, lang));
	else if (f->anomaly_records)
		say_broken(out, f, lang);
	else
		term_fill(out, lang, TEXT_VERDICT_FINE, (const char *const[]){ term_count(all, f->records) });
	if (has_nonfinite(f))
		buf_str(out, text(TEXT_VERDICT_NONFINITE, lang));
	say_count(out, lang, TEXT_VERDICT_LIVE, live_alarms(f));
	say_count(out, lang, TEXT_VERDICT_COLLAPSE, collapse_warnings(f));
	say_count(out, lang, TEXT_VERDICT_DROPPED, f->dropped);
}
