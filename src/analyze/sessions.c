/* sessions.c - hash tables by id and instance, and by id alone; guests in order of use, so that the oldest goes first.
 */
#include "analyze/sessions.h"

#include "base/array.h"

#include <math.h>
#include <stdlib.h>

enum { SLOTS_FIRST = 256, OTHER_FIRST = 4096, OTHER_MAX = 1 << 22 };

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

uint64_t session_hash(struct slice text)
{
	uint64_t h = text.n * UINT64_C(0x9e3779b97f4a7c15), word;
	size_t i = 0;

	for (; i + sizeof word <= text.n; i += sizeof word) {
		memcpy(&word, text.p + i, sizeof word);
		h = mix(h, word);
	}
	if (i < text.n) {
		word = 0;
		memcpy(&word, text.p + i, text.n - i);
		h = mix(h, word);
	}
	return h ? h : 1;
}

static uint64_t key_in(uint64_t id_hash, struct slice instance)
{
	const uint64_t apart = mix(id_hash, UINT64_C(0x9e3779b97f4a7c15)); /* ids and instances may be alike */
	const uint64_t h = instance.n ? mix(apart, session_hash(instance)) : id_hash;

	return h ? h : 1;
}

uint64_t session_key(struct slice id, struct slice instance)
{
	return key_in(session_hash(session_cut(id)), session_cut(instance));
}

static void keep_first(int64_t *first_us, int64_t time_us)
{
	if (time_us && (!*first_us || time_us < *first_us))
		*first_us = time_us;
}

void session_tally_add(struct session_tally *into, const struct session_tally *from)
{
	into->violating += from->violating;
	into->dropped += from->dropped;
	into->critical += from->critical;
	into->critical_lasted += from->critical_lasted;
	into->live_critical += from->live_critical;
	if (from->undelivered.critical ? !into->undelivered.critical : !into->undelivered.alarms)
		into->undelivered.why = from->undelivered.why;
	into->undelivered.alarms += from->undelivered.alarms;
	into->undelivered.critical += from->undelivered.critical;
	into->drop = from->drop > into->drop ? from->drop : into->drop;
	for (int type = 0; type < ALARM_TYPE_COUNT; type++) {
		into->violated[type] += from->violated[type];
		into->lasted[type] += from->lasted[type];
		into->alarmed[type] += from->alarmed[type];
		session_alarmed(into, (enum alarm_type)type, from->gravest[type]);
		keep_first(&into->alarmed_us[type], from->alarmed_us[type]);
		keep_first(&into->violated_us[type], from->violated_us[type]);
		keep_first(&into->lasted_us[type], from->lasted_us[type]);
	}
	for (int kind = 0; kind < COLLAPSE_KIND_COUNT; kind++)
		into->collapsed[kind] += from->collapsed[kind];
}

static void firing_add(struct session_firing *into, const struct session_firing *more)
{
	for (uint64_t todo = more->types; todo; todo &= todo - 1) {
		const int type = __builtin_ctzll(todo);

		if (!(into->types >> type & 1) || more->since_us[type] < into->since_us[type])
			into->since_us[type] = more->since_us[type];
	}
	into->types |= more->types;
}

struct session_firing session_firing(const struct session *s)
{
	struct session_firing firing = s->left;

	if (s->rules)
		firing.types = rules_firing(s->rules, SEVERITY_WARNING, firing.since_us);
	return firing;
}

char *session_text(struct slice text)
{
	size_t n = text.n < SESSION_TEXT_MAX ? text.n : SESSION_TEXT_MAX;
	char *copy = malloc(n + 1);

	if (!copy)
		return NULL;
	if (n)
		memcpy(copy, text.p, n);
	copy[n] = 0;
	return copy;
}

static bool has_id(const struct session *s, struct slice id)
{
	return s->id_bytes == id.n && !memcmp(s->id, id.p, id.n);
}

static bool is_session(const struct session *s, struct slice id, struct slice instance)
{
	return (instance.n ? s->named && slice_is(instance, s->instance) : s->first) && has_id(s, id);
}

static void unlink_active(struct sessions *t, struct session *s)
{
	*(s->newer ? &s->newer->older : &t->newest) = s->older;
	*(s->older ? &s->older->newer : &t->oldest) = s->newer;
	s->newer = s->older = NULL;
	s->active = false;
	t->n_active--;
}

static void link_active(struct sessions *t, struct session *s)
{
	s->older = t->newest;
	s->newer = NULL;
	*(t->newest ? &t->newest->newer : &t->oldest) = s;
	t->newest = s;
	s->active = true;
	t->n_active++;
}

static void free_session(struct session *s)
{
	events_detach(s->open);
	rules_close(s->rules);
	free(s->id);
	free(s->model_name);
	free(s->strategy);
	free(s->instance);
	free(s->device);
	free(s->minutes);
	missing_free(&s->missing);
	free(s);
}

static void put(struct sessions *t, struct session *s)
{
	struct session **slot = &t->slot[s->hash & (t->n_slots - 1)];

	s->chain = *slot;
	*slot = s;
}

