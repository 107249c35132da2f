/* texts.h - the texts of open files, decompressed if need be: how they begin, and whether one is the other's beginning.
 *
 * The descriptors' places stay as they are.
 */
#ifndef RWKVMON_READ_TEXTS_H
#define RWKVMON_READ_TEXTS_H

#include "read/read.h"

/* Fewer bytes than these do not identify a log: a time stamp and the session's id lie within them. */
enum { TEXTS_LEAST = 128 };

/* The first bytes of a file's text (*packing: how it is compressed); less than n when it is shorter. */
size_t texts_beginning(int fd, char *to, size_t n, enum packing *packing);

enum texts_relation {
	TEXTS_DIFFER,       /* or one of them cannot be read */
	TEXTS_FIRST_IN_IT,  /* the second begins with all of the first; equal ones too */
	TEXTS_SECOND_IN_IT, /* the first begins with all of the second, and goes on */
};

/* Reads both up to where they differ or one ends; what follows damage that ends a compressed text is not part of it. */
enum texts_relation texts_compare(int first, int second);

#endif
