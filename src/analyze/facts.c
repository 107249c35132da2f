/* facts.c - computes the numbers that the diagnosis tests from the sums of one part of a log. */
#include "analyze/facts.h"

#include "base/clock.h"
#include "rules/rules.h"
#include "spec/settings.h"
#include "stats/octave.h"
#include "stats/select.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- pauses: lines through sums ------------------------------------------------------------ */

/* Pearson's; NAN when undefined. */
static double correlation(const struct sums_line *l)
{
	double xx = l->n * l->xx - l->x * l->x, yy = l->n * l->yy - l->y * l->y, xy = l->n * l->xy - l->x * l->y;

	return l->n >= 2 && xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : (double)NAN;
}

/* Least squares of pause on length and time together; where they go together, on the better of both. */
static void pauses_of(struct pauses *out, const struct time_part *c)
{
	const struct sums_line *l = &c->pause_length, *t = &c->pause_time;
	double n = l->n, ll = l->xx - l->x * l->x / n, tt = t->xx - t->x * t->x / n,
	       lt = c->length_time - l->x * t->x / n;
	double lp = l->xy - l->x * l->y / n, tp = t->xy - t->x * t->y / n, det = ll * tt - lt * lt, by_length, by_time;
	const double between = 2.56; /* standard deviations between the tenth and the ninetieth percentile */
	double r_length = correlation(l), r_time = correlation(t);
	const struct sums_line *better = r_time > r_length || isnan(r_length) ? t : l;
	double xx = better == t ? tt : ll, xp = better == t ? tp : lp;

	*out = (struct pauses){ .r = fmax(isnan(r_length) ? -1 : r_length, isnan(r_time) ? -1 : r_time) };
	if (n < limit_of(T_PAUSES_LEAST) || !(xx > 0))
		return;
	out->grows_ms = xp / xx * between * sqrt(xx / n);
	if (!(ll > 0) || !(tt > 0) || lt * lt / (ll * tt) > limit_of(T_PAUSES_TOGETHER))
		return;
	out->apart = true;
	out->per_1000_tokens = (lp * tt - tp * lt) / det;
	out->per_minute = (tp * ll - lp * lt) / det;
	by_length = fmax(out->per_1000_tokens, 0) * sqrt(ll / n);
	by_time = fmax(out->per_minute, 0) * sqrt(tt / n);
	out->length_share = by_length + by_time > 0 ? by_length / (by_length + by_time) : 0;
}

/* The lesser of what the length explains over all calls, and within the sequences. */
static void growing_of(struct growing *out, const struct by_length *of)
{
	const struct sums_line *l = &of->all;
	const double n = l->n, xx = l->xx - l->x * l->x / n, yy = l->yy - l->y * l->y / n, xy = l->xy - l->x * l->y / n;
	const double half = 1.28 * sqrt(xx / n); /* from the mean to the tenth percentile */
	const double low = fmax(l->x / n - half, 0), high = l->x / n + half, slope = of->xy / of->xx;

	*out = (struct growing){ .sequences = of->sequences, .rising = of->rising };
	if (!(n > 0) || !(xx > 0) || !(yy > 0) || !(xy > 0) || !(of->xy > 0) || !(of->yy > 0))
		return;
	out->r2 = fmin(xy * xy / (xx * yy), of->xy * of->xy / (of->xx * of->yy));
	out->short_tokens = 1e3 * low;
	out->long_tokens = 1e3 * high;
	out->mean_ms = exp(l->y / n);
	out->short_ms = exp(l->y / n - slope * (l->x / n - low));
	out->long_ms = exp(l->y / n + slope * half);
}

/* --- slow part and fast part ------------------------------------------------------------- */

enum side { SIDE_NEITHER, SIDE_FAST, SIDE_SLOW, SIDE_COUNT };

/* Neighbouring stretches; pauses: their number. */
struct group {
	size_t first, end;
	int64_t from_us, to_us;
	uint64_t calls, pauses;
	double decode_ms, pause_ms,
		period_ms; /* means; of decode the geometric one, which few slow calls hardly move */
	double pause_sum_ms;
	double slower; /* than fast ones, as a logarithm */
	enum side side;
};

/* Of one kind of calls, and what they say however much slower than others a slow one has to be. */
struct groups {
	const struct stretch *stretch;
	size_t n;
	double fast_ms, noise;
	struct group at[STRETCHES_MAX + 1];
};

/* How much longer a call takes with more streams in it: the cost of a larger batch is not a slowdown. */
static double batch_slope(const struct sums_line *l)
{
	double xx = l->xx - l->x * l->x / l->n, xy = l->xy - l->x * l->y / l->n;

	return l->n > 0 && xx > 0 ? fmin(fmax(xy / xx, 0), 1) : 0;
}

/* What the first prefill calls took, ln(ms): the mean for the lengths that there are. */
static double first_prefills_ln(const struct time_part *c)
{
	double ln = 0, calls = 0;

	for (size_t i = 0; i < c->n_stretches; i++) {
		ln += c->stretch[i].prefill_call_ln - c->stretch[i].prefill_ln;
		calls += (double)c->stretch[i].prefill_calls;
	}
	return ln / calls;
}

/* What a group's calls have in sum; prompts are as if they were decode calls without pauses, all of one length. */
struct group_sums {
	uint64_t steps;
	double ln, batch_ln;
};

static void add_to_group(struct group *g, struct group_sums *sums, const struct stretch *s, bool prefill,
			 double usual_ln)
{
	widen_span(&g->from_us, &g->to_us, !sums->steps, s->from_us, s->to_us);
	sums->steps += s->calls;
	g->calls += prefill ? s->prefill_calls : s->decode_calls;
	sums->ln += prefill ? s->prefill_ln + (double)s->prefill_calls * usual_ln : s->decode_ln;
	sums->batch_ln += prefill ? 0 : s->batch_ln;
	g->pauses += prefill ? 0 : s->pauses;
	g->pause_sum_ms += prefill ? 0 : s->pause_ms;
}

