/* metrics_log.h - addresses of /metrics as growing logs: what happened between two fetches is a step of each phase.
 *
 * Each address becomes a pipe, which whoever follows logs reads as one (cli/follow.h). A server, or a model or instance
 * that its series name, is a session; tokens of a second are one step, with their mean latency. A second without tokens
 * leaves no line.
 *
 * Ownership  metrics_logs_open creates, metrics_logs_close destroys. The names that it put in are its own: it is closed
 *            after whoever reads by them, and stopped before, so that session_end reaches the reader.
 * Threads    one for each address. */
#ifndef RWKVMON_CLI_METRICS_LOG_H
#define RWKVMON_CLI_METRICS_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct metrics_logs;

/* Puts the pipes' names in place of the addresses among `names` (n); others stay. */
int metrics_logs_open(struct metrics_logs **out, const char **names, size_t n, struct err *err);

/* An address that cannot be read, each once until it can be again; false: nothing new. */
bool metrics_logs_trouble(struct metrics_logs *m, struct err *err);

/* Joins the threads and ends the pipes, behind a session_end each; what is in them can still be read. */
void metrics_logs_stop(struct metrics_logs *m);
void metrics_logs_close(struct metrics_logs *m);

#endif
