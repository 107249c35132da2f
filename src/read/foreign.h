/* foreign.h - texts that hold records, but not one on each line: what they are, and what makes a log of them. */
#ifndef RWKVMON_READ_FOREIGN_H
#define RWKVMON_READ_FOREIGN_H

#include "base/slice.h"

struct foreign {
	const char *is;      /* a row of messages.def */
	const char *command; /* that writes a log of it, before the file's name */
};

/* By how a text begins; NULL: none that is known. */
const struct foreign *foreign_of(struct slice begin);

#endif
