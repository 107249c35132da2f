/* decode_shape.h - decodes steps that have the same structure (shape) as an earlier one.
 *
 * A shape is what a writer prints every time: pieces of fixed text, with places for values between them. It does not
 * include the values: texts and numbers that belong to the session (model, strategy, instance, …) are compared with the
 * session's latest ones (decode_known.h). docs/DECODER.md shows an example.
 *
 * Ownership  shapes_open creates, shapes_close destroys.
 */
#ifndef RWKVMON_RECORD_DECODE_SHAPE_H
#define RWKVMON_RECORD_DECODE_SHAPE_H

#include "record/decode_known.h"
#include "record/decode_paths.h"

enum { SHAPE_LINE_MAX = 4096, LEAVES_MAX = 96 };

/* A number or text of a line, as the full parser found it. */
enum leaf_kind { LEAF_NUMBER, LEAF_TEXT };

struct leaf {
	enum leaf_kind kind;
	uint32_t from, to;       /* bytes of the line; a text without its quotes */
	const struct path *path; /* NULL: nobody knows it */
};

struct leaves {
	size_t n;
	bool unfit; /* there are too many, or one that only the parser reads rightly */
	struct leaf leaf[LEAVES_MAX];
};

struct shapes;

struct shapes *shapes_open(struct known *known); /* known: borrowed. NULL: no memory */
void shapes_close(struct shapes *ss);

/* [hot] Decodes lines from *p on, of a text that ends at `end`, until one matches no shape, or has a session or session
 * fields not seen before, or c is full. Returns how many became rows of c, and moves *p after them. */
size_t shapes_run(struct shapes *ss, const char **p, const char *end, struct columns *c);

/* Did the line that stopped the last run, or kept it from beginning, match no shape? Lines decoded otherwise then bring
 * the next try nearer. */
bool shapes_missed(const struct shapes *ss);
void shapes_pass(struct shapes *ss, size_t lines);

/* The full parser decodes the next line. Returns where it records the line's leaves, in their order; NULL: not worth
 * it. */
struct leaves *shapes_leaves(struct shapes *ss, struct slice line);

/* Learns from a line whose leaves were recorded, and which was decoded as *out with these fields; no text had
 * escapes. */
void shapes_learn(struct shapes *ss, struct slice line, const struct record *out, struct known_fields *fields);

#endif
