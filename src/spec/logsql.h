/* logsql.h - the table of logsql.def as data. */
#ifndef RWKVMON_SPEC_LOGSQL_H
#define RWKVMON_SPEC_LOGSQL_H

#include "spec/lang.h"

enum logsql_id {
#define LOGSQL(name, ...) LOGSQL_##name,
#include "spec/logsql.def"
#undef LOGSQL
	LOGSQL_COUNT
};

struct logsql_spec {
	const char *id, *query;
	const char *help[LANG_COUNT];
};

extern const struct logsql_spec logsql_specs[LOGSQL_COUNT];

#endif
