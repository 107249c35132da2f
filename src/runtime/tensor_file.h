/* tensor_file.h - a model file as a list of named tensors, whatever its container.
 *
 *     .pth           torch.save since 1.6: a zip of stored entries, one of them a pickle.
 *                    The pickle is read by a small machine that knows the opcodes and the
 *                    few names such files need; nothing is ever called or imported.
 *     .pth (legacy)  torch.save before 1.6: five pickles, then the data
 *     .safetensors   a JSON header, then the data; also several of them under an index (shards.c)
 *     ggmf (.bin)    rwkv.cpp; tensors are brought back to their official form
 *     .gguf          llama.cpp, RWKV-6 and 7
 *
 * The container is recognised by its first bytes, never by its name. All of it is treated as hostile until checked:
 * every tensor in the list lies completely inside the file, whatever its shape and strides claim.
 *
 * Ownership  tensor_file_close releases everything; tensors point into the mapped file (or
 *            the caller's memory) and into the tensor_file.
 * Threads    read-only once open.
 * Cost       opening reads the headers, not the data.
 * Errors     -ERR_FORMAT, -ERR_TRUNCATED, -ERR_UNSUPPORTED, -ERR_SHAPE, -ERR_OPEN, -ERR_NOMEM
 *            with file, tensor, what was found and what was expected.
 */
#ifndef RWKVMON_RUNTIME_TENSOR_FILE_H
#define RWKVMON_RUNTIME_TENSOR_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"

#include <stdint.h>

enum dtype {
#define DTYPE(name, ...) DTYPE_##name,
#include "runtime/dtypes.def"
#undef DTYPE
	DTYPE_COUNT
};

struct dtype_spec {
	const char *name;        /* "fp16" */
	size_t bytes;            /* of one element */
	const char *torch;       /* "HalfStorage" */
	const char *safetensors; /* "F16" */
};

extern const struct dtype_spec dtype_specs[DTYPE_COUNT];

enum { TENSOR_DIMS = 6 }; /* more is refused */

struct tensor {
	const char *name; /* UTF-8 as in the file, NUL-terminated */
	enum dtype dtype;
	int n_dims; /* 0: a scalar */
	uint64_t shape[TENSOR_DIMS];
	uint64_t stride[TENSOR_DIMS]; /* elements; of a dimension of 1 or 0 it means nothing */
	uint64_t count;               /* product of shape */
	const uint8_t *data;          /* first element, any alignment; NULL when count is 0 */
	uint64_t storage_count;       /* elements the file holds for it; smaller than count when some repeat */
	bool copied;                  /* the model has it in another form */
};

struct tensor_file {
	char *label;            /* the path, or what the caller called it */
	struct tensor *tensors; /* in file order; names are unique */
	size_t n_tensors;
	const char *converted;   /* text of the entry that marks a file converted for one strategy, or NULL */
	uint64_t bytes;          /* of the file */
	uint64_t unpacked_bytes; /* memory that quantised tensors took */
	/* private */
	bool (*wanted)(const char *name); /* NULL: all are */
	struct tensor **by_name;
	size_t cap_tensors;
	struct file_map map;
	struct arena arena;
	struct tensor_file **shards; /* the files an index names, open as long as this is */
	size_t n_shards;
};

/* *out is NULL on error. */
int tensor_file_open(struct tensor_file **out, const char *path, struct err *err);

/* The same, where only some names are wanted: others may be missing, and none of them is unpacked. */
int tensor_file_open_part(struct tensor_file **out, const char *path, bool (*wanted)(const char *name),
			  struct err *err);

/* The same over bytes that stay valid and unchanged until tensor_file_close. */
int tensor_file_open_memory(struct tensor_file **out, const void *bytes, size_t n, const char *label, struct err *err);

void tensor_file_close(struct tensor_file *f); /* NULL is fine */

/* The tensor with this data is in use in another form only: its pages of the file leave the process's memory. They come
 * back when they are read; tensor_file_forget sends them away again, if the tensor is such a one. */
void tensor_file_copied(struct tensor_file *f, const void *data);
void tensor_file_forget(const struct tensor_file *f, const struct tensor *t);

/* NULL when there is none of that name. */
const struct tensor *tensor_find(const struct tensor_file *f, const char *name);

/* "[64, 128]" */
enum { SHAPE_TEXT_BYTES = 96 };
const char *tensor_shape_text(char out[SHAPE_TEXT_BYTES], const struct tensor *t);

/* Elements lie behind one another in row-major order. */
bool tensor_is_contiguous(const struct tensor *t);

/* Where element i in row-major order lies, in elements from data. */
uint64_t tensor_offset(const struct tensor *t, uint64_t i);

/* Element i in row-major order, of whatever type, as a float. Integers too large for one are rounded. */
float tensor_element(const struct tensor *t, uint64_t i);

/* -- for the readers of one container each ------------------------------------------- */

static inline bool tensor_file_wants(const struct tensor_file *f, const char *name)
{
	return !f->wanted || f->wanted(name);
}

/* Row-major, by its shape. Where that overflows, tensor_file_add refuses the shape. */
void tensor_set_strides(struct tensor *t);

int pth_read(struct tensor_file *f, struct slice bytes, struct err *err);
int pth_legacy_read(struct tensor_file *f, struct slice bytes, struct err *err);
int ggmf_read(struct tensor_file *f, struct slice bytes, struct err *err);
int gguf_read(struct tensor_file *f, struct slice bytes, struct err *err);
int safetensors_read(struct tensor_file *f, struct slice bytes, struct err *err);

/* -- sharded checkpoints ------------------------------------------------------------- */

/* One .safetensors file and nothing else: no index, no other container. */
int tensor_file_open_shard(struct tensor_file **out, const char *path, struct err *err);

/* Opens every shard that the index in `bytes` names beside f->label, and takes its tensors over. */
int shards_read(struct tensor_file *f, struct slice bytes, struct err *err);

bool shards_is_index(struct slice bytes);

/* "a/model-00001-of-00002.safetensors" -> "a/model.safetensors.index.json", for the caller to free.
 * NULL when the name is not that of one shard of several (or memory is out). */
char *shards_index_beside(const char *path);

/* 0 when `path` is one of the shards of f. */
int shards_check_named(const struct tensor_file *f, const char *path, struct err *err);

/* Checks the view against its storage and appends it. Fill name (any lifetime), dtype, n_dims, shape and
 * stride; `offset` counts elements from the storage's first byte. */
int tensor_file_add(struct tensor_file *f, const struct tensor *view, struct slice storage, uint64_t offset,
		    struct err *err);

/* Gives the tensors of an RWKV-6 in web-rwkv's form their official names and shapes; other files stay as they are. */
int web_rwkv_rename(struct tensor_file *f, struct err *err);

/* To be called once all are added: sorts them by name, refuses a name that occurs twice. */
int tensor_file_index(struct tensor_file *f, struct err *err);

/* Text of the file with everything unprintable replaced, for messages. */
enum { PRINTABLE_BYTES = 81 };
const char *printable(char out[PRINTABLE_BYTES], struct slice text);

/* Fixed-width little-endian numbers at any alignment. */
static inline uint64_t read_le(const void *p, int bytes)
{
	uint64_t v = 0;

	for (int i = bytes; i-- > 0;)
		v = v << 8 | ((const uint8_t *)p)[i];
	return v;
}

#endif
