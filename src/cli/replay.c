/* replay.c - gives every session its own rule state, and lists which alarms fire and resolve. */
#include "cli/replay.h"

#include "analyze/unjudged.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/analysis.h"
#include "cli/progress.h"
#include "cli/tell.h"
#include "read/read.h"
#include "report/terminal.h"
#include "report/unjudged.h"
#include "rules/describe.h"
#include "rules/learned.h"
#include "rules/ruleset.h"
#include "spec/text.h"

#include <math.h>
#include <stdlib.h>

enum { SESSION_ID_MAX = 512 };

struct replay_seat {
	char *id, *instance; /* instance NULL: no line named it yet */
	uint64_t number;     /* from 1 */
	struct rules *rules;
	uint64_t last;    /* record that was seen last */
	uint32_t version; /* of its limits when its rules were noted; 0: they are not yet */
};

static void leave(struct replay_seat *s)
{
	rules_close(s->rules);
	free(s->id);
	free(s->instance);
	*s = (struct replay_seat){ 0 };
}

static void add_learning(struct replay *r, const struct replay_seat *s)
{
	struct rules_learning more = rules_learning(s->rules);

	r->learning.silent += more.silent;
	r->learning.judged += more.judged;
}

/* Room for one more: at the end, or that of the session not seen for longest. */
static struct replay_seat *free_seat(struct replay *r)
{
	struct replay_seat *oldest = r->seat;

	if (r->n_seats < REPLAY_SESSIONS_MAX)
		return &r->seat[r->n_seats++];
	for (size_t i = 1; i < r->n_seats; i++)
		oldest = r->seat[i].last < oldest->last ? &r->seat[i] : oldest;
	add_learning(r, oldest);
	leave(oldest);
	r->evicted++;
	return oldest;
}

/* Lines that name no instance belong to a session of their id, as a session does to the first one named. */
static bool is_instance(const struct replay_seat *s, struct slice instance)
{
	return !instance.n || !s->instance || slice_is(instance, s->instance);
}

/* Of the first seat. */
static void learn_instance(struct replay *r, struct slice instance)
{
	struct replay_seat *s = r->seat;

	if (s->instance || !instance.n)
		return;
	s->instance = strndup(instance.p, instance.n);
	r->failed |= !s->instance;
}

/* The session's place: usually that of the record before, which is therefore tried first. */
static struct replay_seat *find_seat(struct replay *r, const struct ruleset *set, struct slice id,
				     struct slice instance)
{
	struct replay_seat *seat;

	id.n = id.n < SESSION_ID_MAX ? id.n : SESSION_ID_MAX;
	instance.n = instance.n < SESSION_ID_MAX ? instance.n : SESSION_ID_MAX;
	for (size_t i = 0; i < r->n_seats; i++)
		if (slice_is(id, r->seat[i].id) && is_instance(&r->seat[i], instance)) {
			struct replay_seat found = r->seat[i];

			r->seat[i] = r->seat[0];
			r->seat[0] = found;
			learn_instance(r, instance);
			return r->seat;
		}
	seat = free_seat(r);
	seat->id = strndup(id.p ? id.p : "", id.n);
	if (!seat->id || rules_open(&seat->rules, set, RULES_LIVE, r->learned, NULL)) {
		leave(seat);
		r->n_seats -= seat == &r->seat[r->n_seats - 1];
		r->failed = true;
		return NULL;
	}
	seat->number = ++r->sessions;
	if (seat != r->seat) {
		const struct replay_seat new = *seat;

		*seat = r->seat[0];
		r->seat[0] = new;
	}
	learn_instance(r, instance);
	return r->seat;
}

static void went_on(struct replay *r, const struct replay_seat *seat, const struct rule_finding *f, int64_t time_us)
{
	char *session;

	r->total++;
	r->by_type[f->type]++;
	if (r->n == REPLAY_ALARMS_MAX)
		return;
	if (!array_grow(&r->alarm, r->n, &r->cap, 64, sizeof *r->alarm)) {
		r->failed = true;
		return;
	}
	session = strdup(seat->id);
	r->failed |= !session;
	if (session)
		r->alarm[r->n++] = (struct replay_alarm){ *f, session, seat->number, time_us, INT64_MAX };
}

static void went_off(struct replay *r, const struct replay_seat *seat, const struct rule_finding *f, int64_t time_us)
{
	for (size_t i = r->n; i-- > 0;) {
		struct replay_alarm *a = &r->alarm[i];

		if (a->is.rule != f->rule || a->seat != seat->number)
			continue;
		if (a->to_us == INT64_MAX) {
			a->to_us = time_us;
			a->is.tokens_wasted = f->tokens_wasted;
		}
		return;
	}
}

