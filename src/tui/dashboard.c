/* dashboard.c - draws a board into a frame; keys change the view. */
#include "tui/dashboard.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "report/verdict_text.h"

#include <math.h>

enum { MIN_COLUMNS = 60, MIN_ROWS = 12 };
enum { SIDE = 2, LABEL = 19, NUMBER = 9, NAME = 25, SMALL_ROWS = 24, SPARK_LEAST = 6 };

static const double intervals[DASH_INTERVALS] = { 0.2, 0.5, 1, 2, 5, 10, 30 };

/* --- keys -------------------------------------------------------------------------------- */

static void change_interval(struct dashboard_view *v, int by)
{
	int i = 0;

	while (i + 1 < DASH_INTERVALS && intervals[i] < v->interval_s)
		i++;
	i += by;
	i = i < 0 ? 0 : i < DASH_INTERVALS ? i : DASH_INTERVALS - 1;
	v->interval_s = intervals[i];
}

static void scroll(struct dashboard_view *v, size_t by, bool up)
{
	size_t *first = &v->first[v->focus];

	*first = up ? (*first > by ? *first - by : 0) : *first + by;
}

/* Text that is typed; bytes of a character come one by one. */
static void type(struct dashboard_view *v, int key)
{
	size_t n = strlen(v->filter);

	if (key == DASH_ESCAPE)
		v->filter[0] = 0;
	if (key == DASH_ESCAPE || key == DASH_ENTER || key == '\n' || key == '\r') {
		v->typing = false;
	} else if (key == DASH_BACKSPACE || key == 127 || key == 8) {
		while (n && ((unsigned char)v->filter[--n] & 0xc0) == 0x80)
			;
		v->filter[n] = 0;
	} else if (key >= ' ' && key < 256 && n + 1 < sizeof v->filter) {
		v->filter[n] = (char)key;
		v->filter[n + 1] = 0;
	}
	v->first[DASH_ROWS] = v->first[DASH_ALARMS] = 0;
}

static void move_key(struct dashboard_view *v, int key)
{
	enum { PAGE = 5 };

	switch (key) {
	case 'k':
	case DASH_UP:
		scroll(v, 1, true);
		break;
	case 'j':
	case DASH_DOWN:
		scroll(v, 1, false);
		break;
	case DASH_PAGE_UP:
		scroll(v, PAGE, true);
		break;
	case DASH_PAGE_DOWN:
	case ' ':
		scroll(v, PAGE, false);
		break;
	case 'g':
	case DASH_HOME:
		v->first[v->focus] = 0;
		break;
	case 'G':
	case DASH_END:
		v->first[v->focus] = SIZE_MAX / 2;
		break;
	default:
		break;
	}
}

bool dashboard_key(struct dashboard_view *v, int key)
{
	if (v->typing) {
		type(v, key);
		return true;
	}
	switch (key) {
	case 'q':
	case 'Q':
		return false;
	case '?':
	case 'h':
		v->help = !v->help;
		break;
	case DASH_ESCAPE:
		v->help = false;
		v->filter[0] = 0;
		break;
	case '/':
		v->typing = true;
		break;
	case '\t':
	case DASH_RIGHT:
		v->focus = (v->focus + 1) % DASH_PANELS;
		break;
	case DASH_BACKTAB:
	case DASH_LEFT:
		v->focus = (v->focus + DASH_PANELS - 1) % DASH_PANELS;
		break;
	case 'p':
		v->paused = !v->paused;
		break;
	case '+':
	case '=':
		change_interval(v, 1);
		break;
	case '-':
		change_interval(v, -1);
		break;
	default:
		move_key(v, key);
	}
	return true;
}

/* --- pieces -------------------------------------------------------------------------------- */

static const char *word(const struct dashboard_view *v, enum text_id id)
{
	return text(id, v->lang);
}

/* The title of a panel and a line behind it; the column behind the title. */
static size_t heading(struct frame *f, const struct dashboard_view *v, size_t row, enum dashboard_panel panel,
		      enum text_id id)
{
	size_t end =
		frame_put(f, row, SIDE, v->focus == panel ? TINT_BOLD : TINT_PLAIN, word(v, id), f->columns) + SIDE + 1;

