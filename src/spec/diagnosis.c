/* diagnosis.c - the rows of diagnosis.def. */
#include "spec/diagnosis.h"

#include <math.h>

const struct question_spec question_specs[QUESTION_COUNT] = {
#define QUESTION(name, id_, en, zh) [Q_##name] = { .id = id_, .text = { en, zh } },
#include "spec/diagnosis.def"
};

enum { TO_QUESTION, TO_CAUSE };
#define TARGET_QUESTION(target) Q_##target
#define TARGET_CAUSE(target) CAUSE_##target

const struct answer_spec answer_specs[ANSWER_COUNT] = {
#define ANSWER(name, question_, to, target_, en, zh)                                                                   \
	[A_##name] = { .question = Q_##question_,                                                                      \
		       .to_cause = TO_##to,                                                                            \
		       .target = (int)TARGET_##to(target_),                                                            \
		       .text = { en, zh } },
#include "spec/diagnosis.def"
};

const struct cause_spec cause_specs[CAUSE_COUNT] = {
#define CAUSE(name, id_, kind_, difficulty_, title_en, title_zh, meaning_en, meaning_zh, fix_en, fix_zh, gain_en,      \
	      gain_zh, basis_en, basis_zh)                                                                             \
	[CAUSE_##name] = { .id = id_,                                                                                  \
			   .kind = CAUSE_IS_##kind_,                                                                   \
			   .difficulty = difficulty_,                                                                  \
			   .title = { title_en, title_zh },                                                            \
			   .meaning = { meaning_en, meaning_zh },                                                      \
			   .fix = { fix_en, fix_zh },                                                                  \
			   .gain = { gain_en, gain_zh },                                                               \
			   .basis = { basis_en, basis_zh } },
#include "spec/diagnosis.def"
};

const struct evidence_spec evidence_specs[EVIDENCE_COUNT] = {
#define EVIDENCE(name, id_, units_, en, zh) [E_##name] = { .id = id_, .units = units_, .text = { en, zh } },
#include "spec/diagnosis.def"
};

const struct threshold_spec threshold_specs[THRESHOLD_COUNT] = {
#define THRESHOLD(name, id_, value_, sure_, unit_, en, zh)                                                             \
	[T_##name] = { .id = id_, .value = value_, .sure = sure_, .unit = unit_, .text = { en, zh } },
#include "spec/diagnosis.def"
};

const struct fix_spec fix_specs[] = {
#define FIX(cause_, when_, en, zh) { .cause = CAUSE_##cause_, .when = IN_##when_, .text = { en, zh } },
#include "spec/diagnosis.def"
};
const size_t fix_count = sizeof fix_specs / sizeof *fix_specs;

const char *const situation_texts[SITUATION_COUNT][LANG_COUNT] = {
#define SITUATION(name, en, zh) [IN_##name] = { en, zh },
#include "spec/diagnosis.def"
};

const char *cause_fix(enum cause_id cause, unsigned situations, enum lang lang)
{
	for (size_t i = 0; i < fix_count; i++)
		if (fix_specs[i].cause == cause && situations >> fix_specs[i].when & 1)
			return fix_specs[i].text[lang];
	return cause_specs[cause].fix[lang];
}

bool cause_gain_holds(enum cause_id cause, unsigned situations)
{
	static const unsigned no_int8 =
		1U << IN_GPU_INT8 | 1U << IN_CPU_INT8 | 1U << IN_PACKAGE_7 | 1U << IN_ONE_OF_SEVERAL;
	const bool is_of_int8 = cause == CAUSE_BANDWIDTH || cause == CAUSE_DECODE_BOUND || cause == CAUSE_OFFLOADED ||
				cause == CAUSE_VRAM_ABOVE_PLAN;

	return !is_of_int8 || !(situations & no_int8);
}

enum answer_id answers_first(enum question_id q)
{
	int a = 0;

	while (a < ANSWER_COUNT && answer_specs[a].question != q)
		a++;
	return (enum answer_id)a;
}

enum answer_id answers_end(enum question_id q)
{
	int a = (int)answers_first(q);

	while (a < ANSWER_COUNT && answer_specs[a].question == q)
		a++;
	return (enum answer_id)a;
}
