/* Whole models against the official implementation: every position, in every way to feed them. */
#include "golden.h"
#include "scratch.h"

#include "base/cpu.h"
#include "runtime/run.h"

static struct golden_limits limits;

/* What a listener sees of one forward call. */
struct seen {
	size_t begins, ends, tokens;
	struct state_sums sum; /* over all tensors */
	size_t n_stats;
	double state_norm2;
	float median_decay[64];
	bool prefill;
};

static void seen_begin(void *ctx)
{
	((struct seen *)ctx)->begins++;
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static float median(const float *x, size_t n)
{
	float *sorted = malloc(n * sizeof *sorted), m;

	memcpy(sorted, x, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, compare_floats);
	m = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
	free(sorted);
	return m;
}

static void seen_end(void *ctx, const struct tap_step *step)
{
	struct seen *s = ctx;

	s->ends++;
	s->tokens += step->n_tokens;
	s->prefill = step->prefill;
	s->n_stats = step->n_stats;
	s->sum = (struct state_sums){ 0 };
	s->state_norm2 = 0;
	for (size_t i = 0; i < step->n_stats; i++) {
		assert_int_equal(step->stats[i].layer, step->state[i].layer);
		assert_int_equal(step->stats[i].part, step->state[i].part);
		state_sums_add(&s->sum, &step->stats[i].sums);
	}
	for (size_t i = 0; i < step->n_state; i++)
		for (size_t j = 0; j < step->state[i].n; j++)
			s->state_norm2 += (double)step->state[i].p[j] * (double)step->state[i].p[j];
	for (size_t i = 0; step->decay && i < step->n_layer && i < 64; i++)
		s->median_decay[i] = median(step->decay + i * step->n_decay, step->n_decay);
}

/* One golden set: its manifest, its files and the tokens. */
struct golden {
	char dir[512], name[64];
	json_t *manifest;
};

static const json_t *set_of(const struct golden *g, const char *set)
{
	return json_object_get(json_object_get(g->manifest, "sets"), set);
}

/* NULL when the set has no such file. */
static float *golden_file(const struct golden *g, const char *set, const char *key, size_t n)
{
	const json_t *file = json_object_get(json_object_get(set_of(g, set), "files"), key);
	char path[700];

	if (!file)
		return NULL;
	snprintf(path, sizeof path, "%s/%s", g->dir, json_string_value(json_object_get(file, "file")));
	return golden_floats(path, n);
}

static void check_entropy(const struct golden *g, const char *set, size_t at, const float *logits, size_t n)
{
	const json_t *want = json_array_get(json_object_get(set_of(g, set), "entropy_nats"), at);

	if (!(fabs(golden_entropy(logits, n) - json_number_value(want)) <= limits.entropy))
		fail_msg("%s %s: entropy at %zu is %.8f, expected %.8f", g->name, set, at, golden_entropy(logits, n),
			 json_number_value(want));
}

/* The sums a tap gets are those of the two states, computed the long way in the goldens. */
static void check_seen(const struct golden *g, const char *set, size_t at, const struct seen *s)
{
	const json_t *cosine = json_array_get(json_object_get(set_of(g, set), "state_cosine"), at);
	const json_t *decay = json_array_get(json_object_get(set_of(g, set), "median_decay"), at);
	const json_t *fixed = json_object_get(set_of(g, set), "median_decay_static");
	double got = s->sum.dot / sqrt(s->sum.old_norm2 * s->sum.new_norm2);

	if (s->sum.new_norm2 < 1e30 && fabs(s->sum.new_norm2 / s->state_norm2 - 1) > 1e-6)
		fail_msg("%s %s: squared norm at %zu is %.9g, expected %.9g", g->name, set, at, s->sum.new_norm2,
			 s->state_norm2);
	if (json_is_number(cosine) && !(fabs(got - json_number_value(cosine)) <= limits.cosine))
		fail_msg("%s %s: cosine at %zu is %.9f, expected %.9f", g->name, set, at, got,
			 json_number_value(cosine));
	assert_int_equal(s->sum.nonfinite, 0);
	for (size_t i = 0; i < json_array_size(decay ? decay : fixed); i++) {
		double want = json_number_value(json_array_get(decay ? decay : fixed, i));

		if (!(fabs((double)s->median_decay[i] - want) <= limits.decay))
			fail_msg("%s %s: median decay at %zu of block %zu is %.9f, expected %.9f", g->name, set, at, i,
				 (double)s->median_decay[i], want);
	}
}

static struct run *open_run(const struct model *m, size_t chunk_len)
{
	struct run_config cfg = { .chunk_len = chunk_len };
	struct run *run;

	assert_int_equal(run_open(&run, m, &cfg, NULL), 0);
	return run;
}

/* One token a call, with a tap that wants everything. */
static void check_one_by_one(const struct golden *g, const struct model *m, const char *set)
{
	size_t n, vocab = model_info(m)->n_vocab, state_n = model_info(m)->state_floats;
	uint32_t *tokens = golden_tokens(json_object_get(set_of(g, set), "tokens"), &n);
	float *every = golden_file(g, set, "logits", n * vocab), *last = golden_file(g, set, "final_logits", vocab);
	float *state = golden_file(g, set, "final_state", state_n);
	struct run *run = open_run(m, 0);
	struct seen seen = { 0 };
	const struct tap tap = { &seen, seen_begin, seen_end, true, false };

	for (size_t t = 0; t < n; t++) {
		struct run_call call = { .tokens = tokens + t, .n = 1, .prefill = t == 3, .tap = &tap };

		assert_int_equal(run_forward(run, &call, NULL), 0);
		if (every)
			golden_near(g->name, t, run_logits(run), every + t * vocab, vocab, limits.logits);
		check_entropy(g, set, t, run_logits(run), vocab);
		check_seen(g, set, t, &seen);
		assert_int_equal(seen.prefill, t == 3);
	}
	assert_int_equal(seen.begins, n);
	assert_int_equal(seen.ends, n);
	golden_near(g->name, n, run_logits(run), last, vocab, limits.logits);
	if (state)
		golden_state_near(g->name, run_state_flat(run), state, state_n, &limits);
	run_close(run);
	free(tokens), free(every), free(last), free(state);
}

static void check_chunks(const struct golden *g, const struct model *m, const char *set, size_t chunk_len)
{
	size_t n, vocab = model_info(m)->n_vocab, state_n = model_info(m)->state_floats;
	uint32_t *tokens = golden_tokens(json_object_get(set_of(g, set), "tokens"), &n);
	float *every = golden_file(g, set, "logits", n * vocab), *last = golden_file(g, set, "final_logits", vocab);
	float *state = golden_file(g, set, "final_state", state_n);
	float *all = malloc(n * vocab * sizeof *all);
	struct run *run = open_run(m, chunk_len);
	struct seen seen = { 0 };
	const struct tap tap = { &seen, seen_begin, seen_end, true, false };
	struct run_call call = { .tokens = tokens, .n = n, .prefill = true, .tap = &tap };

	for (int round = 0; round < 2; round++) { /* a reset run starts afresh */
		call.all_logits = round ? NULL : all;
		assert_int_equal(run_forward(run, &call, NULL), 0);
		if (every && !round)
			golden_near(g->name, chunk_len, all, every, n * vocab, limits.logits);
		for (size_t t = 0; t < n; t++)
			check_entropy(g, set, t, all + t * vocab, vocab);
		golden_near(g->name, chunk_len, run_logits(run), last, vocab, limits.logits);
		if (state)
			golden_state_near(g->name, run_state_flat(run), state, state_n, &limits);
		run_reset(run);
	}
	assert_int_equal(seen.tokens, 2 * n);
	assert_int_equal(seen.begins, 2 * ((n + chunk_len - 1) / chunk_len));
	if (n % chunk_len != 1 && chunk_len != 1)
		assert_int_equal(seen.n_stats, 0); /* sums over one token only */
	run_close(run);
	free(tokens), free(every), free(last), free(state), free(all);
}

static bool golden_open(struct golden *g, const char *name)
{
	char path[700];

	snprintf(g->name, sizeof g->name, "%s", name);
	snprintf(g->dir, sizeof g->dir, "%s/goldens/golden/%s", shared_dir(), name);
	snprintf(path, sizeof path, "%s/manifest.json", g->dir);
	g->manifest = json_load_file(path, 0, NULL);
	return g->manifest;
}

static void check_info(const struct golden *g, const struct model *m)
{
	const struct model_info *info = model_info(m);

	assert_string_equal(info->version, json_string_value(json_object_get(g->manifest, "version")));
	assert_int_equal(info->n_layer, json_integer_value(json_object_get(g->manifest, "n_layer")));
	assert_int_equal(info->n_embd, json_integer_value(json_object_get(g->manifest, "n_embd")));
	assert_int_equal(info->n_vocab, json_integer_value(json_object_get(g->manifest, "n_vocab")));
	assert_int_equal(info->n_ffn, json_integer_value(json_object_get(g->manifest, "n_ffn")));
	assert_int_equal(info->state_floats, json_integer_value(json_object_get(g->manifest, "state_len")));
}

struct model_case {
	const char *golden, *file; /* below golden/ and models/ unless they begin with a folder */
};

static const struct model_case cases[] = {
	{ "rand-v7", "rand-v7.fp32.pth" },
	{ "rand-v7", "rand-v7.fp32.safetensors" },
	{ "rand-v7.bf16", "rand-v7.bf16.pth" },
	{ "rand-v7.fp16", "rand-v7.fp16.pth" },
	{ "rand-v7.fp16", "rand-v7.fp16.safetensors" },
	{ "tiny-v7", "tiny-v7.bf16.pth" },
	{ "tiny-v7", "tiny-v7.bf16.safetensors" },
	{ "rand-v4", "rand-v4.fp32.pth" },
	{ "rand-v4", "rand-v4.fp32.safetensors" },
	{ "rand-v4.bf16", "rand-v4.bf16.pth" },
	{ "rand-v4.fp16", "rand-v4.fp16.pth" },
	{ "tiny-v4", "tiny-v4.fp32.pth" },
	{ "rand-v5.0", "rand-v5.0.fp32.pth" },
	{ "rand-v5.1", "rand-v5.1.fp32.pth" },
	{ "rand-v5.2", "rand-v5.2.fp32.pth" },
	{ "rand-v5.2.bf16", "rand-v5.2.bf16.pth" },
	{ "rand-v5.2.fp16", "rand-v5.2.fp16.pth" },
	{ "rand-v5.2.fp16", "rand-v5.2.fp16.safetensors" },
	{ "tiny-v5.2", "tiny-v5.2.fp32.pth" },
	{ "tiny-v5.2.lnx-eps-1e-5", "tiny-v5.2.fp32.pth" },
	{ "rand-v6", "rand-v6.fp32.pth" },
	{ "rand-v6.bf16", "rand-v6.bf16.pth" },
	{ "rand-v6.bf16", "rand-v6.bf16.safetensors" },
	{ "rand-v6.fp16", "rand-v6.fp16.pth" },
	{ "tiny-v6", "tiny-v6.bf16.pth" },
	{ "rand-v4.fp32i8", "rand-v4.fp32.pth" },
	{ "rand-v5.2.fp32i8", "rand-v5.2.fp32.pth" },
	{ "rand-v6.fp32i8", "rand-v6.fp32.pth" },
	{ "rand-v7", "../gguf/rand-v7.F32.gguf" },
	{ "rand-v7.fp16", "../gguf/rand-v7.F16.gguf" },
};

/* rwkv.cpp's files; the goldens computed from their dequantised weights. */
static const char *const ggmf_cases[] = {
	"rand-v4-FP16",
	"rand-v4-Q4_0",
	"rand-v4-Q4_1",
	"rand-v4-Q8_0",
	"rand-v7-Q4_0",
	"rand-v7-Q4_1",
	"rand-v7-Q8_0",
	"tiny-rwkv-4v0-660K-FP16",
	"tiny-rwkv-4v0-660K-Q5_0",
	"tiny-rwkv-5v2-730K-FP16",
	"tiny-rwkv-5v2-730K-FP16.lnx-eps-1e-5",
	"tiny-rwkv-5v2-730K-FP32",
	"tiny-rwkv-5v2-730K-FP32.lnx-eps-1e-5",
	"tiny-rwkv-5v2-730K-Q5_0",
	"tiny-rwkv-5v2-730K-Q5_0.lnx-eps-1e-5",
	"tiny-rwkv-5v2-730K-Q5_1",
	"tiny-rwkv-5v2-730K-Q5_1.lnx-eps-1e-5",
	"tiny-rwkv-6v0-1m-Q5_0",
	"tiny-rwkv-6v0-1m-Q5_1",
	"tiny-rwkv-7v0-834K-FP16",
};

static void rwkv_cpp_files_agree(void **state)
{
	(void)state;
	if (!golden_limits(&limits))
		SKIP_LOUDLY("no goldens at %s", shared_dir());
	for (size_t i = 0; i < sizeof ggmf_cases / sizeof *ggmf_cases; i++) {
		struct model_options options = { 0 };
		char path[600], name[100];
		struct golden g;
		struct model *m;
		struct err err;

		snprintf(name, sizeof name, "../golden-ggml/%s", ggmf_cases[i]);
		assert_true(golden_open(&g, name));
		options.ln_x_eps = (float)json_number_value(json_object_get(g.manifest, "ln_x_eps"));
		snprintf(path, sizeof path, "%s/goldens/ggml/%.*s.bin", shared_dir(), (int)strcspn(ggmf_cases[i], "."),
			 ggmf_cases[i]);
		if (model_open(&m, path, &options, &err))
			fail_msg("%s", err.text);
		check_info(&g, m);
		check_one_by_one(&g, m, "short");
		check_one_by_one(&g, m, "in");
		check_chunks(&g, m, "short", 37);
		model_close(m);
		json_decref(g.manifest);
	}
}

static void models_agree_with_the_official_one(void **state)
{
	int n_sets = getenv("RWKVMON_SIMD") ? 1 : 2; /* slower kernels: 64 tokens say what 300 would */

	(void)state;
	if (!golden_limits(&limits))
		SKIP_LOUDLY("no goldens at %s", shared_dir());
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		static const char *const sets[] = { "short", "long" };
		struct golden g;
		struct model_options options = { 0 };
		struct model *m;
		struct err err;
		char path[600];

		assert_true(golden_open(&g, cases[i].golden));
		options.ln_x_eps = (float)json_number_value(json_object_get(g.manifest, "ln_x_eps"));
		options.strategy = json_string_value(json_object_get(g.manifest, "strategy"));
		snprintf(path, sizeof path, "%s/goldens/models/%s", shared_dir(), cases[i].file);
		if (model_open(&m, path, &options, &err))
			fail_msg("%s", err.text);
		check_info(&g, m);
		for (int s = 0; s < n_sets; s++) {
			check_one_by_one(&g, m, sets[s]);
			check_chunks(&g, m, sets[s], 37);
			check_chunks(&g, m, sets[s], s ? 300 : 1);
		}
		model_close(m);
		json_decref(g.manifest);
	}
}

