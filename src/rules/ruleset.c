/* ruleset.c - reads rule files; every key is one row of keys.def.
 *
 * Reading continues after a mistake, so that all mistakes can be reported at once. */
#include "rules/ruleset.h"

#include "base/file.h"
#include "base/suggest.h"
#include "base/yaml.h"
#include "rules/plan.h"
#include "stats/window.h"

#include <math.h>
#include <stdarg.h>

enum { FILE_MAX_BYTES = 1 << 20, LEARN_DEFAULT = 50, KEYS_MAX = 32 };

static const double DEVIATIONS_DEFAULT = 5, CLEAR_DEFAULT = 0.1;

extern const unsigned char rules_default[], rules_default_end[];
extern const unsigned char rules_thresholds[], rules_thresholds_end[];
#define OWN_BASELINE "baseline=" /* the shipped set, with the caller's own numbers behind it */

extern const unsigned char rules_baseline[], rules_baseline_end[];
extern const unsigned char rules_byte[], rules_byte_end[];

static const struct {
	const char *name;
	const unsigned char *from, *to;
} shipped[] = {
	{ RULES_DEFAULT, rules_default, rules_default_end },
	{ "thresholds", rules_thresholds, rules_thresholds_end },
	{ "baseline", rules_baseline, rules_baseline_end },
	{ "byte", rules_byte, rules_byte_end },
};

enum { SHIPPED = sizeof shipped / sizeof *shipped };

struct reader {
	const char *file;
	bool shipped; /* a text of the program's own */
	struct ruleset *set;
	struct err *err; /* the first mistake */
	size_t mistakes;
	void (*say)(void *ctx, const struct err *mistake); /* NULL: the first is enough */
	void *ctx;
};

typedef int read_fn(struct reader *r, const struct yaml_node *node, void *to);

struct key {
	const char *name;
	read_fn *read;
	size_t offset; /* of what it fills, from the start of the struct the mapping describes */
};

static int mistake(struct reader *r, const struct err *e)
{
	if (!r->mistakes++ && r->err)
		*r->err = *e;
	if (r->say)
		r->say(r->ctx, e);
	return -(int)e->code;
}

__attribute__((format(printf, 3, 4))) static int wrong(struct reader *r, const struct yaml_node *at, const char *fmt,
						       ...)
{
	struct err e = { 0 };
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, err_words(fmt), args);
	va_end(args);
	yaml_error(&e, ERR_RULE, r->file, at, "%s", text);
	return mistake(r, &e);
}

static int expected(struct reader *r, const struct yaml_node *at, const char *english)
{
	const char *what = err_words(english);

	if (at->text)
		return wrong(r, at, "found \"%.80s\"; expected %s", at->text, what);
	if (at->kind == YAML_SEQUENCE)
		return wrong(r, at, "found a list of %zu; expected %s", at->n, what);
	return wrong(r, at, "found a mapping; expected %s", what);
}

/* "Expected one of …", with the nearest known word first when there is one. */
static int unknown_word(struct reader *r, const struct yaml_node *at, const char *what, const char *const *known,
			size_t n)
{
	struct suggestion s = { .word = slice_of(at->text) };
	struct err e = { 0 };
	static const char more[] = "…";
	char list[256] = "";
	size_t used = 0, listed = 0;

	for (size_t i = 0; i < n; i++) {
		const char *comma = i ? err_words(", ") : "";

		suggest_offer(&s, known[i]);
		if (listed != i || used + strlen(comma) + strlen(known[i]) + sizeof more + strlen(", ") > sizeof list)
			continue;
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", comma, known[i]);
		listed++;
	}
	if (listed < n)
		snprintf(list + used, sizeof list - used, "%s%s", err_words(", "), more);
	yaml_error(&e, ERR_RULE, r->file, at, "found \"%.80s\"; expected %s: %s", at->text, err_words(what), list);
	if (s.best)
		err_hint(&e, "did you mean \"%s\"?", s.best);
	else if (listed < n)
		err_hint(&e, "all of them: rwkvmon export rules, rwkvmon export metrics");
	return mistake(r, &e);
}

static int repeated(struct reader *r, const struct yaml_node *node, size_t i)
{
	return wrong(r, node->key[i], "found \"%.80s\" a second time; expected each key once", node->key[i]->text);
}

/* One pair of a mapping. */
static int read_pair(struct reader *r, const struct yaml_node *node, size_t i, const struct key *keys, size_t n,
		     void *to)
{
	const char *known[KEYS_MAX];

	if (yaml_repeats(node, i))
		return repeated(r, node, i);
	for (size_t k = 0; k < n; k++) {
		known[k] = keys[k].name;
		if (!strcmp(keys[k].name, node->key[i]->text))
			return keys[k].read(r, node->item[i], (char *)to + keys[k].offset);
	}
	return unknown_word(r, node->key[i], "one of the keys", known, n);
}

/* Fills the struct at `to` from a mapping whose keys are rows of `keys`; `example` is one that an empty mapping may
 * need. */
