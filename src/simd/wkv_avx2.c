/* wkv_avx2.c - the steps of wkv_steps.h in AVX2 and FMA. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx2.h"

#include "simd/wkv_steps.h"

extern const struct wkv_kernels wkv_avx2;

static bool runs_here(void)
{
	return cpu_features()->avx2;
}

const struct wkv_kernels wkv_avx2 = { .name = "avx2", .runs_here = runs_here, WKV_TABLE };

#else
typedef int wkv_avx2_is_for_x86; /* an empty file is no C */
#endif
