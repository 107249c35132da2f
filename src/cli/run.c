/* run.c - generate text under monitoring. */
#include "base/file.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/screen.h"

#include <math.h>
#include <unistd.h>

enum { TOKENS_DEFAULT = 256, PROMPT_MAX_BYTES = 64 << 20 };

/* Said when nobody says anything: the built-in model was trained on novels. */
static const char opening[] = "It was a dark and stormy night, and";

static int read_prompt(struct buf *text, const struct options *o, struct err *err)
{
	const char *file = o->prompt_file ? o->prompt_file : !o->prompt && !isatty(STDIN_FILENO) ? "-" : NULL;

	if (o->prompt && o->prompt_file)
		return err_set(err, ERR_USAGE, "run: --prompt and --prompt-file exclude each other");
	if (file)
		return file_read(text, file, PROMPT_MAX_BYTES, err);
	buf_str(text, o->prompt ? o->prompt : o->model ? "" : opening);
	return 0;
}

static int generate(struct generation *g, struct screen *screen, uint64_t wanted, struct err *err)
{
	struct slice bytes;
	uint32_t token;
	int rc = 0;

	while (!rc && g->made < wanted && !generation_interrupted()) {
		rc = generation_draw(g, &token, &bytes, err);
		if (!rc)
			rc = screen_say(screen, bytes, err);
		if (!rc)
			rc = generation_feed(g, token, err);
		screen_progress(screen, g->made, wanted, (double)g->decode_ns / 1e9);
	}
	screen_progress_end(screen);
	watch_run_answered(&g->watch, rc, generation_interrupted(), false);
	return rc;
}

static void add_json(struct buf *out, const struct generation *g, struct slice text, const struct rwkvmon_totals *t)
{
	buf_printf(out, "{\"prompt_tokens\":%llu,\"tokens\":%llu,\"prefill_seconds\":", (unsigned long long)g->prompt_tokens,
		   (unsigned long long)g->made);
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
	buf_json_string(out, text);
	buf_str(out, "}\n");
}

/* Numbers for people, on standard error. */
static void say_summary(const struct generation *g, const struct rwkvmon_totals *t)
{
	double prefill = (double)g->prefill_ns / 1e9, decode = (double)g->decode_ns / 1e9;
	double rate = decode > 0 ? (double)g->made / decode : 0, overhead_ms = t->overhead_seconds * 1e3;
	double share = 100 * t->overhead_seconds / (prefill + decode);
	unsigned long long prompt = g->prompt_tokens, made = g->made, seed = g->sampling.seed, alarms = t->alarms;

	if (args_lang(g->opts->lang) == LANG_ZH)
		fprintf(stderr,
			"\n提示词 %llu 个 Token,%.3f 秒;生成 %llu 个 Token,%.0f tokens/s(种子 %llu)\n"
			"告警 %llu 次;监控用时 %.3f 毫秒,占 %.2f %%\n%s%s%s",
			prompt, prefill, made, rate, seed, alarms, overhead_ms, share, *t->log_path ? "日志:" : "",
			t->log_path, *t->log_path ? "\n" : "");
	else
		fprintf(stderr,
			"\n%llu prompt tokens in %.3f s, %llu tokens at %.0f tokens/s (seed %llu)\n"
			"%llu alarms; monitoring took %.3f ms, %.2f %% of the time\n%s%s%s",
			prompt, prefill, made, rate, seed, alarms, overhead_ms, share, *t->log_path ? "log: " : "",
			t->log_path, *t->log_path ? "\n" : "");
}

static int finish(struct generation *g, struct screen *screen, const struct rwkvmon_totals *t, struct err *err)
{
	struct buf out = { 0 };
	int rc = screen_end(screen, err);

	if (g->opts->json)
		add_json(&out, g, buf_slice(&screen->kept), t);
	else
		buf_char(&out, '\n');
	if (!rc)
		rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the summary") : file_write("-", buf_slice(&out), err);
	buf_free(&out);
	if (!rc && !g->opts->quiet)
		say_summary(g, t);
	return rc;
}

/* Everything between an open model and the last token. */
static int speak(struct generation *g, struct screen *screen, struct slice prompt, struct err *err)
{
	uint64_t wanted = g->opts->count == UINT64_MAX ? TOKENS_DEFAULT : g->opts->count;
	int rc = generation_watch(g, err);

	generation_catch_signals();
	if (!rc && !g->opts->json)
		rc = screen_say(screen, prompt, err);
	if (!rc)
		rc = generation_prompt(g, prompt, err);
	buf_clear(&screen->kept); /* the prompt is no answer */
	if (!rc)
		rc = generate(g, screen, wanted, err);
	return rc ? rc : generation_save(g, err);
}

int command_run(const struct options *opts, struct err *err)
{
	struct screen screen = screen_open(opts->json, !opts->quiet);
	struct generation g = { 0 };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	struct err log_err = { 0 };
	const struct sampler_config defaults = sampler_defaults();
	struct buf prompt = { 0 };
	int rc = generation_open(&g, opts, &defaults, err), log_rc;

	if (!rc)
		rc = read_prompt(&prompt, opts, err);
	if (!rc)
		rc = speak(&g, &screen, buf_slice(&prompt), err);
	log_rc = generation_close(&g, &totals, &log_err);
	if (!rc)
		rc = finish(&g, &screen, &totals, err);
	generation_say_undelivered(&totals);
	if (!rc && log_rc) { /* the text is out; that the log is not must still be known */
		*err = log_err;
		rc = log_rc;
	}
	buf_free(&prompt);
	screen_free(&screen);
	return rc;
}
