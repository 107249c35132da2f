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
	bool anchored; /* a colon of the line stands `gap` bytes before the value */
	uint8_t gap;
	uint16_t colon; /* which colon of the line, from 0 */
};

struct layout {
	char line[LAYOUT_LINE_MAX + LAYOUT_PADDING];
	struct operand operand[LEAVES_MAX];
	size_t n;
	uint16_t tail, tail_bytes;	      /* what stands behind the last value */
	uint16_t colons;		      /* of the whole line */
	struct record fixed;		      /* all but the operands */
	struct field_values session, extra;   /* texts point into `line` */
};

/* The minute that the latest time stamps began with: "2025-09-11T12:34". */
enum { MINUTE_BYTES = 16 };

struct minute {
	char text[MINUTE_BYTES];
	int64_t us;
};

/* Marks are the places of colons and line ends, counted from `base`. */
enum { MARKS_MAX = 4096, MARKS_AT_ONCE = 64 };

/* Marks of from..end, as many as there is room for, into mark (MARKS_MAX); returns how many. *upto: what has been
 * looked through. */
typedef size_t marks_find(const char *from, const char *end, uint32_t *mark, const char **upto);

/* mark: those of the line at p, its line end among them or not; at least l->colons + 1 can be read. */
typedef bool layout_match(struct layout *l, struct minute *minute, const char *base, const uint32_t *mark, const char *p,
			  struct decoded *out);

layout_match layout_match_scalar, layout_match_avx2;
marks_find marks_find_scalar, marks_find_avx2;

/* A time stamp; the minute is remembered. */
bool layout_time(struct minute *minute, struct slice text, int64_t *us);

#endif
