/* read.c - sources become blocks of whole lines, blocks become records.
 *
 * A plain file's first block is read as it comes; from there on a block is a part of the file, to be read by whoever
 * takes it (parts.h). All else comes through the buffer, which holds start..end; `scanned` bytes of it are known to hold no
 * line end. Whole lines leave with the buffer: the block takes it, and what is left begins another. */
#include "read/read.h"

#include "read/sources.h"
#include "read/unpack.h"
#include "spec/skipped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK_BYTES = 256 << 10, LOOK_BYTES = 256 << 10, PROGRESS_BYTES = 8 << 20, MAGIC_BYTES = 6 };

struct reader {
	struct sources sources;
	struct input_stats input;
	struct read_options opts;

	size_t at; /* source being read */
	bool is_open, at_end;
	bool looked; /* at the source's first bytes */
	bool again;  /* the source has been replaced: its name is to be opened once more */
	int fd; /* of a file that is ours to close, or -1 */
	read_pull *pull;
	void *pull_ctx;
	struct unpack *unpack; /* stands before pull; NULL: the source is plain */
	uint64_t raw_bytes;    /* pulled, as they lie in the files */
	uint64_t looks_until;  /* bytes after which a first look gives up; 0: reads all */

	struct part_file *file; /* goes out in parts; NULL: comes through the buffer */
	off_t part_at;		/* where the next part begins */
	off_t file_bytes;	/* as last seen */

	char *buffer;
	size_t cap, start, end, scanned;
	bool too_long; /* inside a line of more than READ_LINE_MAX bytes */
	bool begins;   /* no block of the source has been given out yet */
	uint64_t reported_bytes;

	uint64_t line; /* last accounted for, of its source; blank ones count */
	bool shrunk;   /* that the source became shorter has been told */

	struct block block; /* of read_next */
	struct record_decoder decoder;
};

static ssize_t pull_fd(void *ctx, void *buffer, size_t n)
{
	return read(*(int *)ctx, buffer, n);
}

static bool asked_to_stop(const struct reader *r)
{
	return r->opts.stop && r->opts.stop(r->opts.stop_ctx);
}

