/* args.c - parses argv by the option table, and prints help from the same rows. */
#include "cli/args.h"

#include "base/file.h"
#include "base/suggest.h"
#include "base/tty.h"
#include "base/yaml.h"
#include "cli/tell.h"
#include "report/terminal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MOST = 1000 };

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

static int bad_value(const char *label, const char *value, const char *expected, struct err *err)
{
	return err_set(err, ERR_USAGE, "%s: found \"%s\", expected %s", label, value, err_words(expected));
}

/* Keeps the setting for rwkvmon_config_set, and refuses at once a value that it would refuse. */
static int store_setting(struct options *opts, const struct option_spec *o, const char *label, const char *value,
			 struct err *err)
{
	enum setting_id id = (enum setting_id)o->offset;
	struct setting_value read;

	opts->setting[opts->n_settings++] = (struct option_setting){ id, value };
	return setting_read(&read, &setting_specs[id], label, value, err);
}

static int add_to_list(const char **list, const char *label, const char *value, struct err *err)
{
	size_t n = 0;

	while (list[n])
		n++;
	if (n == OPTION_TIMES)
		return err_set(err, ERR_USAGE, "%s: given more than %d times", label, OPTION_TIMES);
	list[n] = value;
	return 0;
}

/* `label` names what the user wrote: "--top-k", "RWKVMON_LOG_KEEP". */
static int store(struct options *opts, const struct option_spec *o, const char *label, const char *value,
		 struct err *err)
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
			return bad_value(label, value, "a whole number from 0 to 9007199254740992", err);
		return 0;
	case OPTION_IS_NUMBER:
		*(double *)member = strtod(value, &end);
		if (!*value || *end || !isfinite(*(double *)member) || *(double *)member < 0)
			return bad_value(label, value, "a number that is not negative", err);
		return 0;
	case OPTION_IS_LIST:
		return add_to_list(member, label, value, err);
	case OPTION_IS_SETTING:
		return store_setting(opts, o, label, value, err);
	}
	return 0;
}

/* Whether other commands have the option; the hint then names them. */
static bool offer_other_commands(enum command_id command, struct slice name, struct err *err)
{
	char names[200] = "";

	for (int c = 0; c < COMMAND_COUNT; c++)
		for (size_t i = 0; i < option_specs_n; i++) {
			const size_t n = strlen(names);

			if (taken_by(&option_specs[i], (enum command_id)c) && slice_is(name, option_specs[i].name))
				snprintf(names + n, sizeof names - n, "%s%s", n ? err_words(", ") : "",
					 command_specs[c].name);
		}
	if (*names)
		err_hint(err, "it is an option of %s; `rwkvmon %s --help` lists those of %s", names,
			 command_specs[command].name, command_specs[command].name);
	return *names;
}

