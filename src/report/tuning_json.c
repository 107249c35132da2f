/* tuning_json.c - everything that was measured, for programs. */
#include "base/json.h"
#include "report/tuning.h"

#include <math.h>

static const char *const fate_ids[FATE_COUNT] = {
	[FATE_UNMEASURED] = "not_measured", [FATE_CHOSEN] = "chosen",          [FATE_SAME] = "no_difference",
	[FATE_UNDECIDED] = "undecided",     [FATE_SLOWER] = "slower",          [FATE_FASTER] = "faster",
	[FATE_LEFT] = "left_early",         [FATE_MEMORY] = "over_max_memory", [FATE_QUALITY] = "over_max_kl",
	[FATE_SPEED] = "under_min_tps",     [FATE_TWIN] = "same_weights",      [FATE_FAILED] = "cannot_be_opened",
};
static const char *const objective_ids[TUNE_OBJECTIVES] = { "decode", "prefill", "memory" };

static void add_setting(struct json *out, const struct tuning_candidate *c)
{
	jw_put_text(out, "strategy", c->strategy);
	jw_put_bool(out, "skip_zeros", c->skip_zeros);
	jw_put_i64(out, "threads", c->threads);
	jw_put_u64(out, "chunk_len", c->chunk_len);
}

static void add_candidate(struct json *out, const struct tuning_heat *h, size_t i)
{
	const struct tuning_candidate *c = &h->of[i];

	jw_break(out);
	jw_object(out);
	add_setting(out, c);
	jw_put_text(out, "result", fate_ids[c->fate]);
	jw_put_bool(out, "front", c->front);
	jw_put_u64(out, "rounds", h->race.rounds[i]);
	jw_put_digits(out, "tokens_per_second", tuning_tps(c->level.mean), 5);
	jw_put_digits(out, "tokens_per_second_low", tuning_tps(c->level.high), 5);
	jw_put_digits(out, "tokens_per_second_high", tuning_tps(c->level.low), 5);
	jw_put_digits(out, "time_more", expm1(c->behind.mean), 5);
	jw_put_digits(out, "time_more_low", expm1(c->behind.low), 5);
	jw_put_digits(out, "time_more_high", expm1(c->behind.high), 5);
	jw_put_decimal(out, "memory_mb", c->memory_mb, 2);
	jw_put_digits(out, "kl_nats", c->kl, 5);
	jw_put_digits(out, "kl_nats_high", c->kl_high, 5);
	jw_put_digits(out, "top1_agree", c->top1, 5);
	if (c->why)
		jw_put_text(out, "why", c->why);
	jw_end(out);
}

void report_tuning_json(struct buf *to, const struct tuning *t)
{
	const struct tuning_candidate *chosen = tuning_chosen(t);
	struct json out = { .out = to };

	jw_object(&out);
	jw_put_text(&out, "model_name", t->model);
	jw_put_text(&out, "dtype", t->dtype);
	jw_put_text(&out, "runtime", t->python ? "rwkv" : "rwkvmon");
	jw_put_text(&out, "objective", objective_ids[t->objective]);
	jw_put_i64(&out, "cores", t->cores);
	jw_put_decimal(&out, "seconds", t->seconds, 2);
	jw_put_bool(&out, "interrupted", t->interrupted);
	jw_put_bool(&out, "out_of_time", t->out_of_time);
	jw_put_u64(&out, "quality_tokens", t->quality_tokens);
	jw_key(&out, "chosen");
	if (chosen) {
		jw_object(&out);
		add_setting(&out, chosen);
		jw_end(&out);
	} else {
		jw_null(&out);
	}
	jw_put_array(&out, "races");
	for (int i = 0; i < 2; i++) {
		if (!t->heat[i].race.n)
			continue;
		jw_object(&out);
		jw_put_text(&out, "phase", phase_ids[t->heat[i].phase]);
		jw_put_decimal(&out, "seconds", t->heat[i].seconds, 2);
		jw_put_array(&out, "settings");
		for (size_t c = 0; c < t->heat[i].race.n; c++)
			add_candidate(&out, &t->heat[i], c);
		jw_end(&out);
		jw_end(&out);
	}
	jw_end(&out);
	jw_end(&out);
	buf_char(to, '\n');
}