/* Threads change who computes a row, never the row: bit for bit. */
static void threads_change_nothing(void **state)
{
	static const char *const strategies[] = { "cpu fp32", "cpu fp32i8" };
	static const char text[] = "It was the best of times; and the old man said unto his brother, go forth";
	uint32_t tokens[sizeof text - 1];

	(void)state;
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		tokens[i] = (unsigned char)text[i];
	for (int s = 0; s < 2; s++) {
		struct model_options options = { .strategy = strategies[s] };
		struct run *one, *many;
		struct model *m;
		struct run_call call = { .tokens = tokens, .n = sizeof tokens / sizeof *tokens };

		assert_int_equal(model_open_embedded(&m, &options, NULL), 0);
		assert_int_equal(run_open(&one, m, NULL, NULL), 0);
		for (int threads = 2; threads <= 5; threads++) {
			run_reset(one);
			assert_int_equal(
				run_open(&many, m, &(struct run_config){ .chunk_len = 64, .threads = threads }, NULL),
				0);
			for (int round = 0; round < 3; round++) {
				assert_int_equal(run_forward(one, &call, NULL), 0);
				assert_int_equal(run_forward(many, &call, NULL), 0);
				assert_memory_equal(run_logits(one), run_logits(many), 256 * sizeof(float));
				assert_memory_equal(run_state_flat(one), run_state_flat(many),
						    model_info(m)->state_floats * sizeof(float));
			}
			run_close(many);
		}
		run_close(one);
		model_close(m);
	}
}

