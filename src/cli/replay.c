#include "cli/replay.h"

#include "base/clock.h"
#include "cli/progress.h"
#include "read/read.h"
#include "rules/describe.h"

#include <math.h>
#include <stdlib.h>

enum { SESSION_ID_MAX = 512 };

struct replay_seat {
	char *id;
	struct rules *rules;
	uint64_t last; /* record that was seen last */
};

static void leave(struct replay_seat *s)
{
	rules_close(s->rules);
	free(s->id);
	*s = (struct replay_seat){ 0 };
}

/* Room for one more: at the end, or that of the session not seen for longest. */
static struct replay_seat *make_room(struct replay *r)
{
	struct replay_seat *oldest = r->seat;

	if (r->n_seats < REPLAY_SESSIONS_MAX)
		return &r->seat[r->n_seats++];
	for (size_t i = 1; i < r->n_seats; i++)
		oldest = r->seat[i].last < oldest->last ? &r->seat[i] : oldest;
	leave(oldest);
	r->evicted++;
	return oldest;
}

/* The session's seat: mostly that of the record before, which stands first. */
static struct replay_seat *find_seat(struct replay *r, const struct ruleset *set, struct slice id)
{
	struct replay_seat *seat;

	id.n = id.n < SESSION_ID_MAX ? id.n : SESSION_ID_MAX;
	for (size_t i = 0; i < r->n_seats; i++)
		if (slice_is(id, r->seat[i].id)) {
			struct replay_seat found = r->seat[i];

			r->seat[i] = r->seat[0];
			r->seat[0] = found;
			return r->seat;
		}
	seat = make_room(r);
	seat->id = strndup(id.p ? id.p : "", id.n);
	if (!seat->id || rules_open(&seat->rules, set, RULES_LIVE, NULL)) {
		leave(seat);
		r->n_seats -= seat == &r->seat[r->n_seats - 1];
		r->failed = true;
		return NULL;
	}
	r->sessions++;
	return seat;
}

static void went_on(struct replay *r, const struct replay_seat *seat, const struct rule_finding *f, int64_t time_us)
{
	size_t cap = r->cap ? 2 * r->cap : 64;
	struct replay_alarm *grown;
	char *session;

	r->total++;
	r->by_type[f->type]++;
	if (r->n == REPLAY_ALARMS_MAX)
		return;
	if (r->n == r->cap) {
		grown = realloc(r->alarm, cap * sizeof *grown);
		if (!grown) {
			r->failed = true;
			return;
		}
		r->alarm = grown;
		r->cap = cap;
	}
	session = strdup(seat->id);
	r->failed |= !session;
	if (session)
		r->alarm[r->n++] = (struct replay_alarm){ *f, session, time_us, INT64_MAX };
}

static void went_off(struct replay *r, const struct replay_seat *seat, const struct rule_finding *f, int64_t time_us)
{
	for (size_t i = r->n; i-- > 0;) {
		struct replay_alarm *a = &r->alarm[i];

		if (a->is.rule != f->rule || strcmp(a->session, seat->id))
			continue;
		if (a->to_us == INT64_MAX) {
			a->to_us = time_us;
			a->is.tokens_wasted = f->tokens_wasted;
		}
		return;
	}
}

static void take(struct replay *r, const struct ruleset *set, const struct record *rec)
{
	struct replay_seat *seat = find_seat(r, set, fields_text(rec->session, F_SESSION_ID));
	struct rule_finding found[RULES_MAX];
	size_t n = seat ? rules_eval(seat->rules, rec, found) : 0;

	r->records += rec->event == EVENT_INFERENCE_STEP;
	if (seat)
		seat->last = r->records;
	for (size_t i = 0; i < n; i++)
		if (found[i].changed)
			(found[i].firing ? went_on : went_off)(r, seat, &found[i], rec->time_us);
}

