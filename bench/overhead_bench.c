/* What watching costs the tokens per second of the built-in runtime at a real model's size.
 *
 *     overhead_bench MODEL [ROUNDS [SECONDS]]
 *
 * A round is one block of SECONDS of each way of watching, and one unwatched; the order turns from round to round. A
 * watched block is one session, from its opening to its close. What is compared is the CPU time of the whole process
 * per token, the collector's threads too, so that neighbours on the machine matter little. Printed is the median over
 * the rounds of on / off - 1 with its 95 % interval (order statistics: the sign test's), and beside it what can be had
 * without a comparison: CPU time of the inference thread inside begin and end, of the collector's threads by their
 * own clocks, and of opening and closing, in percent of an unwatched token.
 *
 * On a machine whose speed drifts by some percent in ten seconds, that interval is wide. So there follow turns: within
 * one session, 8 tokens watched and 8 not, in turns, order swapped, and the CPU time of the inference thread alone is
 * compared; what its caches lose to the watching is in it. The collector's threads are added from their own clocks. */
#include "bench.h"
#include "runtime/run.h"

#include <dirent.h>
#include <math.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 100, TENSORS_MAX = 256, TURN_TOKENS = 8, TURNS_MAX = 20000, SAMPLES_MAX = 4096 };

static const char threads[] = "rwkvmon-log"; /* the pool's, which also look at the machine */

enum way { OFF, SUMS, API, API_ALL, WAYS };
static const char *const way_names[WAYS] = {
	[SUMS] = "state summed by the runtime",
	[API] = "state handed over, budget 1 %",
	[API_ALL] = "state handed over, no budget",
};

struct watch {
	rwkvmon *mon;
	int looks;          /* hands over the state itself */
	int calls, drifted; /* of the session; the one before sampled the drift */
	struct rwkvmon_tensor state[TENSORS_MAX];
	struct rwkvmon_state_sums sums[TENSORS_MAX];
};

/* CPU time of rwkvmon_end where the runtime sums: [1] of calls that sample the drift, [0] of those right after. */
static double end_us[2][SAMPLES_MAX];
static int n_end_us[2];

static double cpu_s(void)
{
	return bench_s(CLOCK_PROCESS_CPUTIME_ID);
}

static void on_begin(void *ctx)
{
	rwkvmon_begin(((struct watch *)ctx)->mon);
}

static enum rwkvmon_part part_of(enum tap_part part)
{
	return part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT;
}

static void end_timed(struct watch *w, const struct rwkvmon_step *step, int samples)
{
	double start = bench_s(CLOCK_THREAD_CPUTIME_ID);

	rwkvmon_end(w->mon, step);
	if (n_end_us[samples] < SAMPLES_MAX)
		end_us[samples][n_end_us[samples]++] = 1e6 * (bench_s(CLOCK_THREAD_CPUTIME_ID) - start);
}

static void on_end(void *ctx, const struct tap_step *s)
{
	struct watch *w = ctx;
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = s->tokens,
				     .n_tokens = s->n_tokens,
				     .phase = RWKVMON_DECODE,
				     .logits = s->logits,
				     .n_logits = s->vocab,
				     .state = w->state,
				     .sums = w->sums };
	int samples;

	for (size_t i = 0; i < s->n_state && i < TENSORS_MAX; i++)
		w->state[step.n_state++] =
			(struct rwkvmon_tensor){ s->state[i].p, s->state[i].n, RWKVMON_F32, part_of(s->state[i].part) };
	for (size_t i = 0; i < s->n_stats && i < TENSORS_MAX && !w->looks; i++) {
		const struct state_sums *from = &s->stats[i].sums;

		w->sums[step.n_sums++] =
			(struct rwkvmon_state_sums){ part_of(s->stats[i].part), from->dot,          from->old_norm2,
						     from->new_norm2,           from->change_norm2, from->nonfinite };
	}
	samples = !w->looks && w->calls++ && rwkvmon_wants_state(w->mon, s->n_tokens);
	if (samples || w->drifted)
		end_timed(w, &step, samples);
	else
		rwkvmon_end(w->mon, &step);
	w->drifted = samples;
}

