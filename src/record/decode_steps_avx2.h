/* decode_steps_avx2.h - the steps of decode_walk_body.h with AVX2. */
#ifndef RWKVMON_RECORD_DECODE_STEPS_AVX2_H
#define RWKVMON_RECORD_DECODE_STEPS_AVX2_H

#if defined(__AVX2__)
#include "record/decode_values_avx2.h"
#include "record/decode_walk.h"

enum { LANES = 4 };

typedef __m256i differ_t;

static inline differ_t differ_none(void)
{
	return _mm256_setzero_si256();
}

static inline differ_t differ_more(differ_t d, const char *p, const struct piece *f)
{
	__m256i text = _mm256_load_si256((const __m256i *)(const void *)f->text);
	__m256i mask = _mm256_load_si256((const __m256i *)(const void *)f->mask);
	__m256i other = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)p), text);

	return _mm256_or_si256(d, _mm256_and_si256(other, mask));
}

static inline bool differ_any(differ_t d)
{
	return !_mm256_testz_si256(d, d);
}

static inline uint32_t equal_32(const char *p, char c)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);

	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(c)));
}

static inline bool find_in_32(const char *p, char c, unsigned *n)
{
	uint32_t equal = equal_32(p, c);

	*n = equal ? (unsigned)__builtin_ctz(equal) : 32;
	return equal;
}

static inline uint64_t equal_64(const char *p, char c)
{
	return (uint64_t)equal_32(p + 32, c) << 32 | equal_32(p, c);
}

static inline bool any_in_128(const char *p, char c)
{
	const __m256i *at = (const __m256i *)(const void *)p, want = _mm256_set1_epi8(c);
	__m256i any = _mm256_setzero_si256();

	for (int i = 0; i < 4; i++)
		any = _mm256_or_si256(any, _mm256_cmpeq_epi8(_mm256_loadu_si256(at + i), want));
	return !_mm256_testz_si256(any, any);
}

/* Of numbers that end `behind` bytes before start_behind. */
static inline __m256i four_lengths(const uint32_t *start, const uint32_t *start_behind, uint32_t behind)
{
	__m128i from = _mm_loadu_si128((const __m128i *)(const void *)start);
	__m128i next = _mm_loadu_si128((const __m128i *)(const void *)start_behind);

	return _mm256_cvtepi32_epi64(_mm_sub_epi32(_mm_sub_epi32(next, from), _mm_set1_epi32((int)behind)));
}

/* The eight bytes from each start on, of which each digit is its value. */
static inline __m256i four_texts(const char *base, const uint32_t *start)
{
	__m128i a = _mm_loadl_epi64((const __m128i *)(const void *)(base + start[0]));
	__m128i b = _mm_loadl_epi64((const __m128i *)(const void *)(base + start[1]));
	__m128i c = _mm_loadl_epi64((const __m128i *)(const void *)(base + start[2]));
	__m128i d = _mm_loadl_epi64((const __m128i *)(const void *)(base + start[3]));

	return _mm256_xor_si256(_mm256_set_m128i(_mm_unpacklo_epi64(c, d), _mm_unpacklo_epi64(a, b)),
				_mm256_set1_epi8('0'));
}

/* The last character of each becomes the highest byte of its lane; those before its first count as the digit 0. */
static inline __m256i align_last(__m256i text, __m256i length)
{
	return _mm256_sllv_epi64(text, _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64(length, 3)));
}

static inline __m256i first_is_0(__m256i text)
{
	return _mm256_cmpeq_epi64(_mm256_and_si256(text, _mm256_set1_epi64x(0xff)), _mm256_setzero_si256());
}

/* Digits, whose first is the lowest byte and whose last the highest, as a number. */
static inline __m256i join_digits(__m256i digit)
{
	digit = _mm256_maddubs_epi16(digit, _mm256_set1_epi16(0x010a));
	digit = _mm256_madd_epi16(digit, _mm256_set1_epi32(0x00010064));
	return _mm256_add_epi64(_mm256_mul_epu32(digit, _mm256_set1_epi64x(10000)), _mm256_srli_epi64(digit, 32));
}

static inline uint64_t lanes_right(__m256i signs, __m256i wrong)
{
	signs = _mm256_andnot_si256(signs, _mm256_cmpeq_epi64(wrong, _mm256_setzero_si256()));
	return (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(signs));
}

