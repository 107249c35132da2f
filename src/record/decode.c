/* decode.c - the full parser: decodes one JSON line into a record, with any key order, unknown keys, and other writers'
 * variants.
 *
 * A strict JSON parser, except that it accepts bare NaN and Infinity, which Python's json writes, and nan and inf,
 * which C writes, numbers in quotes, and texts without. Lines with the structure of an earlier one are decoded by a
 * faster path (decode_shape.h), and so are steps with keys in any order (decode_members.h), with the same result. */
#include "record/codec.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "record/decode_bytes.h"
#include "record/decode_members.h"
#include "record/decode_paths.h"
#include "record/decode_shape.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64, NUMBER_MAX_BYTES = 400, SLOTS = COLUMNS_WHOLE, NORMS_MAX = 512 };

const char *const decode_reasons[DECODE_RESULT_COUNT] = {
	[DECODE_OK] = "fine",
#define LINE(name, en, zh) [DECODE_##name] = (en),
#include "spec/skipped.def"
};

/* --- the line -------------------------------------------------------------------- */

/* The fields of a line, or of several lines that have the same fields. */
struct decoder_slot {
	struct field_values session; /* SESSION fields */
	struct field_values extra;   /* EXTRA fields */
	struct buf unescaped;        /* texts that had escapes */
	struct buf norms;            /* floats: norms of layers */
	struct buf gpus;             /* struct gpu_sample: of several GPUs each */
};

