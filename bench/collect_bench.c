/* What watching costs: all numbers from logits and from the state, next to one plain read of
 * the same bytes and to the naive way in Python, and the hand-over of a record. Medians of CPU
 * time on this machine, now: read the ratios.
 *
 *     collect_bench [NAIVE]
 *
 * NAIVE holds lines "key microseconds", from collect_bench_python.py. */
#include "base/cpu.h"
#include "bench.h"
#include "observe/verdict.h"
#include "record/ring.h"
#include "simd/observe.h"

#include <malloc.h>
#include <pthread.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 41 };

/* --- the naive way's times ------------------------------------------------------------- */

enum { NAIVE_MAX = 64 };

static struct naive {
	char key[32];
	double us;
} naive[NAIVE_MAX];

static void read_naive(const char *path)
{
	FILE *f = fopen(path, "r");

	for (size_t i = 0; f && i < NAIVE_MAX; i++)
		if (fscanf(f, "%31s %lf", naive[i].key, &naive[i].us) != 2)
			break;
	if (f)
		fclose(f);
}

/* 0: not known. */
static double naive_us(const char *key)
{
	for (size_t i = 0; i < NAIVE_MAX && *naive[i].key; i++)
		if (!strcmp(naive[i].key, key))
			return naive[i].us;
	return 0;
}

static void say_naive(double theirs, double ours)
{
	if (theirs > 0)
		printf("   Python %9.1f us %7.0f x\n", theirs, theirs / ours);
	else
		printf("\n");
}

/* The floor: every byte is loaded once, as widely as this CPU can. */
static volatile uint64_t sink;
typedef uint64_t wide_64 __attribute__((vector_size(64), aligned(64)));
typedef uint64_t wide_32 __attribute__((vector_size(32), aligned(32)));

#define PLAIN_READ(name, wide, attributes)                                                                             \
	attributes static void name(const void *p, size_t bytes)                                                       \
	{                                                                                                              \
		const wide *w = p;                                                                                     \
		wide a = { 0 }, b = a, c = a, d = a;                                                                   \
		size_t i = 0;                                                                                          \
                                                                                                                       \
		for (; i + 4 <= bytes / sizeof *w; i += 4) {                                                           \
			a |= w[i];                                                                                     \
			b |= w[i + 1];                                                                                 \
			c |= w[i + 2];                                                                                 \
			d |= w[i + 3];                                                                                 \
		}                                                                                                      \
		a |= b | c | d;                                                                                        \
		for (size_t k = 0; k < sizeof a / sizeof a[0]; k++)                                                    \
			sink ^= a[k];                                                                                  \
	}

#if defined(__x86_64__)
PLAIN_READ(read_avx512, wide_64, __attribute__((target("avx512f"))))
PLAIN_READ(read_avx2, wide_32, __attribute__((target("avx2"))))
#endif
PLAIN_READ(read_any, wide_32, )

static void plain_read(const void *p, size_t bytes)
{
#if defined(__x86_64__)
	if (cpu_features()->avx512)
		read_avx512(p, bytes);
	else if (cpu_features()->avx2)
		read_avx2(p, bytes);
	else
#endif
		read_any(p, bytes);
}

struct logits_case {
	size_t n;
	enum value_type dtype;
	void *values, *copy;
};

struct state_case {
	const char *name;
	size_t n;
	float *old, *now;
};

static void read_logits(void *ctx)
{
	struct logits_case *c = ctx;

	plain_read(c->values, c->n * value_bytes(c->dtype));
}

static void observe_logits(void *ctx)
{
	struct logits_case *c = ctx;
	struct logits_stats s;

	logits_observe(c->values, c->dtype, c->n, c->copy, &s);
	sink ^= (uint64_t)(s.entropy * 1e6);
}

static void read_state(void *ctx)
{
	struct state_case *c = ctx;

	plain_read(c->old, c->n * 4);
	plain_read(c->now, c->n * 4);
}

static void observe_state(void *ctx)
{
	struct state_case *c = ctx;
	struct state_sums s = { 0 };

	state_observe(c->old, c->now, VALUE_F32, c->n, &s);
	sink ^= (uint64_t)s.dot;
}

/* What a sample of the drift reads; the sequence's first state stands in for `old`. */
static void relate_state(void *ctx)
{
	struct state_case *c = ctx;
	struct state_sums s = { 0 };

	state_relate(c->old, c->now, VALUE_F32, c->n, &s);
	sink ^= (uint64_t)s.dot;
}

