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

#include "record/columns.h"

enum { KNOWN_SESSIONS = 2 * COLUMNS_ROWS, KNOWN_FIELDS = 4096, KEPT_TEXTS = 4 };

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
	bool plain;                   /* the name is written without escapes */
};

struct known;

struct known *known_open(void); /* NULL: no memory */
void known_close(struct known *k);

/* To be called when no row refers to anything here any more. True: everything was forgotten. */
bool known_release(struct known *k);

/* Is there no room for another set of fields? */
bool known_full(const struct known *k);

/* The number of the session with that name; -1: out of memory. */
int known_session(struct known *k, struct slice id);
struct known_session *known_by_number(struct known *k, int number);

/* [hot] The same for a name as it is written in a line; also -1 if it is not plain. */
int known_plain_session(struct known *k, struct slice id);

/* Equal sets of fields are kept once; texts are copied. NULL: out of memory. */
struct known_fields *known_fields(struct known *k, const struct field_values *values);

/* The fields that these stretches of a line of that shape give; NULL: unknown. */
const struct kept_text *known_text(const struct known *k, uint32_t shape, const struct slice *text, size_t n);
void known_text_add(struct known *k, uint32_t shape, const struct slice *text, size_t n, struct known_fields *fields);

#endif