static void put_first(struct sessions *t, struct session *s)
{
	struct session **slot = &t->first[s->id_hash & (t->n_slots - 1)];

	s->first_chain = *slot;
	*slot = s;
}

static void take_out(struct sessions *t, struct session *s)
{
	struct session **at = &t->slot[s->hash & (t->n_slots - 1)];

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
}

static void take_out_first(struct sessions *t, struct session *s)
{
	struct session **at = &t->first[s->id_hash & (t->n_slots - 1)];

	while (*at != s)
		at = &(*at)->first_chain;
	*at = s->first_chain;
}

/* What only itself knows goes on in its rest. */
static void leave_to_rest(const struct session *s)
{
	const struct session_firing firing = session_firing(s);
	struct session *rest = s->of;

	if (!rest)
		return;
	session_tally_add(&rest->tally, &s->tally);
	firing_add(&rest->left, &firing);
	first_bad_merge(&rest->first_bad, &s->first_bad);
	rest->missed += missing_count(&s->missing, s->records);
	rest->twice += s->missing.doubled;
	rest->times.part = s->times.part;
	rest->times.process = s->times.process;
}

static void remove_guest(struct sessions *t, struct session *s)
{
	leave_to_rest(s);
	take_out(t, s);
	if (s->first)
		take_out_first(t, s);
	t->n--;
	if (t->latest == s)
		t->latest = NULL;
	free_session(s);
}

void session_forget_rules(struct session *s)
{
	s->left = session_firing(s);
	rules_close(s->rules);
	s->rules = NULL;
}

/* The session seen longest ago gives up its rules' state; a guest goes altogether. */
static void retire_oldest(struct sessions *t)
{
	struct session *s = t->oldest;

	unlink_active(t, s);
	if (!s->listed) {
		remove_guest(t, s);
		return;
	}
	session_forget_rules(s);
}

static struct session *touch(struct sessions *t, struct session *s)
{
	t->latest = s;
	if (t->newest == s)
		return s;
	if (s->active)
		unlink_active(t, s);
	link_active(t, s);
	while (t->n_active > SESSIONS_ACTIVE_MAX)
		retire_oldest(t);
	return s;
}

static bool grow(struct sessions *t)
{
	const struct sessions old = *t;
	const size_t n_slots = t->n_slots ? t->n_slots * 2 : SLOTS_FIRST;
	struct session **slot = calloc(n_slots, sizeof(struct session *)),
		       **first = calloc(n_slots, sizeof(struct session *));

	if (!slot || !first) {
		free(slot);
		free(first);
		return false;
	}
	t->slot = slot;
	t->first = first;
	t->n_slots = n_slots;
	for (size_t i = 0; i < old.n_slots; i++)
		for (struct session *s = old.slot[i], *next; s; s = next) {
			next = s->chain;
			put(t, s);
			if (s->first)
				put_first(t, s);
		}
	free(old.slot);
	free(old.first);
	return true;
}

/* False when memory is out: the name may come again. */
static bool name(struct sessions *t, struct session *s, struct slice instance)
{
	char *text = session_text(instance);

	t->failed |= !text;
	if (!text)
		return false;
	free(s->instance);
	s->instance = text;
	s->named = true;
	return true;
}

static struct session *add(struct sessions *t, struct slice id, struct slice instance, uint64_t id_hash, bool first)
{
	struct session *s = t->n < t->n_slots || grow(t) ? calloc(1, sizeof *s) : NULL;

	if (s)
		s->id = session_text(id);
	if (!s || !s->id) {
		free(s);
		t->failed = true;
		return NULL;
	}
	s->id_bytes = id.n;
	s->first = first;
	s->id_hash = s->hash = id_hash;
	if (instance.n && name(t, s, instance))
		s->hash = key_in(id_hash, instance);
	put(t, s);
	if (first)
		put_first(t, s);
	t->n++;
	return s;
}

static struct session *look_up(const struct sessions *t, struct slice id, struct slice instance, uint64_t hash)
{
	struct session *s = t->n_slots ? t->slot[hash & (t->n_slots - 1)] : NULL;

	while (s && (s->hash != hash || !is_session(s, id, instance)))
		s = s->chain;
	return s;
}

static struct session *first_of(const struct sessions *t, struct slice id, uint64_t id_hash)
{
	struct session *s = t->n_slots ? t->first[id_hash & (t->n_slots - 1)] : NULL;

	while (s && (s->id_hash != id_hash || !has_id(s, id)))
		s = s->first_chain;
	return s;
}

/* The first one, which had no name up to now. */
static struct session *take_name(struct sessions *t, struct session *s, struct slice instance)
{
	if (!name(t, s, instance))
		return s;
	take_out(t, s);
	s->hash = key_in(s->id_hash, instance);
	put(t, s);
	return s;
}

void sessions_touch(struct sessions *t, struct session *s)
{
	touch(t, s);
}

