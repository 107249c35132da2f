/* time_breakdown.c - steps in the log's order become times, levels and counts by part. */
#include "analyze/time_breakdown.h"

#include "analyze/first_bad.h"
#include "analyze/time_packed.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/hash.h"
#include "spec/diagnosis.h"
#include "stats/octave.h"
#include "stats/sketch_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { STRETCH_FIRST = 8, ROUNDING_MS = 2, PACK_EVERY = 64 /* processes that begin */ };

#define PROMPT_TIMES 1.5 /* of a token's time */

const enum metric_id level_metrics[LEVEL_COUNT] = {
	[L_VRAM] = M_VRAM_USED_MB,
	[L_OWN_VRAM] = M_PROCESS_VRAM_MB,
	[L_GPU] = M_GPU_UTILIZATION_PCT,
	[L_CPU] = M_CPU_UTILIZATION_PCT,
	[L_MACHINE] = M_MACHINE_CPU_UTILIZATION_PCT,
	[L_MEMORY] = M_PROCESS_MEMORY_MB,
	[L_CLOCK] = M_CPU_CLOCK_MHZ,
	[L_HOT] = M_CPU_THERMAL_THROTTLES,
	[L_STOPPED] = M_CPU_QUOTA_STOPPED_PCT,
	[L_WAITING] = M_CPU_WAITING_PCT,
	[L_GPU_CLOCK] = M_GPU_CLOCK_MHZ,
	[L_GPU_HOT] = M_GPU_THERMAL_THROTTLED_PCT,
	[L_GPU_POWER] = M_GPU_POWER_THROTTLED_PCT,
	[L_REPETITION] = M_TOKEN_REPETITION_PCT,
	[L_QUEUE] = M_REQUESTS_WAITING,
};

/* The level of a metric that is one. */
static const uint8_t level_of[METRIC_COUNT] = {
	[M_VRAM_USED_MB] = L_VRAM,
	[M_PROCESS_VRAM_MB] = L_OWN_VRAM,
	[M_GPU_UTILIZATION_PCT] = L_GPU,
	[M_CPU_UTILIZATION_PCT] = L_CPU,
	[M_MACHINE_CPU_UTILIZATION_PCT] = L_MACHINE,
	[M_PROCESS_MEMORY_MB] = L_MEMORY,
	[M_CPU_CLOCK_MHZ] = L_CLOCK,
	[M_CPU_THERMAL_THROTTLES] = L_HOT,
	[M_CPU_QUOTA_STOPPED_PCT] = L_STOPPED,
	[M_CPU_WAITING_PCT] = L_WAITING,
	[M_GPU_CLOCK_MHZ] = L_GPU_CLOCK,
	[M_GPU_THERMAL_THROTTLED_PCT] = L_GPU_HOT,
	[M_GPU_POWER_THROTTLED_PCT] = L_GPU_POWER,
	[M_TOKEN_REPETITION_PCT] = L_REPETITION,
	[M_REQUESTS_WAITING] = L_QUEUE,
};

static uint64_t metrics_of_levels(void)
{
	uint64_t metrics = 0;

	for (int l = 0; l < LEVEL_COUNT; l++)
		metrics |= metric_bit(level_metrics[l]);
	return metrics;
}

void time_breakdown_open(struct time_book *b)
{
	*b = (struct time_book){ .levels = metrics_of_levels() };
	b->call = malloc(COLUMNS_ROWS * sizeof *b->call);
	b->failed = !b->call;
}

/* Its devices stay. */
static void part_free(struct time_part *p)
{
	if (!p)
		return;
	free(p->stretch);
	free(p->exchange);
	free(p);
}

void time_breakdown_close(struct time_book *b)
{
	for (size_t i = 0; i < b->n_parts; i++) {
		struct time_part bare;
		struct time_place *at = &b->place[i];

		if (at->packed)
			time_unpack(&bare, at->packed);
		devices_free(at->packed ? &bare.devices : &at->part->devices);
		part_free(at->part);
		free(at->packed);
	}
	free(b->call);
	free(b->over);
	free(b->place);
	free(b->process);
	arena_free(&b->texts);
}

void time_breakdown_hand_over(struct time_book *from, struct time_book *to)
{
	free(to->call);
	to->call = from->call;
	from->call = NULL;
}

/* --- sums ------------------------------------------------------------------------------ */

static inline void line_add(struct sums_line *l, double x, double y)
{
	l->n++;
	l->y += y;
	l->yy += y * y;
	if (x == 0)
		return;
	l->x += x;
	l->xx += x * x;
	l->xy += x * y;
}

/* The same y against x and against z, in two lines that get no others. */
static inline void lines_add(struct sums_line *l, struct sums_line *k, double x, double z, double y)
{
	k->n = l->n += 1;
	k->y = l->y += y;
	k->yy = l->yy += y * y;
	l->x += x;
	l->xx += x * x;
	l->xy += x * y;
	k->x += z;
	k->xx += z * z;
	k->xy += z * y;
}

void by_length_add(struct by_length *to, const struct sums_line *l)
{
	const double least = limit_of(T_STEPS), xx = l->xx - l->x * l->x / l->n, yy = l->yy - l->y * l->y / l->n,
		     xy = l->xy - l->x * l->y / l->n;

	if (l->n < least || !(xx > 0))
		return;
	to->all.n += l->n;
	to->all.x += l->x;
	to->all.y += l->y;
	to->all.xx += l->xx;
	to->all.yy += l->yy;
	to->all.xy += l->xy;
	to->xx += xx;
	to->yy += yy;
	to->xy += xy;
	to->sequences++;
	to->rising += xy > 0 && xy * xy >= limit_of(T_LENGTH_R2) / 2 * xx * yy;
}

/* The exponent and the first three bits behind the point; negative values are in the first bin. */
static inline size_t size_bin(double value)
{
	int64_t bin;

	memcpy(&bin, &value, sizeof bin);
	bin = (bin >> 49) - (INT64_C(1003) << 3);
	bin = bin > 0 ? bin : 0;
	return bin < SIZE_BINS ? (size_t)bin : SIZE_BINS - 1;
}

static inline void sizes_add(struct sizes *s, double value)
{
	size_t bin = size_bin(value);

	s->n++;
	s->count[bin]++;
	s->sum[bin] += value;
}

double sizes_quantile(const struct sizes *s, double q)
{
	double left = q * (double)s->n;

	for (size_t i = 0; i < SIZE_BINS; i++) {
		if (s->count[i] && left < (double)s->count[i])
			return s->sum[i] / (double)s->count[i];
		left -= (double)s->count[i];
	}
	return (double)NAN;
}

