#include "cli/args.h"

#include "base/suggest.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool taken_by(const struct option_spec *o, enum command_id command)
{
	return o->commands >> command & 1;
}

static void set_defaults(struct options *opts)
{
	*opts = (struct options){ 0 };
	for (size_t i = 0; i < option_specs_n; i++) {
		void *member = (char *)opts + option_specs[i].offset;

		if (option_specs[i].kind == OPTION_IS_NUMBER)
			*(double *)member = NAN;
		else if (option_specs[i].kind == OPTION_IS_COUNT)
			*(uint64_t *)member = UINT64_MAX;
	}
}

static int bad_value(const struct option_spec *o, const char *value, const char *expected, struct err *err)
{
	return err_set(err, ERR_USAGE, "--%s: found \"%s\", expected %s", o->name, value, expected);
}

static int store(struct options *opts, const struct option_spec *o, const char *value, struct err *err)
{
	void *member = (char *)opts + o->offset;
	char *end;

	errno = 0;
	switch (o->kind) {
	case OPTION_IS_FLAG:
		*(bool *)member = true;
		return 0;
	case OPTION_IS_TEXT:
		*(const char **)member = value;
		return 0;
	case OPTION_IS_COUNT:
		*(uint64_t *)member = strtoull(value, &end, 10);
		if (!*value || *end || errno || strchr(value, '-') || *(uint64_t *)member > (UINT64_C(1) << 53))
			return bad_value(o, value, "a whole number from 0 to 9007199254740992", err);
		return 0;
	case OPTION_IS_NUMBER:
		*(double *)member = strtod(value, &end);
		if (!*value || *end || !isfinite(*(double *)member) || *(double *)member < 0)
			return bad_value(o, value, "a number that is not negative", err);
		return 0;
	}
	return 0;
}

static int unknown_option(enum command_id command, struct slice name, struct err *err)
{
	struct suggestion s = { .word = name };
	int rc = err_set(err, ERR_USAGE, "%s: there is no option --%.*s", command_specs[command].name, SLICE_ARG(name));

	for (size_t i = 0; i < option_specs_n; i++)
		if (taken_by(&option_specs[i], command))
			suggest_offer(&s, option_specs[i].name);
	if (s.best)
		err_hint(err, "did you mean --%s? `rwkvmon %s --help` lists all", s.best, command_specs[command].name);
	else
		err_hint(err, "`rwkvmon %s --help` lists all options", command_specs[command].name);
	return rc;
}

static const struct option_spec *find(enum command_id command, struct slice name, char letter)
{
	for (size_t i = 0; i < option_specs_n; i++)
		if (taken_by(&option_specs[i], command) &&
		    (letter ? option_specs[i].letter == letter : slice_is(name, option_specs[i].name)))
			return &option_specs[i];
	return NULL;
}

/* "[ADDR:PORT]": the value may be left out. */
static bool is_optional(const struct option_spec *o)
{
	return *o->argument == '[';
}

/* Of the word after an option whose value may be left out: is it that value? */
static bool may_be_address(const char *word)
{
	return *word != '-' && (strchr(word, ':') || word[strspn(word, "0123456789.")] == 0);
}

/* Takes the option at argv[*i]; *i ends at the last word used. */
static int take_option(struct options *opts, enum command_id command, int argc, char **argv, int *i, struct err *err)
{
	const char *word = argv[*i], *value = NULL;
	bool is_long = word[1] == '-';
	const char *equals = is_long ? strchr(word, '=') : NULL;
	struct slice name = { word + 1 + is_long, equals ? (size_t)(equals - word - 2) : strlen(word + 1 + is_long) };
	const struct option_spec *o = find(command, name, is_long ? 0 : word[1]);

	if (!o)
		return unknown_option(command, name, err);
	if (!is_long && word[2])
		value = word + 2; /* -n100 */
	if (equals)
		value = equals + 1;
	if (o->kind == OPTION_IS_FLAG && value)
		return err_set(err, ERR_USAGE, "--%s takes no value", o->name);
	if (!value && is_optional(o) && (*i + 1 == argc || !may_be_address(argv[*i + 1])))
		value = "";
	if (o->kind != OPTION_IS_FLAG && !value) {
		if (*i + 1 == argc)
			return err_set(err, ERR_USAGE, "--%s: its %s is missing", o->name, o->argument);
		value = argv[++*i];
	}
	return store(opts, o, value, err);
}

int args_parse(struct options *opts, enum command_id command, int argc, char **argv, struct err *err)
{
	bool only_arguments = false;
	int rc = 0;

	set_defaults(opts);
	opts->argument = calloc((size_t)argc + 1, sizeof *opts->argument);
	if (!opts->argument)
		return err_set(err, ERR_NOMEM, "no memory for the command line");
	for (int i = 0; i < argc && !rc; i++) {
		opts->n_before_vs = opts->vs ? opts->n_before_vs : opts->n_arguments;
		if (!only_arguments && !strcmp(argv[i], "--"))
			only_arguments = true;
		else if (!only_arguments && argv[i][0] == '-' && argv[i][1])
			rc = take_option(opts, command, argc, argv, &i, err);
		else
			opts->argument[opts->n_arguments++] = argv[i];
	}
	opts->n_before_vs = opts->vs ? opts->n_before_vs : opts->n_arguments;
	if (!rc && opts->n_arguments && !*command_specs[command].arguments && !opts->help) {
		rc = err_set(err, ERR_USAGE, "%s: takes no argument, but found \"%s\"", command_specs[command].name, opts->argument[0]);
		err_hint(err, "quote texts that hold spaces; `rwkvmon %s --help` shows an example", command_specs[command].name);
	}
	return rc;
}

