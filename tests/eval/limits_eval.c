/* limits_eval.c - for `make eval-forecast`: what the forecasts of whole logs are worth, and the times to a limit that
 * they tell, on processes whose future is known. Drawn from a seed.
 *
 * Two groups of processes: the method was looked at on the first while it was made; the second was written beside it,
 * of other mechanisms, and is only reported on.
 *
 *     limits_eval [SEED [LOGS]]    LOGS of each process
 *     limits_eval SEED LOGS first  the first group alone */
#include "random.h"

#include "analyze/analyze.h"
#include "analyze/foreseen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAST = FINDINGS_BUCKETS_MAX, FUTURE = 11 * PAST, ALL = PAST + FUTURE };
static const double NOISE = 10, BASE = 3000, PI_2 = 6.283185307179586;

/* One log: its values, and where its limit is. What a process needs is drawn once for each. */
struct drawn {
	double y[ALL], limit;
};

static double between(double low, double high)
{
	return low + (high - low) * unit();
}

/* A gap between events that come at random, every `mean` on average. */
static double gap(double mean)
{
	return -mean * log(unit());
}

static double related(double *state, double share)
{
	*state = share * *state + sqrt(1 - share * share) * normal();
	return *state;
}

/* Student's t with 2 degrees of freedom. */
static double heavy(void)
{
	return normal() / sqrt(-log(unit()));
}

/* --- ramps whose log ends on the way to the limit ------------------------------------------ */

struct ramp {
	double from, slope, share; /* where it begins; a bucket's rise; related noise */
};

static struct ramp draw_ramp(struct drawn *d, double from)
{
	/* It rises by 5 to 100 times the noise until the log ends. */
	struct ramp r = { from, 5 * pow(20, unit()) * NOISE / (PAST - from), between(0, 0.98) };

	d->limit = BASE + r.slope * (PAST - from) / between(0.5, 0.95);
	return r;
}

static double rise(const struct ramp *r, double at)
{
	return at > r->from ? r->slope * (at - r->from) : 0;
}

static void late_ramp(struct drawn *d)
{
	struct ramp r = draw_ramp(d, PAST * between(0.65, 0.94));
	double state = 0;

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i) + NOISE * related(&state, r.share);
}

static void late_stairs(struct drawn *d)
{
	struct ramp r = draw_ramp(d, PAST * between(0.65, 0.94));
	double state = 0, step = between(2, (PAST - r.from) / 5);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, r.from + floor((i - r.from) / step) * step) +
			  0.3 * NOISE * related(&state, r.share);
}

static void ramp(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);
	double state = 0;

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i) + NOISE * related(&state, r.share);
}

static void heavy_ramp(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i) + NOISE * heavy();
}

static void coarse_ramp(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);
	double state = 0, grain = r.slope * PAST / between(5, 50);

	for (int i = 0; i < ALL; i++)
		d->y[i] = grain * floor((BASE + rise(&r, i) + NOISE * related(&state, r.share)) / grain);
}

static void saturating(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);
	double state = 0, over = PAST * between(0.3, 2);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + r.slope * over * (1 - exp(-i / over)) + NOISE * related(&state, r.share);
}

/* At some time around the log's end it turns, and goes back as fast. */
static void turning(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);
	double state = 0, turn = PAST * between(0.6, 1.3);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i < turn ? i : 2 * turn - i) + NOISE * related(&state, r.share);
}

/* --- what is no ramp: the limit lies beyond all that was seen ------------------------------- */

static void limit_beyond(struct drawn *d)
{
	double high = d->y[0], low = d->y[0];

	for (int i = 1; i < PAST; i++) {
		high = fmax(high, d->y[i]);
		low = fmin(low, d->y[i]);
	}
	d->limit = high + between(0.1, 1) * (high - low);
}

static void walk(struct drawn *d)
{
	double drift = normal() * NOISE / 20;

	d->y[0] = BASE;
	for (int i = 1; i < ALL; i++)
		d->y[i] = d->y[i - 1] + drift + NOISE * normal();
	limit_beyond(d);
}

static void level(struct drawn *d)
{
	double state = 0, share = between(0, 0.98);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + NOISE * related(&state, share);
	limit_beyond(d);
}

static void steps(struct drawn *d)
{
	double now = BASE, next = 0, every = PAST / between(1, 10);

	for (int i = 0; i < ALL; i++) {
		for (; i >= next; next += gap(every))
			now = BASE + 5 * NOISE * normal();
		d->y[i] = now + NOISE * normal();
	}
	limit_beyond(d);
}

static void wave(struct drawn *d)
{
	double period = PAST / between(4, 20), state = 0, size = between(1, 5);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + NOISE * (size * sin(PI_2 * i / period) + related(&state, 0.5));
	limit_beyond(d);
}

/* --- the second group ------------------------------------------------------------------------ */

