/* metrics_address.h - addresses of /metrics among a command's arguments: fetched once, taken into a scrape.
 *
 * Threads  any; a scrape is its caller's. */
#ifndef RWKVMON_CLI_METRICS_ADDRESS_H
#define RWKVMON_CLI_METRICS_ADDRESS_H

#include "base/buf.h"
#include "base/err.h"
#include "tui/scrape.h"

/* "http://…" or "https://…". */
bool metrics_is_address(const char *argument);

/* Refuses an address that is among these names twice. */
int metrics_addresses_differ(const char *const *names, size_t n, struct err *err);

/* What is there, appended; "http://host:8000" is that of its /metrics. At most 4 MiB, within 3 s. */
int metrics_fetch(struct buf *text, const char *address, struct err *err);

/* Takes it. Series that say nothing of a model or an instance are those of the host and port. */
int metrics_take(struct scrape *s, struct slice text, const char *address, struct err *err);

#endif
