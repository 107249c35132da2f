/* Text to tokens and back, and characters that arrive in pieces. */
#include "golden.h"

#include "runtime/tokenizer.h"

static void bytes_are_their_own_tokens(void **state)
{
	struct tokenizer *t;
	struct token_list l = { 0 };
	char all[256];

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	assert_int_equal(tokenizer_open_bytes(&t, NULL), 0);
	assert_string_equal(tokenizer_name(t), "bytes");
	assert_int_equal(tokenizer_vocab(t), 256);
	assert_int_equal(tokenizer_encode(t, (struct slice){ all, 256 }, &l, NULL), 0);
	assert_int_equal(l.n, 256);
	for (uint32_t i = 0; i < 256; i++) {
		assert_int_equal(l.ids[i], i);
		assert_true(slice_equal(tokenizer_bytes(t, i), (struct slice){ all + i, 1 }));
	}
	assert_int_equal(tokenizer_bytes(t, 256).n, 0);
	token_list_free(&l);
	tokenizer_close(t);
}

/* Whatever the cuts, the same text comes out, and every step shows whole characters only. */
static void text_comes_out_whole(void **state)
{
	static const char
		text[] = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z\xff\xe4\xb8!\xf0\x9f",
		want[] = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\xef\xbf\xbd";

	(void)state;
	for (size_t step = 1; step <= sizeof text; step++) {
		struct text_stream s = { 0 };
		struct buf out = { 0 };

		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;

			text_stream_push(&s, (struct slice){ text + at, n }, &out);
			if (step == 1 && at == 2)
				assert_string_equal(out.p, "a\xc3\xa9");
			if (step == 1 && at == 4)
				assert_string_equal(out.p, "a\xc3\xa9");
		}
		text_stream_end(&s, &out);
		assert_string_equal(out.p, want);
		buf_free(&out);
	}
}

/* -- the World tokenizer ------------------------------------------------------------------ */

static const char small_vocab[] = "1 '\\x00' 1\n2 'a' 1\n3 'ab' 2\n4 'abcd' 4\n5 b'\\xe4\\xbd' 2\n6 '\\u4f60' 3\n"
				  "7 '\\xe9' 2\n8 \"don't\" 5\n9 '  ' 2\r\n10 ' ' 1\n11 '\\n\\t\\\\' 3\n300 "
				  "'c' 1\n301 'd' 1\n"
				  "302 b'\\xe4' 1\n";

static void the_longest_token_wins(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		uint32_t ids[8];
	} cases[] = {
		{ "a", 1, { 2 } },
		{ "abc", 2, { 3, 300 } },
		{ "abcd", 1, { 4 } },
		{ "abcaabcd", 4, { 3, 300, 2, 4 } },
		{ "\xe4\xbd\xa0", 1, { 6 } },
		{ "\xe4\xbd"
		  "a",
		  2,
		  { 5, 2 } },
		{ "\xe4"
		  "a\xc3\xa9",
		  3,
		  { 302, 2, 7 } },
		{ "don't   ", 3, { 8, 9, 10 } },
		{ "\n\t\\", 1, { 11 } },
		{ "", 0, { 0 } },
	};
	struct tokenizer *t;
	struct err err;
	struct token_list l = { 0 };

	(void)state;
	if (tokenizer_open_world(&t, slice_of(small_vocab), "small", &err))
		fail_msg("%s", err.text);
	assert_int_equal(tokenizer_vocab(t), 303);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		l.n = 0;
		assert_int_equal(tokenizer_encode(t, slice_of(cases[i].text), &l, NULL), 0);
		assert_int_equal(l.n, cases[i].n);
		for (size_t j = 0; j < l.n; j++)
			assert_int_equal(l.ids[j], cases[i].ids[j]);
	}
	assert_int_equal(tokenizer_encode(t, slice_of("ax"), &l, &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "0x78"));
	assert_int_equal(tokenizer_bytes(t, 0).n, 0);
	assert_int_equal(tokenizer_bytes(t, 12).n, 0);
	assert_int_equal(tokenizer_bytes(t, 4000000000U).n, 0);
	token_list_free(&l);
	tokenizer_close(t);
}

static void damaged_vocabularies_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"1 a 1\n",
		"1 'a' 2\n",
		"x 'a' 1\n",
		"1 'a'\n",
		"1 'a' 1\n1 'b' 1\n",
		"1 'a' 1\n2 'a' 1\n",
		"1 '\\q' 2\n",
		"1 '\\x4' 1\n",
		"1 b'\\u4f60' 3\n",
		"99999999999 'a' 1\n",
		"1 '' 0\n",
		"1 'a'b' 3\n",
		"1 'a\\' 1\n",
		"1 b' 1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct tokenizer *t;
		struct err err = { 0 };

		if (tokenizer_open_world(&t, slice_of(bad[i]), "bad.txt", &err) != -ERR_FORMAT)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(strstr(err.text, "bad.txt"));
		assert_null(t);
	}
}

/* $RWKVMON_WORLD_VOCAB names the released vocabulary; it is not part of the project. */
static void the_released_vocabulary_agrees(void **state)
{
	const char *path = getenv("RWKVMON_WORLD_VOCAB");
	char golden[600], beside[600];
	struct tokenizer *t;
	struct token_list l = { 0 };
	json_t *all, *c;
	size_t i;

	(void)state;
	snprintf(beside, sizeof beside, "%s/goldens/tokenizer/rwkv_vocab_v20230424.txt", shared_dir());
	snprintf(golden, sizeof golden, "%s/goldens/tokenizer/world-tokenizer.json", shared_dir());
	all = json_load_file(golden, JSON_ALLOW_NUL, NULL);
	if (!all || tokenizer_open(&t, path ? path : beside, NULL)) {
		json_decref(all);
		SKIP_LOUDLY("the World vocabulary: set RWKVMON_WORLD_VOCAB to rwkv_vocab_v20230424.txt");
	}
	assert_int_equal(tokenizer_vocab(t), 65530);
	json_array_foreach(json_object_get(all, "encode"), i, c)
	{
		const json_t *ids = json_object_get(c, "ids"), *text = json_object_get(c, "text");

		l.n = 0;
		assert_int_equal(tokenizer_encode(t,
						  (struct slice){ json_string_value(text), json_string_length(text) },
						  &l, NULL),
				 0);
		assert_int_equal(l.n, json_array_size(ids));
		for (size_t j = 0; j < l.n; j++)
			assert_int_equal(l.ids[j], json_integer_value(json_array_get(ids, j)));
	}
	json_array_foreach(json_object_get(all, "encode_bytes"), i, c)
	{
		const char *hex = json_string_value(json_object_get(c, "hex"));
		const json_t *ids = json_object_get(c, "ids");
		char bytes[512];
		size_t n = strlen(hex) / 2;

		for (size_t j = 0; j < n; j++) {
			unsigned v;

			assert_int_equal(sscanf(hex + 2 * j, "%2x", &v), 1);
			bytes[j] = (char)v;
		}
		l.n = 0;
		assert_int_equal(tokenizer_encode(t, (struct slice){ bytes, n }, &l, NULL), 0);
		assert_int_equal(l.n, json_array_size(ids));
		for (size_t j = 0; j < l.n; j++)
			assert_int_equal(l.ids[j], json_integer_value(json_array_get(ids, j)));
	}
	token_list_free(&l);
	tokenizer_close(t);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_their_own_tokens),     cmocka_unit_test(text_comes_out_whole),
		cmocka_unit_test(the_longest_token_wins),         cmocka_unit_test(damaged_vocabularies_are_refused),
		cmocka_unit_test(the_released_vocabulary_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
