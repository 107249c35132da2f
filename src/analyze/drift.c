/* drift.c - the first, the last and the largest sample, by time, so that merging does not depend on order. */
#include "analyze/drift.h"

static bool before(const struct drift_at *a, const struct drift_at *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us;
	if (a->sequence != b->sequence)
		return a->sequence < b->sequence;
	return a->sequence_length != b->sequence_length ? a->sequence_length < b->sequence_length : a->value < b->value;
}

static bool farther(const struct drift_at *a, const struct drift_at *b)
{
	return a->value > b->value || (a->value == b->value && before(a, b));
}

void drift_merge(struct drift *into, const struct drift *from)
{
	if (!from->samples)
		return;
	if (!into->samples) {
		*into = *from;
		return;
	}
	into->samples += from->samples;
	into->first = before(&from->first, &into->first) ? from->first : into->first;
	into->last = before(&into->last, &from->last) ? from->last : into->last;
	into->most = farther(&from->most, &into->most) ? from->most : into->most;
}

void drift_add(struct drift *d, const struct record *rec)
{
	struct drift_at now = { rec->time_us, rec->sequence, rec->sequence_length, rec->metric[M_STATE_DRIFT] };

	if (record_has(rec, M_STATE_DRIFT))
		drift_merge(d, &(struct drift){ 1, now, now, now });
}
