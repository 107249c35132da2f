/* Lines through both ways of decoding, which must agree: the short way has learned from the lines before. */
#include "../decode_same.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	const char *p = (const char *)data, *end = p + n;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop ? stop : end;
		if (!decoded_alike(&quick, &plain, (struct slice){ p, (size_t)(stop - p) }))
			abort();
		p = stop + 1;
	}
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	return 0;
}
