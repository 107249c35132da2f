/* rules.h - reads rules and judges records: (state, record) gives alarms. Pure functions, so live judging and replay
 * use the same code.
 *
 * Ownership  ruleset_* own the program (immutable, shared); rules_* own one session's state.
 * Threads    a ruleset may be shared by threads, a `struct rules` belongs to one.
 * Cost       rules_eval allocates only what a window's values come to need (stats/window.h).
 */
#ifndef RWKVMON_RULES_RULES_H
#define RWKVMON_RULES_RULES_H

#include "base/buf.h"
#include "base/err.h"
#include "record/columns.h"

struct ruleset;
struct learned;
struct judged_rows;
struct learned_rows;

#define RULES_DEFAULT "default" /* the set that is used unless another is named */

/* `name` is a shipped set ("default", "thresholds", "baseline"), "baseline=50ms,100tps" with your own numbers, or the
 * path of a rule file. *out is NULL on error; for a bad file the error gives file:line:column, what was found and what
 * was expected. */
int ruleset_open(struct ruleset **out, const char *name, struct err *err);
void ruleset_close(struct ruleset *set);

/* The same, and reports every mistake of the file; *err holds the first. */
int ruleset_check(struct ruleset **out, const char *name, void (*say)(void *ctx, const struct err *mistake), void *ctx,
		  struct err *err);
int ruleset_check_text(struct ruleset **out, struct slice text, const char *name,
		       void (*say)(void *ctx, const struct err *mistake), void *ctx, struct err *err);
const char *ruleset_shipped(size_t i); /* the name of the i-th shipped set; NULL beyond the last */
const char *ruleset_name(const struct ruleset *set);

/* LIVE skips the warm-up and judges windows; REPLAY also applies the set's `replay:` settings. */
enum rules_mode { RULES_LIVE, RULES_REPLAY };

struct rules; /* one session's state */

/* learned: shared by sessions that learn together, in the order of their records; NULL: this session learns alone. It
 * must outlive the rules. */
int rules_open(struct rules **out, const struct ruleset *set, enum rules_mode mode, struct learned *learned,
	       struct err *err);
void rules_close(struct rules *r);

/* Sessions whose records are judged by one thread while they run. A look of a paced rule (pace.h) costs more of their
 * time as they become many, so that all looks together are reckoned at 0.3 % of a core at most: by what they push out
 * of the caches they cost about twice that. Zeroed by its owner. */
enum { RULES_SHARE_NS = 3000000 /* a second */ };
struct rules_share {
	int64_t second;           /* the latest one of the records' times */
	uint64_t look_ns, before; /* one look of all sessions that have had records in it; in the second before it */
	int64_t look_us;          /* what a look costs now; 0: no record has come */
	bool binds;               /* it has cost more than for a session alone */
};
void rules_share(struct rules *r, struct rules_share *share); /* it must outlive the rules */

/* What it learns in, for rules_open of another session beside it; NULL: nothing is learned. */
struct learned *rules_learned(const struct rules *r);

/* Sets the goal, tokens/s, which overrides that of session_start; 0: use that of session_start. */
void rules_set_goal(struct rules *r, double tps);

/* The alarm types that a set's rules raise, a bit each. */
uint64_t ruleset_types(const struct ruleset *set);

/* The metrics that a set's rules need to learn, for learned_open. */
uint64_t ruleset_learned_metrics(const struct ruleset *set);

/* The number of records that could not be compared with a learned level yet, and of those that were; for sets with such
 * rules. */
struct rules_learning {
	uint64_t silent, judged;
};
struct rules_learning rules_learning(const struct rules *r);

/* The finding of one rule for one record. */
struct rule_finding {
	enum alarm_type type;
	enum severity severity;
	enum metric_id metric;
	const char *rule;
	const char *const *summary, *const *action; /* [LANG_COUNT] */
	int64_t cooldown_us;                        /* the rule's */
	int64_t fired_us;                           /* since when the alarm is on, or was; INT64_MIN: never */
	double value, limit;                        /* value: the rule's aggregate at this record */
	bool is_spread;                             /* of logarithms: value and limit have no unit */
	bool violated;                              /* at this record, before `for`, hysteresis and cooldown */
	bool lasted;                                /* violated for the time `for`, this record included */
	bool firing;                                /* after them: the alarm is on */
	bool changed;                               /* it went on or off with this record */

