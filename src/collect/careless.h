/* careless.h - checks the caller's arguments before they are used: sizes, counts with NULL pointers, values of enums.
 *
 * Invalid values are left out of the record, as if the caller had not given them; a call is never refused because of
 * them. Invalid pointers cannot be detected.
 *
 * Cost   [hot] a comparison per member, a few per tensor; nothing is allocated.
 */
#ifndef RWKVMON_COLLECT_CARELESS_H
#define RWKVMON_COLLECT_CARELESS_H

#include "base/err.h"

#include <rwkvmon.h>
#include <stdbool.h>

/* [hot] *given as a struct of this library in *step; false: there is no forward call to see in it. */
bool careless_step(struct rwkvmon_step *step, const struct rwkvmon_step *given);

/* [hot] Can these be read? */
bool careless_tensors(const struct rwkvmon_tensor *t, size_t n);

/* From one step of a list to the next, as the first says; 0: it cannot be. */
size_t careless_stride(const struct rwkvmon_step *steps);

/* Missing members are zero; NULL: all of them. */
int careless_stream(struct rwkvmon_stream_config *stream, const struct rwkvmon_stream_config *given, struct err *err);

/* False: nothing can be checked with it. */
bool careless_start(struct rwkvmon_start *start, const struct rwkvmon_start *given);

/* Refuses an invalid struct size or enum value; the error names it. */
int careless_config(const struct rwkvmon_config *config, struct err *err);

#endif
