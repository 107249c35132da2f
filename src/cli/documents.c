/* documents.c - the tables as Markdown and as a man page. */
#include "cli/documents.h"

#include "base/utf8.h"
#include "spec/alarms.h"
#include "spec/families.h"
#include "spec/fields.h"
#include "spec/gpu_values.h"
#include "spec/metrics.h"
#include "spec/options.h"

#include <ctype.h>

static const char *const event_meanings[EVENT_TYPE_COUNT] = {
#define EVENT(name, id, meaning) [EVENT_##name] = meaning,
#include "spec/events.def"
#undef EVENT
};

static const char *const kind_names[] = {
	[KIND_TIME] = "time",          [KIND_EVENT] = "text",      [KIND_PHASE] = "text",     [KIND_TEXT] = "text",
	[KIND_COUNT] = "whole number", [KIND_NUMBER] = "number",   [KIND_TOKENS] = "array",   [KIND_NUMBERS] = "array",
	[KIND_GPUS] = "array",         [KIND_METRICS] = "objects", [KIND_DETAILS] = "object", [KIND_JSON] = "object",
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

static void log_gpus(struct buf *out)
{
	buf_str(out,
		"If the strategy names several NVIDIA GPUs, `vram_used_mb` is their sum, `gpu_utilization_pct` their "
		"mean and\n"
		"`gpu_clock_mhz` the clock of the slowest; `vram_fullest_pct` and `vram_fullest_gpu` say which of them "
		"is the fullest. The\n"
		"values of each GPU are in `resources.gpus` of the first step after a sample (every 5 s):\n"
		"`[{\"device\":\"cuda:0\",\"vram_used_mb\":2731.0,\"vram_total_mb\":24576.0,\"gpu_utilization_pct\":78,"
		"\"gpu_clock_mhz\":1410},…]`.\n"
		"`device` has the number that CUDA gives the GPU in this process: CUDA itself says which card that is, "
		"if the process has\n"
		"initialised it by the time the log is opened. Otherwise `CUDA_VISIBLE_DEVICES` determines it, by "
		"number, UUID or MIG UUID, in the\n"
		"order of the PCI bus (`CUDA_DEVICE_ORDER=PCI_BUS_ID`, or equal cards). A value that the driver does "
		"not report for a GPU (the\n"
		"utilisation of a MIG device) is left out for that GPU. Readers compute `vram_fullest_pct` and "
		"`vram_fullest_gpu` where a line\n"
		"has the GPUs without them, and judge only those GPUs that the strategy names.\n\n"
		"| member | unit | meaning |\n|---|---|---|\n"
		"| `device` | | Its name in the strategy. Objects without a name of 1 to 15 bytes are skipped. |\n");
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		buf_printf(out, "| `%s` | %s | %s |\n", gpu_value_specs[v].key, gpu_value_specs[v].unit,
			   gpu_value_specs[v].help);
	buf_str(out, "\n");
}

static void log_callers_fields(struct buf *out)
{
	buf_str(out,
		"\nA caller's own fields (rwkvmon_set_number, rwkvmon_set_text) come at the end of `performance`, "
		"`resources`, `accuracy`\n"
		"or `metadata`, or at the end of the line. Readers ignore keys that they do not know.\n\n"
		"Counts are whole numbers up to 2^53, or up to 2^32 for `token_count`, `sequence` and `batch_size`. "
		"Readers skip a line\n"
		"that has a count with a fraction, or one that is too large to be read exactly, and name it; a "
		"negative "
		"count is unknown.\n\n");
	log_gpus(out);
}

static void log_promises(struct buf *out)
{
	buf_str(out,
		"## Record numbers\n\n`record` numbers all lines of a session, whatever their event, in the order in "
		"which they were "
		"produced; `session_start`\n"
		"is number 0. A line that was dropped keeps its number. A number that does not occur in the files of a "
		"session therefore\n"
		"belongs to a lost line, and `session_end` has the last number. No two lines of a session have the "
		"same number, with two\n"
		"exceptions: a file begun by rotation repeats `session_start` with number 0, and a line that was sent "
		"twice is the same\n"
		"line. Of the `gap` lines, one that reports a full ring buffer has its own number; one that the log "
		"wrote in place of lines\n"
		"that the disk did not accept has the number of the last of them; one that reports a failed sync "
		"replaces no line and has\n"
		"no number. The record in `details` has the number of its own line, so an alarm names the step that "
		"raised it. Logs of\n"
		"other programs, and logs from before this field was added, have no record numbers.\n\n"
		"## Files\n\n- `NAME.log` is the file being written. Rotation (`--log-rotate-bytes`, "
		"`--log-rotate-seconds`) "
		"renames it to\n"
		"  `NAME.20250911T123456.789Z.log` (UTC) and begins a new file; sorted by name, the files are in the "
		"order of time.\n"
		"  `--log-keep N` removes the oldest. Each file begun by rotation starts with `session_start` again.\n"
		"- `NAME.log.zst` holds zstd frames, one per write; each holds whole lines and has a checksum.\n"
		"- `{pid}`, `{session}` and `{time}` in a name are filled in: one file per process, session or start.\n"
		"- Several processes may write to one file: each write takes the file's lock and consists of whole "
		"lines.\n"
		"- A log that is moved or deleted, or whose directory disappears, is created again as soon as that is "
		"possible.\n\n"
		"## Guarantees\n\n- Anything produced more than 100 ms ago survives the death of the process. With "
		"`--fsync interval` "
		"(the default),\n"
		"  anything older than 1 s survives a power cut; with `--fsync record`, every record does; `never` "
		"leaves it to the kernel.\n"
		"- If the process is killed, at most the last line is torn; the next run ends that line. A torn zstd "
		"frame is cut off.\n"
		"- The steps in the files and the `dropped` counts of all `gap` lines add up to `totals.records`: "
		"nothing is lost\n"
		"  unreported. Lines that a full disk does not accept wait (up to 4 MiB) and are then dropped and "
		"counted.\n"
		"- A failed sync is reported by a `gap` with `dropped` 0 and the reason; a later success does not undo "
		"it.\n");
}

void document_log_format(struct buf *out)
{
	buf_str(out,
		"# The log, format 1\n\n"
		"<!-- Written by `rwkvmon export log-format`; edit the tables in src/spec/. -->\n\n"
		"One JSON object per line, UTF-8, `\\n`. Unknown values are absent, never 0 or `null`. `rwkvmon "
		"export schema`\n"
		"prints the same as a JSON Schema; METRICS.md explains the metrics.\n\n"
		"Other writers of the published format leave two things open. A `state_similarity` of 0, which no step "
		"measures, is read as unknown, and a step of several tokens without `phase` as prefill.\n\n"
		"## Events\n\n| `event_type` | meaning |\n|---|---|\n");
	for (int e = 0; e < EVENT_TYPE_COUNT; e++)
		buf_printf(out, "| `%s` | %s |\n", event_ids[e], event_meanings[e]);
	buf_str(out,
		"\n## Fields, in the order they are written\n\n| field | type | in | meaning |\n|---|---|---|---|\n");
	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct field_spec *s = &field_specs[f];

		buf_printf(out, "| `%s` | %s | ",
			   s->kind == KIND_METRICS ? "performance, resources, accuracy" : s->path, kind_names[s->kind]);
		say_events(out, (enum field_id)f);
		buf_printf(out, " | %s |\n", s->help);
	}
	log_callers_fields(out);
	log_promises(out);
}

