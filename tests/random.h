/* random.h - numbers that look random and are the same in every run. */
#ifndef RWKVMON_TESTS_RANDOM_H
#define RWKVMON_TESTS_RANDOM_H

#include <math.h>
#include <stdint.h>

static uint64_t seed = 88172645463325252u; /* not 0 */

/* Above 0, up to 1. */
static inline double unit(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)((seed >> 11) + 1) / 9007199254740993.0;
}

static inline double normal(void)
{
	return sqrt(-2 * log(unit())) * cos(6.283185307179586 * unit());
}

#endif
