/* tuning_words.c - settings, judgements and the choice as words. */
#include "report/tuning_words.h"

#include "report/terminal.h"
#include "report/tuning.h"

#include <math.h>

/* An interval wider than this (in ln time) says no more than the mean: it is not printed. */
static const double TOO_WIDE = 2;

static const enum text_id fate_texts[FATE_COUNT] = {
	[FATE_UNMEASURED] = TEXT_TUNE_FATE_UNMEASURED,
	[FATE_CHOSEN] = TEXT_TUNE_FATE_CHOSEN,
	[FATE_SAME] = TEXT_TUNE_FATE_SAME,
	[FATE_UNDECIDED] = TEXT_TUNE_FATE_UNDECIDED,
	[FATE_SLOWER] = TEXT_TUNE_FATE_SLOWER,
	[FATE_FASTER] = TEXT_TUNE_FATE_FASTER,
	[FATE_LEFT] = TEXT_TUNE_FATE_LEFT,
	[FATE_MEMORY] = TEXT_TUNE_FATE_MEMORY,
	[FATE_QUALITY] = TEXT_TUNE_FATE_QUALITY,
	[FATE_SPEED] = TEXT_TUNE_FATE_SPEED,
	[FATE_TWIN] = TEXT_TUNE_FATE_TWIN,
	[FATE_FAILED] = TEXT_TUNE_FATE_FAILED,
};

void tuning_setting_words(struct buf *out, const struct tuning_candidate *c, bool chunk, enum lang lang)
{
	char number[24];

	buf_str(out, c->strategy);
	if (c->skip_zeros)
		buf_printf(out, "%s%s", text(TEXT_LIST_COMMA, lang), text(TEXT_TUNE_SKIPS, lang));
	buf_str(out, text(TEXT_LIST_COMMA, lang));
	snprintf(number, sizeof number, "%d", c->threads);
	text_fill(out, lang, TEXT_TUNE_THREADS, number);
	snprintf(number, sizeof number, "%zu", c->chunk_len);
	buf_str(out, chunk ? text(TEXT_LIST_COMMA, lang) : "");
	if (chunk)
		text_fill(out, lang, TEXT_TUNE_CHUNK, number);
}

void tuning_judgement_words(struct buf *out, const struct tuning_candidate *c, enum lang lang)
{
	const struct race_gap *g = &c->behind;
	char of[3][24];
	const double value[3] = { g->mean, g->low, g->high };

	for (int i = 0; i < 3; i++)
		snprintf(of[i], sizeof of[i], "%+.1f", 100 * expm1(value[i]));
	if (g->high - g->low < TOO_WIDE && c->fate != FATE_CHOSEN) {
		text_fill(out, lang, TEXT_TUNE_BETWEEN, of[0], of[1], of[2]);
		buf_char(out, ' ');
	} else if (isfinite(g->mean) && c->fate != FATE_CHOSEN) {
		text_fill(out, lang, TEXT_TUNE_ONLY, of[0]);
		buf_char(out, ' ');
	}
	buf_str(out, text(fate_texts[c->fate], lang));
}

static uint64_t tied(const struct tuning_heat *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < h->race.n; i++)
		n += h->of[i].fate == FATE_SAME;
	return n;
}

void tuning_choice_words(struct buf *out, const struct tuning *t, enum lang lang)
{
	const struct tuning_candidate *c = tuning_chosen(t);
	uint64_t others = tied(&t->heat[0]);
	struct buf setting = { 0 };
	char number[TERM_TEXT];

	if (!c) {
		buf_str(out, text(TEXT_TUNE_NONE, lang));
		return;
	}
	tuning_setting_words(&setting, c, true, lang);
	text_fill(out, lang, TEXT_TUNE_CHOICE, buf_text(&setting));
	if (others && t->objective != TUNE_MEMORY)
		text_fill(out, lang, TEXT_TUNE_TIED, term_count(number, others));
	buf_free_into(&setting, out);
}
