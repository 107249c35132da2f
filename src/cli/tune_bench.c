/* tune_bench.c - asks processes that open a model, through pipes. */
#include "cli/tune_bench.h"

#include "cli/tune_wire.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
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
	struct wire_answer a = { .ns = NAN, .memory_mb = NAN };
	uint32_t n = (uint32_t)m->n;

	*b = (struct bench){ .ask = -1, .answer = -1, .memory_mb = NAN };
	if (open_pipes(ask, answer, err))
		return -ERR_SYSTEM;
	b->pid = fork();
	if (!b->pid) {
		close(ask[1]);
		close(answer[0]);
		if (m->python)
			tune_serve_python(m, ask[0], answer[1]);
		tune_serve(m, ask[0], answer[1]);
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
	if (m->python && wire_put(b->ask, &n, sizeof n))
		wire_put(b->ask, m->token, n * sizeof *m->token);
	if (!wire_get(b->answer, &a, sizeof a))
		snprintf(a.why, sizeof a.why, "%s", err_words("the process was killed (memory?)"));
	b->memory_mb = a.memory_mb;
	b->vocab = a.vocab;
	snprintf(b->dtype, sizeof b->dtype, "%s", a.dtype);
	snprintf(b->why, sizeof b->why, "%s", a.why);
	if (a.why[0])
		bench_stop(b);
	return 0;
}

void bench_stop(struct bench *b)
{
	if (!b->pid)
		return;
	wire_put(b->ask, &(struct wire_request){ .kind = WIRE_END }, sizeof(struct wire_request));
	close(b->ask);
	close(b->answer);
	wait_for(b->pid);
	b->pid = 0;
}

static bool ask(struct bench *b, const struct wire_request *r, struct wire_answer *a)
{
	return b->pid && wire_put(b->ask, r, sizeof *r) && wire_get(b->answer, a, sizeof *a) && !a->why[0];
}

double bench_run(struct bench *b, const struct bench_burst *burst)
{
	struct wire_request r = { WIRE_BURST, .threads = (uint32_t)burst->threads,
				  .chunk_len = (uint32_t)burst->chunk_len, .calls = burst->calls,
				  .prefill = burst->prefill };
	struct wire_answer a;

	return ask(b, &r, &a) ? a.ns : (double)NAN;
}

bool bench_predict(struct bench *b, uint32_t token, float *logits)
{
	struct wire_request r = { WIRE_PREDICT, .token = token };
	struct wire_answer a;

	return ask(b, &r, &a) && wire_get(b->answer, logits, b->vocab * sizeof *logits);
}
