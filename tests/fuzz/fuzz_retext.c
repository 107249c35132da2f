/* Lines that others wrapped, and UTF-16: what comes out does not depend on how the bytes came in. */
#include "base/buf.h"
#include "read/retext.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
	const uint8_t *p;
	size_t n, most;
};

static ssize_t pull(void *ctx, void *buffer, size_t n)
{
	struct bytes *b = ctx;

	n = n < b->n ? n : b->n;
	n = n < b->most ? n : b->most;
	memcpy(buffer, b->p, n);
	b->p += n;
	b->n -= n;
	return (ssize_t)n;
}

static void read_all(struct buf *out, enum text_form form, const uint8_t *data, size_t n, size_t begin, size_t most)
{
	struct bytes rest = { data + begin, n - begin, most };
	struct retext *t = retext_open(form, (struct slice){ (const char *)data, begin }, false, pull, &rest);
	char block[77];
	ssize_t got;

	if (!t)
		abort();
	while ((got = retext_pull(t, block, sizeof block)) > 0)
		buf_add(out, block, (size_t)got);
	if (retext_whole(t) > n)
		abort();
	retext_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct slice all = { (const char *)data, n };
	enum text_form form = n ? text_form_of(all, true) : FORM_PLAIN;

	if (n && form == FORM_UNDECIDED)
		abort();
	for (int f = FORM_UTF16LE; n && f <= FORM_WRAPPED; f++) {
		struct buf once = { 0 }, bytewise = { 0 };

		read_all(&once, (enum text_form)f, data, n, n, n);
		read_all(&bytewise, (enum text_form)f, data, n, n / 3, 1 + n / 7);
		if (once.used != bytewise.used || (once.used && memcmp(once.p, bytewise.p, once.used)))
			abort();
		buf_free(&once);
		buf_free(&bytewise);
	}
	return 0;
}