void sizes_above(const struct sizes *s, double least, double *n, double *sum)
{
	*n = *sum = 0;
	for (size_t i = size_bin(least) + 1; i < SIZE_BINS; i++) {
		*n += (double)s->count[i];
		*sum += s->sum[i];
	}
}

/* --- stretches --------------------------------------------------------------------------- */

void stretch_join(struct stretch *a, const struct stretch *b)
{
	widen_span(&a->from_us, &a->to_us, !a->calls, b->from_us, b->to_us);
	a->calls += b->calls;
	a->decode_calls += b->decode_calls;
	a->pauses += b->pauses;
	a->entropies += b->entropies;
	a->unsure += b->unsure;
	a->renewed += b->renewed;
	a->prefill_calls += b->prefill_calls;
	a->prefill_ln += b->prefill_ln;
	a->prefill_call_ln += b->prefill_call_ln;

	a->call_ms += b->call_ms;
	a->decode_ln += b->decode_ln;
	a->batch_ln += b->batch_ln;
	a->decode_ms += b->decode_ms;
	a->pause_ms += b->pause_ms;
	a->entropy += b->entropy;
	a->entropy2 += b->entropy2;
	for (int l = 0; l < LEVEL_COUNT; l++) {
		a->level[l] += b->level[l];
		a->seen[l] += b->seen[l];
	}
}

void stretches_halve(struct time_part *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_stretches; i += 2, n++) {
		p->stretch[n] = p->stretch[i];
		if (i + 1 < p->n_stretches)
			stretch_join(&p->stretch[n], &p->stretch[i + 1]);
	}
	p->n_stretches = n;
	p->per_stretch *= 2;
}

/* Room for one more stretch; false when memory is out. */
static bool stretch_room(struct time_part *p)
{
	size_t cap = p->stretches_cap ? 2 * p->stretches_cap : 16;
	struct stretch *more;

	if (p->n_stretches < p->stretches_cap)
		return true;
	cap = cap < STRETCHES_MAX ? cap : STRETCHES_MAX;
	more = realloc(p->stretch, cap * sizeof *more);
	if (!more)
		return false;
	p->stretch = more;
	p->stretches_cap = cap;
	return true;
}

/* One more stretch, or the last one where that has room after all; NULL when memory is out. */
static __attribute__((noinline)) struct stretch *next_stretch(struct time_part *p)
{
	struct stretch *last;

	if (p->n_stretches == STRETCHES_MAX) {
		stretches_halve(p);
		last = &p->stretch[p->n_stretches - 1];
		if (last->calls < p->per_stretch)
			return last;
	}
	if (!stretch_room(p))
		return NULL;
	last = &p->stretch[p->n_stretches++];
	*last = (struct stretch){ .calls = 0 };
	return last;
}

/* NULL when memory is out. */
static inline struct stretch *stretch_now(struct time_part *p)
{
	struct stretch *last = p->n_stretches ? &p->stretch[p->n_stretches - 1] : NULL;

	return last && last->calls < p->per_stretch ? last : next_stretch(p);
}

/* --- whose it is ------------------------------------------------------------------------- */

size_t host_length(const char *instance)
{
	const char *colon = strrchr(instance, ':');

	return colon ? (size_t)(colon - instance) : strlen(instance);
}

bool same_host(const char *a, const char *b)
{
	const size_t n = host_length(a);

	return n == host_length(b) && !memcmp(a, b, n);
}

/* Of all processes of a host that run the same. */
static uint64_t part_key(const struct time_owner *who, const struct field_values *about)
{
	static const enum field_id sizes[] = { F_MODEL_BYTES, F_N_LAYER, F_N_EMBD };
	const char *instance = who->instance ? who->instance : "";
	uint64_t h = hash_text(hash_text(HASH_BEGIN, slice_of(who->model_name)), slice_of(who->strategy));

	h = hash_text(h, (struct slice){ instance, host_length(instance) });
	for (size_t i = 0; about && i < sizeof sizes / sizeof *sizes; i++) {
		double value = fields_number(about, sizes[i], 0);

		h = hash_text(h, (struct slice){ (const char *)&value, sizeof value });
	}
	return h;
}

static const char *keep(struct time_book *b, const char *text)
{
	return text ? arena_copy(&b->texts, slice_of(text)) : NULL;
}

static void name_gpus(struct time_part *p)
{
	unsigned ordinal[GPUS_MAX];

	if (!p->strategy)
		return;
	p->gpus_named = strategy_gpus(slice_of(p->strategy), ordinal);
	if (p->gpus_named == 1 && strstr(p->strategy, "cuda:"))
		snprintf(p->gpu_alone, sizeof p->gpu_alone, "cuda:%u", ordinal[0] % 10000);
}

/* Without memory for any, PARTS_MAX. */
static size_t part_new(struct time_book *b, uint64_t key, size_t process, const struct time_owner *who)
{
	struct time_part *p =
		array_grow(&b->place, b->n_parts, &b->parts_cap, 4, sizeof *b->place) ? malloc(sizeof *p) : NULL;

	if (!p) {
		b->failed = true;
		return b->n_parts ? b->n_parts - 1 : PARTS_MAX;
	}
	*p = (struct time_part){ .per_stretch = STRETCH_FIRST, .loop_session = "" };
	p->model_name = keep(b, who->model_name);
	p->strategy = keep(b, who->strategy);
	p->instance = keep(b, who->instance);
	name_gpus(p);
	b->failed |= b->texts.failed;
	b->place[b->n_parts] = (struct time_place){ .part = p, .key = key, .process = process, .used = true };
	return b->n_parts++;
}

/* A part that is packed, as it was; NULL when memory is out. */
static __attribute__((noinline)) struct time_part *part_open(struct time_book *b, struct time_place *at)
{
	struct time_part *p = malloc(sizeof *p);
	const uint64_t *rest = p ? time_unpack(p, at->packed) : NULL;
	const size_t exchanges = p ? time_exchanges(p) : 0;

	b->failed |= !p;
	if (!p)
		return NULL;
	p->stretches_cap = p->n_stretches;
	p->stretch = p->n_stretches ? malloc(p->n_stretches * sizeof *p->stretch) : NULL;
	p->exchange = exchanges ? malloc(HISTORY_EXCHANGES * sizeof *p->exchange) : NULL;
	if ((p->n_stretches && !p->stretch) || (exchanges && !p->exchange)) {
		b->failed = true;
		part_free(p);
		return NULL;
	}
	time_unpack_rest(p, rest);
	free(at->packed);
	at->packed = NULL;
	return at->part = p;
}

