/* condition.c - parses one condition at a time by recursive descent; errors name the word. */
#include "spec/condition.h"

#include "base/suggest.h"

#include <math.h>
#include <stdlib.h>

const struct statistic_spec statistic_specs[STATISTIC_COUNT_OF] = {
#define STATISTIC(name, id_, kind) [STATISTIC_##name] = { .id = id_, .is_count = KIND_IS_##kind },
#define KIND_IS_COUNT true
#define KIND_IS_VALUE false
#include "spec/statistics.def"
#undef STATISTIC
};

struct scanner {
	const char *from, *p; /* NUL-terminated */
	const char *option;
	struct err *err;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_space(struct scanner *s)
{
	while (is_space(*s->p))
		s->p++;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '.';
}

/* The word at p, without advancing; empty when p is not at a word. */
static struct slice peek_word(const struct scanner *s)
{
	const char *end = s->p;

	while (is_word_char(*end))
		end++;
	return (struct slice){ s->p, (size_t)(end - s->p) };
}

/* The text at p for an error message: a word, or everything up to the next blank. */
static struct slice found_at(const struct scanner *s)
{
	struct slice word = peek_word(s);
	size_t n = strcspn(s->p, " \t,");

	if (word.n)
		return word;
	return (struct slice){ s->p, n ? n : (size_t)(*s->p != 0) };
}

static int unexpected(struct scanner *s, const char *expected)
{
	struct slice found = found_at(s);
	int column = (int)(s->p - s->from) + 1;

	if (!found.n)
		return err_set(s->err, ERR_USAGE, "%s: column %d: it ends here, but expected %s", s->option, column,
			       err_words(expected));
	return err_set(s->err, ERR_USAGE, "%s: column %d: found \"%.*s\", expected %s", s->option, column,
		       (int)(found.n < 80 ? found.n : 80), found.p, err_words(expected));
}

static const char EXAMPLE[] = "such as 'high_latency' or 'token_latency_ms p95 > 60'";

static int unknown_subject(struct scanner *s)
{
	struct suggestion near = { .word = found_at(s) };
	int rc = unexpected(s, "attention, critical, an alarm type or a metric");

	for (int m = 0; m < METRIC_COUNT; m++)
		suggest_offer(&near, metric_specs[m].id);
	for (int type = 0; type < ALARM_TYPE_COUNT; type++)
		suggest_offer(&near, alarm_specs[type].id);
	if (near.best)
		err_hint(s->err, "did you mean \"%s\"?", near.best);
	else
		err_hint(s->err, "%s; docs/METRICS.md lists the metrics", err_words(EXAMPLE));
	return rc;
}

static int unknown_statistic(struct scanner *s)
{
	struct suggestion near = { .word = found_at(s) };
	int rc = unexpected(
		s, "a statistic: count, missing, nonfinite, min, max, mean, stddev, p50 (or median), p90, p95, p99");

	for (int i = 0; near.word.n && i < STATISTIC_COUNT_OF; i++)
		suggest_offer(&near, statistic_specs[i].id);
	if (near.best)
		err_hint(s->err, "did you mean \"%s\"?", near.best);
	else
		err_hint(s->err, "%s", err_words(EXAMPLE));
	return rc;
}

static int parse_statistic(struct scanner *s, struct condition *c)
{
	struct slice word = peek_word(s);
	int i = slice_is(word, "median") ? STATISTIC_P50 : 0;

	while (i < STATISTIC_COUNT_OF && !slice_is(word, statistic_specs[i].id) && !slice_is(word, "median"))
		i++;
	if (i == STATISTIC_COUNT_OF)
		return unknown_statistic(s);
	c->statistic = (enum statistic)i;
	s->p += word.n;
	return 0;
}

static int parse_comparison(struct scanner *s, struct condition *c)
{
	skip_space(s);
	if (*s->p != '>' && *s->p != '<') {
		int rc = unexpected(s, "a comparison: >, >=, <, <=");

		err_hint(s->err, "%s; the shell needs quotes around it", err_words(EXAMPLE));
		return rc;
	}
	c->greater = *s->p++ == '>';
	c->or_equal = *s->p == '=';
	s->p += c->or_equal;
	return 0;
}

static int parse_number(struct scanner *s, struct condition *c)
{
	char *end;

	skip_space(s);
	c->value = strtod(s->p, &end);
	if (end == s->p || !isfinite(c->value))
		return unexpected(s, "a number, such as 60 or 5%");
	s->p = end;
	skip_space(s);
	c->percent = *s->p == '%';
	s->p += c->percent;
	return 0;
}

/* Parses "prefill" or "decode", if one of them comes first. */
static void parse_phase(struct scanner *s, struct condition *c)
{
	struct slice word = peek_word(s);

	for (int phase = PHASE_PREFILL; phase < PHASE_COUNT; phase++)
		if (slice_is(word, phase_ids[phase])) {
			c->phase = (enum phase)phase;
			s->p += word.n;
			skip_space(s);
		}
}

static int parse_condition(struct scanner *s, struct condition *c)
{
	static const char *const verdicts[JUDGED_COUNT] = {
		[JUDGED_ATTENTION] = "attention", [JUDGED_CRITICAL] = "critical"
	};
	struct slice word = peek_word(s);
	int rc;

	for (int j = JUDGED_ATTENTION; j < JUDGED_COUNT; j++)
		if (slice_is(word, verdicts[j])) {
			c->judged = (enum judged)j;
			s->p += word.n;
			return 0;
		}
	parse_phase(s, c);
	word = peek_word(s);
	c->type = c->phase ? ALARM_TYPE_COUNT : alarm_by_id(word);
	c->metric = metric_by_id(word);
	if (c->type == ALARM_TYPE_COUNT && c->metric == METRIC_COUNT)
		return unknown_subject(s);
	s->p += word.n;
	skip_space(s);
	if (c->type != ALARM_TYPE_COUNT && (c->metric == METRIC_COUNT || !*s->p || *s->p == ','))
		return 0;
	c->type = ALARM_TYPE_COUNT; /* a metric with the same name as an alarm type, such as state_leak */
	rc = parse_statistic(s, c);
	rc = rc ? rc : parse_comparison(s, c);
	return rc ? rc : parse_number(s, c);
}

static struct slice trimmed(const char *from, const char *to)
{
	while (to > from && is_space(to[-1]))
		to--;
	return (struct slice){ from, (size_t)(to - from) };
}

int conditions_parse(struct conditions *out, const char *text, const char *option, struct err *err)
{
	struct scanner s = { .from = text, .p = text, .option = option, .err = err };

	out->n = 0;
	for (;;) {
		struct condition *c = &out->of[out->n];
		const char *from;
		int rc;

		if (out->n == CONDITIONS_MAX)
			return err_set(err, ERR_USAGE, "%s: more than %d conditions", option, CONDITIONS_MAX);
		*c = (struct condition){ .type = ALARM_TYPE_COUNT };
		skip_space(&s);
		from = s.p;
		rc = parse_condition(&s, c);
		if (rc)
			return rc;
		c->text = trimmed(from, s.p);
		out->n++;
		skip_space(&s);
		if (!*s.p)
			return 0;
		if (*s.p != ',')
			return unexpected(&s, "\",\" and another condition, or the end");
		s.p++;
	}
}

bool condition_holds(const struct condition *c, double value)
{
	if (c->or_equal && value == c->value)
		return true;
	return c->greater ? value > c->value : value < c->value;
}
