/* linear_avx2.c - the steps of linear_tiles.h in AVX2 and FMA. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx2.h"

#include "simd/linear_tiles.h"

extern const struct linear_kernels linear_avx2;

static bool runs_here(void)
{
	return cpu_features()->avx2;
}

const struct linear_kernels linear_avx2 = { .name = "avx2", .runs_here = runs_here, LINEAR_TABLE };

#else
typedef int linear_avx2_is_for_x86; /* an empty file is no C */
#endif
