/* judge.c - a rule is judged on its aggregate: limit violated, then `for`, then the cooldown, then on; off again once
 * the value has come back by the share `clear` of the limit. */
#include "rules/judge.h"

#include <math.h>

/* What a condition says about one record. */
struct verdict {
	bool ready, violated, clear;
	double value, limit;
};

/* The limit of a record: most stay the same for a session. */
static double limit_now(const struct limit *limit, double settled, const struct record *rec)
{
	if (limit->kind != LIMIT_METRIC)
		return settled;
	return record_has(rec, limit->of.metric) ? rec->metric[limit->of.metric] * limit->value : limit->otherwise;
}

static double aggregate(const struct observed *o)
{
	switch (o->values.cap == 1 ? BY_LAST : o->is->by) {
	case BY_MEAN:
		return window_mean(&o->values);
	case BY_MEDIAN:
		return window_median(&o->values);
	case BY_MIN:
		return window_min(&o->values);
	case BY_MAX:
		return window_max(&o->values);
	default:
		return o->values.v[(o->values.next + o->values.cap - 1) % o->values.cap];
	}
}

/* Between which values nothing is sudden: all of them while too little has been seen to tell. */
static void usual_range(const struct observed *o, double *low, double *high)
{
	const struct sudden *s = &o->is->sudden;
	double median, far = INFINITY;

	median = window_median(&o->recent);
	if (o->recent.n >= 2 && o->recent.n >= o->recent.cap / 8)
		far = fmax(s->deviations * window_mad(&o->recent, median), s->least);
	*low = isinf(far) ? -INFINITY : median - far;
	*high = isinf(far) ? INFINITY : median + far;
}

/* The limit a value has crossed, or the nearer one while it is inside. */
static double nearest_limit(double value, double above, double below)
{
	if (isnan(above) || value < below)
		return below;
	if (isnan(below) || value > above)
		return above;
	return value - below < above - value ? below : above;
}

/* NaN limits compare false: no limit, no violation. */
static bool beyond(double value, double above, double below)
{
	return value > above || value < below;
}

/* Holds the value against the limits and against what is usual; where there are no limits, what is usual is the limit. */
static void hold_against(const struct observed *o, double clear, double above, double below, struct verdict *v)
{
	bool bare = o->is->above.kind == LIMIT_NONE && o->is->below.kind == LIMIT_NONE;
	double low, high;

	v->violated = bare || beyond(v->value, above, below);
	if (v->violated && o->recent.cap) {
		usual_range(o, &low, &high);
		above = bare || above < high ? high : above; /* a side without a limit (NaN) stays without */
		below = bare || below > low ? low : below;
		v->violated = beyond(v->value, above, below);
	}
	v->clear = bare ? !v->violated :
			  !beyond(v->value, above - clear * fabs(above), below + clear * fabs(below));
	v->limit = nearest_limit(v->value, above, below);
}

static struct verdict look(const struct rule *rule, struct observed *o, const struct record *rec, bool in_time)
{
	const struct condition *c = o->is;
	double raw = record_has(rec, c->metric) ? rec->metric[c->metric] : c->missing;
	struct verdict v = { .value = NAN, .limit = NAN };

	if (isnan(raw))
		return v;
	window_push(&o->values, raw);
	v.ready = in_time && o->values.n == o->values.cap;
	if (v.ready) {
		v.value = aggregate(o);
		hold_against(o, rule->clear, limit_now(&c->above, o->above, rec), limit_now(&c->below, o->below, rec), &v);
	}
	if (o->recent.cap && record_has(rec, c->metric) && rec->sequence_length >= rule->after_tokens)
		window_push(&o->recent, raw);
	return v;
}

static bool is_in_time(const struct judged *j, uint64_t n, const struct record *rec)
{
	return n > j->warmup && rec->sequence_length >= j->rule->after_tokens;
}

/* All conditions together; value and limit are the first one's. */
static struct verdict look_at_all(struct judged *j, uint64_t n, const struct record *rec)
{
	bool in_time = is_in_time(j, n, rec);
	struct verdict all = look(j->rule, &j->when[0], rec, in_time);

	for (size_t i = 1; i < j->rule->n_when; i++) {
		struct verdict one = look(j->rule, &j->when[i], rec, in_time);

		all.ready &= one.ready;
		all.violated &= one.violated;
		all.clear |= one.clear;
	}
	all.violated &= all.ready;
	return all;
}

/* Moves the alarm on or off; true when it changed. */
static bool move(struct judged *j, int64_t now_us, const struct verdict *v)
{
	const struct rule *rule = j->rule;
	bool was = j->firing;

	if (!v->violated)
		j->violated_since_us = INT64_MIN;
	else if (j->violated_since_us == INT64_MIN)
		j->violated_since_us = now_us;
	if (j->firing) {
		j->firing = v->violated || !v->clear;
	} else if (v->violated && now_us - j->violated_since_us >= rule->for_us &&
		   (j->fired_us == INT64_MIN || now_us - j->fired_us >= rule->cooldown_us)) {
		j->firing = true;
		j->fired_us = now_us;
	}
	return was != j->firing;
}