/* A trained initial state: from its own file, and again after a reset. */
static void a_trained_state_starts_the_sequence(void **state)
{
	char path[600];
	struct golden g;
	struct model *m;
	struct run *run;
	struct err err;
	float *want, *all, *last;
	uint32_t *tokens;
	size_t n;

	(void)state;
	if (!golden_limits(&limits) || !golden_open(&g, "rand-v6.time_state"))
		SKIP_LOUDLY("no goldens at %s", shared_dir());
	snprintf(path, sizeof path, "%s/goldens/models/rand-v6.fp32.pth", shared_dir());
	assert_int_equal(model_open(&m, path, NULL, &err), 0);
	run = open_run(m, 64);
	snprintf(path, sizeof path, "%s/goldens/models/rand-v6.state.fp32.pth", shared_dir());
	if (run_load_state(run, path, &err))
		fail_msg("%s", err.text);
	tokens = golden_tokens(json_object_get(g.manifest, "tokens"), &n);
	all = malloc(n * 272 * sizeof *all);
	snprintf(path, sizeof path, "%s/short_logits.f32", g.dir);
	want = golden_floats(path, n * 272);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(
			run_forward(run, &(struct run_call){ .tokens = tokens, .n = n, .all_logits = all }, &err), 0);
		golden_near("time_state", 0, all, want, n * 272, limits.logits);
		snprintf(path, sizeof path, "%s/short_final_state.f32", g.dir);
		last = golden_floats(path, model_info(m)->state_floats);
		golden_state_near("time_state", run_state_flat(run), last, model_info(m)->state_floats, &limits);
		run_reset(run);
		free(last);
	}

	/* The raw form: what was saved comes back; what does not fit is refused. */
	snprintf(path, sizeof path, "%s/short_final_state.f32", g.dir);
	assert_int_equal(run_load_state(run, path, &err), 0);
	last = golden_floats(path, model_info(m)->state_floats);
	assert_memory_equal(run_state_flat(run), last, model_info(m)->state_floats * sizeof *last);
	snprintf(path, sizeof path, "%s/short_logits.f32", g.dir);
	assert_int_equal(run_load_state(run, path, &err), -ERR_SHAPE);
	run_close(run);
	model_close(m);
	json_decref(g.manifest);
	free(tokens), free(all), free(want), free(last);
}