/* Without memory it stays as it is. */
static void part_pack(struct time_place *at, uint64_t room[TIME_PACKED_MAX])
{
	const size_t n = time_pack(room, at->part);

	at->packed = malloc(n * sizeof *room);
	if (!at->packed)
		return;
	memcpy(at->packed, room, n * sizeof *room);
	at->to_us = at->part->to_us;
	part_free(at->part);
	at->part = NULL;
}

/* Whenever some processes have begun: the parts that were not asked for since the last time. */
static void pack_unused(struct time_book *b)
{
	uint64_t *room = ++b->entered % PACK_EVERY ? NULL : malloc(TIME_PACKED_MAX * sizeof *room);

	for (size_t i = 0; room && i < b->n_parts; i++) {
		struct time_place *at = &b->place[i];

		if (at->part && !at->used)
			part_pack(at, room);
		at->used = false;
	}
	free(room);
}

/* Part i; NULL when memory is out. */
static inline struct time_part *part_in(struct time_book *b, size_t i)
{
	struct time_place *at = &b->place[i];

	at->used = true;
	return at->part ? at->part : part_open(b, at);
}

/* Beyond PARTS_MAX, a process that began after another one of its host had ended goes on in the part of that one, and
 * all others share the last. */
static size_t part_shared(struct time_book *b, uint64_t key, int64_t time_us)
{
	size_t i = PARTS_MAX - 1;
	struct time_part *p;
	bool found = false;

	while (!found && i-- > 0) {
		const struct time_place *at = &b->place[i];

		found = at->key == key && (at->part ? at->part->to_us : at->to_us) <= time_us;
	}
	p = part_in(b, found ? i : PARTS_MAX - 1);
	if (p)
		*(found ? &p->shared : &p->mixed) = true;
	return found ? i : PARTS_MAX - 1;
}

/* The process's part of that key, made when it is new. */
static size_t part_of(struct time_book *b, uint64_t key, size_t process, const struct time_owner *who, int64_t time_us)
{
	for (size_t i = 0; i < b->n_parts; i++)
		if (b->place[i].key == key && b->place[i].process == process)
			return i;
	pack_unused(b);
	return b->n_parts < PARTS_MAX ? part_new(b, key, process, who) : part_shared(b, key, time_us);
}

/* PROCESSES_MAX without memory for any. */
static size_t process_of(struct time_book *b, const char *instance)
{
	uint64_t hash = hash_text(HASH_BEGIN, slice_of(instance));

	for (size_t i = 0; i < b->n_processes; i++)
		if (b->process[i].hash == hash)
			return i;
	if (b->n_processes == PROCESSES_MAX)
		return hash % PROCESSES_MAX;
	if (!array_grow(&b->process, b->n_processes, &b->processes_cap, 16, sizeof *b->process)) {
		b->failed = true;
		return b->n_processes ? 0 : PROCESSES_MAX;
	}
	b->process[b->n_processes] = (struct time_process){ .hash = hash };
	return b->n_processes++;
}

/* Where the session has entered; NULL when memory was out. */
static struct time_part *part_at(struct time_book *b, const struct time_progress *t)
{
	return !b->failed && t->part && t->process ? part_in(b, t->part - 1U) : NULL;
}

/* `about`: what its session_start said; NULL: it has none. NULL when memory is out. */
static struct time_part *enter(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			       const struct field_values *about, int64_t time_us)
{
	if (!t->process)
		t->process = (uint16_t)(1 + process_of(b, who->instance));
	if (!t->part && !b->failed)
		t->part = (uint16_t)(1 + part_of(b, part_key(who, about), t->process - 1U, who, time_us));
	return part_at(b, t);
}

/* When a call of that time began, as far as it is known. */
static int64_t began_us(int64_t time_us, double ms)
{
	return time_us - (isfinite(ms) ? (int64_t)(1e3 * ms) : 0);
}

void time_breakdown_enter(struct time_book *b, struct time_progress *t, const struct time_owner *who, int64_t time_us)
{
	enter(b, t, who, NULL, time_us);
}

/* --- prompts ------------------------------------------------------------------------------- */

/* The oldest makes room. */
static void keep_exchange(struct time_book *b, struct time_part *p, struct exchange e)
{
	if (!p->exchange)
		p->exchange = malloc(HISTORY_EXCHANGES * sizeof *p->exchange);
	b->failed |= !p->exchange;
	if (p->exchange)
		p->exchange[p->prompts++ % HISTORY_EXCHANGES] = e;
}

static void take_over(struct time_book *b, struct time_part *p, const struct time_over *over)
{
	if (over->is.prompt)
		keep_exchange(b, p, over->is);
	by_length_add(&p->by_length, &over->line);
}

/* The session's exchanges are over. */
static void time_breakdown_end(struct time_book *b, struct time_progress *t)
{
	struct time_part *p = t->n_open ? part_at(b, t) : NULL;

	for (size_t i = t->n_open; p && i-- > 0;)
		take_over(b, p, &(struct time_over){ t->open[i].is, t->open[i].line });
	t->n_open = 0;
}

static void count_open(struct time_part *p, const struct time_progress *progress)
{
	for (size_t i = progress->n_open; i-- > 0;) {
		by_length_add(&p->by_length, &progress->open[i].line);
		if (!progress->open[i].is.prompt)
			continue;
		if (p->n_exchanges == HISTORY_EXCHANGES)
			memmove(p->exchange, p->exchange + 1, --p->n_exchanges * sizeof *p->exchange);
		p->exchange[p->n_exchanges++] = progress->open[i].is;
		p->prompts++;
	}
}

static void count_fed(struct time_part *p, const struct fed_session *fed, const char *session_id)
{
	if (fed->tokens < limit_of(T_FED_TOKENS))
		return;
	if (!p->fed_sessions++ || fed->nats / fed->tokens > p->fed_worst.nats / p->fed_worst.tokens) {
		p->fed_worst = *fed;
		p->fed_worst.session_id = session_id;
	}
}

static void count_run(struct certain_run *to, const struct certain_run *of, const char *session_id)
{
	struct certain_run named = *of;

	named.run.session_id = session_id;
	certain_join(to, &named);
}