/* Neighbouring stretches until each group has calls enough to mean something; what is left over is too little. */
static void group_stretches(struct groups *out, const struct time_part *c, bool prefill)
{
	const double slope = batch_slope(&c->batch), usual_ln = prefill ? first_prefills_ln(c) : 0;
	const double calls = (double)(prefill ? c->prefill_calls : c->decode_calls);
	const double least = fmax(calls / STRETCHES_MAX, limit_of(prefill ? T_GROUP_PREFILLS : T_GROUP_CALLS));
	struct group_sums sums = { 0 };

	out->stretch = c->stretch;
	out->n = 0;
	out->at[0] = (struct group){ .first = 0 };
	for (size_t i = 0; i < c->n_stretches; i++) {
		struct group *g = &out->at[out->n];

		add_to_group(g, &sums, &c->stretch[i], prefill, usual_ln);
		if ((double)g->calls < least)
			continue;
		g->end = i + 1;
		g->decode_ms = exp((sums.ln - slope * sums.batch_ln) / (double)g->calls);
		g->pause_ms = g->pauses ? fmax(g->pause_sum_ms / (double)g->pauses, 0) : 0;
		g->period_ms = g->decode_ms + g->pause_ms;
		sums = (struct group_sums){ 0 };
		out->at[++out->n] = (struct group){ .first = i + 1 };
	}
}

/* Reorders v. */
static double quantile(double *v, size_t n, double q)
{
	return select_kth_double(v, n, (size_t)(q * (double)(n - 1) + 0.5));
}

/* How much neighbours differ by chance, as a logarithm: the median is not moved by a few true steps. */
static double noise_of(const struct group *g, size_t n)
{
	double step[STRETCHES_MAX];

	for (size_t i = 1; i < n; i++)
		step[i - 1] = fabs(log(g[i].period_ms / g[i - 1].period_ms));
	return quantile(step, n - 1, 0.5) * 1.4826 / sqrt(2);
}

/* False: too few to find a slow part. */
static bool compare_groups(struct groups *g)
{
	double period[STRETCHES_MAX];

	if ((double)g->n < limit_of(T_GROUPS))
		return false;
	for (size_t i = 0; i < g->n; i++)
		period[i] = g->at[i].period_ms;
	g->fast_ms = quantile(period, g->n, 0.1);
	g->noise = noise_of(g->at, g->n);
	for (size_t i = 0; i < g->n; i++)
		g->at[i].slower = log(g->at[i].period_ms / g->fast_ms);
	return true;
}

/* Do more stretches lie between the sides than on the slow one, which is not far off? Then the speed drifts about its
 * level, and there is no slow part. */
static bool drifts(const struct group *g, size_t n, double times)
{
	size_t of[SIDE_COUNT] = { 0 };

	for (size_t i = 0; i < n; i++)
		of[g[i].side]++;
	return of[SIDE_NEITHER] > of[SIDE_SLOW] && times < limit_of(T_BURSTS_RATIO);
}

/* Slow groups in a row. */
struct slow_run {
	size_t groups;
	double ms, calls;
};

static double decode_time(const struct group *g)
{
	return g->period_ms * (double)g->calls;
}

/* Long enough to be no flicker: fast models make many groups in a moment. */
static bool run_lasts(struct slow_run *run, const struct group *g, bool slow, double fast_ms)
{
	bool much;

	if (!slow) {
		*run = (struct slow_run){ 0 };
		return false;
	}
	run->groups++;
	run->calls += (double)g->calls;
	run->ms += decode_time(g);
	much = run->ms > limit_of(T_SLOW_MUCH) * fast_ms * run->calls;
	return run->ms >= limit_of(T_SLOW_LASTS_MS) &&
	       (double)run->groups >= limit_of(much ? T_SLOW_GROUPS_MUCH : T_SLOW_GROUPS);
}

/* Marks both sides; true when a slow part lasts, in a row, or in all and clearly. */
static bool mark_sides(struct groups *all, double ratio, struct shift *out)
{
	struct group *g = all->at;
	const size_t n = all->n;
	double fast = all->fast_ms, slow_ms = 0, slow_calls = 0;
	const double far = fmax(log(ratio), limit_of(T_SLOW_NOISE) * all->noise);
	struct slow_run run = { 0 };
	size_t last = 0;
	bool slowed = false, lasts = false;

	for (size_t i = 0; i < n; i++) {
		bool slow = i > 0 && g[i].slower > far;

		g[i].side = slow ? SIDE_SLOW : g[i].slower < far / 2 ? SIDE_FAST : SIDE_NEITHER;
		if (slow && !out->since_us) {
			out->since_us = g[i].from_us;
			out->earliest_us = g[i - 1].from_us;
			out->latest_us = g[i].to_us;
		}
		out->runs += slow && !run.groups;
		out->recovered += slowed && g[i].side == SIDE_FAST;
		slowed = slow || (slowed && g[i].side != SIDE_FAST);
		lasts |= run_lasts(&run, &g[i], slow, fast);
		last = slow ? i : last;
		slow_ms += slow ? decode_time(&g[i]) : 0;
		slow_calls += slow ? (double)g[i].calls : 0;
	}
	out->slow_alone = out->runs == 1 && last + 1 == n;
	if (ratio >= limit_of(T_SLOW_RATIO) && slow_calls > 0 && drifts(g, n, slow_ms / (fast * slow_calls)))
		return false;
	if (slow_ms >= limit_of(T_BURSTS_MS) && slow_ms > limit_of(T_BURSTS_RATIO) * fast * slow_calls)
		return true;
	return lasts;
}

static void times_of_side(const struct groups *g, enum side side, double *decode_ms, double *pause_ms)
{
	double calls = 0, decode = 0, pauses = 0, pause = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->at[i].side == side) {
			calls += (double)g->at[i].calls;
			decode += g->at[i].decode_ms * (double)g->at[i].calls;
			pauses += (double)g->at[i].pauses;
			pause += g->at[i].pause_sum_ms;
		}
	*decode_ms = decode / calls;
	*pause_ms = pauses > 0 ? fmax(pause / pauses, 0) : 0;
}

