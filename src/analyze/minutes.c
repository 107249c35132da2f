/* minutes.c - minutes are gathered, compared with earlier ones, and kept if they may turn out to be rare enough. */
#include "analyze/minutes.h"

#include "base/array.h"
#include "forecast/beyond.h"
#include "spec/diagnosis.h"

#include <math.h>
#include <stdlib.h>

enum {
	WAIT = 16,   /* minutes until one counts among the past */
	REST = 30,   /* minutes in which only rarer ones follow */
	DAYS = 2880, /* minutes after which the time of day is looked at */
	FAR_LASTS = 5,
};
static const int64_t MINUTE_US = INT64_C(60000000), DAY_US = INT64_C(86400000000);
static const double KEPT = 4;        /* no fleet that is long enough to tell anything asks for less */
static const double FAR_RARITY = 10; /* what goes far counts as so rare, and more, for the quiet after it */
static const double FAR = 2;         /* times the range seen: what wanders goes as far as one range */

const enum metric_id minute_metrics[MINUTE_METRICS] = { M_TOKEN_LATENCY_MS, M_PROCESS_MEMORY_MB, M_LOGITS_ENTROPY,
							M_SURPRISAL_NATS };

struct instance_minutes {
	struct unusual of[MINUTE_METRICS];
	struct beyond beyond[MINUTE_METRICS];
	unsigned lasts[MINUTE_METRICS]; /* minutes that have gone far by now … */
	bool above[MINUTE_METRICS];     /* … to that side */
	struct minute_sums now;
	int64_t minute; /* that `now` is of */
	uint64_t n;
	struct refractory quiet;
	size_t told; /* 1 + place of its latest one that was kept; 0: none */
};

struct unusual_minute {
	struct departure what;
	double weight;
	struct instance_minutes *of; /* whose latest it is, if it still is */
};

/* As of a log's buckets (departures.c): metrics of one group have much in common. */
static double rarity_of(const struct departure *d, double bar)
{
	const double all = log10(MINUTE_METRICS);
	double group[METRIC_GROUP_COUNT] = { 0 }, most = 0;

	for (size_t i = 0; i < d->n; i++) {
		double *of = &group[metric_specs[d->of[i].metric].group];

		*of = fmax(*of, d->of[i].rarity);
		most = fmax(most, d->of[i].rarity);
	}
	for (int g = 0; g < METRIC_GROUP_COUNT; g++)
		group[g] -= g == METRIC_ACCURACY ? log10(2) : 0; /* entropy and surprisal */
	return fmax(most, departures_together(group, METRIC_GROUP_COUNT, (bar - all) / 2) + all);
}

static double weight_of(const struct departed *of)
{
	return departure_weight(of->rarity, of->beyond);
}

static void put_in_order(struct departure *d, struct departed one)
{
	size_t at = d->n++;

	for (; at && weight_of(&d->of[at - 1]) < weight_of(&one); at--)
		d->of[at] = d->of[at - 1];
	d->of[at] = one;
}

/* The share by which a metric stays far outside all that was seen; 0: it does not. */
static double look_beyond(struct instance_minutes *m, int i, double value, double *edge)
{
	const struct beyond_answer a = beyond_add(&m->beyond[i], value, -1);
	const bool above = value > a.edge;

	*edge = a.edge;
	m->lasts[i] = a.share < FAR ? 0 : m->lasts[i] && m->above[i] == above ? m->lasts[i] + 1 : 1;
	m->above[i] = above;
	return m->lasts[i] >= FAR_LASTS ? a.share : 0;
}

/* What is unusual of the minute at hand. */
static struct departure look(struct unusual_minutes *u, struct instance_minutes *m, const char *instance)
{
	const int64_t from_us = m->minute * MINUTE_US;
	const double day = m->n > DAYS ? (double)(from_us % DAY_US) / (double)DAY_US : -1;
	struct departure d = { .from_us = from_us, .to_us = from_us + MINUTE_US, .instance = instance, .minute = true };

	_Static_assert((int)MINUTE_METRICS <= (int)DEPARTURE_METRICS_MAX, "each has its place");
	for (int i = 0; i < MINUTE_METRICS; i++) {
		const double mean = m->now.sum[i] / (double)m->now.count[i];
		struct unusual_answer a;
		double edge, beyond;

		if (!m->now.count[i] || !isfinite(mean))
			continue;
		a = unusual_add(&m->of[i], mean, day);
		beyond = look_beyond(m, i, mean, &edge);
		u->points++;
		if (beyond > 0 || a.rarity > 2)
			put_in_order(&d, (struct departed){ .metric = minute_metrics[i],
							    .value = mean,
							    .usual = beyond > 0 ? edge : a.usual,
							    .rarity = a.rarity,
							    .beyond = beyond,
							    .sign = a.sign });
	}
	return d;
}

