/* columns.h - many records side by side: one array for each quantity, so that a loop takes one of them for all records.
 *
 * A metric is a column of decimals (scaled) where `decimal` says so, else of doubles (value). Rows that are no steps, or
 * have norms of layers, are kept as whole records too.
 *
 * Ownership  owns nothing; what session ids, sessions and whole records point to lives as long as their decoder says.
 */
#ifndef RWKVMON_RECORD_COLUMNS_H
#define RWKVMON_RECORD_COLUMNS_H

#include "record/codec.h"

enum { COLUMNS_ROWS = 512, COLUMNS_WHOLE = 64 };

struct columns {
	size_t n;	/* rows */
	size_t n_whole; /* of them that are in `record` */

	/* (n) each: as the members of struct record and struct decoded. */
	_Alignas(64) int64_t time_us[COLUMNS_ROWS];
	uint64_t sequence_length[COLUMNS_ROWS];
	uint64_t have[COLUMNS_ROWS], nonfinite[COLUMNS_ROWS], decimal[COLUMNS_ROWS];
	uint32_t sequence[COLUMNS_ROWS], token_count[COLUMNS_ROWS];
	uint8_t event[COLUMNS_ROWS], phase[COLUMNS_ROWS];
	uint8_t whole[COLUMNS_ROWS]; /* 1 + which of `record` it is; 0: none */
	const struct field_values *session[COLUMNS_ROWS];
	struct slice session_id[COLUMNS_ROWS];
	_Alignas(64) int64_t scaled[METRIC_COUNT][COLUMNS_ROWS];
	double value[METRIC_COUNT][COLUMNS_ROWS];

	struct record record[COLUMNS_WHOLE];
};

/* What some rows have, as bits of metrics. */
struct held {
	uint64_t any;	   /* one of them has it */
	uint64_t decimals; /* each has it as a decimal */
	uint64_t doubles;  /* each has it, and none as a decimal */
};

/* Of rows from.., n of them. */
struct held columns_held(const struct columns *c, size_t from, size_t n);

static inline bool columns_full(const struct columns *c)
{
	return c->n == COLUMNS_ROWS || c->n_whole == COLUMNS_WHOLE;
}

/* One row more; there is room. */
void columns_add(struct columns *c, const struct decoded *d);

/* The metric of a row that has it. */
static inline double columns_value(const struct columns *c, size_t row, enum metric_id m)
{
	return c->decimal[row] >> m & 1 ? (double)c->scaled[m][row] / metric_specs[m].scale : c->value[m][row];
}

/* The row as a record; of steps without norms, texts and tokens are left out. */
void columns_record(const struct columns *c, size_t row, struct record *out);

/* Rows row[0..n) of `from`, n <= COLUMNS_ROWS, in that order, but for their session ids: all are steps. `any`: metrics that
 * one of them has. */
void columns_pick_steps(struct columns *out, const struct columns *from, const uint16_t *row, size_t n, uint64_t any);

#endif
