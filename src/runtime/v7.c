/* v7.c - RWKV-7 "Goose" (x070); 7a, whose channel mix is gated by token; 7b, which has attention too. Source of the
 * formulas: BlinkDL's inference code (RWKV_x070; DeepEmbed: the package `rwkv` with RWKV_DE_VERSION=1). */
#include "runtime/pass.h"

#include <math.h>

struct block {
#define WEIGHT(kind, field, ...) weight_##kind field;
#include "runtime/weights_v7.def"
#undef WEIGHT
};

/* The members of a struct block come first, so that one is a part of the other. */
struct deep_block {
#define WEIGHT(kind, field, ...) weight_##kind field;
#include "runtime/weights_v7.def"
#include "runtime/weights_v7a.def"
#undef WEIGHT
};

struct attentive_block {
#define WEIGHT(kind, field, ...) weight_##kind field;
#include "runtime/weights_v7.def"
#include "runtime/weights_v7a.def"
#include "runtime/weights_v7b.def"
#undef WEIGHT
};

_Static_assert(offsetof(struct attentive_block, s0) == offsetof(struct deep_block, s0), "the same members first");
_Static_assert(offsetof(struct deep_block, ffn_value) == offsetof(struct block, ffn_value), "the same members first");

static const struct weight_spec weights[] = {
#define WEIGHT(kind, field, ...) { KIND_##kind, offsetof(struct block, field), __VA_ARGS__ },
#include "runtime/weights_v7.def"
#undef WEIGHT
};

static const struct weight_spec deep_weights[] = {
#define WEIGHT(kind, field, ...) { KIND_##kind, offsetof(struct deep_block, field), __VA_ARGS__ },
#include "runtime/weights_v7.def"
#include "runtime/weights_v7a.def"
#undef WEIGHT
};

static const struct weight_spec attentive_weights[] = {
#define WEIGHT(kind, field, ...) { KIND_##kind, offsetof(struct attentive_block, field), __VA_ARGS__ },
#include "runtime/weights_v7.def"
#include "runtime/weights_v7a.def"
#include "runtime/weights_v7b.def"
#undef WEIGHT
};

enum { QUERY_TENSOR = 2 }; /* of a block's state in 7b: the last query, before its shift */

static const float DECAY_SCALE = -0.606531F; /* -exp(-1/2): w stays above exp(-exp(-1/2)) = 0.545 */

static void to_decay(float *w, const float *bias, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w[i] = expf(DECAY_SCALE * sigmoid(bias[i] + w[i]));
}

/* w (n, C) = exp(-0.606531 sigmoid(w0 + tanh(x_w w1) w2)), in (0.545, 1) */
static void decay(struct run *run, const struct block *b, float *w, size_t n)
{
	pass_mix(run, run->mixed, b->x_w, n);
	pass_activated(run, &b->w1, run->low, run->mixed, n, pass_tanh, NULL);
	pass_activated(run, &b->w2, w, run->low, n, to_decay, b->w0);
}

/* a (n, C) = sigmoid(a0 + (x_a a1) a2): the rate at which the state learns */
static void learning_rate(struct run *run, const struct block *b, float *a, size_t n)
{
	pass_mix(run, run->mixed, b->x_a, n);
	pass_matrix(run, &b->a1, run->low, run->mixed, n);
	pass_activated(run, &b->a2, a, run->low, n, pass_sigmoid, b->a0);
}

/* v (n, C); block 0 defines v_first, later blocks lean towards it:
 * v += (v_first - v) sigmoid(v0 + (x_v v1) v2). `lean` is scratch. */
static void values(struct run *run, const struct block *b, float *v, float *lean, size_t layer, size_t n)
{
	size_t width = run->model->info.n_embd;

	pass_mix(run, run->mixed, b->x_v, n);
	pass_matrix(run, &b->value, v, run->mixed, n);
	if (!layer) {
		memcpy(run->v_first, v, n * width * sizeof *v);
		return;
	}
	pass_matrix(run, &b->v1, run->low, run->mixed, n);
	pass_activated(run, &b->v2, lean, run->low, n, pass_sigmoid, b->v0);
	for (size_t i = 0; i < n * width; i++)
		v[i] += (run->v_first[i] - v[i]) * lean[i];
}

/* g (n, C) = sigmoid(x_g g1) g2 */
static void gate(struct run *run, const struct block *b, float *g, size_t n)
{
	pass_mix(run, run->mixed, b->x_g, n);
	pass_activated(run, &b->g1, run->low, run->mixed, n, pass_sigmoid, NULL);
	pass_matrix(run, &b->g2, g, run->low, n);
}

