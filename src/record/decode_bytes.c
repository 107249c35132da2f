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

const struct reciprocal reciprocals[POWERS_64] = { { 0, 0 },
						   { UINT64_C(0xcccccccccccccccc), 4 },
						   { UINT64_C(0xa3d70a3d70a3d70a), 7 },
						   { UINT64_C(0x83126e978d4fdf3b), 10 },
						   { UINT64_C(0xd1b71758e219652b), 14 },
						   { UINT64_C(0xa7c5ac471b478423), 17 },
						   { UINT64_C(0x8637bd05af6c69b5), 20 },
						   { UINT64_C(0xd6bf94d5e57a42bc), 24 },
						   { UINT64_C(0xabcc77118461cefc), 27 },
						   { UINT64_C(0x89705f4136b4a597), 30 },
						   { UINT64_C(0xdbe6fecebdedd5be), 34 },
						   { UINT64_C(0xafebff0bcb24aafe), 37 },
						   { UINT64_C(0x8cbccc096f5088cb), 40 },
						   { UINT64_C(0xe12e13424bb40e13), 44 },
						   { UINT64_C(0xb424dc35095cd80f), 47 },
						   { UINT64_C(0x901d7cf73ab0acd9), 50 },
						   { UINT64_C(0xe69594bec44de15b), 54 },
						   { UINT64_C(0xb877aa3236a4b449), 57 },
						   { UINT64_C(0x9392ee8e921d5d07), 60 },
						   { UINT64_C(0xec1e4a7db69561a5), 64 } };

bool long_decimal_to_double(uint64_t digits, int exponent, double *out)
{
	if (!digits || exponent > 0 || exponent <= -POWERS_64)
		return false;
	if (!exponent || !decimal_multiply(digits, -exponent, out))
		*out = divide(digits, whole_power[-exponent]);
	return *out < 9007199254740992.0 || (!exponent && (uint64_t)*out == digits); /* the full parser knows what may
										      * be rounded */
}
