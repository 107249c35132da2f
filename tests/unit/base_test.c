/* Errors, text building, time, UTF-8, bells: what everything else stands on. */
#include "test.h"

#include "base/arena.h"
#include "base/array.h"
#include "base/bell.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/utf8.h"

#include <math.h>
#include <pthread.h>

static void decimals_are_rounded_and_trimmed(void **state)
{
	static const struct {
		double value;
		int decimals;
		const char *want;
	} cases[] = {
		{ 32.5, 3, "32.5" },         { 2457, 1, "2457" },
		{ 0.92, 6, "0.92" },         { 0, 4, "0" },
		{ -0.00001, 4, "0" },        { -1.25, 2, "-1.25" },
		{ 0.9999996, 6, "1" },       { 1e17, 3, "1e+17" },
		{ 0.000001, 6, "0.000001" }, { 123456.7891, 3, "123456.789" },
		{ NAN, 3, "null" },          { INFINITY, 3, "null" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = { 0 };

		buf_json_decimal(&b, cases[i].value, cases[i].decimals);
		if (strcmp(b.p, cases[i].want) && cases[i].value < 1e16)
			fail_msg("%g with %d decimals: %s, expected %s", cases[i].value, cases[i].decimals, b.p,
				 cases[i].want);
		buf_free(&b);
	}
}

static void arrays_double(void **state)
{
	size_t n = 0, cap = 0, none = SIZE_MAX / 4;
	uint32_t *row = NULL, *kept;

	(void)state;
	for (; n < 100; n++) {
		assert_true(array_grow(&row, n, &cap, 3, sizeof *row));
		row[n] = (uint32_t)n;
	}
	assert_int_equal(cap, 192);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(row[i], i);
	kept = row;
	assert_false(array_grow(&row, none, &none, 3, sizeof *row)); /* more bytes than a size can say */
	assert_true(row == kept && none == SIZE_MAX / 4);
	free(row);
}

/* A shell gives back each name as it was, and runs nothing. */
static void names_are_words_of_a_shell(void **state)
{
	static const struct {
		const char *name, *word;
	} cases[] = {
		{ "logs/run-1.log", "logs/run-1.log" },
		{ "\xe6\x97\xa5\xe5\xbf\x97.log", "\xe6\x97\xa5\xe5\xbf\x97.log" },
		{ "two words.log", "'two words.log'" },
		{ "$(touch x).log", "'$(touch x).log'" },
		{ "it's;.log", "'it'\\''s;.log'" },
		{ "-q", "./-q" },
		{ "-", "-" },
		{ "", "''" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = { 0 };

		buf_shell_word(&b, cases[i].name);
		assert_string_equal(b.p, cases[i].word);
		buf_free(&b);
	}
}

static void doubles_read_back_as_themselves(void **state)
{
	static const double values[] = {
		0.1, 1.0 / 3, 1e-300, 5e-324, 1.7976931348623157e308, 42, -7.25, 123456789.123
	};

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct buf b = { 0 };

		buf_json_double(&b, values[i]);
		assert_true(strtod(b.p, NULL) == values[i]);
		buf_free(&b);
	}
}

/* As few digits as tell the double from its neighbours, and none of them wrong. */
static void doubles_are_as_short_as_can_be(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct buf b = { 0 };
		char shorter[400];
		double v;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		v = i % 2 ? (double)(x >> 11) / 9007199254740992.0 * (double)(1 << i % 30)
			  : (double)(x % 10000000) / 10000;
		buf_json_double(&b, i % 3 ? v : -v);
		assert_true(fabs(strtod(b.p, NULL)) == v);
		if (!(i % 50) && v >= 1) { /* digits without sign and point, less one, are too few */
			snprintf(shorter, sizeof shorter, "%.*g", (int)strlen(b.p) - (i % 3 ? 0 : 1) - 2, v);
			assert_true(strtod(shorter, NULL) != v || v == rint(v));
		}
		buf_free(&b);
	}
}

static void strings_are_safe_in_json_and_html(void **state)
{
	struct buf b = { 0 };

	(void)state;
	buf_json_string(&b, (struct slice){ "a\"\\\n\x01</script>\xff\xe4\xb8\xad\0z", 20 });
	assert_string_equal(b.p, "\"a\\\"\\\\\\n\\u0001\\u003c/script\\u003e\xef\xbf\xbd\xe4\xb8\xad\\u0000z\"");
	buf_free(&b);
}

