/* faults.h - makes the Nth call of a libc function fail; linked in front of it by --wrap. */
#ifndef RWKVMON_TESTS_FAULTS_H
#define RWKVMON_TESTS_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One row per function that can be made to fail. */
#define FAULT_CALLS(X)                                                                                                 \
	X(MALLOC)                                                                                                      \
	X(OPEN)                                                                                                        \
	X(WRITE)                                                                                                       \
	X(PREAD)                                                                                                       \
	X(FDATASYNC)                                                                                                   \
	X(FSYNC)                                                                                                       \
	X(FTRUNCATE)                                                                                                   \
	X(FLOCK)                                                                                                       \
	X(FSTAT)                                                                                                       \
	X(STAT)                                                                                                        \
	X(CLOSE)                                                                                                       \
	X(RENAME)                                                                                                      \
	X(OLD_RENAME)                                                                                                  \
	X(UNLINK)                                                                                                      \
	X(OPENDIR)                                                                                                     \
	X(ZSTD)                                                                                                        \
	X(THREAD)

enum fault_call {
#define X(name) FAULT_##name,
	FAULT_CALLS(X)
#undef X
		FAULT_CALL_COUNT
};

extern const char *const fault_names[FAULT_CALL_COUNT];

struct fault {
	enum fault_call call;
	unsigned nth;    /* from 1; 0: none */
	bool persistent; /* every call from the nth on */
	int error; /* errno; with WRITE also 0: half the bytes are taken, and FAULT_NOTHING: none, and no error named */
	unsigned slow_us; /* the call takes so long, and works */
};

enum { FAULT_NOTHING = -1 };

void fault_arm(struct fault f);
void fault_add(struct fault f); /* one more, two at most: faults on top of each other. Calls that an earlier one fails
				   do not count */
void fault_disarm(void);
unsigned fault_hits(void); /* calls that failed since fault_arm */

/* Every write, with the bytes it took, and every fdatasync, with 0, that works is told; NULL: no more. */
void fault_watch(void (*seen)(enum fault_call call, size_t n));

/* The wall clock jumps by so much. */
void fault_clock_jump(int64_t seconds);

#endif