static void note_suited(struct replay *r, struct replay_seat *seat)
{
	uint32_t version = rules_limits_version(seat->rules);

	if (seat->version != version)
		r->suited |= rules_suited(seat->rules);
	seat->version = version;
}

static void take(struct replay *r, const struct ruleset *set, struct record *rec)
{
	struct replay_seat *seat =
		find_seat(r, set, fields_text(rec->session, F_SESSION_ID), fields_text(rec->session, F_INSTANCE));
	struct rule_finding found[RULES_MAX];
	struct field_values whole;
	size_t n;

	if (rec->event == EVENT_SESSION_START)
		rec->session = lineage_of(r->lineage, rec, &whole);
	n = seat ? rules_eval(seat->rules, rec, found) : 0;
	r->records += rec->event == EVENT_INFERENCE_STEP;
	r->have |= rec->have | rec->nonfinite;
	if (seat)
		seat->last = r->records;
	if (seat && rec->event == EVENT_INFERENCE_STEP)
		note_suited(r, seat);
	for (size_t i = 0; i < n; i++)
		if (found[i].changed)
			(found[i].firing ? went_on : went_off)(r, seat, &found[i], rec->time_us);
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;

	if (!total || done >= total)
		progress_clear(p);
	else if (progress_due(p))
		progress_draw(p, text(TEXT_PROGRESS_REPLAYING, tell_lang()), (double)done / (double)total, "");
}

static bool is_wanted(const struct record *rec, const struct options *opts, int64_t since, int64_t until)
{
	if (rec->event != EVENT_INFERENCE_STEP && rec->event != EVENT_SESSION_START)
		return false;
	if (opts->session && !slice_is(fields_text(rec->session, F_SESSION_ID), opts->session))
		return false;
	return rec->event == EVENT_SESSION_START || (rec->time_us >= since && rec->time_us <= until);
}

int replay_run(struct replay *r, const struct ruleset *set, const struct options *opts, const char *const *logs,
	       size_t n, struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct read_options how = { .progress = show_progress, .ctx = &progress };
	int64_t since = INT64_MIN, until = INT64_MAX;
	struct reader *reader = NULL;
	struct record rec;
	int rc = analysis_parse_time(&since, "since", opts->since, err);

	if (!rc)
		rc = analysis_parse_time(&until, "until", opts->until, err);
	r->seat = calloc(REPLAY_SESSIONS_MAX, sizeof *r->seat);
	r->learned = learned_open(ruleset_learned_metrics(set));
	r->lineage = lineage_open();
	if (!rc && !(r->seat && r->learned && r->lineage))
		rc = err_set(err, ERR_NOMEM, "no memory to replay rules");
	if (!rc)
		rc = read_open(&reader, logs, n, &how, err);
	while (!rc && (rc = read_next(reader, &rec, err)) > 0) {
		if (is_wanted(&rec, opts, since, until))
			take(r, set, &rec);
		rc = r->failed ? err_set(err, ERR_NOMEM, "no memory to replay rules") : 0;
	}
	for (size_t i = 0; i < r->n_seats; i++)
		add_learning(r, &r->seat[i]);
	progress_clear(&progress);
	if (!rc)
		analysis_tell_skipped(opts, read_input(reader)->skipped_lines, read_input(reader)->skipped);
	read_close(reader);
	return rc;
}

void replay_free(struct replay *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->alarm[i].session);
	for (size_t i = 0; i < r->n_seats; i++)
		leave(&r->seat[i]);
	learned_close(r->learned);
	lineage_close(r->lineage);
	free(r->alarm);
	free(r->seat);
	*r = (struct replay){ 0 };
}

/* --- what came out ------------------------------------------------------------------------------- */

static void add_alarm_text(struct buf *out, const struct replay_alarm *a, enum lang lang)
{
	char time[TIME_TEXT_BYTES], token[TERM_TEXT], wasted[TERM_TEXT];

	time_format(time, a->from_us);
	buf_printf(out, "%s  %s (%s) ", time, alarm_specs[a->is.type].id, severity_ids[a->is.severity]);
	if (a->to_us == INT64_MAX) {
		buf_str(out, text(TEXT_REPLAY_TO_END, lang));
	} else {
		buf_str(out, text(TEXT_REPLAY_FOR, lang));
		rule_describe_duration(out, a->to_us - a->from_us);
	}
	buf_printf(out, "\n    %s: ", a->is.rule);
	buf_json_decimal(out, a->is.value, 3);
	buf_str(out, text(TEXT_ALARM_LIMIT, lang));
	buf_json_decimal(out, a->is.limit, 3);
	if (a->is.kind)
		text_fill(out, lang, TEXT_ALARM_COLLAPSE, collapse_ids[a->is.kind],
			  term_count(token, a->is.first_bad_token), term_count(wasted, a->is.tokens_wasted));
	buf_str(out, text(TEXT_SEMICOLON, lang));
	buf_str(out, a->session);
	buf_printf(out, "\n    %s\n", a->is.summary[lang]);
}

