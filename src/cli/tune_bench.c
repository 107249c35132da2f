/* tune_bench.c - processes that open a model and answer through pipes how long tokens took. */
#include "cli/tune_bench.h"

#include "base/clock.h"
#include "runtime/run.h"
#include "runtime/sampler.h"
#include "stats/divergence.h"
#include "stats/student.h"
#include "stats/trend.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES_MOVED = 1 << 16, HEAP_MOVED = 1 << 16 };
enum { RUNS_MAX = 16, CALLS_MAX = 4096, WARM_TOKENS = 8, TOKENS_LEAST = 16 };

/* --- pipes -------------------------------------------------------------------------- */

static bool put(int fd, const void *bytes, size_t n)
{
	ssize_t wrote;

	do
		wrote = write(fd, bytes, n); /* shorter than a pipe's least buffer: whole or not at all */
	while (wrote < 0 && errno == EINTR);
	return wrote == (ssize_t)n;
}

static bool get(int fd, void *bytes, size_t n)
{
	char *p = bytes;

	while (n) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int open_model(struct model **out, const char *path, const struct model_options *how, struct err *err)
{
	return path ? model_open(out, path, how, err) : model_open_embedded(out, how, err);
}

/* --- the text, and what quantising does to it ------------------------------------------ */

struct draft {
	struct bench_text *text;
	const char *path;
	size_t vocab;
	float *logits; /* (BENCH_TOKENS, vocab): after each token, by the file's own weights */
};

static int feed(struct run *run, uint32_t token, struct err *err)
{
	return run_forward(run, &(struct run_call){ .tokens = &token, .n = 1 }, err);
}

/* As much as `seconds` allow, at least TOKENS_LEAST. */
static int draw_text(struct draft *d, struct run *run, struct sampler *sampler, double seconds, struct err *err)
{
	uint64_t start = clock_mono_ns(&clock_system);
	uint32_t token = 0;
	int rc = 0;

	for (size_t i = 0; i < BENCH_TOKENS && !rc; i++) {
		if (i >= TOKENS_LEAST && (double)(clock_mono_ns(&clock_system) - start) / 1e9 > seconds)
			break;
		rc = feed(run, token, err);
		if (rc)
			break;
		d->text->token[d->text->n++] = token;
		memcpy(d->logits + i * d->vocab, run_logits(run), d->vocab * sizeof *d->logits);
		rc = sampler_draw(sampler, run_logits(run), &token, err);
	}
	return rc;
}

static int write_text(struct draft *d, double seconds, struct err *err)
{
	struct sampler_config how = sampler_defaults();
	struct sampler *sampler = NULL;
	struct model *m = NULL;
	struct run *run = NULL;
	int rc = open_model(&m, d->path, &(struct model_options){ 0 }, err);

	if (!rc)
		rc = run_open(&run, m, NULL, err);
	if (!rc) {
		how.presence = how.frequency = 0;
		d->vocab = model_info(m)->n_vocab;
		snprintf(d->text->dtype, sizeof d->text->dtype, "%s", model_info(m)->dtype);
		rc = sampler_open(&sampler, d->vocab, &how, err);
	}
	d->logits = rc ? NULL : malloc(BENCH_TOKENS * d->vocab * sizeof *d->logits);
	if (!rc && !d->logits)
		rc = err_set(err, ERR_NOMEM, "no memory for the logits of %d tokens", BENCH_TOKENS);
	if (!rc)
		rc = draw_text(d, run, sampler, seconds, err);
	sampler_close(sampler);
	run_close(run);
	model_close(m);
	return rc;
}

/* Mean and the upper end of its 95 % interval; neighbours are correlated. */
static void sum_up(struct bench_quality *q, const struct trend_point *kl, size_t n)
{
	double sum = 0, off[BENCH_TOKENS];
	struct trend_rest rest;

	for (size_t i = 0; i < n; i++)
		sum += kl[i].value;
	q->kl = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		off[i] = kl[i].value - q->kl;
	rest = trend_rest(kl, off, n);
	q->kl_high = q->kl + student_reach(0.05, fmax(rest.independent - 1, 3)) *
				     sqrt(rest.square / fmax(rest.independent - 1, 1));
}

static int compare_tokens(struct bench_quality *q, const struct draft *d, struct run *run, struct err *err)
{
	struct trend_point kl[BENCH_TOKENS];
	size_t agree = 0, n = d->text->n;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		const float *full = d->logits + i * d->vocab;

		rc = feed(run, d->text->token[i], err);
		kl[i] = (struct trend_point){ (double)i, kl_divergence(full, run_logits(run), d->vocab), 1 };
		agree += logits_likeliest(full, d->vocab) == logits_likeliest(run_logits(run), d->vocab);
	}
	if (rc)
		return rc;
	sum_up(q, kl, n);
	q->top1 = (double)agree / (double)n;
	return 0;
}

