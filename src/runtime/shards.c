/* shards.c - reads a checkpoint in several .safetensors files. Source: the index that huggingface/transformers writes
 * beside its shards:
 *     model.safetensors.index.json           { "metadata": {…}, "weight_map": { TENSOR: FILE, … } }
 *     model-00001-of-00002.safetensors, …
 * Named by its index, or by any shard with the index beside it. Shards lie in the index's own
 * folder and nowhere else: an index that was downloaded must not choose which files are opened.
 * Tensors a shard holds and the index does not name are left out. */
#include "runtime/tensor_file.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INDEX_BYTES_MAX = 1 << 24, SHARDS_MAX = 1024 };

static const char index_end[] = ".safetensors.index.json", shard_end[] = ".safetensors";

static bool ends_in(struct slice text, const char *end)
{
	size_t n = strlen(end);

	return text.n > n && !memcmp(text.p + text.n - n, end, n);
}

/* JSON begins with a brace, and has no NUL where a .safetensors keeps the high bytes of its header's length. */
bool shards_is_index(struct slice bytes)
{
	size_t at = 0;

	while (at < bytes.n && at < 8 && memchr(" \t\r\n", bytes.p[at], 4))
		at++;
	return at < bytes.n && bytes.p[at] == '{' && !memchr(bytes.p, 0, bytes.n < 8 ? bytes.n : 8);
}

static size_t digits(const char *p)
{
	return strspn(p, "0123456789");
}

char *shards_index_beside(const char *path)
{
	const char *name = strrchr(path, '/'), *dash = NULL;
	char *index = NULL;
	size_t n;

	for (const char *p = name ? name : path; *p; p++) /* the last "-N-of-N.safetensors" */
		if (*p == '-' && digits(p + 1)) {
			const char *of = p + 1 + digits(p + 1), *end = of + 4;

			if (!strncmp(of, "-of-", 4) && digits(end) && !strcmp(end + digits(end), shard_end) &&
			    strtoul(end, NULL, 10) > 1)
				dash = p;
		}
	if (!dash)
		return NULL;
	n = (size_t)(dash - path);
	index = malloc(n + sizeof index_end);
	if (index) {
		memcpy(index, path, n);
		memcpy(index + n, index_end, sizeof index_end);
	}
	return index;
}

static int refuse_name(struct tensor_file *f, const char *tensor, const char *file, struct err *err)
{
	char a[PRINTABLE_BYTES], b[PRINTABLE_BYTES];

	err_set(err, ERR_FORMAT,
		"%s: tensor %s is said to lie in \"%s\"; expected the plain name of a .safetensors "
		"file",
		f->label, printable(a, slice_of(tensor)), printable(b, slice_of(file)));
	return err_hint(err,
			"Shards are looked for beside the index only: put them there and name them without a folder.");
}

/* Opened before, or now. NULL with err set. */
static struct tensor_file *shard_named(struct tensor_file *f, const char *file, struct err *err)
{
	const char *slash = strrchr(f->label, '/');
	int folder = slash ? (int)(slash + 1 - f->label) : 0;
	struct tensor_file **more, *shard;
	char *path;

	for (size_t i = f->n_shards; i-- > 0;) /* tensors of one shard mostly follow each other */
		if (!strcmp(f->shards[i]->label + folder, file))
			return f->shards[i];
	more = f->n_shards < SHARDS_MAX ? realloc(f->shards, (f->n_shards + 1) * sizeof *more) : NULL;
	if (more)
		f->shards = more;
	if (!more || asprintf(&path, "%.*s%s", folder, f->label, file) < 0) {
		err_set(err, ERR_NOMEM, "%s: no memory for shard %zu; expected at most %d shards", f->label,
			f->n_shards + 1, SHARDS_MAX);
		return NULL;
	}
	if (tensor_file_open_shard(&shard, path, err))
		err_hint(err, "%s names it: all shards must lie beside the index, whole. Download the missing ones.",
			 f->label);
	else
		f->shards[f->n_shards++] = shard;
	free(path);
	return shard;
}

static int add(struct tensor_file *f, const char *name, const json_t *file, struct err *err)
{
	const char *text = json_string_value(file);
	const struct tensor *t;
	struct tensor_file *shard;
	char a[PRINTABLE_BYTES];

	if (!text || strchr(text, '/') || strchr(text, '\\') || strstr(text, "..") ||
	    !ends_in(slice_of(text), shard_end))
		return refuse_name(f, name, text ? text : err_words("something that is no text"), err);
	shard = shard_named(f, text, err);
	if (!shard)
		return err ? -(int)err->code : -ERR_OPEN;
	t = tensor_find(shard, name);
	if (!t) {
		err_set(err, ERR_FORMAT, "%s: tensor %s is missing; expected it here by %s", shard->label,
			printable(a, slice_of(name)), f->label);
		return err_hint(err, "Index and shards are not of one model: download all of them again.");
	}
	return tensor_file_add(
		f, t, (struct slice){ (const char *)t->data, t->storage_count * dtype_specs[t->dtype].bytes }, 0, err);
}

static int add_all(struct tensor_file *f, const json_t *map, struct err *err)
{
	const char *name;
	json_t *file;
	int rc = 0;

	if (!json_is_object(map) || !json_object_size(map)) {
		err_set(err, ERR_FORMAT,
			"%s: found no \"weight_map\"; expected the index of a sharded "
			"checkpoint, which maps tensors to files",
			f->label);
		return err_hint(err, "When a server sent this in place of the model, download the file again.");
	}
	json_object_foreach((json_t *)(uintptr_t)map, name, file)
	{
		rc = add(f, name, file, err);
		if (rc)
			break;
	}
	for (size_t i = 0; i < f->n_shards; i++)
		f->bytes += f->shards[i]->bytes;
	return rc;
}

int shards_read(struct tensor_file *f, struct slice bytes, struct err *err)
{
	char said[ERR_SAID_BYTES];
	json_error_t where;
	json_t *index;
	int rc;

	if (bytes.n > INDEX_BYTES_MAX)
		return err_set(err, ERR_FORMAT, "%s: an index of %zu bytes; expected at most %d", f->label, bytes.n,
			       INDEX_BYTES_MAX);
	index = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(index)) {
		json_decref(index);
		return err_set(err, ERR_FORMAT,
			       "%s: is no JSON object: %s at byte %d; expected the index of a "
			       "sharded checkpoint",
			       f->label, index ? err_words("wrong type") : err_said(said, where.text), where.position);
	}
	rc = add_all(f, json_object_get(index, "weight_map"), err);
	json_decref(index);
	return rc;
}

/* The index must name the shard through which it was found: so two checkpoints in one folder are not mixed up. */
int shards_check_named(const struct tensor_file *f, const char *path, struct err *err)
{
	for (size_t i = 0; i < f->n_shards; i++)
		if (!strcmp(f->shards[i]->label, path))
			return 0;
	err_set(err, ERR_FORMAT, "%s: does not name the shard %s; expected it in its weight_map", f->label, path);
	return err_hint(err, "Give the index file that belongs to this shard.");
}
