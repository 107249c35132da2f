/* decode_members.h - the way through steps whose keys stand in another order on every line.
 *
 * A line is taken apart at the colons that end its keys. Each key is looked up by itself, and what stands between a value
 * and the next key says whether objects were closed rightly: so no step waits for the one before, and no branch depends
 * on the order. Values of eight lines stand side by side then, and are read together, metric by metric.
 *
 * Every byte is compared or read. A line is left to the long way when anything about it is out of the ordinary: a key
 * that is unknown, stands twice or elsewhere, has escapes or is longer than MEMBER_KEY_MAX; a value that is neither plain
 * text nor plain decimal; white space but for one blank behind ':', ',' and '{'; another event; fields of the session that
 * differ from those of the line before that took the long way.
 *
 * Takes AVX-512, or AVX2, which reads values one by one; elsewhere such lines go the long way.
 *
 * Ownership  members_open creates, members_close destroys. Rows point to the session they were compared with, and their
 *            session ids into the text.
 */
#ifndef RWKVMON_RECORD_DECODE_MEMBERS_H
#define RWKVMON_RECORD_DECODE_MEMBERS_H

#include "record/columns.h"

struct members;

struct members *members_open(void); /* NULL: no memory, or not for this processor */
void members_close(struct members *ms);

/* The text at hand is another one, and begins there. */
void members_feed(struct members *ms, const char *text);

/* Lines from *p on of a text that ends at `end`, until one is out of the ordinary, or it is time to try another way:
 * returns how many became rows of c. `session`: the fields all of them must have; its texts have no escapes. */
size_t members_run(struct members *ms, const char **p, const char *end, const struct field_values *session, struct columns *c);

#endif
