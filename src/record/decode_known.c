/* decode_known.c - the sessions of a log with their latest fields, in a hash table by name. */
#include "record/decode_known.h"

#include "base/arena.h"
#include "record/decode_bytes.h"

#include <stdlib.h>

enum { SESSION_SLOTS = 2 * KNOWN_SESSIONS, CHAINS = 1024 };
_Static_assert((SESSION_SLOTS & (SESSION_SLOTS - 1)) == 0, "a power of two");

struct known {
	uint16_t slot[SESSION_SLOTS]; /* 1 + number; 0: free */
	struct known_session session[KNOWN_SESSIONS];
	size_t n_sessions, n_fields, n_texts;
	struct known_fields *fields[CHAINS];
	struct kept_text *text[CHAINS];
	struct arena names, kept;
};
_Static_assert(KNOWN_SESSIONS < UINT16_MAX, "a number and one fit a slot");

struct known *known_open(void)
{
	return calloc(1, sizeof(struct known));
}

static void forget(struct known *k)
{
	memset(k->slot, 0, sizeof k->slot);
	memset(k->session, 0, k->n_sessions * sizeof *k->session);
	memset(k->fields, 0, sizeof k->fields);
	memset(k->text, 0, sizeof k->text);
	k->n_sessions = k->n_fields = k->n_texts = 0;
	arena_free(&k->names);
	arena_free(&k->kept);
	k->names = k->kept = (struct arena){ .newest = NULL };
}

void known_close(struct known *k)
{
	if (!k)
		return;
	arena_free(&k->names);
	arena_free(&k->kept);
	free(k);
}

bool known_release(struct known *k)
{
	if (k->n_sessions + COLUMNS_ROWS <= KNOWN_SESSIONS && !known_full(k) && !k->names.failed && !k->kept.failed)
		return false;
	forget(k);
	return true;
}

bool known_full(const struct known *k)
{
	return k->n_fields >= KNOWN_FIELDS || k->n_texts >= 4 * KNOWN_FIELDS;
}

static inline uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

static uint64_t hash_of(struct slice text, uint64_t h)
{
	size_t at = 0;

	h = mix(h, text.n);
	for (; text.n - at >= 8; at += 8)
		h = mix(h, load8(text.p + at));
	if (at < text.n) {
		uint64_t word = 0;

		memcpy(&word, text.p + at, text.n - at);
		h = mix(h, word);
	}
	return h;
}

