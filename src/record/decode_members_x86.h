/* decode_members_x86.h - marks and keys with AVX2; shared by the AVX2 and AVX-512 decoders. */
#ifndef RWKVMON_RECORD_DECODE_MEMBERS_X86_H
#define RWKVMON_RECORD_DECODE_MEMBERS_X86_H

#if defined(__AVX2__)
#include "record/decode_members_keys.h"
#include "record/decode_values_avx2.h"

/* Every processor with AVX2 has these. */
#define MEMBERS_TARGET __attribute__((target("lzcnt,bmi,bmi2,popcnt")))

/* --- marks ------------------------------------------------------------------------ */

/* The marks of 64 bytes, of which `within` belong to the text. */
struct marked {
	uint64_t keys, ends, blank_behind;
	uint64_t quote_last; /* the byte before is a quote; then: the last of these */
};

typedef void mark_bytes_of_64(const char *p, uint64_t within, struct marked *out);

/* How the marks of 64 bytes, the first of them at place from / 2, are written; returns how many. */
typedef size_t put_marks(uint32_t *to, const struct marked *marked, uint32_t from);

/* Always inlined, so that its function arguments are constants and not called indirectly. */
static inline __attribute__((always_inline)) void find_marks(mark_bytes_of_64 *mark_bytes, put_marks *put,
							     struct key_marks *m, const char *from, const char *end)
{
	struct marked marked = { .quote_last = 0 };
	size_t n = 1, lines = 0;
	const char *at = from;

	m->at[0] = UINT32_MAX - 1; /* one before the base */
	if (end - from > DECODE_LINE_MAX)
		end = from + DECODE_LINE_MAX;
	for (; at < end && n <= KEY_MARKS_MAX - 64; at += 64) {
		mark_bytes(at, end - at < 64 ? (UINT64_C(1) << (end - at)) - 1 : UINT64_MAX, &marked);
		n += put(m->at + n, &marked, 2 * (uint32_t)(at - from));
		lines += (size_t)__builtin_popcountll(marked.ends);
	}
	m->base = from;
	m->upto = at < end ? at : end;
	m->n = n;
	m->next = 1;
	m->lines = lines;
}

/* Four at a time, so that their number costs no branch; surplus entries are overwritten. */
static inline size_t put_by_bits(uint32_t *to, const struct marked *marked, uint32_t from)
{
	uint64_t left = marked->keys | marked->ends;
	size_t found = (size_t)__builtin_popcountll(left), i = 0;

	do
		for (int k = 0; k < 4; k++, i++, left &= left - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(left | UINT64_C(1) << 63);

			to[i] = from + 2 * bit + (marked->blank_behind >> bit & 1);
		}
	while (i < found);
	return found;
}

/* --- keys ------------------------------------------------------------------------- */

/* A line: marks first..end, the latter its line end. */
struct line {
	size_t first, end;
	uint64_t metrics, fields;
};

/* Looks up the line's keys, one by one. False: a key is unknown, unless that shows later as a key in the wrong
 * object. */
MEMBERS_TARGET
static inline bool find_keys(struct members *ms, struct line *line)
{
	const struct member_keys *keys = ms->keys;
	const char *colon;
	struct found_keys *found = &ms->found;
	__m256i differ = _mm256_setzero_si256();
	__m128i slots = _mm_setzero_si128();
	size_t i = line->first;

	for (; *(colon = key_mark(&ms->marks, i)) != '\n'; i++) {
		__m256i text = _mm256_loadu_si256((const __m256i *)(const void *)(colon - 1 - MEMBER_KEY_BYTES));
		size_t length =
			_lzcnt_u32((uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8('"'))));
		const char *key_text = colon - 1 - length;
		const struct member_key *key =
			&keys->key[keys->index[member_index(keys, member_mix(key_text, length))]];
		__m256i other = _mm256_xor_si256(text, _mm256_load_si256((const __m256i *)(const void *)key->text));

		differ = _mm256_or_si256(
			differ, _mm256_and_si256(other, _mm256_load_si256((const __m256i *)(const void *)key->mask)));
		slots = _mm_or_si128(slots, _mm_load_si128((const __m128i *)(const void *)key->slots));
		found->length[i] = (uint32_t)length;
		found->gap[i] = load4(key_text - 5);
		found->role[i] = key->role;
	}
	found->role[line->first - 1] = found->role[i] = keys->key[KEY_LINE_END].role;
	found->gap[i] = load4(colon - 3);
	found->length[i] = (uint32_t)-3; /* as if a key began behind it */
	line->end = i;
	line->metrics = (uint64_t)_mm_cvtsi128_si64(slots);
	line->fields = (uint64_t)_mm_extract_epi64(slots, 1);
	return _mm256_testz_si256(differ, differ);
}

/* True if the keys of the line, `values` of which are not objects, are all different, and the line is not too long. */
MEMBERS_TARGET
static inline bool fits(const struct members *ms, const struct line *line, size_t values)
{
	return values == (size_t)(__builtin_popcountll(line->metrics) + __builtin_popcountll(line->fields)) &&
	       ms->marks.at[line->end] - ms->marks.at[line->first - 1] <= 2 * MEMBERS_LINE_MAX;
}

#endif
#endif
