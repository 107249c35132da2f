/* library.h - the libllama that a caller means, wherever it was loaded from.
 *
 * The adapter stands in front of libllama in the global scope, so a program, or a plug-in that another program loaded
 * with dlopen(RTLD_LOCAL), reaches the adapter first; the library itself may be outside the scope that the adapter
 * can search. It is looked for where the caller's own symbols would come from, then behind the adapter, then among all
 * that is loaded.
 *
 * Threads    any. Ownership: a library that was found stays loaded and its table lives as long as the process. */
#ifndef RWKVMON_ADAPTERS_LLAMA_LIBRARY_H
#define RWKVMON_ADAPTERS_LLAMA_LIBRARY_H

#include "llama_api.h"

/* Its functions; NULL: this version has none of that name. */
struct library {
	void *base, *handle;
#define FUNCTION(name, returns, arguments) returns(*name) arguments;
#define WATCHED FUNCTION
#define SEQUENCES(prefix, owner)                                                                                       \
	bool (*prefix##_seq_rm)(owner, llama_seq_id, llama_pos, llama_pos);                                            \
	void (*prefix##_seq_cp)(owner, llama_seq_id, llama_seq_id, llama_pos, llama_pos);                              \
	void (*prefix##_seq_keep)(owner, llama_seq_id);                                                                \
	void (*prefix##_seq_add)(owner, llama_seq_id, llama_pos, llama_pos, llama_pos);                                \
	void (*prefix##_seq_div)(owner, llama_seq_id, llama_pos, llama_pos, int);
#include "functions.def"
#undef FUNCTION
#undef WATCHED
#undef SEQUENCES
};

/* The library for the code at `site`, a return address; NULL: there is none. */
const struct library *library_of(const void *site);

/* The path of a loaded libllama, into out; false: none is loaded. */
bool library_is_loaded(char *out, size_t bytes);

#endif
