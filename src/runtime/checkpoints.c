/* checkpoints.c - keeps states in slots of one block of memory, ordered by position. */
#include "runtime/checkpoints.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_BYTES = 2 << 20 };

struct checkpoints {
	size_t state_floats, n_vocab, cap, n;
	float *states; /* (cap, state_floats) */
	float *logits; /* (n_vocab): at position 0 */
	struct kept {
		uint64_t position;
		size_t slot;     /* of `states` */
	} kept[CHECKPOINTS_MAX]; /* (n), by position; the other cap - n entries hold free slots */
};

static double mib(size_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* In huge pages where the system has them: hundreds of small ones that come one by one, at the first copy into each,
 * cost a run more than the copies. */
static float *allocate(size_t bytes)
{
	size_t whole = (bytes + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
	float *p = aligned_alloc(HUGE_BYTES, whole);

#ifdef MADV_HUGEPAGE
	if (p)
		madvise(p, whole, MADV_HUGEPAGE); /* at worst they are small */
#endif
	return p;
}

int checkpoints_open(struct checkpoints **out, const struct run *run, size_t bytes, struct err *err)
{
	const struct model_info *info = run_model_info(run);
	size_t state = info->state_floats * sizeof(float), logits = info->n_vocab * sizeof(float);
	size_t fit = bytes > logits ? (bytes - logits) / state : 0;
	struct checkpoints *c;

	*out = NULL;
	if (fit < 2) {
		err_set(err, ERR_USAGE, "%.1f MiB hold %zu states of this model, and going back takes two", mib(bytes),
			fit);
		return err_hint(err, "give --rewind-memory %.0f", mib(2 * state + logits) + 1);
	}
	c = calloc(1, sizeof *c);
	if (!c)
		return err_set(err, ERR_NOMEM, "no memory for checkpoints");
	c->state_floats = info->state_floats;
	c->n_vocab = info->n_vocab;
	c->cap = fit < CHECKPOINTS_MAX ? fit : CHECKPOINTS_MAX;
	c->states = allocate(c->cap * state);
	c->logits = malloc(logits);
	if (!c->states || !c->logits) {
		checkpoints_close(c);
		return err_set(err, ERR_NOMEM, "no memory for %zu states of %.1f MiB", fit, mib(state));
	}
	for (size_t i = 0; i < c->cap; i++)
		c->kept[i].slot = i;
	*out = c;
	return 0;
}

void checkpoints_close(struct checkpoints *c)
{
	if (!c)
		return;
	free(c->states);
	free(c->logits);
	free(c);
}

size_t checkpoints_bytes(const struct checkpoints *c)
{
	return c ? (c->cap * c->state_floats + c->n_vocab) * sizeof(float) : 0;
}

static void keep(struct checkpoints *c, const struct run *run, uint64_t position)
{
	struct kept *k = &c->kept[c->n++];

	k->position = position;
	memcpy(c->states + k->slot * c->state_floats, run_state_flat(run), c->state_floats * sizeof(float));
}

void checkpoints_begin(struct checkpoints *c, const struct run *run)
{
	c->n = 0;
	keep(c, run, 0);
	memcpy(c->logits, run_logits(run), c->n_vocab * sizeof(float));
}

/* Moves its slot behind the others, among the free ones. */
static void forget(struct checkpoints *c, size_t i)
{
	struct kept gone = c->kept[i];

	memmove(&c->kept[i], &c->kept[i + 1], (c->n - i - 1) * sizeof gone);
	c->kept[--c->n] = gone;
}

/* Never the first checkpoint; for the last one, `now` is the next neighbour. */
static size_t most_crowded(const struct checkpoints *c, uint64_t now)
{
	double best = 0;
	size_t found = c->n - 1;

	for (size_t i = 1; i < c->n; i++) {
		uint64_t next = i + 1 < c->n ? c->kept[i + 1].position : now;
		double gap = (double)(next - c->kept[i - 1].position);
		double crowd = (double)(now - c->kept[i].position) / gap;

		if (crowd > best) {
			best = crowd;
			found = i;
		}
	}
	return found;
}

void checkpoints_pass(struct checkpoints *c, const struct run *run, uint64_t position, bool near)
{
	if (position < c->kept[c->n - 1].position + (near ? CHECKPOINT_NEAR_TOKENS : CHECKPOINT_TOKENS))
		return;
	if (c->n == c->cap)
		forget(c, most_crowded(c, position));
	keep(c, run, position);
}

uint64_t checkpoints_return(struct checkpoints *c, struct run *run, uint64_t position)
{
	while (c->n > 1 && c->kept[c->n - 1].position >= position)
		c->n--;
	run_state_set(run, c->states + c->kept[c->n - 1].slot * c->state_floats);
	if (!c->kept[c->n - 1].position)
		run_logits_set(run, c->logits);
	return c->kept[c->n - 1].position;
}
