/* fuzz_ggmf.c - a model file of rwkv.cpp from any bytes. */
#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	return fuzz_model(data, n);
}