static struct level level_on_sides(const struct groups *g, enum level_id l)
{
	double sum[SIDE_COUNT] = { 0 }, count[SIDE_COUNT] = { 0 };

	for (size_t i = 0; i < g->n; i++) {
		double of_group = 0;
		uint64_t seen = 0;

		for (size_t k = g->at[i].first; k < g->at[i].end; k++) {
			of_group += g->stretch[k].level[l];
			seen += g->stretch[k].seen[l];
		}
		sum[g->at[i].side] += of_group;
		count[g->at[i].side] += (double)seen;
	}
	return (struct level){ count[SIDE_SLOW] > 0 && count[SIDE_FAST] > 0, sum[SIDE_SLOW] / count[SIDE_SLOW],
			       sum[SIDE_FAST] / count[SIDE_FAST] };
}

/* The last group that had begun at that time; n: none had. */
static size_t group_at(const struct groups *g, int64_t time_us)
{
	size_t at = g->n;

	for (size_t i = 0; i < g->n && g->at[i].from_us <= time_us; i++)
		at = i;
	return at;
}

static struct level device_on_sides(const struct groups *g, const struct devices *all, const struct device *d,
				    enum gpu_value v)
{
	double sum[SIDE_COUNT] = { 0 }, count[SIDE_COUNT] = { 0 };

	for (size_t i = 0; i < d->n; i++) {
		size_t at = group_at(g, device_bucket_us(all, &d->bucket[i]));

		if (at == g->n || !d->bucket[i].seen[v])
			continue;
		sum[g->at[at].side] += d->bucket[i].sum[v];
		count[g->at[at].side] += d->bucket[i].seen[v];
	}
	return (struct level){ count[SIDE_SLOW] > 0 && count[SIDE_FAST] > 0, sum[SIDE_SLOW] / count[SIDE_SLOW],
			       sum[SIDE_FAST] / count[SIDE_FAST] };
}

static void devices_on_sides(struct shift *out, const struct groups *g, const struct devices *all)
{
	for (size_t i = 0; i < all->n; i++)
		out->device[i] = (struct clocks){
			.clock = device_on_sides(g, all, &all->device[i], GPU_CLOCK_MHZ),
			.hot = device_on_sides(g, all, &all->device[i], GPU_HOT_PCT),
			.power = device_on_sides(g, all, &all->device[i], GPU_POWER_PCT),
		};
}

/* Of groups that were compared. */
static void shift_of(struct shift *out, struct groups *g, double ratio, uint64_t levels, const struct devices *devices)
{
	out->fell = mark_sides(g, ratio, out);
	times_of_side(g, SIDE_SLOW, &out->slow_decode, &out->slow_pause);
	times_of_side(g, SIDE_FAST, &out->fast_decode, &out->fast_pause);
	out->known = isfinite(out->slow_decode) && isfinite(out->fast_decode);
	out->fell &= out->known;
	if (!out->known)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (g->at[i].side == SIDE_SLOW)
			out->slow_s += (double)(g->at[i].to_us - g->at[i].from_us) / 1e6;
	for (uint64_t left = levels; left; left &= left - 1)
		out->level[__builtin_ctzll(left)] = level_on_sides(g, (enum level_id)__builtin_ctzll(left));
	devices_on_sides(out, g, devices);
	out->others = (struct level){
		out->level[L_CPU].known && out->level[L_MACHINE].known,
		fmax(out->level[L_MACHINE].slow - out->level[L_CPU].slow, 0),
		fmax(out->level[L_MACHINE].fast - out->level[L_CPU].fast, 0),
	};
}

/* Calls that became slower, by each of the ratios that count. False when memory is out. */
static bool shifts_of(struct facts *x, const struct time_part *c, uint64_t levels)
{
	struct groups *g = malloc(sizeof *g);

	if (!g)
		return false;
	group_stretches(g, c, false);
	if (compare_groups(g)) {
		shift_of(&x->shift, g, limit_of(T_SLOW_RATIO), levels, &c->devices);
		shift_of(&x->mild, g, limit_of(T_MILD_RATIO), levels, &c->devices);
		shift_of(&x->beside, g, limit_of(T_BESIDE_RATIO), levels, &c->devices);
	}
	group_stretches(g, c, true);
	if (compare_groups(g))
		shift_of(&x->prefill, g, limit_of(T_PREFILL_SLOWED), levels, &c->devices);
	free(g);
	return true;
}

/* --- levels --------------------------------------------------------------------------------- */

/* Those that any stretch has, a bit each. */
static uint64_t levels_seen(const struct time_part *c)
{
	uint64_t seen[LEVEL_COUNT] = { 0 }, levels = 0;

	for (size_t i = 0; i < c->n_stretches; i++)
		for (int l = 0; l < LEVEL_COUNT; l++)
			seen[l] |= c->stretch[i].seen[l];
	for (int l = 0; l < LEVEL_COUNT; l++)
		levels |= (uint64_t)(seen[l] != 0) << l;
	return levels;
}

static double mean_level(const struct stretch *s, enum level_id l)
{
	return s->level[l] / (double)s->seen[l];
}

/* A metric that was always 0 counts as unknown. */
static void steady_of(struct steady *out, const struct time_part *c, enum level_id l, uint64_t levels)
{
	double value[STRETCHES_MAX], sum = 0, seen = 0;
	size_t n = 0;

	for (size_t i = 0; levels >> l & 1 && i < c->n_stretches; i++) {
		const struct stretch *s = &c->stretch[i];

		if (!s->seen[l])
			continue;
		value[n++] = mean_level(s, l);
		sum += s->level[l];
		seen += (double)s->seen[l];
	}
	*out = (struct steady){ .known = sum > 0, .samples = seen, .mean = sum / seen, .highest = (double)NAN };
	if (n)
		out->highest = quantile(value, n, 0.9);
}

