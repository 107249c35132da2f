/* Lines through all ways of decoding, which must agree: the short ways have learned from the lines before. */
#include "../decode_same.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The text eight times over, so that its lines come in runs. */
static void check_runs(struct slice text)
{
	enum { TIMES = 8 };
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *all = malloc(TIMES * (text.n + 1));
	size_t n = 0, in_runs = 0;

	for (int i = 0; c && all && i < TIMES; i++) {
		if (text.n)
			memcpy(all + n, text.p, text.n);
		n += text.n;
		all[n++] = '\n';
	}
	if (c && all && !decoded_runs_alike(&quick, &plain, (struct slice){ all, n }, c, &in_runs))
		abort();
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(all);
	free(c);
}

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
	check_runs((struct slice){ (const char *)data, n });
	return 0;
}
