/* proxy_watch.h - requests that pass through the proxy become records. */
#ifndef RWKVMON_CLI_PROXY_WATCH_H
#define RWKVMON_CLI_PROXY_WATCH_H

#include "proxy/proxy.h"

#include <rwkvmon.h>

struct proxy_watch {
	rwkvmon *mon;
	bool log_text;
	uint32_t running, waiting; /* requests; of those, the ones whose answer has not begun */
};

/* For struct proxy_watcher, with a proxy_watch as ctx. */
void *proxy_watch_begin(void *ctx, struct completion *c, struct slice request_id);
void proxy_watch_end(void *ctx, void *begun, const struct completion *c, const struct proxy_outcome *o);

#endif
