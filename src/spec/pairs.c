/* pairs.c - the rows of pairs.def. */
#include "spec/pairs.h"

const struct pair_spec pair_specs[PAIR_COUNT] = {
#define PAIR(a_, b_, sign_, en, zh)                                                                                    \
	[PAIR_##a_##_##b_] = { .a = (int)M_##a_, .b = (int)M_##b_, .sign = PAIR_##sign_, .meaning = { en, zh } },
#include "spec/pairs.def"
#undef PAIR
};

const char *pair_column_id(int column)
{
	return column < METRIC_COUNT ? metric_specs[column].id : "sequence_length";
}

const char *pair_column_label(int column, enum lang lang)
{
	static const char *const position[LANG_COUNT] = { "Position in the sequence", "序列位置" };

	return column < METRIC_COUNT ? metric_specs[column].label[lang] : position[lang];
}
