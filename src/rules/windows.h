/* windows.h - the windows of a plan in one session: what the last values were.
 *
 * Windows are fed after all rules have judged the rows at hand, once for all conditions that share them. Until then a
 * condition sees what a window holds at a row as a part of a line: the values before the rows, followed by the rows'.
 */
#ifndef RWKVMON_RULES_WINDOWS_H
#define RWKVMON_RULES_WINDOWS_H

#include "rules/plan.h"
#include "rules/rows.h"
#include "stats/window.h"

/* A window of the plan in one session: one cache line. */
struct seen {
	struct window values;
	bool on;                /* a rule that is judged looks at it */
	uint16_t n_far;         /* values beyond its bounds, if it counts them */
	uint16_t fed;           /* values since the first of low and high were begun anew */
	double low[2], high[2]; /* no value is beyond both: of the present span or less, and of the one before */
};

/* What a window holds at each of the rows at hand: the values before them, and theirs. */
struct line {
	double *v;
	uint16_t *before; /* (rows + 1) how many of v came before each row's own; the last: how many there are */
};

/* Of the rows at hand. `own`: room for the line of a row that has none, span + 1 values and 2 counts. */
struct line line_of(const struct plan *plan, const struct seen *seen, const struct judged_rows *rows, size_t window,
		    const struct line *own);

/* The one row's value, or `missing`, as a multiple of what is normal; NAN: that is not known. */
double multiple_of(const struct judged_rows *rows, enum metric_id m, double missing);

/* Are all of the rows' values, all of the window's, within these limits? False: unknown. */
bool rows_are_within(const struct judged_rows *rows, enum metric_id m, double above, double below);
bool seen_is_within(const struct seen *seen, double above, double below);

/* [hot] Of all sessions' windows that are on, those of rules that learn nothing; the ordered ones. */
void windows_feed(const struct plan *plan, struct seen *seen, const struct judged_rows *rows);
void windows_feed_ordered(const struct plan *plan, struct seen *seen, const struct judged_rows *rows);

/* For sessions of that set, to be freed by judge_room_close; NULL: no memory. */
struct judge_room *judge_room_open(const struct ruleset *set, enum rules_mode mode);
void judge_room_turn(struct judge_room *room);     /* other rows are at hand now */
double *judge_room_times(struct judge_room *room); /* for struct learned_rows */
void judge_room_close(struct judge_room *room);    /* NULL is fine */

#endif
