/* Models that are refused, and what the refusal says; sessions that misuse one. */
#include "golden.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/run.h"

/* The embedded model with one change to its header, as a file in memory. Numbers in the header keep
 * their length, so that offsets stay right. */
static struct buf changed_model(const char *from, const char *to)
{
	struct buf b = { 0 };
	struct err err;
	char *at;

	if (file_read(&b, SOURCE_DIR "/models/tiny-rwkv7.safetensors", 1 << 24, &err))
		fail_msg("%s", err.text);
	if (!from)
		return b;
	assert_int_equal(strlen(from), strlen(to));
	at = memmem(b.p, b.used, from, strlen(from));
	assert_non_null(at);
	memcpy(at, to, strlen(to));
	return b;
}

static void wrong_models_are_refused_with_reasons(void **state)
{
	static const struct {
		const char *from, *to;
		enum err_code code;
		const char *words[2];
	} cases[] = {
		{ "blocks.3.att.key.weight", "blocks.3.att.kez.weight", ERR_SHAPE, { "blocks.3.att.key.weight",
			"missing" } },
		{ "\"emb.weight\"", "\"emb.weighx\"", ERR_SHAPE, { "emb.weight", "missing" } },
		{ "att.r_k\":{\"dtype\":\"F16\",\"shape\":[2,64]",
			"att.r_k\":{\"dtype\":\"F16\",\"shape\":[1,64]", ERR_SHAPE,
		  { "[1, 64]", "bytes" } },
		{ "blocks.1.att.g1\":{\"dtype\":\"F16\",\"shape\":[128,64]",
		  "blocks.1.att.g1\":{\"dtype\":\"F16\",\"shape\":[64,128]", ERR_SHAPE, { "[64, 128]", "C = 128" } },
		{ "blocks.2.ffn.value.weight\":{\"dtype\":\"F16\",\"shape\":[128,512]",
		  "blocks.2.ffn.value.weight\":{\"dtype\":\"F16\",\"shape\":[512,128]", ERR_SHAPE, { "[512, "
			"128]", "F = 512" } },
		{ "blocks.4.att.r_k\":{\"dtype\":\"F16\",\"shape\":[2,64]",
		  "blocks.4.att.r_k\":{\"dtype\":\"F16\",\"shape\":[4,32]", ERR_SHAPE, { "[4, 32]", "H = 2, N = 64" } },
		{ "blocks.0.ln1.weight\":{\"dtype\":\"F16\"", "blocks.0.ln1.weight\":{\"dtype\":\"I16\"",
			ERR_UNSUPPORTED,
		  { "int16", "fp32, fp16 or bf16" } },
		{ "blocks.5.ffn.x_k", "blocks.9999.xx_k", ERR_UNSUPPORTED, { "9999", "blocks" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = changed_model(cases[i].from, cases[i].to);
		struct err err = { 0 };
		struct model *m;

		assert_int_equal(model_open_memory(&m, b.p, b.used, "changed.safetensors", NULL, &err),
			-(int)cases[i].code);
		assert_null(m);
		assert_non_null(strstr(err.text, "changed.safetensors"));
		for (int w = 0; w < 2; w++)
			if (!strstr(err.text, cases[i].words[w]))
				fail_msg("\"%s\" lacks \"%s\"", err.text, cases[i].words[w]);
		buf_free(&b);
	}
}

/* A header of one tensor is enough to be told apart by name. */
static void other_versions_are_named(void **state)
{
	static const struct {
		const char *tensor, *name;
	} cases[] = {
		{ "blocks.0.ffn.s_emb.weight", "RWKV-7a" },
		{ "blocks.0.qkv.q.weight", "RWKV-7b" },
		{ "blocks.0.att.time_curve", "version 1, 2 or 3" },
		{ "model.layers.0.self_attn.q_proj.weight", "no RWKV model" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = { 0 }, header = { 0 };
		struct err err = { 0 };
		struct model *m;

		buf_printf(&header, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
			cases[i].tensor);
		for (int byte = 0; byte < 8; byte++)
			buf_char(&b, (char)(header.used >> 8 * byte));
		buf_add(&b, header.p, header.used);
		buf_add(&b, "\0\0\0", 4);
		assert_int_equal(model_open_memory(&m, b.p, b.used, "x", NULL, &err), -ERR_UNSUPPORTED);
		if (!strstr(err.text, cases[i].name) || !*err.hint)
			fail_msg("\"%s\" lacks \"%s\"", err.text, cases[i].name);
		buf_free(&b);
		buf_free(&header);
	}
}

static void missing_files_are_named(void **state)
{
	struct model *m;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(model_open(&m, "/nonexistent/model.pth", NULL, &err), -ERR_OPEN);
	assert_non_null(strstr(err.text, "/nonexistent/model.pth"));
	assert_int_equal(model_open(&m, SOURCE_DIR, NULL, &err), -ERR_READ);
}

/* Odd alignment forces copies; the numbers stay the same. */
static void unaligned_files_run_the_same(void **state)
{
	static const uint32_t tokens[] = { 72, 105, 33 };
	struct buf b = changed_model(NULL, NULL);
	char *odd = malloc(b.used + 1);
	struct model *m, *shifted;
	struct run *run, *run2;
	struct run_call call = { .tokens = tokens, .n = 3 };

	(void)state;
	memcpy(odd + 1, b.p, b.used);
	assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
	assert_int_equal(model_open_memory(&shifted, odd + 1, b.used, "odd", NULL, NULL), 0);
	assert_true(model_info(shifted)->copied_bytes > model_info(m)->copied_bytes);
	assert_true(model_info(m)->copied_bytes < model_info(m)->weight_bytes / 10);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	assert_int_equal(run_open(&run2, shifted, NULL, NULL), 0);
	assert_int_equal(run_forward(run, &call, NULL), 0);
	assert_int_equal(run_forward(run2, &call, NULL), 0);
	golden_near("odd", 0, run_logits(run2), run_logits(run), 256, 1e-5);
	run_close(run), run_close(run2);
	model_close(m), model_close(shifted);
	buf_free(&b);
	free(odd);
}

static void foreign_tokens_change_nothing(void **state)
{
	static const uint32_t good[] = { 72 }, bad[] = { 72, 256 };
	struct model *m;
	struct run *run;
	struct err err = { 0 };
	float *before;
	size_t n;

	(void)state;
	assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = good, .n = 1 }, NULL), 0);
	n = model_info(m)->state_floats;
	before = malloc(n * sizeof *before);
	memcpy(before, run_state_flat(run), n * sizeof *before);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = bad, .n = 2 }, &err), -ERR_USAGE);
	assert_non_null(strstr(err.text, "256"));
	assert_memory_equal(before, run_state_flat(run), n * sizeof *before);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = bad, .n = 0 }, &err), -ERR_USAGE);

	/* A saved state continues as if nothing had been in between. */
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = good, .n = 1 }, NULL), 0);
	{
		float first = run_logits(run)[7];

		run_reset(run);
		run_state_set(run, before);
		assert_int_equal(run_forward(run, &(struct run_call){ .tokens = good, .n = 1 }, NULL), 0);
		assert_true(run_logits(run)[7] == first);
	}
	run_close(run);
	model_close(m);
	free(before);
}

