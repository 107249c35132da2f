/* documents.c - the tables as Markdown and as a man page. */
#include "cli/documents.h"

#include "spec/alarms.h"
#include "spec/families.h"
#include "spec/fields.h"
#include "spec/metrics.h"
#include "spec/options.h"

#include <ctype.h>

static const char *const event_meanings[EVENT_TYPE_COUNT] = {
#define EVENT(name, id, meaning) [EVENT_##name] = meaning,
#include "spec/events.def"
#undef EVENT
};

static const char *const kind_names[] = {
	[KIND_TIME] = "time",	  [KIND_EVENT] = "text",   [KIND_PHASE] = "text",	[KIND_TEXT] = "text",	    [KIND_COUNT] = "whole number",
	[KIND_NUMBER] = "number", [KIND_TOKENS] = "array", [KIND_NUMBERS] = "array", [KIND_METRICS] = "objects", [KIND_DETAILS] = "object",
};

static void say_events(struct buf *out, enum field_id f)
{
	bool first = true, all = true;

	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		all = all && field_in_event(f, (enum event_type)e);
	if (all) {
		buf_str(out, "all");
		return;
	}
	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		if (field_in_event(f, (enum event_type)e)) {
			buf_printf(out, "%s`%s`", first ? "" : ", ", event_ids[e]);
			first = false;
		}
}

void document_log_format(struct buf *out)
{
	buf_str(out, "# The log, format 1\n\n"
		     "<!-- Written by `rwkvmon export log-format`; edit the tables in src/spec/. -->\n\n"
		     "One JSON object per line, UTF-8, `\\n`. Unknown values are absent, never 0 or `null`. `rwkvmon export schema`\n"
		     "prints the same as a JSON Schema; METRICS.md tells what the numbers mean.\n\n"
		     "## Events\n\n| `event_type` | meaning |\n|---|---|\n");
	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		buf_printf(out, "| `%s` | %s |\n", event_ids[e], event_meanings[e]);
	buf_str(out, "\n## Fields, in the order they are written\n\n| field | type | in | meaning |\n|---|---|---|---|\n");
	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct field_spec *s = &field_specs[f];

		buf_printf(out, "| `%s` | %s | ", s->kind == KIND_METRICS ? "performance, resources, accuracy" : s->path, kind_names[s->kind]);
		say_events(out, (enum field_id)f);
		buf_printf(out, " | %s |\n", s->help);
	}
	buf_str(out,
		"\nFields of the caller's own (rwkvmon_set_number, rwkvmon_set_text) stand at the end of `performance`, `resources`,\n"
		"`accuracy` or `metadata`, or at the end of the line. Readers ignore keys they do not know.\n\n"
		"## Files\n\n"
		"- `NAME.log` is being written. Rotation (`--log-rotate-bytes`, `--log-rotate-seconds`) renames it to\n"
		"  `NAME.20250911T123456.789Z.log` (UTC) and begins anew; sorted by name, the files are in the order of time.\n"
		"  `--log-keep N` removes the oldest. Each file that is begun this way starts with `session_start` again.\n"
		"- `NAME.log.zst` holds zstd frames, one per write, each of whole lines and with a checksum.\n"
		"- `{pid}`, `{session}` and `{time}` in a name are filled in: one file per process, session or start.\n"
		"- Several processes may name one file: each write takes the file's lock and is whole lines.\n"
		"- A log that is moved, deleted or loses its directory is begun anew as soon as that works.\n\n"
		"## What is promised\n\n"
		"- What was produced 100 ms ago survives the death of the process; `--fsync interval` (the default) survives a power\n"
		"  cut after 1 s, `--fsync record` with every record; `never` leaves it to the kernel.\n"
		"- At most the last line is torn, by a kill; the next run ends it. A torn zstd frame is cut off.\n"
		"- Steps in the files and `dropped` of all `gap` lines are together `totals.records`: nothing is lost untold. What a\n"
		"  full disk does not take waits (up to 4 MiB) and is then dropped and counted.\n"
		"- A sync that failed is told by a `gap` with `dropped` 0 and the reason; it is never taken for a later success.\n");
}

static void one_metric(struct buf *out, const struct metric_spec *s)
{
	buf_printf(out, "### `%s`%s\n\n%s · %s\n\n", s->id, s->core ? " (one of the 12)" : "", s->label[LANG_EN], s->label[LANG_ZH]);
	buf_printf(out, "- key `%s.%s`, unit %s, %d decimals, %s\n", metric_group_keys[s->group], s->key, *s->unit ? s->unit : "none",
		   s->decimals,
		   s->better == BETTER_LOWER	? "lower is better" :
		   s->better == BETTER_HIGHER ? "higher is better" :
						"neither high nor low is good");
	buf_printf(out, "- %s\n- %s\n\n", s->help[LANG_EN], s->help[LANG_ZH]);
}

