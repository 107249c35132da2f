/* options.c - the rows of options.def. */
#include "spec/options.h"

const struct command_spec command_specs[COMMAND_COUNT] = {
#define COMMAND(id, name_, arguments_, en, zh, example_)                                                               \
	[COMMAND_##id] = { .name = name_, .arguments = arguments_, .help = { en, zh }, .example = example_ },
#include "spec/commands.def"
#undef COMMAND
};

enum {
#define COMMAND(id, ...) C_##id = 1 << COMMAND_##id,
#include "spec/commands.def"
#undef COMMAND
	C_TALK = C_RUN | C_CHAT,
	C_LOGS = C_TALK | C_PROXY, /* those that write logs */
	C_READ = C_ANALYZE | C_DIAGNOSE,
	/* those that answer in words or in JSON, and in no other format */
	C_ANSWERS = C_RUN | C_EVAL | C_WATCH | C_CONVERT | C_DOCTOR | C_RULES | C_LOG | C_FORECAST | C_FLEET | C_TUNE,
	C_ALL = (1 << COMMAND_COUNT) - 1
};

const struct option_spec option_specs[] = {
#define OPTION(commands_, name_, letter_, kind_, member, argument_, en, zh)                                            \
	{ .commands = commands_,                                                                                       \
	  .name = name_,                                                                                               \
	  .letter = letter_,                                                                                           \
	  .kind = OPTION_IS_##kind_,                                                                                   \
	  .offset = offsetof(struct options, member),                                                                  \
	  .argument = argument_,                                                                                       \
	  .help = { en, zh } },
#include "spec/options.def"
#undef OPTION
#define SETTING(commands_, member, kind_, name_, letter_, argument_, preset_, en, zh)                                  \
	{ .commands = commands_,                                                                                       \
	  .name = name_,                                                                                               \
	  .letter = letter_,                                                                                           \
	  .kind = OPTION_IS_SETTING,                                                                                   \
	  .offset = SETTING_##member,                                                                                  \
	  .argument = argument_,                                                                                       \
	  .help = { en, zh } },
#include "spec/settings.def"
#undef SETTING
};

const size_t option_specs_n = sizeof option_specs / sizeof *option_specs;

const struct export_spec export_specs[EXPORT_COUNT] = {
#define EXPORT(id, name_, en, zh) [EXPORT_##id] = { .name = name_, .help = { en, zh } },
#include "spec/exports.def"
#undef EXPORT
};

const char *option_setting(const struct options *opts, enum setting_id id)
{
	for (size_t i = 0; i < opts->n_settings; i++)
		if (opts->setting[i].id == id)
			return opts->setting[i].value;
	return NULL;
}
