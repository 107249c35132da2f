/* pth.c - reads the container of torch.save since 1.6. Source: PKWARE's APPNOTE for zip, torch/serialization.py for
 * what lies inside:
 *     PREFIX/data.pkl      the pickle
 *     PREFIX/data/KEY      one storage, raw little-endian
 *     PREFIX/version, …    skipped
 * Local headers carry no sizes (bit 3), so the central directory is the truth. */
#include "runtime/pth.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct slice name;
	struct slice data; /* of a stored entry */
	uint16_t method;   /* 0 stored, 8 deflated */
};

struct zip {
	const char *label;
	struct slice file;
	struct entry *entries; /* sorted by name */
	size_t n, cap;
	struct slice prefix; /* "rwkv/" */
};

enum {
	END_BYTES = 22,
	END64_LOCATOR_BYTES = 20,
	END64_BYTES = 56,
	CENTRAL_BYTES = 46,
	LOCAL_BYTES = 30,
	END_MAGIC = 0x06054b50,
	END64_LOCATOR_MAGIC = 0x07064b50,
	END64_MAGIC = 0x06064b50,
	CENTRAL_MAGIC = 0x02014b50,
	LOCAL_MAGIC = 0x04034b50,
	COMMENT_BYTES_MAX = 0xffff,
};

/* -- zip ----------------------------------------------------------------------------- */

static int damaged(const struct zip *z, const char *what, struct err *err)
{
	err_set(err, ERR_FORMAT, "%s: its zip directory is damaged: %s", z->label, err_words(what));
	return err_hint(err, "Download the file again and compare its checksum.");
}

static bool has(struct slice s, uint64_t at, uint64_t n)
{
	return at <= s.n && n <= s.n - at;
}

static int find_end(const struct zip *z, size_t *at, struct err *err)
{
	size_t n = z->file.n, first = n > END_BYTES + COMMENT_BYTES_MAX ? n - END_BYTES - COMMENT_BYTES_MAX : 0;

	for (size_t i = n < END_BYTES ? 0 : n - END_BYTES + 1; i-- > first;)
		if (read_le(z->file.p + i, 4) == END_MAGIC) {
			*at = i;
			return 0;
		}
	err_set(err, ERR_TRUNCATED, "%s: a .pth whose end is missing: no zip directory in its last bytes", z->label);
	return err_hint(err, "The download was interrupted: fetch the file again and compare its size.");
}

/* Where the central directory lies; the zip64 record overrides what does not fit 32 bits. */
static int find_directory(const struct zip *z, struct slice *out, struct err *err)
{
	uint64_t offset, size;
	size_t end = 0;
	int rc = find_end(z, &end, err);

	if (rc)
		return rc;
	size = read_le(z->file.p + end + 12, 4);
	offset = read_le(z->file.p + end + 16, 4);
	if (end >= END64_LOCATOR_BYTES && read_le(z->file.p + end - END64_LOCATOR_BYTES, 4) == END64_LOCATOR_MAGIC) {
		uint64_t at = read_le(z->file.p + end - END64_LOCATOR_BYTES + 8, 8);

		if (!has(z->file, at, END64_BYTES) || read_le(z->file.p + at, 4) != END64_MAGIC)
			return damaged(z, "the zip64 record is not where it should be", err);
		size = read_le(z->file.p + at + 40, 8);
		offset = read_le(z->file.p + at + 48, 8);
	}
	if (!has(z->file, offset, size))
		return damaged(z, "it lies outside the file", err);
	*out = (struct slice){ z->file.p + offset, (size_t)size };
	return 0;
}

/* Zip64 extra field: 8-byte values for those of size, packed size and offset that were all ones. */
static void apply_zip64(struct slice extra, uint64_t *size, uint64_t *packed, uint64_t *offset)
{
	uint64_t *values[] = { size, packed, offset };

	while (extra.n >= 4) {
		uint64_t id = read_le(extra.p, 2), n = read_le(extra.p + 2, 2);
		size_t at = 4;

		if (n > extra.n - 4)
			return;
		for (int i = 0; id == 1 && i < 3; i++)
			if (*values[i] == 0xffffffff && at + 8 <= n + 4) {
				*values[i] = read_le(extra.p + at, 8);
				at += 8;
			}
		extra.p += n + 4;
		extra.n -= n + 4;
	}
}

static int add_entry(struct zip *z, struct entry e, struct err *err)
{
	if (!array_grow(&z->entries, z->n, &z->cap, 256, sizeof *z->entries))
		return err_set(err, ERR_NOMEM, "%s: no memory for its directory", z->label);
	z->entries[z->n++] = e;
	return 0;
}