void args_free(struct options *opts)
{
	free(opts->argument);
	opts->argument = NULL;
}

enum command_id args_command(const char *word, struct err *err)
{
	struct suggestion s = { .word = slice_of(word) };

	for (int c = 0; c < COMMAND_COUNT; c++) {
		if (!strcmp(command_specs[c].name, word))
			return (enum command_id)c;
		suggest_offer(&s, command_specs[c].name);
	}
	err_set(err, ERR_USAGE, "there is no command \"%s\"", word);
	if (s.best)
		err_hint(err, "did you mean `rwkvmon %s`? `rwkvmon --help` lists all commands", s.best);
	else
		err_hint(err, "`rwkvmon --help` lists all commands");
	return COMMAND_COUNT;
}

enum lang args_lang(const char *given)
{
	static const char *const variables[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	enum lang lang = lang_of(given);

	for (size_t i = 0; i < sizeof variables / sizeof *variables && lang == LANG_COUNT; i++) {
		const char *value = getenv(variables[i]);

		lang = lang_of(value);
		if (value && *value)
			break;
	}
	return lang == LANG_COUNT ? LANG_EN : lang;
}

static void pad_to(struct buf *out, size_t from_column, size_t column)
{
	do
		buf_char(out, ' ');
	while (++from_column < column);
}

/* Text in the columns from `indent` to 80, broken at spaces (Chinese: anywhere). */
static void wrap(struct buf *out, const char *text, size_t indent)
{
	size_t column = indent;

	while (*text) {
		size_t space = strcspn(text, " "), n = space;
		char word[512];

		n = n < sizeof word - 1 ? n : sizeof word - 1;
		memcpy(word, text, n);
		word[n] = 0;
		if (column > indent && column + 1 + utf8_columns(word) > 80) {
			buf_char(out, '\n');
			pad_to(out, 0, indent);
			column = indent;
		} else if (column > indent) {
			buf_char(out, ' ');
			column++;
		}
		buf_str(out, word);
		column += utf8_columns(word);
		text += n + strspn(text + n, " ");
	}
	buf_char(out, '\n');
}

void args_help(struct buf *out, enum lang lang)
{
	static const char *const head[LANG_COUNT] = {
		"rwkvmon watches RWKV language models from inside: speed, memory, state.\n\n"
		"Usage: rwkvmon COMMAND [OPTIONS]\n\n",
		"rwkvmon 从内部监控 RWKV 语言模型:速度、内存、循环状态。\n\n用法:rwkvmon 命令 [选项]\n\n",
	};
	static const char *const tail[LANG_COUNT] = {
		"\n`rwkvmon COMMAND --help` tells more; `rwkvmon --version` what is built in.\n"
		"Exit codes: 0 fine, 1 bad news that was asked for, 2 usage,\n"
		"            3 unreadable input, 4 disk or memory\n",
		"\n详见 `rwkvmon 命令 --help`;`rwkvmon --version` 列出内置功能。\n"
		"退出码:0 正常,1 所问之事不妙,2 用法错误,3 输入不可读,4 磁盘或内存故障\n",
	};

	buf_str(out, head[lang]);
	for (int c = 0; c < COMMAND_COUNT; c++) {
		buf_printf(out, "  %-9s", command_specs[c].name);
		wrap(out, command_specs[c].help[lang], 11);
	}
	buf_str(out, tail[lang]);
}

static void option_help(struct buf *out, const struct option_spec *o, enum lang lang)
{
	enum { HELP_COLUMN = 29 };
	size_t from = out->used, used;

	if (o->letter)
		buf_printf(out, "  -%c, --%s %s", o->letter, o->name, o->argument);
	else
		buf_printf(out, "      --%s %s", o->name, o->argument);
	used = out->used - from;
	if (used >= HELP_COLUMN) {
		buf_char(out, '\n');
		used = 0;
	}
	pad_to(out, used, HELP_COLUMN);
	wrap(out, o->help[lang], HELP_COLUMN);
}

void args_command_help(struct buf *out, enum command_id command, enum lang lang)
{
	static const char *const words[LANG_COUNT][3] = { { "Usage", "Options", "Example" }, { "用法", "选项", "示例" } };
	const struct command_spec *c = &command_specs[command];

	buf_printf(out, "%s\n\n%s: rwkvmon %s [OPTIONS] %s\n\n%s:\n", c->help[lang], words[lang][0], c->name, c->arguments, words[lang][1]);
	for (size_t i = 0; i < option_specs_n; i++)
		if (taken_by(&option_specs[i], command))
			option_help(out, &option_specs[i], lang);
	buf_printf(out, "\n%s:\n  %s\n", words[lang][2], c->example);
}
