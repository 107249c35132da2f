/* llama_cpp.c - llama.cpp watched from between a program and its library.
 *
 *     LD_PRELOAD=librwkvmon_llama.so program      or link it before -lllama
 *
 * llama_decode is passed on and becomes one record: its time until the logits are there, tokens, the logits after
 * the last token, and the recurrent state through llama_state_seq_get_data. That copies the state, so it is taken
 * as often as STATE_BUDGET of the decoding time allows, in pairs: before and after a call; and once when a sequence
 * begins and every 100 tokens, for its drift. A batch of several
 * sequences is recorded with its time and tokens alone. environment.h says where the log goes.
 *
 * Threads  a context is one thread's, as in llama.cpp; contexts may be opened and freed on any. */
#include "environment.h"

#include <dlfcn.h>
#include <llama.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARTS = 2 };

static const double STATE_BUDGET = 0.01; /* of the time decoding took */

/* The state of one sequence as llama.cpp writes it, and where its layers lie in it. */
struct state {
	uint8_t *bytes;
	size_t n, cap;
	size_t shift_at, wkv_at;       /* of the first layer; 0: not understood */
	size_t shift_bytes, wkv_bytes; /* of a layer, without what stands before it */
};

struct watched {
	struct watched *next;
	struct llama_context *ctx;
	rwkvmon *mon;
	const struct llama_model *model;
	int32_t n_layer, n_embd, n_vocab;
	bool recurrent, began, has_before;
	llama_seq_id sequence;
	struct state before, after;
	struct rwkvmon_tensor *tensors; /* (n_layer, PARTS), for what lies in `before` */
	double decode_ms, state_ms;
	uint64_t state_bytes;
};

static struct watched *all;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* -- the real functions -------------------------------------------------------------------------- */

static int32_t (*real_decode)(struct llama_context *, struct llama_batch);
static void (*real_free)(struct llama_context *);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void look_up(void)
{
	*(void **)&real_decode = dlsym(RTLD_NEXT, "llama_decode");
	*(void **)&real_free = dlsym(RTLD_NEXT, "llama_free");
	if (real_decode && real_free)
		return;
	fprintf(stderr, "rwkvmon: no libllama behind librwkvmon_llama.so: %s\n", dlerror());
	abort(); /* somebody has called llama_decode: there is nothing it could do */
}

/* -- contexts ------------------------------------------------------------------------------------ */

static void watch(struct watched *w)
{
	struct rwkvmon_config cfg = { 0 };
	char name[256] = "", arch[64] = "";

	if (llama_model_meta_val_str(w->model, "general.name", name, sizeof name) <= 0)
		llama_model_desc(w->model, name, sizeof name);
	llama_model_meta_val_str(w->model, "general.architecture", arch, sizeof arch);
	environment_config(&cfg);
	cfg.model_name = name;
	cfg.model_version = !strncmp(arch, "rwkv", 4) ? arch + 4 : NULL;
	cfg.strategy = "llama.cpp";
	cfg.runtime_name = "llama.cpp";
	cfg.runtime_flags = llama_print_system_info();
	cfg.chunk_len = llama_n_ubatch(w->ctx);
	cfg.n_layer = (uint32_t)w->n_layer;
	cfg.n_embd = (uint32_t)w->n_embd;
	cfg.vocab_size = (uint32_t)w->n_vocab;
	cfg.model_bytes = llama_model_size(w->model);
	w->mon = environment_open(&cfg);
}

/* NULL: out of memory. */
static struct watched *find(struct llama_context *ctx)
{
	struct watched *w;

	pthread_mutex_lock(&mutex);
	for (w = all; w && w->ctx != ctx; w = w->next)
		;
	if (!w && (w = calloc(1, sizeof *w))) {
		w->ctx = ctx;
		w->model = llama_get_model(ctx);
		w->n_layer = llama_model_n_layer(w->model);
		w->n_embd = llama_model_n_embd(w->model);
		w->n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(w->model));
		w->recurrent = llama_model_is_recurrent(w->model);
		watch(w);
		w->next = all;
		all = w;
	}
	pthread_mutex_unlock(&mutex);
	return w;
}

void llama_free(struct llama_context *ctx)
{
	struct watched **at, *w;

	pthread_once(&once, look_up);
	pthread_mutex_lock(&mutex);
	for (at = &all; *at && (*at)->ctx != ctx; at = &(*at)->next)
		;
	w = *at;
	if (w)
		*at = w->next;
	pthread_mutex_unlock(&mutex);
	if (w) {
		environment_close(w->mon);
		free(w->before.bytes);
		free(w->after.bytes);
		free(w->tensors);
		free(w);
	}
	real_free(ctx);
}

