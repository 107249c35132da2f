/* exact.h - exact sums, which therefore do not depend on order, and merge to the same bits for any split.
 *
 * `struct exact` holds the sum of products of doubles over their whole range as one
 * fixed-point number. `struct big` is the integer arithmetic that turns such sums into
 * means, variances and correlations with one rounding at the end.
 *
 * Ownership  plain values.
 * Cost       exact_add_product: a few ns. Everything on `struct big` is for the end of a run.
 */
#ifndef RWKVMON_STATS_EXACT_H
#define RWKVMON_STATS_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __int128 i128;
typedef unsigned __int128 u128;

enum {
	EXACT_WORDS = 68,
	EXACT_POINT = 34, /* words below the binary point: the smallest product is 2^-2148 */
	BIG_WORDS = 160,
};

/* Two's complement, least word first; the unit is 2^(-64 * EXACT_POINT). A zeroed struct is 0.
 * Holds 2^64 products of any finite doubles. */
struct exact {
	uint64_t w[EXACT_WORDS];
};

void exact_add(struct exact *e, double a); /* finite */

/* Adds a * b; both finite. */
void exact_add_product(struct exact *e, double a, double b);

/* [hot] Can all n numbers be written as whole multiples of one power of two, 2^*exponent? Then these multiples, and
 * sums of them and of their products, cost a fraction of the functions above. n <= 1024. */
bool exact_common(const double *v, size_t n, int64_t *whole, int *exponent);
void exact_add_wholes(struct exact *e, const int64_t *v, size_t n, int exponent);
void exact_add_whole_products(struct exact *e, const int64_t *a, const int64_t *b, size_t n,
			      int exponent); /* of a product */
void exact_merge(struct exact *into, const struct exact *from);

/* (-1)^negative * sum of w[i] * 2^(64 * (i + exponent)), trimmed at both ends; n = 0 is zero. */
struct big {
	bool negative;
	int n, exponent;
	uint64_t w[BIG_WORDS];
};

void big_from_exact(struct big *out, const struct exact *e);
void big_from_int(struct big *out, i128 value);
/* Unsigned, least word first. */
void big_from_words(struct big *out, const uint64_t *w, int n);
void big_scale(struct big *b, uint64_t factor);
void big_add(struct big *a, const struct big *b);
void big_subtract(struct big *a, const struct big *b);
void big_multiply(struct big *out, const struct big *a, const struct big *b); /* out is neither a nor b */

/* The value is the returned fraction (0, or in [1/2, 1) in size) times 2^*exponent; one rounding. */
double big_fraction(const struct big *b, int *exponent);

#endif
