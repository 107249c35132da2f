/* What requests and answers of the OpenAI protocol tell while they pass by, and which headers pass. */
#include "test.h"

#include "proxy/completion.h"
#include "proxy/headers.h"

#include <math.h>
#include <zlib.h>

enum { PIECES_MAX = 16, MS = 1000000 };

struct heard {
	struct completion_piece piece[PIECES_MAX];
	char text[PIECES_MAX][32];
	size_t n;
};

static void hear(void *ctx, const struct completion *c, const struct completion_piece *p)
{
	struct heard *h = ctx;

	(void)c;
	assert_true(h->n < PIECES_MAX);
	h->piece[h->n] = *p;
	snprintf(h->text[h->n++], sizeof h->text[0], "%.*s", SLICE_ARG(p->text));
}

static void begin(struct completion *c, struct heard *h, enum completion_kind kind, const char *type)
{
	*c = (struct completion){ .keep_text = true, .piece = hear, .ctx = h };
	*h = (struct heard){ 0 };
	completion_begin(c, kind, slice_of("{\"stream\":true,\"model\":\"rwkv\\u0037\"}"), 1000 * (uint64_t)MS);
	completion_answer(c, slice_of(type), slice_of(""));
}

static void say(struct completion *c, const char *text, uint64_t at_ms)
{
	completion_feed(c, slice_of(text), (1000 + at_ms) * MS);
}

#define CHUNK(delta, more) "data: {\"choices\":[{\"index\":0,\"delta\":" delta more "}]}\n\n"

static void targets_tell_completions_from_others(void **state)
{
	(void)state;
	assert_int_equal(completion_kind_of(slice_of("/v1/chat/completions")), COMPLETION_CHAT);
	assert_int_equal(completion_kind_of(slice_of("/api/v1/completions?x=/chat/completions")), COMPLETION_TEXT);
	assert_int_equal(completion_kind_of(slice_of("/v1/models?/chat/completions")), COMPLETION_NONE);
	assert_int_equal(completion_kind_of(slice_of("")), COMPLETION_NONE);
}

/* Wherever a stream is cut into reads, it tells the same. */
static void a_stream_is_read_however_it_is_cut(void **state)
{
	static const char stream[] = ": hello\n\n" CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "") CHUNK(
		"{\"content\":\"one\"}",
		"") "event: x\r\ndata: {\"choices\":[{\"delta\":\r\ndata: {\"content\":\" two "
		    "\\\"\"}}]}\r\n\r\n" CHUNK(
			    "{}", ",\"finish_reason\":\"length\"") "data:{\"choices\":[],\"usage\":{\"prompt_tokens\":"
								   "9,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n";
	struct completion c;
	struct heard h;

	(void)state;
	for (size_t step = 1; step < sizeof stream; step++) {
		begin(&c, &h, COMPLETION_CHAT, "text/event-stream; charset=utf-8");
		for (size_t i = 0; i < sizeof stream - 1; i += step)
			completion_feed(&c,
					(struct slice){ stream + i,
							sizeof stream - 1 - i < step ? sizeof stream - 1 - i : step },
					(1001 + i) * MS);
		completion_end(&c, 9999 * (uint64_t)MS);
		assert_string_equal(c.model, "rwkv7");
		assert_int_equal(h.n, 2);
		assert_string_equal(h.text[0], "one");
		assert_string_equal(h.text[1], " two \"");
		assert_true(h.piece[0].first && !h.piece[1].first && !h.piece[0].gap_ns);
		assert_int_equal(h.piece[1].gap_ns, c.last_ns - c.first_ns);
		assert_int_equal(h.piece[0].tokens + h.piece[1].tokens, 0); /* pieces are no tokens */
		assert_true(c.prompt_tokens == 9 && c.output_tokens == 3);
		assert_true(completion_token_ns(&c) == (double)(c.last_ns - c.first_ns) / 2);
		assert_string_equal(c.finish, "length");
		completion_free(&c);
	}
}

