#include "runtime/weights.h"

#include "simd/half.h"

void matrix_row(const struct matrix *m, size_t r, float *out)
{
	size_t at = m->by_columns ? r : r * m->stride, step = m->by_columns ? m->stride : 1;

	for (size_t c = 0; c < m->cols; c++, at += step)
		switch (m->type) {
		case WEIGHT_F16:
			out[c] = float_of_f16(((const uint16_t *)m->p)[at]);
			break;
		case WEIGHT_BF16:
			out[c] = float_of_bf16(((const uint16_t *)m->p)[at]);
			break;
		default:
			out[c] = ((const float *)m->p)[at];
		}
}

void matrix_apply(const struct matrix *m, float *y, size_t y_stride, const float *x, size_t x_stride, size_t n)
{
	const struct linear_kernels *k = linear_kernels();
	struct linear_args a = { .y = y, .w = m->p, .x = x, .y_stride = y_stride, .w_stride = m->stride,
				 .x_stride = x_stride, .rows = m->rows, .cols = m->cols, .n = n };

	(m->by_columns ? k->by_columns : k->by_rows)[m->type](&a);
}
