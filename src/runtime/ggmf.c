/* ggmf.c - reads the container of rwkv.cpp. Source: its FILE_FORMAT description and converter. 6 x int32: "ggmf",
 *     version 100 or 101, n_vocab, n_embed, n_layer, type
 *     per tensor: int32 dimensions, name length, type; dimensions, fastest first; name; data
 * until the end; nothing is aligned. Some tensors are stored in a form other than the official one; they are converted
 * back to it, so that the model's origin does not matter. */
#include "runtime/ggml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 24, TENSOR_BYTES = 12, NAME_MAX_BYTES = 127, QUANTISED_VERSION = 101 };

/* ggmf numbers its quantised types as ggml did then: from 7 on they are one higher than today's. */
static uint32_t ggml_type_of(uint32_t type)
{
	static const uint32_t known[] = { 0, 1, 2, 3, UINT32_MAX, UINT32_MAX, UINT32_MAX, 6, 7, 8 };

	return type < sizeof known / sizeof *known ? known[type] : UINT32_MAX;
}

struct reader {
	struct tensor_file *f;
	struct slice in;
	uint32_t version;
	struct err *err;
};

static int cut_off(struct reader *r)
{
	err_set(r->err, ERR_TRUNCATED, "%s: ends in the middle of a tensor, after %zu whole ones", r->f->label,
		r->f->n_tensors);
	return err_hint(r->err, "The file is incomplete: download it again.");
}

/* Dimensions in the official order; false when they make no sense. */
static bool read_shape(const char *dims, struct tensor *t)
{
	t->count = 1;
	for (int d = 0; d < t->n_dims; d++) {
		uint64_t n = read_le(dims + 4 * (t->n_dims - 1 - d), 4);

		if (!n || n > INT32_MAX || t->count > ((uint64_t)1 << 48) / n)
			return false;
		t->shape[d] = n;
		t->count *= n;
	}
	tensor_set_strides(t);
	return true;
}

static bool ends_with(const char *name, const char *tail)
{
	size_t n = strlen(name), m = strlen(tail);

	return n >= m && !strcmp(name + n - m, tail);
}

/* Low-rank factors are stored transposed. */
static bool is_swapped(const char *name)
{
	static const char *const tails[] = {
		".time_maa_w1", ".time_maa_w2", ".time_decay_w1", ".time_decay_w2", ".att.w1", ".att.w2",
		".att.a1",      ".att.a2",      ".att.v1",        ".att.v2",        ".att.g1", ".att.g2",
	};

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
		if (ends_with(name, tails[i]))
			return true;
	return false;
}

static int add(struct reader *r, struct tensor *t, uint32_t type, const char *data)
{
	struct slice storage;
	int rc;

	if (!tensor_file_wants(r->f, t->name))
		return 0;
	rc = ggml_unpack(r->f, t->name, type, t->count, data, &storage, &t->dtype, r->err);

	if (rc)
		return rc;
	if (ends_with(t->name, ".att.x_rwkvag") && t->shape[0] == 6 && !strncmp(t->name, "blocks.", 7))
		return ggml_add_lerps(r->f, strtol(t->name + 7, NULL, 10), "att.x_", "rwkvag", t, storage, r->err);
	if (t->n_dims >= 2 && is_swapped(t->name))
		ggml_swap_last(t);
	return tensor_file_add(r->f, t, storage, 0, r->err);
}

static int refuse_type(struct reader *r, const char *name, uint32_t type)
{
	char text[PRINTABLE_BYTES];

	err_set(r->err, ERR_UNSUPPORTED,
		"%s: tensor %s has type %u in a file of version %u; expected FP32, "
		"FP16, Q4_0, Q4_1, "
		"Q5_0, Q5_1 or Q8_0",
		r->f->label, printable(text, slice_of(name)), type, r->version);
	return err_hint(r->err, "Quantise it again from the FP16 file with a current rwkv.cpp.");
}

static int read_tensor(struct reader *r)
{
	const char *p = slice_take(&r->in, TENSOR_BYTES), *dims, *text, *data;
	char name[NAME_MAX_BYTES + 1];
	struct tensor t = { .name = name };
	uint64_t n_dims, name_bytes, bytes;
	uint32_t type, kind;

	if (!p)
		return cut_off(r);
	n_dims = read_le(p, 4);
	name_bytes = read_le(p + 4, 4);
	kind = (uint32_t)read_le(p + 8, 4);
	if (!n_dims || n_dims > 4 || !name_bytes || name_bytes > NAME_MAX_BYTES)
		return err_set(r->err, ERR_FORMAT,
			       "%s: a tensor of %llu dimensions and a name of %llu bytes "
			       "behind %zu whole ones",
			       r->f->label, (unsigned long long)n_dims, (unsigned long long)name_bytes,
			       r->f->n_tensors);
	dims = slice_take(&r->in, 4 * n_dims);
	text = dims ? slice_take(&r->in, name_bytes) : NULL;
	if (!text)
		return cut_off(r);
	memcpy(name, text, name_bytes);
	name[name_bytes] = 0;
	t.n_dims = (int)n_dims;
	type = ggml_type_of(kind);
	if (!read_shape(dims, &t))
		return err_set(r->err, ERR_SHAPE, "%s: tensor %s has an impossible shape", r->f->label,
			       printable((char[PRINTABLE_BYTES]){ 0 }, slice_of(name)));
	bytes = ggml_bytes(type, t.count);
	if (!bytes || (kind > 1 && r->version < QUANTISED_VERSION) || (kind > 1 && t.shape[n_dims - 1] % 32))
		return refuse_type(r, name, kind);
	data = slice_take(&r->in, bytes);
	return data ? add(r, &t, type, data) : cut_off(r);
}