	for (size_t at = end; at + SIDE < f->columns; at++)
		frame_put(f, row, at, TINT_DIM, v->ascii ? "-" : "\xe2\x94\x80", 1);
	if (v->focus == panel)
		frame_put(f, row, 0, TINT_BOLD, v->ascii ? ">" : "\xe2\x96\xb8", 1);
	return end;
}

static void number(struct frame *f, size_t row, size_t column, enum tint tint, enum metric_id m, double value)
{
	char v[TERM_TEXT];

	frame_put_right(f, row, column, tint,
			strcmp(metric_specs[m].unit, "bytes") ? term_number(v, value) : term_bytes(v, value),
			NUMBER - 1);
}

/* Between the bounds of its bucket, when it is known no better: both where they fit, else the upper one. */
static void quantile(struct frame *f, const struct dashboard_view *v, size_t row, size_t column, enum metric_id m,
		     const struct board_quantile *q)
{
	char low[TERM_TEXT], high[TERM_TEXT], cell[3 * TERM_TEXT];

	if (!q->between) {
		number(f, row, column, TINT_PLAIN, m, q->value);
		return;
	}
	term_number(low, q->low);
	term_number(high, q->high);
	snprintf(cell, sizeof cell, "%s%s%s", low, v->ascii ? "-" : "\xe2\x80\x93", high);
	if (!isfinite(q->high))
		snprintf(cell, sizeof cell, "%s%s", v->ascii ? ">=" : "\xe2\x89\xa5", low);
	else if (!isfinite(q->low) || utf8_columns(cell) > NUMBER - 1)
		snprintf(cell, sizeof cell, "%s%s", v->ascii ? "<=" : "\xe2\x89\xa4", high);
	frame_put_right(f, row, column, TINT_PLAIN, cell, NUMBER - 1);
}

/* The latest `columns` points as eighths of a row, from the least to the greatest of them; fewer than SPARK_LEAST show
 * nothing that can be read. */
