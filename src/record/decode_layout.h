/* decode_layout.h - the short way through lines that are built like an earlier one.
 *
 * A layout is a line that was decoded before, cut into what may change (the operands:
 * metrics, counts, time stamp, session, texts) and what may not (everything between them:
 * keys, spaces, model name, phase, …). A line that has the same bytes between its operands
 * differs from it in the operands alone. Every byte is compared or read, so what matches
 * means the same as the long way says; what does not match takes the long way.
 *
 * Where an operand begins is told by the colon before it: the colons of the text are found
 * ahead, many at a time, so that no operand waits until the one before it has been read.
 *
 * Ownership  layouts_open creates (NULL: no memory), layouts_close destroys. A matched
 *            record's fixed texts live in the layouts until the next match or learning.
 */
#ifndef RWKVMON_RECORD_DECODE_LAYOUT_H
#define RWKVMON_RECORD_DECODE_LAYOUT_H

#include "record/columns.h"
#include "record/decode_paths.h"

enum { LAYOUT_LINE_MAX = 4096, LEAVES_MAX = 96 };

/* A number or text of a line, as the long way found it. */
enum leaf_kind { LEAF_NUMBER, LEAF_TEXT };

struct leaf {
	enum leaf_kind kind;
	uint32_t from, to;	 /* bytes of the line; a text without its quotes */
	const struct path *path; /* NULL: nobody knows it */
};

struct leaves {
	size_t n;
	bool unfit; /* there are too many */
	struct leaf leaf[LEAVES_MAX];
};

struct layouts;

struct layouts *layouts_open(void);
void layouts_close(struct layouts *ls);

/* The text at hand is another one. */
void layouts_feed(struct layouts *ls);

/* The line at *p of a text that ends at `end`: when it matches, *out is complete and *p behind the line end; otherwise
 * *out is undefined. */
bool layouts_match(struct layouts *ls, const char **p, const char *end, struct decoded *out);

/* The same for many lines from *p on that are built like the one before: returns how many of them became rows of c. */
size_t layouts_run(struct layouts *ls, const char **p, const char *end, struct columns *c);

/* Did the last line that layouts were asked for match none of them? So many lines went another way than theirs since. */
bool layouts_missed(const struct layouts *ls);
void layouts_pass(struct layouts *ls, size_t lines);

/* The next line takes the long way. Returns where that notes the line's leaves, in their order; NULL: not worth it, or
 * not to be learned. */
struct leaves *layouts_leaves(struct layouts *ls, struct slice line, bool may_learn);

/* The line, whose leaves were noted, was decoded as *out; no text had escapes. Records of the layout that has to give
 * way lose their texts: layouts_crowded says whether one has. */
void layouts_learn(struct layouts *ls, struct slice line, const struct record *out);
bool layouts_crowded(const struct layouts *ls);

#endif
