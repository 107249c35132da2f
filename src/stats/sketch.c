/* sketch.c - takes bin numbers directly from a double's bits; pages of bins are allocated when needed. */
#include "stats/sketch_kernels.h"

#include "base/array.h"
#include "base/cpu.h"
#include "base/decimals.h"
#include "stats/quantiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_SHIFT = 50, BIN_SHIFT = SKETCH_BIN_SHIFT, WINDOW_STEP = 8, KEYS_AT_ONCE = SKETCH_KEYS_AT_ONCE };

static uint64_t size_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits & INT64_MAX;
}

/* Makes room for the page of that key in the window of pointers. */
static bool widen_window(struct sketch_side *side, uint32_t key)
{
	uint32_t first = side->n && side->first < key ? side->first : key / WINDOW_STEP * WINDOW_STEP;
	uint32_t end =
		side->n && side->first + side->n > key ? side->first + side->n : (key / WINDOW_STEP + 1) * WINDOW_STEP;
	struct sketch_page **page = calloc(end - first, sizeof(struct sketch_page *));

	if (!page)
		return false;
	if (side->n)
		memcpy(page + (side->first - first), side->page, side->n * sizeof(struct sketch_page *));
	free(side->page);
	*side = (struct sketch_side){ .first = first, .n = end - first, .page = page };
	return true;
}

static struct sketch_page *make_page(struct sketch_side *side, uint32_t key)
{
	if (key - side->first >= side->n && !widen_window(side, key))
		return NULL;
	if (!side->page[key - side->first])
		side->page[key - side->first] = calloc(1, sizeof(struct sketch_page));
	return side->page[key - side->first];
}

static void carry_over(struct sketch *s, struct sketch_page *page, size_t bin, uint32_t times)
{
	if (!page->carry)
		page->carry = calloc(SKETCH_PAGE_BINS, sizeof *page->carry);
	if (page->carry)
		page->carry[bin] += times;
	else
		s->failed = true;
}

static uint64_t bin_count(const struct sketch_page *page, size_t bin)
{
	return page->bin[bin] + (page->carry ? (uint64_t)page->carry[bin] << 16 : 0);
}

static inline struct sketch_page *page_of(struct sketch *s, bool negative, uint32_t key)
{
	struct sketch_side *side = &s->side[negative];
	struct sketch_page *page = key - side->first < side->n ? side->page[key - side->first] : NULL;

	if (!page)
		page = make_page(side, key);
	s->failed |= !page;
	return page;
}

static inline void add_to_bin(struct sketch *s, double v, uint64_t times)
{
	uint64_t bits = size_bits(v), sum;
	size_t bin = bits >> BIN_SHIFT & (SKETCH_PAGE_BINS - 1);
	struct sketch_page *page;

	if (!bits) {
		s->zeros += times;
		return;
	}
	page = page_of(s, v < 0, (uint32_t)(bits >> PAGE_SHIFT));
	if (!page)
		return;
	sum = page->bin[bin] + times;
	page->bin[bin] = (uint16_t)sum;
	if (sum >> 16)
		carry_over(s, page, bin, (uint32_t)(sum >> 16));
}

static void spill(struct sketch *s)
{
	for (uint64_t i = 0; i < s->count; i++)
		add_to_bin(s, s->few[i], 1);
	free(s->few);
	s->few = NULL;
	s->few_cap = 0;
	s->spilled = true;
}

static void keep(struct sketch *s, double v)
{
	if (s->count == s->few_cap) {
		uint32_t cap = s->few_cap ? s->few_cap * 2 : 8;
		double *grown = realloc(s->few, cap * sizeof *grown);

		if (!grown) {
			s->failed = true;
			return;
		}
		s->few = grown;
		s->few_cap = cap;
	}
	s->few[s->count++] = v;
}

void sketch_add_times(struct sketch *s, double v, uint64_t times)
{
	if (s->failed)
		return;
	if (!s->spilled && s->count + times <= SKETCH_FEW) {
		for (; times; times--)
			keep(s, v);
		return;
	}
	if (!s->spilled)
		spill(s);
	s->count += times;
	add_to_bin(s, v, times);
}

void sketch_add(struct sketch *s, double v)
{
	sketch_add_times(s, v, 1);
}

/* The part of n values that falls to bin i of 2^shift. */
static inline uint64_t part_of(uint64_t n, uint32_t i, unsigned shift)
{
	return (n * (i + 1) >> shift) - (n * i >> shift);
}

/* Adds to n = 2^shift bins their parts, as part_of says, unless one of them would need a carry. n is a constant where
 * it is called, so that bins are added to many at a time. */
static inline bool add_even(uint16_t *bin, unsigned n, unsigned shift, uint16_t each, uint16_t rest)
{
	uint16_t sum[1 << SKETCH_SHIFT_MOST], full = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint16_t before = (uint16_t)(rest * i), to = (uint16_t)(before + rest);
		const uint16_t part = (uint16_t)(each + (to >> shift) - (before >> shift));

		sum[i] = (uint16_t)(bin[i] + part);
		full |= sum[i] < part;
	}
	if (!full)
		memcpy(bin, sum, n * sizeof *bin);
	return !full;
}

