/* compare_eval.c - judges what `compare` says of groups of runs: of equals, and of such that differ by 10 %.
 *
 *     compare_eval [--seed N] [--pairs N] [--row TEXT]
 *
 * --row: only rows whose name holds the text.
 *
 * Runs have what logs have: prompts and answers, latency with a memory (AR 0.9 to 0.999), rare slow calls, content that
 * differs per request; and each metric its own level in each run, so that many questions are asked of equals at once.
 * How far levels lie apart from run to run, and by which distribution, is the row's.
 */
#include "analyze/compare.h"
#include "random.h"

#include <stdio.h>
#include <stdlib.h>

enum spread { NORMAL, HEAVY, TWO_KINDS };

struct kind {
	const char *name;
	size_t runs[2], steps;
	double memory, low[2], high[2]; /* spread from run to run of each side, drawn between */
	enum spread how;
	double rare; /* share of calls that take 3 to 8 times as long */
};

static const struct kind kinds[] = {
	{ "AR 0.99, 2 %", { 3, 3 }, 10000, 0.99, { 0.02, 0.02 }, { 0.02, 0.02 }, NORMAL, 0.001 },
	{ "AR 0.999, 2 %", { 3, 3 }, 10000, 0.999, { 0.02, 0.02 }, { 0.02, 0.02 }, NORMAL, 0.001 },
	{ "AR 0.9, 0 %", { 3, 3 }, 3000, 0.9, { 0, 0 }, { 0, 0 }, NORMAL, 0.001 },
	{ "AR 0.99, 3-8 %", { 3, 3 }, 3000, 0.99, { 0.03, 0.03 }, { 0.08, 0.08 }, NORMAL, 0.001 },
	{ "AR 0.9, 3-8 %, heavy, 1 % slow", { 3, 3 }, 3000, 0.9, { 0.03, 0.03 }, { 0.08, 0.08 }, HEAVY, 0.01 },
	{ "AR 0.9, 3-8 %, two kinds", { 3, 3 }, 3000, 0.9, { 0.03, 0.03 }, { 0.08, 0.08 }, TWO_KINDS, 0.001 },
	{ "AR 0.9, 2 % against 6 %", { 3, 3 }, 3000, 0.9, { 0.02, 0.06 }, { 0.02, 0.06 }, NORMAL, 0.001 },
	{ "AR 0.99, 3-8 %, 5 runs", { 5, 5 }, 3000, 0.99, { 0.03, 0.03 }, { 0.08, 0.08 }, NORMAL, 0.001 },
	{ "AR 0.99, 2 %, 3 and 6 runs", { 3, 6 }, 3000, 0.99, { 0.02, 0.02 }, { 0.02, 0.02 }, NORMAL, 0.001 },
};

enum { KINDS = sizeof kinds / sizeof *kinds, CHUNK = 64 };

static double exponential(void)
{
	return -log(unit());
}

/* By what factor one run is off. HEAVY: Student's with 3 degrees of freedom; TWO_KINDS: a third of all runs are slow.
 */
static double off(enum spread how, double sd)
{
	double squares = 0;

	if (how == TWO_KINDS)
		return exp(sd * 2.12 * ((unit() < 1.0 / 3) - 1.0 / 3));
	for (int i = 0; i < 3; i++)
		squares += pow(normal(), 2) / 3;
	return exp(sd * normal() / (how == HEAVY ? sqrt(3 * squares) : 1));
}

struct run {
	struct compare_side *side;
	struct field_values fields;
	char id[32];
	double decode, prefill, memory, unsure, unlike; /* levels: ms, ms per token, MiB, nats, 1 - similarity */
	double z;                                       /* of the latency */
};

static void add(struct run *r, enum phase phase, double ms, double tokens, double entropy, double to_first)
{
	struct record rec = {
		.event = EVENT_INFERENCE_STEP, .phase = phase, .token_count = (uint32_t)tokens, .session = &r->fields
	};

	record_set(&rec, M_TOKEN_LATENCY_MS, rint(ms / tokens * 1000) / 1000);
	record_set(&rec, M_CHUNK_PROCESS_TIME_MS, rint(ms * 1000) / 1000);
	record_set(&rec, M_THROUGHPUT_TPS, rint(tokens / ms * 1e5) / 100);
	record_set(&rec, M_PROCESS_MEMORY_MB, rint(10 * r->memory * (1 + 0.001 * unit())) / 10);
	record_set(&rec, M_LOGITS_ENTROPY, rint(entropy * 1e4) / 1e4);
	record_set(&rec, M_SURPRISAL_NATS, rint(fmin(entropy * exponential(), 20) * 1e4) / 1e4);
	record_set(&rec, M_STATE_SIMILARITY, 1 - rint(fmin(r->unlike * exponential(), 1) * 1e4) / 1e4);
	if (to_first > 0)
		record_set(&rec, M_TIME_TO_FIRST_TOKEN_MS, rint(to_first * 1000) / 1000);
	compare_side_add(r->side, &rec, fields_text(&r->fields, F_SESSION_ID));
}

static double noise(struct run *r, const struct kind *k, double slow, double fast)
{
	r->z = k->memory * r->z + sqrt(1 - k->memory * k->memory) * normal();
	return exp(slow * r->z + fast * normal()) * (unit() < k->rare ? 3 + 5 * unit() : 1);
}

