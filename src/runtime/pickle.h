/* pickle.h - reads a Python pickle, protocol 2, as plain data.
 *
 * The machine knows the opcodes torch.save writes and the few global names a checkpoint
 * needs. Every other opcode or name is refused; nothing is imported, called or looked up
 * outside the table, so a hostile pickle can do no more than describe odd data.
 *
 * Ownership  values live in the caller's arena and point into the pickle's bytes.
 * Cost       proportional to the pickle's bytes.
 * Errors     -ERR_FORMAT, -ERR_TRUNCATED, -ERR_UNSUPPORTED, -ERR_NOMEM.
 */
#ifndef RWKVMON_RUNTIME_PICKLE_H
#define RWKVMON_RUNTIME_PICKLE_H

#include "runtime/tensor_file.h"

enum pickle_kind {
	PICKLE_MARK, /* on the stack only */
	PICKLE_NONE,
	PICKLE_BOOL,
	PICKLE_INT,
	PICKLE_LONG, /* wider than 64 bits: its bytes in `text` */
	PICKLE_FLOAT,
	PICKLE_TEXT,
	PICKLE_GLOBAL,
	PICKLE_TUPLE,
	PICKLE_LIST,
	PICKLE_DICT, /* keys and values in turn */
	PICKLE_STORAGE,
	PICKLE_TENSOR,
};

struct pickle_storage {
	struct slice key; /* names the bytes inside the container */
	enum dtype dtype;
	uint64_t count; /* elements promised */
};

struct pickle_tensor {
	struct pickle_storage *storage;
	uint64_t offset; /* elements */
	int n_dims;
	uint64_t shape[TENSOR_DIMS], stride[TENSOR_DIMS];
};

struct pickle_items;
struct pickle_global;

struct pickle_value {
	enum pickle_kind kind;
	union {
		int64_t integer; /* BOOL, INT */
		double real;
		struct slice text;
		const struct pickle_global *global;
		struct pickle_items *items; /* TUPLE, LIST, DICT */
		struct pickle_storage *storage;
		struct pickle_tensor *tensor;
	};
};

struct pickle_items {
	struct pickle_value *v;
	size_t n, cap;
};

/* Runs until STOP; *used gets the bytes read. `label` begins every message. */
int pickle_load(struct pickle_value *out, size_t *used, struct slice bytes, struct arena *arena, const char *label,
		struct err *err);

#endif
