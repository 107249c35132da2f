#include "runtime/tensor_file.h"

#include "simd/half.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct dtype_spec dtype_specs[DTYPE_COUNT] = {
#define DTYPE(name, ...) [DTYPE_##name] = { __VA_ARGS__ },
#include "runtime/dtypes.def"
#undef DTYPE
};

const char *printable(char out[PRINTABLE_BYTES], struct slice text)
{
	size_t n = text.n < PRINTABLE_BYTES - 1 ? text.n : PRINTABLE_BYTES - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? text.p[i] : '?';
	if (n < text.n)
		memcpy(out + n - 3, "...", 3);
	out[n] = 0;
	return out;
}

const char *tensor_shape_text(char out[SHAPE_TEXT_BYTES], const struct tensor *t)
{
	size_t used = 0;

	out[used++] = '[';
	for (int d = 0; d < t->n_dims; d++) {
		int n = snprintf(out + used, SHAPE_TEXT_BYTES - used, "%s%llu", d ? ", " : "",
				 (unsigned long long)t->shape[d]);
		if (n < 0 || used + (size_t)n + 2 > SHAPE_TEXT_BYTES)
			break;
		used += (size_t)n;
	}
	out[used++] = ']';
	out[used] = 0;
	return out;
}

bool tensor_is_contiguous(const struct tensor *t)
{
	uint64_t expected = 1;

	for (int d = t->n_dims; d-- > 0;) {
		if (t->shape[d] != 1 && t->stride[d] != expected)
			return false;
		expected *= t->shape[d];
	}
	return true;
}

uint64_t tensor_offset(const struct tensor *t, uint64_t i)
{
	uint64_t at = 0;

	for (int d = t->n_dims; d-- > 0; i /= t->shape[d])
		at += i % t->shape[d] * t->stride[d];
	return at;
}

float tensor_element(const struct tensor *t, uint64_t i)
{
	size_t bytes = dtype_specs[t->dtype].bytes;
	uint64_t bits = read_le(t->data + tensor_offset(t, i) * bytes, (int)bytes);
	double f64;

	switch (t->dtype) {
	case DTYPE_F32:
		return float_of_bits((uint32_t)bits);
	case DTYPE_F16:
		return float_of_f16((uint16_t)bits);
	case DTYPE_BF16:
		return float_of_bf16((uint16_t)bits);
	case DTYPE_F64:
		memcpy(&f64, &bits, sizeof f64);
		return (float)f64;
	case DTYPE_I64:
		return (float)(int64_t)bits;
	case DTYPE_I32:
		return (float)(int32_t)bits;
	case DTYPE_I16:
		return (float)(int16_t)bits;
	case DTYPE_I8:
		return (float)(int8_t)bits;
	default:
		return (float)bits;
	}
}

/* Number of elements, and how far the last one lies from the first. False when either is
 * more than 2^62: no file is that large. */
static bool measure(const struct tensor *t, uint64_t *count, uint64_t *last)
{
	const uint64_t most = (uint64_t)1 << 62;

	*count = 1;
	*last = 0;
	for (int d = 0; d < t->n_dims; d++)
		if (!t->shape[d])
			*count = 0;
	for (int d = 0; *count && d < t->n_dims; d++) {
		uint64_t steps = t->shape[d] - 1, reach;

		if (t->shape[d] > most / *count || (steps && t->stride[d] > most / steps))
			return false;
		reach = steps * t->stride[d];
		if (reach > most - *last)
			return false;
		*count *= t->shape[d];
		*last += reach;
	}
	return true;
}

static int grow(struct tensor_file *f, struct err *err)
{
	size_t cap = f->cap_tensors ? 2 * f->cap_tensors : 256;
	struct tensor *more = realloc(f->tensors, cap * sizeof *more);

	if (!more)
		return err_set(err, ERR_NOMEM, "%s: no memory for %zu tensors", f->label, cap);
	f->tensors = more;
	f->cap_tensors = cap;
	return 0;
}