struct parser {
	const char *p, *end;
	const struct paths *paths;
	const struct field_map *map; /* NULL: the line is in our own format */
	struct decoder_slot *slot;
	struct decoded *decoded;
	struct record *out; /* of it */
	struct slice line;
	struct leaves *leaves; /* the line's values, recorded to learn its shape; NULL: not wanted */
	bool has_event, bad_event, has_time, bad_count;
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

static bool parse_word(struct parser *s, const char *word)
{
	size_t n = strlen(word);

	if (s->p == s->end || *s->p != *word || (size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
		return false;
	s->p += n;
	return true;
}

static bool parse_hex4(struct parser *s, uint32_t *value)
{
	*value = 0;
	if (s->end - s->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *s->p++;
		int digit = c >= '0' && c <= '9'                 ? c - '0'
			    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								 : -1;

		if (digit < 0)
			return false;
		*value = *value << 4 | (uint32_t)digit;
	}
	return true;
}

static void put_utf8(struct buf *b, uint32_t c)
{
	char text[4];
	const size_t n = utf8_encode(text, c);

	buf_add(b, text, n);
}

/* After "\u". A lone surrogate becomes U+FFFD, as does 0: texts are taken as names, which would end there. */
static bool parse_unicode_escape(struct parser *s, struct buf *b)
{
	uint32_t c, low;

	if (!parse_hex4(s, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
		const char *before = s->p;

		s->p += 2;
		if (!parse_hex4(s, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		else
			s->p = before;
	}
	put_utf8(b, c ? c : 0xfffd);
	return true;
}

static bool parse_escape(struct parser *s, struct buf *b)
{
	static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	char c;

	if (s->p == s->end)
		return false;
	c = *s->p++;
	if (c == 'u')
		return parse_unicode_escape(s, b);
	for (const char *pair = pairs; *pair; pair += 2)
		if (*pair == c) {
			buf_char(b, pair[1]);
			return true;
		}
	return false;
}

/* Parses the rest of a string that has escapes; `from` is its first byte. The unescaped text is never longer than the
 * line, so one reservation keeps all earlier slices valid. */
static bool parse_escaped(struct parser *s, const char *from, struct slice *out)
{
	struct buf *b = &s->slot->unescaped;
	size_t start;

	if (!b->used && !buf_reserve(b, s->line.n))
		return false;
	start = b->used;
	s->p = from;
	while (s->p < s->end && *s->p != '"') {
		unsigned char c = (unsigned char)*s->p++;

		if (c < 0x20 || (c == '\\' && !parse_escape(s, b)))
			return false;
		if (c != '\\')
			buf_char(b, (char)c);
	}
	*out = (struct slice){ b->p + start, b->used - start };
	return take(s, '"');
}

static bool parse_string(struct parser *s, struct slice *out)
{
	const char *from;

	if (!take(s, '"'))
		return false;
	from = s->p;
	s->p += plain_prefix(s->p, s->end);
	if (s->p < s->end && *s->p == '\\')
		return parse_escaped(s, from, out);
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

static bool parse_exponent(struct parser *s, int *exponent)
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

static bool parse_digits(struct parser *s, uint64_t *digits, int *kept)
{
	const char *from = s->p;

	for (; s->p < s->end && is_digit(*s->p); s->p++) {
		if (*kept < 19)
			*digits = *digits * 10 + (uint64_t)(*s->p - '0');
		*kept += *digits != 0;
	}
	return s->p > from;
}

/* A parsed number: its text and value, and value = digits * 10^exponent unless it has more than 19 digits or is not
 * finite. */
struct number {
	double value;
	uint64_t digits;
	int exponent;
	bool negative, whole; /* whole: digits and exponent give the value exactly */
};

/* Parses a number without exponent and with at most 7 digits on either side of its point, at least 20 bytes before the
 * line's end: almost all numbers are of that kind. Returns the position after it; NULL: it is of another kind. */
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

/* The value that the word ahead stands for: NaN and Infinity as Python writes them, nan, inf and infinity as C does. */
static bool parse_nonfinite(struct parser *s, double *value)
{
	static const struct {
		const char *word;
		double value;
	} words[] = {
		{ "NaN", (double)NAN },           { "nan", (double)NAN },      { "Infinity", (double)INFINITY },
		{ "infinity", (double)INFINITY }, { "inf", (double)INFINITY },
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (!parse_word(s, words[i].word))
			continue;
		*value = words[i].value;
		return true;
	}
	return false;
}

static bool parse_number(struct parser *s, struct number *out)
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
	if (parse_nonfinite(s, &out->value)) {
		out->value = negative ? -out->value : out->value;
		return true;
	}
	if (s->end - s->p >= 2 && *s->p == '0' && is_digit(s->p[1]))
		return false; /* 01 is not a JSON number */
	if (!parse_digits(s, &out->digits, &kept))
		return false;
	if (take(s, '.')) {
		fraction = s->p;
		if (!parse_digits(s, &out->digits, &kept))
			return false;
		out->exponent -= (int)(s->p - fraction < 100000 ? s->p - fraction : 100000);
	}
	if (!parse_exponent(s, &out->exponent))
		return false;
	out->whole = kept <= 19;
	if (!out->whole || !decimal_to_double(out->digits, out->exponent, &out->value))
		return slow_double(from, s->p, &out->value);
	if (negative)
		out->value = -out->value;
	return true;
}

/* --- values ---------------------------------------------------------------------- */

/* True: it is so large that its double may be another whole number. */
static bool rounds(const struct number *number)
{
	const double value = fabs(number->value);

	if (!(value >= 9007199254740992.0) || isinf(value)) /* 2^53 */
		return false;
	return !number->whole || number->exponent || (uint64_t)value != number->digits;
}

/* A whole-number metric that was written digit by digit. With an exponent (1e+300) a rounded value is what is meant. */
static bool rounds_digits(const struct number *number)
{
	return rounds(number) && !(number->whole && number->exponent > 0);
}

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

/* The exponent that converts a number in this time unit into microseconds. */
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

/* Converts a number of seconds, milliseconds, … since 1970 that is exactly given by its digits. */
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

/* Converts the number into our unit. Powers of ten only move the decimal point, so a decimal stays a decimal. */
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

/* The count as it is written, at most `most`. What is negative, NaN or infinite is how other programs write that they
 * do not know: false. What cannot be kept exactly is `bad_count`. */
static bool exact_count(struct parser *s, const struct number *number, uint64_t most, uint64_t *out)
{
	double value = number->value;

	if (!(value >= 0) || isinf(value))
		return false;
	if (value > (double)most || value != floor(value) || rounds(number)) {
		s->bad_count = true;
		return false;
	}
	*out = (uint64_t)value;
	return true;
}

static void store_small_count(struct parser *s, const struct number *number, uint32_t *out, bool *known)
{
	uint64_t count;

	*known = exact_count(s, number, UINT32_MAX, &count);
	*out = *known ? (uint32_t)count : 0;
}

/* Of a session or an event. */
static void store_value(struct parser *s, enum field_id f, const struct number *number)
{
	const struct field_spec *spec = &field_specs[f];

	if (!isfinite(number->value) || (spec->kind != KIND_COUNT && spec->kind != KIND_NUMBER) ||
	    (spec->kind == KIND_COUNT && rounds(number)))
		return;
	fields_set_number(spec->owner == OWNER_SESSION ? &s->slot->session : &s->slot->extra, f, number->value);
}

/* What is true already is not written again: other threads read it. */
static void note_use(atomic_bool *use)
{
	if (!atomic_load_explicit(use, memory_order_relaxed))
		atomic_store_explicit(use, true, memory_order_relaxed);
}

static void note_read(const struct path *t, bool is_read)
{
	if (t->reading && is_read)
		note_use(&t->reading->use->read);
}

static const struct path *find_path(const struct parser *s, const struct path *at, struct slice key)
{
	const struct path *found = path_find(s->paths, at, key);

	if (found && found->reading)
		note_use(&found->reading->use->found);
	return found;
}

static bool takes_number(const struct path *t)
{
	return t->kind == PATH_METRIC || field_specs[t->id].kind == KIND_COUNT ||
	       field_specs[t->id].kind == KIND_NUMBER ||
	       (t->id == F_TIMESTAMP && t->reading && t->reading->time != TIME_ISO);
}

static void store_number(struct parser *s, const struct path *t, struct number *number)
{
	const uint64_t most = UINT64_C(1) << 53;
	uint64_t count = 0;
	bool known;

	if (t->reading && t->kind == PATH_FIELD && t->id == F_TIMESTAMP)
		s->has_time = time_of(number, t->reading->time, &s->out->time_us);
	else if (t->reading)
		apply(t->reading, number);
	note_read(t, takes_number(t) && (t->kind != PATH_FIELD || t->id != F_TIMESTAMP || s->has_time));
	if (t->kind == PATH_METRIC) {
		s->bad_count |= !metric_specs[t->id].decimals && rounds_digits(number);
		store_metric(s->decoded, (enum metric_id)t->id, number);
		return;
	}
	switch (t->id) {
	case F_SEQUENCE_LENGTH:
		s->out->sequence_length = exact_count(s, number, most, &count) ? count : 0;
		break;
	case F_SEQUENCE:
		store_small_count(s, number, &s->out->sequence, &known);
		break;
	case F_RECORD:
		s->out->ordinal = exact_count(s, number, most, &count) ? count + 1 : 0;
		break;
	case F_BATCH_SIZE:
		store_small_count(s, number, &s->out->batch_size, &known);
		break;
	case F_TOKEN_COUNT:
		store_small_count(s, number, &s->out->token_count, &s->has_token_count);
		break;
	default:
		store_value(s, (enum field_id)t->id, number);
	}
}

/* The value that the word stands for; -1: unknown word. */
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
	note_read(t, !s->bad_event);
	s->has_event = true;
}

static enum phase phase_of(const struct path *t, struct slice text)
{
	int phase = t->reading && t->reading->word ? meaning(t->reading, text) : -1;

	if (phase >= 0)
		return (enum phase)phase;
	return slice_is(text, "prefill") ? PHASE_PREFILL : slice_is(text, "decode") ? PHASE_DECODE : PHASE_UNKNOWN;
}

/* Lines with the structure of this one need the parser. */
static void forbid_shape(struct parser *s)
{
	if (s->leaves)
		s->leaves->unfit = true;
}

/* Stores a number that is written in quotes, as other programs do. */
static void store_quoted_number(struct parser *s, const struct path *t, struct slice text)
{
	struct parser inside = { .p = text.p, .end = text.p + text.n };
	struct number number;

	forbid_shape(s);
	if (parse_number(&inside, &number) && inside.p == inside.end)
		store_number(s, t, &number);
}

static void store_text(struct parser *s, const struct path *t, struct slice text)
{
	if (takes_number(t)) {
		store_quoted_number(s, t, text);
		return;
	}
	switch (field_specs[t->id].kind) {
	case KIND_TIME:
		s->has_time = time_parse(text, &s->out->time_us);
		note_read(t, s->has_time);
		break;
	case KIND_EVENT:
		store_event(s, t, text);
		break;
	case KIND_PHASE:
		s->out->phase = phase_of(t, text);
		note_read(t, s->out->phase != PHASE_UNKNOWN);
		break;
	case KIND_TEXT:
		note_read(t, true);
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

/* Stores a number, or an id that is one. */
static void store_digits(struct parser *s, const struct path *t, struct slice digits, struct number *number)
{
	if (t->kind == PATH_METRIC || field_specs[t->id].kind != KIND_TEXT) {
		store_number(s, t, number);
		return;
	}
	forbid_shape(s);
	store_text(s, t, digits);
}

static void note_leaf(struct parser *s, enum leaf_kind kind, const char *from, const char *to, const struct path *path)
{
	struct leaves *l = s->leaves;

	if (!l)
		return;
	if (l->n == LEAVES_MAX) {
		l->unfit = true;
		return;
	}
	l->leaf[l->n++] = (struct leaf){
		.kind = kind, .from = (uint32_t)(from - s->line.p), .to = (uint32_t)(to - s->line.p), .path = path
	};
}

static bool parse_value(struct parser *s, const struct path *at, int depth);

static bool parse_array(struct parser *s, int depth, size_t *elements)
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
		if (!parse_value(s, NULL, depth + 1))
			return false;
		++*elements;
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']');
}

/* Parses a plain text between quotes. Returns the position after it; NULL: there is no text, or it is not plain. */
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

/* Parses the value if it is a short number or a plain text. Returns the position after it; NULL: it is of another
 * kind. */
static inline const char *parse_plain_value(struct parser *s, const char *p, const struct path *at)
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
		store_digits(s, at, (struct slice){ p, (size_t)(next - p) }, &number);
	return next;
}

/* Parses members of an object in the form that most writers use: a plain key and such a value, with at most one space
 * after ':' and ','. The position is kept in a register meanwhile, because waiting for memory makes up half of a
 * parser's time. Stops after the last such value; false: there was none. */
static bool parse_plain_members(struct parser *s, const struct path *at)
{
	enum { ROOM = 96 }; /* bytes that are read without checking for the line's end; few keys are longer */
	const char *p = s->p, *next;
	struct slice key;
	bool taken = false;

	while (s->end - p >= ROOM && (next = plain_text(p, s->end, &key)) && key.n < ROOM / 2 && *next == ':') {
		next += 1 + (next[1] == ' ');
		if (*next == '{' || !(next = parse_plain_value(s, next, find_path(s, at, key))))
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

static bool parse_member(struct parser *s, const struct path *at, int depth)
{
	struct slice key;

	if (!parse_string(s, &key))
		return false;
	skip_space(s);
	if (!take(s, ':'))
		return false;
	skip_space(s);
	return parse_value(s, find_path(s, at, key), depth + 1);
}

static bool parse_object(struct parser *s, const struct path *at, int depth)
{
	s->p++;
	if (depth > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, '}'))
		return true;
	do {
		skip_space(s);
		if (!parse_plain_members(s, at) && !parse_member(s, at, depth))
			return false;
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}');
}

static bool parse_text_value(struct parser *s, const struct path *at)
{
	const char *from = s->p;
	struct slice text;

	if (!parse_string(s, &text))
		return false;
	note_leaf(s, LEAF_TEXT, from + 1, s->p - 1, at);
	if (at && at->kind != PATH_OBJECT)
		store_text(s, at, text);
	return true;
}

static bool parse_number_value(struct parser *s, const struct path *at)
{
	const char *from = s->p;
	struct number number;

	if (!parse_number(s, &number))
		return false;
	if (isfinite(number.value)) /* others count as non-finite; lines with them have their own shapes */
		note_leaf(s, LEAF_NUMBER, from, s->p, at);
	if (at && at->kind != PATH_OBJECT)
		store_digits(s, at, (struct slice){ from, (size_t)(s->p - from) }, &number);
	return true;
}

/* An element of state_norms. NAN: it is no number, such as null, or none that is finite; the latter says that the state
 * is not finite, as a count of such values does. */
static bool parse_norm(struct parser *s, int depth, float *norm)
{
	struct number number = { .value = (double)NAN };
	struct record *r = &s->decoded->rec;

	*norm = (float)NAN;
	skip_space(s);
	if (parse_word(s, "null"))
		return true;
	if (s->p == s->end || !strchr("-0123456789NIni", *s->p))
		return parse_value(s, NULL, depth);
	if (!parse_number(s, &number))
		return false;
	if (!isfinite(number.value) && !record_has(r, M_NONFINITE_STATE))
		r->nonfinite |= metric_bit(M_NONFINITE_STATE);
	if (fabs(number.value) <= FLT_MAX)
		*norm = (float)number.value;
	return true;
}

/* Parses an array of norms. Elements beyond NORMS_MAX are dropped. */
static bool parse_norms(struct parser *s, int depth)
{
	struct buf *norms = &s->slot->norms;
	float norm;

	buf_clear(norms); /* if the key occurs twice, the last one counts */
	s->p++;
	if (depth + 1 > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, ']'))
		return true;
	do {
		if (!parse_norm(s, depth + 1, &norm))
			return false;
		if (norms->used < NORMS_MAX * sizeof norm)
			buf_add(norms, &norm, sizeof norm);
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']');
}

/* A member of an object in resources.gpus. */
static bool parse_gpu_member(struct parser *s, int depth, struct gpu_sample *gpu, bool *named)
{
	struct number number = { .value = (double)NAN };
	struct slice key, text;

	if (!parse_string(s, &key))
		return false;
	skip_space(s);
	if (!take(s, ':'))
		return false;
	skip_space(s);
	if (slice_is(key, "device") && s->p < s->end && *s->p == '"') {
		if (!parse_string(s, &text))
			return false;
		*named = text.n && text.n < GPU_DEVICE_BYTES && !memchr(text.p, 0, text.n);
		memset(gpu->device, 0, sizeof gpu->device);
		memcpy(gpu->device, text.p, *named ? text.n : 0);
		return true;
	}
	for (int v = 0; v < GPU_VALUE_COUNT; v++) {
		if (!slice_is(key, gpu_value_specs[v].key))
			continue;
		if (s->p == s->end || (*s->p != '-' && !is_digit(*s->p)))
			break; /* it is unknown */
		if (!parse_number(s, &number))
			return false;
		gpu->value[v] = isfinite(number.value) ? number.value : (double)NAN;
		return true;
	}
	return parse_value(s, NULL, depth);
}

static bool parse_gpu(struct parser *s, int depth, struct gpu_sample *gpu, bool *named)
{
	*named = false;
	gpu_sample_begin(gpu, (struct slice){ "", 0 });
	s->p++;
	if (depth > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, '}'))
		return true;
	do {
		skip_space(s);
		if (!parse_gpu_member(s, depth + 1, gpu, named))
			return false;
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}');
}

/* Parses resources.gpus. Objects without a name, or beyond GPUS_MAX, and anything else are dropped. A shape has no room
 * for them. */
static bool parse_gpus(struct parser *s, int depth)
{
	struct buf *gpus = &s->slot->gpus;

	buf_clear(gpus); /* if the key occurs twice, the last one counts */
	if (s->leaves)
		s->leaves->unfit = true;
	s->p++;
	if (depth + 1 > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, ']'))
		return true;
	do {
		struct gpu_sample gpu;
		bool named = false;

		skip_space(s);
		if (s->p < s->end && *s->p == '{' ? !parse_gpu(s, depth + 1, &gpu, &named)
						  : !parse_value(s, NULL, depth + 1))
			return false;
		if (named && gpus->used < GPUS_MAX * sizeof gpu)
			buf_add(gpus, &gpu, sizeof gpu);
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']');
}

/* Keeps an object as it is written. A shape cannot tell whether another line has the same one. */
static bool parse_json(struct parser *s, const struct path *at, int depth)
{
	const char *from = s->p;

	if (s->leaves)
		s->leaves->unfit = true;
	if (!parse_object(s, NULL, depth))
		return false;
	fields_set_text(&s->slot->extra, (enum field_id)at->id, (struct slice){ from, (size_t)(s->p - from) });
	return true;
}

/* `at` says what the value is; NULL: its key is unknown. */
static bool parse_value(struct parser *s, const struct path *at, int depth)
{
	size_t elements;

	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '{':
		if (at && at->kind == PATH_FIELD && field_specs[at->id].kind == KIND_JSON)
			return parse_json(s, at, depth);
		return parse_object(s, at, depth);
	case '[':
		if (at && at->kind == PATH_FIELD && at->id == F_LAYER_NORMS)
			return parse_norms(s, depth);
		if (at && at->kind == PATH_FIELD && at->id == F_GPUS)
			return parse_gpus(s, depth);
		if (!parse_array(s, depth, &elements))
			return false;
		if (at && at->kind == PATH_FIELD && at->id == F_TOKENS)
			s->out->n_tokens = elements;
		return true;
	case '"':
		return parse_text_value(s, at);
	case 't':
		return parse_word(s, "true");
	case 'f':
		return parse_word(s, "false");
	case 'n':
		if (parse_word(s, "null"))
			return true;
		return parse_number_value(s, at); /* nan */
	default:
		return parse_number_value(s, at);
	}
}

static void begin(struct decoder_slot *slot, struct decoded *d)
{
	struct record *out = &d->rec;

	memset(slot->session.have, 0, sizeof slot->session.have);
	memset(slot->extra.have, 0, sizeof slot->extra.have);
	buf_clear(&slot->unescaped);
	buf_clear(&slot->norms);
	buf_clear(&slot->gpus);
	d->decimal = 0;
	out->time_us = 0;
	out->event = EVENT_TYPE_COUNT;
	out->phase = PHASE_UNKNOWN;
	out->sequence = out->token_count = 0;
	out->sequence_length = out->have = out->nonfinite = 0;
	out->sampled_every = out->batch_size = 0;
	out->finish = 0;
	out->ordinal = 0;
	out->layer_norm = NULL;
	out->n_layer_norm = 0;
	out->gpu = NULL;
	out->n_gpus = 0;
	out->own = NULL;
	out->tokens = NULL;
	out->n_tokens = 0;
	out->text = (struct slice){ 0 };
	out->session = &slot->session;
	out->extra = &slot->extra;
	out->details = NULL;
	out->instance = NULL;
}

/* Sets what all lines of a map have in common; the line may override it. */
static void begin_mapped(struct parser *s)
{
	s->slot->session = s->map->session;
	s->out->phase = s->map->phase;
	s->out->token_count = s->map->token_count;
	s->has_token_count = s->map->token_count;
	s->out->event = EVENT_INFERENCE_STEP;
	s->has_event = s->map->all_steps;
}

/* Logs that hold the GPUs alone: which is the fullest. */
static void find_fullest(struct record *r)
{
	double pct;
	unsigned ordinal;
	size_t at = gpus_fullest(r->gpu, r->n_gpus, fields_text(r->session, F_STRATEGY), &pct);

	if (at == r->n_gpus || (r->have | r->nonfinite) & metric_bit(M_VRAM_FULLEST_PCT))
		return;
	record_set(r, M_VRAM_FULLEST_PCT, metric_as_logged(M_VRAM_FULLEST_PCT, pct));
	if (gpu_ordinal(r->gpu[at].device, &ordinal))
		record_set(r, M_VRAM_FULLEST_GPU, ordinal);
}

/* What was gathered in the line's slot. */
static void store_arrays(struct parser *s)
{
	const struct buf *norms = &s->slot->norms, *gpus = &s->slot->gpus;

	if (norms->used && !norms->failed) {
		s->out->layer_norm = (const float *)(const void *)norms->p;
		s->out->n_layer_norm = norms->used / sizeof(float);
	}
	if (gpus->used && !gpus->failed && s->out->event == EVENT_INFERENCE_STEP) {
		s->out->gpu = (const struct gpu_sample *)(const void *)gpus->p;
		s->out->n_gpus = gpus->used / sizeof(struct gpu_sample);
		find_fullest(s->out);
	}
}

static enum decode_result decode_any(const struct record_decoder *d, struct decoder_slot *slot, struct slice line,
				     struct decoded *out, struct leaves *leaves)
{
	struct parser s = { .p = line.p,
			    .end = line.p + line.n,
			    .paths = d->map ? d->map->paths : paths_own(),
			    .map = d->map,
			    .slot = slot,
			    .decoded = out,
			    .out = &out->rec,
			    .line = line,
			    .leaves = leaves };

