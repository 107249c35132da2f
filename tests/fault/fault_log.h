/* fault_log.h - a log in a directory of the test's own, written from one thread, so that the Nth call is always the
 * same. */
#ifndef RWKVMON_TESTS_FAULT_LOG_H
#define RWKVMON_TESTS_FAULT_LOG_H

#include "log_files.h"
#include "scratch.h"

#include "faults.h"
#include "log/log.h"

static char dir[64];
static struct field_values session;
static const char *const plain_and_zst[] = { "log.log", "log.log.zst" };

static inline bool is_long(void)
{
	const char *form = getenv("RWKVMON_FAULT");

	return form && !strcmp(form, "long");
}

static inline void path_in(char path[256], const char *name)
{
	snprintf(path, 256, "%s/%s", dir, name);
}

static inline void remove_log(const char *path)
{
	char command[400];

	snprintf(command, sizeof command, "rm -f %.*s*", (int)strcspn(path, "."), path);
	assert_int_equal(system(command), 0);
}

static inline void write_steps(struct log *log, uint64_t first, int n)
{
	for (int i = 0; i < n; i++) {
		struct record r = { .time_us = clock_wall_us(&clock_system),
				    .event = EVENT_INFERENCE_STEP,
				    .session = &session,
				    .sequence_length = first + (uint64_t)i,
				    .token_count = 1 };

		log_sink(log)->write(log_sink(log), &r);
	}
}

static inline void flush(struct log *log)
{
	log_sink(log)->flush(log_sink(log));
}

static inline int open_log(struct log **log, const char *path, enum log_sync sync, uint64_t rotate_bytes)
{
	struct log_config cfg = { .path = path,
				  .session_id = "rwkv-sess-000001",
				  .sync = sync,
				  .rotate_bytes = rotate_bytes,
				  .keep = 1000,
				  .clock = &clock_system };

	return log_open(log, &cfg, NULL);
}

/* A new log of that name; path: where it is. */
static inline struct log *opened(char path[256], const char *name, enum log_sync sync, uint64_t rotate_bytes)
{
	struct log *log;

	path_in(path, name);
	remove_log(path);
	assert_int_equal(open_log(&log, path, sync, rotate_bytes), 0);
	return log;
}

static inline int make_dir(void **state)
{
	(void)state;
	fields_set_text(&session, F_SESSION_ID, slice_of("rwkv-sess-000001"));
	return scratch_make(dir, sizeof dir, "fault");
}

static inline int remove_dir(void **state)
{
	(void)state;
	return scratch_remove(dir);
}

#endif
