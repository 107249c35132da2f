/* write_gguf.h - an RWKV-6 checkpoint as llama.cpp's GGUF, for tests: no published file is small enough to carry.
 *
 * The layout is what llama.cpp's converter does to official tensors (convert_hf_to_gguf.py, Rwkv6Model;
 * its weights have the official layout under other names):
 *     time_maa_w1, time_decay_w1, time_decay_w2   transposed
 *     time_maa_w2 (5, rank, C)                    last two dimensions exchanged: (5, C, rank)
 *     time_maa_w, k, v, r, g                      one tensor (5, 1, 1, C); time_maa_x stays alone
 *     att.output, ffn.value of block i            divided by 2^(i / rescale_every_n_layers)
 *     vectors and low-rank factors                F32 always; the rest in the file's type
 * A GGUF lists dimensions fastest first. */
#ifndef RWKVMON_TESTS_WRITE_GGUF_H
#define RWKVMON_TESTS_WRITE_GGUF_H

#include "write_model.h"

#include "simd/half.h"

#include <math.h>

enum gguf_type { GGUF_F32 = 0, GGUF_F16 = 1, GGUF_Q8_0 = 8, GGUF_BF16 = 30 };

struct gguf_how {
	enum gguf_type type; /* of the matrices */
	bool through_q8;     /* values as Q8_0 rounds them, whatever the type */
	bool fused;          /* mixes in one tensor, as since 2024-12 */
	unsigned rescale;    /* 0: none */
};

struct gguf_writer {
	const struct tensor_file *in;
	struct gguf_how how;
	struct buf rows, data;
	uint64_t n;
};

static inline void gguf_text(struct buf *b, const char *text)
{
	write_le(b, strlen(text), 8);
	buf_str(b, text);
}

static inline void gguf_u32(struct buf *b, const char *key, uint32_t value)
{
	gguf_text(b, key);
	write_le(b, 4, 4);
	write_le(b, value, 4);
}

static inline void gguf_float(struct buf *b, float x)
{
	buf_add(b, &x, 4);
}

/* 32 values: d = largest / 127, q = round(x / d). */
static inline void gguf_q8_block(struct buf *b, const float *x, float out[32])
{
	float largest = 0, d;

	for (int i = 0; i < 32; i++)
		largest = fmaxf(largest, fabsf(x[i]));
	d = float_of_f16(f16_of_float(largest / 127));
	if (b)
		write_le(b, f16_of_float(d), 2);
	for (int i = 0; i < 32; i++) {
		float q = d > 0 ? fmaxf(-127, fminf(127, roundf(x[i] / d))) : 0;

		out[i] = q * d;
		if (b)
			buf_char(b, (char)(int8_t)q);
	}
}

/* n values of one tensor as a row of the header and aligned data. shape: slowest first, ends with 0. */
static inline void gguf_tensor(struct gguf_writer *w, const char *name, const uint64_t *shape, float *x, size_t n,
			       enum gguf_type type)
{
	int dims = 0;
	float block[32];

	while (shape[dims])
		dims++;
	gguf_text(&w->rows, name);
	write_le(&w->rows, (uint64_t)dims, 4);
	for (int d = dims; d-- > 0;)
		write_le(&w->rows, shape[d], 8);
	write_le(&w->rows, type, 4);
	write_le(&w->rows, w->data.used, 8);
	for (size_t i = 0; type == GGUF_Q8_0 && i < n; i += 32)
		gguf_q8_block(&w->data, x + i, block);
	for (size_t i = 0; type != GGUF_Q8_0 && i < n; i++)
		if (type == GGUF_F32)
			gguf_float(&w->data, x[i]);
		else
			write_le(&w->data, type == GGUF_F16 ? f16_of_float(x[i]) : bf16_of_float(x[i]), 2);
	while (w->data.used % 32)
		buf_char(&w->data, 0);
	w->n++;
}

static inline float *gguf_values(const struct tensor *t)
{
	float *x = malloc((size_t)t->count * sizeof *x);

	for (uint64_t i = 0; i < t->count; i++)
		x[i] = tensor_element(t, i);
	return x;
}

