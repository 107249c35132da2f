/* describe.c - describes a rule in words: its conditions, phase, vocabularies and duration. */
#include "rules/describe.h"

#include <math.h>

static void add_limit(struct buf *out, const struct condition *c, const struct limit *limit)
{
	const char *unit = metric_specs[c->metric].unit;

	switch (limit->kind) {
	case LIMIT_BASELINE:
		buf_json_double(out, limit->value);
		buf_str(out, " x baseline");
		break;
	case LIMIT_FIELD:
		buf_json_double(out, limit->value);
		buf_printf(out, " x %s", strrchr(field_specs[limit->of.field].path, '.') + 1);
		break;
	case LIMIT_METRIC:
		buf_json_double(out, limit->value);
		buf_printf(out, " x %s", metric_specs[limit->of.metric].id);
		break;
	case LIMIT_VOCAB:
		buf_json_double(out, limit->value);
		buf_str(out, " x ln(vocab_size)");
		break;
	case LIMIT_GOAL:
		buf_json_double(out, limit->value);
		buf_str(out, " x goal");
		break;
	case LIMIT_LEARNED:
		buf_json_double(out, limit->value);
		buf_str(out, " x normal and ");
		buf_json_double(out, limit->deviations);
		buf_str(out, " spreads (its usual variation) from it");
		return;
	default:
		buf_json_double(out, limit->value);
		if (*unit)
			buf_printf(out, " %s", unit);
	}
	if (limit->plus == 0)
		return;
	buf_str(out, limit->plus < 0 ? " - " : " + ");
	buf_json_double(out, fabs(limit->plus));
}

static void add_side(struct buf *out, const struct condition *c, const struct limit *limit, const char *sign,
		     bool second)
{
	if (limit->kind == LIMIT_NONE)
		return;
	buf_printf(out, "%s %s ", second ? " or" : "", sign);
	add_limit(out, c, limit);
}

static void add_condition(struct buf *out, const struct condition *c)
{
	bool bare = c->above.kind == LIMIT_NONE && c->below.kind == LIMIT_NONE;

	if (c->over > 1)
		buf_printf(out, "%s of %zu ", aggregate_names[c->by], c->over);
	buf_str(out, metric_specs[c->metric].id);
	add_side(out, c, &c->below, "<", false);
	add_side(out, c, &c->above, ">", c->below.kind != LIMIT_NONE);
	if (c->unusual.once_in > 0) {
		buf_str(out, " so unusual that it comes once in ");
		buf_json_double(out, c->unusual.once_in);
		buf_str(out, " records");
	}
	if (c->unusual.beyond > 0) {
		buf_str(out, " outside all that was seen in the session by more than ");
		buf_json_double(out, c->unusual.beyond);
		buf_str(out, " times its range");
	}
	if (c->forecast.within_us) {
		buf_str(out, " within ");
		rule_describe_duration(out, c->forecast.within_us);
		buf_str(out, ", if it goes on as in the last ");
		rule_describe_duration(out, c->forecast.over_us);
	}
	if (!c->sudden.of)
		return;
	buf_printf(out, "%s ", bare ? "" : ",");
	buf_json_double(out, c->sudden.deviations);
	buf_printf(out, " deviations from the last %zu", c->sudden.of);
}

void rule_describe(struct buf *out, const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_when; i++) {
		buf_str(out, i ? " and " : "");
		add_condition(out, &rule->when[i]);
	}
	if (rule->phase)
		buf_printf(out, ", in %s", phase_ids[rule->phase]);
	if (rule->vocab.above)
		buf_printf(out, ", vocabulary above %llu", (unsigned long long)rule->vocab.above);
	if (rule->vocab.at_most != UINT64_MAX)
		buf_printf(out, ", vocabulary at most %llu", (unsigned long long)rule->vocab.at_most);
	if (!rule->for_us)
		return;
	buf_str(out, " for ");
	rule_describe_duration(out, rule->for_us);
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
