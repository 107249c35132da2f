/* Every row of settings.def arrives, from C, from the command line, from the environment. Without arguments a test;
 * with
 * --table it prints what Python must come to as well: name, sample, what stands in the configuration then. */
#include "test.h"

#include "base/file.h"
#include "cli/args.h"
#include "spec/settings.h"

#include <rwkvmon.h>
#include <stdlib.h>
#include <unistd.h>

/* What stands in a member, as text; the kinds' C types are those of the header. */
static void show(struct buf *out, const struct rwkvmon_config *cfg, enum setting_id id)
{
	static const struct {
		size_t offset, size;
	} members[SETTING_COUNT] = {
#define SETTING(commands, member, ...)                                                                                 \
	[SETTING_##member] = { offsetof(struct rwkvmon_config, member), sizeof(((struct rwkvmon_config *)0)->member) },
#include "spec/settings.def"
#undef SETTING
	};
	const void *member = (const char *)cfg + members[id].offset;
	uint64_t whole = 0;

	switch (setting_specs[id].kind) {
	case SETTING_IS_TEXT:
	case SETTING_IS_OUTPUT:
	case SETTING_IS_WORD:
	case SETTING_IS_GOAL:
		buf_str(out, *(const char *const *)member ? *(const char *const *)member : "(null)");
		return;
	case SETTING_IS_LIST:
		for (const char *const *one = *(const char *const *const *)member; one && *one; one++)
			buf_printf(out, "<%s>", *one);
		return;
	case SETTING_IS_NUMBER:
		buf_printf(out, "%g", *(const double *)member);
		return;
	default:
		memcpy(&whole, member, members[id].size); /* little-endian, as all that this runs on */
		buf_printf(out, "%llu", (unsigned long long)whole);
	}
}

/* A value that no default is. */
static void sample(char out[80], enum setting_id id)
{
	const struct setting_spec *s = &setting_specs[id];
	static const char *const of_kind[] = {
		[SETTING_IS_TEXT] = "a \"text\" of %s",
		[SETTING_IS_OUTPUT] = "%s.out",
		[SETTING_IS_WORD] = "",
		[SETTING_IS_CHOICE] = "",
		[SETTING_IS_LIST] = "%s+x",
		[SETTING_IS_FLAG] = "",
		[SETTING_IS_COUNT] = "12345",
		[SETTING_IS_NUMBER] = "-2.5",
		[SETTING_IS_MODE] = "0604",
		[SETTING_IS_GOAL] = "17.5tps",
	};
	const char *form = of_kind[s->kind], *mark = strstr(form, "%s");

	if (mark)
		snprintf(out, 80, "%.*s%s%s", (int)(mark - form), form, s->name, mark + 2);
	else if (*form)
		snprintf(out, 80, "%s", form);
	else if (s->kind == SETTING_IS_FLAG)
		snprintf(out, 80, "%s", strcmp(s->preset, "yes") ? "yes" : "no");
	else
		snprintf(out, 80, "%s", strrchr(s->argument, '|') + 1);
}

static void expect(struct buf *out, enum setting_id id)
{
	const struct setting_spec *s = &setting_specs[id];
	struct setting_value value;
	char text[80];

	sample(text, id);
	assert_int_equal(setting_read(&value, s, s->name, text, NULL), 0);
	if (s->kind == SETTING_IS_LIST)
		buf_printf(out, "<%s>", text);
	else if (s->kind == SETTING_IS_NUMBER)
		buf_printf(out, "%g", value.number);
	else if (s->kind == SETTING_IS_CHOICE || s->kind == SETTING_IS_FLAG || s->kind == SETTING_IS_COUNT ||
		 s->kind == SETTING_IS_MODE)
		buf_printf(out, "%llu", (unsigned long long)value.count);
	else
		buf_str(out, text);
}

static void same(const char *face, const struct rwkvmon_config *cfg, enum setting_id id)
{
	struct buf is = { 0 }, wanted = { 0 };

	show(&is, cfg, id);
	expect(&wanted, id);
	if (strcmp(is.p, wanted.p))
		fail_msg("%s: %s is %s, expected %s", face, setting_specs[id].name, is.p, wanted.p);
	buf_free(&is);
	buf_free(&wanted);
}

static void from_c(void **state)
{
	char error[RWKVMON_ERROR_BYTES], value[80];

	(void)state;
	for (int i = 0; i < SETTING_COUNT; i++) {
		struct rwkvmon_config cfg = { .struct_size = sizeof cfg };

		sample(value, (enum setting_id)i);
		if (rwkvmon_config_set(&cfg, setting_specs[i].name, value, error))
			fail_msg("%s: %s", setting_specs[i].name, error);
		memset(value, 'x', sizeof value); /* it was copied */
		same("C", &cfg, (enum setting_id)i);
		rwkvmon_config_free(&cfg);
		assert_null(cfg.owned);
	}
}

static void from_the_environment(void **state)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg };
	char error[RWKVMON_ERROR_BYTES], name[SETTING_VARIABLE_BYTES], value[80];

	(void)state;
	for (int i = 0; i < SETTING_COUNT; i++) {
		sample(value, (enum setting_id)i);
		setting_variable(name, &setting_specs[i]);
		setenv(name, value, 1);
	}
	if (rwkvmon_config_environment(&cfg, error))
		fail_msg("%s", error);
	for (int i = 0; i < SETTING_COUNT; i++)
		same("environment", &cfg, (enum setting_id)i);
	rwkvmon_config_free(&cfg);

	setenv("RWKVMON_ALARM_TO", "\nfile+a\n\ncommand+b c\n", 1);
	cfg = (struct rwkvmon_config){ .struct_size = sizeof cfg };
	assert_int_equal(rwkvmon_config_environment(&cfg, error), 0);
	assert_string_equal(cfg.alarm_to[0], "file+a");
	assert_string_equal(cfg.alarm_to[1], "command+b c");
	assert_null(cfg.alarm_to[2]);
	rwkvmon_config_free(&cfg);
	setenv("RWKVMON_LOG_KEEP", "five", 1);
	assert_true(rwkvmon_config_environment(&cfg, error) < 0);
	assert_non_null(strstr(error, "RWKVMON_LOG_KEEP: found \"five\", expected a whole number"));
	rwkvmon_config_free(&cfg);
	for (int i = 0; i < SETTING_COUNT; i++) {
		setting_variable(name, &setting_specs[i]);
		unsetenv(name);
	}
	setenv("RWKVMON_LOG", "", 1); /* as good as none */
	cfg = (struct rwkvmon_config){ .struct_size = sizeof cfg };
	assert_int_equal(rwkvmon_config_environment(&cfg, error), 0);
	assert_string_equal(cfg.log_path, "");
	assert_true(cfg.alarms_to_stderr);
	rwkvmon_config_free(&cfg);
	unsetenv("RWKVMON_LOG");
}

