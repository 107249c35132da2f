/* decode_members.c - the keys that a step may have, and when to look for them. */
#include "record/decode_members.h"

#include "base/cpu.h"
#include "record/decode_members_keys.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum { PAUSE_MAX = 64, FIRST_LINES = MEMBER_LINES };

static struct member_keys own;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static_assert(METRIC_COUNT + MEMBER_FIELDS_MAX < UINT8_MAX, "a slot fits a byte");
static_assert(sizeof(struct member_key) == 64, "one key, one line of the cache");

/* --- the keys --------------------------------------------------------------------- */

static bool has_text(const struct member_key *key, struct slice text)
{
	return key->length == text.n && !memcmp(key->text + MEMBER_KEY_BYTES - text.n, text.p, text.n);
}

static struct member_key *find_key(struct slice text)
{
	for (size_t i = KEYS_RESERVED; i < own.n; i++)
		if (has_text(&own.key[i], text))
			return &own.key[i];
	return NULL;
}

/* A key that stands in one object only; NULL: there is no room, or it is there already, and then nobody knows it. */
static struct member_key *add_key(struct slice text, uint8_t parent)
{
	struct member_key *key = find_key(text);

	if (key)
		key->length = UINT32_MAX;
	if (key || text.n < 2 || text.n > MEMBER_KEY_MAX || own.n == MEMBER_KEYS_MAX)
		return NULL;
	key = &own.key[own.n++];
	*key = (struct member_key){ .length = (uint32_t)text.n, .slot = MEMBER_SLOT_NOWHERE, .parent = parent, .inside = parent,
				    .separator = ',' };
	memcpy(key->text + MEMBER_KEY_BYTES - text.n, text.p, text.n);
	return key;
}

static void open_object(struct member_key *key, uint8_t object)
{
	key->object = UINT32_MAX;
	key->inside = object;
	key->separator = '{';
}

/* The object of that name there; NO_OBJECT: it cannot be had. */
static uint8_t object_of(struct slice text, uint8_t parent)
{
	struct member_key *key = find_key(text);
	uint8_t object = (uint8_t)own.n_objects;

	if (key && key->object && key->parent == parent)
		return key->inside;
	if (own.n_objects == MEMBER_OBJECTS_MAX)
		return NO_OBJECT;
	key = add_key(text, parent);
	if (!key)
		return NO_OBJECT;
	open_object(key, object);
	own.n_objects++;
	own.depth[object] = (uint8_t)(own.depth[parent] + 1);
	own.up[1][object] = parent;
	return object;
}

/* The key at the end of a path, in an object. */
static struct member_key *add_path(const char *path, uint8_t parent)
{
	struct slice rest = slice_of(path);
	const char *dot;

	while (parent != NO_OBJECT && (dot = memchr(rest.p, '.', rest.n))) {
		size_t n = (size_t)(dot - rest.p);

		parent = object_of((struct slice){ rest.p, n }, parent);
		rest = (struct slice){ dot + 1, rest.n - n - 1 };
	}
	return parent == NO_OBJECT ? NULL : add_key(rest, parent);
}

static void add_metric(enum metric_id m)
{
	uint8_t group = object_of(slice_of(metric_group_keys[metric_specs[m].group]), 0);
	struct member_key *key = add_path(metric_specs[m].key, group);

	if (!key)
		return;
	key->metric = metric_bit(m);
	key->slot = (uint8_t)m;
}

/* Fields that a step can have; an array is out of the ordinary. */
static bool is_of_steps(enum field_id f)
{
	enum field_kind kind = field_specs[f].kind;

	return field_specs[f].owner != OWNER_EXTRA && kind != KIND_TOKENS && kind != KIND_NUMBERS && kind != KIND_METRICS &&
	       kind != KIND_DETAILS;
}

static void add_field(enum field_id f)
{
	uint64_t bit = UINT64_C(1) << own.n_fields;
	struct member_key *key = own.n_fields < MEMBER_FIELDS_MAX ? add_path(field_specs[f].path, 0) : NULL;

	if (!key)
		return;
	key->field = bit;
	key->slot = (uint8_t)(METRIC_COUNT + own.n_fields);
	own.of_session |= field_specs[f].owner == OWNER_SESSION ? bit : 0;
	own.needed |= f == F_TIMESTAMP || f == F_EVENT_TYPE ? bit : 0;
	own.field[own.n_fields++] = f;
}

static void fill_objects(void)
{
	memset(own.up, NO_OBJECT, sizeof own.up);
	own.n_objects = 1;
	own.depth[0] = 1;
	own.n = KEYS_RESERVED;
	own.key[KEY_UNKNOWN].length = UINT32_MAX;
	own.key[KEY_UNKNOWN].slot = own.key[KEY_TOP].slot = MEMBER_SLOT_NOWHERE;
	open_object(&own.key[KEY_TOP], 0);
}

/* After more closings than one, from what one does. */
static void fill_up(void)
{
	for (size_t i = 0; i < MEMBER_OBJECTS_MAX; i++)
		own.up[0][i] = (uint8_t)i;
	for (size_t closed = 2; closed <= CLOSED_MAX; closed++)
		for (size_t i = 0; i < MEMBER_OBJECTS_MAX; i++) {
			uint8_t above = own.up[closed - 1][i];

			own.up[closed][i] = above == NO_OBJECT ? NO_OBJECT : own.up[1][above];
		}
}