int tensor_file_add(struct tensor_file *f, const struct tensor *view, struct slice storage, uint64_t offset,
		    struct err *err)
{
	struct tensor t = *view;
	size_t bytes = dtype_specs[t.dtype].bytes;
	char text[SHAPE_TEXT_BYTES], name[PRINTABLE_BYTES];
	uint64_t last;

	printable(name, slice_of(view->name));
	t.storage_count = storage.n / bytes;
	if (!measure(&t, &t.count, &last))
		return err_set(err, ERR_SHAPE, "%s: tensor %s has the impossible shape %s", f->label, name,
			       tensor_shape_text(text, &t));
	if (t.count && (offset > t.storage_count || last >= t.storage_count - offset)) {
		err_set(err, ERR_TRUNCATED, "%s: tensor %s %s of %s reaches beyond its data; found %llu elements, "
			"expected at least %llu", f->label, name, tensor_shape_text(text, &t),
				dtype_specs[t.dtype].name,
			(unsigned long long)t.storage_count, (unsigned long long)(offset + last + 1));
		return err_hint(err, "The file is damaged or incomplete: download it again and compare its checksum.");
	}
	t.name = arena_copy(&f->arena, slice_of(view->name));
	if (!t.name)
		return err_set(err, ERR_NOMEM, "%s: no memory for tensor names", f->label);
	t.data = t.count ? (const uint8_t *)storage.p + offset * bytes : NULL;
	if (f->n_tensors == f->cap_tensors && grow(f, err))
		return -ERR_NOMEM;
	f->tensors[f->n_tensors++] = t;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct tensor *const *)a)->name, (*(struct tensor *const *)b)->name);
}

/* Two tensors of one name: nobody can say which is meant. */
static int index_names(struct tensor_file *f, struct err *err)
{
	char name[PRINTABLE_BYTES];

	f->by_name = calloc(f->n_tensors + 1, sizeof *f->by_name);
	if (!f->by_name)
		return err_set(err, ERR_NOMEM, "%s: no memory for the index of tensors", f->label);
	for (size_t i = 0; i < f->n_tensors; i++)
		f->by_name[i] = &f->tensors[i];
	if (f->n_tensors)
		qsort(f->by_name, f->n_tensors, sizeof *f->by_name, compare_names);
	for (size_t i = 1; i < f->n_tensors; i++)
		if (!strcmp(f->by_name[i - 1]->name, f->by_name[i]->name))
			return err_set(err, ERR_FORMAT, "%s: tensor %s occurs twice; expected unique names", f->label,
				       printable(name, slice_of(f->by_name[i]->name)));
	return 0;
}

static int compare_to_name(const void *name, const void *member)
{
	return strcmp(name, (*(struct tensor *const *)member)->name);
}

const struct tensor *tensor_find(const struct tensor_file *f, const char *name)
{
	struct tensor **found = NULL;

	if (f->n_tensors)
		found = bsearch(name, f->by_name, f->n_tensors, sizeof *f->by_name, compare_to_name);
	return found ? *found : NULL;
}

static bool starts_with(struct slice bytes, const char *magic, size_t n)
{
	return bytes.n >= n && !memcmp(bytes.p, magic, n);
}

static int read_container(struct tensor_file *f, struct slice bytes, struct err *err)
{
	if (!bytes.n)
		return err_set(err, ERR_TRUNCATED, "%s: the file is empty", f->label);
	if (shards_is_index(bytes) && f->map.p)
		return shards_read(f, bytes, err);
	if (shards_is_index(bytes)) /* memory has no folder */
		return err_set(err, ERR_UNSUPPORTED, "%s: is JSON; expected the bytes of a model file", f->label);
	if (starts_with(bytes, "PK\3\4", 4))
		return pth_read(f, bytes, err);
	if (starts_with(bytes, "\x80\x02", 2))
		return pth_legacy_read(f, bytes, err);
	if (starts_with(bytes, "fmgg", 4)) /* 0x67676d66, little-endian */
		return ggmf_read(f, bytes, err);
	if (starts_with(bytes, "GGUF", 4))
		return gguf_read(f, bytes, err);
	if (bytes.n > 8 && bytes.p[8] == '{')
		return safetensors_read(f, bytes, err);
	err_set(err, ERR_FORMAT, "%s: not a model file: found first bytes %02x %02x %02x %02x; expected a .pth, "
		".safetensors, rwkv.cpp or .gguf file", f->label, (unsigned char)bytes.p[0],
			bytes.n > 1 ? (unsigned char)bytes.p[1] : 0U,
		bytes.n > 2 ? (unsigned char)bytes.p[2] : 0U, bytes.n > 3 ? (unsigned char)bytes.p[3] : 0U);
	if (starts_with(bytes, "version https://git-lfs", 23))
		return err_hint(err, "This is a Git LFS pointer, not the model: run `git lfs pull`.");
	if (bytes.p[0] == '<')
		return err_hint(err, "This looks like a web page: download the file itself.");
	return err_hint(err, "Give the path of an RWKV checkpoint.");
}

