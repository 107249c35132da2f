/* terminal.c - columns are counted as a terminal draws them. */
#include "report/terminal.h"

#include "base/utf8.h"

#include <math.h>

static const char *const tint_codes[TINT_COUNT] = {
	[TINT_PLAIN] = "",        [TINT_BOLD] = "\x1b[1m",  [TINT_DIM] = "\x1b[2m",
	[TINT_GOOD] = "\x1b[32m", [TINT_WARN] = "\x1b[33m", [TINT_BAD] = "\x1b[1;31m",
};

/* --- numbers for people ------------------------------------------------------------ */

struct term term_begin(struct buf *out, const struct report_options *opts)
{
	return (struct term){ .out = out,
			      .lang = opts->lang,
			      .color = opts->color,
			      .ascii = opts->ascii,
			      .columns = opts->columns > REPORT_COLUMNS ? opts->columns : REPORT_COLUMNS };
}

const char *term_count(char out[TERM_TEXT], uint64_t value)
{
	char digits[24];
	size_t n = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value), at = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = 0;
	return out;
}

/* About four digits: 0.9071, 26.58, 156.2, 1,234, 123.4 k. */
const char *term_number(char out[TERM_TEXT], double value)
{
	static const char *const letters[] = { " k", " M", " G", " T", " P" };
	double size = fabs(value);
	size_t letter = 0;

	if (!isfinite(value)) {
		snprintf(out, TERM_TEXT, "-");
		return out;
	}
	if (size < 99999.5) {
		int decimals = value == rint(value) || size >= 1000 ? 0 : size >= 99.995 ? 1 : size >= 9.9995 ? 2 : 3;

		if (size < 1 && decimals)
			decimals = size >= 0.001 ? 4 : 6;
		if (size >= 1000)
			term_count(out + (value < 0), (uint64_t)rint(size));
		else if (decimals && size < 5e-7)
			snprintf(out, TERM_TEXT, "%.1e", value);
		else
			snprintf(out, TERM_TEXT, "%.*f", decimals, value);
		if (size >= 1000 && value < 0)
			out[0] = '-';
		return out;
	}
	for (value /= 1000; fabs(value) >= 999.95 && letter + 1 < sizeof letters / sizeof *letters; letter++)
		value /= 1000;
	if (fabs(value) < 999999.5)
		snprintf(out, TERM_TEXT, "%.1f%s", value, letters[letter]);
	else
		snprintf(out, TERM_TEXT, "%.1e%s", value, letters[letter]);
	return out;
}

const char *term_bytes(char out[TERM_TEXT], double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	if (!isfinite(bytes) || fabs(bytes) > 1e18)
		return term_number(out, bytes);
	for (; fabs(bytes) >= 1023.95 && unit + 1 < sizeof units / sizeof *units; unit++)
		bytes /= 1024;
	snprintf(out, TERM_TEXT, "%.*f %s", unit && bytes != rint(bytes) ? 1 : 0, bytes, units[unit]);
	return out;
}

const char *term_value(char out[TERM_TEXT], enum metric_id m, double value)
{
	const char *unit = metric_specs[m].unit;
	size_t n;

	if (!strcmp(unit, "bytes"))
		return term_bytes(out, value);
	if (!strcmp(unit, "MiB") && fabs(value) >= 10240)
		return term_bytes(out, value * 1048576);
	term_number(out, value);
	n = strlen(out);
	if (*unit && strcmp(unit, "count") && isfinite(value))
		snprintf(out + n, TERM_TEXT - n, " %s", unit);
	return out;
}

const char *term_share(char out[TERM_TEXT], uint64_t part, uint64_t whole)
{
	double percent = whole ? 100 * (double)part / (double)whole : 0;

	if (part && percent < 0.1)
		snprintf(out, TERM_TEXT, "<0.1 %%");
	else if (!part || part == whole)
		snprintf(out, TERM_TEXT, "%.0f %%", percent);
	else
		snprintf(out, TERM_TEXT, "%.1f %%", percent > 99.9 ? 99.9 : percent);
	return out;
}

const char *term_lasted(char out[TERM_TEXT], int64_t us)
{
	static const struct {
		int64_t us;
		const char *unit;
	} steps[] = { { 86400000000, "d" }, { 3600000000, "h" }, { 60000000, "min" }, { 1000000, "s" } };
	size_t i = 0;

	while (i < 4 && us < steps[i].us)
		i++;
	if (i == 4)
		snprintf(out, TERM_TEXT, "%d ms", (int)(us / 1000));
	else if (i == 3)
		snprintf(out, TERM_TEXT, "%.1f s", (double)us / 1e6);
	else
		snprintf(out, TERM_TEXT, "%lld %s %lld %s", (long long)(us / steps[i].us), steps[i].unit,
			 (long long)(us % steps[i].us / steps[i + 1].us), steps[i + 1].unit);
	return out;
}

