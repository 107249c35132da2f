/* verdict_text.c - the judgement as one sentence. */
#include "report/verdict_text.h"

#include "analyze/time_breakdown.h"
#include "base/clock.h"
#include "report/diagnosis_words.h"
#include "report/fleet.h"

#include <string.h>

enum text_id verdict_word(enum verdict v)
{
	static const enum text_id words[VERDICT_COUNT] = { [VERDICT_HEALTHY] = TEXT_VERDICT_HEALTHY,
							   [VERDICT_UNDECIDED] = TEXT_VERDICT_UNDECIDED,
							   [VERDICT_ATTENTION] = TEXT_VERDICT_ATTENTION,
							   [VERDICT_CRITICAL] = TEXT_VERDICT_CRITICAL };

	return words[v];
}

enum tint verdict_tint(enum verdict v)
{
	static const enum tint tints[VERDICT_COUNT] = { [VERDICT_HEALTHY] = TINT_GOOD,
							[VERDICT_UNDECIDED] = TINT_DIM,
							[VERDICT_ATTENTION] = TINT_WARN,
							[VERDICT_CRITICAL] = TINT_BAD };

	return tints[v];
}

enum text_id rule_set_why(const struct findings *f)
{
	static const char *const published[] = { "thresholds", "baseline", "byte" };
	const char *set = f->rule_set ? f->rule_set : "";

	for (size_t i = 0; i < sizeof published / sizeof *published; i++)
		if (!strcmp(set, published[i]))
			return TEXT_JUDGED_PUBLISHED;
	if (!strcmp(set, "none"))
		return TEXT_JUDGED_NOT;
	return strcmp(set, "default") ? TEXT_JUDGED_OWN : TEXT_JUDGED_LEARNED;
}

/* The first number that the test of the cause looked at; when it looked at none, that of the answer before it. What was
 * named without a walk down has one. */
static const struct evidence *first_evidence(const struct diagnosis *d)
{
	for (size_t step = d->n_steps; step > 0; step--)
		for (size_t i = 0; i < d->n_evidence; i++)
			if (d->evidence[i].answer == d->step[step - 1].answer)
				return &d->evidence[i];
	return d->n_evidence ? d->evidence : NULL;
}

static void say_evidence(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	const struct evidence *e = first_evidence(d);

	if (!e)
		return;
	buf_str(out, text(TEXT_BLANK, lang));
	evidence_sentence(out, e, lang);
}

static void say_place(struct buf *out, const struct judgement *j, enum lang lang)
{
	const struct diagnosis *d = &j->diagnosis;
	char since[TIME_TEXT_BYTES], token[TERM_TEXT];

	if (*d->device && d->part && !d->part->devices.n) /* evidence of several GPUs names it */
		text_fill(out, lang, TEXT_VERDICT_DEVICE, d->device);
	if (*d->session_id)
		text_fill(out, lang, TEXT_VERDICT_SESSION, d->session_id);
	else if (*j->instance)
		text_fill(out, lang, TEXT_VERDICT_INSTANCE, j->instance);
	if (!d->since_us)
		return;
	time_format(since, d->since_us);
	if (d->since_token)
		text_fill(out, lang, TEXT_VERDICT_SINCE_TOKEN, since, term_count(token, d->since_token));
	else
		text_fill(out, lang, TEXT_VERDICT_SINCE, since);
}

static void say_others(struct buf *out, enum text_id words, const enum cause_id *cause, size_t n, enum lang lang)
{
	struct buf titles = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_printf(&titles, "%s%s", !i ? "" : text(TEXT_SEMICOLON, lang), cause_specs[cause[i]].title[lang]);
	if (n && titles.p)
		text_fill(out, lang, words, titles.p);
	buf_free_into(&titles, out);
}

/* Names the instance that differs most from its peers, the number of others that differ, and what slowed them down
 * together. */
static void say_peers(struct buf *out, const struct findings *f, enum lang lang)
{
	const struct peer_outlier *worst = f->peers.outlier;
	char others[TERM_TEXT];
	size_t n = 0;

	for (size_t i = 0; i < f->n_instances; i++)
		n += f->instance[i].outlier != NULL;

	if ((!n && f->judgement->diagnosis.cause == CAUSE_UNLIKE_PEERS) || f->slowdown.scope == SLOWDOWN_COMMON) {
		buf_str(out, text(TEXT_BLANK, lang));
		slowdown_words(out, f, lang);
	}
	if (!n)
		return;
	while (!worst->is_worse)
		worst++;
	buf_str(out, text(TEXT_BLANK, lang));
	buf_str(out, instance_shown(worst->instance));
	buf_str(out, text(TEXT_COLON, lang));
	peer_words(out, f, worst, lang);
	buf_str(out, text(TEXT_STOP, lang));
	if (n > 1)
		text_fill(out, lang, TEXT_FLEET_OTHERS, term_count(others, n - 1));
}

