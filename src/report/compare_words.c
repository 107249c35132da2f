/* compare_words.c - a comparison's verdict in words. */
#include "report/compare.h"

#include "report/session_texts.h"
#include "report/terminal.h"
#include "spec/skipped.h"

#include <math.h>

bool compare_is_speed(enum metric_id m)
{
	return metric_specs[m].group == METRIC_PERFORMANCE && *metric_specs[m].unit; /* not a share of failures */
}

const char *compare_word(const struct difference *d, enum difference_verdict verdict, enum lang lang)
{
	static const enum text_id words[DIFFERENCE_VERDICTS] = {
		[DIFFERENCE_UNKNOWN] = TEXT_COMPARE_UNKNOWN, [DIFFERENCE_NONE] = TEXT_COMPARE_SAME,
		[DIFFERENCE_BETTER] = TEXT_COMPARE_BETTER,   [DIFFERENCE_WORSE] = TEXT_COMPARE_WORSE,
		[DIFFERENCE_HIGHER] = TEXT_COMPARE_HIGHER,   [DIFFERENCE_LOWER] = TEXT_COMPARE_LOWER,
		[DIFFERENCE_IN_RUNS] = TEXT_COMPARE_DIFFERS,
	};
	bool speed = d && compare_is_speed(d->metric);

	if (speed && verdict == DIFFERENCE_BETTER)
		return text(TEXT_COMPARE_FASTER, lang);
	if (speed && verdict == DIFFERENCE_WORSE)
		return text(TEXT_COMPARE_SLOWER, lang);
	return text(words[verdict], lang);
}

const char *compare_percent(char out[TERM_TEXT], double share)
{
	if (!isfinite(share))
		snprintf(out, TERM_TEXT, "-");
	else if (fabs(share) >= 9.995)
		snprintf(out, TERM_TEXT, "%+.0f %%", share * 100);
	else
		snprintf(out, TERM_TEXT, "%+.*f %%", fabs(share) < 0.09995 ? 2 : 1, share * 100);
	return out;
}

/* Beyond tenfold, an interval that holds no change at all, too, has nothing more to say. */
static const double WIDEST = 9;

const char *compare_interval(char out[TERM_TEXT], const struct estimate *e, bool ascii)
{
	char low[TERM_TEXT], high[TERM_TEXT];

	if (!isfinite(e->relative_low) || !isfinite(e->relative_high)) {
		snprintf(out, TERM_TEXT, "-");
		return out;
	}
	compare_percent(low, e->relative_low);
	compare_percent(high, e->relative_high);
	if (e->relative_low < 0 && e->relative_high > WIDEST)
		snprintf(high, sizeof high, "> %+.0f %%", 100 * WIDEST);
	low[strlen(low) - 2] = high[strlen(high) - 2] = 0; /* their " %" */
	snprintf(out, TERM_TEXT, "%.100s %s %.100s %%", low, ascii ? ".." : "\xe2\x80\xa6", high);
	return out;
}

void compare_side_words(struct buf *out, const struct compared_side *side, const struct findings *f, enum lang lang)
{
	char runs[TERM_TEXT], sessions[TERM_TEXT], steps[TERM_TEXT], left_out[TERM_TEXT], skipped[TERM_TEXT],
		failed[TERM_TEXT];

	text_fill(out, lang, TEXT_COMPARE_SIDE, term_count(runs, side->runs), term_count(sessions, side->sessions),
		  term_count(steps, side->records), term_count(left_out, side->left_out));
	if (side->failed_requests) {
		buf_str(out, text(TEXT_SEMICOLON, lang));
		text_fill(out, lang, TEXT_COMPARE_FAILED, term_count(failed, side->failed_requests));
	}
	if (!f->n_skipped)
		return;
	buf_str(out, text(TEXT_SEMICOLON, lang));
	text_fill(out, lang, TEXT_COMPARE_SKIPPED, term_count(skipped, f->skipped_lines), f->skipped[0].file,
		  skipped_reason(f->skipped[0].reason, lang));
}

void compare_ran(struct compare_ran *out, const struct findings *f, enum lang lang)
{
	*out = (struct compare_ran){ .model = { 0 } };
	session_texts(&out->model, f, session_model, lang);
	session_texts(&out->strategy, f, session_strategy, lang);
	instance_devices(&out->device, f, lang);
}

void compare_ran_free_into(struct compare_ran *r, struct buf *out)
{
	buf_free_into(&r->model, out);
	buf_free_into(&r->strategy, out);
	buf_free_into(&r->device, out);
}

static void put_unlike(struct buf *out, enum text_id words, struct buf *a, struct buf *b, enum lang lang)
{
	if (!a->used || !b->used || !strcmp(buf_text(a), buf_text(b)))
		return;
	if (out->used)
		buf_str(out, text(TEXT_SEMICOLON, lang));
	text_fill(out, lang, words, buf_text(a), buf_text(b));
}

void compare_unlike(struct buf *out, const struct compare_input *in, enum lang lang)
{
	struct compare_ran a, b;
	struct buf list = { 0 };

	compare_ran(&a, in->findings[0], lang);
	compare_ran(&b, in->findings[1], lang);
	put_unlike(&list, TEXT_COMPARE_UNLIKE_MODEL, &a.model, &b.model, lang);
	put_unlike(&list, TEXT_COMPARE_UNLIKE_STRATEGY, &a.strategy, &b.strategy, lang);
	put_unlike(&list, TEXT_COMPARE_UNLIKE_DEVICE, &a.device, &b.device, lang);
	if (list.used)
		text_fill(out, lang, TEXT_COMPARE_UNLIKE, buf_text(&list));
	buf_free_into(&list, out);
	compare_ran_free_into(&a, out);
	compare_ran_free_into(&b, out);
}

