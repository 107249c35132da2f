/* sender.c - takes batches out of the spool and posts them, one after the other. */
#include "ship/sender.h"

#include "export/backoff.h"
#include "export/deliver_post.h"
#include "export/url.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static const char insert_path[] = "/insert/jsonline?_time_field=timestamp&_msg_field=event_type&_stream_fields="
				  "instance,metadata.model_name,metadata.strategy,event_type";
enum { POST_MS = 60000 }; /* of a batch of 1 MiB: 140 kbit/s are enough */
static const uint64_t MS_NS = 1000000, SECOND_NS = 1000000000, TRY_NS = UINT64_C(60) * 1000000000;

struct sender {
	struct backlog *spool;
	const struct clock *clock;
	struct post *post;
	char *url; /* with the path */
	char shown[160];
	struct backoff backoff;
	pthread_t thread;
	bool started;

	_Atomic uint64_t deadline_ns; /* nothing goes on beyond */
	_Atomic uint64_t arrived;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	bool stopping, woken, down, news;
	char words[400];
};

/* --- what is said ---------------------------------------------------------------------------- */

static void say(struct sender *s, const char *words)
{
	pthread_mutex_lock(&s->lock);
	snprintf(s->words, sizeof s->words, "%s", words);
	s->news = true;
	pthread_mutex_unlock(&s->lock);
}

bool sender_news(struct sender *s, char *words, size_t n)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->news;
	if (any)
		snprintf(words, n, "%s", s->words);
	s->news = false;
	pthread_mutex_unlock(&s->lock);
	return any;
}

/* Once for each time that it goes away. */
static void say_down(struct sender *s, const char *why)
{
	char words[400];

	if (s->down)
		return;
	s->down = true;
	snprintf(words, sizeof words, err_words("%s: %s; what is to be sent waits in the spool"), s->shown, why);
	say(s, words);
}

static void say_up(struct sender *s)
{
	char words[400];

	if (!s->down)
		return;
	s->down = false;
	snprintf(words, sizeof words, err_words("%s takes lines again"), s->shown);
	say(s, words);
}

/* --- the thread ----------------------------------------------------------------------------------- */

static bool is_stopping(struct sender *s)
{
	bool stopping;

	pthread_mutex_lock(&s->lock);
	stopping = s->stopping;
	pthread_mutex_unlock(&s->lock);
	return stopping;
}

/* Until it is woken, or so long. */
static void wait_ns(struct sender *s, uint64_t ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(ns / SECOND_NS);
	until.tv_nsec = (long)(ns % SECOND_NS);
	pthread_mutex_lock(&s->lock);
	while (!s->woken && !s->stopping && !pthread_cond_timedwait(&s->wake, &s->lock, &until))
		;
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
}

/* A wait that only the end cuts short: new lines are no reason to ask an engine that fails once more. */
static void back_off(struct sender *s, const struct attempt *a)
{
	const uint64_t until = clock_mono_ns(s->clock) + backoff_next(&s->backoff, a->retry_after_ns);

	for (uint64_t now; !is_stopping(s) && (now = clock_mono_ns(s->clock)) < until;)
		wait_ns(s, until - now);
}

/* 400 and 413 speak of the lines; any other refusal speaks of address or token, which somebody will correct. */
static bool is_hopeless(const struct attempt *a)
{
	return a->status == 400 || a->status == 413;
}

static void refuse(struct sender *s, const struct backlog_batch *b, const struct attempt *a)
{
	char words[400];

	backlog_lose(s->spool, b, "the engine refused them");
	snprintf(words, sizeof words, err_words("%s: %s; lines lost: %llu"), s->shown, a->why,
		 (unsigned long long)b->lines);
	say(s, words);
}

/* True: the batch is settled, and the next one may go. */
static bool send_batch(struct sender *s, const struct backlog_batch *b, struct buf *text, struct attempt *a)
{
	enum sent sent;

	buf_clear(text);
	if (!backlog_read(s->spool, b, text))
		return true;
	sent = post_json(s->post, s->url, buf_slice(text), NULL, a);
	if (sent == SENT) {
		backlog_done(s->spool, b);
		atomic_fetch_add(&s->arrived, b->lines);
		s->backoff.failures = 0;
		say_up(s);
		return true;
	}
	if (sent == SEND_NEVER && is_hopeless(a)) {
		refuse(s, b, a);
		return true;
	}
	say_down(s, a->why);
	return false;
}

static void *run(void *ctx)
{
	struct sender *s = ctx;
	struct backlog_batch b;
	struct buf text = { 0 };
	bool last = false;

	while (!last) {
		struct attempt a = { .clock = s->clock, .deadline_ns = &s->deadline_ns };

		last = is_stopping(s);
		while (backlog_next(s->spool, &b) && attempt_ms(&a, 1)) {
			a = (struct attempt){ .clock = s->clock, .deadline_ns = &s->deadline_ns };
			if (send_batch(s, &b, &text, &a))
				continue;
			if (last)
				break;
			back_off(s, &a);
			last = is_stopping(s);
		}
		if (!last)
			wait_ns(s, TRY_NS);
	}
	buf_free(&text);
	return NULL;
}

void sender_wake(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->woken = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* --- open, close -------------------------------------------------------------------------------- */

static int start(struct sender *s, struct err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	s->started = !rc;
	return rc ? err_set_os(err, ERR_SYSTEM, rc, "the thread that ships cannot be started") : 0;
}

static int make_url(struct sender *s, const char *url, struct err *err)
{
	size_t n = strlen(url);
	struct buf text = { 0 };

	while (n && url[n - 1] == '/')
		n--;
	buf_add(&text, url, n);
	buf_str(&text, insert_path);
	s->url = text.p;
	url_redact(s->shown, sizeof s->shown, url);
	return text.failed ? err_set(err, ERR_NOMEM, "no memory to ship") : 0;
}

int sender_open(struct sender **out, struct backlog *spool, const struct sender_config *cfg, struct err *err)
{
	struct sender *s = calloc(1, sizeof *s);
	pthread_condattr_t monotonic;
	int rc;

	*out = NULL;
	if (!s)
		return err_set(err, ERR_NOMEM, "no memory to ship");
	s->spool = spool;
	s->clock = cfg->clock;
	s->deadline_ns = UINT64_MAX;
	s->backoff = backoff_begin(clock_mono_ns(cfg->clock) ^ (uintptr_t)s);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rc = post_open(&s->post, "--to", cfg->url, err);
	rc = rc ? rc : post_secure(s->post, cfg->token, cfg->ca, err);
	if (!rc)
		post_wait(s->post, POST_MS);
	rc = rc ? rc : make_url(s, cfg->url, err);
	rc = rc ? rc : start(s, err);
	if (rc)
		sender_close(s);
	else
		*out = s;
	return rc;
}

uint64_t sender_finish(struct sender *s, unsigned wait_ms)
{
	atomic_store(&s->deadline_ns, clock_mono_ns(s->clock) + wait_ms * MS_NS);
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->started)
		pthread_join(s->thread, NULL);
	s->started = false;
	return atomic_load(&s->arrived);
}

void sender_close(struct sender *s)
{
	if (!s)
		return;
	sender_finish(s, 0);
	post_close(s->post);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s->url);
	free(s);
}
