/* decode_walk.h - a shape as data, and the interface of the walks that decode lines by it: decode_walk_*.c, one per
 * instruction set, around one body (decode_walk_body.h).
 */
#ifndef RWKVMON_RECORD_DECODE_WALK_H
#define RWKVMON_RECORD_DECODE_WALK_H

#include "record/decode_shape.h"

enum { PIECE_BYTES = 32, PIECES_MAX = 160, WALK_LINES = 64 };

enum value_kind {
	VALUE_NONE, /* the fixed text goes on, or the line ends */
	VALUE_METRIC,
	VALUE_NUMBER, /* nobody's */
	VALUE_COUNT,
	VALUE_TIME,
	VALUE_SESSION_ID,
	VALUE_PHASE,
	VALUE_TEXT, /* nobody's, or not kept in columns */
	VALUE_KEPT  /* the session's: in a stretch of them */
};

/* Up to PIECE_BYTES of fixed text, then optionally a value that ends at the byte `stop`. */
struct piece {
	_Alignas(PIECE_BYTES) char text[PIECE_BYTES];
	unsigned char mask[PIECE_BYTES]; /* 0xff for each byte there is */
	uint8_t bytes, kind, id;         /* id: enum metric_id, or enum field_id of a count */
	char stop;
	uint8_t patience; /* number of walks left in which its values are not tried as short decimals */
	uint8_t uneven;   /* the same, as decimals of which all have equally many digits behind the point */
};

struct shape {
	struct piece piece[PIECES_MAX];
	size_t n;
	uint32_t serial;     /* of all that were learned */
	uint64_t metrics;    /* that are values */
	struct record fixed; /* what all of its lines have in common */
	size_t n_kept;       /* stretches of the session's values: */
	struct kept_stretch {
		uint8_t first, last; /* from the value of one piece to that of another */
	} kept[KEPT_TEXTS];
};

/* Several lines; positions are relative to base. */
struct walk {
	const char *base;
	size_t readable; /* bytes from base on */
	size_t n;
	uint8_t line[WALK_LINES];                  /* which of the lines at hand it is: its row, from the first on */
	uint32_t from[WALK_LINES], to[WALK_LINES]; /* to: its line end */
	uint32_t start[PIECES_MAX][WALK_LINES];    /* where a piece's fixed text is over */
};

/* Where the value of piece i ends. */
static inline uint32_t walk_end(const struct shape *s, const struct walk *w, size_t i, size_t k)
{
	return w->start[i + 1][k] - s->piece[i + 1].bytes;
}

/* The values of piece i, by line; what does not change is asked once. */
struct walk_values {
	const char *base;
	const uint32_t *from, *behind; /* where the next piece's text is over, */
	uint32_t bytes;                /* which has so many */
};

static inline struct walk_values walk_values(const struct shape *s, const struct walk *w, size_t i)
{
	return (struct walk_values){ w->base, w->start[i], w->start[i + 1], s->piece[i + 1].bytes };
}

static inline struct slice walk_value(const struct walk_values *v, size_t k)
{
	return (struct slice){ v->base + v->from[k], v->behind[k] - v->bytes - v->from[k] };
}

/* [hot] Walks the lines, after which DECODE_PADDING more bytes are readable, and stores their numbers into the rows of
 * c from `row` on. Bit k of the result: line k has the shape, and its numbers are valid. */
typedef uint64_t walk_take(struct shape *s, struct walk *w, struct columns *c, size_t row);
walk_take walk_take_scalar, walk_take_avx2, walk_take_neon;

/* [hot] Ends of lines from p on, counted from p, at most `most` of them; returns how many. */
typedef size_t walk_find(const char *p, const char *end, uint32_t *to, size_t most);
walk_find walk_find_scalar, walk_find_avx2, walk_find_neon;

#endif
