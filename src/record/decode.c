/* decode.c - one JSON line into a record: any key order, unknown keys, other writers' habits.
 *
 * A strict JSON parser but for two things that Python's json writes: bare NaN and
 * Infinity. Each leaf's path ("accuracy.logits_entropy") is looked up in a hash table
 * that is built once from the field and metric tables. */
#include "record/codec.h"

#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	DEPTH_MAX = 64,
	PATH_MAX_BYTES = 64,  /* longer paths are nobody's */
	SLOTS = 512,	      /* of the path table; a power of two, sparsely filled */
	NUMBER_MAX_BYTES = 400,
};

const char *const decode_reasons[DECODE_RESULT_COUNT] = {
	[DECODE_OK] = "fine",
	[DECODE_NOT_OBJECT] = "not a JSON object",
	[DECODE_MALFORMED] = "damaged or incomplete JSON",
	[DECODE_NO_EVENT_TYPE] = "a JSON object without a known event_type",
	[DECODE_BAD_TIMESTAMP] = "no readable timestamp",
};

/* --- which path is what ---------------------------------------------------------- */

struct target {
	char path[PATH_MAX_BYTES];
	size_t n; /* bytes of path; 0: free slot */
	bool is_metric;
	int id; /* enum metric_id or field_id */
};

static struct target slots[SLOTS];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

static uint32_t hash_step(uint32_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return h;
}

static const uint32_t hash_start = 2166136261u;

static void add_target(const char *path, bool is_metric, int id)
{
	size_t n = strlen(path);
	uint32_t at = hash_step(hash_start, path, n);

	while (slots[at % SLOTS].n)
		at++;
	memcpy(slots[at % SLOTS].path, path, n);
	slots[at % SLOTS].n = n;
	slots[at % SLOTS].is_metric = is_metric;
	slots[at % SLOTS].id = id;
}

static void fill_slots(void)
{
	for (int m = 0; m < METRIC_COUNT; m++) {
		char path[PATH_MAX_BYTES];

		snprintf(path, sizeof path, "%s.%s", metric_group_keys[metric_specs[m].group], metric_specs[m].key);
		add_target(path, true, m);
	}
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].kind != KIND_METRICS && field_specs[f].kind != KIND_DETAILS)
			add_target(field_specs[f].path, false, f);
}

static const struct target *find_target(const char *path, size_t n, uint32_t hash)
{
	for (; slots[hash % SLOTS].n; hash++) {
		const struct target *t = &slots[hash % SLOTS];

		if (t->n == n && !memcmp(t->path, path, n))
			return t;
	}
	return NULL;
}

/* --- the line -------------------------------------------------------------------- */

struct parser {
	const char *p, *end;
	struct record_decoder *d;
	struct record *out;
	size_t line_bytes;
	bool has_event, bad_event, has_time;
	bool has_token_count;
};

/* Where in the line's tree we are: the path of the object being read. */
struct place {
	char path[PATH_MAX_BYTES];
	size_t n;
	bool lost; /* the path is longer than any we know */
	int depth;
};

static void skip_space(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'))
		s->p++;
}

