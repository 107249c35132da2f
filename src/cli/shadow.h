/* shadow.h - runs the same model in full precision beside a quantised one, to measure what quantisation loses.
 *
 *   one_step     1 of N tokens is fed to the shadow from the quantised run's own state:
 *                the error of a single step
 *   accumulated  the shadow has a state of its own and is fed every token; 1 of N is
 *                compared: how the error builds up in use
 *
 * Cost  a forward pass in fp32 for every token that the shadow is fed.
 */
#ifndef RWKVMON_CLI_SHADOW_H
#define RWKVMON_CLI_SHADOW_H

#include "runtime/run.h"
#include "spec/options.h"

#include <rwkvmon.h>

struct shadow {
	struct model *model; /* NULL: no shadow */
	struct run *run;
	uint64_t every, fed, compared; /* tokens; calls */
	bool accumulated;
	bool compares;                   /* with the call that is running */
	struct rwkvmon_number number[2]; /* quant_kl_nats, quant_top1_agree */
};

/* Opens what --shadow and --shadow-mode ask for; nothing when they ask for nothing. `strategy`: of the model beside it.
 */
int shadow_open(struct shadow *s, const struct options *opts, const char *strategy, size_t chunk_len, struct err *err);
void shadow_close(struct shadow *s);

/* Before the quantised run feeds n tokens: the shadow goes first, from the same state. */
int shadow_feed(struct shadow *s, const struct run *quantised, const uint32_t *tokens, size_t n, struct err *err);

/* After it: the numbers of this call, how many of them (0 when it was not compared). */
size_t shadow_compare(struct shadow *s, const float *logits, size_t vocab);

/* A new sequence begins. */
void shadow_reset(struct shadow *s);

#endif
