/* fuzz_bpe.c - a vocabulary of a BPE tokenizer from any bytes. */
#include "runtime/tokenizer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* JSON up to the first 0 byte, then a text. What opens encodes or names a byte; without a normal form and added
 * tokens the text comes back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *all = (const char *)data, *end = n ? memchr(all, 0, n) : NULL;
	struct slice json = { all, end ? (size_t)(end - all) : n }, text = { all + json.n, n - json.n };
	bool same = n && !memmem(json.p, json.n, "NFC", 3) && !memmem(json.p, json.n, "content", 7) &&
		    !memchr(json.p, '\\', json.n); /* an escape may hide either */
	struct token_list l = { 0 };
	struct tokenizer *t;
	size_t at = 0;

	if (tokenizer_open_bpe(&t, json, "fuzz", NULL))
		return 0;
	if (!tokenizer_encode(t, text, &l, NULL)) {
		for (size_t i = 0; i < l.n && same; i++) {
			struct slice bytes = tokenizer_bytes(t, l.ids[i]);

			if (bytes.n > text.n - at || memcmp(text.p + at, bytes.p, bytes.n))
				abort();
			at += bytes.n;
		}
		if (same && at != text.n)
			abort();
	}
	token_list_free(&l);
	tokenizer_close(t);
	return 0;
}
