/* analysis.c - logs in, an answer out: read → analyze → diagnose → report. */
#include "cli/analysis.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/crew.h"
#include "cli/progress.h"
#include "read/mapping.h"
#include "read/read.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

const struct format *format_find(const struct format *list, const char *name, struct err *err)
{
	char names[160] = "";

	for (const struct format *f = list; f->name; f++) {
		size_t n = strlen(names);

		if (!name || !strcmp(f->name, name))
			return f;
		snprintf(names + n, sizeof names - n, "%s%s", f == list ? "" : f[1].name ? ", " : " or ", f->name);
	}
	err_set(err, ERR_USAGE, "--format: found \"%s\", expected %s", name, names);
	return NULL;
}

/* --- reading ------------------------------------------------------------------------- */

static int parse_bound(int64_t *out, const char *option, const char *text, struct err *err)
{
	if (!text || time_parse(slice_of(text), out))
		return 0;
	return err_set(err, ERR_USAGE, "--%s: found \"%s\", expected a time such as 2025-09-11T12:34:56Z", option, text);
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;
	double seconds = progress_seconds(p), rate = seconds > 0 ? (double)done / seconds : 0;
	char text[80];

	if (!total || done >= total) {
		progress_clear(p);
		return;
	}
	if (!progress_due(p))
		return;
	snprintf(text, sizeof text, "%.0f MB/s, %.0f s left", rate / 1e6, rate > 0 ? (double)(total - done) / rate : 0);
	progress_draw(p, "reading", (double)done / (double)total, text);
}

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static bool is_interrupted(void *ctx)
{
	(void)ctx;
	return interrupted;
}

/* Without SA_RESTART, so that a read that waits comes back; the second signal ends the program. */
static void catch_interrupts(void)
{
	struct sigaction action = { .sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int analysis_read_logs(struct analysis *a, const struct log_set *logs, const struct options *opts, struct findings *out,
		       struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct read_options how = { .progress = show_progress, .ctx = &progress, .map = mapping_fields(logs->map) };
	struct reader *reader = NULL;
	int rc;

	if (opts->follow) {
		how.stop = is_interrupted;
		catch_interrupts();
	}
	rc = read_open(&reader, logs->path, logs->n, &how, err);
	if (!rc)
		rc = crew_read(reader, a, logs->witness, opts->follow ? 1 : crew_size(reader, opts->read_threads), err);
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
	int rc = ruleset_open(&rules, opts->rules ? opts->rules : "baseline", err);

	how->rules = rules;
	if (!rc && opts->map)
		rc = mapping_open(&map, opts->map, err);
	if (!rc)
		rc = analyze_open(&a, how, err);
	if (!rc)
		rc = analysis_read_logs(a, &(struct log_set){ .path = opts->argument, .n = opts->n_arguments, .map = map }, opts,
					out, err);
	analyze_close(a);
	mapping_close(map);
	ruleset_close(rules);
	return rc;
}

int analysis_read(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err)
{
	int rc;

	if (!opts->n_arguments) {
		err_set(err, ERR_USAGE, "no log is named");
		return err_hint(err, "name files or directories, or - for standard input: %s", command_specs[COMMAND_ANALYZE].example);
	}
	how->session = opts->session;
	rc = parse_bound(&how->since_us, "since", opts->since, err);
	if (!rc)
		rc = parse_bound(&how->until_us, "until", opts->until, err);
	if (!rc && opts->since && opts->until && how->until_us < how->since_us)
		rc = err_set(err, ERR_USAGE, "--until lies before --since: nothing can be between them");
	return rc ? rc : analyze(opts, how, out, err);
}

/* --- diagnosing ----------------------------------------------------------------------- */

static int measure(double *gb_s, struct err *err)
{
	*gb_s = memory_bandwidth_gb_s();
	return isfinite(*gb_s) ? 0 : err_set(err, ERR_NOMEM, "--bandwidth measure: no memory to read through");
}

int analysis_diagnose(struct diagnosis *out, const struct findings *f, const struct options *opts, struct err *err)
{
	struct diagnose_options how = { .bandwidth_gb_s = NAN };
	const char *given = opts->bandwidth;
	char *end;
	int rc = 0;

	if (given && !strcmp(given, "measure")) {
		how.bandwidth_is_measured = true;
		rc = measure(&how.bandwidth_gb_s, err);
	} else if (given) {
		how.bandwidth_gb_s = strtod(given, &end);
		if (!*given || *end || !(how.bandwidth_gb_s > 0) || !isfinite(how.bandwidth_gb_s))
			rc = err_set(err, ERR_USAGE, "--bandwidth: found \"%s\", expected GB/s such as 45.5, or measure", given);
	}
	if (!rc)
		diagnose(out, f, &how);
	return rc;
}

/* --- answering ------------------------------------------------------------------------ */

int analysis_write(report_fn *draw, const struct options *opts, const struct findings *f, const struct diagnosis *diagnosis,
		   struct err *err)
{
	const char *path = opts->output ? opts->output : "-";
	struct report_options how = { .lang = args_lang(opts->lang), .hint_input = opts->argument[0], .diagnosis = diagnosis };
	struct buf out = { 0 };
	int rc;

	how.color = !strcmp(path, "-") && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	draw(&out, f, &how);
	rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the report") : file_write(path, buf_slice(&out), err);
	buf_free(&out);
	if (!rc && strcmp(path, "-") && !opts->quiet)
		fprintf(stderr, "written to %s\n", path);
	return rc;
}

