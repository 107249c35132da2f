/* Every kernel set this machine runs, at every tail length, against the scalar one. */
#include "test.h"

#include "simd/half.h"
#include "simd/linear.h"
#include "simd/wkv.h"

#include <math.h>

static uint64_t seed = 1;

/* Uniform in [-1, 1); xorshift64. */
static float noise(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (float)(int32_t)(seed >> 32) * 0x1p-31F;
}

/* Exact size, so that a sanitizer sees one float too far. */
static float *floats(size_t n)
{
	float *x = malloc(n * sizeof *x);

	for (size_t i = 0; i < n; i++)
		x[i] = noise();
	return x;
}

static const size_t width[WEIGHT_TYPES] = { 4, 2, 2, 1 };

static void *weights(size_t n, enum weight_type type)
{
	float *x = floats(n);
	uint16_t *h;

	if (type == WEIGHT_F32)
		return x;
	if (type == WEIGHT_U8) {
		uint8_t *bytes = malloc(n);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)((x[i] + 1) * 127.9F);
		free(x);
		return bytes;
	}
	h = malloc(n * sizeof *h);
	for (size_t i = 0; i < n; i++)
		h[i] = type == WEIGHT_F16 ? f16_of_float(x[i]) : bf16_of_float(x[i]);
	free(x);
	return h;
}

static void assert_near(const char *set, const float *got, const float *want, size_t n, double limit)
{
	for (size_t i = 0; i < n; i++) {
		bool same = isnan(want[i])   ? isnan(got[i])
			    : isinf(want[i]) ? got[i] == want[i]
					     : fabs((double)got[i] - (double)want[i]) <= limit;
		if (!same)
			fail_msg("%s: element %zu of %zu is %.9g, expected %.9g", set, i, n, (double)got[i],
				 (double)want[i]);
	}
}

/* Both layouts of one shape; the strides leave a gap, the buffers end with the last element. */
static void check_product(enum weight_type type, size_t rows, size_t cols, size_t n, bool by_columns)
{
	size_t inner = by_columns ? rows : cols, outer = by_columns ? cols : rows, gap = 3;
	size_t w_len = (outer - 1) * (inner + gap) + inner;
	size_t x_len = (n - 1) * (cols + 1) + cols, y_len = (n - 1) * (rows + 2) + rows;
	float *x = floats(x_len), *want = floats(y_len), *got = floats(y_len);
	void *w = weights(w_len, type);
	struct linear_args a = { .w = w,
				 .x = x,
				 .y_stride = rows + 2,
				 .w_stride = inner + gap,
				 .x_stride = cols + 1,
				 .rows = rows,
				 .cols = cols,
				 .n = n };

	for (const struct linear_kernels *const *k = linear_all; *k; k++) {
		if (!(*k)->runs_here())
			continue;
		memcpy(got, want, y_len * sizeof *got);
		a.y = got;
		(by_columns ? (*k)->by_columns : (*k)->by_rows)[type](&a);
		if (k == linear_all)
			memcpy(want, got, y_len * sizeof *got);
		assert_near((*k)->name, got, want, y_len, (type == WEIGHT_U8 ? 100 : 1) * (1e-5 + 1e-7 * (double)cols));
	}
	free(x), free(want), free(got), free(w);
}

static void products_agree_at_every_tail(void **state)
{
	(void)state;
	for (enum weight_type type = 0; type < WEIGHT_TYPES; type++)
		for (size_t n = 1; n <= 67; n++) {
			check_product(type, 5, n, 1, false);
			check_product(type, 4, n + 64, 1, false);
			check_product(type, n, 19, 1, false);
			check_product(type, n, 5, 1, true);
			check_product(type, n + 64, 7, 1, true);
			check_product(type, 7, n, 3, false);
			check_product(type, 13, 11, n, false);
			check_product(type, n, 9, 5, true);
			check_product(type, 33, 7, n, true);
		}
	for (enum weight_type type = 0; type < WEIGHT_TYPES; type++) {
		check_product(type, 131, 259, 6, false);
		check_product(type, 131, 259, 1, false);
		check_product(type, 6, 4096 + 37, 1, false); /* more than one round of columns */
		check_product(type, 5, 2 * 4096, 1, false);
		check_product(type, 259, 131, 6, true);
	}
}

