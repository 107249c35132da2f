/* Moments, correlation, quantiles, time buckets: right, and the same however the input is split. */
#include "test.h"

#include "base/cpu.h"
#include "stats/buckets.h"
#include "stats/counts.h"
#include "stats/moments.h"
#include "stats/range_kernels.h"
#include "stats/sketch.h"
#include "stats/sketch_kernels.h"
#include "stats/window.h"

#include <math.h>

/* xorshift: the same numbers everywhere. */
static uint64_t seed = 88172645463325252u;

/* One value as the analysis adds many. */
static void add_one(struct moments *m, double v)
{
	int64_t decimal;
	double other;

	if (moments_part(m->scale, &v, 1, &decimal, &other)) {
		const struct range r = range_of(&decimal, 1);

		moments_add_decimals(m, &decimal, 1, &r);
	} else {
		moments_add_others(m, &other, 1, &(struct real_range){ other, other, 0 });
	}
}

static uint64_t next_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static double next_unit(void)
{
	return (double)(next_bits() >> 11) / 9007199254740992.0;
}

static double round_to(double v, double scale)
{
	return rint(v * scale) / scale;
}

enum shape { UNIFORM, NARROW, HEAVY, TWO_HUMPS, CONSTANT, INTEGERS, SIGNED, TINY, HUGE_RANGE, SHAPES };

static double draw(enum shape shape)
{
	double u = next_unit() + 1e-12;

	switch (shape) {
	case UNIFORM:
		return 100 * u;
	case NARROW:
		return 31.9 + 0.02 * u;
	case HEAVY:
		return 20 / sqrt(u);
	case TWO_HUMPS:
		return next_bits() & 1 ? 10 + u : 500 + 100 * u;
	case CONSTANT:
		return 2457;
	case INTEGERS:
		return floor(u * 12);
	case SIGNED:
		return 40 * (u - 0.5);
	case TINY:
		return 1e-9 * u * u;
	default:
		return exp(40 * (u - 0.5));
	}
}

static void assert_close(double got, double want, double relative, const char *what)
{
	if (!(fabs(got - want) <= relative * fabs(want) + 1e-300))
		fail_msg("%s: %.17g, expected %.17g", what, got, want);
}

/* Two passes in long double about the mean: the reference. */
static long double reference_stddev(const double *v, size_t n, long double *mean)
{
	long double sum = 0, spread = 0;

	for (size_t i = 0; i < n; i++)
		sum += (long double)v[i] - (long double)v[0];
	*mean = (long double)v[0] + sum / n;
	for (size_t i = 0; i < n; i++)
		spread += ((long double)v[i] - *mean) * ((long double)v[i] - *mean);
	return sqrtl(spread / (n - 1));
}

static void moments_agree_with_long_double(void **state)
{
	enum { N = 5000 };
	static const double scales[] = { 1, 1e2, 1e3, 1e6 };
	static double v[N];

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++)
		for (size_t k = 0; k < 8; k++) {
			struct moments m = { .scale = scales[k / 2] };
			long double mean, stddev;

			for (size_t i = 0; i < N; i++) {
				v[i] = k % 2 ? draw((enum shape)shape) : round_to(draw((enum shape)shape), m.scale);
				add_one(&m, v[i]);
			}
			stddev = reference_stddev(v, N, &mean);
			assert_int_equal(m.count, N);
			assert_close(moments_mean(&m), (double)mean, shape == SIGNED ? 1e-9 : 1e-13, "mean");
			if (shape == CONSTANT)
				assert_true(moments_stddev(&m) == 0 && moments_mean(&m) == 2457);
			else
				assert_close(moments_stddev(&m), (double)stddev, 1e-10, "stddev");
			moments_free(&m);
		}
}

