/* outputs.c - no result of a command goes into a file that the command reads, or into that of another result. */
#include "cli/outputs.h"

#include "read/sources.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OUTPUTS = 9, LATE = 6, INPUTS = 10 }; /* the first ones are written when all else is done */

static const char file_receiver[] = "file+"; /* of --alarm-to */

struct named {
	const char *option, *path;
};

static bool are_one(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool stat_parent(const char *path, struct stat *st)
{
	const int n = (int)(name_of(path) - path);
	char parent[4096] = ".";

	return (!n || snprintf(parent, sizeof parent, "%.*s", n, path) < (int)sizeof parent) && !stat(parent, st);
}

/* Does a log that lies in this directory have that path? */
static bool is_log_of(const char *path, const struct stat *dir)
{
	struct stat st;

	return source_is_log(name_of(path)) && stat_parent(path, &st) && are_one(&st, dir);
}

/* However they are spelt; files that are not there yet, too. Pipes and devices take two results without harm. */
static bool are_one_file(const char *a, const char *b)
{
	struct stat of_a, of_b;
	const bool has_a = !stat(a, &of_a), has_b = !stat(b, &of_b);

	if (has_a && has_b)
		return S_ISREG(of_a.st_mode) && are_one(&of_a, &of_b);
	return !has_a && !has_b && !strcmp(name_of(a), name_of(b)) && stat_parent(a, &of_a) && stat_parent(b, &of_b) &&
	       are_one(&of_a, &of_b);
}

/* Pipes and devices are read and written at the same time without harm. */
static bool is_input(const char *path, const struct stat *out, const char *input)
{
	struct stat in;

	if (!input || !strcmp(input, "-") || stat(input, &in))
		return false;
	if (S_ISDIR(in.st_mode))
		return is_log_of(path, &in);
	return S_ISREG(in.st_mode) && are_one(&in, out);
}

/* A name of the command line, which may be a pattern. */
static bool is_argument(const char *path, const struct stat *out, const char *argument)
{
	glob_t found = { 0 };
	struct stat st;
	bool is = false;

	if (!stat(argument, &st) || !strpbrk(argument, "*?["))
		return is_input(path, out, argument);
	if (!glob(argument, 0, NULL, &found))
		for (size_t i = 0; !is && i < found.gl_pathc; i++)
			is = is_input(path, out, found.gl_pathv[i]);
	globfree(&found);
	return is;
}

static bool is_any_input(const struct options *opts, const struct named *out, const struct stat *st)
{
	const char *const inputs[INPUTS] = { opts->model,       opts->tokenizer,
					     opts->prompt_file, opts->tokens_file,
					     opts->map,         opts->settings,
					     opts->lstm,        opts->rules,
					     opts->state,       option_setting(opts, SETTING_rules) };

	for (size_t i = 0; i < INPUTS; i++) /* a state may go back to where it came from */
		if ((inputs[i] != opts->state || strcmp(out->option, "save-state") != 0) &&
		    is_input(out->path, st, inputs[i]))
			return true;
	for (size_t i = 0; i < opts->n_arguments; i++)
		if (is_argument(out->path, st, opts->argument[i]))
			return true;
	return false;
}

static int check(const struct options *opts, const struct named *out, const struct named *before, size_t n,
		 struct err *err)
{
	struct stat st;

	for (size_t i = 0; i < n; i++)
		if (before[i].path && *before[i].path && are_one_file(before[i].path, out->path))
			return err_set(err, ERR_USAGE, "--%s and --%s name the same file: %s", before[i].option,
				       out->option, out->path);
	if (stat(out->path, &st) || !S_ISREG(st.st_mode) || !is_any_input(opts, out, &st))
		return 0;
	err_set(err, ERR_USAGE, "--%s: %s is read by this command, and would be overwritten", out->option, out->path);
	return err_hint(err, "name another file for the result");
}

/* Found out before the work, not after it. */
static int check_folder(const struct named *out, struct err *err)
{
	struct stat folder;

	if (!stat_parent(out->path, &folder))
		return err_set_os(err, ERR_WRITE, errno, "%s: cannot be created", out->path);
	return S_ISDIR(folder.st_mode) ? 0 : err_set_os(err, ERR_WRITE, ENOTDIR, "%s: cannot be created", out->path);
}

static const char *unless_none(const char *path)
{
	return path && strcmp(path, "none") != 0 ? path : NULL;
}

static void list_outputs(const struct options *opts, struct named out[OUTPUTS])
{
	const struct named all[OUTPUTS] = {
		{ "output", opts->output },
		{ "output", opts->tuned },
		{ "page", opts->tuning_page },
		{ "logits-out", opts->logits_out },
		{ "state-out", opts->state_out },
		{ "save-state", opts->save_state },
		{ "log", unless_none(option_setting(opts, SETTING_log_path)) },
		{ "metrics-textfile", option_setting(opts, SETTING_metrics_textfile) },
		{ "alarm-spool", unless_none(option_setting(opts, SETTING_alarm_spool)) },
	};

	memcpy(out, all, sizeof all);
}

int outputs_check(const struct options *opts, struct err *err)
{
	struct named out[OUTPUTS];
	int rc = 0;

	list_outputs(opts, out);
	for (size_t i = 0; !rc && i < OUTPUTS; i++) {
		if (!out[i].path || !*out[i].path)
			continue;
		rc = check(opts, &out[i], out, i, err);
		rc = !rc && i < LATE ? check_folder(&out[i], err) : rc;
	}
	for (size_t i = 0; !rc && i < opts->n_settings; i++) { /* several may append to one file */
		const struct option_setting *s = &opts->setting[i];
		const struct named to = { "alarm-to", s->value + strlen(file_receiver) };

		if (s->id == SETTING_alarm_to && !strncmp(s->value, file_receiver, strlen(file_receiver)))
			rc = check(opts, &to, out, OUTPUTS, err);
	}
	return rc;
}

int outputs_check_state(const struct options *opts, const char *path, struct err *err)
{
	const struct named state = { "save-state", path };
	struct named out[OUTPUTS];

	list_outputs(opts, out);
	for (size_t i = 0; i < OUTPUTS; i++)
		if (out[i].path == opts->save_state)
			out[i].path = NULL;
	return check(opts, &state, out, OUTPUTS, err);
}