/* The two in turn, so that both meet the same neighbours. */
static void compare(void (*a)(void *), void (*b)(void *), void *ctx, int repeat, double *us_a, double *us_b)
{
	double times[2][ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		for (int which = 0; which < 2; which++) {
			double start = bench_us(CLOCK_THREAD_CPUTIME_ID);

			for (int k = 0; k < repeat; k++)
				(which ? b : a)(ctx);
			times[which][i] = (bench_us(CLOCK_THREAD_CPUTIME_ID) - start) / repeat;
		}
	*us_a = bench_quantile(times[0], ROUNDS, 0.5);
	*us_b = bench_quantile(times[1], ROUNDS, 0.5);
}

static void *room(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);

	if (!p)
		exit(4);
	memset(p, 0, bytes);
	return p;
}

static void bench_logits(size_t n, enum value_type dtype)
{
	static const char *const names[] = { "fp32", "fp16", "bf16" };
	struct logits_case c = { n, dtype, room(n * 4), room(n * 4) };
	double read_us, us;
	char key[32];

	for (size_t i = 0; i < n; i++) {
		float f = (float)((double)rand() / RAND_MAX * 16 - 8);
		uint32_t bits;
		uint16_t half;

		memcpy(&bits, &f, sizeof bits);
		half = dtype == VALUE_BF16 ? (uint16_t)(bits >> 16) : (uint16_t)(0x3000 + rand() % 0x1000);
		if (dtype == VALUE_F32)
			((float *)c.values)[i] = f;
		else
			((uint16_t *)c.values)[i] = half;
	}
	compare(read_logits, observe_logits, &c, n < 1000 ? 2000 : 200, &read_us, &us);
	snprintf(key, sizeof key, "logits-%s-%zu", names[dtype], n);
	printf("logits %6zu %s  read %7.2f us   all numbers and a copy %7.2f us %5.1f x", n, names[dtype], read_us, us,
	       us / read_us);
	say_naive(naive_us(key), us);
	free(c.values);
	free(c.copy);
}

static void bench_state(const char *name, size_t n)
{
	struct state_case c = { name, n, room(n * 4), room(n * 4) };
	double read_us, us;
	char key[32];

	for (size_t i = 0; i < n; i++)
		c.old[i] = c.now[i] = (float)(i % 977) / 977;
	compare(read_state, observe_state, &c, 3, &read_us, &us);
	snprintf(key, sizeof key, "state-%s", name);
	printf("state  %-12s read %7.1f us   compared and kept      %7.1f us %5.2f x", name, read_us, us, us / read_us);
	say_naive(naive_us(key), us);
	compare(read_state, relate_state, &c, 3, &read_us, &us);
	printf("state  %-12s read %7.1f us   compared, for its drift %6.1f us %5.2f x\n", name, read_us, us,
	       us / read_us);
	free(c.old);
	free(c.now);
}

/* --- handing over ----------------------------------------------------------------------- */

enum { HANDED = 200000, BATCH = 16, PAUSE_US = 20 };
static _Atomic int done;

/* Wakes up now and then, as the collector's writer does. */
static void *drain(void *ctx)
{
	const struct timespec moment = { .tv_nsec = 100000 };
	struct ring *r = ctx;
	size_t n;

	while (!done || ring_front(r, &n)) {
		while (ring_front(r, &n))
			ring_pop(r);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

static void pause_us(double us)
{
	for (double until = bench_us(CLOCK_MONOTONIC) + us; bench_us(CLOCK_MONOTONIC) < until;)
		;
}

static void say(const char *what, size_t bytes, double *ns, size_t n)
{
	double p50 = bench_quantile(ns, n, 0.5), p99 = bench_quantile(ns, n, 0.99), p999 = bench_quantile(ns, n, 0.999);

	printf("%-34s %4zu bytes   p50 %6.1f ns   p99 %7.1f ns   p99.9 %8.1f ns  (means of %d)\n", what, bytes, p50,
	       p99, p999, BATCH);
}

static void bench_ring(size_t bytes)
{
	static double ns[HANDED / BATCH];
	struct ring r;
	pthread_t reader;
	size_t dropped = 0;

	done = 0;
	if (ring_open(&r, 1 << 20, NULL) || pthread_create(&reader, NULL, drain, &r))
		exit(4);
	for (size_t i = 0; i < HANDED / BATCH; i++) {
		double start = bench_us(CLOCK_MONOTONIC);

		for (int k = 0; k < BATCH; k++) {
			void *to = ring_reserve(&r, bytes);

			if (to)
				memset(to, k, bytes);
			if (to)
				ring_commit(&r);
			dropped += !to;
		}
		ns[i] = (bench_us(CLOCK_MONOTONIC) - start) * 1e3 / BATCH;
		pause_us(PAUSE_US);
	}
	done = 1;
	pthread_join(reader, NULL);
	ring_close(&r);
	say("record written into the ring", bytes, ns, HANDED / BATCH);
	if (dropped)
		printf("   %zu of %d were dropped: these figures are not those of a hand-over\n", dropped, HANDED);
}

/* begin and end of a call that hands over nothing but its token. */
static void bench_calls(void)
{
	static double ns[20000];
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "/dev/null" };
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = &token, .n_tokens = 1 };
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, NULL))
		exit(4);
	for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
		const struct timespec pause = { .tv_nsec = 20000 };
		double start = bench_us(CLOCK_MONOTONIC);

		for (int k = 0; k < BATCH; k++) {
			rwkvmon_begin(mon);
			rwkvmon_end(mon, &step);
		}
		ns[i] = (bench_us(CLOCK_MONOTONIC) - start) * 1e3 / BATCH;
		if (i % 16 == 0)
			nanosleep(&pause, NULL);
	}
	rwkvmon_close(mon, NULL);
	say("rwkvmon_begin + rwkvmon_end", sizeof(struct rwkvmon_step), ns, sizeof ns / sizeof *ns);
}

