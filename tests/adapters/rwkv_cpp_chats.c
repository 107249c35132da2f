/* Conversations that share one context of rwkv.cpp, as servers keep them. Each has tokens of its own.
 *
 *     rwkv_cpp_chats MODEL N WAY     WAY: kept (each in its own buffer), copied (in and out of one, which is
 *                                    initialised before), initial (each begins with a copy of a state that was
 *                                    initialised once), back (the first goes on from its prompt a second time), alike
 *                                    (all have the first one's prompt), failing (each of its calls is tried twice
 *                                    more, in vain, and so is a new one) */
#include "rwkv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHATS = 4, PROMPT = 10, TOKENS = 60 };

static struct rwkv_context *ctx;
static float *working, *logits, *initial;
static size_t state_bytes;
static int copies, alike, failing;

/* A call that is refused, for a token that is none. */
static void try_in_vain(const float *state)
{
	const uint32_t none = UINT32_MAX;

	if (rwkv_eval(ctx, none, state, working, logits))
		exit(4);
}

static void feed(int chat, int from, int n, float *state, int first)
{
	uint32_t token[PROMPT];
	float *used = copies ? working : state;

	for (int i = 0; i < n; i++)
		token[i] = (uint32_t)(32 + 20 * (alike && first ? 0 : chat) + (from + i) * 7 % 20);
	if (copies) {
		rwkv_init_state(ctx, working);
		memcpy(working, state, state_bytes);
	}
	for (int i = 0; failing && !first && i < 3; i++)
		try_in_vain(i == 1 ? NULL : state);
	if (!rwkv_eval_sequence(ctx, token, (size_t)n, first && !initial ? NULL : used, used, logits))
		exit(3);
	if (copies)
		memcpy(state, working, state_bytes);
}

int main(int argc, char **argv)
{
	float *state[CHATS], *saved;
	int n = argc == 4 ? atoi(argv[2]) : 0;

	if (n < 1 || n > CHATS || !(ctx = rwkv_init_from_file(argv[1], 1, 0)))
		return 2;
	copies = !strcmp(argv[3], "copied");
	alike = !strcmp(argv[3], "alike");
	failing = !strcmp(argv[3], "failing");
	rwkv_set_print_errors(ctx, !failing);
	state_bytes = rwkv_get_state_len(ctx) * sizeof(float);
	working = calloc(1, state_bytes);
	saved = calloc(1, state_bytes);
	if (!strcmp(argv[3], "initial")) {
		initial = calloc(1, state_bytes);
		rwkv_init_state(ctx, initial);
	}
	logits = calloc(rwkv_get_logits_len(ctx), sizeof *logits);
	for (int i = 0; i < n; i++) {
		state[i] = calloc(1, state_bytes);
		if (initial)
			memcpy(state[i], initial, state_bytes);
		feed(i, 0, PROMPT, state[i], 1);
	}
	memcpy(saved, state[0], state_bytes);
	for (int k = PROMPT; k < TOKENS; k++)
		for (int i = 0; i < n; i++)
			feed(i, k, 1, state[i], 0);
	for (int k = PROMPT; k < TOKENS && !strcmp(argv[3], "back"); k++)
		feed(0, k, 1, saved, 0);
	rwkv_free(ctx);
	for (int i = 0; i < n; i++)
		free(state[i]);
	free(saved);
	free(working);
	free(initial);
	free(logits);
	return 0;
}
