/* settings.c - the rows of settings.def, and the parser for their values. */
#include "spec/settings.h"

#include "base/suggest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const struct setting_spec setting_specs[SETTING_COUNT] = {
#define SETTING(commands, member_, kind_, name_, letter, argument_, preset_, en, zh)                                   \
	[SETTING_##member_] = { .name = name_,                                                                         \
				.member = #member_,                                                                    \
				.kind = SETTING_IS_##kind_,                                                            \
				.argument = argument_,                                                                 \
				.preset = preset_,                                                                     \
				.help = { en, zh } },
#include "spec/settings.def"
#undef SETTING
};

enum { MODE_ALLOWED = 0666, ROTATE_LEAST = 4096 };
static const uint64_t COUNT_MAX = UINT64_C(1) << 53;

static int bad(const char *label, const char *text, const char *expected, struct err *err)
{
	return err_set(err, ERR_USAGE, "%s: found \"%s\", expected %s", label, text, err_words(expected));
}

static int read_flag(uint64_t *out, const char *label, const char *text, struct err *err)
{
	static const char *const words[] = { "no", "yes", "0", "1", "off", "on", "false", "true" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(text, words[i])) {
			*out = i % 2;
			return 0;
		}
	return bad(label, text, "yes or no (also 1 or 0, on or off, true or false)", err);
}

/* Counts of which 0, or too few, would quietly become another number. */
static const struct {
	enum setting_id id;
	uint64_t least;
	const char *expected;
} leasts[] = {
	{ SETTING_ring_bytes, 4096, "a whole number from 4096 to 9007199254740992" },
	{ SETTING_max_streams, 1, "a whole number from 1 to 9007199254740992" },
	{ SETTING_state_memory_bytes, 1, "a whole number from 1 to 9007199254740992" },
};

static int read_count(uint64_t *out, enum setting_id id, const char *label, const char *text, struct err *err)
{
	const char *expected = "a whole number from 0 to 9007199254740992";
	uint64_t least = 0;
	char *end;

	for (size_t i = 0; i < sizeof leasts / sizeof *leasts; i++)
		if (leasts[i].id == id) {
			least = leasts[i].least;
			expected = leasts[i].expected;
		}
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || *out < least || *out > COUNT_MAX)
		return bad(label, text, expected, err);
	if (id == SETTING_log_rotate_bytes && *out && *out < ROTATE_LEAST) /* a file for each record */
		return bad(label, text, "0, or a whole number from 4096 to 9007199254740992", err);
	return 0;
}

static int read_number(double *out, enum setting_id id, const char *label, const char *text, struct err *err)
{
	char *end;

	*out = strtod(text, &end);
	if (!*text || *end || !isfinite(*out))
		return bad(label, text, "a number", err);
	if (id == SETTING_overhead_budget_pct && (*out == 0 || *out > 100)) /* 0 would become the default */
		return bad(label, text, "a share in %, above 0 and up to 100, or a number below 0 for no limit", err);
	return 0;
}

static int read_mode(uint64_t *out, const char *label, const char *text, struct err *err)
{
	char *end;

	*out = strtoull(text, &end, 8);
	if (isdigit((unsigned char)*text) && !*end && *out && !(*out & ~(uint64_t)MODE_ALLOWED))
		return 0;
	return bad(label, text, "permissions to read and write, octal, such as 0640", err);
}

double setting_goal_tps(struct slice text)
{
	char copy[32], *unit;
	double value;

	if (!text.n || text.n >= sizeof copy || !isdigit((unsigned char)*text.p))
		return 0;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	value = strtod(copy, &unit);
	if (!(value > 0) || !isfinite(value))
		return 0;
	return !strcmp(unit, "tps") ? value : !strcmp(unit, "ms") ? 1000 / value : 0;
}

static int read_goal(double *out, const char *label, const char *text, struct err *err)
{
	*out = setting_goal_tps(slice_of(text));
	return *out > 0 ? 0 : bad(label, text, "a speed such as 20tps or 50ms", err);
}

/* "a|b|c": expected a, b or c. */
static int bad_choice(const char *label, const char *text, const char *choices, struct err *err)
{
	char list[120];
	size_t used = 0;

	for (const char *at = choices; *at && used + 8 < sizeof list; at++) {
		const char *between = *at != '|' ? NULL : strchr(at + 1, '|') ? ", " : " or ";

		if (between)
			used += (size_t)snprintf(list + used, sizeof list - used, "%s", between);
		else
			list[used++] = *at;
	}
	list[used] = 0;
	return bad(label, text, list, err);
}

/* The index of `text` among the words of "a|b|c". */
static int read_choice(uint64_t *out, const char *choices, const char *label, const char *text, struct err *err)
{
	uint64_t i = 0;

	for (const char *at = choices; at; i++) {
		size_t n = strcspn(at, "|");

		if (slice_is((struct slice){ at, n }, text)) {
			*out = i;
			return 0;
		}
		at = at[n] ? at + n + 1 : NULL;
	}
	return bad_choice(label, text, choices, err);
}

int setting_read(struct setting_value *out, const struct setting_spec *s, const char *label, const char *text,
		 struct err *err)
{
	*out = (struct setting_value){ .text = text };
	switch (s->kind) {
	case SETTING_IS_TEXT:
		return 0;
	case SETTING_IS_LIST:
		return *text ? 0 : bad(label, text, s->argument, err);
	case SETTING_IS_OUTPUT:
		out->text = strcmp(text, "none") ? text : NULL;
		return 0;
	case SETTING_IS_WORD:
	case SETTING_IS_CHOICE:
		return read_choice(&out->count, s->argument, label, text, err);
	case SETTING_IS_FLAG:
		return read_flag(&out->count, label, text, err);
	case SETTING_IS_COUNT:
		return read_count(&out->count, (enum setting_id)(s - setting_specs), label, text, err);
	case SETTING_IS_NUMBER:
		return read_number(&out->number, (enum setting_id)(s - setting_specs), label, text, err);
	case SETTING_IS_MODE:
		return read_mode(&out->count, label, text, err);
	case SETTING_IS_GOAL:
		return read_goal(&out->number, label, text, err);
	}
	return err_set(err, ERR_USAGE, "%s: a setting of no known kind", label);
}

enum setting_id setting_find(struct slice name, struct err *err)
{
	struct suggestion near = { .word = name };

	for (int i = 0; i < SETTING_COUNT; i++) {
		if (slice_is(name, setting_specs[i].name))
			return (enum setting_id)i;
		suggest_offer(&near, setting_specs[i].name);
	}
	err_set(err, ERR_USAGE, "there is no setting \"%.*s\"", SLICE_ARG(name));
	if (near.best)
		err_hint(err, "did you mean \"%s\"?", near.best);
	else
		err_hint(err, "docs/SETTINGS.md lists all");
	return SETTING_COUNT;
}

void setting_variable(char out[SETTING_VARIABLE_BYTES], const struct setting_spec *s)
{
	snprintf(out, SETTING_VARIABLE_BYTES, "RWKVMON_%s", s->name);
	for (char *p = out; *p; p++)
		*p = (char)(*p == '-' ? '_' : toupper((unsigned char)*p));
}
