/* diagrams.h - the diagrams of diagrams.def as data.
 *
 * Ownership  everything is constant and lives as long as the program.
 * Units      columns and rows of a grid, from 0. */
#ifndef RWKVMON_SPEC_DIAGRAMS_H
#define RWKVMON_SPEC_DIAGRAMS_H

#include "spec/lang.h"

#include <stdbool.h>
#include <stddef.h>

enum diagram_id {
#define DIAGRAM(name, ...) DIAGRAM_##name,
#include "spec/diagrams.def"
	DIAGRAM_COUNT
};

enum group_id {
#define GROUP(name, ...) GROUP_##name,
#include "spec/diagrams.def"
	GROUP_COUNT
};

enum box_id {
#define BOX(name, ...) BOX_##name,
#include "spec/diagrams.def"
	BOX_COUNT
};

struct diagram_spec {
	const char *id;
	const char *title[LANG_COUNT], *says[LANG_COUNT];
};

struct group_spec {
	const char *id;
	enum diagram_id diagram;
	const char *title[LANG_COUNT];
	int column, row, columns, rows;
};

struct box_spec {
	const char *id;
	enum diagram_id diagram;
	enum group_id group;
	int column, row;
	const char *text[LANG_COUNT];
};

struct arrow_spec {
	enum box_id from, to;
	bool dashed;
	const char *text[LANG_COUNT];
};

extern const struct diagram_spec diagram_specs[DIAGRAM_COUNT];
extern const struct group_spec group_specs[GROUP_COUNT];
extern const struct box_spec box_specs[BOX_COUNT];
extern const struct arrow_spec arrow_specs[];
extern const size_t arrow_spec_count;

#endif
