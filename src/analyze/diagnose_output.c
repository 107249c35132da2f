/* diagnose_output.c - tests of the model's values and output: finite numbers, own state, output; and other
 * abnormalities. */
#include "analyze/diagnose_tests.h"
#include "analyze/instances.h"
#include "analyze/requests.h"

#include <math.h>

static double pct_of_records(const struct walk *w, uint64_t n)
{
	return w->f->records ? 100 * (double)n / (double)w->f->records : 0;
}

static double violated_pct(const struct walk *w, enum alarm_type type)
{
	return pct_of_records(w, w->f->anomaly_by_type[type]);
}

static uint64_t live(const struct walk *w, enum alarm_type type)
{
	return w->f->live_alarms[type];
}

static void say_live(struct walk *w, enum alarm_type type)
{
	if (live(w, type))
		say(w, E_LIVE_ALARM, alarm_specs[type].id, (double)live(w, type), NAN, NAN, NAN);
}

/* What a learned rule says of a healthy log now and then: its content changed. The more records beyond the `usual`
 * share of them, the seldomer; what is sure is a fact. */
static enum grade by_rule(struct walk *w, enum grade grade, double pct, double usual)
{
	return grade == SURE ? SURE : unless_chance(w, grade, limit_of(T_RULE_CHANCE) * pow(fmin(usual / pct, 1), 3));
}

/* Texts whose levels are no consequence of each other: sequences, or so many tokens of one. */
static double independent_texts(const struct walk *w)
{
	enum { REMEMBERED = 100 };

	return fmax((double)w->p->prompts, (double)w->p->steps / REMEMBERED);
}

/* The entropy of a random choice. */
static double random_nats(const struct walk *w)
{
	return log(fields_number(&w->p->about, F_VOCAB_SIZE, limit_of(T_VOCAB)));
}

/* --- finite -------------------------------------------------------------------------------- */

/* Steps that count some: all of them, or by their kind. */
static double counted(const struct walk *w, enum metric_id all, enum metric_id nan, enum metric_id inf)
{
	const enum metric_id each[] = { all, nan, inf };
	double most = 0;

	for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
		const struct summary *s = &w->f->metric[each[i]];

		most = s->max > 0 && (double)s->count > most ? (double)s->count : most;
	}
	return most;
}

static enum grade broken(struct walk *w, bool fp16)
{
	const double logits = counted(w, M_NONFINITE_LOGITS, M_NAN_LOGITS, M_INF_LOGITS),
		     state = counted(w, M_NONFINITE_STATE, M_NAN_STATE, M_INF_STATE);
	double all = logits + state;
	const char *what = state > 0 || w->f->metric[M_NONFINITE_STATE].nonfinite     ? "state"
			   : logits > 0 || w->f->metric[M_NONFINITE_LOGITS].nonfinite ? "logits"
										      : NULL;
	bool looked = false;

	for (int m = 0; m < METRIC_COUNT; m++) {
		const struct summary *s = &w->f->metric[m];

		if (metric_specs[m].group != METRIC_ACCURACY) /* a NaN of a clock or a sensor is not the model's */
			continue;
		all += (double)s->nonfinite;
		what = what || !s->nonfinite ? what : metric_specs[m].id;
		looked |= s->count > 0;
	}
	if (all <= 0 && !live(w, ALARM_NON_FINITE)) {
		if (!looked)
			return UNKNOWN;
		say1(w, E_ALL_FINITE, (double)w->f->records);
		return NO;
	}
	if (w->p->bans)
		say1(w, E_BANNED, (double)w->p->bans);
	if (fp16 != w->x->fp16 || (all > 0 && w->p->steps && !w->p->nonfinite)) /* or they are of another part */
		return NO;
	if (all > 0)
		say(w, E_NONFINITE, what, w->p->steps ? (double)w->p->nonfinite : all, NAN, NAN, NAN);
	say_live(w, ALARM_NON_FINITE);
	say(w, E_STRATEGY, w->x->strategy, NAN, NAN, NAN, NAN);
	return *w->x->strategy ? SURE : LIKELY;
}