static void one_metric(struct buf *out, const struct metric_spec *s)
{
	buf_printf(out, "### `%s`%s\n\n%s · %s\n\n", s->id, s->core ? " (core)" : "", s->label[LANG_EN],
		   s->label[LANG_ZH]);
	buf_printf(out, "- key `%s.%s`, unit %s, %d decimals, %s\n", metric_group_keys[s->group], s->key,
		   *s->unit ? s->unit : "none", s->decimals,
		   s->better == BETTER_LOWER    ? "lower is better"
		   : s->better == BETTER_HIGHER ? "higher is better"
						: "neither high nor low is better");
	buf_printf(out, "- %s\n- %s\n\n", s->help[LANG_EN], s->help[LANG_ZH]);
}

static void one_family(struct buf *out, const struct family_spec *f)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram", "info" };

	buf_printf(out, "| `%s` | %s | ", f->prom, kinds[f->kind]);
	for (size_t i = 0; *f->label && i < f->n_values; i++)
		buf_printf(out, "%s%s%s", i ? ", " : f->label, i ? "" : ": ", f->values[i]);
	buf_printf(out, "%s | %s · %s |\n", f->gpu ? (*f->label ? "; gpu" : "gpu") : "", f->help[LANG_EN],
		   f->help[LANG_ZH]);
}