/* What the verdict costs a token: what is noted in rwkvmon_end, and rwkvmon_verdict after it, of a text that repeats.
 */
static void bench_verdict(void)
{
	static double ns[2][ROUNDS * 100];
	static struct verdict_state noted;
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .vocab_size = 65536 };
	struct record r = { .phase = PHASE_DECODE, .token_count = 1 };
	struct rwkvmon_verdict v = { .struct_size = sizeof v };
	uint32_t token = 0;
	struct rwkvmon_step step = {
		.struct_size = sizeof step, .tokens = &token, .n_tokens = 1, .phase = RWKVMON_DECODE
	};
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, NULL))
		exit(4);
	verdict_reset(&noted, 65536);
	record_set(&r, M_LOGITS_ENTROPY, 2.5);
	record_set(&r, M_STATE_SIMILARITY_SHIFT, 0.9);
	for (size_t i = 0; i < ROUNDS * 100; i++) {
		double start;

		token = (uint32_t)i % 50;
		rwkvmon_end(mon, &step);
		start = bench_us(CLOCK_MONOTONIC);
		for (int k = 0; k < BATCH; k++)
			verdict_note(&noted, &r);
		ns[0][i] = (bench_us(CLOCK_MONOTONIC) - start) * 1e3 / BATCH;
		start = bench_us(CLOCK_MONOTONIC);
		for (int k = 0; k < BATCH; k++)
			rwkvmon_verdict(mon, &v);
		ns[1][i] = (bench_us(CLOCK_MONOTONIC) - start) * 1e3 / BATCH;
		sink ^= v.fires ^ noted.guess_sum;
	}
	rwkvmon_close(mon, NULL);
	say("the verdict: noted in rwkvmon_end", sizeof noted, ns[0], ROUNDS * 100);
	say("the verdict: rwkvmon_verdict", sizeof v, ns[1], ROUNDS * 100);
}

/* --- a whole token --------------------------------------------------------------------- */

enum { LAYERS_MAX = 24, VOCAB = 65536, TOKENS = 31 };

/* begin and end with everything there is to look at: logits, and the state as it lies or as the sums
 * that the built-in runtime makes while it updates it. */
