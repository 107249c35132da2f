/* shipper.c - when roll-ups are closed, and what of an event is shipped. */
#include "ship/shipper.h"

#include "base/json_read.h"
#include "base/lines.h"
#include "ship/rollup.h"

#include <pthread.h>
#include <stdlib.h>

enum { OPEN_MOST = 8192 }; /* roll-ups: a log that is read from long ago has many minutes at once */

/* Lines reach their log up to 100 ms after their steps, and are read within another 100 ms. */
static const int64_t LATE_US = 500000, EVENTS_US = 1000000;

struct shipper {
	struct backlog *spool;
	const struct clock *clock;
	bool with_text;
	pthread_mutex_t lock; /* of all below */
	struct rollups *rollups;
	struct record_decoder of_line, of_details;
	struct buf line;
	int64_t rollups_due_us, events_due_us;
	bool events;         /* some were put since the last commit */
	uint64_t lost_steps; /* of which nobody was told yet */
};

int shipper_open(struct shipper **out, const struct shipper_config *cfg, struct err *err)
{
	struct shipper *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s)
		s->rollups = rollups_open();
	if (!s || !s->rollups) {
		free(s);
		return err_set(err, ERR_NOMEM, "no memory to sum up steps");
	}
	s->spool = cfg->spool;
	s->clock = cfg->clock;
	s->with_text = cfg->with_text;
	pthread_mutex_init(&s->lock, NULL);
	*out = s;
	return 0;
}

void shipper_close(struct shipper *s)
{
	if (!s)
		return;
	rollups_close(s->rollups);
	record_decoder_free(&s->of_line);
	record_decoder_free(&s->of_details);
	buf_free(&s->line);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- events ------------------------------------------------------------------------------------- */

static void forget_field(struct field_values *values, enum field_id f)
{
	values->have[f / 64] &= ~(UINT64_C(1) << (f % 64));
}

/* The event as format 1 knows it, without texts and without names that callers gave. */
static void write_stripped(struct shipper *s, struct record *rec, struct slice line, const char *source)
{
	struct field_values session = *rec->session;
	const struct slice object = json_read_member(line, "details");
	struct record details;

	forget_field(&session, F_LABEL);
	forget_field(&session, F_REQUEST_ID);
	if (!fields_text(&session, F_INSTANCE).n)
		fields_set_text(&session, F_INSTANCE, slice_of(source));
	rec->session = &session;
	rec->text = (struct slice){ NULL, 0 };
	rec->own = NULL;
	if (object.n && record_decode(&s->of_details, object, &details) == DECODE_OK) {
		details.text = (struct slice){ NULL, 0 };
		details.own = NULL;
		rec->details = &details;
	}
	buf_clear(&s->line);
	record_encode(&s->line, rec);
	rec->details = NULL;
}

static void add_line(struct shipper *s, struct slice line, const char *source)
{
	struct record rec;

	if (record_decode(&s->of_line, line, &rec) != DECODE_OK || rec.event == EVENT_INFERENCE_STEP ||
	    rec.event == EVENT_ROLLUP)
		return;
	if (s->with_text) {
		buf_clear(&s->line);
		buf_add(&s->line, line.p, line.n);
		buf_char(&s->line, '\n');
	} else {
		write_stripped(s, &rec, line, source);
	}
	if (s->line.failed)
		backlog_missed(s->spool, BACKLOG_EVENTS, 1, 0);
	else
		backlog_put(s->spool, BACKLOG_EVENTS, buf_slice(&s->line), 0);
	s->events = true;
}

static bool has_events(const struct columns *rows)
{
	for (size_t row = 0; row < rows->n; row++)
		if (rows->event[row] != EVENT_INFERENCE_STEP)
			return true;
	return false;
}

static void add_events(struct shipper *s, struct slice lines, const char *source)
{
	while (lines.n)
		add_line(s, next_line(&lines), source);
}

void shipper_take(struct shipper *s, const struct columns *rows, struct slice lines, const char *source)
{
	if (!rows->n)
		return;
	pthread_mutex_lock(&s->lock);
	rollups_take(s->rollups, rows, source);
	if (has_events(rows))
		add_events(s, lines, source);
	pthread_mutex_unlock(&s->lock);
}

/* --- what is due ---------------------------------------------------------------------------------- */

static bool put_rollup(void *ctx, const struct rollup *r, size_t sketch_bytes)
{
	struct shipper *s = ctx;
	char id[BACKLOG_ID_BYTES];

	backlog_id(s->spool, id);
	buf_clear(&s->line);
	if (!rollup_write(&s->line, r, id, sketch_bytes))
		return false;
	backlog_put(s->spool, BACKLOG_ROLLUPS, buf_slice(&s->line), r->records);
	return true;
}

/* What memory had no room for is told with the next commit. */
static void tell_lost(struct shipper *s)
{
	const struct rollups_lost lost = rollups_lost(s->rollups);

	if (lost.rollups)
		backlog_missed(s->spool, BACKLOG_ROLLUPS, lost.rollups, lost.steps);
	s->lost_steps += lost.steps;
}

/* The next end of a minute, and a little later. */
static int64_t next_minute(int64_t now_us)
{
	return now_us - now_us % ROLLUP_US + ROLLUP_US + LATE_US;
}

int shipper_turn(struct shipper *s, struct slice places, bool end, struct err *err)
{
	const int64_t now = clock_wall_us(s->clock);
	int rc = 0;
	bool any;

	pthread_mutex_lock(&s->lock);
	if (!s->rollups_due_us || s->rollups_due_us > now + ROLLUP_US + LATE_US) /* the clock was set back */
		s->rollups_due_us = next_minute(now);
	any = end || now >= s->rollups_due_us || rollups_open_count(s->rollups) > OPEN_MOST;
	if (any) {
		rollups_flush(s->rollups, put_rollup, s);
		tell_lost(s);
		rc = backlog_commit(s->spool, &places, err);
		s->rollups_due_us = next_minute(now);
	} else if (s->events && (now >= s->events_due_us || now + EVENTS_US < s->events_due_us)) {
		any = true;
		rc = backlog_commit(s->spool, NULL, err);
	}
	if (any) {
		s->events = rc != 0;
		s->events_due_us = now + EVENTS_US;
	}
	if (!rc && s->lost_steps) {
		rc = err_set(err, ERR_NOMEM, "no memory to sum up %llu steps: they are missing from the roll-ups",
			     (unsigned long long)s->lost_steps);
		s->lost_steps = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return rc ? rc : any;
}
