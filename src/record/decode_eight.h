/* decode_eight.h - parses eight short decimals at once, with AVX-512. */
#ifndef RWKVMON_RECORD_DECODE_EIGHT_H
#define RWKVMON_RECORD_DECODE_EIGHT_H

#if defined(__AVX512F__)
#include <immintrin.h>
#include <stdint.h>

/* The result of parsing 8 lanes. */
struct eight {
	__m512i number, scaled, fraction; /* the value without the point; the value times 10^decimals; the number of
					   * digits after the point */
	__mmask8 fine, whole, decimal;    /* lanes that are valid; that have no point; whose `scaled` is valid */
};

static inline __m512i powers_of_ten(__m512i exponent)
{
	return _mm512_permutexvar_epi64(exponent,
					_mm512_setr_epi64(1, 10, 100, 1000, 10000, 100000, 1000000, 10000000));
}

static inline __m512d value_of_eight(const struct eight *e)
{
	return _mm512_div_pd(_mm512_cvtepi64_pd(e->number),
			     _mm512_permutexvar_pd(e->fraction, _mm512_setr_pd(1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7)));
}

static inline __m128i two_texts(const char *from, const uint32_t at[2])
{
	__m128i low = _mm_loadl_epi64((const __m128i *)(const void *)(from + at[0]));

	return _mm_castpd_si128(_mm_loadh_pd(_mm_castsi128_pd(low), (const double *)(const void *)(from + at[1])));
}

/* Loads the texts of eight lanes; a lane's last character is its highest byte. Eight single loads take half the time of
 * a gather. */
static inline __m512i texts_of_eight(const char *base, const uint32_t end[8])
{
	__m256i low = _mm256_set_m128i(two_texts(base - 8, end + 2), two_texts(base - 8, end));
	__m256i high = _mm256_set_m128i(two_texts(base - 8, end + 6), two_texts(base - 8, end + 4));

	return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Value of digits, the first in the lowest byte and the last in the highest. */
static inline __m512i join_digits(__m512i digit)
{
	digit = _mm512_maddubs_epi16(digit, _mm512_set1_epi16(0x010a));
	digit = _mm512_madd_epi16(digit, _mm512_set1_epi32(0x00010064));
	return _mm512_add_epi64(_mm512_mul_epu32(digit, _mm512_set1_epi64(10000)), _mm512_srli_epi64(digit, 32));
}

/* Parses numbers of 1..8 characters: digits, optionally with a point between two of them. The last character of a
 * number is the highest byte of its lane; bytes before its first count as the digit 0. */
static inline struct eight parse_eight(__m512i text, __m512i length, __m512i decimals)
{
	const __m512i one = _mm512_set1_epi64(1), eight = _mm512_set1_epi64(8), zero = _mm512_setzero_si512();
	__m512i unused = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(length, 3));
	__m512i first = _mm512_srlv_epi64(_mm512_xor_si512(text, _mm512_set1_epi8('0')), unused);
	__m512i digit = _mm512_sllv_epi64(first, unused);
	__mmask64 others = _mm512_cmpgt_epu8_mask(digit, _mm512_set1_epi8(9));
	__m512i points = _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(digit, _mm512_set1_epi8('.' ^ '0')));
	__m512i point = _mm512_and_si512(points, _mm512_sub_epi64(zero, points)); /* its lowest bit */
	__m512i above = _mm512_slli_epi64(point, 8);
	__mmask8 pointed = _mm512_test_epi64_mask(point, point);
	__m512i fraction =
		_mm512_maskz_srli_epi64(pointed, _mm512_sub_epi64(_mm512_lzcnt_epi64(point), _mm512_set1_epi64(7)), 3);
	__m512i before = _mm512_sub_epi64(_mm512_sub_epi64(length, fraction), _mm512_maskz_mov_epi64(pointed, one));
	__m512i low = _mm512_slli_epi64(_mm512_and_si512(digit, _mm512_sub_epi64(point, one)), 8);
	__m512i high = _mm512_andnot_si512(_mm512_sub_epi64(above, one), digit);
	struct eight e = { .fraction = fraction };
	__mmask8 bad;

	digit = _mm512_mask_or_epi64(digit, pointed, low, high);
	e.number = join_digits(digit);

	/* Invalid: a character that is neither digit nor point, a second point, a point at either end, a leading
	 * zero. */
	bad = _mm512_test_epi64_mask(_mm512_xor_si512(_mm512_movm_epi8(others), _mm512_sub_epi64(above, point)),
				     _mm512_set1_epi64(-1));
	bad |= _mm512_cmplt_epi64_mask(before, one);
	bad |= _mm512_mask_cmplt_epi64_mask(pointed, fraction, one);
	bad |= _mm512_cmpgt_epi64_mask(before, one) & _mm512_testn_epi64_mask(first, _mm512_set1_epi64(0xff));
	bad |= _mm512_cmpgt_epi64_mask(length, eight);
	e.fine = (__mmask8)~bad;
	e.whole = (__mmask8)~pointed;
	decimals = _mm512_sub_epi64(decimals, fraction);
	e.decimal = _mm512_cmpge_epi64_mask(decimals, zero);
	e.scaled = _mm512_mul_epu32(e.number, powers_of_ten(decimals));
	return e;
}

