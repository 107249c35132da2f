/* Loads a model, then does what standard input says, a line of answer per line:
 *
 *     ENGINE MODEL THREADS [OPTION]     "open WALL CPU WEIGHT_BYTES" once loaded, in seconds
 *         feed N PER_CALL               "WALL CPU" of feeding N tokens, PER_CALL at a time
 *         logits FILE                   writes the floats after the last token; "N"
 *         memory                        peak resident bytes, then of these the file's own pages now
 *     ENGINE --quantise FROM TO TYPE
 *
 * CPU is user + system time of the whole process, all threads. */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOKENS_MAX = 4096 };

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static int feed(size_t n, size_t per_call)
{
	static size_t fed;
	static uint32_t tokens[TOKENS_MAX];
	double wall, cpu;

	if (!n || n > TOKENS_MAX || !per_call)
		return 2;
	for (size_t i = 0; i < n; i++)
		tokens[i] = (uint32_t)(fed++ * 7919 % 65536);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t at = 0; at < n; at += per_call)
		if (engine_feed(tokens + at, n - at < per_call ? n - at : per_call))
			return 3;
	printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	return 0;
}

static int write_logits(const char *path)
{
	size_t n = 0;
	const float *logits = engine_logits(&n);
	FILE *f = fopen(path, "wb");

	if (!f || !logits || fwrite(logits, sizeof *logits, n, f) != n || fclose(f))
		return 4;
	printf("%zu\n", n);
	return 0;
}

static int memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long peak = 0, file = 0;
	char line[256];

	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "VmHWM: %lu", &peak);
		sscanf(line, "RssFile: %lu", &file);
	}
	if (f)
		fclose(f);
	printf("%lu %lu\n", peak * 1024, file * 1024);
	return 0;
}

static int obey(const char *line)
{
	unsigned long n, per_call;
	char path[1024];

	if (sscanf(line, "feed %lu %lu", &n, &per_call) == 2)
		return feed(n, per_call);
	if (sscanf(line, "logits %1023s", path) == 1)
		return write_logits(path);
	if (!strncmp(line, "memory", 6))
		return memory();
	return 2;
}

int main(int argc, char **argv)
{
	char line[2048];
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	int rc;

	if (argc == 5 && !strcmp(argv[1], "--quantise"))
		return engine_quantise(argv[2], argv[3], argv[4]);
	if (argc < 3)
		return fprintf(stderr, "usage: %s MODEL THREADS [OPTION]\n", argv[0]), 2;
	rc = engine_open(argv[1], (int)strtol(argv[2], NULL, 10), argc > 3 ? argv[3] : "");
	if (rc)
		return rc;
	printf("open %.6f %.6f", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	printf(" %zu\n", engine_weight_bytes());
	fflush(stdout);
	while (!rc && fgets(line, sizeof line, stdin)) {
		rc = obey(line);
		fflush(stdout);
	}
	return rc;
}
