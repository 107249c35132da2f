/* The rarest cases of the log: what few file systems do, what only other programs do to its files, and faults on top of
 * each other. Together with the other tests of the log they take every branch of it (tools/coverage-log).
 *
 * RWKVMON_FAULT=long runs the long form, RWKVMON_FAULT_ONLY=NAME one test (* and ? match). */
#include "fault_log.h"

#include "log/rotation.h"
#include "read/read.h"
#include "record/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS = 60 };

/* --- rarer ways of a file system ------------------------------------------------------------------- */

/* The holder of the lock is stopped: after some tries it is done without, and nothing is lost. */
static void a_lock_that_nobody_releases_is_done_without(void **state)
{
	char path[256];
	struct log *log;
	struct found f;
	size_t files;

	(void)state;
	log = opened(path, "held.log", LOG_SYNC_NEVER, 3000);
	fault_arm((struct fault){ FAULT_FLOCK, 1, true, EWOULDBLOCK, 0 });
	for (uint64_t i = 0; i < 40; i++) {
		write_steps(log, i, 1);
		flush(log);
	}
	fault_disarm();
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_all(path, &files);
	assert_int_equal(f.steps, 40);
	assert_int_equal(f.sum, 39 * 40 / 2);
	assert_int_equal(f.bad, 0);
}

static void what_somebody_truncates_is_ended_and_gone_on_with(void **state)
{
	(void)state;
	for (int z = 0; z < 2; z++) {
		char path[256];
		struct log *log;
		struct found f;

		log = opened(path, plain_and_zst[z], LOG_SYNC_NEVER, 0);
		write_steps(log, 0, 3);
		flush(log);
		assert_int_equal(truncate(path, 40), 0);
		write_steps(log, 3, 2);
		assert_int_equal(log_close(log, NULL, NULL), 0);
		f = read_file(path);
		assert_int_equal(f.steps, 2);
		assert_int_equal(f.bad, z ? 0 : 1);
	}
}

/* Some file systems know no RENAME_NOREPLACE, some kernels no renameat2: a name that is taken stays taken there too. */
static void rotation_does_without_noreplace(void **state)
{
	static const int errors[] = { EINVAL, ENOSYS };

	(void)state;
	for (int e = 0; e < 2; e++) {
		struct log *log;
		struct found f;
		size_t files;
		char path[256];

		log = opened(path, "old-fs.log", LOG_SYNC_NEVER, 1500);
		fault_arm((struct fault){ FAULT_RENAME, 1, true, errors[e], 0 });
		fault_add((struct fault){ FAULT_OLD_RENAME, 1, false, EBUSY, 0 }); /* and the old way fails at first */
		for (uint64_t i = 0; i < STEPS; i++) {
			write_steps(log, i, 1);
			flush(log);
		}
		assert_true(fault_hits() > 4);
		fault_disarm();
		assert_true(log_close(log, NULL, NULL) < 0); /* the rename that failed is told */
		f = read_all(path, &files);
		assert_true(files > 3);
		assert_int_equal(f.steps, STEPS);
		assert_int_equal(f.bad, 0);
	}
}

static void files_that_cannot_be_synced_are_no_trouble(void **state)
{
	static const int errors[] = { EINVAL, EROFS, ENOTSUP };
	static const enum fault_call calls[] = { FAULT_FDATASYNC, FAULT_FSYNC };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		char path[256];
		struct log *log;

		path_in(path, "nosync.log");
		remove_log(path);
		fault_arm((struct fault){ calls[i % 2], 1, true, errors[i / 2], 0 });
		assert_int_equal(open_log(&log, path, LOG_SYNC_RECORD, 0), 0);
		write_steps(log, 0, 2);
		assert_int_equal(log_close(log, NULL, NULL), 0);
		fault_disarm();
		assert_int_equal(read_file(path).gaps, 0);
	}
}

/* By the program's own reader, which steps over what is damaged. */
static size_t steps_read(const char *path)
{
	struct reader *reader;
	struct record r;
	size_t n = 0;

	assert_int_equal(read_open(&reader, &path, 1, NULL, NULL), 0);
	while (read_next(reader, &r, NULL) == 1)
		n += r.event == EVENT_INFERENCE_STEP;
	read_close(reader);
	return n;
}

