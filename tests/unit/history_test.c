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
		seen[n] = (struct exchange){ held[chat] + draw(&seed, 8, 90), draw(&seed, 40, 220), false };
		held[chat] = seen[n].prompt + seen[n].answer;
		n++;
	}
	return n;
}

/* From the limit on, prompts hold the conversation before them. */
static const double LIMIT = 6;

static void one_conversation_follows_itself(void **state)
{
	struct history h;
	size_t n = chats(1, 10, false, 3);

	(void)state;
	history_of(&h, seen, n);
	assert_true(h.likelihood > LIMIT);
	assert_near(h.follow, 9);
	assert_near(h.first, seen[0].prompt);
	assert_near(h.refed, h.tokens - seen[9].prompt + h.answer * 10 - seen[9].answer);
}

/* In turn and at random, a few and many. */
static void several_conversations_follow_earlier_exchanges(void **state)
{
	static const uint32_t of[] = { 2, 3, 4, 6, 12 };
	int found = 0;

	(void)state;
	for (size_t k = 0; k < sizeof of / sizeof *of; k++)
		for (uint64_t seed = 1; seed <= 20; seed++) {
			struct history h;
			size_t n = chats(of[k], 8, seed % 2 == 1, seed);

			history_of(&h, seen, n);
			found += h.likelihood > LIMIT && h.follow >= 0.75 * (double)n;
		}
	assert_in_range(found, 95, 100);
}

/* Messages that are longer than the answers between them. */
static void short_answers_are_followed(void **state)
{
	int found = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t random = seed;
		uint32_t held[3] = { 0 };
		struct history h;

		for (size_t i = 0; i < 36; i++) {
			uint32_t *chat = &held[draw(&random, 0, 2)];

			seen[i] = (struct exchange){ *chat + draw(&random, 20, 60), draw(&random, 8, 20), false };
			*chat = seen[i].prompt + seen[i].answer;
		}
		history_of(&h, seen, 36);
		found += h.likelihood > LIMIT;
	}
	assert_in_range(found, 19, 20);
}

enum documents {
	SORTED,
	IN_ORDER,   /* with gaps that are wider than answers */
	IN_BATCHES, /* each sorted */
	AT_RANDOM,
	WITH_A_SHARED_BEGINNING,
	GROWING, /* as time goes by */
	DOCUMENTS
};

static uint32_t document(enum documents kind, uint32_t i, uint32_t n, uint64_t *seed)
{
	switch (kind) {
	case SORTED:
		return 60 + i * 40 + draw(seed, 0, 39);
	case IN_ORDER:
		return 60 + i * 200 + draw(seed, 0, 79);
	case IN_BATCHES:
		return 60 + i % 12 * 90 + draw(seed, 0, 89);
	case AT_RANDOM:
		return draw(seed, 60, 2000);
	case WITH_A_SHARED_BEGINNING:
		return 1500 + draw(seed, 60, 600);
	default:
		return (100 + 900 * i / n) * draw(seed, 60, 140) / 100;
	}
}

static void documents_are_no_conversation(void **state)
{
	int taken = 0;

	(void)state;
	for (int kind = 0; kind < DOCUMENTS; kind++)
		for (uint64_t round = 1; round <= 20; round++) {
			uint64_t seed = round;
			uint32_t n = 20 + (uint32_t)round;
			struct history h;

			for (uint32_t i = 0; i < n; i++)
				seen[i] = (struct exchange){ document((enum documents)kind, i, n, &seed),
							     draw(&seed, 20, 160), false };
			history_of(&h, seen, n);
			taken += h.likelihood > LIMIT;
		}
	assert_in_range(taken, 0, 1);
}

/* Conversations whose state is kept feed their messages alone, beside one that feeds its history. */
static void what_goes_on_is_not_fed_anew(void **state)
{
	struct exchange anew[40];
	uint64_t seed = 9;
	uint32_t held = 0;
	struct history h;

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		bool kept = i % 4;

		seen[i] = (struct exchange){ draw(&seed, 8, 90) + (kept ? 0 : held), draw(&seed, 40, 220),
					     kept && i > 3 };
		held = kept ? held : seen[i].prompt + seen[i].answer;
	}
	assert_int_equal(history_fed_anew(anew, seen, 40), 13);
	history_of(&h, anew, 13);
	assert_true(h.likelihood > LIMIT);
	seen[0].goes_on = true;
	for (size_t i = 2; i < 40; i++)
		seen[i].goes_on = true;
	assert_int_equal(history_fed_anew(anew, seen, 40), 40); /* nothing is known to begin anew */
}

static void what_cannot_be_told_is_zero(void **state)
{
	struct history h;

	(void)state;
	history_of(&h, seen, 0);
	assert_near(h.n, 0);
	assert_near(h.likelihood, 0);
	for (size_t i = 0; i < 20; i++)
		seen[i] = (struct exchange){ UINT32_MAX, i % 2 ? UINT32_MAX : 0, false };
	history_of(&h, seen, 20);
	assert_true(isfinite(h.likelihood));
	assert_near(h.follow, 0);
	for (size_t i = 0; i < 20; i++)
		seen[i] = (struct exchange){ 100, 80, false };
	history_of(&h, seen, 20);
	assert_true(h.likelihood < 0);
	history_of(&h, seen, 1);
	assert_near(h.likelihood, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_conversation_follows_itself),
		cmocka_unit_test(several_conversations_follow_earlier_exchanges),
		cmocka_unit_test(short_answers_are_followed),
		cmocka_unit_test(documents_are_no_conversation),
		cmocka_unit_test(what_goes_on_is_not_fed_anew),
		cmocka_unit_test(what_cannot_be_told_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
