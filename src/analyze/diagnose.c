/* diagnose.c - the walk: at each question the first answer whose test holds is taken, to a named cause.
 *
 * A test says how sure it is, and puts the numbers it looked at into evidence, whether they speak for or against. */
#include "analyze/diagnose.h"

#include "analyze/facts.h"

#include <math.h>

const char *const confidence_ids[CONFIDENCE_COUNT] = { "low", "medium", "high" };
const char *const bandwidth_source_ids[] = { "unknown", "given", "measured", "vendor" };

enum grade { NO, WEAK, LIKELY, SURE };

struct walk {
	const struct findings *f;
	const struct ledger *c;
	const struct facts *x;
	struct diagnosis *d;
	enum answer_id testing;
	bool silent; /* no evidence: the answer is not on the path */
};

typedef enum grade test_fn(struct walk *w);

/* --- evidence ------------------------------------------------------------------------ */

static void say(struct walk *w, enum evidence_id id, const char *text, double a, double b, double c, double d)
{
	if (w->silent || w->d->n_evidence == DIAGNOSIS_EVIDENCE_MAX)
		return;
	for (size_t i = 0; i < w->d->n_evidence; i++)
		if (w->d->evidence[i].id == id) {
			w->d->evidence[i].answer = w->testing; /* the latest test decides whose evidence it is */
			return;
		}
	w->d->evidence[w->d->n_evidence++] =
		(struct evidence){ .id = id, .answer = w->testing, .value = { a, b, c, d }, .text = text };
}

static void say1(struct walk *w, enum evidence_id id, double a)
{
	say(w, id, "", a, NAN, NAN, NAN);
}

static void say2(struct walk *w, enum evidence_id id, double a, double b)
{
	say(w, id, "", a, b, NAN, NAN);
}

static void say3(struct walk *w, enum evidence_id id, double a, double b, double c)
{
	say(w, id, "", a, b, c, NAN);
}

static void miss(struct walk *w, enum evidence_id id)
{
	if (w->silent)
		return;
	for (size_t i = 0; i < w->d->n_missing; i++)
		if (w->d->missing[i] == id)
			return;
	w->d->missing[w->d->n_missing++] = id;
}

static enum grade graded(double value, double likely, double sure)
{
	return value >= sure ? SURE : value >= likely ? LIKELY : NO;
}

static enum grade otherwise(struct walk *w)
{
	(void)w;
	return SURE;
}

static bool violated(const struct walk *w, enum alarm_type type, double share)
{
	return (double)w->f->anomaly_by_type[type] > share * (double)w->f->records;
}

static double violated_pct(const struct walk *w, enum alarm_type type)
{
	return w->f->records ? 100 * (double)w->f->anomaly_by_type[type] / (double)w->f->records : 0;
}

/* --- enough, finite, own state --------------------------------------------------------- */

enum { STEPS_MIN = 32 };

static enum grade test_TOO_FEW(struct walk *w)
{
	uint64_t steps = w->c ? w->c->decode_calls + w->c->prefill_calls : 0;

	say2(w, E_STEPS, (double)steps, STEPS_MIN);
	if (!steps)
		miss(w, E_WANT_STEPS);
	return steps < STEPS_MIN ? SURE : NO;
}

static enum grade broken(struct walk *w, bool fp16)
{
	double logits = w->f->metric[M_NONFINITE_LOGITS].max, state = w->f->metric[M_NONFINITE_STATE].max, all = 0;

	for (int m = 0; m < METRIC_COUNT; m++)
		all += (double)w->f->metric[m].nonfinite;
	all += (double)w->f->metric[M_NONFINITE_LOGITS].count + (double)w->f->metric[M_NONFINITE_STATE].count;
	if (all <= 0) {
		say1(w, E_ALL_FINITE, (double)w->f->records);
		return NO;
	}
	if (fp16 != w->x->fp16)
		return NO;
	say(w, E_NONFINITE, state > 0 ? "state" : logits > 0 ? "logits" : "metrics", all, NAN, NAN, NAN);
	say(w, E_STRATEGY, w->x->strategy, NAN, NAN, NAN, NAN);
	return *w->x->strategy ? SURE : LIKELY;
}

