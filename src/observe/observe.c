/* observe.c - one function per metric, called in the order of the record. */
#include "observe/observe.h"

#include "observe/cycle.h"
#include "observe/turns.h"

#include <math.h>
#include <stdlib.h>

enum {
	REPETITION_WINDOW = 100, /* tokens */
	DRIFT_TOKENS = 100,      /* from one sample of the drift to the next */
	INPUT_TOKENS = 24,       /* of a prompt, before its surprisal is meaningful */
	RATE_TOKENS = 100,       /* throughput is measured over the last so many tokens … */
	RATE_CALLS = 104,        /* above RATE_TOKENS: that many calls of one token, and the next */
	LINE_BYTES = 64,         /* of a cache, of a vector */
	SCARCE_CALLS = 1024,     /* so long after one got no room for its copies, observers take turns */
};
static const double JUMP_LEAST = 1e-4;                          /* sums in a different order differ by less */
static const double APART_LEAST = 1.0 / 128;                    /* a state that was rounded to bf16 differs by less */
static const uint64_t RATE_SPAN_NS = UINT64_C(10) * 1000000000; /* … or of the last 10 s */
static const uint64_t PAUSE_NS = 1000000000;                    /* a longer gap is a waiting user */

/* The calls that make up the throughput's window, oldest first, as a ring. */
struct rate {
	struct rate_call {
		uint64_t span_ns; /* the call and the gap before it */
		uint32_t gap_ns;  /* at most PAUSE_NS */
		uint32_t tokens;
	} call[RATE_CALLS];
	unsigned first, n;
	uint64_t span_ns, tokens; /* sums over the window */
	uint64_t last_end_ns;     /* 0: no call yet */
};

struct observer {
	struct rate rate;

	uint32_t sequence;
	uint64_t sequence_length;
	bool begun; /* the sequence has had a call */
	bool prefill_reported;
	uint64_t first_begin_ns; /* of the turn */
	uint64_t prefill_end_ns; /* 0: no prefill in this sequence */

	uint32_t recent[REPETITION_WINDOW]; /* ring of the sequence's last tokens */
	uint64_t coarse_until;              /* so long a sequence's ring has fingerprints among the tokens (cycle.h) */
	uint64_t recent_from;               /* of the sequence's tokens, those before are not in the ring */
	double repetition_pct;              /* NAN until the 100th token */
	struct cycle cycle;
	struct verdict_state verdict;
	size_t vocab; /* as given; 0: not given */

	void *logits; /* (n_logits) of the call before, for the surprisal, in logits_cap bytes */
	size_t logits_cap, n_logits;
	enum value_type logits_dtype;
	double log_sum_exp; /* of those; NAN unknown */

	void *state; /* (n_state) floats after the call before, in state_cap bytes */
	size_t state_cap, n_state;
	void *first;               /* (n_first) floats after the sequence's first call, in first_cap bytes */
	size_t first_cap, n_first; /* 0: unknown */
	bool drift_due;            /* tokens enough have passed since the last sample */

	double input_surprisal; /* summed over input_n tokens of the sequence's prompt */
	uint64_t input_n;

	struct copy_room *room; /* for the copies; NULL: whatever they take */
	uint32_t waited;        /* calls since the last one that was compared with the one before it */
	uint32_t every;         /* it comes every so many calls */

	double leak;  /* of the sequence that begins; NAN: not checked */
	double left2; /* squared norm of the state that the call before left, when summed; NAN unknown */
	double jump;  /* of the state that the next call is given; NAN: none, or unknown */

	struct turns *turns; /* NULL: whose the calls are is known, they are a stream's */
	bool given;          /* so is what the next call goes on from */
};

struct observer *observer_open(struct copy_room *room)
{
	struct observer *o = calloc(1, sizeof *o);

	if (o && !room) {
		o->turns = turns_open();
		if (!o->turns || !cycle_open_whole(&o->cycle)) {
			turns_close(o->turns);
			free(o);
			return NULL;
		}
	}
	if (o) {
		o->room = room;
		o->repetition_pct = NAN;
		o->log_sum_exp = NAN;
		o->leak = NAN;
		o->left2 = NAN;
		o->jump = NAN;
		verdict_reset(&o->verdict, 0);
	}
	return o;
}

