#include "spec/options.h"

const struct command_spec command_specs[COMMAND_COUNT] = {
#define COMMAND(id, name_, arguments_, en, zh, example_)                                                             \
	[COMMAND_##id] = { .name = name_, .arguments = arguments_, .help = { en, zh }, .example = example_ },
#include "spec/commands.def"
#undef COMMAND
};

enum {
#define COMMAND(id, ...) C_##id = 1 << COMMAND_##id,
#include "spec/commands.def"
#undef COMMAND
	C_TALK = C_RUN | C_CHAT,
	C_READ = C_ANALYZE | C_DIAGNOSE,
	C_ALL = (1 << COMMAND_COUNT) - 1
};

const struct option_spec option_specs[] = {
#define OPTION(commands_, name_, letter_, kind_, member, argument_, en, zh)                                          \
	{ .commands = commands_, .name = name_, .letter = letter_, .kind = OPTION_IS_##kind_,                             \
	  .offset = offsetof(struct options, member), .argument = argument_, .help = { en, zh } },
#include "spec/options.def"
#undef OPTION
};

const size_t option_specs_n = sizeof option_specs / sizeof *option_specs;
