/* state_sums.h - how much a state, or a part of it, changed over one forward call: the sums from which similarity,
 * relative change and norms are computed. All code from kernel to record represents the change in this form.
 *
 * The sums are additive: those of a whole are the sums over its parts (tensors, layers, heads). A NaN or an infinity in
 * the state makes every sum that includes it non-finite. */
#ifndef RWKVMON_BASE_STATE_SUMS_H
#define RWKVMON_BASE_STATE_SUMS_H

#include <stdint.h>

struct state_sums {
	double dot;          /* sum of old * new */
	double old_norm2;    /* sum of old^2 */
	double new_norm2;    /* sum of new^2 */
	double change_norm2; /* sum of (new - old)^2 */
	uint64_t nonfinite;  /* number of values of new that are NaN or Inf, if they were counted */
	double fp16_most2;   /* square of the largest of new that is given as fp16; 0: none is */
};

static inline void state_sums_add(struct state_sums *to, const struct state_sums *from)
{
	to->dot += from->dot;
	to->old_norm2 += from->old_norm2;
	to->new_norm2 += from->new_norm2;
	to->change_norm2 += from->change_norm2;
	to->nonfinite += from->nonfinite;
	to->fp16_most2 = to->fp16_most2 > from->fp16_most2 ? to->fp16_most2 : from->fp16_most2;
}

#endif