enum grade test_BROKEN_FP16(struct walk *w)
{
	return broken(w, true);
}

enum grade test_BROKEN_OTHER(struct walk *w)
{
	return broken(w, false);
}

enum grade test_FINITE_YES(struct walk *w)
{
	(void)w;
	return SURE;
}

/* --- own state ------------------------------------------------------------------------------- */

enum grade test_LEAKED(struct walk *w)
{
	if (w->p->leaks_checked)
		say2(w, E_LEAKS, (double)w->p->leaks, (double)w->p->leaks_checked);
	say_live(w, ALARM_STATE_LEAK);
	if (w->p->leaks || live(w, ALARM_STATE_LEAK))
		return SURE;
	return w->p->leaks_checked ? NO : UNKNOWN;
}

/* A state that is the same at each step, or has nothing in common with the one before at any: the steps do not hand it
 * on. */
static bool is_stuck(const struct summary *similarity)
{
	return (double)similarity->count >= limit_of(T_OUTPUT_TOKENS) &&
	       (similarity->min >= 1 || similarity->max < limit_of(T_JUMP_DEEP));
}

/* A single drop of similarity may come from a control token; a state with a different norm is a different state. */
enum grade test_JUMPED(struct walk *w)
{
	const struct summary *similarity = &w->f->metric[M_STATE_SIMILARITY];
	const struct summary *decoded = &w->f->phase[PHASE_DECODE][M_STATE_SIMILARITY];
	const bool phases = decoded->count || w->f->phase[PHASE_PREFILL][M_STATE_SIMILARITY].count;
	const struct summary *decode = phases ? decoded : similarity; /* they are not always known */
	double alarms = (double)live(w, ALARM_STATE_DIVERGENCE),
	       falls = (double)w->f->anomaly_by_type[ALARM_STATE_DIVERGENCE],
	       pct = violated_pct(w, ALARM_STATE_DIVERGENCE);
	enum grade grade = graded((double)w->p->jumps, T_EXCHANGES);

	if (w->p->jumps)
		say1(w, E_STATE_EXCHANGED, (double)w->p->jumps);
	if (is_stuck(decode)) {
		say3(w, E_STATE_STUCK, (double)decode->count, decode->min, decode->max);
		grade = SURE;
	} else if (similarity->count)
		say2(w, E_JUMPS, fmax(falls, alarms), similarity->min);
	say_live(w, ALARM_STATE_DIVERGENCE);
	grade = more(grade, graded(alarms, T_ALARMED_JUMPS));
	grade = more(grade,
		     by_rule(w, graded(falls >= limit_of(T_JUMPS) ? pct : 0, T_JUMPS_PCT), pct, limit_of(T_JUMPS_PCT)));
	if (w->f->deepest_drop < limit_of(T_JUMP_DEEP))
		grade = more(grade, graded(falls, T_DEEP_JUMPS));
	return grade || similarity->count ? unless_some(grade, falls > 0 || alarms > 0) : UNKNOWN;
}

enum grade test_OWN_STATE_YES(struct walk *w)
{
	(void)w;
	return SURE;
}

/* --- output ------------------------------------------------------------------------------------- */

static void say_loop(struct walk *w)
{
	const struct time_part *p = w->p;

	if (p->loop_longest > 0)
		say(w, E_LOOP, p->loop_session, p->loop_longest, p->loop_period, NAN, NAN);
	else if (*p->loop_session)
		say(w, E_LOOP_NEAR, p->loop_session, (double)(p->loop_tokens + p->near.calls), NAN, NAN, NAN);
}

static double mean_of(double sum, uint64_t n, uint64_t least)
{
	return n >= least ? sum / (double)n : NAN;
}

/* Text that nearly repeats itself is a loop if it does so more than the rows of tables and JSON (more of its tokens,
 * fewer different ones, or a whole period exactly now and then), and if it also repeats more than the other text of
 * this log or the model is far more certain of it. */