static struct tensor_file *new_file(const char *label, struct err *err)
{
	struct tensor_file *f = calloc(1, sizeof *f);

	if (f)
		f->label = arena_copy(&f->arena, slice_of(label));
	if (f && f->label)
		return f;
	tensor_file_close(f);
	err_set(err, ERR_NOMEM, "%s: no memory", label);
	return NULL;
}

static int finish(struct tensor_file **out, struct tensor_file *f, struct slice bytes, struct err *err)
{
	int rc;

	f->bytes = bytes.n;
	rc = read_container(f, bytes, err);
	if (!rc)
		rc = index_names(f, err);
	if (rc)
		tensor_file_close(f);
	else
		*out = f;
	return rc;
}

int tensor_file_open_memory(struct tensor_file **out, const void *bytes, size_t n, const char *label, struct err *err)
{
	struct tensor_file *f = new_file(label, err);

	*out = NULL;
	return f ? finish(out, f, (struct slice){ bytes, n }, err) : -ERR_NOMEM;
}

static int open_mapped(struct tensor_file **out, const char *path, struct err *err)
{
	struct tensor_file *f = new_file(path, err);
	int rc;

	*out = NULL;
	if (!f)
		return -ERR_NOMEM;
	rc = file_map(&f->map, path, err);
	if (rc) {
		tensor_file_close(f);
		return rc;
	}
	return finish(out, f, (struct slice){ (const char *)f->map.p, f->map.n }, err);
}

int tensor_file_open_shard(struct tensor_file **out, const char *path, struct err *err)
{
	struct file_map head;
	int rc = file_map(&head, path, err);
	bool is_one = !rc && head.n > 8 && head.p[8] == '{' && !shards_is_index((struct slice){ (const char *)head.p, head.n });

	*out = NULL;
	if (rc)
		return rc;
	file_unmap(&head);
	return is_one ? open_mapped(out, path, err) :
		err_set(err, ERR_FORMAT, "%s: is no .safetensors file; expected every shard to be one", path);
}

/* One shard stands for the whole checkpoint, when its index is there. */
static int open_by_shard(struct tensor_file **out, const char *path, const char *index, struct err *err)
{
	int rc;

	if (access(index, F_OK)) {
		*out = NULL;
		err_set(err, ERR_OPEN, "%s: is one shard of several; expected their index %s", path, index);
		return err_hint(err, "Download the index and all shards into one folder.");
	}
	rc = open_mapped(out, index, err);
	if (!rc)
		rc = shards_check_named(*out, path, err);
	if (rc) {
		tensor_file_close(*out);
		*out = NULL;
	}
	return rc;
}

int tensor_file_open(struct tensor_file **out, const char *path, struct err *err)
{
	char *index = shards_index_beside(path);
	int rc = index && !access(path, F_OK) ? open_by_shard(out, path, index, err) : open_mapped(out, path, err);

	free(index);
	return rc;
}

void tensor_file_close(struct tensor_file *f)
{
	if (!f)
		return;
	file_unmap(&f->map);
	for (size_t i = 0; i < f->n_shards; i++)
		tensor_file_close(f->shards[i]);
	free(f->shards);
	free(f->tensors);
	free(f->by_name);
	arena_free(&f->arena);
	free(f);
}
