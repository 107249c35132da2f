/* generation.h - a model that generates text under monitoring: what `run` and `chat` share.
 *
 * Holds model, tokenizer, sampler and collector together and counts time and tokens. */
#ifndef RWKVMON_CLI_GENERATION_H
#define RWKVMON_CLI_GENERATION_H

#include "cli/acting.h"
#include "cli/watch_run.h"
#include "runtime/run.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"
#include "spec/options.h"

enum { BYTE_VOCAB_MAX = 1024 }; /* at most so many tokens: bytes */

struct generation {
	const struct options *opts;
	struct model *model;
	struct run *run;
	struct tokenizer *tokenizer;
	struct sampler *sampler;
	struct sampler_config sampling; /* as given */
	struct sampler_config drawing;  /* as it is now */
	struct token_list said;         /* what was drawn since the sampler began afresh */
	struct acting acting;
	size_t chunk_len;
	struct watch_run watch;
	size_t damaged_storages; /* of the model file, by its checksums */
	struct shadow shadow;
	uint64_t prompt_tokens, made; /* fed as prompts; generated */
	uint64_t prefill_ns, decode_ns;
};

/* Checks the options that both commands take and opens everything but the collector.
 * `defaults` stand where the options say nothing. */
int generation_open(struct generation *g, const struct options *opts, const struct sampler_config *defaults,
		    struct err *err);
int generation_watch(struct generation *g, struct err *err);

/* Feeds a text as a prompt; an empty one becomes token 0, which begins a text. */
int generation_prompt(struct generation *g, struct slice text, struct err *err);

/* Draws the next token, which becomes the last one said; feeds it. */
int generation_draw(struct generation *g, uint32_t *token, struct err *err);
int generation_feed(struct generation *g, uint32_t token, struct err *err);

/* Goes back to the point at which `target` of the tokens since `begin` (where the checkpoints begin) had been fed:
 * state, logits, penalties and monitoring are as they were then. The random numbers are not reset. */
int generation_go_back(struct generation *g, size_t begin, size_t target, struct err *err);

/* A new sequence: state, penalties and monitoring start afresh (from --state when given). */
void generation_restart(struct generation *g);

/* Writes the state where --save-state says. */
int generation_save(const struct generation *g, struct err *err);

/* Closes the collector; its error is what the log lost. */
int generation_close(struct generation *g, struct rwkvmon_totals *totals, struct err *err);

/* Says on standard error what going back may take of memory, and what it did; nothing where nothing rewinds. */
void generation_say_rewinds(const struct generation *g);

/* SIGINT or SIGTERM if one has arrived, otherwise 0; both commands check it between tokens. */
int generation_interrupted(void);

/* Besides those, SIGHUP reads the rule file again before the next token. */
void generation_catch_signals(void);
void generation_resume(void); /* forgets an interrupt */

#endif
