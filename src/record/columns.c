/* columns.c - converts a record into a row of columns and back. */
#include "record/columns.h"

#include <stddef.h>

void columns_add(struct columns *c, const struct decoded *d)
{
	const struct record *r = &d->rec;
	size_t row = c->n++;

	c->time_us[row] = r->time_us;
	c->sequence_length[row] = r->sequence_length;
	c->have[row] = r->have;
	c->nonfinite[row] = r->nonfinite;
	c->decimal[row] = d->decimal & r->have;
	c->sequence[row] = r->sequence;
	c->token_count[row] = r->token_count;
	c->batch_size[row] = r->batch_size;
	c->ordinal[row] = r->ordinal;
	c->event[row] = (uint8_t)r->event;
	c->phase[row] = (uint8_t)r->phase;
	c->session[row] = r->session;
	c->session_id[row] = d->session_id;
	c->who[row] = d->who;
	for (uint64_t have = r->have; have; have &= have - 1) {
		int m = __builtin_ctzll(have);
		bool decimal = d->decimal >> m & 1;

		c->value[m][row] = decimal ? (double)d->scaled[m] / metric_specs[m].scale : r->metric[m];
		c->scaled[m][row] = decimal ? d->scaled[m] : 0;
	}
	c->whole[row] = 0;
	if (r->event == EVENT_INFERENCE_STEP && !r->n_layer_norm && !r->n_gpus)
		return;
	c->record[c->n_whole++] = *r;
	c->whole[row] = (uint8_t)c->n_whole;
}

void columns_copy(struct columns *c, const struct columns *from, size_t row)
{
	struct decoded one = { .session_id = from->session_id[row],
			       .who = from->who[row],
			       .decimal = from->decimal[row] };

	columns_record(from, row, &one.rec);
	for (uint64_t left = one.decimal; left; left &= left - 1)
		one.scaled[__builtin_ctzll(left)] = from->scaled[__builtin_ctzll(left)][row];
	columns_add(c, &one);
}

void columns_set_time(struct columns *c, size_t row, int64_t time_us)
{
	c->time_us[row] = time_us;
	if (c->whole[row])
		c->record[c->whole[row] - 1].time_us = time_us;
}

void columns_record(const struct columns *c, size_t row, struct record *out)
{
	static const struct field_values none;

	if (c->whole[row]) {
		*out = c->record[c->whole[row] - 1];
		return;
	}
	/* Clears everything except the metrics, which make up most of a record; only those present are copied. */
	memset(out, 0, offsetof(struct record, metric));
	memset((char *)out + offsetof(struct record, tokens), 0, sizeof *out - offsetof(struct record, tokens));
	out->time_us = c->time_us[row];
	out->event = (enum event_type)c->event[row];
	out->phase = (enum phase)c->phase[row];
	out->sequence = c->sequence[row];
	out->token_count = c->token_count[row];
	out->batch_size = c->batch_size[row];
	out->ordinal = c->ordinal[row];
	out->sequence_length = c->sequence_length[row];
	out->have = c->have[row];
	out->nonfinite = c->nonfinite[row];
	out->session = c->session[row];
	out->extra = &none;
	for (uint64_t have = out->have; have; have &= have - 1) {
		enum metric_id m = (enum metric_id)__builtin_ctzll(have);

		out->metric[m] = columns_value(c, row, m);
	}
}

struct held columns_held(const struct columns *c, size_t from, size_t n)
{
	uint64_t any = 0, all = UINT64_MAX, decimal = 0, decimals = UINT64_MAX;

	for (size_t row = from; row < from + n; row++) {
		any |= c->have[row];
		all &= c->have[row];
		decimal |= c->decimal[row];
		decimals &= c->decimal[row];
	}
	return (struct held){ any, decimals & all, all & ~decimal };
}

/* Tested without branches first: few logs have any. */
static bool any_zero(const struct columns *c, enum metric_id m)
{
	const int64_t *scaled = c->scaled[m];
	bool any = false;

	for (size_t row = 0; row < c->n; row++)
		any |= !scaled[row];
	return any;
}

static void forget_zeros(struct columns *c, enum metric_id m)
{
	for (size_t row = 0; row < c->n; row++) {
		if (!(c->have[row] & metric_bit(m)) || columns_value(c, row, m) != 0)
			continue;
		c->have[row] &= ~metric_bit(m);
		c->decimal[row] &= c->have[row];
		if (c->whole[row])
			c->record[c->whole[row] - 1].have &= ~metric_bit(m);
	}
}

void columns_complete(struct columns *c)
{
	for (uint64_t left = metrics_zero_unknown; left; left &= left - 1) {
		const enum metric_id m = (enum metric_id)__builtin_ctzll(left);

		if (any_zero(c, m))
			forget_zeros(c, m);
	}
	for (size_t row = 0; row < c->n; row++) {
		if (__builtin_expect(c->phase[row] != PHASE_UNKNOWN || c->token_count[row] <= 1, 1))
			continue;
		c->phase[row] = PHASE_PREFILL;
		if (c->whole[row])
			c->record[c->whole[row] - 1].phase = PHASE_PREFILL;
	}
}

#define PICK(column)                                                                                                   \
	do {                                                                                                           \
		_Pragma("GCC unroll 8") for (size_t i = 0; i < n; i++) out->column[i] = from->column[row[i]];          \
	} while (0)

/* The same for columns that usually hold one value for all rows; this is tested without branches. */
#define PICK_OR_FILL(column, type, bits)                                                                               \
	do {                                                                                                           \
		const type first = from->column[0];                                                                    \
		bits apart = 0;                                                                                        \
                                                                                                                       \
		for (size_t i = 0; i < from->n; i++)                                                                   \
			apart |= (bits)((bits)from->column[i] ^ (bits)first);                                          \
		if (apart)                                                                                             \
			PICK(column);                                                                                  \
		else                                                                                                   \
			for (size_t i = 0; i < n; i++)                                                                 \
				out->column[i] = first;                                                                \
	} while (0)

void columns_pick_steps(struct columns *out, const struct columns *from, const uint16_t *row, size_t n, uint64_t any)
{
	uint64_t other = 0;

	out->n = n;
	out->n_whole = from->n_whole;
	memset(out->event, EVENT_INFERENCE_STEP, n);
	PICK(time_us);
	PICK(sequence_length);
	PICK(ordinal);
	PICK_OR_FILL(have, uint64_t, uint64_t);
	PICK_OR_FILL(nonfinite, uint64_t, uint64_t);
	PICK_OR_FILL(decimal, uint64_t, uint64_t);
	PICK_OR_FILL(sequence, uint32_t, uint32_t);
	PICK_OR_FILL(token_count, uint32_t, uint32_t);
	PICK_OR_FILL(batch_size, uint32_t, uint32_t);
	PICK_OR_FILL(phase, uint8_t, uint8_t);
	PICK_OR_FILL(whole, uint8_t, uint8_t);
	PICK_OR_FILL(session, struct field_values *, uintptr_t);
	for (size_t i = 0; i < n; i++)
		other |= out->have[i] & ~out->decimal[i];
	for (; any; any &= any - 1) {
		int m = __builtin_ctzll(any);

		PICK(scaled[m]);
		if (other >> m & 1)
			PICK(value[m]);
	}
	for (size_t i = 0; i < from->n_whole; i++)
		out->record[i] = from->record[i];
}