/* Tokens that make up what was seen: a loop's value says how many have repeated themselves (the share is one of 100),
 * everything else has gone on for as long as its windows are. */
static uint64_t span_of(const struct judged *j, double value)
{
	uint64_t span = 1;

	if (j->rule->kind == COLLAPSE_LOOP && value >= 1 && value < 1e15)
		return (uint64_t)value;
	for (size_t i = 0; i < j->rule->n_when; i++)
		span = j->when[i].values.cap > span ? j->when[i].values.cap : span;
	return span;
}

static void follow_collapse(struct judged *j, const struct record *rec, const struct verdict *v, bool was_violated)
{
	uint64_t span, at = rec->sequence_length;

	if (!v->violated)
		return;
	span = span_of(j, v->value);
	if (!was_violated || !j->bad_to || j->bad_sequence != rec->sequence)
		j->bad_from = at > span ? at - span + 1 : 1;
	j->bad_to = at;
	j->bad_sequence = rec->sequence;
}

void judge_tell(const struct judged *j, struct rule_finding *f)
{
	const struct rule *rule = j->rule;

	*f = (struct rule_finding){ .type = rule->alarm, .severity = rule->severity, .metric = rule->when[0].metric,
				    .rule = rule->name, .summary = rule->summary, .action = rule->action,
				    .cooldown_us = rule->cooldown_us, .value = NAN, .limit = NAN, .firing = j->firing, .kind = rule->kind };
	if (rule->alarm == ALARM_MODE_COLLAPSE && j->bad_to >= j->bad_from && j->bad_to) {
		f->first_bad_token = j->bad_from;
		f->tokens_wasted = j->bad_to - j->bad_from + 1;
	}
}

bool judge(struct judged *j, uint64_t n, const struct record *rec, struct rule_finding *f)
{
	bool was_violated = j->violated_since_us != INT64_MIN, changed;
	struct verdict v;

	if (j->rule->phase && rec->phase && rec->phase != j->rule->phase)
		return false;
	v = look_at_all(j, n, rec);
	changed = v.ready && move(j, rec->time_us, &v);
	if (j->rule->alarm == ALARM_MODE_COLLAPSE)
		follow_collapse(j, rec, &v, was_violated);
	if (!v.violated && !changed)
		return false;
	judge_tell(j, f);
	f->value = v.value;
	f->limit = v.limit;
	f->violated = v.violated;
	f->changed = changed;
	return true;
}

bool judge_alone(const struct judged *j, uint64_t n, const struct record *rec, struct rule_finding *f)
{
	const struct observed *o = &j->when[0];
	const struct condition *c = o->is;
	double value = record_has(rec, c->metric) ? rec->metric[c->metric] : c->missing;
	double above = limit_now(&c->above, o->above, rec), below = limit_now(&c->below, o->below, rec);

	if (!beyond(value, above, below) || !is_in_time(j, n, rec))
		return false;
	judge_tell(j, f);
	f->value = value;
	f->limit = nearest_limit(value, above, below);
	f->violated = true;
	f->firing = false;
	return true;
}

/* --- many records at once ------------------------------------------------------------ */

#define NO_DECIMAL (INT64_C(1) << 53) /* all decimals are smaller in size */

/* The greatest decimal that is not above the limit. NaN: there is no limit. */
static int64_t most_within(double above, double scale)
{
	double near = floor(above * scale);
	int64_t most;

	if (!(near < (double)NO_DECIMAL))
		return NO_DECIMAL;
	if (near < -(double)NO_DECIMAL)
		return -NO_DECIMAL;
	most = (int64_t)near;
	while ((double)most / scale > above)
		most--;
	while ((double)(most + 1) / scale <= above)
		most++;
	return most;
}

void judge_settle(struct observed *o, double above, double below)
{
	double scale = metric_specs[o->is->metric].scale;

	o->above = above;
	o->below = below;
	o->most = most_within(above, scale);
	o->least = -most_within(-below, scale);
}

static bool rows_in_time(const struct judged *j, const struct judged_rows *rows, size_t i)
{
	return rows->before + i + 1 > j->warmup && rows->c->sequence_length[rows->from + i] >= j->rule->after_tokens;
}

/* 1 or 0, without a branch: neither difference overflows, and one is negative when v is outside. */
static inline uint64_t is_outside(int64_t v, int64_t least, int64_t most)
{
	return (uint64_t)((most - v) | (v - least)) >> 63;
}

static bool judge_decimals(const struct judged *j, const struct judged_rows *rows, uint64_t bit, uint64_t *violated)
{
	const struct observed *o = &j->when[0];
	const int64_t *v = rows->c->scaled[o->is->metric] + rows->from, most = o->most, least = o->least;
	bool always_in_time = rows->before >= j->warmup && !j->rule->after_tokens, any = false;
	uint64_t beyond_any = 0;

	for (size_t i = 0; i < rows->n; i++)
		beyond_any |= is_outside(v[i], least, most);
	for (size_t i = 0; beyond_any && always_in_time && i < rows->n; i++)
		violated[i] |= bit & -is_outside(v[i], least, most);
	for (size_t i = 0; beyond_any && !always_in_time && i < rows->n; i++) {
		bool hit = is_outside(v[i], least, most) && rows_in_time(j, rows, i);

		violated[i] |= hit ? bit : 0;
		any |= hit;
	}
	return always_in_time ? beyond_any : any;
}