static int read_mapping_like(struct reader *r, const struct yaml_node *node, const struct key *keys, size_t n,
			     const char *example, void *to)
{
	int first = 0;

	if (node->kind != YAML_MAPPING)
		return expected(r, node, "a mapping (key: value)");
	if (!node->n)
		return wrong(r, node, "found an empty mapping; expected at least one key, such as `%s`", example);
	for (size_t i = 0; i < node->n; i++) {
		int rc = read_pair(r, node, i, keys, n, to);

		first = first ? first : rc;
	}
	return first;
}

static int read_mapping(struct reader *r, const struct yaml_node *node, const struct key *keys, size_t n, void *to)
{
	return read_mapping_like(r, node, keys, n, keys[0].name, to);
}

static bool number_of(const struct yaml_node *node, double *out)
{
	char *end;

	if (node->kind != YAML_SCALAR || !node->text[0])
		return false;
	*out = strtod(node->text, &end);
	return !*end && isfinite(*out);
}

static int read_number(struct reader *r, const struct yaml_node *node, void *to)
{
	return number_of(node, to) ? 0 : expected(r, node, "a number");
}

static int read_positive(struct reader *r, const struct yaml_node *node, void *to)
{
	return number_of(node, to) && *(double *)to >= 0 ? 0 : expected(r, node, "a number that is not negative");
}

static int read_yes(struct reader *r, const struct yaml_node *node, void *to)
{
	static const char *const words[] = { "no", "yes", "false", "true" };

	for (size_t i = 0; node->kind == YAML_SCALAR && i < sizeof words / sizeof *words; i++)
		if (!strcmp(node->text, words[i])) {
			*(bool *)to = i % 2;
			return 0;
		}
	return expected(r, node, "yes or no");
}

static int read_share(struct reader *r, const struct yaml_node *node, void *to)
{
	return number_of(node, to) && *(double *)to >= 0 && *(double *)to < 1
		       ? 0
		       : expected(r, node, "a share from 0 to below 1");
}

static int read_count(struct reader *r, const struct yaml_node *node, void *to)
{
	double value;

	if (!number_of(node, &value) || value < 0 || value != rint(value) || value > 1e15)
		return expected(r, node, "a whole number");
	*(uint64_t *)to = (uint64_t)value;
	return 0;
}

static int read_records(struct reader *r, const struct yaml_node *node, void *to)
{
	double value;

	if (!number_of(node, &value) || value < 1 || value != rint(value) || value > WINDOW_MAX)
		return expected(r, node, "a number of records from 1 to 1024");
	*(size_t *)to = (size_t)value;
	return 0;
}

/* Of one value there is no deviation. */
static int read_recent(struct reader *r, const struct yaml_node *node, void *to)
{
	double value;

	if (number_of(node, &value) && value == 1)
		return expected(r, node, "a number of records from 2 to 1024");
	return read_records(r, node, to);
}

static int read_text(struct reader *r, const struct yaml_node *node, void *to)
{
	if (node->kind != YAML_SCALAR || !node->text[0])
		return expected(r, node, "some text");
	*(const char **)to = node->text;
	return 0;
}

/* "250ms", "30s", "5m", "1h"; a bare number is seconds. */
static int read_duration(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = { { "ms", 1e3 }, { "s", 1e6 }, { "", 1e6 }, { "m", 6e7 }, { "h", 3.6e9 } };
	char *end;
	double value;

	if (node->kind != YAML_SCALAR || !node->text[0])
		return expected(r, node, "a duration such as 30s");
	value = strtod(node->text, &end);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (end != node->text && !strcmp(end, units[i].unit) && value >= 0 && value < 1e9) {
			*(int64_t *)to = (int64_t)(value * units[i].us);
			return 0;
		}
	return expected(r, node, "a duration such as 250ms, 30s, 5m or 1h");
}

static int read_alarm(struct reader *r, const struct yaml_node *node, void *to)
{
	const char *known[ALARM_TYPE_COUNT];

	if (node->kind != YAML_SCALAR)
		return expected(r, node, "an alarm type");
	for (int i = 0; i < ALARM_TYPE_COUNT; i++)
		known[i] = alarm_specs[i].id;
	*(enum alarm_type *)to = alarm_by_id(slice_of(node->text));
	if (*(enum alarm_type *)to == ALARM_TYPE_COUNT)
		return unknown_word(r, node, "an alarm type", known, ALARM_TYPE_COUNT);
	return 0;
}

static int read_metric(struct reader *r, const struct yaml_node *node, void *to)
{
	const char *known[METRIC_COUNT];

	if (node->kind != YAML_SCALAR)
		return expected(r, node, "a metric");
	for (int i = 0; i < METRIC_COUNT; i++)
		known[i] = metric_specs[i].id;
	*(enum metric_id *)to = metric_by_id(slice_of(node->text));
	if (*(enum metric_id *)to == METRIC_COUNT)
		return unknown_word(r, node, "a metric", known, METRIC_COUNT);
	return 0;
}

/* One of a fixed set of words; its place in the list is the enum's value. */
static int read_word(struct reader *r, const struct yaml_node *node, const char *what, const char *const *words,
		     size_t n, int *to)
{
	if (node->kind != YAML_SCALAR)
		return expected(r, node, what);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(node->text, words[i])) {
			*to = (int)i;
			return 0;
		}
	return unknown_word(r, node, what, words, n);
}

