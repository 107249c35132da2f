/* The short ways of decoding, by the shape of earlier lines and by keys in any order, say what the long way says. */
#include "test.h"

#include "base/cpu.h"
#include "decode_same.h"
#include "record/decode_bytes.h"
#include "record/decode_members_keys.h"

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
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"rwkv-sess-8f4e2d\",\"event_type\":\"inference_"
	"step\","
	"\"sequence_length\":128,\"performance\":{\"token_latency_ms\":32.5,\"throughput_tps\":156.2},\"resources\":"
	"{\"vram_used_mb\":2457,\"gpu_utilization_pct\":78},\"accuracy\":{\"logits_entropy\":4.2,\"state_similarity\":-"
	"0.92},"
	"\"metadata\":{\"model_name\":\"m\",\"strategy\":\"cuda fp16i8 "
	"*10+\",\"chunk_len\":256},\"sequence\":3,\"phase\":\"decode\","
	"\"token_count\":1,\"instance\":\"host:4711\",\"record\":41,\"batch_size\":8}",
	"{\"timestamp\": \"2025-09-11T12:34:56.789012Z\", \"session_id\": \"rwkv-sess-8f4e2d\", \"event_type\": "
	"\"inference_step\", \"performance\": {\"token_latency_ms\": 32.512345678901234, \"throughput_tps\": "
	"0.91234567890123456}, \"accuracy\": {\"logits_entropy\": 4.212345678901234567, \"token_repetition_pct\": 0}, "
	"\"metadata\": "
	"{\"model_name\": \"m\"}}",
	"{\"accuracy\":{\"state_similarity\":0.92,\"logits_entropy\":4},\"event_type\":\"inference_step\",\"token_"
	"count\":7,"
	"\"extra\":{\"a\":[1,2.5,\"x\"],\"b\":\"y\",\"c\":null},\"phase\":\"prefill\",\"timestamp\":\"2025-09-11T20:34:"
	"56+08:00\","
	"\"session_id\":\"s\",\"tokens\":[1,2,3],\"text\":\"abc\"}",
	"{\"timestamp\":\"2025-09-11T12:34:56Z\",\"event_type\":\"inference_step\",\"sequence_length\":1,\"sequence_"
	"length\":2,"
	"\"accuracy\":{\"logits_entropy\":NaN,\"logits_entropy\":1.5,\"state_similarity\":Infinity},\"token_count\":2}",
	"\xef\xbb\xbf { \"event_type\" : \"inference_step\" , \"timestamp\" : \"2025-09-11 12:34:56.7\" , "
	"\"session_id\" : "
	"\"a\\u0041\", \"accuracy.logits_entropy\" : 1.25 }",
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\","
	"\"accuracy\":"
	"{\"logits_entropy\":4.2,\"state_norms\":[1.5,null,0.25]},\"token_count\":1}",
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\","
	"\"resources\":"
	"{\"vram_used_mb\":9.5,\"gpus\":[{\"device\":\"cuda:0\",\"vram_used_mb\":4.5,\"vram_total_mb\":9},{\"vram_used_"
	"mb\":1,"
	"\"x\":[{}],\"device\":\"cuda:1\",\"vram_total_mb\":null}]},\"metadata\":{\"strategy\":\"cuda:0 fp16 *3 -> "
	"cuda:1 fp16\"},\"token_count\":1}",
	"{\"timestamp\":\"2025-09-11T12:34:57.000Z\",\"session_id\":\"s\",\"event_type\":\"gap\",\"dropped\":12,"
	"\"reason\":\"full\",\"record\":3}",
	"{\"timestamp\":\"2025-09-11T12:34:57.000Z\",\"session_id\":\"s\",\"event_type\":\"rollup\",\"rollup\":{\"id\":"
	"\"a\",\"metrics\":{\"token_latency_ms\":{\"count\":2,\"sketch\":\"}\\\"\"}}},\"record\":9007199254740993}",
	"{\"timestamp\":\"2025-09-11T12:34:57.000Z\",\"session_id\":\"s\",\"event_type\":\"inference_step\",\"rollup\":"
	"{"
	"\"metrics\":{\"x\":{\"count\":2}}},\"record\":1.5}",
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
	static const char *const values[] = { "0",
					      "-0",
					      "7",
					      "12.5",
					      "-3.25",
					      "1e3",
					      "1E-400",
					      "1e400",
					      "0.1",
					      "01",
					      "1.",
					      ".5",
					      "-",
					      "NaN",
					      "Infinity",
					      "-Infinity",
					      "nan",
					      "-nan",
					      "inf",
					      "-infinity",
					      "nane",
					      "\"12.5\"",
					      "\"nan\"",
					      "\"7 \"",
					      "null",
					      "true",
					      "\"x\"",
					      "123456789012345",
					      "1234567890123456",
					      "9007199254740993",
					      "0.30000000000000004",
					      "123456.78901234567",
					      "18446744073709551616",
					      "0.00000000000000000012345",
					      "4294967296",
					      "99999999999999999999",
					      "1.7976931348623157e308",
					      "{}",
					      "[]",
					      "[1]",
					      "123.456e",
					      "5 ",
					      " 5",
					      "1,\"a\":2" };
	static const char *const bytes[] = { "",  "\"", "\\",   "\\n",  "{", "}", ",", ":",
					     " ", "\t", "\x01", "\xff", "5", "-", ".", "e" };
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

