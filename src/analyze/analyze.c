/* analyze.c - an analysis is opened, fed, helped by other threads, and closed. */
#include "analyze/analysis.h"
#include "analyze/series_sessions.h"
#include "rules/windows.h"

#include <stdlib.h>

int analyze_open(struct analysis **out, const struct analyze_options *opts, struct err *err)
{
	struct analysis *a = calloc(1, sizeof *a);

	*out = NULL;
	if (!a)
		return err_set(err, ERR_NOMEM, "no memory for the analysis");
	a->opts = *opts;
	a->sessions.most = opts->most_sessions;
	a->sessions.most_rests = opts->most_rests;
	a->awaited = opts->rules ? ruleset_types(opts->rules) : 0;
	if (opts->session) {
		a->own_session = session_text(slice_of(opts->session));
		a->opts.session = a->own_session;
	}
	a->times = malloc(sizeof *a->times);
	if (a->times)
		time_breakdown_open(a->times);
	if (!gathering_open(&a->gather, &a->opts) || (opts->session && !a->own_session) || !a->times ||
	    a->times->failed) {
		analyze_close(a);
		return err_set(err, ERR_NOMEM, "no memory for the analysis");
	}
	*out = a;
	return 0;
}

void analyze_close(struct analysis *a)
{
	if (!a)
		return;
	sessions_free(&a->sessions);
	gathering_free(&a->gather);
	events_free(&a->events);
	learned_close(a->learned);
	if (a->times)
		time_breakdown_close(a->times);
	free(a->times);
	unusual_minutes_close(&a->minutes);
	lineage_close(a->lineage);
	if (a->hits)
		free(a->hits->hit);
	free(a->hits);
	judge_room_close(a->room);
	free(a->own_session);
	free(a);
}

size_t analyze_push_columns(struct analysis *a, const struct columns *c)
{
	size_t wanted = gathering_sort(&a->gather, c);

	analyze_in_order(a, &a->gather);
	gathering_add(&a->gather);
	return wanted;
}

void analyze_hand_over(struct analysis *from, struct analysis *to)
{
	free(to->gather.batch);
	to->gather.batch = from->gather.batch;
	from->gather.batch = NULL;
	time_breakdown_hand_over(from->times, to->times);
	if (to->hits)
		free(to->hits->hit);
	free(to->hits);
	to->hits = from->hits;
	from->hits = NULL;
	judge_room_close(to->room);
	to->room = from->room;
	from->room = NULL;
}

struct gathering *analyze_helper(struct analysis *a, struct err *err)
{
	struct gathering *g = malloc(sizeof *g);

	if (g && gathering_open(g, &a->opts)) {
		g->losses = a->losses;
		return g;
	}
	if (g)
		gathering_free(g);
	free(g);
	err_set(err, ERR_NOMEM, "no memory for the analysis");
	return NULL;
}

void analyze_take(struct analysis *a, struct gathering *helper)
{
	series_sessions_notice(a, helper);
	gathering_merge(&a->gather, helper);
	gathering_free(helper);
	free(helper);
}
