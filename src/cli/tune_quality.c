/* tune_quality.c - predictions beside predictions, in a process of its own. */
#include "cli/tune_quality.h"

#include "base/clock.h"
#include "cli/tune_open.h"
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
#include <sys/wait.h>
#include <unistd.h>

enum { TOKENS_LEAST = 16 };

/* --- who predicts -------------------------------------------------------------------------- */

struct speaker {
	struct model *model; /* of the built-in runtime, */
	struct run *run;
	struct bench bench; /* or of the package rwkv */
	float *said;        /* its logits (vocab) */
	size_t vocab;
	char dtype[WIRE_DTYPE];
};

static int open_python(struct speaker *s, const struct bench_model *how, struct err *err)
{
	int rc = bench_start(&s->bench, how, err);

	if (!rc && s->bench.why[0])
		rc = err_set(err, ERR_UNSUPPORTED, "%s", s->bench.why);
	if (rc)
		return rc;
	s->vocab = s->bench.vocab;
	snprintf(s->dtype, sizeof s->dtype, "%s", s->bench.dtype);
	s->said = malloc(s->vocab * sizeof *s->said);
	return s->said ? 0 : err_set(err, ERR_NOMEM, "no memory for the logits of %zu tokens", s->vocab);
}

static int open_speaker(struct speaker *s, const struct bench_model *how, struct err *err)
{
	int rc;

	*s = (struct speaker){ .vocab = 0 };
	if (how->python)
		return open_python(s, how, err);
	rc = tune_model_open(&s->model, how, err);
	if (!rc)
		rc = run_open(&s->run, s->model, NULL, err);
	if (rc)
		return rc;
	s->vocab = model_info(s->model)->n_vocab;
	snprintf(s->dtype, sizeof s->dtype, "%s", model_info(s->model)->dtype);
	return 0;
}

static void close_speaker(struct speaker *s)
{
	bench_stop(&s->bench);
	free(s->said);
	run_close(s->run);
	model_close(s->model);
}

/* *logits (vocab): after the token; valid until the next call. */
static int predict(struct speaker *s, uint32_t token, const float **logits, struct err *err)
{
	int rc = 0;

	if (s->run)
		rc = run_forward(s->run, &(struct run_call){ .tokens = &token, .n = 1 }, err);
	else if (!bench_predict(&s->bench, token, s->said))
		rc = err_set(err, ERR_SYSTEM, "tune: the process that opens the model ended early");
	*logits = s->run ? run_logits(s->run) : s->said;
	return rc;
}

/* --- the text -------------------------------------------------------------------------------- */

struct draft {
	struct bench_text *text;
	const struct bench_model *how;
	size_t vocab;
	float *logits; /* (BENCH_TOKENS, vocab): after each token, by the file's own weights */
};

/* As much as `seconds` allow, at least TOKENS_LEAST. */
static int draw_text(struct draft *d, struct speaker *s, struct sampler *sampler, double seconds, struct err *err)
{
	uint64_t start = clock_mono_ns(&clock_system);
	uint32_t token = 0;
	int rc = 0;

	for (size_t i = 0; i < BENCH_TOKENS && !rc; i++) {
		const float *logits;

		if (i >= TOKENS_LEAST && (double)(clock_mono_ns(&clock_system) - start) / 1e9 > seconds)
			break;
		rc = predict(s, token, &logits, err);
		if (rc)
			break;
		d->text->token[d->text->n++] = token;
		memcpy(d->logits + i * d->vocab, logits, d->vocab * sizeof *d->logits);
		rc = sampler_draw(sampler, logits, &token, err);
	}
	return rc;
}

static int write_with(struct draft *d, struct speaker *s, double seconds, struct err *err)
{
	struct sampler_config how = sampler_defaults();
	struct sampler *sampler = NULL;
	int rc;

	how.presence = how.frequency = 0;
	d->vocab = s->vocab;
	snprintf(d->text->dtype, sizeof d->text->dtype, "%s", s->dtype);
	rc = sampler_open(&sampler, d->vocab, &how, err);
	d->logits = rc ? NULL : malloc(BENCH_TOKENS * d->vocab * sizeof *d->logits);
	if (!rc && !d->logits)
		rc = err_set(err, ERR_NOMEM, "no memory for the logits of %d tokens", BENCH_TOKENS);
	if (!rc)
		rc = draw_text(d, s, sampler, seconds, err);
	sampler_close(sampler);
	return rc;
}

/* The package rwkv has no weights "as the file has them": the first strategy that can be opened stands for them. */
static int write_text(struct draft *d, const char *const *strategy, size_t n, double seconds, struct err *err)
{
	struct bench_model how = *d->how;
	struct speaker s;
	int rc;

	for (size_t i = 0;; i++) {
		how.strategy = how.python ? strategy[i] : NULL;
		rc = open_speaker(&s, &how, err);
		if (!rc || !how.python || i + 1 == n)
			break;
		close_speaker(&s);
		*err = (struct err){ 0 };
	}
	if (!rc)
		rc = write_with(d, &s, seconds, err);
	close_speaker(&s);
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

static int compare_tokens(struct bench_quality *q, const struct draft *d, struct speaker *s, struct err *err)
{
	struct trend_point kl[BENCH_TOKENS];
	size_t agree = 0, n = d->text->n;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		const float *full = d->logits + i * d->vocab, *logits;

		rc = predict(s, d->text->token[i], &logits, err);
		kl[i] = (struct trend_point){ (double)i, kl_divergence(full, logits, d->vocab), 1 };
		agree += logits_likeliest(full, d->vocab) == logits_likeliest(logits, d->vocab);
	}
	if (rc)
		return rc;
	sum_up(q, kl, n);
	q->top1 = (double)agree / (double)n;
	return 0;
}

static void compare_strategy(struct bench_quality *q, const struct draft *d, const char *strategy)
{
	struct bench_model how = *d->how;
	struct err err = { 0 };
	struct speaker s;
	int rc;

	how.strategy = strategy;
	*q = (struct bench_quality){ .kl = NAN, .kl_high = NAN, .top1 = NAN };
	rc = open_speaker(&s, &how, &err);
	if (!rc)
		rc = compare_tokens(q, d, &s, &err);
	if (rc)
		snprintf(q->why, sizeof q->why, "%s", err.text);
	else
		snprintf(q->dtype, sizeof q->dtype, "%s", s.dtype);
	close_speaker(&s);
}

/* Runs in a process of its own; its results are in shared memory. */
static void make_text(struct bench_text *out, const struct bench_model *how, const char *const *strategy, size_t n,
		      double seconds)
{
	struct draft d = { .text = out, .how = how };
	struct err err = { 0 };

	if (!write_text(&d, strategy, n, seconds, &err))
		for (size_t i = 0; i < n; i++)
			compare_strategy(&out->of[i], &d, strategy[i]);
	free(d.logits);
	out->err = err;
}

int bench_text_make(struct bench_text *out, const struct bench_model *how, const char *const *strategy, size_t n,
		    double seconds, struct err *err)
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
		make_text(shared, how, strategy, n, seconds);
		_exit(0);
	}
	if (pid < 0)
		rc = err_set_os(err, ERR_SYSTEM, errno, "tune: no process can be started");
	else
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	*out = *shared;
	munmap(shared, sizeof *shared);
	if (!rc && out->err.code) {
		*err = out->err;
		rc = -(int)err->code;
	}
	return rc;
}
