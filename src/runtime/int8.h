/* int8.h - the layout of quantised matrices in a .safetensors file. Private to runtime/.
 *
 * A matrix NAME (rows, cols) that the strategy "cpu fp32i8" would quantise is kept as
 *     NAME            U8  (rows, cols)
 *     NAME.row_scale  F32 (rows)        NAME.row_low  F32 (rows)
 *     NAME.col_scale  F32 (cols)        NAME.col_low  F32 (cols)
 *     W[r][c] = (NAME[r][c] + 1/2) row_scale[r] col_scale[c] + row_low[r] + col_low[c]
 * which is what matrix_quantise makes and the products take: nothing is computed at loading.
 * These are every block's large matrices and head.weight; all other tensors are as they were.
 * The metadata entry "rwkvmon_int8" is "1", the version of this layout.
 */
#ifndef RWKVMON_RUNTIME_INT8_H
#define RWKVMON_RUNTIME_INT8_H

#include "runtime/tensor_file.h"

enum int8_scale { INT8_ROW_SCALE, INT8_ROW_LOW, INT8_COL_SCALE, INT8_COL_LOW, INT8_SCALES };

/* ".row_scale": what the derived name ends in. */
extern const char *const int8_suffixes[INT8_SCALES];

static inline bool int8_is_by_row(int scale)
{
	return scale < INT8_COL_SCALE;
}

/* Whether the file holds a model in this form, recognised by its head, the one matrix that every version has. */
bool int8_is(const struct tensor_file *f);

/* The four tensors that belong to t: dense fp32 in t's own sizes, or an error that names the one that is not. */
int int8_find_scales(const struct tensor *out[INT8_SCALES], const struct tensor_file *f, const struct tensor *t,
		     struct err *err);

#endif
