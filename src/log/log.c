/* log.c - records are encoded into `pending` and go from there to the file in chunks. */
#include "log/log.h"

#include "log/frames.h"
#include "log/names.h"
#include "log/rotation.h"
#include "log/segment.h"
#include "record/codec.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 64 << 10, PENDING_MAX_BYTES = 4 << 20, CLOSE_TRIES = 100 };
static const uint64_t SECOND_NS = 1000000000;

enum cut { CUT_NONE, CUT_STEP, CUT_OTHER };

struct log {
	struct sink sink; /* first: a sink pointer is a log pointer */
	struct log_config cfg;
	char *path;
	struct segment file;
	struct packer *packer;              /* NULL: plain lines */
	const struct field_values *session; /* of the records; NULL before the first */

	struct buf pending; /* whole lines not yet written; on a pipe it may begin inside one */
	enum cut cut;       /* the kind of line inside which pending begins */
	struct buf head;    /* copy of session_start: the first line of the next file; empty when none is due */
	uint64_t file_since_ns, synced_ns;
	int64_t stamp_us; /* time in the name of the file rotated last */
	bool unsynced;

	uint64_t gap;         /* forward calls lost since the last gap record */
	uint64_t gap_ordinal; /* of the last line lost */
	bool gap_due;
	_Atomic uint64_t dropped;            /* the three below may be read by any thread */
	_Atomic int write_errno, sync_errno; /* the first of each; 0: none */
	bool failing;                        /* the last attempt to write was incomplete */
	int sync_failing;                    /* errno of the last failed sync, as reported in the log; 0: the last one
					      * succeeded */
};

/* --- records into pending ----------------------------------------------------------- */

/* false, and nothing is added, when memory runs out. */
static bool encode(struct buf *to, const struct record *r)
{
	size_t before = to->used;

	record_encode(to, r);
	if (!to->failed)
		return true;
	to->failed = false;
	to->used = before;
	return false;
}

/* ordinal: of the last line that the gap replaces; 0: it replaces none. */
static bool add_gap(struct log *log, uint64_t lost, uint64_t ordinal, const char *reason)
{
	struct field_values extra = { 0 };
	struct record gap = { .time_us = clock_wall_us(log->cfg.clock),
			      .event = EVENT_GAP,
			      .ordinal = ordinal,
			      .session = log->session,
			      .extra = &extra };

	fields_set_number(&extra, F_DROPPED, (double)lost);
	fields_set_text(&extra, F_REASON, slice_of(reason));
	return encode(&log->pending, &gap);
}

/* Writes the gap record at the position of the lost lines, once there is room again. */
static bool tell_gap(struct log *log)
{
	if (!add_gap(log, log->gap, log->gap_ordinal, "log could not be written"))
		return false;
	log->gap = 0;
	log->gap_due = false;
	return true;
}

/* `why` is recorded only if no write error came first: a full buffer is then its consequence. */
static void drop(struct log *log, const struct record *r, int why)
{
	bool step = r->event == EVENT_INFERENCE_STEP;

	if (!log->write_errno)
		log->write_errno = why;
	log->gap_due = true;
	log->gap += step;
	log->gap_ordinal = r->ordinal;
	atomic_fetch_add_explicit(&log->dropped, step, memory_order_relaxed);
}

/* --- pending into the file ---------------------------------------------------------- */

static void note_write(struct log *log, int rc)
{
	if (rc && rc != EAGAIN && rc != ESTALE && !log->write_errno)
		log->write_errno = rc;
}

static void tell_sync(struct log *log, int rc)
{
	struct err text;

	if (rc && rc != log->sync_failing) {
		err_set_os(&text, ERR_WRITE, rc,
			   "the disk did not confirm the lines before this one; a power cut may lose them");
		add_gap(log, 0, 0, text.text);
	}
	log->sync_failing = rc;
	if (rc && !log->sync_errno)
		log->sync_errno = rc;
}

/* After a failed sync the kernel may have dropped the pages; another sync would then report success for data that is
 * gone. So these lines count as unconfirmed for ever. */
static void sync_now(struct log *log)
{
	if (log->unsynced)
		tell_sync(log, segment_sync(&log->file));
	log->unsynced = false;
	log->synced_ns = clock_mono_ns(log->cfg.clock);
}

static void sync_if_due(struct log *log)
{
	if (log->cfg.sync == LOG_SYNC_INTERVAL && clock_mono_ns(log->cfg.clock) - log->synced_ns >= SECOND_NS)
		sync_now(log);
	else if (log->cfg.sync == LOG_SYNC_RECORD)
		sync_now(log);
}

static void leave_file(struct log *log)
{
	if (log->cfg.sync != LOG_SYNC_NEVER)
		sync_now(log);
	note_write(log, segment_close(&log->file));
}

static unsigned mode_of(const struct log *log)
{
	return log->cfg.mode ? log->cfg.mode : LOG_MODE;
}

static int enter_file(struct log *log)
{
	int rc = segment_open(&log->file, log->path, log->packer != NULL, mode_of(log));

	log->file_since_ns = clock_mono_ns(log->cfg.clock);
	return rc;
}

