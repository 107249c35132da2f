/* step.c - [hot] a forward call begins and ends: its record is made and handed over. */
#include "collect/careless.h"
#include "collect/collector.h"

#include <math.h>
#include <time.h>

void rwkvmon_begin(rwkvmon *mon)
{
	if (collector_is_ours(mon))
		mon->begin_ns = clock_mono_ns(mon->clock);
}

/* Of the stream's next call. */
static unsigned turn_of(const struct rwkvmon_stream *s)
{
	return s->records ? budget_next(&s->mon->budget, s->turn) : 0;
}

/* What was done for a stream since then, beside the end of its calls. The handle counts it with its next call. */
static void add_beside(struct rwkvmon_stream *s, uint64_t since_ns)
{
	uint64_t took_ns = clock_mono_ns(s->mon->clock) - since_ns;

	s->overhead_ns += took_ns;
	s->mon->given_ns += took_ns;
}

static void look_at_given(struct rwkvmon *mon, const struct rwkvmon_stream *stream, const struct rwkvmon_tensor *state,
			  size_t n_state)
{
	struct rwkvmon_stream *s = stream_named(mon, stream);
	uint64_t began = clock_mono_ns(mon->clock);

	if (!s || !s->observer || !careless_tensors(state, n_state) || !budget_takes_all(&mon->budget, turn_of(s)))
		return;
	observer_given(s->observer, (const struct observed_tensor *)(const void *)state, n_state);
	add_beside(s, began);
}

void rwkvmon_begin_from(rwkvmon *mon, const rwkvmon_stream *stream, const struct rwkvmon_tensor *state, size_t n_state)
{
	if (collector_enter(mon)) {
		look_at_given(mon, stream, state, n_state);
		collector_leave(mon);
	}
	rwkvmon_begin(mon);
}

/* rwkvmon.h's enums are the same numbers by construction. */
_Static_assert((int)RWKVMON_F32 == (int)VALUE_F32 && (int)RWKVMON_BF16 == (int)VALUE_BF16, "dtypes");
_Static_assert((int)RWKVMON_SHIFT == (int)PART_SHIFT && (int)RWKVMON_WKV == (int)PART_WKV, "parts");
_Static_assert((int)RWKVMON_PREFILL == (int)PHASE_PREFILL && (int)RWKVMON_DECODE == (int)PHASE_DECODE, "phases");
_Static_assert((int)RWKVMON_FINISH_LENGTH == (int)FINISH_LENGTH && (int)RWKVMON_FINISH_ERROR == (int)FINISH_ERROR,
	       "finishes");
_Static_assert((int)RWKVMON_SYNC_NEVER == (int)LOG_SYNC_NEVER && (int)RWKVMON_SYNC_RECORD == (int)LOG_SYNC_RECORD,
	       "syncs");
_Static_assert(sizeof(struct rwkvmon_tensor) == sizeof(struct observed_tensor) &&
		       offsetof(struct rwkvmon_tensor, part) == offsetof(struct observed_tensor, part),
	       "a tensor list can be handed on as it is");

/* The rows are in the order of the layers: so many of them make up one. */
static void add_sums(const struct rwkvmon_step *step, struct state_sums sums[PART_COUNT], double *layer_norm2,
		     size_t n_layer)
{
	size_t per_layer = n_layer && step->n_sums % n_layer == 0 ? step->n_sums / n_layer : 0;

	for (size_t i = 0; i < step->n_sums; i++) {
		const struct rwkvmon_state_sums *from = &step->sums[i];
		struct state_sums *to = &sums[from->part == RWKVMON_SHIFT ? PART_SHIFT : PART_WKV];

		state_sums_add(to, &(struct state_sums){ .dot = from->dot,
							 .old_norm2 = from->old_norm2,
							 .new_norm2 = from->new_norm2,
							 .change_norm2 = from->change_norm2,
							 .nonfinite = from->nonfinite });
		if (per_layer)
			layer_norm2[i / per_layer] += from->new_norm2;
	}
}

/* A time in the future is invalid. */
static uint64_t began_ns(const struct rwkvmon *mon, const struct rwkvmon_step *step, uint64_t end_ns)
{
	uint64_t said = step->began_ns ? step->began_ns : mon->begin_ns;

	return said && said < end_ns ? said : end_ns;
}

