/* Training: the loss falls where there is something to learn, nothing is learned from noise, the same seed gives the
 * same file, and a file that is damaged or foreign is refused. */
#include "learn/train.c" /* its loss, beside its gradient; before names that its own would hide */

#include "random.h"
#include "scratch.h"
#include "test.h"

#include "base/buf.h"
#include "base/file.h"
#include "runtime/safetensors_write.h"

#include <math.h>

enum { N = 96, SESSIONS = 20 };

static char dir[64];

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static int set_up(void **state)
{
	(void)state;
	return scratch_make(dir, sizeof dir, "learn");
}

static int tear_down(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

/* A saw of changing height: no line, and of no fixed level. Or a walk. */
static void fill_series(struct learn_series *s, struct learn_set *set, bool saw)
{
	double level = 1000 * unit(), height = 5 + 5 * unit(), walk = 0;
	size_t phase = (size_t)(16 * unit());

	s->n = N;
	s->y[0] = arena_alloc(&set->arena, N, sizeof(double));
	s->y[1] = arena_alloc(&set->arena, N, sizeof(double));
	assert_true(s->y[0] && s->y[1]);
	s->foretold[0] = true;
	for (size_t i = 0; i < N; i++) {
		walk += normal();
		s->y[0][i] = saw ? level + height * (double)((i + phase) % 16) / 16 + 0.1 * normal() : walk;
		s->y[1][i] = normal();
	}
}

static void make_set(struct learn_set *set, bool saw)
{
	*set = (struct learn_set){ .n_metrics = 2, .metric = { "one", "two" } };
	for (uint64_t i = 0; i < SESSIONS; i++) {
		struct learn_series *s = learn_set_add(set);

		assert_non_null(s);
		fill_series(s, set, saw);
		s->group = i * UINT64_C(0x9e3779b97f4a7c15);
		s->foretold[1] = saw;
		assert_true(learn_set_session(set, s->group, s->group));
	}
	assert_int_equal(learn_deal(set, 1, NULL), 0);
}

static const struct learn_options how = { .units = 16, .layers = 1, .rounds = 100, .patience = 20, .seed = 3 };

static struct trained *trained_on(const struct learn_set *set, struct learn_progress *end)
{
	struct trained *l;
	struct err err = { 0 };

	if (learn_train(&l, set, &how, end, &err))
		fail_msg("%s", err.text);
	return l;
}

/* Mean absolute error at the judging sessions by the share of "it stays as it is". */
static double error_share(const struct trained *l, const struct learn_set *set)
{
	double error = 0, last = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct learn_series *s = &set->series[i];
		double said[FORECAST_POINTS_MAX + 1][FORECAST_STEPS_MAX];

		if (s->part != LEARN_JUDGE)
			continue;
		assert_true(trained_say(l, (const double *const *)s->y, s->n, 0, said));
		for (size_t at = N / 2; at < N; at++)
			for (size_t k = 0; at + k < N && k < FORECAST_STEPS_MAX; k++) {
				error += fabs(said[at][k] - s->y[0][at + k]);
				last += fabs(s->y[0][at - 1] - s->y[0][at + k]);
			}
	}
	return error / last;
}

static void what_can_be_learned_is_learned(void **state)
{
	struct learn_set set;
	struct learn_progress end;
	struct trained *l;

	(void)state;
	make_set(&set, true);
	assert_int_equal(set.groups[LEARN_STOP] + set.groups[LEARN_JUDGE] + set.groups[LEARN_FIT], SESSIONS);
	assert_int_equal(set.groups[LEARN_JUDGE], SESSIONS / 5);
	l = trained_on(&set, &end);
	assert_true(end.best > 0);
	assert_true(error_share(l, &set) < 0.6);
	for (size_t i = 0; i < set.n; i++)
		assert_int_equal(trained_knows(l, set.series[i].group), set.series[i].part != LEARN_JUDGE);
	trained_close(l);
	learn_set_free(&set);

	make_set(&set, false);
	l = trained_on(&set, &end);
	assert_true(error_share(l, &set) > 0.9); /* a walk is not foretold */
	trained_close(l);
	learn_set_free(&set);
}

/* The two quantiles around the median hold about 9 of 10. */
static void quantiles_hold_what_they_say(void **state)
{
	struct learn_set set;
	struct learn_progress end;
	struct trained *l;
	struct lstm_tape *tape;
	float x[N * LSTM_INPUTS_MAX];
	double inside = 0, all = 0;

	(void)state;
	make_set(&set, false);
	l = trained_on(&set, &end);
	tape = lstm_tape_open(&l->net->shape, N);
	assert_non_null(tape);
	for (size_t i = 0; i < set.n; i++) {
		const struct learn_series *s = &set.series[i];
		struct lstm_state at = { 0 };

		trained_inputs(l, (const double *const *)s->y, s->n, x);
		lstm_forward(l->net, tape, &at, x, s->n);
		for (size_t k = 0; k + 1 < N; k++) {
			const float *said = tape->out + k * l->net->shape.outputs + trained_output(0, 0);
			double came = (s->y[0][k + 1] - s->y[0][k]) / (double)l->scale[0].change[0];

			inside += came >= (double)said[0] && came <= (double)said[2];
			all++;
		}
	}
	assert_true(inside / all > 0.8 && inside / all < 0.97);
	lstm_tape_close(tape);
	trained_close(l);
	learn_set_free(&set);
}

