/* exact.c - a superaccumulator: every bit of a double has its place in an array of words. */
#include "stats/exact.h"

#include <math.h>
#include <string.h>

/* |v| = mantissa * 2^exponent. */
static uint64_t mantissa_of(double v, int *exponent)
{
	uint64_t bits;
	int field;

	memcpy(&bits, &v, sizeof bits);
	field = (int)(bits >> 52 & 0x7ff);
	*exponent = (field ? field : 1) - 1075;
	return (bits & ((UINT64_C(1) << 52) - 1)) | (uint64_t)(field != 0) << 52;
}

/* w += piece (3 words), the carry running up. */
static void add_at(uint64_t *w, int at, const uint64_t piece[3])
{
	uint64_t carry = 0;

	for (int i = 0; i < 3; i++, at++) {
		u128 sum = (u128)w[at] + piece[i] + carry;

		w[at] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
	}
	while (carry && at < EXACT_WORDS)
		carry = !++w[at++];
}

static void subtract_at(uint64_t *w, int at, const uint64_t piece[3])
{
	uint64_t borrow = 0;

	for (int i = 0; i < 3; i++, at++) {
		u128 difference = (u128)w[at] - piece[i] - borrow;

		w[at] = (uint64_t)difference;
		borrow = (uint64_t)(difference >> 64) & 1;
	}
	while (borrow && at < EXACT_WORDS)
		borrow = !w[at++]--;
}

void exact_add_product(struct exact *e, double a, double b)
{
	int ea, eb, bit;
	u128 product = (u128)mantissa_of(a, &ea) * mantissa_of(b, &eb); /* at most 106 bits */
	uint64_t piece[3];

	bit = ea + eb + 64 * EXACT_POINT; /* at least 28, at most 4118 */
	piece[0] = (uint64_t)(product << bit % 64);
	piece[1] = (uint64_t)(product << bit % 64 >> 64);
	piece[2] = bit % 64 ? (uint64_t)(product >> (128 - bit % 64)) : 0;
	if (signbit(a) == signbit(b))
		add_at(e->w, bit / 64, piece);
	else
		subtract_at(e->w, bit / 64, piece);
}

void exact_add(struct exact *e, double a)
{
	int exponent, bit;
	uint64_t mantissa = mantissa_of(a, &exponent), piece[3];

	bit = exponent + 64 * EXACT_POINT; /* at least 1102 */
	piece[0] = mantissa << bit % 64;
	piece[1] = bit % 64 ? mantissa >> (64 - bit % 64) : 0;
	piece[2] = 0;
	if (signbit(a))
		subtract_at(e->w, bit / 64, piece);
	else
		add_at(e->w, bit / 64, piece);
}

/* --- many at once: whole numbers of one power of two ------------------------------------ */

enum { SPREAD_MOST = 10, FIELD_BITS = 0x7ff }; /* mantissas of 53 bits, moved up by so many, fit 63 */

static int field_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return (int)(bits >> 52 & FIELD_BITS);
}

/* The least exponent field; -1: zeros and subnormals are among them, or they are too far apart. */
static int least_field(const double *v, size_t n)
{
	int least = FIELD_BITS, most = 0;

	for (size_t i = 0; i < n; i++) {
		int field = field_of(v[i]);

		least = field < least ? field : least;
		most = field > most ? field : most;
	}
	return least && most - least <= SPREAD_MOST ? least : -1;
}

