/* llama_cpp.c - llama.cpp watched from between a program and its library.
 *
 *     LD_PRELOAD=librwkvmon_llama.so program      or link it before -lllama
 *
 * The watched functions of functions.def stand here: each passes its call on unchanged and reports it (contexts.h);
 * environment.h says where the log goes. A program that called none of them is told so when it ends. Nothing here ends
 * a program: where the library cannot be found, the call fails as llama.cpp lets it fail. */
#include "contexts.h"
#include "states.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DECODES = 1,
	/* enum llama_process_type: LLAMA_PROCESS_TYPE_DECODE */ ON_DEVICE = 2 /* the bytes hold no values */
};

static atomic_bool was_called;       /* something was decoded */
static _Thread_local unsigned depth; /* calls of the library that this thread is in: it calls its own functions */

/* What is defined here, and exported: the table's functions as it has them. */
#define EXPORTED __attribute__((visibility("default")))
#define FUNCTION(...)
#define WATCHED(name, returns, arguments) EXPORTED returns llama_##name arguments;
#define SEQUENCES(prefix, owner)                                                                                       \
	EXPORTED bool llama_##prefix##_seq_rm(owner, llama_seq_id, llama_pos, llama_pos);                              \
	EXPORTED void llama_##prefix##_seq_cp(owner, llama_seq_id, llama_seq_id, llama_pos, llama_pos);                \
	EXPORTED void llama_##prefix##_seq_keep(owner, llama_seq_id);                                                  \
	EXPORTED void llama_##prefix##_seq_add(owner, llama_seq_id, llama_pos, llama_pos, llama_pos);                  \
	EXPORTED void llama_##prefix##_seq_div(owner, llama_seq_id, llama_pos, llama_pos, int);
#include "functions.def"
#undef WATCHED
#undef SEQUENCES

#define CALLER library_of(__builtin_return_address(0))

/* The library has no such function, or there is none: what cannot be passed on. */
static void say_missing(const char *name)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		fprintf(stderr, "rwkvmon: %s was called, and no loaded libllama that has it can be found\n", name);
}

