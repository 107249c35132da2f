/* shim.c - rwkv.cpp's C API in front of the real library, which RWKVMON_RWKV_LIBRARY names: every evaluation is
 * passed on unchanged and watched (environment.h says where the log goes).
 *
 * A context of ours stands for one of the real library and has a monitor of its own. The real library may call
 * its own API through the dynamic linker and then meets this one: a context that is not ours is passed on as it is.
 *
 * The state that a call is given says to which conversation it belongs (conversations.h); compared are a few of its
 * floats, since programs copy states about. */
#include "conversations.h"
#include "environment.h"
#include "runtime/decay.h"
#include "rwkv.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LIBRARY_VARIABLE "RWKVMON_RWKV_LIBRARY"

enum { SAMPLES = 64, PARTS_PER_LAYER = 2, CONVERSATIONS = 32, DECAY_EVERY = 100 /* tokens */ };

static const uint64_t MAGIC = 0x726b766d6f6e2e70; /* "rkvmon.p" */

struct watched {
	uint64_t magic;
	struct rwkv_context *real;
	rwkvmon *mon;
	size_t n_layer, n_embed, state_len, logits_len;
	struct rwkvmon_tensor *tensors; /* (n_layer, PARTS_PER_LAYER), data set at each call */
	struct conversations *talks;    /* NULL: no memory; all is one */
	float *branched_from;           /* (state_len): what the call at hand was given, of a branch that begins */
	rwkvmon_stream *stream;         /* of the call at hand */
	bool begins;                    /* it begins a sequence */
	uint64_t initial;               /* number of the state that rwkv_init_state fills in last … */
	bool has_initial;               /* … if it did */
	struct forgetting {
		struct decays *of; /* NULL: the file tells nothing */
		float *was, *is;   /* (n_layer, n_embed): token-shift vectors around a call */
		float *w;          /* (n_layer, channels) */
		uint64_t tokens;   /* since the last sample */
	} decay;
	char *path, model_name[256];
	uint64_t model_bytes;
	double load_time_ms;
};

/* -- the real library --------------------------------------------------------------------------- */

static struct {
#define FUNCTION(name, returns, arguments) returns(*name) arguments;
#include "functions.def"
#undef FUNCTION
} real;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char trouble[512];

/* dlsym gives an object pointer; POSIX says it may be used as a function. */
static void *look_up(void *library, const char *name)
{
	void *f = dlsym(library, name);

	if (!f && !*trouble)
		snprintf(trouble, sizeof trouble, "the library that " LIBRARY_VARIABLE " names has no %s", name);
	return f;
}

static void load(void)
{
	const char *path = secure_getenv(LIBRARY_VARIABLE);
	void *library = path && *path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
	Dl_info self, found;

	if (!path || !*path)
		snprintf(trouble, sizeof trouble,
			 LIBRARY_VARIABLE " is not set; expected the path of the real librwkv.so");
	else if (!library)
		snprintf(trouble, sizeof trouble, LIBRARY_VARIABLE ": %s", dlerror());
	if (!library)
		return;
#define FUNCTION(name, returns, arguments) *(void **)&real.name = look_up(library, "rwkv_" #name);
#include "functions.def"
#undef FUNCTION
	if (!*trouble && dladdr(*(void **)&real.eval, &found) && dladdr(&trouble, &self) &&
	    found.dli_fbase == self.dli_fbase)
		snprintf(trouble, sizeof trouble,
			 LIBRARY_VARIABLE " names the shim itself; expected the real librwkv.so");
}

/* False, and a line on standard error, when there is no real library. */
static bool ready(void)
{
	pthread_once(&once, load);
	if (*trouble)
		fprintf(stderr, "rwkvmon: %s\n", trouble);
	return !*trouble;
}

static struct watched *ours(const struct rwkv_context *ctx)
{
	struct watched *w = (struct watched *)(uintptr_t)ctx;

	return w && w->magic == MAGIC ? w : NULL;
}

static struct rwkv_context *real_of(const struct rwkv_context *ctx)
{
	struct watched *w = ours(ctx);

	return w ? w->real : (struct rwkv_context *)(uintptr_t)ctx;
}

/* -- contexts ----------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double now_ms(void)
{
	return (double)now_ns() * 1e-6;
}

/* Of each layer two parts: the shift vectors, which lie together, and the recurrent part. */
static void lay_out(struct watched *w)
{
	size_t per_layer = w->state_len / w->n_layer, shift = 2 * w->n_embed;

	for (size_t i = 0; i < w->n_layer; i++) {
		w->tensors[PARTS_PER_LAYER * i] = (struct rwkvmon_tensor){ NULL, shift, RWKVMON_F32, RWKVMON_SHIFT };
		w->tensors[PARTS_PER_LAYER * i + 1] =
			(struct rwkvmon_tensor){ NULL, per_layer - shift, RWKVMON_F32, RWKVMON_WKV };
	}
}

