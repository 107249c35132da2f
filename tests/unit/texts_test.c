/* Every text that people see exists in both languages, with the same places for values. */
#include "test.h"

#include "analyze/findings.h"
#include "report/diagnosis_words.h"
#include "spec/alarms.h"
#include "spec/charts.h"
#include "spec/diagnosis.h"
#include "spec/diagrams.h"
#include "spec/metrics.h"
#include "spec/options.h"
#include "spec/pairs.h"
#include "spec/skipped.h"
#include "spec/text.h"

#include <ctype.h>

static bool has_chinese(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0xe3) /* CJK starts at U+3000 */
			return true;
	return false;
}

/* Small Latin words in a row: a sentence, which a translation has in Chinese. */
static bool is_sentence(const char *text)
{
	int run = 0, words = 0;

	for (; *text; text++) {
		run = islower((unsigned char)*text) ? run + 1 : 0;
		words += run == 2;
	}
	return words >= 3;
}

static int holes(const char *text)
{
	int n = 0;

	for (; (text = strstr(text, "%s")); text += 2)
		n++;
	return n;
}

static void check(const char *where, const char *const text[LANG_COUNT])
{
	if (!text[LANG_EN] || !text[LANG_ZH] || (*text[LANG_EN] != ' ' && !*text[LANG_EN] != !*text[LANG_ZH]))
		fail_msg("%s: \"%s\" has no translation", where, text[LANG_EN] ? text[LANG_EN] : "(null)");
	if (is_sentence(text[LANG_EN]) && !has_chinese(text[LANG_ZH]))
		fail_msg("%s: \"%s\" is not Chinese", where, text[LANG_ZH]);
	if (has_chinese(text[LANG_EN]))
		fail_msg("%s: \"%s\" is not English", where, text[LANG_EN]);
	if (holes(text[LANG_EN]) != holes(text[LANG_ZH]))
		fail_msg("%s: \"%s\" and \"%s\" differ in their %%s", where, text[LANG_EN], text[LANG_ZH]);
}

#define CHECK_ALL(table, n, member)                                                                                    \
	for (size_t i = 0; i < (size_t)(n); i++)                                                                       \
	check(#table "." #member, (table)[i].member)

static void words_of_reports(void **state)
{
	(void)state;
	for (int id = 0; id < TEXT_COUNT; id++)
		check("text.def", (const char *[]){ text((enum text_id)id, LANG_EN), text((enum text_id)id, LANG_ZH) });
}

static void the_page_names_its_bounds(void **state)
{
	char points[20], sessions[20];

	(void)state;
	snprintf(points, sizeof points, "%d", FINDINGS_BUCKETS_MAX);
	snprintf(sessions, sizeof sessions, "%d", FINDINGS_CHARTED_SESSIONS);
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		assert_non_null(strstr(text(TEXT_PAGE_CHART_HELP, (enum lang)lang), points));
		assert_non_null(strstr(text(TEXT_PAGE_CHART_HELP, (enum lang)lang), sessions));
	}
}

static void metrics_alarms_charts(void **state)
{
	(void)state;
	CHECK_ALL(skipped_specs, SKIPPED_COUNT, text);
	CHECK_ALL(metric_specs, METRIC_COUNT, label);
	CHECK_ALL(metric_specs, METRIC_COUNT, help);
	CHECK_ALL(alarm_specs, ALARM_TYPE_COUNT, label);
	CHECK_ALL(chart_specs, CHART_COUNT, title);
	CHECK_ALL(chart_specs, CHART_COUNT, question);
	CHECK_ALL(panel_specs, PANEL_COUNT, title);
	CHECK_ALL(pair_specs, PAIR_COUNT, meaning);
}

static void diagnosis_and_diagrams(void **state)
{
	(void)state;
	CHECK_ALL(question_specs, QUESTION_COUNT, text);
	CHECK_ALL(answer_specs, ANSWER_COUNT, text);
	CHECK_ALL(cause_specs, CAUSE_COUNT, title);
	CHECK_ALL(cause_specs, CAUSE_COUNT, meaning);
	CHECK_ALL(cause_specs, CAUSE_COUNT, fix);
	CHECK_ALL(cause_specs, CAUSE_COUNT, gain);
	CHECK_ALL(cause_specs, CAUSE_COUNT, basis);
	CHECK_ALL(evidence_specs, EVIDENCE_COUNT, text);
	CHECK_ALL(threshold_specs, THRESHOLD_COUNT, text);
	CHECK_ALL(fix_specs, fix_count, text);
	for (int s = 0; s < SITUATION_COUNT; s++)
		check("situation_texts", situation_texts[s]);
	CHECK_ALL(diagram_specs, DIAGRAM_COUNT, title);
	CHECK_ALL(diagram_specs, DIAGRAM_COUNT, says);
	CHECK_ALL(group_specs, GROUP_COUNT, title);
	CHECK_ALL(box_specs, BOX_COUNT, text);
	CHECK_ALL(arrow_specs, arrow_spec_count, text);
}

