/* write_model.h - small writers of model files, for tests. */
#ifndef RWKVMON_TESTS_WRITE_MODEL_H
#define RWKVMON_TESTS_WRITE_MODEL_H

#include "test.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/tensor_file.h"

#include <stdlib.h>
#include <unistd.h>

static inline void write_le(struct buf *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++, v >>= 8)
		buf_char(b, (char)(v & 255));
}

static inline void write_file(const char *dir, const char *name, const struct buf *b)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_false(b->failed);
	assert_int_equal(file_write(path, buf_slice(b), NULL), 0);
}

/* Every `of`th contiguous tensor of f, from number `first` on, as one .safetensors file. */
static inline void write_safetensors(struct buf *out, const struct tensor_file *f, size_t first, size_t of)
{
	struct buf header = { 0 };
	uint64_t at = 0;

	for (size_t i = first; i < f->n_tensors; i += of) {
		const struct tensor *t = &f->tensors[i];
		uint64_t bytes = t->count * dtype_specs[t->dtype].bytes;
		char shape[SHAPE_TEXT_BYTES];

		assert_true(tensor_is_contiguous(t));
		buf_printf(&header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}",
			   header.used ? "," : "{", t->name, dtype_specs[t->dtype].safetensors,
			   tensor_shape_text(shape, t), (unsigned long long)at, (unsigned long long)(at + bytes));
		at += bytes;
	}
	buf_char(&header, '}');
	while (header.used % 8)
		buf_char(&header, ' ');
	write_le(out, header.used, 8);
	buf_add(out, header.p, header.used);
	for (size_t i = first; i < f->n_tensors; i += of)
		buf_add(out, f->tensors[i].data, (size_t)f->tensors[i].count * dtype_specs[f->tensors[i].dtype].bytes);
	buf_free(&header);
}

/* A folder of its own, removed with everything in it by drop_folder. */
static inline void make_folder(char path[64])
{
	snprintf(path, 64, "/tmp/rwkvmon-test-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static inline void drop_folder(const char *path)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r '%s'", path);
	assert_int_equal(system(command), 0);
}

#endif
