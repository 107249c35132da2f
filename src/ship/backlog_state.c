/* backlog_state.c - lines of a key and a value each. */
#include "ship/backlog_state.h"

#include "base/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[BACKLOG_KINDS] = { "events", "rollups" };
static const char head[] = "rwkvmon spool 1", place[] = "place ";

/* --- names of batches ------------------------------------------------------------------------- */

void backlog_batch_name(char out[BACKLOG_NAME_BYTES], const struct backlog_batch *b)
{
	snprintf(out, BACKLOG_NAME_BYTES, "%016" PRIx64 "-%s-%" PRIu64 "-%" PRIu64, b->number, kind_names[b->kind],
		 b->lines, b->steps);
}

bool backlog_batch_parse(const char *name, struct backlog_batch *out)
{
	char again[BACKLOG_NAME_BYTES], kind[16];

	*out = (struct backlog_batch){ .number = 0 };
	if (sscanf(name, "%16" SCNx64 "-%15[a-z]-%" SCNu64 "-%" SCNu64, &out->number, kind, &out->lines, &out->steps) !=
	    4)
		return false;
	while (out->kind < BACKLOG_KINDS && strcmp(kind, kind_names[out->kind]))
		out->kind++;
	if (out->kind == BACKLOG_KINDS)
		return false;
	backlog_batch_name(again, out);
	return !strcmp(again, name);
}

/* --- the state ---------------------------------------------------------------------------------- */

enum { NUMBERS = 6 };

struct number {
	const char *key;
	int base;
	uint64_t *value;
};

static void numbers_of(struct number out[NUMBERS], struct backlog_state *s)
{
	const struct number all[NUMBERS] = {
		{ "origin ", 16, &s->origin },
		{ "next_id ", 10, &s->next_id },
		{ "batches ", 10, &s->batches },
		{ "lost_events ", 10, &s->lost[BACKLOG_EVENTS] },
		{ "lost_rollups ", 10, &s->lost[BACKLOG_ROLLUPS] },
		{ "lost_steps ", 10, &s->lost_steps },
	};

	memcpy(out, all, sizeof all);
}

static bool begins(struct slice line, const char *key)
{
	const size_t n = strlen(key);

	return line.n >= n && !memcmp(line.p, key, n);
}

/* Digits alone: no blanks, no sign. */
static bool read_number(const struct number *number, struct slice line)
{
	const char *const digits = number->base == 16 ? "0123456789abcdef" : "0123456789";
	const size_t key = strlen(number->key), n = line.n - key, most = number->base == 16 ? 16 : 20;
	char text[24];

	if (!n || n > most)
		return false;
	memcpy(text, line.p + key, n);
	text[n] = 0;
	*number->value = strtoull(text, NULL, number->base);
	return strspn(text, digits) == n;
}

static int damaged(struct err *err, const char *name)
{
	err_set(err, ERR_FORMAT, "%s is damaged: expected the numbers of a spool, each in a line of its own", name);
	return err_hint(err, "remove this spool, or name another folder with --spool: the logs are shipped from their "
			     "beginning then");
}

static int foreign(struct err *err, const char *name)
{
	err_set(err, ERR_FORMAT, "%s: expected a file that begins with \"%s\"", name, head);
	return err_hint(err, "name another folder with --spool; what waits in this one was written by another program");
}

int backlog_state_read(struct backlog_state *out, struct slice text, const char *name, struct err *err)
{
	struct number number[NUMBERS];
	unsigned seen = 0;

	*out = (struct backlog_state){ .origin = 0 };
	numbers_of(number, out);
	if (!slice_is(next_line(&text), head))
		return foreign(err, name);
	while (text.n) {
		const struct slice line = next_line(&text);
		unsigned i = 0;

		while (i < NUMBERS && !begins(line, number[i].key))
			i++;
		if (i < NUMBERS)
			seen |= read_number(&number[i], line) ? 1u << i : 1u << NUMBERS;
		if (begins(line, place) && line.n > sizeof place - 1) {
			buf_add(&out->places, line.p + sizeof place - 1, line.n - (sizeof place - 1));
			buf_char(&out->places, '\n');
		}
	}
	if (seen == (1u << NUMBERS) - 1 && !out->places.failed)
		return 0;
	backlog_state_free(out);
	return seen == (1u << NUMBERS) - 1 ? err_set(err, ERR_NOMEM, "no memory for the spool") : damaged(err, name);
}

void backlog_state_write(struct buf *out, const struct backlog_state *s)
{
	struct slice places = buf_slice(&s->places);

	buf_printf(out,
		   "%s\norigin %016" PRIx64 "\nnext_id %" PRIu64 "\nbatches %" PRIu64 "\nlost_events %" PRIu64
		   "\nlost_rollups %" PRIu64 "\nlost_steps %" PRIu64 "\n",
		   head, s->origin, s->next_id, s->batches, s->lost[BACKLOG_EVENTS], s->lost[BACKLOG_ROLLUPS],
		   s->lost_steps);
	while (places.n) {
		const struct slice line = next_line(&places);

		buf_str(out, place);
		buf_add(out, line.p, line.n);
		buf_char(out, '\n');
	}
	out->failed |= s->places.failed;
}

void backlog_state_free(struct backlog_state *s)
{
	buf_free(&s->places);
	*s = (struct backlog_state){ .origin = 0 };
}
