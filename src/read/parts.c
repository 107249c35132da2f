/* parts.c - cuts a file at line ends near equal shares of its bytes. */
#include "read/parts.h"

#include "record/codec.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TAIL_BYTES = 1024, /* read behind a part at once, for its last line's end */
	LINE_BYTES = 64,   /* bytes of a cache line: copies are fast if both sides begin at the same offset in one */
};

struct part_file {
	int fd;
	_Atomic unsigned users;
};

struct part_file *part_file_open(int fd)
{
	struct part_file *f = malloc(sizeof *f);

	if (f) {
		f->fd = fd;
		atomic_init(&f->users, 1);
	}
	return f;
}

struct part_file *part_file_keep(struct part_file *f)
{
	f->users++;
	return f;
}

void part_file_release(struct part_file *f)
{
	if (!f || --f->users)
		return;
	close(f->fd);
	free(f);
}

off_t part_file_bytes(const struct part_file *f)
{
	struct stat st;

	return fstat(f->fd, &st) ? 0 : st.st_size;
}

/* The part while it is being read: `text` holds the byte before it, then the part, then what follows. */
struct reading {
	const struct part *part;
	char **memory;
	size_t *cap;
	size_t at;   /* of the text in memory */
	size_t got;  /* bytes of the text */
	bool at_end; /* of the file */
};

static char *text_of(const struct reading *r)
{
	return *r->memory + r->at;
}

/* Makes room for this many bytes of the text, and for the padding after them. */
static bool reserve_text(struct reading *r, size_t bytes)
{
	size_t least = 2 * LINE_BYTES + bytes + 1 + DECODE_PADDING;
	char *grown = *r->cap < least ? realloc(*r->memory, least) : *r->memory;

	if (!grown)
		return false;
	*r->memory = grown;
	*r->cap = *r->cap < least ? least : *r->cap;
	return true;
}

/* Reads on until the text has so many bytes, or the file ends. */
static int read_on(struct reading *r, size_t bytes, const char *name, struct err *err)
{
	if (!reserve_text(r, bytes))
		return err_set(err, ERR_NOMEM, "no memory to read with");
	while (r->got < bytes && !r->at_end) {
		ssize_t n = pread(r->part->file->fd, text_of(r) + r->got, bytes - r->got,
				  r->part->from - 1 + (off_t)r->got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_os(err, ERR_READ, errno, "%s: cannot be read", name);
		r->got += (size_t)n;
		r->at_end = !n;
	}
	memset(text_of(r) + r->got, 0, DECODE_PADDING + 1); /* a last line may get its end there */
	return 0;
}

/* Where the part's last line ends, as far as has been read; NULL: not yet. */
static const char *end_of_last(const struct reading *r, size_t from)
{
	return r->got > from ? memchr(text_of(r) + from, '\n', r->got - from) : NULL;
}

/* Reads until the line end at the part's last byte, or after it. */
static int read_to_line_end(struct reading *r, const char **end, const char *name, struct err *err)
{
	size_t n = r->part->n, looked = n, more = TAIL_BYTES;
	int rc = read_on(r, n + 1 + more, name, err);

	while (!rc && !(*end = end_of_last(r, looked)) && !r->at_end && r->got - n <= DECODE_LINE_MAX) {
		looked = r->got;
		more *= 4;
		rc = read_on(r, r->got + more, name, err);
	}
	return rc;
}

static void tell_lines(struct reading *r, const char *end, struct part_lines *out)
{
	char *text = text_of(r);
	size_t n = r->part->n, within = r->got < n ? r->got : n; /* line ends here begin lines of the part */
	const char *before = memchr(text, '\n', within), *last = memrchr(text, '\n', within);

	*out = (struct part_lines){ .text = { text, 0 }, .shrunk = r->at_end && r->got < n + 1 };
	if (!before || before + 1 == text + r->got)
		return;
	if (end) {
		out->text = (struct slice){ before + 1, (size_t)(end - before) };
		return;
	}
	/* The last line has no end yet: the file's last, or one that is too long. */
	out->too_long = (size_t)(text + r->got - (last + 1)) > DECODE_LINE_MAX;
	if (out->too_long) {
		out->text = (struct slice){ before + 1, (size_t)(last - before) };
		return;
	}
	if (text[r->got - 1] != '\n')
		text[r->got++] = '\n';
	out->text = (struct slice){ before + 1, (size_t)(text + r->got - (before + 1)) };
}

int part_read(const struct part *p, char **memory, size_t *cap, struct part_lines *out, const char *name,
	      struct err *err)
{
	struct reading r = { .part = p, .memory = memory, .cap = cap };
	const char *end = NULL;
	int rc = 0;

	if (!reserve_text(&r, p->n + 1 + TAIL_BYTES))
		return err_set(err, ERR_NOMEM, "no memory to read with");
	r.at = LINE_BYTES - (uintptr_t)*memory % LINE_BYTES + (size_t)p->from % LINE_BYTES - 1;
	rc = read_to_line_end(&r, &end, name, err);
	if (!rc)
		tell_lines(&r, end, out);
	return rc;
}
