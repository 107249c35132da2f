/* verdict_text.h - the verdict in a word and in one plain sentence: the first thing every report says. */
#ifndef RWKVMON_REPORT_VERDICT_TEXT_H
#define RWKVMON_REPORT_VERDICT_TEXT_H

#include "analyze/judgement.h"
#include "base/buf.h"
#include "report/terminal.h"

enum text_id verdict_word(enum verdict v);
enum tint verdict_tint(enum verdict v);

/* Why this rule set was used. */
enum text_id rule_set_why(const struct findings *f);

/* "High latency (3); …": of each type of which there are some. */
void alarms_each(struct buf *out, const uint64_t by_type[ALARM_TYPE_COUNT], enum lang lang);

/* What happened, to which session or instance and since when, and what else was found. It may contain text of a log. */
void verdict_sentence(struct buf *out, const struct findings *f, enum lang lang);

/* A dot in the verdict's colour, the word and the sentence: a terminal's first line. */
void verdict_line(struct term *t, const struct findings *f);

#endif
