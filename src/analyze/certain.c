/* certain.c - follows the entropy of a session's generated tokens against its own level before. */
#include "analyze/certain.h"

#include "spec/diagnosis.h"

#include <math.h>

enum { USUAL_TOKENS = 3 * CERTAIN_BLOCK };

/* Of the usual entropy: a block below BEGINS begins a run, one above ENDS ends it. In between lies what blocks differ
 * by from each other. */
static const double BEGINS = 0.5, ENDS = 0.75;

double text_nats(const struct text_sums *s)
{
	return s->tokens ? s->nats / s->tokens : (double)NAN;
}

double text_rate(const struct text_sums *s)
{
	return s->rates ? s->rate / s->rates : (double)NAN;
}

static void add(struct text_sums *to, const struct text_sums *of)
{
	to->from_us = to->tokens ? to->from_us : of->from_us;
	to->session_id = to->tokens ? to->session_id : of->session_id;
	to->nats += of->nats;
	to->rate += of->rate;
	to->tokens += of->tokens;
	to->rates += of->rates;
	to->prompts += of->prompts;
	to->marked |= of->marked;
}

void certain_join(struct certain_run *to, const struct certain_run *of)
{
	if (of->run.tokens > to->run.tokens)
		*to = *of;
}

static double share_of(const struct text_sums *before, const struct text_sums *since)
{
	return text_nats(since) / text_nats(before);
}

static double rise_of(const struct text_sums *before, const struct text_sums *since)
{
	return text_rate(since) - text_rate(before);
}

/* Rows and code are certain and repeat more than prose: where they begin, both change. Without a rate only a fall that
 * no content makes counts. */
bool is_fall(const struct text_sums *before, const struct text_sums *since)
{
	const double rise = rise_of(before, since);

	return share_of(before, since) <= limit_of(isnan(rise) ? T_FALL_DEEP : T_FALL_SHARE) &&
	       !(rise >= limit_of(T_FALL_RATE));
}

/* The log does not say itself how it repeats. */
static bool is_unmarked_loop(const struct text_sums *before, const struct text_sums *since)
{
	return !since->marked && share_of(before, since) <= limit_of(T_FALL_DEEP) &&
	       rise_of(before, since) >= limit_of(T_NEAR_LOOP_RISE);
}

static void note(struct certain_track *t)
{
	const struct certain_run now = { .run = t->run, .before = t->usual };

	if (is_fall(&t->usual, &t->run))
		certain_join(&t->same_rate, &now);
	if (is_unmarked_loop(&t->usual, &t->run))
		certain_join(&t->higher_rate, &now);
	if (share_of(&t->usual, &t->run) <= limit_of(T_FALL_SHARE))
		certain_join(&t->any_rate, &now);
}

void certain_block(struct certain_track *t)
{
	const double share = share_of(&t->usual, &t->block);
	const bool low = t->usual.tokens >= USUAL_TOKENS && share <= (t->run.tokens ? ENDS : BEGINS);

	if (!low)
		t->run = (struct text_sums){ .tokens = 0 };
	add(low ? &t->run : &t->usual, &t->block);
	add(&t->all, &t->block);
	t->block = (struct text_sums){ .tokens = 0 };
	if (low)
		note(t);
}

void certain_session(struct certain_track *sessions, const struct text_sums *text)
{
	sessions->block = *text;
	if (text->tokens)
		certain_block(sessions);
}

void certain_go_on(struct certain_track *sessions, const struct certain_track *later)
{
	certain_session(sessions, &later->usual);
	certain_session(sessions, &later->run);
}