/* The mean pinball loss; into gradient (of the last window alone) when that is not NULL. */
static double loss_of(const struct trained *l, const struct learn_series *s, float *gradient)
{
	struct work w;
	struct loss loss;

	assert_true(work_open(&w, l));
	loss = series_loss(&w, s, NULL, NULL);
	if (gradient)
		lstm_backward(l->net, w.tape, w.x + (s->n - 1) / WINDOW * WINDOW * l->net->shape.inputs,
			      (s->n - 1) % WINDOW + 1, gradient);
	work_close(&w);
	return loss.sum / loss.n;
}

static void the_loss_has_the_gradient_it_says(void **state)
{
	struct learn_set set;
	struct learn_progress end;
	struct trained *l;
	struct learn_series s;
	float *gradient;
	size_t wrong = 0, checked = 0;

	(void)state;
	make_set(&set, true);
	l = trained_on(&set, &end);
	gradient = calloc(l->net->n, sizeof *gradient);
	assert_non_null(gradient);
	s = set.series[0];
	s.n = 30; /* one window */
	loss_of(l, &s, gradient);
	for (size_t i = 0; i < l->net->n; i += 7) {
		const float apart = 2e-3F;
		float kept = l->net->weight[i];
		double up, down, slope;

		l->net->weight[i] = kept + apart;
		up = loss_of(l, &s, NULL);
		l->net->weight[i] = kept - apart;
		down = loss_of(l, &s, NULL);
		l->net->weight[i] = kept;
		slope = (up - down) / (2 * (double)apart);
		wrong += fabs(slope - (double)gradient[i]) > 0.02 + 0.05 * fabs(slope); /* quantiles have kinks */
		checked++;
	}
	assert_true(checked > 100 && wrong * 50 <= checked);
	free(gradient);
	trained_close(l);
	learn_set_free(&set);
}

/* --- files ------------------------------------------------------------------------------- */

static void read_whole(struct buf *out, const char *name)
{
	assert_int_equal(file_read(out, in_dir(name), 1 << 24, NULL), 0);
}

static void a_file_is_what_was_saved(void **state)
{
	struct learn_set set;
	struct learn_progress end;
	struct trained *a, *b, *read = NULL;
	struct buf one = { 0 }, other = { 0 };

	(void)state;
	make_set(&set, true);
	a = trained_on(&set, &end);
	b = trained_on(&set, &end);
	assert_int_equal(trained_save(a, in_dir("a.safetensors"), NULL), 0);
	assert_int_equal(trained_save(b, in_dir("b.safetensors"), NULL), 0);
	read_whole(&one, "a.safetensors");
	read_whole(&other, "b.safetensors");
	assert_int_equal(one.used, other.used);
	assert_memory_equal(one.p, other.p, one.used); /* the same seed */
	assert_int_equal(trained_open(&read, in_dir("a.safetensors"), NULL), 0);
	assert_int_equal(read->n_metrics, a->n_metrics);
	assert_string_equal(read->metric[0], "one");
	assert_memory_equal(read->scale, a->scale, a->n_metrics * sizeof *a->scale);
	assert_int_equal(read->n_sessions, a->n_sessions);
	assert_memory_equal(read->session, a->session, a->n_sessions * sizeof *a->session);
	assert_int_equal(read->net->n, a->net->n);
	assert_memory_equal(read->net->weight, a->net->weight, a->net->n * sizeof(float));
	trained_close(read);
	trained_close(a);
	trained_close(b);
	buf_free(&one);
	buf_free(&other);
	learn_set_free(&set);
}

static void refused(const char *path, const char *why)
{
	struct trained *l;
	struct err err = { 0 };

	assert_int_not_equal(trained_open(&l, path, &err), 0);
	assert_null(l);
	if (!strstr(err.text, why))
		fail_msg("found \"%s\", expected \"%s\"", err.text, why);
}

static void damage_is_refused(void **state)
{
	struct buf whole = { 0 };
	struct slice bytes;
	size_t loaded = 0;

	(void)state;
	read_whole(&whole, "a.safetensors");
	bytes = buf_slice(&whole);
	for (size_t at = 0; at < whole.used; at += 1 + whole.used / 400) { /* every part of it */
		struct trained *l;
		struct err err = { 0 };

		whole.p[at] ^= 0x10;
		assert_int_equal(file_write(in_dir("bad.safetensors"), bytes, NULL), 0);
		if (!trained_open(&l, in_dir("bad.safetensors"), &err))
			loaded++;
		else
			assert_true(err.text[0]);
		trained_close(l);
		whole.p[at] ^= 0x10;
	}
	assert_int_equal(loaded, 0);
	bytes.n -= 100;
	assert_int_equal(file_write(in_dir("short.safetensors"), bytes, NULL), 0);
	refused(in_dir("short.safetensors"), "ends at byte");
	buf_free(&whole);
}

