/* gguf.c - reads the container of llama.cpp, for RWKV-6 and 7. Source: the GGUF specification in ggml's docs. "GGUF",
 *     u32 version, u64 tensors, u64 pairs
 *     pairs: string key, u32 type, value
 *     tensors: string name, u32 dimensions, u64 each, fastest first; u32 type, u64 offset
 *     data, aligned (general.alignment, 32 by default); offsets count from its start
 * Strings are u64 length and bytes. Names and layouts are those its converter makes of official tensors
 * (convert_hf_to_gguf.py, Rwkv6Model and Rwkv7Model); they are translated back:
 *     first low-rank factors are transposed, RWKV-6's time_maa_w2 (5, rank, C) in its last two dimensions
 *     mixes are one tensor: (6, 1, 1, C) r w k v a g in RWKV-7, (5, 1, 1, C) w k v r g in RWKV-6, whose
 *     time_maa_x stands alone; older files keep RWKV-6's apart
 *     RWKV-6: att.output and ffn.value of block i are divided by 2^(i / rescale_every_n_layers), and llama.cpp
 *     halves the residual stream as often. That is undone here, which is exact and makes the model the
 *     trained one again: halving is not, since the layer norms' eps stays. */
#include "runtime/ggml.h"

#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 1 << 16, TENSORS_MAX = 1 << 16, ARRAY_DEPTH_MAX = 4, HALVINGS_MAX = 64 };

enum { VALUE_U32 = 4, VALUE_BOOL = 7, VALUE_STRING = 8, VALUE_ARRAY = 9, VALUE_TYPES = 13 };

struct reader {
	struct tensor_file *f;
	struct slice in; /* what is not read yet */
	struct slice all;
	struct slice arch;
	uint64_t alignment, head_size, rescale_every;
	const struct version *version;
	struct err *err;
};

static int cut_off(struct reader *r)
{
	err_set(r->err, ERR_TRUNCATED, "%s: ends in the middle of its header", r->f->label);
	return err_hint(r->err, "The file is incomplete: download it again.");
}

static bool read_number(struct reader *r, int bytes, uint64_t *out)
{
	const char *p = slice_take(&r->in, (uint64_t)bytes);

	if (p)
		*out = read_le(p, bytes);
	return p;
}

static bool read_string(struct reader *r, struct slice *out)
{
	uint64_t n;

	if (!read_number(r, 8, &n))
		return false;
	out->p = slice_take(&r->in, n);
	out->n = (size_t)n;
	return out->p;
}

/* False at the end of the file or at a type that does not exist. */
static bool skip_value(struct reader *r, uint64_t type, int depth)
{
	static const uint8_t sizes[VALUE_TYPES] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
	struct slice text;
	uint64_t of, n;

	if (type == VALUE_STRING)
		return read_string(r, &text);
	if (type != VALUE_ARRAY)
		return type < VALUE_TYPES && slice_take(&r->in, sizes[type]);
	if (depth == ARRAY_DEPTH_MAX || !read_number(r, 4, &of) || !read_number(r, 8, &n))
		return false;
	for (uint64_t i = 0; i < n;
	     i++) /* every element takes at least one byte, so that the loop ends at the end of the file */
		if (!skip_value(r, of, depth + 1))
			return false;
	return true;
}

static bool ends_in(struct slice key, const char *end)
{
	size_t n = strlen(end);

	return key.n > n && !memcmp(key.p + key.n - n, end, n);
}

/* Of a pair only architecture, alignment, head size and rescaling matter here. */
static bool read_pair(struct reader *r)
{
	struct slice key;
	uint64_t type;

	if (!read_string(r, &key) || !read_number(r, 4, &type))
		return false;
	if (slice_is(key, "general.architecture") && type == VALUE_STRING)
		return read_string(r, &r->arch);
	if (slice_is(key, "general.alignment") && type == VALUE_U32)
		return read_number(r, 4, &r->alignment);
	if (type == VALUE_U32 && ends_in(key, ".wkv.head_size"))
		return read_number(r, 4, &r->head_size);
	if (type == VALUE_U32 && ends_in(key, ".rescale_every_n_layers"))
		return read_number(r, 4, &r->rescale_every);
	return skip_value(r, type, 0);
}

/* -- names ----------------------------------------------------------------------------------- */

enum action { AS_IT_IS, SWAP, LERPS, PER_HEAD, RESCALED };

struct translation {
	const char *theirs, *ours;
	enum action action;
};

