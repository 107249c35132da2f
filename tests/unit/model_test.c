/* Models that are refused, and what the refusal says; sessions that misuse one. */
#include "golden.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/run.h"
#include "write_model.h"

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
		{ "blocks.3.att.key.weight",
		  "blocks.3.att.kez.weight",
		  ERR_SHAPE,
		  { "blocks.3.att.key.weight", "missing" } },
		{ "\"emb.weight\"", "\"emb.weighx\"", ERR_SHAPE, { "emb.weight", "missing" } },
		{ "att.r_k\":{\"dtype\":\"F16\",\"shape\":[2,64]",
		  "att.r_k\":{\"dtype\":\"F16\",\"shape\":[1,64]",
		  ERR_SHAPE,
		  { "[1, 64]", "bytes" } },
		{ "blocks.1.att.g1\":{\"dtype\":\"F16\",\"shape\":[128,64]",
		  "blocks.1.att.g1\":{\"dtype\":\"F16\",\"shape\":[64,128]",
		  ERR_SHAPE,
		  { "[64, 128]", "C = 128" } },
		{ "blocks.2.ffn.value.weight\":{\"dtype\":\"F16\",\"shape\":[128,512]",
		  "blocks.2.ffn.value.weight\":{\"dtype\":\"F16\",\"shape\":[512,128]",
		  ERR_SHAPE,
		  { "[512, "
		    "128]",
		    "F = 512" } },
		{ "blocks.4.att.r_k\":{\"dtype\":\"F16\",\"shape\":[2,64]",
		  "blocks.4.att.r_k\":{\"dtype\":\"F16\",\"shape\":[4,32]",
		  ERR_SHAPE,
		  { "[4, 32]", "H = 2, N = 64" } },
		{ "blocks.0.ln1.weight\":{\"dtype\":\"F16\"",
		  "blocks.0.ln1.weight\":{\"dtype\":\"I16\"",
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
		{ "blocks.0.ffn.enn.weight", "release candidate of RWKV-8" },
		{ "blocks.0.qkv.ennk.weight", "release candidate of RWKV-8" },
		{ "blocks.0.rosa.q.weight", "release candidate of RWKV-8" },
		{ "blocks.0.att.time_curve", "version 1, 2 or 3" },
		{ "rwkv.blocks.0.attention.time_decay", "RWKV-4 in the form of transformers" },
		{ "rwkv.blocks.0.attention.gate.weight", "RWKV-5 in the form of transformers" },
		{ "rwkv.blocks.0.attention.time_maa_x", "RWKV-6 in the form of transformers" },
		{ "model.layers.0.attn.x_proj.0.linear.weight", "RWKV-6 in the form of flash-linear-attention" },
		{ "model.layers.0.attn.r_proj.weight", "RWKV-7 in the form of flash-linear-attention" },
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
		if (strstr(bad[i], "cuda"))
			assert_non_null(strstr(err.hint, "python -m rwkvmon")); /* what runs it there */
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
		w->nonfinite += step->stats[i].sums.nonfinite;
}

/* A NaN in the state is counted, tensor by tensor, and does not crash anything. */
static void broken_states_are_counted(void **state)
{
	static const uint32_t token[] = { 72 };
	struct watch watch;
	const struct tap tap = { &watch, watch_begin, watch_end, true, false };
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

/* The same function, whatever the weights' type: only the order of sums may differ. */
static void leaving_zeros_out_changes_nothing(void **state)
{
	static const char *const strategies[] = { "cpu fp32", "cpu bf16", "cpu fp32i8" };
	static const char text[] = "It was the best of times";

	(void)state;
	for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
		float logits[2][256];

		for (int skip = 0; skip < 2; skip++) {
			struct model_options options = { .strategy = strategies[i], .skip_zeros = skip };
			struct model *m;
			struct run *run;

			assert_int_equal(model_open_embedded(&m, &options, NULL), 0);
			assert_int_equal(run_open(&run, m, NULL, NULL), 0);
			for (const char *p = text; *p; p++) {
				uint32_t token = (unsigned char)*p;

				assert_int_equal(run_forward(run, &(struct run_call){ .tokens = &token, .n = 1 }, NULL),
						 0);
			}
			memcpy(logits[skip], run_logits(run), sizeof logits[skip]);
			run_close(run);
			model_close(m);
		}
		for (int v = 0; v < 256; v++)
			assert_true(fabsf(logits[0][v] - logits[1][v]) < 1e-4F);
	}
}

