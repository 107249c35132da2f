/* text_trends.h - the part of the terminal report about how things moved: trends, jumps, worst moments, what goes
 * together. */
#ifndef RWKVMON_REPORT_TEXT_TRENDS_H
#define RWKVMON_REPORT_TEXT_TRENDS_H

#include "report/terminal.h"

/* Each is a section with its heading, or nothing when there is nothing to say. */
void text_changes(struct term *t, const struct findings *f);
void text_worst(struct term *t, const struct findings *f);
void text_together(struct term *t, const struct findings *f);
void text_instances(struct term *t, const struct findings *f);

/* Instances unlike the others of their model and strategy, the farthest first. */
void text_peers(struct term *t, const struct findings *f);

/* Groups whose hosts are of two kinds, a line each. */
void text_mixtures(struct term *t, const struct findings *f);

/* How far states turned away from where their sequences began, the farthest first. */
void text_drift(struct term *t, const struct findings *f);

/* Lines under the sessions: where each of them first went wrong. */
void text_first_bad(struct term *t, const struct findings *f);

#endif
