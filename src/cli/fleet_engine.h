/* fleet_engine.h - `rwkvmon fleet http://HOST:9428`: the same list from what was shipped to VictoriaLogs. */
#ifndef RWKVMON_CLI_FLEET_ENGINE_H
#define RWKVMON_CLI_FLEET_ENGINE_H

#include "analyze/analyze.h"
#include "spec/options.h"

/* Is an address named, rather than logs? */
bool fleet_engine_is(const struct options *opts);

/* Refuses, for logs, options that are of use only with an engine. */
int fleet_engine_options(const struct options *opts, struct err *err);
int fleet_engine_ask(const struct options *opts, struct analyze_options *how, struct findings *out, struct err *err);

#endif