/* Zeros in x leave columns out and change no sum; what stands in those columns is not read. */
static void columns_of_zeros_are_left_out(void **state)
{
	(void)state;
	for (const struct linear_kernels *const *k = linear_all; *k; k++)
		for (enum weight_type type = 0; (*k)->runs_here() && type < WEIGHT_TYPES; type++)
			for (size_t cols = 1; cols <= 67; cols++) {
				size_t rows = 1 + cols * 7 % 45;
				float *x = floats(cols), *want = floats(rows), *got = floats(rows);
				void *w = weights(rows * cols, type);
				struct linear_args a = { want, w, x, rows, rows, cols, rows, cols, 1 };

				for (size_t c = 0; c < cols; c++)
					x[c] = (c * cols) % 5 < 3 ? 0 : x[c]; /* at cols = 1: all */
				linear_all[0]->by_columns[type](&a);
				for (size_t c = 0; k != linear_all && type == WEIGHT_F32 && c < cols; c++)
					for (size_t r = 0; x[c] == 0 && r < rows; r++)
						((float *)w)[c * rows + r] = NAN;
				a.y = got;
				(*k)->nonzero_columns[type](&a);
				assert_near((*k)->name, got, want, rows, type == WEIGHT_U8 ? 1e-3 : 1e-5);
				free(x), free(want), free(got), free(w);
			}
}

/* A NaN or an infinity in one weight reaches its own row and no other. */
static void nonfinite_weights_stay_in_their_row(void **state)
{
	static const float bad[] = { NAN, INFINITY, -INFINITY };
	float x[35], y[9];

	(void)state;
	for (int i = 0; i < 35; i++)
		x[i] = 1;
	for (const struct linear_kernels *const *k = linear_all; *k; k++)
		for (enum weight_type type = 0; (*k)->runs_here() && type < WEIGHT_U8; type++)
			for (size_t at = 0; at < 9 * 35; at += 11) {
				void *w = weights(9 * 35, type);
				float f = bad[at % 3];
				uint16_t h = type == WEIGHT_F16 ? f16_of_float(f) : bf16_of_float(f);
				struct linear_args a = { y, w, x, 9, 35, 35, 9, 35, 1 };

				memcpy((char *)w + at * width[type], type ? (void *)&h : (void *)&f, width[type]);
				(*k)->by_rows[type](&a);
				for (size_t r = 0; r < 9; r++)
					assert_int_equal(isfinite(y[r]) != 0, r != at / 35);
				free(w);
			}
}

/* Bytes times one x of any magnitude, against double: the error stays what fp32 sums have. */
static void bytes_keep_the_precision_of_x(void **state)
{
	static const float scales[] = { 1, 1e-15F, 1e-25F, 1e25F, 0 };
	static const size_t COLS = 4096 + 300, ROWS = 5;
	float *x = floats(COLS), y[5];
	uint8_t *w = weights(ROWS * (size_t)COLS, WEIGHT_U8);
	struct linear_args a = { y, w, x, ROWS, COLS, COLS, ROWS, COLS, 1 };

	(void)state;
	for (size_t i = 0; i < COLS; i++)
		x[i] *= powf(10, (float)(i % 7) - 6);
	for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
		for (size_t i = 0; s && i < COLS; i++)
			x[i] *= scales[s] / scales[s - 1];
		for (const struct linear_kernels *const *k = linear_all; *k; k++) {
			if (!(*k)->runs_here())
				continue;
			(*k)->by_rows[WEIGHT_U8](&a);
			for (size_t r = 0; r < ROWS; r++) {
				double want = 0, size = 0;

				for (size_t c = 0; c < COLS; c++) {
					want += (double)w[r * COLS + c] * (double)x[c];
					size += fabs((double)w[r * COLS + c] * (double)x[c]);
				}
				if (fabs((double)y[r] - want) > 1e-6 * size + 1e-44)
					fail_msg("%s, scale %g: %.9g, expected %.9g", (*k)->name, (double)scales[s],
						 (double)y[r], want);
			}
		}
	}
	free(x), free(w);
}

/* A NaN or an infinity in x reaches every row. */
static void nonfinite_inputs_reach_every_row(void **state)
{
	static const float bad[] = { NAN, INFINITY, -INFINITY };

	(void)state;
	for (size_t n = 1; n <= 131; n += 10)
		for (size_t at = 0; at < n; at++)
			for (const struct linear_kernels *const *k = linear_all; *k; k++)
				for (enum weight_type type = 0; (*k)->runs_here() && type < WEIGHT_TYPES; type++) {
					float *x = floats(n), y[9];
					void *w = weights(9 * n, type);
					struct linear_args a = { y, w, x, 9, n, n, 9, n, 1 };

					x[at] = bad[at % 3];
					(*k)->by_rows[type](&a);
					for (size_t r = 0; r < 9; r++)
						assert_true(!isfinite(y[r]));
					free(x), free(w);
				}
}

