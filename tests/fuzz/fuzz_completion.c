/* Answers of a server of the OpenAI protocol, of any bytes, cut anywhere: the first byte says what the answer is and
 * how long the reads are. What is told of it is finite. */
#include "proxy/completion.h"
#include "proxy/headers.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void hear(void *ctx, const struct completion *c, const struct completion_piece *p)
{
	(void)ctx, (void)c;
	if (isinf(p->surprisal) || isinf(p->entropy) || p->surprisal < 0 || p->entropy < 0)
		abort();
}

static void read_headers(struct slice text)
{
	struct slice name, value;

	if (header_split(text, &name, &value))
		header_is_hop_by_hop(name, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const types[] = { "text/event-stream", "application/json" };
	static const char *const codes[] = { "", "", "", "gzip" };
	struct completion c = { .keep_text = true, .piece = hear };
	struct buf request = { 0 };
	size_t step = n ? (size_t)(data[0] >> 2) + 1 : 1;
	char *copy = malloc(n ? n : 1); /* exact size: a sanitizer sees one byte too far */
	struct slice all = { copy, n ? n - 1 : 0 };

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data + 1, n - 1);
	read_headers(all);
	buf_add(&request, all.p, all.n);
	completion_begin(&c, n && data[0] & 2 ? COMPLETION_TEXT : COMPLETION_CHAT, all, 1);
	completion_answer(&c, slice_of(types[n && data[0] & 1]), slice_of(codes[n ? data[0] >> 2 & 3 : 0]));
	for (size_t i = 0; i < all.n; i += step)
		completion_feed(&c, (struct slice){ all.p + i, all.n - i < step ? all.n - i : step }, 2 + i);
	completion_end(&c, 2 + n);
	completion_token_ns(&c);
	completion_ask_logprobs(&request, c.kind);
	completion_free(&c);
	buf_free(&request);
	free(copy);
	return 0;
}
