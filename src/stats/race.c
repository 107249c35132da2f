/* race.c - paired differences; successive halving that spares whoever is close. */
#include "stats/race.h"

#include "stats/student.h"
#include "stats/trend.h"

#include <math.h>

enum { LOOKS = 2, FINALISTS = 3 };

/* Once nobody can be faster than the leader by MISSED, further rounds could only tell equals apart. Who took FAR longer
 * in each of the first rounds is hopeless. */
static const double MISSED = 0.05, FAR = 0.2231; /* ln 1.25 */
static const double FREEDOM_LEAST = 3, DOUBT = 0.05;

void race_add(struct race *r, size_t candidate, double ln_time)
{
	if (r->rounds[candidate] < RACE_ROUNDS)
		r->value[candidate][r->rounds[candidate]++] = ln_time;
}

static double mean(const double *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

size_t race_leader(const struct race *r)
{
	size_t best = r->n;
	double least = INFINITY;

	for (size_t i = 0; i < r->n; i++) {
		double m = r->rounds[i] && !r->out[i] ? mean(r->value[i], r->rounds[i]) : INFINITY;

		if (m < least) {
			least = m;
			best = i;
		}
	}
	return best;
}

/* Holds with all but this chance. */
static struct race_gap interval(const double *v, size_t n, double chance)
{
	struct trend_point point[RACE_ROUNDS];
	struct race_gap g = { NAN, NAN, NAN };
	double off[RACE_ROUNDS], reach;
	struct trend_rest rest;

	if (!n)
		return g;
	g.mean = mean(v, n);
	for (size_t i = 0; i < n; i++) {
		point[i] = (struct trend_point){ (double)i, v[i], 1 };
		off[i] = v[i] - g.mean;
	}
	rest = trend_rest(point, off, n);
	if (rest.independent - 1 < FREEDOM_LEAST)
		return g;
	reach = student_reach(chance, rest.independent - 1) * sqrt(rest.square / (rest.independent - 1));
	g.low = g.mean - reach;
	g.high = g.mean + reach;
	return g;
}

struct race_gap race_gap(const struct race *r, size_t a, size_t b)
{
	size_t n = r->rounds[a] < r->rounds[b] ? r->rounds[a] : r->rounds[b];
	double d[RACE_ROUNDS], pairs = (double)r->n * ((double)r->n - 1) / 2;

	for (size_t i = 0; i < n; i++)
		d[i] = r->value[a][i] - r->value[b][i];
	return interval(d, n, DOUBT / LOOKS / fmax(pairs, 1));
}

struct race_gap race_level(const struct race *r, size_t candidate)
{
	return interval(r->value[candidate], r->rounds[candidate], DOUBT);
}

bool race_apart(const struct race_gap *g)
{
	return (g->low > 0 || g->high < 0) && fabs(g->mean) > RACE_MATTERS;
}

size_t race_left(const struct race *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += !r->out[i];
	return n;
}

/* How many of those racing are ahead of it. */
static size_t place(const struct race *r, size_t candidate)
{
	double own = mean(r->value[candidate], r->rounds[candidate]);
	size_t ahead = 0;

	for (size_t i = 0; i < r->n; i++)
		ahead += !r->out[i] && i != candidate && mean(r->value[i], r->rounds[i]) < own;
	return ahead;
}

static void drop_hopeless(struct race *r, size_t leader)
{
	for (size_t i = 0; i < r->n; i++) {
		bool behind = !r->out[i];

		for (size_t k = 0; k < RACE_HOPELESS && behind; k++)
			behind = r->value[i][k] - r->value[leader][k] > FAR;
		r->out[i] |= behind;
	}
}

static bool is_look(size_t rounds)
{
	return rounds == RACE_FIRST || rounds == RACE_LAST;
}

bool race_decided(const struct race *r)
{
	size_t leader = race_leader(r);

	if (leader == r->n || !is_look(r->rounds[leader]))
		return false;
	for (size_t i = 0; i < r->n; i++) {
		struct race_gap g = race_gap(r, i, leader);

		if (!r->out[i] && i != leader && !(-MISSED < g.low && (g.mean < RACE_CLOSE || race_apart(&g))))
			return false;
	}
	return true;
}

void race_eliminate(struct race *r)
{
	size_t leader = race_leader(r), n, first_out;
	bool out[RACE_MAX];

	if (leader == r->n)
		return;
	n = r->rounds[leader];
	if (n == RACE_HOPELESS)
		drop_hopeless(r, leader);
	if (!is_look(n))
		return;
	first_out = (race_left(r) + 1) / 2;
	first_out = first_out < FINALISTS ? FINALISTS : first_out;
	for (size_t i = 0; i < r->n; i++) {
		struct race_gap g;

		out[i] = r->out[i];
		if (out[i] || i == leader)
			continue;
		g = race_gap(r, i, leader);
		out[i] = g.low > RACE_MATTERS || (g.mean > RACE_CLOSE && place(r, i) >= first_out);
	}
	for (size_t i = 0; i < r->n; i++)
		r->out[i] = out[i];
}
