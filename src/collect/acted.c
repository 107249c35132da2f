/* acted.c - turns an action into a record: the caller's thread checks and copies it, the writer thread makes its
 * fields. */
#include "collect/acted.h"

#include "base/utf8.h"
#include "collect/collector.h"

#include <math.h>
#include <time.h>

enum { TEXT_BYTES = 256, CHANGES_MAX = 16, WAITS = 2000 }; /* of 50 us */

static const enum field_id text_fields[] = { F_ACTION, F_ALARM_TYPE, F_REASON };
static const enum field_id count_fields[] = { F_FIRST_BAD_TOKEN, F_ATTEMPT, F_TOKENS_SAVED };
enum { TEXTS = sizeof text_fields / sizeof *text_fields, COUNTS = sizeof count_fields / sizeof *count_fields };

/* A row of changed.def whose values are numbers. */
static const struct changed {
	const char *key;
	enum field_id before, after;
} changed[] = {
#define CHANGED(name, key, kind, ...) CHANGED_##kind(key, F_BEFORE_##name, F_AFTER_##name)
#define CHANGED_COUNT(...) { __VA_ARGS__ },
#define CHANGED_NUMBER(...) { __VA_ARGS__ },
#define CHANGED_TEXT(...)
#include "spec/changed.def"
#undef CHANGED
};
enum { CHANGED_ROWS = sizeof changed / sizeof *changed };
_Static_assert((int)CHANGED_ROWS <= (int)CHANGES_MAX, "a place for each");

struct acted_cargo {
	char text[TEXTS][TEXT_BYTES];                     /* "": none */
	uint64_t count[COUNTS];                           /* 0: none */
	double before[CHANGED_ROWS], after[CHANGED_ROWS]; /* NAN: unknown */
};

/* Whole characters of it, as far as they fit. */
static void copy_text(char to[TEXT_BYTES], const char *from)
{
	size_t n = from ? strnlen(from, TEXT_BYTES) : 0, kept = 0;

	for (size_t k; kept < n; kept += k) {
		k = utf8_char_bytes(from + kept, n - kept);
		k = k ? k : 1;
		if (kept + k > TEXT_BYTES - 1)
			break;
	}
	memcpy(to, from ? from : "", kept);
	to[kept] = 0;
}

static int copy_changes(struct acted_cargo *to, const struct rwkvmon_action *a)
{
	for (size_t row = 0; row < CHANGED_ROWS; row++)
		to->before[row] = to->after[row] = NAN;
	for (size_t i = 0; i < a->n_changes; i++) {
		size_t row = 0;

		while (row < CHANGED_ROWS && (!a->changes[i].key || strcmp(changed[row].key, a->changes[i].key) != 0))
			row++;
		if (row == CHANGED_ROWS)
			return -ERR_USAGE;
		to->before[row] = a->changes[i].before;
		to->after[row] = a->changes[i].after;
	}
	return 0;
}

static int pack(struct acted_cargo *to, const struct rwkvmon_action *given, struct rwkvmon_stream **stream)
{
	struct rwkvmon_action a;

	if (!given || !given->struct_size)
		return -ERR_USAGE;
	collector_copy_struct(&a, sizeof a, given, 0);
	if (!a.action || !*a.action || (a.n_changes && !a.changes) || a.n_changes > CHANGES_MAX)
		return -ERR_USAGE;
	*stream = a.stream;
	copy_text(to->text[0], a.action);
	copy_text(to->text[1], a.alarm_type);
	copy_text(to->text[2], a.reason);
	to->count[0] = a.first_bad_token;
	to->count[1] = a.attempt;
	to->count[2] = a.tokens_saved;
	return copy_changes(to, &a);
}

static void hand_over(struct rwkvmon_stream *s, const struct acted_cargo *cargo)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	struct rwkvmon *mon = s->mon;
	struct carried *entry = NULL;

	for (int i = 0; i < WAITS && !(entry = ring_reserve(&mon->ring, sizeof *entry + sizeof *cargo)); i++) {
		pool_call(&mon->writer);
		nanosleep(&moment, NULL);
	}
	if (!entry) {
		atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&mon->dropped, 1, memory_order_relaxed);
		return;
	}
	entry->stream = s;
	entry->record = (struct record){ .time_us = clock_wall_us(mon->clock), .event = EVENT_ACTION };
	if (s->observer)
		observer_place(s->observer, &entry->record);
	memcpy(entry + 1, cargo, sizeof *cargo);
	ring_commit(&mon->ring);
	collector_wake(mon);
}

int rwkvmon_acted(rwkvmon *mon, const struct rwkvmon_action *action)
{
	struct acted_cargo cargo;
	struct rwkvmon_stream *s, *named = NULL;
	int rc = pack(&cargo, action, &named);

	if (rc)
		return rc;
	if (!collector_enter_patiently(mon)) {
		if (collector_is_ours(mon))
			collector_astray(mon, ASTRAY_BUSY, 1);
		return 0;
	}
	s = stream_named(mon, named);
	if (s)
		hand_over(s, &cargo);
	else
		collector_astray(mon, ASTRAY_UNKNOWN, 1);
	collector_leave(mon);
	return 0;
}

static void unpack_number(struct field_values *values, enum field_id f, double number)
{
	if (isfinite(number))
		fields_set_number(values, f, number);
}

void acted_unpack(const void *from, struct field_values *values)
{
	const struct acted_cargo *cargo = from;

	*values = (struct field_values){ 0 };
	for (size_t i = 0; i < TEXTS; i++)
		if (*cargo->text[i])
			fields_set_text(values, text_fields[i], slice_of(cargo->text[i]));
	for (size_t i = 0; i < COUNTS; i++)
		if (cargo->count[i])
			fields_set_number(values, count_fields[i], (double)cargo->count[i]);
	for (size_t row = 0; row < CHANGED_ROWS; row++) {
		unpack_number(values, changed[row].before, cargo->before[row]);
		unpack_number(values, changed[row].after, cargo->after[row]);
	}
}
