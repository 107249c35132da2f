/* departures.c - compares each metric's buckets with the earlier ones; reports what is rare enough, alone or in two
 * groups of metrics at once. */
#include "analyze/departures.h"

#include "forecast/beyond.h"
#include "spec/diagnosis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	POINTS_LEAST = 2 * UNUSUAL_LEAST,
	DAYS_LEAST = 2,
	BUCKETS_WAIT = 16, /* until a bucket counts among the past */
	FEW = 3,           /* values: fewer have no farthest one */
	FAR_LASTS = 5,     /* buckets that go far, to the same side: a spike does not */
	REST_SHARE = 20    /* after a moment, a twentieth of the log has no further ones, except rarer ones */
};
static const int64_t DAY_US = INT64_C(86400000000);

/* Of metrics that were looked at; memory of the others is not touched. */
struct seen {
	struct unusual_answer answer[METRIC_COUNT][FINDINGS_BUCKETS_MAX];
	double value[METRIC_COUNT][FINDINGS_BUCKETS_MAX];
	struct far {
		double share, edge, value; /* share 0: it did not stay far outside */
	} far[METRIC_COUNT][FINDINGS_BUCKETS_MAX];
	uint64_t metrics; /* their bits */
};

static const struct bucket *row_of(const struct series *s, enum metric_id m)
{
	return s->apart[m] ? s->apart[m] : s->metric[m];
}

/* Is it measured in most buckets, rather than held from one sample to the next? */
static bool is_measured(const struct bucket *row, size_t n)
{
	size_t filled = 0, changes = 0;
	double before = (double)NAN;

	for (size_t i = 0; row && i < n; i++) {
		if (!row[i].count)
			continue;
		filled++;
		changes += row[i].mean != before;
		before = row[i].mean;
	}
	return filled >= POINTS_LEAST && changes > filled / 2;
}

/* Buckets from the first of a stretch that goes far to one side, once there are enough of them. */
static void look_beyond(struct seen *seen, const struct series *s, enum metric_id m)
{
	const struct bucket *row = row_of(s, m);
	struct beyond b = { .wait = BUCKETS_WAIT };
	struct far far[FAR_LASTS] = { { 0 } };
	size_t at[FAR_LASTS] = { 0 }, lasts = 0;
	bool above = false;

	for (size_t i = 0; i < s->n; i++) {
		struct beyond_answer a;

		if (!row[i].count)
			continue;
		a = beyond_add(&b, row[i].mean, -1);
		if (a.share < limit_of(T_FAR) || (lasts && above != (row[i].mean > a.edge)))
			lasts = 0;
		if (a.share < limit_of(T_FAR))
			continue;
		above = row[i].mean > a.edge;
		far[lasts % FAR_LASTS] = (struct far){ a.share, a.edge, row[i].mean };
		at[lasts++ % FAR_LASTS] = i;
		for (size_t k = 0; lasts >= FAR_LASTS && k < FAR_LASTS; k++)
			seen->far[m][at[k]] = far[k];
	}
}

static bool is_few(const struct bucket *b)
{
	return b->count < FEW;
}

/* Without the value that lies farthest from the mean: one slow call is no moment. */
static double mean_of_others(const struct bucket *b)
{
	double farthest = b->max - b->mean > b->mean - b->min ? b->max : b->min;

	return b->mean + (b->mean - farthest) / (double)(b->count - 1);
}

static const struct bucket *next_filled(const struct bucket *row, size_t n, size_t at)
{
	for (at++; at < n; at++)
		if (row[at].count)
			return &row[at];
	return NULL;
}

