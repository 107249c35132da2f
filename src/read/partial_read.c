/* partial_read.c - parts are checked and listed by log, then read log by log in the order of time. */
#include "read/partial.h"

#include "base/arena.h"
#include "base/array.h"
#include "base/file.h"
#include "read/partial_form.h"
#include "record/columns_code.h"
#include "spec/skipped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t COUNT_MOST = UINT64_C(1) << 53;

/* A log of a part: its frames of rows lie at from..to. */
struct part_log {
	const char *name;
	int64_t time_us;
	size_t part, place; /* of all logs as they were found */
	uint64_t from, to, sum;
	uint64_t content, rows;                       /* the sum over its frames of rows alone; those rows */
	uint64_t lines, skipped, unreadable, untimed; /* its share of the input's counts */
	bool copy;                                    /* of a log of another part: it counts there */
};

/* A skipped line of log `log`, counted over all logs in the order found; SIZE_MAX: of no log. */
struct part_skipped {
	size_t log;
	struct skipped_line line;
};

struct part_file_at {
	const char *path;
	uint64_t sum; /* of all of it: equal ones are copies */
};

struct partials {
	struct arena arena; /* of the logs' names, and of the lines skipped */
	struct part_file_at *part;
	size_t n_parts;
	struct part_log *log; /* (n_logs of cap) */
	size_t n_logs, cap;
	int64_t latest_us;            /* of them all */
	struct part_skipped *skipped; /* (n_skipped of (n_parts + 1) * INPUT_SKIPPED_MAX) */
	size_t n_skipped;
	struct input_stats input;
	uint64_t rows;

	struct columns_coder *coder;
	int fd;      /* of part `open`; -1: none */
	size_t open; /* … */
	size_t at;   /* log being read */
	bool begun;  /* … at `offset`, with `sum` over all before */
	uint64_t offset, sum;
	struct buf frame;
};

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory to read parts with");
}

static int advise(struct err *err)
{
	return err_hint(err, "make it again where its logs lie: rwkvmon analyze --partial -o PART LOG...");
}

static int damaged(const char *path, uint64_t at, struct err *err)
{
	err_set(err, ERR_FORMAT, "%s: the part is damaged at byte %llu", path, (unsigned long long)at);
	return advise(err);
}

static int cut_off(const char *path, uint64_t at, struct err *err)
{
	err_set(err, ERR_TRUNCATED, "%s: the part is cut off at byte %llu", path, (unsigned long long)at);
	return advise(err);
}

/* --- bytes of a part ------------------------------------------------------------------ */

/* As many as there are; negative: they cannot be read. */
static ssize_t read_at(int fd, void *to, size_t n, uint64_t at)
{
	size_t have = 0;
	ssize_t got = 1;

	while (have < n && got) {
		got = pread(fd, (char *)to + have, n - have, (off_t)(at + have));
		if (got < 0 && errno != EINTR)
			return -1;
		have += got > 0 ? (size_t)got : 0;
	}
	return (ssize_t)have;
}

static int open_part(struct partials *p, size_t part, struct err *err)
{
	if (p->fd >= 0 && p->open == part)
		return 0;
	if (p->fd >= 0)
		close(p->fd);
	p->open = part;
	p->fd = file_open_stream(p->part[part].path, NULL, NULL, err);
	return p->fd < 0 ? p->fd : 0;
}

static int read_part(struct partials *p, void *to, size_t n, uint64_t at, struct err *err)
{
	const char *path = p->part[p->open].path;
	ssize_t got = read_at(p->fd, to, n, at);

	if (got < 0)
		return err_set_os(err, ERR_READ, errno, "%s: cannot be read", path);
	return (size_t)got < n ? cut_off(path, at + (uint64_t)got, err) : 0;
}

/* Reads the frame at *at and moves *at behind it; *sum covers everything before it, then also the frame. Returns its
 * kind, or a negative code. */
