/* rules.c - rules list, check, replay. */
#include "base/file.h"
#include "base/suggest.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/replay.h"
#include "rules/describe.h"

#include <stdio.h>

typedef int action_fn(const struct options *opts, const char *const *names, size_t n, struct err *err);

static int print(struct buf *out, struct err *err)
{
	int rc = out->failed ? err_set(err, ERR_NOMEM, "no memory for the answer") : file_write("-", buf_slice(out), err);

	buf_free(out);
	return rc;
}

/* --- list ------------------------------------------------------------------------------------- */

static void list_rule_text(struct buf *out, const struct rule *rule, enum lang lang)
{
	buf_printf(out, "  %-22s %-21s %-9s ", rule->name, alarm_specs[rule->alarm].id, severity_ids[rule->severity]);
	rule_describe(out, rule);
	buf_printf(out, "\n      %s\n", rule->summary[lang]);
}

static void list_rule_json(struct buf *out, const struct rule *rule, enum lang lang)
{
	struct buf says = { 0 };

	rule_describe(&says, rule);
	buf_str(out, "{\"name\":");
	buf_json_string(out, slice_of(rule->name));
	buf_printf(out, ",\"alarm_type\":\"%s\",\"severity\":\"%s\",\"violated_when\":", alarm_specs[rule->alarm].id,
		   severity_ids[rule->severity]);
	buf_json_string(out, buf_slice(&says));
	buf_str(out, ",\"for_seconds\":");
	buf_json_double(out, (double)rule->for_us / 1e6);
	buf_str(out, ",\"cooldown_seconds\":");
	buf_json_double(out, (double)rule->cooldown_us / 1e6);
	buf_str(out, ",\"clear\":");
	buf_json_double(out, rule->clear);
	buf_str(out, ",\"summary\":");
	buf_json_string(out, slice_of(rule->summary[lang]));
	buf_str(out, ",\"action\":");
	buf_json_string(out, slice_of(rule->action[lang]));
	buf_char(out, '}');
	out->failed |= says.failed;
	buf_free(&says);
}

static void list_set(struct buf *out, const struct ruleset *set, enum lang lang, bool json, bool first)
{
	if (json) {
		buf_printf(out, "%s{\"name\":", first ? "" : ",");
		buf_json_string(out, slice_of(set->name));
		buf_str(out, ",\"rules\":[");
	} else {
		buf_printf(out, lang == LANG_ZH ? "%s%s:%zu 条规则%s%s\n" : "%s%s: %zu rules%s%s\n", first ? "" : "\n", set->name, set->n,
			   set->vocab_at_most ? (lang == LANG_ZH ? ",用于字节级模型" : ", for models whose tokens are bytes") : "",
			   set->overlay ? (lang == LANG_ZH ? ",附加 byte" : ", with byte laid over") : "");
	}
	for (size_t i = 0; i < set->n; i++) {
		if (json && i)
			buf_char(out, ',');
		(json ? list_rule_json : list_rule_text)(out, &set->rule[i], lang);
	}
	if (json)
		buf_str(out, "]}");
}

static int list(const struct options *opts, const char *const *names, size_t n, struct err *err)
{
	struct buf out = { 0 };
	int rc = 0;

	buf_str(&out, opts->json ? "[" : "");
	for (size_t i = 0; !rc && (n ? i < n : ruleset_shipped(i) != NULL); i++) {
		struct ruleset *set;

		rc = ruleset_open(&set, n ? names[i] : ruleset_shipped(i), err);
		if (!rc)
			list_set(&out, set, args_lang(opts->lang), opts->json, !i);
		ruleset_close(set);
	}
	buf_str(&out, opts->json ? "]\n" : "");
	if (!rc)
		return print(&out, err);
	buf_free(&out);
	return rc;
}

/* --- check ---------------------------------------------------------------------------------------- */

struct mistakes {
	struct buf *json; /* NULL: say them on standard error */
	size_t n;
};

