/* acting.h - what `run` and `chat` do when the monitor says that something is wrong: --on, --rewind-memory,
 * --hold-back.
 *
 * Knows which sign means which alarm, which reaction each alarm has, and the states to go back to. answer.c carries the
 * reaction out. */
#ifndef RWKVMON_CLI_ACTING_H
#define RWKVMON_CLI_ACTING_H

#include "cli/adapt.h"
#include "runtime/checkpoints.h"
#include "runtime/sampler.h"
#include "spec/alarms.h"
#include "spec/options.h"
#include "spec/text.h"

#include <rwkvmon.h>

enum { ACT_ATTEMPTS = 8 }; /* rewinds in one answer */

struct acting {
	enum act_type to[ALARM_TYPE_COUNT]; /* warn, stop or rewind; ACT_COUNT: nothing */
	struct adapt adapt;
	bool any;                        /* is there a verdict to look at? */
	struct checkpoints *checkpoints; /* NULL: nothing rewinds */
	size_t rewind_bytes;             /* that their copies may take */
	size_t hold_back;                /* tokens that are not shown yet */
	uint64_t rewinds;                /* done so far */
	uint64_t taken_back, fed_again;  /* tokens */
	const char *stopped;             /* the alarm that ended the last answer; NULL */
};

/* Opens what the options ask for; if they ask for nothing, nothing is done. */
int acting_open(struct acting *a, const struct options *opts, const struct run *run, struct err *err);
void acting_close(struct acting *a);

/* The worst sign of a verdict, among those whose alarms have a reaction. Tokens are of the sequence, from 1. */
struct acting_sign {
	enum alarm_type alarm; /* ALARM_TYPE_COUNT: there is no such sign */
	enum text_id what;     /* its description */
	uint64_t length;       /* tokens of the sequence so far */
	uint64_t since;        /* the first token of this sign */
	uint64_t back;         /* tokens to rewind, to before the first token of all signs of its alarm */
};

struct acting_sign acting_sign(const struct acting *a, const struct rwkvmon_verdict *v);

/* The boldest sampling settings after a rewind, and for how many tokens they hold after the n-th (from 1), before the
 * way back begins (ease.h). */
struct sampler_config acting_sampling(const struct sampler_config *given, const struct rwkvmon_verdict *v);
uint64_t acting_stretch(unsigned attempt);

#endif