static int read_frame(struct partials *p, uint64_t *at, uint64_t *sum, struct err *err)
{
	const char *path = p->part[p->open].path;
	unsigned char head[FRAME_HEAD_BYTES];
	int rc = read_part(p, head, sizeof head, *at, err);
	uint64_t n = rc ? 0 : partial_get(head + 1, 4);

	if (rc)
		return rc;
	if (n > PARTIAL_FRAME_MAX || head[0] < FRAME_LOG || head[0] > FRAME_END)
		return damaged(path, *at, err);
	buf_clear(&p->frame);
	if (!buf_reserve(&p->frame, (size_t)n))
		return no_memory(err);
	rc = read_part(p, p->frame.p, (size_t)n, *at + sizeof head, err);
	if (rc)
		return rc;
	p->frame.used = (size_t)n;
	p->frame.p[n] = '\0';
	*sum = partial_sum(partial_sum(*sum, (struct slice){ (const char *)head, 5 }), buf_slice(&p->frame));
	if (*sum != partial_get(head + 5, 8))
		return damaged(path, *at, err);
	*at += sizeof head + n;
	return head[0];
}

static struct code_reader frame_reader(const struct partials *p)
{
	return (struct code_reader){ p->frame.p, p->frame.p + p->frame.used, false };
}

/* --- finding the logs ----------------------------------------------------------------- */

static int read_head(struct partials *p, uint64_t *sum, struct err *err)
{
	const char *path = p->part[p->open].path;
	unsigned char head[PARTIAL_HEAD_BYTES];
	ssize_t got = read_at(p->fd, head, sizeof head, 0);

	if (got < 0)
		return err_set_os(err, ERR_READ, errno, "%s: cannot be read", path);
	if (got < 8 || memcmp(head, PARTIAL_MAGIC, 8)) {
		err_set(err, ERR_FORMAT, "%s: no part, as `analyze --partial` writes them", path);
		return advise(err);
	}
	if ((size_t)got < sizeof head)
		return cut_off(path, (uint64_t)got, err);
	if (partial_get(head + 8, 4) != PARTIAL_VERSION || partial_get(head + 12, 8) != columns_code_vocabulary()) {
		err_set(err, ERR_UNSUPPORTED, "%s: a part that another version of this program wrote", path);
		return advise(err);
	}
	*sum = partial_sum(0, (struct slice){ (const char *)head, sizeof head });
	return 0;
}

/* A log without a time stays behind the one before it in its part; without that, behind all that were named before. */
static int decode_log(struct partials *p, bool first, uint64_t at, uint64_t sum, struct err *err)
{
	struct code_reader r = frame_reader(p);
	uint64_t has_time = code_read_number(&r), time_us = code_unfold(code_read_number(&r));
	struct slice name = code_read_text(&r);
	struct part_log log = { .part = p->open, .place = p->n_logs, .from = at, .to = at, .sum = sum };

	if (r.bad || r.p != r.end || has_time > 1 || name.n > PARTIAL_NAME_MAX || p->n_logs >= PARTIAL_LOGS_MAX)
		return damaged(p->part[p->open].path, at, err);
	log.name = arena_copy(&p->arena, name);
	if (!log.name || !array_grow(&p->log, p->n_logs, &p->cap, 16, sizeof *p->log))
		return no_memory(err);
	log.time_us = has_time ? (int64_t)time_us : first ? p->latest_us : p->log[p->n_logs - 1].time_us;
	p->latest_us = log.time_us > p->latest_us ? log.time_us : p->latest_us;
	p->log[p->n_logs++] = log;
	return 0;
}

/* Its log, from 1 in the part; 0: none. */
static void decode_skipped(struct partials *p, struct code_reader *r, size_t first, size_t n)
{
	uint64_t log = code_read_number(r);
	struct slice file = code_read_text(r);
	uint64_t line = code_read_number(r);
	struct slice reason = code_read_text(r);
	struct part_skipped *s = &p->skipped[p->n_skipped];

	r->bad |= log > n || file.n > PARTIAL_NAME_MAX || reason.n > PARTIAL_NAME_MAX;
	if (r->bad)
		return;
	s->log = log ? first + (size_t)log - 1 : SIZE_MAX;
	s->line = (struct skipped_line){ arena_copy(&p->arena, file), line, arena_copy(&p->arena, reason) };
	p->n_skipped++;
}

static uint64_t decode_count(struct code_reader *r)
{
	uint64_t count = code_read_number(r);

	r->bad |= count > COUNT_MOST;
	return r->bad ? 0 : count;
}

static void decode_log_counts(struct part_log *log, struct code_reader *r)
{
	log->lines = decode_count(r);
	log->skipped = decode_count(r);
	log->unreadable = decode_count(r);
	log->untimed = decode_count(r);
	r->bad |= log->lines < log->skipped || log->lines - log->skipped < log->rows;
}

