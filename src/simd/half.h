/* half.h - 16-bit floating point, exactly: IEEE binary16 (f16) and bfloat16 (bf16).
 *
 * Both widen without loss, subnormals, infinities and NaN payloads included. Narrowing
 * rounds to nearest, ties to even; what is too large becomes infinite; a NaN stays one.
 */
#ifndef RWKVMON_SIMD_HALF_H
#define RWKVMON_SIMD_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_of_bits(uint32_t bits)
{
	float f;

	memcpy(&f, &bits, sizeof f);
	return f;
}

static inline uint32_t bits_of_float(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	return bits;
}

static inline float float_of_bf16(uint16_t h)
{
	return float_of_bits((uint32_t)h << 16);
}

/* f16: sign 1, exponent 5 (bias 15), fraction 10. */
static inline float float_of_f16(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t exponent = h >> 10 & 0x1f, fraction = h & 0x3ff;

	if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, which a float holds exactly */
		float magnitude = (float)fraction * 0x1p-24F;

		return float_of_bits(sign | bits_of_float(magnitude));
	}
	if (exponent == 0x1f) /* infinity, or a NaN (quiet, payload kept) */
		return float_of_bits(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));
	return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint16_t bf16_of_float(float f)
{
	uint32_t bits = bits_of_float(f);

	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline uint16_t f16_of_float(float f)
{
	uint32_t bits = bits_of_float(f), magnitude = bits & 0x7fffffff;
	uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);

	if (magnitude > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
	if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
		return sign | 0x7c00;
	if (magnitude < 0x38800000) { /* below 2^-14: adding 1/2 lets the FPU round to multiples of 2^-24 */
		float rounded = float_of_bits(magnitude) + 0.5F;

		return (uint16_t)(sign | (bits_of_float(rounded) - 0x3f000000));
	}
	magnitude += 0xfff + (magnitude >> 13 & 1);
	return (uint16_t)(sign | (magnitude - 0x38000000) >> 13);
}

#endif
