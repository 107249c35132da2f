/* missing.c - which records of a session are missing, and which are there twice, by their numbers. */
#include "analyze/missing.h"

enum { FIRST_STEP = 2 }; /* the ordinal of the line after session_start */

/* False: the line is there twice. Alarms may be: a file that receives them (file+PATH) often lies beside its log. */
static bool missing_number(struct missing_track *t, uint64_t ordinal, enum event_type event)
{
	if (ordinal < FIRST_STEP || ordinal > UINT64_MAX / 2 || number_set_add(&t->numbers, ordinal))
		return true;
	t->doubled += event != EVENT_ALARM && event != EVENT_ALARM_RESOLVED;
	t->doubled_steps += event == EVENT_INFERENCE_STEP;
	return false;
}

void missing_rows(struct missing_track *t, const uint64_t *ordinal, size_t n)
{
	for (size_t i = 0; i < n; i++)
		missing_number(t, ordinal[i], EVENT_INFERENCE_STEP);
}

bool missing_event(struct missing_track *t, const struct record *rec)
{
	if (!missing_number(t, rec->ordinal, rec->event))
		return false;
	t->started |= rec->event == EVENT_SESSION_START;
	if (rec->event == EVENT_GAP)
		t->told += fields_count(rec->extra, F_DROPPED);
	if (rec->event != EVENT_SESSION_END)
		return true;
	t->ended = true;
	t->claimed = fields_count(rec->extra, F_TOTAL_RECORDS);
	return true;
}

uint64_t missing_count(const struct missing_track *t, uint64_t steps)
{
	const struct number_set *s = &t->numbers;
	uint64_t there = steps > t->doubled_steps ? steps - t->doubled_steps : 0;
	uint64_t holes = s->count ? s->greatest - s->least + 1 - s->count : 0;
	bool whole = t->ended && (s->count ? s->least == FIRST_STEP : t->started);
	uint64_t short_of = whole && t->claimed > there ? t->claimed - there : 0;

	holes = holes > short_of ? holes : short_of;
	return holes > t->told && !s->failed ? holes - t->told : 0;
}

void missing_free(struct missing_track *t)
{
	number_set_free(&t->numbers);
}
