/* console.h - the terminal: frames go to it, keys come from it (ncurses).
 *
 * Whatever ends the program, the terminal is left as it was found: console_close does it, and when the program is
 * killed by a signal that can be caught, a handler.
 *
 * Threads    one console a program, one thread.
 */
#ifndef RWKVMON_TUI_CONSOLE_H
#define RWKVMON_TUI_CONSOLE_H

#include "base/err.h"
#include "tui/dashboard.h"

int console_open(bool color, struct err *err);
void console_close(void);

/* The size that the terminal has now. */
void console_size(size_t *rows, size_t *columns);
void console_show(const struct frame *f);

enum { CONSOLE_NONE = -1, CONSOLE_RESIZED = -2, CONSOLE_ENDED = -3 };

/* The next key as dashboard_key wants it, CONSOLE_NONE after timeout_ms without one, CONSOLE_RESIZED, or CONSOLE_ENDED
 * when a signal asks the program to end. */
int console_key(int timeout_ms);

#endif
