/* doctor.c - the rows of doctor.def. */
#include "spec/doctor.h"

const struct check_spec check_specs[CHECK_COUNT] = {
#define CHECK(name, id_, en, zh) [CHECK_##name] = { .id = id_, .title = { en, zh } },
#define FINDING(...)
#include "spec/doctor.def"
#undef CHECK
#undef FINDING
};

const struct finding_spec finding_specs[FOUND_COUNT] = {
#define CHECK(...)
#define FINDING(name, state_, en, zh, fix_en, fix_zh)                                                                  \
	[FOUND_##name] = { .state = FINDING_##state_, .text = { en, zh }, .fix = { fix_en, fix_zh } },
#include "spec/doctor.def"
#undef CHECK
#undef FINDING
};

const char *const finding_state_names[FINDING_STATES] = { "fine", "problem", "unused" };
