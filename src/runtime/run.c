/* run.c - allocates a run, feeds chunks, calls the tap. */
#include "runtime/run.h"

#include "runtime/pass.h"
#include "simd/observe.h"

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

static void lay_out_state(struct run *run)
{
	const struct model *m = run->model;
	float *p = run->state;

	for (size_t i = 0; i < run->n_tensors; i++) {
		const struct state_row *row = &m->arch->state[i % run->per_layer];
		size_t n = dims_count(&m->dims, row->shape);

		run->tensors[i] = (struct tap_state){ p, n, row->part, (int)(i / run->per_layer) };
		for (size_t j = 0; j < n; j++)
			run->initial[p - run->state + (ptrdiff_t)j] = row->start;
		p += n;
	}
}

/* Stored transposed to the state that a run keeps, in every version: in 5 and 6 rows for v, in 7 rows for k.
 * Source: ChatRWKV's API_DEMO_CHAT and RWKV-PEFT's state tuning. */
static void set_time_state(struct run *run, size_t layer, const float *trained)
{
	const struct model_info *info = &run->model->info;
	size_t size = info->head_size;
	float *to = run->initial + (run->tensors[layer * run->per_layer + 1].p - run->state);

	for (size_t h = 0; h < info->n_head; h++, to += size * size, trained += size * size)
		for (size_t i = 0; i < size; i++)
			for (size_t j = 0; j < size; j++)
				to[i * size + j] = trained[j * size + i];
}

static int begin_trained_state(struct run *run, const struct tensor_file *f, struct err *err)
{
	const struct model_info *info = &run->model->info;
	float *trained = malloc(info->n_att * info->head_size * sizeof *trained);
	int rc = trained ? 0 : err_set(err, ERR_NOMEM, "%s: no memory", f->label);

	for (size_t layer = 0; layer < info->n_layer && !rc; layer++) {
		char name[64];
		const struct tensor *t;

		snprintf(name, sizeof name, "blocks.%zu.att.time_state", layer);
		t = tensor_find(f, name);
		if (!t || t->n_dims != 3 || t->shape[0] != info->n_head || t->shape[1] != info->head_size ||
		    t->shape[2] != info->head_size) {
			err_set(err, ERR_SHAPE,
				"%s: tensor %s is missing or has the wrong shape; expected "
				"[%zu, %zu, %zu]",
				f->label, name, info->n_head, info->head_size, info->head_size);
			err_hint(err, "The state was trained for another model.");
			rc = -ERR_SHAPE;
			break;
		}
		for (uint64_t i = 0; i < t->count; i++)
			trained[i] = tensor_element(t, i);
		set_time_state(run, layer, trained);
	}
	free(trained);
	return rc;
}

static int load_trained_state(struct run *run, const char *path, struct err *err)
{
	const struct model_info *info = &run->model->info;
	struct tensor_file *f;
	int rc = tensor_file_open(&f, path, err);

	if (rc == -ERR_FORMAT) {
		err_set(err, ERR_SHAPE,
			"%s: is no state; expected a state-tuning file, or %zu bytes of raw "
			"state for this "
			"RWKV-%s model",
			path, info->state_floats * sizeof(float), info->version);
		return err_hint(err, "A state belongs to one model: use one that was made with %s.",
				model_label(run->model));
	}
	if (!rc && !run->model->arch->time_state)
		rc = err_set(err, ERR_UNSUPPORTED, "%s: a trained state; RWKV-%s has none", path, info->version);
	if (!rc)
		rc = begin_trained_state(run, f, err);
	tensor_file_close(f);
	return rc;
}

/* Raw floats of the right number, which come from a file. */
static int copy_state(struct run *run, const void *floats, const char *path, struct err *err)
{
	size_t n = run->model->info.state_floats;
	float *state = malloc(n * sizeof *state); /* aligned, unlike a file's bytes */
	int rc = state ? 0 : err_set(err, ERR_NOMEM, "%s: no memory", path);

	if (!rc)
		memcpy(state, floats, n * sizeof *state);
	if (!rc && !attention_state_is_sound(run, state)) {
		err_set(err, ERR_SHAPE, "%s: its context has tokens that RWKV-%s models cannot have been fed", path,
			run->model->info.version);
		rc = err_hint(err, "A state belongs to one model: use one that was made with %s.",
			      model_label(run->model));
	}
	if (!rc)
		memcpy(run->initial, state, n * sizeof *state);
	free(state);
	return rc;
}

