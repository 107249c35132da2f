/* export_article.c - steps of a log as the article's parser expects them. */
#include "cli/export_article.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/analysis.h"

#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 1 << 16, TOKENS_MOST = 1 << 16 };

struct output {
	struct buf lines;
	struct err *err;
	int rc; /* of the first write that failed */
};

static void flush(struct output *o)
{
	if (!o->rc && o->lines.failed)
		o->rc = err_set(o->err, ERR_NOMEM, "%s: no memory to write it", "standard output");
	if (!o->rc)
		o->rc = file_write("-", buf_slice(&o->lines), o->err);
	o->lines.used = 0;
}

/* A key of the article; 0 when the log does not know it. */
static void put_number(struct json *j, const struct record *r, enum metric_id m)
{
	const char *key = metric_specs[m].key;
	const char *dot = strrchr(key, '.');

	jw_key(j, dot ? dot + 1 : key);
	jw_decimal(j, record_has(r, m) ? r->metric[m] : 0, metric_specs[m].decimals);
}

static void put_text(struct json *j, const char *key, struct slice text)
{
	jw_key(j, key);
	jw_slice(j, text.p ? text : slice_of("unknown"));
}

/* The ids, or as many zeros: update_prometheus_metrics counts them. */
static void put_tokens(struct json *j, const struct record *r)
{
	size_t n = r->tokens ? r->n_tokens : r->token_count < TOKENS_MOST ? r->token_count : TOKENS_MOST;

	jw_put_array(j, "tokens");
	for (size_t i = 0; i < n; i++)
		jw_u64(j, r->tokens ? r->tokens[i] : 0);
	jw_end(j);
}

static void put_step(struct buf *out, const struct record *r, struct slice session_id)
{
	static const enum metric_id performance[] = { M_TOKEN_LATENCY_MS, M_THROUGHPUT_TPS, M_CHUNK_PROCESS_TIME_MS };
	static const enum metric_id resources[] = { M_VRAM_USED_MB, M_GPU_UTILIZATION_PCT, M_STATE_SIZE_BYTES };
	static const enum metric_id accuracy[] = { M_LOGITS_ENTROPY, M_TOKEN_REPETITION_PCT, M_STATE_SIMILARITY };
	static const struct {
		const char *name;
		const enum metric_id *metric;
	} groups[] = { { "performance", performance }, { "resources", resources }, { "accuracy", accuracy } };
	struct json j = { .out = out };

	jw_object(&j);
	jw_key(&j, "timestamp");
	jw_time(&j, r->time_us);
	put_text(&j, "session_id", session_id);
	jw_put_text(&j, "event_type", "inference_step");
	jw_put_u64(&j, "sequence_length", r->sequence_length);
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
		jw_put_object(&j, groups[g].name);
		for (size_t i = 0; i < 3; i++)
			put_number(&j, r, groups[g].metric[i]);
		jw_end(&j);
	}
	jw_put_object(&j, "metadata");
	put_text(&j, "model_name", fields_text(r->session, F_MODEL_NAME));
	put_text(&j, "strategy", fields_text(r->session, F_STRATEGY));
	jw_put_u64(&j, "chunk_len", (uint64_t)fields_number(r->session, F_CHUNK_LEN, 0));
	jw_end(&j);
	put_tokens(&j, r);
	jw_end(&j);
	buf_char(out, '\n');
}

static void see(void *ctx, const struct columns *c)
{
	struct output *o = ctx;

	for (size_t row = 0; row < c->n; row++) {
		struct record r;

		columns_record(c, row, &r);
		if (r.event != EVENT_INFERENCE_STEP)
			continue;
		put_step(&o->lines, &r, c->session_id[row]);
		if (o->lines.used > FLUSH_BYTES)
			flush(o);
	}
}

int export_article(const struct options *opts, struct err *err)
{
	struct output out = { .err = err };
	const struct read_observer observer = { .see = see, .ctx = &out };
	const struct log_set logs = { .path = opts->argument + 1, .n = opts->n_arguments - 1, .observer = &observer };
	struct analyze_options how = { .no_session_series = true };
	struct findings findings = { 0 };
	struct analysis *a = NULL;
	int rc;

	if (!logs.n)
		return err_set(err, ERR_USAGE, "export article: expected a log: rwkvmon export article LOG");
	rc = analyze_open(&a, &how, err);
	if (!rc)
		rc = analysis_read_logs(a, &logs, opts, &findings, err);
	if (!rc) {
		flush(&out);
		rc = out.rc;
	}
	if (!rc) {
		analysis_tell_skipped(opts, findings.skipped_lines, findings.skipped);
		rc = findings.records ? 0 : err_set(err, ERR_FORMAT, "export article: the log holds no inference step");
	}
	analyze_close(a);
	findings_free(&findings);
	buf_free(&out.lines);
	return rc;
}