	/* For mode_collapse; otherwise COLLAPSE_NONE and 0. */
	enum collapse_kind kind;
	uint64_t first_bad_token; /* of the sequence, from 1 */
	uint64_t tokens_wasted;   /* from there on */
};

enum { RULES_MAX = 64 };

/* Judges one step (other events are ignored, except session_start, which sets what relative limits and the byte overlay
 * need). Returns how many findings were put into out: one per rule that is violated or that changed. At most
 * RULES_MAX. */
size_t rules_eval(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX]);

/* Many steps of a session at once, for replay: the rules that are violated at them, as rules_eval says it. A session's
 * steps are judged in one of the two ways from its beginning to its end; session_start goes to rules_eval.
 *
 * Rules that learn nothing depend on their session alone: rules_judge_rows asks them of many steps of one session
 * before another's. Those that learn, from all sessions, are asked afterwards, step by step in the order of the log, by
 * rules_learn_rows; where nothing is learned, rules_pass says instead how many steps there were. */
struct rule_hit {
	size_t rule;
	uint32_t next; /* 1 + another one of the same row; 0: none */
	struct rule_finding is;
};

struct rule_hits {
	struct rule_hit *hit; /* (n) */
	size_t n, cap;
	bool failed;                   /* no memory */
	uint32_t of_row[COLUMNS_ROWS]; /* 1 + one of them; 0: none */
};

void rule_hits_begin(struct rule_hits *hits, size_t rows); /* none, of so many rows */
size_t rule_hits_at(const struct rule_hits *hits, size_t row, struct rule_finding out[RULES_MAX]); /* by rule */

bool rules_in_steps(const struct rules *r); /* can the rules be judged in this way? */
bool rules_learn(const struct rules *r);    /* is anything learned? */
void rules_pass(struct rules *r, size_t n);

/* [hot] `ahead`: steps before these that rules_learn_rows or rules_pass has not been told of yet. */
void rules_judge_rows(struct rules *r, const struct judged_rows *rows, uint64_t ahead, struct rule_hits *hits);
/* [hot] Of sessions with one set of rules that learn together. */
void rules_learn_rows(const struct learned_rows *l, struct rule_hits *hits);

/* Of the alarm types in `ask`, those that the session's rules could judge at one of these steps, a bit each: a value
 * was there, and the limit known. The steps have been judged, in the one way or the other; `left`: how many of the
 * session's they and those after them are. */
uint64_t rules_able(const struct rules *r, const struct judged_rows *rows, uint64_t left, uint64_t ask);

/* One side of a rule's limit in this session, with relative limits resolved, and the overlay's rules instead of those
 * that they replace. */
struct rule_limit {
	enum metric_id metric;
	enum alarm_type type;
	enum severity severity;
	bool judges_missing; /* a record without the metric, too */
	bool above;          /* values above it are violations; else values below */
	double value;
};

enum { RULE_LIMITS_MAX = 4 * RULES_MAX };

/* Rules of the set that are for the session's vocabulary, a bit each: the set's `when` and their own `vocab` suit it,
 * or the overlay has rules instead. It stays the same while rules_limits_version does. */
uint64_t rules_suited(const struct rules *r);

/* The limits by which records are judged at present; returns their number. They stay the same while
 * rules_limits_version, which is never 0, does. */
size_t rules_limits(const struct rules *r, struct rule_limit out[RULE_LIMITS_MAX]);
uint32_t rules_limits_version(const struct rules *r);

/* Types of alarms that are on, of rules of that severity at least, a bit each; since_us: of these, since when. */
uint64_t rules_firing(const struct rules *r, enum severity least, int64_t since_us[ALARM_TYPE_COUNT]);

/* The new rules `to` take over from `from`: the session's data, baselines, what was learned, and firing alarms (by the
 * rule's name). Afterwards `from` may only be passed to rules_close. Alarms whose rule no longer exists are resolved;
 * returns how many findings were put into out. to: NULL: there are no new ones, all that fire is resolved. */
size_t rules_inherit(struct rules *to, struct rules *from, struct rule_finding out[RULES_MAX]);

/* The alarm as a record that sinks can write: fills *out and *extra, which must outlive it, as must *words, which is
 * zeroed and afterwards the caller's to free: it holds what a resolved alarm says. */
void rules_alarm_record(const struct rule_finding *f, const struct record *rec, enum lang lang, struct record *out,
			struct field_values *extra, struct buf *words);

#endif
