/* decode_members_avx512.c - lines taken apart at their keys, then eight of them at once, value by value. */
#if defined(__x86_64__)
#include "record/decode_eight.h"
#include "record/decode_layout_x86.h"
#include "record/decode_members_keys.h"

#define MEMBERS_TARGET __attribute__((target("avx512vbmi2,lzcnt,bmi,bmi2,popcnt")))
#define UNROLL_LINES _Pragma("GCC unroll 8")

/* Eight lines. Places count from `base`. */
struct eight_lines {
	struct members *ms;
	const char *base;
	struct columns *c;
	size_t row;	 /* of the first line */
	uint32_t safe;	 /* a place that can be read, for values that are not there */
	__mmask8 lanes;	 /* lines there are */
	__mmask8 fine;	 /* lines that are understood so far */
	__m512i decimal; /* each row's */
	size_t after[MEMBER_LINES]; /* marks, up to each line's end */

	/* Line k: values it has; the value in slot s: [s][k], as far as it has one. */
	_Alignas(64) uint64_t metrics[MEMBER_LINES], fields[MEMBER_LINES];
	_Alignas(64) uint32_t start[MEMBER_SLOTS][MEMBER_LINES], end[MEMBER_SLOTS][MEMBER_LINES];
};

/* --- marks ------------------------------------------------------------------------ */