/* Constants shared by numbers with the same count of digits after the point: the position of the point, the bytes
 * before it, and the minimum length. */
struct alike {
	uint64_t point, point_is, moved; /* of the 8 bytes */
	int64_t least;
};

static const struct alike alike_by_fraction[] = {
#define ALIKE(fraction)                                                                                                \
	{                                                                                                              \
		UINT64_C(0xff) << 8 * (7 - (fraction)), (uint64_t)('.' ^ '0') << 8 * (7 - (fraction)),                 \
			(UINT64_C(0x100) << 8 * (7 - (fraction))) - 1, (fraction) + 2                                  \
	}
	{ 0, 0, 0, 1 }, ALIKE(1), ALIKE(2), ALIKE(3), ALIKE(4), ALIKE(5), ALIKE(6),
#undef ALIKE
};

/* Most columns have the same number of digits after the point in every line. Returns the lanes for which that is true,
 * with their values. 0 <= fraction <= 6. Errors are collected in a vector, because instructions that make masks are
 * slower. */
static inline __mmask8 parse_eight_alike(__m512i text, __m512i length, int fraction, __m512i *number)
{
	const struct alike *a = &alike_by_fraction[fraction];
	__m512i point = _mm512_set1_epi64((int64_t)a->point), moved = _mm512_set1_epi64((int64_t)a->moved);
	__m512i unused = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(length, 3));
	__m512i first = _mm512_srlv_epi64(_mm512_xor_si512(text, _mm512_set1_epi8('0')), unused);
	__m512i digit = _mm512_sllv_epi64(first, unused);
	__m512i more = _mm512_sub_epi64(length, _mm512_set1_epi64(a->least)),
		room = _mm512_sub_epi64(_mm512_set1_epi64(8), length);
	__m512i zero_first = _mm512_sub_epi64(_mm512_and_si512(first, _mm512_set1_epi64(0xff)), _mm512_set1_epi64(1));
	__m512i wrong, low;

	/* Sign bits: too short, too long, or a leading zero. */
	wrong = _mm512_andnot_si512(_mm512_sub_epi64(more, _mm512_set1_epi64(1)), zero_first);
	wrong = _mm512_srai_epi64(_mm512_ternarylogic_epi64(wrong, more, room, 0xfe), 63);
	wrong = _mm512_ternarylogic_epi64(wrong, _mm512_and_si512(digit, point),
					  _mm512_set1_epi64((int64_t)a->point_is), 0xf6);
	low = _mm512_slli_epi64(_mm512_andnot_si512(point, _mm512_and_si512(digit, moved)), 8);
	digit = _mm512_ternarylogic_epi64(digit, moved, low, 0xba); /* (digit & ~moved) | low */
	wrong = _mm512_or_si512(wrong, _mm512_subs_epu8(digit, _mm512_set1_epi8(9)));
	*number = join_digits(digit);
	return _mm512_testn_epi64_mask(wrong, wrong);
}

/* Lanes whose number has a leading zero before another digit, which JSON forbids. */
static inline __mmask8 needless_zero(const char *base, __m256i starts, __m512i length, __m512i fraction)
{
	__m256i begin = _mm256_i32gather_epi32((const int *)(const void *)base, starts, 1);
	__mmask8 is_0 =
		_mm256_cmpeq_epi32_mask(_mm256_and_si256(begin, _mm256_set1_epi32(0xff)), _mm256_set1_epi32('0'));

	return is_0 & _mm512_cmpgt_epi64_mask(length, _mm512_add_epi64(fraction, _mm512_set1_epi64(2)));
}

/* Parses numbers of 10..20 characters with 8..17 digits after the point, as written by programs that print doubles in
 * full. Reads 24 bytes before the end of a number, including bytes before it. */
