/* A client program that does everything wrong. Whatever it hands in, it lives on, and every line of its log is a record
 * whose members are among those that there are. */
#include "test.h"

#include "child.h"
#include "scratch.h"

#include "base/file.h"
#include "record/codec.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <rwkvmon.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static uint32_t token = 1;
static float logits[256], values[256];
static const struct rwkvmon_tensor good = { values, 256, RWKVMON_F32, RWKVMON_WKV };
static const struct rwkvmon_state_sums good_sums = { RWKVMON_WKV, 1, 1, 1, 1, 0 };

/* What a case may spoil. */
struct call {
	rwkvmon *mon;
	struct rwkvmon_step step;
	struct rwkvmon_tensor tensor;
	struct rwkvmon_state_sums sums;
	struct rwkvmon_number number;
};

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static rwkvmon *open_log(const char *path)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = path,
				      .model_name = "m",
				      .n_layer = 4,
				      .log_state_norms = 1,
				      .log_tokens = 1,
				      .log_text = 1,
				      .ring_bytes = 1 << 16 };
	char why[RWKVMON_ERROR_BYTES];
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, why))
		fail_msg("%s", why);
	return mon;
}

static struct rwkvmon_step good_step(const struct call *c)
{
	return (struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
				      .tokens = &token,
				      .n_tokens = 1,
				      .logits = logits,
				      .n_logits = 256,
				      .state = &c->tensor,
				      .n_state = 1 };
}

static void repair(struct call *c)
{
	c->tensor = good;
	c->sums = good_sums;
	c->number = (struct rwkvmon_number){ 0, 1 };
	c->step = good_step(c);
}

/* Steps in the log; every line must be a record, with nothing in it that is no member of the format. */
static size_t steps_of(const char *path)
{
	struct buf text = { 0 };
	struct record_decoder d = { 0 };
	size_t n = 0;
	char *p, *end;

	assert_int_equal(file_read(&text, path, 1 << 28, NULL), 0);
	for (p = text.p; (end = strchr(p, '\n')); p = end + 1) {
		struct slice line = { p, (size_t)(end - p) };
		const char *phase = memmem(p, line.n, "\"phase\":\"", 9);
		struct record r;

		assert_int_equal(record_decode(&d, line, &r), DECODE_OK);
		n += r.event == EVENT_INFERENCE_STEP;
		if (phase)
			assert_true(!strncmp(phase + 9, "prefill\"", 8) || !strncmp(phase + 9, "decode\"", 7));
	}
	assert_true(!*p);
	record_decoder_free(&d);
	buf_free(&text);
	return n;
}

/* --- numbers and sizes of a step --------------------------------------------------- */

#define CASE(name, ...)                                                                                                \
	static void name(struct call *c, int number)                                                                   \
	{                                                                                                              \
		(void)c;                                                                                               \
		(void)number;                                                                                          \
		__VA_ARGS__;                                                                                           \
	}
#include "careless_cases.def"
#undef CASE

static const struct {
	const char *name;
	void (*spoil)(struct call *c, int number);
} cases[] = {
#define CASE(name, ...) { #name, name },
#include "careless_cases.def"
#undef CASE
};

/* Every case with each of these; a good call before and behind it tells that the handle still works. */
static const int numbers[] = { 2, 3, 4, 7, 99, -1, INT_MIN, INT_MAX };

static void what_is_handed_in_never_hurts(void **state)
{
	const char *path = in_dir("cases.log");
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct call c = { .mon = open_log(path) };

		for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
			repair(&c);
			rwkvmon_begin(c.mon);
			rwkvmon_end(c.mon, &c.step);
			rwkvmon_begin(c.mon);
			cases[i].spoil(&c, numbers[k]);
			rwkvmon_end(c.mon, &c.step);
			rwkvmon_end(c.mon, &c.step);
			repair(&c);
			rwkvmon_end(c.mon, &c.step);
		}
		rwkvmon_close(c.mon, &totals);
		n += totals.records - totals.dropped;
	}
	assert_int_equal(steps_of(path), n);
	assert_true(n >= 2 * 8 * sizeof cases / sizeof *cases); /* the good ones of each at least */
}

/* --- configurations ----------------------------------------------------------------- */

static void expect_refused(const struct rwkvmon_config *cfg, const char *word)
{
	char why[RWKVMON_ERROR_BYTES] = "";
	rwkvmon *mon = (rwkvmon *)&token;

	assert_true(rwkvmon_open(&mon, cfg, why) < 0);
	assert_null(mon);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not name %s", why, word);
	assert_true(rwkvmon_open(&mon, cfg, NULL) < 0);
}

