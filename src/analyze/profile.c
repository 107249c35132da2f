#include "analyze/profile.h"

#include <math.h>

static const enum metric_id followed[PROFILE_METRICS] = { M_TOKEN_LATENCY_MS, M_LOGITS_ENTROPY, M_TOKEN_REPETITION_PCT,
							  M_STATE_SIMILARITY, M_STATE_CHANGE,   M_SURPRISAL_NATS,
							  M_STATE_DRIFT };

static size_t octave_of(uint64_t position)
{
	size_t octave = 63 - (size_t)__builtin_clzll(position);

	return octave < FINDINGS_OCTAVES ? octave : FINDINGS_OCTAVES - 1;
}

#define MOST (INT64_C(1) << 40)

/* Some steps of a run that are in one octave; range: theirs, or NULL. */
static void add_octave(struct profile *p, size_t octave, const struct columns *c, size_t from, size_t n, uint64_t any,
		       uint64_t all, const struct range *range)
{
	for (size_t i = 0; i < PROFILE_METRICS; i++) {
		enum metric_id m = followed[i];
		struct range r = { .low = -MOST - 1 };

		if (!(any >> m & 1))
			continue;
		if (all >> m & 1)
			r = range ? range[m] : range_of(c->scaled[m] + from, n);
		if (r.low >= -MOST && r.high <= MOST) {
			p->at[i][octave].count += n;
			p->at[i][octave].sum += r.sum;
			continue;
		}
		for (size_t row = from; row < from + n; row++) {
			double scaled;

			if (!(c->have[row] >> m & 1))
				continue;
			scaled = columns_value(c, row, m) * metric_specs[m].scale;
			p->at[i][octave].count++;
			p->at[i][octave].sum += llrint(scaled > (double)MOST ? (double)MOST : scaled < -(double)MOST ? -(double)MOST : scaled);
		}
	}
}

static bool counts(const struct columns *c, size_t row)
{
	return c->phase[row] != PHASE_PREFILL && c->sequence_length[row];
}

void profile_add(struct profile *p, const struct columns *c, const struct batch_run *run, const struct range *range)
{
	size_t end = (size_t)run->from + run->n, n;

	for (size_t from = run->from; from < end; from += n) {
		size_t octave;

		n = 1;
		if (!counts(c, from))
			continue;
		octave = octave_of(c->sequence_length[from]);
		while (from + n < end && counts(c, from + n) && octave_of(c->sequence_length[from + n]) == octave)
			n++;
		add_octave(p, octave, c, from, n, run->any, run->all & run->any, n == run->n ? range : NULL);
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
			out->mean[octave] = (double)p->at[i][octave].sum / ((double)n * metric_specs[followed[i]].scale);
			if (!n)
				out->mean[octave] = (double)NAN;
		}
		f->position[followed[i]] = any ? out : NULL;
	}
}
