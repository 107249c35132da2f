/* rollup.c - which roll-up a step belongs to, and what becomes of those that are closed. */
#include "ship/rollup.h"

#include "analyze/batch.h"
#include "analyze/sessions.h"

#include <stdlib.h>

enum { SLOTS = 4096, MODELS_MOST = 8, OWN_MOST_BYTES = ROLLUP_MOST_BYTES / 2, SKETCH_LEAST_BYTES = 16 };

/* A roll-up that is open, of a stream; the first one is the one that steps came to last. */
struct open_rollup {
	struct open_rollup *next;
	struct rollup sums;
};

struct stream {
	struct stream *chain;
	uint64_t hash;
	char *instance, *id, *model_name, *strategy;
	int64_t first_us, last_us; /* of all its steps */
	bool begun, ended;
	bool others;   /* stands for all streams of its instance that found no room */
	unsigned idle; /* flushes since its last step */
	struct open_rollup *open;
};

struct rollups {
	struct stream *slot[SLOTS];
	size_t n_streams, n_open;
	struct batch *batch;
	struct rollups_lost lost;
};

enum { IDLE_FLUSHES = 10 };

static void rollup_free(struct rollup *r)
{
	free(r->instance);
	free(r->model_name);
	free(r->strategy);
	free(r->session_id);
	for (int p = 0; p < ROLLUP_PARTS; p++)
		metric_stats_free(&r->part[p]);
	*r = (struct rollup){ .records = 0 };
}

struct rollups *rollups_open(void)
{
	struct rollups *t = calloc(1, sizeof *t);

	if (t)
		t->batch = batch_open();
	if (t && t->batch)
		return t;
	free(t);
	return NULL;
}

static void free_open(struct stream *s)
{
	while (s->open) {
		struct open_rollup *o = s->open;

		s->open = o->next;
		rollup_free(&o->sums);
		free(o);
	}
}

static void free_stream(struct stream *s)
{
	free_open(s);
	free(s->instance);
	free(s->id);
	free(s->model_name);
	free(s->strategy);
	free(s);
}

void rollups_close(struct rollups *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		for (struct stream *s = t->slot[i], *next; s; s = next) {
			next = s->chain;
			free_stream(s);
		}
	free(t->batch);
	free(t);
}

struct rollups_lost rollups_lost(struct rollups *t)
{
	const struct rollups_lost lost = t->lost;

	t->lost = (struct rollups_lost){ .rollups = 0 };
	return lost;
}

static void lose(struct rollups *t, uint64_t steps)
{
	t->lost.rollups++;
	t->lost.steps += steps;
}

size_t rollups_open_count(const struct rollups *t)
{
	return t->n_open;
}

/* --- streams ------------------------------------------------------------------------------- */

static bool is_text(const char *kept, struct slice text)
{
	const struct slice cut = session_cut(text);

	return strlen(kept) == cut.n && !memcmp(kept, cut.p, cut.n);
}

static struct stream *look_up(const struct rollups *t, uint64_t hash, struct slice instance, struct slice id,
			      bool others)
{
	struct stream *s = t->slot[hash % SLOTS];

	while (s && (s->hash != hash || s->others != others || !is_text(s->instance, instance) || !is_text(s->id, id)))
		s = s->chain;
	return s;
}

static struct stream *add_stream(struct rollups *t, uint64_t hash, struct slice instance, struct slice id, bool others)
{
	struct stream *s = calloc(1, sizeof *s);

	if (s) {
		s->instance = session_text(instance);
		s->id = session_text(id);
		s->model_name = session_text(slice_of(""));
		s->strategy = session_text(slice_of(""));
	}
	if (!s || !s->instance || !s->id || !s->model_name || !s->strategy) {
		if (s)
			free_stream(s);
		return NULL;
	}
	s->hash = hash;
	s->others = others;
	s->chain = t->slot[hash % SLOTS];
	t->slot[hash % SLOTS] = s;
	t->n_streams++;
	return s;
}

/* Without memory now, perhaps from the next line. */
static void learn(char **kept, struct slice said)
{
	char *text;

	if (**kept || !said.n)
		return;
	text = session_text(said);
	if (!text)
		return;
	free(*kept);
	*kept = text;
}

