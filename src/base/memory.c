/* memory.c - measures memory bandwidth: reads a block larger than the caches several times and takes the best pass. */
#include "base/memory.h"

#include "base/clock.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 512 << 20, PASSES = 5, THREADS_MAX = 64, LANES = 32 };

struct part {
	const uint64_t *p;
	size_t n;
	uint64_t sum;
	pthread_t thread;
};

/* Keeps many sums in parallel, so that the compiler uses wide loads and no addition waits for the previous one. */
static void *read_part(void *ctx)
{
	struct part *part = ctx;
	uint64_t lane[LANES] = { 0 };

	for (size_t i = 0; i + LANES <= part->n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			lane[k] += part->p[i + k];
	for (size_t k = 0; k < LANES; k++)
		part->sum += lane[k];
	return NULL;
}

static double one_pass(const uint64_t *block, size_t threads)
{
	struct part part[THREADS_MAX] = { { 0 } };
	size_t words = BLOCK_BYTES / sizeof *block, each = words / threads, started = 0;
	uint64_t from = clock_mono_ns(&clock_system), to;

	for (size_t t = 0; t < threads; t++) {
		part[t] = (struct part){ .p = block + t * each, .n = each };
		if (pthread_create(&part[t].thread, NULL, read_part, &part[t]))
			break;
		started++;
	}
	for (size_t t = 0; t < started; t++)
		pthread_join(part[t].thread, NULL);
	to = clock_mono_ns(&clock_system);
	return (double)(started * each * sizeof *block) / (double)(to - from);
}

double memory_bandwidth_gb_s(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
	uint64_t *block = malloc(BLOCK_BYTES);
	double best = 0;

	if (!block)
		return NAN;
	memset(block, 1, BLOCK_BYTES);
	for (int pass = 0; pass < PASSES; pass++)
		best = fmax(best, one_pass(block, threads));
	free(block);
	return best > 0 ? best : (double)NAN;
}

void memory_share(void)
{
#if defined(__GLIBC__)
	mallopt(M_ARENA_MAX, 1);
#endif
}
