/* contexts.c - from the calls of a context to the records of its conversations.
 *
 * A call is a record of every conversation in it: its time until the logits are there, tokens, the logits after the
 * last of them, and the recurrent state through llama_state_seq_get_data. That copies the state, so it is taken as
 * often as the budget allows, of one sequence after the other, in pairs, before and after a call; without a budget of
 * every sequence after every call; and when a conversation begins and every 100 tokens, for its drift. */
#include "contexts.h"
#include "conversations.h"
#include "environment.h"
#include "states.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	PUT_AWAY = 32, /* conversations that are remembered beside those in sequences */
	SLOTS = 64,    /* sequences of a library that does not say how many */
	SLOTS_MAX = 4096,
	TRIAL = 2,  /* tokens of a call that may be one */
	DRIFTS = 8, /* states taken for the drift in one call */
	POSITION_UNKNOWN = -2,
};

static const double BUDGET_PCT = 1;                       /* of the time decoding took, for copies of states */
static const uint64_t STATE_MEMORY = (uint64_t)256 << 20; /* bytes of them that wait for their second */

/* A sequence id of a context. */
struct slot {
	struct place place; /* of its state */
	llama_pos end;      /* of its next token */
	bool prompting;     /* its prompt goes on with the next call */
	bool saved;         /* the state was put away as it is */
	bool has_before;    /* `before` is the state as it was before the next call */
	struct state before;
};

/* A context's first call, over nothing but special tokens, may be no conversation's: programs warm up with one, or try
 * out what the memory can do, and empty the memory then. It is recorded when another call goes on from it. */
struct trial {
	llama_seq_id sequence;
	uint32_t token[TRIAL];
	size_t n; /* 0: there is none */
	double ms;
};

struct watched {
	struct watched *next;
	struct llama_context *ctx;
	const struct library *l;
	const struct llama_memory_i *memory;
	rwkvmon *mon;                /* NULL: not watched */
	struct conversations *talks; /* NULL: no memory; all is one */
	const struct llama_model *model;
	int32_t n_layer, n_embd, n_vocab;
	llama_token bos, eos;
	bool recurrent, warms_up;
	bool records, spoke; /* the call at hand is a record; one before it was */
	struct trial trial;
	struct slot *slot; /* (n_slots) */
	llama_seq_id n_slots;
	struct rows rows;                /* of the call at hand, as the next four */
	uint32_t *tokens;                /* (cap) */
	struct rwkvmon_step *step;       /* (cap): one for each sequence */
	struct rwkvmon_state_sums *sums; /* (cap, STATE_PARTS) */
	size_t cap;
	size_t turn, n_before; /* whose state is taken next; how many wait for their second */
	struct state after, spare, drift[DRIFTS];
	double began_ms, decode_ms, state_ms, budget; /* budget: part of decode_ms */
	uint64_t state_bytes, state_memory;
	atomic_flag busy;
};

static struct watched *all;
static bool ended; /* the program ends: nothing is watched any more */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* -- contexts ------------------------------------------------------------------------------------- */

static void describe(struct watched *w)
{
	const struct library *l = w->l;
	const struct llama_vocab *vocab = l->model_get_vocab ? l->model_get_vocab(w->model) : NULL;

	if (l->model_n_layer && l->model_n_embd) {
		w->n_layer = l->model_n_layer(w->model);
		w->n_embd = l->model_n_embd(w->model);
	} else if (l->n_layer && l->n_embd) {
		w->n_layer = l->n_layer(w->model);
		w->n_embd = l->n_embd(w->model);
	}
	if (vocab && l->vocab_n_tokens)
		w->n_vocab = l->vocab_n_tokens(vocab);
	else if (l->n_vocab)
		w->n_vocab = l->n_vocab(w->model);
	w->bos = vocab && l->vocab_bos ? l->vocab_bos(vocab) : 0;
	w->eos = vocab && l->vocab_eos ? l->vocab_eos(vocab) : 0;
	w->recurrent = l->model_is_recurrent && l->model_is_recurrent(w->model) && l->state_seq_get_size;
}

