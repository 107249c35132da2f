/* pass.c - token shift, channel mixing, heads, activation functions. */
#include "runtime/pass.h"

#include <math.h>

/* -- all tokens, on all threads ----------------------------------------------------------- */

struct tokens {
	pass_tokens_fn fn;
	void *ctx;
	size_t n;
};

static void some_tokens(void *ctx, int part, int parts)
{
	const struct tokens *t = ctx;
	size_t from, to;

	pool_slice(t->n, 1, part, parts, &from, &to);
	if (from < to)
		t->fn(t->ctx, from, to);
}

void pass_tokens(struct run *run, size_t n, pass_tokens_fn fn, void *ctx)
{
	if (n == 1)
		fn(ctx, 0, 1);
	else
		pool_run(run->pool, some_tokens, &(struct tokens){ fn, ctx, n });
}

struct mixing {
	const float *xx, *m;
	float *out;
	size_t width;
};

static void mix_some(void *ctx, size_t from, size_t to)
{
	const struct mixing *x = ctx;

	for (size_t t = from; t < to; t++) {
		const float *was = x->xx + t * x->width, *is = was + x->width;
		float *o = x->out + t * x->width;

		for (size_t i = 0; i < x->width; i++)
			o[i] = is[i] + (was[i] - is[i]) * x->m[i];
	}
}

static void blend_some(void *ctx, size_t from, size_t to)
{
	const struct mixing *x = ctx;

	for (size_t t = from; t < to; t++) {
		const float *was = x->xx + t * x->width, *is = was + x->width;
		float *o = x->out + t * x->width;

		for (size_t i = 0; i < x->width; i++)
			o[i] = is[i] * x->m[i] + was[i] * (1 - x->m[i]);
	}
}

void pass_mix(struct run *run, float *out, const float *m, size_t n)
{
	pass_tokens(run, n, mix_some, &(struct mixing){ run->xx, m, out, run->model->info.n_embd });
}

void pass_blend(struct run *run, float *out, const float *m, size_t n)
{
	pass_tokens(run, n, blend_some, &(struct mixing){ run->xx, m, out, run->model->info.n_embd });
}

/* -- what becomes of products -------------------------------------------------------------- */

void pass_relu2(float *y, const float *bias, size_t n)
{
	(void)bias;
	for (size_t i = 0; i < n; i++) {
		float positive = y[i] < 0 ? 0 : y[i]; /* NaN stays */

		y[i] = positive * positive;
	}
}

void pass_tanh(float *y, const float *bias, size_t n)
{
	(void)bias;
	for (size_t i = 0; i < n; i++)
		y[i] = tanhf(y[i]);
}

void pass_sigmoid(float *y, const float *bias, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = sigmoid(bias ? y[i] + bias[i] : y[i]);
}

/* -- shared halves of blocks ---------------------------------------------------------------- */

void pass_watch(struct run *run, size_t layer, size_t tensor, const struct state_sums *change)
{
	if (run->watching)
		state_sums_add(&run->stats[layer * run->per_layer + tensor].sums, change);
}

void pass_add(struct run *run, const float *y, size_t n)
{
	for (size_t i = 0; i < n * run->model->info.n_embd; i++)
		run->x[i] += y[i];
}

void pass_channel_mix(struct run *run, const struct pass_ffn *ffn, size_t n)
{
	float *r = run->c[0];

	ffn->mix(run, run->mixed, ffn->m_r, n);
	pass_activated(run, ffn->receptance, r, run->mixed, n, pass_sigmoid, NULL);
	ffn->mix(run, run->mixed, ffn->m_k, n);
	pass_activated(run, ffn->key, run->hidden, run->mixed, n, pass_relu2, NULL);
	pass_matrix(run, ffn->value, run->mixed, run->hidden, n);
	for (size_t i = 0; i < n * run->model->info.n_embd; i++)
		run->x[i] += r[i] * run->mixed[i];
}

struct heads {
	struct run *run;
	pass_head_fn fn;
	void *ctx;
};

static void some_heads(void *ctx, int part, int parts)
{
	const struct heads *h = ctx;
	size_t from, to;

	pool_slice(h->run->model->info.n_head, 1, part, parts, &from, &to);
	for (size_t i = from; i < to; i++)
		h->fn(h->ctx, i, h->run->watching ? &h->run->head_changes[i] : NULL);
}

void pass_heads(struct run *run, size_t layer, size_t tensor, pass_head_fn fn, void *ctx)
{
	size_t n = run->model->info.n_head;
	struct heads h = { run, fn, ctx };

	memset(run->head_changes, 0, n * sizeof *run->head_changes);
	pool_run(run->pool, some_heads, &h);
	for (size_t i = 0; run->watching && i < n; i++)
		pass_watch(run, layer, tensor, &run->head_changes[i]);
}

struct wkv6_call {
	struct run *run;
	const struct pass_wkv6 *p;
	float *state; /* (H, N, N) */
	size_t n;
};

static void wkv6_head(void *ctx, size_t head, struct state_sums *change)
{
	const struct wkv6_call *c = ctx;
	const struct model_info *info = &c->run->model->info;
	size_t size = info->head_size;

	for (size_t t = 0; t < c->n; t++) {
		size_t at = t * info->n_att + head * size;

		wkv_kernels()->wkv6(&(struct wkv6_args){ .o = c->p->o + at,
							 .s = c->state + head * size * size,
							 .r = c->p->r + at,
							 .k = c->p->k + at,
							 .v = c->p->v + at,
							 .w = c->p->w + t * c->p->w_stride + head * size,
							 .u = c->p->u + head * size,
							 .n = size,
							 .change = change });
	}
}

void pass_wkv6(struct run *run, const struct pass_wkv6 *p, size_t layer, size_t n)
{
	struct wkv6_call call = { run, p, pass_state(run, layer, 1), n };

	pass_heads(run, layer, 1, wkv6_head, &call);
}

void pass_output(struct run *run, float *o, const float *ln_w, const float *ln_b, const float *gate,
		 const struct matrix *output, size_t n)
{
	const struct model_info *info = &run->model->info;
	size_t size = info->head_size;

	for (size_t t = 0; t < n; t++)
		for (size_t h = 0; h < info->n_head; h++) {
			float *head = o + t * info->n_att + h * size;

			linear_kernels()->layer_norm(head, head, ln_w + h * size, ln_b + h * size, size,
						     run->model->ln_x_eps);
		}
	for (size_t i = 0; gate && i < n * info->n_att; i++)
		o[i] *= gate[i] * sigmoid(gate[i]);
	pass_matrix(run, output, run->mixed, o, n);
	pass_add(run, run->mixed, n);
}
