/* decode_members_keys.h - the keys of a step as data, and the interface of the decoders that use them:
 * decode_members_*.c, one per instruction set. */
#ifndef RWKVMON_RECORD_DECODE_MEMBERS_KEYS_H
#define RWKVMON_RECORD_DECODE_MEMBERS_KEYS_H

#include "record/columns.h"
#include "record/decode_bytes.h"
#include "record/decode_time.h"

enum {
	MEMBERS_LINE_MAX = 4096,
	FRACTION_MAX = 6,
	MEMBER_KEY_MAX = 31,
	MEMBER_KEY_BYTES = 32, /* with the quote before it */
	MEMBER_KEYS_MAX = 128,
	MEMBER_FIELDS_MAX = 64,
	MEMBER_INDEX_BITS = 11
};

/* Slots: a place for each value. Metrics come first, then fields in the order of the table; the last is for keys
 * without a value. */
enum { MEMBER_SLOT_NOWHERE = METRIC_COUNT + MEMBER_FIELDS_MAX, MEMBER_SLOTS };

/* Objects by number: 0 is the line, others follow. */
enum { OBJECT_NONE = 14 /* no key is there */, OBJECT_OUTSIDE, MEMBER_OBJECTS, CLOSED_MAX = 3 /* braces in a row */ };

/* The role of a key, packed into four bytes. */
enum {
	ROLE_SLOT = 0,    /* of its value */
	ROLE_PARENT = 8,  /* first bit: the object it stands in */
	ROLE_INSIDE = 16, /* the object in which the next key stands, when none is closed before it */
	ROLE_IS_LINE_END = 30,
	ROLE_IS_OBJECT = 31 /* its value is one */
};

struct member_key {
	_Alignas(64) char text[MEMBER_KEY_BYTES]; /* right-aligned, from its quote on */
	char mask[MEMBER_KEY_BYTES];              /* bytes of text: all bits of them */
	_Alignas(64) uint64_t slots[2];           /* the bit of its slot: of a metric; of a field */
	uint32_t role;
	uint32_t length; /* without the quote; 0: unknown key */
};

/* Keys 0 and 1 cannot occur in a line: one that is always in the wrong place, and the end of a line with the beginning
 * of the next. */
enum { KEY_UNKNOWN, KEY_LINE_END, KEYS_RESERVED };

struct member_keys {
	struct member_key key[MEMBER_KEYS_MAX];
	uint8_t index[1 << MEMBER_INDEX_BITS]; /* of the key; KEY_UNKNOWN: none */
	uint64_t multiplier;                   /* with it no two keys have the same index */
	size_t n;

	size_t n_objects;
	/* The current object after so many closing braces; OBJECT_NONE: none. */
	_Alignas(64) uint16_t up[CLOSED_MAX + 1][MEMBER_OBJECTS];

	size_t n_fields;
	enum field_id field[MEMBER_FIELDS_MAX]; /* of slot METRIC_COUNT + i */
	uint64_t of_session;                    /* fields that are a session's */
	uint64_t needed;                        /* fields that every step has */
};

static inline uint32_t load4(const char *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return x;
}

/* A hash of a key of at least 2 bytes that ends before a quote and a colon: of its first bytes, those in the middle and
 * the last, and its length. No two keys have the same. */
static inline uint64_t member_mix(const char *key, size_t length)
{
	uint64_t ends = (uint64_t)load4(key + length - 3) << 32 | load4(key);

	return ends + ((uint64_t)load4(key + length / 2 - 1) << 16) + ((uint64_t)length << 56);
}

static inline size_t member_index(const struct member_keys *keys, uint64_t mix)
{
	return mix * keys->multiplier >> (64 - MEMBER_INDEX_BITS);
}

/* Marks are the places of colons behind a quote and of line ends, counted from `base`: twice the place, and 1 when a
 * blank stands behind it. Mark 0 is the line end before the base. */
enum { KEY_MARKS_MAX = 2048, KEY_MARKS_ROOM = KEY_MARKS_MAX + 80 };

struct key_marks {
	const char *base, *upto; /* NULL: of no text */
	size_t n, next;          /* next: first of the present line */
	size_t lines;            /* whole ones from there on */
	uint32_t at[KEY_MARKS_ROOM];
};

static inline const char *key_mark(const struct key_marks *m, size_t i)
{
	return m->base + (m->at[i] >> 1);
}

/* The keys found in lines, by mark. */
struct found_keys {
	uint32_t length[KEY_MARKS_ROOM];
	uint32_t gap[KEY_MARKS_ROOM]; /* the four bytes before the key, or up to the line end */
	uint32_t role[KEY_MARKS_ROOM];
	uint64_t place[KEY_MARKS_ROOM]; /* of the value before: its start, its end << 32 */
};

/* Marks of from..end, a line's beginning, as many as there is room for. */
typedef void members_find(struct key_marks *m, const char *from, const char *end);
members_find members_find_avx2, members_find_vbmi2;

struct members;

/* Decodes the first `n` lines at the marks, 1..MEMBER_LINES; returns how many of them became rows of c. Their marks are
 * consumed. */
typedef size_t members_take(struct members *ms, size_t n, struct columns *c);
members_take members_take_avx2, members_take_avx512;

struct members {
	const struct member_keys *keys;
	members_find *find;
	members_take *take;
	const char *text;
	struct key_marks marks;
	struct found_keys found;
	struct minute minute;
	const struct field_values *session;
	uint64_t session_fields;        /* bits of those it has */
	uint8_t fraction[MEMBER_SLOTS]; /* digits after the point, as seen last; at most FRACTION_MAX */
	size_t most;                    /* lines until another decoder is tried */
	unsigned pause, wait;           /* calls to wait after one that took nothing; of them to come */
};

enum { MEMBER_LINES = 8, MEMBER_READ_BEFORE = 64 /* bytes before a line that may be read */ };

#endif
