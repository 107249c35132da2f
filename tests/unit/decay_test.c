/* The decay of channels, read from a file alone, is the one that the forward pass meets. */
#include "test.h"

#include "runtime/decay.h"
#include "runtime/model.h"
#include "runtime/run.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { TOKENS = 12, CHANNELS_MOST = 65536 };

struct seen {
	float decay[CHANNELS_MOST];
	size_t n;
};

static void nothing(void *ctx)
{
	(void)ctx;
}

static void keep_decay(void *ctx, const struct tap_step *step)
{
	struct seen *s = ctx;

	s->n = step->n_layer * step->n_decay;
	assert_true(step->decay && s->n <= CHANNELS_MOST);
	memcpy(s->decay, step->decay, s->n * sizeof *s->decay);
}

/* The first token-shift vector of each layer is that of time mixing. */
static void copy_shifts(const struct run *run, const struct decays *d, float *to)
{
	size_t n, layers = decays_layers(d), width = decays_width(d);
	const struct tap_state *state = run_state(run, &n);

	for (size_t i = 0; !decays_are_fixed(d) && i < layers; i++) {
		const struct tap_state *of = &state[i * (n / layers)];

		assert_int_equal(of->part, TAP_SHIFT);
		assert_int_equal(of->n, width);
		memcpy(to + i * width, of->p, width * sizeof *to);
	}
}

static void compare(const char *path, bool fixed)
{
	static struct seen seen;
	static float was[CHANNELS_MOST], is[CHANNELS_MOST], now[CHANNELS_MOST];
	const struct tap tap = { &seen, nothing, keep_decay, false, false };
	struct err err = { 0 };
	struct decays *d;
	struct model *m;
	struct run *run;

	if (model_open(&m, path, NULL, &err) || decays_open(&d, path, &err))
		fail_msg("%s", err.text);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	assert_int_equal(decays_are_fixed(d), fixed);
	for (uint32_t token = 0; token < TOKENS; token++) {
		copy_shifts(run, d, was);
		assert_int_equal(run_forward(run, &(struct run_call){ .tokens = &token, .n = 1, .tap = &tap }, &err),
				 0);
		copy_shifts(run, d, is);
		decays_now(d, was, is, now);
		assert_int_equal(seen.n, decays_layers(d) * decays_channels(d));
		for (size_t i = 0; i < seen.n; i++)
			assert_true(fabsf(now[i] - seen.decay[i]) <= 1e-5F);
	}
	run_close(run);
	model_close(m);
	decays_close(d);
}

static void files_say_what_the_forward_pass_meets(void **state)
{
	(void)state;
	compare(SOURCE_DIR "/tests/golden/versions/v4.pth", true);
	compare(SOURCE_DIR "/tests/golden/versions/v5.0.pth", true);
	compare(SOURCE_DIR "/tests/golden/versions/v5.1.pth", true);
	compare(SOURCE_DIR "/tests/golden/versions/v5.2.pth", true);
	compare(SOURCE_DIR "/tests/golden/versions/v6.pth", false);
	compare(SOURCE_DIR "/tests/golden/versions/v7a.pth", false);
	compare(SOURCE_DIR "/models/tiny-rwkv7.safetensors", false);
}

/* As rwkv.cpp and llama.cpp keep them, quantised and not; where the files are. */
static void foreign_files_say_it_too(void **state)
{
	static const struct {
		const char *path;
		bool fixed;
	} of[] = { { "ggml/tiny-rwkv-4v0-660K-Q5_0.bin", true },  { "ggml/tiny-rwkv-5v2-730K-Q5_1.bin", true },
		   { "ggml/tiny-rwkv-6v0-1m-Q5_0.bin", false },   { "ggml/rand-v7-Q4_0.bin", false },
		   { "ggml/tiny-rwkv-7v0-834K-FP16.bin", false }, { "gguf/rand-v7.F16.gguf", false } };

	(void)state;
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		char path[512];

		snprintf(path, sizeof path, "%s/goldens/%s", shared_dir(), of[i].path);
		if (access(path, R_OK)) {
			print_message("SKIPPED: %s is missing\n", path);
			skip();
		}
		compare(path, of[i].fixed);
	}
}

/* What has no decay is refused, and says why. */
static void other_files_are_refused(void **state)
{
	struct decays *d = (struct decays *)1;
	struct err err = { 0 };

	(void)state;
	assert_int_not_equal(decays_open(&d, SOURCE_DIR "/README.md", &err), 0);
	assert_null(d);
	assert_true(*err.text);
	assert_int_not_equal(decays_open(&d, "/nowhere", &err), 0);
}

static void percentiles_are_of_all_channels(void **state)
{
	float w[101], bad[3] = { 0.5F, NAN, 0.25F };
	double half[HALF_LIVES];

	(void)state;
	for (int i = 0; i <= 100; i++)
		w[100 - i] = (float)exp2(-1.0 / (i + 1)); /* half-lives of 1 to 101 tokens */
	assert_true(half_lives_of(w, 101, half));
	assert_true(fabs(half[0] - 6) < 0.01 && fabs(half[1] - 51) < 0.01 && fabs(half[2] - 96) < 0.1);
	assert_false(half_lives_of(bad, 3, half));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_say_what_the_forward_pass_meets),
		cmocka_unit_test(foreign_files_say_it_too),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(percentiles_are_of_all_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
