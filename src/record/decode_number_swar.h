/* decode_number_swar.h - a short number in eight bytes of a word, for instruction sets that gain nothing from more. */
#ifndef RWKVMON_RECORD_DECODE_NUMBER_SWAR_H
#define RWKVMON_RECORD_DECODE_NUMBER_SWAR_H

#include "record/decode_bytes.h"

enum { LANES = 1 };

#define ONES UINT64_C(0x0101010101010101)

/* A number's last character becomes the highest byte; those before its first count as the digit 0. */
static inline uint64_t short_numbers(const char *base, const uint32_t *start, const uint32_t *start_behind,
				     uint32_t behind, unsigned decimals, int64_t *out)
{
	unsigned length = *start_behind - behind - *start, fraction = 0, before;
	uint64_t digit, points, text = load8(base + *start) ^ ONES * '0';

	*out = 0;
	if (length - 1 > 7)
		return 0;
	digit = text << (64 - 8 * length);
	points = digit ^ ONES * ('.' ^ '0');
	points = ~(((points & ONES * 0x7f) + ONES * 0x7f) | points | ONES * 0x7f);
	before = length;
	if (points) {
		unsigned at = (unsigned)__builtin_ctzll(points) / 8;

		fraction = 7 - at;
		before = length - fraction - 1;
		if (!fraction || !before || fraction > decimals)
			return 0;
		digit = (digit & ((UINT64_C(1) << 8 * at) - 1)) << 8 |
			(digit & ~(UINT64_C(0xff) << 8 * at) & ~((UINT64_C(1) << 8 * at) - 1));
	}
	if ((before > 1 && !(text & 0xff)) || !are_8_digits(digit ^ ONES * '0'))
		return 0;
	*out = (int64_t)(value_of_8_digits(digit) * whole_power[decimals - fraction]);
	return 1;
}

#define read_decimal long_decimal

#endif
