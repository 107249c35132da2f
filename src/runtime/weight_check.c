/* weight_check.c - tensors of one layer against those of the others. */
#include "runtime/weight_check.h"

#include "runtime/weight_summary.h"
#include "runtime/weights.h"
#include "stats/median.h"

#include <math.h>

enum { LAYERS_LEAST = 4, ORDER_LAYERS = 5, PROFILE_LEAST = 32 };

static const struct {
	const char *text[LANG_COUNT];
} faults[WEIGHT_FAULT_COUNT] = {
#define WEIGHT_FAULT(name, en, zh) { { en, zh } },
#include "runtime/weight_faults.def"
#undef WEIGHT_FAULT
};

static const struct relation {
	const char *name[2]; /* the second is NULL: the same tensor of the other layers */
	enum axis axis[2];
} relations[] = {
#define FITS(a, axis_a, b, axis_b) { { a, b }, { axis_a, axis_b } },
#define RECURS(a, axis_a) { { a, NULL }, { axis_a, axis_a } },
#include "runtime/weight_relations.def"
#undef FITS
#undef RECURS
};

enum { RELATIONS = sizeof relations / sizeof relations[0] };

static void tell(struct weight_findings *out, enum weight_fault fault, struct summary *s)
{
	s->faulty = true;
	if (out->n < WEIGHT_FINDINGS) {
		out->finding[out->n].fault = fault;
		printable(out->finding[out->n].name, slice_of(s->tensor->name));
	}
	out->n++;
}

/* --- one tensor ------------------------------------------------------------------------------ */

/* The same tensor of the other layers. */
struct others {
	size_t n;
	double size[2], spread_least, tails_most, zeros_most; /* least and most */
};

/* RWKV-7 mixes values from the second layer on: the first layer's tensors with these names are not used. */
static bool unused(const char *kind, size_t layer)
{
	return !layer && !strncmp(kind, "att.v", 5) && kind[5] >= '0' && kind[5] <= '2' && !kind[6];
}

static struct others others_of(const struct weight_table *t, size_t kind, size_t layer)
{
	struct others o = { .size = { INFINITY, -INFINITY }, .spread_least = INFINITY };

	for (size_t l = 0; l < t->n_layer; l++) {
		const struct summary *s = summary_of(t, kind, l);

		if (l == layer || !s->tensor || unused(t->kind[kind], l))
			continue;
		o.n++;
		o.size[0] = fmin(o.size[0], s->size);
		o.size[1] = fmax(o.size[1], s->size);
		o.spread_least = fmin(o.spread_least, s->spread / (fabs(s->mean) + 1e-30));
		o.tails_most = fmax(o.tails_most, s->tails);
		o.zeros_most = fmax(o.zeros_most, s->zero_share);
	}
	return o;
}

/* Tolerances in bits beyond the other layers: biases are mostly noise, and the first and last layers differ from the
 * rest. */
static double size_limit(const struct weight_table *t, size_t kind, size_t layer)
{
	static const char *const loose[] = { "bias", "time_first", "time_faaaa", "r_k", "time_state" };

	for (size_t i = 0; i < sizeof loose / sizeof loose[0]; i++)
		if (strstr(t->kind[kind], loose[i]))
			return 5;
	return !layer || layer == t->n_layer - 1 ? 4 : 2.75;
}

static enum weight_fault fault_of(const struct weight_table *t, size_t kind, size_t layer)
{
	const struct summary *s = summary_of(t, kind, layer);
	struct others o = others_of(t, kind, layer);
	double limit = size_limit(t, kind, layer);

	if (o.n < LAYERS_LEAST - 1 || unused(t->kind[kind], layer))
		return WEIGHT_FAULT_COUNT;
	if (isinf(s->size))
		return isinf(o.size[0]) ? WEIGHT_FAULT_COUNT : WEIGHT_ZERO;
	if (!s->matrix && s->spread <= 1e-6 * fabs(s->mean) && o.spread_least > 1e-3)
		return WEIGHT_CONSTANT;
	if (s->zero_share >= 0.1 && o.zeros_most < 0.02)
		return WEIGHT_ZERO_ROWS;
	if (isfinite(o.size[0]) && (s->size > o.size[1] + limit || s->size < o.size[0] - limit))
		return WEIGHT_SIZE;
	if (s->matrix && s->tails > 40 && s->tails > 8 * o.tails_most)
		return WEIGHT_TAILS;
	return WEIGHT_FAULT_COUNT;
}

