/* decode_walk_body.h - the walk, written once for all instruction sets. Before including it, a file must define:
 *
 * - differ_t, differ_none(), differ_more(d, p, piece), differ_any(d): collect how the 32 bytes at p differ from the
 *   piece's text
 * - find_in_32(p, c, &n): the position n of the first byte c among 32; false: there is none
 * - equal_64(p, c): a bit for each of 64 bytes that is c
 * - any_in_128(p, c): is one of 128 bytes c?
 * - LANES, short_numbers(base, start, start_behind, behind, decimals, out): parses LANES numbers of 1..8 characters
 * that begin at start and end `behind` bytes before start_behind: digits, optionally with a point between two of them,
 *   times 10^decimals. Returns bits of the valid ones that have no more digits after the point than that
 * - where it pays, even_numbers(base, start, start_behind, behind, fraction, decimals, out): the same, valid only where
 *   exactly `fraction` digits stand behind the point, up to EVEN_MAX
 * - read_decimal(p, n, digits, fraction): parses n bytes of digits, optionally with a point between two of them: at
 * most 19 digits after leading zeros
 *
 * The positions in a line form a chain: where a value begins is known only when the previous one has ended. FLIGHT
 * lines are therefore walked at once, so that the steps of one line fill the waits of another. */
#ifndef RWKVMON_RECORD_DECODE_WALK_BODY_H
#define RWKVMON_RECORD_DECODE_WALK_BODY_H

#include "base/decimals.h"
#include "record/decode_bytes.h"
#include "record/decode_walk.h"
#ifndef read_decimal /* no steps were included */
#include "record/decode_steps_scalar.h"
#endif

enum { FLIGHT = 4, PATIENCE = 15, EVEN_PATIENCE = 255, READ_BEYOND = 32 };
_Static_assert(FLIGHT % LANES == 0 && WALK_LINES % FLIGHT == 0, "numbers are read where lines were walked");

#define EACH_LINE _Pragma("GCC unroll 8") for (int k = 0; k < FLIGHT; k++)

/* A value of more than 32 bytes: the first byte c from p on, or `to`, if that is not past already. */
static __attribute__((noinline)) size_t find_far(const char *base, size_t p, size_t to, char c)
{
	unsigned n;

	for (; p < to; p += 32)
		if (find_in_32(base + p, c, &n))
			return p + n < to ? p + n : to;
	return p;
}

/* Walks FLIGHT lines from line i on. A line with another shape runs past its own end: if `bounded`, it stays there. */
static inline uint64_t walk_few(const struct shape *s, struct walk *w, size_t i, bool bounded)
{
	const char *base = w->base;
	size_t p[FLIGHT], to[FLIGHT];
	differ_t differ[FLIGHT];
	uint64_t fits = 0;

	EACH_LINE
	{
		size_t at = i + (size_t)k < w->n ? i + (size_t)k : w->n - 1;

		p[k] = w->from[at];
		to[k] = w->to[at];
		differ[k] = differ_none();
	}
	for (size_t q = 0; q < s->n; q++) {
		const struct piece *f = &s->piece[q];
		uint32_t *start = &w->start[q][i];

		EACH_LINE
		{
			differ[k] = differ_more(differ[k], base + p[k], f);
			p[k] += f->bytes;
			start[k] = (uint32_t)p[k];
		}
		if (f->kind != VALUE_NONE)
			EACH_LINE
			{
				unsigned n;

				if (__builtin_expect(find_in_32(base + p[k], f->stop, &n), 1))
					p[k] += n;
				else
					p[k] = find_far(base, p[k], to[k], f->stop);
			}
		if (bounded)
			EACH_LINE p[k] = p[k] < to[k] ? p[k] : to[k];
	}
	EACH_LINE
	{
		bool ends = w->start[s->n - 1][i + (size_t)k] == to[k];

		fits |= (uint64_t)(ends && !differ_any(differ[k]) && i + (size_t)k < w->n) << (i + (size_t)k);
	}
	return fits;
}

struct any_number {
	uint64_t digits;
	int fraction; /* of the digits, so many stand behind the point */
	bool negative;
};

static inline bool read_digits(struct slice text, struct any_number *n)
{
	n->negative = text.n && *text.p == '-';
	return text.n > n->negative &&
	       read_decimal(text.p + n->negative, text.n - n->negative, &n->digits, &n->fraction);
}

static inline bool number_to_double(const struct any_number *n, double *value)
{
	double size;

	if (!decimal_to_double(n->digits, -n->fraction, &size))
		return false;
	*value = n->negative ? -size : size;
	return true;
}