static enum grade nearly_repeats(struct walk *w)
{
	const struct text_level *near = &w->p->near, *beside = &w->p->beside;
	uint64_t least = (uint64_t)limit_of(T_LOOP_LASTS), sure = (uint64_t)sure_of(T_LOOP_LASTS);
	double share = mean_of(near->share, near->calls, sure); /* a table's columns stay as they are for less */
	double rate = mean_of(near->rate, near->rates, least), other = mean_of(beside->rate, beside->rates, least);
	double nats = mean_of(near->nats, near->entropies, least),
	       usual = mean_of(beside->nats, beside->entropies, least);
	bool beyond_rows = share >= limit_of(T_NEAR_LOOP_HIGH) || rate >= limit_of(T_NEAR_LOOP_RATE) ||
			   (double)near->cycles >= limit_of(T_NEAR_LOOP_EXACT) * (double)near->calls;
	bool rose = rate - other >= limit_of(T_NEAR_LOOP_RISE), certain = nats <= limit_of(T_NEAR_LOOP_SURE) * usual;

	if (!(share >= 0))
		return NO;
	say(w, E_LOOP_NEAR_BESIDE, NULL, share, nats, usual, NAN);
	if (!beyond_rows || !(rose || certain))
		return SOME;
	return (rose && certain) || near->calls >= 2 * sure ? SURE : LIKELY;
}

/* The share of repeated tokens rises all along: what is normal for the vocabulary and the content was seen before.
 * Where it rises at once, the content is another one, such as a table. */
static enum grade repetition_rises(struct walk *w)
{
	const struct growth *g = &w->x->repetition;
	enum grade grade;

	if (!g->known || g->to - g->from < limit_of(T_REPETITION_RISE))
		return NO;
	say2(w, E_REPETITION_RISE, g->from, g->to);
	if (g->rises < limit_of(T_REPETITION_STEADY) || g->goes_on < limit_of(T_REPETITION_GOES_ON) ||
	    g->steepest > limit_of(T_REPETITION_STEEP))
		return SOME;
	grade = graded(g->to - g->from, T_REPETITION_RISE);
	return grade == SURE ? SURE : unless_chance(w, grade, chance_of_order(independent_texts(w)));
}

static bool of_bytes(const struct walk *w)
{
	return fields_number(&w->p->about, F_VOCAB_SIZE, limit_of(T_VOCAB)) <= limit_of(T_VOCAB_BYTES);
}

/* Certainty rose in a session as its text began to repeat more. */
static enum grade repeats_surely(struct walk *w)
{
	const struct certain_run *r = &w->p->higher_rate;

	if (of_bytes(w) || r->run.tokens < limit_of(T_SURE_TOKENS))
		return NO;
	say(w, E_REPEATS_SURELY, r->run.session_id, text_rate(&r->before), text_rate(&r->run), text_nats(&r->before),
	    text_nats(&r->run));
	return LIKELY;
}

/* It repeats more than tables do, and far more than the other text, and the model does not doubt it. Logs that do not
 * record repetitions themselves have no other sign of a loop, but for repeats_surely. */
static enum grade says_the_same(struct walk *w)
{
	const struct repeating *r = &w->x->repeating;

	if (of_bytes(w) || r->tokens < limit_of(T_SURE_TOKENS) ||
	    !(r->rate - r->other_rate >= limit_of(T_REPETITION_RISE)) ||
	    !(r->nats <= limit_of(T_NEAR_LOOP_SURE) * r->other_nats) ||
	    !(r->nats <= limit_of(T_LOOP_NATS) * random_nats(w)))
		return NO;
	say2(w, E_REPETITION_RISE, r->other_rate, r->rate);
	return LIKELY;
}

enum grade test_REPEATS(struct walk *w)
{
	double loops = (double)w->f->live_collapse[COLLAPSE_LOOP];
	const struct summary *rate = &w->f->metric[M_TOKEN_REPETITION_PCT];
	double temperature = fields_number(&w->p->about, F_SAMPLER_TEMPERATURE, NAN);
	enum grade grade = graded((double)w->p->loop_tokens, T_LOOP_LASTS), near, rises;

