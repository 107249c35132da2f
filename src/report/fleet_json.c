/* fleet_json.c - the list of instances as one JSON object. */
#include "base/json.h"
#include "report/fleet.h"
#include "report/unusual_words.h"
#include "report/verdict_text.h"

#include <math.h>
#include <stdlib.h>

static void put_groups(struct json *out, const struct findings *f)
{
	jw_put_array(out, "groups");
	for (size_t i = 0; i < f->peers.n_groups; i++) {
		const struct peer_group *g = &f->peers.group[i];

		jw_object(out);
		jw_put_known_text(out, "model_name", g->model_name);
		jw_put_known_text(out, "strategy", g->strategy);
		jw_put_known_text(out, "device", g->device);
		jw_put_u64(out, "instances", g->instances);
		jw_put_digits(out, "token_latency_ms", g->latency_ms, 6);
		jw_end(out);
	}
	jw_end(out);
}

void peer_json(struct json *out, const struct peer_outlier *o)
{
	jw_put_text(out, "metric", metric_specs[o->metric].id);
	jw_put_digits(out, "value", o->value, 6);
	jw_put_digits(out, "peers_median", o->usual, 6);
	jw_put_digits(out, "z", o->z, 4);
	jw_put_u64(out, "peers", o->peers);
	jw_put_time(out, "since", o->since_us, o->since_us != 0);
}

/* What makes it unlike its peers; null where nothing does. */
static void put_peers(struct json *out, const struct findings *f, const struct peer_outlier *o, enum lang lang)
{
	struct buf words = { 0 };

	if (!o) {
		jw_null(out);
		return;
	}
	peer_words(&words, f, o, lang);
	jw_object(out);
	peer_json(out, o);
	jw_put_text(out, "text", buf_text(&words));
	jw_end(out);
	buf_free_into(&words, out->out);
}

/* What its log shows and does not count, among so many; null where there is none. */
static void put_by_chance(struct json *out, const struct instance_findings *in, enum lang lang)
{
	struct buf words = { 0 };

	if (!in->by_chance) {
		jw_null(out);
		return;
	}
	by_chance_words(&words, in, lang);
	jw_object(out);
	jw_put_array(out, "causes");
	for (int c = 0; c < CAUSE_COUNT; c++)
		if (in->by_chance >> c & 1)
			jw_text(out, cause_specs[c].id);
	jw_end(out);
	jw_put_text(out, "text", buf_text(&words));
	jw_end(out);
	buf_free_into(&words, out->out);
}

/* Milliseconds per token over time, for a heat map. */
static void put_course(struct json *out, const struct instance_findings *in)
{
	jw_put_array(out, "course");
	for (size_t i = 0; i < INSTANCE_SLICES; i++)
		jw_digits(out, in->course[i], 3);
	jw_end(out);
}

static void put_instance(struct json *out, const struct findings *f, const struct instance_findings *in, enum lang lang)
{
	const struct cause_spec *cause = &cause_specs[in->cause];

	jw_break(out);
	jw_object(out);
	jw_put_known_text(out, "instance", in->instance);
	jw_key(out, "group");
	if (in->group < f->peers.n_groups)
		jw_u64(out, in->group);
	else
		jw_null(out);
	jw_put_text(out, "verdict", verdict_ids[in->verdict]);
	jw_put_text(out, "cause", cause->id);
	jw_put_text(out, "title", cause->title[lang]);
	jw_put_text(out, "confidence", confidence_ids[in->confidence]);
	jw_put_time(out, "since", in->since_us, in->since_us != 0);
	jw_put_digits(out, "times_slower", in->times_slower, 4);
	jw_put_time(out, "slower_since", in->slower_us, in->slower_us != 0);
	jw_put_known_text(out, "session_id", in->session_id);
	jw_put_text(out, "state", instance_state_ids[in->state]);
	jw_put_u64(out, "sessions", in->sessions);
	jw_put_u64(out, "records", in->records);
	jw_put_u64(out, "tokens", in->tokens);
	jw_put_digits(out, "throughput_tps", in->metric[M_THROUGHPUT_TPS].p50, 6);
	jw_put_digits(out, "token_latency_ms", in->decode_latency.count ? in->decode_latency.p50 : (double)NAN, 6);
	jw_put_digits(out, "times_peers", in->slower, 4);
	jw_key(out, "peers");
	put_peers(out, f, in->outlier, lang);
	jw_key(out, "by_chance");
	put_by_chance(out, in, lang);
	jw_put_u64(out, "alarms", in->alarms);
	jw_put_u64(out, "violating_records", in->violating);
	jw_put_time(out, "from", in->from_us, in->records);
	jw_put_time(out, "to", in->to_us, in->records);
	put_course(out, in);
	jw_end(out);
}

void fleet_json(struct buf *to, const struct findings *f, const struct fleet_options *opts)
{
	const struct instance_findings **row = malloc((f->n_instances + 1) * sizeof(const struct instance_findings *));
	const size_t n = row ? fleet_rows(f, opts, row) : 0;
	struct json json = { .out = to }, *out = &json;

	to->failed |= !row;
	jw_object(out);
	judgement_json(out, f, opts->report.lang);
	jw_put_time(out, "from", f->from_us, f->records);
	jw_put_time(out, "to", f->to_us, f->records);
	jw_put_u64(out, "records", f->records);
	jw_put_u64(out, "instances_total", f->instances_total);
	unusual_json(out, f);
	jw_put_u64(out, "unlike_peers", fleet_unlike_peers(f));
	put_groups(out, f);
	jw_put_array(out, "instances");
	for (size_t i = 0; i < n; i++)
		put_instance(out, f, row[i], opts->report.lang);
	jw_end(out);
	jw_end(out);
	buf_char(to, '\n');
	free(row);
}
