/* How fast `rwkvmon analyze` reads, next to `wc -l` and one plain read of the same file in the same rounds.
 *
 *     make bench-analyze          100 MB and 1 GB
 *     cmake --build build --target analyze_bench && build/bench/analyze_bench [MB [ROUNDS]]
 *     build/bench/analyze_bench --make MB FILE      only writes such a log, in our own writer's order
 *
 * The logs are the same bytes every time: 8 sessions alive, 10,000 records each, in four
 * forms: as our own writer has them, as Python's json.dumps has them, with the keys of
 * every line in another order, and with floats of 17 digits. Prints medians, because
 * rounds alternate and machines drift; ratios to wc, of CPU time and of wall time, are taken within each round.
 * jq, Python, pandas and DuckDB read one form once, up to 100 MB; what is not installed is SKIPPED (bench/environment
 * installs the last two where `make bench-analyze` looks for them). RWKVMON_SIMDJSON names
 * bench/peers/simdjson_read.cpp, built, to be in the rounds. */
#include "base/clock.h"

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

struct step {
	char time[TIME_TEXT_BYTES];
	unsigned session, length;
	double latency, entropy, vram, gpu, repetition, similarity;
};

typedef void put_step(FILE *out, const struct step *s);

static void put_own(FILE *out, const struct step *s)
{
	fprintf(out,
		"{\"timestamp\":\"%s\",\"session_id\":\"rwkv-sess-%06x\",\"event_type\":\"inference_step\","
		"\"sequence_length\":%u,\"performance\":{\"token_latency_ms\":%.3f,\"throughput_tps\":%.2f,"
		"\"chunk_process_time_ms\":%.3f},\"resources\":{\"vram_used_mb\":%.1f,\"gpu_utilization_pct\":%.0f,"
		"\"state_size_bytes\":1048576},\"accuracy\":{\"logits_entropy\":%.4f,\"token_repetition_pct\":%.0f,"
		"\"state_similarity\":%.6f},\"metadata\":{\"model_name\":\"RWKV-x070-World-1.5B\",\"strategy\":"
		"\"cuda fp16i8\",\"chunk_len\":256},\"sequence\":0,\"phase\":\"decode\",\"token_count\":1}\n",
		s->time, s->session, s->length, s->latency, 1000 / s->latency, s->latency, s->vram, s->gpu, s->entropy,
		s->repetition, s->similarity);
}

static void put_dumps(FILE *out, const struct step *s)
{
	fprintf(out,
		"{\"timestamp\": \"%s\", \"session_id\": \"rwkv-sess-%06x\", \"event_type\": \"inference_step\", "
		"\"sequence_length\": %u, \"performance\": {\"token_latency_ms\": %.2f, \"throughput_tps\": %.2f, "
		"\"chunk_process_time_ms\": %.1f}, \"resources\": {\"vram_used_mb\": %.0f, \"gpu_utilization_pct\": %.0f, "
		"\"state_size_bytes\": 1048576}, \"accuracy\": {\"logits_entropy\": %.2f, "
		"\"token_repetition_pct\": %.1f, "
		"\"state_similarity\": %.3f}, \"metadata\": {\"model_name\": \"RWKV-x070-World-1.5B\", "
		"\"strategy\": \"cuda fp16i8\", \"chunk_len\": 256}}\n",
		s->time, s->session, s->length, s->latency, 5000 / s->latency, s->latency * 5.1, s->vram, s->gpu, s->entropy,
		s->repetition, s->similarity);
}

static void put_floats(FILE *out, const struct step *s)
{
	fprintf(out,
		"{\"timestamp\": \"%s\", \"session_id\": \"rwkv-sess-%06x\", \"event_type\": \"inference_step\", "
		"\"sequence_length\": %u, \"performance\": {\"token_latency_ms\": %.17g, \"throughput_tps\": %.17g, "
		"\"chunk_process_time_ms\": %.17g}, \"resources\": {\"vram_used_mb\": %.17g, \"gpu_utilization_pct\": "
		"%.17g, \"state_size_bytes\": 1048576}, \"accuracy\": {\"logits_entropy\": %.17g, "
		"\"token_repetition_pct\": %.17g, \"state_similarity\": %.17g}, \"metadata\": {\"model_name\": "
		"\"RWKV-x070-World-1.5B\", \"strategy\": \"cuda fp16i8\", \"chunk_len\": 256}}\n",
		s->time, s->session, s->length, s->latency, 5000 / s->latency, s->latency * 5.1, s->vram, s->gpu, s->entropy,
		s->repetition, s->similarity);
}

/* Puts the pieces, joined by commas, in an order drawn anew. */
static void put_shuffled_pieces(FILE *out, char piece[][200], size_t n)
{
	for (; n; n--) {
		size_t i = (size_t)(unit() * (double)n);

		fprintf(out, "%s%s", piece[i], n > 1 ? ", " : "");
		if (i != n - 1)
			memmove(piece[i], piece[n - 1], sizeof piece[i]);
	}
}

