/* A server in small, for llama.cpp: conversations that share calls, slots and states.
 *
 *     llama_chats MODEL.gguf LOGITS_OUT decode|process       all of them, in four slots
 *     llama_chats MODEL.gguf LOGITS_OUT decode|process CHAT  one of them alone, as a program for one would run it
 *
 * A warm-up comes first, and a trial of the memory, as llama.cpp's programs make them. Then 0, 1 and 2 begin in one
 * call and go on together; 1 ends and 3 takes its slot, its prompt in two calls; 0 is put away, 4 takes its slot, and 0
 * comes back in another; 4 has a second turn; all are written to a file (LOGITS_OUT.state) and go on from it; 2 is
 * copied and goes on in two ways, of which one is 5. Conversation 2 repeats itself. LOGITS_OUT gets the logits of every
 * call's outputs. */
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef LLAMA_STAND_IN
#include <ggml-backend.h>
#endif

enum { SLOTS = 4, FEEDS = 4, CHATS = 6, PARENT = 2, BRANCH = 5, LONG = 110 };

/* `n` tokens of a conversation into a slot; n 0: there is none. */
struct feed {
	int slot, chat, n, wants_logits;
};

enum what { FEED, EMPTY, PUT_AWAY, BRING_BACK, COPY, ALL_TO_FILE, EMPTY_ALL, ALL_FROM_FILE };

struct action {
	enum what what;
	int times;
	struct feed feed[FEEDS]; /* of FEED; of the others slot, and chat: the other slot */
};

static const struct action actions[] = {
	{ FEED, 1, { { 0, 0, 5, 1 }, { 1, 1, 6, 1 }, { 2, 2, 7, 1 } } },
	{ FEED, LONG, { { 0, 0, 1, 1 }, { 1, 1, 1, 1 }, { 2, 2, 1, 1 } } },
	{ EMPTY, 1, { { .slot = 1 } } },
	{ FEED, 1, { { 0, 0, 1, 1 }, { 1, 3, 6, 0 } } },
	{ FEED, 1, { { 0, 0, 1, 1 }, { 1, 3, 1, 1 } } },
	{ FEED, 4, { { 0, 0, 1, 1 }, { 1, 3, 1, 1 } } },
	{ PUT_AWAY, 1, { { .slot = 0 } } },
	{ EMPTY, 1, { { .slot = 0 } } },
	{ FEED, 1, { { 0, 4, 4, 1 } } },
	{ FEED, 3, { { 0, 4, 1, 1 } } },
	{ BRING_BACK, 1, { { .slot = 3 } } },
	{ FEED, 3, { { 0, 4, 1, 1 }, { 3, 0, 1, 1 } } },
	{ FEED, 1, { { 0, 4, 3, 1 } } },
	{ FEED, 2, { { 0, 4, 1, 1 } } },
	{ ALL_TO_FILE, 1, { { 0 } } },
	{ EMPTY_ALL, 1, { { 0 } } },
	{ ALL_FROM_FILE, 1, { { 0 } } },
	{ EMPTY, 1, { { .slot = 1 } } },
	{ COPY, 1, { { .slot = 2, .chat = 1 } } },
	{ FEED, 5, { { 1, BRANCH, 1, 1 }, { 2, PARENT, 1, 1 } } },
};

struct program {
	struct llama_context *ctx;
	struct llama_batch_ext *extended; /* NULL: the older API */
	int only;                         /* a conversation; -1: all */
	int length[CHATS];                /* tokens fed */
	uint8_t *away;                    /* the state that is put away */
	size_t away_bytes;
	char all[256]; /* the file of all states */
	FILE *out;
	size_t vocab;
};

static void silent(enum ggml_log_level level, const char *text, void *user)
{
	(void)user;
	if (level == GGML_LOG_LEVEL_ERROR)
		fputs(text, stderr);
}

static void need(int right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "llama_chats: %s failed\n", what);
	exit(3);
}

/* The tokens of a conversation; those of a branch are its own from where it began. */
static llama_token token_of(int chat, int i)
{
	return chat == PARENT ? 97 + i % 3 : 32 + (i * 7 + chat * 13 + i * i % 11) % 90;
}

static int is_fed(const struct program *p, int chat)
{
	return p->only < 0 || chat == p->only || (p->only == BRANCH && chat == PARENT && p->length[PARENT] < 7 + LONG);
}

#ifdef LLAMA_KV_SELF /* names of early 2025 */
#define MEMORY(p) (p)->ctx
#define llama_memory_clear(memory, data) llama_kv_self_clear(memory)
#define llama_memory_seq_rm llama_kv_self_seq_rm
#define llama_memory_seq_cp llama_kv_self_seq_cp
#else
#define MEMORY(p) llama_get_memory((p)->ctx)
#endif

#ifndef LLAMA_ONLY_DECODE
static void process(struct program *p, const struct feed *feed)
{
	int first = 0;

	llama_batch_ext_clear(p->extended);
	for (const struct feed *f = feed; f < feed + FEEDS && f->n; f++)
		for (int i = 0; is_fed(p, f->chat) && i < f->n; i++) {
			llama_seq_id slot = p->only < 0 ? f->slot : 0;
			llama_token token = token_of(f->chat, p->length[f->chat] + i);
			int32_t at = llama_batch_ext_add_token(p->extended, slot, token);
#ifndef LLAMA_STAND_IN
			llama_pos position = llama_memory_seq_pos_max(MEMORY(p), slot) + 1 + i;

			need(llama_batch_ext_set_pos(p->extended, at, &position), "llama_batch_ext_set_pos");
#endif
			need(at == first++, "llama_batch_ext_add_token");
			llama_batch_ext_set_output_logits(p->extended, at, f->wants_logits && i == f->n - 1);
		}
	need(!first || !llama_process(p->ctx, LLAMA_PROCESS_TYPE_DECODE, p->extended), "llama_process");
}
#endif

