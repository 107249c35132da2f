/* judge.h - judges rules over records of one session: windows, verdicts, firing and resolving.
 *
 * Rows are judged many at once, from columns, or one by one, from a record or a row; both are the same code, and give
 * the same findings. Windows are fed after all rules have judged, once for all conditions that share them.
 */
#ifndef RWKVMON_RULES_JUDGE_H
#define RWKVMON_RULES_JUDGE_H

#include "forecast/beyond.h"
#include "forecast/foretell.h"
#include "forecast/unusual.h"
#include "rules/pace.h"
#include "rules/windows.h"

/* One rule in one session. */
struct judged {
	int64_t violated_since_us; /* INT64_MIN: not violated */
	int64_t fired_us;          /* INT64_MIN: never */
	bool firing;
	bool applies;     /* the rule is used in this session: its set's overlay, or the set itself, judges its type */
	struct pace pace; /* of a rule that is paced */
};

/* Of a rule that finds collapses. */
struct collapse {
	uint64_t from, to; /* where it began, and its last token so far; `to` 0: never */
	uint32_t sequence;
};

/* A set of rules of a plan. */
struct rule_mask {
	uint64_t bit[PLAN_RULES / 64];
};

static inline bool rule_mask_has(const struct rule_mask *m, size_t rule)
{
	return m->bit[rule / 64] >> rule % 64 & 1;
}

static inline bool rule_mask_any(const struct rule_mask *m)
{
	uint64_t any = 0;

	for (size_t word = 0; word < PLAN_RULES / 64; word++)
		any |= m->bit[word];
	return any;
}

static inline void rule_mask_put(struct rule_mask *m, size_t rule, bool in)
{
	m->bit[rule / 64] = (m->bit[rule / 64] & ~(UINT64_C(1) << rule % 64)) | (uint64_t)in << rule % 64;
}

/* What one session has of a plan. */
struct judging {
	const struct plan *plan;
	bool skips;     /* rows are only learned, unless more than … */
	uint32_t spare; /* … so many of them have values that are far for rules that learn plainly */
	bool far_waits; /* a row that waits has one */
	size_t waits_from,
		waits_to;  /* rows that have been, and are not in the windows of those rules yet; the same: none */
	struct seen *seen; /* (plan->n_windows) */
	struct rule_mask learning, plain; /* that are judged: those that learn, but not plainly; those that do not */
	struct rule_mask busy;            /* firing, or violated for less time than they have to be */
	struct rule_mask resting;         /* by their pace, at any of these times */
	struct row_times rest;
	int64_t look_us;           /* what a look of a paced rule costs of the records' time */
	uint64_t silent, compared; /* records for which nothing, something was learned; once for each rule */
	struct judged *judged;     /* (plan->n_rules) */
	struct collapse *collapse; /* (plan->n_collapses) */
	struct limits_now *limits; /* (plan->n_limits) of conditions whose limits follow the session */
	struct foretell *ahead;    /* (plan->n_ahead) */
	struct unusual *unusual;   /* (plan->n_unusual) */
	struct beyond *beyond;     /* (plan->n_beyond) */
};

static inline const struct limits_now *limits_of(const struct judging *s, const struct plan_condition *c)
{
	return c->limits == PLAN_NO_LIMITS ? &c->fixed : &s->limits[c->limits];
}

/* NULL: the rule finds no collapses. */
static inline struct collapse *collapse_of(const struct judging *s, const struct plan_rule *p)
{
	return p->is->alarm == ALARM_MODE_COLLAPSE ? &s->collapse[p->collapse] : NULL;
}

/* A finding at one of the rows; rules come in any order. */
typedef void judge_found(void *ctx, size_t row, size_t rule, const struct rule_finding *f);

/* [hot] Judges the rules that do not learn, those that do of one row, and feeds their windows. Reports what is violated
 * or has changed. */
void judge_rows(struct judging *s, const struct judged_rows *rows, judge_found *found, void *ctx);
/* `scope`: where the session learns, which has taken in the row; NULL: nowhere. */
void judge_learning(struct judging *s, const struct scope *scope, struct judged_rows *one, judge_found *found,
		    void *ctx);

/* Rows of several sessions, as the learning goes by them in the order of the log. */
struct learned_rows {
	const struct columns *log;      /* as decoded */
	const struct columns *rows;     /* the same steps, each session's next to each other */
	double *times;                  /* of those: multiples of what is normal, COLUMNS_ROWS of each learned metric */
	struct rules **rules;           /* whose they are, by run: n_runs from first_run on */
	const uint16_t *run, *row, *as; /* (n) in the order of the log: a run, a row of `log`, the same of `rows` */
	size_t n, first_run, n_runs;
};

/* Rows that wait go into the windows. */
void judge_catch_up(struct judging *s, const struct learned_rows *l);

/* Row `as` of `rows` joins those that wait, if it only has to be learned. `far`: it has a value that is. False: it has
 * to be judged, and none waits. */
static inline bool judge_waits(struct judging *s, const struct learned_rows *l, size_t as, bool far)
{
	if (__builtin_expect(as != s->waits_to || (far && !s->spare), 0)) {
		judge_catch_up(s, l);
		if (!s->skips || (far && !s->spare))
			return false;
		s->waits_from = s->waits_to = as;
	}
	s->waits_to++;
	s->spare -= far;
	s->far_waits |= far;
	return true;
}

/* The alarm as it stands, without a value. */
void judge_tell(const struct judging *s, const struct plan_rule *p, struct rule_finding *f);

/* No violation, no alarm and nothing pending. */
static inline bool judged_is_quiet(const struct judged *j)
{
	return !j->firing && j->violated_since_us == INT64_MIN;
}

#endif
