/* linear_tiles.h - the kernels of linear.h over `vec`; a vec_*.h comes before it.
 *
 * All work is done in tiles of TILE_ROWS rows x TILE_XS input vectors whose sums stay in
 * registers: a weight is loaded and widened once for TILE_XS vectors, an input once for
 * TILE_ROWS rows. Tile sizes and weight type are constants where these functions are
 * called, so that each call compiles to straight code.
 */
#ifndef RWKVMON_SIMD_LINEAR_TILES_H
#define RWKVMON_SIMD_LINEAR_TILES_H

#if defined(RWKVMON_SIMD_VEC_AVX512_H) || defined(RWKVMON_SIMD_VEC_AVX2_H) || defined(RWKVMON_SIMD_VEC_NEON_H)

#include <math.h>
#include <stdint.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
	STREAMS = 4,          /* rows read side by side for a single x, from distant quarters of the matrix */
	STREAM_COLS = 4096,   /* columns per round: as much of x as is rearranged on the stack */
	PAIR = 2 * VEC_LANES, /* columns per step */
};

/* Columns lie in a row's own order: lanes run along the columns, each sum is folded at the end. */
ALWAYS_INLINE void rows_tile(const struct linear_args *a, size_t r0, size_t t0, size_t rows, size_t xs,
			     enum weight_type type)
{
	size_t whole = a->cols - a->cols % VEC_LANES, rest = a->cols - whole;
	const float *x = a->x + t0 * a->x_stride;
	vec sum[8 * TILE_XS];

	UNROLL for (size_t i = 0; i < rows * xs; i++) sum[i] = vec_zero();
	for (size_t c = 0; c < whole; c += VEC_LANES) {
		vec w[8];

		UNROLL for (size_t r = 0; r < rows; r++) w[r] = vec_load_weight(a->w, (r0 + r) * a->w_stride + c, type);
		UNROLL for (size_t t = 0; t < xs; t++)
		{
			vec v = vec_load(x + t * a->x_stride + c);

			UNROLL for (size_t r = 0; r < rows; r++) sum[t * rows + r] =
				vec_fma(w[r], v, sum[t * rows + r]);
		}
	}
	if (rest) {
		UNROLL for (size_t r = 0; r < rows; r++)
		{
			vec w = vec_load_weight_part(a->w, (r0 + r) * a->w_stride + whole, rest, type);

			UNROLL for (size_t t = 0; t < xs; t++) sum[t * rows + r] =
				vec_fma(w, vec_load_part(x + t * a->x_stride + whole, rest), sum[t * rows + r]);
		}
	}
	UNROLL for (size_t t = 0; t < xs; t++) UNROLL for (size_t r = 0; r < rows; r++)
		a->y[(t0 + t) * a->y_stride + r0 + r] = vec_sum(sum[t * rows + r]);
}

/* Rows lie side by side: lanes run along the rows, `rows` counts registers, nothing to fold.
 * The last tile's last register holds `part` rows when part is not 0. */
ALWAYS_INLINE void columns_tile(const struct linear_args *a, size_t r0, size_t t0, size_t rows, size_t xs, size_t part,
				enum weight_type type)
{
	const float *x = a->x + t0 * a->x_stride;
	vec sum[8 * TILE_XS];

	UNROLL for (size_t i = 0; i < rows * xs; i++) sum[i] = vec_zero();
	for (size_t c = 0; c < a->cols; c++) {
		vec w[8];

		UNROLL for (size_t r = 0; r < rows; r++) w[r] =
			part ? vec_load_weight_part(a->w, c * a->w_stride + r0 + r * VEC_LANES, part, type)
			     : vec_load_weight(a->w, c * a->w_stride + r0 + r * VEC_LANES, type);
		UNROLL for (size_t t = 0; t < xs; t++)
		{
			vec v = vec_set1(x[t * a->x_stride + c]);

			UNROLL for (size_t r = 0; r < rows; r++) sum[t * rows + r] =
				vec_fma(w[r], v, sum[t * rows + r]);
		}
	}
	UNROLL for (size_t t = 0; t < xs; t++) UNROLL for (size_t r = 0; r < rows; r++)
	{
		float *y = a->y + (t0 + t) * a->y_stride + r0 + r * VEC_LANES;

		if (part)
			vec_store_part(y, sum[t * rows + r], part);
		else
			vec_store(y, sum[t * rows + r]);
	}
}

/* All vectors for `rows` rows from r0 on. */
ALWAYS_INLINE void rows_band(const struct linear_args *a, size_t r0, size_t rows, enum weight_type type)
{
	size_t t = 0;

	for (; t + TILE_XS <= a->n; t += TILE_XS)
		rows_tile(a, r0, t, rows, TILE_XS, type);
	for (; t < a->n; t++)
		rows_tile(a, r0, t, rows, 1, type);
}

