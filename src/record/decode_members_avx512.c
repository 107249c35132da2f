/* decode_members_avx512.c - splits lines at their keys, then parses eight lines at once, value by value. */
#if defined(__x86_64__)
#include "record/decode_eight_rows.h"
#include "record/decode_members_x86.h"

/* Eight lines. */
struct eight_lines {
	struct members *ms;
	struct eight_rows rows;
	uint64_t safe;              /* a readable position, used for values that are missing */
	__mmask8 lanes;             /* lines that exist */
	size_t after[MEMBER_LINES]; /* marks, up to each line's end */

	/* Line k: values it has; where the value in slot s stands, as far as it has one: [s][k], its start, its end
	 * << 32. */
	_Alignas(64) uint64_t metrics[MEMBER_LINES], fields[MEMBER_LINES];
	_Alignas(64) uint64_t place[MEMBER_SLOTS][MEMBER_LINES];
};

/* --- marks ------------------------------------------------------------------------ */

static inline void mark_bytes(const char *p, uint64_t within, struct marked *out)
{
	__m512i x = _mm512_loadu_si512(p);
	uint64_t quotes = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"'));

	out->ends = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\n')) & within;
	out->keys = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(':')) & (quotes << 1 | out->quote_last) & within;
	out->blank_behind = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + 1), _mm512_set1_epi8(' '));
	out->quote_last = quotes >> 63;
}

/* Up to 16 at a time: the numbers of marked bytes are compressed, then widened. */
__attribute__((target("avx512vbmi2"))) static inline size_t put_compressed(uint32_t *to, const struct marked *marked,
									   uint32_t from)
{
	const __m512i numbers =
		_mm512_set_epi64(0x7e7c7a7876747270, 0x6e6c6a6866646260, 0x5e5c5a5856545250, 0x4e4c4a4846444240,
				 0x3e3c3a3836343230, 0x2e2c2a2826242220, 0x1e1c1a1816141210, 0x0e0c0a0806040200);
	__m512i found = _mm512_mask_add_epi8(numbers, marked->blank_behind, numbers, _mm512_set1_epi8(1)),
		base = _mm512_set1_epi32((int)from);
	size_t many = (size_t)__builtin_popcountll(marked->keys | marked->ends);

	found = _mm512_maskz_compress_epi8(marked->keys | marked->ends, found);
	_mm512_storeu_si512(to, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
	if (__builtin_expect(many > 16, 0))
		for (size_t i = 16; i < many; i += 16) {
			found = _mm512_shuffle_i64x2(found, found, 0x39); /* the next 16 bytes come first */
			_mm512_storeu_si512(
				to + i, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
		}
	return many;
}

__attribute__((target("avx512vbmi2"))) void members_find_vbmi2(struct key_marks *m, const char *from, const char *end)
{
	find_marks(mark_bytes, put_compressed, m, from, end);
}

/* --- positions of values ---------------------------------------------------------- */

static inline void put_value_places(uint64_t *to, __m512i start, __m512i end)
{
	const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
	const __m512i high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);

	_mm512_storeu_si512(to, _mm512_permutex2var_epi32(start, low, end));
	_mm512_storeu_si512(to + 8, _mm512_permutex2var_epi32(start, high, end));
}

/* Where values begin, by the marks before them. */
static inline __m512i value_starts(__m512i mark)
{
	const __m512i one = _mm512_set1_epi32(1);

	return _mm512_add_epi32(_mm512_add_epi32(_mm512_srai_epi32(mark, 1), one), _mm512_and_si512(mark, one));
}

/* Lanes whose next key is not in the object that is current after a value and so many closing braces. */
static inline __mmask16 elsewhere(const struct member_keys *keys, __m512i before, __m512i key, __m512i closed)
{
	const __m512i object = _mm512_set1_epi32(MEMBER_OBJECTS - 1);
	__m512i inside = _mm512_and_si512(_mm512_srli_epi32(before, ROLE_INSIDE), object);

	inside = _mm512_or_si512(inside, _mm512_slli_epi32(closed, 4));
	inside = _mm512_permutex2var_epi16(_mm512_load_si512(keys->up[0]), inside, _mm512_load_si512(keys->up[2]));
	return _mm512_test_epi32_mask(_mm512_xor_si512(inside, _mm512_srli_epi32(key, ROLE_PARENT)), object);
}

/* What stands between a value and the next key, or the line end: 16 of them, of which `used` are the line's. It is what
 * the keys on both sides want, or a bit is set; the value ends before it. *values += values that are no objects. */
MEMBERS_TARGET
static inline __mmask16 check_gaps(struct members *ms, size_t at, __mmask16 used, size_t *values)
{
	struct found_keys *found = &ms->found;
	__m512i gap = _mm512_loadu_si512(found->gap + at), key = _mm512_loadu_si512(found->role + at);
	__m512i before = _mm512_loadu_si512(found->role + at - 1),
		start = value_starts(_mm512_loadu_si512(ms->marks.at + at - 1));
	__m512i end = _mm512_sub_epi32(_mm512_srli_epi32(_mm512_loadu_si512(ms->marks.at + at), 1),
				       _mm512_loadu_si512(found->length + at));
	__mmask16 object = _mm512_movepi32_mask(before),
		  is_end = _mm512_test_epi32_mask(key, _mm512_set1_epi32(1 << ROLE_IS_LINE_END));
	__mmask16 crlf =
		_mm512_mask_cmpeq_epi32_mask(is_end, _mm512_srli_epi32(gap, 16), _mm512_set1_epi32('\n' << 8 | '\r'));
	__mmask16 cut = crlf | _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(gap, 24), _mm512_set1_epi32(' ')), wrong;
	__m512i want = _mm512_mask_set1_epi32(_mm512_mask_set1_epi32(_mm512_set1_epi32(','), object, '{'), is_end,
					      '\n'),
		closed;

	/* The separator is in the highest byte then, and before it what closes objects. */
	gap = _mm512_mask_slli_epi32(gap, cut, gap, 8);
	wrong = _mm512_cmpneq_epi32_mask(_mm512_srli_epi32(gap, 24), _mm512_mask_set1_epi32(want, crlf, '\r')) |
		(object & is_end);
	closed = _mm512_slli_epi32(_mm512_xor_si512(gap, _mm512_set1_epi32(0x7d7d7d)), 8);
	closed = _mm512_srli_epi32(_mm512_lzcnt_epi32(_mm512_or_si512(closed, _mm512_set1_epi32(0x80))), 3);
	end = _mm512_sub_epi32(_mm512_mask_sub_epi32(end, cut, end, _mm512_set1_epi32(1)),
			       _mm512_add_epi32(closed, _mm512_set1_epi32(3)));
	wrong |= _mm512_mask_cmpneq_epi32_mask(object, start, end) | elsewhere(ms->keys, before, key, closed);
	put_value_places(found->place + at, start, end);
	*values += (size_t)__builtin_popcount(used & ~object);
	return wrong & used;
}

