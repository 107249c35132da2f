/* partial_form.h - the form of a part in its file, shared by its writer and its reader. Numbers are little-endian. */
#ifndef RWKVMON_READ_PARTIAL_FORM_H
#define RWKVMON_READ_PARTIAL_FORM_H

#include "base/hash.h"

#include <stdint.h>

#define PARTIAL_MAGIC "rwkvpart"

enum { PARTIAL_VERSION = 3, PARTIAL_HEAD_BYTES = 20, FRAME_HEAD_BYTES = 13 };

enum partial_frame { FRAME_LOG = 1, FRAME_ROWS, FRAME_END };

static inline void partial_put(unsigned char *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

static inline uint64_t partial_get(const unsigned char *from, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << 8 * i;
	return value;
}

/* Detects damage, not forgery: anybody can compute it. */
static inline uint64_t partial_sum(uint64_t sum, struct slice bytes)
{
	size_t i = 0;

	for (uint64_t word; i + 8 <= bytes.n; i += 8) {
		memcpy(&word, bytes.p + i, 8);
		sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 32;
	}
	for (; i < bytes.n; i++)
		sum = hash_byte(sum, (unsigned char)bytes.p[i]);
	return sum ^ bytes.n;
}

#endif
