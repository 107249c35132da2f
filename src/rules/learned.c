/* learned.c - levels: blocks of records, their medians, and how much they are worth. */
#include "rules/learned.h"

#include "base/hash.h"
#include "stats/select.h"

#include <math.h>
#include <stdlib.h>

enum {
	ENOUGH = 6,     /* blocks before anything is known */
	EVERY_MAX = 16, /* then the oldest blocks are given up */
};

static const double MAD_TO_SIGMA = 1.4826, MEDIAN_NOISE = 1.2533; /* of normal noise */
static const double SPREAD_LEAST = 0.01;                          /* a machine is never steadier than that */
static const double TENTH_MARGIN = 1.1;

/* --- scopes ------------------------------------------------------------------------ */

struct learned *learned_open(uint64_t metrics)
{
	struct learned *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->metrics = metrics;
	l->throughput = METRIC_COUNT;
	for (uint64_t left = metrics; left; left &= left - 1) {
		l->metric[l->n_metrics] = (uint8_t)__builtin_ctzll(left);
		l->throughput = l->metric[l->n_metrics] == M_THROUGHPUT_TPS ? l->n_metrics : l->throughput;
		l->n_metrics++;
	}
	l->n_cells = l->n_metrics * LEVEL_CELLS;
	return l;
}

void learned_close(struct learned *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < l->n_cells; k++)
			free(l->scope[i]->cell[k]);
		free(l->scope[i]->cell);
		free(l->scope[i]);
	}
	while (l->n_spare)
		free(l->spare[--l->n_spare]);
	free(l->spare);
	free(l);
}

/* A level that is no longer wanted, for another scope. */
static void spare(struct learned *l, struct level *level)
{
	size_t cap = l->spare_cap ? 2 * l->spare_cap : 64;
	struct level **grown = l->n_spare == l->spare_cap ? realloc(l->spare, cap * sizeof *grown) : l->spare;

	if (!grown) {
		free(level);
		return;
	}
	l->spare_cap = l->n_spare == l->spare_cap ? cap : l->spare_cap;
	l->spare = grown;
	l->spare[l->n_spare++] = level;
}

struct level *learned_level(struct learned *l)
{
	struct level *level = l->n_spare ? l->spare[--l->n_spare] : malloc(sizeof *level);

	if (level)
		*level = (struct level){ .normal = NAN };
	return level;
}

/* Makes the scope a new one; false: no memory. */
static bool scope_begin(struct learned *l, struct scope *s)
{
	struct level **cell = s->cell ? s->cell : calloc(l->n_cells, sizeof *cell);

	for (size_t i = 0; cell && i < l->n_cells; i++) {
		if (cell[i])
			spare(l, cell[i]);
		cell[i] = NULL;
	}
	*s = (struct scope){ .of = l, .cell = cell, .life = l->clock, .used = l->clock };
	for (size_t i = 0; i < LEVEL_STREAMS; i++)
		s->stream[i] = LEARNED_SLOTS;
	s->seen[LEARNED_SLOTS] = LEVEL_STREAMS + 1;
	return cell;
}

uint64_t learned_metrics(const struct learned *l)
{
	return l->metrics;
}

uint32_t learned_stream(struct learned *l)
{
	return l->streams++;
}

uint64_t learned_instance(const struct field_values *session)
{
	struct slice name = fields_text(session, F_INSTANCE);

	return name.n ? hash_text(HASH_BEGIN, name) : 0;
}

struct scope_place learned_scope(struct learned *l, uint64_t instance, const struct field_values *session)
{
	uint64_t key =
		hash_text(hash_text(instance, fields_text(session, F_MODEL_NAME)), fields_text(session, F_STRATEGY));
	size_t oldest = 0;
	struct scope *s;

	l->clock++;
	for (size_t i = 0; i < l->n; i++)
		if (l->key[i] == key) {
			l->scope[i]->used = l->clock;
			return (struct scope_place){ l->scope[i], l->scope[i]->life };
		}
	for (size_t i = 0; i < l->n; i++)
		oldest = l->scope[i]->used < l->scope[oldest]->used ? i : oldest;
	oldest = l->n < LEARNED_SCOPES ? l->n : oldest;
	s = oldest < l->n ? l->scope[oldest] : calloc(1, sizeof *s);
	if (!s || !scope_begin(l, s)) {
		free(oldest < l->n ? NULL : s);
		return (struct scope_place){ 0 };
	}
	l->scope[oldest] = s;
	l->n += oldest == l->n;
	l->key[oldest] = key;
	return (struct scope_place){ s, s->life };
}

/* --- levels ------------------------------------------------------------------------ */