/* Calls the library's function, unless there is none: then the value is `otherwise`. */
#define PASS_ON(l, name, otherwise, ...)                                                                               \
	((l) && (l)->name ? (depth++, result = (l)->name(__VA_ARGS__), depth--, result)                                \
			  : (say_missing("llama_" #name), result = (otherwise)))
#define PASS_ON_VOID(l, name, ...)                                                                                     \
	((l) && (l)->name ? (depth++, (l)->name(__VA_ARGS__), (void)depth--) : say_missing("llama_" #name))

static struct watched *enter(const struct library *l, struct llama_context *ctx)
{
	struct watched *w = NULL;

	if (l && ctx && !depth) {
		depth++;
		w = context_enter(l, ctx);
		depth--;
	}
	return w;
}

static struct watched *enter_memory(const struct library *l, struct llama_memory_i *memory)
{
	return l && memory && !depth ? context_enter_memory(l, memory) : NULL;
}

/* What is asked of the library in between is not the program's. */
#define REPORT(w, ...)                                                                                                 \
	do {                                                                                                           \
		if (w) {                                                                                               \
			depth++;                                                                                       \
			__VA_ARGS__;                                                                                   \
			depth--;                                                                                       \
		}                                                                                                      \
	} while (0)

/* -- decoding --------------------------------------------------------------------------------------- */

int32_t llama_decode(struct llama_context *ctx, struct llama_batch batch)
{
	const struct library *l = CALLER;
	struct watched *w = batch.n_tokens > 0 ? enter(l, ctx) : NULL;
	int32_t result;

	atomic_store_explicit(&was_called, true, memory_order_relaxed);
	REPORT(w, rows_take(context_rows(w), &batch), context_begins(w));
	PASS_ON(l, decode, -1, ctx, batch);
	REPORT(w, context_ends(w, !result));
	context_leave(w);
	return result;
}

int32_t llama_process(struct llama_context *ctx, int type, struct llama_batch_ext *batch)
{
	const struct library *l = CALLER;
	struct watched *w = type == DECODES ? enter(l, ctx) : NULL;
	int32_t result;

	atomic_store_explicit(&was_called, true, memory_order_relaxed);
	REPORT(w, rows_take_extended(context_rows(w), batch), context_begins(w));
	PASS_ON(l, process, -1, ctx, type, batch);
	REPORT(w, context_ends(w, !result));
	context_leave(w);
	return result;
}

void llama_free(struct llama_context *ctx)
{
	const struct library *l = CALLER;

	context_free(ctx);
	PASS_ON_VOID(l, free, ctx);
}

void llama_set_warmup(struct llama_context *ctx, bool on)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);

	REPORT(w, context_warms_up(w, on));
	context_leave(w);
	PASS_ON_VOID(l, set_warmup, ctx, on);
}

/* -- extended batches --------------------------------------------------------------------------------- */

void llama_batch_ext_free(struct llama_batch_ext *batch)
{
	const struct library *l = CALLER;

	extended_free(batch);
	PASS_ON_VOID(l, batch_ext_free, batch);
}

void llama_batch_ext_clear(struct llama_batch_ext *batch)
{
	const struct library *l = CALLER;

	extended_clear(batch);
	PASS_ON_VOID(l, batch_ext_clear, batch);
}

int32_t llama_batch_ext_add(struct llama_batch_ext *batch, llama_seq_id sequence)
{
	const struct library *l = CALLER;
	int32_t result;

	PASS_ON(l, batch_ext_add, -1, batch, sequence);
	if (!depth)
		extended_add(batch, result, sequence, 0, true); /* what it will be is not a plain token */
	return result;
}

int32_t llama_batch_ext_add_token(struct llama_batch_ext *batch, llama_seq_id sequence, llama_token token)
{
	const struct library *l = CALLER;
	int32_t result;

	PASS_ON(l, batch_ext_add_token, -1, batch, sequence, token);
	if (!depth)
		extended_add(batch, result, sequence, token, false);
	return result;
}

int32_t llama_batch_ext_add_embd(struct llama_batch_ext *batch, llama_seq_id sequence, struct llama_embd embedding)
{
	const struct library *l = CALLER;
	int32_t result;

	PASS_ON(l, batch_ext_add_embd, -1, batch, sequence, embedding);
	if (!depth)
		extended_add(batch, result, sequence, 0, true);
	return result;
}

bool llama_batch_ext_add_seq(struct llama_batch_ext *batch, int32_t index, llama_seq_id sequence)
{
	const struct library *l = CALLER;
	bool result;

	PASS_ON(l, batch_ext_add_seq, false, batch, index, sequence);
	if (!depth && result)
		extended_add_sequence(batch, index, sequence);
	return result;
}

bool llama_batch_ext_set_output_logits(struct llama_batch_ext *batch, int32_t index, bool value)
{
	const struct library *l = CALLER;
	bool result;

	PASS_ON(l, batch_ext_set_output_logits, false, batch, index, value);
	if (!depth && result)
		extended_output(batch, index, value);
	return result;
}

/* llama.cpp has one mark for both: a token whose embedding is asked for also gets logits. */
bool llama_batch_ext_set_output_embd(struct llama_batch_ext *batch, int32_t index, bool value)
{
	const struct library *l = CALLER;
	bool result;

	PASS_ON(l, batch_ext_set_output_embd, false, batch, index, value);
	if (!depth && result)
		extended_output(batch, index, value);
	return result;
}

/* -- states that are put away and brought back ------------------------------------------------------------ */

/* Of a state whose values stay on the device only its sequence says which one it is: it has one at a time. */
static uint64_t number_of(const uint8_t *bytes, size_t n, llama_seq_id sequence, uint32_t flags)
{
	return flags & ON_DEVICE ? ((uint64_t)ON_DEVICE << 32) + (uint64_t)sequence : state_number(bytes, n);
}

size_t llama_state_seq_get_data_ext(struct llama_context *ctx, uint8_t *out, size_t size, llama_seq_id sequence,
				    uint32_t flags)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_seq_get_data_ext, 0, ctx, out, size, sequence, flags);
	if (result && out && sequence >= 0)
		REPORT(w, context_put_away(w, sequence, number_of(out, result, sequence, flags)));
	context_leave(w);
	return result;
}

size_t llama_state_seq_get_data(struct llama_context *ctx, uint8_t *out, size_t size, llama_seq_id sequence)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_seq_get_data, 0, ctx, out, size, sequence);
	if (result && out && sequence >= 0)
		REPORT(w, context_put_away(w, sequence, state_number(out, result)));
	context_leave(w);
	return result;
}

/* `result`: the bytes that were read, which may be fewer than were given. */
size_t llama_state_seq_set_data_ext(struct llama_context *ctx, const uint8_t *bytes, size_t size, llama_seq_id sequence,
				    uint32_t flags)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_seq_set_data_ext, 0, ctx, bytes, size, sequence, flags);
	if (result && sequence >= 0)
		REPORT(w, context_brought_back(w, sequence, number_of(bytes, result, sequence, flags)));
	context_leave(w);
	return result;
}

size_t llama_state_seq_set_data(struct llama_context *ctx, const uint8_t *bytes, size_t size, llama_seq_id sequence)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_seq_set_data, 0, ctx, bytes, size, sequence);
	if (result && sequence >= 0)
		REPORT(w, context_brought_back(w, sequence, state_number(bytes, result)));
	context_leave(w);
	return result;
}

