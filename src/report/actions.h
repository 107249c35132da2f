/* actions.h - what was done about alarms, for people and as JSON. */
#ifndef RWKVMON_REPORT_ACTIONS_H
#define RWKVMON_REPORT_ACTIONS_H

#include "analyze/findings.h"
#include "base/json.h"
#include "spec/lang.h"

/* "What was done: went back 4 times, changed sampling 4 times; 355 tokens taken back." Nothing when nothing was. */
void actions_text(struct buf *out, const struct action_counts *c, enum lang lang);

/* One object: the total, each action that occurred with how often, tokens_taken_back, tokens_saved. */
void actions_json(struct json *out, const struct action_counts *c);

#endif