static enum text_id phase_word(enum phase phase)
{
	static const enum text_id words[PHASE_COUNT] = { TEXT_COMPARE_IN_UNKNOWN, TEXT_COMPARE_IN_PREFILL,
							 TEXT_COMPARE_IN_DECODE };

	return words[phase];
}

static bool is_told(enum difference_verdict v)
{
	return v != DIFFERENCE_UNKNOWN && v != DIFFERENCE_NONE;
}

/* "+5.3 %"; of what A has none of, there is no percentage. */
static void put_change(struct buf *out, const struct difference *d, enum lang lang)
{
	const struct estimate *e = &d->of[COMPARED_MEDIAN];
	char change[TERM_TEXT], a[TERM_TEXT], b[TERM_TEXT];

	if (isfinite(e->relative))
		buf_str(out, compare_percent(change, e->relative));
	else
		text_fill(out, lang, TEXT_COMPARE_FROM_TO, term_value(a, d->metric, e->a),
			  term_value(b, d->metric, e->b));
}

/* Where the speed does not differ: what does. */
static void put_others(struct buf *out, const struct comparison *c, enum lang lang)
{
	enum { SHOWN = 3 };
	struct buf list = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < c->n && n < SHOWN; i++) {
		const struct difference *d = &c->row[i];

		if (!is_told(d->median))
			continue;
		buf_printf(&list, "%s%s (%s) ", n++ ? text(TEXT_COMMA, lang) : "", metric_specs[d->metric].label[lang],
			   text(phase_word(d->phase), lang));
		put_change(&list, d, lang);
	}
	if (n)
		text_fill(out, lang, TEXT_COMPARE_OTHERS, buf_text(&list));
	buf_free_into(&list, out);
}

static void put_reason(struct buf *out, const struct comparison *c, const struct difference *d, enum lang lang)
{
	static const enum text_id words[DIFFERENCE_REASONS] = {
		[REASON_FEW_STEPS] = TEXT_COMPARE_WHY_STEPS,  [REASON_FEW_SAMPLES] = TEXT_COMPARE_WHY_SAMPLES,
		[REASON_SHORT_RUNS] = TEXT_COMPARE_WHY_SHORT, [REASON_WIDE] = TEXT_COMPARE_WHY_WIDE,
		[REASON_FEW_RUNS] = TEXT_COMPARE_WHY_RUNS,
	};

	if (d->phase == PHASE_PREFILL && comparison_row(c, d->metric, PHASE_DECODE))
		buf_str(out, text(TEXT_COMPARE_DECODE_SAME, lang));
	if (d->median == DIFFERENCE_NONE) {
		buf_str(out, text(c->by_run ? TEXT_COMPARE_NO_MATTER : TEXT_COMPARE_WHY_SAME, lang));
		put_others(out, c, lang);
	} else if (words[d->reason])
		buf_str(out, text(words[d->reason], lang));
}

const char *compare_headline(const struct comparison *c, enum lang lang)
{
	if (c->verdict == DIFFERENCE_IN_RUNS)
		return text(TEXT_COMPARE_DIFFERS_HERE, lang);
	return compare_word(c->deciding, c->verdict, lang);
}

/* Which side is short of steps because most of them are the warm-up of short sessions; NULL: none. */
static const struct compared_side *short_of_steps(const struct comparison *c)
{
	const struct compared_side *s = &c->side[c->side[1].records < c->side[0].records];

	return s->left_out > s->records ? s : NULL;
}

static void put_undecided(struct buf *out, const struct comparison *c, enum lang lang)
{
	const struct compared_side *s = short_of_steps(c);
	char compared[TERM_TEXT], left_out[TERM_TEXT];

	if (s)
		text_fill(out, lang, TEXT_COMPARE_WARMUP, s == c->side ? "A" : "B", term_count(compared, s->records),
			  term_count(left_out, s->left_out));
	else
		buf_str(out, text(c->n ? TEXT_COMPARE_TOO_FEW : TEXT_COMPARE_NOTHING, lang));
}

void compare_sentence(struct buf *out, const struct comparison *c, enum lang lang)
{
	const struct difference *d = c->deciding;
	char a[TERM_TEXT], b[TERM_TEXT], change[TERM_TEXT], interval[TERM_TEXT];
	const struct estimate *e;

	if (!d) {
		put_undecided(out, c, lang);
		return;
	}
	e = &d->of[COMPARED_MEDIAN];
	text_fill(out, lang, TEXT_COMPARE_SENTENCE, metric_specs[d->metric].label[lang],
		  text(phase_word(d->phase), lang), term_value(a, d->metric, e->a), term_value(b, d->metric, e->b),
		  compare_percent(change, e->relative), compare_interval(interval, e, false));
	put_reason(out, c, d, lang);
}

static int effect_of(double delta)
{
	double size = fabs(delta);

	return isnan(delta) ? -1 : size < 0.147 ? 0 : size < 0.33 ? 1 : size < 0.474 ? 2 : 3;
}

const char *compare_effect_id(double cliffs_delta)
{
	static const char *const ids[] = { "negligible", "small", "medium", "large" };
	int effect = effect_of(cliffs_delta);

	return effect < 0 ? "" : ids[effect];
}

const char *compare_effect(double cliffs_delta, enum lang lang)
{
	static const enum text_id words[] = { TEXT_COMPARE_NEGLIGIBLE, TEXT_COMPARE_SMALL, TEXT_COMPARE_MEDIUM,
					      TEXT_COMPARE_LARGE };
	int effect = effect_of(cliffs_delta);

	return effect < 0 ? "-" : text(words[effect], lang);
}
