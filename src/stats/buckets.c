#include "stats/buckets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t slot(const struct buckets *b, int64_t i)
{
	return (size_t)i & (b->cap - 1);
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

static void merge_cell(struct bucket_cell *into, const struct bucket_cell *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	if (!into->count || from->max > into->max)
		into->max = from->max;
	into->count += from->count;
	into->sum += from->sum;
}

/* Bucket i goes to i >> bits. In ascending order a bucket never lands on one that is
 * still to be moved, as long as the scratch array takes the result. */
static void widen_channel(struct buckets *b, struct bucket_cell *cell, struct bucket_cell *scratch, int bits)
{
	memset(scratch, 0, b->cap * sizeof *scratch);
	for (int64_t i = b->first; i <= b->last; i++)
		merge_cell(&scratch[slot(b, i >> bits)], &cell[slot(b, i)]);
	memcpy(cell, scratch, b->cap * sizeof *scratch);
}

static void widen(struct buckets *b, int bits)
{
	struct bucket_cell *scratch = malloc(b->cap * sizeof *scratch);

	if (!scratch)
		b->failed = true;
	for (size_t c = 0; scratch && c < b->channels; c++)
		if (b->cell[c])
			widen_channel(b, b->cell[c], scratch, bits);
	free(scratch);
	b->first >>= bits;
	b->last >>= bits;
	b->width_bits += bits;
}

/* Makes room for the buckets low..high (numbers at the present width). */
static void cover(struct buckets *b, int64_t low, int64_t high)
{
	int bits = 0;

	if (!b->any) {
		b->any = true;
		b->first = low;
		b->last = low;
	}
	low = low < b->first ? low : b->first;
	high = high > b->last ? high : b->last;
	while ((high >> bits) - (low >> bits) >= (int64_t)b->cap)
		bits++;
	if (bits)
		widen(b, bits);
	b->first = low >> bits;
	b->last = high >> bits;
}

size_t buckets_at(struct buckets *b, int64_t time_us)
{
	int64_t ms = milliseconds(time_us), i = ms >> b->width_bits;

	if (!b->any || i < b->first || i > b->last)
		cover(b, i, i);
	return slot(b, ms >> b->width_bits);
}

void buckets_add(struct buckets *b, size_t at, size_t channel, double scale, double value)
{
	static const double most = 4611686018427387904.0; /* 2^62 */
	double scaled = value * scale;
	struct bucket_cell one;

	if (!b->cell[channel])
		b->cell[channel] = calloc(b->cap, sizeof **b->cell);
	if (!b->cell[channel]) {
		b->failed = true;
		return;
	}
	scaled = scaled > most ? most : scaled < -most ? -most : scaled;
	one = (struct bucket_cell){ .count = 1, .min = value, .max = value, .sum = llrint(scaled) };
	merge_cell(&b->cell[channel][at], &one);
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
