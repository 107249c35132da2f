/* analysis.c - reads logs and writes a report: read → analyze → diagnose → report. */
#include "cli/analysis.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/parallel_read.h"
#include "cli/progress.h"
#include "cli/tell.h"
#include "read/mapping.h"
#include "read/partial.h"
#include "report/terminal.h"
#include "spec/settings.h"
#include "spec/skipped.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *format_of_ending(const char *path)
{
	static const struct {
		const char *ending, *format;
	} known[] = { { ".html", "html" }, { ".htm", "html" }, { ".md", "markdown" },
		      { ".json", "json" }, { ".csv", "csv" },  { ".mmd", "mermaid" } };
	const char *ending = path ? strrchr(path, '.') : NULL;

	for (size_t i = 0; ending && i < sizeof known / sizeof *known; i++)
		if (!strcmp(ending, known[i].ending))
			return known[i].format;
	return "";
}

bool answer_is_json(const struct options *opts)
{
	return opts->json || (!opts->answer_format && !strcmp(format_of_ending(opts->output), "json"));
}

static const struct format *format_by_ending(const struct format *list, const char *path)
{
	const struct format *f = list;

	while (f->name && strcmp(f->name, format_of_ending(path)))
		f++;
	return f->name ? f : list;
}

const struct format *format_find(const struct format *list, const struct options *opts, struct err *err)
{
	const char *name = opts->format;
	char names[160] = "";

	if (!name)
		return format_by_ending(list, opts->output);

	for (const struct format *f = list; f->name; f++) {
		size_t n = strlen(names);

		if (!strcmp(f->name, name))
			return f;
		snprintf(names + n, sizeof names - n, "%s%s",
			 f == list   ? ""
			 : f[1].name ? err_words(", ")
				     : err_words(" or "),
			 f->name);
	}
	err_set(err, ERR_USAGE, "--format: found \"%s\", expected %s", name, names);
	return NULL;
}

/* --- what the user says about machine and goal --------------------------------------------- */

static int measure(double *gb_s, struct err *err)
{
	*gb_s = memory_bandwidth_gb_s();
	return isfinite(*gb_s) ? 0 : err_set(err, ERR_NOMEM, "--bandwidth measure: no memory to read through");
}

static int parse_bandwidth(struct diagnose_options *out, const char *given, struct err *err)
{
	char *end;

	if (!given)
		return 0;
	out->bandwidth_is_measured = !strcmp(given, "measure");
	if (out->bandwidth_is_measured)
		return measure(&out->bandwidth_gb_s, err);
	out->bandwidth_gb_s = strtod(given, &end);
	if (*given && !*end && out->bandwidth_gb_s > 0 && isfinite(out->bandwidth_gb_s))
		return 0;
	return err_set(err, ERR_USAGE, "--bandwidth: found \"%s\", expected GB/s such as 45.5, or measure", given);
}

static int parse_goal(struct diagnose_options *out, const char *given, struct err *err)
{
	struct setting_value goal;
	int rc = given ? setting_read(&goal, &setting_specs[SETTING_goal], "--goal", given, err) : 0;

	if (given && !rc)
		out->goal_tps = goal.number;
	return rc;
}

int analysis_told(struct diagnose_options *out, const struct options *opts, struct err *err)
{
	int rc = parse_bandwidth(out, opts->bandwidth, err);

	out->rules_are_own = opts->rules != NULL;
	return rc ? rc : parse_goal(out, opts->goal, err);
}

int analysis_rules(struct ruleset **out, const struct options *opts, struct err *err)
{
	*out = NULL;
	if (opts->rules && !strcmp(opts->rules, "none"))
		return 0;
	return ruleset_open(out, opts->rules ? opts->rules : RULES_DEFAULT, err);
}

/* --- reading ------------------------------------------------------------------------- */

