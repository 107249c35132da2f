/* diagnose.c - logs in, one named cause out. */
#include "cli/analysis.h"
#include "cli/commands.h"

static const struct format formats[] = {
	{ "text", report_diagnosis_text },         { "json", report_diagnosis_json },
	{ "mermaid", report_diagnosis_mermaid },   { "html", report_diagnosis_html },
	{ "markdown", report_diagnosis_markdown }, { NULL, NULL },
};

int command_diagnose(const struct options *opts, struct err *err)
{
	const struct format *format = format_find(formats, opts, err);
	struct analyze_options how = { .no_session_series = true };
	struct findings findings = { 0 };
	int rc = format ? analysis_read(opts, &how, &findings, err) : -ERR_USAGE;

	if (!rc)
		analysis_tell_skipped(opts, findings.skipped_lines, findings.skipped);
	if (!rc)
		rc = analysis_write(format, opts, &findings, err);
	findings_free(&findings);
	return rc;
}
