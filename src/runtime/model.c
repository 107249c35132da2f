/* model.c - makes a model from a list of named tensors: finds its version, the tensors it needs, and checks that their
 * shapes fit each other. */
#include "runtime/model.h"

#include "base/clock.h"
#include "runtime/attention.h"
#include "runtime/int8.h"
#include "runtime/weights.h"

#include <stdlib.h>
#include <string.h>

#define LN_X_EPS 64e-5F

enum { LAYERS_MAX = 1024, NAME_BYTES = 96 };

extern const unsigned char embedded_model[], embedded_model_end[];

struct loader {
	struct model *m;
	const struct tensor_file *file;
	struct err *err;
	uint64_t copy_limit;               /* bytes; limits how much memory a small file can request */
	uint64_t weights_of[WEIGHT_TYPES]; /* how many are kept in each type */
	bool skip_zeros;
};

/* -- which version --------------------------------------------------------------------- */

static bool has(const struct tensor_file *f, const char *name)
{
	return tensor_find(f, name);
}

static bool any_name_contains(const struct tensor_file *f, const char *part)
{
	for (size_t i = 0; i < f->n_tensors; i++)
		if (strstr(f->tensors[i].name, part))
			return true;
	return false;
}

/* 5.0 has no gate, 5.1 one decay per head, 5.2 one per channel. */
static const struct arch *which_v5(const struct tensor_file *f)
{
	const struct tensor *decay = tensor_find(f, "blocks.0.att.time_decay");

	if (!has(f, "blocks.0.att.gate.weight"))
		return &arch_v5_0;
	return decay && decay->n_dims == 2 && decay->shape[1] > 1 ? &arch_v5_2 : &arch_v5_1;
}

/* 7a has a gate by token, 7b attention beside it. */
static const struct arch *which_v7(const struct tensor_file *f)
{
	if (any_name_contains(f, ".qkv."))
		return &arch_v7b;
	return any_name_contains(f, ".ffn.s_emb") ? &arch_v7a : &arch_v7;
}

/* Checkpoints of other programs, by a piece of their tensors' names. */
static const struct {
	const char *name, *is;
} foreign[] = {
	{ ".lora_A", "holds LoRA factors only: merge them into their base model first" },
	{ ".lora_B", "holds LoRA factors only: merge them into their base model first" },
	{ "module.blocks.",
	  "has names that begin with module.: it was saved inside a training wrapper; save its .module" },
	{ "_orig_mod.", "has names with _orig_mod.: it was saved from a compiled model; save the model itself" },
	{ "_forward_module.", "has names with _forward_module.: it was saved inside a training wrapper" },
	{ "rwkv.blocks.0.attention.time_maa_", "is RWKV-6 in the form of transformers" },
	{ "rwkv.blocks.0.attention.gate.", "is RWKV-5 in the form of transformers" },
	{ "rwkv.blocks.", "is RWKV-4 in the form of transformers" },
	{ "model.layers.0.attn.x_proj.", "is RWKV-6 in the form of flash-linear-attention (Hugging Face)" },
	{ "model.layers.0.attn.r_proj", "is RWKV-7 in the form of flash-linear-attention (Hugging Face)" },
	{ "model.layers.0.self_attn.", "is no RWKV model but a transformer (Llama and its like)" },
	{ "model.layers.", "is a model in the form of Hugging Face" },
};

/* Release candidates of RWKV-8: the channel mix is multiplied by a table (rc00), time mixing is ROSA (2025 and later).
 */
static bool is_eight(const struct tensor_file *f)
{
	return any_name_contains(f, ".ffn.enn.") || any_name_contains(f, ".qkv.ennk.") || any_name_contains(f, ".rosa");
}