/* Sessions that ended say it of themselves; those that did not are known by samples, if there are enough. */
static double over_the_whole(const struct whole_sum *said, const struct steady *sampled, double seconds)
{
	const bool covers = said->seconds >= seconds / 2, enough = sampled->samples >= limit_of(T_SAMPLES);

	if (said->seconds > 0 && (covers || !enough))
		return said->pct / said->seconds;
	return enough ? sampled->mean : (double)NAN;
}

enum { TENTHS = 10 };

/* From the means of the tenths that have one, in order. */
static void growth_from(struct growth *out, const double *mean, size_t n)
{
	if (n < 4)
		return;
	out->known = mean[n - 1] > 0;
	out->from = mean[0];
	out->to = mean[n - 1];
	out->goes_on = (mean[n - 1] - mean[n / 2]) / fmax(mean[n / 2] - mean[0], 1e-9) * (double)(n / 2) /
		       (double)(n - 1 - n / 2);
	for (size_t i = 1; i < n; i++)
		out->rises += mean[i] > mean[i - 1] * (1 + limit_of(T_GROWTH_STEP_PCT) / 100) ? 1 : 0;
	for (size_t i = 2; i < n; i++)
		out->steepest = fmax(out->steepest, (mean[i] - mean[i - 2]) / fmax(out->to - out->from, 1e-9));
	out->rises /= (double)(n - 1);
}

/* The largest rise of the mean pause within two tenths of the log, as a share of the whole rise. */
static double steepest_pause(const struct time_part *c)
{
	struct growth g = { .known = false };
	double mean[TENTHS];
	size_t n = 0;

	for (size_t k = 0; k < TENTHS; k++) {
		double ms = 0, count = 0;

		for (size_t i = k * c->n_stretches / TENTHS; i < (k + 1) * c->n_stretches / TENTHS; i++) {
			ms += c->stretch[i].pause_ms;
			count += (double)c->stretch[i].pauses;
		}
		if (count > 0)
			mean[n++] = ms / count;
	}
	growth_from(&g, mean, n);
	return g.steepest;
}

/* What the level rose by from before stretches in which a process began anew to after them. */
static double rise_by_renewal(const struct time_part *c, enum level_id l)
{
	const struct stretch *before = NULL;
	bool renewed = false;
	double sum = 0;

	for (size_t i = c->n_stretches / (TENTHS + 1); i < c->n_stretches; i++) {
		const struct stretch *s = &c->stretch[i];

		if (s->renewed)
			renewed = true;
		else if (s->seen[l]) {
			if (renewed && before && isfinite(mean_level(before, l)))
				sum += mean_level(s, l) - mean_level(before, l);
			before = s;
			renewed = false;
		}
	}
	return fmax(sum, 0);
}

static void growth_of(struct growth *out, const struct time_part *c, enum level_id l, uint64_t levels)
{
	double mean[TENTHS];
	size_t n = 0;

	*out = (struct growth){ .known = false };
	if (!(levels >> l & 1))
		return;
	for (size_t k = 1; k <= TENTHS; k++) { /* the first eleventh is warm-up */
		size_t from = k * c->n_stretches / (TENTHS + 1), to = (k + 1) * c->n_stretches / (TENTHS + 1);
		double sum = 0, count = 0;

		for (size_t i = from; i < to; i++) {
			sum += c->stretch[i].level[l];
			count += (double)c->stretch[i].seen[l];
		}
		if (!(count > 0))
			continue;
		out->since_us = n ? out->since_us : c->stretch[from].from_us;
		mean[n++] = sum / count;
	}
	growth_from(out, mean, n);
	out->by_renewal = rise_by_renewal(c, l);
}

/* The same of a GPU's own samples. */
static void device_growth(struct growth *out, const struct devices *all, const struct device *d, enum gpu_value v)
{
	double mean[TENTHS];
	size_t n = 0;

	*out = (struct growth){ .known = false };
	for (size_t k = 1; k <= TENTHS; k++) {
		size_t from = k * d->n / (TENTHS + 1), to = (k + 1) * d->n / (TENTHS + 1);
		double sum = 0, count = 0;

		for (size_t i = from; i < to; i++) {
			sum += d->bucket[i].sum[v];
			count += d->bucket[i].seen[v];
		}
		if (!(count > 0))
			continue;
		out->since_us = n ? out->since_us : device_bucket_us(all, &d->bucket[from]);
		mean[n++] = sum / count;
	}
	growth_from(out, mean, n);
}

static void device_of(struct device_fact *out, const struct facts *x, const struct devices *all, const struct device *d)
{
	*out = (struct device_fact){
		.of = d,
		.used = strategy_uses(slice_of(x->strategy), d->name),
		.full_pct = device_fullness(d),
		.used_mb = device_mean(d, GPU_USED_MB),
		.total_mb = device_mean(d, GPU_TOTAL_MB),
		.busy_pct = d->gpu_used ? device_mean(d, GPU_UTILIZATION_PCT) : (double)NAN,
		.hot_pct = device_mean(d, GPU_HOT_PCT),
		.samples = (double)d->seen[GPU_HOT_PCT],
	};
	device_growth(&out->memory, all, d, GPU_PROCESS_MB);
	if (!out->memory.known)
		device_growth(&out->memory, all, d, GPU_USED_MB);
}

static void devices_of(struct facts *x, const struct time_part *c)
{
	x->gpus = c->gpus_named > 1 ? (double)c->gpus_named : 1;
	x->n_devices = c->devices.n;
	for (size_t i = 0; i < x->n_devices; i++)
		device_of(&x->device[i], x, &c->devices, &c->devices.device[i]);
}

/* --- how sure the model was ------------------------------------------------------------------- */

/* Standard deviation of entropy over its mean; NAN: there is none. */
static double spread_of(const struct stretch *s)
{
	double n = (double)s->entropies, mean = s->entropy / n;

	return sqrt(fmax(s->entropy2 / n - mean * mean, 0)) / mean;
}

static double error_of(const struct stretch *s, double spread)
{
	return spread * sqrt((0.5 + spread * spread) / (double)s->entropies);
}

/* From the end back, as long as hardly any token is one that it was unsure of. The stretch in which it began holds
 * other tokens, too: it does not count for the spread. */