static enum grade test_BROKEN_FP16(struct walk *w)
{
	return broken(w, true);
}

static enum grade test_BROKEN_OTHER(struct walk *w)
{
	return broken(w, false);
}

static enum grade test_LEAKED(struct walk *w)
{
	if (w->c->leaks_checked)
		say2(w, E_LEAKS, (double)w->c->leaks, (double)w->c->leaks_checked);
	return w->c->leaks ? SURE : NO;
}

/* --- speed: what changed -------------------------------------------------------------- */

/* What people suspect first, and what it never is. */
static void say_state(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_STATE_SIZE_BYTES];

	if (!s->count || s->max <= 0)
		say1(w, E_STATE_IS_FIXED, NAN);
	else if (s->min < s->max)
		say2(w, E_STATE_SIZES, s->min, s->max);
	else
		say1(w, E_STATE_FIXED, s->max);
}

static enum grade test_PROMPTS_GREW(struct walk *w)
{
	const struct ledger *c = w->c;
	double prefill = w->x->prefill_share, r = line_correlation(&c->prompts);
	bool grew = c->sequences >= 4 && r > 0.8 && c->last_prompt >= 2 * c->first_prompt;

	if (grew)
		say3(w, E_PROMPT_GROWTH, c->first_prompt, c->last_prompt, (double)c->sequences);
	else if (c->sequences > 1)
		say2(w, E_PROMPT_SIZES, c->first_prompt, c->last_prompt);
	if (!grew || prefill < 0.1)
		return NO;
	say3(w, E_TIME_SHARES, 100 * w->x->prefill_share, 100 * w->x->decode_share, 100 * w->x->pause_share);
	say_state(w);
	return r > 0.95 && c->sequences >= 6 ? SURE : LIKELY;
}

static enum grade test_CALLS_SLOWED(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	double more = s->slow_decode - s->fast_decode, ratio = s->slow_decode / s->fast_decode;

	if (s->known)
		say3(w, E_LATENCY_SHIFT, s->slow_decode, s->fast_decode, ratio);
	if (!s->fell || more < s->slow_pause - s->fast_pause || ratio < 1.25)
		return NO;
	say_state(w);
	return graded(ratio, 1.25, 1.6);
}

static enum grade test_PAUSES_GREW(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	double more = s->slow_pause - s->fast_pause;

	if (s->known && s->slow_pause > 0)
		say3(w, E_PAUSE_SHIFT, s->slow_pause, s->fast_pause, s->slow_pause / fmax(s->fast_pause, 1e-3));
	if (!s->fell || more <= s->slow_decode - s->fast_decode)
		return NO;
	say_state(w);
	return graded(more / s->fast_decode, 0.1, 0.5);
}

#define test_STEADY otherwise

/* --- resources: what changed at the same time ------------------------------------------ */

static enum grade test_MEMORY_SHORT(struct walk *w)
{
	double limit = fields_number(&w->c->about, F_HOST_MEMORY_MB, NAN), used = w->f->metric[M_PROCESS_MEMORY_MB].max;

	if (!w->f->metric[M_PROCESS_MEMORY_MB].count || !(limit > 0))
		return NO;
	say3(w, E_MEMORY_NEAR, used, limit, 100 * used / limit);
	return graded(used / limit, 0.85, 0.93);
}

static enum grade memory_grows(struct walk *w)
{
	const struct growth *g = &w->x->memory;

