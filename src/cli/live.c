#include "cli/live.h"

#include "base/clock.h"
#include "cli/live_window.h"
#include "record/codec.h"
#include "report/live_page.h"
#include "report/report.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	INSTANCES_MAX = 32,
	SESSIONS_MAX = 4096,
	RECORDS_KEPT = 512,
	ALARMS_KEPT = 256,
	ACTIVE_MAX = 32,
	NAME_BYTES = 128,
	TICK_BUCKETS = 4, /* resent with every tick: records may come a little late */
};

static const int64_t SILENT_US = INT64_C(300) * 1000000;

/* An alarm that is on. */
struct active {
	enum alarm_type type;
	char rule[64], severity[16], summary[200];
	int64_t since_us;
};

struct instance {
	char name[NAME_BYTES], model[NAME_BYTES], strategy[NAME_BYTES];
	struct analysis *analysis;
	struct live_window window;
	uint64_t records, tokens;
	unsigned open_sessions;
	int64_t last_us; /* by the log: what is old is silent, whenever it is read */
	struct active active[ACTIVE_MAX];
	size_t n_active;
	uint64_t shape_tick, change_tick; /* when what is drawn, when its numbers changed */
	uint64_t shape;			  /* metrics that the page knows of */
};

struct session_of {
	uint64_t hash; /* of its id; 0: free */
	uint32_t instance; /* INSTANCES_MAX: not one of those listed */
	bool open;
};

/* The last lines of some kind, with whose they are. */
struct kept {
	struct buf line;
	char instance[NAME_BYTES];
};

struct live {
	pthread_mutex_t lock;
	struct exporter *exporter;
	const struct ruleset *rules;
	enum lang lang;
	struct analysis *all;
	struct instance *instance[INSTANCES_MAX];
	size_t n_instances;
	uint64_t instances_left_out;
	struct session_of *session; /* (SESSIONS_MAX), open addressing */
	size_t n_sessions;
	struct kept record[RECORDS_KEPT], alarm[ALARMS_KEPT];
	uint64_t n_records, n_alarms; /* ever */
	uint64_t tick;		      /* from 1 */
};

int live_open(struct live **out, const struct ruleset *rules, enum lang lang, struct err *err)
{
	const struct exporter_options exported = { .clock = &clock_system, .by_instance = true, .silent_us = SILENT_US };
	const struct analyze_options how = { .rules = rules, .no_session_series = true };
	struct live *l = calloc(1, sizeof *l);

	*out = NULL;
	if (!l)
		return err_set(err, ERR_NOMEM, "no memory for the live view");
	pthread_mutex_init(&l->lock, NULL);
	l->rules = rules;
	l->lang = lang;
	l->tick = 1;
	l->session = calloc(SESSIONS_MAX, sizeof *l->session);
	l->exporter = exporter_open(&exported);
	if (!l->session || !l->exporter || analyze_open(&l->all, &how, err)) {
		live_close(l);
		return err_set(err, ERR_NOMEM, "no memory for the live view");
	}
	*out = l;
	return 0;
}

static void instance_free(struct instance *i)
{
	if (!i)
		return;
	analyze_close(i->analysis);
	live_window_free(&i->window);
	free(i);
}

void live_close(struct live *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < INSTANCES_MAX; i++)
		instance_free(l->instance[i]);
	for (size_t i = 0; i < RECORDS_KEPT; i++)
		buf_free(&l->record[i].line);
	for (size_t i = 0; i < ALARMS_KEPT; i++)
		buf_free(&l->alarm[i].line);
	analyze_close(l->all);
	exporter_close(l->exporter);
	free(l->session);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

struct exporter *live_exporter(struct live *l)
{
	return l->exporter;
}

/* --- whose record it is --------------------------------------------------------------- */

static uint64_t hash_of(struct slice id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * UINT64_C(1099511628211);
	return h ? h : 1;
}

static void copy_name(char *to, size_t room, struct slice text)
{
	snprintf(to, room, "%.*s", text.n < room ? (int)text.n : (int)room - 1, text.p);
}

