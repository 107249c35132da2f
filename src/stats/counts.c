/* counts.c - a table of counts over a range that grows, in steps of a power of ten. */
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

static uint32_t count_of(const struct counts *c, int64_t i)
{
	return c->wide ? c->bin.wide[i - c->base] : c->bin.narrow[i - c->base];
}

static void put_count(struct counts *c, int64_t i, uint32_t n)
{
	if (c->wide)
		c->bin.wide[i - c->base] = n;
	else
		c->bin.narrow[i - c->base] = (uint16_t)n;
}

static void free_bins(struct counts *c)
{
	free(c->wide ? (void *)c->bin.wide : c->bin.narrow);
}

/* A table of `cap` bins from `base` on takes over what is counted; false: no memory. */
static bool move_to(struct counts *c, size_t cap, int64_t base, bool wide)
{
	struct counts to = *c;
	void *bins = calloc(cap, wide ? sizeof *to.bin.wide : sizeof *to.bin.narrow);

	c->failed |= !bins;
	if (!bins)
		return false;
	to.cap = cap;
	to.base = base;
	to.wide = wide;
	if (wide)
		to.bin.wide = bins;
	else
		to.bin.narrow = bins;
	for (int64_t i = c->low; c->n && i <= c->high; i++)
		put_count(&to, i, count_of(c, i));
	free_bins(c);
	*c = to;
	return true;
}

/* Makes room for low..high (in steps), in a window whose size is a power of two. */
static bool cover_range(struct counts *c, int64_t low, int64_t high)
{
	size_t cap = c->cap ? c->cap : CAP_FIRST;

	if (high - low >= COUNTS_BINS)
		return false;
	if (c->cap && low >= c->base && high - c->base < (int64_t)c->cap)
		return true;
	while ((int64_t)cap <= high - low)
		cap *= 2;
	return move_to(c, cap, low - ((int64_t)cap - (high - low + 1)) / 2, c->wide);
}

/* Makes room for n numbers more in any bin, as far as 32 bits go; false: no memory. */
static bool cover_count(struct counts *c, uint64_t n)
{
	if (c->wide || c->n + n <= UINT16_MAX)
		return true;
	if (c->cap)
		return move_to(c, c->cap, c->base, true);
	c->wide = true;
	return true;
}

/* Converts the table to smaller steps. */
static bool refine(struct counts *c, int64_t step)
{
	int64_t times = c->step / step;
	struct counts fine = { .step = step, .low = c->low * times, .high = c->high * times, .wide = c->wide };

	if (!cover_range(&fine, fine.low, fine.high)) {
		c->failed |= fine.failed;
		return false;
	}
	for (int64_t i = c->low; i <= c->high; i++)
		put_count(&fine, i * times, count_of(c, i));
	fine.n = c->n;
	free_bins(c);
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
	if (!cover_range(c, c->n && c->low < i ? c->low : i, c->n && c->high > i ? c->high : i) ||
	    !cover_count(c, times) || times > UINT32_MAX - count_of(c, i))
		return false;
	c->low = c->n && c->low < i ? c->low : i;
	c->high = c->n && c->high > i ? c->high : i;
	put_count(c, i, count_of(c, i) + times);
	c->n += times;
	return true;
}

/* Adds numbers while they need neither another step nor another window; returns how many. */
static size_t add_known(struct counts *c, const int64_t *v, size_t n)
{
	size_t k = 0;

	for (; k < n && v[k] % c->step == 0; k++) {
		int64_t i = v[k] / c->step;

		if (i < c->low || i > c->high || count_of(c, i) == (c->wide ? UINT32_MAX : UINT16_MAX))
			break;
		put_count(c, i, count_of(c, i) + 1);
	}
	c->n += k;
	return k;
}

static inline void count_one(const struct counts *c, size_t at, bool wide)
{
	if (wide)
		c->bin.wide[at]++;
	else
		c->bin.narrow[at]++;
}

/* The numbers are within the table, and no bin can overflow: only the step must be checked. Returns how many fit it. */
static inline size_t add_within(const struct counts *c, const int64_t *v, size_t n, bool wide)
{
	const int64_t low = c->base * c->step, step = c->step;
	const uint64_t per_step = UINT64_MAX / (uint64_t)step + 1; /* 2^64 / step, rounded up: exact below 2^32 */
	size_t k = 0;

	if (step == 1)
		for (; k < n; k++)
			count_one(c, (size_t)(v[k] - low), wide);
	for (; step > 1 && k < n; k++) {
		uint64_t above = (uint64_t)(v[k] - low), i = (uint64_t)((unsigned __int128)above * per_step >> 64);

		if (i * (uint64_t)step != above)
			break;
		count_one(c, i, wide);
	}
	return k;
}

/* The largest step that divides all of the numbers. */
static int64_t step_of_all(const int64_t *v, size_t n)
{
	int64_t step = STEP_MOST;

	for (size_t i = 0; i < n && step > 1; i++)
		while (v[i] % step)
			step /= 10;
	return step;
}

/* Extends the window to hold all of the numbers, which are within least..most and include both. False: they do not fit,
 * and nothing has changed. */
static bool widen(struct counts *c, const int64_t *v, size_t n, int64_t least, int64_t most)
{
	int64_t low, high;

	if (c->n && least >= c->low * c->step && most <= c->high * c->step)
		return true;
	if (!c->n)
		c->step = step_of_all(v, n);
	if (least % c->step || most % c->step)
		return false;
	low = least / c->step;
	high = most / c->step;
	low = c->n && c->low < low ? c->low : low;
	high = c->n && c->high > high ? c->high : high;
	if (!cover_range(c, low, high))
		return false;
	c->low = low;
	c->high = high;
	return true;
}

