/* watch_run.c - turns the runtime's tap into begin and end of rwkvmon.h. */
#include "cli/watch_run.h"

#include "base/cpu.h"
#include "cli/args.h"
#include "cli/model.h"
#include "cli/monitor.h"
#include "cli/tell.h"
#include "runtime/decay.h"
#include "simd/observe.h"

#include <stdlib.h>

static void on_begin(void *ctx)
{
	rwkvmon_begin(((struct watch_run *)ctx)->mon);
}

/* Room for one row per tensor; grows with the first call only. */
static bool reserve_rows(struct watch_run *w, size_t n)
{
	if (n <= w->cap)
		return true;
	free(w->state);
	free(w->sums);
	w->state = calloc(n, sizeof *w->state);
	w->sums = calloc(n, sizeof *w->sums);
	w->cap = w->state && w->sums ? n : 0;
	return w->cap;
}

static enum rwkvmon_part part_of(enum tap_part part)
{
	return part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT;
}

static struct rwkvmon_state_sums sums_of(enum rwkvmon_part part, const struct state_sums *s)
{
	return (struct rwkvmon_state_sums){ part, s->dot, s->old_norm2, s->new_norm2, s->change_norm2, s->nonfinite };
}

/* Computes for a chunk what the runtime sums for single tokens: compares the state with the one before the chunk, and
 * keeps it for the next chunk. */
static size_t compare_chunk(struct watch_run *w, const struct tap_step *step)
{
	struct state_sums part[2] = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < step->n_state; at += step->state[i++].n)
		state_observe(w->before + at, step->state[i].p, VALUE_F32, step->state[i].n,
			      &part[step->state[i].part == TAP_WKV]);
	for (int i = 0; i < 2; i++)
		w->sums[i] = sums_of(i ? RWKVMON_WKV : RWKVMON_SHIFT, &part[i]);
	return 2;
}

static void fill_state(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	size_t rows = step->n_stats > step->n_state ? step->n_stats : step->n_state;

	if (!reserve_rows(w, rows))
		return;
	for (size_t i = 0; i < step->n_state; i++)
		w->state[i] = (struct rwkvmon_tensor){ step->state[i].p, step->state[i].n, RWKVMON_F32,
						       part_of(step->state[i].part) };
	for (size_t i = 0; i < step->n_stats; i++)
		w->sums[i] = sums_of(part_of(step->stats[i].part), &step->stats[i].sums);
	out->state = w->state;
	out->n_state = step->n_state;
	out->sums = w->sums;
	out->n_sums = !step->n_stats && w->before ? compare_chunk(w, step) : step->n_stats;
}

/* Percentiles of the decay's half-life over all channels of all layers, now and then. */
static void fill_decay(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	double half_life[HALF_LIVES];
	size_t n = step->decay ? step->n_layer * step->n_decay : 0;
	uint64_t before = w->tokens;

	out->numbers = w->number;
	w->tokens += step->n_tokens;
	if (!n || before / WATCH_DECAY_EVERY == w->tokens / WATCH_DECAY_EVERY)
		return;
	if (n > w->decay_cap) {
		free(w->decay);
		w->decay = malloc(n * sizeof *w->decay);
		w->decay_cap = w->decay ? n : 0;
	}
	if (!w->decay)
		return;
	memcpy(w->decay, step->decay, n * sizeof *w->decay);
	if (!half_lives_of(w->decay, n, half_life)) /* reported as non-finite state */
		return;
	for (size_t i = 0; i < HALF_LIVES; i++)
		w->number[i] = (struct rwkvmon_number){ rwkvmon_metric(half_life_metrics[i]), half_life[i] };
	out->n_numbers = HALF_LIVES;
}

/* Layers come in order, so the first row that holds a bad value names the layer. */
static void fill_first_bad_layer(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	for (size_t i = 0; i < step->n_stats; i++)
		if (step->stats[i].sums.nonfinite) {
			w->number[out->n_numbers++] =
				(struct rwkvmon_number){ rwkvmon_metric("nonfinite_layer"), step->stats[i].layer };
			return;
		}
}

static void fill_shadow(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	size_t n = w->shadow ? shadow_compare(w->shadow, step->logits, step->vocab) : 0;

	for (size_t i = 0; i < n; i++)
		w->number[out->n_numbers++] = w->shadow->number[i];
}

static void fill_surprisal(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	if (step->n_surprisal)
		w->number[out->n_numbers++] =
			(struct rwkvmon_number){ rwkvmon_metric("surprisal_nats"), step->surprisal };
}

static void fill_damage(struct watch_run *w, struct rwkvmon_step *out)
{
	if (w->damaged_tensors)
		w->number[out->n_numbers++] =
			(struct rwkvmon_number){ rwkvmon_metric("damaged_tensors"), (double)w->damaged_tensors };
	w->damaged_tensors = 0;
}

