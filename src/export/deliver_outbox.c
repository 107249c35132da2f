/* deliver_outbox.c - a receiver's queue: what waits, when it is retried, and what is dropped. */
#include "export/deliver_outbox.h"

#include "export/backoff.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static const uint64_t SECOND_NS = 1000000000, LOOK_NS = UINT64_C(60) * 1000000000, LEAST_NS = 10000000;

struct outbox {
	struct receiver *receiver;
	const struct clock *clock;
	const _Atomic uint64_t *deadline_ns;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	bool stopping;
	struct message *oldest, *newest;
	struct message *spooled, **spooled_end; /* critical, not arrived */
	size_t queued;
	uint64_t due_ns; /* not before */
	struct backoff backoff;
	struct deliver_loss lost;
	char why[200];
};

struct message *message_new(const struct message *facts)
{
	struct message *m = malloc(sizeof *m + facts->rule.n + facts->text.n);
	char *tail = (char *)(m + 1);

	if (!m)
		return NULL;
	*m = *facts;
	m->next = NULL;
	if (facts->rule.n)
		memcpy(tail, facts->rule.p, facts->rule.n);
	if (facts->text.n)
		memcpy(tail + facts->rule.n, facts->text.p, facts->text.n);
	m->rule.p = tail;
	m->text.p = tail + facts->rule.n;
	return m;
}

/* --- the queue --------------------------------------------------------------------------- */

/* For good: nothing keeps it. */
static void count_lost(struct outbox *o, bool critical)
{
	o->lost.alarms++;
	o->lost.critical += critical;
}

static void lose(struct outbox *o, bool critical, const char *why)
{
	count_lost(o, critical);
	snprintf(o->why, sizeof o->why, "%s", why);
}

static struct message *pop(struct outbox *o)
{
	struct message *m = o->oldest;

	o->oldest = m->next;
	o->newest = o->oldest ? o->newest : NULL;
	o->queued--;
	m->next = NULL;
	return m;
}

/* The head of a queue may be in delivery: one behind it makes room; a critical one only if all are critical. */
static void drop_one(struct outbox *o)
{
	struct message *before = o->oldest, *m;

	while (before->next && before->next->critical)
		before = before->next;
	before = before->next ? before : o->oldest;
	m = before->next;
	before->next = m->next;
	o->newest = m == o->newest ? before : o->newest;
	o->queued--;
	count_lost(o, m->critical);
	if (!*o->why)
		snprintf(o->why, sizeof o->why, "%s", err_words("more alarms than it takes"));
	free(m);
}

