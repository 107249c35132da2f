#include "stats/counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_FIRST = 64 };
static const int64_t STEP_MOST = 1000000;

static int64_t step_of(int64_t v)
{
	int64_t step = 1;

	if (!v)
		return STEP_MOST;
	while (step < STEP_MOST && v % (10 * step) == 0)
		step *= 10;
	return step;
}

/* Room for low..high (in steps), in a window whose size is a power of two. */
static bool make_room(struct counts *c, int64_t low, int64_t high)
{
	size_t cap = c->cap ? c->cap : CAP_FIRST;
	int64_t base;
	uint32_t *bin;

	if (high - low >= COUNTS_BINS)
		return false;
	if (c->cap && low >= c->base && high - c->base < (int64_t)c->cap)
		return true;
	while ((int64_t)cap <= high - low)
		cap *= 2;
	base = low - ((int64_t)cap - (high - low + 1)) / 2;
	bin = calloc(cap, sizeof *bin);
	if (!bin) {
		c->failed = true;
		return false;
	}
	for (int64_t i = c->low; c->n && i <= c->high; i++)
		bin[i - base] = c->bin[i - c->base];
	free(c->bin);
	c->bin = bin;
	c->cap = cap;
	c->base = base;
	return true;
}

/* The same numbers in smaller steps. */
static bool refine(struct counts *c, int64_t step)
{
	int64_t times = c->step / step;
	struct counts fine = { .step = step, .low = c->low * times, .high = c->high * times };

	if (!make_room(&fine, fine.low, fine.high)) {
		c->failed |= fine.failed;
		return false;
	}
	for (int64_t i = c->low; i <= c->high; i++)
		fine.bin[i * times - fine.base] = c->bin[i - c->base];
	fine.n = c->n;
	free(c->bin);
	*c = fine;
	return true;
}

bool counts_add_times(struct counts *c, int64_t v, uint32_t times)
{
	int64_t i;

	if (!c->n)
		c->step = step_of(v);
	while (v % c->step)
		if (!refine(c, c->step / 10))
			return false;
	i = v / c->step;
	if (!make_room(c, c->n && c->low < i ? c->low : i, c->n && c->high > i ? c->high : i) ||
	    times > UINT32_MAX - c->bin[i - c->base])
		return false;
	c->low = c->n && c->low < i ? c->low : i;
	c->high = c->n && c->high > i ? c->high : i;
	c->bin[i - c->base] += times;
	c->n += times;
	return true;
}

/* Those that need neither another step nor another window: how many of them. */
static size_t add_known(struct counts *c, const int64_t *v, size_t n)
{
	const double per_step = 1.0 / (double)c->step;
	const uint64_t span = (uint64_t)(c->high - c->low);
	uint32_t *bin = c->bin + (c->low - c->base);
	size_t k = 0;

	if (c->step == 1)
		for (; k < n && (uint64_t)(v[k] - c->low) <= span && bin[v[k] - c->low] != UINT32_MAX; k++)
			bin[v[k] - c->low]++;
	for (; c->step > 1 && k < n; k++) {
		int64_t i = llrint((double)v[k] * per_step);

		if (i * c->step != v[k] || (uint64_t)(i - c->low) > span || bin[i - c->low] == UINT32_MAX)
			break;
		bin[i - c->low]++;
	}
	c->n += k;
	return k;
}

/* The numbers lie within the table, and no bin can overflow: only the step is left to be seen. How many have it. */
static size_t add_within(struct counts *c, const int64_t *v, size_t n)
{
	const int64_t low = c->low * c->step, step = c->step;
	const uint64_t per_step = UINT64_MAX / (uint64_t)step + 1; /* 2^64 / step, rounded up: exact below 2^32 */
	uint32_t *bin = c->bin + (c->low - c->base);
	size_t k = 0;

	if (step == 1)
		for (; k < n; k++)
			bin[v[k] - low]++;
	for (; step > 1 && k < n; k++) {
		uint64_t above = (uint64_t)(v[k] - low), i = (uint64_t)((unsigned __int128)above * per_step >> 64);

		if (i * (uint64_t)step != above)
			break;
		bin[i]++;
	}
	c->n += k;
	return k;
}

size_t counts_add(struct counts *c, const int64_t *v, size_t n, int64_t least, int64_t most)
{
	size_t at = 0;

	while (at < n) {
		if (c->n && c->n <= UINT32_MAX - n && least >= c->low * c->step && most <= c->high * c->step)
			at += add_within(c, v + at, n - at);
		else if (c->n)
			at += add_known(c, v + at, n - at);
		if (at < n && !counts_add_times(c, v[at], 1))
			return at;
		at += at < n;
	}
	return n;
}

bool counts_add_table(struct counts *into, const struct counts *from)
{
	int64_t low = from->low, high = from->high;

	if (!from->n)
		return true;
	if (into->n) {
		low = into->low < low ? into->low : low;
		high = into->high > high ? into->high : high;
	}
	if ((into->n && into->step != from->step) || into->n + from->n > UINT32_MAX || !make_room(into, low, high))
		return false;
	for (int64_t i = from->low; i <= from->high; i++)
		into->bin[i - into->base] += from->bin[i - from->base];
	into->step = from->step;
	into->low = low;
	into->high = high;
	into->n += from->n;
	return true;
}

void counts_walk(const struct counts *c, counts_visit *visit, void *ctx)
{
	for (int64_t i = c->low; c->n && i <= c->high; i++)
		if (c->bin[i - c->base])
			visit(ctx, i * c->step, c->bin[i - c->base]);
}

void counts_visit_quantiles(const struct counts *c, double scale, struct quantiles *qs)
{
	enum { BLOCK = 32 };

	for (int64_t i = c->low, next; c->n && i <= c->high; i = next) {
		const uint32_t *bin = c->bin + (i - c->base);
		uint64_t sum = 0;

		next = i + BLOCK <= c->high ? i + BLOCK : c->high + 1;
		for (int64_t k = 0; k < next - i; k++)
			sum += bin[k];
		if (sum <= quantiles_unasked(qs)) {
			quantiles_skip(qs, sum);
			continue;
		}
		for (int64_t k = 0; k < next - i; k++) {
			double v = (double)((i + k) * c->step) / scale;

			if (bin[k])
				quantiles_visit(qs, v, v, bin[k]);
		}
	}
}

void counts_free(struct counts *c)
{
	free(c->bin);
	*c = (struct counts){ .n = 0 };
}
