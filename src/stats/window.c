/* window.c - the ring of values, and statistics of what it held. */
#include "stats/window.h"

#include "base/decimals.h"
#include "stats/median.h"
#include "stats/select.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { THREE = 3, MOST_IN_THREE = (1 << 23) - 1 }; /* bytes of a value */
static const double LARGE = 8796093022208;         /* 2^43: WINDOW_MAX of them stay below 2^53 */

void window_close(struct window *w)
{
	free(w->v);
	w->v = NULL;
	w->n = w->next = w->bytes = 0;
}

/* The nearest whole number, if it is below 2^51 in size; else one that is as large. */
static inline double whole_of(double x)
{
	const double shift = 0x1.8p52;

	return x + shift - shift;
}

static size_t bytes_of(double largest)
{
	return largest > MOST_IN_THREE ? sizeof(double) : largest > INT16_MAX ? THREE : sizeof(int16_t);
}

static size_t bytes_for(double scale, const double *value, size_t n)
{
	double largest = scale > 0 ? 0 : INFINITY;

	for (size_t i = 0; i < n; i++) {
		double whole = whole_of(value[i] * scale), size = fabs(whole);

		size = whole / scale != value[i] ? INFINITY : size;
		largest = size > largest ? size : largest;
	}
	return bytes_of(largest);
}

static int32_t three_bytes(const uint8_t *v)
{
	return v[0] | v[1] << 8 | (int8_t)v[2] * 65536;
}

static void put_three_bytes(uint8_t *v, int32_t value)
{
	v[0] = (uint8_t)value;
	v[1] = (uint8_t)(value >> 8);
	v[2] = (uint8_t)(value >> 16);
}

/* Values from one place of the ring on. */
static void get(const struct window *w, size_t from, double *out, size_t n)
{
	const uint8_t *v = w->v;
	double scale = w->scale;

	if (!n) /* there may be no memory yet */
		return;
	v += w->bytes * from;
	if (w->bytes == sizeof *out)
		memcpy(out, v, n * sizeof *out);
	else if (w->bytes == THREE)
		for (size_t i = 0; i < n; i++)
			out[i] = (double)three_bytes(v + THREE * i) / scale;
	else
		for (size_t i = 0; i < n; i++)
			out[i] = (double)((const int16_t *)w->v)[from + i] / scale;
}

/* Values, or decimals where `value` is NULL. */
static void put(const struct window *w, size_t from, const double *value, const int64_t *scaled, size_t n)
{
	uint8_t *v = w->v;
	double scale = w->scale;

	if (!n)
		return;
	v += w->bytes * from;
	if (w->bytes == sizeof *value && value)
		memcpy(v, value, n * sizeof *value);
	else if (w->bytes == sizeof *value)
		decimals_to_doubles((double *)w->v + from, scaled, n, scale);
	else if (w->bytes == THREE)
		for (size_t i = 0; i < n; i++)
			put_three_bytes(v + THREE * i,
					value ? (int32_t)whole_of(value[i] * scale) : (int32_t)scaled[i]);
	else
		for (size_t i = 0; i < n; i++)
			((int16_t *)w->v)[from + i] =
				(int16_t)(value ? (int32_t)whole_of(value[i] * scale) : (int32_t)scaled[i]);
}

/* The same values in more bytes; false: no memory, and they are gone. */
static bool widen(struct window *w, size_t bytes)
{
	struct window wide = *w;
	double value;

	wide.v = malloc(w->cap * bytes);
	wide.bytes = (uint16_t)bytes;
	for (size_t i = 0; wide.v && i < w->n; i++) {
		get(w, i, &value, 1);
		put(&wide, i, &value, NULL, 1);
	}
	window_close(w);
	if (wide.v)
		*w = wide;
	return wide.v;
}

/* n more of either, which take so many bytes. */
static void push(struct window *w, const double *value, const int64_t *scaled, size_t n, size_t bytes)
{
	if (bytes > w->bytes && !widen(w, bytes))
		return;
	for (size_t done = n > w->cap ? n - w->cap : 0, now; done < n; done += now) {
		now = n - done < (size_t)w->cap - w->next ? n - done : (size_t)w->cap - w->next;
		put(w, w->next, value ? value + done : NULL, value ? NULL : scaled + done, now);
		w->next = (uint16_t)(w->next + now == w->cap ? 0 : w->next + now);
		w->n = (uint16_t)(w->n + now < w->cap ? w->n + now : w->cap);
	}
}

void window_push_many(struct window *w, const double *value, size_t n)
{
	push(w, value, NULL, n, w->bytes == sizeof *value ? w->bytes : bytes_for(w->scale, value, n));
}

void window_push_decimals(struct window *w, const int64_t *scaled, size_t n, double low, double high)
{
	push(w, NULL, scaled, n, bytes_of(rint(fmax(-low, high) * w->scale)));
}

double window_oldest(const struct window *w)
{
	double value;

	get(w, w->next, &value, 1);
	return value;
}

void window_copy(const struct window *w, double *out)
{
	size_t oldest = w->n == w->cap ? w->next : 0, first = w->n - oldest;

	get(w, oldest, out, first);
	get(w, 0, out + first, oldest);
}

double values_whole(double value, double scale)
{
	double whole = rint(value * scale);

	return fabs(whole) < LARGE ? whole : (double)NAN;
}

double values_mean(const double *v, size_t n, double scale)
{
	double whole = scale > 0 ? 0 : NAN, sum = 0;

	for (size_t i = 0; i < n && !isnan(whole); i++)
		whole += values_whole(v[i], scale);
	if (!n || !isnan(whole))
		return n ? whole / (double)n / scale : (double)NAN;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

double values_min(const double *v, size_t n)
{
	double least = NAN;

	for (size_t i = 0; i < n; i++)
		least = fmin(least, v[i]);
	return least;
}

double values_max(const double *v, size_t n)
{
	double most = NAN;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, v[i]);
	return most;
}

double values_median(const double *v, size_t n)
{
	double room[WINDOW_MAX];

	if (!n)
		return NAN;
	memcpy(room, v, n * sizeof *v);
	return median_select(room, n);
}

double values_quantile(const double *v, size_t n, double q)
{
	double room[WINDOW_MAX], rank = ceil(q * (double)n);

	if (!n)
		return NAN;
	memcpy(room, v, n * sizeof *v);
	return select_kth_double(room, n, rank < 1 ? 0 : (size_t)rank - 1);
}

double values_spread(const double *v, size_t n)
{
	double ln[WINDOW_MAX], mean = 0, sum = 0, squares = 0;

	for (size_t i = 0; i < n; i++)
		mean += v[i] / (double)n;
	if (!(mean > 0))
		return NAN;
	for (size_t i = 0; i < n; i++) {
		ln[i] = log(fmax(v[i] / mean, 0.1));
		sum += ln[i];
	}
	for (size_t i = 0; i < n; i++)
		squares += (ln[i] - sum / (double)n) * (ln[i] - sum / (double)n);
	return sqrt(squares / (double)n);
}

double values_mad(const double *v, size_t n, double center)
{
	double away[WINDOW_MAX];

	if (!n)
		return NAN;
	for (size_t i = 0; i < n; i++)
		away[i] = fabs(v[i] - center);
	return median_select(away, n);
}
