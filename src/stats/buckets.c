/* buckets.c - if a value is beyond the last bucket, the width doubles and neighbouring buckets are merged. */
#include "stats/buckets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slot(const struct buckets *b, int64_t i)
{
	return (size_t)(i - b->base);
}

static int64_t milliseconds(int64_t us)
{
	return us / 1000 - (us % 1000 < 0);
}

bool buckets_open(struct buckets *b, size_t cap, size_t channels)
{
	*b = (struct buckets){ .cap = cap, .channels = channels };
	b->cell = calloc(channels, sizeof *b->cell);
	b->failed = !b->cell;
	return !b->failed;
}

void buckets_free(struct buckets *b)
{
	for (size_t c = 0; b->cell && c < b->channels; c++)
		free(b->cell[c]);
	free(b->cell);
	*b = (struct buckets){ .cap = 0 };
}

static void add_saturating(int64_t *sum, int64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = more < 0 ? INT64_MIN : INT64_MAX;
}

static void merge_cell(struct bucket_cell *into, const struct bucket_cell *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (!into->count || from->max > into->max)
		into->max = from->max;
	into->count += from->count;
	add_saturating(&into->sum, from->sum);
}

/* Buckets that have the same number after the shift become one. They are merged in ascending order into cells at or
 * before the first of them. */
static void widen_channel(const struct buckets *b, struct bucket_cell *cell, int bits)
{
	size_t to = 0;

	for (int64_t i = b->first; i <= b->last; to++) {
		struct bucket_cell sum = cell[slot(b, i)];
		int64_t end = ((i >> bits) + 1) * ((int64_t)1 << bits);

		for (i++; i < end && i <= b->last; i++)
			merge_cell(&sum, &cell[slot(b, i)]);
		cell[to] = sum;
	}
	memset(cell + to, 0, (slot(b, b->last) + 1 - to) * sizeof *cell);
}

static void widen(struct buckets *b, int bits)
{
	for (size_t c = 0; c < b->channels; c++)
		if (b->cell[c])
			widen_channel(b, b->cell[c], bits);
	b->first >>= bits;
	b->last >>= bits;
	b->base = b->first;
	b->width_bits += bits;
}

/* Moves the cells so that cell 0 is bucket `base`. */
static void rebase(struct buckets *b, int64_t base)
{
	size_t n = (size_t)(b->last - b->first + 1);

	for (size_t c = 0; c < b->channels; c++) {
		struct bucket_cell *cell = b->cell[c], *from, *to;

		if (!cell)
			continue;
		from = cell + slot(b, b->first);
		to = cell + (b->first - base);
		memmove(to, from, n * sizeof *cell);
		memset(cell, 0, (size_t)(to - cell) * sizeof *cell);
		memset(to + n, 0, (b->cap - n - (size_t)(to - cell)) * sizeof *cell);
	}
	b->base = base;
}

/* Makes room for the buckets low..high (numbers at the present width). */
static void cover(struct buckets *b, int64_t low, int64_t high)
{
	int bits = 0;

	if (!b->any) {
		b->any = true;
		b->base = b->first = b->last = low;
	}
	low = low < b->first ? low : b->first;
	high = high > b->last ? high : b->last;
	while ((high >> bits) - (low >> bits) >= (int64_t)b->cap)
		bits++;
	if (bits)
		widen(b, bits);
	low >>= bits;
	high >>= bits;
	/* Values earlier than the first bucket will probably be followed by more: they get all free cells. */
	if (low < b->base)
		rebase(b, high - (int64_t)b->cap + 1);
	else if (high - b->base >= (int64_t)b->cap)
		rebase(b, low);
	b->first = low;
	b->last = high;
}

size_t buckets_at(struct buckets *b, int64_t time_us)
{
	int64_t ms = milliseconds(time_us), i = ms >> b->width_bits;

	if (!b->any || i < b->first || i > b->last)
		cover(b, i, i);
	return slot(b, ms >> b->width_bits);
}