/* -- the model inside every program ------------------------------------------------------ */

/* These limits are those of the shared goldens; they need not be present for this test. */
static const struct golden_limits own_limits = { 2e-4, 5e-5, 3e-5, 1e-4, 2e-6, 1e-6 };

static void check_embedded(size_t chunk_len)
{
	json_t *golden = json_load_file(SOURCE_DIR "/models/golden.json", 0, NULL);
	size_t n, vocab = 256, state_n = 50688;
	uint32_t *tokens = golden_tokens(json_object_get(golden, "tokens"), &n);
	float *want = golden_floats(SOURCE_DIR "/models/golden_logits.f32", n * vocab);
	float *want_state = golden_floats(SOURCE_DIR "/models/golden_state.f32", state_n);
	float *all = malloc(n * vocab * sizeof *all);
	struct model *m;
	struct run *run;
	struct err err;

	if (model_open_embedded(&m, NULL, &err))
		fail_msg("%s", err.text);
	assert_string_equal(model_info(m)->version, "7");
	assert_int_equal(model_info(m)->state_floats, state_n);
	assert_int_equal(model_info(m)->parameters + 128 + 2 * 128 * 32, 1506048); /* without block 0's v0, v1, v2 */
	run = open_run(m, chunk_len);
	assert_int_equal(run_forward(run, &(struct run_call){ .tokens = tokens, .n = n, .all_logits = all }, &err), 0);
	golden_near("embedded", chunk_len, all, want, n * vocab, own_limits.logits);
	golden_state_near("embedded", run_state_flat(run), want_state, state_n, &own_limits);
	for (size_t t = 0; t < n; t++)
		assert_true(fabs(golden_entropy(all + t * vocab, vocab) -
				 json_number_value(json_array_get(json_object_get(golden, "entropy_nats"), t))) <=
			    own_limits.entropy);
	run_close(run);
	model_close(m);
	json_decref(golden);
	free(tokens), free(want), free(want_state), free(all);
}

