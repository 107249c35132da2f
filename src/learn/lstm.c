/* lstm.c - the network's passes; matrix products are those of simd/linear.h. */
#include "learn/lstm.h"

#include "simd/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GATES = 4, INPUT = 0, FORGET, CELL, OUTPUT };

/* --- weights ----------------------------------------------------------------------------- */

static size_t inputs_of(const struct lstm_shape *s, size_t layer)
{
	return layer ? s->units : s->inputs;
}

static size_t layer_weights(const struct lstm_shape *s, size_t layer)
{
	return GATES * s->units * (inputs_of(s, layer) + s->units + 1);
}

struct lstm_place lstm_place(const struct lstm_shape *s, enum lstm_part part, size_t layer)
{
	bool head = part >= LSTM_HEAD_WEIGHT;
	size_t gates = GATES * s->units, at = 0, inputs = inputs_of(s, layer);

	for (size_t l = 0; l < (head ? s->layers : layer); l++)
		at += layer_weights(s, l);
	switch (part) {
	case LSTM_IH:
		return (struct lstm_place){ at, gates, inputs };
	case LSTM_HH:
		return (struct lstm_place){ at + gates * inputs, gates, s->units };
	case LSTM_BIAS:
		return (struct lstm_place){ at + gates * (inputs + s->units), gates, 1 };
	case LSTM_HEAD_WEIGHT:
		return (struct lstm_place){ at, s->outputs, s->units };
	case LSTM_HEAD_BIAS:
	default:
		return (struct lstm_place){ at + s->outputs * s->units, s->outputs, 1 };
	}
}

static bool is_possible(const struct lstm_shape *s)
{
	return s->inputs && s->inputs <= LSTM_INPUTS_MAX && s->units && s->units <= LSTM_UNITS_MAX && s->layers &&
	       s->layers <= LSTM_LAYERS_MAX && s->outputs && s->outputs <= LSTM_OUTPUTS_MAX;
}

struct lstm *lstm_open(struct lstm_shape shape)
{
	struct lstm *net = is_possible(&shape) ? calloc(1, sizeof *net) : NULL;

	if (!net)
		return NULL;
	net->shape = shape;
	net->n = lstm_place(&shape, LSTM_HEAD_BIAS, 0).at + shape.outputs;
	net->weight = calloc(net->n, sizeof *net->weight);
	if (net->weight)
		return net;
	free(net);
	return NULL;
}

void lstm_close(struct lstm *net)
{
	if (net)
		free(net->weight);
	free(net);
}

/* Source: Sebastiano Vigna's splitmix64. */
uint64_t lstm_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void lstm_seed(struct lstm *net, uint64_t seed)
{
	const struct lstm_shape *s = &net->shape;
	float most = 1 / sqrtf((float)s->units);
	size_t head = lstm_place(s, LSTM_HEAD_WEIGHT, 0).at;

	memset(net->weight, 0, net->n * sizeof *net->weight);
	for (size_t i = 0; i < head; i++)
		net->weight[i] = most * (2 * (float)(lstm_random(&seed) >> 40) / (float)(1 << 24) - 1);
	for (size_t layer = 0; layer < s->layers; layer++)
		for (size_t u = 0; u < s->units; u++)
			net->weight[lstm_place(s, LSTM_BIAS, layer).at + FORGET * s->units + u] += 1;
}

/* --- tape -------------------------------------------------------------------------------- */

