/* sampler.c - penalties, sharpening, top-k and top-p by buckets instead of a full sort. */
#include "runtime/sampler.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Probabilities in [0, 1] by the top bits of their pattern, which sort like the numbers: 16
 * buckets per power of two. The bucket that holds a threshold is the only one to be sorted. */
enum { BUCKET_SHIFT = 19, BUCKETS = (0x3f800000 >> BUCKET_SHIFT) + 1 };

static const uint32_t NOTHING = UINT32_MAX;

struct bucket {
	double mass;
	uint32_t count;
};

struct sampler {
	struct sampler_config cfg;
	struct arena arena;
	size_t vocab;
	float *p;       /* (vocab): penalised logits, then probabilities */
	float *sorted;  /* (vocab): members of one bucket */
	double *counts; /* (vocab) */
	uint32_t *seen; /* (n_seen): tokens in order of their first occurrence */
	bool *is_seen;  /* (vocab) */
	size_t n_seen;
	uint32_t avoided; /* by the next draw; NOTHING */
	struct bucket *buckets;
	uint64_t random[4];
};

struct sampler_config sampler_defaults(void)
{
	static const uint32_t end_of_text = 0;

	return (struct sampler_config){ .temperature = 1,
					.top_p = 0.85,
					.presence = 0.2,
					.frequency = 0.2,
					.penalty_decay = 0.996,
					.banned = &end_of_text,
					.n_banned = 1 };
}

/* -- random numbers: Blackman and Vigna, xoshiro256++ 1.0 and splitmix64 ------------------ */

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

/* In [0, 1). */
static double uniform(uint64_t s[4])
{
	uint64_t out = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return (double)(out >> 11) * 0x1p-53;
}

/* -- life -------------------------------------------------------------------------------- */

static int check(const struct sampler_config *c, size_t vocab, struct err *err)
{
	if (!(c->temperature >= 0) || isinf(c->temperature))
		return err_set(err, ERR_USAGE, "temperature %g; expected a number of 0 or more", c->temperature);
	if (!(c->top_p >= 0 && c->top_p <= 1))
		return err_set(err, ERR_USAGE, "top_p %g; expected a number from 0 to 1", c->top_p);
	if (!isfinite(c->presence) || !isfinite(c->frequency))
		return err_set(err, ERR_USAGE, "penalties %g and %g; expected finite numbers", c->presence,
			       c->frequency);
	if (!(c->penalty_decay >= 0 && c->penalty_decay <= 1))
		return err_set(err, ERR_USAGE, "penalty decay %g; expected a number from 0 to 1", c->penalty_decay);
	for (size_t i = 0; i < c->n_banned; i++)
		if (c->banned[i] >= vocab)
			return err_set(err, ERR_USAGE, "banned token %u; expected less than %zu", c->banned[i], vocab);
	return 0;
}

int sampler_open(struct sampler **out, size_t vocab, const struct sampler_config *cfg, struct err *err)
{
	int rc = check(cfg, vocab, err);
	struct sampler *s = rc ? NULL : calloc(1, sizeof *s);
	uint64_t state = cfg->seed;
	uint32_t *banned;

	*out = NULL;
	if (rc)
		return rc;
	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for sampling");
	s->cfg = *cfg;
	s->vocab = vocab;
	s->p = arena_alloc(&s->arena, vocab, sizeof *s->p);
	s->sorted = arena_alloc(&s->arena, vocab, sizeof *s->sorted);
	s->counts = arena_alloc(&s->arena, vocab, sizeof *s->counts);
	s->seen = arena_alloc(&s->arena, vocab, sizeof *s->seen);
	s->is_seen = arena_alloc(&s->arena, vocab, sizeof *s->is_seen);
	s->buckets = arena_alloc(&s->arena, BUCKETS, sizeof *s->buckets);
	banned = arena_alloc(&s->arena, cfg->n_banned, sizeof *banned);
	if (s->arena.failed) {
		sampler_close(s);
		return err_set(err, ERR_NOMEM, "no memory for sampling from %zu tokens", vocab);
	}
	for (size_t i = 0; i < cfg->n_banned; i++)
		banned[i] = cfg->banned[i];
	s->cfg.banned = banned;
	s->avoided = NOTHING;
	for (int i = 0; i < 4; i++)
		s->random[i] = splitmix64(&state);
	*out = s;
	return 0;
}