static const char *what_else(const struct tensor_file *f)
{
	if (is_eight(f))
		return "is a release candidate of RWKV-8, whose formulas are not settled";
	if (has(f, "blocks.0.att.time_curve") || has(f, "blocks.0.att.time_w") || has(f, "blocks.0.att.time_mix"))
		return "is RWKV version 1, 2 or 3";
	if (any_name_contains(f, ".att.time_state"))
		return "holds a trained initial state and no model";
	if (strstr(f->label, "-of-") && strstr(f->label, ".gguf"))
		return "is one part of a GGUF file in several: join them with `llama-gguf-split --merge`";
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (any_name_contains(f, foreign[i].name))
			return foreign[i].is;
	if (any_name_contains(f, "blocks."))
		return "has blocks of an unknown kind";
	return "is no RWKV model: none of its tensors is named blocks.0.…";
}

/* By the tensors of block 0; the order matters, later versions keep names of earlier ones. */
static int detect(struct loader *l)
{
	const struct tensor_file *f = l->file;
	const struct arch *arch = NULL;

	if (is_eight(f))
		arch = NULL;
	else if (has(f, "blocks.0.att.r_k"))
		arch = which_v7(f);
	else if (has(f, "blocks.0.att.time_maa_x"))
		arch = &arch_v6;
	else if (has(f, "blocks.0.att.ln_x.weight"))
		arch = which_v5(f);
	else if (has(f, "blocks.0.att.time_mix_k") && has(f, "blocks.0.att.time_first"))
		arch = &arch_v4;
	l->m->arch = arch;
	if (arch)
		return 0;
	err_set(l->err, ERR_UNSUPPORTED, "%s: %s; expected RWKV version 4, 5, 6 or 7", f->label,
		err_words(what_else(f)));
	return err_hint(l->err, "Give a checkpoint in its official form (emb.weight, blocks.0.ln1.weight, …), "
				"as published by BlinkDL: for a file of another form, the .pth it was converted from.");
}

/* -- one tensor ------------------------------------------------------------------------ */

static const struct tensor *find(struct loader *l, const char *name)
{
	const struct tensor *t = tensor_find(l->file, name);

	if (t)
		return t;
	err_set(l->err, ERR_SHAPE, "%s: tensor %s is missing; expected in every RWKV-%s model", l->file->label, name,
		l->m->arch->version);
	err_hint(l->err, "The file is incomplete or was changed: download it again.");
	return NULL;
}

/* "[C = 768, w]" */
static void expected_text(char *out, size_t bytes, const struct loader *l, const char *shape)
{
	size_t used = 1;

	snprintf(out, bytes, "[");
	for (const char *d = shape; *d && used < bytes; d++) {
		size_t known = l->m->dims.of[(unsigned char)*d];
		int n = known ? snprintf(out + used, bytes - used, "%s%c = %zu", d == shape ? "" : ", ", *d, known)
			      : snprintf(out + used, bytes - used, "%s%c", d == shape ? "" : ", ", *d);

		used += n > 0 ? (size_t)n : bytes;
	}
	if (used < bytes)
		snprintf(out + used, bytes - used, "]");
}

static int wrong_shape(struct loader *l, const struct tensor *t, const char *shape)
{
	char found[SHAPE_TEXT_BYTES], expected[128];

	expected_text(expected, sizeof expected, l, shape);
	err_set(l->err, ERR_SHAPE, "%s: tensor %s has shape %s; expected %s", l->file->label, t->name,
		tensor_shape_text(found, t), expected);
	return err_hint(l->err, "The tensors of this file do not belong together: download it again.");
}

/* Letters met for the first time take their size from the tensor; afterwards they must agree.
 * Shapes are compared from the right; what is left over on the left must be 1. */
static int check_shape(struct loader *l, const struct tensor *t, const char *shape, bool may_be_int8)
{
	int n = (int)strlen(shape), extra = t->n_dims - n;

	for (int d = 0; d < extra; d++)
		if (t->shape[d] != 1)
			return wrong_shape(l, t, shape);
	if (extra < 0 || !t->count)
		return wrong_shape(l, t, shape);
	for (int d = 0; d < n; d++) {
		size_t *known = &l->m->dims.of[(unsigned char)shape[d]];

		if (!*known)
			*known = (size_t)t->shape[d + extra];
		if (*known != t->shape[d + extra])
			return wrong_shape(l, t, shape);
	}
	if (t->count > t->storage_count)
		return err_set(l->err, ERR_SHAPE, "%s: tensor %s repeats its elements; expected each to be stored",
			       l->file->label, t->name);
	if (t->dtype > DTYPE_F64 && !(may_be_int8 && t->dtype == DTYPE_U8))
		return err_set(l->err, ERR_UNSUPPORTED, "%s: tensor %s holds %s; expected fp32, fp16 or bf16",
			       l->file->label, t->name, dtype_specs[t->dtype].name);
	l->m->info.parameters += t->count;
	return 0;
}

