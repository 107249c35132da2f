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

static int remove_dir(void **state)
{
	char command[sizeof dir + 8];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* Opens one receiver, whose name is formatted. */
static struct deliver *open_it(const char *spool, const char *format, const char *argument)
{
	char to[300];
	const char *const list[] = { to, NULL };
	const struct deliver_config cfg = { .to = list, .spool = spool, .clock = &clock_system };
	struct deliver *d;
	struct err err;

	snprintf(to, sizeof to, "%.20s%s", format, argument);
	if (deliver_open(&d, &cfg, &err))
		fail_msg("%s", err.text);
	return d;
}

static void raise_alarm(struct deliver *d, int i)
{
	static struct field_values session;
	struct field_values extra = { 0 };
	struct record r = { .time_us = 1757594096000000 + i,
			    .event = i % 2 ? EVENT_ALARM_RESOLVED : EVENT_ALARM,
			    .session = &session,
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
	struct deliver *d = open_it(NULL, "file+", in_dir("alarms"));
	char why[400];

	(void)state;
	for (int i = 0; i < 200; i++)
		raise_alarm(d, i);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms, 0);
	assert_string_equal(why, "");
	assert_int_equal(lines_of(in_dir("alarms")), 200);
}

static void commands_leave_no_zombies(void **state)
{
	char why[400];

	(void)state;
	for (int ignored = 0; ignored < 2; ignored++) {
		struct deliver *d;

		signal(SIGCHLD, ignored ? SIG_IGN : SIG_DFL); /* the second way, the kernel takes the child from us */
		d = open_it(NULL, "command+", "[\"sort\",\"-o\",\"/dev/null\"]");
		for (int i = 0; i < 3; i++)
			raise_alarm(d, i);
		assert_int_equal(deliver_close(d, 60000, why, sizeof why).alarms, 0);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		assert_int_equal(errno, ECHILD);
	}
	signal(SIGCHLD, SIG_DFL);
}

/* What a command leaves running in its group ends with it. */
static void commands_leave_nothing_running(void **state)
{
	char list[300], why[400];
	struct deliver *d;
	FILE *f;
	long child = 0;

	(void)state;
	snprintf(list, sizeof list, "[\"sh\",\"-c\",\"sleep 1000 & echo $! >%s; exit 0\"]", in_dir("child"));
	d = open_it(NULL, "command+", list);
	raise_alarm(d, 0);
	assert_int_equal(deliver_close(d, 60000, why, sizeof why).alarms, 0);
	f = fopen(in_dir("child"), "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &child), 1);
	fclose(f);
	for (int i = 0; i < 6000 && !kill((pid_t)child, 0); i++) { /* a zombie until init looks */
		char path[64], stat[200] = "";

		snprintf(path, sizeof path, "/proc/%ld/stat", child);
		f = fopen(path, "r");
		if (f && fgets(stat, sizeof stat, f) && strstr(stat, ") Z "))
			child = 0;
		if (f)
			fclose(f);
		if (!child)
			return;
		usleep(10000);
	}
	assert_int_equal(kill((pid_t)child, 0), -1);
}

static bool has_curl(void)
{
	char version[80];

	deliver_version(version, sizeof version);
	if (strncmp(version, "none", 4))
		return true;
	printf("SKIPPED: webhooks: %s\n", version);
	return false;
}

static void what_is_lost_is_counted(void **state)
{
	struct deliver *d;
	char why[400];

	(void)state;
	if (!has_curl())
		skip();
	d = open_it(NULL, "webhook+", "http://user:SECRET@127.0.0.1:1/SECRET");
	for (int i = 0; i < 600; i++) /* more than the queue holds */
		raise_alarm(d, i);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms, 600);
	assert_non_null(strstr(why, "the webhook at http://127.0.0.1:1 missed 600 alarms"));
	assert_null(strstr(why, "SECRET"));

	d = open_it(NULL, "alertmanager+", "http://127.0.0.1:1"); /* one alert, however often it changed */
	for (int i = 0; i < 600; i++)
		raise_alarm(d, i);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms > 0, 1);
	assert_non_null(strstr(why, "Alertmanager at http://127.0.0.1:1 missed"));
}

/* A file whose directory goes away is tried again; at the end, what it missed is told. */
static void a_file_that_breaks_is_told(void **state)
{
	struct deliver *d = open_it(NULL, "file+", "/dev/full");
	char why[400];

	(void)state;
	raise_alarm(d, 0);
	raise_alarm(d, 2);
	assert_int_equal(deliver_close(d, 2000, why, sizeof why).alarms, 2);
	assert_non_null(strstr(why, "No space left"));
}

