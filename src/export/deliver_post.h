/* deliver_post.h - HTTP through libcurl, which is loaded when it is first needed.
 *
 * Only http and https; redirects are not followed; what the answer says beyond 4 KiB is not read. */
#ifndef RWKVMON_EXPORT_DELIVER_POST_H
#define RWKVMON_EXPORT_DELIVER_POST_H

#include "export/deliver_receiver.h"

struct post; /* an address, and the connection to it */

/* `what` names it in errors ("webhook"). Refuses what is no http address. */
int post_open(struct post **out, const char *what, const char *url, struct err *err);
void post_close(struct post *p);

/* Sends JSON. A status of 2xx is SENT; 408, 429, 5xx and no answer are SEND_LATER; the rest SEND_NEVER.
 * *answer (NULL: not wanted) gets the beginning of the answer. */
enum sent post_json(struct post *p, struct slice body, struct buf *answer, struct attempt *a);

/* GET: the body of an answer with status 200, at most `limit` bytes of it, within timeout_ms. Appends to *out. */
int http_fetch(struct buf *out, const char *url, size_t limit, unsigned timeout_ms, struct err *err);

/* Scheme, host and port of an address, as far as it may be shown. */
void post_redact(char *out, size_t n, const char *url);

#endif