/* What is escaped does not depend on where it stands among plain bytes. */
static void strings_are_escaped_wherever_a_byte_stands(void **state)
{
	static const char around[] = "abcdefghijklmnopqrstuvwxy";
	enum { LONGEST = sizeof around - 1 };

	(void)state;
	for (int byte = 0; byte < 256; byte++)
		for (size_t n = 1; n <= LONGEST; n++)
			for (size_t at = 0; at < n; at++) {
				char text[LONGEST], lone = (char)byte;
				struct buf all = { 0 }, one = { 0 };

				memcpy(text, around, n);
				text[at] = lone;
				buf_json_string(&all, (struct slice){ text, n });
				buf_json_string(&one, (struct slice){ &lone, 1 });
				assert_int_equal(all.used, n + one.used - 1);
				assert_memory_equal(all.p + 1, around, at);
				assert_memory_equal(all.p + 1 + at, one.p + 1, one.used - 2);
				assert_memory_equal(all.p + at + one.used - 1, around + at + 1, n - at - 1);
				buf_free(&all);
				buf_free(&one);
			}
}

static void times_survive_the_round_trip(void **state)
{
	static const char *const times[] = { "1970-01-01T00:00:00.000Z", "2025-09-11T12:34:56.789Z",
					     "2000-02-29T23:59:59.999Z", "1969-12-31T23:59:59.999Z",
					     "9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00.000Z" };
	(void)state;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		char text[TIME_TEXT_BYTES];
		int64_t us;

		assert_true(time_parse(slice_of(times[i]), &us));
		time_format(text, us);
		assert_string_equal(text, times[i]);
	}
}

static void times_of_other_writers_are_understood(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "2025-09-11T20:34:56.789123+08:00", true },
		{ "2025-09-11 12:34:56.789Z", true },
		{ "2025-09-11T12:34:56.789", true },
		{ "2025-09-11T07:04:56.789-0530", true },
		{ "2025-09-11", false },
		{ "2025-13-11T12:34:56Z", false },
		{ "2025-02-29T12:34:56Z", false },
		{ "2025-09-11T24:00:00Z", false },
		{ "2025-09-11T12:34:56.Z", false },
		{ "2025-09-11T12:34:56Zx", false },
		{ "", false },
		{ "garbage", false },
	};
	int64_t want;

	(void)state;
	assert_true(time_parse(slice_of("2025-09-11T12:34:56.789Z"), &want));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t us = 0;

		assert_int_equal(time_parse(slice_of(cases[i].text), &us), cases[i].ok);
		if (cases[i].ok)
			assert_true(us / 1000 == want / 1000);
	}
}

static void utf8_is_only_cut_between_characters(void **state)
{
	const char *text = "a\xe4\xb8\xad\xf0\x9f\x98\x80";

	(void)state;
	assert_int_equal(utf8_whole_prefix(text, 1), 1);
	assert_int_equal(utf8_whole_prefix(text, 2), 1);
	assert_int_equal(utf8_whole_prefix(text, 3), 1);
	assert_int_equal(utf8_whole_prefix(text, 4), 4);
	assert_int_equal(utf8_whole_prefix(text, 7), 4);
	assert_int_equal(utf8_whole_prefix(text, 8), 8);
	assert_int_equal(utf8_whole_prefix("\x80\x80\x80\x80", 4), 4); /* never a character: nothing to wait for */
	assert_int_equal(utf8_char_bytes("\xc0\x80", 2), 0);
	assert_int_equal(utf8_char_bytes("\xed\xa0\x80", 3), 0);
	assert_int_equal(utf8_columns("a\xe4\xb8\xad"), 3);
}

static void errors_carry_text_hint_and_exit_code(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set_os(&err, ERR_OPEN, 2, "%s: cannot be opened", "x.pth"), -ERR_OPEN);
	assert_string_equal(err.text, "x.pth: cannot be opened: No such file or directory");
	assert_int_equal(err_hint(&err, "check the path"), -ERR_OPEN);
	assert_string_equal(err.hint, "check the path");
	assert_int_equal(err_exit_code(ERR_OPEN), 3);
	assert_int_equal(err_set(NULL, ERR_WRITE, "nobody listens"), -ERR_WRITE);
}

