/* artefacts.h - files for other programs, made from the tables: Grafana's dashboard, Prometheus' rules. */
#ifndef RWKVMON_CLI_ARTEFACTS_H
#define RWKVMON_CLI_ARTEFACTS_H

#include "base/buf.h"
#include "spec/lang.h"

struct artefact_options {
	enum lang lang;
	const char *grafana_url; /* where links to the dashboard begin */
	const char *docs_url;    /* where links to docs/ begin */
	bool grafana_com;        /* the variant that grafana.com takes: with __inputs */
	bool no_keep_firing;     /* rules for servers that do not know keep_firing_for */
};

void artefact_prometheus_rules(struct buf *out, const struct artefact_options *o);
void artefact_victorialogs(struct buf *out, const struct artefact_options *o);
void document_alerts(struct buf *out);
void artefact_grafana(struct buf *out, const struct artefact_options *o);

#endif