/* What is told of how fast the model forgets comes from its file: the library shows no weights. */
static void open_decay(struct watched *w)
{
	struct forgetting *f = &w->decay;
	struct decays *d = NULL;

	if (!w->path || decays_open(&d, w->path, NULL))
		return;
	f->was = calloc(w->n_layer * w->n_embed, sizeof *f->was);
	f->is = calloc(w->n_layer * w->n_embed, sizeof *f->is);
	f->w = calloc(decays_layers(d) * decays_channels(d), sizeof *f->w);
	if (f->was && f->is && f->w && decays_layers(d) == w->n_layer &&
	    (decays_are_fixed(d) || decays_width(d) == w->n_embed))
		f->of = d;
	else
		decays_close(d);
}

static void close_decay(struct forgetting *f)
{
	decays_close(f->of);
	free(f->was);
	free(f->is);
	free(f->w);
}

static void watch(struct watched *w)
{
	struct rwkvmon_config cfg = { 0 };

	cfg.model_name = w->model_name;
	cfg.strategy = "rwkv.cpp";
	cfg.runtime_name = "rwkv.cpp";
	cfg.runtime_flags = real.get_system_info_string();
	cfg.n_layer = (uint32_t)w->n_layer;
	cfg.n_embd = (uint32_t)w->n_embed;
	cfg.vocab_size = (uint32_t)w->logits_len;
	cfg.model_bytes = w->model_bytes;
	cfg.load_time_ms = w->load_time_ms;
	w->mon = environment_open(&cfg);
	w->talks = conversations_open(w->mon, CONVERSATIONS);
	if (w->talks) /* a state that is given up and one that is put aside look alike until it comes back */
		conversations_take_turns(w->talks);
	if (w->mon)
		open_decay(w);
}

/* A context of ours that owns the real one; without memory the real one itself, unwatched. */
static struct rwkv_context *wrap(struct rwkv_context *context, const char *path, const char *model_name,
				 uint64_t model_bytes, double load_ms)
{
	struct watched *w = context ? calloc(1, sizeof *w) : NULL;

	if (!w)
		return context;
	w->magic = MAGIC;
	w->real = context;
	w->n_layer = real.get_n_layer(context);
	w->n_embed = real.get_n_embed(context);
	w->state_len = real.get_state_len(context);
	w->logits_len = real.get_logits_len(context);
	w->model_bytes = model_bytes;
	w->load_time_ms = load_ms;
	w->path = path ? strdup(path) : NULL;
	snprintf(w->model_name, sizeof w->model_name, "%s", model_name);
	w->tensors = calloc(PARTS_PER_LAYER * w->n_layer + 1, sizeof *w->tensors);
	if (w->tensors && w->n_layer && w->state_len / w->n_layer > 2 * w->n_embed)
		lay_out(w);
	watch(w);
	return (struct rwkv_context *)w;
}

struct rwkv_context *rwkv_init_from_file(const char *path, uint32_t n_threads, uint32_t n_gpu_layers)
{
	double began = now_ms();
	struct rwkv_context *context;
	struct stat about = { 0 };
	char name[256];

	if (!ready())
		return NULL;
	context = real.init_from_file(path, n_threads, n_gpu_layers);
	if (context)
		stat(path, &about);
	environment_model_name(name, sizeof name, path);
	return wrap(context, path, name, (uint64_t)about.st_size, now_ms() - began);
}

struct rwkv_context *rwkv_clone_context(struct rwkv_context *ctx, uint32_t n_threads)
{
	struct watched *w = ours(ctx);
	double began = now_ms();
	struct rwkv_context *clone = real.clone_context(real_of(ctx), n_threads);

	return w ? wrap(clone, w->path, w->model_name, w->model_bytes, now_ms() - began) : clone;
}

void rwkv_free(struct rwkv_context *ctx)
{
	struct watched *w = ours(ctx);

	if (!ctx || !ready())
		return;
	real.free(real_of(ctx));
	if (!w)
		return;
	environment_ended_early(conversations_close(w->talks));
	environment_close(w->mon);
	close_decay(&w->decay);
	free(w->path);
	free(w->tensors);
	free(w->branched_from);
	w->magic = 0;
	free(w);
}

/* -- evaluation --------------------------------------------------------------------------------- */

