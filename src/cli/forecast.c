/* forecast.c - logs in, what comes next out: each method tested on the log's own past. */
#include "analyze/foreseen.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/forecast_train.h"
#include "learn/trained.h"
#include "report/forecast_words.h"

/* The model has learned from the log it is asked about. */
static bool knows_log(const struct findings *f)
{
	for (size_t i = 0; i < f->n_foreseen; i++)
		if (f->foreseen[i].trained == TRAINED_KNOWS_LOG)
			return true;
	return false;
}

static bool is_foreseen(const struct findings *f, enum metric_id m)
{
	for (size_t i = 0; i < f->n_foreseen; i++)
		if (f->foreseen[i].metric == m)
			return true;
	return false;
}

/* Whoever states a limit wants an answer to it: silence would read as "never". */
static int check_limits(const struct findings *f, const struct stated_limits *limits, struct err *err)
{
	for (size_t i = 0; i < limits->n; i++)
		if (!is_foreseen(f, limits->of[i].metric)) {
			const char *metric = metric_specs[limits->of[i].metric].id;

			err_set(err, ERR_FORMAT, "--limit: nothing can be predicted about %s: the log has no %s",
				metric, metric);
			return -ERR_FORMAT;
		}
	return 0;
}

static int forecast(const struct options *opts, const struct stated_limits *limits, struct err *err)
{
	static const struct format text = { "text", report_forecast_text }, json = { "json", report_forecast_json };
	struct analyze_options how = { .foresee = true, .limits = limits, .series_sessions = SIZE_MAX };
	struct findings findings = { 0 };
	struct trained *trained = NULL;
	int rc = opts->lstm ? trained_open(&trained, opts->lstm, err) : 0;

	how.trained = trained;
	if (!rc)
		rc = analysis_read(opts, &how, &findings, err);
	if (!rc)
		analysis_tell_skipped(opts, findings.skipped_lines, findings.skipped);
	if (!rc && knows_log(&findings) && !opts->quiet)
		args_say(args_lang(opts->lang), TEXT_FORECAST_KNOWS_LOG, opts->lstm);
	if (!rc)
		rc = analysis_write(answer_is_json(opts) ? &json : &text, opts, &findings, err);
	if (!rc)
		rc = check_limits(&findings, limits, err);
	findings_free(&findings);
	trained_close(trained);
	return rc;
}

int command_forecast(const struct options *opts, struct err *err)
{
	struct stated_limits limits = { .n = 0 };
	int rc = opts->limit ? stated_limits_parse(&limits, opts->limit, "--limit", err) : 0;

	if (rc)
		return rc;
	return opts->train ? forecast_train(opts, &limits, err) : forecast(opts, &limits, err);
}