/* The command line keeps the rows' values for rwkvmon_config_set; rows that are no options of `run` are others of that
 * name. */
static void from_the_command_line(void **state)
{
	(void)state;
	for (int i = 0; i < SETTING_COUNT; i++) {
		struct rwkvmon_config cfg = { .struct_size = sizeof cfg };
		struct options opts;
		struct err err = { 0 };
		char value[80], option[200], *argv[] = { option };
		int rc;

		sample(value, (enum setting_id)i);
		snprintf(option, sizeof option, "--%s=%s", setting_specs[i].name, value);
		rc = args_parse(&opts, COMMAND_RUN, 1, argv, &err);
		if (rc && (i == SETTING_chunk_len || i == SETTING_strategy || i == SETTING_lang))
			fail_msg("%s: %s", option, err.text);
		if (rc)
			fail_msg("%s: %s", option, err.text);
		if (opts.n_settings) {
			assert_int_equal(opts.setting[0].id, i);
			assert_int_equal(rwkvmon_config_set(&cfg, setting_specs[i].name, opts.setting[0].value, NULL),
					 0);
			same("command line", &cfg, (enum setting_id)i);
		} else {
			assert_true(i == SETTING_chunk_len || i == SETTING_strategy || i == SETTING_lang);
		}
		rwkvmon_config_free(&cfg);
		args_free(&opts);
	}
}

/* A variable stands for the option that was not given. */
static void from_variables_of_the_command_line(void **state)
{
	(void)state;
	for (int i = 0; i < SETTING_COUNT; i++) {
		struct rwkvmon_config cfg = { .struct_size = sizeof cfg };
		struct options opts;
		struct err err = { 0 };
		char name[SETTING_VARIABLE_BYTES], value[80];

		sample(value, (enum setting_id)i);
		setting_variable(name, &setting_specs[i]);
		setenv(name, value, 1);
		if (args_parse(&opts, COMMAND_RUN, 0, NULL, &err))
			fail_msg("%s=%s: %s", name, value, err.text);
		unsetenv(name);
		if (i == SETTING_strategy || i == SETTING_lang)
			assert_string_equal(i == SETTING_lang ? opts.lang : opts.strategy, value);
		else if (i == SETTING_chunk_len)
			assert_int_equal(opts.chunk_len, strtoull(value, NULL, 10));
		else {
			assert_int_equal(opts.n_settings, 1);
			assert_int_equal(opts.setting[0].id, i);
			assert_int_equal(rwkvmon_config_set(&cfg, setting_specs[i].name, opts.setting[0].value, NULL),
					 0);
			same("variable of the command line", &cfg, (enum setting_id)i);
		}
		rwkvmon_config_free(&cfg);
		args_free(&opts);
	}
}

