/* generation.c - opens model, tokenizer, sampler and watch; draws and feeds tokens; signals set flags. */
#include "cli/generation.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/args.h"
#include "cli/model.h"
#include "cli/tell.h"
#include "report/terminal.h"
#include "rules/rules.h"
#include "runtime/weight_check.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	if (interrupted) { /* asked twice: at once */
		signal(number, SIG_DFL);
		raise(number);
	}
	interrupted = number;
}

int generation_interrupted(void)
{
	return interrupted;
}

void generation_resume(void)
{
	interrupted = 0;
}

/* SIGHUP asks a program without a terminal to read its rules again; from one that had a terminal, it says that this is
 * gone, and is an interrupt. */
static volatile sig_atomic_t hung_up;
static bool had_terminal;

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void on_hangup(int number)
{
	if (had_terminal && !has_terminal()) /* open and close are safe in a handler */
		on_signal(number);
	else
		hung_up = 1;
}

void generation_catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal }; /* no SA_RESTART: a waiting read returns */
	struct sigaction hangup = { .sa_handler = on_hangup, .sa_flags = SA_RESTART }, before;

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	had_terminal = has_terminal();
	if (!sigaction(SIGHUP, NULL, &before) && before.sa_handler != SIG_IGN) /* nohup means it */
		sigaction(SIGHUP, &hangup, NULL);
}

static void reload_rules(const struct generation *g)
{
	const char *given = option_setting(g->opts, SETTING_rules), *name = given ? given : RULES_DEFAULT;
	char why[RWKVMON_ERROR_BYTES];

	hung_up = 0;
	if (!g->watch.mon)
		return;
	if (rwkvmon_reload_rules(g->watch.mon, why))
		tell_text(TEXT_RULES_STAY, why);
	else if (!g->opts->quiet)
		tell_text(TEXT_RULES_RELOADED, name);
}

static uint64_t count_or(uint64_t given, uint64_t otherwise)
{
	return given == UINT64_MAX ? otherwise : given;
}

static double number_or(double given, double otherwise)
{
	return isnan(given) ? otherwise : given;
}

static int check_options(const struct options *o, struct err *err)
{
	if (!isnan(o->top_p) && o->top_p > 1)
		return err_set(err, ERR_USAGE, "--top-p: found %g, expected a share from 0 to 1", o->top_p);
	if (!isnan(o->penalty_decay) && o->penalty_decay > 1)
		return err_set(err, ERR_USAGE, "--penalty-decay: found %g, expected a factor from 0 to 1",
			       o->penalty_decay);
	if (!o->shadow)
		return err_set(err, ERR_USAGE,
			       "--shadow: found 0, expected 1 or more: one token in so many is compared");
	if (o->chunk_len != UINT64_MAX && (!o->chunk_len || o->chunk_len > RUN_CHUNK_MAX))
		return err_set(err, ERR_USAGE, "--chunk-len: expected 1 to %d tokens", RUN_CHUNK_MAX);
	return 0;
}

static struct sampler_config sampling_of(const struct options *o, struct sampler_config c, size_t vocab)
{
	bool bytes = vocab <= BYTE_VOCAB_MAX; /* every byte of a text repeats: penalties would garble it */

	c.temperature = number_or(o->temperature, c.temperature);
	c.top_p = number_or(o->top_p, c.top_p);
	c.frequency = number_or(o->alpha_frequency, bytes ? 0 : c.frequency);
	c.presence = number_or(o->alpha_presence, bytes ? 0 : c.presence);
	c.penalty_decay = number_or(o->penalty_decay, c.penalty_decay);
	c.seed = count_or(o->seed, clock_mono_ns(&clock_system) % 1000000);
	return c;
}

/* The vocabulary a model of this size was trained with; models round the size up a little. */
static const char *fitting_vocabulary(size_t n_vocab)
{
	if (n_vocab >= 65530 && n_vocab <= 66048)
		return "give --tokenizer rwkv_vocab_v20230424.txt: a vocabulary of this size is that of World models";
	if (n_vocab >= 50277 && n_vocab <= 50432)
		return "give --tokenizer 20B_tokenizer.json: a vocabulary of this size is that of RWKV-4 Pile models";
	return "give the vocabulary it was trained with by --tokenizer, or use `rwkvmon eval` with token ids";
}

