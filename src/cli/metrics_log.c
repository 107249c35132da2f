/* metrics_log.c - fetches each address once a second and writes what happened into its pipe, as lines of a log. */
#include "cli/metrics_log.h"

#include "base/clock.h"
#include "cli/metrics_address.h"
#include "record/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	WAIT_MS = 1000,
	LOOK_MS = 100,
	NAME_BYTES = 32,
	ID_BYTES = 2 * BOARD_TEXT + 2,
	FAILURES_MAX = 5 /* one after the other: then nobody is there */
};

/* A session: a row of what is scraped. */
struct session {
	char id[ID_BYTES]; /* "": it has not begun, or has ended */
	uint64_t lines, tokens;
	struct field_values fields;
	int64_t before_us; /* of the text before; 0: none */
};

struct target {
	struct metrics_logs *owner;
	const char *address;
	char name[NAME_BYTES]; /* of the pipe's end that is read */
	int to, from;
	struct scrape *scrape;
	struct session session[SCRAPE_ROWS];
	pthread_t thread;
	bool started, is_down;
	unsigned failures;  /* since the last text */
	uint64_t lost;      /* lines */
	struct err trouble; /* (lock) */
	bool has_trouble;   /* (lock) not taken yet */
};

struct metrics_logs {
	struct target *target; /* (n) */
	size_t n;
	atomic_bool stop;
	pthread_mutex_t lock; /* of the targets' troubles */
};

/* Whole or, when nobody has read for long, not at all: a line is shorter than what a pipe takes at once (PIPE_BUF). The
 * record's number says that one is missing. */
static void write_line(struct target *t, const struct record *r)
{
	struct buf line = { 0 };
	ssize_t n = -1;

	record_encode(&line, r);
	if (!line.failed)
		n = write(t->to, line.p, line.used);
	t->lost += n < 0;
	buf_free(&line);
}

static struct record begin_line(const struct target *t, struct session *s, enum event_type event)
{
	return (struct record){
		.time_us = t->scrape->time_us, .event = event, .session = &s->fields, .ordinal = ++s->lines
	};
}

static void open_session(struct target *t, struct session *s, const char *row)
{
	struct record r;

	if (strcmp(row, t->scrape->name)) {
		snprintf(s->id, sizeof s->id, "%s %s", t->scrape->name, row);
		fields_set_text(&s->fields, F_MODEL_NAME, slice_of(row));
	} else {
		snprintf(s->id, sizeof s->id, "%s", row);
	}
	fields_set_text(&s->fields, F_SESSION_ID, slice_of(s->id));
	fields_set_text(&s->fields, F_INSTANCE, slice_of(t->scrape->name));
	r = begin_line(t, s, EVENT_SESSION_START);
	write_line(t, &r);
}

static void set_known(struct record *r, enum metric_id metric, double value)
{
	if (isfinite(value))
		record_set(r, metric, value);
}

/* Tokens of one phase since the text before, when there were any. */
static bool begin_step(struct target *t, struct session *s, enum phase phase, double tokens, struct record *r)
{
	if (!(tokens >= 1) || tokens > UINT32_MAX)
		return false;
	s->tokens += (uint64_t)tokens;
	*r = begin_line(t, s, EVENT_INFERENCE_STEP);
	r->phase = phase;
	r->token_count = (uint32_t)tokens;
	r->sequence_length = s->tokens;
	return true;
}

static void end_step(struct target *t, struct record *r, const struct scrape_step *step)
{
	set_known(r, M_REQUESTS_RUNNING, step->running);
	set_known(r, M_REQUESTS_WAITING, step->waiting);
	record_as_logged(r);
	write_line(t, r);
}

/* Of prompts only their tokens are known: how long a request waited for its own is not. */
static void write_steps(struct target *t, struct session *s, const struct scrape_row *row)
{
	struct scrape_step step = scrape_step(row);
	struct record r;

	if (begin_step(t, s, PHASE_PREFILL, step.prefill_tokens, &r))
		end_step(t, &r, &step);
	if (begin_step(t, s, PHASE_DECODE, step.decode_tokens, &r)) {
		set_known(&r, M_TOKEN_LATENCY_MS, 1000 * step.decode_seconds / step.decode_tokens);
		set_known(&r, M_THROUGHPUT_TPS, step.decode_tokens * 1e6 / (double)(t->scrape->time_us - s->before_us));
		end_step(t, &r, &step);
	}
}

static void write_row(struct target *t, struct session *s, const struct scrape_row *row)
{
	if (!*s->id)
		open_session(t, s, row->name);
	if (s->before_us) /* the first text's totals are the past's */
		write_steps(t, s, row);
	s->before_us = t->scrape->time_us;
}

