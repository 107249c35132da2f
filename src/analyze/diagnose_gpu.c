/* diagnose_gpu.c - tests of GPUs: their memory, clocks, heat and use; of several, of the worst that the strategy uses.
 */
#include "analyze/diagnose_tests.h"
#include "analyze/instances.h"

#include <math.h>

/* The answer is about that GPU. */
static void name_device(struct walk *w, const char *device)
{
	if (!w->silent)
		w->d->device = device;
}

/* --- memory ------------------------------------------------------------------------------------ */

/* Caches fill in the first minutes: there, only a growth beyond what they take is one. What a process has more than the
 * one before it did not grow. */
static enum grade growth_grade(const struct walk *w, const struct growth *g)
{
	const double more_mb = g->to - g->from - g->by_renewal, pct = 100 * more_mb / g->from;
	bool large;

	if (!g->known)
		return UNKNOWN;
	if (pct < limit_of(T_GROWTH_PCT) || more_mb < limit_of(T_GROWTH_MB) || g->rises < limit_of(T_GROWTH_STEADY) ||
	    g->goes_on < limit_of(T_GROWTH_GOES_ON))
		return NO;
	large = pct >= sure_of(T_GROWTH_PCT) && more_mb >= sure_of(T_GROWTH_MB);
	if (!large && w->x->seconds < limit_of(T_GROWTH_LASTS_S))
		return NO;
	return large ? SURE : LIKELY;
}

static enum grade grows(struct walk *w, const struct growth *g, enum evidence_id id)
{
	enum grade grade = growth_grade(w, g);

	if (grade == UNKNOWN)
		return grade;
	say3(w, id, g->from, g->to, 100 * (g->to - g->from) / g->from);
	if (grade > NO)
		say_state(w);
	return grade;
}

/* The GPU whose memory grows most; NULL: none does. */
static const struct device_fact *growing_device(const struct walk *w)
{
	const struct device_fact *most = NULL;

	for (size_t i = 0; i < w->x->n_devices; i++) {
		const struct device_fact *d = &w->x->device[i];

		if (d->used && growth_grade(w, &d->memory) > NO &&
		    (!most || d->memory.to - d->memory.from > most->memory.to - most->memory.from))
			most = d;
	}
	return most;
}

static enum grade grows_on_gpu(struct walk *w)
{
	const struct device_fact *d = growing_device(w);
	enum grade gpu;

	if (d) {
		const struct growth *g = &d->memory;

		say(w, E_DEVICE_VRAM_FROM_TO, d->of->name, g->from, g->to, 100 * (g->to - g->from) / g->from, NAN);
		name_device(w, d->of->name);
	}
	gpu = grows(w, &w->x->vram, E_VRAM_FROM_TO);
	if (d)
		gpu = more(gpu, growth_grade(w, &d->memory));
	if (gpu > NO && !w->silent)
		w->d->situations |= 1U << IN_VRAM;
	return gpu;
}

/* Too little, or not as a leak does it, and still more than before. */
static bool is_more(const struct growth *g)
{
	return g->known && 100 * (g->to - g->from) / g->from >= sure_of(T_GROWTH_PCT);
}

/* The verdict quotes what is said first: the memory that grows. */
enum grade test_MEMORY_GROWS(struct walk *w)
{
	const struct state_growth *state = &w->p->state;
	bool host_first = growth_grade(w, &w->x->memory) > NO;
	enum grade host, gpu;

	if (state_grows(w->p)) {
		say(w, E_STATE_GROWS, state->session_id, state->from, state->to, (double)state->rises, NAN);
		return SURE;
	}
	host = host_first ? grows(w, &w->x->memory, E_MEMORY_FROM_TO) : NO;
	gpu = grows_on_gpu(w);

	if (!host_first)
		host = grows(w, &w->x->memory, E_MEMORY_FROM_TO);
	if (host == UNKNOWN)
		miss(w, E_WANT_MEMORY);
	return unless_some(more(host, gpu), is_more(&w->x->memory) || is_more(&w->x->vram));
}

static bool of_one_process(const struct walk *w, const struct time_part *a, const struct time_part *b)
{
	for (size_t i = 0; same_host(a->instance, b->instance) && i < w->f->n_instances; i++)
		if (instance_has_part(&w->f->instance[i], a) && instance_has_part(&w->f->instance[i], b))
			return true;
	return false;
}

