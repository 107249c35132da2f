/* deliver_receiver.h - the interface of a kind of receiver: open an address, render an alarm, send it.
 *
 * Threads  format runs on the writer thread and only reads; send, resend, last and unsent run on the receiver's own
 * thread.
 */
#ifndef RWKVMON_EXPORT_DELIVER_RECEIVER_H
#define RWKVMON_EXPORT_DELIVER_RECEIVER_H

#include "base/buf.h"
#include "export/deliver.h"

#include <stdatomic.h>

/* One alarm on its way to one receiver. */
struct message {
	struct message *next;
	int64_t time_us; /* of the record that fired or resolved it */
	bool firing;
	bool critical;
	bool late;               /* of an earlier session, from the spool */
	struct slice rule, text; /* inside this block */
};

/* Copies rule and text behind the message; NULL: no memory. The caller frees it. */
struct message *message_new(const struct message *facts);

enum sent { SENT, SEND_LATER, SEND_NEVER };

/* One try: how long it may take, and what it says when it fails. */
struct attempt {
	const struct clock *clock;
	const _Atomic uint64_t *deadline_ns; /* nothing goes on beyond; moves when the handle is closed */
	uint64_t retry_after_ns;             /* the receiver asked to wait this long; 0: it did not ask */
	long status;                         /* of the answer; 0: there was none */
	char why[200];                       /* no secrets */
};

/* Milliseconds until the deadline, at most `most`. */
unsigned attempt_ms(const struct attempt *a, unsigned most);

struct receiver {
	char *label;                                                                           /* for people */
	void (*format)(const struct receiver *r, struct buf *out, const struct record *alarm); /* writer thread */
	enum sent (*send)(struct receiver *r, const struct message *m, struct attempt *a);
	enum sent (*resend)(struct receiver *r, struct attempt *a); /* at resend_ns; NULL: never */
	void (*last)(struct receiver *r, int64_t now_us);           /* when all has arrived at the end; may be NULL */
	/* The messages that it stored and could not deliver, one by one; may be NULL. */
	void (*unsent)(const struct receiver *r, void (*tell)(void *ctx, const struct message *m), void *ctx);
	void (*close)(struct receiver *r); /* frees it and its label */
	uint64_t resend_ns;                /* UINT64_MAX: not */
};

/* What a receiver is opened with; texts are copied. */
struct receiver_setup {
	const char *address; /* behind KIND+ */
	enum lang lang;
	const struct clock *clock;
};

/* A row of receivers.def. */
struct receiver_kind {
	const char *name, *address;
	const char *help[LANG_COUNT];
	int (*open)(struct receiver **out, const struct receiver_setup *setup, struct err *err);
};

extern const struct receiver_kind receiver_kinds[];
extern const size_t receiver_kinds_n;

#define RECEIVER(kind, ...)                                                                                            \
	int receiver_##kind##_open(struct receiver **out, const struct receiver_setup *setup, struct err *err);
#include "export/receivers.def"
#undef RECEIVER

/* Opens what KIND+ADDRESS names. */
int receiver_open(struct receiver **out, const char *text, const struct receiver_setup *setup, struct err *err);

/* The alarm as the log has it, and the instance at its end, on one line. */
void format_json_line(const struct receiver *r, struct buf *out, const struct record *alarm);

#endif
