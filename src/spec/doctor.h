/* doctor.h - the checks of `rwkvmon doctor` and what they can find, as data. */
#ifndef RWKVMON_SPEC_DOCTOR_H
#define RWKVMON_SPEC_DOCTOR_H

#include "spec/lang.h"

enum check_id {
#define CHECK(name, ...) CHECK_##name,
#define FINDING(...)
#include "spec/doctor.def"
#undef CHECK
#undef FINDING
	CHECK_COUNT
};

enum finding_id {
#define CHECK(...)
#define FINDING(name, ...) FOUND_##name,
#include "spec/doctor.def"
#undef CHECK
#undef FINDING
	FOUND_COUNT
};

enum finding_state { FINDING_FINE, FINDING_PROBLEM, FINDING_UNUSED, FINDING_STATES };

struct check_spec {
	const char *id;
	const char *title[LANG_COUNT];
};

struct finding_spec {
	enum finding_state state;
	const char *text[LANG_COUNT], *fix[LANG_COUNT]; /* with %s */
};

extern const struct check_spec check_specs[CHECK_COUNT];
extern const struct finding_spec finding_specs[FOUND_COUNT];
extern const char *const finding_state_names[FINDING_STATES]; /* "fine", "problem", "unused" */

#endif
