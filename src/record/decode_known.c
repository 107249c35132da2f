/* decode_known.c - the sessions of a log with their latest fields, in a hash table by name. */
#include "record/decode_known.h"

#include <stdlib.h>

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

bool known_has_room(const struct known *k)
{
	return k->n_sessions + COLUMNS_ROWS <= KNOWN_SESSIONS && !known_full(k) && !k->names.failed && !k->kept.failed;
}

bool known_release(struct known *k)
{
	if (known_has_room(k))
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

uint64_t known_hash_of_short(struct slice id)
{
	return hash_of(id, 1);
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
	k->session[k->n_sessions] = (struct known_session){
		.id = { copy, id.n }, .hash = hash, .number = (uint16_t)k->n_sessions, .plain = is_plain(id)
	};
	k->slot[at] = (uint16_t)++k->n_sessions;
	return k->slot[at] - 1;
}

int known_session(struct known *k, struct slice id)
{
	uint64_t hash = known_hash(id);
	size_t at = known_slot(k, id, hash);

	return k->slot[at] ? k->slot[at] - 1 : add_session(k, id, hash, at);
}

struct known_session *known_new_plain(struct known *k, struct slice id, uint64_t hash, size_t at)
{
	int number = is_plain(id) ? add_session(k, id, hash, at) : -1;

	return number < 0 ? NULL : known_by_number(k, number);
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
	struct known_fields **chain = &k->fields[hash % KNOWN_CHAINS], *kf;

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
	const struct kept_text *t = k->text[hash % KNOWN_CHAINS];

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
	*t = (struct kept_text){
		.chain = k->text[hash % KNOWN_CHAINS], .hash = hash, .shape = shape, .fields = fields
	};
	for (; t->n < n; t->n++) {
		t->text[t->n] = (struct slice){ arena_copy(&k->kept, text[t->n]), text[t->n].n };
		if (!t->text[t->n].p)
			return;
	}
	k->text[hash % KNOWN_CHAINS] = t;
	k->n_texts++;
}
