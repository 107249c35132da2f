/* Lines through both ways of decoding, which must agree: the short way has learned from the lines before. */
#include "../decode_same.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void one_line(struct record_decoder *quick, struct record_decoder *plain, const char *p, size_t n)
{
	char *exact = malloc(n ? n : 1); /* so that a byte read too far is found */

	if (!exact)
		return;
	memcpy(exact, p, n);
	if (!decoded_alike(quick, plain, (struct slice){ exact, n }))
		abort();
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	const char *p = (const char *)data, *end = p + n;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop ? stop : end;
		one_line(&quick, &plain, p, (size_t)(stop - p));
		p = stop + 1;
	}
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	return 0;
}
