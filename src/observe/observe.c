#include "observe/observe.h"

#include "observe/cycle.h"

#include <math.h>
#include <stdlib.h>

enum {
	REPETITION_WINDOW = 100, /* tokens */
	DRIFT_TOKENS = 100,	 /* from one sample of the drift to the next */
	RATE_TOKENS = 100,	 /* throughput is that of the last so many tokens … */
	RATE_CALLS = 128,	 /* a power of two above RATE_TOKENS */
	LINE_BYTES = 64,	 /* of a cache, of a vector */
};
static const double JUMP_LEAST = 1e-4; /* sums in another order differ by less */
static const uint64_t RATE_SPAN_NS = UINT64_C(10) * 1000000000; /* … or of the last 10 s */
static const uint64_t PAUSE_NS = 1000000000;			/* a longer gap is a waiting user */

/* The calls that make up the throughput's window, oldest first, as a ring. */
struct rate {
	struct rate_call {
		uint64_t span_ns; /* the call and the gap before it */
		uint64_t gap_ns;
		uint32_t tokens;
	} call[RATE_CALLS];
	unsigned first, n;
	uint64_t span_ns, tokens; /* sums over the window */
	uint64_t last_end_ns;	  /* 0: no call yet */
};

struct observer {
	struct rate rate;

	uint32_t sequence;
	uint64_t sequence_length;
	bool begun;		 /* the sequence has had a call */
	bool prefill_reported;
	uint64_t first_begin_ns; /* of the sequence */
	uint64_t prefill_end_ns; /* 0: no prefill in this sequence */

	uint32_t recent[REPETITION_WINDOW]; /* ring of the sequence's last tokens */
	double repetition_pct;		    /* NAN until the 100th token */
	struct cycle cycle;

	void *logits; /* (n_logits) of the call before, for the surprisal, in logits_cap bytes */
	size_t logits_cap, n_logits;
	enum value_type logits_dtype;
	double log_sum_exp; /* of those; NAN unknown */

	void *state; /* (n_state) floats after the call before, in state_cap bytes */
	size_t state_cap, n_state;
	void *first; /* (n_first) floats after the sequence's first call, in first_cap bytes */
	size_t first_cap, n_first; /* 0: unknown */
	bool drift_due;		   /* tokens enough have passed since the last sample */

	double leak; /* of the sequence that begins; NAN: not checked */
	double left2; /* squared norm of the state that the call before left, when summed; NAN unknown */
};

struct observer *observer_open(void)
{
	struct observer *o = calloc(1, sizeof *o);

	if (o) {
		o->repetition_pct = NAN;
		o->log_sum_exp = NAN;
		o->leak = NAN;
		o->left2 = NAN;
	}
	return o;
}

void observer_close(struct observer *o)
{
	if (!o)
		return;
	free(o->logits);
	free(o->state);
	free(o->first);
	free(o);
}

