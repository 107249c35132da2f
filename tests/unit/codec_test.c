/* Encoder and decoder are twins; the decoder also understands other writers. */
#include "test.h"

#include "record/codec.h"

#include <math.h>

static struct field_values session(void)
{
	struct field_values s = { 0 };

	fields_set_text(&s, F_SESSION_ID, slice_of("rwkv-sess-8f4e2d"));
	fields_set_text(&s, F_MODEL_NAME, slice_of("RWKV-x070-World-1.5B"));
	fields_set_text(&s, F_STRATEGY, slice_of("cuda fp16i8"));
	fields_set_number(&s, F_CHUNK_LEN, 256);
	return s;
}

static const char published_line[] =
	"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"session_id\":\"rwkv-sess-8f4e2d\",\"event_type\":\"inference_"
	"step\","
	"\"sequence_length\":128,\"performance\":{\"token_latency_ms\":32.5,\"throughput_tps\":156.2,"
	"\"chunk_process_time_ms\":180.3},\"resources\":{\"vram_used_mb\":2457,\"gpu_utilization_pct\":78,"
	"\"state_size_bytes\":1048576},\"accuracy\":{\"logits_entropy\":4.2,\"token_repetition_pct\":8.3,"
	"\"state_similarity\":0.92},\"metadata\":{\"model_name\":\"RWKV-x070-World-1.5B\",\"strategy\":\"cuda fp16i8\","
	"\"chunk_len\":256}";

static struct record published_record(const struct field_values *s)
{
	struct record r = { .time_us = 1757594096789000,
			    .event = EVENT_INFERENCE_STEP,
			    .session = s,
			    .sequence_length = 128,
			    .token_count = 4,
			    .phase = PHASE_PREFILL };

	record_set(&r, M_TOKEN_LATENCY_MS, 32.5);
	record_set(&r, M_THROUGHPUT_TPS, 156.2);
	record_set(&r, M_CHUNK_PROCESS_TIME_MS, 180.3);
	record_set(&r, M_VRAM_USED_MB, 2457);
	record_set(&r, M_GPU_UTILIZATION_PCT, 78);
	record_set(&r, M_STATE_SIZE_BYTES, 1048576);
	record_set(&r, M_LOGITS_ENTROPY, 4.2);
	record_set(&r, M_TOKEN_REPETITION_PCT, 8.3);
	record_set(&r, M_STATE_SIMILARITY, 0.92);
	return r;
}

