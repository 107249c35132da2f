/* tune_serve.c - opens a model in this process, and times bursts of calls; or becomes a Python that does. */
#include "cli/tune_serve.h"

#include "base/clock.h"
#include "cli/tune_open.h"
#include "cli/tune_wire.h"

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

enum {
	PAGES_MOVED = 1 << 16,
	HEAP_MOVED = 1 << 16,
	RUNS_MAX = 16,
	CALLS_MAX = 4096,
	WARM_TOKENS = 8,
	LIST_MAX_BYTES = 1 << 16
};

/* --- the built-in runtime ----------------------------------------------------------------- */

int tune_model_open(struct model **out, const struct bench_model *m, struct err *err)
{
	struct model_options how = { .strategy = m->strategy, .skip_zeros = m->skip_zeros };

	return m->path ? model_open(out, m->path, &how, err) : model_open_embedded(out, &how, err);
}

struct kept_run {
	int threads;
	size_t chunk_len;
	struct run *run;
};

struct server {
	const struct bench_model *how;
	struct model *model;
	struct kept_run run[RUNS_MAX]; /* the last that were opened */
	size_t opened;
	size_t at; /* the next token of the text */
	double ns[CALLS_MAX];
	uint32_t chunk[RUN_CHUNK_MAX];
};

static struct run *find_run(struct server *s, int threads, size_t chunk_len, struct err *err)
{
	struct run_config how = { .threads = threads, .chunk_len = chunk_len };
	struct kept_run *r;

	for (size_t i = 0; i < RUNS_MAX; i++)
		if (s->run[i].run && s->run[i].threads == threads && s->run[i].chunk_len == chunk_len)
			return s->run[i].run;
	r = &s->run[s->opened++ % RUNS_MAX]; /* in place of the oldest */
	run_close(r->run);
	*r = (struct kept_run){ threads, chunk_len, NULL };
	return run_open(&r->run, s->model, &how, err) ? NULL : r->run;
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

static int time_calls(struct server *s, struct run *run, const struct wire_request *b, double *ns, struct err *err)
{
	size_t n = b->prefill ? b->chunk_len : 1;
	uint32_t calls = b->calls < CALLS_MAX ? b->calls : CALLS_MAX;

	for (uint32_t i = 0; i < calls; i++) {
		struct run_call call = { .tokens = s->chunk, .n = n, .prefill = b->prefill != 0 };
		uint64_t start;
		int rc;

		for (size_t j = 0; j < n; j++)
			s->chunk[j] = s->how->token[s->at++ % s->how->n];
		start = clock_mono_ns(&clock_system);
		rc = run_forward(run, &call, err);
		if (rc)
			return rc;
		s->ns[i] = (double)(clock_mono_ns(&clock_system) - start) / (double)n;
	}
	*ns = typical(s->ns, calls, b->prefill != 0);
	return 0;
}

static void serve_burst(struct server *s, const struct wire_request *b, struct wire_answer *a)
{
	struct err err = { 0 };
	struct run *run = find_run(s, (int)b->threads, b->chunk_len, &err);

	*a = (struct wire_answer){ .ns = NAN, .memory_mb = NAN };
	if (!run || time_calls(s, run, b, &a->ns, &err))
		snprintf(a->why, sizeof a->why, "%s", err.text);
}

/* Opens the model and feeds what brings its weights into memory. */
static void serve_open(struct server *s, struct wire_answer *a)
{
	struct wire_request warm = { WIRE_BURST, .threads = 1, .chunk_len = WARM_TOKENS, .calls = WARM_TOKENS };
	struct err err = { 0 };

	*a = (struct wire_answer){ .ns = NAN, .memory_mb = NAN };
	if (tune_model_open(&s->model, s->how, &err)) {
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

void tune_serve(const struct bench_model *m, int ask, int answer)
{
	static struct server s;
	struct wire_request b;
	struct wire_answer a;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* a signal to the whole group ends the asking process, and the end of its pipe ends
				     this one */
	lie_elsewhere();
	s = (struct server){ .how = m };
	serve_open(&s, &a);
	while (wire_put(answer, &a, sizeof a) && !a.why[0] && wire_get(ask, &b, sizeof b) && b.kind == WIRE_BURST)
		serve_burst(&s, &b, &a);
	_exit(0);
}

/* --- the package rwkv ------------------------------------------------------------------------ */

static _Noreturn void become(const char *python, const char *const *words)
{
	execvp(python, (char *const *)words);
	_exit(127);
}

_Noreturn void tune_serve_python(const struct bench_model *m, int ask, int answer)
{
	const char *const words[] = { m->python, "-m", "rwkvmon.tune_bench", m->path, m->strategy, NULL };

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	dup2(ask, STDIN_FILENO);
	dup2(answer, STDOUT_FILENO);
	become(m->python, words);
}

static void read_all(struct buf *out, int fd)
{
	char some[4096];
	ssize_t got;

	while ((got = read(fd, some, sizeof some)) > 0 || (got < 0 && errno == EINTR))
		if (got > 0 && out->used + (size_t)got <= LIST_MAX_BYTES)
			buf_add(out, some, (size_t)got);
}

int tune_python_strategies(struct buf *out, const char *python, const char *path, struct err *err)
{
	const char *const words[] = { python, "-m", "rwkvmon.tune_bench", "--list", path, NULL };
	int from[2], status = 0;
	pid_t pid;

	if (pipe(from))
		return err_set_os(err, ERR_SYSTEM, errno, "tune: no process can be started");
	pid = fork();
	if (!pid) {
		dup2(from[1], STDOUT_FILENO);
		close(from[0]);
		become(python, words);
	}
	close(from[1]);
	read_all(out, from[0]);
	close(from[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status) && out->used && !out->failed)
		return 0;
	err_set(err, ERR_UNSUPPORTED, "tune: %s cannot open the model", python);
	return err_hint(err, "it needs torch, rwkv and rwkvmon, and a .pth file that they read");
}
