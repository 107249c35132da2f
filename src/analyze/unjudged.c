/* unjudged.c - why rules judged nothing: the vocabulary comes before the metrics. */
#include "analyze/unjudged.h"

#include "rules/ruleset.h"

static struct unjudged_rule for_others(const struct ruleset *set, const struct rule *rule)
{
	const uint64_t set_at_most = set->vocab_at_most ? set->vocab_at_most : UINT64_MAX;

	return (struct unjudged_rule){
		.rule = rule->name,
		.lacks = METRIC_COUNT,
		.vocab_above = rule->vocab.above,
		.vocab_at_most = rule->vocab.at_most < set_at_most ? rule->vocab.at_most : set_at_most,
	};
}

/* A rule about the fullest of several GPUs has nothing to judge where there is one: that is no gap. */
size_t unjudged_rules(struct unjudged_rule out[RULES_MAX], const struct ruleset *set, uint64_t have, uint64_t suited)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		const enum metric_id lacks = rule_lacks(&set->rule[i], have);

		if (!(suited >> i & 1))
			out[n++] = for_others(set, &set->rule[i]);
		else if (lacks != METRIC_COUNT && lacks != M_VRAM_FULLEST_PCT)
			out[n++] = (struct unjudged_rule){ .rule = set->rule[i].name, .lacks = lacks };
	}
	return n;
}