/* What other models of the process need, of parts of the log at the same time. */
static double plan_beside_mb(const struct walk *w)
{
	const struct time_breakdown *t = w->f->time_breakdown;
	double bytes = 0;

	for (size_t i = 0; t && i < t->n_parts; i++) {
		const struct time_part *other = t->part[i];
		const bool beside = other != w->p && other->from_us <= w->p->to_us && other->to_us >= w->p->from_us &&
				    of_one_process(w, other, w->p);

		bytes += beside ? fields_number(&other->about, F_MODEL_BYTES, 0) : 0;
	}
	return bytes / 1048576;
}

static enum grade above_plan(struct walk *w, double own)
{
	double plan = w->x->vram_plan_mb + plan_beside_mb(w);

	if (!isfinite(plan) || !isfinite(own))
		return UNKNOWN;
	say2(w, E_VRAM_PLAN, own, plan);
	return own - plan > limit_of(T_VRAM_RUNTIME_MB) ? graded(own / plan, T_VRAM_PLAN)
							: unless_some(NO, own / plan >= limit_of(T_VRAM_PLAN));
}

/* The fullest GPU; NULL: their memory is not known one by one. */
static const struct device_fact *fullest_device(const struct walk *w)
{
	const struct device_fact *most = NULL;

	for (size_t i = 0; i < w->x->n_devices; i++) {
		const struct device_fact *d = &w->x->device[i];

		if (d->used && isfinite(d->full_pct) && (!most || d->full_pct > most->full_pct))
			most = d;
	}
	return most;
}

static enum grade device_full(struct walk *w)
{
	const struct device_fact *d = fullest_device(w);
	enum grade grade;

	if (!d)
		return UNKNOWN;
	say(w, E_DEVICE_VRAM, d->of->name, d->full_pct / 100 * d->total_mb, d->total_mb, d->full_pct, NAN);
	grade = graded(d->full_pct, T_VRAM_CARD_PCT);
	if (grade <= NO)
		return grade;
	name_device(w, d->of->name);
	if (w->x->gpus > 1 && !w->silent)
		w->d->situations |= 1U << IN_ONE_OF_SEVERAL;
	return grade;
}

/* Levels above the total are not of the same card. */
static enum grade card_full(struct walk *w, const struct steady *card, const struct steady *own, double total)
{
	if (!card->known || !(total > 0) || card->highest > total)
		return UNKNOWN;
	say3(w, E_VRAM_SHARE, card->highest, total, 100 * card->highest / total);
	if (own->known && own->highest < card->highest)
		say2(w, E_VRAM_OWN, own->highest, card->highest - own->highest);
	return graded(100 * card->highest / total, T_VRAM_CARD_PCT);
}

enum grade test_VRAM_OVER(struct walk *w)
{
	const struct steady *card = &w->x->level[L_VRAM], *own = &w->x->level[L_OWN_VRAM];
	double total = fields_number(&w->p->about, F_VRAM_TOTAL_MB, NAN);
	enum grade one = device_full(w), full = one == UNKNOWN ? card_full(w, card, own, total) : UNKNOWN,
		   plan = above_plan(w, own->known ? own->mean : (double)NAN);

	if (!card->known && !own->known && one == UNKNOWN) {
		if (w->x->cuda)
			miss(w, E_WANT_VRAM);
		return UNKNOWN;
	}
	return unless_some(more(more(plan == SOME ? NO : plan, full), one), plan == SOME);
}

/* --- clocks ------------------------------------------------------------------------------------ */

bool gpu_clock_matches(const struct walk *w, const struct shift *s)
{
	bool matches = clock_matches(s, &s->level[L_GPU_CLOCK], w->x->gpus);

	for (size_t i = 0; i < w->x->n_devices; i++)
		matches |= w->x->device[i].used && clock_matches(s, &s->device[i].clock, w->x->gpus);
	return matches;
}

bool any_device_clock(const struct walk *w, const struct shift *s)
{
	bool any = false;

	for (size_t i = 0; i < w->x->n_devices; i++)
		any |= w->x->device[i].used && s->device[i].clock.known;
	return any;
}

static double fell_by(const struct level *clock)
{
	return clock->known && clock->slow > 0 ? clock->fast / clock->slow : 0;
}

enum grade gpu_clock_fell(const struct walk *w, const struct shift *s, const struct device **which)
{
	const double hotter = limit_of(T_GPU_HOTTER_PCT), gpus = w->x->gpus;
	enum grade all = clock_fell(s, &s->level[L_GPU_CLOCK], &s->level[L_GPU_HOT], hotter, gpus), best = UNKNOWN;
	size_t at = 0;

