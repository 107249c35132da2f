/* The JSON writer: commas, colons, escapes and depth are its own. */
#include "test.h"

#include "base/json.h"

#include <math.h>

static void is_written(struct buf *b, const char *want)
{
	assert_string_equal(b->p, want);
	buf_free(b);
}

static void commas_stand_where_they_are_due(void **state)
{
	struct buf b = { 0 };
	struct json j = { .out = &b };

	(void)state;
	jw_object(&j);
	jw_put_object(&j, "empty");
	jw_end(&j);
	jw_put_array(&j, "list");
	jw_u64(&j, UINT64_MAX);
	jw_i64(&j, INT64_MIN);
	jw_array(&j);
	jw_end(&j);
	jw_object(&j);
	jw_put_bool(&j, "a", true);
	jw_put_bool(&j, "b", false);
	jw_end(&j);
	jw_raw(&j, slice_of("{\"c\":1}"));
	jw_end(&j);
	jw_members(&j, slice_of("{\"d\":1,\"e\":2}"));
	jw_members(&j, slice_of("{}"));
	jw_put_u64(&j, "f", 3);
	jw_end(&j);
	is_written(&b, "{\"empty\":{},\"list\":[18446744073709551615,-9223372036854775808,[],{\"a\":true,\"b\":false},"
		       "{\"c\":1}],\"d\":1,\"e\":2,\"f\":3}");
}

static void what_is_unknown_is_null_and_texts_are_escaped(void **state)
{
	struct buf b = { 0 };
	struct json j = { .out = &b };

	(void)state;
	jw_array(&j);
	jw_double(&j, NAN);
	jw_decimal(&j, INFINITY, 2);
	jw_digits(&j, NAN, 6);
	jw_text(&j, NULL);
	jw_slice(&j, (struct slice){ 0 });
	jw_object(&j);
	jw_put_known_text(&j, "\"", "");
	jw_put_time(&j, "t", 0, false);
	jw_put_time(&j, "u", 1757594096789000, true);
	jw_end(&j);
	jw_double(&j, 0.1);
	jw_decimal(&j, 32.500, 3);
	jw_digits(&j, 1234567.8, 6);
	jw_text(&j, "a\"\\\n</script>");
	jw_end(&j);
	is_written(&b,
		   "[null,null,null,null,null,{\"\\\"\":null,\"t\":null,\"u\":\"2025-09-11T12:34:56.789Z\"},0.1,32.5,"
		   "1.23457e+06,\"a\\\"\\\\\\n\\u003c/script\\u003e\"]");
}

static void lines_may_be_broken_and_spaces_put(void **state)
{
	struct buf b = { 0 };
	struct json j = { .out = &b, .spaced = true };

	(void)state;
	jw_object(&j);
	jw_put_u64(&j, "a", 1);
	jw_put_u64(&j, "b", 2);
	jw_break(&j);
	jw_put_array(&j, "c");
	jw_break(&j);
	jw_u64(&j, 1);
	jw_break(&j);
	jw_u64(&j, 2);
	jw_end(&j);
	jw_end(&j);
	is_written(&b, "{\"a\": 1, \"b\": 2,\n\"c\": [\n1,\n2]}");
}

static void depth_may_be_as_much_as_is_promised(void **state)
{
	struct buf b = { 0 };
	struct json j = { .out = &b };

	(void)state;
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		jw_array(&j);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		jw_end(&j);
	assert_int_equal(b.used, 2 * JSON_DEPTH_MAX);
	assert_int_equal(j.depth, 0);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_where_they_are_due),
		cmocka_unit_test(what_is_unknown_is_null_and_texts_are_escaped),
		cmocka_unit_test(lines_may_be_broken_and_spaces_put),
		cmocka_unit_test(depth_may_be_as_much_as_is_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