static const struct translation ends[] = {
	{ "token_embd.weight", "emb.weight", AS_IT_IS },
	{ "token_embd_norm.weight", "blocks.0.ln0.weight", AS_IT_IS },
	{ "token_embd_norm.bias", "blocks.0.ln0.bias", AS_IT_IS },
	{ "output_norm.weight", "ln_out.weight", AS_IT_IS },
	{ "output_norm.bias", "ln_out.bias", AS_IT_IS },
	{ "output.weight", "head.weight", AS_IT_IS },
};

/* Behind "blk.N." and "blocks.N.": what both versions have. */
static const struct translation of_block[] = {
	{ "attn_norm.weight", "ln1.weight", AS_IT_IS },
	{ "attn_norm.bias", "ln1.bias", AS_IT_IS },
	{ "attn_norm_2.weight", "ln2.weight", AS_IT_IS },
	{ "attn_norm_2.bias", "ln2.bias", AS_IT_IS },
	{ "time_mix_key.weight", "att.key.weight", AS_IT_IS },
	{ "time_mix_value.weight", "att.value.weight", AS_IT_IS },
	{ "time_mix_receptance.weight", "att.receptance.weight", AS_IT_IS },
	{ "time_mix_ln.weight", "att.ln_x.weight", AS_IT_IS },
	{ "time_mix_ln.bias", "att.ln_x.bias", AS_IT_IS },
	{ "channel_mix_key.weight", "ffn.key.weight", AS_IT_IS },
};

static const struct translation of_block_v7[] = {
	{ "time_mix_w0.weight", "att.w0", AS_IT_IS },
	{ "time_mix_w1.weight", "att.w1", SWAP },
	{ "time_mix_w2.weight", "att.w2", SWAP },
	{ "time_mix_a0.weight", "att.a0", AS_IT_IS },
	{ "time_mix_a1.weight", "att.a1", SWAP },
	{ "time_mix_a2.weight", "att.a2", SWAP },
	{ "time_mix_v0.weight", "att.v0", AS_IT_IS },
	{ "time_mix_v1.weight", "att.v1", SWAP },
	{ "time_mix_v2.weight", "att.v2", SWAP },
	{ "time_mix_g1.weight", "att.g1", SWAP },
	{ "time_mix_g2.weight", "att.g2", SWAP },
	{ "time_mix_lerp_fused.weight", "att.x_", LERPS },
	{ "time_mix_k_k.weight", "att.k_k", AS_IT_IS },
	{ "time_mix_k_a.weight", "att.k_a", AS_IT_IS },
	{ "time_mix_r_k.weight", "att.r_k", PER_HEAD },
	{ "time_mix_output.weight", "att.output.weight", AS_IT_IS },
	{ "channel_mix_lerp_k.weight", "ffn.x_k", AS_IT_IS },
	{ "channel_mix_value.weight", "ffn.value.weight", AS_IT_IS },
};

static const struct translation of_block_v6[] = {
	{ "time_mix_lerp_x.weight", "att.time_maa_x", AS_IT_IS },
	{ "time_mix_lerp_w.weight", "att.time_maa_w", AS_IT_IS },
	{ "time_mix_lerp_k.weight", "att.time_maa_k", AS_IT_IS },
	{ "time_mix_lerp_v.weight", "att.time_maa_v", AS_IT_IS },
	{ "time_mix_lerp_r.weight", "att.time_maa_r", AS_IT_IS },
	{ "time_mix_lerp_g.weight", "att.time_maa_g", AS_IT_IS },
	{ "time_mix_lerp_fused.weight", "att.time_maa_", LERPS },
	{ "time_mix_w1.weight", "att.time_maa_w1", SWAP },
	{ "time_mix_w2.weight", "att.time_maa_w2", SWAP },
	{ "time_mix_decay.weight", "att.time_decay", AS_IT_IS },
	{ "time_mix_decay_w1.weight", "att.time_decay_w1", SWAP },
	{ "time_mix_decay_w2.weight", "att.time_decay_w2", SWAP },
	{ "time_mix_first.weight", "att.time_faaaa", PER_HEAD },
	{ "time_mix_gate.weight", "att.gate.weight", AS_IT_IS },
	{ "time_mix_output.weight", "att.output.weight", RESCALED },
	{ "channel_mix_lerp_k.weight", "ffn.time_maa_k", AS_IT_IS },
	{ "channel_mix_lerp_r.weight", "ffn.time_maa_r", AS_IT_IS },
	{ "channel_mix_receptance.weight", "ffn.receptance.weight", AS_IT_IS },
	{ "channel_mix_value.weight", "ffn.value.weight", RESCALED },
};

