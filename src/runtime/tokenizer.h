/* tokenizer.h - text to token ids and back.
 *
 * Tokens are bytes, not characters: a character may be spread over several tokens. What
 * is shown to a human goes through a text_stream, which holds back the beginning of a character until the rest has
 * arrived.
 *
 * Ownership  tokenizer_open_* creates, tokenizer_close destroys; slices of token bytes
 *            belong to the tokenizer.
 * Threads    read-only once open.
 * Errors     negative codes with what was found and what was expected.
 */
#ifndef RWKVMON_RUNTIME_TOKENIZER_H
#define RWKVMON_RUNTIME_TOKENIZER_H

#include "base/buf.h"
#include "base/err.h"

struct tokenizer;

/* One token per byte, id = byte, for byte-level models. */
int tokenizer_open_bytes(struct tokenizer **out, struct err *err);

/* A vocabulary file; its first letter shows the kind: the World tokenizer's rwkv_vocab_v20230424.txt, or the JSON of a
 * byte-level BPE such as 20B_tokenizer.json. */
int tokenizer_open(struct tokenizer **out, const char *path, struct err *err);

/* The same from text that need not outlive the call. */
int tokenizer_open_world(struct tokenizer **out, struct slice text, const char *label, struct err *err);
int tokenizer_open_bpe(struct tokenizer **out, struct slice json, const char *label, struct err *err);

void tokenizer_close(struct tokenizer *t); /* NULL is fine */

const char *tokenizer_name(const struct tokenizer *t); /* "bytes", "world", "bpe" */
size_t tokenizer_vocab(const struct tokenizer *t);     /* one more than its largest id */

/* A growing list of ids; a zeroed struct is empty. */
struct token_list {
	uint32_t *ids;
	size_t n, cap;
};

int token_list_add(struct token_list *l, uint32_t id, struct err *err);
void token_list_free(struct token_list *l);

/* Appends the tokens of `text` (any bytes). Bytes and World tokens give the text back; "bpe" gives its
 * normal form C, if the file asks for it, without special tokens. */
int tokenizer_encode(const struct tokenizer *t, struct slice text, struct token_list *out, struct err *err);

/* The bytes of one token; empty when it has none (end of text) or does not exist. */
struct slice tokenizer_bytes(const struct tokenizer *t, uint32_t id);

/* Bytes on their way to the screen; a zeroed struct is an empty stream. */
struct text_stream {
	char pending[4]; /* the beginning of a character */
	size_t n;
};

/* Appends what can be shown now: whole characters; bytes that are no character become U+FFFD. */
void text_stream_push(struct text_stream *s, struct slice bytes, struct buf *out);

/* No more bytes will come: an unfinished character becomes U+FFFD. */
void text_stream_end(struct text_stream *s, struct buf *out);

#endif
