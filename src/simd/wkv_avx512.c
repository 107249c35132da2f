/* wkv_avx512.c - the steps of wkv_steps.h in AVX-512. */
#if defined(__x86_64__)

#include "base/cpu.h"
#include "simd/vec_avx512.h"

#include "simd/wkv_steps.h"

extern const struct wkv_kernels wkv_avx512;

static bool runs_here(void)
{
	return cpu_features()->avx512;
}

const struct wkv_kernels wkv_avx512 = { .name = "avx512", .runs_here = runs_here, WKV_TABLE };

#else
typedef int wkv_avx512_is_for_x86; /* an empty file is no C */
#endif
