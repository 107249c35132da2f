/* weights.h - what a forward pass sees of a model: shapes and named weights.
 *
 * Private to runtime/. Each architecture declares its tensors in a weights_*.def; struct,
 * lookup, shape check and messages all come from that table.
 */
#ifndef RWKVMON_RUNTIME_WEIGHTS_H
#define RWKVMON_RUNTIME_WEIGHTS_H

#include "runtime/model.h"
#include "base/arena.h"
#include "runtime/tensor_file.h"
#include "simd/linear.h"

/* W (rows, cols): y = W x. by_columns: W[r][c] at p[c * stride + r], otherwise at
 * p[r * stride + c]. Aligned to its element. */
struct matrix {
	const void *p;
	enum weight_type type;
	bool by_columns;
	size_t rows, cols, stride;
};

enum weight_kind { KIND_VECTOR, KIND_MATRIX, KIND_LOWRANK };

/* Types of a block's members: VECTOR is const float *, the others struct matrix. */
typedef const float *weight_VECTOR;
typedef struct matrix weight_MATRIX;
typedef struct matrix weight_LOWRANK;

struct weight_spec {
	enum weight_kind kind;
	size_t offset;      /* of the member in the block's struct */
	const char *tensor; /* behind "blocks.N." */
	const char *shape;
	bool in_block_0;
};

/* Every architecture's struct begins with these four rows of its table. */
struct block_norms {
	const float *ln1_w, *ln1_b, *ln2_w, *ln2_b; /* (C) */
};

struct run;

/* One architecture: its table and its two halves of a block. */
struct arch {
	const char *version;
	size_t block_bytes;
	const struct weight_spec *weights;
	size_t n_weights;
	/* Both read run->xx and add to run->x, rows 0 .. n-1. */
	void (*time_mix)(struct run *run, size_t layer, size_t n);
	void (*channel_mix)(struct run *run, size_t layer, size_t n);
};

extern const struct arch arch_v7;

/* Indexed by the letters of the shapes; 0 is "not met yet". */
struct dims {
	size_t of[128];
};

struct model {
	struct model_info info;
	const struct arch *arch;
	struct dims dims;
	const float *ln0_w, *ln0_b, *ln_out_w, *ln_out_b; /* (C) */
	struct matrix emb, head;                          /* (V, C) */
	unsigned char *blocks;                            /* n_layer structs of arch->block_bytes */
	/* private to model.c */
	struct tensor_file *file;
	struct arena arena;
};

static inline const void *model_block(const struct model *m, size_t layer)
{
	return m->blocks + layer * m->arch->block_bytes;
}

/* Row r of a matrix as floats, out (cols). */
void matrix_row(const struct matrix *m, size_t r, float *out);

/* y (n, rows) = W x for each of x (n, cols); strides in floats. */
void matrix_apply(const struct matrix *m, float *y, size_t y_stride, const float *x, size_t x_stride, size_t n);

#endif
