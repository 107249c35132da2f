#include "rules/describe.h"

#include <math.h>

static void add_limit(struct buf *out, const struct condition *c, const struct limit *limit)
{
	const char *unit = metric_specs[c->metric].unit;

	switch (limit->kind) {
	case LIMIT_BASELINE:
		buf_json_double(out, limit->value);
		buf_str(out, " x baseline");
		return;
	case LIMIT_FIELD:
		buf_json_double(out, limit->value);
		buf_printf(out, " x %s", strrchr(field_specs[limit->of.field].path, '.') + 1);
		return;
	case LIMIT_METRIC:
		buf_json_double(out, limit->value);
		buf_printf(out, " x %s", metric_specs[limit->of.metric].id);
		return;
	default:
		buf_json_double(out, limit->value);
		if (*unit)
			buf_printf(out, " %s", unit);
	}
}

static void add_side(struct buf *out, const struct condition *c, const struct limit *limit, const char *sign, bool second)
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
