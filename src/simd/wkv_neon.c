/* wkv_neon.c - the steps of wkv_steps.h in NEON. */
#if defined(__aarch64__)

#include "base/cpu.h"
#include "simd/vec_neon.h"

#include "simd/wkv_steps.h"

extern const struct wkv_kernels wkv_neon;

static bool runs_here(void)
{
	return cpu_features()->neon;
}

const struct wkv_kernels wkv_neon = { .name = "neon", .runs_here = runs_here, WKV_TABLE };

#else
typedef int wkv_neon_is_for_arm; /* an empty file is no C */
#endif
