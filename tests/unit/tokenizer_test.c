/* Text to tokens and back, and characters that arrive in pieces. */
#include "test.h"

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
	static const char text[] = "a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z\xff\xe4\xb8!\xf0\x9f", want[] =
		"a\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80z\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!\xef\xbf\xbd";

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_their_own_tokens),
		cmocka_unit_test(text_comes_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