static double middle_of(double a, double b, double c)
{
	return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* Of a bucket with few values: the middle of its mean and its neighbours'. */
static double steady(const struct bucket *before, const struct bucket *b, const struct bucket *next)
{
	if (!is_few(b))
		return mean_of_others(b);
	return before && next ? middle_of(before->mean, b->mean, next->mean) : b->mean;
}

static void look_at(struct seen *seen, const struct series *s, enum metric_id m, struct unusual *u)
{
	const struct bucket *row = row_of(s, m);
	const struct bucket *before = NULL;
	bool days = (int64_t)s->n * s->width_us > DAYS_LEAST * DAY_US;

	*u = (struct unusual){ .wait = BUCKETS_WAIT };
	for (size_t i = 0; i < s->n; i++) {
		int64_t at = s->from_us + (int64_t)i * s->width_us;

		seen->answer[m][i] = (struct unusual_answer){ .rarity = 0 };
		seen->value[m][i] = 0;
		seen->far[m][i] = (struct far){ .share = 0 };
		if (!row[i].count)
			continue;
		seen->value[m][i] = steady(before, &row[i], next_filled(row, s->n, i));
		seen->answer[m][i] =
			unusual_add(u, seen->value[m][i], days ? (double)(at % DAY_US) / (double)DAY_US : -1);
		before = &row[i];
	}
	look_beyond(seen, s, m);
	seen->metrics |= metric_bit(m);
}

static size_t metrics_in(const struct seen *seen, int group)
{
	size_t n = 0;

	for (uint64_t left = seen->metrics; left; left &= left - 1)
		n += (int)metric_specs[__builtin_ctzll(left)].group == group;
	return n;
}

/* The rarest of a group at that bucket; METRIC_COUNT: nothing is rare. */
static enum metric_id rarest(const struct seen *seen, int group, size_t at)
{
	enum metric_id best = METRIC_COUNT;

	for (uint64_t left = seen->metrics; left; left &= left - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(left);

		if ((int)metric_specs[m].group != group || seen->answer[m][at].rarity <= 0)
			continue;
		if (best == METRIC_COUNT || seen->answer[m][at].rarity > seen->answer[best][at].rarity)
			best = m;
	}
	return best;
}

double departure_weight(double rarity, double far)
{
	static const double sure = 1000; /* above all rarities, those of several groups together too */

	return far > 0 ? sure + far : rarity;
}

/* The product of chances is no chance itself: that it is at most x is x (1 - ln x + ln2 x / 2 …), a term for each. */
double departures_together(const double *rarity, size_t n, double least)
{
	double sum = 0, term = 1, terms = 0, ln_x;
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		sum += rarity[i] >= least ? rarity[i] : 0;
		k += rarity[i] >= least;
	}
	if (k < 2)
		return 0;
	ln_x = -sum * log(10);
	for (size_t j = 0; j < k; j++) {
		terms += term;
		term *= -ln_x / (double)(j + 1);
	}
	return fmax(0, sum - log10(terms));
}

/* Metrics of one group have much in common: its rarest one stands for it, and was one of as many as it has. What groups
 * say at once is then held against the bar as if it had been one of all metrics. */
static double rarity_of(const struct seen *seen, size_t at, double bar)
{
	const double all = log10((double)__builtin_popcountll(seen->metrics));
	double most = 0, of[METRIC_GROUP_COUNT] = { 0 };

	for (int group = 0; group < METRIC_GROUP_COUNT; group++) {
		enum metric_id m = rarest(seen, group, at);
		double rarity = m == METRIC_COUNT ? 0 : seen->answer[m][at].rarity;

		most = fmax(most, rarity);
		of[group] = rarity > 0 ? rarity - log10((double)metrics_in(seen, group)) : 0;
	}
	return fmax(most, departures_together(of, METRIC_GROUP_COUNT, (bar - all) / 2) + all);
}

/* By how much of the range seen the farthest lies outside it; 0: none does. */
static double farthest(const struct seen *seen, size_t at)
{
	double share = 0;

	for (uint64_t left = seen->metrics; left; left &= left - 1)
		share = fmax(share, seen->far[__builtin_ctzll(left)][at].share);
	return share;
}

/* Of those that are left. */
static void fill_far(struct departure *d, const struct seen *seen, size_t at, uint64_t left)
{
	while (d->n < DEPARTURE_METRICS_MAX) {
		enum metric_id best = METRIC_COUNT;

		for (uint64_t bits = left; bits; bits &= bits - 1) {
			enum metric_id m = (enum metric_id)__builtin_ctzll(bits);
			double share = seen->far[m][at].share;

			if (share > 0 && (best == METRIC_COUNT || share > seen->far[best][at].share))
				best = m;
		}
		if (best == METRIC_COUNT)
			return;
		left &= ~metric_bit(best);
		d->of[d->n++] = (struct departed){ .metric = best,
						   .value = seen->far[best][at].value,
						   .usual = seen->far[best][at].edge,
						   .beyond = seen->far[best][at].share,
						   .sign = UNUSUAL_LEVEL };
	}
}