static bool take(struct parser *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool take_word(struct parser *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
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
	struct buf *b = &s->d->unescaped;
	size_t start;

	if (!b->used && !buf_reserve(b, s->line_bytes))
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
	while (s->p < s->end && *s->p != '"') {
		if ((unsigned char)*s->p < 0x20)
			return false;
		if (*s->p == '\\')
			return take_escaped(s, from, out);
		s->p++;
	}
	*out = (struct slice){ from, (size_t)(s->p - from) };
	return take(s, '"');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number the short way: at most 18 digits and a small power of ten give the right
 * double with one rounding when the digits fit 53 bits (Clinger's fast path). */
static bool exact_double(uint64_t digits, int exponent, double *out)
{
	static const double power[] = { 1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
					1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

	if (digits > UINT64_C(1) << 53 || exponent < -22 || exponent > 22)
		return false;
	*out = exponent < 0 ? (double)digits / power[-exponent] : (double)digits * power[exponent];
	return true;
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

static bool take_number(struct parser *s, double *out)
{
	const char *from = s->p, *fraction;
	bool negative = take(s, '-');
	uint64_t digits = 0;
	int kept = 0, exponent = 0;

	if (take_word(s, "Infinity")) {
		*out = negative ? -INFINITY : INFINITY;
		return true;
	}
	if (!negative && take_word(s, "NaN")) {
		*out = NAN;
		return true;
	}
	if (s->end - s->p >= 2 && *s->p == '0' && is_digit(s->p[1]))
		return false; /* 01 is no JSON number */
	if (!take_digits(s, &digits, &kept))
		return false;
	if (take(s, '.')) {
		fraction = s->p;
		if (!take_digits(s, &digits, &kept))
			return false;
		exponent -= (int)(s->p - fraction < 100000 ? s->p - fraction : 100000);
	}
	if (!take_exponent(s, &exponent))
		return false;
	if (kept > 19 || !exact_double(digits, exponent, out))
		return slow_double(from, s->p, out);
	if (negative)
		*out = -*out;
	return true;
}

/* --- values ---------------------------------------------------------------------- */

static void store_metric(struct record *r, enum metric_id m, double value)
{
	if (isfinite(value)) {
		record_set(r, m, value);
		r->nonfinite &= ~metric_bit(m);
	} else {
		r->nonfinite |= metric_bit(m);
		r->have &= ~metric_bit(m);
	}
}

static void store_number(struct parser *s, const struct target *t, double value)
{
	bool whole = value >= 0 && value <= 9007199254740992.0;

	if (t->is_metric) {
		store_metric(s->out, (enum metric_id)t->id, value);
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
			fields_set_number(field_specs[t->id].owner == OWNER_SESSION ? &s->d->session : &s->d->extra,
					  (enum field_id)t->id, value);
	}
}

static void store_event(struct parser *s, struct slice text)
{
	s->out->event = event_by_id(text);
	s->bad_event = s->out->event == EVENT_TYPE_COUNT;
	s->has_event = true;
}

static void store_text(struct parser *s, const struct target *t, struct slice text)
{
	if (t->is_metric)
		return;
	switch (field_specs[t->id].kind) {
	case KIND_TIME:
		s->has_time = time_parse(text, &s->out->time_us);
		break;
	case KIND_EVENT:
		store_event(s, text);
		break;
	case KIND_PHASE:
		s->out->phase = slice_is(text, "prefill") ? PHASE_PREFILL : slice_is(text, "decode") ? PHASE_DECODE : PHASE_UNKNOWN;
		break;
	case KIND_TEXT:
		if (t->id == F_TEXT)
			s->out->text = text;
		else
			fields_set_text(field_specs[t->id].owner == OWNER_SESSION ? &s->d->session : &s->d->extra,
					(enum field_id)t->id, text);
		break;
	default:
		break;
	}
}

static bool take_value(struct parser *s, const struct place *at, const struct target *t);

static bool take_array(struct parser *s, const struct place *at, size_t *elements)
{
	struct place inside = { .lost = true, .depth = at->depth + 1 };

	*elements = 0;
	s->p++;
	if (inside.depth > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, ']'))
		return true;
	do {
		skip_space(s);
		if (!take_value(s, &inside, NULL))
			return false;
		++*elements;
		skip_space(s);
	} while (take(s, ','));
	return take(s, ']');
}

/* The place of member `key`, and what we know of its path. */
static const struct target *enter(const struct place *at, struct slice key, struct place *inside)
{
	size_t dot = at->n ? 1 : 0;

	inside->depth = at->depth + 1;
	inside->n = 0;
	inside->lost = at->lost || at->n + dot + key.n >= PATH_MAX_BYTES;
	if (inside->lost)
		return NULL;
	memcpy(inside->path, at->path, at->n);
	if (dot)
		inside->path[at->n] = '.';
	memcpy(inside->path + at->n + dot, key.p, key.n);
	inside->n = at->n + dot + key.n;
	return find_target(inside->path, inside->n, hash_step(hash_start, inside->path, inside->n));
}

static bool take_object(struct parser *s, const struct place *at)
{
	struct place inside;
	struct slice key;

	s->p++;
	if (at->depth > DEPTH_MAX)
		return false;
	skip_space(s);
	if (take(s, '}'))
		return true;
	do {
		const struct target *t;

		skip_space(s);
		if (!take_string(s, &key))
			return false;
		skip_space(s);
		if (!take(s, ':'))
			return false;
		skip_space(s);
		t = enter(at, key, &inside);
		if (!take_value(s, &inside, t))
			return false;
		skip_space(s);
	} while (take(s, ','));
	return take(s, '}');
}

static bool take_value(struct parser *s, const struct place *at, const struct target *t)
{
	struct slice text;
	double number;
	size_t elements;

	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '{':
		return take_object(s, at);
	case '[':
		if (!take_array(s, at, &elements))
			return false;
		if (t && !t->is_metric && t->id == F_TOKENS)
			s->out->n_tokens = elements;
		return true;
	case '"':
		if (!take_string(s, &text))
			return false;
		if (t)
			store_text(s, t, text);
		return true;
	case 't':
		return take_word(s, "true");
	case 'f':
		return take_word(s, "false");
	case 'n':
		return take_word(s, "null");
	default:
		if (!take_number(s, &number))
			return false;
		if (t)
			store_number(s, t, number);
		return true;
	}
}

static void begin(struct record_decoder *d, struct record *out)
{
	memset(d->session.have, 0, sizeof d->session.have);
	memset(d->extra.have, 0, sizeof d->extra.have);
	buf_clear(&d->unescaped);
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
	out->session = &d->session;
	out->extra = &d->extra;
	out->details = NULL;
}

enum decode_result record_decode(struct record_decoder *d, struct slice line, struct record *out)
{
	struct parser s = { .p = line.p, .end = line.p + line.n, .d = d, .out = out, .line_bytes = line.n };
	const struct place top = { .depth = 0 };

	pthread_once(&slots_once, fill_slots);
	begin(d, out);
	take_word(&s, "\xef\xbb\xbf");
	skip_space(&s);
	if (s.p == s.end || *s.p != '{')
		return DECODE_NOT_OBJECT;
	if (!take_object(&s, &top))
		return DECODE_MALFORMED;
	skip_space(&s);
	if (s.p != s.end)
		return DECODE_MALFORMED;
	if (!s.has_event || s.bad_event)
		return DECODE_NO_EVENT_TYPE;
	if (!s.has_time)
		return DECODE_BAD_TIMESTAMP;
	if (out->event == EVENT_INFERENCE_STEP && !s.has_token_count)
		out->token_count = out->n_tokens ? (uint32_t)out->n_tokens : 1;
	return DECODE_OK;
}

void record_decoder_free(struct record_decoder *d)
{
	buf_free(&d->unescaped);
}