void outbox_push(struct outbox *o, struct message *m)
{
	pthread_mutex_lock(&o->lock);
	if (o->queued == DELIVER_QUEUE)
		drop_one(o);
	if (o->newest)
		o->newest->next = m;
	else
		o->oldest = m;
	o->newest = m;
	o->queued++;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

void outbox_add(struct outbox *o, const struct record *alarm)
{
	struct buf text = { 0 };
	struct message facts = { .time_us = alarm->time_us, .firing = alarm->event == EVENT_ALARM }, *m;

	o->receiver->format(o->receiver, &text, alarm);
	facts.critical = facts.firing && slice_is(fields_text(alarm->extra, F_SEVERITY), "critical");
	facts.rule = fields_text(alarm->extra, F_RULE);
	facts.text = buf_slice(&text);
	m = text.failed ? NULL : message_new(&facts);
	buf_free(&text);
	if (m) {
		outbox_push(o, m);
		return;
	}
	pthread_mutex_lock(&o->lock);
	lose(o, facts.critical, "no memory for the message");
	pthread_mutex_unlock(&o->lock);
}

/* --- the thread --------------------------------------------------------------------------- */

static void back_off(struct outbox *o, const struct attempt *a)
{
	o->due_ns = clock_mono_ns(o->clock) + backoff_next(&o->backoff, a->retry_after_ns);
	snprintf(o->why, sizeof o->why, "%s", a->why);
}

/* Settles what became of a try; true: go on with the next message. */
static bool settle(struct outbox *o, enum sent sent, bool critical, const struct attempt *a)
{
	if (sent == SEND_LATER) {
		back_off(o, a);
		return false;
	}
	if (sent == SEND_NEVER)
		lose(o, critical, a->why);
	o->backoff.failures = 0;
	o->due_ns = 0;
	return true;
}

/* Without time left, a try would only waste one of the message's attempts. */
static bool is_due(const struct outbox *o, uint64_t at_ns)
{
	uint64_t now = clock_mono_ns(o->clock);

	return now >= at_ns && now + LEAST_NS < atomic_load_explicit(o->deadline_ns, memory_order_relaxed);
}

/* Sends the head of the queue; true: it is settled, and the next one may be sent. The lock is held except while
 * sending. */
static bool send_oldest(struct outbox *o)
{
	struct attempt a = { .clock = o->clock, .deadline_ns = o->deadline_ns };
	struct receiver *r = o->receiver;
	const struct message *m = o->oldest;
	bool settled;
	enum sent sent;

	pthread_mutex_unlock(&o->lock);
	sent = r->send(r, m, &a);
	pthread_mutex_lock(&o->lock);
	settled = (r->resend && sent == SENT) /* it has only stored it */
		  || settle(o, sent, m->critical, &a);
	if (settled)
		free(pop(o));
	return settled;
}

static void send_again(struct outbox *o)
{
	struct attempt a = { .clock = o->clock, .deadline_ns = o->deadline_ns };
	enum sent sent;

	pthread_mutex_unlock(&o->lock);
	sent = o->receiver->resend(o->receiver, &a);
	pthread_mutex_lock(&o->lock);
	settle(o, sent, false, &a); /* nothing is settled for good: the state remains valid */
}

static void serve(struct outbox *o)
{
	struct receiver *r = o->receiver;

	while (o->oldest && is_due(o, r->resend ? 0 : o->due_ns) && send_oldest(o))
		;
	if (r->resend && is_due(o, r->resend_ns) && is_due(o, o->due_ns))
		send_again(o);
}

static uint64_t next_due(const struct outbox *o)
{
	const struct receiver *r = o->receiver;
	uint64_t at = o->oldest ? 0 : r->resend_ns;

	return at < o->due_ns && !(r->resend && o->oldest) ? o->due_ns : at;
}

/* Waits until something is due or new; at most a minute. */
static void wait_for_work(struct outbox *o)
{
	uint64_t now = clock_mono_ns(o->clock), due = next_due(o), ns;
	struct timespec until;

	if (due <= now)
		return;
	ns = due - now < LOOK_NS ? due - now : LOOK_NS;
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(ns / SECOND_NS);
	until.tv_nsec = (long)(ns % SECOND_NS);
	pthread_cond_timedwait(&o->wake, &o->lock, &until);
}

/* --- the end --------------------------------------------------------------------------------- */

static void keep_critical(struct outbox *o, struct message *m)
{
	if (!m || !m->critical) {
		free(m);
		return;
	}
	*o->spooled_end = m;
	o->spooled_end = &m->next;
}

static void keep_unsent(void *ctx, const struct message *m)
{
	struct outbox *o = ctx;

	struct message *kept = m->critical ? message_new(m) : NULL;

	o->lost.alarms++;
	o->lost.critical += m->critical && !kept;
	keep_critical(o, kept);
}

/* Tries everything once more, whatever it was waiting for; when that has arrived, sends the end of the alerts that
 * still fire. */
static void try_last(struct outbox *o)
{
	struct receiver *r = o->receiver;

	o->due_ns = 0;
	serve(o);
	if (r->last && !o->oldest && !o->backoff.failures) {
		r->last(r, clock_wall_us(o->clock));
		serve(o);
	}
	while (o->oldest) {
		o->lost.alarms++;
		keep_critical(o, pop(o));
	}
	if (r->unsent)
		r->unsent(r, keep_unsent, o);
	if (o->lost.alarms && !*o->why)
		snprintf(o->why, sizeof o->why, "%s", err_words("no time was left"));
}

static void *run(void *ctx)
{
	struct outbox *o = ctx;

	pthread_mutex_lock(&o->lock);
	while (!o->stopping) {
		wait_for_work(o);
		if (!o->stopping)
			serve(o);
	}
	try_last(o);
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

void outbox_stop(struct outbox *o)
{
	pthread_mutex_lock(&o->lock);
	o->stopping = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

struct message *outbox_end(struct outbox *o)
{
	struct message *spooled;

	pthread_join(o->thread, NULL);
	spooled = o->spooled;
	o->spooled = NULL;
	return spooled;
}

struct deliver_loss outbox_lost(struct outbox *o)
{
	struct deliver_loss lost;

	pthread_mutex_lock(&o->lock);
	lost = o->lost;
	pthread_mutex_unlock(&o->lock);
	return lost;
}

const char *outbox_why(const struct outbox *o)
{
	return o->why;
}

const char *outbox_label(const struct outbox *o)
{
	return o->receiver->label;
}

void outbox_close(struct outbox *o)
{
	if (!o)
		return;
	while (o->oldest)
		free(pop(o));
	o->receiver->close(o->receiver);
	pthread_cond_destroy(&o->wake);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* Signals belong to the program that is watched. */
static int start(struct outbox *o, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&o->thread, NULL, run, o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return err_set_os(err, ERR_SYSTEM, rc, "a thread that delivers alarms cannot be started");
	pthread_setname_np(o->thread, "rwkvmon-alarm");
	return 0;
}

int outbox_open(struct outbox **out, struct receiver *receiver, const struct clock *clock,
		const _Atomic uint64_t *deadline_ns, struct err *err)
{
	struct outbox *o = calloc(1, sizeof *o);
	pthread_condattr_t monotonic;
	int rc;

	*out = NULL;
	if (!o) {
		receiver->close(receiver);
		return err_set(err, ERR_NOMEM, "no memory to deliver alarms");
	}
	*o = (struct outbox){ .receiver = receiver, .clock = clock, .deadline_ns = deadline_ns };
	o->spooled_end = &o->spooled;
	o->backoff = backoff_begin(clock_mono_ns(clock) ^ (uintptr_t)o);
	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&o->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = start(o, err);
	if (rc)
		outbox_close(o);
	else
		*out = o;
	return rc;
}
