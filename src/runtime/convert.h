/* convert.h - converts any model file that this runtime reads into .safetensors.
 *
 * The result holds the same tensors under the same names, contiguous and aligned, so that it can be mapped without a
 * copy and opens as fast as the disk reads it.
 *
 * Errors  negative codes; a half-written file is removed, an existing one stays until the
 *         new one is whole.
 * Cost    one pass over the input; memory for one row of the largest tensor, for int8 for the
 *         largest matrix.
 */
#ifndef RWKVMON_RUNTIME_CONVERT_H
#define RWKVMON_RUNTIME_CONVERT_H

#include "base/err.h"

#include <stdint.h>

struct convert_options {
	/* "fp32", "fp16", "bf16" for every floating-point tensor; NULL: each keeps its own. "int8": the large
	 * matrices as the strategy "cpu fp32i8" has them (int8.h), all others keep their own. */
	const char *dtype;
	/* Called now and then with bytes written and to write; NULL: never. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

struct convert_result {
	uint64_t in_bytes, out_bytes; /* of the files */
	uint64_t tensors;
	uint64_t overflowed; /* number of finite values that became infinite in fp16 */
};

int convert_to_safetensors(const char *in, const char *out, const struct convert_options *opts,
			   struct convert_result *result, struct err *err);

#endif
