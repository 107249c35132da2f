/* lstm_numbers.c - a forward and a backward pass of the LSTM as JSON, for lstm_torch.py.
 *     lstm_numbers INPUTS UNITS LAYERS OUTPUTS
 * Weights, inputs and the gradient by the outputs are drawn; the state begins at 0, as torch's does. */
#include "random.h"

#include "learn/lstm.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 40 };

static void draw(float *v, size_t n, double size)
{
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(size * normal());
}

static void put(const char *name, const float *v, size_t n, const char *after)
{
	printf("\"%s\":[", name);
	for (size_t i = 0; i < n; i++)
		printf("%s%.9g", i ? "," : "", (double)v[i]);
	printf("]%s", after);
}

int main(int argc, char **argv)
{
	struct lstm_shape shape = { 0 };
	struct lstm_state state = { 0 };
	struct lstm *net = NULL;
	struct lstm_tape *tape = NULL;
	float x[STEPS * LSTM_INPUTS_MAX], *gradient = NULL;

	if (argc == 5) {
		shape = (struct lstm_shape){ strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10),
					     strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10) };
		net = lstm_open(shape);
		tape = net ? lstm_tape_open(&shape, STEPS) : NULL;
		gradient = net ? calloc(net->n, sizeof *gradient) : NULL;
	}
	if (!net || !tape || !gradient)
		return 2;
	draw(net->weight, net->n, 0.2);
	draw(x, STEPS * shape.inputs, 1);
	lstm_forward(net, tape, &state, x, STEPS);
	draw(tape->d_out, STEPS * shape.outputs, 0.1);
	lstm_backward(net, tape, x, STEPS, gradient);
	printf("{");
	put("weight", net->weight, net->n, ",");
	put("x", x, STEPS * shape.inputs, ",");
	put("out", tape->out, STEPS * shape.outputs, ",");
	put("d_out", tape->d_out, STEPS * shape.outputs, ",");
	put("gradient", gradient, net->n, "}\n");
	free(gradient);
	lstm_tape_close(tape);
	lstm_close(net);
	return 0;
}