/* 1e9 and a little noise: the sum of squares and the squared sum agree in 20 digits. */
static void cancellation_loses_nothing(void **state)
{
	enum { N = 4000 };
	static const double bases[] = { 1e9, 1e12, 3e14, -1e9 };

	(void)state;
	for (size_t b = 0; b < sizeof bases / sizeof *bases; b++)
		for (int decimal = 0; decimal < 2; decimal++) {
			struct moments m = { .scale = 1 };
			double sum = 0, spread = 0, mean;
			static double noise[N];

			for (size_t i = 0; i < N; i++) {
				/* Exact in binary, so that the reference sees the same numbers. */
				noise[i] = decimal ? (double)(next_bits() % 16) : (double)(next_bits() % 1024) / 16;
				add_one(&m, bases[b] + noise[i]);
				sum += noise[i];
			}
			mean = sum / N;
			for (size_t i = 0; i < N; i++)
				spread += (noise[i] - mean) * (noise[i] - mean);
			assert_close(moments_stddev(&m), sqrt(spread / (N - 1)), 1e-12, "stddev");
			assert_close(moments_mean(&m), bases[b] + mean, 1e-15, "mean");
			moments_free(&m);
		}
}

static void extreme_values_do_not_overflow(void **state)
{
	struct moments m = { .scale = 1e3 };

	(void)state;
	add_one(&m, 1.5e308);
	add_one(&m, 1.7e308);
	add_one(&m, 5e-324);
	assert_close(moments_mean(&m), 1.5e308 / 3 + 1.7e308 / 3, 1e-15, "mean");
	assert_close(moments_stddev(&m), 9.2915732431775690e307, 1e-12, "stddev");
	moments_free(&m);
	m = (struct moments){ .scale = 1 };
	for (int i = 0; i < 3; i++)
		add_one(&m, i * 5e-324);
	assert_true(moments_mean(&m) == 5e-324);
	assert_true(moments_stddev(&m) == 5e-324);
	moments_free(&m);
}

static void nothing_is_unknown(void **state)
{
	struct moments m = { .scale = 1 };
	struct comoments c = { .scale_x = 1, .scale_y = 1 };

	(void)state;
	assert_true(isnan(moments_mean(&m)) && isnan(moments_stddev(&m)) && isnan(comoments_pearson(&c)));
	add_one(&m, -0.0);
	assert_true(!signbit(m.min) && moments_mean(&m) == 0 && isnan(moments_stddev(&m)));
	comoments_add(&c, 1, 2);
	comoments_add(&c, 1, 3);
	assert_true(isnan(comoments_pearson(&c))); /* one of them is constant */
	for (int i = 0; i < 2; i++) {              /* so it is among decimals and doubles that are none */
		struct comoments mixed = { .scale_x = 1e6, .scale_y = 1e4 };

		comoments_add(&mixed, i ? 0.997 : 4.1234567, 4.1);
		comoments_add(&mixed, i ? 0.997 : 4.1, i ? 4.12345 : 4.1);
		assert_true(isnan(comoments_pearson(&mixed)));
		comoments_free(&mixed);
	}
}

static void correlation_agrees_with_long_double(void **state)
{
	enum { N = 3000 };
	static double x[N], y[N];

	(void)state;
	for (int k = 0; k < 12; k++) {
		struct comoments c = { .scale_x = 1e6, .scale_y = 1e4 };
		long double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
		double slope = (k % 6 - 3) * 0.7, base = k < 6 ? 0 : 1e9;

		for (size_t i = 0; i < N; i++) {
			x[i] = base + next_unit();
			y[i] = base + slope * (x[i] - base) + next_unit();
			if (k % 2) {
				x[i] = round_to(x[i], 1e6);
				y[i] = round_to(y[i], 1e4);
			}
			comoments_add(&c, x[i], y[i]);
			mx += x[i];
			my += y[i];
		}
		mx /= N;
		my /= N;
		for (size_t i = 0; i < N; i++) {
			xx += (x[i] - mx) * (x[i] - mx);
			yy += (y[i] - my) * (y[i] - my);
			xy += (x[i] - mx) * (y[i] - my);
		}
		assert_true(fabs(comoments_pearson(&c) - (double)(xy / sqrtl(xx * yy))) < (base > 0 ? 2e-5 : 1e-12));
		comoments_free(&c);
	}
}