void observer_new_sequence(struct observer *o)
{
	if (o->begun)
		o->sequence++;
	o->sequence_length = 0;
	o->begun = o->prefill_reported = false;
	o->prefill_end_ns = 0;
	o->repetition_pct = NAN;
	o->log_sum_exp = NAN;
	o->n_state = 0;
	o->n_first = 0;
	o->drift_due = false;
	o->leak = NAN;
	o->left2 = NAN;
	cycle_reset(&o->cycle);
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

	bool same = !declared || n == n_declared, alike = same; /* in every bit; in shape */

	for (size_t i = 0; i < n && alike; i++) {
		alike = !declared || state[i].n == declared[i].n;
		same = same && alike && is_same(&state[i], declared ? &declared[i] : NULL);
	}
	o->leak = alike ? 0 : 1; /* another shape is another state */
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

/* Room for so many bytes in *p; false (and *cap 0) when memory is out. */
static bool make_room(void **p, size_t *cap, size_t bytes)
{
	if (bytes <= *cap)
		return true;
	free(*p);
	*p = aligned_alloc(LINE_BYTES, (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES); /* no store crosses a line */
	*cap = *p ? bytes : 0;
	return *p != NULL;
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
	c->gap_ns = r->n == 1 || gap > PAUSE_NS ? 0 : gap;
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

/* A caller that does not say which call ends the prefill gets the number with the first
 * decode call: from the first call's start to the end of the last prefill call. */
static void observe_first_token(struct observer *o, const struct observed_call *c, struct record *out)
{
	if (!o->begun)
		o->first_begin_ns = c->begin_ns;
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

static double repetition_pct(const uint32_t recent[REPETITION_WINDOW])
{
	uint32_t sorted[REPETITION_WINDOW];
	int distinct = 1;

	memcpy(sorted, recent, sizeof sorted);
	qsort(sorted, REPETITION_WINDOW, sizeof *sorted, by_id);
	for (int i = 1; i < REPETITION_WINDOW; i++)
		distinct += sorted[i] != sorted[i - 1];
	return 100.0 * (REPETITION_WINDOW - distinct) / REPETITION_WINDOW;
}

/* Only what was generated counts: a prompt may repeat itself. A caller that names no phase generates one by one. */
static void observe_cycle(struct observer *o, const struct observed_call *c, struct record *out)
{
	bool generated = c->phase == PHASE_DECODE || (c->phase == PHASE_UNKNOWN && c->n_tokens == 1);

	for (size_t i = 0; i < c->n_tokens; i++)
		cycle_push(&o->cycle, c->tokens[i], generated);
	if (2 * cycle_share(&o->cycle) > CYCLE_WINDOW)
		record_set(out, M_REPEAT_SHARE_PCT, 100.0 * cycle_share(&o->cycle) / CYCLE_WINDOW);
	if (!cycle_repeats(&o->cycle))
		return;
	record_set(out, M_REPEAT_CYCLE_TOKENS, o->cycle.run);
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
	if (before / REPETITION_WINDOW != o->sequence_length / REPETITION_WINDOW)
		o->repetition_pct = repetition_pct(o->recent);
	if (!isnan(o->repetition_pct))
		record_set(out, M_TOKEN_REPETITION_PCT, o->repetition_pct);
	o->drift_due |= o->begun && crosses_sample(before, c->n_tokens);
}

static void observe_logits(struct observer *o, const struct observed_call *c, struct record *out)
{
	struct logits_stats s;

	if (c->n_tokens == 1 && !isnan(o->log_sum_exp) && c->tokens[0] < o->n_logits)
		record_set(out, M_SURPRISAL_NATS, o->log_sum_exp - (double)value_float(o->logits, o->logits_dtype, c->tokens[0]));
	o->log_sum_exp = NAN;
	if (!c->logits || !c->n_logits || c->little)
		return;
	o->n_logits = make_room(&o->logits, &o->logits_cap, c->n_logits * value_bytes(c->logits_dtype)) ? c->n_logits : 0;
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
	o->log_sum_exp = o->n_logits ? s.log_sum_exp : NAN;
}

static double cosine(const struct state_sums *s)
{
	double norms = sqrt(s->old2) * sqrt(s->new2);
	double c = s->dot / norms;

	return norms > 0 && isfinite(norms) ? fmax(-1, fmin(1, c)) : NAN;
}

static void set_known(struct record *out, enum metric_id m, double value)
{
	if (isfinite(value))
		record_set(out, m, value);
}

static void add_sums(struct state_sums *to, const struct state_sums *from)
{
	to->dot += from->dot;
	to->old2 += from->old2;
	to->new2 += from->new2;
	to->change2 += from->change2;
	to->nonfinite += from->nonfinite;
}

static size_t state_values(const struct observed_call *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_state; i++)
		n += c->state[i].n;
	return n;
}

/* Compares the state with the copy kept of it and renews the copy; false when there is
 * nothing to compare with. */
static bool compare_state(struct observer *o, const struct observed_call *c, struct state_sums sums[PART_COUNT])
{
	size_t per_layer = c->layer_norm && c->n_layer && c->n_state % c->n_layer == 0 ? c->n_state / c->n_layer : 0;
	size_t n = state_values(c), at = 0;
	bool comparable = n == o->n_state;

	if (!make_room(&o->state, &o->state_cap, n * sizeof(float))) {
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
		add_sums(&sums[c->state[i].part == PART_SHIFT ? PART_SHIFT : PART_WKV], &one); /* a caller's number */
		if (per_layer)
			c->layer_norm[i / per_layer] += (float)one.new2;
	}
	for (size_t i = 0; per_layer && i < c->n_layer; i++)
		c->layer_norm[i] = sqrtf(c->layer_norm[i]);
	o->n_state = n;
	return comparable;
}

/* A sum of squares that is infinite has met no NaN. */
static void observe_nonfinite(const struct state_sums *all, struct record *out)
{
	if (!all->nonfinite)
		return;
	record_set(out, M_NONFINITE_STATE, (double)all->nonfinite);
	record_set(out, isinf(all->new2) ? M_INF_STATE : M_NAN_STATE, 1);
}

/* Sums compare the states before and after a call, so that a state exchanged between two calls shows only here. */
static void observe_jump(struct observer *o, const struct state_sums *all, struct record *out)
{
	double left = sqrt(o->left2), given = sqrt(all->old2), jump = fabs(given - left) / fmax(left, given);

	if (o->begun && jump > JUMP_LEAST)
		record_set(out, M_STATE_JUMP, jump);
	o->left2 = all->new2;
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

/* A state to come back to: taken even when little is to be looked at, since there is no second chance. */
static void keep_first(struct observer *o, const struct observed_call *c)
{
	size_t n = state_values(c), at = 0;

	if (!n || !make_room(&o->first, &o->first_cap, n * sizeof(float)))
		return;
	for (size_t i = 0; i < c->n_state; at += c->state[i++].n)
		widen((float *)o->first + at, &c->state[i]);
	o->n_first = n;
}

/* How far the state has turned away from the first one. A sample that is due waits for a call that hands the state over
 * and is looked at. */
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
		o->left2 = NAN; /* what this call leaves is not known */
	if (c->sums) {
		memcpy(sums, c->sums, sizeof sums);
		for (size_t i = 0; c->layer_norm && c->layer_norm2 && i < c->n_layer; i++)
			c->layer_norm[i] = (float)sqrt(c->layer_norm2[i]);
		o->n_state = 0; /* the copy, if any, is stale now */
	} else if (c->n_state && c->little) {
		o->n_state = 0; /* the next look has nothing to compare with */
		return;
	} else if (c->n_state) {
		comparable = compare_state(o, c, sums) && comparable;
	} else {
		o->n_state = 0;
		return;
	}
	all = sums[PART_SHIFT];
	add_sums(&all, &sums[PART_WKV]);
	observe_nonfinite(&all, out);
	if (c->sums)
		observe_jump(o, &all, out);
	if (!comparable)
		return;
	set_known(out, M_STATE_SIMILARITY, cosine(&all));
	set_known(out, M_STATE_SIMILARITY_SHIFT, cosine(&sums[PART_SHIFT]));
	set_known(out, M_STATE_SIMILARITY_WKV, cosine(&sums[PART_WKV]));
	set_known(out, M_STATE_CHANGE, sqrt(all.change2) / sqrt(all.old2));
}

void observer_call(struct observer *o, const struct observed_call *c, struct record *out)
{
	out->have = 0;
	out->nonfinite = 0;
	observe_time(o, c, out);
	observe_first_token(o, c, out);
	observe_tokens(o, c, out);
	observe_cycle(o, c, out);
	observe_logits(o, c, out);
	observe_state(o, c, out);
	observe_drift(o, c, out);
	if (!o->begun && !isnan(o->leak))
		record_set(out, M_STATE_LEAK, o->leak);
	o->begun = true;
	out->phase = c->phase;
	out->sequence = o->sequence;
	out->sequence_length = o->sequence_length;
	out->token_count = (uint32_t)c->n_tokens;
}