static void bench_token(const char *name, size_t layers, size_t width, int summed)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = "/dev/null",
				      .overhead_budget_pct = -1,
				      .n_layer = (uint32_t)layers };
	size_t shift = width, wkv = width * 64, n = layers * (2 * shift + wkv);
	float *state = room(n * 4), *logits = room((size_t)VOCAB * 4);
	struct rwkvmon_tensor tensor[3 * LAYERS_MAX];
	struct rwkvmon_state_sums sums[3 * LAYERS_MAX];
	uint32_t token = 1;
	struct rwkvmon_step step = { .struct_size = sizeof step,
				     .tokens = &token,
				     .n_tokens = 1,
				     .phase = RWKVMON_DECODE,
				     .logits = logits,
				     .n_logits = VOCAB };
	double us[TOKENS], ours, theirs;
	char key[32];
	float *at = state;
	rwkvmon *mon;

	for (size_t i = 0; i < n; i++)
		state[i] = (float)(i % 977) / 977;
	for (size_t i = 0; i < VOCAB; i++)
		logits[i] = (float)(i % 977) / 60 - 8;
	for (size_t i = 0; i < 3 * layers; at += tensor[i++].count) {
		enum rwkvmon_part part = i % 3 == 1 ? RWKVMON_WKV : RWKVMON_SHIFT;

		tensor[i] = (struct rwkvmon_tensor){ at, part == RWKVMON_WKV ? wkv : shift, RWKVMON_F32, part };
		sums[i] = (struct rwkvmon_state_sums){ part, 0.9, 1, 1, 0.2, 0 };
	}
	step.state = tensor;
	step.n_state = 3 * layers;
	step.sums = summed ? sums : NULL;
	step.n_sums = summed ? 3 * layers : 0;
	if (rwkvmon_open(&mon, &cfg, NULL))
		exit(4);
	for (int i = -3; i < TOKENS; i++) {
		double start = bench_us(CLOCK_THREAD_CPUTIME_ID);

		rwkvmon_begin(mon);
		rwkvmon_end(mon, &step);
		us[i < 0 ? 0 : i] = bench_us(CLOCK_THREAD_CPUTIME_ID) - start;
	}
	rwkvmon_close(mon, NULL);
	ours = bench_quantile(us, TOKENS, 0.5);
	snprintf(key, sizeof key, "state-%s", name);
	theirs = naive_us(key) > 0 ? naive_us("logits-fp32-65536") + naive_us(key) + naive_us("record") : 0;
	printf("a token of %s, all of it, %-33s %7.1f us        ", name,
	       summed ? "state summed by the runtime" : "state looked at", ours);
	say_naive(theirs, ours);
	free(state);
	free(logits);
}

/* --- many streams ------------------------------------------------------------------------ */

enum { STREAMS = 256, IDLE_STREAMS = 10000, IDLE_SECONDS = 10, HANDLES = 512 };

/* The logits of a batch lie in one matrix, as a model leaves them. */
struct batch {
	float *logits, *copies; /* (STREAMS, VOCAB) */
	struct rwkvmon_step step[STREAMS];
	uint32_t token[STREAMS];
	rwkvmon *mon;
};

static void observe_one_row(void *ctx)
{
	const struct batch *b = ctx;
	struct logits_stats s;

	for (int i = 0; i < STREAMS; i++)
		logits_observe(b->logits, VALUE_F32, VOCAB, b->copies, &s);
	sink ^= (uint64_t)(s.entropy * 1e6);
}

static void observe_all_rows(void *ctx)
{
	const struct batch *b = ctx;
	struct logits_stats s;

	for (size_t i = 0; i < STREAMS; i++)
		logits_observe(b->logits + i * VOCAB, VALUE_F32, VOCAB, b->copies + i * VOCAB, &s);
	sink ^= (uint64_t)(s.entropy * 1e6);
}

static void end_batch(void *ctx)
{
	struct batch *b = ctx;

	rwkvmon_begin(b->mon);
	rwkvmon_end_batch(b->mon, b->step, STREAMS);
}

static void observe_one_row_alone(void *ctx)
{
	const struct batch *b = ctx;
	struct logits_stats s;

	for (int i = 0; i < STREAMS; i++)
		logits_observe(b->logits, VALUE_F32, VOCAB, NULL, &s);
	sink ^= (uint64_t)(s.entropy * 1e6);
}

/* A handle and its streams; each step's logits are a row of their own, or all the first. */
static void open_batch(struct batch *b, uint64_t state_memory_bytes, bool one_row)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg,
				      .log_path = "/dev/null",
				      .overhead_budget_pct = -1,
				      .state_memory_bytes = state_memory_bytes };

	if (rwkvmon_open(&b->mon, &cfg, NULL))
		exit(4);
	for (size_t i = 0; i < STREAMS; i++) {
		b->step[i] = (struct rwkvmon_step){ .struct_size = sizeof *b->step,
						    .tokens = &b->token[i],
						    .n_tokens = 1,
						    .phase = RWKVMON_DECODE,
						    .logits = b->logits + (one_row ? 0 : i * VOCAB),
						    .n_logits = VOCAB };
		rwkvmon_stream_open(&b->step[i].stream, b->mon, NULL, NULL);
	}
	end_batch(b);
}

/* What a batch adds to its arithmetic, where nothing waits for memory: one row for all, of which no copies are kept. */
static void bench_batch_in_cache(void)
{
	struct batch b = { .logits = room((size_t)VOCAB * 4) };
	double alone_us, ours_us;

	for (size_t i = 0; i < VOCAB; i++)
		b.logits[i] = (float)(i * 7919 % 977) / 60 - 8;
	open_batch(&b, 1, true);
	compare(observe_one_row_alone, end_batch, &b, 1, &alone_us, &ours_us);
	printf("rwkvmon_end_batch, %d streams, one row in the cache, no copies  %7.2f us a stream; the arithmetic "
	       "alone %5.2f us "
	       "(%.3f x)\n",
	       STREAMS, ours_us / STREAMS, alone_us / STREAMS, ours_us / alone_us);
	rwkvmon_close(b.mon, NULL);
	free(b.logits);
}

