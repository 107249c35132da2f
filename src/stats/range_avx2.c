/* range_avx2.c - the loops of range_body.h for AVX2. */
#if defined(__x86_64__)
#define RANGE_KERNEL(name) name##_avx2
#include "stats/range_body.h"
#endif
