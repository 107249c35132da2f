/* compare.c - two groups of logs in, their differences out: read → compare, analyze → report. */
#include "analyze/compare.h"
#include "analyze/analyze.h"
#include "analyze/gate.h"
#include "base/file.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/tell.h"
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct compare_format {
	const char *name;
	compare_report_fn *draw;
} formats[] = { { "text", compare_text }, { "markdown", compare_markdown }, { "json", compare_json } };

/* NULL: there is no such format. */
static const struct compare_format *find_format(const struct options *opts)
{
	const char *name = opts->format ? opts->format : format_of_ending(opts->output);

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (!strcmp(formats[i].name, name))
			return &formats[i];
	return opts->format ? NULL : formats;
}

/* The logs of one side. */
struct group {
	const char *const *path; /* (n) */
	size_t n;
	struct buf name;
};

static int find_groups(const struct options *opts, struct group group[2], struct err *err)
{
	size_t first = opts->vs ? opts->n_before_vs : 1;
	int rc;

	if (!first || first >= opts->n_arguments || (!opts->vs && opts->n_arguments != 2)) {
		rc = err_set(err, ERR_USAGE, "compare: found %zu log%s, expected two: A B", opts->n_arguments,
			     opts->n_arguments == 1 ? "" : "s");
		err_hint(err,
			 "name two files, directories or quoted patterns; with more a side, put --vs between them: "
			 "rwkvmon compare a1.log a2.log --vs b1.log b2.log");
		return rc;
	}
	group[0] = (struct group){ .path = opts->argument, .n = first };
	group[1] = (struct group){ .path = opts->argument + first, .n = opts->n_arguments - first };
	for (int side = 0; side < 2; side++) {
		buf_str(&group[side].name, group[side].path[0]);
		if (group[side].n > 1)
			buf_printf(&group[side].name, " (+%zu)", group[side].n - 1);
		if (group[side].name.failed)
			return err_set(err, ERR_NOMEM, "no memory for the names");
	}
	return 0;
}

/* Each side finds its own. */
static int check_stdin(const struct group group[2], struct err *err)
{
	int sides = 0;

	for (int i = 0; i < 2; i++) {
		bool has = false;

		for (size_t k = 0; k < group[i].n; k++)
			has |= !strcmp(group[i].path[k], "-");
		sides += has;
	}
	return sides < 2 ? 0 : err_set(err, ERR_USAGE, "- is named twice: standard input can be read once");
}

