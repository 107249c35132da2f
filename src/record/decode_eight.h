/* decode_eight.h - eight short decimals at once, with AVX-512. */
#ifndef RWKVMON_RECORD_DECODE_EIGHT_H
#define RWKVMON_RECORD_DECODE_EIGHT_H

#if defined(__AVX512F__)
#include <immintrin.h>
#include <stdint.h>

/* What is known of 8 lanes. */
struct eight {
	__m512i number, scaled, fraction; /* digits without the point; times 10^decimals; digits behind the point */
	__mmask8 fine, whole, decimal; /* read; without a point; scaled holds */
};

static inline __m512i powers_of_ten(__m512i exponent)
{
	return _mm512_permutexvar_epi64(exponent, _mm512_setr_epi64(1, 10, 100, 1000, 10000, 100000, 1000000, 10000000));
}

static inline __m512d value_of_eight(const struct eight *e)
{
	return _mm512_div_pd(_mm512_cvtepi64_pd(e->number),
			     _mm512_permutexvar_pd(e->fraction, _mm512_setr_pd(1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7)));
}

/* The texts of eight lanes: a lane's last byte is the highest. */
static inline __m512i texts_of_eight(const char *base, __m256i ends)
{
	return _mm512_i32gather_epi64(ends, base - 8, 1);
}

/* Digits, whose first is the lowest byte and whose last the highest, as a number. */
static inline __m512i join_digits(__m512i digit)
{
	digit = _mm512_maddubs_epi16(digit, _mm512_set1_epi16(0x010a));
	digit = _mm512_madd_epi16(digit, _mm512_set1_epi32(0x00010064));
	return _mm512_add_epi64(_mm512_mul_epu32(digit, _mm512_set1_epi64(10000)), _mm512_srli_epi64(digit, 32));
}

/* Numbers of 1..8 characters: digits, and perhaps a point between two of them. The last character of a number is the
 * highest byte of its lane; bytes before its first count as the digit 0. */
static inline struct eight take_eight(__m512i text, __m512i length, __m512i decimals)
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
	__m512i fraction = _mm512_maskz_srli_epi64(pointed, _mm512_sub_epi64(_mm512_lzcnt_epi64(point), _mm512_set1_epi64(7)), 3);
	__m512i before = _mm512_sub_epi64(_mm512_sub_epi64(length, fraction), _mm512_maskz_mov_epi64(pointed, one));
	__m512i low = _mm512_slli_epi64(_mm512_and_si512(digit, _mm512_sub_epi64(point, one)), 8);
	__m512i high = _mm512_andnot_si512(_mm512_sub_epi64(above, one), digit);
	struct eight e = { .fraction = fraction };
	__mmask8 bad;

	digit = _mm512_mask_or_epi64(digit, pointed, low, high);
	e.number = join_digits(digit);

	/* Something that is neither digit nor point, a second point, a point at either end, a needless 0 in front. */
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

/* Most columns have the same number of digits behind the point in every line: the lanes of which that is true, with their
 * numbers. 0 <= fraction <= 6. */
static inline __mmask8 take_eight_alike(__m512i text, __m512i length, int fraction, __m512i *number)
{
	const int point = 8 * (7 - fraction); /* its first bit */
	__m512i unused = _mm512_sub_epi64(_mm512_set1_epi64(64), _mm512_slli_epi64(length, 3));
	__m512i first = _mm512_srlv_epi64(_mm512_xor_si512(text, _mm512_set1_epi8('0')), unused);
	__m512i digit = _mm512_sllv_epi64(first, unused);
	__m512i least = _mm512_set1_epi64(fraction ? fraction + 2 : 1);
	__mmask8 fine = _mm512_cmple_epi64_mask(length, _mm512_set1_epi64(8)) & _mm512_cmpge_epi64_mask(length, least);

	fine &= (__mmask8)~(_mm512_cmpgt_epi64_mask(length, least) & _mm512_testn_epi64_mask(first, _mm512_set1_epi64(0xff)));
	if (fraction) {
		__m512i at_point = _mm512_set1_epi64(0xffLL << point), before = _mm512_set1_epi64((1LL << point) - 1);
		__m512i low = _mm512_slli_epi64(_mm512_and_si512(digit, before), 8);

		fine &= _mm512_cmpeq_epi64_mask(_mm512_and_si512(digit, at_point), _mm512_set1_epi64((long long)('.' ^ '0') << point));
		digit = _mm512_ternarylogic_epi64(digit, _mm512_or_si512(at_point, before), low, 0xba); /* (digit & ~mask) | low */
	}
	fine &= (__mmask8)~_mm512_test_epi64_mask(_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(digit, _mm512_set1_epi8(9))), _mm512_set1_epi64(-1));
	*number = join_digits(digit);
	return fine;
}

