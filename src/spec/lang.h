/* lang.h - the languages of reports and messages. */
#ifndef RWKVMON_SPEC_LANG_H
#define RWKVMON_SPEC_LANG_H

enum lang { LANG_EN, LANG_ZH, LANG_COUNT };

/* "en", "zh". */
extern const char *const lang_codes[LANG_COUNT];

/* From a code or a locale's name ("zh_CN.UTF-8"); LANG_COUNT when it is neither. */
enum lang lang_of(const char *name);

#endif
