/* answer.h - one answer of `run` or `chat`: drawn token by token, shown when that is safe, taken back when it went
 * wrong.
 *
 * Without --on, each token is shown before it is fed, and nothing is kept. */
#ifndef RWKVMON_CLI_ANSWER_H
#define RWKVMON_CLI_ANSWER_H

#include "cli/ease.h"
#include "cli/generation.h"
#include "cli/screen.h"

struct answer {
	struct generation *g;
	struct screen *screen;
	uint64_t wanted;          /* tokens */
	size_t begin;             /* its first token among g->said */
	size_t shown;             /* of its tokens, on the screen */
	unsigned attempts;        /* rewinds so far */
	size_t last_target;       /* position that the last rewind went back to */
	unsigned same_place;      /* consecutive rewinds to that position */
	struct ease ease;         /* back to the given settings */
	enum alarm_type bold_for; /* why they were left */
	bool loops_easily;        /* the likeliest tokens are drawn, or it is not known yet */
	bool stopped;             /* by an action */
	enum alarm_type warned;   /* of this one, which still is on; ALARM_TYPE_COUNT: of none */
};

/* The prompt was fed. */
int answer_begin(struct answer *a, struct generation *g, struct screen *screen, uint64_t wanted, struct err *err);

/* Are there more tokens to come? */
bool answer_goes_on(const struct answer *a);
int answer_next(struct answer *a, struct err *err);

size_t answer_tokens(const struct answer *a);
bool answer_ends_in(const struct answer *a, struct slice text);

/* The answer is over: shows what was held back, and restores the given settings. */
int answer_end(struct answer *a, struct err *err);

#endif
