/* decay.c - reads the weights of the decay alone, and computes it. Source of the formulas: BlinkDL's ChatRWKV. */
#include "runtime/decay.h"

#include "base/arena.h"
#include "runtime/tensor_file.h"
#include "simd/linear.h"
#include "stats/select.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIXES = 5, NAME_BYTES = 64 }; /* time_maa_w1 serves five vectors, the decay's first */

/* y = x W, W (in, out), in the type of the file. */
struct factor {
	void *p; /* rows of `out` */
	enum weight_type type;
	size_t in, out;
};

struct decay_layer {
	float *fixed;                 /* (channels): w itself, in RWKV-4 and 5 */
	float *first;                 /* (width): time_maa_x; RWKV-6 */
	struct factor rank_1, rank_2; /* what the mix gains by the token; RWKV-6 */
	float *mix, *bias;
	struct factor down, up;
};

struct decays {
	struct arena arena;
	size_t n_layer, channels, width;
	int version; /* 4, 6, 7; 5 counts as 4 */
	struct decay_layer *layer;
	float *mixed, *low; /* (width), (largest rank) */
};

const char *const half_life_metrics[HALF_LIVES] = { "decay_half_life_p5", "decay_half_life_tokens",
						    "decay_half_life_p95" };

/* --- reading ----------------------------------------------------------------------------------------- */

struct reading {
	const struct tensor_file *f;
	struct decays *d;
	size_t at; /* layer */
	struct err *err;
};

static bool is_wanted(const char *name)
{
	static const char *const tails[] = {
		"time_decay",  "time_decay_w1", "time_decay_w2", "time_maa_x", "time_maa_w", "time_maa_w1",
		"time_maa_w2", "ln_x.weight",   "x_rwkvag",      "x_w",        "w0",         "w1",
		"w2",
	};
	const char *tail = strstr(name, ".att.");

	for (size_t i = 0; tail && i < sizeof tails / sizeof *tails; i++)
		if (!strcmp(tail + 5, tails[i]))
			return true;
	return false;
}

static const struct tensor *find(const struct reading *r, const char *tail)
{
	char name[NAME_BYTES];

	snprintf(name, sizeof name, "blocks.%zu.att.%s", r->at, tail);
	return tensor_find(r->f, name);
}

static int no_memory(const struct reading *r)
{
	return err_set(r->err, ERR_NOMEM, "%s: no memory for the decay's weights", r->f->label);
}

static int refuse(const struct reading *r, const char *tail)
{
	return err_set(r->err, ERR_SHAPE,
		       "%s: blocks.%zu.att.%s is missing or has another shape than the model's others", r->f->label,
		       r->at, tail);
}

/* A vector of `count` floats; 0: of any length. */
static int read_vector(const struct reading *r, const char *tail, size_t count, float **out)
{
	const struct tensor *t = find(r, tail);

	if (!t || !t->count || (count && t->count != count))
		return refuse(r, tail);
	*out = arena_alloc(&r->d->arena, t->count, sizeof **out);
	for (uint64_t i = 0; *out && i < t->count; i++)
		(*out)[i] = tensor_element(t, i);
	return *out ? 0 : no_memory(r);
}

static bool type_of(enum dtype dtype, enum weight_type *type)
{
	*type = dtype == DTYPE_F16 ? WEIGHT_F16 : dtype == DTYPE_BF16 ? WEIGHT_BF16 : WEIGHT_F32;
	return dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_F32;
}

/* The last two dimensions, of the first of several matrices; `out`: columns, 0: all there are. Of `parts` matrices side
 * by side, the first. */
static int read_factor(const struct reading *r, const char *tail, size_t in, size_t out, size_t parts, struct factor *f)
{
	const struct tensor *t = find(r, tail);
	int last = t ? t->n_dims - 1 : 0;
	size_t bytes;

	if (!t || last < 1 || !t->count || !type_of(t->dtype, &f->type) || (in && t->shape[last - 1] != in) ||
	    (out && t->shape[last] != parts * out))
		return refuse(r, tail);
	f->in = t->shape[last - 1];
	f->out = out ? out : t->shape[last];
	bytes = dtype_specs[t->dtype].bytes;
	f->p = arena_alloc(&r->d->arena, f->in * f->out, bytes);
	for (size_t row = 0; f->p && row < f->in; row++)
		for (size_t k = 0; k < f->out; k++)
			memcpy((char *)f->p + (row * f->out + k) * bytes,
			       t->data + (row * t->stride[last - 1] + k * t->stride[last]) * bytes, bytes);
	return f->p ? 0 : no_memory(r);
}