/* `word` is what was typed: --name or -letter. */
static int unknown_option(enum command_id command, const char *word, struct slice name, struct err *err)
{
	struct suggestion s = { .word = name };
	const bool is_letter = word[1] != '-';
	int rc = err_set(err, ERR_USAGE, "%s: there is no option %.*s", command_specs[command].name,
			 (int)(is_letter ? 2 : name.n + 2), word);

	if (!is_letter && offer_other_commands(command, name, err))
		return rc;
	for (size_t i = 0; i < option_specs_n; i++)
		if (!is_letter && taken_by(&option_specs[i], command))
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

/* For an option whose value may be left out: is the next word its value? What is neither an address nor there as a file
 * is a mistaken address rather than a log that is missing; so is every word of a command without arguments. */
static bool may_be_address(enum command_id command, const char *word)
{
	if (*word == '-')
		return false;
	if (strchr(word, ':') || word[strspn(word, "0123456789.")] == 0 || !*command_specs[command].arguments)
		return true;
	return !strpbrk(word, "/*?[") && access(word, F_OK);
}

static bool is_flag(const struct option_spec *o)
{
	return o->kind == OPTION_IS_FLAG;
}

/* A flag that may be given a value, with `=` only: --log-tokens, --log-tokens=no. */
static bool is_setting_flag(const struct option_spec *o)
{
	return o->kind == OPTION_IS_SETTING && setting_specs[o->offset].kind == SETTING_IS_FLAG;
}

static bool may_repeat(const struct option_spec *o)
{
	return o->kind == OPTION_IS_LIST ||
	       (o->kind == OPTION_IS_SETTING && setting_specs[o->offset].kind == SETTING_IS_LIST);
}

/* Refuses a repeated option, instead of silently overriding the first. */
static int note_given(struct options *opts, const struct option_spec *o, struct err *err)
{
	bool *has = &opts->has[o - option_specs];

	if (*has && !may_repeat(o)) {
		err_set(err, ERR_USAGE, "--%s is given twice", o->name);
		return err_hint(err, "give it once: it takes one value");
	}
	*has = opts->named[o - option_specs] = true;
	return 0;
}

/* `label` names what the user wrote. An empty value is mostly a shell's variable that is not set; only a text to
 * continue may be empty. */
static int check_filled(const struct option_spec *o, const char *label, const char *value, struct err *err)
{
	if (is_flag(o) || *value || !strcmp(o->name, "prompt"))
		return 0;
	return err_set(err, ERR_USAGE, "%s: its %s is empty", label, is_setting_flag(o) ? "yes|no" : o->argument);
}

/* Is the word one of the command's options, rather than the value of the one before it? */
static bool is_option(enum command_id command, const char *word)
{
	if (word[0] != '-' || !word[1])
		return false;
	if (word[1] != '-')
		return !word[2] && find(command, (struct slice){ "", 0 }, word[1]);
	return find(command, (struct slice){ word + 2, strcspn(word + 2, "=") }, 0);
}

/* The value in the next word. */
static int take_next(const char **value, const struct option_spec *o, enum command_id command, const char *next,
		     struct err *err)
{
	*value = next;
	if (next && !is_option(command, next))
		return 0;
	err_set(err, ERR_USAGE, "--%s: its %s is missing", o->name, o->argument);
	return next ? err_hint(err, "behind it stands the option %s; if that is the value, write --%s=%s", next,
			       o->name, next)
		    : -ERR_USAGE;
}

/* Takes the option at argv[*i]; *i ends at the last word used. */
static int parse_option(struct options *opts, enum command_id command, int argc, char **argv, int *i, struct err *err)
{
	const char *word = argv[*i], *value = NULL;
	bool is_long = word[1] == '-';
	const char *equals = is_long ? strchr(word, '=') : NULL;
	char label[64];
	struct slice name = { word + 1 + is_long, equals ? (size_t)(equals - word - 2) : strlen(word + 1 + is_long) };
	const struct option_spec *o = find(command, name, is_long ? 0 : word[1]);

	if (!o)
		return unknown_option(command, word, name, err);
	if (note_given(opts, o, err))
		return -ERR_USAGE;
	snprintf(label, sizeof label, "--%s", o->name);
	if (!is_long && word[2])
		value = word + 2; /* -n100 */
	if (equals)
		value = equals + 1;
	if (is_flag(o) && value)
		return err_set(err, ERR_USAGE, "--%s takes no value", o->name);
	if (!value && is_optional(o) && (*i + 1 == argc || !may_be_address(command, argv[*i + 1])))
		return store(opts, o, label, "", err);
	if (!value && is_setting_flag(o))
		value = "yes";
	if (!is_flag(o) && !value && take_next(&value, o, command, ++*i < argc ? argv[*i] : NULL, err))
		return -ERR_USAGE;
	if (check_filled(o, label, value, err))
		return -ERR_USAGE;
	return store(opts, o, label, value, err);
}

/* The setting that an option sets: its own row, or the row with that name, of a command that judges (--goal) or of
 * `run` alone (--strategy). SETTING_COUNT: none. */
static enum setting_id setting_of(const struct option_spec *o)
{
	if (o->kind == OPTION_IS_SETTING)
		return (enum setting_id)o->offset;
	for (size_t i = 0; i < option_specs_n; i++)
		if (option_specs[i].kind == OPTION_IS_SETTING && !strcmp(option_specs[i].name, o->name))
			return (enum setting_id)option_specs[i].offset;
	return SETTING_COUNT;
}

static bool is_url(const char *word)
{
	return strstr(word, "://");
}

/* Is it judged by what runs elsewhere, or later? Then what a variable says of rules or a goal has no effect, which is
 * no mistake of the caller's: it is meant for other commands. */
static bool is_judged_elsewhere(const struct options *opts)
{
	return opts->partial || (opts->n_arguments && is_url(opts->argument[0]));
}

/* An option that was not given takes the value of its environment variable (for --log-keep: RWKVMON_LOG_KEEP). */
static int store_variables(struct options *opts, enum command_id command, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < option_specs_n && !rc; i++) {
		const struct option_spec *o = &option_specs[i];
		enum setting_id id = setting_of(o);
		char name[SETTING_VARIABLE_BYTES];
		struct setting_value read;
		const char *value;

		if (!taken_by(o, command) || opts->has[i] || id == SETTING_COUNT ||
		    (o->kind != OPTION_IS_SETTING && is_judged_elsewhere(opts)))
			continue;
		setting_variable(name, &setting_specs[id]);
		value = secure_getenv(name);
		if (!value || !*value)
			continue;
		opts->has[i] = true;
		rc = setting_read(&read, &setting_specs[id], name, value, err);
		if (!rc)
			rc = store(opts, o, name, value, err);
	}
	return rc;
}