/* Exact whatever the base: shifting both by 2^30 changes no bit. */
static void correlation_ignores_the_base(void **state)
{
	struct comoments near = { .scale_x = 1, .scale_y = 1 }, far = near;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		double x = (double)(next_bits() % 4096) / 1024, y = (double)(next_bits() % 4096) / 1024 - x;

		comoments_add(&near, x, y);
		comoments_add(&far, x + 1073741824.0, y - 1073741824.0);
	}
	assert_true(comoments_pearson(&near) == comoments_pearson(&far));
	assert_true(comoments_pearson(&near) < -0.5);
	comoments_free(&near);
	comoments_free(&far);
}

static void exact_sums_agree_with_integers(void **state)
{
	struct exact e = { { 0 } };
	i128 want = 0;
	struct big big;
	int exponent;
	double fraction;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		int64_t a = (int64_t)next_bits() >> 12, b = (int64_t)next_bits() >> 20;

		exact_add_product(&e, (double)a, (double)b);
		want += (i128)a * b;
	}
	big_from_exact(&big, &e);
	fraction = big_fraction(&big, &exponent);
	assert_close(ldexp(fraction, exponent), (double)want, 1e-15, "sum of products");
	for (int i = 0; i < 64; i++) { /* what goes in comes out: back to nothing */
		double v = draw(HUGE_RANGE);

		exact_add_product(&e, v, v);
		exact_add_product(&e, -v, v);
	}
	big_from_int(&big, -want);
	struct big rest;
	big_from_exact(&rest, &e);
	big_add(&rest, &big);
	assert_int_equal(rest.n, 0);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* numpy's default: linear interpolation between ranks of the sorted values. */
static double reference_quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t low = (size_t)at;

	return low + 1 < n ? sorted[low] + (sorted[low + 1] - sorted[low]) * (at - (double)low) : sorted[n - 1];
}

static void quantiles_are_within_half_a_percent(void **state)
{
	enum { N = 20000, Q = 7 };
	static const double q[Q] = { 0, 0.01, 0.5, 0.9, 0.95, 0.99, 1 };
	static const size_t sizes[] = { 1, 2, 3, 10, 64, 65, 100, 1000, N };
	static double v[N];
	double got[Q];

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++)
		for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
			struct sketch sketch = { 0 };
			size_t n = sizes[s];

			for (size_t i = 0; i < n; i++)
				sketch_add(&sketch, v[i] = draw((enum shape)shape));
			qsort(v, n, sizeof *v, ascending);
			sketch_quantiles(&sketch, v[0], v[n - 1], q, got, Q);
			for (size_t i = 0; i < Q; i++) {
				double want = reference_quantile(v, n, q[i]), allowed = n <= SKETCH_FEW ? 1e-14 : 0.004;

				/* Signed values that straddle 0 interpolate between bins of either sign. */
				if (!(fabs(got[i] - want) <= allowed * fabs(want) + (shape == SIGNED ? 0.01 : 0)))
					fail_msg("shape %d, %zu values, q %g: %.12g, expected %.12g", shape, n, q[i],
						 got[i], want);
			}
			sketch_free(&sketch);
		}
}

static void nothing_has_no_quantile(void **state)
{
	struct sketch s = { 0 };
	double q = 0.5, got;

	(void)state;
	sketch_quantiles(&s, 0, 0, &q, &got, 1);
	assert_true(isnan(got));
	for (int i = 0; i < 1000; i++)
		sketch_add(&s, 0);
	sketch_quantiles(&s, 0, 0, &q, &got, 1);
	assert_true(got == 0);
	sketch_free(&s);
}

static void bins_carry_beyond_their_bits(void **state)
{
	struct sketch a = { 0 }, b = { 0 };
	double q[] = { 0.25, 0.75 }, got[2];

	(void)state;
	for (int i = 0; i < 100; i++)
		sketch_add(&a, i < 50 ? 1 : 2);
	for (int i = 0; i < 34; i++) { /* doubles itself 34 times: 50 * 2^34 of each */
		sketch_merge(&b, &a);
		sketch_merge(&a, &b);
		sketch_free(&b);
	}
	assert_int_equal(a.count, UINT64_C(100) << 34);
	sketch_quantiles(&a, 1, 2, q, got, 2);
	assert_true(got[0] >= 1 && got[0] < 1.004 && got[1] >= 1.99 && got[1] <= 2);
	sketch_free(&a);
}

