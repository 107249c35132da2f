/* Looking into JSON texts of others. */
#include "test.h"

#include "base/json_read.h"

static void members_are_found_where_they_are(void **state)
{
	static const struct {
		const char *text, *value;
	} cases[] = {
		{ "{\"code\":0}", "0" },
		{ " { \"msg\" : \"\\\"code\\\":0\" , \"code\" : 19001 } ", "19001" },
		{ "{\"a\":{\"code\":1},\"b\":[\"code\",{\"code\":2}],\"code\":3}", "3" },
		{ "{\"code\":\"x,y}\"}", "\"x,y}\"" },
		{ "{\"code\":{\"a\":[1,2]}}", "{\"a\":[1,2]}" },
		{ "{\"code\":-5,\"b\":1}", "-5" },
		{ "", "" },
		{ "{}", "" },
		{ "[\"code\",1]", "" },
		{ "{\"code\"", "" },
		{ "{\"code\":", "" },
		{ "{\"code\":}", "" },
		{ "{\"code\":\"never ends", "" },
		{ "{\"a\":[[[[,\"code\":1}", "" },
		{ "{\"a\":1;\"code\":1}", "" },
		{ "\"code\":1", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct slice value = json_read_member(slice_of(cases[i].text), "code");

		if (!slice_is(value, cases[i].value))
			fail_msg("%s: found %.*s", cases[i].text, SLICE_ARG(value));
	}
}

static void texts_are_decoded(void **state)
{
	struct buf out = { 0 };
	int64_t whole;

	(void)state;
	assert_true(json_read_text(&out, slice_of("\"a\\\"\\\\\\n\\u00e9\\ud83d\\ude00\\ud83d\\u003c\"")));
	assert_string_equal(out.p, "a\"\\\n\u00e9\U0001F600\uFFFD<");
	assert_false(json_read_text(&out, slice_of("\"a\" ")));
	assert_false(json_read_text(&out, slice_of("\"a")));
	assert_false(json_read_text(&out, slice_of("\"a\\\"")));
	assert_false(json_read_text(&out, slice_of("1")));
	assert_true(json_read_whole(slice_of("-12"), &whole) && whole == -12);
	buf_clear(&out);
	assert_int_equal(json_read_string(&out, slice_of("\"a\\uZ\\u12\" rest")), 10);
	assert_string_equal(out.p, "a\uFFFDZ\uFFFD12");
	assert_int_equal(json_read_string(&out, slice_of("\"a")), 0);
	assert_false(json_read_whole(slice_of("1.5"), &whole));
	assert_true(json_read_whole(slice_of("9223372036854775807"), &whole) && whole == INT64_MAX);
	assert_false(json_read_whole(slice_of("9223372036854775808"), &whole));
	assert_false(json_read_whole(slice_of("+1"), &whole));
	assert_false(json_read_whole(slice_of(""), &whole));
	assert_false(json_read_whole(slice_of("\"1\""), &whole));
	buf_free(&out);
}

static void numbers_are_those_of_json(void **state)
{
	static const char *const none[] = { "1e400", "-1e400", "nan", "inf", "0x10", "+1", ".5",
					    "1.",    "1e",     " 1",  "1 ",  "",     "-" };
	double x = 0;

	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (json_read_number(slice_of(none[i]), &x))
			fail_msg("%s is read as %g", none[i], x);
	assert_true(json_read_number(slice_of("-12.5E-1"), &x) && x == -1.25);
	assert_true(json_read_number(slice_of("1e-400"), &x) && x == 0);
	assert_true(json_read_number(slice_of("0.1000000000000000055511151231257827021181583404541015625"), &x) &&
		    x == 0.1);
}

static size_t count(const char *text, bool *whole)
{
	struct slice element;
	size_t at = 0, n = 0;

	while (json_read_element(slice_of(text), &at, &element))
		n++;
	*whole = at != SIZE_MAX;
	return n;
}

static void lists_end_where_they_end(void **state)
{
	bool whole;

	(void)state;
	assert_true(count("[]", &whole) == 0 && whole);
	assert_true(count(" [ 1 , \"a]\" , [2,3] ] ", &whole) == 3 && whole);
	assert_true(count("[1,2", &whole) == 2 && !whole);
	assert_true(count("[1 2]", &whole) == 1 && !whole);
	assert_true(count("[1]]", &whole) == 1 && !whole);
	assert_true(count("[1,]", &whole) == 1 && !whole);
	assert_true(count("[] x", &whole) == 0 && !whole);
	assert_true(count("{\"a\":1}", &whole) == 0 && !whole);
	assert_true(count("", &whole) == 0 && !whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_where_they_are),
		cmocka_unit_test(texts_are_decoded),
		cmocka_unit_test(numbers_are_those_of_json),
		cmocka_unit_test(lists_end_where_they_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