/* A new file begins with its session_start. */
static void begin_with_session(struct log *log)
{
	struct record start = { .time_us = clock_wall_us(log->cfg.clock),
				.event = EVENT_SESSION_START,
				.ordinal = 1, /* the ordinal of the session's first line, which is repeated */
				.session = log->session };

	buf_clear(&log->head);
	if (log->file.regular)
		encode(&log->head, &start);
}

static int next_file(struct log *log)
{
	int rc;

	leave_file(log);
	rc = enter_file(log);
	if (!rc)
		begin_with_session(log);
	return rc;
}

static bool is_full(const struct log *log, size_t more)
{
	uint64_t age_ns = clock_mono_ns(log->cfg.clock) - log->file_since_ns;

	if (!log->file.regular || !log->file.size)
		return false;
	return (log->cfg.rotate_bytes && log->file.size + more > log->cfg.rotate_bytes) ||
	       (log->cfg.rotate_seconds && age_ns / SECOND_NS >= log->cfg.rotate_seconds);
}

/* A file that cannot be renamed continues to grow: records matter more than its size. */
static int rotate(struct log *log)
{
	int rc = rotation_rename(&log->file, clock_wall_us(log->cfg.clock), &log->stamp_us);

	if (rc == EAGAIN)
		return 0;
	if (rc && rc != ESTALE) {
		note_write(log, rc);
		log->file_since_ns = clock_mono_ns(log->cfg.clock);
		return 0;
	}
	rc = next_file(log);
	if (log->cfg.keep)
		rotation_prune(log->path, log->cfg.keep); /* what cannot be removed is tried again next time */
	return rc;
}

static int put(struct log *log, struct slice lines, size_t *taken)
{
	struct slice bytes = lines;
	int rc;

	*taken = 0;
	if (log->packer && !packer_pack(log->packer, lines, &bytes))
		return ENOMEM;
	rc = segment_append(&log->file, bytes, taken);
	if (log->packer)
		*taken = *taken == bytes.n ? lines.n : 0;
	log->unsynced |= *taken > 0;
	return rc;
}

/* As many whole lines as fit into a chunk, at least one; pending ends with a line end. */
static struct slice next_chunk(const struct buf *pending, size_t at)
{
	const char *from = pending->p + at;
	size_t left = pending->used - at, n = left < CHUNK_BYTES ? left : CHUNK_BYTES;
	const char *end = memrchr(from, '\n', n);

	if (!end)
		end = memchr(from, '\n', left);
	return (struct slice){ from, (size_t)(end + 1 - from) };
}

static int write_chunk(struct log *log, struct slice chunk, size_t *taken)
{
	int rc = log->file.fd < 0 ? next_file(log) : is_full(log, chunk.n) ? rotate(log) : 0;
	size_t head;

	*taken = 0;
	if (!rc && log->head.used)
		rc = put(log, buf_slice(&log->head), &head);
	if (!rc)
		buf_clear(&log->head);
	return rc ? rc : put(log, chunk, taken);
}

/* A whole line contains its event; the line of an alarm also contains a step, after its own event. */
static bool is_step(const char *line)
{
	static const char event[] = "\"event_type\":\"", step[] = "inference_step\"";
	size_t n = strcspn(line, "\n");
	const char *at = memmem(line, n, event, sizeof event - 1);

	return !strncmp(at + sizeof event - 1, step, sizeof step - 1);
}

/* The kind of line inside which pending begins, if it begins at `at`. */
static enum cut cut_at(const struct log *log, size_t at)
{
	const char *from = log->pending.p, *end = memrchr(from, '\n', at);

	if (end && end + 1 == from + at)
		return CUT_NONE;
	if (!end && log->cut)
		return log->cut;
	return is_step(end ? end + 1 : from) ? CUT_STEP : CUT_OTHER;
}

static int write_pending(struct log *log)
{
	size_t at = 0, stale = 0;
	int rc = 0;

	while (!rc && at < log->pending.used) {
		size_t taken;

		rc = write_chunk(log, next_chunk(&log->pending, at), &taken);
		at += taken;
		if (rc == ESTALE && !stale++) /* moved or deleted: continue in a file with the right name */
			rc = next_file(log);
		note_write(log, rc);
	}
	log->failing = rc != 0;
	if (at) {
		log->cut = cut_at(log, at);
		memmove(log->pending.p, log->pending.p + at, log->pending.used + 1 - at);
	}
	log->pending.used -= at;
	return rc;
}

/* --- the sink ------------------------------------------------------------------------ */

static void append(struct sink *s, const struct record *r)
{
	struct log *log = (struct log *)s;

	log->session = r->session;
	if (log->pending.used > PENDING_MAX_BYTES) {
		drop(log, r, EAGAIN);
		return;
	}
	if ((log->gap_due && !tell_gap(log)) || !encode(&log->pending, r)) {
		drop(log, r, ENOMEM);
		return;
	}
	if (log->failing || (log->pending.used < CHUNK_BYTES && log->cfg.sync != LOG_SYNC_RECORD))
		return; /* the next flush tries again */
	write_pending(log);
	if (log->cfg.sync == LOG_SYNC_RECORD)
		sync_now(log);
}