	if (loops > 0) {
		say_live(w, ALARM_MODE_COLLAPSE);
		grade = SURE;
	}
	say_loop(w);
	near = nearly_repeats(w);
	rises = repetition_rises(w);
	grade = more(grade, more(more(near, rises), more(says_the_same(w), repeats_surely(w))));
	if (grade <= NO && !rate->count) {
		if (!w->f->metric[M_LOGITS_ENTROPY].count)
			miss(w, E_WANT_ACCURACY);
		return UNKNOWN;
	}
	if (grade <= NO) {
		say1(w, E_NO_LOOP, limit_of(T_LOOP_TOKENS));
		return unless_some(NO, near == SOME || rises == SOME || *w->p->loop_session);
	}
	if (rate->count)
		say2(w, E_REPETITION_RATE, rate->mean, rate->max);
	if (isfinite(temperature))
		say2(w, E_SAMPLER, temperature, fields_number(&w->p->about, F_SAMPLER_FREQUENCY, NAN));
	return grade;
}

/* Over most of the log, the model is most certain where its state hardly changes. */
static enum grade correlated(struct walk *w)
{
	const struct collapse_findings *c = &w->f->collapse;
	double share = (double)c->warned / fmax((double)w->f->records, 1);

	if (!c->session_id || !isfinite(c->worst))
		return UNKNOWN;
	say(w, E_PEARSON, c->session_id, c->worst, NAN, NAN, NAN);
	if ((double)w->f->records < limit_of(T_COLLAPSE_STEPS))
		return unless_some(NO, c->worst < limit_of(T_COLLAPSE_R));
	if (share < limit_of(T_COLLAPSE_SHARE)) {
		if (c->worst < limit_of(T_COLLAPSE_R))
			say2(w, E_PEARSON_SHARE, 100 * share, 100 * limit_of(T_COLLAPSE_SHARE));
		return NO;
	}
	return unless_chance(w, c->worst < sure_of(T_COLLAPSE_R) ? SURE : LIKELY,
			     chance_of_correlation(c->worst, independent_texts(w)));
}

/* The default rules found it by how even a low entropy is, which the limits here do not see. */
static enum grade rules_say_so(struct walk *w)
{
	double pct = violated_pct(w, ALARM_MODE_COLLAPSE);

	if (w->opts->rules_are_own || strcmp(w->f->rule_set, "default") != 0 || pct < limit_of(T_RULE_PCT))
		return NO;
	say(w, E_RULE_BROKEN, alarm_specs[ALARM_MODE_COLLAPSE].id, pct, NAN, NAN, NAN);
	return by_rule(w, LIKELY, pct, limit_of(T_RULE_PCT));
}

/* Longer than quotations are, and though the content did not change to one that repeats more. */
static enum grade entropy_fell(struct walk *w)
{
	const struct entropy_fall *f = &w->x->fall;

	if (of_bytes(w) || !has_fallen(f))
		return NO;
	say(w, f->between ? E_ENTROPY_LOWER : E_ENTROPY_FELL, f->session_id, f->before_nats, f->nats, f->tokens, NAN);
	return f->between ? LIKELY : graded(f->tokens, T_FALL_TOKENS);
}

enum grade test_COLLAPSES(struct walk *w)
{
	const struct sureness *s = &w->x->sure;
	double alarms =
		(double)w->f->live_collapse[COLLAPSE_LOW_ENTROPY] + (double)w->f->live_collapse[COLLAPSE_STATE_FREEZE];
	enum grade grade = NO, by_correlation;

	if (is_sure(s)) {
		say3(w, E_SURE, s->tokens, s->unsure_pct, s->mean_nats);
		if (isfinite(s->before_nats))
			say1(w, E_SURE_BEFORE, s->before_nats);
		grade = unless_chance(w, s->tokens >= sure_of(T_SURE_TOKENS) ? SURE : LIKELY,
				      chance_beyond((limit_of(T_SURE_SPREAD) - s->spread) / s->error));
	}
	if (alarms > 0) {
		say_live(w, ALARM_MODE_COLLAPSE);
		grade = SURE;
	}
	grade = more(grade, entropy_fell(w));
	grade = more(grade, rules_say_so(w));
	by_correlation = correlated(w);
	grade = more(grade, by_correlation);
	if (w->f->metric[M_LOGITS_ENTROPY].count)
		say2(w, E_ENTROPY, w->f->metric[M_LOGITS_ENTROPY].mean, random_nats(w));
	if (grade <= NO && by_correlation == SOME)
		return SOME;
	return grade > 0 || w->f->metric[M_LOGITS_ENTROPY].count ? more(grade, NO) : UNKNOWN;
}

