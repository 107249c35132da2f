/* A compressed log with holes: frames of whole lines between zeros, torn frames, skippable ones and bytes of all kinds.
 * Every whole frame's line is read, once and in order, unless noise stands before it, which may look like a frame. */
#include "read/unpack.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

enum { HOLE_MAX = 1 << 20, ALL_MAX = 4 << 20 };

struct script {
	const uint8_t *p;
	size_t n;
};

struct bytes {
	const char *p;
	size_t n, most;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static unsigned next(struct script *s)
{
	if (!s->n)
		return 0;
	s->n--;
	return *s->p++;
}

static ssize_t pull(void *ctx, void *buffer, size_t n)
{
	struct bytes *b = ctx;

	n = n < b->n ? n : b->n;
	n = n < b->most ? n : b->most;
	memcpy(buffer, b->p, n);
	b->p += n;
	b->n -= n;
	return (ssize_t)n;
}

/* A frame of one line that tells its number; incompressible ones too, so that blocks end anywhere. */
static size_t make_frame(char *to, size_t room, unsigned number, unsigned size)
{
	size_t n = 16 + (size_t)size * 64;
	char *line = malloc(n);
	uint32_t x = number * 2654435761U + 1;

	require(line);
	snprintf(line, n, "<%u>", number);
	for (size_t i = strlen(line); i < n; i++)
		line[i] = (char)('a' + (x = x * 1664525 + 1013904223) / 0x10000000U);
	line[n - 1] = '\n';
	n = ZSTD_compress(to, room, line, n, 1);
	require(!ZSTD_isError(n));
	free(line);
	return n;
}

static void add_zeros(struct buf *all, size_t n)
{
	if (!buf_reserve(all, n))
		return;
	memset(all->p + all->used, 0, n);
	all->used += n;
}

/* What the script makes; how many frames are whole, and whether something may be taken for a frame. */
static unsigned build(struct buf *all, struct script s, bool *noise)
{
	static char frame[1 << 16];
	unsigned whole = 0;

	all->used = 0;
	while (s.n && all->used < ALL_MAX) {
		unsigned what = next(&s), size = next(&s);
		size_t n = make_frame(frame, sizeof frame, whole, size);

		if (what % 5 == 0) {
			add_zeros(all, ((size_t)size << 12 | next(&s)) % HOLE_MAX);
		} else if (what % 5 == 1) {
			buf_add(all, frame, 1 + next(&s) * (n - 1) / 256); /* torn */
			*noise = true;
		} else if (what % 5 == 2) {
			buf_add(all, s.p, size < s.n ? size : s.n);
			s.p += size < s.n ? size : s.n;
			s.n -= size < s.n ? size : s.n;
			*noise = true;
		} else {
			buf_add(all, frame, n);
			whole++;
		}
	}
	return whole;
}

static unsigned count_lines(const struct buf *text, bool noise)
{
	unsigned n = 0;
	const char *end = text->p + text->used;

	for (const char *p = text->p; p && p < end && (p = memchr(p, '<', (size_t)(end - p))); p++) {
		unsigned number = (unsigned)strtoul(p + 1, NULL, 10);

		require(noise || number == n);
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct buf all, text;
	struct script s = { data, n };
	size_t most = (size_t)next(&s) * 64 + 16;
	bool noise = false;
	unsigned whole = build(&all, s, &noise);
	struct bytes bytes = { all.p, all.used, most };
	struct unpack *u;
	char block[4096];
	ssize_t got;

	if (!all.used || packing_of((struct slice){ all.p, all.used }) != PACKED_ZSTD)
		return 0;
	u = unpack_open(PACKED_ZSTD, (struct slice){ all.p, 0 }, false, pull, &bytes);
	require(u);
	buf_clear(&text);
	while ((got = unpack_pull(u, block, sizeof block)) > 0)
		buf_add(&text, block, (size_t)got);
	require(!got && unpack_whole(u) <= all.used && unpack_whole_text(u) <= text.used);
	unpack_close(u);
	require(noise || count_lines(&text, noise) == whole);
	return 0;
}
