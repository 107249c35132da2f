/* fields.h - the field table of fields.def as data. */
#ifndef RWKVMON_SPEC_FIELDS_H
#define RWKVMON_SPEC_FIELDS_H

#include "base/slice.h"
#include "spec/alarms.h"

#include <stdint.h>

enum field_kind {
	KIND_TIME,
	KIND_EVENT,
	KIND_PHASE,
	KIND_TEXT,
	KIND_COUNT,
	KIND_NUMBER,
	KIND_TOKENS,
	KIND_NUMBERS,
	KIND_GPUS,
	KIND_METRICS,
	KIND_DETAILS,
	KIND_JSON
};

enum field_owner { OWNER_RECORD, OWNER_SESSION, OWNER_EXTRA };

enum field_id {
#define FIELD(name, ...) F_##name,
#include "spec/fields.def"
#undef FIELD
	FIELD_COUNT
};

struct field_spec {
	const char *path; /* "metadata.model_name" */
	enum field_kind kind;
	enum field_owner owner;
	const char *events; /* letters, see fields.def */
	const char *help;
};

extern const struct field_spec field_specs[FIELD_COUNT];

/* Is the field written in lines of this event? */
bool field_in_event(enum field_id f, enum event_type event);

/* Is the field's value in struct field_values a text? */
static inline bool field_is_text(enum field_id f)
{
	return field_specs[f].kind == KIND_TEXT || field_specs[f].kind == KIND_JSON;
}

/* Values of TEXT, JSON, COUNT and NUMBER fields; bit f of `have` is set if v[f] is known. */
struct field_values {
	uint64_t have[2];
	union field_value {
		double number;
		struct slice text;
	} v[FIELD_COUNT];
};

static inline bool fields_have(const struct field_values *values, enum field_id f)
{
	return values->have[f / 64] >> (f % 64) & 1;
}

static inline void fields_set_number(struct field_values *values, enum field_id f, double number)
{
	values->have[f / 64] |= UINT64_C(1) << (f % 64);
	values->v[f].number = number;
}

static inline void fields_unset(struct field_values *values, enum field_id f)
{
	values->have[f / 64] &= ~(UINT64_C(1) << (f % 64));
}

/* A NULL text sets nothing. */
static inline void fields_set_text(struct field_values *values, enum field_id f, struct slice text)
{
	if (!text.p)
		return;
	values->have[f / 64] |= UINT64_C(1) << (f % 64);
	values->v[f].text = text;
}

/* The text, or an empty slice. */
static inline struct slice fields_text(const struct field_values *values, enum field_id f)
{
	return fields_have(values, f) ? values->v[f].text : (struct slice){ "", 0 };
}

/* The number, or `otherwise`. */
static inline double fields_number(const struct field_values *values, enum field_id f, double otherwise)
{
	return fields_have(values, f) ? values->v[f].number : otherwise;
}

/* A count as a log has it; a value that is no count gives 0. `values` may be NULL. */
static inline uint64_t fields_count(const struct field_values *values, enum field_id f)
{
	double n = values ? fields_number(values, f, 0) : 0;

	return n > 0 && n < 9007199254740992.0 ? (uint64_t)n : 0;
}

#endif