static void sureness_of(struct sureness *out, const struct time_part *c)
{
	double tokens = 0, unsure = 0, sum = 0, before = 0, before_n = 0;
	struct stretch inner = { .calls = 0 }, last = { .calls = 0 };
	size_t i = c->n_stretches;

	*out = (struct sureness){ .before_nats = (double)NAN };
	for (; i > 0; i--) {
		const struct stretch *s = &c->stretch[i - 1];
		double n = (double)s->entropies, expected = limit_of(T_SURE_UNSURE_PCT) / 100 * n;

		if (n > 0 && (double)s->unsure > expected + limit_of(T_SURE_CHANCE) * sqrt(expected) + 1)
			break;
		tokens += n;
		unsure += (double)s->unsure;
		sum += s->entropy;
		stretch_join(&inner, &last);
		last = *s;
		out->since_us = s->from_us;
	}
	if (!i)
		stretch_join(&inner, &last);
	for (; i > 0; i--) {
		before += c->stretch[i - 1].entropy;
		before_n += (double)c->stretch[i - 1].entropies;
	}
	out->tokens = tokens;
	out->mean_nats = tokens > 0 ? sum / tokens : (double)NAN;
	out->spread = spread_of(&inner);
	out->error = error_of(&inner, out->spread);
	out->unsure_pct = tokens > 0 ? 100 * unsure / tokens : (double)NAN;
	if (before_n > 0)
		out->before_nats = before / before_n;
}

bool is_sure(const struct sureness *s)
{
	return s->tokens >= limit_of(T_SURE_TOKENS) && s->mean_nats < limit_of(T_SURE_NATS) &&
	       s->unsure_pct <= 2 * limit_of(T_SURE_UNSURE_PCT) && s->spread < limit_of(T_SURE_SPREAD);
}

/* All generated tokens since then. */
static struct text_sums text_since(const struct time_part *c, int64_t since_us)
{
	struct text_sums sum = { .tokens = 0 };

	for (size_t i = c->n_stretches; i > 0 && c->stretch[i - 1].from_us >= since_us; i--) {
		const struct stretch *s = &c->stretch[i - 1];

		sum.nats += s->entropy;
		sum.tokens += (uint32_t)s->entropies;
		sum.rate += s->level[L_REPETITION];
		sum.rates += (uint32_t)s->seen[L_REPETITION];
	}
	return sum;
}

static struct entropy_fall fall_from(const struct text_sums *before, const struct text_sums *since)
{
	return (struct entropy_fall){ .tokens = since->tokens,
				      .answers = since->prompts,
				      .nats = text_nats(since),
				      .before_nats = text_nats(before),
				      .since_us = since->from_us,
				      .session_id = since->session_id };
}

/* One session shows that it fell; later ones, which know no other level, how long that lasts. */
static void fall_of(struct entropy_fall *out, const struct time_part *c)
{
	const struct certain_run *r = &c->same_rate;
	struct text_sums all;

	*out = fall_from(&r->before, &r->run);
	if (r->run.tokens < limit_of(T_SURE_TOKENS))
		return;
	all = text_since(c, r->run.from_us);
	if (all.tokens > r->run.tokens && is_fall(&r->before, &all)) {
		out->tokens = all.tokens;
		out->answers++;
		out->nats = text_nats(&all);
	}
}

bool has_fallen(const struct entropy_fall *f)
{
	enum { ANSWERS = 2 }; /* one may be a quotation */

	return f->tokens >= limit_of(T_FALL_TOKENS) && f->answers >= ANSWERS;
}

/* Is the text of all sessions from one on, up to the end, far more certain than that of the sessions before? */
static bool fell_between(const struct time_part *c)
{
	const struct certain_track *s = &c->sessions;
	const struct text_sums all = text_since(c, s->run.from_us);

	return s->run.tokens >= limit_of(T_FALL_TOKENS) && s->usual.tokens >= limit_of(T_FALL_TOKENS) &&
	       is_fall(&s->usual, &s->run) && is_fall(&s->usual, &all);
}

/* Does the log say anything of what it repeats? Clean text is often silent. */
static bool tells_repeats(const struct time_part *c)
{
	return c->loop_tokens || c->near.calls || c->beside.cycles || c->beside.share > 0;
}

/* What sessions are about differs: between them only a deep fall is one, the others are a doubt. So is one in which the
 * text may have repeated itself: the log could not say so. */
static void falls_of(struct facts *x, const struct time_part *c)
{
	const bool between = fell_between(c), untold = !tells_repeats(c);
	const struct certain_run *r = untold ? &c->any_rate : &c->same_rate;
	const struct entropy_fall sessions = fall_from(&c->sessions.usual, &c->sessions.run);

	fall_of(&x->fall, c);
	if (r->run.tokens >= limit_of(untold ? T_SURE_TOKENS : T_FALL_TOKENS))
		x->doubt = fall_from(&r->before, &r->run);
	else if (between)
		x->doubt = sessions;
	if (has_fallen(&x->fall) || !between || sessions.nats > limit_of(T_FALL_BETWEEN) * sessions.before_nats)
		return;
	x->fall = sessions;
	x->fall.between = true;
}

bool state_grows(const struct time_part *p)
{
	return p->state.rises >= limit_of(T_STATE_RISES) && p->state.to >= limit_of(T_STATE_GROWTH) * p->state.from;
}

/* --- how much it repeats ---------------------------------------------------------------------- */

static void repeating_of(struct repeating *out, const struct time_part *c)
{
	double rate[2] = { 0 }, rates[2] = { 0 }, nats[2] = { 0 }, tokens[2] = { 0 };

	for (size_t i = 0; i < c->n_stretches; i++) {
		const struct stretch *s = &c->stretch[i];
		bool high = s->level[L_REPETITION] > limit_of(T_NEAR_LOOP_RATE) * (double)s->seen[L_REPETITION];

		rate[high] += s->level[L_REPETITION];
		rates[high] += (double)s->seen[L_REPETITION];
		nats[high] += s->entropy;
		tokens[high] += (double)s->entropies;
	}
	*out = (struct repeating){ .tokens = tokens[true],
				   .rate = rate[true] / rates[true],
				   .nats = nats[true] / tokens[true],
				   .other_rate = rate[false] / rates[false],
				   .other_nats = nats[false] / tokens[false] };
}

