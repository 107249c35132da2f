/* profile.c - means by octave of the position in a sequence. */
#include "analyze/profile.h"

#include "stats/buckets.h"
#include "stats/octave.h"

#include <math.h>

static const enum metric_id followed[PROFILE_METRICS] = { M_TOKEN_LATENCY_MS, M_LOGITS_ENTROPY, M_TOKEN_REPETITION_PCT,
							  M_STATE_SIMILARITY, M_STATE_CHANGE,   M_SURPRISAL_NATS,
							  M_STATE_DRIFT };
enum { FOLLOWED_DRIFT = PROFILE_METRICS - 1 };

static size_t place_of(uint64_t position)
{
	return octave_of(position, FINDINGS_OCTAVES);
}

/* The sum of a metric that all of the steps have, when it is cheap to tell: theirs are the ranges, or NULL. */
static bool sum_of(enum metric_id m, const struct columns *c, size_t from, size_t n, const struct held *held,
		   const struct ranges *ranges, int64_t *sum)
{
	struct range r = { .low = -BUCKETS_MOST - 1 };

	if (held->doubles >> m & 1) {
		*sum = (ranges ? ranges->real[m] : ranges_real(c, from, n, m)).sum;
		return true;
	}
	if (held->decimals >> m & 1)
		r = ranges ? ranges->decimal[m] : range_of(c->scaled[m] + from, n);
	*sum = r.sum;
	return r.low >= -BUCKETS_MOST && r.high <= BUCKETS_MOST;
}

static void add_value(struct profile *p, size_t followed_metric, size_t octave, const struct columns *c, size_t row)
{
	enum metric_id m = followed[followed_metric];
	double value = columns_value(c, row, m);

	p->at[followed_metric][octave].count++;
	p->at[followed_metric][octave].sum += real_range_of(&value, 1, metric_specs[m].scale, (double)BUCKETS_MOST).sum;
}

/* Some steps of a run that are in one octave. */
static void add_octave(struct profile *p, size_t octave, const struct columns *c, size_t from, size_t n,
		       const struct held *held, const struct ranges *ranges)
{
	for (size_t i = 0; i < PROFILE_METRICS; i++) {
		enum metric_id m = followed[i];
		int64_t sum;

		if (!(held->any >> m & 1))
			continue;
		if (sum_of(m, c, from, n, held, ranges, &sum)) {
			p->at[i][octave].count += n;
			p->at[i][octave].sum += sum;
			continue;
		}
		for (size_t row = from; row < from + n; row++)
			if (c->have[row] >> m & 1)
				add_value(p, i, octave, c, row);
	}
}

static bool counts(const struct columns *c, size_t row)
{
	return c->phase[row] != PHASE_PREFILL && c->sequence_length[row];
}

/* How many of n steps, the first of which counts, are in its octave from there on. */
static size_t in_octave(const struct columns *c, size_t from, size_t n, bool one_phase, size_t octave)
{
	struct range at = range_of((const int64_t *)c->sequence_length + from, n); /* below 2^53 */
	size_t i = 1;

	if (one_phase && at.low > 0 && place_of((uint64_t)at.low) == octave && place_of((uint64_t)at.high) == octave)
		return n;
	while (i < n && counts(c, from + i) && place_of(c->sequence_length[from + i]) == octave)
		i++;
	return i;
}

/* A sequence that was fed drifts as one that is generated does; only what a step costs is another thing in prefill. */
static void add_fed_drift(struct profile *p, const struct columns *c, const struct batch_run *run)
{
	if (!(run->held.any >> M_STATE_DRIFT & 1))
		return;
	for (size_t row = run->from; row < (size_t)run->from + run->n; row++)
		if (c->phase[row] == PHASE_PREFILL && c->sequence_length[row] && c->have[row] >> M_STATE_DRIFT & 1)
			add_value(p, FOLLOWED_DRIFT, place_of(c->sequence_length[row]), c, row);
}

void profile_add(struct profile *p, const struct columns *c, const struct batch_run *run, const struct ranges *ranges)
{
	size_t end = (size_t)run->from + run->n, n;

	add_fed_drift(p, c, run);
	for (size_t from = run->from; from < end; from += n) {
		size_t octave;

		n = 1;
		if (!counts(c, from))
			continue;
		octave = place_of(c->sequence_length[from]);
		n = in_octave(c, from, end - from, run->one_phase, octave);
		add_octave(p, octave, c, from, n, &run->held, n == run->n ? ranges : NULL);
	}
}

void profile_merge(struct profile *into, const struct profile *from)
{
	for (size_t i = 0; i < PROFILE_METRICS; i++)
		for (size_t octave = 0; octave < FINDINGS_OCTAVES; octave++) {
			into->at[i][octave].count += from->at[i][octave].count;
			into->at[i][octave].sum += from->at[i][octave].sum;
		}
}

void profile_tell(const struct profile *p, struct findings *f)
{
	for (size_t i = 0; i < PROFILE_METRICS; i++) {
		struct by_position *out = arena_alloc(&f->arena, 1, sizeof *out);
		uint64_t any = 0;

		for (size_t octave = 0; out && octave < FINDINGS_OCTAVES; octave++) {
			uint64_t n = p->at[i][octave].count;

			any |= n;
			out->count[octave] = n;
			out->mean[octave] =
				(double)p->at[i][octave].sum / ((double)n * metric_specs[followed[i]].scale);
			if (!n)
				out->mean[octave] = (double)NAN;
		}
		f->position[followed[i]] = any ? out : NULL;
	}
}
