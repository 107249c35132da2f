/* unjudged.h - which rules judged nothing and why, for people and as JSON. */
#ifndef RWKVMON_REPORT_UNJUDGED_H
#define RWKVMON_REPORT_UNJUDGED_H

#include "analyze/findings.h"
#include "base/json.h"
#include "spec/lang.h"

/* A sentence for each reason that occurs; nothing if all rules judged. The names in it are the user's. */
void unjudged_text(struct buf *out, const struct unjudged_rule *u, size_t n, enum lang lang);

/* Member "unjudged": a list of `rule` with `metric` or with `vocab_size` (`above`, `at_most`), whichever is the
 * reason. */
void unjudged_json(struct json *out, const struct unjudged_rule *u, size_t n);

#endif
