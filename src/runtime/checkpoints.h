/* checkpoints.h - keeps states of a run for rewinding: many of the latest tokens, and fewer of older ones.
 *
 * Positions are tokens since the first checkpoint, which is always kept, with its logits. When there is no room for
 * another one, the checkpoint whose neighbours are closest together for their age is dropped, so that distances grow
 * with age.
 *
 * What lies between a checkpoint and the target has to be fed again: on average half their distance, a cost of the run
 * that is rewound; copies are a cost of every run, and so is the first touch of the memory that they lie in, which is
 * more than that of a few hundred copies: few slots are kept, and they are near to each other only where a rewind is
 * likely.
 *
 * Ownership  checkpoints_open creates, checkpoints_close destroys; a run is only read and set.
 * Threads    the run's.
 * Cost       a copy of the state every CHECKPOINT_TOKENS or CHECKPOINT_NEAR_TOKENS tokens; memory is taken by
 * checkpoints_open.
 */
#ifndef RWKVMON_RUNTIME_CHECKPOINTS_H
#define RWKVMON_RUNTIME_CHECKPOINTS_H

#include "runtime/run.h"

enum { CHECKPOINT_TOKENS = 64, CHECKPOINT_NEAR_TOKENS = 16, CHECKPOINTS_MAX = 12 };

struct checkpoints;

/* Makes room for as many states of `run` as fit into the given bytes, at most CHECKPOINTS_MAX. Refused if fewer than
 * two fit. */
int checkpoints_open(struct checkpoints **out, const struct run *run, size_t bytes, struct err *err);
void checkpoints_close(struct checkpoints *c); /* NULL is fine */

/* What it may take: all of its copies. NULL: 0. */
size_t checkpoints_bytes(const struct checkpoints *c);

/* Forgets all checkpoints; the run is at position 0. */
void checkpoints_begin(struct checkpoints *c, const struct run *run);

/* [hot] The run has reached a position beyond those that are kept; `near`: a rewind is likely. */
void checkpoints_pass(struct checkpoints *c, const struct run *run, uint64_t position, bool near);

/* Sets the run's state to the latest checkpoint before `position` (for 0: to position 0 itself, with its logits),
 * forgets later ones and returns the position of that checkpoint. */
uint64_t checkpoints_return(struct checkpoints *c, struct run *run, uint64_t position);

#endif
