/* diagnose_speed.c - tests of memory, loading and speed, and of where the time is spent. */
#include "analyze/diagnose_tests.h"

#include <math.h>
#include <string.h>

static enum grade otherwise(struct walk *w)
{
	(void)w;
	return SURE;
}

bool timed(const struct walk *w)
{
	return (double)(w->p->decode_calls + w->p->prefill_calls) >= limit_of(T_STEPS);
}

static bool any_alarm(const struct walk *w)
{
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (w->f->live_alarms[t] || w->f->firing[t].at.known ||
		    (w->opts->rules_are_own && w->f->lasted_by_type[t]))
			return true;
	return false;
}

/* Half of the tokens or more took no time, or less, or longer than any run lasts: the clock, or what was made of it, is
 * wrong, and nothing can be said of times. */
static bool is_impossible(const struct walk *w)
{
	enum { LONGEST_MS = 1000000000 };
	const struct summary *ms = &w->f->metric[M_TOKEN_LATENCY_MS];
	const struct time_part *p = w->p;

	return (ms->count && (ms->max <= 0 || ms->p50 < 0 || ms->p50 >= LONGEST_MS)) ||
	       (p->decode_calls + p->prefill_calls && p->decode_ms + p->prefill_ms <= 0);
}

enum grade test_TOO_FEW(struct walk *w)
{
	const struct summary *latency = &w->f->metric[M_TOKEN_LATENCY_MS];
	const struct time_breakdown *t = w->f->time_breakdown;
	const uint64_t steps = w->p->decode_calls + w->p->prefill_calls;
	const bool impossible = is_impossible(w);
	size_t parts = 0;

	for (size_t i = 0; t && i < t->n_parts; i++)
		parts += t->part[i]->steps > 0;
	if (impossible)
		say2(w, E_IMPOSSIBLE, latency->min, latency->max);
	else if (steps && parts > 1)
		say3(w, E_STEPS_EACH, (double)parts, (double)steps, limit_of(T_STEPS));
	else
		say2(w, E_STEPS, (double)steps, limit_of(T_STEPS));
	if (!steps)
		miss(w, E_WANT_STEPS);
	if (timed(w) && !impossible)
		return NO;
	return any_alarm(w) ? SOME : SURE;
}

enum grade test_ENOUGH_YES(struct walk *w)
{
	return otherwise(w);
}

/* A process that waits for a processor all the time also stops now and then, in calls and between them, which is not a
 * separate cause. A few samples are enough to decide this. */
static bool starves(const struct walk *w)
{
	const double sampled = w->x->level[L_WAITING].mean;

	return (isnan(w->x->waiting_pct) ? sampled : w->x->waiting_pct) >= limit_of(T_STARVED_PCT);
}

/* Half of what is named, or more. */
static bool is_near(double value, enum threshold_id t)
{
	return value >= limit_of(t) / 2;
}

/* --- memory -------------------------------------------------------------------------------- */

void say_state(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_STATE_SIZE_BYTES];

	if (state_grows(w->p))
		return;
	if (!s->count || s->max <= 0)
		say1(w, E_STATE_IS_FIXED, NAN);
	else if (s->min < s->max)
		say2(w, E_STATE_SIZES, s->min, s->max);
	else
		say1(w, E_STATE_FIXED, s->max);
}

/* Did calls become slower, or are some far slower than most? */
static bool calls_suffer(const struct walk *w)
{
	const struct slow_calls *stalls = &w->x->stalls, *tail = &w->x->tail;

	return w->x->shift.fell || tail->time_pct >= limit_of(T_TAIL_PCT) ||
	       (stalls->n >= limit_of(T_STALLS) && stalls->time_pct >= limit_of(T_STALLS_PCT));
}

/* Weights come more slowly than any memory gives them, and the processor hardly works: it waits for the disk in each
 * call, so that no call is slower than the others. */
static bool waits_for_disk(const struct walk *w, double used_pct)
{
	const struct steady *cpu = &w->x->level[L_CPU];
	const double weights_mb = fields_number(&w->p->about, F_MODEL_BYTES, NAN) / 1048576;
	const bool some_are = w->x->level[L_MEMORY].highest < weights_mb || used_pct >= sure_of(T_MEMORY_SHORT_PCT);

	return !w->x->cuda && w->x->achieved_gb_s < (some_are ? 2 : 1) * limit_of(T_PAGED_GB_S) &&
	       cpu->samples >= limit_of(T_SAMPLES) && cpu->mean < limit_of(T_PAGED_CPU_PCT);
}