ALWAYS_INLINE void columns_band(const struct linear_args *a, size_t r0, size_t rows, size_t part, enum weight_type type)
{
	size_t t = 0;

	for (; t + TILE_XS <= a->n; t += TILE_XS)
		columns_tile(a, r0, t, rows, TILE_XS, part, type);
	for (; t < a->n; t++)
		columns_tile(a, r0, t, rows, 1, part, type);
}

/* -- a single x: the matrix comes from memory, each weight for one product ------------------
 *
 * What counts is how few instructions a cache line costs, because only so many wait at once,
 * and how long the runs are that the prefetcher sees: one row is too short for it, so rows
 * from all quarters of the matrix are read side by side. */

/* Columns c0 .. c0 + cols - 1 of `streams` rows, `step` apart; x is arranged as vec_load_pair
 * wants it up to the last whole pair. Rounds after the first add to y. */
ALWAYS_INLINE void stream_rows(const struct linear_args *a, const float *arranged, size_t r, size_t step, size_t c0,
			       size_t cols, size_t streams, enum weight_type type)
{
	size_t whole = cols - cols % PAIR;
	vec even[STREAMS], odd[STREAMS];

	UNROLL for (size_t s = 0; s < streams; s++) even[s] = odd[s] = vec_zero();
	for (size_t c = 0; c < whole; c += PAIR) {
		vec x0 = vec_load(arranged + c), x1 = vec_load(arranged + c + VEC_LANES);

		UNROLL for (size_t s = 0; s < streams; s++)
		{
			vec w0, w1;

			vec_load_pair(a->w, (r + s * step) * a->w_stride + c0 + c, type, &w0, &w1);
			even[s] = vec_fma(w0, x0, even[s]);
			odd[s] = vec_fma(w1, x1, odd[s]);
		}
	}
	for (size_t c = whole; c < cols; c += VEC_LANES) {
		size_t n = cols - c < VEC_LANES ? cols - c : VEC_LANES;
		vec x = n < VEC_LANES ? vec_load_part(a->x + c0 + c, n) : vec_load(a->x + c0 + c);

		UNROLL for (size_t s = 0; s < streams; s++)
		{
			size_t at = (r + s * step) * a->w_stride + c0 + c;
			vec w = n < VEC_LANES ? vec_load_weight_part(a->w, at, n, type)
					      : vec_load_weight(a->w, at, type);

			even[s] = vec_fma(w, x, even[s]);
		}
	}
	UNROLL for (size_t s = 0; s < streams; s++)
	{
		float *y = a->y + r + s * step, sum = vec_sum(vec_add(even[s], odd[s]));

		*y = c0 ? *y + sum : sum;
	}
}

ALWAYS_INLINE void by_rows_one(const struct linear_args *a, enum weight_type type)
{
	size_t quarter = a->rows / STREAMS;
	float arranged[STREAM_COLS];

	for (size_t c0 = 0; c0 < a->cols; c0 += STREAM_COLS) {
		size_t cols = a->cols - c0 < STREAM_COLS ? a->cols - c0 : STREAM_COLS;

		for (size_t c = 0; c + PAIR <= cols; c += PAIR)
			vec_arrange_pair(arranged + c, a->x + c0 + c, type);
		for (size_t r = 0; r < quarter; r++)
			stream_rows(a, arranged, r, quarter, c0, cols, STREAMS, type);
		for (size_t r = quarter * STREAMS; r < a->rows; r++)
			stream_rows(a, arranged, r, 0, c0, cols, 1, type);
	}
}

ALWAYS_INLINE void by_rows(const struct linear_args *a, enum weight_type type)
{
	size_t r = 0;

	if (a->n == 1 && a->cols) {
		by_rows_one(a, type);
		return;
	}
	for (; r + TILE_ROWS <= a->rows; r += TILE_ROWS)
		rows_band(a, r, TILE_ROWS, type);
	for (; r < a->rows; r++)
		rows_band(a, r, 1, type);
}

/* A single x: y takes the sums of `streams` columns at a time, so that the matrix is read in its own order. */
ALWAYS_INLINE void columns_stream(const struct linear_args *a, const uint32_t *columns, size_t streams, bool first,
				  enum weight_type type)
{
	vec x[STREAMS];

	UNROLL for (size_t s = 0; s < streams; s++) x[s] = vec_set1(a->x[columns[s]]);
	for (size_t r = 0; r < a->rows; r += VEC_LANES) {
		size_t part = a->rows - r < VEC_LANES ? a->rows - r : 0;
		vec sum = first ? vec_zero() : part ? vec_load_part(a->y + r, part) : vec_load(a->y + r);

		UNROLL for (size_t s = 0; s < streams; s++)
		{
			size_t at = columns[s] * a->w_stride + r;

			sum = vec_fma(part ? vec_load_weight_part(a->w, at, part, type)
					   : vec_load_weight(a->w, at, type),
				      x[s], sum);
		}
		if (part)
			vec_store_part(a->y + r, sum, part);
		else
			vec_store(a->y + r, sum);
	}
}