static int parse(enum command_id command, struct options *opts, struct err *err, char *a, char *b, char *c, char *d)
{
	char *argv[] = { a, b, c, d };
	int argc = 0;

	while (argc < 4 && argv[argc])
		argc++;
	*err = (struct err){ 0 };
	return args_parse(opts, command, argc, argv, err);
}

/* Of every option of every command: a second one adds, or is refused. */
static void no_option_overrides_an_earlier_one(void **state)
{
	struct options opts;
	struct err err;

	(void)state;
	for (int c = 0; c < COMMAND_COUNT; c++)
		for (size_t i = 0; i < option_specs_n; i++) {
			const struct option_spec *o = &option_specs[i];
			bool list = o->kind == OPTION_IS_LIST;
			bool adds = o->kind == OPTION_IS_SETTING && setting_specs[o->offset].kind == SETTING_IS_LIST;
			char option[200], value[80] = "1";
			int rc;

			if (!(o->commands >> c & 1))
				continue;
			if (o->kind == OPTION_IS_SETTING)
				sample(value, (enum setting_id)o->offset);
			snprintf(option, sizeof option, o->kind == OPTION_IS_FLAG ? "--%s" : "--%s=%s", o->name, value);
			rc = parse((enum command_id)c, &opts, &err, option, option, NULL, NULL);
			if (list   ? rc || !((const char **)((char *)&opts + o->offset))[1]
			    : adds ? rc || opts.n_settings != 2
				   : rc != -ERR_USAGE || !strstr(err.text, "is given twice"))
				fail_msg("%s %s %s: %d %s", command_specs[c].name, option, option, rc, err.text);
			args_free(&opts);
		}
}

static bool may_stand_alone(const struct option_spec *o)
{
	return o->kind == OPTION_IS_FLAG || *o->argument == '[' ||
	       (o->kind == OPTION_IS_SETTING && setting_specs[o->offset].kind == SETTING_IS_FLAG);
}

/* Is there a form that not every text has? */
static bool has_form(const struct option_spec *o)
{
	const enum setting_kind kind = o->kind == OPTION_IS_SETTING ? setting_specs[o->offset].kind : SETTING_IS_TEXT;

	return o->kind == OPTION_IS_COUNT || o->kind == OPTION_IS_NUMBER ||
	       (kind != SETTING_IS_TEXT && kind != SETTING_IS_OUTPUT && kind != SETTING_IS_LIST);
}

/* The words are refused, with a message that names the option. */
static void refused(enum command_id command, const struct option_spec *o, char *a, char *b)
{
	struct options opts;
	struct err err;
	const int rc = parse(command, &opts, &err, a, b, NULL, NULL);

	if (rc != -ERR_USAGE || !strstr(err.text, o->name))
		fail_msg("%s %s %s: %d %s", command_specs[command].name, a, b ? b : "", rc, err.text);
	args_free(&opts);
}

static void refused_in_file(enum command_id command, const struct option_spec *o, const char *path, char *settings)
{
	struct options opts;
	struct err err;
	char line[200];

	snprintf(line, sizeof line, "# the first line\n%s:\n", o->name);
	assert_int_equal(file_write(path, slice_of(line), NULL), 0);
	snprintf(line, sizeof line, "%s:2: %s: ", path, o->name);
	if (parse(command, &opts, &err, settings, NULL, NULL, NULL) != -ERR_USAGE ||
	    strncmp(err.text, line, strlen(line)) != 0)
		fail_msg("%s: an empty %s in a file: %s", command_specs[command].name, o->name, err.text);
	args_free(&opts);
}