MEMBERS_TARGET
static inline size_t put_marks(uint32_t *mark, __mmask64 marked, uint32_t from)
{
	const __m512i numbers = _mm512_set_epi64(0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928, 0x2726252423222120,
						 0x1f1e1d1c1b1a1918, 0x1716151413121110, 0x0f0e0d0c0b0a0908, 0x0706050403020100);
	__m512i found = _mm512_maskz_compress_epi8(marked, numbers), base = _mm512_set1_epi32((int)from);
	size_t many = (size_t)__builtin_popcountll(marked);

	_mm512_storeu_si512(mark, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
	if (__builtin_expect(many > 16, 0))
		for (size_t i = 16; i < many; i += 16) {
			found = _mm512_shuffle_i64x2(found, found, 0x39); /* the next 16 bytes come first */
			_mm512_storeu_si512(mark + i, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
		}
	return many;
}

MEMBERS_TARGET
void members_find_avx512(struct key_marks *m, const char *from, const char *end)
{
	const __m512i colon = _mm512_set1_epi8(':'), quote = _mm512_set1_epi8('"'), line_end = _mm512_set1_epi8('\n');
	uint64_t last = 0; /* the byte before was a quote */
	const char *at = from;

	m->base = from;
	m->n = m->next = m->lines = 0;
	for (; at < end && m->n <= KEY_MARKS_MAX - KEY_MARKS_AT_ONCE; at += 64) {
		__m512i x = _mm512_loadu_si512(at);
		uint64_t quotes = _mm512_cmpeq_epi8_mask(x, quote), within = end - at < 64 ? (UINT64_C(1) << (end - at)) - 1 : UINT64_MAX;
		uint64_t ends = _mm512_cmpeq_epi8_mask(x, line_end) & within;
		uint64_t keys = _mm512_cmpeq_epi8_mask(x, colon) & (quotes << 1 | last) & within;

		m->n += put_marks(m->at + m->n, keys | ends, (uint32_t)(at - from));
		m->lines += (size_t)__builtin_popcountll(ends);
		last = quotes >> 63;
	}
	m->upto = at < end ? at : end;
}

/* --- where values stand ----------------------------------------------------------- */

/* Braces that close objects right before p. */
MEMBERS_TARGET
static inline uint64_t closings_before(const char *p)
{
	return _lzcnt_u64(load8(p - 8) ^ UINT64_C(0x7d7d7d7d7d7d7d7d)) / 8;
}

static inline void place_value(struct eight_lines *w, int k, const struct member_key *key, uint32_t start, uint32_t end)
{
	w->start[key->slot][k] = start;
	w->end[key->slot][k] = end;
}

/* The line at `begin`, whose marks are at m->at + next. What stands between its values is what their keys want; what
 * does not have an object's form shows in `wrong`. Returns the number of its marks; 0: something is out of the ordinary. */
MEMBERS_TARGET
static inline size_t take_apart(struct eight_lines *w, int k, size_t next, uint32_t begin)
{
	const struct member_keys *keys = w->ms->keys;
	const uint32_t *first = w->ms->marks.at + next, *mark = first;
	const char *base = w->base, *stop;
	const struct member_key *before = &keys->key[KEY_TOP]; /* the key of the value before */
	uint32_t start = begin, end;			       /* of that value */
	uint64_t metrics = 0, fields = 0, values = 0, closed, wrong = 0;

	for (; base[*mark] != '\n'; mark++) {
		const char *colon = base + *mark;
		__m256i text = _mm256_loadu_si256((const __m256i *)(const void *)(colon - 1 - MEMBER_KEY_BYTES));
		uint32_t length = _lzcnt_u32(_mm256_cmpeq_epi8_mask(text, _mm256_set1_epi8('"')));
		const char *quote = colon - 2 - length, *separator = quote - 1 - (quote[-1] == ' ');
		const struct member_key *key = &keys->key[keys->index[member_index(keys, member_mix(quote + 1, length))]];
		__mmask32 in_key = (__mmask32)(UINT64_C(0xffffffff) << (32 - length));

		wrong |= _mm256_mask_cmpneq_epi8_mask(in_key, text, _mm256_load_si256((const __m256i *)(const void *)key->text));
		wrong |= length ^ key->length;
		closed = closings_before(separator);
		end = (uint32_t)(separator - base) - (uint32_t)closed;
		wrong |= (unsigned char)*separator ^ before->separator;
		wrong |= (end - start) & before->object;
		wrong |= keys->up[closed][before->inside] ^ key->parent;
		place_value(w, k, before, start, end);
		metrics |= key->metric;
		fields |= key->field;
		values += !key->object;
		start = *mark + 1 + (colon[1] == ' ');
		before = key;
	}
	stop = base + *mark;
	stop -= stop[-1] == '\r';
	closed = closings_before(stop);
	end = (uint32_t)(stop - base) - (uint32_t)closed;
	wrong |= closed ^ keys->depth[before->inside];
	wrong |= before->object;
	wrong |= values ^ (uint64_t)(__builtin_popcountll(metrics) + __builtin_popcountll(fields)); /* one stands twice */
	wrong |= *mark - begin > LAYOUT_LINE_MAX;
	place_value(w, k, before, start, end);
	w->metrics[k] = metrics;
	w->fields[k] = fields;
	return wrong ? 0 : (size_t)(mark + 1 - first);
}

/* How many of the n lines are built as they should be, from the first on. */
MEMBERS_TARGET
static inline size_t take_lines_apart(struct eight_lines *w, uint32_t begin, size_t n)
{
	const struct key_marks *m = &w->ms->marks;
	size_t next = m->next, marks, k = 0;

	for (; k < n && (marks = take_apart(w, (int)k, next, begin)); k++) {
		next += marks;
		begin = m->at[next - 1] + 1;
		w->after[k] = next;
	}
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

static inline __m256i load_places(const uint32_t *from)
{
	return _mm256_load_si256((const __m256i *)(const void *)from);
}

/* Those in the slot; none is empty where lines are fine. */
static inline struct eight_values values_in(struct eight_lines *w, size_t slot, __mmask8 present)
{
	__m256i safe = _mm256_set1_epi32((int)w->safe);
	struct eight_values v = { present, _mm256_mask_mov_epi32(safe, present, load_places(w->start[slot])),
				  _mm256_mask_mov_epi32(safe, present, load_places(w->end[slot])) };

	w->fine &= (__mmask8)(~present | _mm256_cmpgt_epi32_mask(v.end, v.start));
	v.present &= w->fine;
	return v;
}

static inline struct slice text_at(const struct eight_lines *w, size_t slot, int k)
{
	return (struct slice){ w->base + w->start[slot][k], w->end[slot][k] - w->start[slot][k] };
}

static inline void learn_fraction(uint8_t *fraction, const struct eight *e, __mmask8 present)
{
	int64_t last = _mm512_reduce_max_epi64(_mm512_maskz_mov_epi64(e->fine & present, e->fraction));

	*fraction = last <= FRACTION_MAX ? (uint8_t)last : *fraction;
}

static inline __m512i lengths_of(const struct eight_values *v)
{
	return _mm512_cvtepi32_epi64(_mm256_sub_epi32(v->end, v->start));
}

/* Numbers of 8 characters at most. */
static inline struct eight numbers_of(const struct eight_lines *w, size_t slot, const struct eight_values *v, int decimals)
{
	__m512i length = lengths_of(v), text = texts_of_eight(w->base, v->end);
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

/* A number of more characters, or a negative one. */
static bool take_long(struct slice text, uint64_t *digits, int *fraction, bool *negative, double *value)
{
	*negative = *text.p == '-';
	if (!layout_decimal(X86_STEPS, text.p + *negative, text.p + text.n, digits, fraction) ||
	    !decimal_to_double(*digits, -*fraction, value))
		return false;
	*value = *negative ? -*value : *value;
	return true;
}

static bool take_long_metric(struct eight_lines *w, enum metric_id m, int k)
{
	size_t row = w->row + (size_t)k;
	uint64_t digits;
	int fraction;
	bool negative;

	if (!take_long(text_at(w, m, k), &digits, &fraction, &negative, &w->c->value[m][row]))
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
	struct eight e = take_eight_long(w->base, v->start, v->end);
	uint64_t number[MEMBER_LINES], fraction[MEMBER_LINES];
	unsigned slow = v->present & (unsigned)~e.fine;

	_mm512_storeu_si512(number, e.number);
	_mm512_storeu_si512(fraction, e.fraction);
	for (unsigned left = v->present & e.fine; left; left &= left - 1) {
		int k = __builtin_ctz(left);

		if (!decimal_to_double(number[k], -(int)fraction[k], &w->c->value[m][w->row + (size_t)k]))
			slow |= 1u << k;
	}
	take_long_metrics(w, m, slow);
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

		if (take_long(text_at(w, slot, __builtin_ctz(left)), &digits, &fraction, &negative, &value) && value == want)
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
		w->start[slot][k]++;
		w->end[slot][k]--;
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
		__m128i text = _mm_loadu_si128((const __m128i *)(const void *)(w->base + w->start[slot][__builtin_ctz(left)]));

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
size_t members_take_avx512(struct members *ms, const char *p, size_t n, struct columns *c)
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
	w.safe = (uint32_t)(p - w.base);
	w.lanes = (__mmask8)((1u << take_lines_apart(&w, w.safe, n)) - 1);
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
