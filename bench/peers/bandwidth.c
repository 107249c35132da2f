/* How fast one thread reads memory: for each line of standard input, bytes per CPU second
 * over a buffer far larger than any cache, the best of one, four and eight streams. Integer sums, no
 * code of the runtime: its kernels must not be their own yardstick. */
#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef uint64_t lane __attribute__((vector_size(64), aligned(64)));

enum { BYTES = 512 << 20, STREAMS_MAX = 8, UNROLL = 4 };

static volatile uint64_t sink;

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static inline __attribute__((always_inline)) double pass(const lane *p, size_t streams)
{
	size_t each = BYTES / sizeof(lane) / streams;
	lane sum[STREAMS_MAX * UNROLL] = { { 0 } };
	double began = seconds();

	for (size_t i = 0; i < each; i += UNROLL)
#pragma GCC unroll 8
		for (size_t s = 0; s < streams; s++)
#pragma GCC unroll 4
			for (size_t u = 0; u < UNROLL; u++)
				sum[s * UNROLL + u] += p[s * each + i + u];
	for (size_t i = 1; i < streams * UNROLL; i++)
		sum[0] += sum[i];
	sink = sum[0][0];
	return BYTES / (seconds() - began);
}

int main(void)
{
	lane *p = aligned_alloc(1 << 21, BYTES);
	char line[64];

	if (!p)
		return 4;
	memset(p, 1, BYTES);
	while (fgets(line, sizeof line, stdin)) {
		double rate[3] = { pass(p, 1), pass(p, 4), pass(p, 8) }, best = 0;

		for (int i = 0; i < 3; i++)
			best = rate[i] > best ? rate[i] : best;
		printf("%.0f %.0f %.0f %.0f\n", best, rate[0], rate[1], rate[2]);
		fflush(stdout);
	}
	return 0;
}
