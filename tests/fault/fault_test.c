/* What the log and the collector promise when the system fails under them: every call that
 * can fail fails in turn, processes are killed, clocks jump, disks fill, programs fork.
 *
 * The oracle is always the same: records in the files + records told as dropped = records
 * produced, and no damaged line but one that a kill tore.
 *
 * RWKVMON_FAULT=long runs the long form, RWKVMON_FAULT_ONLY=NAME one test (* and ? match). */
#include "fault_log.h"

#include "child.h"

#include "observe/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <rwkvmon.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the log alone: one thread, so that the Nth call is always the same -------------------- */

enum { STEPS = 60 };

/* One run with the fault armed; false when the fault's turn never came. */
static bool run_with(struct fault f, const char *path)
{
	struct log *log;
	struct err err = { 0 };
	uint64_t dropped = 0;
	struct found found;
	size_t files;
	int rc;

	remove_log(path);
	fault_arm(f);
	rc = open_log(&log, path, LOG_SYNC_RECORD, 2500);
	if (!rc) {
		for (uint64_t i = 0; i < STEPS; i += 5) {
			write_steps(log, i, 5);
			flush(log);
		}
		rc = log_close(log, &dropped, &err);
		fault_disarm();
		found = read_all(path, &files);
		if (found.steps + dropped != STEPS || found.bad > (f.call == FAULT_FTRUNCATE ? 1 : 0))
			fail_msg("%s %u%s errno %d: %zu steps + %llu dropped, %zu damaged lines: %s",
				 fault_names[f.call], f.nth, f.persistent ? " and on" : "", f.error, found.steps,
				 (unsigned long long)dropped, found.bad, err.text);
		if (dropped)
			assert_true(rc < 0);
	}
	fault_disarm();
	return fault_hits() > 0;
}

static void every_call_fails_in_turn(void **state)
{
	static const int errors[] = { 0, EIO, ENOSPC, EINTR };

	(void)state;
	for (int z = 0; z < 2; z++)
		for (int call = 0; call < FAULT_CALL_COUNT; call++)
			for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
				for (int persistent = 0; persistent < 2; persistent++) {
					struct fault f = { (enum fault_call)call, 1, persistent, errors[e], 0 };
					char path[256];

					if (!f.error && call != FAULT_WRITE)
						continue; /* short writes */
					if (persistent && f.error == EINTR)
						continue; /* no system interrupts for ever */
					path_in(path, plain_and_zst[z]);
					while (run_with(f, path))
						f.nth += is_long() || f.nth < 12 ? 1 : 7;
				}
}

static void without_locks_all_is_written_too(void **state)
{
	(void)state;
	for (int z = 0; z < 2; z++) {
		char path[256];
		struct log *log;
		struct found f;
		size_t files;

		log = opened(path, plain_and_zst[z], LOG_SYNC_NEVER, 0);
		write_steps(log, 0, 3);
		fault_arm((struct fault){ FAULT_FLOCK, 1, true, ENOLCK, 0 }); /* as on some network disks */
		flush(log);
		fault_disarm();
		assert_int_equal(log_close(log, NULL, NULL), 0);
		f = read_all(path, &files);
		assert_int_equal(f.steps, 3);
		assert_int_equal(f.bad, 0);
	}
}

static void a_failed_sync_is_told_and_never_taken_back(void **state)
{
	static const enum fault_call calls[] = { FAULT_FDATASYNC, FAULT_FSYNC }; /* the file's, its directory's */

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		char path[256];
		struct log *log;
		struct buf text = { 0 };
		struct err err = { 0 };

		path_in(path, "sync.log");
		remove_log(path);
		fault_arm((struct fault){ calls[i], 1, false, EIO, 0 });
		assert_int_equal(open_log(&log, path, LOG_SYNC_RECORD, 0), 0);
		write_steps(log, 3, 1);
		assert_int_equal(fault_hits(), 1);
		fault_disarm();
		write_steps(log, 4, 3); /* later syncs work: the loss stays told */
		assert_true(log_close(log, NULL, &err) < 0);
		assert_non_null(strstr(err.text, "did not confirm"));
		assert_int_equal(file_read(&text, path, 1 << 20, NULL), 0);
		assert_non_null(strstr(text.p, "\"event_type\":\"gap\""));
		assert_non_null(strstr(text.p, "a power cut may lose them: Input/output error"));
		buf_free(&text);
	}
}