static void compare_strategy(struct bench_quality *q, const struct draft *d, const char *strategy)
{
	struct err err = { 0 };
	struct model *m = NULL;
	struct run *run = NULL;
	int rc = open_model(&m, d->path, &(struct model_options){ .strategy = strategy }, &err);

	*q = (struct bench_quality){ .kl = NAN, .kl_high = NAN, .top1 = NAN };
	if (!rc)
		rc = run_open(&run, m, NULL, &err);
	if (!rc)
		rc = compare_tokens(q, d, run, &err);
	if (rc)
		snprintf(q->why, sizeof q->why, "%s", err.text);
	else
		snprintf(q->dtype, sizeof q->dtype, "%s", model_info(m)->dtype);
	run_close(run);
	model_close(m);
}

/* Runs in a process of its own; its results are in shared memory. */
static void make_text(struct bench_text *out, const char *model, const char *const *strategy, size_t n, double seconds)
{
	struct draft d = { .text = out, .path = model };
	struct err err = { 0 };

	if (!write_text(&d, seconds, &err))
		for (size_t i = 0; i < n; i++)
			compare_strategy(&out->of[i], &d, strategy[i]);
	free(d.logits);
	out->err = err;
}

int bench_text_make(struct bench_text *out, const char *model, const char *const *strategy, size_t n, double seconds,
		    struct err *err)
{
	struct bench_text *shared =
		mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int rc = 0;

	if (shared == MAP_FAILED)
		return err_set(err, ERR_NOMEM, "no memory to compare strategies");
	err_set(&shared->err, ERR_SYSTEM, "tune: the process that opens the model ended early");
	pid = fork();
	if (!pid) {
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		make_text(shared, model, strategy, n, seconds);
		_exit(0);
	}
	if (pid < 0)
		rc = err_set_os(err, ERR_SYSTEM, errno, "tune: no process can be started");
	else
		wait_for(pid);
	*out = *shared;
	munmap(shared, sizeof *shared);
	if (!rc && out->err.code) {
		*err = out->err;
		rc = -(int)err->code;
	}
	return rc;
}

/* --- the process of a model ---------------------------------------------------------------- */

struct answer {
	double ns, memory_mb;
	char why[BENCH_TEXT];
};

struct kept_run {
	int threads;
	size_t chunk_len;
	struct run *run;
};

struct server {
	const struct bench_model *how;
	struct model *model;
	struct kept_run run[RUNS_MAX];
	size_t n_runs;
	size_t at; /* the next token of the text */
	double ns[CALLS_MAX];
	uint32_t chunk[RUN_CHUNK_MAX];
};

static struct run *find_run(struct server *s, int threads, size_t chunk_len, struct err *err)
{
	struct run_config how = { .threads = threads, .chunk_len = chunk_len };
	struct kept_run *r;

	for (size_t i = 0; i < s->n_runs; i++)
		if (s->run[i].threads == threads && s->run[i].chunk_len == chunk_len)
			return s->run[i].run;
	if (s->n_runs == RUNS_MAX) /* the oldest is the least likely to come again */
		run_close(s->run[--s->n_runs].run);
	r = &s->run[s->n_runs];
	*r = (struct kept_run){ threads, chunk_len, NULL };
	if (run_open(&r->run, s->model, &how, err))
		return NULL;
	s->n_runs++;
	return r->run;
}

