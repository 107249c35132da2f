/* decode_eight_rows.h - a value of each of eight lines becomes eight rows of a column, with AVX-512. */
#ifndef RWKVMON_RECORD_DECODE_EIGHT_ROWS_H
#define RWKVMON_RECORD_DECODE_EIGHT_ROWS_H

#if defined(__AVX512F__)
#include "record/columns.h"
#include "record/decode_eight.h"
#include "record/decode_layout_x86.h"

/* The lines, and what is known of them so far. */
struct eight_rows {
	const char *base; /* places count from it */
	struct columns *c;
	size_t row; /* of the first line */
	struct minute *minute;
	__mmask8 fine;	  /* lines that are right so far */
	uint64_t decimal; /* metrics that are decimals in all rows … */
	__m512i some_decimal; /* … and in some, by row */
};

/* Where a value stands in the lines that have it; the places of others can be read too. */
struct eight_texts {
	__mmask8 present;
	const uint32_t *start, *end; /* (8) */
};

static inline __m256i load_places(const uint32_t place[8])
{
	return _mm256_load_si256((const __m256i *)(const void *)place);
}

static inline struct slice text_of_line(const struct eight_rows *r, const struct eight_texts *t, int k)
{
	return (struct slice){ r->base + t->start[k], t->end[k] - t->start[k] };
}

static inline void spoil_line(struct eight_rows *r, int k)
{
	r->fine &= (__mmask8)~(1u << k);
}

static inline __m512i lengths_of(const struct eight_texts *t)
{
	return _mm512_cvtepi32_epi64(_mm256_sub_epi32(load_places(t->end), load_places(t->start)));
}

static inline void learn_fraction(uint8_t *fraction, const struct eight *e, __mmask8 present)
{
	int64_t last = _mm512_reduce_max_epi64(_mm512_maskz_mov_epi64(e->fine & present, e->fraction));

	*fraction = last <= FRACTION_MAX ? (uint8_t)last : *fraction;
}

/* Numbers of 8 characters at most. *fraction: digits behind the point, as seen lately. */
static inline struct eight numbers_of(const struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction, int decimals)
{
	__m512i length = lengths_of(t), text = texts_of_eight(r->base, t->end);
	int lacking = decimals - *fraction;
	struct eight e;

	e.fine = take_eight_alike(text, length, *fraction, &e.number);
	if ((t->present & ~e.fine) || lacking < 0) {
		e = take_eight(text, length, _mm512_set1_epi64(decimals));
		learn_fraction(fraction, &e, t->present);
		return e;
	}
	e.fraction = _mm512_set1_epi64(*fraction);
	e.scaled = lacking ? _mm512_mul_epu32(e.number, _mm512_set1_epi64((int64_t)whole_power[lacking])) : e.number;
	e.whole = *fraction ? 0 : 0xff;
	e.decimal = 0xff;
	return e;
}

/* A number of more characters, or a negative one. */
static bool take_long_metric(struct eight_rows *r, struct slice text, size_t row, enum metric_id m, bool *decimal)
{
	uint64_t digits;
	int fraction;
	bool negative;

	if (!read_number(text, &digits, &fraction, &negative, &r->c->value[m][row]))
		return false;
	*decimal = decimal_scale(m, digits, fraction, negative, &r->c->scaled[m][row]);
	return true;
}

static void take_long_metrics(struct eight_rows *r, const struct eight_texts *t, enum metric_id m, unsigned left)
{
	__mmask8 decimals = 0;

	for (; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		bool decimal = false;

		if (!take_long_metric(r, text_of_line(r, t, k), r->row + (size_t)k, m, &decimal))
			spoil_line(r, k);
		decimals |= (__mmask8)((unsigned)decimal << k);
	}
	r->some_decimal = _mm512_mask_or_epi64(r->some_decimal, decimals, r->some_decimal, _mm512_set1_epi64((int64_t)metric_bit(m)));
}

/* Doubles in full: they have more digits than the metric's decimals. */
static void take_full_metrics(struct eight_rows *r, const struct eight_texts *t, enum metric_id m)
{
	struct eight e = take_eight_long(r->base, t->start, t->end);
	__m512d value;
	__mmask8 sure = divide_eight(e.number, e.fraction, &value) & e.fine;

	_mm512_mask_storeu_pd(r->c->value[m] + r->row, t->present, value);
	take_long_metrics(r, t, m, t->present & (unsigned)~sure);
}

