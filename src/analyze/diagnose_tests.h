/* diagnose_tests.h - the tests for the answers of spec/diagnosis.def, and how they record their evidence.
 *
 * A test returns how certain it is, and records the numbers it used as evidence, whether they support the answer or
 * not. If the log lacks the data it needs, it returns UNKNOWN; if there is some of what it looks for, but too little to
 * name it, it returns SOME. Neither answer is ruled out: what is said of an answer that is, NO, must speak against it.
 */
#ifndef RWKVMON_ANALYZE_DIAGNOSE_TESTS_H
#define RWKVMON_ANALYZE_DIAGNOSE_TESTS_H

#include "analyze/facts.h"
#include "analyze/findings.h"

enum grade { SOME = -2, UNKNOWN, NO, WEAK, LIKELY, SURE };

struct walk {
	const struct findings *f;
	const struct time_part *p;
	const struct facts *x;
	const struct diagnose_options *opts;
	struct diagnosis *d;
	enum answer_id testing;
	bool silent;                                         /* no evidence: the answer is not on the path */
	bool asked[QUESTION_COUNT], reached[QUESTION_COUNT]; /* comes_up */
};

typedef enum grade test_fn(struct walk *w);

#define ANSWER(name, ...) test_fn test_##name;
#include "spec/diagnosis.def"

/* One sentence with up to four numbers; the latest test decides whose evidence it is. */
void say(struct walk *w, enum evidence_id id, const char *text, double a, double b, double c, double d);
void say1(struct walk *w, enum evidence_id id, double a);
void say2(struct walk *w, enum evidence_id id, double a, double b);
void say3(struct walk *w, enum evidence_id id, double a, double b, double c);
/* The log lacks it. */
void miss(struct walk *w, enum evidence_id id);

/* How far an instance is from its peers. */
void say_apart(struct walk *w, const struct peer_outlier *o);

static inline enum grade graded(double value, enum threshold_id t)
{
	return value >= sure_of(t) ? SURE : value >= limit_of(t) ? LIKELY : NO;
}

/* The same of a value that is worse the smaller it is. */
static inline enum grade graded_down(double value, enum threshold_id t)
{
	return value < sure_of(t) ? SURE : value < limit_of(t) ? LIKELY : NO;
}

static inline enum grade more(enum grade a, enum grade b)
{
	return a > b ? a : b;
}

/* What is not named is not ruled out either, where there is some of it. */
static inline enum grade unless_some(enum grade grade, bool some)
{
	return grade == NO && some ? SOME : grade;
}

/* That grade, unless a healthy log shows as much so often that it does not count among the many that are judged. */
enum grade unless_chance(struct walk *w, enum grade grade, double chance);

/* Enough calls to judge times by. */
bool timed(const struct walk *w);

/* --- of speed: diagnose_speed.c --- */

/* Adds evidence that the state does not grow, which people often suspect first. */
void say_state(struct walk *w);
/* If it is known on both sides. */
void say_level(struct walk *w, enum evidence_id id, const struct level *l);

/* The shift that is tested: the clear one, or a smaller one. */
const struct shift *shift_of_interest(const struct walk *w);
/* A clock that fell as far as the calls got slower. One of several GPUs may compute a share of a call only. */
bool clock_matches(const struct shift *s, const struct level *clock, double gpus);
enum grade clock_fell(const struct shift *s, const struct level *clock, const struct level *hot, double hotter,
		      double gpus);
/* By exclusion, and only where the clock itself is not recorded. */
enum grade by_exclusion(struct walk *w, enum level_id clock, bool same_work);
/* Often enough to judge the whole run. */
bool sampled(const struct walk *w, enum level_id l);

/* --- of GPUs: diagnose_gpu.c --- */

/* Of all of them, or of one that the strategy uses; `which`: that one, NULL for all; may itself be NULL. */
enum grade gpu_clock_fell(const struct walk *w, const struct shift *s, const struct device **which);
enum grade gpu_heat(const struct walk *w, const struct device_fact **which);
bool gpu_clock_matches(const struct walk *w, const struct shift *s);
bool any_device_clock(const struct walk *w, const struct shift *s);

#endif
