/* csv.c - writes the metrics over time as one flat table (RFC 4180): a row per stretch of time, with the log's names as
 * columns.
 *
 * Numbers are means of the stretch; `records` counts its steps with a latency. Empty rows are left out. */
#include "report/report.h"

#include "base/clock.h"

static bool occurs(const struct findings *f, int m)
{
	return f->series.metric[m] != NULL;
}

static void put_row(struct buf *out, const struct findings *f, size_t i)
{
	const struct series *s = &f->series;
	char iso[TIME_TEXT_BYTES];

	time_format(iso, s->from_us + (int64_t)i * s->width_us);
	buf_str(out, iso);
	buf_char(out, ',');
	buf_u64(out, occurs(f, M_TOKEN_LATENCY_MS) ? s->metric[M_TOKEN_LATENCY_MS][i].count : 0);
	for (int m = 0; m < METRIC_COUNT; m++) {
		if (!occurs(f, m))
			continue;
		buf_char(out, ',');
		if (s->metric[m][i].count)
			buf_json_double(out, s->metric[m][i].mean);
	}
	buf_str(out, "\r\n");
}

void report_csv(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	(void)opts;
	buf_str(out, "timestamp,records");
	for (int m = 0; m < METRIC_COUNT; m++)
		if (occurs(f, m))
			buf_printf(out, ",%s", metric_specs[m].id);
	buf_str(out, "\r\n");
	for (size_t i = 0; i < f->series.n; i++) {
		bool any = false;

		for (int m = 0; m < METRIC_COUNT && !any; m++)
			any = occurs(f, m) && f->series.metric[m][i].count;
		if (any)
			put_row(out, f, i);
	}
}