/* -- the state -------------------------------------------------------------------------------------
 *
 * What is written of a sequence, a single cell: something about it, u32 0 (not transposed), u32 layers, then per layer
 * i32 type, u64 bytes, the shift vectors, then per layer the same and the recurrent matrices. What comes first changes
 * with the version, so the start is looked for. Only fp32 that fills the data to its very end is understood. */

enum { LAYER_HEADER = 12, START_MAX = 256, TYPE_F32 = 0 };

static uint64_t number(const uint8_t *p, int bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, (size_t)bytes); /* little-endian, as written on this machine */
	return v;
}

/* Bytes of a layer's part when n_layer of them, all alike, stand at `at`; 0 when they do not. */
static size_t part_bytes(const struct state *s, size_t at, size_t n_layer)
{
	uint64_t bytes = at + LAYER_HEADER <= s->n ? number(s->bytes + at + 4, 8) : 0;

	if (!bytes || bytes % sizeof(float) || bytes > s->n || n_layer * (bytes + LAYER_HEADER) > s->n - at)
		return 0;
	for (size_t i = 0; i < n_layer; i++) {
		const uint8_t *p = s->bytes + at + i * (bytes + LAYER_HEADER);

		if (number(p, 4) != TYPE_F32 || number(p + 4, 8) != bytes)
			return 0;
	}
	return (size_t)bytes;
}

static bool understand(struct state *s, size_t n_layer, size_t n_embd)
{
	for (size_t at = 0; at < START_MAX && at + 8 + LAYER_HEADER < s->n; at += 4) {
		size_t wkv;

		if (number(s->bytes + at, 4) || number(s->bytes + at + 4, 4) != n_layer)
			continue;
		s->shift_at = at + 8;
		s->shift_bytes = part_bytes(s, s->shift_at, n_layer);
		if (!s->shift_bytes || s->shift_bytes % (n_embd * sizeof(float)))
			continue;
		wkv = s->shift_at + n_layer * (s->shift_bytes + LAYER_HEADER);
		s->wkv_bytes = part_bytes(s, wkv, n_layer);
		s->wkv_at = wkv;
		if (s->wkv_bytes && wkv + n_layer * (s->wkv_bytes + LAYER_HEADER) == s->n)
			return true;
	}
	return false;
}

static bool fetch(struct watched *w, struct state *s)
{
	size_t n = llama_state_seq_get_size(w->ctx, w->sequence);

	if (n > s->cap) {
		uint8_t *more = realloc(s->bytes, n);

		if (!more)
			return false;
		s->bytes = more;
		s->cap = n;
	}
	s->n = n ? llama_state_seq_get_data(w->ctx, s->bytes, n, w->sequence) : 0;
	return s->n && understand(s, (size_t)w->n_layer, (size_t)w->n_embd);
}

static void add_layer(struct rwkvmon_state_sums *sums, const uint8_t *was, const uint8_t *is, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(float)) {
		float f, g;
		double a, b;

		memcpy(&f, was + i, sizeof f);
		memcpy(&g, is + i, sizeof g);
		a = (double)f;
		b = (double)g;
		sums->dot += a * b;
		sums->old_norm2 += a * a;
		sums->new_norm2 += b * b;
		sums->change_norm2 += (b - a) * (b - a);
		sums->nonfinite += !(b - b == 0);
	}
}

/* False when the two are not of one shape. */
static bool compare(const struct watched *w, struct rwkvmon_state_sums sums[PARTS])
{
	const struct state *a = &w->before, *b = &w->after;

	if (a->n != b->n || a->shift_at != b->shift_at || a->wkv_at != b->wkv_at)
		return false;
	for (size_t i = 0; i < (size_t)w->n_layer; i++) {
		size_t shift = a->shift_at + i * (a->shift_bytes + LAYER_HEADER) + LAYER_HEADER;
		size_t wkv = a->wkv_at + i * (a->wkv_bytes + LAYER_HEADER) + LAYER_HEADER;

		add_layer(&sums[0], a->bytes + shift, b->bytes + shift, a->shift_bytes);
		add_layer(&sums[1], a->bytes + wkv, b->bytes + wkv, a->wkv_bytes);
	}
	return true;
}

static bool can_afford(const struct watched *w)
{
	return w->recurrent && w->mon && w->state_ms <= STATE_BUDGET * w->decode_ms;
}

