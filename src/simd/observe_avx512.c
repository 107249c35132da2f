/* observe_avx512.c - the steps of observe_steps.h in AVX-512. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx512.h"

#include "simd/observe_steps.h"

static bool runs_here(void)
{
	return cpu_features()->avx512;
}

const struct observe_kernels observe_avx512 = { .name = "avx512", .runs_here = runs_here, OBSERVE_TABLE };

#else
typedef int observe_avx512_is_for_x86; /* an empty file is no C */
#endif