static void count_text(struct time_part *p, const struct time_progress *progress, const char *session_id)
{
	struct text_sums all = progress->certain.all;

	count_fed(p, &progress->fed, session_id);
	count_run(&p->same_rate, &progress->certain.same_rate, session_id);
	count_run(&p->higher_rate, &progress->certain.higher_rate, session_id);
	count_run(&p->any_rate, &progress->certain.any_rate, session_id);
	all.session_id = session_id;
	certain_session(&p->sessions, &all);
	if (progress->state.rises > p->state.rises) {
		p->state = progress->state;
		p->state.session_id = session_id;
	}
}

void time_part_count(struct time_part *p, const struct time_session *session, struct arena *arena)
{
	count_open(p, session->times);
	if (session->id)
		count_text(p, session->times, arena_copy(arena, slice_of(session->id)));
}

/* That of the sequence, moved to the front; where there are too many, the one without a call for longest is over. */
static struct open_exchange *open_of(struct time_progress *t, uint32_t sequence, struct time_over *over)
{
	struct open_exchange now = { .sequence = sequence };
	size_t at = 0;

	while (at < t->n_open && t->open[at].sequence != sequence)
		at++;
	if (at < t->n_open) {
		now = t->open[at];
	} else if (t->n_open < OPEN_EXCHANGES) {
		t->n_open++;
	} else {
		at--;
		*over = (struct time_over){ t->open[at].is, t->open[at].line };
	}
	memmove(&t->open[1], &t->open[0], at * sizeof *t->open);
	t->open[0] = now;
	return &t->open[0];
}

static void keep_over(struct time_book *b, struct time_call *call, const struct time_over *over)
{
	if (!over->is.prompt && !(over->line.n > 0))
		return;
	if (!array_grow(&b->over, b->n_over, &b->over_cap, 16, sizeof *b->over)) {
		b->failed = true;
		return;
	}
	b->over[b->n_over++] = *over;
	b->over_left++;
	call->over = (uint16_t)b->n_over;
}

/* Another sequence, one that begins anew, or a prompt after the answer, which begins the next exchange. */
static __attribute__((noinline)) struct open_exchange *
turn_over(struct time_book *b, struct time_progress *t, struct time_call *call, uint32_t sequence, uint64_t length)
{
	struct time_over over = { .is = { .prompt = 0 } };
	struct open_exchange *o = open_of(t, sequence, &over);

	if ((length <= call->tokens || length <= o->length) && o->line.n > 0) {
		over.line = o->line;
		o->line = (struct sums_line){ 0 };
	}
	if (call->prefill && !o->in_prompt) {
		over.is = o->is.prompt ? o->is : over.is;
		o->is = (struct exchange){ .goes_on = length > call->tokens };
	}
	keep_over(b, call, &over);
	return o;
}

/* The call's tokens were fed to a sequence that has `length` now. */
static struct open_exchange *follow_prompt(struct time_book *b, struct time_progress *t, struct time_call *call,
					   uint32_t sequence, uint64_t length)
{
	struct open_exchange *o = &t->open[0];

	if (!t->n_open || o->sequence != sequence || length <= call->tokens || length <= o->length ||
	    (call->prefill && !o->in_prompt))
		o = turn_over(b, t, call, sequence, length);
	o->length = length;
	*(call->prefill ? &o->is.prompt : &o->is.answer) += call->tokens;
	o->in_prompt = call->prefill;
	return o;
}

/* --- first calls ----------------------------------------------------------------------------- */

double first_calls_ms(const struct first_call *first, size_t n)
{
	double ms = 0;

	for (size_t i = 0; i < n; i++)
		ms += first[i].ms;
	return ms;
}

/* Of a process, whose first session it is; the slowest beginning of the part is kept. */
static __attribute__((noinline)) void note_first(struct time_part *p, struct time_progress *t, double ms,
						 uint32_t tokens, bool prefill)
{
	if (!t->n_first && t->of->begun) {
		t->n_first = FIRST_CALLS + 1;
		return;
	}
	t->of->begun = true;
	t->first[t->n_first++] = (struct first_call){ ms, tokens, prefill };
	if (first_calls_ms(p->first, p->n_first) > first_calls_ms(t->first, t->n_first))
		return;
	memcpy(p->first, t->first, sizeof p->first);
	p->n_first = t->n_first;
}

/* --- one step ---------------------------------------------------------------------------------- */

static const uint64_t states = UINT64_C(1) << M_STATE_LEAK | UINT64_C(1) << M_STATE_JUMP |
			       UINT64_C(1) << M_INPUT_SURPRISAL_NATS | UINT64_C(1) << M_SURPRISAL_NATS;
static const uint64_t loops =
	UINT64_C(1) << M_REPEAT_CYCLE_TOKENS | UINT64_C(1) << M_REPEAT_NEAR_TOKENS | UINT64_C(1) << M_REPEAT_SHARE_PCT;

static bool has(const struct columns *c, size_t row, enum metric_id m)
{
	return c->have[row] >> m & 1;
}

static double number(const struct columns *c, size_t row, enum metric_id m)
{
	return c->value[m][row];
}

/* Less use than this is idleness: GPUs that take turns in a call are busy for their share of it only. */
static double idle_pct(const struct time_part *p)
{
	return limit_of(T_GPU_IDLE_PCT) / (p->gpus_named > 1 ? (double)p->gpus_named : 1);
}

/* An idle GPU lowers its clock, which says nothing of calls. Some drivers always report a use of 0. */
static bool gpu_idles(struct time_part *p, const struct columns *c, size_t row)
{
	double use = has(c, row, M_GPU_UTILIZATION_PCT) ? number(c, row, M_GPU_UTILIZATION_PCT) : NAN;

	p->gpu_used |= use > 0;
	return p->gpu_used && use < idle_pct(p);
}

static inline void add_levels(struct time_part *p, struct stretch *s, const struct columns *c, size_t row,
			      uint64_t levels)
{
	if (has(c, row, M_GPU_CLOCK_MHZ) && gpu_idles(p, c, row))
		levels &= ~metric_bit(M_GPU_CLOCK_MHZ);
	for (uint64_t left = c->have[row] & levels; left; left &= left - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(left);

		s->level[level_of[m]] += number(c, row, m);
		s->seen[level_of[m]]++;
	}
}

static void loop_begins(struct time_book *b, struct time_part *p, const char *session_id, int64_t time_us)
{
	p->loop_us = time_us;
	p->loop_session = keep(b, session_id);
	b->failed |= !p->loop_session;
}

