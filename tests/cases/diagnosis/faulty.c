/* faulty.c - a real run of the built-in model, watched through rwkvmon.h, with one fault put in.
 *
 *     faulty LOG FAULT SECONDS
 *
 * FAULT is healthy, growing_sleep, rescan (a search over all tokens so far at every token), refed (each turn's prompt
 * is all turns before it), chunk_1 (prompts token by token), memory (logits of every token are kept), leak (a sequence
 * starts from the last one's state), nan (a state is spoilt on the way). The text is drawn from the logits.
 *
 * record.sh makes the committed logs with it. To keep them small each token goes through STREAMS equal streams in turn,
 * so that a call takes milliseconds. */
#include "base/clock.h"
#include "record/record.h"
#include "runtime/run.h"
#include "runtime/sampler.h"

#include <rwkvmon.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STREAMS = 48, PROMPT = 96, TOKENS_MAX = 1 << 20 };

struct bench {
	struct model *model;
	struct run *stream[STREAMS];
	struct sampler *sampler;
	rwkvmon *mon;
	size_t vocab, n_state;
	uint32_t *seen; /* all tokens of the session */
	size_t n;
	const char *fault;
	double until_s;
};

static double now_s(void)
{
	return (double)clock_mono_ns(&clock_system) / 1e9;
}

static bool is(const struct bench *b, const char *fault)
{
	return !strcmp(b->fault, fault);
}

static void die(const struct err *err)
{
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

/* One watched call: the tokens through every stream. */
static void feed(struct bench *b, const uint32_t *tokens, size_t n, bool prompt, bool ends)
{
	struct rwkvmon_tensor state[256];
	struct err err = { 0 };
	const struct tap_state *s;

	rwkvmon_begin(b->mon);
	for (int i = 0; i < STREAMS; i++)
		if (run_forward(b->stream[i], &(struct run_call){ .tokens = tokens, .n = n, .prefill = prompt }, &err))
			die(&err);
	s = run_state(b->stream[0], &b->n_state);
	for (size_t i = 0; i < b->n_state && i < 256; i++)
		state[i] = (struct rwkvmon_tensor){ .data = s[i].p,
						    .count = s[i].n,
						    .part = (enum rwkvmon_part)s[i].part };
	rwkvmon_end(b->mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
						    .tokens = tokens,
						    .n_tokens = n,
						    .phase = prompt ? RWKVMON_PREFILL : RWKVMON_DECODE,
						    .ends_prefill = ends,
						    .logits = run_logits(b->stream[0]),
						    .n_logits = b->vocab,
						    .state = state,
						    .n_state = b->n_state });
	memcpy(b->seen + b->n, tokens, n * sizeof *tokens);
	b->n += n;
}

static void prompt(struct bench *b, const uint32_t *tokens, size_t n)
{
	size_t chunk = is(b, "chunk_1") ? 1 : 64;

	for (size_t at = 0; at < n; at += chunk)
		feed(b, tokens + at, n - at < chunk ? n - at : chunk, true, at + chunk >= n);
}

static void sleep_ms(double ms)
{
	nanosleep(&(struct timespec){ (time_t)(ms / 1e3), (long)(fmod(ms, 1e3) * 1e6) }, NULL);
}

/* What a naive penalty does: for every token of the vocabulary, count it in all that was said. */
static void rescan(const struct bench *b, size_t from)
{
	static volatile size_t seen_often;
	size_t sum = 0;

	for (uint32_t v = 0; v < b->vocab; v++)
		for (size_t i = from; i < b->n; i++)
			sum += b->seen[i] == v;
	seen_often = sum;
	(void)seen_often;
}

static void between_calls(struct bench *b, size_t turn_from, double began)
{
	static float *kept[TOKENS_MAX];

	if (is(b, "growing_sleep"))
		sleep_ms((now_s() - began) * 6);
	else if (is(b, "rescan"))
		for (int i = 0; i < 40; i++)
			rescan(b, turn_from);
	else if (is(b, "memory")) {
		kept[b->n] = malloc(64 << 10);
		if (kept[b->n])
			memset(kept[b->n], 1, 64 << 10);
	} else if (is(b, "nan") && b->n > 300) {
		float *flat = calloc(1 << 20, sizeof *flat);

		if (flat)
			flat[0] = NAN;
		run_state_set(b->stream[0], flat);
		free(flat);
	}
}

