#include "export/deliver_receiver.h"

#include "record/codec.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { RECEIVERS_MAX = 4, BACKOFF_MAX_DOUBLINGS = 6 };
static const uint64_t SECOND_NS = 1000000000, BACKOFF_MAX_NS = UINT64_C(60) * 1000000000, NEVER = UINT64_MAX;

struct deliver {
	struct sink sink; /* first: the sink is the deliverer */
	const struct clock *clock;
	pthread_t thread;
	pthread_mutex_t lock; /* of the queues and `stopping` */
	pthread_cond_t wake;
	bool stopping;
	_Atomic uint64_t deadline_ns;
	uint64_t random;
	struct receiver *receiver[RECEIVERS_MAX];
	size_t n;
};

/* --- queues ------------------------------------------------------------------------------ */

static struct message *message_of(const struct receiver *r, const struct record *alarm)
{
	struct slice rule = fields_text(alarm->extra, F_RULE);
	struct buf text = { 0 };
	struct message *m;

	r->format(r, &text, alarm);
	m = text.failed ? NULL : malloc(sizeof *m + rule.n + text.used);
	if (m) {
		char *tail = (char *)(m + 1);

		memcpy(tail, rule.p, rule.n);
		if (text.used)
			memcpy(tail + rule.n, text.p, text.used);
		*m = (struct message){ .time_us = alarm->time_us, .firing = alarm->event == EVENT_ALARM,
				       .rule = { tail, rule.n }, .text = { tail + rule.n, text.used } };
	}
	buf_free(&text);
	return m;
}

static void lose(struct receiver *r, const char *why)
{
	r->lost++;
	snprintf(r->why, sizeof r->why, "%s", why);
}

static void pop(struct receiver *r)
{
	struct message *m = r->oldest;

	r->oldest = m->next;
	r->newest = r->oldest ? r->newest : NULL;
	r->queued--;
	free(m);
}

/* The head of a queue may be on its way out just now: the one after it makes room. */
static void drop_second(struct receiver *r)
{
	struct message *m = r->oldest->next;

	r->oldest->next = m->next;
	r->newest = m == r->newest ? r->oldest : r->newest;
	r->queued--;
	free(m);
	r->lost++;
	if (!*r->why)
		snprintf(r->why, sizeof r->why, "more alarms than it takes");
}

static void push(struct receiver *r, struct message *m)
{
	if (!m) {
		lose(r, "no memory for the message");
		return;
	}
	if (r->queued == DELIVER_QUEUE)
		drop_second(r);
	if (r->newest)
		r->newest->next = m;
	else
		r->oldest = m;
	r->newest = m;
	r->queued++;
}

static void write_alarm(struct sink *s, const struct record *rec)
{
	struct deliver *d = (struct deliver *)(void *)s;

	if (rec->event != EVENT_ALARM && rec->event != EVENT_ALARM_RESOLVED)
		return;
	for (size_t i = 0; i < d->n; i++) {
		struct message *m = message_of(d->receiver[i], rec);

		pthread_mutex_lock(&d->lock);
		push(d->receiver[i], m);
		pthread_mutex_unlock(&d->lock);
	}
	pthread_cond_signal(&d->wake);
}

/* --- the delivery thread ------------------------------------------------------------------ */

/* 0.75 to 1.25, from a xorshift: several processes must not come back all at once. */
static double jitter(struct deliver *d)
{
	d->random ^= d->random << 13;
	d->random ^= d->random >> 7;
	d->random ^= d->random << 17;
	return 0.75 + 0.5 * (double)(d->random >> 11) / 9007199254740992.0;
}