/* --- what the session said about itself ------------------------------------------------------ */

static const char *text_of(const struct time_part *c, enum field_id f)
{
	struct slice text = fields_text(&c->about, f);

	return text.n ? text.p : "";
}

static void strategy_of(struct facts *x, const struct time_part *c)
{
	x->runtime = text_of(c, F_RUNTIME_NAME);
	x->version = text_of(c, F_MODEL_VERSION);
	x->strategy = text_of(c, F_STRATEGY);
	if (!*x->strategy)
		x->strategy = c->strategy;
	x->flags = text_of(c, F_RUNTIME_FLAGS);
	x->gpu = text_of(c, F_HOST_GPU);
	x->cuda = strstr(x->strategy, "cuda") != NULL;
	x->fp16 = strstr(x->strategy, "fp16") != NULL;
	x->int8 = strstr(x->strategy, "i8") || strstr(x->strategy, "int8") || strstr(x->strategy, "i4") ||
		  strstr(x->strategy, "q8") || strstr(x->strategy, "Q8") || strstr(x->strategy, "q4") ||
		  strstr(x->strategy, "Q4");
	x->offloaded = x->cuda && (strstr(x->strategy, "cpu") || strchr(x->strategy, '+'));
	x->kernel_off = strstr(x->flags, "RWKV_CUDA_ON=0") != NULL;
	x->kernel_unsaid = *x->flags && !strstr(x->flags, "RWKV_CUDA_ON") &&
			   (!strcmp(x->runtime, "rwkv") || !strcmp(x->runtime, "ChatRWKV"));
}

/* The embedding is looked up, not read through; it stays in two or four bytes. */
static double read_per_token(const struct time_part *c, const char *strategy)
{
	double bytes = fields_number(&c->about, F_MODEL_BYTES, NAN), width = strstr(strategy, "fp32") ? 4 : 2;
	double embedding = fields_number(&c->about, F_VOCAB_SIZE, 0) * fields_number(&c->about, F_N_EMBD, 0) * width;

	return bytes - embedding > 0.5 * bytes ? bytes - embedding : bytes;
}

static double card_bandwidth(const char *gpu)
{
	static const struct {
		const char *name;
		double gb_s;
	} gpus[] = {
#define GPU(name_, gb_s_) { name_, gb_s_ },
#include "spec/gpus.def"
	};

	for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++)
		if (strstr(gpu, gpus[i].name))
			return gpus[i].gb_s;
	return NAN;
}

/* Of several GPUs that take turns, when all have the same; which of different ones reads how much is not known. */
static double vendor_bandwidth(const char *gpus)
{
	double all = NAN;
	char one[128];

	for (const char *p = gpus; *p; p += strspn(p, ", ")) {
		size_t n = strcspn(p, ",");
		double gb_s;

		snprintf(one, sizeof one, "%.*s", (int)(n < sizeof one ? n : sizeof one - 1), p);
		gb_s = card_bandwidth(one);
		if (p != gpus && gb_s != all)
			return NAN;
		all = gb_s;
		p += n;
	}
	return all;
}

/* More than the memory can deliver means that a figure is wrong, or that weights stay in a cache: then nothing is
 * known.
 */
static void bandwidth_of(struct facts *x, const struct time_part *c, const struct diagnose_options *opts)
{
	x->bytes_per_token = read_per_token(c, x->strategy);
	x->achieved_gb_s = x->bytes_per_token / x->median_ms / 1e6;
	x->bandwidth_gb_s = opts->bandwidth_gb_s > 0 ? opts->bandwidth_gb_s : (double)NAN;
	x->bandwidth_source = opts->bandwidth_is_measured ? BANDWIDTH_MEASURED : BANDWIDTH_GIVEN;
	if (!isfinite(x->bandwidth_gb_s)) {
		if (x->cuda)
			x->bandwidth_gb_s = vendor_bandwidth(x->gpu);
		x->bandwidth_source = isfinite(x->bandwidth_gb_s) ? BANDWIDTH_VENDOR : BANDWIDTH_UNKNOWN;
	}
	x->bandwidth_is_exceeded = x->achieved_gb_s > x->bandwidth_gb_s;
	if (x->bandwidth_is_exceeded)
		x->achieved_gb_s = (double)NAN;
}

/* Weights, and a runtime's own 1 GiB; of layers elsewhere, or on two devices, it cannot be said. */
static void vram_plan(struct facts *x, const struct time_part *c)
{
	double bytes = fields_number(&c->about, F_MODEL_BYTES, NAN);
	bool alone = x->cuda && !x->offloaded && !strstr(x->strategy, "->");

	x->vram_plan_mb = alone ? bytes / 1048576 + limit_of(T_VRAM_RUNTIME_MB) : (double)NAN;
}

/* --- time and its shares ----------------------------------------------------------------------- */

/* Long pauses are stops as long as they are rare; more are how the caller works. */
static void shares_of(struct facts *x, const struct time_part *c)
{
	bool rare = (double)c->stall_pauses <= limit_of(T_STALLS_SHARE) * (double)c->decode_calls;
	double pause = fmax(c->pause_ms - (rare ? c->stall_pause_ms : 0), 0),
	       all = c->prefill_ms + c->decode_ms + pause;
	double pauses = (double)(c->pause.n - (rare ? c->stall_pauses : 0));

	x->prefill_share = all > 0 ? c->prefill_ms / all : 0;
	x->decode_share = all > 0 ? c->decode_ms / all : 0;
	x->pause_share = all > 0 ? pause / all : 0;
	x->prefill_token_ms = c->prefill_ms / (double)c->prefill_tokens;
	x->decode_token_ms = c->decode_ms / (double)c->decode_tokens;
	x->median_ms = sizes_quantile(&c->decode, 0.5);
	x->speed_tps = 1000 / (x->decode_token_ms + (pauses > 0 ? pause / pauses : 0));
}

