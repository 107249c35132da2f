/* instances.h - groups sessions by instance (host:pid), and judges each instance by itself.
 *
 * Bounds  of sessions that are listed (analyze.h), whatever page of them is asked for.
 */
#ifndef RWKVMON_ANALYZE_INSTANCES_H
#define RWKVMON_ANALYZE_INSTANCES_H

#include "analyze/analysis.h"
#include "analyze/evidence.h"

enum { INSTANCE_PARTS_MAX = 8 };

enum { PHASE_METRICS = 3 };

/* Of one phase alone, that is what a diagnosis asks for. */
extern const struct phase_metric {
	enum phase phase;
	enum metric_id metric;
} phase_metrics[PHASE_METRICS];

/* What an instance is judged by, in addition to its numbers. */
struct instance_evidence {
	struct session_evidence of;
	struct summary phase[PHASE_METRICS];
	const char *session_id;                          /* of its only session; NULL: it has several */
	const struct time_own *part[INSTANCE_PARTS_MAX]; /* (n_parts) */
	size_t n_parts;
	bool untimed; /* it has steps in a part of several, for want of room */
};

/* Are its steps in that part, or in what that is joined into? */
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

/* How fast each was, over the log's time. */
void instances_course(struct findings *f);

/* An only one has the verdict of the findings. */
void instance_judge_alone(struct findings *f);

#endif
