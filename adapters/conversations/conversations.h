/* conversations.h - to which conversation a call of one model belongs, by the state that it is given.
 *
 * A state is known by a number for its contents. A call whose state a call returned last belongs to that conversation;
 * one whose state was returned earlier begins a branch, a stream with the length it had there; one with no known state
 * begins a new sequence of the stream used last. The conversation before it is put aside and goes on as a stream of its
 * own when its state comes back; from then on each new conversation is a stream (conversations_take_turns: from the
 * beginning, so that what a conversation said before another began is in its own session). Conversations with equal
 * prompts return equal states: such a state belongs to the one whose call put it where it is, else to the one
 * conversation that stopped at it; if none or several did, it begins a branch that says so (`branch_candidates`).
 *
 * A program whose states have no contents to know them by says where a state is instead: a `struct place`, which it
 * keeps beside the state and copies with it.
 *
 * Threads  one thread at a time, that of the handle.
 * Bounds   as many conversations as are asked for, each with its latest state, and 4096 earlier states are remembered;
 *          of those that passed one state, 4. Where max-streams allows no more streams, a further conversation ends the
 * one that is silent for longest and in no call; while all others are in one, its calls are counted as dropped. */
#ifndef RWKVMON_ADAPTERS_CONVERSATIONS_H
#define RWKVMON_ADAPTERS_CONVERSATIONS_H

#include <rwkvmon.h>
#include <stdbool.h>

struct conversations;

/* In a conversation, so many tokens from its beginning; id 0: in none. */
struct place {
	uint64_t id, length;
	uint32_t candidates; /* 2 or more: so many conversations have a state like the one here, this one the latest */
};

/* `most` conversations are remembered: at least three more than one call has, and four. NULL: no memory. */
struct conversations *conversations_open(rwkvmon *mon, size_t most);
/* Before the handle. Returns how many conversations were ended early, because max-streams allowed no more. */
uint64_t conversations_close(struct conversations *c);

struct given_state {
	uint64_t number;    /* for its contents */
	const void *buffer; /* where it lies; NULL: not known. What a call put there is its conversation's */
};

/* Would a call with that state begin a branch of a conversation that has gone on since? */
bool conversations_goes_back(const struct conversations *c, const struct given_state *state);

/* A call succeeded that was given that state (NULL: none); conversations_end follows. One that failed is nobody's: it
 * leaves all as it was. Returns its stream, NULL: the handle's own; *fresh: it begins a sequence. */
rwkvmon_stream *conversations_begin(struct conversations *c, const struct given_state *state, bool *fresh);

/* It fed so many tokens, and returned that state (NULL: none; the next call then goes on). */
void conversations_end(struct conversations *c, const struct given_state *state, size_t n_tokens);

/* -- by places ----------------------------------------------------------------------------------- */

/* A call, which may be over several states, is about to be recorded. */
void conversations_call(struct conversations *c);

/* So many tokens of it, on the state at *place, which goes along. Returns as conversations_begin. */
rwkvmon_stream *conversations_go_on(struct conversations *c, struct place *place, size_t n_tokens, bool *fresh);

/* The state at `from`, the latest of its conversation, was given up for the one at `to`: if that is an earlier one of
 * the same conversation, it goes on from there. */
void conversations_go_back(struct conversations *c, struct place from, struct place to);

/* No state at `place` is left. A conversation of which none is remembered has ended. */
void conversations_leave(struct conversations *c, struct place place);

/* A state that was put away, by a number for its contents; from now on each new conversation is a stream. */
void conversations_remember(struct conversations *c, uint64_t number, struct place place);

/* Where that state is; id 0: it is not remembered. */
struct place conversations_recall(const struct conversations *c, uint64_t number);

/* Each new conversation is a stream, from now on. */
void conversations_take_turns(struct conversations *c);

#endif