struct evaluation {
	const uint32_t *tokens;
	size_t n;
	const float *state_in;
	float *state_out, *logits_out;
	bool given; /* a state, of this number */
	uint64_t number;
	bool samples_decay, branches; /* branches: branched_from is set */
	uint64_t began_ns;
};

/* A number for the contents of a state. */
static uint64_t number_of(const struct watched *w, const float *state)
{
	uint64_t number = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < SAMPLES; i++) {
		uint32_t bits;

		memcpy(&bits, &state[i * (w->state_len - 1) / (SAMPLES - 1)], sizeof bits);
		number = (number ^ bits) * UINT64_C(1099511628211);
	}
	return number;
}

/* Time mixing's token-shift vectors; each layer has those of channel mixing first. */
static void copy_shifts(const struct watched *w, const float *state, float *to)
{
	size_t per_layer = w->state_len / w->n_layer;

	for (size_t i = 0; i < w->n_layer; i++)
		for (size_t k = 0; k < w->n_embed; k++)
			to[i * w->n_embed + k] = state ? state[i * per_layer + w->n_embed + k] : 0;
}

/* The first call of a branch is compared with the state that it is given: of the conversation's states only the latest
 * is known. */
static void keep_branch(struct watched *w, struct evaluation *e)
{
	const struct given_state state = { e->number, e->state_in };

	if (!e->given || !w->talks || !conversations_goes_back(w->talks, &state))
		return;
	if (!w->branched_from)
		w->branched_from = calloc(w->state_len, sizeof *w->branched_from);
	e->branches = w->branched_from;
	if (e->branches)
		memcpy(w->branched_from, e->state_in, w->state_len * sizeof *w->branched_from);
}

/* Before the call, which may write where it reads. A NULL or initial state is none. */
static void look_at_given(struct watched *w, struct evaluation *e)
{
	e->number = e->state_in ? number_of(w, e->state_in) : 0;
	e->given = e->state_in && !(w->has_initial && e->number == w->initial);
	w->decay.tokens += e->n;
	e->samples_decay = w->decay.of && e->n == 1 && w->decay.tokens >= DECAY_EVERY && e->state_out;
	if (e->samples_decay)
		copy_shifts(w, e->state_in, w->decay.was);
	keep_branch(w, e);
	e->began_ns = now_ns();
}

/* Returns how many numbers there are. */
static size_t sample_decay(struct watched *w, const struct evaluation *e, struct rwkvmon_number out[HALF_LIVES])
{
	struct forgetting *f = &w->decay;
	double half_life[HALF_LIVES];

	if (!e->samples_decay)
		return 0;
	f->tokens = 0;
	copy_shifts(w, e->state_out, f->is);
	decays_now(f->of, f->was, f->is, f->w);
	if (!half_lives_of(f->w, w->n_layer * decays_channels(f->of), half_life))
		return 0;
	for (size_t i = 0; i < HALF_LIVES; i++)
		out[i] = (struct rwkvmon_number){ rwkvmon_metric(half_life_metrics[i]), half_life[i] };
	return HALF_LIVES;
}

static void tell_conversations_apart(struct watched *w, const struct evaluation *e)
{
	const struct given_state state = { e->number, e->state_in };

	if (w->talks)
		w->stream = conversations_begin(w->talks, e->given ? &state : NULL, &w->begins);
}

/* The tensors are this state's; returns how many. */
static size_t point_at(struct watched *w, const float *state)
{
	size_t n = 0;

	for (; state && w->tensors && n < PARTS_PER_LAYER * w->n_layer; n++) {
		w->tensors[n].data = state;
		state += w->tensors[n].count;
	}
	return n;
}

static void report(struct watched *w, const struct evaluation *e)
{
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = e->tokens,
				     .stream = w->stream,
				     .n_tokens = e->n,
				     .phase = e->n > 1 || w->begins ? RWKVMON_PREFILL : RWKVMON_DECODE,
				     .ends_prefill = e->n > 1 && e->logits_out,
				     .logits = e->logits_out,
				     .n_logits = e->logits_out ? w->logits_len : 0,
				     .state_bytes = w->state_len * sizeof(float),
				     .began_ns = e->began_ns };
	struct rwkvmon_number half_life[HALF_LIVES];
	struct given_state left = { 0, e->state_out };

	if (e->branches)
		rwkvmon_begin_from(w->mon, w->stream, w->tensors, point_at(w, w->branched_from));
	step.n_state = point_at(w, e->state_out);
	step.state = step.n_state ? w->tensors : NULL;
	step.numbers = half_life;
	step.n_numbers = sample_decay(w, e, half_life);
	rwkvmon_end(w->mon, &step);
	left.number = e->state_out ? number_of(w, e->state_out) : 0;
	if (w->talks)
		conversations_end(w->talks, e->state_out ? &left : NULL, e->n);
}

