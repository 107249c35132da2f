/* The log: names, rotation, retention, compression, repair, lost files, several writers. */
#include "log_files.h"
#include "scratch.h"

#include "log/frames.h"
#include "log/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[4][400];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

/* --- time as the tests will have it --------------------------------------------------- */

static _Atomic uint64_t now_ns;

static uint64_t fake_mono(void *ctx)
{
	(void)ctx;
	return now_ns;
}

static int64_t fake_wall(void *ctx)
{
	return *(int64_t *)ctx + (int64_t)(now_ns / 1000);
}

static int64_t wall_base = INT64_C(1757594096789000); /* 2025-09-11T12:34:56.789Z */
static const struct clock fake_clock = { fake_mono, fake_wall, &wall_base };

/* --- writing ---------------------------------------------------------------------------- */

static struct field_values session;

static struct log *open_with(struct log_config cfg, const char *path)
{
	struct log *log;
	struct err err = { 0 };

	cfg.path = path;
	cfg.session_id = "rwkv-sess-000001";
	cfg.clock = &fake_clock;
	if (log_open(&log, &cfg, &err))
		fail_msg("%s", err.text);
	return log;
}

static void write_steps(struct log *log, uint64_t first, int n)
{
	for (int i = 0; i < n; i++) {
		struct record r = { .time_us = fake_wall(&wall_base),
				    .event = EVENT_INFERENCE_STEP,
				    .session = &session,
				    .sequence_length = first + (uint64_t)i,
				    .token_count = 1 };

		log_sink(log)->write(log_sink(log), &r);
	}
}

static void flush(struct log *log)
{
	log_sink(log)->flush(log_sink(log));
}

/* --- tests ------------------------------------------------------------------------------ */

static void names_say_what_and_when(void **state)
{
	static const struct {
		const char *path, *rotated;
	} cases[] = {
		{ "run.log", "run.20250911T123456.789Z.log" }, { "run.log.zst", "run.20250911T123456.789Z.log.zst" },
		{ "a.b/run", "a.b/run.20250911T123456.789Z" }, { "a.b/run.zst", "a.b/run.20250911T123456.789Z.zst" },
		{ ".log", ".log.20250911T123456.789Z" },
	};
	struct buf b = { 0 };

	(void)state;
	now_ns = 0;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *slash = strrchr(cases[i].rotated, '/');

		buf_clear(&b);
		log_name_rotated(&b, cases[i].path, wall_base);
		assert_string_equal(b.p, cases[i].rotated);
		assert_true(log_name_is_rotated(cases[i].path, slash ? slash + 1 : b.p));
	}
	assert_false(log_name_is_rotated("run.log", "run.log"));
	assert_false(log_name_is_rotated("run.log", "run2.20250911T123456.789Z.log"));
	assert_false(log_name_is_rotated("run.log", "run.20250911T123456.789Z.log.zst"));
	assert_false(log_name_is_rotated("run.log", "run.2025-911T123456.789Z.log"));
	assert_false(log_name_is_rotated("run.log", "ran.20250911T123456.789Z.log"));
	assert_false(log_name_is_rotated("run.log", "run-20250911T123456.789Z.log"));
	assert_false(log_name_is_rotated("run.log", "run.20250911T123456.789Z.lag"));
	buf_clear(&b);
	log_name_expand(&b, "x-{session}-{time}-{what}.log", "s1", wall_base, 1);
	assert_string_equal(b.p, "x-s1-20250911T123456.789Z-{what}.log");
	buf_clear(&b);
	log_name_expand(&b, "logs/{session}.log", "../../etc/pass\nwd\x1b", wall_base, 1);
	assert_string_equal(b.p, "logs/_._.._etc_pass_wd_.log");
	buf_clear(&b);
	log_name_expand(&b, "logs/{session}", "..", wall_base, 1);
	assert_string_equal(b.p, "logs/_.");
	buf_clear(&b);
	log_name_expand(&b, "x-{pid}.log", "s1", wall_base, 1);
	assert_int_equal(strtol(b.p + 2, NULL, 10), getpid());
	buf_clear(&b);
	log_name_expand(&b, "", "s1", wall_base, 1);
	assert_memory_equal(b.p, "rwkv_monitor_2025", 17);
	buf_clear(&b);
	log_name_expand(&b, "", "s1", wall_base, 2);
	assert_string_equal(strrchr(b.p, '_'), "_2.log");
	buf_free(&b);
}

/* Two logs of the same second, and one whose name somebody else has: nothing is mixed. */
static void a_default_name_is_one_logs_alone(void **state)
{
	char folder[] = "/tmp/rwkvmon-names-XXXXXX";
	struct log *log[3];
	char before[4096];

	(void)state;
	now_ns = 0;
	assert_non_null(getcwd(before, sizeof before));
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	for (int i = 0; i < 3; i++)
		log[i] = open_with((struct log_config){ .sync = LOG_SYNC_NEVER }, "");
	assert_string_equal(log_path(log[0]) + 28, ".log");
	assert_string_equal(log_path(log[1]) + 28, "_2.log");
	assert_string_equal(log_path(log[2]) + 28, "_3.log");
	for (int i = 0; i < 3; i++) {
		unlink(log_path(log[i]));
		log_close(log[i], NULL, NULL);
	}
	assert_int_equal(chdir(before), 0);
	rmdir(folder);
}

