/* ggml.h - element types of ggml's files, and what its two containers share. Private to runtime/.
 *
 * fp32, fp16 and bf16 are used where they lie; block-quantised types become fp32 in memory.
 * Source of the block layouts: the type descriptions of ggml (ggml-common.h). Blocks hold 32 elements, whose low
 * nibbles are elements 0-15 and high nibbles 16-31, or 256 in the K types.
 */
#ifndef RWKVMON_RUNTIME_GGML_H
#define RWKVMON_RUNTIME_GGML_H

#include "runtime/tensor_file.h"

/* Bytes that `count` elements of a type take; 0 when the type is unknown or count does not fit its blocks. */
uint64_t ggml_bytes(uint32_t type, uint64_t count);

/* Name of a type, also of those that are only known to be refused. */
const char *ggml_type_name(uint32_t type);

/* The elements in `bytes`, as a storage for tensor_file_add. Quantised ones are unpacked into f's memory, at most 8
 * times the file's own size in all. */
int ggml_unpack(struct tensor_file *f, const char *name, uint32_t type, uint64_t count, const char *bytes,
		struct slice *storage, enum dtype *dtype, struct err *err);

/* Swaps the last two dimensions: ggml files keep low-rank factors transposed. */
void ggml_swap_last(struct tensor *t);

/* The mixes of one block that lie behind one another as (n, …, C): RWKV-7's "att.x_" in the order "rwkvag",
 * RWKV-6's "att.time_maa_" in the order "wkvrg". */
int ggml_add_lerps(struct tensor_file *f, long block, const char *prefix, const char *letters,
		   const struct tensor *fused, struct slice storage, struct err *err);

/* Multiplies the elements of a storage by 2^exponent, in their own type: in place when ggml_unpack made it,
 * else in a copy that counts as unpacked. */
int ggml_scale(struct tensor_file *f, const char *name, enum dtype dtype, bool unpacked, int exponent,
	       struct slice *storage, struct err *err);

#endif
