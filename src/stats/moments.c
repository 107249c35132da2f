/* moments.c - sums of decimals as 128- and 192-bit integers; other doubles exactly; divided at the end. */
#include "stats/moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Is v the double nearest to *scaled / scale? Products of two such integers fit 106 bits. */
static bool is_decimal(double v, double scale, int64_t *scaled)
{
	double near = v * scale;

	if (!(fabs(near) < 9007199254740991.0))
		return false;
	*scaled = llrint(near);
	return (double)*scaled / scale == v;
}

static void add_192(uint64_t w[3], uint64_t low, uint64_t mid, uint64_t high)
{
	u128 sum = (u128)w[0] + low;

	w[0] = (uint64_t)sum;
	sum = (u128)w[1] + mid + (uint64_t)(sum >> 64);
	w[1] = (uint64_t)sum;
	w[2] += high + (uint64_t)(sum >> 64);
}

static void add_product(uint64_t w[3], int64_t a, int64_t b)
{
	i128 product = (i128)a * b;

	add_192(w, (uint64_t)product, (uint64_t)(product >> 64), product < 0 ? UINT64_MAX : 0);
}

static struct exact *rest_of(struct exact **rest, size_t n, bool *failed)
{
	if (!*rest)
		*rest = calloc(n, sizeof **rest);
	if (!*rest)
		*failed = true;
	return *rest;
}

static void merge_rest(struct exact **into, const struct exact *from, size_t n, bool *failed)
{
	if (!from || !rest_of(into, n, failed))
		return;
	for (size_t i = 0; i < n; i++)
		exact_merge(*into + i, from + i);
}

/* Sum and sum of squares. */
static void add_sums(struct exact *sum, struct exact *squares, const double *v, size_t n)
{
	int64_t whole[RANGE_MOST];
	int exponent;

	if (exact_common(v, n, whole, &exponent)) {
		exact_add_wholes(sum, whole, n, exponent);
		exact_add_whole_products(squares, whole, whole, n, 2 * exponent);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		exact_add(sum, v[i]);
		exact_add_product(squares, v[i], v[i]);
	}
}

void moments_add_others(struct moments *m, const double *v, size_t n, const struct real_range *r)
{
	m->min = !m->count || r->low < m->min ? r->low : m->min;
	m->max = !m->count || r->high > m->max ? r->high : m->max;
	m->count += n;
	if (!rest_of(&m->rest, 2, &m->failed))
		return;
	add_sums(&m->rest[0], &m->rest[1], v, n);
}

static bool moments_decimal(const struct moments *m, double v, int64_t *scaled)
{
	const int64_t most = INT64_C(1) << 51;

	return is_decimal(v, m->scale, scaled) && *scaled<most && * scaled> - most;
}

/* w += the sum of x * y: `sum` where they are small. */
static void add_products(uint64_t w[3], const int64_t *x, const int64_t *y, size_t n, bool small, int64_t sum)
{
	if (small)
		add_product(w, sum, 1);
	for (size_t i = 0; !small && i < n; i++)
		add_product(w, x[i], y[i]);
}

void moments_add_decimals(struct moments *m, const int64_t *v, size_t n, const struct range *r)
{
	double low = (double)r->low / m->scale, high = (double)r->high / m->scale;

	m->min = !m->count || low < m->min ? low : m->min;
	m->max = !m->count || high > m->max ? high : m->max;
	m->count += n;
	m->sum += r->sum;
	add_products(m->square, v, v, n, range_is_small(r), r->squares);
}

size_t moments_part(double scale, const double *v, size_t n, int64_t *decimal, double *other)
{
	const struct moments of = { .scale = scale };
	size_t decimals = 0, others = 0;

	if (range_is_plainly_other(v, n, scale)) {
		memcpy(other, v, n * sizeof *v);
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (moments_decimal(&of, v[i], &decimal[decimals]))
			decimals++;
		else
			other[others++] = v[i];
	}
	return decimals;
}

void moments_merge(struct moments *into, const struct moments *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (!into->count || from->max > into->max)
		into->max = from->max;
	into->count += from->count;
	into->sum += from->sum;
	into->failed |= from->failed;
	add_192(into->square, from->square[0], from->square[1], from->square[2]);
	merge_rest(&into->rest, from->rest, 2, &into->failed);
}

/* The sum of x times scale, decimals and the rest together. */
static void whole_sum(struct big *out, i128 sum, const struct exact *rest, double scale)
{
	struct big other;

	big_from_int(out, sum);
	if (!rest)
		return;
	big_from_exact(&other, rest);
	big_scale(&other, (uint64_t)scale);
	big_add(out, &other);
}

