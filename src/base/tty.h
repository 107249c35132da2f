/* tty.h - what a terminal can do. */
#ifndef RWKVMON_BASE_TTY_H
#define RWKVMON_BASE_TTY_H

#include <stdbool.h>

/* Is fd a terminal that obeys escape sequences (colours, a line that is drawn again)? TERM=dumb says that it is not. */
bool tty_obeys(int fd);

#endif
