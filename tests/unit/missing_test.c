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
		{ { 2, 4, 6, 8, 10, 12, 14, 16, 18, 16, 20 }, 11, 0, 9, 1 }, /* more holes than are looked at */
		{ { 0, 0, 0 }, 3, 0, 0, 0 },                                 /* without numbers */
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct missing_track t = track_of(cases[i].ordinal, cases[i].n);

		t.told = cases[i].told;
		assert_int_equal(missing_count(&t, 4), cases[i].missing);
		for (size_t cut = 0; cut <= cases[i].n; cut++) { /* and in two pieces */
			t = track_of(cases[i].ordinal, cut);
			t.told = cases[i].told;
			missing_rows(&t, cases[i].ordinal + cut, cases[i].n - cut);
			assert_int_equal(missing_count(&t, 4), cases[i].missing);
			assert_int_equal(t.doubled, cases[i].doubled);
		}
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
	t.range[0].from = 3; /* rotation took its beginning */
	assert_int_equal(missing_count(&t, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_between_numbers_are_counted_in_any_order),
		cmocka_unit_test(the_end_of_the_session_tells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