static void a_small_disk_fills_and_empties(void **state)
{
	char mount_at[256], path[300], ballast[300];
	struct log *log;
	struct found f;
	uint64_t dropped = 0;
	int fd;

	(void)state;
	path_in(mount_at, "disk");
	assert_int_equal(mkdir(mount_at, 0755), 0);
	if (mount("none", mount_at, "tmpfs", 0, "size=256k"))
		SKIP_LOUDLY("a full tmpfs: mounting one needs root (ENOSPC is injected in every_call_fails_in_turn)");
	for (int z = 0; z < 2; z++) {
		char fill[4096] = { 0 };
		uint64_t produced = 0;

		snprintf(path, sizeof path, "%s/%s", mount_at, plain_and_zst[z]);
		snprintf(ballast, sizeof ballast, "%s/ballast", mount_at);
		assert_int_equal(open_log(&log, path, LOG_SYNC_INTERVAL, 0), 0);
		write_steps(log, 0, 10);
		flush(log);
		fd = open(ballast, O_CREAT | O_WRONLY, 0644);
		while (write(fd, fill, sizeof fill) > 0)
			;
		close(fd);
		for (produced = 10; produced < 40000; produced += 100) {
			write_steps(log, produced, 100);
			flush(log);
			if (produced == 20010)
				assert_int_equal(unlink(ballast), 0); /* somebody frees space */
		}
		assert_true(log_close(log, &dropped, NULL) < 0);
		f = read_file(path);
		assert_int_equal(f.steps + dropped, produced);
		assert_int_equal(f.bad, 0);
		assert_true(f.steps > 10);
		unlink(path);
	}
	umount(mount_at);
}

/* --- kill -9 -------------------------------------------------------------------------------- */

struct shared {
	_Atomic uint64_t produced, flushed; /* forward calls; those that a returned flush had seen */
};

static struct shared *share(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(s != MAP_FAILED);
	return s;
}

struct doomed {
	struct shared *s;
	const char *path;
};

static void write_until_killed(void *ctx)
{
	const struct doomed *d = ctx;
	struct shared *s = d->s;
	struct log *log;

	if (open_log(&log, d->path, LOG_SYNC_NEVER, 200000))
		_exit(1);
	for (;;) {
		for (int i = 0; i < 20; i++)
			write_steps(log, ++s->produced, 1);
		flush(log);
		s->flushed = s->produced;
	}
}

static void run_until_killed(void *ctx)
{
	const struct doomed *d = ctx;
	struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg, .log_path = d->path, .model_name = "m", .block_when_full = 1
	};
	rwkvmon *mon;
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };

	if (rwkvmon_open(&mon, &cfg, NULL))
		_exit(1);
	for (;;) {
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &step);
		d->s->produced++;
	}
}

static void kill_one(int round, uint64_t *lost_most)
{
	struct shared *s = share();
	bool whole_collector = round % 4 > 1;
	struct found f;
	char path[256];
	struct log *log;
	size_t files;
	struct doomed doomed = { s, path };
	struct child child;

	path_in(path, plain_and_zst[round % 2]);
	remove_log(path);
	child = child_begin(whole_collector ? run_until_killed : write_until_killed, &doomed);
	while (!s->produced) {
		assert_true(child_runs(&child));
		usleep(100);
	}
	usleep((unsigned)(round * 7919 % 40000));
	kill(child.pid, SIGKILL);
	waitpid(child.pid, NULL, 0);
	assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 0), 0); /* the next run repairs */
	write_steps(log, 0, 1);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_all(path, &files);
	if (f.bad > (round % 2 ? 0 : 1))
		fail_msg("round %d: %zu damaged lines", round, f.bad);
	f.steps--;                                            /* the repairer's own */
	assert_int_equal(f.sum, f.steps * (f.steps + 1) / 2); /* 1, 2, 3, … without a hole */
	assert_true(f.steps >= s->flushed);
	assert_true(f.steps <= s->produced + 1);
	*lost_most = s->produced - f.steps > *lost_most && s->produced > f.steps ? s->produced - f.steps : *lost_most;
	munmap(s, sizeof *s);
}

