/* evidence.c - what sessions show beside their numbers, gathered one by one. */
#include "analyze/evidence.h"

#include <math.h>

void evidence_begin(struct session_evidence *e)
{
	*e = (struct session_evidence){ .collapse = { .worst = (double)NAN, .session_id = "" } };
}

static void note_first(struct bad_session first[ALARM_TYPE_COUNT], struct arena *arena, const struct session *s,
		       const struct first_bad *b)
{
	struct bad_session *known = &first[b->type];

	if (!b->known || (known->at.known && known->at.time_us <= b->time_us))
		return;
	*known = (struct bad_session){ *b, arena_copy(arena, slice_of(s->id ? s->id : "")),
				       arena_copy(arena, slice_of(s->instance ? s->instance : "")) };
}

/* Of each type, at the time that is known of it. */
static void note_times(struct bad_session first[ALARM_TYPE_COUNT], struct arena *arena, const struct session *s,
		       const int64_t time_us[ALARM_TYPE_COUNT])
{
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		note_first(first, arena, s,
			   &(struct first_bad){ .known = time_us[t] != 0,
						.type = (enum alarm_type)t,
						.time_us = time_us[t],
						.layer = (double)NAN });
}

static void note_collapse(struct collapse_findings *c, struct arena *arena, const struct session *s,
			  const struct accumulators *n)
{
	const double r = comoments_pearson(&n->similarity_entropy);

	if (!isfinite(r) || n->similarity_entropy.count < FINDINGS_COLLAPSE_PAIRS || s->rest)
		return;
	c->warned += r < limit_of(T_COLLAPSE_R) ? s->records : 0;
	if (c->worst <= r)
		return;
	c->worst = r;
	c->session_id = arena_copy(arena, slice_of(s->id ? s->id : ""));
}

void evidence_note(struct session_evidence *e, struct arena *arena, const struct session *s,
		   const struct accumulators *n)
{
	const struct session_firing firing = session_firing(s);

	note_first(e->first_bad, arena, s, &s->first_bad);
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		note_first(e->firing, arena, s,
			   &(struct first_bad){ .known = firing.types >> t & 1,
						.type = (enum alarm_type)t,
						.time_us = firing.since_us[t],
						.layer = (double)NAN });
	note_times(e->first_alarm, arena, s, s->tally.alarmed_us);
	note_times(e->first_broken, arena, s, s->tally.violated_us);
	note_times(e->first_lasted, arena, s, s->tally.lasted_us);
	if (session_home((struct session *)s)) {
		e->missing += missing_count(&s->missing, s->records) + s->missed;
		e->doubled += s->missing.doubled + s->twice;
	}
	if (!n)
		return;
	note_first(e->first_bad, arena, s, &n->nonfinite);
	note_collapse(&e->collapse, arena, s, n);
}

void evidence_keep(struct session_evidence *e, struct arena *arena)
{
	struct undelivered *u = &e->tally.undelivered;

	u->why = arena_copy(arena, slice_of(u->why ? u->why : ""));
}

void evidence_tell(struct findings *f, const struct session_evidence *e)
{
	const struct session_tally *t = &e->tally;

	f->anomaly_records = t->violating;
	f->anomaly_critical = t->critical;
	f->lasted_critical = t->critical_lasted;
	f->live_critical = t->live_critical;
	f->dropped = t->dropped;
	f->undelivered = t->undelivered;
	f->deepest_drop = 1 - t->drop;
	f->missing_records = f->filtered ? 0 : e->missing;
	f->doubled_records = f->filtered ? 0 : e->doubled;
	f->collapse = e->collapse;
	memcpy(f->anomaly_by_type, t->violated, sizeof f->anomaly_by_type);
	memcpy(f->lasted_by_type, t->lasted, sizeof f->lasted_by_type);
	memcpy(f->live_alarms, t->alarmed, sizeof f->live_alarms);
	memcpy(f->live_gravest, t->gravest, sizeof f->live_gravest);
	memcpy(f->live_collapse, t->collapsed, sizeof f->live_collapse);
	memcpy(f->first_bad, e->first_bad, sizeof f->first_bad);
	memcpy(f->first_alarm, e->first_alarm, sizeof f->first_alarm);
	memcpy(f->firing, e->firing, sizeof f->firing);
	memcpy(f->first_broken, e->first_broken, sizeof f->first_broken);
	memcpy(f->first_lasted, e->first_lasted, sizeof f->first_lasted);
}