static void commands_and_options(void **state)
{
	(void)state;
	CHECK_ALL(command_specs, COMMAND_COUNT, help);
	CHECK_ALL(option_specs, option_specs_n, help);
}

/* A value for each %s, and no more values than a piece of evidence holds. */
static void evidence_has_its_values(void **state)
{
	(void)state;
	for (int e = 0; e < EVIDENCE_COUNT; e++) {
		const struct evidence_spec *s = &evidence_specs[e];
		size_t numbers = evidence_numbers(s);

		if ((size_t)holes(s->text[LANG_EN]) != strlen(s->units) || numbers > EVIDENCE_VALUES)
			fail_msg("evidence %s: units \"%s\" for \"%s\"", s->id, s->units, s->text[LANG_EN]);
	}
}

/* Every question and every cause can be reached from the root, and each question has answers. */
static void the_tree_is_whole(void **state)
{
	bool asked[QUESTION_COUNT] = { [Q_FINITE] = true }, named[CAUSE_COUNT] = { false };

	(void)state;
	for (int a = 0; a < ANSWER_COUNT; a++) {
		const struct answer_spec *s = &answer_specs[a];

		if (s->to_cause)
			named[s->target] = true;
		else
			asked[s->target] = true;
		if (!s->to_cause)
			assert_true(s->target > (int)s->question); /* so that no walk goes round */
	}
	for (int q = 0; q < QUESTION_COUNT; q++) {
		assert_true(asked[q]);
		assert_true(answers_first((enum question_id)q) < answers_end((enum question_id)q));
	}
	for (int c = 0; c < CAUSE_COUNT; c++) {
		assert_true(named[c]);
		assert_in_range(cause_specs[c].difficulty, 1, 5);
	}
}

static void filled(struct buf *out, const char *words, const char *first, const char *second)
{
	buf_clear(out);
	text_fill_words(out, words, (const char *const[]){ first, second });
}

static void one_and_many_are_worded_apart(void **state)
{
	static const char words[] = "%s of %s {session was|sessions were} {read|seen}.";
	struct buf out = { 0 };

	(void)state;
	filled(&out, words, "0", "1");
	assert_string_equal(out.p, "0 of 1 session was read.");
	filled(&out, words, "1", "1,501");
	assert_string_equal(out.p, "1 of 1,501 sessions were seen.");
	filled(&out, "{session} %s", "{a|b}", NULL); /* a value is never taken apart */
	assert_string_equal(out.p, "{session} {a|b}");
	buf_clear(&out);
	text_fill(&out, LANG_EN, TEXT_TERM_SESSION_COUNT, "1");
	assert_string_equal(out.p, "1 session");
	buf_free(&out);
}

/* {one|many} has a value before it, and no count is worded for many alone. */
static void no_count_stands_before_a_plural(void **state)
{
	static const char *const nouns[] = { "sessions", "instances", "tokens", "records", "lines",
					     "steps",    "calls",     "events", "cores",   "threads",
					     "runs",     "settings",  "peers",  "rounds" };

	(void)state;
	for (int id = 0; id < TEXT_COUNT; id++) {
		const char *words = text((enum text_id)id, LANG_EN);
		const char *choice = strchr(words, '{'), *value = strstr(words, "%s");
		char plural[40];

		if (choice && (!value || value > choice))
			fail_msg("\"%s\": a choice without a value before it", words);
		for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++) {
			const char *at;

			snprintf(plural, sizeof plural, "%%s %s", nouns[i]);
			at = strstr(words, plural);
			if (at && at[strlen(plural)] != '/') /* tokens/s is a unit */
				fail_msg("\"%s\": \"%s\" also of one", words, plural);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_reports),
		cmocka_unit_test(the_page_names_its_bounds),
		cmocka_unit_test(metrics_alarms_charts),
		cmocka_unit_test(diagnosis_and_diagrams),
		cmocka_unit_test(commands_and_options),
		cmocka_unit_test(evidence_has_its_values),
		cmocka_unit_test(the_tree_is_whole),
		cmocka_unit_test(one_and_many_are_worded_apart),
		cmocka_unit_test(no_count_stands_before_a_plural),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