/* The median; v (n > 0) is left in another order: no value of the first half is above one of the second. */
static double middle(float *v, size_t n)
{
	float upper = select_kth(v, n, n / 2), lower = v[0];

	if (n % 2)
		return (double)upper;
	for (size_t i = 1; i < n / 2; i++)
		lower = v[i] > lower ? v[i] : lower;
	return ((double)lower + (double)upper) / 2;
}

static double median_deviation(const float *v, size_t n, double center)
{
	float away[LEVEL_ENTRIES];

	for (size_t i = 0; i < n; i++)
		away[i] = fabsf(v[i] - (float)center);
	return middle(away, n);
}

/* How many independent blocks these are worth: neighbours that are alike are worth less. The correlation of few values
 * comes out too small, which is made up for (Kendall). */
static double effective_count(const float *v, size_t n)
{
	double mean = 0, all = 0, next = 0, r;

	for (size_t i = 0; i < n; i++)
		mean += (double)v[i] / (double)n;
	for (size_t i = 0; i < n; i++) {
		double d = (double)v[i] - mean;

		all += d * d;
		next += i ? d * ((double)v[i - 1] - mean) : 0;
	}
	r = all > 0 ? next / all : 0;
	r = fmin(fmax(r + (1 + 4 * r) / (double)n, 0), 0.99);
	return (double)n * (1 - r) / (1 + r);
}

static double middle_of(const float *sorted, size_t n)
{
	return n % 2 ? (double)sorted[n / 2] : ((double)sorted[n / 2 - 1] + (double)sorted[n / 2]) / 2;
}

/* What the blocks say beyond the normal level: worth computing only for a limit. */
static void level_settle(struct level *l)
{
	const size_t n = l->kept.n;
	float v[LEVEL_ENTRIES];
	double spread, noise;

	memcpy(v, l->noise, n * sizeof *v);
	noise = MAD_TO_SIGMA * middle(v, n);
	spread = MAD_TO_SIGMA * median_deviation(l->median, n, l->normal);
	spread = fmax(spread, MEDIAN_NOISE * noise / sqrt(LEVEL_BLOCK)) / l->normal;
	l->spread = fmax(spread, SPREAD_LEAST) * (1 + 4 / effective_count(l->median, n));
	l->record_spread = noise / l->normal;
	l->high = (double)l->sorted[n - 1 - n / 10] / l->normal;
	l->low = (double)l->sorted[n / 10] / l->normal;
	l->settled = true;
}

/* Where the value belongs among the sorted ones; without a branch, as below. */
static size_t place_of(const float *sorted, size_t n, float value)
{
	size_t at = 0;

	for (size_t half; n; n -= half) {
		half = n - n / 2;
		at += sorted[at + half - 1] < value ? half : 0;
	}
	return at;
}

static void sorted_add(struct level *l, size_t n, float value)
{
	size_t at = place_of(l->sorted, n, value);

	memmove(l->sorted + at + 1, l->sorted + at, (n - at) * sizeof *l->sorted);
	l->sorted[at] = value;
}

/* Of LEVEL_ENTRIES. */
static void sorted_drop(struct level *l, float value)
{
	size_t at = place_of(l->sorted, LEVEL_ENTRIES, value);

	memmove(l->sorted + at, l->sorted + at + 1, (LEVEL_ENTRIES - at - 1) * sizeof *l->sorted);
}

/* One more block comes; true: it is kept. */
static bool kept_count(struct level_kept *k)
{
	if (k->every > 1 && k->skipped + 1 < k->every) {
		k->skipped++;
		return false;
	}
	k->skipped = 0;
	if (k->n == LEVEL_ENTRIES && k->every < EVERY_MAX) {
		k->n /= 2;
		k->every = k->every ? 2 * k->every : 2;
	}
	k->n += k->n < LEVEL_ENTRIES;
	return true;
}

/* Every second entry goes when there is no room for more; in the end the oldest. */
static void make_room(struct level *l, bool halve)
{
	if (halve) {
		for (size_t i = 0; i < LEVEL_ENTRIES / 2; i++) {
			l->median[i] = l->median[2 * i];
			l->noise[i] = l->noise[2 * i];
		}
		for (size_t i = 0; i < LEVEL_ENTRIES / 2; i++)
			sorted_add(l, i, l->median[i]);
		return;
	}
	sorted_drop(l, l->median[0]);
	memmove(l->median, l->median + 1, (LEVEL_ENTRIES - 1) * sizeof *l->median);
	memmove(l->noise, l->noise + 1, (LEVEL_ENTRIES - 1) * sizeof *l->noise);
}

