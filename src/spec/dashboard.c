/* dashboard.c - the rows of dashboard.def. */
#include "spec/dashboard.h"

enum { M_NO_METRIC = METRIC_COUNT };

const struct dashboard_item dashboard_items[] = {
#define ROW(en, zh) { .kind = DASH_ROW, .title = { en, zh } },
#define PANEL(type, w, h, unit_, metric_, scale_, en, zh, say_en, say_zh)                                              \
	{ .kind = DASH_##type,                                                                                         \
	  .width = w,                                                                                                  \
	  .height = h,                                                                                                 \
	  .unit = unit_,                                                                                               \
	  .metric = (enum metric_id)M_##metric_,                                                                       \
	  .scale = scale_,                                                                                             \
	  .title = { en, zh },                                                                                         \
	  .say = { say_en, say_zh } },
#define TARGET(expression_, legend_) { .kind = DASH_TARGET, .expression = expression_, .legend = legend_ },
#include "spec/dashboard.def"
};

const size_t dashboard_item_count = sizeof dashboard_items / sizeof *dashboard_items;
