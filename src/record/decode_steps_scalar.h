/* decode_steps_scalar.h - the steps of decode_walk_body.h in plain C, eight bytes at a time. */
#ifndef RWKVMON_RECORD_DECODE_STEPS_SCALAR_H
#define RWKVMON_RECORD_DECODE_STEPS_SCALAR_H

#include "record/decode_number_swar.h"
#include "record/decode_walk.h"

typedef uint64_t differ_t;

static inline differ_t differ_none(void)
{
	return 0;
}

static inline differ_t differ_more(differ_t d, const char *p, const struct piece *f)
{
	for (int i = 0; i < PIECE_BYTES; i += 8)
		d |= (load8(p + i) ^ load8(f->text + i)) & load8((const char *)f->mask + i);
	return d;
}

static inline bool differ_any(differ_t d)
{
	return d != 0;
}

/* The highest bit of each byte that is c. */
static inline uint64_t equal_8(const char *p, char c)
{
	uint64_t other = load8(p) ^ ONES * (unsigned char)c, low = ONES * 0x7f;

	return ~(((other & low) + low) | other | low);
}

static inline bool find_in_32(const char *p, char c, unsigned *n)
{
	for (unsigned i = 0; i < 32; i += 8) {
		uint64_t equal = equal_8(p + i, c);

		if (equal) {
			*n = i + (unsigned)__builtin_ctzll(equal) / 8;
			return true;
		}
	}
	return false;
}

static inline bool any_in_128(const char *p, char c)
{
	uint64_t any = 0;

	for (int i = 0; i < 128; i += 8)
		any |= equal_8(p + i, c);
	return any;
}

static inline uint64_t equal_64(const char *p, char c)
{
	uint64_t bits = 0;

	for (int i = 0; i < 64; i += 8) /* the eight highest bits side by side */
		bits |= ((equal_8(p + i, c) >> 7) * UINT64_C(0x0102040810204080) >> 56) << i;
	return bits;
}

#endif
