/* tty.c - asks the descriptor, and the environment. */
#include "base/tty.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tty_obeys(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && (!term || strcmp(term, "dumb"));
}
