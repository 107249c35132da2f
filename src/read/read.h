/* read.h - reads records from logs: files, directories and standard input, plain or compressed with gzip or zstd
 * (recognised by their first bytes), block by block.
 *
 * Damaged, foreign and over-long lines are skipped and counted, never fatal. Blank lines are ignored. CRLF, a byte
 * order mark and a last line without its end are accepted.
 *
 * A record from before 2000 or after 2099, as clocks that are not set make them, would leave no room for all others on
 * an axis of time. It gets the first time between these that the log has near its beginning, and is counted.
 *
 * Ownership  read_open creates, read_close destroys; texts of read_input() live that long.
 *            A record and what it points to are valid until the next read_next.
 * Threads    a reader belongs to one thread at a time. Several may share the work: each takes a
 *            block (one at a time), fetches its text and makes records of it (at the same time as
 *            others), and accounts for it (one at a time, in the order in which the blocks were taken).
 * Cost       read(2) into one buffer per block that grows to the longest line, at most
 *            READ_LINE_MAX; no allocation per line.
 * Errors     0 or a negative ERR code; *err names the file.
 */
#ifndef RWKVMON_READ_READ_H
#define RWKVMON_READ_READ_H

#include "base/err.h"
#include "read/parts.h"
#include "record/codec.h"
#include "record/columns.h"
#include "spec/input.h"

#include <sys/types.h>

enum { READ_LINE_MAX = DECODE_LINE_MAX }; /* bytes of a line; longer ones are skipped */

struct read_options {
	/* Called now and then, and at the end; total is 0 when unknown. NULL: never. */
	void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
	void *ctx;

	/* Not NULL: at the end of the last file, wait for more until stop says true. A file
	 * that is renamed or deleted is read to its end, then the new one of that name; one
	 * that is truncated is read from its start. stop is asked about every 100 ms, and
	 * when a signal interrupts a read. */
	bool (*stop)(void *stop_ctx);
	void *stop_ctx;

	/* Called with each file that is opened to be read, the new one after a rotation too. NULL: never. */
	void (*opened)(void *opened_ctx, int fd);
	void *opened_ctx;
	const struct field_map *map; /* borrowed; NULL: the logs are ours */
	bool with_text;              /* each block comes with its text */
};

struct reader;

enum packing { PACKED_NOT, PACKED_GZIP, PACKED_ZSTD };

/* How far a file was read. Of a plain one, all three are the same. */
struct read_place {
	off_t at;         /* bytes of the file: a line begins behind them, or a member or frame of a compressed one */
	uint64_t at_text; /* bytes of text before that */
	uint64_t text;   /* bytes of text that were read: those behind at_text are decompressed again and passed over */
	int64_t home_us; /* as of struct block */
};

/* Reads an open file: the whole lines from a place on; an unfinished last one is not read. About `most_bytes` of it (0:
 * all; a compressed file is read to its end). A reader without lines ends with 0. fd stays the caller's, its place
 * moves. */
int read_open_at(struct reader **out, const char *name, int fd, const struct read_place *from, uint64_t most_bytes,
		 struct err *err);

/* This one is the last: what waits for the rest of a line that came in pieces is given out. Before the first line. */
void read_await_no_more(struct reader *r);

/* Where the next one may begin: behind what was given out. Before its end, only where read_may_pause says so. */
struct read_place read_place(const struct reader *r);
bool read_may_pause(const struct reader *r);

/* Paths may be files, directories (their *.log and *.jsonl, rotated and compressed ones too), patterns that match
 * files (glob), or "-". Names are resolved and tried here; several files are put in order of their first records'
 * times; contents are read later.
 * opts NULL: defaults. *out is NULL on error. */
int read_open(struct reader **out, const char *const *paths, size_t n, const struct read_options *opts,
	      struct err *err);

/* Bytes from anywhere: pull returns how many it put, 0 at the end, -1 with errno. */
typedef ssize_t read_pull(void *ctx, void *buffer, size_t n);
int read_open_stream(struct reader **out, const char *name, read_pull *pull, void *ctx, struct err *err);

/* 1: *rec is the next record; 0: the end; negative: it cannot be read. An input in which
 * no line is a record ends with ERR_FORMAT. */
int read_next(struct reader *r, struct record *rec, struct err *err);

/* The same for several rows at once, as many as fit and came together; there may be none. `lines`, unless it is NULL:
 * the text they were made of, which lasts as long as they do; of a reader that goes on (stop, read_open_at) or has
 * with_text. */
int read_columns(struct reader *r, struct columns *out, struct slice *lines, struct err *err);

/* --- the same in parts, for several threads --- */

/* Whole lines of one source. Zeroed before first use; its memory is used again for the next. */
struct block {
	struct slice text;       /* may be empty */
	struct part part;        /* of a plain file: where the text is still to be fetched from */
	const char *name;        /* of the source */
	bool begins;             /* the first of its source: lines count from 1 */
	const char *lost;        /* why something was lost before the text, or NULL */
	bool lost_line;          /* it was a line, and counts as one */
	const char *lost_behind; /* why a line was lost behind the text, or NULL */
	bool shrunk;             /* the file has become shorter: what was there is lost */
	int64_t home_us; /* the first possible time of the source: impossible ones are read as this; 0: unknown */
	char *memory;
	size_t cap;
	size_t wanted_bytes; /* of a plain file: set it to get larger parts */
};

/* The result of decoding a block, or a part of it. */
struct tally {
	const char *name, *lost, *lost_behind;
	bool begins, lost_line, shrunk;
	uint64_t lines, blank, records, skipped, unreadable, untimed;
	uint64_t halves; /* of the lines: torn records with a whole one behind them, which counts as another line */
	uint64_t bytes;  /* of their text */
	struct skipped_line
		first[INPUT_SKIPPED_MAX]; /* skipped ones; their numbers count from the part's first line, 1 */
	size_t n_first;
};

/* 1: a block; 0: the end; negative: it cannot be read. */
int read_block(struct reader *r, struct block *b, struct err *err);

void block_free(struct block *b);

/* Decodes the next records of a block, as many as fit, and counts their lines; fetches the text first, while other
 * threads fetch theirs. Release the decoder before. `part` counts from 0 in each block. 0, or negative: some of the
 * block cannot be read, and the block is over. */
int read_records(struct block *b, struct record_decoder *d, unsigned part, struct columns *out, struct tally *t,
		 struct err *err);
bool block_over(const struct block *b, const struct record_decoder *d);
void read_account(struct reader *r, const struct tally *t);

/* After the last block: 0, or an error if no line of the input was a record. */
int read_end(struct reader *r, struct err *err);

/* That of the options. */
const struct field_map *read_map(const struct reader *r);

/* The time by which a file has its place among others, that of its first record; false: there is none near its
 * beginning. Of read_input's file `log`, to be asked first before it is read. */
bool read_log_time(struct reader *r, size_t log, int64_t *time_us);
/* Else it is a pipe, of which only a record that was read says when it is from. */
bool read_log_is_file(const struct reader *r, size_t log);

/* Bytes that lie ahead, before any decompression; 0: unknown. */
uint64_t read_total_bytes(const struct reader *r);

/* --- */

/* Complete once read_next or read_end has returned 0. */
const struct input_stats *read_input(const struct reader *r);

void read_close(struct reader *r);

#endif
