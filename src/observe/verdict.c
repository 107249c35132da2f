/* verdict.c - windows of entropy and stillness; the default rules' limits as code. */
#include "observe/verdict.h"

#include <math.h>

enum {
	BYTE_VOCAB = 1024, /* at most so many tokens: bytes, which repeat more */
	LOOP_TOKENS = 80,
	LOOP_BYTES = 160,
	LOOP_EVIDENCE_TOKENS = 16, /* beyond a whole period */
	LOOP_EVIDENCE_BYTES = 48,
	NEAR_SHARE_BYTES_PCT = 86,
	LIKELIEST_BYTES = 60, /* that repeat, where the likeliest ones are drawn */
	NEAR_SHARE_PCT = 95,  /* rows of tables and JSON reach 94 */
	NEAR_TOKENS = 200,
	SURE_STEPS = 4, /* from the limit of nine tenths to that of the median: a factor of 2.07 */
};
static const double NEAR_SURPRISAL = 0.005, GUESS_ENTROPY = 0.55; /* of ln vocabulary */

/* Entropy that is low and always the same: nine tenths lie below one limit while the median lies above another that is
 * not far from it, since of code, copies and reasoning most tokens are certain and one in ten is open. */
static const double SURE_MOST = 0.11, SURE_STEP = 1.2; /* of ln vocabulary; from limit to limit */
static const double SURE_SHARE = 0.9;
static const double STILL = 0.999, JUMP = 0.001, LEAK = 1e-6;
static const double NATS_MOST = 4000; /* so that 1e6 of them fit 32 bits */

void verdict_reset(struct verdict_state *s, size_t vocab)
{
	double nats = vocab > 1 ? log((double)vocab) : -1, most = SURE_MOST * nats;

	*s = (struct verdict_state){ .vocab = vocab,
				     .near_nats = NEAR_SURPRISAL * nats,
				     .guess_nats = nats > 0 ? GUESS_ENTROPY * nats : INFINITY };
	for (int i = VERDICT_LIMITS; i-- > 0; most /= SURE_STEP)
		s->sure_nats[i] = (float)most;
}

static void note_sure(struct verdict_state *s, double nats)
{
	uint8_t level = 0;

	for (int step = 16; step; step /= 2) /* they rise, or all are below 0 */
		if (level + step <= VERDICT_LIMITS && !(nats < (double)s->sure_nats[level + step - 1]))
			level = (uint8_t)(level + step);
	if (s->sure_n == VERDICT_SURE_TOKENS)
		s->reached[s->sure[s->sure_at]]--;
	else
		s->sure_n++;
	s->reached[level]++;
	s->sure[s->sure_at] = level;
	s->sure_at = (s->sure_at + 1) % VERDICT_SURE_TOKENS;
}

static uint32_t micronats(double nats)
{
	return (uint32_t)((nats > 0 ? nats < NATS_MOST ? nats : NATS_MOST : 0) * 1e6); /* NaN: 0 */
}

static void note_surprisal(struct verdict_state *s, double nats)
{
	uint32_t micro = micronats(nats);

	s->surprisal_sum += (uint64_t)micro - s->surprisal[s->surprisal_at];
	s->surprisal[s->surprisal_at] = micro;
	s->surprisal_at = (s->surprisal_at + 1) % VERDICT_NEAR_TOKENS;
	s->surprisal_n += s->surprisal_n < VERDICT_NEAR_TOKENS;
}

static void note_entropy(struct verdict_state *s, double nats)
{
	uint32_t micro = micronats(nats);

	note_sure(s, nats);
	s->near_sum +=
		(uint64_t)micro -
		s->micronats[(s->entropy_at + VERDICT_GUESS_TOKENS - VERDICT_NEAR_TOKENS) % VERDICT_GUESS_TOKENS];
	s->guess_sum += (uint64_t)micro - s->micronats[s->entropy_at];
	s->micronats[s->entropy_at] = micro;
	s->entropy_at = (s->entropy_at + 1) % VERDICT_GUESS_TOKENS;
	s->entropy_n += s->entropy_n < VERDICT_GUESS_TOKENS;
}

static double number_of(const struct record *r, enum metric_id m)
{
	return record_has(r, m) ? r->metric[m] : 0;
}

void verdict_note(struct verdict_state *s, const struct record *r)
{
	s->sequence_length = r->sequence_length;
	s->call_tokens = r->token_count;
	s->jump = number_of(r, M_STATE_JUMP);
	s->leak = number_of(r, M_STATE_LEAK);
	s->nonfinite = number_of(r, M_NONFINITE_LOGITS) + number_of(r, M_NONFINITE_STATE);
	if (r->phase == PHASE_PREFILL)
		return;
	if (record_has(r, M_LOGITS_ENTROPY))
		note_entropy(s, r->metric[M_LOGITS_ENTROPY]);
	if (record_has(r, M_SURPRISAL_NATS) && !isnan(r->metric[M_SURPRISAL_NATS]))
		note_surprisal(s, r->metric[M_SURPRISAL_NATS]);
	if (record_has(r, M_STATE_SIMILARITY_SHIFT))
		s->frozen = r->metric[M_STATE_SIMILARITY_SHIFT] > STILL ? s->frozen + 1 : 0;
}

/* The token with which the last so many begin. */
static uint64_t first_of(const struct verdict_state *s, uint64_t span)
{
	return s->sequence_length > span ? s->sequence_length - span + 1 : 1;
}

static void fire(struct observed_verdict *v, enum verdict_sign sign, uint64_t first_bad, double sure)
{
	v->fires |= 1U << sign;
	v->first_bad[sign] = first_bad;
	if (sure > v->sure)
		v->sure = sure;
}

