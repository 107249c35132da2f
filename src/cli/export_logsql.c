/* export_logsql.c - the questions of logsql.def, each with what it answers. */
#include "cli/artefacts.h"

#include "spec/logsql.h"

void artefact_victorialogs(struct buf *out, const struct artefact_options *o)
{
	for (int i = 0; i < LOGSQL_COUNT; i++)
		buf_printf(out, "%s# %s: %s\n%s\n", i ? "\n" : "", logsql_specs[i].id, logsql_specs[i].help[o->lang],
			   logsql_specs[i].query);
}
