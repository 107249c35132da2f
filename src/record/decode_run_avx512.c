/* decode_run_avx512.c - eight lines of one layout at once, operand by operand: each becomes eight rows of a column. */
#if defined(__x86_64__)
#include "record/decode_eight.h"
#include "record/decode_layout_x86.h"

#define UNROLL_RUN _Pragma("GCC unroll 8")

/* The lines, and what is known of them so far. Places count from `base`. */
struct run {
	struct layout *l;
	struct minute *minute;
	const char *base;
	struct columns *c;
	size_t row;	 /* of the first line */
	__mmask8 fine;	  /* lines that match so far */
	uint64_t decimal; /* of all rows … */
	__m512i some_decimal; /* … and of some */

	_Alignas(64) uint16_t mark[RUN_MARKS][RUN_LINES]; /* of each line */

	/* Of operand i in line k: [i][k]. ends[0] are the lines' beginnings, ends[i + 1] those of operand i. */
	_Alignas(64) uint32_t start[LANES_MAX][RUN_LINES], ends[LANES_MAX + 1][RUN_LINES];
};

static inline __m256i marks_of(const struct run *r, uint32_t mark)
{
	return _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)(const void *)r->mark[mark]));
}

static inline __m512i eight_marks_of_4(const uint16_t *mark, size_t stride)
{
	const __m128i *one = (const __m128i *)(const void *)mark, *two = (const __m128i *)(const void *)(mark + stride);
	const __m128i *three = (const __m128i *)(const void *)(mark + 2 * stride), *four = (const __m128i *)(const void *)(mark + 3 * stride);
	__m256i low = _mm256_set_m128i(_mm_loadu_si128(two), _mm_loadu_si128(one));
	__m256i high = _mm256_set_m128i(_mm_loadu_si128(four), _mm_loadu_si128(three));

	return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* The marks of a line stand side by side; afterwards those of one place in all lines do. */
static inline void transpose_marks(struct run *r, const uint16_t *mark, size_t stride)
{
	const __m512i first_four = _mm512_set_epi64(0x003b0033002b0023, 0x001b0013000b0003, 0x003a0032002a0022, 0x001a0012000a0002,
						    0x0039003100290021, 0x0019001100090001, 0x0038003000280020, 0x0018001000080000);
	const __m512i last_four = _mm512_add_epi16(first_four, _mm512_set1_epi16(4));

	for (size_t at = 0; at < stride; at += 8) {
		__m512i upper = eight_marks_of_4(mark + at, stride), lower = eight_marks_of_4(mark + at + 4 * stride, stride);

		_mm512_store_si512(r->mark[at], _mm512_permutex2var_epi16(upper, first_four, lower));
		_mm512_store_si512(r->mark[at + 4], _mm512_permutex2var_epi16(upper, last_four, lower));
	}
}

static inline void store8(uint32_t *to, __m256i v)
{
	_mm256_store_si256((__m256i *)(void *)to, v);
}

static inline __m256i load_places(const uint32_t *from)
{
	return _mm256_load_si256((const __m256i *)(const void *)from);
}

/* Each line ends with a line end, and begins behind the one before. */
static inline void place_lines(struct run *r, __m256i stop, const char *p)
{
	__m256i begin = _mm256_add_epi32(stop, _mm256_set1_epi32(1));
	__m256i byte = _mm256_i32gather_epi32((const int *)(const void *)r->base, stop, 1);

	r->fine = _mm256_cmpeq_epi32_mask(_mm256_and_si256(byte, _mm256_set1_epi32(0xff)), _mm256_set1_epi32('\n'));
	begin = _mm256_permutevar8x32_epi32(begin, _mm256_setr_epi32(0, 0, 1, 2, 3, 4, 5, 6));
	store8(r->ends[0], _mm256_mask_set1_epi32(begin, 1, (int)(p - r->base)));
}

/* Operands do not overlap; the first stands where it does in the layout, and so do all others by their construction. */
static inline void place_operands(struct run *r, __m256i stop)
{
	const struct lanes *s = &r->l->lanes;
	__m256i here = marks_of(r, s->start_mark[0]), next, signs = _mm256_setzero_si256();

	for (size_t i = 0; i < r->l->n; i++, here = next) {
		__m256i start = _mm256_add_epi32(here, _mm256_set1_epi32(s->start_gap[i])), end;

		next = i + 1 < r->l->n ? marks_of(r, s->start_mark[i + 1]) : stop; /* its end mark */
		end = _mm256_add_epi32(next, _mm256_set1_epi32(s->end_gap[i]));
		store8(r->start[i], start);
		store8(r->ends[i + 1], end);
		signs = _mm256_or_si256(signs, _mm256_sub_epi32(end, start));
	}
	r->fine &= _mm256_cmpge_epi32_mask(signs, _mm256_setzero_si256());
	r->fine &= _mm256_cmpeq_epi32_mask(_mm256_sub_epi32(load_places(r->start[0]), load_places(r->ends[0])),
					   _mm256_set1_epi32(r->l->operand[0].fixed_bytes));
}

/* Differences of a piece from what it ought to be are gathered line by line. Most pieces are short: loads of half the width
 * touch a second line of the cache half as often. */
static inline void compare_short(const struct run *r, size_t i, __m256i differ[RUN_LINES])
{
	const struct segment *s = &r->l->lanes.segment[i];
	const __mmask32 mask = (__mmask32)r->l->lanes.mask[i];
	const uint32_t *ends = r->ends[s->before];
	const char *at = r->base + s->skip;
	__m256i want = _mm256_maskz_loadu_epi8(mask, r->l->line + s->fixed);

	UNROLL_RUN for (int k = 0; k < RUN_LINES; k++) /* differ | (piece ^ want) */
		differ[k] = _mm256_ternarylogic_epi64(differ[k], _mm256_maskz_loadu_epi8(mask, at + ends[k]), want, 0xf6);
}

static inline void compare_long(const struct run *r, size_t i, __m512i differ[RUN_LINES])
{
	const struct segment *s = &r->l->lanes.segment[i];
	const __mmask64 mask = r->l->lanes.mask[i];
	const uint32_t *ends = r->ends[s->before];
	const char *at = r->base + s->skip;
	__m512i want = _mm512_maskz_loadu_epi8(mask, r->l->line + s->fixed);

	UNROLL_RUN for (int k = 0; k < RUN_LINES; k++)
		differ[k] = _mm512_ternarylogic_epi64(differ[k], _mm512_maskz_loadu_epi8(mask, at + ends[k]), want, 0xf6);
}

/* What stands between the operands is the layout's. */
static inline void compare_fixed(struct run *r)
{
	const struct lanes *s = &r->l->lanes;
	__m256i in_short[RUN_LINES];
	__m512i in_long[RUN_LINES];

	UNROLL_RUN for (int k = 0; k < RUN_LINES; k++) {
		in_short[k] = _mm256_setzero_si256();
		in_long[k] = _mm512_setzero_si512();
	}
	for (size_t i = 0; i < s->n_short; i++)
		compare_short(r, i, in_short);
	for (size_t i = s->n_short; i < s->n_segments; i++)
		compare_long(r, i, in_long);
	UNROLL_RUN for (int k = 0; k < RUN_LINES; k++) {
		__m512i differ = _mm512_or_si512(in_long[k], _mm512_zextsi256_si512(in_short[k]));

		r->fine &= (__mmask8)~((_mm512_test_epi64_mask(differ, differ) ? 1u : 0u) << k);
	}
}

static inline struct slice text_at(const struct run *r, size_t i, int k)
{
	return (struct slice){ r->base + r->start[i][k], r->ends[i + 1][k] - r->start[i][k] };
}

static void learn_fraction(uint8_t *fraction, const struct eight *e)
{
	int64_t last = _mm512_reduce_max_epi64(_mm512_maskz_mov_epi64(e->fine, e->fraction));

	*fraction = last <= FRACTION_MAX ? (uint8_t)last : *fraction;
}

static inline __m512i lengths_of(const struct run *r, size_t i)
{
	return _mm512_cvtepi32_epi64(_mm256_sub_epi32(load_places(r->ends[i + 1]), load_places(r->start[i])));
}

/* The number of operand i in each line, of 8 characters at most. */
static inline struct eight eight_of(const struct run *r, size_t i)
{
	struct lanes *s = &r->l->lanes;
	__m512i length = lengths_of(r, i), text = texts_of_eight(r->base, r->ends[i + 1]);
	int fraction = s->fraction[i], lacking = (int)s->decimals[i] - fraction;
	struct eight e;

	e.fine = take_eight_alike(text, length, fraction, &e.number);
	if ((r->fine & ~e.fine) || lacking < 0) {
		e = take_eight(text, length, _mm512_set1_epi64(s->decimals[i]));
		learn_fraction(&s->fraction[i], &e);
		return e;
	}
	e.fraction = _mm512_set1_epi64(fraction);
	e.scaled = lacking ? _mm512_mul_epu32(e.number, _mm512_set1_epi64((int64_t)whole_power[lacking])) : e.number;
	e.whole = fraction ? 0 : 0xff;
	e.decimal = 0xff;
	return e;
}

/* A number of more characters, or a negative one. */
static bool take_long(const struct run *r, size_t i, int k, uint64_t *digits, int *fraction, bool *negative, double *value)
{
	struct slice text = text_at(r, i, k);
	const char *end = text.p + text.n;

	*negative = text.n && *text.p == '-';
	return layout_decimal(X86_STEPS, text.p + *negative, end, digits, fraction) &&
	       decimal_to_double(*digits, -*fraction, value);
}

static bool take_long_metric(struct run *r, size_t i, int k, enum metric_id m)
{
	size_t row = r->row + (size_t)k;
	uint64_t digits;
	int fraction;
	bool negative;
	double value;

	if (!take_long(r, i, k, &digits, &fraction, &negative, &value))
		return false;
	r->c->value[m][row] = negative ? -value : value;
	if (decimal_scale(m, digits, fraction, negative, &r->c->scaled[m][row]))
		r->some_decimal = _mm512_mask_or_epi64(r->some_decimal, (__mmask8)(1u << k), r->some_decimal,
						      _mm512_set1_epi64((int64_t)metric_bit(m)));
	return true;
}

static void take_long_metrics(struct run *r, size_t i, enum metric_id m, unsigned left)
{
	for (; left; left &= left - 1)
		if (!take_long_metric(r, i, __builtin_ctz(left), m))
			r->fine &= (__mmask8)~(left & -left);
}

/* Doubles in full: they have more digits than the metric's decimals. */
static void take_full_metrics(struct run *r, size_t i, enum metric_id m)
{
	struct eight e = take_eight_long(r->base, r->start[i], r->ends[i + 1]);
	__m512d value;
	__mmask8 sure = divide_eight(e.number, e.fraction, &value) & e.fine;

	_mm512_storeu_pd(r->c->value[m] + r->row, value);
	take_long_metrics(r, i, m, r->fine & (unsigned)~sure);
}

static inline void take_metrics(struct run *r, size_t i, enum metric_id m)
{
	struct eight e;
	__mmask8 scaled;

	if (_mm512_cmpgt_epi64_mask(lengths_of(r, i), _mm512_set1_epi64(8)) == 0xff) {
		take_full_metrics(r, i, m);
		return;
	}
	e = eight_of(r, i);
	scaled = e.fine & e.decimal;
	_mm512_storeu_si512(r->c->scaled[m] + r->row, e.scaled);
	if (scaled == 0xff) {
		r->decimal |= metric_bit(m);
		return;
	}
	r->some_decimal = _mm512_mask_or_epi64(r->some_decimal, scaled, r->some_decimal, _mm512_set1_epi64((int64_t)metric_bit(m)));
	_mm512_storeu_pd(r->c->value[m] + r->row, value_of_eight(&e));
	take_long_metrics(r, i, m, r->fine & (unsigned)~e.fine);
}

/* Whole numbers of at most `most`. */
static inline void take_counts(struct run *r, size_t i, uint64_t most, uint64_t out[RUN_LINES])
{
	struct eight e = eight_of(r, i);

	_mm512_storeu_si512(out, e.number);
	for (unsigned left = r->fine & (unsigned)~(e.fine & e.whole); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(r, i, k);

		if (!take_count(X86_STEPS, text.p, text.p + text.n, most, &out[k]))
			r->fine &= (__mmask8)~(1u << k);
	}
}

static inline void take_small_counts(struct run *r, size_t i, uint32_t *column)
{
	uint64_t count[RUN_LINES];

	take_counts(r, i, UINT32_MAX, count);
	_mm256_storeu_si256((__m256i *)(void *)(column + r->row), _mm512_cvtepi64_epi32(_mm512_loadu_si512(count)));
}

/* Numbers that nobody knows have to be numbers all the same. */
static inline void skip_numbers(struct run *r, size_t i)
{
	struct eight e = eight_of(r, i);

	for (unsigned left = r->fine & (unsigned)~e.fine; left; left &= left - 1) {
		struct slice text = text_at(r, i, __builtin_ctz(left));

		if (!skip_number(X86_STEPS, text.p, text.p + text.n))
			r->fine &= (__mmask8)~(left & -left);
	}
}

/* "2025-09-11T12:34:56.789Z" within the minute that is known; which of them are. */
static inline __mmask8 take_milliseconds_of_8(struct run *r, size_t i)
{
	const __m512i form = _mm512_set1_epi64(0x5a3030302e30303a); /* ":00.000Z" */
	const __m512i most = _mm512_set1_epi64(0x0009090900090500);
	__m256i start = load_places(r->start[i]), length = _mm256_sub_epi32(load_places(r->ends[i + 1]), start);
	__mmask8 fine = _mm256_cmpeq_epi32_mask(length, _mm256_set1_epi32(24));
	__m512i digits = _mm512_xor_si512(_mm512_i32gather_epi64(start, r->base + MINUTE_BYTES, 1), form), ms, us;
	__m128i minute = _mm_loadu_si128((const __m128i *)(const void *)r->minute->text);

	fine &= (__mmask8)~_mm512_test_epi64_mask(_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(digits, most)), _mm512_set1_epi64(-1));
	for (int k = 0; k < RUN_LINES; k++) {
		__m128i text = _mm_loadu_si128((const __m128i *)(const void *)(r->base + r->start[i][k]));

		if (_mm_cmpneq_epi8_mask(text, minute))
			fine &= (__mmask8)~(1u << k);
	}
	ms = _mm512_maddubs_epi16(digits, _mm512_set1_epi64(0x00010a6400010a00)); /* tens, ones; hundreds + tens, ones */
	ms = _mm512_madd_epi16(ms, _mm512_set1_epi64(0x0001000103e803e8));	  /* milliseconds of the seconds; the rest */
	ms = _mm512_add_epi64(_mm512_srli_epi64(ms, 32), _mm512_and_si512(ms, _mm512_set1_epi64(0xffffffff)));
	us = _mm512_add_epi64(_mm512_mul_epu32(ms, _mm512_set1_epi64(1000)), _mm512_set1_epi64(r->minute->us));
	_mm512_storeu_si512(r->c->time_us + r->row, us);
	return fine;
}

