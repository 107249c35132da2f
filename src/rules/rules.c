/* rules.c - the evaluation of rules over one session's records.
 *
 * A rule is judged on its aggregate: limit violated, then `for`, then the cooldown, then
 * on; off again once the value has come back by the share `clear` of the limit. */
#include "rules/ruleset.h"

#include "stats/window.h"

#include <math.h>
#include <stdlib.h>

/* One rule in one session. */
struct judged {
	const struct rule *rule;
	size_t over;
	uint64_t warmup;
	struct window values; /* of the aggregate */
	struct window recent; /* for `sudden`; cap 0 when not asked for */
	int64_t violated_since_us; /* INT64_MIN: not violated */
	int64_t fired_us;	   /* INT64_MIN: never */
	bool firing;
	bool applies;	     /* its set's overlay, or the set itself, judges this type in this session */
	double above, below; /* the limits, as they are now; NAN: none (yet) */
};

struct rules {
	const struct ruleset *set;
	enum rules_mode mode;
	uint64_t records;	       /* steps seen */
	double session[FIELD_COUNT];   /* numbers of session_start; NAN unknown */
	double baseline[METRIC_COUNT]; /* NAN: none (yet) */
	struct window learning[METRIC_COUNT];
	bool overlaid;
	uint32_t limits_version; /* grows when limits may have changed */
	struct judged *judged; /* (set->n), then those of the overlay */
	double *memory;
};

static size_t over_of(const struct rules *r, const struct rule *rule, bool own)
{
	const struct rules_override *o = r->mode == RULES_LIVE ? &r->set->live : &r->set->replay;

	return own && o->has_over ? o->over : rule->over;
}

static uint64_t warmup_of(const struct rules *r, const struct rule *rule)
{
	const struct rules_override *o = r->mode == RULES_LIVE ? &r->set->live : &r->set->replay;

	if (rule->warmup != UINT64_MAX)
		return rule->warmup;
	if (o->has_warmup)
		return o->warmup;
	return r->mode == RULES_LIVE ? 20 : 0;
}

static size_t recent_of(const struct rule *rule)
{
	return rule->deviations > 0 ? rule->deviations_of : 0;
}

/* Doubles that the windows of a set's rules need. */
static size_t window_doubles(const struct rules *r, const struct ruleset *set, bool own)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += over_of(r, &set->rule[i], own) + recent_of(&set->rule[i]);
	return n;
}

static double *set_up(const struct rules *r, struct judged *judged, const struct ruleset *set, bool own, double *memory)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct rule *rule = &set->rule[i];

		judged[i] = (struct judged){ .rule = rule, .over = over_of(r, rule, own), .warmup = warmup_of(r, rule),
					     .violated_since_us = INT64_MIN, .fired_us = INT64_MIN };
		judged[i].values = (struct window){ .v = memory, .cap = judged[i].over };
		memory += judged[i].over;
		judged[i].recent = (struct window){ .v = memory, .cap = recent_of(rule) };
		memory += recent_of(rule);
	}
	return memory;
}

/* NAN when there is no limit (yet). */
static double limit_value(const struct rules *r, const struct rule *rule, const struct limit *limit)
{
	double base;

	switch (limit->kind) {
	case LIMIT_ABSOLUTE:
		return limit->value;
	case LIMIT_BASELINE:
		base = r->baseline[rule->metric];
		return isnan(base) ? limit->otherwise : base * limit->value;
	case LIMIT_FIELD:
		base = r->session[limit->field];
		return isnan(base) ? limit->otherwise : base * limit->value;
	default:
		return NAN;
	}
}

static bool replaced(const struct rules *r, const struct rule *rule)
{
	for (size_t i = 0; r->overlaid && i < r->set->overlay->n; i++)
		if (r->set->overlay->rule[i].alarm == rule->alarm)
			return true;
	return false;
}

/* An overlay's rule stands in only for a type that the set judges. */
static bool stands_in(const struct rules *r, const struct rule *rule)
{
	for (size_t i = 0; i < r->set->n; i++)
		if (r->set->rule[i].alarm == rule->alarm)
			return true;
	return false;
}

/* Judges every value for itself, and can do without windows. */
static bool is_alone(const struct judged *j)
{
	return j->over == 1 && !j->recent.cap;
}

/* After what limits and overlay depend on has changed. */
static void settle(struct rules *r)
{
	size_t n = r->set->n + (r->set->overlay ? r->set->overlay->n : 0);

	r->limits_version++;
	for (size_t i = 0; i < n; i++) {
		struct judged *j = &r->judged[i];

		j->applies = i < r->set->n ? !replaced(r, j->rule) : r->overlaid && stands_in(r, j->rule);
		j->above = limit_value(r, j->rule, &j->rule->above);
		j->below = limit_value(r, j->rule, &j->rule->below);
	}
}

