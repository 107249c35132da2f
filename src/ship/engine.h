/* engine.h - asks VictoriaLogs what was shipped to it, and takes the answers into an analysis.
 *
 * Counts and sums are the engine's; sketches are merged here. Lines that were sent twice count once. Roll-ups are asked
 * for a slice of time after the other, so that neither side holds all of them.
 *
 * Secrets  of the address only scheme, host and port are shown; the token never.
 */
#ifndef RWKVMON_SHIP_ENGINE_H
#define RWKVMON_SHIP_ENGINE_H

#include "analyze/analyze.h"
#include "spec/logsql.h"

struct engine_question {
	const char *url;        /* http://HOST:9428 */
	const char *token;      /* NULL: none */
	const char *ca;         /* NULL: the system's */
	int64_t from_us, to_us; /* from < to */
	/* Called now and then; NULL: never. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

struct engine_answer {
	uint64_t rows, twice; /* roll-ups, and those of them that had come before */
	uint64_t bad;         /* lines that are no answer to what was asked */
	uint64_t bytes;
};

/* Takes the text of an answer to one question, of any bytes; *out is counted on. False: no memory. */
bool engine_take(struct analysis *a, enum logsql_id id, struct slice answer, struct engine_answer *out);

int engine_ask(struct analysis *a, const struct engine_question *q, struct engine_answer *out, struct err *err);

#endif
