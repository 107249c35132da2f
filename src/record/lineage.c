/* lineage.c - a ring of what handles said. */
#include "record/lineage.h"

#include "base/arena.h"

#include <stdlib.h>

struct forebear {
	struct arena texts;
	struct field_values said; /* its texts lie in the arena; without an id there is none here */
};

struct lineage {
	struct forebear *of[LINEAGE_MAX]; /* NULL: none yet; most logs have one */
	size_t next;
};

struct lineage *lineage_open(void)
{
	return calloc(1, sizeof(struct lineage));
}

void lineage_close(struct lineage *l)
{
	for (size_t i = 0; l && i < LINEAGE_MAX && l->of[i]; i++) {
		arena_free(&l->of[i]->texts);
		free(l->of[i]);
	}
	free(l);
}

static struct slice cut(struct slice text)
{
	return (struct slice){ text.p, text.n < LINEAGE_TEXT ? text.n : LINEAGE_TEXT };
}

static bool is_of(const struct field_values *said, struct slice id, struct slice instance)
{
	const struct slice known = fields_text(said, F_SESSION_ID), whose = fields_text(said, F_INSTANCE);

	return known.n && slice_equal(known, id) && (!whose.n || !instance.n || slice_equal(whose, instance));
}

static struct forebear *find(struct lineage *l, struct slice id, struct slice instance)
{
	for (size_t i = 0; i < LINEAGE_MAX && l->of[i]; i++) {
		if (is_of(&l->of[i]->said, cut(id), cut(instance)))
			return l->of[i];
	}
	return NULL;
}

/* Of field f, what `from` has: its text copied, or pointed to when there is no arena. */
static void take(struct field_values *to, const struct field_values *from, enum field_id f, struct arena *texts)
{
	struct slice text;

	if (!field_is_text(f)) {
		fields_set_number(to, f, from->v[f].number);
		return;
	}
	text = cut(from->v[f].text);
	if (texts)
		text.p = arena_copy(texts, text);
	fields_set_text(to, f, text);
}

/* The oldest gives way; NULL: no memory. */
static struct forebear *next_place(struct lineage *l)
{
	struct forebear **place = &l->of[l->next % LINEAGE_MAX];

	if (!*place)
		*place = calloc(1, sizeof **place);
	l->next += *place != NULL;
	return *place;
}

static void remember(struct lineage *l, const struct field_values *said)
{
	struct forebear *place = find(l, fields_text(said, F_SESSION_ID), fields_text(said, F_INSTANCE));

	if (!place)
		place = next_place(l);
	if (!place)
		return;
	arena_free(&place->texts);
	place->texts = (struct arena){ 0 };
	place->said = (struct field_values){ 0 };
	for (int f = 0; f < FIELD_COUNT; f++)
		if (field_specs[f].owner == OWNER_SESSION && fields_have(said, (enum field_id)f))
			take(&place->said, said, (enum field_id)f, &place->texts);
}

const struct field_values *lineage_of(struct lineage *l, const struct record *start, struct field_values *room)
{
	const struct slice of = fields_text(start->session, F_STREAM_OF),
			   instance = fields_text(start->session, F_INSTANCE);
	const struct forebear *from = l && of.n ? find(l, of, instance) : NULL;

	if (l && !of.n)
		remember(l, start->session);
	if (!from)
		return start->session;
	*room = *start->session;
	for (int f = 0; f < FIELD_COUNT; f++)
		if (fields_have(&from->said, (enum field_id)f) && !fields_have(room, (enum field_id)f))
			take(room, &from->said, (enum field_id)f, NULL);
	return room;
}