static void what_cannot_be_meant_is_refused_when_it_is_opened(void **state)
{
	static const size_t sizes[] = { 0, 1, 8, 9, 15, 64, 100000, SIZE_MAX, SIZE_MAX / 2 };
	const struct rwkvmon_config some = { .struct_size = sizeof some };
	struct rwkvmon_config cfg;

	(void)state;
	assert_true(rwkvmon_open(NULL, &some, NULL) < 0);
	expect_refused(NULL, "no configuration");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		cfg = some;
		cfg.struct_size = sizes[i];
		expect_refused(&cfg, "struct_size");
	}
	for (size_t i = 1; i < sizeof numbers / sizeof *numbers; i++) {
		cfg = some;
		cfg.fsync = (enum rwkvmon_sync)numbers[i];
		expect_refused(&cfg, "fsync");
	}
	cfg = some;
	cfg.overhead_budget_pct = NAN;
	expect_refused(&cfg, "overhead_budget_pct");
	cfg = some;
	cfg.lang = "klingon";
	expect_refused(&cfg, "klingon");
	cfg = some;
	cfg.log_state_norms = 1;
	cfg.n_layer = 100000;
	expect_refused(&cfg, "layers");
	cfg = some;
	cfg.goal = "fast";
	expect_refused(&cfg, "goal");
	cfg = some;
	cfg.log_mode = 0100640;
	expect_refused(&cfg, "log_mode");
	cfg = some;
	cfg.rules = "/nonexistent/rules.yaml";
	expect_refused(&cfg, "/nonexistent/rules.yaml");
	cfg = some;
	cfg.log_path = "/nonexistent/x.log";
	expect_refused(&cfg, "/nonexistent/x.log");
	cfg = some;
	cfg.log_path = "/";
	expect_refused(&cfg, "/");
}

/* --- handles that are none, not ours, or no more ------------------------------------ */

static void call_everything(rwkvmon *mon)
{
	struct call c = { .mon = mon };
	struct rwkvmon_start start = { sizeof start, &good, 1, NULL, 0 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	char why[RWKVMON_ERROR_BYTES];

	repair(&c);
	rwkvmon_begin(mon);
	rwkvmon_end(mon, &c.step);
	rwkvmon_end(mon, NULL);
	assert_int_equal(rwkvmon_wants_state(mon, 1), 0);
	rwkvmon_finished(mon, RWKVMON_FINISH_STOP);
	rwkvmon_new_sequence(mon);
	rwkvmon_new_sequence_from(mon, &start);
	rwkvmon_new_sequence_from(mon, NULL);
	rwkvmon_set_number(mon, "x", 1, why);
	rwkvmon_set_number(mon, NULL, 1, NULL);
	rwkvmon_set_text(mon, "x", "y", NULL);
	rwkvmon_set_text(mon, NULL, NULL, NULL);
	rwkvmon_reload_rules(mon, NULL);
	rwkvmon_so_far(mon, &totals);
	assert_int_equal(totals.records, 0);
	rwkvmon_so_far(mon, NULL);
	assert_string_equal(rwkvmon_url(mon), "");
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
}

static void no_handle_is_fine_everywhere(void **state)
{
	(void)state;
	call_everything(NULL);
}

static void a_handle_that_was_closed_does_nothing(void **state)
{
	const char *path = in_dir("closed.log");
	rwkvmon *mon[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		mon[i] = open_log(path);
	for (int i = 0; i < 8; i++)
		assert_int_equal(rwkvmon_close(mon[i], NULL), 0);
	for (int i = 0; i < 8; i++)
		call_everything(mon[i]);
	assert_int_equal(steps_of(path), 0);
}

static void use_after_fork(void *ctx)
{
	rwkvmon *mon = ctx;

	call_everything(mon);
	mon = open_log(in_dir("forked.log")); /* one of its own */
	rwkvmon_close(mon, NULL);
	call_everything(mon);
}

static void a_child_of_a_fork_does_nothing(void **state)
{
	const char *path = in_dir("forked.log");
	rwkvmon *mon = open_log(path);

	(void)state;
	assert_int_equal(status_of_child(use_after_fork, mon), 0);
	assert_int_equal(rwkvmon_close(mon, NULL), 0);
	assert_int_equal(steps_of(path), 0);
}

/* --- threads and signals -------------------------------------------------------------- */

enum { THREADS = 4, CALLS = 3000 };

static rwkvmon *_Atomic shared;
static atomic_int thread_ends;

static void *use_shared(void *ctx)
{
	struct call c = { .mon = shared };

	(void)ctx;
	for (int i = 0; i < CALLS; i++) {
		repair(&c);
		rwkvmon_begin(c.mon);
		rwkvmon_end(c.mon, &c.step);
		if (i % 50 == 0)
			rwkvmon_new_sequence(c.mon);
		if (i % 70 == 0)
			rwkvmon_set_number(c.mon, "mine", i, NULL);
		if (i % 90 == 0)
			rwkvmon_so_far(c.mon, NULL);
	}
	thread_ends++;
	return NULL;
}

static void run_threads(bool close_early, struct rwkvmon_totals *totals)
{
	pthread_t thread[THREADS];

	thread_ends = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use_shared, NULL), 0);
	if (close_early)
		rwkvmon_close(shared, totals);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	if (!close_early)
		rwkvmon_close(shared, totals);
	assert_int_equal(thread_ends, THREADS);
}

