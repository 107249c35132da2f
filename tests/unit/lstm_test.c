/* The LSTM: every gradient against finite differences, state carried over a cut, the same weights for the same seed. */
#include "random.h"
#include "test.h"

#include "learn/lstm.h"

#include <math.h>

enum { STEPS = 7 };

struct setting {
	struct lstm *net;
	struct lstm_tape *tape;
	struct lstm_state start;
	float x[STEPS * LSTM_INPUTS_MAX], want[STEPS * LSTM_OUTPUTS_MAX];
};

static void fill(float *v, size_t n, double size)
{
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(size * normal());
}

static void set_up(struct setting *s, struct lstm_shape shape)
{
	s->net = lstm_open(shape);
	s->tape = lstm_tape_open(&shape, STEPS);
	assert_non_null(s->net);
	assert_non_null(s->tape);
	fill(s->net->weight, s->net->n, 0.5);
	fill(s->x, STEPS * shape.inputs, 1);
	fill(s->want, STEPS * shape.outputs, 1);
	for (size_t l = 0; l < shape.layers; l++) {
		fill(s->start.h[l], shape.units, 0.3);
		fill(s->start.c[l], shape.units, 0.3);
	}
}

static void tear_down(struct setting *s)
{
	lstm_close(s->net);
	lstm_tape_close(s->tape);
}

/* Half the sum of the squared distances: its gradient by an output is the distance. */
static double loss(struct setting *s)
{
	struct lstm_state state = s->start;
	double sum = 0;

	lstm_forward(s->net, s->tape, &state, s->x, STEPS);
	for (size_t i = 0; i < STEPS * s->net->shape.outputs; i++) {
		double apart = (double)s->tape->out[i] - (double)s->want[i];

		s->tape->d_out[i] = (float)apart;
		sum += apart * apart / 2;
	}
	return sum;
}

/* By four points: the error falls with the fourth power of the distance. */
static double slope_at(struct setting *s, size_t i)
{
	static const double apart = 0.02, share[] = { 1. / 12, -8. / 12, 8. / 12, -1. / 12 };
	static const int at[] = { -2, -1, 1, 2 };
	float kept = s->net->weight[i];
	double slope = 0;

	for (int k = 0; k < 4; k++) {
		s->net->weight[i] = kept + (float)(at[k] * apart);
		slope += share[k] * loss(s) / apart;
	}
	s->net->weight[i] = kept;
	return slope;
}

static void check_gradients(struct lstm_shape shape)
{
	struct setting s = { 0 };
	float *gradient;
	double most = 0;

	set_up(&s, shape);
	gradient = calloc(s.net->n, sizeof *gradient);
	assert_non_null(gradient);
	loss(&s);
	lstm_backward(s.net, s.tape, s.x, STEPS, gradient);
	for (size_t i = 0; i < s.net->n; i++) {
		double slope = slope_at(&s, i), apart = fabs(slope - (double)gradient[i]);

		if (apart > 3e-4 + 1e-3 * fabs(slope))
			fail_msg("weight %zu of %zu: gradient %.6f, slope %.6f", i, s.net->n, (double)gradient[i],
				 slope);
		most = fmax(most, fabs(slope));
	}
	assert_true(most > 0.1); /* there was something to compare */
	free(gradient);
	tear_down(&s);
}

static void every_gradient_is_a_slope(void **state)
{
	(void)state;
	check_gradients((struct lstm_shape){ .inputs = 3, .units = 5, .layers = 1, .outputs = 4 });
	check_gradients((struct lstm_shape){ .inputs = 4, .units = 6, .layers = 2, .outputs = 3 });
	check_gradients((struct lstm_shape){ .inputs = 1, .units = 17, .layers = 2, .outputs = 1 });
}

static void gradients_add_up(void **state)
{
	struct setting s = { 0 };
	float *once, *twice;

	(void)state;
	set_up(&s, (struct lstm_shape){ .inputs = 2, .units = 8, .layers = 2, .outputs = 3 });
	once = calloc(s.net->n, sizeof *once);
	twice = calloc(s.net->n, sizeof *twice);
	assert_true(once && twice);
	loss(&s);
	lstm_backward(s.net, s.tape, s.x, STEPS, once);
	lstm_backward(s.net, s.tape, s.x, STEPS, twice);
	lstm_backward(s.net, s.tape, s.x, STEPS, twice);
	for (size_t i = 0; i < s.net->n; i++)
		assert_true(fabsf(twice[i] - 2 * once[i]) <= 1e-5F * (1 + fabsf(once[i])));
	free(once);
	free(twice);
	tear_down(&s);
}

static void a_cut_changes_nothing(void **state)
{
	enum { CUT = 3 };
	struct setting s = { 0 };
	struct lstm_state at;
	float whole[STEPS * 3];

	(void)state;
	set_up(&s, (struct lstm_shape){ .inputs = 4, .units = 64, .layers = 2, .outputs = 3 });
	at = s.start;
	lstm_forward(s.net, s.tape, &at, s.x, STEPS);
	memcpy(whole, s.tape->out, sizeof whole);
	at = s.start;
	lstm_forward(s.net, s.tape, &at, s.x, CUT);
	lstm_forward(s.net, s.tape, &at, s.x + CUT * 4, STEPS - CUT);
	for (size_t i = 0; i < (STEPS - CUT) * 3; i++)
		assert_true(fabsf(s.tape->out[i] - whole[CUT * 3 + i]) < 1e-5F);
	tear_down(&s);
}

static void the_seed_decides(void **state)
{
	const struct lstm_shape shape = { .inputs = 4, .units = 16, .layers = 1, .outputs = 3 };
	struct lstm *a = lstm_open(shape), *b = lstm_open(shape);

	(void)state;
	assert_true(a && b);
	lstm_seed(a, 7);
	lstm_seed(b, 7);
	assert_memory_equal(a->weight, b->weight, a->n * sizeof *a->weight);
	lstm_seed(b, 8);
	assert_memory_not_equal(a->weight, b->weight, a->n * sizeof *a->weight);
	lstm_close(a);
	lstm_close(b);
}

static void what_is_too_large_is_refused(void **state)
{
	(void)state;
	assert_null(lstm_open((struct lstm_shape){ .inputs = 1, .units = 65, .layers = 1, .outputs = 1 }));
	assert_null(lstm_open((struct lstm_shape){ .inputs = 1, .units = 8, .layers = 3, .outputs = 1 }));
	assert_null(lstm_open((struct lstm_shape){ .inputs = 25, .units = 8, .layers = 1, .outputs = 1 }));
	assert_null(lstm_open((struct lstm_shape){ .inputs = 1, .units = 8, .layers = 1, .outputs = 769 }));
	assert_null(lstm_open((struct lstm_shape){ .inputs = 1, .units = 0, .layers = 1, .outputs = 1 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_gradient_is_a_slope),    cmocka_unit_test(gradients_add_up),
		cmocka_unit_test(a_cut_changes_nothing),        cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(what_is_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