/* Others took the memory: what is resident fell below the weights as the calls became slower, and the processor waits.
 */
static bool pushed_out(const struct walk *w)
{
	const struct shift *s = &w->x->shift;
	const struct level *memory = &s->level[L_MEMORY], *cpu = &s->level[L_CPU];
	const double weights_mb = fields_number(&w->p->about, F_MODEL_BYTES, NAN) / 1048576;

	return !w->x->cuda && s->fell && memory->known && memory->slow < limit_of(T_PUSHED_OUT) * memory->fast &&
	       memory->slow < weights_mb && cpu->known && cpu->slow < limit_of(T_SHARE_FELL) * cpu->fast;
}

/* Full memory is a fault only if it slows calls down. */
enum grade test_MEMORY_SHORT(struct walk *w)
{
	double limit = fields_number(&w->p->about, F_HOST_MEMORY_MB, NAN), used = w->x->level[L_MEMORY].highest;

	if (!w->x->level[L_MEMORY].known || !(limit > 0))
		return UNKNOWN;
	say3(w, E_MEMORY_NEAR, used, limit, 100 * used / limit);
	if (pushed_out(w)) {
		say2(w, E_PUSHED_OUT, w->x->shift.level[L_MEMORY].fast, w->x->shift.level[L_MEMORY].slow);
		return SURE;
	}
	if (calls_suffer(w))
		return graded(100 * used / limit, T_MEMORY_SHORT_PCT);
	if (!waits_for_disk(w, 100 * used / limit))
		return unless_some(NO, 100 * used / limit >= limit_of(T_MEMORY_SHORT_PCT));
	say2(w, E_PAGED, w->x->achieved_gb_s, w->x->level[L_CPU].mean);
	return graded(100 * used / limit, T_MEMORY_SHORT_PCT);
}

enum grade test_MEMORY_YES(struct walk *w)
{
	return otherwise(w);
}

/* --- loading, starting ---------------------------------------------------------------------- */

enum grade test_LOADED_SLOWLY(struct walk *w)
{
	double seconds = fields_number(&w->p->about, F_LOAD_TIME_MS, NAN) / 1e3;
	double bytes = fields_number(&w->p->about, F_MODEL_BYTES, NAN), rate = bytes / seconds / 1e9;

	if (!isfinite(seconds) || !isfinite(bytes)) {
		miss(w, E_WANT_LOAD);
		return UNKNOWN;
	}
	if (bytes > 1e6 * limit_of(T_LOAD_TOLD_MB) || seconds > limit_of(T_LOAD_TOLD_S)) {
		say3(w, E_LOAD_RATE, seconds, bytes, rate);
		say(w, E_LOAD_LIMIT, "SATA SSD", limit_of(T_LOAD_GB_S), NAN, NAN, NAN);
	}
	return unless_some(seconds < limit_of(T_LOAD_S) ? NO : graded_down(rate, T_LOAD_GB_S),
			   rate < limit_of(T_LOAD_GB_S));
}

/* Where later calls take as long now and then, the first ones are no others. */
static bool are_of_tail(const struct first_calls *c, const struct slow_calls *tail)
{
	return !c->alone && tail->n >= limit_of(T_TAIL_CALLS) && c->ms < 2 * tail->times * c->usual_ms;
}

/* The slow calls of which there are some at any time are the first ones by chance. */
static double chance_of_first(const struct walk *w)
{
	const struct first_calls *c = &w->x->first;
	const double calls = (double)(w->p->decode_calls + w->p->prefill_calls);

	return chance_of_strays(1, c->ms / c->usual_ms, w->x->tail.n, limit_of(T_TAIL_TIMES)) / calls;
}

enum grade test_STARTED_SLOWLY(struct walk *w)
{
	const struct first_calls *c = &w->x->first;
	double more = c->ms - c->usual_ms;

	if (!isfinite(c->ms))
		return UNKNOWN;
	if (c->calls > 0)
		say3(w, E_FIRST_CALLS, c->calls, c->ms, c->usual_ms);
	if (!(c->calls > 0))
		return NO;
	if (c->ms < limit_of(T_FIRST_TIMES) * c->usual_ms || are_of_tail(c, &w->x->tail) || starves(w))
		return SOME;
	return unless_some(unless_chance(w, graded(more, w->x->cuda ? T_FIRST_GPU_MS : T_FIRST_MS), chance_of_first(w)),
			   true);
}

