/* linear_avx512.c - the steps of linear_tiles.h in AVX-512. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx512.h"

#include "simd/linear_tiles.h"

extern const struct linear_kernels linear_avx512;

static bool runs_here(void)
{
	return cpu_features()->avx512;
}

const struct linear_kernels linear_avx512 = { .name = "avx512", .runs_here = runs_here, LINEAR_TABLE };

#else
typedef int linear_avx512_is_for_x86; /* an empty file is no C */
#endif
