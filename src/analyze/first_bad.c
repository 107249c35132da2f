/* first_bad.c - keeps the earlier of two bad steps, by time and then by place in the sequence. */
#include "analyze/first_bad.h"

#include <math.h>

static bool earlier(const struct first_bad *a, const struct first_bad *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us;
	if (a->sequence_length - 1 != b->sequence_length - 1) /* unknown comes last */
		return a->sequence_length - 1 < b->sequence_length - 1;
	return a->sequence != b->sequence ? a->sequence < b->sequence : a->type < b->type;
}

void first_bad_merge(struct first_bad *into, const struct first_bad *from)
{
	if (from->known && (!into->known || earlier(from, into)))
		*into = *from;
}

void first_bad_note(struct first_bad *f, enum alarm_type type, const struct record *rec, uint64_t token)
{
	struct first_bad now = { .known = true,
				 .type = type,
				 .time_us = rec->time_us,
				 .sequence = rec->sequence,
				 .sequence_length = token ? token : rec->sequence_length,
				 .layer = (double)NAN };

	if (record_has(rec, M_NONFINITE_LAYER))
		now.layer = rec->metric[M_NONFINITE_LAYER];
	first_bad_merge(f, &now);
}

/* Metrics computed from what the model put out. A NaN in another one comes from a clock or a sensor. */
static const uint64_t of_the_model =
#define METRIC(core, name, group, ...) (METRIC_##group == METRIC_ACCURACY ? UINT64_C(1) << M_##name : 0) |
#include "spec/metrics.def"
#undef METRIC
	0;

static double count_at(const struct columns *c, size_t row, enum metric_id m)
{
	return c->have[row] >> m & 1 ? columns_value(c, row, m) : 0;
}

bool bans_at(const struct columns *c, size_t row)
{
	const double infinite = count_at(c, row, M_INF_LOGITS);

	return infinite > 0 && c->have[row] >> M_LOGITS_ENTROPY & 1 && !(c->nonfinite[row] & of_the_model) &&
	       count_at(c, row, M_NAN_LOGITS) <= 0 && count_at(c, row, M_NONFINITE_LOGITS) <= infinite;
}

bool nonfinite_at(const struct columns *c, size_t row)
{
	uint64_t counts = c->have[row] & nonfinite_metrics;

	if (c->nonfinite[row] & of_the_model)
		return true;
	if (bans_at(c, row))
		counts &= ~(metric_bit(M_NONFINITE_LOGITS) | metric_bit(M_INF_LOGITS));
	for (; counts; counts &= counts - 1)
		if (columns_value(c, row, (enum metric_id)__builtin_ctzll(counts)) > 0)
			return true;
	return false;
}

void first_bad_nonfinite(struct first_bad *f, const struct columns *c, size_t row, const struct record *rec)
{
	if (nonfinite_at(c, row))
		first_bad_note(f, ALARM_NON_FINITE, rec, 0);
}

bool first_bad_counts(enum alarm_type type)
{
	return type == ALARM_MODE_COLLAPSE || type == ALARM_STATE_DIVERGENCE || type == ALARM_STATE_LEAK ||
	       type == ALARM_NON_FINITE;
}
