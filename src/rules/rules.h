/* rules.h - rule text becomes a program; (state, record) becomes alarms. Pure, so live and replay are one code.
 *
 * Ownership  ruleset_* own the program (immutable, shared); rules_* own one session's state.
 * Threads    a ruleset may be shared by threads, a `struct rules` belongs to one.
 * Cost       rules_eval allocates nothing.
 */
#ifndef RWKVMON_RULES_RULES_H
#define RWKVMON_RULES_RULES_H

#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

struct ruleset;
struct columns;
struct held;

/* `name` is a shipped set ("thresholds", "baseline") or the path of a rule file.
 * *out is NULL on error; a bad file is refused as file:line:column, what was found, what was expected. */
int ruleset_open(struct ruleset **out, const char *name, struct err *err);
void ruleset_close(struct ruleset *set);

/* The same, and says every mistake of the file, not only the first, which *err holds. */
int ruleset_check(struct ruleset **out, const char *name, void (*say)(void *ctx, const struct err *mistake), void *ctx,
		  struct err *err);
int ruleset_check_text(struct ruleset **out, struct slice text, const char *name,
		       void (*say)(void *ctx, const struct err *mistake), void *ctx, struct err *err);
const char *ruleset_shipped(size_t i); /* the name of the i-th shipped set; NULL beyond the last */
const char *ruleset_name(const struct ruleset *set);

/* LIVE judges windows, waits through the warm-up; REPLAY follows the set's own `replay:`
 * settings (the shipped `baseline` judges every single record there). */
enum rules_mode { RULES_LIVE, RULES_REPLAY };

struct rules; /* one session's state */

int rules_open(struct rules **out, const struct ruleset *set, enum rules_mode mode, struct err *err);
void rules_close(struct rules *r);

/* What one rule says about one record. */
struct rule_finding {
	enum alarm_type type;
	enum severity severity;
	enum metric_id metric;
	const char *rule;
	const char *const *summary, *const *action; /* [LANG_COUNT] */
	int64_t cooldown_us; /* the rule's */
	double value, limit; /* value: the rule's aggregate at this record */
	bool violated;	     /* at this record, before `for`, hysteresis and cooldown */
	bool firing;	     /* after them: the alarm is on */
	bool changed;	     /* it went on or off with this record */

	/* Of mode_collapse; else COLLAPSE_NONE and 0. */
	enum collapse_kind kind;
	uint64_t first_bad_token; /* of the sequence, from 1 */
	uint64_t tokens_wasted;	  /* from there on */
};

enum { RULES_MAX = 64 };

/* Judges one step (other events are ignored but session_start, which sets what relative
 * limits and the byte overlay need). Returns how many findings were put into out: one per
 * rule that is violated or that changed. At most RULES_MAX. */
size_t rules_eval(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX]);

/* [hot] The rules that are violated at this record, one finding each; alarms do not go on or off. For replay: the same
 * records as rules_eval calls violated, at a fraction of its cost where a rule judges every record alone. A session's
 * rules are asked by one of the two from its beginning to its end. */
size_t rules_violated(struct rules *r, const struct record *rec, struct rule_finding out[RULES_MAX]);

/* Does each of the rules that apply judge every record alone, and can be asked by rules_screen? */
bool rules_judge_alone(const struct rules *r);

/* [hot] rules_violated for the n steps of the session that are rows from.. of c. held: what these have. violated (n): bit i is set where rule i is violated, of which rules_tell tells more.
 * Returns whether one is. */
bool rules_screen(struct rules *r, const struct columns *c, size_t from, size_t n, const struct held *held,
		  uint64_t *violated);
void rules_tell(const struct rules *r, int rule, const struct columns *c, size_t row, struct rule_finding *out);

/* [hot] Some steps of the session, which break one rule: those of n rows from.. of c at which violated (n) has its bit. At least
 * one has. `worst` is the value farthest beyond its limit, of equal ones the first. */
struct rule_sum {
	uint64_t records;
	int64_t from_us, to_us;
	double worst, limit;
};
struct rule_sum rules_sum(const struct rules *r, int rule, const struct columns *c, size_t from, size_t n, const struct held *held,
			  const uint64_t *violated);

/* One side of a rule's limit as it stands in this session: relative ones resolved, the
 * overlay's rules in place of those they stand in for. */
struct rule_limit {
	enum metric_id metric;
	enum alarm_type type;
	enum severity severity;
	bool above; /* values above it are violations; else values below */
	double value;
};

enum { RULE_LIMITS_MAX = 4 * RULES_MAX };

/* The limits that records are judged by at present; their number. They stay the same while
 * rules_limits_version, which is never 0, does. */
size_t rules_limits(const struct rules *r, struct rule_limit out[RULE_LIMITS_MAX]);
uint32_t rules_limits_version(const struct rules *r);

/* `to` is fresh and judges on: what is known of the session, baselines, and alarms that are on (by the rule's name) come
 * from `from`. Alarms of rules that are no more are resolved: returns how many findings were put into out. */
size_t rules_inherit(struct rules *to, const struct rules *from, struct rule_finding out[RULES_MAX]);

/* The alarm as a record that sinks can write: fills *out and *extra, which must outlive it. */
void rules_alarm_record(const struct rule_finding *f, const struct record *rec, enum lang lang, struct record *out,
			struct field_values *extra);

#endif
