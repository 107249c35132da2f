/* serve.h - one engine under test, behind the same few commands as every other.
 *
 * Ownership  the engine lives as long as the process.
 * Threads    engine_feed is called from one thread.
 * Cost       serve.c measures around engine_open and engine_feed, nothing else lies between.
 * Errors     engine functions print what went wrong and return nonzero or NULL.
 * Units      seconds, tokens.
 */
#ifndef PEERS_SERVE_H
#define PEERS_SERVE_H

#include <stddef.h>
#include <stdint.h>

/* `option` is the engine's own business (ours: a strategy), "" when not given. */
int engine_open(const char *path, int threads, const char *option);

/* The n tokens in one call of the engine's; only the last one's logits are asked for. */
int engine_feed(const uint32_t *tokens, size_t n);

/* (*n) after the last token fed. */
const float *engine_logits(size_t *n);

/* What its weights take in memory, the embedding included; 0 = as much as the file. */
size_t engine_weight_bytes(void);

/* Rewrites a model in another type by the engine's own means; 1 = it has none. */
int engine_quantise(const char *from, const char *to, const char *type);

#endif