/* If a layer differs in many of its tensors, the whole layer is different, and no single tensor is damaged. */
static void look_at_layer(struct weight_findings *out, const struct weight_table *t, size_t layer)
{
	enum weight_fault fault[KINDS_MAX];
	size_t sizes = 0;

	for (size_t k = 0; k < t->n_kind; k++) {
		fault[k] = summary_of(t, k, layer)->tensor ? fault_of(t, k, layer) : WEIGHT_FAULT_COUNT;
		sizes += fault[k] == WEIGHT_SIZE || fault[k] == WEIGHT_TAILS;
	}
	for (size_t k = 0; k < t->n_kind; k++)
		if (fault[k] != WEIGHT_FAULT_COUNT &&
		    (sizes < 5 || (fault[k] != WEIGHT_SIZE && fault[k] != WEIGHT_TAILS)))
			tell(out, fault[k], summary_of(t, k, layer));
}

/* For a tensor without a counterpart in other layers, checks only for values that no model has. */
static void look_at_rest(struct weight_findings *out, const struct weight_table *t)
{
	struct summary *s[] = { t->emb, t->head };

	for (int i = 0; i < 2; i++) {
		if (!s[i]->tensor)
			continue;
		if (isinf(s[i]->size))
			tell(out, WEIGHT_ZERO, s[i]);
		else if (s[i]->zero_share >= 0.2)
			tell(out, WEIGHT_ZERO_ROWS, s[i]);
		else if (s[i]->size > 5 + (i ? 1 : 0)) /* logits of thousands; the embedding is normalised */
			tell(out, WEIGHT_SIZE, s[i]);
	}
}

static void look_at_few_values(struct weight_findings *out, const struct weight_table *t)
{
	for (size_t i = 0; i < t->n_kind * t->n_layer + 2; i++) /* emb and head stand behind them */
		if (t->of[i].tensor && t->of[i].matrix && t->of[i].n[0] * t->of[i].n[1] >= 4096 && !t->of[i].faulty &&
		    t->of[i].distinct > 1 && t->of[i].distinct < DISTINCT_MAX)
			tell(out, WEIGHT_FEW_VALUES, &t->of[i]);
}

/* --- the order of the layers ------------------------------------------------------------------- */

/* Many numbers rise or fall steadily with depth, by their initial values and by training. */
struct features {
	size_t n;
	double of[2 * KINDS_MAX][LAYERS_MAX];
};

static double steps(const double *f, size_t n)
{
	double sum = 0;

	for (size_t i = 1; i < n; i++)
		sum += (f[i] - f[i - 1]) * (f[i] - f[i - 1]);
	return sum;
}

static double variance(const double *f, size_t n)
{
	double sum = 0, square = 0;

	for (size_t i = 0; i < n; i++) {
		sum += f[i];
		square += f[i] * f[i];
	}
	return square / (double)n - sum / (double)n * sum / (double)n;
}

static void gather(struct features *out, const struct weight_table *t)
{
	for (size_t k = 0; k < t->n_kind; k++) {
		double *size = out->of[out->n], *mean = out->of[out->n + 1];
		bool whole = !unused(t->kind[k], 0);

		for (size_t l = 0; l < t->n_layer; l++) {
			const struct summary *s = summary_of(t, k, l);

			whole = whole && s->tensor && isfinite(s->size) && !s->faulty;
			size[l] = s->size;
			mean[l] = s->mean;
		}
		if (whole && variance(size, t->n_layer) > 1e-12)
			out->n++;
		else if (whole)
			memcpy(size, mean, sizeof out->of[0]);
		if (whole && !summary_of(t, k, 0)->matrix && variance(mean, t->n_layer) > 1e-18)
			out->n++;
	}
}

static void swap(double *f, size_t i, size_t j)
{
	double was = f[i];

	f[i] = f[j];
	f[j] = was;
}

struct exchange {
	double gain;
	int better, worse; /* features */
	size_t layer[2];
};

static struct exchange try_exchange(struct features *f, size_t n_layer, size_t i, size_t j)
{
	struct exchange e = { .layer = { i, j } };