static uint64_t number_of_file(const char *path)
{
	return state_number((const uint8_t *)path, strlen(path));
}

size_t llama_state_seq_save_file(struct llama_context *ctx, const char *path, llama_seq_id sequence,
				 const llama_token *tokens, size_t n)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_seq_save_file, 0, ctx, path, sequence, tokens, n);
	if (result && sequence >= 0)
		REPORT(w, context_put_away(w, sequence, number_of_file(path)));
	context_leave(w);
	return result;
}

/* Without room for tokens it only says how many there are. */
size_t llama_state_seq_load_file(struct llama_context *ctx, const char *path, llama_seq_id sequence,
				 llama_token *tokens, size_t most, size_t *n)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_seq_load_file, 0, ctx, path, sequence, tokens, most, n);
	if (result && tokens && sequence >= 0)
		REPORT(w, context_brought_back(w, sequence, number_of_file(path)));
	context_leave(w);
	return result;
}

size_t llama_state_get_data(struct llama_context *ctx, uint8_t *out, size_t size)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_get_data, 0, ctx, out, size);
	if (result && out)
		REPORT(w, context_put_away(w, -1, state_number(out, result)));
	context_leave(w);
	return result;
}

size_t llama_state_set_data(struct llama_context *ctx, const uint8_t *bytes, size_t size)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	size_t result;

	PASS_ON(l, state_set_data, 0, ctx, bytes, size);
	if (result)
		REPORT(w, context_brought_back(w, -1, state_number(bytes, result)));
	context_leave(w);
	return result;
}

bool llama_state_save_file(struct llama_context *ctx, const char *path, const llama_token *tokens, size_t n)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	bool result;

	PASS_ON(l, state_save_file, false, ctx, path, tokens, n);
	if (result)
		REPORT(w, context_put_away(w, -1, number_of_file(path)));
	context_leave(w);
	return result;
}

bool llama_state_load_file(struct llama_context *ctx, const char *path, llama_token *tokens, size_t most, size_t *n)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);
	bool result;

	PASS_ON(l, state_load_file, false, ctx, path, tokens, most, n);
	if (result)
		REPORT(w, context_brought_back(w, -1, number_of_file(path)));
	context_leave(w);
	return result;
}

/* -- sequences that are emptied, cut, copied, moved --------------------------------------------------------- */

static void emptied(struct watched *w, llama_seq_id sequence)
{
	REPORT(w, context_emptied(w, sequence));
	context_leave(w);
}

void llama_memory_clear(struct llama_memory_i *memory, bool data)
{
	const struct library *l = CALLER;
	struct watched *w = enter_memory(l, memory);

	PASS_ON_VOID(l, memory_clear, memory, data);
	emptied(w, -1);
}

void llama_kv_self_clear(struct llama_context *ctx)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);

	PASS_ON_VOID(l, kv_self_clear, ctx);
	emptied(w, -1);
}

void llama_kv_cache_clear(struct llama_context *ctx)
{
	const struct library *l = CALLER;
	struct watched *w = enter(l, ctx);

	PASS_ON_VOID(l, kv_cache_clear, ctx);
	emptied(w, -1);
}

static void removed(struct watched *w, bool done, llama_seq_id sequence, llama_pos from, llama_pos to)
{
	if (done && from <= 0 && to < 0)
		REPORT(w, context_emptied(w, sequence));
	else if (done)
		REPORT(w, context_look_again(w, sequence, false));
	context_leave(w);
}

static void moved(struct watched *w, llama_seq_id sequence)
{
	REPORT(w, context_look_again(w, sequence, true));
	context_leave(w);
}

