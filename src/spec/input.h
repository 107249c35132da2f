/* input.h - what was read: the reader fills it in, analysis and reports pass it on.
 *
 * Ownership  texts belong to whoever filled it in (reader; later the findings' arena). */
#ifndef RWKVMON_SPEC_INPUT_H
#define RWKVMON_SPEC_INPUT_H

#include <stddef.h>
#include <stdint.h>

enum { INPUT_SKIPPED_MAX = 20 }; /* skipped lines listed */

struct skipped_line {
	const char *file;
	uint64_t line; /* from 1 */
	const char *reason;
};

struct input_stats {
	const char **files; /* (n_files), as they were named */
	size_t n_files;
	uint64_t bytes;
	uint64_t lines;	  /* without blank ones */
	uint64_t records; /* lines taken, of any event type */
	uint64_t skipped_lines;
	struct skipped_line skipped[INPUT_SKIPPED_MAX]; /* the first of them */
	size_t n_skipped;
};

#endif
