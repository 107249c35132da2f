/* codec.h - encodes records as JSON lines and decodes them; both sides are generated from spec/fields.def and
 * spec/metrics.def. */
#ifndef RWKVMON_RECORD_CODEC_H
#define RWKVMON_RECORD_CODEC_H

#include "base/buf.h"
#include "record/record.h"

/* Appends one line with its '\n'. Metrics that are not finite are left out. */
void record_encode(struct buf *out, const struct record *r);

/* A decoded line. */
struct decoded {
	struct record rec;
	struct slice session_id; /* the line's own: rec.session may be shared by several lines */
	uint16_t who;            /* a number for the session id: equal for equal ids that the decoder holds */
	uint64_t decimal;        /* bit m: metric[m] is exactly scaled[m] / 10^decimals, with the decimals of metric
				  * m */
	int64_t scaled[METRIC_COUNT];
};

struct columns;
struct known;
struct known_fields;
struct shapes;
struct members;
struct decoder_slot;
struct paths;

/* Describes the lines of another program: where their values are, and what all lines have in common. */
struct field_map {
	const struct paths *paths;
	bool all_steps; /* lines have no event type: each is a step */
	enum phase phase;
	uint32_t token_count;        /* 0: given by the lines */
	struct field_values session; /* the session fields of a line that has none of its own */
};

/* Memory for what decoded records point to and the lines themselves do not contain; zeroed before first use. */
struct record_decoder {
	const char *p, *end;         /* the rest of the text that is being decoded */
	struct decoder_slot *slot;   /* (n_slots in use) the fields of lines that the full parser decoded */
	size_t n_slots, most_slots;  /* most_slots: the largest number ever in use */
	struct known *known;         /* sessions and their fields; NULL: no text has been fed yet */
	struct known_fields *latest; /* of the last line that the full parser decoded; NULL: forgotten */
	struct shapes *shapes;       /* the shapes of earlier lines; NULL: as with any_order */
	struct members *members;     /* the decoder for keys in any order; NULL: not available */
	bool any_order;              /* set it to decode every line with the full parser */
	const struct field_map *map; /* borrowed; NULL: the lines are in our own format */
};

/* Why a line was skipped: the reasons by which reports count skipped lines. */
enum decode_result {
	DECODE_OK,
	DECODE_NOT_OBJECT,    /* not a JSON object */
	DECODE_MALFORMED,     /* begins like an object, but is damaged or cut off */
	DECODE_NO_EVENT_TYPE, /* an object, but not an event of ours */
	DECODE_BAD_TIMESTAMP, /* the time stamp is missing or cannot be parsed */
	DECODE_BAD_COUNT,     /* a count has a fraction, or is larger than its field or a double can hold exactly */
	DECODE_TOO_LONG,
	DECODE_BLANK, /* a blank line */
	DECODE_RESULT_COUNT
};

extern const char *const decode_reasons[DECODE_RESULT_COUNT]; /* English, for people */

/* Decodes one line without its line end. Accepts any key order and white space, unknown keys, missing groups, null, a
 * BOM, NaN/Infinity, and offsets in time stamps.
 *
 * *out and what it points to are valid until the next call with the same decoder or until the line is freed. An unknown
 * event type gives DECODE_NO_EVENT_TYPE.
 * A step without token_count (from other writers) gets token_count 1.
 * Cost: one pass over the line; allocates only at first use and for texts with escapes. */
enum decode_result record_decode(struct record_decoder *d, struct slice line, struct record *out);

enum { DECODE_PADDING = 128, DECODE_LINE_MAX = 16 << 20 };

/* Feeds a text of whole lines, each with its line end; the DECODE_PADDING bytes after it must be readable. What
 * they hold changes nothing: vectors that reach into them are cut at the text's end before a line or a value is made of
 * them. Readers of files write them, so that tools that watch for undefined bytes have nothing to report. */
void record_decoder_feed(struct record_decoder *d, struct slice text);

/* Where in a malformed line a whole record begins: behind one that a killed writer tore. 0: nowhere. */
size_t record_decode_behind(struct record_decoder *d, struct slice line);

/* Decodes the next line of the text in the same way. False at the end of the text. A malformed line ends where a whole
 * record begins in it: then that is next, and `p` is inside the line. Decoded lines stay valid until
 * record_decoder_release, which must be called when record_decoder_full returns true. */
bool record_decode_next(struct record_decoder *d, struct decoded *out, enum decode_result *result);

/* [hot] Decodes as many of the next lines as possible together into rows of c, at a fraction of the cost: steps with
 * the structure of an earlier one are compared with it, and only their values are parsed. Returns their number;
 * record_decode_next decodes the line after them.
 */
size_t record_decode_run(struct record_decoder *d, struct columns *c);
bool record_decoder_full(const struct record_decoder *d);
void record_decoder_release(struct record_decoder *d);
/* May the release wait until as many records again have been decoded as columns hold? No decoded line has memory of its
 * own then, and no text is referred to. */
bool record_decoder_has_room(const struct record_decoder *d);

void record_decoder_free(struct record_decoder *d);

#endif
