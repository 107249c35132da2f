/* safetensors_write.h - the header of a .safetensors file, and whole small ones.
 *
 * Errors  -ERR_NOMEM, -ERR_WRITE; an existing file stays until the new one is whole.
 */
#ifndef RWKVMON_RUNTIME_SAFETENSORS_WRITE_H
#define RWKVMON_RUNTIME_SAFETENSORS_WRITE_H

#include "base/json.h"
#include "runtime/tensor_file.h"

/* Adds one tensor to the open object: of t's name, type and shape, its bytes `at` the data's beginning. */
void safetensors_put(struct json *header, const struct tensor *t, uint64_t at);

/* Pads the text of a header with spaces so that the data begin at a multiple of 64 bytes. */
void safetensors_pad(struct buf *header);

/* Writes n contiguous tensors, of which name, dtype, n_dims, shape, count and data are read. The wider elements are to
 * come first, so that each lies aligned. */
int safetensors_write(const char *path, const struct tensor *tensors, size_t n, struct err *err);

#endif