static void the_published_example_is_written_to_the_letter(void **state)
{
	struct field_values s = session();
	struct record r = published_record(&s);
	struct buf b = { 0 };
	char want[1024];

	(void)state;
	record_encode(&b, &r);
	snprintf(want, sizeof want, "%s,\"sequence\":0,\"phase\":\"prefill\",\"token_count\":4}\n", published_line);
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void every_metric_and_field_survives_the_round_trip(void **state)
{
	static const enum event_type events[] = { EVENT_INFERENCE_STEP, EVENT_SESSION_START,  EVENT_SESSION_END,
						  EVENT_ALARM,          EVENT_ALARM_RESOLVED, EVENT_GAP,
						  EVENT_ACTION,         EVENT_ROLLUP };
	struct field_values s = { 0 }, extra = { 0 };
	struct record_decoder d = { 0 };
	struct gpu_sample gpus[2];

	(void)state;
	assert_true(gpu_sample_begin(&gpus[0], slice_of("cuda:0")) && gpu_sample_begin(&gpus[1], slice_of("a\"\n")));
	for (int v = 0; v < GPU_VALUE_COUNT; v++)
		gpus[1].value[v] = v + 1;
	for (int f = 0; f < FIELD_COUNT; f++) {
		struct field_values *to = field_specs[f].owner == OWNER_SESSION ? &s : &extra;

		if (field_specs[f].owner == OWNER_RECORD)
			continue;
		if (field_specs[f].kind == KIND_JSON)
			fields_set_text(to, (enum field_id)f, slice_of("{\"a\":{\"count\":1,\"sketch\":\"}\\\"\"}}"));
		else if (field_specs[f].kind == KIND_TEXT)
			fields_set_text(to, (enum field_id)f, slice_of("t\"\\\n\xe4\xb8\xad"));
		else
			fields_set_number(to, (enum field_id)f, f + 0.25 * (field_specs[f].kind == KIND_NUMBER));
	}
	for (size_t e = 0; e < sizeof events / sizeof *events; e++) {
		struct record r = { .time_us = 1757594096789000,
				    .event = events[e],
				    .session = &s,
				    .extra = &extra,
				    .sequence = 3,
				    .token_count = 7,
				    .batch_size = 5,
				    .ordinal = 1,
				    .sequence_length = 99,
				    .phase = PHASE_DECODE };
		static const float norms[] = { 10.5F, NAN, 0.25F };
		struct record back;
		struct buf b = { 0 };

		r.layer_norm = norms;
		r.n_layer_norm = 3;
		r.gpu = gpus;
		r.n_gpus = 2;
		for (int m = 0; m < METRIC_COUNT; m++)
			record_set(&r, (enum metric_id)m, (m + 1) / metric_specs[m].scale);
		record_encode(&b, &r);
		assert_int_equal(record_decode(&d, (struct slice){ b.p, b.used - 1 }, &back), DECODE_OK);
		assert_int_equal(back.event, r.event);
		assert_true(back.time_us == r.time_us && back.ordinal == 1);
		assert_int_equal(back.batch_size, r.event == EVENT_INFERENCE_STEP ? 5 : 0);
		for (int f = 0; f < FIELD_COUNT; f++) {
			const struct field_values *from = field_specs[f].owner == OWNER_SESSION ? &s : &extra;
			const struct field_values *to =
				field_specs[f].owner == OWNER_SESSION ? back.session : back.extra;

			if (field_specs[f].owner == OWNER_RECORD || !field_in_event((enum field_id)f, r.event))
				continue;
			assert_true(fields_have(to, (enum field_id)f));
			if (field_is_text((enum field_id)f))
				assert_true(slice_equal(from->v[f].text, to->v[f].text));
			else
				assert_true(from->v[f].number == to->v[f].number);
		}
		if (r.event == EVENT_INFERENCE_STEP) {
			assert_true(back.have == r.have && back.sequence == 3 && back.token_count == 7);
			assert_true(back.sequence_length == 99 && back.phase == PHASE_DECODE);
			assert_int_equal(back.n_layer_norm, 3);
			assert_true(back.layer_norm[0] == 10.5F && isnan(back.layer_norm[1]) &&
				    back.layer_norm[2] == 0.25F);
			assert_int_equal(back.n_gpus, 2);
			for (int i = 0; i < 2; i++)
				assert_string_equal(back.gpu[i].device, gpus[i].device);
			for (int v = 0; v < GPU_VALUE_COUNT; v++)
				assert_true(isnan(back.gpu[0].value[v]) && back.gpu[1].value[v] == v + 1);
			for (int m = 0; m < METRIC_COUNT; m++)
				assert_true(back.metric[m] == r.metric[m]);
		}
		buf_free(&b);
	}
	record_decoder_free(&d);
}

/* What is unknown is absent, and own fields may be all that an object holds. */
static void what_is_unknown_is_left_out(void **state)
{
	static const char own[] = "\"a\":1\"b\":2\"c\":3\"d\":4\"e\":5";
	struct field_values extra = { 0 };
	struct record r = { .time_us = 1757594096789000,
			    .event = EVENT_INFERENCE_STEP,
			    .own = own,
			    .own_bytes = { 5, 5, 5, 5, 5 },
			    .text = slice_of("x") };
	struct record gap = { .time_us = 1757594096789000, .event = EVENT_GAP, .extra = &extra };
	struct buf b = { 0 };

	(void)state;
	record_set(&r, M_TOKEN_LATENCY_MS, NAN);
	r.sampled_every = 4;
	fields_set_number(&extra, F_DROPPED, INFINITY);
	record_encode(&b, &r);
	assert_string_equal(
		b.p,
		"{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"event_type\":\"inference_step\",\"sequence_length\":0,"
		"\"performance\":{\"a\":1},\"resources\":{\"b\":2},\"accuracy\":{\"c\":3},\"metadata\":{\"d\":4},"
		"\"sequence\":0,\"token_count\":0,\"sampled_every\":4,\"text\":\"x\",\"e\":5}\n");
	buf_clear(&b);
	record_encode(&b, &gap);
	assert_string_equal(b.p, "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"event_type\":\"gap\"}\n");
	buf_free(&b);
}

#define HEAD "{\"timestamp\":\"2025-09-11T12:34:56.789Z\",\"event_type\":\"inference_step\""

static void troubles_of_other_writers_are_understood(void **state)
{
	static const struct {
		const char *line;
		enum decode_result want;
	} cases[] = {
		{ HEAD "}", DECODE_OK },
		{ "\xef\xbb\xbf" HEAD "}", DECODE_OK },
		{ " \t" HEAD " , \"x\" : [ 1 , {\"a\":null} , \"s\" , true ] } \r", DECODE_OK },
		{ "{\"event\\u005ftype\":\"inference_step\",\"timestamp\":\"2025-09-11 20:34:56.789123+08:00\"}",
		  DECODE_OK },
		{ HEAD ",\"performance\":null,\"accuracy\":{\"logits_entropy\":NaN}}", DECODE_OK },
		{ HEAD ",\"performance\":{\"token_latency_ms\":\"32\"}}", DECODE_OK },
		{ HEAD, DECODE_MALFORMED },
		{ HEAD "}}", DECODE_MALFORMED },
		{ HEAD ",}", DECODE_MALFORMED },
		{ HEAD ",\"a\":01}", DECODE_MALFORMED },
		{ HEAD ",\"a\":1.}", DECODE_MALFORMED },
		{ HEAD ",\"a\":+1}", DECODE_MALFORMED },
		{ HEAD ",\"a\":\"\\x\"}", DECODE_MALFORMED },
		{ HEAD ",\"a\":\"\t\"}", DECODE_MALFORMED },
		{ HEAD ",\"a\":tru}", DECODE_MALFORMED },
		{ "[1,2]", DECODE_NOT_OBJECT },
		{ "INFO started", DECODE_NOT_OBJECT },
		{ "", DECODE_BLANK },
		{ " \t\r", DECODE_BLANK },
		{ "{}", DECODE_NO_EVENT_TYPE },
		{ "{\"event_type\":\"other\",\"timestamp\":\"2025-09-11T12:34:56Z\"}", DECODE_NO_EVENT_TYPE },
		{ "{\"event_type\":\"inference_step\"}", DECODE_BAD_TIMESTAMP },
		{ "{\"event_type\":\"inference_step\",\"timestamp\":\"yesterday\"}", DECODE_BAD_TIMESTAMP },
		{ HEAD ",\"record\":9007199254740992}", DECODE_OK },
		{ HEAD ",\"record\":9007199254740993}", DECODE_BAD_COUNT },
		{ HEAD ",\"record\":18446744073709551616}", DECODE_BAD_COUNT },
		{ HEAD ",\"record\":1e300}", DECODE_BAD_COUNT },
		{ HEAD ",\"record\":9007199254740993.0}", DECODE_BAD_COUNT },
		{ HEAD ",\"sequence_length\":7.0}", DECODE_OK },
		{ HEAD ",\"sequence_length\":7.5}", DECODE_BAD_COUNT },
		{ HEAD ",\"sequence_length\":-1}", DECODE_OK }, /* unknown, as other programs write it */
		{ HEAD ",\"sequence_length\":NaN}", DECODE_OK },
		{ HEAD ",\"token_count\":4294967295}", DECODE_OK },
		{ HEAD ",\"token_count\":4294967296}", DECODE_BAD_COUNT },
		{ HEAD ",\"sequence\":4294967296}", DECODE_BAD_COUNT },
		{ HEAD ",\"batch_size\":1.5}", DECODE_BAD_COUNT },
		{ HEAD ",\"resources\":{\"state_size_bytes\":1152921504606846976}}", DECODE_OK }, /* 2^60 */
		{ HEAD ",\"resources\":{\"state_size_bytes\":9007199254740993}}", DECODE_BAD_COUNT },
		{ HEAD ",\"resources\":{\"state_size_bytes\":-9007199254740993}}", DECODE_BAD_COUNT },
		{ HEAD ",\"resources\":{\"state_size_bytes\":1e+300}}", DECODE_OK },             /* meant as rounded */
		{ HEAD ",\"performance\":{\"token_latency_ms\":9007199254740993}}", DECODE_OK }, /* no count */
	};
	struct record_decoder d = { 0 };
	struct record r;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		/* Exact size, so that ASan sees one byte too far. */
		size_t n = strlen(cases[i].line);
		char *line = malloc(n ? n : 1);

		memcpy(line, cases[i].line, n);
		if (record_decode(&d, (struct slice){ line, n }, &r) != cases[i].want)
			fail_msg("%s: expected \"%s\"", cases[i].line, decode_reasons[cases[i].want]);
		free(line);
	}
	record_decoder_free(&d);
}