static void open_handle(struct watched *w)
{
	const struct library *l = w->l;
	struct rwkvmon_config cfg = { 0 };
	char name[256] = "", arch[64] = "";

	if (l->model_meta_val_str && l->model_meta_val_str(w->model, "general.name", name, sizeof name) <= 0 &&
	    l->model_desc)
		l->model_desc(w->model, name, sizeof name);
	if (l->model_meta_val_str)
		l->model_meta_val_str(w->model, "general.architecture", arch, sizeof arch);
	cfg.model_name = name;
	cfg.model_version = !strncmp(arch, "rwkv", 4) ? arch + 4 : NULL;
	cfg.strategy = "llama.cpp";
	cfg.runtime_name = "llama.cpp";
	cfg.runtime_flags = l->print_system_info ? l->print_system_info() : NULL;
	cfg.chunk_len = l->n_ubatch ? l->n_ubatch(w->ctx) : 0;
	cfg.n_layer = (uint32_t)w->n_layer;
	cfg.n_embd = (uint32_t)w->n_embd;
	cfg.vocab_size = (uint32_t)w->n_vocab;
	cfg.model_bytes = l->model_size ? l->model_size(w->model) : 0;
	w->mon = environment_open(&cfg);
	w->budget = cfg.overhead_budget_pct < 0 ? (double)INFINITY : cfg.overhead_budget_pct / 100;
	w->budget = w->budget > 0 ? w->budget : BUDGET_PCT / 100;
	w->state_memory = cfg.state_memory_bytes ? cfg.state_memory_bytes : STATE_MEMORY;
}

static void open_slots(struct watched *w)
{
	uint32_t n = w->l->n_seq_max ? w->l->n_seq_max(w->ctx) : SLOTS;

	n = n < 1 ? 1 : n > SLOTS_MAX ? SLOTS_MAX : n;
	w->slot = calloc(n, sizeof *w->slot);
	w->n_slots = w->slot ? (llama_seq_id)n : 0;
	w->talks = w->mon && w->slot ? conversations_open(w->mon, n + PUT_AWAY) : NULL;
	if (w->talks && w->l->n_seq_max && n > 1)
		conversations_take_turns(w->talks);
}

/* NULL: out of memory. With the lock, as what follows. */
static struct watched *open_context(const struct library *l, struct llama_context *ctx)
{
	struct watched *w = l->get_model ? calloc(1, sizeof *w) : NULL;

	if (!w)
		return NULL;
	atomic_flag_clear(&w->busy);
	w->ctx = ctx;
	w->l = l;
	w->model = l->get_model(ctx);
	w->memory = l->get_memory ? l->get_memory(ctx) : NULL;
	describe(w);
	open_handle(w);
	open_slots(w);
	w->next = all;
	all = w;
	return w;
}

static void close_context(struct watched *w)
{
	environment_ended_early(conversations_close(w->talks));
	environment_close(w->mon);
	state_free(&w->after);
	state_free(&w->spare);
	for (size_t i = 0; i < DRIFTS; i++)
		state_free(&w->drift[i]);
	for (llama_seq_id i = 0; i < w->n_slots; i++)
		state_free(&w->slot[i].before);
	rows_free(&w->rows);
	free(w->tokens);
	free(w->step);
	free(w->sums);
	free(w->slot);
	free(w);
}

/* NULL, unlocked or not: it is not to be used. */
static struct watched *enter_locked(struct watched *w)
{
	return w && w->mon && w->n_slots && !atomic_flag_test_and_set(&w->busy) ? w : NULL;
}

struct watched *context_enter(const struct library *l, struct llama_context *ctx)
{
	struct watched *w;

	pthread_mutex_lock(&mutex);
	for (w = all; w && w->ctx != ctx; w = w->next)
		;
	w = enter_locked(ended ? NULL : w ? w : open_context(l, ctx));
	pthread_mutex_unlock(&mutex);
	return w;
}