static void filled_and_swept(struct drawn *d)
{
	double now = 0, full = 100 * NOISE, rate = full / PAST * between(2, 10), factor = 1;

	for (int i = 0; i < ALL; i++) {
		now += rate * factor * between(0.5, 1.5);
		if (now > full) {
			now = full * between(0, 0.2);
			factor = between(0.5, 1.5);
		}
		d->y[i] = BASE + now;
	}
	limit_beyond(d);
}

/* A slope that drifts. */
static void wandering(struct drawn *d)
{
	double slope = 0, now = BASE, rough = NOISE * between(0.005, 0.05);

	for (int i = 0; i < ALL; i++) {
		slope = 0.998 * slope + rough * normal();
		now += slope;
		d->y[i] = now + NOISE * normal();
	}
	limit_beyond(d);
}

/* Straight pieces; a new slope at random times. */
static void pieces(struct drawn *d)
{
	double slope = 0, now = BASE, next = 0, every = PAST * between(0.1, 1), most = 50 * NOISE / every;

	for (int i = 0; i < ALL; i++) {
		for (; i >= next; next += gap(every))
			slope = most * between(-1, 1);
		now += slope;
		d->y[i] = now + NOISE * normal();
	}
	limit_beyond(d);
}

static void there_and_back(struct drawn *d)
{
	double now = BASE, slope = between(0.5, 3) * 100 * NOISE / PAST, left = 0, state = 0,
	       every = PAST * between(0.1, 0.6);

	for (int i = 0; i < ALL; i++, left--) {
		if (left <= 0) {
			left = every * between(0.6, 1.4);
			slope = -slope;
		}
		now += slope;
		d->y[i] = now + NOISE * related(&state, 0.5);
	}
	limit_beyond(d);
}

/* Requests that each leave something behind, while load comes and goes. */
static void leak_by_load(struct drawn *d)
{
	double now = BASE, next = 0, busy = 1, loss = NOISE * between(0.1, 1);

	for (int i = 0; i < ALL; i++) {
		for (; i >= next; next += gap(PAST / 8.0))
			busy = between(0, 1);
		for (double at = gap(1 / (busy + 0.01)); at < 1; at += gap(1 / (busy + 0.01)))
			now += loss * gap(1);
		d->y[i] = now + NOISE * 0.3 * normal();
	}
	d->limit = BASE + (d->y[PAST - 1] - BASE) / between(0.5, 0.95);
}

static void power(struct drawn *d)
{
	double to = between(0.5, 1.6), size = between(0.3, 3) * 100 * NOISE, state = 0;

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + size * pow((double)i / PAST, to) + NOISE * related(&state, 0.7);
	d->limit = BASE + size / between(0.5, 0.95);
}

static void ramp_and_wave(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);
	double period = PAST / between(3, 20), size = NOISE * between(1, 8);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i) + size * sin(PI_2 * i / period) + NOISE * normal();
}

/* Noise whose size changes slowly. */
static void restless_ramp(struct drawn *d)
{
	struct ramp r = draw_ramp(d, 0);
	double state = 0;

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i) + NOISE * exp(0.8 * related(&state, 0.98)) * normal();
}

/* After a level, a ramp of which half of the samples are missing. */
static void late_sparse(struct drawn *d)
{
	struct ramp r = draw_ramp(d, PAST * between(0.4, 0.9));

	for (int i = 0; i < ALL; i++)
		d->y[i] = i < PAST && unit() < 0.5 ? (double)NAN : BASE + rise(&r, i) + NOISE * normal();
	d->y[PAST - 1] = BASE + rise(&r, PAST - 1);
}

static void late_that_ends(struct drawn *d)
{
	struct ramp r = draw_ramp(d, PAST * between(0.5, 0.9));
	double end = PAST * between(0.95, 1.2);

	for (int i = 0; i < ALL; i++)
		d->y[i] = BASE + rise(&r, i < end ? i : end) + NOISE * normal();
}

static const struct process {
	const char *name;
	void (*draw)(struct drawn *d);
} processes[] = {
	{ "ramp that began lately", late_ramp },
	{ "… in stairs", late_stairs },
	{ "ramp", ramp },
	{ "ramp, heavy tails", heavy_ramp },
	{ "ramp, coarse", coarse_ramp },
	{ "ramp that saturates", saturating },
	{ "ramp that turns back", turning },
	{ "random walk with drift", walk },
	{ "level, related noise", level },
	{ "steps", steps },
	{ "wave", wave },
	{ NULL, NULL },
	{ "filled and swept", filled_and_swept },
	{ "slope that wanders", wandering },
	{ "straight pieces", pieces },
	{ "there and back", there_and_back },
	{ "leak by load", leak_by_load },
	{ "power of time", power },
	{ "ramp and wave", ramp_and_wave },
	{ "ramp, restless noise", restless_ramp },
	{ "late ramp, half is missing", late_sparse },
	{ "late ramp that ends", late_that_ends },
};

