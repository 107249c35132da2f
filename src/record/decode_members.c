/* decode_members.c - the keys that a step may have, and when this decoder is tried. */
#include "record/decode_members.h"

#include "base/cpu.h"
#include "record/decode_members_keys.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
	FIRST_LINES = MEMBER_LINES,
	FIRST_BYTES = 2 * MEMBERS_LINE_MAX, /* that are searched for them */
	WORTH_LINES = 4,                    /* of a try */
	PAUSE_MAX = 255                     /* calls */
};

static struct member_keys own;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static_assert(METRIC_COUNT + MEMBER_FIELDS_MAX < UINT8_MAX, "a slot fits a byte");

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

static uint32_t role_of(unsigned slot, unsigned parent, unsigned inside)
{
	return slot << ROLE_SLOT | parent << ROLE_PARENT | inside << ROLE_INSIDE;
}

/* Adds a key that occurs in one object only; NULL: there is no room, or the key exists already and is then treated as
 * unknown. */
static struct member_key *add_key(struct slice text, unsigned parent)
{
	struct member_key *key = find_key(text);
	size_t lacking = MEMBER_KEY_MAX - text.n;

	if (key)
		key->length = 0;
	if (key || text.n < 2 || text.n > MEMBER_KEY_MAX || own.n == MEMBER_KEYS_MAX)
		return NULL;
	key = &own.key[own.n++];
	key->length = (uint32_t)text.n;
	key->role = role_of(MEMBER_SLOT_NOWHERE, parent, parent);
	key->text[lacking] = '"';
	memcpy(key->text + lacking + 1, text.p, text.n);
	memset(key->mask + lacking, 0xff, text.n + 1);
	return key;
}

static unsigned inside_of(const struct member_key *key)
{
	return key->role >> ROLE_INSIDE & (MEMBER_OBJECTS - 1);
}

static bool is_object_in(const struct member_key *key, unsigned parent)
{
	return key->role >> ROLE_IS_OBJECT && (key->role >> ROLE_PARENT & (MEMBER_OBJECTS - 1)) == parent;
}

/* The object with that name in the parent; OBJECT_NONE: it cannot be added. */
static unsigned object_of(struct slice text, unsigned parent)
{
	struct member_key *key = find_key(text);
	unsigned object = (unsigned)own.n_objects;

	if (key && is_object_in(key, parent))
		return inside_of(key);
	if (object == OBJECT_NONE)
		return OBJECT_NONE;
	key = add_key(text, parent);
	if (!key)
		return OBJECT_NONE;
	key->role = role_of(MEMBER_SLOT_NOWHERE, parent, object) | UINT32_C(1) << ROLE_IS_OBJECT;
	own.n_objects++;
	own.up[1][object] = (uint16_t)parent;
	return object;
}

/* The key at the end of a path, in an object. */
static struct member_key *add_path(const char *path, unsigned parent)
{
	struct slice rest = slice_of(path);
	const char *dot;

	while (parent != OBJECT_NONE && (dot = memchr(rest.p, '.', rest.n))) {
		size_t n = (size_t)(dot - rest.p);

		parent = object_of((struct slice){ rest.p, n }, parent);
		rest = (struct slice){ dot + 1, rest.n - n - 1 };
	}
	return parent == OBJECT_NONE ? NULL : add_key(rest, parent);
}

static void add_metric(enum metric_id m)
{
	unsigned group = object_of(slice_of(metric_group_keys[metric_specs[m].group]), 0);
	struct member_key *key = add_path(metric_specs[m].key, group);

	if (!key)
		return;
	key->slots[0] = metric_bit(m);
	key->role += (unsigned)m - MEMBER_SLOT_NOWHERE;
}

/* Fields that a step can have; arrays are left to the full parser. */
static bool is_of_steps(enum field_id f)
{
	enum field_kind kind = field_specs[f].kind;

	return field_specs[f].owner != OWNER_EXTRA && kind != KIND_TOKENS && kind != KIND_NUMBERS &&
	       kind != KIND_GPUS && kind != KIND_METRICS && kind != KIND_DETAILS && kind != KIND_JSON;
}

static void add_field(enum field_id f)
{
	uint64_t bit = UINT64_C(1) << own.n_fields;
	struct member_key *key = own.n_fields < MEMBER_FIELDS_MAX ? add_path(field_specs[f].path, 0) : NULL;

	if (!key)
		return;
	key->slots[1] = bit;
	key->role -= (unsigned)(MEMBER_FIELDS_MAX - own.n_fields);
	own.of_session |= field_specs[f].owner == OWNER_SESSION ? bit : 0;
	own.needed |= f == F_TIMESTAMP || f == F_EVENT_TYPE ? bit : 0;
	own.field[own.n_fields++] = f;
}

