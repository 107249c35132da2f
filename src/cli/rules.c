/* rules.c - rules list, check, replay. */
#include "base/file.h"
#include "base/json.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/replay.h"
#include "cli/tell.h"
#include "report/terminal.h"
#include "rules/describe.h"

#include <stdio.h>

typedef int action_fn(const struct options *opts, const char *const *names, size_t n, struct err *err);

/* Names and words of rule files and logs stand in it; JSON has them escaped. */
static int print(struct buf *out, bool json, struct err *err)
{
	if (!json && out->p) {
		utf8_clean(out->p);
		out->used = strlen(out->p);
	}
	return answer(out, !json, err);
}

/* --- list ------------------------------------------------------------------------------------- */

enum { RULE_INDENT = 2, RULE_TEXT_INDENT = 6 };

static void list_rule_text(struct term *t, const struct rule *rule)
{
	struct buf says = { 0 };

	rule_describe(&says, rule, t->lang);
	term_wrap(t, TINT_BOLD, rule->name, RULE_INDENT);
	term_put(t, TINT_PLAIN, "  ");
	term_put(t, TINT_PLAIN, alarm_specs[rule->alarm].id);
	term_put(t, TINT_PLAIN, ", ");
	term_put(t, TINT_PLAIN, severity_ids[rule->severity]);
	term_newline(t);
	term_wrap(t, TINT_PLAIN, says.p ? says.p : "", RULE_TEXT_INDENT);
	term_newline(t);
	term_wrap(t, TINT_DIM, rule->summary[t->lang], RULE_TEXT_INDENT);
	term_newline(t);
	t->out->failed |= says.failed;
	buf_free(&says);
}

static void list_rule_json(struct json *out, const struct rule *rule, enum lang lang)
{
	struct buf says = { 0 };

	rule_describe(&says, rule, lang);
	jw_object(out);
	jw_put_text(out, "name", rule->name);
	jw_put_text(out, "alarm_type", alarm_specs[rule->alarm].id);
	jw_put_text(out, "severity", severity_ids[rule->severity]);
	jw_put_slice(out, "violated_when", buf_slice(&says));
	jw_put_double(out, "for_seconds", (double)rule->for_us / 1e6);
	jw_put_double(out, "cooldown_seconds", (double)rule->cooldown_us / 1e6);
	jw_put_double(out, "clear", rule->clear);
	jw_put_text(out, "summary", rule->summary[lang]);
	jw_put_text(out, "action", rule->action[lang]);
	jw_end(out);
	out->out->failed |= says.failed;
	buf_free(&says);
}

static void list_set_json(struct json *out, const struct ruleset *set, enum lang lang)
{
	jw_object(out);
	jw_put_text(out, "name", set->name);
	jw_put_array(out, "rules");
	for (size_t i = 0; i < set->n; i++)
		list_rule_json(out, &set->rule[i], lang);
	jw_end(out);
	jw_end(out);
}

static void list_set_text(struct term *t, const struct ruleset *set)
{
	char count[TERM_TEXT];

	if (t->out->used)
		term_newline(t);
	term_say(t, TINT_PLAIN, 0, TEXT_RULES_SET, (const char *const[]){ set->name, term_count(count, set->n) });
	if (set->vocab_at_most)
		term_say(t, TINT_PLAIN, 0, TEXT_RULES_OF_BYTES, NULL);
	if (set->overlay)
		term_say(t, TINT_PLAIN, 0, TEXT_RULES_OVERLAID, (const char *const[]){ set->overlay->name });
	term_newline(t);
	for (size_t i = 0; i < set->n; i++)
		list_rule_text(t, &set->rule[i]);
}

static int list(const struct options *opts, const char *const *names, size_t n, struct err *err)
{
	struct report_options how = args_report(opts, NULL);
	struct buf out = { 0 };
	struct json json = { .out = &out };
	struct term term;
	int rc = 0;

	term = term_begin(&out, &how);
	if (opts->json)
		jw_array(&json);
	for (size_t i = 0; !rc && (n ? i < n : ruleset_shipped(i) != NULL); i++) {
		struct ruleset *set;

		rc = ruleset_open(&set, n ? names[i] : ruleset_shipped(i), err);
		if (!rc && opts->json)
			list_set_json(&json, set, how.lang);
		else if (!rc)
			list_set_text(&term, set);
		ruleset_close(set);
	}
	if (opts->json) {
		jw_end(&json);
		buf_char(&out, '\n');
	}
	if (!rc)
		return print(&out, opts->json, err);
	buf_free(&out);
	return rc;
}

