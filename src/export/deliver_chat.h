/* deliver_chat.h - what chat services that accept a text by HTTP POST have in common. Each service has a file that
 * defines the format of its message, the meaning of its answers, and how requests are signed. */
#ifndef RWKVMON_EXPORT_DELIVER_CHAT_H
#define RWKVMON_EXPORT_DELIVER_CHAT_H

#include "export/deliver_post.h"

/* A request before it goes out. */
struct chat_request {
	struct buf url, body; /* body: one JSON object */
};

struct chat_service {
	const char *name;           /* as people write it */
	const char *before, *after; /* around the JSON string of the text; "" before: the body is the alarm itself */
	const char *code,
		*words;      /* members of the answer: 0 says that it was taken; why not. NULL: the status says it */
	const int64_t *busy; /* (n_busy) codes that mean later: too many messages */
	size_t n_busy;
	/* Signs a request of this moment; NULL: the service has no signatures. */
	void (*sign)(struct chat_request *request, struct slice secret, int64_t now_us);
};

/* setup->address may end in #secret=SECRET. The service's struct outlives the receiver. */
int chat_open(struct receiver **out, const struct chat_service *service, const struct receiver_setup *setup,
	      struct err *err);

#endif
