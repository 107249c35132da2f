/* int8.c - a quantised matrix and its scales under their names. */
#include "runtime/int8.h"

const char *const int8_suffixes[INT8_SCALES] = { ".row_scale", ".row_low", ".col_scale", ".col_low" };

enum { NAME_BYTES = 128 };

bool int8_is(const struct tensor_file *f)
{
	const struct tensor *head = tensor_find(f, "head.weight");

	return head && head->dtype == DTYPE_U8;
}

static int check(const struct tensor_file *f, const struct tensor *s, uint64_t expected, struct err *err)
{
	char shape[SHAPE_TEXT_BYTES];

	if (s->dtype == DTYPE_F32 && s->count == expected && s->n_dims == 1 && tensor_is_contiguous(s) &&
	    s->storage_count >= s->count)
		return 0;
	err_set(err, ERR_SHAPE, "%s: tensor %s is %s %s; expected fp32 [%llu]", f->label, s->name,
		dtype_specs[s->dtype].name, tensor_shape_text(shape, s), (unsigned long long)expected);
	return err_hint(err, "The file is damaged: convert the original again with --to int8.");
}

int int8_find_scales(const struct tensor *out[INT8_SCALES], const struct tensor_file *f, const struct tensor *t,
		     struct err *err)
{
	char name[NAME_BYTES];
	int rc = 0;

	for (int i = 0; i < INT8_SCALES && !rc; i++) {
		snprintf(name, sizeof name, "%s%s", t->name, int8_suffixes[i]);
		out[i] = tensor_find(f, name);
		if (!out[i]) {
			err_set(err, ERR_UNSUPPORTED,
				"%s: tensor %s holds uint8 without %s; expected fp32, fp16, bf16, "
				"or int8 as rwkvmon writes it",
				f->label, t->name, name);
			return err_hint(err,
					"Give the original file, or one made from it by rwkvmon convert --to int8.");
		}
		rc = check(f, out[i], t->shape[t->n_dims - (int8_is_by_row(i) ? 2 : 1)], err);
	}
	if (!rc && (!tensor_is_contiguous(t) || t->storage_count < t->count))
		rc = err_set(err, ERR_UNSUPPORTED,
			     "%s: tensor %s holds uint8 that do not lie behind one another; "
			     "expected rows",
			     f->label, t->name);
	return rc;
}
