/* completion.c - reads requests and answers of /v1/chat/completions and /v1/completions. */
#include "proxy/completion.h"

#include "base/json.h"
#include "base/json_read.h"
#include "proxy/headers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { BODY_MAX = 4 << 20, EVENT_MAX = 1 << 20, LIKELIEST_CHAT = 20, LIKELIEST_TEXT = 5 };
enum { UNPACK_BYTES = 16 << 10, UNPACK_TIMES = 100 };

/* --- requests ------------------------------------------------------------------------- */

static bool ends_with(struct slice s, const char *tail)
{
	size_t n = strlen(tail);

	return s.n >= n && !memcmp(s.p + s.n - n, tail, n);
}

enum completion_kind completion_kind_of(struct slice target)
{
	const char *query = target.n ? memchr(target.p, '?', target.n) : NULL;

	if (query)
		target.n = (size_t)(query - target.p);
	return ends_with(target, "/chat/completions") ? COMPLETION_CHAT
	       : ends_with(target, "/completions")    ? COMPLETION_TEXT
						      : COMPLETION_NONE;
}

static void copy_text(char *to, size_t n, struct slice value)
{
	struct buf text = { 0 };

	if (value.n <= n * 6 && json_read_text(&text, value) && !text.failed)
		snprintf(to, n, "%s", text.p ? text.p : "");
	buf_free(&text);
}

void completion_begin(struct completion *c, enum completion_kind kind, struct slice request, uint64_t now_ns)
{
	c->kind = kind;
	c->begun_ns = now_ns;
	c->prompt_tokens = c->output_tokens = -1;
	c->events.max = EVENT_MAX;
	copy_text(c->model, sizeof c->model, json_read_member(request, "model"));
}

void completion_ask_logprobs(struct buf *request, enum completion_kind kind)
{
	struct slice body = buf_slice(request), object = body, name, value;
	size_t at = 0;
	struct buf text = { 0 };
	struct json out = { .out = &text };

	if (!json_read_pair(body, &at, &name, &value) || json_read_member(body, "logprobs").n)
		return; /* not an object, an empty one, or one that already has the key */
	object.p += strcspn(body.p, "{");
	object.n -= (size_t)(object.p - body.p);
	while (object.n && object.p[object.n - 1] != '}')
		object.n--;
	if (!object.n)
		return; /* it has no end */
	buf_add(&text, body.p, (size_t)(object.p - body.p));
	jw_object(&out);
	if (kind == COMPLETION_CHAT)
		jw_put_bool(&out, "logprobs", true);
	jw_put_u64(&out, kind == COMPLETION_CHAT ? "top_logprobs" : "logprobs",
		   kind == COMPLETION_CHAT ? LIKELIEST_CHAT : LIKELIEST_TEXT);
	jw_members(&out, object);
	jw_end(&out);
	buf_add(&text, object.p + object.n, (size_t)(body.p + body.n - object.p) - object.n);
	if (text.failed) {
		buf_free(&text);
		return;
	}
	buf_free(request);
	*request = text;
}

/* --- logprobs ------------------------------------------------------------------------- */

/* What the tokens of one piece add up to. */
struct token_sums {
	uint64_t tokens, surprised, estimated;
	double surprisal, entropy;
};

/* -p ln p of the tokens that are named, and of all others taken as one: the entropy is at least that. */
struct likeliest {
	double mass, entropy;
	unsigned n;
};

static void add_likely(struct likeliest *l, double logprob)
{
	double p = exp(fmin(logprob, 0));

	l->mass += p;
	l->entropy += p > 0 ? -p * fmin(logprob, 0) : 0;
	l->n++;
}

static void add_token(struct token_sums *s, struct slice logprob, const struct likeliest *l)
{
	double lp, rest = l->mass < 1 ? 1 - l->mass : 0;

	s->tokens++;
	if (json_read_number(logprob, &lp) && lp <= 1e-3 && lp > -9000) { /* -9999: "not among the likeliest" */
		s->surprisal -= fmin(lp, 0);
		s->surprised++;
	}
	if (l->n < 2)
		return;
	s->entropy += l->entropy + (rest > 0 ? -rest * log(rest) : 0);
	s->estimated++;
}

/* [{"token": "x", "logprob": -0.1, "top_logprobs": [{"token": "x", "logprob": -0.1}, …]}, …] */
static void read_content_logprobs(struct token_sums *s, struct slice content)
{
	struct slice token, one;
	size_t at = 0;

	while (json_read_element(content, &at, &token)) {
		struct slice top = json_read_member(token, "top_logprobs");
		struct likeliest l = { 0 };
		size_t k = 0;
		double lp;

		while (json_read_element(top, &k, &one))
			if (json_read_number(json_read_member(one, "logprob"), &lp))
				add_likely(&l, lp);
		add_token(s, json_read_member(token, "logprob"), &l);
	}
}

