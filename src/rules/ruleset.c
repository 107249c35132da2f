/* ruleset.c - rule files into rules: every key is one row of `keys`. */
#include "rules/ruleset.h"

#include "base/file.h"
#include "base/suggest.h"
#include "base/yaml.h"
#include "stats/window.h"

#include <math.h>

enum { FILE_MAX_BYTES = 1 << 20, LEARN_DEFAULT = 50 };

extern const unsigned char rules_thresholds[], rules_thresholds_end[];
extern const unsigned char rules_baseline[], rules_baseline_end[];
extern const unsigned char rules_byte[], rules_byte_end[];

static const struct {
	const char *name;
	const unsigned char *from, *to;
} shipped[] = {
	{ "thresholds", rules_thresholds, rules_thresholds_end },
	{ "baseline", rules_baseline, rules_baseline_end },
	{ "byte", rules_byte, rules_byte_end },
};

struct reader {
	const char *file;
	struct ruleset *set;
	struct err *err;
};

typedef int read_fn(struct reader *r, const struct yaml_node *node, void *to);

struct key {
	const char *name;
	read_fn *read;
	size_t offset; /* of what it fills, from the start of the struct the mapping describes */
};

static int expected(struct reader *r, const struct yaml_node *at, const char *what)
{
	static const char *const kinds[] = { "a word", "a list", "a mapping" };

	return yaml_error(r->err, ERR_RULE, r->file, at, "found %s%s%s; expected %s", at->text ? "\"" : kinds[at->kind],
			  at->text ? at->text : "", at->text ? "\"" : "", what);
}

/* "Expected one of …", with the nearest known word first when there is one. */
static int unknown_word(struct reader *r, const struct yaml_node *at, const char *what, const char *const *known, size_t n)
{
	struct suggestion s = { .word = slice_of(at->text) };
	char list[256];
	size_t used = 0;
	int rc;

	list[0] = 0;
	for (size_t i = 0; i < n; i++) {
		suggest_offer(&s, known[i]);
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", known[i]);
		if (used >= sizeof list)
			used = sizeof list - 1;
	}
	rc = yaml_error(r->err, ERR_RULE, r->file, at, "found \"%s\"; expected %s: %s", at->text, what, list);
	if (s.best)
		err_hint(r->err, "did you mean \"%s\"?", s.best);
	return rc;
}

