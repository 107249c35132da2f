/* effects.c - which option needs which other one, which makes it idle, and with which first argument it does something.
 */
#include "cli/effects.h"

#include "base/slice.h"

#include <string.h>

enum {
#define COMMAND(id, ...) C_##id = 1 << COMMAND_##id,
#include "spec/commands.def"
#undef COMMAND
	C_TALK = C_RUN | C_CHAT,
	C_LOGS = C_TALK | C_PROXY,
	C_READ = C_ANALYZE | C_DIAGNOSE
};

enum relation {
	NEEDS,        /* one of the others */
	IDLE_BESIDE,  /* any of the others */
	EXCLUDES,     /* each of the others: both say the same thing, or one hides what the other judges */
	ONLY_WITH_ARG /* one of the others is the first argument */
};

static const struct effect {
	unsigned commands;
	const char *option;
	enum relation relation;
	const char *others; /* separated by spaces */
} effects[] = {
	{ C_READ | C_FLEET, "threads", IDLE_BESIDE, "partial merge follow" },
	{ ~0u, "json", IDLE_BESIDE, "format" },
	{ C_FLEET, "fail-on", EXCLUDES, "match" },
	{ C_TALK, "prompt", EXCLUDES, "prompt-file" },
	{ C_TALK, "shadow-mode", NEEDS, "shadow" },
	{ C_TALK, "shadow", IDLE_BESIDE, "unwatched" },
	{ C_TALK, "on", IDLE_BESIDE, "unwatched" },
	{ C_TALK, "adapt-sampling", IDLE_BESIDE, "unwatched" },
	{ C_LOGS, "log-keep", NEEDS, "log-rotate-bytes log-rotate-seconds" },
	{ C_LOGS, "alarm-spool", NEEDS, "alarm-to" },
	{ C_LOGS, "listen-token", NEEDS, "listen" },
	{ C_RUN, "hold-back", IDLE_BESIDE, "json" },
	{ C_DOCTOR, "tokenizer", NEEDS, "model" },
	{ C_DOCTOR, "disk-mb-s", NEEDS, "model" },
	{ C_DOCTOR, "seconds", NEEDS, "model" },
	{ C_FORECAST, "goal", IDLE_BESIDE, "train" },
	{ C_FORECAST, "threads", IDLE_BESIDE, "train" },
	{ C_FORECAST, "units", NEEDS, "train" },
	{ C_FORECAST, "layers", NEEDS, "train" },
	{ C_FORECAST, "seed", NEEDS, "train" },
	{ C_TUNE, "model", IDLE_BESIDE, "from" },
	{ C_TUNE, "strategy", IDLE_BESIDE, "from" },
	{ C_TUNE, "objective", IDLE_BESIDE, "from" },
	{ C_TUNE, "max-memory", IDLE_BESIDE, "from" },
	{ C_TUNE, "max-kl", IDLE_BESIDE, "from" },
	{ C_TUNE, "min-tps", IDLE_BESIDE, "from" },
	{ C_TUNE, "max-threads", IDLE_BESIDE, "from" },
	{ C_TUNE, "seconds", IDLE_BESIDE, "from" },
	{ C_TUNE, "exhaustive", IDLE_BESIDE, "from" },
	{ C_TUNE, "output", IDLE_BESIDE, "from" },
	{ C_TUNE, "page", IDLE_BESIDE, "from" },
	{ C_LOG, "output", ONLY_WITH_ARG, "repair" },
	{ C_RULES, "session", ONLY_WITH_ARG, "replay" },
	{ C_RULES, "since", ONLY_WITH_ARG, "replay" },
	{ C_RULES, "until", ONLY_WITH_ARG, "replay" },
	{ C_EXPORT, "grafana-com", ONLY_WITH_ARG, "grafana" },
	{ C_EXPORT, "grafana-url", ONLY_WITH_ARG, "prometheus-rules" },
	{ C_EXPORT, "docs-url", ONLY_WITH_ARG, "prometheus-rules" },
	{ C_EXPORT, "no-keep-firing", ONLY_WITH_ARG, "prometheus-rules" },
};

