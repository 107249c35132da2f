#include "cli/watch_run.h"

#include "base/cpu.h"
#include "cli/args.h"
#include "cli/model.h"
#include "cli/receivers.h"
#include "log/log.h"
#include "simd/observe.h"
#include "stats/select.h"

#include <math.h>
#include <stdlib.h>

static void on_begin(void *ctx)
{
	rwkvmon_begin(((struct watch_run *)ctx)->mon);
}

/* Room for one row per tensor; grows with the first call only. */
static bool make_room(struct watch_run *w, size_t n)
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

/* What the runtime sums for single tokens, for a chunk: the state is compared with the one
 * before, which becomes the one before the next chunk. */
static size_t compare_chunk(struct watch_run *w, const struct tap_step *step)
{
	struct state_sums part[2] = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < step->n_state; at += step->state[i++].n)
		state_observe(w->before + at, step->state[i].p, VALUE_F32, step->state[i].n, &part[step->state[i].part == TAP_WKV]);
	for (int i = 0; i < 2; i++)
		w->sums[i] = (struct rwkvmon_state_sums){ i ? RWKVMON_WKV : RWKVMON_SHIFT, part[i].dot, part[i].old2, part[i].new2,
							  part[i].change2, part[i].nonfinite };
	return 2;
}

static void fill_state(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	size_t rows = step->n_stats > step->n_state ? step->n_stats : step->n_state;

	if (!make_room(w, rows))
		return;
	for (size_t i = 0; i < step->n_state; i++)
		w->state[i] = (struct rwkvmon_tensor){ step->state[i].p, step->state[i].n, RWKVMON_F32,
						       step->state[i].part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT };
	for (size_t i = 0; i < step->n_stats; i++) {
		const struct tap_state_stats *s = &step->stats[i];

		w->sums[i] = (struct rwkvmon_state_sums){ s->part == TAP_WKV ? RWKVMON_WKV : RWKVMON_SHIFT, s->dot, s->old_norm2,
							  s->new_norm2, s->change_norm2, s->nonfinite };
	}
	out->state = w->state;
	out->n_state = step->n_state;
	out->sums = w->sums;
	out->n_sums = !step->n_stats && w->before ? compare_chunk(w, step) : step->n_stats;
}

/* ln 2 / -ln w: the tokens after which half of a value is left. */
static double half_life(float w)
{
	return w > 0 && w < 1 ? -0.6931471805599453 / log((double)w) : NAN;
}

/* Percentiles of the decay's half-life over all channels of all layers, now and then. */
static void fill_decay(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	static const struct {
		const char *metric;
		size_t pct;
	} wanted[3] = { { "decay_half_life_p5", 5 }, { "decay_half_life_tokens", 50 }, { "decay_half_life_p95", 95 } };
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
	for (size_t i = 0; i < n; i++)
		if (!isfinite(w->decay[i])) /* reported as non-finite state; a percentile has no meaning then */
			return;
	for (int i = 0; i < 3; i++) {
		float decay = select_kth(w->decay, n, (n - 1) * wanted[i].pct / 100);

		w->number[i] = (struct rwkvmon_number){ rwkvmon_metric(wanted[i].metric), half_life(decay) };
	}
	out->n_numbers = 3;
}

