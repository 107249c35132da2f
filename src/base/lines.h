/* lines.h - a text, line by line. */
#ifndef RWKVMON_BASE_LINES_H
#define RWKVMON_BASE_LINES_H

#include "base/slice.h"

/* Takes the next line off *rest, without its end; the last one needs none. */
static inline struct slice next_line(struct slice *rest)
{
	const char *end = rest->n ? (const char *)memchr(rest->p, '\n', rest->n) : NULL;
	const struct slice line = { rest->p, end ? (size_t)(end - rest->p) : rest->n };

	rest->p += line.n + (end != NULL);
	rest->n -= line.n + (end != NULL);
	return line;
}

#endif
