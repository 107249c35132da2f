/* analyze.c - logs in, a report out. */
#include "analyze/gate.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/pictures.h"
#include "cli/tell.h"
#include "report/terminal.h"

static const struct format formats[] = { { "text", report_text }, { "json", report_json },
					 { "html", report_html }, { "markdown", report_markdown },
					 { "csv", report_csv },   { NULL, NULL } };

static int draw_charts(const struct options *opts, const struct findings *f, struct err *err)
{
	char n[TERM_TEXT];
	int drawn, rc = pictures_write(opts->charts, f, args_lang(opts->lang), &drawn, err);

	if (!rc && !opts->quiet)
		tell_text(TEXT_PICTURES_WRITTEN, term_count(n, (uint64_t)drawn), opts->charts);
	return rc;
}

int command_analyze(const struct options *opts, struct err *err)
{
	struct findings findings = { 0 };
	struct conditions bad = { .n = 0 };
	const struct format *format = format_find(formats, opts, err);
	bool page = format && format->draw == report_html;
	struct analyze_options how = { .no_session_series = !page, .foresee = page, .look_for_unusual = true };
	int rc = format ? 0 : -ERR_USAGE;

	if (!rc && opts->partial)
		return analysis_write_part(opts, err);
	if (!rc && opts->fail_on)
		rc = conditions_parse(&bad, opts->fail_on, "--fail-on", err);
	if (!rc)
		rc = gate_check(&bad, err);
	if (!rc && opts->charts)
		rc = pictures_possible(opts->charts, err);
	if (!rc)
		rc = analysis_read(opts, &how, &findings, err);
	if (!rc && format->draw == report_csv) /* other forms hold it */
		analysis_tell_skipped(opts, findings.skipped_lines, findings.skipped);
	if (!rc)
		rc = analysis_write(format, opts, &findings, err);
	if (!rc && opts->charts)
		rc = draw_charts(opts, &findings, err);
	if (!rc)
		rc = gate_judge(&bad, &findings, err);
	findings_free(&findings);
	return rc;
}
