/* deliver_outbox.h - one receiver's queue, and the thread that empties it.
 *
 * Threads  outbox_push may come from any thread; outbox_end from the one that opened. The receiver belongs to the
 * outbox's thread once it has started.
 */
#ifndef RWKVMON_EXPORT_DELIVER_OUTBOX_H
#define RWKVMON_EXPORT_DELIVER_OUTBOX_H

#include "export/deliver_receiver.h"

struct outbox;

/* Takes the receiver over, also on error. `deadline_ns` outlives the outbox: beyond it nothing is sent. */
int outbox_open(struct outbox **out, struct receiver *receiver, const struct clock *clock,
		const _Atomic uint64_t *deadline_ns, struct err *err);

/* The receiver renders the alarm; full queues drop their oldest. */
void outbox_add(struct outbox *o, const struct record *alarm);
/* Adds a message that is already rendered, and takes it over. */
void outbox_push(struct outbox *o, struct message *m);

/* Everything is tried once more; the thread then ends by itself. */
void outbox_stop(struct outbox *o);

/* Waits for the thread's end. The list of critical alarms that did not arrive and may be tried again, oldest first; the
 * caller frees each. */
struct message *outbox_end(struct outbox *o);

/* Until outbox_end: what is lost for good. After it, also what may wait in the spool; `critical` remains what is lost
 * for good. */
struct deliver_loss outbox_lost(struct outbox *o);
const char *outbox_why(const struct outbox *o);
const char *outbox_label(const struct outbox *o);
void outbox_close(struct outbox *o); /* after outbox_end, or never started; NULL is fine */

#endif