int rules_open(struct rules **out, const struct ruleset *set, enum rules_mode mode, struct err *err)
{
	struct rules *r = calloc(1, sizeof *r);
	size_t overlay = set->overlay ? set->overlay->n : 0, doubles;
	double *memory;

	*out = NULL;
	if (!r)
		return err_set(err, ERR_NOMEM, "no memory for the rules' state");
	r->set = set;
	r->mode = mode;
	doubles = window_doubles(r, set, true) + (set->overlay ? window_doubles(r, set->overlay, false) : 0) +
		  METRIC_COUNT * set->learn_records;
	r->judged = calloc(set->n + overlay, sizeof *r->judged);
	r->memory = memory = calloc(doubles ? doubles : 1, sizeof *r->memory);
	if (!r->judged || !r->memory) {
		rules_close(r);
		return err_set(err, ERR_NOMEM, "no memory for the rules' state");
	}
	memory = set_up(r, r->judged, set, true, memory);
	if (set->overlay)
		memory = set_up(r, r->judged + set->n, set->overlay, false, memory);
	for (int m = 0; m < METRIC_COUNT; m++) {
		r->baseline[m] = set->baseline[m];
		r->learning[m] = (struct window){ .v = memory, .cap = set->learn_records };
		memory += set->learn_records;
	}
	for (int f = 0; f < FIELD_COUNT; f++)
		r->session[f] = NAN;
	settle(r);
	*out = r;
	return 0;
}

void rules_close(struct rules *r)
{
	if (!r)
		return;
	free(r->judged);
	free(r->memory);
	free(r);
}

static void learn_session(struct rules *r, const struct field_values *session)
{
	double vocab;

	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].owner == OWNER_SESSION && field_specs[f].kind != KIND_TEXT && fields_have(session, (enum field_id)f))
			r->session[f] = session->v[f].number;
	vocab = r->session[F_VOCAB_SIZE];
	r->overlaid = r->set->overlay && vocab > 0 && vocab <= (double)r->set->overlay->vocab_at_most;
	settle(r);
}

static void learn_baseline(struct rules *r, const struct record *rec)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		struct window *w = &r->learning[m];

		if (!record_has(rec, (enum metric_id)m) || w->n == w->cap)
			continue;
		window_push(w, rec->metric[m]);
		if (w->n < w->cap)
			continue;
		r->baseline[m] = window_median(w);
		settle(r);
	}
}

static double aggregate(const struct judged *j)
{
	switch (j->over == 1 ? BY_LAST : j->rule->by) {
	case BY_MEAN:
		return window_mean(&j->values);
	case BY_MEDIAN:
		return window_median(&j->values);
	case BY_MIN:
		return window_min(&j->values);
	case BY_MAX:
		return window_max(&j->values);
	default:
		return j->values.v[(j->values.next + j->values.cap - 1) % j->values.cap];
	}
}

/* Is the value far below what has been usual? True when the rule does not ask, false
 * while too little has been seen to tell. */
static bool is_sudden(const struct judged *j, double value)
{
	double median;

	if (!j->recent.cap)
		return true;
	if (j->recent.n < j->recent.cap / 8 || j->recent.n < 2)
		return false;
	median = window_median(&j->recent);
	return value < median - j->rule->deviations * window_mad(&j->recent, median);
}

/* NaN limits compare false: no limit, no violation. */
static bool beyond(double value, double above, double below)
{
	return value > above || value < below;
}

/* Back inside by the share `clear` of the limit it had crossed. */
static bool cleared(const struct rule *rule, double value, double above, double below)
{
	return !(value > above - rule->clear * fabs(above)) && !(value < below + rule->clear * fabs(below));
}

/* Moves the alarm on or off; true when it changed. */
static bool move(struct judged *j, int64_t now_us, bool violated, bool is_clear)
{
	const struct rule *rule = j->rule;
	bool was = j->firing;

	if (!violated)
		j->violated_since_us = INT64_MIN;
	else if (j->violated_since_us == INT64_MIN)
		j->violated_since_us = now_us;
	if (j->firing) {
		j->firing = violated || !is_clear;
	} else if (violated && now_us - j->violated_since_us >= rule->for_us &&
		   (j->fired_us == INT64_MIN || now_us - j->fired_us >= rule->cooldown_us)) {
		j->firing = true;
		j->fired_us = now_us;
	}
	return was != j->firing;
}

