/* options.h - what the command line can say, as data. */
#ifndef RWKVMON_SPEC_OPTIONS_H
#define RWKVMON_SPEC_OPTIONS_H

#include "spec/lang.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command_id {
#define COMMAND(id, ...) COMMAND_##id,
#include "spec/commands.def"
#undef COMMAND
	COMMAND_COUNT
};

struct command_spec {
	const char *name, *arguments;
	const char *help[LANG_COUNT];
	const char *example;
};

extern const struct command_spec command_specs[COMMAND_COUNT];

typedef bool option_FLAG;
typedef const char *option_TEXT;
typedef uint64_t option_COUNT;
typedef double option_NUMBER;

/* One member per row of options.def. A text that was not given is NULL, a number NAN, a
 * count UINT64_MAX. */
struct options {
#define OPTION(commands, name, letter, kind, member, ...) option_##kind member;
#include "spec/options.def"
#undef OPTION

	const char **argument; /* (n_arguments): what is no option */
	size_t n_arguments;
	size_t n_before_vs; /* of them stand before --vs; all without it */
};

enum option_kind { OPTION_IS_FLAG, OPTION_IS_TEXT, OPTION_IS_COUNT, OPTION_IS_NUMBER };

struct option_spec {
	unsigned commands; /* bit i: command i takes it */
	const char *name;
	char letter;
	enum option_kind kind;
	size_t offset; /* in struct options */
	const char *argument;
	const char *help[LANG_COUNT];
};

extern const struct option_spec option_specs[];
extern const size_t option_specs_n;

#endif
