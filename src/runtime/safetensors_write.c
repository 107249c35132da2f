/* safetensors_write.c - header and data, as safetensors.c reads them. */
#include "runtime/safetensors_write.h"

#include "base/buf.h"

#include <string.h>

static uint64_t bytes_of(const struct tensor *t)
{
	return t->count * dtype_specs[t->dtype].bytes;
}

void safetensors_put(struct json *header, const struct tensor *t, uint64_t at)
{
	jw_put_object(header, t->name);
	jw_put_text(header, "dtype", dtype_specs[t->dtype].safetensors);
	jw_put_array(header, "shape");
	for (int d = 0; d < t->n_dims; d++)
		jw_u64(header, t->shape[d]);
	jw_end(header);
	jw_put_array(header, "data_offsets");
	jw_u64(header, at);
	jw_u64(header, at + bytes_of(t));
	jw_end(header);
	jw_end(header);
}

void safetensors_pad(struct buf *header)
{
	while ((header->used + 8) % 64 && !header->failed)
		buf_char(header, ' ');
}

int safetensors_write(const char *path, const struct tensor *tensors, size_t n, struct err *err)
{
	struct buf header = { 0 }, file = { 0 };
	struct json json = { .out = &header };
	uint64_t at = 0, bytes;
	int rc;

	jw_object(&json);
	for (size_t i = 0; i < n; at += bytes_of(&tensors[i++]))
		safetensors_put(&json, &tensors[i], at);
	jw_end(&json);
	safetensors_pad(&header);
	bytes = header.used;
	buf_add(&file, (const char *)&bytes, sizeof bytes);
	buf_add(&file, header.p, header.used);
	for (size_t i = 0; i < n; i++)
		buf_add(&file, (const char *)tensors[i].data, (size_t)bytes_of(&tensors[i]));
	rc = header.failed || file.failed ? err_set(err, ERR_NOMEM, "%s: no memory to write it", path)
					  : file_write(path, buf_slice(&file), err);
	buf_free(&header);
	buf_free(&file);
	return rc;
}
