/* certain.h - where text becomes far more certain than the text before it, within a session or from one to the next.
 *
 * Generated tokens are taken in blocks. A block whose entropy is far below what was usual begins a run, which lasts
 * until entropy is nearly back. Of the runs in which the text repeats as much as before, of those in which it repeats
 * far more, and of all of them, the longest one is kept. The sessions of a process are blocks of a track of their own.
 *
 * Ownership  plain values; a zeroed struct is empty.
 */
#ifndef RWKVMON_ANALYZE_CERTAIN_H
#define RWKVMON_ANALYZE_CERTAIN_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* Sums over generated tokens. */
struct text_sums {
	double nats, rate; /* rate: share of repeated tokens, % */
	uint32_t tokens, rates, prompts;
	int64_t from_us;
	bool marked;            /* the log says itself how it repeats */
	const char *session_id; /* in which it begins, once it is known */
};

struct certain_run {
	struct text_sums run, before; /* no tokens: there was none */
};

/* One session, or the sessions of one process. */
struct certain_track {
	struct text_sums usual, block, run; /* run: the one that is not over; no tokens: there is none */
	bool in_prompt;
	struct text_sums all;
	struct certain_run same_rate, higher_rate, any_rate;
};

enum { CERTAIN_BLOCK = 50 /* tokens */ };

/* The block is full. */
void certain_block(struct certain_track *t);

/* [hot] A prompt is read; then a token is generated (rate NAN: unknown). */
static inline void certain_prompt(struct certain_track *t)
{
	t->in_prompt = true;
}

static inline void certain_token(struct certain_track *t, double nats, double rate, bool marked, int64_t time_us)
{
	struct text_sums *b = &t->block;

	b->from_us = b->tokens ? b->from_us : time_us;
	b->prompts += t->in_prompt ? 1 : 0;
	b->nats += nats;
	b->rate += isnan(rate) ? 0 : rate;
	b->rates += isnan(rate) ? 0 : 1;
	b->marked |= marked;
	t->in_prompt = false;
	if (++b->tokens == CERTAIN_BLOCK)
		certain_block(t);
}

/* All of a session's text, which comes after that of the sessions before; then the sessions of a later process. */
void certain_session(struct certain_track *sessions, const struct text_sums *text);
void certain_go_on(struct certain_track *sessions, const struct certain_track *later);

/* Means; NAN: of none. */
double text_nats(const struct text_sums *s);
double text_rate(const struct text_sums *s);

/* Did entropy fall while the text repeats no more? */
bool is_fall(const struct text_sums *before, const struct text_sums *since);

/* The longer one. */
void certain_join(struct certain_run *to, const struct certain_run *of);

#endif
