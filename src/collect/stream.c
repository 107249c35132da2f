/* stream.c - conversations of a handle: opened and closed by the caller, begun and ended in the log by the writer.
 *
 *     open ──► calls ──ring──► records           the writer says session_start before the first
 *     close ──list `closed`──► session_end ──list `free_again`──► the next open
 *
 * A stream is put on the list after its last record went into the ring, and the writer takes the list before it empties
 * the ring: so all its records come before its end. */
#include "collect/careless.h"
#include "collect/collector.h"

#include <stdlib.h>

static _Atomic uint64_t copies_bytes; /* of all streams of the process */

_Atomic uint64_t *stream_copies(void)
{
	return &copies_bytes;
}

/* --- lists from one side to the other -------------------------------------------------------------- */

static void push(_Atomic(struct rwkvmon_stream *) *list, struct rwkvmon_stream *s)
{
	s->next = atomic_load_explicit(list, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(list, &s->next, s, memory_order_release, memory_order_relaxed))
		;
}

/* All of it, in the order in which it was filled. */
static struct rwkvmon_stream *take(_Atomic(struct rwkvmon_stream *) *list)
{
	struct rwkvmon_stream *s, *next, *in_order = NULL;

	if (!atomic_load_explicit(list, memory_order_relaxed))
		return NULL;
	for (s = atomic_exchange_explicit(list, NULL, memory_order_acquire); s; s = next) {
		next = s->next;
		s->next = in_order;
		in_order = s;
	}
	return in_order;
}

/* --- the caller's side ----------------------------------------------------------------------------- */

static struct rwkvmon_stream *new_stream(struct rwkvmon *mon)
{
	struct rwkvmon_stream *s = mon->spare ? mon->spare : take(&mon->free_again);

	if (!s)
		return calloc(1, sizeof *s);
	mon->spare = s->next;
	*s = (struct rwkvmon_stream){ 0 };
	return s;
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* NULL stays NULL. */
static const char *put_text(char **to, const char *text)
{
	size_t n = text_bytes(text);
	const char *here = *to;

	if (!text)
		return NULL;
	memcpy(*to, text, n);
	*to += n;
	return here;
}

static bool name(struct rwkvmon_stream *s, const struct rwkvmon_stream_config *cfg)
{
	char random[SESSION_ID_BYTES], *to;
	const char *id = cfg->session_id && *cfg->session_id ? cfg->session_id : random;

	if (id == random)
		collector_random_id(random, s->open_ns ^ (uintptr_t)s);
	s->texts = to = malloc(text_bytes(id) + text_bytes(cfg->request_id) + text_bytes(cfg->label) +
			       text_bytes(cfg->model_name));
	if (!to)
		return false;
	s->id = put_text(&to, id);
	s->request_id = put_text(&to, cfg->request_id);
	s->label = put_text(&to, cfg->label);
	s->model_name = put_text(&to, cfg->model_name);
	return true;
}

static void link_open(struct rwkvmon *mon, struct rwkvmon_stream *s)
{
	s->open = true;
	s->after = mon->open_streams;
	if (s->after)
		s->after->before = s;
	mon->open_streams = s;
	mon->n_streams++;
	mon->streams_opened++;
}

static void unlink_open(struct rwkvmon *mon, struct rwkvmon_stream *s)
{
	s->open = false;
	*(s->before ? &s->before->after : &mon->open_streams) = s->after;
	if (s->after)
		s->after->before = s->before;
	mon->n_streams--;
}

static int no_room(struct rwkvmon *mon, struct err *err)
{
	mon->streams_refused++;
	err_set(err, ERR_USAGE, "%u streams are open, as many as max-streams allows", (unsigned)mon->n_streams);
	return err_hint(err, "close those that are over, or raise max-streams");
}

static int open_stream(struct rwkvmon *mon, struct rwkvmon_stream **out, const struct rwkvmon_stream_config *cfg,
		       struct err *err)
{
	struct rwkvmon_stream *s;

