/* race.h - which of several candidates takes the least time, told from rounds in which each of those still racing is
 * measured once.
 *
 * A round's measurements lie close together in time, so that whatever slows the machine slows them all: only
 * differences within rounds are judged. A round is one sample, so its measurements have to be as far apart as uses of
 * the candidates are: where a process has a speed of its own, each round needs a new one. Intervals are of Student's
 * distribution around their mean, widened where one round resembles the next (trend.h), and hold for all pairs of
 * candidates at all looks together: in 95 of 100 races of equal candidates no two are told apart.
 *
 * After RACE_HOPELESS rounds those drop out that took a quarter longer than the leader in each. After RACE_FIRST rounds
 * those certainly slower than the leader do; and of the rest the slower half, as far as it is not close to the leader
 * and more than three are racing. The race is decided then if nobody left can be 5 % faster than the leader, and
 * whoever seems 3 % slower certainly is. After RACE_LAST rounds it is over.
 *
 * Ownership  plain values.
 * Units      values are ln(time); a difference of 0.01 is 1 %.
 */
#ifndef RWKVMON_STATS_RACE_H
#define RWKVMON_STATS_RACE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	RACE_MAX = 128,
	RACE_HOPELESS = 3,
	RACE_FIRST = 6,
	RACE_LAST = 10,
	RACE_ROUNDS = 48, /* of whoever measures on */
};

/* A smaller difference does not matter; within RACE_CLOSE of the leader, the halving spares a candidate, and one that
 * needs less may be chosen in its place. */
static const double RACE_MATTERS = 0.01, RACE_CLOSE = 0.03;

struct race {
	size_t n; /* candidates */
	bool out[RACE_MAX];
	size_t rounds[RACE_MAX]; /* measured so far */
	double value[RACE_MAX][RACE_ROUNDS];
};

/* NAN where too few rounds allow no interval; the mean needs one. */
struct race_gap {
	double mean, low, high;
};

void race_add(struct race *r, size_t candidate, double ln_time);

/* How many still race. */
size_t race_left(const struct race *r);

/* Of those still racing, the one with the least mean; n when none was measured. */
size_t race_leader(const struct race *r);

/* How much longer `a` takes than `b`, over the rounds that both have. */
struct race_gap race_gap(const struct race *r, size_t a, size_t b);

/* A candidate's mean, with its own 95 % interval. */
struct race_gap race_level(const struct race *r, size_t candidate);

/* The difference is beyond doubt, and one that matters. */
bool race_apart(const struct race_gap *g);

/* After each round: who drops out now. */
void race_eliminate(struct race *r);

/* Further rounds would tell nothing that matters. */
bool race_decided(const struct race *r);

#endif