static bool next_word(struct slice *word, const char **at)
{
	*word = (struct slice){ *at, strcspn(*at, " ") };
	*at += word->n;
	*at += **at == ' ';
	return word->n;
}

/* `named`: on the command line alone. */
static bool is_there(const struct options *opts, enum command_id command, struct slice name, bool named)
{
	const bool *there = named ? opts->named : opts->has;

	for (size_t i = 0; i < option_specs_n; i++)
		if (there[i] && option_specs[i].commands >> command & 1 && slice_is(name, option_specs[i].name))
			return true;
	return false;
}

static int check_needed(const struct options *opts, enum command_id command, const struct effect *e, struct err *err)
{
	const char *at = e->others;
	struct slice word, first = { NULL, 0 };

	while (next_word(&word, &at)) {
		if (is_there(opts, command, word, false))
			return 0;
		first = first.p ? first : word;
	}
	return err_set(err, ERR_USAGE, "--%s has no effect without --%.*s", e->option, SLICE_ARG(first));
}

static int check_beside(const struct options *opts, enum command_id command, const struct effect *e, struct err *err)
{
	const char *at = e->others;
	struct slice word;

	while (next_word(&word, &at))
		if (is_there(opts, command, word, false))
			return e->relation == EXCLUDES ? err_set(err, ERR_USAGE, "--%s and --%.*s exclude each other",
								 e->option, SLICE_ARG(word))
						       : err_set(err, ERR_USAGE, "--%s has no effect with --%.*s",
								 e->option, SLICE_ARG(word));
	return 0;
}

static int check_argument(const struct options *opts, enum command_id command, const struct effect *e, struct err *err)
{
	const char *at = e->others;
	struct slice word;

	if (!opts->n_arguments) /* the command itself says what is missing */
		return 0;
	while (next_word(&word, &at))
		if (slice_is(word, opts->argument[0]))
			return 0;
	err_set(err, ERR_USAGE, "--%s has no effect in `%s %.40s`", e->option, command_specs[command].name,
		opts->argument[0]);
	return err_hint(err, "it belongs to `%s %s`", command_specs[command].name, e->others);
}

/* What is switched off by its value stands beside everything. */
static bool is_off(const char *value)
{
	return !strcmp(value, "no") || !strcmp(value, "none");
}

/* Settings of a monitor that is not there, and of a log that is not written. */
static int check_settings(const struct options *opts, struct err *err)
{
	const char *log = option_setting(opts, SETTING_log_path);

	for (size_t i = 0; i < opts->n_given; i++) {
		const enum setting_id id = opts->setting[i].id;
		const char *name = setting_specs[id].name;
		const bool of_log = !strncmp(name, "log-", 4) || id == SETTING_fsync;

		if (is_off(opts->setting[i].value))
			continue;
		if (opts->unwatched)
			return err_set(err, ERR_USAGE, "--%s has no effect with --%s", name, "unwatched");
		if (of_log && log && !strcmp(log, "none"))
			return err_set(err, ERR_USAGE, "--%s has no effect without a log, and --log is none", name);
	}
	return 0;
}

int effects_check(const struct options *opts, enum command_id command, struct err *err)
{
	static int (*const checks[])(const struct options *, enum command_id, const struct effect *,
				     struct err *) = { [NEEDS] = check_needed,
						       [IDLE_BESIDE] = check_beside,
						       [EXCLUDES] = check_beside,
						       [ONLY_WITH_ARG] = check_argument };
	int rc = check_settings(opts, err);

	for (size_t i = 0; i < sizeof effects / sizeof *effects && !rc; i++)
		if (effects[i].commands >> command & 1 && is_there(opts, command, slice_of(effects[i].option), true))
			rc = checks[effects[i].relation](opts, command, &effects[i], err);
	return rc;
}
