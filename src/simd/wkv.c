/* wkv.c - selects the widest kernel set that this processor supports, once. */
#include "simd/wkv.h"

#include "base/cpu.h"

#include <pthread.h>

extern const struct wkv_kernels wkv_scalar;
#if defined(__x86_64__)
extern const struct wkv_kernels wkv_avx2, wkv_avx512;
#elif defined(__aarch64__)
extern const struct wkv_kernels wkv_neon;
#endif

/* Ascending: the last that runs here is the best. */
const struct wkv_kernels *const wkv_all[] = {
	&wkv_scalar,
#if defined(__x86_64__)
	&wkv_avx2,
	&wkv_avx512,
#elif defined(__aarch64__)
	&wkv_neon,
#endif
	NULL,
};

static const struct wkv_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	for (size_t i = 0; wkv_all[i]; i++)
		if (wkv_all[i]->runs_here())
			chosen = wkv_all[i];
}

const struct wkv_kernels *wkv_kernels(void)
{
	pthread_once(&once, choose);
	return chosen;
}