/* Faults on top of each other: the tail is torn, and ending it fails at first, for want of space or by half. */
static void a_repair_that_fails_is_tried_again(void **state)
{
	static const int errors[] = { ENOSPC, EIO, EINTR };

	(void)state;
	for (int z = 0; z < 2; z++)
		for (int e = 0; e < 3; e++)
			for (int call = 0; call < 3; call++) {
				static const enum fault_call calls[] = { FAULT_WRITE, FAULT_FTRUNCATE, FAULT_PREAD };
				char path[256];
				struct log *log;
				struct stat st;

				path_in(path, plain_and_zst[z]);
				remove_log(path);
				for (int run = 0; run < 2; run++) {
					assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 0), 0);
					write_steps(log, (uint64_t)run * 3, 3);
					assert_int_equal(log_close(log, NULL, NULL), 0);
				}
				assert_int_equal(stat(path, &st), 0);
				assert_int_equal(truncate(path, st.st_size - 10), 0); /* torn */
				assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 0), 0);
				write_steps(log, 6, 3);
				fault_arm((struct fault){ calls[call], 1, false, errors[e], 0 });
				flush(log);
				fault_disarm();
				log_close(log, NULL, NULL);
				assert_true(steps_read(path) >=
					    6 - (z ? 3 : 1) + 3); /* all but the torn frame or line */
			}
}

static void a_name_without_a_directory_will_do(void **state)
{
	const struct log_config cfg = { .path = "here.log",
					.session_id = "rwkv-sess-000001",
					.sync = LOG_SYNC_RECORD,
					.rotate_bytes = 1500,
					.keep = 2,
					.clock = &clock_system };
	char before[512], path[256];
	struct log *log;
	struct found f;
	size_t files;

	(void)state;
	assert_non_null(getcwd(before, sizeof before));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(log_open(&log, &cfg, NULL), 0);
	write_steps(log, 0, STEPS);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	assert_int_equal(chdir(before), 0);
	path_in(path, "here.log");
	f = read_all(path, &files);
	assert_int_equal(files, 3);
	assert_int_equal(f.bad, 0);
	assert_true(f.steps > 0 && f.steps < STEPS);
}

/* --- rotation ------------------------------------------------------------------------------------ */

/* Somebody holds the lock just while the file is full: it grows, and is renamed later. */
static void a_full_file_waits_for_its_lock(void **state)
{
	struct log *log;
	struct found f;
	size_t files;
	char path[256];

	(void)state;
	log = opened(path, "full.log", LOG_SYNC_NEVER, 1000);
	write_steps(log, 0, 5);
	flush(log);
	fault_arm((struct fault){ FAULT_FLOCK, 1, true, EWOULDBLOCK, 0 });
	write_steps(log, 5, 5);
	flush(log);
	assert_true(fault_hits() > 0);
	fault_disarm();
	write_steps(log, 10, 5);
	flush(log);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_all(path, &files);
	assert_int_equal(files, 2);
	assert_int_equal(f.steps, 15);
	assert_int_equal(f.bad, 0);
}

/* Another process has rotated it already: nothing is renamed twice. */
static void a_full_file_that_is_gone_is_begun_anew(void **state)
{
	struct log *log;
	struct found f;
	size_t files;
	char path[256], moved[256];

	(void)state;
	path_in(path, "gone.log");
	path_in(moved, "gone.20250911T123456.789Z.log");
	assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 1000), 0);
	write_steps(log, 0, 5);
	flush(log);
	assert_int_equal(rename(path, moved), 0);
	write_steps(log, 5, 5);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_all(path, &files);
	assert_int_equal(files, 2);
	assert_int_equal(f.steps, 10);
	assert_int_equal(f.sum, 45);
	assert_int_equal(f.bad, 0);
}

/* A thousand names tried, all taken: the file goes on growing. */
static void without_a_free_name_the_file_grows(void **state)
{
	struct log *log;
	struct found f;
	size_t files;
	char path[256];

	(void)state;
	log = opened(path, "names.log", LOG_SYNC_NEVER, 1000);
	write_steps(log, 0, 5);
	flush(log);
	fault_arm((struct fault){ FAULT_RENAME, 1, true, EEXIST, 0 });
	write_steps(log, 5, 5);
	flush(log);
	assert_int_equal(fault_hits(), 1000);
	fault_disarm();
	assert_true(log_close(log, NULL, NULL) < 0);
	f = read_all(path, &files);
	assert_int_equal(files, 1);
	assert_int_equal(f.steps, 10);
}

