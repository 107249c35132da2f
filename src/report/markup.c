/* markup.c - numbers, times, units and escaped text as HTML. */
#include "report/page.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#define REPLACEMENT "\xef\xbf\xbd"

const char *const tone_classes[] = { "tone-none", "tone-good", "tone-warn", "tone-bad" };

static const char *entity(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	case '\n':
	case '\t':
		return " ";
	default:
		return c < 0x20 || c == 0x7f ? REPLACEMENT : NULL;
	}
}

/* Does a unit stand at p, as a word of its own? */
static bool is_unit(const char *p, size_t n)
{
	static const char units[] = " % s ms us min h nats tokens/s Token/s KiB MiB GiB MB/s GB/s MHz W ";
	char word[12];
	size_t end = 0;

	while (end < n && (isalnum((unsigned char)p[end]) || p[end] == '%' || p[end] == '/'))
		end++;
	snprintf(word, sizeof word, " %.*s ", end < sizeof word ? (int)end : 0, p);
	return end && end + 2 < sizeof word && strstr(units, word);
}

/* A blank between a number, which may be what was written last, and its unit: a line must not break there. */
static bool is_bound(const struct buf *out, const char *p, size_t n)
{
	return *p == ' ' && out->used && isdigit((unsigned char)out->p[out->used - 1]) && is_unit(p + 1, n - 1);
}

/* prose: numbers keep their units; else the characters stay what they are, to be copied. */
static void put_escaped(struct buf *out, struct slice text, bool prose)
{
	for (size_t i = 0; i < text.n;) {
		const bool bound = prose && is_bound(out, text.p + i, text.n - i);
		const char *e = bound ? "&nbsp;" : entity((unsigned char)text.p[i]);
		size_t n = e ? 0 : utf8_char_bytes(text.p + i, text.n - i);
		size_t bytes;

		if (n && utf8_may_be_shown(utf8_decode(text.p + i, &bytes)))
			buf_add(out, text.p + i, n);
		else
			buf_str(out, e ? e : REPLACEMENT);
		i += n ? n : 1;
	}
}

void put_text(struct buf *out, struct slice text)
{
	put_escaped(out, text, true);
}

void put_str(struct buf *out, const char *text)
{
	put_text(out, slice_of(text));
}

void put_lines_of(struct buf *out, struct slice text)
{
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		put_escaped(out, (struct slice){ text.p, n }, false);
		if (end)
			buf_char(out, '\n');
		n += end != NULL;
		text.p += n;
		text.n -= n;
	}
}

struct slice shown_part(const char *text)
{
	struct slice s = slice_of(text);

	if (s.n > PAGE_LOG_TEXT_MAX)
		s.n = utf8_whole_prefix(s.p, PAGE_LOG_TEXT_MAX);
	return s;
}

void put_log_text(struct buf *out, const char *text)
{
	struct slice shown = shown_part(text);

	if (!shown.n) {
		buf_str(out, "–");
		return;
	}
	buf_str(out, "<bdi>");
	put_escaped(out, shown, false);
	buf_str(out, text[shown.n] ? "…</bdi>" : "</bdi>");
}

void put_filled(struct buf *out, const struct page *p, enum text_id id, const char *const *markup)
{
	text_fill_as(out, words(p, id), markup, put_text);
}

void put_count(struct buf *out, uint64_t value)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf_char(out, ',');
		buf_char(out, digits[i]);
	}
}

static int decimals_for(double size)
{
	if (size >= 99.95)
		return 1;
	if (size >= 9.995)
		return 2;
	return size >= 0.9995 ? 3 : 4;
}

void put_number(struct buf *out, double value)
{
	double size = fabs(value);

	if (!isfinite(value)) {
		buf_str(out, "–");
	} else if (size >= 1e12 || (size > 0 && size < 0.0005)) {
		buf_printf(out, "%.3g", value);
	} else if (size >= 999.95 || size == rint(size)) {
		buf_str(out, value < 0 && rint(size) > 0 ? "−" : "");
		put_count(out, (uint64_t)rint(size));
	} else {
		buf_printf(out, "%s%.*f", value < 0 ? "−" : "", decimals_for(size), size);
	}
}

