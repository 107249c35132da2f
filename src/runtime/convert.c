/* convert.c - plans the file, then streams tensors into it, quantising them if requested. */
#include "runtime/convert.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/int8.h"
#include "runtime/safetensors_write.h"
#include "runtime/weights.h"
#include "simd/half.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { ELEMENTS = 1 << 14, NAME_BYTES = 128 }; /* elements converted at a time */

/* One tensor of the result, or five: a quantised one is followed by its scales (int8.h). */
struct entry {
	const struct tensor *t;
	const struct matrix *quantise; /* t as a matrix; NULL: t is written as it is */
	int scale;                     /* which of int8_suffixes; -1: not a scale */
	uint64_t at;                   /* from the start of the data */
};

struct conversion {
	const struct tensor_file *in;
	const struct model *model; /* int8 only: says which tensors are matrices */
	const struct convert_options *opts;
	enum dtype to; /* DTYPE_COUNT: each keeps its own */
	bool int8;
	struct entry *entries;
	size_t n_entries;
	const char *path;
	FILE *f;
	uint64_t data_at;     /* in the file */
	uint64_t done, total; /* bytes of data */
	struct convert_result *result;
	struct err *err;
};

static bool is_float(enum dtype t)
{
	return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16 || t == DTYPE_F64;
}

static enum dtype type_of(const struct conversion *c, const struct tensor *t)
{
	return c->to != DTYPE_COUNT && is_float(t->dtype) ? c->to : t->dtype;
}

static uint64_t bytes_of(const struct conversion *c, const struct tensor *t)
{
	return t->count * dtype_specs[type_of(c, t)].bytes;
}

static enum dtype entry_type(const struct conversion *c, const struct entry *e)
{
	if (e->scale >= 0)
		return DTYPE_F32;
	return e->quantise ? DTYPE_U8 : type_of(c, e->t);
}

static uint64_t entry_count(const struct entry *e)
{
	if (e->scale < 0)
		return e->t->count;
	return int8_is_by_row(e->scale) ? e->quantise->rows : e->quantise->cols;
}

static uint64_t entry_bytes(const struct conversion *c, const struct entry *e)
{
	return entry_count(e) * dtype_specs[entry_type(c, e)].bytes;
}

static int find_dtype(struct conversion *c, const char *name)
{
	static const enum dtype known[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };

	c->to = DTYPE_COUNT;
	c->int8 = name && !strcmp(name, "int8");
	for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
		if (!strcmp(dtype_specs[known[i]].name, name))
			c->to = known[i];
	if (!name || c->int8 || c->to != DTYPE_COUNT)
		return 0;
	return err_set(c->err, ERR_USAGE, "found the type \"%s\"; expected fp32, fp16, bf16 or int8", name);
}

/* -- what is written ------------------------------------------------------------------------- */

static void add_entry(struct conversion *c, const struct tensor *t, const struct matrix *quantise, int scale)
{
	c->entries[c->n_entries++] = (struct entry){ .t = t, .quantise = quantise, .scale = scale };
}

/* by_tensor[i] becomes what the strategy would quantise of tensor i. */
static void find_matrices(const struct conversion *c, const struct matrix **by_tensor)
{
	const struct arch *arch = c->model->arch;
	const struct tensor *t = tensor_find(c->in, "head.weight");
	char name[NAME_BYTES];

	by_tensor[t - c->in->tensors] = &c->model->head;
	for (size_t layer = 0; layer < c->model->info.n_layer; layer++)
		for (size_t i = 0; i < arch->n_weights; i++) {
			const unsigned char *block = model_block(c->model, layer);

			if (arch->weights[i].kind != KIND_MATRIX)
				continue;
			snprintf(name, sizeof name, "blocks.%zu.%s", layer, arch->weights[i].tensor);
			t = tensor_find(c->in, name);
			if (t)
				by_tensor[t - c->in->tensors] = (const void *)(block + arch->weights[i].offset);
		}
}

/* Wide elements first, so that each tensor is aligned to its own. */
static void place(struct conversion *c)
{
	for (size_t bytes = 8; bytes; bytes /= 2)
		for (size_t i = 0; i < c->n_entries; i++)
			if (dtype_specs[entry_type(c, &c->entries[i])].bytes == bytes) {
				c->entries[i].at = c->total;
				c->total += entry_bytes(c, &c->entries[i]);
			}
}

static int plan(struct conversion *c)
{
	size_t n = c->in->n_tensors;
	const struct matrix **by_tensor = calloc(n + 1, sizeof *by_tensor);

	c->entries = calloc(n + 1, (1 + INT8_SCALES) * sizeof *c->entries);
	if (!by_tensor || !c->entries) {
		free(by_tensor);
		return err_set(c->err, ERR_NOMEM, "%s: no memory for %zu tensors", c->path, n);
	}
	if (c->int8)
		find_matrices(c, by_tensor);
	for (size_t i = 0; i < n; i++) {
		add_entry(c, &c->in->tensors[i], by_tensor[i], -1);
		for (int s = 0; by_tensor[i] && s < INT8_SCALES; s++)
			add_entry(c, &c->in->tensors[i], by_tensor[i], s);
	}
	free(by_tensor);
	place(c);
	return 0;
}