/* `have`: what is known of its metrics. */
static inline void add_level(struct text_level *level, const struct columns *c, size_t row, uint64_t have, bool entropy)
{
	level->calls++;
	if (have & loops) {
		level->cycles += has(c, row, M_REPEAT_CYCLE_TOKENS);
		level->share += has(c, row, M_REPEAT_SHARE_PCT) ? number(c, row, M_REPEAT_SHARE_PCT) : 0;
	}
	if (have >> M_TOKEN_REPETITION_PCT & 1) {
		level->rates++;
		level->rate += number(c, row, M_TOKEN_REPETITION_PCT);
	}
	if (entropy && have >> M_LOGITS_ENTROPY & 1) {
		level->entropies++;
		level->nats += number(c, row, M_LOGITS_ENTROPY);
	}
}

static uint32_t at_least_one(uint32_t tokens)
{
	return tokens ? tokens : 1;
}

/* Logs in the published form say neither a call's tokens nor its phase, and are read as one token a call. There, the
 * call's time over that of a token; else 0. */
static double times_of_token(const struct columns *c, size_t row)
{
	double each, times;

	if (c->token_count[row] > 1 || c->phase[row] != PHASE_UNKNOWN || !has(c, row, M_CHUNK_PROCESS_TIME_MS) ||
	    !has(c, row, M_TOKEN_LATENCY_MS))
		return 0;
	each = columns_value(c, row, M_TOKEN_LATENCY_MS);
	times = columns_value(c, row, M_CHUNK_PROCESS_TIME_MS) / each;
	return each > 0 && times < 1e6 ? times : 0;
}

/* That relation tells the prompts, unless the sequence grew by one token: then the longer time is not of this call. */
static bool grew_by_one(const struct time_progress *t, const struct columns *c, size_t row)
{
	return t->begun && c->sequence[row] == t->sequence && c->sequence_length[row] == t->length + 1;
}

/* Exact repetitions by their length. Near ones are put beside the other text: tables and JSON come near, too. */
static __attribute__((noinline)) void add_loop(struct time_book *b, struct time_part *p, const char *session_id,
					       const struct columns *c, size_t row, bool prefill)
{
	double run = has(c, row, M_REPEAT_CYCLE_TOKENS) ? number(c, row, M_REPEAT_CYCLE_TOKENS) : 0;
	double period = has(c, row, M_REPEAT_CYCLE_PERIOD) ? number(c, row, M_REPEAT_CYCLE_PERIOD) : 1;
	double share = has(c, row, M_REPEAT_SHARE_PCT) ? number(c, row, M_REPEAT_SHARE_PCT) : 0;
	bool exact = !prefill && run >= limit_of(T_LOOP_TOKENS) && run >= (limit_of(T_LOOP_PERIODS) - 1) * period;
	bool varied = !prefill && has(c, row, M_REPEAT_NEAR_TOKENS), loop = exact || varied;
	bool near = !prefill && !loop && share >= limit_of(T_NEAR_LOOP_PCT);

	if (!loop)
		add_level(near ? &p->near : &p->beside, c, row, c->have[row], !prefill);
	if (p->loop_session && !*p->loop_session && (loop || near))
		loop_begins(b, p, session_id, c->time_us[row]);
	p->loop_tokens += loop;
	if (exact && run > p->loop_longest) {
		p->loop_longest = run;
		p->loop_period = period;
	}
}

/* Before its prompt's mean is known, all that is certain of a call is that one of its tokens has this surprisal. */
static void add_fed(struct time_part *p, struct fed_session *of, const struct columns *c, size_t row, uint32_t tokens)
{
	const bool mean = has(c, row, M_INPUT_SURPRISAL_NATS);
	const double known = mean ? tokens : 1;
	const double nats = known * number(c, row, mean ? M_INPUT_SURPRISAL_NATS : M_SURPRISAL_NATS);

	p->fed_surprisal += nats;
	p->fed_tokens += known;
	of->since_us = of->tokens > 0 ? of->since_us : c->time_us[row];
	of->nats += nats;
	of->tokens += known;
}

/* What is seen of states, and of prompts that do not fit. */
static __attribute__((noinline)) void add_state(struct time_part *p, struct time_progress *t, const struct columns *c,
						size_t row, uint32_t tokens, bool prefill)
{
	if (has(c, row, M_STATE_LEAK)) {
		p->leaks_checked++;
		p->leaks += number(c, row, M_STATE_LEAK) > limit_of(T_STATE_LEAK);
	}
	if (has(c, row, M_STATE_JUMP))
		p->jumps += number(c, row, M_STATE_JUMP) > limit_of(T_STATE_JUMP);
	if (has(c, row, M_INPUT_SURPRISAL_NATS) || (prefill && has(c, row, M_SURPRISAL_NATS)))
		add_fed(p, &t->fed, c, row, tokens);
}

static void follow_size(struct state_growth *g, double bytes, int64_t time_us)
{
	if (!(bytes >= g->to) || g->from == 0)
		*g = (struct state_growth){ .from = bytes };
	else if (bytes > g->to && !g->rises++)
		g->since_us = time_us;
	g->to = bytes;
}

static inline __attribute__((always_inline)) void add_output(struct time_book *b, struct time_part *p,
							     struct stretch *s, struct time_progress *t,
							     const struct columns *c, size_t row,
							     const struct time_call *call, bool plain)
{
	const uint64_t have = plain ? c->have[row] & ~loops : c->have[row];

	if (!plain && have & states)
		add_state(p, t, c, row, at_least_one(call->tokens), call->prefill);
	if (have & loops)
		add_loop(b, p, t->who.session_id, c, row, call->prefill);
	else
		add_level(&p->beside, c, row, have, plain || !call->prefill);
	if ((plain || !call->prefill) && has(c, row, M_LOGITS_ENTROPY)) {
		double nats = number(c, row, M_LOGITS_ENTROPY);

		s->entropies++;
		s->entropy += nats;
		s->entropy2 += nats * nats;
		s->unsure += nats > limit_of(T_UNSURE_NATS);
	}
}

/* How sure the model was, and how large its state is. */
static void follow_output(struct time_progress *t, const struct columns *c, size_t row, bool prefill)
{
	if (prefill)
		certain_prompt(&t->certain);
	else if (has(c, row, M_LOGITS_ENTROPY))
		certain_token(&t->certain, columns_value(c, row, M_LOGITS_ENTROPY),
			      has(c, row, M_TOKEN_REPETITION_PCT) ? columns_value(c, row, M_TOKEN_REPETITION_PCT) : NAN,
			      c->have[row] & loops, c->time_us[row]);
	if (has(c, row, M_STATE_SIZE_BYTES))
		follow_size(&t->state, columns_value(c, row, M_STATE_SIZE_BYTES), c->time_us[row]);
}

