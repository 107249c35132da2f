/* unpack.c - streams of gzip members and zstd frames; damaged frames are skipped and reported. */
#include "read/unpack.h"

#include "spec/skipped.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum { PACKED_BLOCK_BYTES = 128 << 10, ZSTD_MAGIC_BYTES = 4, GZIP_WINDOW = 15 + 16 /* with its header */ };

static const size_t NOWHERE = SIZE_MAX;
static const char zstd_magic[] = "\x28\xb5\x2f\xfd", gzip_magic[] = "\x1f\x8b";

struct unpack {
	enum packing packing;
	read_pull *pull;
	void *ctx;
	unsigned char *in;   /* (cap) */
	size_t at, n, cap;   /* of `in`: used up, filled, room */
	uint64_t before;     /* bytes of the source that were in `in` and are not any more */
	uint64_t whole;      /* bytes of the source behind which nothing is open, */
	uint64_t whole_text; /* and of the text up to there */
	uint64_t text;       /* bytes that were put out */
	bool goes_on;        /* what is open at the end may still come whole */
	size_t frame;        /* where this frame began in `in`; NOWHERE: that is gone */
	bool in_end;         /* the source has no more */
	bool inside;         /* a member or frame has begun and not ended */
	bool searching;      /* for the next frame, after damage */
	bool cut;            /* a line end must be inserted: text after damage begins a new line */
	bool done;
	const char *damage;
	z_stream gzip;
	bool gzip_open;
	ZSTD_DCtx *zstd;
};

enum packing packing_of(struct slice begin)
{
	if (begin.n >= 2 && !memcmp(begin.p, gzip_magic, 2))
		return PACKED_GZIP;
	return begin.n >= ZSTD_MAGIC_BYTES && !memcmp(begin.p, zstd_magic, ZSTD_MAGIC_BYTES) ? PACKED_ZSTD : PACKED_NOT;
}

struct unpack *unpack_open(enum packing packing, struct slice begin, bool goes_on, read_pull *pull, void *ctx)
{
	struct unpack *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->packing = packing;
	u->frame = NOWHERE;
	u->goes_on = goes_on;
	u->pull = pull;
	u->ctx = ctx;
	u->cap = begin.n > PACKED_BLOCK_BYTES ? begin.n : PACKED_BLOCK_BYTES;
	u->in = malloc(u->cap);
	if (packing == PACKED_GZIP)
		u->gzip_open = inflateInit2(&u->gzip, GZIP_WINDOW) == Z_OK;
	else
		u->zstd = ZSTD_createDCtx();
	if (!u->in || (!u->gzip_open && !u->zstd)) {
		unpack_close(u);
		return NULL;
	}
	memcpy(u->in, begin.p, begin.n);
	u->n = begin.n;
	return u;
}

void unpack_close(struct unpack *u)
{
	if (!u)
		return;
	if (u->gzip_open)
		inflateEnd(&u->gzip);
	ZSTD_freeDCtx(u->zstd);
	free(u->in);
	free(u);
}

uint64_t unpack_whole(const struct unpack *u)
{
	return u->whole;
}

uint64_t unpack_whole_text(const struct unpack *u)
{
	return u->whole_text;
}

const char *unpack_damage(struct unpack *u)
{
	const char *damage = u->damage;

	u->damage = NULL;
	return damage;
}

/* Keeps what is left, and a short frame's beginning. */
static void move_rest(struct unpack *u)
{
	size_t from = u->at;

	if (u->frame != NOWHERE && u->n - u->frame <= u->cap / 2)
		from = u->frame;
	u->frame = from == u->frame ? 0 : NOWHERE;
	memmove(u->in, u->in + from, u->n - from);
	u->before += from;
	u->n -= from;
	u->at -= from;
}

/* Reads more input; -1 with errno. The unused rest is moved rarely, even if little arrives at a time. */
static int refill(struct unpack *u)
{
	ssize_t got;

	if (u->in_end)
		return 0;
	if (u->cap - u->n < u->cap / 4)
		move_rest(u);
	got = u->pull(u->ctx, u->in + u->n, u->cap - u->n);
	if (got < 0)
		return -1;
	u->n += (size_t)got;
	u->in_end = !got;
	return 0;
}

