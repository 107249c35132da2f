/* messages.c - the rows of messages.def and library.def, and texts of other tables that errors repeat. */
#include "spec/messages.h"

#include "spec/diagnosis.h"
#include "spec/skipped.h"

#include <string.h>

static const char *const messages[][LANG_COUNT] = {
#define MESSAGE(en, zh) { en, zh },
#include "spec/messages.def"
#undef MESSAGE
#define SAID(en, zh) { en, zh },
#include "spec/library.def"
#undef SAID
};

const char *message_zh(const char *english)
{
	const char *reason = skipped_reason(english, LANG_ZH);

	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
		if (!strcmp(messages[i][LANG_EN], english))
			return messages[i][LANG_ZH];
	for (int i = 0; i < CAUSE_COUNT; i++)
		if (!strcmp(cause_specs[i].title[LANG_EN], english))
			return cause_specs[i].title[LANG_ZH];
	return reason != english ? reason : NULL;
}