enum grade test_LOADING_YES(struct walk *w)
{
	return otherwise(w);
}

/* --- speed: what changed -------------------------------------------------------------------------- */

enum grade test_PROMPTS_GREW(struct walk *w)
{
	struct exchange anew[HISTORY_EXCHANGES];
	struct history h;

	history_of(&h, anew, history_fed_anew(anew, w->p->exchange, w->p->n_exchanges));
	if (h.n < limit_of(T_PROMPTS) || h.answer < limit_of(T_PROMPT_ANSWER)) {
		if (h.n > 1)
			say2(w, E_PROMPT_SIZES, h.first, h.last);
		return h.n > 0 ? NO : UNKNOWN;
	}
	if (h.follow > 0)
		say3(w, E_REFED, h.follow, h.n, 100 * h.refed / h.tokens);
	else
		say2(w, E_PROMPT_SIZES, h.first, h.last);
	if (h.refed < limit_of(T_REFED) * h.tokens)
		return unless_some(NO, h.follow > 0);
	say_state(w);
	return unless_some(unless_chance(w, graded(h.likelihood, T_PROMPTS_HOLD), chance_of_likelihood(h.likelihood)),
			   h.follow > 0);
}

static const struct shift *decode_shift(const struct walk *w)
{
	return w->x->shift.fell ? &w->x->shift : &w->x->mild;
}

bool clock_matches(const struct shift *s, const struct level *clock, double gpus)
{
	double fell = log(clock->fast / clock->slow), slower = log(s->slow_decode / s->fast_decode);

	return clock->known && clock->slow > 0 && clock->slow < limit_of(T_CLOCK_FELL) * clock->fast &&
	       fell > limit_of(T_CLOCK_EXPLAINS) * slower && fell < limit_of(T_CLOCK_EXPLAINS_MOST) * gpus * slower;
}

/* It came and went, for less than a sample's time, and there are none: too little to say anything about. */
static bool flickers(const struct shift *s)
{
	for (int l = 0; l < LEVEL_COUNT; l++)
		if (s->level[l].known)
			return false;
	return s->runs > 1 && s->slow_s < limit_of(T_SAMPLE_S);
}

/* A few calls in a hundred that are far slower than most, at any time. */
static bool has_tail(const struct walk *w)
{
	const struct slow_calls *t = &w->x->tail;

	return w->x->seconds >= limit_of(T_TAIL_LASTS_S) && t->n >= limit_of(T_TAIL_CALLS) &&
	       t->times >= limit_of(T_TAIL_APART) && t->share_pct <= limit_of(T_TAIL_SHARE_PCT) &&
	       t->ms / t->n >= limit_of(T_TAIL_MS);
}

static enum grade quota_stopped(const struct walk *w, const struct shift *s)
{
	const struct level *l = &s->level[L_STOPPED];

	if (l->known)
		return graded(fmax(l->slow - l->fast, l->slow - limit_of(T_QUOTA_ALWAYS_PCT)), T_QUOTA_PCT);
	return isnan(w->x->stopped_pct) ? UNKNOWN : graded(w->x->stopped_pct, T_QUOTA_ALWAYS_PCT);
}

/* This process waited, or the machine was busy with others. Its own load is none of theirs. */
static enum grade others_busy(const struct walk *w, const struct shift *s)
{
	const struct level *waiting = &s->level[L_WAITING], *cpu = &s->level[L_CPU];
	bool waited = waiting->known ? waiting->slow > waiting->fast + limit_of(T_WAITING_PCT) ||
					       waiting->slow > limit_of(T_STARVED_PCT)
				     : starves(w);
	bool busier = s->others.known && s->others.slow > s->others.fast + limit_of(T_OTHERS_PCT);

	if (quota_stopped(w, s) > NO)
		return NO; /* what stopped it explains the waiting and the share */
	if (waited)
		return SURE;
	if (!s->others.known)
		return waiting->known ? NO : UNKNOWN;
	if (s->slow_s < limit_of(T_SAMPLE_S) && !waiting->known)
		return UNKNOWN; /* samples lag behind */
	if (busier || (cpu->slow < limit_of(T_SHARE_FELL) * cpu->fast &&
		       s->level[L_MACHINE].slow > limit_of(T_MACHINE_FULL_PCT))) /* the machine is full */
		return s->others.slow > sure_of(T_OTHERS_PCT) ? SURE : LIKELY;
	return NO;
}

