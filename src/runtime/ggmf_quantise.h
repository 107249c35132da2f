/* ggmf_quantise.h - converts the large matrices of an FP32 or FP16 file of rwkv.cpp into blocks of 32 small
 * integers. */
#ifndef RWKVMON_RUNTIME_GGMF_QUANTISE_H
#define RWKVMON_RUNTIME_GGMF_QUANTISE_H

#include "base/err.h"

/* format is "Q4_0", "Q4_1", "Q5_0", "Q5_1" or "Q8_0", with the rounding of ggml's reference quantisers. Which
 * matrices stay as they are is rwkv.cpp's choice: embedding, head, RWKV-7's low-rank factors. `to` is
 * replaced when all is written; it may not be `from`. */
int ggmf_quantise(const char *from, const char *to, const char *format, struct err *err);

#endif