#define WATCHED(...)
#define enter_memory_owner(l, owner) enter_memory(l, owner)
#define enter_kv_self_owner(l, owner) enter(l, owner)
#define enter_kv_cache_owner(l, owner) enter(l, owner)
#define SEQUENCES(prefix, type)                                                                                        \
	bool llama_##prefix##_seq_rm(type owner, llama_seq_id sequence, llama_pos from, llama_pos to)                  \
	{                                                                                                              \
		const struct library *l = CALLER;                                                                      \
		struct watched *w = enter_##prefix##_owner(l, owner);                                                  \
		bool result;                                                                                           \
                                                                                                                       \
		PASS_ON(l, prefix##_seq_rm, false, owner, sequence, from, to);                                         \
		removed(w, result, sequence, from, to);                                                                \
		return result;                                                                                         \
	}                                                                                                              \
	void llama_##prefix##_seq_cp(type owner, llama_seq_id source, llama_seq_id target, llama_pos from,             \
				     llama_pos to)                                                                     \
	{                                                                                                              \
		const struct library *l = CALLER;                                                                      \
		struct watched *w = enter_##prefix##_owner(l, owner);                                                  \
                                                                                                                       \
		PASS_ON_VOID(l, prefix##_seq_cp, owner, source, target, from, to);                                     \
		REPORT(w, context_copied(w, source, target));                                                          \
		context_leave(w);                                                                                      \
	}                                                                                                              \
	void llama_##prefix##_seq_keep(type owner, llama_seq_id sequence)                                              \
	{                                                                                                              \
		const struct library *l = CALLER;                                                                      \
		struct watched *w = enter_##prefix##_owner(l, owner);                                                  \
                                                                                                                       \
		PASS_ON_VOID(l, prefix##_seq_keep, owner, sequence);                                                   \
		REPORT(w, context_emptied_but(w, sequence));                                                           \
		context_leave(w);                                                                                      \
	}                                                                                                              \
	void llama_##prefix##_seq_add(type owner, llama_seq_id sequence, llama_pos from, llama_pos to, llama_pos by)   \
	{                                                                                                              \
		const struct library *l = CALLER;                                                                      \
		struct watched *w = enter_##prefix##_owner(l, owner);                                                  \
                                                                                                                       \
		PASS_ON_VOID(l, prefix##_seq_add, owner, sequence, from, to, by);                                      \
		moved(w, sequence);                                                                                    \
	}                                                                                                              \
	void llama_##prefix##_seq_div(type owner, llama_seq_id sequence, llama_pos from, llama_pos to, int by)         \
	{                                                                                                              \
		const struct library *l = CALLER;                                                                      \
		struct watched *w = enter_##prefix##_owner(l, owner);                                                  \
                                                                                                                       \
		PASS_ON_VOID(l, prefix##_seq_div, owner, sequence, from, to, by);                                      \
		moved(w, sequence);                                                                                    \
	}
#include "functions.def"

/* -- the end ------------------------------------------------------------------------------------------------- */

/* The process that started this one has the adapter too: it inherited LD_PRELOAD from there. */
static bool parent_is_watched(void)
{
	char path[64], line[4096];
	const char *name;
	bool found = false;
	Dl_info self;
	FILE *maps;

	snprintf(path, sizeof path, "/proc/%ld/maps", (long)getppid());
	maps = dladdr(&was_called, &self) ? fopen(path, "re") : NULL;
	name = maps ? strrchr(self.dli_fname, '/') : NULL;
	while (name && !found && fgets(line, sizeof line, maps))
		found = strstr(line, name);
	if (maps)
		fclose(maps);
	return found;
}

/* Whoever asked for watching learns that there was nothing; helpers of a script, which inherited it, are silent. */
__attribute__((destructor)) static void end(void)
{
	char path[1024];

	context_free_all();
	if (atomic_load(&was_called))
		return;
	if (library_is_loaded(path, sizeof path))
		fprintf(stderr,
			"rwkvmon: nothing was seen: %s never called llama_decode or llama_process through the adapter, "
			"although %s is loaded; if it looks functions up by name, as Python's ctypes does, see "
			"llama.cpp in docs/INTEGRATIONS.md\n",
			program_invocation_short_name, path);
	else if (!parent_is_watched())
		fprintf(stderr,
			"rwkvmon: nothing was seen: %s has no libllama.so loaded (a program with llama.cpp linked into "
			"it is linked with the adapter instead); programs that it started report for themselves\n",
			program_invocation_short_name);
}

static volatile pid_t asked; /* the process that asked for a word at SIGTERM; its forked children have none */

static void say_at_sigterm(int signal_number)
{
	static const char said[] = "rwkvmon: nothing was seen: SIGTERM ended the program before it called llama_decode "
				   "or llama_process through the adapter\n";
	ssize_t written = 0;

	if (!atomic_load(&was_called) && getpid() == asked)
		written = write(STDERR_FILENO, said, sizeof said - 1);
	(void)written;
	signal(signal_number, SIG_DFL);
	raise(signal_number); /* it ends the program as it would have, when this returns */
}

/* For watch_ctypes.py, whose program is known: the same where SIGTERM, with its default action, would end it unheard. A
 * handler that the program sets takes its place; process 1 has no default action. Python's own signal module has asked
 * what was set before. */
__attribute__((visibility("default"))) void rwkvmon_llama_at_sigterm(void);
void rwkvmon_llama_at_sigterm(void)
{
	const struct sigaction say = { .sa_handler = say_at_sigterm };
	struct sigaction now;

	if (getpid() == 1 || sigaction(SIGTERM, NULL, &now) || now.sa_handler != SIG_DFL)
		return;
	asked = getpid();
	sigaction(SIGTERM, &say, NULL);
}
