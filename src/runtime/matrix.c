#include "runtime/pass.h"

#include "simd/half.h"

#include <math.h>

/* -- reading and converting -------------------------------------------------------------- */

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

static float element(const struct matrix *m, size_t r, size_t c)
{
	struct matrix one = *m;
	size_t at = m->by_columns ? c * m->stride + r : r * m->stride + c;
	float f;

	one.p = (const char *)m->p + at * (m->type == WEIGHT_F32 ? 4 : 2);
	one.by_columns = false;
	one.cols = 1;
	matrix_row(&one, 0, &f);
	return f;
}

void matrix_convert(const struct matrix *from, enum weight_type type, void *to)
{
	for (size_t r = 0; r < from->rows; r++)
		for (size_t c = 0; c < from->cols; c++) {
			float f = element(from, r, c);
			size_t at = r * from->cols + c;

			if (type == WEIGHT_F32)
				((float *)to)[at] = f;
			else
				((uint16_t *)to)[at] = type == WEIGHT_F16 ? f16_of_float(f) : bf16_of_float(f);
		}
}

/* -- int8 ---------------------------------------------------------------------------------
 *
 * Source: rwkv pip package, rwkv/model.py. Least values of rows and columns are subtracted,
 * then the largest divided out, each in float and in this order, because the 256 steps are
 * taken from the result: first along the longer side's lows. Rather than keep a float copy
 * of the matrix, every pass repeats the steps so far on the row at hand. */

enum step { LOWS_1, LOWS_2, ROW_SCALES, COL_SCALES, STEPS };

/* The row's values after the steps before `upto`. */
static void row_after(const struct matrix *m, const struct quantised *q, size_t r, enum step upto, float *out)
{
	bool cols_first = m->cols > m->rows;

	matrix_row(m, r, out);
	for (size_t c = 0; c < m->cols; c++) {
		float x = out[c];

		if (upto > LOWS_1)
			x -= cols_first ? q->col_low[c] : q->row_low[r];
		if (upto > LOWS_2)
			x -= cols_first ? q->row_low[r] : q->col_low[c];
		if (upto > ROW_SCALES)
			x /= q->row_scale[r];
		if (upto > COL_SCALES)
			x /= q->col_scale[c];
		out[c] = x;
	}
}

static void reduce_rows(const struct matrix *m, const struct quantised *q, enum step step, float *out, bool least)
{
	for (size_t r = 0; r < m->rows; r++) {
		row_after(m, q, r, step, q->scratch);
		out[r] = q->scratch[0];
		for (size_t c = 1; c < m->cols; c++)
			out[r] = least ? fminf(out[r], q->scratch[c]) : fmaxf(out[r], q->scratch[c]);
	}
}

static void reduce_cols(const struct matrix *m, const struct quantised *q, enum step step, float *out, bool least)
{
	for (size_t r = 0; r < m->rows; r++) {
		row_after(m, q, r, step, q->scratch);
		for (size_t c = 0; c < m->cols; c++)
			out[c] = !r ? q->scratch[c] : least ? fminf(out[c], q->scratch[c]) : fmaxf(out[c], q->scratch[c]);
	}
}

/* A row of equal values has the scale 0; 1 does as well and divides. */
static void without_zeros(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] > 0 ? x[i] : 1;
}

void matrix_quantise(const struct matrix *m, const struct quantised *q)
{
	bool cols_first = m->cols > m->rows;

	if (cols_first)
		reduce_cols(m, q, LOWS_1, q->col_low, true);
	else
		reduce_rows(m, q, LOWS_1, q->row_low, true);
	if (cols_first)
		reduce_rows(m, q, LOWS_2, q->row_low, true);
	else
		reduce_cols(m, q, LOWS_2, q->col_low, true);
	reduce_rows(m, q, ROW_SCALES, q->row_scale, false);
	without_zeros(q->row_scale, m->rows);
	reduce_cols(m, q, COL_SCALES, q->col_scale, false);
	without_zeros(q->col_scale, m->cols);
	for (size_t r = 0; r < m->rows; r++) {
		row_after(m, q, r, STEPS, q->scratch);
		for (size_t c = 0; c < m->cols; c++) {
			float step = floorf(q->scratch[c] * 256);

			q->q[r * m->cols + c] = (uint8_t)(step > 0 ? fminf(step, 255) : 0); /* NaN: 0 */
		}
	}
	for (size_t r = 0; r < m->rows; r++)
		q->row_scale[r] /= 16;
	for (size_t c = 0; c < m->cols; c++)
		q->col_scale[c] /= 16;
}

/* -- products ------------------------------------------------------------------------------ */

static float sum_of(const float *x, size_t n)
{
	float part[8] = { 0 };
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		for (size_t j = 0; j < 8; j++)
			part[j] += x[i + j];
	for (; i < n; i++)
		part[0] += x[i];
	return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

static void scale_inputs(struct run *run, const struct matrix *w, const float *x, size_t x_stride, size_t n)
{
	for (size_t t = 0; t < n; t++)
		for (size_t c = 0; c < w->cols; c++)
			run->scaled[t * w->cols + c] = x[t * x_stride + c] * w->col_scale[c];
}

/* From sums over q to sums over W, for the parts of W that do not depend on q. */
static void finish_int8(const struct run *run, const struct matrix *w, float *y, size_t y_stride, const float *x,
			size_t x_stride, size_t n)
{
	for (size_t t = 0; t < n; t++) {
		float half = 0.5F * sum_of(run->scaled + t * w->cols, w->cols);
		float all = sum_of(x + t * x_stride, w->cols);
		float low = linear_kernels()->dot(x + t * x_stride, w->col_low, w->cols);

		for (size_t r = 0; r < w->rows; r++) {
			float *out = y + t * y_stride + r;

			*out = w->row_scale[r] * (*out + half) + low + w->row_low[r] * all;
		}
	}
}

void pass_product(struct run *run, const struct matrix *w, float *y, size_t y_stride, const float *x, size_t x_stride,
		  size_t n)
{
	const struct linear_kernels *k = linear_kernels();
	bool int8 = w->type == WEIGHT_U8;
	struct linear_args a = { .y = y, .w = w->p, .x = x, .y_stride = y_stride, .w_stride = w->stride,
				 .x_stride = x_stride, .rows = w->rows, .cols = w->cols, .n = n };

	if (int8) {
		scale_inputs(run, w, x, x_stride, n);
		a.x = run->scaled;
		a.x_stride = w->cols;
	}
	(w->by_columns ? k->by_columns : k->by_rows)[w->type](&a);
	if (int8)
		finish_int8(run, w, y, y_stride, x, x_stride, n);
}