static void kill_nine_loses_nothing_that_was_flushed(void **state)
{
	int rounds = is_long() ? 520 : 20;
	uint64_t lost_most = 0;

	(void)state;
	for (int i = 0; i < rounds; i++)
		kill_one(i, &lost_most);
	printf("%d kills; at most %llu records had not been flushed\n", rounds, (unsigned long long)lost_most);
}

/* --- the whole collector --------------------------------------------------------------------- */

static struct rwkvmon_totals run_collector(const char *path, int steps, bool *opened)
{
	struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg, .log_path = path, .model_name = "m", .vocab_size = 64
	};
	struct rwkvmon_totals totals = { 0 };
	char why[RWKVMON_ERROR_BYTES] = "";
	float logits[64] = { 0 }, values[64] = { 1 };
	uint32_t token = 1;
	rwkvmon *mon;

	*opened = !rwkvmon_open(&mon, &cfg, why);
	if (!*opened)
		assert_true(*why && !mon);
	for (int i = 0; *opened && i < steps; i++) {
		struct rwkvmon_tensor state = { values, 64, RWKVMON_F32, RWKVMON_WKV };
		struct rwkvmon_step step = { .struct_size = sizeof step,
					     .tokens = &token,
					     .n_tokens = 1,
					     .logits = logits,
					     .n_logits = 64,
					     .state = &state,
					     .n_state = 1 };

		rwkvmon_begin(mon);
		rwkvmon_end(mon, &step);
	}
	rwkvmon_close(mon, &totals);
	return totals;
}

static void memory_runs_out_everywhere(void **state)
{
	(void)state;
	for (int z = 0; z < 2; z++)
		for (int persistent = 0; persistent < 2; persistent++)
			for (unsigned nth = 1;; nth += is_long() || nth < 200 ? 1 : 13) {
				struct rwkvmon_totals totals = { .struct_size = sizeof totals };
				struct found f;
				char path[256];
				bool opened;

				path_in(path, plain_and_zst[z]);
				remove_log(path);
				fault_arm((struct fault){ FAULT_MALLOC, nth, persistent, ENOMEM, 0 });
				totals = run_collector(path, 50, &opened);
				fault_disarm();
				if (!fault_hits())
					break;
				if (!opened || access(path, F_OK))
					continue;
				f = read_file(path);
				assert_int_equal(f.bad, 0);
				assert_int_equal(totals.records, 50);
				assert_int_equal(f.steps + totals.dropped, 50);
			}
}

/* The copies of the last state and of the first are taken in this order; without one, the other's metric stays. */
static void memory_for_a_copy_costs_what_needs_it(void **state)
{
	static const uint32_t tokens[100] = { 0 };
	float values[64] = { 1, 2 };
	struct observed_tensor tensor = { values, 64, VALUE_F32, PART_WKV };
	struct observed_call call = { .end_ns = 1, .tokens = tokens, .n_tokens = 100, .state = &tensor, .n_state = 1 };

	(void)state;
	for (unsigned nth = 0; nth <= 2; nth++) {
		struct observer *o = observer_open(NULL);
		struct record r;

		fault_arm((struct fault){ FAULT_MALLOC, nth, false, ENOMEM, 0 });
		observer_call(o, &call, &r);
		fault_disarm();
		assert_int_equal(fault_hits(), nth > 0);
		observer_call(o, &call, &r);
		assert_int_equal(record_has(&r, M_STATE_SIMILARITY), nth != 1);
		assert_int_equal(record_has(&r, M_STATE_DRIFT), nth != 2);
		observer_close(o);
	}
}

/* --- a stream without memory for its rules ------------------------------------------------------ */

enum { UNHEARD_STEPS = 3 };

