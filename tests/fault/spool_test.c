/* Critical alarms that wait in a file: whatever fails on the way, each is still in the file or was taken out of it. */
#include "test.h"

#include "faults.h"
#include "scratch.h"

#include "base/lines.h"
#include "export/deliver_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALARMS = 8, OURS = 1, OTHERS = 2, TRIES_MAX = 400 };

static char dir[64], path[96];
static const int64_t FIRST_US = 1757594096000000;

/* By number: how often it was found. */
struct found {
	unsigned n[2 * ALARMS];
};

static void count(void *ctx, struct message *m)
{
	struct found *f = ctx;

	assert_in_range(m->time_us - FIRST_US, 0, 2 * ALARMS - 1);
	f->n[m->time_us - FIRST_US]++;
	free(m);
}

/* The alarms from..from + n - 1, as a list in *list. */
static const struct message *alarms(struct message list[ALARMS], int from, int n)
{
	for (int i = 0; i < n; i++)
		list[i] = (struct message){ .next = i + 1 < n ? &list[i + 1] : NULL,
					    .time_us = FIRST_US + from + i,
					    .rule = slice_of("rule"),
					    .text = slice_of("{\"text\":\"of an alarm that is somewhat long\"}") };
	return list;
}

static void fill(void)
{
	struct message list[ALARMS];
	size_t dropped;

	unlink(path);
	assert_int_equal(spool_put(path, OURS, alarms(list, 0, ALARMS / 2), &dropped), 0);
	assert_int_equal(spool_put(path, OTHERS, alarms(list, ALARMS / 2, ALARMS / 2), &dropped), 0);
}