static uint32_t find_instance(struct live *l, struct slice name)
{
	const struct analyze_options how = { .rules = l->rules, .no_session_series = true };
	char wanted[NAME_BYTES];
	struct instance *i;

	copy_name(wanted, sizeof wanted, name);
	for (uint32_t k = 0; k < l->n_instances; k++)
		if (!strcmp(l->instance[k]->name, wanted))
			return k;
	if (l->n_instances == INSTANCES_MAX) {
		l->instances_left_out++;
		return INSTANCES_MAX;
	}
	i = calloc(1, sizeof *i);
	if (!i || analyze_open(&i->analysis, &how, NULL)) {
		free(i);
		return INSTANCES_MAX;
	}
	memcpy(i->name, wanted, sizeof wanted);
	i->shape_tick = l->tick;
	l->instance[l->n_instances] = i;
	return (uint32_t)l->n_instances++;
}

/* The session's row; a full table forgets all: sessions are then told apart anew. */
static struct session_of *find_session(struct live *l, const struct record *r, const char *source)
{
	uint64_t hash = hash_of(fields_text(r->session, F_SESSION_ID));
	struct slice name = fields_text(r->session, F_INSTANCE);
	size_t at = hash % SESSIONS_MAX;

	while (l->session[at].hash && l->session[at].hash != hash)
		at = (at + 1) % SESSIONS_MAX;
	if (l->session[at].hash)
		return &l->session[at];
	if (l->n_sessions == SESSIONS_MAX / 2) {
		memset(l->session, 0, SESSIONS_MAX * sizeof *l->session);
		l->n_sessions = 0;
		at = hash % SESSIONS_MAX;
	}
	l->session[at] = (struct session_of){ .hash = hash, .instance = find_instance(l, name.n ? name : slice_of(source)) };
	l->n_sessions++;
	return &l->session[at];
}

/* --- records -------------------------------------------------------------------------- */

static void keep(struct kept *ring, size_t room, uint64_t *n, const struct record *r, const char *instance)
{
	struct kept *k = &ring[(*n)++ % room];

	buf_clear(&k->line);
	record_encode(&k->line, r);
	copy_name(k->instance, sizeof k->instance, slice_of(instance));
}

static void follow_alarm(struct instance *i, const struct record *r)
{
	char rule[64];
	size_t at = 0;
	struct active *a;

	copy_name(rule, sizeof rule, fields_text(r->extra, F_RULE));
	while (at < i->n_active && strcmp(i->active[at].rule, rule))
		at++;
	if (r->event == EVENT_ALARM_RESOLVED && at < i->n_active)
		i->active[at] = i->active[--i->n_active];
	if (r->event == EVENT_ALARM_RESOLVED || at < i->n_active || at == ACTIVE_MAX)
		return;
	a = &i->active[i->n_active++];
	a->type = alarm_by_id(fields_text(r->extra, F_ALARM_TYPE));
	a->since_us = r->time_us;
	memcpy(a->rule, rule, sizeof rule);
	copy_name(a->severity, sizeof a->severity, fields_text(r->extra, F_SEVERITY));
	copy_name(a->summary, sizeof a->summary, fields_text(r->extra, F_SUMMARY));
	if (a->type == ALARM_TYPE_COUNT)
		i->n_active--;
}

static void follow_session(struct instance *i, struct session_of *s, const struct record *r)
{
	bool open = r->event != EVENT_SESSION_END;

	copy_name(i->model, sizeof i->model, fields_text(r->session, F_MODEL_NAME));
	copy_name(i->strategy, sizeof i->strategy, fields_text(r->session, F_STRATEGY));
	if (open != s->open)
		i->open_sessions += open ? 1U : -1U;
	s->open = open;
	if (!i->open_sessions)
		i->n_active = 0; /* nobody is left to resolve them */
}

static void take_for(struct live *l, struct instance *i, struct session_of *s, const struct record *r)
{
	follow_session(i, s, r);
	analyze_push(i->analysis, r);
	live_window_push(&i->window, r);
	i->last_us = r->time_us > i->last_us ? r->time_us : i->last_us;
	i->change_tick = l->tick;
	if (r->event == EVENT_INFERENCE_STEP) {
		i->records++;
		i->tokens += r->token_count;
	}
	if (r->extra && (r->event == EVENT_ALARM || r->event == EVENT_ALARM_RESOLVED))
		follow_alarm(i, r);
	if (i->window.have != i->shape) {
		i->shape = i->window.have;
		i->shape_tick = l->tick;
	}
}