static int parse_bound(int64_t *out, const char *option, const char *text, struct err *err)
{
	if (!text || time_parse(slice_of(text), out))
		return 0;
	return err_set(err, ERR_USAGE, "--%s: found \"%s\", expected a time such as 2025-09-11T12:34:56Z", option, text);
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *p = ctx;

	if (!total || done >= total)
		progress_clear(p);
	else if (progress_due(p))
		progress_draw(p, "replaying", (double)done / (double)total, "");
}

static bool is_wanted(const struct record *rec, const struct options *opts, int64_t since, int64_t until)
{
	if (rec->event != EVENT_INFERENCE_STEP && rec->event != EVENT_SESSION_START)
		return false;
	if (opts->session && !slice_is(fields_text(rec->session, F_SESSION_ID), opts->session))
		return false;
	return rec->event == EVENT_SESSION_START || (rec->time_us >= since && rec->time_us <= until);
}

int replay_run(struct replay *r, const struct ruleset *set, const struct options *opts, const char *const *logs, size_t n,
	       struct err *err)
{
	struct progress progress = progress_start(!opts->quiet);
	struct read_options how = { .progress = show_progress, .ctx = &progress };
	int64_t since = INT64_MIN, until = INT64_MAX;
	struct reader *reader = NULL;
	struct record rec;
	int rc = parse_bound(&since, "since", opts->since, err);

	if (!rc)
		rc = parse_bound(&until, "until", opts->until, err);
	r->seat = calloc(REPLAY_SESSIONS_MAX, sizeof *r->seat);
	if (!rc && !r->seat)
		rc = err_set(err, ERR_NOMEM, "no memory to replay rules");
	if (!rc)
		rc = read_open(&reader, logs, n, &how, err);
	while (!rc && (rc = read_next(reader, &rec, err)) > 0) {
		if (is_wanted(&rec, opts, since, until))
			take(r, set, &rec);
		rc = r->failed ? err_set(err, ERR_NOMEM, "no memory to replay rules") : 0;
	}
	progress_clear(&progress);
	read_close(reader);
	return rc;
}

void replay_free(struct replay *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->alarm[i].session);
	for (size_t i = 0; i < r->n_seats; i++)
		leave(&r->seat[i]);
	free(r->alarm);
	free(r->seat);
	*r = (struct replay){ 0 };
}

/* --- what came out ------------------------------------------------------------------------------- */

