/* console.c - ncurses, and the terminal restored whatever ends the program. */
#define _XOPEN_SOURCE_EXTENDED 1
#include "tui/console.h"

#include "base/charset.h"

#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t ended;
static struct termios before;
static bool has_before, is_open, has_colors_on;

static void note_end(int signal)
{
	(void)signal;
	ended = 1;
}

/* The program is about to be ended by a signal: only async-signal-safe functions are allowed. */
static void restore_and_die(int signal)
{
	static const char reset[] = "\x1b[?1049l\x1b[?1l\x1b>\x1b[?25h\x1b[0m\r\n";

	if (write(STDOUT_FILENO, reset, sizeof reset - 1) < 0)
		ended = 1; /* there is nobody left to tell */
	if (has_before)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	raise(signal); /* SA_RESETHAND: now the usual end */
}

static void catch_signals(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT },
			 deaths[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction end = { .sa_handler = note_end },
			 death = { .sa_handler = restore_and_die, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &end, NULL);
	for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
		sigaction(deaths[i], &death, NULL);
}

/* Blue, orange and vermilion are told apart by every kind of eye; where there are but 8 colours, cyan, yellow, magenta.
 * Signs and words say the same. */
static void set_colors(void)
{
	bool many = COLORS >= 256;

	start_color();
	use_default_colors();
	many = COLORS >= 256;
	init_pair(TINT_DIM, many ? 245 : -1, -1);
	init_pair(TINT_GOOD, many ? 39 : COLOR_CYAN, -1);
	init_pair(TINT_WARN, many ? 214 : COLOR_YELLOW, -1);
	init_pair(TINT_BAD, many ? 202 : COLOR_MAGENTA, -1);
}

int console_open(bool color, struct err *err)
{
	has_before = !tcgetattr(STDIN_FILENO, &before);
	if (charset_is_utf8() || !setlocale(LC_CTYPE, "")) /* a locale that is not installed shows ASCII */
		setlocale(LC_CTYPE, charset_is_utf8() ? "C.UTF-8" : "C");
	if (!newterm(NULL, stdout, stdin)) {
		const char *term = getenv("TERM");

		err_set(err, ERR_SYSTEM, "the terminal \"%s\" is not known", term ? term : "");
		return err_hint(err, "set TERM, for example to xterm-256color, or use --once");
	}
	is_open = true;
	catch_signals();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	has_colors_on = color && has_colors();
	if (has_colors_on)
		set_colors();
	return 0;
}

void console_close(void)
{
	if (!is_open)
		return;
	endwin();
	is_open = false;
}

void console_size(size_t *rows, size_t *columns)
{
	*rows = LINES > 0 ? (size_t)LINES : 0;
	*columns = COLS > 0 ? (size_t)COLS : 0;
}

static attr_t attributes(const struct frame_cell *cell)
{
	attr_t a = cell->tint == TINT_BOLD || cell->tint == TINT_BAD ? A_BOLD : A_NORMAL;

	if (cell->tint == TINT_DIM && !has_colors_on)
		a |= A_DIM;
	return cell->reversed ? a | A_REVERSE : a;
}

static void put_text(int row, int column, const char *text)
{
	struct buf shown = { 0 };

	charset_encode(&shown, slice_of(text));
	if (!shown.failed)
		mvaddstr(row, column, shown.p);
	buf_free(&shown);
}

void console_show(const struct frame *f)
{
	erase();
	for (size_t row = 0; row < f->rows; row++)
		for (size_t column = 0; column < f->columns; column++) {
			const struct frame_cell *cell = &f->cell[row * f->columns + column];

			if (!cell->text[0] || cell->right_half)
				continue;
			attr_set(attributes(cell), has_colors_on ? (short)cell->tint : 0, NULL);
			put_text((int)row, (int)column, cell->text);
		}
	attr_set(A_NORMAL, 0, NULL);
	refresh();
}

static int translate(int key)
{
	static const struct {
		int curses, dash;
	} keys[] = { { KEY_UP, DASH_UP },         { KEY_DOWN, DASH_DOWN },
		     { KEY_LEFT, DASH_LEFT },     { KEY_RIGHT, DASH_RIGHT },
		     { KEY_HOME, DASH_HOME },     { KEY_END, DASH_END },
		     { KEY_PPAGE, DASH_PAGE_UP }, { KEY_NPAGE, DASH_PAGE_DOWN },
		     { KEY_BTAB, DASH_BACKTAB },  { KEY_BACKSPACE, DASH_BACKSPACE },
		     { KEY_ENTER, DASH_ENTER },   { 27, DASH_ESCAPE } };

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (keys[i].curses == key)
			return keys[i].dash;
	return key < 256 ? key : CONSOLE_NONE;
}

int console_key(int timeout_ms)
{
	int key;

	if (ended)
		return CONSOLE_ENDED;
	timeout(timeout_ms);
	key = getch();
	if (ended)
		return CONSOLE_ENDED;
	if (key == ERR)
		return CONSOLE_NONE;
	return key == KEY_RESIZE ? CONSOLE_RESIZED : translate(key);
}
