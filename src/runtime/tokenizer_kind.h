/* tokenizer_kind.h - what each kind of tokenizer provides. Private to runtime/. */
#ifndef RWKVMON_RUNTIME_TOKENIZER_KIND_H
#define RWKVMON_RUNTIME_TOKENIZER_KIND_H

#include "runtime/tokenizer.h"

struct tokenizer_kind {
	const char *name;
	int (*encode)(const struct tokenizer *t, struct slice text, struct token_list *out, struct err *err);
	struct slice (*bytes)(const struct tokenizer *t, uint32_t id);
	void (*close)(struct tokenizer *t);
};

/* First member of every kind's own struct. */
struct tokenizer {
	const struct tokenizer_kind *kind;
	size_t vocab;
};

#endif
