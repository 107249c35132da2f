/* train.h - trains a model on sessions, and stops where others, held out, are no longer foretold better.
 *
 * Sessions are dealt out by chance, drawn from their hashes and a seed, whatever order they come in: of five that are
 * about as long, 3 are learned from, 1 says when to stop, 1 is left for who judges. Back through time goes 32 points at
 * a time; Adam, one step each.
 *
 * Ownership  a set owns its series; learn_set_free releases them.
 * Cost       some 20 us a point and round, on the caller's thread.
 */
#ifndef RWKVMON_LEARN_TRAIN_H
#define RWKVMON_LEARN_TRAIN_H

#include "base/arena.h"
#include "learn/trained.h"

enum { LEARN_METRICS_MAX = 24 }; /* to choose from: a model has the first TRAINED_METRICS_MAX that change */

enum learn_part { LEARN_FIT, LEARN_STOP, LEARN_JUDGE, LEARN_PARTS };

/* Points of one session's metrics side by side. */
struct learn_series {
	size_t n;
	double *y[LEARN_METRICS_MAX];     /* (n) by the set's metrics; NULL: there is none; NAN: unknown, or not to be
					       learned */
	bool foretold[LEARN_METRICS_MAX]; /* its points are spaced for this metric; the others only help */
	uint64_t group;                   /* the same for all series and sessions that belong together */
	enum learn_part part;
};

struct learn_set {
	struct arena arena;
	char metric[LEARN_METRICS_MAX][TRAINED_NAME_BYTES];
	size_t n_metrics;
	struct learn_series *series; /* (n) */
	size_t n, cap;
	struct learn_session {
		uint64_t hash, group;
		enum learn_part part; /* by learn_deal; LEARN_PARTS: nothing of it is long enough */
	} * session;                  /* (n_sessions) */
	size_t n_sessions, sessions_cap;
	size_t groups[LEARN_PARTS]; /* by learn_deal */
};

/* A series to be filled, its y from the set's arena; NULL: no memory. */
struct learn_series *learn_set_add(struct learn_set *set);
bool learn_set_session(struct learn_set *set, uint64_t hash, uint64_t group);
void learn_set_free(struct learn_set *set);

/* Gives each series and session its part; an error when there are fewer than 3 groups. */
int learn_deal(struct learn_set *set, uint64_t seed, struct err *err);

struct learn_progress {
	size_t round, rounds, best; /* rounds done, at most, the best one of them; 0: the untrained network */
	double loss, best_loss;     /* of the sessions that say when to stop */
	double first_loss;          /* untrained */
};

struct learn_options {
	size_t units, layers, rounds, patience; /* rounds without a better one after which it stops */
	uint64_t seed;
	void (*progress)(void *ctx, const struct learn_progress *p); /* after each round; NULL: none */
	bool (*stop)(void *ctx);                                     /* after each series; NULL: never */
	void *ctx;
};

/* The best network of all rounds, also when it was stopped. */
int learn_train(struct trained **out, const struct learn_set *set, const struct learn_options *opts,
		struct learn_progress *end, struct err *err);

#endif