/* RWKV-4 and 5: exp(-exp(time_decay)), of a channel or of all channels of a head. */
static int read_fixed(const struct reading *r, struct decay_layer *l)
{
	const struct tensor *t = find(r, "time_decay"), *norm = find(r, "ln_x.weight");
	size_t channels = norm ? norm->count : t->count;

	if (!t->count || channels % t->count || (r->at && channels != r->d->channels))
		return refuse(r, "time_decay");
	r->d->channels = channels;
	l->fixed = arena_alloc(&r->d->arena, channels, sizeof *l->fixed);
	for (size_t i = 0; l->fixed && i < channels; i++)
		l->fixed[i] = expf(-expf(tensor_element(t, i / (channels / t->count))));
	return l->fixed ? 0 : no_memory(r);
}

static int read_v6(const struct reading *r, struct decay_layer *l)
{
	const struct tensor *ranks = find(r, "time_maa_w1");
	size_t rank = ranks && ranks->n_dims == 2 ? ranks->shape[1] / MIXES : 0;
	int rc = read_vector(r, "time_maa_w", r->at ? r->d->width : 0, &l->mix);

	if (rc)
		return rc;
	r->d->width = find(r, "time_maa_w")->count;
	rc = read_vector(r, "time_maa_x", r->d->width, &l->first);
	if (!rc && !rank)
		rc = refuse(r, "time_maa_w1");
	if (!rc)
		rc = read_factor(r, "time_maa_w1", r->d->width, rank, MIXES, &l->rank_1);
	if (!rc)
		rc = read_factor(r, "time_maa_w2", rank, r->d->width, 1, &l->rank_2);
	if (!rc)
		rc = read_vector(r, "time_decay", r->at ? r->d->channels : 0, &l->bias);
	if (rc)
		return rc;
	r->d->channels = find(r, "time_decay")->count;
	rc = read_factor(r, "time_decay_w1", r->d->width, 0, 1, &l->down);
	return rc ? rc : read_factor(r, "time_decay_w2", l->down.out, r->d->channels, 1, &l->up);
}

static int read_v7(const struct reading *r, struct decay_layer *l)
{
	int rc = read_vector(r, "x_w", r->at ? r->d->width : 0, &l->mix);

	if (!rc)
		rc = read_vector(r, "w0", r->at ? r->d->channels : 0, &l->bias);
	if (rc)
		return rc;
	r->d->width = find(r, "x_w")->count;
	r->d->channels = find(r, "w0")->count;
	rc = read_factor(r, "w1", r->d->width, 0, 1, &l->down);
	return rc ? rc : read_factor(r, "w2", l->down.out, r->d->channels, 1, &l->up);
}

/* How many layers there are, and which version they are of. */
static int look_at_layers(struct reading *r)
{
	struct decays *d = r->d;

	d->version = find(r, "w1") ? 7 : find(r, "time_maa_w1") ? 6 : 4;
	while (find(r, d->version == 7 ? "w1" : "time_decay"))
		r->at++;
	d->n_layer = r->at;
	if (!d->n_layer)
		return err_set(r->err, ERR_UNSUPPORTED, "%s: holds no tensors of an RWKV model", r->f->label);
	d->layer = arena_alloc(&d->arena, d->n_layer, sizeof *d->layer);
	return d->layer ? 0 : no_memory(r);
}