/* Of the tokens that were fed; NAN: of too few. A few are enough where their mean is beyond all doubt: tokens vary by
 * about 4 nats. */
static double fed_surprisal(struct walk *w, double random)
{
	const double n = w->p->fed_tokens, mean = w->p->fed_surprisal / n;
	const double doubt = limit_of(T_FED_DOUBT) / sqrt(n);

	if (n >= limit_of(T_FED_TOKENS) || (n >= limit_of(T_FED_FEW) && mean - doubt > limit_of(T_FED_SHARE) * random))
		return mean;
	if (w->p->prefill_calls && !(n > 0))
		miss(w, E_WANT_SURPRISAL);
	return NAN;
}

/* Prompts that surprise the model more than noise would. */
static enum grade surprised(struct walk *w, double fed, double random)
{
	bool vocabulary = fields_have(&w->p->about, F_VOCAB_SIZE);

	if (isnan(fed))
		return UNKNOWN;
	return vocabulary || fed > log(limit_of(T_VOCAB)) ? graded(fed / random, T_FED_SHARE) : NO;
}

enum grade test_DAMAGED(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_DAMAGED_TENSORS];

	if (!s->count)
		return UNKNOWN; /* written only when there are any */
	say1(w, E_DAMAGED, s->max);
	return s->max > 0 ? SURE : NO;
}

/* One conversation among others may have a tokenizer of its own. */
static enum grade session_surprised(struct walk *w, double random)
{
	const struct fed_session *s = &w->p->fed_worst;
	enum grade grade;

	if (w->p->fed_sessions < 2)
		return UNKNOWN;
	grade = surprised(w, s->nats / s->tokens, random);
	if (grade > NO)
		say(w, E_FED_SESSION, s->session_id, (double)w->p->fed_sessions, s->nats / s->tokens, random, NAN);
	return grade;
}

/* What decided is said first: verdicts quote it. */
enum grade test_GUESSES(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_LOGITS_ENTROPY];
	double random = random_nats(w), fed = fed_surprisal(w, random);
	enum grade by_fed = surprised(w, fed, random), by_entropy = UNKNOWN, by_alarm = UNKNOWN;

	if (by_fed <= NO)
		by_fed = more(by_fed, session_surprised(w, random));
	if ((double)s->count >= limit_of(T_OUTPUT_TOKENS)) /* near that of a random choice */
		by_entropy = graded(s->mean / random, T_GUESS_SHARE);
	if (live(w, ALARM_WRONG_INPUT))
		by_alarm = LIKELY;
	say_live(w, ALARM_WRONG_INPUT);
	if (s->count && by_entropy > by_fed)
		say2(w, E_ENTROPY, s->mean, random);
	if (!isnan(fed))
		say2(w, E_FED_SURPRISAL, fed, random);
	if (s->count && by_entropy <= by_fed)
		say2(w, E_ENTROPY, s->mean, random);
	return unless_some(more(more(by_fed, by_alarm), by_entropy), fed > random);
}

/* Single tokens reach several times the mean in every quantised model: a mean that rests on a few tells nothing. */
static enum grade above_limit(const struct summary *s, double limit)
{
	const double error = s->stddev / sqrt((double)s->count);

	if ((double)s->count < limit_of(T_QUANT_TOKENS) || (s->mean <= limit && s->p50 <= limit))
		return NO;
	if (s->mean - limit_of(T_QUANT_DEVIATIONS) * error > limit)
		return SURE;
	return s->p50 > (s->mean > limit ? limit / 2 : limit) ? LIKELY : NO;
}