size_t counts_add(struct counts *c, const int64_t *v, size_t n, int64_t least, int64_t most)
{
	size_t at = 0;

	if (least == most && n <= UINT32_MAX && counts_add_times(c, least, (uint32_t)n))
		return n; /* one count, which each of the additions to it would wait for */
	while (at < n) {
		if (c->n <= UINT32_MAX - n && cover_count(c, n - at) && widen(c, v + at, n - at, least, most)) {
			size_t fit =
				c->wide ? add_within(c, v + at, n - at, true) : add_within(c, v + at, n - at, false);

			c->n += fit;
			at += fit;
		} else if (c->n) {
			at += add_known(c, v + at, n - at);
		}
		if (at < n && !counts_add_times(c, v[at], 1))
			return at;
		at += at < n;
	}
	return n;
}

/* Bins of `from` into every `times`th one from `at` on. */
static inline void add_bins(const struct counts *into, size_t at, const struct counts *from, size_t times,
			    bool wide_into, bool wide_from)
{
	const size_t first = (size_t)(from->low - from->base), n = (size_t)(from->high - from->low) + 1;

	for (size_t k = 0; k < n; k++) {
		const uint32_t count = wide_from ? from->bin.wide[first + k] : from->bin.narrow[first + k];

		if (wide_into)
			into->bin.wide[at + k * times] += count;
		else
			into->bin.narrow[at + k * times] += (uint16_t)count;
	}
}

void counts_fetch(const struct counts *c)
{
	enum { CACHE_LINE = 64 };
	const size_t bytes = c->wide ? sizeof *c->bin.wide : sizeof *c->bin.narrow;

	for (size_t at = (size_t)(c->low - c->base) * bytes; c->n && at <= (size_t)(c->high - c->base) * bytes;
	     at += CACHE_LINE)
		__builtin_prefetch((const char *)(c->wide ? (void *)c->bin.wide : c->bin.narrow) + at, 1, 2);
}

bool counts_add_table(struct counts *into, const struct counts *from)
{
	int64_t times, low, high;
	size_t at;

	if (!from->n)
		return true;
	if (into->n + from->n > UINT32_MAX || (into->n && into->step > from->step && !refine(into, from->step)))
		return false;
	times = into->n ? from->step / into->step : 1;
	low = into->n && into->low < from->low * times ? into->low : from->low * times;
	high = into->n && into->high > from->high * times ? into->high : from->high * times;
	if (!cover_range(into, low, high) || !cover_count(into, from->n))
		return false;
	at = (size_t)(from->low * times - into->base);
	if (!into->wide)
		add_bins(into, at, from, (size_t)times, false, false);
	else if (!from->wide)
		add_bins(into, at, from, (size_t)times, true, false);
	else
		add_bins(into, at, from, (size_t)times, true, true);
	into->step = from->step / times;
	into->low = low;
	into->high = high;
	into->n += from->n;
	return true;
}

/* The first of i..end that occurs; end + 1: none does. Where few do, many that do not are passed at a time. */
static int64_t next_counted(const struct counts *c, int64_t i, int64_t end)
{
	enum { AT_ONCE = sizeof(uint64_t) / sizeof(uint16_t) };
	uint64_t bins;

	for (; !c->wide && end - i >= AT_ONCE; i += AT_ONCE) {
		memcpy(&bins, &c->bin.narrow[i - c->base], sizeof bins);
		if (bins)
			break;
	}
	while (i <= end && !count_of(c, i))
		i++;
	return i;
}

void counts_walk(const struct counts *c, counts_visit *visit, void *ctx)
{
	if (!c->n)
		return;
	for (int64_t i = next_counted(c, c->low, c->high); i <= c->high; i = next_counted(c, i + 1, c->high))
		visit(ctx, i * c->step, count_of(c, i));
}

static inline uint64_t sum_of(const struct counts *c, int64_t from, int64_t n)
{
	const size_t at = (size_t)(from - c->base);
	uint64_t wide = 0;
	uint32_t narrow = 0; /* of fewer than 2^16 bins */

	for (int64_t k = 0; c->wide && k < n; k++)
		wide += c->bin.wide[at + (size_t)k];
	for (int64_t k = 0; !c->wide && k < n; k++)
		narrow += c->bin.narrow[at + (size_t)k];
	return wide + narrow;
}

/* Numbers that no quantile asks for are passed by, in blocks where no number of the block is asked for. */
void counts_visit_quantiles(const struct counts *c, double scale, struct quantiles *qs)
{
	enum { BLOCK = 16 };
	uint64_t unasked = c->n ? quantiles_unasked(qs) : UINT64_MAX, passed = 0;

	for (int64_t i = c->low, left; unasked < c->n && (left = c->high - i + 1) > 0; i += BLOCK) {
		const int64_t bins = left < BLOCK ? left : BLOCK;
		const uint64_t sum = bins == BLOCK ? sum_of(c, i, BLOCK) : sum_of(c, i, bins);

		if (sum <= unasked) {
			unasked -= sum;
			passed += sum;
			continue;
		}
		for (int64_t k = i; k < i + bins; k++) {
			const uint32_t n = count_of(c, k);
			double v;

			if (n <= unasked) {
				unasked -= n;
				passed += n;
				continue;
			}
			v = (double)(k * c->step) / scale;
			quantiles_skip(qs, passed);
			quantiles_visit(qs, v, v, n);
			unasked = quantiles_unasked(qs);
			passed = 0;
		}
	}
}

void counts_free(struct counts *c)
{
	free_bins(c);
	*c = (struct counts){ .n = 0 };
}
