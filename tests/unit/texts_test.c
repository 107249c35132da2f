/* Every text that people see exists in both languages, with the same places for values. */
#include "test.h"

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
	if (!text[LANG_EN] || !text[LANG_ZH] || !*text[LANG_EN] != !*text[LANG_ZH])
		fail_msg("%s: \"%s\" has no translation", where, text[LANG_EN] ? text[LANG_EN] : "(null)");
	if (is_sentence(text[LANG_EN]) && !has_chinese(text[LANG_ZH]))
		fail_msg("%s: \"%s\" is not Chinese", where, text[LANG_ZH]);
	if (has_chinese(text[LANG_EN]))
		fail_msg("%s: \"%s\" is not English", where, text[LANG_EN]);
	if (holes(text[LANG_EN]) != holes(text[LANG_ZH]))
		fail_msg("%s: \"%s\" and \"%s\" differ in their %%s", where, text[LANG_EN], text[LANG_ZH]);
}

#define CHECK_ALL(table, n, member)                                                                                   \
	for (size_t i = 0; i < (size_t)(n); i++)                                                                      \
	check(#table "." #member, (table)[i].member)

static void words_of_reports(void **state)
{
	(void)state;
	for (int id = 0; id < TEXT_COUNT; id++)
		check("text.def", (const char *[]){ text((enum text_id)id, LANG_EN), text((enum text_id)id, LANG_ZH) });
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
		size_t numbers = strlen(s->units) - (strchr(s->units, 'T') ? 1 : 0);

		if ((size_t)holes(s->text[LANG_EN]) != strlen(s->units) || numbers > EVIDENCE_VALUES)
			fail_msg("evidence %s: units \"%s\" for \"%s\"", s->id, s->units, s->text[LANG_EN]);
	}
}

/* Every question and every cause can be reached from the root, and each question has answers. */
static void the_tree_is_whole(void **state)
{
	bool asked[QUESTION_COUNT] = { [Q_ENOUGH] = true }, named[CAUSE_COUNT] = { false };

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_reports),	     cmocka_unit_test(metrics_alarms_charts),
		cmocka_unit_test(diagnosis_and_diagrams),    cmocka_unit_test(commands_and_options),
		cmocka_unit_test(evidence_has_its_values),   cmocka_unit_test(the_tree_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