static void add_to_header(struct json *out, const struct conversion *c, const struct entry *e)
{
	struct tensor t = *e->t;
	char name[PRINTABLE_BYTES + NAME_BYTES];

	t.dtype = entry_type(c, e);
	if (e->scale >= 0) { /* the name of a matrix is a known one, and fits */
		snprintf(name, sizeof name, "%s%s", e->t->name, int8_suffixes[e->scale]);
		t.name = name;
		t.n_dims = 1;
		t.shape[0] = t.count = entry_count(e);
	}
	safetensors_put(out, &t, e->at);
}

static void add_header(struct buf *out, const struct conversion *c)
{
	struct json json = { .out = out };

	jw_object(&json);
	jw_put_object(&json, "__metadata__");
	jw_put_text(&json, "format", "pt");
	if (c->int8) {
		jw_put_text(&json, "rwkvmon_int8", "1");
		jw_put_text(&json, "strategy", "cpu fp32i8");
	}
	jw_end(&json);
	for (size_t i = 0; i < c->n_entries; i++)
		add_to_header(&json, c, &c->entries[i]);
	jw_end(&json);
	safetensors_pad(out);
}

/* -- writing --------------------------------------------------------------------------------- */

/* Entries are placed by width and written in the input's order. */
static int go_to(struct conversion *c, const struct entry *e)
{
	if (fseeko(c->f, (off_t)(c->data_at + e->at), SEEK_SET))
		return err_set_os(c->err, ERR_WRITE, errno, "%s: cannot be written", c->path);
	return 0;
}

static int put(struct conversion *c, const void *p, size_t n)
{
	if (fwrite(p, 1, n, c->f) != n)
		return err_set_os(c->err, ERR_WRITE, errno, "%s: cannot be written", c->path);
	return 0;
}

static int advance(struct conversion *c, size_t n)
{
	c->done += n;
	if (c->opts->progress)
		c->opts->progress(c->opts->ctx, c->done, c->total);
	return 0;
}

static int put_straight(struct conversion *c, const struct tensor *t)
{
	uint64_t left = bytes_of(c, t);
	const uint8_t *p = t->data;

	while (left) {
		size_t n = left < ELEMENTS * 64 ? (size_t)left : ELEMENTS * 64;
		int rc = put(c, p, n);

		if (rc)
			return rc;
		p += n;
		left -= n;
		advance(c, n);
	}
	return 0;
}

static void narrow(struct conversion *c, enum dtype to, float x, unsigned char *at)
{
	uint16_t half = to == DTYPE_F16 ? f16_of_float(x) : bf16_of_float(x);

	c->result->overflowed += to == DTYPE_F16 && isfinite(x) && (half & 0x7fff) == 0x7c00;
	memcpy(at, &half, sizeof half);
}

/* Elements in row-major order, of a tensor whose layout or type is another. */
static int put_elements(struct conversion *c, const struct tensor *t)
{
	enum dtype to = type_of(c, t);
	size_t bytes = dtype_specs[to].bytes;
	unsigned char room[ELEMENTS * 4];
	int rc = 0;

	for (uint64_t i = 0; i < t->count && !rc;) {
		size_t n = t->count - i < ELEMENTS ? (size_t)(t->count - i) : ELEMENTS;

		for (size_t j = 0; j < n; j++, i++) {
			float x = tensor_element(t, i);

			if (to == DTYPE_F32)
				memcpy(room + j * 4, &x, 4);
			else
				narrow(c, to, x, room + j * 2);
		}
		rc = put(c, room, n * bytes);
		advance(c, n * bytes);
	}
	return rc;
}

/* Same type, other layout: whole elements are moved, nothing is converted. */
static int put_moved(struct conversion *c, const struct tensor *t)
{
	size_t bytes = dtype_specs[t->dtype].bytes;
	int rc = 0;

	for (uint64_t i = 0; i < t->count && !rc; i++)
		rc = put(c, t->data + tensor_offset(t, i) * bytes, bytes);
	advance(c, (size_t)bytes_of(c, t));
	return rc;
}

static int put_tensor(struct conversion *c, const struct tensor *t)
{
	if (!t->count)
		return 0;
	if (type_of(c, t) != t->dtype)
		return put_elements(c, t);
	return tensor_is_contiguous(t) ? put_straight(c, t) : put_moved(c, t);
}