static void one_family(struct buf *out, const struct family_spec *f)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram", "info" };

	buf_printf(out, "| `%s` | %s | ", f->prom, kinds[f->kind]);
	for (size_t i = 0; *f->label && i < f->n_values; i++)
		buf_printf(out, "%s%s%s", i ? ", " : f->label, i ? "" : ": ", f->values[i]);
	buf_printf(out, "%s | %s · %s |\n", f->gpu ? (*f->label ? "; gpu" : "gpu") : "", f->help[LANG_EN], f->help[LANG_ZH]);
}

static void prometheus_table(struct buf *out)
{
	buf_str(out, "\n## Prometheus\n\nWhat `/metrics` and `--metrics-textfile` say (docs/PROMETHEUS.md). Every series but the process's own carries\n"
		     "`model` and `backend`; beside logs (`serve`) also `instance`. Known series start at 0, unknown ones are absent.\n\n"
		     "| name | type | labels | |\n|---|---|---|---|\n");
	for (int f = 0; f < FAMILY_COUNT; f++)
		one_family(out, &family_specs[f]);
}

void document_metrics(struct buf *out)
{
	static const char *const titles[METRIC_GROUP_COUNT] = { "Performance", "Resources", "Accuracy" };

	buf_str(out, "# Metrics\n\n<!-- Written by `rwkvmon export metrics`; edit src/spec/metrics.def. -->\n\n"
		     "A number that is not known is absent. Resources are sampled every 5 s on a thread of their own and carried by\n"
		     "every record, what slows a machine down (clock, heat, quota, waiting) by the first one after each sample; GPU numbers come from NVML, else from the kernel (`metadata.host.gpu_source` says which).\n\n"
		     "When watching exceeds its budget (1 % of the forward time unless set, and 20 µs a call), logits and states that the\n"
		     "runtime does not sum itself are looked at in two neighbouring calls of every 4 to 64; `sampled_every` tells.\n");
	for (int g = 0; g < METRIC_GROUP_COUNT; g++) {
		buf_printf(out, "\n## %s\n\n", titles[g]);
		for (int m = 0; m < METRIC_COUNT; m++)
			if ((int)metric_specs[m].group == g)
				one_metric(out, &metric_specs[m]);
	}
	buf_str(out, "## Alarms\n\n| alarm | default severity | |\n|---|---|---|\n");
	for (int a = 0; a < ALARM_TYPE_COUNT; a++)
		buf_printf(out, "| `%s` | %s | %s · %s |\n", alarm_specs[a].id, severity_ids[alarm_specs[a].severity],
			   alarm_specs[a].label[LANG_EN], alarm_specs[a].label[LANG_ZH]);
	prometheus_table(out);
}

/* --- man page ------------------------------------------------------------------------- */

static void roff(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_str(out, "\\&");
	for (; *text; text++) {
		if (*text == '\\' || *text == '-')
			buf_char(out, '\\');
		buf_char(out, *text == '\\' ? 'e' : *text);
	}
}

static void man_option(struct buf *out, const struct option_spec *o)
{
	buf_str(out, ".TP\n\\fB");
	if (o->letter)
		buf_printf(out, "\\-%c\\fR, \\fB", o->letter);
	buf_str(out, "\\-\\-");
	roff(out, o->name);
	buf_str(out, "\\fR ");
	if (*o->argument) {
		buf_str(out, "\\fI");
		roff(out, o->argument);
		buf_str(out, "\\fR");
	}
	buf_char(out, '\n');
	roff(out, o->help[LANG_EN]);
	buf_char(out, '\n');
}

static void man_command(struct buf *out, int command)
{
	const struct command_spec *c = &command_specs[command];

	buf_str(out, ".SS rwkvmon ");
	roff(out, c->name);
	buf_printf(out, " [OPTIONS] %s\n", c->arguments);
	roff(out, c->help[LANG_EN]);
	buf_str(out, ".\n");
	for (size_t i = 0; i < option_specs_n; i++)
		if (option_specs[i].commands >> command & 1)
			man_option(out, &option_specs[i]);
	buf_str(out, ".PP\nExample:\n.PP\n.RS\n.nf\n");
	roff(out, c->example);
	buf_str(out, "\n.fi\n.RE\n");
}

void document_man(struct buf *out)
{
	buf_str(out, ".\\\" Written by `rwkvmon export man`; edit src/spec/options.def.\n"
		     ".TH RWKVMON 1 \"\" \"rwkvmon " RWKVMON_VERSION "\"\n"
		     ".SH NAME\nrwkvmon \\- watches RWKV language models from inside: speed, memory, state\n"
		     ".SH SYNOPSIS\n.B rwkvmon\n.I COMMAND\n[OPTIONS]\n"
		     ".SH COMMANDS\n");
	for (int c = 0; c < COMMAND_COUNT; c++)
		man_command(out, c);
	buf_str(out, ".SH EXIT STATUS\n0 fine; 1 bad news that was asked for; 2 usage; 3 unreadable input; 4 disk, network or memory.\n"
		     ".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nNo colours.\n.TP\n\\fBRWKVMON_SIMD\\fR\n"
		     "scalar, avx2 or avx512: the widest instructions that may be used.\n");
}
