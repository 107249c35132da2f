/* families.c - the rows of families.def. */
#include "spec/families.h"

#define LABEL(label, key, ...) static const char *const values_##label[] = { __VA_ARGS__ };
#include "spec/families.def"

#define LABEL(label, key, ...) static const char key_##label[] = key;
#include "spec/families.def"

static const char key_ALARM_TYPE[] = "alarm";
static const char *const values_ALARM_TYPE[] = {
#define ALARM(name, id, ...) id,
#include "spec/alarms.def"
#undef ALARM
};

static const char key_ACT[] = "action";
static const char *const values_ACT[] = {
#define ACT(name, id, ...) id,
#include "spec/acts.def"
#undef ACT
};

#define BOUNDS(set, ...) static const double bounds_##set[] = { __VA_ARGS__ };
#include "spec/families.def"

#define BOUNDS(set, ...) _Static_assert(sizeof bounds_##set / sizeof(double) <= BOUNDS_MAX, "BOUNDS_MAX");
#include "spec/families.def"

const struct family_spec family_specs[FAMILY_COUNT] = {
#define FAMILY(name, prom_, kind_, unit_, over_, start_, label_, set_, en, zh)                                         \
	[FAM_##name] = { .prom = prom_,                                                                                \
			 .kind = FAMILY_##kind_,                                                                       \
			 .unit = unit_,                                                                                \
			 .over = OVER_##over_,                                                                         \
			 .start = START_##start_,                                                                      \
			 .first = S_##name,                                                                            \
			 .n_values = LABEL_##label_,                                                                   \
			 .label = key_##label_,                                                                        \
			 .values = values_##label_,                                                                    \
			 .gpu = FAM_##name >= FAM_GPU_MEMORY_USED && FAM_##name <= FAM_GPU_UTILIZATION,                \
			 .bounds = bounds_##set_,                                                                      \
			 .n_bounds = FAMILY_##kind_ == FAMILY_HISTOGRAM ? sizeof bounds_##set_ / sizeof *bounds_##set_ \
									: 0,                                           \
			 .help = { en, zh } },
#include "spec/families.def"
};

const struct family_feed family_feeds[] = {
#define FEED(series_, metric_, scale_, offset_) { S_##series_, M_##metric_, scale_, offset_ },
#include "spec/families.def"
};

const size_t family_feed_count = sizeof family_feeds / sizeof *family_feeds;

enum family_id family_of(enum series_id s)
{
	int f = FAMILY_COUNT - 1;

	while (family_specs[f].first > s)
		f--;
	return (enum family_id)f;
}