struct watched *context_enter_memory(const struct library *l, const struct llama_memory_i *memory)
{
	struct watched *w;

	pthread_mutex_lock(&mutex);
	for (w = all; w && (w->l != l || w->memory != memory); w = w->next)
		;
	w = enter_locked(ended ? NULL : w);
	pthread_mutex_unlock(&mutex);
	return w;
}

void context_leave(struct watched *w)
{
	if (w)
		atomic_flag_clear(&w->busy);
}

void context_free(struct llama_context *ctx)
{
	struct watched **at, *w;

	pthread_mutex_lock(&mutex);
	for (at = &all; *at && (*at)->ctx != ctx; at = &(*at)->next)
		;
	w = *at;
	if (w)
		*at = w->next;
	pthread_mutex_unlock(&mutex);
	if (w)
		close_context(w);
}

/* One that another thread is in stays: its log is as a killed program's. */
void context_free_all(void)
{
	struct watched *w;

	pthread_mutex_lock(&mutex);
	ended = true;
	w = all;
	all = NULL;
	while (w) {
		struct watched *next = w->next;

		if (!atomic_flag_test_and_set(&w->busy))
			close_context(w);
		w = next;
	}
	pthread_mutex_unlock(&mutex);
}

void context_warms_up(struct watched *w, bool on)
{
	w->warms_up = on;
}

/* -- whose state a sequence holds ----------------------------------------------------------------- */

static bool is_slot(const struct watched *w, llama_seq_id sequence)
{
	return sequence >= 0 && sequence < w->n_slots;
}

/* Position of the last token in a sequence, -1 when it is empty. */
static llama_pos last_position(const struct watched *w, llama_seq_id sequence)
{
	if (w->l->memory_seq_pos_max && w->l->get_memory)
		return w->l->memory_seq_pos_max(w->l->get_memory(w->ctx), sequence);
	return w->l->kv_self_seq_pos_max ? w->l->kv_self_seq_pos_max(w->ctx, sequence) : POSITION_UNKNOWN;
}

static void note_end(struct watched *w, llama_seq_id sequence)
{
	llama_pos last = last_position(w, sequence);

	if (last != POSITION_UNKNOWN)
		w->slot[sequence].end = last + 1;
}

static bool is_alone(const struct watched *w, llama_seq_id sequence, uint64_t id)
{
	for (llama_seq_id i = 0; i < w->n_slots; i++)
		if (i != sequence && w->slot[i].place.id == id)
			return false;
	return true;
}

/* The state before is not needed any more; one such buffer is kept for the next. */
static void drop_before(struct watched *w, struct slot *s)
{
	w->n_before -= s->has_before;
	s->has_before = false;
	if (w->spare.bytes)
		state_free(&s->before);
	else
		w->spare = s->before;
	s->before = (struct state){ 0 };
}

/* The sequence holds the state of another place; id 0: of none that is known, or none at all. */
static void put(struct watched *w, llama_seq_id sequence, struct place place)
{
	struct slot *s = &w->slot[sequence];
	struct place from = s->place;
	bool saved = s->saved;

	s->place = place;
	s->prompting = s->saved = false;
	drop_before(w, s);
	if (!w->talks || !from.id || !is_alone(w, sequence, from.id))
		return;
	if (place.id != from.id)
		conversations_leave(w->talks, from);
	else if (!saved)
		conversations_go_back(w->talks, from, place);
}

static void look_at(struct watched *w, llama_seq_id sequence, bool moved)
{
	struct slot *s = &w->slot[sequence];
	llama_pos last = last_position(w, sequence);
	struct place place = s->place;

	if (last == POSITION_UNKNOWN || last + 1 == s->end)
		return;
	if (last < 0) {
		put(w, sequence, (struct place){ 0 });
	} else if (!moved && last + 1 < s->end) {
		uint64_t back = (uint64_t)(s->end - last - 1);

		place.length -= back < place.length ? back : place.length;
		put(w, sequence, place);
	}
	s->end = last + 1;
}

