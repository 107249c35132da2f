/* answer.c - draw, show, feed, and act on the verdict. Each act is a line of the log and a line on standard error. */
#include "cli/answer.h"

#include "cli/args.h"
#include "observe/verdict.h"
#include "report/terminal.h"

#include <math.h>

enum { CHANGES = 6 };

size_t answer_tokens(const struct answer *a)
{
	return a->g->said.n - a->begin;
}

static struct slice token_text(const struct answer *a, size_t i)
{
	return tokenizer_bytes(a->g->tokenizer, a->g->said.ids[a->begin + i]);
}

static int show_safe(struct answer *a, size_t hold_back, struct err *err)
{
	int rc = 0;

	for (; a->shown + hold_back < answer_tokens(a) && !rc; a->shown++)
		rc = screen_say(a->screen, token_text(a, a->shown), err);
	return rc;
}

bool answer_ends_in(const struct answer *a, struct slice text)
{
	size_t left = text.n;

	for (size_t i = answer_tokens(a); i-- > 0 && left;) {
		struct slice bytes = token_text(a, i);
		size_t n = bytes.n < left ? bytes.n : left;

		if (memcmp(bytes.p + bytes.n - n, text.p + left - n, n) != 0)
			return false;
		left -= n;
	}
	return !left;
}

/* --- what is told ------------------------------------------------------------------------ */

struct act {
	enum act_type is;
	enum alarm_type alarm;
	enum text_id what;
	const struct rwkvmon_verdict *v;
	uint64_t since, back;   /* the sign's first token, and how many to rewind */
	uint64_t before, after; /* tokens of the sequence */
	struct sampler_config from, to;
	uint64_t saved;
};

static double known(bool changed, double value)
{
	return changed ? value : (double)NAN;
}

static void log_act(const struct answer *a, const struct act *act, const char *reason)
{
	bool moved = act->before != act->after, temperature = act->from.temperature != act->to.temperature,
	     top_p = act->from.top_p != act->to.top_p, frequency = act->from.frequency != act->to.frequency,
	     presence = act->from.presence != act->to.presence,
	     decay = act->from.penalty_decay != act->to.penalty_decay;
	const struct rwkvmon_change changes[CHANGES] = {
		{ "sequence_length", known(moved, (double)act->before), known(moved, (double)act->after) },
		{ "temperature", known(temperature, act->from.temperature), known(temperature, act->to.temperature) },
		{ "top_p", known(top_p, act->from.top_p), known(top_p, act->to.top_p) },
		{ "alpha_frequency", known(frequency, act->from.frequency), known(frequency, act->to.frequency) },
		{ "alpha_presence", known(presence, act->from.presence), known(presence, act->to.presence) },
		{ "penalty_decay", known(decay, act->from.penalty_decay), known(decay, act->to.penalty_decay) },
	};

	rwkvmon_acted(a->g->watch.mon, &(struct rwkvmon_action){ .struct_size = sizeof(struct rwkvmon_action),
								 .action = act_specs[act->is].id,
								 .alarm_type = alarm_specs[act->alarm].id,
								 .reason = reason,
								 .first_bad_token = act->since,
								 .attempt = act->is == ACT_REWIND ? a->attempts : 0,
								 .tokens_saved = act->saved,
								 .changes = changes,
								 .n_changes = CHANGES });
}

static const enum text_id said_of[ACT_COUNT] = {
	[ACT_WARN] = TEXT_ACT_WARN, [ACT_STOP] = TEXT_ACT_STOP, [ACT_REWIND] = TEXT_ACT_REWIND
};

/* "a loop, since token 312: 86 tokens taken back". */
static void tell_act(const struct answer *a, const struct act *act)
{
	enum lang lang = args_lang(a->g->opts->lang);
	char since[TERM_TEXT], count[TERM_TEXT];
	struct buf line = { 0 };

	log_act(a, act, text(act->what, lang));
	text_fill(&line, lang, said_of[act->is], text(act->what, lang), term_count(since, act->since),
		  term_count(count, act->is == ACT_REWIND ? act->before - act->after : act->saved));
	if (!line.failed && !a->g->opts->quiet)
		screen_note(a->screen, line.p);
	buf_free(&line);
}

/* --- acts ---------------------------------------------------------------------------------- */

static int draw_otherwise(struct answer *a, const struct sampler_config *how, struct err *err)
{
	int rc = sampler_adjust(a->g->sampler, how, err);

	a->g->drawing = *how;
	return rc;
}

/* A step of the sampling, towards what was given or away from it. */
static int step_to(struct answer *a, enum alarm_type why, const struct sampler_config *to, struct err *err)
{
	struct act act = { .is = ACT_SET_SAMPLING, .alarm = why, .from = a->g->drawing, .to = *to };
	bool bolder = to->temperature > act.from.temperature || to->top_p > act.from.top_p ||
		      to->frequency > act.from.frequency;

	log_act(a, &act, text(bolder ? TEXT_ACT_ADAPT : TEXT_ACT_CALM, args_lang(a->g->opts->lang)));
	return draw_otherwise(a, to, err);
}

/* Each rewind that did not help is followed by one that goes back further. Text that was shown for good stays. */
static size_t target_of(struct answer *a, uint64_t wanted)
{
	size_t n = answer_tokens(a), back = wanted < n ? (size_t)wanted : n, target = n - back;
	bool same = a->attempts && target <= a->last_target + CHECKPOINT_TOKENS;
	size_t further = same ? (size_t)CHECKPOINT_TOKENS << a->same_place : 0;

	a->same_place = same ? a->same_place + 1 : 0;
	target = target > further ? target - further : 0;
	a->last_target = target;
	if (a->g->acting.hold_back && target < a->shown)
		target = a->shown;
	return target;
}

