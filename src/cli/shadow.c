/* shadow.c - feeds the same tokens to a second run in fp32 and compares the logits. */
#include "cli/shadow.h"

#include "runtime/sampler.h"
#include "stats/divergence.h"

#include <string.h>

static int check_mode(struct shadow *s, const struct options *opts, struct err *err)
{
	const char *mode = opts->shadow_mode ? opts->shadow_mode : "one_step";

	s->accumulated = !strcmp(mode, "accumulated");
	if (s->accumulated || !strcmp(mode, "one_step"))
		return 0;
	return err_set(err, ERR_USAGE, "--shadow-mode: found \"%s\", expected one_step or accumulated", mode);
}

static int nothing_to_compare(const char *strategy, struct err *err)
{
	err_set(err, ERR_USAGE,
		"--shadow has no effect with the strategy %s: it takes the weights as the file has them", strategy);
	return err_hint(err, "name the strategy whose loss is to be measured, such as --strategy \"cpu fp32i8\"");
}

int shadow_open(struct shadow *s, const struct options *opts, const char *strategy, size_t chunk_len, struct err *err)
{
	const struct model_options full = { .strategy = "cpu fp32" };
	int rc;

	*s = (struct shadow){ .every = opts->shadow == UINT64_MAX ? 0 : opts->shadow };
	if (!s->every)
		return 0;
	rc = check_mode(s, opts, err);
	if (!rc && !strcmp(strategy, full.strategy))
		rc = nothing_to_compare(strategy, err);
	if (!rc)
		rc = opts->model ? model_open(&s->model, opts->model, &full, err)
				 : model_open_embedded(&s->model, &full, err);
	if (!rc)
		rc = run_open(&s->run, s->model, &(struct run_config){ .chunk_len = chunk_len }, err);
	if (!rc && opts->state)
		rc = run_load_state(s->run, opts->state, err);
	s->number[0].metric = rwkvmon_metric("quant_kl_nats");
	s->number[1].metric = rwkvmon_metric("quant_top1_agree");
	return rc;
}

void shadow_close(struct shadow *s)
{
	run_close(s->run);
	model_close(s->model);
	*s = (struct shadow){ 0 };
}

int shadow_feed(struct shadow *s, const struct run *quantised, const uint32_t *tokens, size_t n, struct err *err)
{
	struct run_call call = { .tokens = tokens, .n = n };
	uint64_t before = s->fed;

	s->compares = false;
	if (!s->model)
		return 0;
	s->fed += n;
	s->compares = before / s->every != s->fed / s->every;
	if (!s->accumulated && !s->compares)
		return 0;
	if (!s->accumulated)
		run_state_set(s->run, run_state_flat(quantised));
	return run_forward(s->run, &call, err);
}

size_t shadow_compare(struct shadow *s, const float *logits, size_t vocab)
{
	const float *full;

	if (!s->compares)
		return 0;
	s->compared++;
	full = run_logits(s->run);
	s->number[0].value = kl_divergence(full, logits, vocab);
	s->number[1].value = logits_likeliest(full, vocab) == logits_likeliest(logits, vocab);
	return 2;
}

void shadow_reset(struct shadow *s)
{
	if (s->run)
		run_reset(s->run);
}
