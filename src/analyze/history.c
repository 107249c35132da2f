/* history.c - matches prompts with earlier exchanges by length. */
#include "analyze/history.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROOM_LEAST = 64, /* tokens that any prompt may add */
	VARIANCE_LEAST = 5,
	WAITING = 64, /* contexts, when answers are exchanged */
	TURNS = 16,   /* conversations that take turns */
	FITS = 1 + TURNS,
	SHUFFLES = 200,
	ALIKE = 8, /* exchanges of about the same length or time */
};

/* Contexts that no prompt has gone on from, by length; the one that has waited longest makes room. */
struct waiting {
	size_t n, most;
	struct context {
		uint64_t tokens;
		uint32_t depth;
		uint32_t at; /* index of its exchange */
	} context[WAITING];
};

static bool fits(uint64_t context, uint64_t prompt)
{
	uint64_t room = prompt / 2 > ROOM_LEAST ? prompt / 2 : ROOM_LEAST;

	return context && context <= prompt && prompt - context <= room;
}

static struct context take(struct waiting *w, size_t at)
{
	struct context c = w->context[at];

	w->n--;
	memmove(&w->context[at], &w->context[at + 1], (w->n - at) * sizeof *w->context);
	return c;
}

/* How many contexts are not longer. */
static size_t up_to(const struct waiting *w, uint64_t tokens)
{
	size_t low = 0, high = w->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (w->context[middle].tokens <= tokens)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest context that fits; false: none does. */
static bool match(struct waiting *w, uint64_t prompt, struct context *out)
{
	size_t n = up_to(w, prompt);

	if (!n || !fits(w->context[n - 1].tokens, prompt))
		return false;
	*out = take(w, n - 1);
	return true;
}

static void wait(struct waiting *w, struct context c)
{
	size_t at, oldest = 0;

	if (w->n == w->most) {
		for (size_t i = 1; i < w->n; i++)
			oldest = w->context[i].at < w->context[oldest].at ? i : oldest;
		take(w, oldest);
	}
	at = up_to(w, c.tokens);
	memmove(&w->context[at + 1], &w->context[at], (w->n - at) * sizeof *w->context);
	w->context[at] = c;
	w->n++;
}

/* --- what follows what --------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Index of the session's exchange before; i: there is none. */
static size_t before_in_session(const struct exchange *e, size_t i)
{
	for (size_t j = i; j-- > 0;)
		if (e[j].session == e[i].session)
			return j;
	return i;
}

/* Sums for a variance. */
struct sums {
	double n, x, xx;
};

static void sums_add(struct sums *s, double x)
{
	s->n++;
	s->x += x;
	s->xx += x * x;
}

static double variance(const struct sums *s)
{
	return fmax(s->xx / s->n - s->x / s->n * (s->x / s->n), 0);
}

static void count_last(struct history *out, const struct exchange *e, size_t i, struct sums *grew, struct sums *beyond)
{
	size_t last = before_in_session(e, i);
	uint64_t context = (uint64_t)e[last].prompt + e[last].answer;

	if (last == i || !e[i].answer || !e[last].answer)
		return;
	out->follow_last += fits(context, e[i].prompt);
	out->overlap += e[i].prompt >= e[last].prompt && e[i].prompt < context;
	if (e[i].prompt < e[last].prompt)
		return;
	sums_add(grew, (double)e[i].prompt - e[last].prompt);
	sums_add(beyond, (double)e[i].prompt - (double)context);
}

static double share_below(const uint64_t *length, size_t n, uint64_t least)
{
	double below = 0;

	for (size_t i = 0; i < n; i++)
		below += length[i] < least;
	return below;
}

void history_of(struct history *out, const struct exchange *e, size_t n, size_t conversations)
{
	struct waiting w = { .most = conversations };
	uint64_t matched[HISTORY_EXCHANGES], alone[HISTORY_EXCHANGES];
	struct sums grew = { 0, 0, 0 }, beyond = { 0, 0, 0 };
	size_t n_matched = 0, n_alone = 0;

	*out = (struct history){ .n = (double)n, .foreign = (double)NAN };
	if (!n)
		return;
	out->first = e[0].prompt;
	out->last = e[n - 1].prompt;
	for (size_t i = 0; i < n; i++) {
		struct context next = { (uint64_t)e[i].prompt + e[i].answer, 0, (uint32_t)i }, c;

		out->tokens += e[i].prompt;
		out->answer += e[i].answer / out->n;
		out->down += i && e[i].prompt < e[i - 1].prompt;
		count_last(out, e, i, &grew, &beyond);
		if (e[i].answer && match(&w, e[i].prompt, &c)) { /* what was only read goes on from nothing */
			out->refed += (double)c.tokens;
			out->added += (double)(e[i].prompt - c.tokens);
			next.depth = c.depth + 1;
			matched[n_matched++] = e[i].prompt;
		} else {
			alone[n_alone++] = e[i].prompt;
		}
		out->depth += next.depth / out->n;
		if (e[i].answer)
			wait(&w, next);
	}
	qsort(alone, n_alone, sizeof *alone, by_size);
	out->follow = (double)n_matched;
	out->foreign = grew.n < VARIANCE_LEAST ? (double)NAN : variance(&beyond) / fmax(variance(&grew), 1);
	out->astray = n_alone ? share_below(matched, n_matched, alone[(n_alone - 1) * 9 / 10]) / out->n : 0;
}

/* --- answers of their own, and others ------------------------------------------------------------ */

/* One for a context that the prompt continues at once; less the more is added. */
static double worth(uint64_t added, double mean_answer)
{
	return exp(-(double)added / mean_answer);
}

static double fit_by_length(const struct exchange *e, const uint32_t *answer, size_t n, double mean_answer)
{
	struct waiting w = { .most = WAITING };
	double fit = 0;

	for (size_t i = 0; i < n; i++) {
		struct context c;

		if (match(&w, e[i].prompt, &c))
			fit += worth(e[i].prompt - c.tokens, mean_answer);
		wait(&w, (struct context){ (uint64_t)e[i].prompt + answer[i], 0, (uint32_t)i });
	}
	return fit;
}

/* Conversations that take turns: each prompt goes on from the exchange that many before. */
static double fit_by_turn(const struct exchange *e, const uint32_t *answer, size_t n, double mean_answer, size_t turns)
{
	double fit = 0;

	for (size_t i = turns; i < n; i++) {
		uint64_t context = (uint64_t)e[i - turns].prompt + answer[i - turns];

		if (fits(context, e[i].prompt))
			fit += worth(e[i].prompt - context, mean_answer);
	}
	return fit;
}

static void all_fits(const struct exchange *e, const uint32_t *answer, size_t n, double mean_answer, double fit[FITS])
{
	fit[0] = fit_by_length(e, answer, n, mean_answer);
	for (size_t turns = 1; turns <= TURNS; turns++)
		fit[turns] = 2 * turns <= n ? fit_by_turn(e, answer, n, mean_answer, turns) : 0;
}

/* Source: Sebastiano Vigna's splitmix64. */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Answers change places inside groups of ALIKE in that order; where the first group ends varies. */
static void shuffle(uint32_t *answer, const uint64_t *order, size_t n, uint64_t *random)
{
	size_t to = 1 + draw(random) % ALIKE;

	for (size_t from = 0; from < n; from = to, to += ALIKE) {
		size_t end = to < n ? to : n;

		for (size_t i = end - 1; i > from; i--) {
			size_t a = (uint32_t)order[i], b = (uint32_t)order[from + draw(random) % (i - from + 1)];
			uint32_t kept = answer[a];

			answer[a] = answer[b];
			answer[b] = kept;
		}
	}
}

struct level {
	double mean, spread;
};

/* Of column k of n rows. */
static struct level level_of(const double *value, size_t n, size_t columns, size_t k)
{
	struct level l = { 0, 0 };

	for (size_t i = 0; i < n; i++)
		l.mean += value[i * columns + k] / (double)n;
	for (size_t i = 0; i < n; i++)
		l.spread += (value[i * columns + k] - l.mean) * (value[i * columns + k] - l.mean) / (double)n;
	l.spread = sqrt(l.spread);
	return l;
}

/* The best of all ways to fit, in standard deviations of what they reach with other answers. */
static double best_of(const double fit[FITS], const struct level usual[FITS])
{
	double best = 0;

	for (int k = 0; k < FITS; k++)
		if (usual[k].spread > 1e-6)
			best = fmax(best, (fit[k] - usual[k].mean) / usual[k].spread);
	return best;
}

/* The same, against the best that other answers reach; NAN: all answers are alike. `other`: (SHUFFLES, FITS) numbers to
 * use. */
static double fits_better(const struct exchange *e, const uint64_t *order, size_t n, double *other)
{
	uint32_t answer[HISTORY_EXCHANGES];
	uint64_t random = 1;
	double own[FITS], best[SHUFFLES], mean_answer = 0;
	struct level usual[FITS], chance;

	for (size_t i = 0; i < n; i++) {
		answer[i] = e[i].answer;
		mean_answer += e[i].answer / (double)n;
	}
	all_fits(e, answer, n, mean_answer, own);
	for (size_t i = 0; i < SHUFFLES; i++) {
		shuffle(answer, order, n, &random);
		all_fits(e, answer, n, mean_answer, other + i * FITS);
	}
	for (size_t k = 0; k < FITS; k++)
		usual[k] = level_of(other, SHUFFLES, FITS, k);
	for (size_t i = 0; i < SHUFFLES; i++)
		best[i] = best_of(other + i * FITS, usual);
	chance = level_of(best, SHUFFLES, 1, 0);
	return chance.spread > 1e-6 ? (best_of(own, usual) - chance.mean) / chance.spread : (double)NAN;
}

double history_fits_own(const struct exchange *e, size_t n)
{
	double other[SHUFFLES * FITS], by_length, by_time;
	uint64_t order[HISTORY_EXCHANGES] = { 0 };

	n = n < HISTORY_EXCHANGES ? n : HISTORY_EXCHANGES;
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	by_time = fits_better(e, order, n, other);
	for (size_t i = 0; i < n; i++)
		order[i] |= (uint64_t)e[i].prompt << 32;
	qsort(order, n, sizeof *order, by_size);
	by_length = fits_better(e, order, n, other);
	return by_length < by_time || isnan(by_time) ? by_length : by_time;
}
