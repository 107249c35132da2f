/* proxy_watch.c - the first token, pieces whose tokens are known, a sign of life each second, the end. */
#include "cli/proxy_watch.h"

#include "base/json.h"
#include "collect/report.h"

#include <math.h>
#include <stdlib.h>

enum { NUMBERS_MAX = 12 };

static const uint64_t SIGN_OF_LIFE_NS = UINT64_C(1000000000);

struct request {
	struct proxy_watch *watch;
	rwkvmon_stream *stream;
	uint64_t reported_ns; /* when the last record was made */
	uint64_t longest_gap_ns;
	uint64_t tokens; /* in records so far */
	bool prompt_told;
	bool waits;                        /* for the answer to begin */
	const enum rwkvmon_finish *finish; /* NULL: it has not ended, or nobody says how */
};

struct numbers {
	struct rwkvmon_number row[NUMBERS_MAX];
	size_t n;
};

/* What is not finite is unknown. */
static void put(struct numbers *to, enum metric_id metric, double value)
{
	if (isfinite(value))
		to->row[to->n++] = (struct rwkvmon_number){ (int)metric, value };
}

static double in_ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void put_load(struct numbers *to, const struct proxy_watch *w)
{
	put(to, M_REQUESTS_RUNNING, w->running);
	put(to, M_REQUESTS_WAITING, w->waiting);
}

static void stop_waiting(struct request *q)
{
	q->watch->waiting -= q->waits;
	q->waits = false;
}

static void report(struct request *q, enum phase phase, uint64_t tokens, const struct numbers *numbers,
		   struct slice text, struct slice own)
{
	q->tokens += tokens;
	collector_report(q->watch->mon, &(struct collector_report){
						.phase = phase,
						.stream = q->stream,
						.token_count = (uint32_t)(tokens < UINT32_MAX ? tokens : UINT32_MAX),
						.sequence_length = q->tokens,
						.finish = q->finish,
						.numbers = numbers->row,
						.n_numbers = numbers->n,
						.own = own,
						.text = text,
					});
}

/* Servers report the prompt's length with the first piece, at the end, or never. */
static void report_prompt(struct request *q, const struct completion *c, const struct numbers *numbers)
{
	bool known = c->prompt_tokens > 0 && !q->prompt_told;

	q->prompt_told |= known;
	if (known || numbers->n)
		report(q, PHASE_PREFILL, known ? (uint64_t)c->prompt_tokens : 0, numbers, (struct slice){ 0 },
		       (struct slice){ 0 });
}

static void report_first(struct request *q, const struct completion *c, uint64_t now_ns)
{
	struct numbers numbers = { 0 };

	put(&numbers, M_TIME_TO_FIRST_TOKEN_MS, in_ms(now_ns - c->begun_ns));
	put_load(&numbers, q->watch);
	report_prompt(q, c, &numbers);
	q->reported_ns = now_ns;
}

static void put_gap(struct request *q, struct numbers *to)
{
	if (q->longest_gap_ns)
		put(to, M_STREAM_GAP_MS, in_ms(q->longest_gap_ns));
	q->longest_gap_ns = 0;
}

static void report_piece(struct request *q, const struct completion_piece *p)
{
	struct numbers numbers = { 0 };

	if (p->gap_ns && p->tokens)
		put(&numbers, M_TOKEN_LATENCY_MS, in_ms(p->gap_ns) / (double)p->tokens);
	put_gap(q, &numbers);
	put_load(&numbers, q->watch);
	put(&numbers, M_SURPRISAL_NATS, p->surprisal);
	put(&numbers, M_ENTROPY_ESTIMATE_NATS, p->entropy);
	report(q, PHASE_DECODE, p->tokens, &numbers, p->text, (struct slice){ 0 });
	q->reported_ns = p->now_ns;
}

static void on_piece(void *ctx, const struct completion *c, const struct completion_piece *p)
{
	struct request *q = ctx;

	stop_waiting(q);
	if (p->first)
		report_first(q, c, p->now_ns);
	else if (!c->streamed)
		report_prompt(q, c, &(struct numbers){ 0 });
	if (p->gap_ns > q->longest_gap_ns)
		q->longest_gap_ns = p->gap_ns;
	if (p->tokens || q->watch->log_text || (!p->first && p->now_ns - q->reported_ns >= SIGN_OF_LIFE_NS))
		report_piece(q, p);
}