static void put_shuffled(FILE *out, const struct step *s)
{
	char piece[8][200];

	fputc('{', out);
	snprintf(piece[0], sizeof piece[0], "\"timestamp\": \"%s\"", s->time);
	snprintf(piece[1], sizeof piece[1], "\"session_id\": \"rwkv-sess-%06x\"", s->session);
	snprintf(piece[2], sizeof piece[2], "\"event_type\": \"inference_step\"");
	snprintf(piece[3], sizeof piece[3], "\"sequence_length\": %u", s->length);
	snprintf(piece[4], sizeof piece[4],
		 "\"performance\": {\"throughput_tps\": %.2f, \"token_latency_ms\": %.2f, \"chunk_process_time_ms\": %.1f}",
		 5000 / s->latency, s->latency, s->latency * 5.1);
	snprintf(piece[5], sizeof piece[5],
		 "\"resources\": {\"state_size_bytes\": 1048576, \"vram_used_mb\": %.0f, \"gpu_utilization_pct\": %.0f}", s->vram,
		 s->gpu);
	snprintf(piece[6], sizeof piece[6],
		 "\"accuracy\": {\"state_similarity\": %.3f, \"logits_entropy\": %.2f, \"token_repetition_pct\": %.1f}",
		 s->similarity, s->entropy, s->repetition);
	snprintf(piece[7], sizeof piece[7],
		 "\"metadata\": {\"chunk_len\": 256, \"model_name\": \"RWKV-x070-World-1.5B\", \"strategy\": \"cuda fp16i8\"}");
	put_shuffled_pieces(out, piece, 8);
	fputs("}\n", out);
}

static const struct form {
	const char *name;
	put_step *put;
} forms[] = {
	{ "our own writer's order", put_own },
	{ "json.dumps", put_dumps },
	{ "every line in another order", put_shuffled },
	{ "floats of 17 digits", put_floats },
};

static struct step draw_step(unsigned session, unsigned length, int64_t us)
{
	struct step s = { .session = session, .length = length, .latency = normal(32, 5), .entropy = normal(4.2, 0.6) };

	time_format(s.time, us);
	s.vram = 2400 + 400 * unit();
	s.gpu = 60 + 35 * unit();
	s.repetition = 3 + 10 * unit();
	s.similarity = 0.93 - 0.01 * (s.entropy - 4.2) + normal(0, 0.008);
	return s;
}

/* Returns its lines; 0 when it cannot be written. */
static uint64_t make_log(const char *path, size_t bytes, put_step *put)
{
	unsigned session[8], length[8] = { 0 };
	FILE *out = fopen(path, "w");
	uint64_t lines = 0;
	int64_t us = 1757594096789000;

	seed = 88172645463325252u;
	for (int i = 0; i < 8; i++)
		session[i] = (unsigned)(unit() * 0x1000000);
	for (; out && (lines % 256 || (size_t)ftell(out) < bytes); lines++) {
		unsigned at = (unsigned)(unit() * 8);
		struct step s;

		if (++length[at] > 10000) {
			session[at] = (unsigned)(unit() * 0x1000000);
			length[at] = 1;
		}
		us += 5000 + (int64_t)(unit() * 55000);
		s = draw_step(session[at], length[at], us);
		put(out, &s);
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
	pid_t child;

	fflush(stdout); /* or the child has it too */
	child = fork();
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

enum { ROUNDS_MAX = 99, COMMANDS = 7 };

static void print_costs(const char *name, struct cost own[ROUNDS_MAX], struct cost wc[ROUNDS_MAX], int rounds, double bytes,
			uint64_t lines)
{
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX], ratio[ROUNDS_MAX], wall_ratio[ROUNDS_MAX], mib = 0;

	for (int i = 0; i < rounds; i++) {
		wall[i] = own[i].wall;
		cpu[i] = own[i].cpu;
		ratio[i] = own[i].cpu / wc[i].cpu;
		wall_ratio[i] = own[i].wall / wc[i].wall;
		mib = fmax(mib, own[i].mib);
	}
	printf("%-24s %7.4f s wall  %7.4f s cpu  %6.0f MB/s  %6.0f ns/line  %6.2f x wc cpu  %6.2f x wc wall  %6.1f MiB\n", name,
	       median(wall, (size_t)rounds), median(cpu, (size_t)rounds), bytes / median(cpu, (size_t)rounds) / 1e6,
	       median(cpu, (size_t)rounds) / (double)lines * 1e9, median(ratio, (size_t)rounds),
	       median(wall_ratio, (size_t)rounds), mib);
	fflush(stdout);
}

static bool is_installed(const char *test)
{
	return !system(test); /* a fixed text */
}

/* What people use today; each once, being slow. */
static void measure_others(const char *log, double bytes, uint64_t lines)
{
	static const char python[] = "import json,sys,statistics\n"
				     "v=[json.loads(l)['performance']['token_latency_ms'] for l in open(sys.argv[1])]\n"
				     "print(len(v),min(v),max(v),statistics.fmean(v),sorted(v)[len(v)//2])";
	static const char pandas[] = "import json,sys,pandas\n"
				     "d=pandas.json_normalize([json.loads(l) for l in open(sys.argv[1])])\n"
				     "print(d.describe(percentiles=[.5,.9,.95,.99]))";
	static const char duckdb[] =
		"import duckdb,sys\n"
		"paths='performance.token_latency_ms performance.throughput_tps performance.chunk_process_time_ms "
		"resources.vram_used_mb resources.gpu_utilization_pct resources.state_size_bytes accuracy.logits_entropy "
		"accuracy.token_repetition_pct accuracy.state_similarity'.split()\n"
		"each='count({0}),min({0}),max({0}),avg({0}),stddev({0}),quantile_cont({0},[.5,.9,.95,.99])'\n"
		"print(duckdb.execute('select session_id,'+','.join(each.format(p) for p in paths)+"
		"\" from read_json(?,format='newline_delimited') group by all\",[sys.argv[1]]).fetchall())";
	const struct {
		const char *name, *test;
		const char *command[6];
	} others[] = {
		{ "jq, one metric", "command -v jq >/dev/null", { "jq", ".performance.token_latency_ms", log } },
		{ "Python json, one metric", "command -v python3 >/dev/null", { "python3", "-c", python, log } },
		{ "Python json + pandas", "python3 -c 'import pandas' 2>/dev/null", { "python3", "-c", pandas, log } },
		{ "DuckDB, per session", "python3 -c 'import duckdb' 2>/dev/null", { "python3", "-c", duckdb, log } },
	};
	const char *const wc[] = { "wc", "-l", log, NULL };

	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		struct cost own[ROUNDS_MAX], of_wc[ROUNDS_MAX];

		if (!is_installed(others[i].test)) {
			printf("%-24s SKIPPED: not installed (docs/PERFORMANCE.md says how)\n", others[i].name);
			continue;
		}
		of_wc[0] = run(wc);
		own[0] = run(others[i].command);
		print_costs(others[i].name, own, of_wc, 1, bytes, lines);
	}
}