	for (size_t i = 0; i < w->x->n_devices; i++) {
		const struct clocks *c = &s->device[i], *b = &s->device[at];
		enum grade one = w->x->device[i].used ? clock_fell(s, &c->clock, &c->hot, hotter, gpus) : UNKNOWN;

		if (one > best || (one == best && one > NO && fell_by(&c->clock) > fell_by(&b->clock))) {
			best = one;
			at = i;
		}
	}
	if (which)
		*which = best > NO ? w->x->device[at].of : NULL;
	return more(all, best);
}

static void say_device_level(struct walk *w, enum evidence_id id, const struct device *d, const struct level *l)
{
	if (l->known)
		say(w, id, d->name, l->slow, l->fast, NAN, NAN);
}

enum grade test_GPU_CLOCK_FELL(struct walk *w)
{
	const struct shift *s = shift_of_interest(w);
	const struct device *d;
	enum grade grade;

	if (!w->x->cuda)
		return NO;
	grade = gpu_clock_fell(w, s, &d);
	if (d) {
		const struct clocks *c = &s->device[d - w->p->devices.device];

		say_device_level(w, E_DEVICE_CLOCK, d, &c->clock);
		say_device_level(w, E_DEVICE_HOT_SHIFT, d, &c->hot);
		say_device_level(w, E_DEVICE_POWER_SHIFT, d, &c->power);
		name_device(w, d->name);
		return grade;
	}
	say_level(w, E_GPU_CLOCK, &s->level[L_GPU_CLOCK]);
	say_level(w, E_GPU_HOT_SHIFT, &s->level[L_GPU_HOT]);
	say_level(w, E_GPU_POWER_SHIFT, &s->level[L_GPU_POWER]);
	return grade;
}

enum grade test_NOTHING_ELSE_GPU(struct walk *w)
{
	const struct level *gpu = &shift_of_interest(w)->level[L_GPU];

	return w->x->cuda ? by_exclusion(w, L_GPU_CLOCK, gpu->known && gpu->slow > gpu->fast - limit_of(T_GPU_SAME_PCT))
			  : NO;
}

/* --- heat, all the time ------------------------------------------------------------------------- */

enum grade gpu_heat(const struct walk *w, const struct device_fact **which)
{
	const struct device_fact *hottest = NULL;
	double pct = sampled(w, L_GPU_HOT) ? w->x->level[L_GPU_HOT].mean : (double)NAN;

	for (size_t i = 0; i < w->x->n_devices; i++) {
		const struct device_fact *d = &w->x->device[i];

		if (d->used && d->samples >= limit_of(T_SAMPLES) && (!hottest || d->hot_pct > hottest->hot_pct))
			hottest = d;
	}
	if (which)
		*which = hottest;
	if (!w->x->cuda)
		return NO;
	if (hottest)
		return graded(hottest->hot_pct, T_GPU_HOT_PCT);
	return isfinite(pct) ? graded(pct, T_GPU_HOT_PCT) : UNKNOWN;
}

enum grade test_GPU_HOT(struct walk *w)
{
	const struct device_fact *d;
	enum grade grade = gpu_heat(w, &d);

	if (!w->x->cuda)
		return NO;
	if (d) {
		say(w, E_DEVICE_HOT, d->of->name, d->hot_pct, NAN, NAN, NAN);
		if (grade > NO)
			name_device(w, d->of->name);
	} else if (grade != UNKNOWN) {
		say1(w, E_GPU_HOT, w->x->level[L_GPU_HOT].mean);
	}
	return unless_some(grade, (d ? d->hot_pct : w->x->level[L_GPU_HOT].mean) >= limit_of(T_GPU_HOT_PCT) / 2);
}

/* --- use ---------------------------------------------------------------------------------------- */

enum grade test_GPU_WAITS(struct walk *w)
{
	double busy = w->x->gpu_busy_pct, least = limit_of(T_GPU_BUSY_PCT);

	if (!w->x->cuda)
		return NO;
	if (!isfinite(busy)) {
		miss(w, E_WANT_GPU);
		return UNKNOWN;
	}
	if (w->x->gpus > 1)
		say3(w, E_GPUS_BUSY, w->x->gpus, busy, least);
	else
		say2(w, E_GPU_BUSY, busy, least);
	return graded_down(busy, T_GPU_BUSY_PCT);
}