static float *take(float **room, size_t n)
{
	float *p = *room;

	*room += n;
	return p;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Hands out the room, or with NULL only counts it. */
static size_t share_out(struct lstm_tape *t, const struct lstm_shape *s, float *room)
{
	size_t n = t->steps, units = s->units, wide = larger(GATES * units, s->outputs);
	size_t narrow = larger(units, s->inputs), per_layer = 2 * (n + 1) * units + n * (GATES + 1) * units;

	if (!room)
		return s->layers * per_layer + 2 * n * s->outputs + n * (units + GATES * units + wide) + wide * narrow +
		       2 * units;
	for (size_t l = 0; l < s->layers; l++) {
		t->h[l] = take(&room, (n + 1) * units);
		t->c[l] = take(&room, (n + 1) * units);
		t->gates[l] = take(&room, n * GATES * units);
		t->tanh_c[l] = take(&room, n * units);
	}
	t->out = take(&room, n * s->outputs);
	t->d_out = take(&room, n * s->outputs);
	t->d_h = take(&room, n * units);
	t->d_gates = take(&room, n * GATES * units);
	t->turned = take(&room, n * wide);
	t->product = take(&room, wide * narrow);
	t->back = take(&room, 2 * units);
	return 0;
}

struct lstm_tape *lstm_tape_open(const struct lstm_shape *shape, size_t steps)
{
	struct lstm_tape *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->steps = steps;
	t->room = calloc(share_out(t, shape, NULL), sizeof *t->room);
	if (!t->room) {
		free(t);
		return NULL;
	}
	share_out(t, shape, t->room);
	return t;
}

void lstm_tape_close(struct lstm_tape *t)
{
	if (t)
		free(t->room);
	free(t);
}

/* --- products ---------------------------------------------------------------------------- */

/* y (n, rows) = x (n, cols) times the part's rows. */
static void times(const struct lstm *net, struct lstm_place p, const float *x, float *y, size_t n)
{
	linear_kernels()->by_rows[WEIGHT_F32](&(struct linear_args){ .y = y,
								     .w = net->weight + p.at,
								     .x = x,
								     .y_stride = p.rows,
								     .w_stride = p.cols,
								     .x_stride = p.cols,
								     .rows = p.rows,
								     .cols = p.cols,
								     .n = n });
}

/* x (n, cols) = y (n, rows) times the part: the way back through the product above. */
static void times_back(const struct lstm *net, struct lstm_place p, const float *y, float *x, size_t n)
{
	linear_kernels()->by_columns[WEIGHT_F32](&(struct linear_args){ .y = x,
									.w = net->weight + p.at,
									.x = y,
									.y_stride = p.cols,
									.w_stride = p.cols,
									.x_stride = p.rows,
									.rows = p.cols,
									.cols = p.rows,
									.n = n });
}

/* gradient (rows, cols) += the sum over n steps of y (n, rows) by x (n, cols). */
static void add_products(struct lstm_tape *t, float *gradient, struct lstm_place p, const float *y, const float *x,
			 size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t r = 0; r < p.rows; r++)
			t->turned[r * n + i] = y[i * p.rows + r];
	linear_kernels()->by_columns[WEIGHT_F32](&(struct linear_args){ .y = t->product,
									.w = x,
									.x = t->turned,
									.y_stride = p.cols,
									.w_stride = p.cols,
									.x_stride = n,
									.rows = p.cols,
									.cols = n,
									.n = p.rows });
	for (size_t i = 0; i < p.rows * p.cols; i++)
		gradient[p.at + i] += t->product[i];
}

static void add_sums(float *gradient, struct lstm_place p, const float *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t r = 0; r < p.rows; r++)
			gradient[p.at + r] += y[i * p.rows + r];
}

/* --- forward ----------------------------------------------------------------------------- */

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

/* gates (4 units): sums in, values out. */
static void step(float *gates, const float *c_before, float *c, float *tanh_c, float *h, size_t units)
{
	for (size_t u = 0; u < units; u++) {
		float in = sigmoid(gates[INPUT * units + u]), keep = sigmoid(gates[FORGET * units + u]);
		float cell = tanhf(gates[CELL * units + u]), out = sigmoid(gates[OUTPUT * units + u]);

		c[u] = keep * c_before[u] + in * cell;
		tanh_c[u] = tanhf(c[u]);
		h[u] = out * tanh_c[u];
		gates[INPUT * units + u] = in;
		gates[FORGET * units + u] = keep;
		gates[CELL * units + u] = cell;
		gates[OUTPUT * units + u] = out;
	}
}

static void forward_layer(const struct lstm *net, struct lstm_tape *t, size_t layer, const float *x, size_t n)
{
	const struct lstm_shape *s = &net->shape;
	struct lstm_place hh = lstm_place(s, LSTM_HH, layer);
	const float *bias = net->weight + lstm_place(s, LSTM_BIAS, layer).at;
	size_t units = s->units;
	float recurrent[GATES * LSTM_UNITS_MAX];

	times(net, lstm_place(s, LSTM_IH, layer), x, t->gates[layer], n);
	for (size_t i = 0; i < n; i++) {
		float *gates = t->gates[layer] + i * GATES * units;

		times(net, hh, t->h[layer] + i * units, recurrent, 1);
		for (size_t g = 0; g < GATES * units; g++)
			gates[g] += recurrent[g] + bias[g];
		step(gates, t->c[layer] + i * units, t->c[layer] + (i + 1) * units, t->tanh_c[layer] + i * units,
		     t->h[layer] + (i + 1) * units, units);
	}
}