static void request(struct run *r, const struct kind *k, double sd, size_t answer)
{
	double level = r->unsure * exp(0.3 * normal()), slow = sd * sqrt(0.7), fast = sd * sqrt(0.3), to_first = 0;
	int chunks = 1 + (int)(unit() * 5);

	for (int i = 0; i < chunks; i++) {
		double ms = CHUNK * r->prefill * noise(r, k, slow, fast);

		to_first += ms;
		add(r, PHASE_PREFILL, ms, CHUNK, level * exp(0.5 * normal()), i + 1 == chunks ? to_first : 0);
	}
	for (size_t i = 0; i < answer; i++)
		add(r, PHASE_DECODE, r->decode * noise(r, k, slow, fast), 1, level * exp(0.8 * normal() - 0.3), 0);
}

/* One run of a program that needs `ms` for a token; sd: of its noise. */
static void add_run(struct compare_side *side, unsigned number, const struct kind *k, double ms, double sd,
		    double spread)
{
	struct run r = { .side = side, .z = normal() };
	size_t left = k->steps;

	r.decode = ms * off(k->how, spread);
	r.prefill = 0.25 * ms * off(k->how, spread);
	r.memory = 3000 * off(k->how, spread);
	r.unsure = 2 * off(k->how, spread);
	r.unlike = 0.06 * off(k->how, spread);
	snprintf(r.id, sizeof r.id, "rwkv-sess-%06x", number);
	fields_set_text(&r.fields, F_SESSION_ID, slice_of(r.id));
	while (left) {
		size_t answer = 60 + (size_t)(unit() * 400);

		answer = answer < left ? answer : left;
		request(&r, k, sd, answer);
		left -= answer;
	}
}

struct score {
	int wrong, any, found, unknown;
};

static bool is_told(enum difference_verdict v)
{
	return v != DIFFERENCE_UNKNOWN && v != DIFFERENCE_NONE;
}

static bool any_told(const struct comparison *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (is_told(c->row[i].median) || is_told(c->row[i].p95))
			return true;
	return false;
}

/* Two sides, the second `factor` times as slow. */
static bool compare_pair(const struct kind *k, double factor, struct comparison *c)
{
	double ms = exp(log(4) + unit() * log(30)), sd = 0.03 + 0.07 * unit(), of_spread = unit();
	struct compare_side *side[2] = { NULL, NULL };
	struct err err = { 0 };
	bool fine = true;

	for (int s = 0; s < 2 && fine; s++) {
		fine = !compare_side_open(&side[s], COMPARE_WARMUP, &err);
		for (size_t run = 0; fine && run < k->runs[s]; run++)
			add_run(side[s], (unsigned)run, k, s ? ms * factor : ms, sd,
				k->low[s] + of_spread * (k->high[s] - k->low[s]));
	}
	fine = fine && !compare_sides(side[0], side[1], c, &err);
	if (!fine)
		fprintf(stderr, "%s\n", err.text);
	for (int s = 0; s < 2; s++)
		compare_side_close(side[s]);
	return fine;
}

static bool judge(const struct kind *k, int pairs, struct score *out)
{
	*out = (struct score){ 0 };
	for (int i = 0; i < pairs; i++) {
		struct comparison c;
		bool slower = unit() < 0.5;

		if (!compare_pair(k, 1, &c))
			return false;
		out->wrong += is_told(c.verdict);
		out->unknown += c.verdict == DIFFERENCE_UNKNOWN;
		out->any += any_told(&c);
		comparison_free(&c);
		if (!compare_pair(k, slower ? 1.1 : 1 / 1.1, &c))
			return false;
		out->found += c.verdict == (slower ? DIFFERENCE_WORSE : DIFFERENCE_BETTER);
		comparison_free(&c);
	}
	return true;
}

/* A share with Wilson's 95 % interval. */
static void put_share(int of, int n)
{
	double z = 1.96, p = (double)of / n, middle = (p + z * z / (2 * n)) / (1 + z * z / n);
	double half = z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / (1 + z * z / n);

	printf(" %4d/%d = %4.1f %% [%4.1f, %5.1f]", of, n, 100 * p, 100 * fmax(middle - half, 0),
	       100 * fmin(middle + half, 1));
}

int main(int argc, char **argv)
{
	int pairs = 5, all = 0, wrong = 0, any = 0;
	const char *row = "";
	struct score s;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed ^= strtoull(argv[i + 1], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15);
		if (!strcmp(argv[i], "--pairs"))
			pairs = (int)strtol(argv[i + 1], NULL, 10);
		if (!strcmp(argv[i], "--row"))
			row = argv[i + 1];
	}
	if (pairs < 1 || argc % 2 == 0)
		return 2;
	printf("%-32s %-29s %-29s %-29s %s\n", "runs: memory, spread", "equals: faster or slower",
	       "equals: any metric told", "10 % found", "equals: cannot tell");
	for (size_t k = 0; k < KINDS; k++) {
		if (!strstr(kinds[k].name, row))
			continue;
		if (!judge(&kinds[k], pairs, &s))
			return 3;
		printf("%-32s", kinds[k].name);
		put_share(s.wrong, pairs);
		put_share(s.any, pairs);
		put_share(s.found, pairs);
		printf(" %4d\n", s.unknown);
		fflush(stdout);
		all += pairs;
		wrong += s.wrong;
		any += s.any;
	}
	printf("%-32s", "all");
	put_share(wrong, all ? all : 1);
	put_share(any, all ? all : 1);
	printf("\nto reach: equals told apart <= 5 %%; 10 %% found >= 90 %% (AR 0.99, 2 %%, 3 runs of 10,000 steps a "
	       "side)\n");
	return 0;
}
