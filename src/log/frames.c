/* frames.c - each write is a whole zstd frame, so that a torn tail costs one frame. */
#include "log/frames.h"

#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum { LEVEL = 3, MAGIC_BYTES = 4, SCAN_BYTES = 64 << 10 };
static const unsigned char magic[MAGIC_BYTES] = { 0x28, 0xb5, 0x2f, 0xfd };

struct packer {
	ZSTD_CCtx *ctx;
	char *frame; /* (cap) */
	size_t cap;
};

struct packer *packer_open(void)
{
	struct packer *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->ctx = ZSTD_createCCtx();
	if (!p->ctx) {
		free(p);
		return NULL;
	}
	ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_checksumFlag, 1);
	return p;
}

void packer_close(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->ctx);
	free(p->frame);
	free(p);
}

bool packer_pack(struct packer *p, struct slice lines, struct slice *frame)
{
	size_t bound = ZSTD_compressBound(lines.n), n;

	if (bound > p->cap) {
		char *grown = realloc(p->frame, bound);

		if (!grown)
			return false;
		p->frame = grown;
		p->cap = bound;
	}
	n = ZSTD_compress2(p->ctx, p->frame, p->cap, lines.p, lines.n);
	*frame = (struct slice){ p->frame, n };
	return !ZSTD_isError(n);
}

/* --- finding the end of the last whole frame (RFC 8878, section 3.1) ---------------- */

enum frame_state { FRAME_WHOLE, FRAME_TORN, FRAME_BAD, FRAME_UNREADABLE };

struct frame_reader {
	int fd;
	uint64_t size;
};

/* Reads n bytes at `at`: FRAME_TORN when the file ends before. */
static enum frame_state read_at(const struct frame_reader *r, uint64_t at, void *to, size_t n)
{
	if (at > r->size || r->size - at < n)
		return FRAME_TORN;
	return pread(r->fd, to, n, (off_t)at) == (ssize_t)n ? FRAME_WHOLE : FRAME_UNREADABLE;
}

static enum frame_state header_end(const struct frame_reader *r, uint64_t *at, bool *checksum)
{
	static const unsigned dictionary_bytes[] = { 0, 1, 2, 4 }, content_bytes[] = { 0, 2, 4, 8 };
	unsigned char head[MAGIC_BYTES + 1];
	enum frame_state got = read_at(r, *at, head, sizeof head);
	unsigned flags, single;

	if (got != FRAME_WHOLE)
		return got;
	if (memcmp(head, magic, MAGIC_BYTES))
		return FRAME_BAD;
	flags = head[MAGIC_BYTES];
	single = flags >> 5 & 1;
	*checksum = flags >> 2 & 1;
	*at += sizeof head + !single + dictionary_bytes[flags & 3] + (flags >> 6 ? content_bytes[flags >> 6] : single);
	return FRAME_WHOLE;
}

static enum frame_state blocks_end(const struct frame_reader *r, uint64_t *at)
{
	for (;;) {
		unsigned char b[3];
		enum frame_state got = read_at(r, *at, b, sizeof b);
		uint32_t header = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16;

		if (got != FRAME_WHOLE)
			return got;
		if ((header >> 1 & 3) == 3)
			return FRAME_BAD;
		*at += sizeof b + ((header >> 1 & 3) == 1 ? 1 : header >> 3); /* a run-length block stores one byte */
		if (header & 1)
			return FRAME_WHOLE;
	}
}

/* Moves *at from the start of a frame to its end. */
static enum frame_state frame_end(const struct frame_reader *r, uint64_t *at)
{
	uint64_t end = *at;
	bool checksum = false;
	enum frame_state state = header_end(r, &end, &checksum);

	if (state == FRAME_WHOLE)
		state = blocks_end(r, &end);
	end += checksum ? 4 : 0;
	if (state == FRAME_WHOLE && end > r->size)
		state = FRAME_TORN;
	if (state == FRAME_WHOLE)
		*at = end;
	return state;
}

/* Moves *at to the next frame that is whole; false when there is none before the end. */
static bool find_whole(const struct frame_reader *r, uint64_t *at)
{
	unsigned char bytes[SCAN_BYTES];

	for (uint64_t from = *at + 1; from + MAGIC_BYTES <= r->size; from += sizeof bytes - MAGIC_BYTES + 1) {
		ssize_t n = pread(r->fd, bytes, sizeof bytes, (off_t)from);

		for (ssize_t i = 0; i + MAGIC_BYTES <= n; i++) {
			uint64_t end = from + (uint64_t)i;

			if (memcmp(bytes + i, magic, MAGIC_BYTES) || frame_end(r, &end) != FRAME_WHOLE)
				continue;
			*at = from + (uint64_t)i;
			return true;
		}
	}
	return false;
}

uint64_t frames_whole_end(int fd, uint64_t from, uint64_t size)
{
	const struct frame_reader r = { fd, size };
	uint64_t at = from;

	while (at < size) {
		enum frame_state state = frame_end(&r, &at);

		if (state == FRAME_WHOLE)
			continue;
		if (find_whole(&r, &at))
			continue;
		return state == FRAME_TORN ? at : size;
	}
	return size;
}
