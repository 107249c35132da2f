/* window.h - the last N values of a quantity, and statistics of some values.
 *
 * Ownership  a window owns the memory of its values, which comes with the first of them, and again with one that needs
 *            more bytes than those before; until window_close. Without it the window stays empty.
 * Cost       a push O(1), a statistic of n values O(n).
 */
#ifndef RWKVMON_STATS_WINDOW_H
#define RWKVMON_STATS_WINDOW_H

#include <stddef.h>
#include <stdint.h>

enum { WINDOW_MAX = 1024 }; /* values a median may be taken of */

/* Whole multiples of 1 / scale are kept as such, in two bytes or three, all others as doubles: exactly either way. */
struct window {
	void *v;      /* (cap), a ring; NULL: none yet */
	double scale; /* 0: values are any numbers */
	uint16_t cap; /* 1..WINDOW_MAX */
	uint16_t n;   /* values held, at most cap */
	uint16_t next;
	uint16_t bytes; /* of each: 2, 3, 8; 0: none yet */
};

void window_close(struct window *w); /* it holds nothing then */

void window_push_many(struct window *w, const double *value, size_t n); /* no NaN */
/* scaled[i] / scale, each from `low` to `high`; of a window that has a scale. */
void window_push_decimals(struct window *w, const int64_t *scaled, size_t n, double low, double high);

static inline void window_push(struct window *w, double value)
{
	if (w->bytes != sizeof value) {
		window_push_many(w, &value, 1);
		return;
	}
	((double *)w->v)[w->next] = value;
	w->next = w->next + 1U == w->cap ? 0 : (uint16_t)(w->next + 1);
	w->n = (uint16_t)(w->n + (w->n < w->cap));
}

/* The one that the next push replaces; of a full window. */
double window_oldest(const struct window *w);

/* Copies all values, (w->n), the oldest first. */
void window_copy(const struct window *w, double *out);

/* Of v (n <= WINDOW_MAX), which holds no NaN; NAN when n is 0. */

/* scale: the values are meant as whole multiples of 1 / scale, and are summed as such, which is exact; 0: any numbers.
 */
double values_mean(const double *v, size_t n, double scale);
double values_min(const double *v, size_t n);
double values_max(const double *v, size_t n);
double values_median(const double *v, size_t n);

/* The value that the share q (0 to 1) of the values does not exceed: the ceil(q n)-th smallest. */
double values_quantile(const double *v, size_t n, double q);

/* Standard deviation of ln(v), in which values below a tenth of the mean count as that: 0 when all are equal, 0.69 when
 * they usually differ by a factor of two. NAN unless the mean is above 0. */
double values_spread(const double *v, size_t n);

/* Median of |v - center|: the robust spread around it. */
double values_mad(const double *v, size_t n, double center);

/* One value of a mean's sum, which stays exact; NAN: it is too large for that. */
double values_whole(double value, double scale);

#endif
