/* RWKV-6 in llama.cpp's container: files this test writes itself, against the official numbers. */
#include "golden.h"
#include "write_gguf.h"

#include "runtime/run.h"

static struct golden_limits limits;

static struct model *open_as_gguf(struct buf *bytes, const char *checkpoint, const struct gguf_how *how)
{
	struct tensor_file *in;
	struct model *m;
	struct err err;

	*bytes = (struct buf){ 0 };
	if (tensor_file_open(&in, checkpoint, &err))
		fail_msg("%s", err.text);
	write_gguf_v6(bytes, in, how);
	tensor_file_close(in);
	if (model_open_memory(&m, bytes->p, bytes->used, "v6.gguf", NULL, &err))
		fail_msg("%s", err.text);
	assert_string_equal(model_info(m)->version, "6");
	return m;
}

static float *all_logits(const struct model *m, const uint32_t *tokens, size_t n, float *state)
{
	const struct model_info *info = model_info(m);
	float *all = malloc(n * info->n_vocab * sizeof *all), *zero = calloc(info->state_floats, sizeof *zero);
	struct run *run;

	assert_int_equal(run_open(&run, m, &(struct run_config){ .chunk_len = 37 }, NULL), 0);
	run_state_set(run, zero); /* a GGUF holds no trained initial state */
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = tokens, .n = n, .all_logits = all }, NULL), 0);
	memcpy(state, run_state_flat(run), info->state_floats * sizeof *state);
	run_close(run);
	free(zero);
	return all;
}

/* n floats the set "short" has under a key; NULL when it has none. */
static float *file_of(const json_t *set, const char *golden, const char *key, size_t n)
{
	const json_t *file = json_object_get(json_object_get(json_object_get(set, "files"), key), "file");
	char path[600];

	snprintf(path, sizeof path, "%s/goldens/golden/%s/%s", shared_dir(), golden,
		 file ? json_string_value(file) : "");
	return file ? golden_floats(path, n) : NULL;
}

static void check_golden(const char *golden, const struct model *m)
{
	size_t n, vocab = model_info(m)->n_vocab, state_n = model_info(m)->state_floats;
	float *every, *last, *want_state, *got, *state = malloc(state_n * sizeof *state);
	char path[600];
	json_t *manifest, *set;
	uint32_t *tokens;

	snprintf(path, sizeof path, "%s/goldens/golden/%s/manifest.json", shared_dir(), golden);
	manifest = json_load_file(path, 0, NULL);
	assert_non_null(manifest);
	set = json_object_get(json_object_get(manifest, "sets"), "short");
	tokens = golden_tokens(json_object_get(set, "tokens"), &n);
	got = all_logits(m, tokens, n, state);
	every = file_of(set, golden, "logits", n * vocab);
	last = file_of(set, golden, "final_logits", vocab);
	want_state = file_of(set, golden, "final_state", state_n);
	assert_true(every || strchr(golden, '.')); /* 16-bit sets keep the last position and every entropy */
	if (every)
		golden_near(golden, 0, got, every, n * vocab, limits.logits);
	for (size_t t = 0; t < n; t++)
		assert_true(fabs(golden_entropy(got + t * vocab, vocab) -
				 json_number_value(json_array_get(json_object_get(set, "entropy_nats"), t))) <=
			    limits.entropy);
	golden_near(golden, n, got + (n - 1) * vocab, last, vocab, limits.logits);
	if (want_state)
		golden_state_near(golden, state, want_state, state_n, &limits);
	json_decref(manifest);
	free(every), free(last), free(want_state), free(got), free(tokens), free(state);
}

/* Every position of the official goldens, whatever the type, fused or not, rescaled or not. */
static void files_agree_with_the_official_model(void **state)
{
	static const struct {
		const char *type;
		struct gguf_how how;
	} cases[] = {
		{ "fp32", { GGUF_F32, false, true, 0 } },  { "fp32", { GGUF_F32, false, false, 0 } },
		{ "fp32", { GGUF_F32, false, true, 1 } },  { "fp32", { GGUF_F32, false, true, 2 } },
		{ "fp16", { GGUF_F16, false, true, 6 } },  { "fp16", { GGUF_F16, false, true, 1 } },
		{ "bf16", { GGUF_BF16, false, true, 6 } }, { "bf16", { GGUF_BF16, false, true, 1 } },
	};

	(void)state;
	if (!golden_limits(&limits))
		SKIP_LOUDLY("no goldens at %s", shared_dir());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char path[600], golden[64];
		struct buf bytes;
		struct model *m;

		snprintf(path, sizeof path, "%s/goldens/models/rand-v6.%s.pth", shared_dir(), cases[i].type);
		snprintf(golden, sizeof golden, strcmp(cases[i].type, "fp32") ? "rand-v6.%s" : "rand-v6",
			 cases[i].type);
		m = open_as_gguf(&bytes, path, &cases[i].how);
		check_golden(golden, m);
		model_close(m);
		buf_free(&bytes);
	}
}

