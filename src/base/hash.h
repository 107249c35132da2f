/* hash.h - FNV-1a: a quick hash of short texts. It guards nothing: whoever wants to makes two texts of the same hash.
 */
#ifndef RWKVMON_BASE_HASH_H
#define RWKVMON_BASE_HASH_H

#include "base/slice.h"

#define HASH_BEGIN UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_byte(uint64_t h, unsigned char byte)
{
	return (h ^ byte) * UINT64_C(0x100000001b3);
}

/* h of what came before, HASH_BEGIN at the beginning. */
static inline uint64_t hash_more(uint64_t h, struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		h = hash_byte(h, (unsigned char)text.p[i]);
	return h;
}

/* One of several texts: where it ends counts, too. */
static inline uint64_t hash_text(uint64_t h, struct slice text)
{
	return hash_byte(hash_more(h, text), 0xff);
}

static inline uint64_t hash_of(struct slice text)
{
	return hash_more(HASH_BEGIN, text);
}

#endif
