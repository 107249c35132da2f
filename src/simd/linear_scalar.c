/* linear_scalar.c - the reference kernels: plain loops, in the order of the formulas. */
#include "simd/half.h"
#include "simd/linear.h"

#include <math.h>

extern const struct linear_kernels linear_scalar;

static bool runs_here(void)
{
	return true;
}

static inline float weight_at(const void *w, size_t i, enum weight_type type)
{
	switch (type) {
	case WEIGHT_F16:
		return float_of_f16(((const uint16_t *)w)[i]);
	case WEIGHT_BF16:
		return float_of_bf16(((const uint16_t *)w)[i]);
	case WEIGHT_U8:
		return (float)((const uint8_t *)w)[i];
	default:
		return ((const float *)w)[i];
	}
}

static inline void product(const struct linear_args *a, size_t row_step, size_t col_step, enum weight_type type)
{
	for (size_t t = 0; t < a->n; t++)
		for (size_t r = 0; r < a->rows; r++) {
			float sum = 0;

			for (size_t c = 0; c < a->cols; c++)
				sum += weight_at(a->w, r * row_step + c * col_step, type) * a->x[t * a->x_stride + c];
			a->y[t * a->y_stride + r] = sum;
		}
}

#define PRODUCTS(name, type)                                                                                           \
	static void rows_##name(const struct linear_args *a)                                                           \
	{                                                                                                              \
		product(a, a->w_stride, 1, type);                                                                      \
	}                                                                                                              \
	static void columns_##name(const struct linear_args *a)                                                        \
	{                                                                                                              \
		product(a, 1, a->w_stride, type);                                                                      \
	}
PRODUCTS(f32, WEIGHT_F32)
PRODUCTS(f16, WEIGHT_F16)
PRODUCTS(bf16, WEIGHT_BF16)
PRODUCTS(u8, WEIGHT_U8)

static float dot(const float *a, const float *b, size_t n)
{
	float sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static void layer_norm(float *y, const float *x, const float *weight, const float *bias, size_t n, float eps)
{
	float mean = 0, variance = 0, scale;

	for (size_t i = 0; i < n; i++)
		mean += x[i];
	mean /= (float)n;
	for (size_t i = 0; i < n; i++)
		variance += (x[i] - mean) * (x[i] - mean);
	scale = 1 / sqrtf(variance / (float)n + eps);
	for (size_t i = 0; i < n; i++)
		y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

const struct linear_kernels linear_scalar = {
	.name = "scalar",
	.runs_here = runs_here,
	.by_rows = { rows_f32, rows_f16, rows_bf16, rows_u8 },
	.by_columns = { columns_f32, columns_f16, columns_bf16, columns_u8 },
	.nonzero_columns = { columns_f32, columns_f16, columns_bf16, columns_u8 },
	.dot = dot,
	.layer_norm = layer_norm,
};
