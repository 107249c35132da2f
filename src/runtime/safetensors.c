/* safetensors.c - reads .safetensors files. Source: the format description of huggingface/safetensors:
 *     u64 header length, JSON header, data
 *     header: { name: { "dtype", "shape", "data_offsets": [begin, end] }, "__metadata__": {…} }
 * Offsets count from the end of the header. */
#include "runtime/tensor_file.h"

#include <jansson.h>
#include <stdlib.h>

enum { HEADER_BYTES_MAX = 1 << 23 }; /* the largest released RWKV needs 0.3 MB */

static int wrong(struct tensor_file *f, const char *name, const char *what, struct err *err)
{
	char text[PRINTABLE_BYTES];

	return err_set(err, ERR_FORMAT, "%s: tensor %s: %s", f->label, printable(text, slice_of(name)),
		       err_words(what));
}

static bool read_dtype(const json_t *v, enum dtype *out)
{
	for (int d = 0; json_is_string(v) && d < DTYPE_COUNT; d++)
		if (!strcmp(json_string_value(v), dtype_specs[d].safetensors)) {
			*out = (enum dtype)d;
			return true;
		}
	return false;
}

/* Up to TENSOR_DIMS numbers >= 0; how many, or -1. */
static int read_numbers(const json_t *array, uint64_t out[TENSOR_DIMS])
{
	size_t n = json_array_size(array);

	if (!json_is_array(array) || n > TENSOR_DIMS)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(array, i);

		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return -1;
		out[i] = (uint64_t)json_integer_value(v);
	}
	return (int)n;
}

static int add(struct tensor_file *f, const char *name, const json_t *row, struct slice data, struct err *err)
{
	struct tensor t = { .name = name };
	uint64_t range[TENSOR_DIMS] = { 0 }, count = 1;
	size_t width;

	if (!read_dtype(json_object_get(row, "dtype"), &t.dtype))
		return wrong(f, name, "its dtype is unknown; expected F32, F16 or BF16", err);
	t.n_dims = read_numbers(json_object_get(row, "shape"), t.shape);
	if (t.n_dims < 0)
		return wrong(f, name, "its shape is no list of at most 6 numbers", err);
	if (read_numbers(json_object_get(row, "data_offsets"), range) != 2 || range[0] > range[1])
		return wrong(f, name, "its data_offsets are no range", err);
	if (range[1] > data.n) {
		char text[PRINTABLE_BYTES];

		err_set(err, ERR_TRUNCATED, "%s: tensor %s ends at byte %llu of the data; found %zu bytes", f->label,
			printable(text, slice_of(name)), (unsigned long long)range[1], data.n);
		return err_hint(err, "The file is incomplete: download it again and compare its size.");
	}
	tensor_set_strides(&t);
	data = (struct slice){ data.p + range[0], (size_t)(range[1] - range[0]) };
	width = dtype_specs[t.dtype].bytes;
	for (int d = 0; d < t.n_dims; d++)
		if (__builtin_mul_overflow(count, t.shape[d], &count))
			return wrong(f, name, "its shape is impossible", err);
	if (data.n % width || count != data.n / width) {
		char text[PRINTABLE_BYTES], shape[SHAPE_TEXT_BYTES];

		return err_set(err, ERR_SHAPE,
			       "%s: tensor %s %s of %s: found %zu bytes; expected %llu "
			       "elements",
			       f->label, printable(text, slice_of(name)), tensor_shape_text(shape, &t),
			       dtype_specs[t.dtype].name, data.n, (unsigned long long)count);
	}
	return tensor_file_add(f, &t, data, 0, err);
}

static const uint8_t *end_of(const struct tensor *t)
{
	return t->data + t->storage_count * dtype_specs[t->dtype].bytes;
}

static int by_place(const void *a, const void *b)
{
	const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;

	return x->data != y->data ? (x->data < y->data ? -1 : 1) : (end_of(x) > end_of(y)) - (end_of(x) < end_of(y));
}

static int overlap(const struct tensor_file *f, const struct tensor *before, const struct tensor *t, struct err *err)
{
	char name[PRINTABLE_BYTES], other[PRINTABLE_BYTES];

	err_set(err, ERR_FORMAT, "%s: tensor %s overlaps tensor %s", f->label, printable(name, slice_of(t->name)),
		printable(other, slice_of(before->name)));
	return err_hint(err, "The format forbids it, so what one of them holds is wrong: save the model again.");
}