static void observe(struct rwkvmon_stream *s, const struct rwkvmon_step *step, uint64_t end_ns, float *norms,
		    struct record *r)
{
	struct rwkvmon *mon = s->mon;
	double norm2[NORMS_MAX]; /* (n_layer) */
	struct state_sums sums[PART_COUNT] = { 0 };
	bool surprised = false;
	struct observed_call call = {
		.begin_ns = began_ns(mon, step, end_ns),
		.end_ns = end_ns,
		.tokens = step->tokens,
		.n_tokens = step->n_tokens,
		.phase = (enum phase)step->phase,
		.ends_prefill = step->ends_prefill,
		.logits = step->logits,
		.n_logits = step->n_logits,
		.logits_dtype = (enum value_type)step->logits_dtype,
		.state = (const struct observed_tensor *)(const void *)step->state,
		.n_state = step->n_state,
		.sums = step->n_sums ? sums : NULL,
		.little = !budget_takes_all(&mon->budget, s->turn),
		.layer_norm = norms,
		.n_layer = norms ? mon->n_norms : 0,
		.layer_norm2 = norm2,
		.state_bytes = step->state_bytes,
	};

	memset(norm2, 0, call.n_layer * sizeof *norm2);
	add_sums(step, sums, norm2, call.n_layer);
	if (norms) {
		norms[0] = -1;
		r->layer_norm = norms;
		r->n_layer_norm = mon->n_norms;
	}
	observer_call(s->observer, &call, r);
	resources_fill(mon->resources, step->n_tokens, r);
	for (size_t i = 0; i < step->n_numbers; i++)
		if (step->numbers[i].metric >= 0 && step->numbers[i].metric < METRIC_COUNT &&
		    isfinite(step->numbers[i].value)) {
			record_set(r, (enum metric_id)step->numbers[i].metric, step->numbers[i].value);
			surprised |= step->numbers[i].metric == M_SURPRISAL_NATS;
		}
	/* A caller's mean is over the call's tokens but the first, ours is of one token. */
	observer_input(s->observer, surprised && step->n_tokens > 1 ? step->n_tokens - 1 : 1, r);
	observer_note(s->observer, r);
}

int rwkvmon_stream_wants_state(const rwkvmon *mon, const rwkvmon_stream *stream, size_t n_tokens)
{
	const struct rwkvmon_stream *s;
	bool wants;

	if (!n_tokens || !collector_enter(mon))
		return 0;
	s = stream_named(mon, stream);
	wants = s && (!s->observer ||
		      observer_wants_state(s->observer, n_tokens, !budget_takes_all(&mon->budget, turn_of(s))));
	collector_leave(mon);
	return wants;
}

int rwkvmon_wants_state(const rwkvmon *mon, size_t n_tokens)
{
	return rwkvmon_stream_wants_state(mon, NULL, n_tokens);
}

static void *reserve(struct rwkvmon *mon, size_t n)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	void *entry;

	while (!(entry = ring_reserve(&mon->ring, n))) {
		pool_call(&mon->writer);
		if (!mon->block_when_full || n > mon->ring.cap / 4)
			break;
		nanosleep(&moment, NULL);
	}
	return entry;
}

/* What a record takes along into the ring: drain.c's unpack() is the twin of this order. */
struct cargo {
	size_t gpus, norms, tokens, text, own; /* bytes */
};

static struct cargo cargo_of(struct rwkvmon *mon, const struct rwkvmon_step *step)
{
	return (struct cargo){ .gpus = resources_gpus(mon->resources, mon->gpu) * sizeof *mon->gpu,
			       .norms = mon->n_norms * sizeof(float),
			       .tokens = mon->log_tokens ? step->n_tokens * sizeof *step->tokens : 0,
			       .text = mon->log_text && step->text ? step->text_bytes : 0,
			       .own = mon->own.blob_bytes };
}