	begin(slot, out);
	if (s.map)
		begin_mapped(&s);
	parse_word(&s, "\xef\xbb\xbf");
	while (s.p < s.end && !*s.p) /* a hole of zero bytes, left when the file was truncated under its writer or by a
				      * power cut */
		s.p++;
	skip_space(&s);
	s.p += s.p != s.end && *s.p == '['; /* of an array with a record on each line, */
	skip_space(&s);
	if (s.p == s.end || *s.p != '{')
		return DECODE_NOT_OBJECT;
	if (!parse_object(&s, &path_top, 0))
		return DECODE_MALFORMED;
	skip_space(&s);
	s.p += s.p != s.end && (*s.p == ',' || *s.p == ']'); /* of which these end each, and the last */
	skip_space(&s);
	if (s.p != s.end)
		return DECODE_MALFORMED;
	if (!s.has_event || s.bad_event)
		return DECODE_NO_EVENT_TYPE;
	if (!s.has_time)
		return DECODE_BAD_TIMESTAMP;
	if (s.bad_count)
		return DECODE_BAD_COUNT;
	if (s.out->event == EVENT_INFERENCE_STEP && !s.has_token_count)
		s.out->token_count = s.out->n_tokens ? (uint32_t)s.out->n_tokens : 1;
	store_arrays(&s);
	out->session_id = fields_text(&slot->session, F_SESSION_ID);
	return DECODE_OK;
}

/* The slot for the next line; NULL: out of memory. */
static struct decoder_slot *next_slot(struct record_decoder *d)
{
	if (!d->slot)
		d->slot = calloc(SLOTS, sizeof *d->slot);
	d->most_slots = d->most_slots > d->n_slots ? d->most_slots : d->n_slots + 1;
	return d->slot ? &d->slot[d->n_slots] : NULL;
}

static bool is_blank(struct slice line)
{
	size_t i = line.n >= 3 && !memcmp(line.p, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t' || line.p[i] == '\r'))
		i++;
	return i == line.n;
}

enum decode_result record_decode(struct record_decoder *d, struct slice line, struct record *out)
{
	struct decoder_slot *slot;
	struct decoded decoded;
	enum decode_result result;

	if (is_blank(line))
		return DECODE_BLANK;
	record_decoder_release(d);
	slot = next_slot(d);
	if (!slot)
		return DECODE_MALFORMED;
	result = decode_any(d, slot, line, &decoded, NULL);
	*out = decoded.rec;
	return result;
}

void record_decoder_feed(struct record_decoder *d, struct slice text)
{
	d->p = text.p;
	d->end = text.p + text.n;
	if (!d->known)
		d->known = known_open(); /* NULL: no line can be decoded */
	if (!d->shapes && d->known && !d->any_order && !d->map) {
		d->shapes = shapes_open(d->known); /* NULL: then every line is decoded by the full parser */
		d->members = d->shapes ? members_open() : NULL;
	}
	if (d->members)
		members_feed(d->members, text.p);
}

bool record_decoder_full(const struct record_decoder *d)
{
	return d->n_slots == SLOTS || (d->known && known_full(d->known));
}

void record_decoder_release(struct record_decoder *d)
{
	d->n_slots = 0;
	if (!d->known)
		return;
	if (known_release(d->known))
		d->latest = NULL;
}

bool record_decoder_has_room(const struct record_decoder *d)
{
	return !d->n_slots && (!d->known || known_has_room(d->known));
}

/* Keeps the line's fields as long as the decoder holds the line. A session's name and fields are kept once for all
 * lines that have the same; a line that has more keeps its slot. False: out of memory. */
static bool keep(struct record_decoder *d, struct decoder_slot *slot, struct decoded *out)
{
	bool has_more = out->rec.event != EVENT_INFERENCE_STEP || slot->unescaped.used || slot->norms.used ||
			slot->gpus.used || slot->extra.have[0] || slot->extra.have[1];
	int number = known_session(d->known, out->session_id);

	d->latest = known_fields(d->known, &slot->session);
	if (number < 0 || !d->latest)
		return false;
	out->who = (uint16_t)number;
	out->session_id = known_by_number(d->known, number)->id;
	if (fields_have(&slot->session, F_SESSION_ID))
		d->latest->values.v[F_SESSION_ID].text = out->session_id;
	out->rec.session = &d->latest->values;
	d->n_slots += has_more;
	return true;
}

static enum decode_result decode_long_way(struct record_decoder *d, struct slice line, struct decoded *out)
{
	struct leaves *leaves = d->shapes ? shapes_leaves(d->shapes, line) : NULL;
	struct decoder_slot *slot = d->known ? next_slot(d) : NULL;
	enum decode_result result = slot ? decode_any(d, slot, line, out, leaves) : DECODE_MALFORMED;
	bool is_plain = slot && !slot->unescaped.used && !slot->norms.used &&
			!slot->gpus.used; /* a shape has no room for an array's values */

	if (result != DECODE_OK)
		return result;
	if (!keep(d, slot, out))
		return DECODE_MALFORMED;
	if (leaves && is_plain)
		shapes_learn(d->shapes, line, &out->rec, d->latest);
	return DECODE_OK;
}

size_t record_decode_behind(struct record_decoder *d, struct slice line)
{
	enum { TRIES = 64 }; /* a torn record has a handful of objects inside */
	struct decoder_slot *slot = d->map ? NULL : next_slot(d);
	const char *end = line.p + line.n, *p = line.p + (line.n > 0);
	struct decoded decoded;

	for (int i = 0; slot && i < TRIES && (p = memmem(p, (size_t)(end - p), "{\"", 2)); i++, p++)
		if (decode_any(d, slot, (struct slice){ p, (size_t)(end - p) }, &decoded, NULL) == DECODE_OK)
			return (size_t)(p - line.p);
	return 0;
}

bool record_decode_next(struct record_decoder *d, struct decoded *out, enum decode_result *result)
{
	struct slice line = { .p = d->p };

	if (d->p == d->end)
		return false;
	line.n = (size_t)((const char *)memchr(d->p, '\n', (size_t)(d->end - d->p)) - d->p);
	d->p += line.n + 1;
	*result = is_blank(line)             ? DECODE_BLANK
		  : line.n > DECODE_LINE_MAX ? DECODE_TOO_LONG
					     : decode_long_way(d, line, out);
	if (*result == DECODE_MALFORMED) {
		size_t behind = record_decode_behind(d, line);

		d->p = behind ? line.p + behind : d->p;
		if (behind && d->members)
			members_forget(d->members); /* the caller ends the torn line here */
	}
	return true;
}

static const char *begin_of_line(const char *p, size_t lines)
{
	while (lines--)
		p = (const char *)rawmemchr(p, '\n') + 1;
	return p;
}

/* Decodes lines that have no shape, but have the session fields of the last line that the full parser decoded. */
static size_t decode_members(struct record_decoder *d, struct columns *c)
{
	const char *begin = d->p;
	size_t from = c->n, lines;

	if (!d->members || !d->latest || !shapes_missed(d->shapes))
		return 0;
	lines = members_run(d->members, &d->p, d->end, &d->latest->values, c);
	for (size_t row = from; row < c->n; row++) {
		int number = known_session(d->known, c->session_id[row]);

		if (number < 0) { /* out of memory: the full parser decodes the rest, and reports it */
			d->p = begin_of_line(begin, row - from);
			lines = row - from;
			c->n = row;
			break;
		}
		c->who[row] = (uint16_t)number;
		c->session_id[row] = known_by_number(d->known, number)->id;
	}
	if (lines)
		shapes_pass(d->shapes, lines);
	return lines;
}

size_t record_decode_run(struct record_decoder *d, struct columns *c)
{
	size_t lines = d->shapes ? shapes_run(d->shapes, &d->p, d->end, c) : 0;

	return lines ? lines : d->shapes ? decode_members(d, c) : 0;
}

void record_decoder_free(struct record_decoder *d)
{
	shapes_close(d->shapes);
	members_close(d->members);
	known_close(d->known);
	for (size_t i = 0; i < d->most_slots && d->slot; i++) {
		buf_free(&d->slot[i].unescaped);
		buf_free(&d->slot[i].norms);
		buf_free(&d->slot[i].gpus);
	}
	free(d->slot);
	*d = (struct record_decoder){ .any_order = d->any_order, .map = d->map };
}
