/* What is missing of a session, by the numbers of its lines and by what its end says. */
#include "test.h"

#include "analyze/missing.h"

static struct missing_track track_of(const uint64_t *ordinal, size_t n)
{
	struct missing_track t = { 0 };

	missing_rows(&t, ordinal, n);
	return t;
}

static void holes_between_numbers_are_counted_in_any_order(void **state)
{
	static const struct {
		uint64_t ordinal[16], n, told, missing, doubled;
	} cases[] = {
		{ { 1, 2, 3, 4 }, 4, 0, 0, 0 },
		{ { 1, 2, 5, 6 }, 4, 0, 2, 0 },
		{ { 6, 2, 1, 5 }, 4, 0, 2, 0 },    /* in another order */
		{ { 2, 9, 5, 7, 3 }, 5, 0, 3, 0 }, /* and from hole to hole */
		{ { 2, 9, 5, 7, 3, 8, 6, 4 }, 8, 0, 0, 0 },
		{ { 1, 2, 9, 10 }, 4, 6, 0, 0 },      /* a gap line tells of six */
		{ { 1, 5000, 5001 }, 3, 0, 0, 0 },    /* rotation took what was before */
		{ { 1, 2, 1, 3, 1, 4 }, 6, 0, 0, 0 }, /* each file begins with the session's first line */
		{ { 2, 3, 2, 3 }, 4, 0, 0, 2 },       /* twice is not missing */
		{ { 2, 3, 8, 3, 2, 8, 9 }, 7, 0, 4, 3 },
		{ { 2, 4, 6, 8, 10, 12, 14, 16, 18, 16, 20 }, 11, 0, 9, 1 },
		{ { 500, 9, 70, 7, 8, 6, 5, 9 }, 8, 0, 489, 1 },
		{ { 0, 0, 0 }, 3, 0, 0, 0 }, /* without numbers */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct missing_track t = track_of(cases[i].ordinal, cases[i].n);

		t.told = cases[i].told;
		assert_int_equal(missing_count(&t, 4), cases[i].missing);
		missing_free(&t);
		for (size_t cut = 0; cut <= cases[i].n; cut++) { /* and in two pieces */
			t = track_of(cases[i].ordinal, cut);
			t.told = cases[i].told;
			missing_rows(&t, cases[i].ordinal + cut, cases[i].n - cut);
			assert_int_equal(missing_count(&t, 4), cases[i].missing);
			assert_int_equal(t.doubled, cases[i].doubled);
			missing_free(&t);
		}
	}
}

/* In any order and with repetitions, as a plain array of flags has it. */
static void numbers_are_held_exactly(void **state)
{
	enum { SPAN = 3000, ADDED = 6000 };

	(void)state;
	for (uint32_t seed = 1; seed < 60; seed++) {
		struct number_set s = { 0 };
		bool there[SPAN] = { false };
		uint64_t count = 0, base = seed % 3 ? 1 : UINT64_MAX / 4;
		uint32_t x = seed, spread = seed % 7 ? SPAN : 200, next = seed % 5 ? 0 : SPAN / 2;

		for (int i = 0; i < ADDED; i++) {
			x = x * 1664525 + 1013904223;
			next = (x >> 28) < seed % 16 ? (x >> 8) % spread : (next + 1) % SPAN;
			assert_true(number_set_add(&s, base + next) == !there[next]);
			count += !there[next];
			there[next] = true;
			assert_true(s.count == count);
		}
		for (uint32_t n = 0; n < SPAN; n++)
			assert_true(number_set_add(&s, base + n) == !there[n]);
		assert_true(s.from == base && s.to == base + SPAN - 1 && s.count == SPAN && !s.failed);
		number_set_free(&s);
	}
}

static void the_end_of_the_session_tells(void **state)
{
	struct field_values totals = { 0 };
	struct record start = { .event = EVENT_SESSION_START }, end = { .event = EVENT_SESSION_END, .extra = &totals };
	struct missing_track t = { 0 };

	(void)state;
	fields_set_number(&totals, F_TOTAL_RECORDS, 301);
	fields_set_number(&totals, F_TOTAL_DROPPED, 1);
	missing_event(&t, &end);
	assert_int_equal(missing_count(&t, 250), 0); /* its beginning is not there: nothing is known */
	missing_event(&t, &start);
	assert_int_equal(missing_count(&t, 250), 51); /* the dropped one, too: no gap line reports it */
	assert_int_equal(missing_count(&t, 301), 0);
	assert_int_equal(missing_count(&t, 600), 0);
	t.told = 1;
	assert_int_equal(missing_count(&t, 300), 0);
	missing_rows(&t, (const uint64_t[]){ 2, 3, 4 }, 3);
	assert_int_equal(missing_count(&t, 3), 297);
	missing_rows(&t, (const uint64_t[]){ 2, 3, 4 }, 3);
	assert_int_equal(missing_count(&t, 6), 297);
	missing_free(&t);
	t = (struct missing_track){ 0 };
	missing_event(&t, &end);
	missing_rows(&t, (const uint64_t[]){ 3, 4 }, 2); /* rotation took its beginning */
	assert_int_equal(missing_count(&t, 2), 0);
	missing_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_between_numbers_are_counted_in_any_order),
		cmocka_unit_test(numbers_are_held_exactly),
		cmocka_unit_test(the_end_of_the_session_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