static inline struct eight parse_eight_long(const char *base, const uint32_t start[8], const uint32_t end[8])
{
	__m256i starts = _mm256_loadu_si256((const __m256i *)(const void *)start),
		ends = _mm256_loadu_si256((const __m256i *)(const void *)end);
	const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1), dot = _mm512_set1_epi8('.' ^ '0');
	const __m512i nines = _mm512_set1_epi8(9), ascii = _mm512_set1_epi8('0'), all = _mm512_set1_epi64(-1);
	__m512i length = _mm512_cvtepi32_epi64(_mm256_sub_epi32(ends, starts)), bits = _mm512_slli_epi64(length, 3);
	__m512i last = _mm512_xor_si512(texts_of_eight(base, end), ascii);
	__m512i middle = _mm512_xor_si512(texts_of_eight(base - 8, end), ascii),
		first = _mm512_xor_si512(texts_of_eight(base - 16, end), ascii);
	__m512i point, before, after;
	__mmask8 in_middle, fine;
	struct eight e;

	/* Removes the bytes before the number: shifts by 64 or more leave no bit. */
	middle = _mm512_and_si512(
		middle, _mm512_sllv_epi64(all, _mm512_max_epi64(zero, _mm512_sub_epi64(_mm512_set1_epi64(128), bits))));
	first = _mm512_and_si512(first, _mm512_sllv_epi64(all, _mm512_sub_epi64(_mm512_set1_epi64(192), bits)));

	/* The lowest bit of the point, and the digits without it: those before the point move up by a byte. */
	point = _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(middle, dot));
	in_middle = _mm512_test_epi64_mask(point, point);
	point = _mm512_mask_mov_epi64(_mm512_movm_epi8(_mm512_cmpeq_epi8_mask(first, dot)), in_middle, point);
	fine = _mm512_test_epi64_mask(point, point);
	point = _mm512_and_si512(point, _mm512_sub_epi64(zero, point));
	before = _mm512_sub_epi64(point, one);
	after = _mm512_andnot_si512(_mm512_sub_epi64(_mm512_slli_epi64(point, 8), one), all);
	e.fraction = _mm512_srli_epi64(_mm512_sub_epi64(_mm512_lzcnt_epi64(point), _mm512_set1_epi64(7)), 3);
	e.fraction = _mm512_add_epi64(e.fraction,
				      _mm512_mask_mov_epi64(_mm512_set1_epi64(16), in_middle, _mm512_set1_epi64(8)));
	{
		__m512i parted = _mm512_mask_mov_epi64(first, in_middle, middle);
		__m512i from_first = _mm512_maskz_srli_epi64(in_middle, first, 56);

		parted = _mm512_or_si512(_mm512_and_si512(parted, after),
					 _mm512_slli_epi64(_mm512_and_si512(parted, before), 8));
		middle = _mm512_mask_or_epi64(middle, in_middle, parted, from_first);
		first = _mm512_mask_mov_epi64(parted, in_middle, _mm512_slli_epi64(first, 8));
	}
	fine &= _mm512_cmple_epi64_mask(length, _mm512_set1_epi64(20)) &
		_mm512_cmpge_epi64_mask(length, _mm512_set1_epi64(10));
	fine &= _mm512_cmpge_epi64_mask(length, _mm512_add_epi64(e.fraction, _mm512_set1_epi64(2)));
	fine &= _mm512_cmple_epi64_mask(e.fraction, _mm512_set1_epi64(17));
	fine &= _mm256_cmpge_epi32_mask(starts, _mm256_set1_epi32(24));
	fine &= (__mmask8)~_mm512_test_epi64_mask(_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(last, nines) |
								   _mm512_cmpgt_epu8_mask(middle, nines) |
								   _mm512_cmpgt_epu8_mask(first, nines)),
						  all);
	fine &= (__mmask8)~needless_zero(base, starts, length, e.fraction);
	e.number =
		_mm512_add_epi64(_mm512_mullo_epi64(join_digits(first), _mm512_set1_epi64(INT64_C(10000000000000000))),
				 _mm512_add_epi64(_mm512_mul_epu32(join_digits(middle), _mm512_set1_epi64(100000000)),
						  join_digits(last)));
	e.scaled = zero;
	e.fine = fine;
	e.whole = e.decimal = 0;
	return e;
}

/* The doubles nearest to numbers below 2^64 divided by 10^fraction, 8 <= fraction <= 17; returns the lanes whose result
 * is certain. Quotient and remainder of the rounded number are exact (FMA), and so is the rounding error of the number:
 * the quotient is corrected by both, with an error below 2^-50 of the correction. A result is certain if both ends of a
 * wider margin round to it.
 */
static inline __mmask8 divide_eight(__m512i number, __m512i fraction, __m512d *value)
{
	const __m512d low = _mm512_setr_pd(1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15),
		      high = _mm512_setr_pd(1e16, 1e17, 1, 1, 1, 1, 1, 1);
	__m512d power = _mm512_permutex2var_pd(low, _mm512_sub_epi64(fraction, _mm512_set1_epi64(8)), high);
	__m512d rounded = _mm512_cvtepu64_pd(number), quotient = _mm512_div_pd(rounded, power), correction, margin,
		other;

	correction = _mm512_cvtepi64_pd(_mm512_sub_epi64(number, _mm512_cvtpd_epu64(rounded)));
	correction = _mm512_div_pd(_mm512_add_pd(_mm512_fnmadd_pd(quotient, power, rounded), correction), power);
	margin = _mm512_mul_pd(_mm512_abs_pd(correction), _mm512_set1_pd(0x1p-48));
	*value = _mm512_add_pd(quotient, _mm512_add_pd(correction, margin));
	other = _mm512_add_pd(quotient, _mm512_sub_pd(correction, margin));
	return _mm512_cmp_pd_mask(*value, other, _CMP_EQ_OQ);
}

#endif
#endif