/* A uniform choice among four is ln 4; a half and the rest unknown is at least ln 2. */
static void logprobs_tell_surprisal_and_a_bound_of_entropy(void **state)
{
	struct completion c;
	struct heard h;

	(void)state;
	begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
	say(&c,
	    CHUNK("{\"content\":\"a b\"}",
		  ",\"logprobs\":{\"content\":[{\"logprob\":-1.3862943611,\"top_logprobs\":[{\"logprob\":-1.3862943611}"
		  ","
		  "{\"logprob\":-1.3862943611},{\"logprob\":-1.3862943611},{\"logprob\":-1.3862943611}]},"
		  "{\"logprob\":-0.6931471806,\"top_logprobs\":[{\"logprob\":-0.6931471806},{\"logprob\":-1000}]}]}"),
	    5);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.piece[0].tokens, 2);
	assert_true(fabs(h.piece[0].surprisal - 1.5 * log(2)) < 1e-8);
	assert_true(fabs(h.piece[0].entropy - 1.5 * log(2)) < 1e-8);
	say(&c, CHUNK("{\"content\":\"c\"}", ",\"logprobs\":{\"content\":[{\"logprob\":-9999,\"top_logprobs\":[]}]}"),
	    25);
	assert_int_equal(h.piece[1].tokens, 1);
	assert_int_equal(h.piece[1].gap_ns, 20 * MS);
	assert_true(isnan(h.piece[1].surprisal) && isnan(h.piece[1].entropy)); /* not said */
	completion_free(&c);
	begin(&c, &h, COMPLETION_TEXT, "application/json");
	say(&c,
	    "{\"choices\":[{\"text\":\"ab\",\"finish_reason\":\"stop\",\"logprobs\":{\"token_logprobs\":[null,-0.5],"
	    "\"top_logprobs\":[null,{\"x\":-0.6931471806,\"y,]}\":-0.6931471806}]}}],\"usage\":{\"prompt_tokens\":1}}",
	    7);
	assert_int_equal(h.n, 0); /* not before it is whole */
	completion_end(&c, 1010 * (uint64_t)MS);
	assert_int_equal(h.n, 1);
	assert_true(h.piece[0].tokens == 2 && !h.piece[0].first && h.piece[0].surprisal == 0.5);
	assert_true(fabs(h.piece[0].entropy - log(2)) < 1e-8);
	completion_free(&c);
	begin(&c, &h, COMPLETION_TEXT, "text/event-stream"); /* as llama.cpp's server says it */
	say(&c,
	    "data: "
	    "{\"choices\":[{\"text\":\"a\",\"logprobs\":{\"content\":[{\"logprob\":-0.6931471806,\"top_logprobs\":["
	    "{\"logprob\":-0.6931471806},{\"logprob\":-0.6931471806}]}]}}]}\n\n",
	    5);
	assert_true(h.piece[0].tokens == 1 && fabs(h.piece[0].surprisal - log(2)) < 1e-8);
	assert_true(fabs(h.piece[0].entropy - log(2)) < 1e-8);
	completion_free(&c);
}

/* By its last event; before that, by why the only answer ended. */
static void a_stream_says_when_it_is_whole(void **state)
{
	struct completion c;
	struct heard h;

	(void)state;
	begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
	say(&c, CHUNK("{\"content\":\"a\"}", ",\"finish_reason\":null"), 5);
	assert_false(completion_is_whole(&c));
	say(&c, CHUNK("{}", ",\"finish_reason\":\"stop\""), 6);
	assert_true(completion_is_whole(&c));
	completion_free(&c);
	begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
	say(&c,
	    CHUNK("{\"content\":\"a\"}",
		  "") "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
	    5);
	assert_false(completion_is_whole(&c)); /* the other answer goes on */
	say(&c, "data: [DONE]\n\n", 6);
	assert_true(completion_is_whole(&c));
	completion_free(&c);
}