enum grade test_QUANTISED_BADLY(struct walk *w)
{
	const struct summary *s = &w->f->metric[M_QUANT_KL_NATS];
	double limit = limit_of(T_QUANT_KL);

	say_live(w, ALARM_QUANTIZATION_ERROR);
	if (!s->count)
		return live(w, ALARM_QUANTIZATION_ERROR) ? LIKELY : UNKNOWN;
	say2(w, E_QUANT_KL, s->mean, limit);
	return unless_some(more(above_limit(s, limit), live(w, ALARM_QUANTIZATION_ERROR) ? LIKELY : NO),
			   s->mean > limit);
}

static void say_refused(struct walk *w, const struct request_counts *n)
{
	if (n->lowest < n->highest)
		say3(w, E_REFUSED_VARIOUSLY, (double)n->refused, n->lowest, n->highest);
	else if (n->refused)
		say2(w, E_REFUSED, (double)n->refused, n->lowest);
	if (n->failed > n->refused)
		say1(w, E_BROKEN_OFF, (double)(n->failed - n->refused));
}

enum grade test_REQUESTS_FAIL(struct walk *w)
{
	const struct request_counts n = requests_of(w->f);
	const double share = (double)n.failed / fmax((double)n.ended, 1);

	if (!n.ended)
		return UNKNOWN;
	if (n.failed)
		say3(w, E_FAILED, (double)n.failed, (double)n.ended, 100 * share);
	say_refused(w, &n);
	return unless_some((double)n.failed < limit_of(T_FAILED_REQUESTS) ? NO : graded(share, T_FAILED_SHARE),
			   n.failed);
}

enum grade test_SOUND(struct walk *w)
{
	(void)w;
	return SURE;
}

/* --- what else stands out ---------------------------------------------------------------------------- */

enum grade test_LOST(struct walk *w)
{
	const double there = (double)w->f->records;
	const struct summary *said = &w->f->metric[M_RECORDS_DROPPED]; /* by steps: mostly what gap lines say, too */
	double dropped = fmax((double)w->f->dropped, said->count ? said->mean * (double)said->count : 0);
	double lost = dropped + (double)w->f->missing_records, share = 100 * lost / fmax(lost + there, 1);
	double unread = (double)w->f->unreadable_lines, unread_share = 100 * unread / fmax(unread + there, 1);
	bool damaged = unread >= limit_of(T_UNREADABLE_LINES) && unread_share >= limit_of(T_UNREADABLE_PCT);

	if (damaged)
		say2(w, E_UNREADABLE, unread, unread_share);
	if (lost > 0)
		say2(w, E_DROPPED, lost, share);
	return damaged || (lost > 0 && share >= limit_of(T_DROPPED_PCT)) ? SURE : lost > 0 ? LIKELY : NO;
}

enum grade test_FP16_FILLS(struct walk *w)
{
	const struct summary *largest = &w->f->metric[M_FP16_LARGEST];
	enum grade grade = largest->count && w->x->fp16 ? graded(largest->max, T_FP16_NEAR) : NO;

	if (grade > NO)
		say1(w, E_FP16_LARGEST, largest->max);
	return grade;
}

/* A batch that is handed over at once waits too, but its queue gets shorter. */
enum grade test_QUEUE_GROWS(struct walk *w)
{
	const struct growth *g = &w->x->queue;
	const double running = w->f->metric[M_REQUESTS_RUNNING].p50;

	if (!g->known || g->to - g->from < limit_of(T_QUEUE) || g->rises < limit_of(T_QUEUE_STEADY) ||
	    g->goes_on < limit_of(T_QUEUE_GOES_ON) || g->to < limit_of(T_QUEUE_TIMES) * running)
		return NO;
	say3(w, E_QUEUE, round(g->from), round(g->to), running);
	return graded(g->to - g->from, T_QUEUE);
}

enum grade test_UNHEARD(struct walk *w)
{
	const struct undelivered *u = &w->f->undelivered;

