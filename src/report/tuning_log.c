/* tuning_log.c - what a log shows about strategies, for people and for programs. */
#include "analyze/tuning_log.h"
#include "base/json.h"
#include "report/terminal.h"
#include "report/tuning.h"

#include <math.h>

enum { INDENT = 2, BELOW = 4 };

static void put_words(struct term *t, enum tint tint, struct buf *words, size_t indent)
{
	struct buf clean = { 0 };

	term_clean_all(&clean, t, buf_text(words));
	term_left(t, TINT_PLAIN, "", indent);
	term_wrap(t, tint, buf_text(&clean), indent);
	term_newline(t);
	buf_free_into(&clean, t->out);
	buf_rewind(words);
}

static void put_group(struct term *t, const struct tuning_group *g)
{
	char sessions[TERM_TEXT], tokens[TERM_TEXT], low[TERM_TEXT], high[TERM_TEXT];
	struct buf words = { 0 };

	buf_printf(&words, "%s, %s", g->model, g->strategy);
	put_words(t, TINT_BOLD, &words, INDENT);
	text_fill(&words, t->lang, TEXT_TUNE_LOG_ROW, term_count(sessions, g->sessions), term_count(tokens, g->tokens),
		  term_number(low, g->fastest_ms), term_number(high, g->slowest_ms));
	if (isfinite(g->memory_mb))
		text_fill(&words, t->lang, TEXT_TUNE_LOG_MEMORY, term_number(low, g->memory_mb));
	if (isfinite(g->kl))
		text_fill(&words, t->lang, TEXT_TUNE_LOG_KL, term_number(low, g->kl));
	put_words(t, TINT_PLAIN, &words, BELOW);
	buf_free_into(&words, t->out);
}

/* Each two strategies of one model. */
static void put_pairs(struct term *t, const struct tuning_log *log)
{
	struct buf words = { 0 };
	bool any = false;

	for (size_t i = 0; i < log->n; i++)
		for (size_t j = i + 1; j < log->n; j++) {
			const struct tuning_group *a = &log->of[i], *b = &log->of[j];
			bool told = tuning_log_faster(a, b) || tuning_log_faster(b, a);
			bool swap = told && tuning_log_faster(b, a);

			if (strcmp(a->model, b->model))
				continue;
			any = true;
			text_fill(&words, t->lang, told ? TEXT_TUNE_LOG_FASTER : TEXT_TUNE_LOG_MIXED,
				  swap ? b->strategy : a->strategy, swap ? a->strategy : b->strategy);
			put_words(t, told ? TINT_GOOD : TINT_PLAIN, &words, INDENT);
		}
	if (!any) {
		buf_str(&words, text(log->n ? TEXT_TUNE_LOG_ONE : TEXT_TUNE_LOG_NOTHING, t->lang));
		put_words(t, TINT_PLAIN, &words, INDENT);
	}
	buf_free_into(&words, t->out);
}

void report_tuning_log_text(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	struct term t = term_begin(out, opts);
	struct buf words = { 0 };
	struct tuning_log log;
	bool diverges = false;

	tuning_log_gather(&log, f);
	term_heading(&t, TEXT_TUNE_LOG_TITLE, NULL);
	for (size_t i = 0; i < log.n; i++) {
		put_group(&t, &log.of[i]);
		diverges |= isfinite(log.of[i].kl);
	}
	if (log.n)
		term_newline(&t);
	put_pairs(&t, &log);
	buf_str(&words, text(TEXT_TUNE_LOG_CANNOT, t.lang));
	buf_str(&words, diverges ? "" : text(TEXT_TUNE_LOG_NO_KL, t.lang));
	buf_str(&words, text(TEXT_TUNE_LOG_THEN, t.lang));
	put_words(&t, TINT_DIM, &words, INDENT);
	buf_free_into(&words, out);
}

static void add_group(struct json *out, const struct tuning_log *log, const struct tuning_group *g)
{
	jw_object(out);
	jw_put_text(out, "model_name", g->model);
	jw_put_text(out, "strategy", g->strategy);
	jw_put_u64(out, "sessions", g->sessions);
	jw_put_u64(out, "tokens", g->tokens);
	jw_put_double(out, "token_latency_ms_p50_min", g->fastest_ms);
	jw_put_double(out, "token_latency_ms_p50_max", g->slowest_ms);
	jw_put_double(out, "process_memory_mb", g->memory_mb);
	jw_put_double(out, "quant_kl_nats", g->kl);
	jw_put_array(out, "faster_than");
	for (size_t i = 0; i < log->n; i++)
		if (!strcmp(log->of[i].model, g->model) && tuning_log_faster(g, &log->of[i]))
			jw_text(out, log->of[i].strategy);
	jw_end(out);
	jw_end(out);
}

void report_tuning_log_json(struct buf *to, const struct findings *f, const struct report_options *opts)
{
	struct json out = { .out = to };
	struct tuning_log log;

	(void)opts;
	tuning_log_gather(&log, f);
	jw_object(&out);
	jw_put_array(&out, "seen");
	for (size_t i = 0; i < log.n; i++)
		add_group(&out, &log, &log.of[i]);
	jw_end(&out);
	jw_put_array(&out, "unknown");
	jw_text(&out, "settings_not_run");
	jw_text(&out, "setting_or_time");
	jw_text(&out, "threads");
	jw_text(&out, "skip_zeros");
	jw_end(&out);
	jw_end(&out);
	buf_char(to, '\n');
}
