/* codec.h - records as JSON lines and back: twins over spec/fields.def and spec/metrics.def. */
#ifndef RWKVMON_RECORD_CODEC_H
#define RWKVMON_RECORD_CODEC_H

#include "base/buf.h"
#include "record/record.h"

/* Appends one line with its '\n'. Metrics that are not finite are left out. */
void record_encode(struct buf *out, const struct record *r);

/* What a line of a text became. */
struct decoded {
	struct record rec;
	struct slice session_id; /* the line's own: rec.session may be shared by several lines */
	uint64_t decimal;	 /* bit m: metric[m] is exactly scaled[m] / 10^decimals of m */
	int64_t scaled[METRIC_COUNT];
};

struct columns;
struct layouts;
struct members;
struct decoder_slot;
struct paths;

/* Lines of another program: where their values stand, and what all of them have in common. */
struct field_map {
	const struct paths *paths;
	bool all_steps; /* lines say no event type: each is a step */
	enum phase phase;
	uint32_t token_count;	       /* 0: as the lines say */
	struct field_values session;   /* those of a line that has none of its own */
};

/* Where decoding keeps what the lines themselves cannot hold; zeroed before first use. */
struct record_decoder {
	const char *p, *end;	   /* of the text being decoded: what is left of it */
	struct decoder_slot *slot; /* (n_slots in use) the fields of lines that took the long way */
	size_t n_slots;
	size_t held;		 /* records that must stay valid */
	struct layouts *layouts; /* how earlier lines were built; NULL: none learned yet */
	struct members *members; /* the way through keys in any order; NULL: there is none */
	bool any_order;		 /* set it to take every line the long way */
	const struct field_map *map; /* borrowed; NULL: the lines are ours */
};

/* Why a line was not taken: the reasons that reports count skipped lines by. */
enum decode_result {
	DECODE_OK,
	DECODE_NOT_OBJECT,    /* not a JSON object */
	DECODE_MALFORMED,     /* begins like one, but is damaged or cut off */
	DECODE_NO_EVENT_TYPE, /* an object, but none of ours */
	DECODE_BAD_TIMESTAMP, /* no time stamp, or none that can be read */
	DECODE_TOO_LONG,
	DECODE_BLANK, /* no line at all */
	DECODE_RESULT_COUNT
};

extern const char *const decode_reasons[DECODE_RESULT_COUNT]; /* English, for people */

/* One line without its line end; any key order and white space, unknown keys, missing
 * groups, null, a BOM, NaN/Infinity, offsets in time stamps are understood.
 *
 * *out and what it points to are valid until the next call with the same decoder or
 * until the line goes away. Events of unknown type are taken as DECODE_NO_EVENT_TYPE.
 * A step without token_count (other writers) has token_count 1.
 * Cost: one pass over the line; allocates once, and for texts with escapes. */
enum decode_result record_decode(struct record_decoder *d, struct slice line, struct record *out);

enum { DECODE_PADDING = 128, DECODE_LINE_MAX = 16 << 20 };

/* A text of whole lines, each with its line end; DECODE_PADDING bytes behind it can be read. */
void record_decoder_feed(struct record_decoder *d, struct slice text);

/* The next line of the text, in the same way and at a fraction of the cost: steps built like an earlier one are
 * compared with it, and only their values are read. False at the end of the text. What lines became stays valid until
 * record_decoder_release, which must be called when record_decoder_full says so. */
bool record_decode_next(struct record_decoder *d, struct decoded *out, enum decode_result *result);

/* [hot] As many of the next lines as can be taken together into rows of c; how many. 0: record_decode_next takes the next. */
size_t record_decode_run(struct record_decoder *d, struct columns *c);
bool record_decoder_full(const struct record_decoder *d);
void record_decoder_release(struct record_decoder *d);

void record_decoder_free(struct record_decoder *d);

#endif
