/* missing.c - which records of a session are missing, and which are there twice, by their numbers. */
#include "analyze/missing.h"

#include <string.h>

enum { FIRST_STEP = 2 }; /* the ordinal of the line after session_start */

static void remove_range(struct missing_track *t, size_t i)
{
	memmove(t->range + i, t->range + i + 1, (--t->n - i) * sizeof *t->range);
}

/* Joins ranges i and i + 1; the numbers between them count as missing from now on. */
static void close_hole(struct missing_track *t, size_t i)
{
	t->closed += t->range[i + 1].from - t->range[i].to - 1;
	t->range[i].to = t->range[i + 1].to;
	remove_range(t, i + 1);
}

static void insert_range(struct missing_track *t, size_t i, uint64_t ordinal)
{
	memmove(t->range + i + 1, t->range + i, (t->n++ - i) * sizeof *t->range);
	t->range[i] = (struct number_range){ ordinal, ordinal };
	if (t->n == NUMBER_RANGES)
		close_hole(t, 0);
}

/* A number that does not follow the greatest one. */
static void note_elsewhere(struct missing_track *t, uint64_t ordinal)
{
	size_t i = 0;

	while (i < t->n && t->range[i].to + 1 < ordinal)
		i++;
	if (i == t->n || ordinal + 1 < t->range[i].from) {
		insert_range(t, i, ordinal);
	} else if (ordinal + 1 == t->range[i].from) {
		t->range[i].from--;
	} else if (ordinal == t->range[i].to + 1) {
		t->range[i].to++;
		if (i + 1 < t->n && t->range[i + 1].from == ordinal + 1)
			close_hole(t, i);
	} else {
		t->doubled++;
	}
}

void missing_rows(struct missing_track *t, const uint64_t *ordinal, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ordinal[i] < FIRST_STEP)
			continue;
		if (t->n && ordinal[i] == t->range[t->n - 1].to + 1)
			t->range[t->n - 1].to++;
		else
			note_elsewhere(t, ordinal[i]);
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
	uint64_t doubled = t->doubled;

	missing_rows(t, &rec->ordinal, 1);
	t->doubled_events += rec->event == EVENT_INFERENCE_STEP ? 0 : t->doubled - doubled;
	t->started |= rec->event == EVENT_SESSION_START;
	if (rec->event == EVENT_GAP)
		t->told += count_of(rec->extra, F_DROPPED);
	if (rec->event != EVENT_SESSION_END)
		return;
	t->ended = true;
	t->claimed = count_of(rec->extra, F_TOTAL_RECORDS);
}

uint64_t missing_count(const struct missing_track *t, uint64_t steps)
{
	uint64_t holes = t->closed, again = t->doubled - t->doubled_events;
	uint64_t there = steps > again ? steps - again : 0;
	bool whole = t->ended && (t->n ? t->range[0].from == FIRST_STEP : t->started);
	uint64_t short_of = whole && t->claimed > there ? t->claimed - there : 0;

	for (size_t i = 0; i + 1 < t->n; i++)
		holes += t->range[i + 1].from - t->range[i].to - 1;
	holes = holes > short_of ? holes : short_of;
	return holes > t->told ? holes - t->told : 0;
}
