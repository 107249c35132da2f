/* forecast_text.c - what comes next, for a terminal. */
#include "report/forecast_words.h"
#include "report/terminal.h"

#include <math.h>

enum { INDENT = 2, BELOW = 4 };

static void put_line(struct term *t, enum tint tint, struct buf *words)
{
	if (words->used) {
		term_left(t, TINT_PLAIN, "", BELOW);
		term_wrap(t, tint, words->p, BELOW);
		term_newline(t);
	}
	buf_rewind(words);
}

static bool is_coming(const struct foreseen *x)
{
	return x->reach.now || (x->is.state == FORECAST_SKILLED && isfinite(x->reach.at));
}

static void put_foreseen(struct term *t, const struct foreseen *x)
{
	char clean[TERM_TEXT];
	struct buf words = { 0 };

	term_left(t, TINT_PLAIN, "", INDENT);
	forecast_name_words(&words, x, t->lang);
	if (words.used)
		term_put(t, TINT_BOLD, words.p);
	buf_rewind(&words);
	if (x->instance) {
		term_put(t, TINT_DIM, "  ");
		term_put(t, TINT_DIM, term_clean(clean, t, instance_shown(x->instance), t->columns / 2, true));
	}
	term_newline(t);
	forecast_method_words(&words, x, t->lang);
	put_line(t, x->is.state == FORECAST_SKILLED ? TINT_PLAIN : TINT_DIM, &words);
	forecast_next_words(&words, x, t->lang);
	put_line(t, TINT_PLAIN, &words);
	forecast_limit_words(&words, x, t->lang);
	put_line(t, is_coming(x) ? TINT_WARN : TINT_PLAIN, &words);
	buf_free_into(&words, t->out);
}

static void put_loops(struct term *t, const struct findings *f)
{
	char clean[TERM_TEXT];
	const struct time_part *part;
	struct buf words = { 0 };

	for (size_t i = 0; (part = forecast_next_loop(f, &i));) {
		if (f->instances_total > 1 && part->instance) {
			term_left(t, TINT_PLAIN, "", INDENT);
			term_put(t, TINT_DIM,
				 term_clean(clean, t, instance_shown(part->instance), t->columns / 2, true));
			term_newline(t);
		}
		forecast_loop_words(&words, part, t->lang);
		put_line(t, TINT_WARN, &words);
	}
	buf_free_into(&words, t->out);
}

void report_forecast_text(struct buf *out, const struct findings *f, const struct report_options *opts)
{
	struct term t = term_begin(out, opts);

	term_heading(&t, TEXT_FORECAST_TITLE, NULL);
	if (!f->n_foreseen) {
		term_say(&t, TINT_DIM, INDENT,
			 f->records    ? TEXT_FORECAST_NOTHING
			 : f->filtered ? TEXT_VERDICT_FILTERED
				       : TEXT_VERDICT_EMPTY,
			 NULL);
		term_newline(&t);
	}
	for (size_t i = 0; i < f->n_foreseen; i++)
		put_foreseen(&t, &f->foreseen[i]);
	put_loops(&t, f);
	term_more(&t, INDENT, TEXT_FORECAST_UNFORESEEN, f->instances_unforeseen);
	term_newline(&t);
	term_left(&t, TINT_PLAIN, "", INDENT);
	term_wrap(&t, TINT_DIM, text(TEXT_FORECAST_NOTE, t.lang), INDENT);
	term_newline(&t);
}