static void begin_turn(struct bench *b)
{
	struct rwkvmon_tensor given[256];
	const struct tap_state *s;

	if (!is(b, "leak"))
		for (int i = 0; i < STREAMS; i++)
			run_reset(b->stream[i]);
	s = run_state(b->stream[0], &b->n_state);
	for (size_t i = 0; i < b->n_state && i < 256; i++)
		given[i] = (struct rwkvmon_tensor){ .data = s[i].p,
						    .count = s[i].n,
						    .part = (enum rwkvmon_part)s[i].part };
	rwkvmon_new_sequence_from(b->mon, &(struct rwkvmon_start){ .struct_size = sizeof(struct rwkvmon_start),
								   .state = given,
								   .n_state = b->n_state });
}

/* A prompt and its answer. */
static void turn(struct bench *b, double began, size_t tokens)
{
	static const char text[] =
		"It was a dark and stormy night, and the rain fell in torrents, except at occasional intervals, "
		"when it was checked by a violent gust of wind which swept up the streets of London.";
	uint32_t first[PROMPT];
	size_t from = b->n;
	struct err err = { 0 };

	begin_turn(b);
	for (size_t i = 0; i < PROMPT; i++)
		first[i] = (unsigned char)text[i];
	if (is(b, "refed") && from) {
		uint32_t *all = malloc(from * sizeof *all);

		if (all)
			memcpy(all, b->seen, from * sizeof *all);
		b->n = 0;
		prompt(b, all, from);
		free(all);
	} else {
		prompt(b, first, PROMPT);
	}
	for (size_t i = 0; i < tokens && now_s() < b->until_s; i++) {
		uint32_t token;

		if (sampler_draw(b->sampler, run_logits(b->stream[1]), &token, &err))
			die(&err);
		between_calls(b, from, began);
		feed(b, &token, 1, false, false);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .fault = argc > 2 ? argv[2] : "healthy", .seen = calloc(TOKENS_MAX, sizeof(uint32_t)) };
	struct sampler_config how = sampler_defaults();
	struct err err = { 0 };
	char why[RWKVMON_ERROR_BYTES];
	double began = now_s();
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = argc > 1 ? argv[1] : NULL,
				      .model_name = "tiny-rwkv7",
				      .model_version = "7",
				      .strategy = "cpu fp32",
				      .chunk_len = 64,
				      .vocab_size = 256,
				      .runtime_name = "faulty",
				      .has_sampler = 1,
				      .temperature = 1,
				      .top_p = 0.85 };

	if (argc < 4 || !b.seen) {
		fprintf(stderr, "usage: faulty LOG FAULT SECONDS\n");
		return 2;
	}
	how.presence = how.frequency = 0;
	how.seed = 7;
	cfg.alpha_frequency = !strcmp(b.fault, "rescan") ? 0.1 : 0;
	cfg.chunk_len = !strcmp(b.fault, "chunk_1") ? 1 : 64;
	b.until_s = began + strtod(argv[3], NULL);
	if (model_open_embedded(&b.model, NULL, &err))
		die(&err);
	b.vocab = model_info(b.model)->n_vocab;
	for (int i = 0; i < STREAMS; i++)
		if (run_open(&b.stream[i], b.model, NULL, &err))
			die(&err);
	if (sampler_open(&b.sampler, b.vocab, &how, &err))
		die(&err);
	if (rwkvmon_open(&b.mon, &cfg, why)) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	while (now_s() < b.until_s)
		turn(&b, began,
		     is(&b, "healthy")                                        ? 400
		     : is(&b, "chunk_1") || is(&b, "refed") || is(&b, "leak") ? 60
									      : 250);
	rwkvmon_close(b.mon, NULL);
	return 0;
}