/* A request is a stream of the handle, which counts streams that could not be opened. */
static rwkvmon_stream *open_stream(rwkvmon *mon, const struct completion *c, struct slice request_id)
{
	char id[COMPLETION_NAME_BYTES];
	const struct rwkvmon_stream_config cfg = { .struct_size = sizeof cfg,
						   .request_id = request_id.n ? id : NULL,
						   .model_name = *c->model ? c->model : NULL };
	rwkvmon_stream *stream;

	snprintf(id, sizeof id, "%.*s", request_id.n < sizeof id ? (int)request_id.n : (int)sizeof id - 1,
		 request_id.p);
	rwkvmon_stream_open(&stream, mon, &cfg, NULL);
	return stream;
}

void *proxy_watch_begin(void *ctx, struct completion *c, struct slice request_id)
{
	struct proxy_watch *w = ctx;
	struct request *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	*q = (struct request){ .watch = w, .stream = open_stream(w->mon, c, request_id), .waits = true };
	w->running++;
	w->waiting++;
	c->piece = on_piece;
	c->ctx = q;
	c->keep_text = w->log_text;
	return q;
}

static bool failed(const struct completion *c, const struct proxy_outcome *o)
{
	return o->end == PROXY_FAILED || o->status >= 400 || *c->error;
}

/* "tool_calls", "content_filter" and whatever else a server calls it: the model stopped by itself. NULL: nobody says.
 */
static const enum rwkvmon_finish *finish_of(const struct completion *c, const struct proxy_outcome *o)
{
	static const enum rwkvmon_finish aborted = RWKVMON_FINISH_ABORT, error = RWKVMON_FINISH_ERROR,
					 full = RWKVMON_FINISH_LENGTH, stopped = RWKVMON_FINISH_STOP;

	if (o->end == PROXY_CLIENT_LEFT)
		return &aborted;
	if (failed(c, o))
		return &error;
	return !strcmp(c->finish, "length") ? &full : *c->finish ? &stopped : NULL;
}

/* Members for the end of a line. */
static void describe_end(struct buf *own, const struct completion *c, const struct proxy_outcome *o)
{
	const char *why = *o->why ? o->why : c->error;
	const char *finish = o->end == PROXY_CLIENT_LEFT ? "abort" : o->end == PROXY_FAILED ? "error" : c->finish;
	struct buf object = { 0 };
	struct json out = { .out = &object };

	jw_object(&out);
	if (*finish)
		jw_put_text(&out, "finish_reason", finish);
	if (o->status)
		jw_put_u64(&out, "http_status", (uint64_t)o->status);
	if (*why)
		jw_put_text(&out, "error", why);
	jw_end(&out);
	if (!object.failed && object.used > 2)
		buf_add(own, object.p + 1, object.used - 2);
	buf_free(&object);
}

static void report_end(struct request *q, const struct completion *c, const struct proxy_outcome *o)
{
	uint64_t all = c->output_tokens > 0 ? (uint64_t)c->output_tokens : 0;
	double token_ns = c->counted ? (double)NAN : completion_token_ns(c);
	struct numbers numbers = { 0 };
	struct buf own = { 0 };

	q->finish = finish_of(c, o);
	describe_end(&own, c, o);
	put(&numbers, M_TOKEN_LATENCY_MS, token_ns / 1e6);
	put(&numbers, M_THROUGHPUT_TPS, token_ns > 0 ? 1e9 / token_ns : (double)NAN);
	put(&numbers, M_REQUEST_DURATION_MS, in_ms(o->now_ns - c->begun_ns));
	put(&numbers, M_REQUEST_FAILED, o->end != PROXY_CLIENT_LEFT && failed(c, o));
	put(&numbers, M_REQUEST_ERROR_STATUS, o->status >= 400 ? o->status : (double)NAN);
	put_gap(q, &numbers);
	put_load(&numbers, q->watch);
	report(q, PHASE_DECODE, all > c->counted ? all - c->counted : 0, &numbers, (struct slice){ 0 },
	       own.failed ? (struct slice){ 0 } : buf_slice(&own));
	buf_free(&own);
}

void proxy_watch_end(void *ctx, void *begun, const struct completion *c, const struct proxy_outcome *o)
{
	struct proxy_watch *w = ctx;
	struct request *q = begun;

	w->running--;
	stop_waiting(q);
	report_prompt(q, c, &(struct numbers){ 0 });
	report_end(q, c, o);
	rwkvmon_stream_close(w->mon, q->stream);
	free(q);
}
