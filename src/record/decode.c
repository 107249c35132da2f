/* decode.c - one JSON line into a record: any key order, unknown keys, other writers' habits.
 *
 * A strict JSON parser but for two things that Python's json writes: bare NaN and
 * Infinity. Lines that are built like one before them take a shorter way
 * (decode_layout.h), and so do steps whose keys stand in any order (decode_members.h), with the same result. */
#include "record/codec.h"

#include "base/clock.h"
#include "record/decode_bytes.h"
#include "record/decode_layout.h"
#include "record/decode_members.h"
#include "record/decode_paths.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64, NUMBER_MAX_BYTES = 400, SLOTS = 16, NORMS_MAX = 512 };

const char *const decode_reasons[DECODE_RESULT_COUNT] = {
	[DECODE_OK] = "fine",
#define LINE(name, en, zh) [DECODE_##name] = (en),
#include "spec/skipped.def"
};

/* --- the line -------------------------------------------------------------------- */

/* The fields of a line, or of several that have the same. */
struct decoder_slot {
	struct field_values session; /* SESSION fields */
	struct field_values extra;   /* EXTRA fields */
	struct buf unescaped;	     /* texts that had escapes */
	struct buf norms;	     /* floats: norms of layers */
};

struct parser {
	const char *p, *end;
	const struct paths *paths;
	const struct field_map *map; /* NULL: the line is ours */
	struct decoder_slot *slot;
	struct decoded *decoded;
	struct record *out; /* of it */
	struct slice line;
	struct leaves *leaves; /* noted for learning; NULL: not wanted */
	bool has_event, bad_event, has_time;
	bool has_token_count;
};

static inline bool is_space(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}

static inline void skip_space(struct parser *s)
{
	while (s->p < s->end && is_space(*s->p))
		s->p++;
}

