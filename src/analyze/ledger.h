/* ledger.h - where the time of a run went: what the diagnosis asks and no summary of one metric tells.
 *
 * Pauses between calls, the cost of a token by the length of its sequence and of its chunk, prompts turn by turn, and
 * what the session said about itself. Needs each session's steps in the log's order.
 *
 * Ownership  ledger_open, ledger_close; ledger_finish copies into the caller's arena.
 * Cost       [hot] ledger_step: a few sums, no allocation but when time buckets are made.
 * Units      ms, tokens; a pause is from the end of a call to the start of the next of its sequence, up to 1 s.
 */
#ifndef RWKVMON_ANALYZE_LEDGER_H
#define RWKVMON_ANALYZE_LEDGER_H

#include "base/arena.h"
#include "record/record.h"
#include "stats/buckets.h"

enum { LEDGER_POINTS_MAX = 256, LEDGER_BINS = 32 };

/* Decode calls in one stretch of time; a mean of nothing is NAN. */
struct ledger_point {
	int64_t from_us, to_us;
	uint64_t calls;
	double decode_ms, pause_ms;
};

/* Calls whose length (of sequence or chunk) is in [2^i, 2^(i+1)). */
struct ledger_bin {
	uint64_t calls, tokens;
	double length; /* sum of the lengths */
	double ms;     /* sum of the calls' time */
	uint64_t repetitions;
	double repetition_pct; /* sum */
};

/* Sums for a line through (x, y). */
struct ledger_line {
	double n, x, y, xx, yy, xy;
};

struct ledger {
	struct ledger_point *point; /* (n_points), by time */
	size_t n_points;
	struct ledger_bin by_length[LEDGER_BINS]; /* decode calls, by the sequence's tokens */
	struct ledger_bin by_chunk[LEDGER_BINS];  /* prefill calls, by their own tokens */
	uint64_t decode_calls, decode_tokens, prefill_calls, prefill_tokens;
	double decode_ms, prefill_ms, pause_ms; /* sums */

	/* Pauses by what they may depend on: thousands of tokens of the sequence, and minutes since the log's start. */
	struct ledger_line pause_length, pause_time;
	double length_time; /* sum of their products */

	uint64_t sequences; /* with a prompt */
	struct ledger_line prompts; /* tokens by turn */
	double first_prompt, last_prompt, prompt_tokens;
	uint64_t leaks, leaks_checked;

	bool has_start;		     /* a session_start was there */
	struct field_values about;   /* the first one's SESSION fields */
	uint64_t sessions_started;
};

/* Per session: what its next step is held against. */
struct ledger_track {
	int64_t end_us; /* of its last step; 0: none */
	uint32_t sequence;
	bool begun, in_prompt;
	uint64_t turn;
	double prompt; /* tokens of the present prompt */
};

struct ledger_book {
	struct ledger sum; /* all but point */
	struct buckets over_time;
	struct arena texts;
	int64_t from_us;
	bool failed;
};

bool ledger_open(struct ledger_book *c);
void ledger_close(struct ledger_book *c);

/* [hot] */
void ledger_step(struct ledger_book *c, struct ledger_track *t, const struct record *rec);
void ledger_start(struct ledger_book *c, const struct record *rec);
/* The session's last prompt is over. */
void ledger_end(struct ledger_book *c, struct ledger_track *t);

/* Adds what `from` has seen; the pause between the two is lost. */
void ledger_merge(struct ledger_book *into, const struct ledger_book *from);

/* NULL when memory is out. */
const struct ledger *ledger_finish(const struct ledger_book *c, struct arena *arena);

#endif
