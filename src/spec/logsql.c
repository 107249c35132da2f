/* logsql.c - the table of logsql.def. */
#include "spec/logsql.h"

const struct logsql_spec logsql_specs[LOGSQL_COUNT] = {
#define LOGSQL(name, id_, query_, en, zh) [LOGSQL_##name] = { .id = id_, .query = query_, .help = { en, zh } },
#include "spec/logsql.def"
#undef LOGSQL
};
