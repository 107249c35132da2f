#include "spec/text.h"

static const char *const texts[TEXT_COUNT][LANG_COUNT] = {
#define TEXT(name, en, zh) [TEXT_##name] = { en, zh },
#include "spec/text.def"
#undef TEXT
};

const char *text(enum text_id id, enum lang lang)
{
	return texts[id][lang];
}
