/* v6.c - RWKV-6 "Finch" (x060). Source of the formulas: BlinkDL's ChatRWKV, att_one_v6_0 and ffn_one_v6. */
#include "runtime/pass.h"

#include <math.h>

struct block {
#define WEIGHT(kind, field, ...) weight_##kind field;
#include "runtime/weights_v6.def"
#undef WEIGHT
};

static const struct weight_spec weights[] = {
#define WEIGHT(kind, field, ...) { KIND_##kind, offsetof(struct block, field), __VA_ARGS__ },
#include "runtime/weights_v6.def"
#undef WEIGHT
};

static const struct state_row state[] = {
	{ TAP_SHIFT, "C", 0 },
	{ TAP_WKV, "HNN", 0 }, /* rows k, columns v */
	{ TAP_SHIFT, "C", 0 },
};

enum { MIXES = 5 }; /* in the order of maa_w2: w, k, v, r, g */

/* The shared first factor is one matrix for all five, the second factors lie behind one another. */
static int prepare(struct model *m, void *block, struct err *err)
{
	struct block *b = block;

	if (b->maa_w1.rows == b->maa_w2.rows)
		return 0;
	return err_set(err, ERR_SHAPE, "%s: att.time_maa_w1 has rank %zu, att.time_maa_w2 %zu; expected them to agree",
		       model_label(m), b->maa_w1.rows, b->maa_w2.rows);
}

/* z (n, 5M) = tanh((xx + d maa_x) maa_w1), d = previous - xx */
static void ranks(struct run *run, const struct block *b, float *z, size_t n)
{
	pass_mix(run, run->mixed, b->maa_x, n);
	pass_activated(run, &b->maa_w1, z, run->mixed, n, pass_tanh, NULL);
}

/* run->mixed (n, C) = xx + d (maa_j + z_j maa_w2[j]) */
static void mix(struct run *run, const struct block *b, const float *z, int j, const float *maa, size_t n)
{
	size_t width = run->model->info.n_embd, rank = b->maa_w2.rows / MIXES;
	size_t element = b->maa_w2.type == WEIGHT_F32 ? 4 : 2;
	struct matrix second = { .p = (const char *)b->maa_w2.p + (size_t)j * rank * b->maa_w2.stride * element,
				 .type = b->maa_w2.type,
				 .by_columns = true,
				 .rows = width,
				 .cols = rank,
				 .stride = b->maa_w2.stride };

	pass_product(run, &second, run->mixed, width, z + (size_t)j * rank, MIXES * rank, n);
	for (size_t t = 0; t < n; t++) {
		const float *was = run->xx + t * width, *is = was + width;
		float *o = run->mixed + t * width;

		for (size_t i = 0; i < width; i++)
			o[i] = is[i] + (was[i] - is[i]) * (maa[i] + o[i]);
	}
}

static void to_decay(float *w, const float *bias, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w[i] = expf(-expf(bias[i] + w[i]));
}

/* w (n, A) = exp(-exp(time_decay + tanh(x_w decay_w1) decay_w2)) from run->mixed */
static void decay(struct run *run, const struct block *b, float *w, size_t n)
{
	pass_activated(run, &b->decay_w1, run->low, run->mixed, n, pass_tanh, NULL);
	pass_activated(run, &b->decay_w2, w, run->low, n, to_decay, b->time_decay);
}

static void time_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);
	size_t width = run->model->info.n_att;
	float *r = run->c[0], *k = run->c[1], *v = run->c[2], *g = run->c[3], *w = run->c[4], *o = run->c[5];
	float *z = run->low2;

	ranks(run, b, z, n);
	mix(run, b, z, 0, b->maa_w, n);
	decay(run, b, w, n);
	mix(run, b, z, 1, b->maa_k, n);
	pass_matrix(run, &b->key, k, run->mixed, n);
	mix(run, b, z, 2, b->maa_v, n);
	pass_matrix(run, &b->value, v, run->mixed, n);
	mix(run, b, z, 3, b->maa_r, n);
	pass_matrix(run, &b->receptance, r, run->mixed, n);
	mix(run, b, z, 4, b->maa_g, n);
	pass_matrix(run, &b->gate, g, run->mixed, n);
	pass_decay(run, layer, w + (n - 1) * width);
	pass_wkv6(run,
		  &(struct pass_wkv6){ .o = o, .r = r, .k = k, .v = v, .w = w, .u = b->time_faaaa, .w_stride = width },
		  layer, n);
	pass_output(run, o, b->ln_x_w, b->ln_x_b, g, &b->output, n);
}

static void channel_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);

	pass_channel_mix(run,
			 &(struct pass_ffn){ &b->ffn_key, &b->ffn_value, &b->ffn_receptance, b->ffn_maa_k, b->ffn_maa_r,
					     pass_mix },
			 n);
}

static const float *time_state(const void *block)
{
	return ((const struct block *)block)->time_state;
}

const struct arch arch_v6 = {
	.version = "6",
	.block_bytes = sizeof(struct block),
	.weights = weights,
	.n_weights = sizeof weights / sizeof *weights,
	.state = state,
	.n_state = sizeof state / sizeof *state,
	.prepare = prepare,
	.time_mix = time_mix,
	.channel_mix = channel_mix,
	.time_state = time_state,
};
