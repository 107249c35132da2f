/* median.c - by sorting, or by finding the middle alone. */
#include "stats/median.h"

#include "base/array.h"
#include "stats/select.h"

/* Where their sum would be no number, too. */
static double between(double below, double above)
{
	return below < above ? below + (above - below) / 2 : above;
}

double median_sort(double *v, size_t n)
{
	sort_doubles(v, n);
	return n % 2 ? v[n / 2] : between(v[n / 2 - 1], v[n / 2]);
}

double median_select(double *v, size_t n)
{
	double upper = select_kth_double(v, n, n / 2), below = v[0];

	for (size_t i = 1; n % 2 == 0 && i < n / 2; i++)
		below = v[i] > below ? v[i] : below;
	return n % 2 ? upper : between(below, upper);
}