	if (!g->known) {
		miss(w, E_WANT_MEMORY);
		return NO;
	}
	say3(w, E_MEMORY_FROM_TO, g->from, g->to, 100 * (g->to / g->from - 1));
	if (g->to < 1.1 * g->from || g->to - g->from < 32 || g->rises < 0.7)
		return NO;
	say_state(w);
	return g->to - g->from > 64 && g->rises > 0.8 ? SURE : LIKELY;
}

static enum grade test_MEMORY_GREW_TOO(struct walk *w)
{
	return memory_grows(w);
}

static void say_level(struct walk *w, enum evidence_id id, const struct level *l)
{
	if (l->known)
		say2(w, id, l->slow, l->fast);
}

static enum grade quota_stopped(const struct shift *s)
{
	return s->stopped.known ? graded(s->stopped.slow - s->stopped.fast, 5, 15) : NO;
}

static enum grade test_QUOTA_STOPPED(struct walk *w)
{
	say_level(w, E_QUOTA_SHIFT, &w->x->shift.stopped);
	return quota_stopped(&w->x->shift);
}

/* A carried figure is up to 5 s old: of a shorter slow part it says nothing. */
static bool sampled_within(const struct shift *s)
{
	return s->slow_s >= 5;
}

static enum grade test_OTHERS_BUSY(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	bool fell, busier, crowded, waited;

	say_level(w, E_WAITING_SHIFT, &s->waiting);
	if (quota_stopped(s))
		return NO; /* what stopped it explains the waiting and the share */
	waited = s->waiting.known && s->waiting.slow > s->waiting.fast + 10;
	if (!s->cpu.known || !s->machine.known)
		return waited ? SURE : NO;
	say_level(w, E_SHARE_FELL, &s->cpu);
	say_level(w, E_MACHINE_BUSY, &s->machine);
	fell = s->cpu.slow < 0.9 * s->cpu.fast;
	busier = s->machine.slow > s->machine.fast + 10 || s->machine.slow > 90;
	crowded = s->machine.slow > 90 && s->cpu.slow < 80; /* the machine is full, and not with this process */
	return waited || (fell && busier) ? SURE : fell || crowded || s->machine.slow > s->machine.fast + 15 ? LIKELY : NO;
}

static bool fell_by_tenth(const struct level *l)
{
	return l->known && l->slow < 0.9 * l->fast;
}

static enum grade test_CLOCK_FELL(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	bool hot = s->hot.known && s->hot.slow > s->hot.fast;

	say_level(w, E_CLOCK, &s->clock);
	say_level(w, E_HOT, &s->hot);
	return fell_by_tenth(&s->clock) ? SURE : hot ? LIKELY : NO;
}

static enum grade test_GPU_CLOCK_FELL(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	bool hot = s->gpu_hot.known && s->gpu_hot.slow > s->gpu_hot.fast + 20;

	if (!w->x->cuda)
		return NO;
	say_level(w, E_GPU_CLOCK, &s->gpu_clock);
	say_level(w, E_GPU_HOT_SHIFT, &s->gpu_hot);
	say_level(w, E_GPU_POWER_SHIFT, &s->gpu_power);
	return fell_by_tenth(&s->gpu_clock) ? SURE : hot ? LIKELY : NO;
}

/* By exclusion, and only where the clock itself is not recorded. */
static enum grade test_NOTHING_ELSE(struct walk *w)
{
	const struct shift *s = &w->x->shift;
	bool on_cpu = s->cpu.known && s->machine.known, on_gpu = w->x->cuda && s->gpu.known && s->gpu.slow > s->gpu.fast - 5;

	if (!on_cpu && !on_gpu)
		miss(w, E_WANT_CPU);
	if (w->x->cuda ? s->gpu_clock.known : s->clock.known)
		return NO;
	miss(w, w->x->cuda ? E_WANT_GPU_CLOCK : E_WANT_CLOCK);
	if (!sampled_within(s)) {
		miss(w, E_WANT_CPU);
		return NO;
	}
	if ((!on_cpu && !on_gpu) || quota_stopped(s) || test_OTHERS_BUSY(w))
		return NO;
	say1(w, E_BY_EXCLUSION, NAN);
	return WEAK;
}