static void the_embedded_model_is_what_was_trained(void **state)
{
	(void)state;
	check_embedded(1);
	check_embedded(37);
	check_embedded(64);
}

/* -- small models of every other version, carried by the project: tests/golden/versions/make.py ------------ */

enum { OWN_TOKENS = 32, OWN_VOCAB = 64 };

/* A context stands behind them in 7b's state. */
static size_t recurrent_floats(const struct run *run)
{
	size_t n, sum = 0;
	const struct tap_state *tensors = run_state(run, &n);

	for (size_t i = 0; i < n; i++)
		sum += tensors[i].n;
	return sum;
}

static void check_own(const char *version, size_t chunk_len)
{
	char path[600];
	uint32_t tokens[OWN_TOKENS];
	float *all = malloc(sizeof *all * OWN_TOKENS * OWN_VOCAB), *want, *want_state;
	struct model *m;
	struct run *run;
	struct err err;

	for (uint32_t t = 0; t < OWN_TOKENS; t++)
		tokens[t] = (7 * t * t + 3 * t + 1) % OWN_VOCAB;
	snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/versions/v%s.pth", version);
	if (model_open(&m, path, NULL, &err))
		fail_msg("%s", err.text);
	assert_string_equal(model_info(m)->version, version);
	snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/versions/v%s.logits.f32", version);
	want = golden_floats(path, OWN_TOKENS * OWN_VOCAB);
	snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/versions/v%s.state.f32", version);
	run = open_run(m, chunk_len);
	want_state = golden_floats(path, recurrent_floats(run));
	for (int sequence = 0; sequence < 2; sequence++) {
		const struct run_call call = { .tokens = tokens, .n = OWN_TOKENS, .all_logits = all };

		assert_int_equal(run_forward(run, &call, &err), 0);
		golden_near(version, chunk_len, all, want, OWN_TOKENS * OWN_VOCAB, own_limits.logits);
		golden_state_near(version, run_state_flat(run), want_state, recurrent_floats(run), &own_limits);
		run_reset(run);
	}
	run_close(run);
	model_close(m);
	free(all), free(want), free(want_state);
}