static void back_off(struct deliver *d, struct receiver *r, const struct attempt *a)
{
	unsigned doublings = r->failures < BACKOFF_MAX_DOUBLINGS ? r->failures : BACKOFF_MAX_DOUBLINGS;
	uint64_t wait = SECOND_NS << doublings;

	wait = wait > BACKOFF_MAX_NS ? BACKOFF_MAX_NS : wait;
	wait = wait < a->retry_after_ns ? a->retry_after_ns : wait;
	r->failures++;
	r->due_ns = clock_mono_ns(d->clock) + (uint64_t)((double)wait * jitter(d));
	snprintf(r->why, sizeof r->why, "%s", a->why);
}

/* Settles what became of a try; true: go on with the next message. */
static bool settle(struct deliver *d, struct receiver *r, enum sent sent, const struct attempt *a)
{
	if (sent == SEND_LATER) {
		back_off(d, r, a);
		return false;
	}
	if (sent == SEND_NEVER)
		lose(r, a->why);
	r->failures = 0;
	r->due_ns = 0;
	return true;
}

static bool out_of_time(const struct deliver *d)
{
	return clock_mono_ns(d->clock) >= atomic_load_explicit(&d->deadline_ns, memory_order_relaxed);
}

static bool is_due(const struct deliver *d, uint64_t at_ns)
{
	return clock_mono_ns(d->clock) >= at_ns && !out_of_time(d);
}

/* Sends the head of the queue; true: it is settled, and the next one may go. The lock is held but while sending. */
static bool send_oldest(struct deliver *d, struct receiver *r)
{
	struct attempt a = { .clock = d->clock, .deadline_ns = &d->deadline_ns };
	const struct message *m = r->oldest;
	bool settled;
	enum sent sent;

	pthread_mutex_unlock(&d->lock);
	sent = r->send(r, m, &a);
	pthread_mutex_lock(&d->lock);
	settled = r->resend && sent == SENT ? true : settle(d, r, sent, &a); /* one that resends has only taken it in */
	if (settled)
		pop(r);
	return settled;
}

static void send_again(struct deliver *d, struct receiver *r)
{
	struct attempt a = { .clock = d->clock, .deadline_ns = &d->deadline_ns };
	enum sent sent;

	pthread_mutex_unlock(&d->lock);
	sent = r->resend(r, &a);
	pthread_mutex_lock(&d->lock);
	settle(d, r, sent, &a);
}

static void serve(struct deliver *d, struct receiver *r)
{
	while (r->oldest && is_due(d, r->resend ? 0 : r->due_ns) && send_oldest(d, r))
		;
	if (r->resend && is_due(d, r->resend_ns) && is_due(d, r->due_ns))
		send_again(d, r);
}

static uint64_t next_due(const struct deliver *d)
{
	uint64_t next = NEVER;

	for (size_t i = 0; i < d->n; i++) {
		const struct receiver *r = d->receiver[i];
		uint64_t at = r->oldest ? 0 : r->resend_ns;

		if (at < r->due_ns && !(r->resend && r->oldest))
			at = r->due_ns;
		next = at < next ? at : next;
	}
	return next;
}

/* Waits until something is due or new; at most a minute. */
static void wait_for_work(struct deliver *d)
{
	uint64_t now = clock_mono_ns(d->clock), due = next_due(d), ns;
	struct timespec until;

	if (due <= now)
		return;
	ns = due - now < BACKOFF_MAX_NS ? due - now : BACKOFF_MAX_NS;
	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(ns / SECOND_NS);
	until.tv_nsec = (long)(ns % SECOND_NS);
	pthread_cond_timedwait(&d->wake, &d->lock, &until);
}

/* Everything once more, whatever it was waiting for. */
static void try_last(struct deliver *d)
{
	for (size_t i = 0; i < d->n; i++) {
		struct receiver *r = d->receiver[i];

		r->due_ns = 0;
		if (r->last)
			r->last(r, clock_wall_us(d->clock));
		serve(d, r);
		while (r->oldest) {
			pop(r);
			r->lost++;
		}
		if (r->unsent)
			r->lost += r->unsent(r);
		if (r->lost && !*r->why)
			snprintf(r->why, sizeof r->why, "no time was left");
	}
}

