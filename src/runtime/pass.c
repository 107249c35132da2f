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
	for (size_t i = 0; i < n; i++)
		h[i] = h[i] < 0 ? 0 : h[i] * h[i]; /* NaN stays */
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

void pass_wkv6(struct run *run, const struct pass_wkv6 *p, size_t layer, size_t n)
{
	const struct model_info *info = &run->model->info;
	size_t size = info->head_size;

	for (size_t h = 0; h < info->n_head; h++) {
		float *s = pass_state(run, layer, 1) + h * size * size;
		struct wkv_change change = { 0 };

		for (size_t t = 0; t < n; t++) {
			size_t at = t * info->n_att + h * size;

			wkv_kernels()->wkv6(&(struct wkv6_args){ .o = p->o + at, .s = s, .r = p->r + at,
								 .w = p->w + t * p->w_stride + h * size, .k = p->k + at,
								 .v = p->v + at, .u = p->u + h * size, .n = size,
								 .change = run->watching ? &change : NULL });
		}
		pass_watch(run, layer, 1, &change);
	}
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