/* Exchanges the last two dimensions of (n, a, b). */
static inline float *gguf_swapped(const struct tensor *t, uint64_t shape[4])
{
	uint64_t a = t->shape[t->n_dims - 2], b = t->shape[t->n_dims - 1], n = t->count / (a * b), at = 0;
	float *x = malloc((size_t)t->count * sizeof *x);
	int d = 0;

	if (t->n_dims == 3)
		shape[d++] = n;
	shape[d++] = b;
	shape[d++] = a;
	shape[d] = 0;
	for (uint64_t i = 0; i < n; i++)
		for (uint64_t c = 0; c < b; c++)
			for (uint64_t r = 0; r < a; r++)
				x[at++] = tensor_element(t, (i * a + r) * b + c);
	return x;
}

static const struct {
	const char *ours, *theirs;
} gguf_v6_names[] = {
	{ "ln1.weight", "attn_norm.weight" },
	{ "ln1.bias", "attn_norm.bias" },
	{ "ln2.weight", "attn_norm_2.weight" },
	{ "ln2.bias", "attn_norm_2.bias" },
	{ "att.time_maa_x", "time_mix_lerp_x.weight" },
	{ "att.time_maa_w", "time_mix_lerp_w.weight" },
	{ "att.time_maa_k", "time_mix_lerp_k.weight" },
	{ "att.time_maa_v", "time_mix_lerp_v.weight" },
	{ "att.time_maa_r", "time_mix_lerp_r.weight" },
	{ "att.time_maa_g", "time_mix_lerp_g.weight" },
	{ "att.time_maa_w1", "time_mix_w1.weight" },
	{ "att.time_maa_w2", "time_mix_w2.weight" },
	{ "att.time_decay", "time_mix_decay.weight" },
	{ "att.time_decay_w1", "time_mix_decay_w1.weight" },
	{ "att.time_decay_w2", "time_mix_decay_w2.weight" },
	{ "att.time_faaaa", "time_mix_first.weight" },
	{ "att.receptance.weight", "time_mix_receptance.weight" },
	{ "att.key.weight", "time_mix_key.weight" },
	{ "att.value.weight", "time_mix_value.weight" },
	{ "att.gate.weight", "time_mix_gate.weight" },
	{ "att.output.weight", "time_mix_output.weight" },
	{ "att.ln_x.weight", "time_mix_ln.weight" },
	{ "att.ln_x.bias", "time_mix_ln.bias" },
	{ "ffn.time_maa_k", "channel_mix_lerp_k.weight" },
	{ "ffn.time_maa_r", "channel_mix_lerp_r.weight" },
	{ "ffn.key.weight", "channel_mix_key.weight" },
	{ "ffn.value.weight", "channel_mix_value.weight" },
	{ "ffn.receptance.weight", "channel_mix_receptance.weight" },
};

/* NULL: a tensor this form has no place for, or one that is fused. */
static inline const char *gguf_name(char out[96], const struct gguf_writer *w, const char *ours, unsigned *block)
{
	static const char *const ends[][2] = {
		{ "emb.weight", "token_embd.weight" },
		{ "head.weight", "output.weight" },
		{ "ln_out.weight", "output_norm.weight" },
		{ "ln_out.bias", "output_norm.bias" },
		{ "blocks.0.ln0.weight", "token_embd_norm.weight" },
		{ "blocks.0.ln0.bias", "token_embd_norm.bias" },
	};
	char *rest;

	*block = 0;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (!strcmp(ours, ends[i][0]))
			return ends[i][1];
	assert_int_equal(strncmp(ours, "blocks.", 7), 0);
	*block = (unsigned)strtoul(ours + 7, &rest, 10);
	if (w->how.fused && !strncmp(rest, ".att.time_maa_", 14) && strchr("wkvrg", rest[14]) && !rest[15])
		return NULL;
	for (size_t i = 0; i < sizeof gguf_v6_names / sizeof *gguf_v6_names; i++)
		if (!strcmp(rest + 1, gguf_v6_names[i].ours)) {
			snprintf(out, 96, "blk.%u.%s", *block, gguf_v6_names[i].theirs);
			return out;
		}
	return NULL;
}