static bool add_parts(uint16_t *bin, unsigned shift, uint64_t each, uint16_t rest)
{
	if (each >= UINT16_MAX)
		return false;
	switch (shift) {
	case 4:
		return add_even(bin, 16, 4, (uint16_t)each, rest);
	case 3:
		return add_even(bin, 8, 3, (uint16_t)each, rest);
	case 2:
		return add_even(bin, 4, 2, (uint16_t)each, rest);
	default:
		return add_even(bin, 2, 1, (uint16_t)each, rest);
	}
}

/* The bins of a run lie in one page; each gets its part, as part_of says. */
static void add_wide(struct sketch *s, const struct sketch_run *run)
{
	struct sketch_page *page = page_of(s, run->value < 0, run->key / SKETCH_PAGE_BINS);
	const uint64_t each = run->n >> run->shift, rest = run->n & ((UINT64_C(1) << run->shift) - 1);
	const size_t first = run->key % SKETCH_PAGE_BINS, n = (size_t)1 << run->shift;
	uint64_t owed = 0;

	if (!page || add_parts(&page->bin[first], run->shift, each, (uint16_t)rest))
		return;
	for (size_t i = first; i < first + n; i++) {
		const uint64_t more = (owed += rest) >> run->shift, sum = page->bin[i] + each + more;

		owed -= more << run->shift;
		page->bin[i] = (uint16_t)sum;
		if (sum >> 16)
			carry_over(s, page, i, (uint32_t)(sum >> 16));
	}
}

void sketch_add_run(struct sketch *s, const struct sketch_run *run)
{
	if (!run->shift) {
		sketch_add_times(s, run->value, run->n);
		return;
	}
	if (!s->spilled && s->count + run->n <= SKETCH_FEW) {
		for (uint32_t i = 0; i < 1u << run->shift; i++)
			sketch_add_times(s, sketch_middle(run->key + i, 0, run->value < 0),
					 part_of(run->n, i, run->shift));
		return;
	}
	if (s->failed)
		return;
	if (!s->spilled)
		spill(s);
	s->count += run->n;
	add_wide(s, run);
}

static void merge_page(struct sketch *s, struct sketch_page *into, const struct sketch_page *from)
{
	for (size_t bin = 0; bin < SKETCH_PAGE_BINS; bin++) {
		uint64_t sum = into->bin[bin] + bin_count(from, bin);

		into->bin[bin] = (uint16_t)sum;
		if (sum >> 16)
			carry_over(s, into, bin, (uint32_t)(sum >> 16));
	}
}

static void merge_side(struct sketch *s, struct sketch_side *into, const struct sketch_side *from)
{
	for (uint32_t i = 0; i < from->n; i++) {
		struct sketch_page *page = from->page[i] ? make_page(into, from->first + i) : NULL;

		if (page)
			merge_page(s, page, from->page[i]);
		else if (from->page[i])
			s->failed = true;
	}
}

/* Adds values while their pages exist; returns how many. Zero has no page, and the smallest numbers share its key. */
static size_t add_known(struct sketch *s, const uint32_t *key, size_t n)
{
	const struct sketch_side *side = &s->side[0];
	const uint32_t first = side->first, pages = first ? side->n : 0;
	struct sketch_page *const *page = side->page;
	size_t i = 0;

	for (; i < n; i++) {
		uint32_t k = key[i] / SKETCH_PAGE_BINS - first;
		uint16_t *bin;

		if (k >= pages || !page[k])
			break;
		bin = &page[k]->bin[key[i] % SKETCH_PAGE_BINS];
		if (*bin == UINT16_MAX)
			break;
		++*bin;
	}
	return i;
}

static void keys_of(const double *v, size_t n, uint32_t *key)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t bits;

		memcpy(&bits, &v[i], sizeof bits);
		key[i] = (uint32_t)(bits >> BIN_SHIFT);
	}
}

void sketch_add_all(struct sketch *s, const double *v, size_t n)
{
	uint32_t key[KEYS_AT_ONCE];
	size_t i = 0;

	for (; i < n && !s->spilled; i++)
		sketch_add(s, v[i]);
	s->count += n - i;
	for (size_t most; i < n; i += most) {
		most = n - i < KEYS_AT_ONCE ? n - i : KEYS_AT_ONCE;
		keys_of(v + i, most, key);
		for (size_t k = add_known(s, key, most); k < most; k += add_known(s, key + k, most - k))
			add_to_bin(s, v[i + k++], 1);
	}
}

void sketch_keys_scalar(const int64_t *v, size_t n, double scale, bool complement, uint32_t *key)
{
	double x[KEYS_AT_ONCE];

	decimals_to_doubles(x, v, n, scale);
	for (size_t i = 0; complement && i < n; i++)
		x[i] = 1 - x[i];
	keys_of(x, n, key);
}