static struct bucket_cell *cell_of(struct buckets *b, size_t at, size_t channel)
{
	if (!b->cell[channel])
		b->cell[channel] = calloc(b->cap, sizeof **b->cell);
	if (!b->cell[channel]) {
		b->failed = true;
		return NULL;
	}
	return &b->cell[channel][at];
}

void buckets_add_sum(struct buckets *b, size_t at, size_t channel, const struct bucket_cell *sum)
{
	struct bucket_cell *cell = cell_of(b, at, channel);

	if (cell)
		merge_cell(cell, sum);
}

bool buckets_places(struct buckets *b, const int64_t *time_us, size_t n, uint32_t *at)
{
	int64_t low = time_us[0], high = low;
	uint32_t apart = 0;

	for (size_t i = 1; i < n; i++) {
		low = time_us[i] < low ? time_us[i] : low;
		high = time_us[i] > high ? time_us[i] : high;
	}
	buckets_at(b, low);
	buckets_at(b, high); /* all of them fit now: the width stays */
	if (milliseconds(low) >> b->width_bits == milliseconds(high) >> b->width_bits) {
		at[0] = (uint32_t)slot(b, milliseconds(low) >> b->width_bits);
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		at[i] = (uint32_t)slot(b, milliseconds(time_us[i]) >> b->width_bits);
		apart |= at[i] ^ at[0];
	}
	return !apart;
}

void buckets_add_rows(struct buckets *b, size_t channel, const uint32_t *at, const double *value, const int64_t *sum,
		      size_t n)
{
	struct bucket_cell *cells = n ? cell_of(b, 0, channel) : NULL;

	for (size_t i = 0; cells && i < n; i++) {
		struct bucket_cell *cell = &cells[at[i]];
		bool first = !cell->count++;

		cell->min = first || value[i] < cell->min ? value[i] : cell->min;
		cell->max = first || value[i] > cell->max ? value[i] : cell->max;
		add_saturating(&cell->sum, sum[i]);
	}
}

/* Consecutive values in one cell are added together, since values are in order of time. */
void buckets_add_decimals(struct buckets *b, size_t channel, const uint32_t *at, const int64_t *v, double scale,
			  size_t n)
{
	struct bucket_cell *cells = n ? cell_of(b, 0, channel) : NULL;

	for (size_t i = 0, next; cells && i < n; i = next) {
		int64_t low = v[i], high = low, sum = low;
		struct bucket_cell *cell = &cells[at[i]];
		double min = (double)low / scale, max = min;

		for (next = i + 1; next < n && at[next] == at[i]; next++) {
			low = v[next] < low ? v[next] : low;
			high = v[next] > high ? v[next] : high;
			sum += v[next];
		}
		if (next > i + 1) {
			min = (double)low / scale;
			max = (double)high / scale;
		}
		cell->min = !cell->count || min < cell->min ? min : cell->min;
		cell->max = !cell->count || max > cell->max ? max : cell->max;
		cell->count += next - i;
		add_saturating(&cell->sum, sum);
	}
}

void buckets_merge(struct buckets *into, const struct buckets *from)
{
	int up;

	into->failed |= from->failed;
	if (!from->any || into->failed)
		return;
	if (into->any && into->width_bits < from->width_bits)
		widen(into, from->width_bits - into->width_bits);
	if (!into->any)
		into->width_bits = from->width_bits;
	up = into->width_bits - from->width_bits;
	cover(into, from->first >> up, from->last >> up);
	up = into->width_bits - from->width_bits;
	for (size_t c = 0; c < from->channels; c++) {
		if (from->cell[c] && !into->cell[c])
			into->cell[c] = calloc(into->cap, sizeof **into->cell);
		if (from->cell[c] && !into->cell[c])
			into->failed = true;
		for (int64_t i = from->first; from->cell[c] && into->cell[c] && i <= from->last; i++)
			merge_cell(&into->cell[c][slot(into, i >> up)], &from->cell[c][slot(from, i)]);
	}
}

const struct bucket_cell *buckets_cell(const struct buckets *b, size_t channel, int64_t i)
{
	return b->cell[channel] ? &b->cell[channel][slot(b, i)] : NULL;
}
