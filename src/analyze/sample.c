/* sample.c - a bottom-k sample by hash, so that it is the same for any split; Pearson over its columns, in order of
 * time. */
#include "analyze/sample.h"

#include "base/array.h"

#include <math.h>
#include <stdlib.h>

enum { CORRELATION_STEPS = 8 };

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

/* From what tells two steps apart. When, and where in its sequence, make the upper half of the lot: it decides most
 * often. */
static uint64_t upper_lot(const struct columns *c, size_t row)
{
	uint64_t h = mix(UINT64_C(0x9e3779b97f4a7c15), (uint64_t)c->time_us[row]);

	return mix(h, c->sequence_length[row] ^ (uint64_t)c->sequence[row] << 32) >> 32 << 32;
}

/* All its numbers, which go into value, make the lower half: steps with one lot are the same, and any of them may stand
 * for the others. */
static uint64_t lower_lot(const struct columns *c, size_t row, double value[METRIC_COUNT])
{
	uint64_t h = mix(UINT64_C(0x9e3779b97f4a7c15), c->have[row]);

	for (uint64_t left = c->have[row]; left; left &= left - 1) {
		const int m = __builtin_ctzll(left);
		uint64_t bits;

		value[m] = columns_value(c, row, (enum metric_id)m);
		memcpy(&bits, &value[m], sizeof bits);
		h = mix(h, bits);
	}
	return h >> 32;
}

/* The lot that sorting would put at place k, found by a byte of it after the other. */
static uint64_t lot_at(const struct sample *s, size_t k)
{
	uint64_t upper = 0;
	size_t alike = s->n, i = 0;
	int shift = 64;

	while (shift && alike > 1) {
		size_t count[256] = { 0 }, byte = 0;

		shift -= 8;
		for (size_t at = 0; at < s->n; at++)
			if (s->step[at].lot >> shift >> 8 == upper)
				count[s->step[at].lot >> shift & 255]++;
		while (k >= count[byte])
			k -= count[byte++];
		upper = upper << 8 | byte;
		alike = count[byte];
	}
	while (s->step[i].lot >> shift != upper)
		i++;
	return s->step[i].lot;
}

/* The smallest lots are those below *limit, and so many of those equal to it. */
static size_t smallest(const struct sample *s, uint64_t *limit)
{
	size_t equal = SAMPLE_STEPS;

	*limit = s->n > SAMPLE_STEPS ? lot_at(s, SAMPLE_STEPS - 1) : UINT64_MAX;
	for (size_t i = 0; i < s->n; i++)
		equal -= s->step[i].lot < *limit;
	return equal;
}

static bool stays(const struct sample_step *step, uint64_t limit, size_t *equal)
{
	return step->lot < limit || (step->lot == limit && *equal && (*equal)--);
}

static void drop_others(struct sample *s)
{
	size_t equal = smallest(s, &s->limit), n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (stays(&s->step[i], s->limit, &equal))
			s->step[n++] = s->step[i];
	s->n = n;
}

/* The place for a step of that lot; NULL: it is not among the smallest, or memory is out. */
static struct sample_step *place_of(struct sample *s, uint64_t lot)
{
	if (s->limit && lot >= s->limit)
		return NULL;
	if (s->n == SAMPLE_ROOM)
		drop_others(s);
	if (s->n == s->cap && !array_grow(&s->step, s->n, &s->cap, 64, sizeof *s->step)) {
		s->failed = true;
		return NULL;
	}
	return &s->step[s->n++];
}

static void take(struct sample *s, const struct columns *c, size_t row, uint64_t upper)
{
	double value[METRIC_COUNT];
	const uint64_t lot = upper | lower_lot(c, row, value);
	struct sample_step *step = place_of(s, lot);

	if (!step)
		return;
	step->lot = lot;
	step->time_us = c->time_us[row];
	step->have = c->have[row];
	step->sequence_length = c->sequence_length[row];
	for (uint64_t left = sample_metrics, slot = 0; left; left &= left - 1, slot++) {
		const int m = __builtin_ctzll(left);

		if (step->have >> m & 1)
			step->metric[slot] = value[m];
	}
}