static void say_mistake(void *ctx, const struct err *e)
{
	struct mistakes *m = ctx;

	m->n++;
	if (!m->json) {
		fprintf(stderr, "%s\n%s%s%s", e->text, e->hint[0] ? "    " : "", e->hint, e->hint[0] ? "\n" : "");
		return;
	}
	buf_str(m->json, m->n > 1 ? ",{\"text\":" : "{\"text\":");
	buf_json_string(m->json, slice_of(e->text));
	buf_str(m->json, ",\"hint\":");
	buf_json_string(m->json, slice_of(e->hint));
	buf_char(m->json, '}');
}

/* One file. A file that cannot be read is an error of its own; its mistakes are not. */
static int check_file(struct buf *out, const char *name, const struct options *opts, size_t *total, struct err *err)
{
	struct mistakes m = { .json = opts->json ? out : NULL };
	bool zh = args_lang(opts->lang) == LANG_ZH;
	struct ruleset *set;
	int rc;

	if (opts->json) {
		buf_str(out, "{\"file\":");
		buf_json_string(out, slice_of(name));
		buf_str(out, ",\"mistakes\":[");
	}
	rc = ruleset_check(&set, name, say_mistake, &m, err);
	if (opts->json)
		buf_printf(out, "],\"rules\":%zu}", set ? set->n : 0);
	else if (!rc)
		buf_printf(out, zh ? "%s:正确,%zu 条规则%s\n" : "%s: fine, %zu rule%s\n", name, set->n, zh || set->n == 1 ? "" : "s");
	ruleset_close(set);
	*total += m.n;
	return m.n ? 0 : rc;
}

static int check(const struct options *opts, const char *const *names, size_t n, struct err *err)
{
	struct buf out = { 0 };
	size_t mistakes = 0;
	int rc = 0;

	if (!n)
		return err_set(err, ERR_USAGE, "rules check: no rule file is named");
	buf_str(&out, opts->json ? "[" : "");
	for (size_t i = 0; !rc && i < n; i++) {
		buf_str(&out, opts->json && i ? "," : "");
		rc = check_file(&out, names[i], opts, &mistakes, err);
	}
	buf_str(&out, opts->json ? "]\n" : "");
	if (rc)
		buf_free(&out);
	else
		rc = print(&out, err);
	if (!rc && mistakes)
		rc = err_set(err, ERR_RULE, "rules check: %zu mistake%s", mistakes, mistakes > 1 ? "s" : "");
	return rc;
}

/* --- replay ----------------------------------------------------------------------------------------- */

static int replay(const struct options *opts, const char *const *names, size_t n, struct err *err)
{
	struct replay result = { 0 };
	struct ruleset *set;
	struct buf out = { 0 };
	int rc;

	if (n < 2) {
		err_set(err, ERR_USAGE, "rules replay: expected a rule file and logs");
		return err_hint(err, "such as: %s", command_specs[COMMAND_RULES].example);
	}
	rc = ruleset_open(&set, names[0], err);
	if (!rc)
		rc = replay_run(&result, set, opts, names + 1, n - 1, err);
	if (!rc) {
		(opts->json ? replay_json : replay_text)(&out, &result, set, args_lang(opts->lang));
		rc = print(&out, err);
	}
	replay_free(&result);
	ruleset_close(set);
	return rc;
}

/* ----------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	action_fn *run;
} actions[] = { { "list", list }, { "check", check }, { "replay", replay } };

enum { ACTIONS = sizeof actions / sizeof *actions };

int command_rules(const struct options *opts, struct err *err)
{
	struct suggestion s = { .word = slice_of(opts->n_arguments ? opts->argument[0] : "") };

	for (int i = 0; i < ACTIONS; i++) {
		if (slice_is(s.word, actions[i].name))
			return actions[i].run(opts, opts->argument + 1, opts->n_arguments - 1, err);
		suggest_offer(&s, actions[i].name);
	}
	err_set(err, ERR_USAGE, "rules: found \"%.40s\", expected list, check or replay", s.word.p);
	return s.best ? err_hint(err, "did you mean \"%s\"?", s.best) : -ERR_USAGE;
}
