/* forecast_bench.c - what the unusual and the forecasts of rules cost the writer thread, at any rate of records.
 *
 * Two ways, both in pairs: the same records are judged with these rules and without them, in turns, and the median of
 * the differences of CPU time counts, so that other load of the machine is in both.
 *
 *  - Rules alone: records of 1, 128, 512 and 2,048 streams of one writer whose times are those of a rate, however fast
 * they are judged. The share of a core is the difference per record, times the rate.
 *  - The collector at full speed: rwkvmon_end as fast as the writer takes records, into a log.
 *
 *     forecast_bench [ROUNDS]     status 1 where a record takes more than 5 us, or 1 % of a core */
#include "rules/rules.h"

#include "../tests/random.h"
#include "bench.h"

#include <math.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS = 100000, STREAMS_MOST = 2048, COLLECTED = 128, DRAWN = 65536, ROUNDS_MOST = 101, TOKENS = 30000 };
static const double RECORD_US_MOST = 5, CORE_PCT_MOST = 1;

/* --- rules -------------------------------------------------------------------------------------- */

#define PLAIN "rules:\n  - {alarm: high_latency, metric: token_latency_ms, above: 1000000}\n"
#define AHEAD(name, metric, limit)                                                                                     \
	"  - {alarm: forecast, name: " name ", metric: " metric ", " limit                                             \
	", forecast: {within: 120s, over: 30s}, for: 2s}\n"
#define FORECASTS                                                                                                      \
	AHEAD("vram", "vram_used_mb", "above: 22000")                                                                  \
	AHEAD("own", "process_vram_mb", "above: 22000")                                                                \
	AHEAD("memory", "process_memory_mb", "above: 7200")                                                            \
	AHEAD("disk", "log_disk_free_mb", "below: 16")
#define UNUSUAL(metric, how)                                                                                           \
	"  - {alarm: unusual, name: u-" metric ", metric: " metric ", unusual: {" how "}, for: 400ms, warmup: 1000}\n"

static const struct way {
	const char *name, *rules;
} ways[] = {
	{ "four forecasts, as in default", PLAIN FORECASTS },
	{ "two metrics, once_in",
	  PLAIN UNUSUAL("token_latency_ms", "once_in: 3000") UNUSUAL("logits_entropy", "once_in: 3000") },
	{ "two metrics, beyond",
	  PLAIN UNUSUAL("token_latency_ms", "beyond: 0.4") UNUSUAL("logits_entropy", "beyond: 0.4") },
	{ "all of these",
	  PLAIN FORECASTS UNUSUAL("token_latency_ms", "once_in: 3000") UNUSUAL("logits_entropy", "once_in: 3000")
		  UNUSUAL("surprisal_nats", "beyond: 0.4") UNUSUAL("state_change", "beyond: 0.4") },
};

/* --- rules alone -------------------------------------------------------------------------------- */

static double drawn[DRAWN];

/* Values of a record: resources are sampled once a second, and each record has the latest sample. */
static void fill(struct record *rec, size_t i, double second)
{
	double noise = drawn[i % DRAWN], sample = drawn[(size_t)second % DRAWN];

	record_set(rec, M_TOKEN_LATENCY_MS, 40 * exp(0.05 * noise));
	record_set(rec, M_LOGITS_ENTROPY, fabs(2 + 0.7 * drawn[(i + 1) % DRAWN]));
	record_set(rec, M_SURPRISAL_NATS, fabs(2 * drawn[(i + 2) % DRAWN]));
	record_set(rec, M_STATE_CHANGE, 0.3 * exp(0.2 * drawn[(i + 3) % DRAWN]));
	record_set(rec, M_VRAM_USED_MB, 9000 + sample);
	record_set(rec, M_PROCESS_VRAM_MB, 8000 + sample);
	record_set(rec, M_PROCESS_MEMORY_MB, 3000 + 3 * sample);
	record_set(rec, M_LOG_DISK_FREE_MB, 90000 + sample);
}

/* At high rates the records of two seconds. The first half second is not counted: in it a stream of 200 records a
 * second or more uses up what it had saved up for its beginning. */
static size_t records_at(double rate)
{
	return (size_t)fmax(RECORDS, 2 * rate);
}

/* CPU time of judging the records of so many streams, together `rate` a second; us a record. */
static double judge(const struct ruleset *set, int streams, double rate)
{
	static const struct field_values nothing;
	struct rules *rules[STREAMS_MOST];
	struct rules_share share = { 0 };
	struct rule_finding f[RULES_MAX];
	size_t records = records_at(rate), first = (size_t)(rate / 2);
	double begin;

	for (int s = 0; s < streams; s++) {
		if (rules_open(&rules[s], set, RULES_LIVE, NULL, NULL))
			exit(2);
		rules_share(rules[s], &share);
	}
	begin = bench_us(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < first + records; i++) {
		struct record rec = { .event = EVENT_INFERENCE_STEP,
				      .session = &nothing,
				      .sequence_length = 1 + i / (size_t)streams,
				      .token_count = 1,
				      .phase = PHASE_DECODE,
				      .time_us = (int64_t)((double)i / rate * 1e6) };

		if (i == first)
			begin = bench_us(CLOCK_THREAD_CPUTIME_ID);
		fill(&rec, i, (double)i / rate);
		rules_eval(rules[i % (size_t)streams], &rec, f);
	}
	begin = bench_us(CLOCK_THREAD_CPUTIME_ID) - begin;
	for (int s = 0; s < streams; s++)
		rules_close(rules[s]);
	return begin / (double)records;
}

static struct ruleset *set_of(const char *text)
{
	struct ruleset *set = NULL;