static void *copy_memory(struct loader *l, uint64_t count, size_t bytes_each)
{
	struct model_info *info = &l->m->info;
	void *p = NULL;

	if (count <= (l->copy_limit - info->copied_bytes) / bytes_each)
		p = arena_alloc(&l->m->arena, (size_t)count, bytes_each);
	if (!p) {
		err_set(l->err, ERR_NOMEM, "%s: no memory for %llu weights of %zu bytes", l->file->label,
			(unsigned long long)count, bytes_each);
		return NULL;
	}
	info->copied_bytes += count * bytes_each;
	info->weight_bytes += count * bytes_each;
	return p;
}

static int load_vector(struct loader *l, const struct tensor *t, const float **out)
{
	float *copy = copy_memory(l, t->count, sizeof *copy);

	if (!copy)
		return -ERR_NOMEM;
	for (uint64_t i = 0; i < t->count; i++)
		copy[i] = tensor_element(t, i);
	*out = copy;
	return 0;
}

static enum weight_type kept_type(enum dtype d)
{
	return d == DTYPE_F16 ? WEIGHT_F16 : d == DTYPE_BF16 ? WEIGHT_BF16 : WEIGHT_F32;
}

static void gather(unsigned char *to, const struct tensor *t, size_t width)
{
	for (uint64_t i = 0; i < t->count; i++)
		if (width == 2) {
			memcpy(to + 2 * i, t->data + 2 * tensor_offset(t, i), 2);
		} else {
			float f = tensor_element(t, i);

			memcpy(to + 4 * i, &f, 4);
		}
}

/* Copies into dense rows of the file's own 16-bit type, or of fp32. */
static int copy_matrix(struct loader *l, const struct tensor *t, struct matrix *out)
{
	size_t width = out->type == WEIGHT_F32 ? 4 : 2;
	unsigned char *copy = copy_memory(l, t->count, width);

	if (!copy)
		return -ERR_NOMEM;
	if (t->dtype != DTYPE_F64 && tensor_is_contiguous(t))
		memcpy(copy, t->data, (size_t)t->count * width);
	else
		gather(copy, t, width);
	out->p = copy;
	out->by_columns = false;
	out->stride = out->cols;
	return 0;
}

/* A view where one of the two dimensions is dense and the pointer is aligned; otherwise a copy.
 * Further dimensions on the left count as rows. */
static int load_matrix(struct loader *l, const struct tensor *t, struct matrix *out)
{
	size_t width = dtype_specs[t->dtype].bytes;
	uint64_t cols = t->shape[t->n_dims - 1], rows = t->count / cols;
	uint64_t row_step = t->stride[t->n_dims - 2], col_step = t->stride[t->n_dims - 1];
	bool flat = rows == t->shape[t->n_dims - 2] || tensor_is_contiguous(t);
	bool dense = cols == 1 || col_step == 1 || rows == 1 || row_step == 1;

	*out = (struct matrix){ .p = t->data, .type = kept_type(t->dtype), .rows = (size_t)rows, .cols = (size_t)cols };
	if (t->dtype == DTYPE_F64 || (uintptr_t)t->data % width || !flat || !dense)
		return copy_matrix(l, t, out);
	out->by_columns = cols != 1 && col_step != 1;
	out->stride = (size_t)(out->by_columns ? col_step : row_step);
	l->m->info.weight_bytes += t->count * width;
	return 0;
}

