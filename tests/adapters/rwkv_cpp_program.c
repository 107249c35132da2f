/* A program written for rwkv.cpp: knows rwkv.h and no more. It is run with the drop-in and, unchanged, with the shim.
 *
 *     rwkv_cpp_program MODEL LOGITS_OUT     feeds 120 bytes; exit code 0 when the API keeps its word
 *
 * LOGITS_OUT gets the logits after each of them, as raw floats. */
#include "rwkv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 120 };

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                        \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static uint32_t tokens[TOKENS];

static float *floats(size_t n)
{
	return calloc(n, sizeof(float));
}

static void one_by_one(struct rwkv_context *ctx, float *state, const char *out)
{
	size_t n = rwkv_get_logits_len(ctx);
	float *logits = floats(n);
	FILE *f = fopen(out, "wb");

	for (size_t i = 0; i < TOKENS; i++) {
		CHECK(rwkv_eval(ctx, tokens[i], i ? state : NULL, state, logits));
		CHECK(fwrite(logits, sizeof *logits, n, f) == n);
	}
	CHECK(!fclose(f));
	free(logits);
}

/* The same state to the last bit, in chunks of any size, without logits, from an initialised state, and in a clone. */
static void in_one_go(struct rwkv_context *ctx, const float *want)
{
	size_t bytes = rwkv_get_state_len(ctx) * sizeof(float);
	float *state = floats(rwkv_get_state_len(ctx)), *logits = floats(rwkv_get_logits_len(ctx));

	CHECK(rwkv_eval_sequence(ctx, tokens, TOKENS, NULL, state, NULL));
	CHECK(!memcmp(state, want, bytes));
	for (size_t chunk = 1; chunk <= TOKENS; chunk += 9) {
		rwkv_init_state(ctx, state);
		CHECK(rwkv_eval_sequence_in_chunks(ctx, tokens, TOKENS, chunk, state, state, logits));
		CHECK(!memcmp(state, want, bytes));
	}
	CHECK(rwkv_eval_sequence(ctx, NULL, TOKENS, NULL, NULL, NULL)); /* only prepares */
	free(state);
	free(logits);
}

static void errors(struct rwkv_context *ctx)
{
	rwkv_set_print_errors(ctx, false);
	CHECK(!rwkv_get_print_errors(ctx));
	CHECK(!rwkv_eval(ctx, (uint32_t)rwkv_get_n_vocab(ctx), NULL, NULL, NULL));
	CHECK((rwkv_get_last_error(ctx) & RWKV_ERROR_ARGS) && !rwkv_get_last_error(ctx));
	CHECK(!rwkv_eval_sequence(ctx, tokens, 0, NULL, NULL, NULL));
	CHECK(rwkv_get_last_error(ctx) & RWKV_ERROR_ARGS);
	rwkv_set_print_errors(NULL, false);
	CHECK(!rwkv_init_from_file("/nowhere/model.bin", 1, 0));
	CHECK(rwkv_get_last_error(NULL) == (RWKV_ERROR_FILE | RWKV_ERROR_FILE_OPEN) && !rwkv_get_last_error(NULL));
	CHECK(!rwkv_quantize_model_file("/nowhere/a", "/nowhere/b", "Q8_0"));
	rwkv_set_print_errors(NULL, true);
}

int main(int argc, char **argv)
{
	struct rwkv_context *ctx, *clone;
	float *state;

	CHECK(argc == 3);
	for (size_t i = 0; i < TOKENS; i++)
		tokens[i] = (uint32_t)(32 + i * 7 % 90);
	ctx = rwkv_init_from_file(argv[1], 2, 0);
	CHECK(ctx);
	CHECK(rwkv_get_n_layer(ctx) && rwkv_get_n_embed(ctx) && rwkv_get_n_vocab(ctx) == rwkv_get_logits_len(ctx));
	CHECK(rwkv_get_state_buffer_element_count(ctx) == rwkv_get_state_len(ctx));
	CHECK(rwkv_get_logits_buffer_element_count(ctx) == rwkv_get_logits_len(ctx));
	state = floats(rwkv_get_state_len(ctx));
	one_by_one(ctx, state, argv[2]);
	errors(ctx);
	clone = rwkv_clone_context(ctx, 1);
	CHECK(clone && clone != ctx);
	rwkv_free(ctx);
	in_one_go(clone, state);
	rwkv_free(clone);
	rwkv_free(NULL);
	free(state);
	printf("%s\n", rwkv_get_system_info_string());
	return 0;
}
