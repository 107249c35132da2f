/* fuzz_vocab.c - a World vocabulary from any bytes. */
#include "runtime/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A vocabulary that opens encodes its own text, and what comes back is that text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = { (const char *)data, n };
	struct token_list l = { 0 };
	struct tokenizer *t;
	size_t at = 0;

	if (tokenizer_open_world(&t, text, "fuzz", NULL))
		return 0;
	if (tokenizer_encode(t, text, &l, NULL)) {
		token_list_free(&l); /* a byte without a token */
		tokenizer_close(t);
		return 0;
	}
	for (size_t i = 0; i < l.n; i++) {
		struct slice bytes = tokenizer_bytes(t, l.ids[i]);

		if (bytes.n > n - at || memcmp(data + at, bytes.p, bytes.n))
			abort();
		at += bytes.n;
	}
	if (at != n)
		abort();
	token_list_free(&l);
	tokenizer_close(t);
	return 0;
}
