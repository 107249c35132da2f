/* sampler.h - samples the next token from logits, like ChatRWKV's PIPELINE.sample_logits:
 *
 *   1. on a copy of the logits: banned tokens become -inf; every token seen so far loses
 *      presence + count * frequency
 *   2. p = softmax(logits), at temperature 1
 *   3. top_p: tokens less likely than the one with which the most likely ones first reach
 *      a mass of top_p are dropped; equals of that one stay
 *   4. top_k: of the rest only the k most likely stay (of equals the higher id)
 *   5. p = p^(1/temperature), made to sum to 1; one draw
 *
 * So the temperature acts after the truncation. Temperature 0 means top_p 0: the most
 * likely token, and a draw between equals. One difference on purpose: with top_p 1 the
 * original often becomes greedy, because its float sum stays below 1; here 1 drops nothing.
 *
 * Logits that are NaN or +infinity are never chosen and count as -infinity; the observer of the logits reports them. It
 * is an error if no finite logit is left.
 *
 * Random numbers are xoshiro256++ seeded through splitmix64, so that a seed gives the same
 * tokens on every machine whose logits are the same.
 *
 * Ownership  sampler_open creates, sampler_close destroys. Logits are only read.
 * Threads    a sampler belongs to one thread.
 * Cost       [hot] linear in the vocabulary, allocates nothing.
 */
#ifndef RWKVMON_RUNTIME_SAMPLER_H
#define RWKVMON_RUNTIME_SAMPLER_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct sampler_config {
	double temperature;     /* >= 0 */
	double top_p;           /* 0..1 */
	size_t top_k;           /* 0 = all */
	double presence;        /* taken from the logit of every token seen */
	double frequency;       /* times its count */
	double penalty_decay;   /* counts are multiplied by this at every token; 0.996 */
	bool spare_digits;      /* white space and digits are seen, but their counts stay 0 */
	const uint32_t *banned; /* (n_banned); copied */
	size_t n_banned;
	uint64_t seed;
};

/* Temperature 1, top_p 0.85, penalties 0.2 and 0.2 with decay 0.996, id 0 (end of text) banned, seed 0. */
struct sampler_config sampler_defaults(void);

struct sampler;

int sampler_open(struct sampler **out, size_t vocab, const struct sampler_config *cfg, struct err *err);
void sampler_close(struct sampler *s); /* NULL is fine */

/* [hot] Draws one token from logits (vocab). */
int sampler_draw(struct sampler *s, const float *logits, uint32_t *token, struct err *err);

/* [hot] Notes that the token was taken: counts decay, and its own grows. `text` is its bytes. */
void sampler_seen(struct sampler *s, uint32_t token, struct slice text);

/* Changes temperature, top_p, top_k, presence, frequency and penalty decay for later draws; the tokens seen, banned
 * tokens and random numbers stay. */
int sampler_adjust(struct sampler *s, const struct sampler_config *cfg, struct err *err);

/* The next draw cannot give this token, unless nothing else is left. */
void sampler_avoid(struct sampler *s, uint32_t token);

/* Forgets the tokens seen; the random numbers continue. */
void sampler_reset(struct sampler *s);

/* The token of the largest logit; a NaN is never it, unless all are. */
size_t logits_likeliest(const float *logits, size_t n);

#endif