/* Quantised by `convert --to int8`: a view, scales included. */
static int load_int8(struct loader *l, const struct tensor *t, struct matrix *out)
{
	const struct tensor *scales[INT8_SCALES];
	size_t rows = (size_t)t->shape[t->n_dims - 2], cols = (size_t)t->shape[t->n_dims - 1];
	const float **to[INT8_SCALES] = { &out->row_scale, &out->row_low, &out->col_scale, &out->col_low };
	int rc = int8_find_scales(scales, l->file, t, l->err);

	*out = (struct matrix){ .p = t->data, .type = WEIGHT_U8, .rows = rows, .cols = cols, .stride = cols };
	for (int i = 0; i < INT8_SCALES && !rc; i++) {
		if ((uintptr_t)scales[i]->data % sizeof(float)) {
			rc = load_vector(l, scales[i], to[i]);
			continue;
		}
		*to[i] = (const float *)(const void *)scales[i]->data;
		l->m->info.weight_bytes += scales[i]->count * sizeof(float);
	}
	l->m->info.weight_bytes += t->count;
	return rc;
}

static void transpose(struct matrix *m)
{
	size_t rows = m->rows;

	m->rows = m->cols;
	m->cols = rows;
	m->by_columns = !m->by_columns;
}

static int load(struct loader *l, const char *name, enum weight_kind kind, const char *shape, void *out)
{
	const struct tensor *t = find(l, name);
	bool may_be_int8 = kind == KIND_MATRIX;
	int rc;

	if (!t)
		return -ERR_SHAPE;
	rc = check_shape(l, t, shape, may_be_int8);
	if (rc)
		return rc;
	if (kind == KIND_VECTOR)
		return load_vector(l, t, out);
	if (t->dtype == DTYPE_U8)
		return load_int8(l, t, out);
	rc = load_matrix(l, t, out);
	if (!rc && kind == KIND_LOWRANK)
		transpose(out);
	return rc;
}

/* -- the type the strategy asks for ------------------------------------------------------- */

static int convert(struct loader *l, struct matrix *m, enum weight_type type)
{
	void *copy = copy_memory(l, m->rows * m->cols, 2);
	float *row = malloc(m->cols * sizeof *row);

	if (!copy || !row) {
		free(row);
		return err_set(l->err, ERR_NOMEM, "%s: no memory for converted weights", l->file->label);
	}
	matrix_convert(m, type, copy, row);
	free(row);
	*m = (struct matrix){ .p = copy, .type = type, .rows = m->rows, .cols = m->cols, .stride = m->cols };
	return 0;
}

static int quantise(struct loader *l, struct matrix *m)
{
	struct quantised q = { .q = copy_memory(l, m->rows * m->cols, 1) };
	float *scales = copy_memory(l, 2 * (m->rows + m->cols), sizeof *scales);

	q.scratch = malloc(m->cols * sizeof *q.scratch);
	if (!q.q || !scales || !q.scratch) {
		free(q.scratch);
		return err_set(l->err, ERR_NOMEM, "%s: no memory for int8 weights", l->file->label);
	}
	q.row_scale = scales;
	q.row_low = q.row_scale + m->rows;
	q.col_scale = q.row_low + m->rows;
	q.col_low = q.col_scale + m->cols;
	matrix_quantise(m, &q);
	free(q.scratch);
	*m = (struct matrix){ .p = q.q,
			      .type = WEIGHT_U8,
			      .rows = m->rows,
			      .cols = m->cols,
			      .stride = m->cols,
			      .row_scale = q.row_scale,
			      .row_low = q.row_low,
			      .col_scale = q.col_scale,
			      .col_low = q.col_low };
	return 0;
}