void context_look_again(struct watched *w, llama_seq_id sequence, bool moved)
{
	if (is_slot(w, sequence))
		look_at(w, sequence, moved);
	for (llama_seq_id i = 0; sequence < 0 && i < w->n_slots; i++)
		look_at(w, i, moved);
}

void context_emptied(struct watched *w, llama_seq_id sequence)
{
	if (sequence < 0 || sequence == w->trial.sequence)
		w->trial.n = 0;
	for (llama_seq_id i = 0; i < w->n_slots; i++)
		if (sequence < 0 || i == sequence) {
			put(w, i, (struct place){ 0 });
			w->slot[i].end = 0;
		}
}

void context_emptied_but(struct watched *w, llama_seq_id sequence)
{
	for (llama_seq_id i = 0; i < w->n_slots; i++)
		if (i != sequence)
			context_emptied(w, i);
}

void context_copied(struct watched *w, llama_seq_id from, llama_seq_id to)
{
	struct place place;
	llama_pos left;

	if (!is_slot(w, from) || !is_slot(w, to) || from == to)
		return;
	place = w->slot[from].place;
	w->slot[to].end = w->slot[from].end;
	note_end(w, to);
	left = w->slot[from].end - w->slot[to].end; /* of a copy that is not of all */
	place.length -= left > 0 && (uint64_t)left < place.length ? (uint64_t)left : 0;
	put(w, to, place);
}

/* States of several sequences have one number. */
static uint64_t number_of(uint64_t number, llama_seq_id sequence)
{
	return number ^ (uint64_t)(sequence + 1) * UINT64_C(0xd1342543de82ef95);
}

void context_put_away(struct watched *w, llama_seq_id sequence, uint64_t number)
{
	for (llama_seq_id i = 0; i < w->n_slots; i++) {
		struct slot *s = &w->slot[i];

		if (!w->talks || !s->place.id || (sequence >= 0 && i != sequence))
			continue;
		conversations_remember(w->talks, sequence < 0 ? number_of(number, i) : number, s->place);
		s->saved = true;
	}
}

void context_brought_back(struct watched *w, llama_seq_id sequence, uint64_t number)
{
	for (llama_seq_id i = 0; i < w->n_slots; i++) {
		struct place place = { 0 };

		if (sequence >= 0 && i != sequence)
			continue;
		if (w->talks)
			place = conversations_recall(w->talks, sequence < 0 ? number_of(number, i) : number);
		put(w, i, place);
		w->slot[i].saved = place.id;
		note_end(w, i);
	}
}

/* -- states ----------------------------------------------------------------------------------------- */

static bool fetch(struct watched *w, struct state *s, llama_seq_id sequence)
{
	size_t n = w->l->state_seq_get_size(w->ctx, sequence);

	if (!n || !w->l->state_seq_get_data || !state_reserve(s, n))
		return false;
	s->n = w->l->state_seq_get_data(w->ctx, s->bytes, n, sequence);
	return s->n && state_understand(s, (size_t)w->n_layer, (size_t)w->n_embd);
}

static bool can_afford(const struct watched *w)
{
	return w->state_ms <= w->budget * w->decode_ms && w->n_before * w->state_bytes < w->state_memory;
}

static void take_before(struct watched *w, llama_seq_id sequence)
{
	struct slot *s = &w->slot[sequence];

	s->before = w->spare;
	w->spare = (struct state){ 0 };
	s->has_before = fetch(w, &s->before, sequence);
	w->n_before += s->has_before;
	if (!s->has_before)
		drop_before(w, s);
}

/* Sums for a sequence with a state before this call; the state after it is the one before the next. */
static void compare(struct watched *w, llama_seq_id sequence, struct rwkvmon_state_sums sums[STATE_PARTS],
		    struct rwkvmon_step *step)
{
	struct slot *s = &w->slot[sequence];
	struct state before = s->before;