void lstm_forward(const struct lstm *net, struct lstm_tape *t, struct lstm_state *state, const float *x, size_t n)
{
	const struct lstm_shape *s = &net->shape;
	const float *bias = net->weight + lstm_place(s, LSTM_HEAD_BIAS, 0).at;
	size_t row = s->units * sizeof(float);

	for (size_t l = 0; l < s->layers; l++) {
		memcpy(t->h[l], state->h[l], row);
		memcpy(t->c[l], state->c[l], row);
		forward_layer(net, t, l, l ? t->h[l - 1] + s->units : x, n);
		memcpy(state->h[l], t->h[l] + n * s->units, row);
		memcpy(state->c[l], t->c[l] + n * s->units, row);
	}
	times(net, lstm_place(s, LSTM_HEAD_WEIGHT, 0), t->h[s->layers - 1] + s->units, t->out, n);
	for (size_t i = 0; i < n; i++)
		for (size_t o = 0; o < s->outputs; o++)
			t->out[i * s->outputs + o] += bias[o];
}

/* --- backward ---------------------------------------------------------------------------- */

/* Gradients by the sums of one step's gates; *d_c_next: by the cell, from the step after, and then for the one before.
 */
static void step_back(float *d_gates, const float *gates, const float *c_before, const float *tanh_c, const float *d_h,
		      float *d_c_next, size_t units)
{
	for (size_t u = 0; u < units; u++) {
		float in = gates[INPUT * units + u], keep = gates[FORGET * units + u];
		float cell = gates[CELL * units + u], out = gates[OUTPUT * units + u];
		float d_c = d_h[u] * out * (1 - tanh_c[u] * tanh_c[u]) + d_c_next[u];

		d_gates[INPUT * units + u] = d_c * cell * in * (1 - in);
		d_gates[FORGET * units + u] = d_c * c_before[u] * keep * (1 - keep);
		d_gates[CELL * units + u] = d_c * in * (1 - cell * cell);
		d_gates[OUTPUT * units + u] = d_h[u] * tanh_c[u] * out * (1 - out);
		d_c_next[u] = d_c * keep;
	}
}

/* t->d_h (n, units) is the gradient by the layer's output, and becomes that by its input, unless it is the first. */
static void backward_layer(const struct lstm *net, struct lstm_tape *t, size_t layer, const float *x, size_t n,
			   float *gradient)
{
	const struct lstm_shape *s = &net->shape;
	struct lstm_place ih = lstm_place(s, LSTM_IH, layer), hh = lstm_place(s, LSTM_HH, layer);
	size_t units = s->units;
	float *d_c = t->back, *d_h_before = t->back + units;

	memset(t->back, 0, 2 * units * sizeof *t->back);
	for (size_t i = n; i-- > 0;) {
		float *d_h = t->d_h + i * units, *d_gates = t->d_gates + i * GATES * units;

		for (size_t u = 0; u < units; u++)
			d_h[u] += d_h_before[u];
		step_back(d_gates, t->gates[layer] + i * GATES * units, t->c[layer] + i * units,
			  t->tanh_c[layer] + i * units, d_h, d_c, units);
		times_back(net, hh, d_gates, d_h_before, 1);
	}
	add_products(t, gradient, ih, t->d_gates, x, n);
	add_products(t, gradient, hh, t->d_gates, t->h[layer], n);
	add_sums(gradient, lstm_place(s, LSTM_BIAS, layer), t->d_gates, n);
	if (layer)
		times_back(net, ih, t->d_gates, t->d_h, n);
}

void lstm_backward(const struct lstm *net, struct lstm_tape *t, const float *x, size_t n, float *gradient)
{
	const struct lstm_shape *s = &net->shape;
	struct lstm_place head = lstm_place(s, LSTM_HEAD_WEIGHT, 0);

	times_back(net, head, t->d_out, t->d_h, n);
	add_products(t, gradient, head, t->d_out, t->h[s->layers - 1] + s->units, n);
	add_sums(gradient, lstm_place(s, LSTM_HEAD_BIAS, 0), t->d_out, n);
	for (size_t l = s->layers; l-- > 0;)
		backward_layer(net, t, l, l ? t->h[l - 1] + s->units : x, n, gradient);
}
