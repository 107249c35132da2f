/* export.c - prints what other programs and readers need: documents and configuration made from the tables. */
#include "base/file.h"
#include "base/suggest.h"
#include "cli/args.h"
#include "cli/artefacts.h"
#include "cli/commands.h"
#include "cli/documents.h"
#include "cli/export_article.h"
#include "cli/tell.h"

static const struct document {
	void (*write)(struct buf *out); /* one of both */
	void (*write_for)(struct buf *out, const struct artefact_options *o);
} documents[EXPORT_COUNT] = {
	[EXPORT_GRAFANA] = { .write_for = artefact_grafana },
	[EXPORT_PROMETHEUS_RULES] = { .write_for = artefact_prometheus_rules },
	[EXPORT_VICTORIALOGS] = { .write_for = artefact_victorialogs },
	[EXPORT_ALERTS] = { document_alerts, NULL },
	[EXPORT_SCHEMA] = { document_schema, NULL },
	[EXPORT_LOG_FORMAT] = { document_log_format, NULL },
	[EXPORT_METRICS] = { document_metrics, NULL },
	[EXPORT_RULES] = { document_rules, NULL },
	[EXPORT_DIAGNOSIS] = { document_diagnosis, NULL },
	[EXPORT_SETTINGS] = { document_settings, NULL },
	[EXPORT_PYTHON_SETTINGS] = { document_python_settings, NULL },
	[EXPORT_MAN] = { document_man, NULL },
};

static int print(const struct document *d, const struct options *opts, struct err *err)
{
	const struct artefact_options how = { .lang = args_lang(opts->lang),
					      .grafana_url =
						      opts->grafana_url ? opts->grafana_url : "http://localhost:3000",
					      .docs_url = opts->docs_url ? opts->docs_url : "file://" RWKVMON_DOC_DIR,
					      .grafana_com = opts->grafana_com,
					      .no_keep_firing = opts->no_keep_firing };
	struct buf text = { 0 };

	if (d->write)
		d->write(&text);
	else
		d->write_for(&text, &how);
	return answer(&text, false, err);
}

static int unknown(const char *what, struct err *err)
{
	struct suggestion near = { .word = slice_of(what ? what : "") };
	char names[320] = "";

	for (int i = 0; i < EXPORT_COUNT; i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof names - n, "%s%s", i ? err_words(", ") : "", export_specs[i].name);
		suggest_offer(&near, export_specs[i].name);
	}
	if (what)
		err_set(err, ERR_USAGE, "export: found \"%.40s\", expected one of %s", what, names);
	else
		err_set(err, ERR_USAGE, "export: expected one of %s", names);
	return what && near.best ? err_hint(err, "did you mean `rwkvmon export %s`?", near.best)
				 : err_hint(err, "`rwkvmon export --help` says what they are");
}

int command_export(const struct options *opts, struct err *err)
{
	if (opts->n_arguments && !strcmp(opts->argument[0], export_specs[EXPORT_ARTICLE].name))
		return export_article(opts, err);
	for (int i = 0; opts->n_arguments == 1 && i < EXPORT_COUNT; i++)
		if (!strcmp(opts->argument[0], export_specs[i].name))
			return print(&documents[i], opts, err);
	return unknown(opts->n_arguments == 1 ? opts->argument[0] : NULL, err);
}
