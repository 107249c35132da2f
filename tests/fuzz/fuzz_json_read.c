/* JSON of others, of any bytes: what is found lies within the text, and every walk ends. */
#include "base/json_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void within(struct slice all, struct slice part)
{
	if (part.n && (part.p < all.p || part.p + part.n > all.p + all.n))
		abort();
}

static void look(struct slice all, struct slice value)
{
	struct buf text = { 0 };
	int64_t whole;

	within(all, value);
	json_read_text(&text, value);
	json_read_whole(value, &whole);
	if (text.used > value.n + 2 * value.n) /* an escape is never shorter than what it stands for by more */
		abort();
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = malloc(n ? n : 1); /* exact size: a sanitizer sees one byte too far */
	struct slice text = { copy, n }, element;
	size_t at = 0, elements = 0;

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data, n);
	look(text, json_read_member(text, "errcode"));
	look(text, json_read_member(text, "a"));
	while (json_read_element(text, &at, &element)) {
		look(text, element);
		if (++elements > n)
			abort();
	}
	look(text, text);
	free(copy);
	return 0;
}
