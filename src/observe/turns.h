/* turns.h - notices that the calls of one sequence take turns between several conversations, of which nobody told, by
 * the states that they leave.
 *
 * A call changes the recurrent state a little: of the states that the last TURNS_PAST calls left, that of the call
 * before is the nearest. In a single conversation at most one call in 300 left a state nearer than 0.6 of that to an
 * earlier one, in two to sixteen that take turns 70 to 99 of 100 did (trained RWKV-7, RWKV-4 to 7 with random weights).
 * A text that repeats itself comes back to the state of a period before: a call whose last two tokens came one after
 * the other before says nothing.
 *
 * Cost     [hot] TURNS_VALUES of the state's values are read and compared with as many of TURNS_PAST others.
 * Memory   8.5 KiB. */
#ifndef RWKVMON_OBSERVE_TURNS_H
#define RWKVMON_OBSERVE_TURNS_H

#include "observe/observe.h"

enum {
	TURNS_PAST = 32,
	TURNS_VALUES = 64,
};

struct turns;

struct turns *turns_open(void); /* NULL: out of memory */
void turns_close(struct turns *t);

/* The next call has none before it. NULL is none. */
void turns_reset(struct turns *t);

/* After a call that left this state, and whose last token that was. True: it probably does not go on from the call
 * before. *apart: at the call that makes turns certain, once a sequence, how far the state that it was given is from
 * the one that the call before left, by the larger norm; else NAN. */
bool turns_look(struct turns *t, const struct observed_tensor *state, size_t n, uint32_t token, double *apart);

#endif