void put_percent(struct buf *out, double part, double whole)
{
	double share = whole > 0 ? 100 * part / whole : 0;

	if (share > 0 && share < 0.1)
		buf_str(out, "&lt; 0.1");
	else
		buf_printf(out, "%.*f", share > 0 && share < 100 ? 1 : 0, share);
	buf_str(out, "&nbsp;%");
}

static bool in_bytes(enum metric_id m)
{
	return !strcmp(metric_specs[m].unit, "bytes");
}

void put_value(struct buf *out, enum metric_id m, double value)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	if (!*metric_specs[m].unit && fabs(value) > 0.9 && fabs(value) < 1) { /* how far from 1 matters */
		buf_printf(out, "%s%.5f", value < 0 ? "−" : "", fabs(value));
		return;
	}
	if (!in_bytes(m) || !isfinite(value)) {
		put_number(out, value);
		return;
	}
	for (; fabs(value) >= 1024 && u + 1 < sizeof units / sizeof *units; u++)
		value /= 1024;
	put_number(out, value);
	buf_printf(out, "&nbsp;<span class=\"unit\">%s</span>", units[u]);
}

void put_unit(struct buf *out, enum metric_id m)
{
	const char *unit = metric_specs[m].unit;

	if (!*unit || in_bytes(m))
		return;
	buf_str(out, " <small>");
	put_str(out, unit);
	buf_str(out, "</small>");
}

void put_duration(struct buf *out, int64_t us)
{
	uint64_t s = us > 0 ? (uint64_t)us / 1000000 : 0;

	if (s >= 86400)
		buf_printf(out, "%llu&nbsp;d %llu&nbsp;h", (unsigned long long)s / 86400,
			   (unsigned long long)s / 3600 % 24);
	else if (s >= 3600)
		buf_printf(out, "%llu&nbsp;h %llu&nbsp;min", (unsigned long long)s / 3600,
			   (unsigned long long)s / 60 % 60);
	else if (s >= 60)
		buf_printf(out, "%llu&nbsp;min %llu&nbsp;s", (unsigned long long)s / 60, (unsigned long long)s % 60);
	else if (us >= 1000000)
		buf_printf(out, "%.1f&nbsp;s", (double)us / 1e6);
	else
		buf_printf(out, "%.0f&nbsp;ms", us > 0 ? (double)us / 1e3 : 0);
}

void put_time(struct buf *out, int64_t us)
{
	char iso[TIME_TEXT_BYTES];

	time_format(iso, us);
	buf_printf(out, "<time datetime=\"%s\">%.10s %.12s UTC</time>", iso, iso, iso + 11);
}

void put_icon(struct buf *out, enum tone tone)
{
	static const char *const shapes[] = {
		"<circle cx=\"12\" cy=\"12\" r=\"10\"/><path d=\"M7 12h10\"/>",
		"<circle cx=\"12\" cy=\"12\" r=\"10\"/><path d=\"m7 12.5 3.5 3.5 6.5-7.5\"/>",
		"<path d=\"M12 2.5 22.5 21h-21z\"/><path d=\"M12 9.5v5m0 3v.4\"/>",
		"<path d=\"M8 2h8l6 6v8l-6 6H8l-6-6V8z\"/><path d=\"m8.5 8.5 7 7m0-7-7 7\"/>",
	};

	buf_printf(out,
		   "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\" fill=\"none\" stroke=\"currentColor\" "
		   "stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\">%s</svg>",
		   shapes[tone]);
}

enum tone severity_tone(enum severity s)
{
	static const enum tone tones[SEVERITY_COUNT] = { TONE_NONE, TONE_WARN, TONE_BAD };

	return tones[s];
}
