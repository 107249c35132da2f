/* lstm.h - a small LSTM network with a linear head: forward through time, and the gradients of every weight.
 *
 * Gates in the order and with the equations of torch.nn.LSTM (input, forget, cell, output), one bias per gate. All
 * weights lie in one array, part by part:
 *
 *     for each layer   ih (4 units, inputs)   hh (4 units, units)   bias (4 units)
 *     head             weight (outputs, units)   bias (outputs)
 *
 * Ownership  lstm_open and lstm_tape_open create, their counterparts destroy; NULL is fine.
 * Threads    a network is read-only but for who trains it; each thread brings its own tape.
 * Cost       nothing allocates once open. The same seed gives the same weights; sums depend on the instruction set in
 *            the last bits.
 */
#ifndef RWKVMON_LEARN_LSTM_H
#define RWKVMON_LEARN_LSTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LSTM_LAYERS_MAX = 2, LSTM_UNITS_MAX = 64, LSTM_INPUTS_MAX = 24, LSTM_OUTPUTS_MAX = 768 };

struct lstm_shape {
	size_t inputs, units, layers, outputs;
};

enum lstm_part { LSTM_IH, LSTM_HH, LSTM_BIAS, LSTM_HEAD_WEIGHT, LSTM_HEAD_BIAS };

struct lstm {
	struct lstm_shape shape;
	size_t n; /* weights */
	float *weight;
};

/* All weights are 0; NULL: the shape is beyond the limits, or no memory. */
struct lstm *lstm_open(struct lstm_shape shape);
void lstm_close(struct lstm *net);

/* Uniform within 1 / sqrt(units), forget gates open, the head 0: an untrained network says 0. */
void lstm_seed(struct lstm *net, uint64_t seed);

/* The next of a row of numbers that look random. */
uint64_t lstm_random(uint64_t *state);

/* Where a part begins in the array, and its rows and columns; of the head `layer` means nothing. */
struct lstm_place {
	size_t at, rows, cols;
};
struct lstm_place lstm_place(const struct lstm_shape *shape, enum lstm_part part, size_t layer);

struct lstm_state {
	float h[LSTM_LAYERS_MAX][LSTM_UNITS_MAX], c[LSTM_LAYERS_MAX][LSTM_UNITS_MAX];
};

/* What the backward pass needs of a forward pass of at most `steps` steps. */
struct lstm_tape {
	size_t steps; /* room */
	float *room;
	float *out;                                     /* (steps, outputs) of the last forward pass */
	float *h[LSTM_LAYERS_MAX], *c[LSTM_LAYERS_MAX]; /* (steps + 1, units); row 0 is before the first step */
	float *gates[LSTM_LAYERS_MAX];                  /* (steps, 4 units) after their functions */
	float *tanh_c[LSTM_LAYERS_MAX];                 /* (steps, units) */
	float *d_out;                                   /* (steps, outputs): fill it for the backward pass */
	float *d_h, *d_gates, *turned, *product, *back; /* scratch */
};

struct lstm_tape *lstm_tape_open(const struct lstm_shape *shape, size_t steps);
void lstm_tape_close(struct lstm_tape *tape);

/* n steps of x (n, inputs) from *state on, which becomes the state after them; the result is tape->out. */
void lstm_forward(const struct lstm *net, struct lstm_tape *tape, struct lstm_state *state, const float *x, size_t n);

/* Adds to `gradient` (net->n) what tape->d_out, the gradient by the outputs of the forward pass just made with the same
 * x and n, means for each weight. What came before the pass's first step is taken as given. */
void lstm_backward(const struct lstm *net, struct lstm_tape *tape, const float *x, size_t n, float *gradient);

#endif
