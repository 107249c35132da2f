/* token_alarms.c - feeds streams of token ids to the collector through rwkvmon.h and leaves its alarms in a file.
 *
 *     token_alarms ALARM_FILE [RULES] <streams
 *
 * A stream on standard input is 5 words of 32 bits, in this machine's order: the number of prompt tokens, of generated
 * tokens, the first generated token from which the model is sure of itself (0: never), a seed, the vocabulary's size;
 * then the tokens, whose highest bit says that a model would know it (the next number of a count). Each stream is a
 * session of its own, named stream-0, stream-1, …; latency is 20 ms, entropy and surprisal are those of a model with
 * the spread that models have, which copies: what followed the last tokens before is expected again, the more the
 * longer they are and the more often it did. So what comes back is certain, and the changing cells of a table surprise.
 * Alarms are JSON lines of the collector's own; exit code 0 when every stream was fed and no alarm was lost.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rwkvmon.h"

enum { PROMPT, GENERATED, SURE_FROM, SEED, VOCAB, N_HEAD };
enum { MAX_TOKENS = 1 << 22, PROMPT_CHUNK = 256 };
enum { ORDERS = 3, CONTEXTS = 1 << 16, LONGEST = 16 };
static const uint32_t KNOWN = UINT32_C(1) << 31;
static const int order[ORDERS] = { LONGEST, 6, 3 }; /* tokens */

/* What followed a context last, and how often that was right when the context came again. */
struct context {
	uint32_t next; /* 1 + token; 0: none yet */
	float right, wrong;
};

struct model {
	uint64_t random;
	double mood; /* log entropy, as a deviation with memory */
	int entropy, surprisal, latency, chunk, throughput;
	uint32_t last[LONGEST]; /* the newest at 0 */
	size_t n;
	struct context context[ORDERS][CONTEXTS];
};

static struct context *context_of(struct model *m, int k)
{
	uint64_t h = (uint64_t)k;

	for (int i = 0; i < order[k]; i++)
		h = (h ^ m->last[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return &m->context[k][h >> 48];
}

/* The chance that the model gives to what its longest known context leads to, 0 without one, and whether that comes. */
static double expected(struct model *m, uint32_t token, int *comes)
{
	*comes = 0;
	for (int k = 0; k < ORDERS; k++) {
		const struct context *c = context_of(m, k);

		if (m->n < (size_t)order[k] || !c->next)
			continue;
		*comes = c->next == token + 1;
		return (double)(c->right + 1.0F) / (double)(c->right + c->wrong + (k ? 2.0F : 1.1F));
	}
	return 0;
}

/* Old trials count for less, so that the model learns a change. */
static void learn(struct model *m, uint32_t token)
{
	uint32_t next = (token & ~KNOWN) + 1;

	for (int k = 0; k < ORDERS; k++) {
		struct context *c = context_of(m, k);

		if (c->next) {
			c->right = 0.98F * c->right + (c->next == next);
			c->wrong = 0.98F * c->wrong + (c->next != next);
		}
		c->next = next;
	}
	memmove(m->last + 1, m->last, (LONGEST - 1) * sizeof *m->last);
	m->last[0] = token & KNOWN ? KNOWN : token; /* what follows a count does not depend on its number */
	m->n++;
}

static double uniform(struct model *m)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return ((double)(m->random >> 11) + 0.5) / 9007199254740992.0;
}

static double gauss(struct model *m)
{
	return sqrt(-2 * log(uniform(m))) * cos(6.283185307179586 * uniform(m));
}

/* Entropy before the token and its surprisal: of a guess, `base` nats, and of what is copied. */
static void predict(struct model *m, uint32_t token, double base, double *entropy, double *surprisal)
{
	int comes;
	double p = token & KNOWN ? (comes = 1, 0.97) : expected(m, token, &comes), q = 1 - p;

	if (p > 0) { /* copies are certain to very different degrees */
		q = fmin(q * exp(1.5 * gauss(m)), 0.8);
		p = 1 - q;
	}

	*entropy = fmin(q * base - (p > 0 ? p * log(p) : 0) - (q > 0 ? q * log(q) : 0), 9);
	*surprisal = comes ? -log(p) : fmin(-log(uniform(m)) * base * 0.8 - log(q), 20);
	learn(m, token);
}

/* One call of n tokens; `sure`: 1 when the model expects what it is fed. */
static void feed(rwkvmon *mon, struct model *m, const uint32_t *tokens, size_t n, int prompt, int sure)
{
	struct rwkvmon_number numbers[5];
	uint32_t ids[PROMPT_CHUNK];
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = ids, .n_tokens = n, .numbers = numbers };
	double entropy = 0, surprisal = 0, ms = prompt ? 20 + 0.5 * (double)n : 20 + gauss(m);