/* Numbers of 10..20 characters with a point that has 8..17 digits behind it, as programs write that print doubles in full.
 * Bytes before a number are read: 24 from its end. */
static inline struct eight take_eight_long(const char *base, __m256i starts, __m256i ends)
{
	const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1), dot = _mm512_set1_epi8('.' ^ '0');
	const __m512i nines = _mm512_set1_epi8(9), ascii = _mm512_set1_epi8('0'), all = _mm512_set1_epi64(-1);
	__m512i length = _mm512_cvtepi32_epi64(_mm256_sub_epi32(ends, starts)), bits = _mm512_slli_epi64(length, 3);
	__m512i last = _mm512_xor_si512(texts_of_eight(base, ends), ascii);
	__m512i middle = _mm512_xor_si512(texts_of_eight(base - 8, ends), ascii), first = _mm512_xor_si512(texts_of_eight(base - 16, ends), ascii);
	__m512i point, before, after;
	__mmask8 in_middle, fine;
	struct eight e;

	/* What is before the number counts as nothing: shifts by 64 and more leave no bit. */
	middle = _mm512_and_si512(middle, _mm512_sllv_epi64(all, _mm512_max_epi64(zero, _mm512_sub_epi64(_mm512_set1_epi64(128), bits))));
	first = _mm512_and_si512(first, _mm512_sllv_epi64(all, _mm512_sub_epi64(_mm512_set1_epi64(192), bits)));

	/* The point's lowest bit, and the digits without it: those before it move up by a byte. */
	point = _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(middle, dot));
	in_middle = _mm512_test_epi64_mask(point, point);
	point = _mm512_mask_mov_epi64(_mm512_movm_epi8(_mm512_cmpeq_epi8_mask(first, dot)), in_middle, point);
	fine = _mm512_test_epi64_mask(point, point);
	point = _mm512_and_si512(point, _mm512_sub_epi64(zero, point));
	before = _mm512_sub_epi64(point, one);
	after = _mm512_andnot_si512(_mm512_sub_epi64(_mm512_slli_epi64(point, 8), one), all);
	e.fraction = _mm512_srli_epi64(_mm512_sub_epi64(_mm512_lzcnt_epi64(point), _mm512_set1_epi64(7)), 3);
	e.fraction = _mm512_add_epi64(e.fraction, _mm512_mask_mov_epi64(_mm512_set1_epi64(16), in_middle, _mm512_set1_epi64(8)));
	{
		__m512i parted = _mm512_mask_mov_epi64(first, in_middle, middle);
		__m512i from_first = _mm512_maskz_srli_epi64(in_middle, first, 56);

		parted = _mm512_or_si512(_mm512_and_si512(parted, after), _mm512_slli_epi64(_mm512_and_si512(parted, before), 8));
		middle = _mm512_mask_or_epi64(middle, in_middle, parted, from_first);
		first = _mm512_mask_mov_epi64(parted, in_middle, _mm512_slli_epi64(first, 8));
	}
	fine &= _mm512_cmple_epi64_mask(length, _mm512_set1_epi64(20)) & _mm512_cmpge_epi64_mask(length, _mm512_set1_epi64(10));
	fine &= _mm512_cmpge_epi64_mask(length, _mm512_add_epi64(e.fraction, _mm512_set1_epi64(2)));
	fine &= _mm256_cmpge_epi32_mask(starts, _mm256_set1_epi32(24));
	fine &= (__mmask8)~_mm512_test_epi64_mask(
		_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(last, nines) | _mm512_cmpgt_epu8_mask(middle, nines) | _mm512_cmpgt_epu8_mask(first, nines)), all);
	{ /* a needless 0 in front */
		__m256i begin = _mm256_i32gather_epi32((const int *)(const void *)base, starts, 1);
		__mmask8 is_0 = _mm256_cmpeq_epi32_mask(_mm256_and_si256(begin, _mm256_set1_epi32(0xff)), _mm256_set1_epi32('0'));

		fine &= (__mmask8)~(is_0 & _mm512_cmpgt_epi64_mask(length, _mm512_add_epi64(e.fraction, _mm512_set1_epi64(2))));
	}
	e.number = _mm512_add_epi64(_mm512_mullo_epi64(join_digits(first), _mm512_set1_epi64(INT64_C(10000000000000000))),
				    _mm512_add_epi64(_mm512_mul_epu32(join_digits(middle), _mm512_set1_epi64(100000000)), join_digits(last)));
	e.scaled = zero;
	e.fine = fine;
	e.whole = e.decimal = 0;
	return e;
}

#endif
#endif