static enum grade test_NOT_RECORDED(struct walk *w)
{
	if (!w->x->shift.cpu.known || !w->x->shift.machine.known)
		miss(w, E_WANT_CPU);
	return SURE;
}

static enum grade test_WITH_LENGTH(struct walk *w)
{
	const struct pauses *p = &w->x->pauses;
	double frequency = fields_number(&w->c->about, F_SAMPLER_FREQUENCY, NAN);
	double presence = fields_number(&w->c->about, F_SAMPLER_PRESENCE, NAN);

	if (isfinite(frequency) && isfinite(presence))
		say2(w, E_PENALTIES_SET, frequency, presence);
	if (p->apart) {
		say2(w, E_PAUSE_PER_TOKEN, p->per_1000_tokens, p->per_minute);
		return graded(p->length_share, 0.5, 0.8);
	}
	say1(w, E_ONE_SEQUENCE, NAN);
	return frequency > 0 || presence > 0 ? LIKELY : NO;
}

static enum grade test_WITH_TIME(struct walk *w)
{
	return w->x->pauses.apart ? SURE : LIKELY;
}

/* --- limits: a steady speed -------------------------------------------------------------- */

enum { CHUNK_LIMIT_MS = 200, BROKEN_PCT = 5 };

static enum grade chunk_small(struct walk *w)
{
	const struct facts *x = w->x;
	double prompt = w->c->sequences ? w->c->prompt_tokens / (double)w->c->sequences : 0;

	if (!w->c->prefill_calls || !(x->chunk_tokens > 0))
		return NO;
	say3(w, E_CHUNK_TOKENS, x->chunk_tokens, x->prefill_token_ms, x->decode_token_ms);
	if (x->chunk_tokens > 16 || prompt < 4 * x->chunk_tokens || x->prefill_share < 0.2)
		return NO;
	return x->prefill_token_ms > 0.6 * x->decode_token_ms ? SURE :
	       isfinite(x->decode_token_ms)		      ? NO :
								LIKELY;
}

static enum grade chunk_big(struct walk *w)
{
	const struct facts *x = w->x;
	double p95 = w->f->phase[PHASE_PREFILL][M_CHUNK_PROCESS_TIME_MS].p95;
	bool slow = w->c->prefill_calls >= 3 && x->chunk_tokens > 16 && p95 > CHUNK_LIMIT_MS;

	if (!slow)
		return NO;
	say2(w, E_CHUNK_TIME, p95, CHUNK_LIMIT_MS);
	if (isfinite(x->small_chunk_token_ms)) {
		say2(w, E_CHUNK_COST, x->big_chunk_token_ms, x->small_chunk_token_ms);
		return x->big_chunk_token_ms > 0.9 * x->small_chunk_token_ms ? SURE : NO;
	}
	return x->chunk_tokens > (x->cuda ? 256 : 64) ? LIKELY : NO;
}

static enum grade test_PREFILL_WASTE(struct walk *w)
{
	enum grade small = chunk_small(w), big;

	if (small)
		return small;
	big = chunk_big(w);
	return w->x->prefill_share >= 0.2 ? big : NO;
}

static enum grade test_LIMIT_BROKEN(struct walk *w)
{
	static const enum alarm_type types[] = { ALARM_HIGH_LATENCY, ALARM_LOW_THROUGHPUT, ALARM_SLOW_CHUNK };
	enum alarm_type most = types[0];

	for (size_t i = 1; i < sizeof types / sizeof *types; i++)
		if (w->f->anomaly_by_type[types[i]] > w->f->anomaly_by_type[most])
			most = types[i];
	if (violated_pct(w, most) > BROKEN_PCT)
		say(w, E_BROKEN_SHARE, alarm_specs[most].id, violated_pct(w, most), NAN, NAN, NAN);
	else
		say2(w, E_WITHIN, violated_pct(w, most), BROKEN_PCT);
	return violated_pct(w, most) > BROKEN_PCT ? SURE : NO;
}