static int read_severity(struct reader *r, const struct yaml_node *node, void *to)
{
	int word = 0;
	int rc = read_word(r, node, "a severity", severity_ids, SEVERITY_COUNT, &word);

	*(enum severity *)to = (enum severity)word;
	return rc;
}

const char *const aggregate_names[AGGREGATE_COUNT] = { "last", "mean", "median", "min", "max", "p90", "spread" };

static int read_aggregate(struct reader *r, const struct yaml_node *node, void *to)
{
	int word = 0;
	int rc = read_word(r, node, "an aggregate", aggregate_names, AGGREGATE_COUNT, &word);

	*(enum aggregate *)to = (enum aggregate)word;
	return rc;
}

/* The first word of both tables is the default, "". */
static int read_kind(struct reader *r, const struct yaml_node *node, void *to)
{
	int word = 0;
	int rc = read_word(r, node, "a kind of collapse", collapse_ids + 1, COLLAPSE_KIND_COUNT - 1, &word);

	*(enum collapse_kind *)to = (enum collapse_kind)(word + 1);
	return rc;
}

static int read_phase(struct reader *r, const struct yaml_node *node, void *to)
{
	int word = 0;
	int rc = read_word(r, node, "a phase", phase_ids + 1, PHASE_COUNT - 1, &word);

	*(enum phase *)to = (enum phase)(word + 1);
	return rc;
}

static int read_vocab(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = { { "above", read_count, offsetof(struct vocab_range, above) },
					   { "at_most", read_count, offsetof(struct vocab_range, at_most) } };

	const struct vocab_range *range = to;
	int rc = read_mapping(r, node, keys, sizeof keys / sizeof *keys, to);

	if (rc || range->above < range->at_most)
		return rc;
	return wrong(r, node,
		     "no vocabulary size is above %llu and at most %llu; expected `above` to be less than `at_most`",
		     (unsigned long long)range->above, (unsigned long long)range->at_most);
}

/* A text in every language, or one text for all. */
static int read_texts(struct reader *r, const struct yaml_node *node, void *to)
{
	const char **texts = to;
	struct key keys[LANG_COUNT];
	int rc;

	if (node->kind == YAML_SCALAR) {
		for (int lang = 0; lang < LANG_COUNT; lang++)
			texts[lang] = node->text;
		return 0;
	}
	for (int lang = 0; lang < LANG_COUNT; lang++)
		keys[lang] = (struct key){ lang_codes[lang], read_text, (size_t)lang * sizeof *texts };
	rc = read_mapping(r, node, keys, LANG_COUNT, to);
	for (int lang = 0; lang < LANG_COUNT && !rc; lang++)
		rc = texts[lang] ? 0 : expected(r, node, "a text, or { en: …, zh: … }");
	return rc;
}

/* Which number a relative limit is relative to: `baseline`, a number of session_start, or a metric. NAN: not given. */
struct relative {
	const char *of;
	double times, plus, deviations, otherwise;
};

/* Words of its own, besides numbers of session_start and metrics. */
static const struct {
	const char *word;
	enum limit_kind kind;
} relatives[] = {
	{ "baseline", LIMIT_BASELINE },
	{ "learned", LIMIT_LEARNED },
	{ "ln_vocab_size", LIMIT_VOCAB },
	{ "goal", LIMIT_GOAL },
};

enum { RELATIVES = sizeof relatives / sizeof *relatives };

static double or_else(double given, double otherwise)
{
	return isnan(given) ? otherwise : given;
}

static int relate(struct reader *r, const struct yaml_node *node, const struct relative *rel, struct limit *limit)
{
	const char *known[FIELD_COUNT + METRIC_COUNT + RELATIVES];
	size_t n = 0;

	*limit = (struct limit){ .value = or_else(rel->times, 1),
				 .plus = or_else(rel->plus, 0),
				 .deviations = or_else(rel->deviations, DEVIATIONS_DEFAULT),
				 .otherwise = rel->otherwise };
	for (size_t i = 0; i < RELATIVES; i++) {
		known[n++] = relatives[i].word;
		limit->kind = relatives[i].kind;
		if (!strcmp(rel->of, relatives[i].word))
			return 0;
	}
	limit->kind = LIMIT_FIELD;
	for (int f = 0; f < FIELD_COUNT; f++) {
		const char *dot = strrchr(field_specs[f].path, '.');

		if (field_specs[f].owner != OWNER_SESSION || field_specs[f].kind == KIND_TEXT || !dot)
			continue;
		known[n++] = dot + 1;
		limit->of.field = (enum field_id)f;
		if (!strcmp(dot + 1, rel->of))
			return 0;
	}
	limit->kind = LIMIT_METRIC;
	for (int m = 0; m < METRIC_COUNT; m++) {
		known[n++] = metric_specs[m].id;
		limit->of.metric = (enum metric_id)m;
		if (!strcmp(metric_specs[m].id, rel->of))
			return 0;
	}
	return unknown_word(r, yaml_get(node, "of"), "what the limit is relative to", known, n);
}