static void decode(struct program *p, const struct feed *feed)
{
	llama_token token[64];
	llama_seq_id sequence[64], *sequences[64];
	int32_t counts[64], n = 0;
	int8_t wanted[64];
	struct llama_batch batch = { .token = token, .seq_id = sequences, .n_seq_id = counts, .logits = wanted };

	for (const struct feed *f = feed; f < feed + FEEDS && f->n; f++)
		for (int i = 0; is_fed(p, f->chat) && i < f->n; i++, n++) {
			token[n] = token_of(f->chat, p->length[f->chat] + i);
			sequence[n] = p->only < 0 ? f->slot : 0;
			sequences[n] = &sequence[n];
			counts[n] = 1;
			wanted[n] = (int8_t)(f->wants_logits && i == f->n - 1);
		}
	batch.n_tokens = n;
	need(!n || !llama_decode(p->ctx, batch), "llama_decode");
}

static void feed(struct program *p, const struct feed *feeds)
{
	int32_t at = -1;

#ifndef LLAMA_ONLY_DECODE
	if (p->extended)
		process(p, feeds);
	else
#endif
		decode(p, feeds);
	for (const struct feed *f = feeds; f < feeds + FEEDS && f->n; f++) {
		const float *logits;

		if (!is_fed(p, f->chat))
			continue;
		p->length[f->chat] += f->n;
		at += f->n;
		logits = f->wants_logits ? llama_get_logits_ith(p->ctx, at) : NULL;
		need(!f->wants_logits || (logits && fwrite(logits, sizeof *logits, p->vocab, p->out) == p->vocab),
		     "llama_get_logits_ith");
	}
}

static void put_away(struct program *p, llama_seq_id slot)
{
	p->away_bytes = llama_state_seq_get_size(p->ctx, slot);
	p->away = malloc(p->away_bytes);
	p->away_bytes = llama_state_seq_get_data(p->ctx, p->away, p->away_bytes, slot);
	need(p->away_bytes > 0, "llama_state_seq_get_data");
}

static void all_from_file(struct program *p)
{
	llama_token token[1];
	size_t n;

	need(llama_state_load_file(p->ctx, p->all, token, 1, &n), "llama_state_load_file");
}

static void act(struct program *p, const struct action *a)
{
	if (a->what == FEED)
		for (int i = 0; i < a->times; i++)
			feed(p, a->feed);
	else if (p->only >= 0)
		return;
	else if (a->what == EMPTY)
		need(llama_memory_seq_rm(MEMORY(p), a->feed->slot, -1, -1), "llama_memory_seq_rm");
	else if (a->what == PUT_AWAY)
		put_away(p, a->feed->slot);
	else if (a->what == BRING_BACK)
		need(llama_state_seq_set_data(p->ctx, p->away, p->away_bytes, a->feed->slot) > 0,
		     "llama_state_seq_set_data");
	else if (a->what == ALL_TO_FILE)
		need(llama_state_save_file(p->ctx, p->all, NULL, 0), "llama_state_save_file");
	else if (a->what == EMPTY_ALL)
		llama_memory_clear(MEMORY(p), true);
	else if (a->what == ALL_FROM_FILE)
		all_from_file(p);
	else
		llama_memory_seq_cp(MEMORY(p), a->feed->slot, a->feed->chat, -1, -1);
}

static void warm_up(struct program *p)
{
	llama_token tokens[] = { 1, 2 };

	llama_set_warmup(p->ctx, true);
	need(!llama_decode(p->ctx, llama_batch_get_one(tokens, 2)), "the warm-up");
	llama_memory_clear(MEMORY(p), true);
	llama_set_warmup(p->ctx, false);
	need(!llama_decode(p->ctx, llama_batch_get_one((llama_token[]){ 0, 0 }, 2)), "a trial");
	llama_memory_clear(MEMORY(p), true);
}

int main(int argc, char **argv)
{
	struct llama_context_params cp = llama_context_default_params();
	struct program p = { .only = argc > 4 ? atoi(argv[4]) : -1 };
	struct llama_model *model;

	if (argc < 4)
		return 2;
	ggml_backend_load_all();
	llama_log_set(silent, NULL);
	llama_backend_init();
	model = llama_model_load_from_file(argv[1], llama_model_default_params());
	need(model != NULL, "llama_model_load_from_file");
	cp.n_ctx = 2048;
	cp.n_seq_max = p.only < 0 ? SLOTS : 1;
	cp.n_threads = cp.n_threads_batch = 1;
	p.ctx = llama_init_from_model(model, cp);
	p.out = fopen(argv[2], "wb");
	snprintf(p.all, sizeof p.all, "%s.state", argv[2]);
	need(p.ctx && p.out, "llama_init_from_model");
	p.vocab = (size_t)llama_vocab_n_tokens(llama_model_get_vocab(model));
#ifndef LLAMA_ONLY_DECODE
	p.extended = !strcmp(argv[3], "process") ? llama_batch_ext_init(p.ctx) : NULL;
#endif
	warm_up(&p);
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
		act(&p, &actions[i]);
#ifndef LLAMA_ONLY_DECODE
	if (p.extended)
		llama_batch_ext_free(p.extended);
#endif
	llama_free(p.ctx);
	llama_model_free(model);
	free(p.away);
	return fclose(p.out) != 0;
}