/* Fills the struct at `to` from a mapping whose keys are rows of `keys`. */
static int read_mapping(struct reader *r, const struct yaml_node *node, const struct key *keys, size_t n, void *to)
{
	const char *known[32];

	if (node->kind != YAML_MAPPING)
		return expected(r, node, "a mapping (key: value)");
	for (size_t i = 0; i < n; i++)
		known[i] = keys[i].name;
	for (size_t i = 0; i < node->n; i++) {
		size_t k = 0;
		int rc;

		while (k < n && strcmp(keys[k].name, node->key[i]->text))
			k++;
		if (k == n)
			return unknown_word(r, node->key[i], "one of the keys", known, n);
		rc = keys[k].read(r, node->item[i], (char *)to + keys[k].offset);
		if (rc)
			return rc;
	}
	return 0;
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

static int read_share(struct reader *r, const struct yaml_node *node, void *to)
{
	return number_of(node, to) && *(double *)to >= 0 && *(double *)to < 1 ? 0 : expected(r, node, "a share from 0 to below 1");
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
static int read_word(struct reader *r, const struct yaml_node *node, const char *what, const char *const *words, size_t n,
		     int *to)
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

static int read_aggregate(struct reader *r, const struct yaml_node *node, void *to)
{
	static const char *const words[] = { "last", "mean", "median", "min", "max" };
	int word = 0;
	int rc = read_word(r, node, "an aggregate", words, sizeof words / sizeof *words, &word);

	*(enum aggregate *)to = (enum aggregate)word;
	return rc;
}

/* A text in every language, or one text for all. */
static int read_texts(struct reader *r, const struct yaml_node *node, void *to)
{
	const char **texts = to;

	if (node->kind == YAML_SCALAR) {
		for (int lang = 0; lang < LANG_COUNT; lang++)
			texts[lang] = node->text;
		return 0;
	}
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		const struct yaml_node *one = yaml_get(node, lang_codes[lang]);

		if (!one || one->kind != YAML_SCALAR)
			return expected(r, node, "a text, or { en: …, zh: … }");
		texts[lang] = one->text;
	}
	return 0;
}

/* Which number a relative limit is relative to: `baseline`, or a number of session_start. */
struct relative {
	const char *of;
	double times, otherwise;
};

static int relate(struct reader *r, const struct yaml_node *node, const struct relative *rel, struct limit *limit)
{
	const char *known[FIELD_COUNT + 1] = { "baseline" };
	size_t n = 1;

	limit->value = rel->times;
	limit->otherwise = rel->otherwise;
	limit->kind = LIMIT_BASELINE;
	if (!strcmp(rel->of, "baseline"))
		return 0;
	limit->kind = LIMIT_FIELD;
	for (int f = 0; f < FIELD_COUNT; f++) {
		const char *dot = strrchr(field_specs[f].path, '.');

		if (field_specs[f].owner != OWNER_SESSION || field_specs[f].kind == KIND_TEXT || !dot)
			continue;
		known[n++] = dot + 1;
		limit->field = (enum field_id)f;
		if (!strcmp(dot + 1, rel->of))
			return 0;
	}
	return unknown_word(r, yaml_get(node, "of"), "what the limit is relative to", known, n);
}

static int read_limit(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = {
		{ "of", read_text, offsetof(struct relative, of) },
		{ "times", read_positive, offsetof(struct relative, times) },
		{ "otherwise", read_number, offsetof(struct relative, otherwise) },
	};
	struct relative rel = { .times = 1, .otherwise = NAN };
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
	return relate(r, node, &rel, limit);
}

static int read_sudden(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = {
		{ "deviations", read_positive, offsetof(struct rule, deviations) },
		{ "of", read_records, offsetof(struct rule, deviations_of) },
	};

	return read_mapping(r, node, keys, sizeof keys / sizeof *keys, to);
}

static const struct key rule_keys[] = {
	{ "name", read_text, offsetof(struct rule, name) },
	{ "alarm", read_alarm, offsetof(struct rule, alarm) },
	{ "metric", read_metric, offsetof(struct rule, metric) },
	{ "severity", read_severity, offsetof(struct rule, severity) },
	{ "above", read_limit, offsetof(struct rule, above) },
	{ "below", read_limit, offsetof(struct rule, below) },
	{ "over", read_records, offsetof(struct rule, over) },
	{ "by", read_aggregate, offsetof(struct rule, by) },
	{ "sudden", read_sudden, 0 },
	{ "for", read_duration, offsetof(struct rule, for_us) },
	{ "cooldown", read_duration, offsetof(struct rule, cooldown_us) },
	{ "clear", read_share, offsetof(struct rule, clear) },
	{ "warmup", read_count, offsetof(struct rule, warmup) },
	{ "after_tokens", read_count, offsetof(struct rule, after_tokens) },
	{ "missing", read_number, offsetof(struct rule, missing) },
	{ "summary", read_texts, offsetof(struct rule, summary) },
	{ "action", read_texts, offsetof(struct rule, action) },
};

#define WARMUP_UNSET UINT64_MAX /* the set's own warm-up holds */

static int complete_rule(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	if (rule->alarm == ALARM_TYPE_COUNT)
		return yaml_error(r->err, ERR_RULE, r->file, node, "the rule has no `alarm`; expected one of alarms.def's types");
	if (rule->metric == METRIC_COUNT)
		return yaml_error(r->err, ERR_RULE, r->file, node, "the rule has no `metric`");
	if (rule->above.kind == LIMIT_NONE && rule->below.kind == LIMIT_NONE)
		return yaml_error(r->err, ERR_RULE, r->file, node, "the rule has no limit; expected `above` or `below`");
	if (rule->deviations > 0 && rule->below.kind == LIMIT_NONE)
		return yaml_error(r->err, ERR_RULE, r->file, node, "`sudden` judges drops; expected `below` beside it");
	if (!rule->name)
		rule->name = alarm_specs[rule->alarm].id;
	if (rule->severity == SEVERITY_COUNT)
		rule->severity = alarm_specs[rule->alarm].severity;
	for (int lang = 0; lang < LANG_COUNT; lang++) {
		rule->summary[lang] = rule->summary[lang] ? rule->summary[lang] : alarm_specs[rule->alarm].label[lang];
		rule->action[lang] = rule->action[lang] ? rule->action[lang] : "";
	}
	return 0;
}

static int read_rule(struct reader *r, const struct yaml_node *node, struct rule *rule)
{
	int rc;

	*rule = (struct rule){ .alarm = ALARM_TYPE_COUNT, .metric = METRIC_COUNT, .severity = SEVERITY_COUNT, .over = 1,
			       .deviations_of = 256, .cooldown_us = 60000000, .clear = 0.1,
			       .warmup = WARMUP_UNSET, .missing = NAN };
	rc = read_mapping(r, node, rule_keys, sizeof rule_keys / sizeof *rule_keys, rule);
	return rc ? rc : complete_rule(r, node, rule);
}

static int read_rules(struct reader *r, const struct yaml_node *node, void *to)
{
	struct ruleset *set = to;
	struct rule *rules;

	if (node->kind != YAML_SEQUENCE || !node->n || node->n > RULES_MAX)
		return expected(r, node, "a list of 1 to 64 rules");
	rules = arena_alloc(&set->arena, node->n, sizeof *rules);
	if (!rules)
		return err_set(r->err, ERR_NOMEM, "%s: no memory for its rules", r->file);
	for (size_t i = 0; i < node->n; i++) {
		int rc = read_rule(r, node->item[i], &rules[i]);

		if (rc)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (!strcmp(rules[i].name, rules[j].name))
				return yaml_error(r->err, ERR_RULE, r->file, node->item[i],
						  "a second rule named \"%s\"; give one of them a `name`", rules[i].name);
	}
	set->rule = rules;
	set->n = node->n;
	return 0;
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

static int read_baseline(struct reader *r, const struct yaml_node *node, void *to)
{
	struct ruleset *set = to;

	if (node->kind == YAML_SCALAR && !strcmp(node->text, "learn")) {
		set->learn_records = LEARN_DEFAULT;
		return 0;
	}
	if (node->kind != YAML_MAPPING)
		return expected(r, node, "`learn`, or { token_latency_ms: 50, … }");
	for (size_t i = 0; i < node->n; i++) {
		enum metric_id m;
		int rc = read_metric(r, node->key[i], &m);

		if (!rc)
			rc = read_number(r, node->item[i], &set->baseline[m]);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_when(struct reader *r, const struct yaml_node *node, void *to)
{
	static const struct key keys[] = { { "vocab_size_at_most", read_count, offsetof(struct ruleset, vocab_at_most) } };

	return read_mapping(r, node, keys, 1, to);
}

static int read_overlays(struct reader *r, const struct yaml_node *node, void *to)
{
	struct ruleset *set = to;

	if (node->kind != YAML_SEQUENCE || node->n > 1)
		return expected(r, node, "a list of at most one overlay, such as [byte]");
	return node->n ? ruleset_open(&set->overlay, node->item[0]->text ? node->item[0]->text : "", r->err) : 0;
}

static const struct key set_keys[] = {
	{ "name", read_text, offsetof(struct ruleset, name) },
	{ "overlays", read_overlays, 0 },
	{ "when", read_when, 0 },
	{ "live", read_override, offsetof(struct ruleset, live) },
	{ "replay", read_override, offsetof(struct ruleset, replay) },
	{ "baseline", read_baseline, 0 },
	{ "rules", read_rules, 0 },
};

static int read_set(struct ruleset *set, struct slice text, const char *file, struct err *err)
{
	struct reader r = { .file = file, .set = set, .err = err };
	const struct yaml_node *root;
	int rc = yaml_parse(&root, &set->arena, text, file, err);

	if (!rc)
		rc = read_mapping(&r, root, set_keys, sizeof set_keys / sizeof *set_keys, set);
	if (!rc && !set->n)
		rc = yaml_error(err, ERR_RULE, file, root, "there are no rules; expected a list `rules`");
	if (!rc && !set->name)
		set->name = arena_copy(&set->arena, slice_of(file));
	return rc;
}

static int open_text(struct ruleset **out, struct slice text, const char *file, struct err *err)
{
	struct ruleset *set = calloc(1, sizeof *set);
	int rc;

	if (!set)
		return err_set(err, ERR_NOMEM, "%s: no memory for its rules", file);
	for (int m = 0; m < METRIC_COUNT; m++)
		set->baseline[m] = NAN;
	rc = read_set(set, text, file, err);
	if (rc) {
		ruleset_close(set);
		set = NULL;
	}
	*out = set;
	return rc;
}

int ruleset_open(struct ruleset **out, const char *name, struct err *err)
{
	struct buf text = { 0 };
	int rc;

	*out = NULL;
	for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
		if (!strcmp(name, shipped[i].name))
			return open_text(out,
					 (struct slice){ (const char *)shipped[i].from,
							 (size_t)(shipped[i].to - shipped[i].from) },
					 name, err);
	rc = file_read(&text, name, FILE_MAX_BYTES, err);
	if (rc)
		err_hint(err, "name a shipped set (thresholds, baseline) or the path of a rule file");
	else
		rc = open_text(out, buf_slice(&text), name, err);
	buf_free(&text);
	return rc;
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