/* What a file says of one stream. */
struct heard {
	size_t steps, alarms, unjudged;
};

static struct heard hear(const char *path, const char *stream)
{
	struct record_decoder d = { 0 };
	struct buf text = { 0 };
	struct heard h = { 0 };

	assert_int_equal(file_read(&text, path, 1 << 20, NULL), 0);
	for (size_t at = 0, n; at < text.used; at += n + 1) {
		struct record r;

		n = strcspn(text.p + at, "\n");
		if (record_decode(&d, (struct slice){ text.p + at, n }, &r) != DECODE_OK ||
		    !slice_is(fields_text(r.session, F_SESSION_ID), stream))
			continue;
		h.steps += r.event == EVENT_INFERENCE_STEP;
		h.alarms += (size_t)fields_number(r.extra, F_TOTAL_NON_FINITE, 0); /* their lines may be lost */
		h.unjudged += r.event == EVENT_GAP ? (size_t)fields_number(r.extra, F_UNJUDGED, 0) : 0;
	}
	record_decoder_free(&d);
	buf_free(&text);
	return h;
}

static void take_bad_steps(rwkvmon *mon, rwkvmon_stream *stream)
{
	const float logits[4] = { NAN, 0, 0, 0 };
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = &token,
				     .n_tokens = 1,
				     .logits = logits,
				     .n_logits = 4,
				     .stream = stream };

	for (int i = 0; i < UNHEARD_STEPS; i++)
		rwkvmon_end(mon, &step);
}

/* Without memory. */
static int steps_there(const char *path)
{
	static char bytes[1 << 16];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes - 1) : 0;
	int steps = 0;

	bytes[n > 0 ? n : 0] = 0;
	for (const char *p = bytes; (p = strstr(p, "inference_step")); p++)
		steps++;
	if (fd >= 0)
		close(fd);
	return steps;
}

/* All memory is refused from the nth call on, until the stream's first steps are in the log or no longer awaited. */
static struct heard run_unheard(unsigned nth)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .model_name = "m", .block_when_full = 1 };
	const struct rwkvmon_stream_config named = { .struct_size = sizeof named, .session_id = "unheard" };
	char path[256];
	rwkvmon *mon;
	rwkvmon_stream *stream;

	path_in(path, "unheard.log");
	remove_log(path);
	cfg.log_path = path;
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	assert_int_equal(rwkvmon_stream_open(&stream, mon, &named, NULL), 0);
	fault_arm((struct fault){ FAULT_MALLOC, nth, true, ENOMEM, 0 });
	take_bad_steps(mon, stream);
	for (int wait = 0; wait < 100 && steps_there(path) < UNHEARD_STEPS; wait++)
		usleep(20000);
	fault_disarm();
	take_bad_steps(mon, stream);
	rwkvmon_stream_close(mon, stream);
	rwkvmon_close(mon, NULL); /* tells of lines that were lost, too */
	return hear(path, "unheard");
}

static void a_stream_is_judged_as_soon_as_there_is_memory(void **state)
{
	size_t unjudged_most = 0;

	(void)state;
	for (unsigned nth = 1; nth < 16; nth++) {
		const struct heard h = run_unheard(nth);

		if (h.steps && !h.alarms)
			fail_msg("%u: %zu steps of a stream, and no alarm", nth, h.steps);
		assert_true(h.unjudged <= UNHEARD_STEPS);
		unjudged_most = h.unjudged > unjudged_most ? h.unjudged : unjudged_most;
	}
	assert_int_equal(unjudged_most, UNHEARD_STEPS);
}

static void threads_that_cannot_start_are_told(void **state)
{
	bool opened;
	char path[256];

	(void)state;
	path_in(path, "thread.log");
	for (unsigned nth = 1; nth <= 3; nth++) {
		fault_arm((struct fault){ FAULT_THREAD, nth, false, EAGAIN, 0 });
		run_collector(path, 5, &opened);
		fault_disarm();
	}
}

