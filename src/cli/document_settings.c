/* document_settings.c - the settings and the kinds of receivers as documents: docs/SETTINGS.md, and Python's Settings.
 */
#include "cli/documents.h"
#include "export/deliver_receiver.h"
#include "spec/settings.h"

#include <stdlib.h>

/* Text inside a cell of a Markdown table. */
static void add_cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_char(out, '\\');
		buf_char(out, *text);
	}
}

static void add_row(struct buf *out, const struct setting_spec *s)
{
	char variable[SETTING_VARIABLE_BYTES];

	setting_variable(variable, s);
	buf_printf(out, "| `--%s`", s->name);
	if (*s->argument)
		buf_char(out, ' ');
	add_cell(out, s->argument);
	buf_printf(out, " | `%s` | `%s` | ", variable, s->member);
	add_cell(out, s->help[LANG_EN]);
	buf_str(out, "<br>");
	add_cell(out, s->help[LANG_ZH]);
	buf_str(out, " |\n");
}

static void document_receivers(struct buf *out)
{
	buf_str(out, "| `KIND+ADDRESS` | |\n|---|---|\n");
	for (size_t i = 0; i < receiver_kinds_n; i++) {
		const struct receiver_kind *k = &receiver_kinds[i];

		buf_printf(out, "| `%s+%s` | %s<br>%s |\n", k->name, k->address, k->help[LANG_EN], k->help[LANG_ZH]);
	}
}

void document_settings(struct buf *out)
{
	buf_str(out,
		"# Settings\n\n<!-- Written by `rwkvmon export settings`; edit src/spec/settings.def. -->\n\n"
		"Every setting has the same name everywhere: `--log-keep 5` for `rwkvmon run`, `rwkvmon chat` and "
		"`python -m rwkvmon`,\n"
		"`RWKVMON_LOG_KEEP=5` in the environment, `Options(log_keep=5)` in Python, `rwkvmon_config_set(&cfg, "
		"\"log-keep\", \"5\", error)`\n"
		"or the member `log_keep` in C. Python's names are the option names with `_` instead of `-`. In C, a "
		"zeroed member means its\n"
		"default, and without a log name there is no log.\n\n"
		"- `run`, `chat`, `serve`, `python -m rwkvmon` and the adapters read the variables, and the commands "
		"that "
		"judge logs\n"
		"  (`analyze`, `diagnose`, `compare`, …) those of `--rules` and `--goal`; an option takes precedence "
		"over "
		"its\n"
		"  variable (`--alarm-to` replaces `RWKVMON_ALARM_TO`). `RWKVMON_LANG` is the language of every "
		"command. Programs that use\n"
		"  the library or `Options` must request the variables: `rwkvmon_config_environment(&cfg, error)`,\n"
		"  `Options.from_environment(log_keep=5)`.\n"
		"- `rwkvmon run --settings FILE` and `chat` read options from a file, one a line without the dashes "
		"(`threads: 2`, `log-keep: 5`,\n"
		"  `log-tokens: yes`); options and variables take precedence over it. `python -m rwkvmon --settings "
		"FILE` "
		"takes from such a file\n"
		"  every setting below and `threads`, and its `strategy` and `chunk-len` are how the script's models "
		"run; "
		"`rwkvmon.settings.load(FILE)` reads it.\n"
		"- A flag takes a value only after `=`: `--log-tokens`, `--log-tokens=no`. In variables, write `1` or "
		"`0`, `yes` or `no`.\n"
		"- `--alarm-to` may be given several times, and each adds a receiver; `RWKVMON_ALARM_TO` holds one "
		"receiver per line. Every\n"
		"  other option that is given twice is a usage error.\n"
		"- `@FILE` in place of a secret reads the secret from a file, so that neither `ps` nor the environment "
		"shows it.\n"
		"- A value that is empty is a usage error, as an option and in a file; only `--prompt` may be. An "
		"option that "
		"lacks its value does not\n  take the next option for it.\n"
		"- An empty variable counts as not set. Programs with more rights than their user (setuid) read no "
		"variables.\n\n"
		"| option | variable | member of `struct rwkvmon_config` | |\n|---|---|---|---|\n");
	for (int i = 0; i < SETTING_COUNT; i++)
		add_row(out, &setting_specs[i]);
	buf_str(out, "\n## Receivers of alarms\n\nThe values that `--alarm-to` accepts (ALARMS.md explains how each "
		     "behaves):\n\n");
	document_receivers(out);
}

