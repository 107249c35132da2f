/* snapshot.c - counters and histograms per label group; sessions that wrote last. */
#include "export/snapshot_inside.h"

#include "base/hash.h"

#include <math.h>
#include <stdlib.h>

struct exporter *exporter_open(const struct exporter_options *opts)
{
	struct exporter *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->opts = *opts;
	e->verdict = -1;
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

static void group_free(struct group *g)
{
	for (int f = 0; g && f < FAMILY_COUNT; f++) {
		free(g->histogram[f]);
		free(g->window[f]);
	}
	free(g);
}

void exporter_close(struct exporter *e)
{
	if (!e)
		return;
	for (size_t i = 0; i <= GROUPS_MAX; i++)
		group_free(e->group[i]);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void exporter_set_verdict(struct exporter *e, int verdict)
{
	pthread_mutex_lock(&e->lock);
	e->verdict = verdict;
	pthread_mutex_unlock(&e->lock);
}

/* --- label sets ----------------------------------------------------------------------- */

static void copy_text(char to[LABEL_TEXT_MAX], struct slice text, const char *otherwise)
{
	if (!text.n)
		text = slice_of(otherwise);
	snprintf(to, LABEL_TEXT_MAX, "%.*s", text.n < LABEL_TEXT_MAX ? (int)text.n : LABEL_TEXT_MAX - 1, text.p);
}

static bool group_is(const struct group *g, const struct group *wanted)
{
	return !strcmp(g->model, wanted->model) && !strcmp(g->backend, wanted->backend) &&
	       !strcmp(g->instance, wanted->instance);
}

static bool group_in_use(const struct exporter *e, const struct group *g)
{
	int64_t now = clock_wall_us(e->opts.clock);

	for (size_t i = 0; i < LIVE_SESSIONS_MAX; i++)
		if (e->session[i].group == g && session_is_live(e, &e->session[i], now))
			return true;
	return false;
}

/* Counts a label set that is summed up with others, once. */
static void count_other(struct exporter *e, const struct group *wanted)
{
	const uint64_t h =
		hash_text(hash_text(hash_text(HASH_BEGIN, slice_of(wanted->instance)), slice_of(wanted->model)),
			  slice_of(wanted->backend)) |
		1;
	size_t at = h >> 32 & (2 * OTHERS_MAX - 1);

	while (e->others[at] && e->others[at] != h)
		at = (at + 1) & (2 * OTHERS_MAX - 1);
	if (e->others[at] || e->n_others == OTHERS_MAX)
		return;
	e->others[at] = h;
	e->n_others++;
}

/* NULL: no memory. */
static struct group *other_group(struct exporter *e)
{
	struct group *g = e->group[GROUPS_MAX];

	if (g)
		return g;
	g = e->group[GROUPS_MAX] = calloc(1, sizeof *g);
	if (!g)
		return NULL;
	copy_text(g->instance, slice_of(e->opts.by_instance ? "other" : ""), "");
	copy_text(g->model, slice_of("other"), "");
	copy_text(g->backend, slice_of("other"), "");
	return g;
}

/* What only grows is added; what an instance was like last is nobody's any more. */
static void sum_up(struct group *into, const struct group *from)
{
	for (size_t s = 0; s < SERIES_COUNT; s++) {
		if (!series_have(from->have, s))
			continue;
		into->counter[s] += from->counter[s];
		series_set(into->have, s);
	}
	for (int f = 0; f < FAMILY_COUNT; f++) {
		if (!from->histogram[f])
			continue;
		if (!into->histogram[f])
			into->histogram[f] = calloc(1, sizeof *into->histogram[f]);
		if (!into->histogram[f])
			continue;
		for (size_t b = 0; b < sizeof from->histogram[f]->bucket / sizeof *from->histogram[f]->bucket; b++)
			into->histogram[f]->bucket[b] += from->histogram[f]->bucket[b];
		into->histogram[f]->sum += from->histogram[f]->sum;
	}
}

/* Its counts go on in "other". */
static void retire_group(struct exporter *e, size_t i)
{
	struct group *other = e->group[i] ? other_group(e) : NULL; /* without memory the place stayed empty */

	for (size_t k = 0; k < LIVE_SESSIONS_MAX; k++)
		if (e->session[k].group == e->group[i])
			e->session[k].used = false;
	if (other) {
		count_other(e, e->group[i]);
		sum_up(other, e->group[i]);
	}
	group_free(e->group[i]);
	e->group[i] = NULL;
}

/* The place of a label set that is no longer used, or that of "other". */
static struct group **room_for_group(struct exporter *e)
{
	for (size_t i = 0; e->n_groups == GROUPS_MAX && i < GROUPS_MAX; i++)
		if (!group_in_use(e, e->group[i])) {
			retire_group(e, i);
			return &e->group[i];
		}
	return &e->group[e->n_groups < GROUPS_MAX ? e->n_groups++ : GROUPS_MAX];
}

static struct group *find_group(struct exporter *e, const struct record *r)
{
	struct group wanted = { 0 }, **place;

	if (e->opts.by_instance)
		copy_text(wanted.instance, fields_text(r->session, F_INSTANCE), "unknown");
	copy_text(wanted.model, fields_text(r->session, F_MODEL_NAME), "unknown");
	copy_text(wanted.backend, fields_text(r->session, F_RUNTIME_NAME), "unknown");
	for (size_t i = 0; i < e->n_groups; i++)
		if (e->group[i] && group_is(e->group[i], &wanted))
			return e->group[i];
	place = room_for_group(e);
	if (place == &e->group[GROUPS_MAX]) {
		count_other(e, &wanted);
		return other_group(e);
	}
	if (!*place) {
		*place = calloc(1, sizeof **place);
		if (*place)
			**place = wanted;
	}
	return *place;
}

/* --- values --------------------------------------------------------------------------- */

static void count(struct group *g, size_t series, double n)
{
	g->counter[series] += n;
	series_set(g->have, series);
}

static void observe(struct group *g, enum family_id f, double value, uint64_t times)
{
	const struct family_spec *spec = &family_specs[f];
	size_t b = 0;

	if (!g->histogram[f])
		g->histogram[f] = calloc(1, sizeof *g->histogram[f]);
	if (!g->histogram[f] || !isfinite(value))
		return;
	while (b < spec->n_bounds && value > spec->bounds[b])
		b++;
	g->histogram[f]->bucket[b] += times;
	g->histogram[f]->sum += value * (double)times;
	series_set(g->have, spec->first);
}

static void push_window(struct group *g, enum family_id f, int64_t time_us, double value)
{
	int64_t second = time_us / 1000000;
	struct window_slot *slot;

	if (!g->window[f])
		g->window[f] = calloc(1, sizeof *g->window[f]);
	if (!g->window[f] || second <= 0)
		return;
	slot = &g->window[f]->slot[second % WINDOW_SECONDS];
	if (second < slot->second)
		return; /* older than the window */
	if (second > slot->second)
		*slot = (struct window_slot){ .second = second };
	slot->sum += value;
	slot->count++;
}

static void set_gauge(struct export_session *s, size_t series, double value)
{
	s->gauge[series] = value;
	series_set(s->have, series);
}

static void feed(struct export_session *s, size_t series, int64_t time_us, double value)
{
	enum family_id f = family_of((enum series_id)series);
	const struct family_spec *spec = &family_specs[f];

	if (spec->kind == FAMILY_COUNTER)
		count(s->group, series, value);
	else if (spec->kind == FAMILY_HISTOGRAM)
		observe(s->group, f, value, 1);
	else if (spec->over == OVER_WINDOW)
		push_window(s->group, f, time_us, value);
	else
		set_gauge(s, series, value);
}

/* --- requests ------------------------------------------------------------------------- */

static void end_request(struct export_session *s)
{
	struct request *q = &s->request;
	double seconds = (double)(q->end_us - q->begin_us) / 1e6,
	       after_first = (double)(q->end_us - q->prefill_end_us) / 1e6;

	if (!q->open)
		return;
	observe(s->group, FAM_REQUEST_DURATION, seconds, 1);
	if (q->decoded && q->prefill_end_us)
		observe(s->group, FAM_PER_OUTPUT_TOKEN, after_first / (double)q->decoded, 1);
	q->open = false;
}

static void begin_request(struct request *q, const struct record *r, int64_t begin_us)
{
	*q = (struct request){ .open = true, .sequence = r->sequence, .begin_us = begin_us };
}

/* An observer outside the server (the proxy) reports when a request ends: all its output tokens are then known,
 * including the first. */
static void end_told_request(struct export_session *s, const struct record *r)
{
	struct request *q = &s->request;
	uint64_t outputs = q->open ? q->decoded + r->token_count : 0;

	observe(s->group, FAM_REQUEST_DURATION, r->metric[M_REQUEST_DURATION_MS] / 1e3, 1);
	if (outputs > 1 && q->prefill_end_us)
		observe(s->group, FAM_PER_OUTPUT_TOKEN,
			(double)(r->time_us - q->prefill_end_us) / 1e6 / (double)(outputs - 1), 1);
	q->open = false;
}

/* A prompt's record without times only gives the number of tokens. */
static bool tells_time(const struct record *r)
{
	return r->have & (metric_bit(M_CHUNK_PROCESS_TIME_MS) | metric_bit(M_TOKEN_LATENCY_MS) |
			  metric_bit(M_TIME_TO_FIRST_TOKEN_MS));
}

/* From the start of the call to its end, as far as it is known. */
static double call_ms(const struct record *r)
{
	return record_has(r, M_CHUNK_PROCESS_TIME_MS)    ? r->metric[M_CHUNK_PROCESS_TIME_MS]
	       : record_has(r, M_TIME_TO_FIRST_TOKEN_MS) ? r->metric[M_TIME_TO_FIRST_TOKEN_MS]
							 : 0;
}

/* A request goes from a prompt to the next; the token that the prefill's logits give is its
 * first output, so that n decoded tokens are n + 1 outputs. */
static void follow_request(struct export_session *s, const struct record *r, bool decode)
{
	struct request *q = &s->request;
	bool told = record_has(r, M_TIME_TO_FIRST_TOKEN_MS);

	if (!q->open || r->sequence != q->sequence || (q->decoding && !decode)) {
		end_request(s);
		begin_request(q, r, r->time_us - (int64_t)(call_ms(r) * 1e3));
	}
	if (!decode)
		q->prefill_end_us = r->time_us;
	if (told)
		observe(s->group, FAM_FIRST_TOKEN, r->metric[M_TIME_TO_FIRST_TOKEN_MS] / 1e3, 1);
	else if (decode && !q->decoding && q->prefill_end_us && !q->first_token_told)
		observe(s->group, FAM_FIRST_TOKEN, (double)(q->prefill_end_us - q->begin_us) / 1e6, 1);
	q->first_token_told = q->first_token_told || told;
	q->decoding = decode;
	q->decoded += decode ? r->token_count : 0;
	q->end_us = r->time_us;
}

/* --- records -------------------------------------------------------------------------- */

static void count_times(struct export_session *s, const struct record *r, bool decode, uint64_t tokens)
{
	count(s->group, S_TOKENS + (decode ? 1 : 0), (double)tokens);
	if (decode)
		count(s->group, S_LEGACY_TOKENS, (double)tokens);
	if (decode && record_has(r, M_TOKEN_LATENCY_MS))
		observe(s->group, FAM_TOKEN_DURATION, r->metric[M_TOKEN_LATENCY_MS] / 1e3, tokens);
	if (!decode && record_has(r, M_CHUNK_PROCESS_TIME_MS))
		observe(s->group, FAM_PREFILL_CHUNK, r->metric[M_CHUNK_PROCESS_TIME_MS] / 1e3, 1);
}

/* What is more than one metric times a factor. */
static void count_derived(struct export_session *s, const struct record *r)
{
	double worst = 0;

	if (record_has(r, M_LOGITS_ENTROPY) && s->log_vocab > 0)
		push_window(s->group, FAM_ENTROPY_RATIO, r->time_us, r->metric[M_LOGITS_ENTROPY] / s->log_vocab);
	if (record_has(r, M_NONFINITE_LOGITS))
		count(s->group, S_NONFINITE_LOGITS + 1,
		      r->metric[M_NONFINITE_LOGITS] - (record_has(r, M_NAN_LOGITS) ? r->metric[M_NAN_LOGITS] : 0));
	if (record_has(r, M_STATE_LEAK) && r->metric[M_STATE_LEAK] > 1e-6)
		count(s->group, S_STATE_LEAKS, 1);
	for (size_t i = 0; i < r->n_layer_norm; i++)
		worst = fmax(worst, (double)r->layer_norm[i]);
	if (worst > 0 && record_has(r, M_STATE_SIZE_BYTES) && r->metric[M_STATE_SIZE_BYTES] > 0)
		set_gauge(s, S_STATE_NORM, worst / sqrt(r->metric[M_STATE_SIZE_BYTES] / 4 / (double)r->n_layer_norm));
}

static void count_step(struct export_session *s, const struct record *r)
{
	uint64_t tokens = r->token_count; /* 0: an earlier record reported them, or a later one will */
	bool decode = r->phase == PHASE_DECODE || (r->phase == PHASE_UNKNOWN && tokens == 1);

	count_times(s, r, decode, tokens);
	if (r->finish && r->finish <= FINISH_COUNT)
		count(s->group, (size_t)S_REQUESTS + r->finish - 1, 1);
	if (record_has(r, M_REQUEST_DURATION_MS))
		end_told_request(s, r);
	else if (decode || tells_time(r))
		follow_request(s, r, decode);
	for (size_t i = 0; i < family_feed_count; i++) {
		const struct family_feed *from = &family_feeds[i];

		if (record_has(r, from->metric))
			feed(s, from->series, r->time_us, r->metric[from->metric] * from->scale + from->offset);
	}
	count_derived(s, r);
}

/* Which way a model collapsed: the rule's kind, or what its name says. */
static size_t collapse_kind(const struct field_values *alarm)
{
	struct slice kind = fields_text(alarm, F_KIND), rule = kind.n ? kind : fields_text(alarm, F_RULE);
	const struct family_spec *f = &family_specs[FAM_COLLAPSE_EVENTS];

	for (size_t k = 0; k < f->n_values; k++)
		if (rule.n && memmem(rule.p, rule.n, f->values[k], strlen(f->values[k])))
			return k;
	return 0;
}

static void count_alarm(struct export_session *s, const struct record *r)
{
	enum alarm_type type = r->extra ? alarm_by_id(fields_text(r->extra, F_ALARM_TYPE)) : ALARM_TYPE_COUNT;

	if (type == ALARM_TYPE_COUNT)
		return;
	if (r->event == EVENT_ALARM)
		s->alarms_on[type]++;
	else if (s->alarms_on[type])
		s->alarms_on[type]--;
	set_gauge(s, (size_t)S_ALARM_ACTIVE + type, s->alarms_on[type] > 0);
	if (type == ALARM_MODE_COLLAPSE && r->event == EVENT_ALARM)
		count(s->group, S_COLLAPSE_EVENTS + collapse_kind(r->extra), 1);
}

/* A counter of which totals are told. */
static void count_up_to(struct export_session *s, size_t series, double *told, double total)
{
	if (total > *told) {
		count(s->group, series, total - *told);
		*told = total;
	}
}

static void count_end(struct export_session *s, const struct record *r)
{
	end_request(s);
	if (r->extra) {
		count_up_to(s, S_OVERHEAD, &s->overhead_told, fields_number(r->extra, F_TOTAL_OVERHEAD, 0));
		count_up_to(s, S_UNDELIVERED, &s->undelivered_told, fields_number(r->extra, F_TOTAL_UNDELIVERED, 0));
		count_up_to(s, S_LOST_CRITICAL, &s->lost_critical_told,
			    fields_number(r->extra, F_TOTAL_UNDELIVERED_CRITICAL, 0));
	}
	s->live = false;
}

/* "cuda fp16i8 *20 -> cpu fp32" names the device first, the precision second. */
static void describe_strategy(struct group *g, struct slice strategy)
{
	char text[LABEL_TEXT_MAX], *rest = text, *device, *precision;

	copy_text(text, strategy, "");
	device = strsep(&rest, " ");
	precision = strsep(&rest, " ");
	copy_text(g->info[2], slice_of(precision ? precision : ""), "");
	copy_text(g->info[4], slice_of(device), "");
}

static void count_start(struct export_session *s, const struct record *r)
{
	struct slice version = fields_text(r->session, F_MODEL_VERSION), strategy = fields_text(r->session, F_STRATEGY);
	double vocab = fields_number(r->session, F_VOCAB_SIZE, 0), vram = fields_number(r->session, F_VRAM_TOTAL_MB, 0);
	struct group *g = s->group;

	s->log_vocab = vocab > 1 ? log(vocab) : 0;
	copy_text(g->gpu, fields_text(r->session, F_HOST_GPU), "0");
	copy_text(g->info[0], version, "");
	if (version.n)
		snprintf(g->info[1], LABEL_TEXT_MAX, "rwkv%c", version.p[0]);
	describe_strategy(g, strategy);
	copy_text(g->info[3], strategy, "");
	if (vram > 0)
		set_gauge(s, S_GPU_MEMORY_LIMIT, vram * 1048576);
}

/* --- sessions ------------------------------------------------------------------------- */

/* Sessions of other instances may have the same id. One that has not said its instance yet is whoever's has its id, as
 * are the lines that say none. */
static bool session_is(const struct export_session *s, uint64_t hash, struct slice id, struct slice instance)
{
	return s->used && s->id_hash == hash &&
	       !strncmp(s->id, id.p, id.n < LABEL_TEXT_MAX ? id.n : LABEL_TEXT_MAX - 1) &&
	       (!instance.n || !s->instance_hash || s->instance_hash == hash_of(instance));
}

static struct export_session *find_session(struct exporter *e, struct slice id, struct slice instance)
{
	uint64_t hash = hash_of(id);

	if (session_is(&e->session[e->last], hash, id, instance))
		return &e->session[e->last];
	for (size_t i = 0; i < LIVE_SESSIONS_MAX; i++)
		if (session_is(&e->session[i], hash, id, instance)) {
			e->last = i;
			return &e->session[i];
		}
	return NULL;
}

/* What is missed least comes first: an ended session, then one that is summed up with others. A label set whose only
 * session went would count as unused. */
static int worth_of(const struct exporter *e, const struct export_session *s)
{
	return !s->live ? 0 : s->group == e->group[GROUPS_MAX] ? 1 : 2;
}

/* A free place, otherwise that of the session that is missed least; of several, the one silent for longest. */
static struct export_session *room_for_session(struct exporter *e)
{
	struct export_session *oldest = &e->session[0];

	for (size_t i = 0; i < LIVE_SESSIONS_MAX; i++) {
		struct export_session *s = &e->session[i];

		if (!s->used)
			return s;
		if (worth_of(e, s) < worth_of(e, oldest) ||
		    (worth_of(e, s) == worth_of(e, oldest) && s->seen_us < oldest->seen_us))
			oldest = s;
	}
	end_request(oldest);
	return oldest;
}

static struct export_session *new_session(struct exporter *e, const struct record *r)
{
	struct slice id = fields_text(r->session, F_SESSION_ID);
	struct group *g = find_group(e, r);
	struct export_session *s = g ? room_for_session(e) : NULL;

	if (!s)
		return NULL;
	*s = (struct export_session){ .used = true, .live = true, .id_hash = hash_of(id), .group = g };
	copy_text(s->id, id, "");
	e->last = (size_t)(s - e->session);
	return s;
}

static void take(struct exporter *e, const struct record *r)
{
	const struct slice instance = fields_text(r->session, F_INSTANCE);
	struct export_session *s = find_session(e, fields_text(r->session, F_SESSION_ID), instance);

	if (!s)
		s = new_session(e, r);
	if (!s)
		return;
	s->instance_hash = instance.n ? hash_of(instance) : s->instance_hash;
	s->seen_us = clock_wall_us(e->opts.clock);
	s->last_us = r->time_us;
	switch (r->event) {
	case EVENT_INFERENCE_STEP:
		count_step(s, r);
		break;
	case EVENT_SESSION_START:
		s->live = true; /* it may have ended before */
		count_start(s, r);
		break;
	case EVENT_SESSION_END:
		count_end(s, r);
		break;
	case EVENT_ALARM:
	case EVENT_ALARM_RESOLVED:
		count_alarm(s, r);
		break;
	case EVENT_GAP:
		count(s->group, S_DROPPED, r->extra ? fields_number(r->extra, F_DROPPED, 0) : 0);
		break;
	case EVENT_ACTION:
		count(s->group,
		      (size_t)S_ACTIONS + act_by_id(r->extra ? fields_text(r->extra, F_ACTION) : slice_of("")), 1);
		break;
	case EVENT_ROLLUP:
	case EVENT_TYPE_COUNT:
		break;
	}
}

void exporter_take(struct exporter *e, const struct record *r)
{
	pthread_mutex_lock(&e->lock);
	take(e, r);
	pthread_mutex_unlock(&e->lock);
}

void exporter_set_own(struct exporter *e, struct slice session_id, const struct exporter_own *own)
{
	struct export_session *s;

	pthread_mutex_lock(&e->lock);
	s = find_session(e, session_id, (struct slice){ "", 0 });
	if (s) {
		count_up_to(s, S_OVERHEAD, &s->overhead_told, own->overhead_seconds);
		count_up_to(s, S_UNDELIVERED, &s->undelivered_told, own->undelivered);
		count_up_to(s, S_LOST_CRITICAL, &s->lost_critical_told, own->lost_critical);
		if (own->look_seconds > 0)
			set_gauge(s, S_LOOK_INTERVAL, own->look_seconds);
	}
	for (int i = 0; s && i < FINISH_COUNT; i++)
		if (own->finished[i] > s->finished_told[i]) {
			count(s->group, (size_t)S_REQUESTS + (size_t)i,
			      (double)(own->finished[i] - s->finished_told[i]));
			s->finished_told[i] = own->finished[i];
		}
	pthread_mutex_unlock(&e->lock);
}

void exporter_end(struct exporter *e, struct slice session_id)
{
	struct export_session *s;

	pthread_mutex_lock(&e->lock);
	s = find_session(e, session_id, (struct slice){ "", 0 });
	if (s)
		s->live = false;
	pthread_mutex_unlock(&e->lock);
}