static void add_value(struct buckets *b, size_t at, size_t channel, double scale, double value)
{
	buckets_add_sum(b, at, channel,
			&(struct bucket_cell){ .count = 1, .min = value, .max = value, .sum = llrint(value * scale) });
}

/* The same values in one piece, in 7 pieces merged in another order, and shuffled. */
static void splits_merge_to_the_same_bits(void **state)
{
	enum { N = 3001, PARTS = 7 };
	static double v[N];

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++)
		for (int n = 3; n <= N; n += 2998) {
			struct moments whole = { .scale = 1e3 }, part[PARTS], merged = { .scale = 1e3 };
			struct comoments pair = { .scale_x = 1e3, .scale_y = 10 }, pairs[PARTS], pair_merged = pair;
			struct sketch sketch = { 0 }, sketches[PARTS] = { 0 }, sketch_merged = { 0 };
			struct buckets series, parts[PARTS], series_merged;
			double q[] = { 0.1, 0.5, 0.99 }, one[3], other[3];

			assert_true(buckets_open(&series, 64, 1) && buckets_open(&series_merged, 64, 1));
			for (int i = 0; i < PARTS; i++) {
				part[i] = merged;
				pairs[i] = pair;
				assert_true(buckets_open(&parts[i], 64, 1));
			}
			for (int i = 0; i < n; i++) {
				int p = (int)(next_bits() % PARTS);
				double second = 1.5 * i;
				int64_t time_us = (int64_t)(next_bits() % 100000000) - 3000;

				v[i] = draw((enum shape)shape);
				if (next_bits() % 3 == 0)
					v[i] = round_to(v[i], 1e3);
				add_one(&whole, v[i]);
				add_one(&part[p], v[i]);
				comoments_add(&pair, v[i], second);
				comoments_add(&pairs[p], v[i], second);
				sketch_add(&sketch, v[i]);
				sketch_add(&sketches[p], v[i]);
				add_value(&series, buckets_at(&series, time_us), 0, 1e3, v[i]);
				add_value(&parts[p], buckets_at(&parts[p], time_us), 0, 1e3, v[i]);
			}
			for (int i = PARTS - 1; i >= 0; i--) {
				moments_merge(&merged, &part[i]);
				comoments_merge(&pair_merged, &pairs[i]);
				sketch_merge(&sketch_merged, &sketches[i]);
				buckets_merge(&series_merged, &parts[i]);
			}
			one[0] = moments_mean(&whole);
			one[1] = moments_stddev(&whole);
			one[2] = comoments_pearson(&pair);
			other[0] = moments_mean(&merged);
			other[1] = moments_stddev(&merged);
			other[2] = comoments_pearson(&pair_merged);
			assert_memory_equal(one, other, sizeof one);
			assert_true(whole.min == merged.min && whole.max == merged.max && whole.count == merged.count);
			sketch_quantiles(&sketch, whole.min, whole.max, q, one, 3);
			sketch_quantiles(&sketch_merged, whole.min, whole.max, q, other, 3);
			assert_memory_equal(one, other, sizeof one);
			assert_int_equal(series.width_bits, series_merged.width_bits);
			assert_true(series.first == series_merged.first && series.last == series_merged.last);
			for (int64_t i = series.first; i <= series.last; i++) {
				const struct bucket_cell *a = buckets_cell(&series, 0, i);
				const struct bucket_cell *b = buckets_cell(&series_merged, 0, i);

				assert_memory_equal(a, b, sizeof *a);
			}
			for (int i = 0; i < PARTS; i++) {
				moments_free(&part[i]);
				comoments_free(&pairs[i]);
				sketch_free(&sketches[i]);
				buckets_free(&parts[i]);
			}
			moments_free(&whole);
			moments_free(&merged);
			comoments_free(&pair);
			comoments_free(&pair_merged);
			sketch_free(&sketch);
			sketch_free(&sketch_merged);
			buckets_free(&series);
			buckets_free(&series_merged);
		}
}

