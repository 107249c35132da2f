/* decode_run_avx512.c - eight lines of one layout at once, operand by operand: each becomes eight rows of a column. */
#if defined(__x86_64__)
#include "record/decode_eight_rows.h"

#define UNROLL_RUN _Pragma("GCC unroll 8")

/* The lines, and where their operands stand. */
struct run {
	struct eight_rows rows;
	struct layout *l;

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

/* Each line ends with a line end, and begins behind the one before. */
static inline void place_lines(struct run *r, __m256i stop, const char *p)
{
	__m256i begin = _mm256_add_epi32(stop, _mm256_set1_epi32(1));
	__m256i byte = _mm256_i32gather_epi32((const int *)(const void *)r->rows.base, stop, 1);

	r->rows.fine = _mm256_cmpeq_epi32_mask(_mm256_and_si256(byte, _mm256_set1_epi32(0xff)), _mm256_set1_epi32('\n'));
	begin = _mm256_permutevar8x32_epi32(begin, _mm256_setr_epi32(0, 0, 1, 2, 3, 4, 5, 6));
	store8(r->ends[0], _mm256_mask_set1_epi32(begin, 1, (int)(p - r->rows.base)));
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
	r->rows.fine &= _mm256_cmpge_epi32_mask(signs, _mm256_setzero_si256());
	r->rows.fine &= _mm256_cmpeq_epi32_mask(_mm256_sub_epi32(load_places(r->start[0]), load_places(r->ends[0])),
					   _mm256_set1_epi32(r->l->operand[0].fixed_bytes));
}

/* Differences of a piece from what it ought to be are gathered line by line. Most pieces are short: loads of half the width
 * touch a second line of the cache half as often. */
static inline void compare_short(const struct run *r, size_t i, __m256i differ[RUN_LINES])
{
	const struct segment *s = &r->l->lanes.segment[i];
	const __mmask32 mask = (__mmask32)r->l->lanes.mask[i];
	const uint32_t *ends = r->ends[s->before];
	const char *at = r->rows.base + s->skip;
	__m256i want = _mm256_maskz_loadu_epi8(mask, r->l->line + s->fixed);

	UNROLL_RUN for (int k = 0; k < RUN_LINES; k++) /* differ | (piece ^ want) */
		differ[k] = _mm256_ternarylogic_epi64(differ[k], _mm256_maskz_loadu_epi8(mask, at + ends[k]), want, 0xf6);
}

static inline void compare_long(const struct run *r, size_t i, __m512i differ[RUN_LINES])
{
	const struct segment *s = &r->l->lanes.segment[i];
	const __mmask64 mask = r->l->lanes.mask[i];
	const uint32_t *ends = r->ends[s->before];
	const char *at = r->rows.base + s->skip;
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

		r->rows.fine &= (__mmask8)~((_mm512_test_epi64_mask(differ, differ) ? 1u : 0u) << k);
	}
}

static inline void take_operands(struct run *r, size_t i)
{
	const struct operand *o = &r->l->operand[i];
	const struct eight_texts t = { r->rows.fine, r->start[i], r->ends[i + 1] };
	uint8_t *fraction = &r->l->lanes.fraction[i];
	struct eight_rows *rows = &r->rows;

	switch (o->kind) {
	case OPERAND_METRIC:
		take_metrics(rows, &t, (enum metric_id)o->metric, fraction);
		break;
	case OPERAND_NUMBER:
		skip_numbers(rows, &t, fraction);
		break;
	case OPERAND_SEQUENCE_LENGTH:
		take_counts(rows, &t, fraction, UINT64_C(1) << 53, rows->c->sequence_length + rows->row);
		break;
	case OPERAND_SEQUENCE:
		take_small_counts(rows, &t, fraction, rows->c->sequence);
		break;
	case OPERAND_TOKEN_COUNT:
		take_small_counts(rows, &t, fraction, rows->c->token_count);
		break;
	case OPERAND_TIME:
		take_times(rows, &t);
		break;
	default:
		take_texts(rows, &t, o->kind == OPERAND_SESSION_ID);
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
	r.rows = (struct eight_rows){ .base = base, .c = c, .row = c->n, .minute = minute };
	transpose_marks(&r, mark, l->marks + 1u);
	stop = marks_of(&r, l->marks);
	place_lines(&r, stop, p);
	place_operands(&r, stop);
	if (!(r.rows.fine & 1))
		return 0;
	put_fixed(c, c->n, l);
	compare_fixed(&r);
	for (size_t i = 0; i < l->n; i++)
		take_operands(&r, i);
	put_decimal(&r.rows, 0xff);
	lines = (size_t)__builtin_ctz(~(unsigned)r.rows.fine);
	c->n += lines;
	return lines;
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