/* --- judging ----------------------------------------------------------------------------------- */

struct tally {
	double predicted, parts, inside, points, error, error_last, width;
	double told, held, open, ratio[4096];
	size_t n_ratios;
};

/* The mean of the buckets of a step after the end. */
static double later(const struct drawn *d, size_t step, size_t per)
{
	double sum = 0;

	for (size_t i = 0; i < per; i++)
		sum += d->y[PAST + step * per + i];
	return sum / (double)per;
}

/* When it reaches the limit, in buckets from the end: the middle of the first and the last time that noise crosses it,
 * by a mean of some. */
static double truth_of(const struct drawn *d)
{
	enum { OVER = 8 };

	for (size_t i = 0; i + OVER <= FUTURE; i++) {
		double sum = 0;

		for (size_t k = 0; k < OVER; k++)
			sum += d->y[PAST + i + k];
		if (sum / OVER >= d->limit)
			return (double)i + OVER / 2.0;
	}
	return INFINITY;
}

static void judge_time(const struct drawn *d, const struct foreseen *x, struct tally *t)
{
	double step = (double)x->step_us / 1e6, at = x->reach.at * step, truth = truth_of(d);

	if (x->reach.now || !isfinite(at))
		return;
	t->told++;
	t->open += isinf(x->reach.late);
	/* A point is the mean of its buckets, and the truth is known to half a bucket's mean. */
	t->held += truth >= x->reach.early * step - 4 && truth <= x->reach.late * step + 4;
	if (isfinite(truth) && t->n_ratios < sizeof t->ratio / sizeof *t->ratio)
		t->ratio[t->n_ratios++] = at / truth;
}

static void judge_values(const struct drawn *d, const struct foreseen *x, struct tally *t)
{
	size_t per = (size_t)(x->step_us / 1000000);

	t->predicted++;
	t->parts += x->at_us - x->from_us < PAST * INT64_C(900000);
	for (size_t k = 0; k < x->is.steps; k++) {
		double v = later(d, k, per);
		const struct forecast_step *s = &x->is.step[k];

		t->inside += v >= s->low && v <= s->high;
		t->width += (s->high - s->low) / 2;
		t->error += fabs(v - s->value);
		t->error_last += fabs(v - x->is.now);
		t->points++;
	}
}

static void judge(const struct drawn *d, struct tally *t)
{
	struct bucket row[PAST];
	struct foreseen x[METRIC_COUNT];
	struct findings f = { .foreseen = x };
	struct stated_limits limits = { .of = { { M_PROCESS_MEMORY_MB, d->limit } }, .n = 1 };
	struct analyze_options opts = { .limits = &limits };
	struct series s = { .width_us = 1000000, .n = PAST };

	for (int i = 0; i < PAST; i++)
		row[i] = isnan(d->y[i]) ? (struct bucket){ .count = 0 }
					: (struct bucket){ 1, d->y[i], d->y[i], d->y[i] };
	s.metric[M_PROCESS_MEMORY_MB] = row;
	foreseen_add(&f, &s, NULL, NULL, &opts);
	if (x[0].is.state != FORECAST_SKILLED)
		return;
	judge_values(d, &x[0], t);
	judge_time(d, &x[0], t);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void tell(const char *name, struct tally *t, int logs)
{
	printf("%-28s %4.0f of %d (%4.0f)", name, t->predicted, logs, t->parts);
	if (t->points > 0)
		printf(" %6.2f %6.1f %% %6.2f", 1 - t->error / t->error_last, 100 * t->inside / t->points,
		       t->width / t->error);
	if (t->told > 0) {
		qsort(t->ratio, t->n_ratios, sizeof *t->ratio, by_size);
		printf("   %4.0f of %4.0f (%3.0f %%)  %4.0f %6.2f", t->held, t->told, 100 * t->held / t->told, t->open,
		       t->n_ratios ? t->ratio[t->n_ratios / 2] : NAN);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static struct drawn d;
	static struct tally t;
	int logs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;

	if (argc > 1)
		seed ^= strtoull(argv[1], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15);
	printf("%-28s %-18s %6s %8s %6s   %-21s %5s %6s\n", "process", "predicted (part)", "skill", "coverage", "width",
	       "time lies in interval", "open", "told");
	for (size_t p = 0; p < sizeof processes / sizeof *processes; p++) {
		if (!processes[p].name && argc > 3)
			break;
		if (!processes[p].name) {
			printf("\n");
			continue;
		}
		t = (struct tally){ 0 };
		for (int i = 0; i < logs; i++) {
			processes[p].draw(&d);
			judge(&d, &t);
		}
		tell(processes[p].name, &t, logs);
	}
	return 0;
}