int run_load_state(struct run *run, const char *path, struct err *err)
{
	size_t bytes = run->model->info.state_floats * sizeof(float);
	struct file_map map;
	int rc = file_map(&map, path, err);

	if (rc)
		return rc;
	if (map.n == bytes)
		rc = copy_state(run, map.p, path, err);
	else
		rc = load_trained_state(run, path, err);
	file_unmap(&map);
	if (!rc)
		run_reset(run);
	return rc;
}

/* The checkpoint itself may carry a trained initial state. */
static void load_time_states(struct run *run)
{
	const struct model *m = run->model;

	for (size_t layer = 0; m->arch->time_state && layer < m->info.n_layer; layer++) {
		const float *trained = m->arch->time_state(model_block(m, layer));

		if (trained)
			set_time_state(run, layer, trained);
	}
}

static void allocate(struct run *run)
{
	const struct model_info *info = &run->model->info;
	struct arena *a = &run->arena;
	size_t n = run->chunk_len, width = info->n_embd > info->n_att ? info->n_embd : info->n_att;

	run->per_layer = run->model->arch->n_state;
	run->n_tensors = run->per_layer * info->n_layer;
	run->state = arena_alloc(a, info->state_floats, sizeof *run->state);
	run->initial = arena_alloc(a, info->state_floats, sizeof *run->initial);
	run->tensors = arena_alloc(a, run->n_tensors, sizeof *run->tensors);
	run->stats = arena_alloc(a, run->n_tensors, sizeof *run->stats);
	run->head_changes = arena_alloc(a, info->n_head + 1, sizeof *run->head_changes);
	run->logits = arena_alloc(a, info->n_vocab, sizeof *run->logits);
	if (info->n_vocab <= RUN_SURPRISAL_VOCAB)
		run->spare_logits = arena_alloc(a, info->n_vocab, sizeof *run->spare_logits);
	run->decay = arena_alloc(a, info->n_layer * info->n_att, sizeof *run->decay);
	run->x = arena_alloc(a, n * width, sizeof *run->x);
	run->xx = arena_alloc(a, (n + 1) * width, sizeof *run->xx);
	run->mixed = arena_alloc(a, n * width, sizeof *run->mixed);
	for (size_t i = 0; i < sizeof run->c / sizeof *run->c; i++)
		run->c[i] = arena_alloc(a, n * width, sizeof *run->c[i]);
	run->v_first = arena_alloc(a, n * width, sizeof *run->v_first);
	run->scaled = arena_alloc(a, n * (width > info->n_ffn ? width : info->n_ffn), sizeof *run->scaled);
	run->terms = arena_alloc(a, n, sizeof *run->terms);
	run->hidden = arena_alloc(a, n * info->n_ffn, sizeof *run->hidden);
	if (run->model->dims.of['E']) {
		size_t cells = run->model->dims.of['E'];

		run->deep.embedded = arena_alloc(a, n * width, sizeof *run->deep.embedded);
		run->deep.rows = arena_alloc(a, n * cells, sizeof *run->deep.rows);
		run->deep.row = arena_alloc(a, cells, sizeof *run->deep.row);
		run->deep.gate = arena_alloc(a, n * info->n_ffn, sizeof *run->deep.gate);
	}
	attention_allocate(run);
	run->low = arena_alloc(a, n * widest_rank(run->model), sizeof *run->low);
	run->low2 = arena_alloc(a, n * widest_rank(run->model), sizeof *run->low2);
}