enum grade clock_fell(const struct shift *s, const struct level *clock, const struct level *hot, double hotter,
		      double gpus)
{
	if (!clock->known && !hot->known)
		return UNKNOWN;
	if (clock_matches(s, clock, gpus))
		return SURE;
	if (clock->known && clock->slow > 0 && clock->slow < limit_of(T_CLOCK_FELL_LIKELY) * clock->fast)
		return LIKELY;
	return hot->known && hot->slow > hot->fast + hotter ? LIKELY : NO;
}

static bool something_changed(const struct walk *w, const struct shift *s)
{
	enum grade clock =
		w->x->cuda ? gpu_clock_fell(w, s, NULL) : clock_fell(s, &s->level[L_CLOCK], &s->level[L_HOT], 0, 1);

	return quota_stopped(w, s) > NO || others_busy(w, s) > NO || clock > NO;
}

/* Its clock is kept down by heat in the slow part, and was not before. */
static bool heat_came(const struct walk *w, const struct shift *s)
{
	const struct level *hot = &s->level[w->x->cuda ? L_GPU_HOT : L_HOT];

	return hot->known && hot->slow > hot->fast + (w->x->cuda ? limit_of(T_GPU_HOTTER_PCT) : 0);
}

static enum grade calls_slowed(const struct walk *w, const struct shift *s)
{
	double more = s->slow_decode - s->fast_decode, ratio = s->slow_decode / s->fast_decode;
	bool mild = s == &w->x->mild,
	     matches = w->x->cuda ? gpu_clock_matches(w, s) : clock_matches(s, &s->level[L_CLOCK], 1);

	if (!s->fell || more < s->slow_pause - s->fast_pause || flickers(s))
		return NO;
	if (mild && (double)s->recovered >= limit_of(T_SWINGS))
		return NO; /* a clock that goes up and down with the load is no fault */
	if (mild && !matches && !heat_came(w, s))
		return NO;
	if (!(mild && matches) && graded(ratio, T_SLOWED) <= NO)
		return NO;
	if (!mild && ratio < limit_of(T_BURSTS_RATIO) && (double)s->recovered >= limit_of(T_SWINGS) &&
	    ((has_tail(w) && graded(w->x->tail.time_pct, T_TAIL_PCT) > NO) || !something_changed(w, s)))
		return NO; /* stretches that hold more of its slow calls, or a speed that varies */
	return mild && matches ? SURE : graded(ratio, T_SLOWED);
}

const struct shift *shift_of_interest(const struct walk *w)
{
	return w->x->prefill.fell && calls_slowed(w, decode_shift(w)) <= NO ? &w->x->prefill : decode_shift(w);
}

/* The length explains how long calls take, and better than what changed as they became slower. */
static bool fits_length(const struct walk *w)
{
	const struct growing *g = &w->x->growing;

	return g->r2 >= limit_of(T_LENGTH_R2) && g->long_ms >= limit_of(T_LENGTH_TIMES) * g->short_ms;
}

enum grade test_LENGTH_COSTS(struct walk *w)
{
	const struct growing *g = &w->x->growing;
	const struct shift *s = decode_shift(w);
	enum grade grade;

	if (g->sequences < 1)
		return UNKNOWN;
	if (!fits_length(w) || g->rising < limit_of(T_LENGTH_RISING) * g->sequences ||
	    (s->known && something_changed(w, s)))
		return NO;
	if (g->sequences < limit_of(T_LENGTH_SEQUENCES) || !strcmp(w->x->version, "7b"))
		return SOME; /* one sequence grows with time, too; RWKV-7b attends to all tokens, as it was made to */
	say(w, E_BY_LENGTH, "", g->short_tokens, g->short_ms, g->long_tokens, g->long_ms);
	say2(w, E_LENGTH_AGAIN, g->rising, g->sequences);
	say_state(w);
	grade = graded(g->long_ms / g->short_ms, T_LENGTH_TIMES);
	if (graded(g->r2, T_LENGTH_R2) < grade)
		grade = graded(g->r2, T_LENGTH_R2);
	return graded(g->sequences, T_LENGTH_SEQUENCES) < grade ? LIKELY : grade;
}

static enum grade decode_slowed(struct walk *w)
{
	const struct shift *s = decode_shift(w);
	const double ratio = s->slow_decode / s->fast_decode;