enum { SETTINGS_MAX_BYTES = 1 << 20 };

/* Options that choose the file, or that apply before it is read, cannot be in it. */
static bool may_be_in_file(const struct option_spec *o)
{
	return strcmp(o->name, "settings") && strcmp(o->name, "help") && strcmp(o->name, "lang");
}

static int unknown_key(const char *path, const struct yaml_node *key, enum command_id command, struct err *err)
{
	struct suggestion s = { .word = slice_of(key->text) };

	for (size_t i = 0; i < option_specs_n; i++)
		if (taken_by(&option_specs[i], command) && may_be_in_file(&option_specs[i]))
			suggest_offer(&s, option_specs[i].name);
	yaml_error(err, ERR_USAGE, path, key, "there is no option \"%s\"", key->text);
	if (s.best)
		return err_hint(err, "did you mean %s? `rwkvmon %s --help` lists all", s.best,
				command_specs[command].name);
	return err_hint(err, "names are those of `rwkvmon %s --help`, without the dashes", command_specs[command].name);
}

/* One line of --settings; an option that was given already stays. */
static int store_line(struct options *opts, enum command_id command, const struct yaml_node *key,
		      const struct yaml_node *value, struct err *err)
{
	static const struct setting_spec yes_or_no = { .kind = SETTING_IS_FLAG };
	const struct option_spec *o = find(command, slice_of(key->text), 0);
	struct setting_value read;
	char label[128];
	int rc = 0;

	if (!o || !may_be_in_file(o))
		return unknown_key(opts->settings, key, command, err);
	if (value->kind != YAML_SCALAR)
		return yaml_error(err, ERR_USAGE, opts->settings, value, "expected one value for %s", key->text);
	if (opts->has[o - option_specs])
		return 0;
	opts->has[o - option_specs] = true;
	snprintf(label, sizeof label, "%s:%d: %s", opts->settings, value->line, key->text);
	if (!is_optional(o) && check_filled(o, label, value->text, err))
		return -ERR_USAGE;
	if (is_flag(o) && ((rc = setting_read(&read, &yes_or_no, label, value->text, err)) || !read.count))
		return rc;
	return store(opts, o, label, value->text, err);
}

/* What was set neither by an option nor by a variable takes its value from the file that --settings names. */
static int store_file(struct options *opts, enum command_id command, struct err *err)
{
	const struct yaml_node *root = NULL;
	struct buf text = { 0 };
	int rc = file_read(&text, opts->settings, SETTINGS_MAX_BYTES, err);

	if (!rc)
		rc = yaml_parse(&root, &opts->file, buf_slice(&text), opts->settings, err);
	buf_free(&text);
	if (!rc && (!root || root->kind != YAML_MAPPING)) {
		err_set(err, ERR_USAGE, "%s: expected options, one a line", opts->settings);
		rc = err_hint(err, "such as: threads: 2");
	}
	for (size_t i = 0; !rc && i < root->n; i++)
		rc = yaml_repeats(root, i) ? yaml_error(err, ERR_USAGE, opts->settings, root->key[i],
							"%s is given twice", root->key[i]->text)
					   : store_line(opts, command, root->key[i], root->item[i], err);
	return rc;
}