static inline bool gguf_is_swapped(const char *ours)
{
	const char *end = strrchr(ours, '_');

	return strstr(ours, ".time_") && end && (!strcmp(end, "_w1") || !strcmp(end, "_w2"));
}

static inline void gguf_put(struct gguf_writer *w, const struct tensor *t)
{
	uint64_t shape[8] = { 0 };
	unsigned block;
	char room[96];
	const char *name = gguf_name(room, w, t->name, &block);
	bool matrix = t->n_dims == 2 && strstr(t->name, ".weight"); /* factors and first are no .weight */
	bool halved = strstr(t->name, "att.output.weight") || strstr(t->name, "ffn.value.weight");
	float *x;
	int d = 0;

	if (!name)
		return;
	for (int i = 0; i < t->n_dims; i++) /* the converter squeezes */
		if (t->shape[i] != 1 || t->n_dims == 2)
			shape[d++] = t->shape[i];
	x = gguf_is_swapped(t->name) ? gguf_swapped(t, shape) : gguf_values(t);
	for (size_t i = 0; halved && w->how.rescale && i < t->count; i++)
		x[i] = ldexpf(x[i], -(int)(block / w->how.rescale));
	for (size_t i = 0; matrix && w->how.through_q8 && i < t->count; i += 32)
		gguf_q8_block(NULL, x + i, x + i);
	gguf_tensor(w, name, shape, x, (size_t)t->count, matrix ? w->how.type : GGUF_F32);
	free(x);
}

static inline void gguf_put_fused(struct gguf_writer *w, unsigned block)
{
	float *all = NULL;
	uint64_t width = 0;
	char name[96];

	for (unsigned i = 0; i < 5; i++) {
		const struct tensor *t;

		snprintf(name, sizeof name, "blocks.%u.att.time_maa_%c", block, "wkvrg"[i]);
		t = tensor_find(w->in, name);
		assert_non_null(t);
		width = t->count;
		all = realloc(all, (i + 1) * width * sizeof *all);
		for (uint64_t c = 0; c < width; c++)
			all[i * width + c] = tensor_element(t, c);
	}
	snprintf(name, sizeof name, "blk.%u.time_mix_lerp_fused.weight", block);
	gguf_tensor(w, name, (uint64_t[]){ 5, 1, 1, width, 0 }, all, (size_t)(5 * width), GGUF_F32);
	free(all);
}

static inline void write_gguf_v6(struct buf *out, const struct tensor_file *in, const struct gguf_how *how)
{
	const struct tensor *first = tensor_find(in, "blocks.0.att.time_faaaa");
	struct gguf_writer w = { .in = in, .how = *how };
	char name[64];

	for (size_t i = 0; i < in->n_tensors; i++)
		gguf_put(&w, &in->tensors[i]);
	for (unsigned block = 0; how->fused; block++) {
		snprintf(name, sizeof name, "blocks.%u.att.time_maa_w", block);
		if (!tensor_find(in, name))
			break;
		gguf_put_fused(&w, block);
	}
	buf_str(out, "GGUF");
	write_le(out, 3, 4);
	write_le(out, w.n, 8);
	write_le(out, 3, 8);
	gguf_text(out, "general.architecture");
	write_le(out, 8, 4);
	gguf_text(out, "rwkv6");
	gguf_u32(out, "rwkv6.wkv.head_size", (uint32_t)first->shape[first->n_dims - 1]);
	gguf_u32(out, "rwkv6.rescale_every_n_layers", how->rescale);
	buf_add(out, w.rows.p, w.rows.used);
	while (out->used % 32)
		buf_char(out, 0);
	buf_add(out, w.data.p, w.data.used);
	assert_false(out->failed || w.rows.failed || w.data.failed);
	buf_free(&w.rows);
	buf_free(&w.data);
}

#endif