int analysis_parse_time(int64_t *out, const char *option, const char *text, struct err *err)
{
	if (!text || time_parse(slice_of(text), out))
		return 0;
	return err_set(err, ERR_USAGE, "--%s: found \"%s\", expected a time such as 2025-09-11T12:34:56Z", option,
		       text);
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	double seconds = progress_seconds(p), rate = seconds > 0 ? (double)done / seconds : 0;
	char per_second[32], left[32];
	struct buf words = { 0 };

	if (!total || done >= total) {
		progress_clear(p);
		return;
	}
	if (!progress_due(p))
		return;
	snprintf(per_second, sizeof per_second, "%.0f", rate / 1e6);
	snprintf(left, sizeof left, "%.0f", rate > 0 ? (double)(total - done) / rate : 0);
	text_fill(&words, tell_lang(), TEXT_PROGRESS_LEFT, per_second, left);
	progress_draw(p, text(TEXT_PROGRESS_READING, tell_lang()), (double)done / (double)total, buf_text(&words));
	buf_free(&words);
}

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

bool analysis_interrupted(void *ctx)
{
	(void)ctx;
	return interrupted;
}

/* Without SA_RESTART, so that a read that waits comes back; the second signal ends the program. */
void analysis_catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int no_effect(const char *option, const char *beside, struct err *err)
{
	return err_set(err, ERR_USAGE, "--%s has no effect with --%s", option, beside);
}

static int push_parts(struct analysis *a, struct partials *parts, struct err *err)
{
	struct columns *rows = aligned_alloc(64, sizeof *rows);
	int rc = rows ? 1 : err_set(err, ERR_NOMEM, "no memory to read with");

	while (rc > 0 && (rc = partials_next(parts, rows, err)) > 0)
		analyze_push_columns(a, rows);
	free(rows);
	return rc;
}

/* Gives the same result as reading the logs from which the parts were made. */
static int analysis_merge(struct analysis *a, const struct log_set *parts, const struct options *opts,
			  struct findings *out, struct err *err)
{
	struct partials *p = NULL;
	int rc;

	if (opts->follow)
		return no_effect("follow", "merge", err);
	if (parts->map)
		return no_effect("map", "merge", err);
	rc = partials_open(&p, parts->path, parts->n, err);
	if (!rc)
		rc = push_parts(a, p, err);
	if (!rc)
		rc = analyze_finish(a, partials_input(p), out, err);
	partials_close(p);
	return rc;
}

/* Options of an analysis belong to the command that merges the parts. */
static int check_partial(const struct options *opts, struct err *err)
{
	const struct {
		const char *name;
		bool given;
	} later[] = {
		{ "merge", opts->merge },     { "format", opts->format },       { "charts", opts->charts },
		{ "goal", opts->goal },       { "bandwidth", opts->bandwidth }, { "follow", opts->follow },
		{ "session", opts->session }, { "since", opts->since },         { "until", opts->until },
		{ "fail-on", opts->fail_on }, { "rules", opts->rules },
	};

	for (size_t i = 0; i < sizeof later / sizeof *later; i++)
		if (later[i].given) {
			no_effect(later[i].name, "partial", err);
			return err_hint(err, "give it to the analyze --merge that puts the parts together");
		}
	if (opts->output)
		return 0;
	err_set(err, ERR_USAGE, "--partial: no file is named to write the part to");
	return err_hint(err, "rwkvmon analyze --partial -o host17.part LOG...");
}

void analysis_tell_unread(const struct options *opts, const struct mapping *map)
{
	struct unread_path unread;
	struct err said;

	for (size_t at = 0; map && !opts->quiet && mapping_next_unread(map, &at, &unread);) {
		err_set(&said, ERR_MAP,
			unread.found ? "%s: %s has no values: what lines have at \"%s\" is not what it takes"
				     : "%s: %s has no values: no line has \"%s\"",
			opts->map, unread.name, unread.path);
		tell_text(TEXT_TOLD, said.text);
	}
}