/* A copy's memory goes back. */
static void release(struct observer *o, void **p, size_t *cap)
{
	if (o->room && *cap)
		atomic_fetch_sub_explicit(o->room->used_bytes, *cap, memory_order_relaxed);
	free(*p);
	*p = NULL;
	*cap = 0;
}

void observer_close(struct observer *o)
{
	if (!o)
		return;
	release(o, &o->logits, &o->logits_cap);
	release(o, &o->state, &o->state_cap);
	release(o, &o->first, &o->first_cap);
	cycle_close(&o->cycle);
	turns_close(o->turns);
	free(o);
}

void observer_set_vocab(struct observer *o, size_t vocab)
{
	o->vocab = vocab;
	verdict_reset(&o->verdict, vocab);
}

void observer_new_sequence(struct observer *o)
{
	if (o->begun)
		o->sequence++;
	o->sequence_length = o->coarse_until = o->recent_from = 0;
	o->begun = o->prefill_reported = false;
	o->prefill_end_ns = 0;
	o->repetition_pct = NAN;
	o->log_sum_exp = NAN;
	o->n_state = 0;
	o->n_first = 0;
	o->drift_due = false;
	o->leak = NAN;
	o->left2 = NAN;
	o->jump = NAN;
	o->input_surprisal = 0;
	o->input_n = 0;
	cycle_reset(&o->cycle);
	turns_close(o->turns); /* who says when sequences begin knows whose calls these are */
	o->turns = NULL;
	verdict_reset(&o->verdict, o->verdict.vocab);
}

/* Forgets the previous call, because it was undone. */
void observer_go_back(struct observer *o, uint64_t n)
{
	uint32_t last[REPETITION_WINDOW], held;

	n = n < o->sequence_length ? n : o->sequence_length;
	o->sequence_length -= n;
	cycle_back(&o->cycle, n);
	held = cycle_last(&o->cycle, last, REPETITION_WINDOW);
	for (uint32_t i = 0; i < held; i++)
		o->recent[(o->sequence_length - held + i) % REPETITION_WINDOW] = last[i];
	o->coarse_until = o->sequence_length + REPETITION_WINDOW;
	o->recent_from = o->sequence_length - held;
	verdict_reset(&o->verdict, o->verdict.vocab);
	o->repetition_pct = NAN;
	o->log_sum_exp = NAN;
	o->n_state = 0;
	o->left2 = NAN;
	o->jump = NAN;
	turns_reset(o->turns);
}

static bool is_zero(const struct observed_tensor *t)
{
	const char *p = t->p;
	size_t bytes = t->n * value_bytes(t->dtype);

	return !bytes || (!*p && !memcmp(p, p + 1, bytes - 1));
}

static bool is_same(const struct observed_tensor *a, const struct observed_tensor *b)
{
	if (!b)
		return is_zero(a);
	return a->n == b->n && a->dtype == b->dtype && !memcmp(a->p, b->p, a->n * value_bytes(a->dtype));
}

void observer_check_start(struct observer *o, const struct observed_tensor *state, size_t n,
			  const struct observed_tensor *declared, size_t n_declared)
{
	double apart2 = 0, a2 = 0, b2 = 0;

	bool same = !declared || n == n_declared, alike = same; /* identical; of the same shape */

	for (size_t i = 0; i < n && alike; i++) {
		alike = !declared || state[i].n == declared[i].n;
		same = same && alike && is_same(&state[i], declared ? &declared[i] : NULL);
	}
	o->leak = alike ? 0 : 1; /* a different shape is a different state */
	if (same || !alike)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct observed_tensor *want = declared ? &declared[i] : NULL;

		for (size_t k = 0; k < state[i].n; k++) {
			double a = (double)value_float(state[i].p, state[i].dtype, k);
			double b = want ? (double)value_float(want->p, want->dtype, k) : 0;

			apart2 += (a - b) * (a - b);
			a2 += a * a;
			b2 += b * b;
		}
	}
	if (apart2 != 0)
		o->leak = isfinite(apart2) ? sqrt(apart2 / fmax(a2, b2)) : 1;
}

/* Takes so many bytes out of the room, of which at most `most` may be in use then. */
static bool take_room(struct observer *o, size_t bytes, uint64_t most)
{
	struct copy_room *room = o->room;

	if (!room || atomic_fetch_add_explicit(room->used_bytes, bytes, memory_order_relaxed) + bytes <= most)
		return true;
	atomic_fetch_sub_explicit(room->used_bytes, bytes, memory_order_relaxed);
	return false;
}