void sampler_close(struct sampler *s)
{
	if (!s)
		return;
	arena_free(&s->arena);
	free(s);
}

void sampler_reset(struct sampler *s)
{
	memset(s->counts, 0, s->vocab * sizeof *s->counts);
	memset(s->is_seen, 0, s->vocab * sizeof *s->is_seen);
	s->n_seen = 0;
}

int sampler_adjust(struct sampler *s, const struct sampler_config *cfg, struct err *err)
{
	struct sampler_config next = s->cfg;
	int rc;

	next.temperature = cfg->temperature;
	next.top_p = cfg->top_p;
	next.top_k = cfg->top_k;
	next.presence = cfg->presence;
	next.frequency = cfg->frequency;
	next.penalty_decay = cfg->penalty_decay;
	rc = check(&next, s->vocab, err);
	if (!rc)
		s->cfg = next;
	return rc;
}

void sampler_avoid(struct sampler *s, uint32_t token)
{
	s->avoided = token;
}

size_t logits_likeliest(const float *logits, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (logits[i] > logits[best] || isnan(logits[best]))
			best = i;
	return best;
}

/* -- steps of one draw --------------------------------------------------------------------- */

static void penalise(struct sampler *s, const float *logits)
{
	memcpy(s->p, logits, s->vocab * sizeof *s->p);
	for (size_t i = 0; i < s->cfg.n_banned; i++)
		s->p[s->cfg.banned[i]] = -INFINITY;
	for (size_t i = 0; i < s->n_seen; i++) {
		uint32_t token = s->seen[i];

		s->p[token] -= (float)(s->cfg.presence + s->counts[token] * s->cfg.frequency);
	}
}

/* False when no logit is finite. */
static bool softmax(float *p, size_t n)
{
	float top = -INFINITY;
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(p[i]) && p[i] > top)
			top = p[i];
	if (!isfinite(top))
		return false;
	for (size_t i = 0; i < n; i++) {
		p[i] = isfinite(p[i]) ? expf(p[i] - top) : 0;
		sum += (double)p[i];
	}
	for (size_t i = 0; i < n; i++)
		p[i] = (float)((double)p[i] / sum);
	return true;
}

static uint32_t bucket_of(float p)
{
	uint32_t bits;

	memcpy(&bits, &p, sizeof bits);
	bits >>= BUCKET_SHIFT;
	return bits < BUCKETS ? bits : BUCKETS - 1;
}

static void fill_buckets(struct sampler *s)
{
	memset(s->buckets, 0, BUCKETS * sizeof *s->buckets);
	for (size_t i = 0; i < s->vocab; i++) {
		struct bucket *b = &s->buckets[bucket_of(s->p[i])];

		b->mass += (double)s->p[i];
		b->count++;
	}
}

static int falling(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x < y) - (x > y);
}

static size_t sort_bucket(struct sampler *s, uint32_t bucket)
{
	size_t n = 0;

	for (size_t i = 0; i < s->vocab; i++)
		if (bucket_of(s->p[i]) == bucket)
			s->sorted[n++] = s->p[i];
	qsort(s->sorted, n, sizeof *s->sorted, falling);
	return n;
}

/* The probability with which the most likely ones, added up from the top, first reach `mass`. */
static float cutoff_of_mass(struct sampler *s, double mass)
{
	uint32_t b = BUCKETS - 1;
	double sum = 0;
	size_t n;

	fill_buckets(s);
	for (; b && (!s->buckets[b].count || sum + s->buckets[b].mass < mass); b--)
		sum += s->buckets[b].mass;
	n = sort_bucket(s, b);
	for (size_t i = 0; i < n; i++) {
		sum += (double)s->sorted[i];
		if (sum >= mass)
			return s->sorted[i];
	}
	return 0; /* rounding left the whole just below mass */
}