/* The layers of the state that was fetched last; NULL: out of memory. */
static const struct rwkvmon_tensor *lay_out(struct watched *w)
{
	const struct state *s = &w->before;

	if (!w->tensors)
		w->tensors = calloc((size_t)w->n_layer * PARTS, sizeof *w->tensors);
	for (size_t i = 0; w->tensors && i < (size_t)w->n_layer; i++) {
		const uint8_t *shift = s->bytes + s->shift_at + i * (s->shift_bytes + LAYER_HEADER) + LAYER_HEADER;
		const uint8_t *wkv = s->bytes + s->wkv_at + i * (s->wkv_bytes + LAYER_HEADER) + LAYER_HEADER;

		w->tensors[PARTS * i] = (struct rwkvmon_tensor){ shift, s->shift_bytes / sizeof(float), RWKVMON_F32, RWKVMON_SHIFT };
		w->tensors[PARTS * i + 1] = (struct rwkvmon_tensor){ wkv, s->wkv_bytes / sizeof(float), RWKVMON_F32, RWKVMON_WKV };
	}
	return w->tensors;
}

/* Sums when there was a state before this call and one after it; the state itself when its drift is due. */
static void observe_state(struct watched *w, struct rwkvmon_state_sums sums[PARTS], struct rwkvmon_step *step)
{
	bool pair = w->has_before, begins_pair = !pair && can_afford(w);
	bool wanted = w->recurrent && rwkvmon_wants_state(w->mon, step->n_tokens);
	double began = now_ms();

	if (!pair && !begins_pair && !wanted)
		return;
	w->has_before = fetch(w, &w->after);
	if (w->has_before && pair && compare(w, sums)) {
		step->sums = sums;
		step->n_sums = PARTS;
	}
	if (w->has_before) { /* after this call is before the next */
		struct state swap = w->before;

		w->before = w->after;
		w->after = swap;
		step->state = wanted ? lay_out(w) : NULL;
		step->n_state = step->state ? (size_t)w->n_layer * PARTS : 0;
	}
	w->state_ms += now_ms() - began;
	if (!begins_pair && !can_afford(w))
		w->has_before = false; /* the next pair, when there is time for it */
}

/* -- decoding -------------------------------------------------------------------------------------- */

/* The one sequence of a batch; -1 when there are several. */
static llama_seq_id sequence_of(const struct llama_batch *b)
{
	llama_seq_id one = b->seq_id && b->n_tokens ? b->seq_id[0][0] : 0;

	for (int32_t i = 0; b->seq_id && i < b->n_tokens; i++)
		if (b->n_seq_id[i] != 1 || b->seq_id[i][0] != one)
			return -1;
	return one;
}

static bool has_output(const struct llama_batch *b)
{
	return !b->logits || (b->n_tokens && b->logits[b->n_tokens - 1]);
}

static void begin(struct watched *w, llama_seq_id sequence)
{
	bool empty = sequence >= 0 && llama_memory_seq_pos_max(llama_get_memory(w->ctx), sequence) < 0;

	if (sequence >= 0 && (empty || sequence != w->sequence)) {
		if (w->began)
			rwkvmon_new_sequence(w->mon);
		w->has_before = false;
		w->sequence = sequence;
	}
	rwkvmon_begin(w->mon);
}

static void end(struct watched *w, const struct llama_batch *b, llama_seq_id sequence, double began_ms)
{
	struct rwkvmon_state_sums sums[PARTS] = { { .part = RWKVMON_SHIFT }, { .part = RWKVMON_WKV } };
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = (const uint32_t *)b->token,
				     .n_tokens = (size_t)b->n_tokens, .phase = b->n_tokens > 1 ? RWKVMON_PREFILL : RWKVMON_DECODE };

	if (sequence >= 0 && has_output(b)) {
		step.logits = llama_get_logits_ith(w->ctx, -1); /* waits for the device, as its caller is about to */
		step.n_logits = step.logits ? (size_t)w->n_vocab : 0;
		step.ends_prefill = b->n_tokens > 1;
	}
	w->decode_ms += now_ms() - began_ms;
	if (sequence >= 0)
		observe_state(w, sums, &step);
	if (w->recurrent && !w->state_bytes)
		w->state_bytes = llama_state_seq_get_size(w->ctx, w->sequence);
	step.state_bytes = w->state_bytes;
	rwkvmon_end(w->mon, &step);
	w->began = true;
}

int32_t llama_decode(struct llama_context *ctx, struct llama_batch batch)
{
	struct watched *w;
	llama_seq_id sequence;
	double began;
	int32_t rc;

	pthread_once(&once, look_up);
	w = batch.token && batch.n_tokens > 0 ? find(ctx) : NULL; /* embeddings are not watched */
	if (!w)
		return real_decode(ctx, batch);
	sequence = sequence_of(&batch);
	begin(w, sequence);
	began = now_ms();
	rc = real_decode(ctx, batch);
	if (!rc)
		end(w, &batch, sequence, began);
	return rc;
}