/* Every one of the 65,536 bit patterns, through each kernel set: W (1, 1) times 1. */
static void every_half_widens_exactly(void **state)
{
	float one = 1;

	(void)state;
	for (const struct linear_kernels *const *k = linear_all; *k; k++)
		for (uint32_t bits = 0; (*k)->runs_here() && bits < 0x10000; bits++) {
			uint16_t h = (uint16_t)bits;
			float f16, bf16, want = float_of_f16(h), want_b = float_of_bf16(h);
			struct linear_args a = { &f16, &h, &one, 1, 1, 1, 1, 1, 1 };

			(*k)->by_rows[WEIGHT_F16](&a);
			a.y = &bf16;
			(*k)->by_rows[WEIGHT_BF16](&a);
			if (f16 != want && !(isnan(f16) && isnan(want)))
				fail_msg("%s: f16 %04x became %g", (*k)->name, bits, (double)f16);
			if (bf16 != want_b && !(isnan(bf16) && isnan(want_b)))
				fail_msg("%s: bf16 %04x became %g", (*k)->name, bits, (double)bf16);
		}
}

/* The conversions themselves: known values, and every half survives the way there and back. */
static void half_conversions_are_exact(void **state)
{
	static const struct {
		uint16_t h;
		float f;
	} f16[] = { { 0x3c00, 1 },           { 0xc000, -2 },           { 0x7bff, 65504 },
		    { 0x0001, 0x1p-24F },    { 0x03ff, 0x1.ff8p-15F }, { 0x0400, 0x1p-14F },
		    { 0x3555, 0x1.554p-2F }, { 0x7c00, INFINITY },     { 0xfc00, -INFINITY } };

	(void)state;
	for (size_t i = 0; i < sizeof f16 / sizeof *f16; i++)
		assert_true(float_of_f16(f16[i].h) == f16[i].f);
	for (uint32_t bits = 0; bits < 0x10000; bits++) {
		uint16_t h = (uint16_t)bits;

		if (isnan(float_of_f16(h)))
			assert_true(isnan(float_of_f16(f16_of_float(float_of_f16(h)))));
		else
			assert_int_equal(f16_of_float(float_of_f16(h)), h);
		if (isnan(float_of_bf16(h)))
			assert_true(isnan(float_of_bf16(bf16_of_float(float_of_bf16(h)))));
		else
			assert_int_equal(bf16_of_float(float_of_bf16(h)), h);
	}
	/* Halfway cases go to the even neighbour; what is too large becomes infinite. */
	assert_int_equal(f16_of_float(1 + 0x1p-11F), 0x3c00);
	assert_int_equal(f16_of_float(1 + 0x3p-11F), 0x3c02);
	assert_int_equal(f16_of_float(0x1p-25F), 0);
	assert_int_equal(f16_of_float(0x1.8p-24F), 2);
	assert_int_equal(f16_of_float(65519), 0x7bff);
	assert_int_equal(f16_of_float(65520), 0x7c00);
	assert_int_equal(bf16_of_float(1 + 0x1p-8F), 0x3f80);
	assert_int_equal(bf16_of_float(1 + 0x3p-8F), 0x3f82);
}

static void vectors_agree_at_every_tail(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 67; n++) {
		float *x = floats(n), *w = floats(n), *b = floats(n), *want = floats(n), *got = floats(n);
		float dot = linear_all[0]->dot(x, w, n);

		linear_all[0]->layer_norm(want, x, w, b, n, 1e-5F);
		for (const struct linear_kernels *const *k = linear_all; *k; k++) {
			float here;

			if (!(*k)->runs_here())
				continue;
			here = (*k)->dot(x, w, n);
			assert_near((*k)->name, &here, &dot, 1, 1e-5);
			(*k)->layer_norm(got, x, w, b, n, 1e-5F);
			assert_near((*k)->name, got, want, n, 2e-5);
			memcpy(got, x, n * sizeof *x); /* in place */
			(*k)->layer_norm(got, got, w, b, n, 1e-5F);
			assert_near((*k)->name, got, want, n, 2e-5);
		}
		free(x), free(w), free(b), free(want), free(got);
	}
}

