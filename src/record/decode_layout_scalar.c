#include "record/decode_layout_steps.h"

static inline bool same_bytes(const char *fixed, const char *p, size_t n, const char *end)
{
	return (size_t)(end - p) >= n && !memcmp(fixed, p, n);
}

static inline bool short_decimal(const char **p, const char *end, uint64_t *digits, int *fraction)
{
	(void)p;
	(void)end;
	(void)digits;
	(void)fraction;
	return false; /* the long way is the only one */
}

bool layout_match_scalar(struct layout *l, struct minute *minute, struct slice line, struct record *out)
{
	return match_layout((struct layout_steps){ same_bytes, short_decimal }, l, minute, line, out);
}
