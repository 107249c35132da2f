/* gpus.h - what a log says of each of several GPUs, in words and as JSON. */
#ifndef RWKVMON_REPORT_GPUS_H
#define RWKVMON_REPORT_GPUS_H

#include "analyze/findings.h"
#include "base/buf.h"
#include "base/json.h"
#include "spec/lang.h"

/* Does the log tell several GPUs apart? */
bool gpus_known(const struct findings *f);

/* "cuda:1: 14.8 GiB of its 15 GiB of memory in use (99 %), busy 26 % of the time, 1,562 MHz.": a line for each that is
 * known, with words of a log: not escaped. False: there was no memory for all of them. */
typedef void gpu_line_fn(void *ctx, const char *line);
bool gpus_each(const struct findings *f, enum lang lang, gpu_line_fn *line, void *ctx);

/* An array of objects, one for each GPU of each part of the log. */
void gpus_json(struct json *out, const struct findings *f);

#endif
