/* read.c - sources become blocks of whole lines, blocks become records.
 *
 * A plain file's first block is read as it comes; from there on a block is a part of the file, to be read by whoever
 * takes it (parts.h). All else comes through the buffer, which holds start..end; `scanned` bytes of it are known to
 * hold no line end. Whole lines leave with the buffer: the block takes it, and what is left begins another. */
#include "read/read.h"

#include "base/file.h"
#include "read/foreign.h"
#include "read/retext.h"
#include "read/sources.h"
#include "read/texts.h"
#include "read/unpack.h"
#include "spec/skipped.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BLOCK_BYTES = 256 << 10,
	BLOCK_BYTES_MAX = 8 << 20,
	LOOK_BYTES = 256 << 10,
	PROGRESS_BYTES = 8 << 20,
	MAGIC_BYTES = 6,
	STOP_LOOK_MS = 100,
	HEAD_BYTES = 256, /* by which a followed file is known */
	HOME_RECORDS = 64 /* among which a source's first possible time is looked for */
};

struct reader {
	struct sources sources;
	struct input_stats input;
	struct read_options opts;

	size_t at; /* source being read */
	bool is_open, at_end;
	bool looked;           /* at the source's first bytes */
	bool formed;           /* … and at its first lines: what kind of text they are */
	bool again;            /* the source has been replaced: its name is to be opened once more */
	char head[HEAD_BYTES]; /* how the followed file began when it was last looked at */
	size_t n_head;
	int fd; /* of a file that is ours to close, or -1 */
	read_pull *pull;
	void *pull_ctx;
	struct unpack *unpack;   /* stands before pull; NULL: the source is plain */
	struct retext *retext;   /* stands before that; NULL: its lines are as they were written */
	uint64_t raw_bytes;      /* pulled, as they lie in the files */
	uint64_t text_bytes;     /* pulled, decompressed, of this source */
	bool piece;              /* read_open_at: no torn last line, no trouble without a record */
	struct read_place from;  /* … and where it began, */
	struct read_place frame; /* … and the last frame that ended with or before what was given out, */
	uint64_t pass_over;      /* … and bytes of text that are still to be passed over, */
	uint64_t most;           /* … and bytes to pull; 0: all */
	bool is_last;            /* … and no other one goes on where it ends */
	uint64_t looks_until;    /* bytes after which a first look gives up; 0: reads all */

	const struct foreign *foreign; /* what the first source that is none of ours is; NULL: there was none */
	size_t foreign_at;

	struct part_file *file; /* goes out in parts; NULL: comes through the buffer */
	off_t part_at;          /* where the next part begins */
	off_t file_bytes;       /* as last seen */

	char *buffer;
	size_t cap, start, end, scanned;
	bool too_long; /* inside a line of more than READ_LINE_MAX bytes */
	bool begins;   /* no block of the source has been given out yet */
	uint64_t reported_bytes;

	int64_t home_us; /* of the source: see struct block */
	uint64_t line;   /* last accounted for, of its source; blank ones count */
	bool shrunk;     /* that the source became shorter has been told */

	struct block block; /* of read_next */
	struct record_decoder decoder;
};

static bool asked_to_stop(const struct reader *r)
{
	return r->opts.stop && r->opts.stop(r->opts.stop_ctx);
}

/* A reader that can be stopped must not sleep in read(2) until a pipe's writer writes. What was written before it was
 * asked to stop is read. */
static ssize_t pull_fd(void *ctx, void *buffer, size_t n)
{
	const struct reader *r = ctx;
	struct pollfd ready = { .fd = r->fd, .events = POLLIN };

	while (r->opts.stop && r->fd > STDIN_FILENO && !poll(&ready, 1, STOP_LOOK_MS))
		if (asked_to_stop(r) && !poll(&ready, 1, 0))
			return 0;
	return read(r->fd, buffer, n);
}

/* The bytes of the source as they lie there. */
static ssize_t pull_raw(void *ctx, void *buffer, size_t n)
{
	struct reader *r = ctx;
	ssize_t got;

	if (r->most && r->raw_bytes >= r->most)
		return 0;
	do
		got = r->pull(r->pull_ctx, buffer, n);
	while (got < 0 && errno == EINTR && !asked_to_stop(r));
	if (got < 0 && errno == EINTR)
		return 0;
	if (got > 0)
		r->raw_bytes += (uint64_t)got;
	return got;
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory to read with");
}

static int open_common(struct reader **out, struct err *err)
{
	struct reader *r = calloc(1, sizeof *r);

	*out = NULL;
	if (!r)
		return no_memory(err);
	r->fd = -1;
	r->cap = BLOCK_BYTES + DECODE_PADDING;
	r->buffer = malloc(r->cap);
	if (!r->buffer) {
		read_close(r);
		return no_memory(err);
	}
	*out = r;
	return 0;
}

/* A reader of one file that is open already, from its beginning. Closes fd. */
static int open_begin(struct reader **out, const char *path, int fd, const struct field_map *map)
{
	int rc = open_common(out, NULL);

	if (rc) {
		close(fd);
		return rc;
	}
	(*out)->decoder.map = (*out)->opts.map = map;
	(*out)->looks_until = LOOK_BYTES;
	(*out)->sources.file = calloc(1, sizeof *(*out)->sources.file);
	if (!(*out)->sources.file) {
		close(fd);
		read_close(*out);
		return -(int)ERR_NOMEM;
	}
	(*out)->sources.file[0] = (struct source){ .path = path, .fd = fd, .regular = true };
	(*out)->sources.n = 1;
	return 0;
}

