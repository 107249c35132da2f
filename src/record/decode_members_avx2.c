/* decode_members_avx2.c - splits lines at their keys, one line at a time. */
#if defined(__x86_64__)
#include "record/decode_members_x86.h"

/* --- marks ------------------------------------------------------------------------ */

static inline uint64_t equal_64(const char *p, char c)
{
	__m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
	const __m256i want = _mm256_set1_epi8(c);

	return (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, want)) << 32 |
	       (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, want));
}

static inline void mark_bytes(const char *p, uint64_t within, struct marked *out)
{
	uint64_t quotes = equal_64(p, '"');

	out->ends = equal_64(p, '\n') & within;
	out->keys = equal_64(p, ':') & (quotes << 1 | out->quote_last) & within;
	out->blank_behind = equal_64(p + 1, ' ');
	out->quote_last = quotes >> 63;
}

void members_find_avx2(struct key_marks *m, const char *from, const char *end)
{
	find_marks(mark_bytes, put_by_bits, m, from, end);
}

/* --- positions of values ---------------------------------------------------------- */

/* The row that is being built from a line. */
struct row {
	struct members *ms;
	struct columns *c;
	size_t at;
	uint64_t decimal;
	uint64_t place[MEMBER_SLOTS]; /* of its values: start, end << 32 */
};

/* Returns 0 if the text between a value and the next key, or the line end, is what the keys on both sides require. The
 * value ends before that text. */
MEMBERS_TARGET
static inline uint32_t check_gap(const struct members *ms, size_t i, uint64_t *place)
{
	const struct found_keys *found = &ms->found;
	uint32_t gap = found->gap[i], key = found->role[i], before = found->role[i - 1], mark = ms->marks.at[i - 1];
	uint32_t object = before >> ROLE_IS_OBJECT, is_end = key >> ROLE_IS_LINE_END & 1;
	uint32_t is_crlf = is_end & (gap >> 16 == ('\n' << 8 | '\r')), cut = is_crlf | (gap >> 24 == ' ');
	uint32_t start = ((mark + 2) >> 1) + (mark & 1), end, closed;
	uint32_t want = is_end ? is_crlf ? '\r' : '\n' : object ? '{' : ',';

	/* The separator is in the highest byte then, and before it what closes objects. */
	gap <<= 8 * cut;
	closed = _lzcnt_u32((gap ^ 0x7d7d7d) << 8 | 0x80) / 8;
	end = (ms->marks.at[i] >> 1) - found->length[i] - 3 - cut - closed;
	*place = start | (uint64_t)end << 32;
	return (gap >> 24 ^ want) | (object & is_end) | (object & (start != end)) |
	       (ms->keys->up[closed][before >> ROLE_INSIDE & (MEMBER_OBJECTS - 1)] ^
		(key >> ROLE_PARENT & (MEMBER_OBJECTS - 1)));
}

/* Returns the mark after the line whose marks begin at `first`; 0: the line is unusual. */
MEMBERS_TARGET
static inline size_t split_line(struct row *r, size_t first, struct line *line)
{
	uint32_t wrong = 0;
	size_t values = 0;

	line->first = first;
	if (!find_keys(r->ms, line))
		return 0;
	for (size_t i = first; i <= line->end; i++) {
		uint32_t before = r->ms->found.role[i - 1];

		wrong |= check_gap(r->ms, i, &r->place[before & UINT8_MAX]);
		values += !(before >> ROLE_IS_OBJECT);
	}
	return fits(r->ms, line, values) && !wrong ? line->end + 1 : 0;
}

/* --- values ----------------------------------------------------------------------- */

/* False: it is empty. */
static inline bool value_in(const struct row *r, size_t slot, struct slice *out)
{
	int64_t start = (int32_t)r->place[slot], end = (int32_t)(r->place[slot] >> 32);

	*out = (struct slice){ r->ms->marks.base + start, (size_t)(end - start) };
	return end > start;
}

static inline bool unquote(struct slice *text)
{
	if (text->n < 2 || *text->p != '"' || text->p[text->n - 1] != '"')
		return false;
	*text = (struct slice){ text->p + 1, text->n - 2 };
	return true;
}

static inline bool fill_metric(struct row *r, enum metric_id m)
{
	struct slice text;
	uint64_t digits;
	int fraction;
	bool negative;

	if (!value_in(r, m, &text) || !read_number(text, &digits, &fraction, &negative, &r->c->value[m][r->at]))
		return false;
	if (decimal_scale(m, digits, fraction, negative, &r->c->scaled[m][r->at])) {
		r->c->value[m][r->at] = (double)r->c->scaled[m][r->at] / metric_specs[m].scale;
		r->decimal |= metric_bit(m);
	}
	return true;
}