/* Makes room for this many bytes in *p; false (and *cap 0) when memory runs out. */
static bool reserve_bytes(struct observer *o, void **p, size_t *cap, size_t bytes, uint64_t most)
{
	if (bytes <= *cap)
		return true;
	release(o, p, cap);
	if (!take_room(o, bytes, most))
		return false;
	*p = aligned_alloc(LINE_BYTES,
			   (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES); /* no store crosses a line */
	*cap = bytes;
	if (!*p)
		release(o, p, cap);
	return *p != NULL;
}

/* The same for what the next call is compared with. */
static bool reserve_copy(struct observer *o, void **p, size_t *cap, size_t bytes)
{
	bool fine = reserve_bytes(o, p, cap, bytes, o->room ? o->room->most_bytes : 0);

	if (!fine && o->room)
		o->room->refused_at = o->room->calls;
	return fine;
}

/* A copy of another observer's copy; false: there is none. */
static bool copy_of(struct observer *o, void **p, size_t *cap, const void *from, size_t bytes)
{
	if (!from || !bytes || !reserve_bytes(o, p, cap, bytes, o->room ? o->room->most_bytes : 0))
		return false;
	memcpy(*p, from, bytes);
	return true;
}

struct observer *observer_branch(const struct observer *from, struct copy_room *room)
{
	struct observer *o = malloc(sizeof *o);

	if (!o)
		return NULL;
	*o = *from;
	o->room = room;
	o->turns = NULL;
	o->logits = o->state = o->first = NULL;
	o->logits_cap = o->state_cap = o->first_cap = 0;
	o->waited = o->every = o->sequence = 0;
	cycle_copy(&o->cycle, &from->cycle); /* without memory its repetitions begin afresh */
	if (!copy_of(o, &o->logits, &o->logits_cap, from->logits, from->n_logits * value_bytes(from->logits_dtype)))
		o->log_sum_exp = NAN;
	if (!copy_of(o, &o->state, &o->state_cap, from->state, from->n_state * sizeof(float)))
		o->n_state = 0;
	if (!copy_of(o, &o->first, &o->first_cap, from->first, from->n_first * sizeof(float)))
		o->n_first = 0;
	return o;
}

/* After a call: where room is scarce, what was compared with the call before gives its memory to the next observer.
 * `whole`: all was that is to be. */
static void take_turns(struct observer *o, bool compared, bool whole, struct record *out)
{
	struct copy_room *room = o->room;
	bool scarce = room->refused_at && room->calls - room->refused_at < SCARCE_CALLS;

	o->waited++;
	if (whole) {
		o->every = o->waited;
		o->waited = 0;
	}
	if (!scarce)
		return;
	if (compared) {
		release(o, &o->logits, &o->logits_cap);
		release(o, &o->state, &o->state_cap);
		o->n_logits = o->n_state = 0;
		o->log_sum_exp = NAN;
	}
	o->every = o->every > o->waited ? o->every : o->waited;
	out->sampled_every = out->sampled_every > o->every ? out->sampled_every : o->every;
}

static void rate_drop_oldest(struct rate *r)
{
	struct rate_call *next = &r->call[(r->first + 1) % RATE_CALLS];

	r->tokens -= r->call[r->first].tokens;
	r->span_ns -= r->call[r->first].span_ns + next->gap_ns;
	next->span_ns -= next->gap_ns; /* the window begins with the call, not with the gap before it */
	next->gap_ns = 0;
	r->first = (r->first + 1) % RATE_CALLS;
	r->n--;
}

static void rate_add(struct rate *r, uint64_t begin_ns, uint64_t end_ns, uint32_t tokens)
{
	uint64_t gap = r->last_end_ns && begin_ns > r->last_end_ns ? begin_ns - r->last_end_ns : 0;
	struct rate_call *c;

	if (r->n == RATE_CALLS)
		rate_drop_oldest(r);
	c = &r->call[(r->first + r->n++) % RATE_CALLS];
	c->tokens = tokens;
	c->gap_ns = r->n == 1 || gap > PAUSE_NS ? 0 : (uint32_t)gap;
	c->span_ns = end_ns - begin_ns + c->gap_ns;
	r->tokens += tokens;
	r->span_ns += c->span_ns;
	r->last_end_ns = end_ns;
	while (r->n > 1 && (r->tokens - r->call[r->first].tokens >= RATE_TOKENS || r->span_ns > RATE_SPAN_NS))
		rate_drop_oldest(r);
}

static void observe_time(struct observer *o, const struct observed_call *c, struct record *out)
{
	double ms = (double)(c->end_ns - c->begin_ns) / 1e6;
	bool first_call = !o->rate.last_end_ns;

	record_set(out, M_CHUNK_PROCESS_TIME_MS, ms);
	record_set(out, M_TOKEN_LATENCY_MS, ms / (double)c->n_tokens);
	rate_add(&o->rate, c->begin_ns, c->end_ns, (uint32_t)c->n_tokens);
	if (!first_call && o->rate.span_ns)
		record_set(out, M_THROUGHPUT_TPS, (double)o->rate.tokens * 1e9 / (double)o->rate.span_ns);
}

/* Once a turn, which begins with the sequence and with every prefill after a decode. If the caller does not say which
 * call ends the prefill, the first decode call gets the value: from the turn's first call's start to the end of its
 * last prefill call. */
static void observe_first_token(struct observer *o, const struct observed_call *c, struct record *out)
{
	bool next_turn = o->prefill_reported && c->phase == PHASE_PREFILL;

	if (!o->begun || next_turn)
		o->first_begin_ns = c->begin_ns;
	if (next_turn)
		o->prefill_reported = false;
	if (c->phase == PHASE_PREFILL)
		o->prefill_end_ns = c->end_ns;
	if (o->prefill_reported || !o->prefill_end_ns || !(c->ends_prefill || c->phase == PHASE_DECODE))
		return;
	record_set(out, M_TIME_TO_FIRST_TOKEN_MS, (double)(o->prefill_end_ns - o->first_begin_ns) / 1e6);
	o->prefill_reported = true;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* coarse: some are known by their fingerprint alone, which is its own fingerprint. */
static double repetition_pct(const uint32_t recent[REPETITION_WINDOW], bool coarse)
{
	uint32_t sorted[REPETITION_WINDOW];
	int distinct = 1;

	for (int i = 0; i < REPETITION_WINDOW; i++)
		sorted[i] = coarse ? cycle_fingerprint(recent[i]) : recent[i];
	qsort(sorted, REPETITION_WINDOW, sizeof *sorted, by_id);
	for (int i = 1; i < REPETITION_WINDOW; i++)
		distinct += sorted[i] != sorted[i - 1];
	return 100.0 * (REPETITION_WINDOW - distinct) / REPETITION_WINDOW;
}

/* Only generated tokens count: a prompt may repeat itself. Without a phase, calls of one token count as generating. */
static void observe_cycle(struct observer *o, const struct observed_call *c, struct record *out)
{
	bool generated = c->phase == PHASE_DECODE || (c->phase == PHASE_UNKNOWN && c->n_tokens == 1);

	for (size_t i = 0; i < c->n_tokens; i++)
		cycle_push(&o->cycle, c->tokens[i], generated);
	if (2 * cycle_share(&o->cycle) > CYCLE_WINDOW)
		record_set(out, M_REPEAT_SHARE_PCT, 100.0 * cycle_share(&o->cycle) / CYCLE_WINDOW);
	if (cycle_nearly(&o->cycle))
		record_set(out, M_REPEAT_NEAR_TOKENS, o->cycle.near.run);
	if (!cycle_repeats(&o->cycle))
		return;
	record_set(out, M_REPEAT_CYCLE_TOKENS, (double)o->cycle.run);
	record_set(out, M_REPEAT_CYCLE_PERIOD, o->cycle.period);
}

static bool crosses_sample(uint64_t before, size_t n_tokens)
{
	return before / DRIFT_TOKENS != (before + n_tokens) / DRIFT_TOKENS;
}

bool observer_wants_state(const struct observer *o, size_t n_tokens, bool little)
{
	if (!o->begun)
		return true;
	return !little && o->n_first && (o->drift_due || crosses_sample(o->sequence_length, n_tokens));
}

/* Sampled by the call that completes each 100 tokens; later records carry it on. */
static void observe_tokens(struct observer *o, const struct observed_call *c, struct record *out)
{
	uint64_t before = o->sequence_length;
	size_t skip = c->n_tokens > REPETITION_WINDOW ? c->n_tokens - REPETITION_WINDOW : 0;

	for (size_t i = skip; i < c->n_tokens; i++)
		o->recent[(before + i) % REPETITION_WINDOW] = c->tokens[i];
	o->sequence_length += c->n_tokens;
	if (before / REPETITION_WINDOW != o->sequence_length / REPETITION_WINDOW &&
	    o->sequence_length - o->recent_from >= REPETITION_WINDOW)
		o->repetition_pct = repetition_pct(o->recent, o->sequence_length < o->coarse_until);
	if (!isnan(o->repetition_pct))
		record_set(out, M_TOKEN_REPETITION_PCT, o->repetition_pct);
	o->drift_due |= o->begun && crosses_sample(before, c->n_tokens);
}

/* fp16 has nothing between 65,504 and infinity. What is not finite is counted elsewhere. */
static void note_largest(double fp16, struct record *out)
{
	if (fp16 > 0 && isfinite(fp16) && !(record_has(out, M_FP16_LARGEST) && out->metric[M_FP16_LARGEST] >= fp16))
		record_set(out, M_FP16_LARGEST, fp16);
}

static void observe_logits(struct observer *o, const struct observed_call *c, struct record *out)
{
	struct logits_stats s;

	if ((c->n_tokens == 1 || c->phase == PHASE_PREFILL) && !isnan(o->log_sum_exp) && c->tokens[0] < o->n_logits)
		record_set(out, M_SURPRISAL_NATS,
			   o->log_sum_exp - (double)value_float(o->logits, o->logits_dtype, c->tokens[0]));
	o->log_sum_exp = NAN;
	if (!c->logits || !c->n_logits || c->little)
		return;
	o->n_logits = reserve_copy(o, &o->logits, &o->logits_cap, c->n_logits * value_bytes(c->logits_dtype))
			      ? c->n_logits
			      : 0;
	o->logits_dtype = c->logits_dtype;
	logits_observe(c->logits, c->logits_dtype, c->n_logits, o->n_logits ? o->logits : NULL, &s);
	if (s.nan + s.inf) {
		record_set(out, M_NONFINITE_LOGITS, (double)(s.nan + s.inf));
		if (s.nan)
			record_set(out, M_NAN_LOGITS, (double)s.nan);
		if (s.inf)
			record_set(out, M_INF_LOGITS, (double)s.inf);
		return;
	}
	record_set(out, M_LOGITS_ENTROPY, s.entropy);
	note_largest(s.fp16_most, out);
	o->log_sum_exp = o->n_logits ? s.log_sum_exp : NAN;
}

static double cosine(const struct state_sums *s)
{
	double norms = sqrt(s->old_norm2) * sqrt(s->new_norm2);
	double c = s->dot / norms;

	return norms > 0 && isfinite(norms) ? fmax(-1, fmin(1, c)) : NAN;
}

static void set_known(struct record *out, enum metric_id m, double value)
{
	if (isfinite(value))
		record_set(out, m, value);
}

static size_t state_values(const struct observed_call *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_state; i++)
		n += c->state[i].n;
	return n;
}

/* Compares the state with its copy and renews the copy; false when there is no copy. */
static bool compare_state(struct observer *o, const struct observed_call *c, struct state_sums sums[PART_COUNT])
{
	size_t per_layer = c->layer_norm && c->n_layer && c->n_state % c->n_layer == 0 ? c->n_state / c->n_layer : 0;
	size_t n = state_values(c), at = 0;
	bool comparable = n == o->n_state;

	if (!reserve_copy(o, &o->state, &o->state_cap, (n ? n : 1) * sizeof(float))) { /* tensors may be empty */
		o->n_state = 0;
		return false;
	}
	if (per_layer)
		memset(c->layer_norm, 0, c->n_layer * sizeof *c->layer_norm);
	if (!comparable)
		memset(o->state, 0, n * sizeof(float));
	for (size_t i = 0; i < c->n_state; at += c->state[i++].n) {
		struct state_sums one = { 0 };

		state_observe((float *)o->state + at, c->state[i].p, c->state[i].dtype, c->state[i].n, &one);
		state_sums_add(&sums[c->state[i].part == PART_SHIFT ? PART_SHIFT : PART_WKV],
			       &one); /* a caller's number */
		if (per_layer)
			c->layer_norm[i / per_layer] += (float)one.new_norm2;
	}
	for (size_t i = 0; per_layer && i < c->n_layer; i++)
		c->layer_norm[i] = sqrtf(c->layer_norm[i]);
	o->n_state = n;
	return comparable;
}

/* If a sum of squares is infinite, there was no NaN. */
static void observe_nonfinite(const struct state_sums *all, struct record *out)
{
	if (!all->nonfinite)
		return;
	record_set(out, M_NONFINITE_STATE, (double)all->nonfinite);
	record_set(out, isinf(all->new_norm2) ? M_INF_STATE : M_NAN_STATE, 1);
}

/* Sums compare the states before and after a call, so a state replaced between two calls shows only here. */
static void observe_jump(struct observer *o, const struct state_sums *all, struct record *out)
{
	double left = sqrt(o->left2), given = sqrt(all->old_norm2), jump = fabs(given - left) / fmax(left, given);

	if (o->begun && jump > JUMP_LEAST)
		record_set(out, M_STATE_JUMP, jump);
	o->left2 = all->new_norm2;
}

/* What the call is compared with, where nothing is known of the state that the one before left. */
static bool compare_with_given(struct observer *o, size_t values)
{
	if (o->n_state || !reserve_copy(o, &o->state, &o->state_cap, (values ? values : 1) * sizeof(float)))
		return false;
	memset(o->state, 0, values * sizeof(float));
	o->n_state = values;
	return true;
}

void observer_given(struct observer *o, const struct observed_tensor *state, size_t n)
{
	struct state_sums all = { 0 };
	size_t at = 0, values = 0;
	bool unknown;
	double apart;

	for (size_t i = 0; i < n; i++)
		values += state[i].n;
	o->given = true;
	unknown = o->begun && compare_with_given(o, values);
	if (!o->begun || values != o->n_state)
		return;
	for (size_t i = 0; i < n; at += state[i++].n)
		state_observe((float *)o->state + at, state[i].p, state[i].dtype, state[i].n, &all);
	apart = sqrt(all.change_norm2) / sqrt(fmax(all.old_norm2, all.new_norm2));
	if (unknown || !(apart > APART_LEAST))
		return;
	o->jump = isfinite(apart) ? apart : 1;
	o->log_sum_exp = NAN; /* of another conversation */
}

/* Where conversations take turns of which nobody told, the call before is another's: nothing is compared with it. */
static void observe_turns(struct observer *o, const struct observed_call *c, struct record *out)
{
	double apart;

	if (!o->turns || o->given || c->sums || !c->n_state)
		return;
	if (turns_look(o->turns, c->state, c->n_state, c->tokens[c->n_tokens - 1], &apart)) {
		o->log_sum_exp = NAN;
		o->n_state = 0;
	}
	if (isfinite(apart))
		record_set(out, M_STATE_JUMP, apart);
}

/* Of a state that was handed over before the call. */
static void observe_given(struct observer *o, struct record *out)
{
	if (!isnan(o->jump))
		record_set(out, M_STATE_JUMP, o->jump);
	o->jump = NAN;
}

static uint64_t state_bytes(const struct observed_call *c)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < c->n_state; i++)
		bytes += c->state[i].n * value_bytes(c->state[i].dtype);
	return bytes ? bytes : c->state_bytes;
}