	for (size_t i = 0; i < n; i++) {
		m->mood = 0.6 * m->mood + 0.8 * gauss(m);
		predict(m, tokens[i], fmin(1.6 * exp(0.8 * m->mood), 9) * (sure ? 0.15 : 1), &entropy, &surprisal);
		ids[i] = tokens[i] & ~KNOWN;
	}
	step.phase = prompt ? RWKVMON_PREFILL : RWKVMON_DECODE;
	numbers[0] = (struct rwkvmon_number){ m->entropy, entropy };
	numbers[1] = (struct rwkvmon_number){ m->latency, ms / (double)n };
	numbers[2] = (struct rwkvmon_number){ m->chunk, ms };
	numbers[3] = (struct rwkvmon_number){ m->throughput, 1000 * (double)n / ms };
	numbers[4] = (struct rwkvmon_number){ m->surprisal, surprisal };
	step.n_numbers = prompt ? 4 : 5;
	rwkvmon_begin(mon);
	rwkvmon_end(mon, &step);
}

static int one_stream(struct model *m, const uint32_t *head, const uint32_t *tokens, size_t index, const char *alarms,
		      const char *rules)
{
	char session[32], to[4096], why[RWKVMON_ERROR_BYTES];
	const char *const receivers[] = { to, NULL };
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .rules = rules,
				      .session_id = session,
				      .alarm_to = receivers,
				      .block_when_full = 1,
				      .overhead_budget_pct = -1,
				      .model_name = "streams",
				      .strategy = "cpu fp32",
				      .chunk_len = PROMPT_CHUNK,
				      .vocab_size = head[VOCAB] };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	rwkvmon *mon;

	memset(m, 0, sizeof *m);
	m->random = 88172645463325252u ^ ((uint64_t)head[SEED] << 20 | 1);
	snprintf(to, sizeof to, "file+%s", alarms);
	m->entropy = rwkvmon_metric("logits_entropy");
	m->surprisal = rwkvmon_metric("surprisal_nats");
	m->latency = rwkvmon_metric("token_latency_ms");
	m->chunk = rwkvmon_metric("chunk_process_time_ms");
	m->throughput = rwkvmon_metric("throughput_tps");
	snprintf(session, sizeof session, "stream-%zu", index);
	if (rwkvmon_open(&mon, &cfg, why)) {
		fprintf(stderr, "token_alarms: %s\n", why);
		return -1;
	}
	for (size_t i = 0; i < head[PROMPT]; i += PROMPT_CHUNK) {
		size_t left = head[PROMPT] - i;

		feed(mon, m, tokens + i, left < PROMPT_CHUNK ? left : PROMPT_CHUNK, 1, 0);
	}
	for (uint32_t i = 0; i < head[GENERATED]; i++)
		feed(mon, m, tokens + head[PROMPT] + i, 1, 0, head[SURE_FROM] && i >= head[SURE_FROM]);
	rwkvmon_close(mon, &totals);
	if (totals.dropped || totals.undelivered) {
		fprintf(stderr, "token_alarms: %s: %llu records dropped, %llu alarms undelivered %s\n", session,
			(unsigned long long)totals.dropped, (unsigned long long)totals.undelivered,
			totals.undelivered_why);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t head[N_HEAD], *tokens = malloc(MAX_TOKENS * sizeof *tokens);
	struct model *model = malloc(sizeof *model);
	int failed = 0;

	if (argc < 2 || !tokens || !model) {
		fprintf(stderr, "usage: token_alarms ALARM_FILE [RULES] <streams\n");
		free(tokens);
		free(model);
		return 2;
	}
	for (size_t index = 0; fread(head, sizeof head, 1, stdin) == 1; index++) {
		size_t n = (size_t)head[PROMPT] + head[GENERATED];

		if (n > MAX_TOKENS || fread(tokens, sizeof *tokens, n, stdin) != n) {
			fprintf(stderr, "token_alarms: stream %zu is torn\n", index);
			failed = 1;
			break;
		}
		failed |= one_stream(model, head, tokens, index, argv[1], argc > 2 ? argv[2] : NULL) != 0;
	}
	free(tokens);
	free(model);
	return failed;
}