static const struct version {
	const char *arch;
	const struct translation *of_block;
	size_t n;
	const char *lerps; /* in the order they are fused in */
} versions[] = {
	{ "rwkv6", of_block_v6, sizeof of_block_v6 / sizeof *of_block_v6, "wkvrg" },
	{ "rwkv7", of_block_v7, sizeof of_block_v7 / sizeof *of_block_v7, "rwkvag" },
};

static const struct translation *look_up(const struct translation *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(table[i].theirs, name))
			return &table[i];
	return NULL;
}

/* The official name; NULL for a tensor that this version does not have, which is skipped. */
static const struct translation *translate(const struct version *v, const char *theirs, char ours[64], long *block)
{
	const struct translation *t = look_up(ends, sizeof ends / sizeof *ends, theirs);
	char *end;

	*block = 0;
	if (t) {
		snprintf(ours, 64, "%s", t->ours);
		return t;
	}
	if (strncmp(theirs, "blk.", 4) || theirs[4] < '0' || theirs[4] > '9')
		return NULL;
	*block = strtol(theirs + 4, &end, 10);
	t = *end == '.' ? look_up(v->of_block, v->n, end + 1) : NULL;
	if (!t && *end == '.')
		t = look_up(of_block, sizeof of_block / sizeof *of_block, end + 1);
	if (t)
		snprintf(ours, 64, "blocks.%ld.%s", *block, t->ours);
	return t;
}

/* -- tensors ----------------------------------------------------------------------------------- */

struct row {
	struct tensor t; /* without a name */
	char name[64];   /* theirs */
	uint32_t type;
	uint64_t offset;
};

static int read_row(struct reader *r, struct row *out)
{
	struct slice name;
	uint64_t n_dims, v;

	*out = (struct row){ .t = { .count = 1 } };
	if (!read_string(r, &name) || !read_number(r, 4, &n_dims))
		return cut_off(r);
	if (!n_dims || n_dims > 4)
		return err_set(r->err, ERR_FORMAT, "%s: a tensor of %llu dimensions; expected 1 to 4", r->f->label,
			       (unsigned long long)n_dims);
	snprintf(out->name, sizeof out->name, "%.*s", name.n < sizeof out->name ? (int)name.n : 0, name.p);
	out->t.n_dims = (int)n_dims;
	for (int d = out->t.n_dims; d-- > 0;) {
		if (!read_number(r, 8, &v))
			return cut_off(r);
		if (!v || v > INT32_MAX || out->t.count > ((uint64_t)1 << 48) / v)
			return err_set(r->err, ERR_SHAPE, "%s: a tensor has an impossible shape", r->f->label);
		out->t.shape[d] = v;
		out->t.count *= v;
	}
	tensor_set_strides(&out->t);
	if (!read_number(r, 4, &v) || !read_number(r, 8, &out->offset))
		return cut_off(r);
	out->type = (uint32_t)v;
	return 0;
}

static int undo_rescaling(struct reader *r, const struct row *row, long block, bool unpacked, struct slice *storage)
{
	uint64_t halvings = (uint64_t)block / r->rescale_every;

	if (!halvings)
		return 0;
	if (halvings > HALVINGS_MAX)
		return err_set(r->err, ERR_UNSUPPORTED, "%s: tensor %s was halved %llu times; expected at most %d",
			       r->f->label, row->name, (unsigned long long)halvings, HALVINGS_MAX);
	return ggml_scale(r->f, row->name, row->t.dtype, unpacked, (int)halvings, storage, r->err);
}

static int add_row(struct reader *r, struct row *row, struct slice data)
{
	uint64_t bytes = ggml_bytes(row->type, row->t.count);
	const struct translation *how;
	struct slice storage;
	char name[64];
	long block;
	int rc;

	how = translate(r->version, row->name, name, &block);
	if (!how || (how->action != LERPS && !tensor_file_wants(r->f, name)))
		return 0;
	if (!bytes || (bytes < row->t.count * 2 && row->t.shape[row->t.n_dims - 1] % 32)) {
		err_set(r->err, ERR_UNSUPPORTED,
			"%s: tensor %s is %s; expected F32, F16, BF16, Q4_0, Q4_1, "
			"Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K",
			r->f->label, row->name, ggml_type_name(row->type));
		return err_hint(r->err, "Convert the model to F16 or Q8_0 with llama.cpp's llama-quantize.");
	}
	if (row->offset > data.n || bytes > data.n - row->offset) {
		err_set(r->err, ERR_TRUNCATED, "%s: tensor %s reaches beyond the end of the file", r->f->label,
			row->name);
		return err_hint(r->err, "The file is incomplete: download it again.");
	}
	rc = ggml_unpack(r->f, name, row->type, row->t.count, data.p + row->offset, &storage, &row->t.dtype, r->err);
	if (rc)
		return rc;
	row->t.name = name;
	if (how->action == LERPS)
		return row->t.shape[0] == strlen(r->version->lerps)
			       ? ggml_add_lerps(r->f, block, how->ours, r->version->lerps, &row->t, storage, r->err)
			       : err_set(r->err, ERR_SHAPE, "%s: tensor %s does not hold %zu vectors", r->f->label,
					 row->name, strlen(r->version->lerps));
	if (how->action == RESCALED && r->rescale_every)
		rc = undo_rescaling(r, row, block, storage.p != data.p + row->offset, &storage);
	if (rc)
		return rc;
	if (how->action == SWAP && row->t.n_dims >= 2)
		ggml_swap_last(&row->t);
	if (how->action == PER_HEAD && r->head_size && row->t.count % r->head_size == 0) {
		row->t.n_dims = 2;
		row->t.shape[0] = row->t.count / r->head_size;
		row->t.shape[1] = r->head_size;
		tensor_set_strides(&row->t);
	}
	return tensor_file_add(r->f, &row->t, storage, 0, r->err);
}

