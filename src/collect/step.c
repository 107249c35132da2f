/* step.c - [hot] a forward call begins and ends: its record is made and handed over. */
#include "collect/collector.h"

#include <math.h>
#include <time.h>

void rwkvmon_begin(rwkvmon *mon)
{
	if (collector_is_ours(mon))
		mon->begin_ns = clock_mono_ns(mon->clock);
}

/* rwkvmon.h's enums are the same numbers by construction. */
_Static_assert((int)RWKVMON_F32 == (int)VALUE_F32 && (int)RWKVMON_BF16 == (int)VALUE_BF16, "dtypes");
_Static_assert((int)RWKVMON_SHIFT == (int)PART_SHIFT && (int)RWKVMON_WKV == (int)PART_WKV, "parts");
_Static_assert((int)RWKVMON_PREFILL == (int)PHASE_PREFILL && (int)RWKVMON_DECODE == (int)PHASE_DECODE, "phases");
_Static_assert((int)RWKVMON_FINISH_LENGTH == (int)FINISH_LENGTH && (int)RWKVMON_FINISH_ERROR == (int)FINISH_ERROR, "finishes");
_Static_assert((int)RWKVMON_SYNC_NEVER == (int)LOG_SYNC_NEVER && (int)RWKVMON_SYNC_RECORD == (int)LOG_SYNC_RECORD, "syncs");
_Static_assert(sizeof(struct rwkvmon_tensor) == sizeof(struct observed_tensor) &&
		       offsetof(struct rwkvmon_tensor, part) == offsetof(struct observed_tensor, part),
	       "a tensor list can be handed on as it is");

/* The rows are in the order of the layers: so many of them make up one. */
static void add_sums(const struct rwkvmon_step *step, struct state_sums sums[PART_COUNT], double *layer_norm2, size_t n_layer)
{
	size_t per_layer = n_layer && step->n_sums % n_layer == 0 ? step->n_sums / n_layer : 0;

	for (size_t i = 0; i < step->n_sums; i++) {
		const struct rwkvmon_state_sums *from = &step->sums[i];
		struct state_sums *to = &sums[from->part == RWKVMON_SHIFT ? PART_SHIFT : PART_WKV]; /* a caller's number */

		to->dot += from->dot;
		to->old2 += from->old_norm2;
		to->new2 += from->new_norm2;
		to->change2 += from->change_norm2;
		to->nonfinite += from->nonfinite;
		if (per_layer)
			layer_norm2[i / per_layer] += from->new_norm2;
	}
}

static void observe(struct rwkvmon *mon, const struct rwkvmon_step *step, uint64_t end_ns, float *norms, struct record *r)
{
	double norm2[NORMS_MAX] = { 0 };
	struct state_sums sums[PART_COUNT] = { 0 };
	struct observed_call call = {
		.begin_ns = mon->begin_ns ? mon->begin_ns : end_ns,
		.end_ns = end_ns,
		.tokens = step->tokens,
		.n_tokens = step->n_tokens,
		.phase = (enum phase)step->phase,
		.ends_prefill = step->ends_prefill,
		.logits = (unsigned)step->logits_dtype < VALUE_TYPE_COUNT ? step->logits : NULL,
		.n_logits = step->n_logits,
		.logits_dtype = (enum value_type)step->logits_dtype,
		.state = (const struct observed_tensor *)(const void *)step->state,
		.n_state = step->n_state,
		.sums = step->n_sums ? sums : NULL,
		.little = !budget_takes_all(&mon->budget),
		.layer_norm = norms,
		.n_layer = norms ? mon->n_norms : 0,
		.layer_norm2 = norm2,
		.state_bytes = step->state_bytes,
	};

	add_sums(step, sums, norm2, call.n_layer);
	if (norms) {
		norms[0] = -1;
		r->layer_norm = norms;
		r->n_layer_norm = mon->n_norms;
	}
	observer_call(mon->observer, &call, r);
	resources_fill(mon->resources, step->n_tokens, r);
	for (size_t i = 0; i < step->n_numbers; i++)
		if (step->numbers[i].metric >= 0 && step->numbers[i].metric < METRIC_COUNT && isfinite(step->numbers[i].value))
			record_set(r, (enum metric_id)step->numbers[i].metric, step->numbers[i].value);
}

int rwkvmon_wants_state(const rwkvmon *mon, size_t n_tokens)
{
	return collector_is_ours(mon) && n_tokens && observer_wants_state(mon->observer, n_tokens, !budget_takes_all(&mon->budget));
}