/* The text of a call's tokens, as far as it fits; decode calls have one. */
static void fill_text(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out, struct buf *text)
{
	if (!w->log_text)
		return;
	for (size_t i = 0; i < step->n_tokens; i++) {
		struct slice bytes = tokenizer_bytes(w->tokenizer, step->tokens[i]);

		buf_add(text, bytes.p, bytes.n);
	}
	out->text = text->failed ? NULL : text->p;
	out->text_bytes = text->used;
}

static void on_end(void *ctx, const struct tap_step *step)
{
	struct watch_run *w = ctx;
	struct rwkvmon_step out = { .struct_size = sizeof out,
				    .tokens = step->tokens,
				    .n_tokens = step->n_tokens,
				    .phase = step->prefill ? RWKVMON_PREFILL : RWKVMON_DECODE,
				    .logits = step->logits,
				    .n_logits = step->vocab };
	struct buf text = { 0 };

	if (step->prefill) {
		w->prompt_left -= step->n_tokens < w->prompt_left ? step->n_tokens : w->prompt_left;
		out.ends_prefill = !w->prompt_left;
	}
	fill_state(w, step, &out);
	fill_decay(w, step, &out);
	fill_first_bad_layer(w, step, &out);
	fill_shadow(w, step, &out);
	fill_surprisal(w, step, &out);
	fill_damage(w, &out);
	fill_text(w, step, &out, &text);
	rwkvmon_end(w->mon, &out);
	buf_free(&text);
}

int watch_run_open(struct watch_run *w, const struct options *opts, const struct model *m, const struct tokenizer *t,
		   const struct sampler_config *sampling, size_t chunk_len, struct err *err)
{
	const struct model_info *info = model_info(m);
	char why[RWKVMON_ERROR_BYTES];
	struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg,
		.lang = lang_codes[args_lang(opts->lang)],
		.model_name = w->name,
		.model_version = info->version,
		.strategy = info->strategy,
		.runtime_name = "rwkvmon",
		.runtime_version = rwkvmon_version(),
		.runtime_flags = cpu_features_name(),
		.chunk_len = (uint32_t)chunk_len,
		.n_layer = (uint32_t)info->n_layer,
		.n_embd = (uint32_t)info->n_embd,
		.vocab_size = (uint32_t)info->n_vocab,
		.model_bytes = info->weight_bytes,
		.load_time_ms = (double)info->load_ns / 1e6,
		.has_sampler = 1,
		.temperature = sampling->temperature,
		.top_p = sampling->top_p,
		.alpha_frequency = sampling->frequency,
		.alpha_presence = sampling->presence,
		.penalty_decay = sampling->penalty_decay,
		.top_k = (uint32_t)sampling->top_k,
		.seed = sampling->seed,
	};
	int rc;

	*w = (struct watch_run){ .tokenizer = t };
	cli_model_name(w->name, sizeof w->name, opts->model);
	w->tap = (struct tap){
		.ctx = w, .begin = on_begin, .end = on_end, .wants_state_stats = true, .wants_surprisal = true
	};
	rc = monitor_configure(&cfg, opts, why);
	if ((opts->on[0] || opts->adapt_sampling) && !option_setting(opts, SETTING_overhead_budget_pct))
		cfg.overhead_budget_pct =
			-1; /* every call is measured, so that the same seed leads to the same actions */
	w->log_text = cfg.log_text;
	if (!rc && !opts->unwatched)
		rc = rwkvmon_open(&w->mon, &cfg, why);
	rwkvmon_config_free(&cfg);
	if (!rc && *rwkvmon_url(w->mon) && !opts->quiet)
		tell("%s/metrics\n", rwkvmon_url(w->mon));
	return monitor_said(err, rc, why);
}

void watch_run_prompt(struct watch_run *w, const struct run *run, size_t n)
{
	size_t floats = 0, tensors;
	const struct tap_state *state = run_state(run, &tensors);

	w->prompt_left = n;
	for (size_t i = 0; i < tensors; i++)
		floats += state[i].n;
	if (floats > w->before_n) {
		free(w->before);
		w->before = malloc(floats * sizeof *w->before);
		w->before_n = w->before ? floats : 0;
	}
	if (w->before)
		memcpy(w->before, run_state_flat(run), floats * sizeof *w->before);
}

void watch_run_answered(struct watch_run *w, int rc, bool interrupted, bool stopped)
{
	rwkvmon_finished(w->mon, rc            ? RWKVMON_FINISH_ERROR
				 : interrupted ? RWKVMON_FINISH_ABORT
				 : stopped     ? RWKVMON_FINISH_STOP
					       : RWKVMON_FINISH_LENGTH);
}

void watch_run_new_sequence(struct watch_run *w)
{
	rwkvmon_new_sequence(w->mon);
}

const struct tap *watch_run_tap(const struct watch_run *w)
{
	return w->mon ? &w->tap : NULL;
}

int watch_run_close(struct watch_run *w, struct rwkvmon_totals *totals, struct err *err)
{
	int rc = monitor_close(w->mon, totals, err);

	w->mon = NULL;
	free(w->state);
	free(w->sums);
	free(w->decay);
	free(w->before);
	w->before = NULL;
	w->decay = NULL;
	w->state = NULL;
	w->sums = NULL;
	return rc;
}
