/* select_body.h - quickselect over the type VALUE, with these names: select.c includes it once for each type. */
#include "stats/select.h"

#include <stdbool.h>

#ifdef VALUE

static VALUE MIDDLE(VALUE a, VALUE b, VALUE c)
{
	VALUE low = a < b ? a : b, high = a < b ? b : a;

	return c < low ? low : c > high ? high : c;
}

/* Moves the values of low..high that are less than the pivot (`or_equal`: or not greater, which includes the pivot
 * itself, even a NaN) to the front, without a branch on them; returns where the others begin. */
static size_t PART(VALUE *v, size_t low, size_t high, VALUE pivot, bool or_equal)
{
	size_t at = low;

	for (size_t i = low; i <= high; i++) {
		VALUE value = v[i];

		v[i] = v[at];
		v[at] = value;
		at += or_equal ? !(value > pivot) : value < pivot;
	}
	return at;
}

/* [low, high] always holds the k-th value. */
VALUE SELECT(VALUE *v, size_t n, size_t k)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		VALUE pivot = MIDDLE(v[low], v[low + (high - low) / 2], v[high]);
		size_t equal = PART(v, low, high, pivot, false), above;

		if (k < equal) {
			high = equal - 1;
			continue;
		}
		above = PART(v, equal, high, pivot, true);
		if (k < above)
			break;
		low = above;
	}
	return v[k];
}
#endif