/* --- text ------------------------------------------------------------------------- */

/* Bytes and columns of the character at p; 0 bytes when it is none that may be shown. */
static size_t shown_char(const char *p, size_t n, size_t *columns)
{
	size_t bytes = utf8_char_bytes(p, n);
	char one[5] = { 0 };
	uint32_t c;

	if (!bytes)
		return 0;
	c = utf8_decode(p, &bytes);
	if (!utf8_may_be_shown(c))
		return 0;
	memcpy(one, p, bytes);
	*columns = utf8_columns(one);
	return bytes;
}

void term_clean_all(struct buf *out, const struct term *t, const char *text)
{
	size_t n = strlen(text), columns;

	for (size_t i = 0; i < n;) {
		size_t bytes = shown_char(text + i, n - i, &columns);

		if (bytes)
			buf_add(out, text + i, bytes);
		else
			buf_str(out, t->ascii ? "?" : "\xef\xbf\xbd");
		if (!bytes)
			bytes = utf8_char_bytes(text + i, n - i);
		i += bytes ? bytes : 1;
	}
}

/* How many bytes of clean text fit the columns. */
static size_t fitting(const char *text, size_t columns, size_t *used)
{
	size_t n = strlen(text), at = 0, wide;

	*used = 0;
	while (at < n) {
		size_t bytes = shown_char(text + at, n - at, &wide);

		bytes = bytes ? bytes : 1;
		if (*used + wide > columns)
			break;
		*used += wide;
		at += bytes;
	}
	return at;
}

const char *term_clean(char out[TERM_TEXT], const struct term *t, const char *text, size_t columns, bool keep_end)
{
	const char *dots = t->ascii ? "..." : "\xe2\x80\xa6";
	size_t dot_columns = t->ascii ? 3 : 1, used, n;
	struct buf b = { 0 };

	term_clean_all(&b, t, text);
	columns = columns < TERM_TEXT / 4 ? columns : TERM_TEXT / 4; /* 4 bytes a column at most */
	if (!b.p || utf8_columns(b.p) <= columns) {
		snprintf(out, TERM_TEXT, "%s", buf_text(&b));
	} else if (keep_end) {
		const char *end = b.p;

		while (utf8_columns(end) + dot_columns > columns)
			end += utf8_char_bytes(end, strlen(end));
		snprintf(out, TERM_TEXT, "%s%s", dots, end);
	} else {
		n = fitting(b.p, columns - dot_columns, &used);
		snprintf(out, TERM_TEXT, "%.*s%s", (int)n, b.p, dots);
	}
	buf_free_into(&b, t->out);
	return out;
}

size_t term_name_columns(const struct term *t, size_t least)
{
	enum { MOST = 40 };
	const size_t columns = least + t->columns - REPORT_COLUMNS;

	return columns < MOST || columns < least ? columns : least < MOST ? MOST : least;
}

void term_put(struct term *t, enum tint tint, const char *text)
{
	bool tinted = t->color && tint != TINT_PLAIN && *text;

	buf_str(t->out, tinted ? tint_codes[tint] : "");
	buf_str(t->out, text);
	buf_str(t->out, tinted ? "\x1b[0m" : "");
	t->at += utf8_columns(text);
}

static void term_repeat(struct term *t, enum tint tint, const char *text, size_t times)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < times; i++)
		buf_str(&b, text);
	if (b.p)
		term_put(t, tint, b.p);
	buf_free_into(&b, t->out);
}

static void pad(struct term *t, size_t columns)
{
	for (size_t i = 0; i < columns; i++)
		buf_char(t->out, ' ');
	t->at += columns;
}

void term_left(struct term *t, enum tint tint, const char *text, size_t columns)
{
	char shown[TERM_TEXT];
	size_t wide;

	term_clean(shown, t, text, columns, false);
	wide = utf8_columns(shown);
	term_put(t, tint, shown);
	pad(t, columns > wide ? columns - wide : 0);
}

void term_right(struct term *t, enum tint tint, const char *text, size_t columns)
{
	char shown[TERM_TEXT];
	size_t wide;

	term_clean(shown, t, text, columns, false);
	wide = utf8_columns(shown);
	pad(t, columns > wide ? columns - wide : 0);
	term_put(t, tint, shown);
}

void term_indent(struct term *t, size_t columns)
{
	pad(t, columns);
}

const char *term_word(const struct term *t, enum text_id id)
{
	return text(id, t->lang);
}

