/* live.c - rows of growing logs become instances, windows, alarms and one analysis. */
#include "cli/live.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "cli/live_window.h"
#include "record/codec.h"
#include "record/lineage.h"
#include "report/actions.h"
#include "report/fleet.h"
#include "report/live_page.h"
#include "report/verdict_text.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	INSTANCES_MAX = 1024,
	PLACES = 4 * INSTANCES_MAX,
	ENDED_MAX = 32,           /* of them that are not up */
	SHOWN_TOGETHER = 4,       /* side by side on the page; more have an overview */
	OVERVIEW_SESSIONS = 4096, /* of the overview; when half of them are there, the next one begins */
	SESSIONS_MAX = 4096,
	LISTED_MAX = 1024, /* sessions whose numbers are kept apart, of all and of each instance; others are counted */
	RESTS_MAX = 3072,  /* instances whose other sessions have numbers apart from others' */
	RECORDS_KEPT = 512,
	ALARMS_KEPT = 256,
	ACTIVE_MAX = RULES_MAX, /* one of each rule */
	NAME_BYTES = 128,
	JUDGED_EVERY = 5, /* ticks: a judgement costs more than one */
	TICK_BUCKETS = 4, /* resent with every tick: records may come a little late */
	KEPT_BYTES = 4096 /* of a line that is kept as it came; a longer one without what is not known */
};

static const int64_t SILENT_US = INT64_C(300) * 1000000;
static const int64_t QUIET_US = INT64_C(30) * 1000000; /* after which an instance makes room for another one */
static const int64_t ROOM_US = 1000000;
static const uint64_t JUDGING_NS = 50000000; /* about that long who asks for all instances waits for verdicts */
static const int64_t AHEAD_US = INT64_C(60) * 1000000; /* another machine's clock may be, of ours */

/* An alarm that is on. */
struct active {
	enum alarm_type type;
	char rule[64], severity[16], summary[200];
	int64_t since_us;
};

struct instance {
	uint32_t serial;
	char name[NAME_BYTES], model[NAME_BYTES], strategy[NAME_BYTES];
	struct analysis *analysis;
	struct live_window window;
	enum verdict verdict; /* and its sentence, a few ticks old */
	char judged[1024];
	uint64_t judged_tick; /* 0: never */
	uint64_t records, tokens;
	unsigned open_sessions;
	int64_t last_us;  /* by the log: what is old is silent, whenever it is read */
	int64_t heard_us; /* by our clock: when a record came last */
	struct active active[ACTIVE_MAX];
	size_t n_active;
	struct action_counts actions;
	uint64_t shape_tick, change_tick; /* when what is drawn, when its numbers changed */
	uint64_t shape;                   /* metrics that the page knows of */
};

struct session_of {
	uint64_t hash; /* of its id, when it is the first with that id, else of its id and instance; 0: free */
	uint64_t key;  /* of its id and the instance that its lines name; of its id alone as long as none did */
	uint32_t instance;
	uint32_t serial; /* of the instance; another one has its place by now when they differ */
	bool open;
};

/* An analysis of all instances. A full one could not take new sessions: when it is half full, a second one begins, and
 * replaces it when it is full. */
struct overview {
	struct analysis *now, *next; /* next NULL: not begun */
	struct buf json;
	uint64_t json_tick; /* 0: none yet */
};

/* The findings that were asked for last: as long as no record comes, whoever asks again gets the same text, which takes
 * tens of milliseconds to make when there are a thousand sessions. */
struct findings_kept {
	struct buf json;
	const struct analysis *of; /* NULL: none yet */
	struct live_page page;
	uint64_t taken; /* live_take's, by then */
};

/* The last lines of some kind, as logs have them, with whose they are. */
struct kept {
	struct buf line;
	char instance[NAME_BYTES];
};

struct live {
	pthread_mutex_t lock;
	struct exporter *exporter;
	struct lineage *lineage;
	const struct ruleset *rules;
	struct diagnose_options told; /* by the user, about machine and goal */
	enum lang lang;
	bool conceal;
	struct analysis *all;
	struct overview overview;
	struct findings_kept findings;
	struct input_stats input; /* of all that was read; its texts are in: */
	struct arena input_texts;
	struct instance *instance[INSTANCES_MAX];
	size_t n_instances;
	size_t judged_next;     /* where the next one that asks for verdicts goes on */
	uint16_t place[PLACES]; /* by name, open addressing: index + 1; 0: free */
	int64_t full_until_us;  /* there was no place for an instance; looked again then */
	uint32_t n_serials;
	uint64_t instances_left_out; /* records of instances for which there was no place */
	uint64_t instances_gone;     /* that made room for others */
	uint64_t gone_tick;          /* when the last one did */
	struct session_of *session;  /* (SESSIONS_MAX), open addressing */
	size_t n_sessions;
	struct kept record[RECORDS_KEPT], alarm[ALARMS_KEPT];
	uint64_t n_records, n_alarms; /* ever */
	uint64_t taken;               /* calls of live_take that brought rows */
	uint64_t verdict_taken;       /* as many when the exporter's verdict was made */
	uint64_t tick;                /* from 1 */

