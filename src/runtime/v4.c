/* v4.c - RWKV-4 "Dove". Source of the formulas: BlinkDL's ChatRWKV, att_one and ffn_one of v4. */
#include "runtime/pass.h"

#include <math.h>

struct block {
#define WEIGHT(kind, field, ...) weight_##kind field;
#include "runtime/weights_v4.def"
#undef WEIGHT
	float *w;     /* (A) -exp(time_decay): added to the running exponent */
	float *decay; /* (A) exp(w), for the tap */
};

static const struct weight_spec weights[] = {
#define WEIGHT(kind, field, ...) { KIND_##kind, offsetof(struct block, field), __VA_ARGS__ },
#include "runtime/weights_v4.def"
#undef WEIGHT
};

/* Sums are kept as aa e^pp and bb e^pp with pp the largest exponent met, so that no exp overflows. */
enum { XX, AA, BB, PP, FFN_XX, STATE_ROWS };

static const struct state_row state[STATE_ROWS] = {
	[XX] = { TAP_SHIFT, "C", 0 },    [AA] = { TAP_WKV, "A", 0 },       [BB] = { TAP_WKV, "A", 0 },
	[PP] = { TAP_WKV, "A", -1e30F }, [FFN_XX] = { TAP_SHIFT, "C", 0 },
};

static int prepare(struct model *m, void *block, struct err *err)
{
	struct block *b = block;
	size_t n = m->dims.of['A'];

	b->w = arena_alloc(&m->arena, n, sizeof *b->w);
	b->decay = arena_alloc(&m->arena, n, sizeof *b->decay);
	if (!b->w || !b->decay)
		return err_set(err, ERR_NOMEM, "%s: no memory for decays", model_label(m));
	for (size_t i = 0; i < n; i++) {
		b->w[i] = -expf(b->time_decay[i]);
		b->decay[i] = expf(b->w[i]);
	}
	return 0;
}

/* o = sum_i e^{...} v_i / sum_i e^{...}, one token, (A) each. */
static void wkv4(const struct block *b, float *o, const float *k, const float *v, float *aa, float *bb, float *pp,
		 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float now = b->time_first[i] + k[i], q = fmaxf(pp[i], now);
		float old = expf(pp[i] - q), new = expf(now - q);

		o[i] = (old * aa[i] + new *v[i]) / (old * bb[i] + new);
		now = pp[i] + b->w[i];
		q = fmaxf(now, k[i]);
		old = expf(now - q);
		new = expf(k[i] - q);
		aa[i] = old * aa[i] + new *v[i];
		bb[i] = old * bb[i] + new;
		pp[i] = q;
	}
}

/* The exponent starts at -1e30, whose square only a double holds: the scalar set sums in double. */
static void watch(struct run *run, size_t layer, size_t tensor, const float *was)
{
	struct state_sums change = { 0 };

	wkv_all[0]->compare(&change, was, pass_state(run, layer, tensor), run->model->info.n_att);
	pass_watch(run, layer, tensor, &change);
}

static void time_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);
	size_t width = run->model->info.n_att;
	float *r = run->c[0], *k = run->c[1], *v = run->c[2], *o = run->c[3];

	pass_blend(run, run->mixed, b->mix_k, n);
	pass_matrix(run, &b->key, k, run->mixed, n);
	pass_blend(run, run->mixed, b->mix_v, n);
	pass_matrix(run, &b->value, v, run->mixed, n);
	pass_blend(run, run->mixed, b->mix_r, n);
	pass_activated(run, &b->receptance, r, run->mixed, n, pass_sigmoid, NULL);
	pass_decay(run, layer, b->decay);

	for (size_t i = AA; run->watching && i <= PP; i++)
		memcpy(run->c[4 + i - AA], pass_state(run, layer, i), width * sizeof(float));
	for (size_t at = 0; at < n * width; at += width)
		wkv4(b, o + at, k + at, v + at, pass_state(run, layer, AA), pass_state(run, layer, BB),
		     pass_state(run, layer, PP), width);
	for (size_t i = AA; run->watching && i <= PP; i++)
		watch(run, layer, i, run->c[4 + i - AA]);
	for (size_t i = 0; i < n * width; i++)
		o[i] *= r[i];
	pass_matrix(run, &b->output, run->mixed, o, n);
	pass_add(run, run->mixed, n);
}

static void channel_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);

	pass_channel_mix(run,
			 &(struct pass_ffn){ &b->ffn_key, &b->ffn_value, &b->ffn_receptance, b->ffn_mix_k, b->ffn_mix_r,
					     pass_blend },
			 n);
}

const struct arch arch_v4 = {
	.version = "4",
	.block_bytes = sizeof(struct block),
	.weights = weights,
	.n_weights = sizeof weights / sizeof *weights,
	.state = state,
	.n_state = STATE_ROWS,
	.prepare = prepare,
	.time_mix = time_mix,
	.channel_mix = channel_mix,
};
