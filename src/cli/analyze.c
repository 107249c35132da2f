/* analyze.c - logs in, a report out. */
#include "analyze/gate.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/pictures.h"

static const struct format formats[] = { { "text", report_text }, { "json", report_json }, { "html", report_html },
				    { "markdown", report_markdown }, { "csv", report_csv }, { NULL, NULL } };

static int draw_charts(const struct options *opts, const struct findings *f, struct err *err)
{
	int drawn, rc = pictures_write(opts->charts, f, args_lang(opts->lang), &drawn, err);

	if (!rc && !opts->quiet)
		fprintf(stderr, "%d pictures written to %s\n", drawn, opts->charts);
	return rc;
}

int command_analyze(const struct options *opts, struct err *err)
{
	struct findings findings = { 0 };
	struct conditions bad = { .n = 0 };
	struct diagnosis diagnosis;
	const struct format *format = format_find(formats, opts->format, err);
	bool page = format && format->draw == report_html;
	struct analyze_options how = { .ledger = page, .no_session_series = !page };
	int rc = format ? 0 : -ERR_USAGE;

	if (!rc && opts->fail_on)
		rc = conditions_parse(&bad, opts->fail_on, "--fail-on", err);
	if (!rc)
		rc = gate_check(&bad, err);
	if (!rc)
		rc = analysis_read(opts, &how, &findings, err);
	if (!rc && page)
		rc = analysis_diagnose(&diagnosis, &findings, opts, err);
	if (!rc)
		rc = analysis_write(format->draw, opts, &findings, page ? &diagnosis : NULL, err);
	if (!rc && opts->charts)
		rc = draw_charts(opts, &findings, err);
	if (!rc)
		rc = gate_judge(&bad, &findings, err);
	findings_free(&findings);
	return rc;
}