static int reserve_words(struct options *opts, int argc, struct err *err)
{
	opts->argument = calloc((size_t)argc + 1, sizeof *opts->argument);
	opts->setting = calloc((size_t)argc + SETTING_COUNT, sizeof *opts->setting);
	opts->named = calloc(option_specs_n, sizeof *opts->named);
	opts->has = calloc(option_specs_n, sizeof *opts->has);
	return opts->argument && opts->setting && opts->named && opts->has
		       ? 0
		       : err_set(err, ERR_NOMEM, "no memory for the command line");
}

/* Reports a variable whose name is almost one of ours, such as RWKVMON_LOGKEEP: it is probably a misspelling. */
static void tell_misspelt_variables(enum lang lang)
{
	static const char ours[] = "RWKVMON_";

	for (char **at = environ; *at; at++) {
		struct slice name = { *at, strcspn(*at, "=") };
		struct suggestion near = { .word = { *at + sizeof ours - 1, name.n - (sizeof ours - 1) } };
		char known[SETTING_COUNT][SETTING_VARIABLE_BYTES], found[64];
		bool is_known = false;

		if (strncmp(*at, ours, sizeof ours - 1) || near.word.n < 5 || name.n >= sizeof found)
			continue;
		for (int i = 0; i < SETTING_COUNT; i++) {
			setting_variable(known[i], &setting_specs[i]);
			is_known |= slice_is(name, known[i]);
			suggest_offer(&near, known[i] + sizeof ours - 1);
		}
		snprintf(found, sizeof found, "%.*s", SLICE_ARG(name));
		if (!is_known && near.best && near.best_distance <= 2)
			args_say(lang, TEXT_MISSPELT_VARIABLE, found, near.best);
	}
}

static bool ends_with(const char *word, const char *end)
{
	const size_t n = strlen(word), tail = strlen(end);

	return n > tail && !strcmp(word + n - tail, end);
}

static bool is_model(const char *word)
{
	static const char *const ends[] = { ".pth", ".safetensors", ".st", ".bin", ".gguf" };
	bool is = false;

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		is |= ends_with(word, ends[i]);
	return is;
}

static bool is_log(const char *word)
{
	return ends_with(word, ".log") || ends_with(word, ".jsonl");
}

static bool is_numbers(const char *word)
{
	return *word && !word[strspn(word, "0123456789,")];
}

static bool is_file_name(const char *word)
{
	return !access(word, F_OK);
}

static bool is_text(const char *word)
{
	return *word;
}

/* Of commands that take no argument: the option that the word was probably meant for. */
static const struct {
	enum command_id command;
	bool (*looks_so)(const char *word);
	const char *option;
} meant_for[] = {
	{ COMMAND_RUN, is_model, "model" },
	{ COMMAND_RUN, is_text, "prompt" },
	{ COMMAND_CHAT, is_model, "model" },
	{ COMMAND_CHAT, is_text, "prompt" },
	{ COMMAND_EVAL, is_model, "model" },
	{ COMMAND_EVAL, is_numbers, "tokens" },
	{ COMMAND_EVAL, is_file_name, "tokens-file" },
	{ COMMAND_PROXY, is_url, "upstream" },
	{ COMMAND_PROXY, is_log, "log" },
	{ COMMAND_TUNE, is_model, "model" },
	{ COMMAND_TUNE, is_log, "from" },
	{ COMMAND_DOCTOR, is_model, "model" },
};

