/* document_rules.c - docs/RULES.md: the keys of a rule file, the alarm types, and the sets that ship. */
#include "cli/documents.h"
#include "rules/describe.h"
#include "rules/plan.h"

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
	rows(out, "`forecast`");
#define FORECAST_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
	rows(out, "`unusual`");
#define UNUSUAL_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
	rows(out, "`sudden`");
#define SUDDEN_KEY(name, read, member, expected, help) row(out, name, expected, help);
#include "rules/keys_rows.h"
}

static void one_set(struct buf *out, const struct ruleset *set)
{
	buf_printf(out, "\n### `%s`\n\n", set->name);
	if (set->vocab_at_most)
		buf_printf(out,
			   "Replaces the rules of the same alarm type if the vocabulary has at most %llu "
			   "tokens.\n\n",
			   (unsigned long long)set->vocab_at_most);
	buf_printf(out, "Keeps at most %.1f KiB of windows per session.\n\n",
		   (double)(set->plan[RULES_LIVE]->doubles * sizeof(double)) / 1024);
	buf_str(out, "| rule | alarm | severity | violated when | what to do |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < set->n; i++) {
		const struct rule *r = &set->rule[i];

		buf_printf(out, "| `%s` | `%s` | %s | ", r->name, alarm_specs[r->alarm].id, severity_ids[r->severity]);
		rule_describe(out, r, LANG_EN);
		buf_printf(out, " | %s |\n", r->action[LANG_EN]);
	}
}

/* What a file looks like, and the words that its keys take. */
static void begin(struct buf *out)
{
	buf_str(out, "A small file; ALARMS.md has a longer one:\n\n"
		     "```yaml\n"
		     "name: mine\n"
		     "rules:\n"
		     "  - name: too_slow            # yours to choose\n"
		     "    alarm: high_latency       # an alarm type, of the list below\n"
		     "    metric: token_latency_ms  # a metric: METRICS.md lists them\n"
		     "    above: 80                 # in the metric's unit, here ms\n"
		     "    over: 32                  # not of one record, but of the last 32 …\n"
		     "    by: median                # … their median\n"
		     "    for: 2s                   # and for two seconds\n"
		     "```\n\n"
		     "Alarm types: ");
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		buf_printf(out, "%s`%s`", !t ? "" : t % 8 ? ", " : ",\n", alarm_specs[t].id);
	buf_str(out, ". ALARMS.md says what each means.\n\n");
}

void document_rules(struct buf *out)
{
	const char *name;

	buf_str(out, "# Rule files\n\n<!-- Written by `rwkvmon export rules`; edit src/rules/keys.def and "
		     "src/rules/*.yaml. -->\n\n"
		     "Rule files are YAML. ALARMS.md explains what the alarms mean and where they are sent; `rwkvmon "
		     "rules check FILE` lists every\n"
		     "mistake, `rwkvmon rules replay FILE LOG...` shows what would have fired, and which rules judged "
		     "nothing and why: no record has\nthe metric that they need, or they are for vocabularies of "
		     "other sizes.\n\n");
	begin(out);
	buf_str(out, "## Keys\n");
	keys(out);
	buf_str(out,
		"\n## What is kept of a session\n\n"
		"Windows: the last values of a metric, in records of the rule's phase. Conditions of all rules "
		"that look at "
		"the same values share\n"
		"one window, which is as long as the longest of them needs. A rule whose limit is relative to "
		"something "
		"that is not known (a number\n"
		"of session_start, the vocabulary's size, a goal) keeps nothing until that is known; then it judges as "
		"soon as its windows are full, which\n"
		"may be at once, if another rule has filled them.\n");
	buf_str(out, "\n## Rule sets included\n");
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
