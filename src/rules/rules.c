/* rules.c - the rules of one session: which apply, by which limits, and what they say about each record. */
#include "rules/judge.h"

#include <math.h>
#include <stdlib.h>

struct rules {
	const struct ruleset *set;
	enum rules_mode mode;
	uint64_t records;	       /* steps seen */
	double session[FIELD_COUNT];   /* numbers of session_start; NAN unknown */
	double baseline[METRIC_COUNT]; /* NAN: none (yet) */
	struct window learning[METRIC_COUNT];
	bool overlaid;
	bool alone; /* every rule that applies judges each record alone, and there are at most 64 */
	uint32_t limits_version; /* grows when limits may have changed */
	struct judged *judged; /* (set->n), then those of the overlay */
	double *memory;
};

static size_t over_of(const struct rules *r, const struct condition *c, bool own)
{
	const struct rules_override *o = r->mode == RULES_LIVE ? &r->set->live : &r->set->replay;

	return own && o->has_over ? o->over : c->over;
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

/* Doubles that the windows of a set's rules need. */
static size_t window_doubles(const struct rules *r, const struct ruleset *set, bool own)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		for (size_t c = 0; c < set->rule[i].n_when; c++)
			n += over_of(r, &set->rule[i].when[c], own) + set->rule[i].when[c].sudden.of;
	return n;
}

static double *take_window(struct window *w, size_t cap, double *memory)
{
	*w = (struct window){ .v = memory, .cap = cap };
	return memory + cap;
}

static double *set_up(const struct rules *r, struct judged *judged, const struct ruleset *set, bool own, double *memory)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct rule *rule = &set->rule[i];

		judged[i] = (struct judged){ .rule = rule, .warmup = warmup_of(r, rule), .violated_since_us = INT64_MIN,
					     .fired_us = INT64_MIN };
		for (size_t c = 0; c < rule->n_when; c++) {
			judged[i].when[c].is = &rule->when[c];
			memory = take_window(&judged[i].when[c].values, over_of(r, &rule->when[c], own), memory);
			memory = take_window(&judged[i].when[c].recent, rule->when[c].sudden.of, memory);
		}
	}
	return memory;
}

/* NAN when there is no limit (yet), or it depends on the record. */
static double limit_value(const struct rules *r, const struct condition *c, const struct limit *limit)
{
	double base;

	switch (limit->kind) {
	case LIMIT_ABSOLUTE:
		return limit->value;
	case LIMIT_BASELINE:
		base = r->baseline[c->metric];
		return isnan(base) ? limit->otherwise : base * limit->value;
	case LIMIT_FIELD:
		base = r->session[limit->of.field];
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

static size_t judged_n(const struct rules *r)
{
	return r->set->n + (r->set->overlay ? r->set->overlay->n : 0);
}

/* After what limits and overlay depend on has changed. */
static void settle(struct rules *r)
{
	double vocab = r->session[F_VOCAB_SIZE];

	r->overlaid = r->set->overlay && vocab > 0 && vocab <= (double)r->set->overlay->vocab_at_most;
	r->limits_version++;
	r->alone = judged_n(r) <= 64 && !r->set->learn_records;
	for (size_t i = 0; i < judged_n(r); i++) {
		struct judged *j = &r->judged[i];

		j->applies = i < r->set->n ? !replaced(r, j->rule) : r->overlaid && stands_in(r, j->rule);
		for (size_t c = 0; c < j->rule->n_when; c++) {
			const struct condition *is = j->when[c].is;

			judge_settle(&j->when[c], limit_value(r, is, &is->above), limit_value(r, is, &is->below));
		}
		r->alone &= !j->applies || judges_alone(j);
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
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].owner == OWNER_SESSION && field_specs[f].kind != KIND_TEXT && fields_have(session, (enum field_id)f))
			r->session[f] = session->v[f].number;
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
	size_t n = 0, rules = judged_n(r);

	if (!take_record(r, rec))
		return 0;
	for (size_t i = 0; i < rules && n < RULES_MAX; i++)
		if (r->judged[i].applies)
			n += judge(&r->judged[i], r->records, rec, &out[n]);
	return n;
}

size_t rules_violated(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX])
{
	size_t n = 0, rules = judged_n(r);

	if (!take_record(r, rec))
		return 0;
	for (size_t i = 0; i < rules && n < RULES_MAX; i++) {
		struct judged *j = &r->judged[i];

		if (j->applies)
			n += judges_alone(j) ? judge_alone(j, r->records, rec, &out[n]) :
					       judge(j, r->records, rec, &out[n]) && out[n].violated;
	}
	return n;
}