/* kappa = k k_k, of length 1 per head; then k *= 1 + (a - 1) k_a; then a becomes kappa a. One token. */
static void keys(const struct model_info *info, const struct block *b, float *k, float *kappa, float *a)
{
	size_t size = info->head_size;

	for (size_t h = 0; h < info->n_head; h++) {
		float norm2 = 0, scale;

		for (size_t i = h * size; i < (h + 1) * size; i++) {
			kappa[i] = k[i] * b->k_k[i];
			norm2 += kappa[i] * kappa[i];
		}
		scale = 1 / fmaxf(sqrtf(norm2), 1e-12F);
		for (size_t i = h * size; i < (h + 1) * size; i++) {
			kappa[i] *= scale;
			k[i] *= 1 + (a[i] - 1) * b->k_a[i];
			a[i] *= kappa[i];
		}
	}
}

/* o (C): per head group norm of S r, plus (sum r k r_k) v, times g. One token. */
static void read_out(const struct model *m, const struct block *b, float *o, const float *r, const float *k,
		     const float *v, const float *g)
{
	const struct linear_kernels *lin = linear_kernels();
	size_t size = m->info.head_size;

	for (size_t h = 0; h < m->info.n_head; h++) {
		size_t at = h * size;
		float bonus = 0;

		lin->layer_norm(o + at, o + at, b->ln_x_w + at, b->ln_x_b + at, size, m->ln_x_eps);
		for (size_t i = at; i < at + size; i++)
			bonus += r[i] * k[i] * b->r_k[i];
		for (size_t i = at; i < at + size; i++)
			o[i] = (o[i] + bonus * v[i]) * g[i];
	}
}

struct wkv7_call {
	struct run *run;
	const struct block *block;
	float *state; /* (H, N, N) */
	const float *r, *w, *v, *g;
	float *k, *kappa, *a, *o; /* a becomes kappa a */
	size_t n;
};

static void keys_of_some(void *ctx, size_t from, size_t to)
{
	const struct wkv7_call *c = ctx;
	size_t width = c->run->model->info.n_att;

	for (size_t at = from * width; at < to * width; at += width)
		keys(&c->run->model->info, c->block, c->k + at, c->kappa + at, c->a + at);
}

static void read_some(void *ctx, size_t from, size_t to)
{
	const struct wkv7_call *c = ctx;
	size_t width = c->run->model->info.n_att;

	for (size_t at = from * width; at < to * width; at += width)
		read_out(c->run->model, c->block, c->o + at, c->r + at, c->k + at, c->v + at, c->g + at);
}

static void wkv7_head(void *ctx, size_t head, struct state_sums *change)
{
	const struct wkv7_call *c = ctx;
	size_t width = c->run->model->info.n_att, size = c->run->model->info.head_size;

	for (size_t t = 0; t < c->n; t++) {
		size_t at = t * width + head * size;

		wkv_kernels()->wkv7(&(struct wkv7_args){ .o = c->o + at,
							 .s = c->state + head * size * size,
							 .r = c->r + at,
							 .w = c->w + at,
							 .k = c->k + at,
							 .v = c->v + at,
							 .kappa = c->kappa + at,
							 .b = c->a + at,
							 .n = size,
							 .change = change });
	}
}

static void time_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);
	float *r = run->c[0], *w = run->c[1], *k = run->c[2], *v = run->c[3], *a = run->c[4], *g = run->c[5];
	float *kappa = run->c[6], *o = run->c[7];
	struct wkv7_call call = { .run = run,
				  .block = b,
				  .state = pass_state(run, layer, 1),
				  .r = r,
				  .w = w,
				  .v = v,
				  .g = g,
				  .k = k,
				  .kappa = kappa,
				  .a = a,
				  .o = o,
				  .n = n };

	pass_mix(run, run->mixed, b->x_r, n);
	pass_matrix(run, &b->receptance, r, run->mixed, n);
	pass_mix(run, run->mixed, b->x_k, n);
	pass_matrix(run, &b->key, k, run->mixed, n);
	values(run, b, v, o, layer, n);
	decay(run, b, w, n);
	learning_rate(run, b, a, n);
	gate(run, b, g, n);
	pass_decay(run, layer, w + (n - 1) * run->model->info.n_att);
	pass_tokens(run, n, keys_of_some, &call);
	pass_heads(run, layer, 1, wkv7_head, &call);
	pass_tokens(run, n, read_some, &call);
	pass_matrix(run, &b->output, run->mixed, o, n);
	pass_add(run, run->mixed, n);
}

/* x += V relu(K mix(x_k))^2 */
static void channel_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);

	pass_mix(run, run->mixed, b->ffn_x_k, n);
	pass_activated(run, &b->ffn_key, run->hidden, run->mixed, n, pass_relu2, NULL);
	pass_matrix(run, &b->ffn_value, run->mixed, run->hidden, n);
	pass_add(run, run->mixed, n);
}

static void add_bias(float *y, const float *bias, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += bias[i];
}

/* gate (n, F) = (x s1) S s2 + s0 with x as it is before the token shift, and S (rank, rank) of the token: its row of
 * s_emb plus s_emb_x times its embedding. */
