#include "runtime/run.h"

#include "runtime/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- memory ---------------------------------------------------------------------------- */

static size_t widest_rank(const struct model *m)
{
	size_t widest = 1;

	for (size_t layer = 0; layer < m->info.n_layer; layer++)
		for (size_t i = 0; i < m->arch->n_weights; i++) {
			const struct weight_spec *w = &m->arch->weights[i];
			const struct matrix *rank = (const void *)((const char *)model_block(m, layer) + w->offset);

			if (w->kind == KIND_LOWRANK && rank->rows > widest)
				widest = rank->rows;
		}
	return widest;
}

/* Official order: per block att_xx (C), att_kv (H, N, N), ffn_xx (C). */
static void lay_out_state(struct run *run)
{
	const struct model_info *info = &run->model->info;
	const size_t sizes[] = { info->n_embd, info->n_embd * info->head_size, info->n_embd };
	const enum tap_part parts[] = { TAP_SHIFT, TAP_WKV, TAP_SHIFT };
	float *p = run->state;

	for (size_t i = 0; i < run->n_tensors; i++) {
		size_t of_block = i % run->per_layer;

		run->tensors[i] = (struct tap_state){ p, sizes[of_block], parts[of_block], (int)(i / run->per_layer) };
		p += sizes[of_block];
	}
}

static void allocate(struct run *run)
{
	const struct model_info *info = &run->model->info;
	struct arena *a = &run->arena;
	size_t n = run->chunk_len, width = info->n_embd > info->n_att ? info->n_embd : info->n_att;

	run->per_layer = 3;
	run->n_tensors = run->per_layer * info->n_layer;
	run->state = arena_alloc(a, info->state_floats, sizeof *run->state);
	run->tensors = arena_alloc(a, run->n_tensors, sizeof *run->tensors);
	run->stats = arena_alloc(a, run->n_tensors, sizeof *run->stats);
	run->logits = arena_alloc(a, info->n_vocab, sizeof *run->logits);
	run->decay = arena_alloc(a, info->n_layer * info->n_att, sizeof *run->decay);
	run->x = arena_alloc(a, n * width, sizeof *run->x);
	run->xx = arena_alloc(a, (n + 1) * width, sizeof *run->xx);
	run->mixed = arena_alloc(a, n * width, sizeof *run->mixed);
	for (size_t i = 0; i < sizeof run->c / sizeof *run->c; i++)
		run->c[i] = arena_alloc(a, n * width, sizeof *run->c[i]);
	run->v_first = arena_alloc(a, n * width, sizeof *run->v_first);
	run->hidden = arena_alloc(a, n * info->n_ffn, sizeof *run->hidden);
	run->low = arena_alloc(a, n * widest_rank(run->model), sizeof *run->low);
}

int run_open(struct run **out, const struct model *m, const struct run_config *cfg, struct err *err)
{
	struct run *run = calloc(1, sizeof *run);

	*out = NULL;
	if (!run)
		return err_set(err, ERR_NOMEM, "no memory for a run of %s", model_label(m));
	run->model = m;
	run->chunk_len = cfg && cfg->chunk_len ? cfg->chunk_len : RUN_CHUNK_DEFAULT;
	if (run->chunk_len > RUN_CHUNK_MAX)
		run->chunk_len = RUN_CHUNK_MAX;
	allocate(run);
	if (run->arena.failed) {
		err_set(err, ERR_NOMEM, "no memory to run %s in chunks of %zu tokens", model_label(m), run->chunk_len);
		run_close(run);
		return -ERR_NOMEM;
	}
	lay_out_state(run);
	run_reset(run);
	*out = run;
	return 0;
}

void run_close(struct run *run)
{
	if (!run)
		return;
	arena_free(&run->arena);
	free(run);
}

/* -- the state ------------------------------------------------------------------------- */

void run_reset(struct run *run)
{
	memset(run->state, 0, run->model->info.state_floats * sizeof *run->state);
}

const struct tap_state *run_state(const struct run *run, size_t *n)
{
	*n = run->n_tensors;
	return run->tensors;
}

const float *run_state_flat(const struct run *run)
{
	return run->state;
}

void run_state_set(struct run *run, const float *flat)
{
	memcpy(run->state, flat, run->model->info.state_floats * sizeof *run->state);
}

/* -- what the architectures share -------------------------------------------------------- */

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

/* -- one chunk --------------------------------------------------------------------------- */

static void embed(struct run *run, const uint32_t *tokens, size_t n)
{
	const struct model *m = run->model;
	size_t width = m->info.n_embd;

	for (size_t t = 0; t < n; t++) {
		float *x = run->x + t * width;

		matrix_row(&m->emb, tokens[t], x);
		linear_kernels()->layer_norm(x, x, m->ln0_w, m->ln0_b, width, LN_EPS);
	}
}