/* --- Python ---------------------------------------------------------------------------- */

static void add_member(struct buf *out, const struct setting_spec *s)
{
	for (const char *p = s->name; *p; p++)
		buf_char(out, *p == '-' ? '_' : *p);
}

static void add_type(struct buf *out, const struct setting_spec *s)
{
	switch (s->kind) {
	case SETTING_IS_OUTPUT:
		buf_printf(out, "Optional[str] = \"%s\"", s->preset);
		break;
	case SETTING_IS_TEXT:
	case SETTING_IS_WORD:
	case SETTING_IS_GOAL:
		buf_str(out, "Optional[str] = None");
		break;
	case SETTING_IS_CHOICE:
		buf_printf(out, "str = \"%s\"", s->preset);
		break;
	case SETTING_IS_LIST:
		buf_str(out, "Union[str, Sequence[str]] = ()");
		break;
	case SETTING_IS_FLAG:
		buf_printf(out, "bool = %s", strcmp(s->preset, "yes") ? "False" : "True");
		break;
	case SETTING_IS_COUNT:
		buf_printf(out, "%s = %s", s->preset ? "int" : "Optional[int]", s->preset ? s->preset : "None");
		break;
	case SETTING_IS_NUMBER:
		buf_printf(out, "float = %.1f", strtod(s->preset, NULL));
		break;
	case SETTING_IS_MODE:
		buf_printf(out, "int = 0o%lo", strtoul(s->preset, NULL, 8));
		break;
	}
}

static void add_setting(struct buf *out, const struct setting_spec *s)
{
	static const char *const kinds[] = { "text", "output", "word",   "choice", "list",
					     "flag", "count",  "number", "mode",   "goal" };

	buf_str(out, "    Setting(\"");
	add_member(out, s);
	buf_printf(out, "\", \"%s\", \"%s\", ", s->name, kinds[s->kind]);
	buf_json_string(out, slice_of(s->argument));
	buf_str(out, ",\n            ");
	buf_json_string(out, slice_of(s->help[LANG_EN]));
	buf_str(out, "),\n");
}

void document_python_settings(struct buf *out)
{
	buf_str(out, "\"\"\"Every setting of a watched model. Written by `rwkvmon export python-settings`; edit "
		     "src/spec/settings.def.\"\"\"\n"
		     "from __future__ import annotations\n\n"
		     "from dataclasses import dataclass\n"
		     "from typing import NamedTuple, Optional, Sequence, Tuple, Union\n\n\n"
		     "class Setting(NamedTuple):\n"
		     "    \"\"\"`member` is the attribute of Settings; `name` is the name of the option and for "
		     "rwkvmon_config_set.\"\"\"\n\n"
		     "    member: str\n    name: str\n    kind: str\n    argument: str\n    help: str\n\n\n"
		     "SETTINGS: Tuple[Setting, ...] = (\n");
	for (int i = 0; i < SETTING_COUNT; i++)
		add_setting(out, &setting_specs[i]);
	buf_str(out, ")\n\n\n@dataclass(frozen=True)\nclass Settings:\n"
		     "    \"\"\"Everything that a user can set; docs/SETTINGS.md and SETTINGS explain each "
		     "setting.\"\"\"\n\n");
	for (int i = 0; i < SETTING_COUNT; i++) {
		buf_str(out, "    ");
		add_member(out, &setting_specs[i]);
		buf_str(out, ": ");
		add_type(out, &setting_specs[i]);
		buf_char(out, '\n');
	}
}