static bool several_in_answers(const struct time_part *p)
{
	return (double)p->answer_pauses >= limit_of(T_STALLS);
}

double stops_of(const struct facts *x)
{
	const struct time_part *p = x->p;

	return x->stalls.n + (double)(p->stall_pauses + p->stall_prefills) +
	       (several_in_answers(p) ? (double)p->answer_pauses : 0);
}

double stops_ms(const struct facts *x)
{
	const struct time_part *p = x->p;

	return x->stalls.ms + p->stall_pause_ms + p->stall_prefill_ms +
	       (several_in_answers(p) ? p->answer_pause_ms : 0);
}

double time_of(const struct facts *x)
{
	const struct time_part *p = x->p;

	return p->prefill_ms + p->decode_ms + fmax(p->pause_ms, 0) + (several_in_answers(p) ? p->answer_pause_ms : 0);
}

static void chunks_of(struct facts *x, const struct time_part *c)
{
	double tokens = 0, weighted = 0;
	int biggest = TIME_BINS - 1;

	for (int i = 0; i < TIME_BINS; i++) {
		const struct chunk_bin *b = &c->by_chunk[i];

		tokens += (double)b->tokens;
		weighted += b->calls ? (double)b->tokens / (double)b->calls * (double)b->tokens : 0;
	}
	x->chunk_tokens = weighted / tokens;
	x->chunk_calls = c->prompts ? (double)c->prefill_calls / (double)c->prompts : 0;
	x->big_chunk_token_ms = x->small_chunk_token_ms = NAN;
	while (biggest > 0 && (double)c->by_chunk[biggest].calls < limit_of(T_CHUNKS))
		biggest--;
	for (int i = (int)octave_of((uint64_t)limit_of(T_CHUNK_LEAST), TIME_BINS); i < biggest; i++)
		if ((double)c->by_chunk[i].calls >= limit_of(T_CHUNKS)) {
			x->small_chunk_token_ms = c->by_chunk[i].ms / (double)c->by_chunk[i].tokens;
			x->big_chunk_token_ms = c->by_chunk[biggest].ms / (double)c->by_chunk[biggest].tokens;
		}
}

static double first_above(const struct time_part *c, double least, double *ms)
{
	double n = 0;

	*ms = 0;
	for (size_t i = 0; i < c->n_first; i++)
		if (!c->first[i].prefill && c->first[i].ms / c->first[i].tokens > least) {
			n++;
			*ms += c->first[i].ms / c->first[i].tokens;
		}
	return n;
}

/* Decode calls beyond `least` ms per token; the first calls of a process are another matter. */
static void slow_calls(struct slow_calls *out, const struct time_part *c, double median, double least)
{
	double first_ms, first, n, ms, all = 0;

	sizes_above(&c->decode, least, &n, &ms);
	first = first_above(c, least, &first_ms);
	n = fmax(n - first, 0);
	ms = n > 0 ? fmax(ms - first_ms, 0) : 0;
	for (size_t i = 0; i < SIZE_BINS; i++)
		all += c->decode.sum[i];
	all -= first_ms;
	*out = (struct slow_calls){ .n = n,
				    .ms = ms,
				    .share_pct = 100 * n / (double)c->decode.n,
				    .time_pct = all > 0 ? 100 * fmax(ms - n * median, 0) / all : 0,
				    .times = n > 0 ? ms / n / median : 0 };
}

/* The smallest ms per token of the first calls that are prompts, excluding the given one. */
static double least_first(const struct time_part *c, const struct first_call *but)
{
	double least = INFINITY;

	for (size_t i = 0; i < c->n_first; i++)
		if (c->first[i].prefill && &c->first[i] != but)
			least = fmin(least, c->first[i].ms / c->first[i].tokens);
	return least;
}

/* ms per token of prompts that are no first calls: of that octave of lengths, or of all. */
static double later_prefill(const struct time_part *c, int at)
{
	double ms = 0, tokens = 0;

	for (int i = 0; i < TIME_BINS; i++)
		if (at < 0 || i == at) {
			ms += c->by_chunk[i].ms;
			tokens += (double)c->by_chunk[i].tokens;
		}
	for (size_t i = 0; i < c->n_first; i++)
		if (c->first[i].prefill && (at < 0 || octave_of(c->first[i].tokens, TIME_BINS) == (size_t)at)) {
			ms -= c->first[i].ms;
			tokens -= c->first[i].tokens;
		}
	return tokens > 0 ? ms / tokens : INFINITY;
}

/* What a call of that kind takes later on. Of a prompt that is the only one the bound is known: a GPU reads
 * `prefill_at_once` tokens in about the time of one; a CPU saves less, as does a GPU without the kernel or with layers
 * elsewhere. */
static double usual_ms(const struct facts *x, const struct time_part *c, const struct first_call *call)
{
	const bool at_once = x->cuda && !x->kernel_off && !x->offloaded;
	double per_token;

	if (!call->prefill)
		return x->median_ms * call->tokens;
	per_token = later_prefill(c, (int)octave_of(call->tokens, TIME_BINS));
	if (!isfinite(per_token))
		per_token = fmin(later_prefill(c, -1), least_first(c, call));
	if (!isfinite(per_token))
		per_token = x->median_ms / limit_of(at_once ? T_PREFILL_AT_ONCE : T_PREFILL_TIMES);
	return fmax(per_token * call->tokens, x->median_ms);
}

static void first_calls(struct first_calls *out, const struct facts *x, const struct time_part *c)
{
	*out = (struct first_calls){ .ms = (double)NAN, .usual_ms = (double)NAN };
	if ((double)(c->decode_calls + c->prefill_calls) * limit_of(T_FIRST_SHARE) < FIRST_CALLS ||
	    !isfinite(x->median_ms))
		return;
	out->ms = out->usual_ms = 0;
	for (size_t i = 0; i < c->n_first; i++) {
		double usual = usual_ms(x, c, &c->first[i]);

		if (c->first[i].ms < limit_of(T_FIRST_TIMES) / 2 * usual)
			continue;
		out->ms += c->first[i].ms;
		out->usual_ms += usual;
		out->calls++;
	}
}