/* The header's rows, then the data behind its padding. */
static int read_tensors(struct reader *r, uint64_t n)
{
	struct row *rows = calloc((size_t)n + 1, sizeof *rows);
	struct slice data;
	size_t at;
	int rc = rows ? 0 : err_set(r->err, ERR_NOMEM, "%s: no memory for its header", r->f->label);

	for (uint64_t i = 0; i < n && !rc; i++)
		rc = read_row(r, &rows[i]);
	at = r->all.n - r->in.n;
	at += (size_t)((r->alignment - at % r->alignment) % r->alignment);
	data = at < r->all.n ? (struct slice){ r->all.p + at, r->all.n - at } : (struct slice){ r->all.p, 0 };
	for (uint64_t i = 0; i < n && !rc; i++)
		rc = add_row(r, &rows[i], data);
	free(rows);
	return rc;
}

static int check_header(struct reader *r)
{
	char text[PRINTABLE_BYTES];

	if (!r->alignment || r->alignment > 1 << 20)
		return err_set(r->err, ERR_FORMAT,
			       "%s: an alignment of %llu bytes; expected a small power of "
			       "two",
			       r->f->label, (unsigned long long)r->alignment);
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
		if (slice_is(r->arch, versions[i].arch))
			r->version = &versions[i];
	if (r->version)
		return 0;
	err_set(r->err, ERR_UNSUPPORTED, "%s: a GGUF file of architecture \"%s\"; expected \"rwkv6\" or \"rwkv7\"",
		r->f->label, printable(text, r->arch));
	return err_hint(
		r->err,
		"Give the original .pth or .safetensors file: of llama.cpp's files only those two versions are read.");
}

int gguf_read(struct tensor_file *f, struct slice bytes, struct err *err)
{
	struct reader r = { .f = f, .in = bytes, .all = bytes, .alignment = 32, .err = err };
	uint64_t version, tensors, pairs;
	int rc;

	if (!slice_take(&r.in, 4) || !read_number(&r, 4, &version) || !read_number(&r, 8, &tensors) ||
	    !read_number(&r, 8, &pairs))
		return cut_off(&r);
	if (version && !(version & 0xffff)) { /* a small number in big-endian order */
		err_set(err, ERR_UNSUPPORTED, "%s: is a big-endian GGUF file", f->label);
		return err_hint(err,
				"Convert the model again for little-endian machines (convert_hf_to_gguf.py without "
				"--bigendian).");
	}
	if (version < 2 || version > 3) {
		err_set(err, ERR_UNSUPPORTED, "%s: GGUF version %llu; expected 2 or 3", f->label,
			(unsigned long long)version);
		return err_hint(err, "Convert the model again with a current llama.cpp.");
	}
	if (pairs > PAIRS_MAX || tensors > TENSORS_MAX)
		return err_set(err, ERR_FORMAT,
			       "%s: claims %llu tensors and %llu header entries; expected at "
			       "most %d",
			       f->label, (unsigned long long)tensors, (unsigned long long)pairs, TENSORS_MAX);
	for (uint64_t i = 0; i < pairs; i++)
		if (!read_pair(&r))
			return cut_off(&r);
	rc = check_header(&r);
	if (!rc)
		rc = read_tensors(&r, tensors);
	if (!rc && !f->n_tensors)
		rc = err_set(err, ERR_FORMAT, "%s: holds no tensors of an RWKV model", f->label);
	return rc;
}