/* The line k whose marks begin at `first`. Returns the first of the next line; 0: something is out of the ordinary. */
MEMBERS_TARGET
static inline size_t split_line(struct eight_lines *w, size_t k, size_t first)
{
	struct members *ms = w->ms;
	struct line line = { .first = first };
	__mmask16 wrong = 0;
	size_t values = 0;

	if (!find_keys(ms, &line))
		return 0;
	for (size_t at = first; at <= line.end; at += 16) {
		size_t left = line.end + 1 - at;

		wrong |= check_gaps(ms, at, (__mmask16)(left < 16 ? (1u << left) - 1 : 0xffff), &values);
	}
	for (size_t at = first; at <= line.end; at++)
		w->place[ms->found.role[at - 1] & UINT8_MAX][k] = ms->found.place[at];
	w->metrics[k] = line.metrics;
	w->fields[k] = line.fields;
	return fits(ms, &line, values) && !wrong ? line.end + 1 : 0;
}

/* How many of the n lines, from the first on, are valid. */
MEMBERS_TARGET
static inline size_t split_lines(struct eight_lines *w, size_t n)
{
	size_t next = w->ms->marks.next, k = 0;

	for (; k < n && (next = split_line(w, k, next)); k++)
		w->after[k] = next;
	for (size_t i = k; i < MEMBER_LINES; i++)
		w->metrics[i] = w->fields[i] = 0;
	return k;
}

/* --- values ----------------------------------------------------------------------- */

/* A value of each line that has it. */
struct eight_values {
	struct eight_texts texts; /* their places: */
	_Alignas(32) uint32_t start[MEMBER_LINES], end[MEMBER_LINES];
};

static inline void store_places(uint32_t to[MEMBER_LINES], __m256i place)
{
	_mm256_store_si256((__m256i *)(void *)to, place);
}

/* Those in the slot; none is empty where lines are fine. */
static inline void values_in(struct eight_lines *w, size_t slot, __mmask8 present, struct eight_values *v)
{
	__m512i place = _mm512_mask_load_epi64(_mm512_set1_epi64((int64_t)(w->safe * (UINT64_C(1) << 32 | 1))), present,
					       w->place[slot]);
	__m256i start = _mm512_cvtepi64_epi32(place), end = _mm512_cvtepi64_epi32(_mm512_srli_epi64(place, 32));

	w->rows.fine &= (__mmask8)(~present | _mm256_cmpgt_epi32_mask(end, start));
	store_places(v->start, start);
	store_places(v->end, end);
	v->texts = (struct eight_texts){ present & w->rows.fine, v->start, v->end };
}