/* {"token_logprobs": [-0.1, …], "top_logprobs": [{"x": -0.1, "y": -3}, …]} */
static void read_text_logprobs(struct token_sums *s, struct slice logprobs)
{
	struct slice each = json_read_member(logprobs, "token_logprobs"),
		     top = json_read_member(logprobs, "top_logprobs");
	struct slice logprob, tokens, name, value;
	size_t at = 0, k = 0;
	bool named = top.n;

	while (json_read_element(each, &at, &logprob)) {
		struct likeliest l = { 0 };
		size_t m = 0;
		double lp;

		named = named && json_read_element(top, &k, &tokens);
		while (named && json_read_pair(tokens, &m, &name, &value))
			if (json_read_number(value, &lp))
				add_likely(&l, lp);
		add_token(s, logprob, &l);
	}
}

/* Chats have "content"; other completions the older form, or "content" too, as from llama.cpp's server. */
static void read_logprobs(struct token_sums *s, struct slice logprobs)
{
	struct slice content = json_read_member(logprobs, "content");

	if (content.n)
		read_content_logprobs(s, content);
	else
		read_text_logprobs(s, logprobs);
}

/* --- answers -------------------------------------------------------------------------- */

static void read_count(int64_t *to, struct slice object, const char *key)
{
	int64_t n;

	if (json_read_whole(json_read_member(object, key), &n) && n >= 0 && n < INT64_C(1) << 40)
		*to = n;
}

/* `usage` of the protocol, `timings` of llama.cpp's server. */
static void read_counts(struct completion *c, struct slice answer)
{
	struct slice usage = json_read_member(answer, "usage"), timings = json_read_member(answer, "timings");
	int64_t fed = -1, kept = 0;

	read_count(&c->prompt_tokens, usage, "prompt_tokens");
	read_count(&c->output_tokens, usage, "completion_tokens");
	if (c->output_tokens < 0)
		read_count(&c->output_tokens, timings, "predicted_n");
	read_count(&fed, timings, "prompt_n");
	read_count(&kept, timings, "cache_n");
	if (c->prompt_tokens < 0 && fed >= 0)
		c->prompt_tokens = fed + kept;
}

static bool says_something(struct slice text)
{
	return text.n > 2; /* more than "" */
}

static bool is_list_of_some(struct slice list)
{
	struct slice one;
	size_t at = 0;

	return json_read_element(list, &at, &one);
}

static void keep_text(struct completion *c, struct slice text)
{
	if (c->keep_text)
		json_read_text(&c->text, text);
}

/* Text, reasoning, a call of a tool: anything that the model made. */
static bool read_content(struct completion *c, struct slice choice)
{
	static const char *const keys[] = { "content", "reasoning_content", "reasoning" };
	struct slice delta = json_read_member(choice, "delta"), text = json_read_member(choice, "text");
	struct slice message = delta.n ? delta : json_read_member(choice, "message");
	bool some = says_something(text);

	keep_text(c, text);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		text = json_read_member(message, keys[i]);
		if (text.n && *text.p == '"' && says_something(text)) {
			keep_text(c, text);
			some = true;
		}
	}
	return some || is_list_of_some(json_read_member(message, "tool_calls"));
}

/* Of all choices. True: there is something that the model made. */
static bool read_choices(struct completion *c, struct slice answer, struct token_sums *sums)
{
	struct slice choices = json_read_member(answer, "choices"), choice;
	bool some = false;
	int64_t index;
	size_t at = 0;

	while (json_read_element(choices, &at, &choice)) {
		c->several = c->several || (json_read_whole(json_read_member(choice, "index"), &index) && index > 0);
		some |= read_content(c, choice);
		read_logprobs(sums, json_read_member(choice, "logprobs"));
		copy_text(c->finish, sizeof c->finish, json_read_member(choice, "finish_reason"));
	}
	return some || sums->tokens;
}

static void read_error(struct completion *c, struct slice answer)
{
	struct slice error = json_read_member(answer, "error");

	if (!error.n || slice_is(error, "null"))
		return;
	copy_text(c->error, sizeof c->error, *error.p == '{' ? json_read_member(error, "message") : error);
	if (!*c->error)
		snprintf(c->error, sizeof c->error, "an error without a message");
}

static void tell_piece(struct completion *c, struct token_sums *sums, uint64_t tokens, uint64_t now_ns)
{
	bool first = c->streamed && !c->first_ns, gap = c->streamed && !first && !c->held_back && !c->several;
	struct completion_piece p = {
		.now_ns = now_ns,
		.gap_ns = gap ? now_ns - c->last_ns : 0,
		.tokens = tokens,
		.surprisal = sums->surprised ? sums->surprisal / (double)sums->surprised : (double)NAN,
		.entropy = sums->estimated ? sums->entropy / (double)sums->estimated : (double)NAN,
		.first = first,
		.text = buf_slice(&c->text),
	};

	if (first)
		c->first_ns = now_ns;
	c->last_ns = now_ns;
	c->held_back = false;
	c->counted += tokens;
	if (c->piece)
		c->piece(c->ctx, c, &p);
}