static double beyond(double limit, double value)
{
	return 1 - limit / (2 * value);
}

/* How many tokens have to repeat before the repetition is a loop; each token more is further evidence. */
static uint64_t loop_limit(uint32_t period, bool bytes)
{
	uint64_t whole = bytes                   ? period + LOOP_EVIDENCE_BYTES
			 : period <= CYCLE_SHORT ? cycle_needed(period)
						 : period + LOOP_EVIDENCE_TOKENS;
	uint64_t least = bytes ? LOOP_BYTES : LOOP_TOKENS;

	return whole > least ? whole : least;
}

/* Nothing new is said: what differs from a period before is expected, too. The fields of a table are not. */
static bool is_expected(const struct verdict_state *s)
{
	return s->surprisal_n == VERDICT_NEAR_TOKENS &&
	       (double)s->surprisal_sum < s->near_nats * 1e6 * VERDICT_NEAR_TOKENS;
}

static bool draws_likeliest(const struct verdict_state *s)
{
	return s->vocab && s->entropy_n >= VERDICT_NEAR_TOKENS && s->surprisal_n == VERDICT_NEAR_TOKENS &&
	       100 * s->surprisal_sum < VERDICT_LIKELIEST_PCT * s->near_sum;
}

static void judge_repetition(const struct verdict_state *s, const struct cycle *c, uint32_t share,
			     struct observed_verdict *v)
{
	bool bytes = v->bytes;
	uint32_t least = bytes ? NEAR_SHARE_BYTES_PCT : NEAR_SHARE_PCT;

	if (!c->period)
		return;
	if (cycle_repeats(c) && c->run >= loop_limit(c->period, bytes))
		fire(v, SIGN_LOOP, first_of(s, c->run), beyond((double)loop_limit(c->period, bytes), (double)c->run));
	if (!bytes && cycle_nearly(c))
		fire(v, SIGN_NEAR_LOOP, first_of(s, c->near.run), beyond(CYCLE_NEAR, c->near.run));
	if (share >= least && !(v->fires & 1U << SIGN_LOOP) &&
	    (bytes || (c->near.run >= NEAR_TOKENS && is_expected(s))))
		fire(v, SIGN_NEAR_LOOP, first_of(s, c->near.run > share ? c->near.run : share), beyond(least, share));
	else if (bytes && !v->fires && c->run >= LIKELIEST_BYTES && draws_likeliest(s))
		fire(v, SIGN_NEAR_LOOP, first_of(s, c->run), beyond(LIKELIEST_BYTES, (double)c->run));
}

/* Of the ring's tokens reached[VERDICT_LIMITS] lie below no limit: of most texts that is enough to know. */
static void judge_sure(const struct verdict_state *s, struct observed_verdict *v)
{
	const uint32_t most_above = (uint32_t)((1 - SURE_SHARE) * VERDICT_SURE_TOKENS);
	uint32_t below[VERDICT_LIMITS], n = 0; /* tokens below each limit */

	if (s->sure_n != VERDICT_SURE_TOKENS || s->reached[VERDICT_LIMITS] > most_above)
		return;
	for (int i = 0; i < VERDICT_LIMITS; i++)
		below[i] = n += s->reached[i];
	for (int i = VERDICT_LIMITS - 1; i >= SURE_STEPS && below[i] + most_above >= VERDICT_SURE_TOKENS; i--)
		if (below[i - SURE_STEPS] < VERDICT_SURE_TOKENS / 2)
			fire(v, SIGN_LOW_ENTROPY, first_of(s, VERDICT_SURE_TOKENS),
			     beyond(SURE_SHARE, (double)below[i] / VERDICT_SURE_TOKENS));
}

static void judge_entropy(const struct verdict_state *s, struct observed_verdict *v)
{
	double mean = (double)s->guess_sum / 1e6 / VERDICT_GUESS_TOKENS;

	judge_sure(s, v);
	if (s->entropy_n == VERDICT_GUESS_TOKENS && mean > s->guess_nats)
		fire(v, SIGN_HIGH_ENTROPY, first_of(s, VERDICT_GUESS_TOKENS), beyond(s->guess_nats, mean));
}

void verdict_of(const struct verdict_state *s, const struct cycle *c, struct observed_verdict *out)
{
	uint32_t share = cycle_share(c);

	*out = (struct observed_verdict){ .bytes = s->vocab <= BYTE_VOCAB, /* unknown: the stricter limits */
					  .repeat_share = (double)share / CYCLE_WINDOW,
					  .mean_entropy = s->entropy_n < VERDICT_NEAR_TOKENS
								  ? (double)NAN
								  : (double)s->near_sum / 1e6 / VERDICT_NEAR_TOKENS,
					  .mean_surprisal =
						  s->surprisal_n < VERDICT_NEAR_TOKENS
							  ? (double)NAN
							  : (double)s->surprisal_sum / 1e6 / VERDICT_NEAR_TOKENS,
					  .sequence_length = s->sequence_length };
	judge_repetition(s, c, share, out);
	judge_entropy(s, out);
	if (s->frozen >= VERDICT_FREEZE_TOKENS)
		fire(out, SIGN_FREEZE, first_of(s, s->frozen), beyond(VERDICT_FREEZE_TOKENS, (double)s->frozen));
	if (s->nonfinite > 0)
		fire(out, SIGN_NON_FINITE, first_of(s, s->call_tokens), 1);
	if (s->jump > JUMP)
		fire(out, SIGN_STATE_JUMP, first_of(s, s->call_tokens), beyond(JUMP, s->jump));
	if (s->leak > LEAK)
		fire(out, SIGN_STATE_LEAK, 1, beyond(LEAK, s->leak));
}
