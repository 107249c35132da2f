/* Parts of an analysis from anybody: they are refused, or give rows with values that a log can have. Checksums are made
 * right first, so that what they protect is reached. */
#include "analyze/analyze.h"
#include "read/partial.h"
#include "read/partial_form.h"
#include "record/columns_code.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Frames as far as they go, with this program's vocabulary. */
static void make_right(unsigned char *part, size_t n)
{
	uint64_t sum;

	if (n < PARTIAL_HEAD_BYTES)
		return;
	partial_put(part + 12, columns_code_vocabulary(), 8);
	sum = partial_sum(0, (struct slice){ (const char *)part, PARTIAL_HEAD_BYTES });
	for (size_t at = PARTIAL_HEAD_BYTES; n - at >= FRAME_HEAD_BYTES;) {
		size_t bytes = (size_t)partial_get(part + at + 1, 4), left = n - at - FRAME_HEAD_BYTES;
		const char *body = (const char *)part + at + FRAME_HEAD_BYTES;

		if (bytes > left)
			return;
		sum = partial_sum(partial_sum(sum, (struct slice){ (const char *)part + at, 5 }),
				  (struct slice){ body, bytes });
		partial_put(part + at + 5, sum, 8);
		at += FRAME_HEAD_BYTES + bytes;
	}
}

static void check_rows(const struct columns *c)
{
	if (!c->n || c->n > COLUMNS_ROWS || c->n_whole > COLUMNS_WHOLE)
		abort();
	for (size_t row = 0; row < c->n; row++) {
		if (c->event[row] >= EVENT_TYPE_COUNT || c->phase[row] >= PHASE_COUNT ||
		    c->decimal[row] & ~c->have[row])
			abort();
		for (int m = 0; m < METRIC_COUNT; m++)
			if (c->have[row] >> m & 1 && !isfinite(columns_value(c, row, (enum metric_id)m)))
				abort();
	}
}

static void analyze_all(struct partials *parts)
{
	static struct columns rows;
	struct analyze_options how = { .look_for_unusual = true };
	struct findings found = { 0 };
	struct analysis *a;
	struct err err;
	int rc;

	if (analyze_open(&a, &how, &err))
		abort();
	while ((rc = partials_next(parts, &rows, &err)) > 0) {
		check_rows(&rows);
		analyze_push_columns(a, &rows);
	}
	if (!rc && analyze_finish(a, partials_input(parts), &found, &err))
		abort();
	findings_free(&found);
	analyze_close(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned char *part = malloc(n + 1);
	int fd = memfd_create("part", MFD_CLOEXEC);
	struct partials *parts;
	struct err err;
	char path[64];

	if (fd < 0 || !part)
		abort();
	memcpy(part, data, n);
	make_right(part, n);
	if (write(fd, part, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (!partials_open(&parts, (const char *const[]){ path }, 1, &err)) {
		analyze_all(parts);
		partials_close(parts);
	}
	close(fd);
	free(part);
	return 0;
}