/* A tokenizer must not produce ids that the model does not have. If it has far fewer tokens than the model's
 * vocabulary, it is the wrong tokenizer, too. */
static bool fits(const struct tokenizer *t, size_t n_vocab)
{
	size_t speaks = tokenizer_vocab(t);

	if (speaks > n_vocab)
		return false;
	return n_vocab <= BYTE_VOCAB_MAX ? speaks <= BYTE_VOCAB_MAX : n_vocab - speaks <= n_vocab / 16;
}

static int check_pairing(const struct generation *g, struct err *err)
{
	size_t vocab = model_info(g->model)->n_vocab;

	if (fits(g->tokenizer, vocab))
		return 0;
	err_set(err, ERR_UNSUPPORTED, "%s: has a vocabulary of %zu, but the tokenizer \"%s\" speaks %zu tokens",
		model_label(g->model), vocab, tokenizer_name(g->tokenizer), tokenizer_vocab(g->tokenizer));
	if (vocab <= BYTE_VOCAB_MAX)
		return err_hint(err, "leave --tokenizer out: this model's tokens are bytes");
	return err_hint(err, "%s", err_words(fitting_vocabulary(vocab)));
}

int generation_open(struct generation *g, const struct options *opts, const struct sampler_config *defaults,
		    struct err *err)
{
	int rc = check_options(opts, err);

	*g = (struct generation){ .opts = opts, .chunk_len = count_or(opts->chunk_len, RUN_CHUNK_DEFAULT) };
	if (!rc)
		rc = cli_model_open(&g->model, opts, err);
	if (!rc)
		g->damaged_storages = cli_model_tell_damaged(opts, MODEL_CHECK_BYTES);
	if (!rc)
		rc = opts->tokenizer ? tokenizer_open(&g->tokenizer, opts->tokenizer, err)
				     : tokenizer_open_bytes(&g->tokenizer, err);
	if (!rc)
		rc = check_pairing(g, err);
	if (rc)
		return rc;
	g->sampling = sampling_of(opts, *defaults, model_info(g->model)->n_vocab);
	rc = cli_run_open(&g->run, g->model, opts, g->chunk_len, err);
	if (!rc)
		rc = sampler_open(&g->sampler, model_info(g->model)->n_vocab, &g->sampling, err);
	if (!rc)
		rc = shadow_open(&g->shadow, opts, model_info(g->model)->strategy, g->chunk_len, err);
	g->drawing = g->sampling;
	return rc ? rc : acting_open(&g->acting, opts, g->run, err);
}

/* A model that is built in is known to be whole. */
static size_t look_at_weights(const struct generation *g)
{
	struct weight_findings found;
	char text[WEIGHT_TEXT];
	struct err err;

	if (!g->opts->model || g->opts->unwatched || weight_check_model(&found, g->model, &err))
		return g->damaged_storages;
	for (size_t i = 0; i < found.n && i < WEIGHT_FINDINGS && !g->opts->quiet; i++)
		tell_text(TEXT_TOLD_OF, model_label(g->model),
			  weight_finding_text(text, &found.finding[i], args_lang(g->opts->lang)));
	return found.n + g->damaged_storages;
}

int generation_watch(struct generation *g, struct err *err)
{
	int rc = watch_run_open(&g->watch, g->opts, g->model, g->tokenizer, &g->sampling, g->chunk_len, err);

	g->watch.shadow = &g->shadow;
	g->watch.damaged_tensors = look_at_weights(g);
	return rc;
}

static int feed(struct generation *g, const uint32_t *tokens, size_t n, bool prefill, uint64_t *spent_ns,
		struct err *err)
{
	struct run_call call = { .tokens = tokens,
				 .n = n,
				 .prefill = prefill,
				 .tap = watch_run_tap(&g->watch),
				 .stop = generation_interrupted };
	int rc = shadow_feed(&g->shadow, g->run, tokens, n, err);
	uint64_t start = clock_mono_ns(&clock_system);

	if (!rc)
		rc = run_forward(g->run, &call, err);
	*spent_ns += clock_mono_ns(&clock_system) - start;
	return rc;
}