	if (!w->x->mild.known)
		return timed(w) && (double)w->p->decode_calls >= limit_of(T_CALLS) ? NO : UNKNOWN;
	if (s->known)
		say3(w, E_LATENCY_SHIFT, s->slow_decode, s->fast_decode, ratio);
	return unless_some(calls_slowed(w, s), s->known && ratio >= limit_of(T_SLOWED));
}

static enum grade prefill_slowed(struct walk *w)
{
	const struct shift *s = &w->x->prefill;

	if (!s->fell)
		return NO;
	say3(w, E_PREFILL_SHIFT, s->slow_decode, s->fast_decode, s->slow_decode / s->fast_decode);
	return graded(s->slow_decode / s->fast_decode, T_PREFILL_SLOWED);
}

enum grade test_CALLS_SLOWED(struct walk *w)
{
	enum grade decode = decode_slowed(w), prefill = decode > NO ? NO : prefill_slowed(w);

	if (decode > NO || prefill > NO)
		say_state(w);
	return prefill > NO ? prefill : decode;
}

enum grade test_PAUSES_GREW(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	const struct pauses *p = &w->x->pauses;
	double n = w->p->pause_length.n, token = 1000 / w->x->speed_tps, grew = 100 * p->grows_ms / token;
	bool line = n >= limit_of(T_PAUSES) && p->r > 0 && p->r * p->r * n >= limit_of(T_PAUSES_LINE) &&
		    grew >= limit_of(T_PAUSES_GREW_PCT);
	bool fell = s->fell && s->slow_pause - s->fast_pause > s->slow_decode - s->fast_decode;

	if (n < limit_of(T_STEPS) || !(w->x->seconds > 0)) /* stamps that are all the same tell no pauses */
		return UNKNOWN;
	if (s->known && s->slow_pause > 0)
		say3(w, E_PAUSE_SHIFT, s->slow_pause, s->fast_pause, s->slow_pause / fmax(s->fast_pause, 1e-3));
	if ((!line && !fell) || starves(w))
		return unless_some(NO, s->known && s->slow_pause > limit_of(T_SLOWED) * s->fast_pause);
	say_state(w);
	return (line && grew >= sure_of(T_PAUSES_GREW_PCT)) || (fell && p->r > limit_of(T_PAUSES_R)) ? SURE : LIKELY;
}

/* The same of a GPU that heat slows down again and again. */
static bool throttles(struct walk *w)
{
	return gpu_heat(w, NULL) > NO;
}

/* Many slow calls, few of which are long enough for a stop, are a tail. */
static bool are_of_many(const struct walk *w, double stops)
{
	const struct slow_calls *t = &w->x->tail;

	return t->share_pct >= 100 * limit_of(T_STALLS_SHARE) && t->n > 2 * stops;
}

/* Stops in calls, and in pauses inside a sequence. */
enum grade test_STALLED(struct walk *w)
{
	double n = stops_of(w->x), ms = stops_ms(w->x), pct = 100 * ms / time_of(w->x);

	if (!timed(w))
		return UNKNOWN;
	if (n > 0)
		say3(w, E_STOPS, n, ms / 1e3, pct);
	if (starves(w) || throttles(w) || pct < limit_of(T_STALLS_PCT) ||
	    n > limit_of(T_STALLS_SHARE) * (double)w->p->decode_calls || are_of_many(w, n))
		return unless_some(NO, n > 0);
	return unless_some(unless_chance(w, graded(n, T_STALLS),
					 chance_of_strays(n, ms / n / w->x->median_ms,
							  w->x->tail.n + n - w->x->stalls.n, limit_of(T_TAIL_TIMES))),
			   n > 0);
}

enum grade test_TAILED(struct walk *w)
{
	const struct slow_calls *t = &w->x->tail;

	if (!timed(w) || (double)w->p->decode_calls < sure_of(T_STEPS))
		return UNKNOWN;
	if (t->n > 0)
		say3(w, E_TAIL, t->share_pct, t->times, t->time_pct);
	if (starves(w) || throttles(w) || !has_tail(w))
		return unless_some(NO, t->n > 0);
	return unless_some(graded(t->time_pct, T_TAIL_PCT), t->n > 0);
}

enum grade test_STEADY(struct walk *w)
{
	return otherwise(w);
}

/* --- resources: what changed at the same time ------------------------------------------------------- */

/* Over the whole part. */
static void say_waiting(struct walk *w)
{
	const double pct = w->x->waiting_pct;

	if (isfinite(pct) && isfinite(w->x->others_pct))
		say2(w, E_WAITING, pct, w->x->others_pct);
	else if (isfinite(pct))
		say1(w, E_WAITING_ALONE, pct);
}

