/* input.h - describes which files and lines were read: the reader fills it in, analysis and reports pass it on.
 *
 * Ownership  texts belong to whoever filled it in (the reader, later the findings' arena). */
#ifndef RWKVMON_SPEC_INPUT_H
#define RWKVMON_SPEC_INPUT_H

#include <stddef.h>
#include <stdint.h>

enum { INPUT_SKIPPED_MAX = 20 }; /* number of skipped lines that are listed */

struct skipped_line {
	const char *file;
	uint64_t line; /* from 1 */
	const char *reason;
};

struct input_stats {
	const char **files; /* (n_files), as they were named */
	size_t n_files;
	uint64_t bytes;
	uint64_t lines;   /* excluding blank lines */
	uint64_t records; /* lines read as records, of any event type */
	uint64_t skipped_lines;
	uint64_t needless;         /* of these: files and folders of which nothing is lost */
	uint64_t unreadable_lines; /* of these: a record may be lost, unlike in a line of another program */
	uint64_t untimed_lines;    /* of records: their own times are impossible */
	struct skipped_line skipped[INPUT_SKIPPED_MAX]; /* the first of them */
	size_t n_skipped;
};

#endif