static inline void take_times(struct run *r, size_t i)
{
	for (unsigned left = r->fine & (unsigned)~take_milliseconds_of_8(r, i); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(r, i, k);

		if (!is_plain(text.p, text.n) || !layout_time(r->minute, text, &r->c->time_us[r->row + (size_t)k]))
			r->fine &= (__mmask8)~(1u << k);
	}
}

static inline void take_texts(struct run *r, size_t i, bool is_session)
{
	for (int k = 0; k < RUN_LINES; k++) {
		struct slice text = text_at(r, i, k);

		if (!(r->fine >> k & 1))
			continue;
		if (!is_plain(text.p, text.n))
			r->fine &= (__mmask8)~(1u << k);
		if (is_session)
			r->c->session_id[r->row + (size_t)k] = text;
	}
}

static inline void take_operands(struct run *r, size_t i)
{
	const struct operand *o = &r->l->operand[i];

	switch (o->kind) {
	case OPERAND_METRIC:
		take_metrics(r, i, (enum metric_id)o->metric);
		break;
	case OPERAND_NUMBER:
		skip_numbers(r, i);
		break;
	case OPERAND_SEQUENCE_LENGTH:
		take_counts(r, i, UINT64_C(1) << 53, r->c->sequence_length + r->row);
		break;
	case OPERAND_SEQUENCE:
		take_small_counts(r, i, r->c->sequence);
		break;
	case OPERAND_TOKEN_COUNT:
		take_small_counts(r, i, r->c->token_count);
		break;
	case OPERAND_TIME:
		take_times(r, i);
		break;
	default:
		take_texts(r, i, o->kind == OPERAND_SESSION_ID);
	}
}

