/* completion.h - measures a completion of the OpenAI protocol while it passes through: times, tokens, and why it ended.
 *
 * Chunks are not tokens: the number of tokens is known only if the server gives it (`usage`, `timings`, an entry of
 * `logprobs` per token), otherwise it is unknown.
 *
 * Ownership  completion_begin makes it ready, completion_free releases; bytes are read during the call.
 * Bounds     4 MiB of an answer that is no stream, 1 MiB of an event of one: what is longer passes by unread,
 *            and so does what gzip makes more than 100 times as long.
 * Errors     the other side's texts are hostile: what cannot be read is unknown, nothing fails.
 */
#ifndef RWKVMON_PROXY_COMPLETION_H
#define RWKVMON_PROXY_COMPLETION_H

#include "proxy/sse.h"

enum completion_kind { COMPLETION_NONE, COMPLETION_CHAT, COMPLETION_TEXT };

/* By a request's target: /v1/chat/completions, /v1/completions; anything else is none. */
enum completion_kind completion_kind_of(struct slice target);

/* A piece of a streamed answer, or the whole of one that is no stream. */
struct completion_piece {
	uint64_t now_ns;
	uint64_t gap_ns;   /* since the piece before; 0: there is none, or it waited here */
	uint64_t tokens;   /* 0: unknown */
	double surprisal;  /* mean of its tokens, nats; NAN unknown */
	double entropy;    /* the same, estimated from the likeliest tokens; NAN unknown */
	bool first;        /* of a stream */
	struct slice text; /* as far as it is kept; see `keep_text` */
};

enum { COMPLETION_NAME_BYTES = 128, COMPLETION_WHY_BYTES = 160 };

struct completion {
	enum completion_kind kind;
	bool keep_text;
	void (*piece)(void *ctx, const struct completion *c, const struct completion_piece *p);
	void *ctx;

	char model[COMPLETION_NAME_BYTES];    /* as asked for; "" unknown */
	bool streamed;                        /* the answer is a stream of events */
	uint64_t begun_ns, first_ns, last_ns; /* the request was in; the first piece, the last one came; 0: not yet */
	uint64_t waited;                      /* times that the answer was held back, since the client did not read */
	uint64_t counted;                     /* tokens of the pieces, where that is known */
	bool several;                         /* answers at once (n > 1): gaps say nothing of one */
	int64_t prompt_tokens, output_tokens; /* -1 unknown */
	char finish[32];                      /* as the server says it; "" unknown */
	char error[COMPLETION_WHY_BYTES];     /* as the server says it; "" none */

	/* Inside. */
	struct sse events;
	struct buf body, text;
	struct coded *coded; /* NULL: the answer is plain */
	bool readable, held_back, done;
};

void completion_begin(struct completion *c, enum completion_kind kind, struct slice request, uint64_t now_ns);

/* The answer's headers are in. gzip and deflate are read, content in any other code ("" is plain) passes unread. */
void completion_answer(struct completion *c, struct slice content_type, struct slice content_encoding);
void completion_feed(struct completion *c, struct slice bytes, uint64_t now_ns);

/* The client does not read: the next gap is not the server's. */
void completion_hold_back(struct completion *c);

/* The answer is complete, or will not be. */
void completion_end(struct completion *c, uint64_t now_ns);
void completion_free(struct completion *c);

/* The model has said all: `[DONE]` has come, or why the only answer ended. */
bool completion_is_whole(const struct completion *c);

/* Time per token after the first, ns; NAN: unknown. Needs a stream that was never held back, and its tokens. */
double completion_token_ns(const struct completion *c);

/* Adds a wish for logprobs to a request that says nothing of them. */
void completion_ask_logprobs(struct buf *request, enum completion_kind kind);

#endif
