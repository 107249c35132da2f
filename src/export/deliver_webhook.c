/* deliver_webhook.c - the alarm itself, as the log has it, as the body of an HTTP POST. */
#include "export/deliver_chat.h"

static const struct chat_service webhook = { .name = "the webhook", .before = "", .after = "" };

int receiver_webhook_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	return chat_open(out, &webhook, setup, err);
}

int receiver_json_open(struct receiver **out, const struct receiver_setup *setup, struct err *err)
{
	return chat_open(out, &webhook, setup, err);
}