static inline bool take(struct parser *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool take_word(struct parser *s, const char *word)
{
	size_t n = strlen(word);

	if (s->p == s->end || *s->p != *word || (size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
		return false;
	s->p += n;
	return true;
}

static bool take_hex4(struct parser *s, uint32_t *value)
{
	*value = 0;
	if (s->end - s->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *s->p++;
		int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;

		if (digit < 0)
			return false;
		*value = *value << 4 | (uint32_t)digit;
	}
	return true;
}

static void put_utf8(struct buf *b, uint32_t c)
{
	char text[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (size_t i = n; i-- > 1; c >>= 6)
		text[i] = (char)(0x80 | (c & 0x3f));
	text[0] = (char)(lead[n] | c);
	buf_add(b, text, n);
}

/* After "\u". A lone surrogate becomes U+FFFD. */
static bool take_unicode_escape(struct parser *s, struct buf *b)
{
	uint32_t c, low;

	if (!take_hex4(s, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
		const char *before = s->p;

		s->p += 2;
		if (!take_hex4(s, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		else
			s->p = before;
	}
	put_utf8(b, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
	return true;
}

static bool take_escape(struct parser *s, struct buf *b)
{
	static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	char c;

	if (s->p == s->end)
		return false;
	c = *s->p++;
	if (c == 'u')
		return take_unicode_escape(s, b);
	for (const char *pair = pairs; *pair; pair += 2)
		if (*pair == c) {
			buf_char(b, pair[1]);
			return true;
		}
	return false;
}

/* The rest of a string that has escapes; `from` is its first byte. The unescaped text is
 * never longer than the line, so one reservation keeps all earlier slices valid. */
static bool take_escaped(struct parser *s, const char *from, struct slice *out)
{
	struct buf *b = &s->slot->unescaped;
	size_t start;

	if (!b->used && !buf_reserve(b, s->line.n))
		return false;
	start = b->used;
	s->p = from;
	while (s->p < s->end && *s->p != '"') {
		unsigned char c = (unsigned char)*s->p++;

		if (c < 0x20 || (c == '\\' && !take_escape(s, b)))
			return false;
		if (c != '\\')
			buf_char(b, (char)c);
	}
	*out = (struct slice){ b->p + start, b->used - start };
	return take(s, '"');
}

static bool take_string(struct parser *s, struct slice *out)
{
	const char *from;

	if (!take(s, '"'))
		return false;
	from = s->p;
	s->p += plain_prefix(s->p, s->end);
	if (s->p < s->end && *s->p == '\\')
		return take_escaped(s, from, out);
	*out = (struct slice){ from, (size_t)(s->p - from) };
	return take(s, '"');
}

static bool slow_double(const char *from, const char *to, double *out)
{
	char text[NUMBER_MAX_BYTES];
	size_t n = (size_t)(to - from);

	if (n >= sizeof text)
		return false;
	memcpy(text, from, n);
	text[n] = 0;
	*out = strtod(text, NULL);
	return true;
}

static bool take_exponent(struct parser *s, int *exponent)
{
	bool negative;
	int value = 0;

	if (!take(s, 'e') && !take(s, 'E'))
		return true;
	negative = take(s, '-');
	if (!negative)
		take(s, '+');
	if (s->p == s->end || !is_digit(*s->p))
		return false;
	for (; s->p < s->end && is_digit(*s->p); s->p++)
		if (value < 100000)
			value = value * 10 + (*s->p - '0');
	*exponent += negative ? -value : value;
	return true;
}

static bool take_digits(struct parser *s, uint64_t *digits, int *kept)
{
	const char *from = s->p;

	for (; s->p < s->end && is_digit(*s->p); s->p++) {
		if (*kept < 19)
			*digits = *digits * 10 + (uint64_t)(*s->p - '0');
		*kept += *digits != 0;
	}
	return s->p > from;
}

/* What stands there, and its value: digits * 10^exponent unless it has more than 19 digits or is none. */
struct number {
	double value;
	uint64_t digits;
	int exponent;
	bool negative, whole; /* whole: digits and exponent are all of it */
};

/* A number without exponent and with at most 7 digits on either side of its point, 20 bytes before the line's end or more:
 * all but few are of that kind. Returns what stands behind it; NULL: it is another. */
static inline const char *short_number(const char *p, struct number *out)
{
	const char *at = p + (*p == '-');
	uint64_t x = load8(at);
	unsigned n = digits_of_8(x), fraction = 0;

	if (!n || n == 8 || (*at == '0' && n > 1))
		return NULL;
	out->digits = value_of_digits_of_8(x, n);
	at += n;
	if (*at == '.') {
		x = load8(at + 1);
		fraction = digits_of_8(x);
		if (!fraction || fraction == 8)
			return NULL;
		out->digits = out->digits * whole_power[fraction] + value_of_digits_of_8(x, fraction);
		at += 1 + fraction;
	}
	if ((*at | 32) == 'e')
		return NULL;
	out->negative = *p == '-';
	out->exponent = -(int)fraction;
	out->whole = true;
	out->value = (double)(int64_t)out->digits / decimal_powers[fraction];
	out->value = out->negative ? -out->value : out->value;
	return at;
}

enum { SHORT_NUMBER_BYTES = 20 };

static bool take_number(struct parser *s, struct number *out)
{
	const char *from = s->p, *fraction;
	bool negative;
	int kept = 0;

	if (s->end - from >= SHORT_NUMBER_BYTES && (from = short_number(from, out))) {
		s->p = from;
		return true;
	}
	from = s->p;
	negative = take(s, '-');
	*out = (struct number){ .negative = negative };
	if (take_word(s, "Infinity")) {
		out->value = negative ? -INFINITY : INFINITY;
		return true;
	}
	if (!negative && take_word(s, "NaN")) {
		out->value = NAN;
		return true;
	}
	if (s->end - s->p >= 2 && *s->p == '0' && is_digit(s->p[1]))
		return false; /* 01 is no JSON number */
	if (!take_digits(s, &out->digits, &kept))
		return false;
	if (take(s, '.')) {
		fraction = s->p;
		if (!take_digits(s, &out->digits, &kept))
			return false;
		out->exponent -= (int)(s->p - fraction < 100000 ? s->p - fraction : 100000);
	}
	if (!take_exponent(s, &out->exponent))
		return false;
	out->whole = kept <= 19;
	if (!out->whole || !decimal_to_double(out->digits, out->exponent, &out->value))
		return slow_double(from, s->p, &out->value);
	if (negative)
		out->value = -out->value;
	return true;
}

/* --- values ---------------------------------------------------------------------- */

static void store_metric(struct decoded *d, enum metric_id m, const struct number *number)
{
	struct record *r = &d->rec;

	d->decimal &= ~metric_bit(m);
	if (isfinite(number->value)) {
		record_set(r, m, number->value);
		r->nonfinite &= ~metric_bit(m);
		if (number->whole)
			decoded_scale(d, m, number->digits, -number->exponent, number->negative);
	} else {
		r->nonfinite |= metric_bit(m);
		r->have &= ~metric_bit(m);
	}
}

/* Units of microseconds in 10^exponent of what a number counts. */
static int time_exponent(enum time_form form)
{
	switch (form) {
	case TIME_SECONDS:
		return 6;
	case TIME_MILLISECONDS:
		return 3;
	case TIME_NANOSECONDS:
		return -3;
	default:
		return 0;
	}
}

/* A number of seconds, milliseconds, … since 1970, whose digits are all that it is. */
static bool time_of(const struct number *number, enum time_form form, int64_t *us)
{
	int exponent = number->exponent + time_exponent(form);
	uint64_t digits = number->digits;

	if (form == TIME_ISO || number->negative || !number->whole)
		return false;
	for (; exponent < 0 && digits; exponent++)
		digits /= 10;
	for (; exponent > 0 && digits; exponent--)
		if (__builtin_mul_overflow(digits, 10, &digits))
			return false;
	*us = (int64_t)digits;
	return digits < UINT64_C(253402300800000000); /* the year 10000 */
}

/* In our unit. Powers of ten move the point alone, so that a decimal stays one. */
static void apply(const struct reading *how, struct number *number)
{
	if (how->exponent && number->whole) {
		number->exponent += how->exponent;
		number->whole = decimal_to_double(number->digits, number->exponent, &number->value);
		if (number->negative)
			number->value = -number->value;
	}
	if (how->exponent && !number->whole)
		number->value *= pow(10, how->exponent);
	if (how->factor != 1) {
		number->value *= how->factor;
		number->whole = false;
	}
}

static void store_number(struct parser *s, const struct path *t, struct number *number)
{
	double value;
	bool whole;

	if (t->reading && t->kind == PATH_FIELD && t->id == F_TIMESTAMP)
		s->has_time = time_of(number, t->reading->time, &s->out->time_us);
	else if (t->reading)
		apply(t->reading, number);
	value = number->value;
	whole = value >= 0 && value <= 9007199254740992.0;
	if (t->kind == PATH_METRIC) {
		store_metric(s->decoded, (enum metric_id)t->id, number);
		return;
	}
	switch (t->id) {
	case F_SEQUENCE_LENGTH:
		s->out->sequence_length = whole ? (uint64_t)value : 0;
		break;
	case F_SEQUENCE:
		s->out->sequence = whole && value <= UINT32_MAX ? (uint32_t)value : 0;
		break;
	case F_TOKEN_COUNT:
		s->has_token_count = whole && value <= UINT32_MAX;
		s->out->token_count = s->has_token_count ? (uint32_t)value : 0;
		break;
	default:
		if ((field_specs[t->id].kind == KIND_COUNT || field_specs[t->id].kind == KIND_NUMBER) && isfinite(value))
			fields_set_number(field_specs[t->id].owner == OWNER_SESSION ? &s->slot->session : &s->slot->extra,
					  (enum field_id)t->id, value);
	}
}

/* What the word stands for; -1: nothing that is known. */
static int meaning(const struct reading *how, struct slice word)
{
	for (size_t i = 0; i < how->n_words; i++)
		if (slice_is(word, how->word[i].word))
			return how->word[i].means;
	return -1;
}

static void store_event(struct parser *s, const struct path *t, struct slice text)
{
	int event = t->reading && t->reading->word ? meaning(t->reading, text) : (int)event_by_id(text);

	s->out->event = event < 0 ? EVENT_TYPE_COUNT : (enum event_type)event;
	s->bad_event = s->out->event == EVENT_TYPE_COUNT;
	s->has_event = true;
}

static enum phase phase_of(const struct path *t, struct slice text)
{
	int phase = t->reading && t->reading->word ? meaning(t->reading, text) : -1;

	if (phase >= 0)
		return (enum phase)phase;
	return slice_is(text, "prefill") ? PHASE_PREFILL : slice_is(text, "decode") ? PHASE_DECODE : PHASE_UNKNOWN;
}

/* Other programs put numbers into quotes. */
static void store_quoted_number(struct parser *s, const struct path *t, struct slice text)
{
	struct parser inside = { .p = text.p, .end = text.p + text.n };
	struct number number;

	if (take_number(&inside, &number) && inside.p == inside.end)
		store_number(s, t, &number);
}

static void store_text(struct parser *s, const struct path *t, struct slice text)
{
	if (s->map && (t->kind == PATH_METRIC || field_specs[t->id].kind == KIND_COUNT || field_specs[t->id].kind == KIND_NUMBER ||
		       (t->id == F_TIMESTAMP && t->reading && t->reading->time != TIME_ISO))) {
		store_quoted_number(s, t, text);
		return;
	}
	if (t->kind != PATH_FIELD)
		return;
	switch (field_specs[t->id].kind) {
	case KIND_TIME:
		s->has_time = time_parse(text, &s->out->time_us);
		break;
	case KIND_EVENT:
		store_event(s, t, text);
		break;
	case KIND_PHASE:
		s->out->phase = phase_of(t, text);
		break;
	case KIND_TEXT:
		if (t->id == F_TEXT)
			s->out->text = text;
		else
			fields_set_text(field_specs[t->id].owner == OWNER_SESSION ? &s->slot->session : &s->slot->extra,
					(enum field_id)t->id, text);
		break;
	default:
		break;
	}
}

static void note_leaf(struct parser *s, enum leaf_kind kind, const char *from, const char *to,
		      const struct path *path)
{
	struct leaves *l = s->leaves;

	if (!l)
		return;
	if (l->n == LEAVES_MAX) {
		l->unfit = true;
		return;
	}
	l->leaf[l->n++] = (struct leaf){ .kind = kind,
					 .from = (uint32_t)(from - s->line.p),
					 .to = (uint32_t)(to - s->line.p),
					 .path = path };
}

static bool take_value(struct parser *s, const struct path *at, int depth);

static bool take_array(struct parser *s, int depth, size_t *elements)
{
	*elements = 0;
	s->p++;
	if (depth + 1 > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, ']'))
		return true;
	do {
		skip_space(s);
		if (!take_value(s, NULL, depth + 1))
			return false;
		++*elements;
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']');
}

/* A plain text between quotes. Returns what stands behind it; NULL: it is another, or none. */
static inline const char *plain_text(const char *p, const char *end, struct slice *out)
{
	size_t n;

	if (*p != '"')
		return NULL;
	n = plain_prefix(p + 1, end);
	*out = (struct slice){ p + 1, n };
	p += n + 1;
	return p < end && *p == '"' ? p + 1 : NULL;
}

/* The value, when it is a short number or a plain text. Returns what stands behind it; NULL: it is another. */
static inline const char *take_plain_value(struct parser *s, const char *p, const struct path *at)
{
	bool known = at && at->kind != PATH_OBJECT;
	struct number number;
	struct slice text;
	const char *next;

	if (*p == '"') {
		next = plain_text(p, s->end, &text);
		if (!next)
			return NULL;
		note_leaf(s, LEAF_TEXT, p + 1, next - 1, at);
		if (known)
			store_text(s, at, text);
		return next;
	}
	next = short_number(p, &number);
	if (!next)
		return NULL;
	note_leaf(s, LEAF_NUMBER, p, next, at);
	if (known)
		store_number(s, at, &number);
	return next;
}

/* Members of an object as most writers make them: a plain key and such a value, at most one space behind ':' and ','. The
 * place is kept in a register while they last: what waits for memory makes up half of a parser's time. Stops behind the last
 * such value; false: there was none. */
static bool take_plain_members(struct parser *s, const struct path *at)
{
	enum { ROOM = 96 }; /* what is looked at without asking for the line's end; longer keys are few */
	const char *p = s->p, *next;
	struct slice key;
	bool taken = false;

	while (s->end - p >= ROOM && (next = plain_text(p, s->end, &key)) && key.n < ROOM / 2 && *next == ':') {
		next += 1 + (next[1] == ' ');
		if (*next == '{' || !(next = take_plain_value(s, next, path_find(s->paths, at, key))))
			break;
		taken = true;
		s->p = next;
		if (next == s->end || *next != ',')
			break;
		p = next + 1;
		p += p < s->end && *p == ' ';
	}
	return taken;
}

static bool take_member(struct parser *s, const struct path *at, int depth)
{
	struct slice key;

	if (!take_string(s, &key))
		return false;
	skip_space(s);
	if (!take(s, ':'))
		return false;
	skip_space(s);
	return take_value(s, path_find(s->paths, at, key), depth + 1);
}

static bool take_object(struct parser *s, const struct path *at, int depth)
{
	s->p++;
	if (depth > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, '}'))
		return true;
	do {
		skip_space(s);
		if (!take_plain_members(s, at) && !take_member(s, at, depth))
			return false;
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}');
}

static bool take_text_value(struct parser *s, const struct path *at)
{
	const char *from = s->p;
	struct slice text;

	if (!take_string(s, &text))
		return false;
	note_leaf(s, LEAF_TEXT, from + 1, s->p - 1, at);
	if (at && at->kind != PATH_OBJECT)
		store_text(s, at, text);
	return true;
}

static bool take_number_value(struct parser *s, const struct path *at)
{
	const char *from = s->p;
	struct number number;

	if (!take_number(s, &number))
		return false;
	if (isfinite(number.value)) /* others count as non-finite: such lines have layouts of their own */
		note_leaf(s, LEAF_NUMBER, from, s->p, at);
	if (at && at->kind != PATH_OBJECT)
		store_number(s, at, &number);
	return true;
}

/* An array of numbers; what is none, null too, becomes NAN. More than NORMS_MAX are not kept. */
static bool take_norms(struct parser *s, int depth)
{
	struct buf *norms = &s->slot->norms;

	buf_clear(norms); /* of two, the last counts */
	s->p++;
	if (depth + 1 > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, ']'))
		return true;
	do {
		struct number number = { .value = (double)NAN };
		bool is_number;
		float norm;

		skip_space(s);
		is_number = s->p < s->end && (*s->p == '-' || is_digit(*s->p));
		if (is_number ? !take_number(s, &number) : !take_value(s, NULL, depth + 1))
			return false;
		norm = fabs(number.value) <= FLT_MAX ? (float)number.value : (float)NAN;
		if (norms->used < NORMS_MAX * sizeof norm)
			buf_add(norms, &norm, sizeof norm);
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']');
}

/* `at` is what the value is, or NULL when nobody knows. */
static bool take_value(struct parser *s, const struct path *at, int depth)
{
	size_t elements;

	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '{':
		return take_object(s, at, depth);
	case '[':
		if (at && at->kind == PATH_FIELD && at->id == F_LAYER_NORMS)
			return take_norms(s, depth);
		if (!take_array(s, depth, &elements))
			return false;
		if (at && at->kind == PATH_FIELD && at->id == F_TOKENS)
			s->out->n_tokens = elements;
		return true;
	case '"':
		return take_text_value(s, at);
	case 't':
		return take_word(s, "true");
	case 'f':
		return take_word(s, "false");
	case 'n':
		return take_word(s, "null");
	default:
		return take_number_value(s, at);
	}
}

static void begin(struct decoder_slot *slot, struct decoded *d)
{
	struct record *out = &d->rec;

	memset(slot->session.have, 0, sizeof slot->session.have);
	memset(slot->extra.have, 0, sizeof slot->extra.have);
	buf_clear(&slot->unescaped);
	buf_clear(&slot->norms);
	d->decimal = 0;
	out->time_us = 0;
	out->event = EVENT_TYPE_COUNT;
	out->phase = PHASE_UNKNOWN;
	out->sequence = out->token_count = 0;
	out->sequence_length = out->have = out->nonfinite = 0;
	out->sampled_every = 0;
	out->layer_norm = NULL;
	out->n_layer_norm = 0;
	out->own = NULL;
	out->tokens = NULL;
	out->n_tokens = 0;
	out->text = (struct slice){ 0 };
	out->session = &slot->session;
	out->extra = &slot->extra;
	out->details = NULL;
}

/* What all lines of a map have in common, until the line says otherwise. */
static void begin_mapped(struct parser *s)
{
	s->slot->session = s->map->session;
	s->out->phase = s->map->phase;
	s->out->token_count = s->map->token_count;
	s->has_token_count = s->map->token_count;
	s->out->event = EVENT_INFERENCE_STEP;
	s->has_event = s->map->all_steps;
}

static enum decode_result decode_any(const struct record_decoder *d, struct decoder_slot *slot, struct slice line,
				     struct decoded *out, struct leaves *leaves)
{
	struct parser s = { .p = line.p, .end = line.p + line.n, .paths = d->map ? d->map->paths : paths_own(), .map = d->map,
			    .slot = slot, .decoded = out, .out = &out->rec, .line = line, .leaves = leaves };

	begin(slot, out);
	if (s.map)
		begin_mapped(&s);
	take_word(&s, "\xef\xbb\xbf");
	skip_space(&s);
	if (s.p == s.end || *s.p != '{')
		return DECODE_NOT_OBJECT;
	if (!take_object(&s, &path_top, 0))
		return DECODE_MALFORMED;
	skip_space(&s);
	if (s.p != s.end)
		return DECODE_MALFORMED;
	if (!s.has_event || s.bad_event)
		return DECODE_NO_EVENT_TYPE;
	if (!s.has_time)
		return DECODE_BAD_TIMESTAMP;
	if (s.out->event == EVENT_INFERENCE_STEP && !s.has_token_count)
		s.out->token_count = s.out->n_tokens ? (uint32_t)s.out->n_tokens : 1;
	if (slot->norms.used && !slot->norms.failed) {
		s.out->layer_norm = (const float *)(const void *)slot->norms.p;
		s.out->n_layer_norm = slot->norms.used / sizeof(float);
	}
	out->session_id = fields_text(&slot->session, F_SESSION_ID);
	return DECODE_OK;
}

static bool set_up(struct record_decoder *d)
{
	if (!d->slot)
		d->slot = calloc(SLOTS, sizeof *d->slot);
	return d->slot;
}

enum decode_result record_decode(struct record_decoder *d, struct slice line, struct record *out)
{
	struct decoded decoded;
	enum decode_result result;

	record_decoder_release(d);
	if (!set_up(d))
		return DECODE_MALFORMED;
	result = decode_any(d, &d->slot[0], line, &decoded, NULL);
	*out = decoded.rec;
	return result;
}

void record_decoder_feed(struct record_decoder *d, struct slice text)
{
	d->p = text.p;
	d->end = text.p + text.n;
	if (!d->layouts && !d->any_order && !d->map) {
		d->layouts = layouts_open(); /* NULL: then every line goes the long way */
		d->members = d->layouts ? members_open() : NULL;
	}
	if (d->layouts)
		layouts_feed(d->layouts);
	if (d->members)
		members_feed(d->members, text.p);
}

bool record_decoder_full(const struct record_decoder *d)
{
	return d->n_slots == SLOTS;
}

void record_decoder_release(struct record_decoder *d)
{
	d->n_slots = d->held = 0;
}

/* The session's name apart. */
static bool same_fields(const struct field_values *a, const struct field_values *b)
{
	if (memcmp(a->have, b->have, sizeof a->have))
		return false;
	for (int word = 0; word < 2; word++)
		for (uint64_t left = a->have[word]; left; left &= left - 1) {
			int f = 64 * word + __builtin_ctzll(left);
			bool is_text = field_specs[f].kind == KIND_TEXT;

			if (f != F_SESSION_ID && !(is_text ? slice_equal(a->v[f].text, b->v[f].text)
							   : a->v[f].number == b->v[f].number))
				return false;
		}
	return true;
}

/* The line's fields are kept as long as it is held; lines that have the same ones share them. */
static void keep_slot(struct record_decoder *d, struct decoded *out)
{
	struct decoder_slot *slot = &d->slot[d->n_slots], *before = d->n_slots ? slot - 1 : NULL;

	if (before && !slot->unescaped.used && !slot->norms.used && same_fields(&before->session, &slot->session) &&
	    same_fields(&before->extra, &slot->extra)) {
		out->rec.session = &before->session;
		out->rec.extra = &before->extra;
	} else {
		d->n_slots++;
	}
}

static enum decode_result decode_long_way(struct record_decoder *d, struct slice line, struct decoded *out)
{
	bool may_learn = d->layouts && (!d->held || !layouts_crowded(d->layouts));
	struct leaves *leaves = d->layouts ? layouts_leaves(d->layouts, line, may_learn) : NULL;
	struct decoder_slot *slot = &d->slot[d->n_slots];
	enum decode_result result = decode_any(d, slot, line, out, leaves);

	if (result != DECODE_OK)
		return result;
	if (leaves && !slot->unescaped.used && !slot->norms.used) /* a layout has no place for an array's values */
		layouts_learn(d->layouts, line, &out->rec);
	keep_slot(d, out);
	return DECODE_OK;
}

static bool is_blank(struct slice line)
{
	size_t i = line.n >= 3 && !memcmp(line.p, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t' || line.p[i] == '\r'))
		i++;
	return i == line.n;
}

bool record_decode_next(struct record_decoder *d, struct decoded *out, enum decode_result *result)
{
	struct slice line = { .p = d->p };

	if (d->p == d->end)
		return false;
	*result = DECODE_OK;
	if (d->layouts && layouts_match(d->layouts, &d->p, d->end, out)) {
		d->held++;
		return true;
	}
	line.n = (size_t)((const char *)memchr(d->p, '\n', (size_t)(d->end - d->p)) - d->p);
	d->p += line.n + 1;
	*result = is_blank(line) ? DECODE_BLANK
		  : line.n > DECODE_LINE_MAX ? DECODE_TOO_LONG
		  : set_up(d) ? decode_long_way(d, line, out)
			      : DECODE_MALFORMED;
	d->held += *result == DECODE_OK;
	return true;
}

/* Lines that no layout fits, but have the session's fields of the line before that took the long way. */
static size_t decode_members(struct record_decoder *d, struct columns *c)
{
	const struct decoder_slot *slot = d->n_slots ? &d->slot[d->n_slots - 1] : NULL;
	size_t lines;

	if (!d->members || !slot || slot->unescaped.used || !layouts_missed(d->layouts))
		return 0;
	lines = members_run(d->members, &d->p, d->end, &slot->session, c);
	if (lines)
		layouts_pass(d->layouts, lines);
	return lines;
}

size_t record_decode_run(struct record_decoder *d, struct columns *c)
{
	size_t lines = d->layouts ? layouts_run(d->layouts, &d->p, d->end, c) : 0;

	if (!lines)
		lines = decode_members(d, c);
	d->held += lines;
	return lines;
}

void record_decoder_free(struct record_decoder *d)
{
	layouts_close(d->layouts);
	members_close(d->members);
	for (size_t i = 0; d->slot && i < SLOTS; i++) {
		buf_free(&d->slot[i].unescaped);
		buf_free(&d->slot[i].norms);
	}
	free(d->slot);
	*d = (struct record_decoder){ .any_order = d->any_order, .map = d->map };
}
