/* alarm_text.c - alarms for people, one line each on standard error. */
#include "collect/collector.h"

#include "base/file.h"

#include <math.h>
#include <unistd.h>

static void add_reading(struct buf *line, const struct record *r)
{
	double value = fields_number(r->extra, F_VALUE, NAN), limit = fields_number(r->extra, F_LIMIT, NAN);
	double wasted = fields_number(r->extra, F_TOKENS_WASTED, 0);

	if (isnan(value)) /* the rule is gone */
		return;
	buf_str(line, " (");
	buf_json_decimal(line, value, 3);
	buf_str(line, ", limit ");
	buf_json_decimal(line, limit, 3);
	if (wasted > 0)
		buf_printf(line, "; %.*s since token %.0f, %.0f tokens wasted", SLICE_ARG(fields_text(r->extra, F_KIND)),
			   fields_number(r->extra, F_FIRST_BAD_TOKEN, 0), wasted);
	buf_char(line, ')');
}

static void write_alarm(struct sink *s, const struct record *r)
{
	bool to_terminal = isatty(STDERR_FILENO);
	struct buf line = { 0 };
	struct slice type, summary;

	(void)s;
	if (r->event != EVENT_ALARM && r->event != EVENT_ALARM_RESOLVED)
		return;
	type = fields_text(r->extra, F_ALARM_TYPE);
	summary = fields_text(r->extra, F_SUMMARY);
	if (to_terminal)
		buf_str(&line, "\r\n\033[J"); /* text and a progress line may stand here */
	buf_printf(&line, "%s %.*s: %.*s", r->event == EVENT_ALARM ? "[ALARM]" : "[RESOLVED]", SLICE_ARG(type), SLICE_ARG(summary));
	add_reading(&line, r);
	if (r->event == EVENT_ALARM && fields_text(r->extra, F_ACTION).n)
		buf_printf(&line, "\n        %.*s", SLICE_ARG(fields_text(r->extra, F_ACTION)));
	buf_char(&line, '\n');
	if (!line.failed)
		file_write_all(STDERR_FILENO, buf_slice(&line)); /* a closed stderr is the caller's wish */
	buf_free(&line);
}

struct sink *alarm_text_sink(void)
{
	static struct sink sink = { .write = write_alarm };

	return &sink;
}