int run_open(struct run **out, const struct model *m, const struct run_config *cfg, struct err *err)
{
	struct run *run = calloc(1, sizeof *run);
	int rc;

	*out = NULL;
	if (!run)
		return err_set(err, ERR_NOMEM, "no memory for a run of %s", model_label(m));
	run->model = m;
	run->chunk_len = cfg && cfg->chunk_len ? cfg->chunk_len : RUN_CHUNK_DEFAULT;
	run->exact_chunks = cfg && cfg->exact_chunks;
	if (run->chunk_len > RUN_CHUNK_MAX)
		run->chunk_len = RUN_CHUNK_MAX;
	allocate(run);
	if (run->arena.failed) {
		err_set(err, ERR_NOMEM, "no memory to run %s in chunks of %zu tokens", model_label(m), run->chunk_len);
		run_close(run);
		return -ERR_NOMEM;
	}
	rc = pool_open(&run->pool, cfg ? cfg->threads : 1, err);
	if (rc) {
		run_close(run);
		return rc;
	}
	lay_out_state(run);
	load_time_states(run);
	run_reset(run);
	*out = run;
	return 0;
}

void run_close(struct run *run)
{
	if (!run)
		return;
	pool_close(run->pool);
	arena_free(&run->arena);
	free(run);
}

/* -- the state ------------------------------------------------------------------------- */

/* Behind what a state uses there are zeros: who reads it whole, to keep it, is not told of an earlier sequence. */
static void begin_from(struct run *run, const float *state)
{
	size_t before = attention_used_floats(run, run->state), used = attention_used_floats(run, state);

	memcpy(run->state, state, used * sizeof *run->state);
	if (before > used)
		memset(run->state + used, 0, (before - used) * sizeof *run->state);
	run->attention.expanded = 0;
}

void run_reset(struct run *run)
{
	begin_from(run, run->initial);
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
	begin_from(run, flat);
}

void run_logits_set(struct run *run, const float *logits)
{
	memcpy(run->logits, logits, run->model->info.n_vocab * sizeof *run->logits);
}

const struct model_info *run_model_info(const struct run *run)
{
	return &run->model->info;
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
	attention_begin(run, tokens, n);
	run->deep.tokens = tokens;
	if (run->deep.embedded)
		memcpy(run->deep.embedded, run->x, n * width * sizeof *run->x);
}

struct norms {
	const float *x, *weight, *bias;
	float *out;
	size_t width;
};

static void some_norms(void *ctx, size_t from, size_t to)
{
	const struct norms *n = ctx;

	for (size_t t = from; t < to; t++)
		linear_kernels()->layer_norm(n->out + t * n->width, n->x + t * n->width, n->weight, n->bias, n->width,
					     LN_EPS);
}

/* Fills run->xx for a half block and moves its shift vector on to the last token. */
static void shift(struct run *run, size_t layer, size_t tensor, const float *weight, const float *bias, size_t n)
{
	size_t width = run->model->info.n_embd;
	float *state = pass_state(run, layer, tensor);
	struct state_sums change = { 0 };

	memcpy(run->xx, state, width * sizeof *state);
	pass_tokens(run, n, some_norms, &(struct norms){ run->x, weight, bias, run->xx + width, width });
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

	pass_tokens(run, n, some_norms, &(struct norms){ x, m->ln_out_w, m->ln_out_b, run->xx, width });
	pass_matrix(run, &m->head, out, run->xx, n);
}

static void forward_chunk(struct run *run, const uint32_t *tokens, size_t n, float *all_logits, bool no_logits)
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
	attention_end(run, n);
	if (all_logits) {
		unembed(run, run->x, all_logits, n);
		memcpy(run->logits, all_logits + (n - 1) * vocab, vocab * sizeof *run->logits);
	} else if (!no_logits) {
		unembed(run, run->x + (n - 1) * width, run->logits, 1);
	}
}

/* -- the tap ----------------------------------------------------------------------------- */

/* A sum that is not finite means that values are not, or that their squares are too large. */
static uint64_t count_nonfinite(const struct tap_state *t, const struct state_sums *s)
{
	uint64_t n = 0;

	if (isfinite(s->new_norm2))
		return 0;
	for (size_t i = 0; i < t->n; i++)
		n += isfinite(t->p[i]) ? 0 : 1;
	return n;
}

