/* history.c - weighs two explanations of the lengths of prompts. */
#include "analyze/history.h"

#include <math.h>
#include <string.h>

enum {
	WAITING = 16, /* contexts at the same time; the oldest makes room */
	ROUNDS = 12,  /* of learning what is usual here */
	LEAST = 3,    /* messages to learn from */
	AROUND = 4,   /* neighbours on each side, whose lengths are alike */
};

static const double FIRST = 0.1; /* share of prompts that go on from nothing */
static const double NEAR = 8;    /* exchanges after which a neighbour counts a third */
static const double FAR = 0.1;   /* weight of the others */
static const double GROWN = 0.3; /* share of texts that are longer than the one before by about as much as others … */
static const double GROWN_DRAWS = 16; /* … and so many texts that is worth */
/* How far texts lie at least from what growth and trend say, in logarithms. Turns of a chat can be more alike. */
static const double GROWN_SPREAD = 0.3, BESIDE_SPREAD = 0.2;
static const double ALIKE = 0.45;     /* weights of the others: as long as neighbours are, and as the trend says … */
static const double ANYHOW = 0.1;     /* … and as any of the texts */
static const double RANK_DRAWS = 8;   /* exchanges that what is usual about ranks is worth */
static const double CHANCE = 3;       /* nats by which growth seems to know nothing of answers, by chance */
static const double ROOT_TAU = 2.507; /* sqrt(2 pi) */

static double clamp(double x, double low, double high)
{
	return fmin(fmax(x, low), high);
}

static double bell(double away, double spread)
{
	return exp(-away * away / (2 * spread * spread)) / (spread * ROOT_TAU);
}

/* --- lengths whose logarithms are normal ------------------------------------------------------------ */

struct lengths {
	double mean, spread; /* of the logarithms */
};

/* Sums of logarithms. */
struct sums {
	double n, x, xx;
};

static struct sums plus(struct sums s, double length, double times)
{
	double x = log(length);

	return (struct sums){ s.n + times, s.x + times * x, s.xx + times * x * x };
}

/* Few lengths look more alike than they are: one more, 1.6 times as long, is counted in. */
static struct lengths lengths_of(const struct sums *s)
{
	double mean = s->x / s->n, squares = fmax(s->xx - s->n * mean * mean, 0);

	return (struct lengths){ mean, clamp(sqrt((squares + 0.25) / (s->n + 1)), 0.03, 1.2) };
}

/* Density at that length. */
static double density(const struct lengths *l, double length)
{
	return length > 0 ? bell(log(length) - l->mean, l->spread) / length : 0;
}

/* --- a text of its own ------------------------------------------------------------------------------- */

/* Logarithms of prompts, as they are and beside the trend. */
struct texts {
	size_t n;
	double log[HISTORY_EXCHANGES], beside[HISTORY_EXCHANGES];
	double near[HISTORY_EXCHANGES]; /* weight of the neighbour so many exchanges away */
	double near_spread, beside_spread, mean;
	struct sums grown; /* by how much prompts are longer than the one before */
};

/* Sorts few numbers. */
static double median(double *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		double x = v[i];
		size_t at = i;

		for (; at && v[at - 1] > x; at--)
			v[at] = v[at - 1];
		v[at] = x;
	}
	return v[n / 2];
}

/* How far a prompt is from the middle of its neighbours, in the median. */
static double usual_distance(const struct texts *t)
{
	double away[HISTORY_EXCHANGES];

	for (size_t i = 0; i < t->n; i++) {
		size_t from = i > AROUND ? i - AROUND : 0, to = i + AROUND + 1 < t->n ? i + AROUND + 1 : t->n;
		double near[2 * AROUND + 1];

		memcpy(near, t->log + from, (to - from) * sizeof *near);
		away[i] = fabs(t->log[i] - median(near, to - from));
	}
	return 1.48 * median(away, t->n);
}

/* How far the texts' lengths lie from a line over time. */
static void set_beside(struct texts *t, const struct exchange *e)
{
	double v[HISTORY_EXCHANGES], middle = ((double)t->n - 1) / 2, mean = 0, ii = 0, ip = 0, center;

	for (size_t i = 0; i < t->n; i++)
		mean += e[i].prompt / (double)t->n;
	for (size_t i = 0; i < t->n; i++) {
		ii += ((double)i - middle) * ((double)i - middle);
		ip += ((double)i - middle) * (e[i].prompt - mean);
	}
	for (size_t i = 0; i < t->n; i++)
		v[i] = t->beside[i] = log(e[i].prompt / fmax(mean + ip / fmax(ii, 1) * ((double)i - middle), mean / 4));
	center = median(v, t->n);
	for (size_t i = 0; i < t->n; i++)
		v[i] = fabs(t->beside[i] - center);
	t->beside_spread = clamp(1.57 * median(v, t->n) * pow((double)t->n, -0.2), BESIDE_SPREAD, 0.3);
}