/* Bits of the lines whose number is short and has at most so many decimals; these are in out. */
static inline uint64_t parse_any(const struct shape *s, const struct walk *w, size_t q, unsigned decimals, int64_t *out)
{
	const uint32_t behind = s->piece[q + 1].bytes;
	uint64_t taken = 0;

	for (size_t i = 0; i < w->n; i += LANES)
		taken |= short_numbers(w->base, w->start[q] + i, w->start[q + 1] + i, behind, decimals, out + i) << i;
	return taken;
}

#ifdef even_numbers
/* Of a short number; anything else may be of any length. */
static inline unsigned fraction_of(struct slice text)
{
	const char *point = text.n <= 8 ? memchr(text.p, '.', text.n) : NULL;

	return point ? (unsigned)(text.p + text.n - 1 - point) : 0;
}

/* The same. In most logs a metric has equally many digits behind the point in every line, and none is searched for. */
static inline uint64_t parse_even(struct shape *s, const struct walk *w, size_t q, unsigned decimals, int64_t *out)
{
	const struct walk_values values = walk_values(s, w, q);
	const unsigned fraction = fraction_of(walk_value(&values, 0)), all = (1u << LANES) - 1;
	uint64_t taken = 0;
	size_t uneven = 0;

	if (fraction > EVEN_MAX || fraction > decimals) {
		s->piece[q].uneven = EVEN_PATIENCE;
		return parse_any(s, w, q, decimals, out);
	}
	for (size_t i = 0; i < w->n; i += LANES) {
		uint64_t right = even_numbers(w->base, values.from + i, values.behind + i, values.bytes, fraction,
					      decimals, out + i);

		if (__builtin_expect(right != all, 0)) {
			right = short_numbers(w->base, values.from + i, values.behind + i, values.bytes, decimals,
					      out + i);
			uneven++;
		}
		taken |= right << i;
	}
	if (8 * LANES * uneven > w->n)
		s->piece[q].uneven = EVEN_PATIENCE;
	return taken;
}
#else
#define parse_even parse_any
#endif

static inline uint64_t parse_short(struct shape *s, const struct walk *w, size_t q, unsigned decimals, int64_t *out)
{
	struct piece *f = &s->piece[q];
	uint64_t taken;

	if (f->patience) {
		f->patience--;
		return 0;
	}
	taken = f->uneven ? parse_any(s, w, q, decimals, out) : parse_even(s, w, q, decimals, out);
	f->uneven = (uint8_t)(f->uneven - (f->uneven > 0));
	if (w->n < WALK_LINES)
		taken &= (UINT64_C(1) << w->n) - 1;
	if (4 * (size_t)__builtin_popcountll(taken) < w->n)
		f->patience = PATIENCE;
	return taken;
}

/* Lines in full number are all rows from `row` on: their values go there at once. */
static inline uint64_t fill_short(struct shape *s, const struct walk *w, size_t q, struct columns *c, size_t row)
{
	enum metric_id m = (enum metric_id)s->piece[q].id;
	const bool full = w->n == WALK_LINES;
	int64_t some_scaled[WALK_LINES], *scaled = full ? c->scaled[m] + row : some_scaled;
	double some_values[WALK_LINES], *value = full ? c->value[m] + row : some_values;
	uint64_t taken = parse_short(s, w, q, (unsigned)metric_specs[m].decimals, scaled);

	if (taken)
		decimals_to_doubles(value, scaled, WALK_LINES, metric_specs[m].scale);
	for (size_t k = 0; taken && !full && k < w->n; k++) {
		c->scaled[m][row + w->line[k]] = scaled[k];
		c->value[m][row + w->line[k]] = value[k];
	}
	return taken;
}

/* The lines whose bits are in `left`. All are taken apart before any becomes a double: each step of a number waits for
 * the one before it, and the processor works on as many numbers at once as it has room for. */
static inline uint64_t fill_long(const struct shape *s, const struct walk *w, size_t q, uint64_t fits, uint64_t left,
				 struct columns *c, size_t row)
{
	enum metric_id m = (enum metric_id)s->piece[q].id;
	const struct walk_values values = walk_values(s, w, q);
	struct any_number number[WALK_LINES];

	fits &= ~left;
	for (uint64_t todo = left; todo; todo &= todo - 1) {
		size_t k = (size_t)__builtin_ctzll(todo);

		fits |= (uint64_t)read_digits(walk_value(&values, k), &number[k]) << k;
	}
	for (uint64_t todo = left & fits; todo; todo &= todo - 1) {
		size_t k = (size_t)__builtin_ctzll(todo), at = row + w->line[k];
		const struct any_number *n = &number[k];

		if (decimal_scale(m, n->digits, n->fraction, n->negative, &c->scaled[m][at]))
			c->value[m][at] = (double)c->scaled[m][at] / metric_specs[m].scale;
		else if (number_to_double(n, &c->value[m][at]))
			c->decimal[at] &= ~metric_bit(m);
		else
			fits &= ~(UINT64_C(1) << k);
	}
	return fits;
}