static void bad_configurations_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"slack",
		"slack+",
		"+http://127.0.0.1/",
		"smoke+http://127.0.0.1/",
		"http://127.0.0.1/",
		"file+",
		"file+/nowhere/at/all",
		"command+",
		"command+/nowhere/at/all",
		"command+/tmp", /* a directory */
		"command+[]",
		"command+[\"true\"",
		"command+[\"true\",1]",
		"command+[\"true\",\"\\u0000\"x]",
		"command+[\"true\"]]",
		"webhook+127.0.0.1:80",
		"webhook+http://a b/",
		"json+http:///path",
		"webhook+file:///etc/passwd",
		"slack+http://127.0.0.1/#secret=abc", /* signs nothing */
		"dingtalk+http://127.0.0.1/#secret=",
		"alertmanager+",
		"alertmanager+http://127.0.0.1/?to=it", /* a path is added */
		"@/nowhere/at/all",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *const to[] = { bad[i], NULL };
		const struct deliver_config cfg = { .to = to, .clock = &clock_system };
		struct deliver *d = (struct deliver *)(void *)dir;
		struct err err = { 0 };

		if (deliver_open(&d, &cfg, &err) >= 0)
			fail_msg("%s is accepted", bad[i]);
		assert_null(d);
		assert_true(err.text[0]);
	}
}

/* --- the spool ------------------------------------------------------------------------------- */

static void raise_severe(struct deliver *d, int i, const char *severity)
{
	static struct field_values session;
	struct field_values extra = { 0 };
	char rule[24];
	struct record r = {
		.time_us = 1757594096000000 + i, .event = EVENT_ALARM, .session = &session, .extra = &extra
	};

	snprintf(rule, sizeof rule, "rule%d", i);
	fields_set_text(&extra, F_ALARM_TYPE, slice_of("non_finite"));
	fields_set_text(&extra, F_RULE, slice_of(rule));
	fields_set_text(&extra, F_SEVERITY, slice_of(severity));
	deliver_sink(d)->write(deliver_sink(d), &r);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_mode & 0777;
}

/* A receiver that fails and then works again: a directory that is not there, and then is. */
static void critical_alarms_wait_for_the_next_start(void **state)
{
	char spool[256], folder[256], file[280], why[800];
	struct deliver *d;

	(void)state;
	snprintf(spool, sizeof spool, "%s", in_dir("spool"));
	snprintf(folder, sizeof folder, "%s", in_dir("folder"));
	snprintf(file, sizeof file, "%s/alarms", folder);
	assert_int_equal(mkdir(folder, 0755), 0);
	d = open_it(spool, "file+", file);
	raise_severe(d, 0, "critical");
	while (lines_of(file) < 1)
		usleep(1000);
	assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms, 0);
	assert_int_equal(mode_of(spool), 0); /* nothing waits */

	d = open_it(spool, "command+", "[\"sleep\",\"1000\"]"); /* its queue stands still */
	for (int i = 1; i <= 400; i++)
		raise_severe(d, i, i <= 3 || i > 397 ? "critical" : "warning");
	assert_int_equal(deliver_close(d, 100, why, sizeof why).alarms, 400);
	assert_non_null(strstr(why, "for the next start"));
	assert_int_equal(mode_of(spool), 0600);
	assert_true(lines_of(spool) >= 5 &&
		    lines_of(spool) <= 6); /* the one that was sent may have been the first critical */

	d = open_it(spool, "file+", file); /* another receiver: not its alarms */
	assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms, 0);
	assert_int_equal(lines_of(file), 1);
	assert_true(lines_of(spool) >= 5);
}

static void what_waits_is_delivered_once(void **state)
{
	char spool[256], file[256], to[300], why[800];
	const char *const list[] = { to, NULL };
	const struct deliver_config cfg = { .to = list, .spool = spool, .clock = &clock_system };
	struct deliver *d, *second;
	struct deliver_loss lost;
	struct err err;
	FILE *f;

	(void)state;
	snprintf(spool, sizeof spool, "%s", in_dir("spool2"));
	snprintf(file, sizeof file, "%s", in_dir("full"));
	assert_int_equal(symlink("/dev/full", file), 0);
	snprintf(to, sizeof to, "file+%s", file);
	assert_int_equal(deliver_open(&d, &cfg, &err), 0);
	for (int i = 0; i < 500; i++)
		raise_severe(d, i, "critical");
	lost = deliver_close(d, 10000, why, sizeof why);
	assert_int_equal(lost.alarms, 500);
	assert_int_equal(lost.critical, 500 - DELIVER_QUEUE); /* those that there is no room for */
	assert_non_null(strstr(why, "(critical and lost for good: 244)"));
	assert_int_equal(lines_of(spool), DELIVER_QUEUE); /* bounded */
	f = fopen(spool, "a");
	fputs("not ours\n{\"to\":\"0123456789abcdef\",\"time_us\":1,\"rule\":\"r\",\"text\":\"t\"}\n", f);
	fclose(f);

	assert_int_equal(unlink(file), 0);
	assert_int_equal(deliver_open(&d, &cfg, &err), 0);
	assert_int_equal(deliver_open(&second, &cfg, &err), 0); /* at the same time: only one gets them */
	assert_int_equal(deliver_close(d, 60000, why, sizeof why).alarms +
				 deliver_close(second, 60000, why, sizeof why).alarms,
			 0);
	assert_int_equal(lines_of(file), DELIVER_QUEUE);
	assert_int_equal(lines_of(spool), 1); /* somebody else's; what nobody wrote is gone */
}

