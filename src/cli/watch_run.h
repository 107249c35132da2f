/* watch_run.h - the built-in runtime under rwkvmon.h: a tap on one side, the C API on the other.
 *
 * The runtime has no privilege here: what the tap hands over goes through the same calls
 * that any foreign runtime uses. */
#ifndef RWKVMON_CLI_WATCH_RUN_H
#define RWKVMON_CLI_WATCH_RUN_H

#include "cli/shadow.h"
#include "runtime/run.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"
#include "spec/options.h"
#include "spec/tap.h"

#include <rwkvmon.h>

enum { WATCH_DECAY_EVERY = 100 }; /* tokens from one look at the decay to the next */

struct watch_run {
	rwkvmon *mon;
	struct tap tap;
	const struct tokenizer *tokenizer;
	bool log_text;
	size_t prompt_left;           /* tokens of the prompt not yet fed */
	struct rwkvmon_tensor *state; /* (n_state) */
	struct rwkvmon_state_sums *sums;
	size_t cap;
	float *before; /* (before_n): the state before the next chunk of a prompt; NULL unknown */
	size_t before_n;
	float *decay; /* (decay_cap): room to find percentiles in */
	size_t decay_cap;
	uint64_t tokens;
	size_t damaged_tensors;          /* what the check of the weights found; reported with the next call */
	struct rwkvmon_number number[9]; /* half-lives, first bad layer, the shadow's two, surprisal, damaged tensors */
	struct shadow *shadow;           /* borrowed; may be NULL */
	char name[256];
};

/* Opens the collector that the options ask for and says what is watched. */
int watch_run_open(struct watch_run *w, const struct options *opts, const struct model *m, const struct tokenizer *t,
		   const struct sampler_config *sampling, size_t chunk_len, struct err *err);

/* n tokens of a prompt come next: they are fed in chunks, whose change of the state the
 * runtime does not sum, so the state before them is kept. */
void watch_run_prompt(struct watch_run *w, const struct run *run, size_t n);

/* An answer is complete: by an error, by the user, by its own end, or by its length. */
void watch_run_answered(struct watch_run *w, int rc, bool interrupted, bool stopped);

/* The next call begins a new sequence. */
void watch_run_new_sequence(struct watch_run *w);

/* NULL when nobody watches. */
const struct tap *watch_run_tap(const struct watch_run *w);

/* Closes the collector; an error says what the log lost. */
int watch_run_close(struct watch_run *w, struct rwkvmon_totals *totals, struct err *err);

#endif
