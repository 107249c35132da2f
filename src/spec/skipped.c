/* skipped.c - the rows of skipped.def. */
#include "spec/skipped.h"

#include <string.h>

const struct skipped_spec skipped_specs[SKIPPED_COUNT] = {
#define LINE(name, ...) [SKIPPED_##name] = { { __VA_ARGS__ } },
#define DATA(name, ...) [SKIPPED_##name] = { { __VA_ARGS__ } },
#include "spec/skipped.def"
};

const char *skipped_reason(const char *english, enum lang lang)
{
	for (int i = 0; i < SKIPPED_COUNT; i++)
		if (!strcmp(english, skipped_specs[i].text[LANG_EN]))
			return skipped_specs[i].text[lang];
	return english;
}
