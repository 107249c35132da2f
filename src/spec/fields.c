/* fields.c - the rows of fields.def. */
#include "spec/fields.h"

#include <assert.h>

static_assert(FIELD_COUNT <= 128, "field_values.have has 128 bits");

const struct field_spec field_specs[FIELD_COUNT] = {
#define FIELD(name, path_, kind_, owner_, events_, help_)                                                              \
	[F_##name] = { .path = path_, .kind = KIND_##kind_, .owner = OWNER_##owner_, .events = events_, .help = help_ },
#include "spec/fields.def"
#undef FIELD
};

bool field_in_event(enum field_id f, enum event_type event)
{
	static const char letter[EVENT_TYPE_COUNT] = {
		[EVENT_INFERENCE_STEP] = 'S', [EVENT_SESSION_START] = 'B',  [EVENT_SESSION_END] = 'E',
		[EVENT_ALARM] = 'A',          [EVENT_ALARM_RESOLVED] = 'A', [EVENT_GAP] = 'G',
		[EVENT_ACTION] = 'D',         [EVENT_ROLLUP] = 'R',
	};

	return strchr(field_specs[f].events, letter[event]) != NULL;
}
