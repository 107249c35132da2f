/* bell.c - a futex; ringing takes no lock. */
#include "base/bell.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void bell_ring(struct bell *b)
{
	if (!atomic_exchange_explicit(&b->rung, 1, memory_order_acq_rel))
		syscall(SYS_futex, &b->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool bell_wait(struct bell *b, uint64_t ns)
{
	const struct timespec most = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	/* The kernel compares the value again under its own lock, so a ring in between is not missed. */
	if (!atomic_load_explicit(&b->rung, memory_order_relaxed))
		syscall(SYS_futex, &b->rung, FUTEX_WAIT_PRIVATE, 0, &most, NULL, 0);
	return atomic_exchange_explicit(&b->rung, 0, memory_order_acq_rel);
}
