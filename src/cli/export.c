/* export.c - prints what other programs need to know about the log. */
#include "base/file.h"
#include "cli/commands.h"
#include "cli/documents.h"

static const struct {
	const char *name;
	void (*write)(struct buf *out);
} documents[] = {
	{ "schema", document_schema },
	{ "log-format", document_log_format },
	{ "metrics", document_metrics },
	{ "man", document_man },
};

enum { DOCUMENTS = sizeof documents / sizeof *documents };

static int print(void (*write)(struct buf *out), struct err *err)
{
	struct buf text = { 0 };
	int rc;

	write(&text);
	rc = text.failed ? err_set(err, ERR_NOMEM, "no memory for the document") : file_write("-", buf_slice(&text), err);
	buf_free(&text);
	return rc;
}

int command_export(const struct options *opts, struct err *err)
{
	for (int i = 0; opts->n_arguments == 1 && i < DOCUMENTS; i++)
		if (!strcmp(opts->argument[0], documents[i].name))
			return print(documents[i].write, err);
	err_set(err, ERR_USAGE, "export: expected one of schema, log-format, metrics, man");
	return err_hint(err, "`rwkvmon export schema` prints the JSON Schema of a log line");
}
