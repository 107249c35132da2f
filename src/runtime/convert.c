#include "runtime/convert.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/tensor_file.h"
#include "simd/half.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { ELEMENTS = 1 << 14 }; /* converted at a time */

struct conversion {
	const struct tensor_file *in;
	const struct convert_options *opts;
	enum dtype to; /* DTYPE_COUNT: each keeps its own */
	const char *path;
	FILE *f;
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

static int find_dtype(enum dtype *out, const char *name, struct err *err)
{
	static const enum dtype known[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };

	*out = DTYPE_COUNT;
	for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
		if (!strcmp(dtype_specs[known[i]].name, name))
			*out = known[i];
	if (!name || *out != DTYPE_COUNT)
		return 0;
	return err_set(err, ERR_USAGE, "found the type \"%s\"; expected fp32, fp16 or bf16", name);
}

/* The header, padded with spaces so that the data begin at a multiple of 64 bytes. */
static void add_header(struct buf *out, struct conversion *c)
{
	const char *comma = "";
	uint64_t at = 0;

	buf_str(out, "{\"__metadata__\":{\"format\":\"pt\"}");
	comma = ",";
	for (size_t i = 0; i < c->in->n_tensors; i++) {
		const struct tensor *t = &c->in->tensors[i];

		buf_str(out, comma);
		buf_json_string(out, slice_of(t->name));
		buf_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", dtype_specs[type_of(c, t)].safetensors);
		for (int d = 0; d < t->n_dims; d++)
			buf_printf(out, "%s%llu", d ? "," : "", (unsigned long long)t->shape[d]);
		buf_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at,
			   (unsigned long long)(at + bytes_of(c, t)));
		at += bytes_of(c, t);
	}
	buf_char(out, '}');
	while ((out->used + 8) % 64 && !out->failed)
		buf_char(out, ' ');
	c->total = at;
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

static int put_all(struct conversion *c)
{
	struct buf header = { 0 };
	uint64_t n;
	int rc;

	add_header(&header, c);
	n = header.used;
	rc = header.failed ? err_set(c->err, ERR_NOMEM, "%s: no memory for its header", c->path) : put(c, &n, sizeof n);
	if (!rc)
		rc = put(c, header.p, header.used);
	buf_free(&header);
	for (size_t i = 0; i < c->in->n_tensors && !rc; i++)
		rc = put_tensor(c, &c->in->tensors[i]);
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

int convert_to_safetensors(const char *in, const char *out, const struct convert_options *opts,
			   struct convert_result *result, struct err *err)
{
	struct conversion c = { .opts = opts, .path = out, .result = result, .err = err };
	struct tensor_file *f = NULL;
	int rc = find_dtype(&c.to, opts->dtype, err);

	*result = (struct convert_result){ 0 };
	if (!rc)
		rc = tensor_file_open(&f, in, err);
	if (!rc && f->converted) {
		rc = err_set(err, ERR_UNSUPPORTED, "%s: was already converted for the strategy \"%s\"", in, f->converted);
		err_hint(err, "convert the checkpoint it was made from");
	}
	c.in = f;
	if (!rc)
		rc = write_safely(&c);
	tensor_file_close(f);
	return rc;
}
