/* weights.h - what a forward pass sees of a model: shapes and named weights.
 *
 * Private to runtime/. Each architecture declares its tensors in a weights_*.def; struct,
 * lookup, shape check and messages all come from that table.
 */
#ifndef RWKVMON_RUNTIME_WEIGHTS_H
#define RWKVMON_RUNTIME_WEIGHTS_H

#include "base/arena.h"
#include "runtime/model.h"
#include "runtime/strategy.h"
#include "runtime/tensor_file.h"
#include "simd/linear.h"
#include "spec/tap.h"

/* W (rows, cols): y = W x. by_columns: W[r][c] at p[c * stride + r], otherwise at
 * p[r * stride + c]. Aligned to its element. */
struct matrix {
	const void *p;
	enum weight_type type;
	bool by_columns;
	size_t rows, cols, stride;
	bool skip_zeros; /* by_columns, and inputs are mostly 0: their columns are left out */
	/* int8 only: W[r][c] = (q + 1/2) row_scale[r] col_scale[c] + row_low[r] + col_low[c] */
	const float *row_scale, *row_low, *col_scale, *col_low;
};

enum weight_kind { KIND_VECTOR, KIND_MATRIX, KIND_LOWRANK, KIND_STACK, KIND_TABLE };
enum weight_when { ALWAYS, IF_THERE, NOT_FIRST };

/* Types of a block's members: VECTOR is const float *, the others struct matrix. */
typedef const float *weight_VECTOR;
typedef struct matrix weight_MATRIX;
typedef struct matrix weight_LOWRANK;
typedef struct matrix weight_STACK; /* (5 * rank, out) by rows: five second factors */
typedef struct matrix weight_TABLE; /* rows are looked up by token: never int8 */

struct weight_spec {
	enum weight_kind kind;
	size_t offset;      /* of the member in the block's struct */
	const char *tensor; /* behind "blocks.N." */
	const char *shape;
	enum weight_when when;
};

/* Every architecture's struct begins with these four rows of its table. */
struct block_norms {
	const float *ln1_w, *ln1_b, *ln2_w, *ln2_b; /* (C) */
};

struct model;
struct run;

/* One tensor of a block's state, in the official order. */
struct state_row {
	enum tap_part part;
	const char *shape; /* letters as in the weight tables */
	float start;       /* of a new sequence */
};

/* One architecture: its tables and its two halves of a block. */
struct arch {
	const char *version;
	size_t block_bytes;
	const struct weight_spec *weights;
	size_t n_weights;
	const struct state_row *state; /* the first is the time mix's shift, the last the channel mix's */
	size_t n_state;
	/* Called when a block's tensors are in place; may be NULL. */
	int (*prepare)(struct model *m, void *block, struct err *err);
	/* Both read run->xx and add to run->x, rows 0 .. n-1. */
	void (*time_mix)(struct run *run, size_t layer, size_t n);
	void (*channel_mix)(struct run *run, size_t layer, size_t n);
	/* Trained initial state (H, N, N) of a block as stored (run.c transposes it); NULL when there is none. */
	const float *(*time_state)(const void *block);
};

extern const struct arch arch_v4, arch_v5_0, arch_v5_1, arch_v5_2, arch_v6, arch_v7, arch_v7a, arch_v7b;

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
	float ln_x_eps;                                   /* of the group norm behind the wkv step */
	unsigned char *blocks;                            /* n_layer structs of arch->block_bytes */
	/* private to model.c */
	struct strategy strategy;
	struct tensor_file *file;
	struct arena arena;
};

static inline const void *model_block(const struct model *m, size_t layer)
{
	return m->blocks + layer * m->arch->block_bytes;
}

/* Product of a shape's letters. */
static inline size_t dims_count(const struct dims *d, const char *shape)
{
	size_t n = 1;

	for (; *shape; shape++)
		n *= d->of[(unsigned char)*shape];
	return n;
}

/* Row r of a matrix as floats, out (cols). */
void matrix_row(const struct matrix *m, size_t r, float *out);

/* Rounds the values of `from` into `to`: (rows, cols) of a 16-bit type, row-major. `row` is
 * scratch (cols). */
void matrix_convert(const struct matrix *from, enum weight_type type, void *to, float *row);

/* Memory that matrix_quantise fills: q is (rows, cols) row-major. */
struct quantised {
	uint8_t *q;
	float *row_scale, *row_low; /* (rows) */
	float *col_scale, *col_low; /* (cols) */
	float *scratch;             /* (cols) */
};

/* int8 as the official package makes it. */
void matrix_quantise(const struct matrix *from, const struct quantised *to);

#endif