/* A block that is kept has waited. */
static void level_keep(struct level *l, const struct level_kept *before)
{
	const float median = l->waiting[l->first];
	const size_t last = l->kept.n - 1;

	if (before->n == LEVEL_ENTRIES)
		make_room(l, before->every < EVERY_MAX);
	sorted_add(l, last, median);
	l->median[last] = median;
	l->noise[last] = l->waiting_noise[l->first];
	l->first = (l->first + 1) % LEVEL_WAITING;
	l->n_held--;
	l->settled = false;
	if (l->kept.n >= ENOUGH)
		l->normal = middle_of(l->sorted, l->kept.n);
}

/* A few blocks wait from the beginning, more the more is known. */
static void level_let_go(struct level *l)
{
	const uint32_t wait = 2 + l->kept.n / 4 < LEVEL_WAITING ? 2 + l->kept.n / 4 : LEVEL_WAITING;

	for (; l->n_waiting >= wait; l->n_waiting--) {
		const struct level_kept before = l->kept;

		if (kept_count(&l->kept))
			level_keep(l, &before);
	}
}

#define UNROLLED _Pragma("GCC unroll 8")

/* Puts the ath and the bth pair in order, place by place; without a branch, since what is less cannot be foreseen. */
static inline void order(double v[LEVEL_BLOCK], size_t a, size_t b)
{
	UNROLLED for (size_t i = 0; i < 2; i++)
	{
		double x = v[2 * a + i], y = v[2 * b + i];

		v[2 * a + i] = x < y ? x : y;
		v[2 * b + i] = x > y ? x : y;
	}
}

/* A sorting network of the values in even places, and the same of those in odd ones. */
static inline void sort_halves(double v[LEVEL_BLOCK])
{
	UNROLLED for (size_t i = 0; i < 8; i += 4)
	{
		order(v, i, i + 1);
		order(v, i + 2, i + 3);
		order(v, i, i + 2);
		order(v, i + 1, i + 3);
		order(v, i + 1, i + 2);
	}
	UNROLLED for (size_t i = 0; i < 4; i++) order(v, i, i + 4);
	order(v, 2, 4);
	order(v, 3, 5);
	UNROLLED for (size_t i = 1; i < 7; i += 2) order(v, i, i + 1);
}

/* The two in the middle of a block. Of two sorted halves, the lower is the least of those that end eight from the
 * beginnings of both, the upper the greatest of those that begin eight from their ends. All is unrolled, so that the
 * values stay in registers. */
static void middle_two(const double block[LEVEL_BLOCK], double *lower, double *upper)
{
	enum { LAST = LEVEL_BLOCK / 2 - 1 };
	double v[LEVEL_BLOCK], low, high;

	memcpy(v, block, sizeof v);
	sort_halves(v);
	low = v[2 * LAST] < v[2 * LAST + 1] ? v[2 * LAST] : v[2 * LAST + 1];
	high = v[0] > v[1] ? v[0] : v[1];
	UNROLLED for (size_t i = 0; i < LAST; i++)
	{
		double a = v[2 * i], b = v[2 * (LAST - 1 - i) + 1], last = a > b ? a : b;
		double c = v[2 * i + 2], d = v[2 * (LAST - i) + 1], first = c < d ? c : d;

		low = last < low ? last : low;
		high = first > high ? first : high;
	}
	*lower = low;
	*upper = high;
}

void level_learn_block(struct level *l)
{
	double low, high, middle;
	size_t at;

	level_let_go(l);
	l->n_block = 0;
	l->n_waiting++;
	if (!kept_count(&l->later))
		return;
	at = (l->first + l->n_held++) % LEVEL_WAITING;
	middle_two(l->block, &low, &high);
	middle = (low + high) / 2;
	for (size_t i = 0; i < LEVEL_BLOCK; i++)
		l->block[i] = fabs(l->block[i] - middle);
	middle_two(l->block, &low, &high);
	l->waiting[at] = (float)middle;
	l->waiting_noise[at] = (float)(((double)(float)low + (double)(float)high) / 2);
}

void level_doubt(struct level *l, double value)
{
	l->n_waiting = l->n_held = 0;
	l->later = l->kept;
	l->n_block = level_counts(value);
	l->block[0] = value;
}

double level_limit(struct level *l, bool above, double times, double deviations, size_t over)
{
	double noise, far;

	if (!l->settled)
		level_settle(l);
	noise = MEDIAN_NOISE * l->record_spread / sqrt((double)over);
	far = deviations * sqrt(l->spread * l->spread + noise * noise);
	if (above)
		return fmax(fmax(times, 1 + far), TENTH_MARGIN * l->high);
	return fmin(fmin(times, 1 / (1 + far)), l->low / TENTH_MARGIN);
}