#define test_FAST_ENOUGH otherwise

static enum grade test_KERNEL_OFF(struct walk *w)
{
	if (!w->x->cuda || !*w->x->flags)
		return NO;
	say(w, E_FLAGS, w->x->flags, NAN, NAN, NAN, NAN);
	say(w, E_STRATEGY, w->x->strategy, NAN, NAN, NAN, NAN);
	return w->x->kernel_off ? SURE : w->x->kernel_unsaid ? LIKELY : NO;
}

static enum grade test_BETWEEN(struct walk *w)
{
	say3(w, E_TIME_SHARES, 100 * w->x->prefill_share, 100 * w->x->decode_share, 100 * w->x->pause_share);
	return graded(w->x->pause_share, 0.5, 0.65);
}

static enum grade test_IN_PREFILL(struct walk *w)
{
	return graded(w->x->prefill_share, 0.5, 0.65);
}

#define test_IN_DECODE otherwise

static enum grade test_CHUNK_SMALL(struct walk *w)
{
	return chunk_small(w);
}

static enum grade test_CHUNK_BIG(struct walk *w)
{
	return chunk_big(w);
}

static enum grade test_CHUNK_FITS(struct walk *w)
{
	return graded(w->x->prefill_share, 0.5, 0.65);
}

/* --- device -------------------------------------------------------------------------------- */

enum { GPU_BUSY_PCT = 50 };

/* The metric in decode, or at all; NULL: never seen. */
static const struct summary *in_decode(const struct walk *w, enum metric_id m)
{
	const struct summary *s = &w->f->phase[PHASE_DECODE][m];

	s = s->count ? s : &w->f->metric[m];
	return s->count ? s : NULL;
}

static enum grade test_QUOTA_SHORT(struct walk *w)
{
	const struct summary *s = in_decode(w, M_CPU_QUOTA_STOPPED_PCT);

	if (!s)
		return NO;
	say1(w, E_QUOTA, s->mean);
	return graded(s->mean, 10, 25);
}

/* All cores at once and wide vectors do not reach the highest clock: half of it asks for a reason. */
static enum grade test_CLOCK_LOW(struct walk *w)
{
	const struct summary *clock = in_decode(w, M_CPU_CLOCK_MHZ), *hot = in_decode(w, M_CPU_THERMAL_THROTTLES);
	double most = fields_number(&w->c->about, F_HOST_CPU_MAX_MHZ, NAN), share = clock ? clock->mean / most : (double)NAN;

	if (w->x->cuda)
		return NO;
	if (isfinite(share))
		say3(w, E_CLOCK_LOW, clock->mean, most, 100 * share);
	if (hot)
		say1(w, E_HOT_MEAN, hot->mean);
	return share < 0.4 ? SURE : share < 0.5 || (hot && hot->mean >= 1) ? LIKELY : NO;
}

static enum grade test_GPU_HOT(struct walk *w)
{
	const struct summary *s = in_decode(w, M_GPU_THERMAL_THROTTLED_PCT);

	if (!w->x->cuda || !s)
		return NO;
	say1(w, E_GPU_HOT, s->mean);
	return graded(s->mean, 25, 50);
}

static enum grade test_LAYERS_ELSEWHERE(struct walk *w)
{
	if (!w->x->cuda)
		return NO;
	say(w, E_STRATEGY, w->x->strategy, NAN, NAN, NAN, NAN);
	return w->x->offloaded ? SURE : NO;
}

static enum grade test_GPU_WAITS(struct walk *w)
{
	const struct summary *s = in_decode(w, M_GPU_UTILIZATION_PCT);