static void widen(float *to, const struct observed_tensor *t)
{
	struct state_sums none = { 0 };

	if (t->dtype == VALUE_F32) {
		memcpy(to, t->p, t->n * sizeof *to);
		return;
	}
	memset(to, 0, t->n * sizeof *to); /* what it is compared with on the way */
	state_observe(to, t->p, t->dtype, t->n, &none);
}

/* Keeps the first state for later comparison, even if this call is not to be measured, since there is no second
 * chance. */
static void keep_first(struct observer *o, const struct observed_call *c)
{
	size_t n = state_values(c), at = 0;

	if (!n || !reserve_bytes(o, &o->first, &o->first_cap, n * sizeof(float), o->room ? o->room->most_bytes / 2 : 0))
		return;
	for (size_t i = 0; i < c->n_state; at += c->state[i++].n)
		widen((float *)o->first + at, &c->state[i]);
	o->n_first = n;
}

/* How far the state has moved away from the first one. A sample that is due waits for a call that provides the state
 * and is measured. */
static void observe_drift(struct observer *o, const struct observed_call *c, struct record *out)
{
	struct state_sums all = { 0 };
	size_t at = 0;

	if (!o->begun)
		keep_first(o, c);
	if (!o->drift_due || !c->n_state || c->little)
		return;
	o->drift_due = false;
	if (!o->n_first || state_values(c) != o->n_first)
		return;
	for (size_t i = 0; i < c->n_state; at += c->state[i++].n)
		state_relate((const float *)o->first + at, c->state[i].p, c->state[i].dtype, c->state[i].n, &all);
	set_known(out, M_STATE_DRIFT, 1 - cosine(&all));
}

