/* Texts of sketches, of any bytes: what is read can be written and read again, and is the same. */
#include "../sketch_back.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void again(const struct sketch *s)
{
	struct sketch other = { .count = 0 };
	struct buf first = { 0 }, second = { 0 };

	if (!sketch_write(&first, s, SIZE_MAX) || !sketch_read(&other, buf_slice(&first)) ||
	    !sketch_write(&second, &other, SIZE_MAX) || !slice_equal(buf_slice(&first), buf_slice(&second)))
		abort();
	buf_free(&first);
	buf_free(&second);
	sketch_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = malloc(n ? n : 1); /* exact size: a sanitizer sees one byte too far */
	struct sketch s = { .count = 0 };

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data, n);
	if (sketch_read(&s, (struct slice){ copy, n }) && s.count && s.count < UINT64_C(1) << 40)
		again(&s);
	sketch_free(&s);
	free(copy);
	return 0;
}