/* Names differ at their ends. The hash covers all of a name of 8..24 bytes, and the last 24 bytes of a longer one. */
static inline uint64_t hash_of_name(struct slice id)
{
	const char *last = id.p + id.n - 8;
	uint64_t h;

	if (id.n < 8)
		return hash_of(id, 1);
	h = load8(last) * UINT64_C(0x9e3779b97f4a7c15);
	if (id.n > 8)
		h = (h ^ load8(id.n >= 16 ? last - 8 : id.p)) * UINT64_C(0xff51afd7ed558ccd);
	if (id.n > 16)
		h = (h ^ h >> 29 ^ load8(id.n >= 24 ? last - 16 : id.p)) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

/* Names are nearly always the same, and short. */
static inline bool same_name(const char *a, const char *b, size_t n)
{
	uint64_t apart = 0;

	if (n < 8)
		return !memcmp(a, b, n);
	for (size_t i = 0; i + 8 < n; i += 8)
		apart |= load8(a + i) ^ load8(b + i);
	return !(apart | (load8(a + n - 8) ^ load8(b + n - 8)));
}

/* The slot that holds the name, or where it belongs. */
static inline size_t slot_of(const struct known *k, struct slice id, uint64_t hash)
{
	size_t at = hash & (SESSION_SLOTS - 1);

	for (; k->slot[at]; at = (at + 1) & (SESSION_SLOTS - 1)) {
		const struct known_session *s = &k->session[k->slot[at] - 1];

		if (s->hash == hash && s->id.n == id.n && same_name(s->id.p, id.p, id.n))
			break;
	}
	return at;
}

static bool is_plain(struct slice id)
{
	return plain_prefix(id.p, id.p + id.n) == id.n;
}

static int add_session(struct known *k, struct slice id, uint64_t hash, size_t at)
{
	char *copy = k->n_sessions < KNOWN_SESSIONS ? arena_copy(&k->names, id) : NULL;
	if (!copy)
		return -1;
	k->session[k->n_sessions] = (struct known_session){ .id = { copy, id.n }, .hash = hash, .plain = is_plain(id) };
	k->slot[at] = (uint16_t)++k->n_sessions;
	return k->slot[at] - 1;
}

int known_session(struct known *k, struct slice id)
{
	uint64_t hash = hash_of_name(id);
	size_t at = slot_of(k, id, hash);

	return k->slot[at] ? k->slot[at] - 1 : add_session(k, id, hash, at);
}

int known_plain_session(struct known *k, struct slice id)
{
	uint64_t hash = hash_of_name(id);
	size_t at = slot_of(k, id, hash);

	if (k->slot[at])
		return k->session[k->slot[at] - 1].plain ? k->slot[at] - 1 : -1;
	return is_plain(id) ? add_session(k, id, hash, at) : -1;
}

struct known_session *known_by_number(struct known *k, int number)
{
	return &k->session[number];
}

/* --- fields ----------------------------------------------------------------------- */

/* Hash of all fields except the session's name. */
static uint64_t hash_of_fields(const struct field_values *v)
{
	uint64_t h = mix(mix(1, v->have[0]), v->have[1]);

	for (int word = 0; word < 2; word++)
		for (uint64_t left = v->have[word]; left; left &= left - 1) {
			int f = 64 * word + __builtin_ctzll(left);
			uint64_t bits;

			memcpy(&bits, &v->v[f].number, sizeof bits);
			if (f != F_SESSION_ID)
				h = field_is_text((enum field_id)f) ? hash_of(v->v[f].text, h) : mix(h, bits);
		}
	return h;
}

static bool same_fields(const struct field_values *a, const struct field_values *b)
{
	if (memcmp(a->have, b->have, sizeof a->have))
		return false;
	for (int word = 0; word < 2; word++)
		for (uint64_t left = a->have[word]; left; left &= left - 1) {
			int f = 64 * word + __builtin_ctzll(left);

			if (f == F_SESSION_ID)
				continue;
			if (field_is_text((enum field_id)f)
				    ? !slice_equal(a->v[f].text, b->v[f].text)
				    : memcmp(&a->v[f].number, &b->v[f].number, sizeof a->v[f].number) != 0)
				return false;
		}
	return true;
}

struct known_fields *known_fields(struct known *k, const struct field_values *values)
{
	uint64_t hash = hash_of_fields(values);
	struct known_fields **chain = &k->fields[hash % CHAINS], *kf;

	for (kf = *chain; kf; kf = kf->chain)
		if (kf->hash == hash && same_fields(&kf->values, values))
			return kf;
	kf = arena_alloc(&k->kept, 1, sizeof *kf);
	if (!kf)
		return NULL;
	kf->hash = hash;
	memcpy(kf->values.have, values->have, sizeof values->have);
	for (int f = 0; f < FIELD_COUNT; f++) {
		if (!fields_have(values, (enum field_id)f))
			continue;
		kf->values.v[f] = values->v[f];
		if (!field_is_text((enum field_id)f) || f == F_SESSION_ID)
			continue;
		kf->values.v[f].text.p = arena_copy(&k->kept, values->v[f].text);
		if (!kf->values.v[f].text.p)
			return NULL;
	}
	kf->chain = *chain;
	*chain = kf;
	k->n_fields++;
	return kf;
}

static uint64_t hash_of_texts(uint32_t shape, const struct slice *text, size_t n)
{
	uint64_t h = mix(1, shape);

	for (size_t i = 0; i < n; i++)
		h = hash_of(text[i], h);
	return h;
}

const struct kept_text *known_text(const struct known *k, uint32_t shape, const struct slice *text, size_t n)
{
	uint64_t hash = hash_of_texts(shape, text, n);
	const struct kept_text *t = k->text[hash % CHAINS];

	for (; t; t = t->chain) {
		bool same = t->hash == hash && t->shape == shape && t->n == n;

		for (size_t i = 0; same && i < n; i++)
			same = slice_equal(t->text[i], text[i]);
		if (same)
			return t;
	}
	return NULL;
}

void known_text_add(struct known *k, uint32_t shape, const struct slice *text, size_t n, struct known_fields *fields)
{
	uint64_t hash = hash_of_texts(shape, text, n);
	struct kept_text *t = n <= KEPT_TEXTS ? arena_alloc(&k->kept, 1, sizeof *t) : NULL;

	if (!t)
		return;
	*t = (struct kept_text){ .chain = k->text[hash % CHAINS], .hash = hash, .shape = shape, .fields = fields };
	for (; t->n < n; t->n++) {
		t->text[t->n] = (struct slice){ arena_copy(&k->kept, text[t->n]), text[t->n].n };
		if (!t->text[t->n].p)
			return;
	}
	k->text[hash % CHAINS] = t;
	k->n_texts++;
}
