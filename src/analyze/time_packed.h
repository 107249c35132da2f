/* time_packed.h - a part of the time breakdown without its zeros: of a short run, most of its 16 KB are.
 *
 * Words of 8 bytes that are 0 are left out, and a bit says so of each; its stretches and exchanges follow.
 *
 * Ownership  what the part's devices point to stays where it is; the packed words are for the caller to keep and free.
 * Bounds     TIME_PACKED_MAX words.
 */
#ifndef RWKVMON_ANALYZE_TIME_PACKED_H
#define RWKVMON_ANALYZE_TIME_PACKED_H

#include "analyze/time_breakdown.h"

enum {
	TIME_PACKED_BYTES = sizeof(struct time_part) + STRETCHES_MAX * sizeof(struct stretch) +
			    HISTORY_EXCHANGES * sizeof(struct exchange),
	TIME_PACKED_MAX = TIME_PACKED_BYTES / 8 + TIME_PACKED_BYTES / 512 + 8
};

/* Returns how many words it takes. */
size_t time_pack(uint64_t to[TIME_PACKED_MAX], const struct time_part *p);

/* The part alone, without stretches and exchanges; returns where those are. */
const uint64_t *time_unpack(struct time_part *to, const uint64_t *packed);
/* Then these, into to->stretch (n_stretches) and to->exchange (time_exchanges). */
void time_unpack_rest(struct time_part *to, const uint64_t *rest);

/* How many are kept of its exchanges. */
size_t time_exchanges(const struct time_part *p);

#endif
