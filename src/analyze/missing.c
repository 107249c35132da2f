/* missing.c - which records of a session are missing, by their numbers. */
#include "analyze/missing.h"

void missing_rows(struct missing_track *t, const uint64_t *ordinal, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ordinal[i] <= 1)
			continue;
		t->first = !t->numbered || ordinal[i] < t->first ? ordinal[i] : t->first;
		t->last = ordinal[i] > t->last ? ordinal[i] : t->last;
		t->numbered++;
	}
}

/* A count as a log has it; a value that is not a count gives 0. */
static uint64_t count_of(const struct field_values *v, enum field_id f)
{
	double n = v ? fields_number(v, f, 0) : 0;

	return n > 0 && n < 9007199254740992.0 ? (uint64_t)n : 0;
}

void missing_event(struct missing_track *t, const struct record *rec)
{
	uint64_t written = count_of(rec->extra, F_TOTAL_RECORDS), dropped = count_of(rec->extra, F_TOTAL_DROPPED);

	missing_rows(t, &rec->ordinal, 1);
	t->started |= rec->event == EVENT_SESSION_START;
	if (rec->event == EVENT_GAP)
		t->told += count_of(rec->extra, F_DROPPED);
	if (rec->event != EVENT_SESSION_END)
		return;
	t->ended = true;
	t->claimed = written > dropped ? written - dropped : 0;
}

uint64_t missing_count(const struct missing_track *t, uint64_t steps)
{
	uint64_t there = t->numbered + t->told, span = t->last - t->first + 1;

	if (t->numbered)
		return span > there ? span - there : 0;
	return t->started && t->ended && t->claimed > steps ? t->claimed - steps : 0;
}
