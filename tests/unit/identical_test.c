/* Watching changes nothing: tokens, logits and state are the same bits with it and without. */
#include "test.h"

#include "runtime/run.h"

#include <rwkvmon.h>

enum { TOKENS = 120, VOCAB_MAX = 1024 };

struct outcome {
	uint32_t token[TOKENS];
	float logits[TOKENS][VOCAB_MAX];
	float *state;
	size_t state_floats;
};

static void on_begin(void *mon)
{
	rwkvmon_begin(mon);
}

/* Everything that can be looked at is: the state itself, compared and copied by the collector. */
static void on_end(void *mon, const struct tap_step *s)
{
	struct rwkvmon_tensor tensor[256];
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = s->tokens,
				     .n_tokens = s->n_tokens,
				     .logits = s->logits,
				     .n_logits = s->vocab,
				     .state = tensor };

	for (size_t i = 0; i < s->n_state && i < 256; i++)
		tensor[step.n_state++] =
			(struct rwkvmon_tensor){ s->state[i].p, s->state[i].n, RWKVMON_F32,
						 s->state[i].part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT };
	rwkvmon_end(mon, &step);
}

static uint32_t likeliest(const float *logits, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		best = logits[i] > logits[best] ? i : best;
	return (uint32_t)best;
}

static struct outcome *generate(const struct model *m, const struct tap *tap)
{
	struct outcome *o = calloc(1, sizeof *o);
	size_t vocab = model_info(m)->n_vocab;
	uint32_t token = 72;
	struct run *run;

	assert_true(vocab <= VOCAB_MAX);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	for (int i = 0; i < TOKENS; i++) {
		assert_int_equal(run_forward(run, &(struct run_call){ .tokens = &token, .n = 1, .tap = tap }, NULL), 0);
		memcpy(o->logits[i], run_logits(run), vocab * sizeof(float));
		o->token[i] = token = likeliest(run_logits(run), vocab) ^ (uint32_t)(i % 3);
	}
	o->state_floats = model_info(m)->state_floats;
	o->state = malloc(o->state_floats * sizeof(float));
	memcpy(o->state, run_state_flat(run), o->state_floats * sizeof(float));
	run_close(run);
	return o;
}

static void tokens_logits_and_state_are_the_same_bits(void **state)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "/dev/null", .overhead_budget_pct = -1 };
	struct rwkvmon_totals totals = { 0 };
	struct outcome *with, *without;
	struct model *m;
	rwkvmon *mon;

	(void)state;
	assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
	assert_int_equal(rwkvmon_open(&mon, &cfg, NULL), 0);
	for (int stats = 0; stats < 2; stats++) { /* with and without the sums fused into the update */
		const struct tap tap = { .ctx = mon, .begin = on_begin, .end = on_end, .wants_state_stats = stats };

		without = generate(m, NULL);
		with = generate(m, &tap);
		assert_memory_equal(with->token, without->token, sizeof with->token);
		assert_memory_equal(with->logits, without->logits, sizeof with->logits);
		assert_memory_equal(with->state, without->state, with->state_floats * sizeof(float));
		free(with->state);
		free(without->state);
		free(with);
		free(without);
	}
	assert_int_equal(rwkvmon_close(mon, &totals), 0);
	assert_int_equal(totals.records, 2 * TOKENS);
	model_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tokens_logits_and_state_are_the_same_bits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