static void put_file(const char *path)
{
	assert_int_equal(file_write(path, slice_of("x\n"), NULL), 0);
}

static void what_cannot_be_removed_stays_for_next_time(void **state)
{
	static const char stamps[] = "538142"; /* made in no order of time */
	static const struct {
		struct fault fault;
		int want;
	} cases[] = {
		{ { FAULT_OPENDIR, 1, false, EACCES, 0 }, EACCES }, { { FAULT_UNLINK, 1, false, EACCES, 0 }, EACCES },
		{ { FAULT_MALLOC, 1, false, ENOMEM, 0 }, ENOMEM }, /* the directory's name */
		{ { FAULT_MALLOC, 2, false, ENOMEM, 0 }, ENOMEM }, /* the file's */
		{ { FAULT_UNLINK, 1, false, ENOENT, 0 }, 0 },      /* another process was faster */
	};
	struct found f;
	size_t files;
	char path[256], name[300];

	(void)state;
	path_in(path, "prune.log");
	put_file(path);
	for (const char *s = stamps; *s; s++) {
		snprintf(name, sizeof name, "%s/prune.2025091%cT000000.000Z.log", dir, *s);
		put_file(name);
	}
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fault_arm(cases[i].fault);
		assert_int_equal(rotation_prune(path, cases[i].want ? 2 : 5), cases[i].want);
		assert_int_equal(fault_hits(), 1);
		fault_disarm();
	}
	f = read_all(path, &files);
	assert_int_equal(files, 1 + 5); /* the one that seemed gone was really removed at the second try */
	assert_int_equal(rotation_prune(path, 2), 0);
	f = read_all(path, &files);
	assert_int_equal(f.lines, 1 + 2);
	snprintf(name, sizeof name, "%s/prune.20250918T000000.000Z.log", dir);
	assert_int_equal(access(name, F_OK), 0); /* the latest two stay */
	snprintf(name, sizeof name, "%s/prune.20250915T000000.000Z.log", dir);
	assert_int_equal(access(name, F_OK), 0);
	assert_int_equal(rotation_prune(path, 0), 0);
}

static void a_line_may_be_longer_than_a_chunk(void **state)
{
	static uint32_t tokens[30000];
	struct record r = { .event = EVENT_INFERENCE_STEP,
			    .session = &session,
			    .tokens = tokens,
			    .n_tokens = 30000,
			    .sequence_length = 7 };
	struct log *log;
	struct found f;
	char path[256];

	(void)state;
	for (uint32_t i = 0; i < 30000; i++)
		tokens[i] = i;
	log = opened(path, "long.log", LOG_SYNC_NEVER, 0);
	for (int i = 0; i < 3; i++) {
		write_steps(log, 0, 1);
		log_sink(log)->write(log_sink(log), &r);
	}
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_file(path);
	assert_int_equal(f.steps, 6);
	assert_int_equal(f.sum, 21);
}

/* --- names that come to mean something else ------------------------------------------------------- */

static void a_directory_that_became_a_file_is_waited_for(void **state)
{
	struct log *log;
	struct found f;
	char sub[256], path[300];

	(void)state;
	path_in(sub, "sub");
	assert_int_equal(mkdir(sub, 0755), 0);
	snprintf(path, sizeof path, "%s/x.log", sub);
	assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 0), 0);
	write_steps(log, 0, 1);
	flush(log);
	assert_int_equal(unlink(path) | rmdir(sub), 0);
	put_file(sub);
	write_steps(log, 1, 1);
	flush(log);
	assert_int_equal(unlink(sub) | mkdir(sub, 0755), 0);
	write_steps(log, 2, 1);
	assert_true(log_close(log, NULL, NULL) < 0); /* told, though nothing is lost but what was deleted */
	f = read_file(path);
	assert_int_equal(f.steps, 2);
	assert_int_equal(f.starts, 1);
}

