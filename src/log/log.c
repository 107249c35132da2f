#include "log/log.h"

#include "record/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FLUSH_BYTES = 64 << 10, PENDING_MAX_BYTES = 4 << 20 };
static const uint64_t SYNC_NS = 1000000000;

struct log {
	struct sink sink; /* first: a sink pointer is a log pointer */
	int fd;
	char *path;
	const struct clock *clock;
	struct buf pending; /* encoded, not yet written; may begin inside a line */
	uint64_t dropped;   /* since the last gap record */
	uint64_t dropped_total;
	int first_errno;    /* of any failed write or sync; 0: none */
	bool unsynced;
	uint64_t synced_ns;
	struct field_values session; /* of the last record, for gap records; texts point to its owner */
};

static void write_pending(struct log *log)
{
	size_t done = 0;

	while (done < log->pending.used) {
		ssize_t put = write(log->fd, log->pending.p + done, log->pending.used - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0) {
			log->first_errno = log->first_errno ? log->first_errno : put ? errno : EIO;
			break;
		}
		done += (size_t)put;
		log->unsynced = true;
	}
	memmove(log->pending.p, log->pending.p + done, log->pending.used - done);
	log->pending.used -= done;
}

/* Once there is room again, the hole is told where it is. */
static void tell_gap(struct log *log)
{
	struct field_values extra = { 0 };
	struct record gap = { .time_us = clock_wall_us(log->clock), .event = EVENT_GAP, .session = &log->session, .extra = &extra };

	fields_set_number(&extra, F_DROPPED, (double)log->dropped);
	fields_set_text(&extra, F_REASON, slice_of("log could not be written"));
	record_encode(&log->pending, &gap);
	log->dropped = 0;
}

static void append(struct sink *s, const struct record *r)
{
	struct log *log = (struct log *)s;
	size_t before = log->pending.used;

	log->session = *r->session;
	if (before > PENDING_MAX_BYTES) {
		log->dropped++;
		log->dropped_total++;
		return;
	}
	if (log->dropped)
		tell_gap(log);
	record_encode(&log->pending, r);
	if (log->pending.failed) { /* out of memory: keep what was whole */
		log->pending.failed = false;
		log->pending.used = before;
		log->dropped++;
		log->dropped_total++;
	} else if (log->pending.used >= FLUSH_BYTES) {
		write_pending(log);
	}
}

/* A sync that failed is reported once and never taken for a later success: the kernel may
 * have forgotten the pages. */
static void sync_file(struct log *log)
{
	if (fdatasync(log->fd) && errno != EINVAL && errno != EROFS && !log->first_errno)
		log->first_errno = errno;
	log->unsynced = false;
	log->synced_ns = clock_mono_ns(log->clock);
}

static void flush(struct sink *s)
{
	struct log *log = (struct log *)s;

	if (log->pending.used)
		write_pending(log);
	if (log->unsynced && clock_mono_ns(log->clock) - log->synced_ns >= SYNC_NS)
		sync_file(log);
}

static char *default_path(const struct clock *clock)
{
	time_t now = (time_t)(clock_wall_us(clock) / 1000000);
	struct tm tm;
	char name[64];

	localtime_r(&now, &tm);
	strftime(name, sizeof name, "rwkv_monitor_%Y%m%d_%H%M%S.log", &tm);
	return strdup(name);
}

/* Ends a line that an earlier run left torn. */
static void repair_tail(struct log *log)
{
	struct stat st;
	char last;

	if (!fstat(log->fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && pread(log->fd, &last, 1, st.st_size - 1) == 1 &&
	    last != '\n')
		buf_char(&log->pending, '\n');
}

static int open_file(struct log *log, struct err *err)
{
	log->fd = open(log->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
	if (log->fd < 0 && (errno == EACCES || errno == EPERM)) /* a pipe or a device that can only be written */
		log->fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
	if (log->fd >= 0) {
		fcntl(log->fd, F_SETFL, fcntl(log->fd, F_GETFL) & ~O_NONBLOCK);
		repair_tail(log);
		return 0;
	}
	err_set_os(err, ERR_WRITE, errno, "%s: the log cannot be opened for writing", log->path);
	return err_hint(err, "name a file in a directory that exists and that you may write to");
}

int log_open(struct log **out, const char *path, const struct clock *clock, struct err *err)
{
	struct log *log = calloc(1, sizeof *log);
	int rc;

	*out = NULL;
	if (!log)
		return err_set(err, ERR_NOMEM, "no memory for the log");
	log->sink = (struct sink){ .write = append, .flush = flush };
	log->fd = -1;
	log->clock = clock;
	log->synced_ns = clock_mono_ns(clock);
	log->path = *path ? strdup(path) : default_path(clock);
	rc = log->path ? open_file(log, err) : err_set(err, ERR_NOMEM, "no memory for the log");
	if (rc) {
		log_close(log, NULL, NULL);
		return rc;
	}
	*out = log;
	return 0;
}

struct sink *log_sink(struct log *log)
{
	return &log->sink;
}

const char *log_path(const struct log *log)
{
	return log->path;
}

static uint64_t count_lines(const struct buf *b)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < b->used; i++)
		lines += b->p[i] == '\n';
	return lines;
}

static int tell_trouble(const struct log *log, uint64_t dropped, struct err *err)
{
	if (!log->first_errno)
		return 0;
	err_set_os(err, ERR_WRITE, log->first_errno, "%s: the log could not be written (%llu records lost)", log->path,
		   (unsigned long long)dropped);
	return err_hint(err, log->first_errno == ENOSPC ? "free some space, or put the log on another disk" :
							  "check the disk and the rights on the log's directory");
}

int log_close(struct log *log, uint64_t *dropped, struct err *err)
{
	uint64_t lost;
	int rc;

	if (!log)
		return 0;
	if (log->fd >= 0 && log->pending.used)
		write_pending(log);
	if (log->fd >= 0 && log->unsynced)
		sync_file(log);
	if (log->fd >= 0 && close(log->fd) && !log->first_errno)
		log->first_errno = errno;
	lost = log->dropped_total + count_lines(&log->pending);
	if (dropped)
		*dropped = lost;
	rc = tell_trouble(log, lost, err);
	buf_free(&log->pending);
	free(log->path);
	free(log);
	return rc;
}
