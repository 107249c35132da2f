/* time_packed.c - words that are not 0, behind one bit for each word. */
#include "analyze/time_packed.h"

#include <string.h>

enum { WORD = sizeof(uint64_t), WORDS_OF_A_MASK = 64 };

_Static_assert(sizeof(struct time_part) % WORD == 0 && sizeof(struct stretch) % WORD == 0, "packed by words");

static uint64_t *put_words(uint64_t *to, const void *from, size_t n)
{
	const unsigned char *at = from;

	for (size_t i = 0; i < n; i += WORDS_OF_A_MASK) {
		uint64_t *mask = to++;

		*mask = 0;
		for (size_t k = i; k < n && k < i + WORDS_OF_A_MASK; k++) {
			memcpy(to, at + k * WORD, WORD);
			*mask |= (uint64_t)(*to != 0) << (k - i);
			to += *to != 0;
		}
	}
	return to;
}

static const uint64_t *get_words(void *to, const uint64_t *from, size_t n)
{
	unsigned char *at = to;

	memset(to, 0, n * WORD);
	for (size_t i = 0; i < n; i += WORDS_OF_A_MASK)
		for (uint64_t mask = *from++; mask; mask &= mask - 1)
			memcpy(at + (i + (size_t)__builtin_ctzll(mask)) * WORD, from++, WORD);
	return from;
}

/* Until it is finished, a ring that is filled from its beginning. */
size_t time_exchanges(const struct time_part *p)
{
	const uint64_t kept = p->prompts < HISTORY_EXCHANGES ? p->prompts : HISTORY_EXCHANGES;

	return !p->exchange ? 0 : p->n_exchanges ? p->n_exchanges : (size_t)kept;
}

size_t time_pack(uint64_t to[TIME_PACKED_MAX], const struct time_part *p)
{
	const size_t exchange_bytes = time_exchanges(p) * sizeof *p->exchange;
	uint64_t *end = put_words(to, p, sizeof *p / WORD);

	if (p->n_stretches)
		end = put_words(end, p->stretch, p->n_stretches * (sizeof *p->stretch / WORD));
	if (exchange_bytes)
		memcpy(end, p->exchange, exchange_bytes);
	return (size_t)(end - to) + (exchange_bytes + WORD - 1) / WORD;
}

const uint64_t *time_unpack(struct time_part *to, const uint64_t *packed)
{
	return get_words(to, packed, sizeof *to / WORD);
}

void time_unpack_rest(struct time_part *to, const uint64_t *rest)
{
	if (to->n_stretches)
		rest = get_words(to->stretch, rest, to->n_stretches * (sizeof *to->stretch / WORD));
	if (time_exchanges(to))
		memcpy(to->exchange, rest, time_exchanges(to) * sizeof *to->exchange);
}