static void look_at_texts(struct texts *t, const struct exchange *e, size_t n)
{
	*t = (struct texts){ .n = n };
	for (size_t i = 0; i < n; i++) {
		t->near[i] = FAR + exp(-(double)i / NEAR);
		t->log[i] = log(e[i].prompt);
		t->mean += t->log[i] / (double)n;
		if (i && e[i].prompt > e[i - 1].prompt)
			t->grown = plus(t->grown, (double)e[i].prompt - e[i - 1].prompt, 1);
	}
	t->near_spread = clamp(0.6 * usual_distance(t), 0.02, 0.25);
	set_beside(t, e);
}

/* As its neighbours are, and as the trend says; of logarithms. */
static double as_others(const struct texts *t, size_t i)
{
	double near = 0, weights = 0, beside = 0;

	for (size_t j = 0; j < t->n; j++) {
		double weight = t->near[i > j ? i - j : j - i];

		if (j == i)
			continue;
		weights += weight;
		near += weight * bell(t->log[i] - t->log[j], t->near_spread);
		beside += bell(t->beside[i] - t->beside[j], t->beside_spread);
	}
	return ALIKE * near / weights + ALIKE * beside / (double)(t->n - 1);
}

/* Longer than the one before, as others are. */
static double as_grown(const struct texts *t, const struct exchange *e, size_t i)
{
	double grown = (double)e[i].prompt - e[i - 1].prompt;
	struct sums others = grown > 0 ? plus(t->grown, grown, -1) : t->grown;
	struct lengths usual;

	if (grown <= 0 || others.n < 2)
		return 0;
	usual = lengths_of(&others);
	usual.spread = fmax(usual.spread, GROWN_SPREAD);
	return t->grown.n / (double)(t->n - 1) * density(&usual, grown);
}

/* Densities of the prompts' lengths. */
static void of_their_own(double *own, const struct texts *t, const struct exchange *e)
{
	double grown[HISTORY_EXCHANGES], share = GROWN;

	own[0] = grown[0] = 1; /* not weighed */
	for (size_t i = 1; i < t->n; i++) {
		own[i] = (as_others(t, i) + ANYHOW * bell(t->log[i] - t->mean, 1)) / e[i].prompt;
		grown[i] = as_grown(t, e, i);
	}
	for (int round = 0; round < ROUNDS; round++) {
		double sum = GROWN * GROWN_DRAWS;

		for (size_t i = 1; i < t->n; i++)
			sum += share * grown[i] / (share * grown[i] + (1 - share) * own[i]);
		share = sum / ((double)t->n - 1 + GROWN_DRAWS);
	}
	for (size_t i = 1; i < t->n; i++)
		own[i] = share * grown[i] + (1 - share) * own[i];
}

/* --- from what went before --------------------------------------------------------------------------- */

/* Exchanges that no prompt has gone on from, the latest first. */
struct waiting {
	size_t n;
	uint64_t context[WAITING]; /* tokens … */
	uint64_t answer[WAITING];  /* … of which so many are the answer */
};

static void take(struct waiting *w, size_t at)
{
	w->n--;
	memmove(&w->context[at], &w->context[at + 1], (w->n - at) * sizeof *w->context);
	memmove(&w->answer[at], &w->answer[at + 1], (w->n - at) * sizeof *w->answer);
}

static void wait(struct waiting *w, const struct exchange *e)
{
	w->n -= w->n == WAITING;
	memmove(&w->context[1], &w->context[0], w->n * sizeof *w->context);
	memmove(&w->answer[1], &w->answer[0], w->n * sizeof *w->answer);
	w->context[0] = (uint64_t)e->prompt + e->answer;
	w->answer[0] = e->answer;
	w->n++;
}

/* By how much prompts are longer than the ones they go on from, and what is left of that without the answers. */
struct growths {
	double n, all, all2, rest, rest2; /* sums, and of squares */
};

static void add_growth(struct growths *g, double rest, double answer)
{
	const double all = rest + answer;

	g->n++;
	g->all += all;
	g->all2 += all * all;
	g->rest += rest;
	g->rest2 += rest * rest;
}

