/* How fast `rwkvmon analyze` reads, judging by the default rules and by none, next to `wc -l`, one plain read, simdjson
 * and yyjson on the same file in the same rounds.
 *
 *     make bench-analyze          1 MB and 100 MB; MB=1000 for 1 GB, ROUNDS=9 for more rounds
 *     cmake --build build --target analyze_bench && build/bench/analyze_bench [MB [ROUNDS [FORM]]]
 *     build/bench/analyze_bench --make MB FILE [FORM]      only writes such a log; FORM counts from 0
 *     RWKVMON_SIMD=avx2 build/bench/analyze_bench          as on a processor without AVX-512
 *
 * The logs (analyze_logs.h) are the same bytes every time. Prints medians, because rounds alternate and machines drift;
 * ratios are taken within each round. simdjson and yyjson are bench/peers/simdjson_read.cpp and yyjson_read.cpp, which
 * bench/environment builds where this looks for them; without them their columns are SKIPPED. jq, Python, pandas and
 * DuckDB read one form once, up to 100 MB; what is not installed is SKIPPED. */
#include "analyze_logs.h"
#include "bench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

enum { ROUNDS_MAX = 99, FORMS = sizeof forms / sizeof *forms };

enum command { WC, PLAIN_READ, ONE, ONE_UNJUDGED, TWO, TWO_UNJUDGED, SIMDJSON, YYJSON, COMMANDS };