/* The counts of the input, of logs `first`..n_logs. */
static int decode_end(struct partials *p, size_t first, uint64_t at, struct err *err)
{
	struct code_reader r = frame_reader(p);
	size_t n = p->n_logs - first;
	uint64_t skipped;

	r.bad |= code_read_number(&r) != n;
	for (size_t i = first; i < p->n_logs && !r.bad; i++)
		decode_log_counts(&p->log[i], &r);
	p->input.bytes += decode_count(&r);
	p->input.lines += decode_count(&r);
	p->input.records += decode_count(&r);
	p->input.skipped_lines += decode_count(&r);
	p->input.unreadable_lines += decode_count(&r);
	p->input.untimed_lines += decode_count(&r);
	skipped = code_read_number(&r);
	r.bad |= skipped > INPUT_SKIPPED_MAX;
	for (; !r.bad && skipped; skipped--)
		decode_skipped(p, &r, first, n);
	if (r.bad || r.p != r.end)
		return damaged(p->part[p->open].path, at, err);
	return p->arena.failed ? no_memory(err) : 0;
}

/* The frame that ends at `at`, of the latest log. */
static void take_rows(struct partials *p, uint64_t at)
{
	struct part_log *log = &p->log[p->n_logs - 1];
	struct code_reader r = frame_reader(p);

	log->to = at;
	log->content = partial_sum(log->content, buf_slice(&p->frame));
	log->rows += decode_count(&r);
}

static int scan_frames(struct partials *p, uint64_t *sum, struct err *err)
{
	const char *path = p->part[p->open].path;
	uint64_t at = PARTIAL_HEAD_BYTES;
	size_t first = p->n_logs;
	int kind = 0, rc = 0;
	char more;

	while (!rc && kind != FRAME_END) {
		uint64_t from = at;

		kind = read_frame(p, &at, sum, err);
		if (kind < 0)
			return kind;
		if (kind == FRAME_LOG)
			rc = decode_log(p, p->n_logs == first, at, *sum, err);
		else if (kind == FRAME_END)
			rc = decode_end(p, first, from, err);
		else if (p->n_logs == first)
			rc = damaged(path, from, err);
		else
			take_rows(p, at);
	}
	if (!rc && read_at(p->fd, &more, 1, at))
		rc = damaged(path, at, err);
	return rc;
}

/* The same steps in two parts would count twice. */
static int look_for_copies(const struct partials *p, size_t part, struct err *err)
{
	for (size_t i = 0; i < part; i++)
		if (p->part[i].sum == p->part[part].sum)
			return err_set(err, ERR_USAGE, "%s: the same part as %s", p->part[part].path, p->part[i].path);
	return 0;
}

static int scan(struct partials *p, size_t part, struct err *err)
{
	uint64_t sum = 0;
	int rc = open_part(p, part, err);

	if (!rc)
		rc = read_head(p, &sum, err);
	if (!rc)
		rc = scan_frames(p, &sum, err);
	p->part[part].sum = sum;
	return rc ? rc : look_for_copies(p, part, err);
}

/* --- the order ------------------------------------------------------------------------ */