static double decimal_value(int64_t v, double scale, bool complement)
{
	double x = (double)v / scale;

	return complement ? 1 - x : x;
}

void sketch_add_decimals(struct sketch *s, const int64_t *v, size_t n, double scale, bool complement)
{
	sketch_keys *keys = sketch_keys_scalar;
	uint32_t key[KEYS_AT_ONCE];
	size_t i = 0;

#if defined(__x86_64__)
	if (cpu_features()->avx512)
		keys = sketch_keys_avx512;
#endif
	for (; i < n && !s->spilled; i++)
		sketch_add(s, decimal_value(v[i], scale, complement));
	s->count += n - i;
	for (size_t most; i < n; i += most) {
		most = n - i < KEYS_AT_ONCE ? n - i : KEYS_AT_ONCE;
		keys(v + i, most, scale, complement, key);
		for (size_t k = add_known(s, key, most); k < most; k += add_known(s, key + k, most - k))
			add_to_bin(s, decimal_value(v[i + k++], scale, complement), 1);
	}
}

void sketch_merge(struct sketch *into, const struct sketch *from)
{
	into->failed |= from->failed;
	if (into->failed)
		return;
	if (!from->spilled) {
		for (uint64_t i = 0; i < from->count; i++)
			sketch_add(into, from->few[i]);
		return;
	}
	if (!into->spilled)
		spill(into);
	into->count += from->count;
	into->zeros += from->zeros;
	for (int sign = 0; sign < 2; sign++)
		merge_side(into, &into->side[sign], &from->side[sign]);
}

void sketch_free(struct sketch *s)
{
	for (int sign = 0; sign < 2; sign++) {
		for (uint32_t i = 0; i < s->side[sign].n; i++) {
			if (s->side[sign].page[i])
				free(s->side[sign].page[i]->carry);
			free(s->side[sign].page[i]);
		}
		free(s->side[sign].page);
	}
	free(s->few);
	*s = (struct sketch){ .count = 0 };
}

static double from_bits(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static void walk_page(const struct sketch_page *page, uint64_t key, bool negative, sketch_visit *visit, void *ctx)
{
	for (uint64_t i = 0; i < SKETCH_PAGE_BINS; i++) {
		uint64_t bin = negative ? SKETCH_PAGE_BINS - 1 - i : i;
		uint64_t n = bin_count(page, bin);
		uint64_t bits = key << PAGE_SHIFT | bin << BIN_SHIFT;
		double low, high;

		if (!n)
			continue;
		low = from_bits(bits);
		high = from_bits(bits + ((UINT64_C(1) << BIN_SHIFT) - 1));
		visit(ctx, negative ? -high : low, negative ? -low : high, n);
	}
}

static void walk_few(const struct sketch *s, sketch_visit *visit, void *ctx)
{
	double sorted[SKETCH_FEW];

	if (s->count)
		memcpy(sorted, s->few, s->count * sizeof *sorted);
	sort_doubles(sorted, s->count);
	for (uint64_t i = 0; i < s->count; i++)
		visit(ctx, sorted[i], sorted[i], 1);
}

/* Has the page no value that a quantile needs? Then it is passed by. */
static bool pass_by(struct quantiles *qs, const struct sketch_page *page)
{
	uint64_t n = 0;

	for (size_t bin = 0; bin < SKETCH_PAGE_BINS; bin++)
		n += page->bin[bin];
	for (size_t bin = 0; page->carry && bin < SKETCH_PAGE_BINS; bin++)
		n += (uint64_t)page->carry[bin] << 16;
	if (n > quantiles_unasked(qs))
		return false;
	quantiles_skip(qs, n);
	return true;
}

/* `qs`: of whom only what they need is visited; NULL: all is. */
static void walk(const struct sketch *s, sketch_visit *visit, void *ctx, struct quantiles *qs)
{
	const struct sketch_side *up = &s->side[0], *down = &s->side[1];

	if (!s->spilled) {
		walk_few(s, visit, ctx);
		return;
	}
	for (uint32_t i = down->n; i-- > 0;)
		if (down->page[i] && !(qs && pass_by(qs, down->page[i])))
			walk_page(down->page[i], down->first + i, true, visit, ctx);
	if (s->zeros)
		visit(ctx, 0, 0, s->zeros);
	for (uint32_t i = 0; i < up->n; i++)
		if (up->page[i] && !(qs && pass_by(qs, up->page[i])))
			walk_page(up->page[i], up->first + i, false, visit, ctx);
}

void sketch_walk(const struct sketch *s, sketch_visit *visit, void *ctx)
{
	walk(s, visit, ctx, NULL);
}

void sketch_quantiles(const struct sketch *s, double min, double max, const double *q, double *out, size_t n)
{
	struct quantiles qs;

	for (size_t i = 0; i < n; i++)
		out[i] = (double)NAN;
	if (!s->count || s->failed || n > QUANTILES_MAX)
		return;
	qs = quantiles_of(q, n, s->count);
	walk(s, quantiles_visit, &qs, &qs);
	quantiles_tell(&qs, min, max, out);
}
