/* run.c - generate text under monitoring: the runtime's tap is wired to rwkvmon.h here. */
#include "base/file.h"
#include "base/utf8.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model.h"
#include "cli/progress.h"
#include "cli/watch_run.h"
#include "runtime/run.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { TOKENS_DEFAULT = 256, PROMPT_MAX_BYTES = 64 << 20, BYTE_VOCAB_MAX = 1024 };

/* Said when nobody says anything: the built-in model was trained on novels. */
static const char opening[] = "It was a dark and stormy night, and";

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

struct generation {
	const struct options *opts;
	struct model *model;
	struct run *run;
	struct tokenizer *tokenizer;
	struct sampler *sampler;
	struct sampler_config sampling;
	struct watch_run watch;
	struct token_list prompt;
	struct text_stream stream;
	struct buf text;   /* what was generated, for --json */
	uint64_t wanted, made;
	size_t chunk_len;
	struct progress progress;
	bool text_on_terminal; /* the progress line stands below the text */
	size_t column;	       /* that the text has reached there */
	uint64_t prefill_ns, decode_ns;
};

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
	if (o->prompt && o->prompt_file)
		return err_set(err, ERR_USAGE, "run: --prompt and --prompt-file exclude each other");
	if (!isnan(o->top_p) && o->top_p > 1)
		return err_set(err, ERR_USAGE, "--top-p: found %g, expected a share from 0 to 1", o->top_p);
	if (!isnan(o->penalty_decay) && o->penalty_decay > 1)
		return err_set(err, ERR_USAGE, "--penalty-decay: found %g, expected a factor from 0 to 1", o->penalty_decay);
	if (o->chunk_len != UINT64_MAX && (!o->chunk_len || o->chunk_len > RUN_CHUNK_MAX))
		return err_set(err, ERR_USAGE, "--chunk-len: expected 1 to %d tokens", RUN_CHUNK_MAX);
	return 0;
}

static void show_progress(struct generation *g)
{
	double share = (double)g->made / (double)g->wanted, seconds = (double)g->decode_ns / 1e9;
	char text[96];

	/* A line break of the text has wiped the line below it: put it back at once. */
	if (!progress_due(&g->progress) && !(g->text_on_terminal && g->progress.enabled && !g->progress.shown))
		return;
	snprintf(text, sizeof text, "%llu/%llu tokens  %.0f tokens/s", (unsigned long long)g->made, (unsigned long long)g->wanted,
		 seconds > 0 ? (double)g->made / seconds : 0);
	if (g->text_on_terminal)
		progress_draw_below(&g->progress, "generating", share, text, g->column);
	else
		progress_draw(&g->progress, "generating", share, text);
}

/* Writes text to standard output and keeps track of the column it ends in; a line that
 * fills the terminal is ended, so that the column is never in doubt. */
static int write_text(struct generation *g, struct slice text, struct err *err)
{
	size_t columns = progress_columns();
	struct buf out = { 0 };
	int rc;

	if (!g->text_on_terminal)
		return file_write("-", text, err);
	for (size_t i = 0, n; i < text.n; i += n) {
		char shown[8] = { 0 };

		n = utf8_char_bytes(text.p + i, text.n - i);
		n = n ? n : 1;
		memcpy(shown, text.p + i, n);
		g->column = *shown == '\n' ? 0 : g->column + utf8_columns(shown);
		buf_add(&out, shown, n);
		if (g->column + 1 >= columns) {
			buf_char(&out, '\n');
			g->column = 0;
		}
		if (!g->column)
			progress_clear_below(&g->progress);
	}
	rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the text") : file_write("-", buf_slice(&out), err);
	buf_free(&out);
	return rc;
}

static int read_prompt(struct generation *g, struct err *err)
{
	const struct options *o = g->opts;
	const char *file = o->prompt_file ? o->prompt_file : !o->prompt && !isatty(STDIN_FILENO) ? "-" : NULL;
	struct buf text = { 0 };
	int rc = 0;

	if (file)
		rc = file_read(&text, file, PROMPT_MAX_BYTES, err);
	else
		buf_str(&text, o->prompt ? o->prompt : o->model ? "" : opening);
	if (!rc)
		rc = tokenizer_encode(g->tokenizer, buf_slice(&text), &g->prompt, err);
	if (!rc && !g->prompt.n) /* token 0 begins a text */
		rc = token_list_add(&g->prompt, 0, err);
	else if (!rc && !g->opts->json)
		rc = write_text(g, buf_slice(&text), err);
	buf_free(&text);
	return rc;
}

