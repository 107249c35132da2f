/* events.c - violations of one type in one session grow into runs; the lightest are dropped when there are too many. */
#include "analyze/events.h"

#include <math.h>
#include <stdlib.h>

static double beyond(const struct anomaly_event *e)
{
	return fabs(e->worst - e->limit);
}

/* Of the most severe rule: what is told beside its severity is its own. */
static void keep_worst(struct anomaly_event *into, const struct anomaly_event *from)
{
	if (from->severity < into->severity || (from->severity == into->severity && !(beyond(from) > beyond(into))))
		return;
	into->severity = from->severity;
	into->worst = from->worst;
	into->limit = from->limit;
	into->metric = from->metric;
}

static void extend(struct anomaly_event *into, const struct anomaly_event *by)
{
	into->from_us = by->from_us < into->from_us ? by->from_us : into->from_us;
	into->to_us = by->to_us > into->to_us ? by->to_us : into->to_us;
	into->records += by->records;
	keep_worst(into, by);
}

static void free_event(struct event *e)
{
	if (!e)
		return;
	free(e->id);
	free(e->instance);
	free(e);
}

static void drop(struct event *e)
{
	if (e->end)
		e->end->event = NULL;
	free_event(e);
}

/* What a reader wants to see first: severe, then many records, then early. */
static int by_weight(const void *a, const void *b)
{
	const struct anomaly_event *x = &(*(struct event *const *)a)->is, *y = &(*(struct event *const *)b)->is;
	int order;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->records != y->records)
		return x->records > y->records ? -1 : 1;
	if (x->from_us != y->from_us)
		return x->from_us < y->from_us ? -1 : 1;
	order = strcmp(x->session_id, y->session_id);
	order = order ? order : strcmp(x->instance, y->instance);
	return order ? order : (int)x->type - (int)y->type;
}

static int by_time(const void *a, const void *b)
{
	const struct anomaly_event *x = &(*(struct event *const *)a)->is, *y = &(*(struct event *const *)b)->is;

	return x->from_us != y->from_us ? (x->from_us < y->from_us ? -1 : 1) : by_weight(a, b);
}

static void sort(struct event **event, size_t n, int (*order)(const void *, const void *))
{
	if (n)
		qsort(event, n, sizeof *event, order);
}

static void thin(struct events *e)
{
	if (e->n <= EVENTS_KEPT)
		return;
	sort(e->event, e->n, by_weight);
	while (e->n > EVENTS_KEPT / 2)
		drop(e->event[--e->n]);
}

static bool reserve_list(struct events *e)
{
	if (!e->event)
		e->event = malloc((EVENTS_KEPT + 1) * sizeof *e->event);
	e->failed |= !e->event;
	return e->event != NULL;
}

static void begin(struct events *e, struct event_list_end *end, struct event_place at, const struct anomaly_event *is)
{
	struct event *event = reserve_list(e) ? calloc(1, sizeof *event) : NULL;

	if (end->event)
		end->event->end = NULL;
	*end = (struct event_list_end){ .from_us = is->from_us, .to_us = is->to_us, .any = true };
	e->total++;
	if (event) {
		event->id = strdup(at.session_id);
		event->instance = strdup(at.instance ? at.instance : "");
	}
	if (!event || !event->id || !event->instance) {
		free_event(event);
		e->failed = true;
		return;
	}
	event->is = *is;
	event->is.session_id = event->id;
	event->is.instance = event->instance;
	event->end = end;
	end->event = event;
	e->event[e->n++] = event;
	thin(e);
}

static void go_on(struct event_list_end *end, const struct anomaly_event *more, int64_t cooldown_us)
{
	end->from_us = more->from_us < end->from_us ? more->from_us : end->from_us;
	end->to_us = more->to_us > end->to_us ? more->to_us : end->to_us;
	if (end->event)
		end->event->cooldown_us = cooldown_us;
}

void events_add(struct events *e, struct event_list_end *end, struct event_place at, int64_t time_us, bool again,
		int64_t cooldown_us, const struct rule_finding *f)
{
	struct anomaly_event now = { .type = f->type,
				     .severity = f->severity,
				     .from_us = time_us,
				     .to_us = time_us,
				     .records = !again,
				     .worst = f->value,
				     .limit = f->limit,
				     .metric = f->metric };

	if (!end->any || time_us > end->to_us + cooldown_us || time_us < end->from_us - cooldown_us)
		begin(e, end, at, &now);
	else if (end->event)
		extend(&end->event->is, &now);
	go_on(end, &now, cooldown_us);
}

void events_detach(struct event_list_end end[ALARM_TYPE_COUNT])
{
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		if (end[type].event)
			end[type].event->end = NULL;
		end[type] = (struct event_list_end){ .any = false };
	}
}

struct anomaly_event *events_list(const struct events *e, struct arena *arena, size_t *n)
{
	struct event **order = arena_alloc(arena, e->n + 1, sizeof(struct event *));
	struct anomaly_event *list;

	*n = e->n < FINDINGS_EVENTS_MAX ? e->n : FINDINGS_EVENTS_MAX;
	list = arena_alloc(arena, *n + 1, sizeof *list);
	if (!order || !list)
		return NULL;
	if (e->n)
		memcpy(order, e->event, e->n * sizeof *order);
	sort(order, e->n, by_weight);
	sort(order, *n, by_time);
	for (size_t i = 0; i < *n; i++) {
		list[i] = order[i]->is;
		list[i].session_id = arena_copy(arena, slice_of(order[i]->id));
		list[i].instance = arena_copy(arena, slice_of(order[i]->instance));
	}
	return list;
}

void events_free(struct events *e)
{
	for (size_t i = 0; i < e->n; i++)
		free_event(e->event[i]);
	free(e->event);
	*e = (struct events){ .n = 0 };
}