void sample_add(struct sample *s, const struct columns *c, size_t from, size_t n)
{
	for (size_t row = from; row < from + n; row++) {
		uint64_t upper;

		if (c->phase[row] == PHASE_PREFILL)
			continue;
		s->seen++;
		upper = upper_lot(c, row);
		if (!s->limit || upper < s->limit)
			take(s, c, row, upper);
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
	*s = (struct sample){ .n = 0 };
}

static int slot_of(enum metric_id metric)
{
	return __builtin_popcountll(sample_metrics & (metric_bit(metric) - 1));
}

static bool column_of(const struct sample_step *s, int column, double *out)
{
	if (column == (int)M_POSITION) {
		*out = (double)s->sequence_length;
		return s->sequence_length > 0;
	}
	*out = s->metric[slot_of((enum metric_id)column)];
	return s->have >> column & 1;
}

/* The values of a pair's columns, of the steps that have both, in order of time. */
struct couple {
	double a[SAMPLE_STEPS], b[SAMPLE_STEPS];
	size_t n;
};

/* NAN when one of them is constant; else both are scaled to a mean of 0 and a sum of squares of n. */
static double pearson(struct couple *c)
{
	double mean[2] = { 0, 0 }, aa = 0, bb = 0, ab = 0, n = (double)c->n;

	for (size_t i = 0; i < c->n; i++) {
		mean[0] += c->a[i] / n;
		mean[1] += c->b[i] / n;
	}
	for (size_t i = 0; i < c->n; i++) {
		c->a[i] -= mean[0];
		c->b[i] -= mean[1];
		aa += c->a[i] * c->a[i];
		bb += c->b[i] * c->b[i];
		ab += c->a[i] * c->b[i];
	}
	if (!(aa > 1e-18 * n * mean[0] * mean[0]) || !(bb > 1e-18 * n * mean[1] * mean[1]))
		return (double)NAN;
	for (size_t i = 0; i < c->n; i++) {
		c->a[i] /= sqrt(aa / n);
		c->b[i] /= sqrt(bb / n);
	}
	return fmax(-1, fmin(1, ab / sqrt(aa * bb)));
}

static double autocorrelation(const double *x, size_t n, size_t lag)
{
	double sum = 0;

	for (size_t i = lag; i < n; i++)
		sum += x[i] * x[i - lag];
	return sum / (double)(n - lag);
}

/* Two series that both remember move together by chance: Bartlett's n / (1 + 2 sum of the products of their
 * autocorrelations), over lags 1, 2, 3, 4, 6, 9, ... with straight lines between, until the products are small. */
static double independent_steps(const struct couple *c)
{
	double sum = 0, before = 1;

	for (size_t lag = 1, from = 0; lag <= c->n / 3 && before > 0; from = lag, lag += lag < 3 ? 1 : lag / 2) {
		double product = autocorrelation(c->a, c->n, lag) * autocorrelation(c->b, c->n, lag);

		product = product > 0.02 ? product : 0;
		sum += (before + product) / 2 * (double)(lag - from) + (product - before) / 2;
		before = product;
	}
	return (double)c->n / (1 + 2 * sum);
}

/* Fisher's transformation makes r nearly normal. */
static void interval(struct correlation *c)
{
	double z = atanh(c->r), error = 1.959963984540054 / sqrt(c->independent - 3);

	c->low = c->independent > 4 ? tanh(z - error) : -1;
	c->high = c->independent > 4 ? tanh(z + error) : 1;
}

static int by_time(const void *a, const void *b)
{
	const struct sample_step *x = *(const struct sample_step *const *)a, *y = *(const struct sample_step *const *)b;

	if (x->time_us != y->time_us)
		return x->time_us < y->time_us ? -1 : 1;
	return x->lot != y->lot ? (x->lot < y->lot ? -1 : 1) : 0;
}

static int strongest(const void *a, const void *b)
{
	const struct correlation *x = a, *y = b;
	double rx = fabs(x->r), ry = fabs(y->r);

	return rx != ry ? (rx > ry ? -1 : 1) : (int)x->pair - (int)y->pair;
}

static void couple_of(struct couple *out, const struct sample_step *const *step, size_t n, const struct pair_spec *pair)
{
	out->n = 0;
	for (size_t i = 0; i < n; i++)
		out->n += column_of(step[i], pair->a, &out->a[out->n]) && column_of(step[i], pair->b, &out->b[out->n]);
}

size_t sample_correlations(const struct sample *s, struct correlation out[PAIR_COUNT])
{
	const struct sample_step **step = malloc(SAMPLE_STEPS * sizeof *step);
	struct couple *couple = malloc(sizeof *couple);
	uint64_t limit;
	size_t n = 0, steps = 0, equal = smallest(s, &limit);

	for (size_t i = 0; step && i < s->n; i++)
		if (stays(&s->step[i], limit, &equal))
			step[steps++] = &s->step[i];
	if (steps)
		qsort(step, steps, sizeof *step,
		      by_time); /* not the order of arrival, on which sums of doubles would depend */
	for (int pair = 0; step && couple && pair < PAIR_COUNT; pair++) {
		struct correlation c = { .pair = (enum pair_id)pair };

		couple_of(couple, step, steps, &pair_specs[pair]);
		c.steps = couple->n;
		if (c.steps < CORRELATION_STEPS)
			continue;
		c.r = pearson(couple);
		if (isnan(c.r))
			continue;
		c.independent = independent_steps(couple);
		interval(&c);
		out[n++] = c;
	}
	free(step);
	free(couple);
	qsort(out, n, sizeof *out, strongest);
	return n;
}
