/* decode_known.h - keeps once what lines repeat: session names, and the fields of a session.
 *
 * A session has a number that identifies its rows without comparing names. Its fields (model, strategy, instance, …)
 * are kept once for all lines that have the same ones; their text is kept too, so that a line that repeats it needs no
 * parsing.
 *
 * Ownership  known_open creates, known_close destroys. Names, fields and numbers are valid until known_release forgets
 *            them.
 * Bounds     at most KNOWN_SESSIONS names and KNOWN_FIELDS sets of fields; if the room might not suffice for
 *            COLUMNS_ROWS more lines, known_release forgets all of them.
 */
#ifndef RWKVMON_RECORD_DECODE_KNOWN_H
#define RWKVMON_RECORD_DECODE_KNOWN_H

#include "base/arena.h"
#include "record/columns.h"
#include "record/decode_bytes.h"

enum {
	KNOWN_SESSIONS = 2 * COLUMNS_ROWS,
	KNOWN_FIELDS = 4096,
	KEPT_TEXTS = 4,
	KNOWN_SLOTS = 2 * KNOWN_SESSIONS,
	KNOWN_CHAINS = 1024
};
_Static_assert((KNOWN_SLOTS & (KNOWN_SLOTS - 1)) == 0, "a power of two");
_Static_assert(KNOWN_SESSIONS < UINT16_MAX, "a number and one fit a slot");

/* The fields of a session; the session name in it is that of the last line. */
struct known_fields {
	struct known_fields *chain;
	uint64_t hash;
	struct field_values values;
};

/* The stretches of text, in lines of one shape, from which these fields were parsed. */
struct kept_text {
	struct kept_text *chain;
	uint64_t hash;
	uint32_t shape; /* serial number of the shape */
	uint32_t n;     /* stretches */
	struct known_fields *fields;
	struct slice text[KEPT_TEXTS];
};

struct known_session {
	struct slice id;
	uint64_t hash;
	const struct kept_text *kept; /* of the session's last line; NULL: none */
	uint16_t number;              /* among the sessions */
	bool plain;                   /* the name is written without escapes */
};

struct known {
	uint16_t slot[KNOWN_SLOTS]; /* 1 + number; 0: free */
	struct known_session session[KNOWN_SESSIONS];
	size_t n_sessions, n_fields, n_texts;
	struct known_fields *fields[KNOWN_CHAINS];
	struct kept_text *text[KNOWN_CHAINS];
	struct arena names, kept;
};

struct known *known_open(void); /* NULL: no memory */
void known_close(struct known *k);

/* For COLUMNS_ROWS more lines: known_release would forget nothing. */
bool known_has_room(const struct known *k);

/* To be called when no row refers to anything here any more. True: everything was forgotten. */
bool known_release(struct known *k);

/* Is there no room for another set of fields? */
bool known_full(const struct known *k);

/* The number of the session with that name; -1: out of memory. */
int known_session(struct known *k, struct slice id);

static inline struct known_session *known_by_number(struct known *k, int number)
{
	return &k->session[number];
}

uint64_t known_hash_of_short(struct slice id); /* of less than 8 bytes */

/* Names differ at their ends. The hash covers all of a name of 8..24 bytes, and the last 24 bytes of a longer one. */
static inline uint64_t known_hash(struct slice id)
{
	const char *last = id.p + id.n - 8;
	uint64_t h;

	if (id.n < 8)
		return known_hash_of_short(id);
	h = load8(last) * UINT64_C(0x9e3779b97f4a7c15);
	if (id.n > 8)
		h = (h ^ load8(id.n >= 16 ? last - 8 : id.p)) * UINT64_C(0xff51afd7ed558ccd);
	if (id.n > 16)
		h = (h ^ h >> 29 ^ load8(id.n >= 24 ? last - 16 : id.p)) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

/* Names are nearly always the same, and short. */
static inline bool known_same_name(const char *a, const char *b, size_t n)
{
	uint64_t apart = 0;

	if (n < 8)
		return !memcmp(a, b, n);
	for (size_t i = 0; i + 8 < n; i += 8)
		apart |= load8(a + i) ^ load8(b + i);
	return !(apart | (load8(a + n - 8) ^ load8(b + n - 8)));
}

/* The slot that holds the name, or where it belongs. */
static inline size_t known_slot(const struct known *k, struct slice id, uint64_t hash)
{
	size_t at = hash & (KNOWN_SLOTS - 1);

	for (; k->slot[at]; at = (at + 1) & (KNOWN_SLOTS - 1)) {
		const struct known_session *s = &k->session[k->slot[at] - 1];

		if (s->hash == hash && s->id.n == id.n && known_same_name(s->id.p, id.p, id.n))
			break;
	}
	return at;
}

/* One whose slot is free; NULL as below. */
struct known_session *known_new_plain(struct known *k, struct slice id, uint64_t hash, size_t at);

/* [hot] The session of a name as it is written in a line; NULL: the name is not plain, or out of memory. */
static inline struct known_session *known_plain_session(struct known *k, struct slice id)
{
	uint64_t hash = known_hash(id);
	size_t at = known_slot(k, id, hash);
	struct known_session *s;

	if (!k->slot[at])
		return known_new_plain(k, id, hash, at);
	s = &k->session[k->slot[at] - 1];
	return s->plain ? s : NULL;
}

/* Equal sets of fields are kept once; texts are copied. NULL: out of memory. */
struct known_fields *known_fields(struct known *k, const struct field_values *values);

/* The fields that these stretches of a line of that shape give; NULL: unknown. */
const struct kept_text *known_text(const struct known *k, uint32_t shape, const struct slice *text, size_t n);
void known_text_add(struct known *k, uint32_t shape, const struct slice *text, size_t n, struct known_fields *fields);

#endif