/* Returns the bytes produced. A member is followed by another one, or by zeros that pad a tape. */
static size_t inflate_some(struct unpack *u, void *buffer, size_t n)
{
	int rc;

	while (!u->inside && u->at < u->n && !u->in[u->at])
		u->at++;
	if (u->at == u->n && !u->inside)
		return 0;
	u->gzip.next_in = u->in + u->at;
	u->gzip.avail_in = (uInt)(u->n - u->at);
	u->gzip.next_out = buffer;
	u->gzip.avail_out = (uInt)(n < UINT32_MAX ? n : UINT32_MAX);
	n = u->gzip.avail_out;
	rc = inflate(&u->gzip, Z_NO_FLUSH);
	u->at = u->n - u->gzip.avail_in;
	u->inside = rc != Z_STREAM_END;
	if (rc == Z_STREAM_END)
		rc = inflateReset(&u->gzip);
	if (rc != Z_OK && rc != Z_BUF_ERROR) {
		u->damage = skipped_specs[SKIPPED_GZIP].text[LANG_EN];
		u->inside = false;
		u->done = true;
	}
	return n - u->gzip.avail_out;
}

/* Moves to the next frame, or to the last bytes that may begin one. */
static void search_frame(struct unpack *u)
{
	const unsigned char *found = memmem(u->in + u->at, u->n - u->at, zstd_magic, ZSTD_MAGIC_BYTES);

	if (found) {
		u->at = (size_t)(found - u->in);
		u->searching = false;
	} else if (u->n - u->at >= ZSTD_MAGIC_BYTES) {
		u->at = u->n - (ZSTD_MAGIC_BYTES - 1);
	}
}

/* Goes on behind this frame's beginning, if that is still there: a damaged length may
 * have led into the frames behind it. */
static void leave_frame(struct unpack *u, const char *damage)
{
	ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
	u->damage = damage;
	u->at = u->frame != NOWHERE ? u->frame : u->at;
	u->at += u->at < u->n;
	u->frame = NOWHERE;
	u->inside = false;
	u->searching = u->cut = true;
}

static size_t decompress_some(struct unpack *u, void *buffer, size_t n)
{
	ZSTD_inBuffer in = { u->in, u->n, u->at };
	ZSTD_outBuffer out = { buffer, n, 0 };
	size_t rc;

	if (u->cut) {
		u->cut = false;
		*(char *)buffer = '\n';
		return 1;
	}
	if (u->searching) {
		search_frame(u);
		return 0;
	}
	if (u->at == u->n && !u->inside)
		return 0;
	if (!u->inside)
		u->frame = u->at;
	rc = ZSTD_decompressStream(u->zstd, &out, &in);
	u->inside = rc != 0;
	if (!ZSTD_isError(rc)) {
		u->at = in.pos;
		return out.pos;
	}
	u->at = in.pos;
	leave_frame(u, skipped_specs[SKIPPED_ZSTD].text[LANG_EN]);
	return out.pos;
}

/* `in` produced nothing: more input is needed, or there is none. -1 with errno. */
static int go_on(struct unpack *u, size_t before)
{
	const char *early = u->inside && !u->goes_on ? skipped_specs[SKIPPED_EARLY].text[LANG_EN] : NULL;

	if (u->in_end && (u->at == before || u->at == u->n)) {
		if (early && u->zstd && u->frame != NOWHERE) {
			leave_frame(u, early);
			return 0;
		}
		u->done = true;
		u->damage = early ? early : u->damage;
		return 0;
	}
	if (u->n - u->at < u->cap)
		return refill(u);
	if (u->at == before) { /* a full block that nothing can be made of */
		u->done = true;
		u->damage = skipped_specs[SKIPPED_COMPRESSED].text[LANG_EN];
	}
	return 0;
}

ssize_t unpack_pull(void *ctx, void *buffer, size_t n)
{
	struct unpack *u = ctx;

	while (!u->done) {
		size_t before = u->at;
		bool searched = u->searching;
		size_t put = u->packing == PACKED_GZIP ? inflate_some(u, buffer, n) : decompress_some(u, buffer, n);

		u->text += put;
		if (!u->inside && !u->searching) {
			u->whole = u->before + u->at;
			u->whole_text = u->text;
		}
		if (put)
			return (ssize_t)put;
		if (u->searching != searched || (u->at != before && u->at < u->n && !u->searching))
			continue; /* a frame was found or left, or more is to be had from what is here */
		if (go_on(u, before))
			return -1;
	}
	return 0;
}