static void flush(struct sink *s)
{
	struct log *log = (struct log *)s;

	if (log->gap_due && log->pending.used <= PENDING_MAX_BYTES)
		tell_gap(log);
	if (log->pending.used)
		write_pending(log);
	sync_if_due(log);
}

/* --- open, close ---------------------------------------------------------------------- */

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "no memory for the log");
}

/* A default name is this log's alone, also if another one begins in the same second. */
static int take_path(struct log *log, struct err *err)
{
	const int64_t now_us = clock_wall_us(log->cfg.clock);

	for (unsigned nth = 1;; nth++) {
		struct buf path = { 0 };

		log_name_expand(&path, log->cfg.path, log->cfg.session_id, now_us, nth);
		if (path.failed) {
			buf_free(&path);
			return no_memory(err);
		}
		if (*log->cfg.path || segment_claim(path.p, mode_of(log)) != EEXIST) {
			log->path = path.p; /* the log owns its memory now */
			return 0;
		}
		buf_free(&path);
	}
}

static int open_parts(struct log *log, struct err *err)
{
	const struct slice unknown = log_name_unknown(log->cfg.path);
	int rc;

	if (unknown.n) {
		err_set(err, ERR_USAGE, "%s: nothing is known to be filled in for %.*s", log->cfg.path,
			SLICE_ARG(unknown));
		return err_hint(err, "{pid}, {session} and {time} are filled in");
	}
	rc = take_path(log, err);
	if (rc)
		return rc;
	if (log_name_is_zst(log->path) && !(log->packer = packer_open()))
		return no_memory(err);
	rc = enter_file(log);
	if (!rc)
		return 0;
	err_set_os(err, ERR_WRITE, rc, "%s: the log cannot be opened for writing", log->path);
	return err_hint(err, "name a file in a directory that exists and that you may write to");
}

int log_open(struct log **out, const struct log_config *cfg, struct err *err)
{
	struct log *log = calloc(1, sizeof *log);
	int rc;

	*out = NULL;
	if (!log)
		return no_memory(err);
	log->sink = (struct sink){ .write = append, .flush = flush };
	log->cfg = *cfg;
	log->file.fd = -1;
	log->synced_ns = clock_mono_ns(cfg->clock);
	rc = open_parts(log, err);
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

bool log_waits(const struct log *log)
{
	return log->pending.used || log->gap_due || log->head.used ||
	       (log->unsynced && log->cfg.sync != LOG_SYNC_NEVER);
}

uint64_t log_dropped(const struct log *log)
{
	return log->dropped;
}

/* Forward calls that never reached the file as a whole line. */
static uint64_t count_pending(const struct log *log)
{
	enum cut cut = log->cut;
	uint64_t n = 0;

	for (size_t at = 0; at < log->pending.used; at += strcspn(log->pending.p + at, "\n") + 1) {
		n += cut ? cut == CUT_STEP : is_step(log->pending.p + at);
		cut = CUT_NONE;
	}
	return n;
}

static int tell_trouble(const struct log *log, uint64_t dropped, struct err *err)
{
	const int failed = log->write_errno;

	if (failed) {
		err_set_os(err, ERR_WRITE, failed, "%s: the log could not be written (records lost: %llu)", log->path,
			   (unsigned long long)dropped);
		return err_hint(err, failed == ENOSPC ? "free some space, or put the log on another disk"
						      : "check the disk and the rights on the log's directory");
	}
	if (log->sync_errno) {
		err_set_os(err, ERR_WRITE, log->sync_errno, "%s: the disk did not confirm all lines", log->path);
		return err_hint(err, "check the disk: a power cut may have lost what a gap record names");
	}
	return 0;
}

int log_trouble(const struct log *log, struct err *err)
{
	return tell_trouble(log, log->dropped, err);
}

/* Other processes may hold the lock for a moment, or rotate faster than this one opens: wait for them, but not for
 * ever. */
static void write_last(struct log *log)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	int rc;

	flush(&log->sink);
	for (int i = 0; i < CLOSE_TRIES; i++) {
		rc = write_pending(log);
		if (rc != EAGAIN && rc != ESTALE)
			return;
		nanosleep(&moment, NULL);
	}
}

int log_close(struct log *log, uint64_t *dropped, struct err *err)
{
	uint64_t lost;
	int rc;

	if (!log)
		return 0;
	if (log->path)
		write_last(log);
	leave_file(log);
	lost = log->dropped + count_pending(log);
	if (log->pending.used && !log->write_errno)
		log->write_errno = EAGAIN; /* the pipe has no reader, or another process did not release the lock */
	if (dropped)
		*dropped = lost;
	rc = tell_trouble(log, lost, err);
	packer_close(log->packer);
	buf_free(&log->pending);
	buf_free(&log->head);
	free(log->path);
	free(log);
	return rc;
}
