/* deliver_slack.c - Slack's incoming webhooks: {"text":…}; the status says whether it was taken, 429 says when to come
 * again. */
#include "export/deliver_chat.h"

static const struct chat_service slack = { .name = "Slack", .before = "{\"text\":", .after = "}" };

int receiver_slack_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	return chat_open(out, &slack, setup, err);
}