static int hint_option(const struct options *opts, enum command_id command, const char *word, struct err *err)
{
	const struct command_spec *c = &command_specs[command];

	for (size_t i = 0; i < sizeof meant_for / sizeof *meant_for; i++) {
		const struct option_spec *o =
			meant_for[i].command == command ? find(command, slice_of(meant_for[i].option), 0) : NULL;

		if (o && meant_for[i].looks_so(word) && !opts->has[o - option_specs])
			return err_hint(err, "did you mean: rwkvmon %s --%s \"%s\"", c->name, o->name, word);
	}
	return err_hint(err, "quote texts that hold spaces, as in: %s", c->example);
}

static int check_arguments(const struct options *opts, enum command_id command, struct err *err)
{
	if (opts->lang && lang_of(opts->lang) == LANG_COUNT)
		return err_set(err, ERR_USAGE, "--lang: found \"%s\", expected en or zh", opts->lang);
	if (!opts->n_arguments || *command_specs[command].arguments || opts->help)
		return 0;
	err_set(err, ERR_USAGE, "%s: takes no argument, but found \"%s\"", command_specs[command].name,
		opts->argument[0]);
	return hint_option(opts, command, opts->argument[0], err);
}

/* --json and --format json are one; commands that answer in words or in JSON alone have one member for both. */
static int settle_format(struct options *opts, struct err *err)
{
	if (opts->json && !opts->format)
		opts->format = "json";
	if (!opts->answer_format)
		return 0;
	opts->json |= !strcmp(opts->answer_format, "json");
	return opts->json || !strcmp(opts->answer_format, "text")
		       ? 0
		       : bad_value("--format", opts->answer_format, "text or json", err);
}

int args_parse(struct options *opts, enum command_id command, int argc, char **argv, struct err *err)
{
	bool only_arguments = false;
	int rc;

	set_defaults(opts);
	opts->command = command;
	rc = reserve_words(opts, argc, err);
	for (int i = 0; i < argc && !rc; i++) {
		opts->n_before_vs = opts->vs ? opts->n_before_vs : opts->n_arguments;
		if (!only_arguments && !strcmp(argv[i], "--"))
			only_arguments = true;
		else if (!only_arguments && argv[i][0] == '-' && argv[i][1])
			rc = parse_option(opts, command, argc, argv, &i, err);
		else
			opts->argument[opts->n_arguments++] = argv[i];
	}
	opts->n_before_vs = opts->vs ? opts->n_before_vs : opts->n_arguments;
	opts->n_given = opts->n_settings;
	if (!rc)
		rc = store_variables(opts, command, err);
	if (!rc && opts->settings && !opts->help)
		rc = store_file(opts, command, err);
	if (!rc && !opts->help &&
	    (command == COMMAND_PROXY || command == COMMAND_SERVE || command == COMMAND_RUN || command == COMMAND_CHAT))
		tell_misspelt_variables(args_lang(opts->lang));
	rc = rc ? rc : settle_format(opts, err);
	return rc ? rc : check_arguments(opts, command, err);
}

void args_free(struct options *opts)
{
	free(opts->argument);
	free(opts->setting);
	free(opts->named);
	free(opts->has);
	arena_free(&opts->file);
	opts->argument = NULL;
	opts->setting = NULL;
	opts->named = opts->has = NULL;
}

int args_need_log(const struct options *opts, struct err *err)
{
	const struct command_spec *c = &command_specs[opts->command];

	if (opts->n_arguments)
		return 0;
	err_set(err, ERR_USAGE, "%s: no log is named", c->name);
	if (opts->command == COMMAND_WATCH || opts->command == COMMAND_SERVE)
		return err_hint(err, "name files, directories, or addresses such as http://127.0.0.1:8000: %s",
				c->example);
	if (opts->command == COMMAND_SHIP)
		return err_hint(err, "name files or directories: %s", c->example);
	return err_hint(err, "name files or directories, or - for standard input: %s", c->example);
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
	if (*word == '-')
		err_hint(err, "the command comes first, its options after it: `rwkvmon analyze --lang zh run.log`");
	else if (is_model(word))
		err_hint(err, "the command comes first: rwkvmon run --model %s", word);
	else if (is_log(word) || is_file_name(word))
		err_hint(err, "the command comes first: rwkvmon analyze %s", word);
	else if (s.best)
		err_hint(err, "did you mean `rwkvmon %s`? `rwkvmon --help` lists all commands", s.best);
	else
		err_hint(err, "`rwkvmon --help` lists all commands");
	return COMMAND_COUNT;
}