/* Layers come in order, so the first row that holds a bad value names the layer. */
static void fill_first_bad_layer(struct watch_run *w, const struct tap_step *step, struct rwkvmon_step *out)
{
	for (size_t i = 0; i < step->n_stats; i++)
		if (step->stats[i].nonfinite) {
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
	struct rwkvmon_step out = { .struct_size = sizeof out, .tokens = step->tokens, .n_tokens = step->n_tokens,
				    .phase = step->prefill ? RWKVMON_PREFILL : RWKVMON_DECODE, .logits = step->logits,
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
	fill_text(w, step, &out, &text);
	rwkvmon_end(w->mon, &out);
	buf_free(&text);
}

static const char *log_of(const struct options *o)
{
	if (!o->log)
		return "";
	return strcmp(o->log, "none") ? o->log : NULL;
}

/* "never", "interval" or "record", in the order of enum rwkvmon_sync. */
static int sync_of(const char *name, enum rwkvmon_sync *out, struct err *err)
{
	int i = 0;

	while (name && i < LOG_SYNC_COUNT && strcmp(name, log_sync_names[i]))
		i++;
	*out = (enum rwkvmon_sync)i;
	return i < LOG_SYNC_COUNT ? 0 : err_set(err, ERR_USAGE, "--fsync: found \"%s\", expected never, interval or record", name);
}

static uint64_t count_or_0(uint64_t given)
{
	return given == UINT64_MAX ? 0 : given;
}

int watch_run_open(struct watch_run *w, const struct options *opts, const struct model *m, const struct tokenizer *t,
		   const struct sampler_config *sampling, size_t chunk_len, struct err *err)
{
	const struct model_info *info = model_info(m);
	char why[RWKVMON_ERROR_BYTES], *second_line;
	struct rwkvmon_config cfg = {
		.struct_size = sizeof cfg, .log_path = log_of(opts), .rules = opts->rules, .lang = lang_codes[args_lang(opts->lang)],
		.log_tokens = opts->log_tokens, .log_text = opts->log_text, .alarms_to_stderr = !opts->quiet,
		.model_name = w->name, .model_version = info->version, .strategy = info->strategy,
		.runtime_name = "rwkvmon", .runtime_version = rwkvmon_version(), .runtime_flags = cpu_features_name(),
		.chunk_len = (uint32_t)chunk_len, .n_layer = (uint32_t)info->n_layer, .n_embd = (uint32_t)info->n_embd,
		.vocab_size = (uint32_t)info->n_vocab, .model_bytes = info->weight_bytes, .load_time_ms = (double)info->load_ns / 1e6,
		.has_sampler = 1, .temperature = sampling->temperature, .top_p = sampling->top_p,
		.alpha_frequency = sampling->frequency, .alpha_presence = sampling->presence,
		.log_rotate_bytes = count_or_0(opts->log_rotate_bytes), .log_rotate_seconds = count_or_0(opts->log_rotate_seconds),
		.log_keep = (uint32_t)count_or_0(opts->log_keep),
		.penalty_decay = sampling->penalty_decay, .top_k = (uint32_t)sampling->top_k, .seed = sampling->seed,
	};
	struct receivers to = { 0 };
	int rc;

	*w = (struct watch_run){ .tokenizer = t, .log_text = opts->log_text };
	cli_model_name(w->name, sizeof w->name, opts->model);
	w->tap = (struct tap){ .ctx = w, .begin = on_begin, .end = on_end, .wants_state_stats = true };
	rc = sync_of(opts->fsync, &cfg.log_sync, err);
	if (!rc)
		rc = receivers_open(&to, opts, err);
	if (rc) {
		receivers_free(&to);
		return rc;
	}
	cfg.alarm_file = opts->alarm_file;
	cfg.alarm_command = to.command.word;
	cfg.webhook_url = to.webhook;
	cfg.webhook_template = opts->webhook_template;
	cfg.alertmanager_url = to.alertmanager;
	cfg.listen = opts->listen;
	cfg.listen_token = to.token;
	cfg.metrics_textfile = opts->metrics_textfile;
	rc = opts->unwatched ? 0 : rwkvmon_open(&w->mon, &cfg, why);
	receivers_free(&to);
	if (!rc && *rwkvmon_url(w->mon) && !opts->quiet)
		fprintf(stderr, "%s/metrics\n", rwkvmon_url(w->mon));
	if (!rc)
		return 0;
	second_line = strchr(why, '\n');
	if (second_line)
		*second_line++ = 0;
	err_set(err, (enum err_code)-rc, "%s", why);
	return second_line ? err_hint(err, "%s", second_line) : rc;
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
	rwkvmon_finished(w->mon, rc	     ? RWKVMON_FINISH_ERROR :
				 interrupted ? RWKVMON_FINISH_ABORT :
				 stopped     ? RWKVMON_FINISH_STOP :
					       RWKVMON_FINISH_LENGTH);
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
	int rc = rwkvmon_close(w->mon, totals);
	char *second_line = strchr(totals->trouble, '\n');

	w->mon = NULL;
	free(w->state);
	free(w->sums);
	free(w->decay);
	free(w->before);
	w->before = NULL;
	w->decay = NULL;
	w->state = NULL;
	w->sums = NULL;
	if (!rc)
		return 0;
	if (second_line)
		*second_line++ = 0;
	err_set(err, (enum err_code)-rc, "%s", totals->trouble);
	return second_line ? err_hint(err, "%s", second_line) : rc;
}
