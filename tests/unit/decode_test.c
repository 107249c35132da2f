/* The short way of decoding, by the layout of earlier lines, says what the long way says. */
#include "test.h"

#include "decode_same.h"
#include "record/decode_bytes.h"

#include <math.h>

static uint64_t seed = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

/* Lines as they are met: our order, json.dumps' separators, other orders, every trouble. */
static const char *const seeds[] = {
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"rwkv-sess-8f4e2d\",\"event_type\":\"inference_step\","
	"\"sequence_length\":128,\"performance\":{\"token_latency_ms\":32.5,\"throughput_tps\":156.2},\"resources\":"
	"{\"vram_used_mb\":2457,\"gpu_utilization_pct\":78},\"accuracy\":{\"logits_entropy\":4.2,\"state_similarity\":-0.92},"
	"\"metadata\":{\"model_name\":\"m\",\"strategy\":\"cuda fp16i8\",\"chunk_len\":256},\"sequence\":3,\"phase\":\"decode\","
	"\"token_count\":1}",
	"{\"timestamp\": \"2025-09-11T12:34:56.789012Z\", \"session_id\": \"rwkv-sess-8f4e2d\", \"event_type\": "
	"\"inference_step\", \"performance\": {\"token_latency_ms\": 32.512345678901234, \"throughput_tps\": "
	"0.91234567890123456}, \"accuracy\": {\"logits_entropy\": 4.2, \"token_repetition_pct\": 0}, \"metadata\": "
	"{\"model_name\": \"m\"}}",
	"{\"accuracy\":{\"state_similarity\":0.92,\"logits_entropy\":4},\"event_type\":\"inference_step\",\"token_count\":7,"
	"\"extra\":{\"a\":[1,2.5,\"x\"],\"b\":\"y\",\"c\":null},\"phase\":\"prefill\",\"timestamp\":\"2025-09-11T20:34:56+08:00\","
	"\"session_id\":\"s\",\"tokens\":[1,2,3],\"text\":\"abc\"}",
	"{\"timestamp\":\"2025-09-11T12:34:56Z\",\"event_type\":\"inference_step\",\"sequence_length\":1,\"sequence_length\":2,"
	"\"accuracy\":{\"logits_entropy\":NaN,\"logits_entropy\":1.5,\"state_similarity\":Infinity},\"token_count\":2}",
	"\xef\xbb\xbf { \"event_type\" : \"inference_step\" , \"timestamp\" : \"2025-09-11 12:34:56.7\" , \"session_id\" : "
	"\"a\\u0041\", \"accuracy.logits_entropy\" : 1.25 }",
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\",\"accuracy\":"
	"{\"logits_entropy\":4.2,\"state_norms\":[1.5,null,0.25]},\"token_count\":1}",
	"{\"timestamp\":\"2025-09-11T12:34:57.000Z\",\"session_id\":\"s\",\"event_type\":\"gap\",\"dropped\":12,\"reason\":\"full\"}",
};

enum { SEEDS = sizeof seeds / sizeof *seeds, LINE_MAX_BYTES = 2000 };

static size_t replace(char *line, size_t n, size_t at, size_t old, const char *with)
{
	size_t m = strlen(with);

	if (at + old > n || n - old + m > LINE_MAX_BYTES)
		return n;
	memmove(line + at + m, line + at + old, n - at - old);
	memcpy(line + at, with, m);
	return n - old + m;
}

/* One change of a kind that real lines differ in, or damage. */
static size_t mutate(char *line, size_t n)
{
	static const char *const values[] = { "0", "-0", "7", "12.5", "-3.25", "1e3", "1E-400", "1e400", "0.1", "01", "1.", ".5", "-",
		"NaN", "Infinity", "-Infinity", "null", "true", "\"x\"", "123456789012345", "1234567890123456", "9007199254740993",
		"0.30000000000000004", "123456.78901234567", "18446744073709551616", "0.00000000000000000012345", "4294967296",
		"99999999999999999999", "1.7976931348623157e308", "{}", "[]", "[1]", "123.456e", "5 ", " 5", "1,\"a\":2" };
	static const char *const bytes[] = { "", "\"", "\\", "\\n", "{", "}", ",", ":", " ", "\t", "\x01", "\xff", "5", "-", ".", "e" };
	size_t at = n ? below((uint32_t)n) : 0, end;

	switch (below(6)) {
	case 0: /* another number where one stands */
	case 1:
	case 2:
		while (at < n && !is_digit(line[at]))
			at++;
		while (at && (is_digit(line[at - 1]) || line[at - 1] == '.' || line[at - 1] == '-'))
			at--;
		for (end = at; end < n && (is_digit(line[end]) || line[end] == '.' || line[end] == '-');)
			end++;
		return replace(line, n, at, end - at, values[below(sizeof values / sizeof *values)]);
	case 3:
		if (n)
			line[at] = (char)below(256);
		return n;
	case 4:
		return replace(line, n, at, below(2), bytes[below(sizeof bytes / sizeof *bytes)]);
	default:
		return below(4) ? n : at; /* cut off */
	}
}

