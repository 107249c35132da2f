/* gpus.h - what a log says of each of several GPUs, in words and as JSON. */
#ifndef RWKVMON_REPORT_GPUS_H
#define RWKVMON_REPORT_GPUS_H

#include "analyze/findings.h"
#include "base/buf.h"
#include "base/json.h"
#include "spec/lang.h"

/* Does the log tell several GPUs apart? */
bool gpus_known(const struct findings *f);

/* "cuda:1: 14.8 GiB of its 15 GiB of memory in use (99 %), busy 26 % of the time, 1,562 MHz." A line each, with its
 * line end; nothing when none is known. */
void gpus_text(struct buf *out, const struct findings *f, enum lang lang);

/* An array of objects, one for each GPU of each part of the log. */
void gpus_json(struct json *out, const struct findings *f);

#endif