/* The time of a file's first record; false if there is none near its beginning, or if it is not a file: the contents of
 * a pipe can be read only once. */
static bool first_time(const struct source *file, const struct field_map *map, int64_t *us)
{
	int fd = !file->regular  ? -1
		 : file->fd >= 0 ? dup(file->fd)
				 : open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct reader *r;
	struct record rec;
	bool found;

	if (fd < 0 || open_begin(&r, file->path, fd, map))
		return false;
	found = read_next(r, &rec, NULL) > 0;
	*us = found ? rec.time_us : 0;
	read_close(r);
	if (file->fd >= 0)
		lseek(file->fd, 0, SEEK_SET); /* shared with the one that was read */
	return found;
}

static bool look_for_time(struct source *file, const struct field_map *map)
{
	if (!file->looked)
		file->has_time = first_time(file, map, &file->time_us);
	file->looked = true;
	return file->has_time;
}

/* Rotated files in the order they were written. A file without a time stays behind the one
 * it was named after. */
static int order_by_time(struct sources *s, const struct field_map *map, struct err *err)
{
	int64_t *time = calloc(s->n, sizeof *time);

	if (!time)
		return no_memory(err);
	for (size_t i = 0; i < s->n; i++) {
		const int64_t us = look_for_time(&s->file[i], map) ? s->file[i].time_us : i ? time[i - 1] : INT64_MIN;
		const struct source file = s->file[i];
		size_t at = i;

		for (; at && time[at - 1] > us; at--) {
			time[at] = time[at - 1];
			s->file[at] = s->file[at - 1];
		}
		time[at] = us;
		s->file[at] = file;
	}
	free(time);
	return 0;
}

static int list_files(struct reader *r, struct err *err)
{
	const struct sources *s = &r->sources;
	const char **path = arena_alloc(&r->sources.arena, s->n, sizeof *path);

	if (!path)
		return no_memory(err);
	for (size_t i = 0; i < s->n; i++)
		path[i] = s->file[i].path;
	r->input.files = path;
	r->input.n_files = s->n;
	return 0;
}

static void list_lost(struct input_stats *in, const char *name, uint64_t line, const char *reason);

/* Each counts as a skipped line, so that the rest is not mistaken for everything. */
static void list_left_out(struct reader *r)
{
	const struct sources *s = &r->sources;

	for (size_t i = 0; i < s->n_left_out; i++) {
		const struct skipped_line *l = &s->left_out[i < INPUT_SKIPPED_MAX ? i : INPUT_SKIPPED_MAX - 1];

		list_lost(&r->input, l->file, 0, l->reason);
	}
	r->input.needless = s->n_needless;
}

int read_open(struct reader **out, const char *const *paths, size_t n, const struct read_options *opts, struct err *err)
{
	int rc = open_common(out, err);

	if (rc)
		return rc;
	if (opts)
		(*out)->opts = *opts;
	(*out)->decoder.map = (*out)->opts.map;
	rc = sources_find(&(*out)->sources, paths, n, SOURCES_HOLD | SOURCES_FOLDERS, err);
	if (!rc && (*out)->sources.n > 1)
		rc = order_by_time(&(*out)->sources, (*out)->opts.map, err);
	if (!rc)
		rc = list_files(*out, err);
	if (rc) {
		read_close(*out);
		*out = NULL;
		return rc;
	}
	list_left_out(*out);
	return 0;
}

int read_open_at(struct reader **out, const char *name, int fd, const struct read_place *from, uint64_t most_bytes,
		 struct err *err)
{
	int ours = fcntl(fd, F_DUPFD_CLOEXEC, STDIN_FILENO + 1), rc;

	*out = NULL;
	if (ours < 0 || lseek(ours, from->at, SEEK_SET) < 0) {
		rc = err_set_os(err, ERR_READ, errno, "%s: cannot be read", name);
		if (ours >= 0)
			close(ours);
		return rc;
	}
	rc = open_begin(out, name, ours, NULL);
	if (rc)
		return no_memory(err);
	(*out)->looks_until = 0;
	(*out)->piece = true;
	(*out)->from = (*out)->frame = *from;
	(*out)->home_us = from->home_us;
	(*out)->pass_over = from->text - from->at_text;
	(*out)->most = most_bytes;
	return 0;
}

void read_await_no_more(struct reader *r)
{
	r->is_last = true;
}

/* Bytes of the source's text that left the buffer in whole lines. */
static uint64_t given_bytes(const struct reader *r)
{
	return r->retext ? retext_whole(r->retext) : r->text_bytes - (r->end - r->start);
}

/* A line may begin in one frame and end in another: then reading goes on in the one where it begins. */
static void note_frame(struct reader *r)
{
	const uint64_t text = r->unpack ? r->from.at_text + unpack_whole_text(r->unpack) : UINT64_MAX;

	if (r->piece && text <= r->from.text + given_bytes(r))
		r->frame = (struct read_place){ r->from.at + (off_t)unpack_whole(r->unpack), text, text, 0 };
}

