/* compare_json.c - a comparison as one JSON object. */
#include "report/compare.h"

#include "base/json.h"

#include <math.h>

static const char *const statistic_ids[COMPARED_COUNT] = {
	[COMPARED_MEDIAN] = "median", [COMPARED_P95] = "p95",   [COMPARED_P90] = "p90",
	[COMPARED_P99] = "p99",       [COMPARED_MEAN] = "mean",
};

/* What a verdict says, for programs: the same words in every language. */
static const char *verdict_id(const struct difference *d, enum difference_verdict verdict)
{
	static const char *const ids[DIFFERENCE_VERDICTS] = { "unknown", "no difference", "differs", "better",
							      "worse",   "higher",        "lower" };
	bool speed = d && compare_is_speed(d->metric);

	if (speed && verdict == DIFFERENCE_BETTER)
		return "faster";
	return speed && verdict == DIFFERENCE_WORSE ? "slower" : ids[verdict];
}

static const char *const reason_ids[DIFFERENCE_REASONS] = {
	[REASON_NONE] = "",
	[REASON_FEW_STEPS] = "few steps",
	[REASON_FEW_SAMPLES] = "few samples",
	[REASON_SHORT_RUNS] = "short runs",
	[REASON_WIDE] = "wide interval",
	[REASON_FEW_RUNS] = "few runs",
	[REASON_MANY] = "one of many",
};

static void put_alarms(struct json *out, const struct findings *f)
{
	jw_object(out);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (f->anomaly_by_type[type])
			jw_put_u64(out, alarm_specs[type].id, f->anomaly_by_type[type]);
	jw_end(out);
}

static void put_known(struct json *out, const char *key, struct buf *text)
{
	jw_key(out, key);
	if (text->used)
		jw_slice(out, buf_slice(text));
	else
		jw_null(out);
}

static void put_ran(struct json *out, const struct findings *f)
{
	struct compare_ran ran;

	compare_ran(&ran, f, LANG_EN);
	put_known(out, "model_name", &ran.model);
	put_known(out, "strategy", &ran.strategy);
	put_known(out, "device", &ran.device);
	compare_ran_free_into(&ran, out->out);
}

static void put_side(struct json *out, const char *name, const struct compared_side *side, const struct findings *f)
{
	jw_object(out);
	jw_put_text(out, "name", name);
	jw_put_u64(out, "files", f->n_files);
	report_json_skipped(out, f);
	jw_put_u64(out, "sessions", side->sessions);
	jw_put_u64(out, "records", side->records);
	jw_put_u64(out, "warmup", side->left_out);
	jw_put_u64(out, "failed_requests", side->failed_requests);
	put_ran(out, f);
	jw_put_u64(out, "runs", side->runs);
	jw_put_u64(out, "units", side->units);
	jw_put_time(out, "from", f->from_us, f->records);
	jw_put_time(out, "to", f->to_us, f->records);
	jw_key(out, "anomalies_by_type");
	put_alarms(out, f);
	jw_end(out);
}

static void put_estimate(struct json *out, const struct estimate *e)
{
	jw_object(out);
	jw_put_double(out, "a", e->a);
	jw_put_double(out, "b", e->b);
	jw_put_double(out, "difference", e->difference);
	jw_put_double(out, "low", e->low);
	jw_put_double(out, "high", e->high);
	jw_put_double(out, "relative", e->relative);
	jw_put_double(out, "relative_low", e->relative_low);
	jw_put_double(out, "relative_high", e->relative_high);
	jw_put_double(out, "chance", e->chance);
	jw_end(out);
}

static void put_row(struct json *out, const struct difference *d)
{
	jw_object(out);
	jw_put_text(out, "metric", metric_specs[d->metric].id);
	jw_put_known_text(out, "phase", phase_ids[d->phase]);
	jw_put_text(out, "unit", metric_specs[d->metric].unit);
	jw_put_u64(out, "count_a", d->a.count);
	jw_put_u64(out, "count_b", d->b.count);
	for (int i = 0; i < COMPARED_COUNT; i++) {
		jw_key(out, statistic_ids[i]);
		put_estimate(out, &d->of[i]);
	}
	jw_put_double(out, "cliffs_delta", d->cliffs_delta);
	jw_put_known_text(out, "effect", compare_effect_id(d->cliffs_delta));
	jw_put_double(out, "independent_a", d->independent[0]);
	jw_put_double(out, "independent_b", d->independent[1]);
	jw_put_known_text(out, "reason", reason_ids[d->reason]);
	jw_put_text(out, "verdict", verdict_id(d, d->median));
	jw_put_text(out, "p95_verdict", verdict_id(d, d->p95));
	jw_end(out);
}

static void put_sentence(struct json *out, const struct comparison *c, enum lang lang)
{
	struct buf line = { 0 };

	compare_sentence(&line, c, lang);
	jw_slice(out, buf_slice(&line));
	buf_free_into(&line, out->out);
}

void compare_json(struct buf *to, const struct comparison *c, const struct compare_input *in,
		  const struct report_options *opts)
{
	struct json json = { .out = to }, *out = &json;

	jw_object(out);
	jw_put_text(out, "verdict", verdict_id(c->deciding, c->verdict));
	jw_key(out, "verdict_text");
	put_sentence(out, c, opts->lang);
	jw_put_known_text(out, "metric", c->deciding ? metric_specs[c->deciding->metric].id : "");
	jw_put_known_text(out, "phase", c->deciding ? phase_ids[c->deciding->phase] : "");
	jw_key(out, "a");
	put_side(out, in->name[0], &c->side[0], in->findings[0]);
	jw_key(out, "b");
	put_side(out, in->name[1], &c->side[1], in->findings[1]);
	jw_put_text(out, "drawn", c->by_run ? "runs" : "blocks");
	jw_put_array(out, "differences");
	for (size_t i = 0; i < c->n; i++) {
		put_row(out, &c->row[i]);
	}
	jw_end(out);
	jw_end(out);
	buf_char(to, '\n');
}
