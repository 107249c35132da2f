/* deliver_receiver.c - what receivers of every kind need: how long a try may last, and an alarm's words. */
#include "export/deliver_receiver.h"

#include "record/codec.h"
#include "spec/text.h"

#include <math.h>

unsigned attempt_ms(const struct attempt *a, unsigned most)
{
	uint64_t now = clock_mono_ns(a->clock), until = atomic_load_explicit(a->deadline_ns, memory_order_relaxed);
	uint64_t left = until > now ? (until - now) / 1000000 : 0;

	return left < most ? (unsigned)left : most;
}

void format_json_line(const struct receiver *r, struct buf *out, const struct record *alarm)
{
	(void)r;
	record_encode(out, alarm);
}

/* Older logs do not name the metric; a spread has no unit. */
static void put_unit(struct buf *out, const struct record *alarm)
{
	const enum metric_id m = metric_by_id(fields_text(alarm->extra, F_RULE_METRIC));
	const bool none = m == METRIC_COUNT || fields_have(alarm->extra, F_AGGREGATE);
	const char *unit = none ? "" : metric_specs[m].unit;

	if (*unit && strcmp(unit, "count") != 0)
		buf_printf(out, " %s", unit);
}

void format_reading(struct buf *out, const struct record *alarm, enum lang lang)
{
	double value = fields_number(alarm->extra, F_VALUE, NAN), limit = fields_number(alarm->extra, F_LIMIT, NAN);
	char kind[40], token[32], wasted[32];

	if (isnan(value))
		return;
	buf_str(out, text(TEXT_ALARM_VALUE, lang));
	buf_json_decimal(out, value, 3);
	put_unit(out, alarm);
	if (isnan(limit))
		return;
	buf_str(out, text(TEXT_ALARM_LIMIT, lang));
	buf_json_decimal(out, limit, 3);
	put_unit(out, alarm);
	if (!fields_have(alarm->extra, F_TOKENS_WASTED))
		return;
	snprintf(kind, sizeof kind, "%.*s", SLICE_ARG(fields_text(alarm->extra, F_KIND)));
	snprintf(token, sizeof token, "%.0f", fields_number(alarm->extra, F_FIRST_BAD_TOKEN, 0));
	snprintf(wasted, sizeof wasted, "%.0f", fields_number(alarm->extra, F_TOKENS_WASTED, 0));
	text_fill(out, lang, TEXT_ALARM_COLLAPSE, kind, token, wasted);
}