static void count_nonfinite(struct time_part *p, const struct columns *c, size_t from, size_t n)
{
	uint64_t any = 0;

	for (size_t row = from; row < from + n; row++)
		any |= c->nonfinite[row] | (c->have[row] & nonfinite_metrics);
	for (size_t row = from; any && row < from + n; row++) {
		p->nonfinite += nonfinite_at(c, row) ? 1 : 0;
		p->bans += bans_at(c, row) ? 1 : 0;
	}
}

/* `answers`: is a call between the tokens of an answer, where nobody is asked? */
static inline void add_pause(struct time_part *p, struct stretch *s, const struct columns *c, size_t row, double ms,
			     bool answers)
{
	double length = (double)c->sequence_length[row] / 1e3, minutes = (double)(c->time_us[row] - p->from_us) / 60e6;

	ms *= !(ms < -ROUNDING_MS); /* 0: calls at the same time */
	if (ms > limit_of(T_USER_MS)) {
		answers &= ms <= limit_of(T_ANSWER_PAUSE_MS);
		p->answer_pauses += answers;
		p->answer_pause_ms += answers ? ms : 0;
		return;
	}
	p->pause_ms += ms;
	sizes_add(&p->pause, ms);
	if (ms >= limit_of(T_STALL_MS)) {
		p->stall_pauses++;
		p->stall_pause_ms += ms;
		return;
	}
	s->pauses++;
	s->pause_ms += ms;
	lines_add(&p->pause_length, &p->pause_time, length, minutes, ms);
	p->length_time += length * minutes;
}

/* The logarithm of the conversations that share the call, or whose requests the server works at. */
static double streams_ln(const struct columns *c, size_t row)
{
	double running = has(c, row, M_REQUESTS_RUNNING) ? columns_value(c, row, M_REQUESTS_RUNNING) : 0;
	double shared = c->batch_size[row], streams = running > shared ? running : shared;

	return streams > 1 ? log(streams) : 0;
}

/* Did nothing but a pause come before this call? Logs without prompts tell them by the tokens that are missing. */
static bool goes_on_at_once(const struct time_progress *t, const struct columns *c, size_t row, uint32_t tokens)
{
	uint64_t length = c->sequence_length[row];
	bool same = c->sequence[row] == t->sequence;

	if (!t->begun)
		return false;
	if (!length)
		return same;
	return length > tokens && (same ? length <= t->length + tokens : c->sequence[row] <= t->newest);
}

/* From one stamp to the next. Two whole seconds were cut to them: it may be a second less, and then it is. */
static double apart_ms(int64_t from_us, int64_t to_us)
{
	enum { SECOND_US = 1000000 };
	int64_t apart_us = to_us - from_us;

	if (__builtin_expect(((from_us | to_us) & 63) == 0, 0)) /* a second is a multiple of 64 */
		apart_us -= from_us % SECOND_US == 0 && to_us % SECOND_US == 0 ? SECOND_US : 0;
	return (double)apart_us / 1e3;
}

/* The call's time; NAN when the log does not say. */
static double call_ms(const struct columns *c, size_t row, bool chunk_is_call)
{
	bool chunk = chunk_is_call && has(c, row, M_CHUNK_PROCESS_TIME_MS);
	double ms = chunk                             ? columns_value(c, row, M_CHUNK_PROCESS_TIME_MS)
		    : has(c, row, M_TOKEN_LATENCY_MS) ? columns_value(c, row, M_TOKEN_LATENCY_MS) *
								(c->token_count[row] ? c->token_count[row] : 1)
						      : (double)NAN;

	return ms >= 0 && ms < 1e9 ? ms : (double)NAN;
}

static double of_each(double ms, uint32_t tokens)
{
	return tokens > 1 ? ms / tokens : ms;
}

static inline void look_at_call(struct time_call *call, const struct time_progress *t, const struct columns *c,
				size_t row)
{
	const double times = times_of_token(c, row);
	const bool longer = times >= PROMPT_TIMES, prompt = longer && !grew_by_one(t, c, row);
	const uint32_t tokens = prompt ? (uint32_t)(times + 0.5) : c->token_count[row];
	const double ms = call_ms(c, row, prompt || !longer);
	const bool prefill = c->phase[row] == PHASE_PREFILL || (c->phase[row] == PHASE_UNKNOWN && tokens > 1);

	call->ms = ms;
	call->ln = call->batch_ln = 0;
	call->tokens = tokens;
	call->over = 0;
	call->prefill = prefill;
	call->goes_on = goes_on_at_once(t, c, row, at_least_one(tokens));
	if (!prefill && !isnan(ms)) {
		const double each = of_each(ms, tokens);

		call->ln = log(each > 1e-6 ? each : 1e-6);
		call->batch_ln = streams_ln(c, row);
	}
}

/* The sequence's time by its length. */
static void follow_time(struct open_exchange *o, const struct time_call *call)
{
	if (!(o->line.n > 0))
		o->streams_ln = call->batch_ln;
	if (call->batch_ln <= o->streams_ln && call->batch_ln >= o->streams_ln)
		line_add(&o->line, (double)o->length / 1e3, call->ln);
}

void time_breakdown_look(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			 const struct columns *c, size_t from, size_t n)
{
	t->who = *who;
	t->at = part_at(b, t);
	b->failed |= !t->at;
	if (!t->at)
		return;
	t->of = &b->process[t->process - 1];
	count_nonfinite(t->at, c, from, n);
	for (size_t row = from; row < from + n; row++) {
		struct time_call *call = &b->call[row];
		struct open_exchange *o;

		look_at_call(call, t, c, row);
		o = follow_prompt(b, t, call, c->sequence[row], c->sequence_length[row]);
		call->in_answer = c->phase[row] == PHASE_DECODE && o->is.prompt;
		call->plain = false;
		if (!call->prefill && !isnan(call->ms)) {
			follow_time(o, call);
			call->plain =
				call->goes_on && !call->over && !(c->have[row] & (states | loops)) && !c->whole[row];
		}
		follow_output(t, c, row, call->prefill);
		t->newest = t->begun && t->newest > c->sequence[row] ? t->newest : c->sequence[row];
		t->sequence = c->sequence[row];
		t->length = c->sequence_length[row];
		t->begun = true;
	}
}

static void add_prefill(struct time_part *p, uint32_t tokens, double ms)
{
	struct chunk_bin *bin = &p->by_chunk[octave_of(tokens, TIME_BINS)];

	p->prefill_calls++;
	p->prefill_tokens += tokens;
	p->prefill_ms += ms;
	bin->calls++;
	bin->tokens += tokens;
	bin->ms += ms;
}

