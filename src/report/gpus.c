/* gpus.c - each of several GPUs: its memory, use and clock. */
#include "report/gpus.h"

#include "analyze/time_breakdown.h"
#include "report/terminal.h"
#include "spec/text.h"

#include <math.h>

bool gpus_known(const struct findings *f)
{
	for (size_t i = 0; f->time_breakdown && i < f->time_breakdown->n_parts; i++)
		if (f->time_breakdown->part[i]->devices.n)
			return true;
	return false;
}

static void say_one(struct buf *out, const struct device *d, enum lang lang)
{
	double used = device_mean(d, GPU_USED_MB), total = device_mean(d, GPU_TOTAL_MB),
	       busy = device_mean(d, GPU_UTILIZATION_PCT), clock = device_mean(d, GPU_CLOCK_MHZ);
	char a[TERM_TEXT], b[TERM_TEXT], c[TERM_TEXT];

	buf_str(out, d->name);
	if (isfinite(used) && isfinite(total))
		text_fill(out, lang, TEXT_GPU_MEMORY, term_bytes(a, used * 1048576), term_bytes(b, total * 1048576),
			  term_number(c, 100 * used / total));
	if (isfinite(busy))
		text_fill(out, lang, TEXT_GPU_BUSY, term_number(a, busy));
	if (isfinite(clock))
		text_fill(out, lang, TEXT_GPU_CLOCK, term_number(a, clock));
	buf_str(out, text(TEXT_STOP, lang));
}

bool gpus_each(const struct findings *f, enum lang lang, gpu_line_fn *line, void *ctx)
{
	struct buf words = { 0 };
	bool whole;

	for (size_t i = 0; f->time_breakdown && i < f->time_breakdown->n_parts; i++) {
		const struct devices *all = &f->time_breakdown->part[i]->devices;

		for (size_t k = 0; k < all->n; k++) {
			buf_rewind(&words);
			say_one(&words, &all->device[k], lang);
			if (words.p)
				line(ctx, words.p);
		}
	}
	whole = !words.failed;
	buf_free(&words);
	return whole;
}

static void put_values(struct json *out, const struct device *d)
{
	for (int v = 0; v < GPU_VALUE_COUNT; v++) {
		if (!d->seen[v])
			continue;
		jw_put_object(out, gpu_value_specs[v].key);
		jw_put_u64(out, "count", d->seen[v]);
		jw_put_double(out, "min", d->min[v]);
		jw_put_double(out, "max", d->max[v]);
		jw_put_digits(out, "mean", device_mean(d, (enum gpu_value)v), 9);
		jw_end(out);
	}
}

void gpus_json(struct json *out, const struct findings *f)
{
	jw_array(out);
	for (size_t i = 0; f->time_breakdown && i < f->time_breakdown->n_parts; i++) {
		const struct time_part *p = f->time_breakdown->part[i];

		for (size_t k = 0; k < p->devices.n; k++) {
			const struct device *d = &p->devices.device[k];

			jw_object(out);
			jw_put_text(out, "device", d->name);
			jw_put_bool(out, "used", strategy_uses(slice_of(p->strategy), d->name));
			jw_put_known_text(out, "instance", p->instance);
			jw_put_known_text(out, "model_name", p->model_name);
			jw_put_known_text(out, "strategy", p->strategy);
			put_values(out, d);
			jw_end(out);
		}
	}
	jw_end(out);
}
