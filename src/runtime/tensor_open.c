/* tensor_open.c - which container a file is, and who reads it. */
#include "runtime/tensor_file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool starts_with(struct slice bytes, const char *magic, size_t n)
{
	return bytes.n >= n && !memcmp(bytes.p, magic, n);
}

/* What failed downloads contain, recognised by the first bytes. */
static const struct {
	const char *begin;
	size_t n;
	const char *hint;
} others[] = {
	{ "version https://git-lfs", 23, "This is a Git LFS pointer, not the model: run `git lfs pull`." },
	{ "<", 1, "This looks like a web page: download the file itself." },
	{ "\0\0\0\0", 4, "It begins with zeros: the download was not finished; fetch the file again." },
	{ "\x1f\x8b", 2, "This is an archive: unpack it, and name the file inside." },
	{ "Rar!", 4, "This is an archive: unpack it, and name the file inside." },
	{ "7z\xbc\xaf\x27\x1c", 6, "This is an archive: unpack it, and name the file inside." },
	{ "\x28\xb5\x2f\xfd", 4, "This is an archive: unpack it, and name the file inside." },
	{ "\xfd\x37zXZ", 5, "This is an archive: unpack it, and name the file inside." },
};

/* A line of format 1, of any writer: its event_type stands near the beginning. */
static bool is_log(struct slice bytes)
{
	static const char key[] = "\"event_type\"";

	return shards_is_index(bytes) && memmem(bytes.p, bytes.n < 4096 ? bytes.n : 4096, key, sizeof key - 1);
}

static const char *what_else(struct slice bytes)
{
	size_t i = 0;

	for (size_t k = 0; k < sizeof others / sizeof *others; k++)
		if (starts_with(bytes, others[k].begin, others[k].n))
			return others[k].hint;
	while (i < bytes.n && i < 64 && bytes.p[i] >= ' ' && bytes.p[i] < 127)
		i++;
	return i == bytes.n || i == 64 ? "This is a text, such as an error that a server sent: download the file again."
				       : "Give the path of an RWKV checkpoint.";
}

static int read_container(struct tensor_file *f, struct slice bytes, struct err *err)
{
	if (!bytes.n)
		return err_set(err, ERR_TRUNCATED, "%s: the file is empty", f->label);
	if (is_log(bytes)) {
		err_set(err, ERR_FORMAT, "%s: is a log, not a model file", f->label);
		return err_hint(err,
				"Logs go to `rwkvmon analyze`; give a .pth, .safetensors, rwkv.cpp or .gguf file.");
	}
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
	if (starts_with(bytes, "tjgg", 4) || starts_with(bytes, "lmgg", 4)) {
		err_set(err, ERR_UNSUPPORTED, "%s: is an old ggml file (ggjt or ggml), of before rwkv.cpp's own form",
			f->label);
		return err_hint(err, "Convert the .pth again, or give the .pth itself.");
	}
	err_set(err, ERR_FORMAT,
		"%s: not a model file: found first bytes %02x %02x %02x %02x; expected a .pth, "
		".safetensors, rwkv.cpp or .gguf file",
		f->label, (unsigned char)bytes.p[0], bytes.n > 1 ? (unsigned char)bytes.p[1] : 0U,
		bytes.n > 2 ? (unsigned char)bytes.p[2] : 0U, bytes.n > 3 ? (unsigned char)bytes.p[3] : 0U);
	return err_hint(err, "%s", err_words(what_else(bytes)));
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
		rc = web_rwkv_rename(f, err);
	if (!rc)
		rc = tensor_file_index(f, err);
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

static int open_mapped(struct tensor_file **out, const char *path, bool (*wanted)(const char *name), struct err *err)
{
	struct tensor_file *f = new_file(path, err);
	int rc;

	*out = NULL;
	if (!f)
		return -ERR_NOMEM;
	f->wanted = wanted;
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
	bool is_one = !rc && head.n > 8 && head.p[8] == '{' &&
		      !shards_is_index((struct slice){ (const char *)head.p, head.n });

	*out = NULL;
	if (rc)
		return rc;
	file_unmap(&head);
	return is_one ? open_mapped(out, path, NULL, err)
		      : err_set(err, ERR_FORMAT, "%s: is no .safetensors file; expected every shard to be one", path);
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
	rc = open_mapped(out, index, NULL, err);
	if (!rc)
		rc = shards_check_named(*out, path, err);
	if (rc) {
		tensor_file_close(*out);
		*out = NULL;
	}
	return rc;
}

int tensor_file_open_part(struct tensor_file **out, const char *path, bool (*wanted)(const char *name), struct err *err)
{
	char *index = shards_index_beside(path);
	int rc = index && !access(path, F_OK) ? open_by_shard(out, path, index, err)
					      : open_mapped(out, path, wanted, err);

	free(index);
	return rc;
}

int tensor_file_open(struct tensor_file **out, const char *path, struct err *err)
{
	return tensor_file_open_part(out, path, NULL, err);
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

void tensor_file_forget(const struct tensor_file *f, const struct tensor *t)
{
	size_t bytes = (size_t)t->count * dtype_specs[t->dtype].bytes;

	if (!t->copied)
		return;
	file_forget(&f->map, t->data, bytes);
	for (size_t i = 0; i < f->n_shards; i++)
		file_forget(&f->shards[i]->map, t->data, bytes);
}

void tensor_file_copied(struct tensor_file *f, const void *data)
{
	for (size_t i = 0; i < f->n_tensors; i++)
		if (f->tensors[i].data == data) {
			f->tensors[i].copied = true;
			tensor_file_forget(f, &f->tensors[i]);
		}
}
