/* actions.h - counts what was done about alarms, from the log's lines of event_type `action`. */
#ifndef RWKVMON_ANALYZE_ACTIONS_H
#define RWKVMON_ANALYZE_ACTIONS_H

#include "record/record.h"

struct action_counts {
	uint64_t of[ACT_COUNT];
	uint64_t taken_back; /* tokens removed by rewinding */
	uint64_t saved;      /* tokens that were left to the limit when generation was stopped */
};

void actions_count(struct action_counts *c, const struct record *rec);
uint64_t actions_total(const struct action_counts *c);

#endif