static bool any_beyond(const struct observed *o, const double *v, size_t n)
{
	const double above = o->above, below = o->below;
	int any = 0;

	for (size_t i = 0; i < n; i++)
		any |= (v[i] > above) | (v[i] < below);
	return any;
}

static double value_at(const struct condition *c, const struct columns *columns, size_t row)
{
	return columns->have[row] >> c->metric & 1 ? columns_value(columns, row, c->metric) : c->missing;
}

static double limit_at(const struct limit *limit, double settled, const struct columns *c, size_t row)
{
	if (limit->kind != LIMIT_METRIC)
		return settled;
	return c->have[row] >> limit->of.metric & 1 ? columns_value(c, row, limit->of.metric) * limit->value : limit->otherwise;
}

bool judge_rows(const struct judged *j, const struct judged_rows *rows, uint64_t bit, uint64_t *violated)
{
	const struct observed *o = &j->when[0];
	const struct condition *c = o->is;
	bool settled = c->above.kind != LIMIT_METRIC && c->below.kind != LIMIT_METRIC, any = false;

	if (settled && !(rows->held.any >> c->metric & 1) && !beyond(c->missing, o->above, o->below))
		return false;
	if (settled && rows->held.decimals >> c->metric & 1)
		return judge_decimals(j, rows, bit, violated);
	if (settled && rows->held.doubles >> c->metric & 1 && !any_beyond(o, rows->c->value[c->metric] + rows->from, rows->n))
		return false;
	for (size_t i = 0; i < rows->n; i++) {
		size_t row = rows->from + i;
		bool hit = beyond(value_at(c, rows->c, row), limit_at(&c->above, o->above, rows->c, row),
				  limit_at(&c->below, o->below, rows->c, row)) && rows_in_time(j, rows, i);

		violated[i] |= hit ? bit : 0;
		any |= hit;
	}
	return any;
}

static void value_of_row(const struct judged *j, const struct columns *c, size_t row, double *value, double *limit)
{
	const struct observed *o = &j->when[0];

	*value = value_at(o->is, c, row);
	*limit = nearest_limit(*value, limit_at(&o->is->above, o->above, c, row), limit_at(&o->is->below, o->below, c, row));
}

static void find_worst(const struct judged *j, const struct judged_rows *rows, uint64_t bit, const uint64_t *violated,
		       struct rule_sum *sum)
{
	bool any = false;

	for (size_t i = 0; i < rows->n; i++) {
		double value, limit;

		if (!(violated[i] & bit))
			continue;
		value_of_row(j, rows->c, rows->from + i, &value, &limit);
		if (any && !(fabs(value - limit) > fabs(sum->worst - sum->limit)))
			continue;
		any = true;
		sum->worst = value;
		sum->limit = limit;
	}
}

/* Of decimals between low and high with limits that stay: the farther of the two. False: neither is. */
static bool worst_of_ends(const struct judged *j, int64_t low, int64_t high, struct rule_sum *sum)
{
	const struct observed *o = &j->when[0];
	double scale = metric_specs[o->is->metric].scale, value[2] = { (double)low / scale, (double)high / scale };
	double limit[2] = { nearest_limit(value[0], o->above, o->below), nearest_limit(value[1], o->above, o->below) };
	double far[2] = { fabs(value[0] - limit[0]), fabs(value[1] - limit[1]) };
	int farther = far[1] > far[0];

	sum->worst = value[farther];
	sum->limit = limit[farther];
	return low == high || far[0] != far[1];
}

struct rule_sum judge_sum(const struct judged *j, const struct judged_rows *rows, uint64_t bit, const uint64_t *violated)
{
	const struct condition *c = j->when[0].is;
	const int64_t *time_us = rows->c->time_us + rows->from, *v = rows->c->scaled[c->metric] + rows->from;
	bool ends_tell = rows->held.decimals >> c->metric & 1 && c->above.kind != LIMIT_METRIC && c->below.kind != LIMIT_METRIC;
	struct rule_sum sum = { .from_us = INT64_MAX, .to_us = INT64_MIN };
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (size_t i = 0; i < rows->n; i++) {
		if (!(violated[i] & bit))
			continue;
		sum.records++;
		sum.from_us = time_us[i] < sum.from_us ? time_us[i] : sum.from_us;
		sum.to_us = time_us[i] > sum.to_us ? time_us[i] : sum.to_us;
		low = ends_tell && v[i] < low ? v[i] : low;
		high = ends_tell && v[i] > high ? v[i] : high;
	}
	if (!ends_tell || !worst_of_ends(j, low, high, &sum))
		find_worst(j, rows, bit, violated, &sum);
	return sum;
}

void judge_tell_row(const struct judged *j, const struct columns *c, size_t row, struct rule_finding *f)
{
	judge_tell(j, f);
	value_of_row(j, c, row, &f->value, &f->limit);
	f->violated = true;
	f->firing = false;
}