/* Keys that mean something only beside the other kind of limit. */
static int complete_limit(struct reader *r, const struct yaml_node *node, const struct relative *rel,
			  const struct limit *limit)
{
	const bool learned = limit->kind == LIMIT_LEARNED;

	if (!learned && !isnan(rel->deviations))
		return wrong(
			r, yaml_get(node, "deviations"),
			"found `deviations` in a limit that is not learned; expected it only beside `of: learned`");
	if (learned && !isnan(rel->otherwise))
		return wrong(
			r, yaml_get(node, "otherwise"),
			"found `otherwise` beside `of: learned`; expected it in a rule of its own, with that number "
			"as its limit: nothing is judged before it is learned");
	if (learned && !isnan(rel->plus))
		return wrong(r, yaml_get(node, "plus"),
			     "found `plus` beside `of: learned`; expected `times` and `deviations` alone");
	return 0;
}

static int read_limit(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = {
#define LIMIT_KEY(name, read, member, expected, help) { name, read, offsetof(struct relative, member) },
#include "rules/keys_rows.h"
	};
	struct relative rel = { .times = NAN, .plus = NAN, .deviations = NAN, .otherwise = NAN };
	struct limit *limit = to;
	int rc;

	if (node->kind == YAML_SCALAR) {
		limit->kind = LIMIT_ABSOLUTE;
		return read_number(r, node, &limit->value);
	}
	rc = read_mapping(r, node, keys, sizeof keys / sizeof *keys, &rel);
	if (rc)
		return rc;
	if (!rel.of)
		return expected(r, node, "a number, or { of: baseline, times: 1.5 }");
	rc = relate(r, node, &rel, limit);
	return rc ? rc : complete_limit(r, node, &rel, limit);
}

static int read_sudden(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = {
#define SUDDEN_KEY(name, read, member, expected, help) { name, read, offsetof(struct sudden, member) },
#include "rules/keys_rows.h"
	};

	*(struct sudden *)to = (struct sudden){ .deviations = 6, .of = 256 };
	if (node->kind == YAML_MAPPING && !node->n) /* all of it is usual */
		return 0;
	return read_mapping(r, node, keys, sizeof keys / sizeof *keys, to);
}

static int read_forecast(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = {
#define FORECAST_KEY(name, read, member, expected, help) { name, read, offsetof(struct foresight, member) },
#include "rules/keys_rows.h"
	};
	struct foresight *f = to;
	int rc;

	*f = (struct foresight){ .over_us = 30000000 };
	rc = read_mapping(r, node, keys, sizeof keys / sizeof *keys, f);
	if (rc)
		return rc;
	if (f->within_us <= 0)
		return wrong(r, node, "found no `within`; expected how far ahead, such as `within: 120s`");
	return f->over_us >= 1000000 ? 0 : expected(r, node, "`over` of at least 1s");
}

static int read_rate(struct reader *r, const struct yaml_node *node, void *to)
{
	return number_of(node, to) && *(double *)to >= 10 && *(double *)to <= 1e9
		       ? 0
		       : expected(r, node, "a number of records from 10 to 1e9");
}

static int read_beyond(struct reader *r, const struct yaml_node *node, void *to)
{
	return number_of(node, to) && *(double *)to >= 0.01 && *(double *)to <= 1000
		       ? 0
		       : expected(r, node, "a share of the range seen, from 0.01 to 1000");
}

static int read_unusual(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = {
#define UNUSUAL_KEY(name, read, member, expected, help) { name, read, offsetof(struct rare, member) },
#include "rules/keys_rows.h"
	};
	struct rare *rare = to;
	int rc = read_mapping(r, node, keys, sizeof keys / sizeof *keys, rare);

	if (rc || (rare->once_in > 0) != (rare->beyond > 0))
		return rc;
	return wrong(r, node,
		     "found neither or both of `once_in` and `beyond`; expected one, such as `once_in: 100000`");
}

/* Has the condition keys that say how a value is held against limits? */
static bool judges_values(const struct condition *c)
{
	return !condition_is_bare(c) || c->over > 1 || c->by != BY_LAST || c->sudden.of || c->forecast.within_us ||
	       !isnan(c->missing);
}

static int complete_unusual(struct reader *r, const struct yaml_node *node, const struct condition *c)
{
	if (judges_values(c))
		return wrong(r, node, "found `unusual` beside other keys of a condition; expected it alone");
	return 0;
}

static int complete_absent(struct reader *r, const struct yaml_node *node, const struct condition *c)
{
	if (judges_values(c) || condition_is_unusual(c))
		return wrong(r, node, "found `absent` beside other keys of a condition; expected it alone");
	return 0;
}

static bool is_one_sided(const struct condition *c)
{
	return c->above.kind == LIMIT_NONE || c->below.kind == LIMIT_NONE;
}

