/* tune_wire.h - what tune and the process that runs a model say to each other through two pipes: one request, one
 * answer.
 *
 * python/rwkvmon/tune_bench.py speaks the same: plain structs in the machine's own order, with natural alignment.
 * Before its first answer, which says whether the model could be opened, that process gets the text: the number of its
 * tokens and the tokens.
 */
#ifndef RWKVMON_CLI_TUNE_WIRE_H
#define RWKVMON_CLI_TUNE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_kind {
	WIRE_END,
	WIRE_BURST,   /* time `calls` calls: of one token, or of prompts of chunk_len tokens */
	WIRE_PREDICT, /* feed `token`; a good answer is followed by the logits, `vocab` floats */
};

enum { WIRE_WHY = 480, WIRE_DTYPE = 8 };

struct wire_request {
	uint32_t kind, threads, chunk_len, calls, prefill, token;
};

struct wire_answer {
	double ns;        /* per token; NAN: not measured */
	double memory_mb; /* resident, of the process, and what it holds on devices */
	uint32_t vocab;
	char dtype[WIRE_DTYPE]; /* of most weights in the file */
	char why[WIRE_WHY];     /* it failed; "": it did not */
};

/* False: the other side is gone. */
bool wire_put(int fd, const void *bytes, size_t n);
bool wire_get(int fd, void *bytes, size_t n);

#endif
