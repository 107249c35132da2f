#include "record/decode_layout_steps.h"

static inline bool same_bytes(const char *fixed, const char *p, size_t n)
{
	return !memcmp(fixed, p, n);
}

static inline bool is_plain(const char *p, size_t n)
{
	return plain_prefix(p, p + n) == n;
}

static inline bool short_decimal(const char *p, size_t n, uint64_t *digits, int *fraction)
{
	const char *end = p + n;

	return long_decimal(&p, end, digits, fraction) && p == end;
}

bool layout_match_scalar(struct layout *l, struct minute *minute, const char *base, const uint16_t *mark, const char *p,
			 struct decoded *out)
{
	return match_layout((struct layout_steps){ same_bytes, is_plain, short_decimal, 16 }, l, minute, base, mark, p, out);
}

/* Bit 7 of each byte that is a mark. */
static inline uint64_t marks_of_8(uint64_t x)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * 0x7f;

	x = (x & ones * MARK_BITS) ^ ones * MARK;
	return ~(((x & low) + low) | x | low);
}

size_t marks_find_scalar(const char *from, const char *end, uint16_t *mark, const char **upto)
{
	const char *at = from;
	size_t n = 0;

	end = marks_end(from, end);
	for (; end - at >= 8 && n <= MARKS_MAX - MARKS_AT_ONCE; at += 8)
		for (uint64_t left = marks_of_8(load8(at)); left; left &= left - 1)
			mark[n++] = (uint16_t)(at - from + __builtin_ctzll(left) / 8);
	for (; at < end && n <= MARKS_MAX - MARKS_AT_ONCE; at++)
		if (is_mark(*at))
			mark[n++] = (uint16_t)(at - from);
	*upto = at;
	return n;
}
