/* judgement.c - derives the verdict from the diagnosis. */
#include "analyze/judgement.h"

#include "analyze/time_breakdown.h"

#include <math.h>

const char *const verdict_ids[VERDICT_COUNT] = { "healthy", "not_enough_data", "attention", "critical" };

/* A critical alarm of the log, or a critical rule that more than a few records violate: whatever the cause is, it does
 * not make them less severe. */
static bool is_critical(const struct findings *f, const struct diagnosis *d, const struct diagnose_options *opts)
{
	const uint64_t records = opts->rules_are_own ? f->lasted_critical : f->anomaly_critical;
	const double pct = 100 * (double)records / fmax((double)f->records, 1);

	return cause_specs[d->cause].kind == CAUSE_IS_GRAVE || f->live_critical ||
	       (opts->rules_are_own ? pct > limit_of(T_OWN_RULE_PCT) : pct >= limit_of(T_RULE_PCT));
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