static void fill_objects(void)
{
	for (unsigned closed = 0; closed <= CLOSED_MAX; closed++)
		for (unsigned i = 0; i < MEMBER_OBJECTS; i++)
			own.up[closed][i] = closed ? OBJECT_NONE : (uint16_t)i;
	own.n_objects = 1;
	own.up[1][0] = OBJECT_OUTSIDE;
	own.n = KEYS_RESERVED;
	own.key[KEY_UNKNOWN].role = role_of(MEMBER_SLOT_NOWHERE, OBJECT_NONE, OBJECT_NONE);
	own.key[KEY_LINE_END].role = role_of(MEMBER_SLOT_NOWHERE, OBJECT_OUTSIDE, 0) | UINT32_C(1) << ROLE_IS_OBJECT |
				     UINT32_C(1) << ROLE_IS_LINE_END;
}

/* After more closings than one, from what one does. */
static void fill_up(void)
{
	for (unsigned closed = 2; closed <= CLOSED_MAX; closed++)
		for (unsigned i = 0; i < MEMBER_OBJECTS; i++)
			own.up[closed][i] = own.up[1][own.up[closed - 1][i]];
}

static uint64_t mix_of(const struct member_key *key)
{
	char text[MEMBER_KEY_BYTES + 2];

	memcpy(text, key->text, MEMBER_KEY_BYTES);
	memcpy(text + MEMBER_KEY_BYTES, "\":", 2);
	return member_mix(text + MEMBER_KEY_BYTES - key->length, key->length);
}

/* False: two keys have the same index. */
static bool fill_index(void)
{
	memset(own.index, KEY_UNKNOWN, sizeof own.index);
	for (size_t i = KEYS_RESERVED; i < own.n; i++) {
		size_t at;

		if (!own.key[i].length)
			continue;
		at = member_index(&own, mix_of(&own.key[i]));
		if (own.index[at])
			return false;
		own.index[at] = (uint8_t)i;
	}
	return true;
}

/* If there were none, all lines would be decoded by the full parser. */
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

#if defined(__x86_64__)
static void choose(struct members *ms)
{
	const struct cpu_features *cpu = cpu_features();

	ms->take = cpu->avx512 ? members_take_avx512 : cpu->avx2 ? members_take_avx2 : NULL;
	ms->find = cpu->avx512 && cpu->vbmi2 ? members_find_vbmi2 : members_find_avx2;
}
#else
static void choose(struct members *ms)
{
	ms->take = NULL;
}
#endif

struct members *members_open(void)
{
	struct members *ms = calloc(1, sizeof *ms);

	if (!ms)
		return NULL;
	pthread_once(&own_once, fill_own);
	ms->keys = &own;
	ms->most = FIRST_LINES;
	choose(ms);
	if (ms->take)
		return ms;
	free(ms);
	return NULL;
}

void members_close(struct members *ms)
{
	free(ms);
}

void members_feed(struct members *ms, const char *text)
{
	ms->text = text;
	members_forget(ms);
}

void members_forget(struct members *ms)
{
	ms->marks.base = NULL;
}

/* If other decoders took the lines, their marks are skipped. */
static void pass_marks(struct key_marks *m, const char *p)
{
	for (; m->next < m->n && key_mark(m, m->next) < p; m->next++)
		m->lines -= *key_mark(m, m->next) == '\n';
}

/* Whole lines from p on: MEMBER_LINES, or as many as the text, or what is looked through of it, ends with. */
static size_t lines_at(struct members *ms, const char *p, const char *end)
{
	struct key_marks *m = &ms->marks;

	if (m->base)
		pass_marks(m, p);
	if (!m->base || (m->lines < MEMBER_LINES && m->upto < end))
		ms->find(m, p, ms->most > FIRST_LINES || end - p < FIRST_BYTES ? end : p + FIRST_BYTES);
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

/* If this decoder does well, it is used for longer; otherwise it is tried less and less often. */
static void learn(struct members *ms, size_t lines, size_t most)
{
	if (lines >= WORTH_LINES || lines == most)
		ms->pause = 0;
	else if (ms->pause < PAUSE_MAX)
		ms->pause = 2 * ms->pause + 1;
	ms->wait = ms->pause;
	ms->most = lines < most ? FIRST_LINES : ms->most < COLUMNS_ROWS ? 2 * ms->most : COLUMNS_ROWS;
}

size_t members_run(struct members *ms, const char **p, const char *end, const struct field_values *session,
		   struct columns *c)
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
		lines = n ? ms->take(ms, n, c) : 0;
		all += lines;
		if (lines)
			*p = key_mark(&ms->marks, ms->marks.next - 1) + 1;
	} while (lines && lines == n && all < most);
	learn(ms, all, *p == end ? all : most);
	return all;
}