static void observe_state(struct observer *o, const struct observed_call *c, struct record *out)
{
	struct state_sums sums[PART_COUNT] = { 0 }, all;
	bool comparable = o->begun;
	uint64_t bytes = state_bytes(c);

	if (bytes)
		record_set(out, M_STATE_SIZE_BYTES, (double)bytes);
	if (!c->sums)
		o->left2 = NAN; /* the norm after this call is unknown */
	if (c->sums) {
		memcpy(sums, c->sums, sizeof sums);
		for (size_t i = 0; c->layer_norm && c->layer_norm2 && i < c->n_layer; i++)
			c->layer_norm[i] = (float)sqrt(c->layer_norm2[i]);
		o->n_state = 0; /* the copy, if any, is now out of date */
	} else if (c->n_state && c->little) {
		o->n_state = 0; /* the next measurement has nothing to compare with */
		return;
	} else if (c->n_state) {
		comparable = compare_state(o, c, sums) && comparable;
	} else {
		o->n_state = 0;
		return;
	}
	all = sums[PART_SHIFT];
	state_sums_add(&all, &sums[PART_WKV]);
	observe_nonfinite(&all, out);
	note_largest(sqrt(all.fp16_most2), out);
	if (c->sums)
		observe_jump(o, &all, out);
	if (!comparable)
		return;
	set_known(out, M_STATE_SIMILARITY, cosine(&all));
	set_known(out, M_STATE_SIMILARITY_SHIFT, cosine(&sums[PART_SHIFT]));
	set_known(out, M_STATE_SIMILARITY_WKV, cosine(&sums[PART_WKV]));
	set_known(out, M_STATE_CHANGE, sqrt(all.change_norm2) / sqrt(all.old_norm2));
}

