/* The byte-level BPE of 20B_tokenizer.json, against what HuggingFace's `tokenizers` makes of the same texts
 * (tests/tokenizer/make_bpe.py), and files that are refused. */
#include "test.h"

#include "base/file.h"
#include "runtime/tokenizer.h"

#include <jansson.h>

#define DIR SOURCE_DIR "/tests/tokenizer/"

static struct tokenizer *open_small(void)
{
	struct tokenizer *t;
	struct err err;

	if (tokenizer_open(&t, DIR "small-bpe.json", &err))
		fail_msg("%s", err.text);
	return t;
}

static void ids_are_those_of_huggingface(void **state)
{
	struct tokenizer *t = open_small();
	json_t *cases = json_load_file(DIR "cases.json", JSON_ALLOW_NUL, NULL), *row;
	size_t i;

	(void)state;
	assert_true(json_array_size(cases) > 250);
	assert_string_equal(tokenizer_name(t), "bpe");
	assert_int_equal(tokenizer_vocab(t), 711);
	json_array_foreach(cases, i, row)
	{
		const json_t *text = json_object_get(row, "text"), *ids = json_object_get(row, "ids");
		struct slice s = { json_string_value(text), json_string_length(text) };
		struct token_list l = { 0 };

		assert_int_equal(tokenizer_encode(t, s, &l, NULL), 0);
		for (size_t k = 0; k < l.n || k < json_array_size(ids); k++)
			if (k >= l.n || k >= json_array_size(ids) ||
			    l.ids[k] != json_integer_value(json_array_get(ids, k)))
				fail_msg("case %zu (\"%.*s\"): token %zu of %zu, expected %zu, is not the same", i,
					 SLICE_ARG(s), k, l.n, json_array_size(ids));
		token_list_free(&l);
	}
	json_decref(cases);
	tokenizer_close(t);
}

/* Text in normal form comes back; so does a long run of one letter, in time that grows with it. */
static void text_comes_back(void **state)
{
	static const char text[] =
		"Mixed \xe4\xb8\xad\xe6\x96\x87, \xc3\xa9 and\tbytes \xff\xfe\xc3 that are no characters \xe4\xb8";
	struct tokenizer *t = open_small();
	struct token_list l = { 0 };
	struct buf back = { 0 };
	char *long_text = malloc(1 << 20);

	(void)state;
	assert_int_equal(tokenizer_encode(t, slice_of(text), &l, NULL), 0);
	for (size_t i = 0; i < l.n; i++)
		buf_add(&back, tokenizer_bytes(t, l.ids[i]).p, tokenizer_bytes(t, l.ids[i]).n);
	assert_true(slice_equal(buf_slice(&back), slice_of(text)));
	assert_int_equal(tokenizer_bytes(t, 0).n, 0); /* <|endoftext|> shows nothing */
	assert_int_equal(tokenizer_bytes(t, 711).n, 0);
	token_list_free(&l);

	memset(long_text, 'a', 1 << 20);
	assert_int_equal(tokenizer_encode(t, (struct slice){ long_text, 1 << 20 }, &l, NULL), 0);
	token_list_free(&l);
	free(long_text);
	buf_free(&back);
	tokenizer_close(t);
}

#define HEAD "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"added_tokens\":[],\"model\":"

/* Merges may be pairs; a byte without a token is named. */
static void small_files_are_read(void **state)
{
	struct tokenizer *t;
	struct token_list l = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
		tokenizer_open_bpe(&t,
				   slice_of(HEAD "{\"vocab\":{\"a\":0,\"b\":1,\"ab\":5},\"merges\":[[\"a\",\"b\"]]}}"),
				   "x", &err),
		0);
	assert_int_equal(tokenizer_encode(t, slice_of("aab"), &l, &err), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.ids[1], 5);
	assert_int_equal(tokenizer_encode(t, slice_of("c"), &l, &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "0x63"));
	token_list_free(&l);
	tokenizer_close(t);
}

static void other_tokenizers_are_refused_by_name(void **state)
{
	static const struct {
		const char *json, *says;
	} cases[] = {
		{ "{", "x:1:1" },
		{ "{}", "model.vocab" },
		{ HEAD "{\"type\":\"Unigram\",\"vocab\":{\"a\":0},\"merges\":[]}}", "BPE" },
		{ HEAD "{\"vocab\":{},\"merges\":[]}}", "no tokens" },
		{ HEAD "{\"vocab\":{\"a\":-1},\"merges\":[]}}", "\"a\" has no id" },
		{ HEAD "{\"vocab\":{\"a\":1099511627776},\"merges\":[]}}", "\"a\" has no id" },
		{ HEAD "{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "id 0 occurs twice" },
		{ HEAD "{\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 0" },
		{ HEAD "{\"vocab\":{\"a\":0},\"merges\":[7]}}", "merge 0" },
		{ HEAD "{\"vocab\":{\"a\":0,\"b\":1},\"merges\":[\"a b\"]}}", "not in the vocabulary" },
		{ HEAD "{\"byte_fallback\":true,\"vocab\":{\"a\":0},\"merges\":[]}}", "byte_fallback" },
		{ "{\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}",
		  "pre_tokenizer" },
		{ "{\"normalizer\":{\"type\":\"NFKC\"},\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}", "normalizer" },
		{ "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"added_tokens\":[{\"id\":3,\"content\":\"x\","
		  "\"lstrip\":true}],"
		  "\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}",
		  "lstrip" },
		{ "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"added_tokens\":[{\"id\":3,\"content\":\"\"}],"
		  "\"model\":{\"vocab\":{\"a\":0},\"merges\":[]}}",
		  "has no id" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct tokenizer *t;
		struct err err = { 0 };

		assert_true(tokenizer_open_bpe(&t, slice_of(cases[i].json), "x", &err) < 0);
		assert_null(t);
		if (!strstr(err.text, cases[i].says))
			fail_msg("case %zu says \"%s\", expected \"%s\"", i, err.text, cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_those_of_huggingface),
		cmocka_unit_test(text_comes_back),
		cmocka_unit_test(small_files_are_read),
		cmocka_unit_test(other_tokenizers_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