static double median(const double ln[PREFILL_FIRST])
{
	const double low = fmin(ln[0], ln[1]), high = fmax(ln[0], ln[1]);

	return fmax(low, fmin(high, ln[2]));
}

static struct first_prefills *prefills_of(struct time_part *p, uint32_t tokens)
{
	const size_t length = (size_t)(2 * log2(tokens));

	return &p->first_prefills[length < PREFILL_LENGTHS ? length : PREFILL_LENGTHS - 1];
}

/* Against calls of about the same length. The first of them count as they are found. */
static void compare_prefill(struct time_part *p, struct stretch *s, uint32_t tokens, double ms)
{
	struct first_prefills *first = prefills_of(p, tokens);
	const double ln = log(fmax(ms / tokens, 1e-6));

	s->prefill_calls++;
	s->prefill_call_ln += log(fmax(ms, 1e-6));
	if (first->n < PREFILL_FIRST) {
		first->ln[first->n++] = ln;
		return;
	}
	s->prefill_ln += ln - median(first->ln);
}

/* A prompt that stops: many times as long as the first ones of its length, or as its tokens take one by one. */
static void look_for_stop(struct time_part *p, uint32_t tokens, double ms)
{
	const double n = tokens, times = limit_of(T_STALL_TIMES),
		     decode = p->decode_calls >= FIRST_CALLS ? p->decode_ms / (double)p->decode_tokens : (double)NAN;
	const struct first_prefills *first = prefills_of(p, tokens);
	const double usual = first->n == PREFILL_FIRST ? exp(median(first->ln)) * n : (double)NAN;

	if (ms < limit_of(T_STALL_MS) || !(ms >= times * usual || ms >= fmax(times, 2 * n) * decode))
		return;
	p->stall_prefills++;
	p->stall_prefill_ms += ms - fmin(usual, n * decode);
}

static inline void add_decode(struct time_part *p, struct stretch *s, const struct time_call *call, uint32_t tokens)
{
	double each = of_each(call->ms, tokens);

	p->decode_calls++;
	p->decode_tokens += tokens;
	p->decode_ms += call->ms;
	s->decode_calls++;
	s->decode_ms += each;
	s->decode_ln += call->ln;
	s->batch_ln += call->batch_ln;
	line_add(&p->batch, call->batch_ln, call->ln);
	sizes_add(&p->decode, each);
}

static inline void enlarge(struct time_part *p, struct stretch *s, int64_t from_us, int64_t to_us, uint64_t calls)
{
	if (!s->calls || from_us < s->from_us)
		s->from_us = from_us;
	s->to_us = !s->calls || to_us > s->to_us ? to_us : s->to_us;
	s->calls += calls;
	if (!p->steps || from_us < p->from_us)
		p->from_us = from_us;
	p->to_us = !p->steps || to_us > p->to_us ? to_us : p->to_us;
	p->steps += calls;
}

static __attribute__((noinline)) void add_prompt(struct time_part *p, struct stretch *s, const struct time_progress *t,
						 const struct time_call *call, bool alone)
{
	const uint32_t tokens = at_least_one(call->tokens);

	if (alone && (t->n_first >= FIRST_CALLS || (!t->n_first && t->of->begun)))
		look_for_stop(p, tokens, call->ms);
	if (alone && t->n_first >= FIRST_CALLS)
		compare_prefill(p, s, tokens, call->ms);
	add_prefill(p, tokens, call->ms);
}

/* A call whose time is known. */
static inline __attribute__((always_inline)) void add_call(struct time_part *p, struct stretch *s,
							   struct time_progress *t, const struct columns *c, size_t row,
							   const struct time_call *call, bool plain)
{
	const int64_t end_us = t->of->end_us;

	if (!plain && call->prefill)
		add_prompt(p, s, t, call, streams_ln(c, row) <= 0);
	if (!plain && t->n_first < FIRST_CALLS)
		note_first(p, t, call->ms, at_least_one(call->tokens), call->prefill);
	s->call_ms += call->ms;
	if (!plain && call->prefill)
		return;
	add_decode(p, s, call, at_least_one(call->tokens));
	if (plain || (call->goes_on && end_us))
		add_pause(p, s, c, row, apart_ms(end_us, c->time_us[row]) - call->ms, call->in_answer);
}

static __attribute__((noinline)) void take_next_over(struct time_book *b, struct time_part *p,
						     const struct time_call *call)
{
	take_over(b, p, &b->over[call->over - 1]);
	b->n_over = --b->over_left ? b->n_over : 0;
}

/* `plain`: it is such a call, and its session is ready for it, which makes the way short. */
static inline __attribute__((always_inline)) void step_of(struct time_book *b, struct time_progress *t,
							  const struct columns *c, size_t row,
							  const struct time_call *call, bool plain)
{
	const int64_t time_us = c->time_us[row];
	struct time_part *p = t->at;
	struct stretch *s = stretch_now(p);
	struct time_process *process = t->of;

	b->failed |= !s;
	if (!s)
		return;
	if (!plain && !process->begin_us)
		process->begin_us = began_us(time_us, call->ms);
	if (!plain && !process->end_us)
		s->renewed += p->steps > 0; /* of a shared part */
	enlarge(p, s, time_us, time_us, 1);
	if (!plain && call->over)
		take_next_over(b, p, call);
	if (plain || !isnan(call->ms))
		add_call(p, s, t, c, row, call, plain);
	add_levels(p, s, c, row, b->levels);
	if (!plain && c->whole[row]) {
		devices_add(&p->devices, &c->record[c->whole[row] - 1], idle_pct(p));
		b->failed |= p->devices.failed;
	}
	add_output(b, p, s, t, c, row, call, plain);
	process->end_us = time_us > process->end_us ? time_us : process->end_us;
	if (!plain)
		t->ready = t->n_first >= FIRST_CALLS && process->begin_us && process->end_us;
}

void time_breakdown_steps(struct time_book *b, struct time_progress *const *of, const uint16_t *which,
			  const struct columns *c, const uint16_t *rows, const uint16_t *looked, size_t n)
{
	for (size_t i = 0; i < n && !b->failed; i++) {
		struct time_progress *t = of[which[i]];

		const struct time_call *call = &b->call[looked[i]];

		if (call->plain && t->ready)
			step_of(b, t, c, rows[i], call, true);
		else
			step_of(b, t, c, rows[i], call, false);
	}
}

/* --- sums ---------------------------------------------------------------------------------------- */

