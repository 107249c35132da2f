/* window.h - the last N values of a quantity, and statistics of some values.
 *
 * Ownership  the caller provides the memory for the values.
 * Cost       a push O(1), a statistic of n values O(n). No allocation.
 */
#ifndef RWKVMON_STATS_WINDOW_H
#define RWKVMON_STATS_WINDOW_H

#include <stddef.h>
#include <stdint.h>

enum { WINDOW_MAX = 1024 }; /* values a median may be taken of */

struct window {
	double *v;    /* (cap), a ring */
	uint32_t cap; /* 1..WINDOW_MAX */
	uint32_t n;   /* values held, at most cap */
	uint32_t next;
};

static inline void window_push(struct window *w, double value) /* no NaN */
{
	w->v[w->next] = value;
	w->next = w->next + 1 == w->cap ? 0 : w->next + 1;
	w->n += w->n < w->cap;
}

void window_push_many(struct window *w, const double *value, size_t n);

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
