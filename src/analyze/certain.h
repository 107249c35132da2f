/* certain.h - where a session's text becomes far more certain than the text before it in the same session.
 *
 * Generated tokens are taken in blocks. A block whose entropy is far below what was usual begins a run, which lasts
 * until entropy is nearly back. Of the runs in which the text repeats as much as before, and of those in which it
 * repeats far more, the longest one is kept.
 *
 * Ownership  plain values; a zeroed struct is empty.
 */
#ifndef RWKVMON_ANALYZE_CERTAIN_H
#define RWKVMON_ANALYZE_CERTAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Sums over generated tokens. */
struct text_sums {
	double nats, rate; /* rate: share of repeated tokens, % */
	uint32_t tokens, rates, prompts;
	int64_t from_us;
	bool marked; /* the log says itself how it repeats */
};

struct certain_run {
	struct text_sums run, before; /* no tokens: there was none */
	const char *session_id;       /* once it is known */
};

/* One session. */
struct certain_track {
	struct text_sums usual, block, run;
	bool in_prompt;
	struct certain_run same_rate, higher_rate;
};

/* [hot] A prompt is read; then a token is generated (rate NAN: unknown). */
void certain_prompt(struct certain_track *t);
void certain_token(struct certain_track *t, double nats, double rate, bool marked, int64_t time_us);

/* Means; NAN: of none. */
double text_nats(const struct text_sums *s);
double text_rate(const struct text_sums *s);

/* Did entropy fall while the text repeats no more? */
bool is_fall(const struct text_sums *before, const struct text_sums *since);

/* The longer one. */
void certain_join(struct certain_run *to, const struct certain_run *of);

#endif