/* Against the same arithmetic alone: on one row that stays in the cache, and on all rows, each with its own copy. */
static void bench_batch(void)
{
	struct batch b = { .logits = room((size_t)STREAMS * VOCAB * 4), .copies = room((size_t)STREAMS * VOCAB * 4) };
	double hot_us, ours_us, cold_us, again_us;

	for (size_t i = 0; i < (size_t)STREAMS * VOCAB; i++)
		b.logits[i] = (float)(i * 7919 % 977) / 60 - 8;
	open_batch(&b, 0, false);
	compare(observe_one_row, end_batch, &b, 1, &hot_us, &ours_us);
	compare(observe_all_rows, end_batch, &b, 1, &cold_us, &again_us);
	printf("rwkvmon_end_batch, %d streams of %d logits  %7.2f us a stream; the arithmetic alone %5.2f us in the "
	       "cache (%.2f x), "
	       "%5.2f us in memory (%.2f x)\n",
	       STREAMS, VOCAB, ours_us / STREAMS, hot_us / STREAMS, ours_us / hot_us, cold_us / STREAMS,
	       again_us / cold_us);
	rwkvmon_close(b.mon, NULL);
	free(b.logits);
	free(b.copies);
}

static double heap_bytes(void)
{
	return (double)mallinfo2().uordblks;
}

static void bench_idle(int streams)
{
	const struct timespec pause = { .tv_sec = IDLE_SECONDS };
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "/dev/null" };
	double before, opened_us, start, idle_us;
	rwkvmon_stream *stream;
	rwkvmon *mon;

	if (rwkvmon_open(&mon, &cfg, NULL))
		exit(4);
	before = heap_bytes();
	start = bench_us(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < streams; i++)
		if (rwkvmon_stream_open(&stream, mon, NULL, NULL))
			exit(4);
	opened_us = bench_us(CLOCK_THREAD_CPUTIME_ID) - start;
	before = heap_bytes() - before;
	nanosleep(&pause, NULL); /* until the writer rests */
	start = bench_us(CLOCK_PROCESS_CPUTIME_ID);
	nanosleep(&pause, NULL);
	idle_us = bench_us(CLOCK_PROCESS_CPUTIME_ID) - start;
	printf("%6d idle streams  opened in %.2f us and %.0f bytes each  idle %.4f %% of a core\n", streams,
	       streams ? opened_us / streams : 0, streams ? before / streams : 0, idle_us / IDLE_SECONDS / 1e4);
	rwkvmon_close(mon, NULL);
}

/* Handles of one process, as of a server with a log for each of its models; closing them waits for the disk. */
static void bench_handles(void)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = "/dev/null" };
	double start = bench_us(CLOCK_MONOTONIC), cpu = bench_us(CLOCK_PROCESS_CPUTIME_ID);
	rwkvmon *mon[HANDLES];

	for (int i = 0; i < HANDLES; i++)
		if (rwkvmon_open(&mon[i], &cfg, NULL))
			exit(4);
	printf("%6d handles       opened in %.0f ms, %.0f ms of a core\n", HANDLES,
	       (bench_us(CLOCK_MONOTONIC) - start) / 1e3, (bench_us(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3);
	for (int i = 0; i < HANDLES; i++)
		rwkvmon_close(mon[i], NULL);
}

int main(int argc, char **argv)
{
	static const size_t vocab[] = { 256, 50277, 65536 };

	if (argc > 1)
		read_naive(argv[1]);
	printf("kernels: %s\n", cpu_features_name());
	for (int dtype = VALUE_F32; dtype < VALUE_TYPE_COUNT; dtype++)
		for (size_t i = 0; i < sizeof vocab / sizeof *vocab; i++)
			bench_logits(vocab[i], (enum value_type)dtype);
	bench_state("0.1B", 608256);
	bench_state("1.5B", 3244032);
	bench_token("0.1B", 12, 768, 0);
	bench_token("0.1B", 12, 768, 1);
	bench_token("1.5B", 24, 2048, 0);
	bench_token("1.5B", 24, 2048, 1);
	bench_ring(64);
	bench_ring(320);
	bench_calls();
	bench_verdict();
	bench_batch_in_cache();
	bench_batch();
	bench_idle(0);
	bench_idle(IDLE_STREAMS);
	bench_handles();
	return 0;
}