/* Logits of the embedded model under a strategy; *dtype says how its weights are kept. */
static void logits_under(const char *strategy, float out[256], const char **dtype, uint64_t *bytes)
{
	static const uint32_t tokens[] = { 73, 116, 32, 119, 97, 115 };
	struct model_options options = { .strategy = strategy };
	struct model *m;
	struct run *run;
	struct err err;

	if (model_open_embedded(&m, &options, &err))
		fail_msg("%s", err.text);
	*dtype = model_info(m)->dtype;
	*bytes = model_info(m)->weight_bytes;
	assert_string_equal(model_info(m)->strategy, strategy);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = tokens, .n = 6 }, NULL), 0);
	memcpy(out, run_logits(run), 256 * sizeof *out);
	run_close(run);
	model_close(m);
}

static void strategies_change_the_weights(void **state)
{
	static const struct {
		const char *strategy, *dtype;
		double least, most; /* largest difference of a logit from the lossless run */
	} cases[] = {
		{ "cpu fp32", "fp16", 0, 0 },
		{ "cpu fp16", "fp16", 0, 0 },
		{ "cpu bf16", "bf16", 1e-4, 0.5 },
		{ "cpu fp32i8", "int8", 1e-4, 0.5 },
		{ "cpu bf16 *2 -> cpu fp32", "fp16", 1e-4, 0.5 },
		{ "cpu fp32i8 *3+", "int8", 1e-4, 0.5 },
	};
	float exact[256], got[256];
	const char *dtype;
	uint64_t all, bytes;

	(void)state;
	logits_under("cpu fp32", exact, &dtype, &all);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		double largest = 0;

		logits_under(cases[i].strategy, got, &dtype, &bytes);
		for (int j = 0; j < 256; j++)
			largest = fmax(largest, fabs((double)got[j] - (double)exact[j]));
		if (!(largest >= cases[i].least && largest <= cases[i].most))
			fail_msg("%s: logits are off by %g", cases[i].strategy, largest);
		assert_string_equal(dtype, cases[i].dtype);
		assert_true(strcmp(dtype, "int8") ? bytes == all : bytes < all * 2 / 3);
	}
}

