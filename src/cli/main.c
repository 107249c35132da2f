/* main.c - the command line: find the command, read its options, do it, say what went wrong. */
#include "base/cpu.h"
#include "base/file.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/effects.h"
#include "cli/outputs.h"
#include "cli/tell.h"
#include "export/deliver.h"
#include "export/microhttpd.h"
#include "spec/messages.h"
#include "spec/text.h"

#include <fcntl.h>
#include <rwkvmon.h>
#include <signal.h>
#include <stdlib.h>

typedef int command_fn(const struct options *opts, struct err *err);

static command_fn *const commands[COMMAND_COUNT] = {
	[COMMAND_DOCTOR] = command_doctor,     [COMMAND_RUN] = command_run,
	[COMMAND_CHAT] = command_chat,         [COMMAND_EVAL] = command_eval,
	[COMMAND_ANALYZE] = command_analyze,   [COMMAND_RULES] = command_rules,
	[COMMAND_WATCH] = command_watch,       [COMMAND_COMPARE] = command_compare,
	[COMMAND_DIAGNOSE] = command_diagnose, [COMMAND_LOG] = command_log,
	[COMMAND_SERVE] = command_serve,       [COMMAND_EXPORT] = command_export,
	[COMMAND_CONVERT] = command_convert,   [COMMAND_FORECAST] = command_forecast,
	[COMMAND_PROXY] = command_proxy,       [COMMAND_FLEET] = command_fleet,
	[COMMAND_TUNE] = command_tune,         [COMMAND_SHIP] = command_ship,
};

static int fail(const struct err *err)
{
	if (err->code == ERR_CLOSED) /* as in `rwkvmon run | head`: the reader closed the pipe */
		return err_exit_code(err->code);
	if (err->text[0]) /* the answer on standard output may already say everything */
		tell_text(TEXT_TOLD, err->text);
	if (err->hint[0])
		tell("         %s\n", err->hint);
	return err_exit_code(err->code);
}

static int print(struct buf *text)
{
	struct err err = { 0 };

	return answer(text, true, &err) ? fail(&err) : 0;
}

static int help(enum lang lang)
{
	struct buf text = { 0 };

	args_help(&text, lang);
	return print(&text);
}

static int command_help(enum command_id command, enum lang lang)
{
	struct buf text = { 0 };

	args_command_help(&text, command, lang);
	return print(&text);
}

static int version(void)
{
	struct buf text = { 0 };
	char curl[80];

	deliver_version(curl, sizeof curl);
	buf_printf(&text,
		   "rwkvmon %s\n"
		   "runtime: RWKV-4, 5.0, 5.1, 5.2, 6, 7, 7a, 7b from .pth, .safetensors, ggmf .bin, .gguf;\n"
		   "         weights fp32, fp16, bf16, int8; activations always fp32\n"
		   "kernels: %s (set RWKVMON_SIMD=scalar|avx2|avx512 to lower)\n"
		   "GPU numbers: NVML, when its library is found at run time\n"
		   "alarms by HTTP: %s\n"
		   "/metrics and live page: %s\n",
		   rwkvmon_version(), cpu_features_name(), curl,
		   microhttpd_version() ? microhttpd_version() : "no, libmicrohttpd was not there at build time");
	return print(&text);
}

static int dispatch(enum command_id command, int argc, char **argv)
{
	struct options opts;
	struct err err = { 0 };
	int rc = args_parse(&opts, command, argc, argv, &err);

	if (!rc && !opts.help)
		rc = effects_check(&opts, command, &err);
	if (!rc && !opts.help)
		rc = outputs_check(&opts, &err);
	if (rc)
		rc = fail(&err);
	else if (opts.help)
		rc = command_help(command, args_lang(opts.lang));
	else
		rc = commands[command](&opts, &err) ? fail(&err) : 0;
	args_free(&opts);
	return rc;
}

/* Errors speak the language of --lang, wherever it stands, else that of the locale. */
static enum lang choose_language(int argc, char **argv)
{
	const char *given = NULL;
	enum lang lang;

	for (int i = 2; i < argc; i++)
		if (!strncmp(argv[i], "--lang", 6))
			given = argv[i][6] == '=' ? argv[i] + 7 : argv[i + 1];
	lang = args_lang(given);
	tell_open(lang);
	if (lang == LANG_ZH)
		err_translate(message_zh);
	return lang;
}

static int check_environment(struct err *err)
{
	if (cpu_ceiling_is_known())
		return 0;
	err_set(err, ERR_USAGE, "RWKVMON_SIMD: \"%s\" is none of scalar, avx2 and avx512", getenv("RWKVMON_SIMD"));
	return err_hint(err, "Unset it, or set one of these: it lowers what the processor's kernels may use.");
}

/* A standard descriptor that is closed stays unusable, instead of being taken by the next file that is opened: reading
 * and writing it fail as they did. */
static void keep_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(err_exit_code(ERR_SYSTEM));
}

/* What is said of a mapped file that lost its pages, before and behind its name. */
static const char *program, *shrank;

static void say_shrank(const char *words)
{
	ssize_t said = write(STDERR_FILENO, words, strlen(words));

	(void)said;
}

/* Anything else than a page of a mapped file kills as before: the instruction runs again. */
static void on_lost_page(int number, siginfo_t *at, void *context)
{
	const char *name = file_of_address(at->si_addr);

	(void)context;
	if (!name) {
		signal(number, SIG_DFL);
		return;
	}
	say_shrank(program);
	say_shrank(name);
	say_shrank(shrank);
	_exit(err_exit_code(ERR_TRUNCATED));
}

/* A model is read while it is used: somebody who copies another one over it takes its pages away. */
static void name_lost_pages(enum lang lang)
{
	struct sigaction act = { .sa_sigaction = on_lost_page, .sa_flags = SA_SIGINFO };

	program = text(TEXT_PROGRAM, lang);
	shrank = text(TEXT_FILE_SHRANK, lang);
	sigaction(SIGBUS, &act, NULL);
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	enum command_id command;
	enum lang lang;

	keep_standard();
	signal(SIGPIPE, SIG_IGN); /* a closed pipe, a limit on file sizes: write errors with a message */
	signal(SIGXFSZ, SIG_IGN);
	lang = choose_language(argc, argv);
	name_lost_pages(lang);
	if (argc < 2) {
		help(lang);
		return err_exit_code(ERR_USAGE);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(lang);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return version();
	if (check_environment(&err))
		return fail(&err);
	command = args_command(argv[1], &err);
	return command == COMMAND_COUNT ? fail(&err) : dispatch(command, argc - 2, argv + 2);
}