static void a_slow_disk_costs_records_not_time(void **state)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .model_name = "m", .ring_bytes = 8192 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };
	struct found f;
	char path[256];
	rwkvmon *mon;

	(void)state;
	path_in(path, "slow.log");
	cfg.log_path = path;
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	fault_arm((struct fault){ FAULT_WRITE, 1, true, 0, 300000 });
	for (int i = 0; i < 2000; i++) {
		rwkvmon_end(mon, &step);
		usleep(200);
	}
	fault_disarm();
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	f = read_file(path);
	assert_int_equal(f.bad, 0);
	assert_int_equal(f.steps + totals.dropped, 2000);
	assert_int_equal(f.dropped, totals.dropped); /* each hole is told in the log */
}

static void the_clock_may_jump(void **state)
{
	static const int64_t jump[] = { 86400, -7200, -400 * 86400, 400 * 86400 };
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .model_name = "m",
				      .log_rotate_bytes = 3000,
				      .log_keep = 100,
				      .block_when_full = 1 };
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct found f;
	char path[256];
	rwkvmon *mon;
	size_t files;

	(void)state;
	path_in(path, "jump.log");
	cfg.log_path = path;
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	for (size_t i = 0; i < sizeof jump / sizeof *jump; i++) {
		for (int k = 0; k < 20; k++) {
			rwkvmon_begin(mon);
			rwkvmon_end(mon, &step);
		}
		usleep(150000); /* a flush */
		fault_clock_jump(jump[i]);
	}
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	for (size_t i = 0; i < sizeof jump / sizeof *jump; i++)
		fault_clock_jump(-jump[i]);
	assert_true(totals.seconds >= 0 && totals.seconds < 3600);
	f = read_all(path, &files);
	assert_int_equal(f.bad, 0);
	assert_int_equal(f.steps, 80);
	assert_true(files > 1);
}

/* A sanitizer's own locks do not survive the fork of a process with threads: its allocator
 * may wait for ever in the child, and no thread can start there. */
#ifdef CHILD_SANITIZED
enum { CHILD_MAY_OPEN = 0 };
#else
enum { CHILD_MAY_OPEN = 1 };
#endif

struct inherited {
	rwkvmon *mon;
	const struct rwkvmon_config *cfg;
	const struct rwkvmon_step *step;
};

static void use_inherited(void *ctx)
{
	const struct inherited *i = ctx;
	struct rwkvmon_totals totals = { .records = 7 };
	rwkvmon *own;

	for (int k = 0; k < 50; k++) { /* inert */
		rwkvmon_begin(i->mon);
		rwkvmon_end(i->mon, i->step);
	}
	rwkvmon_new_sequence(i->mon);
	if (rwkvmon_close(i->mon, &totals) || totals.records)
		_exit(1);
	if (!CHILD_MAY_OPEN)
		_exit(0);
	if (rwkvmon_open(&own, i->cfg, NULL))
		_exit(1);
	rwkvmon_end(own, i->step); /* a handle of its own, the same file */
	_exit(rwkvmon_close(own, &totals) || totals.records != 1);
}

static void a_fork_leaves_the_parent_alone(void **state)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .model_name = "m" };
	struct rwkvmon_totals totals = { .records = 7 };
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };
	struct found f;
	char path[256];
	rwkvmon *mon;
	struct inherited inherited;
	struct child child;

	(void)state;
	path_in(path, "fork.log");
	cfg.log_path = path;
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	for (int i = 0; i < 100; i++)
		rwkvmon_end(mon, &step);
	inherited = (struct inherited){ mon, &cfg, &step };
	child = child_begin(use_inherited, &inherited);
	for (int i = 0; i < 100; i++)
		rwkvmon_end(mon, &step);
	assert_int_equal(child_end(&child), 0);
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.records, 200);
	f = read_file(path);
	assert_int_equal(f.bad, 0);
	assert_int_equal(f.steps + totals.dropped, 200 + CHILD_MAY_OPEN);
	assert_int_equal(f.starts, 1 + CHILD_MAY_OPEN);
	if (!CHILD_MAY_OPEN)
		fprintf(stderr, "SKIPPED: a child that opens a handle of its own: not under a sanitizer\n");
}

