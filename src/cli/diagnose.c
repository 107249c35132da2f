/* diagnose.c - logs in, one named cause out: read → analyze → diagnose → report. */
#include "base/memory.h"
#include "cli/analysis.h"
#include "cli/commands.h"

#include <math.h>
#include <stdlib.h>

static const struct format formats[] = {
	{ "text", report_diagnosis_text },
	{ "json", report_diagnosis_json },
	{ "mermaid", report_diagnosis_mermaid },
	{ "html", report_diagnosis_html },
	{ "markdown", report_diagnosis_markdown },
	{ NULL, NULL },
};

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

int command_diagnose(const struct options *opts, struct err *err)
{
	const struct format *format = format_find(formats, opts->format, err);
	struct analyze_options how = { .ledger = true, .no_session_series = true };
	struct findings findings = { 0 };
	struct diagnosis diagnosis;
	int rc = format ? analysis_read(opts, &how, &findings, err) : -ERR_USAGE;

	if (!rc)
		rc = analysis_diagnose(&diagnosis, &findings, opts, err);
	if (!rc)
		rc = analysis_write(format->draw, opts, &findings, &diagnosis, err);
	findings_free(&findings);
	return rc;
}
