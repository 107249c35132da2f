/* linear_neon.c - the steps of linear_tiles.h in NEON. */
#if defined(__aarch64__)

#include "base/cpu.h"
#include "simd/vec_neon.h"

#include "simd/linear_tiles.h"

extern const struct linear_kernels linear_neon;

static bool runs_here(void)
{
	return cpu_features()->neon;
}

const struct linear_kernels linear_neon = { .name = "neon", .runs_here = runs_here, LINEAR_TABLE };

#else
typedef int linear_neon_is_for_arm; /* an empty file is no C */
#endif
