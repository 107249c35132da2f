/* verdict.c - [hot] what the observer says of the last call, and what to do about it. */
#include "collect/collector.h"

#include <math.h>

/* rwkvmon.h's bits are the observer's signs by construction. */
_Static_assert(RWKVMON_LOOP == 1 << SIGN_LOOP && RWKVMON_NEAR_LOOP == 1 << SIGN_NEAR_LOOP, "signs");
_Static_assert(RWKVMON_LOW_ENTROPY == 1 << SIGN_LOW_ENTROPY && RWKVMON_HIGH_ENTROPY == 1 << SIGN_HIGH_ENTROPY, "signs");
_Static_assert(RWKVMON_FREEZE == 1 << SIGN_FREEZE && RWKVMON_NON_FINITE == 1 << SIGN_NON_FINITE, "signs");
_Static_assert(RWKVMON_STATE_JUMP == 1 << SIGN_STATE_JUMP && RWKVMON_STATE_LEAK == 1 << SIGN_STATE_LEAK, "signs");
_Static_assert(SIGN_COUNT == 8 && ALARM_TYPE_COUNT <= 64, "one bit each");
_Static_assert(sizeof((struct rwkvmon_verdict *)NULL)->first_bad == SIGN_COUNT * sizeof(uint64_t), "one place each");

/* What a text was before its loop draws the next words towards it: at the 0.85 of healthy text, those after a rewind
 * stay dull. */
static const double LEADS_OUT = 0.95; /* top_p */

enum { COLLAPSED = RWKVMON_LOOP | RWKVMON_NEAR_LOOP | RWKVMON_LOW_ENTROPY };

/* What to do about each sign, in addition to other sampling settings. */
static const uint32_t advised[SIGN_COUNT] = {
	[SIGN_LOOP] = RWKVMON_ADVISE_STOP | RWKVMON_ADVISE_GO_BACK | RWKVMON_ADVISE_SAMPLING,
	[SIGN_NEAR_LOOP] = RWKVMON_ADVISE_GO_BACK | RWKVMON_ADVISE_SAMPLING,
	[SIGN_LOW_ENTROPY] = RWKVMON_ADVISE_GO_BACK | RWKVMON_ADVISE_SAMPLING,
	[SIGN_HIGH_ENTROPY] = RWKVMON_ADVISE_SAMPLING,
	[SIGN_FREEZE] = RWKVMON_ADVISE_STOP,
	[SIGN_NON_FINITE] = RWKVMON_ADVISE_STOP | RWKVMON_ADVISE_GO_BACK | RWKVMON_ADVISE_PRECISION,
	[SIGN_STATE_JUMP] = RWKVMON_ADVISE_RESET,
	[SIGN_STATE_LEAK] = RWKVMON_ADVISE_RESET,
};

static uint32_t advice_for(uint32_t fires)
{
	uint32_t advice = 0;

	for (uint32_t left = fires; left; left &= left - 1)
		advice |= advised[__builtin_ctz(left)];
	return advice;
}

/* A higher temperature leads out of a repetition; if tokens are words, penalties do, too (they would garble single
 * bytes). */
static void advise_sampling(const struct verdict_sampling *now, bool bytes, struct rwkvmon_verdict *v)
{
	if (v->fires & COLLAPSED) {
		v->temperature = fmax(1, now->temperature);
		v->top_p = fmax(LEADS_OUT, now->top_p);
		if (!bytes)
			v->alpha_frequency = fmax(0.4, 2 * now->frequency);
	} else if (v->fires & RWKVMON_HIGH_ENTROPY) {
		v->temperature = fmin(1, 0.8 * now->temperature);
	}
}

/* What is worked out only where something fires. */
static void fill_signs(const struct verdict_sampling *now, const struct observed_verdict *from,
		       struct rwkvmon_verdict *v)
{
	v->critical = from->fires & (RWKVMON_LOOP | RWKVMON_NON_FINITE);
	v->advice = advice_for(from->fires);
	v->sure = from->sure;
	v->first_bad_token = UINT64_MAX;
	for (uint32_t left = from->fires; left; left &= left - 1) {
		int sign = __builtin_ctz(left);

		v->first_bad[sign] = from->first_bad[sign];
		if (v->first_bad_token > from->first_bad[sign])
			v->first_bad_token = from->first_bad[sign];
	}
	v->go_back_tokens = from->sequence_length - v->first_bad_token + 1;
	if (v->advice & RWKVMON_ADVISE_SAMPLING)
		advise_sampling(now, from->bytes, v);
}

static void fill(const struct rwkvmon_stream *s, struct rwkvmon_verdict *v)
{
	struct observed_verdict from;

	observer_verdict(s->observer, &from);
	v->fires = from.fires;
	v->repeat_share = from.repeat_share;
	v->mean_entropy = from.mean_entropy;
	v->mean_surprisal = from.mean_surprisal;
	if (from.fires)
		fill_signs(&s->mon->sampling, &from, v);
	v->alarms = atomic_load_explicit(&s->alarms_on, memory_order_relaxed);
	v->alarms_age = s->records - atomic_load_explicit(&s->judged, memory_order_relaxed);
}

void rwkvmon_stream_verdict(const rwkvmon *mon, const rwkvmon_stream *stream, struct rwkvmon_verdict *verdict)
{
	struct rwkvmon_verdict v = {
		.temperature = NAN,
		.top_p = NAN,
		.alpha_frequency = NAN,
		.repeat_share = NAN,
		.mean_entropy = NAN,
		.mean_surprisal = NAN,
	};
	size_t size = verdict ? verdict->struct_size : 0;
	const struct rwkvmon_stream *s;

	if (size < sizeof size)
		return;
	if (collector_enter(mon)) {
		s = stream_named(mon, stream);
		if (s && s->observer)
			fill(s, &v);
		collector_leave(mon);
	}
	v.struct_size = size;
	memcpy(verdict, &v, size < sizeof v ? size : sizeof v);
}

void rwkvmon_verdict(const rwkvmon *mon, struct rwkvmon_verdict *verdict)
{
	rwkvmon_stream_verdict(mon, NULL, verdict);
}

int rwkvmon_alarm(const char *type)
{
	enum alarm_type t = type ? alarm_by_id(slice_of(type)) : ALARM_TYPE_COUNT;

	return t == ALARM_TYPE_COUNT ? -1 : (int)t;
}

const char *rwkvmon_alarm_type(int number)
{
	return number >= 0 && number < ALARM_TYPE_COUNT ? alarm_specs[number].id : NULL;
}

void rwkvmon_stream_went_back(rwkvmon *mon, rwkvmon_stream *stream, size_t n_tokens)
{
	struct rwkvmon_stream *s;

	if (!collector_enter(mon))
		return;
	s = stream_named(mon, stream);
	if (s && s->observer)
		observer_go_back(s->observer, n_tokens);
	collector_leave(mon);
}

void rwkvmon_went_back(rwkvmon *mon, size_t n_tokens)
{
	rwkvmon_stream_went_back(mon, NULL, n_tokens);
}
