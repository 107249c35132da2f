/* document_rules.c - docs/RULES.md: the keys of a rule file, the alarm types, and the sets that ship. */
#include "cli/documents.h"
#include "rules/describe.h"
#include "rules/ruleset.h"

static void rows(struct buf *out, const char *title)
{
	buf_printf(out, "\n### %s\n\n| key | value | meaning |\n|---|---|---|\n", title);
}

static void row(struct buf *out, const char *name, const char *expected, const char *help)
{
	buf_printf(out, "| `%s` | %s | %s |\n", name, expected, help);
}

static void keys(struct buf *out)
{
	rows(out, "The file");
#define SET_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
	rows(out, "A rule");
#define RULE_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
	rows(out, "A condition: in the rule itself, and in each entry of its `and`");
#define WHEN_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
	rows(out, "A relative limit");
#define LIMIT_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
	rows(out, "`sudden`");
#define SUDDEN_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
}

static void one_set(struct buf *out, const struct ruleset *set)
{
	buf_printf(out, "\n### `%s`\n\n", set->name);
	if (set->vocab_at_most)
		buf_printf(out, "Stands in for the rules of the same alarm type when the vocabulary has at most %llu tokens.\n\n",
			   (unsigned long long)set->vocab_at_most);
	buf_str(out, "| rule | alarm | severity | violated when | what to do |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < set->n; i++) {
		const struct rule *r = &set->rule[i];

		buf_printf(out, "| `%s` | `%s` | %s | ", r->name, alarm_specs[r->alarm].id, severity_ids[r->severity]);
		rule_describe(out, r);
		buf_printf(out, " | %s |\n", r->action[LANG_EN]);
	}
}

void document_rules(struct buf *out)
{
	const char *name;

	buf_str(out, "# Rule files\n\n<!-- Written by `rwkvmon export rules`; edit src/rules/keys.def and src/rules/*.yaml. -->\n\n"
		     "YAML. ALARMS.md tells what the alarms mean and where they go; `rwkvmon rules check FILE` names every mistake,\n"
		     "`rwkvmon rules replay FILE LOG...` says what would have fired.\n\n## Keys\n");
	keys(out);
	buf_str(out, "\n## The sets that ship\n");
	for (size_t i = 0; (name = ruleset_shipped(i)); i++) {
		struct ruleset *set;

		if (ruleset_open(&set, name, NULL)) {
			out->failed = true;
			return;
		}
		one_set(out, set);
		ruleset_close(set);
	}
}
