/* Bytes as a rule file: reader, description, evaluation over records, inheritance by another set. */
#include "rules/describe.h"
#include "rules/ruleset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

struct said {
	size_t n;
};

static void say(void *ctx, const struct err *e)
{
	((struct said *)ctx)->n++;
	require(e->code != ERR_OK && e->text[0]);
}

static void feed(struct rules *r)
{
	static const double values[] = { 0, 1, -1, 0.5, 50, 1e9, -1e300, 1e300 };
	static struct field_values session;
	struct rule_finding found[RULES_MAX];

	fields_set_number(&session, F_VRAM_TOTAL_MB, 8192);
	for (int i = 0; i < 300; i++) {
		struct record rec = { .event = i ? EVENT_INFERENCE_STEP : EVENT_SESSION_START,
				      .time_us = i * INT64_C(1000000),
				      .session = &session,
				      .sequence_length = (uint64_t)i,
				      .phase = i % 3 ? PHASE_DECODE : PHASE_PREFILL };
		size_t n;

		for (int m = 0; m < METRIC_COUNT; m++)
			if ((i + m) % 5)
				record_set(&rec, (enum metric_id)m, values[(i * 7 + m) % 8]);
		n = rules_eval(r, &rec, found);
		require(n <= RULES_MAX);
		for (size_t k = 0; k < n; k++) {
			require(found[k].violated || found[k].changed);
			require(found[k].summary[LANG_EN] && found[k].action[LANG_ZH] && found[k].rule);
			require(!found[k].first_bad_token || found[k].tokens_wasted);
		}
	}
}

static void judge(const struct ruleset *set, const struct ruleset *other)
{
	struct rule_finding gone[RULES_MAX];
	struct rules *live = NULL, *replay = NULL, *next = NULL;

	require(!rules_open(&live, set, RULES_LIVE, NULL, NULL) &&
		!rules_open(&replay, set, RULES_REPLAY, NULL, NULL) &&
		!rules_open(&next, other, RULES_LIVE, NULL, NULL));
	feed(live);
	feed(replay);
	require(rules_inherit(next, live, gone) <= RULES_MAX);
	feed(next);
	rules_close(live);
	rules_close(replay);
	rules_close(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct ruleset *thresholds;
	struct said said = { 0 };
	struct ruleset *set;
	struct err err = { 0 };
	int rc;

	if (!thresholds && ruleset_open(&thresholds, "thresholds", NULL))
		abort();
	rc = ruleset_check_text(&set, (struct slice){ (const char *)data, n }, "fuzz.yaml", say, &said, &err);
	require((rc == 0) == (set != NULL) && (rc != 0) == (said.n > 0));
	if (rc) {
		require(rc == -(int)err.code && err.text[0]);
		return 0;
	}
	require(set->n >= 1 && set->n <= RULES_MAX);
	for (size_t i = 0; i < set->n; i++) {
		struct buf text = { 0 };

		rule_describe(&text, &set->rule[i], i % 2 ? LANG_EN : LANG_ZH);
		require(!text.failed && text.used);
		buf_free(&text);
	}
	judge(set, thresholds);
	ruleset_close(set);
	return 0;
}
