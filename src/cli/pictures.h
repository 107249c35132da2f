/* pictures.h - every chart template as PNG and SVG, drawn by gnuplot. */
#ifndef RWKVMON_CLI_PICTURES_H
#define RWKVMON_CLI_PICTURES_H

#include "base/err.h"
#include "report/report.h"

/* Is gnuplot there, and can the folder be one? Asked before a log is read. */
int pictures_possible(const char *folder, struct err *err);

/* Into the folder, which is made when it is not there: performance_trends.png, … *drawn counts the files. */
int pictures_write(const char *folder, const struct findings *f, enum lang lang, int *drawn, struct err *err);

#endif