static void a_file_replaced_by_a_link_elsewhere_is_kept(void **state)
{
	struct log *log;
	char path[256], moved[256];

	(void)state;
	path_in(path, "link.log");
	path_in(moved, "link-moved.log");
	assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 0), 0);
	write_steps(log, 0, 3);
	flush(log);
	assert_int_equal(rename(path, moved) | symlink("/dev/null", path), 0);
	write_steps(log, 3, 2);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	assert_int_equal(read_file(moved).steps, 3);
}

static int make_pipe(const char *path)
{
	int fd;

	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0 && fcntl(fd, F_SETPIPE_SZ, 4096) > 0);
	return fd;
}

static size_t take_from_pipe(int fd, struct buf *text, size_t most)
{
	char part[4096];
	ssize_t n = 0;
	size_t before = text->used;

	while (text->used - before < most && (n = read(fd, part, sizeof part)) > 0)
		buf_add(text, part, (size_t)n);
	return text->used - before;
}

/* Nobody reads: what the pipe took is there, whole lines of it count as written, the rest is told as lost. */
static void a_pipe_that_nobody_reads_costs_what_did_not_fit(void **state)
{
	enum { PRODUCED = 600 };
	struct buf text = { 0 };
	struct found f = { 0 };
	struct err err = { 0 };
	struct log *log;
	uint64_t dropped;
	char path[256];
	int fd;

	(void)state;
	path_in(path, "pipe");
	fd = make_pipe(path);
	assert_int_equal(open_log(&log, path, LOG_SYNC_INTERVAL, 1000), 0);
	write_steps(log, 0, PRODUCED);
	flush(log);
	assert_true(log_close(log, &dropped, &err) < 0);
	assert_non_null(strstr(err.text, "Resource temporarily unavailable"));
	take_from_pipe(fd, &text, SIZE_MAX);
	close(fd);
	take_lines(&f, buf_slice(&text));
	assert_true(f.bad <= 1); /* where the pipe was full */
	assert_true(f.steps > 0 && f.steps < PRODUCED);
	assert_int_equal(f.steps + dropped, PRODUCED);
	buf_free(&text);
}

/* A line longer than the pipe goes out piece by piece; when the end of it never does, it is lost, be it a step's or
 * not. */
static void a_line_cut_off_by_a_pipe_is_lost(void **state)
{
	static uint32_t tokens[5000];
	const struct record step = {
		.event = EVENT_INFERENCE_STEP, .session = &session, .tokens = tokens, .n_tokens = 5000
	};
	const struct record alarm = { .event = EVENT_ALARM, .session = &session, .details = &step };

	(void)state;
	for (int other = 0; other < 2; other++) {
		struct buf text = { 0 };
		struct found f = { 0 };
		struct log *log;
		uint64_t dropped;
		char path[256];
		int fd;

		path_in(path, "pipe");
		fd = make_pipe(path);
		assert_int_equal(open_log(&log, path, LOG_SYNC_INTERVAL, 0), 0);
		log_sink(log)->write(log_sink(log), other ? &alarm : &step);
		flush(log);
		assert_true(take_from_pipe(fd, &text, 4096) > 0);
		flush(log); /* still the same line */
		write_steps(log, 0, 1);
		assert_true(log_close(log, &dropped, NULL) < 0);
		assert_int_equal(dropped, other ? 1 : 2);
		take_from_pipe(fd, &text, SIZE_MAX);
		close(fd);
		take_lines(&f, buf_slice(&text));
		assert_int_equal(f.lines, 1);
		assert_int_equal(f.bad, 1);
		buf_free(&text);
	}
}