void term_head(struct term *t, enum text_id id, size_t columns)
{
	term_right(t, TINT_DIM, term_word(t, id), columns);
}

void term_newline(struct term *t)
{
	struct buf *b = t->out;

	while (b->used && b->p[b->used - 1] == ' ')
		b->p[--b->used] = 0;
	buf_char(b, '\n');
	t->at = 0;
}

void term_heading(struct term *t, enum text_id id, const char *remark)
{
	const char *line = t->ascii ? "-" : "\xe2\x94\x80";
	size_t tail;
	char shown[TERM_TEXT];

	term_newline(t);
	term_put(t, TINT_BOLD, text(id, t->lang));
	term_put(t, TINT_PLAIN, " ");
	term_clean(shown, t, remark ? remark : "", t->at + 12 < t->columns ? t->columns - t->at - 4 : 8, false);
	tail = *shown ? utf8_columns(shown) + 1 : 0;
	if (t->at + tail < t->columns)
		term_repeat(t, TINT_DIM, line, t->columns - t->at - tail);
	if (*shown) {
		term_put(t, TINT_PLAIN, " ");
		term_put(t, TINT_DIM, shown);
	}
	term_newline(t);
}

/* An opening bracket must not end a line. */
static bool is_opening(const char *p)
{
	return !strncmp(p, "\xef\xbc\x88", 3);
}

/* The length of the piece that must not be broken: a word with its blank, what fits of one that no line can hold, or
 * one wide character. */
static size_t piece_bytes(const char *p, size_t room)
{
	size_t n = strlen(p), at = is_opening(p) ? 3 : 0, first = at, columns = 1, width = at ? 2 : 0;

	while (at < n) {
		size_t bytes = shown_char(p + at, n - at, &columns);

		bytes = bytes ? bytes : 1;
		width += columns;
		if (at > first && (columns > 1 || width > room))
			break;
		at += bytes;
		if (columns > 1 || p[at - 1] == ' ')
			break;
	}
	return at;
}

/* Closing punctuation must not begin a line. */
static bool is_closing(const char *p)
{
	return !strncmp(p, "\xef\xbc\x8c", 3) || !strncmp(p, "\xe3\x80\x82", 3) || !strncmp(p, "\xef\xbc\x9a", 3) ||
	       !strncmp(p, "\xef\xbc\x9b", 3) || !strncmp(p, "\xef\xbc\x89", 3) || !strncmp(p, "\xe3\x80\x81", 3) ||
	       !strncmp(p, "\xef\xbc\x9f", 3) || !strncmp(p, "\xef\xbc\x81", 3);
}

void term_wrap(struct term *t, enum tint tint, const char *text, size_t indent)
{
	const size_t room = t->columns > indent + 3 ? t->columns - indent - 2 : 1; /* 2: a full stop in Chinese */
	char piece[TERM_TEXT];

	if (t->at < indent)
		pad(t, indent - t->at);
	while (*text) {
		size_t n = piece_bytes(text, room), columns, trimmed;

		if (is_closing(text + n))
			n += 3;
		n = n < sizeof piece ? n : sizeof piece - 1;
		memcpy(piece, text, n);
		piece[n] = 0;
		text += n;
		trimmed = n && piece[n - 1] == ' ' ? 1 : 0;
		columns = utf8_columns(piece) - trimmed;
		if (t->at + columns > t->columns && t->at > indent) {
			term_newline(t);
			pad(t, indent);
		}
		piece[n - trimmed] = 0; /* a blank has no colour, so that term_newline can drop it */
		term_put(t, tint, piece);
		pad(t, trimmed);
	}
}

void term_say(struct term *t, enum tint tint, size_t indent, enum text_id id, const char *const *args)
{
	struct buf line = { 0 };

	text_fill_list(&line, t->lang, id, args);
	if (line.p)
		term_wrap(t, tint, line.p, indent);
	buf_free_into(&line, t->out);
}

void term_lines(struct term *t, enum tint tint, const char *text)
{
	while (*text) {
		const size_t n = strcspn(text, "\n"), indent = strspn(text, " ");
		struct buf line = { 0 };

		buf_add(&line, text, n);
		if (n > indent && line.p)
			term_wrap(t, tint, line.p + indent, indent);
		term_newline(t);
		buf_free_into(&line, t->out);
		text += n + (text[n] == '\n');
	}
}

void term_more(struct term *t, size_t indent, enum text_id id, uint64_t n)
{
	char count[TERM_TEXT];

	if (!n)
		return;
	term_left(t, TINT_PLAIN, "", indent);
	term_say(t, TINT_DIM, indent, id, (const char *const[]){ term_count(count, n) });
	term_newline(t);
}