static void other_models_are_refused(void **state)
{
	static const int64_t about[] = { 2, 0 };
	const struct tensor newer = { .name = "rwkvmon.forecast",
				      .dtype = DTYPE_I64,
				      .n_dims = 1,
				      .shape = { 2 },
				      .count = 2,
				      .data = (const uint8_t *)about };

	(void)state;
	refused(SOURCE_DIR "/models/tiny-rwkv7.safetensors", "is no forecasting model");
	assert_int_equal(safetensors_write(in_dir("newer.safetensors"), &newer, 1, NULL), 0);
	refused(in_dir("newer.safetensors"), "layout 2");
	refused(in_dir("nothing.safetensors"), "nothing.safetensors");
}

static void too_few_sessions_are_refused(void **state)
{
	struct learn_set set = { .n_metrics = 1, .metric = { "one" } };
	struct err err = { 0 };

	(void)state;
	learn_set_add(&set)->group = 1;
	learn_set_add(&set)->group = 2;
	assert_int_not_equal(learn_deal(&set, 1, &err), 0);
	assert_non_null(strstr(err.text, "learn from: 2; expected 3"));
	learn_set_free(&set);
}

/* 20 short sessions and 20 long ones: of each length, 4 are held out for each purpose, whatever order they come in;
 * which ones, the seed says. */
static void sessions_are_dealt_by_chance(void **state)
{
	enum { EACH = 20, SEEDS = 40 };
	int judged[2 * EACH] = { 0 };

	(void)state;
	for (uint64_t dealt = 0; dealt < SEEDS; dealt++) {
		struct learn_set set = { .n_metrics = 1 }, other = { .n_metrics = 1 };
		size_t in[2][LEARN_PARTS] = { { 0 } };

		for (uint64_t i = 0; i < 2 * EACH; i++) {
			*learn_set_add(&set) = (struct learn_series){ .n = i % 2 ? 30 : 120, .group = i + 1 };
			*learn_set_add(&other) = (struct learn_series){ .n = i % 2 ? 120 : 30, .group = 2 * EACH - i };
		}
		assert_int_equal(learn_deal(&set, dealt, NULL), 0);
		assert_int_equal(learn_deal(&other, dealt, NULL), 0);
		for (size_t i = 0; i < 2 * EACH; i++) {
			assert_int_equal(set.series[i].part, other.series[2 * EACH - 1 - i].part);
			in[i % 2][set.series[i].part]++;
			judged[i] += set.series[i].part == LEARN_JUDGE;
		}
		for (int k = 0; k < 2; k++)
			assert_true(in[k][LEARN_STOP] == EACH / 5 && in[k][LEARN_JUDGE] == EACH / 5);
		learn_set_free(&set);
		learn_set_free(&other);
	}
	for (int i = 0; i < 2 * EACH; i++)
		assert_in_range(judged[i], 1, SEEDS / 2);
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static void who_stops_at_once_has_the_untrained_network(void **state)
{
	struct learn_options stopped = how;
	struct learn_set set;
	struct learn_progress end;
	struct trained *l;

	(void)state;
	stopped.stop = always;
	make_set(&set, true);
	assert_int_equal(learn_train(&l, &set, &stopped, &end, NULL), 0);
	assert_int_equal(end.best, 0);
	assert_true(fabs(error_share(l, &set) - 1) < 1e-9);
	trained_close(l);
	learn_set_free(&set);
}

static bool after_a_while(void *ctx)
{
	size_t *series = ctx;

	return !(*series)--;
}

/* Stopped in the middle of a round, it is as it was after the best of the whole ones. */
static void who_stops_keeps_the_best(void **state)
{
	size_t series = 12 + 20 * SESSIONS;
	struct learn_options stopped = how, whole = how;
	struct learn_set set;
	struct learn_progress end, end_of_whole;
	struct trained *a, *b;

	(void)state;
	stopped.stop = after_a_while;
	stopped.ctx = &series;
	whole.rounds = 20;
	make_set(&set, true);
	assert_int_equal(learn_train(&a, &set, &stopped, &end, NULL), 0);
	assert_int_equal(learn_train(&b, &set, &whole, &end_of_whole, NULL), 0);
	assert_int_equal(end.round, 20);
	assert_int_equal(end.best, end_of_whole.best);
	assert_true(end.best > 0 && end.best_loss < end.first_loss);
	assert_memory_equal(a->net->weight, b->net->weight, a->net->n * sizeof(float));
	trained_close(a);
	trained_close(b);
	learn_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_learned_is_learned),
		cmocka_unit_test(quantiles_hold_what_they_say),
		cmocka_unit_test(the_loss_has_the_gradient_it_says),
		cmocka_unit_test(a_file_is_what_was_saved),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(other_models_are_refused),
		cmocka_unit_test(too_few_sessions_are_refused),
		cmocka_unit_test(who_stops_keeps_the_best),
		cmocka_unit_test(sessions_are_dealt_by_chance),
		cmocka_unit_test(who_stops_at_once_has_the_untrained_network),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