static void *reserve(struct rwkvmon *mon, size_t n)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	void *entry;

	while (!(entry = ring_reserve(&mon->ring, n))) {
		worker_call(&mon->writer);
		if (!mon->block_when_full || n > mon->ring.cap / 4)
			break;
		nanosleep(&moment, NULL);
	}
	return entry;
}

/* What a record takes along into the ring: drain.c's unpack() is the twin of this order. */
struct cargo {
	size_t norms, tokens, text, own; /* bytes */
};

static struct cargo cargo_of(const struct rwkvmon *mon, const struct rwkvmon_step *step)
{
	return (struct cargo){ .norms = mon->n_norms * sizeof(float),
			       .tokens = mon->log_tokens ? step->n_tokens * sizeof *step->tokens : 0,
			       .text = mon->log_text && step->text ? step->text_bytes : 0,
			       .own = mon->own.blob_bytes };
}

static void load(const struct rwkvmon *mon, const struct rwkvmon_step *step, const struct cargo *c, struct record *r)
{
	char *to = (char *)(r + 1) + c->norms;

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
	if (c->own) {
		memcpy(to + c->tokens + c->text, mon->own.blob, c->own);
		memcpy(r->own_bytes, mon->own.place_bytes, sizeof r->own_bytes);
	}
}

static void describe(const struct rwkvmon *mon, struct record *r)
{
	r->time_us = clock_wall_us(mon->clock);
	r->event = EVENT_INFERENCE_STEP;
	r->session = NULL;
	r->extra = NULL;
	r->details = NULL;
	r->sampled_every = mon->budget.stride;
	r->layer_norm = NULL;
	r->n_layer_norm = 0;
}

/* The record is made where it will be read from: in the ring. A call whose record finds no
 * room is watched all the same, so that the next one is compared with it. */
void rwkvmon_end(rwkvmon *mon, const struct rwkvmon_step *given)
{
	struct rwkvmon_step step;
	struct record spare, *r;
	struct cargo cargo;
	uint64_t end_ns, own_ns;
	void *entry;

	if (!collector_is_ours(mon))
		return;
	end_ns = clock_mono_ns(mon->clock);
	collector_take_struct(&step, sizeof step, given, offsetof(struct rwkvmon_step, text_bytes) + sizeof step.text_bytes);
	if (!step.tokens || !step.n_tokens)
		return;
	cargo = cargo_of(mon, &step);
	entry = reserve(mon, sizeof *r + cargo.norms + cargo.tokens + cargo.text + cargo.own);
	r = entry ? entry : &spare;
	describe(mon, r);
	observe(mon, &step, end_ns, entry && cargo.norms ? (float *)(void *)(r + 1) : NULL, r);
	if (entry) {
		load(mon, &step, &cargo, r);
		ring_commit(&mon->ring);
		if (ring_is_half_full(&mon->ring))
			worker_call(&mon->writer);
	} else {
		atomic_fetch_add_explicit(&mon->dropped, 1, memory_order_relaxed);
	}
	mon->records++;
	mon->tokens += step.n_tokens;
	own_ns = clock_mono_ns(mon->clock) - end_ns;
	/* One writer: a plain addition, which others may read. */
	atomic_store_explicit(&mon->overhead_ns, atomic_load_explicit(&mon->overhead_ns, memory_order_relaxed) + own_ns, memory_order_relaxed);
	budget_spent(&mon->budget, own_ns, mon->begin_ns ? end_ns - mon->begin_ns : 0);
	mon->begin_ns = 0;
}

void rwkvmon_finished(rwkvmon *mon, enum rwkvmon_finish why)
{
	if (collector_is_ours(mon) && (unsigned)why < FINISH_COUNT)
		atomic_fetch_add_explicit(&mon->finished[why], 1, memory_order_relaxed);
}

void rwkvmon_new_sequence(rwkvmon *mon)
{
	if (collector_is_ours(mon))
		observer_new_sequence(mon->observer);
}

void rwkvmon_new_sequence_from(rwkvmon *mon, const struct rwkvmon_start *given)
{
	struct rwkvmon_start start;

	if (!collector_is_ours(mon))
		return;
	collector_take_struct(&start, sizeof start, given, offsetof(struct rwkvmon_start, n_declared) + sizeof start.n_declared);
	observer_new_sequence(mon->observer);
	if (start.state && start.n_state)
		observer_check_start(mon->observer, (const void *)start.state, start.n_state, (const void *)start.declared,
				     start.n_declared);
}
