/* decode_layout_match.h - a layout as data, and the functions that match it: decode_layout_*.c, one per ISA. */
#ifndef RWKVMON_RECORD_DECODE_LAYOUT_MATCH_H
#define RWKVMON_RECORD_DECODE_LAYOUT_MATCH_H

#include "record/decode_layout.h"

enum operand_kind {
	OPERAND_METRIC,
	OPERAND_NUMBER, /* nobody's */
	OPERAND_SEQUENCE_LENGTH,
	OPERAND_SEQUENCE,
	OPERAND_TOKEN_COUNT,
	OPERAND_TIME,
	OPERAND_SESSION_ID,
	OPERAND_TEXT,
	OPERAND_OTHER_TEXT /* nobody's */
};

enum { LAYOUT_PADDING = 64 }; /* bytes that may be read behind the layout's line */

/* The bytes fixed..fixed+fixed_bytes of the layout's line, then a value. */
struct operand {
	uint16_t fixed, fixed_bytes;
	uint8_t kind, metric;
	bool anchored; /* a mark of the line stands `gap` bytes before the value */
	uint8_t gap;
	uint16_t mark; /* which of the line's, from 0 */
};

/* The operands of a layout side by side, for instructions that take many at once. Lane i is operand i; it begins
 * start_gap behind mark start_mark, and ends end_gap behind mark end_mark. */
enum { FRACTION_MAX = 6, LANES_MAX = 32, SEGMENTS_MAX = 96, SEGMENT_BYTES = 64 };

struct lanes {
	_Alignas(64) uint32_t start_mark[LANES_MAX];
	int32_t start_gap[LANES_MAX];
	uint32_t end_mark[LANES_MAX];
	int32_t end_gap[LANES_MAX];
	int64_t decimals[LANES_MAX]; /* of the metric */
	uint8_t fraction[LANES_MAX]; /* digits behind the point, as seen lately; at most FRACTION_MAX */
	uint32_t metrics, counts;    /* bit i: lane i is one */
	uint64_t have;		     /* metrics of the lanes; each stands in one alone */
	bool has_session;	     /* one of the lanes is the session's id */
	bool runs;		     /* lines can be taken eight at once: they have at most RUN_MARKS marks */

	/* Fixed bytes in pieces: `skip` behind the end of operand before - 1, or of nothing. Those of up to 32 bytes come first. */
	size_t n_segments, n_short;
	struct segment {
		uint16_t before, skip, fixed;
	} segment[SEGMENTS_MAX];
	uint64_t mask[SEGMENTS_MAX]; /* which bytes of a piece there are */
};

struct layout {
	char line[LAYOUT_LINE_MAX + LAYOUT_PADDING];
	struct operand operand[LEAVES_MAX];
	size_t n;
	uint16_t tail, tail_bytes;	      /* what stands behind the last value */
	uint16_t marks;			      /* of the whole line, its end apart */
	struct record fixed;		      /* all but the operands */
	struct field_values session, extra;   /* texts point into `line` */
	bool has_lanes;
	struct lanes lanes;
};

/* The minute that the latest time stamps began with: "2025-09-11T12:34". */
enum { MINUTE_BYTES = 16 };

struct minute {
	char text[MINUTE_BYTES];
	int64_t us;
};

/* Marks are the places of colons and line ends, counted from `base`: within MARKS_SPAN bytes of it. One comparison finds
 * both, and with them '*' and 0x1a: masks of two comparisons cost more to join than all else. */
enum { MARKS_MAX = 4096, MARKS_AT_ONCE = 128, MARKS_SPAN = 65536, MARK_BITS = 0xcf, MARK = '\n' };

static inline bool is_mark(char c)
{
	return (c & MARK_BITS) == MARK;
}

/* Marks of from..end, as many as there is room for and their span allows, into mark (MARKS_MAX + MARKS_AT_ONCE); returns
 * how many. *upto: what has been looked through. */
typedef size_t marks_find(const char *from, const char *end, uint16_t *mark, const char **upto);

/* mark: those of the line at p, its line end among them or not; at least l->marks + 1 can be read. */
typedef bool layout_match(struct layout *l, struct minute *minute, const char *base, const uint16_t *mark, const char *p,
			  struct decoded *out);

/* Eight lines of that layout at once, the first at p; `mark`: their marks, all of them. Returns how many of the lines,
 * from the first on, match, and are rows of c now; those that do not take the other way. */
typedef size_t layout_run(struct layout *l, struct minute *minute, const char *base, const uint16_t *mark, const char *p,
			  struct columns *c);
enum { RUN_LINES = 8, RUN_MARKS = 128 };

layout_run layout_run_avx512;
layout_match layout_match_scalar, layout_match_avx2, layout_match_avx512;
marks_find marks_find_scalar, marks_find_avx2, marks_find_vbmi2;

static inline const char *marks_end(const char *from, const char *end)
{
	return end - from < MARKS_SPAN ? end : from + MARKS_SPAN;
}

/* A time stamp; the minute is remembered. */
bool layout_time(struct minute *minute, struct slice text, int64_t *us);

#endif