/* Refused, or with no place to wait: that it reached nobody is known. */
static void a_critical_alarm_that_nothing_keeps_is_counted(void **state)
{
	struct deliver *d = open_it(in_dir("spool4"), "command+", "[\"sh\",\"-c\",\"exit 3\"]");
	struct deliver_loss lost;
	char why[800];

	(void)state;
	raise_severe(d, 0, "critical");
	raise_severe(d, 1, "warning");
	while (deliver_lost(d).alarms < 2)
		usleep(1000);
	assert_int_equal(deliver_lost(d).critical, 1);
	lost = deliver_close(d, 10000, why, sizeof why);
	assert_int_equal(lost.alarms, 2);
	assert_int_equal(lost.critical, 1);
	d = open_it(NULL, "command+", "[\"sleep\",\"1000\"]");
	raise_severe(d, 0, "critical");
	raise_severe(d, 1, "warning");
	lost = deliver_close(d, 100, why, sizeof why);
	assert_int_equal(lost.alarms, 2);
	assert_int_equal(lost.critical, 1);
}

/* Alarms that wait and are not delivered at the next start either wait on. */
static void what_waits_waits_on(void **state)
{
	char spool[256], file[256], why[800];
	struct deliver *d;

	(void)state;
	snprintf(spool, sizeof spool, "%s", in_dir("spool3"));
	snprintf(file, sizeof file, "%s", in_dir("full3"));
	assert_int_equal(symlink("/dev/full", file), 0);
	for (int i = 0; i < 3; i++) {
		d = open_it(spool, "file+", file);
		raise_severe(d, i, "critical");
		assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms, i + 1);
		assert_int_equal(lines_of(spool), i + 1);
	}
	assert_int_equal(unlink(spool), 0);
	d = open_it(spool, "file+", file);
	assert_int_equal(symlink("/etc/hostname", spool), 0); /* never through a link */
	raise_severe(d, 0, "critical");
	assert_int_equal(deliver_close(d, 10000, why, sizeof why).alarms, 1);
	assert_null(strstr(why, "next start"));
	assert_non_null(strstr(why, "(critical: 1, which could not be kept in "));
}

/* A link, a directory, a file of somebody else: refused before anything is sent, and left as it is. */
static void what_is_no_spool_is_refused(void **state)
{
	char path[256];
	const struct deliver_config cfg = { .to = (const char *const[]){ "file+/dev/null", NULL },
					    .spool = path,
					    .clock = &clock_system };
	struct deliver *d;
	struct err err;
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s", in_dir("a_link"));
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_int_equal(deliver_open(&d, &cfg, &err), -ERR_USAGE);
	snprintf(path, sizeof path, "%s", in_dir("a_folder"));
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(deliver_open(&d, &cfg, &err), -ERR_USAGE);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof path, "%s", in_dir("a_text"));
	f = fopen(path, "w");
	assert_true(f && fputs("my thesis\n", f) > 0 && !fclose(f));
	assert_int_equal(deliver_open(&d, &cfg, &err), -ERR_USAGE);
	assert_int_equal(lines_of(path), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_gets_every_alarm_in_order),
		cmocka_unit_test(commands_leave_no_zombies),
		cmocka_unit_test(commands_leave_nothing_running),
		cmocka_unit_test(what_is_lost_is_counted),
		cmocka_unit_test(a_critical_alarm_that_nothing_keeps_is_counted),
		cmocka_unit_test(what_is_no_spool_is_refused),
		cmocka_unit_test(a_file_that_breaks_is_told),
		cmocka_unit_test(bad_configurations_are_refused),
		cmocka_unit_test(critical_alarms_wait_for_the_next_start),
		cmocka_unit_test(what_waits_is_delivered_once),
		cmocka_unit_test(what_waits_waits_on),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