static double farthest(const struct departure *d)
{
	double most = 0;

	for (size_t i = 0; i < d->n; i++)
		most = fmax(most, d->of[i].beyond);
	return most;
}

/* The place of the one that weighs least. */
static size_t lightest(const struct unusual_minutes *u)
{
	size_t least = 0;

	for (size_t i = 1; i < u->n; i++)
		least = u->minute[i].weight < u->minute[least].weight ? i : least;
	return least;
}

/* Where there is no room, the lightest gives way. */
static bool keep(struct unusual_minutes *u, struct instance_minutes *m, const struct departure *d, double weight)
{
	size_t at = u->n;

	if (u->n == UNUSUAL_MINUTES_MAX) {
		at = lightest(u);
		u->left_out++;
		if (weight <= u->minute[at].weight)
			return true;
		if (u->minute[at].of)
			u->minute[at].of->told = 0;
	} else if (!array_grow(&u->minute, u->n++, &u->cap, 16, sizeof *u->minute)) {
		u->n--;
		return false;
	}
	if (m->told)
		u->minute[m->told - 1].of = NULL;
	u->minute[at] = (struct unusual_minute){ *d, weight, m };
	m->told = at + 1;
	return true;
}

/* What is far outside since the minute before goes on. */
static bool goes_on(struct unusual_minutes *u, const struct instance_minutes *m, const struct departure *d)
{
	struct departure *before = m->told ? &u->minute[m->told - 1].what : NULL;

	if (!before || before->to_us != d->from_us || farthest(before) <= 0 || farthest(d) <= 0)
		return false;
	before->to_us = d->to_us;
	return true;
}

static bool judge(struct unusual_minutes *u, struct instance_minutes *m, const char *instance)
{
	const struct departure d = look(u, m, instance);
	const double rarity = rarity_of(&d, KEPT), far = farthest(&d), weight = departure_weight(rarity, far);

	m->n++;
	if (goes_on(u, m, &d))
		return true;
	if (refractory_pass(&m->quiet, far > 0 ? FAR_RARITY + far : rarity, REST) <= 0 || weight < KEPT)
		return true;
	return keep(u, m, &d, weight);
}

static struct instance_minutes *begin(int64_t minute)
{
	struct instance_minutes *m = calloc(1, sizeof *m);

	for (int i = 0; m && i < MINUTE_METRICS; i++)
		m->of[i].wait = m->beyond[i].wait = WAIT;
	if (m)
		m->minute = minute;
	return m;
}

bool unusual_minutes_add(struct unusual_minutes *u, struct instance_minutes **of, const char *instance, int64_t to_us,
			 const struct minute_sums *sums)
{
	const int64_t minute = to_us / MINUTE_US;
	struct instance_minutes *m = *of = *of ? *of : begin(minute);
	bool fine = m;

	if (fine && minute > m->minute) { /* the last one, which may not be whole, is never judged */
		fine = judge(u, m, instance);
		m->now = (struct minute_sums){ .sum = { 0 } };
		m->minute = minute;
	}
	for (int i = 0; fine && i < MINUTE_METRICS; i++) {
		m->now.sum[i] += sums->sum[i];
		m->now.count[i] += sums->count[i];
	}
	return fine;
}

static int by_weight(const void *a, const void *b)
{
	const struct unusual_minute *x = *(const struct unusual_minute *const *)a,
				    *y = *(const struct unusual_minute *const *)b;
	const int order = (x->weight < y->weight) - (x->weight > y->weight);

	return order ? order : (x->what.from_us > y->what.from_us) - (x->what.from_us < y->what.from_us);
}

bool unusual_minutes_tell(const struct unusual_minutes *u, struct findings *f)
{
	const double bar = log10((double)(u->points ? u->points : 1) / limit_of(T_CHANCE_MOMENTS));
	const struct unusual_minute **order = arena_alloc(&f->arena, u->n + 1, sizeof(const struct unusual_minute *));

	f->departure = arena_alloc(&f->arena, u->n + 1, sizeof *f->departure);
	if (!f->departure || !order)
		return false;
	for (size_t i = 0; i < u->n; i++)
		order[i] = &u->minute[i];
	if (u->n)
		qsort(order, u->n, sizeof *order, by_weight);
	for (size_t i = 0; i < u->n; i++) {
		struct departure *d = &f->departure[f->n_departures];

		if (farthest(&order[i]->what) <= 0 && rarity_of(&order[i]->what, bar) < bar)
			continue;
		*d = order[i]->what;
		d->instance = arena_copy(&f->arena, slice_of(d->instance));
		f->n_departures++;
	}
	f->departures_left_out = u->left_out;
	return !f->arena.failed;
}

void unusual_minutes_close(struct unusual_minutes *u)
{
	free(u->minute);
	*u = (struct unusual_minutes){ .n = 0 };
}