	if (u->critical)
		say(w, E_UNHEARD, u->why, (double)u->critical, NAN, NAN, NAN);
	return u->critical ? SURE : NO;
}

/* One fall alone explains nothing else, and is still no good news. */
enum grade test_JUMPED_ONCE(struct walk *w)
{
	double alarms = (double)live(w, ALARM_STATE_DIVERGENCE);

	say_live(w, ALARM_STATE_DIVERGENCE);
	return alarms > 0 ? LIKELY : NO;
}

/* One that adds to the part, with the part's model and its strategy. */
static bool is_of_part(const struct instance_findings *in, const char *model_name, const char *strategy,
		       const struct time_part *p)
{
	return !*p->instance ||
	       (instance_has_part(in, p) && !strcmp(model_name, p->model_name) && !strcmp(strategy, p->strategy));
}

static bool is_outlier_of_part(const struct findings *f, const struct peer_outlier *o, const struct time_part *p)
{
	if (*p->instance && !same_host(o->instance, p->instance))
		return false;
	for (size_t i = 0; i < f->n_instances; i++)
		if (!strcmp(f->instance[i].instance, o->instance))
			return is_of_part(&f->instance[i], o->model_name, o->strategy, p);
	return false;
}

/* It became slower while most others did not: whatever it is, it is not what all of them do. */
enum grade test_SLOWED_ALONE(struct walk *w)
{
	const struct slowdown *s = &w->f->slowdown;

	if ((double)s->of < limit_of(T_ALONE_OF) || 2 * s->slowed > s->of || s->scope == SLOWDOWN_COMMON)
		return NO;
	for (size_t i = 0; i < w->f->n_instances; i++) {
		const struct instance_findings *in = &w->f->instance[i];

		if (!isfinite(in->times_slower) || !is_of_part(in, in->model_name, in->strategy, w->p))
			continue;
		say3(w, E_PEERS_STEADY, in->times_slower, (double)s->slowed, (double)s->of);
		return unless_some(graded(in->times_slower, T_SLOWED), true);
	}
	return NO;
}

void say_apart(struct walk *w, const struct peer_outlier *o)
{
	if (o->is_ratio)
		say(w, E_PEER_TIMES, metric_specs[o->metric].id, o->value / o->usual, (double)o->peers, o->z, NAN);
	else
		say(w, E_PEER_AWAY, metric_specs[o->metric].id, o->value, o->usual, (double)o->peers, o->z);
}

enum grade test_APART(struct walk *w)
{
	const struct peer_findings *peers = &w->f->peers;
	const struct peer_outlier *o = NULL;

	for (size_t i = 0; !o && i < peers->n_outliers; i++)
		if (peers->outlier[i].is_worse && is_outlier_of_part(w->f, &peers->outlier[i], w->p))
			o = &peers->outlier[i];
	if (!o)
		return NO;
	say_apart(w, o);
	return unless_some(graded(fabs(o->z), T_PEER_Z), true);
}

/* Rules of speed and of resources know nothing of causes: the walk before has looked at both. */
static bool is_of_output(enum alarm_type type)
{
	switch (type) {
	case ALARM_ABNORMAL_ENTROPY:
	case ALARM_HIGH_REPETITION:
	case ALARM_STATE_DIVERGENCE:
	case ALARM_MODE_COLLAPSE:
	case ALARM_NON_FINITE:
	case ALARM_STATE_LEAK:
	case ALARM_QUANTIZATION_ERROR:
	case ALARM_WRONG_INPUT:
		return true;
	default:
		return false;
	}
}

static bool is_published(const char *rule_set)
{
	return !strcmp(rule_set, "thresholds") || !strcmp(rule_set, "baseline") || !strcmp(rule_set, "byte");
}

/* With the user's own rules every violation counts that lasted for the rule's `for`; with published rules none; with
 * learned rules, if there are many. */
static enum grade rules_broken(struct walk *w)
{
	const bool published = is_published(w->f->rule_set), own = w->opts->rules_are_own;
	const uint64_t *records = own ? w->f->lasted_by_type : w->f->anomaly_by_type;
	enum alarm_type most = ALARM_TYPE_COUNT;

