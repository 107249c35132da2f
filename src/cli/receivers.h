/* receivers.h - where the command line sends alarms: its words and addresses, taken apart. */
#ifndef RWKVMON_CLI_RECEIVERS_H
#define RWKVMON_CLI_RECEIVERS_H

#include "base/buf.h"
#include "base/err.h"
#include "spec/options.h"

enum { WORDS_MAX = 64 };

/* A command's words: `word` is NULL when there is none, else ends in NULL. */
struct words {
	const char **word;
	char *room;
};

/* Blanks part words; '…' and "…" hold them together; \ takes the next letter as it is outside of '…'. Nothing is
 * expanded, nothing is executed. */
int words_split(struct words *out, const char *text, struct err *err);
void words_free(struct words *w);

struct receivers {
	struct words command;
	char *webhook, *alertmanager; /* addresses; NULL: none */
	char *token;		      /* of --listen; NULL: none */
};

/* receivers_free also after an error. */
int receivers_open(struct receivers *out, const struct options *opts, struct err *err);
void receivers_free(struct receivers *r);

#endif
