/* ggmf_quantise.c - quantises a file of rwkv.cpp. Source of blocks and rounding: ggml's quantize_row_*_ref; of the
 * container: ggmf.c. */
#include "runtime/ggmf_quantise.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/tensor_file.h"
#include "simd/half.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 32, HEADER_BYTES = 24, TENSOR_BYTES = 12, BLOCK_BYTES_MAX = 34, VERSION = 101 };

/* -- blocks ---------------------------------------------------------------------------------- */

struct range {
	float least, most, extreme; /* the last is of largest magnitude, with its sign */
};

static struct range range_of(const float *x)
{
	struct range r = { x[0], x[0], 0 };

	for (int i = 0; i < BLOCK; i++) {
		r.least = x[i] < r.least ? x[i] : r.least;
		r.most = x[i] > r.most ? x[i] : r.most;
		r.extreme = fabsf(x[i]) > fabsf(r.extreme) ? x[i] : r.extreme;
	}
	return r;
}

static unsigned char *put_half(unsigned char *out, float f)
{
	uint16_t h = f16_of_float(f);

	out[0] = (unsigned char)h;
	out[1] = (unsigned char)(h >> 8);
	return out + 2;
}

/* floor((x - low) / step + shift), 0 .. top. NaN becomes 0. */
static unsigned step_of(float x, float low, float inverse, float shift, int top)
{
	float q = (x - low) * inverse + shift;

	return q >= (float)top ? (unsigned)top : q > 0 ? (unsigned)q : 0;
}

/* Low nibbles are the first half's; the fifth bits, when there are any, come before all nibbles. */
static void put_steps(unsigned char *out, const unsigned q[BLOCK], bool five)
{
	uint32_t high = 0;

	for (int i = 0; i < BLOCK; i++)
		high |= (uint32_t)(q[i] >> 4) << i;
	for (int i = 0; five && i < 4; i++)
		*out++ = (unsigned char)(high >> 8 * i);
	for (int i = 0; i < BLOCK / 2; i++)
		out[i] = (unsigned char)((q[i] & 15) | (q[i + BLOCK / 2] & 15) << 4);
}

/* Around 0: `levels` is 16 or 32, the extreme is the lowest of them. */
static void symmetric(const float *x, unsigned char *out, int levels)
{
	float step = range_of(x).extreme / (float)(-levels / 2), inverse = step != 0 ? 1 / step : 0;
	unsigned q[BLOCK];

	out = put_half(out, step);
	for (int i = 0; i < BLOCK; i++)
		q[i] = step_of(x[i], 0, inverse, (float)(levels / 2) + 0.5F, levels - 1);
	put_steps(out, q, levels > 16);
}

/* From the least value up. */
static void from_least(const float *x, unsigned char *out, int levels)
{
	struct range r = range_of(x);
	float step = (r.most - r.least) / (float)(levels - 1), inverse = step != 0 ? 1 / step : 0;
	unsigned q[BLOCK];

	out = put_half(put_half(out, step), r.least);
	for (int i = 0; i < BLOCK; i++)
		q[i] = step_of(x[i], r.least, inverse, 0.5F, levels - 1);
	put_steps(out, q, levels > 16);
}

static void q4_0(const float *x, unsigned char *out)
{
	symmetric(x, out, 16);
}

static void q4_1(const float *x, unsigned char *out)
{
	from_least(x, out, 16);
}

static void q5_0(const float *x, unsigned char *out)
{
	symmetric(x, out, 32);
}

static void q5_1(const float *x, unsigned char *out)
{
	from_least(x, out, 32);
}

static void q8_0(const float *x, unsigned char *out)
{
	float step = fabsf(range_of(x).extreme) / 127, inverse = step != 0 ? 1 / step : 0;

	out = put_half(out, step);
	for (int i = 0; i < BLOCK; i++) {
		float q = roundf(x[i] * inverse);

		out[i] = (unsigned char)(int8_t)(q >= 127 ? 127 : q > -127 ? q : q <= -127 ? -127 : 0); /* NaN: 0 */
	}
}

static const struct format {
	const char *name;
	uint32_t id; /* in a file */
	size_t bytes;
	void (*block)(const float *x, unsigned char *out);
} formats[] = {
	{ "Q4_0", 2, 18, q4_0 }, { "Q4_1", 3, 20, q4_1 }, { "Q5_0", 7, 22, q5_0 },
	{ "Q5_1", 8, 24, q5_1 }, { "Q8_0", 9, 34, q8_0 },
};

static const struct format *format_of(const char *name)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

/* -- files ----------------------------------------------------------------------------------- */

struct job {
	const struct format *format;
	const char *from, *to;
	struct slice in; /* what is not read yet */
	FILE *out;
	struct err *err;
};

static int cut_off(struct job *j)
{
	err_set(j->err, ERR_TRUNCATED, "%s: ends in the middle of a tensor", j->from);
	return err_hint(j->err, "The file is incomplete: convert it again.");
}

static int put(struct job *j, const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, j->out) == n)
		return 0;
	return err_set_os(j->err, ERR_WRITE, errno, "%s", j->to);
}

