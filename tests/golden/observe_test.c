/* What the observer says of entropy, state and its drift, against the official implementation's doubles,
 * at every position: from the state itself, and from the sums the runtime hands over. */
#include "golden.h"

#include "observe/observe.h"
#include "runtime/run.h"

static struct golden_limits limits;

struct watched {
	struct observer *by_state, *by_sums;
	const json_t *set; /* "entropy_nats", "state_cosine", … */
	const char *name;
	size_t at;
};

static void near_json(const struct watched *w, const char *what, const struct record *r, enum metric_id m,
		      const json_t *want, double limit)
{
	if (!json_is_number(want))
		return;
	if (!record_has(r, m) || !(fabs(r->metric[m] - json_number_value(want)) <= limit))
		fail_msg("%s, %s at %zu: %.9f, expected %.9f", w->name, what, w->at,
			 record_has(r, m) ? r->metric[m] : NAN, json_number_value(want));
}

static void check(const struct watched *w, const struct record *r)
{
	const json_t *parts = json_object_get(w->set, "state_cosine_parts");

	near_json(w, "entropy", r, M_LOGITS_ENTROPY, json_array_get(json_object_get(w->set, "entropy_nats"), w->at),
		  limits.entropy);
	near_json(w, "similarity", r, M_STATE_SIMILARITY,
		  json_array_get(json_object_get(w->set, "state_cosine"), w->at), limits.cosine);
	near_json(w, "similarity of the matrices", r, M_STATE_SIMILARITY_WKV,
		  json_array_get(json_object_get(parts, "att_kv"), w->at), limits.cosine);
	if (!w->at || (w->at + 1) % 100)
		assert_false(record_has(r, M_STATE_DRIFT));
	else
		near_json(w, "drift", r, M_STATE_DRIFT, json_array_get(json_object_get(w->set, "drift"), w->at / 100),
			  limits.cosine);
	if (w->at) /* the loss of the token fed, under the logits before it */
		near_json(w, "surprisal", r, M_SURPRISAL_NATS,
			  json_array_get(json_object_get(w->set, "nll_next_nats"), w->at - 1),
			  2 * limits.logits + limits.entropy);
}

static void on_begin(void *ctx)
{
	(void)ctx;
}

static void on_end(void *ctx, const struct tap_step *step)
{
	struct watched *w = ctx;
	struct observed_tensor state[256];
	struct state_sums sums[PART_COUNT] = { 0 };
	struct observed_call call = { .end_ns = 1,
				      .tokens = step->tokens,
				      .n_tokens = step->n_tokens,
				      .phase = PHASE_DECODE,
				      .logits = step->logits,
				      .n_logits = step->vocab,
				      .state = state,
				      .n_state = step->n_state };
	struct record r = { 0 };

	for (size_t i = 0; i < step->n_state; i++)
		state[i] = (struct observed_tensor){ step->state[i].p, step->state[i].n, VALUE_F32,
						     step->state[i].part == TAP_WKV ? PART_WKV : PART_SHIFT };
	observer_call(w->by_state, &call, &r);
	check(w, &r);
	for (size_t i = 0; i < step->n_stats; i++)
		state_sums_add(&sums[step->stats[i].part == TAP_WKV ? PART_WKV : PART_SHIFT], &step->stats[i].sums);
	call.sums = sums;
	observer_call(w->by_sums, &call, &r);
	check(w, &r);
	w->at++;
}

static void watch(const char *name, const struct model *m, const json_t *set, const json_t *tokens_json)
{
	struct watched w = { observer_open(NULL), observer_open(NULL), set, name, 0 };
	const struct tap tap = { .ctx = &w, .begin = on_begin, .end = on_end, .wants_state_stats = true };
	size_t n;
	uint32_t *tokens = golden_tokens(tokens_json, &n);
	struct run *run;

	assert_true(n > 0);
	assert_int_equal(run_open(&run, m, NULL, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		struct run_call call = { .tokens = tokens + i, .n = 1, .tap = &tap };

		assert_int_equal(run_forward(run, &call, NULL), 0);
	}
	assert_int_equal(w.at, n);
	run_close(run);
	free(tokens);
	observer_close(w.by_state);
	observer_close(w.by_sums);
}

/* The keys of models/golden.json that this test uses are those of a golden set. */
static void the_embedded_model_is_observed_right(void **state)
{
	json_t *golden = json_load_file("models/golden.json", 0, NULL);
	struct model *m;

	(void)state;
	assert_non_null(golden);
	assert_true(json_array_size(json_object_get(golden, "entropy_nats")) > 0);
	assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
	watch("embedded", m, golden, json_object_get(golden, "tokens"));
	model_close(m);
	json_decref(golden);
}

/* drift.json says how far the official package's states went. */
static void states_drift_as_the_official_ones(void **state)
{
	json_t *golden = json_load_file("tests/golden/drift.json", 0, NULL);
	const char *name;
	json_t *set;

	(void)state;
	assert_int_equal(json_object_size(golden), 6);
	json_object_foreach(golden, name, set)
	{
		char path[64];
		struct model *m;

		snprintf(path, sizeof path, "tests/golden/versions/%s.pth", name);
		assert_int_equal(json_array_size(json_object_get(set, "drift")), 3);
		if (strcmp(name, "embedded"))
			assert_int_equal(model_open(&m, path, NULL, NULL), 0);
		else
			assert_int_equal(model_open_embedded(&m, NULL, NULL), 0);
		watch(name, m, set, json_object_get(set, "tokens"));
		model_close(m);
	}
	json_decref(golden);
}

static void official_models_are_observed_right(void **state)
{
	static const char *const names[][2] = { { "rand-v7", "rand-v7.fp32.pth" }, { "tiny-v7", "tiny-v7.bf16.pth" } };
	static const char *const sets[] = { "short", "long" };

	(void)state;
	if (!golden_limits(&limits))
		SKIP_LOUDLY("no goldens at %s", shared_dir());
	for (size_t i = 0; i < 2; i++) {
		char path[600];
		json_t *manifest;
		struct model *m;

		snprintf(path, sizeof path, "%s/goldens/golden/%s/manifest.json", shared_dir(), names[i][0]);
		manifest = json_load_file(path, 0, NULL);
		assert_non_null(manifest);
		snprintf(path, sizeof path, "%s/goldens/models/%s", shared_dir(), names[i][1]);
		assert_int_equal(model_open(&m, path, NULL, NULL), 0);
		for (size_t s = 0; s < 2; s++) {
			const json_t *set = json_object_get(json_object_get(manifest, "sets"), sets[s]);

			watch(names[i][0], m, set, json_object_get(set, "tokens"));
		}
		model_close(m);
		json_decref(manifest);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_embedded_model_is_observed_right),
		cmocka_unit_test(states_drift_as_the_official_ones),
		cmocka_unit_test(official_models_are_observed_right),
	};

	limits = (struct golden_limits){ .logits = 2e-4, .entropy = 1e-4, .cosine = 2e-6 };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
