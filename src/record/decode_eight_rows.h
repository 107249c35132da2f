/* decode_eight_rows.h - stores one value of each of eight lines into eight rows of a column, with AVX-512. */
#ifndef RWKVMON_RECORD_DECODE_EIGHT_ROWS_H
#define RWKVMON_RECORD_DECODE_EIGHT_ROWS_H

#if defined(__AVX512F__)
#include "record/columns.h"
#include "record/decode_eight.h"
#include "record/decode_members_keys.h"
#include "record/decode_values_avx2.h"

/* Eight lines, and the state of their decoding. */
struct eight_rows {
	const char *base; /* positions are relative to it */
	struct columns *c;
	size_t row; /* row of the first line */
	struct minute *minute;
	__mmask8 fine;        /* lines that are valid so far */
	uint64_t decimal;     /* metrics that are decimals in all rows */
	__m512i some_decimal; /* metrics that are decimals in some rows, by row */
};

/* Position of a value in the lines that have it; in the other lanes, the position is readable. */
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
	r->fine &= (__mmask8) ~(1u << k);
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

/* Parses numbers of at most 8 characters. *fraction: the number of digits after the point seen last. */
static inline struct eight numbers_of(const struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction,
				      int decimals)
{
	__m512i length = lengths_of(t), text = texts_of_eight(r->base, t->end);
	int lacking = decimals - *fraction;
	struct eight e;

	e.fine = parse_eight_alike(text, length, *fraction, &e.number);
	if ((t->present & ~e.fine) || lacking < 0) {
		e = parse_eight(text, length, _mm512_set1_epi64(decimals));
		learn_fraction(fraction, &e, t->present);
		return e;
	}
	e.fraction = _mm512_set1_epi64(*fraction);
	e.scaled = lacking ? _mm512_mul_epu32(e.number, _mm512_set1_epi64((int64_t)whole_power[lacking])) : e.number;
	e.whole = *fraction ? 0 : 0xff;
	e.decimal = 0xff;
	return e;
}

/* Stores a longer number, or a negative one. */
static bool fill_long_metric(struct eight_rows *r, struct slice text, size_t row, enum metric_id m, bool *decimal)
{
	uint64_t digits;
	int fraction;
	bool negative;

	if (!read_number(text, &digits, &fraction, &negative, &r->c->value[m][row]))
		return false;
	*decimal = decimal_scale(m, digits, fraction, negative, &r->c->scaled[m][row]);
	if (*decimal)
		r->c->value[m][row] = (double)r->c->scaled[m][row] / metric_specs[m].scale;
	return true;
}

static void fill_long_metrics(struct eight_rows *r, const struct eight_texts *t, enum metric_id m, unsigned left)
{
	__mmask8 decimals = 0;

	for (; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		bool decimal = false;

		if (!fill_long_metric(r, text_of_line(r, t, k), r->row + (size_t)k, m, &decimal))
			spoil_line(r, k);
		decimals |= (__mmask8)((unsigned)decimal << k);
	}
	r->some_decimal = _mm512_mask_or_epi64(r->some_decimal, decimals, r->some_decimal,
					       _mm512_set1_epi64((int64_t)metric_bit(m)));
}

/* Stores doubles that are printed in full: they have more digits than the metric's decimals. */
static void fill_full_metrics(struct eight_rows *r, const struct eight_texts *t, enum metric_id m)
{
	struct eight e = parse_eight_long(r->base, t->start, t->end);
	__m512d value;
	__mmask8 sure = divide_eight(e.number, e.fraction, &value) & e.fine;

	_mm512_mask_storeu_pd(r->c->value[m] + r->row, t->present, value);
	fill_long_metrics(r, t, m, t->present & (unsigned)~sure);
}

static inline void fill_metrics(struct eight_rows *r, const struct eight_texts *t, enum metric_id m, uint8_t *fraction)
{
	struct eight e;
	__mmask8 scaled;

	if ((_mm512_cmpgt_epi64_mask(lengths_of(t), _mm512_set1_epi64(8)) & t->present) == t->present) {
		fill_full_metrics(r, t, m);
		return;
	}
	e = numbers_of(r, t, fraction, metric_specs[m].decimals);
	scaled = e.fine & e.decimal & t->present;
	_mm512_mask_storeu_epi64(r->c->scaled[m] + r->row, t->present, e.scaled);
	_mm512_mask_storeu_pd(r->c->value[m] + r->row, scaled,
			      _mm512_div_pd(_mm512_cvtepi64_pd(e.scaled), _mm512_set1_pd(metric_specs[m].scale)));
	if (scaled == 0xff) {
		r->decimal |= metric_bit(m);
		return;
	}
	r->some_decimal = _mm512_mask_or_epi64(r->some_decimal, scaled, r->some_decimal,
					       _mm512_set1_epi64((int64_t)metric_bit(m)));
	if (scaled == t->present)
		return;
	_mm512_mask_storeu_pd(r->c->value[m] + r->row, (__mmask8)(t->present & (unsigned)~scaled), value_of_eight(&e));
	fill_long_metrics(r, t, m, t->present & (unsigned)~e.fine);
}

