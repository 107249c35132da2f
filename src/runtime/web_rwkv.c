/* web_rwkv.c - RWKV-6 as the converters of web-rwkv (Ai00, RWKV-Runner's WebGPU mode) write it: names of version 5, and
 * low-rank factors transposed. Other versions have their usual names there. */
#include "runtime/ggml.h"
#include "runtime/tensor_file.h"

#include <string.h>

static bool has(const struct tensor_file *f, const char *name)
{
	for (size_t i = 0; i < f->n_tensors; i++)
		if (!strcmp(f->tensors[i].name, name))
			return true;
	return false;
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

/* `name` with its `part` replaced, in f's memory; `name` itself when it has none; NULL: out of memory. */
static const char *renamed(struct tensor_file *f, const char *name, const char *part, const char *by)
{
	const char *at = strstr(name, part);
	size_t before = at ? (size_t)(at - name) : 0, bytes = strlen(name) + strlen(by) + 1;
	char *copy;

	if (!at)
		return name;
	copy = arena_alloc(&f->arena, bytes, 1);
	if (copy)
		snprintf(copy, bytes, "%.*s%s%s", (int)before, name, by, at + strlen(part));
	return copy;
}

int web_rwkv_rename(struct tensor_file *f, struct err *err)
{
	if (!has(f, "blocks.0.att.time_mix_w1") || !has(f, "blocks.0.att.time_decay_w1"))
		return 0;
	for (size_t i = 0; i < f->n_tensors; i++) {
		struct tensor *t = &f->tensors[i];

		if (t->n_dims >= 2 && strstr(t->name, "att.time_") &&
		    (ends_with(t->name, "_w1") || ends_with(t->name, "_w2")))
			ggml_swap_last(t);
		t->name = renamed(f, t->name, "time_mix", "time_maa");
		if (t->name)
			t->name = renamed(f, t->name, "time_first", "time_faaaa");
		if (!t->name)
			return err_set(err, ERR_NOMEM, "%s: no memory", f->label);
	}
	return 0;
}
