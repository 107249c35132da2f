/* divergence.h - the divergence of one next-token distribution from another. */
#ifndef RWKVMON_STATS_DIVERGENCE_H
#define RWKVMON_STATS_DIVERGENCE_H

#include <stddef.h>

/* KL(softmax(full) || softmax(other)) in nats: sum p (ln p - ln q), both at temperature 1.
 * NAN when any logit is not finite. Double precision, three passes over n values. */
double kl_divergence(const float *full, const float *other, size_t n);

#endif
