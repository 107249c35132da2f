/* texts.c - reads texts side by side from the beginnings of their files. */
#include "read/texts.h"

#include "read/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIDE_BYTES = 64 << 10 };

/* A read_pull from the file's beginning, wherever its place is. */
struct begin_of {
	int fd;
	off_t at;
};

static ssize_t pull_begin(void *ctx, void *buffer, size_t n)
{
	struct begin_of *b = ctx;
	ssize_t got = pread(b->fd, buffer, n, b->at);

	b->at += got > 0 ? got : 0;
	return got;
}

/* Returns less than n at the end alone, or with *failed. */
static size_t pull_all(read_pull *pull, void *ctx, char *to, size_t n, bool *failed)
{
	size_t have = 0;
	ssize_t got = 1;

	while (have < n && (got > 0 || (got < 0 && errno == EINTR))) {
		got = pull(ctx, to + have, n - have);
		have += got > 0 ? (size_t)got : 0;
	}
	*failed = got < 0;
	return have;
}

/* Begins to read the text: `begin`, its first bytes as they lie in the file, were pulled from `raw`. *u: what it goes
 * through, or NULL. */
static enum packing open_text(struct begin_of *raw, struct slice begin, struct unpack **u)
{
	const enum packing packing = packing_of(begin);

	*u = packing ? unpack_open(packing, begin, true, pull_begin, raw) : NULL;
	return packing;
}

size_t texts_beginning(int fd, char *to, size_t n, enum packing *packing)
{
	struct begin_of raw = { .fd = fd };
	struct unpack *u;
	bool failed;
	size_t have = pull_all(pull_begin, &raw, to, n, &failed);

	*packing = open_text(&raw, (struct slice){ to, have }, &u);
	if (u)
		have = pull_all(unpack_pull, u, to, n, &failed);
	unpack_close(u);
	return have;
}

/* One of two texts that are compared. */
struct side {
	struct begin_of raw;
	struct unpack *unpack; /* NULL: it is plain */
	char bytes[SIDE_BYTES];
	size_t n; /* fewer than fit: the text is over */
	bool failed;
};

static void side_next(struct side *s)
{
	s->n = s->unpack ? pull_all(unpack_pull, s->unpack, s->bytes, SIDE_BYTES, &s->failed)
			 : pull_all(pull_begin, &s->raw, s->bytes, SIDE_BYTES, &s->failed);
}

static void side_open(struct side *s, int fd)
{
	char magic[PACKING_MAGIC_BYTES];
	size_t n;

	s->raw = (struct begin_of){ .fd = fd };
	n = pull_all(pull_begin, &s->raw, magic, sizeof magic, &s->failed);
	if (open_text(&s->raw, (struct slice){ magic, n }, &s->unpack) && !s->unpack)
		s->failed = true; /* no memory */
	if (!s->unpack)
		s->raw.at = 0;
}

static enum texts_relation compare_sides(struct side *a, struct side *b)
{
	size_t n;

	do {
		side_next(a);
		side_next(b);
		n = a->n < b->n ? a->n : b->n;
		if (a->failed || b->failed || memcmp(a->bytes, b->bytes, n))
			return TEXTS_DIFFER;
	} while (n == SIDE_BYTES);
	return a->n <= b->n ? TEXTS_FIRST_IN_IT : TEXTS_SECOND_IN_IT;
}

enum texts_relation texts_compare(int first, int second)
{
	struct side *side = calloc(2, sizeof *side);
	enum texts_relation is = TEXTS_DIFFER;

	if (!side)
		return is;
	side_open(&side[0], first);
	side_open(&side[1], second);
	if (!side[0].failed && !side[1].failed)
		is = compare_sides(&side[0], &side[1]);
	unpack_close(side[0].unpack);
	unpack_close(side[1].unpack);
	free(side);
	return is;
}