static int put_u32(struct job *j, uint32_t v)
{
	unsigned char b[4] = { (unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
			       (unsigned char)(v >> 24) };

	return put(j, b, sizeof b);
}

static bool stays(const char *name, size_t n)
{
	static const char *const parts[] = { "att.v1", "att.v2", "att.g1", "att.g2", "att.a1",
					     "att.a2", "att.w1", "att.w2", "att.r_k" };
	struct slice s = { name, n };

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (memmem(name, n, parts[i], strlen(parts[i])))
			return true;
	return slice_is(s, "emb.weight") || slice_is(s, "head.weight");
}

static int put_blocks(struct job *j, const char *data, uint32_t type, uint64_t count)
{
	unsigned char block[BLOCK_BYTES_MAX];
	float x[BLOCK];
	int rc = 0;

	for (uint64_t at = 0; at < count && !rc; at += BLOCK) {
		for (int i = 0; i < BLOCK; i++) {
			uint64_t e = at + (uint64_t)i;

			if (type)
				x[i] = float_of_f16((uint16_t)read_le(data + 2 * e, 2));
			else
				memcpy(&x[i], data + 4 * e, 4);
		}
		j->format->block(x, block);
		rc = put(j, block, j->format->bytes);
	}
	return rc;
}

/* One tensor: its header with another type, its name, its data as blocks or as they are. */
static int copy_tensor(struct job *j)
{
	const char *head = slice_take(&j->in, TENSOR_BYTES), *dims, *name, *data;
	uint64_t n_dims = head ? read_le(head, 4) : 0, name_bytes = head ? read_le(head + 4, 4) : 0, count = 1;
	uint32_t type = head ? (uint32_t)read_le(head + 8, 4) : 0;
	bool small;
	int rc;

	dims = head && n_dims <= 4 ? slice_take(&j->in, 4 * n_dims) : NULL;
	name = dims ? slice_take(&j->in, name_bytes) : NULL;
	if (!name)
		return cut_off(j);
	for (uint64_t d = 0; d < n_dims; d++) {
		uint64_t n = read_le(dims + 4 * d, 4);

		if (!n || count > ((uint64_t)1 << 40) / n)
			return err_set(j->err, ERR_SHAPE, "%s: a tensor with an impossible shape", j->from);
		count *= n;
	}
	if (type > 1)
		return err_set(j->err, ERR_UNSUPPORTED, "%s: holds type %u; expected a file of FP32 or FP16", j->from,
			       type);
	data = slice_take(&j->in, count * (type ? 2 : 4));
	if (!data)
		return cut_off(j);
	small = n_dims != 2 || stays(name, (size_t)name_bytes);
	if (!small && read_le(dims, 4) % BLOCK)
		return err_set(j->err, ERR_SHAPE, "%s: rows of %llu; expected a multiple of %d for %s", j->from,
			       (unsigned long long)read_le(dims, 4), BLOCK, j->format->name);
	rc = put(j, head, 8);
	if (!rc)
		rc = put_u32(j, small ? type : j->format->id);
	if (!rc)
		rc = put(j, dims, (size_t)(4 * n_dims));
	if (!rc)
		rc = put(j, name, (size_t)name_bytes);
	if (rc)
		return rc;
	return small ? put(j, data, (size_t)count * (type ? 2 : 4)) : put_blocks(j, data, type, count);
}

static int copy_all(struct job *j)
{
	const char *head = slice_take(&j->in, HEADER_BYTES);
	int rc;

	if (!head || memcmp(head, "fmgg", 4) || read_le(head + 4, 4) < 100 || read_le(head + 4, 4) > VERSION)
		return err_set(j->err, ERR_FORMAT, "%s: is no file of rwkv.cpp", j->from);
	rc = put(j, head, 4);
	if (!rc)
		rc = put_u32(j, VERSION);
	if (!rc)
		rc = put(j, head + 8, 12);
	if (!rc)
		rc = put_u32(j, j->format->id);
	while (j->in.n && !rc)
		rc = copy_tensor(j);
	return rc;
}

/* Written beside `to` and renamed over it. */
static int write_all(struct job *j, const char *beside)
{
	int rc;

	j->out = fopen(beside, "wbe");
	if (!j->out)
		return err_set_os(j->err, ERR_WRITE, errno, "%s", beside);
	rc = copy_all(j);
	if (fclose(j->out) && !rc)
		rc = err_set_os(j->err, ERR_WRITE, errno, "%s", beside);
	if (!rc && rename(beside, j->to))
		rc = err_set_os(j->err, ERR_WRITE, errno, "%s", j->to);
	if (rc)
		unlink(beside);
	return rc;
}

int ggmf_quantise(const char *from, const char *to, const char *format, struct err *err)
{
	struct job j = { .format = format_of(format), .from = from, .to = to, .err = err };
	struct file_map map;
	struct buf beside = { 0 };
	int rc;

	if (!j.format)
		return err_set(err, ERR_USAGE, "\"%s\" is no format; expected Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0", format);
	rc = file_map(&map, from, err);
	if (rc)
		return rc;
	j.in = (struct slice){ (const char *)map.p, map.n };
	buf_printf(&beside, "%s.part", to);
	rc = beside.failed ? err_set(err, ERR_NOMEM, "no memory for a name") : write_all(&j, beside.p);
	buf_free(&beside);
	file_unmap(&map);
	return rc;
}