static inline void take_metrics(struct eight_rows *r, const struct eight_texts *t, enum metric_id m, uint8_t *fraction)
{
	struct eight e;
	__mmask8 scaled;

	if ((_mm512_cmpgt_epi64_mask(lengths_of(t), _mm512_set1_epi64(8)) & t->present) == t->present) {
		take_full_metrics(r, t, m);
		return;
	}
	e = numbers_of(r, t, fraction, metric_specs[m].decimals);
	scaled = e.fine & e.decimal & t->present;
	_mm512_mask_storeu_epi64(r->c->scaled[m] + r->row, t->present, e.scaled);
	if (scaled == 0xff) {
		r->decimal |= metric_bit(m);
		return;
	}
	r->some_decimal = _mm512_mask_or_epi64(r->some_decimal, scaled, r->some_decimal, _mm512_set1_epi64((int64_t)metric_bit(m)));
	if (scaled == t->present)
		return;
	_mm512_mask_storeu_pd(r->c->value[m] + r->row, t->present, value_of_eight(&e));
	take_long_metrics(r, t, m, t->present & (unsigned)~e.fine);
}

static inline void put_decimal(const struct eight_rows *r, __mmask8 lanes)
{
	_mm512_mask_storeu_epi64(r->c->decimal + r->row, lanes,
				 _mm512_or_si512(r->some_decimal, _mm512_set1_epi64((int64_t)r->decimal)));
}

/* Whole numbers of at most `most`. */
static inline void take_counts(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction, uint64_t most, uint64_t out[8])
{
	struct eight e = numbers_of(r, t, fraction, 0);

	_mm512_mask_storeu_epi64(out, t->present, e.number);
	for (unsigned left = t->present & (unsigned)~(e.fine & e.whole); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_of_line(r, t, k);

		if (!take_count(X86_STEPS, text.p, text.p + text.n, most, &out[k]))
			spoil_line(r, k);
	}
}

static inline void take_small_counts(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction, uint32_t *column)
{
	uint64_t count[8] = { 0 };

	take_counts(r, t, fraction, UINT32_MAX, count);
	_mm512_mask_cvtepi64_storeu_epi32(column + r->row, t->present, _mm512_loadu_si512(count));
}

/* Numbers that have no column have to be numbers all the same. */
static inline void skip_numbers(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction)
{
	struct eight e = numbers_of(r, t, fraction, 0);

	for (unsigned left = t->present & (unsigned)~e.fine; left; left &= left - 1) {
		struct slice text = text_of_line(r, t, __builtin_ctz(left));

		if (!skip_number(X86_STEPS, text.p, text.p + text.n))
			spoil_line(r, __builtin_ctz(left));
	}
}

/* "2025-09-11T12:34:56.789Z" within the minute that is known; which of them are. */
static inline __mmask8 take_milliseconds(struct eight_rows *r, const struct eight_texts *t)
{
	const __m512i form = _mm512_set1_epi64(0x5a3030302e30303a); /* ":00.000Z" */
	const __m512i most = _mm512_set1_epi64(0x0009090900090500);
	__m256i start = load_places(t->start), length = _mm256_sub_epi32(load_places(t->end), start);
	__mmask8 fine = _mm256_cmpeq_epi32_mask(length, _mm256_set1_epi32(24)) & t->present;
	__m512i digits = _mm512_xor_si512(_mm512_i32gather_epi64(start, r->base + MINUTE_BYTES, 1), form), ms, us;
	__m128i minute = _mm_loadu_si128((const __m128i *)(const void *)r->minute->text);

	fine &= (__mmask8)~_mm512_test_epi64_mask(_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(digits, most)), _mm512_set1_epi64(-1));
	for (unsigned left = fine; left; left &= left - 1) {
		__m128i text = _mm_loadu_si128((const __m128i *)(const void *)(r->base + t->start[__builtin_ctz(left)]));

		if (_mm_cmpneq_epi8_mask(text, minute))
			fine &= (__mmask8)~(left & -left);
	}
	ms = _mm512_maddubs_epi16(digits, _mm512_set1_epi64(0x00010a6400010a00)); /* tens, ones; hundreds + tens, ones */
	ms = _mm512_madd_epi16(ms, _mm512_set1_epi64(0x0001000103e803e8));	  /* milliseconds of the seconds; the rest */
	ms = _mm512_add_epi64(_mm512_srli_epi64(ms, 32), _mm512_and_si512(ms, _mm512_set1_epi64(0xffffffff)));
	us = _mm512_add_epi64(_mm512_mul_epu32(ms, _mm512_set1_epi64(1000)), _mm512_set1_epi64(r->minute->us));
	_mm512_mask_storeu_epi64(r->c->time_us + r->row, fine, us);
	return fine;
}

static inline void take_times(struct eight_rows *r, const struct eight_texts *t)
{
	for (unsigned left = t->present & (unsigned)~take_milliseconds(r, t); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_of_line(r, t, k);

		if (!is_plain(text.p, text.n) || !layout_time(r->minute, text, &r->c->time_us[r->row + (size_t)k]))
			spoil_line(r, k);
	}
}

/* Texts that hold neither quotes nor escapes. */
static inline void take_texts(struct eight_rows *r, const struct eight_texts *t, bool is_session)
{
	for (unsigned left = t->present; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_of_line(r, t, k);

		if (!is_plain(text.p, text.n))
			spoil_line(r, k);
		if (is_session)
			r->c->session_id[r->row + (size_t)k] = text;
	}
}

#endif
#endif
