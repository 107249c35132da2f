/* settings.h - the settings of the monitor as data: the rows of settings.def. */
#ifndef RWKVMON_SPEC_SETTINGS_H
#define RWKVMON_SPEC_SETTINGS_H

#include "base/err.h"
#include "base/slice.h"
#include "spec/lang.h"

#include <stdbool.h>
#include <stdint.h>

enum setting_id {
#define SETTING(commands, member, ...) SETTING_##member,
#include "spec/settings.def"
#undef SETTING
	SETTING_COUNT
};

enum setting_kind {
	SETTING_IS_TEXT,
	SETTING_IS_OUTPUT,
	SETTING_IS_WORD,
	SETTING_IS_CHOICE,
	SETTING_IS_LIST,
	SETTING_IS_FLAG,
	SETTING_IS_COUNT,
	SETTING_IS_NUMBER,
	SETTING_IS_MODE,
	SETTING_IS_GOAL
};

struct setting_spec {
	const char *name, *member;
	enum setting_kind kind;
	const char *argument;
	const char *preset; /* NULL: none */
	const char *help[LANG_COUNT];
};

extern const struct setting_spec setting_specs[SETTING_COUNT];

/* The value, by kind: `text` for TEXT, OUTPUT (NULL: none), WORD, LIST and GOAL; `count` for CHOICE, FLAG, COUNT and
 * MODE; `number` for NUMBER, and for GOAL in tokens/s. */
struct setting_value {
	const char *text;
	uint64_t count;
	double number;
};

/* Reads `text`; *out points into it. `label` names the setting in errors as the user wrote it: "--log-keep". */
int setting_read(struct setting_value *out, const struct setting_spec *s, const char *label, const char *text,
		 struct err *err);

/* The row with that name; SETTING_COUNT, and an error with "did you mean", when there is none. */
enum setting_id setting_find(struct slice name, struct err *err);

/* A stated speed, "20tps" or "50ms" a token, in tokens/s; 0: neither. */
double setting_goal_tps(struct slice text);

enum { SETTING_VARIABLE_BYTES = 48 };

/* The variable of the setting: RWKVMON_LOG_KEEP for log-keep. */
void setting_variable(char out[SETTING_VARIABLE_BYTES], const struct setting_spec *s);

#endif
