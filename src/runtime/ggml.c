/* ggml.c - unpacks blocks of quantised values into floats. */
#include "runtime/ggml.h"

#include "simd/half.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 32, LOW_BYTES = BLOCK / 2, SUPER = 256 }; /* elements of a block; of a block of the K types */

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

/* Scale and minimum j of 8, 6 bits each, in 12 bytes: the first four of both in the low bits of bytes 0-7; of the
 * others the low four bits in bytes 8-11, the high two in the high bits of bytes 0-7. */
static void six_bits(const uint8_t *p, int j, float *scale, float *min)
{
	if (j < 4) {
		*scale = (float)(p[j] & 63);
		*min = (float)(p[j + 4] & 63);
	} else {
		*scale = (float)((p[j + 4] & 15) | p[j - 4] >> 6 << 4);
		*min = (float)(p[j + 4] >> 4 | p[j] >> 6 << 4);
	}
}

/* Eight runs of 32 elements, each with a scale and a minimum: q d scale - m min. Two runs share 32 bytes of nibbles;
 * bit i of high[j] is the fifth bit of element j of run i, or high is NULL. */
static void runs_of_32(const uint8_t *p, const uint8_t *high, const uint8_t *nibbles, float *out)
{
	float d = f16_at(p), m = f16_at(p + 2);

	for (int i = 0; i < SUPER / 32; i++) {
		const uint8_t *q = nibbles + i / 2 * 32;
		float scale, min;

		six_bits(p + 4, i, &scale, &min);
		for (int j = 0; j < 32; j++) {
			int low = i % 2 ? q[j] >> 4 : q[j] & 15, fifth = high ? (high[j] >> i & 1) << 4 : 0;

			out[i * 32 + j] = d * scale * (float)(low | fifth) - m * min;
		}
	}
}

static void q4_k(const uint8_t *p, float *out) /* d, m, 12 bytes of scales, nibbles */
{
	runs_of_32(p, NULL, p + 16, out);
}

static void q5_k(const uint8_t *p, float *out) /* d, m, 12 bytes of scales, 32 of high bits, nibbles */
{
	runs_of_32(p, p + 16, p + 48, out);
}

/* 128 bytes of nibbles, 64 of pairs of high bits, 16 scales for 16 elements each, d: (q - 32) d scale. Each half of the
 * elements is four runs of 32: their nibbles are the low and then the high ones of 64 bytes, their pairs of high bits
 * the four in 32 bytes. */
static void q6_k(const uint8_t *p, float *out)
{
	const int8_t *scales = (const int8_t *)(p + 192);
	float d = f16_at(p + 208);

	for (int i = 0; i < SUPER; i++) {
		int half = i / 128, run = i / 32 % 4, j = i % 32;
		int low = p[half * 64 + run % 2 * 32 + j] >> (run / 2 * 4) & 15;
		int high = p[128 + half * 32 + j] >> (run * 2) & 3;

		out[i] = d * (float)scales[i / 16] * (float)((low | high << 4) - 32);
	}
}

static const struct ggml_type {
	uint32_t id;
	const char *name;
	size_t bytes;                                     /* of a block, or of an element */
	void (*unpack)(const uint8_t *block, float *out); /* NULL: elements of `dtype`; bytes 0: refused */
	enum dtype dtype;
	size_t elements; /* of a block */
} types[] = {
	{ 0, "fp32", 4, NULL, DTYPE_F32, 1 },
	{ 1, "fp16", 2, NULL, DTYPE_F16, 1 },
	{ 30, "bf16", 2, NULL, DTYPE_BF16, 1 },
	{ 2, "Q4_0", 18, q4_0, DTYPE_F32, BLOCK },
	{ 3, "Q4_1", 20, q4_1, DTYPE_F32, BLOCK },
	{ 6, "Q5_0", 22, q5_0, DTYPE_F32, BLOCK },
	{ 7, "Q5_1", 24, q5_1, DTYPE_F32, BLOCK },
	{ 8, "Q8_0", 34, q8_0, DTYPE_F32, BLOCK },
	{ 12, "Q4_K", 144, q4_k, DTYPE_F32, SUPER },
	{ 13, "Q5_K", 176, q5_k, DTYPE_F32, SUPER },
	{ 14, "Q6_K", 210, q6_k, DTYPE_F32, SUPER },
	{ 10, "Q2_K", 0, NULL, 0, 1 },
	{ 11, "Q3_K", 0, NULL, 0, 1 },
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
	return count % t->elements ? 0 : count / t->elements * t->bytes;
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
	for (uint64_t b = 0; b < count / t->elements; b++)
		t->unpack((const uint8_t *)bytes + b * t->bytes, out + b * t->elements);
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

		x = dtype == DTYPE_F16 ? f16_of_float(float_of_f16(x) * factor)
				       : bf16_of_float(float_of_bf16(x) * factor);
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
		struct tensor t = {
			.name = name, .dtype = fused->dtype, .n_dims = 1, .shape = { width }, .stride = { 1 }
		};

		snprintf(name, sizeof name, "blocks.%ld.%s%c", block, prefix, letters[i]);
		rc = tensor_file_add(f, &t, storage, (uint64_t)i * width, err);
	}
	return rc;
}