	if (!w->x->cuda)
		return NO;
	if (!s) {
		miss(w, E_WANT_GPU);
		return NO;
	}
	say2(w, E_GPU_BUSY, s->mean, GPU_BUSY_PCT);
	return s->mean < 30 ? SURE : s->mean < GPU_BUSY_PCT ? LIKELY : NO;
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

static enum grade test_BUS_FULL(struct walk *w)
{
	if (!isfinite(w->x->achieved_gb_s) || !isfinite(w->x->bandwidth_gb_s)) {
		miss(w, E_WANT_BANDWIDTH);
		return NO;
	}
	say_bandwidth(w);
	return graded(w->x->achieved_gb_s / w->x->bandwidth_gb_s, 0.6, 0.75);
}

static enum grade test_DEVICE_OTHER(struct walk *w)
{
	return isfinite(w->x->bandwidth_gb_s) && isfinite(w->x->achieved_gb_s) ? SURE : WEAK;
}

/* --- memory, loading --------------------------------------------------------------------- */

static enum grade test_MEMORY_GROWS(struct walk *w)
{
	return memory_grows(w);
}

static enum grade test_VRAM_OVER(struct walk *w)
{
	double total = fields_number(&w->c->about, F_VRAM_TOTAL_MB, NAN), used = w->x->vram_mb, plan = w->x->vram_plan_mb;

	if (!isfinite(used)) {
		if (w->x->cuda)
			miss(w, E_WANT_VRAM);
		return NO;
	}
	if (total > 0)
		say3(w, E_VRAM_SHARE, used, total, 100 * used / total);
	if (isfinite(plan))
		say2(w, E_VRAM_PLAN, used, plan);
	if (violated(w, ALARM_HIGH_VRAM_USAGE, 0.05) || used > 0.8 * total)
		return SURE;
	return isfinite(plan) ? graded(used / plan, 1.3, 1.8) : NO;
}

#define test_MEMORY_YES otherwise

static enum grade test_LOADED_SLOWLY(struct walk *w)
{
	double seconds = fields_number(&w->c->about, F_LOAD_TIME_MS, NAN) / 1e3;
	double bytes = fields_number(&w->c->about, F_MODEL_BYTES, NAN), rate = bytes / seconds / 1e9;

	if (!isfinite(seconds) || !isfinite(bytes)) {
		miss(w, E_WANT_LOAD);
		return NO;
	}
	if (bytes > 50e6 || seconds > 1) {
		say3(w, E_LOAD_RATE, seconds, bytes, rate);
		say(w, E_LOAD_LIMIT, "SATA SSD", 0.2, NAN, NAN, NAN);
	}
	return seconds < 10 || rate > 0.2 ? NO : rate < 0.1 ? SURE : LIKELY;
}

#define test_LOADING_YES otherwise

/* --- output --------------------------------------------------------------------------------- */

static enum grade test_QUANTISED_BADLY(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_QUANT_KL_NATS];

	if (!s->count)
		return NO;
	say2(w, E_QUANT_KL, s->p95, 0.1);
	return s->mean > 0.1 ? SURE : s->p95 > 0.1 ? LIKELY : NO;
}

static void say_repetition_by_length(struct walk *w)
{
	const struct repetition *r = &w->x->repetition;

	if (r->known)
		say(w, E_REPETITION_LONG, "", r->early_pct, r->early_tokens, r->late_pct, r->late_tokens);
}

static enum grade test_REPEATS(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_TOKEN_REPETITION_PCT];
	double temperature = fields_number(&w->c->about, F_SAMPLER_TEMPERATURE, NAN);

	if (!s->count) {
		if (!w->f->metric[M_LOGITS_ENTROPY].count)
			miss(w, E_WANT_ACCURACY);
		return NO;
	}
	say3(w, E_REPETITION_RATE, s->mean, s->max, violated_pct(w, ALARM_HIGH_REPETITION));
	say_repetition_by_length(w);
	if (isfinite(temperature))
		say2(w, E_SAMPLER, temperature, fields_number(&w->c->about, F_SAMPLER_FREQUENCY, NAN));
	return s->count < 50 ? NO : graded(violated_pct(w, ALARM_HIGH_REPETITION), 5, 20);
}

