/* Strategies: every plan the official package makes, every text it refuses. */
#include "golden.h"

#include "runtime/strategy.h"

static void check_plan(const json_t *c, const struct strategy *s)
{
	static const char *const names[] = { "float32", "float16", "bfloat16" };
	const json_t *plan = json_object_get(c, "plan");

	assert_int_equal(s->n, json_array_size(plan));
	assert_string_equal(s->text, json_string_value(json_object_get(c, "strategy_string")));
	assert_int_equal(s->rescale, json_integer_value(json_object_get(c, "rescale")));
	for (size_t i = 0; i < s->n; i++) {
		const json_t *row = json_array_get(plan, i);
		const struct strategy_layer *l = &s->layers[i];

		assert_string_equal(l->device, json_string_value(json_array_get(row, 0)));
		assert_string_equal(names[l->dtype], json_string_value(json_array_get(row, 1)));
		assert_string_equal(l->int8 ? "uint8" : names[l->dtype], json_string_value(json_array_get(row, 2)));
		assert_int_equal(l->stream, json_is_true(json_array_get(row, 3)));
	}
}

static void plans_are_the_official_ones(void **state)
{
	char path[600];
	json_t *all, *c;
	size_t i;

	(void)state;
	snprintf(path, sizeof path, "%s/goldens/strategy.json", shared_dir());
	all = json_load_file(path, 0, NULL);
	if (!all)
		SKIP_LOUDLY("no goldens at %s", path);
	json_array_foreach(json_object_get(all, "cases"), i, c)
	{
		const char *text = json_string_value(json_object_get(c, "strategy"));
		struct strategy s;
		struct err err = { 0 };
		int rc = strategy_parse(&s, text, (size_t)json_integer_value(json_object_get(c, "n_layer")), &err);

		if (json_is_true(json_object_get(c, "accepted")) != !rc)
			fail_msg("\"%s\": %s", text, rc ? err.text : "accepted");
		if (rc)
			assert_true(rc == -ERR_USAGE && *err.hint);
		else
			check_plan(c, &s);
		strategy_free(&s);
	}
	assert_int_equal(i, 58);
	json_decref(all);
}

static void odd_texts_are_survived(void **state)
{
	static const struct {
		const char *text;
		bool fine;
	} cases[] = {
		{ "cpu fp32 *0 -> cpu bf16", true },
		{ " cpu fp32 ", true },
		{ "cpu fp32*2", false },
		{ "cuda: fp16", false },
		{ "cuda:7 bf16i8 *3+", true },
		{ "cpu fp32 *", false },
		{ "cpu fp32 *99999999999999999999", true },
		{ "cpu fp32i8i4", false },
		{ "->", false },
		{ "cpu fp32 *+", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t layers = 0; layers < 40; layers++) {
			struct strategy s;
			int rc = strategy_parse(&s, cases[i].text, layers, NULL);

			if (!rc != cases[i].fine)
				fail_msg("\"%s\" was %s", cases[i].text, rc ? "refused" : "accepted");
			for (size_t l = 0; !rc && l < s.n; l++)
				assert_true(*s.layers[l].device);
			strategy_free(&s);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_the_official_ones),
		cmocka_unit_test(odd_texts_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
