/* forecast_train.h - `forecast --train`: many logs in, one model out. */
#ifndef RWKVMON_CLI_FORECAST_TRAIN_H
#define RWKVMON_CLI_FORECAST_TRAIN_H

#include "analyze/foreseen.h"
#include "base/err.h"
#include "spec/options.h"

/* Each log is read by itself; the model goes to --output, and what it is worth to standard output. */
int forecast_train(const struct options *opts, const struct stated_limits *limits, struct err *err);

#endif