/* -- back to the official form ------------------------------------------------------------ */

/* v4 keeps -exp(x), v5 exp(-exp(x)) for time_decay and exp(x) for time_first. */
static double official_decay_v4(double stored)
{
	return log(-stored);
}

static double official_decay_v5(double stored)
{
	return log(-log(stored));
}

/* Copies into memory of the file's own and changes the shape to n_dims from the left. */
static int rewrite(struct reader *r, struct tensor *t, double (*form)(double), int n_dims)
{
	float *out = arena_alloc(&r->f->arena, (size_t)t->count, sizeof *out);

	if (!out)
		return err_set(r->err, ERR_NOMEM, "%s: no memory for tensor %s", r->f->label, t->name);
	for (uint64_t i = 0; i < t->count; i++)
		out[i] = form ? (float)form((double)tensor_element(t, i)) : tensor_element(t, i);
	t->n_dims = n_dims;
	if (n_dims == 1)
		t->shape[0] = t->count;
	tensor_set_strides(t);
	t->dtype = DTYPE_F32;
	t->data = (const uint8_t *)out;
	t->storage_count = t->count;
	return 0;
}

/* Block 0 shows which kind of file it is. */
static bool has(const struct tensor_file *f, const char *name)
{
	for (size_t i = 0; i < f->n_tensors; i++)
		if (!strcmp(f->tensors[i].name, name))
			return true;
	return false;
}

static int restore_v4(struct reader *r, struct tensor *t)
{
	return ends_with(t->name, ".att.time_decay") ? rewrite(r, t, official_decay_v4, 1) : 0;
}

/* (H, N, 1), or (H, 1, 1) in 5.0 and 5.1. */
static int restore_v5(struct reader *r, struct tensor *t)
{
	int n_dims = t->shape[1] == 1 ? 1 : 2;

	if (ends_with(t->name, ".att.time_decay"))
		return rewrite(r, t, official_decay_v5, n_dims);
	if (ends_with(t->name, ".att.time_first"))
		return rewrite(r, t, log, n_dims);
	return ends_with(t->name, ".att.time_faaaa") ? rewrite(r, t, NULL, n_dims) : 0;
}

/* (H, N, 1), values as they are. */
static int restore_v6(struct reader *r, struct tensor *t)
{
	if (ends_with(t->name, ".att.time_decay"))
		return rewrite(r, t, NULL, 1);
	return ends_with(t->name, ".att.time_faaaa") ? rewrite(r, t, NULL, 2) : 0;
}

static int restore_all(struct reader *r)
{
	bool v6 = has(r->f, "blocks.0.att.time_maa_x"), v5 = !v6 && has(r->f, "blocks.0.att.ln_x.weight");
	int rc = 0;

	for (size_t i = 0; i < r->f->n_tensors && !rc; i++) {
		struct tensor *t = &r->f->tensors[i];

		if (!v5 && !v6)
			rc = restore_v4(r, t);
		else if (t->n_dims == 3)
			rc = v6 ? restore_v6(r, t) : restore_v5(r, t);
	}
	return rc;
}

int ggmf_read(struct tensor_file *f, struct slice bytes, struct err *err)
{
	struct reader r = { f, bytes, 0, err };
	const char *head = slice_take(&r.in, HEADER_BYTES);
	int rc = 0;

	if (!head)
		return cut_off(&r);
	r.version = (uint32_t)read_le(head + 4, 4);
	if (r.version != 100 && r.version != 101) {
		err_set(err, ERR_UNSUPPORTED, "%s: an rwkv.cpp file of version %u; expected 100 or 101", f->label,
			r.version);
		return err_hint(err, "Convert it again with a current rwkv.cpp.");
	}
	while (r.in.n && !rc)
		rc = read_tensor(&r);
	if (!rc && !f->n_tensors)
		rc = err_set(err, ERR_TRUNCATED, "%s: holds no tensors", f->label);
	return rc ? rc : restore_all(&r);
}