/* The session's number. */
static inline void compare_numbers(struct eight_rows *r, const struct eight_texts *t, uint8_t *at_point, double want)
{
	struct eight e = numbers_of(r, t, at_point, 0);
	__mmask8 same = e.fine & _mm512_cmp_pd_mask(value_of_eight(&e), _mm512_set1_pd(want), _CMP_EQ_OQ);

	for (unsigned left = t->present & (unsigned)~e.fine; left; left &= left - 1) {
		uint64_t digits;
		int fraction;
		bool negative;
		double value;

		if (read_number(text_of_line(r, t, __builtin_ctz(left)), &digits, &fraction, &negative, &value) &&
		    value == want)
			same |= (__mmask8)(left & -left);
	}
	r->fine &= (__mmask8) ~(t->present & ~same);
}

/* Texts without their quotes; lines that have none there are not fine. */
static inline void unquote(struct eight_rows *r, struct eight_values *v)
{
	for (unsigned left = v->texts.present; left; left &= left - 1) {
		struct slice text = text_of_line(r, &v->texts, __builtin_ctz(left));

		if (text.n < 2 || *text.p != '"' || text.p[text.n - 1] != '"')
			v->texts.present &= (__mmask8) ~(left & -left);
	}
	store_places(v->start, _mm256_add_epi32(load_places(v->start), _mm256_set1_epi32(1)));
	store_places(v->end, _mm256_sub_epi32(load_places(v->end), _mm256_set1_epi32(1)));
	r->fine &= v->texts.present;
}

/* Lines with other events are left to other decoders. */
static inline void check_events(struct eight_rows *r, const struct eight_texts *t)
{
	const __m128i want = _mm_loadu_si128((const __m128i *)(const void *)"\"inference_step\"");

	for (unsigned left = t->present; left; left &= left - 1) {
		struct slice text = text_of_line(r, t, __builtin_ctz(left));

		if (text.n != sizeof want ||
		    _mm_cmpneq_epi8_mask(want, _mm_loadu_si128((const __m128i *)(const void *)text.p)))
			spoil_line(r, __builtin_ctz(left));
	}
}

static inline void fill_phases(struct eight_rows *r, const struct eight_texts *t)
{
	for (unsigned left = t->present; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_of_line(r, t, k);

		r->c->phase[r->row + (size_t)k] = slice_is(text, "decode")    ? PHASE_DECODE
						  : slice_is(text, "prefill") ? PHASE_PREFILL
									      : PHASE_UNKNOWN;
		if (!is_plain(text.p, text.n))
			spoil_line(r, k);
	}
}

/* The session's text, which is plain. */
static inline void compare_texts(struct eight_rows *r, const struct eight_texts *t, struct slice want)
{
	for (unsigned left = t->present; left; left &= left - 1) {
		struct slice text = text_of_line(r, t, __builtin_ctz(left));

		if (text.n != want.n || !same_bytes(want.p, text.p, text.n))
			spoil_line(r, __builtin_ctz(left));
	}
}

static inline bool is_quoted(enum field_id f)
{
	return field_specs[f].kind == KIND_TEXT || f == F_TIMESTAMP || f == F_PHASE;
}

static inline void check_others(struct eight_lines *w, enum field_id f, const struct eight_texts *t, uint8_t *fraction)
{
	bool of_session = field_specs[f].owner == OWNER_SESSION, is_text = field_specs[f].kind == KIND_TEXT;

	if (of_session && is_text)
		compare_texts(&w->rows, t, w->ms->session->v[f].text);
	else if (of_session)
		compare_numbers(&w->rows, t, fraction, w->ms->session->v[f].number);
	else if (is_text)
		fill_texts(&w->rows, t, false);
	else
		skip_numbers(&w->rows, t, fraction);
}

