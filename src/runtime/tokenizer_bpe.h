/* tokenizer_bpe.h - what a byte-level BPE tokenizer holds. Private to runtime/: tokenizer_bpe_file.c
 * fills it from JSON, tokenizer_bpe.c encodes with it. */
#ifndef RWKVMON_RUNTIME_TOKENIZER_BPE_H
#define RWKVMON_RUNTIME_TOKENIZER_BPE_H

#include "base/arena.h"
#include "runtime/tokenizer_kind.h"

enum { BPE_NONE = UINT32_MAX };

/* Two tokens side by side that become one; lower ranks go first. */
struct bpe_merge {
	uint32_t left, right, rank, into;
};

/* A token that is found in the text before anything else is done with it. */
struct bpe_added {
	struct slice text;
	uint32_t id;
	bool normalised; /* looked for after normalisation, not before */
};

struct bpe {
	struct tokenizer base;
	struct arena arena;
	struct slice *by_id;      /* (vocab) bytes; empty: none, or a special token */
	uint32_t of_byte[256];    /* the token of each single byte, or BPE_NONE */
	struct bpe_merge *merges; /* by left, then right */
	size_t n_merges;
	struct bpe_added *added; /* longest first */
	size_t n_added;
	bool nfc;
};

/* Fills a zeroed *b; the caller frees b->arena whatever comes back. */
int bpe_read(struct bpe *b, struct slice json, const char *label, struct err *err);

#endif