static void print_costs(const char *name, struct cost own[ROUNDS_MAX], struct cost wc[ROUNDS_MAX], int rounds,
			double bytes, uint64_t lines)
{
	double wall[ROUNDS_MAX], cpu[ROUNDS_MAX], ratio[ROUNDS_MAX], wall_ratio[ROUNDS_MAX], mib = 0;

	for (int i = 0; i < rounds; i++) {
		wall[i] = own[i].wall;
		cpu[i] = own[i].cpu;
		ratio[i] = own[i].cpu / wc[i].cpu;
		wall_ratio[i] = own[i].wall / wc[i].wall;
		mib = fmax(mib, own[i].mib);
	}
	printf("%-24s %7.4f s wall  %7.4f s cpu  %6.0f MB/s  %6.0f ns/line  %6.2f x wc cpu  %6.2f x wc wall  %6.1f "
	       "MiB\n",
	       name, median_sort(wall, (size_t)rounds), median_sort(cpu, (size_t)rounds),
	       bytes / median_sort(cpu, (size_t)rounds) / 1e6, median_sort(cpu, (size_t)rounds) / (double)lines * 1e9,
	       median_sort(ratio, (size_t)rounds), median_sort(wall_ratio, (size_t)rounds), mib);
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
		"resources.vram_used_mb resources.gpu_utilization_pct resources.state_size_bytes "
		"accuracy.logits_entropy "
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

static const char *peer[COMMANDS]; /* programs of SIMDJSON and YYJSON; NULL: not there */

/* A row of the table at the end: medians of ratios within rounds. */
struct row {
	double cpu[COMMANDS];               /* seconds */
	double wc[COMMANDS];                /* over that of wc */
	double by_peer[COMMANDS][COMMANDS]; /* … over that of a peer */
	double two, two_unjudged;           /* wall time of two threads over that of one */
};

static double ratio_of(const struct cost *a, const struct cost *b, int rounds, bool wall)
{
	double ratio[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		ratio[i] = wall ? a[i].wall / b[i].wall : a[i].cpu / b[i].cpu;
	return median_sort(ratio, (size_t)rounds);
}

static void fill_row(struct row *row, struct cost cost[COMMANDS][ROUNDS_MAX], int rounds)
{
	for (int c = 0; c < COMMANDS; c++) {
		double cpu[ROUNDS_MAX];
		bool there = (c != SIMDJSON && c != YYJSON) || peer[c];

		for (int i = 0; i < rounds; i++)
			cpu[i] = cost[c][i].cpu;
		row->cpu[c] = there ? median_sort(cpu, (size_t)rounds) : NAN;
		row->wc[c] = there ? ratio_of(cost[c], cost[WC], rounds, false) : NAN;
		for (int p = SIMDJSON; p <= YYJSON; p++)
			row->by_peer[c][p] = there && peer[p] ? ratio_of(cost[c], cost[p], rounds, false) : NAN;
	}
	row->two = ratio_of(cost[TWO], cost[ONE], rounds, true);
	row->two_unjudged = ratio_of(cost[TWO_UNJUDGED], cost[ONE_UNJUDGED], rounds, true);
}

/* False when the log cannot be written. */
static bool measure(const struct form *form, const char *log, const char *program, double mb, int rounds, bool others,
		    struct row *row)
{
	static const char *const names[COMMANDS] = {
		"wc -l",    "plain read", "analyze, 1 thread", "  --rules none", "analyze, 2 threads", "  --rules none",
		"simdjson", "yyjson"
	};
	static struct cost cost[COMMANDS][ROUNDS_MAX];
	uint64_t lines = make_log(log, (size_t)(mb * 1e6), form);
	struct stat st;
	const char *const commands[COMMANDS][10] = {
		{ "wc", "-l", log },
		{ "/proc/self/exe", "--read", log },
		{ program, "analyze", "--format", "json", "--threads", "1", log },
		{ program, "analyze", "--format", "json", "--threads", "1", "--rules", "none", log },
		{ program, "analyze", "--format", "json", "--threads", "2", log },
		{ program, "analyze", "--format", "json", "--threads", "2", "--rules", "none", log },
		{ peer[SIMDJSON], log },
		{ peer[YYJSON], log },
	};

	if (!lines || stat(log, &st))
		return false;
	for (int round = 0; round < rounds; round++)
		for (int c = 0; c < COMMANDS; c++)
			if (commands[c][0])
				cost[c][round] = run(commands[c]);
	printf("\n%s: %.1f MB, %llu lines, %d rounds, medians\n", form->name, (double)st.st_size / 1e6,
	       (unsigned long long)lines, rounds);
	for (int c = 0; c < COMMANDS; c++)
		if (commands[c][0])
			print_costs(names[c], cost[c], cost[WC], rounds, (double)st.st_size, lines);
	fill_row(row, cost, rounds);
	if (others)
		measure_others(log, (double)st.st_size, lines);
	return true;
}

static void print_ratio(double ratio)
{
	if (isnan(ratio))
		printf("%9s", "SKIPPED");
	else
		printf("%9.2f", ratio);
}

static void print_row(const char *name, const struct row *r)
{
	const double column[] = { r->wc[SIMDJSON],
				  r->wc[YYJSON],
				  r->wc[ONE_UNJUDGED],
				  r->wc[ONE],
				  r->by_peer[ONE_UNJUDGED][SIMDJSON],
				  r->by_peer[ONE][SIMDJSON],
				  r->by_peer[ONE_UNJUDGED][YYJSON],
				  r->by_peer[ONE][YYJSON],
				  r->two_unjudged,
				  r->two };

	printf("%-40s", name);
	for (size_t i = 0; i < sizeof column / sizeof *column; i++)
		print_ratio(column[i]);
	putchar('\n');
}

/* What a fleet's 128 sessions cost beside one. */
static void print_growth(const struct row row[FORMS], const bool has[FORMS])
{
	const struct row *one = NULL;

	for (size_t i = 0; i < FORMS; i++) {
		if (!has[i] || forms[i].put != put_compact)
			continue;
		one = forms[i].alive == 1 ? &row[i] : one;
		if (forms[i].alive == 128 && one)
			printf("published keys, 128 sessions / 1, CPU time: %.2f unjudged, %.2f judged\n",
			       row[i].cpu[ONE_UNJUDGED] / one->cpu[ONE_UNJUDGED], row[i].cpu[ONE] / one->cpu[ONE]);
	}
}

static void print_table(const struct row row[FORMS], const bool has[FORMS])
{
	const char *simd = getenv("RWKVMON_SIMD");

	printf("\nRatios%s%s; CPU time, but 2 threads: wall time over that of one\n%-40s%9s%9s%18s%18s%18s%18s\n%-40s",
	       simd ? ", RWKVMON_SIMD=" : "", simd ? simd : "", "", "sj/wc", "yy/wc", "ours/wc", "ours/sj", "ours/yy",
	       "2 threads", "log, sessions alive");
	printf("%18s", "");
	for (int i = 0; i < 4; i++)
		printf("%9s%9s", "unjudged", "judged");
	putchar('\n');
	for (size_t i = 0; i < FORMS; i++)
		if (has[i])
			print_row(forms[i].name, &row[i]);
	printf("sj: simdjson; yy: yyjson; ours: analyze --format json with one thread, unjudged: with --rules none.\n");
	print_growth(row, has);
	fflush(stdout);
}

/* NULL: it was not built. */
static const char *find_peer(char path[400], const char *self, const char *name)
{
	const char *slash = strrchr(self, '/');

	snprintf(path, 400, "%.*s../bench-peers/%s_read", slash ? (int)(slash + 1 - self) : 0, self, name);
	if (!access(path, X_OK))
		return path;
	printf("SKIPPED: %s: bench/environment has not built it\n", name);
	return NULL;
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

static const struct form *form_by_number(const char *text)
{
	unsigned long i = strtoul(text, NULL, 10);

	return i < FORMS ? &forms[i] : &forms[0];
}

int main(int argc, char **argv)
{
	static struct row row[FORMS];
	static bool has[FORMS];
	char log[200], program[400], peers[2][400];
	const char *slash = strrchr(argv[0], '/'), *dir = getenv("TMPDIR");

	if (argc == 3 && !strcmp(argv[1], "--read"))
		return read_plainly(argv[2]);
	if (argc >= 4 && !strcmp(argv[1], "--make"))
		return make_log(argv[3], (size_t)(strtod(argv[2], NULL) * 1e6),
				form_by_number(argc > 4 ? argv[4] : "1"))
			       ? 0
			       : 4;
	double mb = argc > 1 ? strtod(argv[1], NULL) : 100;
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5;
	const struct form *only = argc > 3 ? form_by_number(argv[3]) : NULL;

	snprintf(log, sizeof log, "%s/rwkvmon-bench.log", dir ? dir : "/tmp");
	snprintf(program, sizeof program, "%.*s../rwkvmon", slash ? (int)(slash + 1 - argv[0]) : 0, argv[0]);
	peer[SIMDJSON] = find_peer(peers[0], argv[0], "simdjson");
	peer[YYJSON] = find_peer(peers[1], argv[0], "yyjson");
	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	for (size_t i = 0; i < FORMS; i++) {
		bool others = mb <= 100 && mb > 1 && forms[i].put == put_dumps;

		has[i] = !only || only == &forms[i];
		if (has[i] && !measure(&forms[i], log, program, mb, rounds, others, &row[i])) {
			fprintf(stderr, "%s cannot be written\n", log);
			return 4;
		}
	}
	print_table(row, has);
	return unlink(log) ? 4 : 0;
}