struct read_place read_place(const struct reader *r)
{
	const uint64_t given = given_bytes(r);

	if (r->unpack)
		return (struct read_place){ r->frame.at, r->frame.at_text, r->from.text + given, r->home_us };
	return (struct read_place){ r->from.at + (off_t)given, r->from.at_text + given, r->from.at_text + given,
				    r->home_us };
}

bool read_may_pause(const struct reader *r)
{
	return block_over(&r->block, &r->decoder) && (!r->retext || retext_is_drained(r->retext));
}

int read_open_stream(struct reader **out, const char *name, read_pull *pull, void *ctx, struct err *err)
{
	int rc = read_open(out, (const char *const[]){ "-" }, 1, NULL, err);

	if (rc)
		return rc;
	(*out)->sources.file[0].path = arena_copy(&(*out)->sources.arena, slice_of(name));
	(*out)->pull = pull;
	(*out)->pull_ctx = ctx;
	if ((*out)->sources.file[0].path)
		return list_files(*out, err);
	read_close(*out);
	*out = NULL;
	return no_memory(err);
}

void read_close(struct reader *r)
{
	if (!r)
		return;
	if (r->fd > STDIN_FILENO)
		close(r->fd);
	part_file_release(r->file);
	retext_close(r->retext);
	unpack_close(r->unpack);
	record_decoder_free(&r->decoder);
	block_free(&r->block);
	sources_free(&r->sources);
	free(r->buffer);
	free(r);
}

const struct input_stats *read_input(const struct reader *r)
{
	return &r->input;
}

static const char *source_name(const struct reader *r)
{
	return r->sources.file[r->at].path;
}

static void report_progress(struct reader *r, bool last)
{
	if (!r->opts.progress || (!last && r->raw_bytes - r->reported_bytes < PROGRESS_BYTES))
		return;
	r->reported_bytes = r->raw_bytes;
	r->opts.progress(r->opts.ctx, r->raw_bytes, r->sources.total_bytes);
}

/* Recognises, by its first bytes, a file that is compressed in a form that cannot be read here. */
static int refuse_compressed(const struct reader *r, struct err *err)
{
	static const struct {
		const char *magic, *format, *command;
		size_t n;
	} known[] = {
		{ "\xfd"
		  "7zXZ",
		  "xz", "xz -d", 5 },
		{ "BZh", "bzip2", "bzip2 -d", 3 },
		{ "\x04\x22\x4d\x18", "lz4", "lz4 -d", 4 },
	};
	const char *name = source_name(r);

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (r->end >= known[i].n && !memcmp(r->buffer, known[i].magic, known[i].n)) {
			err_set(err, ERR_UNSUPPORTED, "%s: compressed with %s, which is not read directly", name,
				known[i].format);
			return err_hint(err, "decompress first: %s %s", known[i].command,
					strcmp(name, "-") ? name : "");
		}
	return 0;
}

/* By the first bytes; where these are damaged, by the name. */
static enum packing packing_at_start(const struct reader *r, struct slice begin)
{
	const char *name = source_name(r);
	size_t n = strlen(name);
	bool zst = n > 4 && !strcmp(name + n - 4, ".zst"), line = begin.n && *begin.p == '{';
	enum packing packing = packing_of(begin);

	return packing == PACKED_NOT && zst && begin.n && !line ? PACKED_ZSTD : packing;
}

/* At the source's first bytes: when they are compressed, they go through unpack. */
static int look_at_start(struct reader *r, struct err *err)
{
	struct slice begin = { r->buffer, r->end };
	enum packing packing = packing_at_start(r, begin);

	r->looked = true;
	if (packing == PACKED_NOT)
		return refuse_compressed(r, err);
	if (r->opts.stop && r->at + 1 == r->sources.n)
		return err_set(err, ERR_UNSUPPORTED, "%s: is compressed; only plain files can be followed",
			       source_name(r));
	r->most = 0; /* frames come whole */
	r->unpack = unpack_open(packing, begin, r->piece, pull_raw, r);
	if (!r->unpack)
		return no_memory(err);
	r->input.bytes -= r->end;
	r->text_bytes = 0;
	r->end = r->scanned = 0;
	r->at_end = false;
	return 0;
}

static int open_source(struct reader *r, struct err *err)
{
	r->start = r->end = r->scanned = r->n_head = 0;
	r->text_bytes = 0;
	r->at_end = r->too_long = r->looked = r->formed = false;
	r->is_open = r->begins = true;
	if (r->pull && r->pull != pull_fd)
		return 0;
	r->pull = pull_fd;
	r->pull_ctx = r;
	if (!strcmp(source_name(r), "-")) {
		r->fd = STDIN_FILENO;
		return 0;
	}
	r->fd = r->sources.file[r->at].fd; /* ours now */
	r->sources.file[r->at].fd = -1;
	if (r->fd < 0)
		r->fd = file_open_stream(source_name(r), r->opts.stop, r->opts.stop_ctx, err);
	if (r->fd < 0)
		return r->fd;
	posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (r->opts.opened)
		r->opts.opened(r->opts.opened_ctx, r->fd);
	return 0;
}