static int complete_learned(struct reader *r, const struct yaml_node *node, const struct condition *c)
{
	if (c->sudden.of)
		return wrong(r, node, "found `sudden` beside `of: learned`; expected one of them");
	if (c->by == BY_MEAN || c->by == BY_SPREAD)
		return wrong(r, node, "found `by: %s` beside `of: learned`; expected median, min, max or p90",
			     aggregate_names[c->by]);
	if (!is_one_sided(c) && c->above.kind != c->below.kind)
		return wrong(r, yaml_get(node, c->above.kind == LIMIT_LEARNED ? "below" : "above"),
			     "found another limit beside one of `of: learned`; expected it in a rule of its own");
	return 0;
}

static bool is_speed(enum metric_id m)
{
	return m == M_TOKEN_LATENCY_MS || m == M_THROUGHPUT_TPS;
}

static bool is_of_itself(const struct condition *c, const struct limit *limit)
{
	return limit->kind == LIMIT_METRIC && limit->of.metric == c->metric && c->over == 1;
}

/* Limits that no value, or every value, violates. */
static int complete_limits(struct reader *r, const struct yaml_node *node, const struct condition *c)
{
	if ((c->above.kind == LIMIT_GOAL || c->below.kind == LIMIT_GOAL) && !is_speed(c->metric))
		return wrong(
			r, node,
			"found `of: goal` for %s; expected token_latency_ms or throughput_tps: the goal is a speed",
			metric_specs[c->metric].id);
	if (is_of_itself(c, &c->above) || is_of_itself(c, &c->below))
		return wrong(r, node, "found a limit that is relative to %s itself; expected another reference",
			     metric_specs[c->metric].id);
	if (c->above.kind == LIMIT_ABSOLUTE && c->below.kind == LIMIT_ABSOLUTE && c->above.value < c->below.value)
		return wrong(
			r, node,
			"found `above: %g` and `below: %g`, which every value violates; expected them the other way "
			"round",
			c->above.value, c->below.value);
	return 0;
}

static const struct condition no_condition = { .metric = METRIC_COUNT, .over = 1, .missing = NAN };

static int complete_condition(struct reader *r, const struct yaml_node *node, const struct condition *c)
{
	int rc;

	if (c->metric == METRIC_COUNT)
		return wrong(r, node, "found no `metric`; expected what is judged, such as `metric: token_latency_ms`");
	if (c->absent)
		return complete_absent(r, node, c);
	if (condition_is_unusual(c))
		return complete_unusual(r, node, c);
	if (condition_is_bare(c) && !c->sudden.of)
		return wrong(r, node, "found no limit; expected `above`, `below` or `sudden`");
	if (c->by != BY_LAST && c->over == 1)
		return wrong(r, node, "found `by: %s` of one record; expected `over` beside it",
			     aggregate_names[c->by]);
	if (c->forecast.within_us && (c->over > 1 || c->sudden.of || condition_is_learned(c) || !isnan(c->missing)))
		return wrong(r, node,
			     "found `forecast` beside `over`, `sudden`, `missing` or `of: learned`; expected it alone");
	if (c->by == BY_LAST && c->over > 1)
		return wrong(
			r, node,
			"found `over` of records of which only the last is judged; expected `by` beside it, such as "
			"`by: median`");
	rc = condition_is_learned(c) ? complete_learned(r, node, c) : 0;
	return rc ? rc : complete_limits(r, node, c);
}

static int read_condition(struct reader *r, const struct yaml_node *node, struct condition *c)
{
	static const struct key keys[] = {
#define WHEN_KEY(name, read, member, expected, help) { name, read, offsetof(struct condition, member) },
#include "rules/keys_rows.h"
	};
	int rc;

	*c = no_condition;
	rc = read_mapping(r, node, keys, sizeof keys / sizeof *keys, c);
	return rc ? rc : complete_condition(r, node, c);
}

/* `to` is n_when of a struct rule; the conditions stand before it. */
static int read_and(struct reader *r, const struct yaml_node *node, void *to)
{
	struct rule *rule = (struct rule *)(void *)((char *)to - offsetof(struct rule, n_when));
	int first = 0;

	if (node->kind != YAML_SEQUENCE || !node->n || node->n >= CONDITIONS_MAX)
		return expected(r, node, "a list of 1 to 3 conditions");
	for (size_t i = 0; i < node->n; i++) {
		int rc = read_condition(r, node->item[i], &rule->when[1 + i]);

		first = first ? first : rc;
	}
	rule->n_when = 1 + node->n;
	return first;
}

static const struct key rule_keys[] = {
#define RULE_KEY(name, read, member, expected, help) { name, read, offsetof(struct rule, member) },
#define WHEN_KEY(name, read, member, expected, help) { name, read, offsetof(struct rule, when[0].member) },
#include "rules/keys_rows.h"
};

#define WARMUP_UNSET UINT64_MAX /* the set's own warm-up holds */

static bool forecasts(const struct rule *rule)
{
	bool does = false;

	for (size_t i = 0; i < rule->n_when; i++)
		does |= rule->when[i].forecast.within_us > 0;
	return does;
}

/* Has the rule a condition with a limit inside which its value can be back? */
static bool has_inside(const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_when; i++)
		if (!condition_is_bare(&rule->when[i]))
			return true;
	return false;
}

