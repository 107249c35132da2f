/* jitter.c - compares each call with the one before it of equal phase and size. */
#include "analyze/jitter.h"

#include "stats/range.h"

#include <math.h>

enum { LONGEST_MS = 1 << 30 }; /* twelve days: what is longer is no call's time */

static void add(struct jitter_sum *sum, uint64_t pairs, uint64_t us)
{
	sum->pairs += pairs;
	sum->us = sum->us + us < us ? UINT64_MAX : sum->us + us;
}

static void add_twice(struct jitter_sum *sum, struct jitter_sum *all, uint64_t pairs, uint64_t us)
{
	add(sum, pairs, us);
	add(all, pairs, us);
}

static void compare(struct jitter_sum sum[PHASE_COUNT], struct jitter_sum *all, const struct jitter_call *a,
		    const struct jitter_call *b)
{
	uint64_t us = a->us > b->us ? a->us - b->us : b->us - a->us;

	if (!a->tokens || a->tokens != b->tokens || a->phase != b->phase)
		return;
	add_twice(&sum[b->phase], &all[b->phase], 1, us);
}

static void add_call(struct jitter_track *t, struct jitter_sum *all, const struct jitter_call *call)
{
	compare(t->sum, all, &t->last, call);
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

/* Calls of one kind, each with its time as a decimal: differences without branches. False: they are not of that kind.
 */
static bool add_alike(struct jitter_track *t, struct jitter_sum *all, const struct columns *c,
		      const struct batch_run *run)
{
	const int64_t *us = c->scaled[M_CHUNK_PROCESS_TIME_MS] + run->from;
	enum phase phase = (enum phase)c->phase[run->from];
	uint64_t sum = 0;
	struct range times;

	if (!run->one_phase || !run->one_count || !(run->held.decimals & metric_bit(M_CHUNK_PROCESS_TIME_MS)))
		return false;
	times = range_of(us, run->n);
	if (times.low < 0 || times.high >= INT64_C(1000) * LONGEST_MS || !c->token_count[run->from])
		return false;
	add_call(t, all, &(struct jitter_call){ phase, c->token_count[run->from], (uint64_t)us[0] });
	for (size_t i = 1; i < run->n; i++) {
		uint64_t more = (uint64_t)us[i] - (uint64_t)us[i - 1], negative = -(more >> 63);

		sum += (more ^ negative) - negative;
	}
	add_twice(&t->sum[phase], &all[phase], run->n - 1u, sum);
	t->last.us = (uint64_t)us[run->n - 1];
	return true;
}

void jitter_add(struct jitter_track *t, struct jitter_sum *all, const struct columns *c, const struct batch_run *run)
{
	struct jitter_call call;

	if (add_alike(t, all, c, run))
		return;
	for (size_t row = run->from; row < (size_t)run->from + run->n; row++)
		if (call_of(c, row, &call))
			add_call(t, all, &call);
}

struct jitter jitter_of(const struct jitter_sum *sum)
{
	return (struct jitter){ sum->pairs, sum->pairs ? (double)sum->us / (1000 * (double)sum->pairs) : (double)NAN };
}