static void close_source(struct reader *r)
{
	if (r->fd > STDIN_FILENO)
		close(r->fd);
	part_file_release(r->file);
	r->file = NULL;
	retext_close(r->retext);
	r->retext = NULL;
	unpack_close(r->unpack);
	r->unpack = NULL;
	r->fd = -1;
	r->is_open = false;
	r->at += !r->again;
	r->again = false;
	r->home_us = 0;
}

static bool grow(char **memory, size_t *cap, size_t least)
{
	char *grown = *cap < least ? realloc(*memory, least) : *memory;

	if (!grown)
		return false;
	*memory = grown;
	*cap = *cap < least ? least : *cap;
	return true;
}

/* Makes room for another block behind `end`: first drops what is used up, then grows the buffer. */
static int reserve_block(struct reader *r, struct err *err)
{
	size_t least;

	if (r->start) {
		memmove(r->buffer, r->buffer + r->start, r->end - r->start);
		r->end -= r->start;
		r->scanned -= r->start;
		r->start = 0;
	}
	least = r->end + BLOCK_BYTES / 2 + DECODE_PADDING + 1;
	if (r->cap >= least)
		return 0;
	return grow(&r->buffer, &r->cap, 2 * r->end + BLOCK_BYTES + DECODE_PADDING + 1) ? 0 : no_memory(err);
}

static size_t room(const struct reader *r)
{
	size_t room = r->cap - r->end - DECODE_PADDING - 1;

	return room < BLOCK_BYTES ? room : BLOCK_BYTES;
}

/* The source's text, decompressed, behind what is to be passed over. */
static ssize_t pull_text(void *ctx, void *buffer, size_t n)
{
	struct reader *r = ctx;
	ssize_t got = r->unpack ? unpack_pull(r->unpack, buffer, n) : pull_raw(r, buffer, n);

	while (r->unpack && got > 0 && r->pass_over) {
		const size_t over = r->pass_over < (size_t)got ? (size_t)r->pass_over : (size_t)got;

		r->pass_over -= over;
		got -= (ssize_t)over;
		memmove(buffer, (char *)buffer + over, (size_t)got);
		if (!got)
			got = unpack_pull(r->unpack, buffer, n);
	}
	r->text_bytes += got > 0 ? (uint64_t)got : 0;
	return got;
}

static ssize_t pull_block(struct reader *r)
{
	if (r->retext)
		return retext_pull(r->retext, r->buffer + r->end, room(r));
	return pull_text(r, r->buffer + r->end, room(r));
}

/* Checks what happened to the file whose end was reached. */
enum fate { FATE_WAITS, FATE_REPLACED, FATE_TRUNCATED };

/* Its size does not tell that a file was truncated and has grown beyond what was read of it; its beginning does. */
static bool begins_anew(struct reader *r)
{
	char now[HEAD_BYTES];
	ssize_t n = pread(r->fd, now, sizeof now, 0);
	bool anew = n < (ssize_t)r->n_head || memcmp(now, r->head, r->n_head) != 0;

	if (n < 0)
		return false;
	memcpy(r->head, now, (size_t)n);
	r->n_head = (size_t)n;
	return anew;
}

static enum fate fate_of(struct reader *r)
{
	struct stat ours, named;

	if (begins_anew(r))
		return FATE_TRUNCATED;
	if (fstat(r->fd, &ours) || stat(source_name(r), &named))
		return FATE_WAITS; /* between two rotated files there may be none */
	if (ours.st_dev != named.st_dev || ours.st_ino != named.st_ino)
		return FATE_REPLACED;
	return ours.st_size < lseek(r->fd, 0, SEEK_CUR) ? FATE_TRUNCATED : FATE_WAITS;
}

static bool follows(const struct reader *r)
{
	struct stat st;

	if (!r->opts.stop || r->at + 1 < r->sources.n || r->fd <= STDIN_FILENO)
		return false;
	return !fstat(r->fd, &st) && S_ISREG(st.st_mode);
}

static void read_anew(struct reader *r)
{
	lseek(r->fd, 0, SEEK_SET);
	r->start = r->end = r->scanned = 0;
	r->begins = true;
	r->too_long = r->formed = false;
	retext_close(r->retext);
	r->retext = NULL;
}

/* The next block of a growing file; waits at its end. 0: nothing more comes from it, and what was written before it was
 * asked to stop has been read. */
static ssize_t follow(struct reader *r)
{
	const struct timespec pause = { .tv_nsec = 100000000 };

	for (;;) {
		enum fate fate = fate_of(r);
		ssize_t n;

		if (fate == FATE_TRUNCATED)
			read_anew(r);
		n = pull_block(r); /* perhaps written before it was replaced */
		r->again = !n && fate == FATE_REPLACED;
		if (n || r->again)
			return n;
		if (asked_to_stop(r))
			return pull_block(r); /* what came since */
		nanosleep(&pause, NULL);
	}
}

/* What a file is encoded in is written at its beginning, where a piece of it does not begin. */
static enum text_form form_of(const struct reader *r, struct slice begin)
{
	enum packing packing;
	enum text_form form;
	char mark[PACKING_MAGIC_BYTES]; /* fewer do not tell that the file is packed */

