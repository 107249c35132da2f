/* instances.h - groups sessions by instance (host:pid), and judges each instance by itself.
 *
 * Bounds  of sessions that are listed (analyze.h), whatever page of them is asked for.
 */
#ifndef RWKVMON_ANALYZE_INSTANCES_H
#define RWKVMON_ANALYZE_INSTANCES_H

#include "analyze/analysis.h"

enum { INSTANCE_PARTS_MAX = 8 };

/* What an instance is judged by, in addition to its numbers. */
struct instance_evidence {
	struct session_tally tally;
	struct summary prefill_chunk_ms; /* of its prefill calls */
	struct bad_session first_bad[ALARM_TYPE_COUNT], first_alarm[ALARM_TYPE_COUNT];
	struct collapse_findings collapse;
	uint16_t part[INSTANCE_PARTS_MAX]; /* (n_parts): numbers of those of the time breakdown */
	size_t n_parts;
	bool untimed; /* its steps are in the part of all those for which there was no room */
};

/* Are its steps in that part? */
bool instance_has_part(const struct instance_findings *in, const struct time_part *p);

/* Fills f->instance once its sessions are there; false when memory is out. */
bool instances_tell(struct findings *f, const struct analysis *a);

/* Whether each of several became slower, and which of them together; false when memory is out. */
bool instances_pace(struct findings *f, const struct diagnose_options *opts);

/* A verdict and a cause for each of several, once all else of the findings is there, and opts->bar, which lives as long
 * as the findings: of one alone it stays as it is. False when memory is out. */
bool instances_judge(struct findings *f, struct diagnose_options *opts);

/* Where the whole log shows no trouble, or none that it explains, and one of several instances is in trouble, the
 * whole's judgement becomes that of the worst. False when memory is out. */
bool instances_speak(struct findings *f, struct judgement *whole, const struct diagnose_options *opts);

/* An only one has the verdict of the findings. */
void instance_judge_alone(struct findings *f);

#endif
