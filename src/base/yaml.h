/* yaml.h - a YAML document as a tree whose nodes know their position in the text.
 *
 * Ownership  nodes live in the caller's arena; texts are NUL-terminated copies.
 * Limits     depth 32, 10,000 nodes (aliases count as often as they are used).
 */
#ifndef RWKVMON_BASE_YAML_H
#define RWKVMON_BASE_YAML_H

#include "base/arena.h"
#include "base/err.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_kind kind;
	int line, column;              /* from 1 */
	const char *text;              /* of a scalar */
	size_t n;                      /* items of a sequence, pairs of a mapping */
	const struct yaml_node **key;  /* (n), mappings only; always scalars */
	const struct yaml_node **item; /* (n): items or values */
};

/* `name` is the file's name for error texts. */
int yaml_parse(const struct yaml_node **out, struct arena *a, struct slice text, const char *name, struct err *err);

/* The same of a text that is part of the program: it is not looked through for depth and size first, which takes as
 * long as reading it. */
int yaml_parse_shipped(const struct yaml_node **out, struct arena *a, struct slice text, const char *name,
		       struct err *err);

/* The value of `key` in a mapping, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);

/* The mapping's key at i is one that it has before. */
bool yaml_repeats(const struct yaml_node *mapping, size_t i);

/* Sets ERR_RULE-style errors: "NAME:LINE:COLUMN: …". */
int yaml_error(struct err *err, enum err_code code, const char *name, const struct yaml_node *at, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
