/* partial_write.c - logs become a part: block by block, as they are read. */
#include "read/partial.h"

#include "base/file.h"
#include "read/partial_form.h"
#include "record/columns_code.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LOOKED_AT_BYTES = 256 << 10, /* of a pipe, for its first time */
	AT_ONCE_BYTES = 8 << 20      /* many rows a frame: smaller, and faster to analyse */
};

struct writing {
	const char *path;
	int fd;
	uint64_t sum;
	struct buf frame;
	struct columns *rows;
	struct columns_coder *coder;
	struct record_decoder decoder;
	struct block block;
	uint64_t n_logs;                    /* the last of them is at hand, */
	const char *name;                   /* its name, */
	uint64_t log_bytes;                 /* the bytes of it before those being read, */
	bool log_waits;                     /* and whether its frame is still to be written */
	struct input_stats told;            /* the input's counts when it began */
	struct buf of_logs;                 /* those of the logs before it */
	uint64_t of_log[INPUT_SKIPPED_MAX]; /* (n_placed) the log of each line listed as skipped; 0: none */
	size_t n_placed;
};

static int cannot_write(const struct writing *w, int os_errno, struct err *err)
{
	return err_set_os(err, ERR_WRITE, os_errno, "%s: cannot be written", w->path);
}

static int put_frame(struct writing *w, enum partial_frame kind, const struct buf *bytes, struct err *err)
{
	unsigned char head[FRAME_HEAD_BYTES] = { (unsigned char)kind };
	int failed;

	if (bytes->failed)
		return err_set(err, ERR_NOMEM, "%s: no memory to write it", w->path);
	partial_put(head + 1, bytes->used, 4);
	w->sum = partial_sum(partial_sum(w->sum, (struct slice){ (const char *)head, 5 }), buf_slice(bytes));
	partial_put(head + 5, w->sum, 8);
	failed = file_write_all(w->fd, (struct slice){ (const char *)head, sizeof head });
	if (!failed)
		failed = file_write_all(w->fd, buf_slice(bytes));
	return failed ? cannot_write(w, failed, err) : 0;
}

static int put_head(struct writing *w, struct err *err)
{
	unsigned char head[PARTIAL_HEAD_BYTES] = PARTIAL_MAGIC;
	int failed;

	partial_put(head + 8, PARTIAL_VERSION, 4);
	partial_put(head + 12, columns_code_vocabulary(), 8);
	w->sum = partial_sum(0, (struct slice){ (const char *)head, sizeof head });
	failed = file_write_all(w->fd, (struct slice){ (const char *)head, sizeof head });
	return failed ? cannot_write(w, failed, err) : 0;
}

/* Writes the current log's frame, once its time is known or is known to be missing. That of a file is the one by which
 * read_open has put it in order. */
static int put_log(struct writing *w, struct reader *r, bool has_time, int64_t time_us, struct err *err)
{
	if (!w->log_waits)
		return 0;
	w->log_waits = false;
	if (read_log_is_file(r, (size_t)w->n_logs - 1))
		has_time = read_log_time(r, (size_t)w->n_logs - 1, &time_us);
	time_us = has_time ? time_us : 0;
	buf_clear(&w->frame);
	code_number(&w->frame, has_time);
	code_number(&w->frame, code_fold((uint64_t)time_us));
	code_text(&w->frame, slice_of(w->name));
	return put_frame(w, FRAME_LOG, &w->frame, err);
}

static int put_rows(struct writing *w, size_t from, size_t n, struct err *err)
{
	int rc;

	buf_clear(&w->frame);
	columns_encode(w->coder, &w->frame, w->rows, from, n);
	if (w->frame.used <= PARTIAL_FRAME_MAX || w->frame.failed)
		return put_frame(w, FRAME_ROWS, &w->frame, err);
	if (n == 1)
		return err_set(err, ERR_FORMAT, "%s: a line has more than a part can hold", w->name);
	rc = put_rows(w, from, n / 2, err);
	return rc ? rc : put_rows(w, from + n / 2, n - n / 2, err);
}

/* Lines that were listed since then belong to the current log, or to none if it is 0. */
static void place_skipped(struct writing *w, const struct input_stats *in, uint64_t log)
{
	while (w->n_placed < in->n_skipped)
		w->of_log[w->n_placed++] = log;
}

/* What the input's counts owe to the current log goes into the last frame. */
static void end_log(struct writing *w, const struct input_stats *in)
{
	if (w->n_logs) {
		code_number(&w->of_logs, in->lines - w->told.lines);
		code_number(&w->of_logs, in->skipped_lines - w->told.skipped_lines);
		code_number(&w->of_logs, in->unreadable_lines - w->told.unreadable_lines);
		code_number(&w->of_logs, in->untimed_lines - w->told.untimed_lines);
	}
	w->told = *in;
}

static int next_log(struct writing *w, struct reader *r, struct err *err)
{
	int rc = put_log(w, r, false, 0, err);

	end_log(w, read_input(r));
	w->name = read_input(r)->files[w->n_logs++];
	w->log_waits = true;
	w->log_bytes = 0;
	if (!rc && strlen(w->name) > PARTIAL_NAME_MAX)
		rc = err_set(err, ERR_FORMAT, "%.80s…: its name is longer than a part can hold", w->name);
	if (!rc && w->n_logs > PARTIAL_LOGS_MAX)
		rc = err_set(err, ERR_FORMAT, "%s: more than %d logs are more than a part can hold", w->path,
			     PARTIAL_LOGS_MAX);
	return rc;
}

