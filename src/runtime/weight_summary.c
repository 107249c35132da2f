/* weight_summary.c - reads at most SIDE by SIDE values of each tensor, at places that depend on its shape alone. */
#include "runtime/weight_summary.h"

#include <math.h>
#include <stdlib.h>

static bool is_float(const struct tensor *t)
{
	return t->dtype == DTYPE_F32 || t->dtype == DTYPE_F16 || t->dtype == DTYPE_BF16 || t->dtype == DTYPE_F64;
}

/* Dimensions of 1 do not count; of three dimensions, the first two are merged. */
static void measure(struct summary *s, const struct tensor *t)
{
	uint64_t last = 1;
	int wide = 0;

	for (int d = 0; d < t->n_dims; d++)
		if (t->shape[d] > 1) {
			last = t->shape[d];
			wide++;
		}
	s->tensor = t;
	s->matrix = wide > 1;
	s->length[0] = s->matrix ? (size_t)(t->count / last) : (size_t)t->count;
	s->length[1] = s->matrix ? (size_t)last : 1;
	for (int i = 0; i < 2; i++)
		s->n[i] = s->length[i] < SIDE ? s->length[i] : SIDE;
}

struct moments {
	double sum, square, fourth;
	double row_square[SIDE], row_sum[SIDE], column_square[SIDE], column_sum[SIDE];
	float met[DISTINCT_MAX];
};

static void meet(struct summary *s, struct moments *m, float x)
{
	int i = 0;

	while (i < s->distinct && m->met[i] != x)
		i++;
	if (i == s->distinct && i < DISTINCT_MAX)
		m->met[s->distinct++] = x;
}

static void add(struct moments *m, size_t r, size_t c, double x)
{
	m->sum += x;
	m->square += x * x;
	m->fourth += x * x * x * x;
	m->row_sum[r] += x;
	m->row_square[r] += x * x;
	m->column_sum[c] += x;
	m->column_square[c] += x * x;
}

static double zeros(const double *square, size_t n)
{
	size_t zero = 0;

	for (size_t i = 0; i < n; i++)
		zero += square[i] == 0;
	return (double)zero / (double)n;
}

static void fill_profiles(struct summary *s, const struct moments *m)
{
	for (size_t r = 0; r < s->n[0]; r++) {
		s->profile[ROWS][r] = s->matrix ? (float)log(m->row_square[r] + 1e-30) : (float)m->row_sum[r];
		s->profile[ROW_MEANS][r] = (float)m->row_sum[r];
	}
	for (size_t c = 0; c < s->n[1]; c++) {
		s->profile[COLUMNS][c] = (float)log(m->column_square[c] + 1e-30);
		s->profile[COLUMN_MEANS][c] = (float)m->column_sum[c];
	}
}

static void summarise(struct summary *s, const struct tensor *t, struct moments *m)
{
	double n;

	*s = (struct summary){ 0 };
	if (!t || !t->count || !is_float(t))
		return;
	*m = (struct moments){ 0 };
	measure(s, t);
	for (size_t r = 0; r < s->n[0]; r++)
		for (size_t c = 0; c < s->n[1]; c++) {
			uint64_t row = r * s->length[0] / s->n[0], column = c * s->length[1] / s->n[1];
			float x = tensor_element(t, row * s->length[1] + column);

			meet(s, m, x);
			add(m, r, c, (double)x);
		}
	n = (double)(s->n[0] * s->n[1]);
	s->size = 0.5 * log2(m->square / n);
	s->mean = m->sum / n;
	s->spread = sqrt(fmax(m->square / n - s->mean * s->mean, 0));
	s->tails = m->square > 0 ? m->fourth / n / (m->square / n * m->square / n) : 0;
	s->zero_share = s->matrix ? fmax(zeros(m->row_square, s->n[0]), zeros(m->column_square, s->n[1])) : 0;
	fill_profiles(s, m);
}

/* "blocks.12.att.key.weight": the layer, and where the kind begins; NULL of another name. */
static const char *kind_of(const char *name, size_t *layer)
{
	char *end;

	if (strncmp(name, "blocks.", 7) || name[7] < '0' || name[7] > '9')
		return NULL;
	*layer = strtoul(name + 7, &end, 10);
	return *end == '.' && *layer < LAYERS_MAX ? end + 1 : NULL;
}

size_t weight_kind_of(const struct weight_table *t, const char *name)
{
	for (size_t k = 0; k < t->n_kind; k++)
		if (!strcmp(t->kind[k], name))
			return k;
	return KINDS_MAX;
}

static void list_kinds(struct weight_table *out, const struct tensor_file *f)
{
	for (size_t i = 0; i < f->n_tensors; i++) {
		size_t layer;
		const char *kind = kind_of(f->tensors[i].name, &layer);

		if (!kind)
			continue;
		if (layer >= out->n_layer)
			out->n_layer = layer + 1;
		if (weight_kind_of(out, kind) == KINDS_MAX && out->n_kind < KINDS_MAX)
			out->kind[out->n_kind++] = kind;
	}
}

int weight_table_fill(struct weight_table *out, const struct tensor_file *f, struct arena *a, struct err *err)
{
	struct moments *m = arena_alloc(a, 1, sizeof *m);

	*out = (struct weight_table){ 0 };
	list_kinds(out, f);
	out->of = arena_alloc(a, out->n_kind * out->n_layer + 3, sizeof *out->of);
	if (!m || !out->of)
		return err_set(err, ERR_NOMEM, "%s: no memory to look at the weights", f->label);
	memset(out->of, 0, (out->n_kind * out->n_layer + 3) * sizeof *out->of);
	for (size_t i = 0; i < f->n_tensors; i++) {
		size_t layer;
		const char *kind = kind_of(f->tensors[i].name, &layer);
		size_t k = kind ? weight_kind_of(out, kind) : KINDS_MAX;

		if (k < KINDS_MAX) {
			summarise(summary_of(out, k, layer), &f->tensors[i], m);
			tensor_file_forget(f, &f->tensors[i]);
		}
	}
	out->emb = out->of + out->n_kind * out->n_layer;
	out->head = out->emb + 1;
	out->ln_out = out->emb + 2;
	summarise(out->emb, tensor_find(f, "emb.weight"), m);
	summarise(out->head, tensor_find(f, "head.weight"), m);
	summarise(out->ln_out, tensor_find(f, "ln_out.weight"), m);
	return 0;
}

size_t profile_length(const struct summary *s, enum axis axis)
{
	if (!s->tensor || (!s->matrix && axis != VALUES))
		return 0;
	return s->n[axis == COLUMNS || axis == COLUMN_MEANS];
}