static int read_layers(struct reading *r)
{
	struct decays *d = r->d;
	size_t rank = 1;
	int rc = look_at_layers(r);

	for (r->at = 0; !rc && r->at < d->n_layer; r->at++) {
		struct decay_layer *l = &d->layer[r->at];

		rc = d->version == 7 ? read_v7(r, l) : d->version == 6 ? read_v6(r, l) : read_fixed(r, l);
		rank = l->rank_1.out > rank ? l->rank_1.out : rank;
		rank = l->down.out > rank ? l->down.out : rank;
	}
	if (rc || decays_are_fixed(d))
		return rc;
	d->mixed = arena_alloc(&d->arena, d->width, sizeof *d->mixed);
	d->low = arena_alloc(&d->arena, rank, sizeof *d->low);
	return d->mixed && d->low ? 0 : no_memory(r);
}

int decays_open(struct decays **out, const char *path, struct err *err)
{
	struct decays *d = calloc(1, sizeof *d);
	struct tensor_file *f = NULL;
	int rc = d ? tensor_file_open_part(&f, path, is_wanted, err)
		   : err_set(err, ERR_NOMEM, "%s: no memory for the decay's weights", path);

	*out = NULL;
	if (!rc)
		rc = read_layers(&(struct reading){ f, d, 0, err });
	tensor_file_close(f);
	if (rc)
		decays_close(d);
	else
		*out = d;
	return rc;
}

void decays_close(struct decays *d)
{
	if (d)
		arena_free(&d->arena);
	free(d);
}

size_t decays_layers(const struct decays *d)
{
	return d->n_layer;
}

size_t decays_channels(const struct decays *d)
{
	return d->channels;
}

size_t decays_width(const struct decays *d)
{
	return d->width;
}

bool decays_are_fixed(const struct decays *d)
{
	return d->version == 4;
}

/* --- computing --------------------------------------------------------------------------------------- */

static void multiply(float *y, const float *x, const struct factor *f)
{
	linear_kernels()->by_columns[f->type](&(struct linear_args){
		.y = y, .w = f->p, .x = x, .w_stride = f->out, .rows = f->out, .cols = f->in, .n = 1 });
}

static void tanh_all(float *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i] = tanhf(v[i]);
}

/* d->mixed: is + (was - is) share; `more` (NULL: none) is added to the share, and may be d->mixed. */
static void mix(struct decays *d, const float *was, const float *is, const float *share, const float *more)
{
	for (size_t i = 0; i < d->width; i++)
		d->mixed[i] = is[i] + (was[i] - is[i]) * (share[i] + (more ? more[i] : 0));
}

/* (0, 1) of what the low ranks and the bias sum up to. */
static float decay_of(const struct decays *d, float sum)
{
	return d->version == 7 ? expf(-0.606531F / (1 + expf(-sum))) : expf(-expf(sum));
}

static void layer_now(struct decays *d, const struct decay_layer *l, const float *was, const float *is, float *w)
{
	if (l->fixed) {
		memcpy(w, l->fixed, d->channels * sizeof *w);
		return;
	}
	if (l->first) {
		mix(d, was, is, l->first, NULL);
		multiply(d->low, d->mixed, &l->rank_1);
		tanh_all(d->low, l->rank_1.out);
		multiply(d->mixed, d->low, &l->rank_2);
	}
	mix(d, was, is, l->mix, l->first ? d->mixed : NULL);
	multiply(d->low, d->mixed, &l->down);
	tanh_all(d->low, l->down.out);
	multiply(w, d->low, &l->up);
	for (size_t i = 0; i < d->channels; i++)
		w[i] = decay_of(d, l->bias[i] + w[i]);
}

void decays_now(struct decays *d, const float *was, const float *is, float *w)
{
	for (size_t i = 0; i < d->n_layer; i++) {
		size_t at = decays_are_fixed(d) ? 0 : i * d->width;

		layer_now(d, &d->layer[i], was ? was + at : NULL, is ? is + at : NULL, w + i * d->channels);
	}
}

static double half_life(float w)
{
	return w > 0 && w < 1 ? -0.6931471805599453 / log((double)w) : (double)NAN;
}

bool half_lives_of(float *w, size_t n, double out[HALF_LIVES])
{
	static const size_t percent[HALF_LIVES] = { 5, 50, 95 };

	for (size_t i = 0; i < n; i++)
		if (!isfinite(w[i]))
			return false;
	for (size_t i = 0; i < HALF_LIVES; i++)
		out[i] = half_life(select_kth(w, n, (n - 1) * percent[i] / 100));
	return true;
}