/* The same weights column by column, so that those of a zero need not be read. In squares, which stay in the cache. */
static int by_columns(struct loader *l, struct matrix *m)
{
	static const size_t bytes_of[WEIGHT_TYPES] = { 4, 2, 2, 1 };
	enum { SQUARE = 64 };
	size_t each = bytes_of[m->type];
	unsigned char *copy = m->by_columns ? NULL : copy_memory(l, m->rows * m->cols, each);

	if (!m->by_columns && !copy)
		return -ERR_NOMEM;
	for (size_t r0 = 0; copy && r0 < m->rows; r0 += SQUARE)
		for (size_t c0 = 0; c0 < m->cols; c0 += SQUARE)
			for (size_t r = r0; r < m->rows && r < r0 + SQUARE; r++)
				for (size_t c = c0; c < m->cols && c < c0 + SQUARE; c++)
					memcpy(copy + (c * m->rows + r) * each,
					       (const unsigned char *)m->p + (r * m->stride + c) * each, each);
	if (copy) {
		l->m->info.weight_bytes -= m->rows * m->cols * each;
		m->p = copy;
		m->by_columns = true;
		m->stride = m->rows;
	}
	m->skip_zeros = true;
	return 0;
}

/* What a file has as int8 can only be used as int8. */
static int keep_int8(struct loader *l, size_t layer, const struct matrix *m)
{
	const struct strategy_layer *want = &l->m->strategy.layers[layer];

	l->weights_of[WEIGHT_U8] += m->rows * m->cols;
	if (want->int8)
		return 0;
	err_set(l->err, ERR_UNSUPPORTED,
		"%s: holds int8 weights; strategy \"%s\" asks for %s in layer %zu; expected "
		"\"cpu fp32i8\"",
		l->file->label, l->m->strategy.text, strategy_dtype_name(want->dtype), layer);
	return err_hint(l->err, "Leave the strategy out, or give the file this one was converted from: what int8 lost "
				"cannot be brought back.");
}

/* Low-rank factors stay what they are under int8, as in the official package. */
static int apply_strategy(struct loader *l, size_t layer, enum weight_kind kind, struct matrix *m)
{
	static const enum weight_type types[] = { WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16 };
	const struct strategy_layer *want = &l->m->strategy.layers[layer];
	enum weight_type type = types[want->dtype];
	size_t count = m->rows * m->cols, before = count * (m->type == WEIGHT_F32 ? 4 : 2);
	const void *given = m->p;
	int rc = 0;

	if (m->type == WEIGHT_U8)
		return keep_int8(l, layer, m);
	if (want->int8 && kind == KIND_MATRIX)
		rc = quantise(l, m);
	else if (type != WEIGHT_F32 && type != m->type)
		rc = convert(l, m, type);
	else
		before = 0;
	if (before && !rc)
		tensor_file_copied(l->m->file, given);
	l->m->info.weight_bytes -= before;
	l->weights_of[m->type] += count;
	return rc;
}

/* -- the whole model ------------------------------------------------------------------- */

static int load_block(struct loader *l, size_t layer)
{
	const struct arch *arch = l->m->arch;
	unsigned char *block = l->m->blocks + layer * arch->block_bytes;
	char name[NAME_BYTES];
	int rc = 0;

	for (int d = 'a'; d <= 'z'; d++) /* ranks are each block's own */
		l->m->dims.of[d] = 0;
	for (int d = '0'; d <= '9'; d++)
		l->m->dims.of[d] = (size_t)(d - '0');
	for (size_t i = 0; i < arch->n_weights && !rc; i++) {
		const struct weight_spec *w = &arch->weights[i];

		snprintf(name, sizeof name, "blocks.%zu.%s", layer, w->tensor);
		if ((!layer && w->when == NOT_FIRST) || (w->when == IF_THERE && !has(l->file, name)))
			continue;
		rc = load(l, name, w->kind, w->shape, block + w->offset);
		if (!rc && w->kind != KIND_VECTOR)
			rc = apply_strategy(l, layer, w->kind, (void *)(block + w->offset));
		if (!rc && l->skip_zeros && !strcmp(w->tensor, "ffn.value.weight"))
			rc = by_columns(l, (void *)(block + w->offset));
	}
	return rc;
}