/* `passed_on` calls the real library; a call that fails is no record, and no conversation's. */
#define WATCHED(w, e, passed_on)                                                                                       \
	do {                                                                                                           \
		bool done;                                                                                             \
                                                                                                                       \
		look_at_given((w), &(e));                                                                              \
		rwkvmon_begin((w)->mon);                                                                               \
		done = (passed_on);                                                                                    \
		if (done) {                                                                                            \
			tell_conversations_apart((w), &(e));                                                           \
			report((w), &(e));                                                                             \
		}                                                                                                      \
		return done;                                                                                           \
	} while (0)

bool rwkv_eval(struct rwkv_context *ctx, uint32_t token, const float *state_in, float *state_out, float *logits_out)
{
	struct watched *w = ours(ctx);
	struct evaluation e = { &token, 1, state_in, state_out, logits_out, .given = false };

	if (!w)
		return real.eval(ctx, token, state_in, state_out, logits_out);
	WATCHED(w, e, real.eval(w->real, token, state_in, state_out, logits_out));
}

bool rwkv_eval_sequence(struct rwkv_context *ctx, const uint32_t *tokens, size_t n, const float *state_in,
			float *state_out, float *logits_out)
{
	struct watched *w = ours(ctx);
	struct evaluation e = { tokens, n, state_in, state_out, logits_out, .given = false };

	if (!w || !tokens || !n) /* without tokens: only prepared, or refused */
		return real.eval_sequence(real_of(ctx), tokens, n, state_in, state_out, logits_out);
	WATCHED(w, e, real.eval_sequence(w->real, tokens, n, state_in, state_out, logits_out));
}

bool rwkv_eval_sequence_in_chunks(struct rwkv_context *ctx, const uint32_t *tokens, size_t n, size_t chunk_size,
				  const float *state_in, float *state_out, float *logits_out)
{
	struct watched *w = ours(ctx);
	struct evaluation e = { tokens, n, state_in, state_out, logits_out, .given = false };

	if (!w || !tokens || !n)
		return real.eval_sequence_in_chunks(real_of(ctx), tokens, n, chunk_size, state_in, state_out,
						    logits_out);
	WATCHED(w, e, real.eval_sequence_in_chunks(w->real, tokens, n, chunk_size, state_in, state_out, logits_out));
}

/* -- passed on as they are ------------------------------------------------------------------------ */

void rwkv_init_state(const struct rwkv_context *ctx, float *state)
{
	struct watched *w = ours(ctx);

	real.init_state(real_of(ctx), state);
	if (!w)
		return;
	w->initial = number_of(w, state);
	w->has_initial = true;
}

void rwkv_set_print_errors(struct rwkv_context *ctx, bool print_errors)
{
	if (ready())
		real.set_print_errors(real_of(ctx), print_errors);
}

bool rwkv_get_print_errors(const struct rwkv_context *ctx)
{
	return ready() && real.get_print_errors(real_of(ctx));
}

enum rwkv_error_flags rwkv_get_last_error(struct rwkv_context *ctx)
{
	return ready() ? real.get_last_error(real_of(ctx)) : RWKV_ERROR_CTX | RWKV_ERROR_UNSUPPORTED;
}

size_t rwkv_get_n_vocab(const struct rwkv_context *ctx)
{
	return real.get_n_vocab(real_of(ctx));
}

size_t rwkv_get_n_embed(const struct rwkv_context *ctx)
{
	return real.get_n_embed(real_of(ctx));
}

size_t rwkv_get_n_layer(const struct rwkv_context *ctx)
{
	return real.get_n_layer(real_of(ctx));
}

size_t rwkv_get_state_len(const struct rwkv_context *ctx)
{
	return real.get_state_len(real_of(ctx));
}

size_t rwkv_get_logits_len(const struct rwkv_context *ctx)
{
	return real.get_logits_len(real_of(ctx));
}

uint32_t rwkv_get_state_buffer_element_count(const struct rwkv_context *ctx)
{
	return (uint32_t)rwkv_get_state_len(ctx);
}

uint32_t rwkv_get_logits_buffer_element_count(const struct rwkv_context *ctx)
{
	return (uint32_t)rwkv_get_logits_len(ctx);
}

bool rwkv_quantize_model_file(const char *from, const char *to, const char *format_name)
{
	return ready() && real.quantize_model_file(from, to, format_name);
}

const char *rwkv_get_system_info_string(void)
{
	return ready() ? real.get_system_info_string() : "";
}