static int by_time(const void *a, const void *b)
{
	const struct part_log *x = a, *y = b;

	if (x->time_us != y->time_us)
		return x->time_us < y->time_us ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static void list_skipped(struct partials *p, size_t log)
{
	for (size_t i = 0; i < p->n_skipped && p->input.n_skipped < INPUT_SKIPPED_MAX; i++)
		if (p->skipped[i].log == log)
			p->input.skipped[p->input.n_skipped++] = p->skipped[i].line;
}

static int by_content(const void *a, const void *b)
{
	const struct part_log *x = a, *y = b;

	if (x->content != y->content)
		return x->content < y->content ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static void leave_out(struct partials *p, struct part_log *log)
{
	log->copy = true;
	log->to = log->from;
	p->input.records -= log->rows;
	p->input.lines -= log->lines - 1; /* it is one that was left out, as a file would be */
	p->input.skipped_lines -= log->skipped;
	p->input.skipped_lines++;
	p->input.unreadable_lines -= log->unreadable;
	p->input.untimed_lines -= log->untimed;
	if (p->n_skipped < (p->n_parts + 1) * INPUT_SKIPPED_MAX)
		p->skipped[p->n_skipped++] =
			(struct part_skipped){ SIZE_MAX,
					       { log->name, 0, skipped_specs[SKIPPED_FILE_COPY].text[LANG_EN] } };
}

/* A part may claim anything. */
static bool is_counted(const struct partials *p, const struct part_log *log)
{
	const struct input_stats *in = &p->input;

	return log->rows <= in->records && log->lines <= in->lines && log->skipped <= in->skipped_lines &&
	       log->unreadable <= in->unreadable_lines && log->untimed <= in->untimed_lines;
}

/* A log that is in several parts counts in the first. */
static void leave_out_copies(struct partials *p)
{
	if (p->n_logs)
		qsort(p->log, p->n_logs, sizeof *p->log, by_content);
	for (size_t i = 1; i < p->n_logs; i++) {
		const struct part_log *before = &p->log[i - 1];
		struct part_log *log = &p->log[i];

		if (log->rows && log->rows == before->rows && log->content == before->content &&
		    log->part != before->part && is_counted(p, log))
			leave_out(p, log);
	}
}

/* Orders the logs as if they had been opened together. */
static int put_in_order(struct partials *p, struct err *err)
{
	p->input.files = arena_alloc(&p->arena, p->n_logs + 1, sizeof *p->input.files);
	if (!p->input.files)
		return no_memory(err);
	leave_out_copies(p);
	if (p->n_logs)
		qsort(p->log, p->n_logs, sizeof *p->log, by_time);
	list_skipped(p, SIZE_MAX);
	for (size_t i = 0; i < p->n_logs; i++) {
		if (!p->log[i].copy)
			p->input.files[p->input.n_files++] = p->log[i].name;
		if (!p->log[i].copy)
			list_skipped(p, p->log[i].place);
	}
	return 0;
}

int partials_open(struct partials **out, const char *const *paths, size_t n, struct err *err)
{
	struct partials *p = calloc(1, sizeof *p);
	int rc = 0;

	*out = NULL;
	if (!p)
		return no_memory(err);
	p->fd = -1;
	p->latest_us = INT64_MIN;
	p->part = calloc(n + 1, sizeof *p->part);
	p->skipped = calloc(n + 1, INPUT_SKIPPED_MAX * sizeof *p->skipped);
	p->coder = columns_coder_open();
	if (!p->part || !p->skipped || !p->coder)
		rc = no_memory(err);
	for (size_t i = 0; !rc && i < n; i++, p->n_parts++) {
		p->part[i].path = paths[i];
		rc = scan(p, i, err);
	}
	rc = rc ? rc : put_in_order(p, err);
	if (rc)
		partials_close(p);
	else
		*out = p;
	return rc;
}

void partials_close(struct partials *p)
{
	if (!p)
		return;
	if (p->fd >= 0)
		close(p->fd);
	columns_coder_close(p->coder);
	buf_free(&p->frame);
	free(p->part);
	free(p->log);
	free(p->skipped);
	arena_free(&p->arena);
	free(p);
}

/* --- rows ----------------------------------------------------------------------------- */

static int end(const struct partials *p, struct err *err)
{
	const char *path = p->n_parts ? p->part[0].path : "";

	if (p->rows != p->input.records)
		return damaged(path, 0, err);
	if (p->rows)
		return 0;
	err_set(err, ERR_FORMAT, "%s: no part holds a record", path);
	return err_hint(err, "the logs that they were made of are empty, or no logs");
}

int partials_next(struct partials *p, struct columns *out, struct err *err)
{
	int kind, rc;

	for (; p->at < p->n_logs; p->at++, p->begun = false) {
		const struct part_log *log = &p->log[p->at];
		uint64_t from;

		if (!p->begun) {
			p->begun = true;
			p->offset = log->from;
			p->sum = log->sum;
		}
		if (p->offset >= log->to)
			continue;
		rc = open_part(p, log->part, err);
		if (rc)
			return rc;
		from = p->offset;
		kind = read_frame(p, &p->offset, &p->sum, err);
		if (kind < 0)
			return kind;
		if (kind != FRAME_ROWS || !columns_decode(p->coder, buf_slice(&p->frame), out))
			return damaged(p->part[log->part].path, from, err);
		p->rows += out->n;
		return 1;
	}
	return end(p, err);
}

const struct input_stats *partials_input(const struct partials *p)
{
	return &p->input;
}