/* The stream that a line of that session belongs to. */
static struct stream *stream_of(struct rollups *t, const struct field_values *session, struct slice id,
				const char *source)
{
	struct slice instance = fields_text(session, F_INSTANCE);
	struct stream *s;
	uint64_t hash;

	instance = session_cut(instance.n ? instance : slice_of(source));
	id = session_cut(id);
	hash = session_hash(instance) ^ session_hash(id) * 31;
	s = look_up(t, hash, instance, id, false);
	if (!s && t->n_streams >= ROLLUP_STREAMS) {
		id = slice_of("");
		hash = session_hash(instance);
		s = look_up(t, hash, instance, id, true);
		s = s ? s : add_stream(t, hash, instance, id, true);
	} else if (!s) {
		s = add_stream(t, hash, instance, id, false);
	}
	if (!s)
		return NULL;
	learn(&s->model_name, fields_text(session, F_MODEL_NAME));
	learn(&s->strategy, fields_text(session, F_STRATEGY));
	return s;
}

/* --- what is open ----------------------------------------------------------------------------- */

static bool takes(const struct rollup *r, int64_t time_us)
{
	return time_us >= r->from_us && time_us - r->from_us <= ROLLUP_US + ROLLUP_SLACK_US;
}

static int64_t minute_of(int64_t time_us)
{
	int64_t in = time_us % ROLLUP_US;

	return time_us - (in < 0 ? in + ROLLUP_US : in);
}

/* The stream's roll-up that takes something of that time. What comes late finds the one of its own minute. */
static struct rollup *rollup_at(struct rollups *t, struct stream *s, int64_t time_us)
{
	struct open_rollup *o = s->open;

	if (o && takes(&o->sums, time_us))
		return &o->sums;
	for (; o; o = o->next)
		if (minute_of(o->sums.from_us) == minute_of(time_us))
			return &o->sums;
	o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->sums.from_us = o->sums.to_us = time_us;
	o->sums.streams = 1;
	o->next = s->open;
	s->open = o;
	t->n_open++;
	return &o->sums;
}

/* Of the rows from.., how many from the first on go into the same roll-up. */
static size_t together(const struct columns *c, size_t from, size_t end, const struct rollup *r)
{
	size_t n = 1;

	while (from + n < end && c->phase[from + n] == c->phase[from] && c->session[from + n] == c->session[from] &&
	       takes(r, c->time_us[from + n]))
		n++;
	return n;
}

static void sum_up(struct stream *s, struct rollup *r, const struct columns *c, size_t from, size_t n, uint64_t any)
{
	const int part = c->phase[from] == PHASE_PREFILL ? ROLLUP_PREFILL : ROLLUP_STEPS;

	for (size_t row = from; row < from + n; row++) {
		const int64_t at = c->time_us[row];

		r->from_us = at < r->from_us ? at : r->from_us;
		r->to_us = at > r->to_us ? at : r->to_us;
		s->first_us = !s->begun || at < s->first_us ? at : s->first_us;
		s->last_us = !s->begun || at > s->last_us ? at : s->last_us;
		s->begun = true;
		r->tokens += c->token_count[row];
		r->prefill_tokens += part == ROLLUP_PREFILL ? c->token_count[row] : 0;
	}
	r->records += n;
	s->idle = 0;
	s->ended = false;
	metric_stats_add_rows(&r->part[part], c, from, n, any);
}

static void add_run(struct rollups *t, const struct columns *c, const struct batch_run *run, const char *source)
{
	const size_t end = (size_t)run->from + run->n;

	for (size_t from = run->from, n; from < end; from += n) {
		struct stream *s = stream_of(t, c->session[from], run->id, source);
		struct rollup *r = s ? rollup_at(t, s, c->time_us[from]) : NULL;

		n = r ? together(c, from, end, r) : end - from;
		if (r)
			sum_up(s, r, c, from, n, run->held.any);
		else
			lose(t, n);
	}
}

/* What is no step counts where it was said. */
static void add_event(struct rollups *t, const struct columns *c, size_t row, const char *source)
{
	struct stream *s = stream_of(t, c->session[row], c->session_id[row], source);
	struct rollup *r;
	struct record rec;

	if (!s)
		return;
	s->ended = c->event[row] == EVENT_SESSION_END;
	if (c->event[row] != EVENT_ALARM && c->event[row] != EVENT_GAP)
		return;
	r = rollup_at(t, s, c->time_us[row]);
	if (!r)
		return;
	columns_record(c, row, &rec);
	r->alarms += rec.event == EVENT_ALARM;
	if (rec.event == EVENT_GAP && rec.extra) {
		const double dropped = fields_number(rec.extra, F_DROPPED, 0);

		r->dropped += dropped > 0 && dropped < 0x1p53 ? (uint64_t)dropped : 0;
	}
}