bool time_summed_pour(struct time_summed *into, const struct sketch_run *run, size_t n)
{
	struct size_sum *last = NULL, *less;

	into->size = n ? malloc(n * sizeof *into->size) : NULL;
	for (size_t i = 0; into->size && i < n; i++) {
		const double ms = run[i].value, times = (double)run[i].n;
		const size_t bin = size_bin(ms);

		into->latency_ms += ms * times;
		into->latency_ln += log(fmax(ms, 1e-6)) * times;
		if (!last || last->bin != bin) {
			last = &into->size[into->n_sizes++];
			*last = (struct size_sum){ .bin = bin };
		}
		last->n += run[i].n;
		last->sum += ms * times;
	}
	less = into->n_sizes ? realloc(into->size, into->n_sizes * sizeof *less) : NULL;
	into->size = less ? less : into->size;
	return !n || into->size;
}

void time_summed_free(struct time_summed *s)
{
	free(s->size);
	s->size = NULL;
	s->n_sizes = 0;
}

static void take_sizes(struct sizes *to, const struct time_summed *sums)
{
	for (size_t i = 0; i < sums->n_sizes; i++) {
		const struct size_sum *of = &sums->size[i];

		to->n += of->n;
		to->count[of->bin] += of->n;
		to->sum[of->bin] += of->sum;
	}
}

void time_breakdown_take(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			 const struct time_summed *sums)
{
	struct time_part *p = enter(b, t, who, NULL, sums->from_us);
	struct stretch *s = p && !b->failed ? stretch_now(p) : NULL;
	struct time_process *process;

	b->failed |= !s;
	if (!s)
		return;
	process = &b->process[t->process - 1];
	if (!process->begin_us)
		process->begin_us = began_us(sums->from_us, NAN);
	enlarge(p, s, sums->from_us, sums->to_us, sums->decode_calls + sums->prefill_calls);
	s->call_ms += sums->decode_ms + sums->prefill_ms;
	s->decode_calls += sums->decode_calls;
	p->decode_calls += sums->decode_calls;
	p->decode_tokens += sums->decode_tokens;
	p->decode_ms += sums->decode_ms;
	p->prefill_calls += sums->prefill_calls;
	p->prefill_tokens += sums->prefill_tokens;
	p->prefill_ms += sums->prefill_ms;
	s->decode_ms += sums->latency_ms;
	s->decode_ln += sums->latency_ln;
	take_sizes(&p->decode, sums);
	for (int l = 0; l < LEVEL_COUNT; l++) {
		s->level[l] += sums->level[l];
		s->seen[l] += sums->seen[l];
	}
}

/* --- session_start ------------------------------------------------------------------------------- */

static void copy_about(struct time_book *b, struct field_values *to, const struct field_values *said)
{
	enum { TEXT_MAX = 512 };

	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct field_spec *spec = &field_specs[f];
		struct slice text;

		if (spec->owner != OWNER_SESSION || !fields_have(said, (enum field_id)f))
			continue;
		if (spec->kind != KIND_TEXT) {
			fields_set_number(to, (enum field_id)f, said->v[f].number);
			continue;
		}
		text = said->v[f].text;
		text.n = text.n < TEXT_MAX ? text.n : TEXT_MAX;
		text.p = arena_copy(&b->texts, text);
		fields_set_text(to, (enum field_id)f, text);
	}
	b->failed |= b->texts.failed;
}

void time_breakdown_start(struct time_book *b, struct time_progress *t, const struct time_owner *who,
			  const struct record *rec)
{
	struct time_part *p;

	time_breakdown_end(b, t);
	*t = (struct time_progress){ .part = 0 };
	p = enter(b, t, who, rec->session, rec->time_us);
	if (!p)
		return;
	p->starts++;
	if (!p->has_start)
		copy_about(b, &p->about, rec->session);
	p->has_start = true;
}

static void add_whole(struct whole_sum *sum, const struct field_values *totals, enum field_id pct)
{
	const double seconds = fields_number(totals, F_TOTAL_SECONDS, 0);

	if (!(seconds > 0) || !fields_have(totals, pct))
		return;
	sum->seconds += seconds;
	sum->pct += seconds * fields_number(totals, pct, 0);
}

void time_breakdown_totals(struct time_book *b, const struct time_progress *t, const struct field_values *totals)
{
	struct time_part *p = part_at(b, t);

	if (!p || !totals)
		return;
	add_whole(&p->waiting, totals, F_TOTAL_WAITING);
	add_whole(&p->stopped, totals, F_TOTAL_STOPPED);
}

/* --- finishing ------------------------------------------------------------------------------------- */

/* From the oldest on, as a list. */
static void unroll_exchanges(struct time_part *p)
{
	const size_t n = time_exchanges(p), first = p->prompts > n ? (size_t)(p->prompts % HISTORY_EXCHANGES) : 0;
	struct exchange late[HISTORY_EXCHANGES];

	memcpy(late, p->exchange, first * sizeof *late);
	memmove(p->exchange, p->exchange + first, (n - first) * sizeof *late);
	memcpy(p->exchange + (n - first), late, first * sizeof *late);
	p->n_exchanges = n;
}

static void copy_texts(struct time_part *out, struct arena *arena)
{
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].kind == KIND_TEXT && fields_have(&out->about, (enum field_id)f))
			out->about.v[f].text.p = arena_copy(arena, out->about.v[f].text);
	out->model_name = arena_copy(arena, slice_of(out->model_name ? out->model_name : ""));
	out->strategy = arena_copy(arena, slice_of(out->strategy ? out->strategy : ""));
	out->instance = arena_copy(arena, slice_of(out->instance ? out->instance : ""));
	out->loop_session = arena_copy(arena, slice_of(out->loop_session));
}

bool time_book_part(const struct time_book *b, size_t i, struct time_part *out, struct arena *arena)
{
	const struct time_place *at = &b->place[i];
	struct stretch *stretch = at->part ? at->part->stretch : out->stretch;
	struct exchange *exchange = out->exchange;
	const uint64_t *rest = at->part ? NULL : time_unpack(out, at->packed);
	struct devices devices;

	if (at->part) {
		*out = *at->part;
		if (out->exchange)
			memcpy(exchange, out->exchange, time_exchanges(out) * sizeof *exchange);
	}
	out->stretch = stretch;
	out->exchange = exchange;
	if (rest)
		time_unpack_rest(out, rest);
	unroll_exchanges(out);
	copy_texts(out, arena);
	devices = out->devices;
	return devices_finish(&out->devices, &devices, arena) && !arena->failed;
}
