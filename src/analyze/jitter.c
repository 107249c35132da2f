#include "analyze/jitter.h"

#include <math.h>

enum { LONGEST_MS = 1 << 30 }; /* twelve days: what is longer is no call's time */

static void add(struct jitter_sum *sum, uint64_t pairs, uint64_t us)
{
	sum->pairs += pairs;
	sum->us = sum->us + us < us ? UINT64_MAX : sum->us + us;
}

static void compare(struct jitter_sum sum[PHASE_COUNT], struct jitter_sum *all, const struct jitter_call *a,
		    const struct jitter_call *b)
{
	uint64_t us = a->us > b->us ? a->us - b->us : b->us - a->us;

	if (!a->tokens || a->tokens != b->tokens || a->phase != b->phase)
		return;
	add(&sum[b->phase], 1, us);
	add(&all[b->phase], 1, us);
}

static void add_call(struct jitter_track *t, struct jitter_sum *all, const struct jitter_call *call)
{
	compare(t->sum, all, &t->last, call);
	if (!t->first.tokens)
		t->first = *call;
	t->last = *call;
}

static bool call_of(const struct columns *c, size_t row, struct jitter_call *out)
{
	const uint64_t chunk = metric_bit(M_CHUNK_PROCESS_TIME_MS);
	int64_t us;

	if (!(c->have[row] & chunk))
		return false;
	if (c->decimal[row] & chunk) { /* of three decimals: whole microseconds */
		us = c->scaled[M_CHUNK_PROCESS_TIME_MS][row];
	} else {
		double ms = c->value[M_CHUNK_PROCESS_TIME_MS][row];

		us = ms >= 0 && ms < LONGEST_MS ? llrint(ms * 1000) : -1;
	}
	*out = (struct jitter_call){ (enum phase)c->phase[row], c->token_count[row], (uint64_t)us };
	return us >= 0 && us < INT64_C(1000) * LONGEST_MS;
}

void jitter_add(struct jitter_track *t, struct jitter_sum *all, const struct columns *c, size_t from, size_t n)
{
	struct jitter_call call;

	for (size_t row = from; row < from + n; row++)
		if (call_of(c, row, &call))
			add_call(t, all, &call);
}

void jitter_merge(struct jitter_track *into, const struct jitter_track *from, struct jitter_sum *all)
{
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		add(&into->sum[phase], from->sum[phase].pairs, from->sum[phase].us);
		add(&all[phase], from->sum[phase].pairs, from->sum[phase].us);
	}
	if (!from->first.tokens)
		return;
	compare(into->sum, all, &into->last, &from->first);
	if (!into->first.tokens)
		into->first = from->first;
	into->last = from->last;
}

struct jitter jitter_of(const struct jitter_sum *sum)
{
	return (struct jitter){ sum->pairs, sum->pairs ? (double)sum->us / (1000 * (double)sum->pairs) : (double)NAN };
}