static size_t unjudged_of(struct unjudged_rule out[RULES_MAX], const struct replay *r, const struct ruleset *set)
{
	return r->records ? unjudged_rules(out, set, r->have, r->suited) : 0;
}

static void add_unjudged(struct buf *out, const struct replay *r, const struct ruleset *set, enum lang lang)
{
	struct unjudged_rule list[RULES_MAX];
	const size_t n = unjudged_of(list, r, set);

	unjudged_text(out, list, n, lang);
	if (n)
		buf_char(out, '\n');
}

void replay_text(struct buf *out, const struct replay *r, const struct ruleset *set, enum lang lang)
{
	char n[3][TERM_TEXT];

	for (size_t i = 0; i < r->n; i++)
		add_alarm_text(out, &r->alarm[i], lang);
	if (r->total > r->n)
		text_fill(out, lang, TEXT_REPLAY_MORE, term_count(n[0], r->total - r->n));
	text_fill(out, lang, TEXT_REPLAY_TOTAL, ruleset_name(set), term_count(n[0], r->total),
		  term_count(n[1], r->records), term_count(n[2], r->sessions));
	for (int t = 0, first = 1; t < ALARM_TYPE_COUNT; t++)
		if (r->by_type[t]) {
			buf_printf(out, "%s%s %llu", text(first ? TEXT_COLON : TEXT_COMMA, lang), alarm_specs[t].id,
				   (unsigned long long)r->by_type[t]);
			first = 0;
		}
	buf_char(out, '\n');
	if (r->learning.silent)
		text_fill(out, lang, TEXT_REPLAY_JUDGED, term_count(n[0], r->learning.judged),
			  term_count(n[1], r->learning.silent));
	add_unjudged(out, r, set, lang);
	if (r->evicted)
		text_fill(out, lang, TEXT_REPLAY_EVICTED, term_count(n[0], REPLAY_SESSIONS_MAX),
			  term_count(n[1], r->evicted));
}

static void add_alarm_json(struct json *out, const struct replay_alarm *a, enum lang lang)
{
	jw_object(out);
	jw_put_text(out, "alarm_type", alarm_specs[a->is.type].id);
	jw_put_text(out, "severity", severity_ids[a->is.severity]);
	jw_put_text(out, "rule", a->is.rule);
	jw_put_text(out, "session_id", a->session);
	jw_put_time(out, "from", a->from_us, a->from_us != INT64_MAX);
	jw_put_time(out, "to", a->to_us, a->to_us != INT64_MAX);
	jw_put_text(out, "metric", metric_specs[a->is.metric].id);
	jw_put_double(out, "value", a->is.value);
	jw_put_double(out, "limit", a->is.limit);
	if (a->is.kind) {
		jw_put_text(out, "kind", collapse_ids[a->is.kind]);
		jw_put_u64(out, "first_bad_token", a->is.first_bad_token);
		jw_put_u64(out, "tokens_wasted", a->is.tokens_wasted);
	}
	jw_put_text(out, "summary", a->is.summary[lang]);
	jw_end(out);
}

void replay_json(struct buf *to, const struct replay *r, const struct ruleset *set, enum lang lang)
{
	struct json json = { .out = to }, *out = &json;
	struct unjudged_rule list[RULES_MAX];

	jw_object(out);
	jw_put_text(out, "rules", ruleset_name(set));
	jw_put_u64(out, "records", r->records);
	jw_put_u64(out, "sessions", r->sessions);
	jw_put_u64(out, "alarms_total", r->total);
	jw_put_object(out, "by_type");
	for (int t = 0; t < ALARM_TYPE_COUNT; t++)
		if (r->by_type[t])
			jw_put_u64(out, alarm_specs[t].id, r->by_type[t]);
	jw_end(out);
	jw_put_object(out, "learned");
	jw_put_u64(out, "judged", r->learning.judged);
	jw_put_u64(out, "silent", r->learning.silent);
	jw_end(out);
	unjudged_json(out, list, unjudged_of(list, r, set));
	jw_put_array(out, "alarms");
	for (size_t i = 0; i < r->n; i++)
		add_alarm_json(out, &r->alarm[i], lang);
	jw_end(out);
	jw_end(out);
	buf_char(to, '\n');
}
