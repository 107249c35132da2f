#include "analyze/sample.h"

#include <math.h>
#include <stdlib.h>

enum { CORRELATION_STEPS = 8 };

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

static uint64_t bits_of(const struct columns *c, size_t row, int metric)
{
	double value = columns_value(c, row, (enum metric_id)metric);
	uint64_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

/* From what tells two steps apart. When, and where in its sequence, make the upper half of the lot: it decides most often. */
static uint64_t upper_lot(const struct columns *c, size_t row)
{
	uint64_t h = mix(UINT64_C(0x9e3779b97f4a7c15), (uint64_t)c->time_us[row]);

	return mix(h, c->sequence_length[row] ^ (uint64_t)c->sequence[row] << 32) >> 32 << 32;
}

/* The first number and the last make the lower half. */
static uint64_t lower_lot(const struct columns *c, size_t row)
{
	uint64_t have = c->have[row], h;

	if (!have)
		return 0;
	h = mix(UINT64_C(0x9e3779b97f4a7c15), bits_of(c, row, __builtin_ctzll(have)));
	return mix(h, bits_of(c, row, 63 - __builtin_clzll(have))) >> 32;
}

static void swap(struct sample_lot *a, struct sample_lot *b)
{
	struct sample_lot other = *a;

	*a = *b;
	*b = other;
}

static void rise(struct sample_lot *heap, size_t at)
{
	for (size_t up; at && heap[up = (at - 1) / 2].lot < heap[at].lot; at = up)
		swap(&heap[up], &heap[at]);
}

static void sink(struct sample_lot *heap, size_t n)
{
	size_t at = 0, down;

	while ((down = 2 * at + 1) < n) {
		down += down + 1 < n && heap[down + 1].lot > heap[down].lot;
		if (heap[down].lot <= heap[at].lot)
			return;
		swap(&heap[down], &heap[at]);
		at = down;
	}
}

static bool grow(struct sample *s)
{
	size_t cap = s->cap ? 2 * s->cap : 64;
	struct sample_step *step = realloc(s->step, cap * sizeof *step);
	struct sample_lot *heap;

	s->step = step ? step : s->step;
	heap = step ? realloc(s->heap, cap * sizeof *heap) : NULL;
	s->heap = heap ? heap : s->heap;
	s->failed |= !heap;
	s->cap = heap ? cap : s->cap;
	return heap;
}

/* The place for a step of that lot; NULL when it is not among the smallest. */
static struct sample_step *place_of(struct sample *s, uint64_t lot)
{
	size_t at = s->n;

	if (s->n == SAMPLE_STEPS) {
		if (lot >= s->heap[0].lot)
			return NULL;
		at = s->heap[0].step;
		s->heap[0].lot = lot;
		sink(s->heap, s->n);
		return &s->step[at];
	}
	if (s->n == s->cap && !grow(s))
		return NULL;
	s->heap[at] = (struct sample_lot){ lot, at };
	rise(s->heap, s->n++);
	return &s->step[at];
}

static void take(struct sample *s, const struct columns *c, size_t row, uint64_t lot)
{
	struct sample_step *step = place_of(s, lot);

	if (!step)
		return;
	*step = (struct sample_step){ .lot = lot, .have = c->have[row], .sequence_length = c->sequence_length[row] };
	for (uint64_t have = step->have; have; have &= have - 1) {
		int m = __builtin_ctzll(have);

		step->metric[m] = columns_value(c, row, (enum metric_id)m);
	}
}

void sample_add(struct sample *s, const struct columns *c, size_t from, size_t n)
{
	for (size_t row = from; row < from + n; row++) {
		uint64_t lot;

		if (c->phase[row] == PHASE_PREFILL)
			continue;
		s->seen++;
		lot = upper_lot(c, row);
		if (s->n < SAMPLE_STEPS || lot <= s->heap[0].lot)
			take(s, c, row, lot | lower_lot(c, row));
	}
}

void sample_merge(struct sample *into, const struct sample *from)
{
	into->failed |= from->failed;
	into->seen += from->seen;
	for (size_t i = 0; i < from->n; i++) {
		struct sample_step *step = place_of(into, from->step[i].lot);

		if (step)
			*step = from->step[i];
	}
}

void sample_free(struct sample *s)
{
	free(s->step);
	free(s->heap);
	*s = (struct sample){ .n = 0 };
}

static bool column_of(const struct sample_step *s, int column, double *out)
{
	if (column == (int)M_POSITION) {
		*out = (double)s->sequence_length;
		return s->sequence_length > 0;
	}
	*out = s->metric[column];
	return s->have >> column & 1;
}

/* Steps that have both columns, and their means. */
static size_t means_of(const struct sample *s, const struct pair_spec *pair, double mean[2])
{
	size_t n = 0;
	double a, b;

	mean[0] = mean[1] = 0;
	for (size_t i = 0; i < s->n; i++)
		if (column_of(&s->step[i], pair->a, &a) && column_of(&s->step[i], pair->b, &b)) {
			mean[0] += a;
			mean[1] += b;
			n++;
		}
	mean[0] /= (double)n;
	mean[1] /= (double)n;
	return n;
}

/* NAN when one of them is constant. */
static double pearson(const struct sample *s, const struct pair_spec *pair, const double mean[2])
{
	double aa = 0, bb = 0, ab = 0, a, b;

	for (size_t i = 0; i < s->n; i++)
		if (column_of(&s->step[i], pair->a, &a) && column_of(&s->step[i], pair->b, &b)) {
			a -= mean[0];
			b -= mean[1];
			aa += a * a;
			bb += b * b;
			ab += a * b;
		}
	if (!(aa > 1e-18 * (double)s->n * mean[0] * mean[0]) || !(bb > 1e-18 * (double)s->n * mean[1] * mean[1]))
		return (double)NAN;
	return fmax(-1, fmin(1, ab / sqrt(aa * bb)));
}

/* Fisher's transformation makes r nearly normal. */
static void interval(struct correlation *c)
{
	double z = atanh(c->r), error = 1.959963984540054 / sqrt((double)c->steps - 3);

	c->low = tanh(z - error);
	c->high = tanh(z + error);
}

static int by_lot(const void *a, const void *b)
{
	const struct sample_step *x = a, *y = b;

	return x->lot != y->lot ? (x->lot < y->lot ? -1 : 1) : 0;
}

static int strongest(const void *a, const void *b)
{
	const struct correlation *x = a, *y = b;
	double rx = fabs(x->r), ry = fabs(y->r);

	return rx != ry ? (rx > ry ? -1 : 1) : (int)x->pair - (int)y->pair;
}

size_t sample_correlations(const struct sample *s, struct correlation out[PAIR_COUNT])
{
	struct sample_step *step = malloc((s->n + 1) * sizeof *step);
	struct sample sorted = { .step = step, .n = step ? s->n : 0 };
	size_t n = 0;

	if (sorted.n) { /* sums of doubles depend on their order: it must not be that of arrival */
		memcpy(step, s->step, s->n * sizeof *step);
		qsort(step, s->n, sizeof *step, by_lot);
	}
	for (int pair = 0; pair < PAIR_COUNT; pair++) {
		double mean[2];
		struct correlation c = { .pair = (enum pair_id)pair,
					 .steps = means_of(&sorted, &pair_specs[pair], mean) };

		if (c.steps < CORRELATION_STEPS)
			continue;
		c.r = pearson(&sorted, &pair_specs[pair], mean);
		if (isnan(c.r))
			continue;
		interval(&c);
		out[n++] = c;
	}
	free(step);
	qsort(out, n, sizeof *out, strongest);
	return n;
}