static void feed(struct run *run, const struct tap *tap, int tokens)
{
	static uint32_t token;

	for (int i = 0; i < tokens; i++) {
		token = (token * 7919 + 1) % 65536;
		if (run_forward(run, &(struct run_call){ .tokens = &token, .n = 1, .tap = tap }, NULL))
			exit(4);
	}
}

/* CPU time of this process's threads of that name, in seconds. */
static double thread_s(const char *name)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *entry;
	double found = 0;

	while (d && (entry = readdir(d))) {
		char path[300], comm[32] = "";
		unsigned long long ns = 0;
		FILE *f;

		snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%31s", comm) == 1 && !strcmp(comm, name)) {
			FILE *stat;

			snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
			stat = fopen(path, "r");
			if (stat && fscanf(stat, "%llu", &ns) == 1)
				found += (double)ns / 1e9;
			if (stat)
				fclose(stat);
		}
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return found;
}

/* Per token, in seconds of CPU time. */
struct block {
	double all, call, threads, open_close;
};

static struct block unwatched(struct run *run, int tokens)
{
	double start = cpu_s();

	feed(run, NULL, tokens);
	return (struct block){ .all = (cpu_s() - start) / tokens };
}

static struct tap open_watch(struct watch *w, const char *log, enum way way)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = log,
				      .model_name = "0.1B",
				      .overhead_budget_pct = way == API_ALL ? -1 : 0 };

	w->looks = way != SUMS;
	w->calls = w->drifted = 0;
	if (rwkvmon_open(&w->mon, &cfg, NULL))
		exit(4);
	return (struct tap){ .ctx = w, .begin = on_begin, .end = on_end, .wants_state_stats = way == SUMS };
}

static struct block watched(struct run *run, const char *log, enum way way, int tokens)
{
	static struct watch w;
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	double start = cpu_s(), opened, fed, looked, end;
	const struct tap tap = open_watch(&w, log, way);
	struct block b = { 0 };

	opened = cpu_s();
	feed(run, &tap, tokens);
	fed = cpu_s();
	b.threads = thread_s(threads) / tokens;
	looked = cpu_s();
	rwkvmon_close(w.mon, &totals);
	end = cpu_s();
	b.all = (end - looked + fed - start) / tokens;
	b.open_close = (end - looked + opened - start) / tokens;
	b.call = totals.overhead_seconds / tokens;
	return b;
}

/* Records and looks at everything in the log: the budget leaves some out. */
static double looked_pct(const char *log)
{
	FILE *f = fopen(log, "r");
	char line[8192];
	double records = 0, looks = 0;

	while (f && fgets(line, sizeof line, f)) {
		records += strstr(line, "\"inference_step\"") != NULL;
		looks += strstr(line, "\"logits_entropy\"") != NULL;
	}
	if (f)
		fclose(f);
	return records > 0 ? 100 * looks / records : 0;
}

/* The median over the rounds of one member of the blocks, in percent of the unwatched token of the same round. */
static double part_pct(struct block block[][WAYS], int rounds, enum way way, size_t offset)
{
	double x[ROUNDS_MAX];

	for (int r = 0; r < rounds; r++)
		x[r] = 100 * *(double *)(void *)((char *)&block[r][way] + offset) / block[r][OFF].all;
	return median_sort(x, (size_t)rounds);
}

static void say(struct block block[][WAYS], int rounds, enum way way, double looked)
{
	double loss[ROUNDS_MAX], spread = 0.98 * sqrt(rounds);
	int low = (int)fmax(0, floor(rounds / 2.0 - spread)),
	    high = (int)fmin(rounds - 1, ceil(rounds / 2.0 + spread) - 1);

	for (int r = 0; r < rounds; r++)
		loss[r] = 100 * (block[r][way].all / block[r][OFF].all - 1);
	printf("%-30s %+.2f %% ", way_names[way], median_sort(loss, (size_t)rounds));
	printf("(95 %%: %+.2f to %+.2f)   begin+end %.3f %%  writer and sampler %.3f %%  open+close %.3f %%   "
	       "%.0f %% of the calls looked at\n",
	       loss[low], loss[high], part_pct(block, rounds, way, offsetof(struct block, call)),
	       part_pct(block, rounds, way, offsetof(struct block, threads)),
	       part_pct(block, rounds, way, offsetof(struct block, open_close)), looked);
}

