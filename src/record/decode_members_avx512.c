/* decode_members_avx512.c - lines taken apart at their keys, then eight of them at once, value by value. */
#if defined(__x86_64__)
#include "record/decode_eight.h"
#include "record/decode_members_x86.h"

/* Eight lines. Places count from `base`. */
struct eight_lines {
	struct members *ms;
	const char *base;
	struct columns *c;
	size_t row;	 /* of the first line */
	uint64_t safe;	 /* a place that can be read, for values that are not there */
	__mmask8 lanes;	 /* lines there are */
	__mmask8 fine;	 /* lines that are understood so far */
	__m512i decimal; /* each row's */
	size_t after[MEMBER_LINES]; /* marks, up to each line's end */

	/* Line k: values it has; where the value in slot s stands, as far as it has one: [s][k], its start, its end << 32. */
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
__attribute__((target("avx512vbmi2")))
static inline size_t put_compressed(uint32_t *to, const struct marked *marked, uint32_t from)
{
	const __m512i numbers = _mm512_set_epi64(0x7e7c7a7876747270, 0x6e6c6a6866646260, 0x5e5c5a5856545250, 0x4e4c4a4846444240,
						 0x3e3c3a3836343230, 0x2e2c2a2826242220, 0x1e1c1a1816141210, 0x0e0c0a0806040200);
	__m512i found = _mm512_mask_add_epi8(numbers, marked->blank_behind, numbers, _mm512_set1_epi8(1)), base = _mm512_set1_epi32((int)from);
	size_t many = (size_t)__builtin_popcountll(marked->keys | marked->ends);

	found = _mm512_maskz_compress_epi8(marked->keys | marked->ends, found);
	_mm512_storeu_si512(to, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
	if (__builtin_expect(many > 16, 0))
		for (size_t i = 16; i < many; i += 16) {
			found = _mm512_shuffle_i64x2(found, found, 0x39); /* the next 16 bytes come first */
			_mm512_storeu_si512(to + i, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
		}
	return many;
}

__attribute__((target("avx512vbmi2")))
void members_find_vbmi2(struct key_marks *m, const char *from, const char *end)
{
	find_marks(mark_bytes, put_compressed, m, from, end);
}

/* --- where values stand ----------------------------------------------------------- */

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

/* Lanes whose next key does not stand in the object where one is behind a value, after so many closings. */
static inline __mmask16 elsewhere(const struct member_keys *keys, __m512i before, __m512i key, __m512i closed)
{
	const __m512i object = _mm512_set1_epi32(MEMBER_OBJECTS - 1);
	__m512i inside = _mm512_and_si512(_mm512_srli_epi32(before, ROLE_INSIDE), object);

	inside = _mm512_or_si512(inside, _mm512_slli_epi32(closed, 4));
	inside = _mm512_permutex2var_epi16(_mm512_load_si512(keys->up[0]), inside, _mm512_load_si512(keys->up[2]));
	return _mm512_test_epi32_mask(_mm512_xor_si512(inside, _mm512_srli_epi32(key, ROLE_PARENT)), object);
}

/* What stands between a value and the next key, or the line end: 16 of them, of which `used` are the line's. It is what the
 * keys on both sides want, or a bit is set; the value ends before it. *values += values that are no objects. */
MEMBERS_TARGET
static inline __mmask16 check_gaps(struct members *ms, size_t at, __mmask16 used, size_t *values)
{
	struct found_keys *found = &ms->found;
	__m512i gap = _mm512_loadu_si512(found->gap + at), key = _mm512_loadu_si512(found->role + at);
	__m512i before = _mm512_loadu_si512(found->role + at - 1), start = value_starts(_mm512_loadu_si512(ms->marks.at + at - 1));
	__m512i end = _mm512_sub_epi32(_mm512_srli_epi32(_mm512_loadu_si512(ms->marks.at + at), 1), _mm512_loadu_si512(found->length + at));
	__mmask16 object = _mm512_movepi32_mask(before), is_end = _mm512_test_epi32_mask(key, _mm512_set1_epi32(1 << ROLE_IS_LINE_END));
	__mmask16 crlf = _mm512_mask_cmpeq_epi32_mask(is_end, _mm512_srli_epi32(gap, 16), _mm512_set1_epi32('\n' << 8 | '\r'));
	__mmask16 cut = crlf | _mm512_cmpeq_epi32_mask(_mm512_srli_epi32(gap, 24), _mm512_set1_epi32(' ')), wrong;
	__m512i want = _mm512_mask_set1_epi32(_mm512_mask_set1_epi32(_mm512_set1_epi32(','), object, '{'), is_end, '\n'), closed;

	/* The separator is in the highest byte then, and before it what closes objects. */
	gap = _mm512_mask_slli_epi32(gap, cut, gap, 8);
	wrong = _mm512_cmpneq_epi32_mask(_mm512_srli_epi32(gap, 24), _mm512_mask_set1_epi32(want, crlf, '\r')) | (object & is_end);
	closed = _mm512_slli_epi32(_mm512_xor_si512(gap, _mm512_set1_epi32(0x7d7d7d)), 8);
	closed = _mm512_srli_epi32(_mm512_lzcnt_epi32(_mm512_or_si512(closed, _mm512_set1_epi32(0x80))), 3);
	end = _mm512_sub_epi32(_mm512_mask_sub_epi32(end, cut, end, _mm512_set1_epi32(1)), _mm512_add_epi32(closed, _mm512_set1_epi32(3)));
	wrong |= _mm512_mask_cmpneq_epi32_mask(object, start, end) | elsewhere(ms->keys, before, key, closed);
	put_value_places(found->place + at, start, end);
	*values += (size_t)__builtin_popcount(used & ~object);
	return wrong & used;
}

/* The line k whose marks begin at `first`. Returns the first of the next line; 0: something is out of the ordinary. */
MEMBERS_TARGET
static inline size_t take_apart(struct eight_lines *w, size_t k, size_t first)
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

/* How many of the n lines are built as they should be, from the first on. */
MEMBERS_TARGET
static inline size_t take_lines_apart(struct eight_lines *w, size_t n)
{
	size_t next = w->ms->marks.next, k = 0;

	for (; k < n && (next = take_apart(w, k, next)); k++)
		w->after[k] = next;
	for (size_t i = k; i < MEMBER_LINES; i++)
		w->metrics[i] = w->fields[i] = 0;
	return k;
}

/* --- values ----------------------------------------------------------------------- */

/* A value of each line that has it. */
struct eight_values {
	__mmask8 present;
	__m256i start, end;
};

/* Those in the slot; none is empty where lines are fine. */
static inline struct eight_values values_in(struct eight_lines *w, size_t slot, __mmask8 present)
{
	__m512i place = _mm512_mask_load_epi64(_mm512_set1_epi64((int64_t)(w->safe * (UINT64_C(1) << 32 | 1))), present, w->place[slot]);
	struct eight_values v = { present, _mm512_cvtepi64_epi32(place), _mm512_cvtepi64_epi32(_mm512_srli_epi64(place, 32)) };

	w->fine &= (__mmask8)(~present | _mm256_cmpgt_epi32_mask(v.end, v.start));
	v.present &= w->fine;
	return v;
}

static inline struct slice text_at(const struct eight_lines *w, size_t slot, int k)
{
	uint32_t start = (uint32_t)w->place[slot][k], end = (uint32_t)(w->place[slot][k] >> 32);

	return (struct slice){ w->base + start, end - start };
}

static inline void learn_fraction(uint8_t *fraction, const struct eight *e, __mmask8 present)
{
	int64_t last = _mm512_reduce_max_epi64(_mm512_maskz_mov_epi64(e->fine & present, e->fraction));

	*fraction = last <= FRACTION_MAX ? (uint8_t)last : *fraction;
}

struct places {
	_Alignas(32) uint32_t at[MEMBER_LINES];
};

static inline struct places places_of(__m256i v)
{
	struct places p;

	_mm256_store_si256((__m256i *)(void *)p.at, v);
	return p;
}

static inline __m512i lengths_of(const struct eight_values *v)
{
	return _mm512_cvtepi32_epi64(_mm256_sub_epi32(v->end, v->start));
}

/* Numbers of 8 characters at most. */
static inline struct eight numbers_of(const struct eight_lines *w, size_t slot, const struct eight_values *v, int decimals)
{
	__m512i length = lengths_of(v), text = texts_of_eight(w->base, places_of(v->end).at);
	uint8_t *fraction = &w->ms->fraction[slot];
	int lacking = decimals - *fraction;
	struct eight e;

	e.fine = take_eight_alike(text, length, *fraction, &e.number);
	if ((v->present & ~e.fine) || lacking < 0) {
		e = take_eight(text, length, _mm512_set1_epi64(decimals));
		learn_fraction(fraction, &e, v->present);
		return e;
	}
	e.fraction = _mm512_set1_epi64(*fraction);
	e.scaled = lacking ? _mm512_mul_epu32(e.number, _mm512_set1_epi64((int64_t)whole_power[lacking])) : e.number;
	e.whole = *fraction ? 0 : 0xff;
	e.decimal = 0xff;
	return e;
}

static bool take_long_metric(struct eight_lines *w, enum metric_id m, int k)
{
	size_t row = w->row + (size_t)k;
	uint64_t digits;
	int fraction;
	bool negative;

	if (!read_number(text_at(w, m, k), &digits, &fraction, &negative, &w->c->value[m][row]))
		return false;
	if (decimal_scale(m, digits, fraction, negative, &w->c->scaled[m][row]))
		w->decimal = _mm512_mask_or_epi64(w->decimal, (__mmask8)(1u << k), w->decimal, _mm512_set1_epi64((int64_t)metric_bit(m)));
	return true;
}

static void take_long_metrics(struct eight_lines *w, enum metric_id m, unsigned left)
{
	for (; left; left &= left - 1)
		if (!take_long_metric(w, m, __builtin_ctz(left)))
			w->fine &= (__mmask8)~(left & -left);
}

/* Doubles in full: they have more digits than the metric's decimals. */
static void take_full_metrics(struct eight_lines *w, enum metric_id m, const struct eight_values *v)
{
	struct eight e = take_eight_long(w->base, places_of(v->start).at, places_of(v->end).at);
	__m512d value;
	__mmask8 sure = divide_eight(e.number, e.fraction, &value) & e.fine;

	_mm512_mask_storeu_pd(w->c->value[m] + w->row, v->present, value);
	take_long_metrics(w, m, v->present & (unsigned)~sure);
}

static inline void take_metrics(struct eight_lines *w, enum metric_id m, __mmask8 present)
{
	struct eight_values v = values_in(w, m, present);
	struct eight e;
	__mmask8 scaled;

	if ((_mm512_cmpgt_epi64_mask(lengths_of(&v), _mm512_set1_epi64(8)) & v.present) == v.present) {
		take_full_metrics(w, m, &v);
		return;
	}
	e = numbers_of(w, m, &v, metric_specs[m].decimals);
	scaled = e.fine & e.decimal & v.present;
	_mm512_mask_storeu_epi64(w->c->scaled[m] + w->row, v.present, e.scaled);
	w->decimal = _mm512_mask_or_epi64(w->decimal, scaled, w->decimal, _mm512_set1_epi64((int64_t)metric_bit(m)));
	if (scaled == v.present)
		return;
	_mm512_mask_storeu_pd(w->c->value[m] + w->row, v.present, value_of_eight(&e));
	take_long_metrics(w, m, v.present & (unsigned)~e.fine);
}

/* Whole numbers of at most `most`; 0 where there is none. */
static inline void take_counts(struct eight_lines *w, size_t slot, const struct eight_values *v, uint64_t most, uint64_t out[MEMBER_LINES])
{
	struct eight e = numbers_of(w, slot, v, 0);

	_mm512_mask_storeu_epi64(out, v->present, e.number);
	for (unsigned left = v->present & (unsigned)~(e.fine & e.whole); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(w, slot, k);

		if (!take_count(X86_STEPS, text.p, text.p + text.n, most, &out[k]))
			w->fine &= (__mmask8)~(1u << k);
	}
}

static inline void take_small_counts(struct eight_lines *w, size_t slot, const struct eight_values *v, uint32_t *column)
{
	uint64_t count[MEMBER_LINES];

	take_counts(w, slot, v, UINT32_MAX, count);
	for (unsigned left = v->present; left; left &= left - 1) {
		int k = __builtin_ctz(left);

		column[w->row + (size_t)k] = (uint32_t)count[k];
	}
}

/* Numbers that have no column have to be numbers all the same. */
static inline void skip_numbers(struct eight_lines *w, size_t slot, const struct eight_values *v)
{
	struct eight e = numbers_of(w, slot, v, 0);

	for (unsigned left = v->present & (unsigned)~e.fine; left; left &= left - 1) {
		struct slice text = text_at(w, slot, __builtin_ctz(left));

		if (!skip_number(X86_STEPS, text.p, text.p + text.n))
			w->fine &= (__mmask8)~(left & -left);
	}
}

/* The session's number. */
static inline void compare_numbers(struct eight_lines *w, size_t slot, const struct eight_values *v, double want)
{
	struct eight e = numbers_of(w, slot, v, 0);
	__mmask8 same = e.fine & _mm512_cmp_pd_mask(value_of_eight(&e), _mm512_set1_pd(want), _CMP_EQ_OQ);

	for (unsigned left = v->present & (unsigned)~e.fine; left; left &= left - 1) {
		uint64_t digits;
		int fraction;
		bool negative;
		double value;

		if (read_number(text_at(w, slot, __builtin_ctz(left)), &digits, &fraction, &negative, &value) && value == want)
			same |= (__mmask8)(left & -left);
	}
	w->fine &= (__mmask8)~(v->present & ~same);
}

/* Texts without their quotes; lines that have none there are not fine. */
static inline void unquote(struct eight_lines *w, size_t slot, struct eight_values *v)
{
	for (unsigned left = v->present; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(w, slot, k);

		if (text.n < 2 || *text.p != '"' || text.p[text.n - 1] != '"')
			v->present &= (__mmask8)~(1u << k);
		w->place[slot][k] -= (UINT64_C(1) << 32) - 1;
	}
	v->start = _mm256_add_epi32(v->start, _mm256_set1_epi32(1));
	v->end = _mm256_sub_epi32(v->end, _mm256_set1_epi32(1));
	w->fine &= v->present;
}

/* "2025-09-11T12:34:56.789Z" within the minute that is known; which of them are. */
static inline __mmask8 take_milliseconds_of_8(struct eight_lines *w, size_t slot, const struct eight_values *v)
{
	const __m512i form = _mm512_set1_epi64(0x5a3030302e30303a); /* ":00.000Z" */
	const __m512i most = _mm512_set1_epi64(0x0009090900090500);
	__m256i length = _mm256_sub_epi32(v->end, v->start);
	__mmask8 fine = _mm256_cmpeq_epi32_mask(length, _mm256_set1_epi32(24)) & v->present;
	__m512i digits = _mm512_xor_si512(_mm512_i32gather_epi64(v->start, w->base + MINUTE_BYTES, 1), form), ms, us;
	__m128i minute = _mm_loadu_si128((const __m128i *)(const void *)w->ms->minute.text);

	fine &= (__mmask8)~_mm512_test_epi64_mask(_mm512_movm_epi8(_mm512_cmpgt_epu8_mask(digits, most)), _mm512_set1_epi64(-1));
	for (unsigned left = fine; left; left &= left - 1) {
		__m128i text = _mm_loadu_si128((const __m128i *)(const void *)(w->base + (uint32_t)w->place[slot][__builtin_ctz(left)]));

		if (_mm_cmpneq_epi8_mask(text, minute))
			fine &= (__mmask8)~(left & -left);
	}
	ms = _mm512_maddubs_epi16(digits, _mm512_set1_epi64(0x00010a6400010a00)); /* tens, ones; hundreds + tens, ones */
	ms = _mm512_madd_epi16(ms, _mm512_set1_epi64(0x0001000103e803e8));	  /* milliseconds of the seconds; the rest */
	ms = _mm512_add_epi64(_mm512_srli_epi64(ms, 32), _mm512_and_si512(ms, _mm512_set1_epi64(0xffffffff)));
	us = _mm512_add_epi64(_mm512_mul_epu32(ms, _mm512_set1_epi64(1000)), _mm512_set1_epi64(w->ms->minute.us));
	_mm512_mask_storeu_epi64(w->c->time_us + w->row, fine, us);
	return fine;
}

static inline void take_times(struct eight_lines *w, size_t slot, struct eight_values *v)
{
	unquote(w, slot, v);
	for (unsigned left = v->present & (unsigned)~take_milliseconds_of_8(w, slot, v); left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(w, slot, k);

		if (!is_plain(text.p, text.n) || !layout_time(&w->ms->minute, text, &w->c->time_us[w->row + (size_t)k]))
			w->fine &= (__mmask8)~(1u << k);
	}
}

/* Other events go another way. */
static inline void take_events(struct eight_lines *w, size_t slot, const struct eight_values *v)
{
	const __m128i want = _mm_loadu_si128((const __m128i *)(const void *)"\"inference_step\"");

	for (unsigned left = v->present; left; left &= left - 1) {
		struct slice text = text_at(w, slot, __builtin_ctz(left));

		if (text.n != sizeof want || _mm_cmpneq_epi8_mask(want, _mm_loadu_si128((const __m128i *)(const void *)text.p)))
			w->fine &= (__mmask8)~(left & -left);
	}
}

static inline void take_phases(struct eight_lines *w, size_t slot, struct eight_values *v)
{
	unquote(w, slot, v);
	for (unsigned left = v->present; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(w, slot, k);

		w->c->phase[w->row + (size_t)k] = slice_is(text, "decode") ? PHASE_DECODE : slice_is(text, "prefill") ? PHASE_PREFILL : PHASE_UNKNOWN;
		if (!is_plain(text.p, text.n))
			w->fine &= (__mmask8)~(1u << k);
	}
}

static inline void take_texts(struct eight_lines *w, size_t slot, struct eight_values *v, bool is_session)
{
	unquote(w, slot, v);
	for (unsigned left = v->present; left; left &= left - 1) {
		int k = __builtin_ctz(left);
		struct slice text = text_at(w, slot, k);

		if (!is_plain(text.p, text.n))
			w->fine &= (__mmask8)~(1u << k);
		if (is_session)
			w->c->session_id[w->row + (size_t)k] = text;
	}
}

/* The session's text, which is plain. */
static inline void compare_texts(struct eight_lines *w, size_t slot, struct eight_values *v, struct slice want)
{
	unquote(w, slot, v);
	for (unsigned left = v->present; left; left &= left - 1) {
		struct slice text = text_at(w, slot, __builtin_ctz(left));

		if (text.n != want.n || !same_bytes(want.p, text.p, text.n))
			w->fine &= (__mmask8)~(left & -left);
	}
}

static inline void take_others(struct eight_lines *w, size_t slot, enum field_id f, struct eight_values *v)
{
	bool of_session = field_specs[f].owner == OWNER_SESSION, is_text = field_specs[f].kind == KIND_TEXT;

	if (of_session && is_text)
		compare_texts(w, slot, v, w->ms->session->v[f].text);
	else if (of_session)
		compare_numbers(w, slot, v, w->ms->session->v[f].number);
	else if (is_text)
		take_texts(w, slot, v, false);
	else
		skip_numbers(w, slot, v);
}

static inline void take_fields(struct eight_lines *w, size_t i, __mmask8 present)
{
	enum field_id f = w->ms->keys->field[i];
	size_t slot = METRIC_COUNT + i;
	struct eight_values v = values_in(w, slot, present);

	switch (f) {
	case F_TIMESTAMP:
		take_times(w, slot, &v);
		break;
	case F_SESSION_ID:
		take_texts(w, slot, &v, true);
		break;
	case F_EVENT_TYPE:
		take_events(w, slot, &v);
		break;
	case F_PHASE:
		take_phases(w, slot, &v);
		break;
	case F_SEQUENCE_LENGTH:
		take_counts(w, slot, &v, UINT64_C(1) << 53, w->c->sequence_length + w->row);
		break;
	case F_SEQUENCE:
		take_small_counts(w, slot, &v, w->c->sequence);
		break;
	case F_TOKEN_COUNT:
		take_small_counts(w, slot, &v, w->c->token_count);
		break;
	default:
		take_others(w, slot, f, &v);
	}
}

/* What rows hold where a line does not say otherwise. */
static inline void put_defaults(struct eight_lines *w)
{
	struct columns *c = w->c;

	_mm512_mask_storeu_epi64(c->sequence_length + w->row, w->lanes, _mm512_setzero_si512());
	_mm512_mask_storeu_epi64(c->nonfinite + w->row, w->lanes, _mm512_setzero_si512());
	_mm512_mask_storeu_epi64(c->session + w->row, w->lanes, _mm512_set1_epi64((int64_t)(uintptr_t)w->ms->session));
	_mm256_mask_storeu_epi32(c->sequence + w->row, w->lanes, _mm256_setzero_si256());
	_mm256_mask_storeu_epi32(c->token_count + w->row, w->lanes, _mm256_set1_epi32(1));
	for (size_t row = w->row; row < w->row + (size_t)__builtin_popcount(w->lanes); row++) {
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
	w.base = ms->marks.base;
	w.c = c;
	w.row = c->n;
	w.decimal = _mm512_setzero_si512();
	w.safe = ms->marks.at[ms->marks.next] >> 1;
	w.lanes = (__mmask8)((1u << take_lines_apart(&w, n)) - 1);
	metrics = _mm512_load_si512(w.metrics);
	fields = _mm512_load_si512(w.fields);
	w.fine = w.lanes & _mm512_cmpeq_epi64_mask(_mm512_and_si512(fields, _mm512_set1_epi64((int64_t)common)), _mm512_set1_epi64((int64_t)want));
	if (!(w.fine & 1))
		return 0;
	put_defaults(&w);
	for (uint64_t any = (uint64_t)_mm512_reduce_or_epi64(_mm512_maskz_mov_epi64(w.fine, metrics)); any; any &= any - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(any);

		take_metrics(&w, m, w.fine & _mm512_test_epi64_mask(metrics, _mm512_set1_epi64((int64_t)metric_bit(m))));
	}
	for (uint64_t any = (uint64_t)_mm512_reduce_or_epi64(_mm512_maskz_mov_epi64(w.fine, fields)); any; any &= any - 1) {
		size_t i = (size_t)__builtin_ctzll(any);

		take_fields(&w, i, w.fine & _mm512_test_epi64_mask(fields, _mm512_set1_epi64((int64_t)(any & -any))));
	}
	_mm512_mask_storeu_epi64(c->have + w.row, w.lanes, metrics);
	_mm512_mask_storeu_epi64(c->decimal + w.row, w.lanes, w.decimal);
	lines = (size_t)__builtin_ctz(~(unsigned)w.fine);
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