static inline uint64_t short_numbers(const char *base, const uint32_t *start, const uint32_t *start_behind,
				     uint32_t behind, unsigned decimals, int64_t *out)
{
	const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi64x(1);
	/* A point adds 16 and its place; two of them add 32 or more. */
	const __m256i places = _mm256_set1_epi64x(0x1716151413121110);
	const __m256i powers = _mm256_setr_epi32(1, 10, 100, 1000, 10000, 100000, 1000000, 10000000);
	__m256i length = four_lengths(start, start_behind, behind), text = four_texts(base, start);
	__m256i digit = align_last(text, length);
	__m256i points = _mm256_cmpeq_epi8(digit, _mm256_set1_epi8('.' ^ '0'));
	__m256i place = _mm256_sad_epu8(_mm256_and_si256(points, places), zero);
	__m256i pointed = _mm256_cmpgt_epi64(place, zero);
	__m256i fraction = _mm256_and_si256(_mm256_sub_epi64(_mm256_set1_epi64x(0x17), place), pointed);
	__m256i before = _mm256_add_epi64(_mm256_sub_epi64(length, fraction), pointed);
	__m256i lacking = _mm256_sub_epi64(_mm256_set1_epi64x((int)decimals), fraction);
	__m256i point = _mm256_and_si256(points, _mm256_set1_epi8(1));
	__m256i low = _mm256_slli_epi64(_mm256_and_si256(digit, _mm256_sub_epi64(point, one)), 8);
	__m256i high = _mm256_andnot_si256(_mm256_sub_epi64(_mm256_slli_epi64(point, 8), one), digit);
	__m256i signs, wrong;

	/* Errors: too long, too many decimals, nothing before or after the point. A second point shows as a digit above
	 * 9, or as a fraction below 0. */
	signs = _mm256_or_si256(_mm256_sub_epi64(_mm256_set1_epi64x(8), length), lacking);
	signs = _mm256_or_si256(signs, _mm256_sub_epi64(before, one));
	signs = _mm256_or_si256(signs, _mm256_and_si256(_mm256_sub_epi64(fraction, one), pointed));
	digit = _mm256_blendv_epi8(digit, _mm256_or_si256(low, high), pointed);
	wrong = _mm256_subs_epu8(digit, _mm256_set1_epi8(9));
	/* A leading zero. */
	wrong = _mm256_or_si256(wrong, _mm256_and_si256(_mm256_cmpgt_epi64(before, one), first_is_0(text)));
	digit = _mm256_mul_epu32(join_digits(digit), _mm256_permutevar8x32_epi32(powers, lacking));
	_mm256_storeu_si256((__m256i *)(void *)out, digit);
	return lanes_right(signs, wrong);
}

/* Numbers of 1..8 characters with a point before the last `fraction` of them. */
struct even {
	_Alignas(16) uint8_t pick[16]; /* digits before the point move to its place; of two lanes */
	uint64_t point;                /* its byte */
	int least;                     /* characters */
};

static const struct even even_by_fraction[] = {
#define PICK(a, b, c, d, e, f, g, h)                                                                                   \
	{                                                                                                              \
		a, b, c, d, e, f, g, h, 8 | (a), 8 | (b), 8 | (c), 8 | (d), 8 | (e), 8 | (f), 8 | (g), 8 | (h)         \
	}
	{ PICK(0, 1, 2, 3, 4, 5, 6, 7), 0, 1 },
	{ PICK(128, 0, 1, 2, 3, 4, 5, 7), UINT64_C(0xff) << 48, 3 },
	{ PICK(128, 0, 1, 2, 3, 4, 6, 7), UINT64_C(0xff) << 40, 4 },
	{ PICK(128, 0, 1, 2, 3, 5, 6, 7), UINT64_C(0xff) << 32, 5 },
	{ PICK(128, 0, 1, 2, 4, 5, 6, 7), UINT64_C(0xff) << 24, 6 },
	{ PICK(128, 0, 1, 3, 4, 5, 6, 7), UINT64_C(0xff) << 16, 7 },
	{ PICK(128, 0, 2, 3, 4, 5, 6, 7), UINT64_C(0xff) << 8, 8 },
#undef PICK
};

enum { EVEN_MAX = sizeof even_by_fraction / sizeof *even_by_fraction - 1 };

#define even_numbers even_numbers

/* fraction <= decimals and EVEN_MAX. */
static inline uint64_t even_numbers(const char *base, const uint32_t *start, const uint32_t *start_behind,
				    uint32_t behind, unsigned fraction, unsigned decimals, int64_t *out)
{
	const struct even *even = &even_by_fraction[fraction];
	__m256i point = _mm256_set1_epi64x((int64_t)even->point), least = _mm256_set1_epi64x(even->least);
	__m256i pick = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(const void *)even->pick));
	__m256i length = four_lengths(start, start_behind, behind), text = four_texts(base, start);
	__m256i digit = align_last(text, length), more = _mm256_sub_epi64(length, least), signs, wrong;

	wrong = _mm256_and_si256(_mm256_xor_si256(digit, _mm256_set1_epi8('.' ^ '0')), point);
	digit = _mm256_shuffle_epi8(digit, pick);
	wrong = _mm256_or_si256(wrong, _mm256_subs_epu8(digit, _mm256_set1_epi8(9)));
	wrong = _mm256_or_si256(
		wrong, _mm256_and_si256(_mm256_cmpgt_epi64(length, least), first_is_0(text))); /* a leading zero */
	signs = _mm256_or_si256(more, _mm256_sub_epi64(_mm256_set1_epi64x(8), length));
	digit = _mm256_mul_epu32(join_digits(digit), _mm256_set1_epi64x((int64_t)whole_power[decimals - fraction]));
	_mm256_storeu_si256((__m256i *)(void *)out, digit);
	return lanes_right(signs, wrong);
}

#define read_decimal avx2_decimal

#endif
#endif