/* A state-tuning file for the embedded model, every value another; [h][i][j] of block b. */
static float trained_value(size_t b, size_t h, size_t i, size_t j)
{
	return (float)((b * 7919 + h * 104729 + i * 613 + j * 17) % 1009) / 1009 - 0.5F;
}

static void write_trained_state(struct buf *out, size_t n_layer, size_t n_head, size_t size)
{
	struct buf header = { 0 };
	size_t bytes = n_head * size * size * sizeof(float);

	for (size_t b = 0; b < n_layer; b++)
		buf_printf(&header,
			   "%c\"blocks.%zu.att.time_state\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu,%zu],"
			   "\"data_offsets\":[%zu,%zu]}",
			   b ? ',' : '{', b, n_head, size, size, b * bytes, (b + 1) * bytes);
	buf_char(&header, '}');
	write_le(out, header.used, 8);
	buf_add(out, header.p, header.used);
	for (size_t b = 0; b < n_layer; b++)
		for (size_t h = 0; h < n_head; h++)
			for (size_t i = 0; i < size; i++)
				for (size_t j = 0; j < size; j++) {
					float v = trained_value(b, h, i, j);

					buf_add(out, &v, sizeof v);
				}
	buf_free(&header);
}

/* RWKV-7 too: the file's matrices are those of the state with rows and columns exchanged. */
static void a_trained_state_lies_transposed(void **state)
{
	static const uint32_t tokens[] = { 72, 101, 108, 108, 111 };
	struct model *m;
	struct run *run;
	struct err err;
	struct buf file = { 0 };
	char dir[64], path[128];
	const struct model_info *info;
	const struct tap_state *tensors;
	float logits[256], *flat;
	size_t n, size;

	(void)state;
	assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	info = model_info(m);
	size = info->head_size;
	make_folder(dir);
	write_trained_state(&file, info->n_layer, info->n_head, size);
	write_file(dir, "state.safetensors", &file);
	snprintf(path, sizeof path, "%s/state.safetensors", dir);
	if (run_load_state(run, path, &err))
		fail_msg("%s", err.text);
	tensors = run_state(run, &n);
	assert_int_equal(n, 3 * info->n_layer);
	for (size_t b = 0; b < info->n_layer; b++)
		for (size_t h = 0; h < info->n_head; h++)
			for (size_t i = 0; i < size; i++)
				for (size_t j = 0; j < size; j++)
					assert_true(tensors[3 * b + 1].p[(h * size + i) * size + j] ==
						    trained_value(b, h, j, i));
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = tokens, .n = 5 }, NULL), 0);
	memcpy(logits, run_logits(run), sizeof logits);

	/* The same numbers as raw floats, and after a reset; a file of another model is refused. */
	run_reset(run);
	flat = malloc(info->state_floats * sizeof *flat);
	memcpy(flat, run_state_flat(run), info->state_floats * sizeof *flat);
	buf_clear(&file);
	buf_add(&file, flat, info->state_floats * sizeof *flat);
	write_file(dir, "state.raw", &file);
	snprintf(path, sizeof path, "%s/state.raw", dir);
	assert_int_equal(run_load_state(run, path, &err), 0);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = tokens, .n = 5 }, NULL), 0);
	assert_memory_equal(run_logits(run), logits, sizeof logits);
	buf_clear(&file);
	write_trained_state(&file, info->n_layer, info->n_head, size / 2);
	write_file(dir, "other.safetensors", &file);
	snprintf(path, sizeof path, "%s/other.safetensors", dir);
	assert_int_equal(run_load_state(run, path, &err), -ERR_SHAPE);
	assert_non_null(strstr(err.text, "blocks.0.att.time_state"));
	drop_folder(dir);
	buf_free(&file);
	free(flat);
	run_close(run);
	model_close(m);
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
		cmocka_unit_test(a_trained_state_lies_transposed),
		cmocka_unit_test(leaving_zeros_out_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