	/* About the rows being taken, as far as they were processed. */
	uint16_t whose[COLUMNS_ROWS];  /* instance; INSTANCES_MAX: none that is shown */
	uint32_t sorted[COLUMNS_ROWS]; /* rows by instance */
	size_t n_whose;
	struct arena renamed; /* sessions with their instance's name; the last of them: */
	const struct field_values *renamed_from, *renamed_to;
	const char *renamed_as;
	struct columns *of_one;       /* rows of one instance, when they are of several */
	struct record_decoder reader; /* of kept lines */
};

/* All judge by the same rules. */
static int open_analysis(struct analysis **out, const struct live *l, size_t most_sessions, struct err *err)
{
	const struct analyze_options how = { .rules = l->rules,
					     .diagnose = l->told,
					     .no_session_series = true,
					     .most_sessions = most_sessions,
					     .most_rests = RESTS_MAX };

	return analyze_open(out, &how, err);
}

static int overview_begin(const struct live *l, struct analysis **out)
{
	return open_analysis(out, l, OVERVIEW_SESSIONS, NULL);
}

int live_open(struct live **out, const struct ruleset *rules, const struct diagnose_options *told, enum lang lang,
	      struct err *err)
{
	const struct exporter_options exported = { .clock = &clock_system,
						   .by_instance = true,
						   .silent_us = SILENT_US };
	struct live *l = calloc(1, sizeof *l);

