/* How fast `rwkvmon analyze` reads, next to `wc -l` on the same file in the same rounds.
 *
 *     cmake --build build --target analyze_bench && build/analyze_bench [MB [ROUNDS]]
 *
 * The log is the same bytes every time: 8 sessions alive, 10,000 records each, json.dumps'
 * separators as other writers have them. Prints medians of CPU time, because rounds
 * alternate and machines drift; the ratio to wc is taken within each round. */
#include "base/clock.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t seed;

static double unit(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (double)(seed >> 11) / 9007199254740992.0;
}

static double normal(double mean, double deviation)
{
	return mean + deviation * (unit() + unit() + unit() + unit() - 2) * 1.7320508;
}

static size_t put_record(FILE *out, unsigned session, unsigned length, int64_t us)
{
	double latency = normal(32, 5), entropy = normal(4.2, 0.6);
	char time[TIME_TEXT_BYTES];

	time_format(time, us);
	return (size_t)fprintf(
		out,
		"{\"timestamp\": \"%s\", \"session_id\": \"rwkv-sess-%06x\", \"event_type\": \"inference_step\", "
		"\"sequence_length\": %u, \"performance\": {\"token_latency_ms\": %.2f, \"throughput_tps\": %.2f, "
		"\"chunk_process_time_ms\": %.1f}, \"resources\": {\"vram_used_mb\": %d, \"gpu_utilization_pct\": %d, "
		"\"state_size_bytes\": 1048576}, \"accuracy\": {\"logits_entropy\": %.2f, "
		"\"token_repetition_pct\": %.1f, "
		"\"state_similarity\": %.3f}, \"metadata\": {\"model_name\": \"RWKV-x070-World-1.5B\", "
		"\"strategy\": \"cuda fp16i8\", \"chunk_len\": 256}}\n",
		time, session, length, latency, 5000 / latency, latency * 5.1, 2400 + (int)(400 * unit()),
		60 + (int)(35 * unit()), entropy, 3 + 10 * unit(), 0.93 - 0.01 * (entropy - 4.2) + normal(0, 0.008));
}

/* Returns its lines; 0 when it cannot be written. */
static uint64_t make_log(const char *path, size_t bytes)
{
	unsigned session[8], length[8] = { 0 };
	FILE *out = fopen(path, "w");
	uint64_t lines = 0;
	int64_t us = 1757594096789000;

	seed = 88172645463325252u;
	for (int i = 0; i < 8; i++)
		session[i] = (unsigned)(unit() * 0x1000000);
	for (size_t written = 0; out && written < bytes; lines++) {
		unsigned at = (unsigned)(unit() * 8);

		if (++length[at] > 10000) {
			session[at] = (unsigned)(unit() * 0x1000000);
			length[at] = 1;
		}
		us += 5000 + (int64_t)(unit() * 55000);
		written += put_record(out, session[at], length[at], us);
	}
	return out && !fclose(out) ? lines : 0;
}

struct cost {
	double wall, cpu, mib;
};

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static struct cost run(const char *const *command)
{
	uint64_t start = clock_mono_ns(&clock_system);
	struct rusage usage;
	int status;
	pid_t child = fork();

	if (!child) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(126);
		execvp(command[0], (char *const *)(uintptr_t)command);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child || status) {
		fprintf(stderr, "%s failed\n", command[0]);
		exit(1);
	}
	return (struct cost){ (double)(clock_mono_ns(&clock_system) - start) / 1e9,
			      seconds(usage.ru_utime) + seconds(usage.ru_stime), (double)usage.ru_maxrss / 1024 };
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, ascending);
	return v[n / 2];
}

enum { ROUNDS_MAX = 99, COMMANDS = 3 };

int main(int argc, char **argv)
{
	double mb = argc > 1 ? strtod(argv[1], NULL) : 100;
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;
	static struct cost cost[COMMANDS][ROUNDS_MAX];
	char log[200], program[400];
	const char *slash = strrchr(argv[0], '/'), *dir = getenv("TMPDIR");
	struct stat st;
	uint64_t lines;

	snprintf(log, sizeof log, "%s/rwkvmon-bench.log", dir ? dir : "/tmp");
	snprintf(program, sizeof program, "%.*srwkvmon", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	lines = make_log(log, (size_t)(mb * 1e6));
	if (!lines || stat(log, &st)) {
		fprintf(stderr, "%s cannot be written\n", log);
		return 4;
	}
	const char *const commands[COMMANDS][6] = {
		{ "wc", "-l", log },
		{ program, "analyze", "--format", "json", log },
		{ program, "analyze", "--format", "text", log },
	};
	for (int round = 0; round < rounds; round++)
		for (int c = 0; c < COMMANDS; c++)
			cost[c][round] = run(commands[c]);
	printf("%.1f MB, %llu lines, %d rounds, medians\n", (double)st.st_size / 1e6, (unsigned long long)lines,
	       rounds);
	for (int c = 0; c < COMMANDS; c++) {
		double wall[ROUNDS_MAX], cpu[ROUNDS_MAX], ratio[ROUNDS_MAX], mib = 0;

		for (int i = 0; i < rounds; i++) {
			wall[i] = cost[c][i].wall;
			cpu[i] = cost[c][i].cpu;
			ratio[i] = cost[c][i].cpu / cost[0][i].cpu;
			mib = fmax(mib, cost[c][i].mib);
		}
		printf("%-22s %7.3f s wall  %7.3f s cpu  %6.0f MB/s  %6.0f ns/line  %6.2f x wc  %6.1f MiB\n",
		       c ? (c == 1 ? "analyze --format json" : "analyze --format text") : "wc -l",
		       median(wall, (size_t)rounds),
		       median(cpu, (size_t)rounds), (double)st.st_size / median(cpu, (size_t)rounds) / 1e6,
		       median(cpu, (size_t)rounds) / (double)lines * 1e9, median(ratio, (size_t)rounds), mib);
	}
	return unlink(log) ? 4 : 0;
}
