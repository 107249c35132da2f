/* columns.h - stores many records as columns: one array for each quantity, so that a loop can process one quantity of
 * all records.
 *
 * A metric's value in a row is a double; where the row's `decimal` bit is set, it is also kept as a decimal (scaled).
 * Rows that are not steps, or have layer norms or several GPUs, are also kept as whole records.
 *
 * Ownership  owns nothing; what session ids, sessions and whole records point to lives as long as their decoder keeps
 *            it.
 */
#ifndef RWKVMON_RECORD_COLUMNS_H
#define RWKVMON_RECORD_COLUMNS_H

#include "record/codec.h"

/* Only the memory of rows in use is touched. */
enum { COLUMNS_ROWS = 16384, COLUMNS_WHOLE = 64 };

/* What a column has room for: were it a power of two, the same row of all columns would fall into one set of a cache,
 * which holds 8 or 16 lines. Columns lie 5 KiB apart there. */
enum { COLUMN_ROOM = COLUMNS_ROWS + 648 };

struct columns {
	size_t n;       /* rows */
	size_t n_whole; /* number of rows that are also in `record` */

	/* (n) each: like the members of struct record and struct decoded. */
	_Alignas(64) int64_t time_us[COLUMN_ROOM];
	uint64_t sequence_length[COLUMN_ROOM];
	uint64_t have[COLUMN_ROOM], nonfinite[COLUMN_ROOM], decimal[COLUMN_ROOM];
	uint64_t ordinal[COLUMN_ROOM];
	uint32_t sequence[COLUMN_ROOM], token_count[COLUMN_ROOM], batch_size[COLUMN_ROOM];
	uint8_t event[COLUMN_ROOM], phase[COLUMN_ROOM];
	uint8_t whole[COLUMN_ROOM]; /* 1 + index in `record`; 0: none */
	const struct field_values *session[COLUMN_ROOM];
	struct slice session_id[COLUMN_ROOM];
	uint16_t who[COLUMN_ROOM]; /* equal if and only if the ids are equal */
	_Alignas(64) int64_t scaled[METRIC_COUNT][COLUMN_ROOM];
	double value[METRIC_COUNT][COLUMN_ROOM];

	struct record record[COLUMNS_WHOLE];
};

/* Which metrics some rows have, as bits. */
struct held {
	uint64_t any;      /* at least one row has the metric */
	uint64_t decimals; /* every row has it as a decimal */
	uint64_t doubles;  /* every row has it, none as a decimal */
};

/* For the n rows that begin at `from`. */
struct held columns_held(const struct columns *c, size_t from, size_t n);

static inline bool columns_full(const struct columns *c)
{
	return c->n == COLUMNS_ROWS || c->n_whole == COLUMNS_WHOLE;
}

/* Adds a row; there must be room. */
void columns_add(struct columns *c, const struct decoded *d);

/* What the published format leaves to its readers: removes values of 0 that stand for unknown ones
 * (metrics_zero_unknown), and makes steps that do not say their phase prefill if they have several tokens. */
void columns_complete(struct columns *c);

/* The value of a metric in a row that has it, also where only the decimal is kept. */
static inline double columns_value(const struct columns *c, size_t row, enum metric_id m)
{
	return c->decimal[row] >> m & 1 ? (double)c->scaled[m][row] / metric_specs[m].scale : c->value[m][row];
}

/* Also that of the record which is kept whole. */
void columns_set_time(struct columns *c, size_t row, int64_t time_us);

/* Converts the row into a record; for steps without norms, texts and tokens are left out. */
void columns_record(const struct columns *c, size_t row, struct record *out);

/* The same for row `row` of other columns. */
void columns_copy(struct columns *c, const struct columns *from, size_t row);

/* Copies rows row[0..n) of `from`, n <= COLUMNS_ROWS, in that order, except their session ids and who. All must be
 * steps. `any`: metrics that at least one of them has. Of those that all rows have as decimals, no doubles are copied.
 */
void columns_pick_steps(struct columns *out, const struct columns *from, const uint16_t *row, size_t n, uint64_t any);

#endif