void say_level(struct walk *w, enum evidence_id id, const struct level *l)
{
	if (l->known)
		say2(w, id, l->slow, l->fast);
}

enum grade test_QUOTA_STOPPED(struct walk *w)
{
	const struct shift *s = shift_of_interest(w);

	say_level(w, E_QUOTA_SHIFT, &s->level[L_STOPPED]);
	if (!s->level[L_STOPPED].known && w->x->stopped_pct > 0)
		say1(w, E_QUOTA, w->x->stopped_pct);
	return quota_stopped(w, s);
}

enum grade test_OTHERS_BUSY(struct walk *w)
{
	const struct shift *s = shift_of_interest(w);

	say_level(w, E_WAITING_SHIFT, &s->level[L_WAITING]);
	say_level(w, E_SHARE_FELL, &s->level[L_CPU]);
	say_level(w, E_OTHERS, &s->others);
	if (!s->level[L_WAITING].known)
		say_waiting(w);
	return others_busy(w, s);
}

enum grade test_CLOCK_FELL(struct walk *w)
{
	const struct shift *s = shift_of_interest(w);

	if (w->x->cuda)
		return NO; /* the GPU computes */
	say_level(w, E_CLOCK, &s->level[L_CLOCK]);
	say_level(w, E_HOT, &s->level[L_HOT]);
	return unless_some(clock_fell(s, &s->level[L_CLOCK], &s->level[L_HOT], 0, 1),
			   s->level[L_CLOCK].slow < limit_of(T_CLOCK_FELL) * s->level[L_CLOCK].fast);
}

enum grade test_IN_BURSTS(struct walk *w)
{
	const struct shift *s = shift_of_interest(w);

	if (s->runs < 2 || !s->recovered || something_changed(w, s))
		return NO;
	if (!s->level[L_WAITING].known && !s->others.known)
		return UNKNOWN;
	say2(w, E_BURSTS, (double)s->runs, s->slow_s);
	return LIKELY;
}

enum grade by_exclusion(struct walk *w, enum level_id clock, bool same_work)
{
	const struct shift *s = shift_of_interest(w);

	if (s->level[clock].known || (clock == L_GPU_CLOCK && any_device_clock(w, s)) || something_changed(w, s))
		return NO;
	miss(w, clock == L_CLOCK ? E_WANT_CLOCK : E_WANT_GPU_CLOCK);
	if (!same_work || s->slow_s < limit_of(T_SAMPLE_S)) {
		miss(w, E_WANT_CPU);
		return UNKNOWN;
	}
	say1(w, E_BY_EXCLUSION, NAN);
	return WEAK;
}

enum grade test_NOTHING_ELSE(struct walk *w)
{
	return w->x->cuda ? NO : by_exclusion(w, L_CLOCK, shift_of_interest(w)->others.known);
}

enum grade test_NOT_RECORDED(struct walk *w)
{
	const struct shift *s = shift_of_interest(w);

	if (!s->others.known)
		miss(w, E_WANT_CPU);
	if (w->x->cuda && !s->level[L_GPU_CLOCK].known && !any_device_clock(w, s))
		miss(w, E_WANT_GPU_CLOCK);
	say3(w, s == &w->x->prefill ? E_PREFILL_SHIFT : E_LATENCY_SHIFT, s->slow_decode, s->fast_decode,
	     s->slow_decode / s->fast_decode);
	return s->slow_s < limit_of(T_SAMPLE_S) ? WEAK : LIKELY; /* that it slowed down was measured; why was not */
}

enum grade test_WITH_LENGTH(struct walk *w)
{
	const struct pauses *p = &w->x->pauses;
	double frequency = fields_number(&w->p->about, F_SAMPLER_FREQUENCY, NAN);
	double presence = fields_number(&w->p->about, F_SAMPLER_PRESENCE, NAN);

	if (isfinite(frequency) && isfinite(presence))
		say2(w, E_PENALTIES_SET, frequency, presence);
	if (p->apart) {
		say2(w, E_PAUSE_PER_TOKEN, p->per_1000_tokens, p->per_minute);
		return graded(p->length_share, T_LENGTH_SHARE);
	}
	say1(w, E_ONE_SEQUENCE, NAN);
	if (p->steepest >= limit_of(T_PAUSES_STEP))
		return SOME; /* what is added token by token does not come at once */
	return frequency > 0 || presence > 0 ? LIKELY : NO;
}