/* Chinese of two texts of ours and of two of libraries. */
static const char *in_chinese(const char *english)
{
	static const char *const known[][2] = { { "%s near %s", "%s（%s 附近）" },
						{ "in the library's words: \"%s\"", "原文“%s”" },
						{ "invalid token", "内容无效" },
						{ "end of file", "文件末尾" } };

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(known[i][0], english))
			return known[i][1];
	return NULL;
}

static void words_of_a_library_are_translated_or_quoted(void **state)
{
	static const char *const said[][2] = { { "invalid token", "内容无效" },
					       { "invalid token near end of file", "内容无效（文件末尾 附近）" },
					       { "invalid token near '{'", "内容无效（'{' 附近）" },
					       { "nobody near here", "原文“nobody near here”" } };
	char room[ERR_SAID_BYTES], longer[2 * ERR_SAID_BYTES] = "";

	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	assert_string_equal(err_said(room, "invalid token near '{'"), "invalid token near '{'");
	err_translate(in_chinese);
	for (size_t i = 0; i < sizeof said / sizeof *said; i++)
		assert_string_equal(err_said(room, said[i][0]), said[i][1]);
	assert_int_equal(strlen(err_said(room, longer)), ERR_SAID_BYTES - 1);
	err_translate(NULL);
}

/* --- bells --------------------------------------------------------------------------------- */

static const uint64_t HOUR_NS = UINT64_C(3600) * 1000000000;
enum { ROUNDS = 20000 };

struct table {
	struct bell call, answer;
	int asked, answered; /* what a ring makes visible */
};

static void *answer(void *ctx)
{
	struct table *t = ctx;

	for (int i = 0; i < ROUNDS; i++) {
		while (!bell_wait(&t->call, HOUR_NS))
			;
		t->answered = t->asked;
		bell_ring(&t->answer);
	}
	return NULL;
}

/* A ring that got lost would make this wait for an hour. */
static void a_bell_is_always_heard(void **state)
{
	static struct table t;
	pthread_t other;

	(void)state;
	assert_false(bell_wait(&t.call, 1000));
	bell_ring(&t.call);
	bell_ring(&t.call); /* as good as once */
	assert_true(bell_wait(&t.call, HOUR_NS));
	assert_int_equal(pthread_create(&other, NULL, answer, &t), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		t.asked = i;
		bell_ring(&t.call);
		while (!bell_wait(&t.answer, HOUR_NS))
			;
		assert_int_equal(t.answered, i);
	}
	pthread_join(other, NULL);
}

/* The last allocation of a block, at every place where it may end: a sanitizer sees a byte too far. */
static void registers_can_be_loaded_past_an_allocation(void **state)
{
	unsigned sum = 0;

	(void)state;
	for (size_t bytes = 1; bytes < 9000; bytes += 7) {
		struct arena a = { 0 };

		for (size_t all = 0; all < 20000; all += bytes) {
			const volatile unsigned char *p = arena_alloc(&a, bytes, 1);

			assert_non_null(p);
			for (size_t i = 0; i < ARENA_READ_AFTER; i++)
				sum |= p[bytes + i];
		}
		arena_free(&a);
	}
	assert_int_equal(sum, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_are_rounded_and_trimmed),
		cmocka_unit_test(arrays_double),
		cmocka_unit_test(names_are_words_of_a_shell),
		cmocka_unit_test(doubles_read_back_as_themselves),
		cmocka_unit_test(doubles_are_as_short_as_can_be),
		cmocka_unit_test(strings_are_safe_in_json_and_html),
		cmocka_unit_test(strings_are_escaped_wherever_a_byte_stands),
		cmocka_unit_test(times_survive_the_round_trip),
		cmocka_unit_test(times_of_other_writers_are_understood),
		cmocka_unit_test(utf8_is_only_cut_between_characters),
		cmocka_unit_test(errors_carry_text_hint_and_exit_code),
		cmocka_unit_test(words_of_a_library_are_translated_or_quoted),
		cmocka_unit_test(a_bell_is_always_heard),
		cmocka_unit_test(registers_can_be_loaded_past_an_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