/* The log's name is a pipe's now: lines go there, without a session of their own. */
static void a_file_replaced_by_a_pipe_goes_on_there(void **state)
{
	struct found f = { 0 };
	struct log *log;
	char path[256], part[65536];
	ssize_t n;
	int fd;

	(void)state;
	log = opened(path, "becomes-pipe.log", LOG_SYNC_NEVER, 0);
	write_steps(log, 0, 1);
	flush(log);
	assert_int_equal(unlink(path) | mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	write_steps(log, 1, 2);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	n = read(fd, part, sizeof part);
	close(fd);
	assert_true(n > 0);
	take_lines(&f, (struct slice){ part, (size_t)n });
	assert_int_equal(f.steps, 2);
	assert_int_equal(f.starts, 0);
}

/* --- faults on top of each other ------------------------------------------------------------------- */

static void a_write_that_takes_nothing_is_an_error(void **state)
{
	struct log *log;
	char path[256];

	(void)state;
	log = opened(path, "nothing.log", LOG_SYNC_NEVER, 0);
	fault_arm((struct fault){ FAULT_WRITE, 1, false, FAULT_NOTHING, 0 });
	write_steps(log, 0, 2);
	flush(log);
	assert_int_equal(fault_hits(), 1);
	fault_disarm();
	assert_true(log_close(log, NULL, NULL) < 0);
	assert_int_equal(read_file(path).steps, 2);
}

static void a_file_truncated_to_nothing_is_begun_again(void **state)
{
	(void)state;
	for (int z = 0; z < 2; z++) {
		struct log *log;
		char path[256];

		log = opened(path, plain_and_zst[z], LOG_SYNC_NEVER, 0);
		write_steps(log, 0, 2);
		flush(log);
		assert_int_equal(truncate(path, 0), 0);
		write_steps(log, 2, 2);
		assert_int_equal(log_close(log, NULL, NULL), 0);
		assert_int_equal(read_file(path).steps, 2);
	}
}

/* Without the lock nothing may be cut off: another process could be writing there. */
static void a_torn_frame_without_the_lock_is_left_alone(void **state)
{
	struct log *log;
	struct stat before, after;
	char path[256];

	(void)state;
	log = opened(path, plain_and_zst[1], LOG_SYNC_NEVER, 0);
	write_steps(log, 0, 3);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(truncate(path, before.st_size - 3), 0);
	assert_int_equal(open_log(&log, path, LOG_SYNC_NEVER, 0), 0);
	fault_arm((struct fault){ FAULT_FLOCK, 1, true, ENOLCK, 0 });
	write_steps(log, 3, 3);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	fault_disarm();
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_size > before.st_size);
	assert_int_equal(steps_read(path), 3);
}

/* All files of a log, by the program's own reader. */
static size_t all_steps_read(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	const struct dirent *entry;
	size_t n = 0;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while ((entry = readdir(d)))
		if (log_name_is_rotated(path, entry->d_name) || !strcmp(entry->d_name, name)) {
			char full[600];

			snprintf(full, sizeof full, "%s/%s", dir, entry->d_name);
			n += steps_read(full);
		}
	closedir(d);
	return n;
}

/* A write fails half-way; what it left is to be taken back, ended or stepped over, and there `then` fails. */
static void half_a_write_and(unsigned nth, bool refused, struct fault then, const char *path)
{
	uint64_t dropped = 0;
	struct log *log;
	size_t read;

	remove_log(path);
	fault_arm((struct fault){ FAULT_WRITE, nth, false, 0, 0 });
	if (refused)
		fault_add((struct fault){ FAULT_WRITE, nth, false, ENOSPC, 0 }); /* the other half */
	fault_add(then);
	if (open_log(&log, path, LOG_SYNC_RECORD, 1200)) {
		fault_disarm();
		return;
	}
	for (uint64_t i = 0; i < STEPS / 4; i += 3) {
		write_steps(log, i, 3);
		flush(log);
	}
	log_close(log, &dropped, NULL);
	fault_disarm();
	read = all_steps_read(path);
	if (read + dropped != STEPS / 4)
		fail_msg("half of write %u%s, then %s %u%s errno %d, %s: %zu steps + %llu dropped", nth,
			 refused ? " and no more" : "", fault_names[then.call], then.nth,
			 then.persistent ? " and on" : "", then.error, path, read, (unsigned long long)dropped);
}

static void faults_come_on_top_of_each_other(void **state)
{
	const unsigned step = is_long() ? 1 : 3;

	(void)state;
	for (int z = 0; z < 2; z++)
		for (unsigned nth = 1; nth <= 8; nth += step)
			for (int refused = 0; refused < 2; refused++)
				for (int call = 0; call < FAULT_CALL_COUNT; call++)
					for (unsigned then = 1; then <= 16; then += step)
						for (int persistent = 0; persistent < 2; persistent++) {
							int error = call == FAULT_FLOCK ? ENOLCK : EIO;
							char path[256];

							path_in(path, plain_and_zst[z]);
							half_a_write_and(nth, refused,
									 (struct fault){ (enum fault_call)call, then,
											 persistent, error, 0 },
									 path);
						}
}