	if (!r->piece || !r->from.text)
		return text_form_of(begin, r->at_end);
	form = text_form_of((struct slice){ mark, texts_beginning(r->fd, mark, sizeof mark, &packing) }, false);
	return form == FORM_UTF16LE || form == FORM_UTF16BE ? form : text_form_of(begin, r->at_end);
}

/* At the first lines: removes what a container or another encoding put around them. */
static int look_at_lines(struct reader *r, struct err *err)
{
	struct slice begin = { r->buffer + r->start, r->end - r->start };
	enum text_form form = form_of(r, begin);
	bool goes_on = r->piece || follows(r);

	if (r->opts.map || r->start)
		form = FORM_PLAIN; /* another program's lines are looked at by the map */
	r->formed = form != FORM_UNDECIDED;
	if (r->formed && !r->foreign && !r->opts.map) {
		r->foreign = foreign_of(begin);
		r->foreign_at = r->at;
	}
	if (form <= FORM_PLAIN)
		return 0;
	r->retext = retext_open(form, begin, goes_on, pull_text, r);
	if (!r->retext)
		return no_memory(err);
	r->input.bytes -= r->end;
	r->start = r->end = r->scanned = 0;
	r->at_end = false;
	return 0;
}

/* One more block, or what still waits when no more comes; 0: nothing does. */
static ssize_t pull_next(struct reader *r)
{
	ssize_t n = follows(r) ? follow(r) : pull_block(r);

	if (n || !r->retext || (r->piece && !r->is_last) || !retext_await_no_more(r->retext))
		return n;
	return pull_block(r);
}

/* One more block, or at_end. */
static int fill(struct reader *r, struct err *err)
{
	int rc = reserve_block(r, err);
	ssize_t n;

	if (rc)
		return rc;
	n = pull_next(r);
	if (n < 0)
		return err_set_os(err, ERR_READ, errno, "%s: cannot be read", source_name(r));
	r->end += (size_t)n;
	r->input.bytes += (uint64_t)n;
	r->at_end = !n;
	report_progress(r, false);
	if (!r->looked && r->end < MAGIC_BYTES && n)
		return 0;
	rc = r->looked ? 0 : look_at_start(r, err);
	return rc || r->formed || (r->unpack && !r->end && n) ? rc : look_at_lines(r, err);
}

/* --- blocks ----------------------------------------------------------------------- */

/* Behind the last line end, or 0. */
static size_t whole_lines(struct reader *r)
{
	const char *end = memrchr(r->buffer + r->scanned, '\n', r->end - r->scanned);

	r->scanned = r->end;
	return end ? (size_t)(end + 1 - r->buffer) : 0;
}

/* The lines up to there leave with the buffer; the rest moves to the block's memory, which becomes the new buffer. */
static int hand_out(struct reader *r, struct block *b, size_t upto, struct err *err)
{
	size_t rest = r->end - upto;
	char *memory = r->buffer;
	size_t cap = r->cap;

	if (!grow(&b->memory, &b->cap, rest + BLOCK_BYTES + DECODE_PADDING + 1))
		return no_memory(err);
	memcpy(b->memory, r->buffer + upto, rest);
	memset(r->buffer + r->end, 0, DECODE_PADDING);
	b->text = (struct slice){ r->buffer + r->start, upto - r->start };
	r->buffer = b->memory;
	r->cap = b->cap;
	b->memory = memory;
	b->cap = cap;
	r->start = 0;
	r->end = r->scanned = rest;
	note_frame(r);
	return 1;
}

/* A line that is too long is dropped as it comes; true when it is over. */
static bool drop_long_line(struct reader *r)
{
	const char *from = r->buffer + r->start, *end = memchr(from, '\n', r->end - r->start);

	r->start = r->scanned = end ? (size_t)(end + 1 - r->buffer) : r->end;
	r->too_long = !end && !r->at_end;
	return !r->too_long;
}

static int lost(struct block *b, const char *reason, bool is_line)
{
	b->lost = reason;
	b->lost_line = is_line;
	return 1;
}

/* The first lines do not show their form yet: reads more of them before any goes out. */
static bool waits_for_form(const struct reader *r)
{
	return !r->formed && !r->at_end;
}

/* 1: a block; 0: the source has no more. */
static int next_block(struct reader *r, struct block *b, struct err *err)
{
	for (;;) {
		size_t upto;
		int rc;

		if (r->too_long && drop_long_line(r))
			return lost(b, decode_reasons[DECODE_TOO_LONG], true);
		upto = r->too_long || waits_for_form(r) ? 0 : whole_lines(r);
		if (upto)
			return hand_out(r, b, upto, err);
		if (r->at_end && r->end == r->start)
			return 0;
		if (r->end - r->start > READ_LINE_MAX) {
			r->too_long = true;
			continue;
		}
		if (r->at_end && r->piece)
			return 0;
		if (r->at_end) {
			r->buffer[r->end++] = '\n'; /* a torn last line */
			return hand_out(r, b, r->end, err);
		}
		rc = fill(r, err);
		if (rc)
			return rc;
		if (r->unpack && (b->lost = unpack_damage(r->unpack)))
			return 1;
	}
}

/* --- parts of a plain file -------------------------------------------------------- */