static bool are_one_file(const char *a, const char *b)
{
	struct stat of_a, of_b;

	return !stat(a, &of_a) && !stat(b, &of_b) && S_ISREG(of_a.st_mode) && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

/* A log that is on both sides differs in nothing there, which is no result. */
static void tell_shared(const struct group group[2])
{
	for (size_t i = 0; i < group[0].n; i++)
		for (size_t k = 0; k < group[1].n; k++)
			if (are_one_file(group[0].path[i], group[1].path[k]))
				tell_text(TEXT_COMPARE_SHARED, group[0].path[i]);
}

static void see(void *ctx, const struct columns *c)
{
	for (size_t row = 0; row < c->n; row++) {
		struct record rec;

		columns_record(c, row, &rec);
		compare_side_add(ctx, &rec, c->session_id[row]);
	}
}

/* One side read to its end: its blocks, and its findings for alarms and absolute limits. */
static int read_side(const struct group *group, struct compare_side *side, const struct ruleset *rules,
		     const struct options *opts, struct findings *findings, struct err *err)
{
	const struct read_observer observer = { .see = see, .ctx = side };
	const struct log_set logs = { .path = group->path, .n = group->n, .observer = &observer };
	struct analyze_options how = { .rules = rules, .no_session_series = true };
	struct analysis *a = NULL;
	int rc = analyze_open(&a, &how, err);

	if (!rc)
		rc = analysis_read_logs(a, &logs, opts, findings, err);
	analyze_close(a);
	return rc;
}

/* --- the gate ------------------------------------------------------------------------- */

/* 1 + which estimate a statistic's change is; 0: it has none. */
static const signed char estimates[STATISTIC_COUNT_OF] = {
	[STATISTIC_P50] = 1 + COMPARED_MEDIAN, [STATISTIC_P90] = 1 + COMPARED_P90,   [STATISTIC_P95] = 1 + COMPARED_P95,
	[STATISTIC_P99] = 1 + COMPARED_P99,    [STATISTIC_MEAN] = 1 + COMPARED_MEAN,
};

static bool is_change(const struct condition *c)
{
	return c->type == ALARM_TYPE_COUNT && c->percent;
}

/* Before anything is read. */
static int check_changes(const struct conditions *bad, struct err *err)
{
	for (size_t i = 0; i < bad->n; i++)
		if (is_change(&bad->of[i]) && !estimates[bad->of[i].statistic])
			return err_set(err, ERR_USAGE,
				       "--fail-on: \"%.*s\": a change is known of p50 (median), p90, p95, p99 and mean",
				       SLICE_ARG(bad->of[i].text));
	return 0;
}

/* Explains why a change as bad as the option's limit still passes. */
static void say_not_counted(const struct condition *c, const struct estimate *e, const struct options *opts)
{
	char goal[128], is[32], low[32], high[32];

	snprintf(goal, sizeof goal, "%.*s", SLICE_ARG(c->text));
	snprintf(is, sizeof is, "%+.3g", 100 * e->relative);
	snprintf(low, sizeof low, "%+.3g", 100 * e->relative_low);
	snprintf(high, sizeof high, "%+.3g", 100 * e->relative_high);
	if (!opts->quiet)
		tell_text(TEXT_NOT_COUNTED, goal, is, low, high);
}

static const char *too_few(enum difference_reason reason)
{
	return reason == REASON_FEW_SAMPLES  ? "too few samples"
	       : reason == REASON_SHORT_RUNS ? "steps resemble those long before them: too short runs"
					     : "too few steps";
}

/* One more condition that holds; of what A has none of, B's value tells more than a percentage. */
static int shut(const struct condition *c, const struct estimate *e, bool by_run, struct err *err)
{
	const char *few = by_run ? "" : err_words(" (fewer than 3 runs a side)");
	const bool of_none = isinf(e->relative);
	char unit[96];

	snprintf(unit, sizeof unit, "%s%s%s", of_none ? metric_specs[c->metric].unit : "%",
		 of_none ? err_words(" after 0") : "", few);
	return gate_add(err, c, of_none ? e->b : 100 * e->relative, unit);
}

/* A change in percent counts only if its whole interval is on one side of 0. */
static int judge_change(const struct condition *c, const struct comparison *comparison, const struct options *opts,
			struct err *err)
{
	const struct difference *d = comparison_row(comparison, c->metric, c->phase);
	const struct estimate *e = d ? &d->of[estimates[c->statistic] - 1] : NULL;
	double change;

	if (!d) {
		err_set(err, ERR_FORMAT, "--fail-on: \"%.*s\" cannot be judged: the two logs have no %s in common",
			SLICE_ARG(c->text), metric_specs[c->metric].id);
		for (int i = 0; i < 2; i++)
			if (!comparison->side[i].records && comparison->side[i].left_out)
				err_hint(err, "all steps of side %c are excluded as warm-up: --warmup 0 keeps them",
					 'A' + i);
		return -ERR_FORMAT;
	}
	if (isnan(e->relative) || isnan(e->relative_low))
		return err_set(err, ERR_FORMAT, "--fail-on: \"%.*s\" cannot be judged: %s on one of the sides",
			       SLICE_ARG(c->text), err_words(too_few(d->reason)));
	change = 100 * e->relative;
	if (!condition_holds(c, change))
		return 0;
	if (e->low <= 0 && 0 <= e->high && change != 0) {
		say_not_counted(c, e, opts);
		return 0;
	}
	return shut(c, e, comparison->by_run, err);
}

/* Changes are those from A to B; everything else is asked about B. */
static int judge(const struct conditions *bad, const struct comparison *c, const struct findings *b,
		 const struct options *opts, struct err *err)
{
	int verdict = 0;

	for (size_t i = 0; i < bad->n; i++) {
		const struct condition *condition = &bad->of[i];
		struct conditions one = { .of = { *condition }, .n = 1 };
		int rc = is_change(condition) ? judge_change(condition, c, opts, err) : gate_judge(&one, b, err);

		if (rc && rc != -ERR_VERDICT)
			return rc;
		verdict = rc ? rc : verdict;
	}
	return verdict;
}

/* --- the command ------------------------------------------------------------------------ */

static int write_report(const struct compare_format *format, const struct options *opts, const struct comparison *c,
			const struct compare_input *in, struct err *err)
{
	const char *path = opts->output ? opts->output : "-";
	const struct report_options how = args_report(opts, path);
	struct buf out = { 0 };
	int rc;

	format->draw(&out, c, in, &how);
	rc = answer_to(path, &out, !strcmp(format->name, "text"), err);
	if (!rc && strcmp(path, "-") && !opts->quiet)
		tell_text(TEXT_WRITTEN_TO, path);
	return rc;
}

static int compare(const struct options *opts, const struct compare_format *format, const struct conditions *bad,
		   const struct group group[2], struct err *err)
{
	uint64_t warmup = opts->warmup == UINT64_MAX ? COMPARE_WARMUP : opts->warmup;
	struct compare_side *side[2] = { NULL, NULL };
	struct findings findings[2] = { 0 };
	struct comparison c = { .n = 0 };
	struct ruleset *rules = NULL;
	int rc = analysis_rules(&rules, opts, err);

	for (int i = 0; i < 2 && !rc; i++) {
		rc = compare_side_open(&side[i], warmup, err);
		if (!rc)
			rc = read_side(&group[i], side[i], rules, opts, &findings[i], err);
	}
	if (!rc)
		rc = compare_sides(side[0], side[1], &c, err);
	if (!rc)
		rc = write_report(
			format, opts, &c,
			&(struct compare_input){ { group[0].name.p, group[1].name.p }, { &findings[0], &findings[1] } },
			err);
	if (!rc)
		rc = judge(bad, &c, &findings[1], opts, err);
	comparison_free(&c);
	for (int i = 0; i < 2; i++) {
		findings_free(&findings[i]);
		compare_side_close(side[i]);
	}
	ruleset_close(rules);
	return rc;
}

int command_compare(const struct options *opts, struct err *err)
{
	const struct compare_format *format = find_format(opts);
	struct conditions bad = { .n = 0 };
	struct group group[2] = { 0 };
	int rc;

	if (!format)
		return err_set(err, ERR_USAGE, "--format: found \"%s\", expected text, markdown or json", opts->format);
	rc = find_groups(opts, group, err);
	if (!rc && opts->fail_on)
		rc = conditions_parse(&bad, opts->fail_on, "--fail-on", err);
	if (!rc)
		rc = check_stdin(group, err);
	if (!rc)
		rc = check_changes(&bad, err);
	if (!rc && !opts->quiet)
		tell_shared(group);
	if (!rc)
		rc = compare(opts, format, &bad, group, err);
	buf_free(&group[0].name);
	buf_free(&group[1].name);
	return rc;
}
