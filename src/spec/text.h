/* text.h - the words of reports, in every language. */
#ifndef RWKVMON_SPEC_TEXT_H
#define RWKVMON_SPEC_TEXT_H

#include "spec/lang.h"

enum text_id {
#define TEXT(name, en, zh) TEXT_##name,
#include "spec/text.def"
#undef TEXT
	TEXT_COUNT
};

const char *text(enum text_id id, enum lang lang);

#endif
