/* deliver_receiver.c - what receivers of every kind need: how long a try may last, and an alarm's words. */
#include "export/deliver_receiver.h"

#include "record/codec.h"

#include <math.h>

unsigned attempt_ms(const struct attempt *a, unsigned most)
{
	uint64_t now = clock_mono_ns(a->clock), until = atomic_load_explicit(a->deadline_ns, memory_order_relaxed);
	uint64_t left = until > now ? (until - now) / 1000000 : 0;

	return left < most ? (unsigned)left : most;
}

void format_json_line(const struct receiver *r, struct buf *out, const struct record *alarm)
{
	struct slice instance = fields_text(alarm->session, F_INSTANCE);

	(void)r;
	record_encode(out, alarm);
	if (out->failed || !instance.n)
		return;
	out->used -= 2; /* "}\n": the log says it once, but here nothing stands before */
	buf_str(out, ",\"instance\":");
	buf_json_string(out, instance);
	buf_str(out, "}\n");
}

void format_reading(struct buf *out, const struct record *alarm, enum lang lang)
{
	double value = fields_number(alarm->extra, F_VALUE, NAN), limit = fields_number(alarm->extra, F_LIMIT, NAN);

	if (isnan(value))
		return;
	buf_str(out, lang == LANG_ZH ? "当前值 " : "value ");
	buf_json_decimal(out, value, 3);
	if (isnan(limit))
		return;
	buf_str(out, lang == LANG_ZH ? ",限值 " : ", limit ");
	buf_json_decimal(out, limit, 3);
	if (!fields_have(alarm->extra, F_TOKENS_WASTED))
		return;
	buf_printf(out, lang == LANG_ZH ? ";%.*s 始于 Token %.0f,浪费 %.0f 个 Token" : "; %.*s since token %.0f, %.0f tokens wasted",
		   SLICE_ARG(fields_text(alarm->extra, F_KIND)), fields_number(alarm->extra, F_FIRST_BAD_TOKEN, 0),
		   fields_number(alarm->extra, F_TOKENS_WASTED, 0));
}