static void note_trouble(struct target *t, const struct err *err)
{
	struct metrics_logs *m = t->owner;

	if (t->is_down)
		return;
	t->is_down = true;
	pthread_mutex_lock(&m->lock);
	t->trouble = *err;
	t->has_trouble = true;
	pthread_mutex_unlock(&m->lock);
}

static void end_sessions(struct target *t)
{
	for (size_t i = 0; i < SCRAPE_ROWS; i++) {
		struct session *s = &t->session[i];
		struct record r;

		if (!*s->id)
			continue;
		r = begin_line(t, s, EVENT_SESSION_END);
		write_line(t, &r);
		*s->id = 0;
		s->before_us = 0;
	}
}

static void fetch(struct target *t)
{
	struct buf text = { 0 };
	struct err err = { 0 };
	int rc = metrics_fetch(&text, t->address, &err);

	rc = rc ? rc : metrics_take(t->scrape, buf_slice(&text), t->address, &err);
	if (rc)
		note_trouble(t, &err);
	t->failures = rc ? t->failures + 1 : 0;
	if (t->failures == FAILURES_MAX)
		end_sessions(t);
	for (size_t i = 0; !rc && i < t->scrape->n_rows; i++)
		write_row(t, &t->session[i], &t->scrape->row[i]);
	t->is_down &= rc != 0;
	buf_free(&text);
}

static void *fetch_on(void *ctx)
{
	struct target *t = ctx;

	while (!atomic_load(&t->owner->stop)) {
		fetch(t);
		for (int waited = 0; waited < WAIT_MS && !atomic_load(&t->owner->stop); waited += LOOK_MS)
			nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	end_sessions(t);
	return NULL;
}

/* Signals stay with the thread that waits for them. */
static int start(struct target *t, struct err *err)
{
	sigset_t all, before;
	int ends[2], rc;

	t->scrape = calloc(1, sizeof *t->scrape);
	if (!t->scrape)
		return err_set(err, ERR_NOMEM, "no memory for what is fetched");
	if (pipe2(ends, O_CLOEXEC))
		return err_set_os(err, ERR_SYSTEM, errno, "no pipe for %s", t->address);
	t->from = ends[0];
	t->to = ends[1];
	if (fcntl(t->to, F_SETFL, O_NONBLOCK))
		return err_set_os(err, ERR_SYSTEM, errno, "no pipe for %s", t->address);
	snprintf(t->name, sizeof t->name, "/dev/fd/%d", t->from);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&t->thread, NULL, fetch_on, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->started = !rc;
	return rc ? err_set_os(err, ERR_SYSTEM, rc, "no thread to read %s", t->address) : 0;
}

int metrics_logs_open(struct metrics_logs **out, const char **names, size_t n, struct err *err)
{
	struct metrics_logs *m = calloc(1, sizeof *m);
	int rc;

	*out = m;
	if (m)
		m->target = calloc(n, sizeof *m->target);
	if (!m || !m->target)
		return err_set(err, ERR_NOMEM, "no memory for what is fetched");
	pthread_mutex_init(&m->lock, NULL);
	atomic_init(&m->stop, false);
	rc = metrics_addresses_differ(names, n, err);
	for (size_t i = 0; i < n && !rc; i++) {
		struct target *t = &m->target[m->n];

		if (!metrics_is_address(names[i]))
			continue;
		*t = (struct target){ .owner = m, .address = names[i], .to = -1, .from = -1 };
		m->n++;
		rc = start(t, err);
		names[i] = t->name;
	}
	return rc;
}

bool metrics_logs_trouble(struct metrics_logs *m, struct err *err)
{
	bool has = false;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->n && !has; i++) {
		struct target *t = &m->target[i];

		has = t->has_trouble;
		if (has)
			*err = t->trouble;
		t->has_trouble = false;
	}
	pthread_mutex_unlock(&m->lock);
	return has;
}

void metrics_logs_stop(struct metrics_logs *m)
{
	if (!m)
		return;
	atomic_store(&m->stop, true);
	for (size_t i = 0; i < m->n; i++) {
		struct target *t = &m->target[i];

		if (t->started)
			pthread_join(t->thread, NULL);
		if (t->to >= 0)
			close(t->to);
		t->started = false;
		t->to = -1;
	}
}

void metrics_logs_close(struct metrics_logs *m)
{
	if (!m)
		return;
	metrics_logs_stop(m);
	for (size_t i = 0; i < m->n; i++) {
		if (m->target[i].from >= 0)
			close(m->target[i].from);
		free(m->target[i].scrape);
	}
	if (m->target)
		pthread_mutex_destroy(&m->lock);
	free(m->target);
	free(m);
}
