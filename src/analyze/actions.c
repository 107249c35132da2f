/* actions.c - counts acts and the tokens they cost and saved. */
#include "analyze/actions.h"

static const double COUNT_MOST = 9007199254740992.0;

static uint64_t whole(double n)
{
	return n > 0 && n < COUNT_MOST ? (uint64_t)n : 0;
}

void actions_count(struct action_counts *c, const struct record *rec)
{
	const struct field_values *extra = rec->extra;

	if (!extra)
		return;
	c->of[act_by_id(fields_text(extra, F_ACTION))]++;
	c->saved += whole(fields_number(extra, F_TOKENS_SAVED, 0));
	if (fields_have(extra, F_BEFORE_SEQUENCE_LENGTH) && fields_have(extra, F_AFTER_SEQUENCE_LENGTH))
		c->taken_back += whole(fields_number(extra, F_BEFORE_SEQUENCE_LENGTH, 0) -
				       fields_number(extra, F_AFTER_SEQUENCE_LENGTH, 0));
}

uint64_t actions_total(const struct action_counts *c)
{
	uint64_t n = 0;

	for (int i = 0; i < ACT_COUNT; i++)
		n += c->of[i];
	return n;
}