	for (size_t k = 0; k < f->n; k++) {
		double before = steps(f->of[k], n_layer), after, gain, rough;

		swap(f->of[k], i, j);
		after = steps(f->of[k], n_layer);
		rough = after / (2 * (double)(n_layer - 1) * variance(f->of[k], n_layer));
		swap(f->of[k], i, j);
		gain = log(before / after);
		e.better += gain > 0.15 && rough < 0.45;
		e.worse += gain < -0.15;
		e.gain += fmin(fmax(gain, -1), 1) / (double)f->n;
	}
	return e;
}

static void look_at_order(struct weight_findings *out, const struct weight_table *t, struct features *f)
{
	struct exchange best = { .gain = 0 };

	f->n = 0;
	gather(f, t);
	for (size_t i = 0; i < t->n_layer; i++)
		for (size_t j = i + 1; j < t->n_layer; j++) {
			struct exchange e = try_exchange(f, t->n_layer, i, j);

			if (e.gain > best.gain)
				best = e;
		}
	if (best.gain < 0.08 || best.better < 6 || best.better - 2 * best.worse < 0.1 * (double)f->n)
		return;
	if (out->n < WEIGHT_FINDINGS) {
		out->finding[out->n].fault = WEIGHT_EXCHANGED;
		snprintf(out->finding[out->n].name, PRINTABLE_BYTES, "blocks.%zu, blocks.%zu", best.layer[0],
			 best.layer[1]);
	}
	out->n++;
}

/* --- relations within a layer ------------------------------------------------------------------- */

/* Fisher's z of the correlation: a standard normal value when there is none. */
static double correlation(const float *a, const float *b, size_t n)
{
	double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0, r;

	for (size_t i = 0; i < n; i++) {
		sa += (double)a[i];
		sb += (double)b[i];
	}
	for (size_t i = 0; i < n; i++) {
		double x = (double)a[i] - sa / (double)n, y = (double)b[i] - sb / (double)n;

		aa += x * x;
		bb += y * y;
		ab += x * y;
	}
	r = aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
	return atanh(fmin(fmax(r, -0.999999), 0.999999)) * sqrt((double)n - 3);
}

/* NAN: these two cannot be compared. */
static double relate(const struct summary *a, enum axis axis_a, const struct summary *b, enum axis axis_b)
{
	size_t n = profile_length(a, axis_a);

	if (n < PROFILE_LEAST || n != profile_length(b, axis_b))
		return NAN;
	return correlation(a->profile[axis_a], b->profile[axis_b], n);
}

/* How strongly the relation holds in a layer. */
static double strength(const struct weight_table *t, const struct relation *r, size_t layer)
{
	size_t a = weight_kind_of(t, r->name[0]), b = r->name[1] ? weight_kind_of(t, r->name[1]) : a, n = 0;
	double z[LAYERS_MAX];

	if (a == KINDS_MAX || b == KINDS_MAX)
		return NAN;
	if (r->name[1])
		return relate(summary_of(t, a, layer), r->axis[0], summary_of(t, b, layer), r->axis[1]);
	for (size_t l = 0; l < t->n_layer; l++) {
		double one =
			l == layer ? NAN : relate(summary_of(t, a, layer), r->axis[0], summary_of(t, a, l), r->axis[0]);

		if (!isnan(one))
			z[n++] = one;
	}
	return n ? median_sort(z, n) : NAN;
}

/* How far a relation is from its value in the other layers, in units of their spread; NAN: it does not hold there. */
struct broken {
	double by, share; /* share of the weakest of the others */
	bool alone;       /* is evidence by itself */
};

static struct broken compare(const double *z, size_t n, size_t layer)
{
	double other[LAYERS_MAX], sum = 0, square = 0, typical, sign, spread;
	struct broken out = { .by = NAN };
	size_t m = 0;