enum { JUMPS_MIN = 3 }; /* live alarms; a control token may cause one */

static enum grade test_JUMPED(struct walk *w)
{
	uint64_t live = w->f->live_alarms[ALARM_STATE_DIVERGENCE], jumps = w->f->anomaly_by_type[ALARM_STATE_DIVERGENCE];

	if (w->f->metric[M_STATE_SIMILARITY].count)
		say2(w, E_JUMPS, (double)(jumps > live ? jumps : live), w->f->metric[M_STATE_SIMILARITY].min);
	return live >= JUMPS_MIN || violated(w, ALARM_STATE_DIVERGENCE, 0.02) ? SURE :
	       violated(w, ALARM_STATE_DIVERGENCE, 0.005)	 ? LIKELY :
								   NO;
}

static enum grade test_GUESSES(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_LOGITS_ENTROPY];
	double random = log(fields_number(&w->c->about, F_VOCAB_SIZE, 65536));

	if (!s->count)
		return NO;
	say2(w, E_ENTROPY, s->mean, random);
	return s->count < 50 ? NO : graded(s->mean / random, 0.72, 0.8);
}

static enum grade test_COLLAPSES(struct walk *w)
{
	const struct session_findings *worst = NULL;
	double warned = 0;

	for (size_t i = 0; i < w->f->n_sessions; i++) {
		const struct session_findings *s = &w->f->session[i];

		if (isfinite(s->similarity_entropy_pearson) &&
		    (!worst || s->similarity_entropy_pearson < worst->similarity_entropy_pearson))
			worst = s;
		warned += s->collapse_warning ? (double)s->records : 0;
	}
	if (worst)
		say(w, E_PEARSON, worst->session_id, worst->similarity_entropy_pearson, NAN, NAN, NAN);
	if (w->f->records < 200 || warned < 0.5 * (double)w->f->records)
		return NO;
	return worst->similarity_entropy_pearson < -0.7 ? SURE : LIKELY;
}

static enum grade test_SOUND(struct walk *w)
{
	return w->d->n_missing > 2 ? WEAK : w->d->n_missing ? LIKELY : SURE;
}

#define test_ENOUGH_YES otherwise
#define test_FINITE_YES otherwise
#define test_OWN_STATE_YES otherwise

static test_fn *const tests[ANSWER_COUNT] = {
#define ANSWER(name, ...) [A_##name] = test_##name,
#include "spec/diagnosis.def"
};

/* --- the walk --------------------------------------------------------------------------------- */

static bool is_last(enum answer_id a)
{
	return a + 1 == ANSWER_COUNT || answer_specs[a + 1].question != answer_specs[a].question;
}

static enum grade test(struct walk *w, enum answer_id a)
{
	w->testing = a;
	return tests[a](w);
}

/* The first answer that holds, noted as a step of the path. */
static enum answer_id ask(struct walk *w, enum question_id q, enum grade *grade)
{
	enum answer_id a = answers_first(q);

	while (!(*grade = test(w, a)) && !is_last(a))
		w->d->ruled_out[a++] = true;
	w->d->step[w->d->n_steps++] = (struct diagnosis_step){ q, a };
	return a;
}

static void walk_down(struct walk *w)
{
	enum question_id q = Q_ENOUGH;
	enum grade grade;
	enum answer_id a;

	while (!answer_specs[a = ask(w, q, &grade)].to_cause)
		q = (enum question_id)answer_specs[a].target;
	w->d->cause = (enum cause_id)answer_specs[a].target;
	for (int other = 0; other < ANSWER_COUNT; other++) /* another question may have led there, too */
		if (answer_specs[other].to_cause && answer_specs[other].target == answer_specs[a].target)
			w->d->ruled_out[other] = false;
	w->d->confidence = grade == SURE ? CONFIDENCE_HIGH : grade == LIKELY ? CONFIDENCE_MEDIUM : CONFIDENCE_LOW;
}