static inline void fill_fields(struct eight_lines *w, size_t i, __mmask8 present)
{
	enum field_id f = w->ms->keys->field[i];
	size_t slot = METRIC_COUNT + i;
	uint8_t *fraction = &w->ms->fraction[slot];
	struct eight_rows *r = &w->rows;
	struct eight_values v;

	values_in(w, slot, present, &v);
	if (is_quoted(f))
		unquote(r, &v);
	switch (f) {
	case F_TIMESTAMP:
		fill_times(r, &v.texts);
		break;
	case F_SESSION_ID:
		fill_texts(r, &v.texts, true);
		break;
	case F_EVENT_TYPE:
		check_events(r, &v.texts);
		break;
	case F_PHASE:
		fill_phases(r, &v.texts);
		break;
	case F_SEQUENCE_LENGTH:
		fill_counts(r, &v.texts, fraction, UINT64_C(1) << 53, r->c->sequence_length + r->row);
		break;
	case F_SEQUENCE:
		fill_small_counts(r, &v.texts, fraction, r->c->sequence);
		break;
	case F_TOKEN_COUNT:
		fill_small_counts(r, &v.texts, fraction, r->c->token_count);
		break;
	case F_BATCH_SIZE:
		fill_small_counts(r, &v.texts, fraction, r->c->batch_size);
		break;
	case F_RECORD:
		fill_ordinals(r, &v.texts, fraction);
		break;
	default:
		check_others(w, f, &v.texts, fraction);
	}
}

/* The values of rows that a line may override. */
static inline void put_defaults(struct eight_lines *w)
{
	struct columns *c = w->rows.c;

	_mm512_mask_storeu_epi64(c->sequence_length + w->rows.row, w->lanes, _mm512_setzero_si512());
	_mm512_mask_storeu_epi64(c->nonfinite + w->rows.row, w->lanes, _mm512_setzero_si512());
	_mm512_mask_storeu_epi64(c->session + w->rows.row, w->lanes,
				 _mm512_set1_epi64((int64_t)(uintptr_t)w->ms->session));
	_mm256_mask_storeu_epi32(c->sequence + w->rows.row, w->lanes, _mm256_setzero_si256());
	_mm256_mask_storeu_epi32(c->batch_size + w->rows.row, w->lanes, _mm256_setzero_si256());
	_mm512_mask_storeu_epi64(c->ordinal + w->rows.row, w->lanes, _mm512_setzero_si512());
	_mm256_mask_storeu_epi32(c->token_count + w->rows.row, w->lanes, _mm256_set1_epi32(1));
	for (size_t row = w->rows.row; row < w->rows.row + (size_t)__builtin_popcount(w->lanes); row++) {
		c->event[row] = EVENT_INFERENCE_STEP;
		c->phase[row] = PHASE_UNKNOWN;
		c->whole[row] = 0;
		c->session_id[row] = (struct slice){ "", 0 };
	}
}

MEMBERS_TARGET
size_t members_take_avx512(struct members *ms, size_t n, struct columns *c)
{
	const struct member_keys *keys = ms->keys;
	uint64_t common = keys->of_session | keys->needed, want = ms->session_fields | keys->needed;
	struct eight_lines w;
	__m512i metrics, fields;
	size_t lines;

	w.ms = ms;
	w.rows = (struct eight_rows){ .base = ms->marks.base, .c = c, .row = c->n, .minute = &ms->minute };
	w.safe = ms->marks.at[ms->marks.next] >> 1;
	w.lanes = (__mmask8)((1u << split_lines(&w, n)) - 1);
	metrics = _mm512_load_si512(w.metrics);
	fields = _mm512_load_si512(w.fields);
	w.rows.fine = w.lanes & _mm512_cmpeq_epi64_mask(_mm512_and_si512(fields, _mm512_set1_epi64((int64_t)common)),
							_mm512_set1_epi64((int64_t)want));
	if (!(w.rows.fine & 1))
		return 0;
	put_defaults(&w);
	for (uint64_t any = (uint64_t)_mm512_reduce_or_epi64(_mm512_maskz_mov_epi64(w.rows.fine, metrics)); any;
	     any &= any - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(any);
		struct eight_values v;

		values_in(&w, m,
			  w.rows.fine & _mm512_test_epi64_mask(metrics, _mm512_set1_epi64((int64_t)metric_bit(m))), &v);
		fill_metrics(&w.rows, &v.texts, m, &ms->fraction[m]);
	}
	for (uint64_t any = (uint64_t)_mm512_reduce_or_epi64(_mm512_maskz_mov_epi64(w.rows.fine, fields)); any;
	     any &= any - 1) {
		size_t i = (size_t)__builtin_ctzll(any);

		fill_fields(&w, i,
			    w.rows.fine & _mm512_test_epi64_mask(fields, _mm512_set1_epi64((int64_t)(any & -any))));
	}
	_mm512_mask_storeu_epi64(c->have + w.rows.row, w.lanes, metrics);
	put_decimal(&w.rows, w.lanes);
	lines = (size_t)__builtin_ctz(~(unsigned)w.rows.fine);
	if (!lines)
		return 0;
	c->n += lines;
	ms->marks.next = w.after[lines - 1];
	ms->marks.lines -= lines;
	return lines;
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