/* Prompts that hold the answers before them vary with these: what is left varies less than the whole. How much likelier
 * it is that they do, at most 0: of documents in even steps the whole varies less. */
static double answers_known(const struct growths *g)
{
	const double all = g->all2 - g->all * g->all / fmax(g->n, 1),
		     rest = g->rest2 - g->rest * g->rest / fmax(g->n, 1);

	return fmin(0, CHANCE + g->n / 2 * log((fmax(all, 0) + g->n) / (fmax(rest, 0) + g->n)));
}

/* What is learned of messages. */
struct messages {
	struct lengths length;
	double from[WAITING]; /* how many went on from the latest context, the one before, … */
};

/* The shares of the ranks of n contexts: as learned, and falling where little is. */
static void rank_shares(const struct messages *m, size_t n, double share[WAITING])
{
	double falling = 0, sum = 0;

	for (size_t k = 0; k < n; k++)
		falling += 1.0 / (double)(k + 2);
	for (size_t k = 0; k < n; k++)
		sum += share[k] = m->from[k] + RANK_DRAWS / (double)(k + 2) / falling;
	for (size_t k = 0; k < n; k++)
		share[k] /= sum;
}

/* Density of the prompt's length if it goes on from one of the contexts; *best: the likeliest, whose part is *part. */
static double going_on(const struct waiting *w, const struct messages *m, uint64_t prompt, size_t *best, double *part)
{
	double share[WAITING], sum = 0;

	rank_shares(m, w->n, share);
	*part = 0;
	for (size_t k = 0; k < w->n; k++) {
		double here;

		if (w->context[k] > prompt)
			continue;
		here = share[k] * density(&m->length, (double)(prompt - w->context[k]) + 0.5);
		sum += here;
		if (here > *part) {
			*part = here;
			*best = k;
		}
	}
	return sum;
}

/* Weighs the exchanges by what is known of messages, and learns from those that go on. */
static void weigh(struct history *out, const struct exchange *e, size_t n, const double *own, struct messages *m)
{
	struct messages learned = *m;
	struct waiting w = { .n = 0 };
	struct sums added = { 0, 0, 0 };
	struct growths growths = { 0 };

	memset(learned.from, 0, sizeof learned.from);
	out->likelihood = out->follow = out->refed = 0;
	for (size_t i = 0; i < n; i++) {
		size_t best = 0;
		double part, all = going_on(&w, m, e[i].prompt, &best, &part);

		if (w.n)
			out->likelihood += log(FIRST + (1 - FIRST) * all / own[i]);
		if ((1 - FIRST) * part > FIRST * own[i]) {
			added = plus(added, (double)(e[i].prompt - w.context[best]) + 0.5, 1);
			add_growth(&growths, (double)(e[i].prompt - w.context[best]), (double)w.answer[best]);
			learned.from[best]++;
			out->follow++;
			out->refed += (double)w.context[best];
			take(&w, best);
		}
		if (e[i].answer) /* nobody goes on from what was only read */
			wait(&w, &e[i]);
	}
	out->likelihood += answers_known(&growths);
	if (added.n >= LEAST)
		learned.length = lengths_of(&added);
	*m = learned;
}

size_t history_fed_anew(struct exchange *to, const struct exchange *e, size_t n)
{
	size_t begun = 0;

	for (size_t i = 0; i < n; i++)
		begun += !e[i].goes_on;
	if (begun < 2) {
		if (n)
			memcpy(to, e, n * sizeof *e);
		return n;
	}
	for (size_t i = 0, at = 0; i < n; i++)
		if (!e[i].goes_on)
			to[at++] = e[i];
	return begun;
}

void history_of(struct history *out, const struct exchange *e, size_t n)
{
	struct messages m = { .length.spread = 1.2 };
	double own[HISTORY_EXCHANGES];
	struct texts t;

	*out = (struct history){ .n = (double)n };
	if (!n)
		return;
	out->first = e[0].prompt;
	out->last = e[n - 1].prompt;
	look_at_texts(&t, e, n);
	for (size_t i = 0; i < n; i++) {
		out->tokens += e[i].prompt;
		out->answer += e[i].answer / out->n;
	}
	of_their_own(own, &t, e);
	m.length.mean = log(fmax(out->answer / 2, 8));
	for (int round = 0; round < ROUNDS; round++) {
		struct history h = *out;

		weigh(&h, e, n, own, &m);
		if (!round || h.likelihood > out->likelihood)
			*out = h;
	}
}