/* The bytes of the source as they lie there. */
static ssize_t pull_raw(void *ctx, void *buffer, size_t n)
{
	struct reader *r = ctx;
	ssize_t got;

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

/* When the first record of a file was written; false when that is not to be seen near its
 * beginning, or it is no file: what a pipe holds can be read only once. */
static bool first_time(const char *path, const struct field_map *map, int64_t *us)
{
	struct reader *r;
	struct record rec;
	struct stat st;
	bool found;
	const struct read_options opts = { .map = map };

	if (!strcmp(path, "-") || stat(path, &st) || !S_ISREG(st.st_mode) || read_open(&r, &path, 1, &opts, NULL))
		return false;
	r->looks_until = LOOK_BYTES;
	found = read_next(r, &rec, NULL) > 0;
	*us = found ? rec.time_us : 0;
	read_close(r);
	return found;
}

/* Rotated files in the order they were written. A file without a time stays behind the one
 * it was named after. */
static int order_by_time(struct sources *s, const struct field_map *map, struct err *err)
{
	int64_t *time = calloc(s->n, sizeof *time);

	if (!time)
		return no_memory(err);
	for (size_t i = 0; i < s->n; i++) {
		const char *path = s->path[i];
		int64_t us = 0;
		size_t at = i;

		if (!first_time(path, map, &us))
			us = i ? time[i - 1] : INT64_MIN;
		for (; at && time[at - 1] > us; at--) {
			time[at] = time[at - 1];
			s->path[at] = s->path[at - 1];
		}
		time[at] = us;
		s->path[at] = path;
	}
	free(time);
	return 0;
}

int read_open(struct reader **out, const char *const *paths, size_t n, const struct read_options *opts,
	      struct err *err)
{
	int rc = open_common(out, err);

	if (rc)
		return rc;
	if (opts)
		(*out)->opts = *opts;
	(*out)->decoder.map = (*out)->opts.map;
	rc = sources_find(&(*out)->sources, paths, n, err);
	if (!rc && (*out)->sources.n > 1)
		rc = order_by_time(&(*out)->sources, (*out)->opts.map, err);
	if (rc) {
		read_close(*out);
		*out = NULL;
		return rc;
	}
	(*out)->input.files = (*out)->sources.path;
	(*out)->input.n_files = (*out)->sources.n;
	return 0;
}

int read_open_stream(struct reader **out, const char *name, read_pull *pull, void *ctx, struct err *err)
{
	int rc = read_open(out, (const char *const[]){ "-" }, 1, NULL, err);

	if (rc)
		return rc;
	(*out)->sources.path[0] = arena_copy(&(*out)->sources.arena, slice_of(name));
	(*out)->pull = pull;
	(*out)->pull_ctx = ctx;
	if ((*out)->sources.path[0])
		return 0;
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
	return r->sources.path[r->at];
}

static void report_progress(struct reader *r, bool last)
{
	if (!r->opts.progress || (!last && r->raw_bytes - r->reported_bytes < PROGRESS_BYTES))
		return;
	r->reported_bytes = r->raw_bytes;
	r->opts.progress(r->opts.ctx, r->raw_bytes, r->sources.total_bytes);
}

/* What is compressed in a way that is not read here is told by its first bytes. */
static int refuse_compressed(const struct reader *r, struct err *err)
{
	static const struct {
		const char *magic, *format, *command;
		size_t n;
	} known[] = {
		{ "\xfd" "7zXZ", "xz", "xz -d", 5 },
		{ "BZh", "bzip2", "bzip2 -d", 3 },
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
	r->unpack = unpack_open(packing, begin, pull_raw, r);
	if (!r->unpack)
		return no_memory(err);
	r->input.bytes -= r->end;
	r->end = r->scanned = 0;
	r->at_end = false;
	return 0;
}

static int open_source(struct reader *r, struct err *err)
{
	r->start = r->end = r->scanned = 0;
	r->at_end = r->too_long = r->looked = false;
	r->is_open = r->begins = true;
	if (r->pull && r->pull != pull_fd)
		return 0;
	r->pull = pull_fd;
	r->pull_ctx = &r->fd;
	if (!strcmp(source_name(r), "-")) {
		r->fd = STDIN_FILENO;
		return 0;
	}
	r->fd = open(source_name(r), O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return err_set_os(err, ERR_OPEN, errno, "%s: cannot be opened", source_name(r));
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
	unpack_close(r->unpack);
	r->unpack = NULL;
	r->fd = -1;
	r->is_open = false;
	r->at += !r->again;
	r->again = false;
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

/* Room for another block behind `end`: what is used up goes first, then the buffer grows. */
static int make_room(struct reader *r, struct err *err)
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

static ssize_t pull_block(struct reader *r)
{
	if (r->unpack)
		return unpack_pull(r->unpack, r->buffer + r->end, room(r));
	return pull_raw(r, r->buffer + r->end, room(r));
}

/* What became of the file whose end was reached. */
enum fate { FATE_WAITS, FATE_REPLACED, FATE_TRUNCATED };

static enum fate fate_of(const struct reader *r)
{
	struct stat ours, named;

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

/* Waits at the end of a growing file. 0: nothing more comes from it. */
static ssize_t follow(struct reader *r)
{
	const struct timespec pause = { .tv_nsec = 100000000 };
	ssize_t n = 0;

	while (!n && !asked_to_stop(r)) {
		enum fate fate = fate_of(r);

		if (fate == FATE_TRUNCATED) {
			lseek(r->fd, 0, SEEK_SET);
			r->start = r->end = r->scanned = 0;
			r->begins = true;
			r->too_long = false;
		}
		n = pull_raw(r, r->buffer + r->end, room(r)); /* perhaps written before it was replaced */
		r->again = !n && fate == FATE_REPLACED;
		if (r->again)
			return 0;
		if (!n)
			nanosleep(&pause, NULL);
	}
	return n;
}

/* One more block, or at_end. */
static int fill(struct reader *r, struct err *err)
{
	int rc = make_room(r, err);
	ssize_t n;

	if (rc)
		return rc;
	n = pull_block(r);
	if (!n && follows(r))
		n = follow(r);
	if (n < 0)
		return err_set_os(err, ERR_READ, errno, "%s: cannot be read", source_name(r));
	r->end += (size_t)n;
	r->input.bytes += (uint64_t)n;
	r->at_end = !n;
	report_progress(r, false);
	if (r->looked || (r->end < MAGIC_BYTES && n))
		return 0;
	return look_at_start(r, err);
}

/* --- blocks ----------------------------------------------------------------------- */

/* Behind the last line end, or 0. */
static size_t whole_lines(struct reader *r)
{
	const char *end = memrchr(r->buffer + r->scanned, '\n', r->end - r->scanned);

	r->scanned = r->end;
	return end ? (size_t)(end + 1 - r->buffer) : 0;
}

/* The lines up to there go with the buffer; the rest goes on in the block's memory. */
static int hand_out(struct reader *r, struct block *b, size_t upto, struct err *err)
{
	size_t rest = r->end - upto;
	char *memory = r->buffer;
	size_t cap = r->cap;

	if (!grow(&b->memory, &b->cap, rest + BLOCK_BYTES + DECODE_PADDING + 1))
		return no_memory(err);
	memcpy(b->memory, r->buffer + upto, rest);
	b->text = (struct slice){ r->buffer + r->start, upto - r->start };
	r->buffer = b->memory;
	r->cap = b->cap;
	b->memory = memory;
	b->cap = cap;
	r->start = 0;
	r->end = r->scanned = rest;
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

/* 1: a block; 0: the source has no more. */
static int next_block(struct reader *r, struct block *b, struct err *err)
{
	for (;;) {
		size_t upto;
		int rc;

		if (r->too_long && drop_long_line(r))
			return lost(b, decode_reasons[DECODE_TOO_LONG], true);
		upto = r->too_long ? 0 : whole_lines(r);
		if (upto)
			return hand_out(r, b, upto, err);
		if (r->at_end && r->end == r->start)
			return 0;
		if (r->end - r->start > READ_LINE_MAX) {
			r->too_long = true;
			continue;
		}
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

/* What the kernel makes up as it is read says it has no bytes, and comes as a stream. */
static bool may_go_in_parts(const struct reader *r)
{
	struct stat st;

	return !r->file && !r->unpack && !r->opts.stop && !r->looks_until && !r->at_end && r->fd > STDIN_FILENO &&
	       !fstat(r->fd, &st) && S_ISREG(st.st_mode) && st.st_size >= lseek(r->fd, 0, SEEK_CUR);
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

static size_t part_bytes(const struct reader *r)
{
	off_t left = r->file_bytes - r->part_at, most = BLOCK_BYTES - r->part_at % BLOCK_BYTES;

	return left <= 0 ? 0 : (size_t)(left < most ? left : most);
}

/* 1: the next part, or what there is to say; 0: there is none. */
static int take_part(struct reader *r, struct block *b)
{
	off_t bytes = part_file_bytes(r->file);
	size_t n;

	b->shrunk = bytes < r->file_bytes;
	r->file_bytes = bytes;
	n = part_bytes(r);
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

int block_fetch(struct block *b, struct err *err)
{
	struct part_lines lines;
	int rc;

	if (!b->part.file)
		return 0;
	rc = part_read(&b->part, &b->memory, &b->cap, &lines, b->name, err);
	drop_part(b);
	if (rc)
		return rc;
	b->text = lines.text;
	b->lost_behind = lines.too_long ? decode_reasons[DECODE_TOO_LONG] : NULL;
	b->shrunk |= lines.shrunk;
	return 0;
}

int read_block(struct reader *r, struct block *b, struct err *err)
{
	drop_part(b);
	while (r->at < r->sources.n) {
		int rc = r->is_open ? 0 : open_source(r, err);

		if (rc)
			return rc;
		b->name = source_name(r);
		b->begins = r->begins;
		b->lost = b->lost_behind = NULL;
		b->lost_line = b->shrunk = false;
		b->text = (struct slice){ "", 0 };
		rc = r->file ? take_part(r, b) : next_block(r, b, err);
		if (r->looks_until && r->input.bytes > r->looks_until)
			return 0;
		r->begins &= !rc;
		if (rc > 0 && !b->lost && may_go_in_parts(r))
			begin_parts(r);
		if (rc)
			return rc;
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
	if (t->n_first < INPUT_SKIPPED_MAX)
		t->first[t->n_first++] = (struct skipped_line){ t->name, t->lines, decode_reasons[why] };
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
	return true;
}

static void fill_columns(struct record_decoder *d, struct columns *out, struct tally *t)
{
	struct decoded one;
	bool got;

	out->n = out->n_whole = 0;
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

/* With the last part, what was lost behind the text. */
static void end_tally(struct tally *t, const struct block *b, const struct record_decoder *d)
{
	t->lost_behind = d->p == d->end ? b->lost_behind : NULL;
	t->shrunk = d->p == d->end && b->shrunk;
}

void read_records(const struct block *b, struct record_decoder *d, unsigned part, struct columns *out, struct tally *t)
{
	begin_tally(t, b, part);
	fill_columns(d, out, t);
	end_tally(t, b, d);
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
	r->line += t->lines;
	in->lines += t->lines - t->blank;
	if (t->lost_behind) {
		r->line++;
		list_lost(in, t->name, r->line, t->lost_behind);
	}
	if (t->shrunk && !r->shrunk)
		list_lost(in, t->name, r->line, skipped_specs[SKIPPED_SHRUNK].text[LANG_EN]);
	r->shrunk |= t->shrunk;
	in->records += t->records;
	in->skipped_lines += t->skipped;
}

const struct field_map *read_map(const struct reader *r)
{
	return r->opts.map;
}

uint64_t read_total_bytes(const struct reader *r)
{
	return r->sources.total_bytes;
}

static int no_log(const struct reader *r, struct err *err)
{
	const char *name = r->sources.n ? r->sources.path[0] : "-";
	const struct input_stats *in = &r->input;

	name = strcmp(name, "-") ? name : "standard input";
	if (!in->lines)
		err_set(err, ERR_FORMAT, "%s: %s", name, in->bytes ? "holds blank lines only" : "is empty");
	else
		err_set(err, ERR_FORMAT, "%s: no log: none of its %llu lines is a record (line %llu: %s)", name,
			(unsigned long long)in->lines, (unsigned long long)in->skipped[0].line, in->skipped[0].reason);
	if (r->opts.map)
		return err_hint(err, "the mapping file must name where each line has its time stamp, and in which form");
	return err_hint(err, "a log has one JSON object per line with \"event_type\" and \"timestamp\"; "
			     "`rwkvmon run --log FILE` writes one");
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
	end_tally(&tally, &r->block, &r->decoder);
	read_account(r, &tally);
	return got;
}

int read_next(struct reader *r, struct record *rec, struct err *err)
{
	struct record_decoder *d = &r->decoder;
	struct decoded decoded;
	bool got;

	record_decoder_release(d);
	got = d->p != d->end && next_record(r, 1, &decoded);
	while (!got) {
		int rc = read_block(r, &r->block, err);

		if (rc > 0 && (rc = block_fetch(&r->block, err)) == 0)
			rc = 1;
		if (rc <= 0)
			return rc ? rc : r->looks_until ? 0 : read_end(r, err);
		record_decoder_feed(d, r->block.text);
		got = next_record(r, 0, &decoded);
	}
	*rec = decoded.rec;
	return 1;
}