/* One answer, or a piece of one. */
static void read_answer(struct completion *c, struct slice answer, uint64_t now_ns)
{
	struct token_sums sums = { 0 };
	int64_t before = c->output_tokens;
	bool some;

	buf_clear(&c->text);
	read_error(c, answer);
	read_counts(c, answer);
	some = read_choices(c, answer, &sums);
	if (!some)
		return;
	if (!sums.tokens && c->output_tokens > before && (before >= 0 || !c->first_ns)) /* a running count of usage */
		sums.tokens = (uint64_t)(c->output_tokens - (before > 0 ? before : 0));
	tell_piece(c, &sums, sums.tokens, now_ns);
}

struct event_at {
	struct completion *c;
	uint64_t now_ns;
};

static void read_event(void *ctx, struct slice data)
{
	const struct event_at *e = ctx;

	if (slice_is(data, "[DONE]"))
		e->c->done = true;
	else
		read_answer(e->c, data, e->now_ns);
}

static bool begins_with(struct slice s, const char *head)
{
	return s.n >= strlen(head) && header_is((struct slice){ s.p, strlen(head) }, head);
}

/* --- coded answers -------------------------------------------------------------------- */

struct coded {
	z_stream z;
	uint64_t in, out; /* bytes */
};

static struct coded *coded_open(void)
{
	struct coded *k = calloc(1, sizeof *k);

	if (k && inflateInit2(&k->z, 15 + 32) == Z_OK) /* gzip or zlib, whichever it is */
		return k;
	free(k);
	return NULL;
}

static void coded_close(struct coded *k)
{
	if (k)
		inflateEnd(&k->z);
	free(k);
}

static void read_plain(struct completion *c, struct slice bytes, uint64_t now_ns)
{
	if (c->streamed) {
		sse_feed(&c->events, bytes, read_event, &(struct event_at){ c, now_ns });
	} else if (c->body.used + bytes.n <= BODY_MAX) {
		buf_add(&c->body, bytes.p, bytes.n);
	} else {
		c->readable = false;
		buf_free(&c->body);
	}
}

/* What is damaged, or grows without measure, is not read on. */
static void read_coded(struct completion *c, struct slice bytes, uint64_t now_ns)
{
	struct coded *k = c->coded;
	unsigned char plain[UNPACK_BYTES];
	int rc = Z_OK;

	k->in += bytes.n;
	k->z.next_in = (unsigned char *)(uintptr_t)bytes.p;
	k->z.avail_in = (unsigned)bytes.n;
	while (c->readable && rc == Z_OK) {
		size_t n;

		k->z.next_out = plain;
		k->z.avail_out = sizeof plain;
		rc = inflate(&k->z, Z_NO_FLUSH);
		n = sizeof plain - k->z.avail_out;
		k->out += n;
		read_plain(c, (struct slice){ (const char *)plain, n }, now_ns);
		c->readable &= k->out <= UNPACK_BYTES + k->in * UNPACK_TIMES;
		if (k->z.avail_out) /* it wants more */
			break;
	}
	c->readable &= rc == Z_OK || rc == Z_BUF_ERROR || rc == Z_STREAM_END;
}

void completion_answer(struct completion *c, struct slice content_type, struct slice content_encoding)
{
	bool plain = !content_encoding.n || header_is(content_encoding, "identity");
	bool known = header_is(content_encoding, "gzip") || header_is(content_encoding, "deflate");

	if (c->kind == COMPLETION_NONE) /* nobody asks what it says */
		return;
	c->streamed = begins_with(content_type, "text/event-stream");
	c->readable = c->streamed || begins_with(content_type, "application/json");
	if (c->readable && known)
		c->coded = coded_open();
	c->readable = c->readable && (plain || c->coded);
}

void completion_feed(struct completion *c, struct slice bytes, uint64_t now_ns)
{
	if (c->readable && c->coded)
		read_coded(c, bytes, now_ns);
	else if (c->readable)
		read_plain(c, bytes, now_ns);
}

void completion_hold_back(struct completion *c)
{
	c->held_back = true;
	c->waited++;
}

void completion_end(struct completion *c, uint64_t now_ns)
{
	if (c->readable && !c->streamed && !c->body.failed)
		read_answer(c, buf_slice(&c->body), now_ns);
	c->readable = false;
}

bool completion_is_whole(const struct completion *c)
{
	return c->done || (*c->finish && !c->several);
}

double completion_token_ns(const struct completion *c)
{
	if (!c->first_ns || c->waited || c->several || c->output_tokens < 2)
		return (double)NAN;
	return (double)(c->last_ns - c->first_ns) / (double)(c->output_tokens - 1);
}

void completion_free(struct completion *c)
{
	coded_close(c->coded);
	sse_free(&c->events);
	buf_free(&c->body);
	buf_free(&c->text);
}