int analysis_write_part(const struct options *opts, struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct read_options how = { .progress = show_progress, .ctx = &progress };
	struct mapping *map = NULL;
	struct reader *reader = NULL;
	int rc = check_partial(opts, err);

	if (!rc)
		rc = args_need_log(opts, err);
	if (!rc && opts->map)
		rc = mapping_open(&map, opts->map, err);
	how.map = mapping_fields(map);
	if (!rc)
		rc = read_open(&reader, opts->argument, opts->n_arguments, &how, err);
	if (!rc)
		rc = partial_write(opts->output, reader, err);
	progress_clear(&progress);
	read_close(reader);
	if (!rc)
		analysis_tell_unread(opts, map);
	mapping_close(map);
	if (!rc && strcmp(opts->output, "-") && !opts->quiet)
		tell_text(TEXT_WRITTEN_TO, opts->output);
	return rc;
}

int analysis_read_logs(struct analysis *a, const struct log_set *logs, const struct options *opts, struct findings *out,
		       struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct read_options how = { .progress = show_progress, .ctx = &progress, .map = mapping_fields(logs->map) };
	struct reader *reader = NULL;
	int rc;

	if (!opts->read_threads)
		return err_set(err, ERR_USAGE, "--threads: found 0, expected 1 or more");
	if (opts->merge)
		return analysis_merge(a, logs, opts, out, err);
	if (opts->follow) {
		how.stop = analysis_interrupted;
		analysis_catch_interrupts();
	}
	rc = read_open(&reader, logs->path, logs->n, &how, err);
	if (!rc)
		rc = parallel_read(reader, a, logs->observer,
				   opts->follow ? 1 : parallel_read_threads(reader, opts->read_threads), err);
	progress_clear(&progress);
	if (!rc)
		rc = analyze_finish(a, read_input(reader), out, err);
	read_close(reader);
	return rc;
}

static int analyze(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err)
{
	struct ruleset *rules = NULL;
	struct mapping *map = NULL;
	struct analysis *a = NULL;
	int rc = analysis_rules(&rules, opts, err);

	how->rules = rules;
	if (!rc && opts->map)
		rc = mapping_open(&map, opts->map, err);
	if (!rc)
		rc = analyze_open(&a, how, err);
	if (!rc)
		rc = analysis_read_logs(a,
					&(struct log_set){ .path = opts->argument, .n = opts->n_arguments, .map = map },
					opts, out, err);
	analyze_close(a);
	if (!rc)
		analysis_tell_unread(opts, map);
	mapping_close(map);
	ruleset_close(rules);
	return rc;
}

int analysis_read(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err)
{
	int rc = args_need_log(opts, err);

	how->session = opts->session;
	if (!rc)
		rc = analysis_told(&how->diagnose, opts, err);
	if (!rc)
		rc = analysis_parse_time(&how->since_us, "since", opts->since, err);
	if (!rc)
		rc = analysis_parse_time(&how->until_us, "until", opts->until, err);
	if (!rc && opts->since && opts->until && how->until_us < how->since_us)
		rc = err_set(err, ERR_USAGE, "--until lies before --since: nothing can be between them");
	return rc ? rc : analyze(opts, how, out, err);
}

void analysis_tell_skipped(const struct options *opts, uint64_t lines, const struct skipped_line *first)
{
	char n[TERM_TEXT];

	if (lines && first->file && !opts->quiet)
		tell_text(TEXT_SKIPPED_TOLD, term_count(n, lines), first->file,
			  skipped_reason(first->reason, tell_lang()));
}

/* --- answering ------------------------------------------------------------------------ */

int analysis_write(const struct format *format, const struct options *opts, const struct findings *f, struct err *err)
{
	const char *path = opts->output ? opts->output : "-";
	struct report_options how = args_report(opts, path);
	struct buf out = { 0 };
	int rc;

	how.hint_input = opts->argument;
	how.n_hint_input = opts->n_arguments;
	how.hint_map = opts->map;
	how.hint_merge = opts->merge;
	format->draw(&out, f, &how);
	rc = answer_to(path, &out, !strcmp(format->name, "text"), err);
	if (!rc && strcmp(path, "-") && !opts->quiet)
		tell_text(TEXT_WRITTEN_TO, path);
	if (!rc && !f->records && (opts->session || opts->since || opts->until))
		rc = err_set(err, ERR_FORMAT, "no inference step matches --session, --since or --until");
	return rc;
}
