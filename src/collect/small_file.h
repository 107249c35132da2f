/* small_file.h - the kernel's one-line answers. */
#ifndef RWKVMON_COLLECT_SMALL_FILE_H
#define RWKVMON_COLLECT_SMALL_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Reads the file's beginning as a text; false, and "", when there is none. */
bool small_file_read(char *out, size_t bytes, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A file that is one number; NAN otherwise. */
double small_file_number(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
