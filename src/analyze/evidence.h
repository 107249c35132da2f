/* evidence.h - what sessions show beside their numbers: alarms, broken rules, first bad steps, collapse, lost records.
 *
 * It is gathered and told alike for the log and for each of its instances. */
#ifndef RWKVMON_ANALYZE_EVIDENCE_H
#define RWKVMON_ANALYZE_EVIDENCE_H

#include "analyze/accumulators.h"
#include "analyze/findings.h"
#include "analyze/sessions.h"

struct session_evidence {
	struct session_tally tally;
	struct bad_session first_bad[ALARM_TYPE_COUNT], first_alarm[ALARM_TYPE_COUNT], first_broken[ALARM_TYPE_COUNT],
		first_lasted[ALARM_TYPE_COUNT], firing[ALARM_TYPE_COUNT];
	struct collapse_findings collapse;
	uint64_t missing, doubled; /* records */
};

void evidence_begin(struct session_evidence *e);

/* All but the tally of one more session; n: its numbers, NULL: its rest has them, or none. Copies are the arena's. */
void evidence_note(struct session_evidence *e, struct arena *arena, const struct session *s,
		   const struct accumulators *n);

/* Once the tally is complete: its texts become the arena's. */
void evidence_keep(struct session_evidence *e, struct arena *arena);

void evidence_tell(struct findings *f, const struct session_evidence *e);

#endif