static int hole(const struct tensor_file *f, size_t bytes, const struct tensor *t, struct err *err)
{
	char name[PRINTABLE_BYTES];

	err_set(err, ERR_FORMAT, "%s: %zu bytes before tensor %s belong to no tensor", f->label, bytes,
		printable(name, slice_of(t->name)));
	return err_hint(err, "The format forbids it: the file is damaged, or hides something; save the model again.");
}

/* The format's rule: the tensors cover all of the data, and no byte twice. A download that was resumed at the wrong
 * place is longer than what it describes. `list` has room for all of them. */
static int check_cover(const struct tensor_file *f, const struct tensor **list, struct slice data, struct err *err)
{
	const uint8_t *end = (const uint8_t *)data.p, *last = end + data.n;
	size_t n = 0;

	for (size_t i = 0; i < f->n_tensors; i++)
		if (f->tensors[i].count)
			list[n++] = &f->tensors[i];
	qsort(list, n, sizeof *list, by_place);
	for (size_t i = 0; i < n; end = end_of(list[i++])) {
		if (list[i]->data < end)
			return overlap(f, list[i - 1], list[i], err);
		if (list[i]->data > end)
			return hole(f, (size_t)(list[i]->data - end), list[i], err);
	}
	if (end == last)
		return 0;
	err_set(err, ERR_FORMAT, "%s: has %zu bytes behind its last tensor", f->label, (size_t)(last - end));
	return err_hint(err, "The download went wrong: fetch the file again and compare its size.");
}

static int check_all(const struct tensor_file *f, struct slice data, struct err *err)
{
	const struct tensor **list = malloc(f->n_tensors * sizeof *list);
	int rc = list ? check_cover(f, list, data, err)
		      : err_set(err, ERR_NOMEM, "%s: no memory to check its tensors", f->label);

	free(list);
	return rc;
}

static int add_all(struct tensor_file *f, json_t *header, struct slice data, struct err *err)
{
	const char *name;
	json_t *row;
	int rc;

	json_object_foreach(header, name, row)
	{
		if (!strcmp(name, "__metadata__"))
			continue;
		rc = add(f, name, row, data, err);
		if (rc)
			return rc;
	}
	return f->n_tensors ? check_all(f, data, err)
			    : err_set(err, ERR_FORMAT, "%s: its header names no tensors", f->label);
}

/* A layout of int8 that this version does not know must not be taken for the one it does (int8.h). */
static int check_metadata(struct tensor_file *f, const json_t *header, struct err *err)
{
	const json_t *version = json_object_get(json_object_get(header, "__metadata__"), "rwkvmon_int8");
	char text[PRINTABLE_BYTES];

	if (!version || (json_is_string(version) && !strcmp(json_string_value(version), "1")))
		return 0;
	err_set(err, ERR_UNSUPPORTED, "%s: holds int8 weights in layout %s; expected layout 1", f->label,
		json_is_string(version) ? printable(text, slice_of(json_string_value(version)))
					: err_words("of no name"));
	return err_hint(err, "It was made by a newer rwkvmon: update, or convert the original with this one.");
}

int safetensors_read(struct tensor_file *f, struct slice bytes, struct err *err)
{
	uint64_t n = read_le(bytes.p, 8); /* the caller saw more than 8 bytes */
	char said[ERR_SAID_BYTES];
	json_error_t where;
	json_t *header;
	int rc;

	if (n > HEADER_BYTES_MAX)
		return err_set(err, ERR_FORMAT, "%s: claims a header of %llu bytes; expected at most %d", f->label,
			       (unsigned long long)n, HEADER_BYTES_MAX);
	if (n > bytes.n - 8) {
		err_set(err, ERR_TRUNCATED, "%s: its header has %llu bytes, the file only %zu", f->label,
			(unsigned long long)n, bytes.n);
		return err_hint(err, "The file is incomplete: download it again.");
	}
	/* jansson limits nesting to 2048 itself. */
	header = json_loadb(bytes.p + 8, (size_t)n, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(header)) {
		json_decref(header);
		return err_set(err, ERR_FORMAT, "%s: its header is no JSON object: %s at byte %d", f->label,
			       header ? err_words("wrong type") : err_said(said, where.text), where.position);
	}
	rc = check_metadata(f, header, err);
	if (!rc)
		rc = add_all(f, header, (struct slice){ bytes.p + 8 + n, bytes.n - 8 - (size_t)n }, err);
	json_decref(header);
	return rc;
}