/* --- damage ------------------------------------------------------------------------------------ */

/* Steps of the lines that bytes [at, at+1) do not belong to, nor the line after a lost line end. */
static void flip_and_read(struct buf *text, size_t bit, size_t steps)
{
	char *byte = text->p + bit / 8, before = *byte;
	struct found f = { 0 };

	*byte = (char)(before ^ 1 << bit % 8);
	take_lines(&f, buf_slice(text));
	if (f.steps + (before == '\n' ? 2 : 1) < steps)
		fail_msg("bit %zu: %zu of %zu steps are left", bit, f.steps, steps);
	*byte = before;
}

static void damage_costs_only_the_lines_it_hits(void **state)
{
	struct buf text = { 0 };
	char path[256];
	bool opened;

	(void)state;
	path_in(path, "damage.log");
	run_collector(path, is_long() ? 30 : 6, &opened);
	assert_int_equal(file_read(&text, path, 1 << 20, NULL), 0);
	for (size_t bit = 0; bit < text.used * 8; bit++)
		flip_and_read(&text, bit, is_long() ? 30 : 6);
	for (size_t n = 0, whole = 0; n < text.used; n++) { /* cut off at every byte */
		struct found f = { 0 };

		take_lines(&f, (struct slice){ text.p, n });
		assert_int_equal(f.lines - f.bad, whole);
		assert_true(f.bad <= 1);
		whole += text.p[n] == '\n';
	}
	buf_free(&text);
}

/* --- many threads ------------------------------------------------------------------------------- */

enum { THREADS = 8 };

struct stress {
	pthread_t thread;
	char path[256];
	uint64_t records;
	int block;
	struct rwkvmon_totals totals;
};

static void *stress(void *ctx)
{
	struct stress *s = ctx;
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = s->path,
				      .model_name = "m",
				      .block_when_full = s->block,
				      .fsync = RWKVMON_SYNC_NEVER };
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };
	rwkvmon *mon;

	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	for (uint64_t i = 0; i < s->records; i++) {
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &step);
	}
	assert_int_equal(rwkvmon_close(mon, &s->totals), 0);
	return NULL;
}

static void eight_threads_account_for_every_record(void **state)
{
	static struct stress s[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		s[i].records = is_long() ? 1000000 : 20000;
		s[i].block = i % 4 == 3;
		snprintf(s[i].path, sizeof s[i].path, "%s/stress-%d.log.zst", dir, i);
		assert_int_equal(pthread_create(&s[i].thread, NULL, stress, &s[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		struct found f;

		pthread_join(s[i].thread, NULL);
		f = read_file(s[i].path);
		assert_int_equal(f.bad, 0);
		assert_int_equal(s[i].totals.records, s[i].records);
		assert_int_equal(f.steps + s[i].totals.dropped, s[i].records);
		assert_int_equal(f.dropped, s[i].totals.dropped);
		if (s[i].block)
			assert_int_equal(s[i].totals.dropped, 0);
		unlink(s[i].path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_fails_in_turn),
		cmocka_unit_test(without_locks_all_is_written_too),
		cmocka_unit_test(a_failed_sync_is_told_and_never_taken_back),
		cmocka_unit_test(a_small_disk_fills_and_empties),
		cmocka_unit_test(kill_nine_loses_nothing_that_was_flushed),
		cmocka_unit_test(memory_runs_out_everywhere),
		cmocka_unit_test(memory_for_a_copy_costs_what_needs_it),
		cmocka_unit_test(a_stream_is_judged_as_soon_as_there_is_memory),
		cmocka_unit_test(threads_that_cannot_start_are_told),
		cmocka_unit_test(a_slow_disk_costs_records_not_time),
		cmocka_unit_test(the_clock_may_jump),
		cmocka_unit_test(a_fork_leaves_the_parent_alone),
		cmocka_unit_test(damage_costs_only_the_lines_it_hits),
		cmocka_unit_test(eight_threads_account_for_every_record),
	};

	cmocka_set_test_filter(getenv("RWKVMON_FAULT_ONLY"));
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
