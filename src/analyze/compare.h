/* compare.h - two groups of logs against each other: how much differs, and how sure that is.
 *
 * Prefill and decode are never mixed, and each session's first steps are left out. Each side is kept as at most
 * COMPARE_BLOCKS blocks of steps in a row of one session, each with the numbers of its steps. The intervals come from
 * drawing blocks again and again (a bootstrap): steps in a row resemble each other, so that drawing single steps would
 * promise too much. With COMPARE_SESSIONS sessions on both sides, whole sessions are drawn instead.
 *
 * Ownership  *_open creates, *_close destroys; records are read during the call and never kept.
 * Threads    a side belongs to one thread.
 * Bounds     memory does not grow with the logs.
 */
#ifndef RWKVMON_ANALYZE_COMPARE_H
#define RWKVMON_ANALYZE_COMPARE_H

#include "analyze/comparison.h"
#include "base/err.h"
#include "record/record.h"

enum { COMPARE_BLOCKS = 64, COMPARE_SESSIONS = 5, COMPARE_WARMUP = 20 };

struct compare_side;

/* The first `warmup` steps of each session are left out. */
int compare_side_open(struct compare_side **out, uint64_t warmup, struct err *err);

/* [hot] Any event, in the order of the log; only steps count. */
void compare_side_add(struct compare_side *s, const struct record *rec, struct slice session_id);
void compare_side_close(struct compare_side *s);

/* The same sides give the same answer: what is drawn is drawn from a fixed seed. *out is empty on error. */
int compare_sides(const struct compare_side *a, const struct compare_side *b, struct comparison *out, struct err *err);

#endif
