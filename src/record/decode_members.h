/* decode_members.h - decodes steps whose keys are in a different order on every line.
 *
 * A line is split at the colons that end its keys. Each key is looked up by itself, and the text between a value and
 * the next key shows whether objects were closed correctly: so no operation waits for the previous one, and no branch
 * depends on the order. Then the values of eight lines are parsed together, metric by metric.
 *
 * Every byte is compared or parsed. A line is left to the full parser if anything about it is unusual: a key that is
 * unknown, repeated, in another object, has escapes or is longer than MEMBER_KEY_MAX; a value that is neither plain
 * text nor a plain decimal; white space except one blank after ':', ',' and '{'; another event; session fields that
 * differ from those of the last line that the full parser decoded.
 *
 * Needs AVX-512, or AVX2, which parses values one by one; on other processors the full parser decodes such lines.
 *
 * Ownership  members_open creates, members_close destroys. Rows point to the session they were compared with, and their
 *            session ids into the text.
 */
#ifndef RWKVMON_RECORD_DECODE_MEMBERS_H
#define RWKVMON_RECORD_DECODE_MEMBERS_H

#include "record/columns.h"

struct members;

struct members *members_open(void); /* NULL: out of memory, or not available on this processor */
void members_close(struct members *ms);

/* Starts with another text. */
void members_feed(struct members *ms, const char *text);

/* A byte of the text becomes a line end: what was found of its lines no longer holds. */
void members_forget(struct members *ms);

/* Decodes lines from *p on, of a text that ends at `end`, until one is unusual, or it is time to try another decoder.
 * Returns how many became rows of c. `session`: the session fields that all of them must have; its texts have no
 * escapes. */
size_t members_run(struct members *ms, const char **p, const char *end, const struct field_values *session,
		   struct columns *c);

#endif
