/* gate.c - evaluates --fail-on conditions against findings or a comparison. */
#include "analyze/gate.h"

#include "analyze/judgement.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* NAN: unknown. */
static double summary_statistic(const struct summary *s, enum statistic statistic)
{
	double nan = (double)NAN;

	switch (statistic) {
	case STATISTIC_COUNT:
		return (double)s->count;
	case STATISTIC_MISSING:
		return (double)s->missing;
	case STATISTIC_NONFINITE:
		return (double)s->nonfinite;
	case STATISTIC_MIN:
		return s->count ? s->min : nan;
	case STATISTIC_MAX:
		return s->count ? s->max : nan;
	case STATISTIC_MEAN:
		return s->count ? s->mean : nan;
	case STATISTIC_STDDEV:
		return s->count ? s->stddev : nan;
	case STATISTIC_P50:
		return s->count ? s->p50 : nan;
	case STATISTIC_P90:
		return s->count ? s->p90 : nan;
	case STATISTIC_P95:
		return s->count ? s->p95 : nan;
	case STATISTIC_P99:
		return s->count ? s->p99 : nan;
	case STATISTIC_COUNT_OF:
		break;
	}
	return nan;
}

/* The number that a condition is about; NAN when the log has no such metric. Of an alarm type: steps that break a
 * limit for longer than the rule's `for`, and alarms raised live. */
static double gate_value(const struct condition *c, const struct findings *f)
{
	const struct summary *metric = c->phase ? f->phase[c->phase] : f->metric;

	if (c->type != ALARM_TYPE_COUNT)
		return (double)(f->lasted_by_type[c->type] + f->live_alarms[c->type]);
	return summary_statistic(&metric[c->metric], c->statistic);
}

static int cannot_judge(const struct condition *c, const struct findings *f, struct err *err)
{
	int rc;

	if (!f->records)
		return err_set(err, ERR_FORMAT, "--fail-on: there is no inference step to judge");
	rc = err_set(err, ERR_FORMAT, "--fail-on: \"%.*s\" cannot be judged: the log has no %s%s%s", SLICE_ARG(c->text),
		     c->phase ? phase_ids[c->phase] : "", c->phase ? err_words(" steps with ") : "",
		     metric_specs[c->metric].id);
	err_hint(err, "ask about a metric that is logged, or find out why it is missing");
	return rc;
}

/* None was raised; but was there anything that could raise one? */
static int check_type(const struct condition *c, const struct findings *f, struct err *err)
{
	if (f->types_judged >> c->type & 1)
		return 0;
	if (f->types_unsuited >> c->type & 1) {
		err_set(err, ERR_FORMAT,
			"--fail-on: \"%.*s\" cannot be judged: no session's vocabulary suits the rules of the set %s",
			SLICE_ARG(c->text), f->rule_set);
		return err_hint(err, "name a rule set for such models with --rules");
	}
	if (f->types_silent >> c->type & 1) {
		err_set(err, ERR_FORMAT,
			"--fail-on: \"%.*s\" cannot be judged: the rules of the set %s could judge no record of this "
			"log",
			SLICE_ARG(c->text), f->rule_set);
		return err_hint(err, "their windows, warm-up or learned limits need more records, or the log has no "
				     "record of their phase, or no goal; name a rule set that judges it with --rules");
	}
	err_set(err, ERR_FORMAT,
		"--fail-on: \"%.*s\" cannot be judged: no rule of the set %s has what it needs in this log",
		SLICE_ARG(c->text), f->rule_set ? f->rule_set : "none");
	return err_hint(err, "name a rule set that judges it with --rules, or log the metric that its rule needs");
}

int gate_check(const struct conditions *conditions, struct err *err)
{
	for (size_t i = 0; i < conditions->n; i++) {
		const struct condition *c = &conditions->of[i];

		if (c->judged || c->type != ALARM_TYPE_COUNT || !c->percent ||
		    !strcmp(metric_specs[c->metric].unit, "%"))
			continue;
		err_set(err, ERR_USAGE, "--fail-on: \"%.*s\": a change in percent needs two logs", SLICE_ARG(c->text));
		return err_hint(err, "use rwkvmon compare, or give the limit in the metric's unit%s%s",
				*metric_specs[c->metric].unit ? ": " : "", metric_specs[c->metric].unit);
	}
	return 0;
}

static void append(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct err *err, const char *format, ...)
{
	const size_t used = strlen(err->text);
	va_list args;

	va_start(args, format);
	vsnprintf(err->text + used, sizeof err->text - used, format, args);
	va_end(args);
	utf8_clean(err->text); /* it may have been cut inside a character */
}

/* One more condition that holds. */
static int add_condition(struct err *err, const struct condition *c)
{
	if (err->code != ERR_VERDICT)
		err_set(err, ERR_VERDICT, "--fail-on ");
	else
		append(err, "%s", err_words("; "));
	append(err, err_words("%.*s: "), SLICE_ARG(c->text));
	return -ERR_VERDICT;
}

int gate_add(struct err *err, const struct condition *c, double value, const char *unit)
{
	const int rc = add_condition(err, c);

	append(err, "%s%.6g%s%s", c->type == ALARM_TYPE_COUNT ? err_words("it is ") : "", value, *unit ? " " : "",
	       unit);
	return rc;
}

/* A condition that cannot be judged does not pass. */
static int judge_verdict(const struct condition *c, const struct findings *f, struct err *err)
{
	const struct judgement *j = f->judgement;
	enum verdict least = c->judged == JUDGED_CRITICAL ? VERDICT_CRITICAL : VERDICT_ATTENTION;

	if (j->verdict == VERDICT_UNDECIDED)
		return err_set(err, ERR_FORMAT, "--fail-on: \"%.*s\" cannot be judged: %s", SLICE_ARG(c->text),
			       err_words(cause_specs[j->diagnosis.cause].title[LANG_EN]));
	if (j->verdict < least)
		return 0;
	add_condition(err, c);
	append(err, "%s", err_words(cause_specs[j->diagnosis.cause].title[LANG_EN]));
	return -ERR_VERDICT;
}

int gate_judge(const struct conditions *conditions, const struct findings *f, struct err *err)
{
	int rc = 0, verdict;

	for (size_t i = 0; i < conditions->n; i++) {
		const struct condition *c = &conditions->of[i];
		double value = gate_value(c, f);
		bool alarm = c->type != ALARM_TYPE_COUNT;

		/* An alarm says what it says without a step, too. */
		if (!c->judged && (isnan(value) || (!f->records && !(alarm && value > 0))))
			return cannot_judge(c, f, err);
		if (c->judged) {
			verdict = judge_verdict(c, f, err);
			if (verdict && verdict != -ERR_VERDICT)
				return verdict;
			rc = verdict ? verdict : rc;
			continue;
		}
		if (alarm && !(value > 0) && check_type(c, f, err))
			return -ERR_FORMAT;
		if (alarm && value > 0)
			rc = gate_add(err, c, value, value > 1 ? "records" : "record");
		else if (!alarm && condition_holds(c, value))
			rc = gate_add(err, c, value,
				      statistic_specs[c->statistic].is_count ? "" : metric_specs[c->metric].unit);
	}
	return rc;
}
