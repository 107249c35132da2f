/* matrix.c - computes products by rows, divided among threads; int8 with scales per row and column. */
#include "runtime/pass.h"

#include "simd/half.h"

#include <math.h>

/* -- reading and converting -------------------------------------------------------------- */

void matrix_row(const struct matrix *m, size_t r, float *out)
{
	size_t at = m->by_columns ? r : r * m->stride, step = m->by_columns ? m->stride : 1;
	const uint16_t *half = m->p;
	const float *full = m->p;

	if (m->type == WEIGHT_F16)
		for (size_t c = 0; c < m->cols; c++)
			out[c] = float_of_f16(half[at + c * step]);
	else if (m->type == WEIGHT_BF16)
		for (size_t c = 0; c < m->cols; c++)
			out[c] = float_of_bf16(half[at + c * step]);
	else
		for (size_t c = 0; c < m->cols; c++)
			out[c] = full[at + c * step];
}

void matrix_convert(const struct matrix *from, enum weight_type type, void *to, float *row)
{
	uint16_t *half = to;

	for (size_t r = 0; r < from->rows; r++, half += from->cols) {
		matrix_row(from, r, row);
		for (size_t c = 0; c < from->cols; c++)
			half[c] = type == WEIGHT_F16 ? f16_of_float(row[c]) : bf16_of_float(row[c]);
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
	const float *first = m->cols > m->rows ? q->col_low : NULL, *second = first ? NULL : q->col_low;
	float row_low = q->row_low[r], row_scale = q->row_scale[r];

	matrix_row(m, r, out);
	for (size_t c = 0; upto > LOWS_1 && c < m->cols; c++)
		out[c] -= first ? first[c] : row_low;
	for (size_t c = 0; upto > LOWS_2 && c < m->cols; c++)
		out[c] -= second ? second[c] : row_low;
	for (size_t c = 0; upto > ROW_SCALES && c < m->cols; c++)
		out[c] /= row_scale;
	for (size_t c = 0; upto > COL_SCALES && c < m->cols; c++)
		out[c] /= q->col_scale[c];
}

/* The lesser (or greater) of the two; not fminf, which is a call. */
static inline float pick(float a, float b, bool least)
{
	return (b < a) == least ? b : a;
}

static void reduce_rows(const struct matrix *m, const struct quantised *q, enum step step, float *out, bool least)
{
	for (size_t r = 0; r < m->rows; r++) {
		float best;

		row_after(m, q, r, step, q->scratch);
		best = q->scratch[0];
		for (size_t c = 1; c < m->cols; c++)
			best = pick(best, q->scratch[c], least);
		out[r] = best;
	}
}

static void reduce_cols(const struct matrix *m, const struct quantised *q, enum step step, float *out, bool least)
{
	for (size_t r = 0; r < m->rows; r++) {
		row_after(m, q, r, step, q->scratch);
		for (size_t c = 0; c < m->cols; c++)
			out[c] = r ? pick(out[c], q->scratch[c], least) : q->scratch[c];
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

			q->q[r * m->cols + c] = (uint8_t)(step > 255 ? 255 : step > 0 ? step : 0); /* NaN: 0 */
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
	for (size_t t = 0; t < n; t++) {
		const float *in = x + t * x_stride;
		float *scaled = run->scaled + t * w->cols;

		for (size_t c = 0; c < w->cols; c++)
			scaled[c] = in[c] * w->col_scale[c];
		run->terms[t] = (struct int8_terms){ .half = 0.5F * sum_of(scaled, w->cols),
						     .all = sum_of(in, w->cols),
						     .low = linear_kernels()->dot(in, w->col_low, w->cols) };
	}
}

struct product {
	struct linear_args args;
	linear_fn fn;
	const struct matrix *w;
	const struct int8_terms *terms; /* NULL: w is no int8 */
	bool one_by_one;      /* each token is computed as if it were alone: the same sums in the same order */
	pass_activation then; /* may be NULL */
	const float *bias;
};

/* From sums over q to sums over W, rows from .. from + n - 1 of one token. */
static void finish_int8(const struct matrix *w, const struct int8_terms *t, float *y, size_t from, size_t n)
{
	for (size_t r = 0; r < n; r++)
		y[r] = w->row_scale[from + r] * (y[r] + t->half) + t->low + w->row_low[from + r] * t->all;
}

/* A few rows at a time, which stay in the cache for all tokens. */
static void each_alone(const struct product *p, const struct linear_args *a)
{
	static const size_t bytes[WEIGHT_TYPES] = { 4, 2, 2, 1 };
	enum { CACHED_ROWS = 96 };

	for (size_t r = 0; r < a->rows; r += CACHED_ROWS)
		for (size_t t = 0; t < a->n; t++) {
			struct linear_args one = *a;

			one.n = 1;
			one.rows = a->rows - r < CACHED_ROWS ? a->rows - r : CACHED_ROWS;
			one.y += t * a->y_stride + r;
			one.x += t * a->x_stride;
			one.w = (const char *)a->w + (p->w->by_columns ? r : r * a->w_stride) * bytes[p->w->type];
			p->fn(&one);
		}
}

enum {
	ROWS_UNIT = 96,         /* rows a thread takes at once: whole tiles, whole cache lines of y */
	TOKENS_UNIT = 4,        /* the same for tokens, where rows are too few to share */
	WORTH_SHARING = 1 << 16 /* products below this many multiplications stay on one thread */
};

/* Divides the rows, or the tokens if the rows do not give every thread two units and the tokens do. A thread never gets
 * a single one of several tokens: the kernels would sum it in another order. */
static void some_products(void *ctx, int part, int parts)
{
	static const size_t bytes[WEIGHT_TYPES] = { 4, 2, 2, 1 };
	const struct product *p = ctx;
	struct linear_args a = p->args;
	bool by_tokens = a.rows < 2 * ROWS_UNIT * (size_t)parts && a.n >= 2 * TOKENS_UNIT * (size_t)parts;
	size_t r = 0, t = 0, end;

	if (by_tokens) {
		pool_slice(a.n, TOKENS_UNIT, part, parts, &t, &end);
		a.n = end - t;
	} else {
		pool_slice(a.rows, ROWS_UNIT, part, parts, &r, &end);
		a.rows = end - r;
	}
	if (!a.n || !a.rows)
		return;
	a.y += t * a.y_stride + r;
	a.x += t * a.x_stride;
	a.w = (const char *)a.w + (p->w->by_columns ? r : r * a.w_stride) * bytes[p->w->type];
	if (p->one_by_one)
		each_alone(p, &a);
	else
		p->fn(&a);
	for (size_t i = 0; i < a.n; i++) {
		float *y = a.y + i * a.y_stride;

		if (p->terms)
			finish_int8(p->w, p->terms + t + i, y, r, a.rows);
		if (p->then)
			p->then(y, p->bias ? p->bias + r : NULL, a.rows);
	}
}

static void share(struct run *run, const struct product *product)
{
	const struct linear_kernels *k = linear_kernels();
	const struct matrix *w = product->w;
	struct product p = *product;

	p.one_by_one = run->exact_chunks && p.args.n > 1;
	p.fn = (w->skip_zeros && p.args.n == 1 ? k->nonzero_columns
		: w->by_columns                ? k->by_columns
					       : k->by_rows)[w->type];
	p.args.w = w->p;
	p.args.w_stride = w->stride;
	p.args.rows = w->rows;
	p.args.cols = w->cols;
	if (w->type == WEIGHT_U8) {
		scale_inputs(run, w, p.args.x, p.args.x_stride, p.args.n);
		p.terms = run->terms;
		p.args.x = run->scaled;
		p.args.x_stride = w->cols;
	}
	if (w->rows * w->cols * p.args.n < WORTH_SHARING)
		some_products(&p, 0, 1);
	else
		pool_run(run->pool, some_products, &p);
}

void pass_product(struct run *run, const struct matrix *w, float *y, size_t y_stride, const float *x, size_t x_stride,
		  size_t n)
{
	share(run, &(struct product){ .w = w,
				      .args = { .y = y, .y_stride = y_stride, .x = x, .x_stride = x_stride, .n = n } });
}

void pass_activated(struct run *run, const struct matrix *w, float *y, const float *x, size_t n, pass_activation then,
		    const float *bias)
{
	share(run, &(struct product){ .w = w,
				      .then = then,
				      .bias = bias,
				      .args = { .y = y, .y_stride = w->rows, .x = x, .x_stride = w->cols, .n = n } });
}