static void deep_gate(struct run *run, const struct deep_block *b, size_t n)
{
	size_t rank = b->s1.rows, cells = b->s_emb.cols;

	pass_matrix(run, &b->s1, run->low, run->xx + run->model->info.n_embd, n);
	pass_matrix(run, &b->s_emb_x, run->deep.rows, run->deep.embedded, n);
	memset(run->low2, 0, n * rank * sizeof *run->low2);
	for (size_t t = 0; t < n; t++) {
		const float *x = run->low + t * rank, *cell = run->deep.rows + t * cells, *own = run->deep.row;
		float *y = run->low2 + t * rank;

		matrix_row(&b->s_emb, run->deep.tokens[t], run->deep.row);
		for (size_t i = 0; i < rank; i++)
			for (size_t j = 0; j < rank; j++)
				y[j] += x[i] * (cell[i * rank + j] + own[i * rank + j]);
	}
	pass_activated(run, &b->s2, run->deep.gate, run->low2, n, add_bias, b->s0);
}

/* x += V (gate relu(K mix(x_k))^2) */
static void deep_channel_mix(struct run *run, size_t layer, size_t n)
{
	const struct deep_block *b = model_block(run->model, layer);

	deep_gate(run, b, n);
	pass_mix(run, run->mixed, b->ffn_x_k, n);
	pass_activated(run, &b->ffn_key, run->hidden, run->mixed, n, pass_relu2, NULL);
	for (size_t i = 0; i < n * run->model->info.n_ffn; i++)
		run->hidden[i] *= run->deep.gate[i];
	pass_matrix(run, &b->ffn_value, run->mixed, run->hidden, n);
	pass_add(run, run->mixed, n);
}

/* x += what the time mix says + what attention says, both of x as it is. */
static void attentive_time_mix(struct run *run, size_t layer, size_t n)
{
	const struct attentive_block *b = model_block(run->model, layer);
	float *said = run->c[8];

	attention(
		run,
		&(struct attention_weights){
			.query = &b->query,
			.mix = b->qkv_x_q,
			.ln_w = b->lnq_w,
			.ln_b = b->lnq_b,
			.key = { &b->k_down, &b->k_up, &b->k_emb, &b->k_emb_x, b->qkv_x_k, b->lnk_w, b->lnk_b, false },
			.value = { &b->v_down, &b->v_up, &b->v_emb, &b->v_emb_x, b->qkv_x_v, b->lnv_w, b->lnv_b, true },
		},
		said, layer, QUERY_TENSOR, n);
	time_mix(run, layer, n);
	pass_add(run, said, n);
}

/* The rows of s_emb are square matrices. */
static int check_deep(struct model *m, void *block, struct err *err)
{
	const struct deep_block *b = block;

	if (b->s1.rows * b->s1.rows == b->s_emb.cols)
		return 0;
	err_set(err, ERR_SHAPE, "%s: ffn.s_emb.weight has rows of %zu; expected the square of ffn.s1's rank %zu",
		model_label(m), b->s_emb.cols, b->s1.rows);
	return err_hint(err, "The tensors of this file do not belong together: download it again.");
}

static const struct state_row state[] = {
	{ TAP_SHIFT, "C", 0 },
	{ TAP_WKV, "HNN", 0 }, /* rows v, columns k */
	{ TAP_SHIFT, "C", 0 },
};

static const struct state_row attentive_state[] = {
	{ TAP_SHIFT, "C", 0 },
	{ TAP_WKV, "HNN", 0 },
	[QUERY_TENSOR] = { TAP_SHIFT, "Q", 0 },
	{ TAP_SHIFT, "C", 0 },
};

static const float *time_state(const void *block)
{
	return ((const struct block *)block)->time_state;
}

const struct arch arch_v7 = {
	.version = "7",
	.block_bytes = sizeof(struct block),
	.weights = weights,
	.n_weights = sizeof weights / sizeof *weights,
	.state = state,
	.n_state = sizeof state / sizeof *state,
	.time_mix = time_mix,
	.channel_mix = channel_mix,
	.time_state = time_state,
};

const struct arch arch_v7a = {
	.version = "7a",
	.block_bytes = sizeof(struct deep_block),
	.weights = deep_weights,
	.n_weights = sizeof deep_weights / sizeof *deep_weights,
	.state = state,
	.n_state = sizeof state / sizeof *state,
	.prepare = check_deep,
	.time_mix = time_mix,
	.channel_mix = deep_channel_mix,
	.time_state = time_state,
};

const struct arch arch_v7b = {
	.version = "7b",
	.block_bytes = sizeof(struct attentive_block),
	.weights = attentive_weights,
	.n_weights = sizeof attentive_weights / sizeof *attentive_weights,
	.state = attentive_state,
	.n_state = sizeof attentive_state / sizeof *attentive_state,
	.prepare = check_deep,
	.time_mix = attentive_time_mix,
	.channel_mix = deep_channel_mix,
	.time_state = time_state,
};