static void assert_change_near(const char *set, struct state_sums got, struct state_sums want)
{
	double scale = 1 + want.old_norm2 + want.new_norm2;

	if (fabs(got.dot - want.dot) > 1e-6 * scale || fabs(got.old_norm2 - want.old_norm2) > 1e-6 * scale ||
	    fabs(got.new_norm2 - want.new_norm2) > 1e-6 * scale ||
	    fabs(got.change_norm2 - want.change_norm2) > 1e-6 * scale)
		fail_msg("%s: sums of the change are off", set);
}

static void wkv7_agrees_at_every_head_size(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 67; n++) {
		float *in[6], *first = floats(n * n), *want = floats(n * n), *s = floats(n * n);
		float *want_o = floats(n), *o = floats(n);
		struct state_sums want_change = { 0 };

		for (int i = 0; i < 6; i++)
			in[i] = floats(n);
		memcpy(want, first, n * n * sizeof *want);
		wkv_all[0]->wkv7(
			&(struct wkv7_args){ want_o, want, in[0], in[1], in[2], in[3], in[4], in[5], n, &want_change });
		for (const struct wkv_kernels *const *k = wkv_all; *k; k++)
			for (int watch = 0; (*k)->runs_here() && watch < 2; watch++) {
				struct state_sums change = { 0 };

				memcpy(s, first, n * n * sizeof *s);
				(*k)->wkv7(&(struct wkv7_args){ o, s, in[0], in[1], in[2], in[3], in[4], in[5], n,
								watch ? &change : NULL });
				assert_near((*k)->name, s, want, n * n, 5e-5);
				assert_near((*k)->name, o, want_o, n, 5e-4);
				if (watch)
					assert_change_near((*k)->name, change, want_change);
				memset(&change, 0, sizeof change);
				(*k)->compare(&change, first, s, n * n);
				assert_change_near((*k)->name, change, want_change);
			}
		for (int i = 0; i < 6; i++)
			free(in[i]);
		free(first), free(want), free(s), free(want_o), free(o);
	}
}

static void wkv6_agrees_at_every_head_size(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 67; n++) {
		float *in[5], *first = floats(n * n), *want = floats(n * n), *s = floats(n * n);
		float *want_o = floats(n), *o = floats(n);
		struct state_sums want_change = { 0 };

		for (int i = 0; i < 5; i++)
			in[i] = floats(n);
		memcpy(want, first, n * n * sizeof *want);
		wkv_all[0]->wkv6(
			&(struct wkv6_args){ want_o, want, in[0], in[1], in[2], in[3], in[4], n, &want_change });
		for (const struct wkv_kernels *const *k = wkv_all; *k; k++)
			for (int watch = 0; (*k)->runs_here() && watch < 2; watch++) {
				struct state_sums change = { 0 };

				memcpy(s, first, n * n * sizeof *s);
				(*k)->wkv6(&(struct wkv6_args){ o, s, in[0], in[1], in[2], in[3], in[4], n,
								watch ? &change : NULL });
				assert_near((*k)->name, s, want, n * n, 1e-6);
				assert_near((*k)->name, o, want_o, n, 5e-5);
				if (watch)
					assert_change_near((*k)->name, change, want_change);
			}
		for (int i = 0; i < 5; i++)
			free(in[i]);
		free(first), free(want), free(s), free(want_o), free(o);
	}
}

static void a_kernel_set_is_chosen_once(void **state)
{
	(void)state;
	assert_ptr_equal(linear_kernels(), linear_kernels());
	assert_true(linear_kernels()->runs_here());
	assert_true(wkv_kernels()->runs_here());
	assert_memory_equal(linear_kernels()->name, wkv_kernels()->name,
			    strlen(wkv_kernels()->name)); /* avx512, avx512vnni */
	for (const struct linear_kernels *const *k = linear_all; *k; k++)
		if (!(*k)->runs_here())
			fprintf(stderr, "SKIPPED: kernels for %s, this machine lacks it\n", (*k)->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_agree_at_every_tail),        cmocka_unit_test(columns_of_zeros_are_left_out),
		cmocka_unit_test(nonfinite_weights_stay_in_their_row), cmocka_unit_test(bytes_keep_the_precision_of_x),
		cmocka_unit_test(nonfinite_inputs_reach_every_row),    cmocka_unit_test(every_half_widens_exactly),
		cmocka_unit_test(half_conversions_are_exact),          cmocka_unit_test(vectors_agree_at_every_tail),
		cmocka_unit_test(wkv7_agrees_at_every_head_size),      cmocka_unit_test(wkv6_agrees_at_every_head_size),
		cmocka_unit_test(a_kernel_set_is_chosen_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