static void *run(void *ctx)
{
	struct deliver *d = ctx;

	pthread_mutex_lock(&d->lock);
	while (!d->stopping) {
		wait_for_work(d);
		for (size_t i = 0; i < d->n && !d->stopping; i++)
			serve(d, d->receiver[i]);
	}
	try_last(d);
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

bool deliver_wanted(const struct deliver_config *cfg)
{
	return cfg->file || cfg->command || cfg->webhook || cfg->template || cfg->alertmanager;
}

static void free_parts(struct deliver *d)
{
	for (size_t i = 0; i < d->n; i++)
		d->receiver[i]->close(d->receiver[i]);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* `rc` is what opening d->receiver[d->n] came to. */
static int keep(struct deliver *d, int rc)
{
	d->n += !rc;
	return rc;
}

static int open_receivers(struct deliver *d, const struct deliver_config *cfg, struct err *err)
{
	int rc = 0;

	if (cfg->template && !cfg->webhook)
		return err_set(err, ERR_USAGE, "a webhook's template is named, but no address to send it to");
	if (cfg->file)
		rc = keep(d, receiver_file(&d->receiver[d->n], cfg->file, err));
	if (!rc && cfg->command)
		rc = keep(d, receiver_command(&d->receiver[d->n], cfg->command, err));
	if (!rc && cfg->webhook)
		rc = keep(d, receiver_webhook(&d->receiver[d->n], cfg->webhook, cfg->template, cfg->lang, err));
	if (!rc && cfg->alertmanager)
		rc = keep(d, receiver_alertmanager(&d->receiver[d->n], cfg->alertmanager, cfg->lang, cfg->clock, err));
	return rc;
}

/* Signals belong to the program that is watched. */
static int start(struct deliver *d, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&d->thread, NULL, run, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return err_set_os(err, ERR_SYSTEM, rc, "the thread that delivers alarms cannot be started");
	pthread_setname_np(d->thread, "rwkvmon-alarm");
	return 0;
}

int deliver_open(struct deliver **out, const struct deliver_config *cfg, struct err *err)
{
	struct deliver *d = calloc(1, sizeof *d);
	pthread_condattr_t monotonic;
	int rc;

	*out = NULL;
	if (!d)
		return err_set(err, ERR_NOMEM, "no memory to deliver alarms");
	d->sink.write = write_alarm;
	d->clock = cfg->clock;
	d->deadline_ns = NEVER;
	d->random = clock_mono_ns(cfg->clock) | 1;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&d->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = open_receivers(d, cfg, err);
	if (!rc)
		rc = start(d, err);
	if (rc) {
		free_parts(d);
		return rc;
	}
	*out = d;
	return 0;
}

struct sink *deliver_sink(struct deliver *d)
{
	return &d->sink;
}

static void say_lost(const struct deliver *d, char *why, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < d->n && used < n; i++)
		if (d->receiver[i]->lost)
			used += (size_t)snprintf(why + used, n - used, "%s%s missed %llu alarm%s: %s", used ? "; " : "",
						 d->receiver[i]->label, (unsigned long long)d->receiver[i]->lost,
						 d->receiver[i]->lost == 1 ? "" : "s", d->receiver[i]->why);
}

uint64_t deliver_close(struct deliver *d, unsigned wait_ms, char *why, size_t n)
{
	uint64_t lost = 0;

	if (n)
		*why = 0;
	if (!d)
		return 0;
	atomic_store_explicit(&d->deadline_ns, clock_mono_ns(d->clock) + wait_ms * UINT64_C(1000000), memory_order_relaxed);
	pthread_mutex_lock(&d->lock);
	d->stopping = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	for (size_t i = 0; i < d->n; i++)
		lost += d->receiver[i]->lost;
	say_lost(d, why, n);
	free_parts(d);
	return lost;
}