int generation_prompt(struct generation *g, struct slice text, struct err *err)
{
	struct token_list tokens = { 0 };
	int rc = tokenizer_encode(g->tokenizer, text, &tokens, err);

	if (!rc && !tokens.n)
		rc = token_list_add(&tokens, 0, err);
	watch_run_prompt(&g->watch, g->run, tokens.n);
	if (!rc)
		rc = feed(g, tokens.ids, tokens.n, true, &g->prefill_ns, err);
	g->prompt_tokens += tokens.n;
	token_list_free(&tokens);
	return rc;
}

int generation_draw(struct generation *g, uint32_t *token, struct err *err)
{
	uint64_t start = clock_mono_ns(&clock_system);
	int rc = sampler_draw(g->sampler, run_logits(g->run), token, err);

	if (!rc)
		rc = token_list_add(&g->said, *token, err);
	if (rc)
		return rc;
	sampler_seen(g->sampler, *token, tokenizer_bytes(g->tokenizer, *token));
	g->decode_ns += clock_mono_ns(&clock_system) - start;
	return 0;
}

/* From the checkpoint to the target unwatched: the monitor has seen these tokens. */
static int feed_again(struct generation *g, const uint32_t *tokens, size_t n, struct err *err)
{
	struct run_call call = { .tokens = tokens, .n = n, .prefill = true };

	return n ? run_forward(g->run, &call, err) : 0;
}

int generation_go_back(struct generation *g, size_t begin, size_t target, struct err *err)
{
	uint64_t start = clock_mono_ns(&clock_system);
	size_t from = (size_t)checkpoints_return(g->acting.checkpoints, g->run, target);
	int rc = feed_again(g, g->said.ids + begin + from, target - from, err);

	g->acting.fed_again += target - from;
	rwkvmon_went_back(g->watch.mon, g->said.n - begin - target);
	g->said.n = begin + target;
	sampler_reset(g->sampler);
	for (size_t i = 0; i < g->said.n; i++)
		sampler_seen(g->sampler, g->said.ids[i], tokenizer_bytes(g->tokenizer, g->said.ids[i]));
	g->decode_ns += clock_mono_ns(&clock_system) - start;
	return rc;
}

int generation_feed(struct generation *g, uint32_t token, struct err *err)
{
	if (hung_up)
		reload_rules(g);
	g->made++;
	return feed(g, &token, 1, false, &g->decode_ns, err);
}

void generation_restart(struct generation *g)
{
	run_reset(g->run);
	shadow_reset(&g->shadow);
	sampler_reset(g->sampler);
	g->said.n = 0;
	watch_run_new_sequence(&g->watch);
}

int generation_save(const struct generation *g, struct err *err)
{
	if (!g->opts->save_state)
		return 0;
	return cli_state_save(g->run, g->model, g->opts->save_state, err);
}

static void tell_idle_shadow(const struct generation *g)
{
	char every[24];

	snprintf(every, sizeof every, "%llu", (unsigned long long)g->shadow.every);
	tell_text(TEXT_SHADOW_IDLE, every);
}

int generation_close(struct generation *g, struct rwkvmon_totals *totals, struct err *err)
{
	int rc = watch_run_close(&g->watch, totals, err);

	if (g->shadow.fed && !g->shadow.compared && !g->opts->quiet)
		tell_idle_shadow(g);
	acting_close(&g->acting);
	token_list_free(&g->said);
	shadow_close(&g->shadow);
	sampler_close(g->sampler);
	run_close(g->run);
	tokenizer_close(g->tokenizer);
	model_close(g->model);
	return rc;
}

void generation_say_rewinds(const struct generation *g)
{
	const struct acting *a = &g->acting;
	char mib[32], rewinds[TERM_TEXT], back[TERM_TEXT], again[TERM_TEXT];

	if (!a->rewind_bytes)
		return;
	snprintf(mib, sizeof mib, "%.1f", (double)a->rewind_bytes / (1 << 20));
	args_say(args_lang(g->opts->lang), TEXT_RUN_REWINDS, mib, term_count(rewinds, a->rewinds),
		 term_count(back, a->taken_back), term_count(again, a->fed_again));
}
