/* Lines through all ways of decoding, which must agree: the short ways have learned from the lines before. */
#include "../decode_same.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t put(char *to, struct slice text)
{
	if (text.n)
		memcpy(to, text.p, text.n);
	to[text.n] = '\n';
	return text.n + 1;
}

/* The text so many times over, so that its lines come in runs, behind another line. */
static void check_runs(struct slice before, struct slice text, int times)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *all = malloc(before.n + 1 + (size_t)times * (text.n + 1));
	size_t n = 0, in_runs = 0;

	if (all && before.n)
		n += put(all, before);
	for (int i = 0; c && all && i < times; i++)
		n += put(all + n, text);
	if (c && all && !decoded_runs_alike(&quick, &plain, (struct slice){ all, n }, c, &in_runs))
		abort();
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(all);
	free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* Lines behind it that have the same fields of the session may have their keys in any order. */
	static const char first[] =
		"{\"session_id\": \"s\", \"timestamp\": \"2025-09-11T12:34:56.789Z\", \"event_type\": "
		"\"inference_step\", \"metadata\": {\"model_name\": \"m\", \"chunk_len\": 256}}";
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
	check_runs((struct slice){ "", 0 }, (struct slice){ (const char *)data, n }, 8);
	check_runs(slice_of(first), (struct slice){ (const char *)data, n }, 1);
	return 0;
}
