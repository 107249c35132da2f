#include "analyze/profile.h"

#include <math.h>

static const enum metric_id followed[PROFILE_METRICS] = { M_TOKEN_LATENCY_MS, M_LOGITS_ENTROPY, M_TOKEN_REPETITION_PCT,
							  M_STATE_SIMILARITY, M_STATE_CHANGE,   M_SURPRISAL_NATS };

static size_t octave_of(uint64_t position)
{
	size_t octave = 63 - (size_t)__builtin_clzll(position);

	return octave < FINDINGS_OCTAVES ? octave : FINDINGS_OCTAVES - 1;
}

void profile_add(struct profile *p, const struct record *rec)
{
	static const double most = 1099511627776.0; /* 2^40 */
	size_t octave;

	if (rec->phase == PHASE_PREFILL || !rec->sequence_length)
		return;
	octave = octave_of(rec->sequence_length);
	for (size_t i = 0; i < PROFILE_METRICS; i++) {
		enum metric_id m = followed[i];

		if (!record_has(rec, m))
			continue;
		p->at[i][octave].count++;
		p->at[i][octave].sum += llrint(fmax(-most, fmin(most, rec->metric[m] * metric_specs[m].scale)));
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
