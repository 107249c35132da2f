/* run.c - generate text under monitoring. */
#include "base/file.h"
#include "base/json.h"
#include "cli/answer.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/prompt.h"
#include "cli/tell.h"
#include "report/terminal.h"
#include "spec/text.h"

#include <math.h>
#include <unistd.h>

enum { TOKENS_DEFAULT = 256 };

/* The prompt if none is given: the built-in model was trained on novels. */
static const char opening[] = "It was a dark and stormy night, and";

static int read_prompt(struct buf *text, const struct options *o, struct err *err)
{
	const char *file = o->prompt_file ? o->prompt_file : !o->prompt && !isatty(STDIN_FILENO) ? "-" : NULL;

	if (file && prompt_read(text, file, err))
		return -(int)err->code;
	if (file && o->prompt_file && !text->used)
		return err_set(err, ERR_FORMAT, "%s: is empty", file);
	if (file)
		return 0;
	buf_str(text, o->prompt ? o->prompt : o->model ? "" : opening);
	return 0;
}

static int generate(struct generation *g, struct screen *screen, uint64_t wanted, struct err *err)
{
	struct answer a;
	int rc = answer_begin(&a, g, screen, wanted, err);

	while (!rc && answer_goes_on(&a)) {
		rc = answer_next(&a, err);
		screen_progress(screen, answer_tokens(&a), wanted, (double)g->decode_ns / 1e9);
	}
	screen_progress_end(screen);
	if (!rc)
		rc = answer_end(&a, err);
	watch_run_answered(&g->watch, rc, generation_interrupted(), a.stopped);
	return rc;
}

static void add_acts(struct json *out, const struct acting *a)
{
	if (!a->any)
		return;
	jw_put_u64(out, "rewinds", a->rewinds);
	jw_put_u64(out, "tokens_taken_back", a->taken_back);
	jw_put_u64(out, "tokens_fed_again", a->fed_again);
	if (a->rewind_bytes)
		jw_put_u64(out, "rewind_bytes", a->rewind_bytes);
	if (a->stopped)
		jw_put_text(out, "stopped_by", a->stopped);
}

static void add_json(struct buf *to, const struct generation *g, struct slice text, const struct rwkvmon_totals *t)
{
	struct json out = { .out = to };

	jw_object(&out);
	jw_put_u64(&out, "prompt_tokens", g->prompt_tokens);
	jw_put_u64(&out, "tokens", g->made);
	jw_put_double(&out, "prefill_seconds", (double)g->prefill_ns / 1e9);
	jw_put_double(&out, "decode_seconds", (double)g->decode_ns / 1e9);
	jw_put_double(&out, "tokens_per_second", g->decode_ns ? (double)g->made * 1e9 / (double)g->decode_ns : NAN);
	add_acts(&out, &g->acting);
	jw_put_u64(&out, "seed", g->sampling.seed);
	jw_put_u64(&out, "alarms", t->alarms);
	jw_put_u64(&out, "records", t->records);
	jw_put_u64(&out, "dropped", t->dropped);
	jw_put_double(&out, "overhead_seconds", t->overhead_seconds);
	jw_put_known_text(&out, "log", t->log_path);
	jw_put_slice(&out, "text", text.p ? text : slice_of(""));
	jw_end(&out);
	buf_char(to, '\n');
}

/* Numbers for people, on standard error. */
static void say_summary(const struct generation *g, const struct rwkvmon_totals *t)
{
	double prefill = (double)g->prefill_ns / 1e9, decode = (double)g->decode_ns / 1e9;
	double rate = decode > 0 ? (double)g->made / decode : 0, overhead = t->overhead_seconds;
	enum lang lang = args_lang(g->opts->lang);
	char prompt[TERM_TEXT], took[32], made[TERM_TEXT], speed[TERM_TEXT], seed[24], alarms[TERM_TEXT], cost[32],
		share[32];

	snprintf(took, sizeof took, "%.3f", prefill);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->sampling.seed);
	snprintf(cost, sizeof cost, "%.3f", overhead * 1e3);
	snprintf(share, sizeof share, "%.2f", 100 * overhead / (prefill + decode));
	tell("\n");
	args_say(lang, TEXT_RUN_SUMMARY, term_count(prompt, g->prompt_tokens), took, term_count(made, g->made),
		 term_count(speed, (uint64_t)(rate + 0.5)), seed, term_count(alarms, t->alarms), cost, share);
	generation_say_rewinds(g);
	if (*t->log_path)
		args_say(lang, TEXT_LOG_FILE, t->log_path);
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
		rc = out.failed ? err_set(err, ERR_NOMEM, "no memory for the summary")
				: file_write("-", buf_slice(&out), err);
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
	if (!rc && log_rc) { /* the text is out; that the log is not must still be known */
		*err = log_err;
		rc = log_rc;
	}
	buf_free(&prompt);
	screen_free(&screen);
	return rc;
}
