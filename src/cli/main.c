/* main.c - the command line: find the command, read its options, do it, say what went wrong. */
#include "base/cpu.h"
#include "base/file.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "export/deliver.h"
#include "export/http.h"

#include <rwkvmon.h>
#include <signal.h>

typedef int command_fn(const struct options *opts, struct err *err);

static command_fn *const commands[COMMAND_COUNT] = {
	[COMMAND_DOCTOR] = command_doctor,
	[COMMAND_RUN] = command_run,
	[COMMAND_CHAT] = command_chat,
	[COMMAND_EVAL] = command_eval,
	[COMMAND_ANALYZE] = command_analyze,
	[COMMAND_RULES] = command_rules,
	[COMMAND_WATCH] = command_watch,
	[COMMAND_COMPARE] = command_compare,
	[COMMAND_DIAGNOSE] = command_diagnose,
	[COMMAND_SERVE] = command_serve,
	[COMMAND_EXPORT] = command_export,
	[COMMAND_CONVERT] = command_convert,
};

static int fail(const struct err *err)
{
	if (err->text[0]) /* an answer on standard output may have said it all */
		fprintf(stderr, "rwkvmon: %s\n", err->text);
	if (err->hint[0])
		fprintf(stderr, "         %s\n", err->hint);
	return err_exit_code(err->code);
}

static int print(struct buf *text)
{
	struct err err;
	int rc = text->failed ? err_set(&err, ERR_NOMEM, "no memory for the text") : file_write("-", buf_slice(text), &err);

	buf_free(text);
	return rc ? fail(&err) : 0;
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
		   "runtime: RWKV-4, 5.0, 5.1, 5.2, 6, 7 from .pth, .safetensors, ggmf .bin, .gguf;\n"
		   "         weights fp32, fp16, bf16, int8; activations always fp32\n"
		   "kernels: %s (set RWKVMON_SIMD=scalar|avx2|avx512 to lower)\n"
		   "GPU numbers: NVML, when its library is found at run time\n"
		   "alarms by HTTP: %s\n"
		   "/metrics and live page: %s\n",
		   rwkvmon_version(), cpu_features_name(), curl,
		   http_library() ? http_library() : "no, libmicrohttpd was not there at build time");
	return print(&text);
}

static int dispatch(enum command_id command, int argc, char **argv)
{
	struct options opts;
	struct err err = { 0 };
	int rc = args_parse(&opts, command, argc, argv, &err);

	if (rc)
		rc = fail(&err);
	else if (opts.help)
		rc = command_help(command, args_lang(opts.lang));
	else
		rc = commands[command](&opts, &err) ? fail(&err) : 0;
	args_free(&opts);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };
	enum command_id command;

	signal(SIGPIPE, SIG_IGN); /* a closed pipe, a limit on file sizes: write errors with a message */
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		help(args_lang(NULL));
		return err_exit_code(ERR_USAGE);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(args_lang(NULL));
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return version();
	command = args_command(argv[1], &err);
	return command == COMMAND_COUNT ? fail(&err) : dispatch(command, argc - 2, argv + 2);
}
