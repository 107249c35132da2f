/* compare_json.c - a comparison as one JSON object. */
#include "report/compare.h"

#include "report/members.h"

#include <math.h>

static const char *const statistic_ids[COMPARED_COUNT] = {
	[COMPARED_MEDIAN] = "median", [COMPARED_P95] = "p95", [COMPARED_P90] = "p90",
	[COMPARED_P99] = "p99", [COMPARED_MEAN] = "mean",
};

/* What a verdict says, for programs: the same words in every language. */
static const char *verdict_id(const struct difference *d, enum difference_verdict verdict)
{
	static const char *const ids[DIFFERENCE_VERDICTS] = { "unknown", "no difference", "better", "worse", "higher", "lower" };
	bool speed = d && metric_specs[d->metric].group == METRIC_PERFORMANCE;

	if (speed && verdict == DIFFERENCE_BETTER)
		return "faster";
	return speed && verdict == DIFFERENCE_WORSE ? "slower" : ids[verdict];
}

static void put_alarms(struct buf *out, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		if (f->anomaly_by_type[type])
			member_u64(out, &first, alarm_specs[type].id, f->anomaly_by_type[type]);
	buf_char(out, '}');
}

static void put_side(struct buf *out, const char *name, const struct compared_side *side, const struct findings *f)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "name", name);
	member_u64(out, &first, "files", f->n_files);
	member_u64(out, &first, "sessions", side->sessions);
	member_u64(out, &first, "records", side->records);
	member_u64(out, &first, "warmup", side->left_out);
	member_u64(out, &first, "units", side->units);
	member_time(out, &first, "from", f->from_us, f->records);
	member_time(out, &first, "to", f->to_us, f->records);
	key(out, &first, "anomalies_by_type");
	put_alarms(out, f);
	buf_char(out, '}');
}

static void put_estimate(struct buf *out, const struct estimate *e)
{
	bool first = true;

	buf_char(out, '{');
	member_double(out, &first, "a", e->a);
	member_double(out, &first, "b", e->b);
	member_double(out, &first, "difference", e->difference);
	member_double(out, &first, "low", e->low);
	member_double(out, &first, "high", e->high);
	member_double(out, &first, "relative", e->relative);
	member_double(out, &first, "relative_low", e->relative_low);
	member_double(out, &first, "relative_high", e->relative_high);
	buf_char(out, '}');
}

static void put_row(struct buf *out, const struct difference *d)
{
	bool first = true;

	buf_char(out, '{');
	member_text(out, &first, "metric", metric_specs[d->metric].id);
	member_known_text(out, &first, "phase", phase_ids[d->phase]);
	member_text(out, &first, "unit", metric_specs[d->metric].unit);
	member_u64(out, &first, "count_a", d->a.count);
	member_u64(out, &first, "count_b", d->b.count);
	for (int i = 0; i < COMPARED_COUNT; i++) {
		key(out, &first, statistic_ids[i]);
		put_estimate(out, &d->of[i]);
	}
	member_double(out, &first, "cliffs_delta", d->cliffs_delta);
	member_known_text(out, &first, "effect", compare_effect_id(d->cliffs_delta));
	member_text(out, &first, "verdict", verdict_id(d, d->median));
	member_text(out, &first, "p95_verdict", verdict_id(d, d->p95));
	buf_char(out, '}');
}

static void put_sentence(struct buf *out, const struct comparison *c, enum lang lang)
{
	struct buf line = { 0 };

	compare_sentence(&line, c, lang);
	buf_json_string(out, buf_slice(&line));
	out->failed |= line.failed;
	buf_free(&line);
}

void compare_json(struct buf *out, const struct comparison *c, const struct compare_input *in,
		  const struct report_options *opts)
{
	bool first = true, none = true;

	buf_char(out, '{');
	member_text(out, &first, "verdict", verdict_id(c->deciding, c->verdict));
	key(out, &first, "verdict_text");
	put_sentence(out, c, opts->lang);
	member_known_text(out, &first, "metric", c->deciding ? metric_specs[c->deciding->metric].id : "");
	member_known_text(out, &first, "phase", c->deciding ? phase_ids[c->deciding->phase] : "");
	key(out, &first, "a");
	put_side(out, in->name[0], &c->side[0], in->findings[0]);
	key(out, &first, "b");
	put_side(out, in->name[1], &c->side[1], in->findings[1]);
	member_text(out, &first, "drawn", c->by_session ? "sessions" : "blocks");
	key(out, &first, "differences");
	buf_char(out, '[');
	for (size_t i = 0; i < c->n; i++) {
		comma(out, &none);
		put_row(out, &c->row[i]);
	}
	buf_str(out, "]}\n");
}