static inline void store_all(void *eight_longs, uint64_t value)
{
	_mm512_storeu_si512(eight_longs, _mm512_set1_epi64((long long)value));
}

static inline void store_all_32(uint32_t *to, uint32_t value)
{
	_mm256_storeu_si256((__m256i *)(void *)to, _mm256_set1_epi32((int)value));
}

/* What all lines of the layout have in common, where no operand says otherwise. */
static inline void put_fixed(struct columns *c, size_t row, const struct layout *l)
{
	const struct record *fixed = &l->fixed;

	memset(c->event + row, (int)fixed->event, RUN_LINES);
	memset(c->phase + row, (int)fixed->phase, RUN_LINES);
	memset(c->whole + row, 0, RUN_LINES);
	store_all_32(c->sequence + row, fixed->sequence);
	store_all_32(c->token_count + row, fixed->token_count);
	store_all(c->sequence_length + row, fixed->sequence_length);
	store_all(c->have + row, fixed->have);
	store_all(c->nonfinite + row, fixed->nonfinite);
	store_all(c->session + row, (uintptr_t)&l->session);
	for (size_t at = row; !l->lanes.has_session && at < row + RUN_LINES; at++)
		c->session_id[at] = (struct slice){ "", 0 };
}

size_t layout_run_avx512(struct layout *l, struct minute *minute, const char *base, const uint16_t *mark, const char *p,
			 struct columns *c)
{
	struct run r;
	__m256i stop;
	size_t lines;

	r.l = l;
	r.minute = minute;
	r.base = base;
	r.c = c;
	r.row = c->n;
	r.decimal = 0;
	r.some_decimal = _mm512_setzero_si512();
	transpose_marks(&r, mark, l->marks + 1u);
	stop = marks_of(&r, l->marks);
	place_lines(&r, stop, p);
	place_operands(&r, stop);
	if (!(r.fine & 1))
		return 0;
	put_fixed(c, r.row, l);
	compare_fixed(&r);
	for (size_t i = 0; i < l->n; i++)
		take_operands(&r, i);
	_mm512_storeu_si512(c->decimal + r.row, _mm512_or_si512(r.some_decimal, _mm512_set1_epi64((int64_t)r.decimal)));
	lines = (size_t)__builtin_ctz(~(unsigned)r.fine);
	c->n += lines;
	return lines;
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
