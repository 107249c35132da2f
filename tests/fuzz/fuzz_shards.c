/* Bytes as the index of a sharded checkpoint, in a folder with two shards of one tensor each. */
#include "fuzz_model.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/tensor_file.h"

#include <unistd.h>

static char dir[] = "/tmp/rwkvmon-fuzz-XXXXXX";
static char paths[3][64];

static void put(const char *path, const void *bytes, size_t n)
{
	if (file_write(path, (struct slice){ bytes, n }, NULL))
		abort();
}

static void clean(void)
{
	for (int i = 0; i < 3; i++)
		unlink(paths[i]);
	rmdir(dir);
}

static void start(void)
{
	static const char *const names[] = { "a.safetensors", "b.safetensors", "i.json" };

	if (!mkdtemp(dir))
		abort();
	for (int i = 0; i < 3; i++) {
		char text[80], bytes[160] = { 0 };
		int n = snprintf(text, sizeof text, "{\"%c\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
				 "wx "[i]);

		snprintf(paths[i], sizeof paths[i], "%s/%s", dir, names[i]);
		bytes[0] = (char)n;
		memcpy(bytes + 8, text, (size_t)n);
		put(paths[i], bytes, (size_t)n + 16);
	}
	atexit(clean);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tensor_file *f;
	struct err err = { 0 };

	if (!paths[0][0])
		start();
	put(paths[2], data, n);
	if (tensor_file_open(&f, paths[2], &err)) {
		if (!err.text[0])
			abort();
		return 0;
	}
	for (size_t i = 0; i < f->n_tensors; i++) /* shards stay mapped */
		for (uint64_t k = 0; k < f->tensors[i].count; k++)
			if (tensor_element(&f->tensors[i], k) == 1)
				abort();
	tensor_file_close(f);
	return 0;
}
