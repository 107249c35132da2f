/* linear.c - binds the widest set that runs here, once. */
#include "simd/linear.h"

#include "base/cpu.h"

#include <pthread.h>

extern const struct linear_kernels linear_scalar;
#if defined(__x86_64__)
extern const struct linear_kernels linear_avx2, linear_avx512, linear_avx512vnni;
#elif defined(__aarch64__)
extern const struct linear_kernels linear_neon;
#endif

/* Ascending: the last that runs here is the best. */
const struct linear_kernels *const linear_all[] = {
	&linear_scalar,
#if defined(__x86_64__)
	&linear_avx2,   &linear_avx512, &linear_avx512vnni,
#elif defined(__aarch64__)
	&linear_neon,
#endif
	NULL,
};

static const struct linear_kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	for (size_t i = 0; linear_all[i]; i++)
		if (linear_all[i]->runs_here())
			chosen = linear_all[i];
}

const struct linear_kernels *linear_kernels(void)
{
	pthread_once(&once, choose);
	return chosen;
}