static void rotation_by_size_loses_nothing(void **state)
{
	const char *names[] = { "size.log", "size.log.zst" };

	(void)state;
	for (int z = 0; z < 2; z++) {
		const char *path = in_dir(names[z]);
		struct log *log = open_with((struct log_config){ .rotate_bytes = z ? 4000 : 20000 }, path);
		struct found f;
		size_t files;

		for (int i = 0; i < 1000; i += 10) {
			write_steps(log, (uint64_t)i, 10);
			now_ns += 100000000;
			flush(log);
		}
		assert_int_equal(log_close(log, NULL, NULL), 0);
		f = read_all(path, &files);
		assert_true(files > 1);
		assert_int_equal(f.steps, 1000);
		assert_int_equal(f.sum, 999 * 1000 / 2);
		assert_int_equal(f.bad, 0);
		assert_int_equal(f.starts, files - 1); /* each later file says whose it is */
	}
}

static void rotation_by_time_and_retention(void **state)
{
	const char *path = in_dir("time.log");
	struct log *log = open_with((struct log_config){ .rotate_seconds = 10, .keep = 3 }, path);
	struct found f;
	size_t files;

	(void)state;
	for (int i = 0; i < 100; i++) {
		write_steps(log, 1, 1);
		flush(log);
		if (i == 50)
			wall_base -= INT64_C(3600000000); /* the clock is set back: names still grow */
		now_ns += 1000000000;
	}
	wall_base += INT64_C(3600000000);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_all(path, &files);
	assert_int_equal(files, 4);
	assert_int_equal(f.steps, 40);
}

static void a_lost_file_is_begun_anew(void **state)
{
	const char *path = in_dir("lost.log");
	struct log *log = open_with((struct log_config){ .sync = LOG_SYNC_NEVER }, path);
	struct found f;
	char moved[300];

	(void)state;
	snprintf(moved, sizeof moved, "%s.1", path);
	write_steps(log, 1, 3);
	flush(log);
	assert_int_equal(rename(path, moved), 0); /* as logrotate does */
	write_steps(log, 4, 2);
	flush(log);
	assert_int_equal(unlink(path), 0);
	write_steps(log, 6, 1);
	assert_int_equal(log_close(log, NULL, NULL), 0);
	f = read_file(moved);
	assert_int_equal(f.steps, 3);
	f = read_file(path);
	assert_int_equal(f.steps, 1);
	assert_int_equal(f.starts, 1);
}

static void a_lost_directory_comes_back(void **state)
{
	char sub[200], path[256];
	struct log *log;
	struct err err = { 0 };
	uint64_t dropped;
	struct found f;

	(void)state;
	snprintf(sub, sizeof sub, "%s/sub", dir);
	snprintf(path, sizeof path, "%s/x.log", sub);
	assert_int_equal(mkdir(sub, 0755), 0);
	log = open_with((struct log_config){ .keep = 0 }, path);
	write_steps(log, 1, 1);
	flush(log);
	assert_int_equal(unlink(path) | rmdir(sub), 0);
	write_steps(log, 2, 30000); /* more than the 4 MiB that are kept */
	flush(log);
	assert_true(log_dropped(log) > 0);
	assert_int_equal(mkdir(sub, 0755), 0);
	flush(log);
	write_steps(log, 1, 1);
	dropped = log_dropped(log);
	assert_true(log_close(log, &dropped, &err) < 0); /* it is told, though all went well in the end */
	f = read_file(path);
	assert_int_equal(f.bad, 0);
	assert_int_equal(f.gaps, 1);
	assert_int_equal(f.dropped, dropped);
	assert_int_equal(f.steps + dropped, 30001);
}

