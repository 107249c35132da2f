/* octave.h - which of some octaves a length is in: [1, 2), [2, 4), [4, 8) … */
#ifndef RWKVMON_STATS_OCTAVE_H
#define RWKVMON_STATS_OCTAVE_H

#include <stddef.h>
#include <stdint.h>

/* What is longer than they reach is in the last one; 0 is in the first. */
static inline size_t octave_of(uint64_t length, size_t octaves)
{
	size_t i = length ? 63 - (size_t)__builtin_clzll(length) : 0;

	return i < octaves ? i : octaves - 1;
}

#endif