/* Takes all that is left. */
static void take_rest(struct found *f)
{
	assert_int_equal(spool_take(path, OURS, count, f), 0);
	assert_int_equal(spool_take(path, OTHERS, count, f), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void put_more(struct found *f)
{
	struct message list[ALARMS];
	size_t dropped;

	(void)f;
	spool_put(path, OURS, alarms(list, ALARMS, ALARMS), &dropped);
}

static void take_ours(struct found *f)
{
	spool_take(path, OURS, count, f);
}

static void (*const what[])(struct found *f) = { put_more, take_ours };

/* Every call that can fail fails in turn, once, and from then on. */
static void no_failing_call_loses_an_alarm(void **state)
{
	static const struct {
		enum fault_call call;
		int error;
	} faults[] = { { FAULT_MALLOC, ENOMEM }, { FAULT_OPEN, EMFILE },       { FAULT_WRITE, ENOSPC },
		       { FAULT_WRITE, 0 },       { FAULT_FSYNC, EIO },         { FAULT_FTRUNCATE, EIO },
		       { FAULT_FSTAT, EIO },     { FAULT_OLD_RENAME, ENOSPC }, { FAULT_UNLINK, EACCES },
		       { FAULT_CLOSE, EIO },     { FAULT_FLOCK, EINTR } };

	(void)state;
	for (size_t w = 0; w < 2; w++)
		for (size_t i = 0; i < 2 * (sizeof faults / sizeof *faults); i++)
			for (unsigned nth = 1, hits = 1; hits && nth < TRIES_MAX; nth++) {
				const bool persistent = i % 2 && faults[i / 2].error;
				struct found f = { 0 };

				fill();
				fault_arm(
					(struct fault){ faults[i / 2].call, nth, persistent, faults[i / 2].error, 0 });
				what[w](&f);
				fault_disarm();
				hits = fault_hits();
				take_rest(&f);
				for (int a = 0; a < ALARMS; a++)
					if (!f.n[a])
						fail_msg("alarm %d is lost: %s fails, call %u of %s", a,
							 fault_names[faults[i / 2].call], nth, w ? "take" : "put");
			}
}

static unsigned writes;

/* What a process that ended now would leave. */
static void look(enum fault_call call, size_t n)
{
	struct buf text = { 0 };
	char part[4096];
	int fd = open(path, O_RDONLY);
	size_t lines = 0;
	ssize_t got;

	(void)call, (void)n;
	assert_true(fd >= 0);
	while ((got = read(fd, part, sizeof part)) > 0)
		buf_add(&text, part, (size_t)got);
	close(fd);
	for (struct slice rest = buf_slice(&text); rest.n; lines++)
		next_line(&rest);
	assert_true(text.used && text.p[text.used - 1] == '\n');
	assert_true(lines >= ALARMS / 2);
	buf_free(&text);
	writes++;
}

/* Writes that take half of what they are given, and a look between them. */
static void the_file_is_whole_at_any_time(void **state)
{
	(void)state;
	for (size_t w = 0; w < 2; w++) {
		struct found f = { 0 };

		fill();
		writes = 0;
		fault_arm((struct fault){ FAULT_WRITE, 1, true, 0, 0 });
		fault_watch(look);
		what[w](&f);
		fault_watch(NULL);
		fault_disarm();
		assert_true(writes > 1);
		take_rest(&f);
		for (int a = 0; a < ALARMS; a++)
			assert_int_equal(f.n[a], 1);
	}
}

static void those_that_make_room_are_counted(void **state)
{
	struct message list[ALARMS];
	size_t dropped;

	(void)state;
	unlink(path);
	for (int i = 0; i < SPOOL_ALARMS / ALARMS; i++) {
		assert_int_equal(spool_put(path, OURS, alarms(list, 0, ALARMS), &dropped), 0);
		assert_int_equal(dropped, 0);
	}
	assert_int_equal(spool_put(path, OTHERS, alarms(list, 0, 3), &dropped), 0);
	assert_int_equal(dropped, 3);
}

enum { PROCESSES = 24, TURNS = 4 };

/* Between two writes: all others come to wait for the lock. */
static void dawdle(enum fault_call call, size_t n)
{
	(void)call, (void)n;
	usleep(1000);
}

/* One of many processes that end at once; it waits for the word to begin. */
static int put_in_turn(int begin, int mine)
{
	struct message list[ALARMS];
	size_t dropped;
	char word;

	if (read(begin, &word, 1) != 0)
		return 1;
	fault_arm((struct fault){ FAULT_WRITE, 1, true, 0, 0 });
	fault_watch(dawdle);
	for (int i = 0; i < TURNS; i++) {
		alarms(list, 0, 1);
		list->time_us = mine * TURNS + i;
		if (spool_put(path, OURS, list, &dropped) || dropped)
			return 1;
	}
	return 0;
}

static void note(void *ctx, struct message *m)
{
	unsigned *found = ctx;

	assert_in_range(m->time_us, 0, PROCESSES * TURNS - 1);
	found[m->time_us]++;
	free(m);
}

/* Each put replaces the file, so that all who wait for the old one's lock begin again. */
static void many_processes_lose_no_alarm(void **state)
{
	unsigned found[PROCESSES * TURNS] = { 0 };
	pid_t child[PROCESSES];
	int begin[2];

	(void)state;
	unlink(path);
	assert_int_equal(pipe(begin), 0);
	for (int i = 0; i < PROCESSES; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (!child[i]) {
			close(begin[1]);
			_exit(put_in_turn(begin[0], i));
		}
	}
	close(begin[0]);
	close(begin[1]);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		if (status)
			fail_msg("process %d could not put its alarms", i);
	}
	assert_int_equal(spool_take(path, OURS, note, found), 0);
	for (int i = 0; i < PROCESSES * TURNS; i++)
		assert_int_equal(found[i], 1);
}

static void what_is_another_s_is_not_written_again(void **state)
{
	struct stat before, behind;
	struct found f = { 0 };

	(void)state;
	fill();
	take_ours(&f);
	assert_int_equal(stat(path, &before), 0);
	take_ours(&f); /* all that is left is of others */
	assert_int_equal(stat(path, &behind), 0);
	assert_int_equal(behind.st_ino, before.st_ino);
	assert_int_equal(behind.st_mtim.tv_sec, before.st_mtim.tv_sec);
	assert_int_equal(behind.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_failing_call_loses_an_alarm),
		cmocka_unit_test(the_file_is_whole_at_any_time),
		cmocka_unit_test(those_that_make_room_are_counted),
		cmocka_unit_test(many_processes_lose_no_alarm),
		cmocka_unit_test(what_is_another_s_is_not_written_again),
	};
	int rc;

	if (scratch_make(dir, sizeof dir, "spool"))
		return 1;
	snprintf(path, sizeof path, "%s/spool", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	return scratch_remove(dir) || rc;
}