static void buckets_stay_within_their_cap(void **state)
{
	struct buckets b;
	uint64_t counted = 0;

	(void)state;
	assert_true(buckets_open(&b, 512, 2));
	for (int64_t i = 0; i < 20000; i++) {
		int64_t time_us = 1757594096000000 + (i * 7919 % 20000) * 37000;

		add_value(&b, buckets_at(&b, time_us), (size_t)(i % 2), 10, (double)(i % 10));
	}
	assert_true(b.last - b.first < 512 && b.last - b.first >= 256);
	for (size_t channel = 0; channel < 2; channel++)
		for (int64_t i = b.first; i <= b.last; i++)
			counted += buckets_cell(&b, channel, i)->count;
	assert_int_equal(counted, 20000);
	add_value(&b, buckets_at(&b, INT64_MIN / 2), 0, 1, 1); /* any two moments fit */
	add_value(&b, buckets_at(&b, INT64_MAX / 2), 0, 1, 1);
	assert_true(b.last - b.first < 512);
	buckets_free(&b);
}

/* Numbers near each other, of either sign: sums of columns are those of single numbers, to the bit. */
static void sums_of_columns_are_exact(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		double a[300], b[300], from = ldexp(1, (int)(next_bits() % 1800) - 900);
		size_t n = 1 + next_bits() % 300;
		int64_t x[300], y[300];
		struct exact one[2] = { 0 }, all[2] = { 0 };
		int of_x = 0, of_y = 0;

		for (size_t i = 0; i < n; i++) {
			a[i] = from * (1 + 500 * next_unit()) * (next_bits() & 1 ? 1 : -1);
			b[i] = (0.01 + next_unit()) * (next_bits() & 1 ? 1 : -1);
			exact_add(&one[0], a[i]);
			exact_add_product(&one[1], a[i], b[i]);
		}
		assert_true(exact_common(a, n, x, &of_x) && exact_common(b, n, y, &of_y));
		exact_add_wholes(&all[0], x, n, of_x);
		exact_add_whole_products(&all[1], x, y, n, of_x + of_y);
		assert_memory_equal(one, all, sizeof one);
		a[n / 2] = round % 2 ? 0 : 4096 * from;
		a[0] = n > 1 ? from : a[0];
		assert_true(n < 2 || !exact_common(a, n, x, &of_x));
	}
}

#if defined(__x86_64__)
static void expect_same_range(const int64_t *x, const int64_t *y, size_t n, bool small,
			      struct range (*range)(const int64_t *v, size_t n),
			      int64_t (*products)(const int64_t *x, const int64_t *y, size_t n))
{
	struct range a = range_of_scalar(x, n), b = range(x, n);

	assert_true(a.low == b.low && a.high == b.high && a.sum == b.sum);
	if (!small)
		return;
	assert_true(range_is_small(&a) && a.squares == b.squares);
	assert_true(range_products_scalar(x, y, n) == products(x, y, n));
}

static void range_kernels_agree_at_every_length(void **state)
{
	int64_t x[RANGE_MOST + 8], y[RANGE_MOST + 8];

	(void)state;
	if (!cpu_features()->avx512)
		print_message("SKIPPED: ranges: no %s here\n", cpu_features()->avx2 ? "AVX-512" : "AVX2");
	for (size_t n = 1; n <= RANGE_MOST; n += n < 80 ? 1 : 59)
		for (int bits = 26; bits <= 52; bits += 26) {
			for (size_t i = 0; i < n + 8; i++) { /* what stands behind them is of no matter */
				x[i] = (int64_t)(next_bits() >> (64 - bits)) * (next_bits() & 1 ? 1 : -1);
				y[i] = (int64_t)(next_bits() >> (64 - bits)) * (next_bits() & 1 ? 1 : -1);
			}
			if (cpu_features()->avx2)
				expect_same_range(x, y, n, bits == 26, range_of_avx2, range_products_avx2);
			if (cpu_features()->avx512)
				expect_same_range(x, y, n, bits == 26, range_of_avx512, range_products_avx512);
		}
}