static void fill(struct departure *d, const struct seen *seen, size_t at)
{
	uint64_t left = seen->metrics;

	for (d->n = 0; d->n < DEPARTURE_METRICS_MAX; d->n++) {
		enum metric_id best = METRIC_COUNT;

		for (uint64_t bits = left; bits; bits &= bits - 1) {
			enum metric_id m = (enum metric_id)__builtin_ctzll(bits);
			double rarity = seen->answer[m][at].rarity;

			if (rarity > 2 && (best == METRIC_COUNT || rarity > seen->answer[best][at].rarity))
				best = m;
		}
		if (best == METRIC_COUNT)
			break;
		left &= ~metric_bit(best);
		d->of[d->n] = (struct departed){ .metric = best,
						 .value = seen->value[best][at],
						 .usual = seen->answer[best][at].usual,
						 .rarity = seen->answer[best][at].rarity,
						 .sign = seen->answer[best][at].sign };
	}
	fill_far(d, seen, at, left);
}

/* The rarest moments of a series, in order of time. */
struct kept {
	struct departure *moment; /* (n): the last ones of the findings */
	double weight[DEPARTURES_MAX];
	size_t n;
	uint64_t left_out;
};

static void keep(struct kept *k, const struct departure *d, double weight)
{
	size_t least = 0;

	for (size_t i = 1; i < k->n; i++)
		least = k->weight[i] < k->weight[least] ? i : least;
	if (k->n == DEPARTURES_MAX) {
		k->left_out++;
		if (weight <= k->weight[least])
			return;
		k->n--;
		memmove(&k->moment[least], &k->moment[least + 1], (k->n - least) * sizeof *k->moment);
		memmove(&k->weight[least], &k->weight[least + 1], (k->n - least) * sizeof *k->weight);
	}
	k->moment[k->n] = *d;
	k->weight[k->n++] = weight;
}

/* The moment at hand goes on; it may be one that was not kept. */
static void go_on(struct kept *k, struct departure *d, int64_t width_us)
{
	if (k->n && k->moment[k->n - 1].from_us == d->from_us)
		k->moment[k->n - 1].to_us += width_us;
	d->to_us += width_us;
}

/* When there are more than DEPARTURES_MAX moments, the rest are counted. */
static void tell(struct findings *f, const struct series *s, const char *instance, const struct seen *seen)
{
	double bar = log10((double)s->n * __builtin_popcountll(seen->metrics) / limit_of(T_CHANCE_MOMENTS));
	double rest = fmax(2, (double)s->n / REST_SHARE);
	struct kept kept = { .moment = &f->departure[f->n_departures] };
	struct departure latest = { .n = 0 };
	struct refractory quiet = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		int64_t from_us = s->from_us + (int64_t)i * s->width_us;
		double far = farthest(seen, i), usual = rarity_of(seen, i, bar),
		       rarity = far > 0 ? fmax(usual, bar) : usual;
		bool passes = refractory_pass(&quiet, rarity, rest) > 0;

		if (rarity < bar)
			continue;
		if (latest.n && latest.to_us == from_us) {
			go_on(&kept, &latest, s->width_us);
			continue;
		}
		if (!passes)
			continue;
		latest = (struct departure){ .from_us = from_us, .to_us = from_us + s->width_us, .instance = instance };
		fill(&latest, seen, i);
		if (latest.n)
			keep(&kept, &latest, departure_weight(usual, far));
	}
	f->n_departures += kept.n;
	f->departures_left_out += kept.left_out;
}

/* Throughput is of a window that holds a prompt's tokens too, which come faster: where there is latency, it says more.
 */
static bool is_said_better(const struct series *s, enum metric_id m)
{
	return m == M_THROUGHPUT_TPS && is_measured(row_of(s, M_TOKEN_LATENCY_MS), s->n);
}

bool departures_add(struct findings *f, const struct series *s, const char *instance)
{
	struct seen *seen = malloc(sizeof *seen);
	struct unusual *u = malloc(sizeof *u);
	bool fine = seen && u;

	if (fine)
		seen->metrics = 0;
	for (int m = 0; fine && m < METRIC_COUNT; m++)
		if (is_measured(row_of(s, (enum metric_id)m), s->n) && !is_said_better(s, (enum metric_id)m))
			look_at(seen, s, (enum metric_id)m, u);
	if (fine && seen->metrics)
		tell(f, s, instance, seen);
	free(seen);
	free(u);
	return fine;
}