void observer_input(struct observer *o, size_t n_surprisal, struct record *out)
{
	if (out->phase != PHASE_PREFILL || !record_has(out, M_SURPRISAL_NATS))
		return;
	o->input_surprisal += out->metric[M_SURPRISAL_NATS] * (double)n_surprisal;
	o->input_n += n_surprisal;
	if (o->input_n >= INPUT_TOKENS)
		record_set(out, M_INPUT_SURPRISAL_NATS, o->input_surprisal / (double)o->input_n);
}

void observer_note(struct observer *o, const struct record *r)
{
	if (!o->vocab && o->n_logits && o->verdict.vocab != o->n_logits)
		verdict_reset(&o->verdict, o->n_logits);
	verdict_note(&o->verdict, r);
}

void observer_verdict(const struct observer *o, struct observed_verdict *out)
{
	verdict_of(&o->verdict, &o->cycle, out);
}

void observer_place(const struct observer *o, struct record *out)
{
	out->sequence = o->sequence;
	out->sequence_length = o->sequence_length;
}

void observer_call(struct observer *o, const struct observed_call *c, struct record *out)
{
	bool has_logits = !isnan(o->log_sum_exp), has_state = o->n_state; /* of the call before */

	out->have = 0;
	out->nonfinite = 0;
	if (o->room)
		o->room->calls++;
	observe_time(o, c, out);
	observe_first_token(o, c, out);
	observe_tokens(o, c, out);
	observe_cycle(o, c, out);
	observe_turns(o, c, out);
	observe_logits(o, c, out);
	observe_given(o, out);
	observe_state(o, c, out);
	observe_drift(o, c, out);
	if (!o->begun && !isnan(o->leak))
		record_set(out, M_STATE_LEAK, o->leak);
	if (o->room)
		take_turns(o, has_logits || has_state, c->n_state && !c->sums ? has_state : has_logits, out);
	o->begun = true;
	o->given = false;
	out->phase = c->phase;
	observer_place(o, out);
	out->token_count = (uint32_t)c->n_tokens;
}