	*out = NULL;
	if (!l)
		return err_set(err, ERR_NOMEM, "no memory for the live view");
	pthread_mutex_init(&l->lock, NULL);
	l->rules = rules;
	l->told = *told;
	l->lang = lang;
	l->tick = 1;
	l->session = calloc(SESSIONS_MAX, sizeof *l->session);
	l->of_one = aligned_alloc(64, sizeof *l->of_one);
	l->exporter = exporter_open(&exported);
	l->lineage = lineage_open();
	if (!l->session || !l->of_one || !l->exporter || !l->lineage || open_analysis(&l->all, l, LISTED_MAX, err) ||
	    overview_begin(l, &l->overview.now)) {
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
	analyze_close(l->overview.now);
	analyze_close(l->overview.next);
	buf_free(&l->overview.json);
	buf_free(&l->findings.json);
	exporter_close(l->exporter);
	lineage_close(l->lineage);
	arena_free(&l->renamed);
	arena_free(&l->input_texts);
	record_decoder_free(&l->reader);
	free(l->of_one);
	free(l->session);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void live_conceal(struct live *l, bool conceal)
{
	l->conceal = conceal;
}

/* --- whose record it is --------------------------------------------------------------- */

static uint64_t key_of(struct slice id, struct slice instance)
{
	const uint64_t h = instance.n ? hash_more(hash_of(id), instance) : hash_of(id);

	return h ? h : 1;
}

static void copy_name(char *to, size_t room, struct slice text)
{
	snprintf(to, room, "%.*s", text.n < room ? (int)text.n : (int)room - 1, text.p);
}

/* The name as copy_name leaves it. */
static void learn_name(char to[NAME_BYTES], struct slice text)
{
	size_t n = text.n < NAME_BYTES ? text.n : NAME_BYTES - 1;

	if (n && (memcmp(to, text.p, n) || to[n])) /* a file of alarms says none */
		copy_name(to, NAME_BYTES, text);
}

static bool is_up(const struct instance *i)
{
	return i->open_sessions && clock_wall_us(&clock_system) - i->last_us < SILENT_US;
}

/* The instance that has been silent longest, among those that are down or have been quiet for a while; INSTANCES_MAX:
 * none. */
static uint32_t longest_silent(const struct live *l, bool down, size_t *n)
{
	const int64_t now = clock_wall_us(&clock_system);
	uint32_t best = INSTANCES_MAX;

	*n = 0;
	for (uint32_t k = 0; k < l->n_instances; k++) {
		const struct instance *i = l->instance[k];

		if (down ? is_up(i) : now - i->heard_us <= QUIET_US)
			continue;
		++*n;
		if (best == INSTANCES_MAX || i->heard_us < l->instance[best]->heard_us)
			best = k;
	}
	return best;
}

/* Where a new instance goes; INSTANCES_MAX: there is no place. */
static uint32_t room_for_instance(const struct live *l)
{
	size_t n;
	const uint32_t down = longest_silent(l, true, &n);

	if (n >= ENDED_MAX)
		return down;
	if (l->n_instances < INSTANCES_MAX)
		return (uint32_t)l->n_instances;
	return n ? down : longest_silent(l, false, &n);
}

/* Where the instance of that name is, or would be put. */
static uint16_t *place_of_name(struct live *l, const char *name)
{
	size_t at = hash_of(slice_of(name)) & (PLACES - 1);

	while (l->place[at] && strcmp(l->instance[l->place[at] - 1]->name, name))
		at = (at + 1) & (PLACES - 1);
	return &l->place[at];
}

static void put_name(struct live *l, uint32_t at)
{
	*place_of_name(l, l->instance[at]->name) = (uint16_t)(at + 1);
}

/* A name that goes would leave a gap before others: all are put again. */
static void put_names(struct live *l)
{
	memset(l->place, 0, sizeof l->place);
	for (uint32_t k = 0; k < l->n_instances; k++)
		put_name(l, k);
}

/* Places become free as time goes by: records of instances for which there is none ask once a second. */
static uint32_t look_for_room(struct live *l)
{
	const int64_t now = clock_wall_us(&clock_system);
	uint32_t at;

	if (now < l->full_until_us && now > l->full_until_us - ROOM_US)
		return INSTANCES_MAX;
	at = room_for_instance(l);
	l->full_until_us = at == INSTANCES_MAX ? now + ROOM_US : 0;
	return at;
}

static uint32_t find_instance(struct live *l, struct slice name)
{
	char wanted[NAME_BYTES];
	struct instance *i;
	uint32_t at;
	bool new;

	copy_name(wanted, sizeof wanted, name);
	at = *place_of_name(l, wanted);
	if (at)
		return at - 1;
	at = look_for_room(l);
	i = at < INSTANCES_MAX ? calloc(1, sizeof *i) : NULL;
	if (!i || open_analysis(&i->analysis, l, LISTED_MAX, NULL)) {
		free(i);
		return INSTANCES_MAX;
	}
	memcpy(i->name, wanted, sizeof wanted);
	i->serial = ++l->n_serials;
	i->shape_tick = l->tick;
	i->heard_us = clock_wall_us(&clock_system);
	if (l->instance[at]) {
		l->instances_gone++;
		l->gone_tick = l->tick;
		for (size_t row = 0; row < l->n_whose; row++)
			if (l->whose[row] == at)
				l->whose[row] = INSTANCES_MAX;
	}
	instance_free(l->instance[at]);
	l->instance[at] = i;
	new = at == l->n_instances;
	l->n_instances += new;
	new ? put_name(l, at) : put_names(l);
	return at;
}

static struct instance *instance_of(const struct live *l, const struct session_of *s)
{
	struct instance *i = s->instance < INSTANCES_MAX ? l->instance[s->instance] : NULL;

	return i && i->serial == s->serial ? i : NULL;
}

static struct session_of *place_of(struct live *l, uint64_t hash)
{
	size_t at = hash % SESSIONS_MAX;

	while (l->session[at].hash && l->session[at].hash != hash)
		at = (at + 1) % SESSIONS_MAX;
	return &l->session[at];
}

/* Keeps the open sessions of the instances that are shown, as long as there is room; a forgotten session counts as
 * closed. */
static void forget_sessions(struct live *l)
{
	struct session_of *old = malloc(SESSIONS_MAX * sizeof *old);

	if (old)
		memcpy(old, l->session, SESSIONS_MAX * sizeof *old);
	memset(l->session, 0, SESSIONS_MAX * sizeof *l->session);
	l->n_sessions = 0;
	for (size_t i = 0; i < l->n_instances; i++)
		l->instance[i]->open_sessions = 0;
	for (size_t i = 0; old && i < SESSIONS_MAX && l->n_sessions < SESSIONS_MAX / 4; i++) {
		struct instance *whose = old[i].hash && old[i].open ? instance_of(l, &old[i]) : NULL;

		if (!whose)
			continue;
		*place_of(l, old[i].hash) = old[i];
		l->n_sessions++;
		whose->open_sessions++;
	}
	free(old);
}

/* Where the session of that id and instance is, or would be put. Lines that name no instance belong to the first
 * session of their id, as a session that no line has named yet belongs to the first instance named. */
static uint64_t hash_of_session(struct live *l, struct slice id, struct slice name)
{
	const uint64_t alone = key_of(id, (struct slice){ "", 0 }), key = key_of(id, name);
	const struct session_of *first = place_of(l, alone);

	if (key == alone || place_of(l, key)->hash)
		return key;
	return !first->hash || first->key == alone || first->key == key ? alone : key;
}

/* The session's row, with an instance that is shown if there is any room for it. `name`: of its instance, if it said
 * one. */
static struct session_of *find_session(struct live *l, struct slice id, struct slice name, const char *source)
{
	const uint64_t hash = hash_of_session(l, id, name);
	struct session_of *s = place_of(l, hash);

	if (s->hash && name.n)
		s->key = key_of(id, name);
	if (s->hash && instance_of(l, s))
		return s;
	if (!s->hash && l->n_sessions == SESSIONS_MAX / 2) {
		forget_sessions(l);
		s = place_of(l, hash);
	}
	l->n_sessions += !s->hash;
	*s = (struct session_of){ .hash = hash,
				  .key = key_of(id, name),
				  .instance = find_instance(l, name.n ? name : slice_of(source)) };
	if (s->instance < INSTANCES_MAX)
		s->serial = l->instance[s->instance]->serial;
	return s;
}

/* --- records -------------------------------------------------------------------------- */

/* A line that is too long is kept without its unknown keys. */
static void keep(struct live *l, struct kept *ring, size_t room, uint64_t *n, struct slice line, const char *instance)
{
	struct kept *k = &ring[(*n)++ % room];
	struct record r;

	buf_clear(&k->line);
	if (line.n <= KEPT_BYTES)
		buf_add(&k->line, line.p, line.n);
	else if (record_decode(&l->reader, line, &r) == DECODE_OK)
		record_encode(&k->line, &r);
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

static bool is_alarm(enum event_type event)
{
	return event == EVENT_ALARM || event == EVENT_ALARM_RESOLVED;
}

/* An alarm alone may come from a file that receives alarms, whenever its session was. */
static void follow_session(struct instance *i, struct session_of *s, const struct record *r)
{
	bool open = is_alarm(r->event) ? s->open : r->event != EVENT_SESSION_END;

	learn_name(i->model, fields_text(r->session, F_MODEL_NAME));
	learn_name(i->strategy, fields_text(r->session, F_STRATEGY));
	if (open != s->open)
		i->open_sessions += open ? 1U : -1U;
	s->open = open;
	if (!i->open_sessions)
		i->n_active = 0; /* nobody is left to resolve them */
}

static void count_for(struct live *l, struct instance *i, struct session_of *s, const struct record *r)
{
	i->heard_us = clock_wall_us(&clock_system);
	if (i->last_us - i->heard_us > AHEAD_US) { /* our clock was set back: its past would hide what comes */
		live_window_free(&i->window);
		i->last_us = 0;
	}
	follow_session(i, s, r);
	live_window_push(&i->window, r);
	i->last_us = r->time_us > i->last_us ? r->time_us : i->last_us;
	i->change_tick = l->tick;
	if (r->event == EVENT_INFERENCE_STEP) {
		i->records++;
		i->tokens += r->token_count;
	}
	if (r->extra && is_alarm(r->event))
		follow_alarm(i, r);
	if (r->event == EVENT_ACTION)
		actions_count(&i->actions, r);
	if (i->window.have != i->shape) {
		i->shape = i->window.have;
		i->shape_tick = l->tick;
	}
}

/* What the session says of itself, with that instance. */
static const struct field_values *renamed(struct live *l, const struct field_values *said, const char *instance)
{
	struct field_values *copy;
	const char *name;

	if (said == l->renamed_from && instance == l->renamed_as)
		return l->renamed_to;
	copy = arena_alloc(&l->renamed, 1, sizeof *copy);
	name = arena_copy(&l->renamed, slice_of(instance));
	if (!copy || !name)
		return said;
	*copy = *said;
	fields_set_text(copy, F_INSTANCE, slice_of(name));
	l->renamed_from = said;
	l->renamed_as = instance;
	l->renamed_to = copy;
	return copy;
}

static void name_instance(struct live *l, struct columns *c, size_t row, const char *instance)
{
	if (slice_is(fields_text(c->session[row], F_INSTANCE), instance))
		return;
	c->session[row] = renamed(l, c->session[row], instance);
	if (c->whole[row])
		c->record[c->whole[row] - 1].session = c->session[row];
}

static void forget_renamed(struct live *l)
{
	arena_free(&l->renamed);
	l->renamed = (struct arena){ .newest = NULL };
	l->renamed_from = l->renamed_to = NULL;
	l->renamed_as = NULL;
}

/* A record of the future is one of now: once it was the newest one, none that comes would be shown. */
static int64_t not_ahead(int64_t time_us)
{
	const int64_t now = clock_wall_us(&clock_system);

	return time_us - now > AHEAD_US ? now : time_us;
}

/* Counts a row for its instance, if that is shown; returns the instance's name. */
static const char *count_row(struct live *l, struct columns *c, size_t row, const char *source)
{
	struct session_of *s = find_session(l, c->session_id[row], fields_text(c->session[row], F_INSTANCE), source);
	struct instance *i = instance_of(l, s);
	const char *name = i ? i->name : "other";
	struct field_values session, whole;
	struct record r;

	l->whose[row] = i ? (uint16_t)s->instance : INSTANCES_MAX;
	l->n_whose = row + 1;
	l->instances_left_out += !i;
	name_instance(l, c, row, name);
	columns_record(c, row, &r);
	r.time_us = not_ahead(r.time_us);
	if (r.event == EVENT_SESSION_START)
		r.session = lineage_of(l->lineage, &r, &whole);
	session = *r.session;
	fields_set_text(&session, F_SESSION_ID, c->session_id[row]);
	r.session = &session;
	exporter_take(l->exporter, &r);
	if (i)
		count_for(l, i, s, &r);
	return name;
}

/* The next line that became a row; `all`: every line did. */
static struct slice next_line(struct live *l, struct slice *lines, bool all)
{
	struct slice line;
	struct record r;

	do {
		const char *end = memchr(lines->p, '\n', lines->n);

		line = (struct slice){ lines->p, end ? (size_t)(end - lines->p) : lines->n };
		lines->n -= line.n + (end != NULL);
		lines->p += line.n + (end != NULL);
	} while (!all && lines->n && record_decode(&l->reader, line, &r) != DECODE_OK);
	return line;
}

static size_t count_lines(struct slice lines)
{
	size_t n = 0;

	for (const char *p = lines.p, *end = lines.p + lines.n; p < end && (p = memchr(p, '\n', (size_t)(end - p)));
	     p++)
		n++;
	return n;
}

/* As in a file that receives alarms, beside their log. */
static bool is_kept(const struct live *l, struct slice line)
{
	const size_t n = l->n_alarms < ALARMS_KEPT ? (size_t)l->n_alarms : ALARMS_KEPT;

	for (size_t i = 0; i < n; i++)
		if (buf_slice(&l->alarm[i].line).n == line.n && !memcmp(l->alarm[i].line.p, line.p, line.n))
			return true;
	return false;
}

static void keep_row(struct live *l, const struct columns *c, size_t row, struct slice line, const char *name)
{
	if (c->n - row > RECORDS_KEPT)
		l->n_records++; /* later ones take its place */
	else
		keep(l, l->record, RECORDS_KEPT, &l->n_records, line, name);
	if (is_alarm(c->event[row]) && !is_kept(l, line))
		keep(l, l->alarm, ALARMS_KEPT, &l->n_alarms, line, name);
}

/* One analysis has the room for batches at a time. */
static void push(struct live *l, struct analysis *a, const struct columns *c)
{
	analyze_hand_over(l->all, a);
	analyze_push_columns(a, c);
	analyze_hand_over(a, l->all);
}

/* Rows by instance, those of one in their order; first[k + 1] is where instance k ends. */
static void sort_rows(struct live *l, size_t n, size_t first[INSTANCES_MAX + 2])
{
	size_t at[INSTANCES_MAX + 1];

	memset(first, 0, (INSTANCES_MAX + 2) * sizeof *first);
	for (size_t row = 0; row < n; row++)
		first[l->whose[row] + 1]++;
	for (size_t k = 0; k <= INSTANCES_MAX; k++) {
		at[k] = first[k];
		first[k + 1] += first[k];
	}
	for (size_t row = 0; row < n; row++)
		l->sorted[at[l->whose[row]]++] = (uint32_t)row;
}

/* Each instance's analysis gets its rows. */
static void push_to_instances(struct live *l, const struct columns *c)
{
	size_t first[INSTANCES_MAX + 2];

	sort_rows(l, c->n, first);
	for (size_t k = 0; k < l->n_instances; k++) {
		if (first[k] == first[k + 1])
			continue;
		if (first[k + 1] - first[k] == c->n) {
			push(l, l->instance[k]->analysis, c);
			continue;
		}
		l->of_one->n = l->of_one->n_whole = 0;
		for (size_t i = first[k]; i < first[k + 1]; i++)
			columns_copy(l->of_one, c, l->sorted[i]);
		push(l, l->instance[k]->analysis, l->of_one);
	}
}

static void push_to_overview(struct live *l, const struct columns *c)
{
	struct overview *o = &l->overview;

	push(l, o->now, c);
	if (o->next)
		push(l, o->next, c);
	if (!o->next && analyze_sessions(o->now) >= OVERVIEW_SESSIONS / 2)
		overview_begin(l, &o->next);
	if (o->next && analyze_sessions(o->now) >= OVERVIEW_SESSIONS) {
		analyze_close(o->now);
		o->now = o->next;
		o->next = NULL;
	}
}

void live_take(struct live *l, struct columns *rows, struct slice lines, const char *source)
{
	bool all;

	if (!rows->n)
		return;
	pthread_mutex_lock(&l->lock);
	l->taken++;
	all = count_lines(lines) == rows->n;
	l->n_whose = 0;
	for (size_t row = 0; row < rows->n; row++) {
		const char *name = count_row(l, rows, row, source);

		keep_row(l, rows, row, next_line(l, &lines, all), name);
	}
	analyze_push_columns(l->all, rows);
	push_to_instances(l, rows);
	push_to_overview(l, rows);
	l->n_whose = 0;
	forget_renamed(l);
	pthread_mutex_unlock(&l->lock);
}

void live_read(struct live *l, const struct input_stats *piece)
{
	struct input_stats *all = &l->input;

	pthread_mutex_lock(&l->lock);
	l->taken++;
	all->bytes += piece->bytes;
	all->lines += piece->lines;
	all->records += piece->records;
	all->skipped_lines += piece->skipped_lines;
	all->unreadable_lines += piece->unreadable_lines;
	all->untimed_lines += piece->untimed_lines;
	for (size_t i = 0; i < piece->n_skipped && all->n_skipped < INPUT_SKIPPED_MAX; i++) {
		const struct skipped_line *s = &piece->skipped[i];
		const char *file = arena_copy(&l->input_texts, slice_of(s->file)),
			   *reason = arena_copy(&l->input_texts, slice_of(s->reason));

		if (file && reason)
			all->skipped[all->n_skipped++] = (struct skipped_line){ file, s->line, reason };
	}
	pthread_mutex_unlock(&l->lock);
}

void live_tick(struct live *l)
{
	pthread_mutex_lock(&l->lock);
	l->tick++;
	pthread_mutex_unlock(&l->lock);
}

/* --- JSON ----------------------------------------------------------------------------- */

static void add_active(struct json *out, const struct live *l, const struct instance *i)
{
	jw_put_array(out, "alarms");
	for (size_t k = 0; k < i->n_active; k++) {
		const struct active *a = &i->active[k];

		jw_object(out);
		jw_put_text(out, "type", alarm_specs[a->type].id);
		jw_put_text(out, "label", alarm_specs[a->type].label[l->lang]);
		jw_put_text(out, "severity", a->severity);
		jw_put_text(out, "rule", a->rule);
		jw_put_time(out, "since", a->since_us, true);
		jw_put_text(out, "summary", a->summary);
		jw_end(out);
	}
	jw_end(out);
}

static void add_now(struct json *out, const struct instance *i)
{
	jw_put_object(out, "now");
	for (int m = 0; m < METRIC_COUNT; m++) {
		double value = live_window_now(&i->window, (enum metric_id)m);

		if (isfinite(value))
			jw_put_decimal(out, metric_specs[m].id, value, metric_specs[m].decimals);
	}
	jw_end(out);
}

static void add_actions(struct json *out, const struct live *l, const struct instance *i)
{
	struct buf said = { 0 };

	actions_text(&said, &i->actions, l->lang);
	jw_key(out, "actions");
	actions_json(out, &i->actions);
	jw_put_text(out, "actions_text", buf_text(&said));
	buf_free_into(&said, out->out);
}

/* Members of an object that is open. */
static void add_facts(struct json *out, const struct live *l, const struct instance *i)
{
	jw_put_text(out, "instance", i->name);
	jw_put_text(out, "model", i->model);
	jw_put_text(out, "strategy", i->strategy);
	jw_put_bool(out, "up", is_up(i));
	jw_put_u64(out, "open_sessions", i->open_sessions);
	jw_put_u64(out, "records", i->records);
	jw_put_u64(out, "tokens", i->tokens);
	jw_put_time(out, "last", i->last_us, true);
	add_now(out, i);
	add_active(out, l, i);
	add_actions(out, l, i);
	jw_put_object(out, "judged");
	jw_put_text(out, "verdict", *i->judged ? verdict_ids[i->verdict] : NULL);
	jw_put_text(out, "word", *i->judged ? text(verdict_word(i->verdict), l->lang) : "");
	jw_put_text(out, "text", i->judged);
	jw_end(out);
}

/* The verdict of what was seen so far. */
static void keep_judgement(struct live *l, struct instance *i, const struct findings *f)
{
	struct buf sentence = { 0 };

	verdict_sentence(&sentence, f, l->lang);
	i->verdict = f->judgement->verdict;
	copy_name(i->judged, sizeof i->judged, buf_slice(&sentence));
	i->judged_tick = l->tick;
	buf_free(&sentence);
}

static void judge_anew(struct live *l, struct instance *i)
{
	struct findings f = { 0 };

	analyze_page(i->analysis, 0, 1);
	if (analyze_finish(i->analysis, NULL, &f, NULL))
		return;
	keep_judgement(l, i, &f);
	findings_free(&f);
}

/* Those that were never judged, and those of which records came since, while there is time: who asks again gets the
 * rest. Nobody may be looking at their page, which has them judged. */
static void judge_stale(struct live *l)
{
	const uint64_t until = clock_mono_ns(&clock_system) + JUDGING_NS;
	const size_t from = l->judged_next;

	for (size_t k = 0; k < l->n_instances && clock_mono_ns(&clock_system) < until; k++) {
		struct instance *i = l->instance[(from + k) % l->n_instances];

		if (i->judged_tick && (i->change_tick < i->judged_tick || l->tick < i->judged_tick + JUDGED_EVERY))
			continue;
		judge_anew(l, i);
		l->judged_next = (from + k + 1) % l->n_instances;
	}
}

void live_instances(struct live *l, struct buf *to)
{
	struct json out = { .out = to };

	pthread_mutex_lock(&l->lock);
	judge_stale(l);
	jw_object(&out);
	jw_put_array(&out, "instances");
	for (size_t k = 0; k < l->n_instances; k++) {
		jw_object(&out);
		add_facts(&out, l, l->instance[k]);
		jw_end(&out);
	}
	jw_end(&out);
	jw_put_u64(&out, "left_out", l->instances_left_out);
	jw_put_u64(&out, "gone", l->instances_gone);
	jw_end(&out);
	buf_char(to, '\n');
	pthread_mutex_unlock(&l->lock);
}

/* Made anew when it is older than a few ticks: it costs more than one. */
void live_fleet(struct live *l, struct buf *out)
{
	struct overview *o = &l->overview;
	const struct fleet_options how = { .report = { .lang = l->lang } };
	struct findings f = { 0 };

	pthread_mutex_lock(&l->lock);
	if (!o->json_tick || l->tick >= o->json_tick + JUDGED_EVERY) {
		buf_clear(&o->json);
		analyze_page(o->now, 0, 1);
		if (analyze_finish(o->now, &l->input, &f, NULL))
			o->json.failed = true;
		else
			fleet_json(&o->json, &f, &how);
		findings_free(&f);
		o->json_tick = o->json.failed ? 0 : l->tick; /* the next one who asks may be luckier */
	}
	out->failed |= o->json.failed;
	buf_add(out, o->json.p, o->json.used);
	pthread_mutex_unlock(&l->lock);
}

static struct analysis *analysis_of(struct live *l, struct slice instance)
{
	for (size_t k = 0; instance.n && k < l->n_instances; k++)
		if (slice_is(instance, l->instance[k]->name))
			return l->instance[k]->analysis;
	return instance.n ? NULL : l->all;
}

/* Selects the page of sessions; at least one, because 0 would mean all. */
static void set_page(struct analysis *a, struct live_page page)
{
	size_t n = analyze_sessions(a), from = 0;

	if (page.from >= 0)
		from = (size_t)page.from;
	else if ((size_t)-page.from < n)
		from = n - (size_t)-page.from;
	analyze_page(a, from, page.most ? page.most : 1);
}

static void make_findings(struct live *l, struct analysis *a, struct live_page page)
{
	const struct report_options how = { .lang = l->lang };
	struct findings_kept *kept = &l->findings;
	struct findings f = { 0 };

	buf_free(&kept->json);
	*kept = (struct findings_kept){ .page = page, .taken = l->taken };
	set_page(a, page);
	if (!analyze_finish(a, a == l->all ? &l->input : NULL, &f, NULL)) {
		report_json(&kept->json, &f, &how);
		kept->of = kept->json.failed ? NULL : a;
	}
	findings_free(&f);
}

bool live_findings(struct live *l, struct slice instance, struct live_page page, struct buf *out)
{
	const struct findings_kept *kept = &l->findings;
	struct analysis *a;

	pthread_mutex_lock(&l->lock);
	a = analysis_of(l, instance);
	if (a &&
	    (kept->of != a || kept->taken != l->taken || kept->page.from != page.from || kept->page.most != page.most))
		make_findings(l, a, page);
	if (a && kept->of)
		buf_add(out, kept->json.p, kept->json.used);
	else
		out->failed = a != NULL;
	pthread_mutex_unlock(&l->lock);
	return a != NULL;
}

/* As of the last record: judged anew when one came. */
static void judge_all(struct live *l)
{
	struct findings f = { 0 };

	if (l->verdict_taken == l->taken)
		return;
	analyze_page(l->all, 0, 1);
	if (!analyze_finish(l->all, &l->input, &f, NULL)) {
		exporter_set_verdict(l->exporter, (int)f.judgement->verdict);
		l->verdict_taken = l->taken;
	}
	findings_free(&f);
}

void live_metrics(struct live *l, enum exposition format, struct buf *out)
{
	pthread_mutex_lock(&l->lock);
	judge_all(l);
	pthread_mutex_unlock(&l->lock);
	exporter_write(l->exporter, format, out);
}

/* Keeps the record's numbers and removes its text and tokens. */
static struct record without_words(const struct record *r)
{
	struct record bare = *r;

	bare.text = (struct slice){ NULL, 0 };
	bare.tokens = NULL;
	bare.n_tokens = 0;
	return bare;
}

/* The line as the collector writes it, its end apart. */
static void add_line(struct live *l, struct json *out, struct slice line)
{
	struct buf text = { 0 };
	struct record r, details;

	if (record_decode(&l->reader, line, &r) == DECODE_OK) {
		if (l->conceal && r.details) {
			details = without_words(r.details);
			r.details = &details;
		}
		if (l->conceal)
			r = without_words(&r);
		record_encode(&text, &r);
	}
	jw_key(out, "record");
	jw_raw(out, (struct slice){ text.p, text.used ? text.used - 1 : 0 });
	buf_free_into(&text, out->out);
}

/* The newest n kept lines, oldest first, as one array. */
static void add_kept(struct live *l, struct buf *to, const struct kept *ring, size_t room, uint64_t total, size_t n,
		     struct slice instance)
{
	uint64_t from = total > room ? total - room : 0;
	struct json out = { .out = to };
	size_t left = 0;
	bool first = true;

	for (uint64_t i = from; i < total; i++)
		left += !instance.n || slice_is(instance, ring[i % room].instance);
	jw_array(&out);
	for (uint64_t i = from; i < total; i++) {
		const struct kept *k = &ring[i % room];

		if ((instance.n && !slice_is(instance, k->instance)) || left-- > n)
			continue;
		if (!first)
			jw_break(&out);
		first = false;
		jw_object(&out);
		jw_put_text(&out, "instance", k->instance);
		add_line(l, &out, buf_slice(&k->line));
		jw_end(&out);
	}
	jw_end(&out);
	buf_char(to, '\n');
}

void live_alarms(struct live *l, struct buf *out)
{
	pthread_mutex_lock(&l->lock);
	add_kept(l, out, l->alarm, ALARMS_KEPT, l->n_alarms, ALARMS_KEPT, (struct slice){ "", 0 });
	pthread_mutex_unlock(&l->lock);
}

/* One that made room for others may still have records here. */
static bool has_kept(const struct live *l, struct slice instance)
{
	for (uint64_t i = 0; i < l->n_records && i < RECORDS_KEPT; i++)
		if (slice_is(instance, l->record[i].instance))
			return true;
	return false;
}

bool live_records(struct live *l, struct slice instance, size_t n, struct buf *out)
{
	bool known;

	pthread_mutex_lock(&l->lock);
	known = analysis_of(l, instance) || has_kept(l, instance);
	if (known)
		add_kept(l, out, l->record, RECORDS_KEPT, l->n_records, n, instance);
	pthread_mutex_unlock(&l->lock);
	return known;
}

/* --- events --------------------------------------------------------------------------- */

static void add_instance(struct buf *to, struct live *l, struct instance *i)
{
	struct json out = { .out = to };
	struct findings f = { 0 };
	struct series window;

	analyze_page(i->analysis, 0, 1);
	if (analyze_finish(i->analysis, NULL, &f, NULL))
		return;
	keep_judgement(l, i, &f);
	live_window_series(&i->window, LIVE_BUCKETS, &f.arena, &window);
	f.series = window;
	f.n_sessions = 0; /* no series of their own */
	buf_str(to, "event: instance\ndata: ");
	jw_object(&out);
	add_facts(&out, l, i);
	jw_key(&out, "drawn");
	live_page_model(&out, &f, l->lang);
	jw_end(&out);
	buf_str(to, "\n\n");
	findings_free(&f);
}

static void add_tick(struct buf *to, struct live *l, struct instance *i)
{
	struct json out = { .out = to };
	struct arena arena = { 0 };
	struct series newest;

	if (l->tick % JUDGED_EVERY == 0)
		judge_anew(l, i);
	live_window_series(&i->window, TICK_BUCKETS, &arena, &newest);
	buf_str(to, "event: tick\ndata: ");
	jw_object(&out);
	add_facts(&out, l, i);
	jw_key(&out, "series");
	live_page_series(&out, &newest);
	jw_end(&out);
	buf_str(to, "\n\n");
	arena_free(&arena);
}

static void add_names(struct buf *to, const struct live *l)
{
	struct json out = { .out = to };

	buf_str(to, "event: names\ndata: ");
	jw_array(&out);
	for (size_t k = 0; k < l->n_instances; k++)
		jw_text(&out, l->instance[k]->name);
	jw_end(&out);
	buf_str(to, "\n\n");
}

static void add_many(struct buf *to, const struct live *l)
{
	struct json out = { .out = to };

	buf_str(to, "event: many\ndata: ");
	jw_object(&out);
	jw_put_u64(&out, "instances", l->n_instances);
	jw_end(&out);
	buf_str(to, "\n\n");
}

static void add_news(struct buf *out, struct live *l, struct instance *i, uint64_t cursor)
{
	if (!cursor || i->shape_tick >= cursor)
		add_instance(out, l, i);
	else if (i->change_tick >= cursor || cursor % 10 == 0)
		add_tick(out, l, i);
}

void live_events(void *ctx, const char *about, uint64_t *cursor, struct buf *out)
{
	struct live *l = ctx;
	bool many;

	pthread_mutex_lock(&l->lock);
	many = !*about && l->n_instances > SHOWN_TOGETHER;
	if (!*cursor) {
		buf_str(out, "retry: 1000\nevent: hello\ndata: ");
		live_page_words(&(struct json){ .out = out }, l->lang);
		buf_str(out, "\n\n");
	}
	if (*cursor < l->tick && many)
		add_many(out, l);
	else if (*cursor < l->tick && l->gone_tick >= *cursor && l->instances_gone)
		add_names(out, l);
	for (size_t k = 0; k < l->n_instances && *cursor < l->tick && !many; k++)
		if (!*about || !strcmp(about, l->instance[k]->name))
			add_news(out, l, l->instance[k], *cursor);
	*cursor = l->tick;
	pthread_mutex_unlock(&l->lock);
}