/* False when the log cannot be written. */
static bool measure(const struct form *form, const char *log, const char *program, double mb, int rounds, bool others)
{
	static const char *const names[COMMANDS] = { "wc -l",		   "cat",	       "plain read",	 "analyze, 1 thread",
						     "analyze, 2 threads", "analyze, as text", "simdjson" };
	static struct cost cost[COMMANDS][ROUNDS_MAX];
	uint64_t lines = make_log(log, (size_t)(mb * 1e6), form->put);
	struct stat st;

	if (!lines || stat(log, &st))
		return false;
	const char *simdjson = getenv("RWKVMON_SIMDJSON");
	const char *const commands[COMMANDS][8] = {
		{ "wc", "-l", log },
		{ "cat", log },
		{ "/proc/self/exe", "--read", log },
		{ program, "analyze", "--format", "json", "--threads", "1", log },
		{ program, "analyze", "--format", "json", "--threads", "2", log },
		{ program, "analyze", "--format", "text", log },
		{ simdjson, log },
	};
	for (int round = 0; round < rounds; round++)
		for (int c = 0; c < COMMANDS; c++)
			if (commands[c][0])
				cost[c][round] = run(commands[c]);
	printf("\n%s: %.1f MB, %llu lines, %d rounds, medians\n", form->name, (double)st.st_size / 1e6, (unsigned long long)lines,
	       rounds);
	for (int c = 0; c < COMMANDS && commands[c][0]; c++)
		print_costs(names[c], cost[c], cost[0], rounds, (double)st.st_size, lines);
	if (others)
		measure_others(log, (double)st.st_size, lines);
	return true;
}

/* All that any reader must do: the bytes of a file into one buffer. */
static int read_plainly(const char *path)
{
	static char buffer[128 << 10];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		;
	return n ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--read"))
		return read_plainly(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "--make"))
		return make_log(argv[3], (size_t)(strtod(argv[2], NULL) * 1e6), put_own) ? 0 : 4;
	double mb = argc > 1 ? strtod(argv[1], NULL) : 100;
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;
	char log[200], program[400];
	const char *slash = strrchr(argv[0], '/'), *dir = getenv("TMPDIR");

	snprintf(log, sizeof log, "%s/rwkvmon-bench.log", dir ? dir : "/tmp");
	snprintf(program, sizeof program, "%.*s../rwkvmon", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (!measure(&forms[i], log, program, mb, rounds, mb <= 100 && forms[i].put == put_dumps)) {
			fprintf(stderr, "%s cannot be written\n", log);
			return 4;
		}
	return unlink(log) ? 4 : 0;
}
