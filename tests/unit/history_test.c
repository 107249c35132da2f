/* Prompts that hold the conversation before them are told by lengths; documents in any order are not taken for them. */
#include "test.h"

#include "analyze/history.h"

#include <math.h>
#include <stdbool.h>

static void assert_near(double got, double want)
{
	assert_true(fabs(got - want) <= 1e-9);
}

static struct exchange seen[HISTORY_EXCHANGES];

static uint32_t draw(uint64_t *seed, uint32_t low, uint32_t high)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return low + (uint32_t)(*seed >> 33) % (high - low + 1);
}

/* So many conversations of so many turns, each prompt with all that was said before it. */
static size_t chats(uint32_t n_chats, uint32_t turns, bool at_random, uint64_t seed)
{
	uint32_t held[64] = { 0 }, left[64];
	size_t n = 0;

	for (uint32_t i = 0; i < n_chats; i++)
		left[i] = turns;
	while (n < (size_t)n_chats * turns) {
		uint32_t chat = at_random ? draw(&seed, 0, n_chats - 1) : (uint32_t)(n % n_chats);

		if (!left[chat])
			continue;
		left[chat]--;
		seen[n] = (struct exchange){ held[chat] + draw(&seed, 8, 90), draw(&seed, 40, 220), 1 };
		held[chat] = seen[n].prompt + seen[n].answer;
		n++;
	}
	return n;
}

static void one_conversation_follows_itself(void **state)
{
	struct history h;
	size_t n = chats(1, 10, false, 3);

	(void)state;
	history_of(&h, seen, n, HISTORY_FEW);
	assert_near(h.follow_last, 9);
	assert_near(h.follow, 9);
	assert_near(h.overlap, 0);
	assert_near(h.down, 0);
	assert_near(h.depth, 4.5);
	assert_near(h.first, seen[0].prompt);
	assert_near(h.refed + h.added + h.first, h.tokens);
	assert_true(h.foreign < 1);
}

static void several_conversations_follow_earlier_exchanges(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct history h;
		size_t n = chats(4, 8, seed % 2 == 1, seed);

		history_of(&h, seen, n, HISTORY_FEW);
		assert_true(h.follow >= (double)n - 5);
		assert_true(h.astray <= 0.1);
		assert_true(h.down > 0);
	}
}

/* Many that take turns fit their own answers alone. */
static void many_conversations_fit_their_own_answers(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		assert_true(history_fits_own(seen, chats(16, 10, false, seed)) > 4);
}

static void documents_fit_any_answer(void **state)
{
	uint64_t seed = 5;
	int above = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct history h;
		size_t n = 40;

		for (size_t i = 0; i < n; i++) /* sorted, then at random */
			seen[i] = (struct exchange){ round < 10 ? 60 + (uint32_t)i * 40 : draw(&seed, 60, 2000),
						     draw(&seed, 20, 160), 1 };
		history_of(&h, seen, n, HISTORY_FEW);
		assert_true(round >= 10 || (h.down == 0 && h.foreign > 100));
		above += history_fits_own(seen, n) > 4;
	}
	assert_int_equal(above, 0);
}

static void what_cannot_be_told_is_zero(void **state)
{
	struct history h;

	(void)state;
	history_of(&h, seen, 0, HISTORY_FEW);
	assert_near(h.n, 0);
	assert_true(isnan(history_fits_own(seen, 0)));
	for (size_t i = 0; i < 20; i++)
		seen[i] = (struct exchange){ 100 * (uint32_t)i + 50, 80, 1 };
	assert_true(isnan(history_fits_own(seen, 20))); /* all answers have one length */
	for (size_t i = 0; i < 20; i++)
		seen[i] = (struct exchange){ UINT32_MAX, i % 2 ? UINT32_MAX : 0, 1 };
	assert_true(history_fits_own(seen, 20) < 100);
	history_of(&h, seen, 20, HISTORY_MANY);
	assert_near(h.follow, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_conversation_follows_itself),
		cmocka_unit_test(several_conversations_follow_earlier_exchanges),
		cmocka_unit_test(many_conversations_fit_their_own_answers),
		cmocka_unit_test(documents_fit_any_answer),
		cmocka_unit_test(what_cannot_be_told_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
