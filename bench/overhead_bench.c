/* What watching costs the tokens per second of the built-in runtime at a real model's size.
 *
 *     overhead_bench MODEL [PAIRS [TOKENS]]
 *
 * In turns, off and on: TOKENS tokens unwatched, then as many watched, the log's last line included. What is
 * compared is the CPU time of the whole process, the collector's threads too, so that neighbours on the
 * machine matter little. Printed is the median of on / off - 1 over the pairs with its 95 % interval
 * (order statistics), once with the sums that the runtime makes while it updates the state, once as any
 * other runtime is watched: the state is handed over as it lies. */
#include "runtime/run.h"

#include <math.h>
#include <rwkvmon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 200, TENSORS_MAX = 256 };

struct watch {
	rwkvmon *mon;
	int looks; /* hands over the state itself */
	struct rwkvmon_tensor state[TENSORS_MAX];
	struct rwkvmon_state_sums sums[TENSORS_MAX];
};

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_begin(void *ctx)
{
	rwkvmon_begin(((struct watch *)ctx)->mon);
}

static enum rwkvmon_part part_of(enum tap_part part)
{
	return part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT;
}

static void on_end(void *ctx, const struct tap_step *s)
{
	struct watch *w = ctx;
	struct rwkvmon_step step = { .struct_size = sizeof step, .tokens = s->tokens, .n_tokens = s->n_tokens, .phase = RWKVMON_DECODE,
				     .logits = s->logits, .n_logits = s->vocab, .state = w->state, .sums = w->sums };

	for (size_t i = 0; i < s->n_state && i < TENSORS_MAX; i++)
		w->state[step.n_state++] = (struct rwkvmon_tensor){ s->state[i].p, s->state[i].n, RWKVMON_F32, part_of(s->state[i].part) };
	for (size_t i = 0; i < s->n_stats && i < TENSORS_MAX && !w->looks; i++) {
		const struct tap_state_stats *from = &s->stats[i];

		w->sums[step.n_sums++] = (struct rwkvmon_state_sums){ part_of(from->part), from->dot,	     from->old_norm2,
								      from->new_norm2,	   from->change_norm2, from->nonfinite };
	}
	rwkvmon_end(w->mon, &step);
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

static double watched_s(struct run *run, const char *log, int looks, int tokens, double *own_us)
{
	struct rwkvmon_config cfg = { .struct_size = sizeof cfg, .log_path = log, .model_name = "0.1B" };
	static struct watch w;
	const struct tap tap = { .ctx = &w, .begin = on_begin, .end = on_end, .wants_state_stats = !looks };
	struct rwkvmon_totals totals = { .struct_size = sizeof totals };
	double start;

	w.looks = looks;
	if (rwkvmon_open(&w.mon, &cfg, NULL))
		exit(4);
	start = cpu_s();
	feed(run, &tap, tokens);
	rwkvmon_close(w.mon, &totals);
	*own_us = totals.overhead_seconds / (double)totals.records * 1e6;
	return cpu_s() - start;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The last sampled_every in the log: 1 when each call was looked at. */
static int stride_of(const char *log)
{
	static const char key[] = "\"sampled_every\":";
	FILE *f = fopen(log, "r");
	char line[8192];
	int stride = 1;

	while (f && fgets(line, sizeof line, f)) {
		const char *at = strstr(line, key);

		stride = at ? (int)strtol(at + sizeof key - 1, NULL, 10) : stride;
	}
	if (f)
		fclose(f);
	return stride;
}

static void measure(struct run *run, int looks, int pairs, int tokens)
{
	double loss[PAIRS_MAX], own[PAIRS_MAX], call_us[PAIRS_MAX], spread = 0.98 * sqrt(pairs);
	char log[] = "/tmp/rwkvmon-overhead-XXXXXX";
	int fd = mkstemp(log), low = (int)fmax(0, floor(pairs / 2.0 - spread)), high = (int)fmin(pairs - 1, ceil(pairs / 2.0 + spread));

	if (fd < 0)
		exit(4);
	close(fd);
	for (int i = 0; i < pairs; i++) {
		double on = 0, start;

		if (i % 2)
			on = watched_s(run, log, looks, tokens, &own[i]);
		start = cpu_s();
		feed(run, NULL, tokens);
		call_us[i] = (cpu_s() - start) / tokens * 1e6;
		if (i % 2 == 0)
			on = watched_s(run, log, looks, tokens, &own[i]);
		loss[i] = 100 * (on / (call_us[i] * tokens / 1e6) - 1);
	}
	qsort(loss, (size_t)pairs, sizeof *loss, by_value);
	qsort(own, (size_t)pairs, sizeof *own, by_value);
	qsort(call_us, (size_t)pairs, sizeof *call_us, by_value);
	printf("%-34s token %8.0f us   begin+end %6.1f us (%.2f %%)   CPU time on / off: %+.2f %% (95 %%: %+.2f to %+.2f)   every %d\n",
	       looks ? "state looked at through the API" : "state summed by the runtime", call_us[pairs / 2], own[pairs / 2],
	       100 * own[pairs / 2] / call_us[pairs / 2], loss[pairs / 2], loss[low], loss[high], stride_of(log));
	unlink(log);
}

int main(int argc, char **argv)
{
	int pairs = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 30, tokens = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 30;
	struct err err = { 0 };
	struct model *model;
	struct run *run;

	if (argc < 2 || pairs < 4 || pairs > PAIRS_MAX || tokens < 1)
		return fprintf(stderr, "usage: overhead_bench MODEL [PAIRS (4 to %d) [TOKENS]]\n", PAIRS_MAX), 2;
	if (model_open(&model, argv[1], NULL, &err) || run_open(&run, model, NULL, &err))
		return fprintf(stderr, "%s\n", err.text), 4;
	feed(run, NULL, tokens);
	measure(run, 0, pairs, tokens);
	measure(run, 1, pairs, tokens);
	run_close(run);
	model_close(model);
	return 0;
}