/* A matrix and its scales: e and the four entries behind it. */
static int put_quantised(struct conversion *c, const struct entry *e)
{
	const struct matrix *m = e->quantise;
	size_t count = m->rows * m->cols;
	float *scales = calloc(2 * m->rows + 3 * m->cols, sizeof *scales);
	struct quantised q = { .q = malloc(count) };
	int rc = 0;

	if (!scales || !q.q) {
		rc = err_set(c->err, ERR_NOMEM, "%s: no memory to quantise %s", c->path, e->t->name);
	} else {
		float *const parts[INT8_SCALES] = { scales, scales + m->rows, scales + 2 * m->rows,
						    scales + 2 * m->rows + m->cols };

		q.row_scale = parts[INT8_ROW_SCALE];
		q.row_low = parts[INT8_ROW_LOW];
		q.col_scale = parts[INT8_COL_SCALE];
		q.col_low = parts[INT8_COL_LOW];
		q.scratch = scales + 2 * (m->rows + m->cols);
		matrix_quantise(m, &q);
		rc = go_to(c, e);
		if (!rc)
			rc = put(c, q.q, count);
		for (int s = 0; s < INT8_SCALES && !rc; s++) {
			rc = go_to(c, e + 1 + s);
			if (!rc)
				rc = put(c, parts[s], (size_t)entry_bytes(c, e + 1 + s));
		}
		advance(c, count + 2 * (m->rows + m->cols) * sizeof *scales);
	}
	free(scales);
	free(q.q);
	return rc;
}

static int put_entry(struct conversion *c, const struct entry *e)
{
	int rc;

	if (e->scale >= 0) /* written with its matrix */
		return 0;
	if (e->quantise)
		return put_quantised(c, e);
	rc = go_to(c, e);
	return rc ? rc : put_tensor(c, e->t);
}

static int put_all(struct conversion *c)
{
	struct buf header = { 0 };
	uint64_t n;
	int rc;

	add_header(&header, c);
	n = header.used;
	c->data_at = 8 + n;
	rc = header.failed ? err_set(c->err, ERR_NOMEM, "%s: no memory for its header", c->path) : put(c, &n, sizeof n);
	if (!rc)
		rc = put(c, header.p, header.used);
	buf_free(&header);
	for (size_t i = 0; i < c->n_entries && !rc; i++)
		rc = put_entry(c, &c->entries[i]);
	c->result->tensors = c->in->n_tensors;
	c->result->in_bytes = c->in->bytes;
	c->result->out_bytes = 8 + n + c->total;
	return rc;
}

static int write_to(struct conversion *c, const char *path)
{
	int rc;

	c->f = fopen(path, "wbe");
	rc = c->f ? put_all(c) : err_set_os(c->err, ERR_WRITE, errno, "%s: cannot be created", c->path);
	if (c->f && fclose(c->f) && !rc)
		rc = err_set_os(c->err, ERR_WRITE, errno, "%s: cannot be written", c->path);
	return rc;
}

static int write_beside(struct conversion *c, const char *target)
{
	char *beside;
	int rc;

	if (asprintf(&beside, "%s.%ld.tmp", target, (long)getpid()) < 0)
		return err_set(c->err, ERR_NOMEM, "%s: no memory to write it", c->path);
	rc = write_to(c, beside);
	if (!rc && rename(beside, target))
		rc = err_set_os(c->err, ERR_WRITE, errno, "%s: cannot be put in place", c->path);
	if (rc)
		unlink(beside);
	free(beside);
	return rc;
}

static int write_safely(struct conversion *c)
{
	char *target;
	int rc;

	if (!file_replaceable(c->path, &target))
		return err_set(c->err, ERR_NOMEM, "%s: no memory to write it", c->path);
	rc = target ? write_beside(c, target) : write_to(c, c->path);
	free(target);
	return rc;
}

static int refuse_converted(const struct tensor_file *f, struct err *err)
{
	if (f->converted) {
		err_set(err, ERR_UNSUPPORTED, "%s: was already converted for the strategy \"%s\"", f->label,
			f->converted);
		return err_hint(err, "convert the checkpoint it was made from");
	}
	if (int8_is(f)) {
		err_set(err, ERR_UNSUPPORTED, "%s: holds int8 weights already; expected fp32, fp16 or bf16", f->label);
		return err_hint(err, "convert the checkpoint it was made from: what int8 lost cannot be brought back");
	}
	return 0;
}

static int convert_file(struct conversion *c, const struct tensor_file *f)
{
	int rc = refuse_converted(f, c->err);

	c->in = f;
	if (!rc)
		rc = plan(c);
	if (!rc)
		rc = write_safely(c);
	free(c->entries);
	return rc;
}

int convert_to_safetensors(const char *in, const char *out, const struct convert_options *opts,
			   struct convert_result *result, struct err *err)
{
	struct conversion c = { .opts = opts, .path = out, .result = result, .err = err };
	struct tensor_file *f = NULL;
	struct model *m = NULL;
	int rc = find_dtype(&c, opts->dtype);

	*result = (struct convert_result){ 0 };
	if (!rc && c.int8)
		rc = model_open(&m, in, NULL, err);
	else if (!rc)
		rc = tensor_file_open(&f, in, err);
	c.model = m;
	if (!rc)
		rc = convert_file(&c, m ? m->file : f);
	model_close(m);
	tensor_file_close(f);
	return rc;
}
