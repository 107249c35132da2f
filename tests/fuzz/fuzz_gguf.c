/* fuzz_gguf.c - a .gguf file from any bytes. */
#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return fuzz_model(data, n);
}
