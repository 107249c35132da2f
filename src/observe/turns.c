/* turns.c - a few values of each of the last states, as a ring. */
#include "observe/turns.h"

#include <math.h>
#include <stdlib.h>

enum {
	RING = TURNS_PAST + 1,
	FIRST_VALUES = 8, /* that are enough to tell most that are far apart */

	/* Evidence. */
	FOUND = 4,    /* for a call that goes on from an earlier one; one that does not takes 1 away */
	PROBABLE = 8, /* two of them, soon after each other */
	CERTAIN = 24,
	MOST = 48,
};
static const float NEAR2 = 0.6F * 0.6F;

struct turns {
	struct left {
		float value[TURNS_VALUES];
		uint32_t token;
	} left[RING];   /* by call */
	uint64_t calls; /* the one at hand included */
	int evidence;
	bool certain; /* from CERTAIN evidence on, until there is none */
	bool told;
};

struct turns *turns_open(void)
{
	return calloc(1, sizeof(struct turns));
}

void turns_close(struct turns *t)
{
	free(t);
}

void turns_reset(struct turns *t)
{
	if (!t)
		return;
	t->calls = 0;
	t->evidence = 0;
	t->certain = t->told = false;
}

/* Evenly of the recurrent part; false: there is none, or too little. */
static bool take_values(float to[TURNS_VALUES], const struct observed_tensor *state, size_t n)
{
	size_t total = 0, stride, at, taken = 0;

	for (size_t i = 0; i < n; i++)
		total += state[i].part == PART_SHIFT ? 0 : state[i].n;
	stride = total / TURNS_VALUES;
	at = stride / 2; /* in the tensor at hand */
	for (size_t i = 0; i < n && stride; i++) {
		if (state[i].part == PART_SHIFT)
			continue;
		for (; at < state[i].n && taken < TURNS_VALUES; at += stride)
			to[taken++] = value_float(state[i].p, state[i].dtype, at);
		at -= state[i].n;
	}
	return taken == TURNS_VALUES;
}

/* Four sums, so that no addition waits for the one before. */
static float apart2_of(const struct left *a, const struct left *b, int from, int to)
{
	float sum[4] = { 0 };

	for (int i = from; i < to; i += 4)
		for (int k = 0; k < 4; k++) {
			const float d = a->value[i + k] - b->value[i + k];

			sum[k] += d * d;
		}
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static float apart2(const struct left *a, const struct left *b)
{
	return apart2_of(a, b, 0, TURNS_VALUES);
}

static float norm2(const struct left *a)
{
	static const struct left zero;

	return apart2(a, &zero);
}

static struct left *left_before(struct turns *t, uint64_t calls)
{
	return &t->left[(t->calls - calls) % RING];
}

/* The same token after the same one: such a text may be back where it was. */
static bool is_repeated(struct turns *t)
{
	const uint32_t token = left_before(t, 0)->token, before = left_before(t, 1)->token;

	for (unsigned k = 2; k < TURNS_PAST && k + 1 < t->calls; k++)
		if (left_before(t, k)->token == token && left_before(t, k + 1)->token == before)
			return true;
	return false;
}

/* How many calls ago the one was from which this one goes on; 0: nothing speaks for another than the one before. */
static unsigned went_on_from(struct turns *t)
{
	const struct left *now = left_before(t, 0);
	float least = t->calls > 2 ? NEAR2 * apart2(now, left_before(t, 1)) : 0;
	unsigned from = 0;

	for (unsigned k = 2; k <= TURNS_PAST && k < t->calls; k++) {
		const struct left *then = left_before(t, k);
		float far = apart2_of(now, then, 0, FIRST_VALUES);

		if (far < least)
			far += apart2_of(now, then, FIRST_VALUES, TURNS_VALUES);
		if (!(far < least))
			continue;
		least = far;
		from = k;
	}
	return from;
}

/* True at the call at which it becomes certain. */
static bool weigh(struct turns *t, bool found)
{
	const bool told = t->told;

	t->evidence += found ? FOUND : -1;
	t->evidence = t->evidence < 0 ? 0 : t->evidence > MOST ? MOST : t->evidence;
	t->certain = t->evidence >= CERTAIN || (t->certain && t->evidence);
	t->told |= t->certain;
	return t->told && !told;
}

bool turns_look(struct turns *t, const struct observed_tensor *state, size_t n, uint32_t token, double *apart)
{
	struct left now = { .token = token };
	unsigned from;

	*apart = NAN;
	if (!take_values(now.value, state, n))
		return false;
	t->calls++;
	*left_before(t, 0) = now;
	if (is_repeated(t))
		return t->certain;
	from = went_on_from(t);
	if (weigh(t, from))
		*apart = sqrt((double)apart2(left_before(t, from), left_before(t, 1)) /
			      fmax((double)norm2(left_before(t, from)), (double)norm2(left_before(t, 1))));
	return t->certain || (from && t->evidence >= PROBABLE);
}
