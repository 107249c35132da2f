#include "record/decode_bytes.h"

static const double power[] = { 1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
				1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

enum { POWERS_64 = 20 }; /* 10^19 is the last below 2^64 */

static const uint64_t whole_power[POWERS_64] = {
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

/* Of a normal double. */
static double power_of_2(int exponent)
{
	uint64_t bits = (uint64_t)(1023 + exponent) << 52;
	double value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* digits / divisor, both with bit 63 set after the shift: the quotient has 63 or 64 bits,
 * and whether anything is left over can only break a tie: one rounding. */
static double divide(uint64_t digits, uint64_t divisor)
{
	int up = __builtin_clzll(digits), down = __builtin_clzll(divisor);
	unsigned __int128 over = (unsigned __int128)(digits << up) << 63;
	uint64_t by = divisor << down, quotient = (uint64_t)(over / by);

	quotient |= over % by != 0;
	return (double)quotient * power_of_2(down - up - 63);
}

bool decimal_to_double(uint64_t digits, int exponent, double *out)
{
	if (digits <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22)
		*out = exponent < 0 ? (double)digits / power[-exponent] : (double)digits * power[exponent];
	else if (digits && exponent <= 0 && exponent > -POWERS_64)
		*out = divide(digits, whole_power[-exponent]);
	else
		return false;
	return true;
}