static void threads_that_share_a_handle_damage_nothing(void **state)
{
	const char *path = in_dir("threads.log");
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	size_t written;

	(void)state;
	shared = open_log(path);
	run_threads(false, &totals);
	written = steps_of(path);
	assert_true(written > 0);
	assert_int_equal(written + totals.dropped, THREADS * CALLS); /* who was turned away counts as dropped */
}

static void a_close_under_running_threads_damages_nothing(void **state)
{
	const char *path = in_dir("closing.log");

	(void)state;
	for (int i = 0; i < 5; i++) {
		shared = open_log(path);
		run_threads(true, NULL);
	}
	steps_of(path);
}

static atomic_int interrupted;

static void on_signal(int signal)
{
	struct call c = { .mon = shared };

	(void)signal;
	repair(&c);
	rwkvmon_begin(c.mon);
	rwkvmon_end(c.mon, &c.step);
	interrupted++;
}

static void calls_from_a_signal_handler_damage_nothing(void **state)
{
	const char *path = in_dir("signals.log");
	struct sigaction act = { .sa_handler = on_signal }, before;
	const pthread_t me = pthread_self();
	struct call c = { .mon = open_log(path) };

	(void)state;
	shared = c.mon;
	sigaction(SIGUSR1, &act, &before);
	for (int i = 0; i < CALLS; i++) {
		repair(&c);
		rwkvmon_begin(c.mon);
		if (i % 3 == 0)
			pthread_kill(me, SIGUSR1);
		rwkvmon_end(c.mon, &c.step);
	}
	sigaction(SIGUSR1, &before, NULL);
	rwkvmon_close(c.mon, NULL);
	assert_int_equal(interrupted, CALLS / 3);
	assert_true(steps_of(path) > 0);
}

/* --- a program without standard descriptors ----------------------------------------------- */

static void print_where_nothing_is_open(void *ctx)
{
	struct call c = { 0 };

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	c.mon = open_log(ctx);
	repair(&c);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (write(fd, "printed\n", 8) > 0)
			_exit(1);
	rwkvmon_end(c.mon, &c.step);
	rwkvmon_close(c.mon, NULL);
}

static void what_is_printed_without_an_output_is_not_in_the_log(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof path, "%s", in_dir("printed.log"));
	assert_int_equal(status_of_child(print_where_nothing_is_open, path), 0);
	assert_int_equal(steps_of(path), 1);
}

/* --- a limit on the size of files ----------------------------------------------------- */

/* What a child does that may write no byte. */
static void write_nothing(void *ctx)
{
	const struct rlimit none = { 0, 0 };
	struct call c = { 0 };

	setrlimit(RLIMIT_FSIZE, &none);
	signal(SIGXFSZ, SIG_DFL);
	rwkvmon_open(&c.mon, ctx, NULL);
	repair(&c);
	for (int i = 0; i < 100; i++)
		rwkvmon_end(c.mon, &c.step);
	usleep(250000);
	rwkvmon_close(c.mon, NULL);
}

/* 0: it lives. */
static int limited(const char *log, enum rwkvmon_sync sync, const char *textfile)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = log,
				      .fsync = sync,
				      .metrics_textfile = textfile,
				      .model_name = "m" };

	return status_of_child(write_nothing, &cfg);
}

static void a_limit_on_file_sizes_kills_nobody(void **state)
{
	char textfile[256];

	(void)state;
	snprintf(textfile, sizeof textfile, "%s", in_dir("limited.prom"));
	for (int sync = 0; sync < 3; sync++) {
		assert_int_equal(limited(in_dir("limited.log"), (enum rwkvmon_sync)sync, NULL), 0);
		assert_int_equal(limited(in_dir("limited.log.zst"), (enum rwkvmon_sync)sync, textfile), 0);
	}
}

static int make_dir(void **state)
{
	(void)state;
	return scratch_make(dir, sizeof dir, "careless");
}

static int remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_handed_in_never_hurts),
		cmocka_unit_test(what_cannot_be_meant_is_refused_when_it_is_opened),
		cmocka_unit_test(no_handle_is_fine_everywhere),
		cmocka_unit_test(a_handle_that_was_closed_does_nothing),
		cmocka_unit_test(a_child_of_a_fork_does_nothing),
		cmocka_unit_test(threads_that_share_a_handle_damage_nothing),
		cmocka_unit_test(a_close_under_running_threads_damages_nothing),
		cmocka_unit_test(calls_from_a_signal_handler_damage_nothing),
		cmocka_unit_test(what_is_printed_without_an_output_is_not_in_the_log),
		cmocka_unit_test(a_limit_on_file_sizes_kills_nobody),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