static struct sampler_config sampling_of(const struct options *o, size_t vocab)
{
	struct sampler_config c = sampler_defaults();
	bool bytes = vocab <= BYTE_VOCAB_MAX; /* every byte of a text repeats: penalties would garble it */

	c.temperature = number_or(o->temperature, c.temperature);
	c.top_p = number_or(o->top_p, c.top_p);
	c.frequency = number_or(o->alpha_frequency, bytes ? 0 : c.frequency);
	c.presence = number_or(o->alpha_presence, bytes ? 0 : c.presence);
	c.penalty_decay = number_or(o->penalty_decay, c.penalty_decay);
	c.seed = count_or(o->seed, clock_mono_ns(&clock_system) % 1000000);
	return c;
}

static int check_pairing(const struct generation *g, struct err *err)
{
	size_t vocab = model_info(g->model)->n_vocab;

	if (tokenizer_vocab(g->tokenizer) <= vocab && vocab <= BYTE_VOCAB_MAX)
		return 0;
	err_set(err, ERR_UNSUPPORTED, "%s: has a vocabulary of %zu, but the tokenizer \"%s\" speaks %zu tokens", model_label(g->model),
		vocab, tokenizer_name(g->tokenizer), tokenizer_vocab(g->tokenizer));
	return err_hint(err, "`rwkvmon eval --tokens 1,2,3` runs it on token ids");
}

static int open_all(struct generation *g, struct err *err)
{
	const struct options *o = g->opts;
	int rc = cli_model_open(&g->model, o->model, err);

	if (!rc)
		rc = tokenizer_open_bytes(&g->tokenizer, err);
	if (!rc)
		rc = check_pairing(g, err);
	if (!rc)
		rc = read_prompt(g, err);
	if (rc)
		return rc;
	g->chunk_len = count_or(o->chunk_len, RUN_CHUNK_DEFAULT);
	g->sampling = sampling_of(o, model_info(g->model)->n_vocab);
	rc = run_open(&g->run, g->model, &(struct run_config){ .chunk_len = g->chunk_len }, err);
	if (!rc)
		rc = sampler_open(&g->sampler, model_info(g->model)->n_vocab, &g->sampling, err);
	if (!rc)
		rc = watch_run_open(&g->watch, o, g->model, g->tokenizer, &g->sampling, g->chunk_len, err);
	return rc;
}

static void close_all(struct generation *g)
{
	sampler_close(g->sampler);
	run_close(g->run);
	tokenizer_close(g->tokenizer);
	model_close(g->model);
	token_list_free(&g->prompt);
	buf_free(&g->text);
}

static int feed(struct generation *g, const uint32_t *tokens, size_t n, bool prefill, struct err *err)
{
	struct run_call call = { .tokens = tokens, .n = n, .prefill = prefill, .tap = watch_run_tap(&g->watch) };

	return run_forward(g->run, &call, err);
}

static int show(struct generation *g, uint32_t token, struct err *err)
{
	size_t before = g->text.used;

	text_stream_push(&g->stream, tokenizer_bytes(g->tokenizer, token), &g->text);
	if (g->text.failed)
		return err_set(err, ERR_NOMEM, "no memory for the text");
	if (g->opts->json)
		return 0;
	return write_text(g, (struct slice){ g->text.p + before, g->text.used - before }, err);
}

static int generate(struct generation *g, struct err *err)
{
	uint64_t start = clock_mono_ns(&clock_system), now;
	int rc;

	watch_run_prompt(&g->watch, g->prompt.n);
	rc = feed(g, g->prompt.ids, g->prompt.n, true, err);
	now = clock_mono_ns(&clock_system);
	g->prefill_ns = now - start;
	while (!rc && g->made < g->wanted && !interrupted) {
		uint32_t token = 0;

		rc = sampler_draw(g->sampler, run_logits(g->run), &token, err);
		if (!rc)
			rc = show(g, token, err);
		if (rc)
			break;
		sampler_seen(g->sampler, token, tokenizer_bytes(g->tokenizer, token));
		rc = feed(g, &token, 1, false, err);
		g->made++;
		g->decode_ns = clock_mono_ns(&clock_system) - now;
		show_progress(g);
	}
	if (g->text_on_terminal)
		progress_clear_below(&g->progress);
	progress_clear(&g->progress);
	return rc;
}

