/* sketch_text.h - a sketch as a short text that can stand in JSON, and back.
 *
 *     text     resolution, zeros, n, n pairs of the positive values, pairs of the negative ones
 *     pair     distance of its bin from the one before (the first from 0), values in the bin; by ascending size
 *     number   5 bits a character, the lowest first, of A-Z a-z 0-9 - _; all characters except its last one have 32
 * added
 *
 * The resolution is a digit, 4 to 8: bits of the mantissa that a bin is told by. 8 is that of the sketch itself, whose
 * bins are 0.39 % wide; each bit less doubles that. Texts of the same values are equal, and texts of parts give what
 * the text of the whole gives, to the width of the widest bins.
 */
#ifndef RWKVMON_STATS_SKETCH_TEXT_H
#define RWKVMON_STATS_SKETCH_TEXT_H

#include "base/buf.h"
#include "stats/sketch.h"

/* Appends the sketch with the highest resolution with which the text has at most `most_bytes`; at the lowest, whatever
 * it takes. False: no memory, and nothing is appended. */
bool sketch_write(struct buf *out, const struct sketch *s, size_t most_bytes);

/* Kept from one text to the next; zeroed: none yet. */
struct sketch_runs {
	struct sketch_run *run; /* (n), by ascending size, zeros first, the positive ones before the negative ones */
	size_t n, cap;
	uint64_t count; /* of the values */
	bool failed;    /* no memory */
};

/* [hot] Takes a text of any bytes in place of what was there. False: the text is none, or memory is out. */
bool sketch_runs_read(struct sketch_runs *out, struct slice text);
void sketch_runs_free(struct sketch_runs *r);

#endif