/* Without the lock another process may rename the file between our look and our own renaming. */
static void a_file_that_another_process_rotated_is_no_trouble(void **state)
{
	struct log *log;
	struct found f;
	size_t files;
	char path[256];

	(void)state;
	log = opened(path, "race.log", LOG_SYNC_NEVER, 1000);
	write_steps(log, 0, 5);
	flush(log);
	fault_arm((struct fault){ FAULT_RENAME, 1, true, ENOENT, 0 });
	fault_add((struct fault){ FAULT_FLOCK, 1, true, ENOLCK, 0 });
	write_steps(log, 5, 5);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	fault_disarm();
	f = read_all(path, &files);
	assert_int_equal(f.steps, 10);
	assert_int_equal(f.bad, 0);
}

/* Names that vanish as fast as they are made: tried once more, then at the next flush, at last some hundred times. */
static void a_name_that_keeps_vanishing_is_not_chased(void **state)
{
	struct log *log;
	char path[256];

	(void)state;
	log = opened(path, "vanish.log", LOG_SYNC_NEVER, 0);
	write_steps(log, 0, 2);
	fault_arm((struct fault){ FAULT_STAT, 1, true, ENOENT, 0 });
	flush(log);
	assert_in_range(fault_hits(), 2, 4);
	fault_disarm();
	flush(log);
	write_steps(log, 2, 1);
	fault_arm((struct fault){ FAULT_STAT, 1, true, ENOENT, 0 });
	assert_true(log_close(log, NULL, NULL) < 0);
	assert_in_range(fault_hits(), 100, 500);
	fault_disarm();
	assert_int_equal(read_file(path).steps, 2);
}

static void a_ring_of_any_size_or_none(void **state)
{
	struct err err;
	struct ring r;

	(void)state;
	fault_arm((struct fault){ FAULT_MALLOC, 1, false, ENOMEM, 0 });
	assert_true(ring_open(&r, SIZE_MAX, &err) < 0); /* the largest is 1 TiB */
	assert_int_equal(fault_hits(), 1);
	fault_disarm();
	assert_non_null(strstr(err.text, "1099511627776"));
	ring_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lock_that_nobody_releases_is_done_without),
		cmocka_unit_test(what_somebody_truncates_is_ended_and_gone_on_with),
		cmocka_unit_test(rotation_does_without_noreplace),
		cmocka_unit_test(files_that_cannot_be_synced_are_no_trouble),
		cmocka_unit_test(a_repair_that_fails_is_tried_again),
		cmocka_unit_test(a_name_without_a_directory_will_do),
		cmocka_unit_test(a_full_file_waits_for_its_lock),
		cmocka_unit_test(a_full_file_that_is_gone_is_begun_anew),
		cmocka_unit_test(without_a_free_name_the_file_grows),
		cmocka_unit_test(what_cannot_be_removed_stays_for_next_time),
		cmocka_unit_test(a_line_may_be_longer_than_a_chunk),
		cmocka_unit_test(a_directory_that_became_a_file_is_waited_for),
		cmocka_unit_test(a_file_replaced_by_a_link_elsewhere_is_kept),
		cmocka_unit_test(a_pipe_that_nobody_reads_costs_what_did_not_fit),
		cmocka_unit_test(a_line_cut_off_by_a_pipe_is_lost),
		cmocka_unit_test(a_file_replaced_by_a_pipe_goes_on_there),
		cmocka_unit_test(a_write_that_takes_nothing_is_an_error),
		cmocka_unit_test(a_file_truncated_to_nothing_is_begun_again),
		cmocka_unit_test(a_torn_frame_without_the_lock_is_left_alone),
		cmocka_unit_test(faults_come_on_top_of_each_other),
		cmocka_unit_test(a_file_that_another_process_rotated_is_no_trouble),
		cmocka_unit_test(a_name_that_keeps_vanishing_is_not_chased),
		cmocka_unit_test(a_ring_of_any_size_or_none),
	};

	cmocka_set_test_filter(getenv("RWKVMON_FAULT_ONLY"));
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