static void what_the_client_or_the_server_hides_stays_unknown(void **state)
{
	struct completion c;
	struct heard h;

	(void)state;
	begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
	say(&c, CHUNK("{\"content\":\"a\"}", ""), 5);
	completion_hold_back(&c);
	say(&c, CHUNK("{\"content\":\"b\"}", "") "data: {\"choices\":[],\"usage\":{\"completion_tokens\":2}}\n\n",
	    5000);
	assert_true(h.n == 2 && !h.piece[1].gap_ns && isnan(completion_token_ns(&c)));
	completion_free(&c);

	begin(&c, &h, COMPLETION_CHAT, "text/event-stream"); /* a running count; two answers at once */
	say(&c,
	    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"completion_tokens\":2}}\n\n",
	    5);
	say(&c,
	    "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}],\"usage\":{\"completion_tokens\":5}}\n\n",
	    9);
	assert_true(h.piece[0].tokens == 2 && h.piece[1].tokens == 3 && !h.piece[1].gap_ns && c.several);
	assert_true(isnan(completion_token_ns(&c)));
	completion_free(&c);

	begin(&c, &h, COMPLETION_CHAT, "application/json");
	completion_answer(&c, slice_of("application/json"), slice_of("br"));
	say(&c, "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", 5);
	completion_end(&c, 1010 * (uint64_t)MS);
	assert_true(!h.n && c.prompt_tokens == -1 && !*c.finish);
	completion_free(&c);

	begin(&c, &h, COMPLETION_CHAT, "application/json");
	say(&c, "{\"error\":{\"message\":\"no\"},\"timings\":{\"prompt_n\":3,\"cache_n\":4,\"predicted_n\":8}}", 5);
	completion_end(&c, 1010 * (uint64_t)MS);
	assert_true(!h.n && c.prompt_tokens == 7 && c.output_tokens == 8);
	assert_string_equal(c.error, "no");
	completion_free(&c);
}

static size_t pack(unsigned char *to, size_t room, const char *text, size_t n, int window)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)text,
		       .avail_in = (unsigned)n,
		       .next_out = to,
		       .avail_out = (unsigned)room };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

/* In gzip and deflate, byte by byte; damaged; and a bomb. */
static void coded_answers_are_read(void **state)
{
	static const char stream[] =
		CHUNK("{\"content\":\"one\"}", "") CHUNK("{\"content\":\"two\"}", ",\"finish_reason\":\"stop\"");
	static char zeros[8 << 20];
	static unsigned char packed[1 << 16];
	struct completion c;
	struct heard h;

	(void)state;
	for (int i = 0; i < 3; i++) {
		size_t n = pack(packed, sizeof packed, stream, sizeof stream - 1, i ? 15 + 16 : 15);

		packed[n / 2] ^= i == 2 ? 0x55 : 0;
		begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
		completion_answer(&c, slice_of("text/event-stream"), slice_of(i ? "GZIP" : "deflate"));
		for (size_t k = 0; k < n; k++)
			completion_feed(&c, (struct slice){ (char *)packed + k, 1 }, (1001 + k) * MS);
		completion_end(&c, 9999 * (uint64_t)MS);
		assert_true(i == 2 ? h.n < 2 : h.n == 2 && !strcmp(c.finish, "stop"));
		completion_free(&c);
	}
	begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
	completion_answer(&c, slice_of("text/event-stream"), slice_of("gzip"));
	completion_feed(&c, (struct slice){ (char *)packed, pack(packed, sizeof packed, zeros, sizeof zeros, 15 + 16) },
			1001 * (uint64_t)MS);
	assert_false(c.readable);
	completion_free(&c);
}

