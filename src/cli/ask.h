/* ask.h - runs another program by name, without a shell, for a limited time, and reads its output. */
#ifndef RWKVMON_CLI_ASK_H
#define RWKVMON_CLI_ASK_H

#include <stdbool.h>

enum { ASK_TEXT_BYTES = 8192 };

struct asked {
	bool found;                /* it could be started */
	int exit;                  /* its exit status; -1: a signal, or no answer in time */
	char text[ASK_TEXT_BYTES]; /* beginning of what it wrote to standard output and error, without the last newline
				    */
};

/* Looks for argv[0] in PATH; argv ends with NULL. Standard input is empty. A program that is still running after
 * `seconds` is killed, together with everything it started. */
void ask(struct asked *out, const char *const *argv, int seconds);

#endif