/* A file that the kernel generates while it is read reports a size of 0, and is read as a stream. */
static bool may_go_in_parts(const struct reader *r)
{
	struct stat st;

	return !r->opts.with_text && !r->file && !r->unpack && !r->retext && !r->opts.stop && !r->looks_until &&
	       !r->piece && !r->at_end && r->fd > STDIN_FILENO && !fstat(r->fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_size >= lseek(r->fd, 0, SEEK_CUR);
}

/* A block has gone out: the next line begins at the buffer's start. Without memory all goes on as before. */
static void begin_parts(struct reader *r)
{
	size_t rest = r->end - r->start;
	off_t at = lseek(r->fd, 0, SEEK_CUR);

	if (at < 0 || !(r->file = part_file_open(r->fd)))
		return;
	r->fd = -1;
	r->part_at = at - (off_t)rest;
	r->file_bytes = part_file_bytes(r->file);
	r->raw_bytes -= rest;
	r->input.bytes -= rest;
	r->start = r->end = r->scanned = 0;
}

static size_t part_bytes(const struct reader *r, size_t wanted)
{
	off_t block = wanted <= BLOCK_BYTES ? BLOCK_BYTES : wanted < BLOCK_BYTES_MAX ? (off_t)wanted : BLOCK_BYTES_MAX;
	off_t left = r->file_bytes - r->part_at, most = block - r->part_at % BLOCK_BYTES;

	return left <= 0 ? 0 : (size_t)(left < most ? left : most);
}

/* 1: the next part, or a message; 0: there is none. */
static int claim_part(struct reader *r, struct block *b)
{
	off_t bytes = part_file_bytes(r->file);
	size_t n;

	b->shrunk = bytes < r->file_bytes;
	r->file_bytes = bytes;
	n = part_bytes(r, b->wanted_bytes);
	if (!n)
		return b->shrunk;
	b->part = (struct part){ part_file_keep(r->file), r->part_at, n };
	r->part_at += (off_t)n;
	r->raw_bytes += n;
	r->input.bytes += n;
	report_progress(r, false);
	return 1;
}

static void drop_part(struct block *b)
{
	part_file_release(b->part.file);
	b->part.file = NULL;
}

/* Gets the block's text, or the next piece of it. 0, or negative: it cannot be read, and is empty. */
static int block_fetch(struct block *b, struct err *err)
{
	struct part piece = b->part;
	struct part_lines lines;
	size_t most = BLOCK_BYTES - (size_t)(piece.from % BLOCK_BYTES);
	int rc;

	if (!b->part.file)
		return 0;
	piece.n = piece.n < most ? piece.n : most;
	rc = part_read(&piece, &b->memory, &b->cap, &lines, b->name, err);
	b->part.from += (off_t)piece.n;
	b->part.n -= piece.n;
	if (rc || !b->part.n || lines.shrunk)
		drop_part(b);
	if (rc) {
		b->text.n = 0;
		return rc;
	}
	b->text = lines.text;
	b->lost_behind = lines.too_long ? decode_reasons[DECODE_TOO_LONG] : NULL;
	b->shrunk |= lines.shrunk;
	return 0;
}

/* A file that was not named is left out without ending the reading: returns 1, and the block says why. */
static int lose_source(struct reader *r, struct block *b, int rc)
{
	bool found = r->sources.file[r->at].found && !r->looks_until;
	enum skipped_id why = rc == -ERR_UNSUPPORTED ? SKIPPED_FILE_PACKED
			      : rc == -ERR_OPEN      ? SKIPPED_FILE_GONE
						     : SKIPPED_FILE_BROKEN;

	if (!found || rc == -ERR_NOMEM)
		return rc;
	b->text = (struct slice){ "", 0 };
	close_source(r);
	return lost(b, skipped_specs[why].text[LANG_EN], false);
}

static bool is_possible(int64_t time_us)
{
	static const int64_t year_2000_us = INT64_C(946684800000000), year_2100_us = INT64_C(4102444800000000);

	return time_us >= year_2000_us && time_us < year_2100_us;
}

/* The first possible time of the text, or 0. */
static int64_t find_home(struct slice text, const struct field_map *map)
{
	struct record_decoder d = { .map = map };
	enum decode_result result;
	struct decoded one;
	int64_t home_us = 0;

	record_decoder_feed(&d, text);
	for (int i = 0; i < HOME_RECORDS && !home_us && record_decode_next(&d, &one, &result); i++)
		if (result == DECODE_OK && is_possible(one.rec.time_us))
			home_us = one.rec.time_us;
	record_decoder_free(&d);
	return home_us;
}

static int open_and_take(struct reader *r, struct block *b, struct err *err)
{
	int rc = r->is_open ? 0 : open_source(r, err);

	b->name = source_name(r);
	b->lost = b->lost_behind = NULL;
	b->lost_line = b->shrunk = false;
	b->text = (struct slice){ "", 0 };
	if (!rc)
		rc = r->file ? claim_part(r, b) : next_block(r, b, err);
	if (!r->home_us && b->text.n)
		r->home_us = find_home(b->text, r->opts.map);
	b->home_us = r->home_us;
	b->begins = r->begins; /* a followed file may have begun anew just now */
	return rc < 0 ? lose_source(r, b, rc) : rc;
}

int read_block(struct reader *r, struct block *b, struct err *err)
{
	drop_part(b);
	while (r->at < r->sources.n) {
		int rc = open_and_take(r, b, err);

		if (r->looks_until && r->input.bytes > r->looks_until)
			return 0;
		r->begins &= !rc;
		if (rc > 0 && !b->lost && may_go_in_parts(r))
			begin_parts(r);
		if (rc)
			return rc;
		if (r->piece) { /* stays open: read_place asks where it is */
			note_frame(r);
			return 0;
		}
		close_source(r);
	}
	return 0;
}

void block_free(struct block *b)
{
	drop_part(b);
	free(b->memory);
	*b = (struct block){ .memory = NULL };
}

/* --- records ---------------------------------------------------------------------- */

static void note_skipped(struct tally *t, enum decode_result why)
{
	t->skipped++;
	t->unreadable += why != DECODE_NOT_OBJECT && why != DECODE_NO_EVENT_TYPE;
	if (t->n_first < INPUT_SKIPPED_MAX)
		t->first[t->n_first++] = (struct skipped_line){ t->name, t->lines - t->halves, decode_reasons[why] };
}

static void begin_tally(struct tally *t, const struct block *b, unsigned part)
{
	*t = (struct tally){ .name = b->name, .n_first = 0 };
	if (part)
		return;
	t->begins = b->begins;
	t->lost = b->lost;
	t->lost_line = b->lost_line;
}

/* A whole record stands behind a torn one, of which the last byte becomes a line end: whoever gets the text finds
 * lines. The text is the block's own. */
static void part_halves(struct record_decoder *d, struct tally *t)
{
	((char *)(uintptr_t)d->p)[-1] = '\n';
	t->halves++;
}

/* The next line; false: there is none. *got: it is a record. */
static bool next_line(struct record_decoder *d, struct tally *t, struct decoded *out, bool *got)
{
	enum decode_result result;

	if (!record_decode_next(d, out, &result))
		return false;
	t->lines++;
	*got = result == DECODE_OK;
	t->records += *got;
	if (result == DECODE_BLANK)
		t->blank++;
	else if (!*got)
		note_skipped(t, result);
	if (d->p[-1] != '\n')
		part_halves(d, t);
	return true;
}

static void fill_columns(struct record_decoder *d, struct columns *out, struct tally *t)
{
	struct decoded one;
	bool got;

	while (!columns_full(out) && !record_decoder_full(d)) {
		size_t lines = record_decode_run(d, out);

		t->lines += lines;
		t->records += lines;
		if (columns_full(out) || !next_line(d, t, &one, &got))
			return;
		if (got)
			columns_add(out, &one);
	}
}

static void mend_times(struct columns *c, const struct block *b, struct tally *t)
{
	for (size_t row = 0; b->home_us && row < c->n; row++)
		if (!is_possible(c->time_us[row])) {
			columns_set_time(c, row, b->home_us);
			t->untimed++;
		}
}

/* With the last part, what was lost behind the text. */
static void end_tally(struct tally *t, const struct block *b, const struct record_decoder *d)
{
	t->lost_behind = d->p == d->end ? b->lost_behind : NULL;
	t->shrunk = d->p == d->end && b->shrunk;
}

/* May the text be dropped, because no row refers to it? Then more of the block fits into the same columns. */
static bool may_go_on(const struct block *b, const struct record_decoder *d, const struct columns *c)
{
	return d->p == d->end && b->part.file && !c->n_whole && !columns_full(c) && !record_decoder_full(d) &&
	       !b->lost_behind && !b->shrunk;
}

static int feed_piece(struct block *b, struct record_decoder *d, struct tally *t, struct err *err)
{
	int rc = block_fetch(b, err);

	record_decoder_feed(d, b->text);
	t->bytes += b->text.n;
	return rc;
}

int read_records(struct block *b, struct record_decoder *d, unsigned part, struct columns *out, struct tally *t,
		 struct err *err)
{
	int rc = 0;

	begin_tally(t, b, part);
	out->n = out->n_whole = 0;
	if (!part || d->p == d->end)
		rc = feed_piece(b, d, t, err);
	fill_columns(d, out, t);
	while (!rc && may_go_on(b, d, out)) {
		rc = feed_piece(b, d, t, err);
		fill_columns(d, out, t);
	}
	columns_complete(out);
	mend_times(out, b, t);
	end_tally(t, b, d);
	return rc;
}

bool block_over(const struct block *b, const struct record_decoder *d)
{
	return d->p == d->end && !b->part.file;
}

static void list_skipped(struct input_stats *in, struct skipped_line line)
{
	if (in->n_skipped < INPUT_SKIPPED_MAX)
		in->skipped[in->n_skipped++] = line;
}

/* Counts as a line: something that was written is lost. */
static void list_lost(struct input_stats *in, const char *name, uint64_t line, const char *reason)
{
	list_skipped(in, (struct skipped_line){ name, line, reason });
	in->lines++;
	in->skipped_lines++;
}

void read_account(struct reader *r, const struct tally *t)
{
	struct input_stats *in = &r->input;

	if (t->begins) {
		r->line = 0;
		r->shrunk = false;
	}
	r->line += t->lost_line;
	if (t->lost)
		list_lost(in, t->name, r->line, t->lost);
	for (size_t i = 0; i < t->n_first; i++)
		list_skipped(in, (struct skipped_line){ t->name, r->line + t->first[i].line, t->first[i].reason });
	r->line += t->lines - t->halves;
	in->lines += t->lines - t->blank;
	if (t->lost_behind) {
		r->line++;
		list_lost(in, t->name, r->line, t->lost_behind);
	}
	if (t->shrunk && !r->shrunk)
		list_lost(in, t->name, r->line, skipped_specs[SKIPPED_SHRUNK].text[LANG_EN]);
	r->shrunk |= t->shrunk;
	in->records += t->records;
	in->untimed_lines += t->untimed;
	in->skipped_lines += t->skipped;
	in->unreadable_lines += t->unreadable + (t->lost != NULL) + (t->lost_behind != NULL);
}

const struct field_map *read_map(const struct reader *r)
{
	return r->opts.map;
}

bool read_log_time(struct reader *r, size_t log, int64_t *time_us)
{
	struct source *file = &r->sources.file[log];
	const bool has_time = look_for_time(file, r->opts.map);

	*time_us = file->time_us;
	return has_time;
}

bool read_log_is_file(const struct reader *r, size_t log)
{
	return r->sources.file[log].regular;
}

uint64_t read_total_bytes(const struct reader *r)
{
	return r->sources.total_bytes;
}

static const char *name_of(const struct reader *r, size_t source)
{
	const char *name = r->sources.n ? r->sources.file[source].path : "-";

	return strcmp(name, "-") ? name : err_words("standard input");
}

static int foreign_log(const struct reader *r, struct err *err)
{
	const bool is_file = r->sources.n && strcmp(r->sources.file[r->foreign_at].path, "-");

	err_set(err, ERR_FORMAT, "%s: %s", name_of(r, r->foreign_at), err_words(r->foreign->is));
	return err_hint(err, "make a log of it: %s %s > NEW.log", r->foreign->command,
			is_file ? r->sources.file[r->foreign_at].path : "FILE");
}

static int no_log(const struct reader *r, struct err *err)
{
	const char *name = name_of(r, 0);
	const struct input_stats *in = &r->input;

	if (r->foreign)
		return foreign_log(r, err);
	if (!in->bytes && !in->lines)
		err_set(err, ERR_FORMAT, "%s: is empty", name);
	else if (!in->lines)
		err_set(err, ERR_FORMAT, "%s: holds blank lines only", name);
	else
		err_set(err, ERR_FORMAT, "%s: no log: none of its lines (%llu) is a record (line %llu: %s)", name,
			(unsigned long long)in->lines, (unsigned long long)in->skipped[0].line,
			err_words(in->skipped[0].reason));
	if (r->opts.map)
		return err_hint(err,
				"the mapping file must name where each line has its time stamp, and in which form");
	return err_hint(err,
			"a log has one JSON object per line with \"event_type\" and \"timestamp\"; "
			"`rwkvmon run --log FILE` writes one; --map reads logs of other programs (docs/MAPPING.md)");
}

int read_end(struct reader *r, struct err *err)
{
	report_progress(r, true);
	return r->input.records ? 0 : no_log(r, err);
}

/* Of what is left of the block. */
static bool next_record(struct reader *r, unsigned part, struct decoded *out)
{
	struct tally tally;
	bool got = false;

	begin_tally(&tally, &r->block, part);
	while (!got && next_line(&r->decoder, &tally, out, &got))
		;
	if (got && r->block.home_us && !is_possible(out->rec.time_us)) {
		out->rec.time_us = r->block.home_us;
		tally.untimed++;
	}
	end_tally(&tally, &r->block, &r->decoder);
	read_account(r, &tally);
	return got;
}

/* 1: a block; 0: the input is over; negative: it cannot be read, or is no log. */
static int block_or_end(struct reader *r, struct err *err)
{
	int rc = read_block(r, &r->block, err);

	return rc || r->looks_until || r->piece ? rc : read_end(r, err);
}

int read_columns(struct reader *r, struct columns *out, struct slice *lines, struct err *err)
{
	struct record_decoder *d = &r->decoder;
	bool goes_on = !block_over(&r->block, d);
	const char *from = d->p;
	struct tally tally;
	int rc;

	record_decoder_release(d);
	rc = goes_on ? 1 : block_or_end(r, err);
	if (rc <= 0)
		return rc;
	rc = read_records(&r->block, d, goes_on, out, &tally, err);
	read_account(r, &tally);
	from = goes_on ? from : r->block.text.p;
	if (lines)
		*lines = (struct slice){ from, (size_t)(d->p - from) };
	return rc ? rc : 1;
}

int read_next(struct reader *r, struct record *rec, struct err *err)
{
	struct record_decoder *d = &r->decoder;
	struct decoded decoded;
	bool got;

	record_decoder_release(d);
	got = d->p != d->end && next_record(r, 1, &decoded);
	while (!got) {
		int rc = block_or_end(r, err);

		if (rc > 0 && (rc = block_fetch(&r->block, err)) == 0)
			rc = 1;
		if (rc <= 0)
			return rc;
		record_decoder_feed(d, r->block.text);
		got = next_record(r, 0, &decoded);
	}
	*rec = decoded.rec;
	return 1;
}