static void add_plain(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_char(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void add_alarm_text(struct buf *out, const struct replay_alarm *a, enum lang lang)
{
	char time[TIME_TEXT_BYTES];

	time_format(time, a->from_us);
	buf_printf(out, "%s  %s (%s) ", time, alarm_specs[a->is.type].id, severity_ids[a->is.severity]);
	if (a->to_us == INT64_MAX) {
		buf_str(out, lang == LANG_ZH ? "直到日志结束" : "until the log's end");
	} else {
		buf_str(out, lang == LANG_ZH ? "持续 " : "for ");
		rule_describe_duration(out, a->to_us - a->from_us);
	}
	buf_printf(out, "\n    %s: ", a->is.rule);
	buf_json_decimal(out, a->is.value, 3);
	buf_str(out, lang == LANG_ZH ? ",限值 " : ", limit ");
	buf_json_decimal(out, a->is.limit, 3);
	if (a->is.kind)
		buf_printf(out, lang == LANG_ZH ? ";%s,始于 Token %llu,浪费 %llu 个" : "; %s since token %llu, %llu wasted",
			   collapse_ids[a->is.kind], (unsigned long long)a->is.first_bad_token, (unsigned long long)a->is.tokens_wasted);
	buf_str(out, "; ");
	add_plain(out, a->session);
	buf_printf(out, "\n    %s\n", a->is.summary[lang]);
}

void replay_text(struct buf *out, const struct replay *r, const struct ruleset *set, enum lang lang)
{
	bool zh = lang == LANG_ZH;

	for (size_t i = 0; i < r->n; i++)
		add_alarm_text(out, &r->alarm[i], lang);
	if (r->total > r->n)
		buf_printf(out, zh ? "…另有 %llu 次告警\n" : "… and %llu more\n", (unsigned long long)(r->total - r->n));
	buf_printf(out, zh ? "%s:%llu 条记录、%llu 个会话%s中会告警 %llu 次%s" : "%s: in %llu records of %llu session%s there would have been %llu alarm%s",
		   ruleset_name(set), (unsigned long long)r->records, (unsigned long long)r->sessions, zh || r->sessions == 1 ? "" : "s",
		   (unsigned long long)r->total, zh || r->total == 1 ? "" : "s");
	for (int t = 0, first = 1; t < ALARM_TYPE_COUNT; t++)
		if (r->by_type[t]) {
			buf_printf(out, "%s %s %llu", first ? ":" : ",", alarm_specs[t].id, (unsigned long long)r->by_type[t]);
			first = 0;
		}
	buf_char(out, '\n');
	if (r->evicted)
		buf_printf(out, zh ? "同时运行的会话超过 %d 个:%llu 个会话曾被重新开始判定\n" :
				     "More than %d sessions ran side by side: %llu were judged from anew\n",
			   REPLAY_SESSIONS_MAX, (unsigned long long)r->evicted);
}

static void add_time(struct buf *out, const char *key, int64_t us)
{
	char time[TIME_TEXT_BYTES];

	buf_printf(out, ",\"%s\":", key);
	if (us == INT64_MAX) {
		buf_str(out, "null");
		return;
	}
	time_format(time, us);
	buf_printf(out, "\"%s\"", time);
}

static void add_alarm_json(struct buf *out, const struct replay_alarm *a, enum lang lang)
{
	buf_printf(out, "{\"alarm_type\":\"%s\",\"severity\":\"%s\",\"rule\":", alarm_specs[a->is.type].id, severity_ids[a->is.severity]);
	buf_json_string(out, slice_of(a->is.rule));
	buf_str(out, ",\"session_id\":");
	buf_json_string(out, slice_of(a->session));
	add_time(out, "from", a->from_us);
	add_time(out, "to", a->to_us);
	buf_printf(out, ",\"metric\":\"%s\",\"value\":", metric_specs[a->is.metric].id);
	buf_json_double(out, a->is.value);
	buf_str(out, ",\"limit\":");
	buf_json_double(out, a->is.limit);
	if (a->is.kind)
		buf_printf(out, ",\"kind\":\"%s\",\"first_bad_token\":%llu,\"tokens_wasted\":%llu", collapse_ids[a->is.kind],
			   (unsigned long long)a->is.first_bad_token, (unsigned long long)a->is.tokens_wasted);
	buf_str(out, ",\"summary\":");
	buf_json_string(out, slice_of(a->is.summary[lang]));
	buf_char(out, '}');
}

void replay_json(struct buf *out, const struct replay *r, const struct ruleset *set, enum lang lang)
{
	buf_str(out, "{\"rules\":");
	buf_json_string(out, slice_of(ruleset_name(set)));
	buf_printf(out, ",\"records\":%llu,\"sessions\":%llu,\"alarms_total\":%llu,\"by_type\":{", (unsigned long long)r->records,
		   (unsigned long long)r->sessions, (unsigned long long)r->total);
	for (int t = 0, first = 1; t < ALARM_TYPE_COUNT; t++)
		if (r->by_type[t]) {
			buf_printf(out, "%s\"%s\":%llu", first ? "" : ",", alarm_specs[t].id, (unsigned long long)r->by_type[t]);
			first = 0;
		}
	buf_str(out, "},\"alarms\":[");
	for (size_t i = 0; i < r->n; i++) {
		buf_str(out, i ? "," : "");
		add_alarm_json(out, &r->alarm[i], lang);
	}
	buf_str(out, "]}\n");
}
