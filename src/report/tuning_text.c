/* tuning_text.c - tables of candidates, and the choice. */
#include "base/utf8.h"
#include "report/terminal.h"
#include "report/tuning.h"
#include "report/tuning_words.h"

#include <math.h>

enum { INDENT = 2, GAP = 2, TPS_COLUMNS = 9, MIB_COLUMNS = 9, KL_COLUMNS = 10 };
enum { NUMBER_COLUMNS = TPS_COLUMNS + MIB_COLUMNS + KL_COLUMNS };

/* How a table is laid out: as wide as its settings, but never wider than the terminal. */
struct layout {
	size_t setting; /* columns */
	bool beside;    /* the judgement stands on the line of its setting; else below it */
	bool chunk;
};

const struct tuning_candidate *tuning_chosen(const struct tuning *t)
{
	for (int i = 1; i >= 0; i--) /* the second heat's choice has what the first one left open */
		if (t->heat[i].race.n && t->heat[i].chosen < t->heat[i].race.n)
			return &t->heat[i].of[t->heat[i].chosen];
	return NULL;
}

/* Words in full, broken where the line ends; a line that goes beyond `columns` leaves the rest to the next. */
static void put_words(struct term *t, enum tint tint, struct buf *words, size_t indent, size_t columns)
{
	struct buf clean = { 0 };

	term_clean_all(&clean, t, buf_text(words));
	term_wrap(t, tint, buf_text(&clean), indent);
	if (columns && t->at > indent + columns)
		term_newline(t);
	if (columns)
		term_left(t, TINT_PLAIN, "", indent + columns - t->at);
	buf_free_into(&clean, t->out);
	buf_free_into(words, t->out);
}

static size_t columns_of(struct buf *words, struct buf *whole)
{
	size_t columns = utf8_columns(buf_text(words));

	buf_free_into(words, whole);
	return columns;
}

static struct layout layout_of(const struct term *t, const struct tuning_heat *h)
{
	const size_t most = t->columns - INDENT - NUMBER_COLUMNS;
	struct layout l = { .setting = utf8_columns(text(TEXT_TUNE_SETTING, t->lang)),
			    .chunk = h->phase == PHASE_PREFILL };
	size_t judgement = utf8_columns(text(TEXT_TUNE_TIME, t->lang));

	for (size_t i = 0; i < h->race.n; i++) {
		struct buf setting = { 0 }, judged = { 0 };
		size_t columns;

		tuning_setting_words(&setting, &h->of[i], l.chunk, t->lang);
		tuning_judgement_words(&judged, &h->of[i], t->lang);
		columns = columns_of(&setting, t->out);
		l.setting = columns > l.setting ? columns : l.setting;
		columns = columns_of(&judged, t->out);
		judgement = columns > judgement ? columns : judgement;
	}
	l.setting = l.setting < most ? l.setting : most;
	l.beside = l.setting + GAP + judgement <= most;
	return l;
}

static void put_candidate(struct term *t, const struct tuning_candidate *c, const struct layout *l)
{
	enum tint tint = c->fate == FATE_CHOSEN ? TINT_BOLD : c->fate == FATE_SAME ? TINT_PLAIN : TINT_DIM;
	struct buf setting = { 0 }, judgement = { 0 };
	char number[TERM_TEXT];

	term_left(t, tint, c->fate == FATE_CHOSEN ? "*" : c->front ? "+" : "", INDENT);
	tuning_setting_words(&setting, c, l->chunk, t->lang);
	put_words(t, tint, &setting, INDENT, l->setting);
	term_right(t, tint, term_number(number, tuning_tps(c->level.mean)), TPS_COLUMNS);
	term_right(t, tint, term_number(number, c->memory_mb), MIB_COLUMNS);
	term_right(t, tint, term_number(number, c->kl), KL_COLUMNS);
	if (l->beside)
		term_left(t, tint, "", GAP);
	else
		term_newline(t);
	tuning_judgement_words(&judgement, c, t->lang);
	put_words(t, c->fate == FATE_CHOSEN ? TINT_GOOD : tint, &judgement, l->beside ? t->at : 2 * INDENT, 0);
	term_newline(t);
	if (c->why) {
		term_left(t, TINT_PLAIN, "", 2 * INDENT);
		term_wrap(t, TINT_DIM, term_clean(number, t, c->why, TERM_TEXT / 4, false), 2 * INDENT);
		term_newline(t);
	}
}

static void put_heat(struct term *t, const struct tuning_heat *h)
{
	const struct layout l = layout_of(t, h);
	const char *time = text(TEXT_TUNE_TIME, t->lang);
	size_t order[RACE_MAX];

	term_heading(t, l.chunk ? TEXT_TUNE_PREFILL : TEXT_TUNE_DECODE, l.beside ? NULL : time);
	term_left(t, TINT_DIM, "", INDENT);
	term_left(t, TINT_DIM, text(TEXT_TUNE_SETTING, t->lang), l.setting);
	term_right(t, TINT_DIM, text(TEXT_TUNE_TPS, t->lang), TPS_COLUMNS);
	term_right(t, TINT_DIM, text(TEXT_TUNE_MIB, t->lang), MIB_COLUMNS);
	term_right(t, TINT_DIM, text(TEXT_TUNE_KL, t->lang), KL_COLUMNS);
	if (l.beside) {
		term_left(t, TINT_DIM, "", GAP);
		term_put(t, TINT_DIM, time);
	}
	term_newline(t);
	tuning_order(h, order);
	for (size_t i = 0; i < h->race.n; i++)
		put_candidate(t, &h->of[order[i]], &l);
}

static void put_choice(struct term *t, const struct tuning *tuning)
{
	struct buf words = { 0 };

	tuning_choice_words(&words, tuning, t->lang);
	term_left(t, TINT_PLAIN, "", INDENT);
	term_wrap(t, tuning_chosen(tuning) ? TINT_BOLD : TINT_BAD, buf_text(&words), INDENT);
	term_newline(t);
	buf_free_into(&words, t->out);
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
	struct buf model = { 0 };
	const char *about[] = { NULL, tuning->dtype, cores, seconds };

	snprintf(cores, sizeof cores, "%d", tuning->cores);
	snprintf(seconds, sizeof seconds, "%.1f", tuning->seconds);
	term_heading(&t, TEXT_TUNE_TITLE, NULL);
	term_left(&t, TINT_PLAIN, "", INDENT);
	term_clean_all(&model, &t, tuning->model);
	about[0] = buf_text(&model);
	term_say(&t, TINT_PLAIN, INDENT, TEXT_TUNE_ABOUT, about);
	buf_free_into(&model, out);
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
	buf_printf(out, "# Written by `rwkvmon tune`; for `%s`.\nstrategy: \"%s\"\n",
		   t->python ? "python -m rwkvmon --settings FILE script.py" : "rwkvmon run --settings FILE",
		   c->strategy);
	if (!t->python)
		buf_printf(out, "skip-zeros: %s\n", c->skip_zeros ? "yes" : "no");
	buf_printf(out, "threads: %d\nchunk-len: %zu\n", c->threads, c->chunk_len);
}
