/* loop_risk.c - temperature and penalties against what is known to loop (docs/FORECAST.md). */
#include "analyze/loop_risk.h"

#include "spec/diagnosis.h"

#include <math.h>

enum loop_risk loop_risk_of(const struct field_values *about)
{
	if (fields_number(about, F_SAMPLER_FREQUENCY, 0) > 0 || fields_number(about, F_SAMPLER_PRESENCE, 0) > 0)
		return LOOP_RISK_LOW;
	if (fields_number(about, F_SAMPLER_TEMPERATURE, NAN) <= limit_of(T_SAMPLER_COLD))
		return LOOP_RISK_TEMPERATURE;
	return fields_number(about, F_SAMPLER_TOP_K, 0) == 1 ? LOOP_RISK_TOP_K : LOOP_RISK_LOW;
}