/* How often a check with random lines is repeated. */
static int rounds(int usual)
{
	return getenv("RWKVMON_FEWER") ? usual / 10 : usual;
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
	for (int round = 0; round < rounds(200000); round++) {
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
	for (int round = 0; round < rounds(20000); round++) {
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
	assert_true(in_runs > (size_t)rounds(100000)); /* of 800,000 lines, most of which are changed */
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(text);
	free(c);
}

/* --- keys in another order on every line ------------------------------------------- */

enum { PIECES_MAX = 20, PIECE_BYTES = 700, TEXT_MAX_BYTES = 1 << 16 };

/* Members of an object, which are joined in an order drawn anew. */
struct pieces {
	char piece[PIECES_MAX][PIECE_BYTES];
	size_t n;
	bool spaced;
};

static void add_piece(struct pieces *p, const char *key, const char *value)
{
	snprintf(p->piece[p->n++], PIECE_BYTES, "\"%s\":%s%s", key, p->spaced ? " " : "", value);
}

static void add_number(struct pieces *p, const char *key)
{
	double v = (double)below(1u << below(24)) / (1u << below(12));
	char text[40];

	snprintf(text, sizeof text, "%.*f", below(40) ? below(20) ? 2 : (int)below(9) : 8 + (int)below(12), v);
	add_piece(p, key, text);
}

static void put_pieces(struct pieces *p, char *out, size_t bytes)
{
	size_t n = 0;

	out[n++] = '{';
	for (; p->n; p->n--) {
		size_t i = below((uint32_t)p->n);

		n += (size_t)snprintf(out + n, bytes - n, "%s%s", p->piece[i],
				      p->n == 1   ? "}"
				      : p->spaced ? ", "
						  : ",");
		memmove(p->piece[i], p->piece[p->n - 1], PIECE_BYTES);
	}
}

static void add_object(struct pieces *p, const char *key, struct pieces *members)
{
	char text[PIECE_BYTES - 100];

	put_pieces(members, text, sizeof text);
	add_piece(p, key, text);
}

/* What a text's lines have in common: members that each has, and fields of the session. */
struct habits {
	bool spaced, nested, more;
	uint32_t session;
};

static void add_metadata(struct pieces *top, const struct habits *h)
{
	struct pieces metadata = { .spaced = h->spaced }, runtime = { .spaced = h->spaced };
	char model[40];

	snprintf(model, sizeof model, "\"model, {%u}:\"", h->session);
	add_piece(&metadata, "model_name", model);
	add_piece(&metadata, "strategy", "\"cuda fp16i8\"");
	add_piece(&metadata, "chunk_len", "256");
	if (h->nested) {
		add_piece(&runtime, "name", "\"\"");
		add_piece(&runtime, "version", "\"1.2.3: a version that is longer than thirty-two bytes\"");
		add_object(&metadata, "runtime", &runtime);
		add_piece(&metadata, "load_time_ms", "1234.5678901");
		add_piece(&metadata, "model_bytes", "3221225472");
	}
	add_object(top, "metadata", &metadata);
}

static void add_metrics(struct pieces *top, const struct habits *h)
{
	struct pieces group = { .spaced = h->spaced }, decay = { .spaced = h->spaced };

	add_number(&group, "throughput_tps");
	add_number(&group, "token_latency_ms");
	add_number(&group, "chunk_process_time_ms");
	add_object(top, "performance", &group);
	add_number(&group, "vram_used_mb");
	if (below(10))
		add_number(&group, "gpu_utilization_pct");
	add_piece(&group, "state_size_bytes", "1048576");
	add_object(top, "resources", &group);
	add_number(&group, "logits_entropy");
	add_number(&group, "state_similarity");
	if (h->nested) {
		add_number(&decay, "p5");
		add_number(&decay, "p50");
		add_object(&group, "decay_half_life_tokens", &decay);
	}
	add_object(top, "accuracy", &group);
}

static size_t put_shuffled(char *line, const struct habits *h)
{
	struct pieces top = { .spaced = h->spaced };
	char text[64];

	snprintf(text, sizeof text, "\"2025-09-11T12:3%u:%02u.%03u%sZ\"", below(20) ? 4 : 5, below(60), below(1000),
		 below(20) ? "" : "123");
	add_piece(&top, "timestamp", text);
	snprintf(text, sizeof text, "\"rwkv-sess-%0*x\"", below(8) ? 12 : 6, below(1u << 24));
	add_piece(&top, "session_id", text);
	add_piece(&top, "event_type", "\"inference_step\"");
	snprintf(text, sizeof text, "%u", below(1u << below(32)));
	add_piece(&top, "sequence_length", text);
	add_metrics(&top, h);
	add_metadata(&top, h);
	if (h->more) {
		add_piece(&top, "sequence", text);
		add_piece(&top, "token_count", below(10) ? "1" : "4294967295");
		add_piece(&top, "phase", below(3) ? "\"decode\"" : below(2) ? "\"prefill\"" : "\"warming\"");
		add_piece(&top, "sampled_every", "4");
		add_piece(&top, "batch_size", below(2) ? "1" : "300");
		add_piece(&top, "record", text);
		add_piece(&top, "instance", "\"host:4711\"");
		add_piece(&top, "text",
			  below(8) ? "\" x: }, \xe4\xbd\xa0\"" : "\":\""); /* the latter takes the long way */
	}
	put_pieces(&top, line, LINE_MAX_BYTES);
	return strlen(line);
}

/* Lines of any order, through a decoder that knows no line yet. */
static void check_lines(const char *text, size_t n, struct columns *c, size_t *in_runs)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };

	if (!decoded_runs_alike(&quick, &plain, (struct slice){ text, n }, c, in_runs))
		fail_msg("decoded otherwise: %.*s", (int)n, text);
	record_decoder_free(&quick);
	record_decoder_free(&plain);
}

