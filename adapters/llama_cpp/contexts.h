/* contexts.h - the contexts that are watched, and whose state each of their sequences holds.
 *
 * A context has a handle, a sequence id (a server's slot) a place in a conversation (conversations.h), which goes along
 * with each call, is copied with llama_memory_seq_cp, and put away and brought back with the bytes of a state. A
 * sequence that was emptied begins a new conversation: of a context for one sequence a new sequence of the log, from
 * the first state that is put away on and in a context for several a stream of its own.
 *
 * Threads  a context is one thread's at a time, as in llama.cpp: a second one passes unwatched. */
#ifndef RWKVMON_ADAPTERS_LLAMA_CONTEXTS_H
#define RWKVMON_ADAPTERS_LLAMA_CONTEXTS_H

#include "batches.h"
#include "library.h"

struct watched;

/* Enters the context, which is watched from now on; NULL: it cannot be, or another thread is in it, or this one is. To
 * be left by context_leave, which takes NULL. */
struct watched *context_enter(const struct library *l, struct llama_context *ctx);
/* The same of one that is watched already, by its memory; NULL: there is none. */
struct watched *context_enter_memory(const struct library *l, const struct llama_memory_i *memory);
void context_leave(struct watched *w);

/* Ends watching one, or all: for the end of the program. */
void context_free(struct llama_context *ctx);
void context_free_all(void);

/* Calls do not count while a context warms up. */
void context_warms_up(struct watched *w, bool on);

/* Around a call of the library, with the rows that it is given; `done`: it succeeded. */
struct rows *context_rows(struct watched *w);
void context_begins(struct watched *w);
void context_ends(struct watched *w, bool done);

/* After something that may have emptied, cut or (`moved`) renumbered a sequence; below 0: any of them. */
void context_look_again(struct watched *w, llama_seq_id sequence, bool moved);
/* The same for libraries that cannot say where a sequence ends. */
void context_emptied(struct watched *w, llama_seq_id sequence);
void context_emptied_but(struct watched *w, llama_seq_id sequence);
void context_copied(struct watched *w, llama_seq_id from, llama_seq_id to);

/* A state was put away, or brought back, under a number for its contents; of all sequences when that is below 0. */
void context_put_away(struct watched *w, llama_seq_id sequence, uint64_t number);
void context_brought_back(struct watched *w, llama_seq_id sequence, uint64_t number);

#endif