static uint64_t mix_of(const struct member_key *key)
{
	char text[MEMBER_KEY_BYTES + 4] = "\"";

	memcpy(text + 1, key->text + MEMBER_KEY_BYTES - key->length, key->length);
	memcpy(text + 1 + key->length, "\":", 2);
	return member_mix(text + 1, key->length);
}

/* False: two keys have the same index. */
static bool fill_index(void)
{
	memset(own.index, KEY_UNKNOWN, sizeof own.index);
	for (size_t i = KEYS_RESERVED; i < own.n; i++) {
		size_t at;

		if (own.key[i].length > MEMBER_KEY_MAX)
			continue;
		at = member_index(&own, mix_of(&own.key[i]));
		if (own.index[at])
			return false;
		own.index[at] = (uint8_t)i;
	}
	return true;
}

/* Were there none, lines would go the long way. */
static void choose_multiplier(void)
{
	own.multiplier = UINT64_C(0x9e3779b97f4a7c15);
	for (int tries = 0; tries < 1000 && !fill_index(); tries++)
		own.multiplier = own.multiplier * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

static void fill_own(void)
{
	fill_objects();
	for (int m = 0; m < METRIC_COUNT; m++)
		add_metric((enum metric_id)m);
	for (int f = 0; f < FIELD_COUNT; f++)
		if (is_of_steps((enum field_id)f))
			add_field((enum field_id)f);
	fill_up();
	choose_multiplier();
}

/* --- when ------------------------------------------------------------------------- */

struct members *members_open(void)
{
	struct members *ms = NULL;

#if defined(__x86_64__)
	if (cpu_features()->avx512 && cpu_features()->vbmi2)
		ms = calloc(1, sizeof *ms);
#endif
	if (!ms)
		return NULL;
	pthread_once(&own_once, fill_own);
	ms->keys = &own;
	ms->most = FIRST_LINES;
	return ms;
}

void members_close(struct members *ms)
{
	free(ms);
}

void members_feed(struct members *ms, const char *text)
{
	ms->text = text;
	ms->marks.base = NULL;
}

#if defined(__x86_64__)
/* Where the lines went another way, their marks are over. */
static void pass_marks(struct key_marks *m, const char *p)
{
	for (; m->next < m->n && m->base + m->at[m->next] < p; m->next++)
		m->lines -= m->base[m->at[m->next]] == '\n';
}

/* Whole lines from p on, as far as they are known: MEMBER_LINES, or those that the text, or the room for marks, ends with. */
static size_t lines_at(struct members *ms, const char *p, const char *end)
{
	struct key_marks *m = &ms->marks;

	if (m->base)
		pass_marks(m, p);
	if (!m->base || (m->lines < MEMBER_LINES && m->upto < end))
		members_find_avx512(m, p, end);
	return m->lines < MEMBER_LINES ? m->lines : MEMBER_LINES;
}

/* The session's fields by their slots; false: it has others, too. */
static bool look_at_session(struct members *ms, const struct field_values *session)
{
	int fields = __builtin_popcountll(session->have[0]) + __builtin_popcountll(session->have[1]);

	ms->session = session;
	ms->session_fields = 0;
	for (size_t i = 0; i < ms->keys->n_fields; i++)
		if (ms->keys->of_session >> i & 1 && fields_have(session, ms->keys->field[i]))
			ms->session_fields |= UINT64_C(1) << i;
	return __builtin_popcountll(ms->session_fields) == fields;
}

/* Where it does well, it is tried for longer; where it does not, less and less often. */
static void learn(struct members *ms, size_t lines, size_t most)
{
	if (lines)
		ms->pause = 0;
	else if (ms->pause < PAUSE_MAX)
		ms->pause = 2 * ms->pause + 1;
	ms->wait = ms->pause;
	ms->most = lines < most ? FIRST_LINES : ms->most < COLUMNS_ROWS ? 2 * ms->most : COLUMNS_ROWS;
}

size_t members_run(struct members *ms, const char **p, const char *end, const struct field_values *session, struct columns *c)
{
	size_t room = COLUMNS_ROWS - c->n, most = room < ms->most ? room : ms->most, all = 0, n, lines;

	if (ms->wait) {
		ms->wait--;
		return 0;
	}
	if (*p - ms->text < MEMBER_READ_BEFORE || !most || !look_at_session(ms, session))
		return 0;
	do {
		n = lines_at(ms, *p, end);
		n = n < most - all ? n : most - all;
		lines = n ? members_take_avx512(ms, *p, n, c) : 0;
		all += lines;
		if (lines)
			*p = ms->marks.base + ms->marks.at[ms->marks.next - 1] + 1;
	} while (lines == MEMBER_LINES && all < most);
	learn(ms, all, *p == end ? all : most);
	return all;
}
#else
size_t members_run(struct members *ms, const char **p, const char *end, const struct field_values *session, struct columns *c)
{
	(void)ms, (void)p, (void)end, (void)session, (void)c;
	return 0;
}
#endif
