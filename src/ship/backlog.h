/* backlog.h - a folder in which lines wait until an engine has taken them, and how far the logs were read for them.
 *
 *     DIR/state                      how far the logs were read, the number of the next batch, what was lost
 *     DIR/NUMBER-KIND-LINES-STEPS    a batch of lines
 *     DIR/lock                       locked by the process that uses the folder
 *
 * A batch has at most BACKLOG_BATCH_BYTES unless one line is longer.
 *
 * Batches count from the moment when the state, replaced at once, names them: the steps that they sum up and the place
 * up to which the logs were read are kept together. What a crash leaves without a state is removed, and read again.
 * When the folder is full, the oldest roll-ups go first, events (alarms, sessions, gaps) last; what roll-ups stood for
 * is then told by gaps, one for each instance.
 *
 * Ownership  backlog_open creates, backlog_close destroys.
 * Threads    backlog_put and backlog_commit belong to one thread, the functions of sending to one other; open and close
 *            to whoever has both.
 * Errors     while the folder cannot be written, what was put stays in memory, up to the folder's own bound, and the
 *            next commit tries again. What memory has no room for is lost, the oldest first, and counted.
 */
#ifndef RWKVMON_SHIP_BACKLOG_H
#define RWKVMON_SHIP_BACKLOG_H

#include "base/buf.h"
#include "base/err.h"

enum { BACKLOG_BATCH_BYTES = 1 << 20 };

enum backlog_kind { BACKLOG_EVENTS, BACKLOG_ROLLUPS, BACKLOG_KINDS };

struct backlog;

/* dir is made if it is not there; most_bytes bounds its batches. *places gets what the last commit was given, to be
 * freed by the caller; empty at the first use. */
int backlog_open(struct backlog **out, const char *dir, uint64_t most_bytes, struct buf *places, struct err *err);
void backlog_close(struct backlog *s);

/* The next id of a roll-up, unlike all that this folder or another one gave; of at most BACKLOG_ID_BYTES with its NUL.
 */
enum { BACKLOG_ID_BYTES = 40 };
void backlog_id(struct backlog *s, char out[BACKLOG_ID_BYTES]);

/* A line with its end; steps: that it sums up. */
void backlog_put(struct backlog *s, enum backlog_kind kind, struct slice line, uint64_t steps);

/* Lines that could not even be made, since there was no memory: they are counted as lost, and told. */
void backlog_missed(struct backlog *s, enum backlog_kind kind, uint64_t lines, uint64_t steps);

/* Writes what was put, and the places; where those are NULL, events alone, which do no harm when they are read again:
 * the places stay what they were. */
int backlog_commit(struct backlog *s, const struct slice *places, struct err *err);

/* --- sending ------------------------------------------------------------------------------ */

/* The batch to be sent next: events first, of each kind the oldest. */
struct backlog_batch {
	uint64_t number;
	enum backlog_kind kind;
	uint64_t lines, steps, bytes;
};

/* False: nothing waits. */
bool backlog_next(struct backlog *s, struct backlog_batch *out);
/* Appends its lines; false: it was dropped meanwhile, or cannot be read, and will not be offered again. */
bool backlog_read(struct backlog *s, const struct backlog_batch *b, struct buf *out);
void backlog_done(struct backlog *s, const struct backlog_batch *b);                  /* it has arrived */
void backlog_lose(struct backlog *s, const struct backlog_batch *b, const char *why); /* it never will */

struct backlog_counts {
	uint64_t batches, bytes;                  /* that wait */
	uint64_t lines[BACKLOG_KINDS];            /* of them */
	uint64_t lost[BACKLOG_KINDS], lost_steps; /* lines, and the steps of roll-ups, since the folder was made */
};
void backlog_count(struct backlog *s, struct backlog_counts *out);

#endif
