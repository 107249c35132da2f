/* push.h - one record at a time into an analysis, which readers give many at once. */
#ifndef RWKVMON_TESTS_PUSH_H
#define RWKVMON_TESTS_PUSH_H

#include "analyze/analyze.h"

static inline void push_record(struct analysis *a, const struct record *rec)
{
	static _Alignas(64) struct columns row; /* as readers have them */
	struct decoded one = { .rec = *rec, .session_id = fields_text(rec->session, F_SESSION_ID) };

	row.n = row.n_whole = 0;
	columns_add(&row, &one);
	columns_complete(&row);
	analyze_push_columns(a, &row);
}

#endif