enum grade test_WITH_TIME(struct walk *w)
{
	return w->x->pauses.apart ? SURE : LIKELY;
}

/* --- held back all the time ------------------------------------------------------------------------------- */

bool sampled(const struct walk *w, enum level_id l)
{
	return w->x->level[l].samples >= limit_of(T_SAMPLES);
}

enum grade test_QUOTA_SHORT(struct walk *w)
{
	const double pct = w->x->stopped_pct;

	if (isnan(pct))
		return UNKNOWN;
	say1(w, E_QUOTA, pct);
	return unless_some(graded(pct, T_QUOTA_ALWAYS_PCT), is_near(pct, T_QUOTA_ALWAYS_PCT));
}

enum grade test_STARVED(struct walk *w)
{
	enum grade grade = graded(w->x->waiting_pct, T_STARVED_PCT);

	say_waiting(w);
	if (isnan(w->x->waiting_pct)) {
		miss(w, E_WANT_WAITING);
		return UNKNOWN;
	}
	if (w->x->seconds < limit_of(T_STARVED_LASTS_S) && w->x->waiting_pct < sure_of(T_STARVED_PCT))
		grade = NO;
	return unless_some(grade, is_near(w->x->waiting_pct, T_STARVED_PCT));
}

/* All cores at once and wide vectors do not reach the highest clock: half of it asks for a reason. */
enum grade test_CLOCK_LOW(struct walk *w)
{
	const struct steady *clock = &w->x->level[L_CLOCK], *hot = &w->x->level[L_HOT];
	double most = fields_number(&w->p->about, F_HOST_CPU_MAX_MHZ, NAN),
	       share = sampled(w, L_CLOCK) ? clock->mean / most : (double)NAN;
	bool heat = sampled(w, L_HOT) && hot->mean >= limit_of(T_HOT_PCT);

	if (w->x->cuda)
		return NO;
	if (isfinite(share))
		say3(w, E_CLOCK_LOW, clock->mean, most, 100 * share);
	if (sampled(w, L_HOT))
		say1(w, E_HOT_MEAN, hot->mean);
	if (!isfinite(share) && !sampled(w, L_HOT))
		return UNKNOWN;
	if (graded_down(share, T_CLOCK_LOW) > NO)
		return graded_down(share, T_CLOCK_LOW);
	return heat ? LIKELY : unless_some(NO, sampled(w, L_HOT) && hot->mean > 0);
}

enum grade test_FREE(struct walk *w)
{
	return otherwise(w);
}

/* --- set-up -------------------------------------------------------------------------------------------------- */

enum grade test_KERNEL_OFF(struct walk *w)
{
	if (!w->x->cuda)
		return NO;
	if (!*w->x->flags)
		return UNKNOWN;
	say(w, E_FLAGS, w->x->flags, NAN, NAN, NAN, NAN);
	say(w, E_STRATEGY, w->x->strategy, NAN, NAN, NAN, NAN);
	return w->x->kernel_off ? SURE : w->x->kernel_unsaid ? LIKELY : NO;
}

enum grade test_LAYERS_ELSEWHERE(struct walk *w)
{
	if (!w->x->cuda)
		return NO;
	say(w, E_STRATEGY, w->x->strategy, NAN, NAN, NAN, NAN);
	return w->x->offloaded ? SURE : NO;
}

/* Prompts of several chunks, in calls that could hold more at the same cost. */
enum grade test_CHUNK_SMALL(struct walk *w)
{
	const struct facts *x = w->x;
	double limit = limit_of(x->cuda ? T_CHUNK_GPU : T_CHUNK_CPU);
	bool as_decode = x->prefill_token_ms > limit_of(T_CHUNK_AS_DECODE) * x->decode_token_ms;

	if (!w->p->prefill_calls || !(x->chunk_tokens > 0))
		return UNKNOWN;
	if (isfinite(x->decode_token_ms))
		say3(w, E_CHUNK_TOKENS, x->chunk_tokens, x->prefill_token_ms, x->decode_token_ms);
	else
		say2(w, E_CHUNK_TOKENS_ONLY, x->chunk_tokens, x->prefill_token_ms);
	say3(w, E_TIME_SHARES, 100 * x->prefill_share, 100 * x->decode_share, 100 * x->pause_share);
	if ((double)w->p->prefill_calls < limit_of(T_CHUNKS_SMALL) || x->chunk_calls < limit_of(T_CHUNK_CALLS) ||
	    100 * x->prefill_share < limit_of(T_CHUNK_SHARE_PCT))
		return unless_some(NO, x->chunk_tokens <= limit);
	if (x->chunk_tokens <= limit || (!x->cuda && x->chunk_tokens <= 2 * limit && as_decode))
		return SURE;
	return NO;
}

