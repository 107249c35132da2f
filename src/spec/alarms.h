/* alarms.h - alarm types, severities, events and acts as data. */
#ifndef RWKVMON_SPEC_ALARMS_H
#define RWKVMON_SPEC_ALARMS_H

#include "base/slice.h"
#include "spec/lang.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL, SEVERITY_COUNT };

/* The kinds of mode collapse: `kind` of mode_collapse. */
enum collapse_kind { COLLAPSE_NONE, COLLAPSE_LOOP, COLLAPSE_LOW_ENTROPY, COLLAPSE_STATE_FREEZE, COLLAPSE_KIND_COUNT };

enum alarm_type {
#define ALARM(name, ...) ALARM_##name,
#include "spec/alarms.def"
#undef ALARM
	ALARM_TYPE_COUNT
};

struct alarm_spec {
	const char *id; /* "high_latency" */
	enum severity severity;
	const char *label[LANG_COUNT];
};

extern const struct alarm_spec alarm_specs[ALARM_TYPE_COUNT];
extern const char *const collapse_ids[COLLAPSE_KIND_COUNT]; /* "", "loop", "low_entropy", "state_freeze" */
extern const char *const severity_ids[SEVERITY_COUNT];      /* "info", "warning", "critical" */

/* The alarm type with that id; ALARM_TYPE_COUNT when there is none. */
enum alarm_type alarm_by_id(struct slice id);

enum event_type {
#define EVENT(name, ...) EVENT_##name,
#include "spec/events.def"
#undef EVENT
	EVENT_TYPE_COUNT
};

extern const char *const event_ids[EVENT_TYPE_COUNT]; /* "inference_step", … */

/* The event type with that id; EVENT_TYPE_COUNT when there is none. */
enum event_type event_by_id(struct slice id);

/* What was done about an alarm. */
enum act_type {
#define ACT(name, ...) ACT_##name,
#include "spec/acts.def"
#undef ACT
	ACT_COUNT
};

extern const struct act_spec {
	const char *id;
	const char *label[LANG_COUNT];
} act_specs[ACT_COUNT];

enum act_type act_by_id(struct slice id); /* ACT_OTHER when there is none */

enum phase { PHASE_UNKNOWN, PHASE_PREFILL, PHASE_DECODE, PHASE_COUNT };

extern const char *const phase_ids[PHASE_COUNT]; /* "", "prefill", "decode" */

#endif