/* One more than the largest N of "blocks.N.". */
static int count_layers(struct loader *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->file->n_tensors; i++) {
		const char *name = l->file->tensors[i].name;
		char *end;
		unsigned long at;

		if (strncmp(name, "blocks.", 7) || name[7] < '0' || name[7] > '9')
			continue;
		at = strtoul(name + 7, &end, 10);
		if (at >= LAYERS_MAX)
			return err_set(l->err, ERR_UNSUPPORTED, "%s: claims block %lu; expected at most %d blocks",
				       l->file->label, at, LAYERS_MAX);
		if (*end == '.' && at >= n)
			n = at + 1;
	}
	l->m->info.n_layer = n;
	return 0;
}

static int load_ends(struct loader *l)
{
	struct model *m = l->m;
	int rc = load(l, "emb.weight", KIND_TABLE, "VC", &m->emb);

	if (!rc)
		rc = load(l, "blocks.0.ln0.weight", KIND_VECTOR, "C", &m->ln0_w);
	if (!rc)
		rc = load(l, "blocks.0.ln0.bias", KIND_VECTOR, "C", &m->ln0_b);
	if (!rc)
		rc = load(l, "ln_out.weight", KIND_VECTOR, "C", &m->ln_out_w);
	if (!rc)
		rc = load(l, "ln_out.bias", KIND_VECTOR, "C", &m->ln_out_b);
	if (!rc)
		rc = load(l, "head.weight", KIND_MATRIX, "VC", &m->head);
	if (!rc)
		rc = apply_strategy(l, m->info.n_layer, KIND_MATRIX, &m->head);
	return rc;
}

/* Sizes that no tensor states: A is C unless a tensor has it, N is A / H. v4 has no heads. */
static int complete_dims(struct loader *l)
{
	size_t *of = l->m->dims.of;

	if (!of['A'])
		of['A'] = of['C'];
	if (!of['H'])
		return 0;
	if (!of['N'])
		of['N'] = of['A'] / of['H'];
	if (of['A'] % of['H'] || of['A'] / of['H'] != of['N'])
		return err_set(l->err, ERR_SHAPE,
			       "%s: %zu heads of %zu channels; expected them to make up the "
			       "width %zu",
			       l->file->label, of['H'], of['N'], of['A']);
	return 0;
}

static int prepare(struct loader *l)
{
	const struct arch *arch = l->m->arch;
	int rc = 0;

	for (size_t i = 0; arch->prepare && i < l->m->info.n_layer && !rc; i++)
		rc = arch->prepare(l->m, l->m->blocks + i * arch->block_bytes, l->err);
	return rc;
}

static int read_strategy(struct loader *l, const char *text)
{
	struct strategy *s = &l->m->strategy;
	const char *as_it_is = int8_is(l->file) ? "cpu fp32i8" : "cpu fp32";
	int rc = strategy_parse(s, text ? text : as_it_is, l->m->info.n_layer, l->err);

	for (size_t i = 0; !rc && i < s->n; i++)
		if (strcmp(s->layers[i].device, "cpu")) {
			rc = err_set(l->err, ERR_UNSUPPORTED,
				     "strategy \"%s\" computes layer %zu on %s; "
				     "expected cpu",
				     s->text, i, s->layers[i].device);
			err_hint(
				l->err,
				"This runtime runs on the processor: use \"cpu fp32\", \"cpu bf16\" or \"cpu fp32i8\". "
				"On a GPU, let ChatRWKV compute and watch it: python -m rwkvmon SCRIPT "
				"(docs/INTEGRATIONS.md).");
		}
	l->m->info.strategy = s->text;
	return rc;
}

static void fill_info(struct loader *l)
{
	static const char *const names[] = { "fp32", "fp16", "bf16", "int8" };
	struct model *m = l->m;
	struct model_info *info = &m->info;
	const size_t *d = m->dims.of;
	int most = 0;

	info->version = m->arch->version;
	info->n_embd = d['C'];
	info->n_att = d['A'];
	info->n_head = d['H'];
	info->head_size = d['N'];
	info->n_ffn = d['F'];
	info->n_vocab = d['V'];
	for (int i = 1; i < WEIGHT_TYPES; i++)
		if (l->weights_of[i] > l->weights_of[most])
			most = i;
	info->dtype = names[most];
	for (size_t i = 0; i < m->arch->n_state; i++)
		info->state_floats += info->n_layer * dims_count(&m->dims, m->arch->state[i].shape);
	info->context = attention_context_floats(m) ? MODEL_CONTEXT_MAX : 0;
	info->state_floats += attention_context_floats(m);
}