static void check(struct record_decoder *quick, struct record_decoder *plain, const char *line, size_t n)
{
	if (memchr(line, '\n', n))
		n = (size_t)((const char *)memchr(line, '\n', n) - line);
	if (!decoded_alike(quick, plain, (struct slice){ line, n }))
		fail_msg("decoded otherwise: %.*s", (int)n, line);
}

static void mutated_lines_mean_the_same_by_both_ways(void **state)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };

	(void)state;
	for (int round = 0; round < 200000; round++) {
		const char *from = seeds[below(round < 100000 ? 2 : SEEDS)];
		char line[LINE_MAX_BYTES + 16];
		size_t n = strlen(from);

		memcpy(line, from, n);
		check(&quick, &plain, from, n);
		for (uint32_t times = 1 + below(3); times; times--)
			n = mutate(line, n);
		check(&quick, &plain, line, n);
	}
	record_decoder_free(&quick);
	record_decoder_free(&plain);
}

/* Lines that are alike, some of them changed: runs of them mean what each line means alone. */
static void runs_of_lines_mean_the_same(void **state)
{
	enum { LINES = 40 };
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *text = malloc(LINES * (LINE_MAX_BYTES + 1));
	size_t in_runs = 0;

	(void)state;
	assert_true(c && text);
	for (int round = 0; round < 20000; round++) {
		const char *from = seeds[below(round % 4 ? 2 : SEEDS)];
		uint32_t changes = below(4);
		size_t n = 0;

		for (int line = 0; line < LINES; line++) {
			size_t bytes = strlen(from);

			memcpy(text + n, from, bytes);
			if (changes && !below(LINES / changes))
				for (uint32_t times = 1 + below(2); times; times--)
					bytes = mutate(text + n, bytes);
			for (size_t i = 0; i < bytes; i++)
				if (is_digit(text[n + i]) && !below(8)) /* most often still a number, and a time */
					text[n + i] = (char)('0' + below(10));
			n += bytes;
			text[n++] = '\n';
		}
		if (!decoded_runs_alike(&quick, &plain, (struct slice){ text, n }, c, &in_runs))
			fail_msg("decoded otherwise: %.*s", (int)n, text);
	}
	if (!in_runs)
		print_message("SKIPPED: runs of lines: no AVX-512 here\n");
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(text);
	free(c);
}

/* Values change from line to line, the rest does not. */
static void values_of_any_form_are_read_right(void **state)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };

	(void)state;
	for (int round = 0; round < 50000; round++) {
		char line[LINE_MAX_BYTES];
		double v = (double)(int64_t)((uint64_t)below(UINT32_MAX) << 31 | below(UINT32_MAX)) * pow(10, -(int)below(25));
		int n = snprintf(line, sizeof line,
				 "{\"timestamp\":\"20%02u-%02u-%02uT%02u:%02u:%02u.%03uZ\",\"session_id\":\"s-%u\",\"event_type\":"
				 "\"inference_step\",\"sequence_length\":%u,\"performance\":{\"token_latency_ms\":%.*f,"
				 "\"throughput_tps\":%.17g,\"chunk_process_time_ms\":%s%u.%0*u},\"token_count\":%u}",
				 below(100), below(14), below(33), below(25), below(61), below(62), below(1000), below(1u << below(32)),
				 below(1u << below(32)), (int)below(20), v, v, below(2) ? "-" : "", below(1u << below(32)),
				 1 + (int)below(9), below(10), below(1u << below(32)));

		check(&quick, &plain, line, (size_t)n);
	}
	record_decoder_free(&quick);
	record_decoder_free(&plain);
}

static void decimals_become_the_nearest_double(void **state)
{
	(void)state;
	for (int round = 0; round < 300000; round++) {
		uint64_t digits = ((uint64_t)below(UINT32_MAX) << 32 | (uint64_t)below(UINT32_MAX) << 2) >> below(64);
		int exponent = -(int)below(24);
		char text[64];
		double got;

		if (round % 4 == 0) { /* next to a tie: the middle of two doubles above 2^53 */
			digits = (UINT64_C(1) << 53) + below(1u << 20) * 2 + 1;
			exponent = -(int)below(3);
			digits = digits * (exponent == -1 ? 10 : exponent == -2 ? 100 : 1) + below(3) - 1;
		}
		if (digits > UINT64_C(9999999999999999999) || !decimal_to_double(digits, exponent, &got))
			continue;
		snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits, exponent);
		if (got != strtod(text, NULL))
			fail_msg("%s: %.17g, expected %.17g", text, got, strtod(text, NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_lines_mean_the_same_by_both_ways),
		cmocka_unit_test(runs_of_lines_mean_the_same),
		cmocka_unit_test(values_of_any_form_are_read_right),
		cmocka_unit_test(decimals_become_the_nearest_double),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