enum lang args_lang(const char *given)
{
	static const char *const variables[] = { "RWKVMON_LANG", "LC_ALL", "LC_MESSAGES", "LANG" };
	enum lang lang = lang_of(given);

	for (size_t i = 0; i < sizeof variables / sizeof *variables && lang == LANG_COUNT; i++) {
		const char *value = getenv(variables[i]);

		lang = lang_of(value);
		if (value && *value)
			break;
	}
	return lang == LANG_COUNT ? LANG_EN : lang;
}

void args_say_list(enum lang lang, enum text_id id, const char *const *values)
{
	struct buf said = { 0 };

	text_fill_list(&said, lang, id, values);
	if (said.p)
		tell("%s", said.p);
	buf_free(&said);
}

bool args_color(void)
{
	return tty_obeys(STDOUT_FILENO) && !getenv("NO_COLOR");
}

size_t args_columns(void)
{
	const char *said = getenv("COLUMNS");
	const long columns = said ? strtol(said, NULL, 10) : 0;
	struct winsize size;

	if (columns > 0 && columns <= COLUMNS_MOST)
		return (size_t)columns;
	return !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? size.ws_col : 0;
}

struct report_options args_report(const struct options *opts, const char *path)
{
	const bool screen = !path || !strcmp(path, "-");
	const size_t columns = screen ? args_columns() : 0;

	return (struct report_options){ .lang = args_lang(opts->lang),
					.color = screen && args_color(),
					.ascii = screen && !tell_draws(),
					.columns = columns < REPORT_COLUMNS_MOST ? columns : REPORT_COLUMNS_MOST };
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
	struct term t = term_begin(out, &(struct report_options){ .columns = REPORT_COLUMNS });

	t.at = indent;
	term_wrap(&t, TINT_PLAIN, text, indent);
	term_newline(&t);
}

void args_help(struct buf *out, enum lang lang)
{
	buf_str(out, text(TEXT_HELP_HEAD, lang));
	for (int c = 0; c < COMMAND_COUNT; c++) {
		buf_printf(out, "  %-9s", command_specs[c].name);
		wrap(out, command_specs[c].help[lang], 11);
	}
	buf_str(out, text(TEXT_HELP_TAIL, lang));
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

/* The values that may replace WHAT. */
static void exports_help(struct buf *out, enum lang lang)
{
	enum { HELP_COLUMN = 21 };

	buf_str(out, "WHAT:\n");
	for (int i = 0; i < EXPORT_COUNT; i++) {
		buf_printf(out, "  %s", export_specs[i].name);
		pad_to(out, 2 + strlen(export_specs[i].name), HELP_COLUMN);
		wrap(out, export_specs[i].help[lang], HELP_COLUMN);
	}
	buf_char(out, '\n');
}

void args_command_help(struct buf *out, enum command_id command, enum lang lang)
{
	bool in_settings = false;
	const struct command_spec *c = &command_specs[command];

	wrap(out, c->help[lang], 0);
	buf_char(out, '\n');
	text_fill(out, lang, TEXT_HELP_USAGE, c->name, *c->arguments ? " " : "", c->arguments);
	if (command == COMMAND_EXPORT)
		exports_help(out, lang);
	buf_str(out, text(TEXT_HELP_OPTIONS, lang));
	for (size_t i = 0; i < option_specs_n; i++) {
		if (!taken_by(&option_specs[i], command) || !*option_specs[i].help[lang])
			continue;
		if (option_specs[i].kind == OPTION_IS_SETTING && !in_settings)
			buf_str(out, text(TEXT_HELP_SETTINGS, lang));
		in_settings = option_specs[i].kind == OPTION_IS_SETTING;
		option_help(out, &option_specs[i], lang);
	}
	text_fill(out, lang, TEXT_HELP_EXAMPLE, c->example);
}