	for (int t = 0; t < ALARM_TYPE_COUNT; t++) {
		bool counts = own ? records[t] > 0
				  : !published && is_of_output((enum alarm_type)t) &&
					      violated_pct(w, (enum alarm_type)t) >= limit_of(T_RULE_PCT);

		if (counts && alarm_specs[t].severity >= SEVERITY_WARNING &&
		    (most == ALARM_TYPE_COUNT || records[t] > records[most]))
			most = (enum alarm_type)t;
	}
	if (most == ALARM_TYPE_COUNT)
		return NO;
	say(w, E_RULE_BROKEN, alarm_specs[most].id, pct_of_records(w, records[most]), NAN, NAN, NAN);
	return own ? SURE : by_rule(w, LIKELY, violated_pct(w, most), limit_of(T_RULE_PCT));
}

/* Against limits that are learned: a healthy log ends within such an alarm now and then. */
static bool is_of_speed(enum alarm_type type)
{
	return type == ALARM_HIGH_LATENCY || type == ALARM_LOW_THROUGHPUT || type == ALARM_SLOW_CHUNK;
}

/* An alarm of the rules that was never resolved; the one that began first. Published constants know nothing of the
 * set-up. */
static enum grade still_fires(struct walk *w)
{
	const struct bad_session *first = NULL;
	enum alarm_type type;

	if (is_published(w->f->rule_set) && !w->opts->rules_are_own)
		return NO;

	for (int t = 0; t < ALARM_TYPE_COUNT; t++) {
		const struct bad_session *s = &w->f->firing[t];

		if (s->at.known && (!first || s->at.time_us < first->at.time_us))
			first = s;
	}
	if (!first)
		return NO;
	type = first->at.type;
	say(w, E_RULE_FIRES, alarm_specs[type].id, NAN, NAN, NAN, NAN);
	return w->opts->rules_are_own || !(is_of_speed(type) || is_of_output(type))
		       ? LIKELY
		       : unless_chance(w, LIKELY, limit_of(T_RULE_CHANCE));
}

/* All that is not finite are logits of banned tokens. */
static bool only_bans(const struct walk *w)
{
	return w->p->bans && !w->p->nonfinite;
}

/* Graver alarms come first, then those of which there are more. */
static bool comes_before(const struct findings *f, int a, int b)
{
	return f->live_gravest[a] != f->live_gravest[b] ? f->live_gravest[a] > f->live_gravest[b]
							: f->live_alarms[a] > f->live_alarms[b];
}

/* What only informs is no cause. */
enum grade test_ALARMED(struct walk *w)
{
	int first = ALARM_TYPE_COUNT;
	enum grade rules = more(rules_broken(w), still_fires(w));

	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (w->f->live_gravest[t] >= 1 + SEVERITY_WARNING && !(t == ALARM_NON_FINITE && only_bans(w)) &&
		    (first == ALARM_TYPE_COUNT || comes_before(w->f, t, first)))
			first = t;
	if (first == ALARM_TYPE_COUNT)
		return rules;
	say_live(w, (enum alarm_type)first);
	return more(LIKELY, rules);
}

/* Did entropy fall as it does in a quotation, but also in what the log cannot show? */
static bool doubtful(struct walk *w)
{
	const struct entropy_fall *f = &w->x->doubt;

	if (of_bytes(w) || !(f->tokens > 0))
		return false;
	say(w, E_ENTROPY_DOUBT, f->session_id, f->before_nats, f->nats, f->tokens, NAN);
	return true;
}

/* Healthy, as far as it was looked at. */
enum grade test_NOTHING(struct walk *w)
{
	bool output = w->f->metric[M_LOGITS_ENTROPY].count || w->f->metric[M_TOKEN_REPETITION_PCT].count;

	say2(w, E_SPEED, w->x->speed_tps, w->x->median_ms);
	if (doubtful(w))
		return LIKELY;
	return output && timed(w) ? (double)w->p->steps >= sure_of(T_STEPS) ? SURE : LIKELY : LIKELY;
}
