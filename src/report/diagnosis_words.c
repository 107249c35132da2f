/* diagnosis_words.c - fills the texts of diagnosis.def with numbers. */
#include "report/diagnosis_words.h"

#include "report/terminal.h"

#include <math.h>

/* `whole` has failed when there was no memory for a value. */
static void tokens(char out[TERM_TEXT], double n, enum lang lang, struct buf *whole)
{
	struct buf words = { 0 };
	char number[TERM_TEXT];

	term_number(number, rint(n));
	text_fill(&words, lang, TEXT_TERM_TOKENS, number);
	snprintf(out, TERM_TEXT, "%.200s", words.p ? words.p : number);
	buf_free_into(&words, whole);
}

static void ratio(char out[TERM_TEXT], double value)
{
	snprintf(out, TERM_TEXT, value >= 10 ? "%.0f×" : "%.1f×", value);
}

static void percent(char out[TERM_TEXT], double value)
{
	double size = fabs(value);

	snprintf(out, TERM_TEXT, size > 0 && size < 9.95 ? "%.1f %%" : "%.0f %%", value);
}

static double two_digits(double value)
{
	const double unit = pow(10, floor(log10(fabs(value))) - 1);

	return isfinite(unit) && unit > 0 ? round(value / unit) * unit : value;
}

/* One value in its unit, for people. */
static void value_text(char out[TERM_TEXT], char unit, double value, const char *text, enum lang lang,
		       struct buf *whole)
{
	char number[TERM_TEXT];

	if (unit == 'T') {
		snprintf(out, TERM_TEXT, "%.200s", *text ? text : "-");
		return;
	}
	if (unit == 'N') {
		const enum metric_id m = metric_by_id(slice_of(text));

		snprintf(out, TERM_TEXT, "%.200s", m < METRIC_COUNT ? metric_specs[m].label[lang] : text);
		return;
	}
	if (!isfinite(value)) {
		snprintf(out, TERM_TEXT, "-");
		return;
	}
	term_number(number, value);
	switch (unit) {
	case 'a':
		snprintf(out, TERM_TEXT, "%.9g ms", two_digits(value));
		break;
	case 'm':
		snprintf(out, TERM_TEXT, "%.60s ms", number);
		break;
	case 'x':
		ratio(out, value);
		break;
	case 'p':
		percent(out, value);
		break;
	case 'M':
		term_bytes(out, value * 1048576);
		break;
	case 'B':
		term_bytes(out, value);
		break;
	case 'G':
		snprintf(out, TERM_TEXT, "%.60s GB/s", number);
		break;
	case 's':
		snprintf(out, TERM_TEXT, "%.60s s", number);
		break;
	case 't':
		tokens(out, value, lang, whole);
		break;
	case 'r':
		snprintf(out, TERM_TEXT, "%.60s tokens/s", number);
		break;
	default:
		snprintf(out, TERM_TEXT, "%.60s", number);
	}
}

/* texts: one more than the words take. */
static void fill(struct buf *out, const char *words, char texts[][TERM_TEXT])
{
	const char *values[EVIDENCE_VALUES + 1];

	for (size_t i = 0; i <= EVIDENCE_VALUES; i++)
		values[i] = texts[i];
	text_fill_words(out, words, values);
}

static bool is_text(char unit)
{
	return unit == 'T' || unit == 'N';
}

size_t evidence_numbers(const struct evidence_spec *spec)
{
	size_t n = 0;

	for (const char *unit = spec->units; *unit; unit++)
		n += !is_text(*unit);
	return n;
}

void evidence_sentence(struct buf *out, const struct evidence *e, enum lang lang)
{
	const struct evidence_spec *spec = &evidence_specs[e->id];
	char texts[EVIDENCE_VALUES + 1][TERM_TEXT] = { "" };
	size_t numbers = 0;

	for (size_t i = 0; spec->units[i]; i++) {
		const bool number = !is_text(spec->units[i]);

		value_text(texts[i], spec->units[i], number ? e->value[numbers] : (double)NAN, e->text, lang, out);
		numbers += number;
	}
	fill(out, spec->text[lang], texts);
}

const char *fix_words(const struct diagnosis *d, enum cause_id cause, enum lang lang)
{
	return cause_fix(cause, d->situations, lang);
}

void gain_words(struct buf *out, const struct diagnosis *d, enum lang lang)
{
	const char *words = cause_specs[d->cause].gain[lang], *bar = strchr(words, '|');
	char with[512], texts[EVIDENCE_VALUES + 1][TERM_TEXT] = { "" };

	if (!cause_gain_holds(d->cause, d->situations)) {
		buf_str(out, text(TEXT_DIAGNOSIS_GAIN_UNKNOWN, lang));
		return;
	}
	if (!bar || !isfinite(d->gain) || d->gain <= 0) {
		buf_str(out, bar ? bar + 1 : words);
		return;
	}
	snprintf(with, sizeof with, "%.*s", (int)(bar - words), words);
	value_text(texts[0], d->gain_unit, d->gain, "", lang, out);
	fill(out, with, texts);
}

/* Its figure is that of the fast part, which a log does not have where it was so from the beginning. */
static bool lacks_fast_part(const struct diagnosis *d)
{
	switch (d->cause) {
	case CAUSE_CPU_QUOTA:
	case CAUSE_GPU_THROTTLING:
	case CAUSE_OTHER_LOAD:
	case CAUSE_SWAPPING:
	case CAUSE_THROTTLING:
		return !isfinite(d->gain);
	default:
		return false;
	}
}

const char *basis_words(const struct diagnosis *d, enum lang lang)
{
	if (lacks_fast_part(d))
		return text(TEXT_DIAGNOSIS_BASIS_NO_FAST, lang);
	return cause_gain_holds(d->cause, d->situations) ? cause_specs[d->cause].basis[lang]
							 : text(TEXT_DIAGNOSIS_BASIS_UNKNOWN, lang);
}

void difficulty_stars(struct buf *out, int difficulty)
{
	for (int i = 1; i <= 5; i++)
		buf_str(out, i <= difficulty ? "★" : "☆");
}

enum text_id confidence_text(enum confidence c)
{
	return c == CONFIDENCE_HIGH     ? TEXT_DIAGNOSIS_SURE
	       : c == CONFIDENCE_MEDIUM ? TEXT_DIAGNOSIS_LIKELY
					: TEXT_DIAGNOSIS_WEAK;
}

const char *answer_title(enum answer_id a, enum lang lang)
{
	const struct answer_spec *s = &answer_specs[a];

	return s->to_cause ? cause_specs[s->target].title[lang] : s->text[lang];
}

bool ruled_out_words(struct buf *out, const struct diagnosis *d, enum answer_id a, enum lang lang)
{
	bool any = false;

	if (!d->ruled_out[a])
		return false;
	for (size_t i = 0; i < d->n_evidence; i++) {
		if (d->evidence[i].answer != a)
			continue;
		buf_str(out, !any ? "" : text(TEXT_BLANK, lang));
		evidence_sentence(out, &d->evidence[i], lang);
		any = true;
	}
	return any;
}

bool evidence_speaks_for(const struct diagnosis *d, const struct evidence *e)
{
	return diagnosis_took(d, e->answer);
}