/* Of every option of every command: a value that is missing, empty or of no such form is refused. */
static void no_option_takes_a_value_that_is_none(void **state)
{
	char path[] = "/tmp/rwkvmon-settings-XXXXXX", settings[80], alone[80], empty[80], odd[80], next[] = "--help";

	(void)state;
	close(mkstemp(path));
	snprintf(settings, sizeof settings, "--settings=%s", path);
	for (int c = 0; c < COMMAND_COUNT; c++)
		for (size_t i = 0; i < option_specs_n; i++) {
			const struct option_spec *o = &option_specs[i];
			const enum command_id command = (enum command_id)c;
			const bool takes_file = command == COMMAND_RUN || command == COMMAND_CHAT;

			if (!(o->commands >> c & 1) || o->kind == OPTION_IS_FLAG)
				continue;
			snprintf(alone, sizeof alone, "--%s", o->name);
			snprintf(empty, sizeof empty, "--%s=", o->name);
			snprintf(odd, sizeof odd, "--%s=x!", o->name);
			if (!may_stand_alone(o))
				refused(command, o, alone, NULL);
			if (!may_stand_alone(o))
				refused(command, o, alone, next);
			if (strcmp(o->name, "prompt"))
				refused(command, o, empty, NULL);
			if (has_form(o))
				refused(command, o, odd, NULL);
			if (takes_file && *o->argument != '[' && strcmp(o->name, "prompt") &&
			    strcmp(o->name, "settings") && strcmp(o->name, "lang"))
				refused_in_file(command, o, path, settings);
		}
	unlink(path);
}

/* Neither a log that is missing nor one of the logs: an address that is none. */
static void a_word_behind_listen_is_an_address_or_a_log(void **state)
{
	char listen[] = "--listen", word[] = "x", path[] = "logs/x", there[] = "/dev/null", address[] = "0.0.0.0:0";
	struct options opts;
	struct err err;

	(void)state;
	assert_int_equal(parse(COMMAND_SERVE, &opts, &err, listen, word, NULL, NULL), 0);
	assert_string_equal(option_setting(&opts, SETTING_listen), "x");
	args_free(&opts);
	assert_int_equal(parse(COMMAND_SERVE, &opts, &err, listen, address, path, NULL), 0);
	assert_string_equal(option_setting(&opts, SETTING_listen), address);
	assert_int_equal(opts.n_arguments, 1);
	args_free(&opts);
	assert_int_equal(parse(COMMAND_SERVE, &opts, &err, listen, path, NULL, NULL), 0);
	assert_string_equal(option_setting(&opts, SETTING_listen), "");
	assert_int_equal(opts.n_arguments, 1);
	args_free(&opts);
	assert_int_equal(parse(COMMAND_SERVE, &opts, &err, listen, there, NULL, NULL), 0);
	assert_int_equal(opts.n_arguments, 1);
	args_free(&opts);
	assert_int_equal(parse(COMMAND_RUN, &opts, &err, listen, there, NULL, NULL), 0);
	assert_string_equal(option_setting(&opts, SETTING_listen), there);
	args_free(&opts);
}

static void flags_and_addresses_may_stand_alone(void **state)
{
	char tokens[] = "--log-tokens", no[] = "--log-text=no", listen[] = "--listen", next[] = "-q", text[] = "often",
	     sync[] = "--fsync";
	struct options opts;
	struct err err;

	(void)state;
	assert_int_equal(parse(COMMAND_RUN, &opts, &err, tokens, no, listen, next), 0);
	assert_string_equal(option_setting(&opts, SETTING_log_tokens), "yes");
	assert_string_equal(option_setting(&opts, SETTING_log_text), "no");
	assert_string_equal(option_setting(&opts, SETTING_listen), "");
	assert_true(opts.quiet);
	args_free(&opts);
	assert_int_equal(parse(COMMAND_RUN, &opts, &err, sync, text, NULL, NULL), -ERR_USAGE);
	assert_string_equal(err.text, "--fsync: found \"often\", expected interval, never or record");
	args_free(&opts);
}