/* A kernel is built, or a file read, call after call: only the first stretches are far slower than the log. */
static void first_stretches(struct first_calls *out, const struct facts *x, const struct time_part *c)
{
	struct first_calls early = { .alone = true };
	size_t i = 0, slow = 0;

	for (; i < c->n_stretches; i++) {
		const struct stretch *s = &c->stretch[i];
		double calls = (double)s->decode_calls, usual = calls * x->median_ms;

		if (!(s->decode_ms > limit_of(T_FIRST_TIMES) * usual))
			continue;
		if (i > slow)
			return; /* not only the first */
		slow++;
		early.ms += s->decode_ms;
		early.usual_ms += usual;
		early.calls += calls;
	}
	if (slow && slow < (size_t)(limit_of(T_FIRST_SHARE) * (double)i) &&
	    early.ms - early.usual_ms > out->ms - out->usual_ms)
		*out = early;
}

/* --- all ------------------------------------------------------------------------------------------- */

/* The use of GPUs that take turns in a call, together: one after the other is busy. NAN: unknown. */
static double busy_together(const struct facts *x)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < x->n_devices; i++)
		if (x->device[i].used && isfinite(x->device[i].busy_pct)) {
			sum += x->device[i].busy_pct;
			n++;
		}
	return n && (double)n >= x->gpus ? sum : (double)NAN;
}

/* Utilisation while calls ran: the highest tenth, or the mean over the busy share, whichever is more. Of several GPUs
 * the log holds the mean. */
static double gpu_busy(const struct facts *x, const struct time_part *c)
{
	double share = 0, span = (double)(c->to_us - c->from_us) / 1e3, mean = busy_together(x), highest = mean;
	const struct steady *all = &x->level[L_GPU];

	if (!all->known && !isfinite(mean))
		return (double)NAN;
	if (all->known) {
		mean = fmax(x->gpus * all->mean, isfinite(mean) ? mean : 0);
		highest = x->gpus * all->highest;
	}
	for (size_t i = 0; i < c->n_stretches; i++)
		share += c->stretch[i].call_ms;
	share = span > 0 ? fmin(share / span, 1) : 1;
	return fmin(fmax(highest, mean / fmax(share, limit_of(T_BUSY_SHARE))), 100);
}

/* The goal given by the user now, otherwise that of the session_start. */
static double goal_of(const struct time_part *p, const struct diagnose_options *opts)
{
	double said = setting_goal_tps(fields_text(&p->about, F_GOAL));

	if (opts->goal_tps > 0)
		return opts->goal_tps;
	return said > 0 ? said : (double)NAN;
}

static bool find_out(struct facts *out, const struct time_part *p, const struct diagnose_options *opts)
{
	const uint64_t levels = levels_seen(p);

	*out = (struct facts){ .p = p, .seconds = (double)(p->to_us - p->from_us) / 1e6 };
	strategy_of(out, p);
	shares_of(out, p);
	chunks_of(out, p);
	bandwidth_of(out, p, opts);
	vram_plan(out, p);
	devices_of(out, p);
	if (!shifts_of(out, p, levels))
		return false;
	growth_of(&out->repetition, p, L_REPETITION, levels);
	growth_of(&out->queue, p, L_QUEUE, levels);
	growth_of(&out->memory, p, L_MEMORY, levels);
	growth_of(&out->vram, p, L_OWN_VRAM, levels);
	if (!out->vram.known)
		growth_of(&out->vram, p, L_VRAM, levels);
	growing_of(&out->growing, &p->by_length);
	pauses_of(&out->pauses, p);
	out->pauses.steepest = steepest_pause(p);
	slow_calls(&out->tail, p, out->median_ms, limit_of(T_TAIL_TIMES) * out->median_ms);
	slow_calls(&out->stalls, p, out->median_ms,
		   fmax(limit_of(T_STALL_MS), limit_of(T_STALL_TIMES) * out->median_ms));
	sureness_of(&out->sure, p);
	falls_of(out, p);
	repeating_of(&out->repeating, p);
	first_calls(&out->first, out, p);
	first_stretches(&out->first, out, p);
	for (int l = 0; l < LEVEL_COUNT; l++)
		steady_of(&out->level[l], p, (enum level_id)l, levels);
	out->waiting_pct = over_the_whole(&p->waiting, &out->level[L_WAITING], out->seconds);
	out->stopped_pct = over_the_whole(&p->stopped, &out->level[L_STOPPED], out->seconds);
	out->others_pct = out->level[L_CPU].known && out->level[L_MACHINE].known
				  ? fmax(out->level[L_MACHINE].mean - out->level[L_CPU].mean, 0)
				  : (double)NAN;
	out->gpu_busy_pct = gpu_busy(out, p);
	out->goal_tps = goal_of(p, opts);
	return true;
}

bool facts_of(struct facts *out, const struct time_part *p, const struct diagnose_options *opts)
{
	const struct facts_kept *kept = opts->kept;
	struct facts **place = kept && p->number < kept->n && kept->part[p->number] == p ? &kept->of[p->number] : NULL;

	if (place && *place) {
		*out = **place;
		return true;
	}
	if (!find_out(out, p, opts))
		return false;
	if (place && (*place = malloc(sizeof **place)))
		**place = *out;
	return true;
}

bool facts_keep(struct facts_kept *kept, const struct time_breakdown *t)
{
	struct facts **of = calloc(t->n_parts + 1, sizeof *of);

	if (of)
		*kept = (struct facts_kept){ t->part, t->n_parts, of };
	return of;
}

void facts_forget(struct facts_kept *kept)
{
	for (size_t i = 0; i < kept->n; i++)
		free(kept->of[i]);
	free(kept->of);
	*kept = (struct facts_kept){ .n = 0 };
}
