/* course.h - what happened in the course of a run: what the diagnosis asks and no summary of one metric tells.
 *
 * Pauses between calls, the cost of a token by the length of its sequence and of its chunk, prompts turn by turn, and
 * what the session said about itself. Needs each session's steps in the log's order.
 *
 * Ownership  course_open, course_close; course_finish copies into the caller's arena.
 * Cost       [hot] course_step: a few sums, no allocation but when time buckets are made.
 * Units      ms, tokens; a pause is from the end of a call to the start of the next of its sequence, up to 1 s.
 */
#ifndef RWKVMON_ANALYZE_COURSE_H
#define RWKVMON_ANALYZE_COURSE_H

#include "base/arena.h"
#include "record/record.h"
#include "stats/buckets.h"

enum { COURSE_POINTS_MAX = 256, COURSE_BINS = 32 };

/* Decode calls in one stretch of time; a mean of nothing is NAN. */
struct course_point {
	int64_t from_us, to_us;
	uint64_t calls;
	double decode_ms, pause_ms;
};

/* Calls whose length (of sequence or chunk) is in [2^i, 2^(i+1)). */
struct course_bin {
	uint64_t calls, tokens;
	double length; /* sum of the lengths */
	double ms;     /* sum of the calls' time */
	uint64_t repetitions;
	double repetition_pct; /* sum */
};

/* Sums for a line through (x, y). */
struct course_line {
	double n, x, y, xx, yy, xy;
};

struct course {
	struct course_point *point; /* (n_points), by time */
	size_t n_points;
	struct course_bin by_length[COURSE_BINS]; /* decode calls, by the sequence's tokens */
	struct course_bin by_chunk[COURSE_BINS];  /* prefill calls, by their own tokens */
	uint64_t decode_calls, decode_tokens, prefill_calls, prefill_tokens;
	double decode_ms, prefill_ms, pause_ms; /* sums */

	/* Pauses by what they may depend on: thousands of tokens of the sequence, and minutes since the log's start. */
	struct course_line pause_length, pause_time;
	double length_time; /* sum of their products */

	uint64_t sequences; /* with a prompt */
	struct course_line prompts; /* tokens by turn */
	double first_prompt, last_prompt, prompt_tokens;
	uint64_t leaks, leaks_checked;

	bool has_start;		     /* a session_start was there */
	struct field_values about;   /* the first one's SESSION fields */
	uint64_t sessions_started;
};

/* Per session: what its next step is held against. */
struct course_track {
	int64_t end_us; /* of its last step; 0: none */
	uint32_t sequence;
	bool begun, in_prompt;
	uint64_t turn;
	double prompt; /* tokens of the present prompt */
};

struct course_log {
	struct course sum; /* all but point */
	struct buckets over_time;
	struct arena texts;
	int64_t from_us;
	bool failed;
};

bool course_open(struct course_log *c);
void course_close(struct course_log *c);

/* [hot] */
void course_step(struct course_log *c, struct course_track *t, const struct record *rec);
void course_start(struct course_log *c, const struct record *rec);
/* The session's last prompt is over. */
void course_end(struct course_log *c, struct course_track *t);

/* Adds what `from` has seen; the pause between the two is lost. */
void course_merge(struct course_log *into, const struct course_log *from);

/* NULL when memory is out. */
const struct course *course_finish(const struct course_log *c, struct arena *arena);

#endif
