/* backlog_state.h - what a spool keeps of itself beside its batches, as text: the state file, and the batches' names.
 *
 *     rwkvmon spool 1
 *     origin 0123456789abcdef     by which ids of roll-ups differ from those of any other folder
 *     next_id 17
 *     batches 5                   those with smaller numbers count
 *     lost_events 0
 *     lost_rollups 0
 *     lost_steps 0
 *     place …                     how far a log was read; any number of them
 *
 * Lines that begin with another word are left alone. A state that lacks one of the numbers is damaged: without them,
 * ids would be given a second time.
 *
 * Ownership  a zeroed state is empty; backlog_state_free releases its places.
 */
#ifndef RWKVMON_SHIP_BACKLOG_STATE_H
#define RWKVMON_SHIP_BACKLOG_STATE_H

#include "ship/backlog.h"

struct backlog_state {
	uint64_t origin, next_id, batches, lost[BACKLOG_KINDS], lost_steps;
	struct buf places; /* a line each */
};

/* Takes a text of any bytes. 0; else *out is not to be used, and *err says what is wrong, of the file `name`. */
int backlog_state_read(struct backlog_state *out, struct slice text, const char *name, struct err *err);
void backlog_state_write(struct buf *out, const struct backlog_state *s);
void backlog_state_free(struct backlog_state *s);

enum { BACKLOG_NAME_BYTES = 120 };

/* The name of its file, "0000000000000011-rollups-200-12000": all but its bytes. */
void backlog_batch_name(char out[BACKLOG_NAME_BYTES], const struct backlog_batch *b);
/* False: it is not the name of a batch, to the letter. */
bool backlog_batch_parse(const char *name, struct backlog_batch *out);

#endif
