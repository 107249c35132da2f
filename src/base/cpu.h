/* cpu.h - the features of this processor, by which kernels are chosen.
 *
 * RWKVMON_SIMD=scalar|avx2|avx512 in the environment limits them, so that one machine can test every path it supports.
 * Read once; the answer never changes. */
#ifndef RWKVMON_BASE_CPU_H
#define RWKVMON_BASE_CPU_H

#include <stdbool.h>

struct cpu_features {
	bool avx2;       /* AVX2, FMA and F16C */
	bool avx512;     /* AVX-512 F, BW, DQ, VL, CD */
	bool avx512vnni; /* and VNNI: dot products of bytes */
	bool vbmi2;      /* AVX-512 VBMI2: compress instructions for bytes */
	bool neon;       /* aarch64 */
};

const struct cpu_features *cpu_features(void);

/* false: RWKVMON_SIMD has an unknown value, which is ignored. */
bool cpu_ceiling_is_known(void);

/* "avx512vnni", "avx512", "avx2", "neon" or "scalar". */
const char *cpu_features_name(void);

/* Name of the processor, e.g. from /proc/cpuinfo; never NULL. */
const char *cpu_model_name(void);

/* A pause instruction, for loops that wait for another thread. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Cores this process may run on. */
int cpu_count(void);

#endif
