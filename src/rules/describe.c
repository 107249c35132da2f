/* describe.c - describes a rule in words: its conditions, phase, vocabularies and duration. */
#include "rules/describe.h"

#include "spec/text.h"

#include <math.h>

enum { WORD_BYTES = 40 };

/* What was written, as a word; frees it. */
static const char *word_of(char out[WORD_BYTES], struct buf *written)
{
	snprintf(out, WORD_BYTES, "%s", written->p ? written->p : "");
	buf_free(written);
	return out;
}

static const char *number(char out[WORD_BYTES], double value)
{
	struct buf b = { 0 };

	buf_json_double(&b, value);
	return word_of(out, &b);
}

static const char *duration(char out[WORD_BYTES], int64_t us)
{
	struct buf b = { 0 };

	rule_describe_duration(&b, us);
	return word_of(out, &b);
}

/* The unit of what is judged: a spread, of logarithms, has none, and a count's is not written. */
static const char *unit_of(const struct condition *c)
{
	const char *unit = metric_specs[c->metric].unit;

	return c->by == BY_SPREAD || !strcmp(unit, "count") ? "" : unit;
}

/* What the limit is a multiple of; NULL: nothing, it is a number. */
static const char *reference_of(const struct limit *limit, enum lang lang)
{
	switch (limit->kind) {
	case LIMIT_BASELINE:
		return text(TEXT_RULE_BASELINE, lang);
	case LIMIT_FIELD:
		return strrchr(field_specs[limit->of.field].path, '.') + 1;
	case LIMIT_METRIC:
		return metric_specs[limit->of.metric].id;
	case LIMIT_VOCAB:
		return "ln(vocab_size)";
	case LIMIT_GOAL:
		return text(TEXT_RULE_GOAL, lang);
	default:
		return NULL;
	}
}

static void add_limit(struct buf *out, const struct condition *c, const struct limit *limit, enum lang lang)
{
	const char *reference = reference_of(limit, lang);
	char value[WORD_BYTES], spreads[WORD_BYTES];

	number(value, limit->value);
	if (limit->kind == LIMIT_LEARNED) {
		text_fill(out, lang, TEXT_RULE_LEARNED, value, number(spreads, limit->deviations));
		return;
	}
	if (reference)
		text_fill(out, lang, TEXT_RULE_TIMES, value, reference);
	else
		buf_printf(out, "%s%s%s", value, *unit_of(c) ? " " : "", unit_of(c));
	if (limit->plus != 0)
		buf_printf(out, " %c %s", limit->plus < 0 ? '-' : '+', number(value, fabs(limit->plus)));
}

static void add_side(struct buf *out, const struct condition *c, const struct limit *limit, char sign, enum lang lang)
{
	if (limit->kind == LIMIT_NONE)
		return;
	buf_printf(out, " %c ", sign);
	add_limit(out, c, limit, lang);
}

static void add_condition(struct buf *out, const struct condition *c, enum lang lang)
{
	const char *metric = metric_specs[c->metric].id;
	char a[WORD_BYTES], b[WORD_BYTES];

	if (c->over > 1)
		text_fill(out, lang, TEXT_RULE_OF_WINDOW, aggregate_names[c->by], number(a, (double)c->over), metric);
	else
		buf_str(out, metric);
	if (c->absent)
		buf_str(out, text(TEXT_RULE_ABSENT, lang));
	add_side(out, c, &c->below, '<', lang);
	if (c->below.kind != LIMIT_NONE && c->above.kind != LIMIT_NONE)
		buf_str(out, text(TEXT_RULE_OR, lang));
	add_side(out, c, &c->above, '>', lang);
	if (c->unusual.once_in > 0)
		text_fill(out, lang, TEXT_RULE_UNUSUAL, number(a, c->unusual.once_in));
	if (c->unusual.beyond > 0)
		text_fill(out, lang, TEXT_RULE_BEYOND, number(a, c->unusual.beyond));
	if (c->forecast.within_us)
		text_fill(out, lang, TEXT_RULE_AHEAD, duration(a, c->forecast.within_us),
			  duration(b, c->forecast.over_us));
	if (!c->sudden.of)
		return;
	if (c->above.kind != LIMIT_NONE || c->below.kind != LIMIT_NONE)
		buf_str(out, text(TEXT_RULE_AS_WELL, lang));
	text_fill(out, lang, TEXT_RULE_SUDDEN, number(a, c->sudden.deviations), number(b, (double)c->sudden.of));
}

void rule_describe(struct buf *out, const struct rule *rule, enum lang lang)
{
	char word[WORD_BYTES];

	for (size_t i = 0; i < rule->n_when; i++) {
		buf_str(out, i ? text(TEXT_RULE_AND, lang) : "");
		add_condition(out, &rule->when[i], lang);
	}
	if (rule->phase)
		text_fill(out, lang, TEXT_RULE_IN_PHASE, phase_ids[rule->phase]);
	if (rule->vocab.above)
		text_fill(out, lang, TEXT_RULE_VOCAB_ABOVE, number(word, (double)rule->vocab.above));
	if (rule->vocab.at_most != UINT64_MAX)
		text_fill(out, lang, TEXT_RULE_VOCAB_AT_MOST, number(word, (double)rule->vocab.at_most));
	if (rule->for_us)
		text_fill(out, lang, TEXT_RULE_FOR, duration(word, rule->for_us));
}

void rule_describe_duration(struct buf *out, int64_t us)
{
	double s = (double)us / 1e6;

	if (s < 1 && us) {
		buf_json_double(out, s * 1e3);
		buf_str(out, " ms");
	} else if (s >= 120 && fmod(s, 60) == 0) {
		buf_json_double(out, s / 60);
		buf_str(out, " min");
	} else {
		buf_json_double(out, s);
		buf_str(out, " s");
	}
}