	if (mon->n_streams >= mon->max_streams)
		return no_room(mon, err);
	s = new_stream(mon);
	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for a stream");
	s->mon = mon;
	s->open_ns = clock_mono_ns(mon->clock);
	s->candidates = cfg->candidates;
	if (!name(s, cfg)) {
		s->next = mon->spare;
		mon->spare = s;
		return err_set(err, ERR_NOMEM, "no memory for a stream");
	}
	link_open(mon, s);
	*out = s;
	return 0;
}

/* Without memory for the history it begins afresh. */
static void go_on_from(struct rwkvmon_stream *s, const struct rwkvmon_stream *from)
{
	if (from && from->observer)
		s->observer = observer_branch(from->observer, &s->mon->room);
}

/* from: NULL: it begins afresh. */
static int open_or_branch(rwkvmon_stream **out, rwkvmon *mon, const rwkvmon_stream *from,
			  const struct rwkvmon_stream_config *config, char *error)
{
	struct rwkvmon_stream_config cfg;
	struct err err = { 0 };
	int rc;

	if (!out)
		return ERR_USAGE;
	*out = NULL;
	if (!collector_enter_patiently(mon))
		return 0;
	*out = &mon->refused;
	rc = careless_stream(&cfg, config, &err);
	if (!rc)
		rc = open_stream(mon, out, &cfg, &err);
	if (!rc && from)
		go_on_from(*out, stream_named(mon, from));
	collector_leave(mon);
	if (rc)
		collector_copy_error(error, &err);
	return rc;
}

int rwkvmon_stream_open(rwkvmon_stream **out, rwkvmon *mon, const struct rwkvmon_stream_config *config, char *error)
{
	return open_or_branch(out, mon, NULL, config, error);
}

int rwkvmon_stream_branch(rwkvmon_stream **out, rwkvmon *mon, const rwkvmon_stream *from,
			  const struct rwkvmon_stream_config *config, char *error)
{
	return open_or_branch(out, mon, from || !mon ? from : &mon->self, config, error);
}

static void close_stream(struct rwkvmon *mon, struct rwkvmon_stream *s)
{
	unlink_open(mon, s);
	observer_close(s->observer);
	s->observer = NULL;
	push(&mon->closed, s);
	collector_wake(mon);
}

void rwkvmon_stream_close(rwkvmon *mon, rwkvmon_stream *stream)
{
	if (!stream || !collector_enter_patiently(mon))
		return;
	if (stream != &mon->self && stream_named(mon, stream))
		close_stream(mon, stream);
	collector_leave(mon);
}

void stream_close_all(struct rwkvmon *mon)
{
	while (mon->open_streams)
		close_stream(mon, mon->open_streams);
}

/* Only a stream that is in the caller's hands may be changed. */
struct rwkvmon_stream *stream_named(const struct rwkvmon *mon, const struct rwkvmon_stream *given)
{
	const struct rwkvmon_stream *s = given ? given : &mon->self;

	return s->mon == mon && s->open ? (struct rwkvmon_stream *)(uintptr_t)s : NULL;
}

struct observer *stream_observer(struct rwkvmon_stream *s)
{
	size_t vocab = (size_t)fields_number(&s->mon->session, F_VOCAB_SIZE, 0);

	if (s->observer)
		return s->observer;
	s->observer = observer_open(&s->mon->room);
	if (s->observer && vocab)
		observer_set_vocab(s->observer, vocab);
	return s->observer;
}

/* --- the writer's side ----------------------------------------------------------------------------- */

static void clear(struct field_values *fields, enum field_id f)
{
	fields->have[f / 64] &= ~(UINT64_C(1) << (f % 64));
}

static void set_or_clear(struct field_values *fields, enum field_id f, const char *text)
{
	if (text)
		fields_set_text(fields, f, slice_of(text));
	else
		clear(fields, f);
}

const struct field_values *stream_session(struct rwkvmon_stream *s)
{
	struct field_values *fields = &s->mon->session_of_stream;

	if (s == &s->mon->self)
		return &s->mon->session;
	set_or_clear(fields, F_SESSION_ID, s->id);
	set_or_clear(fields, F_REQUEST_ID, s->request_id);
	set_or_clear(fields, F_LABEL, s->label);
	if (s->candidates > 1)
		fields_set_number(fields, F_BRANCH_CANDIDATES, s->candidates);
	else
		clear(fields, F_BRANCH_CANDIDATES);
	fields->v[F_MODEL_NAME].text =
		s->model_name ? slice_of(s->model_name) : fields_text(&s->mon->session, F_MODEL_NAME);
	return fields;
}

void stream_start(struct rwkvmon_stream *s, int64_t time_us)
{
	struct rwkvmon *mon = s->mon;
	struct record start = { .time_us = time_us,
				.event = EVENT_SESSION_START,
				.session = stream_session(s),
				.instance = &mon->session };

	if (s->started)
		return;
	s->started = true;
	s->right = mon->started;
	if (s->right)
		s->right->left = s;
	mon->started = s;
	collector_number(s, &start);
	collector_deliver(s, &start);
}

struct rwkvmon_stream *stream_take_closed(struct rwkvmon *mon)
{
	return take(&mon->closed);
}

static void unlink_started(struct rwkvmon_stream *s)
{
	*(s->left ? &s->left->right : &s->mon->started) = s->right;
	if (s->right)
		s->right->left = s->left;
}

static void end_stream(struct rwkvmon_stream *s)
{
	struct rwkvmon *mon = s->mon;

	if (s->records || s->started) {
		stream_start(s, clock_wall_us(mon->clock));
		collector_tell_dropped(s);
		collector_tell_unjudged(s);
		collector_deliver_end(s, NULL);
	}
	if (s->started)
		unlink_started(s);
	rules_close(s->rules);
	s->rules = NULL;
	free(s->texts);
	s->texts = NULL;
	push(&mon->free_again, s);
}

void stream_end_all(struct rwkvmon_stream *closed)
{
	struct rwkvmon_stream *next;

	for (; closed; closed = next) {
		next = closed->next;
		end_stream(closed);
	}
}

static void free_list(struct rwkvmon_stream *s)
{
	struct rwkvmon_stream *next;

	for (; s; s = next) {
		next = s->next;
		free(s);
	}
}

void stream_free_all(struct rwkvmon *mon)
{
	free_list(mon->spare);
	free_list(take(&mon->free_again));
}
