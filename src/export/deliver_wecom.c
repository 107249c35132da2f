/* deliver_wecom.c - WeCom's group robots: errcode 0 says that the message was taken. */
#include "export/deliver_chat.h"

/* The system is busy; more calls than allowed; more at the same time than allowed. */
static const int64_t busy[] = { -1, 45009, 45033 };

static const struct chat_service wecom = { .name = "WeCom",
					   .before = "{\"msgtype\":\"text\",\"text\":{\"content\":",
					   .after = "}}",
					   .code = "errcode",
					   .words = "errmsg",
					   .busy = busy,
					   .n_busy = sizeof busy / sizeof *busy };

int receiver_wecom_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	return chat_open(out, &wecom, setup, err);
}
