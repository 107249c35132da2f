/* decode_layout_steps.h - the body of a match; an instruction set brings the two steps that gain most from it. */
#ifndef RWKVMON_RECORD_DECODE_LAYOUT_STEPS_H
#define RWKVMON_RECORD_DECODE_LAYOUT_STEPS_H

#include "record/decode_bytes.h"
#include "record/decode_layout_match.h"

/* Constants where they are used, so that nothing is called through them. They may read DECODE_PADDING / 2 bytes more
 * than they are told. */
struct layout_steps {
	bool (*same_bytes)(const char *fixed, const char *p, size_t n);

	/* No '"', '\\' or control character among the n bytes? */
	bool (*is_plain)(const char *p, size_t n);

	/* n bytes, 1..most, that are digits, perhaps with one point between: the number without its point, and how many
	 * digits stand behind it. False: something else. */
	bool (*decimal)(const char *p, size_t n, uint64_t *digits, int *fraction);
	size_t most;
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { DIGITS_MAX = 19 }; /* 10^19 - 1 fits 64 bits */

/* Digits up to `most` in all; false when there are none or more. */
static inline bool long_digits(const char **p, const char *end, uint64_t *digits, int *n, int most)
{
	const char *from = *p, *at = from;

	for (; end - at >= 8 && *n + 8 <= most && are_8_digits(load8(at)); at += 8, *n += 8)
		*digits = *digits * 100000000 + value_of_8_digits(load8(at));
	for (; at < end && is_digit(*at); at++) {
		if (++*n > most)
			return false;
		*digits = *digits * 10 + (uint64_t)(*at - '0');
	}
	*p = at;
	return at > from;
}

static inline bool long_decimal(const char **p, const char *end, uint64_t *digits, int *fraction)
{
	const char *at = *p;
	int n = 0, before;

	if (end - at < 1 || (*at == '0' && end - at > 1 && is_digit(at[1])))
		return false;
	*digits = 0;
	*fraction = 0;
	if (!long_digits(&at, end, digits, &n, DIGITS_MAX))
		return false;
	before = n = *digits ? n : 0;
	if (at < end && *at == '.') {
		at++;
		if (!long_digits(&at, end, digits, &n, DIGITS_MAX))
			return false;
		*fraction = n - before;
	}
	*p = at;
	return true;
}

ALWAYS_INLINE bool layout_decimal(struct layout_steps steps, const char *p, const char *end, uint64_t *digits,
				  int *fraction)
{
	if ((size_t)(end - p) <= steps.most && end > p && steps.decimal(p, (size_t)(end - p), digits, fraction))
		return true;
	return long_decimal(&p, end, digits, fraction) && p == end;
}

ALWAYS_INLINE bool take_metric(struct layout_steps steps, enum metric_id m, const char *p, const char *end,
			       struct decoded *out)
{
	bool negative = *p == '-';
	uint64_t digits;
	int fraction;
	double value;

	if (!layout_decimal(steps, p + negative, end, &digits, &fraction) || !decimal_to_double(digits, -fraction, &value))
		return false;
	out->rec.metric[m] = negative ? -value : value;
	decoded_scale(out, m, digits, fraction, negative);
	return true;
}

ALWAYS_INLINE bool skip_number(struct layout_steps steps, const char *p, const char *end)
{
	uint64_t digits;
	double value;
	int fraction;

	p += *p == '-';
	return layout_decimal(steps, p, end, &digits, &fraction) && decimal_to_double(digits, -fraction, &value);
}

ALWAYS_INLINE bool take_count(struct layout_steps steps, const char *p, const char *end, uint64_t most, uint64_t *out)
{
	int fraction;

	return layout_decimal(steps, p, end, out, &fraction) && !fraction && *out <= most;
}

ALWAYS_INLINE bool take_text(struct layout_steps steps, struct layout *l, enum operand_kind kind, struct minute *minute,
			     struct slice text, struct decoded *out)
{
	if (!steps.is_plain(text.p, text.n))
		return false;
	if (kind == OPERAND_TIME)
		return layout_time(minute, text, &out->rec.time_us);
	if (kind == OPERAND_SESSION_ID)
		l->session.v[F_SESSION_ID].text = out->session_id = text;
	else if (kind == OPERAND_TEXT)
		out->rec.text = text;
	return true;
}

ALWAYS_INLINE bool take_operand(struct layout_steps steps, struct layout *l, const struct operand *o,
				struct minute *minute, const char *p, const char *end, struct decoded *out)
{
	uint64_t count = 0;

