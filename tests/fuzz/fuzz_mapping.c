/* A mapping file, and behind the first NUL lines that are read through it. */
#include "read/mapping.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_lines(const struct mapping *m, struct slice lines)
{
	struct record_decoder d = { .map = mapping_fields(m) };
	char *text = malloc(lines.n + 1 + DECODE_PADDING);
	enum decode_result result;
	struct decoded out;

	if (!text)
		return;
	if (lines.n)
		memcpy(text, lines.p, lines.n);
	memset(text + lines.n, '\n', 1 + DECODE_PADDING);
	record_decoder_feed(&d, (struct slice){ text, lines.n + 1 });
	while (record_decode_next(&d, &out, &result)) {
		for (int k = 0; result == DECODE_OK && k < METRIC_COUNT; k++)
			if ((out.decimal >> k & 1) &&
			    (!record_has(&out.rec, (enum metric_id)k) ||
			     (double)out.scaled[k] / metric_specs[k].scale != out.rec.metric[k]))
				abort();
		record_decoder_release(&d);
	}
	record_decoder_free(&d);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *end = n ? memchr(data, 0, n) : NULL;
	size_t yaml = end ? (size_t)(end - data) : n;
	struct mapping *m;
	struct err err;

	if (mapping_parse(&m, (struct slice){ (const char *)data, yaml }, "fuzz", &err)) {
		if (!err.text[0])
			abort();
		return 0;
	}
	if (end)
		read_lines(m, (struct slice){ (const char *)end + 1, n - yaml - 1 });
	mapping_close(m);
	return 0;
}
