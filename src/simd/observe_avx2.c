/* observe_avx2.c - the steps of observe_steps.h in AVX2 and FMA. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx2.h"

#include "simd/observe_steps.h"

static bool runs_here(void)
{
	return cpu_features()->avx2;
}

const struct observe_kernels observe_avx2 = { .name = "avx2", .runs_here = runs_here, OBSERVE_TABLE };

#else
typedef int observe_avx2_is_for_x86; /* an empty file is no C */
#endif
