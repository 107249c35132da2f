#if defined(__x86_64__)
#include "record/decode_eight.h"
#include "record/decode_layout_x86.h"

/* Of all lanes, by number. */
struct all {
	_Alignas(64) uint32_t start[LANES_MAX], end[LANES_MAX + 1]; /* end: of the operand before; [0]: the line's beginning */
	_Alignas(64) double value[LANES_MAX];
	_Alignas(64) int64_t scaled[LANES_MAX];
	_Alignas(64) int64_t number[LANES_MAX];
	uint32_t fine, whole, decimal;
};

/* The places of 16 lanes; false: they are out of order, and the line is built in another way. */
static inline bool place_lanes(const struct lanes *s, size_t at, size_t n, const uint32_t *mark, struct all *all)
{
	__m512i start = _mm512_i32gather_epi32(_mm512_load_si512(s->start_mark + at), mark, 4);
	__m512i end = _mm512_i32gather_epi32(_mm512_load_si512(s->end_mark + at), mark, 4);
	__mmask16 used = (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1);

	start = _mm512_add_epi32(start, _mm512_load_si512(s->start_gap + at));
	end = _mm512_add_epi32(end, _mm512_load_si512(s->end_gap + at));
	_mm512_store_si512(all->start + at, start);
	_mm512_storeu_si512(all->end + 1 + at, end);
	return !_mm512_mask_cmplt_epi32_mask(used, end, start);
}

static inline void take_lanes(const struct lanes *s, size_t at, const char *base, struct all *all)
{
	__m256i start = _mm256_load_si256((const __m256i *)(const void *)(all->start + at));
	__m256i end = _mm256_loadu_si256((const __m256i *)(const void *)(all->end + 1 + at));
	struct eight e = take_eight(texts_of_eight(base, end), _mm512_cvtepi32_epi64(_mm256_sub_epi32(end, start)),
				    _mm512_load_si512(s->decimals + at));

	_mm512_store_pd(all->value + at, value_of_eight(&e));
	_mm512_store_si512(all->scaled + at, e.scaled);
	_mm512_store_si512(all->number + at, e.number);
	all->fine |= (uint32_t)e.fine << at;
	all->whole |= (uint32_t)e.whole << at;
	all->decimal |= (uint32_t)e.decimal << at;
}

static inline bool fixed_match(const struct layout *l, const char *base, const struct all *all)
{
	__mmask64 differ = 0;

	for (size_t i = 0; i < l->lanes.n_segments; i++) {
		const struct segment *s = &l->lanes.segment[i];
		__m512i want = _mm512_loadu_si512(l->line + s->fixed);

		differ |= _mm512_mask_cmpneq_epi8_mask(l->lanes.mask[i], want, _mm512_loadu_si512(base + all->end[s->before] + s->skip));
	}
	return !differ;
}

/* The lanes of 8 whose numbers were read go where they belong. */
static inline bool give_lanes(struct layout *l, struct minute *minute, const char *base, const struct all *all,
			      struct decoded *out)
{
	const struct lanes *s = &l->lanes;

	out->decimal = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct operand *o = &l->operand[i];
		bool fine = all->fine >> i & 1;

		if (fine && (s->metrics >> i & 1)) {
			out->rec.metric[o->metric] = all->value[i];
			out->scaled[o->metric] = all->scaled[i];
			out->decimal |= (uint64_t)(all->decimal >> i & 1) << o->metric;
		} else if (fine && (all->whole & s->counts) >> i & 1) {
			uint64_t n = (uint64_t)all->number[i];

			if (o->kind == OPERAND_SEQUENCE_LENGTH)
				out->rec.sequence_length = n;
			else
				*(o->kind == OPERAND_SEQUENCE ? &out->rec.sequence : &out->rec.token_count) = (uint32_t)n;
		} else if (!take_operand(X86_STEPS, l, o, minute, base + all->start[i], base + all->end[i + 1], out)) {
			return false;
		}
	}
	return true;
}

bool layout_match_avx512(struct layout *l, struct minute *minute, const char *base, const uint32_t *mark, const char *p,
			 struct decoded *out)
{
	struct all all;

	if (!l->has_lanes)
		return match_layout(X86_STEPS, l, minute, base, mark, p, out);
	if (base[mark[l->colons]] != '\n')
		return false;
	all.end[0] = (uint32_t)(p - base);
	all.fine = all.whole = all.decimal = 0;
	for (size_t at = 0; at < l->n; at += 16)
		if (!place_lanes(&l->lanes, at, l->n - at, mark, &all))
			return false;
	if (all.start[0] - all.end[0] != l->operand[0].fixed_bytes || !fixed_match(l, base, &all))
		return false;
	for (size_t at = 0; at < l->n; at += 8)
		take_lanes(&l->lanes, at, base, &all);
	take_fixed(l, out);
	return give_lanes(l, minute, base, &all, out);
}

/* The places of up to 16 marks at a time: the numbers of marked bytes are compressed, then widened. */
__attribute__((target("avx512vbmi2")))
size_t marks_find_vbmi2(const char *from, const char *end, uint32_t *mark, const char **upto)
{
	const __m512i colon = _mm512_set1_epi8(':'), line_end = _mm512_set1_epi8('\n');
	const __m512i numbers = _mm512_set_epi64(0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928, 0x2726252423222120,
						 0x1f1e1d1c1b1a1918, 0x1716151413121110, 0x0f0e0d0c0b0a0908, 0x0706050403020100);
	const char *at = from;
	size_t n = 0;

	for (; end - at >= 64 && n <= MARKS_MAX - MARKS_AT_ONCE; at += 64) {
		__m512i x = _mm512_loadu_si512(at), base = _mm512_set1_epi32((int)(at - from));
		__mmask64 marked = _mm512_cmpeq_epi8_mask(x, colon) | _mm512_cmpeq_epi8_mask(x, line_end);
		__m512i found = _mm512_maskz_compress_epi8(marked, numbers);
		size_t many = (size_t)__builtin_popcountll(marked);

		_mm512_storeu_si512(mark + n, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
		if (__builtin_expect(many > 16, 0))
			for (size_t i = 16; i < many; i += 16) {
				found = _mm512_shuffle_i64x2(found, found, 0x39); /* the next 16 bytes come first */
				_mm512_storeu_si512(mark + n + i,
						    _mm512_add_epi32(base, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found))));
			}
		n += many;
	}
	for (; at < end && n <= MARKS_MAX - MARKS_AT_ONCE; at++)
		if (*at == ':' || *at == '\n')
			mark[n++] = (uint32_t)(at - from);
	*upto = at;
	return n;
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
