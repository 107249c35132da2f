/* Delivery of alarms: bounds, counts, and what it leaves behind in the host program. HTTP that answers is tested in
 * integration/deliver_test.sh. */
#include "test.h"

#include "export/deliver.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/rwkvmon-deliver-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static struct deliver *open_it(struct deliver_config *cfg)
{
	struct deliver *d;
	struct err err;

	cfg->clock = &clock_system;
	if (deliver_open(&d, cfg, &err))
		fail_msg("%s", err.text);
	return d;
}

static void raise_alarm(struct deliver *d, int i)
{
	static struct field_values session;
	struct field_values extra = { 0 };
	struct record r = { .time_us = 1757594096000000 + i, .event = i % 2 ? EVENT_ALARM_RESOLVED : EVENT_ALARM, .session = &session,
			    .extra = &extra };

	fields_set_text(&session, F_SESSION_ID, slice_of("rwkv-sess-000001"));
	fields_set_text(&session, F_INSTANCE, slice_of("host:1"));
	fields_set_text(&extra, F_ALARM_TYPE, slice_of("high_latency"));
	fields_set_text(&extra, F_RULE, slice_of("high_latency"));
	fields_set_number(&extra, F_VALUE, i);
	deliver_sink(d)->write(deliver_sink(d), &r);
}

static size_t lines_of(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;
	int c;

	while (f && (c = fgetc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void a_file_gets_every_alarm_in_order(void **state)
{
	struct deliver_config cfg = { .file = in_dir("alarms") };
	struct deliver *d = open_it(&cfg);
	char why[400];

	(void)state;
	for (int i = 0; i < 200; i++)
		raise_alarm(d, i);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why), 0);
	assert_string_equal(why, "");
	assert_int_equal(lines_of(in_dir("alarms")), 200);
}

static void commands_leave_no_zombies(void **state)
{
	const char *const argv[] = { "sort", "-o", "/dev/null", NULL };
	struct deliver_config cfg = { .command = argv };
	char why[400];

	(void)state;
	for (int ignored = 0; ignored < 2; ignored++) {
		struct deliver *d;

		signal(SIGCHLD, ignored ? SIG_IGN : SIG_DFL); /* the second way, the kernel takes the child from us */
		d = open_it(&cfg);
		for (int i = 0; i < 3; i++)
			raise_alarm(d, i);
		assert_int_equal(deliver_close(d, 60000, why, sizeof why), 0);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
	signal(SIGCHLD, SIG_DFL);
}

static void what_is_lost_is_counted(void **state)
{
	struct deliver_config cfg = { .webhook = "http://user:SECRET@127.0.0.1:1/SECRET" };
	struct deliver *d;
	char why[400], version[80];

	(void)state;
	deliver_version(version, sizeof version);
	if (!strncmp(version, "none", 4)) {
		printf("SKIPPED: webhooks: %s\n", version);
		skip();
	}
	d = open_it(&cfg);
	for (int i = 0; i < 600; i++) /* more than the queue holds */
		raise_alarm(d, i);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why), 600);
	assert_non_null(strstr(why, "the webhook at http://127.0.0.1:1 missed 600 alarms"));
	assert_null(strstr(why, "SECRET"));

	cfg = (struct deliver_config){ .alertmanager = "http://127.0.0.1:1" }; /* keeps states: one alert, however often it changed */
	d = open_it(&cfg);
	for (int i = 0; i < 600; i++)
		raise_alarm(d, i);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why) > 0, 1);
	assert_non_null(strstr(why, "Alertmanager at http://127.0.0.1:1 missed"));
}

/* A file whose directory goes away is tried again; at the end, what it missed is told. */
static void a_file_that_breaks_is_told(void **state)
{
	struct deliver_config cfg = { .file = "/dev/full" };
	struct deliver *d = open_it(&cfg);
	char why[400];

	(void)state;
	raise_alarm(d, 0);
	raise_alarm(d, 2);
	assert_int_equal(deliver_close(d, 2000, why, sizeof why), 2);
	assert_non_null(strstr(why, "No space left"));
}

static void bad_configurations_are_refused(void **state)
{
	static const char *const nothing[] = { NULL }, *const missing[] = { "/nowhere/at/all", NULL };
	static const struct deliver_config bad[] = {
		{ .file = "/nowhere/at/all", .clock = &clock_system },
		{ .command = nothing, .clock = &clock_system },
		{ .command = missing, .clock = &clock_system },
		{ .webhook = "127.0.0.1:80", .clock = &clock_system },
		{ .webhook = "http://a b/", .clock = &clock_system },
		{ .webhook = "http:///path", .clock = &clock_system },
		{ .webhook = "file:///etc/passwd", .clock = &clock_system },
		{ .webhook = "http://127.0.0.1/", .template = "smoke", .clock = &clock_system },
		{ .template = "slack", .clock = &clock_system },
		{ .alertmanager = "", .clock = &clock_system },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct deliver *d = (struct deliver *)(void *)dir;
		struct err err = { 0 };

		assert_true(deliver_wanted(&bad[i]));
		assert_true(deliver_open(&d, &bad[i], &err) < 0);
		assert_null(d);
		assert_true(err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_gets_every_alarm_in_order),
		cmocka_unit_test(commands_leave_no_zombies),
		cmocka_unit_test(what_is_lost_is_counted),
		cmocka_unit_test(a_file_that_breaks_is_told),
		cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, NULL);
}