static void keep_mass(struct sampler *s, double mass)
{
	float cutoff = mass < 1 ? cutoff_of_mass(s, mass) : 0;

	for (size_t i = 0; i < s->vocab; i++)
		if (s->p[i] < cutoff)
			s->p[i] = 0;
}

/* Only the k most likely; of those equal to the last one, the higher ids. */
static void keep_count(struct sampler *s, size_t k)
{
	uint32_t b = BUCKETS - 1;
	size_t above = 0, equal = 0;
	float last;

	if (!k || k >= s->vocab)
		return;
	fill_buckets(s);
	for (; above + s->buckets[b].count < k; b--)
		above += s->buckets[b].count;
	sort_bucket(s, b);
	last = s->sorted[k - above - 1];
	for (size_t i = 0; i < k - above; i++)
		equal += s->sorted[i] == last;
	for (size_t i = s->vocab; i-- > 0;)
		if (s->p[i] < last || (s->p[i] == last && !equal))
			s->p[i] = 0;
		else if (s->p[i] == last)
			equal--;
}

/* Powers of p / max, so that the best stays at 1 however small the temperature. */
static void sharpen(struct sampler *s, double temperature)
{
	double sum = 0, top = 0;

	for (size_t i = 0; i < s->vocab; i++)
		top = fmax(top, (double)s->p[i]);
	for (size_t i = 0; i < s->vocab; i++) {
		if (s->p[i] > 0 && temperature != 1)
			s->p[i] = (float)pow((double)s->p[i] / top, 1 / temperature);
		sum += (double)s->p[i];
	}
	for (size_t i = 0; i < s->vocab; i++)
		s->p[i] = (float)((double)s->p[i] / sum);
}

static uint32_t draw(struct sampler *s)
{
	double total = 0, at, sum = 0;
	uint32_t last = 0;

	for (size_t i = 0; i < s->vocab; i++)
		total += (double)s->p[i];
	at = uniform(s->random) * total;
	for (size_t i = 0; i < s->vocab; i++) {
		if (!(s->p[i] > 0))
			continue;
		last = (uint32_t)i;
		sum += (double)s->p[i];
		if (at < sum)
			break;
	}
	return last;
}

/* Is there a finite logit besides that token's? */
static bool has_other(const float *p, size_t n, uint32_t token)
{
	for (size_t i = 0; i < n; i++)
		if (i != token && isfinite(p[i]))
			return true;
	return false;
}

static void leave_out_avoided(struct sampler *s)
{
	if (s->avoided < s->vocab && has_other(s->p, s->vocab, s->avoided))
		s->p[s->avoided] = -INFINITY;
	s->avoided = NOTHING;
}

int sampler_draw(struct sampler *s, const float *logits, uint32_t *token, struct err *err)
{
	double temperature = s->cfg.temperature;

	penalise(s, logits);
	leave_out_avoided(s);
	if (!softmax(s->p, s->vocab)) {
		err_set(err, ERR_UNSUPPORTED, "no logit is finite: there is nothing to sample from");
		return err_hint(err, "The model overflowed. Run it with the strategy \"cpu fp32\", and check "
				     "that the file is whole.");
	}
	keep_mass(s, temperature > 0 ? s->cfg.top_p : 0);
	keep_count(s, s->cfg.top_k);
	sharpen(s, temperature > 0 ? temperature : 1);
	*token = draw(s);
	return 0;
}

void sampler_seen(struct sampler *s, uint32_t token, struct slice text)
{
	static const char spared[] = " \t0123456789";
	bool spare = s->cfg.spare_digits && text.n < sizeof spared && memmem(spared, sizeof spared - 1, text.p, text.n);

	if (token >= s->vocab)
		return;
	for (size_t i = 0; i < s->n_seen; i++)
		s->counts[s->seen[i]] *= s->cfg.penalty_decay;
	if (!s->is_seen[token]) {
		s->is_seen[token] = true;
		s->seen[s->n_seen++] = token;
	}
	s->counts[token] += spare ? 0 : 1;
}
