#include "runtime/ggml.h"

#include "simd/half.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 32, LOW_BYTES = BLOCK / 2 };

static float f16_at(const uint8_t *p)
{
	return float_of_f16((uint16_t)(p[0] | p[1] << 8));
}

/* Element j of the nibbles at p. */
static int nibble(const uint8_t *p, int j)
{
	return j < LOW_BYTES ? p[j] & 15 : p[j - LOW_BYTES] >> 4;
}

static int fifth_bit(const uint8_t *p, int j)
{
	return (p[j / 8] >> (j % 8) & 1) << 4;
}

static void q4_0(const uint8_t *p, float *out) /* d, nibbles: (q - 8) d */
{
	for (int j = 0; j < BLOCK; j++)
		out[j] = (float)(nibble(p + 2, j) - 8) * f16_at(p);
}

static void q4_1(const uint8_t *p, float *out) /* d, m, nibbles: q d + m */
{
	for (int j = 0; j < BLOCK; j++)
		out[j] = (float)nibble(p + 4, j) * f16_at(p) + f16_at(p + 2);
}

static void q5_0(const uint8_t *p, float *out) /* d, 32 high bits, nibbles: (q - 16) d */
{
	for (int j = 0; j < BLOCK; j++)
		out[j] = (float)((nibble(p + 6, j) | fifth_bit(p + 2, j)) - 16) * f16_at(p);
}

static void q5_1(const uint8_t *p, float *out) /* d, m, 32 high bits, nibbles: q d + m */
{
	for (int j = 0; j < BLOCK; j++)
		out[j] = (float)(nibble(p + 8, j) | fifth_bit(p + 4, j)) * f16_at(p) + f16_at(p + 2);
}

static void q8_0(const uint8_t *p, float *out) /* d, 32 int8: q d */
{
	for (int j = 0; j < BLOCK; j++)
		out[j] = (float)(int8_t)p[2 + j] * f16_at(p);
}

static const struct ggml_type {
	uint32_t id;
	const char *name;
	size_t bytes; /* of a block, or of an element */
	void (*unpack)(const uint8_t *block, float *out); /* NULL: elements of `dtype`; bytes 0: refused */
	enum dtype dtype;
} types[] = {
	{ 0, "fp32", 4, NULL, DTYPE_F32 },  { 1, "fp16", 2, NULL, DTYPE_F16 }, { 30, "bf16", 2, NULL, DTYPE_BF16 },
	{ 2, "Q4_0", 18, q4_0, DTYPE_F32 }, { 3, "Q4_1", 20, q4_1, DTYPE_F32 }, { 6, "Q5_0", 22, q5_0, DTYPE_F32 },
	{ 7, "Q5_1", 24, q5_1, DTYPE_F32 }, { 8, "Q8_0", 34, q8_0, DTYPE_F32 }, { 10, "Q2_K", 0, NULL, 0 },
	{ 11, "Q3_K", 0, NULL, 0 },	    { 12, "Q4_K", 0, NULL, 0 },	       { 13, "Q5_K", 0, NULL, 0 },
	{ 14, "Q6_K", 0, NULL, 0 },
};

static const struct ggml_type *type_of(uint32_t id)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].id == id)
			return &types[i];
	return NULL;
}

const char *ggml_type_name(uint32_t type)
{
	const struct ggml_type *t = type_of(type);

	return t ? t->name : "an unknown type";
}

uint64_t ggml_bytes(uint32_t type, uint64_t count)
{
	const struct ggml_type *t = type_of(type);

	if (!t || count > (uint64_t)1 << 48)
		return 0;
	if (!t->unpack)
		return count * t->bytes;
	return count % BLOCK ? 0 : count / BLOCK * t->bytes;
}

int ggml_unpack(struct tensor_file *f, const char *name, uint32_t type, uint64_t count, const char *bytes,
		struct slice *storage, enum dtype *dtype, struct err *err)
{
	const struct ggml_type *t = type_of(type);
	float *out = NULL;

	*dtype = t->dtype;
	*storage = (struct slice){ bytes, (size_t)ggml_bytes(type, count) };
	if (!t->unpack)
		return 0;
	if (count * sizeof *out <= 8 * f->bytes - f->unpacked_bytes)
		out = arena_alloc(&f->arena, (size_t)count, sizeof *out);
	if (!out) {
		char text[PRINTABLE_BYTES];

		return err_set(err, ERR_NOMEM, "%s: tensor %s: no memory to unpack %llu elements of %s", f->label,
			       printable(text, slice_of(name)), (unsigned long long)count, t->name);
	}
	f->unpacked_bytes += count * sizeof *out;
	for (uint64_t b = 0; b < count / BLOCK; b++)
		t->unpack((const uint8_t *)bytes + b * t->bytes, out + b * BLOCK);
	*storage = (struct slice){ (const char *)out, (size_t)count * sizeof *out };
	return 0;
}

void ggml_swap_last(struct tensor *t)
{
	int a = t->n_dims - 2, b = t->n_dims - 1;
	uint64_t shape = t->shape[a], stride = t->stride[a];

	t->shape[a] = t->shape[b];
	t->stride[a] = t->stride[b];
	t->shape[b] = shape;
	t->stride[b] = stride;
}

static void scale_all(char *to, struct slice from, enum dtype dtype, float factor)
{
	for (size_t i = 0; dtype == DTYPE_F32 && i + 4 <= from.n; i += 4) {
		float x;

		memcpy(&x, from.p + i, 4);
		x *= factor;
		memcpy(to + i, &x, 4);
	}
	for (size_t i = 0; dtype != DTYPE_F32 && i + 2 <= from.n; i += 2) {
		uint16_t x = (uint16_t)read_le(from.p + i, 2);

		x = dtype == DTYPE_F16 ? f16_of_float(float_of_f16(x) * factor) : bf16_of_float(float_of_bf16(x) * factor);
		memcpy(to + i, &x, 2);
	}
}

int ggml_scale(struct tensor_file *f, const char *name, enum dtype dtype, bool unpacked, int exponent,
	       struct slice *storage, struct err *err)
{
	char *to = (char *)(uintptr_t)storage->p; /* unpacked: this file's own memory */

	if (!unpacked) {
		to = storage->n <= 8 * f->bytes - f->unpacked_bytes ? arena_alloc(&f->arena, storage->n, 1) : NULL;
		f->unpacked_bytes += to ? storage->n : 0;
	}
	if (!to)
		return err_set(err, ERR_NOMEM, "%s: tensor %s: no memory for %zu bytes", f->label, name, storage->n);
	scale_all(to, *storage, dtype, ldexpf(1, exponent));
	storage->p = to;
	return 0;
}

int ggml_add_lerps(struct tensor_file *f, long block, const char *prefix, const char *letters,
		   const struct tensor *fused, struct slice storage, struct err *err)
{
	uint64_t width = fused->shape[fused->n_dims - 1];
	char name[64];
	int rc = 0;

	for (int i = 0; letters[i] && !rc; i++) {
		struct tensor t = { .name = name, .dtype = fused->dtype, .n_dims = 1, .shape = { width },
			.stride = { 1 } };

		snprintf(name, sizeof name, "blocks.%ld.%s%c", block, prefix, letters[i]);
		rc = tensor_file_add(f, &t, storage, (uint64_t)i * width, err);
	}
	return rc;
}
