/* receivers.c - KIND+ADDRESS: which kind of receiver it names. */
#include "export/deliver_receiver.h"

#include "base/suggest.h"

#include <stdio.h>

const struct receiver_kind receiver_kinds[] = {
#define RECEIVER(kind, address_, en, zh)                                                                               \
	{ .name = #kind, .address = address_, .help = { en, zh }, .open = receiver_##kind##_open },
#include "export/receivers.def"
#undef RECEIVER
};

const size_t receiver_kinds_n = sizeof receiver_kinds / sizeof *receiver_kinds;

/* The address is not shown: it may be a secret. */
static int unknown_kind(struct slice kind, struct err *err)
{
	struct suggestion near = { .word = kind };
	struct buf list = { 0 };

	for (size_t i = 0; i < receiver_kinds_n; i++) {
		suggest_offer(&near, receiver_kinds[i].name);
		buf_printf(&list, "%s%s", i ? err_words(", ") : "", receiver_kinds[i].name);
	}
	err_set(err, ERR_USAGE, "alarm-to: expected KIND+ADDRESS, with a KIND of %s", list.p ? list.p : "");
	buf_free(&list);
	if (near.best)
		return err_hint(err, "did you mean %s+…?", near.best);
	return err_hint(err, "such as slack+https://hooks.slack.com/services/… or file+alarms.jsonl");
}

int receiver_open(struct receiver **out, const char *text, const struct receiver_setup *setup, struct err *err)
{
	struct slice kind = { text, strcspn(text, "+") };
	struct receiver_setup how = *setup;

	*out = NULL;
	for (size_t i = 0; i < receiver_kinds_n; i++)
		if (text[kind.n] == '+' && slice_is(kind, receiver_kinds[i].name)) {
			how.address = text + kind.n + 1;
			return receiver_kinds[i].open(out, &how, err);
		}
	kind.n = text[kind.n] == '+' ? kind.n : strcspn(text, ":/");
	return unknown_kind(kind, err);
}
