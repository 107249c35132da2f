/* deliver_receiver.h - what deliver.c asks of each kind of receiver. */
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
	struct slice rule, text; /* inside this block */
};

enum sent { SENT, SEND_LATER, SEND_NEVER };

/* One try: how long it may take, and what it says when it fails. */
struct attempt {
	const struct clock *clock;
	const _Atomic uint64_t *deadline_ns; /* nothing goes on beyond; moves when the handle is closed */
	uint64_t retry_after_ns;	     /* the receiver asked to wait so long; 0: it did not */
	char why[160];			     /* no secrets */
};

/* Milliseconds until the deadline, at most `most`. */
unsigned attempt_ms(const struct attempt *a, unsigned most);

struct receiver {
	char *label; /* for people */
	void (*format)(const struct receiver *r, struct buf *out, const struct record *alarm);  /* writer thread */
	enum sent (*send)(struct receiver *r, const struct message *m, struct attempt *a);      /* delivery thread */
	enum sent (*resend)(struct receiver *r, struct attempt *a); /* at resend_ns; NULL: never */
	void (*last)(struct receiver *r, int64_t now_us);	    /* before the last tries; may be NULL */
	size_t (*unsent)(const struct receiver *r);		    /* besides the queue; may be NULL */
	void (*close)(struct receiver *r);			    /* frees it and its label */
	uint64_t resend_ns;					    /* UINT64_MAX: not */

	/* deliver.c's */
	struct message *oldest, *newest;
	size_t queued;
	uint64_t due_ns; /* not before */
	unsigned failures;
	uint64_t lost;
	char why[160];
};

int receiver_file(struct receiver **out, const char *path, struct err *err);
int receiver_command(struct receiver **out, const char *const *argv, struct err *err);
int receiver_webhook(struct receiver **out, const char *url, const char *template, enum lang lang, struct err *err);
int receiver_alertmanager(struct receiver **out, const char *url, enum lang lang, const struct clock *clock, struct err *err);

/* The alarm as the log has it, and the instance at its end, on one line. */
void format_json_line(const struct receiver *r, struct buf *out, const struct record *alarm);

#endif
