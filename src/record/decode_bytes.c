/* decode_bytes.c - converts decimals to the nearest double, also with many digits. */
#include "record/decode_bytes.h"

const double decimal_powers[23] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
				    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

enum { POWERS_64 = 20 }; /* 10^19 is the last below 2^64 */

const uint64_t whole_power[POWERS_64] = {
	1u,
	10u,
	100u,
	1000u,
	10000u,
	100000u,
	1000000u,
	10000000u,
	100000000u,
	1000000000u,
	UINT64_C(10000000000),
	UINT64_C(100000000000),
	UINT64_C(1000000000000),
	UINT64_C(10000000000000),
	UINT64_C(100000000000000),
	UINT64_C(1000000000000000),
	UINT64_C(10000000000000000),
	UINT64_C(100000000000000000),
	UINT64_C(1000000000000000000),
	UINT64_C(10000000000000000000),
};

/* Only for exponents of normal doubles. */
static double power_of_2(int exponent)
{
	uint64_t bits = (uint64_t)(1023 + exponent) << 52;
	double value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* (high * 2^64 + low) / by; by must be greater than high. */
static uint64_t divide_128(uint64_t high, uint64_t low, uint64_t by, uint64_t *rest)
{
#if defined(__x86_64__)
	uint64_t quotient;

	/* One instruction; the compiler would call a function for the general case. */
	__asm__("divq %4" : "=a"(quotient), "=d"(*rest) : "a"(low), "d"(high), "r"(by) : "cc");
	return quotient;
#else
	unsigned __int128 over = (unsigned __int128)high << 64 | low;

	*rest = (uint64_t)(over % by);
	return (uint64_t)(over / by);
#endif
}

/* digits / divisor, both shifted so that bit 63 is set. The quotient then has 63 or 64 bits, and the remainder only
 * matters for breaking a tie, so the result is rounded once. */
static double divide(uint64_t digits, uint64_t divisor)
{
	int up = __builtin_clzll(digits), down = __builtin_clzll(divisor);
	uint64_t over = digits << up, rest, quotient = divide_128(over >> 1, over << 63, divisor << down, &rest);

	quotient |= rest != 0;
	return (double)quotient * power_of_2(down - up - 63);
}

/* 2^(63 + bits of 10^k) / 10^k, rounded down, for k = 1..19: bit 63 is set. */
static const uint64_t reciprocal[POWERS_64 - 1] = {
	UINT64_C(0xcccccccccccccccc), UINT64_C(0xa3d70a3d70a3d70a), UINT64_C(0x83126e978d4fdf3b),
	UINT64_C(0xd1b71758e219652b), UINT64_C(0xa7c5ac471b478423), UINT64_C(0x8637bd05af6c69b5),
	UINT64_C(0xd6bf94d5e57a42bc), UINT64_C(0xabcc77118461cefc), UINT64_C(0x89705f4136b4a597),
	UINT64_C(0xdbe6fecebdedd5be), UINT64_C(0xafebff0bcb24aafe), UINT64_C(0x8cbccc096f5088cb),
	UINT64_C(0xe12e13424bb40e13), UINT64_C(0xb424dc35095cd80f), UINT64_C(0x901d7cf73ab0acd9),
	UINT64_C(0xe69594bec44de15b), UINT64_C(0xb877aa3236a4b449), UINT64_C(0x9392ee8e921d5d07),
	UINT64_C(0xec1e4a7db69561a5)
};

/* The same by multiplying with an approximate reciprocal of 10^-exponent: the upper half of the product is exact or one
 * too small. False: the value is so close to the middle of two doubles that this matters. */
static bool multiply(uint64_t digits, int exponent, double *out)
{
	int up = __builtin_clzll(digits), bits = 64 - __builtin_clzll(whole_power[-exponent]);
	uint64_t top = (uint64_t)((unsigned __int128)(digits << up) * reciprocal[-exponent - 1] >> 64);
	uint64_t below = top >> 63 ? 0x7ff : 0x3ff; /* bits that are rounded away */

	if ((top & below) - below / 2 < 2)
		return false;
	*out = (double)(int64_t)(top >> 1 | (top & 1)) * power_of_2(2 - up - bits);
	return true;
}

bool long_decimal_to_double(uint64_t digits, int exponent, double *out)
{
	if (!digits || exponent > 0 || exponent <= -POWERS_64)
		return false;
	if (!exponent || !multiply(digits, exponent, out))
		*out = divide(digits, whole_power[-exponent]);
	return *out < 9007199254740992.0 || (!exponent && (uint64_t)*out == digits); /* the full parser knows what may
										      * be rounded */
}
