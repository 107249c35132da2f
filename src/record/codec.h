/* codec.h - records as JSON lines and back: twins over spec/fields.def and spec/metrics.def. */
#ifndef RWKVMON_RECORD_CODEC_H
#define RWKVMON_RECORD_CODEC_H

#include "base/buf.h"
#include "record/record.h"

/* Appends one line with its '\n'. Metrics that are not finite are left out. */
void record_encode(struct buf *out, const struct record *r);

struct layouts;

/* Where decoding keeps what the line itself cannot hold; zeroed before first use. */
struct record_decoder {
	struct field_values session; /* SESSION fields of the line last decoded */
	struct field_values extra;   /* its EXTRA fields */
	struct buf unescaped;	     /* texts that had escapes */
	struct layouts *layouts;     /* how earlier lines were built; NULL: none learned yet */
	bool any_order;		     /* set it to take every line the long way */
};

/* Why a line was not taken: the reasons that reports count skipped lines by. */
enum decode_result {
	DECODE_OK,
	DECODE_NOT_OBJECT,    /* not a JSON object */
	DECODE_MALFORMED,     /* begins like one, but is damaged or cut off */
	DECODE_NO_EVENT_TYPE, /* an object, but none of ours */
	DECODE_BAD_TIMESTAMP, /* no time stamp, or none that can be read */
	DECODE_RESULT_COUNT
};

extern const char *const decode_reasons[DECODE_RESULT_COUNT]; /* English, for people */

/* One line without its line end; any key order and white space, unknown keys, missing
 * groups, null, a BOM, NaN/Infinity, offsets in time stamps are understood.
 *
 * *out and what it points to are valid until the next call with the same decoder or
 * until the line goes away. Events of unknown type are taken as DECODE_NO_EVENT_TYPE.
 * A step without token_count (other writers) has token_count 1.
 * Cost: one pass over the line; steps built like an earlier one are compared with it, and
 * only their values are read. Allocates once, and for texts with escapes. */
enum decode_result record_decode(struct record_decoder *d, struct slice line, struct record *out);

void record_decoder_free(struct record_decoder *d);

#endif
