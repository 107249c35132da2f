/* skipped.h - the reasons of skipped.def as data. */
#ifndef RWKVMON_SPEC_SKIPPED_H
#define RWKVMON_SPEC_SKIPPED_H

#include "spec/lang.h"

enum skipped_id {
#define LINE(name, ...) SKIPPED_##name,
#define DATA(name, ...) SKIPPED_##name,
#include "spec/skipped.def"
	SKIPPED_COUNT
};

struct skipped_spec {
	const char *text[LANG_COUNT];
};

extern const struct skipped_spec skipped_specs[SKIPPED_COUNT];

/* Translates a reason that a reader gave in English; a text that is not in the table is returned unchanged. */
const char *skipped_reason(const char *english, enum lang lang);

#endif
