/* learning.c - how much was learned, and which model forecasts the sessions that were left out. */
#include "report/learning.h"

#include "base/json.h"
#include "report/forecast_words.h"
#include "report/terminal.h"

#include <math.h>

enum { INDENT = 2, BELOW = 4 };

/* --- text -------------------------------------------------------------------------------- */

static void put_sessions(struct term *t, const struct learning_result *r)
{
	const struct learn_set *set = &r->from->set;
	char fit[TERM_TEXT], stop[TERM_TEXT], judge[TERM_TEXT], left_out[TERM_TEXT];

	term_left(t, TINT_PLAIN, "", INDENT);
	term_say(t, TINT_PLAIN, INDENT, TEXT_LEARNING_SESSIONS,
		 (const char *const[]){
			 term_count(fit, set->groups[LEARN_FIT]), term_count(stop, set->groups[LEARN_STOP]),
			 term_count(judge, set->groups[LEARN_JUDGE]), term_count(left_out, r->from->points_left_out) });
	term_newline(t);
}

static void put_rounds(struct term *t, const struct learning_result *r)
{
	char rounds[TERM_TEXT], best[TERM_TEXT], loss[TERM_TEXT], untrained[TERM_TEXT];

	term_left(t, TINT_PLAIN, "", INDENT);
	term_say(t, TINT_PLAIN, INDENT, TEXT_LEARNING_ROUNDS,
		 (const char *const[]){ term_count(rounds, r->end.round), term_count(best, r->end.best),
					term_number(loss, r->end.best_loss),
					term_number(untrained, r->end.first_loss) });
	term_newline(t);
}

static void count_words(struct buf *out, enum lang lang, enum text_id what, size_t n, bool *any)
{
	char count[TERM_TEXT];

	if (!n)
		return;
	buf_str(out, text(*any ? TEXT_LIST_COMMA : TEXT_LEARNING_OTHERS, lang));
	*any = true;
	text_fill(out, lang, TEXT_LEARNING_COUNT, text(what, lang), term_count(count, n));
}

static void put_row(struct term *t, const struct learning_row *row)
{
	char won[TERM_TEXT], series[TERM_TEXT], skill[32];
	struct buf words = { 0 };
	bool any = false;

	term_left(t, TINT_PLAIN, "", INDENT);
	term_put(t, TINT_BOLD, metric_specs[row->metric].label[t->lang]);
	term_newline(t);
	text_fill(&words, t->lang, TEXT_LEARNING_WON, term_count(won, row->won[FORECAST_LSTM]),
		  term_count(series, row->series));
	for (int m = 0; m < FORECAST_LSTM; m++)
		count_words(&words, t->lang, forecast_model_word((enum forecast_model)m), row->won[m], &any);
	count_words(&words, t->lang, TEXT_LEARNING_NONE, row->none, &any);
	term_left(t, TINT_PLAIN, "", BELOW);
	term_wrap(t, TINT_PLAIN, buf_text(&words), BELOW);
	term_newline(t);
	if (isfinite(row->lstm_skill)) {
		snprintf(skill, sizeof skill, "%.0f %%", 100 * fabs(row->lstm_skill));
		term_left(t, TINT_PLAIN, "", BELOW);
		term_say(t, TINT_DIM, BELOW, row->lstm_skill < 0 ? TEXT_LEARNING_WORSE : TEXT_LEARNING_ALONE,
			 (const char *const[]){ skill });
		term_newline(t);
	}
	buf_free_into(&words, t->out);
}

void report_learning_text(struct buf *out, const struct learning_result *r, const struct report_options *opts)
{
	struct term t = term_begin(out, opts);
	size_t won = 0;

	term_heading(&t, TEXT_LEARNING_TITLE, NULL);
	put_sessions(&t, r);
	put_rounds(&t, r);
	for (size_t i = 0; i < r->n_rows; i++) {
		put_row(&t, &r->row[i]);
		won += r->row[i].won[FORECAST_LSTM];
	}
	if (won)
		return;
	term_left(&t, TINT_PLAIN, "", INDENT);
	term_wrap(&t, TINT_WARN, text(r->n_rows ? TEXT_LEARNING_NOWHERE : TEXT_LEARNING_UNJUDGED, t.lang), INDENT);
	term_newline(&t);
}

/* --- JSON -------------------------------------------------------------------------------- */

static void put_row_json(struct json *j, const struct learning_row *row)
{
	jw_object(j);
	jw_put_text(j, "metric", metric_specs[row->metric].id);
	jw_put_u64(j, "series", row->series);
	jw_put_object(j, "won");
	for (int m = 0; m < FORECAST_MODEL_COUNT; m++)
		jw_put_u64(j, forecast_model_ids[m], row->won[m]);
	jw_end(j);
	jw_put_u64(j, "not_predictable", row->none);
	jw_put_double(j, "lstm_skill", row->lstm_skill);
	jw_end(j);
}

void report_learning_json(struct buf *out, const struct learning_result *r)
{
	const struct learn_set *set = &r->from->set;
	struct json j = { .out = out };

	jw_object(&j);
	jw_put_text(&j, "output", r->path);
	jw_put_u64(&j, "weights", r->weights);
	jw_put_object(&j, "sessions");
	jw_put_u64(&j, "learned_from", set->groups[LEARN_FIT]);
	jw_put_u64(&j, "stopped_by", set->groups[LEARN_STOP]);
	jw_put_u64(&j, "judged_by", set->groups[LEARN_JUDGE]);
	jw_end(&j);
	jw_put_u64(&j, "points_left_out", r->from->points_left_out);
	jw_put_u64(&j, "rounds", r->end.round);
	jw_put_u64(&j, "best_round", r->end.best);
	jw_put_double(&j, "loss", r->end.best_loss);
	jw_put_double(&j, "untrained_loss", r->end.first_loss);
	jw_put_array(&j, "metrics");
	for (size_t i = 0; i < r->n_rows; i++)
		put_row_json(&j, &r->row[i]);
	jw_end(&j);
	jw_end(&j);
	buf_char(out, '\n');
}