static void foreign_strategies_are_refused(void **state)
{
	static const char *const bad[] = { "cuda fp16", "cpu fp32 *2 -> cuda fp16", "cpu fp8", "" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct model_options options = { .strategy = bad[i] };
		struct model *m;
		struct err err = { 0 };

		assert_int_not_equal(model_open_embedded(&m, &options, &err), 0);
		assert_true(*err.text && *err.hint);
	}
}

struct watch {
	uint64_t nonfinite;
	size_t rows;
};

static void watch_begin(void *ctx)
{
	(void)ctx;
}

static void watch_end(void *ctx, const struct tap_step *step)
{
	struct watch *w = ctx;

	w->nonfinite = 0;
	w->rows = step->n_stats;
	for (size_t i = 0; i < step->n_stats; i++)
		w->nonfinite += step->stats[i].nonfinite;
}

/* A NaN in the state is counted, tensor by tensor, and does not crash anything. */
static void broken_states_are_counted(void **state)
{
	static const uint32_t token[] = { 72 };
	struct watch watch;
	const struct tap tap = { &watch, watch_begin, watch_end, true };
	struct run_call call = { .tokens = token, .n = 1, .tap = &tap };
	struct model *m;
	struct run *run;
	float *flat;

	(void)state;
	assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	flat = calloc(model_info(m)->state_floats, sizeof *flat);
	flat[128 + 5] = NAN; /* block 0, wkv, row 0: r k v of that head are whole, so it stays in the state */
	run_state_set(run, flat);
	assert_int_equal(run_forward(run, &call, NULL), 0);
	assert_int_equal(watch.rows, 18);
	assert_true(watch.nonfinite > 64);
	assert_true(isnan(run_logits(run)[0]));
	run_reset(run);
	assert_int_equal(run_forward(run, &call, NULL), 0);
	assert_int_equal(watch.nonfinite, 0);
	assert_true(isfinite(run_logits(run)[0]));
	run_close(run);
	model_close(m);
	free(flat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_models_are_refused_with_reasons),
		cmocka_unit_test(other_versions_are_named),
		cmocka_unit_test(missing_files_are_named),
		cmocka_unit_test(unaligned_files_run_the_same),
		cmocka_unit_test(foreign_tokens_change_nothing),
		cmocka_unit_test(strategies_change_the_weights),
		cmocka_unit_test(foreign_strategies_are_refused),
		cmocka_unit_test(broken_states_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
