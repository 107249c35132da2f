/* linear.h - matrices times vectors, and layer normalisation: where a forward pass spends its time.
 *
 * Weights stay in the type they were stored in and are widened in registers; sums are
 * float. One set of kernels per instruction set; linear_kernels() is the best this
 * machine runs. Sets differ in the order of summation, never in meaning.
 *
 * Ownership  nothing is kept.
 * Threads    pure functions; any number of threads.
 * Cost       nothing allocates.
 * Errors     none. NaN and infinity travel as in scalar arithmetic.
 */
#ifndef RWKVMON_SIMD_LINEAR_H
#define RWKVMON_SIMD_LINEAR_H

#include <stdbool.h>
#include <stddef.h>

enum weight_type {
	WEIGHT_F32,
	WEIGHT_F16,
	WEIGHT_BF16,
	WEIGHT_U8, /* 0 .. 255; scales are the caller's business */
	WEIGHT_TYPES,
};

/* One product y = W x for each of n vectors x. Strides count elements.
 *     y  (n, rows), row t at y + t * y_stride
 *     x  (n, cols), row t at x + t * x_stride
 *     w  by_rows:    W[r][c] at w[r * w_stride + c]
 *        by_columns: W[r][c] at w[c * w_stride + r]
 * w is aligned to its element. y overlaps nothing. */
struct linear_args {
	float *y;
	const void *w;
	const float *x;
	size_t y_stride, w_stride, x_stride;
	size_t rows, cols, n;
};

typedef void (*linear_fn)(const struct linear_args *args);

struct linear_kernels {
	const char *name;
	bool (*runs_here)(void);
	linear_fn by_rows[WEIGHT_TYPES];
	linear_fn by_columns[WEIGHT_TYPES];
	/* The same for a single x (n = 1), where columns that x is 0 for are not even read: sums are the same,
	 * but what is not finite in such a column goes unseen. */
	linear_fn nonzero_columns[WEIGHT_TYPES];
	float (*dot)(const float *a, const float *b, size_t n);
	/* y = (x - mean) / sqrt(variance + eps) * weight + bias; population variance, as in
	 * torch.nn.functional.layer_norm. y may be x. */
	void (*layer_norm)(float *y, const float *x, const float *weight, const float *bias, size_t n, float eps);
};

/* Every set that was compiled in, ended by NULL; scalar comes first. */
extern const struct linear_kernels *const linear_all[];

/* Chosen once. */
const struct linear_kernels *linear_kernels(void);

#endif