void rollups_take(struct rollups *t, const struct columns *c, const char *source)
{
	static const struct analyze_options all = { .session = NULL };

	batch_sort(t->batch, c, &all);
	for (size_t i = 0; i < t->batch->n_parts; i++) {
		const struct batch_part *part = &t->batch->part[i];

		for (size_t run = part->run; run < (size_t)part->run + part->n_runs; run++)
			add_run(t, t->batch->rows, &t->batch->run[run], source);
		if (part->event >= 0)
			add_event(t, t->batch->log, (size_t)part->event, source);
	}
}

/* --- closing ------------------------------------------------------------------------------------ */

/* A roll-up that is being closed, and its stream. */
struct closing {
	struct rollup *sums;
	const struct stream *of;
	bool own; /* it may be written as a stream's */
};

static int by_minute(const void *a, const void *b)
{
	const struct closing *x = a, *y = b;
	const int64_t mx = minute_of(x->sums->from_us), my = minute_of(y->sums->from_us);
	int order = (mx > my) - (mx < my);

	order = order ? order : strcmp(x->of->instance, y->of->instance);
	return order ? order : (x->sums->records < y->sums->records) - (x->sums->records > y->sums->records);
}

static bool same_minute(const struct closing *x, const struct closing *y)
{
	return minute_of(x->sums->from_us) == minute_of(y->sums->from_us) && !strcmp(x->of->instance, y->of->instance);
}

/* Younger than a minute, it is no stream to be followed; so are those of which there is no name. */
static bool is_own(const struct stream *s)
{
	return s->begun && !s->others && *s->id && s->last_us - s->first_us >= ROLLUP_US;
}

/* False: no memory. */
static bool name(struct rollup *r, const struct stream *s, bool with_session, bool with_model)
{
	r->instance = session_text(slice_of(s->instance));
	r->model_name = session_text(slice_of(with_model ? s->model_name : ""));
	r->strategy = session_text(slice_of(with_model ? s->strategy : ""));
	r->session_id = with_session ? session_text(slice_of(s->id)) : NULL;
	return r->instance && r->model_name && r->strategy && (r->session_id || !with_session);
}

static void merge(struct rollup *into, const struct rollup *from)
{
	const bool first = !into->streams;

	into->from_us = first || from->from_us < into->from_us ? from->from_us : into->from_us;
	into->to_us = first || from->to_us > into->to_us ? from->to_us : into->to_us;
	into->streams += from->streams;
	into->records += from->records;
	into->tokens += from->tokens;
	into->prefill_tokens += from->prefill_tokens;
	into->dropped += from->dropped;
	into->alarms += from->alarms;
	for (int p = 0; p < ROLLUP_PARTS; p++)
		metric_stats_merge(&into->part[p], &from->part[p]);
}

/* The instance's roll-ups of one minute: one for each model and strategy, the last for all that found no room. */
struct gathered {
	struct rollup of[MODELS_MOST + 1];
	size_t n;
};

/* NULL: no memory. */
static struct rollup *gathered_for(struct gathered *g, const struct stream *s)
{
	for (size_t i = 0; i < g->n && i < MODELS_MOST; i++)
		if (!strcmp(g->of[i].model_name, s->model_name) && !strcmp(g->of[i].strategy, s->strategy))
			return &g->of[i];
	if (g->n <= MODELS_MOST) {
		g->of[g->n] = (struct rollup){ .records = 0 };
		if (!name(&g->of[g->n], s, false, g->n < MODELS_MOST)) {
			rollup_free(&g->of[g->n]);
			return NULL;
		}
		g->n++;
	}
	return &g->of[g->n - 1];
}

static void gather(struct rollups *t, struct gathered *g, const struct closing *c)
{
	struct rollup *into = gathered_for(g, c->of);

	if (into)
		merge(into, c->sums);
	else
		lose(t, c->sums->records);
}

