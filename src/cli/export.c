/* export.c - prints what other programs and readers need: documents and configuration made from the tables. */
#include "base/file.h"
#include "cli/args.h"
#include "cli/artefacts.h"
#include "cli/commands.h"
#include "cli/documents.h"

static const struct document {
	const char *name;
	void (*write)(struct buf *out);					    /* one of both */
	void (*write_for)(struct buf *out, const struct artefact_options *o);
} documents[] = {
	{ "grafana", NULL, artefact_grafana },
	{ "prometheus-rules", NULL, artefact_prometheus_rules },
	{ "alerts", document_alerts, NULL },
	{ "schema", document_schema, NULL },
	{ "log-format", document_log_format, NULL },
	{ "metrics", document_metrics, NULL },
	{ "rules", document_rules, NULL },
	{ "diagnosis", document_diagnosis, NULL },
	{ "man", document_man, NULL },
};

enum { DOCUMENTS = sizeof documents / sizeof *documents };

static int print(const struct document *d, const struct options *opts, struct err *err)
{
	const struct artefact_options how = { .lang = args_lang(opts->lang),
					      .grafana_url = opts->grafana_url ? opts->grafana_url : "http://localhost:3000",
					      .docs_url = opts->docs_url ? opts->docs_url : "file://" RWKVMON_DOC_DIR,
					      .grafana_com = opts->grafana_com };
	struct buf text = { 0 };
	int rc;

	if (d->write)
		d->write(&text);
	else
		d->write_for(&text, &how);
	rc = text.failed ? err_set(err, ERR_NOMEM, "no memory for the document") : file_write("-", buf_slice(&text), err);
	buf_free(&text);
	return rc;
}

int command_export(const struct options *opts, struct err *err)
{
	for (int i = 0; opts->n_arguments == 1 && i < DOCUMENTS; i++)
		if (!strcmp(opts->argument[0], documents[i].name))
			return print(&documents[i], opts, err);
	err_set(err, ERR_USAGE, "export: expected one of grafana, prometheus-rules, alerts, schema, log-format, metrics, rules, diagnosis, man");
	return err_hint(err, "`rwkvmon export grafana` prints the dashboard, `rwkvmon export schema` the JSON Schema of a log line");
}