struct session *sessions_find(struct sessions *t, struct slice id, struct slice instance)
{
	struct session *s = t->latest, *first;
	uint64_t hash;

	id = session_cut(id);
	instance = session_cut(instance);
	if (s && is_session(s, id, instance))
		return s;
	hash = session_hash(id);
	s = instance.n ? look_up(t, id, instance, key_in(hash, instance)) : NULL;
	if (!s) {
		first = first_of(t, id, hash);
		s = !first         ? add(t, id, instance, hash, true)
		    : !instance.n  ? first
		    : first->named ? add(t, id, instance, hash, false)
				   : take_name(t, first, instance);
	}
	return s ? touch(t, s) : NULL;
}

/* Puts the hash into an open table that is never more than half full. */
static bool put_other(uint64_t *table, size_t cap, uint64_t hash)
{
	size_t at = hash & (cap - 1);

	while (table[at] && table[at] != hash)
		at = (at + 1) & (cap - 1);
	if (table[at])
		return false;
	table[at] = hash;
	return true;
}

static bool grow_other(struct sessions *t)
{
	size_t cap = t->other_cap ? t->other_cap * 2 : OTHER_FIRST;
	uint64_t *table = cap <= OTHER_MAX ? calloc(cap, sizeof *table) : NULL;

	if (!table)
		return false;
	for (size_t i = 0; i < t->other_cap; i++)
		if (t->other[i])
			put_other(table, cap, t->other[i]);
	free(t->other);
	t->other = table;
	t->other_cap = cap;
	return true;
}

/* Is it the first time? Distinct ones up to OTHER_MAX / 2; beyond that the count is a floor. */
static bool count_other(struct sessions *t, uint64_t hash)
{
	bool new;

	if (2 * t->n_other >= t->other_cap && !grow_other(t))
		return false;
	new = put_other(t->other, t->other_cap, hash);
	t->n_other += new;
	return new;
}

static bool put_in_list(struct sessions *t, struct session *s)
{
	if (!array_grow(&t->listed, t->n_listed, &t->listed_cap, 16, sizeof(struct session *))) {
		t->failed = true;
		return false;
	}
	s->index = t->n_listed;
	t->listed[t->n_listed++] = s;
	s->listed = true;
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool copy_text(char **to, const char *text)
{
	*to = text ? session_text(slice_of(text)) : NULL;
	return !text || *to;
}

static struct session *new_rest(struct sessions *t, const struct session *of)
{
	const size_t most = t->most_rests ? t->most_rests : SESSIONS_RESTS_MAX;
	struct session *rest = t->n_rests < most ? calloc(1, sizeof *rest) : NULL;

	if (!rest)
		return NULL;
	if (!copy_text(&rest->id, "") || !copy_text(&rest->instance, of->instance) ||
	    !copy_text(&rest->model_name, of->model_name) || !copy_text(&rest->strategy, of->strategy) ||
	    !copy_text(&rest->device, of->device) || !put_in_list(t, rest)) {
		t->failed = true;
		free_session(rest);
		return NULL;
	}
	rest->rest = true;
	rest->times.part = of->times.part;
	rest->times.process = of->times.process;
	t->n_rests++;
	return rest;
}

static struct session *rest_of(struct sessions *t, const struct session *s)
{
	uint64_t hash = session_hash(slice_of(s->instance ? s->instance : ""));
	struct session **slot, *rest;

	hash = mix(hash, session_hash(slice_of(s->model_name ? s->model_name : "")));
	hash = mix(hash, session_hash(slice_of(s->strategy ? s->strategy : "")));
	slot = &t->rest[hash % REST_SLOTS];
	for (rest = *slot; rest; rest = rest->first_chain)
		if (rest->hash == hash && same_text(rest->instance, s->instance) &&
		    same_text(rest->model_name, s->model_name) && same_text(rest->strategy, s->strategy))
			return rest;
	rest = new_rest(t, s);
	if (!rest)
		return NULL;
	rest->hash = hash;
	rest->first_chain = *slot;
	*slot = rest;
	return rest;
}

void sessions_list(struct sessions *t, struct session *s)
{
	if (s->listed || s->counted)
		return;
	if (sessions_listed(t) == (t->most ? t->most : FINDINGS_SESSIONS_MAX)) {
		bool new = count_other(t, s->hash);

		s->counted = true;
		s->of = rest_of(t, s);
		*(s->of ? &s->of->sessions : &t->n_homeless) += new;
		return;
	}
	put_in_list(t, s);
}

void sessions_free(struct sessions *t)
{
	for (size_t i = 0; i < t->n_slots; i++)
		for (struct session *s = t->slot[i], *next; s; s = next) {
			next = s->chain;
			free_session(s);
		}
	for (size_t i = 0; i < REST_SLOTS; i++)
		for (struct session *s = t->rest[i], *next; s; s = next) {
			next = s->first_chain;
			free_session(s);
		}
	free(t->slot);
	free(t->first);
	free(t->listed);
	free(t->other);
	*t = (struct sessions){ .n = 0 };
}
