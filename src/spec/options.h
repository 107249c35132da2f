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

/* A text that was not given is NULL, a number NAN, a count UINT64_MAX. */
struct options {
	const char *model, *prompt, *prompt_file, *log, *tokens, *tokens_file, *logits_out, *state_out;
	const char *fsync, *format, *output, *session, *since, *until, *rules, *lang;
	uint64_t count, seed, chunk_len, log_rotate_bytes, log_rotate_seconds, log_keep;
	double temperature, top_p, alpha_frequency, alpha_presence, penalty_decay;
	bool unwatched, log_tokens, log_text, all_logits, json, quiet, help;

	const char **argument; /* (n_arguments): what is no option */
	size_t n_arguments;
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
