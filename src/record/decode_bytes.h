/* decode_bytes.h - parses eight bytes of text at a time and converts decimals to doubles; shared by all decoders. */
#ifndef RWKVMON_RECORD_DECODE_BYTES_H
#define RWKVMON_RECORD_DECODE_BYTES_H

#include "record/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Loads 8 bytes with the first in the lowest byte, on every machine. */
static inline uint64_t load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

static inline bool are_8_digits(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0xf0;

	return ((x & high) | ((x + ones * 6) & high) >> 4) == ones * 0x33;
}

/* Value of 8 digits: neighbours are combined three times. */
static inline uint64_t value_of_8_digits(uint64_t x)
{
	x = (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) * 2561 >> 8;
	x = (x & UINT64_C(0x00ff00ff00ff00ff)) * 6553601 >> 16;
	return (x & UINT64_C(0x0000ffff0000ffff)) * UINT64_C(42949672960001) >> 32;
}

/* Number of leading bytes of the word (8 bytes) that are digits. A carry can only mark bytes above a correct mark.
 */
static inline unsigned digits_of_8(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t digit = x ^ ones * '0', others = (digit | (digit + ones * 0x76)) & ones * 0x80;

	return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* Value of the first n (1..8) bytes, which must be digits. */
static inline uint64_t value_of_digits_of_8(uint64_t x, unsigned n)
{
	return value_of_8_digits(x << (64 - 8 * n));
}

/* Number of bytes before the first '"', '\\' or control character, or all. A borrow can only mark bytes above a correct
 * mark, so the lowest mark is correct. */
static inline size_t plain_prefix(const char *p, const char *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
	const char *at = p;

#if defined(__SSE2__)
	for (; end - at >= 16; at += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i marked =
			_mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
		int bits = _mm_movemask_epi8(
			_mm_or_si128(marked, _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x)));

		if (bits)
			return (size_t)(at - p) + (size_t)__builtin_ctz((unsigned)bits);
	}
#endif
	for (; end - at >= 8; at += 8) {
		uint64_t x = load8(at), quote = x ^ ones * '"', escape = x ^ ones * '\\';
		uint64_t marks = ((quote - ones) & ~quote) | ((escape - ones) & ~escape) | ((x - ones * 0x20) & ~x);

		marks &= tops;
		if (marks)
			return (size_t)(at - p) + (size_t)__builtin_ctzll(marks) / 8;
	}
	while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
		at++;
	return (size_t)(at - p);
}

enum { DIGITS_MAX = 19 }; /* 10^19 - 1 fits 64 bits */

/* Parses up to DIGITS_MAX digits in total; false when there are none or more. */
static inline bool long_digits(const char **p, const char *end, uint64_t *digits, int *n)
{
	const char *from = *p, *at = from;

	for (; end - at >= 8 && *n + 8 <= DIGITS_MAX && are_8_digits(load8(at)); at += 8, *n += 8)
		*digits = *digits * 100000000 + value_of_8_digits(load8(at));
	for (; at < end && is_digit(*at); at++) {
		if (++*n > DIGITS_MAX)
			return false;
		*digits = *digits * 10 + (uint64_t)(*at - '0');
	}
	*p = at;
	return at > from;
}

/* Parses n bytes of digits, optionally with a point between two of them: the value without the point, and the number of
 * digits after it. False: another character, a leading zero, or more than DIGITS_MAX digits. */
static inline bool long_decimal(const char *p, size_t bytes, uint64_t *digits, int *fraction)
{
	const char *at = p, *end = p + bytes;
	int n = 0, before;

	*digits = 0;
	*fraction = 0;
	if (!bytes || (*at == '0' && bytes > 1 && is_digit(at[1])) || !long_digits(&at, end, digits, &n))
		return false;
	before = n = *digits ? n : 0;
	if (at < end && *at == '.') {
		at++;
		if (!long_digits(&at, end, digits, &n))
			return false;
		*fraction = n - before;
	}
	return at == end;
}

extern const double decimal_powers[23]; /* 10^0 .. 10^22, all exact */
extern const uint64_t whole_power[20];  /* 10^0 .. 10^19 */

/* 2^(62 + bits) / 10^k, rounded down, for k = 0..19; bit 63 is set where bits is one more than those of 10^k. */
struct reciprocal {
	uint64_t value;
	unsigned bits;
};
extern const struct reciprocal reciprocals[20];

bool long_decimal_to_double(uint64_t digits, int exponent, double *out);

/* The double nearest to digits / 10^fraction, digits > 0, fraction 1..19, by multiplying with an approximate
 * reciprocal: the upper half of the product is exact or one too small. False: the value is so close to the middle of
 * two doubles that this matters. */
static inline bool decimal_multiply(uint64_t digits, int fraction, double *out)
{
	const struct reciprocal *r = &reciprocals[fraction];
	const unsigned up = (unsigned)__builtin_clzll(digits);
	const uint64_t top = (uint64_t)((unsigned __int128)(digits << up) * r->value >> 64);
	const uint64_t below = top >> 63 ? 0x7ff : 0x3ff; /* bits that are rounded away */
	double whole = (double)(int64_t)(top >> 1 | (top & 1));
	uint64_t bits;

	if ((top & below) - below / 2 < 2)
		return false;
	memcpy(&bits, &whole, sizeof bits);
	bits -= (uint64_t)(up + r->bits - 2) << 52; /* a normal number, and remains one */
	memcpy(out, &bits, sizeof bits);
	return true;
}

/* The double nearest to digits * 10^exponent; false when that takes more than one division. If the digits fit 53 bits
 * and the power is exact, the result is rounded only once. Whether they do cannot be foreseen of long numbers, so
 * multiplying comes first. */
static inline bool decimal_to_double(uint64_t digits, int exponent, double *out)
{
	const double exact = 9007199254740992.0;

	if (exponent < 0 && exponent >= -19 && digits && decimal_multiply(digits, -exponent, out) && *out < exact)
		return true;
	if (digits > UINT64_C(1) << 53 || exponent < -22 || exponent > 22)
		return long_decimal_to_double(digits, exponent, out);
	*out = exponent < 0 ? (double)(int64_t)digits / decimal_powers[-exponent]
			    : (double)(int64_t)digits * decimal_powers[exponent];
	return true;
}

/* digits * 10^-fraction in units of the metric's last decimal, if that is a whole number of at most 51 bits: then no
 * other such number has the same double. */
static inline bool decimal_scale(enum metric_id m, uint64_t digits, int fraction, bool negative, int64_t *out)
{
	static const uint32_t powers[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };
	const uint64_t most = UINT64_C(1) << 51;
	unsigned lacking = (unsigned)(metric_specs[m].decimals - fraction);
	uint64_t scaled;

	if (lacking > 6 || digits >= UINT64_C(1) << 44)
		return false;
	scaled = digits * powers[lacking];
	*out = negative ? -(int64_t)scaled : (int64_t)scaled;
	return scaled < most;
}

static inline void decoded_scale(struct decoded *d, enum metric_id m, uint64_t digits, int fraction, bool negative)
{
	d->decimal &= ~metric_bit(m);
	if (decimal_scale(m, digits, fraction, negative, &d->scaled[m]))
		d->decimal |= metric_bit(m);
}

#endif
