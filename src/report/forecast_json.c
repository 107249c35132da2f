/* forecast_json.c - what comes next as one JSON object. */
#include "base/json.h"
#include "report/forecast_words.h"

#include <math.h>
#include <stdio.h>

static void put_steps(struct json *out, const struct foreseen *x)
{
	jw_put_array(out, "next");
	for (size_t k = 0; x->is.state == FORECAST_SKILLED && k < x->is.steps; k++) {
		const struct forecast_step *s = &x->is.step[k];

		jw_object(out);
		jw_key(out, "timestamp");
		jw_time(out, x->at_us + (int64_t)(k + 1) * x->step_us);
		jw_put_double(out, "value", s->value);
		jw_put_double(out, "low", s->low);
		jw_put_double(out, "high", s->high);
		jw_end(out);
	}
	jw_end(out);
}

static double seconds(const struct foreseen *x, double steps)
{
	return isfinite(steps) ? steps * (double)x->step_us / 1e6 : (double)NAN;
}

static void put_limit(struct json *out, const struct foreseen *x)
{
	bool told = x->is.state == FORECAST_SKILLED && !isnan(x->limit);

	jw_key(out, "limit");
	if (isnan(x->limit)) {
		jw_null(out);
		return;
	}
	jw_object(out);
	jw_put_double(out, "value", x->limit);
	jw_put_text(out, "side", x->above ? "above" : "below");
	jw_put_text(out, "source", limit_source_ids[x->source]);
	jw_put_bool(out, "reached", x->reach.now);
	jw_put_double(out, "in_s", told ? seconds(x, x->reach.at) : (double)NAN);
	jw_put_double(out, "early_s", told ? seconds(x, x->reach.early) : (double)NAN);
	jw_put_double(out, "late_s", told ? seconds(x, x->reach.late) : (double)NAN);
	jw_put_bool(out, "tested", x->reach.tested);
	jw_end(out);
}

static void put_foreseen(struct json *out, const struct foreseen *x)
{
	bool judged = x->is.state >= FORECAST_NO_SKILL;
	char device[32];

	snprintf(device, sizeof device, "cuda:%d", x->gpu);

	jw_object(out);
	jw_put_text(out, "metric", metric_specs[x->metric].id);
	jw_put_text(out, "unit", metric_specs[x->metric].unit);
	jw_put_known_text(out, "instance", x->instance);
	jw_put_text(out, "state", forecast_state_ids[x->is.state]);
	jw_put_text(out, "model", judged ? forecast_model_ids[x->is.model] : NULL);
	jw_put_text(out, "lstm", trained_part_ids[x->trained]);
	jw_put_double(out, "skill", x->is.skill);
	jw_put_double(out, "coverage", x->is.coverage);
	jw_put_double(out, "mean_absolute_error", x->is.error);
	jw_put_u64(out, "points", x->is.points);
	jw_key(out, "points_from");
	jw_time(out, x->from_us);
	jw_put_double(out, "step_s", (double)x->step_us / 1e6);
	jw_put_double(out, "now", x->is.now);
	jw_put_text(out, "device", x->gpu < 0 ? NULL : device);
	put_limit(out, x);
	put_steps(out, x);
	jw_end(out);
}

static void put_loops(struct json *out, const struct findings *f)
{
	const struct time_part *part;

	jw_put_array(out, "loop_risk");
	for (size_t i = 0; (part = forecast_next_loop(f, &i));) {
		jw_object(out);
		jw_put_known_text(out, "instance", part->instance);
		jw_put_text(out, "model_name", part->model_name);
		jw_put_text(out, "strategy", part->strategy);
		jw_put_double(out, "temperature", fields_number(&part->about, F_SAMPLER_TEMPERATURE, (double)NAN));
		jw_put_double(out, "top_k", fields_number(&part->about, F_SAMPLER_TOP_K, (double)NAN));
		jw_end(out);
	}
	jw_end(out);
}

void report_forecast_json(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	struct json j = { .out = out };

	(void)opts;
	jw_object(&j);
	jw_put_u64(&j, "records", f->records);
	jw_put_time(&j, "from", f->from_us, f->records);
	jw_put_time(&j, "to", f->to_us, f->records);
	jw_put_array(&j, "forecasts");
	for (size_t i = 0; i < f->n_foreseen; i++)
		put_foreseen(&j, &f->foreseen[i]);
	jw_end(&j);
	jw_put_u64(&j, "instances_left_out", f->instances_unforeseen);
	put_loops(&j, f);
	jw_end(&j);
	buf_char(out, '\n');
}