static inline bool parse_small_count(struct slice text, uint32_t *out)
{
	uint64_t count;

	if (!read_count(text, UINT32_MAX, &count))
		return false;
	*out = (uint32_t)count;
	return true;
}

static inline bool parse_ordinal(struct slice text, uint64_t *out)
{
	uint64_t number;

	if (!read_count(text, UINT64_C(1) << 53, &number))
		return false;
	*out = number + 1;
	return true;
}

static bool is_session_number(struct slice text, double want)
{
	uint64_t digits;
	int fraction;
	bool negative;
	double value;

	return read_number(text, &digits, &fraction, &negative, &value) && value == want;
}

static inline bool parse_phase(struct slice text, uint8_t *out)
{
	if (!unquote(&text) || !is_plain(text.p, text.n))
		return false;
	*out = slice_is(text, "decode") ? PHASE_DECODE : slice_is(text, "prefill") ? PHASE_PREFILL : PHASE_UNKNOWN;
	return true;
}

static bool check_other(const struct row *r, enum field_id f, struct slice text)
{
	bool of_session = field_specs[f].owner == OWNER_SESSION, is_text = field_specs[f].kind == KIND_TEXT;
	const union field_value *want = &r->ms->session->v[f];

	if (!is_text)
		return of_session ? is_session_number(text, want->number) : is_number(text);
	if (!unquote(&text))
		return false;
	return of_session ? text.n == want->text.n && same_bytes(want->text.p, text.p, text.n)
			  : is_plain(text.p, text.n);
}

static inline bool fill_field(struct row *r, size_t i)
{
	enum field_id f = r->ms->keys->field[i];
	struct columns *c = r->c;
	struct slice text;

	if (!value_in(r, METRIC_COUNT + i, &text))
		return false;
	switch (f) {
	case F_TIMESTAMP:
		return unquote(&text) && is_plain(text.p, text.n) &&
		       minute_time(&r->ms->minute, text, &c->time_us[r->at]);
	case F_SESSION_ID:
		if (!unquote(&text) || !is_plain(text.p, text.n))
			return false;
		c->session_id[r->at] = text;
		return true;
	case F_EVENT_TYPE:
		return slice_is(text, "\"inference_step\"");
	case F_PHASE:
		return parse_phase(text, &c->phase[r->at]);
	case F_SEQUENCE_LENGTH:
		return read_count(text, UINT64_C(1) << 53, &c->sequence_length[r->at]);
	case F_SEQUENCE:
		return parse_small_count(text, &c->sequence[r->at]);
	case F_TOKEN_COUNT:
		return parse_small_count(text, &c->token_count[r->at]);
	case F_BATCH_SIZE:
		return parse_small_count(text, &c->batch_size[r->at]);
	case F_RECORD:
		return parse_ordinal(text, &c->ordinal[r->at]);
	default:
		return check_other(r, f, text);
	}
}

/* The values of a row that the line may override. */
static inline void put_defaults(const struct row *r)
{
	struct columns *c = r->c;

	c->sequence_length[r->at] = c->nonfinite[r->at] = 0;
	c->sequence[r->at] = c->batch_size[r->at] = 0;
	c->ordinal[r->at] = 0;
	c->token_count[r->at] = 1;
	c->event[r->at] = EVENT_INFERENCE_STEP;
	c->phase[r->at] = PHASE_UNKNOWN;
	c->whole[r->at] = 0;
	c->session[r->at] = r->ms->session;
	c->session_id[r->at] = (struct slice){ "", 0 };
}

static inline bool fill_row(struct row *r, const struct line *line)
{
	const struct member_keys *keys = r->ms->keys;

	if ((line->fields & (keys->of_session | keys->needed)) != (r->ms->session_fields | keys->needed))
		return false;
	put_defaults(r);
	for (uint64_t left = line->metrics; left; left &= left - 1)
		if (!fill_metric(r, (enum metric_id)__builtin_ctzll(left)))
			return false;
	for (uint64_t left = line->fields; left; left &= left - 1)
		if (!fill_field(r, (size_t)__builtin_ctzll(left)))
			return false;
	return true;
}

MEMBERS_TARGET
size_t members_take_avx2(struct members *ms, size_t n, struct columns *c)
{
	struct row r;
	size_t lines = 0, next;

	r.ms = ms;
	r.c = c;
	for (struct line line; lines < n; lines++) {
		r.at = c->n;
		r.decimal = 0;
		next = split_line(&r, ms->marks.next, &line);
		if (!next || !fill_row(&r, &line))
			break;
		c->have[r.at] = line.metrics;
		c->decimal[r.at] = r.decimal;
		c->n++;
		ms->marks.next = next;
		ms->marks.lines--;
	}
	return lines;
}
#else
typedef int no_avx2_here; /* a translation unit is not empty */
#endif