/* --- check ---------------------------------------------------------------------------------------- */

struct mistakes {
	struct json *json; /* NULL: say them on standard error */
	size_t n;
};

static void say_mistake(void *ctx, const struct err *e)
{
	struct mistakes *m = ctx;

	m->n++;
	if (!m->json) {
		tell("%s\n%s%s%s", e->text, e->hint[0] ? "    " : "", e->hint, e->hint[0] ? "\n" : "");
		return;
	}
	jw_object(m->json);
	jw_put_text(m->json, "text", e->text);
	jw_put_text(m->json, "hint", e->hint);
	jw_end(m->json);
}

/* One file. A file that cannot be read is an error of its own; its mistakes are not. */
static int check_file(struct json *out, const char *name, const struct options *opts, size_t *total, struct err *err)
{
	struct mistakes m = { .json = opts->json ? out : NULL };
	struct ruleset *set;
	char count[TERM_TEXT];
	int rc;

	if (opts->json) {
		jw_object(out);
		jw_put_text(out, "file", name);
		jw_put_array(out, "mistakes");
	}
	rc = ruleset_check(&set, name, say_mistake, &m, err);
	if (opts->json) {
		jw_end(out);
		jw_put_u64(out, "rules", set ? set->n : 0);
		jw_end(out);
	} else if (!rc) {
		text_fill(out->out, args_lang(opts->lang), TEXT_RULES_FINE, name, term_count(count, set->n));
	}
	ruleset_close(set);
	*total += m.n;
	return m.n ? 0 : rc;
}

static int check(const struct options *opts, const char *const *names, size_t n, struct err *err)
{
	struct buf out = { 0 };
	struct json json = { .out = &out };
	size_t mistakes = 0;
	int rc = 0;

	if (!n) {
		err_set(err, ERR_USAGE, "rules check: no rule file is named");
		return err_hint(err, "such as: %s", "rwkvmon rules check rules.yaml");
	}
	if (opts->json)
		jw_array(&json);
	for (size_t i = 0; !rc && i < n; i++)
		rc = check_file(&json, names[i], opts, &mistakes, err);
	if (opts->json) {
		jw_end(&json);
		buf_char(&out, '\n');
	}
	if (rc)
		buf_free(&out);
	else
		rc = print(&out, opts->json, err);
	if (!rc && mistakes)
		rc = err_set(err, ERR_RULE, mistakes > 1 ? "rules check: %zu mistakes" : "rules check: %zu mistake",
			     mistakes);
	return rc;
}

/* --- replay ----------------------------------------------------------------------------------------- */

static void print_replay(struct buf *out, const struct replay *result, const struct ruleset *set,
			 const struct options *opts)
{
	struct report_options how = args_report(opts, NULL);
	struct buf said = { 0 };
	struct term term;

	term = term_begin(out, &how);
	replay_text(&said, result, set, how.lang);
	term_lines(&term, TINT_PLAIN, said.p ? said.p : "");
	out->failed |= said.failed;
	buf_free(&said);
}

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
		if (opts->json)
			replay_json(&out, &result, set, args_lang(opts->lang));
		else
			print_replay(&out, &result, set, opts);
		rc = print(&out, opts->json, err);
		if (!rc && !result.records)
			rc = err_set(err, ERR_FORMAT, "rules replay: there is no inference step to judge");
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
	if (s.word.n)
		err_set(err, ERR_USAGE, "rules: found \"%.40s\", expected list, check or replay", s.word.p);
	else
		err_set(err, ERR_USAGE, "rules: expected list, check or replay");
	return s.best ? err_hint(err, "did you mean \"%s\"?", s.best)
		      : err_hint(err, "such as: %s", command_specs[COMMAND_RULES].example);
}