	if (!fetch(w, &w->after, sequence)) {
		drop_before(w, s);
		return;
	}
	sums[0] = (struct rwkvmon_state_sums){ .part = RWKVMON_SHIFT };
	sums[1] = (struct rwkvmon_state_sums){ .part = RWKVMON_WKV };
	if (state_compare(&before, &w->after, sums)) {
		step->sums = sums;
		step->n_sums = STATE_PARTS;
	}
	s->before = w->after;
	w->after = before;
}

/* For what asked to be compared with its beginning. */
static void show_drift(struct watched *w, struct state *s, llama_seq_id sequence, struct rwkvmon_step *step)
{
	if (!fetch(w, s, sequence))
		return;
	step->state = state_tensors(s);
	step->n_state = step->state ? (size_t)w->n_layer * STATE_PARTS : 0;
}

/* The sequences (n) of the call at hand. */
static void observe_states(struct watched *w, const llama_seq_id *sequence, size_t n)
{
	bool all_of_them = n == 1 || isinf(w->budget), compared = false;
	size_t drifts = 0, next = w->turn % n;
	double began = now_ms();

	for (size_t i = 0; i < n; i++) {
		struct rwkvmon_step *step = &w->step[i];
		struct slot *s = &w->slot[sequence[i]];

		if (drifts < DRIFTS && rwkvmon_stream_wants_state(w->mon, step->stream, step->n_tokens))
			show_drift(w, &w->drift[drifts++], sequence[i], step);
		compared |= s->has_before;
		if (s->has_before)
			compare(w, sequence[i], &w->sums[STATE_PARTS * i], step);
	}
	for (size_t i = 0; i < n; i++) {
		struct slot *s = &w->slot[sequence[i]];

		w->state_ms += now_ms() - began;
		began = now_ms();
		if (s->has_before && !(all_of_them && can_afford(w)))
			drop_before(w, s);
		else if (!s->has_before && (all_of_them || (i == next && !compared)) && can_afford(w))
			take_before(w, sequence[i]);
	}
	w->turn += !compared;
	w->state_ms += now_ms() - began;
}

/* -- calls ------------------------------------------------------------------------------------------ */

struct rows *context_rows(struct watched *w)
{
	return &w->rows;
}

static bool grow(void *array, size_t n, size_t bytes)
{
	void **at = array, *more = realloc(*at, n * bytes);

	*at = more ? more : *at;
	return more;
}

static bool reserve(struct watched *w)
{
	size_t n = w->rows.cap;

	if (w->rows.n <= w->cap)
		return true;
	if (!grow(&w->tokens, n, sizeof *w->tokens) || !grow(&w->step, n, sizeof *w->step) ||
	    !grow(&w->sums, n * STATE_PARTS, sizeof *w->sums))
		return false;
	w->cap = n;
	return true;
}

/* The trial was a conversation's first call, or is forgotten. */
static void end_trial(struct watched *w)
{
	struct trial trial = w->trial;
	const struct rwkvmon_number numbers[] = {
		{ rwkvmon_metric("token_latency_ms"), trial.n ? trial.ms / (double)trial.n : 0 },
		{ rwkvmon_metric("chunk_process_time_ms"), trial.ms },
	};
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = trial.token,
				     .n_tokens = trial.n,
				     .phase = RWKVMON_PREFILL,
				     .numbers = numbers,
				     .n_numbers = 2 };
	llama_pos last = trial.n ? last_position(w, trial.sequence) : -1;
	bool fresh;

	w->trial.n = 0;
	if (!trial.n || (last != POSITION_UNKNOWN && last != (llama_pos)trial.n - 1))
		return;
	if (w->talks) {
		conversations_call(w->talks);
		step.stream = conversations_go_on(w->talks, &w->slot[trial.sequence].place, trial.n, &fresh);
	}
	w->slot[trial.sequence].end = (llama_pos)trial.n;
	w->slot[trial.sequence].prompting = true;
	rwkvmon_begin(w->mon);
	rwkvmon_end(w->mon, &step);
	w->spoke = true;
}