bool rules_judge_alone(const struct rules *r)
{
	return r->alone;
}

bool rules_screen(struct rules *r, const struct columns *c, size_t from, size_t n, const struct held *held,
		  uint64_t *violated)
{
	struct judged_rows rows = { .c = c, .from = from, .n = n, .held = *held, .before = r->records };
	size_t rules = judged_n(r);
	bool is_any = false;

	r->records += n;
	memset(violated, 0, n * sizeof *violated);
	for (size_t i = 0; i < rules; i++)
		if (r->judged[i].applies)
			is_any |= judge_rows(&r->judged[i], &rows, UINT64_C(1) << i, violated);
	return is_any;
}

void rules_tell(const struct rules *r, int rule, const struct columns *c, size_t row, struct rule_finding *out)
{
	judge_tell_row(&r->judged[rule], c, row, out);
}

struct rule_sum rules_sum(const struct rules *r, int rule, const struct columns *c, size_t from, size_t n, const struct held *held,
			  const uint64_t *violated)
{
	struct judged_rows rows = { .c = c, .from = from, .n = n, .held = *held };

	return judge_sum(&r->judged[rule], &rows, UINT64_C(1) << rule, violated);
}

size_t rules_limits(const struct rules *r, struct rule_limit out[RULE_LIMITS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < judged_n(r); i++) {
		const struct judged *j = &r->judged[i];
		const struct observed *o = &j->when[0];
		struct rule_limit limit = { o->is->metric, j->rule->alarm, j->rule->severity, true, o->above };

		if (!j->applies || j->rule->n_when > 1) /* one limit among several conditions is none alone */
			continue;
		if (!isnan(o->above))
			out[n++] = limit;
		limit.above = false;
		limit.value = o->below;
		if (!isnan(o->below))
			out[n++] = limit;
	}
	return n;
}

uint32_t rules_limits_version(const struct rules *r)
{
	return r->limits_version;
}

static struct judged *find_judged(const struct rules *r, const struct rule *like)
{
	for (size_t i = 0; i < judged_n(r); i++)
		if (r->judged[i].applies && r->judged[i].rule->alarm == like->alarm && !strcmp(r->judged[i].rule->name, like->name))
			return &r->judged[i];
	return NULL;
}

static void inherit_alarm(struct judged *to, const struct judged *from)
{
	to->violated_since_us = from->violated_since_us;
	to->fired_us = from->fired_us;
	to->firing = from->firing;
	to->bad_sequence = from->bad_sequence;
	to->bad_from = from->bad_from;
	to->bad_to = from->bad_to;
}

size_t rules_inherit(struct rules *to, const struct rules *from, struct rule_finding out[RULES_MAX])
{
	size_t n = 0;

	to->records = from->records;
	memcpy(to->session, from->session, sizeof to->session);
	for (int m = 0; m < METRIC_COUNT; m++)
		if (to->set->learn_records && from->set->learn_records)
			to->baseline[m] = from->baseline[m];
	settle(to);
	for (size_t i = 0; i < judged_n(from); i++) {
		struct judged *now = find_judged(to, from->judged[i].rule);

		if (now) {
			inherit_alarm(now, &from->judged[i]);
		} else if (from->judged[i].firing && n < RULES_MAX) {
			judge_tell(&from->judged[i], &out[n]);
			out[n].firing = false;
			out[n++].changed = true;
		}
	}
	return n;
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
	if (f->kind)
		fields_set_text(extra, F_KIND, slice_of(collapse_ids[f->kind]));
	if (f->first_bad_token) {
		fields_set_number(extra, F_FIRST_BAD_TOKEN, (double)f->first_bad_token);
		fields_set_number(extra, F_TOKENS_WASTED, (double)f->tokens_wasted);
	}
	*out = (struct record){ .time_us = rec->time_us, .event = f->firing ? EVENT_ALARM : EVENT_ALARM_RESOLVED,
				.session = rec->session, .extra = extra, .details = rec };
}
