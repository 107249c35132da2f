/* decode_members_keys.h - the keys of a step as data, and what takes lines apart by them: decode_members_*.c, one per ISA. */
#ifndef RWKVMON_RECORD_DECODE_MEMBERS_KEYS_H
#define RWKVMON_RECORD_DECODE_MEMBERS_KEYS_H

#include "record/columns.h"
#include "record/decode_bytes.h"
#include "record/decode_layout_match.h"

enum {
	MEMBER_KEY_MAX = 31,
	MEMBER_KEY_BYTES = 32,
	MEMBER_KEYS_MAX = 128,
	MEMBER_OBJECTS_MAX = 16,
	MEMBER_FIELDS_MAX = 64,
	MEMBER_INDEX_BITS = 11,
	CLOSED_MAX = 8, /* braces in a row that are told apart */
	NO_OBJECT = 0xff
};

/* Slots: a place for each value. Metrics come first, then fields as they are found in the table; the last is for what has no value. */
enum { MEMBER_SLOT_NOWHERE = METRIC_COUNT + MEMBER_FIELDS_MAX, MEMBER_SLOTS };

struct member_key {
	_Alignas(64) char text[MEMBER_KEY_BYTES]; /* right-aligned, zeros before it */
	uint64_t metric, field;			  /* the bit of its slot, in one of them */
	uint32_t length;			  /* of text */
	uint32_t object;			  /* all bits: its value is an object; 0: it has a slot */
	uint8_t slot;
	uint8_t parent;	   /* object it stands in */
	uint8_t inside;	   /* object in which the next key stands, when none is closed before it */
	uint8_t separator; /* what stands before that key */
};

/* Keys 0 and 1 are none that a line could have: one that matches nothing, and what opens the line. */
enum { KEY_UNKNOWN, KEY_TOP, KEYS_RESERVED };

struct member_keys {
	struct member_key key[MEMBER_KEYS_MAX];
	uint8_t index[1 << MEMBER_INDEX_BITS]; /* of the key; KEY_UNKNOWN: none */
	uint64_t multiplier;		       /* with it no two keys have the same index */
	size_t n;

	/* Object 0 is the line. */
	size_t n_objects;
	uint8_t up[CLOSED_MAX + 1][MEMBER_OBJECTS_MAX]; /* where one is after so many closings; NO_OBJECT: nowhere */
	uint8_t depth[MEMBER_OBJECTS_MAX];		/* closings that end the line */

	size_t n_fields;
	enum field_id field[MEMBER_FIELDS_MAX]; /* of slot METRIC_COUNT + i */
	uint64_t of_session;			/* fields that are a session's */
	uint64_t needed;			/* fields that every step has */
};

static inline uint32_t load4(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return x;
}

/* Of a key of at least 2 bytes that ends before a quote and a colon: what it begins and ends with, and its length. */
static inline uint64_t member_mix(const char *key, size_t length)
{
	return ((uint64_t)load4(key + length - 3) << 32 | load4(key)) + ((uint64_t)length << 56);
}

static inline size_t member_index(const struct member_keys *keys, uint64_t mix)
{
	return mix * keys->multiplier >> (64 - MEMBER_INDEX_BITS);
}

/* Marks are the places of colons behind a quote and of line ends, counted from `base`. */
enum { KEY_MARKS_MAX = 2048, KEY_MARKS_AT_ONCE = 64 };

struct key_marks {
	const char *base, *upto; /* NULL: of no text */
	size_t n, next;		 /* next: first of the present line */
	size_t lines;		 /* whole ones from there on */
	uint32_t at[KEY_MARKS_MAX + KEY_MARKS_AT_ONCE];
};

struct members {
	const struct member_keys *keys;
	const char *text;
	struct key_marks marks;
	struct minute minute;
	const struct field_values *session;
	uint64_t session_fields;	/* bits of those it has */
	uint8_t fraction[MEMBER_SLOTS]; /* digits behind the point, as seen lately; at most FRACTION_MAX */
	size_t most;			/* lines until another way is tried */
	unsigned pause, wait;		/* calls to wait after one that took nothing; of them to come */
};

enum { MEMBER_LINES = 8, MEMBER_READ_BEFORE = 64 /* bytes before a line that may be read */ };

/* Marks of from..end, a line's beginning, as many as there is room for. */
void members_find_avx512(struct key_marks *m, const char *from, const char *end);

/* The first `n` lines at the marks, 1..MEMBER_LINES, the first at p; returns how many of them became rows of c. The marks
 * of these are over then. */
size_t members_take_avx512(struct members *ms, const char *p, size_t n, struct columns *c);

#endif