	for (size_t l = 0; l < n; l++)
		if (l != layer && !isnan(z[l]))
			other[m++] = z[l];
	if (isnan(z[layer]) || m + 2 < n || m < LAYERS_LEAST - 1)
		return out;
	typical = median_sort(other, m);
	sign = typical < 0 ? -1 : 1;
	typical *= sign;
	if (sign * other[sign < 0 ? m - 1 : 0] < 2.5)
		return out;
	for (size_t i = 0; i < m; i++) {
		sum += other[i];
		square += other[i] * other[i];
	}
	spread = 1.2 * sqrt(fmax(square / (double)m - sum / (double)m * sum / (double)m, 0));
	spread = fmax(fmin(spread, 0.25 * typical), 1.5);
	out.by = (typical - sign * z[layer]) / spread;
	out.share = sign * z[layer] / (sign * other[sign < 0 ? m - 1 : 0]);
	out.alone = out.by > 5 || (typical > 12 && sign * other[sign < 0 ? m - 1 : 0] > 9 && out.share < 0.2);
	return out;
}

static bool concerns(const struct relation *r, const char *kind)
{
	return !strcmp(r->name[0], kind) || (r->name[1] && !strcmp(r->name[1], kind));
}

/* Combines the evidence about one tensor of a layer into one standard value; 0: nothing is wrong. */
static double misfit(const struct broken *b, const char *kind)
{
	double sum = 0, least = 1;
	bool alone = false;
	int n = 0;

	for (size_t r = 0; r < RELATIONS; r++)
		if (!isnan(b[r].by) && concerns(&relations[r], kind)) {
			sum += b[r].by;
			least = fmin(least, b[r].share);
			alone = alone || b[r].alone;
			n++;
		}
	if (!n || least > 0.4 || (n == 1 && !alone))
		return 0;
	return sum / sqrt(n);
}

static void look_at_relations(struct weight_findings *out, const struct weight_table *t, size_t layer,
			      double z[RELATIONS][LAYERS_MAX])
{
	struct broken b[RELATIONS];

	for (size_t r = 0; r < RELATIONS; r++)
		b[r] = compare(z[r], t->n_layer, layer);
	for (;;) {
		size_t worst = KINDS_MAX;
		double most = 3.5;

		for (size_t k = 0; k < t->n_kind; k++) {
			double by = misfit(b, t->kind[k]);

			if (by > most && !summary_of(t, k, layer)->faulty) {
				most = by;
				worst = k;
			}
		}
		if (worst == KINDS_MAX)
			return;
		tell(out, WEIGHT_MISFIT, summary_of(t, worst, layer));
		for (size_t r = 0; r < RELATIONS; r++)
			if (concerns(&relations[r], t->kind[worst]))
				b[r].by = NAN;
	}
}

struct work {
	struct features features;
	double z[RELATIONS][LAYERS_MAX];
};

/* A reported tensor already explains the relations it takes part in. */
static void measure_relations(struct work *w, const struct weight_table *t)
{
	for (size_t r = 0; r < RELATIONS; r++)
		for (size_t l = 0; l < t->n_layer; l++) {
			w->z[r][l] = strength(t, &relations[r], l);
			for (size_t k = 0; k < t->n_kind; k++)
				if (summary_of(t, k, l)->faulty && concerns(&relations[r], t->kind[k]))
					w->z[r][l] = NAN;
		}
}

int weight_check(struct weight_findings *out, const struct tensor_file *f, struct err *err)
{
	struct arena a = { 0 };
	struct work *w = arena_alloc(&a, 1, sizeof *w);
	struct weight_table t;
	int rc = w ? weight_table_fill(&t, f, &a, err)
		   : err_set(err, ERR_NOMEM, "%s: no memory to look at it", f->label);

	*out = (struct weight_findings){ 0 };
	if (!rc) {
		for (size_t l = 0; l < t.n_layer && t.n_layer >= LAYERS_LEAST; l++)
			look_at_layer(out, &t, l);
		look_at_rest(out, &t);
		look_at_few_values(out, &t);
		if (t.n_layer >= ORDER_LAYERS)
			look_at_order(out, &t, &w->features);
		measure_relations(w, &t);
		for (size_t l = 0; l < t.n_layer && t.n_layer >= LAYERS_LEAST; l++)
			look_at_relations(out, &t, l, w->z);
	}
	arena_free(&a);
	return rc;
}

int weight_check_model(struct weight_findings *out, const struct model *m, struct err *err)
{
	return weight_check(out, m->file, err);
}

const char *weight_finding_text(char out[WEIGHT_TEXT], const struct weight_finding *f, enum lang lang)
{
	snprintf(out, WEIGHT_TEXT, "%s%s%s", f->name, lang == LANG_ZH ? "：" : ": ", faults[f->fault].text[lang]);
	return out;
}