static struct habits draw_habits(void)
{
	return (struct habits){ .spaced = below(2), .nested = below(2), .more = below(2), .session = below(9) };
}

static void report_runs(size_t in_runs, size_t lines)
{
	const struct cpu_features *cpu = cpu_features();

	if (!cpu->avx2 && !cpu->avx512)
		print_message("SKIPPED: keys in any order: no AVX2 here\n");
	else
		assert_true(in_runs > lines / 4);
}

/* Some lines changed, some of another session. */
static void lines_in_any_order_mean_the_same(void **state)
{
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *text = malloc(TEXT_MAX_BYTES);
	size_t in_runs = 0, all = 0;

	(void)state;
	assert_true(c && text);
	for (int round = 0; round < rounds(4000); round++) {
		struct habits h = draw_habits();
		uint32_t lines = 2 + below(24), changes = below(4);
		size_t n = 0;

		for (uint32_t i = 0; i < lines; i++) {
			size_t bytes = put_shuffled(text + n, &h);

			if (changes && !below(lines / changes + 1))
				bytes = mutate(text + n, bytes);
			if (!below(30))
				h.session++;
			if (!below(40))
				bytes = 0;
			n += bytes;
			if (!below(40))
				text[n++] = '\r';
			text[n++] = '\n';
		}
		check_lines(text, n, c, &in_runs);
		all += lines;
	}
	report_runs(in_runs, all);
	free(text);
	free(c);
}

