/* Growing logs that several commands follow: what is lost of them is told, and what is left of one that goes is read.
 */
#include "test.h"

#include "base/file.h"
#include "cli/follow.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#define STEP                                                                                                           \
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\","          \
	"\"sequence_length\":1}\n"
#define CRI "2025-09-11T12:34:56.789012345Z stdout "
#define CRIERR "2025-09-11T12:34:56.789012345Z stderr "

enum { PATIENCE = 12000, PAUSE_US = 10000 }; /* two minutes are a deadline for broken runs */

static char dir[] = "/tmp/rwkvmon-follow-XXXXXX";
static atomic_size_t rows_taken;

static void take(void *ctx, struct columns *rows, struct slice lines, const char *file)
{
	(void)ctx;
	(void)lines;
	(void)file;
	atomic_fetch_add(&rows_taken, rows->n);
}

static void await_rows(size_t n)
{
	for (int i = 0; i < PATIENCE && atomic_load(&rows_taken) < n; i++)
		usleep(PAUSE_US);
	assert_int_equal(atomic_load(&rows_taken), n);
}

static void await_word(struct follow *f, const char *words)
{
	struct err err = { .text = "nothing" };

	for (int i = 0; i < PATIENCE; i++) {
		while (follow_trouble(f, &err))
			if (strstr(err.text, words))
				return;
		usleep(PAUSE_US);
	}
	fail_msg("waited in vain for \"%s\"; the last was: %s", words, err.text);
}

static struct follow *begin(char path[200], const char *name, struct slice bytes)
{
	static const char *names[1];
	const struct follow_options how = { .take = take };
	struct follow *f;
	struct err err;

	snprintf(path, 200, "%s/%s", dir, name);
	assert_int_equal(file_write(path, bytes, NULL), 0);
	atomic_store(&rows_taken, 0);
	names[0] = dir;
	assert_int_equal(follow_open(&f, names, 1, &how, &err), 0);
	return f;
}

static void put_frame(struct buf *to, const char *text)
{
	char frame[20000];
	const size_t n = ZSTD_compress(frame, sizeof frame, text, strlen(text), 1);

	assert_false(ZSTD_isError(n));
	buf_add(to, frame, n);
}

static void damage_in_a_compressed_log_is_told(void **state)
{
	struct buf bytes = { 0 };
	struct follow *f;
	char path[200];
	size_t at;

	(void)state;
	put_frame(&bytes, STEP STEP);
	at = bytes.used;
	put_frame(&bytes, STEP);
	memset(bytes.p + at + 8, 0xff, 20);
	put_frame(&bytes, STEP STEP STEP);
	f = begin(path, "damaged.log.zst", buf_slice(&bytes));
	await_rows(5);
	await_word(f, "damaged.log.zst: some of it is lost: damaged zstd data");
	follow_close(f);
	unlink(path);
	buf_free(&bytes);
}

static void a_damaged_line_is_told_and_one_of_others_is_not(void **state)
{
	char path[200];
	struct follow *f = begin(path, "torn.log", slice_of(STEP "listening on port 80\n{\"timestamp\":\"2025\n" STEP));
	struct err err;

	(void)state;
	await_rows(2);
	await_word(f, "torn.log: some of it is lost: damaged or incomplete JSON");
	while (follow_trouble(f, &err))
		assert_null(strstr(err.text, "not a JSON object"));
	follow_close(f);
	unlink(path);
}

/* Lines of one stream wait behind a piece of the other's, whose end nobody writes any more. */
static void what_waits_in_a_file_that_goes_is_read(void **state)
{
	char path[200];
	struct follow *f =
		begin(path, "pod.log", slice_of(CRI "F " STEP CRIERR "P Killed\n" CRI "F " STEP CRI "F " STEP));

	(void)state;
	await_rows(1);
	unlink(path);
	await_rows(3);
	follow_close(f);
}

static void put_lines(struct buf *to, int from, int n)
{
	for (int i = from; i < from + n; i++)
		buf_printf(to,
			   "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":"
			   "\"inference_step\","
			   "\"sequence_length\":%d}\n",
			   i);
}

/* Beside a log, a compressed one that begins with the same lines: its lines that are not in the log count, and no
 * others, whatever comes behind the beginning by which both are known. */
static void a_copy_is_left_out_and_what_goes_on_is_read(void **state)
{
	enum { LINES = 60 };
	static const struct {
		int same, more; /* lines of the other one: of the log's, and others */
		size_t rows;
		bool told;
	} others[] = {
		{ LINES, 0, LINES, true },                          /* a copy */
		{ LINES / 2, 0, LINES, true },                      /* made earlier */
		{ LINES, LINES, 2 * LINES, false },                 /* it has gone on there */
		{ LINES / 2, LINES, LINES + LINES * 3 / 2, false }, /* another log that begins alike */
	};

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct buf log = { 0 }, other = { 0 }, packed = { 0 };
		char path[200], second[200];
		struct follow *f;

		put_lines(&log, 0, LINES);
		put_lines(&other, 0, others[i].same);
		put_lines(&other, 1000 * (others[i].same < LINES) + others[i].same, others[i].more);
		buf_char(&other, 0);
		put_frame(&packed, other.p);
		snprintf(second, sizeof second, "%s/run.log.zst", dir);
		assert_int_equal(file_write(second, buf_slice(&packed), NULL), 0);
		f = begin(path, "run.log", buf_slice(&log));
		if (others[i].told)
			await_word(f, "run.log.zst: left out: a copy of another file");
		await_rows(others[i].rows);
		follow_close(f);
		unlink(path);
		unlink(second);
		buf_free(&log);
		buf_free(&other);
		buf_free(&packed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damage_in_a_compressed_log_is_told),
		cmocka_unit_test(a_damaged_line_is_told_and_one_of_others_is_not),
		cmocka_unit_test(what_waits_in_a_file_that_goes_is_read),
		cmocka_unit_test(a_copy_is_left_out_and_what_goes_on_is_read),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
