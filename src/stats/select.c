/* select.c - quickselect with the middle of three as pivot, for floats and for doubles. */
#define VALUE float
#define SELECT select_kth
#define MIDDLE middle_of_floats
#define PART part_floats
#include "stats/select_body.h"
#undef VALUE
#undef SELECT
#undef MIDDLE
#undef PART

#define VALUE double
#define SELECT select_kth_double
#define MIDDLE middle_of_doubles
#define PART part_doubles
#include "stats/select_body.h"
