/* deliver_post.h - HTTP through libcurl, which is loaded when it is first needed.
 *
 * Only http and https; redirects are not followed; at most 4 KiB of an answer are read. */
#ifndef RWKVMON_EXPORT_DELIVER_POST_H
#define RWKVMON_EXPORT_DELIVER_POST_H

#include "export/deliver_receiver.h"

struct post; /* an address, and the connection to it */

/* `what` names it in errors ("webhook"). Refuses what is no http address. */
int post_open(struct post **out, const char *what, const char *url, struct err *err);
void post_close(struct post *p);

/* How the receiver is known and how it knows us: `token` (NULL: none) is sent as `Authorization: Bearer`, `ca` (NULL:
 * the system's) is a file of certificates that its own is checked by. */
int post_secure(struct post *p, const char *token, const char *ca, struct err *err);

/* How long a request may take, instead of 5 s: large ones, by a slow line. */
void post_wait(struct post *p, unsigned ms);

/* Sends JSON to `url` (NULL: where it was opened). A status of 2xx is SENT; 408, 429, 5xx and no answer are SEND_LATER;
 * the rest SEND_NEVER. *answer (NULL: not wanted) gets the beginning of the answer. */
enum sent post_json(struct post *p, const char *url, struct slice body, struct buf *answer, struct attempt *a);

#endif