/* Four lines, the third of which is `line`, behind others that differ in order alone. */
static void check_among_others(const char *line, size_t bytes, const struct habits *h, char *text, struct columns *c,
			       size_t *in_runs)
{
	size_t n = 0;

	for (int i = 0; i < 4; i++) {
		if (i == 2)
			memcpy(text + n, line, bytes);
		n += i == 2 ? bytes : put_shuffled(text + n, h);
		text[n++] = '\n';
	}
	check_lines(text, n, c, in_runs);
}

/* Each byte taken away, replaced, and others put before it. */
static void every_byte_of_a_line_counts(void **state)
{
	static const char bytes[] = "\"\\{}[],: :0159-+.eEx\x01\t\r\n\xff";
	struct habits h = { .spaced = true, .nested = true, .more = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char line[LINE_MAX_BYTES], changed[LINE_MAX_BYTES], *text = malloc(TEXT_MAX_BYTES);
	size_t in_runs = 0, n, all = 0, step = (size_t)(10 / rounds(10));

	(void)state;
	assert_true(c && text);
	for (int round = 0; round < 2; round++) {
		h.spaced = round;
		n = put_shuffled(line, &h);
		for (size_t at = 0; at < n; at++)
			for (size_t b = 0; b < sizeof bytes; b += step) /* the terminating 0, too */
				for (size_t old = 0; old < 2; old++, all += 4) {
					memcpy(changed, line, at);
					changed[at] = bytes[b];
					memcpy(changed + at + 1, line + at + old, n - at - old);
					check_among_others(changed, n + 1 - old, &h, text, c, &in_runs);
				}
		for (size_t at = 0; at < n; at++, all += 4) {
			memcpy(changed, line, at);
			memcpy(changed + at, line + at + 1, n - at - 1);
			check_among_others(changed, n - 1, &h, text, c, &in_runs);
			check_among_others(line, at, &h, text, c, &in_runs); /* cut off */
		}
	}
	report_runs(in_runs, all);
	free(text);
	free(c);
}

/* What a hostile or careless writer could make of a member. */
static void troubles_of_lines_in_any_order_are_seen(void **state)
{
	static const char *const members[] = {
		"\"session_id\":\":\"",
		"\"session_id\":\":\\\"logits_entropy\\\":1\"",
		"\"session_id\":\"a\\\\\"",
		"\"text\":\":}\"",
		"\"text\":\"\"",
		"\"text\":\"}\"",
		"\"text\":\"},\"",
		"\"text\":\"},{\"",
		"\"text\":\"a\", \"text\":\"b\"",
		"\"te\\u0078t\":\"a\"",
		"\"text\":{\"text\":\"a\"}",
		"\"text\":{}",
		"\"text\":[]",
		"\"text\":null",
		"\"text\":",
		"\"text\"",
		"\"text\":1",
		"\"text\" :\"a\"",
		"\"text\":  \"a\"",
		"\"text\":\t\"a\"",
		"\"text\":\"a\" ",
		"\"text\":\"a\"}",
		"\"text\":\"a\"}}",
		"\"text\":\"a\" }",
		" \"text\":\"a\"",
		"  \"text\":\"a\"",
		"\"accuracy\":{\"logits_entropy\":5}",
		"\"accuracy\":{\"quant_kl_nats\":5}",
		"\"accuracy\":{}",
		"\"accuracy\":{{}}",
		"\"accuracy\":1",
		"\"accuracy\":{\"performance\":{\"records_dropped\":1}}",
		"\"performance\":{\"logits_entropy\":1}",
		"\"logits_entropy\":1",
		"\"performance\":{\"records_dropped\":1}}",
		"\"accuracy\":{\"decay_half_life_tokens\":{\"p95\":1}}",
		"\"accuracy\":{\"decay_half_life_tokens\":{\"p95\":1}",
		"\"accuracy\":{\"p95\":1}",
		"\"p95\":1",
		"\"accuracy.quant_kl_nats\":5",
		"\"unknown\":1",
		"\"unknown\":{\"sequence\":1}",
		"\"\":1",
		"\":\":1",
		"\"::\":\"::\"",
		"\"accuracy\":{\"quant_kl_nats\":01}",
		"\"accuracy\":{\"quant_kl_nats\":1.}",
		"\"accuracy\":{\"quant_kl_nats\":-}",
		"\"accuracy\":{\"quant_kl_nats\":-0}",
		"\"accuracy\":{\"quant_kl_nats\":1e5}",
		"\"accuracy\":{\"quant_kl_nats\":NaN}",
		"\"accuracy\":{\"quant_kl_nats\":-Infinity}",
		"\"accuracy\":{\"quant_kl_nats\":null}",
		"\"accuracy\":{\"quant_kl_nats\":nan}",
		"\"accuracy\":{\"quant_kl_nats\":-inf}",
		"\"accuracy\":{\"quant_kl_nats\":\"nan\"}",
		"\"accuracy\":{\"logits_entropy\":\"5\"}",
		"\"accuracy\":{\"quant_kl_nats\":}",
		"\"accuracy\":{\"quant_kl_nats\":\"1\"}",
		"\"accuracy\":{\"quant_kl_nats\":-12.5}",
		"\"accuracy\":{\"quant_kl_nats\":0.1234567}",
		"\"accuracy\":{\"quant_kl_nats\":0.12345678901234567}",
		"\"accuracy\":{\"quant_kl_nats\":123456789012345678901234567890}",
		"\"accuracy\":{\"quant_kl_nats\":.5}",
		"\"accuracy\":{\"quant_kl_nats\":1 }",
		"\"accuracy\":{ \"quant_kl_nats\":1}",
		"\"accuracy\":{  \"quant_kl_nats\":1}",
		"\"accuracy\":{\"quant_kl_nats\":1,}",
		"\"accuracy\":{,\"quant_kl_nats\":1}",
		"\"sequence\":4294967296",
		"\"sequence\":-1",
		"\"sequence\":1.5",
		"\"sequence\":1.0",
		"\"token_count\":0",
		"\"token_count\":\"1\"",
		"\"tokens\":[1,2]",
		"\"token_count\":1e2",
		"\"phase\":\"\"",
		"\"phase\":\"decod\"",
		"\"phase\":\"dec\\u006fde\"",
		"\"phase\":7",
		"\"event_type\":\"inference_step\"",
		"\"event_type\":\"gap\"",
		"\"timestamp\":\"x\"",
		"\"timestamp\":\"2025-09-11T12:34:56+01:00\"",
		"\"instance\":\"a\"",
		"\"instance\":\"\"",
		"\"metadata\":{\"rules\":\"\"}",
		"\"severity\":\"warning\"",
		"\"alarm_type\":\"a\"",
		"\"sampled_every\":x",
		"\"sampled_every\":-2.5",
		"\"sampled_every\":\"\"",
		"\xef\xbb\xbf",
		"\"text\":\"\x7f\xff\"",
		"\"text\":\"\x1f\"",
		"\"accuracy\":{\"state_norms\":[1,2]}",
		"\"accuracy\":{\"state_norms\":[1,NaN,null,-inf,{},\"a\"]}",
		"\"resources\":{\"gpus\":[{\"device\":\"cuda:1\",\"vram_used_mb\":1,\"vram_total_mb\":2}]}",
		"\"resources\":{\"gpus\":[]}",
		"\"resources\":{\"gpus\":[{\"device\":7}]}",
		"\"resources\":{\"gpus\":7}",
		"\"gpus\":[{\"device\":\"\",\"gpu_clock_mhz\":NaN},x]",
		"",
		"\"accuracy\":}",
		"\"accuracy\":x}",
		"\"accuracy\":{\"logits_entropy\":x}",
		"\"accuracy\":{\"logits_entropy\":\"\"}",
		"\"text\":\"",
		"\"sequence_length\":x",
		"\"sequence_length\":7",
		"\"session_id\":x",
		"\"session_id\":7",
		"\"metadata\":{\"model_name\":7}",
		"\"metadata\":{\"chunk_len\":\"256\"}",
		"\"session_id\":\"b\"",
		"\"timestamp\":\"2025-09-11T12:34:56.789Z\"",
		"\"metadata\":{\"chunk_len\":257}",
		"\"metadata\":{\"model_name\":x}",
		"{\"text\":\"a\"}",
		"}",
		"{",
		"\"",
		",",
		":",
		"\":",
	};
	struct columns *c = aligned_alloc(64, sizeof *c);
	char line[LINE_MAX_BYTES + 200], *text = malloc(TEXT_MAX_BYTES);
	size_t in_runs = 0, all = 0;

	(void)state;
	assert_true(c && text);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		for (int round = 0; round < 40; round++, all += 4) {
			struct habits h = draw_habits();
			size_t n, m = strlen(members[i]);

			h.more = false;
			n = put_shuffled(line, &h);
			if (round & 1) { /* at the line's end, or at its beginning */
				n += (size_t)snprintf(line + n - 1, 200, ",%s}", members[i]) - 1;
			} else {
				memmove(line + m + 1, line, n);
				memcpy(line + 1, members[i], m);
				line[0] = '{';
				line[m + 1] = ',';
				n += m + 1;
			}
			check_among_others(line, n, &h, text, c, &in_runs);
		}
	report_runs(in_runs, all);
	free(text);
	free(c);
}

#if defined(__x86_64__)
static void check_marks(const struct key_marks *m, const char *text, size_t n)
{
	size_t found = 1, lines = 0;

	for (size_t i = 0; i < (size_t)(m->upto - text); i++) {
		if (text[i] != '\n' && (text[i] != ':' || !i || text[i - 1] != '"'))
			continue;
		lines += text[i] == '\n';
		assert_true(found < m->n);
		assert_int_equal(m->at[found++], 2 * i + (text[i + 1] == ' '));
	}
	assert_int_equal(found, m->n);
	assert_int_equal(lines, m->lines);
	assert_true(m->base == text && m->next == 1 && (m->upto == text + n || m->n > KEY_MARKS_MAX - 64));
}

static void marks_of_keys_are_found(void **state)
{
	enum { BYTES = 6000 };
	static const char often[] = "\"::\n \"\": ", seldom[] = "abcdefghijklmnopqrstuvwxyz\"\":";
	struct key_marks *m = malloc(sizeof *m);
	char text[BYTES + DECODE_PADDING];

	(void)state;
	assert_non_null(m);
	for (int round = 0; round < rounds(2000) && cpu_features()->avx2; round++) {
		const char *bytes = round % 2 ? often : seldom;
		size_t n = below(BYTES);

		for (size_t i = 0; i < sizeof text; i++)
			text[i] = bytes[below((uint32_t)strlen(bytes))];
		members_find_avx2(m, text, text + n);
		check_marks(m, text, n);
		if (!cpu_features()->vbmi2)
			continue;
		members_find_vbmi2(m, text, text + n);
		check_marks(m, text, n);
	}
	if (!cpu_features()->vbmi2)
		print_message("SKIPPED: marks of keys: no AVX-512 with VBMI2 here\n");
	free(m);
}
#else
static void marks_of_keys_are_found(void **state)
{
	(void)state;
	print_message("SKIPPED: marks of keys: no AVX2 here\n");
}
#endif

/* Values change from line to line, the rest does not. */
static void values_of_any_form_are_read_right(void **state)
{
	struct record_decoder quick = { 0 }, plain = { .any_order = true };

	(void)state;
	for (int round = 0; round < rounds(50000); round++) {
		char line[LINE_MAX_BYTES];
		double v = (double)(int64_t)((uint64_t)below(UINT32_MAX) << 31 | below(UINT32_MAX)) *
			   pow(10, -(int)below(25));
		int n = snprintf(line, sizeof line,
				 "{\"timestamp\":\"20%02u-%02u-%02uT%02u:%02u:%02u.%03uZ\",\"session_id\":\"s-%u\","
				 "\"event_type\":"
				 "\"inference_step\",\"sequence_length\":%u,\"performance\":{\"token_latency_ms\":%.*f,"
				 "\"throughput_tps\":%.17g,\"chunk_process_time_ms\":%s%u.%0*u},\"token_count\":%u}",
				 below(100), below(14), below(33), below(25), below(61), below(62), below(1000),
				 below(1u << below(32)), below(1u << below(32)), (int)below(20), v, v,
				 below(2) ? "-" : "", below(1u << below(32)), 1 + (int)below(9), below(10),
				 below(1u << below(32)));

		check(&quick, &plain, line, (size_t)n);
	}
	record_decoder_free(&quick);
	record_decoder_free(&plain);
}

/* A number of 8..17 digits behind the point: any, or as near to the middle of two doubles as 19 digits come. */
static int put_full_double(char *text, size_t room)
{
	int behind = 8 + (int)below(10), before = 1 + (int)below(19 - (unsigned)behind > 3 ? 3 : 19 - (unsigned)behind);
	uint64_t whole = below(before == 1 ? 10 : before == 2 ? 100 : 1000);
	double v = (double)whole + (double)below(UINT32_MAX) / 4294967296.0 + (double)below(1u << 20) / 0x1p52;

	if (below(2))
		return snprintf(text, room, "%.*Lf", behind,
				((long double)v + (long double)nextafter(v, INFINITY)) / 2);
	return snprintf(text, room, "%.*f", behind, v);
}

static void full_doubles_in_runs_are_the_nearest(void **state)
{
	enum { LINES = 64 };
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *text = malloc(LINES * LINE_MAX_BYTES);
	size_t in_runs = 0;

	(void)state;
	assert_true(c && text);
	for (int round = 0; round < rounds(5000); round++) {
		size_t n = 0;

		for (int line = 0; line < LINES; line++) {
			char a[40], b[40];

			put_full_double(a, sizeof a);
			put_full_double(b, sizeof b);
			n += (size_t)snprintf(
				text + n, LINE_MAX_BYTES,
				"{\"timestamp\":\"2025-09-11T12:34:56.%03uZ\",\"session_id\":\"s\",\"event_type\":"
				"\"inference_step\",\"sequence_length\":%u,\"performance\":{\"token_latency_ms\":%s,"
				"\"throughput_tps\":%s},\"token_count\":1}\n",
				below(1000), below(100000), a, b);
		}
		if (!decoded_runs_alike(&quick, &plain, (struct slice){ text, n }, c, &in_runs))
			fail_msg("decoded otherwise: %.*s", (int)n, text);
	}
	assert_true(in_runs > (size_t)rounds(5000) * LINES / 2);
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(text);
	free(c);
}

/* Around 2^53, where doubles cannot hold every whole number, in lines that are decoded as a run. */
static void counts_that_cannot_be_exact_are_refused_in_runs_too(void **state)
{
	static const char *const counts[] = { "1",
					      "4294967296",
					      "9007199254740991",
					      "9007199254740992",
					      "9007199254740993",
					      "9007199254740993.0",
					      "1152921504606846976",
					      "1152921504606846977",
					      "9999999999999999",
					      "18446744073709551615",
					      "18446744073709551616",
					      "2.5",
					      "1e20",
					      "-9007199254740993" };
	enum { LINES = 64, COUNTS = sizeof counts / sizeof *counts };
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *text = malloc(LINES * LINE_MAX_BYTES);
	size_t in_runs = 0;

	(void)state;
	assert_true(c && text);
	for (int round = 0; round < rounds(5000); round++) {
		size_t n = 0;

		for (int line = 0; line < LINES; line++) {
			const char *of[4];

			for (int i = 0; i < 4; i++)
				of[i] = counts[below(8) ? 0 : below(COUNTS)];
			n += (size_t)snprintf(
				text + n, LINE_MAX_BYTES,
				"{\"timestamp\":\"2025-09-11T12:34:56.%03uZ\",\"session_id\":\"s\",\"event_type\":"
				"\"inference_step\",\"sequence_length\":%s,\"resources\":{\"state_size_bytes\":%s},"
				"\"token_count\":%s,\"record\":%s}\n",
				below(1000), of[0], of[1], of[2], of[3]);
		}
		if (!decoded_runs_alike(&quick, &plain, (struct slice){ text, n }, c, &in_runs))
			fail_msg("decoded otherwise: %.*s", (int)n, text);
	}
	assert_true(in_runs > 0);
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(text);
	free(c);
}

/* Mostly as many digits behind the point as in the line before; the first line's say what is expected. */
static void put_even(char *text, size_t room, unsigned fraction)
{
	static const char *const others[] = { "0",     "00",     "7.",     ".7",         "-1.25",   "1.2.3",
					      "01.25", "0.05",   "12:5",   "1e2",        "9999999", "99999999",
					      "1.",    "123456", "0.0000", "12345678.5", "",        "12/5" };

	if (!below(200))
		snprintf(text, room, "%s", others[below(sizeof others / sizeof *others)]);
	else
		snprintf(text, room, "%.*f", (int)(below(100) ? fraction : below(8)),
			 (double)below(1u << below(28)) / 16);
}

static void numbers_of_equally_many_decimals_mean_the_same(void **state)
{
	enum { LINES = 64 };
	struct record_decoder quick = { 0 }, plain = { .any_order = true };
	struct columns *c = aligned_alloc(64, sizeof *c);
	char *text = malloc(LINES * LINE_MAX_BYTES);
	size_t in_runs = 0;

	(void)state;
	assert_true(c && text);
	for (int round = 0; round < rounds(10000); round++) {
		const unsigned a = below(7), b = below(4), lines = below(4) ? LINES : 1 + below(LINES);
		size_t n = 0;

		for (unsigned line = 0; line < lines; line++) {
			char latency[40], entropy[40], length[40];

			put_even(latency, sizeof latency, b);
			put_even(entropy, sizeof entropy, a);
			put_even(length, sizeof length, 0);
			n += (size_t)snprintf(
				text + n, LINE_MAX_BYTES,
				"{\"timestamp\":\"2025-09-11T12:34:56.%03uZ\",\"session_id\":\"s\",\"event_type\":"
				"\"inference_step\",\"sequence_length\":%s,\"performance\":{\"token_latency_ms\":%s},"
				"\"accuracy\":{\"logits_entropy\":%s},\"token_count\":1}\n",
				below(1000), length, latency, entropy);
		}
		if (!decoded_runs_alike(&quick, &plain, (struct slice){ text, n }, c, &in_runs))
			fail_msg("decoded otherwise: %.*s", (int)n, text);
	}
	assert_true(in_runs > (size_t)rounds(10000) * LINES / 2);
	record_decoder_free(&quick);
	record_decoder_free(&plain);
	free(text);
	free(c);
}

static void decimals_become_the_nearest_double(void **state)
{
	(void)state;
	for (int round = 0; round < rounds(300000); round++) {
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

/* Numbers in quotes, ids without, and NaN as C prints it: in a first line, and in one like the line before. */
static void other_writers_forms_are_read(void **state)
{
	struct record_decoder d = { 0 };

	(void)state;
	for (int repeat = 0; repeat < 3; repeat++) {
		char line[LINE_MAX_BYTES];
		struct record r;
		int n = snprintf(line, sizeof line,
				 "{\"timestamp\":\"2025-09-11T12:34:56Z\",\"session_id\":%d,\"event_type\":"
				 "\"inference_step\",\"sequence_length\":\"%d\",\"performance\":{\"token_latency_ms\":"
				 "\"%d.5\"},\"accuracy\":{\"logits_entropy\":%snan,\"surprisal_nats\":\"-inf\"},"
				 "\"token_count\":\"1\"}",
				 7 + repeat, 3 + repeat, 20 + repeat, repeat == 1 ? "-" : "");
		char id[2] = { (char)('7' + repeat), 0 };

		assert_int_equal(record_decode(&d, (struct slice){ line, (size_t)n }, &r), DECODE_OK);
		assert_true(slice_is(fields_text(r.session, F_SESSION_ID), id));
		assert_int_equal(r.sequence_length, 3 + repeat);
		assert_int_equal(r.token_count, 1);
		assert_true(r.metric[M_TOKEN_LATENCY_MS] == 20.5 + repeat);
		assert_true(r.nonfinite == (metric_bit(M_LOGITS_ENTROPY) | metric_bit(M_SURPRISAL_NATS)));
	}
	record_decoder_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_lines_mean_the_same_by_both_ways),
		cmocka_unit_test(runs_of_lines_mean_the_same),
		cmocka_unit_test(marks_of_keys_are_found),
		cmocka_unit_test(lines_in_any_order_mean_the_same),
		cmocka_unit_test(every_byte_of_a_line_counts),
		cmocka_unit_test(troubles_of_lines_in_any_order_are_seen),
		cmocka_unit_test(values_of_any_form_are_read_right),
		cmocka_unit_test(full_doubles_in_runs_are_the_nearest),
		cmocka_unit_test(counts_that_cannot_be_exact_are_refused_in_runs_too),
		cmocka_unit_test(numbers_of_equally_many_decimals_mean_the_same),
		cmocka_unit_test(decimals_become_the_nearest_double),
		cmocka_unit_test(other_writers_forms_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