/* Takes the record's value into the windows; false when there is nothing to judge yet. */
static bool take_value(const struct rules *r, struct judged *j, const struct record *rec, double *value)
{
	double raw = record_has(rec, j->rule->metric) ? rec->metric[j->rule->metric] : j->rule->missing;

	if (isnan(raw))
		return false;
	window_push(&j->values, raw);
	if (j->values.n < j->over || r->records <= j->warmup || rec->sequence_length < j->rule->after_tokens)
		return false;
	*value = aggregate(j);
	return true;
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

static bool judge(const struct rules *r, struct judged *j, const struct record *rec, struct rule_finding *f)
{
	double value = NAN, above = j->above, below = j->below;
	bool ready = take_value(r, j, rec, &value);
	bool violated = ready && beyond(value, above, below) && (value > above || is_sudden(j, value));
	bool changed = ready && move(j, rec->time_us, violated, cleared(j->rule, value, above, below));

	if (j->recent.cap && record_has(rec, j->rule->metric) && rec->sequence_length >= j->rule->after_tokens)
		window_push(&j->recent, rec->metric[j->rule->metric]);
	*f = (struct rule_finding){ .type = j->rule->alarm, .severity = j->rule->severity, .metric = j->rule->metric,
				    .rule = j->rule->name, .summary = j->rule->summary, .action = j->rule->action,
				    .cooldown_us = j->rule->cooldown_us, .value = value, .limit = nearest_limit(value, above, below),
				    .violated = violated, .firing = j->firing, .changed = changed };
	return violated || changed;
}

/* What every record does before it is judged; false: it is not judged. */
static bool take_record(struct rules *r, const struct record *rec)
{
	if (rec->event == EVENT_SESSION_START)
		learn_session(r, rec->session);
	if (rec->event != EVENT_INFERENCE_STEP)
		return false;
	r->records++;
	if (r->set->learn_records)
		learn_baseline(r, rec);
	return true;
}

size_t rules_eval(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX])
{
	size_t n = 0, rules = r->set->n + (r->set->overlay ? r->set->overlay->n : 0);

	if (!take_record(r, rec))
		return 0;
	for (size_t i = 0; i < rules && n < RULES_MAX; i++)
		if (r->judged[i].applies)
			n += judge(r, &r->judged[i], rec, &out[n]);
	return n;
}

/* The same without windows and without the alarm's own state. */
static bool judge_alone(const struct rules *r, const struct judged *j, const struct record *rec, struct rule_finding *f)
{
	double value = record_has(rec, j->rule->metric) ? rec->metric[j->rule->metric] : j->rule->missing;

	if (!beyond(value, j->above, j->below) || r->records <= j->warmup || rec->sequence_length < j->rule->after_tokens)
		return false;
	*f = (struct rule_finding){ .type = j->rule->alarm, .severity = j->rule->severity, .metric = j->rule->metric,
				    .rule = j->rule->name, .summary = j->rule->summary, .action = j->rule->action,
				    .cooldown_us = j->rule->cooldown_us, .value = value,
				    .limit = nearest_limit(value, j->above, j->below), .violated = true };
	return true;
}

size_t rules_violated(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX])
{
	size_t n = 0, rules = r->set->n + (r->set->overlay ? r->set->overlay->n : 0);

	if (!take_record(r, rec))
		return 0;
	for (size_t i = 0; i < rules && n < RULES_MAX; i++) {
		struct judged *j = &r->judged[i];

		if (j->applies)
			n += is_alone(j) ? judge_alone(r, j, rec, &out[n]) : judge(r, j, rec, &out[n]) && out[n].violated;
	}
	return n;
}

size_t rules_limits(const struct rules *r, struct rule_limit out[RULE_LIMITS_MAX])
{
	size_t rules = r->set->n + (r->set->overlay ? r->set->overlay->n : 0), n = 0;

	for (size_t i = 0; i < rules; i++) {
		const struct judged *j = &r->judged[i];
		struct rule_limit limit = { j->rule->metric, j->rule->alarm, j->rule->severity, true, j->above };

		if (j->applies && !isnan(j->above))
			out[n++] = limit;
		limit.above = false;
		limit.value = j->below;
		if (j->applies && !isnan(j->below))
			out[n++] = limit;
	}
	return n;
}

uint32_t rules_limits_version(const struct rules *r)
{
	return r->limits_version;
}

/* What the log keeps of the metric: further digits are those of a machine's order of summation. */
static double as_logged(enum metric_id m, double value)
{
	return round(value * metric_specs[m].scale) / metric_specs[m].scale;
}

void rules_alarm_record(const struct rule_finding *f, const struct record *rec, enum lang lang, struct record *out,
			struct field_values *extra)
{
	*extra = (struct field_values){ 0 };
	fields_set_text(extra, F_ALARM_TYPE, slice_of(alarm_specs[f->type].id));
	fields_set_text(extra, F_SEVERITY, slice_of(severity_ids[f->severity]));
	fields_set_text(extra, F_RULE, slice_of(f->rule));
	fields_set_number(extra, F_VALUE, as_logged(f->metric, f->value));
	fields_set_number(extra, F_LIMIT, f->limit);
	fields_set_text(extra, F_STATE, slice_of(f->firing ? "firing" : "resolved"));
	fields_set_text(extra, F_SUMMARY, slice_of(f->summary[lang]));
	fields_set_text(extra, F_ACTION, slice_of(f->action[lang]));
	*out = (struct record){ .time_us = rec->time_us, .event = f->firing ? EVENT_ALARM : EVENT_ALARM_RESOLVED,
				.session = rec->session, .extra = extra, .details = rec };
}
