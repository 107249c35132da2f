/* alarms.c - the rows of alarms.def, events.def and acts.def, and look-ups by id. */
#include "spec/alarms.h"

const struct alarm_spec alarm_specs[ALARM_TYPE_COUNT] = {
#define ALARM(name, id_, severity_, en, zh)                                                                            \
	[ALARM_##name] = { .id = id_, .severity = SEVERITY_##severity_, .label = { en, zh } },
#include "spec/alarms.def"
#undef ALARM
};

const char *const severity_ids[SEVERITY_COUNT] = { "info", "warning", "critical" };

const char *const collapse_ids[COLLAPSE_KIND_COUNT] = { "", "loop", "low_entropy", "state_freeze" };

const char *const event_ids[EVENT_TYPE_COUNT] = {
#define EVENT(name, id, meaning) [EVENT_##name] = id,
#include "spec/events.def"
#undef EVENT
};

const struct act_spec act_specs[ACT_COUNT] = {
#define ACT(name, id_, en, zh) [ACT_##name] = { .id = id_, .label = { en, zh } },
#include "spec/acts.def"
#undef ACT
};

const char *const phase_ids[PHASE_COUNT] = { "", "prefill", "decode" };

enum alarm_type alarm_by_id(struct slice id)
{
	int type = 0;

	while (type < ALARM_TYPE_COUNT && !slice_is(id, alarm_specs[type].id))
		type++;
	return (enum alarm_type)type;
}

enum event_type event_by_id(struct slice id)
{
	int type = 0;

	while (type < EVENT_TYPE_COUNT && !slice_is(id, event_ids[type]))
		type++;
	return (enum event_type)type;
}

enum act_type act_by_id(struct slice id)
{
	int type = 0;

	while (type < ACT_OTHER && !slice_is(id, act_specs[type].id))
		type++;
	return (enum act_type)type;
}
