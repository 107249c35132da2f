/* array.h - arrays of rows that double when they are full; sorting of numbers. */
#ifndef RWKVMON_BASE_ARRAY_H
#define RWKVMON_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Room for row `n` of `*cap` rows: array_grow(&t->row, t->n, &t->cap, 64, sizeof *t->row). `rows` is the address of the
 * pointer to them, which is NULL with a cap of 0; the first room is for `first` rows, and new rows hold anything. False
 * when memory is out: nothing has changed. */
bool array_grow(void *rows, size_t n, size_t *cap, size_t first, size_t row_bytes);

/* Rising; without NAN. */
void sort_doubles(double *v, size_t n);

#endif