static inline uint64_t fill_metric(struct shape *s, const struct walk *w, size_t q, uint64_t fits, struct columns *c,
				   size_t row)
{
	uint64_t taken = fill_short(s, w, q, c, row);

	return fill_long(s, w, q, fits, fits & ~taken, c, row);
}

static inline void put_numbers(uint32_t *to, const int64_t *count, size_t n)
{
	for (size_t k = 0; k < n; k++)
		to[k] = (uint32_t)count[k];
}

/* Into n rows; inline, because n is known where it is called: vectors are made of it. */
static inline __attribute__((always_inline)) void put_counts(struct columns *c, size_t row, enum field_id f,
							     const int64_t *count, size_t n)
{
	switch (f) {
	case F_SEQUENCE_LENGTH:
		memcpy(c->sequence_length + row, count, n * sizeof *count);
		break;
	case F_RECORD:
		for (size_t k = 0; k < n; k++)
			c->ordinal[row + k] = (uint64_t)count[k] + 1;
		break;
	case F_SEQUENCE:
		put_numbers(c->sequence + row, count, n);
		break;
	case F_BATCH_SIZE:
		put_numbers(c->batch_size + row, count, n);
		break;
	default:
		put_numbers(c->token_count + row, count, n);
	}
}

static inline uint64_t fill_counts(struct shape *s, const struct walk *w, size_t q, uint64_t fits, struct columns *c,
				   size_t row)
{
	enum field_id f = (enum field_id)s->piece[q].id;
	uint64_t most = f == F_SEQUENCE_LENGTH || f == F_RECORD ? UINT64_C(1) << 53 : UINT32_MAX;
	const struct walk_values values = walk_values(s, w, q);
	int64_t count[WALK_LINES];
	uint64_t taken = parse_short(s, w, q, 0, count);

	for (uint64_t left = fits & ~taken; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left);
		struct slice text = walk_value(&values, k);
		uint64_t digits;
		int fraction;

		if (text.n && read_decimal(text.p, text.n, &digits, &fraction) && !fraction && digits <= most)
			count[k] = (int64_t)digits;
		else
			fits &= ~(UINT64_C(1) << k);
	}
	if (fits == UINT64_MAX) { /* the lines are all rows from `row` on */
		put_counts(c, row, f, count, WALK_LINES);
		return fits;
	}
	for (size_t k = 0; k < w->n; k++)
		if (fits >> k & 1)
			put_counts(c, row + w->line[k], f, count + k, 1);
	return fits;
}

/* Checks unknown numbers: they must still be numbers. */
static inline uint64_t pass_numbers(struct shape *s, const struct walk *w, size_t q, uint64_t fits)
{
	const struct walk_values values = walk_values(s, w, q);
	int64_t number[WALK_LINES];
	uint64_t taken = parse_short(s, w, q, 7, number);

	for (uint64_t left = fits & ~taken; left; left &= left - 1) {
		size_t k = (size_t)__builtin_ctzll(left);
		struct any_number any;
		double value;

		if (!read_digits(walk_value(&values, k), &any) || !number_to_double(&any, &value))
			fits &= ~(UINT64_C(1) << k);
	}
	return fits;
}

static inline uint64_t walk_take_body(struct shape *s, struct walk *w, struct columns *c, size_t row)
{
	const size_t reach = s->n * 2 * PIECE_BYTES + READ_BEYOND;
	uint64_t fits = 0;

	for (size_t i = 0; i < w->n; i += FLIGHT) {
		size_t last = i + FLIGHT <= w->n ? i + FLIGHT - 1 : w->n - 1;

		fits |= w->to[last] + reach > w->readable ? walk_few(s, w, i, true) : walk_few(s, w, i, false);
	}
	if (!fits)
		return 0;
	for (size_t q = 0; q + 1 < s->n; q++)
		switch (s->piece[q].kind) {
		case VALUE_METRIC:
			fits = fill_metric(s, w, q, fits, c, row);
			break;
		case VALUE_COUNT:
			fits = fill_counts(s, w, q, fits, c, row);
			break;
		case VALUE_NUMBER:
			fits = pass_numbers(s, w, q, fits);
			break;
		default:
			break;
		}
	return fits;
}

static inline size_t walk_find_body(const char *p, const char *end, uint32_t *to, size_t most)
{
	const char *at = p;
	size_t n = 0;

	for (; at < end && n < most; at += 64) {
		uint64_t ends;

		while (end - at >= 128 && !any_in_128(at, '\n'))
			at += 128;
		if (at >= end)
			break;
		ends = equal_64(at, '\n');
		if (end - at < 64)
			ends &= (UINT64_C(1) << (end - at)) - 1;
		for (; ends && n < most; ends &= ends - 1)
			to[n++] = (uint32_t)(at - p) + (uint32_t)__builtin_ctzll(ends);
	}
	return n;
}

#endif