bool diagnosis_took(const struct diagnosis *d, enum answer_id a)
{
	for (size_t i = 0; i < d->n_steps; i++)
		if (d->step[i].answer == a)
			return true;
	return false;
}

/* Could the question come up, walked alone? By its parent's test, or because its parent is the way on. */
static bool comes_up(struct walk *w, enum question_id q)
{
	if (q == Q_ENOUGH)
		return true;
	for (int a = 0; a < ANSWER_COUNT; a++) {
		const struct answer_spec *s = &answer_specs[a];

		if (!s->to_cause && s->target == (int)q && comes_up(w, s->question) &&
		    (is_last((enum answer_id)a) || test(w, (enum answer_id)a)))
			return true;
	}
	return false;
}

/* Other causes whose own tests hold. */
static void look_around(struct walk *w)
{
	bool seen[CAUSE_COUNT] = { false };

	w->silent = true;
	seen[w->d->cause] = seen[CAUSE_NOT_ENOUGH] = true;
	for (int a = 0; a < ANSWER_COUNT; a++) {
		const struct answer_spec *s = &answer_specs[a];

		if (!s->to_cause || seen[s->target] || is_last((enum answer_id)a) || !comes_up(w, s->question) ||
		    !test(w, (enum answer_id)a))
			continue;
		seen[s->target] = true;
		w->d->also[w->d->n_also++] = (enum cause_id)s->target;
	}
}

static void take_gain(struct diagnosis *d, const struct facts *x, const struct ledger *c)
{
	const struct shift *s = &x->shift;

	d->gain_unit = 'p';
	switch (d->cause) {
	case CAUSE_CPU_QUOTA:
		d->gain = s->fell ? 100 * (1 - s->fast_decode / s->slow_decode) : (double)NAN;
		break;
	case CAUSE_GPU_THROTTLING:
	case CAUSE_OTHER_LOAD:
	case CAUSE_THROTTLING:
	case CAUSE_SWAPPING:
		d->gain = 100 * (1 - s->fast_decode / s->slow_decode);
		break;
	case CAUSE_PENALTIES:
	case CAUSE_CALLER:
		d->gain = s->fell ? 100 * (1 - (s->fast_decode + s->fast_pause) / (s->slow_decode + s->slow_pause))
				  : 100 * x->pause_share;
		break;
	case CAUSE_HISTORY:
		d->gain = 100 * (1 - c->last_prompt / c->prompt_tokens);
		break;
	case CAUSE_PREFILL_BOUND:
		d->gain = 100 * x->prefill_share;
		break;
	case CAUSE_LAUNCH_BOUND:
		d->gain = x->gpu_idle_pct;
		break;
	case CAUSE_MEMORY_GROWTH:
		d->gain = x->memory.to - x->memory.from;
		d->gain_unit = 'M';
		break;
	default:
		break;
	}
}

void diagnose(struct diagnosis *out, const struct findings *f, const struct diagnose_options *opts)
{
	struct facts x;
	struct walk w = { .f = f, .c = f->ledger, .x = &x, .d = out };

	*out = (struct diagnosis){ .gain = NAN, .session_id = "" };
	facts_of(&x, f, opts);
	walk_down(&w);
	if (f->ledger && out->cause != CAUSE_NOT_ENOUGH)
		look_around(&w);
	if (f->ledger)
		take_gain(out, &x, f->ledger);
	out->bandwidth_source = x.bandwidth_source;
	out->bandwidth_gb_s = x.bandwidth_gb_s;
	out->achieved_gb_s = x.achieved_gb_s;
	out->bytes_per_token = x.bytes_per_token;
}