/* Median of on / off - 1 over the turns, in percent, with its interval and where it came from. */
static void take_turns(struct run *run, enum way way, int turns, double threads_pct)
{
	static double loss[TURNS_MAX];
	static struct watch w;
	char log[] = "/tmp/rwkvmon-overhead-XXXXXX";
	int fd = mkstemp(log), low = (int)fmax(0, turns / 2.0 - 0.98 * sqrt(turns)),
	    high = (int)(turns / 2.0 + 0.98 * sqrt(turns));
	struct tap tap;

	if (fd < 0)
		exit(4);
	close(fd);
	tap = open_watch(&w, log, way);
	for (int i = 0; i < turns; i++) {
		double s[2]; /* unwatched, watched */

		for (int k = 0; k < 2; k++) {
			int on = (i + k) % 2;
			double start = bench_s(CLOCK_THREAD_CPUTIME_ID);

			feed(run, on ? &tap : NULL, TURN_TOKENS);
			s[on] = bench_s(CLOCK_THREAD_CPUTIME_ID) - start;
		}
		loss[i] = 100 * (s[1] / s[0] - 1);
	}
	rwkvmon_close(w.mon, NULL);
	unlink(log);
	median_sort(loss, (size_t)turns);
	printf("%-30s %+.2f %% (95 %%: %+.2f to %+.2f) of the inference thread in %d turns; %+.2f %% with the "
	       "collector's threads\n",
	       way_names[way], loss[turns / 2], loss[low], loss[high], turns, loss[turns / 2] + threads_pct);
}

static void measure(struct run *run, int rounds, int tokens)
{
	static struct block block[ROUNDS_MAX][WAYS];
	double off[ROUNDS_MAX], looked[WAYS] = { 0 };

	for (int r = 0; r < rounds; r++)
		for (int k = 0; k < WAYS; k++) {
			enum way way = (enum way)((r % 2 ? WAYS - 1 - k : k) + r) % WAYS;
			char log[] = "/tmp/rwkvmon-overhead-XXXXXX";
			int fd = way == OFF ? -1 : mkstemp(log);

			if (way != OFF && fd < 0)
				exit(4);
			block[r][way] = way == OFF ? unwatched(run, tokens) : watched(run, log, way, tokens);
			if (way != OFF) {
				looked[way] = looked_pct(log);
				close(fd);
				unlink(log);
			}
		}
	for (int r = 0; r < rounds; r++)
		off[r] = block[r][OFF].all * 1e6;
	printf("%d rounds of blocks of %d tokens; an unwatched token is %.0f us\n", rounds, tokens,
	       median_sort(off, (size_t)rounds));
	for (int way = OFF + 1; way < WAYS; way++)
		say(block, rounds, (enum way)way, looked[way]);
	for (int way = OFF + 1; way < WAYS; way++) {
		int turns =
			2 * rounds * tokens / (3 * TURN_TOKENS); /* a third more tokens than a way's sessions above */

		take_turns(run, (enum way)way, turns < TURNS_MAX ? turns : TURNS_MAX,
			   part_pct(block, rounds, (enum way)way, offsetof(struct block, threads)));
	}
	if (n_end_us[0] && n_end_us[1])
		printf("rwkvmon_end with a sample of the drift %.0f us, after it %.0f us (medians of %d)\n",
		       median_sort(end_us[1], (size_t)n_end_us[1]), median_sort(end_us[0], (size_t)n_end_us[0]),
		       n_end_us[1]);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 6;
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 10, start;
	struct err err = { 0 };
	struct model *model;
	struct run *run;

	if (argc < 2 || rounds < 4 || rounds > ROUNDS_MAX || !(seconds > 0))
		return fprintf(stderr, "usage: overhead_bench MODEL [ROUNDS (4 to %d) [SECONDS]]\n", ROUNDS_MAX), 2;
	if (model_open(&model, argv[1], NULL, &err) || run_open(&run, model, NULL, &err))
		return fprintf(stderr, "%s\n", err.text), 4;
	feed(run, NULL, 5); /* touches every page */
	start = cpu_s();
	feed(run, NULL, 20);
	measure(run, rounds, (int)fmax(10, seconds / ((cpu_s() - start) / 20)));
	run_close(run);
	model_close(model);
	return 0;
}