/* Decimals, those that miss one narrowly, halves, and what is too large. */
static double draw_real(void)
{
	double v = (double)(int64_t)(next_bits() >> 40) / 1000;

	switch (next_bits() % 8) {
	case 0:
		return nextafter(v, INFINITY);
	case 1:
		return -v;
	case 2:
		return v + 0.0005;
	case 3:
		return (next_bits() & 1 ? 1e300 : -1e300);
	case 4:
		return ldexp((double)(next_bits() >> 11), -60);
	default:
		return v;
	}
}

static void kernels_of_doubles_agree_at_every_length(void **state)
{
	double v[RANGE_MOST + 8];

	(void)state;
	if (!cpu_features()->avx512) {
		print_message("SKIPPED: ranges of doubles: no AVX-512 here\n");
		return;
	}
	for (size_t n = 1; n <= RANGE_MOST; n += n < 80 ? 1 : 59)
		for (int round = 0; round < 20; round++) {
			for (size_t i = 0; i < n + 8; i++)
				v[i] = round < 10 ? draw_real() : nextafter((double)(next_bits() >> 40) / 1000, 0);
			if (round == 15)
				v[next_bits() % n] = 0.125;
			struct real_range a = real_range_of_scalar(v, n, 1000, 0x1p40),
					  b = real_range_of_avx512(v, n, 1000, 0x1p40);

			assert_true(a.low == b.low && a.high == b.high && a.sum == b.sum);
			assert_true(range_is_plainly_other_scalar(v, n, 1000) ==
				    range_is_plainly_other_avx512(v, n, 1000));
			assert_true(round < 15 || range_is_plainly_other_scalar(v, n, 1000) == (round != 15));
		}
}

static void bins_agree_at_every_length(void **state)
{
	int64_t v[SKETCH_KEYS_AT_ONCE + 8];
	uint32_t a[SKETCH_KEYS_AT_ONCE + 1], b[SKETCH_KEYS_AT_ONCE + 1];

	(void)state;
	if (!cpu_features()->avx512) {
		print_message("SKIPPED: bins: no AVX-512 here\n");
		return;
	}
	for (size_t n = 1; n <= SKETCH_KEYS_AT_ONCE; n++)
		for (int round = 0; round < 8; round++) {
			for (size_t i = 0; i < n + 8; i++)
				v[i] = (int64_t)(next_bits() >> (13 + next_bits() % 50)) * (next_bits() & 1 ? 1 : -1);
			a[n] = b[n] = 77; /* what stands behind them stays */
			sketch_keys_scalar(v, n, 1e6, round % 2, a);
			sketch_keys_avx512(v, n, 1e6, round % 2, b);
			assert_memory_equal(a, b, (n + 1) * sizeof *a);
		}
}
#endif

/* Decimals counted by the column mean what they mean one by one. */
struct counted {
	size_t n;
	int64_t value[COUNTS_BINS];
	uint32_t count[COUNTS_BINS];
};

static void note_count(void *ctx, int64_t value, uint32_t count)
{
	struct counted *c = ctx;

	c->value[c->n] = value;
	c->count[c->n++] = count;
}

static void expect_same_counts(const struct counts *x, const struct counts *y)
{
	static struct counted a, b;

	a = b = (struct counted){ .n = 0 };
	counts_walk(x, note_count, &a);
	counts_walk(y, note_count, &b);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(&a, &b, sizeof a);
}