void live_take(struct live *l, const struct record *given, const char *source)
{
	struct field_values session = *given->session;
	struct record r = *given;
	struct session_of *s;
	const char *name;

	pthread_mutex_lock(&l->lock);
	s = find_session(l, given, source);
	name = s->instance < INSTANCES_MAX ? l->instance[s->instance]->name : "other";
	fields_set_text(&session, F_INSTANCE, slice_of(name));
	r.session = &session;
	exporter_take(l->exporter, &r);
	analyze_push(l->all, &r);
	if (s->instance < INSTANCES_MAX)
		take_for(l, l->instance[s->instance], s, &r);
	keep(l->record, RECORDS_KEPT, &l->n_records, given, name);
	if (r.event == EVENT_ALARM || r.event == EVENT_ALARM_RESOLVED)
		keep(l->alarm, ALARMS_KEPT, &l->n_alarms, given, name);
	pthread_mutex_unlock(&l->lock);
}

void live_tick(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->tick++;
	pthread_mutex_unlock(&l->lock);
}

/* --- JSON ----------------------------------------------------------------------------- */

static void add_text(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, slice_of(text));
	buf_char(out, ',');
}

static void add_time(struct buf *out, const char *key, int64_t us)
{
	char text[TIME_TEXT_BYTES];

	time_format(text, us);
	buf_printf(out, "\"%s\":\"%s\",", key, text);
}

static void add_active(struct buf *out, const struct live *l, const struct instance *i)
{
	buf_str(out, "\"alarms\":[");
	for (size_t k = 0; k < i->n_active; k++) {
		const struct active *a = &i->active[k];

		buf_str(out, k ? ",{" : "{");
		add_text(out, "type", alarm_specs[a->type].id);
		add_text(out, "label", alarm_specs[a->type].label[l->lang]);
		add_text(out, "severity", a->severity);
		add_text(out, "rule", a->rule);
		add_time(out, "since", a->since_us);
		buf_str(out, "\"summary\":");
		buf_json_string(out, slice_of(a->summary));
		buf_char(out, '}');
	}
	buf_char(out, ']');
}

static bool is_up(const struct instance *i)
{
	return i->open_sessions && clock_wall_us(&clock_system) - i->last_us < SILENT_US;
}

static void add_now(struct buf *out, const struct instance *i)
{
	bool first = true;

	buf_str(out, "\"now\":{");
	for (int m = 0; m < METRIC_COUNT; m++) {
		double value = live_window_now(&i->window, (enum metric_id)m);

		if (!isfinite(value))
			continue;
		buf_printf(out, "%s\"%s\":", first ? "" : ",", metric_specs[m].id);
		buf_json_decimal(out, value, metric_specs[m].decimals);
		first = false;
	}
	buf_str(out, "},");
}

/* Members of an object that is open, without a comma at the end. */
static void add_facts(struct buf *out, const struct live *l, const struct instance *i)
{
	add_text(out, "instance", i->name);
	add_text(out, "model", i->model);
	add_text(out, "strategy", i->strategy);
	buf_printf(out, "\"up\":%s,\"open_sessions\":%u,\"records\":%llu,\"tokens\":%llu,", is_up(i) ? "true" : "false", i->open_sessions,
		   (unsigned long long)i->records, (unsigned long long)i->tokens);
	add_time(out, "last", i->last_us);
	add_now(out, i);
	add_active(out, l, i);
}

void live_instances(struct live *l, struct buf *out)
{
	pthread_mutex_lock(&l->lock);
	buf_str(out, "{\"instances\":[");
	for (size_t k = 0; k < l->n_instances; k++) {
		buf_str(out, k ? ",{" : "{");
		add_facts(out, l, l->instance[k]);
		buf_char(out, '}');
	}
	buf_printf(out, "],\"left_out\":%llu}\n", (unsigned long long)l->instances_left_out);
	pthread_mutex_unlock(&l->lock);
}