/* The call at hand is one: it waits for the next. */
static bool is_trial(struct watched *w)
{
	const struct row *row = w->rows.row;
	bool is = !w->spoke && w->rows.n <= TRIAL;

	for (size_t i = 0; is && i < w->rows.n; i++)
		is = row[i].sequence == row->sequence &&
		     (!row[i].token || row[i].token == w->bos || row[i].token == w->eos);
	for (size_t i = 0; is && i < w->rows.n; i++)
		w->trial.token[i] = (uint32_t)row[i].token;
	w->trial.n = is ? w->rows.n : 0;
	w->trial.sequence = row->sequence;
	w->trial.ms = now_ms() - w->began_ms;
	return is;
}

void context_begins(struct watched *w)
{
	w->records = !w->warms_up && w->rows.n && !w->rows.embeddings && !w->rows.failed && reserve(w);
	if (!w->records)
		return;
	rows_group(&w->rows);
	end_trial(w);
	for (size_t i = 0; i < w->rows.n; i++) {
		llama_seq_id sequence = w->rows.row[i].sequence;

		w->records &= is_slot(w, sequence);
		if (w->records && (!i || sequence != w->rows.row[i - 1].sequence))
			look_at(w, sequence, false);
	}
	rwkvmon_begin(w->mon);
	w->began_ms = now_ms();
}

/* Logits after a token, once the device has them; NULL: they were not wanted, or are not kept. */
static const float *logits_after(struct watched *w, const struct row *row)
{
	if (!row->output || !w->l->get_logits || !w->l->get_logits_ith || !w->l->get_logits(w->ctx))
		return NULL;
	return w->l->get_logits_ith(w->ctx, row->index);
}

/* The rows (n) of one sequence as a step; the conversation goes on. */
static void describe_step(struct watched *w, const struct row *row, size_t n, struct rwkvmon_step *step)
{
	const struct row *last = &row[n - 1];
	struct slot *s = &w->slot[row->sequence];
	bool fresh = false, prefill;

	*step = (struct rwkvmon_step){ .struct_size = sizeof *step,
				       .tokens = w->tokens + (row - w->rows.row),
				       .n_tokens = n,
				       .logits = logits_after(w, last),
				       .state_bytes = w->state_bytes };
	step->n_logits = step->logits ? (size_t)w->n_vocab : 0;
	if (w->talks)
		step->stream = conversations_go_on(w->talks, &s->place, n, &fresh);
	prefill = n > 1 || fresh || s->prompting;
	step->phase = prefill ? RWKVMON_PREFILL : RWKVMON_DECODE;
	step->ends_prefill = prefill && last->output;
	s->prompting = prefill && !last->output;
	s->saved = false;
	note_end(w, row->sequence);
}

void context_ends(struct watched *w, bool done)
{
	llama_seq_id sequence[SLOTS_MAX];
	size_t n = 0;

	if (!w->records || !done || is_trial(w))
		return;
	w->spoke = true;
	if (w->recurrent && !w->state_bytes)
		w->state_bytes = w->l->state_seq_get_size(w->ctx, w->rows.row[0].sequence);
	for (size_t i = 0; i < w->rows.n; i++)
		w->tokens[i] = (uint32_t)w->rows.row[i].token;
	if (w->talks)
		conversations_call(w->talks);
	for (size_t from = 0, to; from < w->rows.n; from = to) {
		sequence[n] = w->rows.row[from].sequence;
		for (to = from + 1; to < w->rows.n && w->rows.row[to].sequence == sequence[n]; to++)
			;
		describe_step(w, &w->rows.row[from], to - from, &w->step[n++]);
	}
	w->decode_ms += now_ms() - w->began_ms;
	if (w->recurrent)
		observe_states(w, sequence, n);
	rwkvmon_end_batch(w->mon, w->step, n);
}
