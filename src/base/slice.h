/* slice.h - a view of bytes that another object owns: not NUL-terminated, may hold any byte. */
#ifndef RWKVMON_BASE_SLICE_H
#define RWKVMON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n; /* bytes */
};

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

/* The first n bytes, which the slice loses; NULL if it has fewer. */
static inline const char *slice_take(struct slice *s, uint64_t n)
{
	const char *p = s->p;

	if (n > s->n)
		return NULL;
	s->p += n;
	s->n -= (size_t)n;
	return p;
}

/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).n, (s).p

#endif
