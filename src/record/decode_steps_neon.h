/* decode_steps_neon.h - the steps of decode_walk_body.h with NEON: bytes sixteen at a time, numbers as in plain C. */
#ifndef RWKVMON_RECORD_DECODE_STEPS_NEON_H
#define RWKVMON_RECORD_DECODE_STEPS_NEON_H

#if defined(__ARM_NEON)
#include "record/decode_number_swar.h"
#include "record/decode_walk.h"

#include <arm_neon.h>

typedef uint8x16_t differ_t;

static inline differ_t differ_none(void)
{
	return vdupq_n_u8(0);
}

static inline differ_t differ_more(differ_t d, const char *p, const struct piece *f)
{
	for (int i = 0; i < PIECE_BYTES; i += 16) {
		uint8x16_t other = veorq_u8(vld1q_u8((const uint8_t *)p + i), vld1q_u8((const uint8_t *)f->text + i));

		d = vorrq_u8(d, vandq_u8(other, vld1q_u8(f->mask + i)));
	}
	return d;
}

static inline bool differ_any(differ_t d)
{
	return vmaxvq_u8(d) != 0;
}

/* Four bits for each of 16 bytes that is c. */
static inline uint64_t equal_16(const char *p, char c)
{
	uint8x16_t equal = vceqq_u8(vld1q_u8((const uint8_t *)p), vdupq_n_u8((uint8_t)c));

	return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(equal), 4)), 0);
}

static inline bool find_in_32(const char *p, char c, unsigned *n)
{
	for (unsigned i = 0; i < 32; i += 16) {
		uint64_t equal = equal_16(p + i, c);

		if (equal) {
			*n = i + (unsigned)__builtin_ctzll(equal) / 4;
			return true;
		}
	}
	return false;
}

static inline bool any_in_128(const char *p, char c)
{
	uint8x16_t any = vdupq_n_u8(0);

	for (int i = 0; i < 128; i += 16)
		any = vorrq_u8(any, vceqq_u8(vld1q_u8((const uint8_t *)p + i), vdupq_n_u8((uint8_t)c)));
	return vmaxvq_u8(any) != 0;
}

static inline uint64_t equal_64(const char *p, char c)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < 64; i += 16)
		for (uint64_t equal = equal_16(p + i, c) & UINT64_C(0x1111111111111111); equal; equal &= equal - 1)
			bits |= UINT64_C(1) << (i + (unsigned)__builtin_ctzll(equal) / 4);
	return bits;
}

#endif
#endif