static void every_other_version_agrees_with_the_official_one(void **state)
{
	static const char *const versions[] = { "4", "5.0", "5.1", "5.2", "6", "7a", "7b" };

	(void)state;
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		check_own(versions[i], 1);
		check_own(versions[i], 7);
		check_own(versions[i], OWN_TOKENS);
	}
}

/* -- 7b: what its attention remembers ---------------------------------------------------------------------- */

static struct model *open_own(const char *version)
{
	char path[600];
	struct model *m;
	struct err err;

	snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/versions/v%s.pth", version);
	if (model_open(&m, path, NULL, &err))
		fail_msg("%s", err.text);
	return m;
}

static int feed(struct run *run, const uint32_t *tokens, size_t n, struct err *err)
{
	return run_forward(run, &(struct run_call){ .tokens = tokens, .n = n }, err);
}

/* Keys and values are made anew, in chunks of any length. */
static void a_context_comes_back_with_its_state(void **state)
{
	static const uint32_t tokens[] = { 5, 9, 1, 63, 9, 9, 20, 33, 2, 40, 41, 5 };
	enum { N = sizeof tokens / sizeof *tokens, KEPT = 7 };
	struct model *m = open_own("7b");
	size_t floats = model_info(m)->state_floats;
	float *kept = malloc(floats * sizeof *kept);
	struct run *whole = open_run(m, 1), *other = open_run(m, 3);
	struct err err;

	(void)state;
	assert_int_equal(feed(whole, tokens, KEPT, &err), 0);
	memcpy(kept, run_state_flat(whole), floats * sizeof *kept);
	assert_int_equal(feed(whole, tokens + KEPT, N - KEPT, &err), 0);
	assert_int_equal(feed(other, tokens + 2, N - 2, &err), 0); /* another sequence, which must leave nothing */
	run_state_set(other, kept);
	assert_int_equal(feed(other, tokens + KEPT, N - KEPT, &err), 0);
	golden_near("7b, a state that was set", 3, run_logits(other), run_logits(whole), OWN_VOCAB, own_limits.logits);
	run_reset(other);
	assert_int_equal(feed(other, tokens, N, &err), 0);
	golden_near("7b, after a reset", 3, run_logits(other), run_logits(whole), OWN_VOCAB, own_limits.logits);
	run_close(whole);
	run_close(other);
	model_close(m);
	free(kept);
}

