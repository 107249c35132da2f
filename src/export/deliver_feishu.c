/* deliver_feishu.c - robots of Feishu and Lark: code 0 says that the message was taken. Signed requests carry the time
 * in seconds and base64(hmac_sha256(TIME "\n" secret, "")) in their body. */
#include "export/deliver_chat.h"

#include "base/json.h"
#include "export/sign.h"

#include <inttypes.h>

/* Too many requests; more than 100 messages a minute or 5 a second. */
static const int64_t busy[] = { 9499, 11232 };

static void sign(struct chat_request *request, struct slice secret, int64_t now_us)
{
	struct buf key = { 0 }, sum = { 0 }, body = { 0 };
	struct json j = { .out = &body };
	char seconds[24];

	snprintf(seconds, sizeof seconds, "%" PRId64, now_us / 1000000);
	buf_printf(&key, "%s\n%.*s", seconds, SLICE_ARG(secret));
	sign_text(&sum, buf_slice(&key), slice_of(""));
	jw_object(&j);
	jw_put_text(&j, "timestamp", seconds);
	jw_put_slice(&j, "sign", buf_slice(&sum));
	jw_members(&j, buf_slice(&request->body));
	jw_end(&j);
	body.failed |= key.failed || sum.failed;
	buf_free(&key);
	buf_free(&sum);
	buf_free(&request->body);
	request->body = body;
}

static const struct chat_service feishu = { .name = "Feishu",
					    .before = "{\"msg_type\":\"text\",\"content\":{\"text\":",
					    .after = "}}",
					    .code = "code",
					    .words = "msg",
					    .busy = busy,
					    .n_busy = sizeof busy / sizeof *busy,
					    .sign = sign };

int receiver_feishu_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	return chat_open(out, &feishu, setup, err);
}