static void fill_rule(struct rule *rule)
{
	const struct alarm_spec *alarm = &alarm_specs[rule->alarm];

	rule->name = rule->name ? rule->name : alarm->id;
	rule->severity = rule->severity == SEVERITY_COUNT ? alarm->severity : rule->severity;
	rule->clear = or_else(rule->clear, CLEAR_DEFAULT);
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		rule->summary[lang] = rule->summary[lang] ? rule->summary[lang] : alarm->label[lang];
		rule->action[lang] = rule->action[lang] ? rule->action[lang] : "";
	}
}

static int complete_rule(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	int rc;

	if (rule->alarm == ALARM_TYPE_COUNT)
		return wrong(r, node, "found no `alarm`; expected what is raised, such as `alarm: high_latency`");
	rc = complete_condition(r, node, &rule->when[0]);
	if (rc)
		return rc;
	if (rule->when[0].absent)
		return wrong(
			r, node,
			"found `absent` in the rule itself, where value and limit come from; expected it in `and`");
	if (rule->kind && rule->alarm != ALARM_MODE_COLLAPSE)
		return wrong(r, node, "found `kind` in a rule of %s; expected it only in mode_collapse",
			     alarm_specs[rule->alarm].id);
	if (forecasts(rule) && rule->n_when > 1)
		return wrong(r, node, "found `forecast` in a rule with `and`; expected one condition");
	if (rule->alarm == ALARM_FORECAST && rule->severity == SEVERITY_CRITICAL)
		return wrong(r, node,
			     "found `severity: critical` in a rule of forecast; expected warning or info: nothing has "
			     "happened yet");
	if (!isnan(rule->clear) && !has_inside(rule))
		return wrong(r, yaml_get(node, "clear"),
			     "found `clear` in a rule without limits; expected it beside `above` or `below`");
	fill_rule(rule);
	return 0;
}

static int read_rule(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	int rc;

	*rule = (struct rule){ .alarm = ALARM_TYPE_COUNT,
			       .severity = SEVERITY_COUNT,
			       .when = { no_condition },
			       .n_when = 1,
			       .cooldown_us = 60000000,
			       .clear = NAN,
			       .warmup = WARMUP_UNSET,
			       .vocab = { .at_most = UINT64_MAX } };
	rc = read_mapping_like(r, node, rule_keys, sizeof rule_keys / sizeof *rule_keys, "alarm", rule);
	return rc ? rc : complete_rule(r, node, rule);
}

static const struct rule *find_name(const struct rule *rules, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].name && !strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}

static int read_rules(struct reader *r, const struct yaml_node *node, void *to)
{
	struct ruleset *set = r->set;
	struct rule *rules;
	int first = 0;

	(void)to;

	if (node->kind != YAML_SEQUENCE || !node->n || node->n > RULES_MAX)
		return expected(r, node, "a list of 1 to 64 rules");
	rules = arena_alloc(&set->arena, node->n, sizeof *rules);
	if (!rules)
		return wrong(r, node, "no memory for the rules");
	for (size_t i = 0; i < node->n; i++) {
		int rc = read_rule(r, node->item[i], &rules[i]);

		if (!rc && find_name(rules, i, rules[i].name))
			rc = wrong(r, node->item[i],
				   "found a second rule named \"%.80s\"; expected a `name` that tells them apart",
				   rules[i].name);
		first = first ? first : rc;
	}
	set->rule = rules;
	set->n = node->n;
	return first;
}

static int read_flagged_count(struct reader *r, const struct yaml_node *node, void *to)
{
	struct rules_override *o = to;

	o->has_warmup = true;
	return read_count(r, node, &o->warmup);
}

static int read_flagged_over(struct reader *r, const struct yaml_node *node, void *to)
{
	struct rules_override *o = to;

	o->has_over = true;
	return read_records(r, node, &o->over);
}

static int read_override(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = { { "warmup", read_flagged_count, 0 }, { "over", read_flagged_over, 0 } };

	return read_mapping(r, node, keys, sizeof keys / sizeof *keys, to);
}

/* A metric's baseline, or after how many records it is learned. */
static int read_baseline_of(struct reader *r, const struct yaml_node *key, const struct yaml_node *value)
{
	enum metric_id m;
	int rc;

	if (!strcmp(key->text, "learn"))
		return read_records(r, value, &r->set->learn_records);
	rc = read_metric(r, key, &m);
	return rc ? rc : read_number(r, value, &r->set->baseline[m]);
}

static int read_baseline(struct reader *r, const struct yaml_node *node, void *to)
{
	int first = 0;

	(void)to;
	if (node->kind == YAML_SCALAR && !strcmp(node->text, "learn")) {
		r->set->learn_records = LEARN_DEFAULT;
		return 0;
	}
	if (node->kind != YAML_MAPPING || !node->n)
		return expected(r, node, "`learn`, or { token_latency_ms: 50, … }");
	for (size_t i = 0; i < node->n; i++) {
		int rc =
			yaml_repeats(node, i) ? repeated(r, node, i) : read_baseline_of(r, node->key[i], node->item[i]);

		first = first ? first : rc;
	}
	return first;
}

static int read_when(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = { { "vocab_size_at_most", read_count, 0 } };

	const uint64_t *at_most = to;
	int rc = read_mapping(r, node, keys, 1, to);

	if (rc || *at_most)
		return rc;
	return wrong(r, node->item[0], "no vocabulary size is at most 0; expected at least 1");
}

