/* norms.c - first, last, least and greatest norm per layer, by time. */
#include "analyze/norms.h"

#include <math.h>
#include <stdlib.h>

static bool grow_layers(struct norms *n, size_t layers)
{
	struct layer_norms *grown;

	layers = layers < FINDINGS_LAYERS_MAX ? layers : FINDINGS_LAYERS_MAX;
	if (layers <= n->n)
		return true;
	grown = realloc(n->layer, layers * sizeof *grown);
	n->failed |= !grown;
	if (!grown)
		return false;
	memset(grown + n->n, 0, (layers - n->n) * sizeof *grown);
	n->layer = grown;
	n->n = layers;
	return true;
}

static bool before(const struct norm_at *a, const struct norm_at *b)
{
	if (a->time_us != b->time_us)
		return a->time_us < b->time_us;
	return a->sequence_length != b->sequence_length ? a->sequence_length < b->sequence_length : a->norm < b->norm;
}

static void join(struct layer_norms *into, const struct layer_norms *from)
{
	if (!from->any)
		return;
	if (!into->any) {
		*into = *from;
		return;
	}
	into->first = before(&from->first, &into->first) ? from->first : into->first;
	into->last = before(&into->last, &from->last) ? from->last : into->last;
	into->min = fminf(into->min, from->min);
	into->max = fmaxf(into->max, from->max);
}

void norms_add(struct norms *n, const struct record *rec)
{
	if (!rec->n_layer_norm || !grow_layers(n, rec->n_layer_norm))
		return;
	for (size_t i = 0; i < n->n && i < rec->n_layer_norm; i++) {
		struct norm_at at = { rec->time_us, rec->sequence_length, rec->layer_norm[i] };

		if (isfinite(at.norm))
			join(&n->layer[i], &(struct layer_norms){ at, at, at.norm, at.norm, true });
	}
}

void norms_merge(struct norms *into, const struct norms *from)
{
	into->failed |= from->failed;
	if (!grow_layers(into, from->n))
		return;
	for (size_t i = 0; i < from->n; i++)
		join(&into->layer[i], &from->layer[i]);
}

void norms_free(struct norms *n)
{
	free(n->layer);
	*n = (struct norms){ .n = 0 };
}

struct layer_norm *norms_tell(const struct norms *n, struct arena *arena, size_t *layers)
{
	struct layer_norm *out = n->n ? arena_alloc(arena, n->n, sizeof *out) : NULL;

	*layers = out ? n->n : 0;
	for (size_t i = 0; i < *layers; i++) {
		const struct layer_norms *l = &n->layer[i];
		double nan = (double)NAN;

		out[i] = (struct layer_norm){ nan, nan, nan, nan };
		if (l->any)
			out[i] = (struct layer_norm){ (double)l->first.norm, (double)l->last.norm, (double)l->min,
						      (double)l->max };
	}
	return out;
}