static double resident_mb(void)
{
	char text[128] = "";
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (f && fgets(text, sizeof text, f))
		pages = strtoul(text + strcspn(text, " "), NULL, 10);
	if (f)
		fclose(f);
	return pages ? (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20) : NAN;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* For single tokens, the median: other programs delay only a few of them, which is not the setting's fault. For
 * prompts, the mean: other programs delay nearly every long call but only some short ones, so that medians would favour
 * short chunks. */
static double typical(double *ns, uint32_t calls, bool prefill)
{
	double sum = 0;

	for (uint32_t i = 0; i < calls && prefill; i++)
		sum += ns[i];
	if (prefill)
		return sum / calls;
	qsort(ns, calls, sizeof *ns, by_value);
	return ns[calls / 2];
}

static int time_calls(struct server *s, struct run *run, const struct bench_burst *b, double *ns, struct err *err)
{
	size_t n = b->prefill ? b->chunk_len : 1;
	uint32_t calls = b->calls < CALLS_MAX ? b->calls : CALLS_MAX;

	for (uint32_t i = 0; i < calls; i++) {
		struct run_call call = { .tokens = s->chunk, .n = n, .prefill = b->prefill };
		uint64_t start;
		int rc;

		for (size_t j = 0; j < n; j++)
			s->chunk[j] = s->how->text->token[s->at++ % s->how->text->n];
		start = clock_mono_ns(&clock_system);
		rc = run_forward(run, &call, err);
		if (rc)
			return rc;
		s->ns[i] = (double)(clock_mono_ns(&clock_system) - start) / (double)n;
	}
	*ns = typical(s->ns, calls, b->prefill);
	return 0;
}

static void serve_burst(struct server *s, const struct bench_burst *b, struct answer *a)
{
	struct err err = { 0 };
	struct run *run = find_run(s, b->threads, b->chunk_len, &err);

	*a = (struct answer){ .ns = NAN, .memory_mb = NAN };
	if (!run || time_calls(s, run, b, &a->ns, &err))
		snprintf(a->why, sizeof a->why, "%s", err.text);
}

/* Opens the model and feeds what brings its weights into memory. */
static void serve_open(struct server *s, struct answer *a)
{
	struct model_options how = { .strategy = s->how->strategy, .skip_zeros = s->how->skip_zeros };
	struct bench_burst warm = { .threads = 1, .chunk_len = WARM_TOKENS, .calls = WARM_TOKENS };
	struct err err = { 0 };

	*a = (struct answer){ .ns = NAN, .memory_mb = NAN };
	if (open_model(&s->model, s->how->path, &how, &err)) {
		snprintf(a->why, sizeof a->why, "%s", err.text);
		return;
	}
	serve_burst(s, &warm, a);
	a->memory_mb = resident_mb();
}

/* A process made by fork would find room where its twins did: what it maps and allocates is moved by chance, as it
 * is between programs that are started anew. Nothing is given back: the process ends with it. */
static void lie_elsewhere(void)
{
	static void *volatile kept; /* by which no sanitizer calls it lost */
	unsigned by[2];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (getrandom(by, sizeof by, GRND_NONBLOCK) != (ssize_t)sizeof by)
		by[0] = by[1] = (unsigned)getpid() ^ (unsigned)clock_mono_ns(&clock_system);
	mmap(NULL, (1 + by[0] % PAGES_MOVED) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	kept = malloc(64 + by[1] % HEAP_MOVED);
	(void)kept;
}

static void serve(const struct bench_model *m, int ask, int answer)
{
	static struct server s;
	struct bench_burst b;
	struct answer a;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* a signal to the whole group ends the asking process, and the end of its pipe ends
				     this one */
	lie_elsewhere();
	s = (struct server){ .how = m };
	serve_open(&s, &a);
	while (put(answer, &a, sizeof a) && !a.why[0] && get(ask, &b, sizeof b) && b.calls)
		serve_burst(&s, &b, &a);
	_exit(0);
}

static int open_pipes(int ask[2], int answer[2], struct err *err)
{
	if (pipe(ask))
		return err_set_os(err, ERR_SYSTEM, errno, "tune: no process can be started");
	if (!pipe(answer))
		return 0;
	err_set_os(err, ERR_SYSTEM, errno, "tune: no process can be started");
	close(ask[0]);
	close(ask[1]);
	return -ERR_SYSTEM;
}

int bench_start(struct bench *b, const struct bench_model *m, struct err *err)
{
	int ask[2], answer[2];
	struct answer a;

	*b = (struct bench){ .ask = -1, .answer = -1, .memory_mb = NAN };
	if (open_pipes(ask, answer, err))
		return -ERR_SYSTEM;
	b->pid = fork();
	if (!b->pid) {
		close(ask[1]);
		close(answer[0]);
		serve(m, ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	b->ask = ask[1];
	b->answer = answer[0];
	if (b->pid < 0) {
		b->pid = 0;
		close(b->ask);
		close(b->answer);
		return err_set_os(err, ERR_SYSTEM, errno, "tune: no process can be started");
	}
	if (!get(b->answer, &a, sizeof a))
		snprintf(a.why, sizeof a.why, "%s", "the process was killed (memory?)");
	b->memory_mb = a.memory_mb;
	snprintf(b->why, sizeof b->why, "%s", a.why);
	if (a.why[0])
		bench_stop(b);
	return 0;
}

void bench_stop(struct bench *b)
{
	if (!b->pid)
		return;
	put(b->ask, &(struct bench_burst){ .calls = 0 }, sizeof(struct bench_burst));
	close(b->ask);
	close(b->answer);
	wait_for(b->pid);
	b->pid = 0;
}

double bench_run(struct bench *b, const struct bench_burst *burst)
{
	struct answer a = { .ns = NAN };

	if (!b->pid || !put(b->ask, burst, sizeof *burst) || !get(b->answer, &a, sizeof a))
		return NAN;
	return a.ns;
}
