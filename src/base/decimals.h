/* decimals.h - whole numbers of a decimal's last place as doubles, several at a time. */
#ifndef RWKVMON_BASE_DECIMALS_H
#define RWKVMON_BASE_DECIMALS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* scaled[i] / scale, of n numbers below 2^51 in size: added to 1.5 * 2^52, such a number is the last bits of a double,
 * which vectors can do. */
static inline void decimals_to_doubles(double *value, const int64_t *scaled, size_t n, double scale)
{
	const double whole = 0x1.8p52;
	uint64_t bits;

	memcpy(&bits, &whole, sizeof bits);
	for (size_t i = 0; i < n; i++) {
		uint64_t last = (uint64_t)scaled[i] + bits; /* what is no such number may wrap */
		double v;

		memcpy(&v, &last, sizeof v);
		value[i] = (v - whole) / scale;
	}
}

#endif
