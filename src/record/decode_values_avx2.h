/* decode_values_avx2.h - one value with AVX2: a plain text, the same text, a number. */
#ifndef RWKVMON_RECORD_DECODE_VALUES_AVX2_H
#define RWKVMON_RECORD_DECODE_VALUES_AVX2_H

#if defined(__AVX2__)
#include "record/decode_bytes.h"

#include <immintrin.h>

static inline uint32_t unequal_32(const char *a, const char *b)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)a);
	__m256i y = _mm256_loadu_si256((const __m256i *)(const void *)b);

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, y));
}

/* Whole registers are loaded: 31 bytes past either text must be readable, as they are in input and in an arena. */
static inline bool same_bytes(const char *fixed, const char *p, size_t n)
{
	for (; n > 32; n -= 32, p += 32, fixed += 32)
		if (unequal_32(fixed, p))
			return false;
	return !((uint64_t)unequal_32(fixed, p) & ((UINT64_C(1) << n) - 1));
}

static inline bool is_plain(const char *p, size_t n)
{
	for (size_t at = 0; at < n; at += 32) {
		__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(p + at));
		__m256i special = _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8('"')),
						  _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\')));
		__m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8(0x1f)), x);
		uint64_t marks = (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(special, control));

		if (marks & (n - at >= 32 ? UINT32_MAX : (UINT64_C(1) << (n - at)) - 1))
			return false;
	}
	return true;
}

/* Bytes k: k - 16. From byte n on they say, for each of 16 digits right-aligned, which of
 * n digits it is; negative: none, a zero. */
static const signed char align_right[32] = { -16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1,
					     0,   1,   2,   3,   4,   5,   6,   7,  8,  9,  10, 11, 12, 13, 14, 15 };

/* 16 digits: pairs, fours and eights are joined. */
static inline uint64_t value_of_16_digits(__m128i digits)
{
	__m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
	__m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
	__m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
	uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);

	return (both & UINT32_MAX) * 100000000 + (both >> 32);
}

static inline bool short_decimal(const char *p, size_t n, uint64_t *digits, int *fraction)
{
	__m128i text = _mm_loadu_si128((const __m128i *)(const void *)p), from;
	__m128i value = _mm_sub_epi8(text, _mm_set1_epi8('0'));
	unsigned in = (1u << n) - 1;
	unsigned others =
		~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value)) & in;
	unsigned before = (unsigned)__builtin_ctz(others | 1u << n);
	bool point = others != 0;

	/* One other byte at most, a point, with a digit on either side. */
	if ((others & (others - 1)) || (point && (p[before] != '.' || before + 1 == n)) || !before ||
	    (before > 1 && *p == '0'))
		return false;
	from = _mm_loadu_si128((const __m128i *)(const void *)(align_right + n - point));
	from = _mm_sub_epi8(from, _mm_cmpgt_epi8(from, _mm_set1_epi8((char)(before - 1)))); /* past the point */
	*digits = value_of_16_digits(_mm_shuffle_epi8(value, from));
	*fraction = (int)(n - before - point);
	return true;
}

/* The same for 17..20 bytes of digits with a point behind one of the first seven. The last 16 digits are taken from the
 * last 17 bytes: those behind the point where they stand, those before it one byte further on. */
static inline bool medium_decimal(const char *p, size_t n, uint64_t *digits, int *fraction)
{
	const __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)p);
	const __m256i value = _mm256_sub_epi8(text, _mm256_set1_epi8('0'));
	const __m256i is_digit_here = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
	const uint32_t others = ~(uint32_t)_mm256_movemask_epi8(is_digit_here) & ((1u << n) - 1);
	const unsigned before = (unsigned)__builtin_ctz(others | 1u << n), behind = (unsigned)n - before - 1;
	const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m128i last, shifted, is_before;
	uint64_t low, first;

	if ((others & (others - 1)) || before - 1 > 6 || !behind || p[before] != '.' || (before > 1 && *p == '0'))
		return false;
	last = _mm_loadu_si128((const __m128i *)(const void *)(p + n - 16));
	shifted = _mm_loadu_si128((const __m128i *)(const void *)(p + n - 17));
	is_before = _mm_cmpgt_epi8(_mm_set1_epi8((char)(16 - (int)behind)), places);
	last = _mm_sub_epi8(_mm_blendv_epi8(last, shifted, is_before), _mm_set1_epi8('0'));
	low = (UINT64_C(1) << 8 * before) - 1; /* the other digits, up to three: without the point, too */
	first = (load8(p) & low) | (load8(p) >> 8 & ~low);
	first = value_of_8_digits(first << 8 << (56 - 8 * (n - 17)));
	*digits = first * UINT64_C(10000000000000000) + value_of_16_digits(last);
	*fraction = (int)behind;
	return true;
}

static __attribute__((noinline)) bool other_decimal(const char *p, size_t n, uint64_t *digits, int *fraction)
{
	if (n && n <= 16)
		return short_decimal(p, n, digits, fraction);
	return long_decimal(p, n, digits, fraction);
}

/* n bytes, of which 31 more can be read. */
static inline bool avx2_decimal(const char *p, size_t n, uint64_t *digits, int *fraction)
{
	return (n - 17 <= 3 && medium_decimal(p, n, digits, fraction)) || other_decimal(p, n, digits, fraction);
}

/* A number of any length. */
static inline bool read_number(struct slice text, uint64_t *digits, int *fraction, bool *negative, double *value)
{
	double size;

	*negative = text.n && *text.p == '-';
	if (text.n <= *negative || !avx2_decimal(text.p + *negative, text.n - *negative, digits, fraction) ||
	    !decimal_to_double(*digits, -*fraction, &size))
		return false;
	*value = *negative ? -size : size;
	return true;
}

static inline bool is_number(struct slice text)
{
	uint64_t digits;
	int fraction;
	bool negative;
	double value;

	return read_number(text, &digits, &fraction, &negative, &value);
}

static inline bool read_count(struct slice text, uint64_t most, uint64_t *out)
{
	int fraction;

	return text.n && avx2_decimal(text.p, text.n, out, &fraction) && !fraction && *out <= most;
}

#endif
#endif
