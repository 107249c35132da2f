/* number_set.h - a set of whole numbers that mostly come one after the other.
 *
 * One run of consecutive numbers is held as its two ends; numbers outside of it are bits in a table, 64 to a word of
 * 16 bytes. A set that grows by one number at a time, upwards or downwards, needs no table; in any other order it takes
 * half a byte to 64 bytes a number, depending on how far apart they are. Exact.
 */
#ifndef RWKVMON_ANALYZE_NUMBER_SET_H
#define RWKVMON_ANALYZE_NUMBER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number_word {
	uint64_t place, bits; /* the numbers 64 * place + i, of the set bits i; bits 0: free */
};

struct number_set {
	uint64_t from, to; /* the run, of which every number is in the set; to < from: none yet */
	uint64_t least, greatest, count;
	struct number_word *word; /* (room), open addressing; a power of two; NULL: none was needed */
	size_t room, used;
	bool failed; /* memory is out: numbers were not added */
};

/* False: it is in the set. The number is below 2^64 - 1. Amortised constant time. */
bool number_set_add(struct number_set *s, uint64_t number);
void number_set_free(struct number_set *s);

#endif
