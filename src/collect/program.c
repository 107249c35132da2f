/* program.c - rules as the writer thread uses them: the set, and the state of this session. */
#include "collect/collector.h"

#include <stdlib.h>

void collector_free_rules(struct rule_program *p)
{
	if (!p)
		return;
	rules_close(p->rules);
	ruleset_close(p->set);
	free(p);
}

int collector_open_rules(struct rule_program **out, const char *name, struct err *err)
{
	struct rule_program *p = calloc(1, sizeof *p);
	int rc = p ? ruleset_open(&p->set, name, err) : err_set(err, ERR_NOMEM, "no memory for the rules");

	*out = NULL;
	if (!rc)
		rc = rules_open(&p->rules, p->set, RULES_LIVE, err);
	if (rc)
		collector_free_rules(p);
	else
		*out = p;
	return rc;
}