/* The same for products; `w` is two's complement. */
static void whole_products(struct big *out, const uint64_t w[3], const struct exact *rest, double scale)
{
	bool negative = w[2] >> 63;
	uint64_t size[3] = { w[0], w[1], w[2] };
	struct big other;

	if (negative) {
		for (int i = 0; i < 3; i++)
			size[i] = ~size[i];
		add_192(size, 1, 0, 0);
	}
	big_from_words(out, size, 3);
	out->negative = negative;
	if (!rest)
		return;
	big_from_exact(&other, rest);
	big_scale(&other, (uint64_t)scale);
	big_add(out, &other);
}

/* out = n * products - a * b: n^2 times the covariance, exact. */
static void central(struct big *out, uint64_t n, const struct big *products, const struct big *a, const struct big *b)
{
	struct big square;

	*out = *products;
	big_scale(out, n);
	big_multiply(&square, a, b);
	big_subtract(out, &square);
}

/* A size as a whole number of 100 bits, of which millions can be summed up; what is larger, or no number, is the
 * largest. */
static u128 whole_of(long double v)
{
	uint64_t upper;

	if (v < 0x1p62L) /* the processor converts these, a function all others */
		return (u128)(int64_t)v;
	if (!(v < 0x1p100L))
		return (u128)1 << 100;
	upper = (uint64_t)(int64_t)(v * 0x1p-50L);
	return ((u128)upper << 50) + (u128)(int64_t)(v - (long double)upper * 0x1p50L);
}

void moments_take(struct moments *m, uint64_t count, double sum, double squares_about_mean, double min, double max)
{
	const long double scaled = (long double)sum * m->scale, n = (long double)count;
	const long double about = (long double)squares_about_mean * m->scale * m->scale;
	u128 square;

	if (!count)
		return;
	/* The last factor keeps the rounded squares at or above sum^2 / n: no variance is negative. */
	square = whole_of((scaled * scaled / n + about) * (1 + 0x1p-61L)) + 1;
	m->min = !m->count || min < m->min ? min : m->min;
	m->max = !m->count || max > m->max ? max : m->max;
	m->count += count;
	m->sum += (i128)whole_of(fabsl(roundl(scaled))) * (scaled < 0 ? -1 : 1);
	add_192(m->square, (uint64_t)square, (uint64_t)(square >> 64), 0);
}

double moments_sum(const struct moments *m)
{
	struct big sum;
	double fraction;
	int exponent;

	whole_sum(&sum, m->sum, m->rest ? &m->rest[0] : NULL, m->scale);
	fraction = big_fraction(&sum, &exponent);
	return ldexp(fraction / m->scale, exponent);
}

double moments_mean(const struct moments *m)
{
	struct big sum;
	double fraction;
	int exponent;

	if (!m->count)
		return (double)NAN;
	whole_sum(&sum, m->sum, m->rest ? &m->rest[0] : NULL, m->scale);
	fraction = big_fraction(&sum, &exponent);
	return ldexp(fraction / ((double)m->count * m->scale), exponent);
}

double moments_stddev(const struct moments *m)
{
	struct big sum, squares, spread;
	double fraction, n = (double)m->count;
	int exponent;

	if (m->count < 2)
		return (double)NAN;
	whole_sum(&sum, m->sum, m->rest ? &m->rest[0] : NULL, m->scale);
	whole_products(&squares, m->square, m->rest ? &m->rest[1] : NULL, m->scale * m->scale);
	central(&spread, m->count, &squares, &sum, &sum);
	fraction = big_fraction(&spread, &exponent);
	if (exponent % 2) {
		fraction *= 2;
		exponent--;
	}
	return ldexp(sqrt(fraction / n / (n - 1)) / m->scale, exponent / 2);
}

void moments_free(struct moments *m)
{
	free(m->rest);
	m->rest = NULL;
}

/* To be called before they are counted. */
static void widen_pairs(struct comoments *c, double low_x, double high_x, double low_y, double high_y)
{
	c->low_x = !c->count || low_x < c->low_x ? low_x : c->low_x;
	c->high_x = !c->count || high_x > c->high_x ? high_x : c->high_x;
	c->low_y = !c->count || low_y < c->low_y ? low_y : c->low_y;
	c->high_y = !c->count || high_y > c->high_y ? high_y : c->high_y;
}

void comoments_add(struct comoments *c, double x, double y)
{
	int64_t sx, sy;

	widen_pairs(c, x, x, y, y);
	c->count++;
	if (is_decimal(x, c->scale_x, &sx) && is_decimal(y, c->scale_y, &sy)) {
		c->x += sx;
		c->y += sy;
		add_product(c->xx, sx, sx);
		add_product(c->yy, sy, sy);
		add_product(c->xy, sx, sy);
	} else if (rest_of(&c->rest, 5, &c->failed)) {
		exact_add(&c->rest[0], x);
		exact_add(&c->rest[1], y);
		exact_add_product(&c->rest[2], x, x);
		exact_add_product(&c->rest[3], y, y);
		exact_add_product(&c->rest[4], x, y);
	}
}

