/* attention.c - RWKV-7b's attention over all tokens so far. Source of the formulas: RWKV-LM's rwkv_v7b_demo.py. */
#include "runtime/attention.h"

#include "runtime/pass.h"

#include <math.h>
#include <string.h>

/* Scores are held within ±SCORE_CAP: SCORE_CAP tanh(q k / SCORE_SCALE). */
static const float SCORE_CAP = 64, SCORE_SCALE = 1.0F / 1024;

static size_t dim(const struct model *m, char letter)
{
	return m->dims.of[(unsigned char)letter];
}

static size_t row_floats(const struct model *m)
{
	return 1 + m->info.n_layer * (dim(m, 'K') + dim(m, 'P'));
}

size_t attention_context_floats(const struct model *m)
{
	return dim(m, 'Q') ? 1 + MODEL_CONTEXT_MAX * row_floats(m) : 0;
}

void attention_allocate(struct run *run)
{
	const struct model *m = run->model;
	struct attention *a = &run->attention;
	struct arena *arena = &run->arena;
	size_t q = dim(m, 'Q'), width = m->info.n_embd, wider = q > width ? q : width, layers = m->info.n_layer;

	if (!q)
		return;
	a->context = run->state ? run->state + m->info.state_floats - attention_context_floats(m) : NULL;
	a->row_floats = row_floats(m);
	a->keys = arena_alloc(arena, layers * MODEL_CONTEXT_MAX * q, sizeof *a->keys);
	a->values = arena_alloc(arena, layers * MODEL_CONTEXT_MAX * width, sizeof *a->values);
	a->last_key = arena_alloc(arena, layers * q, sizeof *a->last_key);
	a->last_value = arena_alloc(arena, layers * width, sizeof *a->last_value);
	a->queries = arena_alloc(arena, (run->chunk_len + 1) * q, sizeof *a->queries);
	a->embedded = arena_alloc(arena, run->chunk_len * width, sizeof *a->embedded);
	a->up = arena_alloc(arena, run->chunk_len * wider, sizeof *a->up);
	a->table = arena_alloc(arena, run->chunk_len * wider, sizeof *a->table);
	a->row = arena_alloc(arena, wider, sizeof *a->row);
}

/* -- the context ------------------------------------------------------------------------- */

static size_t recurrent_floats(const struct run *run)
{
	return run->model->info.state_floats - attention_context_floats(run->model);
}

size_t attention_fed(const struct run *run)
{
	return run->attention.context ? (size_t)run->attention.context[0] : 0;
}

size_t attention_used_floats(const struct run *run, const float *state)
{
	size_t recurrent = recurrent_floats(run);

	return run->attention.context ? recurrent + 1 + (size_t)state[recurrent] * run->attention.row_floats
				      : recurrent;
}

/* A whole number of 0 .. most - 1: they travel as floats, which hold all up to 2^24. */
static bool is_count(float f, size_t most)
{
	return f >= 0 && f < (float)most && f == floorf(f);
}

bool attention_state_is_sound(const struct run *run, const float *state)
{
	const float *context = state + recurrent_floats(run);

	if (!run->attention.context)
		return true;
	if (!is_count(context[0], MODEL_CONTEXT_MAX + 1))
		return false;
	for (size_t i = 0; i < (size_t)context[0]; i++)
		if (!is_count(context[1 + i * run->attention.row_floats], run->model->info.n_vocab))
			return false;
	return true;
}

static float *row_of(const struct run *run, size_t position)
{
	return run->attention.context + 1 + position * run->attention.row_floats;
}

void attention_begin(struct run *run, const uint32_t *tokens, size_t n)
{
	size_t base = attention_fed(run);

	for (size_t t = 0; run->attention.context && t < n; t++)
		row_of(run, base + t)[0] = (float)tokens[t];
}

void attention_end(struct run *run, size_t n)
{
	if (!run->attention.context)
		return;
	run->attention.context[0] += (float)n;
	run->attention.expanded = attention_fed(run);
}

/* -- keys and values --------------------------------------------------------------------- */

/* One side of one layer: where it is kept, and where it goes. */
struct side {
	const struct attention_side *w;
	size_t at;    /* of its numbers in a token's row */
	float *ready; /* (MODEL_CONTEXT_MAX, width) */
	float *last;  /* (width) */
};

/* Normalised embeddings of tokens from .. from + n - 1 of the context. */
static void embed_again(struct run *run, size_t from, size_t n)
{
	const struct model *m = run->model;
	size_t width = m->info.n_embd;

	for (size_t t = 0; t < n; t++) {
		float *x = run->attention.embedded + t * width;

		matrix_row(&m->emb, (size_t)row_of(run, from + t)[0], x);
		linear_kernels()->layer_norm(x, x, m->ln0_w, m->ln0_b, width, LN_EPS);
	}
}

