/* forecast_words.c - sentences about what comes next. */
#include "report/forecast_words.h"

#include "analyze/loop_risk.h"
#include "report/terminal.h"
#include "spec/text.h"

#include <math.h>
#include <stdio.h>

const char *const limit_source_ids[] = { NULL, "stated", "rule", "capacity" };
const char *const trained_part_ids[] = { "absent", "other_metrics", "learned_from_this_log", "competed" };
const char *const forecast_state_ids[] = { "too_short", "constant", "not_predictable", "predicted" };

enum text_id forecast_model_word(enum forecast_model model)
{
	static const enum text_id words[FORECAST_MODEL_COUNT] = {
		TEXT_FORECAST_LAST_VALUE,   TEXT_FORECAST_ROBUST_LINE,      TEXT_FORECAST_LONG_LINE,
		TEXT_FORECAST_DAMPED_TREND, TEXT_FORECAST_SEASONAL_PROFILE, TEXT_FORECAST_LSTM
	};

	return words[model];
}

void forecast_name_words(struct buf *out, const struct foreseen *x, enum lang lang)
{
	buf_str(out, metric_specs[x->metric].label[lang]);
	if (x->gpu >= 0) {
		char gpu[32];

		snprintf(gpu, sizeof gpu, "cuda:%d", x->gpu);
		text_fill(out, lang, TEXT_IN_BRACKETS, gpu);
	}
}

void forecast_method_words(struct buf *out, const struct foreseen *x, enum lang lang)
{
	char skill[32], last[TERM_TEXT];

	if (x->is.state != FORECAST_SKILLED) {
		buf_str(out, text(x->is.state == FORECAST_TOO_SHORT  ? TEXT_FORECAST_TOO_SHORT
				  : x->is.state == FORECAST_CONSTANT ? TEXT_FORECAST_CONSTANT
								     : TEXT_FORECAST_NO_SKILL,
				  lang));
		return;
	}
	snprintf(skill, sizeof skill, "%.0f %%", 100 * x->is.skill);
	if (x->is_part)
		text_fill(out, lang, TEXT_FORECAST_BY_PART, text(forecast_model_word(x->is.model), lang),
			  term_lasted(last, x->at_us - x->from_us), skill);
	else
		text_fill(out, lang, TEXT_FORECAST_BY, text(forecast_model_word(x->is.model), lang), skill);
}

void forecast_next_words(struct buf *out, const struct foreseen *x, enum lang lang)
{
	const struct forecast_step *last;
	char now[TERM_TEXT], when[TERM_TEXT], value[TERM_TEXT], low[TERM_TEXT], high[TERM_TEXT];

	if (x->is.state != FORECAST_SKILLED)
		return;
	last = &x->is.step[x->is.steps - 1];
	text_fill(out, lang, TEXT_FORECAST_NEXT, term_value(now, x->metric, x->is.now),
		  term_lasted(when, foreseen_us(x, (double)x->is.steps)), term_value(value, x->metric, last->value),
		  term_value(low, x->metric, last->low), term_value(high, x->metric, last->high));
}

static const char *lasted(char out[TERM_TEXT], const struct foreseen *x, double steps)
{
	return term_lasted(out, foreseen_us(x, steps));
}

static void say_when(struct buf *out, const struct foreseen *x, enum lang lang)
{
	const struct forecast_reach *r = &x->reach;
	char at[TERM_TEXT], early[TERM_TEXT], late[TERM_TEXT];
	double told = (double)x->is.steps;

	if (r->now)
		buf_str(out, text(TEXT_FORECAST_BROKEN, lang));
	else if (isfinite(r->at) && isinf(r->late))
		text_fill(out, lang, TEXT_FORECAST_AT_OPEN, lasted(at, x, r->at), lasted(early, x, r->early));
	else if (isfinite(r->at))
		text_fill(out, lang, r->tested ? TEXT_FORECAST_AT : TEXT_FORECAST_AT_BEYOND, lasted(at, x, r->at),
			  lasted(early, x, r->early), lasted(late, x, r->late));
	else if (r->early <= told)
		text_fill(out, lang, TEXT_FORECAST_NEVER_SAID, lasted(at, x, told), lasted(early, x, r->early));
	else
		text_fill(out, lang, TEXT_FORECAST_NEVER, lasted(at, x, told));
}

void forecast_limit_words(struct buf *out, const struct foreseen *x, enum lang lang)
{
	static const enum text_id source[] = { TEXT_FORECAST_STATED, TEXT_FORECAST_STATED, TEXT_FORECAST_RULE,
					       TEXT_FORECAST_CAPACITY };
	char limit[TERM_TEXT];

	if (isnan(x->limit))
		return;
	text_fill(out, lang, TEXT_FORECAST_LIMIT, term_value(limit, x->metric, x->limit),
		  text(source[x->source], lang));
	if (x->is.state != FORECAST_SKILLED && !x->reach.now)
		return;
	buf_str(out, text(TEXT_COLON, lang));
	say_when(out, x, lang);
}

const struct time_part *forecast_next_loop(const struct findings *f, size_t *from)
{
	const struct time_breakdown *t = f->time_breakdown;

	while (t && *from < t->n_parts) {
		const struct time_part *part = t->part[(*from)++];

		if (part->has_start && loop_risk_of(&part->about) != LOOP_RISK_LOW)
			return part;
	}
	return NULL;
}

void forecast_loop_words(struct buf *out, const struct time_part *part, enum lang lang)
{
	const bool cold = loop_risk_of(&part->about) == LOOP_RISK_TEMPERATURE;
	char setting[64];

	if (cold)
		snprintf(setting, sizeof setting, "temperature %.4g",
			 fields_number(&part->about, F_SAMPLER_TEMPERATURE, NAN));
	text_fill(out, lang, TEXT_FORECAST_LOOPS, cold ? setting : "top_k 1");
	buf_char(out, ' ');
	buf_str(out, text(TEXT_FORECAST_LOOPS_FIX, lang));
}