/* One central record at p, which holds `n` bytes in all; its data through the local header. */
static int read_entry(struct zip *z, const char *p, size_t name_bytes, size_t extra_bytes, struct err *err)
{
	uint64_t packed = read_le(p + 20, 4), size = read_le(p + 24, 4), offset = read_le(p + 42, 4), data;
	struct entry e = { .name = { p + CENTRAL_BYTES, name_bytes }, .method = (uint16_t)read_le(p + 10, 2) };

	apply_zip64((struct slice){ p + CENTRAL_BYTES + name_bytes, extra_bytes }, &size, &packed, &offset);
	if (!has(z->file, offset, LOCAL_BYTES) || read_le(z->file.p + offset, 4) != LOCAL_MAGIC)
		return damaged(z, "an entry points to no entry", err);
	data = offset + LOCAL_BYTES + read_le(z->file.p + offset + 26, 2) + read_le(z->file.p + offset + 28, 2);
	if (!has(z->file, data, packed) || (e.method == 0 && packed != size))
		return damaged(z, "an entry's data lies outside the file", err);
	e.data = (struct slice){ z->file.p + data, (size_t)packed };
	return add_entry(z, e, err);
}

static int compare_slices(struct slice a, struct slice b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_entries(const void *a, const void *b)
{
	return compare_slices(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int read_directory(struct zip *z, struct err *err)
{
	struct slice dir = { 0 };
	int rc = find_directory(z, &dir, err);

	while (!rc && dir.n) {
		size_t name_bytes, extra_bytes, bytes;

		if (dir.n < CENTRAL_BYTES || read_le(dir.p, 4) != CENTRAL_MAGIC)
			return damaged(z, "a record does not begin like one", err);
		name_bytes = (size_t)read_le(dir.p + 28, 2);
		extra_bytes = (size_t)read_le(dir.p + 30, 2);
		bytes = CENTRAL_BYTES + name_bytes + extra_bytes + (size_t)read_le(dir.p + 32, 2);
		if (bytes > dir.n)
			return damaged(z, "a record is cut off", err);
		rc = read_entry(z, dir.p, name_bytes, extra_bytes, err);
		dir.p += bytes;
		dir.n -= bytes;
	}
	if (!rc && z->n)
		qsort(z->entries, z->n, sizeof *z->entries, compare_entries);
	return rc;
}

static int compare_to_entry(const void *name, const void *member)
{
	return compare_slices(*(const struct slice *)name, ((const struct entry *)member)->name);
}

static const struct entry *entry_named(const struct zip *z, struct slice name)
{
	return z->n ? bsearch(&name, z->entries, z->n, sizeof *z->entries, compare_to_entry) : NULL;
}

/* -- the checkpoint inside ----------------------------------------------------------- */

static const struct entry *find_pickle(struct zip *z)
{
	const char tail[] = "data.pkl";
	size_t tail_bytes = sizeof tail - 1;

	for (size_t i = 0; i < z->n; i++) {
		struct slice name = z->entries[i].name;

		if (name.n < tail_bytes || memcmp(name.p + name.n - tail_bytes, tail, tail_bytes))
			continue;
		z->prefix = (struct slice){ name.p, name.n - tail_bytes };
		if (!z->prefix.n || (z->prefix.p[z->prefix.n - 1] == '/' && !memchr(z->prefix.p, '/', z->prefix.n - 1)))
			return &z->entries[i];
	}
	return NULL;
}

static bool stored_bytes(void *ctx, struct slice key, struct slice *bytes)
{
	const struct zip *z = ctx;
	char name[512];
	int n = snprintf(name, sizeof name, "%.*sdata/%.*s", SLICE_ARG(z->prefix), SLICE_ARG(key));
	const struct entry *e = NULL;

	if (n > 0 && (size_t)n < sizeof name)
		e = entry_named(z, (struct slice){ name, (size_t)n });
	if (e)
		*bytes = e->data;
	return e;
}

/* A whole model, zipped once more. */
static bool is_model_name(struct slice name)
{
	static const char *const ends[] = { ".pth", ".pt", ".safetensors", ".gguf", ".bin" };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t n = strlen(ends[i]);

		if (name.n > n && !memcmp(name.p + name.n - n, ends[i], n))
			return true;
	}
	return false;
}

static int refuse_deflated(const struct zip *z, struct err *err)
{
	char name[PRINTABLE_BYTES];

	for (size_t i = 0; i < z->n; i++)
		if (z->entries[i].method && is_model_name(z->entries[i].name)) {
			err_set(err, ERR_UNSUPPORTED, "%s: is an archive that holds %s", z->label,
				printable(name, z->entries[i].name));
			return err_hint(err, "Unpack it (unzip) and name the file inside.");
		} else if (z->entries[i].method) {
			err_set(err, ERR_UNSUPPORTED,
				"%s: entry %s is compressed (zip method %d); torch.save stores "
				"entries as they are",
				z->label, printable(name, z->entries[i].name), z->entries[i].method);
			return err_hint(err, "Zip it again without compression: unzip it, then `zip -0 -r "
					     "new.pth FOLDER`.");
		}
	return 0;
}

/* Two entries of one name let one file mean two things. */
static int refuse_twins(const struct zip *z, struct err *err)
{
	for (size_t i = 1; i < z->n; i++)
		if (slice_equal(z->entries[i - 1].name, z->entries[i].name))
			return damaged(z, "two entries have the same name", err);
	return 0;
}

static int load(struct zip *z, struct tensor_file *f, struct err *err)
{
	const struct entry *pickle;
	struct pickle_value root;
	size_t used;
	int rc = read_directory(z, err);

	if (!rc)
		rc = refuse_twins(z, err);
	if (!rc)
		rc = refuse_deflated(z, err);
	if (rc)
		return rc;
	pickle = find_pickle(z);
	if (!pickle) {
		err_set(err, ERR_FORMAT, "%s: a zip file without data.pkl; expected what torch.save writes", z->label);
		return err_hint(err, "Give the .pth file itself; an archive of several files is unpacked first.");
	}
	rc = pickle_load(&root, &used, pickle->data, &f->arena, z->label, err);
	return rc ? rc : pth_add_tensors(f, &root, stored_bytes, z, err);
}

int pth_read(struct tensor_file *f, struct slice bytes, struct err *err)
{
	struct zip z = { .label = f->label, .file = bytes };
	int rc = load(&z, f, err);

	free(z.entries);
	return rc;
}

/* -- both containers ----------------------------------------------------------------- */

static int add_tensor(struct tensor_file *f, const char *name, const struct pickle_tensor *t, pth_storage_fn storage,
		      void *ctx, struct err *err)
{
	const struct pickle_storage *s = t->storage;
	struct tensor view = { .name = name, .dtype = s->dtype, .n_dims = t->n_dims };
	char text[PRINTABLE_BYTES], key[PRINTABLE_BYTES];
	struct slice bytes = { 0 };
	size_t width = dtype_specs[s->dtype].bytes;

	if (!storage(ctx, s->key, &bytes)) {
		err_set(err, ERR_FORMAT, "%s: tensor %s needs the storage %s, which is not in the file", f->label,
			printable(text, slice_of(name)), printable(key, s->key));
		return err_hint(err, "The file is damaged: download it again.");
	}
	if (s->count > bytes.n / width) {
		err_set(err, ERR_TRUNCATED,
			"%s: tensor %s: its storage %s holds %zu bytes; expected %llu of "
			"%s",
			f->label, printable(text, slice_of(name)), printable(key, s->key), bytes.n,
			(unsigned long long)s->count, dtype_specs[s->dtype].name);
		return err_hint(err, "The file is damaged: download it again and compare its checksum.");
	}
	bytes.n = (size_t)s->count * width;
	memcpy(view.shape, t->shape, sizeof view.shape);
	memcpy(view.stride, t->stride, sizeof view.stride);
	return tensor_file_add(f, &view, bytes, t->offset, err);
}

int pth_add_tensors(struct tensor_file *f, const struct pickle_value *root, pth_storage_fn storage, void *ctx,
		    struct err *err)
{
	int rc = 0;

	if (root->kind != PICKLE_DICT) {
		err_set(err, ERR_FORMAT, "%s: holds no dictionary of tensors", f->label);
		return err_hint(err, "Save the model's state_dict: torch.save(model.state_dict(), file).");
	}
	for (size_t i = 0; i + 1 < root->items->n && !rc; i += 2) {
		const struct pickle_value *key = &root->items->v[i], *value = key + 1;
		char *name;

		if (key->kind != PICKLE_TEXT || (value->kind != PICKLE_TENSOR && value->kind != PICKLE_TEXT))
			continue;
		name = arena_copy(&f->arena, key->text);
		if (!name)
			return err_set(err, ERR_NOMEM, "%s: no memory for names", f->label);
		if (strlen(name) != key->text.n)
			return err_set(err, ERR_FORMAT, "%s: a tensor's name contains a NUL", f->label);
		if (value->kind == PICKLE_TENSOR)
			rc = add_tensor(f, name, value->tensor, storage, ctx, err);
		else if (!strcmp(name, "_strategy"))
			f->converted = arena_copy(&f->arena, value->text);
	}
	if (!rc && !f->n_tensors) {
		err_set(err, ERR_FORMAT, "%s: its dictionary holds no tensors", f->label);
		return err_hint(err, "If the weights are nested (\"state_dict\": …), save the inner dictionary alone.");
	}
	return rc;
}