/* The screen's memory of the answer ends where the answer does now. */
static void retract_text(struct answer *a, size_t target)
{
	if (a->shown <= target)
		return;
	screen_forget(a->screen);
	for (size_t i = 0; i < target; i++)
		screen_recall(a->screen, token_text(a, i));
	a->shown = target;
}

static int go_back(struct answer *a, size_t target, uint32_t *first_bad, struct err *err)
{
	size_t back = answer_tokens(a) - target;

	*first_bad = back ? a->g->said.ids[a->begin + target] : UINT32_MAX;
	retract_text(a, target);
	a->g->acting.taken_back += back;
	return generation_go_back(a->g, a->begin, target, err);
}

static int stop(struct answer *a, struct act *act)
{
	act->is = ACT_STOP;
	act->saved = a->wanted > answer_tokens(a) ? a->wanted - answer_tokens(a) : 0;
	a->stopped = true;
	a->g->acting.stopped = alarm_specs[act->alarm].id;
	tell_act(a, act);
	return 0;
}

static int rewind_answer(struct answer *a, struct act *act, struct err *err)
{
	size_t target = target_of(a, act->back), back = answer_tokens(a) - target;
	bool last = a->attempts == ACT_ATTEMPTS || !back;
	uint32_t first_bad;
	int rc = go_back(a, target, &first_bad, err);

	act->after = act->before - back;
	if (rc)
		return rc;
	if (last)
		return stop(a, act);
	a->attempts++;
	a->g->acting.rewinds++;
	act->to = acting_sampling(&a->g->sampling, act->v);
	a->bold_for = act->alarm;
	a->g->acting.adapt.step = 0; /* it rests from now on */
	ease_begin(&a->ease, &a->g->sampling, &act->to, target + acting_stretch(a->attempts));
	tell_act(a, act);
	sampler_avoid(a->g->sampler, first_bad);
	rc = screen_resume(a->screen, err);
	return rc ? rc : draw_otherwise(a, &act->to, err);
}

/* Once an answer was rewound, its way back replaces --adapt-sampling, which starts from the given settings. */
static int follow(struct answer *a, const struct rwkvmon_verdict *v, struct err *err)
{
	struct adapt *adapt = &a->g->acting.adapt;
	struct sampler_config to;

	if (a->ease.on) {
		if (!ease_follow(&a->ease, v, answer_tokens(a)))
			return 0;
		to = ease_sampling(&a->ease, &a->g->sampling);
		return step_to(a, a->bold_for, &to, err);
	}
	if (!adapt->on || !adapt_follow(adapt, v, answer_tokens(a)))
		return 0;
	to = adapt_sampling(adapt, &a->g->sampling);
	return step_to(a, ALARM_HIGH_REPETITION, &to, err);
}

static int react(struct answer *a, struct err *err)
{
	struct rwkvmon_verdict v = { .struct_size = sizeof v };
	struct acting_sign sign;
	struct act act;

	rwkvmon_verdict(a->g->watch.mon, &v);
	a->loops_easily = !(100 * v.mean_surprisal >= VERDICT_LIKELIEST_PCT * v.mean_entropy);
	sign = acting_sign(&a->g->acting, &v);
	if (sign.alarm == ALARM_TYPE_COUNT) {
		a->warned = ALARM_TYPE_COUNT;
		return follow(a, &v, err);
	}
	act = (struct act){ .is = a->g->acting.to[sign.alarm],
			    .alarm = sign.alarm,
			    .what = sign.what,
			    .v = &v,
			    .since = sign.since,
			    .back = sign.back,
			    .before = sign.length,
			    .after = sign.length,
			    .from = a->g->drawing,
			    .to = a->g->drawing };
	if (act.is == ACT_REWIND)
		return rewind_answer(a, &act, err);
	if (act.is == ACT_STOP)
		return stop(a, &act);
	if (a->warned != act.alarm)
		tell_act(a, &act);
	a->warned = act.alarm;
	return 0;
}

/* --- its course ------------------------------------------------------------------------------ */

int answer_begin(struct answer *a, struct generation *g, struct screen *screen, uint64_t wanted, struct err *err)
{
	*a = (struct answer){
		.g = g, .screen = screen, .wanted = wanted, .begin = g->said.n, .warned = ALARM_TYPE_COUNT
	};
	g->acting.adapt.next = 0;
	g->acting.stopped = NULL;
	if (g->acting.checkpoints)
		checkpoints_begin(g->acting.checkpoints, g->run);
	return g->acting.any ? react(a, err) : 0;
}

bool answer_goes_on(const struct answer *a)
{
	return !a->stopped && answer_tokens(a) < a->wanted && !generation_interrupted();
}

int answer_next(struct answer *a, struct err *err)
{
	struct generation *g = a->g;
	uint32_t token;
	int rc = generation_draw(g, &token, err);

	if (!rc)
		rc = show_safe(a, g->acting.hold_back, err);
	if (!rc)
		rc = generation_feed(g, token, err);
	if (!rc && g->acting.any)
		rc = react(a, err);
	if (!rc && g->acting.checkpoints && answer_tokens(a))
		checkpoints_pass(g->acting.checkpoints, g->run, answer_tokens(a), a->loops_easily);
	return rc;
}

int answer_end(struct answer *a, struct err *err)
{
	int rc = show_safe(a, 0, err);
	enum alarm_type why;

	if (rc || (!a->ease.step && !a->g->acting.adapt.step))
		return rc;
	why = a->ease.on ? a->bold_for : ALARM_HIGH_REPETITION; /* the next answer begins with what was given */
	a->g->acting.adapt.step = 0;
	return step_to(a, why, &a->g->sampling, err);
}
