/* pth_legacy.c - reads the container of torch.save before 1.6. Source: torch/serialization.py (_legacy_save):
 *     pickle: magic number    pickle: 1001    pickle: sizes of types
 *     pickle: the object      pickle: list of storage keys, in the order of the data
 *     per storage: int64 element count, raw little-endian data */
#include "runtime/pth.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char magic[] = { 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

struct stored {
	struct slice key;
	struct slice bytes;
	enum dtype dtype;
};

struct storages {
	struct stored *v; /* sorted by key */
	size_t n;
};

static int compare_keys(struct slice a, struct slice b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_stored(const void *a, const void *b)
{
	return compare_keys(((const struct stored *)a)->key, ((const struct stored *)b)->key);
}

static int compare_to_key(const void *key, const void *member)
{
	return compare_keys(*(const struct slice *)key, ((const struct stored *)member)->key);
}

static struct stored *stored_of(const struct storages *s, struct slice key)
{
	return s->n ? bsearch(&key, s->v, s->n, sizeof *s->v, compare_to_key) : NULL;
}

static bool stored_bytes(void *ctx, struct slice key, struct slice *bytes)
{
	const struct stored *found = stored_of(ctx, key);

	if (found)
		*bytes = found->bytes;
	return found;
}

/* The element types are known from the object, the order of the data from the key list. */
static int collect_types(struct storages *s, const struct pickle_value *root, const char *label, struct err *err)
{
	const struct pickle_items *items = root->items;

	s->v = calloc(items->n + 1, sizeof *s->v);
	if (!s->v)
		return err_set(err, ERR_NOMEM, "%s: no memory for its storages", label);
	for (size_t i = 1; i < items->n; i += 2)
		if (items->v[i].kind == PICKLE_TENSOR) {
			const struct pickle_storage *p = items->v[i].tensor->storage;

			s->v[s->n++] = (struct stored){ p->key, { NULL, 0 }, p->dtype };
		}
	if (s->n)
		qsort(s->v, s->n, sizeof *s->v, compare_stored);
	return 0;
}

/* Tensors that share a storage have equal keys; the first of a run stands for all. */
static size_t drop_twins(struct storages *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (kept && !compare_stored(&s->v[kept - 1], &s->v[i])) {
			if (s->v[kept - 1].dtype != s->v[i].dtype)
				return 0;
			continue;
		}
		s->v[kept++] = s->v[i];
	}
	return kept;
}

static int place_data(struct storages *s, const struct pickle_items *keys, struct slice data, const char *label,
		      struct err *err)
{
	char text[PRINTABLE_BYTES];

	for (size_t i = 0; i < keys->n; i++) {
		struct stored *found = keys->v[i].kind == PICKLE_TEXT ? stored_of(s, keys->v[i].text) : NULL;
		uint64_t count;

		if (!found)
			return err_set(err, ERR_UNSUPPORTED,
				       "%s: holds a storage that no tensor of its "
				       "dictionary uses",
				       label);
		count = data.n >= 8 ? read_le(data.p, 8) : UINT64_MAX;
		if (data.n < 8 || count > (data.n - 8) / dtype_specs[found->dtype].bytes) {
			err_set(err, ERR_TRUNCATED, "%s: storage %s is cut off", label, printable(text, found->key));
			return err_hint(err, "The file is incomplete: download it again.");
		}
		found->bytes = (struct slice){ data.p + 8, (size_t)count * dtype_specs[found->dtype].bytes };
		data.p += 8 + found->bytes.n;
		data.n -= 8 + found->bytes.n;
	}
	return 0;
}

static int unknown(const char *label, struct err *err)
{
	err_set(err, ERR_FORMAT, "%s: a pickle, but not one torch.save wrote", label);
	return err_hint(err, "Give a checkpoint saved with torch.save, or a .safetensors file.");
}

int pth_legacy_read(struct tensor_file *f, struct slice bytes, struct err *err)
{
	enum { MAGIC, PROTOCOL, SYSTEM, OBJECT, KEYS, PICKLES };
	struct pickle_value v[PICKLES];
	struct storages s = { 0 };
	int rc = 0;

	for (int i = 0; i < PICKLES; i++) {
		size_t used = 0;

		rc = pickle_load(&v[i], &used, bytes, &f->arena, f->label, err);
		if (rc)
			return rc;
		if (i == MAGIC && (v[i].kind != PICKLE_LONG || v[i].text.n != sizeof magic ||
				   memcmp(v[i].text.p, magic, sizeof magic)))
			return unknown(f->label, err);
		bytes.p += used;
		bytes.n -= used;
	}
	if (v[PROTOCOL].kind != PICKLE_INT || v[PROTOCOL].integer != 1001 || v[OBJECT].kind != PICKLE_DICT ||
	    v[KEYS].kind != PICKLE_LIST)
		return unknown(f->label, err);
	rc = collect_types(&s, &v[OBJECT], f->label, err);
	if (!rc && s.n) {
		s.n = drop_twins(&s);
		rc = s.n ? place_data(&s, v[KEYS].items, bytes, f->label, err)
			 : err_set(err, ERR_FORMAT, "%s: one storage has two element types", f->label);
	}
	if (!rc)
		rc = pth_add_tensors(f, &v[OBJECT], stored_bytes, &s, err);
	free(s.v);
	return rc;
}