/* Only included sets may be named, because a file that names itself would never end. */
static int read_overlays(struct reader *r, const struct yaml_node *node, void *to)
{
	static const char *const overlays[] = { "byte" };
	int word;
	int rc;

	if (node->kind != YAML_SEQUENCE || node->n > 1)
		return expected(r, node, "a list of at most one overlay, such as [byte]");
	if (!node->n)
		return 0;
	rc = read_word(r, node->item[0], "an overlay", overlays, 1, &word);
	return rc ? rc : ruleset_open(to, overlays[word], r->err);
}

static const struct key set_keys[] = {
#define SET_KEY(name, read, member, expected, help) { name, read, offsetof(struct ruleset, member) },
#include "rules/keys_rows.h"
};

/* --- keys of a set that none of its rules heeds ---------------------------------------- */

static bool is_of_baseline(const struct condition *c)
{
	return c->above.kind == LIMIT_BASELINE || c->below.kind == LIMIT_BASELINE;
}

/* Has a rule of the set such a condition? */
static bool some_condition(const struct ruleset *set, bool (*is)(const struct condition *c, enum metric_id m),
			   enum metric_id m)
{
	for (size_t i = 0; i < set->n; i++)
		for (size_t c = 0; c < set->rule[i].n_when; c++)
			if (is(&set->rule[i].when[c], m))
				return true;
	return false;
}

/* METRIC_COUNT: any metric. */
static bool is_of_baseline_of(const struct condition *c, enum metric_id m)
{
	return is_of_baseline(c) && (m == METRIC_COUNT || m == c->metric);
}

static bool takes_windows(const struct condition *c, enum metric_id m)
{
	(void)m;
	return c->over > 1;
}

static void check_baseline(struct reader *r, const struct yaml_node *node)
{
	for (size_t i = 0; node->kind == YAML_MAPPING && i < node->n; i++) {
		enum metric_id m = metric_by_id(slice_of(node->key[i]->text));

		if (m != METRIC_COUNT && !some_condition(r->set, is_of_baseline_of, m))
			wrong(r, node->key[i],
			      "found a baseline of %s, but no rule for it with `of: baseline`; expected one",
			      metric_specs[m].id);
	}
	if (r->set->learn_records && !some_condition(r->set, is_of_baseline_of, METRIC_COUNT))
		wrong(r, node, "found a baseline to learn, but no rule with `of: baseline`; expected one");
}

static bool lacks_baseline(const struct ruleset *set, const struct condition *c, const struct limit *limit)
{
	return limit->kind == LIMIT_BASELINE && isnan(limit->otherwise) && isnan(set->baseline[c->metric]) &&
	       !set->learn_records;
}

static void check_conditions(struct reader *r, const struct yaml_node *node, const struct rule *rule)
{
	for (size_t i = 0; i < rule->n_when; i++) {
		const struct condition *c = &rule->when[i];

		if (lacks_baseline(r->set, c, &c->above) || lacks_baseline(r->set, c, &c->below))
			wrong(r, node,
			      "found `of: baseline` for %s, whose baseline is not given; expected it in the file's "
			      "`baseline`, or `otherwise`",
			      metric_specs[c->metric].id);
	}
}

static void check_overlay(struct reader *r, const struct yaml_node *node)
{
	const struct ruleset *overlay = r->set->overlay;

	for (size_t i = 0; overlay && i < r->set->n; i++)
		for (size_t o = 0; o < overlay->n; o++)
			if (overlay->rule[o].alarm == r->set->rule[i].alarm)
				return;
	if (overlay)
		wrong(r, node, "found an overlay that replaces none of the rules; expected a rule of its alarm types");
}

static void check_set(struct reader *r, const struct yaml_node *root)
{
	const struct yaml_node *rules = yaml_get(root, "rules"), *baseline = yaml_get(root, "baseline");
	const struct ruleset *set = r->set;

	if (baseline)
		check_baseline(r, baseline);
	for (size_t i = 0; i < set->n; i++)
		check_conditions(r, rules->item[i], &set->rule[i]);
	if (set->overlay)
		check_overlay(r, yaml_get(root, "overlays"));
	if ((set->live.has_over || set->replay.has_over) && !some_condition(set, takes_windows, METRIC_COUNT))
		wrong(r, yaml_get(root, set->replay.has_over ? "replay" : "live"),
		      "found `over`, but no rule that judges several records; expected one with `over` and `by`");
}

static int read_set(struct reader *r, struct slice text)
{
	struct ruleset *set = r->set;
	const struct yaml_node *root;
	struct err e = { 0 };

	if ((r->shipped ? yaml_parse_shipped : yaml_parse)(&root, &set->arena, text, r->file, &e))
		return mistake(r, &e);
	read_mapping(r, root, set_keys, sizeof set_keys / sizeof *set_keys, set);
	if (!r->mistakes && !set->n)
		wrong(r, root, "found no rules; expected a list `rules`");
	if (!r->mistakes)
		check_set(r, root);
	if (!set->name)
		set->name = arena_copy(&set->arena, slice_of(r->file));
	for (int mode = RULES_LIVE; !r->mistakes && mode <= RULES_REPLAY; mode++)
		set->plan[mode] = plan_make(set, (enum rules_mode)mode);
	if (set->arena.failed) {
		err_set(&e, ERR_NOMEM, "%s: no memory for its rules", r->file);
		mistake(r, &e);
	}
	return r->mistakes ? -1 : 0;
}

