/* fleet.c - logs of many instances in, one list of them out. */
#include "report/fleet.h"

#include "analyze/gate.h"
#include "cli/analysis.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/fleet_engine.h"
#include "cli/tell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 40 };

static int parse_order(enum fleet_order *out, const char *given, struct err *err)
{
	for (int i = 0; i < FLEET_ORDERS; i++)
		if (!given || !strcmp(given, fleet_order_ids[i])) {
			*out = (enum fleet_order)i;
			return 0;
		}
	return err_set(err, ERR_USAGE, "--sort: found \"%s\", expected trouble, name, latency, speed, alarms or seen",
		       given);
}

static int write_answer(const struct options *opts, const struct findings *f, enum fleet_order order, struct err *err)
{
	const char *path = opts->output ? opts->output : "-";
	struct fleet_options how = { .report = args_report(opts, path),
				     .match = opts->match,
				     .order = order,
				     .most = opts->top == UINT64_MAX ? ROWS : opts->top };
	const bool json = answer_is_json(opts);
	struct buf out = { 0 };

	how.report.columns = strcmp(path, "-") ? 0 : args_columns();
	if (json)
		fleet_json(&out, f, &how);
	else
		fleet_text(&out, f, &how);
	return answer_to(path, &out, !json, err);
}

int command_fleet(const struct options *opts, struct err *err)
{
	struct analyze_options how = { .no_session_series = true };
	struct findings findings = { 0 };
	struct conditions bad = { .n = 0 };
	enum fleet_order order = FLEET_BY_TROUBLE;
	int rc = parse_order(&order, opts->sort, err);

	if (!rc && !fleet_engine_is(opts))
		rc = fleet_engine_options(opts, err);
	if (!rc && opts->fail_on)
		rc = conditions_parse(&bad, opts->fail_on, "--fail-on", err);
	if (!rc)
		rc = gate_check(&bad, err);
	if (!rc)
		rc = fleet_engine_is(opts) ? fleet_engine_ask(opts, &how, &findings, err)
					   : analysis_read(opts, &how, &findings, err);
	if (!rc)
		analysis_tell_skipped(opts, findings.skipped_lines, findings.skipped);
	if (!rc)
		rc = write_answer(opts, &findings, order, err);
	if (!rc)
		rc = gate_judge(&bad, &findings, err);
	findings_free(&findings);
	return rc;
}
