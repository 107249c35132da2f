/* tensor_file.c - the list of tensors, sorted by name, every size checked. */
#include "runtime/tensor_file.h"

#include "base/array.h"
#include "simd/half.h"

#include <stdlib.h>
#include <string.h>

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

void tensor_set_strides(struct tensor *t)
{
	uint64_t step = 1;

	for (int d = t->n_dims; d-- > 0; step *= t->shape[d])
		t->stride[d] = step;
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
		err_set(err, ERR_TRUNCATED,
			"%s: tensor %s %s of %s reaches beyond its data; found %llu elements, "
			"expected at least %llu",
			f->label, name, tensor_shape_text(text, &t), dtype_specs[t.dtype].name,
			(unsigned long long)t.storage_count, (unsigned long long)(offset + last + 1));
		return err_hint(err, "The file is damaged or incomplete: download it again and compare its checksum.");
	}
	t.name = arena_copy(&f->arena, slice_of(view->name));
	if (!t.name)
		return err_set(err, ERR_NOMEM, "%s: no memory for tensor names", f->label);
	t.data = t.count ? (const uint8_t *)storage.p + offset * bytes : NULL;
	if (!array_grow(&f->tensors, f->n_tensors, &f->cap_tensors, 256, sizeof *f->tensors))
		return err_set(err, ERR_NOMEM, "%s: no memory for %zu tensors", f->label, 2 * f->n_tensors);
	f->tensors[f->n_tensors++] = t;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct tensor *const *)a)->name, (*(struct tensor *const *)b)->name);
}

/* Two tensors with the same name: it is unclear which one is meant. */
int tensor_file_index(struct tensor_file *f, struct err *err)
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