/* Adds pairs in which at least one value is not a decimal. */
static void add_other_pairs(struct comoments *c, const double *x, const double *y, size_t n)
{
	int64_t a[RANGE_MOST], b[RANGE_MOST];
	int of_a, of_b;

	for (size_t i = 0; i < n; i++) {
		widen_pairs(c, x[i], x[i], y[i], y[i]);
		c->count++;
	}
	if (!n || !rest_of(&c->rest, 5, &c->failed))
		return;
	if (exact_common(x, n, a, &of_a) && exact_common(y, n, b, &of_b)) {
		exact_add_wholes(&c->rest[0], a, n, of_a);
		exact_add_wholes(&c->rest[1], b, n, of_b);
		exact_add_whole_products(&c->rest[2], a, a, n, 2 * of_a);
		exact_add_whole_products(&c->rest[3], b, b, n, 2 * of_b);
		exact_add_whole_products(&c->rest[4], a, b, n, of_a + of_b);
		return;
	}
	add_sums(&c->rest[0], &c->rest[2], x, n);
	add_sums(&c->rest[1], &c->rest[3], y, n);
	for (size_t i = 0; i < n; i++)
		exact_add_product(&c->rest[4], x[i], y[i]);
}

void comoments_add_pairs(struct comoments *c, const double *x, const double *y, size_t n)
{
	double a[RANGE_MOST], b[RANGE_MOST];
	size_t others = 0;

	if (range_is_plainly_other(x, n, c->scale_x) || range_is_plainly_other(y, n, c->scale_y)) {
		add_other_pairs(c, x, y, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!range_is_plainly_other(&x[i], 1, c->scale_x) && !range_is_plainly_other(&y[i], 1, c->scale_y)) {
			comoments_add(c, x[i], y[i]);
			continue;
		}
		a[others] = x[i];
		b[others++] = y[i];
	}
	add_other_pairs(c, a, b, others);
}

void comoments_add_decimals(struct comoments *c, const int64_t *x, const int64_t *y, size_t n, const struct range *of_x,
			    const struct range *of_y)
{
	bool small = range_is_small(of_x) && range_is_small(of_y);

	widen_pairs(c, (double)of_x->low / c->scale_x, (double)of_x->high / c->scale_x, (double)of_y->low / c->scale_y,
		    (double)of_y->high / c->scale_y);
	c->count += n;
	c->x += of_x->sum;
	c->y += of_y->sum;
	add_products(c->xx, x, x, n, range_is_small(of_x), of_x->squares);
	add_products(c->yy, y, y, n, range_is_small(of_y), of_y->squares);
	add_products(c->xy, x, y, n, small, small ? range_products(x, y, n) : 0);
}

void comoments_merge(struct comoments *into, const struct comoments *from)
{
	if (!from->count)
		return;
	widen_pairs(into, from->low_x, from->high_x, from->low_y, from->high_y);
	into->count += from->count;
	into->x += from->x;
	into->y += from->y;
	into->failed |= from->failed;
	add_192(into->xx, from->xx[0], from->xx[1], from->xx[2]);
	add_192(into->yy, from->yy[0], from->yy[1], from->yy[2]);
	add_192(into->xy, from->xy[0], from->xy[1], from->xy[2]);
	merge_rest(&into->rest, from->rest, 5, &into->failed);
}

double comoments_pearson(const struct comoments *c)
{
	const struct exact *rest = c->rest;
	struct big x, y, products, xx, yy, xy;
	double fx, fy, fxy, size;
	int ex, ey, exy;

	if (c->count < 2 || !(c->low_x < c->high_x) || !(c->low_y < c->high_y))
		return (double)NAN;
	whole_sum(&x, c->x, rest, c->scale_x);
	whole_sum(&y, c->y, rest ? rest + 1 : NULL, c->scale_y);
	whole_products(&products, c->xx, rest ? rest + 2 : NULL, c->scale_x * c->scale_x);
	central(&xx, c->count, &products, &x, &x);
	whole_products(&products, c->yy, rest ? rest + 3 : NULL, c->scale_y * c->scale_y);
	central(&yy, c->count, &products, &y, &y);
	whole_products(&products, c->xy, rest ? rest + 4 : NULL, c->scale_x * c->scale_y);
	central(&xy, c->count, &products, &x, &y);
	fx = big_fraction(&xx, &ex);
	fy = big_fraction(&yy, &ey);
	fxy = big_fraction(&xy, &exy);
	if (fx <= 0 || fy <= 0)
		return (double)NAN;
	size = sqrt((ex + ey) % 2 ? fx * fy * 2 : fx * fy);
	fxy = ldexp(fxy / size, exy - (ex + ey - ((ex + ey) % 2 ? 1 : 0)) / 2);
	return fmax(-1, fmin(1, fxy));
}

void comoments_free(struct comoments *c)
{
	free(c->rest);
	c->rest = NULL;
}