static void prometheus_table(struct buf *out)
{
	buf_str(out, "\n## Prometheus\n\nThe metrics that `/metrics` and `--metrics-textfile` export "
		     "(docs/PROMETHEUS.md). Every series "
		     "has the labels `model` and\n"
		     "`backend`, except those of the process itself. `serve` adds `instance`; textfiles add it to "
		     "every series. Series\n"
		     "that always exist start at 0; a series whose value is unknown is absent.\n\n"
		     "| name | type | labels | |\n"
		     "|---|---|---|---|\n");
	for (int f = 0; f < FAMILY_COUNT; f++)
		one_family(out, &family_specs[f]);
}

void document_metrics(struct buf *out)
{
	static const char *const titles[METRIC_GROUP_COUNT] = { "Performance", "Resources", "Accuracy" };

	buf_str(out,
		"# Metrics\n\n<!-- Written by `rwkvmon export metrics`; edit src/spec/metrics.def. -->\n\n"
		"A metric whose value is unknown is absent. Resources are sampled every 5 s on a separate thread. "
		"Every record carries the\n"
		"last sample; the metrics of what slows a machine down (clock, heat, quota, waiting) are only in "
		"the first record after\n"
		"each sample. GPU metrics come from NVML, otherwise from the kernel (`metadata.host.gpu_source` "
		"says which).\n\n"
		"If monitoring costs more than its budget (by default 1 % of the forward time) and more than 20 "
		"µs per call, logits and\n"
		"states that the runtime does not summarise itself are measured only in two consecutive calls out "
		"of every N, with N\n"
		"between 4 and 64; the log records N as `sampled_every`. What the Python package itself spends on a "
		"call counts, too.\n\n"
		"Twelve metrics are marked *core*: they are the published set that the log has always had, and no "
		"setting leaves them out.\n");
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

/* In ASCII, so that it does not matter which encoding the reader's program expects. */
static void roff(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_str(out, "\\&");
	while (*text) {
		size_t bytes = 1;
		uint32_t c = utf8_decode(text, &bytes);

		if (c >= 0x80)
			buf_printf(out, "\\[u%04X]", (unsigned)c);
		else
			buf_printf(out, c == '\\' ? "\\e" : c == '-' ? "\\-" : "%c", (char)c);
		text += bytes;
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
	for (int i = 0; command == COMMAND_EXPORT && i < EXPORT_COUNT; i++) {
		buf_str(out, ".TP\n\\fB");
		roff(out, export_specs[i].name);
		buf_str(out, "\\fR\n");
		roff(out, export_specs[i].help[LANG_EN]);
		buf_char(out, '\n');
	}
	for (size_t i = 0; i < option_specs_n; i++)
		if (option_specs[i].commands >> command & 1 && *option_specs[i].help[LANG_EN])
			man_option(out, &option_specs[i]);
	buf_str(out, ".PP\nExample:\n.PP\n.RS\n.nf\n");
	roff(out, c->example);
	buf_str(out, "\n.fi\n.RE\n");
}

void document_man(struct buf *out)
{
	buf_str(out, ".\\\" Written by `rwkvmon export man`; edit src/spec/options.def and src/spec/settings.def.\n"
		     ".TH RWKVMON 1 \"\" \"rwkvmon " RWKVMON_VERSION "\"\n"
		     ".SH NAME\nrwkvmon \\- watches RWKV language models from inside: speed, memory, state\n"
		     ".SH SYNOPSIS\n.B rwkvmon\n.I COMMAND\n[OPTIONS]\n"
		     ".SH COMMANDS\n");
	for (int c = 0; c < COMMAND_COUNT; c++)
		man_command(out, c);
	buf_str(out, ".SH EXIT STATUS\n0 fine; 1 the verdict you asked for (\\-\\-fail\\-on) is bad; 2 wrong "
		     "usage; 3 the input cannot be read; 4 disk, "
		     "network or memory failed.\n"
		     ".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nSet to 1 to print without "
		     "colours.\n.TP\n\\fBRWKVMON_SIMD\\fR\n"
		     "scalar, avx2 or avx512: the widest vector instructions that may be used.\n");
}