static struct analysis *analysis_of(struct live *l, struct slice instance)
{
	for (size_t k = 0; instance.n && k < l->n_instances; k++)
		if (slice_is(instance, l->instance[k]->name))
			return l->instance[k]->analysis;
	return instance.n ? NULL : l->all;
}

bool live_findings(struct live *l, struct slice instance, struct buf *out)
{
	const struct report_options how = { .lang = l->lang };
	struct findings f = { 0 };
	struct analysis *a;

	pthread_mutex_lock(&l->lock);
	a = analysis_of(l, instance);
	if (a && !analyze_finish(a, NULL, &f, NULL))
		report_json(out, &f, &how);
	else
		out->failed = a != NULL;
	pthread_mutex_unlock(&l->lock);
	findings_free(&f);
	return a != NULL;
}

/* The newest n kept lines, oldest first, as one array. */
static void add_kept(struct buf *out, const struct kept *ring, size_t room, uint64_t total, size_t n, struct slice instance)
{
	uint64_t from = total > room ? total - room : 0;
	size_t left = 0;
	bool first = true;

	for (uint64_t i = from; i < total; i++)
		left += !instance.n || slice_is(instance, ring[i % room].instance);
	buf_char(out, '[');
	for (uint64_t i = from; i < total; i++) {
		const struct kept *k = &ring[i % room];

		if ((instance.n && !slice_is(instance, k->instance)) || left-- > n)
			continue;
		buf_printf(out, "%s{\"instance\":", first ? "" : ",\n");
		first = false;
		buf_json_string(out, slice_of(k->instance));
		buf_str(out, ",\"record\":");
		buf_add(out, k->line.p, k->line.used ? k->line.used - 1 : 0); /* without its line end */
		buf_char(out, '}');
	}
	buf_str(out, "]\n");
}

void live_alarms(struct live *l, struct buf *out)
{
	pthread_mutex_lock(&l->lock);
	add_kept(out, l->alarm, ALARMS_KEPT, l->n_alarms, ALARMS_KEPT, (struct slice){ "", 0 });
	pthread_mutex_unlock(&l->lock);
}

void live_records(struct live *l, struct slice instance, size_t n, struct buf *out)
{
	pthread_mutex_lock(&l->lock);
	add_kept(out, l->record, RECORDS_KEPT, l->n_records, n, instance);
	pthread_mutex_unlock(&l->lock);
}

/* --- events --------------------------------------------------------------------------- */

static void add_instance(struct buf *out, struct live *l, struct instance *i)
{
	struct findings f = { 0 };
	struct series window;

	if (analyze_finish(i->analysis, NULL, &f, NULL))
		return;
	live_window_series(&i->window, LIVE_BUCKETS, &f.arena, &window);
	f.series = window;
	f.n_sessions = 0; /* no series of their own */
	buf_str(out, "event: instance\ndata: {");
	add_facts(out, l, i);
	buf_str(out, ",\"drawn\":");
	live_page_model(out, &f, l->lang);
	buf_str(out, "}\n\n");
	findings_free(&f);
}

static void add_tick(struct buf *out, struct live *l, struct instance *i)
{
	struct arena arena = { 0 };
	struct series newest;

	live_window_series(&i->window, TICK_BUCKETS, &arena, &newest);
	buf_str(out, "event: tick\ndata: {");
	add_facts(out, l, i);
	buf_str(out, ",\"series\":");
	live_page_series(out, &newest);
	buf_str(out, "}\n\n");
	arena_free(&arena);
}

void live_events(void *ctx, uint64_t *cursor, struct buf *out)
{
	struct live *l = ctx;

	pthread_mutex_lock(&l->lock);
	if (!*cursor) {
		buf_str(out, "retry: 1000\nevent: hello\ndata: ");
		live_page_words(out, l->lang);
		buf_str(out, "\n\n");
	}
	for (size_t k = 0; k < l->n_instances && *cursor < l->tick; k++) {
		struct instance *i = l->instance[k];

		if (!*cursor || i->shape_tick >= *cursor)
			add_instance(out, l, i);
		else if (i->change_tick >= *cursor || *cursor % 10 == 0)
			add_tick(out, l, i);
	}
	*cursor = l->tick;
	pthread_mutex_unlock(&l->lock);
}
