#include "runtime/pass.h"

void pass_mix(const struct run *run, float *out, const float *m, size_t n)
{
	size_t width = run->model->info.n_embd;

	for (size_t t = 0; t < n; t++) {
		const float *was = run->xx + t * width, *is = was + width;
		float *o = out + t * width;

		for (size_t i = 0; i < width; i++)
			o[i] = is[i] + (was[i] - is[i]) * m[i];
	}
}

void pass_watch(struct run *run, size_t layer, size_t tensor, const struct wkv_change *change)
{
	struct tap_state_stats *s = &run->stats[layer * run->per_layer + tensor];

	if (!run->watching)
		return;
	s->dot += change->dot;
	s->old_norm2 += change->old_norm2;
	s->new_norm2 += change->new_norm2;
	s->change_norm2 += change->change_norm2;
}

void pass_blend(const struct run *run, float *out, const float *m, size_t n)
{
	size_t width = run->model->info.n_embd;

	for (size_t t = 0; t < n; t++) {
		const float *was = run->xx + t * width, *is = was + width;
		float *o = out + t * width;

		for (size_t i = 0; i < width; i++)
			o[i] = is[i] * m[i] + was[i] * (1 - m[i]);
	}
}

void pass_add(struct run *run, const float *y, size_t n)
{
	for (size_t i = 0; i < n * run->model->info.n_embd; i++)
		run->x[i] += y[i];
}

void pass_relu2(float *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float positive = h[i] < 0 ? 0 : h[i]; /* NaN stays */

		h[i] = positive * positive;
	}
}

void pass_channel_mix(struct run *run, const struct pass_ffn *ffn, size_t n)
{
	const struct model_info *info = &run->model->info;
	float *r = run->c[0];

	ffn->mix(run, run->mixed, ffn->m_r, n);
	pass_matrix(run, ffn->receptance, r, run->mixed, n);
	ffn->mix(run, run->mixed, ffn->m_k, n);
	pass_matrix(run, ffn->key, run->hidden, run->mixed, n);
	pass_relu2(run->hidden, n * info->n_ffn);
	pass_matrix(run, ffn->value, run->mixed, run->hidden, n);
	for (size_t i = 0; i < n * info->n_embd; i++)
		run->x[i] += sigmoid(r[i]) * run->mixed[i];
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

static void wkv6_head(void *ctx, size_t head, struct wkv_change *change)
{
	const struct wkv6_call *c = ctx;
	const struct model_info *info = &c->run->model->info;
	size_t size = info->head_size;

	for (size_t t = 0; t < c->n; t++) {
		size_t at = t * info->n_att + head * size;

		wkv_kernels()->wkv6(&(struct wkv6_args){ .o = c->p->o + at, .s = c->state + head * size * size,
							 .r = c->p->r + at, .k = c->p->k + at, .v = c->p->v + at,
							 .w = c->p->w + t * c->p->w_stride + head * size,
							 .u = c->p->u + head * size,
							 .n = size, .change = change });
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
