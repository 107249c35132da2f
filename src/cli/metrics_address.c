/* metrics_address.c - fetches expositions for `watch` and `serve`. */
#include "cli/metrics_address.h"

#include "base/clock.h"
#include "export/http_ask.h"

#include <string.h>

enum { FETCH_MS = 3000, TEXT_MAX_BYTES = 4 << 20 };

bool metrics_is_address(const char *argument)
{
	return !strncmp(argument, "http://", 7) || !strncmp(argument, "https://", 8);
}

/* Without a slash at its end. */
static struct slice address_of(const char *text)
{
	const size_t n = strlen(text);

	return (struct slice){ text, n - (n && text[n - 1] == '/') };
}

int metrics_addresses_differ(const char *const *names, size_t n, struct err *err)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct slice a = address_of(names[i]), b = address_of(names[k]);

			if (metrics_is_address(names[i]) && a.n == b.n && !memcmp(a.p, b.p, a.n))
				return err_set(err, ERR_USAGE, "%s is given twice", names[i]);
		}
	return 0;
}

int metrics_fetch(struct buf *text, const char *address, struct err *err)
{
	const char *path = strchr(strstr(address, "://") + 3, '/');
	struct buf url = { 0 };
	int rc;

	buf_str(&url, address);
	if (!path || !path[1])
		buf_str(&url, path ? "metrics" : "/metrics");
	rc = url.failed ? err_set(err, ERR_NOMEM, "no memory to fetch")
			: http_fetch(text, url.p, TEXT_MAX_BYTES, FETCH_MS, err);
	buf_free(&url);
	return rc;
}

int metrics_take(struct scrape *s, struct slice text, const char *address, struct err *err)
{
	const char *host = strstr(address, "://") + 3;

	snprintf(s->name, sizeof s->name, "%.*s", (int)strcspn(host, "/"), host);
	if (scrape_take(s, text, clock_wall_us(&clock_system)))
		return 0;
	return err_set(err, ERR_FORMAT, "%.100s: no series that is known: expected rwkv_… or llamacpp:…", address);
}