static void spark(struct frame *f, const struct dashboard_view *v, size_t row, size_t column, size_t columns,
		  enum tint tint, const double point[BOARD_POINTS])
{
	static const char *const bars[] = { "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
					    "\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	static const char *const ascii[] = { "_", ".", "-", "~", "=", "+", "*", "#" };
	size_t n = columns < BOARD_POINTS ? columns : BOARD_POINTS;
	const double *p = point + BOARD_POINTS - n;
	double low = INFINITY, high = -INFINITY;

	if (n < SPARK_LEAST)
		return;
	for (size_t i = 0; i < n; i++) {
		low = fmin(low, p[i]);
		high = fmax(high, p[i]);
	}
	for (size_t i = 0; i < n; i++) {
		double share = high > low ? (p[i] - low) / (high - low) : 0.4;
		size_t level = share < 1 ? (size_t)(share * 8) : 7;

		if (isfinite(p[i]))
			frame_put(f, row, column + columns - n + i, tint, (v->ascii ? ascii : bars)[level], 1);
	}
}

static const char *mark(const struct dashboard_view *v, enum tint tint)
{
	if (v->ascii)
		return tint == TINT_BAD ? "X" : tint == TINT_WARN ? "!" : "*";
	return tint == TINT_BAD ? "\xe2\x9c\x96" : tint == TINT_WARN ? "\xe2\x96\xb2" : "\xe2\x97\x8f";
}

/* --- the top ---------------------------------------------------------------------------------- */

static const char *amount(char out[TERM_TEXT], const struct dashboard_view *v, uint64_t n, enum text_id noun)
{
	struct buf words = { 0 };
	char count[TERM_TEXT];

	text_fill(&words, v->lang, noun, term_count(count, n));
	snprintf(out, TERM_TEXT, "%.200s", words.p ? words.p : count);
	buf_free(&words);
	return out;
}

static void put_top(struct frame *f, const struct board *b, const struct dashboard_view *v)
{
	enum tint tint = verdict_tint(b->verdict);
	char when[TIME_TEXT_BYTES] = "", counts[TERM_TEXT];
	size_t at = SIDE, right = f->columns > 44 ? f->columns - 44 : 0;

	at += frame_put(f, 0, at, tint, mark(v, tint), 1) + 1;
	at += frame_put(f, 0, at, tint, word(v, b->not_judged ? TEXT_WATCH_NOT_JUDGED : verdict_word(b->verdict)), 20) +
	      2;
	if (b->records)
		time_format(when, b->to_us);
	when[19 < strlen(when) ? 19 : strlen(when)] = 0;
	frame_put_right(f, 0, right, TINT_DIM, v->paused ? word(v, TEXT_WATCH_PAUSED) : when,
			f->columns - right - SIDE);
	frame_put(f, 0, at, TINT_BOLD, b->source, f->columns > at + 22 ? f->columns - at - 22 : 0);
	at = SIDE;
	if (b->not_judged) /* the reason first: counts may take the rest of a narrow line */
		at += frame_put(f, 1, at, TINT_DIM, b->sentence, f->columns) + 2;
	at += frame_put(f, 1, at, TINT_DIM, amount(counts, v, b->records, TEXT_TERM_RECORDS), f->columns) + 2;
	at += frame_put(f, 1, at, TINT_DIM, amount(counts, v, b->tokens, TEXT_TERM_TOKENS), f->columns) + 2;
	at += frame_put(f, 1, at, TINT_DIM, amount(counts, v, b->sessions, TEXT_TERM_SESSION_COUNT), f->columns) + 2;
	if (b->dropped)
		at += frame_put(f, 1, at, TINT_WARN, amount(counts, v, b->dropped, TEXT_WATCH_DROPPED), f->columns) + 2;
	if (*b->trouble)
		frame_put(f, 1, at, TINT_BAD, b->trouble, f->columns);
	else if (b->diagnosed && b->verdict != VERDICT_HEALTHY && f->columns > at + SIDE)
		frame_put(f, 1, at, tint, cause_specs[b->cause].title[v->lang], f->columns - at - SIDE);
	else if (!b->diagnosed && !b->not_judged && f->columns > at + SIDE)
		frame_put(f, 1, at, TINT_DIM, b->sentence, f->columns - at - SIDE);
}

/* --- metrics ------------------------------------------------------------------------------------- */

static void put_metric(struct frame *f, const struct board_metric *m, const struct dashboard_view *v, size_t row)
{
	const struct metric_spec *spec = &metric_specs[m->metric];
	size_t at = SIDE + LABEL, charts = f->columns - SIDE - LABEL - 4 * NUMBER - SIDE;
	enum tint tint = m->bad ? TINT_WARN : TINT_PLAIN;
	size_t label = frame_put(f, row, SIDE, tint, spec->label[v->lang], LABEL);

	if (label + 1 < LABEL && strcmp(spec->unit, "bytes"))
		frame_put(f, row, SIDE + label + 1, TINT_DIM, spec->unit, LABEL - label - 1);
	number(f, row, at, tint, m->metric, m->now);
	quantile(f, v, row, at + NUMBER, m->metric, &m->p50);
	quantile(f, v, row, at + 2 * NUMBER, m->metric, &m->p95);
	number(f, row, at + 3 * NUMBER, TINT_DIM, m->metric, m->limit);
	if (m->bad)
		frame_put(f, row, 0, TINT_WARN, mark(v, TINT_WARN), 1);
	spark(f, v, row, at + 4 * NUMBER, charts, tint, m->point);
}

static void put_metric_heads(struct frame *f, const struct board *b, const struct dashboard_view *v, size_t row)
{
	static const enum text_id heads[] = { TEXT_WATCH_NOW, TEXT_TERM_MEDIAN, TEXT_TERM_P95, TEXT_TERM_LIMIT_HEAD };
	size_t charts = f->columns - SIDE - LABEL - 4 * NUMBER - SIDE,
	       n = charts < BOARD_POINTS ? charts : BOARD_POINTS;
	char lasted[TERM_TEXT], span[2 * TERM_TEXT];

	heading(f, v, row, DASH_METRICS, TEXT_TERM_METRICS);
	for (size_t i = 0; i < 4; i++) {
		const char *head = word(v, heads[i]);
		size_t wide = utf8_columns(head), end = SIDE + LABEL + i * NUMBER + NUMBER - 1;

		frame_put(f, row, end - wide - 1, TINT_DIM, " ", 1);
		frame_put(f, row, end - wide, TINT_DIM, head, wide);
		frame_put(f, row, end, TINT_DIM, " ", 1);
	}
	if (!isfinite(b->point_seconds) || !b->n_metrics || n < SPARK_LEAST)
		return;
	snprintf(span, sizeof span, " %s ", term_lasted(lasted, (int64_t)(b->point_seconds * 1e6 * (double)n)));
	frame_put_right(f, row, f->columns - SIDE - n, TINT_DIM, span, n);
}

/* Used against what is allowed. */
static void put_vram(struct frame *f, const struct board *b, const struct dashboard_view *v, size_t row)
{
	size_t at = SIDE + LABEL, columns = f->columns - at - 28 - SIDE;
	double share = b->vram_used / b->vram_limit;
	size_t full = (size_t)(fmin(fmax(share, 0), 1) * (double)columns + 0.5);
	enum tint tint = share > 1 ? TINT_BAD : share > 0.9 ? TINT_WARN : TINT_GOOD;
	char a[TERM_TEXT], l[TERM_TEXT], line[3 * TERM_TEXT];

	frame_put(f, row, SIDE, TINT_PLAIN, metric_specs[M_VRAM_USED_MB].label[v->lang], LABEL);
	if (isfinite(share)) {
		for (size_t i = 0; i < columns; i++)
			frame_put(f, row, at + i, i < full ? tint : TINT_DIM,
				  v->ascii ? (i < full ? "#" : ".") : (i < full ? "\xe2\x96\x88" : "\xe2\x96\x91"), 1);
		snprintf(line, sizeof line, "%s / %s MiB %3.0f %%", term_number(a, b->vram_used),
			 term_number(l, b->vram_limit), 100 * share);
	} else {
		snprintf(line, sizeof line, "%s MiB", term_number(a, b->vram_used));
	}
	frame_put_right(f, row, at + columns, share > 1 ? TINT_BAD : TINT_PLAIN, line, 28);
}

/* --- lists ------------------------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool has(const char *text, const char *part)
{
	size_t n = strlen(part);

	for (; *text || !n; text++) {
		size_t i = 0;

		while (i < n && lower(text[i]) == lower(part[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

static bool row_wanted(const struct board *b, const struct dashboard_view *v, size_t i)
{
	return has(b->row[i].name, v->filter);
}

static bool alarm_wanted(const struct board *b, const struct dashboard_view *v, size_t i)
{
	const struct board_alarm *a = &b->alarm[i];

	return has(a->session, v->filter) || has(alarm_specs[a->type].id, v->filter) ||
	       has(alarm_specs[a->type].label[v->lang], v->filter);
}

enum { ROW_NUMBERS = 5 };

/* As many as fit completely; the chart gets the remaining columns. A frame has at least MIN_COLUMNS: three fit. */
static size_t numbers_of_row(const struct frame *f)
{
	size_t fit = (f->columns - SIDE - NAME - SIDE + 1) / NUMBER;

	return fit < ROW_NUMBERS ? fit : ROW_NUMBERS;
}

static void put_row(struct frame *f, const struct board *b, const struct dashboard_view *v, size_t i, size_t row)
{
	const struct board_row *r = &b->row[i];
	size_t at = SIDE + NAME, numbers = numbers_of_row(f);
	enum tint tint = r->bad ? TINT_BAD : r->events ? TINT_WARN : TINT_PLAIN;
	char n[TERM_TEXT];

	frame_put(f, row, SIDE, r->bad ? TINT_BAD : TINT_PLAIN, *r->name ? r->name : "-", NAME - 1);
	frame_put_right(f, row, at, TINT_PLAIN, term_count(n, r->records), NUMBER - 1);
	number(f, row, at + NUMBER, TINT_PLAIN, M_THROUGHPUT_TPS, r->throughput);
	quantile(f, v, row, at + 2 * NUMBER, M_TOKEN_LATENCY_MS, &r->latency_p95);
	if (numbers > 3)
		number(f, row, at + 3 * NUMBER, TINT_PLAIN, M_VRAM_USED_MB, r->vram);
	if (numbers > 4)
		frame_put_right(f, row, at + 4 * NUMBER, tint, r->events ? term_count(n, r->events) : "", NUMBER - 1);
	if (tint != TINT_PLAIN)
		frame_put(f, row, 0, tint, mark(v, tint), 1);
	if (numbers == ROW_NUMBERS)
		spark(f, v, row, at + ROW_NUMBERS * NUMBER, f->columns - at - ROW_NUMBERS * NUMBER - SIDE, TINT_PLAIN,
		      r->point);
}

static void put_row_heads(struct frame *f, const struct dashboard_view *v, size_t row)
{
	static const enum text_id heads[] = { TEXT_TERM_RECORDS_HEAD, TEXT_TERM_SPEED, TEXT_TERM_P95_MS,
					      TEXT_WATCH_VRAM, TEXT_TERM_EVENTS_HEAD };

	for (size_t i = 0; i < numbers_of_row(f); i++) {
		const char *head = word(v, heads[i]);
		size_t wide = utf8_columns(head), end = SIDE + NAME + i * NUMBER + NUMBER - 1;

		frame_put(f, row, end - wide - 1, TINT_DIM, " ", 1);
		frame_put(f, row, end - wide, TINT_DIM, head, wide);
		frame_put(f, row, end, TINT_DIM, " ", 1);
	}
}

static void put_alarm(struct frame *f, const struct board *b, const struct dashboard_view *v, size_t i, size_t row)
{
	const struct board_alarm *a = &b->alarm[i];
	static const enum tint tints[SEVERITY_COUNT] = { TINT_DIM, TINT_WARN, TINT_BAD };
	enum tint tint = tints[a->severity];
	char when[TIME_TEXT_BYTES], n[TERM_TEXT];
	size_t right = f->columns - SIDE - 3 * NUMBER, label = 22;

	time_format(when, a->from_us);
	when[19] = 0;
	if (a->firing)
		frame_put(f, row, 0, tint, mark(v, tint), 1);
	frame_put(f, row, SIDE, TINT_DIM, when + 11, 9);
	frame_put(f, row, SIDE + 10, a->firing ? tint : TINT_DIM, alarm_specs[a->type].label[v->lang], label - 1);
	frame_put(f, row, SIDE + 10 + label, TINT_PLAIN, a->session,
		  right > SIDE + 11 + label ? right - SIDE - 11 - label : 0);
	frame_put_right(f, row, right, TINT_DIM, term_count(n, a->records), NUMBER - 1);
	number(f, row, right + NUMBER, TINT_PLAIN, a->metric, a->worst);
	number(f, row, right + 2 * NUMBER, TINT_DIM, a->metric, a->limit);
}

typedef bool wanted_fn(const struct board *b, const struct dashboard_view *v, size_t i);
typedef void put_fn(struct frame *f, const struct board *b, const struct dashboard_view *v, size_t i, size_t row);

/* What fits of n entries into the rows from..to, scrolled; the number of those that are wanted. */
static size_t put_list(struct frame *f, const struct board *b, struct dashboard_view *v, enum dashboard_panel panel,
		       size_t n, size_t from, size_t to, wanted_fn *wanted, put_fn *put)
{
	size_t all = 0, seen = 0, room = to > from ? to - from : 0, most;

	for (size_t i = 0; i < n; i++)
		all += wanted(b, v, i);
	most = all > room ? all - room : 0;
	v->first[panel] = v->first[panel] < most ? v->first[panel] : most;
	for (size_t i = 0; i < n; i++)
		if (wanted(b, v, i)) {
			if (seen >= v->first[panel] && seen < v->first[panel] + room)
				put(f, b, v, i, from + seen - v->first[panel]);
			seen++;
		}
	return all;
}

/* One of the lists: what the board has of it, what there is besides, and the screen's rows that it gets. */
struct panel {
	enum dashboard_panel id;
	enum text_id title, more; /* more: how many there are besides, and how to see them */
	size_t n;
	uint64_t left_out;
	size_t row, rows; /* of its heading; below it */
	size_t heads_end; /* the column behind the heads in the heading's row; 0: none there */
};

/* "3-8 / 20 of 1,000": those to be seen, of those that are wanted, of those that there are; with a filter, of those
 * that it searches. `brief` leaves the last out, which put_left_out says. */
static void put_range(struct buf *out, const struct dashboard_view *v, const struct panel *p, size_t all, size_t room,
		      bool brief)
{
	size_t first = v->first[p->id], last = first + room < all ? first + room : all;
	uint64_t of = v->filter[0] ? p->n : p->n + p->left_out;
	char n[TERM_TEXT];

	if (all)
		buf_printf(out, "%zu-%zu / ", first + 1, last);
	buf_printf(out, "%zu", all);
	if (of > all && !brief)
		text_fill(out, v->lang, TEXT_WATCH_OF, term_count(n, of));
}

/* At the right end of the heading's row, or, where heads stand there, behind the title, whole or not at all. */
static bool put_remark(struct frame *f, const struct panel *p, size_t title_end, const char *remark)
{
	size_t columns = utf8_columns(remark) + 1; /* and a blank */

	if (p->heads_end + columns + SIDE < f->columns) {
		frame_put(f, p->row, f->columns - SIDE - columns, TINT_DIM, " ", 1);
		frame_put_right(f, p->row, f->columns - SIDE - columns + 1, TINT_DIM, remark, columns - 1);
		return true;
	}
	if (title_end + columns > SIDE + NAME)
		return false;
	title_end += frame_put(f, p->row, title_end, TINT_DIM, remark, columns);
	frame_put(f, p->row, title_end, TINT_DIM, " ", 1);
	return true;
}

static void put_ranges(struct frame *f, const struct dashboard_view *v, const struct panel *p, size_t title_end,
		       size_t all, size_t room)
{
	bool put = all <= room && !p->left_out && !v->filter[0]; /* everything is there: nothing to say */

	for (int brief = 0; brief < 2 && !put; brief++) {
		struct buf range = { 0 };

		put_range(&range, v, p, all, room, brief);
		put = range.failed || put_remark(f, p, title_end, range.p);
		buf_free(&range);
	}
}

/* The last row of a panel whose board has only some of them: how many there are besides, and how to see them. */
static void put_left_out(struct frame *f, const struct dashboard_view *v, const struct panel *p)
{
	struct buf words = { 0 };
	char n[TERM_TEXT];

	text_fill(&words, v->lang, v->filter[0] ? TEXT_WATCH_NOT_SEARCHED : p->more, term_count(n, p->left_out));
	frame_put(f, p->row + p->rows, SIDE, TINT_DIM, buf_text(&words), f->columns - 2 * SIDE);
	buf_free(&words);
}

static void put_panel(struct frame *f, const struct board *b, struct dashboard_view *v, const struct panel *p,
		      wanted_fn *wanted, put_fn *put)
{
	const size_t told = p->left_out && p->rows > 1, room = p->rows - told;
	size_t all = put_list(f, b, v, p->id, p->n, p->row + 1, p->row + 1 + room, wanted, put);

	put_ranges(f, v, p, heading(f, v, p->row, p->id, p->title), all, room);
	if (told)
		put_left_out(f, v, p);
	if (!all && p->n && room)
		frame_put(f, p->row + 1, SIDE, TINT_DIM, word(v, TEXT_WATCH_NO_MATCH), f->columns - 2 * SIDE);
}

/* Keys that do not fit are left out, the last ones first: two blanks stand between them. */
static void keep_whole_keys(char *line, size_t columns)
{
	for (size_t end = strlen(line); end > 1 && utf8_columns(line) > columns; end--)
		if (line[end - 1] == ' ' && line[end - 2] == ' ')
			line[end - 2] = 0;
}

/* --- the bottom, help --------------------------------------------------------------------------------- */

static void put_bottom(struct frame *f, const struct dashboard_view *v)
{
	size_t row = f->rows - 1, at;
	char line[2 * TERM_TEXT];

	if (v->typing || v->filter[0]) {
		at = SIDE + frame_put(f, row, SIDE, TINT_BOLD, "/", 1);
		at += frame_put(f, row, at, TINT_PLAIN, v->filter, f->columns);
		if (v->typing)
			frame_put(f, row, at, TINT_BOLD, "_", 1);
		frame_put_right(f, row, f->columns / 2, TINT_DIM, word(v, TEXT_WATCH_FILTER_KEYS),
				f->columns - f->columns / 2 - SIDE);
		return;
	}
	snprintf(line, sizeof line, "%s  %g s", word(v, TEXT_WATCH_KEYS), v->interval_s);
	keep_whole_keys(line, f->columns - 2 * SIDE);
	frame_put(f, row, SIDE, TINT_DIM, line, f->columns - 2 * SIDE);
}

/* The rows that it takes. */
static size_t put_wrapped(struct frame *f, size_t row, size_t column, const char *text)
{
	const size_t from = row;
	struct buf lines = { 0 };
	struct term t = { .out = &lines, .columns = f->columns - column - SIDE };

	term_wrap(&t, TINT_PLAIN, text, 0);
	for (char *line = lines.p; line && *line; row++) {
		const size_t n = strcspn(line, "\n"), more = line[n] != 0;

		line[n] = 0;
		frame_put(f, row, column, TINT_PLAIN, line, t.columns);
		line += n + more;
	}
	buf_free(&lines);
	return row - from;
}

static void put_help(struct frame *f, const struct dashboard_view *v)
{
	size_t row = 3;
	static const enum text_id lines[] = { TEXT_WATCH_HELP_1, TEXT_WATCH_HELP_2, TEXT_WATCH_HELP_3,
					      TEXT_WATCH_HELP_4, TEXT_WATCH_HELP_5, TEXT_WATCH_HELP_6,
					      TEXT_WATCH_HELP_7, TEXT_WATCH_HELP_8, TEXT_WATCH_HELP_9 };

	frame_put(f, 1, SIDE + 1, TINT_BOLD, word(v, TEXT_WATCH_HELP), f->columns);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		row += put_wrapped(f, row, SIDE + 1, word(v, lines[i]));
}

/* --- the whole ------------------------------------------------------------------------------------------ */

/* The rows of the screen that the first list gets: half, and what the alarms do not need. */
static size_t rows_of_first(const struct board *b, size_t left)
{
	size_t half = left / 2, alarms = b->n_alarms ? b->n_alarms : 1, most = alarms < left ? left - alarms : 0;
	size_t rows = most > half ? most : half;

	return rows < b->n_rows ? rows : b->n_rows;
}

static void put_lists(struct frame *f, const struct board *b, struct dashboard_view *v, size_t row)
{
	const size_t end = f->rows - 1, left = end > row + 2 ? end - row - 2 : 0, rows = rows_of_first(b, left);
	const struct panel first = {
		.id = DASH_ROWS,
		.title = b->by_instance ? TEXT_TERM_INSTANCES : TEXT_TERM_SESSIONS,
		.more = b->by_instance ? TEXT_TERM_MORE_INSTANCES : TEXT_TERM_MORE_SESSIONS,
		.n = b->n_rows,
		.left_out = b->rows_total > b->n_rows ? b->rows_total - b->n_rows : 0,
		.row = row,
		.rows = rows,
		.heads_end = SIDE + NAME + numbers_of_row(f) * NUMBER,
	};
	const struct panel alarms = {
		.id = DASH_ALARMS,
		.title = TEXT_TERM_ANOMALIES,
		.more = b->diagnosed ? TEXT_TERM_MORE_EVENTS : TEXT_WATCH_MORE_ALARMS,
		.n = b->n_alarms,
		.left_out = b->alarms_total > b->n_alarms ? b->alarms_total - b->n_alarms : 0,
		.row = row + 1 + rows,
		.rows = left - rows,
	};

	if (!left)
		return;
	put_panel(f, b, v, &first, row_wanted, put_row);
	put_row_heads(f, v, row);
	put_panel(f, b, v, &alarms, alarm_wanted, put_alarm);
	if (!b->n_alarms && alarms.rows)
		frame_put(f, alarms.row + 1, SIDE, TINT_GOOD, word(v, TEXT_TERM_NO_ANOMALY), f->columns);
}

void dashboard_draw(struct frame *f, const struct board *b, struct dashboard_view *v)
{
	size_t row = 2, room = f->rows > 10 ? f->rows - 10 : 1, metrics;

	if (f->columns < MIN_COLUMNS || f->rows < MIN_ROWS) {
		frame_put(f, 0, 0, TINT_PLAIN, word(v, TEXT_WATCH_TOO_SMALL), f->columns);
		return;
	}
	if (v->help) {
		put_help(f, v);
		return;
	}
	put_top(f, b, v);
	room = f->rows > SMALL_ROWS ? BOARD_METRICS : 8 < room ? 8 : room;
	metrics = b->n_metrics < room ? b->n_metrics : room;
	v->first[DASH_METRICS] =
		v->first[DASH_METRICS] + metrics <= b->n_metrics ? v->first[DASH_METRICS] : b->n_metrics - metrics;
	put_metric_heads(f, b, v, row++);
	for (size_t i = 0; i < metrics; i++)
		put_metric(f, &b->metric[v->first[DASH_METRICS] + i], v, row++);
	if (isfinite(b->vram_used))
		put_vram(f, b, v, row++);
	put_lists(f, b, v, row);
	put_bottom(f, v);
}
