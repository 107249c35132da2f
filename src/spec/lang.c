/* lang.c - finds the language from a locale's name. */
#include "spec/lang.h"

#include <string.h>

const char *const lang_codes[LANG_COUNT] = { [LANG_EN] = "en", [LANG_ZH] = "zh" };

enum lang lang_of(const char *name)
{
	for (int lang = 0; name && lang < LANG_COUNT; lang++)
		if (!strncmp(name, lang_codes[lang], 2) && (!name[2] || strchr("_-.@", name[2])))
			return (enum lang)lang;
	return LANG_COUNT;
}