static void numbers_are_read_exactly(void **state)
{
	static const char *const numbers[] = { "0",
					       "-0.0",
					       "32.5",
					       "0.1",
					       "1e3",
					       "1E-7",
					       "123456789012345678901234567890",
					       "0.30000000000000004",
					       "4.9406564584124654e-324",
					       "1.7976931348623157e308",
					       "9007199254740993",
					       "0.00000000000000000000000000012345",
					       "2.2250738585072011e-308" };
	struct record_decoder d = { 0 };
	struct record r;
	char line[256];

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		snprintf(line, sizeof line, HEAD ",\"accuracy\":{\"logits_entropy\":%s}}", numbers[i]);
		assert_int_equal(record_decode(&d, slice_of(line), &r), DECODE_OK);
		assert_true(record_has(&r, M_LOGITS_ENTROPY));
		assert_true(r.metric[M_LOGITS_ENTROPY] == strtod(numbers[i], NULL));
	}
	record_decoder_free(&d);
}

static void nonfinite_and_null_are_told_apart(void **state)
{
	struct record_decoder d = { 0 };
	struct record r;

	(void)state;
	assert_int_equal(
		record_decode(&d,
			      slice_of(HEAD ",\"accuracy\":{\"logits_entropy\":-Infinity,\"state_similarity\":null}}"),
			      &r),
		DECODE_OK);
	assert_true(r.nonfinite == metric_bit(M_LOGITS_ENTROPY));
	assert_true(r.have == 0);
	assert_int_equal(r.token_count, 1);
	record_decoder_free(&d);
}

static void deep_nesting_is_refused_not_followed(void **state)
{
	size_t depth = 100000;
	char *line = malloc(depth + 256);
	struct record_decoder d = { 0 };
	struct record r;
	size_t n = (size_t)snprintf(line, 256, HEAD ",\"a\":");

	(void)state;
	memset(line + n, '[', depth);
	assert_int_equal(record_decode(&d, (struct slice){ line, n + depth }, &r), DECODE_MALFORMED);
	free(line);
	record_decoder_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_example_is_written_to_the_letter),
		cmocka_unit_test(every_metric_and_field_survives_the_round_trip),
		cmocka_unit_test(what_is_unknown_is_left_out),
		cmocka_unit_test(troubles_of_other_writers_are_understood),
		cmocka_unit_test(numbers_are_read_exactly),
		cmocka_unit_test(nonfinite_and_null_are_told_apart),
		cmocka_unit_test(deep_nesting_is_refused_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
