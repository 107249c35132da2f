/* options.h - the options of the command line, as data. */
#ifndef RWKVMON_SPEC_OPTIONS_H
#define RWKVMON_SPEC_OPTIONS_H

#include "base/arena.h"
#include "spec/settings.h"

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

enum { OPTION_TIMES = 8 };
typedef const char *option_LIST[OPTION_TIMES + 1];

struct option_setting {
	enum setting_id id;
	const char *value;
};

/* One member per row of options.def. A text that was not given is NULL, a number NAN, a
 * count UINT64_MAX; the texts of a list end with NULL. */
struct options {
	enum command_id command; /* whose options they are */
#define OPTION(commands, name, letter, kind, member, ...) option_##kind member;
#include "spec/options.def"
#undef OPTION

	struct option_setting *setting; /* (n_settings): rows of settings.def that were given; their values are valid */
	size_t n_settings;
	size_t n_given;    /* number of them given as options; those given by variables and --settings follow */
	struct arena file; /* what was read from --settings */

	const char **argument; /* (n_arguments): arguments that are not options */
	size_t n_arguments;
	bool *named;        /* (option_specs_n): rows of the table that stand on the command line */
	bool *has;          /* the same, and those of variables and --settings */
	size_t n_before_vs; /* number of them before --vs; all, if there is no --vs */
};

enum option_kind {
	OPTION_IS_FLAG,
	OPTION_IS_TEXT,
	OPTION_IS_COUNT,
	OPTION_IS_NUMBER,
	OPTION_IS_LIST,
	OPTION_IS_SETTING
};

struct option_spec {
	unsigned commands; /* bit i: command i takes it */
	const char *name;
	char letter;
	enum option_kind kind;
	size_t offset; /* in struct options; of a setting its id */
	const char *argument;
	const char *help[LANG_COUNT];
};

/* What `export` can print. */
enum export_id {
#define EXPORT(name, ...) EXPORT_##name,
#include "spec/exports.def"
#undef EXPORT
	EXPORT_COUNT
};

struct export_spec {
	const char *name;
	const char *help[LANG_COUNT];
};

extern const struct export_spec export_specs[EXPORT_COUNT];

extern const struct option_spec option_specs[];
extern const size_t option_specs_n;

/* The value of the setting, from its option or its variable; NULL: neither was given. */
const char *option_setting(const struct options *opts, enum setting_id id);

#endif
