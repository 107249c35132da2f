#if defined(__x86_64__)
#include "record/decode_layout_steps.h"

#include <immintrin.h>

static inline uint32_t unequal_32(const char *a, const char *b)
{
	__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)a);
	__m256i y = _mm256_loadu_si256((const __m256i *)(const void *)b);

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, y));
}

/* `fixed` has LAYOUT_PADDING bytes behind it; the line has not. */
static inline bool same_bytes(const char *fixed, const char *p, size_t n, const char *end)
{
	for (; n >= 32 && end - p >= 32; n -= 32, p += 32, fixed += 32)
		if (unequal_32(fixed, p))
			return false;
	if (end - p < 32)
		return (size_t)(end - p) >= n && !memcmp(fixed, p, n);
	return !(unequal_32(fixed, p) & ((UINT32_C(1) << n) - 1));
}

/* Bytes k: k - 16. From byte n on they say, for each of 16 digits right-aligned, which of
 * n digits it is; negative: none, a zero. */
static const signed char align_right[32] = { -16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1,
					     0,	  1,   2,   3,	 4,   5,   6,	7,  8,	9,  10, 11, 12, 13, 14, 15 };

/* 16 digits: pairs, fours and eights are joined. */
static inline uint64_t value_of_16_digits(__m128i digits)
{
	__m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
	__m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
	__m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x00012710));
	uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);

	return (both & UINT32_MAX) * 100000000 + (both >> 32);
}

static inline bool short_decimal(const char **p, const char *end, uint64_t *digits, int *fraction)
{
	__m128i text, value, from;
	unsigned others, before, length;
	bool point;

	if (end - *p < 16)
		return false;
	text = _mm_loadu_si128((const __m128i *)(const void *)*p);
	value = _mm_sub_epi8(text, _mm_set1_epi8('0'));
	others = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value));
	before = (unsigned)__builtin_ctz(others | 1u << 16);
	point = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.'))) >> before & 1;
	others &= others - point; /* the point itself is no end */
	length = (unsigned)__builtin_ctz(others | 1u << 16);
	if (!before || length == 16 || (point && length == before + 1) || (before > 1 && **p == '0'))
		return false;
	from = _mm_loadu_si128((const __m128i *)(const void *)(align_right + length - point));
	from = _mm_sub_epi8(from, _mm_cmpgt_epi8(from, _mm_set1_epi8((char)(before - 1)))); /* past the point */
	*digits = value_of_16_digits(_mm_shuffle_epi8(value, from));
	*fraction = (int)(length - before - point);
	*p += length;
	return true;
}

bool layout_match_avx2(struct layout *l, struct minute *minute, struct slice line, struct record *out)
{
	return match_layout((struct layout_steps){ same_bytes, short_decimal }, l, minute, line, out);
}
#else
typedef int no_avx2_here; /* a translation unit is not empty */
#endif
