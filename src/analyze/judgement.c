/* judgement.c - derives the verdict from the diagnosis. */
#include "analyze/judgement.h"

#include "analyze/time_breakdown.h"

const char *const verdict_ids[VERDICT_COUNT] = { "healthy", "not_enough_data", "attention", "critical" };

/* Is what the cause rests on critical by itself? */
static bool is_critical(const struct findings *f, const struct diagnosis *d, const struct diagnose_options *opts)
{
	if (cause_specs[d->cause].kind == CAUSE_IS_GRAVE)
		return true;
	if (d->cause != CAUSE_ALARM && d->cause != CAUSE_UNLIKE_PEERS) /* all else explains its alarms */
		return false;
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (alarm_specs[t].severity == SEVERITY_CRITICAL &&
		    (f->live_alarms[t] || (opts->rules_are_own && f->anomaly_by_type[t] > f->records / 1000)))
			return true;
	return false;
}

static const char *instance_of(const struct findings *f, const struct diagnosis *d)
{
	if (*d->instance)
		return d->instance;
	return d->parts > 1 && d->part ? d->part->instance : f->n_instances == 1 ? f->instance[0].instance : "";
}

bool judge_findings(struct judgement *out, const struct findings *f, const struct diagnose_options *opts)
{
	*out = (struct judgement){ .verdict = VERDICT_ATTENTION };
	if (!diagnose(&out->diagnosis, f, opts))
		return false;
	switch (cause_specs[out->diagnosis.cause].kind) {
	case CAUSE_IS_FINE:
		out->verdict = VERDICT_HEALTHY;
		break;
	case CAUSE_IS_UNDECIDED:
		out->verdict = VERDICT_UNDECIDED;
		break;
	case CAUSE_IS_FAULT:
	case CAUSE_IS_GRAVE:
		out->verdict = is_critical(f, &out->diagnosis, opts) ? VERDICT_CRITICAL : VERDICT_ATTENTION;
		break;
	}
	out->instance = instance_of(f, &out->diagnosis);
	return true;
}