/* Of one token: times its row of the table, shifted by the token before, normalised. */
static void finish(struct run *run, const struct side *s, size_t position, size_t t)
{
	const struct attention_side *w = s->w;
	size_t width = w->table->cols;
	const float *up = run->attention.up + t * width, *table = run->attention.table + t * width;
	float *own = run->attention.row, *out = s->ready + position * width;

	matrix_row(w->table, (size_t)row_of(run, position)[0], own);
	for (size_t i = 0; i < width; i++) {
		float is = up[i] * (own[i] + table[i]), was = position ? s->last[i] : 0;

		out[i] = is + (was - is) * w->mix[i];
		s->last[i] = is;
	}
	linear_kernels()->layer_norm(out, out, w->ln_w, w->ln_b, width, LN_EPS);
}

/* Makes ready what is not, up to token `to`; a chunk at a time, for which there is scratch. */
static void expand(struct run *run, const struct side *s, size_t to)
{
	size_t rank = s->w->up->cols;

	for (size_t from = run->attention.expanded, n; from < to; from += n) {
		n = to - from < run->chunk_len ? to - from : run->chunk_len;
		for (size_t t = 0; t < n; t++)
			memcpy(run->low + t * rank, row_of(run, from + t) + s->at, rank * sizeof *run->low);
		pass_activated(run, s->w->up, run->attention.up, run->low, n, s->w->squashed ? pass_tanh : NULL, NULL);
		embed_again(run, from, n);
		pass_matrix(run, s->w->table_x, run->attention.table, run->attention.embedded, n);
		for (size_t t = 0; t < n; t++)
			finish(run, s, from + t, t);
	}
}

/* Keeps the chunk's numbers, then makes keys or values of all that lacks them. */
static void append_chunk(struct run *run, const struct side *s, size_t base, size_t n)
{
	size_t rank = s->w->down->rows;

	pass_matrix(run, s->w->down, run->low, run->x, n);
	for (size_t t = 0; t < n; t++)
		memcpy(row_of(run, base + t) + s->at, run->low + t * rank, rank * sizeof *run->low);
	expand(run, s, base + n);
}

/* -- queries ------------------------------------------------------------------------------ */

/* Rows 1 .. n of queries, shifted and normalised into `out` (n, Q); the state keeps the last one as it was. */
static void ask(struct run *run, const struct attention_weights *w, float *out, size_t layer, size_t tensor, size_t n)
{
	size_t q = w->query->rows;
	float *state = pass_state(run, layer, tensor), *queries = run->attention.queries;
	struct state_sums change = { 0 };

	memcpy(queries, state, q * sizeof *state);
	pass_matrix(run, w->query, queries + q, run->x, n);
	memcpy(state, queries + n * q, q * sizeof *state);
	if (run->watching) {
		wkv_kernels()->compare(&change, queries, state, q);
		pass_watch(run, layer, tensor, &change);
	}
	for (size_t t = 0; t < n; t++) {
		const float *was = queries + t * q, *is = was + q;
		float *o = out + t * q;

		for (size_t i = 0; i < q; i++)
			o[i] = is[i] + (was[i] - is[i]) * w->mix[i];
		linear_kernels()->layer_norm(o, o, w->ln_w, w->ln_b, q, LN_EPS);
	}
}

struct asking {
	const float *queries, *keys, *values;
	float *out;                  /* (n, width) */
	size_t base, n_query, width; /* base: tokens before the chunk */
};

/* Softmax over tokens 0 .. n - 1 in one pass: what was summed is scaled down whenever a score is the highest so far. */
static void read_context(const struct asking *c, const float *query, float *out, size_t n)
{
	float most = -INFINITY, sum = 0;

	memset(out, 0, c->width * sizeof *out);
	for (size_t j = 0; j < n; j++) {
		const float *value = c->values + j * c->width;
		float product = linear_kernels()->dot(query, c->keys + j * c->n_query, c->n_query);
		float score = SCORE_CAP * tanhf(product * SCORE_SCALE), weight;

		if (score > most) {
			float less = expf(most - score);

			for (size_t i = 0; i < c->width; i++)
				out[i] *= less;
			sum *= less;
			most = score;
		}
		weight = expf(score - most);
		sum += weight;
		for (size_t i = 0; i < c->width; i++)
			out[i] += weight * value[i];
	}
	for (size_t i = 0; i < c->width; i++)
		out[i] /= sum;
}

static void ask_some(void *ctx, size_t from, size_t to)
{
	const struct asking *c = ctx;

	for (size_t t = from; t < to; t++)
		read_context(c, c->queries + t * c->n_query, c->out + t * c->width, c->base + t + 1);
}

void attention(struct run *run, const struct attention_weights *w, float *out, size_t layer, size_t tensor, size_t n)
{
	struct attention *a = &run->attention;
	size_t q = w->query->rows, width = run->model->info.n_embd, base = attention_fed(run);
	size_t rank = w->key.down->rows, pair = rank + w->value.down->rows, at = 1 + layer * pair;
	struct side key = { &w->key, at, a->keys + layer * MODEL_CONTEXT_MAX * q, a->last_key + layer * q };
	struct side value = { &w->value, at + rank, a->values + layer * MODEL_CONTEXT_MAX * width,
			      a->last_value + layer * width };

	append_chunk(run, &key, base, n);
	append_chunk(run, &value, base, n);
	ask(run, w, a->up, layer, tensor, n); /* a->up is free by now */
	pass_tokens(run, n, ask_some, &(struct asking){ a->up, key.ready, value.ready, out, base, q, width });
}
