/* rows.h - consecutive steps of a session as rules look at them, wherever they are kept. */
#ifndef RWKVMON_RULES_ROWS_H
#define RWKVMON_RULES_ROWS_H

#include "record/columns.h"
#include "rules/learned.h"
#include "stats/range.h"

#include <math.h>

/* Facts about the rows at hand that all rules share (windows.h). */
struct judge_room;

/* Consecutive steps of the session: rows of columns; or a record, or one row without a room. */
struct judged_rows {
	const struct columns *c; /* NULL: `record` is the only row */
	const struct record *record;
	size_t from, n; /* n <= RANGE_MOST */
	struct held held;
	bool one_phase;
	uint64_t before; /* steps of the session before them */
	struct judge_room *room;
	const struct normal *normal; /* [METRIC_COUNT] what the one row is compared with, as far as metrics are learned;
					NULL: nothing is */
};

/* A row's metric; NAN: it has none. */
static inline double judged_metric(const struct judged_rows *rows, size_t row, enum metric_id m)
{
	if (!rows->c)
		return record_has(rows->record, m) ? rows->record->metric[m] : (double)NAN;
	row += rows->from;
	return rows->c->have[row] >> m & 1 ? columns_value(rows->c, row, m) : (double)NAN;
}

static inline uint64_t have_at(const struct judged_rows *rows, size_t row)
{
	return rows->c ? rows->c->have[rows->from + row] : rows->record->have;
}

/* The same of a record, or of columns as they were decoded. */
static inline double judged_decoded(const struct judged_rows *rows, size_t row, enum metric_id m)
{
	const struct columns *c = rows->c;

	if (!c)
		return judged_metric(rows, row, m);
	return c->have[rows->from + row] >> m & 1 ? c->value[m][rows->from + row] : (double)NAN;
}

static inline int64_t time_at(const struct judged_rows *rows, size_t row)
{
	return rows->c ? rows->c->time_us[rows->from + row] : rows->record->time_us;
}

static inline uint64_t length_at(const struct judged_rows *rows, size_t row)
{
	return rows->c ? rows->c->sequence_length[rows->from + row] : rows->record->sequence_length;
}

static inline uint32_t sequence_at(const struct judged_rows *rows, size_t row)
{
	return rows->c ? rows->c->sequence[rows->from + row] : rows->record->sequence;
}

static inline enum phase phase_at(const struct judged_rows *rows, size_t row)
{
	return rows->c ? (enum phase)rows->c->phase[rows->from + row] : rows->record->phase;
}

/* An unknown phase is any. */
static inline bool phase_fits(enum phase is, enum phase wanted)
{
	return !wanted || !is || is == wanted;
}

static inline bool is_of_phase(const struct judged_rows *rows, size_t row, enum phase wanted)
{
	return phase_fits(phase_at(rows, row), wanted);
}

static inline bool some_have(const struct judged_rows *rows, enum metric_id m)
{
	return rows->held.any >> m & 1;
}

static inline bool all_have(const struct judged_rows *rows, enum metric_id m)
{
	return (rows->held.decimals | rows->held.doubles) >> m & 1;
}

/* NaN limits compare false: no limit, no violation. */
static inline bool beyond(double value, double above, double below)
{
	return (value > above) | (value < below);
}

#endif
