/* array.c - the pointer is copied byte by byte, since pointers to different types may not alias. */
#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool array_grow(void *rows, size_t n, size_t *cap, size_t first, size_t row_bytes)
{
	const size_t wanted = *cap ? 2 * *cap : first;
	void *row;

	if (n < *cap)
		return true;
	if (wanted < *cap || wanted > SIZE_MAX / row_bytes)
		return false;
	memcpy(&row, rows, sizeof row);
	row = realloc(row, wanted * row_bytes);
	if (!row)
		return false;
	memcpy(rows, &row, sizeof row);
	*cap = wanted;
	return true;
}

static int rising(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void sort_doubles(double *v, size_t n)
{
	if (n)
		qsort(v, n, sizeof *v, rising);
}