/* Fills run->xx for a half block and moves its shift vector on to the last token. */
static void shift(struct run *run, size_t layer, size_t tensor, const float *weight, const float *bias, size_t n)
{
	size_t width = run->model->info.n_embd;
	float *state = pass_state(run, layer, tensor);
	struct wkv_change change = { 0 };

	memcpy(run->xx, state, width * sizeof *state);
	for (size_t t = 0; t < n; t++)
		linear_kernels()->layer_norm(run->xx + (t + 1) * width, run->x + t * width, weight, bias, width, LN_EPS);
	memcpy(state, run->xx + n * width, width * sizeof *state);
	if (run->watching) {
		wkv_kernels()->compare(&change, run->xx, state, width);
		pass_watch(run, layer, tensor, &change);
	}
}

/* Logits of x (n, C) into out (n, V). The normalised x goes to run->xx. */
static void unembed(struct run *run, const float *x, float *out, size_t n)
{
	const struct model *m = run->model;
	size_t width = m->info.n_embd;

	for (size_t t = 0; t < n; t++)
		linear_kernels()->layer_norm(run->xx + t * width, x + t * width, m->ln_out_w, m->ln_out_b, width, LN_EPS);
	pass_matrix(&m->head, out, run->xx, n);
}

static void forward_chunk(struct run *run, const uint32_t *tokens, size_t n, float *all_logits)
{
	const struct model *m = run->model;
	size_t width = m->info.n_embd, vocab = m->info.n_vocab;

	embed(run, tokens, n);
	for (size_t layer = 0; layer < m->info.n_layer; layer++) {
		const struct block_norms *norms = model_block(m, layer);

		shift(run, layer, 0, norms->ln1_w, norms->ln1_b, n);
		m->arch->time_mix(run, layer, n);
		shift(run, layer, run->per_layer - 1, norms->ln2_w, norms->ln2_b, n);
		m->arch->channel_mix(run, layer, n);
	}
	if (all_logits) {
		unembed(run, run->x, all_logits, n);
		memcpy(run->logits, all_logits + (n - 1) * vocab, vocab * sizeof *run->logits);
	} else {
		unembed(run, run->x + (n - 1) * width, run->logits, 1);
	}
}

/* -- the tap ----------------------------------------------------------------------------- */

/* A sum that is not finite means that values are not, or that their squares are too large. */
static uint64_t count_nonfinite(const struct tap_state *t, const struct tap_state_stats *s)
{
	uint64_t n = 0;

	if (isfinite(s->new_norm2))
		return 0;
	for (size_t i = 0; i < t->n; i++)
		n += isfinite(t->p[i]) ? 0 : 1;
	return n;
}

static void start_watching(struct run *run, bool watch)
{
	run->watching = watch;
	for (size_t i = 0; watch && i < run->n_tensors; i++)
		run->stats[i] = (struct tap_state_stats){ .layer = run->tensors[i].layer, .part = run->tensors[i].part };
}

static void tell(struct run *run, const struct run_call *call, const uint32_t *tokens, size_t n)
{
	const struct model_info *info = &run->model->info;

	for (size_t i = 0; run->watching && i < run->n_tensors; i++)
		run->stats[i].nonfinite = count_nonfinite(&run->tensors[i], &run->stats[i]);
	call->tap->end(call->tap->ctx, &(struct tap_step){
		.tokens = tokens, .n_tokens = n, .prefill = call->prefill,
		.logits = run->logits, .vocab = info->n_vocab,
		.state = run->tensors, .n_state = run->n_tensors,
		.stats = run->watching ? run->stats : NULL, .n_stats = run->watching ? run->n_tensors : 0,
		.decay = run->decay, .n_layer = info->n_layer, .n_decay = info->n_att });
}

static int check_tokens(const struct run *run, const struct run_call *call, struct err *err)
{
	size_t vocab = run->model->info.n_vocab;

	if (!call->n)
		return err_set(err, ERR_USAGE, "no tokens to feed");
	for (size_t i = 0; i < call->n; i++)
		if (call->tokens[i] >= vocab) {
			err_set(err, ERR_USAGE, "token %u at position %zu is not in the vocabulary of %s, which has %zu",
				call->tokens[i], i, model_label(run->model), vocab);
			return err_hint(err, "The tokenizer does not belong to this model.");
		}
	return 0;
}

int run_forward(struct run *run, const struct run_call *call, struct err *err)
{
	const struct tap *tap = call->tap;
	int rc = check_tokens(run, call, err);

	for (size_t at = 0, n; !rc && at < call->n; at += n) {
		n = call->n - at < run->chunk_len ? call->n - at : run->chunk_len;
		if (tap)
			tap->begin(tap->ctx);
		start_watching(run, tap && tap->wants_state_stats && n == 1);
		forward_chunk(run, call->tokens + at, n,
			      call->all_logits ? call->all_logits + at * run->model->info.n_vocab : NULL);
		if (tap)
			tell(run, call, call->tokens + at, n);
	}
	return rc;
}

const float *run_logits(const struct run *run)
{
	return run->logits;
}
