/* metrics.c - the rows of metrics.def, and lookups by id. */
#include "spec/metrics.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static_assert(METRIC_COUNT <= 64, "a record's `have` bits are one word");

#define SCALE(decimals)                                                                                                \
	((decimals) == 0   ? 1                                                                                         \
	 : (decimals) == 1 ? 1e1                                                                                       \
	 : (decimals) == 2 ? 1e2                                                                                       \
	 : (decimals) == 3 ? 1e3                                                                                       \
	 : (decimals) == 4 ? 1e4                                                                                       \
	 : (decimals) == 5 ? 1e5                                                                                       \
			   : 1e6)

const struct metric_spec metric_specs[METRIC_COUNT] = {
#define METRIC(core_, name_, group_, id_, key_, unit_, decimals_, better_, en, zh, help_en, help_zh)                   \
	[M_##name_] = { .core = core_,                                                                                 \
			.group = METRIC_##group_,                                                                      \
			.id = id_,                                                                                     \
			.key = key_,                                                                                   \
			.unit = unit_,                                                                                 \
			.decimals = decimals_,                                                                         \
			.scale = SCALE(decimals_),                                                                     \
			.better = BETTER_##better_,                                                                    \
			.label = { en, zh },                                                                           \
			.help = { help_en, help_zh } },
#include "spec/metrics.def"
#undef METRIC
};

const char *const metric_group_keys[METRIC_GROUP_COUNT] = {
	[METRIC_PERFORMANCE] = "performance",
	[METRIC_RESOURCES] = "resources",
	[METRIC_ACCURACY] = "accuracy",
};

enum metric_id metric_by_id(struct slice id)
{
	int m = 0;

	while (m < METRIC_COUNT && !slice_is(id, metric_specs[m].id))
		m++;
	return (enum metric_id)m;
}

/* Cosines. */
bool metric_is_similarity(enum metric_id m)
{
	return m == M_STATE_SIMILARITY || m == M_STATE_SIMILARITY_SHIFT || m == M_STATE_SIMILARITY_WKV;
}

double metric_possible(enum metric_id m, double value)
{
	double least = metric_is_similarity(m) ? -1 : 0;
	double most = metric_is_similarity(m) || m == M_QUANT_TOP1_AGREE ? 1
		      : !strcmp(metric_specs[m].unit, "%")               ? 100
									 : INFINITY;

	return value < least ? least : value > most ? most : value;
}

double metric_as_logged(enum metric_id m, double value)
{
	double scaled = rint(value * metric_specs[m].scale);

	return fabs(scaled) < 9007199254740992.0 ? scaled / metric_specs[m].scale : value;
}
