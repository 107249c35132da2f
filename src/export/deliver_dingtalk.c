/* deliver_dingtalk.c - DingTalk's group robots: errcode 0 says that the message was taken. Signed requests carry the
 * time in milliseconds and base64(hmac_sha256(secret, TIME "\n" secret)) in their query. */
#include "export/deliver_chat.h"
#include "export/sign.h"

#include <inttypes.h>

/* The system is busy; more than 20 messages a minute. */
static const int64_t busy[] = { -1, 130101 };

static void sign(struct chat_request *request, struct slice secret, int64_t now_us)
{
	struct buf message = { 0 }, sum = { 0 };

	buf_printf(&message, "%" PRId64 "\n%.*s", now_us / 1000, SLICE_ARG(secret));
	sign_text(&sum, secret, buf_slice(&message));
	buf_printf(&request->url, "%ctimestamp=%" PRId64 "&sign=", strchr(request->url.p, '?') ? '&' : '?',
		   now_us / 1000);
	sign_add_query(&request->url, buf_slice(&sum));
	request->url.failed |= message.failed || sum.failed;
	buf_free(&message);
	buf_free(&sum);
}

static const struct chat_service dingtalk = { .name = "DingTalk",
					      .before = "{\"msgtype\":\"text\",\"text\":{\"content\":",
					      .after = "}}",
					      .code = "errcode",
					      .words = "errmsg",
					      .busy = busy,
					      .n_busy = sizeof busy / sizeof *busy,
					      .sign = sign };

int receiver_dingtalk_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	return chat_open(out, &dingtalk, setup, err);
}
