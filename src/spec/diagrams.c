/* diagrams.c - the rows of diagrams.def. */
#include "spec/diagrams.h"

const struct diagram_spec diagram_specs[DIAGRAM_COUNT] = {
#define DIAGRAM(name, id_, en, zh, says_en, says_zh)                                                                   \
	[DIAGRAM_##name] = { .id = id_, .title = { en, zh }, .says = { says_en, says_zh } },
#include "spec/diagrams.def"
};

const struct group_spec group_specs[GROUP_COUNT] = {
#define GROUP(name, diagram_, en, zh, column_, row_, columns_, rows_)                                                  \
	[GROUP_##name] = { .id = #name,                                                                                \
			   .diagram = DIAGRAM_##diagram_,                                                              \
			   .title = { en, zh },                                                                        \
			   .column = column_,                                                                          \
			   .row = row_,                                                                                \
			   .columns = columns_,                                                                        \
			   .rows = rows_ },
#include "spec/diagrams.def"
};

const struct box_spec box_specs[BOX_COUNT] = {
#define BOX(name, diagram_, group_, column_, row_, en, zh)                                                             \
	[BOX_##name] = { .id = #name,                                                                                  \
			 .diagram = DIAGRAM_##diagram_,                                                                \
			 .group = GROUP_##group_,                                                                      \
			 .column = column_,                                                                            \
			 .row = row_,                                                                                  \
			 .text = { en, zh } },
#include "spec/diagrams.def"
};

enum { ARROW_SOLID, ARROW_DASHED };

const struct arrow_spec arrow_specs[] = {
#define ARROW(from_, to_, style, en, zh)                                                                               \
	{ .from = BOX_##from_, .to = BOX_##to_, .dashed = ARROW_##style, .text = { en, zh } },
#include "spec/diagrams.def"
};
const size_t arrow_spec_count = sizeof arrow_specs / sizeof *arrow_specs;
