#include "analyze/verdict.h"

static bool is_critical(const struct findings *f)
{
	uint64_t nonfinite = 0;

	for (int m = 0; m < METRIC_COUNT; m++)
		nonfinite += f->metric[m].nonfinite;
	if (nonfinite || f->metric[M_NONFINITE_LOGITS].max > 0 || f->metric[M_NONFINITE_STATE].max > 0)
		return true;
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		bool critical = alarm_specs[type].severity == SEVERITY_CRITICAL;

		if (critical && (f->live_alarms[type] || f->anomaly_by_type[type] > f->records / 1000))
			return true;
	}
	return false;
}

static bool needs_attention(const struct findings *f)
{
	if (!f->records || f->anomaly_records || f->dropped) /* nothing to judge is no good news */
		return true;
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (f->live_alarms[type])
			return true;
	for (size_t i = 0; i < f->n_sessions; i++)
		if (f->session[i].collapse_warning)
			return true;
	return false;
}

enum verdict verdict_of(const struct findings *f)
{
	if (is_critical(f))
		return VERDICT_CRITICAL;
	return needs_attention(f) ? VERDICT_ATTENTION : VERDICT_HEALTHY;
}