static void append_bytes(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* Whatever part of a second write reached the disk: the first stays, the third is whole. */
static void a_tail_torn_at_every_byte_is_repaired(void **state)
{
	const char *names[] = { "torn.log", "torn.log.zst" };

	(void)state;
	for (int z = 0; z < 2; z++) {
		const char *path = in_dir(names[z]);
		struct buf whole = { 0 };
		struct stat first;

		unlink(path);
		for (int i = 0; i < 2; i++) {
			struct log *log = open_with((struct log_config){ .sync = LOG_SYNC_NEVER }, path);

			write_steps(log, 1, 4);
			log_close(log, NULL, NULL);
			if (!i)
				assert_int_equal(stat(path, &first), 0);
		}
		assert_int_equal(file_read(&whole, path, 1 << 20, NULL), 0);
		for (size_t n = (size_t)first.st_size; n <= whole.used; n++) {
			struct log *log;
			struct found f;

			unlink(path);
			append_bytes(path, whole.p, n);
			log = open_with((struct log_config){ .sync = LOG_SYNC_NEVER }, path);
			write_steps(log, 1, 4);
			assert_int_equal(log_close(log, NULL, NULL), 0);
			f = read_file(path);
			assert_true(f.steps >= 8);
			assert_true(f.bad <= (z ? 0 : 1));
			if (n == whole.used)
				assert_int_equal(f.steps, 12);
		}
		buf_free(&whole);
	}
}

/* A flipped bit anywhere: frames behind the damage are never cut off. */
static void damage_in_the_middle_cuts_nothing(void **state)
{
	const char *path = in_dir("flip.log.zst");
	struct log *log = open_with((struct log_config){ .sync = LOG_SYNC_NEVER }, path);
	struct buf whole = { 0 };
	size_t last;
	int fd;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct stat st;

		last = stat(path, &st) ? 0 : (size_t)st.st_size;
		write_steps(log, 1, 4);
		flush(log);
	}
	log_close(log, NULL, NULL);
	assert_int_equal(file_read(&whole, path, 1 << 20, NULL), 0);
	fd = open(path, O_RDWR);
	for (size_t bit = 0; bit < last * 8; bit++) { /* all frames but the last */
		char byte = (char)(whole.p[bit / 8] ^ 1 << bit % 8);

		assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
		assert_int_equal(frames_whole_end(fd, 0, whole.used), whole.used);
		assert_int_equal(pwrite(fd, whole.p + bit / 8, 1, (off_t)(bit / 8)), 1);
	}
	for (size_t n = last + 1; n < whole.used; n++)
		assert_int_equal(frames_whole_end(fd, 0, n), last);
	close(fd);
	buf_free(&whole);
}

/* zstd has a kind of block that is one byte, repeated; the packer makes it of long runs. */
static void frames_of_long_runs_have_their_end_too(void **state)
{
	const char *path = in_dir("runs.zst");
	size_t n = 300000, bound = ZSTD_compressBound(n), frame;
	char *run = malloc(n), *packed = malloc(bound);
	int fd;

	(void)state;
	memset(run, 'a', n);
	frame = ZSTD_compress(packed, bound, run, n, 3);
	assert_false(ZSTD_isError(frame));
	unlink(path);
	append_bytes(path, packed, frame);
	append_bytes(path, packed, frame);
	fd = open(path, O_RDONLY);
	assert_int_equal(frames_whole_end(fd, 0, 2 * frame), 2 * frame);
	for (size_t cut = frame + 1; cut < 2 * frame; cut++)
		assert_int_equal(frames_whole_end(fd, 0, cut), frame);
	close(fd);
	free(run);
	free(packed);
}

enum { WRITERS = 4, EACH = 3000 };

struct writer {
	pthread_t thread;
	struct log *log;
	int rc;
	struct err err;
};

static void *write_some(void *ctx)
{
	struct writer *w = ctx;

	for (int i = 0; i < EACH; i += 30) {
		write_steps(w->log, 1, 30);
		flush(w->log);
	}
	w->rc = log_close(w->log, NULL, &w->err);
	return NULL;
}

static void several_writers_share_a_file(void **state)
{
	const char *names[] = { "shared.log", "shared.log.zst" };

	(void)state;
	for (int z = 0; z < 2; z++) {
		struct writer writer[WRITERS];
		char path[256];
		struct found f;
		size_t files;

		snprintf(path, sizeof path, "%s", in_dir(names[z]));
		for (int i = 0; i < WRITERS; i++)
			writer[i].log =
				open_with((struct log_config){ .rotate_bytes = 60000, .sync = LOG_SYNC_NEVER }, path);
		for (int i = 0; i < WRITERS; i++)
			assert_int_equal(pthread_create(&writer[i].thread, NULL, write_some, &writer[i]), 0);
		for (int i = 0; i < WRITERS; i++) {
			pthread_join(writer[i].thread, NULL);
			if (writer[i].rc)
				fail_msg("%s", writer[i].err.text);
		}
		f = read_all(path, &files);
		assert_int_equal(f.steps, WRITERS * EACH);
		assert_int_equal(f.bad, 0);
	}
}

static int make_dir(void **state)
{
	(void)state;
	fields_set_text(&session, F_SESSION_ID, slice_of("rwkv-sess-000001"));
	return scratch_make(dir, sizeof dir, "log");
}

static int remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_what_and_when),
		cmocka_unit_test(a_default_name_is_one_logs_alone),
		cmocka_unit_test(rotation_by_size_loses_nothing),
		cmocka_unit_test(rotation_by_time_and_retention),
		cmocka_unit_test(a_lost_file_is_begun_anew),
		cmocka_unit_test(a_lost_directory_comes_back),
		cmocka_unit_test(a_tail_torn_at_every_byte_is_repaired),
		cmocka_unit_test(damage_in_the_middle_cuts_nothing),
		cmocka_unit_test(frames_of_long_runs_have_their_end_too),
		cmocka_unit_test(several_writers_share_a_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
