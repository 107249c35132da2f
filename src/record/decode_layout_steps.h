/* decode_layout_steps.h - the body of a match; an instruction set brings the two steps that gain most from it. */
#ifndef RWKVMON_RECORD_DECODE_LAYOUT_STEPS_H
#define RWKVMON_RECORD_DECODE_LAYOUT_STEPS_H

#include "record/decode_bytes.h"
#include "record/decode_layout_match.h"

/* Constants where they are used, so that nothing is called through them. */
struct layout_steps {
	/* Do the n bytes at p, which must end before `end`, equal those at fixed? */
	bool (*same_bytes)(const char *fixed, const char *p, size_t n, const char *end);

	/* Digits, and perhaps a point and digits, of at most 15 characters: the number without
	 * its point, and how many digits stand behind it. False, *p untouched: it is something
	 * else, or too near to the end to be looked at. */
	bool (*short_decimal)(const char **p, const char *end, uint64_t *digits, int *fraction);
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

ALWAYS_INLINE bool layout_decimal(struct layout_steps steps, const char **p, const char *end, uint64_t *digits,
				  int *fraction)
{
	return steps.short_decimal(p, end, digits, fraction) || long_decimal(p, end, digits, fraction);
}

ALWAYS_INLINE bool layout_number(struct layout_steps steps, const char **p, const char *end, double *out)
{
	bool negative = *p < end && **p == '-';
	uint64_t digits;
	int fraction;

	*p += negative;
	if (!layout_decimal(steps, p, end, &digits, &fraction) || !decimal_to_double(digits, -fraction, out))
		return false;
	*out = negative ? -*out : *out;
	return true;
}

ALWAYS_INLINE bool layout_count(struct layout_steps steps, const char **p, const char *end, uint64_t most,
				uint64_t *out)
{
	int fraction;

	return layout_decimal(steps, p, end, out, &fraction) && !fraction && *out <= most;
}

ALWAYS_INLINE bool take_operand(struct layout_steps steps, struct layout *l, const struct operand *o,
				struct minute *minute, const char **p, const char *end, struct record *out)
{
	struct slice text;
	uint64_t count;
	double ignored;

	switch (o->kind) {
	case OPERAND_METRIC:
		return layout_number(steps, p, end, &out->metric[o->metric]);
	case OPERAND_NUMBER:
		return layout_number(steps, p, end, &ignored);
	case OPERAND_SEQUENCE_LENGTH:
		return layout_count(steps, p, end, UINT64_C(1) << 53, &out->sequence_length);
	case OPERAND_SEQUENCE:
	case OPERAND_TOKEN_COUNT:
		if (!layout_count(steps, p, end, UINT32_MAX, &count))
			return false;
		*(o->kind == OPERAND_SEQUENCE ? &out->sequence : &out->token_count) = (uint32_t)count;
		return true;
	default:
		break;
	}
	text = (struct slice){ *p, plain_prefix(*p, end) };
	*p += text.n;
	if (o->kind == OPERAND_TIME)
		return layout_time(minute, text, &out->time_us);
	if (o->kind == OPERAND_SESSION_ID)
		l->session.v[F_SESSION_ID].text = text;
	else if (o->kind == OPERAND_TEXT)
		out->text = text;
	return true;
}

ALWAYS_INLINE bool match_layout(struct layout_steps steps, struct layout *l, struct minute *minute, struct slice line,
				struct record *out)
{
	const char *p = line.p, *end = line.p + line.n;

	out->event = l->fixed.event;
	out->phase = l->fixed.phase;
	out->sequence = l->fixed.sequence;
	out->token_count = l->fixed.token_count;
	out->sequence_length = l->fixed.sequence_length;
	out->have = l->fixed.have;
	out->nonfinite = l->fixed.nonfinite;
	out->tokens = NULL;
	out->n_tokens = l->fixed.n_tokens;
	out->text = l->fixed.text;
	out->session = &l->session;
	out->extra = &l->extra;
	out->details = NULL;
	for (size_t i = 0; i < l->n; i++) {
		const struct operand *o = &l->operand[i];

		if (!steps.same_bytes(l->line + o->fixed, p, o->fixed_bytes, end))
			return false;
		p += o->fixed_bytes;
		if (!take_operand(steps, l, o, minute, &p, end, out))
			return false;
	}
	return (size_t)(end - p) == l->tail_bytes && steps.same_bytes(l->line + l->tail, p, l->tail_bytes, end);
}

#endif