/* Numbers in sizes around those that 16 bits hold: one by one, many at once, as tables. */
static void a_number_may_be_counted_more_often_than_16_bits_hold(void **state)
{
	static const uint32_t times[] = { 65534, 65535, 65536, 65537, 200000 };

	(void)state;
	for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
		struct counts at_once = { 0 }, in_rows = { 0 }, table = { 0 }, merged = { 0 };
		int64_t v[RANGE_MOST];

		for (size_t i = 0; i < RANGE_MOST; i++)
			v[i] = 320;
		assert_true(counts_add_times(&at_once, 320, times[t]) && counts_add_times(&at_once, 40, 1));
		for (uint32_t left = times[t]; left;) {
			size_t n = left < RANGE_MOST ? left : RANGE_MOST;

			assert_int_equal(counts_add(&in_rows, v, n, 320, 320), n);
			left -= (uint32_t)n;
		}
		v[0] = 40;
		assert_int_equal(counts_add(&in_rows, v, 1, 40, 40), 1);
		expect_same_counts(&at_once, &in_rows);

		assert_true(counts_add_times(&table, 320, 5) && counts_add_times(&merged, 320, times[t] - 5));
		assert_true(counts_add_times(&table, 40, 1) && counts_add_table(&merged, &table));
		expect_same_counts(&at_once, &merged);
		assert_true(counts_add_times(&at_once, 33, 2) && counts_add_times(&merged, 33, 2)); /* a finer step */
		assert_true(counts_add_times(&at_once, 3000, 1) && counts_add_times(&merged, 3000, 1));
		expect_same_counts(&at_once, &merged);
		assert_int_equal(merged.n, times[t] + 4);
		counts_free(&at_once);
		counts_free(&in_rows);
		counts_free(&table);
		counts_free(&merged);
	}
}

/* Negative and positive, in steps of 1 and 100, in few and in many bits: the sum is the same, whichever takes the
 * other. */
static void tables_of_other_steps_add_up(void **state)
{
	(void)state;
	for (int round = 0; round < 16; round++) {
		const int64_t step = round & 1 ? 100 : 1, other = round & 2 ? 10 : 1;
		const uint32_t times = round & 4 ? 70000 : 1;
		struct counts x = { 0 }, y = { 0 }, both = { 0 };

		for (int64_t i = -9; i < 20; i++) {
			assert_true(counts_add_times(&x, i * step, times) && counts_add_times(&both, i * step, times));
			assert_true(counts_add_times(&y, 7 * i * other, 3) &&
				    counts_add_times(&both, 7 * i * other, 3));
		}
		assert_true(counts_add_table(round & 8 ? &x : &y, round & 8 ? &y : &x));
		expect_same_counts(round & 8 ? &x : &y, &both);
		assert_int_equal((round & 8 ? x : y).n, both.n);
		counts_free(&x);
		counts_free(&y);
		counts_free(&both);
	}
}

static void columns_of_decimals_are_counted_like_values(void **state)
{
	(void)state;
	for (int round = 0; round < 400; round++) {
		struct sketch one = { 0 }, all = { 0 };
		struct counts by_one = { 0 }, by_all = { 0 };
		double q[3] = { 0.1, 0.5, 0.99 }, want[3], got[3];
		bool complement = round % 2;

		for (int part = 0; part < 12; part++) {
			int64_t v[300], step = round % 3 ? 1 : 1000, least = INT64_MAX, most = INT64_MIN;
			size_t n = 1 + next_bits() % 300, fit = 0;

			for (size_t i = 0; i < n; i++) {
				v[i] = step * (int64_t)(next_bits() % (part % 4 == 3 ? 6000 : 900)) -
				       (round % 5 ? 0 : 300);
				least = v[i] < least ? v[i] : least;
				most = v[i] > most ? v[i] : most;
				sketch_add(&one, complement ? 1 - (double)v[i] / 1e6 : (double)v[i] / 1e6);
			}
			sketch_add_decimals(&all, v, n, 1e6, complement);
			while (fit < n && counts_add_times(&by_one, v[fit], 1))
				fit++;
			assert_int_equal(counts_add(&by_all, v, n, least, most), fit);
			if (fit < n)
				break;
		}
		assert_true(one.count == all.count && one.zeros == all.zeros && by_one.n == by_all.n &&
			    by_one.step == by_all.step);
		assert_true(by_one.low == by_all.low && by_one.high == by_all.high);
		expect_same_counts(&by_one, &by_all);
		sketch_quantiles(&one, -1, 7, q, want, 3);
		sketch_quantiles(&all, -1, 7, q, got, 3);
		assert_memory_equal(want, got, sizeof want);
		sketch_free(&one);
		sketch_free(&all);
		counts_free(&by_one);
		counts_free(&by_all);
	}
}

