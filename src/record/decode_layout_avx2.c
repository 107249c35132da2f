#if defined(__x86_64__)
#include "record/decode_layout_x86.h"

bool layout_match_avx2(struct layout *l, struct minute *minute, const char *base, const uint16_t *mark, const char *p,
		       struct decoded *out)
{
	return match_layout(X86_STEPS, l, minute, base, mark, p, out);
}

static inline uint64_t marks_of_64(const char *p)
{
	const __m256i bits = _mm256_set1_epi8((char)MARK_BITS), mark = _mm256_set1_epi8(MARK);
	__m256i low = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)p), bits);
	__m256i high = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)(p + 32)), bits);

	low = _mm256_cmpeq_epi8(low, mark);
	high = _mm256_cmpeq_epi8(high, mark);
	return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 | (uint32_t)_mm256_movemask_epi8(low);
}

/* Writes four at a time, so that their number costs no branch; what is written too much is overwritten. */
size_t marks_find_avx2(const char *from, const char *end, uint16_t *mark, const char **upto)
{
	const char *at = from;
	size_t n = 0;

	end = marks_end(from, end);
	for (; end - at >= 64 && n <= MARKS_MAX - MARKS_AT_ONCE; at += 64) {
		uint64_t left = marks_of_64(at);
		size_t found = (size_t)__builtin_popcountll(left), i = 0;

		do
			for (int k = 0; k < 4; k++, i++, left &= left - 1)
				mark[n + i] = (uint16_t)(at - from + __builtin_ctzll(left | UINT64_C(1) << 63));
		while (i < found);
		n += found;
	}
	for (; at < end && n <= MARKS_MAX - MARKS_AT_ONCE; at++)
		if (is_mark(*at))
			mark[n++] = (uint16_t)(at - from);
	*upto = at;
	return n;
}
#else
typedef int no_avx2_here; /* a translation unit is not empty */
#endif