static void load(const struct rwkvmon *mon, const struct rwkvmon_step *step, const struct cargo *c, struct record *r)
{
	char *to = (char *)(r + 1); /* behind the entry, of which the record is the last */

	r->n_gpus = c->gpus / sizeof *mon->gpu;
	r->gpu = c->gpus ? mon->gpu : NULL; /* as with own: set to where they lie by who reads the ring */
	memcpy(to, mon->gpu, c->gpus);
	to += c->gpus + c->norms;

	if (c->norms && r->layer_norm[0] < 0) /* not taken by this call */
		r->n_layer_norm = 0;
	r->tokens = c->tokens ? step->tokens : NULL;
	r->n_tokens = c->tokens ? step->n_tokens : 0;
	r->text = (struct slice){ c->text ? step->text : NULL, c->text };
	r->own = c->own ? mon->own.blob : NULL;
	if (c->tokens)
		memcpy(to, step->tokens, c->tokens);
	if (c->text)
		memcpy(to + c->tokens, step->text, c->text);
	if (r->own)
		memcpy(to + c->tokens + c->text, mon->own.blob, c->own);
	memcpy(r->own_bytes, mon->own.place_bytes, sizeof r->own_bytes);
}

/* When the forward call ended, for all of its streams. */
struct call_end {
	uint64_t ns;
	int64_t wall_us;
};

static void describe(const struct rwkvmon_stream *s, const struct rwkvmon_step *step, const struct call_end *end,
		     struct record *r)
{
	r->time_us = end->wall_us;
	r->event = EVENT_INFERENCE_STEP;
	r->session = NULL;
	r->instance = NULL;
	r->extra = NULL;
	r->details = NULL;
	r->sampled_every = s->mon->budget.stride;
	r->batch_size = step->batch_size;
	r->finish = 0; /* rwkvmon_finished says that */
	r->ordinal = s->records + 1;
	r->layer_norm = NULL;
	r->n_layer_norm = 0;
	r->gpu = NULL;
	r->n_gpus = 0;
}

static float *norms_in(struct carried *entry, const struct cargo *c)
{
	return (float *)(void *)((char *)(entry + 1) + c->gpus);
}

/* The record is made in the ring, from which it will be read. A call whose record does not fit is still observed, so
 * that the next call can be compared with it. */
static void make_record(struct rwkvmon_stream *s, const struct rwkvmon_step *step, const struct call_end *end)
{
	struct rwkvmon *mon = s->mon;
	struct cargo cargo = cargo_of(mon, step);
	struct carried *entry =
		reserve(mon, sizeof *entry + cargo.gpus + cargo.norms + cargo.tokens + cargo.text + cargo.own);
	struct record spare, *r = entry ? &entry->record : &spare;

	describe(s, step, end, r);
	observe(s, step, end->ns, entry && cargo.norms ? norms_in(entry, &cargo) : NULL, r);
	if (entry) {
		entry->stream = s;
		load(mon, step, &cargo, r);
		ring_commit(&mon->ring);
		if (ring_is_half_full(&mon->ring))
			pool_call(&mon->writer);
	} else {
		atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&mon->dropped, 1, memory_order_relaxed);
	}
	collector_wake(mon);
	s->records++;
	s->tokens += step->n_tokens;
}

/* The results of one forward call over several streams. */
struct call_seen {
	size_t streams, looked; /* of these, everything was taken */
};

/* The stream that it was, or NULL. */
static struct rwkvmon_stream *see(struct rwkvmon *mon, const struct rwkvmon_step *step, const struct call_end *end,
				  struct call_seen *seen)
{
	struct rwkvmon_stream *s = stream_named(mon, step->stream);

	mon->records++;
	mon->tokens += step->n_tokens;
	if (!s || !stream_observer(s)) {
		collector_astray(mon, s ? ASTRAY_MEMORY : ASTRAY_UNKNOWN, 1);
		return NULL;
	}
	seen->streams++;
	s->turn = turn_of(s);
	seen->looked += budget_takes_all(&mon->budget, s->turn);
	make_record(s, step, end);
	return s;
}

/* One writer: a plain addition, which others may read. */
static void add_overhead(struct rwkvmon *mon, const struct call_seen *seen, uint64_t own_ns, uint64_t caller_ns,
			 uint64_t forward_ns)
{
	uint64_t before_ns = atomic_load_explicit(&mon->overhead_ns, memory_order_relaxed);

	atomic_store_explicit(&mon->overhead_ns, before_ns + own_ns + caller_ns, memory_order_relaxed);
	if (seen->streams)
		budget_spent(&mon->budget, seen->streams, seen->looked, own_ns, caller_ns, forward_ns);
}

