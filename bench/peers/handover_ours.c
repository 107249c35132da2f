/* handover_ours.c - src/record/ring.c as the collector uses it. */
#include "handover.h"

#include "record/ring.h"

#include <pthread.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

enum { RECORD_BYTES = 64 };

static struct ring ring;
static pthread_t consumer;
static _Atomic int done;
static uint64_t dropped;
static volatile uint64_t seen;

static void *consume(void *unused)
{
	const struct timespec pause = { .tv_nsec = 100000 }; /* as long as quill's backend sleeps */
	const void *entry;
	size_t n;

	(void)unused;
	while (!atomic_load(&done)) {
		while ((entry = ring_front(&ring, &n))) {
			seen = seen + *(const uint64_t *)entry;
			ring_pop(&ring);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int ours_open(void)
{
	return ring_open(&ring, 1 << 20, NULL) || pthread_create(&consumer, NULL, consume, NULL);
}

static uint64_t stamp(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

void ours_put(uint64_t a, uint64_t b, uint64_t c, double d)
{
	uint64_t *to = ring_reserve(&ring, RECORD_BYTES);

	if (!to) {
		dropped++;
		return;
	}
	to[0] = stamp();
	to[1] = a;
	to[2] = b;
	to[3] = c;
	memcpy(&to[4], &d, sizeof d);
	to[5] = to[6] = to[7] = 0; /* quill's own header is as large */
	ring_commit(&ring);
}

uint64_t ours_dropped(void)
{
	return dropped;
}

void ours_close(void)
{
	atomic_store(&done, 1);
	pthread_join(consumer, NULL);
	ring_close(&ring);
}