/* Logs without a line produce no block: they come before this one. NULL: after the last block. */
static int begin_log(struct writing *w, struct reader *r, const char *name, struct err *err)
{
	int rc = 0;
	bool there = false;

	while (!rc && !there && w->n_logs < read_input(r)->n_files) {
		rc = next_log(w, r, err);
		there = name && (w->name == name || !strcmp(w->name, name));
	}
	return rc;
}

static int put_block(struct writing *w, struct reader *r, struct err *err)
{
	int rc = 0;

	for (unsigned part = 0; !rc && (!part || !block_over(&w->block, &w->decoder)); part++) {
		struct tally tally;

		record_decoder_release(&w->decoder);
		rc = read_records(&w->block, &w->decoder, part, w->rows, &tally, err);
		if (!rc && tally.begins)
			rc = begin_log(w, r, tally.name, err);
		read_account(r, &tally);
		place_skipped(w, read_input(r), w->n_logs);
		if (!rc && w->rows->n)
			rc = put_log(w, r, w->log_bytes <= LOOKED_AT_BYTES, w->rows->time_us[0], err);
		if (!rc && w->rows->n)
			rc = put_rows(w, 0, w->rows->n, err);
		w->log_bytes += tally.bytes;
	}
	return rc;
}

static int put_end(struct writing *w, struct reader *r, struct err *err)
{
	const struct input_stats *in = read_input(r);
	int rc = begin_log(w, r, NULL, err);

	rc = rc ? rc : put_log(w, r, false, 0, err);
	end_log(w, in);
	buf_clear(&w->frame);
	code_number(&w->frame, w->n_logs);
	buf_add(&w->frame, w->of_logs.p, w->of_logs.used);
	w->frame.failed |= w->of_logs.failed;
	code_number(&w->frame, in->bytes);
	code_number(&w->frame, in->lines);
	code_number(&w->frame, in->records);
	code_number(&w->frame, in->skipped_lines);
	code_number(&w->frame, in->unreadable_lines);
	code_number(&w->frame, in->untimed_lines);
	code_number(&w->frame, in->n_skipped);
	for (size_t i = 0; i < in->n_skipped; i++) {
		code_number(&w->frame, w->of_log[i]);
		code_text(&w->frame, slice_of(in->skipped[i].file));
		code_number(&w->frame, in->skipped[i].line);
		code_text(&w->frame, slice_of(in->skipped[i].reason));
	}
	return rc ? rc : put_frame(w, FRAME_END, &w->frame, err);
}

static int put_all(struct writing *w, struct reader *r, struct err *err)
{
	int rc = put_head(w, err), got = 0;
	int64_t time_us;

	for (size_t i = 0; i < read_input(r)->n_files; i++)
		read_log_time(r, i, &time_us);
	place_skipped(w, read_input(r), 0);
	w->decoder.map = read_map(r);
	w->block.wanted_bytes = AT_ONCE_BYTES;
	while (!rc && (got = read_block(r, &w->block, err)) > 0)
		rc = put_block(w, r, err);
	rc = rc ? rc : got;
	return rc ? rc : put_end(w, r, err);
}

static int write_to(struct writing *w, struct reader *r, struct err *err)
{
	int rc;

	w->rows = aligned_alloc(64, sizeof *w->rows);
	w->coder = columns_coder_open();
	rc = w->rows && w->coder ? put_all(w, r, err) : err_set(err, ERR_NOMEM, "%s: no memory to write it", w->path);
	free(w->rows);
	columns_coder_close(w->coder);
	record_decoder_free(&w->decoder);
	block_free(&w->block);
	buf_free(&w->frame);
	buf_free(&w->of_logs);
	return rc;
}

/* The temporary name, in the folder of the final one. */
static int write_beside(struct writing *w, const char *target, struct reader *r, struct err *err)
{
	char *beside;
	int rc;

	if (asprintf(&beside, "%s.%ld.tmp", target, (long)getpid()) < 0)
		return err_set(err, ERR_NOMEM, "%s: no memory to write it", w->path);
	w->fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (w->fd < 0) {
		rc = err_set_os(err, ERR_WRITE, errno, "%s: cannot be created", w->path);
		free(beside);
		return rc;
	}
	rc = write_to(w, r, err);
	if (close(w->fd) && !rc)
		rc = cannot_write(w, errno, err);
	if (!rc && rename(beside, target))
		rc = cannot_write(w, errno, err);
	if (rc)
		unlink(beside);
	free(beside);
	return rc;
}

int partial_write(const char *path, struct reader *r, struct err *err)
{
	struct writing w = { .path = path, .fd = STDOUT_FILENO };
	char *target;
	int rc;

	if (!strcmp(path, "-"))
		return write_to(&w, r, err);
	if (!file_replaceable(path, &target))
		return err_set(err, ERR_NOMEM, "%s: no memory to write it", path);
	if (target) {
		rc = write_beside(&w, target, r, err);
		free(target);
		return rc;
	}
	w.fd = open(path, O_WRONLY | O_CLOEXEC);
	if (w.fd < 0)
		return err_set_os(err, ERR_WRITE, errno, "%s: cannot be created", path);
	rc = write_to(&w, r, err);
	if (close(w.fd) && !rc)
		rc = cannot_write(&w, errno, err);
	return rc;
}