void alarms_each(struct buf *out, const uint64_t by_type[ALARM_TYPE_COUNT], enum lang lang)
{
	char count[TERM_TEXT];
	bool any = false;

	for (int t = 0; t < ALARM_TYPE_COUNT; t++) {
		if (!by_type[t])
			continue;
		if (any)
			buf_str(out, text(TEXT_SEMICOLON, lang));
		text_fill(out, lang, TEXT_VERDICT_BEYOND_EACH, alarm_specs[t].label[lang],
			  term_count(count, by_type[t]));
		any = true;
	}
}

/* Limits that were broken without being the cause: the verdict mentions whatever the tables list. */
static void say_beyond(struct buf *out, const struct findings *f, enum lang lang)
{
	struct buf types = { 0 };

	alarms_each(&types, f->anomaly_by_type, lang);
	if (types.used && types.p)
		text_fill(out, lang, TEXT_VERDICT_BEYOND, types.p);
	buf_free_into(&types, out);
}

static bool tells_alarms(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->n_evidence; i++)
		if (d->evidence[i].id == E_LIVE_ALARM || d->evidence[i].id == E_RULE_FIRES ||
		    d->evidence[i].id == E_RULE_BROKEN)
			return true;
	return false;
}

static const struct bad_session *earlier(const struct bad_session *a, const struct bad_session *b)
{
	return b->at.known && (!a || b->at.time_us < a->at.time_us) ? b : a;
}

/* What makes a log critical whose cause alone would not: alarms that the cause does not name. */
static void say_graver(struct buf *out, const struct findings *f, enum lang lang)
{
	const struct judgement *j = f->judgement;
	const struct bad_session *first = NULL;
	struct buf types = { 0 };
	char count[TERM_TEXT];

	if (j->verdict != VERDICT_CRITICAL || cause_specs[j->diagnosis.cause].kind == CAUSE_IS_GRAVE ||
	    tells_alarms(&j->diagnosis))
		return;
	if (!f->live_critical) {
		text_fill(out, lang, TEXT_VERDICT_GRAVE_RULES, term_count(count, f->anomaly_critical));
		return;
	}
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		first = f->live_alarms[t] ? earlier(first, &f->first_alarm[t]) : first;
	alarms_each(&types, f->live_alarms, lang);
	if (types.used && types.p)
		text_fill(out, lang, TEXT_VERDICT_GRAVE_ALARMS, term_count(count, f->live_critical), types.p);
	if (first && first->session_id && strcmp(first->session_id, j->diagnosis.session_id))
		text_fill(out, lang, TEXT_VERDICT_GRAVE_FIRST, first->session_id);
	buf_free_into(&types, out);
}

void verdict_sentence(struct buf *out, const struct findings *f, enum lang lang)
{
	const struct judgement *j = f->judgement;
	const struct diagnosis *d = &j->diagnosis;
	char all[TERM_TEXT];

	if (!f->records && d->cause == CAUSE_NOT_ENOUGH) {
		if (f->skipped_lines && !f->filtered)
			text_fill(out, lang, TEXT_VERDICT_UNREAD, term_count(all, f->skipped_lines));
		else
			buf_str(out, text(f->filtered ? TEXT_VERDICT_FILTERED : TEXT_VERDICT_EMPTY, lang));
		return;
	}
	if (j->verdict == VERDICT_HEALTHY) {
		text_fill(out, lang, TEXT_VERDICT_FINE, term_count(all, f->records));
		say_beyond(out, f, lang);
		say_others(out, TEXT_VERDICT_ADVICE, d->advice, d->n_advice, lang);
		return;
	}
	buf_str(out, cause_specs[d->cause].title[lang]);
	buf_str(out, text(TEXT_STOP, lang));
	if (d->cause != CAUSE_UNLIKE_PEERS) {
		say_evidence(out, d, lang);
		if (j->verdict != VERDICT_UNDECIDED)
			say_place(out, j, lang);
	}
	say_graver(out, f, lang);
	say_peers(out, f, lang);
	say_others(out, TEXT_VERDICT_ALSO, d->also, d->n_also, lang);
}

void verdict_line(struct term *t, const struct findings *f)
{
	struct buf sentence = { 0 }, clean = { 0 };
	enum verdict verdict = f->judgement->verdict;

	term_put(t, verdict_tint(verdict), t->ascii ? "* " : "\xe2\x97\x8f ");
	term_put(t, verdict_tint(verdict), text(verdict_word(verdict), t->lang));
	term_put(t, TINT_PLAIN, "  ");
	verdict_sentence(&sentence, f, t->lang);
	term_clean_all(&clean, t, buf_text(&sentence));
	term_wrap(t, TINT_PLAIN, buf_text(&clean), t->at);
	term_newline(t);
	buf_free_into(&sentence, t->out);
	buf_free_into(&clean, t->out);
}