	switch (o->kind) {
	case OPERAND_METRIC:
		return take_metric(steps, (enum metric_id)o->metric, p, end, out);
	case OPERAND_NUMBER:
		return skip_number(steps, p, end);
	case OPERAND_SEQUENCE_LENGTH:
		return take_count(steps, p, end, UINT64_C(1) << 53, &out->rec.sequence_length);
	case OPERAND_SEQUENCE:
		if (!take_count(steps, p, end, UINT32_MAX, &count))
			return false;
		out->rec.sequence = (uint32_t)count;
		return true;
	case OPERAND_TOKEN_COUNT:
		if (!take_count(steps, p, end, UINT32_MAX, &count))
			return false;
		out->rec.token_count = (uint32_t)count;
		return true;
	default:
		return take_text(steps, l, (enum operand_kind)o->kind, minute, (struct slice){ p, (size_t)(end - p) }, out);
	}
}

static inline void take_fixed(const struct layout *l, struct decoded *out)
{
	struct record *r = &out->rec;

	r->event = l->fixed.event;
	r->phase = l->fixed.phase;
	r->sequence = l->fixed.sequence;
	r->token_count = l->fixed.token_count;
	r->sampled_every = l->fixed.sampled_every;
	r->sequence_length = l->fixed.sequence_length;
	r->have = l->fixed.have;
	r->nonfinite = l->fixed.nonfinite;
	r->tokens = NULL;
	r->n_tokens = l->fixed.n_tokens;
	r->text = l->fixed.text;
	r->layer_norm = NULL;
	r->n_layer_norm = 0;
	r->own = NULL;
	r->session = &l->session;
	r->extra = &l->extra;
	r->details = NULL;
	out->session_id = (struct slice){ "", 0 };
	out->decimal = 0;
}

/* Where the number or plain text at p is over, for values that are not followed by a mark's place. */
static inline const char *value_end(const char *p, const char *stop, bool text)
{
	while (p < stop && (text ? *p != '"' : is_digit(*p) || *p == '.' || *p == '-'))
		p++;
	return p;
}

/* Each round needs the places of this and of the next value; neither depends on what was read in the round before. */
ALWAYS_INLINE bool match_layout(struct layout_steps steps, struct layout *l, struct minute *minute, const char *base,
				const uint16_t *mark, const char *p, struct decoded *out)
{
	const char *stop = base + mark[l->marks], *at = p, *start;

	if (*stop != '\n')
		return false;
	take_fixed(l, out);
	start = l->n && l->operand[0].anchored ? base + mark[l->operand[0].mark] + l->operand[0].gap : p + l->operand[0].fixed_bytes;
	for (size_t i = 0; i < l->n; i++) {
		const struct operand *o = &l->operand[i], *next = o + 1;
		bool last = i + 1 == l->n;
		const char *next_start = last ? stop : NULL, *end;

		if (start - at != o->fixed_bytes || start > stop || !steps.same_bytes(l->line + o->fixed, at, o->fixed_bytes))
			return false;
		if (!last && next->anchored)
			next_start = base + mark[next->mark] + next->gap;
		end = next_start ? next_start - (last ? l->tail_bytes : next->fixed_bytes)
				 : value_end(start, stop, o->kind >= OPERAND_TIME);
		if (end < start || end > stop || !take_operand(steps, l, o, minute, start, end, out))
			return false;
		at = end;
		start = next_start ? next_start : end + next->fixed_bytes;
	}
	return stop - at == l->tail_bytes && steps.same_bytes(l->line + l->tail, at, l->tail_bytes);
}

#endif