static size_t line_bytes(const struct rollup *r, size_t sketch_bytes)
{
	struct buf line = { 0 };
	size_t n;

	rollup_write(&line, r, "0123456789abcdef-0123456789abcdef", sketch_bytes);
	n = line.used;
	buf_free(&line);
	return n;
}

static size_t gathered_bytes(const struct gathered *g, size_t sketch_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += line_bytes(&g->of[i], sketch_bytes);
	return n;
}

/* The last two become one, of no model. */
static void join_last(struct gathered *g)
{
	struct rollup *into = &g->of[g->n - 2], *last = &g->of[g->n - 1];

	*into->model_name = *into->strategy = 0;
	merge(into, last);
	rollup_free(last);
	g->n--;
}

/* How large sketches may be. When even lines without any have no room, models share one. */
static size_t make_fit(struct gathered *g, size_t room)
{
	size_t sketch_bytes = ROLLUP_SKETCH_BYTES;

	while (gathered_bytes(g, sketch_bytes) > room && (sketch_bytes || g->n > 1))
		if (sketch_bytes)
			sketch_bytes = sketch_bytes > SKETCH_LEAST_BYTES ? sketch_bytes / 2 : 0;
		else
			join_last(g);
	return sketch_bytes;
}

/* All of one instance and minute: the largest streams have their own as long as there is room. */
struct minute {
	struct rollups *t;
	struct gathered g;
	size_t used; /* bytes of streams' own */
	rollup_put *put;
	void *ctx;
};

static void put_one(const struct minute *m, const struct rollup *r, size_t sketch_bytes)
{
	if (!m->put(m->ctx, r, sketch_bytes))
		lose(m->t, r->records);
}

/* False: it shares. */
static bool close_own(struct minute *m, const struct closing *c)
{
	size_t bytes;

	if (!c->own || m->used >= OWN_MOST_BYTES || !name(c->sums, c->of, true, true))
		return false;
	bytes = line_bytes(c->sums, ROLLUP_SKETCH_BYTES);
	if (m->used + bytes > OWN_MOST_BYTES)
		return false;
	m->used += bytes;
	put_one(m, c->sums, ROLLUP_SKETCH_BYTES);
	return true;
}

static void close_minute(struct rollups *t, const struct closing *c, size_t n, rollup_put *put, void *ctx)
{
	struct minute m = { .t = t, .put = put, .ctx = ctx };
	size_t sketch_bytes;

	for (size_t i = 0; i < n; i++)
		if (!close_own(&m, &c[i]))
			gather(t, &m.g, &c[i]);
	sketch_bytes = make_fit(&m.g, ROLLUP_MOST_BYTES - m.used);
	for (size_t i = 0; i < m.g.n; i++) {
		put_one(&m, &m.g.of[i], sketch_bytes);
		rollup_free(&m.g.of[i]);
	}
}

static size_t list_open(const struct rollups *t, struct closing *out)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOTS; i++)
		for (const struct stream *s = t->slot[i]; s; s = s->chain)
			for (struct open_rollup *o = s->open; o; o = o->next)
				out[n++] = (struct closing){ &o->sums, s, is_own(s) };
	return n;
}

static void lose_open(struct rollups *t)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (const struct stream *s = t->slot[i]; s; s = s->chain)
			for (const struct open_rollup *o = s->open; o; o = o->next)
				lose(t, o->sums.records);
}

/* Streams that are over, or have rested for long, are forgotten. */
static void forget(struct rollups *t)
{
	for (size_t i = 0; i < SLOTS; i++)
		for (struct stream **at = &t->slot[i]; *at;) {
			struct stream *s = *at;

			free_open(s);
			if (!s->ended && s->idle++ < IDLE_FLUSHES) {
				at = &s->chain;
				continue;
			}
			*at = s->chain;
			free_stream(s);
			t->n_streams--;
		}
	t->n_open = 0;
}

void rollups_flush(struct rollups *t, rollup_put *put, void *ctx)
{
	struct closing *c = calloc(t->n_open + 1, sizeof *c);
	size_t n = c ? list_open(t, c) : 0;

	if (!c)
		lose_open(t);
	if (n)
		qsort(c, n, sizeof *c, by_minute);
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && same_minute(&c[from], &c[to]); to++)
			;
		close_minute(t, &c[from], to - from, put, ctx);
	}
	free(c);
	forget(t);
}