ALWAYS_INLINE void by_columns_one(const struct linear_args *a, bool skip_zeros, enum weight_type type)
{
	uint32_t columns[STREAM_COLS];
	bool first = true;

	for (size_t c0 = 0; c0 < a->cols; c0 += STREAM_COLS) {
		size_t cols = a->cols - c0 < STREAM_COLS ? a->cols - c0 : STREAM_COLS, n = 0, i = 0;

		for (size_t c = c0; c < c0 + cols; c++) {
			columns[n] = (uint32_t)c;
			n += !skip_zeros || a->x[c] != 0;
		}
		for (; i + STREAMS <= n; i += STREAMS, first = false)
			columns_stream(a, columns + i, STREAMS, first, type);
		for (; i < n; i++, first = false)
			columns_stream(a, columns + i, 1, first, type);
	}
	for (size_t r = 0; first && r < a->rows; r++)
		a->y[r] = 0;
}

ALWAYS_INLINE void by_columns(const struct linear_args *a, enum weight_type type)
{
	size_t r = 0;

	if (a->n == 1 && a->cols) {
		by_columns_one(a, false, type);
		return;
	}
	for (; r + TILE_ROWS * VEC_LANES <= a->rows; r += TILE_ROWS * VEC_LANES)
		columns_band(a, r, TILE_ROWS, 0, type);
	for (; r + VEC_LANES <= a->rows; r += VEC_LANES)
		columns_band(a, r, 1, 0, type);
	if (r < a->rows)
		columns_band(a, r, 1, a->rows - r, type);
}

#define PRODUCTS(name, type)                                                                                           \
	static void rows_##name(const struct linear_args *a)                                                           \
	{                                                                                                              \
		by_rows(a, type);                                                                                      \
	}                                                                                                              \
	static void columns_##name(const struct linear_args *a)                                                        \
	{                                                                                                              \
		by_columns(a, type);                                                                                   \
	}                                                                                                              \
	static void nonzero_##name(const struct linear_args *a)                                                        \
	{                                                                                                              \
		by_columns_one(a, true, type);                                                                         \
	}
PRODUCTS(f32, WEIGHT_F32)
PRODUCTS(f16, WEIGHT_F16)
PRODUCTS(bf16, WEIGHT_BF16)
PRODUCTS(u8, WEIGHT_U8)

static float dot(const float *a, const float *b, size_t n)
{
	vec sum = vec_zero();
	size_t i = 0;

	for (; i + VEC_LANES <= n; i += VEC_LANES)
		sum = vec_fma(vec_load(a + i), vec_load(b + i), sum);
	if (i < n)
		sum = vec_fma(vec_load_part(a + i, n - i), vec_load_part(b + i, n - i), sum);
	return vec_sum(sum);
}

static float mean_of(const float *x, size_t n)
{
	vec sum = vec_zero();
	size_t i = 0;

	for (; i + VEC_LANES <= n; i += VEC_LANES)
		sum = vec_add(sum, vec_load(x + i));
	if (i < n)
		sum = vec_add(sum, vec_load_part(x + i, n - i));
	return vec_sum(sum) / (float)n;
}

static float variance_of(const float *x, size_t n, float mean)
{
	vec sum = vec_zero(), middle = vec_set1(mean);
	float total;
	size_t i = 0;

	for (; i + VEC_LANES <= n; i += VEC_LANES) {
		vec d = vec_sub(vec_load(x + i), middle);

		sum = vec_fma(d, d, sum);
	}
	total = vec_sum(sum);
	for (; i < n; i++)
		total += (x[i] - mean) * (x[i] - mean);
	return total / (float)n;
}

static void layer_norm(float *y, const float *x, const float *weight, const float *bias, size_t n, float eps)
{
	float mean = mean_of(x, n), scale = 1 / sqrtf(variance_of(x, n, mean) + eps);
	vec middle = vec_set1(mean), factor = vec_set1(scale);
	size_t i = 0;

	for (; i + VEC_LANES <= n; i += VEC_LANES)
		vec_store(y + i, vec_fma(vec_mul(vec_sub(vec_load(x + i), middle), factor), vec_load(weight + i),
					 vec_load(bias + i)));
	for (; i < n; i++)
		y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

#define LINEAR_TABLE                                                                                                   \
	.by_rows = { rows_f32, rows_f16, rows_bf16, rows_u8 },                                                         \
	.by_columns = { columns_f32, columns_f16, columns_bf16, columns_u8 },                                          \
	.nonzero_columns = { nonzero_f32, nonzero_f16, nonzero_bf16, nonzero_u8 }, .dot = dot,                         \
	.layer_norm = layer_norm

#endif
#endif
