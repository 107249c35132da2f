/* rollup_code.c - a roll-up as a line of the log. */
#include "base/json.h"
#include "record/codec.h"
#include "ship/rollup.h"
#include "stats/sketch_text.h"

#include <math.h>

static void put_metric(struct json *out, const struct metric_stats *t, enum metric_id m, size_t sketch_bytes)
{
	struct sketch values = { .count = 0 };
	struct metric_part part;
	struct buf text = { 0 };

	if (!metric_stats_part(t, m, &part, &values) || !part.count)
		goto end;
	jw_put_object(out, metric_specs[m].id);
	jw_put_u64(out, "count", part.count);
	jw_put_double(out, "sum", part.sum);
	jw_put_double(out, "min", part.min);
	jw_put_double(out, "max", part.max);
	if (sketch_bytes && sketch_write(&text, &values, sketch_bytes))
		jw_put_text(out, "sketch", text.p);
	jw_end(out);
end:
	out->out->failed |= values.failed || text.failed;
	buf_free(&text);
	sketch_free(&values);
}

/* Into *out, which the caller frees. `tokens` of the part; NULL: they are not told apart. */
static void put_metrics(struct buf *out, const struct metric_stats *t, const uint64_t *tokens, size_t sketch_bytes)
{
	struct json j = { .out = out };

	jw_object(&j);
	if (tokens)
		jw_put_u64(&j, "tokens", *tokens);
	for (int m = 0; m < METRIC_COUNT; m++)
		put_metric(&j, t, (enum metric_id)m, sketch_bytes);
	jw_end(&j);
}

bool rollup_write(struct buf *out, const struct rollup *r, const char *id, size_t sketch_bytes)
{
	static const enum field_id keys[ROLLUP_PARTS] = { F_ROLLUP_METRICS, F_ROLLUP_PREFILL };
	struct field_values session = { .have = { 0 } }, extra = { .have = { 0 } };
	struct record rec = { .time_us = r->to_us, .event = EVENT_ROLLUP, .session = &session, .extra = &extra };
	struct buf metrics[ROLLUP_PARTS] = { { 0 } };
	bool fine = true;

	fields_set_text(&session, F_SESSION_ID, slice_of(r->session_id ? r->session_id : ""));
	fields_set_text(&session, F_INSTANCE, slice_of(r->instance));
	fields_set_text(&session, F_MODEL_NAME, slice_of(r->model_name));
	fields_set_text(&session, F_STRATEGY, slice_of(r->strategy));
	fields_set_text(&extra, F_ROLLUP_ID, slice_of(id));
	fields_set_text(&extra, F_ROLLUP_SCOPE, slice_of(r->session_id ? "stream" : "instance"));
	fields_set_number(&extra, F_ROLLUP_SECONDS, (double)(r->to_us - r->from_us) / 1e6);
	fields_set_number(&extra, F_ROLLUP_STREAMS, (double)r->streams);
	fields_set_number(&extra, F_ROLLUP_RECORDS, (double)r->records);
	fields_set_number(&extra, F_ROLLUP_TOKENS, (double)r->tokens);
	fields_set_number(&extra, F_ROLLUP_DROPPED, (double)r->dropped);
	fields_set_number(&extra, F_ROLLUP_ALARMS, (double)r->alarms);
	for (int p = 0; p < ROLLUP_PARTS; p++)
		if (r->part[p].records) {
			put_metrics(&metrics[p], &r->part[p], p == ROLLUP_PREFILL ? &r->prefill_tokens : NULL,
				    sketch_bytes);
			fields_set_text(&extra, keys[p], buf_slice(&metrics[p]));
		}
	record_encode(out, &rec);
	for (int p = 0; p < ROLLUP_PARTS; p++) {
		fine &= !metrics[p].failed && !metric_stats_failed(&r->part[p]);
		buf_free(&metrics[p]);
	}
	return fine && !out->failed;
}