/* At most what the call took: a caller that adds up wrongly does not end all measuring. */
static uint64_t spent_by_caller(const struct rwkvmon *mon, const struct rwkvmon_step *step, uint64_t end_ns)
{
	uint64_t call_ns = end_ns - began_ns(mon, step, end_ns);

	return step->spent_ns < call_ns ? step->spent_ns : call_ns;
}

/* The steps of one call, `stride` bytes apart, after it ended. */
static void end_call(struct rwkvmon *mon, const struct rwkvmon_step *steps, size_t n, size_t stride, uint64_t end_ns)
{
	const struct call_end end = { end_ns, clock_wall_us(mon->clock) };
	uint64_t before_ns = end_ns, records = mon->records, began = end_ns; /* of the earliest */
	uint64_t caller_ns = 0;
	struct call_seen seen = { 0 };
	struct rwkvmon_step step;

	for (size_t i = 0; i < n; i++) {
		struct rwkvmon_stream *s;
		uint64_t now_ns;

		if (!careless_step(&step, (const void *)((const char *)steps + i * stride)))
			continue;
		began = began_ns(mon, &step, end.ns) < began ? began_ns(mon, &step, end.ns) : began;
		if (!step.batch_size && n > 1)
			step.batch_size = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
		s = see(mon, &step, &end, &seen);
		now_ns = clock_mono_ns(mon->clock);
		caller_ns += spent_by_caller(mon, &step, end.ns);
		if (s)
			s->overhead_ns += now_ns - before_ns + spent_by_caller(mon, &step, end.ns);
		before_ns = now_ns;
	}
	if (mon->records == records)
		return; /* there was no call to see */
	add_overhead(mon, &seen, before_ns - end.ns + mon->given_ns, caller_ns, end.ns - began);
	mon->begin_ns = mon->given_ns = 0;
}

/* Another thread is inside; only one at a time is allowed. */
static void turn_away(struct rwkvmon *mon, const struct rwkvmon_step *steps, size_t n)
{
	struct rwkvmon_step step;

	if (!careless_step(&step, steps))
		return;
	collector_astray(mon, ASTRAY_BUSY, n);
}

void rwkvmon_end_batch(rwkvmon *mon, const struct rwkvmon_step *steps, size_t n)
{
	size_t stride;
	uint64_t end_ns;

	if (!n || !steps || !collector_is_ours(mon))
		return;
	end_ns = clock_mono_ns(mon->clock);
	stride = careless_stride(steps);
	if (!stride)
		return;
	if (!collector_enter(mon)) {
		turn_away(mon, steps, n);
		return;
	}
	end_call(mon, steps, n, stride, end_ns);
	collector_leave(mon);
}

void rwkvmon_end(rwkvmon *mon, const struct rwkvmon_step *step)
{
	rwkvmon_end_batch(mon, step, 1);
}

void rwkvmon_finished(rwkvmon *mon, enum rwkvmon_finish why)
{
	if (!collector_is_ours(mon) || (unsigned)why >= FINISH_COUNT)
		return;
	atomic_fetch_add_explicit(&mon->finished[why], 1, memory_order_relaxed);
	collector_wake(mon);
}

static void check_start(struct rwkvmon_stream *s, const struct rwkvmon_start *start)
{
	uint64_t began = clock_mono_ns(s->mon->clock);

	observer_check_start(s->observer, (const void *)start->state, start->n_state, (const void *)start->declared,
			     start->n_declared);
	add_beside(s, began);
}

void rwkvmon_stream_new_sequence(rwkvmon *mon, rwkvmon_stream *stream, const struct rwkvmon_start *given)
{
	struct rwkvmon_start start;
	struct rwkvmon_stream *s;
	bool checked = careless_start(&start, given);

	if (!collector_enter(mon))
		return;
	s = stream_named(mon, stream);
	/* A stream that had no call is at its beginning; the handle's own learns that somebody says so. */
	if (s && (s->observer || checked || !stream) && stream_observer(s)) {
		observer_new_sequence(s->observer);
		if (checked)
			check_start(s, &start);
	}
	collector_leave(mon);
}

void rwkvmon_new_sequence_from(rwkvmon *mon, const struct rwkvmon_start *start)
{
	rwkvmon_stream_new_sequence(mon, NULL, start);
}

void rwkvmon_new_sequence(rwkvmon *mon)
{
	rwkvmon_stream_new_sequence(mon, NULL, NULL);
}