enum grade test_BETWEEN(struct walk *w)
{
	if ((double)w->p->pause.n < limit_of(T_STEPS))
		return UNKNOWN;
	say3(w, E_TIME_SHARES, 100 * w->x->prefill_share, 100 * w->x->decode_share, 100 * w->x->pause_share);
	return unless_some(graded(100 * w->x->pause_share, T_BETWEEN_PCT),
			   is_near(100 * w->x->pause_share, T_BETWEEN_PCT));
}

enum grade test_SETUP_YES(struct walk *w)
{
	return otherwise(w);
}

/* --- a goal, and what is in its way ------------------------------------------------------------------------------ */

enum grade test_GOAL_MISSED(struct walk *w)
{
	if (!isfinite(w->x->goal_tps))
		return UNKNOWN;
	say2(w, E_GOAL, w->x->speed_tps, w->x->goal_tps);
	return w->x->speed_tps < limit_of(T_GOAL_SHARE) * w->x->goal_tps ? SURE : NO;
}

enum grade test_GOAL_MET(struct walk *w)
{
	return otherwise(w);
}

enum grade test_IN_PREFILL(struct walk *w)
{
	say3(w, E_TIME_SHARES, 100 * w->x->prefill_share, 100 * w->x->decode_share, 100 * w->x->pause_share);
	return graded(100 * w->x->prefill_share, T_PREFILL_PCT);
}

enum grade test_IN_DECODE(struct walk *w)
{
	return otherwise(w);
}

enum grade test_CHUNK_BIG(struct walk *w)
{
	const struct facts *x = w->x;
	double p95 = w->f->phase[PHASE_PREFILL][M_CHUNK_PROCESS_TIME_MS].p95, limit = limit_of(T_CHUNK_MS);

	if ((double)w->p->prefill_calls < limit_of(T_CHUNKS) || !(x->chunk_tokens > limit_of(T_CHUNK_LARGE)))
		return UNKNOWN;
	say2(w, E_CHUNK_TIME, p95, limit);
	if (!(p95 > limit))
		return NO;
	if (isfinite(x->small_chunk_token_ms)) {
		say2(w, E_CHUNK_COST, x->big_chunk_token_ms, x->small_chunk_token_ms);
		return x->big_chunk_token_ms > limit_of(T_CHUNK_GAIN) * x->small_chunk_token_ms ? SURE : NO;
	}
	return x->chunk_tokens > limit_of(x->cuda ? T_CHUNK_LARGE_GPU : T_CHUNK_LARGE_CPU) ? LIKELY : SOME;
}

enum grade test_CHUNK_FITS(struct walk *w)
{
	return graded(100 * w->x->prefill_share, T_PREFILL_PCT);
}

static void say_bandwidth(struct walk *w)
{
	const struct facts *x = w->x;

	say1(w, E_BYTES_PER_TOKEN, x->bytes_per_token);
	say3(w, E_ACHIEVED, x->achieved_gb_s, x->bandwidth_gb_s, 100 * x->achieved_gb_s / x->bandwidth_gb_s);
	if (x->bandwidth_source == BANDWIDTH_VENDOR)
		say(w, E_BANDWIDTH_VENDOR, x->gpu, NAN, NAN, NAN, NAN);
	else
		say1(w, x->bandwidth_source == BANDWIDTH_MEASURED ? E_BANDWIDTH_MEASURED : E_BANDWIDTH_GIVEN, NAN);
}

enum grade test_BUS_FULL(struct walk *w)
{
	if (!isfinite(w->x->achieved_gb_s) || !isfinite(w->x->bandwidth_gb_s)) {
		miss(w, w->x->bandwidth_is_exceeded ? E_BANDWIDTH_EXCEEDED : E_WANT_BANDWIDTH);
		return UNKNOWN;
	}
	say_bandwidth(w);
	return graded(w->x->achieved_gb_s / w->x->bandwidth_gb_s, T_BUS_SHARE);
}

enum grade test_DEVICE_OTHER(struct walk *w)
{
	return isfinite(w->x->bandwidth_gb_s) && isfinite(w->x->achieved_gb_s) ? SURE : WEAK;
}