static void check_equal(const char *checkpoint, const struct gguf_how *a, const struct gguf_how *b,
			const uint32_t *tokens, size_t n)
{
	struct buf bytes[2];
	struct model *m[2] = { open_as_gguf(&bytes[0], checkpoint, a), open_as_gguf(&bytes[1], checkpoint, b) };
	size_t vocab = model_info(m[0])->n_vocab, state_n = model_info(m[0])->state_floats;
	float *state[2], *logits[2];

	for (int i = 0; i < 2; i++) {
		state[i] = malloc(state_n * sizeof(float));
		logits[i] = all_logits(m[i], tokens, n, state[i]);
	}
	assert_memory_equal(logits[0], logits[1], n * vocab * sizeof(float));
	assert_memory_equal(state[0], state[1], state_n * sizeof(float));
	for (int i = 0; i < 2; i++) {
		model_close(m[i]);
		buf_free(&bytes[i]);
		free(state[i]), free(logits[i]);
	}
}

/* Q8_0 is what its blocks say: bit for bit the F32 file of the same rounded values. */
static void q8_0_is_its_rounded_values(void **state)
{
	static const uint32_t tokens[] = { 1, 2, 3, 60, 71, 80, 200, 9, 5, 4, 260, 33 };
	char path[600];

	(void)state;
	snprintf(path, sizeof path, "%s/goldens/models/rand-v6.fp32.pth", shared_dir());
	if (access(path, R_OK))
		SKIP_LOUDLY("no model at %s", path);
	for (unsigned rescale = 0; rescale < 3; rescale++)
		check_equal(path, &(struct gguf_how){ GGUF_Q8_0, false, true, rescale },
			    &(struct gguf_how){ GGUF_F32, true, true, rescale }, tokens,
			    sizeof tokens / sizeof *tokens);
}

/* The project's own tiny checkpoint: as GGUF it is the model it was; fused or halved changes nothing. */
static void the_carried_model_stays_the_same(void **state)
{
	static const char seed[] = SOURCE_DIR "/tests/fuzz/corpus/safetensors/model_v6.safetensors";
	static const uint32_t tokens[] = { 0, 1, 2, 2, 1, 0, 1 };
	enum { N = sizeof tokens / sizeof *tokens };
	const struct gguf_how plain = { GGUF_F32, false, true, 0 }, half = { GGUF_F32, false, true, 1 },
			      apart = { GGUF_F32, false, false, 0 }, bf16 = { GGUF_BF16, false, true, 0 },
			      half_bf16 = { GGUF_BF16, false, true, 1 }, f16 = { GGUF_F16, false, true, 0 },
			      half_f16 = { GGUF_F16, false, true, 1 };
	float before[64], after[64], *want, *got;
	struct model *m, *original;
	struct buf bytes;

	(void)state;
	check_equal(seed, &plain, &half, tokens, N);
	check_equal(seed, &plain, &apart, tokens, N);
	check_equal(seed, &bf16, &half_bf16, tokens, N);
	check_equal(seed, &f16, &half_f16, tokens, N);
	assert_int_equal(model_open(&original, seed, NULL, NULL), 0);
	m = open_as_gguf(&bytes, seed, &plain);
	assert_true(model_info(m)->state_floats <= 64);
	want = all_logits(original, tokens, N, before);
	got = all_logits(m, tokens, N, after);
	golden_near("carried", N, got, want, N * model_info(m)->n_vocab, 1e-5);
	golden_near("carried state", N, after, before, model_info(m)->state_floats, 1e-5);
	model_close(m);
	model_close(original);
	buf_free(&bytes);
	free(want), free(got);
}

/* Block 99 of a model that halves at every block: no trained model is that deep. */
static void too_many_halvings_are_refused(void **state)
{
	struct buf b = { 0 };
	struct err err = { 0 };
	struct tensor_file *f;
	char *at;

	(void)state;
	assert_int_equal(file_read(&b, SOURCE_DIR "/tests/fuzz/corpus/gguf/model_v6.gguf", 1 << 20, NULL), 0);
	at = memmem(b.p, b.used, "blk.1.channel_mix_value.weight", 30);
	assert_non_null(at);
	memcpy(at, "blk.99.time_mix_output.weight.", 30);
	at[-8] = 29;
	memmove(at + 29, at + 30, (size_t)(b.p + b.used - (at + 30)));
	assert_int_equal(tensor_file_open_memory(&f, b.p, b.used, "x", &err), -ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "halved 99 times"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_carried_model_stays_the_same),
		cmocka_unit_test(files_agree_with_the_official_model),
		cmocka_unit_test(q8_0_is_its_rounded_values),
		cmocka_unit_test(too_many_halvings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
