/* decay.h - how fast the channels of a model forget, without running it: from its file and, in RWKV-6 and 7, where the
 * decay depends on the token, from the token-shift vectors before and after a call of one token.
 *
 * Ownership  decays_open creates, decays_close destroys; nothing of the file stays open. What is kept are the decay's
 *            own weights: about 1 % of an fp16 file in RWKV-6 and 7, much less before.
 * Threads    decays_now uses memory of `d`: one thread at a time.
 * Errors     those of tensor_file_open; -ERR_SHAPE, -ERR_NOMEM.
 */
#ifndef RWKVMON_RUNTIME_DECAY_H
#define RWKVMON_RUNTIME_DECAY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct decays;

/* *out is NULL on error. */
int decays_open(struct decays **out, const char *path, struct err *err);
void decays_close(struct decays *d); /* NULL is fine */

size_t decays_layers(const struct decays *d);
size_t decays_channels(const struct decays *d); /* of one layer */
size_t decays_width(const struct decays *d);    /* of a token-shift vector */
bool decays_are_fixed(const struct decays *d);  /* RWKV-4 and 5: no vectors are asked for */

/* w (layers, channels), each in (0, 1): what a call of one token multiplied the state by. `was` and `is`: (layers,
 * width), time mixing's token-shift vectors before and after it. */
void decays_now(struct decays *d, const float *was, const float *is, float *w);

/* The 5th, 50th and 95th percentile of the half-lives, in tokens: ln 2 / -ln w. w (n > 0) is reordered. False: a value
 * is not finite, and percentiles mean nothing. */
enum { HALF_LIVES = 3 };
extern const char *const half_life_metrics[HALF_LIVES];
bool half_lives_of(float *w, size_t n, double out[HALF_LIVES]);

#endif
