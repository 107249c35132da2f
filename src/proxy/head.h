/* head.h - refuses a request whose head two servers could read in two ways (RFC 9112, sections 2.2, 3.2, 5, 6).
 *
 * The front's library repairs such heads where a server should refuse them. It does so in place: a request's head stays
 * in one block of memory, in which only the ends of texts are overwritten. So whatever lies between the texts that the
 * library hands out, or out of their order, is what it left out or joined: a NUL in a text, a folded line, a line that
 * does not end in CR LF.
 *
 *     head_begin(&h, target, version);  head_add(&h, name, value) for each header in its order;
 *     why = head_end(&h, end);
 */
#ifndef RWKVMON_PROXY_HEAD_H
#define RWKVMON_PROXY_HEAD_H

#include "base/slice.h"

struct head {
	const char *end; /* of the text before; all texts are borrowed, where the library holds them */
	const char *why; /* NULL: nothing is wrong so far */
	unsigned hosts, lengths, codings;
	bool is_1_1;
};

void head_begin(struct head *h, struct slice target, const char *version); /* the target as it was received */
void head_add(struct head *h, const char *name, const char *value);
/* `end`: behind the blank line. NULL: the head can be read in one way only; else what is wrong, as a sentence. */
const char *head_end(struct head *h, const char *end);

#endif