/* Mean surprisal of the chunk's tokens but the first, whose logits are those of an earlier call. */
static void sum_surprisal(struct run *run, const uint32_t *tokens, size_t n)
{
	size_t width = run->model->info.n_embd, vocab = run->model->info.n_vocab;
	double sum = 0;

	for (size_t i = 0; i + 1 < n; i++) {
		struct logits_stats s;

		unembed(run, run->x + i * width, run->spare_logits, 1);
		logits_observe(run->spare_logits, VALUE_F32, vocab, NULL, &s);
		sum += s.log_sum_exp - (double)run->spare_logits[tokens[i + 1]];
	}
	run->surprisal = n > 1 ? sum / (double)(n - 1) : NAN;
}

static void start_watching(struct run *run, bool watch)
{
	run->watching = watch;
	for (size_t i = 0; watch && i < run->n_tensors; i++)
		run->stats[i] =
			(struct tap_state_stats){ .layer = run->tensors[i].layer, .part = run->tensors[i].part };
}

static void tell(struct run *run, const struct run_call *call, const uint32_t *tokens, size_t n)
{
	const struct model_info *info = &run->model->info;

	for (size_t i = 0; run->watching && i < run->n_tensors; i++)
		run->stats[i].sums.nonfinite = count_nonfinite(&run->tensors[i], &run->stats[i].sums);
	call->tap->end(call->tap->ctx, &(struct tap_step){ .tokens = tokens,
							   .n_tokens = n,
							   .prefill = call->prefill,
							   .logits = call->no_logits ? NULL : run->logits,
							   .vocab = info->n_vocab,
							   .surprisal = run->surprisal,
							   .n_surprisal = isfinite(run->surprisal) ? n - 1 : 0,
							   .state = run->tensors,
							   .n_state = run->n_tensors,
							   .stats = run->watching ? run->stats : NULL,
							   .n_stats = run->watching ? run->n_tensors : 0,
							   .decay = run->decay,
							   .n_layer = info->n_layer,
							   .n_decay = info->n_att });
}

static int check_tokens(const struct run *run, const struct run_call *call, struct err *err)
{
	size_t vocab = run->model->info.n_vocab;

	if (!call->n)
		return err_set(err, ERR_USAGE, "no tokens to feed");
	for (size_t i = 0; i < call->n; i++)
		if (call->tokens[i] >= vocab) {
			err_set(err, ERR_USAGE,
				"token %u at position %zu is not in the vocabulary of %s, "
				"which has %zu",
				call->tokens[i], i, model_label(run->model), vocab);
			return err_hint(err, "The tokenizer does not belong to this model.");
		}
	if (run->model->info.context && attention_fed(run) + call->n > run->model->info.context) {
		err_set(err, ERR_USAGE, "%zu tokens after %zu; RWKV-%s reads at most %zu in one sequence", call->n,
			attention_fed(run), run->model->info.version, run->model->info.context);
		return err_hint(err, "Ask for fewer tokens, or begin a new sequence.");
	}
	return 0;
}

int run_forward(struct run *run, const struct run_call *call, struct err *err)
{
	const struct tap *tap = call->tap;
	int rc = check_tokens(run, call, err);

	for (size_t at = 0, n; !rc && at < call->n && !(at && call->stop && call->stop()); at += n) {
		n = call->n - at < run->chunk_len ? call->n - at : run->chunk_len;
		if (tap)
			tap->begin(tap->ctx);
		start_watching(run, tap && tap->wants_state_stats && n == 1);
		forward_chunk(run, call->tokens + at, n,
			      call->all_logits ? call->all_logits + at * run->model->info.n_vocab : NULL,
			      call->no_logits);
		run->surprisal = NAN;
		if (tap && tap->wants_surprisal && run->spare_logits)
			sum_surprisal(run, call->tokens + at, n);
		if (tap)
			tell(run, call, call->tokens + at, n);
	}
	return rc;
}

const float *run_logits(const struct run *run)
{
	return run->logits;
}