/* A state that is kept in a file goes to others. */
static void a_state_holds_nothing_of_an_earlier_sequence(void **state)
{
	static const uint32_t secret[] = { 11, 12, 13, 14, 15, 16, 17, 18, 19 }, tokens[] = { 5, 9 };
	struct model *m = open_own("7b");
	size_t floats = model_info(m)->state_floats;
	struct run *used = open_run(m, 4), *other = open_run(m, 4);
	float *early = malloc(floats * sizeof *early);
	struct err err;

	(void)state;
	assert_int_equal(feed(other, tokens, 2, &err), 0);
	memcpy(early, run_state_flat(other), floats * sizeof *early);
	assert_int_equal(feed(used, secret, 9, &err), 0);
	run_reset(used);
	assert_int_equal(feed(used, tokens, 2, &err), 0);
	assert_memory_equal(run_state_flat(used), early, floats * sizeof *early);
	assert_int_equal(feed(used, secret, 9, &err), 0);
	run_state_set(used, early);
	assert_memory_equal(run_state_flat(used), early, floats * sizeof *early);
	free(early);
	run_close(used);
	run_close(other);
	model_close(m);
}

static void a_full_context_is_refused(void **state)
{
	struct model *m = open_own("7b");
	struct run *run = open_run(m, 512);
	size_t most = model_info(m)->context;
	uint32_t *tokens = calloc(most + 1, sizeof *tokens);
	float before;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(most, MODEL_CONTEXT_MAX);
	assert_int_equal(feed(run, tokens, most + 1, &err), -ERR_USAGE);
	assert_int_equal(feed(run, tokens, most, &err), 0);
	before = run_logits(run)[0];
	assert_true(isfinite(before));
	assert_int_equal(feed(run, tokens, 1, &err), -ERR_USAGE);
	assert_non_null(strstr(err.text, "at most 4096"));
	assert_true(run_logits(run)[0] == before);
	run_reset(run);
	assert_int_equal(feed(run, tokens, 1, &err), 0);
	run_close(run);
	model_close(m);
	free(tokens);
}

static void write_floats(const char *path, const float *floats, size_t n)
{
	FILE *out = fopen(path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(floats, sizeof *floats, n, out), n);
	assert_int_equal(fclose(out), 0);
}

/* A count, and ids, that nobody can have been fed: a state's file is hostile. */
static void a_context_that_cannot_be_is_refused(void **state)
{
	static const float counts[] = { 4097, -1, 0.5F, NAN, INFINITY, 1e30F };
	struct model *m = open_own("7b");
	struct run *run = open_run(m, 4);
	size_t floats = model_info(m)->state_floats, at = recurrent_floats(run);
	float *kept = calloc(floats, sizeof *kept);
	char dir[80], path[100];
	struct err err = { 0 };

	(void)state;
	assert_int_equal(scratch_make(dir, sizeof dir, "context"), 0);
	snprintf(path, sizeof path, "%s/state", dir);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		kept[at] = counts[i];
		write_floats(path, kept, floats);
		assert_int_equal(run_load_state(run, path, &err), -ERR_SHAPE);
		assert_non_null(strstr(err.text, "context"));
	}
	kept[at] = 1;
	kept[at + 1] = OWN_VOCAB; /* one past the last */
	write_floats(path, kept, floats);
	assert_int_equal(run_load_state(run, path, &err), -ERR_SHAPE);
	kept[at + 1] = OWN_VOCAB - 1;
	write_floats(path, kept, floats);
	assert_int_equal(run_load_state(run, path, &err), 0);
	assert_int_equal(feed(run, (const uint32_t[]){ 3 }, 1, &err), 0);
	run_close(run);
	model_close(m);
	free(kept);
	assert_int_equal(scratch_remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_comes_back_with_its_state),
		cmocka_unit_test(a_state_holds_nothing_of_an_earlier_sequence),
		cmocka_unit_test(a_full_context_is_refused),
		cmocka_unit_test(a_context_that_cannot_be_is_refused),
		cmocka_unit_test(the_embedded_model_is_what_was_trained),
		cmocka_unit_test(every_other_version_agrees_with_the_official_one),
		cmocka_unit_test(models_agree_with_the_official_one),
		cmocka_unit_test(rwkv_cpp_files_agree),
		cmocka_unit_test(threads_change_nothing),
		cmocka_unit_test(a_trained_state_starts_the_sequence),
	};

	fprintf(stderr, "kernels: %s\n", cpu_features_name());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
