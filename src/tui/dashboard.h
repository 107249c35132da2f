/* dashboard.h - a board as a frame, and what keys do to the view of it. Pure: touches no terminal.
 *
 * At 80x24 everything has a place; more rows go to the lists, more columns to the charts. */
#ifndef RWKVMON_TUI_DASHBOARD_H
#define RWKVMON_TUI_DASHBOARD_H

#include "tui/board.h"
#include "tui/frame.h"

enum dashboard_panel { DASH_METRICS, DASH_ROWS, DASH_ALARMS, DASH_PANELS };

/* Keys that are no character. */
enum {
	DASH_UP = 256,
	DASH_DOWN,
	DASH_LEFT,
	DASH_RIGHT,
	DASH_PAGE_UP,
	DASH_PAGE_DOWN,
	DASH_HOME,
	DASH_END,
	DASH_BACKSPACE,
	DASH_ENTER,
	DASH_ESCAPE,
	DASH_BACKTAB
};

struct dashboard_view {
	enum lang lang;
	bool ascii;
	enum dashboard_panel focus;
	size_t first[DASH_PANELS]; /* rows of each list that are scrolled past */
	bool paused, help;
	bool typing;     /* the filter is being typed */
	char filter[64]; /* only rows and alarms whose text has it, whatever the case */
	double interval_s;
};

enum { DASH_INTERVALS = 7 };

/* False: the user wants to leave. */
bool dashboard_key(struct dashboard_view *v, int key);

/* Corrects v->first to what there is. */
void dashboard_draw(struct frame *f, const struct board *b, struct dashboard_view *v);

#endif
