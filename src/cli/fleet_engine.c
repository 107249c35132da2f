/* fleet_engine.c - which time is asked for, and an engine's answers as findings. */
#include "cli/fleet_engine.h"

#include "base/clock.h"
#include "base/secret.h"
#include "cli/analysis.h"
#include "cli/progress.h"
#include "cli/tell.h"
#include "export/url.h"
#include "forecast/unusual.h"
#include "report/terminal.h"
#include "ship/engine.h"

#include <stdlib.h>

/* Twice as many minutes as an instance needs before any of its own can be called unusual. */
static const int64_t UNUSUAL_LEAST_US = 2 * UNUSUAL_LEAST * INT64_C(60000000);

static bool is_address(const char *argument)
{
	return !strncmp(argument, "http://", 7) || !strncmp(argument, "https://", 8);
}

bool fleet_engine_is(const struct options *opts)
{
	return opts->n_arguments && is_address(opts->argument[0]);
}

/* "90s", "15m", "6h", "7d" in microseconds. */
static int parse_last(int64_t *out, const char *text, struct err *err)
{
	static const struct {
		char letter;
		int64_t us;
	} units[] = {
		{ 's', 1000000 }, { 'm', 60000000 }, { 'h', INT64_C(3600000000) }, { 'd', INT64_C(86400000000) }
	};
	char *end;
	const long n = strtol(text, &end, 10);

	for (size_t i = 0; n > 0 && n <= 100000 && i < sizeof units / sizeof *units; i++)
		if (end[0] == units[i].letter && !end[1]) {
			*out = n * units[i].us;
			return 0;
		}
	return err_set(err, ERR_USAGE, "--last: found \"%.40s\", expected a time such as 15m, 6h or 7d", text);
}

static int find_times(struct engine_question *q, const struct options *opts, struct err *err)
{
	const int64_t now = clock_wall_us(&clock_system);
	int64_t last = INT64_C(3600000000);
	int rc = opts->last ? parse_last(&last, opts->last, err) : 0;

	q->to_us = now;
	rc = rc ? rc : analysis_parse_time(&q->to_us, "until", opts->until, err);
	q->from_us = q->to_us - last;
	rc = rc ? rc : analysis_parse_time(&q->from_us, "since", opts->since, err);
	if (!rc && opts->last && opts->since)
		rc = err_set(err, ERR_USAGE, "fleet: --last and --since both say when to begin: give one of them");
	if (!rc && q->from_us >= q->to_us)
		rc = err_set(err, ERR_USAGE, "--until lies before --since: nothing can be between them");
	return rc;
}

static int check(const struct options *opts, struct err *err)
{
	const char *of_logs = opts->rules                        ? "rules"
			      : opts->merge                      ? "merge"
			      : opts->map                        ? "map"
			      : opts->read_threads != UINT64_MAX ? "threads"
								 : NULL;

	if (opts->n_arguments > 1)
		return err_set(err, ERR_USAGE, "fleet: expected logs alone, or one address alone");
	if (!of_logs) {
		int rc = url_check_base("fleet", opts->argument[0], err);

		return rc ? rc : url_check_ca("to-ca", opts->argument[0], opts->to_ca, err);
	}
	err_set(err, ERR_USAGE, "fleet: --%s is for logs, not for an engine", of_logs);
	return opts->rules ? err_hint(err, "roll-ups hold no single steps to judge; alarms that the collector raised "
					   "are listed")
			   : -ERR_USAGE;
}

int fleet_engine_options(const struct options *opts, struct err *err)
{
	const char *option = opts->last ? "last" : opts->to_token ? "to-token" : opts->to_ca ? "to-ca" : NULL;

	if (!option)
		return 0;
	err_set(err, ERR_USAGE, "fleet: --%s is for an engine, not for logs", option);
	return err_hint(err, "--since and --until name the time that is read of logs");
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;

	if (progress_due(p))
		progress_draw(p, text(TEXT_PROGRESS_ASKING, tell_lang()), (double)done / (double)total, "");
}

static int finish(const struct analysis *a, const struct engine_answer *n, const struct engine_question *q,
		  struct findings *out, struct err *err)
{
	char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES], bad[TERM_TEXT];
	int rc = analyze_finish(a, NULL, out, err);

	if (!rc && n->bad)
		tell_text(TEXT_FLEET_LINES_BAD, term_count(bad, n->bad));
	if (!rc)
		out->types_judged = UINT64_MAX; /* collectors judged the steps; their alarms are counted */
	if (rc || out->n_instances)
		return rc;
	time_format(from, q->from_us);
	time_format(to, q->to_us);
	err_set(err, ERR_FORMAT, "fleet: the engine has no roll-ups from %s to %s", from, to);
	return err_hint(err, "name another time with --last or --since and --until; `rwkvmon ship` sends roll-ups");
}

int fleet_engine_ask(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct engine_question q = {
		.url = opts->argument[0], .ca = opts->to_ca, .progress = show_progress, .ctx = &progress
	};
	struct engine_answer n = { .rows = 0 };
	struct analysis *a = NULL;
	char *token = NULL;
	int rc = check(opts, err);

	rc = rc ? rc : find_times(&q, opts, err);
	rc = rc ? rc : secret_read(&token, opts->to_token, err);
	rc = rc ? rc : analysis_told(&how->diagnose, opts, err);
	how->look_for_unusual = q.to_us - q.from_us >= UNUSUAL_LEAST_US;
	rc = rc ? rc : analyze_open(&a, how, err);
	q.token = token;
	rc = rc ? rc : engine_ask(a, &q, &n, err);
	progress_clear(&progress);
	rc = rc ? rc : finish(a, &n, &q, out, err);
	analyze_close(a);
	free(token);
	return rc;
}
