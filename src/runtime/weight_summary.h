/* weight_summary.h - what weight_check compares: a few numbers and profiles of each tensor of each layer. */
#ifndef RWKVMON_RUNTIME_WEIGHT_SUMMARY_H
#define RWKVMON_RUNTIME_WEIGHT_SUMMARY_H

#include "runtime/tensor_file.h"

enum { SIDE = 256, KINDS_MAX = 64, LAYERS_MAX = 256, DISTINCT_MAX = 9 };

/* Profiles of a matrix; a vector has VALUES alone. */
enum axis { ROWS, COLUMNS, ROW_MEANS, COLUMN_MEANS, AXES, VALUES = ROWS };

struct summary {
	const struct tensor *tensor; /* NULL: this layer has none */
	bool matrix;
	size_t length[2];    /* rows and columns; 1 column of a vector */
	size_t n[2];         /* rows and columns that were read */
	double size;         /* log2 of the root of the mean square; -INFINITY when all are 0 */
	double mean, spread; /* of the values */
	double tails;        /* fourth moment over the square of the second; 3 of a normal distribution */
	double zero_share;   /* of rows or of columns, the larger */
	int distinct;        /* different values, DISTINCT_MAX at most */
	float profile[AXES][SIDE];
	bool faulty; /* a fault has been reported */
};

/* kind: the name behind "blocks.N."; of(kind, layer) in one block of the arena. */
struct weight_table {
	size_t n_layer, n_kind;
	const char *kind[KINDS_MAX];
	struct summary *of;                  /* (n_kind, n_layer) */
	struct summary *emb, *head, *ln_out; /* tensor is NULL when there is none */
};

int weight_table_fill(struct weight_table *out, const struct tensor_file *f, struct arena *a, struct err *err);

static inline struct summary *summary_of(const struct weight_table *t, size_t kind, size_t layer)
{
	return &t->of[kind * t->n_layer + layer];
}

/* KINDS_MAX when no layer has it. */
size_t weight_kind_of(const struct weight_table *t, const char *name);

/* How many values the profile has; 0: this tensor has no such axis. */
size_t profile_length(const struct summary *s, enum axis axis);

#endif