bool exact_common(const double *v, size_t n, int64_t *whole, int *exponent)
{
	int least = least_field(v, n);

	for (size_t i = 0; least >= 0 && i < n; i++) {
		uint64_t bits;
		int64_t size;

		memcpy(&bits, &v[i], sizeof bits);
		size = (int64_t)(((bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52)
				 << ((int)(bits >> 52 & FIELD_BITS) - least));
		whole[i] = bits >> 63 ? -size : size;
	}
	*exponent = least - 1075;
	return least >= 0;
}

/* Adds a two's complement number of 192 bits, times 2^exponent. */
static void add_words(struct exact *e, const uint64_t w[3], int exponent)
{
	int bit = exponent + 64 * EXACT_POINT, at = bit / 64, up = bit % 64;
	uint64_t above = w[2] >> 63 ? UINT64_MAX : 0, carry = 0;

	for (int i = 0; at < EXACT_WORDS; i++, at++) {
		uint64_t high = i < 3 ? w[i] : above, low = i && i < 4 ? w[i - 1] : i ? above : 0;
		uint64_t piece = up ? high << up | low >> (64 - up) : high;
		u128 sum = (u128)e->w[at] + piece + carry;

		e->w[at] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
		if (i > 3 && ((!above && !carry) || (above && carry))) /* nothing is left to add */
			return;
	}
}

static void add_to_words(uint64_t w[3], i128 value)
{
	u128 low = (u128)w[0] + (uint64_t)value;
	u128 mid = (u128)w[1] + (uint64_t)((u128)value >> 64) + (uint64_t)(low >> 64);

	w[0] = (uint64_t)low;
	w[1] = (uint64_t)mid;
	w[2] += (value < 0 ? UINT64_MAX : 0) + (uint64_t)(mid >> 64);
}

void exact_add_wholes(struct exact *e, const int64_t *v, size_t n, int exponent)
{
	uint64_t w[3] = { 0 };
	i128 sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	add_to_words(w, sum);
	add_words(e, w, exponent);
}

void exact_add_whole_products(struct exact *e, const int64_t *a, const int64_t *b, size_t n, int exponent)
{
	uint64_t w[3] = { 0 };

	for (size_t i = 0; i < n; i++)
		add_to_words(w, (i128)a[i] * b[i]);
	add_words(e, w, exponent);
}

void exact_merge(struct exact *into, const struct exact *from)
{
	uint64_t carry = 0;

	for (int i = 0; i < EXACT_WORDS; i++) {
		u128 sum = (u128)into->w[i] + from->w[i] + carry;

		into->w[i] = (uint64_t)sum;
		carry = (uint64_t)(sum >> 64);
	}
}

static void trim(struct big *b)
{
	int low = 0;

	while (b->n && !b->w[b->n - 1])
		b->n--;
	while (low < b->n && !b->w[low])
		low++;
	if (low)
		memmove(b->w, b->w + low, (size_t)(b->n - low) * sizeof *b->w);
	b->n -= low;
	b->exponent += low;
	if (!b->n)
		*b = (struct big){ .n = 0 };
}

void big_from_words(struct big *out, const uint64_t *w, int n)
{
	out->negative = false;
	out->exponent = 0;
	out->n = n;
	memcpy(out->w, w, (size_t)n * sizeof *w);
	trim(out);
}

void big_from_exact(struct big *out, const struct exact *e)
{
	uint64_t size[EXACT_WORDS];
	bool negative = e->w[EXACT_WORDS - 1] >> 63;
	uint64_t carry = negative;

	for (int i = 0; i < EXACT_WORDS; i++) {
		size[i] = (negative ? ~e->w[i] : e->w[i]) + carry;
		carry = carry && !size[i];
	}
	big_from_words(out, size, EXACT_WORDS);
	out->negative = negative;
	if (out->n)
		out->exponent -= EXACT_POINT;
}

void big_from_int(struct big *out, i128 value)
{
	u128 size = value < 0 ? -(u128)value : (u128)value;
	uint64_t w[2] = { (uint64_t)size, (uint64_t)(size >> 64) };

	big_from_words(out, w, 2);
	out->negative = value < 0;
}

void big_scale(struct big *b, uint64_t factor)
{
	uint64_t carry = 0;

	for (int i = 0; i < b->n; i++) {
		u128 product = (u128)b->w[i] * factor + carry;

		b->w[i] = (uint64_t)product;
		carry = (uint64_t)(product >> 64);
	}
	if (carry)
		b->w[b->n++] = carry;
	trim(b);
}

void big_multiply(struct big *out, const struct big *a, const struct big *b)
{
	memset(out->w, 0, (size_t)(a->n + b->n) * sizeof *out->w);
	for (int i = 0; i < a->n; i++) {
		uint64_t carry = 0;

		for (int k = 0; k < b->n; k++) {
			u128 sum = (u128)a->w[i] * b->w[k] + out->w[i + k] + carry;

			out->w[i + k] = (uint64_t)sum;
			carry = (uint64_t)(sum >> 64);
		}
		out->w[i + b->n] = carry;
	}
	out->n = a->n + b->n;
	out->exponent = a->exponent + b->exponent;
	out->negative = a->negative != b->negative;
	trim(out);
}

/* The word that stands at that power of 2^64. */
static uint64_t word_at(const struct big *b, int exponent)
{
	int i = exponent - b->exponent;

	return i >= 0 && i < b->n ? b->w[i] : 0;
}

static int compare_size(const struct big *a, const struct big *b)
{
	int top_a = a->n + a->exponent, top_b = b->n + b->exponent;
	int low = a->exponent < b->exponent ? a->exponent : b->exponent;

	if (!a->n || !b->n)
		return (a->n != 0) - (b->n != 0);
	for (int at = (top_a > top_b ? top_a : top_b) - 1; at >= low; at--) {
		uint64_t x = word_at(a, at), y = word_at(b, at);

		if (x != y)
			return x > y ? 1 : -1;
	}
	return 0;
}

/* out = large + small, or large - small; |large| >= |small| > 0, sign of large unless told. */
static void combine(struct big *out, const struct big *large, const struct big *small, bool subtract)
{
	int low = large->exponent < small->exponent ? large->exponent : small->exponent;
	int top = large->n + large->exponent;
	uint64_t carry = 0;
	struct big sum;

	sum.n = 0;
	sum.exponent = low;
	sum.negative = large->negative;
	for (int at = low; at < top; at++) {
		uint64_t y = word_at(small, at);
		u128 both = subtract ? (u128)word_at(large, at) - y - carry : (u128)word_at(large, at) + y + carry;

		sum.w[sum.n++] = (uint64_t)both;
		carry = (uint64_t)(both >> 64) & 1;
	}
	if (carry)
		sum.w[sum.n++] = carry;
	trim(&sum);
	*out = sum;
}

static void add_signed(struct big *a, const struct big *b, bool b_negative)
{
	bool subtract = a->negative != b_negative;

	if (!b->n)
		return;
	if (!a->n) {
		*a = *b;
		a->negative = b_negative;
	} else if (compare_size(a, b) >= 0) {
		combine(a, a, b, subtract);
	} else {
		combine(a, b, a, subtract);
		a->negative = b_negative;
	}
}

void big_add(struct big *a, const struct big *b)
{
	add_signed(a, b, b->negative);
}

void big_subtract(struct big *a, const struct big *b)
{
	add_signed(a, b, !b->negative);
}

double big_fraction(const struct big *b, int *exponent)
{
	int shift;
	u128 top;
	double fraction;

	*exponent = 0;
	if (!b->n)
		return 0;
	top = (u128)b->w[b->n - 1] << 64 | (b->n > 1 ? b->w[b->n - 2] : 0);
	shift = __builtin_clzll(b->w[b->n - 1]);
	top <<= shift;
	if (b->n > 2)
		top |= 1; /* sticky bit: lower bits can only break a tie */
	fraction = ldexp((double)top, -128);
	*exponent = 64 * (b->n + b->exponent) - shift;
	if (fraction >= 1) {
		fraction /= 2;
		++*exponent;
	}
	return b->negative ? -fraction : fraction;
}