static int load_all(struct loader *l, const char *strategy)
{
	struct model *m = l->m;
	int rc;

	if (l->file->converted) {
		char text[PRINTABLE_BYTES];

		err_set(l->err, ERR_UNSUPPORTED,
			"%s: was converted for the strategy \"%s\"; expected the "
			"original checkpoint",
			l->file->label, printable(text, slice_of(l->file->converted)));
		return err_hint(l->err, "Give the .pth the conversion started from: converted weights are "
					"rescaled and rounded.");
	}
	rc = detect(l);
	if (!rc)
		rc = count_layers(l);
	if (!rc)
		rc = read_strategy(l, strategy);
	if (!rc)
		rc = load_ends(l);
	if (rc)
		return rc;
	m->blocks = arena_alloc(&m->arena, m->info.n_layer, m->arch->block_bytes);
	if (!m->blocks)
		return err_set(l->err, ERR_NOMEM, "%s: no memory for %zu blocks", l->file->label, m->info.n_layer);
	for (size_t i = 0; i < m->info.n_layer && !rc; i++)
		rc = load_block(l, i);
	if (!rc)
		rc = complete_dims(l);
	if (!rc)
		rc = prepare(l);
	if (!rc)
		fill_info(l);
	return rc;
}

/* Takes the file over, also on error. */
static int build(struct model **out, struct tensor_file *file, const struct model_options *options, uint64_t started_ns,
		 struct err *err)
{
	struct model *m = calloc(1, sizeof *m);
	struct loader l = { .m = m, .file = file, .err = err, .copy_limit = 4 * file->bytes + (1 << 20) };
	int rc;

	if (!m) {
		rc = err_set(err, ERR_NOMEM, "%s: no memory", file->label);
		tensor_file_close(file);
		return rc;
	}
	m->file = file;
	m->info.copied_bytes = file->unpacked_bytes;
	l.copy_limit += file->unpacked_bytes;
	l.skip_zeros = options && options->skip_zeros;
	m->ln_x_eps = options && options->ln_x_eps > 0 ? options->ln_x_eps : LN_X_EPS;
	rc = load_all(&l, options ? options->strategy : NULL);
	if (rc) {
		model_close(m);
		return rc;
	}
	m->info.load_ns = clock_mono_ns(&clock_system) - started_ns;
	*out = m;
	return 0;
}

int model_open(struct model **out, const char *path, const struct model_options *options, struct err *err)
{
	uint64_t started_ns = clock_mono_ns(&clock_system);
	struct tensor_file *file;
	int rc = tensor_file_open(&file, path, err);

	*out = NULL;
	return rc ? rc : build(out, file, options, started_ns, err);
}

int model_open_memory(struct model **out, const void *bytes, size_t n, const char *label,
		      const struct model_options *options, struct err *err)
{
	uint64_t started_ns = clock_mono_ns(&clock_system);
	struct tensor_file *file;
	int rc = tensor_file_open_memory(&file, bytes, n, label, err);

	*out = NULL;
	return rc ? rc : build(out, file, options, started_ns, err);
}

int model_open_embedded(struct model **out, const struct model_options *options, struct err *err)
{
	size_t n = (size_t)((uintptr_t)embedded_model_end - (uintptr_t)embedded_model);

	return model_open_memory(out, embedded_model, n, err_words("the built-in model"), options, err);
}

void model_close(struct model *m)
{
	if (!m)
		return;
	arena_free(&m->arena);
	strategy_free(&m->strategy);
	tensor_file_close(m->file);
	free(m);
}

const struct model_info *model_info(const struct model *m)
{
	return &m->info;
}

const char *model_label(const struct model *m)
{
	return m->file->label;
}