static void add_json(struct buf *out, const struct generation *g, const struct rwkvmon_totals *t)
{
	buf_printf(out, "{\"prompt_tokens\":%zu,\"tokens\":%llu,\"prefill_seconds\":", g->prompt.n, (unsigned long long)g->made);
	buf_json_double(out, (double)g->prefill_ns / 1e9);
	buf_str(out, ",\"decode_seconds\":");
	buf_json_double(out, (double)g->decode_ns / 1e9);
	buf_str(out, ",\"tokens_per_second\":");
	buf_json_double(out, g->decode_ns ? (double)g->made * 1e9 / (double)g->decode_ns : NAN);
	buf_printf(out, ",\"seed\":%llu,\"alarms\":%llu,\"records\":%llu,\"dropped\":%llu,\"overhead_seconds\":",
		   (unsigned long long)g->sampling.seed, (unsigned long long)t->alarms, (unsigned long long)t->records,
		   (unsigned long long)t->dropped);
	buf_json_double(out, t->overhead_seconds);
	buf_str(out, ",\"log\":");
	if (*t->log_path)
		buf_json_string(out, slice_of(t->log_path));
	else
		buf_str(out, "null");
	buf_str(out, ",\"text\":");
	buf_json_string(out, buf_slice(&g->text));
	buf_str(out, "}\n");
}

/* Numbers for people, on standard error. */
static void say_summary(const struct generation *g, const struct rwkvmon_totals *t)
{
	double prefill = (double)g->prefill_ns / 1e9, decode = (double)g->decode_ns / 1e9;
	double rate = decode > 0 ? (double)g->made / decode : 0, overhead_ms = t->overhead_seconds * 1e3;
	double share = 100 * t->overhead_seconds / (prefill + decode);
	unsigned long long made = g->made, seed = g->sampling.seed, alarms = t->alarms;

	if (args_lang(g->opts->lang) == LANG_ZH)
		fprintf(stderr,
			"\n提示词 %zu 个 Token,%.3f 秒;生成 %llu 个 Token,%.0f tokens/s(种子 %llu)\n"
			"告警 %llu 次;监控用时 %.3f 毫秒,占 %.2f %%\n%s%s%s",
			g->prompt.n, prefill, made, rate, seed, alarms, overhead_ms, share, *t->log_path ? "日志:" : "",
			t->log_path, *t->log_path ? "\n" : "");
	else
		fprintf(stderr,
			"\n%zu prompt tokens in %.3f s, %llu tokens at %.0f tokens/s (seed %llu)\n"
			"%llu alarms; monitoring took %.3f ms, %.2f %% of the time\n%s%s%s",
			g->prompt.n, prefill, made, rate, seed, alarms, overhead_ms, share, *t->log_path ? "log: " : "",
			t->log_path, *t->log_path ? "\n" : "");
}

static int finish(struct generation *g, const struct rwkvmon_totals *t, struct err *err)
{
	struct buf out = { 0 };
	int rc;

	text_stream_end(&g->stream, &g->text);
	if (g->opts->json)
		add_json(&out, g, t);
	else
		buf_char(&out, '\n');
	rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the summary") : file_write("-", buf_slice(&out), err);
	buf_free(&out);
	if (!rc && !g->opts->quiet)
		say_summary(g, t);
	return rc;
}

static void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }; /* a second Ctrl-C kills */

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

int command_run(const struct options *opts, struct err *err)
{
	struct generation g = { .opts = opts, .wanted = count_or(opts->count, TOKENS_DEFAULT),
				.progress = progress_start(!opts->quiet),
				.text_on_terminal = !opts->json && !opts->quiet && isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) };
	struct rwkvmon_totals totals = { 0 };
	struct err log_err = { 0 };
	int rc = check_options(opts, err), log_rc;

	if (!rc)
		rc = open_all(&g, err);
	if (!rc) {
		catch_signals();
		rc = generate(&g, err);
	}
	log_rc = watch_run_close(&g.watch, &totals, &log_err);
	if (!rc)
		rc = finish(&g, &totals, err);
	if (!rc && log_rc) { /* the text is out; that the log is not must still be known */
		*err = log_err;
		rc = log_rc;
	}
	close_all(&g);
	return rc;
}