static inline void put_decimal(const struct eight_rows *r, __mmask8 lanes)
{
	_mm512_mask_storeu_epi64(r->c->decimal + r->row, lanes,
				 _mm512_or_si512(r->some_decimal, _mm512_set1_epi64((int64_t)r->decimal)));
}

/* Stores whole numbers of at most `most`. */
static inline void fill_counts(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction, uint64_t most,
			       uint64_t out[8])
{
	struct eight e = numbers_of(r, t, fraction, 0);

	_mm512_mask_storeu_epi64(out, t->present, e.number);
	for (unsigned left = t->present & (unsigned)~(e.fine & e.whole); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_of_line(r, t, k);

		if (!read_count(text, most, &out[k]))
			spoil_line(r, k);
	}
}

static inline void fill_small_counts(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction,
				     uint32_t *column)
{
	uint64_t count[8] = { 0 };

	fill_counts(r, t, fraction, UINT32_MAX, count);
	_mm512_mask_cvtepi64_storeu_epi32(column + r->row, t->present, _mm512_loadu_si512(count));
}

/* Converts record numbers (from 0) to ordinals (from 1). */
static inline void fill_ordinals(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction)
{
	uint64_t number[8] = { 0 };

	fill_counts(r, t, fraction, UINT64_C(1) << 53, number);
	_mm512_mask_storeu_epi64(r->c->ordinal + r->row, t->present,
				 _mm512_add_epi64(_mm512_loadu_si512(number), _mm512_set1_epi64(1)));
}

/* Checks values that have no column: they must still be numbers. */
static inline void skip_numbers(struct eight_rows *r, const struct eight_texts *t, uint8_t *fraction)
{
	struct eight e = numbers_of(r, t, fraction, 0);

	for (unsigned left = t->present & (unsigned)~e.fine; left; left &= left - 1) {
		struct slice text = text_of_line(r, t, __builtin_ctz(left));

		if (!is_number(text))
			spoil_line(r, __builtin_ctz(left));
	}
}

/* Parses "2025-09-11T12:34:56.789Z" if it is in the known minute; returns the lanes for which it is. */
static inline __mmask8 fill_milliseconds(struct eight_rows *r, const struct eight_texts *t)
{
	const __m512i form = _mm512_set1_epi64(0x5a3030302e30303a); /* ":00.000Z" */
	const __m512i most = _mm512_set1_epi64(0x0009090900090500);
	__m256i start = load_places(t->start), length = _mm256_sub_epi32(load_places(t->end), start);
	__mmask8 fine = _mm256_cmpeq_epi32_mask(length, _mm256_set1_epi32(24)) & t->present;
	__m512i digits = _mm512_xor_si512(_mm512_i32gather_epi64(start, r->base + MINUTE_BYTES, 1), form), ms, us;
	__m128i minute = _mm_loadu_si128((const __m128i *)(const void *)r->minute->text);

	fine &= (__mmask8)~_mm512_test_epi64_mask(_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(digits, most)),
						  _mm512_set1_epi64(-1));
	for (unsigned left = fine; left; left &= left - 1) {
		__m128i text =
			_mm_loadu_si128((const __m128i *)(const void *)(r->base + t->start[__builtin_ctz(left)]));

		if (_mm_cmpneq_epi8_mask(text, minute))
			fine &= (__mmask8) ~(left & -left);
	}
	ms = _mm512_maddubs_epi16(digits,
				  _mm512_set1_epi64(0x00010a6400010a00));  /* tens, ones; hundreds + tens, ones */
	ms = _mm512_madd_epi16(ms, _mm512_set1_epi64(0x0001000103e803e8)); /* seconds in milliseconds; milliseconds */
	ms = _mm512_add_epi64(_mm512_srli_epi64(ms, 32), _mm512_and_si512(ms, _mm512_set1_epi64(0xffffffff)));
	us = _mm512_add_epi64(_mm512_mul_epu32(ms, _mm512_set1_epi64(1000)), _mm512_set1_epi64(r->minute->us));
	_mm512_mask_storeu_epi64(r->c->time_us + r->row, fine, us);
	return fine;
}

static inline void fill_times(struct eight_rows *r, const struct eight_texts *t)
{
	for (unsigned left = t->present & (unsigned)~fill_milliseconds(r, t); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_of_line(r, t, k);

		if (!is_plain(text.p, text.n) || !minute_time(r->minute, text, &r->c->time_us[r->row + (size_t)k]))
			spoil_line(r, k);
	}
}

/* Stores texts without quotes and escapes. */
static inline void fill_texts(struct eight_rows *r, const struct eight_texts *t, bool is_session)
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