static void an_option_comes_before_its_variable(void **state)
{
	char keep[] = "--log-keep=3", to[] = "--alarm-to=file+c";
	struct options opts;
	struct err err;

	(void)state;
	setenv("RWKVMON_LOG_KEEP", "5", 1);
	setenv("RWKVMON_ALARM_TO", "file+a\nfile+b", 1);
	setenv("RWKVMON_LISTEN", "", 1); /* as good as none */
	setenv("RWKVMON_LOG_TEXT", "yes", 1);
	assert_int_equal(parse(COMMAND_RUN, &opts, &err, keep, to, NULL, NULL), 0);
	assert_int_equal(opts.n_given, 2);
	assert_int_equal(opts.n_settings, 3);
	assert_string_equal(option_setting(&opts, SETTING_log_keep), "3");
	assert_string_equal(option_setting(&opts, SETTING_alarm_to), "file+c");
	assert_string_equal(option_setting(&opts, SETTING_log_text), "yes");
	args_free(&opts);
	assert_int_equal(parse(COMMAND_ANALYZE, &opts, &err, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(opts.n_settings, 0);
	args_free(&opts);
	setenv("RWKVMON_LANG", "fr", 1);
	assert_int_equal(parse(COMMAND_ANALYZE, &opts, &err, NULL, NULL, NULL, NULL), -ERR_USAGE);
	assert_string_equal(err.text, "RWKVMON_LANG: found \"fr\", expected en or zh");
	args_free(&opts);
	for (int i = 0; i < SETTING_COUNT; i++) {
		char name[SETTING_VARIABLE_BYTES];

		setting_variable(name, &setting_specs[i]);
		unsetenv(name);
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const bad[][2] = {
		{ "log-kep", "5" },      { "log-keep", "" },
		{ "log-keep", "-1" },    { "log-keep", "99999999999" },
		{ "log-mode", "9" },     { "log-mode", "0777" },
		{ "log-mode", "0" },     { "goal", "20" },
		{ "goal", "inftps" },    { "goal", " 20tps" },
		{ "max-streams", "0" },  { "ring-bytes", "10" },
		{ "state-memory", "0" }, { "goal", "-3ms" },
		{ "goal", "0tps" },      { "fsync", "" },
		{ "lang", "fr" },        { "log-tokens", "maybe" },
		{ "alarm-to", "" },      { "overhead-budget-pct", "x" },
	};
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg }, small = { .struct_size = 8 };
	char error[RWKVMON_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		*error = 0;
		if (rwkvmon_config_set(&cfg, bad[i][0], bad[i][1], error) >= 0)
			fail_msg("%s is set to \"%s\"", bad[i][0], bad[i][1]);
		assert_true(*error);
	}
	assert_true(rwkvmon_config_set(&cfg, "log-kep", "5", error) < 0);
	assert_non_null(strstr(error, "did you mean \"log-keep\"?"));
	assert_true(rwkvmon_config_set(&small, "log-keep", "5", error) < 0);
	assert_int_equal(small.log_keep, 0);
	assert_true(rwkvmon_config_set(NULL, "log-keep", "5", error) < 0);
	assert_true(rwkvmon_config_set(&cfg, NULL, "5", NULL) < 0);
	assert_true(rwkvmon_config_set(&cfg, "log-keep", NULL, NULL) < 0);
	assert_int_equal(rwkvmon_config_set(&cfg, "log", "none", error), 0);
	assert_null(cfg.log_path);
	rwkvmon_config_free(&cfg);
	rwkvmon_config_free(NULL);
}

/* A row's preset is what its zero means, but for the two that the table names. */
static void presets_are_the_defaults(void **state)
{
	(void)state;
	for (int i = 0; i < SETTING_COUNT; i++) {
		struct rwkvmon_config cfg = { .struct_size = sizeof cfg };

		if (!setting_specs[i].preset)
			continue;
		if (rwkvmon_config_set(&cfg, setting_specs[i].name, setting_specs[i].preset, NULL))
			fail_msg("%s: its preset is refused", setting_specs[i].name);
		rwkvmon_config_free(&cfg);
	}
}

static int print_table(void)
{
	for (int i = 0; i < SETTING_COUNT; i++) {
		struct buf wanted = { 0 };
		char value[80];

		sample(value, (enum setting_id)i);
		expect(&wanted, (enum setting_id)i);
		printf("%s\t%s\t%s\t%s\n", setting_specs[i].name, setting_specs[i].member, value, wanted.p);
		buf_free(&wanted);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_c),
		cmocka_unit_test(from_the_environment),
		cmocka_unit_test(from_the_command_line),
		cmocka_unit_test(from_variables_of_the_command_line),
		cmocka_unit_test(an_option_comes_before_its_variable),
		cmocka_unit_test(no_option_overrides_an_earlier_one),
		cmocka_unit_test(no_option_takes_a_value_that_is_none),
		cmocka_unit_test(a_word_behind_listen_is_an_address_or_a_log),
		cmocka_unit_test(flags_and_addresses_may_stand_alone),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(presets_are_the_defaults),
	};

	if (argc > 1 && !strcmp(argv[1], "--table"))
		return print_table();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
