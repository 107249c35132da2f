/* v5.c - RWKV-5 "Eagle" in its three forms: 5.0 has no gate, 5.1 has one, 5.2 has a decay per channel. Source of the
 * formulas: BlinkDL's ChatRWKV, att_one_v5, att_one_v5_1, att_one_v5_2. */
#include "runtime/pass.h"

#include <math.h>

struct block {
#define WEIGHT(kind, field, ...) weight_##kind field;
#define GATED WEIGHT
#define DECAY_SHAPE ""
#include "runtime/weights_v5.def"
#undef DECAY_SHAPE
#undef GATED
#undef WEIGHT
	float *w, *u; /* (A) decay exp(-exp(time_decay)) and first bonus, spread over the channels */
};

#define WEIGHT(kind, field, ...) { KIND_##kind, offsetof(struct block, field), __VA_ARGS__ },

static const struct weight_spec weights_5_0[] = {
#define GATED(...)
#define DECAY_SHAPE "H"
#include "runtime/weights_v5.def"
#undef GATED
};

static const struct weight_spec weights_5_1[] = {
#define GATED WEIGHT
#include "runtime/weights_v5.def"
#undef DECAY_SHAPE
};

static const struct weight_spec weights_5_2[] = {
#define DECAY_SHAPE "HN"
#include "runtime/weights_v5.def"
};

static const struct state_row state[] = {
	{ TAP_SHIFT, "C", 0 },
	{ TAP_WKV, "HNN", 0 }, /* rows k, columns v */
	{ TAP_SHIFT, "C", 0 },
};

/* One value per head or per channel, as the version has it. */
static int prepare(struct model *m, void *block, struct err *err)
{
	struct block *b = block;
	size_t n = m->dims.of['A'], per_value = m->arch == &arch_v5_2 ? 1 : m->dims.of['N'];

	if (!b->time_first && !b->time_faaaa)
		return err_set(err, ERR_SHAPE,
			       "%s: tensor att.time_faaaa is missing in a block; expected in "
			       "every RWKV-5 model",
			       model_label(m));
	b->w = arena_alloc(&m->arena, n, sizeof *b->w);
	b->u = arena_alloc(&m->arena, n, sizeof *b->u);
	if (!b->w || !b->u)
		return err_set(err, ERR_NOMEM, "%s: no memory for decays", model_label(m));
	for (size_t i = 0; i < n; i++) {
		size_t at = i / per_value;

		b->w[i] = expf(-expf(b->time_decay[at]));
		b->u[i] = b->time_faaaa ? b->time_faaaa[at] : expf(b->time_first[at]);
	}
	return 0;
}

static void time_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);
	float *r = run->c[0], *k = run->c[1], *v = run->c[2], *g = run->c[3], *o = run->c[4];
	bool gated = b->mix_g;

	pass_blend(run, run->mixed, b->mix_k, n);
	pass_matrix(run, &b->key, k, run->mixed, n);
	pass_blend(run, run->mixed, b->mix_v, n);
	pass_matrix(run, &b->value, v, run->mixed, n);
	pass_blend(run, run->mixed, b->mix_r, n);
	pass_matrix(run, &b->receptance, r, run->mixed, n);
	if (gated) {
		pass_blend(run, run->mixed, b->mix_g, n);
		pass_matrix(run, &b->gate, g, run->mixed, n);
	}
	pass_decay(run, layer, b->w);
	pass_wkv6(run, &(struct pass_wkv6){ .o = o, .r = r, .k = k, .v = v, .w = b->w, .u = b->u }, layer, n);
	pass_output(run, o, b->ln_x_w, b->ln_x_b, gated ? g : NULL, &b->output, n);
}

static void channel_mix(struct run *run, size_t layer, size_t n)
{
	const struct block *b = model_block(run->model, layer);

	pass_channel_mix(run,
			 &(struct pass_ffn){ &b->ffn_key, &b->ffn_value, &b->ffn_receptance, b->ffn_mix_k, b->ffn_mix_r,
					     pass_blend },
			 n);
}

static const float *time_state(const void *block)
{
	return ((const struct block *)block)->time_state;
}

#define ARCH(name, text)                                                                                               \
	const struct arch arch_v##name = {                                                                             \
		.version = text,                                                                                       \
		.block_bytes = sizeof(struct block),                                                                   \
		.weights = weights_##name,                                                                             \
		.n_weights = sizeof weights_##name / sizeof *weights_##name,                                           \
		.state = state,                                                                                        \
		.n_state = sizeof state / sizeof *state,                                                               \
		.prepare = prepare,                                                                                    \
		.time_mix = time_mix,                                                                                  \
		.channel_mix = channel_mix,                                                                            \
		.time_state = time_state,                                                                              \
	}
ARCH(5_0, "5.0");
ARCH(5_1, "5.1");
ARCH(5_2, "5.2");
