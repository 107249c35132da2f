/* Conversations that share one context of rwkv.cpp, as servers keep them. Each has tokens of its own.
 *
 *     rwkv_cpp_chats MODEL N WAY [ONLY]
 *
 * WAY: kept (each in its own buffer), copied (in and out of one, which is initialised before), initial (each begins
 * with a copy of a state that was initialised once), bytes (prompts are fed token by token, in turns), back (the first
 * goes on from its prompt a second time), alike (all have the first one's prompt), failing (each of its calls is tried
 * twice more, in vain, and so is a new one), random (whose turn it is is drawn), bursts (so is how long), cached (all
 * have the first one's prompt, which was fed once); or several of these in one word.
 * ONLY: the number of the conversation that is there alone. */
#include "rwkv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHATS = 8, PROMPT = 10, TOKENS = 60 };

static struct rwkv_context *ctx;
static float *working, *logits, *initial;
static size_t state_bytes;
static const char *way;

static struct chat {
	float *state;
	int number, length;
} chats[CHATS]; /* (n) */
static int n;

static int is_way(const char *name)
{
	return strstr(way, name) != NULL;
}

/* A call that is refused, for a token that is none. */
static void try_in_vain(const float *state)
{
	const uint32_t none = UINT32_MAX;

	if (rwkv_eval(ctx, none, state, working, logits))
		exit(4);
}

static uint32_t token_of(const struct chat *c, int at)
{
	const int number = (is_way("alike") || is_way("cached")) && at < PROMPT ? 0 : c->number;

	return (uint32_t)(32 + 20 * number + at * 7 % 20);
}

static void feed(struct chat *c, int n_tokens)
{
	float *used = is_way("copied") ? working : c->state;
	uint32_t token[PROMPT];

	for (int i = 0; i < n_tokens; i++)
		token[i] = token_of(c, c->length + i);
	if (is_way("copied")) {
		rwkv_init_state(ctx, working);
		memcpy(working, c->state, state_bytes);
	}
	for (int i = 0; is_way("failing") && c->length && i < 3; i++)
		try_in_vain(i == 1 ? NULL : c->state);
	if (!rwkv_eval_sequence(ctx, token, (size_t)n_tokens, c->length || initial ? used : NULL, used, logits))
		exit(3);
	if (is_way("copied"))
		memcpy(c->state, working, state_bytes);
	c->length += n_tokens;
}

static unsigned drawn(unsigned most)
{
	static uint64_t x = UINT64_C(88172645463325252);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 33) % most;
}

static void feed_prompts(void)
{
	for (int i = 0; i < n && !is_way("bytes"); i++) {
		if (i && is_way("cached")) {
			memcpy(chats[i].state, chats[0].state, state_bytes);
			chats[i].length = PROMPT;
		} else {
			feed(&chats[i], PROMPT);
		}
	}
}

/* So many tokens, or as many as it has left. */
static void say(struct chat *c, unsigned n_tokens)
{
	while (n_tokens-- && c->length < TOKENS)
		feed(c, 1);
}

static void take_turns(void)
{
	const int ordered = !is_way("random") && !is_way("bursts");

	for (unsigned turn = 0;; turn++) {
		int left = 0;

		for (int i = 0; i < n; i++)
			left += chats[i].length < TOKENS;
		if (!left)
			return;
		say(&chats[ordered ? turn % (unsigned)n : drawn((unsigned)n)], is_way("bursts") ? 1 + drawn(12) : 1);
	}
}

static int begin(const char *model, int only)
{
	if (n < 1 || n > CHATS || only >= CHATS || !(ctx = rwkv_init_from_file(model, 1, 0)))
		return 0;
	rwkv_set_print_errors(ctx, !is_way("failing"));
	state_bytes = rwkv_get_state_len(ctx) * sizeof(float);
	working = calloc(1, state_bytes);
	logits = calloc(rwkv_get_logits_len(ctx), sizeof *logits);
	if (is_way("initial")) {
		initial = calloc(1, state_bytes);
		rwkv_init_state(ctx, initial);
	}
	for (int i = 0; i < n; i++) {
		chats[i] = (struct chat){ .state = calloc(1, state_bytes), .number = only < 0 ? i : only };
		if (initial)
			memcpy(chats[i].state, initial, state_bytes);
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct chat again;

	way = argc > 3 ? argv[3] : "";
	n = argc > 3 ? atoi(argv[2]) : 0;
	if (!begin(argv[1], argc > 4 ? atoi(argv[4]) : -1))
		return 2;
	again = (struct chat){ .state = calloc(1, state_bytes), .length = PROMPT };
	feed_prompts();
	memcpy(again.state, chats[0].state, state_bytes);
	take_turns();
	if (is_way("back"))
		say(&again, TOKENS);
	rwkv_free(ctx);
	for (int i = 0; i < n; i++)
		free(chats[i].state);
	free(again.state);
	free(working);
	free(initial);
	free(logits);
	return 0;
}
