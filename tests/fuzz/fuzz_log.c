/* Bytes as a log: reader, decoder, rules, analysis and both plain reports, record by record and block by block, which
 * must say the same. The first byte chooses how much the reader gets at a time and which rule set judges. */
#include "../push.h"
#include "analyze/analyze.h"
#include "base/utf8.h"
#include "read/read.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>

struct bytes {
	const uint8_t *p;
	size_t n, at, most;
};

static ssize_t pull(void *ctx, void *buffer, size_t n)
{
	struct bytes *b = ctx;

	n = n < b->n - b->at ? n : b->n - b->at;
	n = n < b->most ? n : b->most;
	memcpy(buffer, b->p + b->at, n);
	b->at += n;
	return (ssize_t)n;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_summary(const struct summary *s, uint64_t records)
{
	require(s->count + s->missing + s->nonfinite == records);
	if (!s->count)
		return;
	require(s->min <= s->max && s->min <= s->p50 && s->p50 <= s->p90 && s->p90 <= s->p95 && s->p95 <= s->p99 &&
		s->p99 <= s->max);
	require(!isnan(s->mean));
}

static void check(const struct findings *f)
{
	uint64_t records = 0, bucketed = 0;

	for (int m = 0; m < METRIC_COUNT; m++)
		check_summary(&f->metric[m], f->records);
	for (size_t i = 0; i < f->n_sessions; i++) {
		const struct summary latency = session_metric(&f->session[i], M_TOKEN_LATENCY_MS);
		double r = f->session[i].similarity_entropy_pearson;

		records += f->session[i].records;
		check_summary(&latency, f->session[i].records);
		require(isnan(r) || (r >= -1 && r <= 1));
	}
	require(records == f->records);
	for (size_t i = 0; f->series.metric[M_LOGITS_ENTROPY] && i < f->series.n; i++)
		bucketed += f->series.metric[M_LOGITS_ENTROPY][i].count;
	require(bucketed == f->metric[M_LOGITS_ENTROPY].count);
	require(f->anomaly_records <= f->records && f->n_events <= f->events_total);
}

/* No control character but the line end, no line wider than it should be. */
static void check_text(const struct buf *text)
{
	char line[2048];

	for (size_t at = 0, n; at < text->used; at += n + 1) {
		n = (size_t)((char *)memchr(text->p + at, '\n', text->used - at) - (text->p + at));
		require(n < sizeof line);
		memcpy(line, text->p + at, n);
		line[n] = 0;
		require(utf8_columns(line) <= REPORT_COLUMNS);
		for (size_t i = 0; i < n; i++)
			require((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
	}
}

static void report(const struct findings *f, enum lang lang, struct buf *json)
{
	struct report_options opts = { .lang = lang };
	struct buf text = { 0 };

	report_json(json, f, &opts);
	report_text(&text, f, &opts);
	require(!json->failed && !text.failed && json->p[json->used - 1] == '\n' && text.p[text.used - 1] == '\n');
	check_text(&text);
	buf_free(&text);
}

static void push_records(struct analysis *a, struct reader *r)
{
	struct record rec;

	while (read_next(r, &rec, NULL) > 0)
		push_record(a, &rec);
}

/* The way that `analyze` takes. */
static void push_blocks(struct analysis *a, struct reader *r)
{
	struct gathering *helper = analyze_helper(a, NULL);
	struct columns *c = aligned_alloc(64, sizeof *c);
	struct record_decoder d = { 0 };
	struct block block = { 0 };

	require(helper && c);
	while (read_block(r, &block, NULL) > 0) {
		for (unsigned part = 0; !part || !block_over(&block, &d); part++) {
			struct tally tally;

			record_decoder_release(&d);
			require(!read_records(&block, &d, part, c, &tally, NULL));
			read_account(r, &tally);
			gathering_sort(helper, c);
			analyze_in_order(a, helper);
			gathering_add(helper);
		}
	}
	read_end(r, NULL);
	analyze_take(a, helper);
	block_free(&block);
	record_decoder_free(&d);
	free(c);
}

static void analyze(const struct analyze_options *opts, struct bytes bytes, enum lang lang,
		    void (*push)(struct analysis *, struct reader *), struct buf *json)
{
	struct findings f;
	struct analysis *a;
	struct reader *r;

	require(!analyze_open(&a, opts, NULL));
	require(!read_open_stream(&r, "fuzz", pull, &bytes, NULL));
	push(a, r);
	require(!analyze_finish(a, read_input(r), &f, NULL));
	check(&f);
	report(&f, lang, json);
	findings_free(&f);
	read_close(r);
	analyze_close(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t steps[] = { 1, 7, 100, 65536 };
	static struct ruleset *sets[2];
	struct bytes bytes = { .p = data + 1, .n = n ? n - 1 : 0, .most = n ? steps[data[0] & 3] : 1 };
	struct analyze_options opts = { 0 };
	struct buf one[2] = { 0 };
	enum lang lang;

	if (!sets[0] && (ruleset_open(&sets[0], "baseline", NULL) || ruleset_open(&sets[1], "thresholds", NULL)))
		abort();
	if (!n)
		return 0;
	opts.rules = sets[data[0] >> 2 & 1];
	lang = data[0] & 8 ? LANG_ZH : LANG_EN;
	analyze(&opts, bytes, lang, push_records, &one[0]);
	analyze(&opts, bytes, lang, push_blocks, &one[1]);
	require(slice_equal(buf_slice(&one[0]), buf_slice(&one[1])));
	buf_free(&one[0]);
	buf_free(&one[1]);
	return 0;
}
