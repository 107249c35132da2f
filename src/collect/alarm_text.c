/* alarm_text.c - prints alarms for people on standard error, one line each. */
#include "collect/collector.h"

#include "base/file.h"
#include "base/tty.h"
#include "base/utf8.h"
#include "spec/text.h"

#include <unistd.h>

struct text_sink {
	struct sink sink; /* first */
	enum lang lang;
};

static void add_reading(struct buf *line, const struct record *r, enum lang lang)
{
	struct buf reading = { 0 };

	format_reading(&reading, r, lang);
	if (reading.used)
		text_fill(line, lang, TEXT_ALARM_READING, buf_text(&reading));
	buf_free(&reading);
}

static void write_alarm(struct sink *s, const struct record *r)
{
	const enum lang lang = ((const struct text_sink *)(const void *)s)->lang;
	struct buf line = { 0 }, said = { 0 };
	struct slice type, summary;

	if (r->event != EVENT_ALARM && r->event != EVENT_ALARM_RESOLVED)
		return;
	type = fields_text(r->extra, F_ALARM_TYPE);
	summary = fields_text(r->extra, F_SUMMARY);
	buf_printf(&said, "%s %.*s%s%.*s", r->event == EVENT_ALARM ? "[ALARM]" : "[RESOLVED]", SLICE_ARG(type),
		   text(TEXT_ALARM_SAYS, lang), SLICE_ARG(summary));
	add_reading(&said, r, lang);
	if (r->event == EVENT_ALARM && fields_text(r->extra, F_ACTION).n)
		buf_printf(&said, "\n        %.*s", SLICE_ARG(fields_text(r->extra, F_ACTION)));
	buf_char(&said, '\n');
	if (tty_obeys(STDERR_FILENO))
		buf_str(&line, "\r\n\033[J"); /* there may be text and a progress line here */
	if (!said.failed) {
		utf8_clean(said.p); /* a stranger's rules may hold what a terminal obeys */
		buf_str(&line, said.p);
	}
	buf_free_into(&said, &line);
	if (!line.failed)
		file_say(STDERR_FILENO, buf_slice(&line)); /* a closed stderr is the caller's wish */
	buf_free(&line);
}

struct sink *alarm_text_sink(enum lang lang)
{
	static struct text_sink sinks[LANG_COUNT] = { { { .write = write_alarm }, LANG_EN },
						      { { .write = write_alarm }, LANG_ZH } };

	return &sinks[lang].sink;
}
