/* observe_kernels.h - the kernel sets, one per instruction set. */
#ifndef RWKVMON_SIMD_OBSERVE_KERNELS_H
#define RWKVMON_SIMD_OBSERVE_KERNELS_H

#include "simd/observe.h"

/* What t counts in: a float, the same one in every set. */
#define OBSERVE_LOG2E 1.44269504F

extern const struct observe_kernels observe_scalar, observe_avx2, observe_avx512, observe_neon;

#endif
