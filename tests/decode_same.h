/* decode_same.h - two decodings of one line, the short way and the long way: are they the same? */
#ifndef RWKVMON_TESTS_DECODE_SAME_H
#define RWKVMON_TESTS_DECODE_SAME_H

#include "record/codec.h"

static inline bool same_values(const struct field_values *a, const struct field_values *b)
{
	if (memcmp(a->have, b->have, sizeof a->have))
		return false;
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!fields_have(a, (enum field_id)f))
			continue;
		if (field_specs[f].kind == KIND_TEXT ? !slice_equal(a->v[f].text, b->v[f].text)
						     : memcmp(&a->v[f].number, &b->v[f].number, sizeof(double)) != 0)
			return false;
	}
	return true;
}

/* To the bit: -0 is not 0. */
static inline bool same_record(const struct record *a, const struct record *b)
{
	if (a->time_us != b->time_us || a->event != b->event || a->phase != b->phase || a->sequence != b->sequence ||
	    a->token_count != b->token_count || a->sequence_length != b->sequence_length || a->have != b->have ||
	    a->nonfinite != b->nonfinite || a->tokens != b->tokens || a->n_tokens != b->n_tokens ||
	    a->details != b->details || !a->text.p != !b->text.p || !slice_equal(a->text, b->text))
		return false;
	for (int m = 0; m < METRIC_COUNT; m++)
		if (record_has(a, (enum metric_id)m) && memcmp(&a->metric[m], &b->metric[m], sizeof(double)))
			return false;
	return same_values(a->session, b->session) && same_values(a->extra, b->extra);
}

/* `quick` has learned from other lines; `plain` has any_order set. */
static inline bool decoded_alike(struct record_decoder *quick, struct record_decoder *plain, struct slice line)
{
	struct record a, b;
	enum decode_result x = record_decode(quick, line, &a), y = record_decode(plain, line, &b);

	return x == y && (x != DECODE_OK || same_record(&a, &b));
}

#endif