/* n values that are decimals. */
static void push_decimals(struct window *w, const double *v, size_t n)
{
	int64_t scaled[100];

	for (size_t i = 0; i < n; i++)
		scaled[i] = llrint(v[i] * w->scale);
	window_push_decimals(w, scaled, n, values_min(v, n), values_max(v, n));
}

/* However many bytes its values take, by ones and many at once, a window holds the last ones to the bit. */
static void a_window_holds_the_last_values_exactly(void **state)
{
	static const double at_most[] = { 3, 300, 8000, 1e7, 1e15 };
	static double pushed[4000], held[WINDOW_MAX];

	(void)state;
	for (int round = 0; round < 60; round++) {
		struct window w = { .scale = round % 4 ? pow(10, round % 4 * 2) : 0, .cap = (uint16_t)(1 + round * 7) };
		size_t n = 0;

		for (size_t step = 0; step < 30; step++) {
			double most = at_most[step * 5 / 30 % (size_t)(1 + round % 5)];
			size_t more = step % 3 ? 1 : 1 + next_bits() % 90;

			for (size_t i = 0; i < more; i++) {
				double v = (next_unit() - 0.5) * most;

				pushed[n + i] = w.scale > 0 && round % 7 ? round_to(v, w.scale) : v;
			}
			if (more == 1)
				window_push(&w, pushed[n]);
			else if (w.scale > 0 && round % 7 && step % 2 && most * w.scale < 0x1p51)
				push_decimals(&w, pushed + n, more);
			else
				window_push_many(&w, pushed + n, more);
			n += more;
			assert_int_equal(w.n, n < w.cap ? n : w.cap);
			window_copy(&w, held);
			for (size_t i = 0; i < w.n; i++)
				assert_true(held[i] == pushed[n - w.n + i]);
			if (w.n == w.cap)
				assert_true(window_oldest(&w) == held[0]);
		}
		window_close(&w);
		assert_int_equal(w.n, 0);
	}
}

/* Percentages with two decimals take two bytes each, nats and similarities three. */
static void a_window_takes_few_bytes(void **state)
{
	struct window percent = { .scale = 100, .cap = 256 }, nats = { .scale = 1e4, .cap = 256 };

	(void)state;
	for (int i = 0; i <= 10000; i++) {
		window_push(&percent, i / 100.0);
		window_push(&nats, i * 11 / 1e4);
	}
	assert_int_equal(percent.bytes, 2);
	assert_int_equal(nats.bytes, 3);
	window_push(&nats, 1e9);
	assert_int_equal(nats.bytes, sizeof(double));
	window_close(&percent);
	window_close(&nats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_may_be_counted_more_often_than_16_bits_hold),
		cmocka_unit_test(tables_of_other_steps_add_up),
		cmocka_unit_test(columns_of_decimals_are_counted_like_values),
#if defined(__x86_64__)
		cmocka_unit_test(kernels_of_doubles_agree_at_every_length),
		cmocka_unit_test(bins_agree_at_every_length),
		cmocka_unit_test(range_kernels_agree_at_every_length),
#endif
		cmocka_unit_test(moments_agree_with_long_double),
		cmocka_unit_test(cancellation_loses_nothing),
		cmocka_unit_test(extreme_values_do_not_overflow),
		cmocka_unit_test(nothing_is_unknown),
		cmocka_unit_test(correlation_agrees_with_long_double),
		cmocka_unit_test(correlation_ignores_the_base),
		cmocka_unit_test(exact_sums_agree_with_integers),
		cmocka_unit_test(sums_of_columns_are_exact),
		cmocka_unit_test(quantiles_are_within_half_a_percent),
		cmocka_unit_test(nothing_has_no_quantile),
		cmocka_unit_test(bins_carry_beyond_their_bits),
		cmocka_unit_test(a_window_holds_the_last_values_exactly),
		cmocka_unit_test(a_window_takes_few_bytes),
		cmocka_unit_test(splits_merge_to_the_same_bits),
		cmocka_unit_test(buckets_stay_within_their_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