static void hostile_answers_take_bounded_room(void **state)
{
	static char much[1 << 20];
	struct completion c;
	struct heard h;

	(void)state;
	memset(much, '[', sizeof much - 1);
	begin(&c, &h, COMPLETION_CHAT, "text/event-stream");
	say(&c, "data: ", 1);
	for (int i = 0; i < 20; i++)
		say(&c, much, 2);
	assert_true(c.events.line.cap + c.events.data.cap <= 4 << 20);
	say(&c, "\n\n" CHUNK("{\"content\":\"after\"}", ""), 3);
	assert_true(h.n == 1 && c.events.skipped == 1);
	for (int i = 0; i < 20; i++)
		say(&c, CHUNK("{\"content\":", "") "data: }{\n\ndata:\n\n\ndata: {\"choices\":[[[\n\n", 4);
	assert_int_equal(h.n, 1);
	completion_free(&c);
	begin(&c, &h, COMPLETION_CHAT, "application/json");
	for (int i = 0; i < 20; i++)
		say(&c, much, 2);
	assert_true(!c.body.cap && !c.readable);
	completion_end(&c, 1010 * (uint64_t)MS);
	completion_free(&c);
}

/* What is no completion may be as large as it likes: a list of models, a file. */
static void answers_that_nobody_watches_are_not_kept(void **state)
{
	static const char *const type[] = { "application/json", "text/event-stream" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct completion c = { .kind = COMPLETION_NONE };

		completion_answer(&c, slice_of(type[i]), slice_of(i ? "gzip" : ""));
		say(&c, "{\"data\":[1,2,3]}", 1);
		assert_true(!c.readable && !c.coded && !c.body.used && !c.events.line.used);
		completion_end(&c, MS);
		completion_free(&c);
	}
}

static void logprobs_are_asked_for_where_nothing_is_said(void **state)
{
	static const struct {
		enum completion_kind kind;
		const char *before, *after;
	} cases[] = {
		{ COMPLETION_CHAT, " {\"a\":{}}", " {\"logprobs\":true,\"top_logprobs\":20,\"a\":{}}" },
		{ COMPLETION_TEXT, "{\"a\":1}", "{\"logprobs\":5,\"a\":1}" },
		{ COMPLETION_CHAT, "{\"a\":1,\"logprobs\":false}", "{\"a\":1,\"logprobs\":false}" },
		{ COMPLETION_CHAT, "{}", "{}" },
		{ COMPLETION_CHAT, "[{\"a\":1}]", "[{\"a\":1}]" },
		{ COMPLETION_CHAT, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf request = { 0 };

		buf_str(&request, cases[i].before);
		completion_ask_logprobs(&request, cases[i].kind);
		assert_string_equal(request.p ? request.p : "", cases[i].after);
		buf_free(&request);
	}
}

static void headers_of_one_hop_end_there(void **state)
{
	static const char *const here[] = { "connection", "TE", "transfer-encoding", "X-Named", "x-also" };
	static const char *const on[] = { "Authorization", "X-Name", "Trailers", "X-Al", "" };
	struct slice name, value, list = slice_of("close ,\tx-NAMED, X-Also");

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		assert_true(header_is_hop_by_hop(slice_of(here[i]), list));
		assert_false(header_is_hop_by_hop(slice_of(on[i]), list));
	}
	assert_true(header_split(slice_of("A-B: \t c:d \r\n"), &name, &value));
	assert_true(slice_is(name, "A-B") && slice_is(value, "c:d"));
	assert_true(header_split(slice_of("A:"), &name, &value) && !value.n);
	assert_false(header_split(slice_of(": x"), &name, &value));
	assert_false(header_split(slice_of("A : x"), &name, &value));
	assert_false(header_split(slice_of(" folded"), &name, &value));
	assert_false(header_split((struct slice){ "", 0 }, &name, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_tell_completions_from_others),
		cmocka_unit_test(a_stream_is_read_however_it_is_cut),
		cmocka_unit_test(logprobs_tell_surprisal_and_a_bound_of_entropy),
		cmocka_unit_test(a_stream_says_when_it_is_whole),
		cmocka_unit_test(what_the_client_or_the_server_hides_stays_unknown),
		cmocka_unit_test(coded_answers_are_read),
		cmocka_unit_test(hostile_answers_take_bounded_room),
		cmocka_unit_test(answers_that_nobody_watches_are_not_kept),
		cmocka_unit_test(logprobs_are_asked_for_where_nothing_is_said),
		cmocka_unit_test(headers_of_one_hop_end_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