static int open_text(struct ruleset **out, struct slice text, struct reader *r)
{
	struct ruleset *set = calloc(1, sizeof *set);
	struct err first = { 0 };
	struct err *given = r->err;

	if (!set)
		return err_set(r->err, ERR_NOMEM, "%s: no memory for its rules", r->file);
	for (int m = 0; m < METRIC_COUNT; m++)
		set->baseline[m] = NAN;
	r->set = set;
	r->err = &first;
	if (!read_set(r, text)) {
		*out = set;
		return 0;
	}
	ruleset_close(set);
	if (given)
		*given = first;
	return -(int)first.code;
}

int ruleset_check_text(struct ruleset **out, struct slice text, const char *name,
		       void (*say)(void *ctx, const struct err *mistake), void *ctx, struct err *err)
{
	struct reader r = { .file = name, .err = err, .say = say, .ctx = ctx };

	*out = NULL;
	return open_text(out, text, &r);
}

/* "50ms,100tps": what the set's baseline is, instead of the published numbers. */
static int read_own_baseline(struct ruleset *set, const char *name, const char *text, struct err *err)
{
	uint64_t given = 0;

	for (bool more = true; more;) {
		char *unit;
		double value = strtod(text, &unit);
		size_t n = strcspn(unit, ",");
		int m = n == 2 && !memcmp(unit, "ms", 2)    ? M_TOKEN_LATENCY_MS
			: n == 3 && !memcmp(unit, "tps", 3) ? M_THROUGHPUT_TPS
							    : METRIC_COUNT;

		if (m == METRIC_COUNT || !(value > 0) || !isfinite(value) || given & metric_bit((enum metric_id)m))
			return err_set(
				err, ERR_USAGE,
				"%s: expected milliseconds a token, tokens per second, or both: baseline=50ms,100tps",
				name);
		given |= metric_bit((enum metric_id)m);
		set->baseline[m] = value;
		more = unit[n] == ',';
		text = unit + n + 1;
	}
	set->name = arena_copy(&set->arena, slice_of(name)); /* its limits are not those of the shipped set */
	return set->arena.failed ? err_set(err, ERR_NOMEM, "%s: no memory for its rules", name) : 0;
}

static int open_own_baseline(struct ruleset **out, const char *name, struct err *err)
{
	int rc = ruleset_open(out, "baseline", err);

	if (!rc)
		rc = read_own_baseline(*out, name, name + strlen(OWN_BASELINE), err);
	if (rc) {
		ruleset_close(*out);
		*out = NULL;
	}
	return rc;
}

int ruleset_check(struct ruleset **out, const char *name, void (*say)(void *ctx, const struct err *mistake), void *ctx,
		  struct err *err)
{
	struct reader own = { .file = name, .shipped = true, .err = err, .say = say, .ctx = ctx };
	struct buf text = { 0 };
	int rc;

	*out = NULL;
	if (!strncmp(name, OWN_BASELINE, strlen(OWN_BASELINE)))
		return open_own_baseline(out, name, err);
	for (size_t i = 0; i < SHIPPED; i++)
		if (!strcmp(name, shipped[i].name))
			return open_text(out,
					 (struct slice){ (const char *)shipped[i].from,
							 (size_t)(shipped[i].to - shipped[i].from) },
					 &own);
	rc = file_read(&text, name, FILE_MAX_BYTES, err);
	if (rc)
		err_hint(err, "name a shipped set (default, thresholds, baseline) or the path of a rule file");
	else
		rc = ruleset_check_text(out, buf_slice(&text), name, say, ctx, err);
	buf_free(&text);
	return rc;
}

int ruleset_open(struct ruleset **out, const char *name, struct err *err)
{
	return ruleset_check(out, name, NULL, NULL, err);
}

uint64_t ruleset_types(const struct ruleset *set)
{
	uint64_t types = 0;

	for (size_t i = 0; i < set->n; i++)
		types |= UINT64_C(1) << set->rule[i].alarm;
	return types;
}

enum metric_id rule_lacks(const struct rule *rule, uint64_t have)
{
	for (size_t i = 0; i < rule->n_when; i++)
		if (isnan(rule->when[i].missing) && !rule->when[i].absent && !(have & metric_bit(rule->when[i].metric)))
			return rule->when[i].metric;
	return METRIC_COUNT;
}

const char *ruleset_shipped(size_t i)
{
	return i < SHIPPED ? shipped[i].name : NULL;
}

void ruleset_close(struct ruleset *set)
{
	if (!set)
		return;
	ruleset_close(set->overlay);
	arena_free(&set->arena);
	free(set);
}

const char *ruleset_name(const struct ruleset *set)
{
	return set->name;
}
