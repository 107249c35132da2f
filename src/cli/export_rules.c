/* export_rules.c - the rules of prometheus.def as a file that Prometheus loads. */
#include "cli/artefacts.h"

#include "spec/charts.h"
#include "spec/prometheus.h"

#include <ctype.h>

/* A JSON string is a YAML string. */
static void add_entry(struct buf *out, const char *indent, const char *key, const char *text)
{
	buf_printf(out, "%s%s: ", indent, key);
	buf_json_string(out, slice_of(text));
	buf_char(out, '\n');
}

static double drawn_limit(enum metric_id m)
{
	for (size_t i = 0; i < limit_spec_count; i++)
		if (limit_specs[i].metric == m)
			return limit_of(limit_specs[i].threshold);
	return 0;
}

/* The expression with its limit. */
static void add_filled(struct buf *out, const struct alert_rule *a)
{
	const char *at = a->metric == METRIC_COUNT ? NULL : strchr(a->expression, '@');

	buf_add(out, a->expression, at ? (size_t)(at - a->expression) : strlen(a->expression));
	if (!at)
		return;
	buf_json_double(out, drawn_limit(a->metric) * a->scale);
	buf_str(out, at + 1);
}

static void add_expression(struct buf *out, const struct alert_rule *a)
{
	struct buf text = { 0 };

	add_filled(&text, a);
	out->failed = out->failed || text.failed;
	if (!text.failed)
		add_entry(out, "        ", "expr", text.p);
	buf_free(&text);
}

/* Links: the alert's paragraph of docs/PROMETHEUS.md, the dashboard with the alert's model chosen. */
static void add_links(struct buf *out, const struct alert_rule *a, const struct artefact_options *o)
{
	struct buf url = { 0 };

	buf_printf(&url, "%s/PROMETHEUS-ALERTS.md#", o->docs_url);
	for (const char *p = a->name; *p; p++)
		buf_char(&url, (char)tolower((unsigned char)*p));
	if (!url.failed)
		add_entry(out, "          ", "runbook_url", url.p);
	buf_clear(&url);
	buf_printf(&url,
		   "%s/d/rwkv-monitor?var-model={{ $labels.model | urlquery }}&var-instance={{ $labels.instance | "
		   "urlquery }}",
		   o->grafana_url);
	if (!url.failed)
		add_entry(out, "          ", "dashboard_url", url.p);
	out->failed = out->failed || url.failed;
	buf_free(&url);
}

static void add_alert(struct buf *out, const struct alert_rule *a, const struct artefact_options *o)
{
	buf_printf(out, "      - alert: %s\n", a->name);
	add_expression(out, a);
	buf_printf(out, "        for: %s\n", a->wait);
	if (strcmp(a->keep, "0s") && !o->no_keep_firing)
		buf_printf(out, "        keep_firing_for: %s\n", a->keep);
	buf_printf(out, "        labels: { severity: %s }\n        annotations:\n", a->severity);
	add_entry(out, "          ", "summary", a->summary[o->lang]);
	add_entry(out, "          ", "description", a->description[o->lang]);
	add_links(out, a, o);
}

/* What runbook_url points to: the same table for people. */
void document_alerts(struct buf *out)
{
	buf_str(out, "# Alerts of `rwkvmon export prometheus-rules`\n\n<!-- Written by `rwkvmon export alerts`; edit "
		     "src/spec/prometheus.def. -->\n\n"
		     "How to load and to route them: [PROMETHEUS.md](PROMETHEUS.md).\n");
	for (size_t i = 0; i < alert_rule_count; i++) {
		const struct alert_rule *a = &alert_rules[i];

		buf_printf(out, "\n### %s\n\n%s\n\n%s\n\nSeverity %s; after %s", a->name, a->description[LANG_EN],
			   a->description[LANG_ZH], a->severity, a->wait);
		if (strcmp(a->keep, "0s"))
			buf_printf(out, ", kept for %s", a->keep);
		buf_str(out, ":\n\n    ");
		add_filled(out, a);
		buf_char(out, '\n');
	}
}

void artefact_prometheus_rules(struct buf *out, const struct artefact_options *o)
{
	buf_str(out, o->no_keep_firing ? "# Written by `rwkvmon export prometheus-rules --no-keep-firing`.\n"
				       : "# Written by `rwkvmon export prometheus-rules`. Needs Prometheus 2.42 or "
					 "vmalert 1.92, or newer "
					 "ones\n# (keep_firing_for); --no-keep-firing writes it for older ones.\n");
	buf_str(out, "groups:\n  - name: rwkvmon-records\n    rules:\n");
	for (size_t i = 0; i < record_rule_count; i++) {
		buf_printf(out, "      - record: %s\n", record_rules[i].name);
		add_entry(out, "        ", "expr", record_rules[i].expression);
	}
	buf_str(out, "  - name: rwkvmon-alerts\n    rules:\n");
	for (size_t i = 0; i < alert_rule_count; i++)
		add_alert(out, &alert_rules[i], o);
}
