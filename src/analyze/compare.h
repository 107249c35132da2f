/* compare.h - compares two groups of logs: how much they differ, and how certain that is.
 *
 * Prefill and decode are never mixed, and each session's first steps are excluded. With COMPARE_RUNS runs on both sides
 * the intervals are Student's, from one number per run, and include the variation from run to run. A run is a session;
 * sessions of one instance whose steps interleave are one run. With fewer runs nothing can be said about other runs;
 * then the intervals come from a bootstrap over blocks of consecutive steps, at most COMPARE_BLOCKS per side, and are
 * widened according to the correlation of neighbouring blocks.
 *
 * One question is decisive: the speed of decoding. Its interval stands alone. What is told of all other metrics
 * is told so that of these differences together no more than one in twenty is expected to be none.
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

enum { COMPARE_BLOCKS = 64, COMPARE_RUNS = 3, COMPARE_WARMUP = 20 };

struct compare_side;

/* The first `warmup` steps of each session are left out. */
int compare_side_open(struct compare_side **out, uint64_t warmup, struct err *err);

/* [hot] Any event, in the order of the log; only steps count. */
void compare_side_add(struct compare_side *s, const struct record *rec, struct slice session_id);
void compare_side_close(struct compare_side *s);

/* The same sides give the same result: the random seed is fixed. *out is empty on error. */
int compare_sides(const struct compare_side *a, const struct compare_side *b, struct comparison *out, struct err *err);

#endif
