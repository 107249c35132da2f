/* tuning_text.c - tables of candidates, and the choice. */
#include "report/terminal.h"
#include "report/tuning.h"
#include "report/tuning_words.h"

#include <math.h>

enum { INDENT = 2, SETTING_COLUMNS = 45, TPS_COLUMNS = 9, MIB_COLUMNS = 9, KL_COLUMNS = 10 };

const struct tuning_candidate *tuning_chosen(const struct tuning *t)
{
	for (int i = 1; i >= 0; i--) /* the second heat's choice has what the first one left open */
		if (t->heat[i].race.n && t->heat[i].chosen < t->heat[i].race.n)
			return &t->heat[i].of[t->heat[i].chosen];
	return NULL;
}

static void put_buf(struct term *t, enum tint tint, struct buf *words, size_t columns)
{
	char clean[TERM_TEXT];

	term_clean(clean, t, words->p ? words->p : "", TERM_TEXT / 4, false);
	if (columns)
		term_left(t, tint, clean, columns);
	else
		term_put(t, tint, clean);
	t->out->failed |= words->failed;
	buf_free(words);
}

static void put_candidate(struct term *t, const struct tuning_candidate *c, bool chunk)
{
	enum tint tint = c->fate == FATE_CHOSEN ? TINT_BOLD : c->fate == FATE_SAME ? TINT_PLAIN : TINT_DIM;
	struct buf setting = { 0 }, judgement = { 0 };
	char number[TERM_TEXT];

	term_left(t, tint, c->fate == FATE_CHOSEN ? "*" : c->front ? "+" : "", INDENT);
	tuning_setting_words(&setting, c, chunk, t->lang);
	put_buf(t, tint, &setting, SETTING_COLUMNS);
	term_right(t, tint, term_number(number, tuning_tps(c->level.mean)), TPS_COLUMNS);
	term_right(t, tint, term_number(number, c->memory_mb), MIB_COLUMNS);
	term_right(t, tint, term_number(number, c->kl), KL_COLUMNS);
	term_put(t, tint, "  ");
	tuning_judgement_words(&judgement, c, t->lang);
	put_buf(t, c->fate == FATE_CHOSEN ? TINT_GOOD : tint, &judgement, 0);
	term_newline(t);
	if (c->why) {
		term_left(t, TINT_PLAIN, "", 2 * INDENT);
		term_wrap(t, TINT_DIM, term_clean(number, t, c->why, TERM_TEXT / 4, false), 2 * INDENT);
		term_newline(t);
	}
}

static void put_heat(struct term *t, const struct tuning_heat *h)
{
	bool prefill = h->phase == PHASE_PREFILL;
	size_t order[RACE_MAX];

	term_heading(t, prefill ? TEXT_TUNE_PREFILL : TEXT_TUNE_DECODE, NULL);
	term_left(t, TINT_DIM, "", INDENT);
	term_left(t, TINT_DIM, text(TEXT_TUNE_SETTING, t->lang), SETTING_COLUMNS);
	term_right(t, TINT_DIM, text(TEXT_TUNE_TPS, t->lang), TPS_COLUMNS);
	term_right(t, TINT_DIM, text(TEXT_TUNE_MIB, t->lang), MIB_COLUMNS);
	term_right(t, TINT_DIM, text(TEXT_TUNE_KL, t->lang), KL_COLUMNS);
	term_put(t, TINT_DIM, "  ");
	term_put(t, TINT_DIM, text(TEXT_TUNE_TIME, t->lang));
	term_newline(t);
	tuning_order(h, order);
	for (size_t i = 0; i < h->race.n; i++)
		put_candidate(t, &h->of[order[i]], prefill);
}

static void put_choice(struct term *t, const struct tuning *tuning)
{
	struct buf words = { 0 };

	tuning_choice_words(&words, tuning, t->lang);
	term_left(t, TINT_PLAIN, "", INDENT);
	term_wrap(t, tuning_chosen(tuning) ? TINT_BOLD : TINT_BAD, words.p ? words.p : "", INDENT);
	term_newline(t);
	t->out->failed |= words.failed;
	buf_free(&words);
}

static void put_note(struct term *t, enum tint tint, enum text_id id, const char *value)
{
	const char *const values[] = { value };

	term_left(t, TINT_PLAIN, "", INDENT);
	term_say(t, tint, INDENT, id, values);
	term_newline(t);
}

void report_tuning_text(struct buf *out, const struct tuning *tuning, const struct report_options *opts)
{
	struct term t = term_begin(out, opts);
	char cores[16], seconds[24], tokens[TERM_TEXT];
	const char *about[] = { tuning->model, tuning->dtype, cores, seconds };

	snprintf(cores, sizeof cores, "%d", tuning->cores);
	snprintf(seconds, sizeof seconds, "%.1f", tuning->seconds);
	term_heading(&t, TEXT_TUNE_TITLE, NULL);
	term_left(&t, TINT_PLAIN, "", INDENT);
	term_say(&t, TINT_PLAIN, INDENT, TEXT_TUNE_ABOUT, about);
	term_newline(&t);
	for (int i = 0; i < 2; i++)
		if (tuning->heat[i].race.n)
			put_heat(&t, &tuning->heat[i]);
	term_newline(&t);
	if (tuning->interrupted)
		put_note(&t, TINT_WARN, TEXT_TUNE_INTERRUPTED, NULL);
	if (tuning->out_of_time)
		put_note(&t, TINT_WARN, TEXT_TUNE_OUT_OF_TIME, NULL);
	put_choice(&t, tuning);
	term_newline(&t);
	put_note(&t, TINT_DIM, TEXT_TUNE_NOTE, term_count(tokens, tuning->quality_tokens));
}

void report_tuning_settings(struct buf *out, const struct tuning *t)
{
	const struct tuning_candidate *c = tuning_chosen(t);

	if (!c)
		return;
	buf_str(out, "# Written by `rwkvmon tune`; for `rwkvmon run --settings FILE`.\n");
	buf_printf(out, "strategy: \"%s\"\nskip-zeros: %s\nthreads: %d\nchunk-len: %zu\n", c->strategy,
		   c->skip_zeros ? "yes" : "no", c->threads, c->chunk_len);
}