	if (ruleset_check_text(&set, (struct slice){ text, strlen(text) }, "rules", NULL, NULL, NULL))
		exit(2);
	return set;
}

/* us a record that `way` adds. */
static double added(const struct ruleset *with, const struct ruleset *without, int streams, double rate, int rounds)
{
	double more[ROUNDS_MOST];

	for (int i = 0; i < rounds; i++) {
		double first = judge(i % 2 ? with : without, streams, rate);
		double second = judge(i % 2 ? without : with, streams, rate);

		more[i] = i % 2 ? first - second : second - first;
	}
	return median_sort(more, (size_t)rounds);
}

static bool tell_rules(int rounds)
{
	static const double rates[] = { 100, 10000, 100000, 600000 };
	static const int streams[] = { 1, 128, 512, STREAMS_MOST };
	struct ruleset *without = set_of(PLAIN);
	bool kept = true;

	printf("Rules alone: CPU time that is added, %d records a round or more, median of %d pairs\n", RECORDS,
	       rounds);
	printf("%-32s %8s %12s %10s %12s\n", "rules", "streams", "records/s", "us/record", "% of a core");
	for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
		struct ruleset *with = set_of(ways[w].rules);

		for (size_t n = 0; n < sizeof streams / sizeof *streams; n++)
			for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
				double us = added(with, without, streams[n], rates[r], rounds);

				printf("%-32s %8d %12.0f %10.3f %12.3f\n", ways[w].name, streams[n], rates[r], us,
				       us * rates[r] / 1e4);
				kept &= us <= RECORD_US_MOST && us * rates[r] / 1e4 <= CORE_PCT_MOST;
			}
		ruleset_close(with);
	}
	ruleset_close(without);
	return kept;
}

/* --- the collector ------------------------------------------------------------------------------- */

struct cost {
	double writer_us, all_us; /* CPU time a record: of all other threads than the caller's; of the process */
};

static void write_rules(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		exit(2);
}

static struct cost collect(const char *rules, int streams)
{
	char log[] = "/tmp/forecast_bench-XXXXXX";
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = log,
				      .rules = rules,
				      .block_when_full = 1,
				      .overhead_budget_pct = -1 };
	rwkvmon_stream *stream[STREAMS_MOST] = { NULL };
	float logits[256] = { 0 };
	uint32_t token = 1;
	double own, all;
	rwkvmon *mon;
	int fd = mkstemp(log);

	if (fd < 0 || rwkvmon_open(&mon, &cfg, NULL))
		exit(2);
	close(fd);
	for (int s = 0; s < streams && streams > 1; s++)
		if (rwkvmon_stream_open(&stream[s], mon, NULL, NULL))
			exit(2);
	own = bench_us(CLOCK_THREAD_CPUTIME_ID);
	all = bench_us(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < TOKENS; i++) {
		logits[i % 256] = (float)drawn[i % DRAWN];
		token = (uint32_t)(i * 89 % 251);
		rwkvmon_begin(mon);
		rwkvmon_end(mon, &(struct rwkvmon_step){ .struct_size = sizeof(struct rwkvmon_step),
							 .tokens = &token,
							 .n_tokens = 1,
							 .logits = logits,
							 .n_logits = 256,
							 .stream = stream[i % streams] });
	}
	rwkvmon_close(mon, NULL); /* what waits is judged and written */
	own = bench_us(CLOCK_THREAD_CPUTIME_ID) - own;
	all = bench_us(CLOCK_PROCESS_CPUTIME_ID) - all;
	unlink(log);
	return (struct cost){ (all - own) / TOKENS, all / TOKENS };
}

static bool tell_collector(int rounds)
{
	char with[] = "/tmp/forecast_bench_rules-XXXXXX", without[] = "/tmp/forecast_bench_rules-XXXXXX";
	bool kept = true;
	int a = mkstemp(with), b = mkstemp(without);

	if (a < 0 || b < 0)
		exit(2);
	close(a);
	close(b);
	write_rules(without, PLAIN);
	printf("\nThe collector at full speed, into a log: %d records a round, median of %d pairs\n", TOKENS, rounds);
	printf("%-32s %8s %22s %22s\n", "rules", "streams", "writer, us/record", "added, us/record");
	for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
		write_rules(with, ways[w].rules);
		for (int streams = 1; streams <= COLLECTED; streams *= COLLECTED) {
			double more[ROUNDS_MOST], plain[ROUNDS_MOST], added_us;

			for (int i = 0; i < rounds; i++) {
				struct cost first = collect(i % 2 ? with : without, streams);
				struct cost second = collect(i % 2 ? without : with, streams);

				more[i] = i % 2 ? first.all_us - second.all_us : second.all_us - first.all_us;
				plain[i] = i % 2 ? second.writer_us : first.writer_us;
			}
			added_us = median_sort(more, (size_t)rounds);
			printf("%-32s %8d %22.3f %22.3f\n", ways[w].name, streams, median_sort(plain, (size_t)rounds),
			       added_us);
			kept &= added_us <= RECORD_US_MOST;
		}
	}
	unlink(with);
	unlink(without);
	return kept;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 9;
	bool kept;

	if (rounds < 1 || rounds > ROUNDS_MOST)
		return 2;
	for (size_t i = 0; i < DRAWN; i++)
		drawn[i] = normal();
	kept = tell_rules((int)rounds);
	kept &= tell_collector((int)rounds);
	if (!kept)
		printf("MISSED: at most %.0f us a record, and %.0f %% of a core\n", RECORD_US_MOST, CORE_PCT_MOST);
	return kept ? 0 : 1;
}
