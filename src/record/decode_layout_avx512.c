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

static inline __m512i marks_at(__m512i number, const uint16_t *mark)
{
	return _mm512_and_si512(_mm512_i32gather_epi32(number, mark, sizeof *mark), _mm512_set1_epi32(0xffff));
}

/* The places of 16 lanes; false: they are out of order, and the line is built in another way. */
static inline bool place_lanes(const struct lanes *s, size_t at, size_t n, const uint16_t *mark, struct all *all)
{
	__m512i start = marks_at(_mm512_load_si512(s->start_mark + at), mark);
	__m512i end = marks_at(_mm512_load_si512(s->end_mark + at), mark);
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
	struct eight e = take_eight(texts_of_eight(base, all->end + 1 + at), _mm512_cvtepi32_epi64(_mm256_sub_epi32(end, start)),
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

bool layout_match_avx512(struct layout *l, struct minute *minute, const char *base, const uint16_t *mark, const char *p,
			 struct decoded *out)
{
	struct all all;

	if (!l->has_lanes)
		return match_layout(X86_STEPS, l, minute, base, mark, p, out);
	if (base[mark[l->marks]] != '\n')
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

/* Marks among 64 bytes: how many, and their numbers, from the first on. */
struct marked {
	size_t n;
	__m512i number;
};

__attribute__((target("avx512vbmi2")))
static inline struct marked marks_of_64(const char *p)
{
	const __m512i numbers = _mm512_set_epi64(0x3f3e3d3c3b3a3938, 0x3736353433323130, 0x2f2e2d2c2b2a2928, 0x2726252423222120,
						 0x1f1e1d1c1b1a1918, 0x1716151413121110, 0x0f0e0d0c0b0a0908, 0x0706050403020100);
	__m512i x = _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi8((char)MARK_BITS));
	__mmask64 is = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(MARK));

	return (struct marked){ (size_t)__builtin_popcountll(_cvtmask64_u64(is)), _mm512_maskz_compress_epi8(is, numbers) };
}

/* The first eight. */
static inline void put_few_marks(const struct marked *m, __m128i base, uint16_t *mark)
{
	_mm_storeu_si128((__m128i *)(void *)mark, _mm_add_epi16(base, _mm_cvtepu8_epi16(_mm512_castsi512_si128(m->number))));
}

/* All that there can be. */
static void put_many_marks(const struct marked *m, __m128i base, uint16_t *mark)
{
	__m512i from = _mm512_broadcastw_epi16(base), low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(m->number));
	__m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(m->number, 1));

	_mm512_storeu_si512(mark, _mm512_add_epi16(from, low));
	_mm512_storeu_si512(mark + 32, _mm512_add_epi16(from, high));
}

/* The numbers of marked bytes are compressed, then widened. Two times 64 bytes a round: it takes little longer than one. */
__attribute__((target("avx512vbmi2")))
size_t marks_find_vbmi2(const char *from, const char *end, uint16_t *mark, const char **upto)
{
	__m128i base = _mm_setzero_si128(), next;
	const char *at = from;
	size_t n = 0;

	end = marks_end(from, end);
	for (; end - at >= 128 && n <= MARKS_MAX - MARKS_AT_ONCE; at += 128) {
		struct marked a = marks_of_64(at), b = marks_of_64(at + 64);

		next = _mm_add_epi16(base, _mm_set1_epi16(64));
		put_few_marks(&a, base, mark + n);
		put_few_marks(&b, next, mark + n + a.n);
		if (__builtin_expect((a.n > 8) | (b.n > 8), 0)) {
			put_many_marks(&a, base, mark + n);
			put_many_marks(&b, next, mark + n + a.n);
		}
		n += a.n + b.n;
		base = _mm_add_epi16(next, _mm_set1_epi16(64));
	}
	for (; at < end && n <= MARKS_MAX - MARKS_AT_ONCE; at++)
		if (is_mark(*at))
			mark[n++] = (uint16_t)(at - from);
	*upto = at;
	return n;
}
#else
typedef int no_avx512_here; /* a translation unit is not empty */
#endif
