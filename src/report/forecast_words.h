/* forecast_words.h - a forecast in sentences. */
#ifndef RWKVMON_REPORT_FORECAST_WORDS_H
#define RWKVMON_REPORT_FORECAST_WORDS_H

#include "analyze/foreseen.h"
#include "analyze/time_breakdown.h"
#include "base/buf.h"
#include "report/report.h"

extern const char *const limit_source_ids[]; /* "stated", "rule", "capacity" */
extern const char *const forecast_state_ids[];
extern const char *const trained_part_ids[];

enum text_id forecast_model_word(enum forecast_model model);

/* The metric, and the GPU that it is about: "Fullest GPU (cuda:1)". */
void forecast_name_words(struct buf *out, const struct foreseen *x, enum lang lang);

/* Why there is none, or the method and its skill. */
void forecast_method_words(struct buf *out, const struct foreseen *x, enum lang lang);

/* The value at the end of what was tested, with its interval; nothing without skill. */
void forecast_next_words(struct buf *out, const struct foreseen *x, enum lang lang);

/* The limit and when it is reached; nothing without a limit, and no time without skill. */
void forecast_limit_words(struct buf *out, const struct foreseen *x, enum lang lang);

/* The parts of a log whose sampler leads into loops: the next one from `from` on; NULL: no more. */
const struct time_part *forecast_next_loop(const struct findings *f, size_t *from);

/* What loop_risk.h says of it, and what to do. */
void forecast_loop_words(struct buf *out, const struct time_part *part, enum lang lang);

void report_forecast_text(struct buf *out, const struct findings *f, const struct report_options *opts);
void report_forecast_json(struct buf *out, const struct findings *f, const struct report_options *opts);

#endif
