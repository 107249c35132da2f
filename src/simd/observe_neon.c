/* observe_neon.c - the steps of observe_steps.h in NEON. */
#if defined(__aarch64__)

#include "base/cpu.h"
#include "simd/vec_neon.h"

#include "simd/observe_steps.h"

static bool runs_here(void)
{
	return cpu_features()->neon;
}

const struct observe_kernels observe_neon = { .name = "neon", .runs_here = runs_here, OBSERVE_TABLE };

#else
typedef int observe_neon_is_for_arm; /* an empty file is no C */
#endif
