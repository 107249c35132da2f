/* States to go back to: the prompt's end always, ever fewer longer ago, and what follows from one is what followed
 * then. */
#include "test.h"

#include "runtime/checkpoints.c" /* which ones are kept */
#include "runtime/model.h"

#include <stdlib.h>

enum { TOKENS = 3000 };

static struct model *model;
static struct run *run;

static int open_all(void **state)
{
	(void)state;
	return model_open_embedded(&model, NULL, NULL) || run_open(&run, model, NULL, NULL);
}

static int close_all(void **state)
{
	(void)state;
	run_close(run);
	model_close(model);
	return 0;
}

static uint32_t token_at(uint64_t position)
{
	return 32 + (uint32_t)(position * position % 91);
}

static void feed(uint64_t position)
{
	uint32_t token = token_at(position);

	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = &token, .n = 1 }, NULL), 0);
}

static void two_states_must_fit(void **state)
{
	size_t bytes = model_info(model)->state_floats * sizeof(float),
	       logits = model_info(model)->n_vocab * sizeof(float);
	struct checkpoints *c;
	struct err err;

	(void)state;
	assert_true(checkpoints_open(&c, run, 2 * bytes + logits - 1, &err) < 0);
	assert_null(c);
	assert_non_null(strstr(err.text, "going back takes two"));
	assert_non_null(strstr(err.hint, "--rewind-memory 1"));
	assert_int_equal(checkpoints_open(&c, run, 2 * bytes + logits, &err), 0);
	assert_int_equal(checkpoints_bytes(c), 2 * bytes + logits);
	assert_int_equal(checkpoints_bytes(NULL), 0);
	checkpoints_close(c);
	checkpoints_close(NULL);
}

/* A number that tells the state and the logits after position p, where p tokens were fed. */
static float *logits_after;

static void what_followed_follows_again(void **state)
{
	size_t vocab = model_info(model)->n_vocab, bytes = model_info(model)->state_floats * sizeof(float);
	static const uint64_t targets[] = { TOKENS, TOKENS - 1, 2900, 2500, 1000, 65, 64, 1, 0, 0 };
	struct checkpoints *c;
	size_t n;

	(void)state;
	logits_after = calloc((size_t)(TOKENS + 1) * vocab, sizeof *logits_after);
	assert_int_equal(checkpoints_open(&c, run, 16 * bytes, NULL), 0);
	feed(77777);
	checkpoints_begin(c, run);
	memcpy(logits_after, run_logits(run), vocab * sizeof(float));
	for (uint64_t at = 1; at <= TOKENS; at++) {
		feed(at);
		memcpy(logits_after + at * vocab, run_logits(run), vocab * sizeof(float));
		checkpoints_pass(c, run, at, false);
	}
	n = c->n;
	assert_int_equal(n, CHECKPOINTS_MAX);
	assert_int_equal(c->kept[0].position, 0);
	assert_true(c->kept[n - 1].position + CHECKPOINT_TOKENS > TOKENS);
	for (size_t i = 2; i < n; i++) /* far apart longer ago, close together lately; never a hole of more than half */
		assert_true(TOKENS - c->kept[i - 1].position <=
			    4 * (TOKENS - c->kept[i].position) + 4 * CHECKPOINT_TOKENS);
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		uint64_t from = checkpoints_return(c, run, targets[i]);

		assert_true(from < targets[i] || !targets[i]);
		for (uint64_t at = from + 1; at <= targets[i]; at++)
			feed(at);
		assert_memory_equal(run_logits(run), logits_after + targets[i] * vocab, vocab * sizeof(float));
	}
	checkpoints_pass(c, run, CHECKPOINT_TOKENS - 1, false); /* and on from there */
	assert_int_equal(c->n, 1);
	checkpoints_pass(c, run, CHECKPOINT_TOKENS, false);
	assert_int_equal(c->n, 2);
	checkpoints_close(c);
	free(logits_after);
}

/* Where a rewind is likely, little has to be fed again; the prompt's end and older states stay. */
static void near_states_leave_little_to_feed(void **state)
{
	enum { BACK = 61 };
	size_t bytes = model_info(model)->state_floats * sizeof(float);
	struct checkpoints *c;
	uint64_t fed = 0, n = 0, from;

	(void)state;
	for (uint64_t end = 300; end < 700; end += 37, n++) {
		assert_int_equal(checkpoints_open(&c, run, 16 * bytes, NULL), 0);
		checkpoints_begin(c, run);
		for (uint64_t at = 1; at <= end; at++)
			checkpoints_pass(c, run, at, true);
		assert_true(c->kept[0].position == 0 && c->kept[1].position < end / 2);
		from = checkpoints_return(c, run, end - BACK);
		fed += end - BACK - from;
		checkpoints_close(c);
	}
	assert_true(fed <= n * CHECKPOINT_NEAR_TOKENS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_states_must_fit),
		cmocka_unit_test(what_followed_follows_again),
		cmocka_unit_test(near_states_leave_little_to_feed),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
